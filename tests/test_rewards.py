"""Each reward by hand: rows written here, the number worked out here."""

from typing import Any

import numpy as np
import pytest

from tercet.compiled import compiled
from tercet.envs.execution import EnvSettings
from tercet.envs.making import make_members
from tercet.envs.rewards import FILLS, FILLS_SHOWN, MADE, OWN_PARAMS, PARAMS, REWARD, REWARDS, reward, variance
from tercet.errors import BadInput
from tercet.execution.view import VIEW


def rows(**terms: float) -> tuple[Any, Any, Any, Any]:
    """(before, after, fills, params): a parent of 400 lots of which 100 are filled, at a mid of 5000 ticks, three seconds apart."""
    before, after, fills, params = (np.zeros(1, kind).view(np.recarray)[0] for kind in (VIEW, VIEW, FILLS, PARAMS))
    before.lots, before.filled, before.volatility_long, before.arrival_mid, before.now = 400, 100, 2.0, 5000.0, 7_000_000_000
    after.lots, after.filled, after.volatility_long, after.arrival_mid, after.now = 500, 200, 8.0, 5500.0, 10_000_000_000
    fills.cost, fills.impact, fills.completed = terms.get("cost", 1.5), terms.get("filled_impact", 0.25), terms.get("completed", 60)
    params.risk_aversion, params.impact, params.terminal = 0.125, 3.0, 5.0
    return before, after, fills, params


LEFT, SIGMA, SECONDS = 300 / 400, 1e4 * 2.0 / 5000.0, 3.0
BY_HAND = {
    "shortfall": -1.5,
    "impact-averse": -1.5 - 3.0 * 0.25,
    "risk-averse": -1.5 - 0.125 * LEFT * LEFT * SIGMA * SIGMA * SECONDS,
    "on-time": -1.5 - 5.0 * 60 / 400,
}


def test_every_reward_that_ships_has_its_number_here() -> None:
    assert REWARDS.keys() == BY_HAND.keys()
    assert [made.__name__ for made in REWARDS.values()] == [name.replace("-", "_") for name in REWARDS]


@pytest.mark.parametrize("name", BY_HAND)
def test_a_reward_is_what_its_formula_says(name: str) -> None:
    assert REWARDS[name](*rows()) == pytest.approx(BY_HAND[name], rel=1e-15)


@pytest.mark.parametrize("name", BY_HAND)
def test_what_trades_below_the_arrival_price_is_rewarded_by_as_much(name: str) -> None:
    less = REWARDS[name](*rows(cost=1.5)) - REWARDS[name](*rows(cost=-2.5))
    assert less == pytest.approx(-4.0, rel=1e-14)


@pytest.mark.parametrize(
    ("name", "term", "slope"),
    [("impact-averse", "filled_impact", -3.0), ("on-time", "completed", -5.0 / 400), ("shortfall", "completed", 0.0)],
)
def test_a_reward_falls_by_its_weight_with_what_it_is_averse_to(name: str, term: str, slope: float) -> None:
    high, low = (REWARDS[name](*rows(**{term: value})) for value in (80, 30))
    assert high - low == pytest.approx(50 * slope, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", BY_HAND)
def test_without_its_weight_every_reward_is_the_shortfall(name: str) -> None:
    before, after, fills, params = rows()
    params.risk_aversion = params.impact = params.terminal = 0.0
    assert REWARDS[name](before, after, fills, params) == -1.5


@pytest.mark.parametrize("filled", [0, 1, 200, 399, 400])
@pytest.mark.parametrize("seconds", [0.0, 1.0, 12.5])
def test_the_variance_is_that_of_what_is_left_in_bps_of_the_parent(filled: int, seconds: float) -> None:
    before = rows()[0]
    before.filled = filled
    expected = ((400 - filled) / 400) ** 2 * (2.0 * 1e4 / 5000.0) ** 2 * seconds
    assert variance(before, seconds) == pytest.approx(expected, rel=1e-15)


def test_the_risk_averse_pay_for_the_time_between_two_decisions_by_what_they_knew_at_the_first() -> None:
    before, after, fills, params = rows(cost=0.0)
    once = REWARDS["risk-averse"](before, after, fills, params)
    after.now = 13_000_000_000
    assert REWARDS["risk-averse"](before, after, fills, params) == pytest.approx(2 * once, rel=1e-14)
    after.filled, after.volatility_long, after.arrival_mid, after.lots = 400, 99.0, 1.0, 1
    assert REWARDS["risk-averse"](before, after, fills, params) == pytest.approx(2 * once, rel=1e-14)
    before.filled = 400
    assert REWARDS["risk-averse"](before, after, fills, params) == 0.0


def test_the_rows_that_rewards_read_are_as_documented() -> None:
    assert FILLS["rows"].shape == (FILLS_SHOWN,) == (32,)
    assert PARAMS["own"].shape == (OWN_PARAMS,) == (8,)
    assert FILLS.names == ("cost", "impact", "lots", "completed", "ended", "count", "rows")
    assert PARAMS.names == ("risk_aversion", "impact", "terminal", "own")
    assert {FILLS[name] for name in ("cost", "impact")} == {np.dtype(np.float64)}
    assert {FILLS[name] for name in ("lots", "completed", "ended", "count")} == {np.dtype(np.int64)}
    assert FILLS.isalignedstruct
    assert FILLS.itemsize % 8 == 0


def test_a_reward_of_ones_own_is_known_once_it_is_made_and_no_other_function_is() -> None:
    def mine(before: Any, after: Any, fills: Any, params: Any) -> Any:
        """The seventh number of one's own."""
        return params.own[6] + fills.count

    made = reward(mine)
    assert any(made is one for one in MADE)
    assert made.signatures == [REWARD.args]
    before, after, fills, params = rows()
    params.own[6], fills.count = 2.5, 4
    assert made(before, after, fills, params) == 6.5
    assert EnvSettings(reward=made).reward is made
    for other in (compiled(REWARD)(mine), mine, "luck"):
        with pytest.raises(BadInput, match="expected one of shortfall, impact-averse, risk-averse, on-time or a function made by @reward"):
            EnvSettings(reward=other)


@pytest.mark.parametrize("name", BY_HAND)
def test_an_environment_hands_its_weights_to_its_reward(name: str) -> None:
    """In an episode of one decision the rewards are the episode's own figures."""
    terms = {"bank": 1, "step": "30s", "horizon": ("30s",), "lots": 40, "risk_aversion": 0.5, "impact": 2.0, "terminal": 7.0}
    members = make_members("tercet/Zero-v0", 1, reward=name, actions="discrete", **terms)
    members.begin(np.zeros(1, np.int64))
    first = members._view(0).copy()  # type: ignore[attr-defined]
    members.step(np.zeros(1, np.int64))
    ended = members.ended(0)
    left = {"shortfall": 0.0, "impact-averse": 2.0 * (ended["spread_bps"] + ended["walk_bps"] + ended["completion_bps"]), "on-time": 7.0}
    left["risk-averse"] = 0.5 * (1e4 * first.volatility_long / first.arrival_mid) ** 2 * 30.0
    assert members.rewards[0] == pytest.approx(-ended["is_bps"] - left[name], rel=1e-9)
