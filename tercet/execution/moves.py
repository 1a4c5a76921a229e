"""What an agent may do, as compiled `decide(view, pad)`: each keeps one working order where the action says, of the size it says.

discrete: hold, or a share of the remainder × where (behind, join, improve, mid, cross). continuous: a share and an aggressiveness.
price-level: all of the remainder, so many ticks from the far touch (Nevmyvaka, Feng & Kearns 2006). To cross is to bid at the far touch:
what stands there trades, the rest waits at that price. Masks say what is open now.
"""

import math

from tercet.book.records import CANCELLING, REPLACE_OWN
from tercet.book.state import LIMIT
from tercet.compiled import compiled
from tercet.execution.caps import halted, largest_child, most_crossing
from tercet.execution.policy import policy, post
from tercet.execution.schedules import first_own, near_touch
from tercet.execution.working import allowance
from tercet.market.events import BUY

SHARES = (0.1, 0.3, 1.0)
BEHIND, JOIN, IMPROVE, MID, CROSS = range(5)
WHERE = ("behind", "join", "improve", "mid", "cross")
PRICE_LEVELS = 12
DISCRETE, PRICE_LEVEL = 1, 2  # which masks hold; 0: none


@compiled
def far_touch(view):
    """The best tick of the other side."""
    return view.ask if view.side == BUY else view.bid


@compiled
def keep(view, pad, tick, lots):
    """Keep one order of `lots` at `tick`: one that stands there and is large enough keeps its place. Returns the count of children.

    Where the posture allows fewer, one that has half of those left, and no more than was asked for, keeps its place too.
    """
    lots = min(lots, view.lots - view.filled)
    allowed = min(lots, largest_child(view))
    place = first_own(view)
    if lots <= 0:
        return 0
    if place < 0:
        return post(view, pad, 0, lots, tick, False)
    own = view.own[place]
    enough = own.lots == lots or (allowed < lots and allowed <= 2 * own.lots and own.lots <= lots)
    if own.state == CANCELLING or own.slot == 0 or (own.tick == tick and enough):
        return 0
    child = pad.children[0]
    child.verb = REPLACE_OWN
    child.kind = LIMIT
    child.handle = own.handle
    child.tick = tick
    child.lots = lots + own.filled
    return 1


@compiled
def share_of(view, share):
    """So much of the remainder, in whole lots, rounded up."""
    return math.ceil(share * (view.lots - view.filled))


@compiled
def tick_at(view, where):
    """The tick of a place in the book, never beyond the far touch."""
    side, near, far = view.side, near_touch(view), far_touch(view)
    if where == BEHIND:
        return near - side
    if where == JOIN:
        return near
    if where == IMPROVE:
        return near + side
    if where == MID:
        return near + side * max(1, ((view.ask - view.bid) // 2))
    return far


@policy
def discrete(view, pad):
    """pad.action[0]: 0 holds; then by share (pad.settings) and place: 1 + 3 × where + share."""
    choice = int(pad.action[0])
    if choice == 0:
        return 0
    where, share = (choice - 1) // 3, (choice - 1) % 3
    return keep(view, pad, tick_at(view, where), share_of(view, pad.settings[share]))


@policy
def continuous(view, pad):
    """pad.action: share of the remainder, then from a spread behind the near touch over joining to crossing, each in -1 to 1."""
    lots = share_of(view, 0.5 * (pad.action[0] + 1.0))
    if lots <= 0:
        return 0
    steps = math.floor(pad.action[1] * (view.ask - view.bid) + 0.5)
    return keep(view, pad, near_touch(view) + view.side * min(steps, view.ask - view.bid), lots)


@policy
def price_level(view, pad):
    """pad.action[0]: all of the remainder, so many ticks from the far touch; 0 crosses."""
    lots = view.lots - view.filled
    return keep(view, pad, far_touch(view) - view.side * int(pad.action[0]), lots)


@compiled
def mask(view, kind, out):
    """Write which discrete actions are open: within the parent's terms and the posture's, and none that says the same as another."""
    free = allowance(view) + view.open > 0 and view.quiet == 0 and not halted(view)
    spread = view.ask - view.bid
    if kind == PRICE_LEVEL:
        for level in range(len(out)):
            tick = far_touch(view) - view.side * level
            out[level] = free and within(view, tick)
        out[len(out) - 1] = True
        return
    if kind != DISCRETE:
        return
    out[0] = True
    largest = most_crossing(view)
    for where in range(5):
        fits = within(view, tick_at(view, where)) and free
        if where in (IMPROVE, MID):
            fits = fits and spread > (1 if where == IMPROVE else 3)
        for share in range(3):
            capped = where == CROSS and share > 0 and share_of(view, SHARES[share]) > largest
            out[1 + 3 * where + share] = fits and not capped


@compiled
def within(view, tick):
    """Whether a tick is one, and keeps the parent's limit."""
    return tick > 0 and (view.limit == 0 or (tick - view.limit) * view.side <= 0)
