"""What is open and what was filled, as the gate counts it: orders by every id that they have had, replacements that wait, parents.

Exposure errs high: until a venue has answered for a replacement, both could trade, and the one where the other has ended; a status that
says FILLED frees nothing before the fills have come; what fills late, under an old id or after its correction counts for the strategy that
asked for it; what a bust takes back has moved the price and the volume all the same.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from tercet.messages import Cancel, Child, Happening, OrderState, Replace, Report
from tercet.orders import exposure
from tercet.orders.clock import ALWAYS, NEVER
from tercet.orders.executions import AMENDS, EXECUTIONS, Executions
from tercet.orders.firm import FOREIGN, Firm
from tercet.orders.reports import Line, excess, misattributed, senseless

SAME: Final = ("order", "side", "lots", "price", "happening")  # in a report of an execution that comes again
ENDS: Final = (Happening.CANCELED, Happening.REJECTED, Happening.EXPIRED, Happening.DONE_FOR_DAY)
ENDED: Final = (OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED, OrderState.DONE_FOR_DAY)


class Parent(msgspec.Struct):
    """A parent's terms, and what of it nobody has asked for."""

    lots: int
    left: int
    bound: int = 0  # ticks; 0: none
    start: int = -ALWAYS
    end: int = ALWAYS
    strategy: str | None = None  # its children's, where it is known, and so on
    symbol: str | None = None
    side: int | None = None


class Execution(msgspec.Struct, frozen=True):
    """A trade as it stands in position and cash."""

    strategy: str
    symbol: str
    side: int
    lots: int
    price: float
    fee: float
    account: str
    day: int  # when the day of losses ends in which it was counted


class Kept(msgspec.Struct):
    """A trade as own volume and the price's drift keep it."""

    symbol: str
    side: int
    number: int  # among the fills of that side
    lots: int  # the most that it was ever said to be


