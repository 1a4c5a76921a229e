"""The tabular backward induction of Nevmyvaka, Feng & Kearns, "Reinforcement Learning for Optimized Trade Execution" (ICML 2006).

A state is the time that remains, the inventory that remains and the market in bins; an action is one of a discrete space (the paper's:
all of the remainder, so many ticks from the touch); what is least is the shortfall. The market hardly minds what we do and each decision
needs only the values of later ones, so the table is solved from the horizon's end backwards, each cell the mean over its samples:
c(x, a) = mean of c_immediate + min over a' of c(x', a').

The paper puts the trader at every inventory at every time of a recording. Members cannot be put anywhere, so they wander there: random
open actions, held for random stretches, then wandering around the best table so far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from tercet.envs.members import Members
from tercet.errors import BadInput
from tercet.execution.observation import FEATURES

FEATURE_NAMES = tuple(name for name, _ in FEATURES)
DONE = 1e-7  # shares of the parent below which nothing is left
MOST_SEED = 2**31

Edges = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class NfkSettings:
    """How finely the table is cut and how long members wander. Raises BadInput for what no table can be made of."""

    inventories: int = field(default=8, metadata={"help": "units that the table counts what is left in, beside none"})
    features: tuple[str, ...] = field(default=("spread", "imbalance_1"), metadata={"help": "the market's, from the observation"})
    bins: int = field(default=3, metadata={"help": "of each of the market's features, equally often visited"})
    episodes: int = field(default=8192, metadata={"help": "explored in each round, rounded up to whole batches"})
    rounds: int = field(default=3, metadata={"help": "the first at random, the others around the table so far"})
    epsilon: float = field(default=0.3, metadata={"help": "share of the later rounds that is at random"})
    least: int = field(default=1, metadata={"help": "samples below which an action is left out, where another has as many"})
    seed: int = field(default=0, metadata={"help": "of the exploration and of the members"})

    def __post_init__(self) -> None:
        """Refuse what no table can be made of."""
        for part in fields(self):
            value, low = getattr(self, part.name), 0 if part.name == "seed" else 1
            if part.type is int and (not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low):
                raise BadInput(f"{part.name} was {value!r}; expected a whole number, {low} or more")
        if isinstance(self.features, str) or len(set(self.features)) != len(self.features):
            raise BadInput(f"features was {self.features!r}; expected names, each once")
        if not 0 <= self.epsilon <= 1:
            raise BadInput(f"epsilon was {self.epsilon!r}; expected a share from 0 to 1")


@dataclass(frozen=True)
class Transitions:
    """What was tried and what followed: n samples, d features of which the first is the time and the second the inventory that remain."""

    before: NDArray[np.float64]  # (n, d)
    actions: NDArray[np.int64]  # (n,)
    rewards: NDArray[np.float64]  # (n,): bps of the parent, minus the shortfall
    after: NDArray[np.float64]  # (n, d)
    ended: NDArray[np.bool_]  # (n,): no decision follows

    def joined(self, more: "Transitions") -> "Transitions":
        """These and then `more`."""
        return Transitions(*(np.concatenate([getattr(self, part.name), getattr(more, part.name)]) for part in fields(self)))


@dataclass(frozen=True)
class Solution:
    """A table to act by. `features` are cut at `edges` (np.searchsorted, side="right"), which gives every array its first d axes.

    The time's bins count the decisions that remain after this one. The inventory's first bin is nothing left, and the others stand for
    1, 2, ... units.
    """

    features: tuple[str, ...]  # "time", "inventory", then the market's
    columns: tuple[int, ...]  # where the features stand in an observation
    edges: Edges
    choices: NDArray[np.int16]  # the best action
    values: NDArray[np.float64]  # its expected shortfall from here on, bps of the parent
    visits: NDArray[np.int64]  # (..., actions): samples

    def act(self, observations: NDArray[Any]) -> NDArray[np.int64]:
        """The best actions, (count,), for observations (count, features of the environment)."""
        chosen: NDArray[np.int64] = self.choices[tuple(binned(observations[:, self.columns], self.edges).T)].astype(np.int64)
        return chosen


def binned(values: NDArray[Any], edges: Edges) -> NDArray[np.int64]:
    """The bins (n, d) of features (n, d)."""
    return np.stack([np.searchsorted(cuts, column, side="right") for cuts, column in zip(edges, values.T, strict=True)], axis=1)


def solve(
    members: Members,
    steps: int,
    settings: NfkSettings = NfkSettings(),  # noqa: B008
    names: Sequence[str] = FEATURE_NAMES,
    progress: Callable[[int], None] = lambda episodes: None,
) -> Solution:
    """The best table for members with a discrete action space whose episodes have `steps` decisions.

    names: of the observation's columns, the first two the time and the inventory that remain. `progress` is told how many episodes have
    ended. The members are given seeds of this exploration, and end in the middle of nothing: seed and begin them anew. Raises BadInput.
    """
    columns = _checked(members, steps, settings.features, names)
    rng = np.random.default_rng(settings.seed)
    members.seed(np.arange(members.count), rng.integers(MOST_SEED, size=members.count))
    length = -(-settings.episodes // members.count) * steps
    seen = explore(members, columns, length, Wandering(rng, members.count), progress)
    edges = cuts(seen.before, steps, settings)
    for _ in range(settings.rounds - 1):
        table = _solution(seen, edges, members, columns, settings)
        seen = seen.joined(explore(members, columns, length, Wandering(rng, members.count, settings.epsilon, table), progress))
    return _solution(seen, edges, members, columns, settings)


def _checked(members: Members, steps: int, features: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """The columns of time, inventory and the market's features."""
    space, width = members.actions.space, members.observation_space.shape[0]
    if not isinstance(space, gym.spaces.Discrete) or space.start != 0:
        raise BadInput(f"actions {members.actions.name} were {space}; expected a discrete space from 0")
    if not isinstance(steps, int | np.integer) or steps < 1:
        raise BadInput(f"steps was {steps!r}; expected a whole number, 1 or more")
    if len(names) != width:
        raise BadInput(f"names were {len(names)}; expected {width}, one for each column of the observation")
    if unknown := [name for name in features if name not in names[2:]]:
        raise BadInput(f"no feature of the market is called {unknown[0]!r}; expected some of {', '.join(names[2:])}")
    return (0, 1, *(list(names).index(name) for name in features))


