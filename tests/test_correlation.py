"""Forecasts of covariances: from the past alone, as the papers have them, sound whatever comes, and judged by what their portfolios did."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from modes import FLAGS, run_again
from scipy.optimize import minimize

from tercet.bench import risk as bench
from tercet.errors import BadInput
from tercet.risk.assets import AssetDays, asset_days, checked, prices_file
from tercet.risk.correlation import DEFAULT, CovarianceForecaster, Ewma, Mean, Said, Speeds, Window, walked
from tercet.risk.correlation_league import FORECASTERS, CovarianceSettings, covariance_league, scores, volatility_interval
from tercet.risk.dcc import Dcc
from tercet.risk.matrices import ESTIMATORS, correlation, minimum_variance, nonlinear, nonlinear_of, sound, to_constant, to_identity
from tercet.risk.pairs import dcc_loss
from tercet.risk.portfolios import bias, held, random_portfolios
from tercet.risk.ticks import hayashi_yoshida, realised_covariance, refresh_times
from tercet.signals.series import Floats
from tercet.signals.timed import Table
from tercet.signals.trials import Ledger

DAY = 86_400 * 10**9
UNCOMPILED = bool(numba.config.DISABLE_JIT)
NAMES = tuple("abcdef")
QUICK = [one for one in FORECASTERS.values() if not isinstance(one, Dcc | Mean)]
quick_only = pytest.mark.skipif(UNCOMPILED, reason="takes minutes with uncompiled code")


def made(count: int = 700, seed: int = 0, names: tuple[str, ...] = NAMES) -> AssetDays:
    """Days of assets that share a market, whose volatility comes in waves."""
    rng = np.random.default_rng(seed)
    wave = np.exp(0.5 * np.sin(np.arange(count) / 40))[:, None]
    market, own = rng.standard_normal((count, 1)), rng.standard_normal((count, len(names)))
    return AssetDays(np.arange(count) * DAY, names, wave * (market * np.linspace(0.5, 1.5, len(names)) + own))


@pytest.fixture(scope="module")
def days() -> AssetDays:
    return made()


def is_sound(found: Floats) -> bool:
    return bool((found == found.T).all() and np.linalg.eigvalsh(found)[0] > 0)


# From the past alone --------------------------------------------------------------------------------------------------------------------


@quick_only
@pytest.mark.parametrize("name", FORECASTERS)
def test_days_one_at_a_time_say_the_same_as_all_at_once(name: str, days: AssetDays) -> None:
    one_by_one, at_once = (FORECASTERS[name].fit(days[:520]) for _ in range(2))
    for row in days.returns[520:540]:
        one_by_one.update(row)
        assert is_sound(one_by_one.covariance())
    at_once.update(days.returns[520:540])
    assert one_by_one.covariance().tobytes() == at_once.covariance().tobytes()
    assert at_once.covariance().tobytes() == at_once.covariance().tobytes()  # to be asked moves nothing
    assert one_by_one.mended == 0


@quick_only
@pytest.mark.parametrize("name", FORECASTERS)
def test_what_was_said_before_a_day_does_not_change_with_it_or_what_follows(name: str, days: AssetDays) -> None:
    scrambled = days.returns.copy()
    scrambled[560:] = np.random.default_rng(9).standard_normal(scrambled[560:].shape)
    said, other, shorter = (
        [one.covariance for one in walked(given, FORECASTERS[name], 520, 30)]
        for given in (days[:580], replace(days, returns=scrambled)[:580], days[:561])
    )
    for day in range(41):  # that of day 560 was told by the days before it
        assert said[day].tobytes() == other[day].tobytes() == shorter[day].tobytes()
    assert (said[41] != other[41]).any()


def test_a_walk_learns_anew_from_the_days_before(days: AssetDays) -> None:
    learned = []

    class Spy:
        name = "spy"

        def fit(self, past: AssetDays) -> object:
            learned.append(len(past))
            return Window(days=50).fit(past)

    said = list(walked(days, Spy(), 600, 40))  # type: ignore[arg-type]
    assert learned == [600, 640, 680]
    assert [one.day for one in said] == list(range(600, 700))
    assert said[63].covariance == pytest.approx(np.cov(days.returns[613:663].T))


# As the papers have them ----------------------------------------------------------------------------------------------------------------


def test_an_exponential_average_is_the_sum_of_weighted_products(days: AssetDays) -> None:
    found = Ewma(keep=0.9).fit(days[:300]).covariance()
    start = days.returns[:250].T @ days.returns[:250] / 250
    expected = 0.9**300 * start + sum(0.1 * 0.9 ** (299 - t) * np.outer(days.returns[t], days.returns[t]) for t in range(300))
    assert found == pytest.approx(expected)


def test_speeds_are_means_over_half_lives_of_volatilities_and_of_correlations(days: AssetDays) -> None:
    r, keep = days.returns[:400], [0.5 ** (1 / life) for life in (10, 40, 30, 90)]
    start = (r[:250] ** 2).mean(axis=0)
    fast, slow, z = start, start, []
    for row in r:
        z.append(row / np.sqrt(fast))
        fast, slow = (k * v + (1 - k) * row**2 for k, v in zip(keep, (fast, slow), strict=False))
    early = r[:250] / np.sqrt(start)
    means = []
    for k in keep[2:]:
        product = early.T @ early / 250
        for one in z:
            product = k * product + (1 - k) * np.outer(one, one)
        means.append(correlation(product))
    volatility = (fast * slow) ** 0.25
    volatility *= np.exp(np.mean(np.log(np.sqrt(fast) / volatility)))
    expected = (np.mean(means, axis=0) + 0.2 * np.eye(6)) * np.outer(volatility, volatility)
    assert Speeds("x", (10, 40), (30, 90), 0.2).fit(days[:400]).covariance() == pytest.approx(expected)


def slow_constant(rows: Floats) -> Floats:
    """Ledoit & Wolf 2004, appendices A and B, a sum at a time."""
    y = rows - rows.mean(axis=0)
    size, k = y.shape
    s = y.T @ y / size
    mean = sum(s[i, j] / np.sqrt(s[i, i] * s[j, j]) for i in range(k) for j in range(i + 1, k)) * 2 / (k * (k - 1))
    f = np.array([[s[i, i] if i == j else mean * np.sqrt(s[i, i] * s[j, j]) for j in range(k)] for i in range(k)])
    pi = np.array([[np.mean((y[:, i] * y[:, j] - s[i, j]) ** 2) for j in range(k)] for i in range(k)])

    def theta(i: int, j: int) -> float:
        return float(np.mean((y[:, i] ** 2 - s[i, i]) * (y[:, i] * y[:, j] - s[i, j])))

    rho = np.trace(pi) + sum(
        mean / 2 * (np.sqrt(s[j, j] / s[i, i]) * theta(i, j) + np.sqrt(s[i, i] / s[j, j]) * theta(j, i))
        for i in range(k)
        for j in range(k)
        if i != j
    )
    share = max(0.0, min(1.0, (pi.sum() - rho) / ((f - s) ** 2).sum() / size))
    return np.asarray(share * f + (1 - share) * s)


def slow_identity(rows: Floats) -> Floats:
    """Ledoit & Wolf 2004, lemmas 3.2-3.5."""
    x = rows - rows.mean(axis=0)
    size, k = x.shape
    s = x.T @ x / size
    m = np.trace(s) / k
    d2 = ((s - m * np.eye(k)) ** 2).sum()
    b2 = min(d2, sum(((np.outer(row, row) - s) ** 2).sum() for row in x) / size**2)
    return np.asarray(b2 / d2 * m * np.eye(k) + (1 - b2 / d2) * s)


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_linear_shrinkage_agrees_with_the_sums_of_the_papers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((40, 5)) @ rng.standard_normal((5, 5)) + rng.standard_normal((40, 1))
    assert to_constant(rows) == pytest.approx(slow_constant(rows))
    assert to_identity(rows) == pytest.approx(slow_identity(rows))


def slow_nonlinear(counted: Floats, size: int) -> Floats:
    """Ledoit & Wolf 2020, a sum at a time, for fewer assets than rows."""
    lam, u = np.linalg.eigh(counted)
    k, h = len(lam), size ** (-1 / 3)
    shrunk = []
    for i in range(k):
        f = hilbert = 0.0
        for j in range(k):
            x, width = (lam[i] - lam[j]) / (lam[j] * h), lam[j] * h
            f += 3 / (4 * 5**0.5 * width) * max(0.0, 1 - x * x / 5) / k
            log = np.log(abs((5**0.5 - x) / (5**0.5 + x)))
            hilbert += (-3 * x / (10 * np.pi) + 3 / (4 * 5**0.5 * np.pi) * (1 - x * x / 5) * log) / width / k
        c = k / size
        shrunk.append(lam[i] / ((np.pi * c * lam[i] * f) ** 2 + (1 - c - np.pi * c * lam[i] * hilbert) ** 2))
    return np.asarray(u @ np.diag(shrunk) @ u.T)


def test_nonlinear_shrinkage_agrees_with_the_sums_of_the_paper() -> None:
    rows = np.random.default_rng(4).standard_normal((60, 12)) * np.linspace(1, 4, 12)
    assert nonlinear(rows) == pytest.approx(slow_nonlinear(np.cov(rows.T), 59))


@pytest.mark.parametrize("size", [240, 800])
def test_nonlinear_shrinkage_takes_most_of_the_sample_s_error(size: int) -> None:
    """Ledoit & Wolf's design: a fifth of the eigenvalues 1, two fifths 3, two fifths 10; more assets than rows, and fewer."""
    spectrum = np.repeat([1.0, 3.0, 10.0], [80, 160, 160])
    rows = np.random.default_rng(0).standard_normal((size, 400)) * np.sqrt(spectrum)
    vectors = np.linalg.eigh(np.cov(rows.T))[1]
    best = (vectors * np.diag(vectors.T @ (spectrum[:, None] * vectors))) @ vectors.T  # no other eigenvalues do better
    made_ = {name: ESTIMATORS[name](rows) for name in ("sample", "identity", "nonlinear")} | {"best": best}
    wrong = {name: float(((found - np.diag(spectrum)) ** 2).sum()) for name, found in made_.items()}
    assert wrong["nonlinear"] < wrong["identity"] < 0.51 * wrong["sample"]
    assert wrong["nonlinear"] < 1.04 * wrong["best"]


