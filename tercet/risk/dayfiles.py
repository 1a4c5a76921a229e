"""Files with a row a day, as people have them: one market's returns, bars or prices; the VIX; prices of many assets."""

import datetime
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl

from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK
from tercet.risk.units import Units
from tercet.signals.cells import holes, inferred, keys_of, numbers
from tercet.signals.cleaning import Cleaning
from tercet.signals.files import INDEX, ROW, Column, counts_up, read_columns
from tercet.signals.sources import CLOSE, DATES, READERS, VIX_CLOSE, Loaded, close_times, daily, find_column, finish
from tercet.signals.stamps import SEVERAL, local_dates
from tercet.signals.timed import EVENT

BARS: Final = ("open", "high", "low", "close")
BESIDE: Final = ("vix", "rv", "quarticity")  # what may stand next to prices
UNPRICED: Final = ("volume", "vol.", "vol", "dividends", "stock splits", "capital gains", "change %", "change", "trades", "open interest")
SATURDAY: Final = 6
WEEK: Final = 5  # days between rows from which on they are none of days
WEEKENDS: Final = 0.05  # share of rows on either day from which on a market is open on both
DAY_END_NS: Final = 3600 * 10**9  # puts the end of a day into that day
SOME: Final = 4  # names that a sentence lists


def market_file(path: str | Path, at: str | None = None, tz: str = NEW_YORK, unit: str | None = None) -> Loaded:
    """One market's days: `return` (percent) and what there is of open_close, rv (percent²), vix and quarticity; or bars; or one price.

    Known at `at` in `tz` (16:00 in New York). Adj Close counts before Close, and bars are scaled by it. unit: see `Units`; BadInput
    where a series cannot be in its unit. What else the file holds is not read.
    """
    if Path(path).name in READERS:
        return daily(path, at, tz)
    frame, date = dated(path)
    units, notes = Units.of(unit), []
    names = _market_columns(path, frame, date)
    columns = {name: numbers(Column.of(path, frame, there)) for name, there in names.items() if name != "volume"}
    if "volume" in names:
        with suppress(BadInput):  # it only helps to tell splits
            columns["volume"] = numbers(Column.of(path, frame, names["volume"]))
    if "return" not in columns:
        for name in set(columns) - {*BESIDE, "volume"}:
            _refuse_no_price(Column.of(path, frame, names[name]), columns[name])
    made = frame.select(date, ROW).rename({date: "date"}).with_columns(values.alias(name) for name, values in columns.items())
    made, adjusted = _adjusted(made)
    notes += adjusted
    if "return" in names:
        _refuse_lost(Column.of(path, frame, names["return"]), made["return"])
    units.refuse(path, made := units.convert(made))
    made = close_times(path, made, at or CLOSE, tz)
    return finish(path, made, (), Cleaning(notes=(*notes, *calendar_notes(made[EVENT], at, tz))))


def vix_file(path: str | Path, at: str | None = None, tz: str = NEW_YORK, unit: str | None = None) -> Loaded:
    """The VIX, or another index of implied volatility, percent a year, as a column `vix`; known at `at` in `tz` (16:15 in New York)."""
    if Path(path).name in READERS:
        return daily(path, at, tz)
    frame, date = dated(path)
    known = find_column(frame.columns, "vix") or find_column(frame.columns, "close") or find_column(frame.columns, "adj close")
    name = known or _alone(path, frame, date, "vix, close, or one column of numbers")
    made = frame.select(date, ROW).rename({date: "date"}).with_columns(numbers(Column.of(path, frame, name)).alias("vix"))
    units = Units.of(unit)
    units.refuse(path, made := units.convert(made))
    return finish(path, close_times(path, made, at or VIX_CLOSE, tz), (), Cleaning())


def price_file(path: str | Path, at: str | None = None, tz: str = NEW_YORK) -> Loaded:
    """Prices of assets, a column an asset, or a row an asset and day (symbol, close); known at `at` in `tz` (16:00 in New York)."""
    if Path(path).name in READERS:
        return daily(path, at, tz)
    frame, date = dated(path)
    symbol = find_column(frame.columns, "symbol")
    close = find_column(frame.columns, "adj close") or find_column(frame.columns, "close")
    if symbol and close and frame[symbol].dtype == pl.String:
        made = frame.select(
            pl.col(date).alias("date"),
            ROW,
            keys_of(frame[symbol]).cast(pl.String).alias("symbol"),
            numbers(Column.of(path, frame, close)).alias("close"),
        )
        _refuse_no_price(Column.of(path, frame, close), made["close"])
        made = close_times(path, made, at or CLOSE, tz)
        return finish(path, made, ("symbol",), Cleaning(notes=calendar_notes(made[EVENT].unique(), at, tz)))
    prices = {name: numbers(Column.of(path, frame, name)) for name in frame.columns if name not in (date, ROW)}
    for name, values in prices.items():
        _refuse_no_price(Column.of(path, frame, name), values)
    made = frame.select(date, ROW).rename({date: "date"}).with_columns(prices.values())
    made = close_times(path, made, at or CLOSE, tz)
    return finish(path, made, (), Cleaning(notes=calendar_notes(made[EVENT], at, tz)))


