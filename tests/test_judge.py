"""The honest judge: its figures against the papers' own, other people's code and brute force; noise is not taken for skill, skill is."""

import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from tercet.errors import BadInput
from tercet.signals import resample, scores, sharpe
from tercet.signals.sharpe import Track

Floats = NDArray[np.float64]
NAN = float("nan")


def noise(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape)


def autoregressive(seed: int, size: int, phi: float = 0.5) -> Floats:
    values = noise(seed, size)
    for i in range(1, size):
        values[i] += phi * values[i - 1]
    return values


# Sharpe: the papers' own numbers --------------------------------------------------------------------------------------------------------


def test_the_deflated_sharpe_of_the_papers_example() -> None:
    """Bailey & López de Prado 2014, "A numerical example": annual SR 2.5, five years of 250 days, skew −3, kurtosis 10, V = 1/2."""
    ratio, variance = 2.5 / 250**0.5, 0.5 / 250
    record = Track(ratio, 1250, -3, 10)
    assert sharpe.expected_maximum_sharpe(100, variance) == pytest.approx(0.1132, abs=5e-5)
    assert sharpe.deflated_sharpe(record, 100, variance) == pytest.approx(0.9004, abs=5e-5)
    assert sharpe.deflated_sharpe(record, 46, variance) == pytest.approx(0.9505, abs=5e-5)
    assert sharpe.deflated_sharpe(Track(ratio, 1250), 88, variance) == pytest.approx(0.9505, abs=1e-4)


def test_the_probabilistic_sharpe_of_the_papers_example() -> None:
    """Bailey & López de Prado 2012: two years of months, ratio 0.458 a month, skew −2.448, kurtosis 10.164."""
    assert sharpe.probabilistic_sharpe(Track(0.458, 24)) == pytest.approx(0.982, abs=5e-4)
    assert sharpe.probabilistic_sharpe(Track(0.458, 24, -2.448, 10.164)) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("periods", "skew", "kurtosis", "years"), [(252, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)]
)
def test_the_minimum_track_record_of_the_papers_examples(periods: int, skew: float, kurtosis: float, years: float) -> None:
    """The same paper: how many years show at 95% that an annual ratio of 2 is above 1."""
    record = Track(2 / periods**0.5, 24, skew, kurtosis)
    assert sharpe.minimum_track_record(record, 1 / periods**0.5) / periods == pytest.approx(years, abs=5e-3)


def test_the_expected_maximum_is_what_simulation_finds() -> None:
    best = noise(3, 20_000, 50).max(axis=1).mean()
    assert sharpe.expected_maximum_sharpe(50, 1.0) == pytest.approx(best, rel=0.02)
    assert sharpe.expected_maximum_sharpe(1, 1.0) == 0.0
    assert sharpe.expected_maximum_sharpe(1.1, 1.0) == 0.0


def test_a_track_has_scipys_moments() -> None:
    returns = np.random.default_rng(4).gamma(2.0, size=500) - 1.9
    record = sharpe.track(returns)
    assert record.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert (record.skew, record.kurtosis) == pytest.approx((stats.skew(returns), stats.kurtosis(returns, fisher=False)))
    assert sharpe.sharpe_ratio(returns, 252) == pytest.approx(record.sharpe * 252**0.5)


def test_the_probabilistic_sharpe_is_the_share_of_samples_under_the_null() -> None:
    """Under a true ratio of 0.1 with skew the PSR against 0.1 is about uniform; one that knows no skew is not as near."""
    rng = np.random.default_rng(5)
    draws = 2 - rng.exponential(size=(3000, 250))
    draws = draws - 1 + 0.1
    records = [sharpe.track(row) for row in draws]
    found = np.array([sharpe.probabilistic_sharpe(one, 0.1) for one in records])
    assert (found > 0.95).mean() == pytest.approx(0.05, abs=0.015)
    assert found.mean() == pytest.approx(0.5, abs=0.02)


records = st.builds(
    lambda ratio, size, skew, more: Track(ratio, size, skew, 1.5 + skew**2 + more),
    st.floats(-0.5, 0.5),
    st.integers(2, 5000),
    st.floats(-3, 3),
    st.floats(0, 20),
)


