"""How good a forecast of variance was: losses that rank forecasts by a noisy proxy as they would by the truth, and its calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from tercet.errors import BadInput
from tercet.signals.series import Floats, pair, varies

LEAST = 20


def qlike(target: ArrayLike, said: ArrayLike) -> Floats:
    """(n,): y/h − log(y/h) − 1, 0 at best: Patton, Journal of Econometrics 160(1), 2011. Both above 0."""
    y, h = pair(target, said, ("target", "said"))
    if not (y > 0).all() or not (h > 0).all():
        raise BadInput("variances: expected numbers above 0, found one that is not")
    ratio = y / h
    return np.asarray(ratio - np.log(ratio) - 1.0)


def squared(target: ArrayLike, said: ArrayLike) -> Floats:
    """(n,): (y − h)²."""
    y, h = pair(target, said, ("target", "said"))
    return np.asarray((y - h) ** 2)


@dataclass(frozen=True)
class Unbiased:
    """y = intercept + slope·h + error with HAC errors; p of intercept 0 and slope 1 together (Wald); r2 of the regression."""

    intercept: float
    slope: float
    intercept_error: float
    slope_error: float
    p: float
    r2: float


def mincer_zarnowitz(target: ArrayLike, said: ArrayLike, lag: int | None = None) -> Unbiased:
    """Whether forecasts are unbiased and efficient: Mincer & Zarnowitz 1969; covariance by Newey & West 1987, lag ⌊4(T/100)^(2/9)⌋.

    All NaN where the forecasts are the same each time: no slope can be told.
    """
    y, h = pair(target, said, ("target", "said"), LEAST)
    size = len(y)
    if not varies(h):
        return Unbiased(*(float("nan"),) * 6)  # a line through one point
    x = np.column_stack([np.ones(size), h])
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    errors = y - x @ weights
    lag = int(4 * (size / 100) ** (2 / 9)) if lag is None else lag
    moments = x * errors[:, None]
    middle = moments.T @ moments
    for j in range(1, lag + 1):
        crossed = moments[j:].T @ moments[:-j]
        middle += (1 - j / (lag + 1)) * (crossed + crossed.T)
    inverse = np.linalg.inv(x.T @ x)
    covariance = inverse @ middle @ inverse
    away = weights - np.array([0.0, 1.0])
    wald = float(away @ np.linalg.solve(covariance, away))
    error = np.sqrt(np.diag(covariance))
    r2 = 1 - errors.var() / y.var()
    return Unbiased(float(weights[0]), float(weights[1]), float(error[0]), float(error[1]), float(chi2.sf(wald, 2)), float(r2))
