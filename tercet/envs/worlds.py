"""Bookless worlds that are solved exactly: what a learner must find before it is believed anywhere else.

`AlmgrenChriss` weighs cost against risk (closed form), `Martingale` only cost (TWAP), `PlantedSignal` only cost, with a signal of
known strength (dynamic programming); its `shuffled` twin shows an independent copy of the signal. All have the faces of the
environments with a book: `WorldMembers(world, count, actions)` keeps the contract of `Members`.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tercet.envs import worldsteps
from tercet.errors import BadInput
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
    paired: bool = field(default=False, metadata={"help": "rewards are those beyond TWAP's on the same prices"})
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
        elif name in ("noise", "paired", "shuffled"):
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

    def pace_optimum(self) -> GridOptimum:
        """The least U at the PACES of a discrete agent, by dynamic programming: what x lots cost from a step on is a constant times x²."""
        paces, value, chosen = np.array(worldsteps.PACES), self.eta_tilde / self.tau_s, [1.0]
        for periods in range(2, self.steps + 1):
            share = np.minimum(1.0, paces / periods)
            tried = self.eta_tilde / self.tau_s * share**2 + (self.risk + value) * (1.0 - share) ** 2
            value = float(tried.min())
            chosen.insert(0, float(share[tried.argmin()]))
        left = self.lots * np.cumprod(1.0 - np.array([0.0, *chosen]))
        return GridOptimum(self.bps * value * self.lots**2 + self.charged * self.fixed, np.rint(left).astype(np.int64))

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
        world.paired = self.paired
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
