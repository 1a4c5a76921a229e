"""How near a fall is: indicators fused so that a worse one never lowers the warning, as a probability and as an alarm.

A fall is ahead of a day when a close of the 20 days after is 10% lower or more. Nothing is learned from a day before those 20 are over.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Protocol

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.ensemble import IsolationForest

from tercet.errors import BadInput
from tercet.risk.indicators import INDICATORS, MONTH, OTHERS, TREND, UNREST, USUAL, Indicator, WarningDays, unusual
from tercet.signals.series import Floats

LEARNED_FROM: Final = 500  # days, with falls among them, before which the parts weigh alike
FALLS_SEEN: Final = 5  # days of falls among them
BETWEEN: Final = 63  # days between two times of learning
GAIN: Final = 5e-4  # of a false alarm on what is allowed


@dataclass(frozen=True)
class FallSettings:
    """What counts as a fall, and how many days may be in alarm though none comes."""

    depth: float = field(default=0.1, metadata={"help": "share of the close that is lost"})
    days: int = field(default=20, metadata={"help": "in which it is"})
    apart: int = field(default=40, metadata={"help": "days without such a day after which the next one is another fall"})
    budget: float = field(default=0.08, metadata={"help": "share of days without a fall ahead that may be in alarm"})
    lasts: int = field(default=10, metadata={"help": "days above its threshold after which an alarm ends, until it has been below"})

    def __post_init__(self) -> None:
        """Refuse what is no fall."""
        if not 0 < self.depth < 1 or min(self.days, self.apart, self.lasts) < 1 or not 0 < self.budget < 1:
            raise BadInput(f"{self}; expected depth and budget between 0 and 1, days, apart and lasts of 1 or more")


class Warning(Protocol):
    """A score a day, greater where a fall is nearer."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """As `WarningDays.there` names them."""
        ...

    def said(self, days: WarningDays) -> Floats:
        """(n,), each from that day and those before it; NaN where it cannot be said."""
        ...


def falls(level: Floats, settings: FallSettings) -> tuple[Floats, NDArray[np.int64]]:
    """(n,) 1 where a fall is ahead, 0 where none is, NaN where it is too early to say; (n,) days until its depth is reached, −1: none."""
    ahead = np.full(len(level), np.nan)
    until = np.full(len(level), -1, dtype=np.int64)
    for day in range(len(level) - 1):
        deep = level[day + 1 : day + 1 + settings.days] <= (1 - settings.depth) * level[day]
        if deep.any():
            ahead[day], until[day] = 1.0, int(deep.argmax()) + 1
        elif day + settings.days < len(level):
            ahead[day] = 0.0
    return ahead, until


def learnable(ahead: Floats, now: int, settings: FallSettings) -> NDArray[np.bool_]:
    """(n,): days whose 20 days are over on day `now`; a fall that came sooner waits for them too, or quiet days would be fewer."""
    day = np.arange(len(ahead))
    return np.isfinite(ahead) & (day + settings.days <= now)


# Fusions --------------------------------------------------------------------------------------------------------------------------------


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

    def said(self, days: WarningDays) -> Floats:
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

    def said(self, days: WarningDays) -> Floats:
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
    settings: FallSettings = field(default_factory=FallSettings)

    @property
    def needs(self) -> tuple[str, ...]:
        """Of all indicators."""
        return tuple(dict.fromkeys(need for one in self.indicators for need in one.needs))

    def said(self, days: WarningDays) -> Floats:
        """See `Warning`."""
        seen = parts(days, self.indicators)
        rows, known = np.where(np.isfinite(seen), seen, 0.0), np.isfinite(seen).any(axis=1)
        ahead, _ = falls(days.level, self.settings)
        said = np.full(len(days), np.nan)
        for begin, end in pairwise([*range(0, len(days), BETWEEN), len(days)]):
            past = learnable(ahead, begin, self.settings) & known
            enough = past.sum() >= LEARNED_FROM and ahead[past].sum() >= FALLS_SEEN
            model = self.fit(rows[past], ahead[past]) if enough else _sum
            said[begin:end] = model(rows[begin:end])
        return np.where(known, said, np.nan)


def _sum(rows: Floats) -> Floats:
    return np.asarray(rows.mean(axis=1))


def logistic(penalty: float = 100.0) -> Fit:
    """A logistic regression with weights of 0 or more, drawn towards equal ones; its intercept, which the times change, is left out."""

    def fit(rows: Floats, ahead: Floats) -> Callable[[Floats], Floats]:
        found = weights(rows, ahead, penalty)
        return lambda new: np.asarray(new @ found[1:])

    return fit


def weights(rows: Floats, ahead: Floats, penalty: float) -> Floats:
    """(1 + k,): intercept and weights of 0 or more that make the likelihood less penalty · k · |weights − 1.5 / k|² greatest."""
    count = rows.shape[1]
    alike = np.full(count, 1.5 / count)

    def loss(found: Floats) -> tuple[float, Floats]:
        score = found[0] + rows @ found[1:]
        error = 1 / (1 + np.exp(-score)) - ahead
        away = found[1:] - alike
        value = float((np.logaddexp(0, score) - ahead * score).sum() + penalty * count * away @ away)
        return value, np.concatenate([[error.sum()], rows.T @ error + 2 * penalty * count * away])

    begun = np.concatenate([[-3.0], alike])
    return np.asarray(minimize(loss, begun, jac=True, bounds=[(None, None), *[(0.0, None)] * count]).x)


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


# What is made of a score ----------------------------------------------------------------------------------------------------------------


def probability(score: Floats, days: WarningDays, settings: FallSettings) -> Floats:
    """(n,) P(a fall is ahead): the score's logistic calibration on days that are over, its slope drawn towards 1.5; NaN as the score.

    Rises with the score. Before there are falls to learn from it is 0.02 a deviation: what nobody has counted is not nothing.
    """
    ahead, _ = falls(days.level, settings)
    said = np.full(len(score), np.nan)
    for begin, end in pairwise([*range(0, len(score), BETWEEN), len(score)]):
        past = learnable(ahead, begin, settings) & np.isfinite(score)
        if past.sum() >= LEARNED_FROM and ahead[past].sum() >= FALLS_SEEN:
            base, slope = weights(score[past, None], ahead[past], 1.0)
            odds = base + slope * score[begin:end]
        else:
            odds = np.log(0.02 / 0.98) + np.maximum(score[begin:end], 0.0)
        said[begin:end] = 1 / (1 + np.exp(-odds))
    return np.where(np.isfinite(score), said, np.nan)


def lasting(above: NDArray[np.bool_], settings: FallSettings) -> NDArray[np.bool_]:
    """(n,): the first days of each run above a threshold: who has been warned for long is not warned again by more of the same."""
    day = np.arange(len(above))
    begun = np.maximum.accumulate(np.where(above, -1, day))  # the last day below; −1 before any
    return above & (day - begun <= settings.lasts)


def alarms(score: Floats, days: WarningDays, settings: FallSettings) -> NDArray[np.bool_]:
    """(n,): where the score has risen above what the budget allows of days before without a fall ahead; in alarm where it cannot be said.

    What is allowed follows the false alarms that there have been, as soon as they are known: Gibbs & Candès, NeurIPS 2021.
    """
    ahead, _ = falls(days.level, settings)
    found, allowed, run = ~np.isfinite(score), settings.budget, 0
    calm = np.empty(0)
    for day in range(USUAL, len(score)):
        if over := ahead[day - settings.days] == 0:
            allowed = min(max(allowed + GAIN * (settings.budget - float(found[day - settings.days])), 0.0), 1.0)
        if day % MONTH == 0 and over:
            past = learnable(ahead, day, settings) & np.isfinite(score) & (ahead == 0)
            calm = np.sort(score[past])
        if len(calm) >= USUAL:
            place = int(np.ceil((1 - allowed) * len(calm)))
            run = run + 1 if place < len(calm) and score[day] > calm[place] else 0
            found[day] |= 1 <= run <= settings.lasts
    return found


WIDE: Final = (*TREND, *UNREST, *OTHERS)
DEFAULT: Final = Families("fused", (TREND, UNREST))
_EVERY: Final[tuple[Warning, ...]] = (
    DEFAULT,
    Families(
        "fused, all", (TREND, UNREST, tuple(one for one in OTHERS if "vix" in one.needs), tuple(o for o in OTHERS if "assets" in o.needs))
    ),
    Learned("logistic", WIDE, logistic()),
    Learned("trees", WIDE, trees),
    Learned("isolation forest", WIDE, outlying),
    Learned("ecod", WIDE, tails),
    *(Single(INDICATORS[name]) for name in ("drawdown/252", "volatility/0.94")),
    *(Single(one) for one in OTHERS),
)
WARNINGS: Final = {one.name: one for one in _EVERY}
SIMPLE: Final = ("drawdown/252", "volatility/0.94")  # what others are put beside
