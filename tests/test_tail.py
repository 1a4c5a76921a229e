"""What tomorrow may lose: told from the past alone, as the papers have it, and right as often as it says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import genpareto, norm

from tercet.errors import BadInput
from tercet.risk.backtests import backtest
from tercet.risk.days import MarketDays
from tercet.risk.garch import Garch
from tercet.risk.recursions import recalibrate
from tercet.risk.scales import Averaged, Implied, LongDays, Measured, Recursive, Weighted, long_days
from tercet.risk.shapes import Normal, PeakErrors, Peaks, Seen, SeenErrors, SkewedErrors, SkewedT, worst
from tercet.risk.tail import DEFAULT, MODELS, PLAIN, Recalibrated, Scaled, Tail, models_for, suited, tails_walked, tomorrow
from tercet.risk.tailleague import TailSettings, first_asked, tail_league
from tercet.signals.series import Floats
from tercet.signals.sources import daily
from tercet.signals.timed import EVENT, KNOWN, Table
from tercet.signals.trials import Ledger

DAY = 86_400 * 10**9
LEVELS = (0.01, 0.05)


def made_days(count: int = 1500, measured_from: int = 400, seed: int = 0) -> LongDays:
    """Days of a GJR process with errors of fat tails, an implied variance, and later a realised one that is most of the day's."""
    rng, h = np.random.default_rng(seed), 1.0
    returns, true = np.empty(count), np.empty(count)
    for t in range(count):
        true[t] = h
        returns[t] = 0.03 + np.sqrt(h) * rng.standard_t(6) * np.sqrt(4 / 6)
        h = 0.03 + (0.02 + 0.12 * (returns[t] < 0.03)) * (returns[t] - 0.03) ** 2 + 0.89 * h
    known = np.arange(count, dtype=np.int64) * DAY
    vix = np.sqrt(252 * 1.3 * np.r_[true[1:], h]) * np.exp(0.1 * rng.standard_normal(count))
    realised = 0.7 * true * np.exp(0.4 * rng.standard_normal(count))
    fine = MarketDays(known, returns, 0.8 * returns, realised, vix=vix)[measured_from:]
    return LongDays(MarketDays(known, returns, vix=vix), fine)


@pytest.fixture(scope="module")
def days() -> LongDays:
    return made_days()


def altered(days: LongDays, after: int) -> LongDays:
    """The same days up to one, and others behind it."""
    rng = np.random.default_rng(9)
    factor = np.exp(rng.standard_normal(len(days)))
    factor[:after] = 1.0

    def changed(one: MarketDays) -> MarketDays:
        return replace(one, **{name: getattr(one, name) * factor[len(days) - len(one) :] for name in one.there()})

    assert days.measured is not None
    return LongDays(changed(days.all), changed(days.measured))


