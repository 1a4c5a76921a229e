"""From an order's 64-bit id to its slot: open addressing with backward-shift deletion (Knuth, TAOCP 3, 6.4 R).

Only slots are stored, four bytes a place; the ids are compared in the orders. A book with one place keeps no index.
"""

from tercet.compiled import compiled

_MULTIPLIER = -7046029254386353131  # 2**64 / golden ratio, odd, as int64


@compiled
def home(id, places):
    """The place where an id belongs in a table of `places` (a power of two)."""
    return ((id * _MULTIPLIER) >> 32) & (places - 1)


@compiled(forceinline=True)
def find(book, id):
    """The slot of the order called `id`, or 0."""
    mask = len(book.places) - 1
    place = home(id, len(book.places))
    while book.places[place] != 0:
        slot = book.places[place]
        if book.orders[slot].id == id:
            return slot
        place = (place + 1) & mask
    return book.places[place]


@compiled
def remember(book, slot):
    """Enter an order that has just come to rest."""
    mask = len(book.places) - 1
    place = home(book.orders[slot].id, len(book.places))
    while book.places[place] != 0:
        place = (place + 1) & mask
    book.places[place] = slot


@compiled
def forget(book, slot):
    """Take an order out, and close the gap that it leaves."""
    count = len(book.places)
    mask = count - 1
    hole = home(book.orders[slot].id, count)
    while book.places[hole] != slot:
        hole = (hole + 1) & mask
    place = (hole + 1) & mask
    while book.places[place] != 0:
        wanted = home(book.orders[book.places[place]].id, count)
        if ((place - wanted) & mask) >= ((place - hole) & mask):
            book.places[hole] = book.places[place]
            hole = place
        place = (place + 1) & mask
    book.places[hole] = 0
