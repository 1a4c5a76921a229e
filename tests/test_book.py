"""The compiled book: each rule by hand, and random tapes of every operation, beside the slow twin and the invariants."""

import random
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
from book_pair import Pair, names_at
from hypothesis import given, settings
from hypothesis import strategies as st
from modes import FLAGS, run_again
from slow_book import Order

from tercet.book import invariants, queries, state
from tercet.book.ids import find, home
from tercet.book.matching import replace, rest
from tercet.book.state import CANCEL_RESTING, CANCEL_TAKER, DECREMENT_BOTH, DONE, FOK, IOC, LIMIT, MARKET, MAX_TICK, POST_ONLY
from tercet.market.events import BUY, SELL

UNCOMPILED = bool(numba.config.DISABLE_JIT)
EXAMPLES, LONG = (15, 200) if UNCOMPILED else (100, 3000)
SHAPES = [(8, 8, False), (8, 32, True)]  # levels, orders, ids: each one is compiled anew
PREVENTIONS = [CANCEL_TAKER, CANCEL_RESTING, DECREMENT_BOTH]
FAR = 2**29 if UNCOMPILED else MAX_TICK  # uncompiled, the difference of two int32 keys is an int32


@pytest.fixture(autouse=True, scope="module")
def _hashes_may_wrap() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


# Rules --------------------------------------------------------------------------------------------------------------------------


def made(*orders: tuple[int, int, int], prevention: int = CANCEL_TAKER, owner: int = 0) -> tuple[Pair, list[Any]]:
    """A pair with resting orders (side, tick, lots), whose ids are 1, 2, 3 ... in their order."""
    pair = Pair(prevention=prevention)
    return pair, [pair.submit(*order, id=number, owner=owner) for number, order in enumerate(orders, 1)]


def filled(pair: Pair, count: int) -> list[tuple[int, int, int]]:
    """Maker's id, lots and tick of the last `count` fills."""
    return [(int(fill.id), int(fill.lots), int(fill.tick)) for fill in pair.fills.rows[:count]]


def test_the_better_price_trades_first_and_at_one_price_the_older_order() -> None:
    pair, _ = made((SELL, 101, 5), (SELL, 100, 3), (SELL, 100, 4), (SELL, 102, 9))
    assert pair.submit(BUY, 101, 9, id=9) == DONE
    assert filled(pair, 3) == [(2, 3, 100), (3, 4, 100), (1, 2, 101)]
    assert names_at(pair, SELL) == [(101, [1]), (102, [4])]
    assert pair.book.traded == 9


def test_what_a_limit_order_does_not_trade_rests_at_its_limit() -> None:
    pair, _ = made((SELL, 100, 3), (SELL, 102, 3))
    left = pair.submit(BUY, 101, 5, id=9)
    assert isinstance(left, Order)
    assert left.lots == 2
    assert names_at(pair, BUY) == [(101, [9])]


@pytest.mark.parametrize(("kind", "traded"), [(MARKET, 7), (IOC, 3)])
def test_market_and_ioc_orders_never_rest(kind: int, traded: int) -> None:
    pair, _ = made((BUY, 100, 3), (BUY, 90, 4))
    assert pair.submit(SELL, 100, 9, kind=kind) == DONE
    assert pair.book.traded == traded
    assert names_at(pair, SELL) == []


def test_an_order_against_an_empty_side_trades_nothing() -> None:
    pair, _ = made((BUY, 100, 3))
    assert [pair.submit(BUY, 100, 1, kind=kind) for kind in (MARKET, IOC, FOK)] == [DONE, DONE, state.REFUSED_TOO_THIN]
    pair.check()


def test_fill_or_kill_trades_all_or_nothing() -> None:
    pair, _ = made((SELL, 100, 3), (SELL, 5000, 4))
    assert pair.submit(BUY, 5000, 8, kind=FOK) == state.REFUSED_TOO_THIN
    assert pair.submit(BUY, 4999, 4, kind=FOK) == state.REFUSED_TOO_THIN
    assert names_at(pair, SELL) == [(100, [1]), (5000, [2])]
    assert pair.submit(BUY, 5000, 7, kind=FOK) == DONE
    assert names_at(pair, SELL) == []


