"""A worse input never makes the posture bolder; it does not flap; and who cannot see is at least DEFENSIVE."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.risk.posture import (
    CAPS,
    PostureSettings,
    Risks,
    Stance,
    State,
    Usual,
    against_usual,
    beyond,
    binding,
    late,
    multiplier,
    unknown,
    walked,
)

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


# What is usual --------------------------------------------------------------------------------------------------------------------------

USUAL = Usual(volatility=20.0, stress=0.2, drawdown=0.1)
usuals = st.builds(Usual, st.floats(0.5, 80), st.floats(0, 0.9), st.floats(0, 0.9))


@given(st.lists(st.tuples(risks, worse, st.booleans(), usuals), min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_a_worse_history_never_ends_bolder_whatever_is_usual(history: list[tuple[Risks, tuple[str, float], bool, Usual]]) -> None:
    mild, bad = Stance(HOW), Stance(HOW)
    for time, (one, by, hit, usual) in enumerate(history):
        here = replace(one, usual=usual)
        found, other = mild.update(time, here), bad.update(time, worsened(here, by) if hit else here)
        assert other.level >= found.level
        assert other.multiplier <= found.multiplier


@given(risks, usuals, st.floats(0.05, 20))
@settings(max_examples=150, deadline=None)
def test_a_market_of_another_volatility_has_the_same_state(one: Risks, usual: Usual, times: float) -> None:
    here = replace(one, usual=usual)
    there = replace(
        here,
        volatility=times * here.volatility,
        shortfall=times * here.shortfall,
        usual=replace(usual, volatility=times * usual.volatility),
    )
    first, second = against_usual(here, HOW), against_usual(there, HOW)
    assert (first.volatility, first.shortfall) == pytest.approx((second.volatility, second.shortfall))
    assert multiplier(first, HOW) == pytest.approx(multiplier(second, HOW))


@pytest.mark.parametrize("level", [4.0, 16.0, 60.0])
def test_states_begin_at_multiples_of_the_usual_volatility(level: float) -> None:
    how = PostureSettings()
    usual = Usual(level)

    def state(times: float) -> str:
        return Stance(how).update(0, Risks(times * level, 0.01 * level, 0.0, 0.0, 0.0, usual=usual)).state

    begins = [how.calm / one for one in how.enters]  # 1.75, 3.11 and 28 times
    assert [state(0.999 * one) for one in (1.0, *begins)] == ["NORMAL", "NORMAL", "CAUTIOUS", "DEFENSIVE"]
    assert [state(1.001 * one) for one in begins] == ["CAUTIOUS", "DEFENSIVE", "HALT"]


def test_risks_against_the_usual_are_in_its_units() -> None:
    how = PostureSettings(volatility=8.0, calm=1.4)
    found = against_usual(Risks(56.0, 7.0, 0.55, 0.6, 0.5, 7.0, USUAL), how)
    assert (found.volatility, found.shortfall) == pytest.approx((16.0, 2.0))  # 56 / 20 / 1.4 times what is aimed at
    assert (found.drawdown, found.stress) == pytest.approx((0.5, 0.5))
    assert (found.width, found.late_s, found.usual) == (0.5, 7.0, None)
    below = against_usual(Risks(10.0, 1.0, 0.05, 0.1, 0.0, usual=USUAL), how)
    assert (below.drawdown, below.stress) == (0.0, 0.0)
    assert against_usual(CALM, how) is CALM
    assert beyond(0.3, 0.0) == pytest.approx(0.3)
    assert beyond(1.0, 0.7) == pytest.approx(1.0)


def test_a_restless_market_is_smaller_and_not_always_defensive() -> None:
    stance = Stance()
    found = [stance.update(day, Risks(40.0, 4.0, 0.0, 0.3, 0.0, usual=Usual(40.0, 0.3))) for day in range(10)]
    assert {one.state for one in found} == {"NORMAL"}
    assert [one.multiplier for one in found] == pytest.approx([0.2] * 10)
    assert {one.reason for one in found} == {"volatility"}


def test_the_reason_names_what_set_the_size_and_what_set_the_state() -> None:
    size = Risks(40.0, 1.0, 0.0, 0.4, 0.0, usual=Usual(40.0))
    assert Stance().update(0, size).reason == "volatility; CAUTIOUS by stress"
    assert Stance().update(0, replace(size, stress=0.0)).reason == "volatility"
    assert Stance().update(0, replace(size, stress=0.9)).reason == "stress"
    assert Stance().update(0, Risks(8.0, 1.0, 0.0, 0.0, 0.0, usual=Usual(1.0))).reason == "none; DEFENSIVE by volatility"
    stance = Stance()
    stance.update(0, replace(size, stress=0.4))
    assert stance.update(1, replace(size, stress=0.0)).reason == "volatility"  # CAUTIOUS still, though nothing is unusual now


@pytest.mark.parametrize("usual", [Usual(0.0), Usual(-1.0), Usual(float("inf")), Usual(float("nan")), Usual(9.0, 1.0), Usual(9.0, -0.1)])
def test_who_does_not_know_what_is_usual_is_blind(usual: Usual) -> None:
    found = Stance(AIM).update(0, replace(CALM, usual=usual))
    assert (found.state, found.reason) == ("DEFENSIVE", "blind: usual")
    assert found.multiplier == pytest.approx(0.25)
    assert np.isnan(multiplier(replace(CALM, usual=usual), AIM))
    worst = Stance(AIM).update(0, replace(CALM, usual=usual, volatility=float("inf")))
    assert (worst.state, worst.multiplier) == ("HALT", 0.0)


def test_what_can_be_usual_has_ends() -> None:
    assert Usual(1e-9, 0.0, 0.0).known()
    assert Usual(1.0, 0.999, 0.999).known()
    assert not Usual(1.0, 0.0, 1.0).known()
    assert not Usual(1.0, 0.0, -1e-9).known()
    assert not Usual(1.0, float("nan")).known()
    assert not Usual(1.0, 0.0, float("nan")).known()
    assert (Usual(5.0).stress, Usual(5.0).drawdown) == (0.0, 0.0)


def test_blind_in_one_eye_the_state_still_sees_what_is_unusual() -> None:
    found = Stance().update(0, Risks(float("nan"), 1.0, 0.0, 0.99, 0.0, usual=Usual(20.0, 0.5)))
    assert found.state == "HALT"
    assert found.reason == "blind: volatility"
    milder = Stance().update(0, Risks(float("nan"), 1.0, 0.0, 0.5, 0.0, usual=Usual(20.0, 0.5)))
    assert (milder.state, milder.multiplier) == ("DEFENSIVE", pytest.approx(0.25))


# Steps and boundaries -------------------------------------------------------------------------------------------------------------------


def at(share: float) -> Risks:
    """Risks whose multiplier is `share`, by the chance of a crash."""
    return Risks(1.0, 0.1, 0.0, 1.0 - share, 0.0)


def test_a_state_ends_after_its_dwell_at_its_margin_and_not_before() -> None:
    how = PostureSettings(dwell=3, margin=0.1)  # CAUTIOUS below .8, until .9
    below, short, above = at(0.79), at(0.895), at(0.905)
    stance = Stance(how)
    story = [below, above, above, short, above, above, above]
    assert [stance.update(i, one).level for i, one in enumerate(story)] == [1, 1, 1, 1, 1, 1, 0]
    again = Stance(how)
    assert [again.update(i, one).level for i, one in enumerate([at(0.81), at(0.8), at(0.7999)])] == [0, 0, 1]


def test_a_margin_beyond_one_ends_at_one() -> None:
    stance = Stance(PostureSettings(margin=5.0, dwell=1))
    assert [stance.update(i, at(one)).level for i, one in enumerate([0.5, 0.999, 1.0])] == [1, 1, 0]


def test_the_size_comes_back_in_the_steps_in_which_it_fell() -> None:
    usual = Usual(1e6)  # nothing is unusual
    stance = Stance(PostureSettings(dwell=2))
    found = [
        stance.update(i, replace(CALM, volatility=8 / one, usual=usual)) for i, one in enumerate([1.0, 0.44, 0.5, 0.6, 0.6, 0.95, 0.95])
    ]
    assert {one.state for one in found} == {"NORMAL"}
    assert [one.multiplier for one in found] == pytest.approx([1.0, 0.4, 0.4, 0.4, 0.6, 0.75, 0.95])


def test_the_caps_of_a_posture_are_those_of_its_state() -> None:
    for share, state in ((1.0, State.NORMAL), (0.6, State.CAUTIOUS), (0.3, State.DEFENSIVE), (0.01, State.HALT)):
        found, caps = Stance().update(77, at(share)), CAPS[state]
        assert (found.time, found.state, found.level) == (77, state.name, int(state))
        for name in ("participation", "child", "passive", "gross", "net", "name"):
            assert getattr(found, name) == getattr(caps, name)
        assert found.multiplier == pytest.approx(min(share, caps.gross))
        assert found.reason == ("none" if share == 1.0 else "stress")
    assert [CAPS[one].passive for one in State] == [0.0, 0.25, 0.5, 1.0]
    assert [CAPS[one].gross for one in State] == [1.0, 0.75, 0.4, 0.0]
    assert all(CAPS[one].gross == CAPS[one].net == CAPS[one].name for one in State)
    assert list(State) == [0, 1, 2, 3]


def test_the_aims_and_the_throttle_bind_from_their_ends_on() -> None:
    how = PostureSettings()
    assert (how.volatility, how.shortfall, how.calm, how.enters, how.margin, how.dwell) == (8.0, 1.6, 1.4, (0.8, 0.45, 0.05), 0.1, 5)
    assert (how.drawdown_begins, how.drawdown_ends, how.least, how.stress, how.stale_s) == (0.1, 0.4, 0.2, 1.0, 4.5 * 86_400)
    easy = Risks(8.0, 1.6, 0.1, 0.0, 0.0)
    assert multiplier(easy, how) == 1.0
    for name, value, share in (
        ("volatility", 16.0, 0.5),
        ("shortfall", 3.2, 0.5),
        ("drawdown", 0.25, 0.6),
        ("drawdown", 0.4, 0.2),
        ("drawdown", 1.0, 0.2),
        ("stress", 1.0, 0.0),
        ("width", 3.0, 0.25),
        ("late_s", 1e9, 1.0),
    ):
        assert multiplier(replace(easy, **{name: value}), how) == pytest.approx(share), name
    assert multiplier(replace(easy, stress=0.5), replace(how, stress=0.4)) == pytest.approx(0.8)
    assert multiplier(replace(easy, stress=2.0), how) == 0.0


def test_lateness_is_stale_beyond_its_limit_and_said_in_words() -> None:
    how = PostureSettings(stale_s=100.0)
    assert Stance(how).update(0, replace(CALM, late_s=100.0, volatility=8.0)).state == "NORMAL"
    found = Stance(how).update(0, replace(CALM, late_s=100.1, volatility=8.0))
    assert (found.state, found.reason, found.multiplier) == ("DEFENSIVE", "blind: 0.0 hours late", 0.25)
    assert late(2 * 86_400) == "2.0 days late"
    assert late(2 * 86_400 - 360) == "47.9 hours late"
    assert late(7200) == "2.0 hours late"


def test_inputs_that_are_no_risk_are_named_in_order() -> None:
    nothing = float("nan")
    assert unknown(Risks(nothing, -0.1, 0.0, nothing, -1.0, -5.0)) == ["volatility", "shortfall", "stress", "width", "late_s"]
    assert unknown(Risks(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)) == []
    assert unknown(Risks(nothing, 0.0, 0.0, 0.0, 0.0, 0.0, Usual(0.0))) == ["volatility", "usual"]
    found = Stance().update(0, Risks(nothing, nothing, 0.0, 0.0, 0.0))
    assert found.reason == "blind: volatility, shortfall"


@pytest.mark.parametrize("name", ["volatility", "shortfall", "drawdown", "stress", "width"])
def test_the_input_that_binds_is_the_one_that_alone_is_least(name: str) -> None:
    mild = {"volatility": 9.0, "shortfall": 1.7, "drawdown": 0.12, "stress": 0.02, "width": 0.05}
    bad = {"volatility": 80.0, "shortfall": 16.0, "drawdown": 0.4, "stress": 0.95, "width": 9.0}
    assert binding(Risks(**(mild | {name: bad[name]})), PostureSettings()) == name


def test_a_walk_gives_a_posture_a_time_and_their_multipliers() -> None:
    found, shares = walked(np.array([3, 9]), [at(1.0), at(0.5)], HOW)
    assert [(one.time, one.state) for one in found] == [(3, "NORMAL"), (9, "CAUTIOUS")]
    assert shares.tolist() == pytest.approx([1.0, 0.5])
    with pytest.raises(ValueError, match="argument 2 is longer"):
        walked(np.array([3]), [at(1.0), at(0.5)], HOW)
    assert Stance().settings == PostureSettings()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an enter above 1": ({"enters": (1.01, 0.5, 0.1)}, "expected enters that fall"),
    "the first two alike": ({"enters": (0.5, 0.5, 0.1)}, "expected enters that fall"),
    "the last two alike": ({"enters": (0.6, 0.1, 0.1)}, "expected enters that fall"),
    "an enter below 0": ({"enters": (0.6, 0.1, -0.01)}, "expected enters that fall"),
    "a margin below 0": ({"margin": -0.01}, "margin >= 0"),
    "no dwell": ({"dwell": 0}, "dwell >= 1"),
    "no aim": ({"volatility": 0.0}, "aims above 0"),
    "an aim below 0": ({"volatility": -1.0}, "aims above 0"),
    "no shortfall": ({"shortfall": 0.0}, "aims above 0"),
    "a shortfall below 0": ({"shortfall": -1.0}, "aims above 0"),
    "stale at once": ({"stale_s": 0.0}, "aims above 0"),
    "stale before": ({"stale_s": -1.0}, "aims above 0"),
    "no calm": ({"calm": 0.0}, "calm was 0.0; expected how many times"),
    "calm below 0": ({"calm": -1.0}, "calm was -1.0"),
    "calm without end": ({"calm": float("inf")}, "calm was inf"),
    "calm that is none": ({"calm": float("nan")}, "calm was nan"),
    "a throttle from below 0": ({"drawdown_begins": -0.01}, "0 <= drawdown_begins < drawdown_ends"),
    "a throttle that ends where it begins": ({"drawdown_begins": 0.4}, "drawdown_begins < drawdown_ends"),
    "a throttle beyond 1": ({"drawdown_ends": 1.01}, "drawdown_ends <= 1"),
    "least below 0": ({"least": -0.01}, "least and stress from 0 to 1"),
    "least above 1": ({"least": 1.01}, "least and stress from 0 to 1"),
    "stress below 0": ({"stress": -0.01}, "least and stress from 0 to 1"),
    "stress above 1": ({"stress": 1.01}, "least and stress from 0 to 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_cannot_be_are_refused(name: str) -> None:
    changes, sentence = WRONG[name]
    with pytest.raises(BadInput, match=sentence):
        PostureSettings(**changes)


def test_settings_at_their_ends_are_taken() -> None:
    for ends in (
        {"enters": (1.0, 0.5, 0.0), "margin": 0.0, "dwell": 1},
        {"drawdown_begins": 0.0, "drawdown_ends": 1.0, "least": 0.0, "stress": 0.0},
        {"least": 1.0, "stress": 1.0},
        {"volatility": 0.5, "shortfall": 0.5, "stale_s": 0.5, "calm": 0.5},
    ):
        PostureSettings(**ends)


def test_settings_that_are_no_order_are_refused() -> None:
    with pytest.raises(BadInput, match="expected enters that fall"):
        PostureSettings(enters=(0.4, 0.5, 0.1))
    with pytest.raises(BadInput, match="drawdown_begins < drawdown_ends"):
        PostureSettings(drawdown_begins=0.5)
