"""How many messages a second the book matches, on the common stream, on one core."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.bench import stream
from tercet.bench.loops import play_dense, play_hashed
from tercet.book.queries import best
from tercet.book.state import new_books, new_fills
from tercet.market.events import BUY, SELL

ROUNDS = 5  # the best counts: the others shared their core with somebody


def measure(count: int = 1_000_000, rounds: int = ROUNDS) -> dict[str, float]:
    """Messages a second with slots held by the caller and with 64-bit ids; the fills and the touch that prove the matching right."""
    messages = stream.make(count)
    hashed = with_any_ids(messages)
    dense_s, fills, book = min((timed_dense(messages) for _ in range(rounds)), key=lambda run: run[0])
    hashed_s = min(timed_hashed(hashed)[0] for _ in range(rounds))
    return {
        "book.stream_per_s": count / dense_s,
        "book.stream_fills": float(fills),
        "book.best_bid": float(best(book, BUY)),
        "book.best_ask": float(best(book, SELL)),
        "book.hashed_per_s": count / hashed_s,
    }


def with_any_ids(messages: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same stream under other names: each id becomes a random 64-bit one, the same wherever it stands."""
    names = np.random.default_rng(0).integers(-(2**63), 2**63, int(messages[:, 4].max()) + 1, np.int64)
    renamed = messages.copy()
    renamed[:, 4] = names[messages[:, 4]]
    return renamed


def timed_dense(messages: NDArray[np.int64]) -> tuple[float, int, Any]:
    """Seconds, fills and the book at the end, without an index of ids."""
    book = new_books(ids=False)[0]
    slots = np.zeros(int(messages[:, 4].max()) + 1, np.uint32)
    fills = new_fills(book)
    play_dense(book, messages[:0], slots, fills)  # compiles, or fetches what was compiled
    began = time.perf_counter()
    total = play_dense(book, messages, slots, fills)
    return time.perf_counter() - began, total, book


def timed_hashed(messages: NDArray[np.int64]) -> tuple[float, int, Any]:
    """Seconds, fills and the book at the end, with the book's own index of ids."""
    book = new_books()[0]
    fills = new_fills(book)
    play_hashed(book, messages[:0], fills)
    began = time.perf_counter()
    total = play_hashed(book, messages, fills)
    return time.perf_counter() - began, total, book
