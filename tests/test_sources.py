"""Files become tables: each row with the time from which on it could be known, what is left out is counted, what is wrong is said."""

import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from tercet.errors import BadInput
from tercet.market.calendar import at_clock, midnight_ns, session
from tercet.signals.sources import Loaded, bars, daily, fundamentals, opens, user_table
from tercet.signals.timed import History, Table

DAY = datetime.date(2021, 3, 12)  # the Friday before summer time begins in New York
NEXT = datetime.date(2021, 3, 15)
COLUMNS = {"event_time": "date", "known_time": "published", "symbol": "ticker", "x": "figure"}
ROW: dict[str, list[Any]] = {"date": [DAY], "published": [NEXT], "ticker": ["A"], "figure": [1.5]}


def written(folder: Path, rows: dict[str, Any], name: str = "rows.parquet") -> Path:
    """A file of these columns."""
    path = folder / name
    frame = pl.DataFrame(rows)
    frame.write_parquet(path) if name.endswith("parquet") else path.write_text(frame.write_csv())
    return path


def bytes_of(folder: Path, content: bytes, name: str = "rows.csv") -> Path:
    """A file of these bytes."""
    path = folder / name
    path.write_bytes(content)
    return path


def times(loaded: Loaded) -> tuple[int, int]:
    """The two times of its first row."""
    return loaded.table.frame.select("event_time", "known_time").row(0)


def test_a_bar_is_known_at_its_close_and_an_open_at_half_past_nine_in_summer_and_in_winter(tmp_path: Path) -> None:
    rows = {
        "date": ["2021-03-12", "2021-03-15"],
        **{name: [9.0, 10.0] for name in ("open", "high", "low", "close", "volume")},
        "Name": ["A", "A"],
    }
    loaded = daily(written(tmp_path, rows, "all_stocks_5yr.csv.zst"))
    assert loaded.table.frame["known_time"].to_list() == [session(DAY).close_ns, session(NEXT).close_ns]
    assert opens(loaded.table).frame.select("known_time", "open").rows() == [(session(DAY).open_ns, 9.0), (session(NEXT).open_ns, 10.0)]
    assert (loaded.dropped, loaded.nulled) == ({}, {})
    evening = Table(loaded.table.frame.with_columns(pl.col("event_time", "known_time") + 5 * 3600 * 10**9))  # the next day in UTC
    assert opens(evening).frame["known_time"].to_list() == [session(DAY).open_ns, session(NEXT).open_ns]


def test_what_bars_leave_out_is_counted(tmp_path: Path) -> None:
    ok: dict[str, Any] = {"date": DAY, "exch": "NYSE", "ticker": "A", "open": 9.0, "high": 11.0, "low": 8.0, "close": 10.0, "volume": 5}
    names = iter("BCDEFG")
    faults: list[dict[str, Any]] = [{}, {}, {"ticker": "SF"}]
    faults += [
        {"ticker": next(names), **fault}
        for fault in ({"close": 0.0}, {"open": 0.0}, {"high": 9.5}, {"low": 0.0}, {"high": 8.0, "open": 0.0})
    ]
    path = tmp_path / "us_daily_1998_2017_dev350.parquet"
    pl.DataFrame([ok | fault for fault in faults]).write_parquet(path)
    loaded = daily(path)
    assert loaded.dropped == {"symbol SF is bad": 1, "close is missing": 1, "the same row twice": 1}
    assert loaded.nulled == {"open is missing": 2, "low is missing": 1, "high and low do not hold open and close": 2}
    assert loaded.table.frame.select("symbol", "open", "high", "low").sort("symbol").rows() == [
        ("A", 9.0, 11.0, 8.0),
        ("C", None, 11.0, 8.0),
        ("D", 9.0, None, None),
        ("E", 9.0, 11.0, None),
        ("F", None, None, None),
    ]


def test_rows_without_a_symbol_and_without_a_volume_are_counted(tmp_path: Path) -> None:
    prices: dict[str, Any] = {"open": 9.0, "high": 11.0, "low": 8.0, "close": 10.0}
    rows = [{"date": DAY, "symbol": symbol, **prices, "volume": volume} for symbol, volume in (("A", 5.0), ("B", math.nan), (None, 5.0))]
    loaded = bars(written(tmp_path, pl.DataFrame([*rows, rows[2] | {"date": NEXT}]).to_dict(as_series=False)))
    assert loaded.dropped == {"symbol is missing": 2}
    assert loaded.nulled == {"volume is missing": 1}
    assert loaded.table.frame.select("symbol", "volume").rows() == [("A", 5.0), ("B", None)]


