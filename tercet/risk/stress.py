"""What positions would lose: in the worst weeks that were, in shocks that a user names, and on average in the worst scenarios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.errors import BadInput
from tercet.risk.filters import LEAST
from tercet.risk.recursions import gjr
from tercet.risk.shapes import checked, worst
from tercet.signals.series import Floats, same_length, series, table

Positions = Mapping[str, float]  # by asset what is held, in money: short below 0


# Scenarios ------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenarios:
    """Returns of assets, percent, (n, k), a row a day, and when the day was over, (n,) ns."""

    assets: tuple[str, ...]
    known: NDArray[np.int64]
    returns: Floats

    def __post_init__(self) -> None:
        """Refuse holes, days out of order, and names that do not fit."""
        table(self.returns, "returns")
        same_length(self.known, self.returns, ("days", "returns"))
        if (np.diff(self.known) <= 0).any():
            raise BadInput("days were not in order; expected each after the one before")
        if len(set(self.assets)) != len(self.assets) or len(self.assets) != self.returns.shape[1]:
            raise BadInput(f"there were {len(self.assets)} names for {self.returns.shape[1]} assets; expected one each, all different")

    def profits(self, positions: Positions) -> Floats:
        """(n, k): what each position makes in each scenario, in money; a position in an asset that is not there is refused."""
        return np.asarray(self.returns / 100 * held(self.assets, positions))


def held(assets: Sequence[str], positions: Positions) -> Floats:
    """(k,): positions in the order of assets, 0 where none is held."""
    if unknown := [name for name in positions if name not in assets]:
        raise BadInput(f"no returns of {', '.join(unknown)}; expected assets among {', '.join(assets)}")
    if not positions:
        raise BadInput("there were no positions; expected one or more")
    series(list(positions.values()), "positions")
    return np.array([float(positions.get(name, 0.0)) for name in assets])


def filtered(scenarios: Scenarios, variances: ArrayLike, now: ArrayLike) -> Scenarios:
    """Each return over its day's deviation, times the deviation of now: historical simulation at today's volatility (Hull & White 1998).

    variances: (n, k) percent², what was said of each day the evening before; now: (k,), of the day to come. All above 0.
    """
    then, next_ = table(variances, "variances"), series(now, "variances of now")
    if then.shape != scenarios.returns.shape or len(next_) != len(scenarios.assets):
        raise BadInput(f"variances were {then.shape} and {next_.shape}; expected {scenarios.returns.shape} and one an asset")
    if not (then > 0).all() or not (next_ > 0).all():
        raise BadInput("variances: expected numbers above 0, found one that is not")
    return Scenarios(scenarios.assets, scenarios.known, scenarios.returns * np.sqrt(next_ / then))


def at_todays_volatility(scenarios: Scenarios, keep: float = 0.94) -> Scenarios:
    """`filtered` by exponentially weighted squares of each asset, told the evening before; the first 250 days only start them."""
    if len(scenarios.known) <= LEAST or not 0 < keep < 1:
        raise BadInput(f"there were {len(scenarios.known)} days and keep {keep}; expected more than {LEAST}, and a share")
    starts = (scenarios.returns[:LEAST] ** 2).mean(axis=0)
    terms = [np.array([0.0, 0.0, 1 - keep, 0.0, keep, start]) for start in starts]
    told = np.column_stack([gjr(np.ascontiguousarray(one), given) for one, given in zip(scenarios.returns.T, terms, strict=True)])
    rest = Scenarios(scenarios.assets, scenarios.known[LEAST:], scenarios.returns[LEAST:])
    return filtered(rest, told[LEAST - 1 : -1], told[-1])


@dataclass(frozen=True)
class Conditional:
    """Value at risk and mean beyond it of all positions' profit, in money, below 0 for a loss; and how much of the mean each brings."""

    level: float
    var: float
    cvar: float
    contributions: dict[str, float]  # by asset; they add up to cvar


def conditional_value(scenarios: Scenarios, positions: Positions, level: float) -> Conditional:
    """Mean profit of the worst n·level scenarios, and each position's mean in the same ones: Euler's parts (Tasche 1999; Rockafellar &
    Uryasev 2002). BadInput where n·level is below 1.
    """
    profits = scenarios.profits(positions)
    total = profits.sum(axis=1)
    var, cvar = worst(total, level)
    size = checked(level) * len(total)
    order = np.argsort(total, kind="stable")
    weights = np.clip(size - np.arange(len(total)), 0.0, 1.0)
    parts = weights @ profits[order] / size
    return Conditional(level, var, cvar, _by_asset(scenarios, positions, parts))


