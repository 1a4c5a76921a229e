"""Nevmyvaka, Feng & Kearns' induction equals exact dynamic programming where the answer is known, and beats chance in a book."""

import itertools
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from tercet.envs.execution import EnvSettings, ExecutionMembers
from tercet.envs.members import Members
from tercet.envs.worldmembers import WorldMembers, share_actions, unit_actions
from tercet.envs.worlds import AlmgrenChriss, Martingale, PlantedSignal, World
from tercet.errors import BadInput
from tercet.execution.observation import FEATURES
from tercet.learn.nfk import NfkSettings, Solution, Transitions, backward, cuts, nearest, quantiles, solve

UNCOMPILED = bool(numba.config.DISABLE_JIT)
PERIODS, UNITS, CALM, WILD = 4, 4, 0, 1
WAIT, REST, CROSS = 0, 1, 2
EDGES = (tuple((np.arange(1, PERIODS) + 0.5) / PERIODS), (1e-7, *((np.arange(1, UNITS) + 0.5) / UNITS)), (0.5,))


# A problem small enough for a slow, obvious solution. Chances are sixteenths and costs are halves, so that every sum is exact.


def fills(units: int, market: int, action: int) -> list[tuple[int, int]]:
    """What may fill: (sixteenths of chance × 4, units)."""
    if action == CROSS:
        return [(4, units)]
    if action == WAIT or units == 0:
        return [(4, 0)]
    return [(2, 0), (1, 1), (1, min(units, 2))] if market == CALM else [(3, 0), (1, min(units, 3))]


def cost(units: int, market: int, action: int, filled: int, to_follow: int) -> float:
    """Crossing walks the book, twice as far in a wild market; resting earns in a calm one only; what the end finds left walks far."""
    paid = (1.0 + market) * filled**2 if action == CROSS else (-0.5 if market == CALM else 4.0) * filled
    return paid + (3.0 * (units - filled) ** 2 if to_follow == 0 else 0.0)


def outcomes(units: int, market: int, action: int, to_follow: int) -> list[tuple[int, float, int, int]]:
    """All that may follow: (sixteenths of chance, cost, units left, next market). Markets stay with a chance of three quarters."""
    return [
        (many * (3 if after == market else 1), cost(units, market, action, filled, to_follow), units - filled, after)
        for many, filled in fills(units, market, action)
        for after in (CALM, WILD)
    ]


