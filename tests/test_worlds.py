"""The bookless worlds have the optimum that they say, and members trade in them by the price rule, as policies and agents ask."""

import itertools
from dataclasses import fields, replace
from typing import Any

import numba
import numpy as np
import pytest
from modes import FLAGS, run_again
from numpy.typing import NDArray
from scipy.optimize import minimize
from workbench import grasping, pegged, wild_policy

from tercet.book.records import FREE, RESTING
from tercet.envs.members import Actions, Members
from tercet.envs.worldmembers import WorldMembers, share_actions, unit_actions
from tercet.envs.worlds import AlmgrenChriss, Martingale, PlantedSignal, World, chances
from tercet.errors import BadInput
from tercet.execution.policy import Policy
from tercet.execution.schedules import POLICIES, almgren_chriss, by_name

UNCOMPILED = bool(numba.config.DISABLE_JIT)
WORLDS = [AlmgrenChriss(), Martingale(), PlantedSignal()]
EVERY = [*WORLDS, AlmgrenChriss(noise=True, side=-1), Martingale(noise=False, side=-1), PlantedSignal(shuffled=True, noise=False, side=-1)]


def many(count: int) -> int:
    """So many members, or few where the code is uncompiled."""
    return 16 if UNCOMPILED else count


def begun(world: World, count: int = 1, actions: Actions | None = None) -> WorldMembers:
    """Members in their first episode."""
    members = WorldMembers(world, count, actions)
    members.begin(np.arange(count))
    return members


def play(members: WorldMembers, choose: Any) -> NDArray[np.float64]:
    """One episode of every member, by `choose(members, step)`; returns the rewards (steps, count)."""
    rewards = []
    for step in range(members.world.steps):
        members.step(choose(members, step))
        rewards.append(members.rewards.copy())
    assert members.terminated.all()
    return np.array(rewards)


def shares(path: NDArray[Any]) -> Any:
    """The continuous agent that follows an inventory path."""
    part = 1.0 - path[1:] / np.maximum(path[:-1], 1)
    return lambda members, step: np.full((members.count, 1), 2.0 * part[step] - 1.0)


def at_random(members: WorldMembers, step: int) -> NDArray[Any]:
    """Random actions that depend on the step only through their seed."""
    rng = np.random.default_rng(step)
    if members.actions.name == "units":
        return rng.integers(0, members.world.most_units + 1, members.count)
    return rng.uniform(-1.0, 0.0, (members.count, 1)).astype(np.float32)


def by_table(world: PlantedSignal) -> Any:
    """The agent that acts by the exact optimum of a world."""
    optimum = world.solve()

    def choose(members: WorldMembers, step: int) -> NDArray[np.int64]:
        left = np.rint(members.observations[:, 1] * world.units).astype(np.int64)
        return optimum.units(np.full(members.count, step), left, members.observations[:, 2])

    return choose


# Exact solutions ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa_t", [0.0, 0.5, 1.0, 2.0, 4.0, 10.0])
def test_no_path_that_a_numerical_search_finds_is_better_than_the_closed_form(kappa_t: float) -> None:
    world = AlmgrenChriss(kappa_t=kappa_t)

    def utility(inner: NDArray[np.float64]) -> float:
        return world.utility(np.concatenate([[1.0], inner, [0.0]]) * world.lots)

    best = world.utility(world.optimum())
    found = minimize(utility, world.twap()[1:-1] / world.lots, method="BFGS", options={"gtol": 1e-4})
    assert best * (1 - 1e-12) <= found.fun <= best * (1 + 1e-7)
    assert np.allclose(found.x, world.optimum()[1:-1] / world.lots, atol=1e-4)


@pytest.mark.parametrize("steps", [10, 20, 50, 200])
def test_twap_is_a_tenth_worse_at_urgencies_2_and_4_but_hardly_at_1(steps: int) -> None:
    def worse(kappa_t: float) -> float:
        world = AlmgrenChriss(kappa_t=kappa_t, steps=steps, tau_s=1200 / steps)
        return world.utility(world.twap()) / world.utility(world.optimum()) - 1

    assert worse(2.0) > 0.12
    assert worse(4.0) > 0.55
    assert 0.015 < worse(1.0) < 0.017