def calendar_notes(times: pl.Series, at: str | None, tz: str) -> tuple[str, ...]:
    """What is odd about the dates of rows: several rows on one, or so many weekends that the market never closes."""
    dates = local_dates(times - (DAY_END_NS if at == "24:00" else 0), tz)
    notes = []
    if len(dates) > SEVERAL * dates.n_unique():
        notes.append(f"Rows are not days: {len(dates):,} rows of {dates.n_unique():,} dates, each known at its own time")
    saturdays, sundays = (int((dates.dt.weekday() == day).sum()) for day in (SATURDAY, SATURDAY + 1))
    if at is None and min(saturdays, sundays) > WEEKENDS * len(dates):
        told = f"{saturdays + sundays:,} rows are of Saturdays and Sundays"
        notes.append(f"{told}: a market that never closes is known at --close 24:00 --zone UTC")
    gap = dates.unique().sort().diff().median()
    if isinstance(gap, datetime.timedelta) and gap.days >= WEEK:
        notes.append(f"Rows lie {gap.days} days apart: they are taken as days, and a year as 252 of them")
    return tuple(notes)


def dated(path: str | Path) -> tuple[pl.DataFrame, str]:
    """A file's columns without the index that pandas writes, and the name of its column of dates: one called so, or the first."""
    frame = read_columns(path)
    listed = [name for name in frame.columns if name != ROW]
    lower = {name.lower(): name for name in reversed(listed)}
    named = next((lower[name] for name in DATES if name in lower), None)
    timed = next((name for name in listed if frame[name].dtype == pl.Date or isinstance(frame[name].dtype, pl.Datetime)), None)
    spare = [name for name in listed if INDEX.match(name) and name not in (named, timed) and counts_up(frame[name])]
    kept = [name for name in listed if name not in spare]
    date = named or timed or next(iter(kept), None)
    if date is None or len(kept) < 2:
        raise BadInput(f"{path}: the columns were {', '.join(listed[:SOME])}; expected a date and numbers, such as date,close")
    return frame.select(*kept, ROW), date


def _market_columns(path: str | Path, frame: pl.DataFrame, date: str) -> dict[str, str]:
    """Which columns are read as what: {"return": "Return", ...}."""
    _refuse_several(path, frame, date)
    there = [name for name in frame.columns if name not in (date, ROW)]
    found: dict[str, str] = {
        name: one for name in ("return", "open_close", *BARS, "adj close", "volume", *BESIDE) if (one := find_column(there, name))
    }
    if "return" in found:
        return {name: one for name, one in found.items() if name in ("return", "open_close", *BESIDE)}
    beside: dict[str, str] = {name: found[name] for name in (*BESIDE, "volume") if name in found}
    if all(name in found for name in BARS):
        return {**{name: found[name] for name in (*BARS, "adj close") if name in found}, **beside}
    if "close" in found or "adj close" in found:
        return {"close": found.get("adj close") or found["close"], **beside}
    return {"close": _alone(path, frame, date, "a column return, or open, high, low, close, or one column of prices"), **beside}


def _refuse_several(path: str | Path, frame: pl.DataFrame, date: str) -> None:
    """BadInput where rows are of several markets."""
    name = find_column([name for name in frame.columns if name != date], "symbol")
    if name and frame[name].dtype == pl.String and (count := frame[name].n_unique()) > 1 and _is_text(frame[name]):
        some = ", ".join(frame[name].drop_nulls().unique().sort().head(SOME).to_list())
        raise BadInput(f"{path}: {name} names {count} markets ({some}); expected the days of one: write its rows to a file of their own")


def _is_text(values: pl.Series) -> bool:
    return bool(holes(values).cast(pl.Float64, strict=False).is_null().any())


def _alone(path: str | Path, frame: pl.DataFrame, date: str, expected: str) -> str:
    """The only column of numbers that may be prices."""
    others = [name for name in frame.columns if name not in (date, ROW) and name.lower() not in (*BARS[:3], *UNPRICED, *BESIDE)]
    prices = [name for name in others if inferred(Column.of(path, frame, name)).dtype.is_numeric()]
    if len(prices) != 1:
        listed = ", ".join(prices[:SOME]) + (f" and {len(prices) - SOME} more" if len(prices) > SOME else "")
        raise BadInput(f"{path}: the columns of numbers are {listed or 'none'}; expected {expected}")
    return prices[0]


def _adjusted(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Bars scaled by Adj Close / Close, and a note of it where the two differ."""
    if "adj close" not in frame.columns:
        return frame, []
    factor = pl.col("adj close") / pl.col("close")
    differs = bool(frame.select(((factor - 1).abs() > 1e-6).any()).item())
    scaled = frame.with_columns(pl.col(name) * factor for name in BARS).drop("adj close")
    return (scaled, ["Prices are Adj Close, and bars are scaled by it"]) if differs else (frame.drop("adj close"), [])


def _refuse_no_price(column: Column, values: pl.Series) -> None:
    """BadInput where a price is not above 0."""
    if (wrong := (values <= 0)).any():
        raise column.refuse_row(wrong, "{found} is no price; expected one above 0 (a column of returns is called return)")


def _refuse_lost(column: Column, returns: pl.Series) -> None:
    """BadInput where a return is missing between others."""
    there = returns.is_not_null()
    inside = there.cum_sum().cast(pl.Int64) > 0
    after = there.reverse().cum_sum().reverse().cast(pl.Int64) > 0
    if (lost := ~there & inside & after).any():
        told = "the return is missing between others; expected one a row, for what came between is lost"
        raise column.refuse_row(lost, f"{told}: fill it in, give prices, or begin the file after it")
