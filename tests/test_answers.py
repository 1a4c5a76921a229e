"""A model that fails, or says what is no number, leaves its league by name, and the others are compared."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tercet.errors import BadInput, TercetError
from tercet.risk import intraday_league as within
from tercet.risk import standing
from tercet.risk.assets import AssetDays
from tercet.risk.correlation import Ewma as EwmaMatrix
from tercet.risk.correlation import Window
from tercet.risk.correlation_league import CovarianceSettings, covariance_league
from tercet.risk.days import MarketDays
from tercet.risk.fusions import SIMPLE, WARNINGS, Single
from tercet.risk.garch import Ewma, Garch, Recursion
from tercet.risk.indicators import Indicator, WarningDays
from tercet.risk.league import VolatilitySettings, league
from tercet.risk.losses import mincer_zarnowitz
from tercet.risk.scales import LongDays, Recursive, Still
from tercet.risk.shapes import Seen
from tercet.risk.tail import MODELS, Scaled, Tail
from tercet.risk.tailleague import TailSettings, tail_league
from tercet.risk.warning import FallSettings
from tercet.risk.warningleague import WarningSettings, warning_league
from tercet.signals.answers import Answers, finite, positive
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

DAY = 86_400 * 10**9
QUIET = lambda _: None  # noqa: E731


def returns_of(count: int = 700, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return np.exp(0.4 * np.sin(np.arange(count) / 50)) * rng.standard_t(5, count)


def market(count: int = 700) -> MarketDays:
    return MarketDays(np.arange(1, count + 1) * DAY, returns_of(count))


BROKEN: dict[str, tuple[Callable[[Floats], Floats], str]] = {
    "nan": (lambda values: np.where(np.arange(len(values)) >= 600, np.nan, values), "was nan"),
    "inf": (lambda values: np.full_like(values, np.inf), "was inf"),
    "negative": (lambda values: -values, "was -"),
    "zero": (lambda values: 0 * values, "was 0"),
}


def failing(*_: Any) -> Any:
    raise RuntimeError("it did not converge\nsecond line")


# The record -----------------------------------------------------------------------------------------------------------------------------


def test_what_fails_is_kept_with_its_reason_and_what_is_nobody_s_fault_is_raised() -> None:
    answers = Answers[int]()
    assert answers.ask("good", lambda: 3) == 3
    for name, error in {
        "a": BadInput("a: too few"),
        "b": RuntimeError("one\ntwo"),
        "c": np.linalg.LinAlgError(),
        "d": KeyError("x"),
    }.items():

        def model(error: Exception = error) -> int:
            raise error

        assert answers.ask(name, model) is None
    assert answers.left_out == {
        "a": "too few",
        "b": "it failed with RuntimeError: one",
        "c": "it failed with LinAlgError: ",
        "d": "it failed with KeyError: 'x'",
    }
    for fatal in (TercetError("an extra is missing"), ImportError("arch"), MemoryError(), KeyboardInterrupt()):

        def ends(error: BaseException = fatal) -> int:
            raise error

        with pytest.raises(type(fatal)):
            answers.ask("e", ends)
    with pytest.raises(BadInput, match="1 models could be asked; expected 2 or more to compare; a: too few; b: it failed with Run"):
        answers.enough()


def test_who_loses_what_another_one_loses_is_left_out() -> None:
    answers = Answers({"a": np.array([1.0, 2.0, 4.0]), "b": np.array([1.0, 2.0, 3.0]), "c": np.array([2.0, 3.0, 5.0])})
    assert list(answers.drop_twins(lambda one: one)) == ["a", "b"]
    assert answers.left_out == {"c": "its losses are those of a"}
    assert list(answers.enough()) == ["a", "b"]


def test_numbers_that_are_none_are_counted_and_dated() -> None:
    known = np.arange(3) * DAY
    for check in (finite, positive):
        assert check(np.array([1.0, 2.0, 3.0]), known, "x").tolist() == [1.0, 2.0, 3.0]
        with pytest.raises(BadInput, match="its x of 1970-01-02 was nan, 2 of 3 such; expected a number"):
            check(np.array([1.0, np.nan, np.inf]), known, "its x")
    assert finite(np.array([-1.0]), known, "x") == -1.0
    with pytest.raises(BadInput, match="was 0, 1 of 1 such; expected a number above 0"):
        positive(np.array([0.0]), known, "its x")


# The leagues ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoiled:
    """An average of squares whose variances a function spoils; None: it fails as a library might."""

    spoil: Callable[[Floats], Floats] | None
    name: str = "spoiled"
    needs: tuple[str, ...] = ()

    def fit(self, past: MarketDays) -> "Spoiled":
        return self if self.spoil else failing()

    def variance(self, days: MarketDays) -> Floats:
        assert self.spoil is not None
        return self.spoil(np.asarray(Ewma().fit(days).variance(days)))


@pytest.mark.parametrize("name", [*BROKEN, "raises"])
def test_a_league_of_variances_lives_without_who_says_none(name: str, tmp_path: Path) -> None:
    spoil, why = BROKEN.get(name, (None, "it failed with RuntimeError: it did not converge"))
    chosen = [Spoiled(spoil), Ewma(), Ewma("slow", 0.99), Ewma("slow again", 0.99)]
    ledger = Ledger(tmp_path / "trials.jsonl")
    found = league(market(), chosen, VolatilitySettings(first=500, every=100), ledger, "made", QUIET)
    assert {one.name for one in found.standings} == {"ewma", "slow"}
    assert why in found.left_out["spoiled"]
    assert found.left_out["slow again"] == "its losses are those of slow"
    assert found.trials == 3
    with pytest.raises(BadInput, match=r"1 forecasters could be asked; expected 2 or more to compare; spoiled: .*"):
        league(market(), chosen[:2], VolatilitySettings(first=500, every=100), ledger, "made", QUIET)


def test_a_forecast_that_never_changes_has_no_slope_and_stays_in_its_league(tmp_path: Path) -> None:
    still = Spoiled(np.ones_like, "still")
    found = league(market(), [still, Ewma()], VolatilitySettings(first=500, every=100), Ledger(tmp_path / "t"), "made", QUIET)
    slope = {one.name: one.unbiased.slope for one in found.standings}
    assert np.isnan(slope["still"])
    assert np.isfinite(slope["ewma"])
    assert np.isnan(mincer_zarnowitz(np.arange(30.0), np.ones(30)).p)


@dataclass(frozen=True)
class SpoiledTail:
    """A value at risk and a shortfall that are spoiled."""

    spoil: Callable[[Floats], tuple[Floats, Floats]] | None
    name: str = "spoiled"
    needs: tuple[str, ...] = ()

    def fit(self, past: LongDays) -> "SpoiledTail":
        return self if self.spoil else failing()

    def at(self, days: LongDays, level: float) -> Tail:
        assert self.spoil is not None
        return Tail(*self.spoil(np.ones(len(days))))


TAILS: dict[str, tuple[Any, str]] = {
    "nan": (lambda one: (np.nan * one, -one), "its value at risk of 1971-05-17 was nan, 200 of 200 such; expected a return below 0"),
    "inf": (lambda one: (-one, -np.inf * one), "its shortfall of 1971-05-17 was -inf"),
    "above 0": (lambda one: (one, -one), "its value at risk of 1971-05-17 was 1"),
    "shortfall above": (lambda one: (-2 * one, -one), "its shortfall of 1971-05-17 was -1, 200 of 200 such; expected one no higher"),
    "raises": (None, "it failed with RuntimeError"),
}


@pytest.mark.parametrize("name", TAILS)
def test_a_league_of_tails_lives_without_who_says_none(name: str, tmp_path: Path) -> None:
    spoil, why = TAILS[name]
    chosen = [SpoiledTail(spoil), MODELS["ewma-normal"], MODELS["historical/250"], replace(MODELS["historical/250"], name="again")]
    found = tail_league(LongDays.of(market()), chosen, TailSettings(first=500, every=200), Ledger(tmp_path / "t"), "made", QUIET)
    assert {one.name for one in found.standings[0.01]} == {"ewma-normal", "historical/250"}
    assert why in found.left_out["spoiled"]
    assert found.left_out["again"] == "its losses are those of historical/250"


@dataclass(frozen=True)
class SpoiledMatrix:
    """A matrix that is spoiled."""

    spoil: Callable[[], Floats] | None
    name: str = "spoiled"
    mended: int = 0

    def fit(self, past: AssetDays) -> "SpoiledMatrix":
        return self if self.spoil else failing()

    def update(self, returns: Floats) -> None:
        """Nothing moves it."""

    def covariance(self) -> Floats:
        assert self.spoil is not None
        return self.spoil()


MATRICES: dict[str, tuple[Any, str]] = {
    "nan": (lambda: np.full((3, 3), np.nan), "its matrix of 1971-05-16 held NaN or infinity"),
    "inf": (lambda: np.diag([1.0, np.inf, 1.0]), "held NaN or infinity"),
    "negative variance": (lambda: np.diag([1.0, -1.0, 1.0]), "its matrix of 1971-05-16 had an eigenvalue of -1; expected all above 0"),
    "raises": (None, "it failed with RuntimeError"),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_league_of_covariances_lives_without_who_says_none(name: str, tmp_path: Path) -> None:
    spoil, why = MATRICES[name]
    rows = np.random.default_rng(0).standard_normal((600, 3)) + returns_of(600)[:, None]
    days = AssetDays(np.arange(600) * DAY, tuple("abc"), rows)
    chosen = [SpoiledMatrix(spoil), EwmaMatrix(), Window("1/N", "alike"), Window("again", "alike")]
    found = covariance_league(days, chosen, CovarianceSettings(first=500), Ledger(tmp_path / "t"), "made", QUIET)
    assert {one.name for one in found.standings} == {"ewma", "1/N"}
    assert why in found.left_out["spoiled"]
    assert found.left_out["again"] == "its losses are those of 1/N"


@pytest.mark.parametrize("name", ["nan", "inf", "raises"])
def test_a_league_of_warnings_lives_without_who_says_none(name: str, tmp_path: Path) -> None:
    scores = {"nan": lambda days: np.full(len(days), np.nan), "inf": lambda days: np.full(len(days), np.inf), "raises": failing}
    why = {"nan": "its score of 1970-10-29 was nan", "inf": "was inf", "raises": "it failed with RuntimeError"}
    fall = FallSettings(depth=0.03)
    how = WarningSettings(first=300, draws=50, fall=fall)
    found = warning_league(WarningDays(market()), [Single(Indicator("spoiled", scores[name]))], how, Ledger(tmp_path / "t"), "made", QUIET)
    assert {one.name for one in found.standings} == set(SIMPLE)
    assert why[name] in found.left_out["spoiled"]


def test_two_warnings_at_least_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WARNINGS, SIMPLE[0], Single(Indicator(SIMPLE[0], failing)))
    how = WarningSettings(first=300, draws=50, fall=FallSettings(depth=0.03))
    with pytest.raises(BadInput, match="1 warnings could be asked; expected 2 or more to compare; drawdown/252: it failed with Runtime"):
        warning_league(WarningDays(market()), [], how, Ledger(tmp_path / "t"), "made", QUIET)


def test_within_a_day_who_cannot_speak_of_half_the_windows_is_left_out() -> None:
    whole = np.array([True, True, True, True, False])
    said = np.array([1.0, np.nan, -1.0, 2.0, np.nan])
    assert np.isnan(within.often(said, whole)).tolist() == [False, True, True, False, True]
    with pytest.raises(BadInput, match="it gave a variance for 1 of 4 windows; expected 50% at least"):
        within.often(np.array([1.0, np.nan, 0.0, np.inf, 3.0]), whole)


# The posture ----------------------------------------------------------------------------------------------------------------------------


def test_a_way_to_hold_that_fails_or_is_never_in_the_market_is_named() -> None:
    nothing = standing.Held(np.zeros(30), np.zeros(30), 0.0, 0.0)
    with pytest.raises(BadInput, match="it was never in the market"):
        standing.in_the_market(lambda: nothing)
    for wrong in (replace(nothing, exposure=np.full(30, np.nan)), replace(nothing, returns=np.full(30, np.inf), exposure=np.ones(30))):
        with pytest.raises(BadInput, match="was no number"):
            standing.in_the_market(lambda wrong=wrong: wrong)
    whole = replace(nothing, exposure=np.ones(30))
    assert standing.in_the_market(lambda: whole) is whole


def test_two_ways_that_earn_the_same_differ_by_nothing_and_one_that_is_absent_by_no_number() -> None:
    rng = np.random.default_rng(0)
    one, other = (standing.Held(np.ones(60), rng.standard_normal(60), 0.0, 0.0) for _ in range(2))
    found = standing.standing("a", one, {standing.HOLDING: one, standing.TARGET: other}, 0)
    assert found.to_holding is not None
    assert (found.to_holding.estimate, found.to_holding.low, found.to_holding.high) == (0.0, 0.0, 0.0)
    assert found.to_target is not None
    assert found.to_target.low < found.to_target.estimate < found.to_target.high
    assert found.to_regime is None
    assert standing.standing(standing.HOLDING, one, {standing.HOLDING: one}, 0).to_holding is None


# Likelihoods without end ----------------------------------------------------------------------------------------------------------------


def stale(count: int = 1000) -> MarketDays:
    """Prices that move every other day."""
    moves = returns_of(count)
    moves[::2] = 0.0
    return MarketDays(np.arange(count) * DAY, moves)


def test_on_stale_prices_a_scale_says_about_what_happens() -> None:
    days = stale()
    for of in (Garch(), Garch("t", "garch", "t"), Garch("normal", "gjr", "normal")):
        found = Recursive(of).fit(LongDays.of(days))
        errors = (days.returns[1:] - found.mean) / np.sqrt(found.variance(LongDays.of(days))[:-1])
        assert 0.5 < (errors**2).mean() < 2
        assert abs(found.mean) < days.returns.std()


def test_parameters_that_explain_nothing_are_seen() -> None:
    days = market()
    fitted = Garch("garch", "garch", "normal").recursion(days)
    assert fitted.explains(days)
    for change in ({5: 1e6, 1: 1e3}, {1: 1e-9, 2: 0.0, 4: 0.0, 5: 1e-6}, {0: 50.0, 1: 2500.0}, {1: np.nan}):
        terms = fitted.terms.copy()
        for place, value in change.items():
            terms[place] = value
        assert not Recursion(fitted.steps, terms, 1.0).explains(days), change


def test_where_no_likelihood_explains_anything_a_scale_is_an_average_of_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recursion, "explains", lambda self, days: False)
    days = market(321)
    found, average = Recursive().fit(LongDays.of(days)), Ewma().fit(days)
    assert found.variance(LongDays.of(days)) == pytest.approx(average.variance(days) / average.scale, rel=0.1)  # about its mean
    assert found.mean == pytest.approx(days.returns.mean())
    assert Scaled("x", Still(), Seen()).fit(LongDays.of(days)).at(LongDays.of(days), 0.05).var[-1] < 0
