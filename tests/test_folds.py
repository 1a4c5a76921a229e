"""Folds, lessons and spans to the row: what is learned from, what is asked, what is known when, each boundary on both of its sides."""

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from tercet.errors import BadInput
from tercet.signals.samples import DIRECTION, MEAN, Leak, Lesson, Mirror, Samples, Spans, windows
from tercet.signals.walkforward import Combinatorial, Fold, WalkForward, inner, inner_rows, purge


def samples(now: Any, length: int = 1, late: int = 0, memory: int = 0, **more: Any) -> Samples:
    """A feature that is the row's number; a label of [now, now + length], known `late` after."""
    now = np.asarray(now, np.int64)
    value = more.pop("value", np.arange(len(now), dtype=np.float64))
    spans = Spans(now, now + length, np.asarray(value, np.float64), now + length + late)
    return Samples(np.arange(len(now), dtype=np.float32)[:, None], ("row",), now, spans, memory, **more)


@pytest.mark.parametrize(
    "wrong",
    [
        {"folds": 0},
        {"first": 0.0},
        {"first": -0.1},
        {"first": 0.5, "last": 0.5},
        {"first": 0.7, "last": 0.6},
        {"last": 1.01},
        {"window": 0.0},
        {"window": 1.01},
        {"embargo": -1},
        {"least": 0},
    ],
)
def test_a_split_that_no_history_can_be_cut_by_is_refused(wrong):
    with pytest.raises(
        BadInput, match=re.escape("expected folds >= 1, 0 < first < last <= 1, 0 < window <= 1, embargo >= 0 and least >= 1")
    ):
        WalkForward(**wrong)


@pytest.mark.parametrize("right", [{"folds": 1}, {"first": 0.01}, {"last": 0.51}, {"window": 0.01}, {"embargo": 1}, {"least": 1}])
def test_a_split_at_its_bounds_is_taken(right):
    assert dataclasses.asdict(WalkForward(**right)).items() >= right.items()


