"""TAPE: what is traded, by whom, and what comes of it. Executions of one side at one time are one aggressor's.

Signed flow; the long memory of its signs (Lillo & Farmer 2004; Bouchaud, Gefen, Potters & Wyart 2004), by a sum of exponentials.
"""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled
from tercet.market.events import FINER_PER_TICK
from tercet.signals.fading import S1, S10, S60

CLOCKS: Final = (S1, S10, S60)
LONGEST: Final = 2  # place of the longest of them
TRADES: Final = (10, 50, 100)  # e-folding numbers of aggressors
_KEPT: Final = tuple(math.exp(-1.0 / number) for number in TRADES)

# Signs are correlated over n trades as n^-γ; the best linear predictor's weights then fall as n^-(3 - γ) / 2 (γ = 1/2).
MEMORIES: Final = (1, 4, 16, 64, 256, 1024)  # e-folding numbers of aggressors
_MEMORY_KEPT: Final = tuple(math.exp(-1.0 / number) for number in MEMORIES)
_RAW: Final = tuple(number**-1.25 for number in MEMORIES)
_MASS: Final = sum(raw / (1.0 - kept) for raw, kept in zip(_RAW, _MEMORY_KEPT, strict=True))
MEMORY_WEIGHTS: Final = tuple(raw / _MASS for raw in _RAW)  # of the last sign; all past signs' sum to 1

TAPE: Final = np.dtype(
    [
        ("time", np.int64),  # of the last aggressor
        ("side", np.int64),  # of the last aggressor; 0 before the first
        ("count", np.int64),  # aggressors
        ("lots", np.int64),  # ever
        ("signed", np.float64, len(CLOCKS)),
        ("volume", np.float64, len(CLOCKS)),
        ("signs", np.float64, len(TRADES)),
        ("signs_weight", np.float64, len(TRADES)),
        ("memory", np.float64, len(MEMORIES)),
    ],
    align=True,
)


@compiled(forceinline=True)
def fade(tape, fading):
    """Let the sums forget what the clock's last step says."""
    for i in range(len(CLOCKS)):
        tape.signed[i] *= fading.by[CLOCKS[i]]
        tape.volume[i] *= fading.by[CLOCKS[i]]


@compiled
def price_of(event):
    """The price of an execution in ticks, whole or between them."""
    return event.tick + event.finer / FINER_PER_TICK


@compiled(forceinline=True)
def printed(tape, event):
    """An execution; returns whether it is a new aggressor's."""
    side, lots = -int(event.side), event.lots
    fresh = side != tape.side or event.time != tape.time
    tape.lots += lots
    for i in range(len(CLOCKS)):
        tape.signed[i] += side * lots
        tape.volume[i] += lots
    if fresh:
        tape.side, tape.time = side, event.time
        tape.count += 1
        remember(tape, side)
    return fresh


@compiled
def remember(tape, side):
    """The sign of a new aggressor."""
    for i in range(len(TRADES)):
        tape.signs[i] = tape.signs[i] * _KEPT[i] + side
        tape.signs_weight[i] = tape.signs_weight[i] * _KEPT[i] + 1.0
    for i in range(len(MEMORIES)):
        tape.memory[i] = tape.memory[i] * _MEMORY_KEPT[i] + side


@compiled
def write_flow(tape, fading, out, at):
    """Write signed flow and its memory from out[at] on; returns where the next goes."""
    for i in range(len(CLOCKS)):
        left = fading.ahead[CLOCKS[i]]
        out[at + i] = tape.signed[i] * left
        out[at + 3 + i] = tape.volume[i] * left
        out[at + 6 + i] = min(max(tape.signed[i] / tape.volume[i], -1.0), 1.0) if tape.volume[i] > 0.0 else 0.0
        out[at + 9 + i] = tape.signs[i] / tape.signs_weight[i] if tape.count > 0 else math.nan
    expected = 0.0
    for i in range(len(MEMORIES)):
        expected += MEMORY_WEIGHTS[i] * tape.memory[i]
    out[at + 12] = expected if tape.count > 0 else math.nan
    return at + 13
