"""BOOK, LEVEL, ORDER: one record is one book, an array of records is many. A book of zeros is an empty book.

Prices are kept as *keys*, `side * tick`, so that on both sides the greater key is the better price. Each side has a window of
levels, a ring indexed by key, that follows its best price; orders too deep for the window wait, in order of arrival, in a list
of *far* orders and lose nothing. Slot 0 of the orders means "none".
"""

from functools import cache
from typing import Any, Final

import numpy as np

LIMIT, MARKET, IOC, FOK, POST_ONLY = 0, 1, 2, 3, 4  # kinds of order
CANCEL_TAKER, CANCEL_RESTING, DECREMENT_BOTH = 0, 1, 2  # what self-match prevention does

# Why nothing rests: what `submit` and `replace` return in place of a slot.
DONE: Final = 0
REFUSED_HALTED: Final = -1
REFUSED_WOULD_TRADE: Final = -2  # post-only
REFUSED_TOO_THIN: Final = -3  # fill-or-kill
REFUSED_FULL: Final = -4
REFUSED_INVALID: Final = -5
STOPPED_SELF_MATCH: Final = -6
REFUSED_UNKNOWN: Final = -7
REASONS: Final = 8

MAX_TICK: Final = 2**30  # the greatest tick; leaves room for a window on either side
NO_KEY: Final = -(2**31)

ORDER: Final = np.dtype(
    [
        ("lots", np.int64),
        ("id", np.int64),
        ("key", np.int32),  # side * tick
        ("prev", np.uint32),
        ("next", np.uint32),
        ("side", np.int8),
        ("owner", np.uint8),  # 0: the public; others never trade with themselves
        ("far", np.uint8),  # 1: waits outside the window
        ("mark", np.uint8),  # for the caller; 0 at birth
    ]
)
LEVEL: Final = np.dtype([("lots", np.int64), ("head", np.uint32), ("tail", np.uint32)])
SIDE: Final = np.dtype(
    [
        ("top", np.int32),  # best key, where levels > 0
        ("low", np.int32),  # deepest key of the window
        ("levels", np.int32),  # levels in the window that hold orders
        ("far_head", np.uint32),
        ("far_tail", np.uint32),
    ]
)
FILL: Final = np.dtype(
    [
        ("lots", np.int64),
        ("id", np.int64),  # the maker's
        ("tick", np.int32),
        ("slot", np.uint32),  # the maker's; free again when `left` is 0
        ("left", np.int64),  # what the maker has left
        ("owner", np.uint8),  # the maker's
        ("mark", np.uint8),  # the maker's
    ],
    align=True,
)


@cache
def book_dtype(levels: int = 1024, orders: int = 4096, ids: bool = True) -> np.dtype[Any]:
    """The record of one book.

    levels: ticks in each side's window, a power of two. orders: the most that can rest at once.
    ids: keep an index from 64-bit order ids to slots; without it callers hold slots and every id is theirs to choose.
    """
    if levels < 4 or levels & (levels - 1):
        raise ValueError(f"levels was {levels}; expected a power of two, 4 or more")
    if not 1 <= orders < 2**30:
        raise ValueError(f"orders was {orders}; expected 1 to {2**30 - 1}")
    places = 1 << (4 * orders - 1).bit_length() if ids else 1
    return np.dtype(
        [
            ("sides", SIDE, 2),
            ("free", np.uint32),  # first of the slots given back
            ("used", np.uint32),  # slots ever used
            ("live", np.int32),  # orders resting
            ("halted", np.int8),
            ("prevention", np.int8),  # CANCEL_TAKER, CANCEL_RESTING or DECREMENT_BOTH
            ("traded", np.int64),  # lots that the last submit traded
            ("refused", np.int64, REASONS),  # how often, by minus the reason
            ("levels", LEVEL, (2, levels)),
            ("orders", ORDER, orders + 1),
            ("places", np.uint32, places),
        ],
        align=True,
    )


def new_books(count: int = 1, levels: int = 1024, orders: int = 4096, ids: bool = True) -> Any:
    """`count` empty books, as an array of records."""
    return np.zeros(count, book_dtype(levels, orders, ids)).view(np.recarray)


def new_fills(book: Any) -> Any:
    """A buffer that no sweep of `book` can overflow: a record whose `rows` are FILLs (a record costs no reference count)."""
    return np.zeros(1, np.dtype([("rows", FILL, len(book.orders))])).view(np.recarray)[0]
