"""A backtest behind the gate: limits that bind nobody change nothing, others are never crossed, and refusals are counted."""

from pathlib import Path
from typing import Any

import numba
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
from tercet.orders.gated import Gated, gated
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
    refused(tercet(*some, "--strategy", "alpha"), "without limits")
    refused(tercet(*some, "--limits", path, "--strategy", "gamma"), "'gamma'")