@pytest.mark.parametrize(("prevention", "outcome"), [(CANCEL_TAKER, -3), (CANCEL_RESTING, DONE), (DECREMENT_BOTH, -3)])
def test_fill_or_kill_counts_only_what_it_would_trade_when_its_own_order_stands_in_the_way(prevention: int, outcome: int) -> None:
    pair, _ = made((SELL, 100, 5), prevention=prevention, owner=1)
    pair.submit(SELL, 101, 10, id=2, owner=2)
    assert pair.submit(BUY, 101, 10, kind=FOK, owner=1) == outcome
    assert pair.book.traded == (10 if outcome == DONE else 0)
    pair.check()


def test_post_only_rests_or_is_refused() -> None:
    pair, _ = made((SELL, 100, 3))
    assert pair.submit(BUY, 100, 1, kind=POST_ONLY) == state.REFUSED_WOULD_TRADE
    assert isinstance(pair.submit(BUY, 99, 1, kind=POST_ONLY, id=2), Order)
    assert names_at(pair, BUY) == [(99, [2])]


def test_a_halted_book_refuses_orders_and_changes_and_allows_cancels_and_reductions() -> None:
    pair, (a, b, c) = made((BUY, 100, 3), (BUY, 100, 4), (BUY, 99, 5))
    pair.halt(True)
    assert [pair.submit(SELL, 100, 1, kind=kind) for kind in (LIMIT, MARKET, IOC, FOK, POST_ONLY)] == [state.REFUSED_HALTED] * 5
    assert pair.replace(a, 100, 1) == state.REFUSED_HALTED
    pair.cancel(a)
    pair.cancel_id(2)
    pair.reduce(c, 2)
    assert (b.lots, c.lots) == (0, 3)
    assert names_at(pair, BUY) == [(99, [3])]
    pair.halt(False)
    assert pair.submit(SELL, 99, 3) == DONE
    assert pair.book.refused[-state.REFUSED_HALTED] == 6


@pytest.mark.parametrize(
    ("prevention", "outcome", "asks", "traded"),
    [
        (CANCEL_TAKER, state.STOPPED_SELF_MATCH, [(100, [2, 3])], 3),  # the stranger before it has traded
        (CANCEL_RESTING, DONE, [(100, [3])], 8),
        (DECREMENT_BOTH, DONE, [(100, [3])], 4),
    ],
)
def test_nobody_trades_with_itself(prevention: int, outcome: int, asks: list[Any], traded: int) -> None:
    pair = Pair(prevention=prevention)
    pair.submit(SELL, 100, 3, id=1, owner=2)
    pair.submit(SELL, 100, 4, id=2, owner=1)
    pair.submit(SELL, 100, 9, id=3, owner=0)
    assert pair.submit(BUY, 100, 8, id=4, owner=1) == outcome
    assert names_at(pair, SELL) == asks
    assert pair.book.traded == traded


def test_the_public_may_trade_with_itself() -> None:
    pair, _ = made((SELL, 100, 3))
    assert pair.submit(BUY, 100, 3) == DONE
    assert pair.book.traded == 3


def test_a_smaller_size_at_the_same_price_keeps_the_place() -> None:
    pair, (a, *_) = made((BUY, 100, 5), (BUY, 100, 5))
    assert pair.replace(a, 100, 2) is a
    assert names_at(pair, BUY) == [(100, [1, 2])]


@pytest.mark.parametrize(("tick", "lots"), [(100, 5), (100, 6), (99, 2), (101, 2)])
def test_any_other_change_goes_to_the_end_of_its_queue(tick: int, lots: int) -> None:
    pair, (_, a, *_) = made((BUY, 99, 1), (BUY, 100, 5), (BUY, 100, 5), (BUY, 101, 1))
    again = pair.replace(a, tick, lots)
    assert isinstance(again, Order)
    assert dict(names_at(pair, BUY))[tick][-1] == 2


def test_a_change_of_price_may_trade_and_keeps_id_and_owner_for_what_is_left() -> None:
    pair, (a, _) = made((BUY, 99, 5), (SELL, 101, 2), owner=0)
    left = pair.replace(a, 101, 5)
    assert filled(pair, 1) == [(2, 2, 101)]
    assert isinstance(left, Order)
    assert (left.id, left.lots) == (1, 3)
    assert names_at(pair, BUY) == [(101, [1])]


