"""A column of dates is dates however it is written, and a column of times stays times: both become ns since the epoch, UTC.

What falls on midnight in every row (as written, in UTC, or in the market's zone) is a date, of which only the day is meant.
"""

import datetime
from typing import Final

import polars as pl

from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK, zone
from tercet.signals.cells import holes
from tercet.signals.files import Column

UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
YEARS: Final = (1900, 2200)
DAYS: Final = (-25_567, 84_370)  # the same, since 1970
SECONDS: Final = (315_532_800, 7_258_118_400)  # 1980 to 2200; numbers of a unit lie between them
SERIAL: Final = (29_221, 109_575)  # days since 1899-12-30, as spreadsheets count: 1980 to 2200
SERIAL_1970: Final = 25_569
TIMED: Final = r"^(.*\d),? (\d{1,2}:\d{2}(?::\d{2})?)$"  # a date written in another way, and a time
DATE: Final = r"\d{4}-\d{2}-\d{2}"
CLOCK: Final = DATE + r"[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?"
OFFSET: Final = r" ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})"
ZONED: Final = CLOCK + OFFSET
WRITTEN: Final = (  # other ways to write a date, of which one alone may fit all rows
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
MIDNIGHT: Final = datetime.time(0)
FRIDAY, SUNDAY = 5, 7
SEVERAL: Final = 1.5  # times a date from which on rows are not days
MOSTLY: Final = 0.9  # share of midnights from which on the others are strays


def at_clock(days: pl.Expr, clock: datetime.time, tz: str = NEW_YORK, *, after: int = 0) -> pl.Expr:
    """When the wall clock of `tz` shows `clock` on each of `days` (`after` days later), ns since the epoch, UTC.

    A clock that is put forward past `clock` shows it an hour later (a day later where a zone has left a day out), one that is put
    back shows it twice, and the later one counts: never too early.
    """
    wall = days.cast(pl.Date).dt.offset_by(f"{after}d").dt.combine(clock, "ns")
    tries = (wall, wall.dt.offset_by("1h"), wall.dt.offset_by("1d"))
    return pl.coalesce(one.dt.replace_time_zone(tz, ambiguous="latest", non_existent="null") for one in tries).dt.epoch("ns")


def moments(column: Column, tz: str | None, unit: str | None, at: str) -> pl.Series:
    """A column as int64 ns: dates at the time of day `at` in `tz` (New York), times as they are. tz: also of datetimes without a zone."""
    found = days_or_times(column, tz, unit)
    if found.dtype == pl.Date:
        return day_times(found, at, tz or NEW_YORK)
    _refuse_strays(column, found, ("UTC", tz or NEW_YORK))
    return found


def closes(column: Column, at: str, tz: str) -> tuple[pl.Series, pl.Series]:
    """When the day of each row was over and when it could be known, int64 ns: both are its close, `at` in `tz`, for a date.

    A time is that of a row of its date in `tz`, known then, and not before the close. Where most dates have several times, rows are not
    days, and times stay as they are.
    """
    found = days_or_times(column, tz, None, wall=tz)
    dates = found if found.dtype == pl.Date else local_dates(found, tz)
    over = day_times(dates, at, tz)
    if found.dtype == pl.Date:
        return over, over
    if found.n_unique() > SEVERAL * dates.n_unique():
        return found, found
    if tz == NEW_YORK:
        _refuse_shifted(column, dates, tz)
    return over, pl.select(pl.max_horizontal(pl.lit(found), pl.lit(over))).to_series()


def day_times(days: pl.Series, at: str, tz: str) -> pl.Series:
    """The time of day `at` (HH:MM, or 24:00 for its end) of each date in `tz`, ns."""
    after = int(at == "24:00")
    try:
        clock = datetime.time.fromisoformat("00:00" if after else at)
    except ValueError as error:
        raise BadInput(f"time of day was {at!r}; expected HH:MM, or 24:00 for the end of the day") from error
    zone(tz)
    return pl.select(at_clock(pl.lit(days), clock, tz, after=after).alias(days.name)).to_series()


def local_dates(times: pl.Series, tz: str) -> pl.Series:
    """The date in `tz` of each time, ns."""
    return pl.from_epoch(times, "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(tz).dt.date()


def days_or_times(column: Column, tz: str | None, unit: str | None, wall: str | None = None) -> pl.Series:
    """The column as Date, where each row is one, else as int64 ns since the epoch, UTC; BadInput says what cannot be read.

    tz: whose midnights are dates too (New York if not given); wall: the zone of datetimes without one (tz if not given).
    """
    zone(tz or NEW_YORK)
    if column.values.dtype == pl.String:
        column = column.holding(_parsed(column))
    kind = column.values.dtype
    if kind == pl.Null:
        return column.values.cast(pl.Date)
    if kind == pl.Date:
        _in_range(column, 1)
        return column.values
    if isinstance(kind, pl.Datetime):
        _in_range(column, 86_400 * 10**9 // UNITS[kind.time_unit])
        return _of_datetimes(column, kind.time_zone, tz, wall or tz)
    if kind.is_numeric():
        return _of_numbers(column, tz, unit)
    raise column.refuse(f"times were {kind}; expected dates, datetimes, ISO texts or numbers")


def _in_range(column: Column, per_day: int) -> None:
    """BadInput where a date is of a year that nobody means; polars itself gives up on some."""
    counted = column.values.to_physical() // per_day
    if (wrong := ~counted.is_between(*DAYS)).any():
        place = int(wrong.fill_null(False).arg_max() or 0)
        told = f"found a date of the year {1970 + counted[place] / 365.2425:,.0f}; expected one from {YEARS[0]} to {YEARS[1]}"
        raise column.holding(counted).refuse_row(wrong, told)


# Datetimes -----------------------------------------------------------------------------------------------------------------------------


def _of_datetimes(column: Column, own: str | None, tz: str | None, wall: str | None) -> pl.Series:
    """Days where all are midnights, else ns."""
    if own is None:
        if (column.values.dt.time() == MIDNIGHT).all():
            return column.values.dt.date()
        if wall is None:
            raise column.refuse("the datetimes have no zone; expected one, or tz= to say it")
        return _placed(column, wall)
    times = column.values.dt.epoch("ns")
    return next((days for one in (own, "UTC", tz or NEW_YORK) if (days := _midnights(times, one)) is not None), times)


def _midnights(times: pl.Series, tz: str) -> pl.Series | None:
    """The dates in `tz`, where each time is the beginning of its date there."""
    days = local_dates(times, tz)
    return days if (day_times(days, "00:00", tz) == times).all() else None


def _placed(column: Column, tz: str) -> pl.Series:
    """Datetimes without a zone as those of `tz`."""
    times = column.values.cast(pl.Datetime("ns"))
    placed = times.dt.replace_time_zone(tz, ambiguous="latest", non_existent="null")
    wrong = placed.is_null() & times.is_not_null()
    if wrong.any():
        place = int(wrong.arg_max() or 0)
        raise column.refuse_row(wrong, f"{times[place]} never was in {tz}, where clocks were put forward; expected times of another zone")
    return placed.dt.epoch("ns")


def _refuse_strays(column: Column, times: pl.Series, zones: tuple[str, ...]) -> None:
    """BadInput where nearly all are midnights: those are dates, known when they are over, and the others cannot be."""
    for tz in zones:
        stray = (day_times(local_dates(times, tz), "00:00", tz) != times).fill_null(False)
        if 0 < stray.sum() <= (1 - MOSTLY) * len(times):
            told = f"{int(stray.sum())} of {len(times)} rows have a time of day, as {{found}} has, and all others are dates"
            raise column.refuse_row(stray, f"{told}; expected dates alone: leave a day that is under way out")


def _refuse_shifted(column: Column, dates: pl.Series, tz: str) -> None:
    """BadInput where rows lie on Sundays to Thursdays: midnights of a market east of here, whose dates are the next ones."""
    weekday = dates.dt.weekday()
    sundays, ends = int((weekday == SUNDAY).sum()), int((weekday.is_between(FRIDAY, SUNDAY - 1)).sum())
    if sundays > 4 * ends and sundays * 8 > len(dates):
        told = f"{sundays} rows are of Sundays in {tz} and {ends} of Fridays or Saturdays, as midnights of a market further east are"
        raise column.refuse(f"{told}; expected --zone (tz=), the market's own")


# Numbers -------------------------------------------------------------------------------------------------------------------------------


def _of_numbers(column: Column, tz: str | None, unit: str | None) -> pl.Series:
    """Dates as 20200331 or as spreadsheets count days, else times since the epoch in the unit that fits all of them."""
    numbers = column.values if column.values.dtype.is_integer() else column.values.cast(pl.Float64)
    there = numbers.drop_nulls()
    if not len(there):
        return numbers.cast(pl.Date)
    if unit is None and (days := _counted_days(column, numbers)) is not None:
        return days
    units = UNITS if unit is None else {unit: UNITS[unit]}
    fitting = [scale for scale in units.values() if _fits(there, scale)]
    if not fitting:
        told = f"the numbers lie between {there.min()!r} and {there.max()!r}, which is no time since 1980 in {unit or 's, ms, us or ns'}"
        raise column.refuse(f"{told}; expected {'another unit' if unit else 'dates such as 2020-03-31 or 20200331'}")
    ns = numbers * fitting[0] if numbers.dtype.is_integer() else (numbers * (fitting[0] / 1000)).round() * 1000
    ns = ns.cast(pl.Int64)
    return next((days for one in ("UTC", tz or NEW_YORK) if (days := _midnights(ns, one)) is not None), ns)


def _counted_days(column: Column, numbers: pl.Series) -> pl.Series | None:
    """Dates written as 20200331 or counted as spreadsheets do; None where the numbers are neither."""
    low, high = (YEARS[0] + 1) * 10_000, (YEARS[1] + 1) * 10_000
    if numbers.is_between(low, high).all():
        return _dates(column.holding(numbers.cast(pl.Int64).cast(pl.String)), "%Y%m%d")
    if numbers.is_between(*SERIAL).all() and (numbers == numbers.round()).all():
        return (numbers.cast(pl.Int32) - SERIAL_1970).cast(pl.Date)
    return None


def _fits(numbers: pl.Series, scale: int) -> bool:
    """Whether all of them, times `scale` ns, lie between 1980 and 2200."""
    per_second = UNITS["s"] // scale
    return bool(numbers.is_between(SECONDS[0] * per_second, SECONDS[1] * per_second).all())


# Texts ---------------------------------------------------------------------------------------------------------------------------------


def _parsed(column: Column) -> pl.Series:
    """Texts as dates, datetimes with a zone or without, or numbers; nothing that could be read in two ways."""
    texts = holes(column.values)
    column, there = column.holding(texts), texts.drop_nulls()
    if not len(there):
        return texts.cast(pl.Null)
    if there.str.contains(f"^{DATE}$").all():
        return _dates(column, "%Y-%m-%d")
    if there.str.contains(f"^{CLOCK}$").all():
        return _clocks(column)
    if there.str.contains(f"^{ZONED}$").all():
        return _zoned(column)
    if there.str.contains(r"^\d{1,19}(\.\d*)?$").all():
        return texts.cast(pl.Float64) if there.str.contains(".", literal=True).any() else _whole(column)
    timed = bool(there.str.contains(TIMED).all())
    dates = texts.str.replace(TIMED, "$1") if timed else texts
    found = [days for form in WRITTEN if (days := dates.str.to_date(form, strict=False)).null_count() == texts.null_count()]
    if not found or not all((found[0] == other).all() for other in found[1:]):
        raise _unread(column, twice=bool(found))
    return _clocks(column.holding(found[0].cast(pl.String) + " " + texts.str.extract(TIMED, 2).str.zfill(5))) if timed else found[0]


def _whole(column: Column) -> pl.Series:
    numbers = column.values.cast(pl.Int64, strict=False)
    if (wrong := numbers.is_null() & column.values.is_not_null()).any():
        raise column.refuse_row(wrong, "{found} is no time; expected dates such as 2020-03-31")
    return numbers


def _dates(column: Column, form: str) -> pl.Series:
    """Texts of one form as dates."""
    days = column.values.str.to_date(form, strict=False)
    if (wrong := days.is_null() & column.values.is_not_null()).any():
        raise column.refuse_row(wrong, "found a day that never was, {found}; expected dates such as 2020-03-31 or 20200331")
    return days


def _clocks(column: Column) -> pl.Series:
    """ISO datetimes as they are written, ns."""
    even = column.values.str.replace("T", " ", literal=True).str.replace(",", ".", literal=True)
    even = even.str.replace(r"^(.{16})$", "$1:00")
    found = even.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False)
    if (wrong := found.is_null() & column.values.is_not_null()).any():
        raise column.refuse_row(wrong, "found a time that never was, {found}; expected one such as 2020-03-31T16:00:00Z")
    return found


def _zoned(column: Column) -> pl.Series:
    """ISO datetimes with offsets: dates where all are midnights as they are written, else times in UTC."""
    wall = _clocks(column.holding(column.values.str.replace(f"{OFFSET}$", "")))
    if (wall.dt.time() == MIDNIGHT).all():
        return wall.dt.date()
    signs = column.values.str.extract(f"{OFFSET}$").str.replace("Z|UTC|GMT", "+0000").str.replace(":", "", literal=True)
    hours, minutes = (signs.str.slice(start, 2).str.replace("^$", "00").cast(pl.Int64) for start in (1, 3))
    ahead = (hours * 3600 + minutes * 60) * signs.str.slice(0, 1).replace_strict({"+": 1, "-": -1}, return_dtype=pl.Int64)
    return pl.from_epoch(wall.dt.epoch("ns") - ahead * UNITS["s"], "ns").dt.replace_time_zone("UTC")


def _unread(column: Column, *, twice: bool = False) -> BadInput:
    """The error about texts that are no times, or several."""
    wrong = ~column.values.str.contains(f"^({DATE}|{CLOCK}|{ZONED})$").fill_null(True)
    expected = "expected texts such as 2020-03-31 or 2020-03-31T16:00:00Z, found"
    if not wrong.any():
        return column.refuse(f"{expected} several ways of writing")
    return column.refuse_row(wrong, f"{expected} {{found}}{', which can be read in two ways' if twice else ''}")
