"""A recorded day with our orders in its queues. Nothing reacts to us beyond these rules:

1. Executions of one side at one time are one aggressor, who wants their total and meets our orders where they stand.
2. A hidden execution fills our displayed orders at an equal or better price first (a setting).
3. What an aggressor spent on us it does not spend on the recorded maker: those *phantom* lots stay, and leave with the maker's
   next recorded message, or, when the recording has no more of that maker, with the next one at its level; at the latest with one
   that would have met them first: an order that crosses them, an execution beyond them.
4. Lots that we removed stay removed: what the recording later does with them finds nothing.
5. A recorded order that crosses ours trades with it.

With no order of ours the book and the prints are the file's.
"""

from tercet.book.flow import printed, touched
from tercet.book.ids import find
from tercet.book.matching import reduce, rest
from tercet.book.queries import first_at, next_at, row_of
from tercet.book.replay import PUBLIC, anonymous, apply, clear_between, public_at, set_level, take, take_oldest
from tercet.compiled import compiled
from tercet.market.events import ADD, BUY, CANCEL, FINER_PER_TICK, HIDDEN, REDUCE, REVEAL, TRADE
from tercet.sim import altered
from tercet.sim.ours import made
from tercet.sim.state import US
from tercet.sim.wanted import want_next
from tercet.sim.wire import NEVER


@compiled(inline="always")
def step(sim, events, scratch):
    """Let the next recorded event happen, with the rest of its burst where it is an execution and we are in the market."""
    event = events[sim.cursor]
    want_next(sim.book, events, sim.cursor)
    sim.now = event.time
    if event.kind in (TRADE, HIDDEN) and not untouched(sim):
        first = sim.cursor
        burst(sim, events, scratch)
        sim.applied += sim.cursor - first
    else:
        sim.cursor += 1
        sim.applied += 1
        alone(sim, event, scratch)
    touched(sim.flow, sim.book, sim.now)
    look_ahead(sim, events)


@compiled(forceinline=True)
def look_ahead(sim, events):
    """Note when the recording acts next, or NEVER."""
    sim.clock.next = events[sim.cursor].time if sim.cursor < len(events) else NEVER


@compiled(inline="always")
def alone(sim, event, scratch):
    """Let one event happen: as recorded, where our world is the recorded one."""
    if not untouched(sim):
        single(sim, event, scratch)
        return
    sim.missing_lots += apply(sim.book, event)
    if event.kind in (TRADE, HIDDEN):
        sim.recorded_lots += event.lots
        printed(sim.flow, event.time, -event.side, event.lots, price_of(event))


@compiled(forceinline=True)
def untouched(sim):
    """Whether our world is the recorded one at this moment."""
    if sim.phantoms.count > 0 or sim.removed.count > 0:
        return False
    for i in range(len(sim.own)):
        if sim.own[i].slot != 0:
            return False
    return True


@compiled
def single(sim, event, scratch):
    """Let an event other than an execution happen beside our orders."""
    if sim.phantoms.count > 0 and event.kind != REVEAL:  # its id is a tick
        expire(sim, event)
    if event.kind == ADD:
        crossed = 0
        if sim.book.halted == 0:
            crossed = fill_ahead(sim, -event.side, -event.side * event.tick, event.lots, 0, scratch)
        if crossed > 0:
            altered.add(sim.removed, event.id, event.side, event.tick, crossed, event.time, 0)
        if event.lots > crossed:
            rest(sim.book, event.side, event.tick, event.lots - crossed, event.id, PUBLIC)
    elif event.kind in (CANCEL, REDUCE):
        remove(sim, event, event.lots)
    elif event.kind == REVEAL:
        reveal(sim, event)
    else:
        apply(sim.book, event)


