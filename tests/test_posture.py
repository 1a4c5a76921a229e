"""A worse input never makes the posture bolder; it does not flap; and who cannot see is at least DEFENSIVE."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.risk.posture import CAPS, PostureSettings, Risks, Stance, State, binding, multiplier, walked

CALM = Risks(10.0, 1.0, 0.0, 0.0, 0.0)
NAMES = ("volatility", "shortfall", "drawdown", "stress", "width", "late_s")
HOW = PostureSettings(dwell=3)
AIM = PostureSettings(volatility=12.0, shortfall=1.8, drawdown_begins=0.05, drawdown_ends=0.3)

risks = st.builds(
    Risks,
    st.floats(1, 120) | st.just(float("inf")),
    st.floats(0.1, 12),
    st.floats(0, 0.9),
    st.floats(0, 1),
    st.floats(0, 3),
    st.sampled_from([0.0, 1e3, 4e5]),
)
worse = st.tuples(st.sampled_from(NAMES), st.floats(0, 3))


def worsened(one: Risks, by: tuple[str, float]) -> Risks:
    name, much = by
    return replace(one, **{name: getattr(one, name) * (1 + much) + (0.1 * much if name != "late_s" else 1e5 * much)})


@given(st.lists(st.tuples(risks, worse, st.booleans()), min_size=1, max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_worse_history_never_ends_in_a_bolder_posture(history: list[tuple[Risks, tuple[str, float], bool]]) -> None:
    mild, bad = Stance(HOW), Stance(HOW)
    for time, (one, by, hit) in enumerate(history):
        found, other = mild.update(time, one), bad.update(time, worsened(one, by) if hit else one)
        assert other.level >= found.level
        assert other.multiplier <= found.multiplier
        for cap in ("participation", "child", "gross", "net", "name"):
            assert getattr(other, cap) <= getattr(found, cap)


@given(st.lists(risks, min_size=1, max_size=80))
@settings(max_examples=200, deadline=None)
def test_a_state_is_entered_at_once_and_left_after_its_dwell_only(history: list[Risks]) -> None:
    found, _ = walked(np.arange(len(history)), history, HOW)
    levels = [one.level for one in found]
    for place in range(1, len(levels)):
        if levels[place] < levels[place - 1]:
            entered = (
                max(i for i in range(place) if levels[i] == levels[place - 1] and (i == 0 or levels[i - 1] < levels[i]))
                if any(levels[i - 1] < levels[i] for i in range(1, place))
                else 0
            )
            assert place - entered >= HOW.dwell


def test_a_multiplier_that_wavers_about_a_threshold_does_not_flap() -> None:
    wave = [replace(CALM, volatility=15.0 + 0.3 * (-1) ** i) for i in range(50)]  # 12 / 15 is where CAUTIOUS begins
    levels = [one.level for one in walked(np.arange(50), wave, AIM)[0]]
    assert levels == [0] + [1] * 49 or levels == [1] * 50


@pytest.mark.parametrize("name", NAMES)
def test_who_cannot_see_is_at_least_defensive(name: str) -> None:
    found = Stance(AIM).update(0, replace(CALM, **{name: float("nan")}))
    assert State[found.state] >= State.DEFENSIVE
    assert found.reason == f"blind: {name}"
    assert found.multiplier <= CAPS[State.DEFENSIVE].gross
    late = Stance(AIM).update(0, replace(CALM, late_s=5 * 86_400.0))
    assert (late.state, late.reason) == ("DEFENSIVE", "blind: 5.0 days late")


def test_an_infinite_risk_is_the_worst_and_one_below_zero_none() -> None:
    found = Stance(AIM).update(0, replace(CALM, volatility=float("inf")))
    assert (found.state, found.multiplier) == ("HALT", 0.0)
    assert Stance(AIM).update(0, replace(CALM, shortfall=-5.0)).reason == "blind: shortfall"


def test_what_is_blind_in_one_eye_still_sees_with_the_other() -> None:
    found = Stance().update(0, Risks(float("nan"), 1.0, 0.0, 1.0, 0.0))
    assert (found.state, found.multiplier) == ("HALT", 0.0)


def test_the_multiplier_is_the_least_of_its_parts() -> None:
    how = AIM
    assert multiplier(CALM, how) == 1.0
    assert multiplier(replace(CALM, volatility=24.0), how) == pytest.approx(0.5)
    assert multiplier(replace(CALM, shortfall=7.2), how) == pytest.approx(0.25)
    assert multiplier(replace(CALM, drawdown=0.175), how) == pytest.approx(1 - 0.8 * 0.5)
    assert multiplier(replace(CALM, drawdown=0.9), how) == pytest.approx(how.least)
    assert multiplier(replace(CALM, stress=0.3), how) == pytest.approx(0.7)
    assert multiplier(replace(CALM, width=1.0), how) == pytest.approx(0.5)
    assert multiplier(replace(CALM, volatility=24.0, stress=0.9), how) == pytest.approx(0.1)
    assert binding(replace(CALM, volatility=24.0, stress=0.9), how) == "stress"
    assert binding(CALM, how) == "none"


def test_settings_that_are_no_order_are_refused() -> None:
    with pytest.raises(BadInput, match="expected enters that fall"):
        PostureSettings(enters=(0.4, 0.5, 0.1))
    with pytest.raises(BadInput, match="drawdown_begins < drawdown_ends"):
        PostureSettings(drawdown_begins=0.5)
