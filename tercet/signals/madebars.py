"""Daily bars and order events that are made, not recorded: nothing in them can be foretold, and their future can be another one.

Bars are random walks with a common factor; stocks list, delist, and miss days, prices and trades. Who finds an edge here looked ahead.
"""

import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK, SECOND, session
from tercet.market.events import ADD, BUY, CANCEL, EVENT, SELL, TRADE
from tercet.signals.timed import EVENT as HAPPENED
from tercet.signals.timed import KNOWN

WARM: Final = 0.4  # share of the dates before the first after which the future is another one
FIRST: Final = datetime.date(2018, 1, 2)
OPEN_NS: Final = session(FIRST).open_ns
BARS: Final = ("open", "high", "low", "close", "volume")
MOST_DAYS: Final = 10_000


def cuts(times: pl.Series, seed: int = 0) -> list[int]:
    """The times after which the future is another one, of all times there are: drawn, but always the last but one, a month's end, and
    every day of the week. A look-ahead on Wednesdays alone shows after a Wednesday alone.
    """
    found = times.unique().sort()
    late = found[int(WARM * len(found)) : -1] if len(found) > 1 else found
    days = late.cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").dt.convert_time_zone(NEW_YORK)
    weekday, month = days.dt.weekday().to_numpy(), days.dt.month().to_numpy()
    rng = np.random.default_rng([seed, 0xC7])
    ends = np.flatnonzero(np.diff(month))
    places = {len(late) - 1, *([int(rng.choice(ends))] if len(ends) else [])}
    for day in np.unique(weekday).tolist():
        if day not in weekday[list(places)]:
            places.add(int(rng.choice(np.flatnonzero(weekday == day))))
    return [int(late[place]) for place in sorted(places)]


def made_bars(seed: int = 0, symbols: int = 8, days: int = 400) -> pl.DataFrame:
    """event_time, known_time (the close, ns), symbol, open, high, low, close, volume; in order of time and symbol.

    On the dates of `cuts` every second stock misses its open, high and low: what is filled from the future shows there.
    """
    if symbols < 2 or not 100 <= days <= MOST_DAYS:
        raise BadInput(f"symbols was {symbols}, days {days}; expected symbols >= 2 and 100 <= days <= {MOST_DAYS}")
    rng = np.random.default_rng([seed, 0xBA])
    closes = pl.Series([session(day).close_ns for day in _weekdays(days)])
    market = rng.normal(0.0, 0.01, days)
    frame = pl.concat([_stock(rng, number, closes, market) for number in range(symbols)])
    holes = pl.col(HAPPENED).is_in(cuts(closes, seed)) & pl.col("symbol").str.slice(1).cast(pl.Int64).mod(2).eq(1)
    holed = frame.with_columns(pl.when(~holes).then(pl.col("open", "high", "low")))
    return holed.select(HAPPENED, KNOWN, "symbol", *BARS).sort(HAPPENED, "symbol")


def _stock(rng: np.random.Generator, number: int, closes: pl.Series, market: NDArray[np.float64]) -> pl.DataFrame:
    """One stock's days; its log price less half the variance is a martingale."""
    days = len(closes)
    night, day = rng.normal(0.0, 0.008, days), rng.normal(0.0, 0.014, days) + market
    close = 30.0 * np.exp(np.cumsum(night + day - 0.5 * (0.008**2 + 0.014**2 + 0.01**2)))
    open_ = close / np.exp(day)
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.006, days)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.006, days)))
    volume = np.floor(np.exp(rng.normal(11.0, 0.6, days))) * (rng.random(days) > 0.005)
    columns = {HAPPENED: closes, KNOWN: closes, "open": open_, "high": high, "low": low, "close": close, "volume": volume}
    frame = pl.DataFrame(columns).with_columns(
        pl.when(pl.Series(rng.random(days) > 0.02)).then(pl.col("open")),
        pl.when(pl.Series(rng.random(days) > 0.01)).then(pl.col("high", "low")),
    )
    lists, leaves = (int(share * days) for share in rng.uniform((0.0, 0.75), (0.3, 1.0)))
    alive = np.arange(days) >= lists * (number % 3 == 1)
    alive &= np.arange(days) < (leaves if number % 4 == 2 else days)
    alive &= rng.random(days) > (0.04 if number % 4 == 3 else 0.0)
    return frame.filter(pl.Series(alive)).with_columns(symbol=pl.lit(f"S{number}"))


def _weekdays(count: int) -> list[datetime.date]:
    days = (FIRST + datetime.timedelta(days=i) for i in range(count * 7 // 5 + 7))
    return [day for day in days if day.weekday() < 5][:count]


def made_events(seed: int = 0, count: int = 1500, fork: int | None = None) -> NDArray[np.void]:
    """EVENTs of a small random market that keep a book whole: adds, cancels and executions. From event `fork` on it goes another way."""
    rng = np.random.default_rng([seed, 0xE7])
    resting: dict[int, dict[int, tuple[int, int]]] = {BUY: {}, SELL: {}}  # id: (tick, lots)
    events, time = np.zeros(count, EVENT), OPEN_NS
    for i, event in enumerate(events):
        if i == fork:
            rng = np.random.default_rng([seed, 0xE7, fork])
        time += int(rng.exponential(0.3) * SECOND)
        side = BUY if rng.random() < 0.5 else SELL
        own, others = resting[side], resting[-side]
        kind = (ADD, CANCEL, TRADE)[int(rng.choice(3, p=(0.5, 0.25, 0.25)))] if len(own) > 8 else ADD
        best = max(own, key=lambda order: (side * own[order][0], -order)) if own else 0
        if kind == ADD:
            touch = -side * max(-side * tick for tick, _ in others.values()) if others else 10_000 + side
            order, tick, lots = i + 1, touch - side * int(rng.integers(1, 8)), int(rng.integers(1, 20))
            own[order] = (tick, lots)
        else:
            order = best if kind == TRADE else int(rng.choice(list(own)))
            tick, there = own.pop(order)
            lots = int(rng.integers(1, there + 1)) if kind == TRADE else there
            if lots < there:
                own[order] = (tick, there - lots)
        event["time"], event["id"], event["lots"], event["tick"], event["kind"], event["side"] = time, order, lots, tick, kind, side
    return events