def test_utility_is_the_sum_that_the_paper_writes() -> None:
    world = AlmgrenChriss(steps=3, kappa_t=2.0)
    x, n = np.array([900_000, 200_000, 0]), np.array([100_000, 700_000, 200_000])
    by_hand = (0.06 - 0.5 * 4e-5 * 60) / 60 * (n**2).sum() + world.risk_aversion * 6.5**2 * 60 * (x**2).sum()
    assert world.utility([1_000_000, 900_000, 200_000, 0]) == pytest.approx(by_hand * 1e4 / 1e11, rel=1e-12)


@pytest.mark.parametrize("kappa_t", [1.0, 2.0, 4.0])
def test_the_grid_optimum_approaches_the_closed_form_with_the_square_of_the_unit(kappa_t: float) -> None:
    world = AlmgrenChriss(kappa_t=kappa_t)
    best = world.utility(world.optimum())
    gaps = [replace(world, units=units, most_units=units).grid_optimum().utility / best - 1 for units in (100, 250, 1000)]
    assert gaps[0] < 4e-3
    assert 0 < gaps[2] < 4e-5
    assert gaps[1] < 0.25 * gaps[0]
    assert gaps[2] < 0.1 * gaps[1]


@pytest.mark.parametrize("most", [8, 4])
def test_the_grid_optimum_is_the_best_of_all_sequences_of_units(most: int) -> None:
    world = AlmgrenChriss(steps=4, tau_s=300, units=8, most_units=most, kappa_t=5.0)
    best = min(
        world.utility(125_000 * (8 - np.cumsum([0, *trades, 8 - sum(trades)])))
        for trades in itertools.product(range(most + 1), repeat=3)
        if sum(trades) <= 8
    )
    found = world.grid_optimum()
    assert found.utility == pytest.approx(best, rel=1e-12)
    assert world.utility(found.path) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("world", [Martingale(), Martingale(side=-1), PlantedSignal(), AlmgrenChriss(kappa_t=0.0)])
def test_where_nothing_can_be_foretold_and_nobody_minds_risk_twap_is_best(world: World) -> None:
    assert world.optimum() == pytest.approx(world.twap())
    assert world.grid_optimum().path == pytest.approx(world.twap())
    other = AlmgrenChriss(kappa_t=0.5).optimum()
    assert world.utility(world.twap()) < world.utility(other)


def test_weights_of_a_normal_number_keep_its_mean_and_variance() -> None:
    nodes = np.linspace(-5, 5, 201)
    weights = chances(nodes, np.array([0.0, 1.3]), 0.6)
    assert weights.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert weights @ nodes == pytest.approx([0.0, 1.3], abs=1e-9)
    assert weights @ nodes**2 == pytest.approx([0.36, 1.3**2 + 0.36], abs=1e-3)
    assert weights.min() > -1e-12


def linear_quadratic(world: PlantedSignal) -> float:
    """The optimum where buying back is allowed and lots are continuous: V = a x² + b x f + c f² + d, backwards."""
    cost, tilt = world.eta_tilde / world.tau_s, world.rho * world.sigma * world.tau_s**0.5
    a, b, c, d = cost, 0.0, 0.0, 0.0
    for _ in range(world.steps - 1):
        lean = tilt + b * world.phi
        d += c * (1 - world.phi**2)
        c = c * world.phi**2 - lean**2 / (4 * (cost + a))
        a, b = cost * a / (cost + a), cost * lean / (cost + a)
    return world.fixed + world.bps * (a * world.lots**2 + c + d)


def test_the_solution_of_a_weak_signal_is_the_linear_quadratic_one() -> None:
    world = PlantedSignal(rho=0.05, phi=0.9, units=500, most_units=100)
    exact, found = linear_quadratic(world), world.solve().utility
    edge = world.utility(world.twap()) - exact
    assert edge > 0.02
    assert abs(found - exact) < 0.04 * edge