def test_what_says_how_to_split_and_its_folds_cannot_be_changed():
    fold = Fold(np.zeros(1, np.int64), np.zeros(1, np.int64), 3, 0)
    for frozen, name in ((WalkForward(), "folds"), (Combinatorial(), "groups"), (fold, "purged")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(frozen, name, 1)


def rows_of(split: WalkForward, given: Samples) -> list[tuple[list[int], list[int], int | None, int]]:
    """(train, test, fit time, purged) of each fold."""
    return [(fold.train.tolist(), fold.test.tolist(), fold.fit_time, fold.purged) for fold in split.split(given)]


def test_a_walk_learns_all_that_was_known_before_a_stretch_and_asks_the_stretch():
    # Times 10..19. A label of [t, t + 1] is known at t + 1: the row just before a stretch would end inside it.
    assert rows_of(WalkForward(folds=2, first=0.4, least=1), samples(np.arange(10, 20))) == [
        ([0, 1, 2], [4, 5, 6], 13, 1),
        ([0, 1, 2, 3, 4, 5], [7, 8, 9], 16, 1),
    ]


def test_a_walk_learns_from_the_newest_window_and_leaves_the_vault_alone():
    found = rows_of(WalkForward(folds=2, first=0.4, last=0.8, window=0.3, least=1), samples(np.arange(10, 20)))
    assert found == [([1, 2], [4, 5], 13, 1), ([3, 4], [6, 7], 15, 1)]


def test_rows_of_one_time_stay_together():
    found = rows_of(WalkForward(folds=1, first=0.5, least=1), samples(np.repeat(np.arange(10, 14), 3)))
    assert found == [([0, 1, 2], list(range(6, 12)), 11, 3)]


def test_a_label_that_is_known_late_is_purged_until_it_is_known():
    found = rows_of(WalkForward(folds=1, first=0.5, least=1), samples(np.arange(10, 20), late=2))
    assert found == [([0, 1], [5, 6, 7, 8, 9], 14, 3)]  # row 1 is known at 14, when it is fitted; row 2 at 15


def test_memory_and_embargo_do_not_reach_back_before_a_walk_but_the_test_does():
    given = samples(np.arange(10, 20), memory=3)
    assert rows_of(WalkForward(folds=1, first=0.5, least=1, embargo=5), given)[0][0] == [0, 1, 2, 3]


def test_a_fold_without_rows_or_with_too_few_is_named_by_its_number_and_side():
    with pytest.raises(BadInput, match=re.escape("fold 1 of 4 is empty: there are 3 decision times; expected more, or fewer folds")):
        list(WalkForward(folds=4, first=0.5, least=1).split(samples([1, 2, 3])))
    with pytest.raises(BadInput, match="fold 1 of 1 is empty"):
        list(WalkForward(folds=1, first=0.1, least=1).split(samples([1, 2, 3])))
    given = samples(np.arange(10, 20))
    assert rows_of(WalkForward(folds=2, first=0.4, least=3), given)
    with pytest.raises(BadInput, match=re.escape("fold 1 of 2 has 3 rows to learn from; expected 4 or more")):
        list(WalkForward(folds=2, first=0.4, least=4).split(given))
    with pytest.raises(BadInput, match=re.escape("fold 2 of 2 has 3 rows to be asked about; expected 4 or more")):
        list(WalkForward(folds=2, first=0.5, least=4).split(samples([*range(10, 16), 15, 16, 16, 17, 18, 19])))


@pytest.mark.parametrize(("groups", "tests", "paths", "folds"), [(6, 2, 5, 15), (4, 1, 1, 4), (5, 3, 6, 10), (3, 2, 2, 3)])
def test_every_choice_of_stretches_is_asked_once(groups, tests, paths, folds):
    split = Combinatorial(groups, tests)
    found = [fold.test.tolist() for fold in split.split(samples(np.arange(60, dtype=np.int64) * 100))]
    assert split.paths == paths
    assert len(found) == len({tuple(rows) for rows in found}) == folds
    assert np.bincount(np.concatenate(found)).tolist() == [paths * groups // groups] * 60


@pytest.mark.parametrize("wrong", [{"tests": 0}, {"groups": 2, "tests": 2}, {"groups": 2, "tests": 3}, {"embargo": -1}])
def test_groups_that_leave_nothing_to_learn_or_to_ask_are_refused(wrong):
    with pytest.raises(BadInput, match=re.escape("expected 1 <= tests < groups and embargo >= 0")):
        Combinatorial(**wrong)
    assert Combinatorial(2, 1, embargo=1).embargo == 1


def test_a_combinatorial_fold_learns_on_both_sides_and_skips_what_overlaps_and_the_embargo():
    given = samples(np.arange(12))
    found = {tuple(fold.test.tolist()): fold for fold in Combinatorial(4, 1).split(given)}
    middle = found[3, 4, 5]  # labels of 3..5 end at 6; a row that begins at 7 is in the embargo of one label
    assert (middle.train.tolist(), middle.fit_time, middle.purged) == ([0, 1, 8, 9, 10, 11], None, 3)
    wide = {tuple(fold.test.tolist()): fold for fold in Combinatorial(4, 1, embargo=4).split(given)}
    assert wide[3, 4, 5].train.tolist() == [0, 1, 11]
    with pytest.raises(BadInput, match="there are 3 decision times; expected 4 or more"):
        list(Combinatorial(4, 1).split(samples([1, 2, 3])))
    assert len(list(Combinatorial(3, 1).split(samples([0, 10, 20])))) == 3
    with pytest.raises(BadInput, match=re.escape("nothing is left to learn from beside stretches (0,) (1 purged)")):
        list(Combinatorial(2, 1).split(samples([0, 1])))


@pytest.mark.parametrize("seed", range(30))
def test_purging_is_what_it_says_of_each_row(seed):
    rng = np.random.default_rng(seed)
    now = np.sort(rng.integers(0, 60, 25))
    t0 = now + rng.integers(0, 3, 25)
    t1 = t0 + rng.integers(0, 6, 25)
    given = Samples(np.zeros((25, 1)), ("a",), now, Spans(t0, t1, np.zeros(25), t1 + rng.integers(0, 4, 25)), int(rng.integers(0, 6)))
    rows = rng.permutation(25)
    tests, candidates = [np.sort(rows[:4]), np.sort(rows[4:7])], np.sort(rows[7:])
    embargo, fit_time = int(rng.integers(0, 8)), (None, 30)[seed % 2]
    longest = max(embargo, int((t1 - t0).max()), given.memory)

    def kept(row: int) -> bool:
        for test in tests:
            first, last = now[test].min(), t1[test].max()
            if t1[row] >= first and t0[row] - given.memory <= last + longest:
                return False
        return fit_time is None or (given.spans.available[row] <= fit_time and now[row] <= fit_time)

    fold = purge(given, candidates, tests, embargo, fit_time)
    assert fold.train.tolist() == [row for row in candidates.tolist() if kept(row)]
    assert fold.test.tolist() == np.concatenate(tests).tolist()
    assert (fold.fit_time, fold.purged) == (fit_time, len(candidates) - len(fold.train))


def test_a_lesson_is_cut_where_its_newest_share_begins_and_no_label_reaches_over_the_cut():
    lesson = samples(np.arange(10, 20), late=1).lesson(np.arange(10), 21)
    early, late = inner_rows(lesson, 0.3)
    assert (early.tolist(), late.tolist()) == ([0, 1, 2, 3, 4], [7, 8, 9])  # row 4 is known at 16, row 5 at 17, the cut
    one, two = inner(lesson, 0.3)
    assert (one.fit_time, two.fit_time, one.rows.tolist(), two.rows.tolist()) == (16, 21, [0, 1, 2, 3, 4], [7, 8, 9])
    with pytest.raises(BadInput, match=re.escape("a lesson of 10 rows has 0 and 9 in its two parts; expected more rows")):
        inner_rows(lesson, 0.8)
    with pytest.raises(BadInput, match=re.escape("has 7 and 1 in its two parts")):
        inner_rows(lesson, 0.1)
    assert [len(part) for part in inner_rows(lesson, 0.6)] == [2, 6]
    assert [len(part) for part in inner_rows(lesson, 0.2)] == [6, 2]


def test_a_row_of_the_cut_s_own_time_is_late_and_a_label_that_ends_there_is_in_neither_part():
    now = np.array([0, 1, 2, 5, 5, 6])
    spans = Spans(now, np.array([1, 5, 4, 6, 6, 7]), np.zeros(6), np.array([1, 5, 4, 6, 6, 7]))
    lesson = Samples(np.zeros((6, 1)), ("a",), now, spans, 0).lesson(np.arange(6), 7)
    early, late = inner_rows(lesson, 0.4)
    assert (early.tolist(), late.tolist()) == ([0, 2], [3, 4, 5])
    later = Samples(np.zeros((6, 1)), ("a",), now, Spans(now, spans.t1, np.zeros(6), np.array([4, 5, 4, 9, 9, 9])), 0)
    assert inner_rows(later.lesson(np.arange(6), 9), 0.4)[0].tolist() == [0, 2]


# Spans, samples and lessons -----------------------------------------------------------------------------------------------------------


def test_spans_begin_before_they_end_and_end_before_they_are_known():
    good = Spans(np.array([1, 2]), np.array([1, 5]), np.array([0.5, -1.0]), np.array([1, 5]))
    assert (len(good), good[1], good.take(np.array([1]))[0]) == (2, (2, 5, -1.0, 5), (2, 5, -1.0, 5))
    for change, sentence in (
        ({"t1": np.array([1, 1])}, "label 1: a label ended before it began (LabelSpan(t0=2, t1=1, value=-1.0, available=5))"),
        ({"available": np.array([0, 5])}, "label 0: a label was known before it ended"),
        ({"value": np.array([0.5, np.nan])}, "label 1: a label was no finite number"),
        ({"value": np.array([np.inf, 0.0])}, "label 0: a label was no finite number"),
        ({"value": np.array([0.5])}, "spans were of unequal lengths"),
        ({"t1": np.array([1])}, "spans were of unequal lengths"),
        ({"available": np.array([1])}, "spans were of unequal lengths"),
    ):
        with pytest.raises(BadInput, match=re.escape(sentence)):
            dataclasses.replace(good, **change)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"names": ("a", "b")}, BadInput, "(3, 1) features for 2 names, 3 times, 3 labels and 3 groups"),
        ({"group": np.zeros(2, np.int64)}, BadInput, "3 labels and 2 groups"),
        ({"now": np.array([1, 0, 2])}, BadInput, "row 1 lies before the row above it (0 after 1); sort by time"),
        ({"features": np.array([[0.0], [np.nan], [1.0]])}, BadInput, "row of row 1 was nan; expected finite numbers"),
        ({"now": np.array([1, 1, 0])}, BadInput, "row 2 lies before the row above it (0 after 1); sort by time"),
        ({"now": np.array([0, 3, 4])}, Leak, "the label of row 1 begins at 1, before its features are known, 3"),
        ({"now": np.array([0, 2, 2])}, Leak, "the label of row 1 begins at 1, before its features are known, 2"),
        ({"target": "rank"}, BadInput, "target was 'rank'; expected mean or direction"),
        ({"target": DIRECTION}, BadInput, "a direction was neither -1, 0 nor 1"),
        ({"mirror": Mirror(np.zeros(1, np.int64), np.ones(1, np.float32))}, BadInput, "samples of a mean had a mirror"),
        ({"memory": -1}, BadInput, "memory was -1 ns; expected 0 or more"),
    ],
)
def test_samples_that_cannot_be_learned_from_are_refused(change, error, sentence):
    good = samples([0, 1, 2])
    assert (len(good), good.group.tolist(), good.target) == (3, [0, 0, 0], MEAN)
    with pytest.raises(error, match=re.escape(sentence)):
        dataclasses.replace(good, **change)


