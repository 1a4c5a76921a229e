"""Files become Tables: each row with the time from which on it could be known, and a record of what was left out, changed or odd."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from tercet.errors import BadInput, at_row
from tercet.market.calendar import HOURS, NEW_YORK
from tercet.signals.cells import inferred, keys_of, numbers
from tercet.signals.cleaning import Cleaning, repeats, splits
from tercet.signals.files import ROW, Column, read_columns
from tercet.signals.stamps import UNITS, at_clock, closes, moments
from tercet.signals.timed import EVENT, KNOWN, Table

OPENS: Final = HOURS["us-equities"][1]
CLOSE: Final = f"{HOURS['us-equities'][2]:%H:%M}"  # half days are not known here: their bars are known later than they were, never earlier
VIX_CLOSE: Final = "16:15"  # the index is computed for a quarter of an hour after the stocks' close
PRICES: Final = ("open", "high", "low", "close", "volume")
DATES: Final = ("date", "day", "datetime", "timestamp", "time", "observation_date", "unix", "caldt")
NAMES: Final = {  # what else people call these columns
    "symbol": ("ticker", "name", "tic", "asset", "instrument"),
    "close": ("price", "last", "close/last", "settle", "px_last", "close*", "index", "value"),
    "adj close": ("adj_close", "adjclose", "adjusted_close", "adjusted close", "adj. close", "adj close**"),
    "volume": ("vol.", "vol", "shares"),
    "return": ("returns", "ret"),
    "rv": ("realized_variance", "realised_variance", "realized variance", "realised variance"),
}
UNPRICED: Final = ("volume", "dividends", "stock splits", "capital gains", "change %", "change", "vol.", "adj volume", "trades")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table, and what reading it left out, made missing, carried on or found odd."""

    table: Table
    cleaning: Cleaning = field(default_factory=Cleaning)

    @property
    def dropped(self) -> dict[str, int]:
        """How many rows were left out for which reason."""
        return dict(self.cleaning.dropped)

    @property
    def nulled(self) -> dict[str, int]:
        """How many numbers became null for which reason."""
        return dict(self.cleaning.nulled)


