"""Tomorrow's variance from the variance of days, weeks and months (HAR and its kin), and the mean of several forecasters."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tercet.errors import BadInput
from tercet.risk.days import MarketDays
from tercet.risk.filters import Filter, Forecaster, refuse
from tercet.risk.garch import Ewma, Garch, RealisedGarch
from tercet.signals.series import Floats

WEEK, MONTH, QUARTER = 5, 22, 66
YEAR: Final = 252
TERMS: Final = ("day", "week", "month", "quarter", "leverage", "vix", "vix_change", "overnight", "quarticity")
SETTLED: Final = 1e-10  # change of the loss that ends Newton's steps


# Heterogeneous autoregression -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Har:
    """Heterogeneous autoregression (Corsi 2009): tomorrow's variance on the means of a day, a week, a month, and what else is named.

    logs: of logarithms (Andersen, Bollerslev & Diebold 2007), else of variances with a floor. leverage: the day's return and its part
    below 0, in standard deviations, and that part's mean over a week (Corsi & Renò 2012); vix: the implied variance; quarticity: the day's
    weight falls with its own error (HARQ, Bollerslev, Patton & Quaedvlieg 2016). by: least "squares", or "qlike": gamma regression with a
    logarithmic link, whose deviance is the loss that the forecast is judged by.
    """

    name: str = "log-har"
    terms: tuple[str, ...] = ("day", "week", "month")
    logs: bool = True
    by: str = "squares"
    window: int | None = field(default=None, metadata={"help": "newest days to learn from; all where not given"})

    def __post_init__(self) -> None:
        """Refuse terms that nobody knows."""
        if (unknown := [term for term in self.terms if term not in TERMS]) or self.by not in ("squares", "qlike"):
            raise BadInput(f"{self.name}: {', '.join(unknown) or self.by} is unknown; expected {', '.join(TERMS)}, by squares or qlike")
        if self.by == "qlike" and not self.logs:
            raise BadInput(f"{self.name}: by qlike without logarithms; expected logs=True: a variance is above 0")

    @property
    def needs(self) -> tuple[str, ...]:
        """Of the terms."""
        of = {"vix": ("vix",), "vix_change": ("vix",), "overnight": ("within",), "quarticity": ("quarticity", "realised")}
        return tuple(dict.fromkeys(name for term in self.terms for name in of.get(term, ())))

    def fit(self, past: MarketDays) -> "HarFilter":
        """On the newest `window` days."""
        refuse(self, past)
        table, target = self.table(past), past.target
        rows = np.flatnonzero(np.isfinite(table[:-1]).all(axis=1))
        rows = rows if self.window is None else rows[-self.window :]
        x, y = table[rows], target[rows + 1]
        if len(rows) < 10 * table.shape[1]:
            raise BadInput(f"{self.name}: {len(rows)} days have all terms; expected {10 * table.shape[1]} or more")
        least, most = float(y.min()), float(10 * y.max())
        if not self.logs:
            return HarFilter(self, _squares(x, y), 1.0, least, most)
        if self.by == "qlike":
            return HarFilter(self, gamma_regression(x, y), 1.0, least, most)
        weights = _squares(x, np.log(y))
        return HarFilter(self, weights, float(np.exp(np.log(y) - x @ weights).mean()), least, most)

    def table(self, days: MarketDays) -> Floats:
        """(n, k): the terms of each day, and a one; NaN where there are too few before it."""
        target = days.target
        base = np.log(target) if self.logs else target
        columns = [np.ones(len(days))]
        for term in self.terms:
            columns += _term(term, days, base, logs=self.logs)
        return np.column_stack(columns)


def _term(term: str, days: MarketDays, base: Floats, *, logs: bool) -> list[Floats]:
    deviation = np.sqrt(days.target)
    if term in ("day", "week", "month", "quarter"):
        return [trailing(base, {"day": 1, "week": WEEK, "month": MONTH, "quarter": QUARTER}[term])]
    if term == "leverage":
        below = np.minimum(days.returns, 0.0)
        scaled = [days.returns / deviation, below / deviation] if logs else [below]
        return [*scaled, trailing(below / deviation if logs else below, WEEK)]
    if term == "vix":
        implied = days.vix**2 / YEAR
        return [np.log(implied) if logs else implied]
    if term == "vix_change":
        return [np.r_[0.0, np.diff(np.log(days.vix))]]
    if term == "overnight":
        gap = days.returns - days.within
        return [np.log((gap**2 + 0.01 * days.target) / days.target), np.minimum(gap, 0.0) / deviation] if logs else [gap**2]
    return [base * np.sqrt(days.quarticity) / (days.target if logs else 1.0)]


@dataclass(frozen=True)
class HarFilter:
    """Coefficients, and between which variances a forecast stays: the least and ten times the greatest that was learned from."""

    har: Har
    weights: Floats
    lifted: float  # the mean of a logarithm's exponential error
    least: float
    most: float

    def variance(self, days: MarketDays) -> Floats:
        """See `Filter`."""
        sums = self.har.table(days) @ self.weights
        with np.errstate(over="ignore"):
            found = self.lifted * np.exp(sums) if self.har.logs else sums
        return np.asarray(np.clip(found, self.least, self.most))


def trailing(values: Floats, count: int) -> Floats:
    """(n,): the mean of the last `count` values at each; NaN before there are as many."""
    found = np.full(len(values), np.nan)
    if len(values) >= count:
        found[count - 1 :] = np.lib.stride_tricks.sliding_window_view(values, count).mean(axis=1)
    return found


def _squares(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0])


def gamma_regression(x: Floats, y: Floats) -> Floats:
    """Coefficients b that minimise the mean of y/exp(x·b) + x·b, which is QLIKE, by Newton's method; x: (n, k), y: (n,) above 0."""
    weights = _squares(x, np.log(y))

    def loss(of: Floats) -> float:
        return float((y * np.exp(-x @ of) + x @ of).mean())

    best = loss(weights)
    for _ in range(100):
        ratio = y * np.exp(-x @ weights)
        step = np.linalg.lstsq((x * ratio[:, None]).T @ x, x.T @ (ratio - 1.0), rcond=None)[0]
        size = 1.0
        while size > SETTLED and not loss(weights + size * step) <= best:
            size *= 0.5
        weights = weights + size * step
        before, best = best, loss(weights)
        if before - best < SETTLED:
            break
    return weights


