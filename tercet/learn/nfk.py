"""The tabular backward induction of Nevmyvaka, Feng & Kearns, "Reinforcement Learning for Optimized Trade Execution" (ICML 2006).

A state is the time that remains, the inventory that remains and the market in bins; an action is one of a discrete space (the paper's:
all of the remainder, so many ticks from the touch); what is least is the shortfall. The market hardly minds what we do and each decision
needs only the values of later ones, so the table is solved from the horizon's end backwards, each cell the mean over its samples:
c(x, a) = mean of c_immediate + min over a' of c(x', a').

The paper puts the trader at every inventory at every time of a recording. Members cannot be put anywhere, so they wander there: random
open actions, held for random stretches, then wandering around the best table so far.

The shortfall is against arrival, so that the value of an inventory holds the price move that usually came with it; the observation's
"drift" among the features tells such moves apart, for more samples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

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
    episodes: int = field(default=16384, metadata={"help": "explored in each round, rounded up to whole batches"})
    rounds: int = field(default=3, metadata={"help": "the first at random, the others around the table so far"})
    epsilon: float = field(default=0.3, metadata={"help": "share of the later rounds that is at random"})
    seed: int = field(default=0, metadata={"help": "of the exploration and of the members"})

    def __post_init__(self) -> None:
        """Refuse what no table can be made of."""
        for part in fields(self):
            value, low = getattr(self, part.name), 0 if part.name == "seed" else 1
            if part.type is int and (not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low):
                raise BadInput(f"{part.name} was {value!r}; expected a whole number, {low} or more")
            if part.type is float and not isinstance(value, int | float):
                raise BadInput(f"{part.name} was {value!r}; expected a number")
            if part.type == tuple[str, ...] and not isinstance(value, tuple):
                raise BadInput(f"{part.name} was {value!r}; expected names in parentheses such as ('spread',)")
        if len(set(self.features)) != len(self.features):
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
    1, 2, ... units. A minimum of means is lower than the mean to be had, the more so the fewer the samples: believe a fresh run more than
    `values`.
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
    return np.stack([np.searchsorted(at, column, side="right") for at, column in zip(edges, values.T, strict=True)], axis=1)


def solve(
    members: Members,
    steps: int,
    settings: NfkSettings = NfkSettings(),
    names: Sequence[str] = FEATURE_NAMES,
    progress: Callable[[int], None] = lambda episodes: None,
) -> Solution:
    """The best table for members with a discrete action space whose episodes have `steps` decisions.

    names: of the observation's columns, the first two the time and the inventory that remain. `progress` is told how many episodes have
    ended. The members get seeds of this exploration: seed and begin them anew afterwards. Raises BadInput where members, steps and names
    do not fit each other.
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
    if steps < 1:
        raise BadInput(f"steps was {steps}; expected 1 or more")
    if len(names) != width:
        raise BadInput(f"names were {len(names)}; expected {width}, one for each column of the observation")
    if not (names[0].startswith("time") and names[1].startswith("inventory")):
        raise BadInput(f"the first names were {', '.join(names[:2])}; expected the time and the inventory that remain")
    if unknown := [name for name in features if name not in names[2:]]:
        raise BadInput(f"no feature of the market is called {unknown[0]!r}; expected some of {', '.join(names[2:])}")
    return (0, 1, *(list(names).index(name) for name in features))


def _solution(seen: Transitions, edges: Edges, members: Members, columns: tuple[int, ...], settings: NfkSettings) -> Solution:
    space = members.actions.space
    assert isinstance(space, gym.spaces.Discrete)
    return Solution(("time", "inventory", *settings.features), columns, edges, *backward(seen, edges, int(space.n)))


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
    shape, width = (length, members.count), len(columns)
    before, after, rewards = np.empty((*shape, width)), np.empty((*shape, width)), np.empty(shape)
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
    return Transitions(before.reshape(-1, width), actions.ravel(), rewards.ravel(), after.reshape(-1, width), ended.ravel())


def cuts(before: NDArray[np.float64], steps: int, settings: NfkSettings) -> Edges:
    """The edges of all features: time by decision, inventory by unit, the market's at quantiles of what was seen."""
    time, inventory = (((np.arange(1, count) + 0.5) / count).tolist() for count in (steps, settings.inventories))
    return (tuple(time), (DONE, *inventory), *(quantiles(column, settings.bins) for column in before.T[2:]))


