"""An expert meets no label that was not known: spans, purging, embargo, and the types that hold them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.signals.experts import Boosting, Constant, Linear, Machine, Tuned
from tercet.signals.fitted import Fitted, fit
from tercet.signals.samples import Leak, Lesson, Samples, Spans, windows
from tercet.signals.walkforward import Combinatorial, Fold, WalkForward, inner

DAY = 86_400 * 10**9


def samples(now, lengths, memory=0, late=0, features=3, seed=0):
    """Samples whose labels last so long and are known so late."""
    rng = np.random.default_rng(seed)
    now = np.asarray(now, np.int64)
    ends = now + np.asarray(lengths, np.int64)
    table = rng.standard_normal((len(now), features))
    spans = Spans(now, ends, rng.standard_normal(len(now)), ends + late)
    return Samples(table, tuple(f"f{i}" for i in range(features)), now, spans, memory)


def overlapping(all_of_them, fold, memory):
    """How many training labels meet a test's span, counted one by one: the slow truth."""
    spans, count = all_of_them.spans, 0
    for row in fold.train:
        begins, ends = spans.t0[row] - memory, spans.t1[row]
        count += any(begins <= spans.t1[asked] and ends >= all_of_them.now[asked] for asked in fold.test)
    return count


@st.composite
def histories(draw):
    """Samples of random spans: many at a time, long and short labels, some known late."""
    count = draw(st.integers(60, 150))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    now = np.sort(rng.integers(0, 400, count))
    memory = draw(st.integers(0, 10))
    return samples(now, rng.integers(0, draw(st.integers(1, 30)), count), memory, draw(st.integers(0, 5)))


@given(histories(), st.integers(1, 3))
def test_no_label_of_a_walk_forward_meets_a_test(history, folds):
    for fold in WalkForward(folds=folds, least=1).split(history):
        assert overlapping(history, fold, history.memory) == 0
        assert history.spans.available[fold.train].max() <= fold.fit_time < history.now[fold.test].min()
        assert history.lesson(fold.train, fold.fit_time).max_known_time <= fold.fit_time


@given(histories())
def test_no_label_of_a_combinatorial_fold_meets_a_test_on_either_side(history):
    folds = list(Combinatorial(groups=5, tests=2).split(history))
    assert len(folds) == 10
    assert sum(len(fold.test) for fold in folds) == 4 * len(history)  # each stretch is asked φ = 4 times
    for fold in folds:
        assert overlapping(history, fold, history.memory) == 0


def test_the_rule_that_begins_a_test_at_the_end_of_its_first_label_leaves_forty_overlapping_labels():
    """The control: 300 days, labels of 10 days, 5 folds, purged as the well-known PurgedKFold does it."""
    history = samples(np.arange(300) * DAY, np.full(300, 10 * DAY))
    spans, left = history.spans, 0
    for test in np.array_split(np.arange(300), 5):
        first, last = spans.t1[test[0]], spans.t1[test].max()
        before = np.flatnonzero(spans.t1 <= first)
        after = np.flatnonzero(spans.t0 > last)
        train = np.setdiff1d(np.union1d(before, after), test)
        left += overlapping(history, Fold(train, test, None, 0), 0)
    assert left == 40
    assert sum(overlapping(history, fold, 0) for fold in Combinatorial(groups=5, tests=1).split(history)) == 0


def test_an_embargo_is_at_least_the_horizon_and_the_memory():
    history = samples(np.arange(300), np.full(300, 5), memory=20)
    for fold in Combinatorial(groups=3, tests=1).split(history):
        last = history.spans.t1[fold.test].max()
        behind = history.now[fold.train][history.now[fold.train] > history.now[fold.test].max()]
        assert (behind - history.memory > last + 20).all()


def test_a_walk_forward_learns_nothing_behind_a_stretch_so_that_an_embargo_changes_nothing():
    history = samples(np.arange(300), np.full(300, 5), memory=20)
    for fold, long in zip(
        WalkForward(folds=3, least=1).split(history), WalkForward(folds=3, least=1, embargo=10**9).split(history), strict=True
    ):
        np.testing.assert_array_equal(fold.train, long.train)
        assert history.spans.t1[fold.train].max() < history.now[fold.test].min()


def test_a_lesson_of_labels_not_yet_known_is_a_leak():
    history = samples(np.arange(300), np.full(300, 5), late=7)
    with pytest.raises(Leak, match="were not known by then"):
        history.lesson(np.arange(100), fit_time=105)
    assert len(history.lesson(np.arange(94), fit_time=105).rows) == 94


