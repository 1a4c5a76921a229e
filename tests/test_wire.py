"""The wire between us and the venue: latencies, order of arrival, and that nothing on it can overfill a parent."""

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
from histories import BOTH, SIZE, World, child, start_state, tape
from hypothesis import given, settings
from hypothesis import strategies as st
from test_history import MESSAGE, recording
from workbench import grasping, parent, wild_policy, work

from tercet.book.records import CANCEL_OWN, CANCELLING, FREE, RESTING, SENT
from tercet.execution.policy import Policy
from tercet.market.events import BUY, SELL
from tercet.sim.episode import advance
from tercet.sim.open import open_history, set_latency
from tercet.sim.state import OWN_PLACES, WIRE_PLACES
from tercet.sim.wire import ORDER_LATENCY, latency, send

UNCOMPILED = bool(numba.config.DISABLE_JIT)
EXAMPLES, DRAWS = (5, 300) if UNCOMPILED else (150, 4000)


@pytest.fixture(autouse=True, scope="module")
def _hashes_may_wrap() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


def draws(sample: Any, seed: int = 1) -> np.ndarray[Any, Any]:
    """Latencies drawn from the table made of a sample."""
    sim = World().sim
    set_latency(sim, np.array(sample), 0)
    return np.array([latency(sim.order_latency, seed, ORDER_LATENCY, count) for count in range(DRAWS)])


# Latency ------------------------------------------------------------------------------------------------------------------------


def test_a_constant_latency_is_that_number() -> None:
    assert set(draws([700])) == {700}


def test_two_latencies_are_jitter_evenly_spread_between_them() -> None:
    drawn = draws([1000, 3000])
    assert drawn.min() >= 1000
    assert drawn.max() <= 3000
    assert np.allclose(np.quantile(drawn, [0.1, 0.5, 0.9]), [1200, 2000, 2800], atol=2000 * 3 * 0.5 / DRAWS**0.5)


def test_a_sample_of_latencies_is_drawn_from_by_its_quantiles() -> None:
    sample = np.random.default_rng(0).exponential(500, 2000).astype(np.int64) + 50
    drawn = draws(sample)
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        below = np.mean(drawn <= np.quantile(sample, share))
        assert abs(below - share) < 4 * (share * (1 - share) / DRAWS) ** 0.5 + 1 / 33 / 4
    assert sample.min() <= drawn.min()
    assert drawn.max() <= sample.max()


def test_the_same_seed_draws_the_same_latencies_and_another_seed_others() -> None:
    assert (draws([0, 10**6]) == draws([0, 10**6])).all()
    assert (draws([0, 10**6]) != draws([0, 10**6], seed=2)).any()


# Arrival ------------------------------------------------------------------------------------------------------------------------


def test_a_child_arrives_after_the_order_latency_and_not_before() -> None:
    world = World(BOTH)
    world.sim.order_latency[:] = 10
    world.send(child(side=BUY, tick=100, lots=3), 5)
    world.until(14)
    assert (int(world.sim.own[0].state), int(world.sim.flow.bid)) == (SENT, 99)
    world.until(15)
    assert (int(world.sim.own[0].state), int(world.sim.flow.bid)) == (RESTING, 100)


def test_children_arrive_in_the_order_in_which_they_were_sent() -> None:
    world = World(BOTH)
    set_latency(world.sim, np.array([0, 1000]), 0)
    sent = [world.send(child(side=BUY, tick=90 + i, lots=1), i) for i in range(OWN_PLACES)]
    wire, head, count = world.sim.wire, int(world.sim.wire_head), int(world.sim.wire_count)
    waiting = [wire[(head + i) % len(wire)] for i in range(count)]
    times = [int(row.time) for row in waiting]
    assert times == sorted(times)
    assert [int(row.handle) for row in waiting] == sent[-count:]
    assert count > 2


def test_where_times_are_equal_the_market_comes_before_our_child() -> None:
    lines = ((15, "add", BUY, 100, 4, 1), (20, "trade", BUY, 100, 4, 1), (21, "add", BUY, 100, 4, 2), (22, "trade", BUY, 100, 1, 2))
    world = World(BOTH, tape(*lines))
    world.sim.order_latency[:] = 10
    send(world.sim, child(side=BUY, tick=100, lots=3), 5)
    advance(world.sim, world.events, 22, world.scratch)
    assert world.fills() == [(22, 1, 100)]