@pytest.mark.parametrize("name", MODELS)
def test_a_filter_says_of_a_day_what_it_said_before_the_next_ones_came(name: str, days: LongDays) -> None:
    found = MODELS[name].fit(days[:1200])
    for level in LEVELS:
        whole, part = found.at(days, level), found.at(days[:1300], level)
        assert part.var.tobytes() == whole.var[:1300].tobytes()
        assert part.es.tobytes() == whole.es[:1300].tobytes()
        assert (whole.es[500:] < whole.var[500:]).all()
        assert (whole.var[500:] < 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_what_was_said_before_a_day_does_not_change_with_it(name: str, days: LongDays) -> None:
    said = tails_walked(days, MODELS[name], LEVELS, 1100, 100)
    other = tails_walked(altered(days, 1300), MODELS[name], LEVELS, 1100, 100)
    for level in LEVELS:
        assert np.isnan(said[level].var[:1100]).all()
        assert said[level].var[1100:1301].tobytes() == other[level].var[1100:1301].tobytes()  # day 1300 was told by those before
        assert said[level].es[1100:1301].tobytes() == other[level].es[1100:1301].tobytes()
        assert (said[level].var[1301:] != other[level].var[1301:]).any()


# Hits -----------------------------------------------------------------------------------------------------------------------------------


def slow_factor(returns: Floats, said: Floats, level: float, slow: float, fast: float, keep: float, most: float) -> Floats:
    """A sum over all hits before, a day at a time."""
    found, excess = [], [np.nan]
    for t in range(len(returns)):
        if t and not np.isnan(said[t - 1]):
            excess.append(float(returns[t] <= found[-1] * said[t - 1]) - level)
        lasting = 0.0
        for one in excess[1:]:
            lasting = min(max(lasting + slow * one, -most), most)
        lately = sum(keep**age * one for age, one in enumerate(reversed(excess[1:])))
        found.append(np.exp(min(max(lasting + fast * lately, -most), most)))
    return np.array(found)


@given(st.integers(0, 1000), st.sampled_from([(0.005, 0.15), (0.3, 0.0), (0.0, 2.0)]), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_a_recalibrated_model_follows_its_hits(seed: int, steps: tuple[float, float], unsaid: int) -> None:
    rng = np.random.default_rng(seed)
    returns, said = rng.standard_normal(60), -1 - rng.random(60)
    said[:unsaid] = np.nan
    found = recalibrate(returns, said, 0.05, *steps, 0.85, 0.7)
    assert found == pytest.approx(slow_factor(returns, said, 0.05, *steps, 0.85, 0.7))
    assert (found[: unsaid + 1] == 1.0).all()
    assert (np.abs(np.log(found)) <= 0.7 + 1e-12).all()


def test_more_hits_than_there_should_be_say_more_at_once_and_at_a_rare_level_by_more(days: LongDays) -> None:
    plain, found = (
        model.fit(days[:1200]) for model in (Scaled("x", Averaged(), Normal()), Recalibrated("y", Scaled("x", Averaged(), Normal())))
    )
    for level in LEVELS:
        said, moved = plain.at(days, level), found.at(days, level)
        factor = moved.var / said.var
        assert moved.es == pytest.approx(factor * said.es)
        hits = days.all.returns[1:] <= moved.var[:-1]
        assert (factor[1:][hits] > factor[:-1][hits]).all()
        assert (np.diff(factor)[~hits & (factor[:-1] > 1.01)] < 0).all()
        jumps = np.diff(np.log(factor))[hits]
        assert np.median(jumps) == pytest.approx(0.155 * (1 - level) * (0.05 / level) ** 0.25, rel=0.2)


def test_a_model_that_says_too_little_is_brought_to_its_level() -> None:
    rng = np.random.default_rng(3)
    returns = rng.standard_t(4, 6000)
    short = np.full(6000, -1.0)  # of about 19% of days
    factor = recalibrate(returns, short, 0.05, 0.02, 0.0, 0.85, 2.0)
    assert (returns[1:] <= (factor * short)[:-1])[1000:].mean() == pytest.approx(0.05, abs=0.01)
    assert (returns <= short).mean() > 0.15


def test_the_default_suits_the_days_in_every_list_of_models(days: LongDays) -> None:
    bare = LongDays(MarketDays(days.all.known, days.all.returns))
    assert models_for(days) == MODELS
    found = models_for(bare)
    assert found[DEFAULT.name] == suited(bare)
    assert found[PLAIN.name] == suited(bare).of
    assert {name for name in found if found[name] != MODELS[name]} == {DEFAULT.name, PLAIN.name}
    assert found[DEFAULT.name].needs == ()


# Shapes ---------------------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.sampled_from([0.01, 0.025, 0.05, 0.1]))
@settings(max_examples=30, deadline=None)
def test_the_worst_are_what_rockafellar_and_uryasev_minimise(seed: int, level: float) -> None:
    values = np.random.default_rng(seed).standard_normal(203)
    found = min(c + np.maximum(-values - c, 0).mean() / level for c in -values)
    assert -worst(values, level)[1] == pytest.approx(found)
    assert (values <= worst(values, level)[0]).mean() >= level > (values < worst(values, level)[0]).mean()


def mean_below(density: Callable[[float], float], quantile: float, level: float) -> float:
    return quad(lambda z: z * density(z), -200, quantile, limit=500)[0] / level


@pytest.mark.parametrize("level", [0.001, 0.01, 0.05, 0.3])
def test_the_normal_and_the_skewed_t_agree_with_arch_and_with_integrals(level: float) -> None:
    from arch.univariate import SkewStudent  # slow to load

    quantile, beyond = Normal().at(level)
    assert quantile == pytest.approx(norm.ppf(level))
    assert beyond == pytest.approx(mean_below(norm.pdf, quantile, level), rel=1e-6)
    given = np.array([5.5, -0.2])
    quantile, beyond = SkewedErrors(*given).at(level)
    assert quantile == pytest.approx(float(SkewStudent().ppf(level, given)), rel=1e-6)

    def density(z: float) -> float:
        return float(np.exp(SkewStudent().loglikelihood(given, np.array([z]), np.ones(1), individual=True))[0])

    assert beyond == pytest.approx(mean_below(density, quantile, level), rel=1e-3)


def test_the_skewed_t_of_a_garchs_errors_is_the_one_that_was_fitted_with_it(days: LongDays) -> None:
    found = Garch().recursion(MarketDays(days.all.known, days.all.returns))
    scale = Recursive().fit(days)
    variance = np.r_[found.terms[-1], scale.variance(days)[:-1]]  # arch has an error of the first day too
    shape = SkewedT().fit((days.all.returns - scale.mean) / np.sqrt(variance))
    assert shape.eta == pytest.approx(found.shape["eta"], rel=0.05)
    assert shape.skew == pytest.approx(found.shape["lambda"], abs=0.01)


def test_peaks_find_the_tail_that_made_the_errors() -> None:
    rng = np.random.default_rng(0)
    errors = np.where(rng.random(20_000) < 0.1, -1.2 - genpareto.rvs(0.2, scale=0.6, size=20_000, random_state=rng), 1.0)
    errors[errors > 0] = rng.uniform(-1.2, 2.0, (errors > 0).sum())
    found = Peaks().fit(errors)
    assert found.index == pytest.approx(0.2, abs=0.06)
    for level in (0.01, 0.05):
        assert found.at(level) == pytest.approx(worst(errors, level), rel=0.05)


@pytest.mark.parametrize("index", [-0.2, 0.0, 0.3])
def test_the_shortfall_of_peaks_is_the_mean_of_its_quantiles(index: float) -> None:
    found = PeakErrors(1.5, index, 0.6, 0.1)
    assert found.at(0.1)[0] == pytest.approx(-1.5)
    assert found.at(0.02)[0] == pytest.approx(-1.5 - genpareto.ppf(0.8, index, scale=0.6))
    assert found.at(0.02)[1] == pytest.approx(quad(lambda level: found.at(level)[0], 0, 0.02)[0] / 0.02, rel=1e-4)


# Scales ---------------------------------------------------------------------------------------------------------------------------------


def test_filtered_historical_simulation_is_the_errors_of_a_gjr_at_todays_deviation(days: LongDays) -> None:
    found = Scaled("fhs", Recursive(), Seen()).fit(days[:1000])
    recursion = Garch().recursion(MarketDays(days.all.known, days.all.returns)[:1000])
    mean, h = float(recursion.terms[0]), recursion.variance(days.all)
    errors = np.sort([(days.all.returns[t] - mean) / h[t - 1] ** 0.5 for t in range(1, 1000)])
    assert isinstance(found.errors, SeenErrors)
    tail = found.at(days, 0.01)
    assert tail.var[1200] == pytest.approx(mean + h[1200] ** 0.5 * errors[9])
    assert tail.es[1200] == pytest.approx(mean + h[1200] ** 0.5 * (errors[:9].sum() + 0.99 * errors[9]) / 9.99)


def test_a_window_is_of_the_newest_errors(days: LongDays) -> None:
    found = MODELS["historical/250"].fit(days[:1000]).at(days[:1000], 0.02)
    newest = np.sort(days.all.returns[750:1000])
    assert found.var == pytest.approx(np.full(1000, newest[4]))
    assert found.es == pytest.approx(np.full(1000, newest[:5].mean()))


def test_weights_give_what_is_told_its_level_and_its_share(days: LongDays) -> None:
    for members in ((Measured(),), (Implied(),), (Recursive(), Implied())):
        found = Weighted(members, falls=()).fit(days)
        said = found.variance(days)[:-1]
        squares = (days.all.returns[1:] - found.mean) ** 2
        known = np.isfinite(said)
        assert (squares / said)[known][50:].mean() == pytest.approx(1.0, abs=1e-3)  # QLIKE at its least
    implied = Weighted((Implied(),), falls=()).fit(days).weights
    assert implied[1] == pytest.approx(1.0, abs=0.25)
    assert np.exp(implied[0]) == pytest.approx(1 / 1.3, abs=0.15)


def test_falls_are_means_of_errors_below_0(days: LongDays) -> None:
    found = Weighted((Recursive(),), (2,)).fit(days)
    z = np.r_[0.0, (days.all.returns[1:] - found.mean) / np.sqrt(found.members[0].variance(days)[:-1])]
    assert found.table(days)[700, 2] == pytest.approx((min(z[700], 0) + min(z[699], 0)) / 2)


def test_a_mean_is_of_values_at_risk_and_of_shortfalls_and_suits_the_days(days: LongDays) -> None:
    said = [member.fit(days).at(days, 0.05) for member in PLAIN.members]
    both = PLAIN.fit(days).at(days, 0.05)
    assert both.var[-9:] == pytest.approx(np.mean([one.var[-9:] for one in said], axis=0))
    assert both.es[-9:] == pytest.approx(np.mean([one.es[-9:] for one in said], axis=0))
    assert suited(days) == DEFAULT
    bare = LongDays.of(MarketDays(days.all.known, days.all.returns))
    assert [one.name for one in suited(bare).of.members] == ["evt-gjr", "evt-gjr+falls"]
    assert tomorrow(bare, (0.01,))[0.01] == (suited(bare).fit(bare).at(bare, 0.01).var[-1], suited(bare).fit(bare).at(bare, 0.01).es[-1])
    assert [one.name for one in suited(days[:700]).of.members] == ["evt-gjr", "evt-gjr+vix"]  # 300 days were measured


def table_of(**columns: object) -> Table:
    count = len(next(iter(columns.values())))  # type: ignore[arg-type,call-overload]
    times = np.arange(count, dtype=np.int64) * DAY
    return Table.of(pl.DataFrame({EVENT: times, KNOWN: times, **columns}), ())


def test_long_days_keep_what_is_older_than_its_measures_and_what_was_said_on_a_day_without() -> None:
    table = table_of(**{"return": [1.0, 2.0, 3.0, 4.0, 5.0], "rv": [None, None, 1.0, None, 2.0], "vix": [9.0, 8.0, 9.0, 8.0, 9.0]})
    found = long_days(table)
    assert found.all.returns.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert found.measured is not None
    assert found.measured.realised.tolist() == [1.0, 2.0]
    assert found.measured.returns.tolist() == [3.0, 9.0]
    assert found.there() == ("returns", "vix", "measured")
    assert found.unmeasured == 2
    assert found[:2].measured is None
    assert len(found[:4].measured or ()) == 1
    days = made_days()
    assert days.measured is not None
    holed = LongDays(
        days.all, replace(days.measured, **{n: np.delete(getattr(days.measured, n), 700) for n in ("known", *days.measured.there())})
    )
    said = Measured().fit(days).variance(holed)
    assert np.isnan(said[:421]).all()
    assert said[1100] == said[1099]
    assert said[1101] != said[1100]


# The league -----------------------------------------------------------------------------------------------------------------------------


def test_what_is_right_passes_and_what_knows_nothing_is_refused_by_every_judge(tmp_path: Path) -> None:
    days, ledger = made_days(3500, seed=1), Ledger(tmp_path / "trials.jsonl")
    chosen = [MODELS[name] for name in ("historical/1000", "gjr-normal", "evt-gjr", "evt-gjr+vix", "mean of evt")]
    found = tail_league(days, chosen, TailSettings(every=250), ledger, "made", lambda what: None)
    for level, standings in found.standings.items():
        losses = [one.loss.estimate for one in standings]
        assert losses == sorted(losses)
        by_name = {one.name: one for one in standings}
        assert by_name["evt-gjr"].tests.passed(0.01)
        assert by_name["mean of evt"].tests.passed(0.01)
        assert by_name["historical/1000"].tests.p["DQ"] < 0.001
        assert not by_name["historical/1000"].included
        assert standings[0].beside_best is None
        assert by_name["historical/1000"].loss.estimate == by_name["historical/1000"].tests.loss
        assert standings[0].tests.count == len(found.returns) == 3500 - first_asked(days, TailSettings())
        assert level in LEVELS
    assert by_name_of(found.standings[0.01], "gjr-normal").tests.p["Z1"] < 0.01  # its tails are too thin
    assert found.trials == len(ledger.trials("made")) == 5
    assert set(ledger.trials("made")[0].scores) == {"fz0 at 0.01", "fz0 at 0.05"}
    bare = LongDays(replace(days.all, vix=np.empty(0)))
    left = tail_league(bare, chosen[:4], TailSettings(every=500), ledger, "made", lambda what: None).left_out
    assert left == {"evt-gjr+vix": "the days have no vix; expected it, or another model"}


def by_name_of(standings: tuple, name: str):
    return next(one for one in standings if one.name == name)


def test_the_first_day_that_is_asked_has_enough_before_it() -> None:
    days = made_days(2500, 1200)
    assert first_asked(days, TailSettings()) == 1950
    assert first_asked(LongDays(days.all), TailSettings()) == 1000
    assert first_asked(days, TailSettings(first=300)) == 300


def few(count: int) -> LongDays:
    return made_days()[:count]


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "one day": (lambda: DEFAULT.fit(few(1)), "mean of evt: the days have no measured"),
    "too few days": (lambda: MODELS["evt-gjr"].fit(few(100)), "evt-gjr: there were 100 days; expected 250 or more"),
    "too few measured": (lambda: MODELS["evt-har"].fit(few(500)), "there were 100 days; expected 250 or more"),
    "too few for a window": (lambda: tails_walked(few(600), DEFAULT, LEVELS, 600), "first was 600 of 600 days"),
    "a level of a half": (lambda: tails_walked(few(600), MODELS["evt-gjr"], (0.5,), 500), "level was 0.5; expected one above 0 and below"),
    "a level of 0": (lambda: MODELS["ewma-normal"].fit(few(600)).at(few(600), 0.0), "level was 0.0"),
    "a level that is none": (lambda: Normal().at(float("nan")), "level was nan"),
    "a level that was never seen": (lambda: SeenErrors(np.arange(250.0)).at(0.001), "250 values hold no share of 0.001; expected 1000"),
    "a level before the threshold": (lambda: PeakErrors(1.0, 0.1, 0.5, 0.1).at(0.2), "expected at most 0.1, the share of errors"),
    "a threshold in the other half": (lambda: Peaks(0.7), "level was 0.7"),
    "a skew that hides the level": (lambda: SkewedErrors(5.0, 0.9).at(0.2), "where the mode is"),
    "a hole": (lambda: MarketDays(np.arange(3), np.array([1.0, np.nan, 2.0])), "returns of day 1 was nan; expected a number"),
    "constant prices": (lambda: LongDays.of(MarketDays(np.arange(300), np.zeros(300))), "expected prices that move"),
    "rows from the middle": (lambda: few(600)[5:], "expected those from the first day on"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_told_is_refused_in_a_sentence(name: str) -> None:
    ask, why = BAD[name]
    with pytest.raises(BadInput, match=why):
        ask()


def test_a_single_model_is_no_league(tmp_path: Path, days: LongDays) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    chosen = [MODELS["ewma-normal"], MODELS["fhs-gjr+vix"]]
    bare = LongDays(replace(days.all, vix=np.empty(0)))
    with pytest.raises(BadInput, match="1 models could be asked; expected 2 or more to compare; fhs-gjr\\+vix: the days have no vix"):
        tail_league(bare, chosen, TailSettings(), ledger, "made", lambda what: None)


@pytest.mark.slow
def test_on_the_real_index_no_judge_refuses_the_default_and_its_loss_is_below_the_bar(real_data: Path) -> None:
    days = long_days(daily(real_data / "daily" / "sp500_return_rv_vix.csv.gz").table)
    first = first_asked(days, TailSettings())
    said = tails_walked(days, DEFAULT, LEVELS, first)
    returns: Floats = days.all.returns[first:]
    assert len(returns) > 3800
    for level, bar in {0.01: 1.105, 0.05: 0.720}.items():
        found = backtest(returns, Tail(said[level].var[first:], said[level].es[first:]), level)
        assert found.passed(), found.p
        assert found.loss <= bar
