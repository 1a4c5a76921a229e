"""A policy of a user's own that does too much is cut, counted and named; what it gets wrong is said by field and line, never a crash."""

from typing import Any

import numpy as np
import pytest

from tercet.backtest.markets import market
from tercet.backtest.parents import plan
from tercet.backtest.runner import Settings, run
from tercet.envs.making import make_members
from tercet.envs.rewards import reward
from tercet.errors import BadInput
from tercet.execution.pacing import paced
from tercet.execution.policy import CHILDREN, MEMORY, SETTINGS, Policy, cross, move, policy, post, withdraw
from tercet.execution.schedules import by_name, rest_and_follow
from tercet.execution.trial import unknown_field


def chatty(count: int) -> Any:
    """A decide that posts so many children, one lot each at ticks of its own."""

    @policy
    def many(view: Any, pad: Any) -> Any:
        sent = 0
        for k in range(count):
            sent = post(view, pad, sent, 1, view.bid - k if view.side > 0 else view.ask + k)
        return sent

    return many


@policy
def boundless(view, pad):  # type: ignore[no-untyped-def]
    """It claims that it sent a million."""
    return 1_000_000


@policy
def negative(view, pad):  # type: ignore[no-untyped-def]
    """Fewer than none."""
    return -3


@policy
def far(view, pad):  # type: ignore[no-untyped-def]
    """A place of its memory that there is not."""
    pad.memory[pad.settings.shape[0] + 24] = 1.0
    return 0


@policy
def straight(view, pad):  # type: ignore[no-untyped-def]
    """A ninth child written without `post`."""
    for k in range(CHILDREN + 1):
        pad.children[k].lots = 1
    return CHILDREN


@policy
def wordless(view, pad):  # type: ignore[no-untyped-def]
    """A child that asks for nothing known."""
    pad.children[0].verb = 77
    return 1


@policy
def sensible(view, pad):  # type: ignore[no-untyped-def]
    """Rests, moves, takes back and crosses."""
    if view.open == 0:
        return post(view, pad, 0, view.lots - view.filled, view.bid if view.side > 0 else view.ask)
    for k in range(len(view.own)):
        if view.own[k].lots > 0:
            count = move(pad, 0, view.own[k], view.bid if view.side > 0 else view.ask)
            return cross(view, pad, withdraw(pad, count, view.own[k]), 1)
    return rest_and_follow(view, pad, view.lots, True)


def worked(*policies: Policy) -> Any:
    """Four parents of ten seconds."""
    where = market("crowd:zero")
    return run(where, plan(where, 4, "10", 10_000_000_000, "both", 0), policies, Settings(threads=1))


# Counts ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [CHILDREN - 1, CHILDREN, CHILDREN + 1, 40])
def test_children_beyond_the_places_are_cut_counted_and_named(count: int) -> None:
    result = worked(Policy("many", chatty(count)), by_name("twap"))
    cut = result.outcomes["cut"].sum(axis=1)
    assert cut.tolist() == [40 if count > CHILDREN else 0, 0]
    said = [line for line in result.warnings if line.startswith("many: 40 of its 40 decisions returned more children than the 8 places")]
    assert len(said) == (count > CHILDREN)
    first = worked(Policy("many", chatty(min(count, CHILDREN))), by_name("twap"))
    assert result.costs[0].tobytes() == first.costs[0].tobytes()  # who sends too many sends the first of them


@pytest.mark.parametrize("decide", [boundless, negative])
def test_a_count_that_is_none_sends_what_is_there_and_is_counted(decide: Any) -> None:
    result = worked(Policy("odd", decide))
    assert result.outcomes["cut"].sum() == 40
    assert (result.outcomes["completed"] >= 0).all()


def test_a_policy_that_heeds_the_posture_is_counted_too() -> None:
    assert worked(paced(Policy("many", chatty(20)))).outcomes["cut"].sum() == 40


