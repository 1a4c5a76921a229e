"""The judges of value at risk and shortfall: they agree with other computations, are fair to what is right and find what is wrong."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2, norm

from tercet.errors import BadInput
from tercet.risk.backtests import (
    Check,
    backtest,
    below,
    conditional,
    dynamic_quantile,
    fz0,
    independent,
    shortfalls,
    unconditional,
)
from tercet.risk.shapes import Normal, worst
from tercet.risk.tail import Tail
from tercet.signals.series import Floats

RUNS = 400
Hits = np.ndarray


def made_hits(level: float = 0.05, count: int = 1000, seed: int = 0) -> Hits:
    return np.random.default_rng(seed).random(count) < level


def normal_tail(deviation: Floats, level: float) -> Tail:
    quantile, beyond = Normal().at(level)
    return Tail(deviation * quantile, deviation * beyond)


@given(st.integers(0, 40), st.sampled_from([0.01, 0.05]))
@settings(max_examples=30, deadline=None)
def test_kupiec_is_the_ratio_of_two_binomial_likelihoods(count: int, level: float) -> None:
    hits = np.zeros(500, dtype=bool)
    hits[:count] = True
    found = unconditional(hits, level)
    expected = 2 * (binom.logpmf(count, 500, count / 500) - binom.logpmf(count, 500, level))
    assert found.statistic == pytest.approx(expected, abs=1e-8)
    assert found.p == pytest.approx(chi2.sf(expected, 1), abs=1e-8)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_christoffersen_is_a_chain_against_none_day_by_day(seed: int) -> None:
    hits = made_hits(0.1, 200, seed)
    after = {before: hits[1:][hits[:-1] == before] for before in (False, True)}
    chain = sum(np.log(after[b].mean() if hit else 1 - after[b].mean()) for b in after for hit in after[b])
    alone = sum(np.log(hits[1:].mean() if hit else 1 - hits[1:].mean()) for hit in hits[1:])
    found = independent(hits)
    assert found.statistic == pytest.approx(2 * (chain - alone), abs=1e-8)
    both = conditional(hits, 0.05)
    assert both.statistic == pytest.approx(found.statistic + unconditional(hits, 0.05).statistic)
    assert both.p == pytest.approx(chi2.sf(both.statistic, 2))


def test_the_dynamic_quantile_test_is_a_regression_of_hits() -> None:
    hits, var = made_hits(), -np.exp(np.random.default_rng(1).standard_normal(1000))
    x = np.array([[1.0, *(float(hits[t - j]) for j in (1, 2, 3, 4)), var[t]] for t in range(4, 1000)])
    moment = x.T @ (hits[4:] - 0.05)
    found = dynamic_quantile(hits, var, 0.05)
    assert found.statistic == pytest.approx(moment @ np.linalg.solve(x.T @ x, moment) / (0.05 * 0.95))
    assert found.p == pytest.approx(chi2.sf(found.statistic, 6))
    still = dynamic_quantile(hits, np.full(1000, -2.0), 0.05)  # says what the one says
    assert still.p == pytest.approx(chi2.sf(still.statistic, 5))


TESTS: dict[str, Callable[[Hits, Floats], Check]] = {
    "unconditional": lambda hits, var: unconditional(hits, 0.05),
    "independent": lambda hits, var: independent(hits),
    "conditional": lambda hits, var: conditional(hits, 0.05),
    "dynamic": lambda hits, var: dynamic_quantile(hits, var, 0.05),
}


@pytest.mark.parametrize("name", TESTS)
def test_of_right_forecasts_one_in_twenty_is_refused(name: str) -> None:
    var = -np.exp(0.3 * np.random.default_rng(0).standard_normal(2000))
    refused = sum(TESTS[name](made_hits(0.05, 2000, seed), var).p < 0.05 for seed in range(RUNS))
    assert 0.025 < refused / RUNS < 0.085


def test_too_many_hits_are_found() -> None:
    found = [unconditional(made_hits(0.075, 1000, seed), 0.05).p < 0.05 for seed in range(100)]
    assert sum(found) > 80


def test_hits_that_come_together_are_found_though_they_are_as_many_as_they_should_be() -> None:
    rng, refused, fair = np.random.default_rng(0), 0, 0
    for _ in range(100):
        calm, wild = 0.02, 0.25  # of a Markov chain whose share of hits is near 2 / 77
        hits = np.zeros(2000, dtype=bool)
        for t in range(1, 2000):
            hits[t] = rng.random() < (wild if hits[t - 1] else calm)
        refused += independent(hits).p < 0.05
        fair += unconditional(hits, calm / (1 - wild + calm)).p < 0.05
    assert refused > 80
    assert fair < 40


def test_hits_that_follow_the_value_at_risk_are_found_by_the_dynamic_test() -> None:
    rng, refused = np.random.default_rng(0), 0
    for _ in range(100):
        var = -np.exp(0.5 * rng.standard_normal(1500))
        refused += dynamic_quantile(rng.random(1500) < np.clip(0.05 - 0.05 * (var - var.mean()), 0, 1), var, 0.05).p < 0.05
    assert refused > 80


# How far --------------------------------------------------------------------------------------------------------------------------------


def test_fz0_of_rows_written_by_hand() -> None:
    found = fz0([-3.0, 1.0] * 10, [-2.0, -2.0] * 10, [-2.5, -2.5] * 10, 0.05)
    assert found[0] == pytest.approx(1 / (0.05 * 2.5) * (-2.0 + 3.0) + 0.8 + np.log(2.5) - 1)
    assert found[1] == pytest.approx(0.8 + np.log(2.5) - 1)


@pytest.mark.parametrize("level", [0.01, 0.05])
def test_fz0_is_least_for_the_truth(level: float) -> None:
    returns = np.random.default_rng(0).standard_normal(400_000)
    quantile, beyond = worst(returns, level)
    assert (quantile, beyond) == pytest.approx(Normal().at(level), rel=0.02)

    def loss(of_var: float, of_es: float) -> float:
        return float(fz0(returns, np.full(len(returns), of_var), np.full(len(returns), of_es), level).mean())

    best = loss(quantile, beyond)
    assert all(loss(quantile * a, beyond * b) > best for a, b in [(0.95, 1), (1.05, 1), (1, 0.95), (1, 1.05), (0.95, 0.95), (1.05, 1.05)])


def test_shortfall_statistics_of_days_written_by_hand() -> None:
    returns = np.r_[-3.0, -5.0, np.ones(98)]
    found = shortfalls(returns, np.full(100, -2.0), np.full(100, -4.0), 0.05)
    assert found.given is not None
    assert found.given.statistic == pytest.approx(1 - (3 / 4 + 5 / 4) / 2)
    assert found.whole.statistic == pytest.approx(1 - (3 / 4 + 5 / 4) / 5)
    none = shortfalls(np.ones(100), np.full(100, -2.0), np.full(100, -4.0), 0.05)
    assert none.given is None
    assert none.whole.statistic == 1
    assert none.whole.p == 1


@pytest.mark.parametrize("index", [-0.0, 0.3])
def test_right_shortfalls_are_refused_one_time_in_twenty(index: float) -> None:
    rng, size, level = np.random.default_rng(0), 1000, 0.05
    var, es = np.full(size, -2.0), np.full(size, -3.0)
    given, whole = 0, 0
    for _ in range(200):
        drawn = rng.standard_exponential(size)
        beyond = drawn if index == 0 else (1 - index) / index * np.expm1(index * drawn)
        returns = np.where(rng.random(size) < level, var + (es - var) * beyond, 1.0)
        found = shortfalls(returns, var, es, level, index=index, draws=500)
        given += found.given is not None and found.given.p < 0.05
        whole += found.whole.p < 0.05
    assert 0.02 < given / 200 < 0.1
    assert 0.02 < whole / 200 < 0.1


def test_shortfalls_of_a_normal_are_found_too_small_where_tails_are_fat_though_its_value_at_risk_is_right() -> None:
    rng, level, refused = np.random.default_rng(0), 0.05, 0
    for _ in range(50):
        returns = rng.standard_t(3, 2000)
        quantile = -2.3534
        tail = Tail(np.full(2000, quantile), np.full(2000, quantile * Normal().at(level)[1] / float(norm.ppf(level))))
        found = shortfalls(returns, tail.var, tail.es, level, draws=500)
        refused += found.given is not None and found.given.p < 0.05
    assert refused > 45


def test_all_judges_pass_what_is_right_and_refuse_what_is_too_small() -> None:
    rng = np.random.default_rng(3)
    deviation = np.exp(0.4 * rng.standard_normal(3000))
    returns = deviation * rng.standard_normal(3000)
    right = backtest(returns, normal_tail(deviation, 0.05), 0.05)
    assert right.passed()
    assert right.hits == below(returns, normal_tail(deviation, 0.05).var).sum()
    small = backtest(returns, normal_tail(0.8 * deviation, 0.05), 0.05)
    assert not small.passed()
    assert max(small.p["Kupiec"], small.p["Z2"]) < 0.001
    blind = backtest(returns, normal_tail(np.full(3000, returns.std()), 0.05), 0.05)
    assert blind.loss > right.loss
    assert list(right.p) == ["Kupiec", "independence", "Christoffersen", "DQ", "Z1", "Z2"]


FINE = np.linspace(-3.0, 3.0, 50)
LINE = np.full(50, -2.0)
BAD: dict[str, tuple[Callable[[], object], str]] = {
    "a hole": (lambda: below(np.r_[FINE[:-1], np.nan], LINE), "returns, value 49: expected finite numbers"),
    "a value at risk above 0": (lambda: below(FINE, -LINE), "value at risk of day 0 was 2; expected returns below 0"),
    "lengths": (lambda: below(FINE, LINE[1:]), "expected as many values as returns has"),
    "few": (lambda: below(FINE[:5], LINE[:5]), "expected at least 20 values, found 5"),
    "hits that are numbers": (lambda: unconditional(np.ones(50), 0.05), "expected 20 or more of yes or no"),
    "a level of a half": (lambda: unconditional(FINE < LINE, 0.5), "level was 0.5; expected one above 0 and below .5"),
    "a level of 0": (lambda: fz0(FINE, LINE, LINE - 1, 0.0), "level was 0.0"),
    "too many lags": (lambda: dynamic_quantile(FINE < LINE, LINE, 0.05, 20), "lags were 20 of 50 days"),
    "a shortfall above": (lambda: shortfalls(FINE, LINE, LINE + 1, 0.05), "shortfall of day 0 was above the value at risk"),
    "a shortfall above 0": (lambda: fz0(FINE, LINE, -LINE, 0.05), "expected returns below 0"),
    "an index of 1": (lambda: shortfalls(FINE, LINE, LINE - 1, 0.05, index=1.0), "index was 1.0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_judged_is_refused_in_a_sentence(name: str) -> None:
    ask, why = BAD[name]
    with pytest.raises(BadInput, match=why):
        ask()
