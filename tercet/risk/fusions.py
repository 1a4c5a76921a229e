"""Indicators fused so that a worse one never lowers the warning: by means, by what is learned, and, to compare, one alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
from sklearn.ensemble import IsolationForest

from tercet.risk.indicators import INDICATORS, OTHERS, TREND, UNREST, Indicator, WarningDays, unusual
from tercet.risk.monotone import logistic_weights
from tercet.risk.warning import BASE, SLOPE, FallSettings, Warning, falls, lessons
from tercet.signals.series import Floats


def parts(days: WarningDays, indicators: tuple[Indicator, ...]) -> Floats:
    """(n, k): how unusual each indicator is."""
    return np.column_stack([unusual(one.said(days)) for one in indicators])


def mean_of(columns: Floats) -> Floats:
    """(n,): of those that can be said; NaN where none can."""
    there = np.isfinite(columns)
    count = there.sum(axis=1)
    return np.where(count > 0, np.where(there, columns, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class Single:
    """One indicator as it is."""

    indicator: Indicator

    @property
    def name(self) -> str:
        """Its own."""
        return self.indicator.name

    @property
    def needs(self) -> tuple[str, ...]:
        """Its own."""
        return self.indicator.needs

    def said(self, days: WarningDays, fall: FallSettings) -> Floats:
        """See `Warning`."""
        return self.indicator.said(days)


@dataclass(frozen=True)
class Families:
    """The sum of the families' means of how unusual their indicators are: every weight is the same, nothing is learned."""

    name: str
    families: tuple[tuple[Indicator, ...], ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Of all indicators."""
        return tuple(dict.fromkeys(need for family in self.families for one in family for need in one.needs))

    def said(self, days: WarningDays, fall: FallSettings) -> Floats:
        """See `Warning`."""
        means = np.column_stack([mean_of(parts(days, family)) for family in self.families])
        return np.asarray(len(self.families) * mean_of(means))


Fit = Callable[[Floats, Floats], Callable[[Floats], Floats]]  # (rows, k), (rows,) -> scores of rows


@dataclass(frozen=True)
class Learned:
    """A learner over how unusual each indicator is, taught anew each quarter; until there are falls to learn from, their sum."""

    name: str
    indicators: tuple[Indicator, ...]
    fit: Fit

    @property
    def needs(self) -> tuple[str, ...]:
        """Of all indicators."""
        return tuple(dict.fromkeys(need for one in self.indicators for need in one.needs))

    def said(self, days: WarningDays, fall: FallSettings) -> Floats:
        """See `Warning`."""
        seen = parts(days, self.indicators)
        rows, known = np.where(np.isfinite(seen), seen, 0.0), np.asarray(np.isfinite(seen).any(axis=1))
        ahead, _ = falls(days.level, fall)
        said = np.full(len(days), np.nan)
        for asked, past in lessons(ahead, known, fall):
            model = _sum if past is None else self.fit(rows[past], ahead[past])
            said[asked] = model(rows[asked])
        return np.where(known, said, np.nan)


def _sum(rows: Floats) -> Floats:
    return np.asarray(rows.mean(axis=1))


@dataclass(frozen=True)
class Logistic:
    """A logistic regression with weights of 0 or more, drawn towards equal ones by penalty · k · |weights − 1.5 / k|².

    Its intercept, which the times change, is left out.
    """

    penalty: float = 100.0

    def __call__(self, rows: Floats, ahead: Floats) -> Callable[[Floats], Floats]:
        """See `Fit`."""
        count = rows.shape[1]
        found = logistic_weights(rows, ahead, 1.0, self.penalty * count, np.array([BASE, *[SLOPE / count] * count]))
        return lambda new: np.asarray(new @ found[1:])


def trees(rows: Floats, ahead: Floats) -> Callable[[Floats], Floats]:
    """Boosted trees that rise with every indicator."""
    settings: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": 4,
        "learning_rate": 0.05,
        "min_data_in_leaf": 200,
        "lambda_l2": 10.0,
        "feature_fraction": 0.5,
        "monotone_constraints": [1] * rows.shape[1],
        "verbose": -1,
        "num_threads": 1,
        "seed": 0,
        "deterministic": True,
    }
    model = lightgbm.train(settings, lightgbm.Dataset(rows, ahead), 40)
    return lambda new: np.asarray(model.predict(new, raw_score=True))


def outlying(rows: Floats, ahead: Floats) -> Callable[[Floats], Floats]:
    """How soon random cuts set a day apart from those before: an isolation forest (Liu, Ting & Zhou 2008); knows no direction."""
    forest = IsolationForest(n_estimators=50, max_samples=256, random_state=0, n_jobs=1).fit(rows)
    return lambda new: np.asarray(-forest.score_samples(new))


def tails(rows: Floats, ahead: Floats) -> Callable[[Floats], Floats]:
    """Sum of −log of the share of days before that were as bad, indicator by indicator: the right tail of ECOD (Li et al. 2022)."""
    order = np.sort(rows, axis=0)

    def said(new: Floats) -> Floats:
        worse = [len(order) - np.searchsorted(order[:, place], new[:, place]) for place in range(rows.shape[1])]
        return -np.asarray(np.log((np.array(worse) + 1.0) / (len(order) + 1.0)).sum(axis=0))

    return said


WIDE: Final = (*TREND, *UNREST, *OTHERS)
DEFAULT: Final = Families("fused", (TREND, UNREST))
_EVERY: Final[tuple[Warning, ...]] = (
    DEFAULT,
    Families(
        "fused, all", (TREND, UNREST, tuple(one for one in OTHERS if "vix" in one.needs), tuple(o for o in OTHERS if "assets" in o.needs))
    ),
    Learned("logistic", WIDE, Logistic()),
    Learned("trees", WIDE, trees),
    Learned("isolation forest", WIDE, outlying),
    Learned("ecod", WIDE, tails),
    *(Single(INDICATORS[name]) for name in ("drawdown/252", "volatility/0.94")),
    *(Single(one) for one in OTHERS),
)
WARNINGS: Final = {one.name: one for one in _EVERY}
SIMPLE: Final = ("drawdown/252", "volatility/0.94")  # what others are put beside
