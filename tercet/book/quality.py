"""What is wrong with a day: silences, clock steps, crossed books, unknown ids ...; and a verdict with its reasons.

One compiled pass through a book counts faults; each is then set against the share that a good day may have of it. Of the orders at a
level when it comes into view nothing is known, neither names nor ages, and what happens to them is no fault: they are marked.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tercet.book.ids import find
from tercet.book.queries import best, first_at, next_at, row_of, two_sided
from tercet.book.replay import apply, start
from tercet.book.state import MAX_TICK, REFUSED_FULL, new_books
from tercet.compiled import compiled
from tercet.market.events import ADD, BUY, CANCEL, CROSS, FINER_PER_TICK, HALT, HALTED, HIDDEN, REDUCE, REVEAL, SELL, TRADE, TRADING

GOOD, USABLE, BAD = "good", "usable", "bad"

# What is counted. A *message* is an event other than REVEAL, with the REVEALs behind it.
COUNTED: Final = (
    *("messages", "reveals", "adds", "removals", "trades", "hidden", "halts"),
    *("span_ns", "gaps", "silent_ns", "longest_gap_ns", "clock_back", "equal_times"),
    *("malformed", "zero_size", "crossed", "locked", "duplicate_ids", "refused_full"),
    *("unknown_ids", "short_removals", "removed_lots", "missing_lots", "off_best", "out_of_turn", "outside_touch"),
)
COUNTS: Final = np.dtype([(name, np.int64) for name in COUNTED])

# A fault: the count that it is a share of, and how a sentence about it goes on.
FAULTS: Final = {
    "silent_ns": ("span_ns", "of the day's time lies in silences longer than {gap_s:g} s"),
    "clock_back": ("messages", "of messages are earlier than the one before"),
    "equal_times": ("messages", "of messages have the time of the one before"),
    "malformed": ("messages", "of messages have an unknown kind or side, or a price out of range"),
    "zero_size": ("messages", "of messages have no lots"),
    "crossed": ("messages", "of messages leave the best bid above the best ask"),
    "locked": ("messages", "of messages leave the best bid at the best ask"),
    "duplicate_ids": ("adds", "of adds repeat the id of an order that rests"),
    "refused_full": ("adds", "of adds found no room in a book of {orders} orders"),
    "unknown_ids": ("removals", "of removals name an order that does not rest at that price, nor can have come there unseen"),
    "missing_lots": ("removed_lots", "of the lots removed were not in the book"),
    "off_best": ("trades", "of executions are not at the best price"),
    "out_of_turn": ("trades", "of executions pass over an older order"),
    "outside_touch": ("hidden", "of hidden executions print outside the touch"),
}


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """What a good day may have. Shares lie between 0 and 1; where one is 0, a single case makes the day bad."""

    gap_s: float = _setting(60.0, "seconds without a message, outside halts, that count as a silence")
    bad_times: float = _setting(10.0, "a day is bad where a share is more than this many times what a good day may have")
    levels: int = _setting(4096, "ticks in each side's window of the book that the day is played into; a power of two")
    orders: int = _setting(65536, "orders that can rest in it at once")
    silent_ns: float = _setting(0.01, "share of the day's time that may lie in silences")
    clock_back: float = _setting(0.0, "share of messages that may be earlier than the one before")
    equal_times: float = _setting(0.5, "share of messages that may have the time of the one before")
    malformed: float = _setting(0.0, "share of messages with an unknown kind or side, or a price out of range")
    zero_size: float = _setting(0.0001, "share of messages without lots")
    crossed: float = _setting(0.0001, "share of messages that may leave the book crossed, outside halts")
    locked: float = _setting(0.001, "share of messages that may leave the book locked, outside halts")
    duplicate_ids: float = _setting(0.0001, "share of adds that may repeat the id of an order that rests")
    refused_full: float = _setting(0.0, "share of adds that may find the book full")
    unknown_ids: float = _setting(0.01, "share of removals that may name an order which does not rest at that price")
    missing_lots: float = _setting(0.001, "share of the lots removed that may be missing from the book")
    off_best: float = _setting(0.001, "share of executions that may not be at the best price")
    out_of_turn: float = _setting(0.01, "share of executions that may pass over an older order")
    outside_touch: float = _setting(0.01, "share of hidden executions that may print outside the touch")


DEFAULT: Final = Settings()


@dataclass(frozen=True)
class Quality:
    """A day's verdict (good, usable or bad), the reasons where it is not good, and what was counted."""

    verdict: str
    reasons: tuple[str, ...]
    counts: dict[str, int]


def assess(events: Any, start_rows: Any, settings: Settings = DEFAULT) -> Quality:
    """Judge a day from its EVENTs and its start state (LEVEL_ROWs); `dataclasses.asdict` makes it ready for JSON."""
    book = new_books(1, settings.levels, settings.orders)[0]
    counts = np.zeros(1, COUNTS).view(np.recarray)[0]
    start(book, read_only(start_rows))
    mark_all(book)
    count_all(book, read_only(events), int(settings.gap_s * 1e9), counts)
    return judge({name: int(counts[name]) for name in COUNTED}, settings)


def read_only(records: Any) -> Any:
    """The same memory as a read-only array of records: arrays in memory and files mapped into it share their machine code."""
    view = np.asarray(records).view(np.recarray)
    view.flags.writeable = False
    return view


