"""The learners' own exam: what its figures say of agents whose skill is known, and one learner that passes in seconds."""

import itertools
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tercet.envs.worldmembers import WorldMembers, grid_actions, pace_actions
from tercet.envs.worlds import AlmgrenChriss, Martingale, PlantedSignal, World
from tercet.envs.worldsteps import EVEN, FASTEST, PACES
from tercet.learn import oracles
from tercet.learn.oracles import WORLDS, judge, settings_for
from tercet.learn.settings import DDQN, PPO, PPO_CONTINUOUS
from tercet.learn.task import world_task
from tercet.learn.train import RunSettings, chooser, train


def pace(wanted: float) -> float:
    """The continuous agent's number for a pace."""
    return wanted - 1.0 if wanted < 1.0 else float(np.log(wanted) / np.log(FASTEST))


def best_pace(world: World) -> Any:
    """Who trades along the closed form."""
    path = world.optimum()
    shares = 1.0 - path[1:] / np.maximum(path[:-1], 1e-9)

    def choose(observations: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[Any]:
        steps = np.rint((1.0 - observations[:, 0]) * world.steps).astype(int)
        return np.array([[pace(shares[step] * (world.steps - step))] for step in steps])

    return choose


def always(action: Any) -> Any:
    """Who does the same at every decision."""
    return lambda observations, masks: np.array([action] * len(observations))


@pytest.mark.parametrize("name", [name for name in WORLDS if name.startswith("almgren")])
def test_the_gap_of_the_optimum_is_none_and_that_of_twap_is_whole(name: str) -> None:
    world = WORLDS[name]
    assert judge(world, PPO_CONTINUOUS, best_pace(world))[0]["gap"] == pytest.approx(0.0, abs=1e-4)
    assert judge(world, PPO_CONTINUOUS, always([0.0]))[0]["gap"] == pytest.approx(1.0, abs=1e-9)
    assert judge(world, PPO, always(EVEN))[0]["gap"] == pytest.approx(1.0, abs=1e-9)
    assert not judge(world, PPO, always(EVEN))[1]


def test_the_grids_optimum_is_the_best_of_all_ways_through_it() -> None:
    world = AlmgrenChriss(steps=4, tau_s=300.0, kappa_t=3.0, lots=1_000_000, units=10, most_units=5)
    best = np.inf
    for way in itertools.product(PACES, repeat=world.steps - 1):
        left = [1.0]
        for step, chosen in enumerate(way):
            left.append(left[-1] * (1.0 - min(1.0, chosen / (world.steps - step))))
        best = min(best, world.utility(world.lots * np.array([*left, 0.0])))
    assert world.pace_optimum().utility == pytest.approx(best, rel=1e-12)
    assert world.utility(world.pace_optimum().path) == pytest.approx(best, rel=1e-6)


def test_a_grids_choice_trades_at_its_pace() -> None:
    world = Martingale()
    for choice, wanted in enumerate(PACES):
        members = WorldMembers(world, 1, grid_actions())
        members.begin(np.arange(1))
        members.step(np.array([choice]))
        left = 1.0 - min(1.0, wanted / world.steps)
        assert members.observations[0, 1] == pytest.approx(left, abs=1e-5)
    assert PACES[EVEN] == 1.0


@pytest.mark.parametrize("number", [-1.0, -0.4, 0.0, 0.5, 1.0])
def test_a_continuous_pace_runs_from_none_over_the_even_one_to_the_fastest(number: float) -> None:
    members = WorldMembers(Martingale(), 1, pace_actions())
    members.begin(np.arange(1))
    members.step(np.array([[number]]))
    wanted = 1.0 + number if number < 0 else FASTEST**number
    assert members.observations[0, 1] == pytest.approx(1.0 - wanted / 20, abs=1e-5)


@pytest.mark.parametrize("world", [AlmgrenChriss(noise=True), Martingale(), PlantedSignal()])
def test_paired_rewards_are_what_twap_would_not_have_got_on_the_same_prices(world: World) -> None:
    def rewards(of: World, actions: NDArray[np.int64]) -> float:
        members = WorldMembers(of, 1, grid_actions())
        members.seed(np.arange(1), np.array([7]))
        members.begin(np.arange(1))
        for action in actions:
            members.step(np.array([action]))
        return members.ended(0)["reward"]

    actions = np.random.default_rng(1).integers(0, len(PACES), world.steps)
    paired = rewards(replace(world, paired=True), actions)
    assert paired == pytest.approx(rewards(world, actions) - rewards(world, np.full(world.steps, EVEN)), abs=1e-6)


def test_twap_has_no_edge_and_no_deviation() -> None:
    figures, met = judge(WORLDS["martingale"], PPO, always(EVEN))
    assert met
    assert figures == {"deviation": pytest.approx(0.0, abs=1e-4), "above": pytest.approx(0.0, abs=1e-6)}
    assert judge(WORLDS["shuffled"], DDQN, always(EVEN))[1]
    figures, met = judge(WORLDS["signal"], DDQN, always(EVEN))
    assert not met
    assert figures["edge"] == pytest.approx(0.0, abs=1e-6)


def test_who_follows_a_shuffled_signal_is_not_taken_for_one_who_does_not() -> None:
    def follows(observations: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[Any]:
        return np.clip(0.2 * observations[:, 2:3], -1.0, 1.0)

    assert not judge(WORLDS["shuffled"], PPO_CONTINUOUS, follows)[1]
    assert judge(WORLDS["signal"], PPO_CONTINUOUS, follows)[0]["edge"] > 0.6


def test_ppo_passes_in_seconds_from_fresh_weights() -> None:
    world = WORLDS["almgren-chriss 2"]
    settings = replace(settings_for(PPO_CONTINUOUS, world, 3), steps=400_000)
    trained = train(world_task(world, pace_actions()), settings, run=RunSettings(validations=0))
    figures, met = judge(world, PPO_CONTINUOUS, chooser(trained.agent))
    assert met, figures


def test_names_that_there_are_not_are_refused() -> None:
    for words in (["--worlds", "mars"], ["--algos", "sarsa"], ["--seeds", "0"]):
        command = [sys.executable, "-c", "from tercet.cli.app import main; main()", "oracles", *words]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 1
        assert run.stderr.startswith("tercet: ")
        assert "expected" in run.stderr


def test_every_learner_has_settings_for_every_world() -> None:
    for algo in oracles.LEARNERS:
        for world in WORLDS.values():
            assert settings_for(algo, world, 2).seed == 2
