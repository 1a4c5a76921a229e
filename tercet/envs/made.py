"""A recorded day for those who have none: two hours of a crowd, told as messages and played back, in which nothing reacts to us."""

import hashlib
import io
import subprocess
import sys
from functools import cache
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import CROWD_DATE, VOLUME_RUNS, Market, usual_volume
from tercet.book.queries import depth
from tercet.compiled import cache_folder, make_folder, say_once
from tercet.envs.stepping import machine
from tercet.execution.volume import VolumeCurve
from tercet.market.calendar import SECOND, session
from tercet.market.events import BUY, EVENT, LEVEL_ROW, SELL
from tercet.market.instruments import Instrument
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.settings import CROWDS
from tercet.sim.state import ALTERED_PLACES, HISTORY, new_scratch, scratch_dtype, sim_dtype
from tercet.sim.tape import pieces
from tercet.wholefiles import write_whole

CROWD, SEED, LONG_NS = "hawkes", 1, 7200 * SECOND
BOOK_SIZE = (2048, 2048)  # the smallest of `backtest.days.BOOK_SIZES`, so that small stored days share its machine code
SEAL_BYTES = 32  # a SHA-256 before the rest of the file
PIECE = 4096  # messages told at a time
Day = tuple[NDArray[np.void], NDArray[np.void], float]


@cache
def made_market() -> Market:
    """The day as a market, the same in every process. A whole day's seasons pass in its two hours.

    It is kept beside the machine code. Where it is not yet, another process makes it, which needs a crowd's machine, while this one
    compiles the machine of recorded days.
    """
    events, levels, lots = kept_day(cache_folder(__name__) / "made.day")
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


def kept_day(path: Path) -> Day:
    """The day in a file, made where there is none or a damaged one; where it cannot be kept, it is made in each process."""
    if (day := read_day(path)) is None:
        child = subprocess.Popen([sys.executable, "-c", f"from tercet.envs.made import keep_day; keep_day({str(path)!r})"], stderr=DEVNULL)
        sims = sim_dtype(*BOOK_SIZE, altered=ALTERED_PLACES, ids=True)
        machine(sims, scratch_dtype(BOOK_SIZE[1]), recorded=True)
        child.wait()
        day = read_day(path)
    if day is None:  # such a process may be forbidden here, or the disk be full
        day = new_day()
        say_once("unkept day", f"the day of tercet/History-v0 cannot be kept, and each process makes it ({path})")
    return day


def read_day(path: Path) -> Day | None:
    """The day in a file; None where there is none, or a damaged one, which is said."""
    try:
        seal, data = (whole := path.read_bytes())[:SEAL_BYTES], whole[SEAL_BYTES:]
        if hashlib.sha256(data).digest() != seal:
            raise ValueError("other bytes than were written")
        with np.load(io.BytesIO(data)) as day:
            events, levels, lots = day["events"], day["levels"], float(day["lots"])
        if (events.dtype, levels.dtype) != (EVENT, LEVEL_ROW):
            raise ValueError(f"rows of {events.dtype} and {levels.dtype}")
        return events, levels, lots
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # whatever numpy and zip find in a damaged file
        say_once("damaged day", f"a kept day cannot be used and is made again ({path}: {error})")
        return None


def new_day() -> Day:
    """The day's events, the book's levels at its start and its expected volume in lots."""
    settings, opens = CROWDS[CROWD], session(CROWD_DATE).open_ns
    closes = opens + LONG_NS
    told = pieces(settings, SEED, (opens, closes), closes, settings.levels, PIECE)
    levels = levels_at(open_crowd(settings, SEED, opens, closes), opens)
    return np.concatenate([events for events, _ in told]), levels, usual_volume(settings) * LONG_NS / SECOND


def keep_day(path: str | Path) -> None:
    """Make the day and write it to a file."""
    make_folder(Path(path).parent)  # which fails before the work is done
    events, levels, lots = new_day()
    packed = io.BytesIO()
    np.savez(packed, events=events, levels=levels, lots=lots)
    data = packed.getvalue()
    write_whole(Path(path), (hashlib.sha256(data).digest(), data))


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
