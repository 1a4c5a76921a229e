"""What of a simulation its next events will touch (see `sim/ahead.py`)."""

from typing import Final

from tercet.book.ids import home
from tercet.book.queries import row_of
from tercet.compiled import compiled
from tercet.intrinsics import ask_for
from tercet.sim.ahead import want
from tercet.sim.state import CROWD, QUEUE

LEVELS: Final = 48  # of a side, from its best one on
PLACES_AHEAD, ORDERS_AHEAD = 24, 12  # recorded events by which their orders' places in the index, and the orders, are asked for


@compiled
def want_head(sim, start, ahead):
    """Want what `want_market` reads of the simulation at that address, and what each event does."""
    want(ahead, start, sim.book.levels.ctypes.data)


@compiled
def want_market(sim, ahead):
    """Want the best levels; of a crowd also all orders, their lives and the crowd's settings."""
    book, wheel, crowd = sim.book, sim.wheel, sim.crowd
    for row in range(2):
        top = int(book.sides[row].top) & (book.levels.shape[1] - 1)
        start = book.levels.ctypes.data + book.levels.itemsize * (row * book.levels.shape[1] + max(0, top + 1 - LEVELS))
        want(ahead, start, start + LEVELS * book.levels.itemsize)
    if sim.kind == CROWD:
        used = int(book.used) + 1
        want(ahead, book.orders.ctypes.data, book.orders.ctypes.data + used * book.orders.itemsize)
        want(ahead, wheel.heads.ctypes.data, wheel.timers.ctypes.data + used * wheel.timers.itemsize)
        tables, settings = crowd.limits_at.ctypes.data, wheel.births.ctypes.data + len(wheel.births) * wheel.births.itemsize
        want(ahead, settings, sim.wire.ctypes.data if crowd.flow == QUEUE else tables)


@compiled
def want_first(book, events, cursor):
    """Ask for what `want_next` would have asked for before the event at `cursor`."""
    for i in range(cursor, min(cursor + PLACES_AHEAD, len(events))):
        ask_for_place(book, events[i].id)
    for i in range(cursor, min(cursor + ORDERS_AHEAD, len(events))):
        ask_for_order(book, events[i])


@compiled(forceinline=True)
def want_next(book, events, cursor):
    """Ask for the orders that recorded events soon to come name: their places in the index, and a little later the orders there."""
    if cursor + PLACES_AHEAD < len(events):
        ask_for_place(book, events[cursor + PLACES_AHEAD].id)
        ask_for_order(book, events[cursor + ORDERS_AHEAD])


@compiled(forceinline=True)
def ask_for_place(book, id):
    """Ask for an order's place in the index."""
    ask_for(book.places.ctypes.data + book.places.itemsize * home(id, len(book.places)))


@compiled(forceinline=True)
def ask_for_order(book, event):
    """Ask for the order that a recorded event names, and for its level."""
    slot = int(book.places[home(event.id, len(book.places))])
    ask_for(book.orders.ctypes.data + book.orders.itemsize * slot)
    width = book.levels.shape[1]
    level = row_of(event.side) * width + (int(event.side * event.tick) & (width - 1))
    ask_for(book.levels.ctypes.data + book.levels.itemsize * level)
