"""ARRIVALS: aggressors a second by a Hawkes law, buyers and sellers, each exciting its own kind (Bacry, Mastromatteo & Muzy 2015).

The kernel is a power law's likeness (Hardiman, Bercot & Bouchaud 2013: φ(t) as t^−1.15), a sum of exponentials whose integral is BRANCHING.
"""

from typing import Final

import numpy as np

from tercet.compiled import compiled
from tercet.signals.fading import S300, SECONDS, span
from tercet.signals.ladder import share

BRANCHING: Final = 0.7
_RAW: Final = tuple(seconds**-0.15 for seconds in SECONDS[:S300])
_WEIGHTS: Final = tuple(BRANCHING * raw / sum(_RAW) / seconds for raw, seconds in zip(_RAW, SECONDS[:S300], strict=True))

ARRIVALS: Final = np.dtype([("count", np.float64, (2, len(SECONDS)))], align=True)  # buyers, sellers; forgetting over each of SECONDS


@compiled(forceinline=True)
def fade(arrivals, fading):
    """Let the counts forget what the clock's last step says."""
    for row in range(2):
        for i in range(len(SECONDS)):
            arrivals.count[row, i] *= fading.by[i]


@compiled(forceinline=True)
def arrived(arrivals, row):
    """A new aggressor: row 0 buys, 1 sells."""
    for i in range(len(SECONDS)):
        arrivals.count[row, i] += 1.0


@compiled
def intensity(arrivals, fading, row, base):
    """Aggressors a second expected at the time that `fading` looks at; the long count by `base` is their rate."""
    excited = 0.0
    for i in range(S300):
        excited += _WEIGHTS[i] * arrivals.count[row, i] * fading.ahead[i]
    return (1.0 - BRANCHING) * arrivals.count[row, S300] * fading.ahead[S300] / base + excited


@compiled
def write(arrivals, fading, time, out, at):
    """Write this family from out[at] on; returns where the next goes."""
    base = span(fading, S300, time)
    buyers, sellers = intensity(arrivals, fading, 0, base), intensity(arrivals, fading, 1, base)
    out[at] = buyers
    out[at + 1] = sellers
    out[at + 2] = share(buyers, sellers)
    return at + 3