@pytest.mark.parametrize(("tick", "lots"), [(100, 0), (100, -1), (MAX_TICK + 1, 1), (-MAX_TICK - 1, 1)])
def test_an_order_whose_change_is_refused_stays_as_it_was(tick: int, lots: int) -> None:
    pair, (a, *_) = made((BUY, 100, 5), (BUY, 100, 6))
    assert pair.replace(a, tick, lots) == state.REFUSED_INVALID
    assert names_at(pair, BUY) == [(100, [1, 2])]


def test_an_order_that_has_left_cannot_be_changed_or_cancelled_by_id() -> None:
    pair, (a,) = made((BUY, 100, 5))
    pair.cancel(a)
    assert pair.replace(a, 100, 1) == state.REFUSED_UNKNOWN
    pair.cancel_id(1)
    pair.check()


def test_a_slot_that_does_not_exist_is_unknown() -> None:
    pair = Pair()
    for slot in (-1, 0, len(pair.book.orders), 2**40):
        assert replace(pair.book, slot, 100, 1, pair.fills) == (state.REFUSED_UNKNOWN, 0)


@pytest.mark.parametrize(("tick", "lots"), [(100, 0), (100, -5), (MAX_TICK + 1, 1), (-MAX_TICK - 1, 1), (-(2**63), 1)])
def test_sizes_below_one_and_prices_out_of_range_are_refused(tick: int, lots: int) -> None:
    pair = Pair()
    assert pair.submit(BUY, tick, lots) == state.REFUSED_INVALID
    pair.check()


def test_a_full_book_refuses_what_would_rest_and_still_trades() -> None:
    pair, _ = made(*[(BUY, 100 - n, 1) for n in range(32)])
    assert pair.submit(BUY, 50, 1) == state.REFUSED_FULL
    assert pair.submit(SELL, 100, 3, id=99) != state.REFUSED_FULL  # its fill frees the slot where it rests
    assert names_at(pair, SELL) == [(100, [99])]
    assert pair.book.refused[-state.REFUSED_FULL] == 1


def test_what_was_traded_is_said_of_the_last_order_only() -> None:
    pair, (a, *_) = made((BUY, 99, 5), (SELL, 100, 3), (SELL, 101, 3))
    for again in (
        lambda: pair.submit(BUY, 100, 0),
        lambda: pair.submit(BUY, 90, 1, kind=IOC),
        lambda: pair.submit(BUY, 101, 9, kind=FOK),
        lambda: pair.replace(a, 99, 0),
        lambda: pair.replace(a, 99, 4),
        lambda: pair.replace(a, 98, 4),
    ):
        pair.book.traded = 7
        again()
        assert pair.book.traded == 0


def test_a_mark_is_told_in_the_fill_and_does_not_pass_to_the_next_order_in_its_slot() -> None:
    pair, (a, b) = made((SELL, 100, 3), (SELL, 100, 3))
    pair.book.orders[pair.slots[a]].mark = 5
    assert pair.submit(BUY, 100, 4) == DONE
    assert [int(fill.mark) for fill in pair.fills.rows[:2]] == [5, 0]
    again = pair.submit(SELL, 100, 1, id=3)
    assert isinstance(again, Order)
    assert pair.slots[again] == pair.slots[a]
    assert int(pair.book.orders[pair.slots[again]].mark) == 0
    assert b.lots == 2


@pytest.mark.parametrize("tick", [MAX_TICK, -MAX_TICK])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_outermost_prices_are_taken(side: int, tick: int) -> None:
    pair = Pair()
    order = pair.submit(side, tick, 3, id=1)
    assert isinstance(order, Order)
    assert isinstance(pair.replace(order, tick, 4), Order)
    assert names_at(pair, side) == [(tick, [1])]


def test_the_last_slot_can_be_changed_and_the_one_behind_it_is_unknown() -> None:
    pair, orders = made(*[(BUY, 100, 2) for _ in range(32)])
    assert pair.slots[orders[-1]] == len(pair.book.orders) - 1
    assert pair.replace(orders[-1], 100, 1) is orders[-1]
    assert pair.replace(orders[0], 100, 1) is orders[0]


