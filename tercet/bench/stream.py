"""The common stream of order-book messages: the same from any machine, so that engines can be compared on it.

With the defaults the touch ends at 9983 / 9984 after 172,214 maker fills.
"""

import random

import numpy as np
from numpy.typing import NDArray

from tercet.bench.flow import FLOW, MOST_LIVE, STREAM, write
from tercet.book.state import new_books, new_fills

SEED_MESSAGES = 320
WORDS_A_MESSAGE = 8  # about 5.2 are used on average


def make(count: int = 1_000_000, seed: int = 0) -> NDArray[np.int64]:
    """int64 of shape (count, 5): op (0 add, 1 cancel, 2 marketable), side, tick, lots, id."""
    if count < SEED_MESSAGES:
        raise ValueError(f"count was {count}; expected {SEED_MESSAGES} or more, the orders that seed the book")
    size = WORDS_A_MESSAGE * count
    words = np.frombuffer(random.Random(seed).getrandbits(32 * size).to_bytes(4 * size, "little"), "<u4")
    stream = np.zeros(count, STREAM)
    book = new_books(1, orders=MOST_LIVE - 1, ids=False)[0]
    flow = np.zeros(1, FLOW).view(np.recarray)[0]
    flow.next_id = 1
    write(stream, flow, book, new_fills(book), words)
    if flow.next_word > size:
        raise RuntimeError(f"{count} messages took {flow.next_word} random words; {size} were drawn")
    return stream.view(np.int64).reshape(count, 5)
