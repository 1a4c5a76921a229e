"""The timing wheel beside a plain sorted list."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.sim.wheel import arm, conceive, disarm, find, forget, wheel_dtype

TIMERS = 12


def new_wheel(shift: int) -> Any:
    """An empty wheel."""
    wheel = np.zeros(1, wheel_dtype(TIMERS, 4)).view(np.recarray)[0]
    wheel.shift = shift
    return wheel


def first(wheel: Any) -> tuple[int, int]:
    """The timer that strikes first, and when; however many empty turns lie before it."""
    while wheel.due == 0:
        find(wheel)
    return int(wheel.due), int(wheel.due_time)


@settings(max_examples=60, deadline=None)
@given(
    shift=st.integers(0, 12),
    steps=st.lists(st.tuples(st.integers(1, TIMERS), st.integers(1, 3_000_000), st.integers(0, 3)), min_size=1, max_size=80),
)
def test_timers_strike_in_the_order_of_their_times_wherever_they_wait(shift: int, steps: list[tuple[int, int, int]]) -> None:
    wheel, waiting, now = new_wheel(shift), {}, 0
    for k, wait, what in steps:
        if k not in waiting:
            arm(wheel, k, now + wait, 0)
            waiting[k] = now + wait
        elif what == 0:
            disarm(wheel, k)
            del waiting[k]
        if what > 1 and waiting:
            struck, time = first(wheel)
            assert time == min(waiting.values()) == waiting[struck]
            now = time
            disarm(wheel, struck)
            del waiting[struck]
    while waiting:
        struck, time = first(wheel)
        assert time == min(waiting.values()) == waiting.pop(struck)
        disarm(wheel, struck)


def test_a_full_wheel_refuses_births_and_counts_them_and_forgotten_ones_make_room() -> None:
    wheel = new_wheel(4)
    for number in range(6):
        assert conceive(wheel, TIMERS + 1, 0, 1, np.uint64(number), 100 + number, 0) == (number < 4)
    assert wheel.refused == 2
    struck, time = first(wheel)
    assert (struck, time) == (TIMERS + 1, 100)
    disarm(wheel, struck)
    forget(wheel, struck - TIMERS)
    assert conceive(wheel, TIMERS + 1, 0, 1, np.uint64(9), 50, 0)
    assert first(wheel) == (TIMERS + 1, 50)


def test_disarming_what_is_not_armed_changes_nothing() -> None:
    wheel = new_wheel(4)
    arm(wheel, 3, 40, 0)
    before = wheel.tobytes()
    disarm(wheel, 5)
    assert wheel.tobytes() == before
