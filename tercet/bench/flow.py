"""The common stream's flow, compiled: zero-intelligence orders around a book, from the random words of a Mersenne Twister.

Written so that every draw takes the words that Python's `random.Random` would take for it: the numbers are the same on any machine.
"""

import math
from typing import Any, Final

import numpy as np

from tercet.book.matching import cancel, submit
from tercet.book.queries import best
from tercet.book.state import LIMIT
from tercet.compiled import compiled
from tercet.market.events import BUY, SELL

ADD, CANCEL, TAKE = 0, 1, 2
STREAM: Final = np.dtype([("op", np.int64), ("side", np.int64), ("tick", np.int64), ("lots", np.int64), ("id", np.int64)])

MOST_LIVE = 4096  # the flow itself keeps to about 2,000
FLOW: Final = np.dtype(
    [
        ("next_word", np.int64),
        ("next_id", np.int64),
        ("live", np.int64),
        ("slots", np.uint32, MOST_LIVE),  # of the live orders, in the order that picks among them
        ("place", np.int64, MOST_LIVE),  # where a slot stands in `slots`
    ]
)


@compiled
def write(stream: Any, flow: Any, book: Any, fills: Any, words: Any) -> Any:
    """Fill `stream` (a STREAM array) with messages; `book` is empty at first and ends as the stream leaves it. Returns the fills."""
    count = seed_book(stream, flow, book, fills, words)
    total = 0
    while count < len(stream):
        kind = uniform(flow, words)
        if kind < 0.10 and flow.live > 200:
            total += take(stream[count], flow, book, fills, words)
        elif (kind < 0.54 and flow.live > 320) or flow.live > 2000:
            withdraw(stream[count], flow, book, words)
        else:
            side = side_of(flow, words)
            away = int(-math.log(1.0 - uniform(flow, words)) / 0.25) + 1  # exponential, mean 4 ticks
            tick = best(book, -side) - side * away
            send(stream[count], flow, book, fills, ADD, side, tick, hundreds(flow, words))
        count += 1
    return total


@compiled
def seed_book(stream: Any, flow: Any, book: Any, fills: Any, words: Any) -> Any:
    """Four orders at each of the 40 ticks on either side of 10,000; returns how many messages that took."""
    count = 0
    for away in range(1, 41):
        for _ in range(4):
            for side in (BUY, SELL):
                send(stream[count], flow, book, fills, ADD, side, 10_000 - side * away, hundreds(flow, words))
                count += 1
    return count


@compiled
def take(message: Any, flow: Any, book: Any, fills: Any, words: Any) -> Any:
    """A marketable order up to five ticks beyond the touch, its size Pareto (α = 1.5) and at most 2,000; returns its fills."""
    side = side_of(flow, words)
    lots = min(100 * (1 + int((1.0 - uniform(flow, words)) ** (-1.0 / 1.5))), 2000)
    return send(message, flow, book, fills, TAKE, side, best(book, -side) + 5 * side, lots)


@compiled
def send(message: Any, flow: Any, book: Any, fills: Any, op: Any, side: Any, tick: Any, lots: Any) -> Any:
    """Write an order down and submit it; returns its number of fills."""
    note(message, op, side, tick, lots, flow.next_id)
    slot, count = submit(book, side, LIMIT, tick, lots, flow.next_id, 0, fills)
    for i in range(count):
        if fills.rows[i].left == 0:
            drop(flow, fills.rows[i].slot)
    if slot > 0:
        flow.slots[flow.live] = slot
        flow.place[slot] = flow.live
        flow.live += 1
    flow.next_id += 1
    return count


@compiled
def withdraw(message: Any, flow: Any, book: Any, words: Any) -> None:
    """Cancel one of the live orders."""
    slot = flow.slots[below(flow, words, flow.live)]
    order = book.orders[slot]
    note(message, CANCEL, order.side, order.side * order.key, order.lots, order.id)
    cancel(book, slot)
    drop(flow, slot)


@compiled
def drop(flow: Any, slot: Any) -> None:
    """Take a slot off the list of live orders; the last one moves into its place."""
    flow.live -= 1
    last = flow.slots[flow.live]
    flow.slots[flow.place[slot]] = last
    flow.place[last] = flow.place[slot]


@compiled
def note(message: Any, op: Any, side: Any, tick: Any, lots: Any, id: Any) -> None:
    """Write one message down."""
    message.op = op
    message.side = side
    message.tick = tick
    message.lots = lots
    message.id = id


@compiled
def word(flow: Any, words: Any) -> Any:
    """The next 32 random bits; `words` that run out begin anew, and the caller sees it in `next_word`."""
    flow.next_word += 1
    return np.int64(words[(flow.next_word - 1) % len(words)])


@compiled
def uniform(flow: Any, words: Any) -> Any:
    """`random()`: 53 bits from two words."""
    high = word(flow, words) >> 5
    return (high * 67108864.0 + (word(flow, words) >> 6)) / 9007199254740992.0


@compiled
def below(flow: Any, words: Any, count: Any) -> Any:
    """`randrange(count)`: the leading bits of a word, drawn again until they are below `count`."""
    bits = 0
    while count >> bits > 0:
        bits += 1
    drawn = word(flow, words) >> (32 - bits)
    while drawn >= count:
        drawn = word(flow, words) >> (32 - bits)
    return drawn


@compiled
def side_of(flow: Any, words: Any) -> Any:
    """BUY or SELL, as likely."""
    return BUY if uniform(flow, words) < 0.5 else SELL


@compiled
def hundreds(flow: Any, words: Any) -> Any:
    """100 to 500 lots."""
    return 100 * (1 + below(flow, words, 5))
