"""Tomorrow's covariances of many assets: a forecaster learns from days that are over and becomes a filter that each new day moves on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from tercet.errors import BadInput
from tercet.risk.assets import AssetDays, checked, refuse
from tercet.risk.days import FLOOR
from tercet.risk.filters import LEAST
from tercet.risk.matrices import ESTIMATORS, correlation, sound, symmetric
from tercet.risk.pairs import follow_average, follow_speeds
from tercet.signals.series import Floats

QUARTER, YEAR, FOUR_YEARS = 63, 252, 1008


class CovarianceFilter(Protocol):
    """A forecaster that has learned, behind the newest day it has seen."""

    @property
    def mended(self) -> int:
        """How many of its matrices had to be made positive definite, see `matrices.sound`."""
        ...

    def update(self, returns: Floats) -> None:
        """Move on by one day's (k,) returns in percent, or by several days' (n, k); BadInput, and nothing moved, where one is no number."""
        ...

    def covariance(self) -> Floats:
        """(k, k) percent², symmetric and positive definite: of the day after the newest."""
        ...


class CovarianceForecaster(Protocol):
    """Learns from days that are over."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def fit(self, past: AssetDays) -> CovarianceFilter:
        """A filter that has seen these days; raises BadInput where they are too few or an asset does not move."""
        ...


@dataclass(frozen=True)
class Said:
    """What was said of a day at the close before."""

    day: int
    covariance: Floats  # (k, k) percent²
    mended: int  # matrices that had to be made positive definite, so far


def walked(days: AssetDays, forecaster: CovarianceForecaster, first: int, every: int = YEAR) -> Iterator[Said]:
    """What is said of each day from `first` on, at the close before, learned anew `every` days."""
    if not LEAST <= first < len(days) or every < 1:
        raise BadInput(f"first was {first} of {len(days)} days and every {every}; expected {LEAST} to fewer than all, and 1 or more")
    mended = 0
    for begin, end in pairwise([*range(first, len(days), every), len(days)]):
        found = forecaster.fit(days[:begin])
        for day in range(begin, end):
            if day > begin:
                found.update(days.returns[day - 1])
            yield Said(day, found.covariance(), mended + found.mended)
        mended += found.mended


class Mending:
    """What filters have in common: the names of the assets, and how many matrices had to be mended."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.mended = names, 0

    def sound(self, covariance: Floats) -> Floats:
        """(k, k) positive definite; counts what was not."""
        found, was = sound(covariance)
        self.mended += was
        return found


# Exponential averages -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ewma:
    """One exponential average of products of returns (RiskMetrics 1996)."""

    name: str = "ewma"
    keep: float = field(default=0.94, metadata={"help": "weight of the past"})

    def __post_init__(self) -> None:
        """Refuse what forgets nothing or all."""
        if not 0 < self.keep < 1:
            raise BadInput(f"{self.name}: keep was {self.keep}; expected it between 0 and 1")

    def fit(self, past: AssetDays) -> "EwmaFilter":
        """Nothing is learned; it starts from the first days' mean."""
        refuse(self.name, past)
        return EwmaFilter(self, past)


class EwmaFilter(Mending):
    """The average."""

    def __init__(self, ewma: Ewma, past: AssetDays) -> None:
        super().__init__(past.names)
        self.keep = ewma.keep
        self.average = past.returns[:LEAST].T @ past.returns[:LEAST] / LEAST
        self.update(past.returns)

    def update(self, returns: Floats) -> None:
        """See `CovarianceFilter`."""
        follow_average(checked(returns, self.names), self.average, self.keep)

    def covariance(self) -> Floats:
        """See `CovarianceFilter`."""
        return self.sound(symmetric(self.average))


@dataclass(frozen=True)
class Speeds:
    """Volatilities and correlations apart, each the mean of exponential averages with several half-lives, in days.

    An asset's volatility is the geometric mean over its half-lives, times what brings the assets' mean logarithm to that of the first: what
    all assets share moves fast, what tells them apart slowly. Correlations are of returns over their volatility by the first half-life,
    told the day before; a mean over horizons does for a long memory what HAR does (Corsi 2009). own: variance that is added to each asset's
    own, as a share of it, and that no other shares: history did not show all that can happen to one asset alone, so Σ is D(C + own·I)D, a
    ridge for the weights (as Ledoit & Wolf's shrinkage of C towards the identity) that does not make anything look safer.
    """

    name: str = "speeds"
    volatility: tuple[float, ...] = (42.0, 252.0)
    correlation: tuple[float, ...] = (QUARTER, YEAR, FOUR_YEARS)
    own: float = 0.2

    def __post_init__(self) -> None:
        """Refuse half-lives that are none."""
        if not self.volatility or not self.correlation or min(self.volatility + self.correlation) <= 0 or not self.own >= 0:
            raise BadInput(
                f"{self.name}: half-lives were {self.volatility} and {self.correlation}, own {self.own}; expected days above 0, and 0 on"
            )

    def fit(self, past: AssetDays) -> "SpeedsFilter":
        """Nothing is learned; it starts from the first days' mean."""
        refuse(self.name, past)
        return SpeedsFilter(self, past)


