"""The mid through a day: of a stored day, of a crowd, or of a MATLAB book; its variance over windows, sampled so that flicker is small."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.book.replay import start
from tercet.book.state import new_books
from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK, SECOND, Session, session
from tercet.market.store import Day
from tercet.market.tables import read_touch
from tercet.risk.intraday import LAG, STALE_NS
from tercet.risk.mids import walk
from tercet.signals.days import fitting
from tercet.signals.series import Floats
from tercet.sim.settings import CrowdSettings
from tercet.sim.tape import pieces

AT_ONCE: Final = 1 << 16  # messages of a crowd
HALF_TICK: Final = 0.5


@dataclass(frozen=True)
class MidPath:
    """A tick at each change of the mid, and one a second where there are events at all.

    time: (n,) ns, in order; mid: (n,) ticks, 0 where the book is not quoted at both sides; hours: the session that the season is of;
    regular: whether those are regular hours that other days share.
    """

    time: NDArray[np.int64]
    mid: Floats
    hours: Session
    regular: bool = True

    def __post_init__(self) -> None:
        """Refuse times out of order and mids that are none."""
        if len(self.time) != len(self.mid) or not len(self.time):
            raise BadInput(f"there were {len(self.mid)} mids at {len(self.time)} times; expected one each, and some")
        if len(back := np.flatnonzero(np.diff(self.time) < 0)):
            raise BadInput(f"tick {back[0] + 1}: expected a time from {self.time[back[0]]} on, found {self.time[back[0] + 1]}")
        wrong = ~np.isfinite(self.mid) | (self.mid < 0)
        if wrong.any():
            raise BadInput(f"tick {wrong.argmax()}: expected a mid above 0, or 0 where there is none, found {self.mid[wrong.argmax()]}")

    @property
    def seconds(self) -> NDArray[np.int64]:
        """(m,): ends of the session's whole seconds, ns, the opening first, up to the last tick."""
        end = min(self.hours.close_ns, int(self.time[-1]))
        return np.arange(self.hours.open_ns, end + 1, SECOND)

    def logs(self) -> Floats:
        """(m,): the log mid at each of `seconds`, bps; NaN where the book was not quoted or nothing was told for STALE_NS."""
        ends = self.seconds
        place = np.searchsorted(self.time, ends, side="right") - 1
        mid = self.mid[np.maximum(place, 0)]
        there = (place >= 0) & (mid > 0) & (ends - self.time[np.maximum(place, 0)] <= STALE_NS)
        return np.asarray(1e4 * np.log(np.where(there, mid, np.nan)))

    def squares(self) -> Floats:
        """(m,): squared returns over the last LAG seconds, divided by LAG: bps² a second; NaN where there is none."""
        logs = self.logs()
        found = np.full(len(logs), np.nan)
        found[LAG:] = (logs[LAG:] - logs[:-LAG]) ** 2 / LAG
        return found

    @property
    def least(self) -> float:
        """Bps²: variance of what rounding the day's first mid to half ticks leaves, uniform: a still window may have moved by as much."""
        if not (self.mid > 0).any():
            raise BadInput("the book was never quoted; expected a day with a mid")
        return float((1e4 * HALF_TICK / self.mid[self.mid > 0][0]) ** 2 / 12)

    def realised(self, begin: NDArray[np.int64], horizon_s: int) -> Floats:
        """(k,) bps²: variance over windows of whole seconds from each of `begin`, places in `seconds`; NaN where a mid is missing.

        The mean of all squared returns that begin and end in the window, by its length (see `intraday`): nothing in it is of before.
        """
        if horizon_s <= LAG:
            raise BadInput(f"horizon was {horizon_s} s; expected more than {LAG} s: returns are as long")
        squares = self.squares()
        sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(squares))])
        holes = np.concatenate([[0], np.cumsum(np.isnan(squares))])
        first, stop = begin + LAG, begin + horizon_s + 1
        inside = stop <= len(squares)
        first, stop = np.where(inside, first, 0), np.where(inside, stop, 0)
        found = (sums[stop] - sums[first]) * (horizon_s / (horizon_s - LAG + 1))
        return np.asarray(np.where(inside & (holes[stop] == holes[first]), found, np.nan))


def of_day(day: Day) -> MidPath:
    """Of a stored day, through its book."""
    if not len(day.events):
        raise BadInput(f"{day.path}: the day has no events; expected a recorded day")
    book = new_books(1, *fitting(day))[0]
    start(book, day.start.view(np.recarray))
    mids = np.empty(len(day.events))
    walk(book, np.asarray(day.events).view(np.recarray), mids)
    regular = day.meta.tz == NEW_YORK
    hours = session(day.meta.date) if regular else Session(day.meta.first_time, day.meta.last_time)
    return thinned(np.array(day.events["time"]), mids, hours, regular=regular)


def of_crowd(crowd: CrowdSettings, seed: int, hours: Session, until: int | None = None) -> MidPath:
    """Of an invented market from its opening on, up to `until` (ns) or its close."""
    told = list(pieces(crowd, seed, (hours.open_ns, hours.close_ns), until or hours.close_ns, 1, AT_ONCE))
    touch = np.concatenate([rows[:, :, 0] for _, rows in told])
    quoted = (touch[:, :, 1] > 0).all(axis=1)
    mids = np.where(quoted, 0.5 * touch[:, :, 0].sum(axis=1), 0.0)
    return thinned(np.concatenate([events["time"] for events, _ in told]), mids, hours)


def of_tape(path: Path) -> MidPath:
    """Of a MATLAB book; times are ns after its midnight."""
    times, bids, asks = read_touch(path)
    return thinned(times * 1_000_000, 0.5 * (bids + asks) / 100, Session(34_200 * SECOND, 57_600 * SECOND))


def thinned(time: NDArray[np.int64], mid: Floats, hours: Session, *, regular: bool = True) -> MidPath:
    """The ticks that change the mid, and the first of each second."""
    kept = np.ones(len(time), np.bool_)
    kept[1:] = (np.diff(mid) != 0) | (np.diff(time // SECOND) != 0)
    return MidPath(time[kept], mid[kept], hours, regular)
