"""How sure one can be: intervals by the stationary bootstrap, and tests that know how many models were compared.

Resampling is over rows in the order of time; series that are compared are resampled together. Needs the extra `signals` (arch).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.errors import BadInput, not_installed
from tercet.signals.series import SAME, Floats, pair, same_length, series, table, varying

LEAST: Final = 20  # rows; fewer hold no blocks to speak of
DRAWS: Final = 2_000
AT_ONCE: Final = 2_000_000  # indices held in memory

Statistic = Callable[..., Floats]  # of resampled series (draws, n) each: a value a draw


@dataclass(frozen=True)
class Interval:
    """An estimate between the quantiles of its bootstrap draws; p: two-sided, from the share of draws on the other side of 0."""

    estimate: float
    low: float
    high: float
    p: float
    level: float
    block: float
    draws: int


def percentile_interval(estimate: float, drawn: Floats, level: float, block: float) -> Interval:
    """An estimate between percentiles of its draws, shape (draws,), that were made with that block."""
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))
    return Interval(estimate, float(low), float(high), p, level, block, len(drawn))


@dataclass(frozen=True)
class Superior:
    """Whether any model beats the benchmark: p-values of the lower, the consistent and the upper bound, and the models that do.

    better: columns of the models whose own studentised statistic is beyond the critical value of all of them together.
    """

    lower: float
    consistent: float
    upper: float
    better: tuple[int, ...]
    block: float


@dataclass(frozen=True)
class ConfidenceSet:
    """The models among which the best is with probability 1 − size; p: a value a model, in the order of columns."""

    included: tuple[int, ...]
    p: Floats
    size: float
    block: float


def block_length(*values: ArrayLike) -> float:
    """The mean block length for the stationary bootstrap, at least 1; of several series the longest.

    Politis & White, Econometric Reviews 23(1), 2004, with the correction of Patton, Politis & White 2009.
    """
    lengths = [_arch().optimal_block_length(varying(one, "values", LEAST))["stationary"].iloc[0] for one in values]
    if not np.isfinite(lengths).all():
        raise BadInput("values: expected a series with an optimal block length, found none; name the block")
    return max(1.0, *map(float, lengths))


def mean_interval(values: ArrayLike, *, level: float = 0.95, draws: int = DRAWS, block: float | None = None, seed: int = 0) -> Interval:
    """The mean of a series, shape (n ≥ 20,), between percentiles of the stationary bootstrap."""
    found = varying(values, "values", LEAST)
    return _interval(_mean, (found,), _block(block, found), level, draws, seed)


def sharpe_interval(returns: ArrayLike, *, level: float = 0.95, draws: int = DRAWS, block: float | None = None, seed: int = 0) -> Interval:
    """The Sharpe ratio per observation; the block serves the returns and their squares."""
    found = varying(returns, "returns", LEAST)
    return _interval(_sharpe, (found,), _block(block, found, _squares(found)), level, draws, seed)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    *,
    sharpe: bool = False,
    level: float = 0.95,
    draws: int = DRAWS,
    block: float | None = None,
    seed: int = 0,
) -> Interval:
    """The mean of the first less that of the second, or their Sharpe ratios', rows resampled in pairs (as Ledoit & Wolf 2008)."""
    one, other = pair(first, second, ("first", "second"), LEAST)
    difference = one - other
    if difference.std() <= SAME * max(np.abs(one).max(), np.abs(other).max()):
        raise BadInput("first less second: expected differences that vary, found zero variance")
    if not sharpe:
        return _interval(_mean, (difference,), _block(block, difference), level, draws, seed)
    both = (varying(one, "first"), varying(other, "second"))
    length = _block(block, *both, *map(_squares, both))
    return _interval(lambda a, b: _sharpe(a) - _sharpe(b), both, length, level, draws, seed)


def superior(
    benchmark: ArrayLike, models: ArrayLike, *, size: float = 0.05, draws: int = DRAWS, block: float | None = None, seed: int = 0
) -> Superior:
    """Hansen's test that no model has a smaller expected loss than the benchmark; benchmark (n,), models (n, k), losses both.

    Hansen, A Test for Superior Predictive Ability, JBES 23(4), 2005. arch 8.0 maximises plain differences, so each is divided by its
    long-run deviation before: that is the paper's studentised T^SPA, eq. 4 on.
    """
    base, others = series(benchmark, "losses of the benchmark", LEAST), table(models, "losses of the models", LEAST)
    same_length(base, others, ("losses of the benchmark", "losses of the models"))
    ahead = base[:, None] - others
    still = ahead.std(axis=0) <= SAME * max(np.abs(base).max(), np.abs(others).max())
    if still.any():
        raise BadInput(f"losses of the models, column {int(still.argmax())}: expected differences from the benchmark that vary, found none")
    size, draws, length = _share(size, "size"), _draws(draws), max(1, round(_block(block, *ahead.T)))
    ahead /= _deviation(ahead, length)
    test: Any = _arch().SPA(np.zeros(len(ahead)), -ahead, block_size=length, reps=draws, seed=seed)
    test.compute()
    p = test.pvalues
    better = tuple(int(place) for place in test.better_models(pvalue=size)) if float(p["consistent"]) < size else ()
    return Superior(float(p["lower"]), float(p["consistent"]), float(p["upper"]), better, float(length))


