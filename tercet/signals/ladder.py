"""LADDER: the best levels of both sides, kept as events change them, and what each event changed in them.

Rows are 0 for BUY, 1 for SELL; a key is `side * tick`, the greater the better. What a book feature says of a level that is not there
is said beside it.
"""

import math
from typing import Final

import numpy as np

from tercet.book.queries import level_lots, next_key, row_of
from tercet.book.state import NO_KEY
from tercet.compiled import compiled

LEVELS: Final = 10
DEEP: Final = (3, 5, 10)  # levels over which depth imbalance is taken

LADDER: Final = np.dtype(
    [
        ("keys", np.int64, (2, LEVELS)),
        ("lots", np.int64, (2, LEVELS)),
        ("count", np.int64, 2),  # levels there are, of those kept
        ("total", np.int64),  # lots over all of them
        ("gained", np.int64, LEVELS),  # order-flow imbalance of the last event, level by level, within what `changed` returned
    ],
    align=True,
)


@compiled
def read(ladder, book):
    """Take the levels from the book, whatever stood here; nothing is counted as gained."""
    ladder.total = 0
    for row in range(2):
        count = 0
        key = book.sides[row].top if book.sides[row].levels > 0 else NO_KEY
        while count < LEVELS and key != NO_KEY:
            ladder.keys[row, count] = key
            ladder.lots[row, count] = level_lots(book, row, key)
            ladder.total += ladder.lots[row, count]
            count += 1
            key = next_key(book, row, key) if count < LEVELS else NO_KEY
        ladder.count[row] = count


@compiled
def changed(ladder, book, side, tick):
    """Take in that something happened at a price of the book; returns the levels [first, stop) that are others now.

    `gained` is what each of them gained (Cont, Kukanov & Stoikov 2014, eq. 2; Xu, Gould & Howison 2019, eq. 4-6): bid lots less ask lots.
    """
    row = row_of(side)
    key = side * tick
    at, count = 0, ladder.count[row]
    while at < count and ladder.keys[row, at] > key:
        at += 1
    if at == LEVELS:
        return 0, 0
    lots = level_lots(book, row, key)
    if at < count and ladder.keys[row, at] == key:
        if lots > 0:
            ladder.gained[at] = side * (lots - ladder.lots[row, at])
            ladder.total += lots - ladder.lots[row, at]
            ladder.lots[row, at] = lots
            return at, at + 1
        return at, emptied(ladder, book, side, at)
    return at, opened(ladder, side, at, key, lots) if lots > 0 else at


@compiled
def emptied(ladder, book, side, at):
    """Level `at` is gone: those behind it move up, and one comes into view. Returns where the levels that changed end."""
    row = row_of(side)
    keys, lots, count = ladder.keys[row], ladder.lots[row], ladder.count[row]
    ladder.total -= lots[at]
    for level in range(at, count):
        ladder.gained[level] = -side * lots[level]
    for level in range(at, count - 1):
        keys[level] = keys[level + 1]
        lots[level] = lots[level + 1]
    ladder.count[row] = count - 1
    if count == LEVELS:
        key = next_key(book, row, keys[count - 2])
        if key != NO_KEY:
            keys[count - 1] = key
            lots[count - 1] = level_lots(book, row, key)
            ladder.total += lots[count - 1]
            ladder.count[row] = count
    return count


@compiled
def opened(ladder, side, at, key, lots_there):
    """A level came to stand at `at`: those behind it move down, the last out of view. Returns where the levels that changed end."""
    row = row_of(side)
    keys, lots, count = ladder.keys[row], ladder.lots[row], ladder.count[row]
    if count == LEVELS:
        ladder.total -= lots[count - 1]
    else:
        count += 1
        ladder.count[row] = count
    for level in range(count - 1, at, -1):
        keys[level] = keys[level - 1]
        lots[level] = lots[level - 1]
        ladder.gained[level] = side * lots[level]
    keys[at] = key
    lots[at] = lots_there
    ladder.total += lots_there
    ladder.gained[at] = side * lots_there
    return count


@compiled
def share(bids, asks):
    """(bids − asks) / (bids + asks), in [−1, 1]; 0 where there is neither."""
    return (bids - asks) / (bids + asks) if bids + asks > 0 else 0.0


@compiled
def lots_on(ladder, row, level):
    """Lots at a level; 0 where there is none."""
    return ladder.lots[row, level] if level < ladder.count[row] else 0


@compiled
def lots_over(ladder, row, levels):
    """Lots over the best levels."""
    total = 0
    for level in range(min(levels, ladder.count[row])):
        total += ladder.lots[row, level]
    return total


@compiled
def weighted_mid(ladder):
    """The mid weighted by the opposite touches' lots, less the mid, in ticks; both sides hold orders."""
    spread = -ladder.keys[1, 0] - ladder.keys[0, 0]
    return 0.5 * spread * share(ladder.lots[0, 0], ladder.lots[1, 0])


@compiled
def slope(ladder, row):
    """Lots a tick: the line through the touch's opposite, by least squares, of the lots up to each level on its distance from the mid."""
    mid = 0.5 * (ladder.keys[0, 0] - ladder.keys[1, 0])
    sign = 1.0 if row == 0 else -1.0
    up, across, total = 0.0, 0.0, 0
    for level in range(ladder.count[row]):
        away = sign * mid - ladder.keys[row, level]
        total += ladder.lots[row, level]
        up += away * total
        across += away * away
    return up / across if across > 0.0 else math.nan


@compiled
def sweep(ladder, row, lots):
    """What taking `lots` from a side costs against the mid, in ticks a lot; NaN where the levels kept do not hold as much."""
    mid = 0.5 * (ladder.keys[0, 0] - ladder.keys[1, 0])
    sign = 1.0 if row == 0 else -1.0
    left, paid = lots, 0.0
    for level in range(ladder.count[row]):
        taken = min(left, 1.0 * ladder.lots[row, level])
        paid += taken * (sign * mid - ladder.keys[row, level])
        left -= taken
        if left <= 0.0:
            return paid / lots
    return math.nan