def test_no_samples_are_refused():
    with pytest.raises(BadInput, match="there are none"):
        samples(np.zeros(0))


def test_a_lesson_knows_what_was_known_and_not_a_nanosecond_later():
    given = samples([0, 10, 20], late=3)
    assert given.lesson(np.arange(2), 14).max_known_time == 14
    with pytest.raises(Leak, match=re.escape("1 labels of a lesson at 13 were not known by then; the first at 14")):
        given.lesson(np.arange(2), 13)
    with pytest.raises(Leak, match=re.escape("2 labels of a lesson at 13 were not known by then; the first at 14")):
        given.lesson(np.arange(3), 13)
    assert given.lesson(np.arange(3), None).fit_time is None
    zero = Samples(np.zeros((2, 1)), ("a",), np.array([0, 9]), Spans(np.array([0, 9]), np.array([0, 9]), np.zeros(2), np.array([0, 9])), 0)
    assert zero.lesson(np.arange(2), 9).max_known_time == 9
    with pytest.raises(BadInput, match="a lesson had no rows"):
        given.lesson(np.zeros(0, np.int64), 99)
    with pytest.raises(BadInput, match="no rows were asked about"):
        given.questions(np.zeros(0, np.int64))
    with pytest.raises(TypeError, match=re.escape("only Samples.lesson makes a Lesson")):
        Lesson(given.features, np.arange(3), given.now, given.group, given.spans, MEAN, 99, ("row",), 0)


