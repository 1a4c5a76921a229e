"""Tables of recorded orders whose lots in our world differ from the recording: `phantoms` have more, `removed` have fewer."""

from tercet.compiled import compiled


@compiled
def add(table, id, side, tick, lots, time, finished):
    """Note `lots` more of an order's difference. A full table forgets its first row, and counts that."""
    for i in range(table.count):
        if table.rows[i].id == id:
            table.rows[i].lots += lots
            table.rows[i].time = time
            table.rows[i].finished = finished
            return
    if table.count == len(table.rows):
        drop(table, 0)
        table.dropped += 1
    row = table.rows[table.count]
    row.id = id
    row.side = side
    row.tick = tick
    row.lots = lots
    row.time = time
    row.finished = finished
    table.count += 1


@compiled
def drop(table, i):
    """Forget a row; the last one takes its place."""
    table.count -= 1
    table.rows[i] = table.rows[table.count]


@compiled
def take(table, id, lots):
    """Take up to `lots` off an order's difference; returns the lots taken."""
    for i in range(table.count):
        row = table.rows[i]
        if row.id == id:
            taken = min(lots, row.lots)
            row.lots -= taken
            if row.lots == 0:
                drop(table, i)
            return taken
    return 0


@compiled
def take_at(table, side, tick, lots):
    """Take up to `lots` off the differences at a level, whosever they are; returns the lots taken."""
    left = lots
    for i in range(table.count - 1, -1, -1):
        row = table.rows[i]
        if left > 0 and row.side == side and row.tick == tick:
            taken = min(left, row.lots)
            left -= taken
            row.lots -= taken
            if row.lots == 0:
                drop(table, i)
    return lots - left


@compiled
def finish(table, id):
    """Note that the recording has no more of an order."""
    for i in range(table.count):
        if table.rows[i].id == id:
            table.rows[i].finished = 1


@compiled
def lots_of(table, id):
    """An order's difference."""
    for i in range(table.count):
        if table.rows[i].id == id:
            return table.rows[i].lots
    return 0


@compiled
def lots_at(table, side, tick):
    """The difference of all orders at a level."""
    total = 0
    for i in range(table.count):
        if table.rows[i].side == side and table.rows[i].tick == tick:
            total += table.rows[i].lots
    return total


@compiled
def drop_between(table, side, deep, tick):
    """Forget the rows strictly between two ticks of a side."""
    for i in range(table.count - 1, -1, -1):
        key = side * table.rows[i].tick
        if table.rows[i].side == side and side * tick < key < side * deep:
            drop(table, i)