def test_with_many_rows_nothing_is_shrunk() -> None:
    rows = np.random.default_rng(0).standard_normal((50_000, 3)) * [1.0, 2.0, 3.0]
    for name in ("constant", "identity", "oas", "nonlinear"):
        assert ESTIMATORS[name](rows) == pytest.approx(np.cov(rows.T), rel=0.02, abs=0.02), name


def test_factors_leave_variances_as_they_are_and_explain_what_they_made() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((5000, 1)) * np.linspace(1, 2, 8) + rng.standard_normal((5000, 8))
    truth = np.outer(np.linspace(1, 2, 8), np.linspace(1, 2, 8)) + np.eye(8)
    for name in ("market", "components-1"):
        found = ESTIMATORS[name](rows)
        assert np.diag(found) == pytest.approx(rows.var(axis=0), rel=1e-3), name
        assert found == pytest.approx(truth, rel=0.25), name


def made_dcc(count: int, a: float, b: float, seed: int) -> tuple[AssetDays, Floats]:
    """Days of cDCC with GARCH volatilities, and the true correlations of each."""
    rng = np.random.default_rng(seed)
    target = 0.4 + 0.6 * np.eye(4)
    q, h = target.copy(), np.ones(4)
    returns, true = np.empty((count, 4)), np.empty((count, 4, 4))
    for t in range(count):
        true[t] = correlation(q)
        e = np.linalg.cholesky(true[t]) @ rng.standard_normal(4)
        returns[t] = np.sqrt(h) * e
        h = 0.05 + 0.08 * returns[t] ** 2 + 0.87 * h
        scaled = e * np.sqrt(np.diag(q))
        q = (1 - a - b) * target + a * np.outer(scaled, scaled) + b * q
    return AssetDays(np.arange(count) * DAY, NAMES[:4], returns), true