def opening(event_time: pl.Expr) -> pl.Expr:
    """09:30 in New York on the day of each time, ns: when the open of the bar that closes then could be known."""
    return at_clock(pl.from_epoch(event_time, "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(NEW_YORK).dt.date(), OPENS)


def opens(bars: Table) -> Table:
    """The opening prices of daily bars as a table of their own, known at 09:30 in New York."""
    made = opening(pl.col(EVENT))
    frame = bars.frame.drop_nulls("open").select(made.alias(EVENT), made.alias(KNOWN), *bars.keys, "open")
    return Table.of(frame, bars.keys, sort=True)


def daily(path: str | Path, at: str | None = None, tz: str = NEW_YORK) -> Loaded:
    """One of the shared daily sets, known by its name. A bar is known at its date's 16:00 in New York, a row with the VIX at 16:15.

    at, tz: when its session closes, where that is not so.
    """
    name = Path(path).name
    if name not in READERS:
        raise BadInput(f"{path}: expected one of {', '.join(READERS)}; user_table reads other files")
    return READERS[name](path, at, tz)


def bars(path: str | Path, at: str | None = None, tz: str = NEW_YORK) -> Loaded:
    """Daily bars: a shared set, or a CSV or Parquet file of date, symbol, open, high, low, close, volume; known at `at` in `tz`, 16:00
    in New York if not given.
    """
    name = Path(path).name
    return READERS[name](path, at, tz) if name in READERS else _bars(path, _named(path, ("date", "symbol", *PRICES)), at, tz)


def us_daily(path: str | Path, at: str | None = None, tz: str = NEW_YORK) -> Loaded:
    """350 US stocks 1998-2017, split-adjusted, survivors: symbol, exchange, open, high, low, close, volume."""
    frame = _named(path, ("date", "exch", "ticker", *PRICES))
    return _bars(path, frame.rename({"ticker": "symbol", "exch": "exchange"}), at, tz, bad=("SF",))


def sp500_members(path: str | Path, at: str | None = None, tz: str = NEW_YORK) -> Loaded:
    """Members of the S&P 500, 2013-2018, survivors: symbol, open, high, low, close, volume."""
    return _bars(path, _named(path, ("date", *PRICES, "Name")).rename({"Name": "symbol"}), at, tz)


def sp500_index(path: str | Path, at: str | None = None, tz: str = NEW_YORK) -> Loaded:
    """The S&P 500, a row a date: return, open_close (percent), rv (daily realised variance), vix."""
    return _series(path, _named(path, ("date", "return", "open_close", "rv", "vix")), at, tz)


def vix(path: str | Path, at: str | None = None, tz: str = NEW_YORK) -> Loaded:
    """The VIX, a row a date: open, high, low, close."""
    return _series(path, _named(path, ("date", "open", "high", "low", "close")), at, tz)


READERS: Final[dict[str, Callable[[str | Path, str | None, str], Loaded]]] = {
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
    unit: str | None = None,
    event_at: str = "00:00",
    known_at: str = "24:00",
) -> Loaded:
    """A user's Parquet or CSV file as a table; `columns` says which of its columns is which: {"event_time": "date", ...}.

    Dates are times of day in `tz` (New York): an event at the start of its day, known at the end of its day, unless `event_at` and
    `known_at` say another "HH:MM". Dates are dates however they are written: a column of nothing but midnights is one, in its own
    zone, in UTC or in `tz`; so are numbers such as 20200331. Other datetimes need a zone, their own or `tz`; other numbers are since
    the epoch, UTC, in `unit` or that of s, ms, us and ns which fits. NaN becomes null; a row that is there twice is dropped; both are
    counted.
    """
    wanted, names = dict(columns), (keys,) if isinstance(keys, str) else tuple(keys)
    if missing := [name for name in (EVENT, KNOWN, *names) if name not in wanted]:
        raise BadInput(f"{path}: the columns did not say what {missing[0]} is; expected {EVENT}, {KNOWN} and {list(names)} among {wanted}")
    if unit is not None and unit not in UNITS:
        raise BadInput(f"{path}: unit was {unit!r}; expected one of {', '.join(UNITS)}")
    read = _named(path, tuple(dict.fromkeys(wanted.values())), usual=False)
    clocks = {EVENT: event_at, KNOWN: known_at}
    made = []
    for name, source in wanted.items():
        column = Column.of(path, read, source)
        values = (
            moments(column, tz, unit, clocks[name]) if name in clocks else keys_of(column.values) if name in names else inferred(column)
        )
        made.append(_whole(column, values).alias(name) if name in clocks else values.alias(name))
    return finish(path, pl.DataFrame(made).with_columns(read[ROW]), names, Cleaning(), days=False)


def _whole(column: Column, times: pl.Series) -> pl.Series:
    """Times, none of which is missing."""
    if (missing := times.is_null()).any():
        raise column.refuse_row(missing, "expected a date or a time, found an empty cell")
    return times


def _named(path: str | Path, columns: tuple[str, ...], *, usual: bool = True) -> pl.DataFrame:
    """These columns of a file, and ROW; capitals do not matter, and where `usual` other usual names will do."""
    frame = read_columns(path)
    found = {name: find_column(frame.columns, name, usual=usual) for name in columns}
    if missing := [name for name, there in found.items() if there is None]:
        listed = [name for name in frame.columns if name != ROW]
        raise BadInput(f"{path} has no column {', '.join(missing)}; expected it among {listed}")
    return frame.select(*(pl.col(there).alias(name) for name, there in found.items() if there is not None), ROW)


def find_column(there: Iterable[str], name: str, *, usual: bool = True) -> str | None:
    """What a file calls `name`: that, or that in other capitals, or (`usual`) another usual name of it; None where there is none."""
    listed = list(there)
    if name in listed:
        return name
    lower = {one.lower(): one for one in reversed(listed)}
    others = () if not usual else DATES if name == "date" else NAMES.get(name, ())
    return next((lower[one] for one in (name.lower(), *others) if one in lower), None)


def _bars(path: str | Path, frame: pl.DataFrame, at: str | None, tz: str, bad: tuple[str, ...] = ()) -> Loaded:
    """Daily bars: without missing or bad symbols and days that have no close; other numbers that are missing or cannot be become null."""
    frame = frame.with_columns(keys_of(frame["symbol"]).cast(pl.String), *(numbers(Column.of(path, frame, name)) for name in PRICES))
    dropped, nulled = {"symbol is missing": frame["symbol"].null_count()}, {}
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
    priced = close_times(path, priced, at or CLOSE, tz)
    ordered = priced.select("symbol", EVENT, "open", "close", "volume").sort("symbol", EVENT)
    carried = {"closes that repeat those of four days before": repeats(ordered, "close", "symbol")}
    odd = {"days that look like a split": splits(ordered, "symbol")}
    return finish(path, priced, ("symbol",), Cleaning(dropped, nulled, carried, odd))


def _series(path: str | Path, frame: pl.DataFrame, at: str | None, tz: str) -> Loaded:
    """Series without keys, a row a date."""
    frame = frame.with_columns(numbers(Column.of(path, frame, name)) for name in frame.columns if name not in ("date", ROW))
    return finish(path, close_times(path, frame, at or VIX_CLOSE, tz), (), Cleaning())


def close_times(path: str | Path, frame: pl.DataFrame, at: str, tz: str, name: str = "date") -> pl.DataFrame:
    """Both times of a day's row: its close."""
    column = Column.of(path, frame, name)
    over, known = closes(column, at, tz)
    return frame.drop(name).with_columns(_whole(column, over).alias(EVENT), known.alias(KNOWN))


def finish(path: str | Path, frame: pl.DataFrame, keys: tuple[str, ...], cleaning: Cleaning, *, days: bool = True) -> Loaded:
    """NaN is null, a row that is there twice is there once, two rows of one time are refused, and the rest is the table's to judge."""
    figures = [name for name in frame.columns if name != ROW]
    once = frame.unique(figures, keep="first", maintain_order=True)
    floats = [name for name, kind in once.schema.items() if kind.is_float()]
    nulled = {"NaN": sum(int(once[name].is_nan().sum()) for name in floats)}
    once = once.with_columns(pl.col(floats).fill_nan(None)).select(EVENT, KNOWN, *keys, pl.exclude(EVENT, KNOWN, *keys))
    try:
        table = Table.of(once.drop(ROW), keys, sort=True)
    except BadInput as error:
        _refuse_twice(path, once, (EVENT, KNOWN, *keys))
        raise BadInput(f"{path}: {error}") from error
    if days and table.revised:
        _refuse_twice(path, once, (EVENT, *keys))
    return Loaded(table, cleaning + Cleaning({"the same row twice": frame.height - once.height}, nulled))


def _refuse_twice(path: str | Path, frame: pl.DataFrame, figure: tuple[str, ...]) -> None:
    """BadInput where two rows say different things of one figure: both are named."""
    same = frame.select(figure).is_duplicated()
    if not same.any():
        return
    first = frame.filter(same).row(0, named=True)
    both = frame.filter(*(pl.col(name) == pl.lit(first[name]) for name in figure)).head(2)
    values = [name for name in both.columns if name not in (ROW, EVENT, KNOWN, *figure)]
    differing = next((name for name in values if both[name].n_unique() > 1), None)
    what = "" if differing is None else f" ({differing} {both[differing][0]} and {both[differing][1]})"
    whose = "".join(f" of {first[name]}" for name in figure if name not in (EVENT, KNOWN))
    time = datetime.datetime.fromtimestamp(first[EVENT] // 10**9, datetime.UTC)
    told = f"this row and row {both[ROW][0]} are two vintages known at {time:%Y-%m-%d %H:%M} UTC{whose}{what}"
    raise at_row(path, both[ROW][1], f"{told}; expected one: delete the wrong one")
