"""The variance of tomorrow's return from close to close, at its own level: from returns, the implied variance and what is measured."""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Protocol

import numpy as np

from tercet.errors import BadInput
from tercet.risk.days import FLOOR, MarketDays, market_days
from tercet.risk.filters import Filter, Forecaster, refuse
from tercet.risk.garch import Ewma, Garch, Recursion
from tercet.risk.volatility import YEAR, gamma_regression, suited
from tercet.signals.series import Floats
from tercet.signals.timed import Table

BURNT: Final = 50  # days in which a variance forgets where it started


@dataclass(frozen=True)
class LongDays:
    """All days with a return (and the VIX), n of them; and the newest with what was measured within the day, which may be fewer or none."""

    all: MarketDays
    measured: MarketDays | None = None

    @classmethod
    def of(cls, days: MarketDays) -> "LongDays":
        """Days that all have the same series."""
        plain = MarketDays(days.known, days.returns, vix=days.vix)
        return cls(plain, days if {"realised", "ranged"} & set(days.there()) else None)

    def __len__(self) -> int:
        """How many days have a return."""
        return len(self.all)

    def __getitem__(self, rows: slice) -> "LongDays":
        """The first of them: days[:count]."""
        if rows.start not in (None, 0) or rows.step not in (None, 1):
            raise BadInput(f"rows were {rows}; expected those from the first day on")
        kept = self.all[rows]
        if self.measured is None or not len(kept):
            return LongDays(kept)
        count = int(np.searchsorted(self.measured.known, kept.known[-1], side="right"))
        return LongDays(kept, self.measured[:count] if count else None)

    @property
    def unmeasured(self) -> int:
        """How many days were over before the first that was measured; all of them where none was."""
        return len(self) if self.measured is None else int(np.searchsorted(self.all.known, self.measured.known[0]))

    def there(self) -> tuple[str, ...]:
        """The names of the series of all days, and `measured` where there is something."""
        return (*self.all.there(), *(("measured",) if self.measured is not None else ()))


def long_days(table: Table) -> LongDays:
    """Days of a table of one series, as `market_days` reads them, and before them those that have a return (and a VIX) alone."""
    days, plain = market_days(table).days, unmeasured(table)
    return LongDays.of(days) if plain is table else LongDays(market_days(plain).days, LongDays.of(days).measured)


def unmeasured(table: Table) -> Table:
    """The days of a table of returns without what was measured within them, which may be missing of many."""
    fine = [name for name in ("open_close", "rv", "quarticity") if name in table.frame.columns]
    return table if "return" not in table.frame.columns or not fine else Table.of(table.frame.drop(fine), table.keys)


class FittedScale(Protocol):
    """A scale that was learned."""

    @property
    def mean(self) -> float:
        """Of returns, percent."""
        ...

    def variance(self, days: LongDays) -> Floats:
        """(n,) percent²: for each day that of the next day's return, from that day and those before it; NaN where it cannot be said."""
        ...


class Scale(Protocol):
    """Learns from days that are over; `needs` as `LongDays.there` names them."""

    @property
    def needs(self) -> tuple[str, ...]:
        """What it cannot do without."""
        ...

    def fit(self, past: LongDays) -> FittedScale:
        """Raises BadInput where there is too little."""
        ...


@dataclass(frozen=True)
class Told:
    """A filter of variances of all days at their own level, and the mean of returns."""

    filter: Filter
    mean: float

    def variance(self, days: LongDays) -> Floats:
        """See `FittedScale`."""
        return self.filter.variance(days.all)


# Of returns alone -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Still:
    """One percent, always: what is left is the returns themselves."""

    needs: tuple[str, ...] = ()

    def fit(self, past: LongDays) -> "Told":
        """Nothing is learned."""
        return Told(_Ones(), 0.0)


@dataclass(frozen=True)
class _Ones:
    def variance(self, days: MarketDays) -> Floats:
        return np.ones(len(days))


@dataclass(frozen=True)
class Averaged:
    """Exponentially weighted squares as RiskMetrics (1996) has them: no mean, no level of its own."""

    of: Ewma = field(default_factory=Ewma)
    needs: tuple[str, ...] = ()

    def fit(self, past: LongDays) -> Told:
        """Nothing is learned."""
        return Told(replace(self.of.fit(past.all), scale=1.0), 0.0)


@dataclass(frozen=True)
class Recursive:
    """A GARCH of returns with its mean.

    Where what was likeliest explains nothing (`Recursion.explains`), it is fitted by normal quasi-likelihood; where that fails as well, it
    is an exponential average of squares.
    """

    of: Garch = field(default_factory=Garch)
    needs: tuple[str, ...] = ()

    def fit(self, past: LongDays) -> Told:
        """By maximum likelihood."""
        refuse(self.of, past.all)
        found = _recursion(self.of, past.all.returns.tobytes())
        return Told(found, float(found.terms[0]))


