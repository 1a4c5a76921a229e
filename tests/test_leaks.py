"""The ten tests that nothing here knows the future, each with a control that must fail it. Those that stand elsewhere are named in INDEX.

| no | what is proved                                                 | its control                                   | where           |
|----|----------------------------------------------------------------|-----------------------------------------------|-----------------|
|  1 | no feature changes when later rows are cut off or scrambled    | features that look ahead                      | features, panel |
|  2 | no forecast, and no policy's action, changes either            | an expert that reads on; a feed without delay | here, leakage   |
|  3 | no training label's span meets a test                          | PurgedKFold's rule: 40 labels overlap         | walkforward     |
|  4 | a future known_time raises; a revision waits until it is known | a bare frame shows the revision               | timed, here     |
|  5 | regime probabilities stand when data are appended              | smoothed ones, and their Sharpe ratio         | regime, here    |
|  6 | noise does not pass the deflated Sharpe; its PBO is a half     | the naive Sharpe; skill                       | judge           |
|  7 | known alpha is found: Gu, Kelly & Xiu's simulation             | labels shuffled within months                 | here            |
|  8 | as-of joins are duckdb's and the obvious loop's                | a join on event_time                          | timed, here     |
|  9 | scalers are fitted on the lesson alone                         | a scaler fitted on everything                 | here            |
| 10 | a stream's features are the batch's, bit for bit               | a stream that starts anew with each slice     | features, here  |

Posture and orders made from signals do not exist yet; of the second test they are the part still to come. `tercet leakcheck` does the same
to a user's own module (test_leakcheck.py).
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import test_features
import test_panel
import test_timed
from numpy.typing import NDArray
from test_regime import smoothed

from tercet.signals import regime
from tercet.signals.catalogue import NAMES
from tercet.signals.days import FeatureStream
from tercet.signals.experts import Constant, ElasticNet, Forest, Linear, Scaler
from tercet.signals.fitted import Expert, Model, Numbers, fit
from tercet.signals.gkx import GkxSettings, simulate
from tercet.signals.leakexpert import scrambled
from tercet.signals.panel import PANEL_FEATURES
from tercet.signals.regime import Regimes, RegimeSettings
from tercet.signals.samples import Lesson, Questions, Samples, Spans
from tercet.signals.scores import r2_out_of_sample
from tercet.signals.sharpe import sharpe_ratio
from tercet.signals.sources import daily
from tercet.signals.timed import History, Table, as_of
from tercet.signals.walkforward import WalkForward

Floats = NDArray[np.float64]
INDEX: dict[int, tuple[str, ...]] = {
    1: (
        "test_features.test_no_feature_changes_when_later_events_do",
        "test_features.test_a_feature_that_looks_ahead_is_found",
        "test_panel.test_no_feature_up_to_a_date_changes_when_the_future_does",
        "test_panel.test_features_that_look_ahead_are_found_by_the_same_check",
        "test_leaks.test_every_feature_of_the_registries_knows_its_past_alone",
    ),
    2: (
        "test_leaks.test_no_forecast_changes_when_the_future_is_scrambled",
        "test_leaks.test_an_expert_that_reads_beyond_its_lesson_is_found",
        "test_leakage.test_scrambling_what_has_not_reached_a_policy_changes_nothing_that_it_sees_or_does",
        "test_leakage.test_a_market_that_shows_the_future_is_found_by_the_same_check",
    ),
    3: (
        "test_walkforward.test_no_label_of_a_walk_forward_meets_a_test",
        "test_walkforward.test_no_label_of_a_combinatorial_fold_meets_a_test_on_either_side",
        "test_walkforward.test_the_rule_that_begins_a_test_at_the_end_of_its_first_label_leaves_forty_overlapping_labels",
    ),
    4: (
        "test_timed.test_a_planted_future_known_time_raises_and_a_row_that_never_comes_is_told_from_it",
        "test_timed.test_a_revised_figure_is_its_first_vintage_before_the_revision_and_the_latest_known_one_after",
        "test_leaks.test_a_bare_frame_shows_a_revision_before_it_was_known",
    ),
    5: (
        "test_leaks.test_regime_probabilities_stand_when_data_are_appended",
        "test_leaks.test_smoothed_probabilities_do_not_stand",
        "test_leaks.test_on_the_sp500_smoothing_makes_a_dull_strategy_brilliant",
    ),
    6: (
        "test_judge.test_noise_does_not_pass_the_deflated_sharpe_and_would_pass_the_naive_one",
        "test_judge.test_overfitting_of_noise_is_a_half",
        "test_judge.test_one_good_strategy_among_noise_is_not_overfit_and_a_curve_fit_is",
        "test_judge.test_known_alpha_passes_the_deflated_sharpe",
    ),
    7: ("test_leaks.test_known_alpha_is_found", "test_leaks.test_shuffled_labels_leave_nothing_to_find"),
    8: (
        "test_timed.test_polars_and_duckdb_and_the_obvious_loop_join_alike",
        "test_timed.test_an_as_of_join_is_the_obvious_loop",
        "test_leaks.test_a_join_on_event_times_is_not_the_obvious_loop",
    ),
    9: ("test_leaks.test_a_scaler_is_fitted_on_its_lesson_alone", "test_leaks.test_a_scaler_fitted_on_everything_is_found"),
    10: (
        "test_features.test_a_stream_gives_the_rows_of_the_batch_bit_for_bit",
        "test_features.test_a_stream_of_single_events_gives_the_rows_of_the_batch",
        "test_leaks.test_a_stream_that_starts_anew_is_found",
    ),
}


@pytest.mark.parametrize("number", range(1, 11))
def test_none_of_the_ten_is_gone(number: int) -> None:
    for name in INDEX[number]:
        module, _, test = name.partition(".")
        assert callable(getattr(importlib.import_module(module), test, None)), name
    assert f"| {number:>2} |" in str(__doc__)


# 1: prefixes ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ahead() -> dict[str, set[str]]:
    """The columns of each registry, and what looks ahead, found by the tests' own functions with a control planted."""
    start, events, _ = test_features.played(12, 300)
    made = test_features.rows(start, events, "event", bucket_lots=15)

    def with_control(told: NDArray[np.void]) -> pl.DataFrame:
        return test_features.rows(start, told, "event", bucket_lots=15).with_columns(next_mid=pl.col("mid2").shift(-1).cast(pl.Float64))

    bars = test_panel.random_bars(7)
    features = [*PANEL_FEATURES, test_panel.CONTROLS[0]]
    whole = test_panel.panel(test_panel.table(bars), features).frame
    after = int(bars["event_time"].unique().sort()[290])
    return {
        "made": {*made.columns, *whole.columns},
        "ahead": {
            *test_features.that_see_ahead(with_control, events, [150, 260]),
            *test_panel.leaks(bars, whole, features, "scrambled", after),
        },
    }


