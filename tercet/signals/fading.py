"""FADING: the clock by which sums forget. A sum that forgets over S seconds loses the share 1 − exp(−t / S) of itself in t seconds."""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled

SECONDS: Final = (0.1, 1.0, 10.0, 60.0, 300.0)  # e-folding times
S01, S1, S10, S60, S300 = 0, 1, 2, 3, 4  # their places

FADING: Final = np.dtype(
    [
        ("time", np.int64),  # up to which sums have been let forget, ns
        ("first", np.int64),  # when it began, ns
        ("by", np.float64, len(SECONDS)),  # what the last step left of a sum
        ("ahead", np.float64, len(SECONDS)),  # what a row's time would leave of it
    ],
    align=True,
)


@compiled(forceinline=True)
def step(fading, time):
    """Go on to `time`; returns whether it passed. What is kept by this clock is then to be multiplied with `by`."""
    passed = time - fading.time
    if passed <= 0:
        return False
    for i in range(len(SECONDS)):
        fading.by[i] = math.exp(passed * (-1e-9 / SECONDS[i]))
    fading.time = time
    return True


@compiled
def look(fading, time):
    """Note what will be left of the sums at `time`, and leave them as they are."""
    passed = time - fading.time
    for i in range(len(SECONDS)):
        fading.ahead[i] = math.exp(passed * (-1e-9 / SECONDS[i])) if passed > 0 else 1.0


@compiled
def span(fading, place, time):
    """By what a faded sum at `time` is divided to make a rate a second since the clock began; NaN where no time has passed."""
    passed = (time - fading.first) * 1e-9
    return SECONDS[place] * (1.0 - math.exp(-passed / SECONDS[place])) if passed > 0.0 else math.nan
