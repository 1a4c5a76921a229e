"""Whether values at risk and shortfalls were right: how often, when and how far returns fell below them, and a loss that ranks models."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from scipy.stats import chi2

from tercet.errors import BadInput
from tercet.risk.shapes import checked
from tercet.signals.series import Floats, pair, same_length, series

LEAST: Final = 20
DRAWS: Final = 5000
AT_ONCE: Final = 4_000_000  # random numbers held in memory
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Check:
    """A statistic and the probability of one as bad or worse if the forecasts are right."""

    statistic: float
    p: float


def below(returns: ArrayLike, var: ArrayLike) -> Hits:
    """(n,): the days on which the return was at most the value at risk; both percent, the value at risk below 0 as a return is."""
    r, v = pair(returns, var, ("returns", "value at risk"), LEAST)
    if not (v < 0).all():
        raise BadInput(f"value at risk of day {int((v >= 0).argmax())} was {v[v >= 0][0]:g}; expected returns below 0")
    return np.asarray(r <= v)


# How often and when ---------------------------------------------------------------------------------------------------------------------


def unconditional(hits: Hits, level: float) -> Check:
    """Whether hits are as many as they should be: 2·[log L(x/n) − log L(level)] against χ²(1), x of n (Kupiec, J. Derivatives 3, 1995)."""
    wanted, x, n = checked(level), int(_some(hits).sum()), len(hits)
    return _chi2(2 * (_bernoulli(x, n, x / n) - _bernoulli(x, n, wanted)), 1)


def independent(hits: Hits) -> Check:
    """Whether a hit makes another one on the day after likelier: Markov chain against none, χ²(1) (Christoffersen, IER 39(4), 1998)."""
    before, after = _some(hits)[:-1], hits[1:]
    n, x = len(after), int(after.sum())
    n1, x1 = int(before.sum()), int((before & after).sum())
    n0, x0 = n - n1, x - x1
    chain = _bernoulli(x0, n0, x0 / max(n0, 1)) + _bernoulli(x1, n1, x1 / max(n1, 1))
    return _chi2(2 * (chain - _bernoulli(x, n, x / n)), 1)


def conditional(hits: Hits, level: float) -> Check:
    """Both at once: the sum of the two statistics against χ²(2) (Christoffersen 1998, section 4)."""
    return _chi2(unconditional(hits, level).statistic + independent(hits).statistic, 2)


def dynamic_quantile(hits: Hits, var: ArrayLike, level: float, lags: int = 4) -> Check:
    """Whether hits less level can be told from a one, the last hits and the value at risk: Engle & Manganelli, JBES 22(4), 2004, eq. 14.

    H'X(X'X)⁻¹X'H / (level·(1 − level)) against χ² with as many degrees as X has rank: lags + 2, or fewer where columns say the same.
    """
    same_length(_some(hits), v := series(var, "value at risk"), ("hits", "value at risk"))
    if not 0 <= lags < len(hits) // 4:
        raise BadInput(f"lags were {lags} of {len(hits)} days; expected fewer than a quarter of them")
    excess = hits - checked(level)
    x = np.column_stack([np.ones(len(v) - lags), *(hits[lags - j : len(v) - j] for j in range(1, lags + 1)), v[lags:]])
    weights, _, rank, _ = np.linalg.lstsq(x, excess[lags:], rcond=1e-10)
    return _chi2(float(excess[lags:] @ (x @ weights)) / (level * (1 - level)), int(rank))


def _some(hits: Hits) -> Hits:
    if hits.dtype != np.bool_ or hits.ndim != 1 or len(hits) < LEAST:
        raise BadInput(f"hits were {hits.dtype} of shape {hits.shape}; expected {LEAST} or more of yes or no")
    return hits


def _bernoulli(x: int, n: int, p: float) -> float:
    return float(xlogy(x, p) + xlogy(n - x, 1 - p))


def _chi2(statistic: float, degrees: int) -> Check:
    return Check(max(statistic, 0.0), float(chi2.sf(max(statistic, 0.0), degrees)))


# How far --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shortfalls:
    """Acerbi & Szekely's statistics, 0 where the shortfalls are right and below 0 where too small; p: of one as low or lower.

    given: Z1, of the days below the value at risk alone; None where there is none. whole: Z2, which counts them too.
    """

    given: Check | None
    whole: Check


def shortfalls(
    returns: ArrayLike, var: ArrayLike, es: ArrayLike, level: float, *, index: float = 0.0, draws: int = DRAWS, seed: int = 0
) -> Shortfalls:
    """Z1 = 1 − Σ(r/ES)·I/ΣI and Z2 = 1 − Σ(r/ES)·I/(n·level), I: r ≤ VaR (Acerbi & Szekely, Risk, December 2014, eqs. 5-6).

    Their distribution is simulated: on each day I with probability `level`, and then r = VaR + (ES − VaR)·X, where X of mean 1 is
    generalised Pareto with the tail's index `index`; 0, exponential, is the thinnest and rejects a little too often where tails are fatter.
    """
    hits, r = below(returns, var), series(returns, "returns")
    v, e = pair(var, es, ("value at risk", "expected shortfall"))
    if not (e <= v).all():
        raise BadInput(f"expected shortfall of day {int((e > v).argmax())} was above the value at risk; expected one at most as high")
    if not 0 <= index < 1 or draws < 100:
        raise BadInput(f"index was {index} and draws {draws}; expected 0 to below 1, and 100 or more")
    wanted, size = checked(level), len(r)
    base, room = v / e, 1 - v / e
    rng, one, two = np.random.default_rng(seed), np.empty(draws), np.empty(draws)
    for start in range(0, draws, step := max(1, AT_ONCE // size)):
        count = min(step, draws - start)
        row, day = np.nonzero(rng.random((count, size)) < wanted)
        ratio = base[day] + room[day] * _beyond(rng, len(day), index)
        total, many = np.bincount(row, ratio, count), np.bincount(row, minlength=count)
        one[start : start + count] = 1 - total / np.maximum(many, 1)
        two[start : start + count] = 1 - total / (size * wanted)
    beyond, found = float((r / e)[hits].sum()), int(hits.sum())
    z1, z2 = 1 - beyond / max(found, 1), 1 - beyond / (size * wanted)
    return Shortfalls(Check(z1, _lower(one, z1)) if found else None, Check(z2, _lower(two, z2)))


def _beyond(rng: np.random.Generator, count: int, index: float) -> Floats:
    """Generalised Pareto of mean 1: scale 1 − index."""
    drawn = rng.standard_exponential(count)
    return drawn if index == 0 else np.asarray((1 - index) / index * np.expm1(index * drawn))


def _lower(drawn: Floats, found: float) -> float:
    return float(((drawn <= found).sum() + 1) / (len(drawn) + 1))


def fz0(returns: ArrayLike, var: ArrayLike, es: ArrayLike, level: float) -> Floats:
    """(n,): −I·(VaR − r)/(level·ES) + VaR/ES + log(−ES) − 1, I: r ≤ VaR: Patton, Ziegel & Chen, J. Econometrics 211(2), 2019, eq. 6.

    Least on average for the true pair; value at risk and shortfall below 0, all in percent: the loss of another unit differs by its log.
    """
    hits, wanted = below(returns, var), checked(level)
    r, (v, e) = series(returns, "returns"), pair(var, es, ("value at risk", "expected shortfall"))
    if not (e < 0).all():
        raise BadInput("expected shortfalls: expected returns below 0, found one that is not")
    return np.asarray(v / e - hits * (v - r) / (wanted * e) + np.log(-e) - 1)


# All of them ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Backtest:
    """What all judges said of one model at one level; loss: mean FZ0."""

    level: float
    count: int
    hits: int
    unconditional: Check
    independent: Check
    conditional: Check
    dynamic: Check
    shortfalls: Shortfalls
    loss: float

    @property
    def p(self) -> dict[str, float]:
        """By the test's name."""
        given = self.shortfalls.given
        return {
            "Kupiec": self.unconditional.p,
            "independence": self.independent.p,
            "Christoffersen": self.conditional.p,
            "DQ": self.dynamic.p,
            **({"Z1": given.p} if given else {}),
            "Z2": self.shortfalls.whole.p,
        }

    def passed(self, size: float = 0.05) -> bool:
        """Whether no test rejects; of independence Christoffersen's joint test is asked."""
        return all(p > size for name, p in self.p.items() if name != "independence")


def backtest(returns: ArrayLike, tail: Any, level: float, *, seed: int = 0) -> Backtest:
    """Every judge; tail: values at risk `var` and expected shortfalls `es`, (n,) each, of the same days as the returns."""
    hits = below(returns, tail.var)
    return Backtest(
        level,
        len(hits),
        int(hits.sum()),
        unconditional(hits, level),
        independent(hits),
        conditional(hits, level),
        dynamic_quantile(hits, tail.var, level),
        shortfalls(returns, tail.var, tail.es, level, seed=seed),
        float(fz0(returns, tail.var, tail.es, level).mean()),
    )