def slow_table() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Exact dynamic programming, one state and one action after the other: choices and values (to follow, units, market)."""
    choices, values = np.zeros((PERIODS, UNITS + 1, 2), np.int64), np.zeros((PERIODS, UNITS + 1, 2))
    for to_follow, units, market in itertools.product(range(PERIODS), range(UNITS + 1), (CALM, WILD)):
        later = values[to_follow - 1] if to_follow else np.zeros((UNITS + 1, 2))
        tried = [
            sum(chance / 16 * (paid + later[left, after]) for chance, paid, left, after in outcomes(units, market, action, to_follow))
            for action in (WAIT, REST, CROSS)
        ]
        choices[to_follow, units, market], values[to_follow, units, market] = int(np.argmin(tried)), min(tried)
    return choices, values


def transitions(rows: Any) -> Transitions:
    """Rows (to follow, units, market, action, cost, units left, next market) as samples."""
    table = np.array(rows, np.float64)
    shares = np.array([PERIODS, UNITS, 1])
    before = (table[:, :3] + [1, 0, 0]) / shares
    after = np.column_stack([table[:, 0], table[:, 5:7]]) / shares
    return Transitions(before, table[:, 3].astype(np.int64), -table[:, 4], after, table[:, 0] == 0)


def every_row() -> list[tuple[float, ...]]:
    """Each outcome of each action in each state, as often as its chance in sixteenths."""
    rows: list[tuple[float, ...]] = []
    for state in itertools.product(range(PERIODS), range(UNITS + 1), (CALM, WILD), (WAIT, REST, CROSS)):
        to_follow, units, market, action = state
        for chance, *rest in outcomes(units, market, action, to_follow):
            rows += [(*state, *rest)] * chance
    return rows


def test_on_all_outcomes_the_induction_equals_exact_dynamic_programming() -> None:
    choices, values, visits = backward(transitions(every_row()), EDGES, 3)
    known_choices, known_values = slow_table()
    assert np.array_equal(values, known_values)
    assert np.array_equal(choices, known_choices)
    assert (visits == 16).all()
    assert set(known_choices[:, 1:].ravel()) == {WAIT, REST, CROSS}, "a problem in which an action is never best shows little"


def test_the_order_of_the_samples_does_not_matter() -> None:
    rows = every_row()
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    assert np.array_equal(backward(transitions(shuffled), EDGES, 3)[1], slow_table()[1])


def test_on_samples_the_induction_converges_to_exact_dynamic_programming() -> None:
    rows, rng = np.array(every_row()), np.random.default_rng(0)
    known_choices, known_values = slow_table()

    def sampled(count: int) -> tuple[float, float]:
        choices, values, _ = backward(transitions(rows[rng.integers(len(rows), size=count)]), EDGES, 3)
        return float(np.abs(values - known_values).mean()), float((choices == known_choices)[:, 1:].mean())

    (few, _), (many, alike) = sampled(10_000), sampled(1_000_000)
    assert many < 0.05
    assert many < 0.2 * few
    assert alike > 0.95


def test_a_sample_from_within_a_bin_counts_as_one_from_its_whole_units() -> None:
    before = np.array([[1.0, 0.9, 0.0], [0.5, 0.5, 0.0], [0.5, 0.25, 0.0]])
    after = np.array([[0.5, 0.45, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    seen = Transitions(before, np.zeros(3, np.int64), np.array([-9.0, -6.0, -2.0]), after, np.array([False, True, True]))
    _, values, _ = backward(seen, ((0.75,), EDGES[1], (0.5,)), 1)
    assert values[0, :, 0].tolist() == [0.0, 2.0, 6.0, 6.0, 6.0]
    assert values[1, 4, 0] == pytest.approx(10.0 + 6.0, rel=1e-12)


def test_what_is_left_between_two_units_is_worth_what_lies_between_their_values() -> None:
    before = np.array([[1.0, 1.0], [0.5, 0.5], [0.5, 1.0]])
    after = np.array([[0.5, 0.625], [0.0, 0.0], [0.0, 0.0]])
    seen = Transitions(before, np.zeros(3, np.int64), np.array([-1.0, -4.0, -12.0]), after, np.array([False, True, True]))
    _, values, _ = backward(seen, ((0.75,), (1e-7, 0.75)), 1)
    assert values[1, 2] == 1.0 + 0.75 * 4.0 + 0.25 * 12.0


def test_an_action_that_was_never_tried_is_not_chosen_and_a_cell_never_visited_takes_the_nearest() -> None:
    rows = [row for row in every_row() if row[3] != CROSS and not (row[1] == 3 and row[2] == CALM)]
    choices, values, visits = backward(transitions(rows), EDGES, 3)
    assert not (choices == CROSS).any()
    assert (visits[:, 3, CALM] == 0).all()
    assert np.array_equal(values[:, 3, CALM], values[:, 2, CALM])
    assert np.array_equal(choices[:, 3, CALM], choices[:, 2, CALM])


def test_the_nearest_cell_is_of_the_same_market_where_there_is_one_and_nothing_left_is_near_nothing_else() -> None:
    visited = np.zeros((5, 3), np.bool_)
    visited[0, 0] = visited[4, 0] = visited[1, 2] = True
    found = nearest(visited.ravel(), visited.shape).reshape(visited.shape)
    place = {(0, 0): 0, (4, 0): 12, (1, 2): 5}
    assert found[:, 0].tolist() == [place[0, 0], *[place[4, 0]] * 4]
    assert found[:, 2].tolist() == [place[0, 0], *[place[1, 2]] * 4]


# Worlds that are solved exactly --------------------------------------------------------------------------------------------------


def solved(world: World, **settings: Any) -> tuple[WorldMembers, Solution]:
    """Members that trade units, and the table for them with a bin for each number of units."""
    members = WorldMembers(world, 64, unit_actions(world))
    chosen = {"inventories": world.units, "features": (), "episodes": 512} | settings
    return members, solve(members, world.steps, NfkSettings(**chosen), members.feature_names)


def play(members: Members, choose: Any, steps: int, seed: int, episodes: int = 1) -> NDArray[np.float64]:
    """The costs, bps, of so many episodes of each member under `choose(members)`."""
    places, costs = np.arange(members.count), np.zeros((episodes, members.count))
    members.seed(places, seed + places)
    members.begin(places)
    for episode in range(episodes):
        for _ in range(steps):
            members.step(choose(members))
            costs[episode] -= members.rewards
        assert members.terminated.all()
    return costs.ravel()


@pytest.mark.parametrize("kappa_t", [0.0, 2.0, 5.0])
@pytest.mark.parametrize(("steps", "units", "most"), [(4, 5, 5), (5, 5, 5), (5, 8, 3)])
def test_in_a_world_without_noise_the_greedy_episode_is_the_exact_optimum(kappa_t: float, steps: int, units: int, most: int) -> None:
    world = AlmgrenChriss(steps=steps, tau_s=300, units=units, most_units=most, lots=1_000_000, kappa_t=kappa_t)
    members, table = solved(world)
    optimum = world.grid_optimum()
    costs = play(members, lambda members: table.act(members.observations), steps, seed=0)
    assert costs == pytest.approx(optimum.utility, rel=1e-12)
    assert world.utility(members.path(0)) == pytest.approx(optimum.utility, rel=1e-12)
    assert table.values[-1, -1] == pytest.approx(optimum.utility, rel=1e-6)  # observations are 32 bits


def test_a_planted_signal_is_found_and_most_of_its_edge_taken() -> None:
    world = PlantedSignal(steps=4, tau_s=300, units=4, most_units=4, rho=0.5, noise=False)
    members, table = solved(world, features=("signal",), bins=7, episodes=1024 if UNCOMPILED else 8192)
    optimum = world.solve()
    costs = play(members, lambda members: table.act(members.observations), world.steps, seed=10_000, episodes=8 if UNCOMPILED else 64)
    gained, error = optimum.no_signal - costs.mean(), costs.std() / np.sqrt(len(costs))
    assert gained > 0.8 * optimum.edge - 4 * error
    assert gained < optimum.edge + 4 * error
    assert optimum.edge > 8 * error or UNCOMPILED


def test_actions_that_are_closed_are_not_tried() -> None:
    _, table = solved(AlmgrenChriss(steps=4, units=5, most_units=5))
    more_than_left = np.arange(6)[:, None] < np.arange(6)
    assert (table.visits[:, more_than_left] == 0).all()
    assert (table.visits.sum(axis=0)[~more_than_left] > 0).all()


def test_the_same_seed_gives_the_same_table_and_progress_is_told_of_every_episode() -> None:
    world, told = Martingale(steps=4, units=5, most_units=5), []
    members = WorldMembers(world, 48, unit_actions(world))
    settings = NfkSettings(inventories=5, features=("drift",), episodes=100, rounds=2)
    one, two = (solve(members, 4, settings, members.feature_names, told.append) for _ in range(2))
    other = solve(members, 4, replace(settings, seed=1), members.feature_names)
    assert np.array_equal(one.values, two.values)
    assert np.array_equal(one.visits, two.visits)
    assert not np.array_equal(one.visits, other.visits)
    assert sum(told) == 2 * 2 * 144
    assert one.visits.sum() == 2 * 144 * 4


def test_the_table_has_an_axis_for_each_feature_and_acts_on_whole_observations() -> None:
    world = Martingale(steps=4, units=5, most_units=5)
    _, table = solved(world, features=("drift",), bins=4)
    assert table.features == ("time", "inventory", "drift")
    assert table.choices.shape == table.values.shape == tuple(len(edges) + 1 for edges in table.edges) == (4, 6, 4)
    assert table.visits.shape == (4, 6, 4, 6)
    assert (table.choices.dtype, table.values.dtype, table.visits.dtype) == (np.int16, np.float64, np.int64)
    asked = np.array([[1.0, 1.0, -9.0], [0.25, 0.2, 9.0], [0.5, 0.0, 0.0]], np.float32)
    assert table.act(asked).tolist() == [table.choices[3, 5, 0], table.choices[0, 1, 3], 0]


# Bins ------------------------------------------------------------------------------------------------------------------------------


def test_bins_of_the_market_are_visited_equally_often_and_none_is_empty() -> None:
    assert quantiles(np.arange(9.0), 3) == pytest.approx((8 / 3, 16 / 3))
    assert quantiles(np.array([0.0] * 8 + [1.0, 2.0]), 3) == (1.0,)
    assert quantiles(np.ones(5), 3) == ()


def test_time_is_cut_between_decisions_and_inventory_between_units() -> None:
    time, inventory = cuts(np.zeros((1, 2)), 4, NfkSettings(inventories=2))
    assert np.searchsorted(time, [0.25, 0.5, 0.75, 1.0], side="right").tolist() == [0, 1, 2, 3]
    assert np.searchsorted(inventory, [0.0, 1e-6, 0.74, 0.76, 1.0], side="right").tolist() == [0, 1, 1, 2, 2]


# A book ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(UNCOMPILED, reason="a book takes minutes uncompiled")
def test_in_a_book_the_table_costs_less_than_chance_and_than_crossing_at_once() -> None:
    settings = EnvSettings(market="crowd:zero", actions="price-level", bank=4, step="10s", horizon=("1min",))
    members, rng = ExecutionMembers(settings, 64), np.random.default_rng(0)
    table = solve(members, 6, NfkSettings(episodes=4096))
    learned = play(members, lambda members: table.act(members.observations), 6, seed=10_000, episodes=16)
    for choose in (lambda members: rng.integers(0, 12, members.count), lambda members: np.zeros(members.count, np.int64)):
        saved = play(members, choose, 6, seed=10_000, episodes=16) - learned
        assert saved.mean() > 4 * saved.std() / np.sqrt(len(saved))


# Bad input -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"inventories": 0}, "inventories was 0; expected a whole number, 1 or more"),
        ({"bins": 2.5}, "bins was 2.5"),
        ({"episodes": True}, "episodes was True"),
        ({"rounds": 0}, "rounds was 0"),
        ({"seed": -1}, "seed was -1; expected a whole number, 0 or more"),
        ({"epsilon": 1.5}, "epsilon was 1.5"),
        ({"epsilon": float("nan")}, "epsilon was nan"),
        ({"epsilon": "abc"}, "epsilon was 'abc'; expected a number"),
        ({"features": ("spread", "spread")}, "each once"),
        ({"features": "spread"}, "features was 'spread'; expected names in parentheses"),
    ],
)
def test_settings_that_make_no_table_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        NfkSettings(**wrong)


@pytest.mark.parametrize(
    ("steps", "features", "names", "sentence"),
    [
        (0, (), None, "steps was 0"),
        (3, (), None, "steps was 3; expected as many as an episode has decisions"),
        (9, (), None, "steps was 9; expected as many as an episode has decisions: none was seen with"),
        (4, ("spread",), None, "no feature of the market is called 'spread'; expected some of drift"),
        (4, ("time_remaining",), None, "no feature of the market is called 'time_remaining'"),
        (4, (), ("time", "inventory"), "names were 2; expected 3"),
        (4, (), ("inventory", "time", "drift"), "the first names were inventory, time"),
    ],
)
def test_members_and_names_that_do_not_fit_are_refused(steps: int, features: Any, names: Any, sentence: str) -> None:
    world = Martingale(steps=4, units=5, most_units=5)
    members = WorldMembers(world, 4, unit_actions(world))
    with pytest.raises(BadInput, match=sentence):
        solve(members, steps, NfkSettings(features=features, episodes=8), names or members.feature_names)


def test_a_continuous_space_is_refused() -> None:
    members = WorldMembers(Martingale(), 4, share_actions())
    with pytest.raises(BadInput, match="expected a discrete space"):
        solve(members, 20, NfkSettings(features=()), members.feature_names)


def test_the_features_of_settings_are_named_in_the_observation() -> None:
    assert set(NfkSettings().features) <= {name for name, _ in FEATURES[2:]}
