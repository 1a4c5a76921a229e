"""CLOCK: what each second of the clock brought: variances, jumps and drift of the mid, what lots move it, bursts of trading.

Means forget over FADE seconds; r are log returns of the mid in bp, each second in which the book is quoted at both ends. Realised
variance and semivariances (Barndorff-Nielsen, Kinnebrock & Shephard 2010), bipower variation and the ratio test for jumps
(Barndorff-Nielsen & Shephard 2004, 2006), MedRV (Andersen, Dobrev & Schaumburg 2012), drift bursts (Christensen, Oomen & Renò 2022),
Kyle's λ (1985), Amihud (2002), the branching ratio from mean and variance of counts (Hardiman & Bouchaud 2014).
"""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled

STEP_NS: Final = 1_000_000_000
FADE: Final = 300  # seconds
SLOW: Final = 1500  # seconds over which drift bursts take their variance
LAGS: Final = 5  # of its autocovariances
FIRST: Final = 60  # returns before which there is no variance
WINDOW: Final = 30  # seconds in which aggressors are counted
WINDOWS: Final = 60  # over which those counts' mean and variance forget
FIRST_WINDOWS: Final = 10
_KEPT: Final = math.exp(-1.0 / FADE)
_SLOW_KEPT: Final = math.exp(-1.0 / SLOW)
_WINDOW_KEPT: Final = math.exp(-1.0 / WINDOWS)
_MED: Final = math.pi / (6.0 - 4.0 * math.sqrt(3.0) + math.pi)
_TRI: Final = (2.0 ** (2.0 / 3.0) * math.gamma(7.0 / 6.0) / math.gamma(0.5)) ** -3
_THETA: Final = (math.pi / 2.0) ** 2 + math.pi - 5.0


def _parzen(x: float) -> float:
    return 1.0 - 6.0 * x * x * (1.0 - x) if x <= 0.5 else 2.0 * (1.0 - x) ** 3


# Of each lag: Parzen's weight, and what the fading weights of both returns have in common.
_LAG_WEIGHTS: Final = tuple(2.0 * _parzen(lag / (LAGS + 1)) * _SLOW_KEPT ** (0.5 * lag) for lag in range(1, LAGS + 1))

CLOCK: Final = np.dtype(
    [
        ("next", np.int64),  # when the second ends, ns
        ("mid2", np.int64),  # at its beginning; 0 where the book was not quoted
        ("returns", np.int64),  # ever
        ("row", np.int64),  # without a break
        ("weight", np.float64),  # of the returns
        ("weight2", np.float64),  # of their squared weights
        ("pairs", np.float64),
        ("triples", np.float64),
        ("square", np.float64),
        ("up", np.float64),
        ("down", np.float64),
        ("bipower", np.float64),
        ("median", np.float64),
        ("tripower", np.float64),
        ("drift", np.float64),
        ("slow_weight", np.float64),
        ("slow", np.float64, LAGS + 1),  # r², and r × the return so many seconds before
        ("last", np.float64, LAGS),  # returns, the latest first
        ("signed", np.int64),  # lots of this second
        ("lots", np.int64),
        ("moved_by", np.float64),  # Δmid × signed lots
        ("signed2", np.float64),
        ("per_lot", np.float64),  # |r| / lots
        ("traded", np.float64),  # seconds with lots
        ("aggressors", np.int64),  # of this window
        ("in_window", np.int64),  # seconds of it that are over
        ("windows", np.int64),
        ("window_weight", np.float64),
        ("counted", np.float64),
        ("counted2", np.float64),
    ],
    align=True,
)


@compiled(forceinline=True)
def traded(clock, side, lots, fresh):
    """An execution, a new aggressor's where `fresh`."""
    clock.signed += side * lots
    clock.lots += lots
    clock.aggressors += fresh


@compiled
def settle(clock, time, mid2):
    """Nothing more happens up to and including `time`; `mid2` is twice the mid, 0 where the book is not quoted."""
    while clock.next <= time:
        second(clock, mid2)
        clock.next += STEP_NS


@compiled
def second(clock, mid2):
    """A second is over. One without a mid at both ends is as if it had not been; what is traded in it counts with the next."""
    if mid2 != 0 and clock.mid2 != 0:
        moved = mid2 - clock.mid2
        r = 1e4 * math.log(mid2 / clock.mid2) if moved != 0 else 0.0
        fade(clock)
        returned(clock, r)
        lots_moved(clock, 0.5 * moved, abs(r))
        count(clock)
    else:
        clock.row = 0
    clock.mid2 = mid2


