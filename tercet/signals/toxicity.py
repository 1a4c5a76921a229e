"""TOXICITY: VPIN (Easley, López de Prado & O'Hara 2012) by aggressors' true sides, and what volatility and volume leave of it.

Andersen & Bondarenko (2014): most of VPIN is volatility and volume. The second is the residual of a regression on both, whose
coefficients are those of the buckets before.
"""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled

BUCKETS: Final = 50  # over which the mean is taken
FIRST_BUCKETS: Final = 10  # before which there is none
FIRST_RESIDUAL: Final = 10  # regressed buckets, likewise
FIRST_AGGRESSORS: Final = 100  # whose lots size the buckets where nobody said their size
BUCKET_AGGRESSORS: Final = 50  # that then fill one
_PRIOR: Final = 1000.0  # variance of the coefficients before the first bucket
_TERMS: Final = 3  # 1, log variance, log volume

TOXICITY: Final = np.dtype(
    [
        ("bucket_lots", np.int64),  # 0 while unknown
        ("filled", np.int64),
        ("signed", np.int64),
        ("closed", np.int64),  # buckets ever
        ("value", np.float64),
        ("net", np.float64),
        ("regressed", np.int64),  # buckets ever
        ("buckets", np.float64, BUCKETS),
        ("slopes", np.float64, _TERMS),
        ("spread", np.float64, (_TERMS, _TERMS)),  # of the slopes
    ],
    align=True,
)


@compiled
def start(toxicity, size):
    """Begin with buckets of `size` lots, 0 where the first aggressors are to say it."""
    toxicity.bucket_lots = size
    for i in range(_TERMS):
        toxicity.spread[i, i] = _PRIOR


@compiled(forceinline=True)
def aggressor(toxicity, count, lots):
    """A new aggressor comes, after `count` others who traded `lots`."""
    if toxicity.bucket_lots == 0 and count >= FIRST_AGGRESSORS:
        toxicity.bucket_lots = max(1, lots * BUCKET_AGGRESSORS // count)


@compiled(forceinline=True)
def traded(toxicity, side, lots, variance, volume):
    """An execution; `variance` and `volume` are what the market is like now."""
    size = toxicity.bucket_lots
    if size == 0:
        return
    if lots > 2 * BUCKETS * size:  # more buckets of one side say nothing more
        lots = BUCKETS * size + lots % size
    while lots > 0:
        part = min(lots, size - toxicity.filled)
        toxicity.filled += part
        toxicity.signed += side * part
        lots -= part
        if toxicity.filled == size:
            close(toxicity, variance, volume)


@compiled
def close(toxicity, variance, volume):
    """A bucket is full."""
    toxicity.buckets[toxicity.closed % BUCKETS] = abs(toxicity.signed) / toxicity.bucket_lots
    toxicity.closed += 1
    toxicity.filled = 0
    toxicity.signed = 0
    count = min(toxicity.closed, BUCKETS)
    total = 0.0
    for i in range(count):
        total += toxicity.buckets[i]
    toxicity.value = total / count
    if toxicity.closed >= FIRST_BUCKETS and not math.isnan(variance):
        toxicity.net = residual(toxicity, toxicity.value, math.log(variance + 1e-6), math.log(volume + 1.0))
        toxicity.regressed += 1


@compiled
def residual(toxicity, value, x, y):
    """What the regression so far leaves of `value`; then it learns from it, by recursive least squares."""
    beta, spread = toxicity.slopes, toxicity.spread
    left = value - beta[0] - beta[1] * x - beta[2] * y
    a = spread[0, 0] + spread[0, 1] * x + spread[0, 2] * y
    b = spread[1, 0] + spread[1, 1] * x + spread[1, 2] * y
    c = spread[2, 0] + spread[2, 1] * x + spread[2, 2] * y
    scale = 1.0 / (1.0 + a + b * x + c * y)
    learn(beta, spread[0], 0, a * scale, left, a, b, c)
    learn(beta, spread[1], 1, b * scale, left, a, b, c)
    learn(beta, spread[2], 2, c * scale, left, a, b, c)
    return left


@compiled
def learn(beta, row, i, gain, left, a, b, c):
    """One slope and its row of the spread."""
    beta[i] += gain * left
    row[0] -= gain * a
    row[1] -= gain * b
    row[2] -= gain * c


@compiled
def write(toxicity, out, at):
    """Write this family from out[at] on; returns where the next goes."""
    out[at] = toxicity.value if toxicity.closed >= FIRST_BUCKETS else math.nan
    out[at + 1] = toxicity.net if toxicity.regressed >= FIRST_RESIDUAL else math.nan
    return at + 2
