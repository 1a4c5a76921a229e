"""What is held, and what it has earned by average cost: opening moves the average, closing realises against it, crossing zero starts anew.

Realised and unrealised depend on the order of trades, so they are read from the trades sorted by (time, exec_id), whatever came first.
"""

import msgspec


class Trade(msgspec.Struct, frozen=True, order=True):
    """One execution as it counts now, after busts and corrections."""

    time: int  # of the fill
    exec_id: str  # of the fill
    lots: int  # signed: negative sells
    price: float  # ticks
    fee: float


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A holding at one moment. Money is in the instrument's currency; realised + unrealised(m) - fees = net(m) for every mark m."""

    lots: int  # signed
    cash: float  # received less paid, after fees
    fees: float  # paid; negative are rebates
    average: float  # cost of a lot held, ticks; 0 when flat
    realised: float  # before fees
    value: float  # of one tick on one lot
    open_buy: int  # lots that may still be bought, at worst
    open_sell: int

    def unrealised(self, mark: float) -> float:
        """What the lots held have gained since they were bought (or lost since sold), at `mark` ticks."""
        return self.lots * (mark - self.average) * self.value

    def net(self, mark: float) -> float:
        """Profit and loss after fees at `mark` ticks."""
        return self.cash + self.lots * mark * self.value


class Holding(msgspec.Struct, eq=False):
    """What a Position is made from. Adding a trade costs the same however many there are; the average is brought up to date when read."""

    lots: int = 0
    paid: float = 0.0  # sum of signed lots × price
    fees: float = 0.0
    open_buy: int = 0
    open_sell: int = 0
    trades: dict[str, Trade] = {}  # by exec_id
    fresh: list[Trade] = []  # not in the average yet
    last: Trade | None = None  # the latest in the average
    held: int = 0  # lots after it
    cost: float = 0.0  # of them, lots × ticks

    def add(self, trade: Trade) -> None:
        """Count one trade."""
        self.trades[trade.exec_id] = trade
        self.fresh.append(trade)
        self.lots += trade.lots
        self.paid += trade.lots * trade.price
        self.fees += trade.fee

    def drop(self, trade: Trade) -> None:
        """Take one trade back; the average starts anew."""
        del self.trades[trade.exec_id]
        self.lots -= trade.lots
        self.paid -= trade.lots * trade.price
        self.fees -= trade.fee
        self._restart()

    def position(self, value: float) -> Position:
        """This holding now; `value` is one tick on one lot in currency."""
        average = self._average()
        realised = self.lots * average - self.paid
        return Position(
            lots=self.lots,
            cash=-self.paid * value - self.fees,
            fees=self.fees,
            average=average,
            realised=realised * value,
            value=value,
            open_buy=self.open_buy,
            open_sell=self.open_sell,
        )

    def expose(self, side: int, change: int) -> None:
        """Add to the lots that may still be bought (side 1) or sold (-1)."""
        if side > 0:
            self.open_buy += change
        else:
            self.open_sell += change

    def _restart(self) -> None:
        self.fresh, self.last, self.held, self.cost = list(self.trades.values()), None, 0, 0.0

    def _average(self) -> float:
        fresh = sorted(self.fresh)
        if fresh and self.last is not None and fresh[0] < self.last:
            self._restart()
            fresh = sorted(self.fresh)
        for trade in fresh:
            self._average_in(trade)
        self.fresh = []
        return self.cost / self.held if self.held else 0.0

    def _average_in(self, trade: Trade) -> None:
        held = self.held + trade.lots
        if self.held * trade.lots >= 0:
            self.cost += trade.lots * trade.price
        elif held * self.held > 0:
            self.cost *= held / self.held
        else:
            self.cost = held * trade.price
        self.held, self.last = held, trade
