"""How do I drive the exact book myself? One record is one book; verbs take it first and change it in place."""

from tercet.book.matching import replace, submit
from tercet.book.queries import best, queue_ahead, spread
from tercet.book.state import IOC, LIMIT, new_books, new_fills
from tercet.market.events import BUY, SELL

PUBLIC, OURS = 0, 1

if __name__ == "__main__":
    book = new_books(1)[0]
    fills = new_fills(book)
    submit(book, SELL, LIMIT, 10_002, 300, 1, PUBLIC, fills)
    submit(book, BUY, LIMIT, 10_000, 200, 2, PUBLIC, fills)
    slot, _ = submit(book, BUY, LIMIT, 10_000, 500, 3, OURS, fills)
    print(f"bid {best(book, BUY)}, spread {spread(book)}, {queue_ahead(book, slot)} lots before ours")

    replace(book, slot, 10_000, 400, fills)
    print(f"smaller at the same price keeps its place: {queue_ahead(book, slot)} lots before ours")

    _, count = submit(book, SELL, IOC, 10_000, 250, 4, PUBLIC, fills)
    for fill in fills.rows[:count]:
        print(f"order {fill.id} sold to for {fill.lots} at {fill.tick}, {fill.left} left")