def test_a_signal_has_an_edge_that_grows_with_its_strength_and_with_its_memory() -> None:
    edges = [PlantedSignal(rho=rho, phi=phi).solve().edge for rho, phi in ((0.1, 0.8), (0.2, 0.8), (0.3, 0.8), (0.3, 0.95))]
    assert edges[0] > 0
    assert np.all(np.diff(edges) > 0)


def test_the_solution_hardly_moves_when_the_signal_has_more_nodes() -> None:
    world = PlantedSignal()
    coarse, fine = world.solve(201), world.solve(401)
    assert abs(coarse.utility - fine.utility) < 0.001 * fine.edge


def test_a_shuffled_signal_is_worth_nothing_and_buying_and_selling_are_alike() -> None:
    world = PlantedSignal()
    shuffled = replace(world, shuffled=True).solve()
    assert shuffled.edge == pytest.approx(0.0, abs=1e-9)
    assert shuffled.utility == pytest.approx(world.utility(world.twap()), rel=1e-12)
    assert replace(world, side=-1).solve().utility == pytest.approx(world.solve().utility, rel=1e-9)


@pytest.mark.parametrize("noise", [False, True])
def test_a_simulation_of_the_solution_costs_what_the_solution_says(noise: bool) -> None:
    world = PlantedSignal(noise=noise)
    members, choose = begun(world, many(20_000), unit_actions(world)), by_table(world)
    costs = -np.concatenate([play(members, choose).sum(axis=0) for _ in range(5)])
    optimum, error = world.solve(), costs.std() / len(costs) ** 0.5
    assert abs(costs.mean() - optimum.utility) < 4 * error
    assert UNCOMPILED or optimum.no_signal - costs.mean() > 10 * error


def test_in_the_shuffled_twin_believing_the_signal_costs_and_twap_costs_what_it_does_without() -> None:
    world = PlantedSignal(shuffled=True, noise=False)
    blind = -play(begun(world, many(20_000)), shares(world.twap())).sum(axis=0)
    assert abs(blind.mean() - world.solve().no_signal) < 4 * blind.std() / len(blind) ** 0.5
    members = begun(world, many(20_000), unit_actions(world))
    fooled = -play(members, by_table(PlantedSignal())).sum(axis=0)
    assert UNCOMPILED or (fooled - blind).mean() > 10 * (fooled - blind).std() / len(blind) ** 0.5


# Members ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa_t", [1.0, 2.0, 4.0])
def test_members_that_follow_the_closed_form_have_its_utility(kappa_t: float) -> None:
    world = AlmgrenChriss(kappa_t=kappa_t)
    best = world.utility(world.optimum())
    members = begun(world, 3)
    rewards = play(members, shares(world.optimum().astype(np.float32)))
    assert -rewards.sum(axis=0) == pytest.approx(best, rel=1e-6)
    assert members.ended(1)["utility"] == pytest.approx(best, rel=1e-6)
    policy = Policy("almgren-chriss", almgren_chriss, (world.steps, 0.0, kappa_t, 1.0))
    assert -play(begun(world, 1, Actions.of_policy(policy)), lambda *_: np.zeros(1, int)).sum() == pytest.approx(best, rel=1e-6)


def test_members_that_play_the_grid_optimum_have_its_utility() -> None:
    world = AlmgrenChriss()
    optimum = world.grid_optimum()
    members = begun(world, 2, unit_actions(world))
    trades = -np.diff(optimum.path) // 10_000
    assert -play(members, lambda _, step: np.full(2, trades[step])).sum(axis=0) == pytest.approx(optimum.utility, rel=1e-12)
    assert members.path(1).tolist() == optimum.path.tolist()


