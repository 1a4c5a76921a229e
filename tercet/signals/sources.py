"""Files become Tables: each row with the time from which on it could be known, and a count of what was left out and why."""

import contextlib
import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from tercet.errors import BadInput
from tercet.market.calendar import HOURS, NEW_YORK, zone
from tercet.signals.timed import EVENT, KNOWN, Table

OPENS, CLOSES = HOURS["us-equities"][1:]  # half days are not known here: their bars are known later than they were, never earlier
VIX_CLOSES: Final = datetime.time(16, 15)  # the index is computed for a quarter of an hour after the stocks' close
PRICES: Final = ("open", "high", "low", "close", "volume")
UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
DATE: Final = r"\d{4}-\d{2}-\d{2}"
CLOCK: Final = DATE + r"[T ]\d{2}:\d{2}:\d{2}(\.\d+)?"
ZONED: Final = CLOCK + r"(Z|[+-]\d{2}:?\d{2})"
_1980: Final = 315_532_800_000_000_000  # ns; numbers that end before it are of another unit


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table, how many rows were left out for which reason, and how many numbers became null for which."""

    table: Table
    dropped: dict[str, int] = field(default_factory=dict)
    nulled: dict[str, int] = field(default_factory=dict)


def at_clock(days: pl.Expr, clock: datetime.time, tz: str = NEW_YORK, *, after: int = 0) -> pl.Expr:
    """When the wall clock of `tz` shows `clock` on each of `days` (`after` days later), ns since the epoch, UTC."""
    wall = days.cast(pl.Date).dt.offset_by(f"{after}d").dt.combine(clock, "ns")
    return wall.dt.replace_time_zone(tz, ambiguous="latest").dt.epoch("ns")


def opening(event_time: pl.Expr) -> pl.Expr:
    """09:30 in New York on the day of each time, ns: when the open of the bar that closes then could be known."""
    return at_clock(pl.from_epoch(event_time, "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(NEW_YORK).dt.date(), OPENS)


def opens(bars: Table) -> Table:
    """The opening prices of daily bars as a table of their own, known at 09:30 in New York."""
    made = opening(pl.col(EVENT))
    frame = bars.frame.drop_nulls("open").select(made.alias(EVENT), made.alias(KNOWN), *bars.keys, "open")
    return Table.of(frame, bars.keys, sort=True)


def daily(path: str | Path) -> Loaded:
    """One of the shared daily sets, known by its name. A bar is known at its date's 16:00 in New York, a row with the VIX at 16:15."""
    name = Path(path).name
    if name not in READERS:
        raise BadInput(f"{path}: expected one of {', '.join(READERS)}; user_table reads other files")
    return READERS[name](path)


def bars(path: str | Path) -> Loaded:
    """Daily bars, known at 16:00 in New York: a shared set, or a CSV or Parquet file of date, symbol, open, high, low, close, volume."""
    name = Path(path).name
    return READERS[name](path) if name in READERS else _bars(path, _read(path, ("date", "symbol", *PRICES)))


def us_daily(path: str | Path) -> Loaded:
    """350 US stocks 1998-2017, split-adjusted, survivors: symbol, exchange, open, high, low, close, volume."""
    frame = _read(path, ("date", "exch", "ticker", "open", "high", "low", "close", "volume"))
    return _bars(path, frame.rename({"ticker": "symbol", "exch": "exchange"}), bad=("SF",))


def sp500_members(path: str | Path) -> Loaded:
    """Members of the S&P 500, 2013-2018, survivors: symbol, open, high, low, close, volume."""
    frame = _read(path, ("date", "open", "high", "low", "close", "volume", "Name"))
    return _bars(path, frame.rename({"Name": "symbol"}))


def sp500_index(path: str | Path) -> Loaded:
    """The S&P 500, a row a date: return, open_close (percent), rv (daily realised variance), vix."""
    return _series(path, _read(path, ("date", "return", "open_close", "rv", "vix")))


def vix(path: str | Path) -> Loaded:
    """The VIX, a row a date: open, high, low, close."""
    frame = _read(path, ("DATE", "OPEN", "HIGH", "LOW", "CLOSE"))
    return _series(path, frame.rename(str.lower))


READERS: Final[dict[str, Callable[[str | Path], Loaded]]] = {
    "us_daily_1998_2017_dev350.parquet": us_daily,
    "all_stocks_5yr.csv.zst": sp500_members,
    "sp500_return_rv_vix.csv.gz": sp500_index,
    "vix-daily.csv.zst": vix,
}