@given(record=records, benchmark=st.floats(-0.5, 0.5), trials=st.floats(1, 1e6), variance=st.floats(0, 1))
def test_probabilities_are_ordered(record: Track, benchmark: float, trials: float, variance: float) -> None:
    psr = sharpe.probabilistic_sharpe(record, benchmark)
    assert 0 <= psr <= 1
    assert (psr >= 0.5) == (record.sharpe >= benchmark) or abs(record.sharpe - benchmark) < 1e-9
    longer = Track(record.sharpe, 2 * record.observations, record.skew, record.kurtosis)
    assert abs(sharpe.probabilistic_sharpe(longer, benchmark) - 0.5) >= abs(psr - 0.5) - 1e-12
    deflated = sharpe.deflated_sharpe(record, trials, variance)
    assert sharpe.deflated_sharpe(record, 2 * trials, variance) <= deflated <= sharpe.probabilistic_sharpe(record)


@given(record=records.filter(lambda one: one.sharpe > 0.01), confidence=st.floats(0.55, 0.999))
def test_a_minimum_track_record_is_just_enough(record: Track, confidence: float) -> None:
    least = sharpe.minimum_track_record(record, 0.0, confidence)
    for size, enough in ((int(np.ceil(least)) + 1, True), (int(least) - 1, False)):
        if size >= 2:
            psr = sharpe.probabilistic_sharpe(Track(record.sharpe, size, record.skew, record.kurtosis))
            assert (psr >= confidence) == enough


def test_correlated_trials_count_as_fewer() -> None:
    common = noise(6, 5000, 1)
    assert sharpe.effective_trials(noise(7, 5000, 20)) == pytest.approx(20, abs=0.2)
    assert sharpe.effective_trials(common + 1e-9 * noise(7, 5000, 20)) == pytest.approx(1, abs=1e-6)
    assert sharpe.effective_trials(common + noise(7, 5000, 20)) == pytest.approx(0.5 + 0.5 * 20, abs=0.5)
    assert sharpe.effective_trials(common) == 1.0
    halves = sharpe.deflate(common + noise(7, 5000, 20)), sharpe.deflate(common + noise(7, 5000, 20), effective=True)
    assert halves[0].benchmark > halves[1].benchmark
    assert halves[0].best == halves[1].best


# Overfitting ----------------------------------------------------------------------------------------------------------------------------


def slow_overfitting(returns: Floats, splits: int) -> list[float]:
    """The logits by the paper's words: a way at a time, from the rows themselves."""
    blocks = np.split(returns, splits)
    logits = []
    for way in combinations(range(splits), splits // 2):
        inside = np.concatenate([blocks[i] for i in way])
        outside = np.concatenate([blocks[i] for i in range(splits) if i not in way])
        best = int((inside.mean(axis=0) / inside.std(axis=0, ddof=1)).argmax())
        ranks = stats.rankdata(outside.mean(axis=0) / outside.std(axis=0, ddof=1))
        omega = ranks[best] / (returns.shape[1] + 1)
        logits.append(np.log(omega / (1 - omega)))
    return logits


@pytest.mark.parametrize("seed", range(5))
def test_overfitting_is_what_brute_force_finds(seed: int) -> None:
    returns = 1e-2 * noise(seed, 48, 7) + 1e-3
    found = sharpe.backtest_overfitting(returns, 6)
    assert found.logits == pytest.approx(slow_overfitting(returns, 6))
    assert found.pbo == np.mean(np.array(slow_overfitting(returns, 6)) <= 0)
    assert len(found.logits) == 20


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(40, 90), columns=st.integers(2, 8), scale=st.floats(1e-4, 1e4))
def test_overfitting_knows_no_order_and_no_scale_of_strategies(seed: int, rows: int, columns: int, scale: float) -> None:
    returns = noise(seed, rows, columns)
    found = sharpe.backtest_overfitting(returns, 8)
    order = np.random.default_rng(seed).permutation(columns)
    other = sharpe.backtest_overfitting(scale * returns[:, order], 8)
    assert other.pbo == found.pbo
    assert (order[other.chosen] == found.chosen).all()
    assert 0 <= found.pbo <= 1


def test_overfitting_of_a_hundred_strategies_takes_less_than_three_seconds() -> None:
    returns = noise(8, 2500, 100)
    started = time.process_time()
    found = sharpe.backtest_overfitting(returns)
    assert time.process_time() - started < 3
    assert len(found.logits) == 12_870


