"""What a crowd did, as a feed that shows so many levels would have told it: one EVENT a message, and the book after each."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.book.matching import rest
from tercet.book.queries import depth, first_at, next_at, next_key
from tercet.book.replay import apply
from tercet.book.state import NO_KEY, new_books
from tercet.compiled import compiled
from tercet.market.events import BUY, EVENT, SELL, TRADE
from tercet.sim import crowd
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.settings import CrowdSettings
from tercet.sim.state import new_scratch

NOTHING = 0
TAPE: Final = np.dtype([("fills", np.int64), ("told", np.int64)])  # of the crowd's last act: messages, and how many are on the tape


def pieces(
    settings: CrowdSettings, seed: int, hours: tuple[int, int], until: int, levels: int, most: int
) -> Iterator[tuple[NDArray[np.void], NDArray[np.int64]]]:
    """A crowd's messages from its opening up to the time `until`, in pieces of `most` at most.

    hours: opening and close (ns). Each piece is (EVENTs, rows) with rows of shape (len(EVENTs), 2 sides, levels, 2): tick and lots
    after each message, best first, zeros where there is no level. The market is the same however it is cut and wherever it stops.
    """
    sim = open_crowd(settings, seed, *hours)
    scratch, tape = new_scratch(sim), np.zeros(1, TAPE).view(np.recarray)[0]
    advance(sim, NO_EVENTS, hours[0], scratch)
    mirror = new_books(1, len(sim.book.levels[0]), len(sim.book.orders) - 1)
    copy_book(sim.book, mirror[0])
    count, last = most, np.zeros((2, levels, 2), np.int64)
    snapshot(mirror[0], last)
    while count == most:
        events, rows = np.zeros(most, EVENT), np.zeros((most + 1, 2, levels, 2), np.int64)
        rows[0] = last
        count = int(record(sim, mirror[0], tape, until, events, rows, scratch))
        last = rows[count]
        if count:
            yield events[:count], rows[1 : count + 1]


@compiled
def copy_book(book, copy):
    """Let an empty book with an index of ids stand as `book` does, side by side and order by order."""
    for row in range(2):
        key = book.sides[row].top
        while book.sides[row].levels > 0 and key != NO_KEY:
            slot = first_at(book, row, key)
            while slot != 0:
                order = book.orders[slot]
                rest(copy, int(order.side), order.side * order.key, order.lots, order.id, order.owner)
                slot = next_at(book, slot)
            key = next_key(book, row, key)


@compiled
def record(sim, mirror, tape, until, events, rows, scratch):
    """Let the crowd act until `events` is full or it would act at `until`; returns how many messages were written.

    mirror: a book like the simulation's, to which the messages are applied one by one. tape: a TAPE, zeros at first; it and `scratch`
    go on where they stopped. rows: the book before in rows[0], then after each message. As in LOBSTER files, of the messages that can
    change a book only those that change the levels shown are written, and a sweep is a message for each fill.
    """
    written = 0
    message = scratch.event
    while written < len(events):
        if tape.told == tape.fills:
            if crowd.next_event(sim) >= until:
                break
            tape.told, tape.fills = 0, act(sim, scratch)
            continue
        if message.kind == TRADE:
            fill = scratch.rows[tape.told]
            message.id, message.tick, message.lots = fill.id, fill.tick, fill.lots
        tape.told += 1
        apply(mirror, message)
        snapshot(mirror, rows[written + 1])
        if message.kind > TRADE or not same(rows[written], rows[written + 1]):
            events[written] = message
            written += 1
    return written


@compiled
def act(sim, scratch):
    """Let the crowd act once; returns how many messages a feed has of it."""
    fills = crowd.step(sim, scratch)
    if scratch.event.kind == TRADE:
        return fills
    return 0 if scratch.event.kind == NOTHING else 1


@compiled
def snapshot(book, row):
    """The best levels of a book as a row, (2, depth, 2)."""
    for side in range(2):
        count = depth(book, BUY if side == 0 else SELL, row[side, :, 0], row[side, :, 1])
        row[side, count:] = 0


@compiled
def same(row, other):
    """Whether two rows say the same."""
    for side in range(2):
        for level in range(row.shape[1]):
            if row[side, level, 0] != other[side, level, 0] or row[side, level, 1] != other[side, level, 1]:
                return False
    return True