def fundamentals(
    path: str | Path, columns: Iterable[str], symbol: str = "symbol", period: str = "period_end", filed: str = "filing_date"
) -> Loaded:
    """Figures by filing date: event_time is the end of the period's last day, known_time the end of the day of filing, New York."""
    names = {EVENT: period, KNOWN: filed, "symbol": symbol} | {name: name for name in columns}
    return user_table(path, names, event_at="24:00", known_at="24:00")


def user_table(
    path: str | Path,
    columns: Mapping[str, str],
    keys: Iterable[str] = ("symbol",),
    *,
    tz: str | None = None,
    unit: str = "ns",
    event_at: str = "00:00",
    known_at: str = "24:00",
) -> Loaded:
    """A user's Parquet or CSV file as a table; `columns` says which of its columns is which: {"event_time": "date", ...}.

    Dates are times of day in `tz` (New York): an event at the start of its day, known at the end of its day, unless `event_at` and
    `known_at` say another "HH:MM". Datetimes need a zone, their own or `tz`; ints are `unit` since the epoch, UTC; texts are ISO dates
    or datetimes. NaN becomes null; a row that is there twice is dropped; both are counted.
    """
    wanted, names = dict(columns), (keys,) if isinstance(keys, str) else tuple(keys)
    if missing := [name for name in (EVENT, KNOWN, *names) if name not in wanted]:
        raise BadInput(f"{path}: the columns did not say what {missing[0]} is; expected {EVENT}, {KNOWN} and {list(names)} among {wanted}")
    if unit not in UNITS:
        raise BadInput(f"{path}: unit was {unit!r}; expected one of {', '.join(UNITS)}")
    frame = _read(path, tuple(dict.fromkeys(wanted.values())))
    frame = frame.select(pl.col(source).alias(name) for name, source in wanted.items())
    clocks = {EVENT: event_at, KNOWN: known_at}
    frame = frame.with_columns(_times(frame[name], f"{path}, {wanted[name]}", tz, unit, at) for name, at in clocks.items())
    return _finish(path, frame, names, {}, {})


