"""Windows: the deepest levels that a feed shows, row by row, beside the events that changed them. Compiled.

A window array has shape (rows, 2, depth, 2): buy side first, levels from better to worse, each [tick, lots]; an empty level is
[0, 0]. Row k is the book after event k. A level that enters at the deep end comes from the window alone: no event says it. Nor does
any event say that a level out of view is gone: an empty place says that nothing stands beyond the last level shown.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.compiled import compiled
from tercet.market.events import ADD, REVEAL, TRADE
from tercet.market.soundness import LARGEST_SIZE, LARGEST_TICK

Windows = NDArray[np.int64]
Events = NDArray[np.void]

NOWHERE: Final = 9_999_999_999  # the price, or minus the price, of an empty level
FITS, BAD_PRICE, BAD_SIZE, UNSORTED = 0, 1, 2, 3


@compiled
def settle_side(windows: Windows, row: int, s: int, units: int, lot: int) -> tuple[int, int]:
    """Prices and sizes of one side become ticks and lots in place: (level, fault) of the first that cannot."""
    sign, ticks_per_unit = 1 - 2 * s, 1.0 / units
    before = np.int64(0)
    for level in range(windows.shape[2]):
        price, size = windows[row, s, level, 0], windows[row, s, level, 1]
        if abs(price) == NOWHERE:
            windows[row, s, level, 0] = windows[row, s, level, 1] = 0
            before = np.int64(-1)
            continue
        tick = np.int64(price * ticks_per_unit + 0.5)  # exact wherever the product below is; four times as fast as a division
        lots = size if lot == 1 else size // lot
        if tick < 1 or tick > LARGEST_TICK or tick * units != price:
            return level, BAD_PRICE
        if lots < 1 or lots > LARGEST_SIZE or lots * lot != size:
            return level, BAD_SIZE
        if before < 0 or (level > 0 and (before - tick) * sign <= 0):
            return level, UNSORTED
        windows[row, s, level, 0], windows[row, s, level, 1] = tick, lots
        before = tick
    return 0, FITS


@compiled
def settle(windows: Windows, start: int, stop: int, units: int, lot: int) -> tuple[int, int, int, int]:
    """Rows [start, stop), prices in `units` a tick and sizes in `lot` a lot: (row, side, level, fault) of the first misfit."""
    for row in range(start, stop):
        for s in range(2):
            level, fault = settle_side(windows, row, s, units, lot)
            if fault != FITS:
                return row, s, level, fault
    return stop, 0, 0, FITS


@compiled
def entered(windows: Windows, row: int, s: int) -> tuple[int, int]:
    """The levels [first, stop) of side `s` that came into view in `row` behind the deep end of the row before, which was full."""
    depth = windows.shape[2]
    if windows[row - 1, s, depth - 1, 1] == 0:
        return depth, depth
    sign, deep = 1 - 2 * s, windows[row - 1, s, depth - 1, 0]
    stop = depth
    while stop > 0 and windows[row, s, stop - 1, 1] == 0:
        stop -= 1
    first = stop
    while first > 0 and (deep - windows[row, s, first - 1, 0]) * sign > 0:
        first -= 1
    return first, stop


@compiled
def emptied(windows: Windows, row: int, s: int) -> bool:
    """Whether side `s`, full in the row before, has an empty place in `row`: what stood out of view is gone."""
    return bool(windows[row - 1, s, -1, 1] > 0 and windows[row, s, -1, 1] == 0)


@compiled
def unchanged(windows: Windows, row: int, s: int) -> bool:
    """Whether side `s` of `row` is that of the row before."""
    for level in range(windows.shape[2]):
        if windows[row, s, level, 0] != windows[row - 1, s, level, 0] or windows[row, s, level, 1] != windows[row - 1, s, level, 1]:
            return False
    return True


@compiled
def change(event: Any, levels: NDArray[np.int64], count: int, depth: int) -> int:
    """One event on one side's `levels` (depth + 1 rows, `count` in use): how many are in use after it, -1 where it cannot be."""
    at = 0
    while at < count and (levels[at, 0] - event.tick) * event.side > 0:
        at += 1
    if at == depth:
        return count  # beyond the deep end: not in view
    found = at < count and levels[at, 0] == event.tick
    if event.kind == ADD:
        if not found:
            for level in range(count, at, -1):
                levels[level, 0], levels[level, 1] = levels[level - 1, 0], levels[level - 1, 1]
            levels[at, 0], levels[at, 1] = event.tick, 0
            count = min(count + 1, depth)
        levels[at, 1] += event.lots
        return count
    if not found or levels[at, 1] < event.lots:
        return -1
    levels[at, 1] -= event.lots
    if levels[at, 1] == 0:
        count -= 1
        for level in range(at, count):
            levels[level, 0], levels[level, 1] = levels[level + 1, 0], levels[level + 1, 1]
    return count


