"""Files of days as people have them: one table however it is written, or one sentence; known after the close, in the unit that it says."""

import bz2
import datetime
import gzip
import io
import lzma
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.cli.evaluated import refuse_hours
from tercet.errors import BadInput
from tercet.market.calendar import at_clock, midnight_ns
from tercet.risk.assets import asset_days, prices_file
from tercet.risk.dayfiles import market_file, price_file, vix_file
from tercet.risk.days import market_days, with_vix
from tercet.signals.cleaning import Cleaning
from tercet.signals.sources import bars, user_table
from tercet.signals.timed import EVENT, KNOWN

NEW_YORK = ZoneInfo("America/New_York")
DATES = [
    datetime.date(2019, 12, 30) + datetime.timedelta(days=k)
    for k in range(700)
    if (datetime.date(2019, 12, 30) + datetime.timedelta(days=k)).weekday() < 5
]
SPRING = [
    datetime.date(2021, 3, 12),
    datetime.date(2021, 3, 13),
    datetime.date(2021, 3, 14),
    datetime.date(2021, 3, 15),
]  # a Saturday among them


def saved(folder: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    """A file of that."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def closed(dates: list[datetime.date], clock: str = "16:00", tz: str = "America/New_York") -> list[int]:
    """When each day's session was over."""
    return [at_clock(day, clock, tz) for day in dates]


# Dates ---------------------------------------------------------------------------------------------------------------------------------


def midnights(dates: list[datetime.date], tz: str) -> list[datetime.datetime]:
    return [datetime.datetime.combine(day, datetime.time(0), ZoneInfo(tz)) for day in dates]


def epoch(dates: list[datetime.date], tz: str, scale: int) -> list[int]:
    return [int(time.timestamp()) * scale for time in midnights(dates, tz)]


SPELLINGS: dict[str, Callable[[list[datetime.date]], list[Any]]] = {
    "ISO": lambda dates: [str(day) for day in dates],
    "naive": lambda dates: [f"{day} 00:00:00" for day in dates],
    "naive, T": lambda dates: [f"{day}T00:00:00.000000" for day in dates],
    "minutes": lambda dates: [f"{day} 00:00" for day in dates],
    "yfinance": lambda dates: [str(time) for time in midnights(dates, "America/New_York")],
    "Tokyo": lambda dates: [time.isoformat() for time in midnights(dates, "Asia/Tokyo")],
    "UTC": lambda dates: [f"{day} 00:00:00+00:00" for day in dates],
    "Z": lambda dates: [f"{day}T00:00:00Z" for day in dates],
    "New York in UTC": lambda dates: [time.astimezone(datetime.UTC).isoformat() for time in midnights(dates, "America/New_York")],
    "ymd": lambda dates: [f"{day:%Y%m%d}" for day in dates],
    "ymd as a number": lambda dates: [int(f"{day:%Y%m%d}") for day in dates],
    "ymd as a float": lambda dates: [f"{day:%Y%m%d}.0" for day in dates],
    **{
        f"unix {name}": (lambda dates, scale=scale: epoch(dates, "UTC", scale))
        for name, scale in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
    },
    "unix of New York": lambda dates: epoch(dates, "America/New_York", 1),
    "unix as a float": lambda dates: [float(one) for one in epoch(dates, "UTC", 1)],
    "a spreadsheet's": lambda dates: [(day - datetime.date(1899, 12, 30)).days for day in dates],
    "US": lambda dates: [f"{day.month}/{day.day}/{day.year}" for day in dates],
    "German": lambda dates: [f"{day:%d.%m.%Y}" for day in dates],
    "slashes": lambda dates: [f"{day:%Y/%m/%d}" for day in dates],
    "month by name": lambda dates: [f"{day:%b %d, %Y}" for day in dates],
    "day and month by name": lambda dates: [f"{day:%d-%b-%Y}" for day in dates],
    "dates": lambda dates: dates,
    **{f"Datetime {unit}": (lambda dates, unit=unit: pl.Series(dates).cast(pl.Datetime(unit))) for unit in ("ms", "us", "ns")},
    "Datetime of New York": lambda dates: pl.Series(dates).cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York"),
    "Datetime of New York in UTC": lambda dates: (
        pl.Series(dates).cast(pl.Datetime("ns")).dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")
    ),
    "Datetime of UTC": lambda dates: pl.Series(dates).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"),
    "Datetime of UTC in New York": lambda dates: (
        pl.Series(dates).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    ),
    "Datetime of Tokyo": lambda dates: pl.Series(dates).cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_of_dates_is_dates_however_it_is_written(spelling: str, kind: str, tmp_path: Path) -> None:
    dates = [*DATES[:80], *SPRING]
    frame = pl.DataFrame({"date": SPELLINGS[spelling](dates), "close": [100 + k % 7 for k in range(len(dates))]})
    path = tmp_path / f"rows.{kind}"
    frame.write_parquet(path) if kind == "parquet" else path.write_text(frame.write_csv())
    for table in (market_file(path).table, prices_file(path)):
        assert table.frame[KNOWN].to_list() == table.frame[EVENT].to_list() == closed(dates)
    assert vix_file(path).table.frame[KNOWN].to_list() == closed(dates, "16:15")
    rows = user_table(path, {EVENT: "date", KNOWN: "date", "x": "close"}, ())
    assert rows.table.frame.rows()[-1] == (midnight_ns(dates[-1]), midnight_ns(datetime.date(2021, 3, 16)), frame["close"][-1])
    tokyo = market_file(path, "15:00", "Asia/Tokyo").table.frame[KNOWN].to_list()
    assert tokyo == closed(dates, "15:00", "Asia/Tokyo")


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_close_is_never_known_before_its_session_is_over(data: st.DataObject) -> None:
    tz = data.draw(st.sampled_from(["America/New_York", "Asia/Tokyo", "Europe/Berlin", "Australia/Sydney", "America/Sao_Paulo", "UTC"]))
    clock = data.draw(st.sampled_from(["13:00", "15:00", "16:00", "17:30", "24:00", "02:30"]))
    start = data.draw(st.dates(datetime.date(1995, 1, 1), datetime.date(2030, 1, 1)))
    dates = [day for k in range(30) if (day := start + datetime.timedelta(days=k)).weekday() < 5]
    hour = data.draw(st.integers(0, 23))
    stamps = [int(datetime.datetime.combine(day, datetime.time(hour, 30), ZoneInfo(tz)).timestamp()) for day in dates]
    text = "date,close\n" + "".join(f"{stamp},{100 + k}\n" for k, stamp in enumerate(stamps))
    with tempfile.TemporaryDirectory() as folder:
        table = market_file(saved(Path(folder), text), clock, tz).table.frame
    over = [midnight_ns(day + datetime.timedelta(days=1), tz) if clock == "24:00" else at_clock(day, clock, tz) for day in dates]
    assert all(known >= max(end, stamp * 10**9) for known, end, stamp in zip(table[KNOWN], over, stamps, strict=True))
    assert all(known == max(end, stamp * 10**9) for known, end, stamp in zip(table[KNOWN], over, stamps, strict=True) if clock != "02:30")


@pytest.mark.parametrize(
    ("form", "clock"), [("{d.month}/{d.day}/{d.year} 16:00:00", "16:00"), ("{d:%d.%m.%Y} 9:30", "16:00"), ("{d:%b %d, %Y}, 17:30", "17:30")]
)
def test_dates_with_a_clock_are_read_as_spreadsheets_write_them(form: str, clock: str, tmp_path: Path) -> None:
    path = saved(tmp_path, "date;close\n" + "".join(f"{form.format(d=day)};{100 + k}\n" for k, day in enumerate(DATES[:40])))
    assert market_file(path).table.frame[KNOWN].to_list() == closed(DATES[:40], clock)


def test_times_within_days_stay_times(tmp_path: Path) -> None:
    times = [datetime.datetime(2021, 3, day, hour, tzinfo=datetime.UTC) for day in (11, 12) for hour in (0, 6, 12, 18)]
    path = saved(tmp_path, "date,close\n" + "".join(f"{time.isoformat()},{100 + k}\n" for k, time in enumerate(times)))
    wanted = [int(time.timestamp()) * 10**9 for time in times]
    assert prices_file(path).frame[KNOWN].to_list() == wanted
    assert user_table(path, {EVENT: "date", KNOWN: "date", "x": "close"}, ()).table.frame[KNOWN].to_list() == wanted


def test_a_day_that_is_under_way_among_dates_is_a_day_of_a_market_and_no_time_of_a_table(tmp_path: Path) -> None:
    stamps = [str(time) for time in midnights(DATES[:40], "America/New_York")] + ["2020-02-24 11:07:31-05:00"]
    path = saved(tmp_path, "date,close\n" + "".join(f"{stamp},{100 + k}\n" for k, stamp in enumerate(stamps)))
    assert market_file(path).table.frame[KNOWN].to_list() == closed([*DATES[:40], datetime.date(2020, 2, 24)])
    with pytest.raises(BadInput, match="row 42: date: 1 of 41 rows have a time of day, as '2020-02-24 11:07:31-05:00' has"):
        user_table(path, {EVENT: "date", KNOWN: "date", "x": "close"}, ())


def test_midnights_further_east_ask_for_their_zone(tmp_path: Path) -> None:
    path = saved(tmp_path, "date,close\n" + "".join(f"{stamp},{100 + k}\n" for k, stamp in enumerate(epoch(DATES[:40], "Asia/Tokyo", 1))))
    with pytest.raises(BadInput, match=r"8 rows are of Sundays in America/New_York and 0 of Fridays or Saturdays.*expected --zone"):
        market_file(path)
    assert market_file(path, "15:00", "Asia/Tokyo").table.frame[KNOWN].to_list() == closed(DATES[:40], "15:00", "Asia/Tokyo")


def test_a_market_that_trades_on_sundays_is_read_in_its_own_zone(tmp_path: Path) -> None:
    days = [day for k in range(60) if (day := datetime.date(2021, 3, 7) + datetime.timedelta(days=k)).weekday() in (6, 0, 1, 2, 3)]
    stamps = [datetime.datetime.combine(day, datetime.time(15), ZoneInfo("Asia/Riyadh")).isoformat() for day in days]
    path = saved(tmp_path, "date,close\n" + "".join(f"{stamp},{100 + k}\n" for k, stamp in enumerate(stamps)))
    loaded = market_file(path, "15:00", "Asia/Riyadh")
    assert (loaded.table.frame[KNOWN].to_list(), loaded.cleaning.notes) == (closed(days, "15:00", "Asia/Riyadh"), ())
    assert market_file(saved(tmp_path, "date,close\n" + "".join(f"{day},{100 + k}\n" for k, day in enumerate(days)))).cleaning.notes == ()


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["03/04/2020", "05/06/2020"], "row 2: date: expected texts such as .*, found '03/04/2020', which can be read in two ways"),
        (["2020-03-04", "03/14/2020"], "row 3: date: expected texts such as .*, found '03/14/2020'"),
        (["2020-03-04", "2021-02-30"], "row 3: date: found a day that never was, '2021-02-30'"),
        (["2020-03-04", "2020-03-05 25:00:00"], "expected texts such as"),
        (["202003", "202004"], "the numbers lie between 202003 and 202004, which is no time since 1980"),
        (["99990101", "99990102"], "which is no time since 1980"),
        (["2020-03-04", ""], "row 3: date: expected a date or a time, found an empty cell"),
        (["0001-01-01", "2020-01-01"], "row 2: date: found a date of the year 1; expected one from 1900 to 2200"),
        (["9" * 19, "9" * 19], "row 2: date: '9999999999999999999' is no time"),
        (["1" * 40, "1" * 40], "row 2: date: expected texts such as"),
    ],
)
def test_dates_that_are_none_are_named_by_row(cells: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        market_file(saved(tmp_path, "date,close\n" + "".join(f"{cell},{100 + k}\n" for k, cell in enumerate(cells))))


def test_a_clock_that_a_zone_has_left_out_is_read_an_hour_later(tmp_path: Path) -> None:
    path = saved(tmp_path, "t,s,x\n2024-03-10,a,2\n")
    names = {EVENT: "t", KNOWN: "t", "symbol": "s", "x": "x"}
    found = user_table(path, names, event_at="02:30", known_at="02:30").table.frame
    assert found[KNOWN].to_list() == [at_clock(datetime.date(2024, 3, 10), "03:30")]
    samoa = user_table(saved(tmp_path, "t,s,x\n2011-12-30,a,2\n"), names, tz="Pacific/Apia", event_at="10:00", known_at="10:00").table.frame
    assert samoa[KNOWN].to_list() == [at_clock(datetime.date(2011, 12, 31), "10:00", "Pacific/Apia")]  # it had no 30th
    gone = saved(tmp_path, "t,s,x\n2024-03-10 02:30:00,a,2\n")
    with pytest.raises(BadInput, match="row 2: t: 2024-03-10 02:30:00 never was in America/New_York, where clocks were put forward"):
        user_table(gone, names, tz="America/New_York")


def test_rows_that_are_no_days_and_markets_that_never_close_are_noted(tmp_path: Path) -> None:
    hours = [datetime.datetime(2021, 3, 8, tzinfo=datetime.UTC) + datetime.timedelta(hours=6 * k) for k in range(20)]
    path = saved(tmp_path, "date,close\n" + "".join(f"{time.isoformat()},{100 + k}\n" for k, time in enumerate(hours)))
    assert market_file(path).cleaning.notes == ("Rows are not days: 20 rows of 6 dates, each known at its own time",)
    every_day = [datetime.date(2021, 3, 8) + datetime.timedelta(days=k) for k in range(28)]
    path = saved(tmp_path, "date,close\n" + "".join(f"{day},{100 + k}\n" for k, day in enumerate(every_day)))
    assert market_file(path).cleaning.notes[0].startswith("8 rows are of Saturdays and Sundays: a market that never closes")
    assert market_file(path, "24:00", "UTC").cleaning.notes == ()
    weeks = saved(tmp_path, "date,close\n" + "".join(f"{day},{100 + k}\n" for k, day in enumerate(DATES[:100:5])), "weeks.csv")
    assert market_file(weeks).cleaning.notes == ("Rows lie 7 days apart: they are taken as days, and a year as 252 of them",)
    assert market_file(path, "24:00", "UTC").table.frame[KNOWN][0] == midnight_ns(datetime.date(2021, 3, 9), "UTC")


# Cells ---------------------------------------------------------------------------------------------------------------------------------


def column(cells: list[str], tmp_path: Path, separator: str = ",") -> list[float | None]:
    """What a column of texts is read as."""
    rows = [f'{day}{separator}"{cell}"' for day, cell in zip(DATES, cells, strict=False)]
    return vix_file(saved(tmp_path, "\n".join([f"date{separator}vix", *rows]))).table.frame["vix"].to_list()


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["1.5", "2", "-3e0", "+4"], [1.5, 2.0, -3.0, 4.0]),
        (["12.3%", "-0.5 %", ""], [12.3, -0.5, None]),
        (["10,026.75", "9,999", "999.5"], [10026.75, 9999.0, 999.5]),
        (["10.026,75", "9.999,00", "999"], [10026.75, 9999.0, 999.0]),
        (["100,26", "99,5"], [100.26, 99.5]),
        (["0,267", "0,3"], [0.267, 0.3]),
        (["1 026.5", "1\u00a0026.5", "1'026.5"], [1026.5] * 3),
        (["$12.5", "(3.5)", "\u22122"], [12.5, -3.5, -2.0]),
        (["74.5M", "1.2B", "500K"], [74.5e6, 1.2e9, 5e5]),
        (["null", "NA", "N/A", "nan", "-", ".", "#N/A", "None", " ", "7"], [None] * 9 + [7.0]),
    ],
)
def test_numbers_are_read_as_people_write_them(cells: list[str], wanted: list[float | None], tmp_path: Path) -> None:
    found = column([*cells, *["20"] * 25] if "%" not in cells[0] else [*cells, *["20%"] * 25], tmp_path)
    assert found[: len(wanted)] == wanted


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["1,234", "5,678"], "row 2: vix: '1,234' is a thousand or a decimal as one reads it; expected numbers without commas"),
        (["12%", "13"], "row 3: vix: '13' has no percent sign, as others have"),
        (["12", "abc"], "row 3: vix: expected a number, found 'abc'"),
        (["12", "0x10"], "row 3: vix: expected a number, found '0x10'"),
        (["12", "1,2,3"], "row 3: vix: expected a number, found '1,2,3'"),
        (["12", "\uff11"], "row 3: vix: expected a number, found"),
        (["12", "inf"], "row 3: vix: expected a number, found 'inf', which is infinite"),
    ],
)
def test_cells_that_are_no_numbers_are_named_by_row(cells: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        column(cells, tmp_path)


# Files ---------------------------------------------------------------------------------------------------------------------------------

PLAIN = "date,close\n" + "".join(f"{day},{100 + k % 5 + k / 10:.2f}\n" for k, day in enumerate(DATES[:60]))
QUOTED = "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in PLAIN.splitlines())
LINES = PLAIN.splitlines()


def parquet_bytes(**columns: Any) -> bytes:
    packed = io.BytesIO()
    pl.DataFrame(columns).write_parquet(packed)
    return packed.getvalue()


SAVED: dict[str, tuple[bytes, str]] = {
    "BOM": (PLAIN.encode("utf-8-sig"), "a.csv"),
    "UTF-16": (PLAIN.encode("utf-16"), "a.csv"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), "a.csv"),
    "UTF-32": (PLAIN.encode("utf-32"), "a.csv"),
    "Windows": (PLAIN.replace("\n", "\r\n").encode(), "a.csv"),
    "old Mac": (PLAIN.replace("\n", "\r").encode(), "a.csv"),
    "no last line end": (PLAIN.rstrip().encode(), "a.csv"),
    "blank lines": (PLAIN.replace("\n", "\n\n").encode() + b"\n,\n\n", "a.csv"),
    "semicolons": (PLAIN.replace(",", ";").encode(), "a.csv"),
    "semicolons and decimal commas": (PLAIN.replace(",", ";").replace(".", ",").encode(), "a.csv"),
    "tabs": (PLAIN.replace(",", "\t").encode(), "a.tsv"),
    "bars": (PLAIN.replace(",", "|").encode(), "a.txt"),
    "quotes": (QUOTED.encode(), "a.csv"),
    "MetaTrader": (PLAIN.replace("date,close", "<DATE>,<CLOSE>").replace("-", ".").replace(",", "\t").encode(), "a.csv"),
    "blanks around names": (PLAIN.replace("date,close", ' date , "Close" ').encode(), "a.csv"),
    "unsorted": ("\n".join([LINES[0], *reversed(LINES[1:])]).encode(), "a.csv"),
    "an index": ("\n".join([f",{LINES[0]}", *(f"{k},{line}" for k, line in enumerate(LINES[1:]))]).encode(), "a.csv"),
    "an index by name": ("\n".join([f"Unnamed: 0,{LINES[0]}", *(f"{k},{line}" for k, line in enumerate(LINES[1:]))]).encode(), "a.csv"),
    "an index of dates": (PLAIN.replace("date,", ",").encode(), "a.csv"),
    "a volume beside": ("\n".join([f"{LINES[0]},Volume", *(f"{line},1000" for line in LINES[1:])]).encode(), "a.csv"),
    "one symbol": ("\n".join([f"{LINES[0]},Symbol", *(f"{line},SPX" for line in LINES[1:])]).encode(), "a.csv"),
    "another name": (PLAIN.replace("close", "S&P 500").encode(), "a.csv"),
    "cp1252": (PLAIN.replace("date,close", "date,Schlu\xdf").encode("cp1252"), "a.csv"),
    "yfinance's three lines": ("\n".join(["Price,Close", "Ticker,^GSPC", "Date,", *LINES[1:]]).encode(), "a.csv"),
    "gzip": (gzip.compress(PLAIN.encode()), "a.csv.gz"),
    "zstd": (zstandard.compress(PLAIN.encode()), "a.csv.zst"),
    "xz under another name": (lzma.compress(PLAIN.encode()), "a.csv"),
    "bzip2": (bz2.compress(PLAIN.encode()), "a.csv.bz2"),
    "Parquet that is called .csv": (parquet_bytes(date=DATES[:60], close=[100 + k % 5 + k / 10 for k in range(60)]), "a.csv"),
    "CSV that is called .parquet": (PLAIN.encode(), "a.parquet"),
    "Parquet with its dates last": (
        parquet_bytes(Close=[100 + k % 5 + k / 10 for k in range(60)], __index_level_0__=DATES[:60]),
        "a.parquet",
    ),
}


