"""Parents being worked, child by child: what a policy asks for is made to keep the parent's terms before it is sent."""

from tercet.book.records import CANCEL_OWN, REPLACE_OWN, RESTING, SENT, SUBMIT
from tercet.book.state import IOC, MARKET, POST_ONLY
from tercet.compiled import compiled
from tercet.execution.caps import largest_child, most_crossing, most_participation
from tercet.execution.policy import withdraw
from tercet.market.events import BUY

KEPT, CHANGED, DROPPED = 0, 1, 2


@compiled
def conform(child, view, parent):
    """Make a child keep its parent's terms, or drop it: quantity, limit price, largest participation, no-trade windows.

    The posture's caps bind too: on participation, and on the lots that one child has still to trade, fewer where it crosses the spread.
    What rests they leave where it stands, for its place in the queue; only a HALT pulls it. A replacement that would change nothing is
    dropped, for the same reason.

    What is filled, open and asked for together never exceeds the parent. Returns KEPT, CHANGED or DROPPED.
    """
    if child.verb == CANCEL_OWN:
        return KEPT
    if view.quiet != 0:
        return DROPPED
    before_lots, before_tick, before_kind = child.lots, child.tick, child.kind
    child.side = parent.side
    if parent.limited != 0:
        if child.kind == MARKET and child.verb == SUBMIT:
            child.kind = IOC
            child.tick = parent.limit
        elif (child.tick - parent.limit) * parent.side > 0:
            child.tick = parent.limit
    room, largest = allowance(view), largest_of(child, view)
    if child.verb == SUBMIT:
        child.lots = min(child.lots, room, largest)
    elif child.verb == REPLACE_OWN:
        own_lots, own_filled, own_tick = find_own(view, child.handle)
        child.lots = min(child.lots, own_filled + min(own_lots + room, largest))
        if own_lots == 0 or (child.lots == own_filled + own_lots and child.tick == own_tick):
            return DROPPED
    if child.lots <= 0 or (child.tick <= 0 and not (child.verb == SUBMIT and child.kind == MARKET)):
        return DROPPED
    return KEPT if child.lots == before_lots and child.tick == before_tick and child.kind == before_kind else CHANGED


@compiled
def largest_of(child, view):
    """Lots that a child may have still to trade, at most, under the posture."""
    return min(largest_child(view), most_crossing(view)) if crosses(child, view) else largest_child(view)


@compiled
def crosses(child, view):
    """Whether a child would trade with the far touch as it was seen."""
    if child.kind == POST_ONLY:
        return False
    far = view.ask if view.side == BUY else view.bid
    return (child.kind == MARKET and child.verb == SUBMIT) or (child.tick - far) * view.side >= 0


@compiled
def allowance(view):
    """Lots that may still be asked for: what the parent wants, within its largest participation and the posture's share of it."""
    room = view.lots - view.filled - view.open
    most = most_participation(view)
    if most < 1.0:
        room = min(room, int(most / (1.0 - most) * view.market_lots) - view.filled - view.open)
    return max(room, 0)


@compiled
def behind_least(view, parent):
    """Lots by which a parent is below its least participation."""
    if parent.least <= 0.0:
        return 0
    wanted = min(parent.least / (1.0 - parent.least) * view.market_lots, 1.0 * view.lots)
    return max(int(wanted) - view.filled - view.open, 0)


@compiled
def pull(view, pad):
    """Take back what rests, as far as a pad has room. Returns the count of children."""
    count = 0
    for i in range(len(view.own)):
        if view.own[i].state in (SENT, RESTING) and count < len(pad.children):
            count = withdraw(pad, count, view.own[i])
    return count


@compiled
def find_own(view, handle):
    """(open lots, filled lots, tick) of our order with this handle; zeros where there is none."""
    for i in range(len(view.own)):
        if view.own[i].handle == handle and view.own[i].lots > 0:
            return view.own[i].lots, view.own[i].filled, view.own[i].tick
    return 0, 0, 0
