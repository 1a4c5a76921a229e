"""The ledger: a fold of what we sent and asked and of what came back, in any legal order, each report once.

The same reports in another order make the same positions, and the same states once every wish has been answered. A report that is
refused (BadInput, Illegal) leaves the ledger as it was. `exec_id` must be unique over all venues: a gateway puts the venue before it.
"""

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from math import isfinite
from typing import Final

import msgspec

from tercet.errors import BadInput
from tercet.market.instruments import Instrument
from tercet.messages import Cancel, Child, Happening, OrderState, Replace, Report
from tercet.orders import order as orders
from tercet.orders.order import Order
from tercet.orders.position import Holding, Position, Trade

FACTS: Final = ("order", "happening", "time", "symbol", "account", "side", "lots", "price", "fee", "refers_to", "left", "replaces", "state")
AMENDS: Final = frozenset((Happening.BUSTED, Happening.CORRECTED))
OURS: Final = frozenset((Happening.CANCEL_ASKED, Happening.REPLACE_ASKED, Happening.TIMED_OUT))
EXECUTIONS: Final = AMENDS | {Happening.FILLED}


class Chain(msgspec.Struct, eq=False):
    """The orders that stand for one wish to trade, of which one can trade at a time, and the lots that they expose at worst."""

    orders: list[Order]
    side: int
    holdings: tuple[Holding, Holding]
    exposed: int = 0


class Booked(msgspec.Struct, frozen=True):
    """Where a trade is counted."""

    trade: Trade
    order: Order | None
    holdings: tuple[Holding, Holding]