def _solution(seen: Transitions, edges: Edges, members: Members, columns: tuple[int, ...], settings: NfkSettings) -> Solution:
    space = members.actions.space
    assert isinstance(space, gym.spaces.Discrete)
    return Solution(("time", "inventory", *settings.features), columns, edges, *backward(seen, edges, int(space.n), settings.least))


# Exploration --------------------------------------------------------------------------------------------------------------------


class Wandering:
    """Random open actions, each held for a while; with a table, in stretches of it.

    Each member's chance to go on as it did is drawn anew for each episode, so that some hold and some jump: crossing at random would
    leave no inventory for the late decisions.
    """

    def __init__(self, rng: np.random.Generator, count: int, epsilon: float = 1.0, table: Solution | None = None) -> None:
        """epsilon: the share of stretches at random."""
        self.rng, self.epsilon, self.table = rng, epsilon, table
        self.constancy, self.held = rng.random(count), np.zeros(count, np.int64)
        self.following, self.fresh = np.zeros(count, np.bool_), np.ones(count, np.bool_)

    def choose(self, members: Members) -> NDArray[np.int64]:
        """The next actions, (count,)."""
        rng, count, masks = self.rng, members.count, members.masks
        drawn = np.argmax(rng.random(masks.shape) * masks, axis=1)
        redraw = self.fresh | (rng.random(count) > self.constancy)
        self.held = np.where(redraw | ~masks[np.arange(count), self.held], drawn, self.held)
        if self.table is None:
            return self.held
        self.following = np.where(redraw, rng.random(count) >= self.epsilon, self.following)
        best = self.table.act(members.observations)
        return np.where(self.following & masks[np.arange(count), best], best, self.held)

    def stepped(self, ended: NDArray[np.bool_]) -> None:
        """Who has ended begins with another constancy."""
        self.fresh = ended.copy()
        self.constancy[ended] = self.rng.random(int(ended.sum()))


def explore(
    members: Members, columns: tuple[int, ...], length: int, wandering: Wandering, progress: Callable[[int], None] = lambda episodes: None
) -> Transitions:
    """So many steps of all members, from new episodes on."""
    shape, wide = (length, members.count), (length, members.count, len(columns))
    before, after, rewards = np.empty(wide), np.empty(wide), np.empty(shape)
    actions, ended = np.empty(shape, np.int64), np.empty(shape, np.bool_)
    members.begin(np.arange(members.count))
    for step in range(length):
        before[step] = members.observations[:, columns]
        actions[step] = wandering.choose(members)
        members.step(actions[step])
        rewards[step], ended[step] = members.rewards, members.terminated
        after[step] = np.where(ended[step][:, None], members.final_observations, members.observations)[:, columns]
        wandering.stepped(ended[step])
        progress(int(ended[step].sum()))
    wide = (-1, len(columns))
    return Transitions(before.reshape(wide), actions.ravel(), rewards.ravel(), after.reshape(wide), ended.ravel())


def cuts(before: NDArray[np.float64], steps: int, settings: NfkSettings) -> Edges:
    """The edges of all features: time by decision, inventory by unit, the market's at quantiles of what was seen."""
    time = tuple((np.arange(1, steps) + 0.5) / steps)
    inventory = (DONE, *((np.arange(1, settings.inventories) + 0.5) / settings.inventories))
    return (time, inventory, *(quantiles(column, settings.bins) for column in before.T[2:]))