def test_one_good_strategy_among_noise_is_not_overfit_and_a_curve_fit_is() -> None:
    returns = noise(9, 2000, 20)
    assert sharpe.backtest_overfitting(returns + np.eye(20)[3] * 0.2).pbo < 0.01
    # What works in half of the time and fails in the other is chosen for the wrong half.
    way = np.sign(noise(10, 16, 20) + 0.0)
    way -= way.mean(axis=0)
    assert sharpe.backtest_overfitting(returns + np.repeat(way, 125, axis=0)).pbo > 0.9


# Noise and skill ------------------------------------------------------------------------------------------------------------------------


def test_noise_does_not_pass_the_deflated_sharpe_and_would_pass_the_naive_one() -> None:
    """200 experiments of 50 strategies without skill, the best one judged; the control, PSR > 0.95, is fooled nearly always."""
    judged = [sharpe.deflate(0.01 * noise(1000 + seed, 1000, 50)) for seed in range(200)]
    assert np.mean([one.dsr < 0.95 for one in judged]) >= 0.95
    assert np.mean([one.psr > 0.95 for one in judged]) > 0.8
    assert np.mean([one.dsr for one in judged]) == pytest.approx(0.5, abs=0.1)


def test_noise_with_fat_tails_and_a_common_factor_does_not_pass_either() -> None:
    passed = {False: 0, True: 0}
    for seed in range(100):
        rng = np.random.default_rng(2000 + seed)
        returns = rng.standard_t(4, (1000, 50)) + rng.standard_t(4, (1000, 1))
        for effective in passed:
            passed[effective] += sharpe.deflate(returns, effective=effective).dsr >= 0.95
    assert passed[False] <= 5
    assert passed[True] <= 10


def test_overfitting_of_noise_is_a_half() -> None:
    found = [sharpe.backtest_overfitting(noise(3000 + seed, 500, 50), 10).pbo for seed in range(200)]
    assert 0.4 <= np.mean(found) <= 0.6


def test_known_alpha_passes_the_deflated_sharpe() -> None:
    """One strategy of an annual ratio of 2 over ten years among 49 without skill."""
    passed = []
    for seed in range(40):
        returns = 0.01 * noise(4000 + seed, 2520, 50)
        returns[:, 17] += 0.01 * 2 / 252**0.5
        found = sharpe.deflate(returns)
        passed.append(found.best == 17 and found.dsr > 0.95)
    assert np.mean(passed) >= 0.9


