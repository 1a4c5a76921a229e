"""Invented flow. Zero intelligence (Smith, Farmer, Gillemot & Krishnamurthy 2003): limit orders, market orders and cancellations
arrive independently of the book's state, here with a season through the day and exponential distances from the opposite touch.

Each order's lifetime is drawn at its birth, and every number is keyed by class and count: the run with our orders and the run
without them differ only where our orders act.
"""

import math

from tercet.book.flow import printed, touched
from tercet.book.matching import cancel, refuse, submit
from tercet.book.state import MARKET, POST_ONLY, REFUSED_FULL
from tercet.compiled import compiled
from tercet.market.events import ADD, BUY, CANCEL, SELL, TRADE
from tercet.sim.ours import made
from tercet.sim.random import exponential, uniform
from tercet.sim.state import US
from tercet.sim.wire import NEVER

LIMITS, MARKETS = 0, 1  # clocks
WAIT, SIDE, PLACE, LOTS, LIFE = 0, 1, 2, 3, 4  # what is drawn for each arrival
SECOND = 1_000_000_000


@compiled
def open_crowd(sim):
    """Start the clocks of an empty market."""
    for clock in range(2):
        sim.next_time[clock] = arrival(sim, clock, sim.now)


@compiled
def next_event(sim):
    """When the crowd acts next."""
    death = sim.deaths[0].time if sim.death_count > 0 else NEVER
    return min(death, sim.next_time[LIMITS], sim.next_time[MARKETS])


@compiled
def step(sim, scratch):
    """Let the crowd act once. `scratch.event` says what it did; returns how many of `scratch.rows` were filled."""
    sim.now = next_event(sim)
    count = 0
    if sim.death_count > 0 and sim.deaths[0].time == sim.now:
        die(sim, scratch)
    elif sim.next_time[LIMITS] == sim.now:
        limit_order(sim, scratch)
    else:
        count = market_order(sim, scratch)
    touched(sim.flow, sim.book, sim.now)
    return count


@compiled
def draw(sim, clock, what):
    """The number of class (clock, what) for the present arrival of a clock."""
    return uniform(sim.seed, 8 * clock + what, sim.draws[clock])


@compiled
def arrival(sim, clock, now):
    """When a clock strikes next: the inverse of its integrated, seasonal rate (both sides)."""
    crowd = sim.crowd
    rate = 2.0 * (crowd.limit_rate if clock == LIMITS else crowd.market_rate) / SECOND
    bins = len(crowd.season)
    width = (crowd.close - crowd.open) // bins
    left = exponential(draw(sim, clock, WAIT))
    while True:
        place = min(max((now - crowd.open) // width, 0), bins - 1)
        until = crowd.open + (place + 1) * width if place < bins - 1 and now >= crowd.open - width else NEVER
        here = rate * crowd.season[place]
        if now + left / here < until:
            return now + max(1, int(left / here))
        left -= (until - now) * here
        now = until


@compiled
def size_of(mean, step, u):
    """A size of that mean (at least `step`), a multiple of `step`: geometric."""
    steps = mean / step
    if steps <= 1.0:
        return step
    return step * (1 + int(exponential(u) / math.log(steps / (steps - 1.0))))


@compiled
def limit_order(sim, scratch):
    """A limit order comes to rest, at an exponential distance from the opposite touch, for an exponential lifetime."""
    crowd = sim.crowd
    side = BUY if draw(sim, LIMITS, SIDE) < 0.5 else SELL
    opposite = sim.book.sides[(1 + side) >> 1]
    flow = sim.flow
    reference = (
        -side * opposite.top if opposite.levels > 0 else (crowd.anchor if flow.ask == 0 else (flow.ask if side == BUY else flow.bid))
    )
    tick = max(1, reference - side * (1 + int(exponential(draw(sim, LIMITS, PLACE)) * crowd.reach)))
    lots = size_of(crowd.limit_lots, crowd.lot_step, draw(sim, LIMITS, LOTS))
    id = sim.draws[LIMITS] + 1
    if sim.death_count == len(sim.deaths):
        slot = refuse(sim.book, REFUSED_FULL)
    else:
        slot, _ = submit(sim.book, side, POST_ONLY, tick, lots, id, 0, scratch)
    if slot > 0:
        push_death(sim, sim.now + int(exponential(draw(sim, LIMITS, LIFE)) * crowd.life_s * SECOND) + 1, id, slot)
    note(scratch, sim.now, ADD if slot > 0 else 0, id, side, tick, lots)
    sim.draws[LIMITS] += 1
    sim.next_time[LIMITS] = arrival(sim, LIMITS, sim.now)


@compiled
def market_order(sim, scratch):
    """A market order trades with whoever stands first; returns its fills."""
    side = BUY if draw(sim, MARKETS, SIDE) < 0.5 else SELL
    lots = size_of(sim.crowd.market_lots, sim.crowd.lot_step, draw(sim, MARKETS, LOTS))
    mid2, spread = sim.flow.bid + sim.flow.ask, sim.flow.ask - sim.flow.bid
    _, count = submit(sim.book, side, MARKET, 0, lots, 0, 0, scratch)
    for i in range(count):
        fill = scratch.rows[i]
        if fill.owner == US:
            made(sim, fill.mark - 1, fill.lots, mid2, spread, scratch)
        else:
            printed(sim.flow, sim.now, side, fill.lots, fill.tick)
    note(scratch, sim.now, TRADE, 0, -side, 0, lots)
    sim.draws[MARKETS] += 1
    sim.next_time[MARKETS] = arrival(sim, MARKETS, sim.now)
    return count


@compiled
def die(sim, scratch):
    """The order whose life ends first leaves the book, unless it traded away before."""
    death = sim.deaths[0]
    id, slot = death.id, death.slot
    pop_death(sim)
    order = sim.book.orders[slot]
    alive = order.id == id and order.lots > 0 and order.owner != US
    note(scratch, sim.now, CANCEL if alive else 0, id, order.side, order.side * order.key, order.lots)
    if alive:
        cancel(sim.book, slot)


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


@compiled
def push_death(sim, time, id, slot):
    """Enter an end of life into the binary heap."""
    deaths = sim.deaths
    i = sim.death_count
    sim.death_count += 1
    while i > 0 and deaths[(i - 1) >> 1].time > time:
        deaths[i] = deaths[(i - 1) >> 1]
        i = (i - 1) >> 1
    deaths[i].time = time
    deaths[i].id = id
    deaths[i].slot = slot


@compiled
def pop_death(sim):
    """Take the first end of life out of the heap."""
    deaths = sim.deaths
    sim.death_count -= 1
    last = deaths[sim.death_count]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= sim.death_count:
            break
        if child + 1 < sim.death_count and deaths[child + 1].time < deaths[child].time:
            child += 1
        if deaths[child].time >= last.time:
            break
        deaths[i] = deaths[child]
        i = child
    deaths[i] = last
