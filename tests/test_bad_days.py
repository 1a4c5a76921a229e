"""Days that are bad are refused or said in every title, halts are gone around and named, and a policy that has seen the day is too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import polars as pl
import pytest
from histories import tape
from hypothesis import given, settings
from hypothesis import strategies as st
from test_learned import policy_file
from workbench import random_day, recorded_market

from tercet.backtest.compare import paired, summary
from tercet.backtest.halts import closed_to, halts_of, inside, joined, length, past, when
from tercet.backtest.markets import checksum, market
from tercet.backtest.parents import MEMORY_NS, SECOND, plan
from tercet.backtest.runner import Settings, known_already, run
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.cli import backtest as backtest_command
from tercet.cli import features as features_command
from tercet.cli.evaluated import about, stored
from tercet.cli.fitting import fitted
from tercet.cli.judging import Judging
from tercet.cli.output import console
from tercet.cli.withinday import stored as within
from tercet.envs.bank import PARTS, TEST, TRAINING, VALIDATION, spread_starts
from tercet.envs.execution import EnvSettings
from tercet.envs.making import make_members
from tercet.errors import BadInput
from tercet.execution.learned import policy_of
from tercet.execution.policy import Policy, Seen
from tercet.execution.policyfile import SEEN_SHARES
from tercet.execution.schedules import by_name
from tercet.learn.task import book_task
from tercet.market import lobster
from tercet.market.events import ADD, BUY, HALTED, QUOTING, TRADING
from tercet.market.recorded import count_kinds
from tercet.market.store import save
from tercet.report.page import BAD_DAY

runs_markets = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="a market takes minutes with uncompiled code")
MINUTE = 60 * SECOND
MESSAGES = 20_000


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A made day, and one in which somebody bids far above everybody else and nobody hears of it: the folders by name."""
    folder = tmp_path_factory.mktemp("days")
    whole = lobster.read(*write_lobster(folder, *made_day(MESSAGES)), MADE, DATE)
    bid = np.zeros(1, whole.events.dtype)
    bid["kind"], bid["side"], bid["lots"], bid["id"], bid["tick"] = ADD, BUY, 100, 10**12, int(whole.events["tick"].max()) + 50
    bid["time"] = whole.events["time"][100]
    events = np.concatenate([whole.events[:101], bid, whole.events[101:]])
    bad = replace(whole, events=events, counts=count_kinds(events))
    return {name: save(folder / name, recorded, MADE, DATE) for name, recorded in (("good", whole), ("bad", bad))}


# Bad days -----------------------------------------------------------------------------------------------------------------------------

DOORS: dict[str, Callable[[Path, bool], object]] = {
    "a backtest": lambda day, accept: market(f"history:{day}", accept),
    "an environment by its day": lambda day, accept: make_members("tercet/History-v0", 1, day=day, accept_bad_day=accept, **SHORT),
    "training": lambda day, accept: book_task(EnvSettings(market=f"history:{day}", accept_bad_day=accept)),
    "forecast evaluate": lambda day, accept: stored(str(day), accept),
    "volatility within the day": within,
}
SHORT: dict[str, Any] = {"bank": 2, "horizon": ("5s",), "step": "1s"}


@pytest.mark.parametrize("door", DOORS)
def test_a_bad_day_is_refused_at_every_door_unless_it_is_accepted(door: str, days: dict[str, Path]) -> None:
    with pytest.raises(BadInput, match=r"is a bad day: .* above the best ask .* or --accept-bad-day"):
        DOORS[door](days["bad"], False)
    DOORS[door](days["bad"], True)
    DOORS[door](days["good"], False)


def test_nothing_is_fitted_on_a_bad_day_unless_it_is_accepted(days: dict[str, Path]) -> None:
    task, silent = f"direction:{days['bad']}", lambda what, done, total: None
    with pytest.raises(BadInput, match="is a bad day"):
        fitted(task, "logistic", None, None, 0, silent)
    with pytest.raises(BadInput, match="0 messages have all features"):  # all of that day's book is crossed
        fitted(task, "logistic", None, None, 0, silent, accept_bad_day=True)