@compiled
def follows(event: Any, windows: Windows, row: int, s: int, levels: NDArray[np.int64]) -> bool:
    """Whether side `s` of `row` is the row before, changed by `event`, with what entered at the deep end."""
    depth = windows.shape[2]
    count = 0
    while count < depth and windows[row - 1, s, count, 1] > 0:
        levels[count, 0], levels[count, 1] = windows[row - 1, s, count, 0], windows[row - 1, s, count, 1]
        count += 1
    count = change(event, levels, count, depth)
    if count < 0:
        return False
    for level in range(count):
        if windows[row, s, level, 0] != levels[level, 0] or windows[row, s, level, 1] != levels[level, 1]:
            return False
    first, stop = entered(windows, row, s)
    seen = count + stop - first
    return bool(seen == depth or (seen < depth and windows[row, s, seen, 1] == 0))


@compiled
def check(events: Events, windows: Windows, start: int, stop: int, disagrees: NDArray[np.bool_]) -> int:
    """Marks the rows of [start, stop) that event and row before do not explain; returns how many REVEALs they take."""
    levels = np.empty((windows.shape[2] + 1, 2), np.int64)
    reveals = 0
    for row in range(max(start, 1), stop):
        event = events[row]
        changed = -1
        if event.kind <= TRADE:
            changed = 0 if event.side > 0 else 1
        for s in range(2):
            if s == changed:
                disagrees[row] |= not follows(event, windows, row, s, levels)
            else:
                disagrees[row] |= not unchanged(windows, row, s)
            first, after = entered(windows, row, s)
            reveals += after - first + emptied(windows, row, s)
    return reveals


@compiled
def reveal(windows: Windows, row: int, s: int, time: int, out: Events, at: int) -> int:
    """Writes to out[at:] what the deep end of side `s` says with `row`; returns where the next event goes.

    A REVEAL for every level that entered, and one without lots at the worst price where nothing stands beyond them.
    """
    first, stop = entered(windows, row, s)
    seen, side = windows[row - 1, s, -1, 0], 1 - 2 * s
    for level in range(first, stop):
        tick, lots = windows[row, s, level, 0], windows[row, s, level, 1]
        at = say(out, at, time, side, seen, tick, lots)
        seen = tick
    return say(out, at, time, side, seen, -side * LARGEST_TICK, 0) if emptied(windows, row, s) else at


@compiled
def say(out: Events, at: int, time: int, side: int, seen: int, tick: int, lots: int) -> int:
    """Writes a REVEAL to out[at]; returns where the next event goes."""
    event = out[at]
    event.time, event.kind, event.side = time, REVEAL, side
    event.id, event.finer = seen, 0
    event.tick, event.lots = tick, lots
    return at + 1


@compiled
def weave(events: Events, windows: Windows, out: Events) -> int:
    """Copies `events` to `out`, each followed by the REVEALs that came with it; returns how many were written."""
    at = 0
    for row in range(len(events)):
        out[at] = events[row]
        at += 1
        if row > 0:
            for s in range(2):
                at = reveal(windows, row, s, events[row].time, out, at)
    return at


def crossed(windows: Windows) -> NDArray[np.bool_]:
    """The rows whose best bid is not below the best ask."""
    bid, ask = windows[:, 0, 0, 0], windows[:, 1, 0, 0]
    return (bid >= ask) & (ask > 0)
