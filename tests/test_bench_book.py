"""The common stream is the one that other engines were measured on, and the book matches it as they do."""

import runpy
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from slow_book import Order, SlowBook

from tercet.bench.book import measure, timed_dense, timed_hashed, with_any_ids
from tercet.bench.stream import make
from tercet.book.queries import best
from tercet.book.state import LIMIT
from tercet.market.events import BUY, SELL


@pytest.fixture(scope="module")
def other_maker(real_data: Path) -> Callable[[int, int], np.ndarray]:
    """The `make` of the tool that made the stream for the other engines."""
    tool = real_data.parent / "tools" / "make_stream.py"
    if not tool.is_file():
        pytest.skip(f"no {tool}: the tool that makes the common stream is not part of this project")
    return runpy.run_path(str(tool))["make"]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_stream_is_the_common_one(other_maker: Callable[[int, int], np.ndarray], seed: int) -> None:
    assert np.array_equal(make(20_000, seed), other_maker(20_000, seed))


def test_the_stream_never_changes() -> None:
    assert zlib.crc32(make(20_000).astype("<i8").tobytes()) == 0x2434D2D5
    assert zlib.crc32(make().astype("<i8").tobytes()) == 0x6BA0FC87


def test_a_stream_shorter_than_its_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="count was 319; expected 320 or more"):
        make(319)


def test_book_and_slow_twin_match_the_stream_alike() -> None:
    messages = make(4000)
    slow, resting, fills = SlowBook(capacity=4096), {}, 0
    for op, side, tick, lots, id in messages.tolist():
        if op == 1:
            slow.cancel(resting[id])
            continue
        resting[id], made = slow.submit(side, LIMIT, tick, lots, id, 0)
        fills += len(made)
    left = sorted((order.id, order.lots) for order in resting.values() if isinstance(order, Order) and order.lots)
    for total, book in (timed_dense(messages)[1:], timed_hashed(messages)[1:]):
        live = book.orders[book.orders["lots"] > 0]
        assert sorted(zip(live["id"].tolist(), live["lots"].tolist(), strict=True)) == left
        assert total == fills


def test_other_names_are_an_injection() -> None:
    messages = make(20_000)
    pairs = np.stack([messages[:, 4], with_any_ids(messages)[:, 4]], axis=1)
    distinct = len(np.unique(messages[:, 4]))
    assert len(np.unique(pairs, axis=0)) == len(np.unique(pairs[:, 1])) == distinct


def test_the_whole_stream_ends_at_the_known_touch_after_the_known_fills() -> None:
    found = measure(rounds=1)
    assert (found["book.best_bid"], found["book.best_ask"], found["book.stream_fills"]) == (9983, 9984, 172_214)
    assert min(found["book.stream_per_s"], found["book.hashed_per_s"]) > 0
    _, fills, book = timed_hashed(with_any_ids(make()))
    assert (best(book, BUY), best(book, SELL), fills) == (9983, 9984, 172_214)
