"""Random numbers keyed by seed, class of event and count: a copy of a simulation draws the same future, and a draw of one class
never shifts another's. The hash is SplitMix64's finaliser (Steele, Lea & Flood 2014).
"""

import math

import numpy as np

from tercet.compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11, _40 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11), np.uint64(40)


@compiled
def mix(x):
    """A uint64 as good as random from a uint64."""
    x = (x ^ (x >> _30)) * _FIRST
    x = (x ^ (x >> _27)) * _SECOND
    return x ^ (x >> _31)


@compiled
def uniform(seed, kind, count):
    """The `count`-th number of class `kind`, in (0, 1)."""
    key = mix(np.uint64(seed) + _GOLDEN * np.uint64(kind + 1))
    bits = mix(key + _GOLDEN * np.uint64(count + 1)) >> _11
    return (np.float64(bits) + 0.5) * (1.0 / 9007199254740992.0)


@compiled
def exponential(u):
    """A draw of mean 1 from a uniform one."""
    return -math.log(u)