@compiled
def burst(sim, events, scratch):
    """Let one recorded aggressor trade: with our orders where they are better or earlier, then with its recorded makers."""
    side, time = events[sim.cursor].side, events[sim.cursor].time
    budget = wanted(events, sim.cursor)
    worst = side * events[sim.cursor].tick
    while sim.cursor < len(events) and same_aggressor(events[sim.cursor], side, time):
        event = events[sim.cursor]
        sim.cursor += 1
        if event.kind == REVEAL:
            reveal(sim, event)
            continue
        sim.recorded_lots += event.lots
        if sim.phantoms.count > 0:
            expire(sim, event)
        worst = min(worst, reach(event))
        if event.kind == TRADE:
            maker = maker_of(sim.book, event)
            budget -= fill_ahead(sim, side, side * event.tick, budget, maker, scratch)
            executed = remove(sim, event, min(event.lots, budget))
        else:
            if sim.hidden_first != 0:
                budget -= fill_ahead(sim, side, reach(event), budget, 0, scratch)
            executed = min(event.lots, budget)
        budget -= executed
        if executed > 0:
            printed(sim.flow, time, -side, executed, price_of(event))
    if budget > 0:  # what it wanted of lots that we removed
        fill_ahead(sim, side, worst, budget, 0, scratch)


@compiled
def wanted(events, first):
    """The lots that the aggressor whose executions begin at `first` traded."""
    side, time = events[first].side, events[first].time
    total = 0
    i = first
    while i < len(events) and same_aggressor(events[i], side, time):
        total += events[i].lots if events[i].kind != REVEAL else 0
        i += 1
    return total


@compiled
def same_aggressor(event, side, time):
    """Whether an event goes on with a burst: an execution of that side and time, or a level that it revealed."""
    return event.time == time and event.side == side and event.kind in (TRADE, HIDDEN, REVEAL)


@compiled
def reach(event):
    """The key at which a displayed order is as good as an execution's price, which may lie between ticks."""
    return event.side * event.tick + (1 if event.side == BUY and event.finer > 0 else 0)


@compiled
def price_of(event):
    """An execution's price in ticks, between them where it is finer."""
    return event.tick + event.finer / FINER_PER_TICK


@compiled
def maker_of(book, event):
    """The slot of the order that an execution names, else of the one that it will be taken from, else 0."""
    key = event.side * event.tick
    slot = find(book, event.id)
    if slot == 0 or book.orders[slot].key != key:
        slot = find(book, anonymous(event.side, event.tick))
    if slot == 0:
        slot = first_at(book, row_of(event.side), key)
        while slot != 0 and book.orders[slot].owner == US:
            slot = next_at(book, slot)
    return slot


@compiled
def remove(sim, event, lots):
    """Take away what a recorded removal names, at most `lots` of it in our world; what it leaves standing is phantom.

    It comes off the orders that a plain replay takes it from; what we removed before is not there. Returns the lots that left the book.
    """
    slot = find(sim.book, event.id)
    if slot == 0 or sim.book.orders[slot].key != event.side * event.tick:
        left = event.lots - altered.take(sim.removed, event.id, event.lots)
        return remove_unnamed(sim, event, left, lots)
    standing = sim.book.orders[slot].lots
    if sim.phantoms.count > 0:
        standing = max(0, min(standing - altered.lots_of(sim.phantoms, event.id), real_at(sim, event.side, event.tick)))
    recorded = standing + altered.lots_of(sim.removed, event.id)
    named = min(event.lots, recorded)
    gone = min(named, standing, lots)
    if gone > 0:
        reduce(sim.book, slot, gone)
    phantom = named - gone - altered.take(sim.removed, event.id, named - gone)
    if phantom > 0:
        leave(sim, event, event.id, phantom, named == recorded)
    elif sim.phantoms.count > 0 and named == recorded:
        altered.finish(sim.phantoms, event.id)
    return gone + remove_unnamed(sim, event, event.lots - named, lots - gone)


@compiled
def remove_unnamed(sim, event, recorded, lots):
    """Take away, like `remove`, what a level loses from no order that stands under its name: from its anonymous lots, else its oldest.

    Its oldest are those that we took first, so that what we removed there goes before its oldest that still stand.
    """
    if recorded <= 0:
        return 0
    side, tick, id = event.side, event.tick, anonymous(event.side, event.tick)
    real = max(0, real_at(sim, side, tick))
    may = min(recorded, lots, real)
    gone = may - take(sim.book, id, side, tick, may)
    left = recorded - gone - altered.take_at(sim.removed, side, tick, recorded - gone)
    may = min(left, lots - gone, real - gone)
    oldest = may - take_oldest(sim.book, side, tick, may)
    gone += oldest
    left -= oldest
    phantom = min(left, real - gone)
    if phantom > 0:
        leave(sim, event, id, phantom, True)
    sim.missing_lots += left - phantom
    return gone


