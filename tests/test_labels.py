"""Labels are what happened, in the span that they name, and known no earlier than it ended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.signals.labels import directions, meta_labels, moves, net_moves, triple_barrier

TIME = np.array([10, 20, 20, 30, 45, 60], np.int64)
PRICE = np.array([100.0, 101.0, 99.0, 99.5, 103.0, 103.0])


def test_a_move_ends_so_many_rows_later_and_is_known_a_latency_after():
    rows, spans = moves(TIME, PRICE, 2, latency_ns=7)
    assert rows.tolist() == [0, 1, 2, 3]
    assert spans.value.tolist() == [-1.0, -1.5, 4.0, 3.5]
    assert spans.t0.tolist() == [10, 20, 20, 30]
    assert spans.t1.tolist() == [20, 30, 45, 60]
    assert (spans.available - spans.t1 == 7).all()


def test_a_direction_is_a_move_beyond_the_cost_band():
    assert directions(moves(TIME, PRICE, 2), 1.0).spans.value.tolist() == [0.0, -1.0, 1.0, 1.0]
    assert directions(moves(TIME, PRICE, 2), np.array([0.5, 2.0, 5.0, 3.0])).spans.value.tolist() == [-1.0, 0.0, 0.0, 1.0]


def test_a_net_move_is_what_crossing_in_and_out_leaves():
    half = np.full(4, 0.5)
    assert net_moves(moves(TIME, PRICE, 2), half, 2 * half).spans.value.tolist() == [0.0, 0.0, 2.5, 2.0]


def test_the_barrier_touched_first_is_the_label_and_ends_it():
    wide = np.full(6, 2.0)
    rows, spans = triple_barrier(TIME, PRICE, wide, 0.9 * wide, 3)
    assert rows.tolist() == [0, 1, 2]
    assert spans.value.tolist() == [0.0, -1.0, 1.0]
    assert spans.t1.tolist() == [30, 20, 45]


@given(st.integers(0, 2**32))
def test_triple_barriers_are_those_of_a_walk_row_by_row(seed):
    rng = np.random.default_rng(seed)
    price = np.cumsum(rng.integers(-2, 3, 60)).astype(float)
    up, down = rng.integers(1, 6, (2, 60)).astype(float)
    rows, spans = triple_barrier(np.arange(60), price, up, down, 10)
    for row in rows:
        value, end = 0, row + 10
        for ahead in range(row + 1, row + 11):
            moved = price[ahead] - price[row]
            if moved >= up[row] or moved <= -down[row]:
                value, end = np.sign(moved), ahead
                break
        assert (spans.value[row], spans.t1[row]) == (value, end)


def test_meta_labels_say_whether_a_side_was_right():
    side = np.array([1, -1, 0, 1])
    rows, spans = meta_labels(side, moves(TIME, PRICE, 2))
    assert rows.tolist() == [0, 1, 3]
    assert spans.value.tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: moves(TIME, PRICE, 6), "horizon was 6 rows of 6"),
        (lambda: moves(TIME[::-1], PRICE, 1), "time goes back at row 1"),
        (lambda: moves(TIME, PRICE * np.nan, 1), "the price of row 0 was no finite number"),
        (lambda: moves(TIME[:3], PRICE, 1), "3 times and 6 prices"),
        (lambda: triple_barrier(TIME, PRICE, 0 * PRICE, PRICE, 2), "barrier was not above 0"),
        (lambda: meta_labels(np.array([1]), moves(TIME, PRICE, 2)), "1 sides for 4 labels"),
    ],
)
def test_labels_refuse_what_has_none(call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call()
