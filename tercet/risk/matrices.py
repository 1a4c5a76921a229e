"""Covariance matrices from a table of returns: as counted, shrunk, and by factors; what makes them sound, and what they weigh."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from scipy.optimize import nnls

from tercet.errors import BadInput, not_installed
from tercet.risk.days import FLOOR
from tercet.signals.series import Floats

SOUND: Final = 1e-6  # the least eigenvalue of a correlation matrix that is left as it is
ROOT5: Final = 5**0.5
_SERIES: Final = 1 / (np.arange(1.0, 30.0, 2.0) * np.arange(3.0, 32.0, 2.0))


def correlation(covariance: Floats) -> Floats:
    """(k, k), or (..., k, k): with ones on the diagonal."""
    deviation = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    return np.asarray(covariance / (deviation[..., :, None] * deviation[..., None, :]))


def symmetric(lower: Floats) -> Floats:
    """(k, k) of its lower triangle; what lies above is not read."""
    return np.asarray(np.tril(lower) + np.tril(lower, -1).T)


def sound(covariance: Floats) -> tuple[Floats, bool]:
    """The matrix, symmetric, and False; or one made positive definite, and True.

    A variance below FLOOR is raised to it; correlations whose least eigenvalue is below SOUND are mixed with none at all until it is not.
    """
    found = 0.5 * (covariance + covariance.T)
    variance = np.diag(found)
    low = variance < FLOOR
    if low.any():
        found = np.where(low[:, None] | low, 0.0, found)
        found[low, low] = FLOOR
        variance = np.diag(found)
    deviation = np.sqrt(variance)
    correlations = found / (deviation[:, None] * deviation)
    try:
        np.linalg.cholesky(correlations - SOUND * np.eye(len(found)))
    except np.linalg.LinAlgError:
        least = float(np.linalg.eigvalsh(correlations)[0])
        share = (2 * SOUND - least) / (1 - least)
        mixed = (1 - share) * correlations + share * np.eye(len(found))
        return np.asarray(mixed * (deviation[:, None] * deviation)), True
    return found, bool(low.any())


# Of rows --------------------------------------------------------------------------------------------------------------------------------


def sample(rows: Floats) -> Floats:
    """(k, k) of rows (n, k): as counted, about the mean."""
    return np.asarray(np.cov(rows.T))


def alike(rows: Floats) -> Floats:
    """(k, k): the mean variance and no correlation; its least portfolio holds the same of each."""
    return np.asarray(rows.var(axis=0).mean() * np.eye(rows.shape[1]))


def to_constant(rows: Floats) -> Floats:
    """(k, k): shrunk towards one correlation for all pairs: Ledoit & Wolf, Journal of Portfolio Management 30(4), 2004, appendices A, B."""
    x = rows - rows.mean(axis=0)
    size, k = x.shape
    counted = x.T @ x / size
    variance = np.diag(counted)
    deviation = np.sqrt(variance)
    mean = (correlation(counted).sum() - k) / (k * (k - 1))
    target = mean * deviation[:, None] * deviation
    np.fill_diagonal(target, variance)
    pi = (x**2).T @ x**2 / size - counted**2
    theta = (x**3).T @ x / size - variance[:, None] * counted
    np.fill_diagonal(theta, 0.0)
    rho = np.trace(pi) + mean * (theta * deviation / deviation[:, None]).sum()
    gamma = ((counted - target) ** 2).sum()
    share = float(np.clip((pi.sum() - rho) / gamma / size, 0.0, 1.0)) if gamma > 0 else 1.0
    return np.asarray(share * target + (1 - share) * counted)


def to_identity(rows: Floats) -> Floats:
    """(k, k): shrunk towards one variance and no correlation: Ledoit & Wolf, Journal of Multivariate Analysis 88(2), 2004."""
    return np.asarray(_sklearn().ledoit_wolf(rows)[0], dtype=np.float64)


def oracle_approximating(rows: Floats) -> Floats:
    """(k, k): towards the same by the weight that is best for normal returns: Chen, Wiesel, Eldar & Hero, IEEE TSP 58(10), 2010."""
    return np.asarray(_sklearn().oas(rows)[0], dtype=np.float64)


def nonlinear(rows: Floats) -> Floats:
    """(k, k): each eigenvalue shrunk by itself, see `nonlinear_of`."""
    return nonlinear_of(sample(rows), len(rows) - 1)


def nonlinear_of(counted: Floats, size: int) -> Floats:
    """(k, k): the analytical nonlinear shrinkage of a matrix counted from `size` ≥ 12 rows.

    Ledoit & Wolf, Annals of Statistics 48(5), 2020, section 4: the kernel of Epanechnikov with the bandwidth size^(−1/3), and their rule
    for the eigenvalues of 0 where rows are fewer than assets. Other eigenvalues of 0, of assets that others repeat, stay 0: the limit
    of the formula as they become alike.
    """
    k = len(counted)
    if size < 12:
        raise BadInput(f"nonlinear shrinkage: there were {size} rows; expected 12 or more")
    values, vectors = np.linalg.eigh(counted)
    rank = int((values > max(k, size) * np.finfo(float).eps * abs(values[-1])).sum())  # what is less is rounding
    shrunk = np.zeros(k)
    if k > size and rank >= size - 1:  # one less where a mean was taken off
        size = rank
        shrunk[:-rank] = _of_nothing(values[-rank:], k, size)
    if rank:
        shrunk[-rank:] = _each_shrunk(values[-rank:], size)
    return np.asarray((vectors * shrunk) @ vectors.T)


def _each_shrunk(values: Floats, size: int) -> Floats:
    """Eigenvalues above 0, no more than `size`, each shrunk: eqs. 4.3, 4.7 and 4.8 of the paper, and C.5 where they are as many."""
    ratio, widths = len(values) / size, size ** (-1 / 3) * values
    x = (values[:, None] - values) / widths
    density = 0.75 / ROOT5 * (np.maximum(1 - x**2 / 5, 0) / widths).mean(axis=1)
    hilbert = (kernel_hilbert(x) / widths).mean(axis=1)
    scaled = np.pi * ratio * values
    return np.asarray(values / ((scaled * density) ** 2 + (1 - ratio - scaled * hilbert) ** 2))


def _of_nothing(values: Floats, k: int, size: int) -> float:
    """What the k − size eigenvalues of 0 become, given the others: eqs. C.4 and C.8."""
    width = size ** (-1 / 3)
    at_zero = float(kernel_hilbert(np.array(-1 / width))) / width * float((1 / values).mean())
    return float(size / (np.pi * (k - size) * at_zero))


def kernel_hilbert(x: Floats) -> Floats:
    """The Hilbert transform of Epanechnikov's kernel, which is 0 beyond ± √5, of the shape of x.

    Where |x| > 4√5 by its series −3/(√5π)·Σ uⁿ/(n(n + 2)), u = √5/x, n odd: there the closed form is a difference of numbers that are
    nearly the same, and loses a digit each time x grows by two.
    """
    far = np.abs(x) > 4 * ROOT5
    u = ROOT5 / np.where(far, x, np.inf)
    series = -3 / (ROOT5 * np.pi) * u * np.polynomial.polynomial.polyval(u**2, _SERIES)
    near = np.where(far, 0.0, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = 0.75 / ROOT5 / np.pi * (1 - near**2 / 5) * np.log(np.abs((ROOT5 - near) / (ROOT5 + near)))
    return np.where(far, series, -0.3 / np.pi * near + np.where(np.abs(near) == ROOT5, 0.0, log))


def by_market(rows: Floats) -> Floats:
    """(k, k): what the mean of all assets explains, and a variance each of what it does not (Sharpe 1963)."""
    x = rows - rows.mean(axis=0)
    market = x.mean(axis=1)
    betas = x.T @ market / (market @ market)
    own = (x - market[:, None] * betas).var(axis=0)
    return np.asarray(market.var() * betas[:, None] * betas + np.diag(own))


def by_components(count: int) -> Callable[[Floats], Floats]:
    """The first principal components of the correlations, and a variance each of what they do not explain."""

    def found(rows: Floats) -> Floats:
        counted = sample(rows)
        values, vectors = np.linalg.eigh(correlation(counted))
        loads = vectors[:, -count:] * np.sqrt(values[-count:])
        explained = loads @ loads.T
        np.fill_diagonal(explained, 1.0)
        deviation = np.sqrt(np.diag(counted))
        return np.asarray(explained * deviation[:, None] * deviation)

    return found


ESTIMATORS: Final[dict[str, Callable[[Floats], Floats]]] = {
    "sample": sample,
    "alike": alike,
    "constant": to_constant,
    "identity": to_identity,
    "oas": oracle_approximating,
    "nonlinear": nonlinear,
    "market": by_market,
    "components-1": by_components(1),
    "components-3": by_components(3),
}


def _sklearn() -> Any:
    try:
        import sklearn.covariance  # noqa: PLC0415 - scikit-learn is an extra
    except ImportError as error:
        raise not_installed("scikit-learn", "signals") from error
    return sklearn.covariance


# Weights --------------------------------------------------------------------------------------------------------------------------------


def minimum_variance(covariance: Floats, *, short: bool = True) -> Floats:
    """(k,) that add up to 1 and make w'Σw least; without `short` none below 0, which shrinks too (Jagannathan & Ma 2003)."""
    if short:
        weights = np.linalg.solve(covariance, np.ones(len(covariance)))
    else:
        root = np.linalg.cholesky(covariance / np.diag(covariance).mean()).T
        many = 1e4 * np.ones(len(covariance))
        weights = nnls(np.vstack([root, many]), np.r_[np.zeros(len(root)), 1e4])[0]
    return np.asarray(weights / weights.sum())