# HAC, Diebold-Mariano -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 1, 5, 30])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_hac_t_is_that_of_statsmodels(seed: int, lag: int) -> None:
    values = 0.1 + autoregressive(seed, 300)
    fitted = sm.OLS(values, np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    found = scores.hac_mean(values, lag)
    assert (found.mean, found.error, found.t) == pytest.approx((values.mean(), fitted.bse[0], fitted.tvalues[0]))
    assert (found.lag, found.count) == (lag, 300)


@pytest.mark.parametrize("phi", [-0.4, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_automatic_lag_is_that_of_arch(phi: float, seed: int) -> None:
    """At 100 values, where the paper's n is 4 whether it is rounded down, as in the paper, or up, as in arch."""
    from arch.covariance.kernel import Bartlett

    values = autoregressive(seed, 100, phi)
    assert scores.automatic_lag(values) == min(int(Bartlett(values).opt_bandwidth), 25)
    assert scores.hac_mean(values).lag == scores.automatic_lag(values)


def test_the_t_of_dependent_noise_is_honest_and_the_naive_one_is_not() -> None:
    ts = [(scores.hac_mean(x).t, scores.hac_mean(x, 0).t) for x in (autoregressive(seed, 500, 0.6) for seed in range(300))]
    hac, naive = (np.abs(np.array(ts)) > 1.96).mean(axis=0)
    assert hac < 0.12
    assert naive > 0.2


def test_one_step_ahead_without_lags_diebold_mariano_is_the_paired_t_test() -> None:
    first, second = noise(12, 80) ** 2, noise(13, 80) ** 2
    found = scores.diebold_mariano(first, second, lag=0)
    known = stats.ttest_rel(first, second)
    assert (found.statistic, found.p) == pytest.approx((known.statistic, known.pvalue))
    assert found.difference == pytest.approx((first - second).mean())
    other = scores.diebold_mariano(second, first, lag=0)
    assert (other.statistic, other.p) == pytest.approx((-found.statistic, found.p))


def test_diebold_mariano_takes_the_horizon_into_account() -> None:
    """Against the formula written out: Bartlett variance at lag 3, Harvey's factor at h = 4."""
    first, second = autoregressive(14, 120) ** 2, autoregressive(15, 120) ** 2
    d = first - second
    fitted = sm.OLS(d, np.ones(120)).fit(cov_type="HAC", cov_kwds={"maxlags": 3, "use_correction": False})
    known = fitted.tvalues[0] * ((120 + 1 - 2 * 4 + 4 * 3 / 120) / 120) ** 0.5
    found = scores.diebold_mariano(first, second, horizon=4, lag=3)
    assert (found.statistic, found.p) == pytest.approx((known, 2 * stats.t.sf(abs(known), 119)))
    assert scores.diebold_mariano(first, second, horizon=30).lag >= 29


def test_diebold_mariano_of_equal_forecasts_rejects_as_often_as_it_says() -> None:
    found = [scores.diebold_mariano(noise(seed, 200) ** 2, noise(seed + 10_000, 200) ** 2).p for seed in range(400)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.04)
    assert scores.diebold_mariano(noise(1, 300) ** 2, 1.5 + noise(2, 300) ** 2).p < 1e-6


# Correlation, classes, probabilities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [False, True])
def test_information_coefficients_are_scipys_date_by_date(rank: bool) -> None:
    rng = np.random.default_rng(16)
    dates = np.array(["2020-01-03", "2020-01-01", "2020-01-02"], dtype="M8[D]").repeat([30, 7, 12])
    x, y = rng.integers(0, 6, len(dates)), rng.standard_normal(len(dates))  # integers: many ties
    shuffled = rng.permutation(len(dates))
    found = scores.information_coefficients(x[shuffled], y[shuffled], dates[shuffled], rank=rank)
    known = stats.spearmanr if rank else stats.pearsonr
    assert list(found.dates) == sorted(set(dates))
    assert found.values == pytest.approx([known(x[dates == one], y[dates == one]).statistic for one in found.dates])


def test_a_planted_ic_has_a_large_t_and_a_shuffled_one_does_not() -> None:
    dates, x = np.arange(250).repeat(40), noise(17, 10_000)
    y = 0.05 * x + noise(18, 10_000)
    told = [scores.hac_mean(scores.information_coefficients(x, y, dates, rank=rank).values) for rank in (False, True)]
    assert all(4 < one.t < 7 and one.mean == pytest.approx(0.05, abs=0.025) for one in told)
    shuffled = np.random.default_rng(19).permutation(10_000)
    assert abs(scores.hac_mean(scores.information_coefficients(x[shuffled], y, dates).values).t) < 3


@settings(max_examples=50, deadline=None)
@given(data=st.data(), rows=st.integers(4, 60), classes=st.sampled_from([2, 3, 5]))
def test_matthews_is_sklearns(data: st.DataObject, rows: int, classes: int) -> None:
    kind = arrays(np.int64, rows, elements=st.integers(-1, classes - 2)).filter(lambda one: len(np.unique(one)) > 1)
    truth, forecast = data.draw(kind), data.draw(kind)
    assert scores.matthews(truth, forecast) == pytest.approx(metrics.matthews_corrcoef(truth, forecast), abs=1e-12)
    assert scores.matthews(truth, truth) == pytest.approx(1.0)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(4, 80), classes=st.sampled_from([2, 3]))
def test_log_loss_and_brier_are_sklearns(seed: int, rows: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    chances, happened = rng.dirichlet(np.ones(classes), rows), np.arange(rows) % classes
    assert scores.log_loss(chances, happened) == pytest.approx(metrics.log_loss(happened, chances))
    assert scores.brier(chances, happened) == pytest.approx(metrics.brier_score_loss(happened, chances, scale_by_half=False))
    if classes == 2:
        up = chances[:, 1]
        assert scores.log_loss(up, happened) == pytest.approx(metrics.log_loss(happened, up))
        assert scores.brier(up, happened) == pytest.approx(metrics.brier_score_loss(happened, up))


@pytest.mark.parametrize("equal_counts", [False, True])
def test_the_calibration_curve_is_sklearns(equal_counts: bool) -> None:
    said = np.random.default_rng(20).beta(2, 5, 2000)
    happened = np.random.default_rng(21).random(2000) < said
    found = scores.calibration(said, happened, 8, equal_counts=equal_counts)
    share, mean = calibration_curve(happened, said, n_bins=8, strategy="quantile" if equal_counts else "uniform")
    assert (found.happened, found.said) == (pytest.approx(share), pytest.approx(mean))
    assert found.count.sum() == 2000
    assert found.error < 0.04
    assert scores.expected_calibration_error(said**0.5, happened) > 0.15


def test_calibration_by_hand() -> None:
    found = scores.calibration([0.0, 0.1, 0.9, 1.0], [0, 1, 1, 1], 2)
    assert (found.said, found.happened) == (pytest.approx([0.05, 0.95]), pytest.approx([0.5, 1.0]))
    assert found.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)
    assert scores.expected_calibration_error([0.0, 0.1, 0.9, 1.0], [0, 1, 1, 1], 2) == found.error


def test_r2_against_zero_and_against_the_mean() -> None:
    truth, said = 1 + noise(22, 200), 1 + 0.1 * noise(23, 200)
    assert scores.r2_in_sample(truth, said) == pytest.approx(metrics.r2_score(truth, said))
    assert scores.r2_out_of_sample(truth, said) == pytest.approx(1 - ((truth - said) ** 2).sum() / (truth**2).sum())
    assert scores.r2_out_of_sample(truth, np.zeros(200)) == pytest.approx(0.0, abs=1e-12)
    assert scores.r2_out_of_sample(truth, truth) == 1.0
    assert scores.r2_out_of_sample(truth, np.full(200, truth.mean())) > 0.3  # the mean is no forecast of nothing


# Money ----------------------------------------------------------------------------------------------------------------------------------


def slow_net(forecast: Floats, move: Floats, half: Floats, horizon: int, band: float) -> list[tuple[int, float, float]]:
    rows, free = [], 0
    for i in range(len(forecast)):
        if i >= free and abs(forecast[i]) > band:
            rows.append((i, float(np.sign(forecast[i]) * move[i]), float(2 * half[i])))
            free = i + horizon
    return rows


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 60), horizon=st.integers(1, 9), band=st.floats(0, 2))
def test_net_of_spread_is_the_loop_written_out(seed: int, rows: int, horizon: int, band: float) -> None:
    forecast, move, half = noise(seed, rows), noise(seed + 1, rows), np.abs(noise(seed + 2, rows))
    found = scores.net_of_spread(forecast, move, half, horizon=horizon, band=band)
    known = np.array(slow_net(forecast, move, half, horizon, band)).reshape(-1, 3)
    assert np.column_stack([found.places, found.gross, found.cost]) == pytest.approx(known)
    assert found.net == pytest.approx(found.gross - found.cost)
    assert found.count == len(found.places)


