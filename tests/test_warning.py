"""Warnings of falls and the posture that is held: told from the past alone, worse when anything is worse, within the budget of alarms."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from tercet.errors import BadInput
from tercet.risk.assets import AssetDays
from tercet.risk.days import MarketDays, market_days, with_vix
from tercet.risk.fusions import WARNINGS, Logistic, mean_of, trees
from tercet.risk.indicators import INDICATORS, TREND, UNREST, WarningDays, averaged, unusual
from tercet.risk.monotone import logistic_weights
from tercet.risk.standing import LATELY, StandingSettings, depths, forecasts, held, posture_league, stood, usual, width
from tercet.risk.warning import FallSettings, alarms, falls, lasting, learnable, probability
from tercet.risk.warningleague import WarningSettings, area, average_precision, caught, episodes, warning_league
from tercet.signals.timed import EVENT, KNOWN, Table
from tercet.signals.trials import Ledger

DAY = 86_400 * 10**9
ROUGH = FallSettings(depth=0.08, days=20, apart=40)


@cache
def made(count: int = 1600, seed: int = 0) -> WarningDays:
    """A market whose unrest comes and goes, falling when it does; five assets in it, and a VIX that follows."""
    rng = np.random.default_rng(seed)
    log = np.zeros(count)
    for day in range(1, count):
        log[day] = 0.98 * log[day - 1] + 0.15 * rng.standard_normal()
    deviation = np.exp(log)
    returns = deviation * rng.standard_normal(count) - 0.15 * (deviation - 1)
    known = np.arange(1, count + 1) * DAY
    assets = AssetDays(known, tuple("ABCDE"), returns[:, None] * np.linspace(0.6, 1.4, 5) + rng.standard_normal((count, 5)))
    return WarningDays(MarketDays(known, returns, vix=16 * deviation * np.exp(0.1 * rng.standard_normal(count))), assets)


def test_a_fall_is_ahead_where_a_close_of_the_next_days_is_so_much_lower() -> None:
    level = np.array([100.0, 99.0, 95.0, 90.0, 92.0, 91.0, 90.5, 100.0])
    ahead, until = falls(level, FallSettings(depth=0.09, days=2))
    assert ahead[:6].tolist() == [0, 1, 0, 0, 0, 0]  # 90 is 9.1% below 99
    assert until.tolist() == [-1, 2, -1, -1, -1, -1, -1, -1]
    assert np.isnan(ahead[6:]).all()
    assert learnable(ahead, 4, FallSettings(depth=0.09, days=2)).tolist() == [True, True, True, *[False] * 5]


@pytest.mark.parametrize("name", WARNINGS)
def test_nothing_that_was_said_changes_with_what_comes_later(name: str) -> None:
    days, one = made(), WARNINGS[name]
    whole = one.said(days, ROUGH)
    for count in (700, 1301):
        np.testing.assert_allclose(one.said(days.until(count), ROUGH), whole[:count], rtol=1e-9, equal_nan=True)
    score = probability(whole, days, ROUGH)
    np.testing.assert_allclose(probability(whole[:1301], days.until(1301), ROUGH), score[:1301], rtol=1e-9, equal_nan=True)
    assert (alarms(whole[:1301], days.until(1301), ROUGH) == alarms(whole, days, ROUGH)[:1301]).all()


def test_every_indicator_is_told_and_the_simple_ones_are_what_they_say() -> None:
    days = made()
    for one in INDICATORS.values():
        assert np.isfinite(one.said(days)[600:]).all(), one.name
    level = days.level
    row = 900
    assert INDICATORS["drawdown/63"].said(days)[row] == pytest.approx(1 - level[row] / level[row - 63 : row + 1].max())
    assert INDICATORS["below mean/50"].said(days)[row] == pytest.approx(np.log(level[row - 49 : row + 1].mean() / level[row]))
    assert INDICATORS["lost/21"].said(days)[row] == pytest.approx(np.log(level[row - 21] / level[row]))
    weights = 0.94 ** np.arange(row, -1, -1)
    squares = days.market.returns[: row + 1] ** 2
    assert averaged(squares, 0.94)[-1] == pytest.approx((weights * squares).sum() / weights.sum())
    matrix = np.corrcoef(days.assets.returns[row - 125 : row + 1], rowvar=False)  # type: ignore[union-attr]
    assert INDICATORS["correlation"].said(days)[row] == pytest.approx((matrix.sum() - 5) / 20)


@given(st.integers(400, 1500), st.floats(0.5, 8), st.sampled_from([one.name for one in (*TREND, *UNREST)]))
@settings(max_examples=40, deadline=None)
def test_a_deeper_last_fall_never_lowers_an_indicator_nor_the_fused_one(row: int, more: float, name: str) -> None:
    days = made().until(row + 1)
    returns = days.market.returns.copy()
    returns[row] = -abs(returns[row])
    mild = WarningDays(replace(days.market, returns=returns.copy()), days.assets)
    returns[row] -= more
    bad = WarningDays(replace(days.market, returns=returns), days.assets)
    assert INDICATORS[name].said(bad)[row] >= INDICATORS[name].said(mild)[row] - 1e-12
    fused = WARNINGS["fused"]
    assert fused.said(bad, ROUGH)[row] >= fused.said(mild, ROUGH)[row] - 1e-12


@given(st.lists(st.floats(-4, 4), min_size=6, max_size=6), st.integers(0, 5), st.floats(0, 3))
@settings(max_examples=30, deadline=None)
def test_what_is_learned_rises_with_every_part(row: list[float], place: int, more: float) -> None:
    models = taught()
    worse = list(row)
    worse[place] += more
    for model in models:
        mild, bad = model(np.array([row, worse]))
        assert bad >= mild - 1e-12


@cache
def taught() -> tuple:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((2000, 6))
    ahead = (rng.random(2000) < 1 / (1 + np.exp(3 - 2 * rows[:, 0] + rows[:, 1]))).astype(float)  # one part points the wrong way
    return Logistic(1.0)(rows, ahead), trees(rows, ahead)


def test_weights_are_those_of_sklearn_unless_held_at_nothing_or_drawn_elsewhere() -> None:
    rng = np.random.default_rng(4)
    rows, counts = rng.standard_normal((2000, 3)), rng.uniform(0.5, 2, 2000)
    happened = (rng.random(2000) < 1 / (1 + np.exp(2 - rows @ [1.0, 0.5, 0.2]))).astype(float)
    found = logistic_weights(rows, happened, counts, 4.0, np.zeros(4))
    theirs = LogisticRegression(C=1 / 8, tol=1e-9).fit(rows, happened, sample_weight=counts)
    np.testing.assert_allclose(found, [*theirs.intercept_, *theirs.coef_[0]], atol=1e-4)
    wrong = np.column_stack([rows, rng.standard_normal(2000) - 2 * happened])
    np.testing.assert_allclose(logistic_weights(wrong, happened, counts, 4.0, np.zeros(5)), [*found, 0.0], atol=1e-4)
    drawn = logistic_weights(rows, happened, counts, 1e9, np.array([0.0, 0.1, 0.2, 0.3]))
    np.testing.assert_allclose(drawn[1:], [0.1, 0.2, 0.3], atol=1e-4)


def test_false_alarms_keep_to_the_budget_when_what_is_usual_shifts() -> None:
    days = made(4000, 3)
    score = WARNINGS["fused"].said(days, ROUGH)
    ahead, _ = falls(days.level, ROUGH)
    found = alarms(score, days, ROUGH)
    late = np.arange(4000) >= 1000
    assert 0.005 < found[late & (ahead == 0)].mean() < ROUGH.budget + 0.02
    shifted = score + np.where(np.arange(4000) > 2000, 1.0, 0.0)
    assert alarms(shifted, days, ROUGH)[late & (ahead == 0)].mean() < 0.16


def test_an_alarm_ends_after_its_days_until_the_score_has_been_below() -> None:
    above = np.array([0, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=bool)
    assert lasting(above, FallSettings(lasts=2)).astype(int).tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0]
    assert lasting(above[1:], FallSettings(lasts=2)).astype(int).tolist() == [1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0]


def test_who_cannot_say_is_in_alarm() -> None:
    days = made()
    score = WARNINGS["fused"].said(days, ROUGH).copy()
    score[1200] = np.nan
    assert alarms(score, days, ROUGH)[1200]
    assert np.isnan(probability(score, days, ROUGH)[1200])


def test_the_probability_is_calibrated_and_rises_with_the_score() -> None:
    days = made(6000, 5)
    ahead, _ = falls(days.level, ROUGH)
    score = WARNINGS["fused"].said(days, ROUGH)
    said = probability(score, days, ROUGH)
    judged = np.isfinite(ahead) & (np.arange(6000) > 2000)
    assert said[judged].mean() == pytest.approx(ahead[judged].mean(), abs=0.06)
    begins = 63 * 50
    block = np.arange(begins, begins + 63)
    order = np.argsort(score[block])
    assert (np.diff(said[block][order]) >= 0).all()


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_areas_and_precisions_are_those_of_sklearn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ahead = (rng.random(300) < 0.2).astype(float)
    score = np.round(rng.standard_normal(300) + ahead, 1)  # ties
    assert area(score, ahead) == pytest.approx(roc_auc_score(ahead, score))
    assert average_precision(score, ahead) == pytest.approx(average_precision_score(ahead, score))


def test_a_fall_is_caught_by_an_alarm_while_it_is_ahead() -> None:
    ahead = np.zeros(300)
    ahead[[50, 51, 55]] = 1  # one fall
    ahead[[150, 200]] = 1  # two more: 40 days between
    until = np.where(ahead == 1, 7, -1)
    how = FallSettings(apart=40)
    assert [one.tolist() for one in episodes(ahead, how)] == [[50, 51, 55], [150], [200]]
    alarm = np.zeros(300, dtype=bool)
    alarm[[40, 51, 149, 200]] = True
    until[51] = 4
    found = caught(alarm, np.arange(300), ahead, until, how)
    assert (found.hits, found.falls, found.lead) == (2, 3, 5.5)
    assert found.false == pytest.approx(2 / 295)


def test_the_league_asks_all_beside_the_simple_ones_and_counts_them(tmp_path: Path) -> None:
    days, ledger = made(3000, 3), Ledger(tmp_path / "trials.jsonl")
    how = WarningSettings(fall=ROUGH, first=1000, draws=100)
    found = warning_league(WarningDays(days.market), [WARNINGS["fused"], WARNINGS["breadth"]], how, ledger, "x", lambda _: None)
    assert {one.name for one in found.standings} == {"fused", "drawdown/252", "volatility/0.94"}
    assert found.left_out == {"breadth": "the days have no assets"}
    assert found.trials == 3
    for one in found.standings:
        assert one.auc.low <= one.auc.estimate <= one.auc.high
        assert 0.0 < one.at_budget.false <= ROUGH.budget
        assert set(one.beside) == {"drawdown/252", "volatility/0.94"} - {one.name}
    with pytest.raises(BadInput, match="days had a fall of 90% ahead; expected some"):
        warning_league(days, [], replace(how, fall=FallSettings(depth=0.9)), ledger, "x", lambda _: None)


def test_unusual_is_measured_by_what_was_seen_until_then() -> None:
    values = np.concatenate([np.full(10, np.nan), np.random.default_rng(0).standard_normal(600), [50.0]])
    found = unusual(values)
    assert np.isnan(found[:259]).all()
    until = values[10:401]
    assert found[400] == pytest.approx((values[400] - until.mean()) / until.std())
    assert found[-1] == 4.0
    assert mean_of(np.array([[1.0, np.nan], [np.nan, np.nan]])).tolist()[0] == 1.0


# The posture ----------------------------------------------------------------------------------------------------------------------------

HOW = StandingSettings(first=600, every=250, fall=ROUGH)


def test_a_posture_holds_what_it_says_and_pays_for_what_it_trades() -> None:
    how = replace(HOW, cost=0.01)
    found = held(np.array([1.0, 0.5, 0.5]), np.array([0.0, 100 * np.log(2.0), -100 * np.log(2.0)]), how)
    np.testing.assert_allclose(found.returns, 100 * np.log([0.99, 1.5 - 0.005, 0.75]))
    assert found.drawdown == pytest.approx(0.25)
    later = held(np.array([1.0, 0.5, 0.5]), np.zeros(3), replace(how, delay=1))
    assert later.exposure.tolist() == [0.0, 1.0, 0.5]


def test_postures_are_told_from_the_past_and_their_drawdown_is_their_own(tmp_path: Path) -> None:
    days = made()
    said = forecasts(days, HOW, lambda _: None)
    postures, _, own = stood(days, said, HOW)
    short = days.until(1300)
    before, risks, _ = stood(short, forecasts(short, HOW, lambda _: None), HOW)
    assert [(one.state, pytest.approx(one.multiplier, rel=1e-6)) for one in before[:-1]] == [
        (one.state, one.multiplier) for one in postures[: len(before) - 1]
    ]
    wealth = np.exp(np.cumsum(own.returns[: len(before) - 1]) / 100)
    assert risks.drawdown == pytest.approx(1 - wealth[-1] / max(1.0, wealth.max()), abs=1e-9)
    assert stood(short, forecasts(short, HOW, lambda _: None), HOW, own_drawdown=0.37)[1].drawdown == 0.37
    stale = stood(short, forecasts(short, HOW, lambda _: None), HOW, late_s=1e6)[0][-1]
    assert (stale.level, stale.reason) == (2, "blind: 11.6 days late") or stale.level == 3
    found = posture_league(days, HOW, Ledger(tmp_path / "trials.jsonl"), "x", lambda _: None)
    assert found.standings[0].name == "posture"
    assert found.trials == len(found.standings) == 10
    assert found.standings[0].volatility < found.standings[-1].volatility
    assert sum(found.states().values()) == pytest.approx(1.0)


def test_what_is_usual_is_the_median_of_four_years() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=1500)
    values[:20] = np.nan
    found = usual(values)
    assert np.isnan(found[:269]).all()
    assert found[269] == pytest.approx(np.median(values[20:270]))
    assert found[1499] == pytest.approx(np.median(values[1500 - LATELY :]))


def test_a_fall_is_as_deep_as_is_unusual() -> None:
    found = depths(np.array([13.0, 26.0, 6.5, 0.0, np.nan]), FallSettings(depth=0.1))
    assert found[:4] == pytest.approx([0.1, 1 - 0.9**2, 1 - 0.9**0.5, 0.0])
    assert np.isnan(found[4])
    level = np.array([100.0, 95.0, 80.0, 80.0, 80.0])
    ahead, until = falls(level, FallSettings(days=2), np.array([0.05, 0.2, 0.1, np.nan, 0.1]))
    np.testing.assert_array_equal(ahead, [1.0, 0.0, 0.0, np.nan, np.nan])
    assert until.tolist() == [1, -1, -1, -1, -1]


def test_a_market_of_three_times_the_volatility_has_about_the_same_states() -> None:
    days, shares = made(1200), []
    for times in (1, 3):
        one = WarningDays(MarketDays(days.market.known, times * days.market.returns))
        levels = np.array([each.level for each in stood(one, forecasts(one, HOW, lambda _: None), HOW)[0]])
        shares.append([float((levels == level).mean()) for level in range(4)])
    quiet, loud = shares
    assert min(quiet[0], loud[0]) > 0.5
    assert quiet[0] == pytest.approx(loud[0], abs=0.2)
    assert max(quiet[2] + quiet[3], loud[2] + loud[3]) < 0.25


def test_the_width_is_what_forecasts_lie_apart_beyond_the_usual() -> None:
    rng = np.random.default_rng(2)
    logs = rng.standard_normal((800, 3)) * 0.1 + [0.0, 1.0, 2.0]
    logs[700] += [0.0, 0.0, 5.0]
    found = width(logs)
    assert np.isnan(found[:498]).all()
    assert (found[500:700] == 0).mean() > 0.95
    assert found[700] > 3
    assert (width(np.repeat(logs[:, :1], 2, axis=1))[500:] == 0).all()


# What is read ---------------------------------------------------------------------------------------------------------------------------


def prices(values: list[float | None]) -> Table:
    import polars as pl

    known = [(day + 1) * DAY + 20 * 3600 * 10**9 for day in range(len(values))]
    return Table.of(pl.DataFrame({EVENT: known, KNOWN: known, "index": values}), ())


def test_one_column_of_prices_becomes_returns_and_takes_the_vix_of_its_dates() -> None:
    import polars as pl

    table = prices([100.0, 101.0, 99.0])
    found = market_days(table).days
    np.testing.assert_allclose(found.returns, 100 * np.log([1.01, 99 / 101]))
    later = [(day + 1) * DAY + 20 * 3600 * 10**9 + 900 * 10**9 for day in range(3)]
    vix = Table.of(pl.DataFrame({EVENT: later, KNOWN: later, "close": [20.0, 21.0, 22.0]}), ())
    both = market_days(with_vix(table, vix)).days
    assert both.vix.tolist() == [21.0, 22.0]
    assert both.known.tolist() == later[1:]  # what is told with the VIX is told when that is known
    with pytest.raises(BadInput, match="a column vix of their own"):
        with_vix(with_vix(table, vix), vix)


def test_a_day_without_a_price_is_left_out_and_the_next_return_has_both() -> None:
    read = market_days(prices([100.0, 101.0, None, 99.0, 100.0]))
    np.testing.assert_allclose(read.days.returns, 100 * np.log([1.01, 99 / 101, 100 / 99]))
    assert read.counts == {"before the first whole day": 1, "days without a price": 1}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([100.0, -1.0, 99.0], "index of row 1 was -1; expected a price above 0"),
        ([100.0, 100.0, 100.0], "expected prices that move"),
    ],
)
def test_prices_that_are_none_are_refused(values: list[float | None], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        market_days(prices(values))
