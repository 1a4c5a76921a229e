"""A compiled book beside its slow twin: every operation goes through both, and both must end up alike."""

from typing import Any

from slow_book import Fill, Order, SlowBook

from tercet.book import invariants, queries, state
from tercet.book.ids import find
from tercet.book.matching import cancel, cancel_id, reduce, replace, submit
from tercet.book.state import CANCEL_TAKER, LIMIT, NO_KEY, new_books, new_fills
from tercet.market.events import BUY, SELL


class Pair:
    """A compiled book and its slow twin, which every operation goes through together and leaves alike."""

    def __init__(self, levels: int = 8, orders: int = 32, ids: bool = True, prevention: int = CANCEL_TAKER) -> None:
        self.book = new_books(1, levels, orders, ids)[0]
        self.book.prevention = prevention
        self.fills = new_fills(self.book)
        self.slow = SlowBook(capacity=orders, prevention=prevention)
        self.slots: dict[Order, int] = {}  # of every order that ever rested; the slot may have a new tenant
        self.traded = 0

    def submit(self, side: int, tick: int, lots: int, kind: int = LIMIT, id: int = 0, owner: int = 0) -> Order | int:
        """Submit to both; returns what the twin returned."""
        result = submit(self.book, side, kind, tick, lots, id, owner, self.fills)
        return self.alike(result, *self.slow.submit(side, kind, tick, lots, id, owner))

    def replace(self, order: Order, tick: int, lots: int) -> Order | int:
        """Replace in both; an order that has left is unknown to both."""
        slot = self.slots[order] if order.lots else 0  # its slot may have a new tenant
        return self.alike(replace(self.book, slot, tick, lots, self.fills), *self.slow.replace(order, tick, lots))

    def cancel(self, order: Order) -> None:
        """Cancel a live order in both."""
        cancel(self.book, self.slots[order])
        self.slow.cancel(order)

    def reduce(self, order: Order, lots: int) -> None:
        """Reduce a live order in both."""
        assert reduce(self.book, self.slots[order], lots) == self.slow.reduce(order, lots)

    def cancel_id(self, id: int) -> None:
        """Cancel by id in both."""
        named = [order for order in self.slow.orders() if order.id == id and len(self.book.places) > 1]
        slot = int(find(self.book, id))
        found = next((order for order in named if self.slots[order] == slot), None)
        assert (found is None) == (slot == 0) == (not named)
        expected = self.slow.cancel(found) if found else self.slow.refuse(state.REFUSED_UNKNOWN)
        assert cancel_id(self.book, id) == expected

    def halt(self, halted: bool) -> None:
        """Halt or resume both."""
        self.book.halted = self.slow.halted = halted

    def alike(self, result: tuple[Any, int], outcome: Order | int, fills: list[Fill]) -> Order | int:
        """Compare a result with the twin's, and remember where an order rests."""
        slot, count = int(result[0]), int(result[1])
        wrote = [(int(f.slot), int(f.id), int(f.owner), int(f.lots), int(f.tick), int(f.left)) for f in self.fills.rows[:count]]
        assert wrote == [(self.slots[f.maker], f.maker.id, f.maker.owner, f.lots, f.tick, f.left) for f in fills]
        self.traded += sum(fill.lots for fill in fills)
        if isinstance(outcome, Order):
            assert slot > 0
            self.slots[outcome] = slot
        else:
            assert slot == outcome
        return outcome

    def check(self) -> None:
        """The two books hold the same orders in the same queues, no lot is lost, and no invariant broken."""
        assert invariants.BROKEN.get(invariants.broken(self.book)) is None
        assert not invariants.crossed(self.book)
        for side in (BUY, SELL):
            levels = [(tick, [(self.slots[o], o.lots, o.id, o.owner) for o in queue]) for tick, queue in self.slow.levels(side)]
            assert queues(self.book, side) == levels
            assert queries.touch_lots(self.book, side) == (sum(lots for _, lots, _, _ in levels[0][1]) if levels else 0)
        assert list(self.book.refused) == self.slow.refused
        assert self.book.live == len(self.slow.orders())
        resting = sum(int(lots) for lots in self.book.orders["lots"])
        assert self.slow.entered == resting + 2 * self.traded + self.slow.removed


def queues(book: Any, side: int) -> list[tuple[int, list[tuple[int, int, int, int]]]]:
    """Every level of a side, best first: its tick, and (slot, lots, id, owner) of its orders in their order."""
    row, found = queries.row_of(side), []
    key = int(book.sides[row].top) if book.sides[row].levels else NO_KEY
    while key != NO_KEY:
        queue, slot = [], int(queries.first_at(book, row, key))
        while slot:
            order = book.orders[slot]
            queue.append((slot, int(order.lots), int(order.id), int(order.owner)))
            slot = int(queries.next_at(book, slot))
        found.append((side * key, queue))
        key = int(queries.next_key(book, row, key))
    return found


def names_at(pair: Pair, side: int) -> list[tuple[int, list[int]]]:
    """Tick and ids of each level of the compiled book, after it was compared with the twin."""
    pair.check()
    return [(tick, [id for _, _, id, _ in queue]) for tick, queue in queues(pair.book, side)]
