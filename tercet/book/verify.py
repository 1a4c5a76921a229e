"""A book kept from messages beside recorded snapshots of it, row by row."""

from tercet.book.queries import level_lots, next_key, row_of
from tercet.book.replay import apply
from tercet.book.state import NO_KEY
from tercet.compiled import compiled
from tercet.market.events import REVEAL


@compiled
def verify(book, events, rows):
    """Replay `events` into `book` and compare it with `rows` after each message and the levels that it revealed.

    rows: (messages, 2 sides, depth, 2) of tick and lots, best first, lots 0 where a level is empty. A message that takes lots in view
    which the book does not have differs too, whatever the levels say. Returns (rows compared, rows that differ, levels revealed, first row
    that differs or -1).
    """
    message, mismatches, revealed, first = -1, 0, 0, -1
    missing = 0
    for i in range(len(events)):
        left = apply(book, events[i])
        if events[i].kind == REVEAL:
            revealed += 1
        else:
            message += 1
            missing += left if left > 0 and in_view(events[i], rows[message]) else 0
        if i + 1 < len(events) and events[i + 1].kind == REVEAL:
            continue
        if missing > 0 or not same(book, rows[message]):
            mismatches += 1
            if first < 0:
                first = message
        missing = 0
    return message + 1, mismatches, revealed, first


@compiled
def in_view(event, row):
    """Whether a snapshot reaches as deep as a removal's price."""
    side = row_of(event.side)
    return row[side, -1, 1] == 0 or event.side * (event.tick - row[side, -1, 0]) >= 0


@compiled
def same(book, row):
    """Whether the best levels of a book are those of one snapshot, (2, depth, 2)."""
    for side in range(2):
        key = book.sides[side].top if book.sides[side].levels > 0 else NO_KEY
        for level in range(row.shape[1]):
            lots = row[side, level, 1]
            if lots == 0:
                if key != NO_KEY:
                    return False
                break
            if key == NO_KEY or key != (1 - 2 * side) * row[side, level, 0] or level_lots(book, side, key) != lots:
                return False
            key = next_key(book, side, key)
    return True