@compiled
def leave(sim, event, id, lots, finished):
    """Leave standing, as phantom, what the recording takes off an order and our world's aggressor spent on us."""
    sim.phantom_lots += lots
    altered.add(sim.phantoms, id, event.side, event.tick, lots, event.time, finished)


@compiled
def real_at(sim, side, tick):
    """The public's lots at a level that the recording still has."""
    return public_at(sim.book, side, tick)[0] - altered.lots_at(sim.phantoms, side, tick)


@compiled
def fill_ahead(sim, side, key, lots, maker, scratch):
    """Fill our orders of a side that an aggressor for `lots` meets before a maker at `key`; returns the lots filled.

    Ours come first at a better price, and at the same price where they stand before slot `maker` (0: whom any of ours precedes).
    """
    left = lots
    while left > 0:
        place = first_of_ours(sim, side)
        if place < 0:
            break
        slot = sim.own[place].slot
        ours = sim.book.orders[slot].key
        if ours < key or (ours == key and maker != 0 and not before(sim.book, slot, maker)):
            break
        traded = reduce(sim.book, slot, left)
        left -= traded
        made(sim, place, traded, sim.book.orders[slot].lots, sim.flow.bid + sim.flow.ask, sim.flow.ask - sim.flow.bid, scratch)
    sim.altered_lots += lots - left
    return lots - left


@compiled
def first_of_ours(sim, side):
    """The place of our resting order of a side that trades first, or -1."""
    found = -1
    for i in range(len(sim.own)):
        own = sim.own[i]
        if own.slot == 0 or own.side != side:
            continue
        if found < 0:
            found = i
            continue
        key, best = sim.book.orders[own.slot].key, sim.book.orders[sim.own[found].slot].key
        if key > best or (key == best and before(sim.book, own.slot, sim.own[found].slot)):
            found = i
    return found


@compiled
def before(book, slot, other):
    """Whether `slot` stands before `other`, an order at the same price."""
    ahead = book.orders[other].prev
    while ahead != 0:
        if ahead == slot:
            return True
        ahead = book.orders[ahead].prev
    return False


@compiled
def expire(sim, event):
    """Let phantom lots go that this recorded message ends, or that it would meet first: an order that crosses, a trade beyond."""
    executed = event.kind in (TRADE, HIDDEN)
    for i in range(sim.phantoms.count - 1, -1, -1):
        row = sim.phantoms.rows[i]
        same_side = row.side == event.side
        if executed and same_side and row.time == event.time:  # the aggressor who left them
            continue
        same_level = same_side and row.tick == event.tick
        if event.kind == ADD:
            crossed = not same_side and (event.tick - row.tick) * event.side >= 0
        else:
            crossed = executed and same_side and (row.tick - event.tick) * event.side > 0
        if row.id == event.id or (row.finished != 0 and same_level) or crossed:
            left = take(sim.book, row.id, row.side, row.tick, row.lots)
            take_oldest(sim.book, row.side, row.tick, left)
            altered.drop(sim.phantoms, i)


@compiled
def reveal(sim, event):
    """Let a level come into view: what we removed there stays removed, what is phantom there stays phantom."""
    side, tick, book = event.side, event.tick, sim.book
    removed, phantom = 0, 0
    if sim.phantoms.count > 0 or sim.removed.count > 0:
        altered.drop_between(sim.phantoms, side, event.id, tick)
        altered.drop_between(sim.removed, side, event.id, tick)
        removed, phantom = altered.lots_at(sim.removed, side, tick), altered.lots_at(sim.phantoms, side, tick)
        if removed > event.lots:  # some of them left in the recording, out of view
            removed -= altered.take_at(sim.removed, side, tick, removed - event.lots)
    clear_between(book, side, event.id, tick)
    set_level(book, side, tick, event.lots - removed + phantom)
