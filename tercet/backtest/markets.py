"""Markets by name, `history:DAY` and `crowd:NAME`, each able to open any of its sessions as a fresh simulation."""

import datetime
import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.days import day_lots, earlier_days, fitting_book, quality_of
from tercet.backtest.halts import Windows, halts_of
from tercet.book.quality import BAD
from tercet.errors import BadInput
from tercet.execution.volume import VolumeCurve, default_curve, from_days
from tercet.market.calendar import NEW_YORK, SECOND, session, trading_hours
from tercet.market.events import LEVEL_ROW
from tercet.market.instruments import Instrument
from tercet.market.store import Day, open_day
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd, open_history, season_clock
from tercet.sim.settings import CROWDS, CrowdSettings
from tercet.sim.state import HAWKES, HISTORY, QUEUE, ZERO, new_scratch

CROWD_DATE = datetime.date(2000, 1, 3)
VOLUME_RUNS, VOLUME_SEED, VOLUME_NS = 8, 2**40, 1800 * SECOND
CAVEATS = {
    ZERO: "invented flow without intelligence: it refills the book but never trades on what we do, so resting orders cost too little",
    QUEUE: "invented flow that reacts to its queues and to nothing else: no memory of trades, no adverse selection, fitted to no day",
    HAWKES: "invented flow that excites itself and follows what is traded; its parameters are plausible, fitted to no day",
}


@dataclass(frozen=True)
class Market:
    """A market whose sessions can be opened. Times are ns since the epoch, UTC."""

    name: str
    kind: int
    instrument: Instrument
    open_ns: int
    close_ns: int
    events: NDArray[np.void] | None  # None where a crowd acts
    levels: NDArray[np.void]
    book_size: tuple[int, int]
    crowd: CrowdSettings | None
    expected_day_lots: float  # 0 where nothing but the day itself could tell
    sizing_day_lots: float  # what shares of volume are taken of
    volume_source: str
    curve: VolumeCurve
    caveat: str
    notes: tuple[str, ...] = ()
    tz: str = NEW_YORK
    halts: Windows = ()
    bad: bool = False  # a bad day that was accepted: what it says means nothing, and no policy is called better

    def open(self, number: int, seed: int, at: int | None = None) -> Any:
        """Session `number` as a simulation standing before its opening; a crowd's also before another time of its day (ns)."""
        if self.crowd is None:
            return open_history(self.levels, self.book_size)
        return open_crowd(self.crowd, session_seed(number, seed), self.open_ns, self.close_ns, at)

    def onset(self, number: int, seed: int) -> int | None:
        """When the large seller of that session begins, ns; None in a market without one."""
        if self.crowd is None or self.crowd.seller is None:
            return None
        clock, business = season_clock(self.crowd, self.open_ns, self.close_ns)
        return int(np.interp(self.crowd.seller.drawn(session_seed(number, seed))[0] * SECOND, business, clock))

    @property
    def sessions(self) -> int | None:
        """How many sessions there are; None where as many as one likes."""
        return 1 if self.kind == HISTORY else None


def checksum(market: Market) -> str:
    """The first 16 digits of the SHA-256 of a market's recorded events, or of a crowd's settings."""
    content = repr(market.crowd).encode() if market.events is None else market.events.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def session_seed(number: int, seed: int) -> int:
    """The seed of a crowd's session `number` under a run's."""
    return seed * 1_000_003 + number


def market(name: str, accept_bad_day: bool = False) -> Market:
    """The market called `history:DAY` or `crowd:NAME`; raises BadInput with what there is, and for a bad day that is not accepted."""
    kind, _, rest = name.partition(":")
    if kind == "history" and rest:
        return history_market(open_day(Path(rest)), accept_bad_day)
    if kind == "crowd" and rest in CROWDS:
        return crowd_market(rest, CROWDS[rest])
    raise BadInput(f"market was {name!r}; expected history:DAY with a stored day's folder, or crowd: with one of {', '.join(CROWDS)}")


def history_market(day: Day, accept_bad_day: bool = False) -> Market:
    """A recorded day, its checksum verified, with a book large enough for all of it; BadInput for a bad one that is not accepted.

    What is expected of its volume comes from earlier stored days of the symbol, never from the day itself.
    """
    if not len(day.events):
        raise BadInput(f"{day.path}: the day has no events; expected a recorded day")
    day.verify()
    quality = quality_of(day, accept_bad_day)
    hours = trading_hours(day.meta.date, day.meta.tz, day.meta.first_time, day.meta.last_time)
    earlier, notes = earlier_days(day)
    expected = float(np.mean([day_lots(other) for other in earlier])) if earlier else 0.0
    if quality.verdict == BAD:
        notes.append(f"{day.path.name} is a bad day, accepted: {'; '.join(quality.reasons)}")
    if day.meta.depth == 0:
        notes.append(f"{day.path.name} was imported without its orderbook: what stood in the book at the start is missing")
    return Market(
        name=f"history:{day.path.resolve().name}",
        kind=HISTORY,
        instrument=day.meta.instrument,
        open_ns=hours.open_ns,
        close_ns=hours.close_ns,
        events=day.events,
        levels=day.start,
        book_size=fitting_book(day),
        crowd=None,
        expected_day_lots=expected,
        sizing_day_lots=expected or day_lots(day),
        volume_source=f"mean of {len(earlier)} earlier days" if earlier else "no earlier day: the day's own volume, for sizes only",
        curve=from_days(earlier) if earlier else default_curve(),
        caveat="one day, inference within this day, non-reactive",
        notes=tuple(notes),
        tz=day.meta.tz,
        halts=halts_of(day.events, hours.open_ns, hours.close_ns),
        bad=quality.verdict == BAD,
    )


def crowd_market(name: str, settings: CrowdSettings) -> Market:
    """An invented market with regular hours; its expected volume is that of runs with seeds of their own, its curve its season."""
    hours = session(CROWD_DATE)
    expected = usual_volume(settings) * (hours.close_ns - hours.open_ns) / SECOND
    return Market(
        name=f"crowd:{name}",
        kind=1,
        instrument=Instrument(symbol=name.upper()),
        open_ns=hours.open_ns,
        close_ns=hours.close_ns,
        events=NO_EVENTS,
        levels=np.zeros(0, LEVEL_ROW),
        book_size=(settings.levels, settings.orders),
        crowd=settings,
        expected_day_lots=expected,
        sizing_day_lots=expected,
        volume_source=f"mean of {VOLUME_RUNS} runs with other seeds",
        curve=VolumeCurve(tuple(settings.season), "the crowd's season"),
        caveat=CAVEATS[settings.flow],
    )


@cache
def usual_volume(settings: CrowdSettings) -> float:
    """Lots that a crowd trades in a second at the season's mean, without its large seller: from runs that no parent is worked in."""
    even, lots = replace(settings, season=(1.0,) * len(settings.season), seller=None), 0
    for number in range(VOLUME_RUNS):
        sim = open_crowd(even, VOLUME_SEED + number, 0, VOLUME_NS)
        scratch = new_scratch(sim)
        advance(sim, NO_EVENTS, 0, scratch)
        before = int(sim.traded_lots)
        advance(sim, NO_EVENTS, VOLUME_NS, scratch)
        lots += int(sim.traded_lots) - before
    return lots / (VOLUME_RUNS * VOLUME_NS / SECOND)