class Books:
    """Times are ns since the epoch, prices ticks."""

    def __init__(self, firm: Firm, alert: Callable[[str, str, str, int], None]) -> None:
        """Nothing open. `alert(rule, scope, text, time)` tells people."""
        self.firm, self.alert = firm, alert
        self.open: dict[str, Child] = {}  # by present id
        self.rows: dict[str, int] = {}
        self.filled: dict[str, int] = {}  # after busts and corrections
        self.executed: dict[str, int] = {}  # of every fill ever reported
        self.owners: dict[str, Child] = {}  # every order that there ever was, by each of its ids
        self.lines: dict[str, Line] = {}  # by each id of theirs, of those that were traded or replaced
        self.replaces: dict[str, Replace] = {}  # asked for and not answered, by its own id
        self.parents: dict[str, Parent] = {}
        self.wanted: dict[str, int] = {}  # lots that children have asked for, by their parent's id, known or not yet
        self.cancels: dict[str, str] = {}  # id of a cancel -> the order's
        self._later: dict[str, str] = {}  # id -> the id that has replaced it
        self._answers: set[str] = set()  # exec_ids of reports on replacements
        self._over: set[str] = set()  # ids of orders and replacements that have ended while the other one may be working
        self._executions = Executions()
        self._booked: dict[str, Execution] = {}  # what counts, by the exec_id of the fill
        self._kept: dict[str, Kept] = {}  # by the exec_id of the fill
        self._unknown: dict[str, str] = {}  # order -> symbol

    def place(self, message: Child | Replace, sent: Child) -> None:
        """A message is on its way; `sent` is what will work in the market. Its exposure is reserved already."""
        if isinstance(message, Replace):
            line = self._line(message.target)
            if line is not None:
                line.extend(sent.side, message.lots, sent.tick)
                self.lines[message.id] = line
            self.owners[message.id] = sent
            self.replaces[message.id] = message
            self._ask(sent.parent, self._more(message))
            return
        self.remember(sent)
        self.rows[sent.id], self.open[sent.id] = self.firm.take_row(), sent
        self.filled[sent.id] = self.executed[sent.id] = 0
        if sent.parent is not None:
            self._ask(sent.parent, sent.lots)

    def remember(self, child: Child) -> None:
        """An order of ours: what is traded on its id is expected."""
        self.owners[child.id] = child

    def _line(self, id: str) -> Line | None:
        """What was asked and traded of an order of ours and its replacements; made when it is first needed: few orders trade."""
        line, child = self.lines.get(id), self.owners.get(id)
        if line is None and child is not None:
            line = self.lines[id] = Line(child.lots, child.tick or 0)
        return line

    def cancelling(self, cancel: Cancel) -> None:
        """A cancel is on its way, by whose id the venue may answer; a cancel under an id that is another's says nothing about that one."""
        if self.cancels.setdefault(cancel.id, cancel.target) != cancel.target or cancel.id in self.owners:
            self.alert("duplicates", f"order.{cancel.target}", f"cancel of {cancel.target} has the used id {cancel.id}", cancel.time)

    def replacing(self, target: str) -> Replace | None:
        """The replacement of an order that the venue has not answered for."""
        return next((asked for asked in self.replaces.values() if asked.target == target), None)

    def _more(self, asked: Replace) -> int:
        return max(asked.lots - self.open[asked.target].lots, 0)

    def _ask(self, parent: str | None, lots: int) -> None:
        if parent is not None:
            self.wanted[parent] = self.wanted.get(parent, 0) + lots
        if parent in self.parents:
            self.parents[parent].left -= lots

    # What comes back ------------------------------------------------------------------------------------------------------------------

    def hear(self, report: Report) -> None:
        """Count a report once. What none of ours asked for counts as the firm's."""
        if report.symbol not in self.firm.symbols:
            self.alert("reconciliation", f"symbol.{report.symbol}", f"a report of {report.symbol!r}, which has no limits", report.time)
            return
        if fault := senseless(report) or self._contradiction(report):
            self._block(report, fault)
            return
        order = self._present(report.order)
        if report.happening in EXECUTIONS:
            self._execution(report, order)
        elif report.happening == Happening.REPLACE_REJECTED or (report.happening == Happening.REJECTED and report.order in self.replaces):
            if self._new(report):
                self._stay(order, self.firm.window_time(report.time))
        elif report.happening in ENDS or (report.happening == Happening.STATUS and report.state in ENDED):
            self._end(order, self._meant(report.order), self.firm.window_time(report.time))
        elif report.happening == Happening.REPLACED and self._new(report):
            self._replaced(report)
        if report.happening == Happening.REJECTED and (sent := self._owner(report.order)):
            exposure.count_reject(self.firm.scopes, self._place(sent.strategy), self.firm.window_time(report.time))
        self._settle(report)

    def _place(self, strategy: str) -> int:
        return self.firm.strategies.get(strategy, self.firm.strategies[FOREIGN])

    def _block(self, report: Report, fault: str) -> None:
        """What has come of the symbol is not what we think: nothing new goes until positions were compared."""
        self.firm.instruments[self.firm.symbols[report.symbol]]["unequal"] = 1
        self.alert("reconciliation", f"symbol.{report.symbol}", f"report {report.exec_id}: {fault}", report.time)

    def _contradiction(self, report: Report) -> str:
        if report.happening not in EXECUTIONS:
            return ""
        first, owner = self._executions.reports.get(report.exec_id), self._owner(report.order)
        if first is not None and any(getattr(first, name) != getattr(report, name) for name in SAME):
            return f"came twice, as {first.lots} lots at {first.price} and as {report.lots} at {report.price}; expected the same"
        if owner is not None and (fault := misattributed(report, owner)):
            return fault
        round = report.happening in AMENDS and self._executions.top(str(report.refers_to)) == report.exec_id
        return "refers to itself in the end; expected another execution" if round else ""

    def _meant(self, id: str) -> str:
        """The order's id of its own, or of a cancel's."""
        return id if id in self.owners else self.cancels.get(id, id)

    def _owner(self, order: str) -> Child | None:
        """What was sent under an id, or under that of what it cancels."""
        return self.owners.get(self._meant(order))

    def _present(self, order: str) -> str:
        """The id by which an order of any id, or of a cancel's, is open."""
        order = self._meant(order)
        if order in self.replaces:
            return self.replaces[order].target
        while order not in self.open and order in self._later:
            order = self._later[order]
        return order

    def _execution(self, report: Report, order: str) -> None:
        known = self._executions
        if report.exec_id in known.reports:
            return
        fill, tops = report.happening == Happening.FILLED, sorted(known.joined(report))
        before = [self._booked.pop(top) for top in tops if top in self._booked]
        profit = [self._profit(execution) for execution in before]
        for execution in before:
            self._book(execution, -1)
        known.take(report)
        top = known.top(report.exec_id)
        last, counted = known.last(top), 0
        if last.happening != Happening.BUSTED:
            owner, counted = self._owner(known.reports.get(top, last).order), last.lots
            strategy = owner.strategy if owner else last.strategy
            named = strategy if strategy in self.firm.strategies else FOREIGN
            self._booked[top] = Execution(named, last.symbol, last.side, last.lots, last.price, last.fee, last.account, self.firm.day_ends)
            self._book(self._booked[top], 1)
        for execution, was in zip(before, profit, strict=True):
            self._settle_price(execution, was)
        if fill:
            asker = self._owner(report.order)
            place = self._place(asker.strategy if asker else report.strategy)
            exposure.count_trade(self.firm.scopes, place, report.lots, self.firm.window_time(report.time))
        if kept := self._keep([self._kept.pop(one) for one in tops if one in self._kept], last, report):
            self._kept[top] = kept
        more = counted - sum(execution.lots for execution in before)
        if order in self.open:
            resting = self.firm.resting[self.rows[order]]
            self.filled[order] += more
            if fill:  # a stop that has filled waits no longer
                self.executed[order] += report.lots
                resting["stop"] = 0
            self._fit(order, int(resting["tick"]), self.firm.window_time(report.time))
        elif sent := self._owner(report.order):  # it had given back to its parent what it had not filled
            self._ask(sent.parent, more)
        line = self._line(self._meant(report.order))
        if line is not None and fill:
            line.executed += report.lots
        if fault := excess(report, line):
            self._block(report, fault)

    def _profit(self, execution: Execution) -> float:
        firm = self.firm
        return float(firm.cells[firm.strategies[execution.strategy], firm.symbols[execution.symbol]]["profit"])

    def _settle_price(self, undone: Execution, was: float) -> None:
        """What is held is worth no price of a print that is gone, and what an earlier day has lost by one is not won back today."""
        firm = self.firm
        rest = (one.price for one in reversed(self._booked.values()) if one.symbol == undone.symbol)
        firm.value_by_fills(undone.symbol, next(rest, 0.0))
        if undone.day not in (NEVER, firm.day_ends) and (gain := self._profit(undone) - was) > 0.0:
            places = firm.strategies[undone.strategy], firm.symbols[undone.symbol]
            exposure.earn(firm.scopes, firm.instruments, firm.cells, *places, -gain)

    def _keep(self, before: list[Kept], last: Report, report: Report) -> Kept | None:
        """Count what a trade has done to price and volume: a bust takes nothing of it back, a correction puts other terms in its place."""
        symbols, places = self.firm.instruments, self.firm.symbols
        stands = last.happening != Happening.BUSTED and last.lots > 0
        terms, kept, most = last if stands else report, before[0] if before else None, sum(one.lots for one in before)
        if terms.happening != Happening.BUSTED and terms.lots > 0:  # a bust need not tell lots and price
            place, side, lots, price = places[terms.symbol], terms.side, terms.lots, terms.price
            if kept is not None and (kept.symbol, kept.side) == (terms.symbol, side):
                exposure.amend(symbols, place, side, kept.number, lots, price)
            else:
                kept = Kept(terms.symbol, side, exposure.remember(symbols, place, side, lots, price, self.firm.window_time(report.time)), 0)
            largest = max(lots, report.lots if report.happening != Happening.BUSTED else 0)
            if largest > most:
                self.firm.traded(terms.symbol, 0, self.firm.window_time(report.time), largest - most)
                most = largest
        if kept is None:
            return None
        for one in (*before, kept):
            if one is not kept or not stands:
                exposure.bust(symbols, places[one.symbol], one.side, one.number)
        kept.lots = most
        return kept

    def _fit(self, order: str, tick: int, now: int) -> None:
        """Reserve what may still trade of an order: what is busted before its end may come back."""
        child, row, firm, asked = self.open[order], self.rows[order], self.firm, self.replacing(order)
        both = {order: child.lots} | ({asked.id: asked.lots} if asked else {})
        most = max((lots for id, lots in both.items() if id not in self._over), default=0)
        if self.executed[order] < most:
            more = max(most - self.filled[order], 0) - int(firm.resting[row]["lots"])
            exposure.extend(firm.scopes, firm.instruments, firm.cells, firm.resting, row, more, tick)
            return
        firm.release(row)
        self._ask(child.parent, self.filled[order] - max(both.values()))
        self._drop(order)
        if child.strategy in firm.strategies:
            firm.filled_whole(child.strategy, now)

    def _book(self, execution: Execution, sign: int) -> None:
        firm = self.firm
        places = firm.strategies[execution.strategy], firm.symbols[execution.symbol]
        traded = firm.limits.instrument.get(execution.symbol)
        fee = execution.fee * (traded.fx if traded else 1.0)
        terms = execution.side, sign * execution.lots, execution.price, sign * fee
        exposure.execute(firm.scopes, firm.instruments, firm.cells, *places, *terms)
        client = firm.clients[firm.accounts.get(execution.account, 0)]
        client["bought" if execution.side > 0 else "sold"] += sign * execution.lots * execution.price * firm.instruments[places[1]]["money"]

    def _end(self, order: str, id: str, now: int) -> None:
        """An order has ended, or under its own `id` the replacement that waits: without the venue's answer the other one may be working."""
        if order not in self.rows:
            return
        asked = self.replacing(order)
        if asked is not None:
            self._over.add(asked.id if id == asked.id else order)
            if not {order, asked.id} <= self._over:
                self._fit(order, int(self.firm.resting[self.rows[order]]["tick"]), now)
                return
        self.firm.release(self.rows[order])
        child = self.open[order]
        more = self._more(asked) if asked else 0
        self._ask(child.parent, -(child.lots + more - self.filled[order]))
        if asked is not None:
            del self.replaces[asked.id]
        self._drop(order)

    def _drop(self, order: str) -> None:
        del self.rows[order], self.open[order]

    def _new(self, report: Report) -> bool:
        """Whether a report on a replacement comes for the first time: again, it would be taken for the answer to the next one."""
        known = report.exec_id in self._answers
        self._answers |= {report.exec_id} - {""}
        return not known

    def _replaced(self, report: Report) -> None:
        """The venue works the replacement alone."""
        asked = self.replaces.get(report.order)
        if asked is None and (report.replaces is None or report.order not in self.owners):
            asked = self.replacing(self._present(report.replaces or report.order))
        if asked is None:
            return
        order = asked.target
        del self.replaces[asked.id]
        self._later[order] = asked.id
        if order in self._unknown:
            self._unknown[asked.id] = self._unknown.pop(order)
        if order not in self.open:  # filled whole meanwhile
            return
        more = self._more(asked)
        old, row = self.open.pop(order), self.rows.pop(order)
        kept = msgspec.structs.replace(old, id=asked.id, lots=asked.lots, tick=old.tick if asked.tick is None else asked.tick)
        self._ask(old.parent, asked.lots - old.lots - more)
        self.rows[asked.id], self.open[asked.id] = row, kept
        self.filled[asked.id], self.executed[asked.id] = self.filled[order], self.executed[order]
        if asked.id in self._over:
            self._end(asked.id, asked.id, self.firm.window_time(report.time))
        else:
            self._fit(asked.id, kept.tick or 0, self.firm.window_time(report.time))

    def _stay(self, order: str, now: int) -> None:
        """The venue has refused a replacement: the order stands as it was."""
        asked = self.replacing(order)
        if asked is None:
            return
        del self.replaces[asked.id]
        if order not in self.open:  # it has filled whole meanwhile
            return
        self._ask(self.open[order].parent, -self._more(asked))
        if order in self._over:
            self._end(order, order, now)
        else:
            self._fit(order, self.open[order].tick or 0, now)

    def unsent(self, id: str, now: int) -> None:
        """An order or a replacement that never left: as if it had not been asked for."""
        if id in self.replaces:
            self._stay(self.replaces[id].target, now)
        elif id in self.open:
            self._end(id, id, now)
        self.owners.pop(id, None)
        self.lines.pop(id, None)

    # What nobody has answered for -----------------------------------------------------------------------------------------------------

    def timed_out(self, order: str, now: int) -> None:
        """Nobody has answered for an order, or for its replacement: its symbol is blocked until somebody does."""
        order = self._present(order)
        child = self.open.get(order)
        if child is not None and order not in self._unknown:
            self._unknown[order] = child.symbol
            self.firm.instruments[self.firm.symbols[child.symbol]]["unknown"] += 1
            self.alert("reconciliation", f"symbol.{child.symbol}", f"nobody has answered for order {order}", now)

    def _settle(self, report: Report) -> None:
        """Any report but a refused cancel says where an order stands."""
        silent = report.happening in (Happening.TIMED_OUT, Happening.CANCEL_REJECTED) or report.state == OrderState.UNKNOWN
        for order in {report.order, self._present(report.order)}:
            if not silent and order in self._unknown:
                self.firm.instruments[self.firm.symbols[self._unknown.pop(order)]]["unknown"] -= 1