def test_net_of_spread_by_hand() -> None:
    found = scores.net_of_spread([3.0, -3.0, 0.5, 1.0], [2.0, 1.0, 5.0, 9.0], 0.5, exit_half_spread=[0.5, 1.0, 0.0, 0.0])
    assert list(found.places) == [0, 1]  # |1.0| is not above the band of 1.0
    assert list(found.net) == [1.0, -2.5]
    assert found.mean_net == -0.75
    none = scores.net_of_spread([0.1], [1.0], 0.5)
    assert (none.count, none.mean_net) == (0, None)


def test_an_edge_below_the_spread_loses_money() -> None:
    signal = noise(24, 20_000)
    move = 0.3 * signal + noise(25, 20_000)
    assert (scores.net_of_spread(signal, move, 0.05, band=0.0).mean_net or 0) > 0
    assert (scores.net_of_spread(signal, move, 0.5, band=0.0).mean_net or 0) < 0


# Resampling -----------------------------------------------------------------------------------------------------------------------------


def test_blocks_are_those_of_arch_and_longer_where_values_depend() -> None:
    from arch.bootstrap import optimal_block_length

    dependent = autoregressive(26, 1000, 0.8)
    assert resample.block_length(dependent) == pytest.approx(optimal_block_length(dependent)["stationary"].iloc[0])
    assert resample.block_length(dependent) > resample.block_length(noise(27, 1000)) >= 1.0
    assert resample.block_length(noise(27, 1000), dependent) == resample.block_length(dependent)


