"""What is held, and what it has earned by average cost: opening moves the average, closing realises against it, crossing zero starts anew.

Realised and unrealised depend on the order of trades, so they are read from the trades sorted by (time, exec_id), whatever came first.
"""

import msgspec


class Trade(msgspec.Struct, frozen=True, order=True, gc=False):
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
    trades: list[Trade] = []  # sorted as far as they are in the average
    averaged: int = 0  # so many of them are
    dropped: list[Trade] = []
    held: int = 0  # lots after them
    cost: float = 0.0  # of them, lots × ticks

    def add(self, trade: Trade) -> None:
        """Count one trade."""
        self.trades.append(trade)
        self.lots += trade.lots
        self.paid += trade.lots * trade.price
        self.fees += trade.fee

    def drop(self, trade: Trade) -> None:
        """Take one trade back; the average starts anew."""
        self.dropped.append(trade)
        self.lots -= trade.lots
        self.paid -= trade.lots * trade.price
        self.fees -= trade.fee

    @property
    def empty(self) -> bool:
        """Whether nothing was traded that counts, and nothing may be."""
        return len(self.trades) == len(self.dropped) and not self.open_buy and not self.open_sell

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

    def _average(self) -> float:
        if self.dropped:
            gone = {id(trade) for trade in self.dropped}
            self.trades = [trade for trade in self.trades if id(trade) not in gone]
            self._restart()
        fresh = sorted(self.trades[self.averaged :])
        if fresh and self.averaged and fresh[0] < self.trades[self.averaged - 1]:
            self._restart()
            fresh = sorted(self.trades)
        for trade in fresh:
            self._average_in(trade)
        self.trades[self.averaged :] = fresh
        self.averaged = len(self.trades)
        return self.cost / self.held if self.held else 0.0

    def _restart(self) -> None:
        self.averaged, self.held, self.cost, self.dropped = 0, 0, 0.0, []

    def _average_in(self, trade: Trade) -> None:
        held = self.held + trade.lots
        if self.held * trade.lots >= 0:
            self.cost += trade.lots * trade.price
        elif held * self.held > 0:
            self.cost *= held / self.held
        else:
            self.cost = held * trade.price
        self.held = held
