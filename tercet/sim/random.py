"""Random numbers keyed by seed, class of event and count: a copy of a simulation draws the same future, and a draw of one class
never shifts another's. The hash is SplitMix64's finaliser (Steele, Lea & Flood 2014).
"""

import math

import numpy as np

from tercet.compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_CLASS = np.uint64(0xD1342543DE82EF95)  # an odd number without relation to _GOLDEN
_30, _27, _31, _11, _32, _LOW = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11), np.uint64(32), np.uint64(0xFFFFFFFF)

_CELLS, _EXACT = 512, 16
_LOGS = -np.log(np.maximum(np.arange(_CELLS + 1), 1) / _CELLS)


@compiled
def mix(x):
    """A uint64 as good as random from a uint64."""
    x = (x ^ (x >> _30)) * _FIRST
    x = (x ^ (x >> _27)) * _SECOND
    return x ^ (x >> _31)


@compiled
def key_of(seed):
    """The key that a seed's words are drawn with."""
    return mix(np.uint64(seed) + _GOLDEN)


@compiled
def word(key, kind, count):
    """The `count`-th uint64 of class `kind` under a key."""
    return mix(np.uint64(key) + _CLASS * np.uint64(kind + 1) + _GOLDEN * np.uint64(count))


@compiled
def high(bits):
    """A number in (0, 1) from the upper half of a word."""
    return (np.float64(bits >> _32) + 0.5) * (1.0 / 4294967296.0)


@compiled
def low(bits):
    """A number in (0, 1) from the lower half of a word."""
    return (np.float64(bits & _LOW) + 0.5) * (1.0 / 4294967296.0)


@compiled
def uniform(seed, kind, count):
    """The `count`-th number of class `kind`, in (0, 1)."""
    bits = word(key_of(seed), kind, count) >> _11
    return (np.float64(bits) + 0.5) * (1.0 / 9007199254740992.0)


@compiled
def exponential(u):
    """A draw of mean 1 from a uniform one: -log(u), between the tabulated values to within 5e-4, where u is small exactly."""
    place = u * _CELLS
    below = int(place)
    if below < _EXACT:
        return -math.log(u)
    return _LOGS[below] + (place - below) * (_LOGS[below + 1] - _LOGS[below])


@compiled
def normal(bits):
    """A draw of mean 0 and variance 1 from a word (Box & Muller 1958)."""
    return math.sqrt(-2.0 * math.log(high(bits))) * math.cos(2.0 * math.pi * low(bits))
