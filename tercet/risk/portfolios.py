"""How good a forecast of covariances was: what its portfolios did, whether their risk was told, and its likelihood."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from tercet.errors import BadInput
from tercet.risk.assets import AssetDays
from tercet.risk.correlation import Said
from tercet.risk.matrices import minimum_variance
from tercet.signals.series import Floats

WEEK: Final = 5
RANDOM: Final = 100


@dataclass(frozen=True)
class Held:
    """What came of a forecaster's matrices over T days.

    returns: (T,) percent, of the portfolio of least variance, made anew each week and left to drift; deviation: (T,) what was said of it
    the evening before by the same forecaster; random: (T, p) returns over their deviation of portfolios that never change, half of them
    long and short; eigen: (T, k) the same of the matrix's own eigenvectors, the least variance first; qlike: (T,) (r'Σ⁻¹r + log|Σ|)/k,
    which ranks forecasts as the true matrix would (Patton & Sheppard 2009): Stein's loss but for what no forecast changes; turnover: Σ|Δw|
    a change of weights; gross: mean Σ|w|; mended: matrices that had to be made positive definite.
    """

    returns: Floats
    deviation: Floats
    random: Floats
    eigen: Floats
    qlike: Floats
    turnover: float
    gross: float
    mended: int


@dataclass(frozen=True)
class Bias:
    """Deviations of returns over the deviation that was said, 1 at best: of the least portfolio, and the mean of random and eigen ones."""

    least: float
    random: float
    eigen: float


def held(days: AssetDays, said: Iterable[Said], *, hold: int = WEEK, short: bool = True, seed: int = 0) -> Held:
    """Hold the portfolio of least variance by what is said of each day; weights anew every `hold` days, from that day's matrix."""
    if hold < 1:
        raise BadInput(f"weights were held {hold} days; expected 1 or more")
    fixed = random_portfolios(len(days.names), seed)
    judged, turned, gross, mended = [], [], [], 0
    weights = np.zeros(0)
    for place, one in enumerate(said):
        moved, mended = days.returns[one.day], one.mended
        values, vectors = _eigen(one.covariance, days.known[one.day])
        if place % hold == 0:
            before, weights = weights, minimum_variance(one.covariance, short=short)
            turned += [float(np.abs(weights - before).sum())] if place else []
            gross.append(float(np.abs(weights).sum()))
        earned = float(weights @ moved)
        if earned <= -100:
            raise BadInput(f"the portfolio of least variance lost {-earned:.0f}% on day {one.day}; expected it to live")
        deviation = float(np.sqrt(weights @ one.covariance @ weights))
        random = fixed @ moved / np.sqrt(((fixed @ one.covariance) * fixed).sum(axis=1))
        scaled = moved @ vectors / np.sqrt(values)
        judged.append((earned, deviation, random, scaled, float(scaled @ scaled + np.log(values).sum()) / len(values)))
        weights = weights * (1 + moved / 100) / (1 + earned / 100)
    if len(judged) < WEEK:
        raise BadInput(f"{len(judged)} days were said something of; expected {WEEK} or more")
    returns, deviations, randoms, eigen, qlike = (np.array(one, dtype=np.float64) for one in zip(*judged, strict=True))
    return Held(returns, deviations, randoms, eigen, qlike, float(np.mean(turned or [0.0])), float(np.mean(gross)), mended)


def _eigen(covariance: Floats, known: int) -> tuple[Floats, Floats]:
    """Eigenvalues, the least first, and vectors of a matrix of which all are above 0; BadInput names the day of one that is none."""
    if not np.isfinite(covariance).all():
        raise BadInput(f"its matrix of {datetime.fromtimestamp(int(known) // 10**9, UTC).date()} held NaN or infinity; expected numbers")
    values, vectors = np.linalg.eigh(covariance)
    if not values[0] > 0:
        day = datetime.fromtimestamp(int(known) // 10**9, UTC).date()
        raise BadInput(f"its matrix of {day} had an eigenvalue of {values[0]:.3g}; expected all above 0")
    return values, vectors


def random_portfolios(assets: int, seed: int = 0, count: int = RANDOM) -> Floats:
    """(count, k): the first half adds up to 1 with none below 0, drawn evenly; the rest has normal weights."""
    rng = np.random.default_rng(seed)
    return np.vstack([rng.dirichlet(np.ones(assets), count // 2), rng.standard_normal((count - count // 2, assets))])


def bias(found: Held) -> Bias:
    """The bias statistic of Barra's handbooks: aim at 0.9 to 1.1."""
    least = found.returns / found.deviation
    return Bias(float(least.std()), float(found.random.std(axis=0).mean()), float(found.eigen.std(axis=0).mean()))
