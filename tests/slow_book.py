"""The slow twin of `tercet.book`: the same rules with dicts and lists, to be read rather than run fast.

It has no window, no slots and no index. An order that rests is handed back as an Order, a refusal as its reason.
"""

import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from tercet.book import state
from tercet.book.state import CANCEL_RESTING, CANCEL_TAKER, DONE, FOK, LIMIT, MARKET, MAX_TICK, POST_ONLY
from tercet.market.events import BUY, SELL


@dataclass(eq=False)
class Order:
    """What rests; compared by identity, since ids may repeat."""

    side: int
    tick: int
    lots: int
    id: int
    owner: int


class Fill(NamedTuple):
    """One maker's part in a trade; `left` is what the maker had left after it."""

    maker: Order
    lots: int
    tick: int
    left: int


@dataclass
class SlowBook:
    """Price, then time. Every lot entered is at last resting, traded (twice: taker and maker) or removed."""

    capacity: int = 1000
    prevention: int = CANCEL_TAKER
    halted: bool = False
    queues: dict[int, dict[int, list[Order]]] = field(default_factory=lambda: {BUY: {}, SELL: {}})  # side, tick: oldest first
    refused: list[int] = field(default_factory=lambda: [0] * state.REASONS)
    entered: int = 0
    traded: int = 0
    removed: int = 0

    def submit(self, side: int, kind: int, tick: int, lots: int, id: int, owner: int) -> tuple[Order | int, list[Fill]]:
        """The resting Order, DONE or a reason; and the fills in their order."""
        tick = side * MAX_TICK if kind == MARKET else tick
        if lots <= 0 or abs(tick) > MAX_TICK:
            return self.refuse(state.REFUSED_INVALID), []
        if self.halted:
            return self.refuse(state.REFUSED_HALTED), []
        if kind == POST_ONLY and self.reachable(side, tick):
            return self.refuse(state.REFUSED_WOULD_TRADE), []
        if kind == FOK and self.could_trade(side, tick, lots, owner) < lots:
            return self.refuse(state.REFUSED_TOO_THIN), []
        self.entered += lots
        left, fills, stopped = self.match(side, tick, lots, owner)
        if stopped:
            self.removed += left
            return self.refuse(state.STOPPED_SELF_MATCH), fills
        if left and kind in (LIMIT, POST_ONLY):
            return self.rest(Order(side, tick, left, id, owner)), fills
        self.removed += left
        return DONE, fills

    def match(self, side: int, tick: int, lots: int, owner: int) -> tuple[int, list[Fill], bool]:
        """What is left of the taker, the fills, and whether meeting its own order stopped it."""
        fills: list[Fill] = []
        while lots and (maker := self.reachable(side, tick)):
            own = owner != 0 and maker.owner == owner
            if own and self.prevention == CANCEL_TAKER:
                return lots, fills, True
            if own and self.prevention == CANCEL_RESTING:
                self.cancel(maker)
                continue
            amount = min(lots, maker.lots)
            lots -= amount
            self.shrink(maker, amount)
            if own:
                self.removed += 2 * amount
            else:
                self.traded += amount
                fills.append(Fill(maker, amount, maker.tick, maker.lots))
        return lots, fills, False

    def reachable(self, side: int, tick: int) -> Order | None:
        """The first order that an aggressor on `side` would meet at `tick` or better."""
        levels = self.queues[-side]
        nearest = min(levels, key=lambda t: t * side, default=None)
        return levels[nearest][0] if nearest is not None and (tick - nearest) * side >= 0 else None

    def could_trade(self, side: int, tick: int, lots: int, owner: int) -> int:
        """The lots that would trade now, tried out on a copy of the book."""
        trial = copy.deepcopy(self)
        return sum(fill.lots for fill in trial.match(side, tick, lots, owner)[1])

    def rest(self, order: Order) -> Order | int:
        """Queue an order behind those at its price, where there is room for one more."""
        if len(self.orders()) == self.capacity:
            self.removed += order.lots
            return self.refuse(state.REFUSED_FULL)
        self.queues[order.side].setdefault(order.tick, []).append(order)
        return order

    def reduce(self, order: Order, lots: int) -> int:
        """Take up to `lots` off an order in its place; returns the lots taken."""
        taken = min(lots, order.lots)
        self.shrink(order, taken)
        self.removed += taken
        return taken

    def shrink(self, order: Order, lots: int) -> None:
        """Make an order smaller, and drop it when nothing is left."""
        order.lots -= lots
        if order.lots == 0:
            queue = self.queues[order.side][order.tick]
            queue.remove(order)
            if not queue:
                del self.queues[order.side][order.tick]

    def cancel(self, order: Order) -> int:
        """Take an order out; returns the lots that left."""
        return self.reduce(order, order.lots)

    def replace(self, order: Order | None, tick: int, lots: int) -> tuple[Order | int, list[Fill]]:
        """Less at the same price keeps the place; anything else goes out and is submitted anew."""
        if order is None or order.lots == 0:
            return self.refuse(state.REFUSED_UNKNOWN), []
        if lots <= 0 or abs(tick) > MAX_TICK:
            return self.refuse(state.REFUSED_INVALID), []
        if self.halted:
            return self.refuse(state.REFUSED_HALTED), []
        if tick == order.tick and lots < order.lots:
            self.reduce(order, order.lots - lots)
            return order, []
        self.cancel(order)
        return self.submit(order.side, LIMIT, tick, lots, order.id, order.owner)

    def refuse(self, reason: int) -> int:
        """Count a refusal."""
        self.refused[-reason] += 1
        return reason

    def levels(self, side: int) -> list[tuple[int, list[Order]]]:
        """The queues of a side from the best price on."""
        return sorted(self.queues[side].items(), key=lambda level: -side * level[0])

    def orders(self) -> list[Order]:
        """Every order that rests."""
        return [order for side in (BUY, SELL) for _, queue in self.levels(side) for order in queue]
