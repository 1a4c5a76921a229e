"""What a book says: best prices, spread, microprice, imbalance, depth, queue ahead. Nothing here changes a book.

A *key* is `side * tick`: the greater, the better. Rows are 0 for BUY, 1 for SELL.
"""

from tercet.book.state import NO_KEY
from tercet.compiled import compiled
from tercet.market.events import BUY, SELL


@compiled
def row_of(side):
    """Where a side stands in `sides` and `levels`: 0 for BUY, 1 for SELL."""
    return (1 - int(side)) >> 1


@compiled
def best(book, side):
    """The best tick of a side, which must hold orders (see `two_sided`)."""
    return side * book.sides[row_of(side)].top


@compiled
def two_sided(book):
    """Whether both sides hold orders."""
    return book.sides[0].levels > 0 and book.sides[1].levels > 0


@compiled
def mid2(book):
    """Twice the mid price in ticks: best bid + best ask, exact."""
    return best(book, BUY) + best(book, SELL)


@compiled
def spread(book):
    """Best ask − best bid, in ticks."""
    return best(book, SELL) - best(book, BUY)


@compiled
def touch_lots(book, side):
    """Lots at the best price of a side; 0 on an empty side."""
    row = row_of(side)
    if book.sides[row].levels == 0:
        return 0
    return book.levels[row, book.sides[row].top & (len(book.levels[row]) - 1)].lots


@compiled
def microprice(book):
    """The mid weighted by the opposite touches' lots, in ticks (Stoikov 2018, its first term)."""
    bid, ask = touch_lots(book, BUY), touch_lots(book, SELL)
    return (best(book, BUY) * ask + best(book, SELL) * bid) / (bid + ask)


@compiled
def lots_at(book, side, tick):
    """Lots resting at a price."""
    return level_lots(book, row_of(side), side * tick)


@compiled
def level_lots(book, row, key):
    """Lots at a key: the level's total where it stands in the window, else the sum of the far orders there."""
    side = book.sides[row]
    size = len(book.levels[row])
    if side.levels > 0 and 0 <= key - side.low < size:
        return book.levels[row, key & (size - 1)].lots
    total = 0
    slot = first_at(book, row, key)
    while slot != 0:
        total += book.orders[slot].lots
        slot = next_at(book, slot)
    return total


@compiled
def first_at(book, row, key):
    """The slot of the first order in the queue at `key`, or 0."""
    size = len(book.levels[row])
    offset = key - book.sides[row].low
    if book.sides[row].levels > 0 and 0 <= offset < size:
        return book.levels[row, key & (size - 1)].head
    slot = book.sides[row].far_head
    while slot != 0 and book.orders[slot].key != key:
        slot = book.orders[slot].next
    return slot


@compiled
def next_at(book, slot):
    """The slot of the next order in the same queue, or 0."""
    key = book.orders[slot].key
    slot = book.orders[slot].next
    while slot != 0 and book.orders[slot].key != key:
        slot = book.orders[slot].next
    return slot


@compiled
def next_key(book, row, key):
    """The best key worse than `key` that holds orders, or NO_KEY."""
    side = book.sides[row]
    size = len(book.levels[row])
    if side.levels > 0:
        key = min(key, side.top + 1)
        while key > side.low:
            key -= 1
            if book.levels[row, key & (size - 1)].head != 0:
                return key
    found = NO_KEY
    slot = side.far_head
    while slot != 0:
        order = book.orders[slot]
        if order.key < key and order.key > found:
            found = order.key
        slot = order.next
    return found


@compiled
def depth(book, side, ticks, lots):
    """Write the best levels of a side into `ticks` and `lots`, equal in length; returns how many there were."""
    row = row_of(side)
    if book.sides[row].levels == 0:
        return 0
    key = book.sides[row].top
    for count in range(len(ticks)):
        if key == NO_KEY:
            return count
        ticks[count] = side * key
        lots[count] = level_lots(book, row, key)
        key = next_key(book, row, key)
    return len(ticks)


@compiled
def queue_ahead(book, slot):
    """Lots that stand before an order at its price."""
    ahead = 0
    other = first_at(book, row_of(book.orders[slot].side), book.orders[slot].key)
    while other != slot:
        ahead += book.orders[other].lots
        other = next_at(book, other)
    return ahead