def test_a_lesson_and_questions_hold_no_row_behind_their_last():
    given = samples([0, 10, 20, 30])
    lesson = given.lesson(np.array([0, 2]), 21)
    assert (lesson.features.tolist(), lesson.table().tolist(), lesson.values.tolist()) == (
        [[0.0], [1.0], [2.0]],
        [[0.0], [2.0]],
        [0.0, 2.0],
    )
    assert len(lesson.group) == 3
    part = lesson.part(np.array([0]), 1)
    assert (part.rows.tolist(), part.now.tolist(), part.fit_time, part.values.tolist()) == ([0], [0], 1, [0.0])
    with pytest.raises(Leak):
        lesson.part(np.array([1]), 20)
    asked = lesson.questions(np.array([1]))
    assert (asked.rows.tolist(), asked.now.tolist(), asked.features.tolist()) == ([2], [20], [[0.0], [1.0], [2.0]])
    assert given.questions(np.array([1])).features.tolist() == [[0.0], [1.0]]


def test_images_follow_their_rows_with_the_opposite_direction():
    mirror = Mirror(np.array([0]), np.array([-1], np.float32))
    lesson = samples([0, 1, 2], value=[1, 0, -1], target=DIRECTION, mirror=mirror).lesson(np.arange(3), 9)
    table, values = lesson.taught()
    assert table.ravel().tolist() == [0.0, -0.0, 1.0, -1.0, 2.0, -2.0]
    assert values.tolist() == lesson.taught_values().tolist() == [1.0, -1.0, 0.0, -0.0, -1.0, 1.0]
    assert lesson.taught_places(np.array([0, 2])).tolist() == [0, 1, 4, 5]
    plain = samples([0, 1, 2], value=[1, 0, -1], target=DIRECTION).lesson(np.arange(3), 9)
    assert plain.taught_values().tolist() == [1.0, 0.0, -1.0]
    assert plain.taught()[0].ravel().tolist() == [0.0, 1.0, 2.0]
    assert plain.taught_places(np.array([0, 2])).tolist() == [0, 2]


def test_a_direction_is_taught_of_two_classes():
    with pytest.raises(BadInput, match=re.escape("all 2 labels of a lesson were 1; expected two classes or more")):
        samples([0, 1], value=[1, 1], target=DIRECTION).lesson(np.arange(2), 9)
    lesson = samples([0, 1, 2], value=[1, 1, 0], target=DIRECTION).lesson(np.arange(3), 9)
    with pytest.raises(BadInput, match="all 2 labels of a part of a lesson were 1"):
        lesson.part(np.arange(2), 9)
    mirror = Mirror(np.array([0]), np.array([-1], np.float32))
    assert len(samples([0, 1], value=[1, 1], target=DIRECTION, mirror=mirror).lesson(np.arange(2), 9).rows) == 2


@pytest.mark.parametrize("seed", range(10))
def test_a_window_ends_at_its_row_and_stays_in_its_group(seed):
    rng = np.random.default_rng(seed)
    group, steps = rng.integers(0, 3, 20), int(rng.integers(1, 6))
    rows = rng.permutation(20)[:7]
    for row, found in zip(rows.tolist(), windows(rows, group, steps).tolist(), strict=True):
        own = [place for place in range(row + 1) if group[place] == group[row]]
        assert found == ([own[0]] * steps + own)[-steps:]
    given = samples(np.arange(20), group=group)
    assert given.questions(rows).window(steps).tolist() == windows(rows, group, steps).tolist()