@pytest.mark.parametrize("id", ["tercet/Zero-v0", "tercet/PlantedSignal-v0"])
def test_an_environment_counts_the_cut_decisions_of_its_episode(id: str) -> None:
    members = make_members(id, 2, actions=Policy("many", chatty(20)), **({"bank": 2, "step": "30s"} if "Zero" in id else {}))
    members.begin(np.arange(2))
    decisions = 10 if "Zero" in id else 20
    for number in range(1, 2 * decisions + 1):
        members.step(np.zeros(2, np.int64))
        if number % decisions == 0:  # each episode counts for itself
            assert members.ended(0)["cut_decisions"] == decisions


# Places ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("decide", "line"), [(far, "pad.memory"), (straight, "pad.children")])
def test_an_index_outside_its_array_stops_the_run_and_names_the_line(decide: Any, line: str) -> None:
    with pytest.raises(BadInput, match=rf"policy wild, .*test_own_policy.py, line \d+ \({line}.*out of bounds"):
        worked(Policy("wild", decide))


@pytest.mark.parametrize("id", ["tercet/Zero-v0", "tercet/PlantedSignal-v0"])
def test_an_environment_names_the_line_too(id: str) -> None:
    members = make_members(id, 2, actions=Policy("wild", far), **({"bank": 2, "step": "30s"} if "Zero" in id else {}))
    members.begin(np.arange(2))
    with pytest.raises(BadInput, match=r"policy wild, .*\(pad.memory"):
        members.step(np.zeros(2, np.int64))


@reward
def beyond(before, after, fills, params):  # type: ignore[no-untyped-def]
    """A number of its own that there is not."""
    return params.own[before.lots + 100]


def test_a_reward_that_reaches_outside_its_array_is_refused() -> None:
    members = make_members("tercet/Zero-v0", 2, reward=beyond, bank=2, step="30s")
    members.begin(np.arange(2))
    with pytest.raises(BadInput, match=r"discrete or the reward: index is out of bounds; .* members must begin anew"):
        members.step(np.zeros(2, np.int64))


# The check -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decide", "sentence"),
    [
        (far, rf"\(pad.memory.*\): index 40 is out of bounds for axis 0 with size {MEMORY}"),
        (straight, rf"index {CHILDREN} is out of bounds"),
        (chatty(9), r"returned 9 children; expected a whole number from 0 to 8, the places of a pad"),
        (boundless, "returned 1000000 children"),
        (negative, "returned -3 children"),
        (wordless, "returned a child of verb 77; expected what post, cross, move or withdraw writes"),
    ],
)
def test_the_check_names_what_a_policy_gets_wrong(decide: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        Policy("mine", decide).check()


@pytest.mark.parametrize("decide", [sensible, chatty(8), by_name("passive").decide])
def test_the_check_lets_a_sound_policy_pass_and_leaves_its_pad_alone(decide: Any) -> None:
    Policy("mine", decide, settings=(0.3,)).check()


@pytest.mark.parametrize(
    ("field", "nearest"),
    [("imbalence", "imbalance"), ("bidlots", "bid_lots"), ("memry", "memory"), ("micro_price", "microprice")],
)
def test_a_field_that_there_is_not_is_named_with_the_nearest_one(field: str, nearest: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def typo(view, pad):\n    return int(view.{field})", scope)
    with pytest.raises(BadInput, match=rf"policy typo \(<string>, line 1\): there is no field '{field}'; did you mean '{nearest}'\?"):
        policy(scope["typo"])


def test_a_field_like_none_is_answered_with_all_there_are() -> None:
    assert "expected one of now, start, end" in str(unknown_field(test_a_field_like_none_is_answered_with_all_there_are, "zzzzzz"))


@pytest.mark.parametrize("settings", [(0.0,) * (SETTINGS + 1), (np.nan,), (np.inf, 1.0)])
def test_settings_that_a_pad_has_no_place_for_are_refused(settings: tuple[float, ...]) -> None:
    with pytest.raises(BadInput, match=r"policy mine: settings were .*; expected 16 finite numbers at most"):
        Policy("mine", sensible, settings)
