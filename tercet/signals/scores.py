"""How good a forecast was: correlation, classes, R², probabilities, one forecast against another, and what is left after the spread."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from tercet.errors import BadInput
from tercet.signals.series import SAME, Floats, labels, pair, probabilities, same_length, series, varying

LEAST: Final = 3  # values of which a correlation or an autocovariance says something


@dataclass(frozen=True)
class Mean:
    """A mean of values that may depend on each other: with its HAC standard error, t and the lag it took."""

    mean: float
    error: float
    t: float
    lag: int
    count: int


def automatic_lag(values: ArrayLike) -> int:
    """The lag for Bartlett weights: Newey & West, Review of Economic Studies 61(4), 1994, table I and section 3, without prewhitening.

    n = ⌊4(T/100)^(2/9)⌋, s0 = σ0 + 2Σσj, s1 = 2Σj·σj (j = 1..n), lag = ⌊1.1447·((s1/s0)²)^(1/3)·T^(1/3)⌋, here at most
    T / 4: where s0 is near 0 the rule asks for more, and a t with so long a lag is no longer normal.
    """
    found = varying(values, "values", LEAST)
    size = len(found)
    order = min(int(4 * (size / 100) ** (2 / 9)), size - 1)
    own = _autocovariances(found, order)
    js = np.arange(1, order + 1)
    s0, s1 = own[0] + 2 * own[1:].sum(), 2 * (js * own[1:]).sum()
    if s0 == 0:
        raise BadInput("values: expected autocovariances that do not cancel, found a sum of 0; name the lag")
    return int(min(1.1447 * ((s1 / s0) ** 2) ** (1 / 3) * size ** (1 / 3), size // 4))


def hac_mean(values: ArrayLike, lag: int | None = None) -> Mean:
    """The mean and its t-statistic with Bartlett weights (Newey & West, Econometrica 55(3), 1987, eq. 5); lag None: `automatic_lag`."""
    found = varying(values, "values", LEAST)
    lag = automatic_lag(found) if lag is None else _whole(lag, "lag", 0, len(found) - 1)
    own = _autocovariances(found, lag)
    variance = own[0] + 2 * ((1 - np.arange(1, lag + 1) / (lag + 1)) * own[1:]).sum()
    if variance <= SAME * own[0]:
        raise BadInput(f"values: expected a long-run variance above 0, found {variance:.3g} with lag {lag}; name a shorter one")
    mean, error = float(found.mean()), float((variance / len(found)) ** 0.5)
    return Mean(mean, error, mean / error, lag, len(found))


def _autocovariances(values: Floats, order: int) -> Floats:
    away = values - values.mean()
    return np.array([away[j:] @ away[: len(away) - j] for j in range(order + 1)]) / len(away)


def _whole(value: int, name: str, least: int, most: float = np.inf) -> int:
    if value != int(value) or not least <= value <= most:
        raise BadInput(f"{name}: expected a whole number from {least} to {most}, found {value}")
    return int(value)


# Correlation --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coefficients:
    """An information coefficient a date, in the order of dates."""

    dates: NDArray[Any]
    values: Floats


def information_coefficients(forecast: ArrayLike, outcome: ArrayLike, dates: ArrayLike, *, rank: bool = False) -> Coefficients:
    """The correlation of forecast and outcome over the names of each date: Pearson's, or Spearman's with `rank` (ties share their rank).

    A row a name and date, in any order; Grinold & Kahn, Active Portfolio Management, chapter 6. BadInput names a date of fewer than 3 rows
    or on which forecast or outcome does not vary: there it has no value.
    """
    names = ("forecast", "outcome")
    x, y = pair(forecast, outcome, names, LEAST)
    times = np.asarray(dates)
    same_length(x, times, (names[0], "dates"))
    if times.dtype.kind == "M" and np.isnat(times).any():
        raise BadInput(f"dates, value {int(np.isnat(times).argmax())}: expected a date, found none (NaT)")
    found, place, sizes = np.unique(times, return_inverse=True, return_counts=True)
    if sizes.min() < LEAST:
        raise BadInput(f"date {found[sizes.argmin()]}: expected at least {LEAST} rows, found {sizes.min()}")
    if rank:
        x, y = _ranks(x, place), _ranks(y, place)
    ax, ay = _away(x, place, sizes), _away(y, place, sizes)
    xx, yy = np.bincount(place, ax * ax), np.bincount(place, ay * ay)
    for name, values, squares in ((names[0], x, xx), (names[1], y, yy)):
        still = squares <= sizes * (SAME * np.abs(values).max()) ** 2
        if still.any():
            raise BadInput(f"{name}, date {found[still.argmax()]}: expected values that vary, found zero variance")
    return Coefficients(found, np.clip(np.bincount(place, ax * ay) / np.sqrt(xx * yy), -1.0, 1.0))


def _away(values: Floats, place: NDArray[np.int64], sizes: NDArray[np.int64]) -> Floats:
    away: Floats = values - (np.bincount(place, values) / sizes)[place]
    return away


def _ranks(values: Floats, place: NDArray[np.int64]) -> Floats:
    """The rank within each group, ties sharing the mean; from 1."""
    order = np.lexsort((values, place))
    new_group, new_value = np.diff(place[order], prepend=-1) != 0, np.diff(values[order], prepend=np.nan) != 0
    tie = np.cumsum(new_group | new_value) - 1
    positions = np.arange(len(values)) - np.flatnonzero(new_group)[np.cumsum(new_group) - 1] + 1.0
    ranks = np.empty(len(values))
    ranks[order] = (np.bincount(tie, positions) / np.bincount(tie))[tie]
    return ranks


# Classes ------------------------------------------------------------------------------------------------------------------------------


def matthews(truth: ArrayLike, forecast: ArrayLike) -> float:
    """Matthews correlation coefficient of two or more classes: 1 for a perfect forecast, 0 for what chance does.

    For K classes R_K of Gorodkin, Computational Biology and Chemistry 28, 2004, eq. 8; for two that of Matthews 1975. BadInput where truth
    or forecast is of one class only: there it is 0 / 0.
    """
    true, said = labels(truth, "truth"), labels(forecast, "forecast")
    same_length(true, said, ("truth", "forecast"))
    classes, place = np.unique(np.concatenate([true, said]), return_inverse=True)
    count = len(classes)
    table_ = np.bincount(place[: len(true)] * count + place[len(true) :], minlength=count * count).reshape(count, count).astype(np.float64)
    rows, columns, whole = table_.sum(axis=1), table_.sum(axis=0), float(len(true))
    top = np.trace(table_) * whole - rows @ columns
    return float(top / np.sqrt((whole**2 - rows @ rows) * (whole**2 - columns @ columns)))


def log_loss(probability: ArrayLike, happened: ArrayLike) -> float:
    """The mean of −log of the probability given to what happened; probability (n,) of class 1 or (n, k), happened in 0..k − 1.

    BadInput where what happened was given probability 0: the loss is infinite, and a clipped one would be anybody's number.
    """
    chances, classes = _cases(probability, happened)
    given = chances[np.arange(len(classes)), classes]
    if (given == 0).any():
        row = int((given == 0).argmax())
        raise BadInput(
            f"probability, row {row}: expected more than 0 for what happened (class {classes[row]}), found 0: the loss is infinite"
        )
    return float(-np.log(given).mean())


def brier(probability: ArrayLike, happened: ArrayLike) -> float:
    """The mean squared error of probabilities (Brier 1950): of class 1 where a series is given, added up over classes for (n, k)."""
    chances, classes = _cases(probability, happened)
    squares = (chances - np.eye(chances.shape[1])[classes]) ** 2
    return float((squares[:, 1] if np.ndim(probability) == 1 else squares.sum(axis=1)).mean())


def _cases(probability: ArrayLike, happened: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    chances, classes = probabilities(probability, "probability"), labels(happened, "happened")
    same_length(chances, classes, ("probability", "happened"))
    if classes.min() < 0 or classes.max() >= chances.shape[1]:
        wrong = classes.min() if classes.min() < 0 else classes.max()
        raise BadInput(f"happened: expected classes from 0 to {chances.shape[1] - 1}, found {wrong}")
    return chances, classes


@dataclass(frozen=True)
class Calibration:
    """A row a bin that holds cases: the mean probability said, the share that happened, how many cases."""

    said: Floats
    happened: Floats
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: Σ count/n·|happened − said| (Naeini, Cooper & Hauskrecht, AAAI 2015)."""
        return float((self.count * np.abs(self.happened - self.said)).sum() / self.count.sum())