def test_a_cancellation_that_arrives_after_the_fill_comes_too_late() -> None:
    world = World(BOTH, tape((2, "add", BUY, 100, 4, 1), (9, "trade", BUY, 100, 4, 1)))
    world.ours(1, BUY, 100, 4)
    world.sim.order_latency[:] = 10
    world.cancel(5, 1)
    assert int(world.sim.own[0].state) == CANCELLING
    world.until(30)
    assert world.fills() == [(9, 4, 100)]


def test_a_cancellation_of_an_order_still_on_the_wire_finds_it_when_it_arrives() -> None:
    world = World(BOTH)
    world.sim.order_latency[:] = 10
    handle = world.ours(1, BUY, 100, 4)
    world.cancel(2, handle)
    world.until(30)
    assert (int(world.sim.own[0].state), world.sim.book.live) == (FREE, 4)


def test_there_is_room_for_so_many_orders_and_messages_and_no_more() -> None:
    world = World(BOTH)
    world.sim.order_latency[:] = 10
    handles = [int(send(world.sim, child(side=BUY, tick=90, lots=1), 1)) for _ in range(OWN_PLACES + 1)]
    assert handles == [*range(1, OWN_PLACES + 1), -1]
    cancels = [int(send(world.sim, child(CANCEL_OWN, handle=1), 1)) for _ in range(WIRE_PLACES - OWN_PLACES + 1)]
    assert cancels == [1] * (WIRE_PLACES - OWN_PLACES) + [-1]


def test_what_is_asked_of_an_order_that_is_gone_is_refused() -> None:
    world = World(BOTH)
    handle = world.ours(1, BUY, 100, 4)
    world.cancel(2, handle)
    assert world.replace(3, handle, 100, 2) == -1
    assert world.cancel(3, handle) == -1
    assert world.cancel(3, 77) == -1


def test_a_replacement_reserves_what_it_asks_for_until_it_arrives() -> None:
    world = World(BOTH)
    handle = world.ours(1, BUY, 100, 4)
    world.sim.order_latency[:] = 10
    for now, lots, open_lots in ((5, 2, 4), (7, 9, 9), (9, 6, 9)):
        world.replace(now, handle, 100, lots)
        assert int(world.sim.own[0].lots) == open_lots
    for now, standing, open_lots in ((15, 2, 9), (17, 9, 9), (19, 6, 6)):
        world.until(now)
        assert int(world.sim.book.orders[world.sim.own[0].slot].lots) == standing
        assert int(world.sim.own[0].lots) == open_lots


# Never too much -----------------------------------------------------------------------------------------------------------------

terms = st.fixed_dictionaries(
    {"side": st.sampled_from([BUY, SELL]), "limit": st.one_of(st.none(), st.integers(95, 105)), "most": st.sampled_from([1.0, 1.0, 0.3])}
)
latencies = st.tuples(st.integers(0, 60), st.integers(0, 60))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(MESSAGE, min_size=10, max_size=30), terms, st.integers(1, 80), latencies, latencies, st.integers(0, 10**6))
def test_whatever_a_policy_sends_its_parent_is_never_overfilled_and_ends_flat(
    messages: Any, terms: Any, lots: int, order: tuple[int, int], feed: tuple[int, int], seed: int
) -> None:
    events = recording(messages)
    sim = open_history(start_state(BOTH), SIZE)
    set_latency(sim, np.array(order), np.array(feed))
    sim.seed = seed
    row = parent(5, 205, lots, **terms)
    done = work(sim, events, row, wild_policy(seed), 10)
    assert done.filled + done.outcome.left == lots
    assert done.pad.memory[1] <= 0
    assert (done.reports["side"] == row.side).all()
    if row.limited:
        assert ((done.reports["tick"] - row.limit) * row.side <= 0).all()
    assert sim.missing_lots == 0
    assert (sim.own["state"] == FREE).all()
    live = np.asarray(sim.book.orders)
    assert not ((live["owner"] != 0) & (live["lots"] > 0)).any()


def test_two_replacements_sent_together_share_the_room_that_is_left() -> None:
    sim = open_history(start_state(BOTH), SIZE)
    done = work(sim, tape(), parent(5, 405, 20), Policy("grasping", grasping), 10)
    assert done.looks["open"].max() == 20
