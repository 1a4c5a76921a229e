"""Rows with time: what a History shows and what it refuses to show; as-of joins agree with duckdb and with the obvious loop."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.signals.timed import FutureRow, History, NoRow, Table, as_of

KINDS = {"event_time": pl.Int64, "known_time": pl.Int64, "symbol": pl.String, "x": pl.Float64}
GOOD: dict[str, list[Any]] = {"event_time": [0, 0, 5], "known_time": [1, 2, 6], "symbol": ["a", "b", "a"], "x": [1.0, None, 3.0]}


def rows(*given_rows: tuple[int, int, str, float | None]) -> pl.DataFrame:
    """A frame of (event_time, known_time, symbol, x)."""
    return pl.DataFrame(given_rows, schema=KINDS, orient="row")


def table(*given_rows: tuple[int, int, str, float | None]) -> Table:
    """A table of (event_time, known_time, symbol, x), sorted."""
    return Table.of(rows(*given_rows), sort=True)


REVISED = table((0, 10, "a", 1.0), (0, 20, "a", 1.5), (5, 12, "b", 2.0), (15, 30, "a", 3.0), (0, 50, "a", 9.0))


def test_a_revised_figure_is_its_first_vintage_before_the_revision_and_the_latest_known_one_after() -> None:
    seen = {now: History({"t": REVISED}, now).row("t", event_time=0, symbol="a")["x"] for now in (10, 19, 20, 49, 50, 99)}
    assert seen == {10: 1.0, 19: 1.0, 20: 1.5, 49: 1.5, 50: 9.0, 99: 9.0}


def test_a_view_shows_what_was_known_by_now_less_the_latency_and_nothing_later() -> None:
    view = History({"t": REVISED}, now=32, latency=3)
    assert view.known("t").rows() == [(5, 12, "b", 2.0), (0, 20, "a", 1.5)]
    assert view.first("t").rows() == [(0, 10, "a", 1.0), (5, 12, "b", 2.0)]
    assert view.vintages("t").rows() == [(0, 10, "a", 1.0), (5, 12, "b", 2.0), (0, 20, "a", 1.5)]
    assert History({"t": REVISED}, now=33, latency=3).known("t").height == 3
    assert History({"t": REVISED}, now=9).known("t").is_empty()


def test_a_planted_future_known_time_raises_and_a_row_that_never_comes_is_told_from_it() -> None:
    view = History({"t": REVISED}, now=32, latency=3)
    with pytest.raises(FutureRow, match="is known from 30 on, later than now − latency = 29"):
        view.row("t", event_time=15, symbol="a")
    with pytest.raises(FutureRow, match="a row of the window"):
        view.between("t", 0, 16)
    with pytest.raises(NoRow, match="has no row with event_time 15"):
        view.row("t", event_time=15, symbol="b")
    assert issubclass(FutureRow, BadInput)
    assert issubclass(NoRow, BadInput)


def test_a_window_gives_the_latest_vintages_of_its_rows_and_a_revision_still_to_come_is_no_leak() -> None:
    view = History({"t": REVISED}, now=29)
    assert view.between("t", 0, 15).rows() == [(5, 12, "b", 2.0), (0, 20, "a", 1.5)]
    assert view.between("t", 1, 5).is_empty()
    assert History({"t": REVISED}, now=30).between("t", 0, 16).height == 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from("ab")), max_size=14), st.integers(-1, 14), st.integers(0, 3)
)
def test_every_view_equals_the_obvious_loop_over_its_rows(drawn: list[tuple[int, int, str]], now: int, latency: int) -> None:
    kept = sorted({(event + late, event, symbol) for event, late, symbol in drawn})
    made = table(*[(event, known, symbol, float(i)) for i, (known, event, symbol) in enumerate(kept)])
    latest, first = {}, {}
    for i, (known, event, symbol) in enumerate(kept):
        if known <= now - latency:
            latest[event, symbol] = float(i)
            first.setdefault((event, symbol), float(i))
    view = History({"t": made}, now, latency)
    assert {(row["event_time"], row["symbol"]): row["x"] for row in view.known("t").to_dicts()} == latest
    assert {(row["event_time"], row["symbol"]): row["x"] for row in view.first("t").to_dicts()} == first
    for event in range(7):
        hidden = any(e >= event and (e, s) not in latest for _, e, s in kept)
        if hidden:
            with pytest.raises(FutureRow):
                view.between("t", event, 7)
        else:
            assert sorted(view.between("t", event, 7)["x"]) == sorted(x for (e, _), x in latest.items() if e >= event)


def test_nothing_that_a_view_hands_out_is_or_changes_its_table() -> None:
    x = np.arange(3.0)
    frame = rows((0, 1, "a", 0.0), (1, 2, "a", 1.0), (2, 3, "a", 2.0)).with_columns(x=x)
    made = Table(frame)
    x[:] = 99.0
    frame[0, "x"] = 98.0
    view = History({"t": made}, 2)
    for handed in (view.known("t"), view.first("t"), view.vintages("t"), view.between("t", 0, 2), made.frame):
        handed[0, "x"] = 97.0
        handed.drop_in_place("symbol")
    assert view.known("t").rows() == [(0, 1, "a", 0.0), (1, 2, "a", 1.0)]
    assert not view.known("t")["x"].to_numpy().flags.writeable
    assert History({"t": made}, 9).known("t")["x"].to_list() == [0.0, 1.0, 2.0]
    public = [getattr(view, name) for name in dir(view) if not name.startswith("_")]
    assert not any(isinstance(value, pl.DataFrame | Table | dict) for value in public)
    for thing, name in ((view, "now"), (view, "latency"), (made, "keys"), (made, "frame")):
        with pytest.raises(AttributeError, match="does not change"):
            setattr(thing, name, 10**18)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no event time": ({"event_time": None}, "had no column event_time"),
    "no key": ({"symbol": None}, "had no column symbol"),
    "null time": ({"known_time": [1, None, 6]}, "known_time was null in 1 of 3 rows"),
    "null key": ({"symbol": ["a", None, "a"]}, "symbol was null in 1 of 3 rows"),
    "known too early": ({"event_time": [0, 3, 5]}, "row 2 of 3 was known at 2 before its event_time 3"),
    "out of order": ({"known_time": [2, 1, 6]}, r"row 2 of 3 was known before row 1.*sort=True"),
    "two vintages": ({"event_time": [0, 0, 0], "known_time": [1, 1, 2], "symbol": ["a", "a", "a"]}, "two vintages known at 1"),
    "infinite": ({"x": [1.0, None, float("inf")]}, "x was infinite in row 3"),
    "NaN": ({"x": [1.0, float("nan"), 2.0]}, "x was NaN in row 2"),
    "times of another type": ({"event_time": [0.0, 0.0, 5.0]}, "event_time was Float64; expected Int64"),
    "Python objects": ({"x": [object(), object(), object()]}, "Python objects"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_a_table_is_refused_in_a_sentence(name: str) -> None:
    change, why = BAD[name]
    columns = {column: values for column, values in (GOOD | change).items() if values is not None}
    with pytest.raises(BadInput, match=why):
        Table(pl.DataFrame(columns))


def test_rows_are_sorted_only_where_that_is_asked_for() -> None:
    frame = pl.DataFrame(GOOD).reverse()
    with pytest.raises(BadInput, match="row 2 of 3 was known before row 1"):
        Table.of(frame)
    assert Table.of(frame, sort=True).frame.equals(Table(pl.DataFrame(GOOD)).frame)
    assert Table(pl.DataFrame(GOOD)).values == ("x",)


def test_a_view_refuses_bare_frames_unknown_names_other_keys_and_negative_latency() -> None:
    view = History({"t": REVISED}, 5)
    for call, why in (
        (lambda: History({"t": pl.DataFrame(GOOD)}, 5), "expected a Table"),  # type: ignore[dict-item]
        (lambda: History({"t": REVISED}, 5, latency=-1), "latency was -1"),
        (lambda: view.known("u"), "there is no table 'u'; expected one of t"),
        (lambda: view.row("t", event_time=0), r"the key was \[\]; expected \['symbol'\]"),
        (lambda: view.row("t", event_time=0, symbol=1), "of another type than its columns"),
        (lambda: view.between("t", 5, 4), "expected start <= end"),
    ):
        with pytest.raises(BadInput, match=why):
            call()


def obvious_as_of(
    decisions: pl.DataFrame, made: Table, by: tuple[str, ...], latency: int, tolerance: int | None, newest_event: bool
) -> list[tuple[Any, ...]]:
    """The as-of join, every decision against every row."""
    found, rows = [], made.frame.to_dicts()
    for decision in decisions.to_dicts():
        cut, best = decision["time"] - latency, None
        for row in rows:
            if any(row[name] != decision[name] for name in by) or row["known_time"] > cut:
                continue
            rank = (row["known_time"], row["event_time"], row["symbol"])
            if newest_event:
                rank = (row["event_time"], row["known_time"], row["symbol"])
            if best is None or rank > best[0]:
                best = (rank, row)
        row = best[1] if best and (tolerance is None or best[1]["known_time"] >= cut - tolerance) else {}
        found.append((row.get("event_time"), row.get("known_time"), row.get("x")))
    return found


TIMES = st.integers(0, 12)
ROWS = st.lists(st.tuples(TIMES, st.integers(0, 5), st.sampled_from("abc")), max_size=25)
ASKED = st.lists(st.tuples(TIMES, st.sampled_from("abcd")), max_size=12)


@pytest.mark.parametrize("newest_event", [False, True])
@pytest.mark.parametrize("by", [("symbol",), ()])
@settings(max_examples=50, deadline=None)
@given(ROWS, ASKED, st.integers(0, 4), st.none() | st.integers(0, 6))
def test_an_as_of_join_is_the_obvious_loop(
    by: tuple[str, ...],
    newest_event: bool,
    drawn: list[tuple[int, int, str]],
    asked: list[tuple[int, str]],
    latency: int,
    tolerance: int | None,
) -> None:
    kept = sorted(dict.fromkeys((event, event + late, symbol) for event, late, symbol in drawn), key=lambda row: row[1])
    made = Table(rows(*[(event, known, symbol, float(i)) for i, (event, known, symbol) in enumerate(kept)]))
    decisions = pl.DataFrame(asked, schema={"time": pl.Int64, "who": pl.String}, orient="row")
    decisions = decisions.rename({"who": "symbol"}) if by else decisions
    joined = as_of(decisions, made, by, latency, tolerance, newest_event=newest_event)
    assert joined.select(decisions.columns).equals(decisions)
    want = obvious_as_of(decisions, made, by, latency, tolerance, newest_event)
    assert joined.select("event_time", "known_time", "x").rows() == want


@pytest.mark.parametrize("latency", [0, 7])
@pytest.mark.parametrize("tolerance", [None, 25])
def test_polars_and_duckdb_and_the_obvious_loop_join_alike(tmp_path: Path, latency: int, tolerance: int | None) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb, an independent as-of join, is not installed")
    rng = np.random.default_rng(latency)
    event = rng.integers(0, 200, 900)
    made = Table.of(
        pl.DataFrame({"event_time": event, "known_time": event + rng.integers(0, 40, 900), "symbol": rng.choice(list("abcde"), 900)})
        .unique(maintain_order=True)
        .with_row_index("x")
        .with_columns(pl.col("x").cast(pl.Float64)),
        sort=True,
    )
    decisions = pl.DataFrame({"time": rng.integers(-5, 260, 400), "symbol": rng.choice(list("abcdef"), 400)})
    decisions.with_row_index("i").write_parquet(tmp_path / "asked.parquet")
    made.frame.write_parquet(tmp_path / "told.parquet")
    query = f"""
        with best as (select * from '{tmp_path}/told.parquet'
            qualify row_number() over (partition by symbol, known_time order by event_time desc) = 1)
        select event_time, known_time, x from '{tmp_path}/asked.parquet' asked asof left join best
        on asked.symbol = best.symbol and asked.time - {latency} >= best.known_time order by i"""
    truth = duckdb.sql(query).fetchall()
    if tolerance is not None:
        late = [time - latency - tolerance for time in decisions["time"]]
        truth = [row if row[1] is not None and row[1] >= least else (None, None, None) for row, least in zip(truth, late, strict=True)]
    joined = as_of(decisions, made, latency=latency, tolerance=tolerance).select("event_time", "known_time", "x").rows()
    assert joined == truth == obvious_as_of(decisions, made, ("symbol",), latency, tolerance, False)
    newest = as_of(decisions, made, latency=latency, tolerance=tolerance, newest_event=True).select("event_time", "known_time", "x").rows()
    assert newest == obvious_as_of(decisions, made, ("symbol",), latency, tolerance, True) != joined
    assert made.revised
    assert sum(row[0] is None for row in joined) > 20


def test_a_late_revision_of_an_old_event_hides_a_newer_one_unless_the_newest_event_is_asked_for() -> None:
    decisions = pl.DataFrame({"time": [40, 60], "symbol": ["a", "a"]})
    assert as_of(decisions, REVISED)["x"].to_list() == [3.0, 9.0]
    assert as_of(decisions, REVISED, newest_event=True)["x"].to_list() == [3.0, 3.0]


def test_decisions_that_cannot_be_joined_are_refused() -> None:
    good = pl.DataFrame({"time": [1], "symbol": ["a"]})
    wrong = (
        ({"decisions": good.drop("time")}, "had no column time"),
        ({"decisions": good.with_columns(time=1.0)}, "time was Float64; expected Int64"),
        ({"decisions": good.with_columns(time=pl.lit(None, pl.Int64))}, "time was null in 1 of 1"),
        ({"decisions": good.with_columns(x=1.0)}, "both have a column x"),
        ({"decisions": good.with_columns(symbol=1)}, "symbol was Int32 in the decisions and String in the table"),
        ({"by": ["x"]}, "expected keys of the table"),
        ({"latency": -1}, "latency was -1"),
    )
    for change, why in wrong:
        with pytest.raises(BadInput, match=why):
            as_of(**({"decisions": good, "table": REVISED} | change))  # type: ignore[arg-type]


def test_no_public_call_of_the_view_takes_a_bare_frame() -> None:
    public = [call for name, call in inspect.getmembers(History, inspect.isfunction) if name == "__init__" or not name.startswith("_")]
    assert len(public) == 6
    for call in public:
        assert "DataFrame" not in str({k: v for k, v in inspect.signature(call).parameters.items() if k != "self"})