# Several --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mean:
    """The mean of several forecasters' logarithms, all weighted alike: what is hard to beat (Timmermann 2006)."""

    members: tuple[Forecaster, ...]
    name: str = "mean of logs"

    @property
    def needs(self) -> tuple[str, ...]:
        """Of all members."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.needs))

    def fit(self, past: MarketDays) -> "MeanFilter":
        """Each by itself."""
        return MeanFilter(tuple(member.fit(past) for member in self.members))


@dataclass(frozen=True)
class MeanFilter:
    """Filters of the members."""

    members: tuple[Filter, ...]

    def variance(self, days: MarketDays) -> Floats:
        """See `Filter`."""
        return np.asarray(np.exp(np.mean([np.log(member.variance(days)) for member in self.members], axis=0)))


_THREE: Final = ("day", "week", "month")
_ALL: Final = (*_THREE, "quarter", "leverage", "vix", "vix_change", "overnight")
LEVERAGE_VIX: Final = Har("log-har+vix+leverage", (*_THREE, "leverage", "vix"))
DEFAULT: Final = Mean(
    (
        LEVERAGE_VIX,
        Har("log-har+all", _ALL),
        Har("gamma-har+all", _ALL, by="qlike"),
        Har("gamma-har+vix+leverage/1000", (*_THREE, "leverage", "vix"), by="qlike", window=1000),
        Har("gamma-har+vix/500", (*_THREE, "vix"), by="qlike", window=500),
    )
)
_EVERY: Final[tuple[Forecaster, ...]] = (
    Ewma(),
    Garch("garch", "garch", "normal"),
    Garch("garch-t", "garch", "t"),
    Garch("gjr", "gjr", "normal"),
    Garch("gjr-skewt", "gjr", "skewt"),
    Garch("egarch-skewt", "egarch", "skewt"),
    RealisedGarch(),
    Har("har", _THREE, logs=False),
    Har("harq", (*_THREE, "quarticity"), logs=False),
    Har("log-har", _THREE),
    *DEFAULT.members,
    DEFAULT,
)
FORECASTERS: Final = {one.name: one for one in _EVERY}


def suited(days: MarketDays) -> Mean:
    """The default forecaster without the members that need what these days do not have; GJR with skewed t where none is left."""
    able = tuple(one for one in DEFAULT.members if set(one.needs) <= set(days.there()))
    return Mean(able or (Har("log-har", _THREE), Garch()))
