"""A row a message, O(1) whatever the day has seen: in batch, in the bench and live.

`run` lets messages happen (an EVENT each, and what it reveals) and writes their rows: all features; the gaps and lots of the first levels
and how long each touch has stood; what the last messages were; the changes of sums, the mid's own changes and the time that passed. A
column that is NaN keeps the last number that it had.
"""

import math
from typing import Final

import numpy as np

from tercet.book.replay import apply
from tercet.compiled import compiled
from tercet.market.events import ADD, CANCEL, CROSS, HALT, HIDDEN, REDUCE, REVEAL, TRADE
from tercet.signals.features import happened, told
from tercet.signals.ladder import LEVELS

KEPT: Final = 128  # rows that a change looks back at most, a power of two
TOLD: Final = 9  # numbers that say what a message was
EARLIER: Final = 4  # messages before it that are told too
BACK: Final = (1, 2, 5, 10, 20, 50, 100)  # messages over which the mid's changes and the time that passed are told
FLOWS: Final = (10, 50, 100)  # and the changes of sums
NEAR: Final = 3  # levels of a side whose gaps and lots are told
WIDEST: Final = 1000  # ticks that a gap says at most, and says where there is no next level

PAST: Final = np.dtype(
    [
        ("rows", np.int64),  # so far
        ("time", np.int64, KEPT),
        ("mid", np.float64, KEPT),  # ticks; NaN before there is one
        ("half", np.float64),  # the last half spread
        ("sums", np.float64, (KEPT, LEVELS)),
        ("messages", np.float64, (EARLIER + 1, TOLD)),  # the newest first
        ("touch", np.int64, 2),  # the best key of each side
        ("stood", np.int64, 2),  # the row that it came with
        ("came", np.int64, 2),  # when
        ("stepped", np.int64, 2),  # how many ticks better it was than the one before
    ],
    align=True,
)


@compiled
def fine(message, count, after, most_lots, most_tick):
    """Whether those EVENTs can happen, and are one message: the first is none that is revealed, the others are."""
    for i in range(count):
        event = message[i]
        kind = event.kind
        if kind < ADD or kind > REVEAL or (kind == REVEAL) == (i == 0) or event.time < after:
            return False
        after = event.time
        fewest = 0 if kind == REVEAL else 1
        if kind not in (HALT, CROSS) and (abs(event.side) != 1 or not fewest <= event.lots <= most_lots or abs(event.tick) > most_tick):
            return False
    return count > 0


@compiled(inline="always")
def step(states, books, pasts, message, count, heads, features, sums, row):
    """Let a message happen and write its row; False where the book is too small for it.

    states, books, pasts and heads are arrays of one record; features: (columns,), of which `sums` are those of the levels.
    """
    state, book = states[0], books[0]
    for i in range(count):
        apply(book, message[i])
        happened(state, book, message[i])
    told(state, message[count - 1].time, heads[0], features)
    write(pasts[0], state.ladder, message[0], heads[0], features, sums, row)
    refused = 0
    for i in range(len(book.refused)):
        refused += book.refused[i]
    return refused == 0


@compiled
def run(states, books, pasts, events, heads, features, sums, row, out, mids):
    """All messages of a day: a row of `out` each, and in `mids` its time, mid and half spread; returns the rows, -1 for a small book."""
    used, rows = 0, 0
    past = pasts[0]
    while used < len(events):
        stop = used + 1
        while stop < len(events) and events[stop].kind == REVEAL:
            stop += 1
        if not step(states, books, pasts, events[used:stop], stop - used, heads, features, sums, row):
            return -1
        for i in range(len(row)):
            out[rows, i] = row[i]
        mids[rows].time = heads[0].time
        mids[rows].mid = past.mid[(past.rows - 1) % KEPT]
        mids[rows].half = past.half
        used = stop
        rows += 1
    return rows


@compiled
def write(past, levels, event, head, features, sums, row):
    """The whole row, and what later ones need of it."""
    now = past.rows % KEPT
    before = (past.rows - 1) % KEPT
    first = past.rows == 0
    near = 0.0 if first or math.isnan(past.mid[before]) else nearness(event.tick - past.mid[before], past.half)
    past.time[now] = head.time
    past.mid[now] = 0.5 * head.mid2 if head.quoted != 0 else (math.nan if first else past.mid[before])
    if head.quoted != 0:
        past.half = 0.5 * (head.ask - head.bid)
    elif first:
        past.half = 1.0
    at = 0
    for i in range(len(features)):
        at = put(row, at, features[i])
    for side in range(2):
        at = write_side(past, levels, side, head.time, row, at)
    for back in range(EARLIER, 0, -1):
        past.messages[back] = past.messages[back - 1]
    tell(past.messages[0], event, near)
    for back in range(EARLIER + 1):
        for i in range(TOLD):
            at = put(row, at, past.messages[back, i])
    for level in range(LEVELS):
        past.sums[now, level] = features[sums[level]]
    for level in range(LEVELS):
        for back in FLOWS:
            old = past.sums[(past.rows - back) % KEPT, level] if past.rows >= back else 0.0
            at = put(row, at, past.sums[now, level] - old)
    for back in BACK:
        moved = past.mid[now] - past.mid[(past.rows - back) % KEPT] if past.rows >= back else 0.0
        at = put(row, at, 0.0 if math.isnan(moved) else moved)
    for back in BACK:
        since = past.time[(past.rows - min(back, past.rows)) % KEPT]
        at = put(row, at, math.log((head.time - since) * 1e-9 + 1e-6))
    past.rows += 1


@compiled
def write_side(past, levels, side, time, row, at):
    """Gaps behind the first levels, their lots, and how long the touch has stood and how much better it was than the one before."""
    count = levels.count[side]
    for level in range(NEAR):
        gap = min(levels.keys[side, level] - levels.keys[side, level + 1], WIDEST) if level + 1 < count else WIDEST
        at = put(row, at, math.log1p(float(gap)))
    for level in range(NEAR):
        at = put(row, at, math.log1p(float(levels.lots[side, level])) if level < count else 0.0)
    if count > 0 and levels.keys[side, 0] != past.touch[side]:
        past.stepped[side] = levels.keys[side, 0] - past.touch[side] if past.touch[side] != 0 else 0
        past.touch[side], past.stood[side], past.came[side] = levels.keys[side, 0], past.rows, time
    since = past.came[side] if past.touch[side] != 0 else time
    better = float(past.stepped[side])
    at = put(row, at, math.log1p(float(past.rows - past.stood[side])))
    at = put(row, at, math.log((time - since) * 1e-9 + 1e-4))
    return put(row, at, math.copysign(math.log1p(abs(better)), better))


@compiled
def nearness(away, half):
    """exp(−distance from the mid, in half-spreads / 2)."""
    return math.exp(-0.5 * abs(away) / max(half, 0.5))


@compiled
def put(row, at, value):
    """The next number of a row; where it is none, the last one stays."""
    if not math.isnan(value):
        row[at] = value
    return at + 1


@compiled
def tell(into, event, near):
    """What a message was: its size, and its side by kind, each beside itself weighted by nearness to the mid before."""
    kind, side = event.kind, float(event.side)
    into[0] = side * math.log1p(float(event.lots))
    into[1] = side if kind == ADD else 0.0
    into[3] = side if kind in (REDUCE, CANCEL) else 0.0
    into[5] = side if kind == TRADE else 0.0
    into[7] = side if kind == HIDDEN else 0.0
    for i in (1, 3, 5, 7):
        into[i + 1] = into[i] * near
