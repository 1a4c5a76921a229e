"""What must always hold in a book. Read only; every walk is bounded, so a damaged book is found and not walked forever."""

from typing import Final

from tercet.book.ids import home
from tercet.book.queries import best, two_sided
from tercet.compiled import compiled
from tercet.market.events import BUY, SELL

COUNTS, LINKS, FAR_LINKS, PLACE, TOTAL, LEVELS, TOP, DEEP, STRANDED, LIVE, LOST, INDEX = range(1, 13)

BROKEN: Final = {
    COUNTS: "the numbers of slots used and of orders live fit the book",
    LINKS: "the queue of a level reads the same from its head and from its tail, with no order twice",
    FAR_LINKS: "the list of a side's far orders reads the same from its head and from its tail, with no order twice",
    PLACE: "an order has lots, stands on its side and at its price, and knows whether it is far",
    TOTAL: "a level's lots are the sum of its orders' lots",
    LEVELS: "a side counts the levels of its window that hold orders",
    TOP: "a side's top is the best key that holds orders, and lies in the window",
    DEEP: "far orders are worse than every key of the window",
    STRANDED: "a side with far orders has orders in its window too",
    LIVE: "the number of live orders is that of the orders in the queues",
    LOST: "each slot used is either in a queue or, without lots, free",
    INDEX: "the index of ids reaches each live order, and holds nothing else",
}


@compiled
def broken(book):
    """0 where all of BROKEN holds, else the number of the first line that does not."""
    if book.used < 0 or book.used >= len(book.orders) or book.live < 0 or book.live > book.used:
        return COUNTS
    queued = 0
    for row in range(2):
        wrong, found = broken_window(book, row)
        if wrong == 0:
            wrong, far = broken_far(book, row)
            found += far
        if wrong != 0:
            return wrong
        queued += found
    if queued != book.live:
        return LIVE
    if not nothing_lost(book):
        return LOST
    return 0 if indexed(book) else INDEX


@compiled
def crossed(book):
    """Whether the best bid is at or above the best ask: never after `submit`, but a recorded book may be."""
    return two_sided(book) and best(book, BUY) >= best(book, SELL)


@compiled
def broken_window(book, row):
    """What is wrong in one side's window (0: nothing), and the orders found there."""
    side = book.sides[row]
    size = len(book.levels[row])
    found, levels, top = 0, 0, 0
    for key in range(side.low, side.low + size):
        level = book.levels[row, key & (size - 1)]
        wrong, count = broken_queue(book, level, row, key)
        if wrong != 0:
            return wrong, found
        found += count
        if count > 0:
            levels += 1
            top = key
    if levels != side.levels:
        return LEVELS, found
    return (TOP if levels > 0 and top != side.top else 0), found


@compiled
def broken_queue(book, level, row, key):
    """What is wrong in one level's queue (0: nothing), and its number of orders."""
    count, lots, before = 0, 0, 0
    slot = level.head
    while slot != 0:
        count += 1
        if slot > book.used or count > book.used or book.orders[slot].prev != before:
            return LINKS, count
        if misplaced(book, slot, row) or book.orders[slot].key != key or book.orders[slot].far != 0:
            return PLACE, count
        lots += book.orders[slot].lots
        before = slot
        slot = book.orders[slot].next
    if level.tail != before:
        return LINKS, count
    return (TOTAL if lots != level.lots else 0), count


@compiled
def broken_far(book, row):
    """What is wrong among one side's far orders (0: nothing), and their number."""
    side = book.sides[row]
    count, before = 0, 0
    slot = side.far_head
    while slot != 0:
        count += 1
        if slot > book.used or count > book.used or book.orders[slot].prev != before:
            return FAR_LINKS, count
        if misplaced(book, slot, row) or book.orders[slot].far != 1:
            return PLACE, count
        if book.orders[slot].key >= side.low:
            return DEEP, count
        before = slot
        slot = book.orders[slot].next
    if side.far_tail != before:
        return FAR_LINKS, count
    return (STRANDED if count > 0 and side.levels == 0 else 0), count


@compiled
def misplaced(book, slot, row):
    """Whether an order has no lots or is not of this side."""
    order = book.orders[slot]
    return order.lots <= 0 or order.side != 1 - 2 * row


@compiled
def nothing_lost(book):
    """Whether the free list and the live orders together are the slots used."""
    free = 0
    slot = book.free
    while slot != 0:
        free += 1
        if slot > book.used or free > book.used or book.orders[slot].lots != 0:
            return False
        slot = book.orders[slot].next
    return free + book.live == book.used


@compiled
def indexed(book):
    """Whether the index of ids, where the book keeps one, reaches each live order and holds nothing else."""
    held = 0
    for place in range(len(book.places)):
        held += book.places[place] != 0
    if len(book.places) == 1:
        return held == 0
    for slot in range(1, book.used + 1):
        if book.orders[slot].lots != 0 and not reached(book, slot):
            return False
    return held == book.live


@compiled
def reached(book, slot):
    """Whether a search that starts at the home of the slot's id comes by the slot before it comes by an empty place."""
    count = len(book.places)
    place = home(book.orders[slot].id, count)
    for _ in range(count):
        if book.places[place] == slot or book.places[place] == 0:
            return book.places[place] == slot
        place = (place + 1) & (count - 1)
    return False
