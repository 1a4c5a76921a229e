"""Feature rows of a stored day, or of events as they come: the same machine, so the same rows bit for bit."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.book.replay import apply_all
from tercet.book.replay import start as rest_start
from tercet.book.state import MAX_TICK, new_books
from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK, SECOND, Session, midnight_ns, session
from tercet.market.events import ADD, CROSS, EVENT, HALT, HIDDEN, LEVEL_ROW, REVEAL, TRADE
from tercet.market.store import Day
from tercet.signals import features
from tercet.signals.catalogue import NAMES
from tercet.signals.features import BY_CLOCK, BY_EVENTS, BY_MID, CURVE_STEPS, HEAD, STATE
from tercet.signals.ladder import LEVELS

BOOK_SIZES: Final = ((4096, 65536), (4096, 1 << 20))  # levels and orders; one size for almost all days compiles once
ROWS: Final = 8192  # written at a time
DAY_NS: Final = 86_400 * SECOND
BUCKETS_A_DAY: Final = 500
MOST_ROWS: Final = 20_000_000  # of one table, 15 GB
MOST_LOTS: Final = 2**40  # of one event: sums of a day stay exact
_UNITS: Final = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": SECOND, "min": 60 * SECOND, "h": 3600 * SECOND}


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """When rows are written, and what features are told from outside. Nothing in it may come from the day itself."""

    every: str = _setting("1s", "a row every so often (1s, 100ms), every so many events (10events), or at each change of the mid (mid)")
    latency_ns: int = _setting(0, "ns from an event to our knowing of it: known_time − event_time")
    weights: tuple[float, ...] = _setting(
        (), "of the levels in `ofi_all`, from earlier days (see `integrated_weights`); equal where not given"
    )
    sweep_lots: float = _setting(0.0, "lots that sweep costs are for; 0: three times what a level usually holds")
    bucket_lots: int = _setting(0, "lots of a VPIN bucket; 0: a 500th of what is usual in a day, else the first aggressors say it")
    curve: tuple[float, ...] = _setting((), "lots usually traded by each 64th of the session, from earlier days (see `usual_volume`)")


def features_of(day: Day, settings: Settings | None = None, **changes: Any) -> pl.DataFrame:
    """The feature rows of a stored day: event_time, known_time, bid, ask, mid2 and a column for each of FEATURES.

    changes: fields of Settings, such as every="100ms". Raises BadInput for events that cannot be, and where more orders rest at once
    than the largest book holds, or more than MOST_ROWS would be written (`rows_of` has no such limit).
    """
    kind, every = sampling(_changed(settings, changes).every)
    if kind == BY_CLOCK and (rows := _span(day) // every) > MOST_ROWS:
        raise BadInput(f"every was {every} ns, {rows} rows of this day; expected {MOST_ROWS} at most")
    return pl.concat(list(rows_of(day, settings, **changes)))


def _span(day: Day) -> int:
    """From the day's first event to its last, ns."""
    return int(day.events["time"][-1]) - int(day.events["time"][0]) if len(day.events) else 0


def rows_of(day: Day, settings: Settings | None = None, **changes: Any) -> Iterator[pl.DataFrame]:
    """The same in pieces, for days whose rows do not fit into memory; the first may have no row."""
    stream = FeatureStream(day.start, hours_of(day), settings, size=fitting(day), **changes)
    yield stream.frame([])
    yield from stream.pieces(day.events)
    if len(day.events):
        yield stream.until(int(day.events["time"][-1]))


