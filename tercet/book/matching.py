"""submit, match, rest, reduce, replace, cancel: the only code that changes a book.

Price, then time. A `side` is BUY or SELL, an `owner` of 0 is the public, `fills` a buffer from `new_fills`.
"""

from tercet.book.ids import find, forget, remember
from tercet.book.queries import first_at, next_at, next_key, row_of
from tercet.book.state import (
    CANCEL_RESTING,
    CANCEL_TAKER,
    DONE,
    FOK,
    LIMIT,
    MARKET,
    MAX_TICK,
    NO_KEY,
    POST_ONLY,
    REFUSED_FULL,
    REFUSED_HALTED,
    REFUSED_INVALID,
    REFUSED_TOO_THIN,
    REFUSED_UNKNOWN,
    REFUSED_WOULD_TRADE,
    STOPPED_SELF_MATCH,
)
from tercet.compiled import compiled


@compiled
def submit(book, side, kind, tick, lots, id, owner, fills):
    """Enter an order: trade what its kind and price allow, rest what remains.

    Returns (slot, count): the slot where it rests, DONE, or the reason why nothing rests; and the number of `fills` written.
    `book.traded` is the number of lots traded.
    """
    book.traded = 0
    if kind == MARKET:
        tick = side * MAX_TICK
    if lots <= 0 or tick > MAX_TICK or tick < -MAX_TICK:
        return refuse(book, REFUSED_INVALID), 0
    if book.halted != 0:
        return refuse(book, REFUSED_HALTED), 0
    other = book.sides[row_of(-side)]
    left, count = lots, 0
    if other.levels > 0 and side * tick + other.top >= 0:
        if kind == POST_ONLY:
            return refuse(book, REFUSED_WOULD_TRADE), 0
        if kind == FOK and not fillable(book, side, tick, lots, owner):
            return refuse(book, REFUSED_TOO_THIN), 0
        left, count = match(book, side, tick, lots, owner, fills)
        if left < 0:
            return refuse(book, STOPPED_SELF_MATCH), count
    elif kind == FOK:
        return refuse(book, REFUSED_TOO_THIN), 0
    if left > 0 and kind in (LIMIT, POST_ONLY):
        return rest(book, side, tick, left, id, owner), count
    return DONE, count


@compiled
def refuse(book, reason):
    """Count a refusal and hand its reason on."""
    book.refused[-reason] += 1
    return reason


@compiled
def match(book, side, tick, lots, owner, fills):
    """Trade up to `lots` at `tick` or better; returns (lots left, fills written), or (-1, fills) when it met its own order."""
    count = 0
    row = row_of(-side)
    best = book.sides[row]
    levels = book.levels[row]
    mask = len(levels) - 1
    limit = -side * tick
    while lots > 0 and best.levels > 0 and best.top >= limit:
        level = levels[best.top & mask]
        slot = level.head
        maker = book.orders[slot]
        traded = min(maker.lots, lots)
        if owner != 0 and maker.owner == owner:
            if book.prevention == CANCEL_TAKER:
                return -1, count
            if book.prevention == CANCEL_RESTING:
                traded = maker.lots
            else:
                lots -= traded
        else:
            fill = fills.rows[count]
            fill.lots = traded
            fill.id = maker.id
            fill.tick = -side * maker.key
            fill.slot = slot
            fill.left = maker.lots - traded
            fill.owner = maker.owner
            fill.mark = maker.mark
            count += 1
            book.traded += traded
            lots -= traded
        level.lots -= traded
        if traded == maker.lots:
            level.head = maker.next
            if maker.next != 0:
                book.orders[maker.next].prev = 0
            else:
                level.tail = 0
                level_emptied(book, row, maker.key)
            release(book, slot)
        else:
            maker.lots -= traded
    return lots, count


@compiled
def fillable(book, side, tick, lots, owner):
    """Whether all `lots` would trade at `tick` or better now.

    An order of `owner` in the way is passed over where it would be cancelled; else what meets it would not trade.
    """
    row = row_of(-side)
    key = book.sides[row].top
    while key != NO_KEY and key >= -side * tick:
        slot = first_at(book, row, key)
        while slot != 0:
            order = book.orders[slot]
            if owner == 0 or order.owner != owner:
                lots -= order.lots
            elif book.prevention != CANCEL_RESTING:
                return False
            if lots <= 0:
                return True
            slot = next_at(book, slot)
        key = next_key(book, row, key)
    return False


@compiled
def rest(book, side, tick, lots, id, owner):
    """Put an order at the end of its price's queue without matching; returns its slot, or REFUSED_FULL."""
    slot = book.free
    if slot != 0:
        book.free = book.orders[slot].next
    elif book.used + 1 < len(book.orders):
        book.used += 1
        slot = book.used
    else:
        return refuse(book, REFUSED_FULL)
    order = book.orders[slot]
    order.lots = lots
    order.id = id
    order.key = side * tick
    order.side = side
    order.owner = owner
    order.mark = 0
    book.live += 1
    enter(book, slot)
    if len(book.places) > 1:
        remember(book, slot)
    return slot


@compiled
def enter(book, slot):
    """Queue an order at its level, or among the far orders."""
    order = book.orders[slot]
    row = row_of(order.side)
    side = book.sides[row]
    size = len(book.levels[row])
    if side.levels == 0:
        side.low = order.key - size // 2
        side.top = order.key
    offset = order.key - side.low
    if offset < 0:
        append_far(book, slot)
        return
    if offset >= size:
        slide(book, row, order.key)
    level = book.levels[row, order.key & (size - 1)]
    append(book, level, slot)
    if level.head == slot:
        side.levels += 1
        side.top = max(side.top, order.key)