@pytest.mark.parametrize("world", EVERY, ids=repr)
@pytest.mark.parametrize("kind", ["share", "units"])
def test_rewards_sum_to_what_the_world_says_and_the_parts_to_the_shortfall(world: World, kind: str) -> None:
    members = begun(world, many(64), share_actions() if kind == "share" else unit_actions(world))
    sums = play(members, at_random).sum(axis=0)
    for place in range(members.count):
        came = members.ended(place)
        noise = came["noise_bps"] if world.noise else 0.0
        assert came["reward"] == pytest.approx(sums[place], rel=1e-12)
        assert sums[place] == pytest.approx(-(came["utility"] + noise), rel=1e-9)
        parts = came["fixed_bps"] + came["impact_bps"] + came["signal_bps"] + came["noise_bps"]
        assert came["is_bps"] == pytest.approx(parts, rel=1e-9, abs=1e-9)
        assert came["fixed_bps"] == pytest.approx(world.fixed, rel=1e-9)
        assert came["utility"] - came["signal_bps"] == pytest.approx(world.utility(members.path(place)), rel=1e-9)
        if world.noise and not isinstance(world, AlmgrenChriss):
            assert sums[place] == pytest.approx(-came["is_bps"], rel=1e-9)


def test_the_noise_of_the_price_costs_nothing_on_average_and_has_the_variance_of_the_paper() -> None:
    world = AlmgrenChriss(noise=True)
    members = begun(world, many(20_000))
    costs = -play(members, shares(world.twap())).sum(axis=0)
    error = costs.std() / len(costs) ** 0.5
    assert abs(costs.mean() - world.utility(world.twap())) < 4 * error
    expected = world.bps * (world.sigma**2 * world.tau_s * (world.twap()[1:] ** 2).sum()) ** 0.5
    assert UNCOMPILED or costs.std() == pytest.approx(expected, rel=0.03)


def test_one_period_is_traded_at_the_prices_of_the_rule() -> None:
    world = AlmgrenChriss(steps=2, side=-1)
    members = begun(world)
    play(members, lambda *_: np.array([[-0.5]]))
    came = members.ended(0)
    temporary = 0.06 * (250_000**2 + 750_000**2) / 60
    permanent = 4e-5 * 250_000 * 750_000  # what the first sale takes off the price of the second
    assert came["is_bps"] - came["noise_bps"] == pytest.approx((temporary + permanent + 5 * 1_000_000) * 1e4 / 1e11, rel=1e-9)


