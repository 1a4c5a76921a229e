"""The rows that a kept model is asked about: of a stored day, or of a file of daily bars, made as those that it learned from."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.store import Day
from tercet.signals.messagerows import message_features
from tercet.signals.panel import RANKED, panel
from tercet.signals.samples import Leak, Questions
from tercet.signals.timed import Table


@dataclass(frozen=True)
class Rows:
    """Questions, and of whom and when they are; `left_out` are rows that are there and cannot be asked about, by reason."""

    questions: Questions
    symbols: pl.Series
    event_time: NDArray[np.int64]
    left_out: dict[str, int]
    cleaned: tuple[str, ...] = ()  # what was done to the file's rows, in sentences


def of_day(day: Day, names: tuple[str, ...], since: int | None = None) -> Rows:
    """A row a message of a stored day, from `since` on (ns); raises BadInput where the day has not all features."""
    frame = message_features(day)
    _refuse_missing(day.meta.symbol, frame, names)
    table, time = frame.select(names).to_numpy().astype(np.float32), frame["event_time"].to_numpy()
    known = np.isfinite(table).all(axis=1)
    table, time = table[known], time[known]
    rows = np.arange(len(time)) if since is None else np.flatnonzero(time >= since)
    left_out = {"no feature yet": int((~known).sum()), "before": len(time) - len(rows)}
    if len(rows) == 0:
        raise BadInput(f"{day.meta.symbol} {day.meta.date}: no message has all features{'' if since is None else ' and came since then'}")
    asked = Questions(table, rows, time[rows], np.zeros(len(time), np.int64))
    return Rows(asked, pl.repeat(day.meta.symbol, len(rows), eager=True), time[rows], left_out)


def of_bars(bars: Table, names: tuple[str, ...], days: int, after: int, since: int | None = None, least: int = 1) -> Rows:
    """Stocks at every `days`-th date back from the newest: those known later than `after`, what a model knows, or from `since` on.

    Dates of fewer than `least` stocks are left out: a rank among few is not what the model learned from. Raises Leak where there are no
    later rows, and BadInput where no date has so many.
    """
    frame = panel(bars, [name.removesuffix(RANKED) for name in names if name.endswith(RANKED)], raw=False).frame
    _refuse_missing("the panel", frame, names)
    dates = frame["event_time"].unique().sort(descending=True).gather_every(days)
    frame = frame.filter(pl.col("event_time").is_in(dates.implode())).sort("known_time", "symbol")
    frame, whole = frame.filter(pl.len().over("event_time") >= least), frame
    if frame.is_empty():
        most = whole.select(pl.len().over("event_time").max()).item()
        raise BadInput(f"no date has {least} stocks, which the model needs; the most have {most}; expected more, or a fit with --least")
    now = frame["known_time"].to_numpy()
    rows = np.flatnonzero(now > after) if since is None else np.flatnonzero(now >= since)
    if len(rows) == 0:
        raise Leak(f"all {len(now)} rows of the file are of times that the model knows; expected a later date to be asked about")
    group = frame["symbol"].cast(pl.Categorical).to_physical().to_numpy().astype(np.int64)
    asked = Questions(frame.select(names).to_numpy().astype(np.float32), rows, now[rows], group)
    taken = frame[rows]
    left_out = {"before": len(now) - len(rows), "too few stocks on the date": len(whole) - len(frame)}
    return Rows(asked, taken["symbol"], taken["event_time"].to_numpy(), left_out)


def _refuse_missing(what: str, frame: pl.DataFrame, names: tuple[str, ...]) -> None:
    if missing := [name for name in names if name not in frame.columns]:
        raise BadInput(f"{what} has no feature {missing[0]}, which the model learned from ({len(missing)} of {len(names)} are missing)")
