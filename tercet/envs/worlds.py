"""Bookless worlds that are solved exactly: what a learner must find before it is believed anywhere else.

`AlmgrenChriss` weighs cost against risk (closed form), `Martingale` only cost (TWAP), `PlantedSignal` only cost, with a signal of
known strength (dynamic programming); its `shuffled` twin shows an independent copy of the signal. All have the faces of the
environments with a book: `WorldMembers(world, count, actions)` keeps the contract of `Members`.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tercet.envs import worldsteps
from tercet.envs.members import Actions
from tercet.errors import BadInput
from tercet.execution.policy import ACTION
from tercet.execution.view import CURVE_STEPS

SECOND = 1_000_000_000
PARTICIPATION = 0.1  # of the market's volume, for policies that ask what is expected: a world has no volume of its own

_TIME = ("time_remaining", "share of the horizon that is left, 1 to 0")
_INVENTORY = ("inventory_remaining", "share of the parent that is left, 1 to 0")
_DRIFT = ("drift", f"the mid's move since arrival in standard deviations of the horizon's, cut at {worldsteps.CLIP:g}")
_SIGNAL = ("signal", f"the signal shown, in its standard deviations, cut at {worldsteps.CLIP:g}")


@dataclass(frozen=True)
class GridOptimum:
    """The exact optimum where only whole units trade, at most so many in a period: its U in bps and its inventory path in lots."""

    utility: float
    path: NDArray[np.int64]


@dataclass(frozen=True)
class SignalOptimum:
    """The exact optimum of a planted signal where only whole units trade: expected costs in bps, and the table to act by."""

    utility: float  # with the signal that is shown
    no_signal: float  # without one
    nodes: NDArray[np.float64]  # of the signal, in its standard deviations
    table: NDArray[np.int64]  # (steps, units left, nodes): units to trade

    @property
    def edge(self) -> float:
        """What the signal is worth, bps."""
        return self.no_signal - self.utility

    def units(self, step: NDArray[np.int64], left: NDArray[np.int64], signal: NDArray[Any]) -> NDArray[np.int64]:
        """Units to trade at those steps (0 is the first), with so many units left, when those signals are shown."""
        gap = self.nodes[1] - self.nodes[0]
        nearest = np.rint((np.asarray(signal) - self.nodes[0]) / gap).astype(np.int64)
        chosen: NDArray[np.int64] = self.table[step, left, np.clip(nearest, 0, len(self.nodes) - 1)]
        return chosen


@dataclass(frozen=True)
class World:
    """What the worlds have in common: a parent, and the price rule of Almgren & Chriss (2000) in its letters.

    Raises BadInput where no world can be made of the settings.
    """

    lots: int = field(default=1_000_000, metadata={"help": "the parent's quantity"})
    side: int = field(default=1, metadata={"help": "1 buys, -1 sells"})
    steps: int = field(default=20, metadata={"help": "decisions over the horizon, each with a period after it"})
    tau_s: float = field(default=60.0, metadata={"help": "length of a period, seconds"})
    mid: int = field(default=100_000, metadata={"help": "mid at arrival, ticks"})
    sigma: float = field(default=6.5, metadata={"help": "volatility, ticks per square root of a second"})
    eta: float = field(default=0.06, metadata={"help": "temporary impact, ticks per lot a second"})
    gamma: float = field(default=4e-5, metadata={"help": "permanent impact, ticks per lot"})
    epsilon: float = field(default=5.0, metadata={"help": "half the spread, ticks"})
    noise: bool = field(default=True, metadata={"help": "rewards hold the price's noise, not only the expected cost"})
    units: int = field(default=100, metadata={"help": "units that the parent has for an agent that trades whole units"})
    most_units: int = field(default=20, metadata={"help": "units that such an agent trades at most in a period"})

    features: ClassVar[tuple[tuple[str, str], ...]] = (_TIME, _INVENTORY)
    shows: ClassVar[int] = worldsteps.NOTHING_MORE
    charged: ClassVar[bool] = True  # rewards hold the terms that no policy can change: half the spread, permanent impact

    def __post_init__(self) -> None:
        """Refuse what no world can be made of."""
        for part in fields(self):
            self._check(part.name, getattr(self, part.name))
        if self.side not in (1, -1):
            raise self._bad("side", "1 or -1")
        if self.most_units > self.units:
            raise self._bad("most_units", f"at most units, {self.units}")
        if self.lots % self.units != 0:
            raise self._bad("units", f"a divisor of lots, {self.lots}")
        if self.eta_tilde <= 0:
            raise self._bad("eta", f"more than half of gamma times tau_s, {0.5 * self.gamma * self.tau_s}")
        reach = 10 * self.sigma * math.sqrt(self.horizon_s) + self.gamma * self.lots
        if reach > self.mid or self.mid > 1_000_000_000:
            raise self._bad("mid", f"above {reach:.0f} (10 standard deviations and the permanent impact) and at most 1000000000")

    def _check(self, name: str, value: Any) -> None:
        """Types, and what must be positive."""
        if name in ("lots", "side", "steps", "mid", "units", "most_units"):
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or (name != "side" and not 1 <= value <= 1_000_000_000):
                raise self._bad(name, "a whole number from 1 to 1000000000")
        elif name in ("noise", "shuffled"):
            if not isinstance(value, bool):
                raise self._bad(name, "true or false")
        elif isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)) or not 0 <= value < math.inf:
            raise self._bad(name, "a number that is not negative")
        elif value == 0 and name in ("tau_s", "sigma", "eta"):
            raise self._bad(name, "a positive number")

    def _bad(self, name: str, expected: str) -> BadInput:
        return BadInput(f"{type(self).__name__}: {name} was {getattr(self, name)!r}; expected {expected}")

    @property
    def horizon_s(self) -> float:
        """T, seconds."""
        return self.steps * self.tau_s

    @property
    def eta_tilde(self) -> float:
        """eta - gamma tau / 2: temporary impact with what permanent impact takes off it."""
        return self.eta - 0.5 * self.gamma * self.tau_s

    @property
    def risk(self) -> float:
        """lambda sigma² tau, ticks per lot: what a lot held over a period costs beside its price; 0 where nobody minds risk."""
        return 0.0

    @property
    def bps(self) -> float:
        """Bps of the parent's value in one tick on one lot."""
        return 1e4 / (self.lots * self.mid)

    @property
    def fixed(self) -> float:
        """Half the spread and the permanent impact of the whole, bps: every policy pays them."""
        return self.bps * (self.epsilon * self.lots + 0.5 * self.gamma * self.lots**2)

    def utility(self, path: Any) -> float:
        """U of an inventory path chosen beforehand, bps: `path` is what is left in lots, from `lots` at arrival to 0 at the end.

        U = (eta~ / tau) Σ n_k² + lambda sigma² tau Σ x_k² (Almgren & Chriss 2000, 1.5 and 2.1), and `fixed` where it is `charged`.
        """
        x = np.asarray(path, dtype=np.float64)
        if x.shape != (self.steps + 1,) or x[0] != self.lots or x[-1] != 0:
            raise BadInput(f"{type(self).__name__}: the path must hold {self.steps + 1} numbers from {self.lots} to 0")
        cost = self.eta_tilde / self.tau_s * np.sum(np.diff(x) ** 2) + self.risk * np.sum(x[1:] ** 2)
        return float(self.bps * cost) + self.charged * self.fixed

    def twap(self) -> NDArray[np.float64]:
        """The inventory path of equal trades."""
        return self.lots * (1.0 - np.arange(self.steps + 1) / self.steps)

    def optimum(self) -> NDArray[np.float64]:
        """The inventory path of least U among those chosen beforehand."""
        return self.twap()

    def grid_optimum(self) -> GridOptimum:
        """The least U in whole units, at most `most_units` in a period, by dynamic programming; the last period trades what is left."""
        flat = self._backward(np.zeros(1), np.ones((1, 1)), 0.0)
        left, path = self.units, [self.units]
        for trades in flat[1]:
            left -= int(trades[left, 0])
            path.append(left)
        lots = np.array(path) * (self.lots // self.units)
        return GridOptimum(float(flat[0][self.units, 0]) + self.charged * self.fixed, lots)

    def _backward(
        self, nodes: NDArray[np.float64], chain: NDArray[np.float64], tilt: float
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Backward induction over steps, units left and a signal that moves on `nodes` by the transition matrix `chain`.

        A unit that is left over a period costs `tilt` × signal ticks a lot more. Returns the values at the first step (bps) and the table.
        """
        lots = np.arange(self.units + 1) * (self.lots / self.units)
        trade = self.bps * self.eta_tilde / self.tau_s * lots**2
        hold = self.bps * (self.risk * lots[:, None] ** 2 + tilt * lots[:, None] * nodes)
        table = np.empty((self.steps, self.units + 1, len(nodes)), np.int64)
        table[-1] = np.arange(self.units + 1)[:, None]
        value = np.repeat(trade[:, None], len(nodes), axis=1)
        for step in range(self.steps - 2, -1, -1):
            after = hold + value @ chain.T
            value, best = after.copy(), np.zeros_like(table[step])
            for n in range(1, self.most_units + 1):
                tried = trade[n] + after[:-n]
                better = tried < value[n:]
                value[n:][better] = tried[better]
                best[n:][better] = n
            table[step] = best
        return value, table

    def record(self) -> Any:
        """The WORLD record that compiled code works with."""
        world = np.zeros(1, worldsteps.WORLD).view(np.recarray)[0]
        world.steps, world.step_ns = self.steps, round(self.tau_s * SECOND)
        world.shows, world.noisy, world.charged = self.shows, self.noise, self.charged
        world.mid, world.per_lot, world.epsilon, world.gamma = self.mid, self.bps, self.epsilon, self.gamma
        world.eta_tau, world.risk = self.eta / self.tau_s, self.risk
        world.sigma, world.move = self.sigma, self.sigma * math.sqrt(self.tau_s)
        parent = world.parent
        parent.end, parent.lots, parent.side, parent.most = world.steps * world.step_ns, self.lots, self.side, 1.0
        parent.expected_lots = self.lots / PARTICIPATION
        parent.curve[:] = np.arange(CURVE_STEPS + 1) / CURVE_STEPS
        return world


@dataclass(frozen=True)
class AlmgrenChriss(World):
    """Cost against risk: U = E + lambda V, without the fixed terms (Almgren & Chriss 2000). `kappa_t` sets lambda."""

    noise: bool = field(default=False, metadata={"help": "rewards hold the price's noise, not only U of the path"})
    kappa_t: float = field(default=2.0, metadata={"help": "urgency, kappa times the horizon; 0 minds no risk"})

    charged: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what no world can be made of."""
        super().__post_init__()
        if self.kappa_t > 100:
            raise self._bad("kappa_t", "a number from 0 to 100")

    @property
    def risk(self) -> float:
        """lambda sigma² tau = eta~ tau kappa~², with kappa~² = 2 (cosh(kappa tau) - 1) / tau² (section 2.2)."""
        return self.eta_tilde * (2.0 * math.sinh(0.5 * self.kappa_t / self.steps)) ** 2 / self.tau_s

    @property
    def risk_aversion(self) -> float:
        """lambda, per tick and lot."""
        return self.risk / (self.sigma**2 * self.tau_s)

    def optimum(self) -> NDArray[np.float64]:
        """x_k = X sinh(kappa (T - t_k)) / sinh(kappa T), exact for this discrete time (section 2.2)."""
        if self.kappa_t == 0:
            return self.twap()
        path: NDArray[np.float64] = np.sinh(self.kappa_t * (1.0 - np.arange(self.steps + 1) / self.steps)) / np.sinh(self.kappa_t)
        return self.lots * path


@dataclass(frozen=True)
class Martingale(World):
    """Only cost matters, and the price's moves cannot be foretold: TWAP is best, whatever the drift looks like."""

    features: ClassVar[tuple[tuple[str, str], ...]] = (_TIME, _INVENTORY, _DRIFT)
    shows: ClassVar[int] = worldsteps.DRIFT


@dataclass(frozen=True)
class PlantedSignal(World):
    """Only cost matters, and an AR(1) signal of variance 1 foretells the next period's move with correlation `rho`.

    The observation holds no past prices, which would give the signal away: so TWAP is the best of the shuffled twin exactly.
    """

    rho: float = field(default=0.3, metadata={"help": "correlation of the signal with the mid's next move"})
    phi: float = field(default=0.8, metadata={"help": "the signal's autocorrelation over one period"})
    shuffled: bool = field(default=False, metadata={"help": "show an independent copy of the signal instead of it"})

    features: ClassVar[tuple[tuple[str, str], ...]] = (_TIME, _INVENTORY, _SIGNAL)
    shows: ClassVar[int] = worldsteps.SIGNAL

    def __post_init__(self) -> None:
        """Refuse what no world can be made of."""
        super().__post_init__()
        for name in ("rho", "phi"):
            if getattr(self, name) >= 1 or (name == "rho" and self.rho == 0):
                raise self._bad(name, "a number from 0 to below 1" if name == "phi" else "a number between 0 and 1")

    def solve(self, nodes: int = 201) -> SignalOptimum:
        """Dynamic programming over (step, units left, signal), the signal on `nodes` points from -5 to 5 standard deviations.

        It is exact for an agent that trades whole units. For shares, take a finer grid: `replace(world, units=500, most_units=250)`.
        """
        if nodes < 3:
            raise BadInput(f"PlantedSignal: nodes was {nodes}; expected 3 or more")
        grid = np.linspace(-5.0, 5.0, nodes)
        tilt = 0.0 if self.shuffled else self.side * self.rho * self.sigma * math.sqrt(self.tau_s)
        value, table = self._backward(grid, chances(grid, self.phi * grid, math.sqrt(1.0 - self.phi**2)), tilt)
        first = chances(grid, np.zeros(1), 1.0)[0]
        return SignalOptimum(float(first @ value[self.units]) + self.fixed, self.grid_optimum().utility, grid, table)

    def record(self) -> Any:
        """The WORLD record that compiled code works with."""
        world = super().record()
        world.rho, world.phi, world.shuffled = self.rho, self.phi, self.shuffled
        return world


def chances(nodes: NDArray[np.float64], means: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Weights (means, nodes): the mean of a function of a normal number, straight between equally spaced nodes and flat outside them."""
    gap = nodes[1] - nodes[0]
    z = (means[:, None] - nodes) / deviation
    above = deviation * (np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) + z * ndtr(z))  # E[max(Y - node, 0)]
    steps = -np.diff(above, axis=1) / gap  # the mean of what lies between two nodes, as a share of the gap
    ones = np.ones((len(means), 1))
    weights: NDArray[np.float64] = -np.diff(np.hstack([ones, steps, 0.0 * ones]), axis=1)
    return weights


def share_actions() -> Actions:
    """A continuous agent's: a number in [-1, 1] is the share of what is left that trades now, from none to all."""
    return Actions("share", gym.spaces.Box(-1.0, 1.0, (1,), np.float32), worldsteps.trade_share)


def unit_actions(world: World) -> Actions:
    """A discrete agent's: how many units of the world's grid trade now."""
    return Actions("units", gym.spaces.Discrete(world.most_units + 1), worldsteps.trade_units, (world.lots / world.units,))


class WorldMembers:
    """Members that trade in a world, by any Actions. Member i's first seed is i.

    `feature_names` names the observation's columns. Raises BadInput for what no agent, seed or place can be.
    """

    def __init__(self, world: World, count: int, actions: Actions | None = None) -> None:
        """`actions` are shares of what is left where none are given."""
        if count < 1:
            raise BadInput(f"members: count was {count}; expected 1 or more")
        self.world, self.count, self.actions = world, count, share_actions() if actions is None else actions
        self.feature_names = tuple(name for name, _ in world.features)
        bounds = [(0.0, 1.0), (0.0, 1.0), (-worldsteps.CLIP, worldsteps.CLIP)][: len(world.features)]
        low, high = np.array(bounds, np.float32).T
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float32)
        self._choices, self._width = _sizes(self.actions)
        self._record = world.record()
        self._record.unit = self.actions.settings[0] if self.actions.decide is worldsteps.trade_units else 0
        self._members = worldsteps.new_members(count)
        self._members.seed = np.arange(count)
        self._members.pad.settings[:, : len(self.actions.settings)] = self.actions.settings
        self._chosen = worldsteps.new_actions(count)
        self._begin, self._step = worldsteps.machine()
        self.observations = np.zeros((count, len(bounds)), np.float32)
        self.final_observations = np.zeros_like(self.observations)
        self.rewards = np.zeros(count)
        self.terminated = np.zeros(count, np.bool_)
        self.masks = np.zeros((count, self._choices), np.bool_)
        self._paths = np.zeros((count, world.steps + 1), np.int64)
        self._last_paths = np.zeros_like(self._paths)

    def seed(self, places: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Give those members new seeds; their next episode is their first."""
        where, given = self._places(places), np.atleast_1d(np.asarray(seeds))
        if given.shape != where.shape or given.dtype.kind not in "iu":
            raise BadInput(f"members: seeds were {seeds!r}; expected {len(where)} whole numbers")
        self._members.seed[where] = given
        self._members.episode[where] = -1
        self._members.step[where] = -1

    def begin(self, places: NDArray[np.int64]) -> None:
        """Begin the next episode of those members: fills `observations` and `masks` there."""
        where = self._places(places)
        self.terminated[where] = False
        with np.errstate(over="ignore"):  # keys wrap around; this is for uncompiled runs, which warn of it
            self._begin(self._record, self._members, where, self.observations, self.masks, self._paths)

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every member; who has ended begins anew. Raises before anything has moved where an action is outside the space."""
        if (self._members.step < 0).any():
            raise BadInput(f"members: member {int(np.argmin(self._members.step))} has no episode; begin it first")
        self._chosen[:, : self._width] = self._accept(actions)
        with np.errstate(over="ignore"):
            self._step(
                self._record,
                self._members,
                self.actions.decide,
                self._chosen,
                self.observations,
                self.rewards,
                self.terminated,
                self.final_observations,
                self.masks,
                self._paths,
                self._last_paths,
            )

    def ended(self, place: int) -> dict[str, float]:
        """What came of the episode that a member ended last, in bps against arrival.

        is_bps = fixed_bps + impact_bps + signal_bps + noise_bps, from the prices paid. utility = impact_bps + risk_bps + signal_bps,
        with fixed_bps where the world's rewards hold it. reward, the sum of the rewards, is -utility, less noise_bps where they hold it.
        """
        row = self._members.view(np.ndarray)["ended"][self._ended_place(place)]
        sums = dict(zip(worldsteps.SUMS.names or (), row.item(), strict=True))
        bps = self.world.bps
        parts = {f"{name}_bps": sums[name] * bps for name in ("fixed", "impact", "risk", "signal", "noise")}
        utility = parts["impact_bps"] + parts["risk_bps"] + parts["signal_bps"] + self.world.charged * parts["fixed_bps"]
        return {"is_bps": sums["cost"] * bps, "utility": utility, "reward": sums["reward"], **parts}

    def path(self, place: int) -> NDArray[np.int64]:
        """The inventory path, in lots, of the episode that a member ended last."""
        path: NDArray[np.int64] = self._last_paths[self._ended_place(place)].copy()
        return path

    def render(self, place: int, mode: str) -> Any:
        """The inventory path of a member's episode: "rgb_array" a picture, "ansi" a line of text. One that has ended is shown
        until the next step or `begin`.
        """
        where = int(self._places(np.array([place]))[0])
        member, ended = self._members[where], bool(self.terminated[where])
        if mode == "rgb_array":
            return _picture(self._last_paths[where] if ended else self._paths[where, : max(int(member.step), 0) + 1], self.world)
        if mode != "ansi":
            raise BadInput(f"render mode was {mode!r}; expected 'rgb_array' or 'ansi'")
        if member.step < 0:
            return f"{type(self.world).__name__}: no episode has begun"
        if ended:
            cost = self.ended(where)["is_bps"]
            return f"{type(self.world).__name__}: step {self.world.steps} of {self.world.steps}, 0.0% left, cost {cost:+.1f} bps"
        left = (member.seen.lots - member.seen.filled) / member.seen.lots
        moved = 1e4 * (member.mid / self.world.mid - 1.0)
        seen = ", ".join(f"{name} {value:.3g}" for name, value in zip(self.feature_names[2:], self.observations[where, 2:], strict=True))
        text = f"{type(self.world).__name__}: step {member.step} of {self.world.steps}, {left:.1%} left, mid {moved:+.1f} bps"
        return f"{text}, {seen}" if seen else text

    def snapshot(self) -> Any:
        """The whole state, to give to `restore`."""
        return self.world, self.actions.name, [array.copy() for array in self._state()]

    def restore(self, state: Any) -> None:
        """Go back to a snapshot of members like these."""
        world, name, arrays = state
        mine = self._state()
        if (world, name) != (self.world, self.actions.name) or arrays[0].shape != mine[0].shape:
            raise BadInput("members: the snapshot is of other members; expected the same world, count and actions")
        for old, kept in zip(mine, arrays, strict=True):
            old[:] = kept

    def _state(self) -> list[NDArray[Any]]:
        """Every array that a step writes; the members as bytes, because a copy of records leaves out what lies between fields."""
        records = self._members.view(np.ndarray).view(np.uint8)
        return [
            records,
            self._paths,
            self._last_paths,
            self.observations,
            self.final_observations,
            self.rewards,
            self.terminated,
            self.masks,
        ]

    def _places(self, places: Any) -> NDArray[np.int64]:
        where: NDArray[Any] = np.atleast_1d(np.asarray(places))
        if where.ndim != 1 or where.dtype.kind not in "iu" or ((where < 0) | (where >= self.count)).any():
            raise BadInput(f"members: places were {places!r}; expected whole numbers from 0 to {self.count - 1}")
        return where.astype(np.int64)

    def _ended_place(self, place: int) -> int:
        where = int(self._places(np.array([place]))[0])
        if self._members.view(np.ndarray)["ended"]["episodes"][where] == 0:
            raise BadInput(f"members: member {where} has ended no episode yet")
        return where

    def _accept(self, actions: Any) -> NDArray[Any]:
        """The actions as (count, dimensions); raises BadInput where one is outside the space."""
        given = np.asarray(actions)
        shapes = [(self.count, self._width)] + ([(self.count,)] if self._width == 1 else [])
        if given.shape not in shapes:
            raise BadInput(f"actions had the shape {given.shape}; expected {shapes[-1]}")
        space = self.actions.space
        given = given.reshape(self.count, self._width)
        if isinstance(space, gym.spaces.Discrete):
            if given.dtype.kind not in "iu":
                raise BadInput(f"actions were {given.dtype}; expected whole numbers from 0 to {self._choices - 1}")
            low, high = np.zeros(1), np.full(1, self._choices - 1.0)
        else:
            assert isinstance(space, gym.spaces.Box)
            if given.dtype.kind not in "iuf":
                raise BadInput(f"actions were {given.dtype}; expected numbers")
            low, high = space.low, space.high
        wrong = ~((given >= low) & (given <= high)).all(axis=1)  # so written that a NaN is wrong
        if wrong.any():
            place = int(np.argmax(wrong))
            raise BadInput(f"member {place}: the action was {given[place].tolist()}; expected {low.tolist()} to {high.tolist()}")
        return given


def _sizes(actions: Actions) -> tuple[int, int]:
    """How many choices a discrete agent has (0 where it is continuous), and how many numbers an action is."""
    space = actions.space
    if isinstance(space, gym.spaces.Discrete) and space.start == 0:
        return int(space.n), 1
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1 and 1 <= space.shape[0] <= ACTION:
        return 0, space.shape[0]
    raise BadInput(f"actions {actions.name}: the space was {space}; expected Discrete from 0, or a Box of 1 to {ACTION} numbers")


def _picture(path: NDArray[np.int64], world: World, height: int = 120, width: int = 200) -> NDArray[np.uint8]:
    """Share left against time: the path in blue, TWAP in grey."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    columns = np.arange(width) / (width - 1) * world.steps
    for left, colour in ((world.twap(), (190, 190, 190)), (path, (31, 90, 180))):
        shown = columns[columns <= len(left) - 1]
        rows = np.rint((1.0 - np.interp(shown, np.arange(len(left)), left / world.lots)) * (height - 1)).astype(np.int64)
        for column, row in enumerate(rows):
            start = min(row, rows[column - 1]) if column else row
            pixels[start : row + 1, column] = colour
    return pixels
