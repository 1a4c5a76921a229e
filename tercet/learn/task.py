"""TASK: what is to be learned, and how well somebody does it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import Market, market
from tercet.envs.actions import actions_of
from tercet.envs.execution import EnvSettings, ExecutionMembers
from tercet.envs.members import Actions, Members
from tercet.envs.worldmembers import WorldMembers
from tercet.envs.worlds import World
from tercet.execution.policy import Policy

EPISODES: int = 1 << 40  # seeds from here on are for validation, from twice that on for tests; training's lie below
SEEDS: int = 1 << 20  # of one training run

Choose = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[Any]]  # (observations, masks) -> actions


@dataclass(frozen=True)
class Task:
    """Members on demand: `make(count, actions)` with the learner's action space, or with other Actions."""

    name: str
    make: Callable[[int, Actions | None], Members]
    cost: str = "is_bps"  # by what name `ended` tells what an episode cost, bps
    terms: dict[str, str] = field(default_factory=dict)  # what episodes are made of, in words: a resumed run's must be the same


def book_task(settings: EnvSettings) -> Task:
    """Parents in a market's book, the market opened once for all of the task's members."""
    names = (settings.market,) if isinstance(settings.market, str) else settings.market
    opened: list[tuple[Market, ...]] = []

    def make(count: int, actions: Actions | None) -> Members:
        if not opened:
            opened.append(tuple(market(name) for name in names))
        chosen = settings if actions is None else EnvSettings(**{**vars(settings), "actions": actions})
        return ExecutionMembers(chosen, count, opened[0])

    return Task(" ".join(names), make, terms={name: _word(value) for name, value in vars(settings).items() if name != "threads"})


def world_task(world: World, actions: Actions) -> Task:
    """A bookless world."""
    terms = {"world": repr(world), "actions": actions.name}
    return Task(type(world).__name__, lambda count, others: WorldMembers(world, count, others or actions), "utility", terms)


def _word(value: Any) -> str:
    """A setting as another process would say it: policies, actions and functions by name."""
    return str(getattr(value, "name", None) or getattr(value, "__name__", None) or repr(value))


def episodes(members: Members, choose: Choose, first_seed: int) -> list[dict[str, float]]:
    """What comes of one episode of each member, whose seeds count from `first_seed` on, by an agent that chooses."""
    places = np.arange(members.count)
    members.seed(places, first_seed + places)
    members.begin(places)
    came: dict[int, dict[str, float]] = {}
    while len(came) < members.count:
        members.step(choose(members.observations, members.masks))
        for place in np.flatnonzero(members.terminated):
            came.setdefault(int(place), members.ended(int(place)))
    return [came[place] for place in range(members.count)]


def costs_in(members: Members, task: Task, choose: Choose, first_seed: int) -> NDArray[np.float64]:
    """What an episode of each of the task's members costs, bps; the same again however often they are used."""
    return np.array([one[task.cost] for one in episodes(members, choose, first_seed)])


def costs(task: Task, choose: Choose, count: int, first_seed: int) -> NDArray[np.float64]:
    """What each of so many episodes of an agent costs, bps."""
    return costs_in(task.make(count, None), task, choose, first_seed)


def policy_costs(task: Task, policy: Policy | str, count: int, first_seed: int) -> NDArray[np.float64]:
    """The same of a policy, or a shipped one's name, on the same episodes where seeds are the same."""
    members = task.make(count, actions_of(policy))
    return costs_in(members, task, lambda seen, masks: np.zeros(len(seen), np.int64), first_seed)