@quick_only
def test_cdcc_recovers_what_made_the_days_and_follows_their_correlations() -> None:
    days, true = made_dcc(6000, 0.06, 0.9, seed=5)
    found = Dcc().fit(days[:5000])
    assert found.news == pytest.approx([0.06, 0.9], abs=0.03)
    assert found.garch[:, 1:] == pytest.approx(np.tile([0.08, 0.87], (4, 1)), abs=0.04)
    assert found.target == pytest.approx(0.4 + 0.6 * np.eye(4), abs=0.06)
    wrong, still = 0.0, 0.0
    for t in range(5000, 6000):
        wrong += float(((correlation(found.covariance()) - true[t]) ** 2).sum())
        still += float(((found.target - true[t]) ** 2).sum())
        found.update(days.returns[t])
    assert wrong < 0.2 * still


@quick_only
def test_a_dcc_filter_s_matrix_is_that_of_the_recursion_from_the_first_day(days: AssetDays) -> None:
    found = Dcc().fit(days[:550])
    (a, b), (omega, alpha, beta) = found.news, found.garch.T
    h, q = (days.returns[:550] ** 2).mean(axis=0), found.target
    for row in days.returns[:550]:
        e = row / np.sqrt(h) * np.sqrt(np.diag(q))
        q = (1 - a - b) * found.target + a * np.outer(e, e) + b * q
        h = omega + alpha * row**2 + beta * h
    assert a > 0
    assert found.covariance() == pytest.approx(correlation(q) * np.sqrt(np.outer(h, h)))


