"""Estimates of covariances keep their level: assets that are alike, as many days as assets, fewer, and scales far apart.

The formula of nonlinear shrinkage is evaluated with 60 digits beside ours, which has 16.
"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.risk.matrices import ESTIMATORS, correlation, kernel_hilbert, nonlinear, nonlinear_of, sample, sound
from tercet.signals.series import Floats

SHRUNK = ("constant", "identity", "oas", "nonlinear")


def rows_of(size: int, assets: int, *, seed: int = 0, market: float = 1.0) -> Floats:
    rng = np.random.default_rng(seed)
    return market * rng.standard_normal((size, 1)) + rng.standard_normal((size, assets))


def exact_hilbert(x: mp.mpf) -> mp.mpf:
    """Of the kernel 3/(4√5)·(1 − x²/5) within ± √5."""
    root = mp.sqrt(5)
    if abs(x) == root:
        return -3 * x / (10 * mp.pi)
    return -3 * x / (10 * mp.pi) + 3 / (4 * root * mp.pi) * (1 - x * x / 5) * mp.log(abs((root - x) / (root + x)))


def exact_shrunk(values: Floats, size: int) -> list[float]:
    """Ledoit & Wolf 2020 with 60 digits, of eigenvalues as they are, in their order; those of 0 first, where rows are fewer."""
    with mp.workdps(60):
        k, lam = len(values), [mp.mpf(float(one)) for one in values if one > 0]
        h, c, root = mp.mpf(size) ** (mp.mpf(-1) / 3), mp.mpf(len(lam)) / size, mp.sqrt(5)
        found = []
        for one in lam:
            xs = [(one - other) / (h * other) for other in lam]
            f = mp.fsum(3 / (4 * root) * max(mp.mpf(0), 1 - x * x / 5) / (h * o) for x, o in zip(xs, lam, strict=True)) / len(lam)
            hilbert = mp.fsum(exact_hilbert(x) / (h * o) for x, o in zip(xs, lam, strict=True)) / len(lam)
            found.append(one / ((mp.pi * c * one * f) ** 2 + (1 - c - mp.pi * c * one * hilbert) ** 2))
        if k > len(lam):
            log = mp.log((1 + root * h) / (1 - root * h))
            part = 3 / (10 * h * h) + 3 / (4 * root * h) * (1 - 1 / (5 * h * h)) * log
            at_zero = part * mp.fsum(1 / one for one in lam) / len(lam) / mp.pi
            found = [1 / (mp.pi * (mp.mpf(k) - size) / size * at_zero)] * (k - len(lam)) + found
        return [float(one) for one in found]


@given(st.floats(-1e9, 1e9) | st.floats(-12, 12))
@settings(deadline=None)
def test_the_kernel_s_hilbert_transform_keeps_its_digits_at_any_distance(x: float) -> None:
    with mp.workdps(60):
        expected = float(exact_hilbert(mp.mpf(x)))
    assert float(kernel_hilbert(np.array(x))) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_kernel_s_hilbert_transform_is_known_at_its_ends() -> None:
    ends = np.array([-(5**0.5), 5**0.5])
    assert kernel_hilbert(ends) == pytest.approx(-0.3 / np.pi * ends)


def spectra() -> dict[str, tuple[Floats, int]]:
    even = np.linspace(0.5, 2.0, 40)
    return {
        "fewer assets than rows": (even, 120),
        "one fewer": (even, 41),
        "as many": (even, 40),
        "more assets than rows": (np.r_[np.zeros(10), even], 40),
        "many more": (np.r_[np.zeros(200), even], 40),
        "nearly the same asset": (np.r_[1e-13, even], 120),
        "nearly the same asset, as many": (np.r_[1e-9, even[1:]], 40),
        "a market": (np.r_[even, 400.0], 60),
        "scales far apart": (np.logspace(-9, 3, 30), 45),
    }


@pytest.mark.parametrize("name", spectra())
def test_each_eigenvalue_is_shrunk_as_with_60_digits(name: str) -> None:
    values, size = spectra()[name]
    found = np.diag(nonlinear_of(np.diag(values), size))
    assert found == pytest.approx(exact_shrunk(values, size), rel=1e-6)


@pytest.mark.parametrize("apart", [1e-1, 1e-2, 1e-3, 1e-5, 1e-8, 0.0])
@pytest.mark.parametrize("twice", [1, 6])
def test_assets_that_are_nearly_the_same_leave_the_others_as_they_are(apart: float, twice: int) -> None:
    rows, noise = rows_of(1000, 6), np.random.default_rng(9).standard_normal((1000, twice))
    found = nonlinear(np.column_stack([rows, rows[:, :twice] + apart * noise]))
    assert found[:6, :6] == pytest.approx(nonlinear(rows), rel=0.02)
    assert np.trace(found) == pytest.approx(np.trace(sample(rows)) + np.trace(sample(rows)[:twice, :twice]), rel=0.02)


@pytest.mark.parametrize("market", [0.0, 1.0])
@pytest.mark.parametrize("size", [31, 38, 39, 40, 41, 42, 43, 60, 400])
@pytest.mark.parametrize("name", SHRUNK)
def test_the_level_is_kept_for_about_as_many_days_as_assets(name: str, size: int, market: float) -> None:
    rows = rows_of(size, 40, seed=size, market=market)
    found = ESTIMATORS[name](rows)
    assert np.trace(found) == pytest.approx(np.trace(sample(rows)), rel=0.1)
    assert np.linalg.eigvalsh(found)[0] > 0


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("kind", ["each twice", "each twice, more than days", "one thrice", "scales", "one nearly still"])
def test_odd_assets_leave_every_estimate_finite_and_at_its_level(kind: str, name: str) -> None:
    rows = rows_of(50, 30)
    odd = {
        "each twice": lambda: np.tile(rows[:, :20], 2),
        "each twice, more than days": lambda: np.tile(rows, 2),
        "one thrice": lambda: np.column_stack([rows, rows[:, 0], rows[:, 0]]),
        "scales": lambda: rows * np.logspace(-4, 4, 30),
        "one nearly still": lambda: np.column_stack([rows, 1e-6 * rows[::-1, 0]]),
    }[kind]()
    found = ESTIMATORS[name](odd)
    assert np.isfinite(found).all()
    assert np.trace(found) == pytest.approx(np.trace(sample(odd)), rel=0.15)
    assert np.linalg.eigvalsh(found)[0] > -1e-9 * np.trace(found)
    mended, _ = sound(found)
    assert np.linalg.eigvalsh(correlation(mended))[0] > 0


def test_a_mean_that_was_taken_off_or_not_makes_no_jump() -> None:
    rows = rows_of(30, 50)
    assert nonlinear_of(sample(rows), 30) == pytest.approx(nonlinear(rows))
    assert np.linalg.eigvalsh(nonlinear(rows))[0] > 0.01


def test_nothing_at_all_stays_nothing() -> None:
    assert (nonlinear_of(np.zeros((3, 3)), 20) == 0).all()