def quantiles(values: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """Edges of bins that are visited equally often, or fewer bins where so many values are equal that some would be empty."""
    above = values[values > values.min()]
    if len(above) == 0:
        return ()
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return tuple(np.unique(np.maximum(edges, above.min())).tolist())


# Induction --------------------------------------------------------------------------------------------------------------------


class Samples(NamedTuple):
    """Transitions in the table's places, (n,) each. A place counts a time's cells: inventory, then the market."""

    time: NDArray[np.int64]
    key: NDArray[np.int64]  # place × actions + action
    cost: NDArray[np.float64]  # of this decision, bps
    time_after: NDArray[np.int64]
    place_after: NDArray[np.int64]  # of the whole units that are left
    part: NDArray[np.float64]  # of a unit that is left beside them
    goes_on: NDArray[np.bool_]


def backward(seen: Transitions, edges: Edges, actions: int) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.int64]]:
    """Choices, values and visits of a `Solution`: the paper's induction on samples, exact where each outcome is as often there as it comes.

    Inventory: bin j stands for j units. A sample from anywhere in it counts as one from j units, its cost and what it leaves scaled
    alike: cost goes with quantity, nearly, and to round what is left would hide small fills. The value of what it leaves lies on the
    straight line between the units beside it; nothing left costs nothing.

    An action that was never tried in a cell is left out of its minimum. A cell without samples takes choice and value of the nearest
    that has some at that time (`nearest`). Raises BadInput where the time does not fall from each decision to the next, or no decision
    was seen at one of the times.
    """
    shape = tuple(len(at) + 1 for at in edges)
    samples, cells, markets = _samples(seen, edges, actions), int(np.prod(shape[1:])), int(np.prod(shape[2:]))
    choices, values = np.zeros((shape[0], cells), np.int16), np.zeros((shape[0], cells))
    visits = np.zeros((shape[0], cells, actions), np.int64)
    for time in range(shape[0]):
        now = Samples(*(column[samples.time == time] for column in samples))
        if len(now.time) == 0:
            raise BadInput(f"steps was {shape[0]}; expected as many as an episode has decisions: none was seen with {time} to follow")
        below, above = (values[now.time_after, now.place_after + more] for more in (0, markets))
        total = now.cost + now.goes_on * ((1.0 - now.part) * below + now.part * above)
        visits[time] = np.bincount(now.key, minlength=cells * actions).reshape(cells, actions)
        sums = np.bincount(now.key, total, cells * actions).reshape(cells, actions)
        mean = np.where(visits[time] > 0, sums / np.maximum(visits[time], 1), np.inf)
        source = nearest(visits[time].any(axis=1), shape[1:])
        choices[time], values[time] = mean.argmin(axis=1)[source], mean.min(axis=1)[source]
        values[time, :markets] = 0.0
    return choices.reshape(shape), values.reshape(shape), visits.reshape(*shape, actions)


def _samples(seen: Transitions, edges: Edges, actions: int) -> Samples:
    """Where in the table transitions begin and end. Raises BadInput where the time does not fall."""
    here, after, units, left = binned(seen.before, edges), binned(seen.after, edges), len(edges[1]), seen.before[:, 1]
    if (~seen.ended & (after[:, 0] >= here[:, 0])).any():
        raise BadInput(f"steps was {len(edges[0]) + 1}; expected as many as an episode has decisions: between two the time fell by less")
    scale = np.divide(here[:, 1] / units, left, out=np.ones_like(left), where=left > DONE)
    units_after = seen.after[:, 1] * scale * units
    after[:, 1] = np.minimum(units_after, units - 1)
    place, place_after = (_places(cells[:, 1:], edges[1:]) for cells in (here, after))
    costs, part = -seen.rewards * scale, units_after - after[:, 1]
    return Samples(here[:, 0], place * actions + seen.actions, costs, after[:, 0], place_after, part, ~seen.ended)


def _places(cells: NDArray[np.int64], edges: Edges) -> NDArray[np.int64]:
    """The places (n,) of cells (n, axes) in a flat table."""
    places = np.zeros(len(cells), np.int64)
    for at, bins in zip(edges, cells.T, strict=True):
        places = places * (len(at) + 1) + bins
    return places


def nearest(visited: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """For each cell (inventory, then the market, flat) the visited one to take from: itself, else one of the same market with the nearest
    inventory, else one of the nearest market. Nothing left is near nothing else.
    """
    places = np.indices(shape, np.int32).reshape(len(shape), -1).T
    there = places[visited]
    apart = np.abs(places[:, None] - there)
    distance = apart[..., 0] + shape[0] * apart[..., 1:].sum(axis=-1)
    distance += (distance.max() + 1) * ((places[:, None, 0] == 0) != (there[:, 0] == 0))
    chosen: NDArray[np.int64] = np.flatnonzero(visited)[distance.argmin(axis=1)]
    return chosen