class SpeedsFilter(Mending):
    """The averages."""

    def __init__(self, speeds: Speeds, past: AssetDays) -> None:
        super().__init__(past.names)
        self.own = speeds.own
        self.keep_variance, self.keep_product = (0.5 ** (1 / np.array(lives)) for lives in (speeds.volatility, speeds.correlation))
        early = past.returns[:LEAST]
        variance = np.maximum((early**2).mean(axis=0), FLOOR)
        scaled = early / np.sqrt(variance)
        self.variances = np.tile(variance, (len(speeds.volatility), 1))
        self.products = np.tile(scaled.T @ scaled / LEAST, (len(speeds.correlation), 1, 1))
        self.update(past.returns)

    def update(self, returns: Floats) -> None:
        """See `CovarianceFilter`."""
        follow_speeds(checked(returns, self.names), self.variances, self.products, self.keep_variance, self.keep_product, FLOOR)

    def covariance(self) -> Floats:
        """See `CovarianceFilter`."""
        logs = 0.5 * np.log(self.variances)
        mean = logs.mean(axis=0)
        volatility = np.exp(mean + (logs[0] - mean).mean())
        shared = correlation(self.products).mean(axis=0)
        found = symmetric(shared)
        np.fill_diagonal(found, 1 + self.own)
        return self.sound(found * (volatility[:, None] * volatility))


# The newest days ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """An estimate from the newest days alone; of: a name in `matrices.ESTIMATORS`."""

    name: str = "sample"
    of: str = "sample"
    days: int = YEAR

    def __post_init__(self) -> None:
        """Refuse estimates that nobody knows."""
        if self.of not in ESTIMATORS or self.days < 20:
            raise BadInput(f"{self.name}: {self.of} of {self.days} days; expected one of {', '.join(ESTIMATORS)}, of 20 days or more")

    def fit(self, past: AssetDays) -> "WindowFilter":
        """Nothing is learned; it takes the newest days."""
        refuse(self.name, past, max(self.days, LEAST))
        return WindowFilter(self, past)


class WindowFilter(Mending):
    """The newest days."""

    def __init__(self, window: Window, past: AssetDays) -> None:
        super().__init__(past.names)
        self.estimate, self.rows = ESTIMATORS[window.of], past.returns[-window.days :].copy()

    def update(self, returns: Floats) -> None:
        """See `CovarianceFilter`."""
        self.rows = np.concatenate([self.rows, checked(returns, self.names)])[-len(self.rows) :]

    def covariance(self) -> Floats:
        """See `CovarianceFilter`; assets that did not move have a variance of 0 here, and are mended."""
        moving = self.rows.var(axis=0) >= FLOOR
        found = np.zeros((len(moving), len(moving)))
        if moving.sum() > 1:
            found[np.ix_(moving, moving)] = self.estimate(np.ascontiguousarray(self.rows[:, moving]))
        return self.sound(found)


# Several --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mean:
    """The mean of several forecasters' matrices, all weighted alike."""

    members: tuple[CovarianceForecaster, ...]
    name: str = "mean"

    def __post_init__(self) -> None:
        """Refuse a mean of nothing."""
        if not self.members:
            raise BadInput(f"{self.name}: there were no members; expected one or more")

    def fit(self, past: AssetDays) -> "MeanFilter":
        """Each by itself."""
        return MeanFilter(tuple(member.fit(past) for member in self.members), past.names)


@dataclass
class MeanFilter:
    """Filters of the members."""

    members: tuple[CovarianceFilter, ...]
    names: tuple[str, ...]

    @property
    def mended(self) -> int:
        """Of all members."""
        return sum(member.mended for member in self.members)

    def update(self, returns: Floats) -> None:
        """See `CovarianceFilter`."""
        rows = checked(returns, self.names)
        for member in self.members:
            member.update(rows)

    def covariance(self) -> Floats:
        """See `CovarianceFilter`."""
        return np.asarray(np.mean([member.covariance() for member in self.members], axis=0))


DEFAULT: Final = Speeds()