def test_only_samples_make_a_lesson():
    lesson = samples(np.arange(300), np.full(300, 5)).lesson(np.arange(100), 200)
    parts = {name: getattr(lesson, name) for name in lesson.__dataclass_fields__ if name != "stamp"}
    with pytest.raises(TypeError, match="only Samples"):
        Lesson(**parts)


def test_a_model_is_asked_only_about_what_came_later():
    history = samples(np.arange(300), np.full(300, 5))
    fitted = fit(Linear(), history.lesson(np.arange(100), 150))
    assert isinstance(fitted, Fitted)
    assert fitted.max_known_time == 104
    assert len(fitted.predict(history.questions(np.arange(105, 110))).mean) == 5
    with pytest.raises(Leak, match="expected a later time"):
        fitted.predict(history.questions(np.arange(104, 110)))


def test_a_model_of_a_combinatorial_fold_gives_no_forecast():
    history = samples(np.arange(300), np.full(300, 5))
    fold = next(Combinatorial(groups=3, tests=1).split(history))
    fitted = fit(Constant(), history.lesson(fold.train, fold.fit_time))
    with pytest.raises(Leak, match="hindsight"):
        fitted.predict(history.questions(fold.test))
    assert len(fitted.hindcast(history.questions(fold.test)).answers.mean) == len(fold.test)


def test_what_is_tuned_inside_a_lesson_does_not_reach_into_what_it_is_judged_on():
    history = samples(np.arange(300), np.full(300, 5))
    early, late = inner(history.lesson(np.arange(200), 250), 0.25)
    assert early.spans.available.max() < late.now.min()


def test_windows_look_back_and_stay_within_their_group():
    group = np.array([0, 1, 0, 1, 0])
    assert windows(np.array([4, 3, 0]), group, 3).tolist() == [[0, 2, 4], [1, 1, 3], [0, 0, 0]]


def test_questions_end_with_the_last_row_asked():
    history = samples(np.arange(300), np.full(300, 5))
    asked = history.questions(np.array([3, 7]))
    assert len(asked.features) == len(asked.group) == 8


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"now": [3, 2]}, "lies before the row above"),
        ({"features": [[1.0], [np.nan]]}, "f0 of row 1 was nan"),
        ({"t0": [0, 0]}, "before its features"),
        ({"t1": [5, 0]}, "ended before it began"),
        ({"available": [5, 3]}, "known before it ended"),
        ({"value": [1.0, np.inf]}, "no finite number"),
        ({"target": "direction"}, "neither -1, 0 nor 1"),
        ({"memory": -1}, "memory was -1"),
    ],
)
def test_samples_refuse_what_cannot_be_learned_from(wrong, sentence):
    parts = {"now": [1, 2], "features": [[1.0], [2.0]], "t0": [1, 2], "t1": [5, 6], "available": [5, 6], "value": [0.5, 1.0]} | wrong
    times = {name: np.array(parts[name], np.int64) for name in ("t0", "t1", "available")}
    with pytest.raises(BadInput, match=sentence):
        Samples(
            np.array(parts["features"]),
            ("f0",),
            np.array(parts["now"], np.int64),
            Spans(times["t0"], times["t1"], np.array(parts["value"]), times["available"]),
            parts.get("memory", 0),
            parts.get("target", "mean"),
        )


def test_labels_of_one_class_are_no_lesson_in_directions():
    history = samples(np.arange(50), np.full(50, 1))
    spans = Spans(history.spans.t0, history.spans.t1, np.ones(50), history.spans.available)
    with pytest.raises(BadInput, match="expected two classes"):
        Samples(history.features, history.names, history.now, spans, 0, "direction").lesson(np.arange(20), 40)


@pytest.mark.parametrize("expert", [Machine(), Machine("svm-rbf", "rbf"), Boosting(), Tuned(Boosting(), (("rate", 0.01, 0.1, True),), 2)])
def test_a_part_of_a_lesson_with_one_class_is_named(expert):
    history = samples(np.arange(300), np.full(300, 1))
    value = np.where(np.arange(300) < 250, 1.0, -1.0)  # only the newest sixth has both
    directions = replace(history, spans=replace(history.spans, value=value), target="direction")
    with pytest.raises(BadInput, match=r"labels of a part of a lesson were 1; expected two|learned from is -1; expected some of each"):
        fit(expert, directions.lesson(np.arange(290), 295))


def test_a_fold_too_short_is_named():
    with pytest.raises(BadInput, match="fold 1 of 5 has 30 rows to learn from; expected 100 or more"):
        list(WalkForward().split(samples(np.arange(60), np.zeros(60))))