@quick_only
def test_only_the_target_of_dcc_is_shrunk() -> None:
    many = made(500, names=tuple(f"a{i}" for i in range(40)))
    found, plain = Dcc().fit(many), Dcc("dcc", shrunk=False).fit(many)
    assert found.news.tolist() == plain.news.tolist()
    assert found.target == pytest.approx(correlation(nonlinear_of(plain.target, 500)))
    assert np.linalg.eigvalsh(found.target)[0] > 1.1 * np.linalg.eigvalsh(plain.target)[0]


def test_the_loss_of_pairs_is_that_of_two_assets_at_a_time() -> None:
    scaled, a, b = np.random.default_rng(2).standard_normal((80, 3)), 0.05, 0.9
    total = 0.0
    for i, j in pairwise(range(3)):
        q, stars = np.eye(2), []
        for row in scaled[:, [i, j]]:
            star = row * np.sqrt(np.diag(q))
            stars.append(star)
            q = np.diag((1 - a - b) + a * star**2 + b * np.diag(q))
        target = correlation(np.array(stars).T @ np.array(stars))
        q = target.copy()
        for row, star in zip(scaled[:, [i, j]], stars, strict=True):
            r = correlation(q)
            total += np.log(np.linalg.det(r)) + row @ np.linalg.inv(r) @ row
            q = (1 - a - b) * target + a * np.outer(star, star) + b * q
    assert dcc_loss(scaled, a, b, np.empty_like(scaled)) == pytest.approx(total / 160)


def test_a_mean_is_of_matrices(days: AssetDays) -> None:
    members = (Ewma(), Window(days=100))
    expected = sum(one.fit(days[:300]).covariance() for one in members) / 2
    found = Mean(members).fit(days[:290])
    found.update(days.returns[290:300])
    assert found.covariance() == pytest.approx(expected)


# Ticks ----------------------------------------------------------------------------------------------------------------------------------


def test_refresh_times_are_when_all_have_a_new_tick() -> None:
    first, second, third = (np.array(times) for times in ([1, 3, 4, 9], [2, 5, 6, 7, 11], [3, 8, 10]))
    #   all are there at 3; 4, 5 and 8 are the next: at 8; 9, 11 and 10: at 11
    assert refresh_times([first, second, third]).tolist() == [[1, 0, 0], [2, 3, 1], [3, 4, 2]]


def slow_overlap(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> float:
    total = 0.0
    for (s, e), x in zip(pairwise(first[0]), np.diff(100 * np.log(first[1])), strict=True):
        for (u, v), y in zip(pairwise(second[0]), np.diff(100 * np.log(second[1])), strict=True):
            total += x * y * (max(s, u) < min(e, v))
    return float(total)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_hayashi_and_yoshida_s_sum_is_over_all_spans_that_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ticks = [(np.sort(rng.choice(60, size, replace=False)), np.exp(0.1 * rng.standard_normal(size))) for size in rng.integers(15, 40, 2)]
    assert hayashi_yoshida(ticks[0], ticks[1]) == pytest.approx(slow_overlap(*ticks))


def asynchronous(seed: int, noise: float = 0.0) -> list[tuple[Floats, Floats]]:
    """Two walks with correlation 0.6 and variance 1 percent² a day, seen at different times."""
    rng = np.random.default_rng(seed)
    steps = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 4000, method="cholesky") / 4000**0.5
    path = np.cumsum(steps, axis=0)
    seen = [np.sort(rng.choice(4000, size, replace=False)) for size in (900, 400)]
    return [(at, np.exp((path[at, i] + noise * rng.standard_normal(len(at))) / 100)) for i, at in enumerate(seen)]


@quick_only
def test_prices_in_no_step_hide_no_covariance() -> None:
    hayashi, refreshed, grid = [], [], []
    for seed in range(60):
        first, second = asynchronous(seed)
        hayashi.append(hayashi_yoshida(first, second))
        refreshed.append(realised_covariance([first, second]))
        at = np.arange(0, 4000)
        moves = [np.diff(100 * np.log(p[np.maximum(np.searchsorted(t, at, side="right") - 1, 0)])) for t, p in (first, second)]
        grid.append(moves[0] @ moves[1])
    assert np.mean(hayashi) == pytest.approx(0.6, abs=0.03)
    assert np.mean(refreshed, axis=0)[0, 0] == pytest.approx(1.0, abs=0.04)
    assert 0.4 < np.mean(refreshed, axis=0)[0, 1] < 0.58
    assert np.mean(grid) < 0.1  # Epps: where both move at once there is hardly anything


