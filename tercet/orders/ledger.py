"""The ledger: a fold of what we sent and asked and of what came back, in any legal order, each report once.

The same reports in another order make the same positions, and the same states once every wish has been answered. A report that is
refused (BadInput, Illegal) leaves the ledger as it was. `exec_id` must be unique over all venues: a gateway puts the venue before it.
"""

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Final

import msgspec

from tercet.errors import BadInput
from tercet.market.instruments import Instrument
from tercet.messages import Cancel, Child, Happening, OrderState, Replace, Report
from tercet.orders import order as orders
from tercet.orders.executions import EXECUTIONS, Executions, check_same, trade_problem
from tercet.orders.order import Chain, Order
from tercet.orders.position import Holding, Position, Trade

FILLED: Final = Happening.FILLED  # bound once: an enum's attribute takes 85 ns in Python 3.11
BUSTED: Final = Happening.BUSTED
UNKNOWN: Final = OrderState.UNKNOWN


class Ledger:
    """Orders, positions, cash and profit. Lots count for every symbol; money wants its Instrument."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self.orders: dict[str, Order] = {}  # by child's id, replacements too
        self.foreign: dict[str, list[Report]] = {}  # reports on orders that we never sent, by their id; their fills count
        self._values: dict[str, float] = {}
        self._wishes: dict[str, Child | Cancel | Replace] = {}
        self._executions = Executions()
        self._booked: dict[str, Trade] = {}  # what counts, by the exec_id of the fill
        self._accounts: dict[tuple[str, str], Holding] = {}
        self._strategies: dict[tuple[str, str], Holding] = {}
        self._unknown: dict[str, int] = {}
        for instrument in instruments:
            self.know(instrument)

    def know(self, instrument: Instrument) -> None:
        """Take an instrument, for the money of its symbol."""
        self._values[instrument.symbol] = float(Decimal(instrument.tick_size) * Decimal(instrument.lot_size))

    # What we send and ask.

    def sent(self, child: Child) -> Order:
        """A child was sent. Reports that came before it are no longer foreign."""
        if self._again(child):
            return self.orders[child.id]
        if child.side not in (1, -1) or child.lots <= 0:
            raise BadInput(f"child {child.id}: expected side 1 or -1 and 1 lot or more, found side {child.side} and {child.lots} lots")
        holdings = self._holdings(child.account, child.strategy, child.symbol)
        return self._enter(child, Order(child, Chain(child.side, holdings)))

    def cancel_asked(self, cancel: Cancel) -> Order:
        """A cancel was asked for; Illegal where the order has ended."""
        order = self._target(cancel)
        if not self._again(cancel):
            self._move(order, Happening.CANCEL_ASKED)
            self._adopt(cancel, order)
        return order

    def replace_asked(self, replace: Replace) -> Order:
        """Another size or price was asked for: the order under its new id, PENDING_NEW until the venue agrees."""
        target = self._target(replace)
        if self._again(replace):
            return self.orders[replace.id]
        if replace.lots <= 0:
            raise BadInput(f"replace {replace.id}: expected 1 lot or more, found {replace.lots}")
        tick = target.child.tick if replace.tick is None else replace.tick
        child = msgspec.structs.replace(target.child, id=replace.id, lots=replace.lots, time=replace.time, tick=tick)
        self._move(target, Happening.REPLACE_ASKED)
        order = Order(child, target.chain, before=target, filled=target.filled, inherited=target.filled)
        order.paid, order.executed = target.paid, target.executed
        target.replacements.append(order)
        return self._enter(replace, order)

    def timed_out(self, id: str) -> None:
        """Nobody answered what has this id (a child, a cancel or a replace): what it was about may be UNKNOWN."""
        order = self._find(id)
        if order is None:
            raise BadInput(f"time-out of {id}: expected the id of an order or a wish that was sent")
        if order.before is not None and order.state is OrderState.PENDING_NEW:
            self._move(order.before, Happening.TIMED_OUT)
        self._move(order, Happening.TIMED_OUT)

    def fold(self, message: Child | Cancel | Replace | Report) -> None:
        """Take any of the messages that a journal holds."""
        if isinstance(message, Report):
            self.report(message)
        elif isinstance(message, Child):
            self.sent(message)
        elif isinstance(message, Cancel):
            self.cancel_asked(message)
        else:
            self.replace_asked(message)

    # What comes back.

    def report(self, report: Report) -> bool:
        """Take a report; False where it was known. BadInput where it cannot be used, Illegal where its order cannot do that."""
        first = self._executions.reports.get(report.exec_id)
        if first is not None:
            check_same(first, report)
            return False
        order = self.orders.get(report.order) or self._find(report.order)
        self._executions.check(report, order.child if order is not None else None)
        if report.happening in EXECUTIONS:
            self._trade(report, order)
        if order is not None:
            self._hear(order, report)  # an execution is legal everywhere, so nothing that is refused has been counted
        else:
            self._foreign(report)
        if report.happening not in EXECUTIONS:
            self._executions.take(report)
        return True

    def _foreign(self, report: Report) -> None:
        if report.happening is Happening.REPLACED:
            self._replaced(report)
        self.foreign.setdefault(report.order, []).append(report)

    def _hear(self, order: Order, report: Report) -> None:
        happening, when = report.happening, (report.time, report.exec_id)
        if happening not in _OTHERWISE:
            self._move(order, happening, when)
        elif happening is Happening.REPLACED:
            self._replaced(report)
            self._move(order, Happening.ACCEPTED, when)
        elif happening is Happening.REPLACE_REJECTED:
            self._replace_rejected(order, when)
        else:
            self._move(order, happening, when, report.state)

    def _replaced(self, report: Report) -> None:
        order = self.orders.get(report.order)
        before = self.orders.get(report.replaces or "") or (order and order.before)
        if before is not None:
            self._move(before, Happening.REPLACED, (report.time, report.exec_id))

    def _replace_rejected(self, order: Order, when: tuple[int, str]) -> None:
        """A venue names the wish, or the order that it was about: then the oldest wish without an answer is meant."""
        refused = order if _waits(order) else next(filter(_waits, order.replacements), None)
        if refused is None or refused.before is None:
            self._move(order, Happening.REPLACE_REJECTED, when)
            return
        self._move(refused, Happening.REJECTED, when)
        self._move(refused.before, Happening.REPLACE_REJECTED, when)

    def _move(self, order: Order, happening: Happening, when: tuple[int, str] = (0, ""), says: OrderState | None = None) -> None:
        was = order.state
        if says is None:
            orders.step(order, happening, when)
        else:
            orders.status(order, says, when)
        now = order.state
        if now is not was and (now is UNKNOWN or was is UNKNOWN):
            symbol = order.child.symbol
            self._unknown[symbol] = self._unknown.get(symbol, 0) + (1 if now is UNKNOWN else -1)
        order.chain.expose()

    # Trades, as the last word on each says.

    def _trade(self, report: Report, order: Order | None) -> None:
        filled = report.happening is FILLED
        if filled and order is not None:
            orders.executed(order, report.lots)
        if filled and report.exec_id not in self._executions.amends:
            self._executions.reports[report.exec_id] = report
            self._book(report.exec_id, report, report, order)
            return
        for top in self._executions.joined(report):
            self._unbook(top)
        self._executions.take(report)
        self._rebook(self._executions.top(report.exec_id))
        if order is not None:
            self._restand(order)  # a fill that was busted before it came has been executed all the same

    def _rebook(self, top: str) -> None:
        last = self._executions.last(top)
        if last.happening is not BUSTED:
            fill = self._executions.reports.get(top, last)
            self._book(top, fill, last, self._owner(fill, last))

    def _book(self, exec_id: str, fill: Report, last: Report, order: Order | None) -> None:
        self._booked[exec_id] = trade = Trade(fill.time, exec_id, last.side * last.lots, last.price, last.fee)
        by_account, by_strategy = self._where(last, order)
        by_account.add(trade)
        by_strategy.add(trade)
        if order is not None:
            orders.count(order, last.lots, last.price)
            if fill is not last or order.replacements:
                self._restand(order)

    def _unbook(self, top: str) -> None:
        """Take back what counts for a fill, by the words that were known when it was counted."""
        trade = self._booked.pop(top, None)
        if trade is None:
            return
        last = self._executions.last(top)
        order = self._owner(self._executions.reports.get(top, last), last)
        for holding in self._where(last, order):
            holding.drop(trade)
        if order is not None:
            orders.count(order, -last.lots, last.price)
            self._restand(order)

    def _owner(self, fill: Report, last: Report) -> Order | None:
        order = self._find(fill.order)
        return order if order is not None and trade_problem(last, order.child) is None else None

    def _where(self, last: Report, order: Order | None) -> tuple[Holding, Holding]:
        return order.chain.holdings if order is not None else self._holdings(last.account, last.strategy, last.symbol)

    def _restand(self, order: Order) -> None:
        orders.restand(order)
        order.chain.expose()

    # What is asked of it.

    def position(self, account: str, symbol: str) -> Position:
        """What an account holds of a symbol; BadInput where there is no instrument to say what a tick is worth."""
        return self._accounts.get((account, symbol), _NOTHING).position(self._value(symbol))

    def positions(self) -> dict[tuple[str, str], Position]:
        """Every Position, by account and symbol, where anything was traded or may be."""
        return self._positions(self._accounts)

    def strategies(self) -> dict[tuple[str, str], Position]:
        """Every Position, by strategy and symbol; a trade belongs to its child's strategy, a foreign one to its report's."""
        return self._positions(self._strategies)

    def lots(self, account: str, symbol: str) -> int:
        """The lots that an account holds, signed; an instrument is not needed."""
        return self._accounts.get((account, symbol), _NOTHING).lots

    def open_lots(self, account: str, symbol: str) -> tuple[int, int]:
        """The lots that may still be bought and sold, at worst: an order being replaced counts with the larger of its sizes."""
        holding = self._accounts.get((account, symbol), _NOTHING)
        return holding.open_buy, holding.open_sell

    def blocked(self, symbol: str) -> bool:
        """Whether any order of the symbol is UNKNOWN."""
        return self._unknown.get(symbol, 0) > 0

    def unknown(self) -> list[Order]:
        """The orders that a status request, a resend or a drop copy must resolve."""
        return [order for order in self.orders.values() if order.state is UNKNOWN]

    def overfilled(self) -> list[Order]:
        """The orders of which the venue traded more than was asked for."""
        return [order for order in self.orders.values() if order.overfilled]

    # Keeping.

    def _find(self, id: str) -> Order | None:
        order = self.orders.get(id)
        if order is None and isinstance(wish := self._wishes.get(id), Cancel):
            return self.orders[wish.target]
        return order

    def _target(self, wish: Cancel | Replace) -> Order:
        order = self.orders.get(wish.target)
        if order is None:
            raise BadInput(f"{type(wish).__name__.lower()} {wish.id}: expected the id of an order that was sent, found {wish.target!r}")
        return order

    def _again(self, wish: Child | Cancel | Replace) -> bool:
        first = self._wishes.get(wish.id)
        if first is not None and first != wish:
            raise BadInput(f"id {wish.id}: expected one that was never used, found {wish} after {first}")
        return first is not None

    def _enter(self, wish: Child | Replace, order: Order) -> Order:
        order.chain.orders.append(order)
        self._adopt(wish, order)
        order.chain.expose()
        return order

    def _adopt(self, wish: Child | Cancel | Replace, order: Order) -> None:
        """Take a wish down. Reports on its id that came before it are no longer foreign, where they fit its order."""
        if wish.id not in self.foreign:
            self._take(wish, order)
            return
        came = self.foreign.pop(wish.id)
        own = [report for report in came if report.happening not in EXECUTIONS or trade_problem(report, order.child) is None]
        if len(own) < len(came):
            self.foreign[wish.id] = [report for report in came if report not in own]
        tops = {self._executions.top(report.exec_id) for report in own if report.happening in EXECUTIONS}
        for top in tops:
            self._unbook(top)
        self._take(wish, order)
        orders.executed(order, sum(report.lots for report in own if report.happening is FILLED))
        for top in tops:
            self._rebook(top)
        for report in own:
            with suppress(orders.Illegal):  # they were taken when they came: an order must not fail to be known because of them
                self._hear(order, report)

    def _take(self, wish: Child | Cancel | Replace, order: Order) -> None:
        self._wishes[wish.id] = wish
        self.orders[order.child.id] = order

    def _holdings(self, account: str, strategy: str, symbol: str) -> tuple[Holding, Holding]:
        by_account, by_strategy = self._accounts.get((account, symbol)), self._strategies.get((strategy, symbol))
        if by_account is None:
            by_account = self._accounts[account, symbol] = Holding()
        if by_strategy is None:
            by_strategy = self._strategies[strategy, symbol] = Holding()
        return by_account, by_strategy

    def _positions(self, holdings: dict[tuple[str, str], Holding]) -> dict[tuple[str, str], Position]:
        return {key: holding.position(self._value(key[1])) for key, holding in holdings.items() if not holding.empty}

    def _value(self, symbol: str) -> float:
        if symbol not in self._values:
            raise BadInput(f"symbol {symbol!r}: expected an instrument that says what a tick is worth; `know` takes one")
        return self._values[symbol]


_NOTHING: Final = Holding()
_OTHERWISE: Final = frozenset((Happening.REPLACED, Happening.REPLACE_REJECTED, Happening.STATUS))


def _waits(order: Order) -> bool:
    return order.before is not None and not order.confirmed and not orders.final(order.state)
