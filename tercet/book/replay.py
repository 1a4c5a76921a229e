"""EVENTs rebuild a book: for history, live feeds and features alike.

Lots that a feed shows without naming their order (a start state, a revealed level) rest as *anonymous* orders, whose id is the
negative number of their level. A removal takes from the order that it names first, then from the anonymous lots of that level, then
from its oldest order: a feed that shows N levels does not say which orders of a level left, or were replaced, out of its view.
"""

from tercet.book.ids import find
from tercet.book.matching import cancel, reduce, rest
from tercet.book.queries import first_at, next_at, next_key, row_of
from tercet.book.state import NO_KEY
from tercet.compiled import compiled
from tercet.market.events import ADD, CANCEL, HALT, REDUCE, REVEAL, TRADE, TRADING

PUBLIC = 0


@compiled
def anonymous(side, tick):
    """The id of the orders without a name at a level."""
    return -(2 * int(tick) + row_of(side)) - 1


@compiled
def start(book, rows):
    """Rest the levels of a start state (LEVEL_ROWs)."""
    for row in rows:
        rest(book, row.side, row.tick, row.lots, anonymous(row.side, row.tick), PUBLIC)


@compiled(forceinline=True)
def apply(book, event):
    """Let one EVENT happen. Returns the lots that it takes away and the book did not have."""
    kind = event.kind
    if kind == ADD:
        rest(book, event.side, event.tick, event.lots, event.id, PUBLIC)
    elif kind in (TRADE, REDUCE, CANCEL):
        left = take(book, event.id, event.side, event.tick, event.lots)
        left = take(book, anonymous(event.side, event.tick), event.side, event.tick, left)
        return take_oldest(book, event.side, event.tick, left)
    elif kind == REVEAL:
        clear_between(book, event.side, event.id, event.tick)
        set_level(book, event.side, event.tick, event.lots)
    elif kind == HALT:
        book.halted = event.tick != TRADING
    return 0


@compiled(forceinline=True)
def take(book, id, side, tick, lots):
    """Take `lots` from the orders called `id` at a level; returns the lots not found."""
    while lots > 0:
        slot = find(book, id)
        if slot == 0 or book.orders[slot].key != side * tick:
            return lots
        lots -= reduce(book, slot, lots)
    return lots


@compiled(forceinline=True)
def take_oldest(book, side, tick, lots):
    """Take `lots` from the public's oldest orders at a level; returns the lots not found."""
    slot = first_at(book, row_of(side), side * tick) if lots > 0 else 0
    while lots > 0 and slot != 0:
        after = next_at(book, slot)
        if book.orders[slot].owner == PUBLIC:
            lots -= reduce(book, slot, lots)
        slot = after
    return lots


@compiled
def clear_between(book, side, deep, tick):
    """Cancel what the public has strictly between two ticks of a side: nothing is quoted there."""
    row = row_of(side)
    key = next_key(book, row, side * deep)
    while key != NO_KEY and key > side * tick:
        slot = first_at(book, row, key)
        while slot != 0:
            after = next_at(book, slot)
            if book.orders[slot].owner == PUBLIC:
                cancel(book, slot)
            slot = after
        key = next_key(book, row, key)


@compiled
def set_level(book, side, tick, lots):
    """Make the public's lots at a level `lots`: what is new has no name, what left while out of view was the youngest."""
    standing, youngest = public_at(book, side, tick)
    if lots > standing:
        rest(book, side, tick, lots - standing, anonymous(side, tick), PUBLIC)
    while standing > lots:
        standing -= reduce(book, youngest, standing - lots)
        youngest = public_at(book, side, tick)[1]


@compiled
def public_at(book, side, tick):
    """The public's lots at a level, and the slot of its youngest order there (or 0)."""
    total, youngest = 0, 0
    slot = first_at(book, row_of(side), side * tick)
    while slot != 0:
        if book.orders[slot].owner == PUBLIC:
            total += book.orders[slot].lots
            youngest = slot
        slot = next_at(book, slot)
    return total, youngest


@compiled
def apply_all(book, events):
    """Let a slice of EVENTs happen; returns (events that took lots which the book did not have, those lots)."""
    short, missing = 0, 0
    for i in range(len(events)):
        left = apply(book, events[i])
        short += left > 0
        missing += left
    return short, missing