def test_stationary_rows_run_on_in_blocks_of_the_mean_length_and_wrap() -> None:
    rows = resample.stationary_rows(np.random.default_rng(28), 50, 4000, 5.0)
    assert rows.shape == (4000, 50)
    assert (rows.min(), rows.max()) == (0, 49)
    runs_on = (rows[:, 1:] - rows[:, :-1]) % 50 == 1
    assert runs_on.mean() == pytest.approx(1 - 1 / 5 + 1 / 5 / 50, abs=0.005)
    assert np.bincount(rows.ravel()) / rows.size == pytest.approx(np.full(50, 1 / 50), rel=0.05)


def test_an_interval_of_a_mean_is_about_as_wide_as_its_hac_error() -> None:
    values = autoregressive(29, 2000, 0.5)
    found = resample.mean_interval(values)
    assert found.estimate == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * scores.hac_mean(values).error, rel=0.15)
    assert found == resample.mean_interval(values)
    naive = resample.mean_interval(values, block=1)
    assert naive.high - naive.low < 0.7 * (found.high - found.low)


def test_intervals_hold_what_is_true_as_often_as_they_say() -> None:
    truth, held = 0.1, 0
    for seed in range(150):
        found = resample.sharpe_interval(noise(seed, 250) + truth, level=0.9, draws=300, seed=seed)
        held += found.low <= truth <= found.high
    assert 0.82 <= held / 150 <= 0.97


def test_the_mean_and_the_sharpe_interval_agree_on_what_is_above_zero() -> None:
    good, none = noise(30, 1000) + 0.2, noise(31, 1000)
    assert resample.mean_interval(good).p < 0.01
    assert resample.sharpe_interval(good).low > 0
    assert resample.sharpe_interval(none).p > 0.05
    better = resample.difference_interval(good, none)
    assert better.low > 0
    assert better.estimate == pytest.approx(good.mean() - none.mean())
    ratio = resample.difference_interval(good, 3 * good + noise(32, 1000), sharpe=True)  # three times the size is no better
    assert ratio.low < 0.05
    assert ratio.estimate == pytest.approx(sharpe.sharpe_ratio(good) - sharpe.sharpe_ratio(3 * good + noise(32, 1000)))


def test_a_superior_model_is_found_and_the_best_of_noise_is_not() -> None:
    benchmark, models = 1 + noise(33, 400) ** 2, 1 + noise(34, 400, 8) ** 2
    assert resample.superior(benchmark, models, draws=500).consistent > 0.05
    models[:, 5] -= 0.6
    found = resample.superior(benchmark, models, draws=500)
    assert found.consistent < 0.01
    assert found.better == (5,)
    assert found.lower <= found.consistent <= found.upper


def test_a_noisy_model_does_not_hide_a_sure_one() -> None:
    """Hansen's point against the plain maximum: it is studentised, so one wild model costs no power."""
    from arch.bootstrap import SPA

    benchmark = 1 + 0.1 * noise(35, 400)
    models = np.column_stack([benchmark - 0.05 + 0.1 * noise(36, 400), benchmark[:, None] + 20 * noise(37, 400, 5)])
    found = resample.superior(benchmark, models, draws=500, block=1)
    plain = SPA(benchmark, models, block_size=1, reps=500, seed=0)
    plain.compute()
    assert found.consistent < 0.01
    assert 0 in found.better
    assert plain.pvalues["consistent"] > 0.1


def test_superior_rejects_equal_models_as_seldom_as_it_says() -> None:
    p = [resample.superior(noise(seed, 150), noise(seed + 500, 150, 4), draws=200, block=1, seed=seed).consistent for seed in range(80)]
    assert np.mean(np.array(p) < 0.05) <= 0.13


def test_the_confidence_set_keeps_the_best_and_drops_the_worst() -> None:
    losses = 1 + noise(38, 400, 5) ** 2
    losses[:, 1] -= 0.5
    losses[:, 3] += 1.5
    found = resample.confidence_set(losses, draws=500)
    assert found.included == (1,)
    assert found.p[1] == 1.0
    assert found.p[3] < 0.05
    alike = resample.confidence_set(1 + noise(39, 400, 4) ** 2, draws=500)
    assert len(alike.included) >= 3


