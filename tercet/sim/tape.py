"""What a crowd did, as a feed that shows so many levels would have told it: one EVENT a message, and the book after each."""

from tercet.book.queries import depth
from tercet.book.replay import apply
from tercet.compiled import compiled
from tercet.market.events import BUY, SELL, TRADE
from tercet.sim import crowd

NOTHING = 0


@compiled
def record(sim, mirror, events, rows, scratch):
    """Let the crowd act until `events` is full.

    mirror: a book like the simulation's, to which the messages are applied one by one. events: EVENTs to fill. rows: (len(events),
    2 sides, depth, 2) of tick and lots, best first, zeros where there is no level. As in LOBSTER files, only messages that change the
    levels shown are written, and a sweep is a message for each fill.
    """
    written = 0
    message = events[0]
    while written < len(events):
        count = crowd.step(sim, scratch)
        message = scratch.event
        if message.kind == TRADE:
            for i in range(count):
                message.id = scratch.rows[i].id
                message.tick = scratch.rows[i].tick
                message.lots = scratch.rows[i].lots
                written = write(mirror, message, events, rows, written)
        elif message.kind != NOTHING:
            written = write(mirror, message, events, rows, written)


@compiled
def write(mirror, message, events, rows, written):
    """Apply a message to the mirror, and write it where the levels shown changed; returns the messages written."""
    apply(mirror, message)
    if written == len(events):
        return written
    snapshot(mirror, rows[written])
    if written > 0 and same(rows[written], rows[written - 1]):
        return written
    events[written] = message
    return written + 1


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