@pytest.mark.parametrize("kind", SAVED)
def test_a_file_is_read_however_it_was_saved(kind: str, tmp_path: Path) -> None:
    content, name = SAVED[kind]
    found = market_days(market_file(saved(tmp_path, content, name)).table).days
    wanted = market_days(market_file(saved(tmp_path, PLAIN)).table).days
    assert found.known.tolist() == wanted.known.tolist() == closed(DATES[1:60])
    np.testing.assert_allclose(found.returns, wanted.returns, rtol=1e-12)


DAMAGED = parquet_bytes(date=DATES, close=np.arange(1.0, len(DATES) + 1))
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "found an empty file"),
    "zeros": (b"\0" * 500, "found an empty file"),
    "names alone": (b"date,close\n", "the file has a line of names, date, close, and no rows"),
    "no names": (PLAIN.split("\n", 1)[1].encode(), "row 1: expected the names of columns, such as date,close, found 2019-12-30, 100.00"),
    "words before the names": (
        b"Made by CRSP in 2021.\n\n" + PLAIN.encode(),
        "row 1: expected the names of columns, found 'Made by CRSP in 2021.'",
    ),
    "a cell more": (PLAIN.replace("2020-01-06,", "2020-01-06,1,").encode(), "row 7: expected 2 cells, as the first line has, found 3"),
    "a cell less": (PLAIN.replace("2020-01-06,", "2020-01-06 ").encode(), "row 7: expected 2 cells, as the first line has, found 1"),
    "a name twice": (PLAIN.replace("date,", "close,").encode(), "two columns are called 'close'"),
    "Excel": (b"PK\x03\x04" + b"x" * 99, "found an Excel or zip file; save the sheet as CSV"),
    "old Excel": (b"\xd0\xcf\x11\xe0" + b"x" * 99, "found an old Excel file; save the sheet as CSV"),
    "a web page": (b"<!DOCTYPE html><html>", "found HTML or JSON"),
    "JSON": (b'{"chart": 1}', "found HTML or JSON"),
    "a pickle": (b"\x80\x04\x95" + b"x" * 9, "found a pickle"),
    "a cut gzip": (gzip.compress(PLAIN.encode())[:80], "found a packed one that is damaged"),
    "a cut zstd": (zstandard.compress(PLAIN.encode())[:80], "found a packed one that is damaged"),
    "a zero inside": (PLAIN.encode()[:300] + b"\0" + PLAIN.encode()[300:], "found a byte that is no text"),
    "a cut Parquet": (DAMAGED[: len(DAMAGED) // 2], "found a Parquet file that is damaged"),
    "one column": (b"close\n1\n2\n", "the columns were close; expected a date and numbers"),
    "two columns of prices": (
        b"date,A,B\n2020-01-02,1,2\n2020-01-03,2,3\n",
        "the columns of numbers are A, B; expected a column return, or",
    ),
    "several markets": (
        b"date,symbol,close\n2020-01-02,A,1\n2020-01-02,B,2\n",
        "symbol names 2 markets \\(A, B\\); expected the days of one",
    ),
    "several of yfinance's": (
        b"Price,Close,Close\nTicker,A,B\nDate,,\n2020-01-02,1,2\n",
        "expected the prices of one ticker, found those of 2",
    ),
    "a price of 0": (b"date,close\n2020-01-02,1\n2020-01-03,0\n", "row 3: close: '0' is no price; expected one above 0"),
    "returns as prices": (b"date,spx\n2020-01-02,1\n2020-01-03,-0.5\n", "a column of returns is called return"),
    "a day twice": (
        b"date,close\n2020-01-02,1\n2020-01-03,2\n2020-01-02,3\n",
        "row 4: this row and row 2 are two vintages known at 2020-01-02 21:00 UTC",
    ),
    "a day twice, once with a time": (
        PLAIN.encode() + b"2020-03-20 16:00:01,7\n",
        "found several ways of writing|expected texts such as|this row and row",
    ),
    "a return lost": (b"date,return\n2020-01-02,1\n2020-01-03,\n2020-01-06,2\n", "row 3: return: the return is missing between others"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_none_is_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    content, sentence = REFUSED[kind]
    with pytest.raises(BadInput, match=sentence):
        market_file(saved(tmp_path, content, "a.parquet" if "Parquet" in kind else "a.csv"))


def test_a_damaged_parquet_file_is_a_sentence_and_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        content = bytearray(DAMAGED)
        for place in rng.integers(4, len(content), 3):
            content[place] = rng.integers(256)
        with suppress(BadInput):
            market_file(saved(tmp_path, bytes(content), "a.parquet"))
    assert capfd.readouterr() == ("", "")


# Prices --------------------------------------------------------------------------------------------------------------------------------


def test_adjusted_prices_count_before_others_and_bars_are_scaled_by_them(tmp_path: Path) -> None:
    rows = ["Date,Open,High,Low,Close,Adj Close,Volume"]
    rows += [f"{day},{10 + k},{12 + k},{9 + k},{11 + k},{(11 + k) / (2 if k < 2 else 1)},{5000}" for k, day in enumerate(DATES[:4])]
    loaded = market_file(saved(tmp_path, "\n".join(rows)))
    assert loaded.cleaning.notes == ("Prices are Adj Close, and bars are scaled by it",)
    assert loaded.table.frame["high"].to_list() == [6.0, 6.5, 14.0, 15.0]
    assert market_days(loaded.table).days.returns == pytest.approx(100 * np.log([6 / 5.5, 13 / 6, 14 / 13]))
    same = market_file(saved(tmp_path, PLAIN.replace("close", "Adj Close")))
    assert same.cleaning.notes == ()


def test_what_reading_did_is_one_record(tmp_path: Path) -> None:
    rows = ["date,open,high,low,close,volume"]
    rows += [f"{day},{p},{p + 1},{p - 1},{p + 0.5},{100}" for day, p in zip(DATES[:30], 50 + np.arange(30) % 7, strict=True)]
    rows[5] = f"{DATES[4]},54,53,52,54.5,100"  # its high is below its close
    rows[9] = f"{DATES[8]},,,,,"
    rows += [f"{day},{25 + k % 3},{26 + k % 3},{24 + k % 3},{25.5 + k % 3},260" for k, day in enumerate(DATES[30:40])]  # two for one
    rows += [f"{day},25,26,24,25.5,260" for day in DATES[40:48]]
    rows.append(rows[-1])
    loaded = market_file(saved(tmp_path, "\n".join(rows)))
    cleaning = loaded.cleaning + market_days(loaded.table).cleaning
    assert cleaning.dropped == {"the same row twice": 1, "days without a price": 1, "before the first whole day": 1}
    assert cleaning.odd == {"days that look like a split": 1, "bars whose high or low does not hold their other prices, widened": 1}
    assert cleaning.carried == {"prices that repeat those of four days before": 5}
    assert cleaning.lines() == [
        "Rows left out: the same row twice 1; days without a price 1; before the first whole day 1",
        "Values carried on: prices that repeat those of four days before 5",
        "Kept, but odd: days that look like a split 1; bars whose high or low does not hold their other prices, widened 1",
    ]
    assert (cleaning + Cleaning(dropped={"the same row twice": 2})).dropped["the same row twice"] == 3
    assert Cleaning(odd={"x": 0}).lines() == []
    assert cleaning.named("VIX").counts["VIX: the same row twice"] == 1
    assert set(cleaning.as_json()) == {"dropped", "nulled", "carried", "odd", "notes"}


@pytest.mark.parametrize(
    ("ratio", "volume", "count"), [(2.0, 2.1, 1), (3.0, 3.0, 1), (1.7, 2.0, 0), (2.0, 1.0, 0), (0.1, 0.1, 1), (0.1, 1.0, 0), (10.0, 9.0, 1)]
)
def test_a_split_is_a_jump_to_a_whole_part_with_its_volume(ratio: float, volume: float, count: int, tmp_path: Path) -> None:
    rows = [
        f"{day},A,{p},{p},{p},{p},{v}"
        for k, day in enumerate(DATES[:20])
        for p, v in [(100.0 + k % 2, 1000.0) if k < 10 else (round((100 + k % 2) / ratio, 4), 1000 * volume)]
    ]
    rows += [f"{day},B,{7 + k % 3},{7 + k % 3},{7 + k % 3},{7 + k % 3},10" for k, day in enumerate(DATES[:20])]
    loaded = bars(saved(tmp_path, "\n".join(["date,symbol,open,high,low,close,volume", *rows])))
    assert loaded.cleaning.odd.get("days that look like a split", 0) == count


def test_prices_of_many_assets_come_as_columns_or_as_rows(tmp_path: Path) -> None:
    wide = "date,LOW,OPEN\n" + "".join(f"{day},{100 + k % 5},{50 + k % 7}\n" for k, day in enumerate(DATES[:30]))
    long = "Date,Ticker,Close\n" + "".join(f"{day},LOW,{100 + k % 5}\n{day},OPEN,{50 + k % 7}\n" for k, day in enumerate(DATES[:30]))
    one, other = (asset_days(price_file(saved(tmp_path, text)).table).days for text in (wide, long))
    assert one.names == other.names == ("LOW", "OPEN")  # tickers, not prices of a bar
    assert one.returns.tobytes() == other.returns.tobytes()


# Units ---------------------------------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(5)
RETURNS = 1.2 * RNG.standard_t(5, 500)
RV = 1.2 * np.exp(0.4 * RNG.standard_normal(500))


def returns_file(folder: Path, returns: Any, rv: Any = None, vix: Any = None) -> Path:
    given = {"return": returns, "rv": rv, "vix": vix}
    return saved(
        folder, pl.DataFrame({"date": DATES[:500], **{name: values for name, values in given.items() if values is not None}}).write_csv()
    )


@pytest.mark.parametrize(
    ("returns", "rv", "vix", "sentence"),
    [
        (
            RETURNS / 100,
            None,
            None,
            "return has a volatility of .* a year; expected percent, 2 to 400 .*fractions: --unit fraction reads them so",
        ),
        (RETURNS * 100, None, None, "they look like basis points: --unit bp reads them so"),
        (RETURNS * 1e-4, None, None, "return has a volatility of"),
        (RETURNS, RV / 1e4, None, "rv has a mean of .*squared fractions: --unit rv=fraction reads them so"),
        (RETURNS, RV * 252, None, "variances of a year: divide by 252"),
        (RETURNS, np.sqrt(RV * 252) * 2, None, "they look like"),
        (RETURNS, None, np.full(500, 0.18), "the VIX has a median of 0.18; .*a fraction: --unit vix=fraction reads it so"),
        (RETURNS, None, np.full(500, 900.0), "the VIX has a median of 900"),
        (RETURNS, None, np.full(500, 1.8), "the VIX has a median of 1.8; expected percent a year, 3 to 200"),
        (np.full(500, 0.1), None, None, "all 500 returns are 0.1; expected returns that vary"),
    ],
)
def test_units_that_cannot_be_are_refused_by_size(returns: Any, rv: Any, vix: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        market_file(returns_file(tmp_path, returns, rv, vix))


def test_returns_within_days_are_of_the_size_of_those_between_them(tmp_path: Path) -> None:
    rows = pl.DataFrame({"date": DATES[:500], "return": RETURNS, "open_close": RETURNS / 100})
    with pytest.raises(
        BadInput, match=r"open_close has a volatility of .* and return one of .*; expected both in percent, within 10 times"
    ):
        market_file(saved(tmp_path, rows.write_csv()))
    market_file(saved(tmp_path, rows.with_columns(pl.col("open_close") * 80).write_csv()))


@pytest.mark.parametrize(
    ("returns", "rv", "vix", "unit"),
    [
        (RETURNS / 100, RV / 1e4, None, "fraction"),
        (RETURNS / 100, RV, np.full(500, 0.18), "return=fraction,vix=fraction"),
        (RETURNS, RV / 1e4, None, "rv=fraction"),
        (RETURNS * 100, RV * 1e4, None, "bp"),
        (RETURNS, RV, None, None),
        (RETURNS, RV, None, "percent"),
    ],
)
def test_a_unit_that_is_named_is_converted(returns: Any, rv: Any, vix: Any, unit: str | None, tmp_path: Path) -> None:
    found = market_file(returns_file(tmp_path, returns, rv, vix), unit=unit).table.frame
    np.testing.assert_allclose(found["return"], RETURNS)
    np.testing.assert_allclose(found["rv"], RV)
    assert vix is None or found["vix"].to_list() == pytest.approx([18.0] * 500)


@pytest.mark.parametrize("scale", [0.11, 1.0, 8.0, 16.0], ids=["bonds", "stocks", "crypto", "wild"])
def test_usual_markets_are_no_false_alarms(scale: float, tmp_path: Path) -> None:
    spikes = RETURNS * scale
    spikes[7] = 40 * scale  # a crash
    market_file(returns_file(tmp_path, spikes, RV * scale**2))
    market_file(
        saved(tmp_path, "date,close\n" + "".join(f"{day},{100 + k / 1e4:.4f}\n" for k, day in enumerate(DATES[:500])))
    )  # money market


def test_a_quiet_market_is_read_where_percent_is_insisted_on(tmp_path: Path) -> None:
    assert market_file(returns_file(tmp_path, RETURNS / 50), unit="percent").table.frame["return"].to_numpy() == pytest.approx(RETURNS / 50)
    with pytest.raises(BadInput, match=r"unit was 'pct' .*; expected percent, fraction, bp"):
        market_file(returns_file(tmp_path, RETURNS), unit="pct")
    with pytest.raises(BadInput, match="unit was 'price=percent'"):
        market_file(returns_file(tmp_path, RETURNS), unit="price=percent")


# The VIX beside ------------------------------------------------------------------------------------------------------------------------


def joined(folder: Path, clock: str, tz: str) -> tuple[list[Any], list[int]]:
    """The VIX (k of its k-th date) and known times of a market's days that close then."""
    market = saved(folder, "date,close\n" + "".join(f"{day},{100 + k % 9}\n" for k, day in enumerate(DATES[:30])), "m.csv")
    vix = saved(folder, "date,vix\n" + "".join(f"{day},{10 + k}\n" for k, day in enumerate(DATES[:30]) if k != 12), "v.csv")
    both = with_vix(market_file(market, clock, tz).table, vix_file(vix).table).frame
    return both["vix"].to_list(), both[KNOWN].to_list()


def test_the_vix_of_a_date_is_that_of_markets_that_close_with_it_and_of_the_next_date_in_europe_and_asia(tmp_path: Path) -> None:
    vix, known = joined(tmp_path, "16:00", "America/New_York")
    assert vix == [None if k == 12 else 10.0 + k for k in range(30)]
    assert known == [at_clock(day, "16:00" if k == 12 else "16:15") for k, day in enumerate(DATES[:30])]
    for clock, tz in (("15:00", "Asia/Tokyo"), ("17:30", "Europe/Berlin"), ("16:30", "Europe/London")):
        vix, known = joined(tmp_path, clock, tz)
        assert vix == [None if k in (0, 13) else 9.0 + k for k in range(30)]  # what was known when the day was over
        assert known == closed(DATES[:30], clock, tz)


def test_a_vix_that_ended_is_carried_for_five_days_and_then_missing(tmp_path: Path) -> None:
    market = saved(tmp_path, "date,close\n" + "".join(f"{day},{100 + k % 9}\n" for k, day in enumerate(DATES[:40])), "m.csv")
    vix = saved(tmp_path, "date,vix\n" + "".join(f"{day},{10 + k}\n" for k, day in enumerate(DATES[:20])), "v.csv")
    read = market_days(with_vix(market_file(market).table, vix_file(vix).table))
    assert len(read.days) == 24
    assert read.counts["VIX carried over"] == 5
    assert read.counts["later days that miss something"] == 15


# Panels --------------------------------------------------------------------------------------------------------------------------------


def test_bars_of_a_panel_are_known_at_their_own_close_and_days_of_a_book_have_none_to_name(tmp_path: Path) -> None:
    rows = [f"{time},{name},9,11,8,10,5" for time in midnights(DATES[:3], "Asia/Tokyo") for name in "AB"]
    path = saved(tmp_path, "\n".join(["Date,Ticker,Open,High,Low,Close,Volume", *rows]))
    assert bars(path, "15:00", "Asia/Tokyo").table.frame[KNOWN].unique().sort().to_list() == closed(DATES[:3], "15:00", "Asia/Tokyo")
    assert bars(path).table.frame[KNOWN].unique().sort().to_list() == closed(DATES[:3])
    for kind in ("direction", "ofi", "gkx"):
        with pytest.raises(BadInput, match=f"{kind} has no --close or --zone; expected none"):
            refuse_hours(kind, ("15:00", "Asia/Tokyo"))
    refuse_hours("panel", ("15:00", "Asia/Tokyo"))
    refuse_hours("direction", (None, "America/New_York"))
