"""Our orders at the venue: children arrive there, fills come back as REPORTs."""

from tercet.book.flow import touched
from tercet.book.matching import cancel, replace, submit
from tercet.book.queries import row_of
from tercet.book.records import AGGRESSIVE, CANCEL_OWN, CANCELLING, COMPLETION, FREE, PASSIVE, RESTING, SUBMIT
from tercet.book.replay import public_at
from tercet.book.state import POST_ONLY, REFUSED_HALTED, REFUSED_INVALID
from tercet.compiled import compiled
from tercet.sim.altered import add, lots_at, take, take_at
from tercet.sim.reaction import filled, hear
from tercet.sim.state import CROWD, HISTORY, US
from tercet.sim.wire import asked, own_index

_OUR_IDS = -(2**40)


@compiled
def deliver(sim, scratch):
    """Let the first child on the wire arrive."""
    child = sim.wire[sim.wire_head]
    sim.wire_head = (sim.wire_head + 1) % len(sim.wire)
    sim.wire_count -= 1
    place = own_index(sim, child.handle)
    own = sim.own[place]
    if own.state == FREE or own.handle != child.handle:
        return
    before = sim.filled
    if child.verb == CANCEL_OWN:
        withdraw(sim, place)
    elif child.verb == SUBMIT:
        slot, count = submit(sim.book, int(child.side), child.kind, child.tick, child.lots, _OUR_IDS - child.handle, US, scratch)
        traded(sim, place, slot, count, AGGRESSIVE, scratch)
    else:
        change(sim, place, child, scratch)
    if own.state != FREE:
        own.lots = max(sim.book.orders[own.slot].lots, asked(sim, own.handle) - own.filled)
    touched(sim.flow, sim.book, sim.now)
    if sim.kind == CROWD:
        hear(sim, int(child.side), sim.filled - before, child.verb != CANCEL_OWN and own.slot != 0, child.handle)


@compiled
def change(sim, place, child, scratch):
    """Replace an order of ours. A venue that refuses leaves it as it was; a post-only one that would now trade leaves the book."""
    own, book = sim.own[place], sim.book
    opposite = book.sides[row_of(-own.side)]
    if child.lots <= own.filled or (child.kind == POST_ONLY and opposite.levels > 0 and own.side * child.tick + opposite.top >= 0):
        withdraw(sim, place)
        return
    slot, count = replace(book, own.slot, child.tick, child.lots - own.filled, scratch)
    if slot not in (REFUSED_HALTED, REFUSED_INVALID):
        own.tick = child.tick
        traded(sim, place, slot, count, AGGRESSIVE, scratch)


@compiled
def withdraw(sim, place):
    """Take an order of ours out of the book, and forget it."""
    own = sim.own[place]
    if own.slot != 0:
        cancel(sim.book, own.slot)
    own.state = FREE
    own.slot = 0
    own.lots = 0


@compiled
def withdraw_all(sim):
    """Take all our orders out of the book and off the wire."""
    sim.wire_count = 0
    for place in range(len(sim.own)):
        if sim.own[place].state != FREE:
            withdraw(sim, place)


@compiled
def traded(sim, place, slot, count, how, scratch):
    """Account for `count` fills of an order of ours that took liquidity, and for what rests of it in `slot`."""
    own = sim.own[place]
    mid2 = sim.flow.bid + sim.flow.ask
    spread = sim.flow.ask - sim.flow.bid
    for i in range(count):
        fill = scratch.rows[i]
        own.filled += fill.lots
        report(sim, own.handle, own.side, fill.lots, fill.tick, mid2, spread, how, scratch)
        if sim.kind == HISTORY:
            removed_by_us(sim, fill, -own.side)
        else:
            filled(sim, fill)
    if slot > 0:
        own.state = CANCELLING if own.state == CANCELLING else RESTING
        own.slot = slot
        own.lots = sim.book.orders[slot].lots
        sim.book.orders[slot].mark = place + 1
    else:
        own.state = FREE
        own.slot = 0
        own.lots = 0


@compiled
def removed_by_us(sim, fill, side):
    """Note the lots that we took from a recorded order: its phantom lots first, then lots that the recording still counts on."""
    sim.altered_lots += fill.lots
    phantom = take(sim.phantoms, fill.id, fill.lots)
    if sim.phantoms.count > 0:  # phantom lots of the level's own name stand in whichever order is the oldest
        short = lots_at(sim.phantoms, side, fill.tick) - public_at(sim.book, side, fill.tick)[0]
        phantom += take_at(sim.phantoms, side, fill.tick, max(0, min(short, fill.lots - phantom)))
    if fill.lots > phantom:
        add(sim.removed, fill.id, side, fill.tick, fill.lots - phantom, sim.now, 0)


@compiled
def made(sim, place, lots, left, mid2, spread, scratch):
    """Account for a fill of an order of ours that made liquidity and has `left` in the book; another may stand in its slot by now."""
    own = sim.own[place]
    own.filled += lots
    own.lots -= lots
    report(sim, own.handle, own.side, lots, own.tick, mid2, spread, PASSIVE, scratch)
    if left == 0:  # a replacement on the wire may ask for more than stood
        own.state = FREE
        own.slot = 0
        own.lots = 0


@compiled
def report(sim, handle, side, lots, tick, mid2, spread, how, scratch):
    """Write one REPORT; a full log is counted, and makes the run void."""
    sim.filled += lots
    if scratch.count == len(scratch.reports):
        sim.log_full += 1
        return
    row = scratch.reports[scratch.count]
    row.time = sim.now
    row.handle = handle
    row.lots = lots
    row.tick = tick
    row.mid2 = mid2
    row.spread = spread
    row.how = how
    row.side = side
    scratch.count += 1


@compiled
def complete(sim, side, lots, kind, tick, scratch):
    """Trade `lots` at once with one order, MARKET or IOC at `tick`, that walks the book; returns what even that could not fill.

    Ours are withdrawn before (`withdraw_all`). It is exempt from latency: a convention of the evaluation, the same for every policy.
    """
    if lots <= 0:
        return 0
    sim.next_handle += 1
    own = sim.own[0]
    own.handle = sim.next_handle
    own.side = side
    own.filled = 0
    own.lots = lots
    slot, count = submit(sim.book, int(side), kind, tick, lots, _OUR_IDS - own.handle, US, scratch)
    traded(sim, 0, slot, count, COMPLETION, scratch)
    touched(sim.flow, sim.book, sim.now)
    if sim.kind == CROWD:
        hear(sim, side, sim.book.traded, False, own.handle)
    return lots - sim.book.traded
