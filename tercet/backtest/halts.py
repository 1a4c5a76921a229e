"""Halts of a recorded day: no parent is worked in one or across one, and who would have been begins at another time."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.market.calendar import clock
from tercet.market.events import HALT, TRADING

Windows = tuple[tuple[int, int], ...]  # (from, to), ns; they rise and do not touch


def halts_of(events: NDArray[np.void], opens: int, closes: int) -> Windows:
    """When trading stood still between `opens` and `closes`, ns: from a HALT until the next that says TRADING, or to the end."""
    found: list[tuple[int, int]] = []
    began: int | None = None
    for event in events[events["kind"] == HALT]:
        if event["tick"] != TRADING:
            began = int(event["time"]) if began is None else began
        elif began is not None:
            found.append((began, int(event["time"])))
            began = None
    found += [] if began is None else [(began, closes)]
    return joined((max(begin, opens), min(end, closes)) for begin, end in found)


def closed_to(halts: Windows, first: int, last: int, horizon: int) -> Windows:
    """When between `first` and `last`, ns, no parent of that horizon may begin: a halt would come before its end."""
    return joined((max(begin - horizon, first), min(end, last)) for begin, end in halts)


def joined(windows: Iterable[tuple[int, int]]) -> Windows:
    """The same windows, which rise, without empty ones; those that touch are one."""
    kept: list[tuple[int, int]] = []
    for begin, end in windows:
        if kept and begin <= kept[-1][1]:
            kept[-1] = kept[-1][0], max(end, kept[-1][1])
        elif begin < end:
            kept.append((begin, end))
    return tuple(kept)


def length(windows: Windows) -> int:
    """How long they last together, ns."""
    return sum(end - begin for begin, end in windows)


def past(times: Any, windows: Windows) -> Any:
    """Times of a day without those windows, (n,), as times of the day with them, ns."""
    for begin, end in windows:
        times = np.where(times >= begin, times + (end - begin), times)
    return times


def inside(times: Any, windows: Windows) -> int:
    """How many of those times, (n,), lie in the windows."""
    return sum(int(((times >= begin) & (times < end)).sum()) for begin, end in windows)


def when(halts: Windows, tz: str) -> str:
    """The halts in words."""
    return "trading was halted from " + " and ".join(f"{clock(begin, tz)[:8]} to {clock(end, tz)[:8]}" for begin, end in halts)