class Ledger:
    """Orders, positions, cash and profit. Lots count for every symbol; money wants its Instrument."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self.orders: dict[str, Order] = {}  # by child's id, replacements too
        self.foreign: dict[str, list[Report]] = {}  # reports on orders that we never sent, by their id; their fills count
        self._values: dict[str, float] = {}
        self._chains: dict[str, Chain] = {}
        self._wishes: dict[str, Child | Cancel | Replace] = {}
        self._reports: dict[str, Report] = {}
        self._amends: dict[str, list[Report]] = {}  # busts and corrections, by the exec_id that they refer to
        self._booked: dict[str, Booked] = {}  # by the fill's exec_id
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
        order = Order(child)
        holdings = self._holdings(child.account, child.strategy, child.symbol)
        return self._enter(child, order, Chain([], child.side, holdings))

    def cancel_asked(self, cancel: Cancel) -> Order:
        """A cancel was asked for; Illegal where the order has ended."""
        order = self._target(cancel)
        if not self._again(cancel):
            self._move(order, Happening.CANCEL_ASKED)
            self._wishes[cancel.id] = cancel
            self._adopt(cancel.id, order)
        return order

    def replace_asked(self, replace: Replace) -> Order:
        """Another size or price was asked for: the order under its new id, PENDING_NEW until the venue agrees."""
        target = self._target(replace)
        if self._again(replace):
            return self.orders[replace.id]
        if replace.lots <= 0:
            raise BadInput(f"replace {replace.id}: expected 1 lot or more, found {replace.lots}")
        changes = {"id": replace.id, "lots": replace.lots, "time": replace.time, "tick": replace.tick}
        child = msgspec.structs.replace(target.child, **changes)
        self._move(target, Happening.REPLACE_ASKED)
        order = Order(child, before=target, filled=target.filled, inherited=target.filled, paid=target.paid, executed=target.executed)
        target.replacements.append(order)
        return self._enter(replace, order, self._chains[target.id])

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
        first = self._reports.get(report.exec_id)
        if first is not None:
            _check_same(first, report)
            return False
        order = self.orders.get(report.order) or self._find(report.order)
        self._check(report, order)
        if report.happening in EXECUTIONS:
            self._trade(report, order)
        else:
            self._reports[report.exec_id] = report
        if order is None:
            self.foreign.setdefault(report.order, []).append(report)
            if report.happening is Happening.REPLACED:
                self._replaced(report)
            return True
        try:
            self._hear(order, report)
        except orders.Illegal:
            del self._reports[report.exec_id]
            raise
        return True

    def _hear(self, order: Order, report: Report) -> None:
        happening, when = report.happening, (report.time, report.exec_id)
        if happening is Happening.REPLACED:
            self._replaced(report)
            self._move(order, Happening.ACCEPTED, when)
        elif happening is Happening.REPLACE_REJECTED:
            self._replace_rejected(order, when)
        elif happening is Happening.STATUS and report.state is not None:
            self._move(order, happening, when, report.state)
        else:
            self._move(order, happening, when)

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
        if now is not was and (now is OrderState.UNKNOWN or was is OrderState.UNKNOWN):
            symbol = order.child.symbol
            self._unknown[symbol] = self._unknown.get(symbol, 0) + (1 if now is OrderState.UNKNOWN else -1)
        self._expose(order)

    def _expose(self, order: Order) -> None:
        chain = self._chains[order.child.id]
        worst = order.open_lots if len(chain.orders) == 1 else max(one.open_lots for one in chain.orders)
        if worst != chain.exposed:
            for holding in chain.holdings:
                holding.expose(chain.side, worst - chain.exposed)
            chain.exposed = worst

    # Trades, as the last word on each says.

    def _trade(self, report: Report, order: Order | None) -> None:
        filled = report.happening is Happening.FILLED
        if filled and order is not None:
            orders.executed(order, report.lots)
        if filled and report.exec_id not in self._amends:
            self._reports[report.exec_id] = report
            self._book(report.exec_id, report, report)
        else:
            self._amend(report)

    def _amend(self, report: Report) -> None:
        for top in {self._top(_above(report) or report.exec_id), report.exec_id}:
            self._unbook(top)
        self._reports[report.exec_id] = report
        above = _above(report)
        if above is not None:
            self._amends.setdefault(above, []).append(report)
        self._rebook(self._top(report.exec_id))

    def _top(self, exec_id: str) -> str:
        """The fill that an execution is about, as far as it is known."""
        while (report := self._reports.get(exec_id)) is not None and (above := _above(report)) is not None:
            exec_id = above
        return exec_id

    def _last(self, top: str) -> Report:
        """The last word on a fill: what no other refers to, and the latest of those."""
        words, waiting = [], [top]
        while waiting:
            exec_id = waiting.pop()
            amends = self._amends.get(exec_id, ())
            waiting += [amend.exec_id for amend in amends]
            if not amends:
                words.append(self._reports[exec_id])
        return max(words, key=lambda word: (word.time, word.exec_id))

    def _rebook(self, top: str) -> None:
        last = self._last(top)
        if last.happening is not Happening.BUSTED:
            self._book(top, self._reports.get(top, last), last)

    def _book(self, exec_id: str, fill: Report, last: Report) -> None:
        order = self._find(fill.order)
        trade = Trade(fill.time, exec_id, last.side * last.lots, last.price, last.fee)
        holdings = self._holdings(last.account, last.strategy if order is None else order.child.strategy, last.symbol)
        for holding in holdings:
            holding.add(trade)
        self._booked[exec_id] = Booked(trade, order, holdings)
        if order is not None:
            orders.count(order, last.lots, last.price)
            if fill is not last or order.replacements:
                self._restand(order)

    def _unbook(self, exec_id: str) -> None:
        booked = self._booked.pop(exec_id, None)
        if booked is None:
            return
        for holding in booked.holdings:
            holding.drop(booked.trade)
        if booked.order is not None:
            orders.count(booked.order, -abs(booked.trade.lots), booked.trade.price)
            self._restand(booked.order)

    def _restand(self, order: Order) -> None:
        orders.restand(order)
        self._expose(order)

    # What is asked of it.

    def position(self, account: str, symbol: str) -> Position:
        """What an account holds of a symbol; BadInput where there is no instrument to say what a tick is worth."""
        return self._accounts.get((account, symbol), _NOTHING).position(self._value(symbol))

    def positions(self) -> dict[tuple[str, str], Position]:
        """Every Position, by account and symbol."""
        return {key: holding.position(self._value(key[1])) for key, holding in self._accounts.items()}

    def strategies(self) -> dict[tuple[str, str], Position]:
        """Every Position, by strategy and symbol; a trade belongs to its child's strategy, a foreign one to its report's."""
        return {key: holding.position(self._value(key[1])) for key, holding in self._strategies.items()}

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
        return [order for order in self.orders.values() if order.state is OrderState.UNKNOWN]

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

    def _enter(self, wish: Child | Replace, order: Order, chain: Chain) -> Order:
        chain.orders.append(order)
        self.orders[order.id], self._chains[order.id], self._wishes[order.id] = order, chain, wish
        self._adopt(order.id, order)
        self._expose(order)
        return order

    def _adopt(self, id: str, order: Order) -> None:
        """Reports that came before we were told of their order are its own."""
        reports = self.foreign.pop(id, [])
        orders.executed(order, sum(report.lots for report in reports if report.happening is Happening.FILLED))
        for top in {self._top(report.exec_id) for report in reports if report.happening in EXECUTIONS}:
            self._unbook(top)
            self._rebook(top)
        for report in reports:
            with suppress(orders.Illegal):  # they were taken when they came: an order must not fail to be known because of them
                self._hear(order, report)

    def _holdings(self, account: str, strategy: str, symbol: str) -> tuple[Holding, Holding]:
        by_account, by_strategy = self._accounts.get((account, symbol)), self._strategies.get((strategy, symbol))
        if by_account is None:
            by_account = self._accounts[account, symbol] = Holding()
        if by_strategy is None:
            by_strategy = self._strategies[strategy, symbol] = Holding()
        return by_account, by_strategy

    def _value(self, symbol: str) -> float:
        if symbol not in self._values:
            raise BadInput(f"symbol {symbol!r}: expected an instrument that says what a tick is worth; `know` takes one")
        return self._values[symbol]

    def _check(self, report: Report, order: Order | None) -> None:
        if problem := _problem(report, order):
            raise BadInput(f"report {report.exec_id!r} on order {report.order}: {problem}")
        if report.refers_to is not None and report.happening in AMENDS and self._top(report.refers_to) == report.exec_id:
            raise BadInput(f"report {report.exec_id!r} on order {report.order}: expected a reference to another trade, found one to itself")


_NOTHING: Final = Holding()


def _waits(order: Order) -> bool:
    return order.before is not None and not order.confirmed and not orders.final(order.state)


def _above(report: Report) -> str | None:
    return report.refers_to if report.happening in AMENDS else None


def _check_same(first: Report, report: Report) -> None:
    """A drop copy may know no strategy and say other words; all else of the same report is the same."""
    if first != report and any(getattr(first, name) != getattr(report, name) for name in FACTS):
        raise BadInput(f"report {report.exec_id!r} came twice: expected {first} again, found {report}")


def _problem(report: Report, order: Order | None) -> str | None:
    happening = report.happening
    if not report.exec_id:
        return "expected an exec_id, found none"
    if happening is Happening.STATUS and report.state in (None, OrderState.UNKNOWN):
        return f"expected a status that says where the order stands, found {report.state}"
    if happening in OURS:
        return f"expected what a venue reports, found {happening}"
    return _trade_problem(report, order) if happening in EXECUTIONS else None


def _trade_problem(report: Report, order: Order | None) -> str | None:
    amends = report.happening is not Happening.FILLED
    if report.side not in (1, -1):
        return f"expected side 1 or -1, found {report.side}"
    if report.lots < 0 or (report.lots == 0 and not amends):
        return f"expected lots of 1 or more, found {report.lots}"
    if not isfinite(report.price) or not isfinite(report.fee):
        return f"expected a price and a fee, found {report.price} and {report.fee}"
    if amends and not report.refers_to:
        return "expected the exec_id that it refers to, found none"
    if order is None:
        return None
    child = order.child
    if report.symbol != child.symbol or report.account != child.account or report.side != child.side:
        mine = f"{child.symbol}, account {child.account}, side {child.side}"
        return f"expected {mine} as the order has it, found {report.symbol}, account {report.account}, side {report.side}"
    return None
