"""Rewards: `reward(before, after, fills, params) -> float`, compiled. Each is three lines; your own can be as short (`reward`).

before, after: the VIEWs at this decision and at the next. fills: a FILLS record: what was traded between them. params: PARAMS.
`shortfall` of an episode sums to minus its implementation shortfall in basis points, completion and fees included.
"""

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
from numba import types

from tercet.book.records import REPORT
from tercet.compiled import compiled
from tercet.execution.view import VIEW

FILLS_SHOWN: Final = 32
OWN_PARAMS: Final = 8

FILLS: Final = np.dtype(
    [
        ("cost", np.float64),  # by which these fills move the parent's implementation shortfall, bps
        ("impact", np.float64),  # of that: half-spread and walk, bps of the parent
        ("lots", np.int64),
        ("completed", np.int64),  # lots traded by the completion; the episode has ended
        ("ended", np.int64),
        ("count", np.int64),
        ("rows", REPORT, FILLS_SHOWN),  # the first of them
    ],
    align=True,
)
PARAMS: Final = np.dtype(
    [
        ("risk_aversion", np.float64),  # of `risk_averse`: per bp² of variance
        ("impact", np.float64),  # of `impact_averse`: weight of impact beside cost
        ("terminal", np.float64),  # of `on_time`: bps for all of the parent left to the completion
        ("own", np.float64, OWN_PARAMS),  # for rewards of your own
    ]
)
MADE: list[Any] = []  # what `reward` has compiled
REWARD: Final = types.float64(numba.from_dtype(VIEW), numba.from_dtype(VIEW), numba.from_dtype(FILLS), numba.from_dtype(PARAMS))


def reward(function: Callable[[Any, Any, Any, Any], float]) -> Any:
    """Compile a reward so that environments can call it by pointer."""
    made = compiled(REWARD)(function)
    MADE.append(made)
    return made


@reward
def shortfall(before, after, fills, params):
    """Minus the cost of what was traded."""
    return -fills.cost


@reward
def impact_averse(before, after, fills, params):
    """Shortfall, with impact counted again."""
    return -fills.cost - params.impact * fills.impact


@compiled
def variance(before, seconds):
    """The variance that the inventory carries over so many seconds, bps² of the parent."""
    left = (before.lots - before.filled) / before.lots
    sigma = 1e4 * before.volatility_long / before.arrival_mid
    return left * left * sigma * sigma * seconds


@reward
def risk_averse(before, after, fills, params):
    """Almgren & Chriss (2000): shortfall less risk aversion times the variance of what is left to trade."""
    return -fills.cost - params.risk_aversion * variance(before, (after.now - before.now) * 1e-9)


@reward
def on_time(before, after, fills, params):
    """Shortfall, less a penalty for what the completion had to trade."""
    return -fills.cost - params.terminal * fills.completed / before.lots


REWARDS: dict[str, Any] = {"shortfall": shortfall, "impact-averse": impact_averse, "risk-averse": risk_averse, "on-time": on_time}