def signals_and_moves(world: PlantedSignal, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is shown at each step, and the mid's move after it in ticks: (steps, count) each, of members that do not trade."""
    members = begun(replace(world, gamma=0.0), count)
    shown, mids = [], []
    for _ in range(world.steps - 1):
        shown.append(members.observations[:, 2].astype(float))
        mids.append(members._members.mid.copy())
        members.step(np.full((count, 1), -1.0))
    return np.array(shown[:-1]), np.diff(mids, axis=0)


@pytest.mark.skipif(UNCOMPILED, reason="takes many members")
def test_a_signal_has_the_law_that_its_settings_name() -> None:
    world = PlantedSignal(rho=0.3, phi=0.8)
    shown, moves = signals_and_moves(world, 20_000)
    assert shown.mean() == pytest.approx(0.0, abs=0.02)
    assert shown.std(axis=1) == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(shown[:-1].ravel(), shown[1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.01)
    assert np.corrcoef(shown.ravel(), moves.ravel())[0, 1] == pytest.approx(0.3, abs=0.01)
    assert moves.std() == pytest.approx(6.5 * 60**0.5, rel=0.01)


@pytest.mark.skipif(UNCOMPILED, reason="takes many members")
def test_the_shuffled_twin_has_the_same_prices_and_shows_an_independent_copy_of_the_same_law() -> None:
    world = PlantedSignal()
    shown, moves = signals_and_moves(world, 20_000)
    copy, same = signals_and_moves(replace(world, shuffled=True), 20_000)
    assert same.tobytes() == moves.tobytes()
    assert copy.std() == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(copy[:-1].ravel(), copy[1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.01)
    assert np.corrcoef(copy.ravel(), moves.ravel())[0, 1] == pytest.approx(0.0, abs=0.01)
    assert np.corrcoef(copy.ravel(), shown.ravel())[0, 1] == pytest.approx(0.0, abs=0.02)


@pytest.mark.skipif(UNCOMPILED, reason="takes many members")
def test_a_policy_sees_as_alpha_the_mean_of_the_moves_that_are_left() -> None:
    world = PlantedSignal(gamma=0.0)
    members = begun(world, 20_000)
    for _ in range(5):
        members.step(np.full((members.count, 1), -1.0))
    alpha, before = members._members.seen.alpha.copy(), members._members.mid.copy()
    for _ in range(world.steps - 6):
        members.step(np.full((members.count, 1), -1.0))
    moves = members._members.mid - before
    slope = (alpha @ moves) / (alpha @ alpha)
    assert slope == pytest.approx(1.0, abs=4 * moves.std() / (alpha @ alpha) ** 0.5 + 0.02)  # the last move is not seen here


@pytest.mark.parametrize("world", EVERY, ids=repr)
@pytest.mark.parametrize("kind", ["share", "units"])
def test_a_member_of_a_batch_is_bit_for_bit_the_only_member_of_a_batch_of_one(world: World, kind: str) -> None:
    seeds = np.array([5, 900, 31, 2**62])
    actions = share_actions() if kind == "share" else unit_actions(world)
    batch, alone = begun(world, 4, actions), begun(world, 1, actions)
    batch.seed(np.arange(4), seeds)
    alone.seed(np.array([0]), seeds[2:3])
    batch.begin(np.array([3, 2, 1, 0]))
    alone.begin(np.array([0]))
    for step in range(2 * world.steps + 3):
        chosen = at_random(batch, step)
        batch.step(chosen)
        alone.step(chosen[2:3])
        for name in ("observations", "rewards", "terminated", "masks", "final_observations"):
            assert getattr(batch, name)[2].tobytes() == getattr(alone, name)[0].tobytes()
    assert batch.ended(2) == alone.ended(0)
    assert batch.ended(2)["noise_bps"] != batch.ended(1)["noise_bps"]


@pytest.mark.parametrize("world", WORLDS, ids=repr)
def test_after_a_restore_everything_comes_once_more(world: World) -> None:
    members = begun(world, 3)
    for step in range(world.steps + 4):
        members.step(at_random(members, step))
    kept = members.snapshot()

    def future() -> list[bytes]:
        seen = [members.observations.tobytes()]
        for step in range(world.steps):
            members.step(at_random(members, 100 + step))
            seen += [members.observations.tobytes(), members.rewards.tobytes(), members.final_observations.tobytes()]
        return [*seen, repr([members.ended(place) for place in range(3)]).encode()]

    once = future()
    members.restore(kept)
    assert future() == once
    for other in (WorldMembers(world, 2), WorldMembers(replace(world, eta=0.07), 3), WorldMembers(world, 3, unit_actions(world))):
        with pytest.raises(BadInput, match="snapshot is of other members"):
            other.restore(kept)


@pytest.mark.parametrize("world", EVERY, ids=repr)
def test_who_has_ended_begins_anew_in_the_same_step_and_shows_how_it_ended(world: World) -> None:
    members = begun(world, 2)
    first = members.observations.copy()
    play(members, at_random)
    assert members.observations[:, :2].tolist() == [[1.0, 1.0]] * 2
    assert members.final_observations[:, :2].tolist() == [[0.0, 0.0]] * 2
    assert not isinstance(world, PlantedSignal) or (members.observations[:, 2] != first[:, 2]).all()
    for step in range(world.steps):
        assert not members.terminated.any() or step == 0
        assert all(members.observation_space.contains(row) for row in members.observations)
        members.step(at_random(members, step))


def policies() -> list[Policy]:
    """Every policy that ships, and some that no one would ship."""
    return [*(by_name(name) for name in POLICIES), wild_policy(3), Policy("grasping", grasping), Policy("pegged", pegged)]


@pytest.mark.parametrize("world", EVERY[2:5], ids=repr)
@pytest.mark.parametrize("policy", policies(), ids=lambda policy: str(policy.name))
def test_every_policy_works_unchanged_and_ends_flat(policy: Policy, world: World) -> None:
    members = begun(world, 4, Actions.of_policy(policy))
    assert members.masks.tolist() == [[True]] * 4
    for _ in range(2 * world.steps):
        members.step(np.zeros(4, np.int64))
        views = members._members.seen
        assert (views.filled + views.open <= views.lots).all()
        assert (views.open == np.where(views.own["state"] != FREE, views.own["lots"], 0).sum(axis=1)).all()
    for place in range(4):
        path = members.path(place)
        assert path[0] == world.lots
        assert path[-1] == 0
        assert (np.diff(path) <= 0).all()
        assert np.isfinite(list(members.ended(place).values())).all()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("immediate", [1.0, 0.0, 0.0, 0.0, 0.0]),
        ("twap", [1.0, 0.75, 0.5, 0.25, 0.0]),
        ("vwap", [1.0, 0.75, 0.5, 0.25, 0.0]),
        ("pov", [1.0, 1.0, 0.75, 0.5, 0.0]),  # it trades what the market has already traded
        ("submit-and-leave", [1.0, 1.0, 1.0, 1.0, 0.0]),  # a world has no queue in which it could be filled
        ("passive", [1.0, 1.0, 1.0, 1.0, 0.0]),
        ("nothing", [1.0, 1.0, 1.0, 1.0, 0.0]),
    ],
)
def test_a_policy_leaves_the_inventory_that_its_name_says(name: str, path: list[float]) -> None:
    world = Martingale(steps=4, tau_s=300, side=-1)
    members = begun(world, 1, Actions.of_policy(by_name(name)))
    play(members, lambda *_: np.zeros(1, np.int64))
    assert (members.path(0) / world.lots).tolist() == path


def test_what_a_policy_posts_rests_where_it_sees_it_follows_the_touch_and_never_fills() -> None:
    members = begun(Martingale(epsilon=0.0), 1, Actions.of_policy(by_name("passive")))
    view, ticks = members._members[0].seen, []
    for _ in range(19):
        members.step(np.zeros(1, np.int64))
        assert view.own[0]["state"] == RESTING
        assert (view.open, view.filled) == (1_000_000, 0)
        ticks.append(int(view.own[0]["tick"]))
    assert np.all(np.diff(ticks) >= 0)
    assert len(set(ticks)) > 2


def test_masks_allow_no_more_units_than_are_left_and_a_greedy_agent_trades_what_is_left() -> None:
    world = AlmgrenChriss(units=100, most_units=60)
    members = begun(world, 1, unit_actions(world))
    assert members.masks.all()
    members.step(np.array([60]))
    assert members.masks[0].tolist() == [True] * 41 + [False] * 20
    members.step(np.array([60]))
    assert members.observations[0, 1] == 0.0
    assert members.masks[0].tolist() == [True] + [False] * 60


# Refusals -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: World(lots=0), "World: lots was 0; expected a whole number from 1"),
        (lambda: World(steps=2.5), "steps was 2.5; expected a whole number"),  # type: ignore[arg-type]
        (lambda: World(side=0), "side was 0; expected 1 or -1"),
        (lambda: World(sigma=0.0), "sigma was 0.0; expected a positive number"),
        (lambda: World(epsilon=float("nan")), "epsilon was nan; expected a number that is not negative"),
        (lambda: World(gamma=-1e-5), "gamma was -1e-05; expected a number that is not negative"),
        (lambda: World(gamma=0.003), "eta was 0.06; expected more than half of gamma times tau_s"),
        (lambda: World(units=70), "units was 70; expected a divisor of lots, 1000000"),
        (lambda: World(most_units=101), "most_units was 101; expected at most units, 100"),
        (lambda: World(mid=1000), "mid was 1000; expected above"),
        (lambda: World(noise=1), "noise was 1; expected true or false"),  # type: ignore[arg-type]
        (lambda: AlmgrenChriss(kappa_t=200), "kappa_t was 200; expected a number from 0 to 100"),
        (lambda: PlantedSignal(rho=0.0), "rho was 0.0; expected a number between 0 and 1"),
        (lambda: PlantedSignal(phi=1.0), "phi was 1.0; expected a number from 0 to below 1"),
        (lambda: PlantedSignal().solve(2), "nodes was 2; expected 3 or more"),
        (lambda: World().utility([1, 0]), "the path must hold 21 numbers from 1000000 to 0"),
        (lambda: WorldMembers(World(), 0), "count was 0; expected 1 or more"),
        (lambda: begun(World(), 2).begin(np.array([2])), "expected whole numbers from 0 to 1"),
        (lambda: begun(World(), 2).seed(np.arange(2), np.arange(3)), "expected 2 whole numbers"),
        (lambda: begun(World(), 2).ended(1), "member 1 has ended no episode yet"),
        (lambda: WorldMembers(World(), 2).step(np.zeros((2, 1))), "member 0 has no episode; begin it first"),
        (lambda: begun(World()).render(0, "human"), "render mode was 'human'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_that_says_why(make: Any, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        make()
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "chosen", "message"),
    [
        ("share", [[0.0], [1.001]], "member 1: the action was [1.001]; expected [-1.0] to [1.0]"),
        ("share", [[np.nan], [0.0]], "member 0: the action was [nan]"),
        ("share", [[0.0], [-np.inf]], "member 1: the action was [-inf]"),
        ("share", [[0.0]], "actions had the shape (1, 1); expected (2,)"),
        ("share", [["0"], ["1"]], "expected numbers"),
        ("units", [0, 21], "member 1: the action was [21]; expected [0.0] to [20.0]"),
        ("units", [-1, 0], "member 0: the action was [-1]"),
        ("units", [0.0, 1.0], "actions were float64; expected whole numbers from 0 to 20"),
        ("units", [[0, 1], [1, 0]], "actions had the shape (2, 2)"),
    ],
)
def test_an_action_outside_the_space_is_refused_before_anything_moves(kind: str, chosen: Any, message: str) -> None:
    world = PlantedSignal()
    members = begun(world, 2, share_actions() if kind == "share" else unit_actions(world))
    before = [part.tobytes() for part in members.snapshot()[-1]]
    with pytest.raises(BadInput) as refusal:
        members.step(np.array(chosen))
    assert message in str(refusal.value)
    assert [part.tobytes() for part in members.snapshot()[-1]] == before


# Faces --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS, ids=repr)
def test_members_keep_the_contract_of_members_and_name_what_they_show(world: World) -> None:
    members: Members = begun(world, 2)
    assert members.observation_space.shape == (len(world.features),)
    assert [name for name, _ in world.features][:2] == ["time_remaining", "inventory_remaining"]
    assert all(line for _, line in world.features)
    assert all(part.metadata["help"] for part in fields(world))
    assert members.actions.space.contains(np.zeros(1, np.float32))
    assert members.masks.shape == (2, 0)


def test_a_picture_shows_the_path_and_a_line_says_where_it_stands() -> None:
    members = begun(PlantedSignal(), 1)
    blank = members.render(0, "rgb_array")
    members.step(np.array([[0.0]]))
    picture = members.render(0, "rgb_array")
    assert picture.dtype == np.uint8
    assert picture.shape == (120, 200, 3)
    assert (picture != blank).any()
    line = members.render(0, "ansi")
    assert line.startswith("PlantedSignal: step 1 of 20, 50.0% left, mid ")
    assert ", signal " in line


@pytest.mark.parametrize("flag", FLAGS)
def test_all_of_this_holds_once_more_with(flag: str) -> None:
    run_again(flag, "test_worlds.py")
