"""MICRO: the microprice of Stoikov (2018), learnt as the touch moves: where the mid is expected to end, by imbalance and spread.

His G* is the antisymmetric solution of G(x) = E[change of the mid + G(next state)]. The transitions are counted, each with its mirror
image, and the row of the state that was left is solved anew each time: a Gauss–Seidel step of his linear system, on the past alone.
"""

from typing import Final

import numpy as np

from tercet.compiled import compiled
from tercet.signals.ladder import share

LEANS: Final = 11  # classes of imbalance, the middle one for balance
SPREADS: Final = (2, 3, 8)  # ticks from which on a spread is of the next class
STATES: Final = LEANS * (len(SPREADS) + 1)

MICRO: Final = np.dtype(
    [
        ("last", np.int64),  # 1 + the state that the touch is in; 0 where unknown
        ("mid2", np.int64),
        ("price", np.float64, STATES),  # G*, in ticks
        ("moved", np.float64, STATES),  # ticks that the mid moved on leaving each
        ("left", np.float64, STATES),  # how often each was left
        ("went", np.float64, (STATES, STATES)),
    ],
    align=True,
)


@compiled
def state_of(ladder):
    """The class of a touch with two sides."""
    lean = share(ladder.lots[0, 0], ladder.lots[1, 0])
    steps = min(int(abs(lean) * (0.5 * LEANS) + 0.5), LEANS // 2)
    spread = -ladder.keys[1, 0] - ladder.keys[0, 0]
    wide = 0
    for least in SPREADS:
        wide += spread >= least
    return wide * LEANS + LEANS // 2 + (steps if lean > 0.0 else -steps)


@compiled
def mirrored(state):
    """The same state with buyers and sellers changed."""
    return state + LEANS - 1 - 2 * (state % LEANS)


@compiled
def moved(micro, ladder, mid2):
    """The touch is another, and has two sides."""
    state = state_of(ladder)
    if micro.last != 0:
        before, by = micro.last - 1, 0.5 * (mid2 - micro.mid2)
        if state != before or by != 0.0:
            learn(micro, before, state, by)
    micro.last = state + 1
    micro.mid2 = mid2


@compiled
def learn(micro, before, state, by):
    """Count a transition and its mirror image, and solve the row of the state that was left."""
    image = mirrored(before)
    micro.went[before, state] += 1.0
    micro.went[image, mirrored(state)] += 1.0
    micro.left[before] += 1.0
    micro.left[image] += 1.0
    micro.moved[before] += by
    micro.moved[image] -= by
    stayed = micro.went[before, before]
    if image == before or micro.left[before] <= stayed:
        return
    total = micro.moved[before] - stayed * micro.price[before]
    for other in range(STATES):
        total += micro.went[before, other] * micro.price[other]
    micro.price[before] = total / (micro.left[before] - stayed)
    micro.price[image] = -micro.price[before]