def test_features_of_a_bad_day_are_written_where_it_is_accepted_and_say_so(days: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a bad day"):
        features_command.features(days["bad"], tmp_path / "rows.csv")
    with console.capture() as taken:
        features_command.features(days["bad"], tmp_path / "rows.csv", accept_bad_day=True)
    assert BAD_DAY in " ".join(taken.get().split())


def test_features_are_written_as_the_name_says_or_not_at_all(days: dict[str, Path], tmp_path: Path) -> None:
    for name, read in (("rows.csv", pl.read_csv), ("rows.parquet", pl.read_parquet)):
        features_command.features(days["good"], tmp_path / name, every="10s")
        assert read(tmp_path / name)["event_time"].len() > 5
    for name in ("rows", "rows.txt", "rows.csv.gz"):
        with pytest.raises(BadInput, match=r"its name ends in .* expected \.parquet or \.csv"):
            features_command.features(days["good"], tmp_path / name)
    with pytest.raises(BadInput, match="rows of this day; expected 20000000 at most"):
        features_command.features(days["good"], tmp_path / "rows.csv", every="1ns")


def test_a_result_repeats_the_verdict_on_its_day(days: dict[str, Path]) -> None:
    for name in ("good", "bad"):
        day, quality = stored(str(days[name]), True)
        told = about("here", day, quality)
        assert told["verdict"] == quality.verdict
        assert told["bad_day"] == (name == "bad")
        assert told["judged"].startswith(f"verdict on {day.path.name}: {quality.verdict}")
        assert all(reason in told["judged"] for reason in quality.reasons)


@runs_markets
def test_on_an_accepted_bad_day_every_title_says_so_and_nobody_is_better(days: dict[str, Path], tmp_path: Path) -> None:
    page, words = tmp_path / "page.html", {"policies": "twap,immediate,passive", "parents": 8, "size": "100", "horizon": "10s"}
    with console.capture() as taken:
        backtest_command.backtest(market=f"history:{days['bad']}", accept_bad_day=True, html=page, **words)
    assert taken.get().count(BAD_DAY) == 2
    assert "better" not in taken.get().replace(BAD_DAY, "")
    html = page.read_text()
    assert html.count("<table><caption>") == html.count("<table") >= 2
    assert BAD_DAY in html.split("</title>")[0]
    assert BAD_DAY in html.split("<h1>")[1].split("</h1>")[0]
    assert "verdict better" not in html
    assert "verdict worse" not in html


# Halts --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], ()),
        ([(5, HALTED), (9, TRADING)], ((5, 9),)),
        ([(5, HALTED), (7, QUOTING), (9, TRADING)], ((5, 9),)),
        ([(5, HALTED), (6, HALTED), (9, TRADING), (10, TRADING)], ((5, 9),)),
        ([(5, QUOTING), (9, TRADING)], ((5, 9),)),
        ([(90, HALTED)], ((90, 100),)),
        ([(1, HALTED), (4, TRADING), (98, HALTED), (200, TRADING)], ((3, 4), (98, 100))),
        ([(0, HALTED), (3, TRADING), (100, HALTED)], ()),
        ([(5, HALTED), (9, TRADING), (9, HALTED), (11, TRADING)], ((5, 11),)),
        ([(5, HALTED), (5, TRADING)], ()),
    ],
)
def test_a_halt_is_from_its_message_to_the_next_that_says_trading(states: list[tuple[int, int]], expected: tuple[Any, ...]) -> None:
    events = tape((0, "add", BUY, 10, 1, 1), *((time, "halt", 0, state, 0, 0) for time, state in states))
    assert halts_of(events, 3, 100) == expected


WINDOWS = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), max_size=6).map(
    lambda pairs: joined(sorted((begin, begin + width) for begin, width in pairs))
)


@settings(max_examples=200, deadline=None)
@given(WINDOWS, st.integers(1, 80))
def test_no_time_that_is_left_lies_in_a_window_and_none_is_lost(halts: Any, horizon: int) -> None:
    first, last = 50, 450
    shut = closed_to(halts, first, last, horizon)
    free = [time for time in range(first, last) if not any(begin - horizon < time < end for begin, end in halts)]
    times = past(np.arange(first, last - length(shut)), shut)
    assert inside(times, shut) == 0
    assert set(times.tolist()) <= set(free)
    assert len(set(free) - set(times.tolist())) <= len(halts)  # a start that ends with the halt's first moment is given up
    assert (np.diff(times) > 0).all()