def test_a_figure_is_known_at_the_end_of_the_day_on_which_it_was_filed(tmp_path: Path) -> None:
    rows = {
        "symbol": ["A", "A"],
        "period_end": [DAY, DAY],
        "filing_date": ["2021-05-03", "2021-08-02"],
        "earnings": [1.0, 0.9],
        "other": [0, 0],
    }
    loaded = fundamentals(written(tmp_path, rows), ["earnings"])
    filed = [midnight_ns(datetime.date(2021, 5, 4)), midnight_ns(datetime.date(2021, 8, 3))]
    event = midnight_ns(datetime.date(2021, 3, 13))
    assert loaded.table.frame.rows() == [(event, filed[0], "A", 1.0), (event, filed[1], "A", 0.9)]
    for now, seen in ((filed[0], 1.0), (filed[1] - 1, 1.0), (filed[1], 0.9)):
        assert History({"f": loaded.table}, now).row("f", event_time=event, symbol="A")["earnings"] == seen
    rows["filing_date"] = ["2021-03-11", "2021-08-02"]
    with pytest.raises(BadInput, match="before its event_time"):
        fundamentals(written(tmp_path, rows), ["earnings"])


TOKYO = ZoneInfo("Asia/Tokyo")
NOON = datetime.datetime(2021, 3, 12, 12, 0)
NOON_UTC = int(NOON.replace(tzinfo=datetime.UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("dates", "options", "wanted"),
    [
        ([DAY], {}, midnight_ns(DAY)),
        (["2021-03-12"], {}, midnight_ns(DAY)),
        ([DAY], {"event_at": "16:00"}, session(DAY).close_ns),
        ([DAY], {"event_at": "24:00"}, midnight_ns(datetime.date(2021, 3, 13))),
        ([datetime.date(2020, 11, 1)], {"event_at": "01:30"}, midnight_ns(datetime.date(2020, 11, 1)) + 9000 * 10**9),  # the later of two
        ([DAY], {"tz": "Asia/Tokyo", "event_at": "09:00"}, at_clock(DAY, "09:00", "Asia/Tokyo")),
        (pl.Series([NOON]).dt.replace_time_zone("Asia/Tokyo"), {}, NOON_UTC - 9 * 3600 * 10**9),
        (pl.Series([NOON]), {"tz": "Asia/Tokyo"}, NOON_UTC - 9 * 3600 * 10**9),
        (["2021-03-12T12:00:00Z"], {}, NOON_UTC),
        (["2021-03-12 12:00:00.000"], {"tz": "UTC"}, NOON_UTC),
        (["2021-03-12T12:00:00.5+00:00"], {}, NOON_UTC + 5 * 10**8),
        (["2021-03-12T12:00:00+09:00"], {}, NOON_UTC - 9 * 3600 * 10**9),
        ([NOON_UTC], {}, NOON_UTC),
        ([NOON_UTC // 10**9], {"unit": "s"}, NOON_UTC),
    ],
)
def test_dates_datetimes_and_numbers_become_ns_since_the_epoch(tmp_path: Path, dates: Any, options: dict[str, str], wanted: int) -> None:
    known = (
        [2 * 10**9]
        if "unit" in options
        else [2 * 10**18]
        if isinstance(dates, list) and isinstance(dates[0], int)
        else [datetime.date(2021, 4, 1)]
    )
    loaded = user_table(written(tmp_path, ROW | {"date": dates, "published": known}), COLUMNS, **options)
    assert times(loaded)[0] == wanted


def test_a_date_alone_is_known_at_its_end_and_happened_at_its_start(tmp_path: Path) -> None:
    loaded = user_table(written(tmp_path, ROW | {"published": [DAY]}, "rows.csv"), COLUMNS)
    assert times(loaded) == (midnight_ns(DAY), midnight_ns(datetime.date(2021, 3, 13)))
    assert loaded.table.frame.columns == ["event_time", "known_time", "symbol", "x"]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["1", "2", "null"], [1, 2, None]),
        (["1.5", "12%", "3"], None),
        (["1.5", "", "3"], [1.5, None, 3.0]),
        (["true", "False", ""], [True, False, None]),
        (["tech", "45", "46"], ["tech", "45", "46"]),
        (["59491810A", "037833100", "594918104"], ["59491810A", "037833100", "594918104"]),
        (["", "", ""], [None, None, None]),
    ],
)
def test_a_column_of_a_text_file_is_what_its_cells_are(cells: list[str], wanted: list[Any] | None, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("date,ticker,figure\n" + "".join(f"2021-03-{12 + k},NA,{cell}\n" for k, cell in enumerate(cells)))
    columns = {"event_time": "date", "known_time": "date", "symbol": "ticker", "x": "figure"}
    if wanted is None:
        with pytest.raises(BadInput, match=r"row 2: figure: '1.5' has no percent sign, as others have"):
            user_table(path, columns)
    else:
        frame = user_table(path, columns).table.frame
        assert (frame["x"].to_list(), frame["symbol"][0]) == (wanted, "NA")


def test_rows_there_twice_and_numbers_that_are_none_are_counted(tmp_path: Path) -> None:
    rows = {name: [*values, *values] for name, values in ROW.items()}
    assert user_table(written(tmp_path, rows), COLUMNS).dropped == {"the same row twice": 1}
    loaded = user_table(written(tmp_path, ROW | {"figure": [float("nan")]}), COLUMNS)
    assert (loaded.nulled, loaded.table.frame["x"].to_list()) == ({"NaN": 1}, [None])


def test_without_keys_a_table_is_one_series(tmp_path: Path) -> None:
    names = {name: source for name, source in COLUMNS.items() if name != "symbol"}
    assert user_table(written(tmp_path, ROW), names, keys=()).table.keys == ()


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no known time": (lambda p: user_table(written(p, ROW), {"event_time": "date", "symbol": "ticker"}), "did not say what known_time is"),
    "no such column": (lambda p: user_table(written(p, ROW), COLUMNS | {"y": "z"}), "has no column z; expected it among"),
    "no such file": (lambda p: user_table(p / "none.parquet", COLUMNS), "expected a Parquet or CSV file"),
    "an Excel sheet": (
        lambda p: user_table(bytes_of(p, b"PK\x03\x04\x14\x00"), COLUMNS),
        "found an Excel or zip file; save the sheet as CSV",
    ),
    "no zone": (lambda p: user_table(written(p, ROW | {"date": [NOON]}), COLUMNS), "date: the datetimes have no zone"),
    "no such zone": (lambda p: user_table(written(p, ROW), COLUMNS, tz="Mars/Base"), "time zone 'Mars/Base'"),
    "an hour that never was": (
        lambda p: user_table(written(p, ROW | {"date": [datetime.datetime(2021, 3, 14, 2, 30)]}), COLUMNS, tz="America/New_York"),
        "never was in America/New_York",
    ),
    "seconds as ns": (lambda p: user_table(written(p, ROW | {"date": [1_600_000_000]}), COLUMNS, unit="ns"), "no time since 1980 in ns"),
    "no such unit": (lambda p: user_table(written(p, ROW), COLUMNS, unit="h"), "unit was 'h'; expected one of ns, us, ms, s"),
    "floats": (lambda p: user_table(written(p, ROW | {"date": [1.5]}), COLUMNS), "lie between 1.5 and 1.5, which is no time since 1980"),
    "texts": (lambda p: user_table(written(p, ROW | {"date": ["12/03/2021"]}), COLUMNS), "expected texts such as .* found '12/03/2021'"),
    "texts without a zone": (lambda p: user_table(written(p, ROW | {"date": ["2021-03-12T12:00:00"]}), COLUMNS), "have no zone"),
    "texts of two kinds": (
        lambda p: user_table(written(p, {n: v * 2 for n, v in ROW.items()} | {"date": ["2021-03-12", "2021-03-12T12:00:00Z"]}), COLUMNS),
        "found several ways of writing",
    ),
    "a day that never was": (lambda p: user_table(written(p, ROW | {"date": ["2021-02-30"]}), COLUMNS), "found a day that never was"),
    "no such clock": (lambda p: user_table(written(p, ROW), COLUMNS, known_at="4pm"), "time of day was '4pm'"),
    "a null time": (
        lambda p: user_table(written(p, ROW | {"date": pl.Series([None], dtype=pl.Date)}), COLUMNS),
        "row 1: date: expected a date or a time, found an empty cell",
    ),
    "known too early": (lambda p: user_table(written(p, ROW | {"date": [NEXT], "published": [DAY]}), COLUMNS), "before its event_time"),
    "an infinite figure": (lambda p: user_table(written(p, ROW | {"figure": [float("inf")]}), COLUMNS), "x was infinite"),
    "two figures at once": (
        lambda p: user_table(written(p, {n: v * 2 for n, v in ROW.items()} | {"figure": [1.0, 2.0]}), COLUMNS),
        "two vintages known at",
    ),
    "an unknown daily set": (lambda p: daily(written(p, ROW)), "user_table reads other files"),
    "texts for prices": (
        lambda p: daily(written(p, {n: ["x"] for n in ("DATE", "OPEN", "HIGH", "LOW", "CLOSE")}, "vix-daily.csv.zst")),
        "row 2: open: expected a number, found 'x'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    call, why = BAD[name]
    with pytest.raises(BadInput, match=why):
        call(tmp_path)


def test_the_shared_daily_sets_are_read_with_honest_times(real_data: Path) -> None:
    folder = real_data / "daily"
    stocks = daily(folder / "us_daily_1998_2017_dev350.parquet")
    assert len(stocks.table) == 1_743_521
    assert stocks.dropped == {"symbol SF is bad": 5018}
    assert stocks.nulled["open is missing"] == 175_495
    assert stocks.table.frame["symbol"].n_unique() == 349
    assert len(daily(folder / "all_stocks_5yr.csv.zst").table) == 619_040
    index, vix = daily(folder / "sp500_return_rv_vix.csv.gz").table, daily(folder / "vix-daily.csv.zst").table
    assert (len(index), len(vix), vix.keys) == (7138, 9235, ())
    day = datetime.date(2008, 10, 10)
    view = History({"vix": vix}, now=at_clock(day, "16:00"))
    assert view.known("vix")["event_time"].max() == at_clock(datetime.date(2008, 10, 9), "16:15")