def calibration(probability: ArrayLike, happened: ArrayLike, bins: int = 10, *, equal_counts: bool = False) -> Calibration:
    """The calibration curve of the probability (n,) of an event that happened (1) or not (0), in bins of one width or of one count.

    Of more classes judge one at a time: calibration(p[:, k], truth == k).
    """
    bins = _whole(bins, "bins", 1)
    chances, classes = _cases(series(probability, "probability"), happened)
    said = chances[:, 1]
    place = (
        np.argsort(np.argsort(said, kind="stable"), kind="stable") * bins // len(said) if equal_counts else (said * bins).astype(np.int64)
    )
    place = np.minimum(place, bins - 1)
    count = np.bincount(place, minlength=bins)
    full = count > 0
    mean, share = (np.bincount(place, weights, minlength=bins)[full] / count[full] for weights in (said, classes.astype(np.float64)))
    return Calibration(mean, share, count[full])


def expected_calibration_error(probability: ArrayLike, happened: ArrayLike, bins: int = 10) -> float:
    """The mean distance of the calibration curve from the diagonal, in bins of one width; it needs bins and falls with more cases."""
    return calibration(probability, happened, bins).error


# Size ---------------------------------------------------------------------------------------------------------------------------------


def r2_out_of_sample(outcome: ArrayLike, forecast: ArrayLike) -> float:
    """1 − Σ(r − r̂)² / Σr²: against a forecast of zero, without demeaning (Gu, Kelly & Xiu, RFS 33(5), 2020, section 1.8)."""
    truth, said = pair(outcome, forecast, ("outcome", "forecast"), 2)
    whole = float(truth @ truth)
    if whole == 0:
        raise BadInput(f"outcome: expected values that are not all 0, found {len(truth)} zeros")
    return 1 - float(((truth - said) ** 2).sum()) / whole