def confidence_set(
    losses: ArrayLike, *, size: float = 0.05, draws: int = DRAWS, block: float | None = None, seed: int = 0
) -> ConfidenceSet:
    """The model confidence set of losses (n, models ≥ 2): range statistic T_R, Hansen, Lunde & Nason, Econometrica 79(2), 2011."""
    found = table(losses, "losses", LEAST, columns=2)
    one, other = _twins(found)
    if one != other:
        raise BadInput(f"losses, columns {one} and {other}: expected models whose difference varies, found two that are the same")
    away = found - found.mean(axis=1)[:, None]
    size, draws, length = _share(size, "size"), _draws(draws), max(1, round(_block(block, *away.T)))
    test: Any = _arch().MCS(found, size, reps=draws, block_size=length, seed=seed)
    test.compute()
    p = test.pvalues["Pvalue"].sort_index().to_numpy(dtype=np.float64)
    return ConfidenceSet(tuple(int(place) for place in test.included), p, size, float(length))


def _arch() -> Any:
    try:
        import arch.bootstrap  # noqa: PLC0415 - arch is an extra
    except ImportError as error:
        raise not_installed("arch", "signals") from error
    return arch.bootstrap


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=-1))


def _sharpe(values: Floats) -> Floats:
    deviations = values.std(axis=-1, ddof=1)
    if (deviations <= SAME * np.abs(values).max()).any():
        raise BadInput("returns: expected values that vary in every resample, found one without; name a shorter block or give more values")
    return np.asarray(values.mean(axis=-1) / deviations)


def _squares(values: Floats) -> Floats:
    """Squared distances from the mean; the values themselves where those do not vary (two values, equally far)."""
    squares = (values - values.mean()) ** 2
    return squares if squares.std() > SAME * squares.max() else values


def _interval(statistic: Statistic, given: tuple[Floats, ...], block: float, level: float, draws: int, seed: int) -> Interval:
    level, draws = _share(level, "level"), _draws(draws)
    size, rng = len(given[0]), np.random.default_rng(seed)
    found = np.empty(draws)
    for start in range(0, draws, step := max(1, AT_ONCE // size)):
        rows = stationary_rows(rng, size, min(step, draws - start), block)
        found[start : start + len(rows)] = statistic(*(one[rows] for one in given))
    return percentile_interval(float(statistic(*given)), found, level, block)


def stationary_rows(rng: np.random.Generator, size: int, draws: int, block: float) -> NDArray[np.int64]:
    """Rows to take, shape (draws, size): blocks of geometric length, mean `block`, that wrap round (Politis & Romano, JASA 89, 1994)."""
    fresh = rng.random((draws, size)) < 1 / block
    fresh[:, 0] = True
    starts = rng.integers(size, size=(draws, size))
    places = np.arange(size)
    begun = np.maximum.accumulate(np.where(fresh, places, 0), axis=1)
    rows: NDArray[np.int64] = (np.take_along_axis(starts, begun, axis=1) + places - begun) % size
    return rows


def _deviation(values: Floats, block: int) -> Floats:
    """The long-run standard deviation of each column under the stationary bootstrap: Politis & Romano 1994, lemma 1."""
    size, keep = len(values), 1 - 1 / block
    lags = np.arange(1, size)
    weights = (1 - lags / size) * keep**lags + lags / size * keep ** (size - lags)
    away = values - values.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(away, 2 * size, axis=0)) ** 2
    own = np.fft.irfft(spectrum, 2 * size, axis=0)[:size] / size
    variance = own[0] + 2 * weights @ own[1:]
    if (variance <= SAME * own[0]).any():
        raise BadInput("losses of the models: expected long-run variances above 0, found none; name a shorter block")
    deviation: Floats = np.sqrt(variance)
    return deviation


def _twins(losses: Floats) -> tuple[int, int]:
    """Two columns whose difference does not vary, or (0, 0)."""
    away = losses - losses.mean(axis=0)
    own = (away**2).sum(axis=0)
    apart = own[:, None] + own - 2 * away.T @ away
    close = np.triu(apart <= 1e-12 * (own[:, None] + own), 1)
    return (int(places[0, 0]), int(places[0, 1])) if len(places := np.argwhere(close)) else (0, 0)


def _block(block: float | None, *values: Floats) -> float:
    if block is None:
        return min(block_length(*values), len(values[0]) / 2)
    if not 1 <= block <= len(values[0]):
        raise BadInput(f"block: expected a mean length from 1 to the series' {len(values[0])}, found {block}")
    return float(block)


def _share(value: float, name: str) -> float:
    if not 0 < value < 1:
        raise BadInput(f"{name}: expected a share above 0 and below 1, found {value}")
    return float(value)


def _draws(draws: int) -> int:
    if draws != int(draws) or draws < 100:
        raise BadInput(f"draws: expected a whole number of at least 100, found {draws}")
    return int(draws)
