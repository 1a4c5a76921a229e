"""A recorded day for those who have none: two hours of a crowd, told as messages and played back, in which nothing reacts to us."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import CROWD_DATE, VOLUME_RUNS, Market, usual_volume
from tercet.book.queries import depth
from tercet.compiled import cache_folder, make_folder
from tercet.envs.stepping import machine
from tercet.execution.volume import VolumeCurve
from tercet.market.calendar import SECOND, session
from tercet.market.events import BUY, LEVEL_ROW, SELL
from tercet.market.instruments import Instrument
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.settings import CROWDS
from tercet.sim.state import ALTERED_PLACES, HISTORY, new_scratch, scratch_dtype, sim_dtype
from tercet.sim.tape import pieces

CROWD, SEED, LONG_NS = "hawkes", 1, 7200 * SECOND
BOOK_SIZE = (2048, 2048)  # the smallest of `backtest.days.BOOK_SIZES`, so that small stored days share its machine code
PIECE = 4096  # messages told at a time


@cache
def made_market() -> Market:
    """The day as a market, the same in every process. A whole day's seasons pass in its two hours.

    It is kept beside the machine code. Where it is not yet, another process makes it, which needs a crowd's machine, while this one
    compiles the machine of recorded days.
    """
    kept = cache_folder(__name__) / "made.npz"
    make_folder(kept.parent)
    if not kept.exists():
        child = subprocess.Popen([sys.executable, "-c", f"from tercet.envs.made import make_day; make_day({str(kept)!r})"])
        sims = sim_dtype(*BOOK_SIZE, altered=ALTERED_PLACES, ids=True)
        machine(sims, scratch_dtype(BOOK_SIZE[1]), recorded=True)
        if child.wait() != 0:  # such a process may be forbidden here
            make_day(kept)
    with np.load(kept) as day:
        events, levels, lots = day["events"], day["levels"], float(day["lots"])
    hours = session(CROWD_DATE)
    return Market(
        name="history:made",
        kind=HISTORY,
        instrument=Instrument(symbol="MADE"),
        open_ns=hours.open_ns,
        close_ns=hours.open_ns + LONG_NS,
        events=events,
        levels=levels,
        book_size=BOOK_SIZE,
        crowd=None,
        expected_day_lots=lots,
        sizing_day_lots=lots,
        volume_source=f"mean of {VOLUME_RUNS} runs of the same crowd with other seeds",
        curve=VolumeCurve(tuple(CROWDS[CROWD].season), "the crowd's season"),
        caveat="one invented day, inference within this day, non-reactive",
    )


def make_day(path: str | Path) -> None:
    """Write the day's events, the book's levels at its start and its expected volume to a file."""
    settings, opens = CROWDS[CROWD], session(CROWD_DATE).open_ns
    closes = opens + LONG_NS
    told = pieces(settings, SEED, (opens, closes), closes, settings.levels, PIECE)
    levels = levels_at(open_crowd(settings, SEED, opens, closes), opens)
    lots = usual_volume(settings) * LONG_NS / SECOND
    whole = f"{path}.{os.getpid()}.npz"
    np.savez(whole, events=np.concatenate([events for events, _ in told]), levels=levels, lots=lots)
    os.replace(whole, path)


def levels_at(sim: Any, now: int) -> NDArray[np.void]:
    """All levels of a crowd's book at a time, as LEVEL_ROWs."""
    advance(sim, NO_EVENTS, now, new_scratch(sim))
    places = len(sim.book.levels[0])
    rows = np.zeros(2 * places, LEVEL_ROW)
    count = 0
    for side in (BUY, SELL):
        ticks, lots = np.zeros(places, np.int64), np.zeros(places, np.int64)
        found = int(depth(sim.book, side, ticks, lots))
        side_rows = rows[count : count + found]
        side_rows["tick"], side_rows["side"], side_rows["lots"] = ticks[:found], side, lots[:found]
        count += found
    return rows[:count]
