"""How many environment steps a second the learners take, in a book and in an environment that costs nothing, in one run."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import market
from tercet.bench.env import MEMBERS, applied_ever, opened
from tercet.bench.loops import decide_many
from tercet.envs.execution import ExecutionMembers
from tercet.envs.members import Members
from tercet.execution.learned import policy_of
from tercet.execution.policy import PAD
from tercet.execution.policyfile import PolicyFile
from tercet.learn.export import network_of
from tercet.learn.settings import DDQN, PPO, TrainSettings
from tercet.learn.task import Task
from tercet.learn.train import RunSettings, train

STEP_S = 3.5  # of crowd:zero, in which some 100 messages are applied
ROUNDS = 3
STEPS = {PPO: 24 * 16 * MEMBERS, DDQN: 320 * MEMBERS}
VIEWS, DECISIONS = 64, 200_000
EPISODE_STEPS = 60


class NullMembers:
    """Members whose observations and rewards are drawn beforehand: what is left of a step is the learner's."""

    def __init__(self, like: ExecutionMembers) -> None:
        """Spaces and shapes of those members."""
        self.count, self.observation_space, self.actions = like.count, like.observation_space, like.actions
        rng = np.random.default_rng(0)
        self._drawn = rng.standard_normal((8, *like.observations.shape)).astype(np.float32)
        self.observations, self.final_observations = self._drawn[0].copy(), self._drawn[0].copy()
        self.rewards, self.terminated, self.masks = np.zeros(self.count), np.zeros(self.count, np.bool_), np.ones_like(like.masks)
        self._steps = 0

    def seed(self, places: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Nothing is random."""

    def begin(self, places: NDArray[np.int64]) -> None:
        """Episodes are as they are."""

    def step(self, actions: NDArray[Any]) -> None:
        """The next of what was drawn."""
        self._steps += 1
        self.observations[:] = self._drawn[self._steps % len(self._drawn)]
        self.rewards[:] = self.observations[:, 0]
        self.terminated[:] = (np.arange(self.count) + self._steps) % EPISODE_STEPS == 0

    def ended(self, place: int) -> dict[str, float]:
        """Nothing comes of an episode."""
        return {"is_bps": 0.0}

    def render(self, place: int, mode: str) -> Any:
        """There is nothing to see."""

    def snapshot(self) -> Any:
        """How many steps have gone."""
        return self._steps

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._steps = state


def measure() -> dict[str, float]:
    """Steps a second of PPO and Double DQN, the best of ROUNDS in turn, with messages a step and the replay ratio beside."""
    book = opened(market("crowd:zero"), STEP_S)
    measured = {"act.us": decision_us(book)}
    for algo in (PPO, DDQN):
        settings = TrainSettings(algo=algo, envs=MEMBERS, steps=STEPS[algo])
        runs: dict[str, Members] = {"": book, "null_": NullMembers(book)}
        before, seconds = applied_ever(book), dict.fromkeys(runs, np.inf)
        for _ in range(ROUNDS):
            for name, members in runs.items():
                seconds[name] = min(seconds[name], timed(members, settings))
        measured |= {f"train.{algo}.{name}steps_per_s": settings.steps / each for name, each in seconds.items()}
        measured[f"train.{algo}.messages_per_step"] = (applied_ever(book) - before) / (ROUNDS * settings.steps)
    measured["train.ppo.share_of_null"] = measured["train.ppo.steps_per_s"] / measured["train.ppo.null_steps_per_s"]
    measured["train.ddqn.replay_ratio"] = settings.updates * settings.batch / settings.envs
    return measured


def decision_us(members: ExecutionMembers) -> float:
    """Microseconds of a decision in compiled code: observe, mask, the network of a fresh PPO, its move; best of ROUNDS."""
    task, settings = Task("bench", lambda count, actions, part: members), TrainSettings(algo=PPO, envs=MEMBERS, steps=1)
    network = network_of(train(task, settings, run=RunSettings(validations=0)).agent)
    usual = {name: float(members.bank.usual[name]) for name in members.bank.usual.dtype.names}
    policy = policy_of(PolicyFile(name="bench", algo=PPO, actions="discrete", masked=True, step_ns=1, usual=usual, network=network))
    views, pads = members.members.view(np.ndarray)["views"][:VIEWS, 0].copy(), np.array([policy.new_pad()] * VIEWS, PAD)
    decide_many(policy.decide, views, pads, 1)
    return min(decided(policy.decide, views, pads) for _ in range(ROUNDS)) / DECISIONS * 1e6


def decided(decide: Any, views: NDArray[np.void], pads: NDArray[np.void]) -> float:
    """Seconds of DECISIONS decisions."""
    began = time.perf_counter()
    decide_many(decide, views, pads, DECISIONS)
    return time.perf_counter() - began


def timed(members: Members, settings: TrainSettings) -> float:
    """Seconds that a learner takes for its steps, after its first ones."""
    began = time.perf_counter()
    train(Task("bench", lambda count, actions, part: members), settings, run=RunSettings(validations=0))
    return time.perf_counter() - began
