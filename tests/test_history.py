"""A recorded day with our orders in it: each rule by hand, the conservation of lots on random days, and a real day."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from histories import BOTH, Recording, World, child, differing, public, tape
from hypothesis import given, settings
from hypothesis import strategies as st
from modes import FLAGS, run_again

from tercet.book.records import AGGRESSIVE, CANCEL_OWN, FREE, PASSIVE, SUBMIT
from tercet.book.replay import apply_all, start
from tercet.book.state import IOC, LIMIT, MARKET, POST_ONLY, new_books
from tercet.market.events import BUY, SELL
from tercet.market.store import open_day
from tercet.sim import altered
from tercet.sim.episode import advance
from tercet.sim.open import open_history
from tercet.sim.state import ALTERED_PLACES, new_scratch
from tercet.sim.wire import send

UNCOMPILED = bool(numba.config.DISABLE_JIT)
EXAMPLES = 15 if UNCOMPILED else 120


@pytest.fixture(autouse=True, scope="module")
def _hashes_may_wrap() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


# One aggressor ------------------------------------------------------------------------------------------------------------------


def behind_us(*lines: tuple[Any, ...], ours: int = 5, hidden_first: bool = True) -> World:
    """Our bid for `ours` at 100 stands first at time 1; makers 1 and 2 join it at times 2 and 3; then those lines."""
    world = World(BOTH, tape((2, "add", BUY, 100, 10, 1), (3, "add", BUY, 100, 10, 2), *lines), hidden_first)
    world.ours(1, BUY, 100, ours)
    return world


def test_executions_of_one_side_at_one_time_are_one_aggressor_and_the_phantom_lots_sit_on_its_last_maker() -> None:
    world = behind_us((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 6, 2)).end()
    assert world.fills() == [(9, 5, 100)]
    assert world.standing(BUY, 100) == 10 - 6 + 5
    assert [(int(row["id"]), int(row["lots"])) for row in world.sim.phantoms.rows[:1]] == [(2, 5)]
    assert world.sim.altered_lots == world.sim.phantom_lots == 5
    assert world.sim.flow.lots == 16 - 5  # printed between others
    assert world.sim.recorded_lots == 16


def test_executions_at_two_times_are_two_aggressors() -> None:
    world = behind_us((8, "trade", BUY, 100, 3, 1), (9, "trade", BUY, 100, 7, 1), (9, "trade", BUY, 100, 6, 2)).end()
    assert world.fills() == [(8, 3, 100), (9, 2, 100)]


def test_executions_of_both_sides_at_one_time_are_two_aggressors() -> None:
    world = behind_us((9, "trade", SELL, 101, 20, 77), (9, "trade", BUY, 100, 4, 1)).end()
    assert world.fills() == [(9, 4, 100)]
    assert world.standing(SELL, 101) == 0


def test_a_level_that_an_aggressor_reveals_does_not_end_its_burst() -> None:
    lines = ((9, "trade", BUY, 100, 10, 1), (9, "reveal", BUY, 95, 7, 98), (9, "trade", BUY, 100, 6, 2))
    world = behind_us(*lines, ours=12).end()
    assert world.fills() == [(9, 12, 100)]
    assert world.standing(BUY, 95) == 7
    assert world.phantoms() == {(BUY, 100): 12}


def test_an_aggressor_meets_our_better_price_before_the_touch() -> None:
    world = World(BOTH, tape((2, "add", BUY, 99, 10, 1), (9, "trade", BUY, 99, 8, 50)))
    world.ours(1, BUY, 100, 3)
    world.end()
    assert world.fills() == [(9, 3, 100)]
    assert world.standing(BUY, 99) == 30 - 5


def test_an_aggressor_that_stops_before_our_price_does_not_reach_us() -> None:
    world = World(BOTH, tape((2, "add", BUY, 100, 10, 1), (9, "trade", BUY, 100, 10, 1)))
    world.ours(1, BUY, 99, 3)
    assert world.end().fills() == []


def test_a_fill_carries_the_touch_from_just_before_its_aggressor() -> None:
    world = behind_us((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 10, 2)).end()
    (fill,) = world.reports()
    assert (int(fill["mid2"]), int(fill["spread"]), int(fill["how"])) == (201, 1, PASSIVE)


# Queues -------------------------------------------------------------------------------------------------------------------------


def test_makers_who_came_before_us_trade_before_us() -> None:
    lines = ((2, "add", BUY, 100, 10, 1), (4, "add", BUY, 100, 10, 2), (8, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 4, 2))
    world = World(BOTH, tape(*lines))
    world.ours(3, BUY, 100, 5)
    world.until(8)
    assert world.fills() == []
    assert world.end().fills() == [(9, 4, 100)]


def test_anonymous_lots_of_the_start_state_stand_before_us() -> None:
    world = World(BOTH, tape((8, "trade", BUY, 99, 20, 50), (9, "add", BUY, 99, 6, 1), (10, "trade", BUY, 99, 6, 1)))
    world.ours(1, BUY, 99, 5)
    world.until(8)
    assert (world.fills(), world.standing(BUY, 99)) == ([], 0)
    assert world.end().fills() == [(10, 5, 99)]


def test_anonymous_lots_that_come_into_view_stand_behind_us() -> None:
    world = World(BOTH, tape((2, "reveal", BUY, 96, 10, 98), (9, "trade", BUY, 96, 10, 50)))
    world.ours(1, BUY, 96, 4)
    world.end()
    assert world.fills() == [(9, 4, 96)]
    assert world.phantoms() == {(BUY, 96): 4}


def test_a_cancellation_before_us_brings_us_forward() -> None:
    lines = ((2, "add", BUY, 100, 10, 1), (4, "add", BUY, 100, 10, 2), (5, "cancel", BUY, 100, 10, 1), (9, "trade", BUY, 100, 4, 2))
    world = World(BOTH, tape(*lines))
    world.ours(3, BUY, 100, 5)
    assert world.end().fills() == [(9, 4, 100)]


def test_an_order_far_from_the_touch_keeps_its_place_among_others_of_other_prices() -> None:
    lines = ((2, "add", BUY, 20, 1, 1), (3, "add", BUY, 10, 1, 2), (5, "add", BUY, 20, 9, 3))
    clear = [(6, "cancel", BUY, 99, 20, 50), (6, "cancel", BUY, 98, 30, 51), (7, "trade", BUY, 20, 1, 1), (8, "trade", BUY, 20, 4, 3)]
    world = World(BOTH, tape(*lines, *clear))
    world.ours(4, BUY, 20, 6)
    world.until(7)
    assert world.fills() == []
    assert world.end().fills() == [(8, 4, 20)]


# Hidden executions --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "filled"), [(True, 5), (False, 0)])
def test_a_hidden_execution_fills_our_order_at_its_price_first_where_the_setting_says_so(first: bool, filled: int) -> None:
    world = behind_us((9, "hidden", BUY, 100, 8, 0), hidden_first=first).end()
    assert world.sim.filled == filled
    assert world.sim.flow.lots == 8 - filled
    assert world.phantoms() == {}


HALF = 5000
BETWEEN = [(BUY, 100, 0, True), (BUY, 100, HALF, False), (BUY, 99, HALF, True), (BUY, 101, 0, False)]
BETWEEN += [(SELL, 103, 0, True), (SELL, 103, HALF, True), (SELL, 102, HALF, False), (SELL, 102, 0, False)]


@pytest.mark.parametrize(("side", "tick", "finer", "meets"), BETWEEN)
def test_a_hidden_execution_between_ticks_fills_ours_only_at_an_equal_or_better_price(
    side: int, tick: int, finer: int, meets: bool
) -> None:
    world = World(((BUY, 99, 20), (SELL, 104, 20)), tape((9, "hidden", side, tick, 8, 0, finer)))
    world.ours(1, side, 100 if side == BUY else 103, 5)
    assert world.end().sim.filled == 5 * meets


# Phantoms -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ((11, "reduce", BUY, 100, 1, 2), 3),  # the maker's next message
        ((11, "cancel", BUY, 100, 4, 2), 0),
        ((11, "trade", BUY, 100, 4, 2), 0),
        ((11, "add", BUY, 100, 2, 9), 4 + 5 + 2),  # another's message at its level does not end what its maker still has
        ((11, "add", SELL, 100, 2, 9), 4),  # an order that would have met it
        ((11, "add", SELL, 101, 2, 9), 4 + 5),
        ((11, "hidden", BUY, 99, 2, 0), 4),  # an execution beyond it
        ((11, "hidden", SELL, 101, 2, 0), 4 + 5),
    ],
)
def test_phantom_lots_of_a_maker_who_has_more_leave_with_its_next_message_or_when_met(line: tuple[Any, ...], left: int) -> None:
    world = behind_us((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 6, 2), line).end()
    assert world.standing(BUY, 100) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ((11, "add", BUY, 100, 2, 9), 2),  # the next message at the level
        ((11, "hidden", BUY, 100, 2, 0), 0),
        ((11, "add", BUY, 99, 2, 9), 5),
        ((11, "cancel", BUY, 99, 2, 50), 5),
        ((11, "add", SELL, 100, 2, 9), 0),
        ((11, "trade", BUY, 99, 2, 50), 0),
        ((11, "trade", SELL, 101, 2, 50), 5),
    ],
)
def test_phantom_lots_of_a_finished_maker_leave_with_the_next_message_at_its_level_or_when_met(line: tuple[Any, ...], left: int) -> None:
    world = behind_us((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 10, 2), line).end()
    assert world.standing(BUY, 100) == left


def test_a_maker_that_two_executions_of_one_aggressor_finish_is_finished() -> None:
    lines = ((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 4, 2), (9, "trade", BUY, 100, 6, 2))
    world = behind_us(*lines, (11, "add", BUY, 100, 3, 9))
    world.until(9)
    assert (world.standing(BUY, 100), world.phantoms()) == (5, {(BUY, 100): 5})
    world.end()
    assert (world.standing(BUY, 100), world.phantoms()) == (3, {})


def test_a_maker_that_the_next_aggressor_of_that_time_finishes_is_finished() -> None:
    lines = ((9, "trade", BUY, 100, 4, 1), (9, "add", BUY, 98, 1, 7), (9, "trade", BUY, 100, 6, 1), (11, "add", BUY, 100, 2, 9))
    world = behind_us(*lines, ours=4)
    world.until(9)
    assert (world.standing(BUY, 100), world.phantoms()) == (10 + 4, {(BUY, 100): 4})
    assert world.end().standing(BUY, 100) == 10 + 2


def test_the_rest_of_an_aggressor_that_comes_to_rest_at_the_same_time_ends_the_phantoms_it_would_cross() -> None:
    lines = ((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 10, 2), (9, "add", SELL, 100, 7, 3))
    world = behind_us(*lines).end()
    assert (world.standing(BUY, 100), world.standing(SELL, 100), world.phantoms()) == (0, 7, {})


def test_a_makers_cancellation_at_the_time_of_its_execution_ends_its_phantom_lots() -> None:
    lines = ((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 4, 2), (9, "cancel", BUY, 100, 6, 2))
    assert behind_us(*lines).end().phantoms() == {}


def test_a_level_revealed_whose_old_bottom_has_the_number_of_a_maker_leaves_its_phantom_lots_alone() -> None:
    world = World(BOTH, tape((2, "add", BUY, 100, 10, 98), (9, "trade", BUY, 100, 6, 98), (11, "reveal", BUY, 97, 5, 98)))
    world.ours(1, BUY, 100, 5)
    assert world.end().phantoms() == {(BUY, 100): 5}


def test_phantom_lots_can_be_bought_and_are_then_neither_phantom_nor_removed() -> None:
    world = behind_us((9, "trade", BUY, 100, 10, 1), (9, "trade", BUY, 100, 10, 2))
    world.until(9)
    world.ours(10, SELL, 100, 3)
    assert (world.standing(BUY, 100), world.phantoms(), world.removed()) == (2, {(BUY, 100): 2}, {})


def test_phantom_lots_without_a_name_can_be_bought_from_whichever_order_they_stand_in() -> None:
    world = World(BOTH, tape((2, "add", BUY, 100, 10, 1), (9, "trade", BUY, 100, 10, 50), (12, "add", BUY, 100, 4, 2)))
    world.ours(1, BUY, 100, 5)
    world.until(9)
    world.ours(10, SELL, 100, 3)
    assert (world.standing(BUY, 100), world.phantoms(), world.removed()) == (2, {(BUY, 100): 2}, {})
    assert world.end().standing(BUY, 100) == 4


# What we removed ----------------------------------------------------------------------------------------------------------------


def removed(*lines: tuple[Any, ...], lots: int = 6, kind: int = MARKET) -> World:
    """Maker 1 asks 10 at 101 from time 2 on; we buy `lots` of it at time 3; then those lines."""
    world = World(((BUY, 99, 20), (SELL, 102, 30)), tape((2, "add", SELL, 101, 10, 1), *lines))
    world.ours(3, BUY, 101, lots, kind)
    return world


def test_what_we_take_is_an_aggressive_fill_at_the_makers_price_and_the_touch_before_it() -> None:
    world = removed(lots=14).end()
    assert world.fills() == [(3, 10, 101), (3, 4, 102)]
    assert [(int(fill["how"]), int(fill["mid2"]), int(fill["spread"])) for fill in world.reports()] == [(AGGRESSIVE, 200, 2)] * 2
    assert world.removed() == {(SELL, 101): 10, (SELL, 102): 4}


@pytest.mark.parametrize("word", ["cancel", "trade"])
def test_a_later_removal_of_lots_that_we_took_finds_nothing(word: str) -> None:
    world = removed((9, word, SELL, 101, 10, 1)).end()
    assert (world.standing(SELL, 101), world.standing(SELL, 102), world.removed()) == (0, 30, {})
    assert world.sim.flow.lots == (4 if word == "trade" else 0)


def test_a_later_reduction_takes_what_still_stands_first() -> None:
    world = removed((9, "reduce", SELL, 101, 3, 1), (10, "reduce", SELL, 101, 3, 1))
    world.until(9)
    assert (world.standing(SELL, 101), world.removed()) == (1, {(SELL, 101): 6})
    world.end()
    assert (world.standing(SELL, 101), world.removed()) == (0, {(SELL, 101): 4})


def test_a_removal_that_names_no_order_in_view_finds_what_we_took_there_gone() -> None:
    lines = ((4, "add", SELL, 101, 5, 2), (9, "cancel", SELL, 101, 10, 50), (10, "cancel", SELL, 101, 5, 2))
    world = removed(*lines, lots=10)
    world.until(9)
    assert (world.standing(SELL, 101), world.removed()) == (5, {})
    assert world.end().standing(SELL, 101) == 0


def test_a_level_that_comes_into_view_does_not_bring_back_what_we_took() -> None:
    world = removed((9, "reveal", SELL, 101, 12, 100)).end()
    assert (world.standing(SELL, 101), world.removed()) == (6, {(SELL, 101): 6})


def test_a_level_that_comes_into_view_with_less_than_we_took_says_that_the_rest_had_left() -> None:
    world = removed((9, "reveal", SELL, 101, 4, 100), (10, "add", SELL, 101, 7, 5)).end()
    assert (world.standing(SELL, 101), world.removed()) == (7, {(SELL, 101): 4})


def test_levels_between_which_nothing_is_quoted_are_forgotten() -> None:
    world = removed((9, "reveal", SELL, 105, 4, 100)).end()
    assert (world.standing(SELL, 101), world.removed()) == (0, {})


def test_a_recorded_order_that_crosses_ours_trades_with_it_and_rests_what_is_left() -> None:
    world = World(BOTH, tape((9, "add", SELL, 100, 8, 1), (10, "cancel", SELL, 100, 8, 1)))
    world.ours(1, BUY, 100, 5)
    world.until(9)
    assert (world.fills(), world.standing(SELL, 100), world.removed()) == ([(9, 5, 100)], 3, {(SELL, 100): 5})
    assert world.end().standing(SELL, 100) == 0


def test_an_aggressor_whose_makers_we_took_goes_on_to_our_order_no_worse_than_where_it_went() -> None:
    lines = ((2, "add", BUY, 100, 10, 1), (9, "trade", BUY, 100, 10, 1))
    world = World(BOTH, tape(*lines))
    world.ours(3, SELL, 100, 10)
    world.ours(4, BUY, 100, 4)
    world.ours(4, BUY, 99, 4)
    assert world.end().fills() == [(3, 10, 100), (9, 4, 100)]


def test_what_an_aggressor_does_not_find_it_takes_from_us_behind_the_last_of_its_makers() -> None:
    lines = ((2, "add", BUY, 101, 10, 1), (2, "add", BUY, 100, 5, 2), (9, "trade", BUY, 101, 10, 1), (9, "trade", BUY, 100, 5, 2))
    world = World(((BUY, 90, 20), (SELL, 110, 20)), tape(*lines))
    world.ours(3, SELL, 101, 10)
    world.ours(4, BUY, 100, 4)
    world.ours(4, BUY, 99, 4)
    assert world.end().fills() == [(3, 10, 101), (9, 4, 100)]
    assert (world.standing(BUY, 100), world.phantoms(), world.removed()) == (0, {}, {})


def test_a_file_that_takes_more_than_there_is_misses_as_much_with_our_orders_in_it() -> None:
    lines = ((9, "trade", BUY, 100, 10, 50), (9, "add", BUY, 98, 1, 7), (9, "trade", BUY, 100, 10, 1), (11, "cancel", BUY, 100, 3, 1))
    world = World(BOTH, tape((2, "add", BUY, 100, 10, 1), *lines))
    world.ours(1, BUY, 100, 10)
    assert world.end().missing == 13


def test_a_full_table_forgets_and_counts_what_it_forgot() -> None:
    table = new_sim_table()
    for id in range(ALTERED_PLACES + 3):
        altered.add(table, id, BUY, 100, 1, 1, 0)
    assert (table.count, table.dropped, altered.lots_of(table, 0)) == (ALTERED_PLACES, 3, 0)
    assert altered.take_at(table, BUY, 100, 10) == 10
    assert altered.take_at(table, BUY, 101, 10) == 0
    assert altered.lots_at(table, BUY, 100) == ALTERED_PLACES - 10


def new_sim_table() -> Any:
    """An empty table of altered orders."""
    return World().sim.removed


# Our own orders -----------------------------------------------------------------------------------------------------------------


def test_a_replaced_order_whose_larger_size_is_on_the_wire_leaves_when_what_stands_is_filled() -> None:
    world = World(BOTH, tape((2, "add", BUY, 100, 5, 1), (9, "trade", BUY, 100, 5, 1), (20, "add", BUY, 100, 5, 2)))
    world.sim.order_latency[:] = 10
    send(world.sim, child(SUBMIT, BUY, 100, 5), -9)
    world.asked[1] = 8
    world.until(5)
    world.replace(6, 1, 100, 8)
    assert world.end().fills() == [(9, 5, 100)]
    assert {int(own["state"]) for own in world.sim.own} == {FREE}


def test_a_replacement_that_a_halted_venue_refuses_leaves_our_order_standing() -> None:
    world = World(BOTH, tape((3, "halt", BUY, -1, 0, 0), (5, "halt", BUY, 1, 0, 0), (6, "add", SELL, 99, 4, 1)))
    handle = world.ours(1, BUY, 100, 5)
    world.replace(4, handle, 98, 5)
    assert world.end().fills() == [(6, 4, 100)]


def test_a_post_only_order_that_a_replacement_would_let_trade_leaves_instead() -> None:
    world = World(BOTH)
    handle = world.ours(1, BUY, 100, 5, POST_ONLY)
    world.replace(2, handle, 101, 5, POST_ONLY)
    assert (world.fills(), int(world.sim.own[0].state)) == ([], FREE)


# Conservation -------------------------------------------------------------------------------------------------------------------

numbers = st.integers(0, 2**12)
sides = st.sampled_from([BUY, SELL])
WORDS = ["add"] * 6 + ["trade"] * 4 + ["cancel", "cancel", "reduce", "hidden", "reveal"]
MESSAGE = st.tuples(st.sampled_from(WORDS), sides, numbers, numbers, numbers, st.integers(0, 1))
VERBS = ["submit"] * 5 + ["cancel", "replace"]
ACTION = st.tuples(
    st.sampled_from(VERBS), sides, st.integers(-4, 4), st.integers(1, 25), st.sampled_from([LIMIT] * 4 + [MARKET, IOC, POST_ONLY])
)


def act(world: World, now: int, verb: str, side: int, offset: int, lots: int, kind: int) -> None:
    """Let us do something at `now`, near the best price of a side."""
    book = world.sim.book
    row = (1 - side) // 2
    tick = (side * int(book.sides[row].top) if book.sides[row].levels else 100) + offset
    live = [int(own.handle) for own in world.sim.own if own.state != FREE]
    if verb == "submit":
        world.ours(now, side, tick, lots, kind)
    elif live and verb == "cancel":
        world.cancel(now, live[lots % len(live)])
    elif live:
        world.replace(now, live[lots % len(live)], tick, lots, LIMIT)


def recording(messages: list[tuple[str, int, int, int, int, int]]) -> np.ndarray[Any, Any]:
    """The events of a random day; each message comes at the time of the one before it, or later."""
    day = Recording(BOTH)
    for word, side, a, b, c, later in messages:
        day.time += 10 * later
        day.message(word, side, a, b, c)
    return day.events()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(MESSAGE, min_size=20, max_size=60), st.dictionaries(st.integers(0, 60), ACTION, max_size=20), st.integers(0, 15))
def test_on_any_day_with_any_orders_of_ours_no_lot_is_made_or_lost(messages: Any, actions: Any, latency: int) -> None:
    world = World(BOTH, recording(messages))
    world.sim.order_latency[:] = latency
    for place in sorted(actions):
        act(world, 1 + 10 * place, *actions[place])
    world.end()
    assert world.missing == 0
    assert world.sim.phantoms.dropped == world.sim.removed.dropped == 0


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(st.lists(MESSAGE, min_size=20, max_size=60))
def test_on_any_day_without_an_order_of_ours_the_book_is_that_of_the_plain_replay_byte_for_byte(messages: Any) -> None:
    world = World(BOTH, recording(messages)).end()
    assert world.sim.book.tobytes() == world.plain.tobytes()
    traded = np.isin(world.events["kind"], (4, 5))
    assert world.sim.flow.lots == world.sim.recorded_lots == world.events["lots"][traded].sum()


# The real day -------------------------------------------------------------------------------------------------------------------


def test_a_recorded_day_without_our_orders_is_the_file(goog_day: Path) -> None:
    day = open_day(goog_day)
    events, levels = np.asarray(day.events), day.start
    sim, plain = open_history(levels, (2048, 2048)), new_books(1, 2048, 2048)[0]
    start(plain, levels)
    advance(sim, events, int(events["time"][-1]), new_scratch(sim))
    apply_all(plain, events)
    assert sim.book.tobytes() == plain.tobytes()
    assert sim.missing_lots == 0
    traded = np.isin(events["kind"], (4, 5))
    assert sim.flow.lots == events["lots"][traded].sum()
    assert sim.flow.notional == pytest.approx((events["lots"] * (events["tick"] + events["finer"] / 10_000))[traded].sum(), rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_recorded_day_with_many_of_our_orders_loses_no_lot(goog_day: Path, seed: int) -> None:
    day = open_day(goog_day)
    events, levels = np.asarray(day.events), day.start
    sim, plain = open_history(levels, (2048, 2048)), new_books(1, 2048, 2048)[0]
    start(plain, levels)
    scratch, rng, done = new_scratch(sim), np.random.default_rng(seed), 0
    times = np.linspace(events["time"][0], events["time"][-1], 500).astype(np.int64)
    for time in times:
        advance(sim, events, time, scratch)
        apply_all(plain, events[done : sim.cursor])
        done = int(sim.cursor)
        expected = public(plain)
        expected.update(differing(sim.phantoms))
        expected.subtract(differing(sim.removed))
        assert public(sim.book) == Counter({level: lots for level, lots in expected.items() if lots})
        scratch.count = 0
        side = int(rng.choice([BUY, SELL]))
        tick = side * int(sim.book.sides[(1 - side) // 2].top) + side * int(rng.integers(-6, 12))
        place = int(rng.integers(len(sim.own)))
        if sim.own[place].state != FREE:
            send(sim, child(CANCEL_OWN, handle=int(sim.own[place].handle)), time)
        else:
            send(sim, child(SUBMIT, side, tick, int(rng.integers(1, 600))), time)
    assert sim.missing_lots == sim.phantoms.dropped == sim.removed.dropped == 0
    assert sim.filled > 10_000


@pytest.mark.parametrize("flag", FLAGS)
def test_all_of_this_and_of_the_wire_holds_once_more_with(flag: str) -> None:
    run_again(flag, "test_history.py", "test_wire.py")