@compiled
def fade(clock):
    """A second is forgotten."""
    clock.weight = clock.weight * _KEPT + 1.0
    clock.weight2 = clock.weight2 * (_KEPT * _KEPT) + 1.0
    clock.pairs *= _KEPT
    clock.triples *= _KEPT
    clock.square *= _KEPT
    clock.up *= _KEPT
    clock.down *= _KEPT
    clock.bipower *= _KEPT
    clock.median *= _KEPT
    clock.tripower *= _KEPT
    clock.drift *= _KEPT
    clock.moved_by *= _KEPT
    clock.signed2 *= _KEPT
    clock.per_lot *= _KEPT
    clock.traded *= _KEPT
    clock.slow_weight = clock.slow_weight * _SLOW_KEPT + 1.0
    for lag in range(LAGS + 1):
        clock.slow[lag] *= _SLOW_KEPT


@compiled
def returned(clock, r):
    """The second's return joins the variances."""
    a, b, c = abs(r), abs(clock.last[0]), abs(clock.last[1])
    clock.square += r * r
    clock.up += r * r if r > 0.0 else 0.0
    clock.down += r * r if r < 0.0 else 0.0
    clock.drift += r
    clock.slow[0] += r * r
    if clock.row > 0:
        clock.pairs += 1.0
        clock.bipower += a * b
    if clock.row > 1:
        clock.triples += 1.0
        middle = max(min(a, b), min(max(a, b), c))
        clock.median += middle * middle
        if a * b * c > 0.0:
            clock.tripower += (a * b * c) ** (4.0 / 3.0)
    for lag in range(min(clock.row, LAGS)):
        clock.slow[lag + 1] += r * clock.last[lag]
    for lag in range(LAGS - 1, 0, -1):
        clock.last[lag] = clock.last[lag - 1]
    clock.last[0] = r
    clock.row += 1
    clock.returns += 1


@compiled
def lots_moved(clock, moved, size):
    """The second's lots, beside the move of the mid in ticks and its size in bp."""
    clock.moved_by += moved * clock.signed
    clock.signed2 += 1.0 * clock.signed * clock.signed
    if clock.lots > 0:
        clock.per_lot += size / clock.lots
        clock.traded += 1.0
    clock.signed = 0
    clock.lots = 0


@compiled
def count(clock):
    """The second joins its window of aggressors."""
    clock.in_window += 1
    if clock.in_window == WINDOW:
        clock.windows += 1
        clock.window_weight = clock.window_weight * _WINDOW_KEPT + 1.0
        clock.counted = clock.counted * _WINDOW_KEPT + clock.aggressors
        clock.counted2 = clock.counted2 * _WINDOW_KEPT + 1.0 * clock.aggressors * clock.aggressors
        clock.in_window = 0
        clock.aggressors = 0


@compiled
def variance(clock):
    """Realised variance in bp² a second; NaN before FIRST returns."""
    return clock.square / clock.weight if clock.returns >= FIRST else math.nan


@compiled
def jump(clock):
    """How far realised variance exceeds bipower variation, in standard errors; 0 where nothing moved."""
    square, bipower = clock.square / clock.weight, math.pi / 2.0 * clock.bipower / clock.pairs
    if square <= 0.0:
        return 0.0
    noise = _TRI * clock.tripower / clock.triples / (bipower * bipower) if bipower > 0.0 else 1.0
    return (1.0 - bipower / square) / math.sqrt(_THETA * clock.weight2 / (clock.weight * clock.weight) * max(1.0, noise))


@compiled
def drift_burst(clock):
    """The drift of the last FADE seconds by its standard error from the last SLOW; 0 where nothing moved."""
    total = clock.slow[0]
    for lag in range(LAGS):
        total += _LAG_WEIGHTS[lag] * clock.slow[lag + 1]
    return clock.drift / math.sqrt(total / clock.slow_weight * clock.weight2) if total > 0.0 else 0.0


@compiled
def branching(clock):
    """1 − √(mean / variance) of the counts, 0 where they vary no more than a Poisson law's."""
    if clock.windows < FIRST_WINDOWS:
        return math.nan
    mean = clock.counted / clock.window_weight
    spread = clock.counted2 / clock.window_weight - mean * mean
    return 1.0 - math.sqrt(mean / spread) if spread > mean else 0.0


@compiled
def write(clock, out, at):
    """Write this family from out[at] on; returns where the next goes."""
    out[at] = branching(clock)
    out[at + 1] = clock.moved_by / clock.signed2 if clock.returns >= FIRST and clock.signed2 > 0.0 else math.nan
    out[at + 2] = clock.per_lot / clock.traded if clock.returns >= FIRST and clock.traded > 0.0 else math.nan
    if clock.returns < FIRST or clock.triples <= 0.0:
        for i in range(at + 3, at + 11):
            out[i] = math.nan
        return at + 11
    out[at + 3] = variance(clock)
    out[at + 4] = math.pi / 2.0 * clock.bipower / clock.pairs
    out[at + 5] = _MED * clock.median / clock.triples
    out[at + 6] = _TRI * clock.tripower / clock.triples
    out[at + 7] = clock.up / clock.weight
    out[at + 8] = clock.down / clock.weight
    out[at + 9] = jump(clock)
    out[at + 10] = drift_burst(clock) if clock.returns >= FADE else math.nan
    return at + 11