@compiled
def append(book, level, slot):
    """Put an order at the tail of a level."""
    order = book.orders[slot]
    order.far = 0
    order.prev = level.tail
    order.next = 0
    if level.tail != 0:
        book.orders[level.tail].next = slot
    else:
        level.head = slot
    level.tail = slot
    level.lots += order.lots


@compiled
def append_far(book, slot):
    """Put an order at the tail of its side's far orders."""
    order = book.orders[slot]
    side = book.sides[row_of(order.side)]
    order.far = 1
    order.prev = side.far_tail
    order.next = 0
    if side.far_tail != 0:
        book.orders[side.far_tail].next = slot
    else:
        side.far_head = slot
    side.far_tail = slot


@compiled
def slide(book, row, key):
    """Move a side's window so that `key` stands in its middle: deep levels become far orders, far orders in reach come in."""
    side = book.sides[row]
    size = len(book.levels[row])
    low = key - size // 2
    if side.levels > 0 and low > side.low:
        for gone in range(min(side.top, low - 1), side.low - 1, -1):
            level = book.levels[row, gone & (size - 1)]
            if level.head != 0:
                strand(book, level)
                side.levels -= 1
    side.low = low
    slot = side.far_head
    while slot != 0:
        after = book.orders[slot].next
        if book.orders[slot].key >= low:
            leave_far(book, slot)
            level = book.levels[row, book.orders[slot].key & (size - 1)]
            append(book, level, slot)
            if level.head == slot:
                side.top = book.orders[slot].key if side.levels == 0 else max(side.top, book.orders[slot].key)
                side.levels += 1
        slot = after
    if side.levels == 0:
        side.top = key


@compiled
def strand(book, level):
    """Make far orders of a whole level, in its order."""
    slot = level.head
    while slot != 0:
        after = book.orders[slot].next
        append_far(book, slot)
        slot = after
    level.head = 0
    level.tail = 0
    level.lots = 0


@compiled
def leave_far(book, slot):
    """Take an order out of the far orders."""
    order = book.orders[slot]
    side = book.sides[row_of(order.side)]
    if order.prev != 0:
        book.orders[order.prev].next = order.next
    else:
        side.far_head = order.next
    if order.next != 0:
        book.orders[order.next].prev = order.prev
    else:
        side.far_tail = order.prev


@compiled(forceinline=True)
def cancel(book, slot):
    """Take a resting order out of the book and give its slot back."""
    order = book.orders[slot]
    if order.far != 0:
        leave_far(book, slot)
    else:
        row = row_of(order.side)
        level = book.levels[row, order.key & (len(book.levels[row]) - 1)]
        if order.prev != 0:
            book.orders[order.prev].next = order.next
        else:
            level.head = order.next
        if order.next != 0:
            book.orders[order.next].prev = order.prev
        else:
            level.tail = order.prev
        level.lots -= order.lots
        if level.head == 0:
            level_emptied(book, row, order.key)
    release(book, slot)


@compiled(forceinline=True)
def release(book, slot):
    """Give back the slot of an order that no queue holds any more."""
    if len(book.places) > 1:
        forget(book, slot)
    order = book.orders[slot]
    order.lots = 0
    order.next = book.free
    book.free = slot
    book.live -= 1


@compiled(forceinline=True)
def level_emptied(book, row, key):
    """Find the next best price when a level has lost its last order."""
    side = book.sides[row]
    side.levels -= 1
    if side.levels == 0:
        if side.far_head != 0:
            slide(book, row, best_far(book, side.far_head))
    elif key == side.top:
        mask = len(book.levels[row]) - 1
        key -= 1
        while book.levels[row, key & mask].head == 0:
            key -= 1
        side.top = key
        if side.far_head != 0 and key - side.low < (mask + 1) // 8:
            slide(book, row, key)


@compiled
def best_far(book, slot):
    """The best key in a list of far orders."""
    best = book.orders[slot].key
    while slot != 0:
        best = max(best, book.orders[slot].key)
        slot = book.orders[slot].next
    return best


@compiled
def reduce(book, slot, lots):
    """Take `lots` off a resting order, which keeps its place; the order leaves when none remain. Returns the lots taken."""
    order = book.orders[slot]
    if lots >= order.lots:
        lots = order.lots
        cancel(book, slot)
        return lots
    order.lots -= lots
    if order.far == 0:
        row = row_of(order.side)
        book.levels[row, order.key & (len(book.levels[row]) - 1)].lots -= lots
    return lots


@compiled
def replace(book, slot, tick, lots, fills):
    """Change an order's price and size: a smaller size at the same price keeps its place, anything else loses it and may trade.

    Returns what `submit` returns. An order that leaves its place keeps its id and owner; one whose change is refused stays as it was.
    """
    book.traded = 0
    if slot <= 0 or slot >= len(book.orders) or book.orders[slot].lots == 0:
        return refuse(book, REFUSED_UNKNOWN), 0
    if lots <= 0 or tick > MAX_TICK or tick < -MAX_TICK:
        return refuse(book, REFUSED_INVALID), 0
    if book.halted != 0:
        return refuse(book, REFUSED_HALTED), 0
    order = book.orders[slot]
    side = int(order.side)
    if side * tick == order.key and lots < order.lots:
        reduce(book, slot, order.lots - lots)
        return slot, 0
    id, owner = order.id, order.owner
    cancel(book, slot)
    return submit(book, side, LIMIT, tick, lots, id, owner, fills)


@compiled
def cancel_id(book, id):
    """Cancel by id; returns the lots that left, or REFUSED_UNKNOWN."""
    slot = find(book, id)
    if slot == 0:
        return refuse(book, REFUSED_UNKNOWN)
    lots = book.orders[slot].lots
    cancel(book, slot)
    return lots