@pytest.mark.parametrize("far", [False, True])
def test_a_reduction_by_all_that_stands_or_more_takes_the_order_out(far: bool) -> None:
    pair, (_, a, b, c) = made((BUY, 1000 if far else 101, 1), (BUY, 100, 5), (BUY, 100, 5), (BUY, 100, 5))
    pair.reduce(a, 5)
    pair.reduce(b, 6)
    pair.reduce(c, 4)
    assert names_at(pair, BUY)[-1] == (100, [4])
    assert (a.lots, b.lots, c.lots) == (0, 0, 1)


def test_an_empty_side_leaves_its_window_where_it_was() -> None:
    pair, (a,) = made((BUY, 1000, 1))
    pair.cancel(a)
    assert (int(pair.book.sides[0].low), int(pair.book.sides[0].levels)) == (996, 0)
    pair.submit(BUY, 2000, 1, id=2)
    assert int(pair.book.sides[0].low) == 1996
    assert names_at(pair, BUY) == [(2000, [2])]


# Windows ------------------------------------------------------------------------------------------------------------------------


def test_a_sweep_trades_through_far_orders_in_price_and_time_order() -> None:
    pair, _ = made((SELL, 100, 1), (SELL, 4000, 1), (SELL, 200, 1), (SELL, 4000, 1), (SELL, 200, 1), (SELL, FAR, 1))
    assert pair.book.sides[1].far_head != 0
    assert pair.submit(BUY, 0, 6, kind=MARKET) == DONE
    assert filled(pair, 6) == [(1, 1, 100), (3, 1, 200), (5, 1, 200), (2, 1, 4000), (4, 1, 4000), (6, 1, FAR)]
    pair.check()


def test_a_window_that_moves_away_and_back_loses_no_priority() -> None:
    pair, (_, b, *_) = made((BUY, 100, 1), (BUY, 100, 2), (BUY, 99, 3), (BUY, 100, 4))
    best = pair.submit(BUY, 1000, 1, id=5)  # the window moves up: 100 and 99 are far now
    pair.submit(BUY, 99, 6, id=6)
    pair.submit(BUY, 100, 7, id=7)
    pair.cancel(b)
    assert queries.queue_ahead(pair.book, pair.slots[pair.slow.orders()[3]]) == 5
    assert names_at(pair, BUY) == [(1000, [5]), (100, [1, 4, 7]), (99, [3, 6])]
    assert isinstance(best, Order)
    pair.cancel(best)  # and down again
    assert names_at(pair, BUY) == [(100, [1, 4, 7]), (99, [3, 6])]
    assert pair.book.sides[0].far_head == 0


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_window_slides_to_far_orders_when_its_best_level_reaches_its_lowest_eighth(side: int) -> None:
    pair, (top, near, lowest, *_) = made(*[(side, side * tick, 1) for tick in (1000, 997, 996, 100)])
    row = (1 - side) // 2
    assert (int(pair.book.sides[row].low), int(pair.book.sides[row].top)) == (996, 1000)
    pair.cancel(top)
    assert (int(pair.book.sides[row].low), int(pair.book.sides[row].top)) == (996, 997)
    pair.cancel(near)
    assert (int(pair.book.sides[row].low), int(pair.book.sides[row].top)) == (992, 996)
    pair.cancel(lowest)
    assert (int(pair.book.sides[row].low), int(pair.book.sides[row].top)) == (96, 100)
    pair.check()


def test_a_far_order_at_the_lowest_price_of_the_window_comes_in() -> None:
    pair, (best, *_) = made((BUY, 1000, 1), (BUY, 500, 1), (BUY, 496, 2), (BUY, 495, 3))
    pair.cancel(best)
    assert names_at(pair, BUY) == [(500, [2]), (496, [3]), (495, [4])]
    assert (int(pair.book.sides[0].low), int(pair.book.sides[0].levels)) == (496, 2)


def test_depth_reads_far_levels_too() -> None:
    pair, _ = made((SELL, 100, 1), (SELL, 4000, 2), (SELL, 200, 3), (SELL, 4000, 4))
    tick, lots = np.zeros(4, np.int64), np.zeros(4, np.int64)
    assert queries.depth(pair.book, SELL, tick, lots) == 3
    assert (tick.tolist(), lots.tolist()) == ([100, 200, 4000, 0], [1, 3, 6, 0])
    assert queries.depth(pair.book, BUY, tick, lots) == 0