def quantiles(values: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """Edges of bins that are visited equally often, or fewer bins where so many values are equal that some would be empty."""
    above = values[values > values.min()]
    if len(above) == 0:
        return ()
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return tuple(np.unique(np.maximum(edges, above.min())).tolist())


# Induction ----------------------------------------------------------------------------------------------------------------------


def backward(
    seen: Transitions, edges: Edges, actions: int, least: int = 1
) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.int64]]:
    """Choices, values and visits of a `Solution` by the paper's induction on samples; exact where they hold each outcome as often as it comes.

    Inventory: bin j stands for exactly j units. A sample from the bin counts as one from j units: its cost and what it leaves are scaled
    alike, since cost goes with quantity nearly, and rounding what is left would give small fills for nothing. The value of what it leaves
    lies on the straight line between the two units beside it; nothing left costs nothing.

    An action with fewer than `least` samples is left out of the minimum where another has as many, and one without any always. A cell
    without samples takes the choice and the value of the nearest that has some at that time: of the same market if there is one. Raises
    BadInput where the time does not fall from a decision to the next or where a time has no samples.
    """
    shape = tuple(len(cuts) + 1 for cuts in edges)
    units, markets = shape[1] - 1, int(np.prod(shape[2:]))
    cells, cells_after = binned(seen.before, edges), binned(seen.after, edges)
    if (~seen.ended & (cells_after[:, 0] >= cells[:, 0])).any():
        raise BadInput(f"steps was {shape[0]}; expected as many as an episode has decisions: the time must fall by one bin at least")
    left = seen.before[:, 1]
    scale = np.divide(cells[:, 1] / units, left, out=np.ones_like(left), where=left > DONE)
    position = seen.after[:, 1] * scale * units
    below = np.minimum(position.astype(np.int64), units - 1)
    flat, market_after = _flat(cells[:, 1:], shape[1:]), _flat(cells_after[:, 2:], shape[2:])
    key, next_key, order = flat * actions + seen.actions, below * markets + market_after, np.argsort(cells[:, 0], kind="stable")
    starts = np.searchsorted(cells[order, 0], np.arange(shape[0] + 1))
    values, choices = np.zeros((shape[0], (units + 1) * markets)), np.zeros((shape[0], (units + 1) * markets), np.int16)
    visits = np.zeros((shape[0], (units + 1) * markets, actions), np.int64)
    for time in range(shape[0]):
        rows = order[starts[time] : starts[time + 1]]
        if len(rows) == 0:
            raise BadInput(f"steps was {shape[0]}; expected as many as an episode has decisions: none was seen with {time} to follow")
        above = position[rows] - below[rows]
        later = cells_after[rows, 0], next_key[rows]
        follows = (1.0 - above) * values[later] + above * values[later[0], later[1] + markets]
        total = -seen.rewards[rows] * scale[rows] + np.where(seen.ended[rows], 0.0, follows)
        visits[time] = np.bincount(key[rows], minlength=visits[time].size).reshape(-1, actions)
        sums = np.bincount(key[rows], total, visits[time].size).reshape(-1, actions)
        choices[time], values[time] = _least(sums, visits[time], least, shape[1:])
    return choices.reshape(shape), values.reshape(shape), visits.reshape(*shape, actions)


def _flat(cells: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The places of cells (n, axes) in a flat table of that shape; 0 where it has no axes."""
    flat = np.zeros(len(cells), np.int64)
    for axis, size in enumerate(shape):
        flat = flat * size + cells[:, axis]
    return flat


def _least(
    sums: NDArray[np.float64], visits: NDArray[np.int64], least: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The best action of each cell and its mean cost, at one time; `sums` and `visits` (cells, actions)."""
    enough = visits >= np.maximum(np.minimum(least, visits.max(axis=1, keepdims=True)), 1)
    mean = np.where(enough, sums / np.maximum(visits, 1), np.inf)
    source = _nearest(enough.any(axis=1), shape)
    best = np.argmin(mean, axis=1)[source]
    value = mean.min(axis=1)[source]
    value[: len(value) // shape[0]] = 0.0
    return best, value


def _nearest(visited: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """For each cell, the visited one to take from: itself, the nearest inventory of the same market, or of the nearest market."""
    places = np.indices(shape).reshape(len(shape), -1).T
    there = places[visited]
    apart = np.abs(places[:, None] - there)
    distance = apart[..., 0] + shape[0] * apart[..., 1:].sum(axis=-1)
    distance += distance.max() * ((places[:, None, 0] == 0) != (there[:, 0] == 0))  # nothing left is like nothing else
    return np.flatnonzero(visited)[np.argmin(distance, axis=1)]