def test_no_parent_is_worked_in_a_halt_or_across_one_and_it_is_named() -> None:
    plain = recorded_market(random_day(4, 200, 3600.0))
    halts = ((20 * MINUTE, 35 * MINUTE), (50 * MINUTE, 51 * MINUTE))
    halted = replace(plain, halts=halts, tz="UTC")
    before, after = (plan(where, 60, "10", 2 * MINUTE, "both", 3) for where in (plain, halted))
    assert len(after.parents) == len(before.parents) == 60
    assert not any(parent.start < end and parent.end > begin for parent in after.parents for begin, end in halts)
    met = sum(any(parent.start < end and parent.end > begin for begin, end in halts) for parent in before.parents)
    assert after.notes == (
        "trading was halted from 00:20:00 to 00:35:00 and 00:50:00 to 00:51:00: no parent is worked in a halt or across one; "
        f"{met} of 60 would have been, and begin at other times",
    )
    assert before.notes == ()
    assert after.both_sides
    starts = np.array([parent.start for parent in after.parents])
    assert (np.diff(starts) >= 0).all()
    assert starts.min() >= MEMORY_NS


def test_a_day_halted_for_good_leaves_no_time_and_says_so() -> None:
    halted = replace(recorded_market(random_day(4, 200, 3600.0)), halts=((4 * MINUTE, 60 * MINUTE),), tz="UTC")
    with pytest.raises(BadInput, match="halted from 00:04:00 to 01:00:00, which leaves no time for a horizon of 120 s"):
        plan(halted, 10, "10", 2 * MINUTE, "both", 0)
    with pytest.raises(BadInput, match="too short for a horizon of 120 s: trading was halted from 00:04:00"):
        spread_starts(halted, 4, 2 * MINUTE, 0)


def test_episodes_begin_outside_halts_too() -> None:
    plain = recorded_market(random_day(4, 200, 3600.0))
    halted = replace(plain, halts=((20 * MINUTE, 35 * MINUTE),))
    for part in PARTS:
        starts = spread_starts(halted, 40, MINUTE, 0, part)
        assert not any(18 * MINUTE < start - MINUTE < 34 * MINUTE and 19 * MINUTE < start < 35 * MINUTE for start in starts)
        assert starts == sorted(starts)
    assert spread_starts(plain, 40, MINUTE, 0) == spread_starts(replace(plain, halts=((0, 1),)), 40, MINUTE, 0)


def test_halts_in_words() -> None:
    assert when(((3600 * SECOND, 3661 * SECOND),), "UTC") == "trading was halted from 01:00:00 to 01:01:01"


# Baselines, and policies that have seen the day -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> Any:
    """Three policies on an hour."""
    if numba.config.DISABLE_JIT:
        pytest.skip("a market takes minutes with uncompiled code")
    where = recorded_market(random_day(4, 2000, 3600.0))
    chosen = plan(where, 24, "10", MINUTE, "both", 0)
    return run(where, chosen, [by_name(name) for name in ("twap", "immediate", "passive")], Settings(threads=1))


def test_differences_are_to_the_baseline_that_is_named(result: Any) -> None:
    for baseline in result.policies:
        rows = paired(result, baseline)
        assert {row["policy"] for row in rows} == set(result.policies) - {baseline}
        assert {row["baseline"] for row in rows} == {baseline}
    there, back = paired(result, "immediate")[0], paired(result, "twap")[0]
    assert (there["policy"], back["policy"]) == ("twap", "immediate")
    assert there["difference_bps"] == pytest.approx(-back["difference_bps"])
    assert {there["verdict"], back["verdict"]} in ({"tie"}, {"better", "worse"})
    assert summary(result, None, "passive")["baseline"] == "passive"


def test_nobody_is_better_on_a_bad_day_nor_where_a_gate_refused_everything(result: Any) -> None:
    bad = replace(result, market=replace(result.market, bad=True))
    assert {row["verdict"] for row in paired(bad)} == {"void"}
    assert summary(bad)["bad_day"]
    assert not summary(result)["bad_day"]
    muted = summary(result, None, "twap", ["passive"])
    assert {row["policy"]: row["void"] for row in muted["policies"]}["passive"]
    assert {row["policy"]: row["verdict"] for row in muted["paired"]}["passive"] == "void"
    assert muted["warnings"][0] == "passive: void, the gate refused all of its orders: this is the cost of the completion alone"
    assert {row["verdict"] for row in summary(result, None, "twap", ["twap"])["paired"]} == {"void"}