def test_the_next_key_below_one_above_the_best_is_the_best() -> None:
    pair, _ = made((BUY, 100, 1), (BUY, 99, 1), (BUY, -900, 1))
    below = {key: queries.next_key(pair.book, 0, key) for key in (5000, 101, 100, 99, -899, -900)}
    assert below == {5000: 100, 101: 100, 100: 99, 99: -900, -899: -900, -900: state.NO_KEY}


# Ids ----------------------------------------------------------------------------------------------------------------------------


def test_ids_that_share_a_home_at_the_end_of_the_table_are_found_whatever_leaves_first() -> None:
    places = len(Pair().book.places)
    wanted = [id for id in range(-9000, 9000) if home(np.int64(id), places) in (places - 2, places - 1, 0)][:24]
    pair, r = Pair(), random.Random(1)
    for _ in range(120 if UNCOMPILED else 600):
        id = r.choice(wanted)
        live = {order.id for order in pair.slow.orders()}
        if id in live:
            pair.cancel_id(id)
        else:
            pair.submit(BUY, 100 - r.randrange(4), 1, id=id)
        pair.check()
        assert all((find(pair.book, other) != 0) == (other in {order.id for order in pair.slow.orders()}) for other in wanted)


# Random tapes -------------------------------------------------------------------------------------------------------------------

ticks = st.one_of(st.integers(96, 104), st.integers(60, 140), st.integers(-5000, 5000), st.sampled_from([-FAR, FAR]))
near_or_far = st.sampled_from([0, 0, 0, 1]).flatmap(lambda far: ticks if far else st.integers(96, 104))
lots, which = st.integers(1, 9), st.integers(0, 2**16)
sides, owners = st.sampled_from([BUY, SELL]), st.integers(0, 3)
kinds = st.sampled_from([LIMIT] * 8 + [MARKET, IOC, FOK, POST_ONLY])
names = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3))  # the few repeat
LINES = {
    "cancel": st.tuples(st.just("cancel"), which),
    "submit": st.tuples(st.just("submit"), sides, near_or_far, lots, kinds, names, owners),
    "invalid": st.tuples(st.just("submit"), sides, st.sampled_from([MAX_TICK + 1, 100]), st.integers(-1, 0), kinds, names, owners),
    "reduce": st.tuples(st.just("reduce"), which, lots),
    "replace": st.tuples(st.just("replace"), which, st.one_of(near_or_far, st.just(-MAX_TICK - 1)), st.integers(0, 9)),
    "cancel_id": st.tuples(st.just("cancel_id"), st.one_of(which, names)),
    "halt": st.tuples(st.just("halt"), st.sampled_from([False, False, True])),
}
VERBS = ["cancel", "cancel", *["submit"] * 12, "invalid", "reduce", "replace", "replace", "cancel_id", "halt"]
LINE = st.sampled_from(VERBS).flatmap(LINES.__getitem__)  # the simplest line, a cancel, does nothing to an empty book


def play(pair: Pair, line: tuple[Any, ...]) -> None:
    """Let one line of a tape happen; a line that needs an order picks among those that rest, or once rested."""
    verb, *arguments = line
    live, ever = pair.slow.orders(), list(pair.slots)
    if verb in ("cancel", "reduce"):
        if live:
            getattr(pair, verb)(live[arguments[0] % len(live)], *arguments[1:])
    elif verb == "replace":
        pool = live if arguments[0] % 4 else ever
        if pool:
            pair.replace(pool[arguments[0] % len(pool)], *arguments[1:])
    elif verb == "cancel_id" and live and 0 <= arguments[0] <= 2**16:
        pair.cancel_id(live[arguments[0] % len(live)].id)
    else:
        getattr(pair, verb)(*arguments)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(SHAPES), st.sampled_from(PREVENTIONS), st.lists(LINE, min_size=30, max_size=60))
def test_any_tape_leaves_the_book_and_its_slow_twin_alike(shape: tuple[int, int, bool], prevention: int, tape: list[Any]) -> None:
    pair = Pair(*shape, prevention)
    for line in tape:
        play(pair, line)
        pair.check()


