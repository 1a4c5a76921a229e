"""Whether a Sharpe ratio is skill: probabilistic and deflated Sharpe, minimum track record, probability of backtest overfitting.

Every ratio here is per observation, never annualised, unless `sharpe_ratio` is asked for it: a daily ratio is an annual one / √252.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb, isfinite
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from tercet.errors import BadInput
from tercet.signals.series import Floats, varies, varying, varying_table

LEAST: Final = 4  # a kurtosis of fewer values is none
MOST_SPLITS: Final = 18  # C(18, 9) = 48,620 ways


@dataclass(frozen=True)
class Track:
    """What a track record says of its Sharpe ratio: the ratio per observation, how many, γ3 and γ4 (3 for a normal law)."""

    sharpe: float
    observations: int
    skew: float = 0.0
    kurtosis: float = 3.0

    def __post_init__(self) -> None:
        """BadInput where no returns have such moments."""
        if not all(map(isfinite, (self.sharpe, self.observations, self.skew, self.kurtosis))):
            raise BadInput(f"track record: expected finite figures, found {self}")
        if self.observations < 2:
            raise BadInput(f"track record: expected at least 2 observations, found {self.observations}")
        if self.kurtosis < 1 + self.skew**2 - 1e-9:
            least = f"a kurtosis (3 for a normal law) of at least 1 + skew² = {1 + self.skew**2:.6g}"
            raise BadInput(f"track record: expected {least}, found {self.kurtosis:.6g}")
        if self.spread <= 0:
            raise BadInput(f"track record: expected a Sharpe ratio with a sampling error, found none for {self}")

    @property
    def spread(self) -> float:
        """1 − γ3·SR + (γ4 − 1)/4·SR²: the variance of the estimated ratio times T − 1 (Mertens 2002)."""
        return 1 - self.skew * self.sharpe + (self.kurtosis - 1) / 4 * self.sharpe**2


def sharpe_ratio(returns: ArrayLike, periods: float = 1.0) -> float:
    """Mean over standard deviation (ddof 1) of excess returns; `periods` in a year annualise it (Sharpe 1994)."""
    if not periods > 0:
        raise BadInput(f"periods: expected a number above 0, found {periods}")
    values = varying(returns, "returns")
    return float(values.mean() / values.std(ddof=1) * periods**0.5)


def track(returns: ArrayLike) -> Track:
    """The track record of returns, shape (n ≥ 4,): moments about the mean divided by n, as in the papers."""
    values = varying(returns, "returns", LEAST)
    away = (values - values.mean()) / values.std()
    return Track(sharpe_ratio(values), len(values), float((away**3).mean()), float((away**4).mean()))


def probabilistic_sharpe(record: Track, benchmark: float = 0.0) -> float:
    """The probability that the true ratio is above `benchmark` (per observation).

    PSR(SR*) = Φ[(SR − SR*)·√(T − 1) / √(1 − γ3·SR + (γ4 − 1)/4·SR²)]: Bailey & López de Prado, The Sharpe Ratio Efficient Frontier,
    Journal of Risk 15(2), 2012, eq. 11.
    """
    if not isfinite(benchmark):
        raise BadInput(f"benchmark: expected a finite Sharpe ratio, found {benchmark}")
    return float(ndtr((record.sharpe - benchmark) * (record.observations - 1) ** 0.5 / record.spread**0.5))


def minimum_track_record(record: Track, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """How many observations with these moments make the probabilistic Sharpe ratio `confidence`.

    MinTRL = 1 + [1 − γ3·SR + (γ4 − 1)/4·SR²]·(z / (SR − SR*))²: Bailey & López de Prado 2012, eq. 13. BadInput where the ratio is not
    above the benchmark: no length is enough.
    """
    if not 0.5 < confidence < 1:
        raise BadInput(f"confidence: expected a share above 0.5 and below 1, found {confidence}")
    if not record.sharpe > benchmark:
        raise BadInput(
            f"track record: expected a Sharpe ratio above the benchmark {benchmark:.6g}, found {record.sharpe:.6g}: no length is enough"
        )
    return float(1 + record.spread * (ndtri(confidence) / (record.sharpe - benchmark)) ** 2)


def sharpe_variance(sharpes: ArrayLike) -> float:
    """V[SR]: the sample variance of the trials' Sharpe ratios, two or more of them, all per observation."""
    return float(varying(sharpes, "sharpes of the trials").var(ddof=1))


def effective_trials(returns: ArrayLike) -> float:
    """How many independent trials so many correlated ones are worth; returns: (n, trials), from 1 to trials.

    N = ρ + (1 − ρ)·M with ρ the mean correlation of two of the M trials: Bailey & López de Prado 2014, appendix 3. ρ below 0 counts as 0.
    """
    values = varying_table(returns, "returns of the trials", LEAST)
    count = values.shape[1]
    if count == 1:
        return 1.0
    between = np.corrcoef(values, rowvar=False)
    rho = max(0.0, (float(between.sum()) - count) / (count * (count - 1)))
    return float(rho + (1 - rho) * count)


def expected_maximum_sharpe(trials: float, variance: float) -> float:
    """The best Sharpe ratio to expect of `trials` independent ones without skill, whose ratios vary by `variance`.

    SR0 = √V·[(1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))] with γ = 0.5772... (Euler): Bailey & López de Prado, The Deflated Sharpe Ratio,
    Journal of Portfolio Management 40(5), 2014, eq. 1. The approximation turns negative below 1.3 trials and is 0 there.
    """
    if not (isfinite(trials) and trials >= 1):
        raise BadInput(f"trials: expected a number of at least 1, found {trials}")
    if not (isfinite(variance) and variance >= 0):
        raise BadInput(f"variance of the trials' Sharpe ratios: expected a finite number of at least 0, found {variance}")
    if trials == 1:
        return 0.0
    maximum = (1 - np.euler_gamma) * ndtri(1 - 1 / trials) + np.euler_gamma * ndtri(1 - 1 / (trials * np.e))
    return float(variance**0.5 * max(maximum, 0.0))


