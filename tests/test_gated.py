"""A backtest behind the gate: limits that bind nobody change nothing, others are never crossed, and refusals are counted."""

from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from test_cli import refused, said, tercet

from tercet.backtest.markets import market
from tercet.backtest.parents import plan
from tercet.backtest.runner import Result, Settings, run
from tercet.bench.gate import unbound
from tercet.bench.gauntlet import LIMITS
from tercet.errors import BadInput
from tercet.execution.caution import CautionSettings
from tercet.execution.schedules import POLICIES, by_name
from tercet.market.events import BUY, SELL
from tercet.orders.checks import SYMBOL
from tercet.orders.gated import Gated, gated
from tercet.orders.gating import band
from tercet.orders.limits import Limits, changed

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="a backtest takes minutes with uncompiled code")

SECOND = 10**9


def limits(**changes: Any) -> Limits:
    """Limits that bind nobody, but for `changes` by dotted names with __ for the dot."""
    return changed(unbound("ZERO"), {name.replace("__", "."): value for name, value in changes.items()})


def worked(policies: list[Any], lots: str = "2000", threads: int = 1) -> Result:
    """Thirty parents of a minute in crowd:zero."""
    where = market("crowd:zero")
    return run(where, plan(where, 30, lots, 60 * SECOND, "both", 3), policies, Settings(step_ns=SECOND, threads=threads))


def test_limits_that_bind_nobody_change_nothing() -> None:
    plain = [by_name(name) for name in POLICIES]
    behind = [gated(policy, limits(), "alpha", "ZERO") for policy in plain]
    before, after = worked(plain), worked(behind)
    assert before.costs.tobytes() == after.costs.tobytes()
    assert before.policies == after.policies
    assert [policy.refused for policy in behind] == [{}] * len(behind)


@pytest.mark.parametrize("collar", [1.0, 1.5, 50.0, float("inf")])
def test_a_collar_beyond_which_no_price_lies_refuses_no_market_order(collar: float) -> None:
    try:
        allowed = limits(instrument__ZERO__collar=collar)
    except BadInput:  # a share above 1 may be no limit at all
        assert collar > 1.0
        return
    names = ("twap", "immediate", "passive-then-cross")
    behind = [gated(by_name(name), allowed, "alpha", "ZERO") for name in names]
    assert worked([by_name(name) for name in names]).costs.tobytes() == worked(behind).costs.tobytes()
    assert [policy.refused for policy in behind] == [{}] * len(behind)


def banded(collar: float, low: int = 1, high: int = 10**9) -> Any:
    """A SYMBOL with a collar and a venue's band."""
    symbol = np.zeros(1, SYMBOL).view(np.recarray)[0]
    symbol.collar, symbol.band_low, symbol.band_high = collar, low, high
    return symbol


@pytest.mark.parametrize(
    ("symbol", "mid", "side", "tick"),
    [
        (banded(0.01), 100.0, BUY, 101),
        (banded(0.01), 100.0, SELL, 99),  # the price that is 1% away is within
        (banded(0.01), 150.0, BUY, 151),
        (banded(0.01), 150.0, SELL, 149),
        (banded(0.0), 100.5, BUY, 100),
        (banded(0.0), 100.5, SELL, 101),
        (banded(0.1, 95, 105), 100.0, BUY, 105),
        (banded(0.1, 95, 105), 100.0, SELL, 95),
        (banded(1.0), 100.5, BUY, 201),
        (banded(1.0), 100.5, SELL, 1),
        (banded(float("inf")), 100.0, BUY, 200),
        (banded(float("inf")), 100.0, SELL, 1),
        (banded(7.0), 100.0, SELL, 1),
        (banded(0.01), 0.0, BUY, 0),
        (banded(0.01), -1.0, SELL, 0),
        (banded(0.01), float("nan"), BUY, 0),
        (banded(0.01), float("inf"), SELL, 0),
        (banded(0.01), 1e300, BUY, 0),
    ],
)
def test_the_band_of_a_market_order_by_hand(symbol: Any, mid: float, side: int, tick: int) -> None:
    assert band(symbol, mid, side) == tick


@pytest.mark.parametrize(("sides", "refused"), [((BUY,), SELL), ((SELL,), BUY), ((BUY, SELL), 0)])
def test_a_side_that_the_strategy_has_not_is_refused_as_a_gate_outside_refuses_it(sides: tuple[int, ...], refused: int) -> None:
    behind = gated(by_name("twap"), limits(strategy__alpha__sides=sides), "alpha", "ZERO")
    done = worked([behind])
    sent = {side: sum(done.outcomes["children"][0][[parent.side == side for parent in done.plan.parents]]) for side in (BUY, SELL)}
    assert [side for side, count in sent.items() if not count] == ([refused] if refused else [])
    assert behind.refused.keys() == ({"permissions"} if refused else set())


