"""Covariance within a day from prices that come in no step with each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.errors import BadInput
from tercet.risk.pairs import overlapping, refresh
from tercet.signals.series import Floats

Ticks = tuple[ArrayLike, ArrayLike]  # times, ns, in order; prices


def realised_covariance(series: Sequence[Ticks], lags: int = 0) -> Floats:
    """(k, k) percent², positive semi-definite: of log returns between refresh times.

    Refresh times and, with lags above 0, the realised kernel of Parzen: Barndorff-Nielsen, Hansen, Lunde & Shephard, Journal of
    Econometrics 162(2), 2011, sections 2.1 and 2.2. With lags 0 noise within the spread and leads between assets are not taken out.
    """
    found = [_ticks(one, place) for place, one in enumerate(series)]
    places = refresh_times([times for times, _ in found])
    if len(places) < 2 + lags or lags < 0:
        raise BadInput(f"there were {len(places)} refresh times for {lags} lags; expected two more than lags")
    moves = np.diff(np.column_stack([prices[places[:, i]] for i, (_, prices) in enumerate(found)]), axis=0)
    total = moves.T @ moves
    for lag in range(1, lags + 1):
        crossed = moves[lag:].T @ moves[:-lag]
        total += _parzen(lag / (lags + 1)) * (crossed + crossed.T)
    return np.asarray(total)


def refresh_times(times: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(m, k): the place of each series' newest tick at the times at which all series have a new one since the last."""
    starts = np.cumsum([0, *map(len, times)])
    places = np.empty((min(map(len, times)), len(times)), np.int64)
    count = int(refresh(np.concatenate(times), starts, places))
    return places[:count]


def hayashi_yoshida(first: Ticks, second: Ticks) -> float:
    """Percent²: the sum of products of all log returns whose spans overlap, without a grid: Hayashi & Yoshida, Bernoulli 11(2), 2005."""
    (one, x), (other, y) = _ticks(first, 0), _ticks(second, 1)
    if one[-1] <= other[0] or other[-1] <= one[0]:
        raise BadInput("the two series have no time in common; expected ticks of the same day")
    return float(overlapping(one, np.diff(x), other, np.diff(y)))


def _ticks(given: Ticks, place: int) -> tuple[NDArray[np.int64], Floats]:
    """Times, and 100 times the logarithm of prices."""
    times, prices = np.asarray(given[0], dtype=np.int64), np.asarray(given[1], dtype=np.float64)
    if times.ndim != 1 or times.shape != prices.shape or len(times) < 2:
        raise BadInput(f"series {place} had {times.shape} times and {prices.shape} prices; expected two or more, as many of both")
    if (np.diff(times) <= 0).any():
        late = int((np.diff(times) <= 0).argmax()) + 1
        raise BadInput(f"series {place}: tick {late} is not after the one before; expected times in order")
    wrong = ~(prices > 0) | ~np.isfinite(prices)
    if wrong.any():
        raise BadInput(f"series {place}: the price of tick {int(wrong.argmax())} was {prices[wrong.argmax()]}; expected one above 0")
    return times, np.asarray(100 * np.log(prices))


def _parzen(x: float) -> float:
    return 1 - 6 * x**2 + 6 * x**3 if x <= 0.5 else 2 * (1 - x) ** 3
