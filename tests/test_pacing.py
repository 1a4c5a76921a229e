"""What a posture does to execution: hard caps, a HALT that pulls, a pace in stress; and nothing at all where it is off."""

from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import refused, said, tercet
from test_policies import child, seen
from workbench import parent, random_day, recorded_market

from tercet import messages
from tercet.backtest.compare import Bootstrap, cvar
from tercet.backtest.markets import market
from tercet.backtest.parents import plan
from tercet.backtest.postures import cvars, postures
from tercet.backtest.runner import Result, Settings, Worker, run
from tercet.book.records import CANCEL_OWN, PASSIVE, REPLACE_OWN, RESTING, SUBMIT
from tercet.book.state import LIMIT, MARKET
from tercet.errors import BadInput
from tercet.execution import caps
from tercet.execution.caps import CHILD, HALT, PARTICIPATION, level_of
from tercet.execution.caution import CautionSettings
from tercet.execution.moves import DISCRETE, keep, mask
from tercet.execution.pacing import PaceSettings, paced
from tercet.execution.schedules import by_name
from tercet.execution.working import DROPPED, allowance, conform
from tercet.market.events import BUY, SELL
from tercet.risk.posture import CAPS, State

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="a backtest takes minutes with uncompiled code")

SECOND = 10**9
NAMES = ("twap", "passive", "passive-then-cross", "pov")


# Caps ----------------------------------------------------------------------------------------------------------------------------


def test_there_is_one_table_of_caps() -> None:
    assert messages.STATES == caps.STATES == tuple(state.name for state in State)
    for state in State:
        assert (CAPS[state].participation, CAPS[state].child) == (PARTICIPATION[state], CHILD[state])
        assert level_of(int(state) / HALT) == state
    assert [level_of(posture) for posture in (0.0, 0.01, 0.34, 0.7, 1.0, 1.5, float("nan"))] == [0, 1, 2, 3, 3, 3, 3]


