"""What is taught with its mirror image: an expert that cannot learn the trend of a day."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tercet.errors import BadInput
from tercet.signals.experts import Machine
from tercet.signals.fitted import Answers, fit, lineage_of
from tercet.signals.league import decisions, evaluate
from tercet.signals.messagerows import KEPT_NAMES, mirror_of
from tercet.signals.registry import EXPERTS
from tercet.signals.samples import DIRECTION, MEAN, Mirror, Samples, Spans
from tercet.signals.task import Task
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import WalkForward

FEW = {"rounds": 30, "epochs": 20, "batch": 100, "ensemble": 2, "steps": 4, "patch": 2, "trees": 20, "refit": False, "patience": 3}


def rising(mirror: Mirror | None) -> Samples:
    """A market that rises four times of five; the first column tells a little of it, the second nothing, and both are odd."""
    rng = np.random.default_rng(2)
    table, now = rng.standard_normal((2000, 2)).astype(np.float32), np.arange(2000)
    value = np.where(rng.random(2000) < 0.8, 1.0, -1.0) * np.where(np.abs(table[:, 0]) > 1.5, np.sign(table[:, 0]), 1.0)
    return Samples(table, ("told", "noise"), now, Spans(now, now, value, now), 0, DIRECTION, mirror=mirror)


@pytest.mark.parametrize("name", ["logistic", "lightgbm", "xgboost", "random-forest", "mlp", "lstm"])
def test_a_trend_is_learned_without_a_mirror_and_not_with_one(name: str) -> None:
    expert = EXPERTS[name]
    expert = replace(expert, **{one: value for one, value in FEW.items() if hasattr(expert, one) and (name, one) != ("mlp", "steps")})
    odd = Mirror(np.arange(2), np.array([-1.0, -1.0], np.float32))
    means = {}
    for mirror in (None, odd):
        samples = rising(mirror)
        fitted = fit(expert, samples.lesson(np.arange(1500), 1499))
        means[mirror is None] = fitted.predict(samples.questions(np.arange(1500, 2000))).mean
    assert means[True].mean() > 0.4
    assert abs(means[False].mean()) < 0.15
    assert np.corrcoef(means[False], rising(odd).features[1500:, 0])[0, 1] > 0.3


def test_what_is_learned_beside_images_is_not_decided_against_the_trend(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    table, now = rng.standard_normal((8000, 1)).astype(np.float32), np.arange(8000)
    up = rng.random(8000) < 1 / (1 + np.exp(-np.log(4.0) - 0.4 * table[:, 0]))  # odds of four to one
    value = np.where(rng.random(8000) < 0.2, 0.0, np.where(up, 1.0, -1.0))
    samples = Samples(
        table, ("told",), now, Spans(now, now, value, now), 0, DIRECTION, mirror=Mirror(np.arange(1), np.array([-1], np.float32))
    )
    lesson = samples.lesson(np.arange(6000), 5999)
    answer = fit(EXPERTS["logistic"], lesson).predict(samples.questions(np.arange(6000, 8000)))
    decided = decisions(answer, lesson.taught_values())
    assert 0.8 < (decided == 1).sum() / (decided == -1).sum() < 1.25  # neither with the trend nor against it
    assert (decisions(answer, lesson.values) == -1).sum() > 2 * (decisions(answer, lesson.values) == 1).sum()  # the control
    (standing,) = evaluate(
        Task("trend", samples, value, *np.zeros((2, 8000)), 1, "ticks", {}, "trend"),
        [EXPERTS["logistic"]],
        WalkForward(folds=2),
        Ledger(tmp_path / "trials.jsonl"),
    ).standings
    assert 0.8 < (standing.decided == 1).sum() / (standing.decided == -1).sum() < 1.25


def test_a_class_that_was_never_taught_is_never_decided() -> None:
    softmax = np.array([[0.6, 0.01, 0.39], [0.3, 0.01, 0.69]])  # a network gives each class a little
    answers = Answers(softmax[:, 2] - softmax[:, 0], softmax, np.arange(2))
    assert decisions(answers, np.array([-1.0, 1.0, 1.0, -1.0])).tolist() == [-1, 1]


def test_a_lesson_teaches_each_row_beside_its_image() -> None:
    samples = rising(Mirror(np.array([1, 0]), np.array([1.0, -1.0], np.float32)))
    table, values = samples.lesson(np.arange(10), 9).taught()
    np.testing.assert_array_equal(table[::2], samples.features[:10])
    np.testing.assert_array_equal(table[1::2], samples.features[:10, ::-1] * [1.0, -1.0])
    np.testing.assert_array_equal(values, np.repeat(samples.spans.value[:10], 2) * np.tile([1.0, -1.0], 10))
    table, values = rising(None).lesson(np.arange(10), 9).taught()
    assert (len(table), len(values)) == (10, 10)


def test_a_machine_learns_beside_images_what_it_learns_of_as_many_rows() -> None:
    odd = Mirror(np.arange(2), np.array([-1.0, -1.0], np.float32))
    samples = rising(None)
    rows, order = np.arange(1000), np.repeat(np.arange(1000), 2)
    table, values = rising(odd).lesson(rows, 999).taught()
    spans = Spans(order, order, values, order)
    doubled = Samples(table, samples.names, order, spans, 0, DIRECTION)  # the same rows and images, each a row of its own
    asked = samples.questions(np.arange(1500, 2000))
    means = [
        fit(Machine(), one.lesson(np.arange(len(one)), 999)).predict(asked).mean
        for one in (
            replace(rising(odd), features=samples.features[:1000], now=rows, spans=rising(odd).spans.take(rows), group=rows * 0),
            doubled,
        )
    ]
    np.testing.assert_allclose(*means, atol=1e-6)


@pytest.mark.parametrize("name", ["svm-linear", "svm-rbf", "lightgbm"])
def test_a_stretch_of_one_class_has_the_other_in_its_images(name: str) -> None:
    odd = Mirror(np.arange(2), np.array([-1.0, -1.0], np.float32))
    samples = rising(odd)
    spans = replace(samples.spans, value=np.where(np.arange(2000) < 1200, 1.0, samples.spans.value))
    fitted = fit(EXPERTS[name], replace(samples, spans=spans).lesson(np.arange(1500), 1499))
    assert np.isfinite(fitted.predict(samples.questions(np.arange(1500, 2000))).mean).all()
    with pytest.raises(BadInput, match="all 100 labels of a lesson were 0"):
        replace(samples, spans=replace(samples.spans, value=np.zeros(2000))).lesson(np.arange(100), 99)


def test_a_model_that_learned_beside_images_is_another_and_a_trial_of_its_own() -> None:
    mirrors = (None, *(Mirror(np.arange(2), np.array(signs, np.float32)) for signs in ((-1, -1), (-1, 1))))
    lineages = [lineage_of(EXPERTS["logistic"], rising(mirror).lesson(np.arange(1500), 1499), 0) for mirror in mirrors]
    assert len({one.model_id for one in lineages}) == 3
    assert len({one.data for one in lineages}) == 3  # what the ledger tells trials apart by


def test_only_directions_have_images() -> None:
    with pytest.raises(BadInput, match="opposite direction"):
        replace(rising(Mirror(np.arange(2), np.ones(2, np.float32))), target=MEAN)


def test_every_feature_of_one_side_has_the_same_of_the_other() -> None:
    mirror = mirror_of(KEPT_NAMES)
    np.testing.assert_array_equal(mirror.places[mirror.places], np.arange(len(KEPT_NAMES)))
    sided = [name for name in KEPT_NAMES if name.rpartition("_")[2] in ("bid", "ask", "buy", "sell", "up", "down")]
    assert len(sided) >= 26
    assert all(mirror.places[KEPT_NAMES.index(name)] != KEPT_NAMES.index(name) for name in sided)
    row = np.random.default_rng(0).standard_normal((1, len(KEPT_NAMES))).astype(np.float32)
    np.testing.assert_array_equal(mirror(mirror(row)), row)


def test_a_mirror_refuses_a_feature_whose_image_nobody_has_named() -> None:
    with pytest.raises(BadInput, match=r"nobody has said what my_signal is .*signs=\{'my_signal': -1\}.*mirrored=False"):
        mirror_of(("spread", "my_signal"))
    with pytest.raises(BadInput, match="ofi_mine"):  # a prefix of ours makes it none of ours
        mirror_of(("spread", "ofi_mine"))
    with pytest.raises(BadInput, match="hawkes_buy is there without hawkes_sell"):
        mirror_of(tuple(name for name in KEPT_NAMES if name != "hawkes_sell"))
    for wrong in ({"my_signal": 0}, {"my_signal": -1, "luck": 1}):
        with pytest.raises(BadInput, match="expected 1 or -1 for features that are there"):
            mirror_of(("my_signal",), wrong)
    with pytest.raises(BadInput, match="mine_bid and mine_ask had unequal signs"):
        mirror_of(("mine_bid", "mine_ask"), {"mine_bid": 1, "mine_ask": -1})


def test_the_sign_of_a_feature_of_ones_own_is_said_and_that_of_other_symbols_flow_is_known() -> None:
    names = ("spread", "my_signal", "mine_bid", "mine_ask", "ofi_all_10s_GOOG", "trend_up")
    mirror = mirror_of(names, {"my_signal": -1, "mine_bid": 1, "mine_ask": 1, "trend_up": -1})
    assert mirror.places.tolist() == [0, 1, 3, 2, 4, 5]
    assert mirror.signs.tolist() == [1, -1, 1, 1, -1, -1]


def test_a_signed_feature_of_ones_own_is_learned_beside_its_image() -> None:
    rng = np.random.default_rng(0)
    table, now = rng.normal(size=(4000, 2)).astype(np.float32), np.arange(4000)
    value = np.sign(table[:, 1] + rng.normal(size=4000))
    names, spans = ("spread", "my_signal"), Spans(now, now, value, now)
    samples = Samples(table, names, now, spans, 0, DIRECTION, mirror=mirror_of(names, {"my_signal": -1}))
    fitted = fit(EXPERTS["logistic"], samples.lesson(np.arange(3000), 2999))
    mean = fitted.predict(samples.questions(np.arange(3000, 4000))).mean
    assert np.corrcoef(mean, value[3000:])[0, 1] > 0.4
