"""TASK: what is to be learned, and how well somebody does it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import checksum, market
from tercet.envs.actions import actions_of
from tercet.envs.bank import TRAINING, Bank
from tercet.envs.execution import EnvSettings, ExecutionMembers, bank_of
from tercet.envs.members import Actions, Members
from tercet.envs.worldmembers import WorldMembers
from tercet.envs.worlds import World
from tercet.execution.policy import Policy

EPISODES: int = 1 << 40  # seeds from here on are for validation, from twice that on for tests; training's lie below
SEEDS: int = 1 << 20  # of one training run

Choose = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[Any]]  # (observations, masks) -> actions


@dataclass(frozen=True)
class Task:
    """Members on demand: `make(count, actions, part)` with the learner's action space (None) or other Actions, of a part of PARTS."""

    name: str
    make: Callable[[int, Actions | None, str], Members]
    cost: str = "is_bps"  # by what name `ended` tells what an episode cost, bps
    terms: dict[str, str] = field(default_factory=dict)  # what episodes are made of, in words: a resumed run's must be the same


def book_task(settings: EnvSettings) -> Task:
    """Parents in a market's book, the market opened once for all of the task's members.

    Each part has start states of its own; what is usual, by which observations are scaled, is what is usual in training.
    """
    names = (settings.market,) if isinstance(settings.market, str) else settings.market
    markets = tuple(market(name, settings.accept_bad_day) for name in names)
    banks: dict[str, Bank] = {}

    def bank(part: str) -> Bank:
        if part not in banks:
            filled = bank_of(replace(settings, part=part), markets)
            banks[part] = filled if part == TRAINING else replace(filled, usual=bank(TRAINING).usual)
        return banks[part]

    def make(count: int, actions: Actions | None, part: str) -> Members:
        chosen = settings if actions is None else replace(settings, actions=actions)
        return ExecutionMembers(chosen, count, markets, bank=bank(part))

    terms = {name: _word(value) for name, value in vars(settings).items() if name not in ("threads", "accept_bad_day")}
    return Task(" ".join(names), make, terms=terms | {"data": " ".join(map(checksum, markets))})


def world_task(world: World, actions: Actions) -> Task:
    """A bookless world."""
    terms = {"world": repr(world), "actions": actions.name}
    return Task(type(world).__name__, lambda count, others, part: WorldMembers(world, count, others or actions), "utility", terms)


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


class Costs(NamedTuple):
    """What episodes cost, bps, and the start state that each began from: those of one have much in common."""

    bps: NDArray[np.float64]
    starts: NDArray[np.float64]


def costs_in(members: Members, task: Task, choose: Choose, first_seed: int) -> Costs:
    """What an episode of each of the task's members costs; the same again however often they are used."""
    came = episodes(members, choose, first_seed)
    return Costs(np.array([one[task.cost] for one in came]), np.array([one.get("entry", place) for place, one in enumerate(came)]))


def costs(task: Task, choose: Choose, count: int, first_seed: int, part: str) -> Costs:
    """What each of so many episodes of an agent costs."""
    return costs_in(task.make(count, None, part), task, choose, first_seed)


def policy_costs(task: Task, policy: Policy | str, count: int, first_seed: int, part: str) -> Costs:
    """The same of a policy, or a shipped one's name, on the same episodes where seeds are the same."""
    members = task.make(count, actions_of(policy), part)
    return costs_in(members, task, lambda seen, masks: np.zeros(len(seen), np.int64), first_seed)


class Difference(NamedTuple):
    """The mean difference of paired costs, bps, and its standard error, episodes of one start state counted as one cluster."""

    mean: float
    error: float


def difference(own: Costs, other: Costs) -> Difference:
    """How much dearer `own` is on the same episodes (Liang & Zeger 1986, with G / (G - 1) for G clusters)."""
    less = own.bps - other.bps
    _, cluster = np.unique(own.starts, return_inverse=True)
    sums = np.bincount(cluster, less - less.mean())
    few = len(sums) / (len(sums) - 1) if len(sums) > 1 else np.inf
    return Difference(float(less.mean()), float(np.sqrt(few * np.sum(sums**2)) / len(less)))
