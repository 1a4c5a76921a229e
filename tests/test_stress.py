"""What positions would lose: by dates, by a user's shocks, and on average in the worst scenarios, each asset with its part."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.risk.stress import Scenarios, Shock, at_todays_volatility, between, conditional_value, filtered, shocked, worst_windows

DAY = 86_400 * 10**9


def made(count: int = 500, seed: int = 0) -> Scenarios:
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(4, (count, 3)) @ np.array([[1.0, 0.5, 0.1], [0.0, 0.8, 0.2], [0.0, 0.0, 1.2]])
    return Scenarios(("a", "b", "c"), np.arange(count, dtype=np.int64) * DAY, returns)


HELD = {"a": 100.0, "b": -40.0, "c": 60.0}


@given(st.integers(0, 1000), st.sampled_from([0.01, 0.025, 0.0333, 0.1]))
@settings(max_examples=20, deadline=None)
def test_contributions_add_up_and_are_the_slopes_of_the_mean(seed: int, level: float) -> None:
    scenarios = made(seed=seed)
    found = conditional_value(scenarios, HELD, level)
    assert sum(found.contributions.values()) == pytest.approx(found.cvar)
    assert found.cvar <= found.var
    for name, value in HELD.items():
        step = 1e-6 * abs(value)
        up, down = (conditional_value(scenarios, HELD | {name: value + sign * step}, level).cvar for sign in (1, -1))
        assert found.contributions[name] == pytest.approx(value * (up - down) / (2 * step), rel=1e-4, abs=1e-6)


def test_a_hedge_has_a_part_above_0_and_the_whole_is_less_than_its_parts_alone() -> None:
    held = HELD | {"b": -20.0}
    found = conditional_value(made(), held, 0.05)
    assert found.contributions["b"] > 0
    alone = sum(conditional_value(made(), {name: value}, 0.05).cvar for name, value in held.items())
    assert found.cvar > alone


def test_filtered_scenarios_have_todays_volatility() -> None:
    scenarios = made()
    variances = np.exp(np.random.default_rng(1).standard_normal((500, 3)))
    found = filtered(scenarios, variances, [4.0, 1.0, 9.0])
    assert found.returns[7] == pytest.approx(scenarios.returns[7] / variances[7] ** 0.5 * [2.0, 1.0, 3.0])


def test_todays_volatility_is_an_average_of_squares_that_was_told_the_evening_before() -> None:
    scenarios = made()
    found = at_todays_volatility(scenarios)
    h = float((scenarios.returns[:250, 1] ** 2).mean())
    told = []
    for value in scenarios.returns[:, 1]:
        told.append(h)
        h = 0.94 * h + 0.06 * value**2
    assert found.returns[:, 1] == pytest.approx(scenarios.returns[250:, 1] * np.sqrt(h / np.array(told[250:])))
    assert found.known[0] == 250 * DAY


def test_the_worst_windows_are_those_that_a_loop_finds() -> None:
    scenarios = made()
    grown = {first: np.prod(1 + scenarios.returns[first : first + 5] / 100, axis=0) - 1 for first in range(496)}
    profit = {first: float(grown[first] @ [100.0, -40.0, 60.0]) for first in grown}
    found = worst_windows(scenarios, HELD, length=5, count=4)
    assert found[0].stressed.profit == pytest.approx(min(profit.values()))
    assert found[0].first == min(profit, key=lambda first: profit[first])
    for one, other in [(a, b) for i, a in enumerate(found) for b in found[i + 1 :]]:
        assert one.last <= other.first or other.last <= one.first
        assert one.stressed.profit <= other.stressed.profit
    apart = {f: p for f, p in profit.items() if abs(f - found[0].first) >= 5}
    assert found[1].stressed.profit == pytest.approx(min(apart.values()))
    assert sum(found[0].stressed.parts.values()) == pytest.approx(found[0].stressed.profit)
    assert (
        found[0].stressed.name
        == str(np.datetime64(found[0].first * DAY, "ns"))[:10] + " to " + str(np.datetime64((found[0].last - 1) * DAY, "ns"))[:10]
    )


def test_a_scenario_by_dates_is_held_through_its_days() -> None:
    found = between(made(), HELD, "that week", 10 * DAY, 15 * DAY)
    assert (found.first, found.last) == (10, 15)
    assert found.stressed.parts["a"] == pytest.approx(100 * (np.prod(1 + made().returns[10:15, 0] / 100) - 1))


def test_shocks_of_a_user() -> None:
    asked = [Shock("crash", {"a": -20.0}, 3.0, rest=-10.0), Shock("squeeze", {"a": 0.0, "b": 50.0, "c": 0.0})]
    crash, squeeze = shocked(asked, HELD, shortfall=-5.0)
    assert crash.parts == pytest.approx({"a": -20.0, "b": 4.0, "c": -6.0})
    assert crash.profit == pytest.approx(-22.0)
    assert crash.shortfall == -15.0
    assert squeeze.profit == pytest.approx(-20.0)
    assert shocked(asked, HELD)[0].shortfall is None


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "a hole": (lambda: Scenarios(("a",), np.arange(3), np.array([[1.0], [np.nan], [2.0]])), "returns, value 1, 0: expected finite"),
    "days out of order": (lambda: Scenarios(("a",), np.array([0, 2, 1]), np.ones((3, 1))), "days were not in order"),
    "names": (lambda: Scenarios(("a", "a"), np.arange(3), np.ones((3, 2))), "expected one each, all different"),
    "an asset that nobody knows": (lambda: conditional_value(made(), {"z": 1.0}, 0.05), "no returns of z; expected assets among a, b, c"),
    "nothing held": (lambda: conditional_value(made(), {}, 0.05), "there were no positions"),
    "a position that is none": (lambda: conditional_value(made(), {"a": float("nan")}, 0.05), "positions, value 0: expected finite"),
    "too few scenarios": (lambda: conditional_value(made(50), HELD, 0.01), "50 values hold no share of 0.01; expected 100 or more"),
    "a level of a half": (lambda: conditional_value(made(), HELD, 0.5), "level was 0.5"),
    "a shock that says nothing of an asset": (lambda: shocked([Shock("x", {"a": -1.0})], HELD), "'x' says nothing of b, c"),
    "a loss of more than all": (lambda: Shock("x", {"a": -101.0}), "expected finite ones of -100% or more"),
    "a volatility of 0": (lambda: Shock("x", {"a": -1.0}, 0.0), "expected a multiplier above 0"),
    "dates without days": (lambda: between(made(), HELD, "later", 900 * DAY, 901 * DAY), "later: no day was known between"),
    "a window longer than all": (lambda: worst_windows(made(), HELD, 501), "length was 501"),
    "too few days for volatility": (lambda: at_todays_volatility(made(250)), "there were 250 days"),
    "variances of 0": (lambda: filtered(made(), np.zeros((500, 3)), np.ones(3)), "expected numbers above 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_asked_is_refused_in_a_sentence(name: str) -> None:
    ask, why = BAD[name]
    with pytest.raises(BadInput, match=why):
        ask()
