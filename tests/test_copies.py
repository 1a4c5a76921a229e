"""A copy or a pickle of an environment in mid-episode goes on as the original would, alone; wrappers of others find their keys free."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from test_envs import BOTH, batch, equal, learners, single

from tercet.envs.making import make_members
from tercet.envs.members import Actions
from tercet.envs.registration import IDS
from tercet.envs.rewards import reward
from tercet.execution.pacing import paced
from tercet.execution.policy import Policy
from tercet.execution.policyfile import NAMES, USUAL, PolicyFile, network_from
from tercet.execution.schedules import by_name

MOST = [*BOTH, "tercet/History-v0", "tercet/CrashWatched-v0", "tercet/Mixed-v0"]
COPIES: dict[str, Callable[[Any], Any]] = {"deepcopy": copy.deepcopy, "pickle": lambda env: pickle.loads(pickle.dumps(env))}


@reward
def early(before, after, fills, params):  # type: ignore[no-untyped-def]
    """The shortfall, and what was traded early."""
    return -fills.cost + fills.lots * (1.0 - before.elapsed)


def course(env: Any, steps: int) -> list[Any]:
    """Everything that an environment says and draws from here on, over the ends of its episodes."""
    rows: list[Any] = []
    for _ in range(steps):
        rows.append((env.step(env.action_space.sample()), env.unwrapped.action_masks()))
        if env.unwrapped.members.count == 1 and rows[-1][0][2]:
            rows.append(env.reset())
    return [*rows, env.reset(), env.np_random.random()]


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("make", [single, lambda id: batch(id, 20)], ids=["single", "batch"])
@pytest.mark.parametrize("id", MOST)
def test_a_copy_in_mid_episode_goes_on_as_the_original_would_and_alone(id: str, make: Any, way: str) -> None:
    env = make(id)
    env.reset(seed=3)
    env.action_space.seed(1)
    for _ in range(4):
        env.step(env.action_space.sample())
    twin, later = COPIES[way](env), COPIES[way](env)
    expected = course(env, 25)
    assert equal(course(twin, 25), expected)
    assert equal(course(later, 25), expected)  # after both others have gone on: nothing is shared that a step writes


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_of_an_environment_before_its_reset_or_after_its_end_knows_so(way: str) -> None:
    env = single("tercet/Hawkes-v0")
    env.action_space.seed(1)
    fresh = COPIES[way](env)
    assert equal(fresh.reset(seed=2), env.reset(seed=2))
    while not env.step(0)[2]:
        pass
    ended = COPIES[way](env)
    with pytest.raises(gym.error.ResetNeeded):
        ended.step(0)
    assert equal(ended.reset(), env.reset())
    assert equal(course(ended, 12), course(env, 12))


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_draws_what_the_original_draws(way: str) -> None:
    env = gym.make("tercet/Hawkes-v0", render_mode="ansi", bank=4, step="30s")
    env.reset(seed=1)
    for action in (3, 0, 5):
        env.step(action)
    twin = COPIES[way](env)
    assert twin.render() == env.render()
    assert (twin.step(2)[1], twin.render()) == (env.step(2)[1], env.render())


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("id", BOTH)
def test_a_copy_of_the_learners_face_goes_on_too(id: str, way: str) -> None:
    env = learners(make_members(id, 6, **({"bank": 4, "step": "30s"} if id in BOTH[:1] else {})))
    env.seed(5)
    env.reset()
    env.action_space.seed(1)
    actions = [np.array([env.action_space.sample() for _ in range(6)]) for _ in range(24)]
    for action in actions[:4]:
        env.step(action)
    twin = COPIES[way](env)
    assert equal([twin.step(action) for action in actions[4:]], [env.step(action) for action in actions[4:]])


def file_policy() -> Policy:
    """A policy of a file, whose settings hold an address."""
    from tercet.execution.learned import policy_of

    layers = [(np.random.default_rng(1).normal(size=(len(NAMES), 16)), np.zeros(16))]
    usual = dict.fromkeys(USUAL.names or (), 1.0)
    return policy_of(
        PolicyFile(name="mine", algo="ppo", actions="discrete", step_ns=10**9, usual=usual, network=network_from("relu", layers))
    )


OWN = {"shipped": by_name("pov"), "of a file": file_policy(), "paced": paced(file_policy())}


@pytest.mark.parametrize("name", OWN)
def test_a_policy_is_pickled_by_what_made_it_and_never_by_an_address(name: str) -> None:
    policy = OWN[name]
    again = pickle.loads(pickle.dumps(policy))
    assert (again.name, again.settings, again.step_ns) == (policy.name, policy.settings, policy.step_ns)
    assert again.decide is policy.decide
    assert copy.deepcopy(policy) is policy
    for address in policy.settings:
        assert address < 1e6 or str(address).encode() not in pickle.dumps(policy)
    assert pickle.loads(pickle.dumps(Actions.of_policy(policy))).decide is policy.decide


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_with_a_policy_and_a_reward_of_ones_own_goes_on(way: str) -> None:
    env = single("tercet/Hawkes-v0", actions=OWN["paced"], reward=early)
    env.reset(seed=1)
    env.step(0)
    twin = COPIES[way](env)
    assert equal(course(twin, 12), course(env, 12))


# Other people's wrappers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", IDS)
def test_gymnasiums_statistics_of_a_single_environment_are_those_of_its_episode(id: str) -> None:
    env = gym.wrappers.RecordEpisodeStatistics(single(id))
    env.reset(seed=1)
    rewards = [0.0]
    while True:
        _, reward, ended, _, info = env.step(env.action_space.sample())
        rewards.append(float(reward))
        if ended:
            break
    assert info["episode"]["r"] == pytest.approx(sum(rewards), rel=1e-9)
    assert info["episode"]["l"] == len(rewards) - 1
    assert {"is_bps", "reward"} <= info.keys()


@pytest.mark.parametrize("id", BOTH)
def test_stable_baselines_monitors_take_an_environment_and_a_batch(id: str) -> None:
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecMonitor

    env = Monitor(single(id))
    env.reset(seed=1)
    while not (row := env.step(env.action_space.sample()))[2]:
        pass
    assert row[4]["episode"]["l"] in (10, 20)
    with pytest.warns(UserWarning, match="`Monitor` statistics"):
        envs = VecMonitor(learners(make_members(id, 3, **({"bank": 4, "step": "30s"} if id in BOTH[:1] else {}))))
    envs.reset()
    while not (found := envs.step(np.array([envs.action_space.sample() for _ in range(3)])))[2].all():
        pass
    assert all(info["episode"]["l"] in (10, 20) for info in found[3])


WRAPPERS: dict[str, Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]] = {
    "Autoreset": gym.wrappers.Autoreset,
    "DelayObservation": lambda env: gym.wrappers.DelayObservation(env, 1),
    "ClipReward": lambda env: gym.wrappers.ClipReward(env, -1.0, 1.0),
    "FlattenObservation": gym.wrappers.FlattenObservation,
    "FrameStack": lambda env: gym.wrappers.FrameStackObservation(env, 3),
    "NormalizeObservation": gym.wrappers.NormalizeObservation,
    "NormalizeReward": gym.wrappers.NormalizeReward,
    "OrderEnforcing": gym.wrappers.OrderEnforcing,
    "PassiveEnvChecker": gym.wrappers.PassiveEnvChecker,
    "RecordEpisodeStatistics": gym.wrappers.RecordEpisodeStatistics,
    "StickyAction": lambda env: gym.wrappers.StickyAction(env, 0.5),
    "TimeAwareObservation": lambda env: gym.wrappers.TimeAwareObservation(gym.wrappers.TimeLimit(env, 50)),
    "TimeLimit": lambda env: gym.wrappers.TimeLimit(env, 5),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_each_of_gymnasiums_wrappers_works_on_an_environment_over_two_episodes(name: str) -> None:
    env = WRAPPERS[name](single("tercet/PlantedSignal-v0"))
    for _ in range(2):
        env.reset(seed=1)
        while not (row := env.step(env.action_space.sample()))[2] and not row[3]:
            pass
        assert not {"episode", "final_info", "final_obs", "TimeLimit.truncated", "terminal_observation"} & set(single_info(row))


def single_info(row: Any) -> dict[str, Any]:
    """What our environment itself said at an end: without what Gymnasium's statistics add."""
    return {key: value for key, value in row[4].items() if not isinstance(value, dict)}
