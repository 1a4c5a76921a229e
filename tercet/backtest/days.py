"""Stored days and the books that they need: replayed, verified, measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.book.quality import BAD, Quality, assess
from tercet.book.replay import apply_all, start
from tercet.book.state import new_books
from tercet.book.verify import verify
from tercet.errors import BadInput
from tercet.market.events import HIDDEN, TRADE
from tercet.market.store import Day, day_folders, open_day

BOOK_SIZES: Final = ((2048, 2048), (2048, 8192), (2048, 32768), (4096, 131072), (4096, 1 << 20))  # levels and orders of a simulation's
WHOLE_DAYS: Final = ((4096, 65536), (4096, 1 << 20))  # of a replay's: one size for almost all days compiles once


@dataclass(frozen=True)
class Replayed:
    """A day's last book; removals that found fewer lots than they name, and those lots."""

    book: Any
    short_removals: int
    missing_lots: int


@dataclass(frozen=True)
class Verified:
    """A book kept from messages beside the recorded one: rows compared, rows that differ, levels revealed, first row that differs."""

    rows: int
    mismatches: int
    revealed: int
    first_mismatch_row: int | None  # counted from 1


def replayed(day: Day) -> Replayed:
    """The day through the exact book; BadInput where more orders rest at once than the largest book can hold."""
    for size in WHOLE_DAYS:
        book = opened(day.start, size)
        short, missing = apply_all(book, day.events)
        if not book.refused.any():
            return Replayed(book, int(short), int(missing))
    raise BadInput(f"{day.path}: more than {WHOLE_DAYS[-1][1]} orders rest at once; expected fewer")


def verified(day: Day, rows: NDArray[np.int64], source: Path) -> Verified:
    """The day's book beside `rows` (messages, 2, depth, 2) read from `source`; BadInput where they are not one for each message."""
    messages = len(day.events) - day.meta.counts["reveal"]
    if len(rows) != messages:
        raise BadInput(f"{source}: {len(rows)} rows; expected {messages}, one for each message of {day.path}")
    return compared(day.events, day.start, rows)


def compared(events: NDArray[np.void], start_rows: NDArray[np.void], rows: NDArray[np.int64]) -> Verified:
    """The book that EVENTs make of a start state (LEVEL_ROWs) beside the recorded `rows`, one (2, depth, 2) for each message."""
    for size in WHOLE_DAYS:
        book = opened(start_rows, size)
        count, mismatches, revealed, first = (int(number) for number in verify(book, events, rows))
        if not book.refused.any():
            break
    return Verified(count, mismatches, revealed, first + 1 if first >= 0 else None)


def quality_of(day: Day, accept_bad: bool = False) -> Quality:
    """What `check` says of a day; BadInput where it is bad, unless that is accepted: what is measured on it may mean nothing."""
    quality = assess(day.events, day.start)
    if quality.verdict == BAD and not accept_bad:
        reasons = "; ".join(quality.reasons)
        raise BadInput(f"{day.path} is a bad day: {reasons}; expected a usable one, or --accept-bad-day (accept_bad_day=True in Python)")
    return quality


def opened(start_rows: NDArray[np.void], size: tuple[int, int]) -> Any:
    """A book of `size` (levels, orders) in a start state (LEVEL_ROWs)."""
    book = new_books(1, *size)[0]
    start(book, start_rows)
    return book


def fitting_book(day: Day) -> tuple[int, int]:
    """The smallest of BOOK_SIZES that holds the day's orders, with as much room again for ours and what we leave standing."""
    most = int(replayed(day).book.used)
    return next((size for size in BOOK_SIZES if 2 * most < size[1]), BOOK_SIZES[-1])


def earlier_days(day: Day) -> tuple[list[Day], list[str]]:
    """The earlier days of the same symbol in a day's store, in order; and a sentence on each folder there that cannot be read."""
    found, unread = [], []
    for folder in day_folders(day.path.resolve().parent):
        try:
            other = open_day(folder)
        except BadInput as error:
            unread.append(f"passed over: {error}")
            continue
        if other.meta.symbol == day.meta.symbol and other.meta.date < day.meta.date:
            found.append(other)
    return sorted(found, key=lambda other: other.meta.date), unread


def day_lots(day: Day) -> float:
    """Lots executed on a day, hidden ones included."""
    return float(day.events["lots"][np.isin(day.events["kind"], (TRADE, HIDDEN))].sum())