def test_a_gate_that_refuses_everything_says_so_and_one_that_lets_a_child_through_does_not() -> None:
    shut = gated(by_name("twap"), limits(strategy__alpha__messages=0), "alpha", "ZERO")
    narrow = gated(by_name("twap"), limits(instrument__ZERO__lots=30), "alpha", "ZERO")
    quiet = gated(by_name("nothing"), limits(strategy__alpha__messages=0), "alpha", "ZERO")
    worked([shut]), worked([narrow], lots="400"), worked([quiet])
    assert [one.silenced for one in (shut, narrow, quiet)] == [True, False, False]


def test_two_threads_refuse_what_one_does() -> None:
    counts, costs = [], []
    for threads in (1, 2):
        policy = gated(by_name("twap"), limits(instrument__ZERO__lots=30), "alpha", "ZERO")
        costs.append(worked([policy], threads=threads).costs)
        counts.append(policy.refused)
    assert counts[0] == counts[1]
    assert counts[0].keys() == {"largest_quantity"}
    assert costs[0].tobytes() == costs[1].tobytes()


def test_a_posture_leaves_a_share_of_the_limits() -> None:
    always = CautionSettings(enters=(-2.0, -1.0, 90.0), intercept=0.0, weights=(0.0,) * 9)
    where, refused = market("crowd:zero"), {}
    for largest in (51, 49):  # in DEFENSIVE, a quarter of what it is; of 200 lots one child has 50
        policy = gated(by_name("immediate"), limits(instrument__ZERO__lots=4 * largest), "alpha", "ZERO")
        run(where, plan(where, 6, "200", 60 * SECOND, "both", 3), [policy], Settings(step_ns=SECOND, threads=1, posture=always))
        refused[largest] = policy.refused
    assert refused[51] == {}
    assert refused[49].keys() == {"largest_quantity"}


def total(policy: Gated) -> int:
    """How many children were refused."""
    return sum(policy.refused.values())


@pytest.mark.parametrize(
    ("rule", "changes", "policy"),
    [
        ("largest_quantity", {"instrument__ZERO__lots": 100}, "immediate"),
        ("largest_value", {"instrument__ZERO__value": 100.0}, "immediate"),
        ("price_collar", {"instrument__ZERO__far": 0.0}, "passive"),
        ("message_rate", {"strategy__alpha__messages": 0}, "twap"),
        ("position", {"instrument__ZERO__position": 500}, "immediate"),
        ("exposure", {"desk__cash__gross": 1000.0}, "immediate"),
        ("open_orders", {"firm__open_orders": 0}, "passive"),
        ("participation", {"instrument__ZERO__volume_share": 1e-6}, "twap"),
        ("duplicates", {"windows__duplicates_s": 300.0}, "twap"),
    ],
)
def test_a_limit_refuses_its_children_and_no_other_control_speaks(rule: str, changes: dict[str, Any], policy: str) -> None:
    tried = gated(by_name(policy), limits(**changes), "alpha", "ZERO")
    worked([tried])
    assert tried.refused.keys() == {rule}


def test_a_smaller_largest_order_refuses_more() -> None:
    tried = [gated(by_name("immediate"), limits(instrument__ZERO__lots=most), "alpha", "ZERO") for most in (10**6, 1999, 1)]
    for one in tried:
        worked([one])
    assert total(tried[0]) == 0 < total(tried[1]) <= total(tried[2])


def test_what_has_no_limit_is_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="no OTHER of strategy 'alpha'; expected one of alpha"):
        gated(by_name("twap"), limits(), "alpha", "OTHER")
    with pytest.raises(BadInput, match="strategy 'gamma'"):
        gated(by_name("twap"), limits(), "gamma", "ZERO")


def test_the_command_line_tells_what_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(LIMITS.replace("instrument.ONE", "instrument.ZERO").replace('"ONE"', '"ZERO"'))
    some = ("backtest", "--market", "crowd:zero", "--policies", "twap", "--parents", 4, "--size", 2000, "--horizon", "1min")
    told = said(tercet(*some, "--limits", path, "--strategy", "alpha", "--json", "-"))
    assert sum(told["refused"]["twap"].values()) > 0
    assert set(told["refused"]["twap"]) <= {"conformity", "participation", "permissions", "repeated_execution", "exposure", "position"}
    one_way = tercet(*some, "--side", "sell", "--limits", path, "--strategy", "beta", "--json", "-")  # which may only buy
    assert "twap: void, the gate refused all of its orders" in " ".join(one_way.stderr.split())
    assert said(one_way)["policies"][0]["void"]
    refused(tercet(*some, "--strategy", "alpha"), "without limits")
    refused(tercet(*some, "--limits", path, "--strategy", "gamma"), "'gamma'")
