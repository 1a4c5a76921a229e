"""Invented flow: limit orders, market orders and cancellations, by one of three laws of arrival.

ZERO: zero intelligence (Smith, Farmer, Gillemot & Krishnamurthy 2003). Everything arrives independently of the book.
QUEUE: queue-reactive (Huang, Lehalle & Rosenbaum 2015). Arrivals and cancellations depend on the queue that they meet.
HAWKES: marked Hawkes, with signed-flow feedback (Noble, Rosenbaum & Souilmi 2026). See `sim/hawkes.py`.

All is timed in *business time*, in which rates are constant; the season and the regime are its pace against the clock, so that the
book's statistics are the same at any hour. Each arrival has a key, from which all that is drawn for it follows, its lifetime
included; what depends on the state is a thinning of arrivals and of ends of life. The run with our orders and the run without them
differ only where our orders matter.
"""

import numpy as np

from tercet.book.flow import printed, touched
from tercet.book.matching import cancel, submit
from tercet.book.queries import row_of
from tercet.book.state import LIMIT, MARKET
from tercet.compiled import compiled
from tercet.market.events import ADD, BUY, CANCEL, SELL, TRADE
from tercet.sim import hawkes, queues
from tercet.sim.actors import act, wake
from tercet.sim.agenda import pace_from, schedule
from tercet.sim.ours import made
from tercet.sim.random import exponential, high, key_of, low, mix, word
from tercet.sim.state import (
    ARRIVAL,
    FAST_LIFE,
    HAWKES,
    LIMIT_ORDER,
    MARKET_ORDER,
    QUEUE,
    REGIME_CHANGE,
    RENEWAL,
    SELLER,
    SIGNAL,
    SLOW_LIFE,
    US,
)
from tercet.sim.wheel import arm, disarm, forget

_20 = np.uint64(20)  # an id is the upper 44 bits of its key: as good as unique, and short enough for any file


@compiled
def begin(sim, at, warm, since_open):
    """Start an empty market so early that business time `warm`, at an even pace, has passed when its clock says `at`.

    since_open: business time from the opening to `at`; a large seller who should have begun by then never does.
    """
    clock, crowd = sim.clock, sim.crowd
    sim.key = key_of(sim.seed)
    sim.now = at - warm
    clock.starts = at
    clock.from_clock = sim.now
    pace_from(sim, sim.now)
    sim.reference = crowd.anchor
    sim.trend = 1.0
    clock.candidate = 1
    clock.following = 1
    if crowd.regime_count > 1 or crowd.regimes[0].bias > 0.0:
        wake(sim, REGIME_CHANGE, 0)
    if crowd.signal_step > 0:
        wake(sim, SIGNAL, 0)
    if crowd.seller_onset > since_open:
        sim.seller_left = int(crowd.seller_lots)
        wake(sim, SELLER, warm + crowd.seller_onset - since_open)
    schedule(sim)


@compiled
def step(sim, scratch):
    """Let the crowd act once. `scratch.event` says what it did; returns how many of `scratch.rows` were filled."""
    clock, wheel = sim.clock, sim.wheel
    sim.now = clock.next
    scratch.event.kind = 0
    count = 0
    if wheel.due != 0 and wheel.due_time < clock.candidate:
        k = int(wheel.due)
        clock.business = wheel.due_time
        disarm(wheel, k)
        if k < len(sim.book.orders):
            expire(sim, k, scratch)
        else:
            count = deliver_birth(sim, k - len(sim.book.orders) + 1, scratch)
    else:
        clock.business = clock.candidate
        count = immigrate(sim, scratch)
    if scratch.event.kind != 0:
        sim.applied += 1
        touched(sim.flow, sim.book, sim.now)
        if sim.crowd.flow == QUEUE:
            queues.follow(sim)
    schedule(sim)
    return count


@compiled(inline="always")
def next_event(sim):
    """When the crowd acts next."""
    return sim.clock.next


@compiled(inline="always")
def immigrate(sim, scratch):
    """Let the next arrival come, and draw the wait for the one after; returns its fills."""
    crowd = sim.crowd
    key = word(sim.key, ARRIVAL, sim.draws[ARRIVAL])
    sim.draws[ARRIVAL] += 1
    bits = mix(key)
    sim.clock.candidate = sim.clock.following  # drawn an arrival ahead: what comes next is known at once
    sim.clock.following += 1 + int(exponential(high(bits)) * crowd.wait)
    what = MARKET_ORDER if low(bits) < crowd.market_share else LIMIT_ORDER
    side = BUY if low(key) < favour(sim, what) else SELL
    return arrive(sim, what, side, key, scratch)


@compiled(forceinline=True)
def favour(sim, what):
    """The probability that an arrival buys."""
    if what == LIMIT_ORDER:
        return 0.5
    crowd = sim.crowd
    lean = crowd.regimes[sim.regime].bias * sim.trend + crowd.signal_strength * sim.signal
    return 0.5 + 0.5 * min(max(lean, -0.95), 0.95)


@compiled(forceinline=True)
def arrive(sim, what, side, key, scratch):
    """Let an order come, if its regime has room for it; returns its fills."""
    regime = sim.crowd.regimes[sim.regime]
    if high(key) >= (regime.markets if what == MARKET_ORDER else regime.limits):
        return 0
    if what == MARKET_ORDER:
        return market_order(sim, side, key, scratch)
    return limit_order(sim, side, key, scratch)


@compiled
def size_of(scale, step, u):
    """A geometric size, a multiple of `step`."""
    return step * (1 + int(exponential(u) * scale)) if scale > 0.0 else step