class FeatureStream:
    """Features of events as they come, one by one or in slices: rows are those of `features_of` on all of them.

    A row by the clock is due when its time has passed: a later event says so, or `until`.
    """

    def __init__(
        self,
        start: NDArray[np.void],
        hours: Session,
        settings: Settings | None = None,
        *,
        size: tuple[int, int] = BOOK_SIZES[0],
        **changes: Any,
    ) -> None:
        """start: the known book before the first event (LEVEL_ROWs); hours: of the session; size: levels and orders of the book."""
        self.settings = _changed(settings, changes)
        self.state = new_state(self.settings, hours)
        self.book = new_books(1, *size)[0]
        rest_start(self.book, np.asarray(start, LEVEL_ROW).view(np.recarray))
        features.start(self.state, self.book)
        self._time = -(2**63)
        self._heads = np.zeros(ROWS, HEAD).view(np.recarray)
        self._out = np.zeros((ROWS, len(NAMES)))

    def take(self, events: NDArray[np.void]) -> pl.DataFrame:
        """Let EVENTs happen; returns the rows that are due now. Raises BadInput, and takes none, where one of them cannot be."""
        return pl.concat([self.frame([]), *self.pieces(events)])

    def until(self, time: int) -> pl.DataFrame:
        """Nothing more happened up to and including `time`: the rows of the clock that are due by then."""
        if time < self._time:
            raise BadInput(f"until {time}: expected a time from the last event's on, {self._time}")
        self._time = time
        found = [self.frame([])]
        while self.by_clock and self.state.events > 0:
            rows = int(features.tick(self.state, time, self._heads, self._out))
            if not rows:
                break
            found.append(self.frame(slice(rows)))
        return pl.concat(found)

    @property
    def by_clock(self) -> bool:
        """Whether rows are written by the clock."""
        return int(self.state.params.sampling) == BY_CLOCK

    def pieces(self, events: NDArray[np.void]) -> Iterator[pl.DataFrame]:
        """`take`, a piece at a time."""
        return (self.frame(slice(rows)) for rows in self.written(events))

    def written(self, events: NDArray[np.void]) -> Iterator[int]:
        """`take` without frames: how many rows stand at the beginning of the buffers, `frame` of which is for now."""
        refuse(events, self._time)
        told = _records(events)
        done = 0
        while done < len(told):
            used, rows = features.run(self.state, self.book, told[done:], self._heads, self._out)
            done += int(used)
            if self.book.refused.any():
                raise BadInput(f"more than {len(self.book.orders) - 1} orders rest at once; expected fewer, or a larger book")
            if rows:
                yield int(rows)
        if len(told):
            self._time = int(told["time"][-1])

    def frame(self, rows: Any) -> pl.DataFrame:
        """Rows of the buffers as a frame."""
        heads, out = np.asarray(self._heads[rows]), self._out[rows]
        quoted = pl.Series("quoted", heads["quoted"] != 0)
        columns = [
            pl.Series("event_time", heads["time"].copy()),
            pl.Series("known_time", heads["time"] + self.settings.latency_ns),
            *(pl.Series(name, heads[name].astype(np.int32)) for name in ("bid", "ask", "mid2")),
            *(pl.Series(name, out[:, i].copy(), nan_to_null=True) for i, name in enumerate(NAMES)),
        ]
        frame = pl.DataFrame(columns)
        return frame.with_columns(pl.when(quoted).then(pl.col(name)).alias(name) for name in ("bid", "ask", "mid2"))


def new_state(settings: Settings, hours: Session) -> Any:
    """A STATE that is ready to start; BadInput for settings that cannot be."""
    state = np.zeros(1, STATE).view(np.recarray)[0]
    params = state.params
    params.open, params.close = hours.open_ns, hours.close_ns
    params.sampling, params.every = sampling(settings.every)
    weights = np.array(settings.weights or np.full(LEVELS, 1.0 / LEVELS), np.float64)
    if weights.shape != (LEVELS,) or not np.isfinite(weights).all() or abs(weights.sum() - 1.0) > 1e-6:
        raise BadInput(f"weights were {settings.weights}; expected {LEVELS} numbers that sum to 1")
    curve = np.array(settings.curve or np.zeros(CURVE_STEPS + 1), np.float64)
    if curve.shape != (CURVE_STEPS + 1,) or not np.isfinite(curve).all() or (np.diff(curve, prepend=0.0) < 0).any():
        raise BadInput(f"curve was {settings.curve}; expected {CURVE_STEPS + 1} numbers from 0 on that never fall")
    if not (np.isfinite(settings.sweep_lots) and settings.sweep_lots >= 0.0):
        raise BadInput(f"sweep_lots was {settings.sweep_lots}; expected a number of lots, or 0")
    if settings.bucket_lots < 0:
        raise BadInput(f"bucket_lots was {settings.bucket_lots}; expected a number of lots, or 0")
    if not 0 <= settings.latency_ns <= DAY_NS:
        raise BadInput(f"latency_ns was {settings.latency_ns}; expected 0 to the ns of a day")
    params.bucket_lots = settings.bucket_lots or (max(1, round(float(curve[-1]) / BUCKETS_A_DAY)) if curve[-1] > 0 else 0)
    params.weights[:], params.curve[:], params.sweep_lots = weights, curve, settings.sweep_lots
    return state


def sampling(every: str) -> tuple[int, int]:
    """When rows are written, as PARAMS have it; BadInput for what is no time, no number of events and not `mid`."""
    if every == "mid":
        return BY_MID, 1
    found = re.fullmatch(r"(\d{0,12})\s*events?", every)
    if found and int(found[1] or 1) > 0:
        return BY_EVENTS, int(found[1] or 1)
    nanos = nanoseconds(every, "a time such as 1s or 100ms, a number of events such as 10events, or mid")
    if not 0 < nanos <= DAY_NS:
        raise BadInput(f"every was {every!r}; expected more than nothing and a day at most")
    return BY_CLOCK, nanos