# What cannot be judged ------------------------------------------------------------------------------------------------------------------

GOOD = noise(40, 64)
UP = np.arange(64) % 2
CASES: list[tuple[str, Callable[[], Any], str]] = [
    ("nan returns", lambda: sharpe.sharpe_ratio([0.1, NAN, 0.2]), "returns, value 1: expected finite numbers, found nan"),
    ("infinite returns", lambda: sharpe.track([0.1, 1, 2, np.inf]), "returns, value 3: expected finite numbers, found inf"),
    ("no variance", lambda: sharpe.sharpe_ratio([0.1] * 9), "returns: expected values that vary, found 9 times 0.1"),
    ("one return", lambda: sharpe.sharpe_ratio([0.1]), "returns: expected at least 2 values, found 1"),
    ("short track", lambda: sharpe.track([0.1, 0.2, 0.3]), "returns: expected at least 4 values, found 3"),
    ("a table", lambda: sharpe.track(GOOD.reshape(8, 8)), r"returns: expected 1 dimension, found shape \(8, 8\)"),
    ("text", lambda: sharpe.track(["a", "b"]), "returns: expected numbers, found list"),
    ("periods", lambda: sharpe.sharpe_ratio(GOOD, 0), "periods: expected a number above 0"),
    ("moments", lambda: Track(0.1, 100, 2.0, 3.0), r"expected a kurtosis \(3 for a normal law\) of at least 1 \+ skew² = 5, found 3"),
    ("nan moments", lambda: Track(NAN, 100), "expected finite figures"),
    ("one observation", lambda: Track(0.1, 1), "at least 2 observations, found 1"),
    ("nan benchmark", lambda: sharpe.probabilistic_sharpe(Track(0.1, 100), NAN), "benchmark: expected a finite"),
    ("never enough", lambda: sharpe.minimum_track_record(Track(0.1, 100), 0.2), "no length is enough"),
    ("confidence", lambda: sharpe.minimum_track_record(Track(0.1, 100), 0.0, 0.4), "confidence: expected a share"),
    ("no trials", lambda: sharpe.expected_maximum_sharpe(0, 1.0), "trials: expected a number of at least 1, found 0"),
    ("negative variance", lambda: sharpe.expected_maximum_sharpe(5, -1.0), "expected a finite number of at least 0, found -1"),
    ("one trial", lambda: sharpe.sharpe_variance([0.1]), "sharpes of the trials: expected at least 2 values, found 1"),
    ("same trials", lambda: sharpe.sharpe_variance([0.1, 0.1]), "sharpes of the trials: expected values that vary"),
    ("still strategy", lambda: sharpe.deflate(np.column_stack([GOOD, 0 * GOOD])), "trials, column 1: expected values that vary"),
    ("one strategy", lambda: sharpe.backtest_overfitting(GOOD[:, None]), "expected at least 2 columns, found 1"),
    ("odd splits", lambda: sharpe.backtest_overfitting(noise(1, 64, 2), 7), "splits: expected an even number"),
    ("few rows", lambda: sharpe.backtest_overfitting(noise(1, 31, 2)), "expected at least 32 values, found 31"),
    ("still half", lambda: sharpe.backtest_overfitting(np.column_stack([GOOD, np.r_[GOOD[:32], np.zeros(32)]]), 4), "column 1: .* half"),
    ("nan strategy", lambda: sharpe.backtest_overfitting([[1.0, 2.0], [NAN, 1.0]] * 32), "value 1, 0: expected finite"),
    ("lengths", lambda: scores.r2_out_of_sample(GOOD, GOOD[:9]), r"forecast: expected as many values as outcome has \(64\), found 9"),
    ("zeros", lambda: scores.r2_out_of_sample(0 * GOOD, GOOD), "outcome: expected values that are not all 0"),
    ("still outcome", lambda: scores.r2_in_sample(0 * GOOD + 3, GOOD), "outcome: expected values that vary"),
    (
        "thin date",
        lambda: scores.information_coefficients(GOOD, GOOD, np.r_[np.zeros(62), 1, 1]),
        "date 1.0: expected at least 3 rows, found 2",
    ),
    ("still date", lambda: scores.information_coefficients(np.r_[GOOD[:32], np.ones(32)], GOOD, np.arange(64) // 32), "forecast, date 1:"),
    ("no date", lambda: scores.information_coefficients(GOOD, GOOD, np.full(64, "NaT", "M8[D]")), "dates, value 0"),
    ("dates", lambda: scores.information_coefficients(GOOD, GOOD, [1, 2]), "dates: expected as many values as forecast"),
    ("still series", lambda: scores.hac_mean(np.ones(9)), "values: expected values that vary"),
    ("lag", lambda: scores.hac_mean(GOOD, 64), "lag: expected a whole number from 0 to 63, found 64"),
    ("cancelling", lambda: scores.hac_mean([1, -1, 0, 0]), "expected autocovariances that do not cancel, found a sum of 0; name the lag"),
    ("same losses", lambda: scores.diebold_mariano(GOOD, GOOD), "losses: expected differences that vary"),
    ("constant lead", lambda: scores.diebold_mariano(GOOD, GOOD + 0.1), "losses: expected differences that vary"),
    ("horizon", lambda: scores.diebold_mariano(GOOD, GOOD[::-1], 0), "horizon: expected a whole number from 1"),
    ("one class", lambda: scores.matthews(np.ones(5), UP[:5]), "truth: expected two or more classes, found only class 1 in 5 values"),
    ("one forecast", lambda: scores.matthews(UP[:5], np.ones(5)), "forecast: expected two or more classes, found only class 1"),
    ("half a class", lambda: scores.matthews([0, 0.5], [0, 1]), "truth, value 1: expected a class as an integer, found 0.5"),
    ("nan class", lambda: scores.matthews([0, NAN], [0, 1]), "truth, value 1: expected finite"),
    ("one happened", lambda: scores.brier(np.full(5, 0.5), np.ones(5)), "happened: expected two or more classes"),
    ("certain", lambda: scores.log_loss([0.0, 0.5], [1, 0]), r"probability, row 0: expected more than 0 .*\(class 1\)"),
    ("above 1", lambda: scores.brier([0.2, 1.2], [0, 1]), r"probability, row 1: expected probabilities in \[0, 1\], found 1.2"),
    ("off sum", lambda: scores.brier([[0.2, 0.2], [0.5, 0.5]], [0, 1]), "probability, row 0: expected probabilities that add up to 1"),
    ("no such class", lambda: scores.brier([0.2, 0.2], [0, 2]), "happened: expected classes from 0 to 1, found 2"),
    ("bins", lambda: scores.calibration([0.2, 0.2], [0, 1], 0), "bins: expected a whole number from 1"),
    ("negative spread", lambda: scores.net_of_spread(GOOD, GOOD, -1.0), "half_spread, value 0: expected at least 0, found -1"),
    ("nan spread", lambda: scores.net_of_spread(GOOD, GOOD, NAN), "half_spread, value 0: expected finite"),
    ("nan band", lambda: scores.net_of_spread(GOOD, GOOD, 1.0, band=NAN), "band, value 0: expected finite"),
    ("spread lengths", lambda: scores.net_of_spread(GOOD, GOOD, GOOD[:3] ** 2), "half_spread: expected as many values as forecast"),
    ("short resample", lambda: resample.mean_interval(GOOD[:19]), "values: expected at least 20 values, found 19"),
    ("still resample", lambda: resample.mean_interval(np.ones(30)), "values: expected values that vary"),
    ("level", lambda: resample.mean_interval(GOOD, level=95), "level: expected a share above 0 and below 1, found 95"),
    ("draws", lambda: resample.mean_interval(GOOD, draws=10), "draws: expected a whole number of at least 100, found 10"),
    ("block", lambda: resample.mean_interval(GOOD, block=0.5), "block: expected a mean length from 1 to the series' 64, found 0.5"),
    ("same series", lambda: resample.difference_interval(GOOD, GOOD), "expected differences that vary"),
    ("benchmark among models", lambda: resample.superior(GOOD, np.column_stack([GOOD + 1, GOOD])), "models, column 0: .*vary"),
    ("twins", lambda: resample.confidence_set(np.column_stack([GOOD, GOOD[::-1], GOOD])), "losses, columns 0 and 2: expected models whose"),
]


@pytest.mark.parametrize(("call", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_cannot_be_judged_is_refused_in_a_sentence(call: Callable[[], Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        call()
