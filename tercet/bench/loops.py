"""The compiled loops that the book is timed in: a stream's messages one after another, nothing else."""

from typing import Any

from tercet.bench.flow import CANCEL
from tercet.book.matching import cancel, cancel_id, submit
from tercet.book.queries import best, two_sided
from tercet.book.records import FREE, SUBMIT
from tercet.book.state import LIMIT
from tercet.compiled import compiled
from tercet.market.events import BUY
from tercet.sim.episode import act, advance, next_market_event
from tercet.sim.wire import NEVER, send


@compiled
def play_dense(book: Any, stream: Any, slots: Any, fills: Any) -> Any:
    """Play a stream whose ids are small numbers: `slots`, by id, is the caller's memory of where orders rest. Returns the fills."""
    total = 0
    for i in range(len(stream)):
        if stream[i, 0] == CANCEL:
            cancel(book, slots[stream[i, 4]])
        else:
            slot, count = submit(book, stream[i, 1], LIMIT, stream[i, 2], stream[i, 3], stream[i, 4], 0, fills)
            slots[stream[i, 4]] = slot
            total += count
    return total


@compiled
def play_hashed(book: Any, stream: Any, fills: Any) -> Any:
    """Play a stream with any 64-bit ids: the book finds its orders by its own index. Returns the fills."""
    total = 0
    for i in range(len(stream)):
        if stream[i, 0] == CANCEL:
            cancel_id(book, stream[i, 4])
        else:
            total += submit(book, stream[i, 1], LIMIT, stream[i, 2], stream[i, 3], stream[i, 4], 0, fills)[1]
    return total


@compiled
def always_in_the_queue(sim: Any, events: Any, scratch: Any, child: Any) -> Any:
    """Play a recorded day, looking once a second that a bid of ours stands at the best price's queue or waits behind it."""
    time = events[0].time if len(events) else 0
    while sim.cursor < len(events):
        time += 1_000_000_000
        advance(sim, events, time, scratch)
        scratch.count = 0
        if sim.own[0].state == FREE and two_sided(sim.book):
            child.verb = SUBMIT
            child.kind = LIMIT
            child.side = BUY
            child.tick = best(sim.book, BUY)
            child.lots = 100
            send(sim, child, time)
    return sim.filled


@compiled
def play_market(sim: Any, events: Any, count: Any, scratch: Any) -> Any:
    """Let a market apply so many messages, or all that it has."""
    until = sim.applied + count
    while sim.applied < until and next_market_event(sim, events) < NEVER:
        act(sim, events, scratch)


@compiled
def decide_many(decide: Any, views: Any, pads: Any, count: Any) -> Any:
    """Let a policy decide so often, on one view after another; returns how many children it sent."""
    sent = 0
    for i in range(count):
        place = i % len(views)
        sent += decide(views[place], pads[place])
    return sent