@given(st.sampled_from([0, 1, 2]), st.integers(1, 100), st.booleans(), st.sampled_from([BUY, SELL]))
@settings(max_examples=100, deadline=None)
def test_a_part_of_what_is_left_does_not_cross_at_once(level: int, left: int, by_market: bool, side: int) -> None:
    view, to = seen(filled=100 - left, open=0, market_lots=10_000), parent(0, 1000, 100, side)
    view.posture, view.side, view.bid, view.ask = level / HALT, side, 50, 52
    row = child(SUBMIT, side, 52 if side == BUY else 50, left)
    row.kind = MARKET if by_market else LIMIT
    conform(row, view, to)
    most = min(-(-left * (1.0 - caps.PASSIVE[level]) // 1), max(CHILD[level] * 100, 1))
    assert row.lots == min(left, most) > 0
    resting = child(SUBMIT, side, 50 if side == BUY else 52, left)
    conform(resting, view, to)
    assert resting.lots == min(left, CHILD[level] * 100)


@given(
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([SUBMIT, REPLACE_OWN]),
    st.integers(1, 200),
    st.integers(0, 85),
    st.integers(0, 300),
    st.floats(0.05, 1.0),
)
@settings(max_examples=300, deadline=None)
def test_no_child_exceeds_the_caps_of_its_state(level: int, verb: int, lots: int, filled: int, market_lots: int, most: float) -> None:
    view, to = seen(filled=filled, open=10, market_lots=market_lots), parent(0, 1000, 100, BUY, most=most)
    view.posture, view.most = level / HALT, most
    row = child(verb, BUY, 50, lots, handle=7)
    if conform(row, view, to) == DROPPED:
        return
    assert level < HALT or verb == REPLACE_OWN
    fresh = int(row.lots) - (5 if verb == REPLACE_OWN else 0)
    assert fresh <= CHILD[level] * 100
    added = fresh - 10 if verb == REPLACE_OWN else fresh
    share = most * PARTICIPATION[level]
    if added > 0 and share < 1.0:
        assert filled + 10 + added <= share / (1.0 - share) * market_lots


def test_who_submits_and_leaves_sends_what_a_cap_withheld_at_the_same_price() -> None:
    view, policy = seen(filled=0, open=0), by_name("submit-and-leave")
    pad = policy.new_pad()
    sent = []
    for open_lots, bid in ((0, 50), (25, 49), (100, 48)):
        view.side, view.open, view.bid, view.ask = BUY, open_lots, bid, bid + 2
        sent.append([(int(row.lots), int(row.tick)) for row in pad.children[: int(policy.decide(view, pad))]])
    assert sent == [[(100, 50)], [(75, 50)], []]


@pytest.mark.parametrize(
    ("level", "rests", "asked", "sends"),
    [(0, 30, 30, []), (0, 25, 30, [35]), (2, 25, 100, []), (2, 13, 100, []), (2, 12, 100, [105]), (2, 80, 100, []), (2, 80, 30, [35])],
)
def test_an_order_is_let_alone_where_it_is_as_large_as_asked_or_allowed(level: int, rests: int, asked: int, sends: list[int]) -> None:
    view, pad = seen(open=rests), by_name("nothing").new_pad()
    view.posture, view.own[0].lots, view.own[0].tick, view.own[0].slot = level / HALT, rests, 50, 1
    count = keep(view, pad, 50, asked)
    assert [int(row.lots) for row in pad.children[:count]] == sends  # with the 5 that are filled


def test_a_halt_leaves_holding_alone() -> None:
    view, out = seen(open=10), np.zeros(16, np.bool_)
    view.bid, view.ask, view.posture = 50, 54, 1.0
    mask(view, DISCRETE, out)
    assert out.tolist() == [True] + [False] * 15
    assert allowance(view) == 0


# Pace ----------------------------------------------------------------------------------------------------------------------------


def decided(side: int, posture: float, pressure: float, inner: str = "nothing", **how: Any) -> list[tuple[int, int, int]]:
    """(verb, kind, lots) of each child of a parent of 100 lots over 100 seconds, by default of a policy that does nothing."""
    now, resting = how.pop("now", 50), how.pop("resting", 0)
    view, policy = seen(open=resting), paced(by_name(inner), PaceSettings(**how))
    view.start, view.end, view.now, view.step = 0, 100 * SECOND, now * SECOND, SECOND
    view.side, view.posture = side, posture
    view.own[0].state, view.own[0].lots = (RESTING, resting) if resting else (0, 0)
    pad = policy.new_pad()
    pad.pressure = pressure
    rows = pad.children[: int(policy.decide(view, pad))]
    return [(int(row.verb), int(row.kind), int(row.lots)) for row in rows]


@pytest.mark.parametrize("way", [BUY, SELL])
def test_who_runs_with_the_pressure_is_done_early_and_never_later_than_without(way: int) -> None:
    assert decided(way, 2 / 3, 3.0 * way) == [(SUBMIT, MARKET, 5)]
    assert decided(way, 2 / 3, 3.0 * way, resting=98) == [(SUBMIT, MARKET, 2)]  # what rests keeps its place
    assert decided(way, 2 / 3, 3.0 * way, resting=100) == []
    assert decided(way, 2 / 3, 3.0 * way, inner="immediate") == decided(way, 0.0, 0.0, inner="immediate") == [(SUBMIT, MARKET, 100)]
    assert decided(way, 2 / 3, 3.0 * way, hasten_s=0.0) == []
    assert decided(-way, 2 / 3, 3.0 * way) == []


@pytest.mark.parametrize("way", [BUY, SELL])
def test_who_stands_against_it_waits_where_that_is_asked_for_but_not_till_there_is_no_time(way: int) -> None:
    assert decided(-way, 2 / 3, 3.0 * way, inner="immediate", wait=True) == []
    assert decided(-way, 2 / 3, 3.0 * way, wait=True, resting=10)[0][0] == CANCEL_OWN
    assert decided(-way, 2 / 3, 3.0 * way, wait=True, now=80) == [(SUBMIT, MARKET, 5)]
    assert decided(-way, 2 / 3, 3.0 * way, inner="immediate") == [(SUBMIT, MARKET, 100)]


@pytest.mark.parametrize(("posture", "pressure"), [(0.0, 9.0), (1 / 3, 9.0), (2 / 3, 1.9), (2 / 3, 0.0), (2 / 3, float("nan"))])
def test_a_milder_state_or_less_pressure_leaves_the_policy_alone(posture: float, pressure: float) -> None:
    assert decided(BUY, posture, pressure) == []
    assert decided(SELL, posture, pressure) == []


def test_a_pace_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="hasten_s"):
        PaceSettings(hasten_s=-1.0)


# Backtests -----------------------------------------------------------------------------------------------------------------------


def crash(policies: list[Any], **changes: Any) -> Result:
    """Twenty-four parents of two minutes in crowd:crash."""
    where = market("crowd:crash")
    return run(where, plan(where, 24, "1%volume", 120 * SECOND, "both", 7), policies, Settings(threads=1, **changes))


@pytest.fixture(scope="module")
def off() -> Result:
    """Without a posture."""
    return crash([by_name(name) for name in NAMES])


def test_where_the_posture_is_off_or_always_normal_all_is_as_without(off: Result) -> None:
    calm = CautionSettings(enters=(1e6, 2e6, 3e6), warm_s=0.0, stale_s=1e6)
    for settings_ in ({}, {"posture": calm}):
        wrapped = crash([paced(by_name(name)) for name in NAMES], **settings_)
        assert wrapped.costs.tobytes() == off.costs.tobytes()
        assert wrapped.outcomes.tobytes() == off.outcomes.tobytes()


def test_a_halt_from_beginning_to_end_leaves_all_to_the_completion(off: Result) -> None:
    halted = crash([by_name(name) for name in NAMES], posture=CautionSettings(enters=(-3e6, -2e6, -1e6)))
    assert (halted.outcomes["children"] == 0).all()
    assert (halted.outcomes["completed"] == [parent.lots for parent in halted.plan.parents]).all()
    assert (off.outcomes["children"] > 0).all()


def test_a_halt_pulls_what_rests() -> None:
    events = random_day(1, 1500, 120.0)
    late = events["time"] >= 60 * SECOND
    events["time"] = np.where(late, 60 * SECOND + (events["time"] - 60 * SECOND) // 20, events["time"])  # 20 times as fast
    how = CautionSettings(weights=(0.0,) * 7 + (1.0, 0.0), intercept=0.0, enters=(0.9, 0.95, 1.0), margin=0.0, warm_s=0.0, dwell=1000)
    worker = Worker(recorded_market(events), Settings(posture=how, threads=1), 0)
    worker.roll(20 * SECOND)
    row = parent(20 * SECOND, 63 * SECOND, 40)
    worker.work(row, by_name("passive"), 1)
    looks = worker.scratch.looks[: int(worker.scratch.looked)]
    seconds = (looks["time"] - 20 * SECOND) // SECOND
    assert (looks["open"][(seconds > 2) & (seconds < 39)] > 0).any()
    assert worker.cautions is not None
    assert int(worker.cautions[1][0].level) == HALT
    assert looks["open"][-1] == 0
    reports = worker.scratch.reports[: int(worker.scratch.count)]
    assert (reports["time"][reports["how"] == PASSIVE] < int(looks["time"][-1])).all()


def test_the_posture_binds_the_same_at_any_number_of_threads() -> None:
    how = {"posture": CautionSettings(enters=(0.0, 1.0, 9.0), dwell=5)}
    one = crash([paced(by_name("twap"))], **how)
    two = run(one.market, one.plan, [paced(by_name("twap"))], replace(one.settings, threads=2))
    assert one.costs.tobytes() == two.costs.tobytes()


# Side by side --------------------------------------------------------------------------------------------------------------------


def test_each_draws_tail_is_that_of_its_own_sample() -> None:
    rng = np.random.default_rng(0)
    values, blocks = rng.standard_normal(200), np.arange(200) // 2
    bootstrap = Bootstrap(blocks, 0)
    found = cvars(bootstrap, values)
    for draw in (0, 7, 9_999):
        sample = np.repeat(values, bootstrap.weights[draw][blocks].astype(int))
        assert found[draw] == pytest.approx(cvar(sample))


def test_rows_are_paired_by_policy_and_side(off: Result) -> None:
    on = crash([paced(by_name(name)) for name in NAMES], posture=CautionSettings(enters=(0.0, 0.5, 9.0)))
    with pytest.raises(BadInput, match="more than the posture"):
        postures(off, on)
    on = replace(on, plan=off.plan)
    rows = postures(off, on)
    assert [(row["side"], row["policy"]) for row in rows] == [(side, name) for side in ("both", "buy", "sell") for name in NAMES]
    changed = on.costs["is_bps"][0] - off.costs["is_bps"][0]
    assert rows[0]["mean_bps"] == pytest.approx(changed.mean())
    assert rows[0]["mean_low"] <= rows[0]["mean_bps"] <= rows[0]["mean_high"]
    assert rows[0]["cvar95_bps"] == pytest.approx(rows[0]["on_cvar95_bps"] - rows[0]["off_cvar95_bps"])
    assert np.abs(changed).max() > 0.0
    same = postures(off, off)
    assert all(row["mean_bps"] == row["cvar95_bps"] == row["cvar95_low"] == row["cvar95_high"] == 0.0 for row in same)


def test_the_command_prints_both() -> None:
    words = ["backtest", "--market", "crowd:crash", "--policies", "twap", "--parents", "8", "--horizon", "1min", "--threads", "1"]
    ran = tercet(*words, "--posture", "both", "--json", "-")
    told = said(ran)
    assert told["settings"]["posture"] == "intraday"
    assert [row["side"] for row in told["posture"]] == ["both", "buy", "sell"]
    assert "on less off" in ran.stderr
    refused(tercet(*words, "--posture", "brave"), "off, intraday, both")