def judge(counts: dict[str, int], settings: Settings) -> Quality:
    """The verdict on what was counted: that of the worst fault."""
    if counts["messages"] == 0:
        return Quality(BAD, ("there is no message",), counts)
    worst, reasons = GOOD, []
    for name, (of, text) in FAULTS.items():
        share, allowed = counts[name] / max(counts[of], 1), getattr(settings, name)
        if share > allowed:
            words = text.format(gap_s=settings.gap_s, orders=settings.orders)
            reasons.append(f"{share:.2%} {words} ({counts[name]} of {counts[of]}; a good day has at most {allowed:.2%})")
            worst = BAD if worst == BAD or share > allowed * settings.bad_times else USABLE
    return Quality(worst, tuple(reasons), counts)


@compiled
def count_all(book, events, gap, counts):
    """Play a day into a book that holds its start state, and count what is wrong; `gap` in ns."""
    refused = book.refused[-REFUSED_FULL]
    last = -1
    for i in range(len(events)):
        event = events[i]
        if event.kind == REVEAL:
            counts.reveals += 1
        else:
            counts.messages += 1
            if last >= 0:
                count_clock(event.time - events[last].time, gap, book.halted != 0, counts)
            last = i
        if malformed(event):
            counts.malformed += 1
        elif event.lots < (0 if event.kind in (HALT, CROSS, REVEAL) else 1):
            counts.zero_size += 1
        else:
            count_event(book, event, counts)
            counts.missing_lots += count_apply(book, event, counts)
        if last >= 0 and (i + 1 == len(events) or events[i + 1].kind != REVEAL):
            count_touch(book, counts)
    if last >= 0:
        counts.span_ns = max(0, events[last].time - events[0].time)
    counts.refused_full = book.refused[-REFUSED_FULL] - refused


@compiled
def count_clock(step, gap, halted, counts):
    """What the time since the last message says."""
    counts.clock_back += step < 0
    counts.equal_times += step == 0
    if step > gap and not halted:
        counts.gaps += 1
        counts.silent_ns += step
        counts.longest_gap_ns = max(counts.longest_gap_ns, step)


@compiled
def malformed(event):
    """Whether an event cannot be let happen at all."""
    if event.kind == HALT:
        return event.tick < HALTED or event.tick > TRADING
    if event.kind < ADD or event.kind > REVEAL:
        return True
    return (event.kind != CROSS and event.side not in (BUY, SELL)) or abs(int(event.tick)) > MAX_TICK


@compiled
def count_event(book, event, counts):
    """What an event says about the book as it was before it."""
    kind = event.kind
    if kind == ADD:
        counts.adds += 1
        counts.duplicate_ids += find(book, event.id) != 0
    elif kind in (TRADE, REDUCE, CANCEL):
        counts.removals += 1
        counts.removed_lots += event.lots
        slot = find(book, event.id)
        known = slot != 0 and book.orders[slot].key == event.side * event.tick
        counts.unknown_ids += not known and event.lots > marked_lots(book, event.side, event.tick)
        if kind == TRADE:
            counts.trades += 1
            counts.off_best += not at_best(book, event.side, event.tick)
            counts.out_of_turn += known and passes_over(book, slot)
    elif kind == HIDDEN:
        counts.hidden += 1
        counts.outside_touch += outside_touch(book, event)
    elif kind == HALT:
        counts.halts += event.tick != TRADING and book.halted == 0


@compiled
def count_apply(book, event, counts):
    """Let an event happen; returns the lots that were missing."""
    missing = apply(book, event)
    if event.kind == REVEAL:
        mark(book, event.side, event.tick)
    counts.short_removals += missing > 0
    return missing


@compiled
def count_touch(book, counts):
    """What the touch is like after a message, outside halts."""
    if book.halted == 0 and two_sided(book):
        bid, ask = best(book, BUY), best(book, SELL)
        counts.crossed += bid > ask
        counts.locked += bid == ask


@compiled
def at_best(book, side, tick):
    """Whether a tick is the best of its side."""
    return book.sides[row_of(side)].levels > 0 and best(book, side) == tick


@compiled
def passes_over(book, slot):
    """Whether an older order stands before this one, of which it is known."""
    order = book.orders[slot]
    head = first_at(book, row_of(order.side), order.key)
    return head != slot and book.orders[head].mark == 0


@compiled
def mark_all(book):
    """Mark the orders of a start state."""
    for slot in range(1, book.used + 1):
        book.orders[slot].mark = 1


@compiled
def mark(book, side, tick):
    """Mark the orders of a level that came into view: which of them left in the meantime, and which came, nobody knows."""
    slot = first_at(book, row_of(side), side * tick)
    while slot != 0:
        book.orders[slot].mark = 1
        slot = next_at(book, slot)


@compiled
def marked_lots(book, side, tick):
    """The lots of the marked orders at a level."""
    lots = 0
    slot = first_at(book, row_of(side), side * tick)
    while slot != 0:
        lots += book.orders[slot].lots if book.orders[slot].mark != 0 else 0
        slot = next_at(book, slot)
    return lots


@compiled
def outside_touch(book, event):
    """Whether a print lies below the best bid or above the best ask."""
    price = int(event.tick) * FINER_PER_TICK + int(event.finer)
    below = book.sides[0].levels > 0 and price < int(best(book, BUY)) * FINER_PER_TICK
    return below or (book.sides[1].levels > 0 and price > int(best(book, SELL)) * FINER_PER_TICK)