def r2_in_sample(outcome: ArrayLike, fitted: ArrayLike) -> float:
    """1 − Σ(r − r̂)² / Σ(r − mean r)²: the usual one, against the mean of the sample that was fitted."""
    truth, said = pair(outcome, fitted, ("outcome", "fitted"), 2)
    varying(truth, "outcome")
    return 1 - float(((truth - said) ** 2).sum()) / float(((truth - truth.mean()) ** 2).sum())


@dataclass(frozen=True)
class Against:
    """One forecast against another: mean loss of the first less the second (below 0: the first is better), statistic, two-sided p, lag."""

    difference: float
    statistic: float
    p: float
    lag: int


def diebold_mariano(first: ArrayLike, second: ArrayLike, horizon: int = 1, lag: int | None = None) -> Against:
    """Whether two forecasts' losses, a row a forecast in the order of time, differ: Diebold & Mariano 1995 with HAC variance.

    S·√[(T + 1 − 2h + h(h − 1)/T) / T] against Student's t with T − 1 degrees: Harvey, Leybourne & Newbold, International Journal of
    Forecasting 13(2), 1997, eq. 9. Bartlett weights keep the variance positive; lag None: h − 1 or `automatic_lag`, the longer.
    """
    losses = pair(first, second, ("losses of the first", "losses of the second"), LEAST)
    size = len(losses[0])
    horizon = _whole(horizon, "horizon", 1, size - 1)
    difference = losses[0] - losses[1]
    if difference.std() <= SAME * max(np.abs(losses[0]).max(), np.abs(losses[1]).max()):
        raise BadInput("losses: expected differences that vary, found zero variance")
    if lag is None:
        lag = min(max(horizon - 1, automatic_lag(difference)), size - 1)
    found = hac_mean(difference, lag)
    factor = (size + 1 - 2 * horizon + horizon * (horizon - 1) / size) / size
    if factor <= 0:
        raise BadInput(f"losses: expected more values for horizon {horizon}, found {size}")
    statistic = found.t * factor**0.5
    return Against(found.mean, statistic, float(2 * student.sf(abs(statistic), size - 1)), found.lag)


# Money --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Net:
    """What the trades made, in the unit of the moves: `places` says at which decisions; a row a trade."""

    places: NDArray[np.int64]
    gross: Floats
    cost: Floats

    @property
    def net(self) -> Floats:
        """Gross less cost, a row a trade."""
        return self.gross - self.cost

    @property
    def count(self) -> int:
        """How many trades."""
        return len(self.places)

    @property
    def mean_net(self) -> float | None:
        """Net per trade; None without trades."""
        return float(self.net.mean()) if self.count else None


def net_of_spread(
    forecast: ArrayLike,
    move: ArrayLike,
    half_spread: ArrayLike,
    *,
    horizon: int = 1,
    band: ArrayLike | None = None,
    exit_half_spread: ArrayLike | None = None,
) -> Net:
    """What a signed forecast earns that crosses the spread in and out: a row a decision, in one unit (ticks, bps ...).

    At a decision without position it trades the sign of the forecast where |forecast| > band, holds for `horizon` decisions (none is taken
    meanwhile), and gets sign·move less half the spread then and half the spread at its exit. move: of the mid from the decision to its
    horizon. band None: the half spread twice. exit_half_spread None: as at the decision, since the later one was not known.
    """
    said, moved = pair(forecast, move, ("forecast", "move"))
    into = _costs(half_spread, "half_spread", said)
    out = into if exit_half_spread is None else _costs(exit_half_spread, "exit_half_spread", said)
    least = 2 * into if band is None else _costs(band, "band", said)
    places = _apart(np.flatnonzero(np.abs(said) > least), _whole(horizon, "horizon", 1))
    return Net(places, np.sign(said[places]) * moved[places], into[places] + out[places])


def _costs(values: ArrayLike, name: str, like: Floats) -> Floats:
    found = series(np.broadcast_to(values, like.shape) if np.ndim(values) == 0 else values, name)
    same_length(like, found, ("forecast", name))
    if (found < 0).any():
        place = int((found < 0).argmax())
        raise BadInput(f"{name}, value {place}: expected at least 0, found {found[place]:.6g}")
    return found


def _apart(places: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """The first place, then each next one that is `horizon` or more after the one before."""
    if horizon == 1 or not len(places):
        return places
    following = np.searchsorted(places, places + horizon)
    kept, place = [], 0
    while place < len(places):
        kept.append(place)
        place = int(following[place])
    return places[kept]