@lru_cache(maxsize=512)
def _recursion(garch: Garch, returns: bytes) -> Recursion:
    """One fit for all models that share it."""
    values = np.frombuffer(returns)
    days = MarketDays(np.arange(len(values)), values)
    for errors in (garch.errors, "normal"):
        found = replace(garch, errors=errors).recursion(days)
        if found.explains(days):
            return found
    average = Ewma().fit(days)
    return replace(average, terms=np.r_[values.mean(), average.terms[1:]], scale=1.0)


# Of what else is known ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Implied:
    """The variance of a day that the VIX implies."""

    needs: tuple[str, ...] = ("vix",)

    def fit(self, past: LongDays) -> Told:
        """Nothing but the mean is learned."""
        if not len(past.all.vix):
            raise BadInput("the days have no vix; expected it")
        return Told(_Implied(), float(past.all.returns.mean()))


@dataclass(frozen=True)
class _Implied:
    def variance(self, days: MarketDays) -> Floats:
        return np.asarray(days.vix**2 / YEAR)


@dataclass(frozen=True)
class Measured:
    """The forecast of realised (or range) variance; None: `volatility.suited`. `Weighted` adds the night, which is not in it."""

    of: Forecaster | None = None
    needs: tuple[str, ...] = ("measured",)

    def fit(self, past: LongDays) -> "MeasuredScale":
        """On the days that were measured."""
        if past.measured is None:
            raise BadInput("no day was measured; expected realised variances or ranges")
        return MeasuredScale((self.of or suited(past.measured)).fit(past.measured), float(past.all.returns.mean()))


@dataclass(frozen=True)
class MeasuredScale:
    """The filter of measured days, and the mean of returns."""

    filter: Filter
    mean: float

    def variance(self, days: LongDays) -> Floats:
        """See `FittedScale`: a day that was not measured has what was said at the last one that was."""
        if days.measured is None:
            return np.full(len(days), np.nan)
        place = np.searchsorted(days.measured.known, days.all.known, side="right") - 1
        return np.where(place < 0, np.nan, self.filter.variance(days.measured)[place])


@dataclass(frozen=True)
class Weighted:
    """log variance = a + Σ bᵢ·log hᵢ + c·falls of two days + d·falls of a week, with weights that make QLIKE of e² least on the past.

    hᵢ: variances that the members say, such as a GARCH's and the implied one (Blair, Poon & Taylor, J. Econometrics 105, 2001), or a
    realised one without its night (Hansen & Lunde, J. Financial Econometrics 3(4), 2005). falls: the mean of min(e, 0) in deviations of
    the first member, since a fall is felt for days (Corsi & Renò, JBES 30(3), 2012). Gamma regression as in `volatility`.
    """

    members: tuple[Scale, ...]
    falls: tuple[int, ...] = (2, 5)

    @property
    def needs(self) -> tuple[str, ...]:
        """Of all."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.needs))

    def fit(self, past: LongDays) -> "WeightedScale":
        """On days for which all members can say something."""
        found = WeightedScale(tuple(member.fit(past) for member in self.members), self.falls, np.empty(0))
        table = found.table(past)[:-1]
        squares = np.maximum((past.all.returns[1:] - found.mean) ** 2, FLOOR)
        rows = np.flatnonzero(np.isfinite(table).all(axis=1))[BURNT:]
        if len(rows) < 10 * table.shape[1]:
            raise BadInput(f"{len(rows)} days have all variances; expected {10 * table.shape[1]} or more")
        return replace(found, weights=gamma_regression(table[rows], squares[rows]))


@dataclass(frozen=True)
class WeightedScale:
    """Scales of the members, lengths of falls in days, and the weights."""

    members: tuple[FittedScale, ...]
    falls: tuple[int, ...]
    weights: Floats

    @property
    def mean(self) -> float:
        """Of the first."""
        return self.members[0].mean

    def table(self, days: LongDays) -> Floats:
        """(n, 1 + members + falls); NaN where something cannot be said."""
        variances = [member.variance(days) for member in self.members]
        errors = np.r_[np.nan, (days.all.returns[1:] - self.mean) / np.sqrt(variances[0][:-1])]
        below = np.where(np.isnan(errors), 0.0, np.minimum(errors, 0.0))
        falls = [np.convolve(below, np.full(count, 1 / count))[: len(below)] for count in self.falls]
        return np.column_stack([np.ones(len(days)), *np.log(variances), *falls])

    def variance(self, days: LongDays) -> Floats:
        """See `FittedScale`."""
        return np.asarray(np.exp(self.table(days) @ self.weights))
