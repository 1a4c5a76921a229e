"""Scores by hand and at their bounds: each formula written out once more, each refusal on both sides of where it begins."""

import re

import numpy as np
import pytest
from scipy.stats import t as student

from tercet.errors import BadInput
from tercet.signals import scores


def noise(seed: int, rows: int) -> np.ndarray:
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(rows)


def slow_covariance(values: np.ndarray, lag: int) -> float:
    """γ(lag), divided by n."""
    mean = values.mean()
    return sum((values[i] - mean) * (values[i - lag] - mean) for i in range(lag, len(values))) / len(values)


@pytest.mark.parametrize(("rows", "lag"), [(3, 0), (3, 2), (10, 3), (60, 7)])
def test_the_hac_error_is_the_weighted_sum_of_autocovariances(rows, lag):
    values = noise(rows + lag, rows) + 0.3
    variance = slow_covariance(values, 0) + 2 * sum((1 - j / (lag + 1)) * slow_covariance(values, j) for j in range(1, lag + 1))
    found = scores.hac_mean(values, lag)
    assert (found.lag, found.count, found.mean) == (lag, rows, pytest.approx(values.mean()))
    assert found.error == pytest.approx((variance / rows) ** 0.5)
    assert found.t == pytest.approx(found.mean / found.error)


@pytest.mark.parametrize("rows", [3, 12, 100, 500])
def test_the_automatic_lag_is_the_rule_written_out(rows):
    values = np.convolve(noise(rows, rows + 4), np.ones(5), "valid")
    order = min(int(4 * (rows / 100) ** (2 / 9)), rows - 1)
    own = [slow_covariance(values, j) for j in range(order + 1)]
    s0, s1 = own[0] + 2 * sum(own[1:]), 2 * sum(j * own[j] for j in range(1, order + 1))
    wanted = int(min(1.1447 * ((s1 / s0) ** 2) ** (1 / 3) * rows ** (1 / 3), rows // 4))
    assert scores.automatic_lag(values) == wanted
    assert scores.hac_mean(values, None).lag == wanted


@pytest.mark.parametrize("lag", [-1, 5, 0.5])
def test_a_lag_that_is_no_whole_number_below_the_count_is_refused(lag):
    with pytest.raises(BadInput, match=re.escape(f"lag: expected a whole number from 0 to 4, found {lag}")):
        scores.hac_mean(noise(1, 5), lag)
    assert scores.hac_mean(noise(2, 5), 0).lag == 0


def test_a_mean_takes_three_values():
    assert scores.hac_mean([1.0, 2.0, 4.0], 0).count == 3
    with pytest.raises(BadInput, match="expected at least 3"):
        scores.hac_mean([1.0, 2.0], 0)


def test_an_information_coefficient_takes_three_rows_a_date_that_vary():
    dates = np.array([2, 1, 2, 1, 2, 1])
    found = scores.information_coefficients([1, 1, 2, 2, 3, 3], [1, 3, 2, 2, 4, 1], dates)
    assert found.dates.tolist() == [1, 2]
    assert found.values == pytest.approx([-1.0, np.corrcoef([1, 2, 3], [1, 2, 4])[0, 1]])
    assert scores.information_coefficients([1, 1, 2, 2, 3, 3], [1, 3, 2, 2, 4, 1], dates, rank=True).values == pytest.approx([-1.0, 1.0])
    tied = scores.information_coefficients([1, 1, 2, 5], [1, 2, 3, 4], np.zeros(4), rank=True).values
    assert tied == pytest.approx([np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3, 4])[0, 1]])
    with pytest.raises(BadInput, match="date 7: expected at least 3 rows, found 2"):
        scores.information_coefficients(np.arange(5.0), np.arange(5.0), [1, 1, 1, 7, 7])
    for one, other, name in (([1.0, 1, 1], [1.0, 2, 3], "forecast"), ([1.0, 2, 3], [4.0, 4, 4], "outcome")):
        with pytest.raises(BadInput, match=f"{name}, date 5: expected values that vary"):
            scores.information_coefficients(one, other, [5, 5, 5])
    with pytest.raises(BadInput, match=re.escape("dates, value 1: expected a date, found none (NaT)")):
        scores.information_coefficients(np.arange(3.0), np.arange(3.0), np.array(["2020-01-01", "NaT", "2020-01-01"], "M8[D]"))


def test_matthews_by_hand():
    truth, said = [1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1]
    assert scores.matthews(truth, said) == pytest.approx((2 * 2 - 1 * 1) / 9)
    assert scores.matthews(truth, truth) == pytest.approx(1.0)
    assert scores.matthews(truth, [1 - one for one in truth]) == pytest.approx(-1.0)


