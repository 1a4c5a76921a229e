"""A recorded day for those who have none: two hours of a crowd, told as messages and played back, in which nothing reacts to us."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import CROWD_DATE, VOLUME_RUNS, Market, usual_volume
from tercet.book.queries import depth
from tercet.execution.volume import VolumeCurve
from tercet.market.calendar import session
from tercet.market.events import BUY, LEVEL_ROW, SELL
from tercet.market.instruments import Instrument
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.settings import CROWDS
from tercet.sim.state import HISTORY, new_scratch
from tercet.sim.tape import pieces

CROWD, SEED, HOURS = "hawkes", 1, 2
BOOK_SIZE = (2048, 2048)  # the smallest of `backtest.days.BOOK_SIZES`, so that small stored days share its machine code
PIECE = 4096  # messages told at a time


@cache
def made_market() -> Market:
    """The day as a market, the same in every process. A whole day's seasons pass in its two hours."""
    settings, opens = CROWDS[CROWD], session(CROWD_DATE).open_ns
    closes = opens + HOURS * 3600 * 1_000_000_000
    told = pieces(settings, SEED, (opens, closes), closes, settings.levels, PIECE)
    lots = usual_volume(settings) * HOURS * 3600
    return Market(
        name="history:made",
        kind=HISTORY,
        instrument=Instrument(symbol="MADE"),
        open_ns=opens,
        close_ns=closes,
        events=np.concatenate([events for events, _ in told]),
        levels=levels_at(open_crowd(settings, SEED, opens, closes), opens),
        book_size=BOOK_SIZE,
        crowd=None,
        expected_day_lots=lots,
        sizing_day_lots=lots,
        volume_source=f"mean of {VOLUME_RUNS} runs of the same crowd with other seeds",
        curve=VolumeCurve(tuple(settings.season), "the crowd's season"),
        caveat="one invented day, inference within this day, non-reactive",
    )


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
