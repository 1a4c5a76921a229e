"""IMPACT: what aggressors pay, and where the mid is after a while. Means forget over so many aggressors.

Effective and realised spread (Huang & Stoll 1996), Roll's (1984), the mid's move 1, 5 and 30 s after a trade (Bouchaud et al. 2004).
An aggressor waits in a ring until its seconds have passed; where the ring is full, the next ones are left out of the means.
"""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled
from tercet.market.events import FINER_PER_TICK

AFTER: Final = (1, 5, 30)  # seconds
REALISED: Final = 1  # place of the seconds after which a spread is realised
WAITING: Final = 4096  # a power of two
FADE: Final = 100  # aggressors
ROLL_FADE: Final = 200
_AFTER_NS: Final = tuple(1_000_000_000 * seconds for seconds in AFTER)
_KEPT: Final = math.exp(-1.0 / FADE)
_ROLL_KEPT: Final = math.exp(-1.0 / ROLL_FADE)

WAIT: Final = np.dtype([("time", np.int64), ("mid2", np.int32), ("side", np.int32), ("paid", np.float64)])
IMPACT: Final = np.dtype(
    [
        ("mid2", np.int64),  # before the last aggressor; 0 where the book was not quoted
        ("prices", np.int64),  # aggressors' first prices ever
        ("price", np.float64),  # the last of them, ticks
        ("step", np.float64),  # from the one before
        ("bounce", np.float64),  # Σ step × step before
        ("bounces", np.float64),
        ("effective", np.float64),  # lots × spread
        ("lots", np.float64),
        ("realised", np.float64),
        ("moved", np.float64, len(AFTER)),
        ("weight", np.float64, len(AFTER)),
        ("next", np.int64, len(AFTER)),  # the first aggressor that still waits for each
        ("stop", np.int64),  # aggressors that ever waited
        ("left_out", np.int64),
        ("waits", WAIT, WAITING),
    ],
    align=True,
)


@compiled(forceinline=True)
def traded(impact, event, fresh, mid2):
    """An execution, a new aggressor's where `fresh`; `mid2` is twice the mid before it, 0 where the book is not quoted."""
    side = -int(event.side)
    price = event.tick + event.finer / FINER_PER_TICK
    if fresh:
        impact.mid2 = mid2
        impact.effective *= _KEPT
        impact.lots *= _KEPT
        bounced(impact, price)
        if mid2 != 0:
            wait(impact, event.time, side, price)
    if impact.mid2 != 0:
        impact.effective += event.lots * 2.0 * side * (price - 0.5 * impact.mid2)
        impact.lots += event.lots


@compiled
def bounced(impact, price):
    """The first price of a new aggressor."""
    step = price - impact.price
    if impact.prices > 1:
        impact.bounce = impact.bounce * _ROLL_KEPT + step * impact.step
        impact.bounces = impact.bounces * _ROLL_KEPT + 1.0
    impact.prices += 1
    impact.price = price
    impact.step = step


@compiled
def wait(impact, time, side, price):
    """A new aggressor waits for what comes of it."""
    if impact.stop - impact.next[len(AFTER) - 1] == WAITING:
        impact.left_out += 1
        return
    one = impact.waits[impact.stop & (WAITING - 1)]
    one.time = time
    one.mid2 = impact.mid2
    one.side = side
    one.paid = side * (price - 0.5 * impact.mid2)
    impact.stop += 1


@compiled(forceinline=True)
def settle(impact, time, mid2):
    """Nothing more happens up to and including `time`: whose seconds have passed by then has its answer in the mid."""
    for i in range(len(AFTER)):
        while impact.next[i] < impact.stop and impact.waits[impact.next[i] & (WAITING - 1)].time + _AFTER_NS[i] <= time:
            answered(impact, i, mid2)


@compiled
def answered(impact, i, mid2):
    """The first one that waits for the i-th time has its answer."""
    one = impact.waits[impact.next[i] & (WAITING - 1)]
    moved = 0.5 * one.side * (mid2 - one.mid2)
    impact.moved[i] = impact.moved[i] * _KEPT + moved
    impact.weight[i] = impact.weight[i] * _KEPT + 1.0
    if i == REALISED:
        impact.realised = impact.realised * _KEPT + 2.0 * (one.paid - moved)
    impact.next[i] += 1


@compiled
def write(impact, out, at):
    """Write this family from out[at] on; returns where the next goes."""
    out[at] = impact.effective / impact.lots if impact.lots > 0.0 else math.nan
    out[at + 1] = impact.realised / impact.weight[REALISED] if impact.weight[REALISED] > 0.0 else math.nan
    out[at + 2] = 2.0 * math.sqrt(max(0.0, -impact.bounce / impact.bounces)) if impact.bounces > 0.0 else math.nan
    for i in range(len(AFTER)):
        out[at + 3 + i] = impact.moved[i] / impact.weight[i] if impact.weight[i] > 0.0 else math.nan
    return at + 3 + len(AFTER)