def test_losses_of_probabilities_by_hand_and_where_they_end():
    assert scores.log_loss([0.25, 0.5], [1, 0]) == pytest.approx(-(np.log(0.25) + np.log(0.5)) / 2)
    assert scores.brier([0.25, 0.5], [1, 0]) == pytest.approx((0.75**2 + 0.5**2) / 2)
    assert scores.brier([[0.25, 0.75], [0.5, 0.5]], [1, 0]) == pytest.approx((2 * 0.25**2 + 2 * 0.5**2) / 2)
    with pytest.raises(BadInput, match=re.escape("probability, row 1: expected more than 0 for what happened (class 0), found 0")):
        scores.log_loss([0.5, 1.0], [1, 0])
    for wrong in (-1, 2):
        with pytest.raises(BadInput, match=f"happened: expected classes from 0 to 1, found {wrong}"):
            scores.brier([0.5, 0.5], [0, wrong])


def test_bins_of_one_count_and_of_one_width_hold_what_they_say():
    chances, happened = [0.05, 0.1, 0.15, 0.95], [0, 1, 0, 1]
    wide = scores.calibration(chances, happened, 2)
    assert (wide.count.tolist(), wide.said, wide.happened) == ([3, 1], pytest.approx([0.1, 0.95]), pytest.approx([1 / 3, 1.0]))
    even = scores.calibration(chances, happened, 2, equal_counts=True)
    assert (even.count.tolist(), even.said, even.happened) == ([2, 2], pytest.approx([0.075, 0.55]), pytest.approx([0.5, 0.5]))
    assert wide.error == pytest.approx((3 * abs(1 / 3 - 0.1) + 0.05) / 4)
    assert scores.calibration(chances, happened, 1).count.tolist() == [4]
    assert len(scores.calibration(np.linspace(0.0, 1.0, 101), np.tile([0, 1], 51)[:101]).count) == 10
    with pytest.raises(BadInput, match="bins: expected a whole number from 1 to inf, found 0"):
        scores.calibration(chances, happened, 0)


def test_r2_needs_an_outcome():
    with pytest.raises(BadInput, match="outcome: expected values that are not all 0, found 2 zeros"):
        scores.r2_out_of_sample([0.0, 0.0], [1.0, 1.0])
    assert scores.r2_out_of_sample([1.0, 2.0], [0.0, 2.0]) == pytest.approx(0.8)
    assert scores.r2_in_sample([1.0, 3.0], [1.0, 2.0]) == pytest.approx(0.5)


@pytest.mark.parametrize(("rows", "horizon", "lag"), [(40, 1, None), (40, 4, None), (30, 3, 5), (12, 2, 0)])
def test_diebold_mariano_is_the_corrected_t_written_out(rows, horizon, lag):
    first, second = noise(rows, rows) ** 2, noise(rows + 1, rows) ** 2 + 0.2
    difference = first - second
    taken = min(max(horizon - 1, scores.automatic_lag(difference)), rows - 1) if lag is None else lag
    plain = scores.hac_mean(difference, taken)
    factor = (rows + 1 - 2 * horizon + horizon * (horizon - 1) / rows) / rows
    found = scores.diebold_mariano(first, second, horizon, lag)
    assert (found.difference, found.lag) == (pytest.approx(difference.mean()), taken)
    assert found.statistic == pytest.approx(plain.t * factor**0.5)
    assert found.p == pytest.approx(2 * student.sf(abs(found.statistic), rows - 1))


def test_losses_that_do_not_differ_or_are_too_few_for_their_horizon_are_refused():
    with pytest.raises(BadInput, match="expected differences that vary"):
        scores.diebold_mariano([1.0, 2.0, 3.0], [0.0, 1.0, 2.0])
    with pytest.raises(BadInput, match="horizon: expected a whole number from 1 to 3, found 4"):
        scores.diebold_mariano(noise(1, 4), noise(2, 4), 4)
    with pytest.raises(BadInput, match="horizon: expected a whole number from 1 to 3, found 0"):
        scores.diebold_mariano(noise(1, 4), noise(2, 4), 0)


@pytest.mark.parametrize("name", ["half_spread", "exit_half_spread", "band"])
def test_a_cost_below_zero_is_named_and_zero_is_none(name):
    costs = {"half_spread": [0.0, 0.0], "band": [0.0, 0.0], "exit_half_spread": [0.0, 0.0]}
    assert scores.net_of_spread([1.0, -1.0], [2.0, 3.0], **costs).net.tolist() == [2.0, -3.0]
    with pytest.raises(BadInput, match=f"{name}, value 1: expected at least 0, found -0.5"):
        scores.net_of_spread([1.0, -1.0], [2.0, 3.0], **costs | {name: [0.0, -0.5]})


def test_a_trade_follows_a_trade_when_its_horizon_is_over():
    found = scores.net_of_spread(np.ones(7), np.arange(7.0), 0.0, horizon=3)
    assert (found.places.tolist(), found.gross.tolist(), found.count) == ([0, 3, 6], [0.0, 3.0, 6.0], 3)
    assert scores.net_of_spread(np.ones(3), np.arange(3.0), 0.0, horizon=1).places.tolist() == [0, 1, 2]
    band = scores.net_of_spread([2.0, 2.1, -2.1], [1.0, 1.0, 1.0], 1.0)  # twice the half spread, and beyond it
    assert (band.places.tolist(), band.cost.tolist()) == ([1, 2], [2.0, 2.0])
