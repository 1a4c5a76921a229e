"""True impact: what separates a run from its twin is what our orders did, and nothing else."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from workbench import random_day, recorded_market

from tercet.backtest.compare import Bootstrap
from tercet.backtest.counterfactual import Coupling, Impact, against_twin, coupling, impact, summary, table
from tercet.backtest.episode import OUTCOME
from tercet.backtest.markets import Market, crowd_market, market
from tercet.backtest.parents import Plan, plan
from tercet.backtest.runner import Settings, run
from tercet.book.records import AGGRESSIVE, COMPLETION, PASSIVE, REPORT
from tercet.book.state import MARKET
from tercet.errors import BadInput
from tercet.execution.schedules import by_name
from tercet.execution.view import PARENT
from tercet.messages import Parent
from tercet.sim.episode import advance
from tercet.sim.ours import complete
from tercet.sim.settings import CROWDS
from tercet.sim.state import new_scratch

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
FLOWS = ("crowd:zero", "crowd:queue", "crowd:hawkes")
JITTER = Settings(order_latency_ns=(SECOND // 10, SECOND), feed_latency_ns=(0, SECOND // 2), seed=3)


def measured(name: str, policies: str, size: str, parents: int = 8, settings: Settings = JITTER) -> Impact:
    """A small measurement of one-minute parents on both sides."""
    where = market(name)
    return impact(where, plan(where, parents, size, MINUTE, "both", 3), [by_name(one) for one in policies.split(",")], settings)


@pytest.fixture(scope="module")
def day() -> Market:
    """A recorded day."""
    return recorded_market(random_day(4, 2000, 900.0))


# What is exact ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOWS)
def test_who_does_nothing_till_the_end_has_moved_nothing_till_then(name: str) -> None:
    found = measured(name, "nothing", "2000")
    assert (found.displacement_bps[..., :2] == 0.0).all()
    assert (found.own_bps == 0.0).all()
    assert (found.displacement_bps[..., 2:] != 0.0).any()


@pytest.mark.parametrize("name", FLOWS)
def test_an_order_that_never_trades_has_an_impact_of_exactly_0_at_all_times(name: str) -> None:
    where = market(name)
    begins = where.open_ns + 10 * MINUTE
    parents = tuple(Parent(side=side, lots=500, start=begins, end=begins + MINUTE, limit_tick=5000 - 400 * side) for side in (1, -1))
    found = impact(where, Plan(parents, np.zeros(2, np.int64), np.zeros(2, np.int64)), [by_name("nothing")], JITTER)
    assert (found.outcomes["left"] == 500).all()
    assert (found.impact_true_bps == 0.0).all()
    assert (found.displacement_bps == 0.0).all()


@pytest.mark.parametrize("name", FLOWS)
def test_timing_is_own_and_drift_and_impact_is_own_and_what_crossing_paid_beyond_the_touch(name: str) -> None:
    found = measured(name, "twap,passive-then-cross,submit-and-leave,immediate", "10%volume")
    costs, outcomes = found.costs, found.outcomes
    assert np.abs(costs["timing_bps"] - found.own_bps - found.drift_bps).max() < 1e-9
    assert (outcomes["left"] == 0).all()
    lots = np.array([parent.lots for parent in found.plan.parents])
    at_the_end = 1e4 * 0.5 * outcomes["end_spread"] * outcomes["completed"] / (lots * 0.5 * outcomes["arrival_mid2"])
    walk = costs["walk_bps"] + costs["completion_bps"] - at_the_end
    assert np.abs(found.impact_true_bps - found.own_bps - walk).max() < 1e-9


def test_looking_at_the_twin_and_at_times_between_decisions_changes_no_byte_of_what_happens() -> None:
    found = measured("crowd:hawkes", "twap,passive-then-cross", "10%volume")
    plain = run(found.market, found.plan, [by_name(name) for name in found.policies], JITTER)
    assert found.costs.tobytes() == plain.costs.tobytes()
    assert found.outcomes["end_mid2"].tobytes() == plain.outcomes["end_mid2"].tobytes()


def test_one_seed_gives_the_same_numbers_on_one_thread_and_on_two() -> None:
    one, two = (measured("crowd:hawkes", "passive-then-cross", "5%volume", 12, replace(JITTER, threads=threads)) for threads in (1, 2))
    assert one.displacement_bps.tobytes() == two.displacement_bps.tobytes()
    assert one.impact_true_bps.tobytes() == two.impact_true_bps.tobytes()
    assert coupling(market("crowd:hawkes"), 100, pairs=8, threads=1) == coupling(market("crowd:hawkes"), 100, pairs=8, threads=2)


def test_impact_of_fills_written_by_hand() -> None:
    """A buy of 100 at an arrival mid of 1000: 40 crossed two ticks beyond the mid, 30 passive, 20 completed, 10 never filled."""
    fills = np.zeros(3, REPORT)
    fills["lots"], fills["tick"], fills["mid2"], fills["spread"] = (40, 30, 20), (1003, 1000, 1006), (2002, 2002, 2008), (2, 2, 2)
    fills["how"] = AGGRESSIVE, PASSIVE, COMPLETION
    parent, outcome = np.zeros((), PARENT), np.zeros(1, OUTCOME).view(np.recarray)[0]
    parent["side"], parent["lots"] = 1, 100
    outcome.arrival_mid2, outcome.left, outcome.end_mid2 = 2000, 10, 2008
    true = against_twin(fills, np.array([2000, 1998, 2002]), parent, outcome, {"mid2": 2008, "twin_mid2": 2002})
    unit = 1e4 / (100 * 1000)
    assert true["walk"] == pytest.approx(unit * (40 * 1 + 20 * 1))
    assert true["impact"] == pytest.approx(unit * (40 * (1 + 1) + 30 * 2 + 20 * (1 + 3)))
    assert true["own"] == pytest.approx(unit * (40 * 1 + 30 * 2 + 20 * 3 + 10 * 3))
    assert true["drift"] == pytest.approx(unit * (0 - 30 * 1 + 20 * 1 + 10 * 1))


# What is likely -----------------------------------------------------------------------------------------------------------------


def test_a_larger_order_has_the_larger_impact_on_the_same_starts() -> None:
    small, large = (measured("crowd:hawkes", "twap", size, 60) for size in ("2%volume", "40%volume"))
    low, _ = Bootstrap(small.plan.blocks, 0).interval(large.impact_true_bps[0] - small.impact_true_bps[0])
    assert low > 0.5


@pytest.mark.parametrize("flow", ["zero", "queue", "hawkes"])
@pytest.mark.parametrize(("lots", "most"), [(1, 0.25), (100, 0.4)], ids=["one lot", "an order of the size of the market's"])
def test_coupling_takes_most_of_the_noise_away(flow: str, lots: int, most: float) -> None:
    fine = crowd_market("fine", replace(CROWDS[flow], lot_step=1))  # in steps of 100 one lot would leave hardly a trace
    found = coupling(fine, lots, pairs=100)
    assert found.ratio <= most
    assert found.coupled_needed < found.independent_needed / 5


def test_what_our_orders_excite_is_drawn_anew_for_each_parent_of_a_session() -> None:
    where = market("crowd:hawkes")
    sim = where.open(0, 1)
    scratch, copy, born = new_scratch(sim), np.zeros(1, sim.dtype).view(np.recarray), []
    whole = np.zeros(1, sim.dtype).view(np.recarray)
    whole[0] = sim
    for number in range(10):
        advance(whole[0], where.events, where.open_ns + number * MINUTE, scratch)
        copy.view(np.uint8)[:] = whole.view(np.uint8)
        scratch.count = 0
        complete(copy[0], 1, 2000, MARKET, 0, scratch)
        armed = [one[0].wheel.timers["armed"][len(sim.book.orders) :].sum() for one in (copy, whole)]
        born.append(int(armed[0]) - int(armed[1]))
    assert len(set(born)) > 2


# What is said -------------------------------------------------------------------------------------------------------------------


def test_the_table_says_what_the_arrays_hold() -> None:
    found = measured("crowd:zero", "twap", "5%volume")
    row = table(found)[0]
    assert row["is_less_drift_bps"] == pytest.approx(float((found.is_bps - found.drift_bps).mean()))
    assert row["impact_true_low"] <= row["impact_true_bps"] <= row["impact_true_high"]
    assert [point["at"] for point in row["displacement"]] == ["T/2", "T", "T+1min", "T+5min", "T+30min"]
    assert summary(found, [Coupling("crowd:zero", 1, 60.0, 9, 0.0, 0.1, 1.0)])["coupling"][0]["coupled_needed"] == 4


def test_times_after_the_session_are_not_known() -> None:
    where = market("crowd:zero")
    start = where.close_ns - 3 * MINUTE
    late = Plan((Parent(side=1, lots=100, start=start, end=start + MINUTE),), np.zeros(1, np.int64), np.zeros(1, np.int64))
    found = impact(where, late, [by_name("twap")], JITTER)
    assert np.isnan(found.displacement_bps[0, 0]).tolist() == [False, False, False, True, True]
    assert table(found)[0]["displacement"][4]["mean_bps"] is None


def test_a_recorded_day_is_refused_as_it_has_no_run_without_us(day: Market) -> None:
    with pytest.raises(BadInput, match="recorded day without us"):
        impact(day, plan(day, 2, "10", MINUTE, "both", 0), [by_name("twap")], JITTER)
    with pytest.raises(BadInput, match="recorded day without us"):
        coupling(day)


def tercet(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would."""
    command = [sys.executable, "-c", "from tercet.cli.app import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_the_command_line_measures_impact_and_says_what_the_coupling_is_worth() -> None:
    words = ["impact", "--market", "crowd:zero", "--policies", "twap,immediate", "--parents", 4, "--horizon", "1min", "--pairs", 10]
    done = tercet(*words, "--after", "1min", "--json", "-")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert [row["policy"] for row in said["policies"]] == ["twap", "immediate"]
    assert [pair["lots"] for pair in said["coupling"]] == [1, 200]
    assert "T+1min" in done.stderr
    assert "independent" in done.stderr


def test_the_command_line_refuses_in_one_sentence_what_cannot_be_measured() -> None:
    for words in (("--market", "crowd:none"), ("--policies", "magic"), ("--after", "-1s"), ("--pairs", 1)):
        done = tercet("impact", *words)
        assert done.returncode == 1
        assert done.stderr.strip().startswith("tercet: ")
        assert "Traceback" not in done.stderr
