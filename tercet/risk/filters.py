"""What forecasts of variance have in common: a forecaster learns from days that are over and becomes a filter.

A filter's value at a day is told from that day and those before it.
"""

from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from tercet.errors import BadInput
from tercet.risk.days import MarketDays
from tercet.signals.series import Floats

LEAST: Final = 250  # days that anything is learned from


class Filter(Protocol):
    """A forecaster that has learned."""

    def variance(self, days: MarketDays) -> Floats:
        """(n,) percent²: for each day the variance of the day after, from that day and those before it; NaN where there are too few."""
        ...


class Forecaster(Protocol):
    """Learns from days that are over."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Series of `MarketDays` that it cannot do without."""
        ...

    def fit(self, past: MarketDays) -> Filter:
        """Raises BadInput where there is too little."""
        ...


def walked(days: MarketDays, forecaster: Forecaster, first: int, every: int = 20) -> Floats:
    """(n,) percent²: what was said of each day's variance at the close before, learned anew `every` days; NaN for the `first` days."""
    if not LEAST <= first < len(days) or every < 1:
        raise BadInput(f"first was {first} of {len(days)} days and every {every}; expected {LEAST} to fewer than all, and 1 or more")
    said = np.full(len(days), np.nan)
    for begin, end in pairwise([*range(first, len(days), every), len(days)]):
        said[begin:end] = forecaster.fit(days[:begin]).variance(days[: end - 1])[begin - 1 :]
    return said


def refuse(forecaster: Forecaster, past: MarketDays, least: int = LEAST) -> None:
    """Raises BadInput where days are too few or miss a series."""
    if missing := [name for name in forecaster.needs if name not in past.there()]:
        raise BadInput(f"{forecaster.name}: the days have no {', '.join(missing)}; expected it, or another forecaster")
    if len(past) < least:
        raise BadInput(f"{forecaster.name}: there were {len(past)} days; expected {least} or more")


def level(target: Floats, said: Floats) -> float:
    """By how much forecasts of the days before have to be multiplied to be right on average; said[i] is of target[i + 1]."""
    known = np.isfinite(said[:-1])
    return float(target[1:][known].sum() / said[:-1][known].sum())