@pytest.mark.parametrize("name", [*NAMES, *PANEL_FEATURES])
def test_every_feature_of_the_registries_knows_its_past_alone(ahead: dict[str, set[str]], name: str) -> None:
    assert name in ahead["made"]
    assert name not in ahead["ahead"]
    assert {"next_mid", "next_day"} <= ahead["ahead"]


# 2 and 9: forecasts and scalers -----------------------------------------------------------------------------------------------------


def small_task(seed: int = 0, count: int = 900) -> Samples:
    """Samples with something to learn, three a time, labels of four times."""
    rng = np.random.default_rng(seed)
    now = np.repeat(np.arange(count // 3), 3) * 100
    table = rng.standard_normal((count, 5)) * 3.0 ** np.arange(5) + np.arange(count)[:, None] / 300
    value = table[:, 0] - table[:, 2] / 9 + rng.standard_normal(count)
    return Samples(table, tuple("abcde"), now, Spans(now, now + 400, value, now + 420), 0, group=np.tile(np.arange(3), count // 3))


def forecasts(expert: Expert, samples: Samples) -> tuple[Floats, NDArray[np.int64]]:
    """What a walk forward says, and of which rows."""
    said, rows = [], []
    for fold in WalkForward(folds=3, least=20).split(samples):
        said.append(fit(expert, samples.lesson(fold.train, fold.fit_time)).predict(samples.questions(fold.test)).mean)
        rows.append(fold.test)
    return np.concatenate(said), np.concatenate(rows)


def changed_forecasts(expert: Expert) -> int:
    """How many forecasts up to a row change, bit for bit, when features and labels after it become others."""
    samples = small_task()
    said, rows = forecasts(expert, samples)
    count = 0
    for first in (480, 600, 799):
        other, _ = forecasts(expert, scrambled(samples, first, first))
        count += int((said != other)[rows < first].sum())
        assert (said != other)[rows >= first].any()
    return count


@dataclass(frozen=True)
class Peeking:
    """The control: least squares whose scaler is fitted on all rows behind its lesson's view."""

    name: str = "peeking"

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """On more than it was given."""
        everything = np.asarray(lesson.features if lesson.features.base is None else lesson.features.base)
        return Scored(Scaler(everything.mean(axis=0), everything.std(axis=0)))


@dataclass(frozen=True)
class Scored:
    """The sum of standardised features."""

    scaler: Scaler

    def answer(self, asked: Questions) -> Numbers:
        """(asked,)."""
        return np.asarray(self.scaler(asked.table()).sum(axis=1))


LEARNERS = (Linear(), ElasticNet(), Forest(trees=10, leaf=5))


@pytest.mark.parametrize("expert", LEARNERS, ids=lambda one: one.name)
def test_no_forecast_changes_when_the_future_is_scrambled(expert: Expert) -> None:
    assert changed_forecasts(expert) == 0


def test_an_expert_that_reads_beyond_its_lesson_is_found() -> None:
    assert changed_forecasts(Peeking()) > 100


def is_of_its_lesson(scaler: Scaler, samples: Samples, train: NDArray[np.int64]) -> bool:
    """Whether a scaler has the means and spreads of those rows."""
    table = samples.features[train]
    return np.array_equal(scaler.centre, table.mean(axis=0)) and np.array_equal(scaler.spread, table.std(axis=0))


@pytest.mark.parametrize("expert", LEARNERS, ids=lambda one: one.name)
def test_a_scaler_is_fitted_on_its_lesson_alone(expert: Expert) -> None:
    samples = small_task()
    for fold in WalkForward(folds=3, least=20).split(samples):
        model: Any = fit(expert, samples.lesson(fold.train, fold.fit_time)).model
        assert is_of_its_lesson(model.scaler, samples, fold.train)


def test_a_scaler_fitted_on_everything_is_found() -> None:
    samples = small_task()
    fold = next(WalkForward(folds=3, least=20).split(samples))
    model: Any = fit(Peeking(), samples.lesson(fold.train, fold.fit_time)).model
    assert not is_of_its_lesson(model.scaler, samples, fold.train)


# 4: vintages ------------------------------------------------------------------------------------------------------------------------


def is_as_it_was_known(read: Callable[[Table, int], float]) -> bool:
    """Whether a figure of time 0, revised at 20 and 50, is read as it was known at 10, 19 and 49."""
    return [read(test_timed.REVISED, now) for now in (10, 19, 49)] == [1.0, 1.0, 1.5]


def test_a_bare_frame_shows_a_revision_before_it_was_known() -> None:
    assert is_as_it_was_known(lambda table, now: History({"t": table}, now).row("t", event_time=0, symbol="a")["x"])
    assert not is_as_it_was_known(lambda table, now: table.frame.filter(pl.col("event_time") <= now, symbol="a", event_time=0)["x"][-1])


# 5: regimes -------------------------------------------------------------------------------------------------------------------------

CALM_AND_WILD = Regimes(np.array([0.5, 0.5]), np.array([[0.97, 0.03], [0.06, 0.94]]), np.zeros(2), np.array([0.01, 0.025]) ** 2)


def changed_by_appending(probabilities: Callable[[Floats], Floats]) -> int:
    """How many rows of probabilities change, bit for bit, when values are appended."""
    rng = np.random.default_rng(5)
    values = rng.normal(0.0, np.where(np.sin(np.arange(900) / 40) > 0.3, 0.025, 0.01))
    whole = probabilities(values)
    return sum(
        int((~((whole[:cut] == (told := probabilities(values[:cut]))) | np.isnan(told))).any(axis=1).sum()) for cut in (260, 500, 501, 899)
    )


def test_regime_probabilities_stand_when_data_are_appended() -> None:
    assert changed_by_appending(lambda values: regime.walked(values, RegimeSettings(first=200, every=100, rounds=20))) == 0
    assert changed_by_appending(lambda values: regime.filtered(values, CALM_AND_WILD)) == 0


def test_smoothed_probabilities_do_not_stand() -> None:
    assert changed_by_appending(lambda values: smoothed(values, CALM_AND_WILD)) > 20
    assert changed_by_appending(lambda values: regime.filtered(values, regime.learn(values))) > 500  # parameters of all that came


def test_on_the_sp500_smoothing_makes_a_dull_strategy_brilliant(real_data: Path) -> None:
    """In the market on days after which the calm regime is the likelier one: 1992 to 2018, annual Sharpe ratios."""
    returns = daily(real_data / "daily" / "sp500_return_rv_vix.csv.gz").table.frame["return"].to_numpy() / 100
    how = RegimeSettings(every=1008, gain=1e-5)
    walked, whole = regime.walked(returns, how), smoothed(returns, regime.learn(returns))
    np.testing.assert_array_equal(regime.walked(returns[:5000], how), walked[:5000])
    assert (smoothed(returns[:5000], regime.learn(returns)) != whole[:5000]).any()
    held = slice(how.first, len(returns) - 1)
    ratios = [sharpe_ratio(((told[:-1, 0] > 0.5) * returns[1:])[held], 252) for told in (walked, whole)]
    assert ratios[0] < 0.6
    assert ratios[1] > 1.1


# 7: known alpha ---------------------------------------------------------------------------------------------------------------------


def share_found(seed: int, *, shuffled: bool) -> float:
    """Of the oracle's R² on the simulation's last third, by an elastic net; its lesson's labels may be shuffled within months."""
    samples, oracle = simulate(GkxSettings(seed=seed))
    fold = next(WalkForward(folds=1, first=2 / 3).split(samples))
    value = samples.spans.value
    taught = value.copy()
    if shuffled:
        rng = np.random.default_rng(seed)
        taught = rng.permuted(value.reshape(180, 200), axis=1).ravel()
    lesson = replace(samples, spans=replace(samples.spans, value=taught)).lesson(fold.train, fold.fit_time)
    said = fit(ElasticNet(penalty=0.02), lesson).predict(samples.questions(fold.test)).mean
    known = r2_out_of_sample(value[fold.test], oracle[fold.test])
    return r2_out_of_sample(value[fold.test], said) / known


@pytest.mark.parametrize("seed", [0, 1])
def test_known_alpha_is_found(seed: int) -> None:
    assert share_found(seed, shuffled=False) >= 0.7


@pytest.mark.parametrize("seed", [0, 1])
def test_shuffled_labels_leave_nothing_to_find(seed: int) -> None:
    assert share_found(seed, shuffled=True) <= 0.05
    samples, _ = simulate(GkxSettings(seed=seed, stocks=20, months=60))
    fold = next(WalkForward(folds=1).split(samples))
    assert fit(Constant(), samples.lesson(fold.train, fold.fit_time)).max_known_time < samples.now[fold.test].min()


# 8 and 10: joins and streams --------------------------------------------------------------------------------------------------------


def joins_as_the_loop_does(join: Callable[[pl.DataFrame, Table], pl.DataFrame]) -> bool:
    """Whether a join of random decisions finds what the obvious loop finds."""
    rng = np.random.default_rng(8)
    event = np.sort(rng.choice(500, 150, replace=False))
    told = test_timed.table(*[(int(e), int(e + rng.integers(0, 30)), str(rng.choice(list("ab"))), float(i)) for i, e in enumerate(event)])
    decisions = pl.DataFrame({"time": rng.integers(0, 520, 80), "symbol": rng.choice(list("ab"), 80)})
    wanted = test_timed.obvious_as_of(decisions, told, ("symbol",), 0, None, False)
    return join(decisions, told).select("x").rows() == [row[-1:] for row in wanted]


def test_a_join_on_event_times_is_not_the_obvious_loop() -> None:
    assert joins_as_the_loop_does(as_of)
    assert not joins_as_the_loop_does(
        lambda asked, told: as_of(asked, Table.of(told.frame.with_columns(known_time="event_time"), sort=True))
    )


def streams_as_the_batch_does(take: Callable[[Any, Any], pl.DataFrame]) -> bool:
    """Whether the rows of slices are those of the batch, bit for bit."""
    start, events, _ = test_features.played(13, 200)
    return test_features.bits(take(start, np.array_split(events, 9))) == test_features.bits(test_features.rows(start, events, "event"))


def test_a_stream_that_starts_anew_is_found() -> None:
    def one_stream(start: Any, slices: Any) -> pl.DataFrame:
        stream = FeatureStream(start, test_features.HOURS, every="event")
        return pl.concat([stream.take(some) for some in slices])

    def anew(start: Any, slices: Any) -> pl.DataFrame:
        return pl.concat([FeatureStream(start, test_features.HOURS, every="event").take(some) for some in slices])

    assert streams_as_the_batch_does(one_stream)
    assert not streams_as_the_batch_does(anew)