def deflated_sharpe(record: Track, trials: float, variance: float) -> float:
    """The probability that the chosen trial's true ratio is above what the best of so many without skill would show.

    DSR = PSR(SR0), SR0 = `expected_maximum_sharpe`: Bailey & López de Prado 2014, eq. 2. trials: how many were tried, all of them
    (`Ledger.count`), or `effective_trials`; variance: `sharpe_variance` of all of them, per observation.
    """
    return probabilistic_sharpe(record, expected_maximum_sharpe(trials, variance))


@dataclass(frozen=True)
class Deflated:
    """The best of many trials: which, its record, what luck alone would show (`benchmark`), and both probabilities."""

    best: int
    record: Track
    trials: float
    benchmark: float
    psr: float
    dsr: float


def deflate(returns: ArrayLike, *, effective: bool = False) -> Deflated:
    """The best of trials, shape (n, trials ≥ 2), judged as the best of them; `effective` counts correlated trials as fewer."""
    values = varying_table(returns, "returns of the trials", LEAST, columns=2)
    sharpes = values.mean(axis=0) / values.std(axis=0, ddof=1)
    best, trials = int(sharpes.argmax()), effective_trials(values) if effective else float(values.shape[1])
    record, benchmark = track(values[:, best]), expected_maximum_sharpe(trials, sharpe_variance(sharpes))
    return Deflated(best, record, trials, benchmark, probabilistic_sharpe(record), probabilistic_sharpe(record, benchmark))


@dataclass(frozen=True)
class Overfit:
    """What became of the strategy chosen in sample, over all ways to split: a row a way.

    pbo: the share of ways in which it did no better than the median out of sample; loss: the share in which it lost there.
    slope: of its ratio out of sample on that in sample, below 0 where more of the one is less of the other.
    """

    pbo: float
    loss: float
    slope: float
    chosen: NDArray[np.int64]
    inside: Floats
    outside: Floats
    logits: Floats


def backtest_overfitting(returns: ArrayLike, splits: int = 16) -> Overfit:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation; returns: (n, strategies ≥ 2).

    The rows are cut into S blocks in order (sizes differ by one row at most); each half of the blocks is the sample once, the rest is not;
    λ = log(ω / (1 − ω)), ω = rank / (N + 1) of the chosen one out of sample; PBO = share of λ ≤ 0: Bailey, Borwein, López de Prado & Zhu,
    The Probability of Backtest Overfitting, Journal of Computational Finance 20(4), 2017, section 3.
    """
    if splits % 2 or not 2 <= splits <= MOST_SPLITS:
        raise BadInput(f"splits: expected an even number from 2 to {MOST_SPLITS}, found {splits}")
    values = varying_table(returns, "returns of the strategies", 2 * splits, columns=2)
    starts = np.arange(splits) * len(values) // splits
    sizes, sums, squares = _blocks(values, starts)
    halves = _halves(splits)
    inside = _ratios(halves @ sizes, halves @ sums, halves @ squares, values)
    rest = 1 - halves
    outside = _ratios(rest @ sizes, rest @ sums, rest @ squares, values)
    chosen = inside.argmax(axis=1)
    ways = np.arange(len(halves))
    own = outside[ways, chosen]
    below, level = (outside < own[:, None]).sum(axis=1), (outside == own[:, None]).sum(axis=1)
    omega = (below + (level + 1) / 2) / (values.shape[1] + 1)  # the mean rank of ties
    best, logits = inside[ways, chosen], np.log(omega / (1 - omega))
    if not varies(best):
        raise BadInput(
            "returns of the strategies: expected a best ratio in sample that varies between ways to split, found one that does not"
        )
    slope = float(np.polyfit(best, own, 1)[0])
    return Overfit(float((logits <= 0).mean()), float((own < 0).mean()), slope, chosen, best, own, logits)


def _blocks(values: Floats, starts: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    sizes = np.diff(np.append(starts, len(values))).astype(np.float64)
    away = values - values.mean(axis=0)
    return sizes, np.add.reduceat(away, starts, axis=0), np.add.reduceat(away**2, starts, axis=0)


@lru_cache(maxsize=4)
def _halves(splits: int) -> Floats:
    """All ways to take half of the blocks, a row a way, 1 where a block is taken."""
    ways = np.fromiter(combinations(range(splits), splits // 2), dtype=(np.int64, splits // 2), count=comb(splits, splits // 2))
    halves = np.zeros((len(ways), splits))
    np.put_along_axis(halves, ways, 1.0, axis=1)
    return halves


def _ratios(rows: Floats, sums: Floats, squares: Floats, values: Floats) -> Floats:
    """The Sharpe ratio in each way and strategy, from the sums of values less their mean."""
    means = sums / rows[:, None]
    variances = (squares - sums * means) / (rows[:, None] - 1)
    still = variances <= (1e-9 * np.abs(values).max(axis=0)) ** 2
    if still.any():
        column = int(still.any(axis=0).argmax())
        raise BadInput(
            f"returns of the strategies, column {column}: expected values that vary in every half of the blocks, found a half without"
        )
    ratios: Floats = (means + values.mean(axis=0)) / np.sqrt(variances)
    return ratios