def nanoseconds(text: str, expected: str = "a time such as 1s or 100ms") -> int:
    """A time in ns; BadInput for what is none."""
    found = re.fullmatch(rf"(\d{{1,12}}(?:\.\d{{1,9}})?)\s*({'|'.join(_UNITS)})", text)
    if not found:
        raise BadInput(f"{text!r}: expected {expected}")
    return round(float(found[1]) * _UNITS[found[2]])


def hours_of(day: Day) -> Session:
    """The regular hours of a day, known before it begins; midnight to midnight where its zone has no calendar here."""
    if day.meta.tz == NEW_YORK:
        return session(day.meta.date)
    opens = midnight_ns(day.meta.date, day.meta.tz)
    return Session(opens, opens + DAY_NS)


def usual_volume(days: Sequence[Day]) -> tuple[float, ...]:
    """Lots traded by each 64th of the session, the mean of stored days: `Settings.curve` for a day after them."""
    if not days:
        raise BadInput("no days: expected earlier days to take the usual volume from")
    curves = []
    for day in days:
        hours = hours_of(day)
        traded = day.events[np.isin(day.events["kind"], (TRADE, HIDDEN))]
        edges = np.linspace(hours.open_ns, hours.close_ns, CURVE_STEPS + 1)
        sums = np.concatenate([[0], np.cumsum(traded["lots"])])
        curves.append(sums[np.searchsorted(traded["time"], edges, side="right")])
    return tuple(np.mean(curves, axis=0).tolist())


def integrated_weights(rows: pl.DataFrame) -> tuple[float, ...]:
    """The first principal component of the levels' order-flow imbalances, its entries summing to 1: `Settings.weights` for later days.

    rows: of `features_of`, from earlier days only. Cont, Cucuringu & Zhang (2023), eq. 4. Raises BadInput where nothing varies.
    """
    levels = rows.select(f"ofi_level_{level}" for level in range(1, LEVELS + 1)).drop_nulls().to_numpy()
    if len(levels) < 2 or not np.ptp(levels, axis=0).any():
        raise BadInput(f"{len(levels)} rows of order-flow imbalances, none of which differ; expected some that do")
    first = np.linalg.eigh(np.cov(levels.T))[1][:, -1]
    if abs(first.sum()) < 1e-9:
        raise BadInput("the levels' order-flow imbalances have no common direction; expected rows of a market that moves")
    return tuple((first / first.sum()).tolist())


def _changed(settings: Settings | None, changes: dict[str, Any]) -> Settings:
    if unknown := set(changes) - set(Settings.__dataclass_fields__):
        raise BadInput(f"{', '.join(sorted(unknown))}: expected settings of {', '.join(Settings.__dataclass_fields__)}")
    return Settings(**((settings.__dict__ if settings else {}) | changes))


def fitting(day: Day) -> tuple[int, int]:
    """The first of BOOK_SIZES that holds a day's orders, the largest where none does; few adds are the quick answer."""
    if int(np.isin(day.events["kind"], (ADD, REVEAL)).sum()) + len(day.start) <= BOOK_SIZES[0][1]:
        return BOOK_SIZES[0]
    book = new_books(1, *BOOK_SIZES[0])[0]
    rest_start(book, day.start.view(np.recarray))
    apply_all(book, _records(day.events))
    return BOOK_SIZES[1] if book.refused.any() else BOOK_SIZES[0]


def _records(events: NDArray[np.void]) -> Any:
    """The same memory, not to be written: arrays in memory and mapped files then share their machine code."""
    told = np.asarray(events).view(np.recarray)
    told.flags.writeable = False
    return told


def refuse(events: NDArray[np.void], after: int) -> None:
    """BadInput for the first event that cannot happen."""
    if events.dtype != EVENT or events.ndim != 1:
        raise BadInput(f"events of {events.dtype}, shape {events.shape}; expected a row of EVENTs")
    if not len(events):
        return
    time, kind, side, lots = events["time"], events["kind"], events["side"], events["lots"]
    traded = (kind != HALT) & (kind != CROSS)
    bad = (kind < ADD) | (kind > REVEAL) | (traded & ((np.abs(side) != 1) | (lots < (kind != REVEAL)) | (lots > MOST_LOTS)))
    bad |= traded & (np.abs(events["tick"].astype(np.int64)) > MAX_TICK)
    if bad.any():
        row = int(np.argmax(bad))
        raise BadInput(f"event {row}: expected a known kind, a side of 1 or -1, lots and a price in range, found {events[row]}")
    back = np.flatnonzero(np.diff(time) < 0)
    if len(back) or time[0] < after:
        row = int(back[0]) + 1 if len(back) and time[0] >= after else 0
        raise BadInput(f"event {row}: expected a time from {max(after, int(time[row - 1]) if row else after)} on, found {time[row]}")
    if int(time[-1]) - max(int(time[0]), 0) > 7 * DAY_NS:
        raise BadInput(f"events from {time[0]} to {time[-1]}: expected a week at most")