def test_the_kernel_takes_out_noise_that_refreshed_returns_keep() -> None:
    plain, kernel = (np.mean([realised_covariance(asynchronous(seed, 0.05), lags) for seed in range(40)], axis=0) for lags in (0, 20))
    assert plain[0, 0] > 1.5
    assert kernel[0, 0] == pytest.approx(1.0, abs=0.25)
    assert all(np.linalg.eigvalsh(realised_covariance(asynchronous(seed, 0.05), 20))[0] > 0 for seed in range(10))


def test_the_kernel_s_weights_are_parzen_s() -> None:
    times, walk = np.arange(50), np.cumsum(np.random.default_rng(6).standard_normal((50, 2)), axis=0)
    moves = np.diff(walk, axis=0)
    expected = moves.T @ moves
    for lag, weight in {1: 0.71875, 2: 0.25, 3: 0.03125}.items():
        crossed = moves[lag:].T @ moves[:-lag]
        expected += weight * (crossed + crossed.T)
    assert realised_covariance([(times, np.exp(walk[:, i] / 100)) for i in range(2)], lags=3) == pytest.approx(expected)


TICKS = (np.array([1, 2, 3]), np.array([1.0, 2.0, 1.5]))
BAD_TICKS = {
    "series 0: tick 2 is not after": [(np.array([1, 3, 3]), TICKS[1]), TICKS],
    "series 1: the price of tick 1 was 0.0": [TICKS, (TICKS[0], np.array([1.0, 0.0, 2.0]))],
    "series 1: the price of tick 2 was nan": [TICKS, (TICKS[0], np.array([1.0, 2.0, np.nan]))],
    "series 0 had \\(1,\\) times": [(np.array([1]), np.array([1.0])), TICKS],
    "no time in common": [TICKS, (np.array([7, 8]), np.array([1.0, 2.0]))],
}


@pytest.mark.parametrize("why", BAD_TICKS)
def test_ticks_that_are_none_are_refused_in_a_sentence(why: str) -> None:
    with pytest.raises(BadInput, match=why):
        hayashi_yoshida(*BAD_TICKS[why])
    with pytest.raises(BadInput, match="there were 3 refresh times for 5 lags"):
        realised_covariance([TICKS, TICKS], lags=5)


# Sound whatever comes -------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_any_matrix_of_rows_becomes_positive_definite_and_keeps_its_variances(seed: int, assets: int, rank: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((rank, assets))
    given_ = rows.T @ rows
    assume(np.diag(given_).min() >= 1e-4)
    found, was = sound(given_)
    assert is_sound(found)
    assert np.diag(found) == pytest.approx(np.diag(given_))
    assert was == (np.linalg.eigvalsh(correlation(given_))[0] < 1e-6)
    again, was = sound(found)
    assert not was
    assert again == pytest.approx(found)


@pytest.mark.parametrize("forecaster", [*QUICK, pytest.param(Dcc(), marks=quick_only)], ids=lambda one: one.name)
def test_the_same_asset_twice_is_told_from_and_counted(forecaster: CovarianceForecaster, days: AssetDays) -> None:
    twice = AssetDays(days.known, (*NAMES, "again"), np.column_stack([days.returns, days.returns[:, 0]]))
    found = forecaster.fit(twice[:550])
    covariance = found.covariance()
    assert is_sound(covariance)
    assert np.linalg.cond(correlation(covariance)) < 1e8
    assert np.isfinite(minimum_variance(covariance)).all()
    if forecaster.name in ("sample", "ewma", "ewma-half-year", "ewma-two-speeds"):
        assert found.mended == 1


def test_a_walk_counts_what_was_mended_over_all_times_of_learning(days: AssetDays) -> None:
    twice = AssetDays(days.known, (*NAMES, "again"), np.column_stack([days.returns, days.returns[:, 0]]))
    said = list(walked(twice, Window(), 640, 20))
    assert [one.mended for one in said] == list(range(1, 61))
    assert held(twice, said).mended == 60


def test_more_assets_than_days_are_counted_where_nothing_was_shrunk() -> None:
    many = made(400, names=tuple(f"a{i}" for i in range(60)))
    for name, of in {"x": "sample", "y": "nonlinear", "z": "constant"}.items():
        found = Window(name, of, days=40).fit(many)
        assert is_sound(found.covariance())
        assert found.mended == (of == "sample"), of
    assert np.linalg.eigvalsh(nonlinear_of(np.cov(many.returns[:30].T), 29))[0] > 0.01