def drifting_tape(seed: int, length: int) -> Iterator[tuple[Any, ...]]:
    """Lines around a price that walks, and now and then jumps, so that windows slide and come back over far orders."""
    r, middle = random.Random(seed), 0.0
    for _ in range(length):
        middle += r.gauss(0, 1) if r.random() < 0.98 else r.choice([-60, 60])
        side, u = r.choice([BUY, SELL]), r.random()
        tick = round(middle - side * (r.expovariate(0.2) - 2 if r.random() < 0.9 else r.uniform(0, 300)))
        if u < 0.5:
            kind = r.choice([LIMIT] * 12 + [MARKET, IOC, FOK, POST_ONLY])
            yield "submit", side, tick, r.randint(1, 9), kind, r.randint(-(2**63), 2**63 - 1), r.choice([0, 0, 1, 2])
        elif u < 0.8:
            yield r.choice(["cancel", "cancel_id"]), r.randrange(2**16)
        elif u < 0.9:
            yield "reduce", r.randrange(2**16), r.randint(1, 9)
        else:
            yield "replace", r.randrange(2**16), tick, r.randint(1, 9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("prevention", PREVENTIONS)
def test_a_long_day_of_drifting_prices_leaves_the_book_and_its_slow_twin_alike(shape: tuple[int, int, bool], prevention: int) -> None:
    pair, far = Pair(*shape, prevention), 0
    for line in drifting_tape(prevention, LONG):
        play(pair, line)
        pair.check()
        far += bool(pair.book.sides["far_head"].any())
    assert far > LONG / 10


# Invariants ---------------------------------------------------------------------------------------------------------------------


def damage(book: Any, line: int) -> None:
    """Break one invariant of a book that holds orders 1 and 2 at one level, order 3 far, and the free slot 4."""
    level = book.levels[0, book.sides[0].top & (len(book.levels[0]) - 1)]
    if line == invariants.COUNTS:
        book.used = len(book.orders)
    elif line == invariants.LINKS:
        book.orders[2].next = 1
    elif line == invariants.FAR_LINKS:
        book.sides[0].far_tail = 0
    elif line == invariants.PLACE:
        book.orders[2].key += 1
    elif line == invariants.TOTAL:
        level.lots += 1
    elif line == invariants.LEVELS:
        book.sides[0].levels += 1
    elif line == invariants.TOP:
        book.sides[0].top -= 1
    elif line == invariants.DEEP:
        book.orders[3].key = book.sides[0].low
    elif line == invariants.STRANDED:
        level.head = level.tail = level.lots = book.sides[0].levels = 0
    elif line == invariants.LIVE:
        book.live -= 1
    elif line == invariants.LOST:
        book.free = 0
    elif line == invariants.INDEX:
        book.places[find(book, 2) == book.places] = 0


@pytest.mark.parametrize("line", invariants.BROKEN, ids=[sentence.replace(" ", "-") for sentence in invariants.BROKEN.values()])
def test_each_broken_invariant_is_named(line: int) -> None:
    pair, (*_, last) = made((BUY, 100, 1), (BUY, 100, 2), (BUY, -900, 3), (SELL, 200, 4))
    pair.cancel(last)
    pair.check()
    damage(pair.book, line)
    assert invariants.broken(pair.book) == line


def test_an_index_that_holds_more_than_the_live_orders_is_broken() -> None:
    pair, (first, _) = made((BUY, 100, 1), (BUY, 100, 2))
    pair.cancel(first)
    pair.book.places[np.flatnonzero(pair.book.places == 0)[0]] = pair.slots[first]
    assert invariants.broken(pair.book) == invariants.INDEX


def test_a_recorded_book_may_be_crossed_and_is_then_said_to_be() -> None:
    book = Pair().book
    rest(book, BUY, 100, 1, 1, 0)
    assert not invariants.crossed(book)
    rest(book, SELL, 100, 1, 2, 0)
    assert invariants.crossed(book)
    assert invariants.broken(book) == 0


# Modes --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", FLAGS)
def test_all_of_this_holds_once_more_with(flag: str) -> None:
    """With bounds checks no index leaves its array; uncompiled, the same source is plain Python."""
    run_again(flag, "test_book.py", "test_quality.py")