# Stress ---------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shock:
    """What a user asks: returns by asset, percent, `rest` for all others (None: they must be named), and by how much volatility grows."""

    name: str
    returns: Mapping[str, float]
    volatility: float = field(default=1.0, metadata={"help": "multiplies deviations after the shock"})
    rest: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are none, and losses of more than all."""
        given = [*self.returns.values(), *([] if self.rest is None else [self.rest])]
        if not given or not np.isfinite(given).all() or min(given) < -100:
            raise BadInput(f"shock {self.name!r} had returns {given}; expected finite ones of -100% or more")
        if not 0 < self.volatility < np.inf:
            raise BadInput(f"shock {self.name!r} had volatility {self.volatility}; expected a multiplier above 0")


@dataclass(frozen=True)
class Stressed:
    """What all positions make in a scenario, in money, each one's part, and the shortfall of a day after it, if it was asked."""

    name: str
    profit: float
    parts: dict[str, float]
    shortfall: float | None = None


def shocked(shocks: Sequence[Shock], positions: Positions, shortfall: float | None = None) -> tuple[Stressed, ...]:
    """Profit under each; shortfall: of a day now, money, which is multiplied as volatility is."""
    found = []
    for shock in shocks:
        if shock.rest is None and (missing := [name for name in positions if name not in shock.returns]):
            raise BadInput(f"shock {shock.name!r} says nothing of {', '.join(missing)}; expected a return each, or one for the rest")
        moves = {name: shock.returns.get(name, shock.rest) for name in positions}
        parts = {name: float(move or 0.0) / 100 * float(positions[name]) for name, move in moves.items()}
        after = None if shortfall is None else shortfall * shock.volatility
        found.append(Stressed(shock.name, sum(parts.values()), parts, after))
    return tuple(found)


@dataclass(frozen=True)
class Window:
    """Days from `first` up to and without `last`, rows of the scenarios, and what positions made that were held through them."""

    first: int
    last: int
    stressed: Stressed


def between(scenarios: Scenarios, positions: Positions, name: str, begin: int, end: int) -> Window:
    """The days known from `begin` on and before `end`, ns: returns are compounded, positions held."""
    first, last = (int(place) for place in np.searchsorted(scenarios.known, [begin, end]))
    if first >= last:
        raise BadInput(f"{name}: no day was known between {begin} and {end} ns; expected some")
    return _window(scenarios, positions, name, first, last)


def worst_windows(scenarios: Scenarios, positions: Positions, length: int = 20, count: int = 5) -> tuple[Window, ...]:
    """The windows of `length` days in which positions lost most, none of which meets another; the worst first, fewer where days end."""
    size = len(scenarios.known)
    if not 1 <= length <= size or count < 1:
        raise BadInput(f"length was {length} and count {count} of {size} days; expected 1 to as many as there are, and 1 or more")
    values = held(scenarios.assets, positions)
    logs = np.vstack([np.zeros(len(values)), np.log1p(np.maximum(scenarios.returns, -99.999999) / 100).cumsum(axis=0)])
    profits = np.expm1(logs[length:] - logs[:-length]) @ values
    found: list[int] = []
    for first in np.argsort(profits, kind="stable"):
        if len(found) == count or profits[first] >= 0:
            break
        if all(abs(int(first) - other) >= length for other in found):
            found.append(int(first))
    dates = np.datetime_as_string(scenarios.known.astype("datetime64[ns]"), "D")
    return tuple(_window(scenarios, positions, f"{dates[first]} to {dates[first + length - 1]}", first, first + length) for first in found)


def _window(scenarios: Scenarios, positions: Positions, name: str, first: int, last: int) -> Window:
    moves = np.prod(1 + scenarios.returns[first:last] / 100, axis=0) - 1
    parts = moves * held(scenarios.assets, positions)
    kept = _by_asset(scenarios, positions, parts)
    return Window(first, last, Stressed(name, sum(kept.values()), kept))


def _by_asset(scenarios: Scenarios, positions: Positions, parts: Floats) -> dict[str, float]:
    return {asset: float(part) for asset, part in zip(scenarios.assets, parts, strict=True) if asset in positions}
