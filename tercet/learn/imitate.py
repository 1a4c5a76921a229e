"""A warm start: the agent imitates the schedule that does best on held-out episodes, before it learns by itself.

A schedule becomes a teacher in the agent's own action space: at each look it asks for the share that is due by the next one, at one
place in the book. PPO is fitted to what teachers would do on episodes that it and chance share; DQN's replay buffer begins with them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from tercet.envs.bank import TRAINING
from tercet.errors import BadInput
from tercet.execution.moves import CROSS, IMPROVE, JOIN, MID, SHARES, WHERE
from tercet.execution.observation import FEATURES
from tercet.learn.ddqn import DoubleDQN
from tercet.learn.task import EPISODES, SEEDS, Task, costs_in

TIME, LEFT, HORIZON = (next(i for i, (name, _) in enumerate(FEATURES) if name == wanted) for wanted in ("time", "inventory", "horizon"))
URGENCIES = (0.0, 1.0, 2.0, 4.0)  # kappa T of Almgren & Chriss (2000, eq. 18); 0 is TWAP
AGGRESSIVENESS = {JOIN: 0.0, IMPROVE: 0.25, MID: 0.5, CROSS: 1.0}  # of a continuous agent, in spreads from the near touch
STRAYS = 0.3  # share of decisions taken at random while the agent watches, so that it learns the way back
EPOCHS, BATCH = 40, 1024


@dataclass(frozen=True)
class Teacher:
    """A schedule worked at one place in the book, in the words of an action space."""

    urgency: float
    place: int
    step_s: float
    space: gym.Space[Any]

    @property
    def name(self) -> str:
        """What it does, for people."""
        return f"{f'Almgren-Chriss {self.urgency:g}' if self.urgency else 'TWAP'}, {WHERE[self.place]}"

    def __call__(self, observations: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[Any]:
        """Actions, (count,) or (count, 2). A move that is masked is replaced by crossing, with less where less may, and that by none."""
        time, left = observations[:, TIME].astype(np.float64), np.maximum(observations[:, LEFT].astype(np.float64), 1e-9)
        tick = self.step_s / (300.0 * np.exp(observations[:, HORIZON].astype(np.float64)))
        last = time <= 1.5 * tick
        due = np.where(last, 1.0, np.clip((left - self._planned(time - tick)) / left, 0.0, 1.0))
        place = np.where(last, CROSS, self.place)
        if isinstance(self.space, gym.spaces.Box):
            return np.stack([2.0 * due - 1.0, np.where(last, 1.0, AGGRESSIVENESS[self.place])], axis=1).astype(np.float32)
        share = np.abs(np.log(np.maximum(due, 1e-9))[:, None] - np.log(SHARES)).argmin(1)
        wanted = np.where(due < 0.5 * SHARES[0], 0, 1 + len(SHARES) * place + share)
        rows = np.arange(len(wanted))
        crossing = 1 + len(SHARES) * CROSS + share
        for _ in SHARES[1:]:
            crossing = np.maximum(np.where(masks[rows, crossing], crossing, crossing - 1), 1 + len(SHARES) * CROSS)
        return np.where(masks[rows, wanted], wanted, np.where(masks[rows, crossing], crossing, 0))

    def _planned(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share left that the schedule plans with so much of the horizon to go."""
        time = np.maximum(time, 0.0)
        return np.sinh(self.urgency * time) / math.sinh(self.urgency) if self.urgency else time


def teachers(space: gym.Space[Any], step_s: float) -> list[Teacher]:
    """All schedules at all places."""
    if not isinstance(space, gym.spaces.Box) and getattr(space, "n", 0) != 1 + len(SHARES) * len(WHERE):
        raise BadInput(f"imitation of schedules in {space}; expected a book's discrete or continuous actions")
    return [Teacher(urgency, place, step_s, space) for urgency in URGENCIES for place in AGGRESSIVENESS]


def best_teacher(task: Task, step_s: float, count: int, tell: Callable[[str, float], None] = lambda name, cost: None) -> Teacher:
    """The teacher whose held-out episodes cost least; `tell` hears of each with its mean cost, bps."""
    found, least, members = None, math.inf, task.make(count, None, TRAINING)
    for teacher in teachers(members.actions.space, step_s):
        cost = float(costs_in(members, task, teacher, EPISODES).bps.mean())
        tell(teacher.name, cost)
        if cost < least:
            found, least = teacher, cost
    assert found is not None
    return found


def imitate(agent: BaseAlgorithm, task: Task, teacher: Teacher, seed: int, count: int = 512) -> float:
    """Fit an agent's choices to a teacher's; returns how often they agree (continuous: the mean distance). DQN only begins with them."""
    if isinstance(agent, DoubleDQN):
        agent.teacher = teacher
        return math.nan
    observations, masks, actions = _watched(task, teacher, count, seed)
    policy: Any = agent.policy
    rng, masked = np.random.default_rng([seed, 11]), masks.shape[1] > 0
    policy.set_training_mode(True)
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(actions)), max(1, len(actions) // BATCH)):
            seen, chosen = (th.as_tensor(part[rows], device=agent.device) for part in (observations, actions))
            _, likelihood, _ = policy.evaluate_actions(seen, chosen, **({"action_masks": masks[rows]} if masked else {}))
            policy.optimizer.zero_grad()
            (-likelihood.mean()).backward()
            policy.optimizer.step()
    own, _ = agent.predict(observations, deterministic=True, **({"action_masks": masks} if masked else {}))  # type: ignore[arg-type]
    return float((own == actions).mean() if masked else np.abs(own - actions).mean())


def _watched(task: Task, teacher: Teacher, count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[Any]]:
    """What members see in an episode that strays from a teacher's now and then, and what the teacher would have done there."""
    members, rng = task.make(count, None, TRAINING), np.random.default_rng([seed, 12])
    members.seed(np.arange(count), seed * SEEDS + np.arange(count))
    members.begin(np.arange(count))
    seen, open_moves, taught = [], [], []
    going = np.ones(count, np.bool_)
    while going.any():
        actions = teacher(members.observations, members.masks)
        seen.append(members.observations[going].copy())
        open_moves.append(members.masks[going].copy())
        taught.append(actions[going])
        strays = rng.random(count) < STRAYS
        chance = rng.uniform(-1.0, 1.0, actions.shape) if actions.ndim > 1 else rng.integers(0, members.masks.shape[1], count)
        members.step(np.where(strays.reshape(-1, *[1] * (actions.ndim - 1)), chance, actions))
        going &= ~members.terminated
    return np.concatenate(seen), np.concatenate(open_moves), np.concatenate(taught)