def _read(path: str | Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """The columns of a Parquet or CSV file, which may be compressed."""
    try:
        frame = pl.read_parquet(path) if Path(path).suffix == ".parquet" else pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{path}: expected a Parquet or CSV file ({str(error).splitlines()[0]})") from error
    if missing := [name for name in columns if name not in frame.columns]:
        raise BadInput(f"{path} has no column {', '.join(missing)}; expected it among {frame.columns}")
    return frame.select(columns)


def _bars(path: str | Path, frame: pl.DataFrame, bad: tuple[str, ...] = ()) -> Loaded:
    """Daily bars: without missing or bad symbols and days that have no close; other numbers that are missing or cannot be become null."""
    dropped, nulled = {"symbol is missing": frame["symbol"].null_count()}, {}
    frame = _numbers(path, frame, PRICES).with_columns(pl.col("symbol").cast(pl.String), pl.col(*PRICES).fill_nan(None))
    for symbol in bad:
        dropped[f"symbol {symbol} is bad"] = frame.filter(symbol=symbol).height
    frame = frame.filter(pl.col("symbol").is_not_null(), ~pl.col("symbol").is_in(bad))
    priced = frame.filter(pl.col("close") > 0)
    dropped["close is missing"] = frame.height - priced.height
    for name in ("open", "high", "low"):
        nulled[f"{name} is missing"] = priced.height - priced.filter(pl.col(name) > 0).height
        priced = priced.with_columns(pl.when(pl.col(name) > 0).then(pl.col(name)))
    nulled["volume is missing"] = priced["volume"].null_count()
    around = (pl.col("high") >= pl.max_horizontal("open", "close")) & (pl.col("low") <= pl.min_horizontal("open", "close"))
    wrong = priced.select((~around).fill_null(False).alias("wrong"))["wrong"]
    nulled["high and low do not hold open and close"] = int(wrong.sum())
    priced = priced.with_columns(pl.when(~wrong).then(pl.col("high", "low")))
    return _finish(path, _close_times(path, priced, CLOSES), ("symbol",), dropped, nulled)


def _series(path: str | Path, frame: pl.DataFrame) -> Loaded:
    """Series without keys, a row a date."""
    frame = _numbers(path, frame, [name for name in frame.columns if name != "date"])
    return _finish(path, _close_times(path, frame, VIX_CLOSES), (), {}, {})


def _numbers(path: str | Path, frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The frame with these columns as float64; BadInput where one holds something else."""
    try:
        return frame.with_columns(pl.col(names).cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{path}: expected numbers in {', '.join(names)} ({str(error).splitlines()[0]})") from error


def _close_times(path: str | Path, frame: pl.DataFrame, clock: datetime.time) -> pl.DataFrame:
    """Both times of a day's row: its close."""
    days = _days(frame["date"], f"{path}, date")
    close = pl.select(at_clock(pl.lit(days), clock)).to_series()
    return frame.drop("date").with_columns(close.alias(EVENT), close.alias(KNOWN))


def _finish(path: str | Path, frame: pl.DataFrame, keys: tuple[str, ...], dropped: dict[str, int], nulled: dict[str, int]) -> Loaded:
    """NaN is null, a row that is there twice is there once, and the rest is the table's to judge."""
    once = frame.unique(maintain_order=True)
    dropped["the same row twice"] = frame.height - once.height
    floats = [name for name, kind in once.schema.items() if kind.is_float()]
    nulled["NaN"] = sum(int(once[name].is_nan().sum()) for name in floats)
    once = once.with_columns(pl.col(floats).fill_nan(None)).select(EVENT, KNOWN, *keys, pl.exclude(EVENT, KNOWN, *keys))
    try:
        table = Table.of(once, keys, sort=True)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return Loaded(table, *({reason: count for reason, count in counts.items() if count} for counts in (dropped, nulled)))


def _days(column: pl.Series, where: str) -> pl.Series:
    """Dates, from dates or ISO texts."""
    if column.dtype == pl.Date:
        return column
    try:
        return column.str.to_date("%Y-%m-%d")
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{where}: expected dates as YYYY-MM-DD ({str(error).splitlines()[0]})") from error


def _times(column: pl.Series, where: str, tz: str | None, unit: str, at: str) -> pl.Series:
    """A column of times as int64 ns since the epoch, UTC."""
    kind = column.dtype
    if kind == pl.String:
        column = _parsed(column, where)
        kind = column.dtype
    if kind == pl.Date:
        return _at_day(column, where, tz or NEW_YORK, at)
    if isinstance(kind, pl.Datetime):
        return _zoned(column, where, kind.time_zone, tz)
    if kind.is_integer():
        scale = UNITS[unit]
        if (peak := column.max()) is not None and isinstance(peak, int) and not _1980 <= peak * scale < 2**63:
            raise BadInput(f"{where}: the numbers end at {peak}, which is no time since 1980 in {unit}; expected another unit")
        return column.cast(pl.Int64) * scale
    raise BadInput(f"{where}: times were {kind}; expected dates, datetimes with a zone, ISO texts or ints")


def _at_day(days: pl.Series, where: str, tz: str, at: str) -> pl.Series:
    """The time of day `at` of each date."""
    zone(tz)
    after = int(at == "24:00")
    try:
        clock = datetime.time.fromisoformat("00:00" if after else at)
    except ValueError as error:
        raise BadInput(f"{where}: time of day was {at!r}; expected HH:MM, or 24:00 for the end of the day") from error
    return pl.select(at_clock(pl.lit(days), clock, tz, after=after).alias(days.name)).to_series()


def _parsed(texts: pl.Series, where: str) -> pl.Series:
    """ISO dates, or ISO datetimes with a zone or without; nothing that could be read in two ways."""
    wanted: tuple[tuple[str, pl.Date | pl.Datetime], ...] = (
        (DATE, pl.Date()),
        (CLOCK, pl.Datetime("ns")),
        (ZONED, pl.Datetime("ns", "UTC")),
    )
    for pattern, kind in wanted:
        if texts.str.contains(f"^{pattern}$").all():
            with contextlib.suppress(pl.exceptions.PolarsError):
                return texts.str.strptime(kind)
    wrong = texts.filter(~texts.str.contains(f"^({DATE}|{CLOCK}|{ZONED})$"))
    found = repr(wrong.item(0)) if len(wrong) else "a day that never was, or several ways of writing"
    raise BadInput(f"{where}: expected texts such as 2020-03-31 or 2020-03-31T16:00:00Z, found {found}")


def _zoned(times: pl.Series, where: str, own: str | None, tz: str | None) -> pl.Series:
    """Datetimes in their own zone, or in the one that is given."""
    if own is None:
        if tz is None:
            raise BadInput(f"{where}: the datetimes have no zone; expected one, or tz= to say it")
        zone(tz)
        try:
            times = times.dt.replace_time_zone(tz, ambiguous="latest")
        except pl.exceptions.PolarsError as error:
            raise BadInput(f"{where}: some datetime never was in {tz} ({str(error).splitlines()[0]})") from error
    return times.dt.epoch("ns")
