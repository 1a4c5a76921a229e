"""ORDERFLOW: order-flow imbalance at the touch, level by level and integrated; and how deep the book usually is.

Cont, Kukanov & Stoikov (2014); Xu, Gould & Howison (2019); Cont, Cucuringu & Zhang (2023), whose integrated imbalance is the first
principal component of the levels, here with weights that come from outside: equal ones, or those of earlier days.
"""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled
from tercet.signals.fading import S1, S10, S60
from tercet.signals.ladder import LEVELS

EVENTS: Final = (10, 50, 100)  # e-folding numbers of events
CLOCKS: Final = (S1, S10, S60)
DEPTH_EVENTS: Final = 1000
_KEPT: Final = tuple(math.exp(-1.0 / number) for number in EVENTS)
_DEPTH_KEPT: Final = math.exp(-1.0 / DEPTH_EVENTS)

ORDERFLOW: Final = np.dtype(
    [
        ("total", np.int64, LEVELS),  # lots since the start
        ("level", np.float64, LEVELS),  # lots, forgetting over 10 s
        ("touch", np.float64, len(CLOCKS)),  # the same of the touch, by seconds
        ("touch_events", np.float64, len(EVENTS)),  # and by events
        ("whole", np.float64, len(CLOCKS)),  # the levels by their weights
        ("whole_events", np.float64, len(EVENTS)),
        ("depth", np.float64),  # lots of a level, summed over events that fade
        ("weight", np.float64),  # of those events
    ],
    align=True,
)


@compiled(forceinline=True)
def fade(flow, fading):
    """Let the sums forget what the clock's last step says."""
    ten = fading.by[S10]
    for level in range(LEVELS):
        flow.level[level] *= ten
    for i in range(len(CLOCKS)):
        flow.touch[i] *= fading.by[CLOCKS[i]]
        flow.whole[i] *= fading.by[CLOCKS[i]]


@compiled(forceinline=True)
def met(flow, lots):
    """A message comes upon a book with so many lots in the ladder's levels, those revealed since the last message among them."""
    flow.depth = flow.depth * _DEPTH_KEPT + lots / (2.0 * LEVELS)
    flow.weight = flow.weight * _DEPTH_KEPT + 1.0


@compiled(forceinline=True)
def flowed(flow, ladder, weights, first, stop):
    """A message changed the levels [first, stop) of the ladder, perhaps none."""
    touch, total = 0.0, 0.0
    for level in range(first, stop):
        gained = ladder.gained[level]
        flow.total[level] += gained
        flow.level[level] += gained
        total += weights[level] * gained
    if first == 0 and stop > 0:
        touch = 1.0 * ladder.gained[0]
    for i in range(len(CLOCKS)):
        flow.touch[i] += touch
        flow.whole[i] += total
    for i in range(len(EVENTS)):
        flow.touch_events[i] = flow.touch_events[i] * _KEPT[i] + touch
        flow.whole_events[i] = flow.whole_events[i] * _KEPT[i] + total


@compiled
def usual_depth(flow):
    """Lots that a level usually holds: the mean over both sides and the last DEPTH_EVENTS messages; NaN before the first."""
    return flow.depth / flow.weight if flow.depth > 0.0 else math.nan


@compiled
def write(flow, fading, out, at):
    """Write this family from out[at] on; returns where the next goes."""
    depth = usual_depth(flow)
    by = 1.0 / depth
    for i in range(len(CLOCKS)):
        left = fading.ahead[CLOCKS[i]] * by
        out[at + i] = flow.touch[i] * left
        out[at + 3 + i] = flow.touch_events[i] * by
        out[at + 6 + i] = flow.whole[i] * left
        out[at + 9 + i] = flow.whole_events[i] * by
    at += 12
    left = fading.ahead[S10] * by
    for level in range(LEVELS):
        out[at + level] = flow.level[level] * left
        out[at + LEVELS + level] = flow.total[level]
    out[at + 2 * LEVELS] = depth
    return at + 2 * LEVELS + 1