@compiled(inline="always")
def limit_order(sim, side, key, scratch):
    """A limit order comes, for a lifetime that is drawn now; returns its fills (of ours only: the crowd does not cross itself)."""
    crowd, book = sim.crowd, sim.book
    bits, more = word(key, 1, 0), word(key, 2, 0)
    if crowd.flow == QUEUE:
        tick = queues.place(sim, side, bits)
    elif crowd.flow == HAWKES:
        tick = hawkes.place(sim, side, bits)
    else:
        tick = away_from(sim, side, exponential(high(bits)) * crowd.reach * crowd.regimes[sim.regime].reach)
    if tick <= 0:
        return 0
    lots = size_of(crowd.limit_size, crowd.lot_step, low(bits))
    mid2, spread = sim.flow.bid + sim.flow.ask, sim.flow.ask - sim.flow.bid
    id = np.int64(key >> _20)
    slot, count = submit(book, side, LIMIT, tick, lots, id, 0, scratch)
    if slot > 0:
        mean = FAST_LIFE if high(more) < crowd.fast_share else SLOW_LIFE
        arm(sim.wheel, slot, sim.clock.business + 1 + int(exponential(low(more)) * crowd.waits[mean]), mean)
    if slot >= 0:
        note(scratch, sim.now, ADD, id, side, tick, lots)
        settle(sim, side, count, mid2, spread, scratch)
        if crowd.flow == HAWKES:
            hawkes.excite(sim, LIMIT_ORDER, side, 1.0, key)
    return count


@compiled(forceinline=True)
def away_from(sim, side, distance):
    """The tick so far from the opposite touch, or from where it was last; at least one tick away."""
    opposite, flow = sim.book.sides[row_of(-side)], sim.flow
    if opposite.levels > 0:
        reference = -side * opposite.top
    else:
        reference = sim.crowd.anchor if flow.ask == 0 else (flow.ask if side == BUY else flow.bid)
    return reference - side * (1 + int(distance))


@compiled(inline="always")
def market_order(sim, side, key, scratch):
    """A market order trades with whoever stands first; returns its fills."""
    crowd = sim.crowd
    bits = word(key, 1, 0)
    if crowd.flow == QUEUE and not queues.meets(sim, side, high(bits)):
        return 0
    if crowd.flow == HAWKES:
        side = hawkes.turned(sim, side, high(bits))
    lots = size_of(crowd.market_size, crowd.lot_step, low(bits))
    return take(sim, side, lots, key, scratch)


@compiled(forceinline=True)
def take(sim, side, lots, key, scratch):
    """Trade up to `lots` with whoever stands first; returns the fills."""
    if sim.book.sides[row_of(-side)].levels == 0:
        return 0
    mid2, spread = sim.flow.bid + sim.flow.ask, sim.flow.ask - sim.flow.bid
    _, count = submit(sim.book, side, MARKET, 0, lots, 0, 0, scratch)
    note(scratch, sim.now, TRADE, 0, -side, 0, lots)
    settle(sim, side, count, mid2, spread, scratch)
    if sim.crowd.flow == HAWKES:
        hawkes.press(sim, side, sim.book.traded)
        hawkes.excite(sim, MARKET_ORDER, side, sim.book.traded / sim.crowd.market_lots, key)
    sim.traded_lots += sim.book.traded
    return count


@compiled(forceinline=True)
def settle(sim, side, count, mid2, spread, scratch):
    """Account for the fills of an order of the crowd's: ours are reported, others printed; who is filled dies no other death."""
    for i in range(count):
        fill = scratch.rows[i]
        if fill.owner == US:
            made(sim, fill.mark - 1, fill.lots, fill.left, mid2, spread, scratch)
            continue
        printed(sim.flow, sim.now, side, fill.lots, fill.tick)
        if fill.left == 0:
            disarm(sim.wheel, fill.slot)


@compiled(forceinline=True)
def expire(sim, slot, scratch):
    """The order whose life ends leaves the book. QUEUE: if its queue lets it; else it lives on."""
    order = sim.book.orders[slot]
    if sim.crowd.flow == QUEUE and not queues.lets_go(sim, slot):
        bits = word(sim.key, RENEWAL, order.id ^ sim.clock.business)
        arm(sim.wheel, slot, sim.clock.business + 1 + int(exponential(low(bits)) * sim.crowd.waits[SLOW_LIFE]), SLOW_LIFE)
        return
    note(scratch, sim.now, CANCEL, order.id, order.side, order.side * order.key, order.lots)
    cancel(sim.book, slot)


@compiled(inline="always")
def deliver_birth(sim, place, scratch):
    """Let what is born now act: an order excited by an earlier one, or an actor; returns its fills."""
    birth = sim.wheel.births[place]
    what, side, key = birth.what, int(birth.side), birth.key
    forget(sim.wheel, place)
    if what == MARKET_ORDER:
        return market_order(sim, side, key, scratch)
    if what == LIMIT_ORDER:
        return limit_order(sim, side, key, scratch)
    lots = act(sim, what, key)
    return take(sim, SELL, lots, key, scratch) if lots > 0 else 0


@compiled
def note(scratch, time, kind, id, side, tick, lots):
    """Say in `scratch.event` what the crowd did; kind 0 is nothing that anyone saw."""
    event = scratch.event
    event.time = time
    event.kind = kind
    event.id = id
    event.side = side
    event.tick = tick
    event.lots = lots
    event.finer = 0