@pytest.mark.parametrize("forecaster", [*QUICK, pytest.param(Dcc(), marks=quick_only)], ids=lambda one: one.name)
def test_an_asset_that_stops_moving_later_leaves_a_sound_matrix(forecaster: CovarianceForecaster, days: AssetDays) -> None:
    found = forecaster.fit(days[:550])
    still = np.zeros((2000, 6))
    still[:, 1:] = np.random.default_rng(3).standard_normal((2000, 5))
    found.update(still)
    covariance = found.covariance()
    assert is_sound(covariance)
    assert np.isfinite(covariance).all()
    assert covariance[0, 0] < covariance[1, 1]
    if isinstance(forecaster, Window) and forecaster.of != "alike":
        assert found.mended == 1
        assert covariance[0, 0] == pytest.approx(1e-4)


@pytest.mark.parametrize("forecaster", [*QUICK, pytest.param(Dcc(), marks=quick_only)], ids=lambda one: one.name)
def test_a_return_that_is_none_is_refused_and_moves_nothing(forecaster: CovarianceForecaster, days: AssetDays) -> None:
    found = forecaster.fit(days[:550])
    before = found.covariance()
    for wrong in (np.nan, np.inf, -100.0):
        row = days.returns[550:553].copy()
        row[1, 2] = wrong
        with pytest.raises(BadInput, match=f"c: the return of day 1 was {wrong}; expected a number above -100: leave the day out"):
            found.update(row)
    with pytest.raises(BadInput, match="expected 6 a day"):
        found.update(np.zeros(5))
    assert found.covariance().tobytes() == before.tobytes()


def test_days_that_cannot_be_learned_from_are_refused_in_a_sentence(days: AssetDays) -> None:
    with pytest.raises(BadInput, match="speeds: there were 249 days; expected 250 or more"):
        DEFAULT.fit(days[:249])
    with pytest.raises(BadInput, match="dcc-nl: there were 499 days; expected 500 or more"):
        Dcc().fit(days[:499])
    still = days.returns.copy()
    still[:, 3] = 0.0
    with pytest.raises(BadInput, match="speeds: d does not move in the first 250 days"):
        DEFAULT.fit(replace(days, returns=still))
    with pytest.raises(BadInput, match="the assets were a; expected two or more"):
        AssetDays(days.known, ("a",), days.returns[:, :1])
    with pytest.raises(BadInput, match="the assets were a, a; expected two or more, each once"):
        AssetDays(days.known, ("a", "a"), days.returns[:, :2])
    with pytest.raises(BadInput, match="day 2 was not known after the day before"):
        AssetDays(np.array([0, 1, 1]), NAMES, days.returns[:3])
    with pytest.raises(BadInput, match="returns had shape \\(3, 5\\) for 3 days of 6 assets"):
        AssetDays(np.arange(3), NAMES, days.returns[:3, :5])
    with pytest.raises(BadInput, match="first was 100 of 700 days"):
        list(walked(days, DEFAULT, 100))
    with pytest.raises(BadInput, match="expected one of sample, alike"):
        Window("x", "unknown")
    for wrong in (lambda: Ewma(keep=1.0), lambda: Speeds(volatility=()), lambda: Speeds(own=np.nan), lambda: Mean(())):
        with pytest.raises(BadInput, match="expected"):
            wrong()


def wide(**prices: list[float | None]) -> Table:
    time = np.arange(len(next(iter(prices.values())))) * DAY
    return Table(pl.DataFrame({"event_time": time, "known_time": time, **prices}), keys=())


def test_days_of_prices_say_what_they_left_out() -> None:
    prices = wide(a=[None, 10.0, 11.0, None, 9.9, *[9.9] * 20, 10.0], b=[5.0, 5.0, 5.5, 5.0, 6.6, *[6.6] * 20, 6.0])
    read = asset_days(prices)
    assert read.cleaning.dropped == {"before all had a price": 1, "later days that miss a price": 1}
    assert read.cleaning.carried == {"prices that repeat those of four days before": 34}
    assert read.days.returns[:2] == pytest.approx(np.array([[10.0, 10.0], [-10.0, 20.0]]))  # what came on the day left out is in the next
    assert read.days.known[:2].tolist() == [2 * DAY, 4 * DAY]
    long = prices.frame.unpivot(["a", "b"], index=["event_time", "known_time"], variable_name="symbol", value_name="close")
    assert asset_days(Table.of(long.drop_nulls("close"), sort=True)).days.returns.tobytes() == read.days.returns.tobytes()