@pytest.mark.parametrize(("name", "found"), [(None, "twap"), ("immediate", "immediate"), (" immediate ", "immediate")])
def test_a_baseline_is_a_policy_of_the_run(name: str | None, found: str) -> None:
    named = [by_name("twap"), by_name("immediate")]
    assert backtest_command._baseline(name, named) == found
    with pytest.raises(BadInput, match="baseline was 'pov'; expected one of the policies of this run: twap, immediate"):
        backtest_command._baseline("pov", named)


def knowing(*seen: Seen) -> Policy:
    """A policy that has seen so much."""
    return replace(by_name("twap"), name="agent", seen=seen)


def test_hours_of_this_day_that_a_policy_learned_from_are_told_with_the_parents_in_them() -> None:
    where = replace(recorded_market(random_day(4, 200, 3900.0)), close_ns=65 * MINUTE, tz="UTC")
    chosen = plan(where, 40, "10", MINUTE, "both", 0)
    there = sum(parent.start < 35 * MINUTE for parent in chosen.parents)
    (said,) = known_already([by_name("pov"), knowing(Seen(where.name, "", 0.0, 0.5))], where, chosen)
    expected = f"agent: was trained and validated on this day, from 00:05:00 to 00:35:00: {there} of 40 parents lie there"
    assert said == f"{expected}; expected another day"
    assert known_already([knowing(Seen("history:elsewhere", checksum(where), 0.0, 0.5))], where, chosen) == [said]
    assert known_already([knowing(Seen("history:elsewhere", "0" * 16, 0.0, 0.5))], where, chosen) == []


def test_a_policy_file_knows_the_days_of_its_lineage_up_to_its_test() -> None:
    lineage = {"markets": "history:GOOG 2012 0123456789abcdef, crowd:zero fedcba9876543210"}
    assert policy_of(policy_file(lineage=lineage)).seen == (Seen("history:GOOG 2012", "0123456789abcdef", *SEEN_SHARES),)
    assert policy_of(policy_file()).seen == ()
    assert (PARTS[TRAINING][0], PARTS[VALIDATION][1]) == SEEN_SHARES
    assert PARTS[TEST][0] == SEEN_SHARES[1]


def test_what_has_seen_the_day_is_warned_of_in_the_run(result: Any) -> None:
    done = run(result.market, result.plan, [knowing(Seen(result.market.name, "", *SEEN_SHARES))], Settings(threads=1))
    assert any("agent: was trained and validated on this day" in warning for warning in done.warnings)


# Absurd terms -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"step_ns": 2 * MINUTE}, "step was 120 s; expected the horizon at most, 60 s"),
        ({"order_latency_ns": (0, MINUTE)}, "order latency was 60 s; expected less than the horizon, 60 s"),
        ({"feed_latency_ns": (MINUTE,)}, "feed latency was 60 s; expected less than the horizon, 60 s"),
        ({"step_ns": 1000}, "60000000 decisions a parent; expected 200000 at most"),
    ],
)
def test_a_pace_with_which_nothing_could_be_done_is_refused(changes: dict[str, Any], sentence: str) -> None:
    where = recorded_market(random_day(4, 200, 3600.0))
    with pytest.raises(BadInput, match=sentence):
        run(where, plan(where, 4, "10", MINUTE, "both", 0), [by_name("twap")], Settings(**changes))


def test_a_seed_that_no_simulation_can_take_is_refused() -> None:
    where = recorded_market(random_day(4, 200, 3600.0))
    for seed in (-1, 2**63 - 1, 10**30):
        with pytest.raises(BadInput, match=f"seed was {seed}; expected 0 to 9000000000000"):
            Settings(seed=seed)
        with pytest.raises(BadInput, match=f"seed was {seed}; expected 0 to 9000000000000"):
            plan(where, 4, "10", MINUTE, "both", seed)
    with pytest.raises(BadInput, match="parents was 200001; expected 1 to 200000"):
        plan(where, 200_001, "10", MINUTE, "both", 0)


def test_a_day_within_whose_hours_no_window_fits_is_refused(days: dict[str, Path]) -> None:
    from tercet.cli.withinday import intraday

    with pytest.raises(BadInput, match=r"horizon was 25h.*; expected 30 windows or more"):
        intraday(Judging(days["good"], None, None, None, None, None, lambda what: None, "25h"))