BAD_PRICES = {
    "b: all 3 prices were the same": wide(a=[1.0, 2.0, 3.0], b=[2.0, 2.0, 2.0]),
    "a: the price of row 1 was 0; expected one above 0": wide(a=[1.0, 0.0, 3.0], b=[2.0, 2.5, 2.0]),
    "b has no price at all": wide(a=[1.0, 2.0], b=[None, None]),
    "2 of 4 days miss a price, most that of b": wide(a=[1.0, 2.0, 3.0, 4.0], b=[2.0, None, None, 3.0]),
    "the assets were a; expected two or more": wide(a=[1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("why", BAD_PRICES)
def test_prices_that_cannot_be_days_are_refused_in_a_sentence(why: str) -> None:
    with pytest.raises(BadInput, match=why):
        asset_days(BAD_PRICES[why])


def test_a_price_that_doubles_is_kept_and_counted() -> None:
    read = asset_days(wide(a=[1.0, 2.0, 1.0, 1.1], b=[2.0, 2.5, 2.0, 2.1]))
    assert read.counts == {"returns that double or halve a price, kept": 2}
    assert read.days.returns[:2, 0].tolist() == [100.0, -50.0]


def test_a_file_of_a_date_and_prices_becomes_days(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("Date,A,B\n2020-03-02,1,4\n2020-03-03,2,5\n2020-03-04,1,6\n")
    read = asset_days(prices_file(path))
    assert read.days.names == ("A", "B")
    assert read.days.returns == pytest.approx(np.array([[100.0, 25.0], [-50.0, 20.0]]))
    assert str(read.days.known[0].astype("datetime64[ns]")) == "2020-03-03T21:00:00.000000000"  # 16:00 in New York
    with pytest.raises(BadInput, match="expected a Parquet or CSV file"):
        prices_file(tmp_path / "none.csv")


# Judged ---------------------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_no_weights_have_less_variance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((6, 6))
    covariance = root @ root.T + 0.1 * np.eye(6)
    equal = {"type": "eq", "fun": lambda w: w.sum() - 1}
    for short in (True, False):
        found = minimum_variance(covariance, short=short)
        bounds = None if short else [(0, 1)] * 6
        sought = minimize(
            lambda w: w @ covariance @ w, np.full(6, 1 / 6), method="SLSQP", bounds=bounds, constraints=[equal], options={"ftol": 1e-14}
        ).x
        assert found.sum() == pytest.approx(1)
        assert short or (found >= 0).all()
        assert found @ covariance @ found <= sought @ covariance @ sought * (1 + 1e-6)


def test_weights_drift_until_they_are_made_anew() -> None:
    returns = np.array([[10.0, 0.0], [0.0, 20.0], [-10.0, 0.0], [5.0, 5.0], [1.0, -1.0], [2.0, 0.0]])
    days = AssetDays(np.arange(6) * DAY, ("a", "b"), returns)
    covariance = np.diag([1.0, 3.0])  # three quarters of the first
    found = held(days, [Said(day, covariance, 0) for day in range(6)], hold=3)
    weights, expected = np.array([0.75, 0.25]), []
    value = weights.copy()
    for day, row in enumerate(returns):
        value = weights * value.sum() if day == 3 else value
        after = value * (1 + row / 100)
        expected.append(100 * (after.sum() / value.sum() - 1))
        value = after
    assert found.returns == pytest.approx(expected)
    assert found.deviation[[0, 3]] == pytest.approx([0.75**0.5] * 2)
    assert found.qlike[0] == pytest.approx((100 / 1 + np.log(3)) / 2)
    assert found.gross == pytest.approx(1.0)
    drifted = np.array([0.75 * 1.1 * 0.9, 0.25 * 1.2])
    assert found.turnover == pytest.approx(np.abs(drifted / drifted.sum() - weights).sum())


def test_who_knows_the_truth_has_no_bias_and_who_does_not_is_told() -> None:
    rng = np.random.default_rng(8)
    covariance = np.array([[1.0, 0.5, 0.2], [0.5, 2.0, 0.3], [0.2, 0.3, 1.5]])
    days = AssetDays(np.arange(4000) * DAY, NAMES[:3], rng.multivariate_normal(np.zeros(3), covariance, 4000))
    right, low, flat = (
        held(days, [Said(day, given_, 0) for day in range(4000)]) for given_ in (covariance, covariance / 4, np.diag(np.diag(covariance)))
    )
    assert [bias(right).least, bias(right).random, bias(right).eigen] == pytest.approx([1, 1, 1], abs=0.03)
    assert [bias(low).least, bias(low).random, bias(low).eigen] == pytest.approx([2, 2, 2], abs=0.06)
    assert right.qlike.mean() < min(low.qlike.mean(), flat.qlike.mean())
    assert right.returns.std() < flat.returns.std()
    portfolios = random_portfolios(3)
    assert (portfolios[:50] >= 0).all()
    assert portfolios[:50].sum(axis=1) == pytest.approx(np.ones(50))
    assert (portfolios[50:] < 0).any()


def test_a_portfolio_that_loses_everything_and_days_too_few_are_refused(days: AssetDays) -> None:
    ruin = AssetDays(np.arange(5), ("a", "b"), np.tile([[200.0, -90.0]], (5, 1)))
    leveraged = np.array([[4.0, 1.9], [1.9, 1.0]])  # short the first
    with pytest.raises(BadInput, match=r"lost [0-9]+% on day 0"):
        held(ruin, [Said(day, leveraged, 0) for day in range(5)])
    with pytest.raises(BadInput, match="2 days were said something of"):
        held(days, [Said(day, np.eye(6), 0) for day in range(2)])
    with pytest.raises(BadInput, match="held 0 days"):
        held(days, [], hold=0)


def test_the_league_ranks_by_volatility_and_every_walk_is_a_trial(tmp_path: Path) -> None:
    days = made(1200, seed=2)
    hasty = Ewma("hasty", 0.7)
    ledger = Ledger(tmp_path / "trials.jsonl")
    chosen = [hasty, Window("1/N", "alike"), DEFAULT, Window("long", days=500)]
    found = covariance_league(days, chosen, CovarianceSettings(first=450, every=400), ledger, "made", lambda what: None)
    assert found.left_out == {"long": "there were 450 days; expected 500 or more"}
    assert found.trials == 3
    names = [one.name for one in found.standings]
    assert names[0] == "speeds"
    assert names[-1] in ("1/N", "hasty")
    first, *others = found.standings
    assert first.beside_best is None
    assert first.included
    assert all(one.beside_best is not None and one.beside_best < 0.05 for one in others)
    assert not any(one.included for one in others)
    assert 0.9 < first.bias.least < 1.1
    assert first.volatility.low < first.volatility.estimate < first.volatility.high
    assert first.volatility.estimate == pytest.approx(first.held.returns.std() * 252**0.5)
    assert len(found.known) == len(first.held.returns) == 750
    recorded = {trial.model: trial.scores for trial in ledger.trials("made")}
    assert recorded["speeds"] == scores(first.held)
    covariance_league(days, chosen[:3], CovarianceSettings(first=450, every=400), ledger, "made", lambda what: None)
    assert ledger.count("made") == 3  # the same again says nothing new
    with pytest.raises(BadInput, match="1 forecasters could be asked"):
        covariance_league(days, chosen[2:], CovarianceSettings(first=450), ledger, "other", lambda what: None)


def test_without_short_sales_no_weight_is_below_zero(tmp_path: Path) -> None:
    days = made(600, seed=2)
    long = held(days, walked(days, Ewma(), 400), short=False)
    either = held(days, walked(days, Ewma(), 400))
    assert long.gross == pytest.approx(1.0)
    assert either.gross > 1.05


@quick_only
def test_what_a_day_and_a_tick_take_is_measured() -> None:
    measured = bench.measure()
    days = {f"risk.covariance_{count}_s" for count in (2, 20, 100, 500)}
    assert set(measured) == {*days, "risk.volatility_day_us", "risk.tick_us", "risk.tick_machine_us"}
    assert all(seconds > 0 for seconds in measured.values())


def test_on_twenty_real_stocks_the_default_is_below_the_bar(real_data: Path) -> None:
    """2002-2022, weights each week; the default was chosen on 1990-2001."""
    days = asset_days(prices_file(real_data / "daily" / "skfolio_sp500_dataset.csv.gz")).days
    first = int(np.searchsorted(days.known, np.datetime64("2002-01-01", "ns").astype(np.int64)))
    found = held(days, walked(days, DEFAULT, first))
    assert volatility_interval(found.returns).estimate <= 14.3
    assert 0.9 <= bias(found).least <= 1.1
    assert found.mended == 0
    wolf = held(days, walked(days, Window("ledoit-wolf", "constant"), first))
    assert wolf.returns.std() > found.returns.std()


def test_checked_takes_a_day_or_several() -> None:
    assert checked(np.array([1.0, 2.0]), ("a", "b")).shape == (1, 2)
    assert checked(np.zeros((3, 2)), ("a", "b")).shape == (3, 2)


@pytest.mark.slow
@pytest.mark.parametrize("flag", FLAGS)
def test_covariances_once_more(flag: str) -> None:
    run_again(flag, "test_correlation.py")
