"""What is open and what was filled, as the gate counts it: orders by every id that they have had, replacements that wait, parents.

Exposure errs high: until a venue has answered for a replacement, both could trade; a status that says FILLED frees nothing before the fills
have come; what fills late, under an old id or after its correction counts for the strategy that asked for it.
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec

from tercet.market.instruments import LARGEST_SIZE
from tercet.messages import Child, Happening, OrderState, Replace, Report
from tercet.orders import exposure
from tercet.orders.firm import ALWAYS, FOREIGN, Firm

ENDS: Final = (Happening.CANCELED, Happening.REJECTED, Happening.EXPIRED, Happening.DONE_FOR_DAY)
ENDED: Final = (OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED, OrderState.DONE_FOR_DAY)
EXECUTIONS: Final = (Happening.FILLED, Happening.BUSTED, Happening.CORRECTED)


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


class Books:
    """Times are ns since the epoch, prices ticks."""

    def __init__(self, firm: Firm, alert: Callable[[str, str, str, int], None]) -> None:
        """Nothing open. `alert(rule, scope, text, time)` tells people."""
        self.firm, self.alert = firm, alert
        self.open: dict[str, Child] = {}  # by present id
        self.rows: dict[str, int] = {}
        self.filled: dict[str, int] = {}
        self.owners: dict[str, Child] = {}  # every order that there ever was, by each of its ids
        self.replaces: dict[str, Replace] = {}  # asked for and not answered, by its own id
        self.parents: dict[str, Parent] = {}
        self._later: dict[str, str] = {}  # id -> the id that has replaced it
        self._seen: set[str] = set()  # executions, by exec_id
        self._roots: dict[str, str] = {}  # of a bust or correction: the execution that it is about in the end
        self._booked: dict[str, Execution] = {}  # by root
        self._undone: set[str] = set()  # roots whose execution a bust or correction has replaced
        self._unknown: dict[str, str] = {}  # order -> symbol

    def place(self, message: Child | Replace, sent: Child) -> None:
        """A message is on its way; `sent` is what will work in the market. Its exposure is reserved already."""
        self.owners[message.id] = sent
        if isinstance(message, Replace):
            self.replaces[message.id] = message
            self._ask(sent.parent, self._more(message))
            return
        self.rows[sent.id], self.open[sent.id], self.filled[sent.id] = self.firm.take_row(), sent, 0
        self._ask(sent.parent, sent.lots)

    def row_of(self, message: object) -> int:
        """The row that a replacement takes the place of; -1 for what is none."""
        return self.rows[message.target] if isinstance(message, Replace) else -1

    def replacing(self, target: str) -> Replace | None:
        """The replacement of an order that the venue has not answered for."""
        return next((asked for asked in self.replaces.values() if asked.target == target), None)

    def _more(self, asked: Replace) -> int:
        return max(asked.lots - self.open[asked.target].lots, 0)

    def _ask(self, parent: str | None, lots: int) -> None:
        if parent in self.parents:
            self.parents[parent].left -= lots

    # What comes back ------------------------------------------------------------------------------------------------------------------

    def hear(self, report: Report) -> None:
        """Count a report once. What none of ours asked for counts as the firm's."""
        if report.symbol not in self.firm.symbols:
            self.alert("reconciliation", f"symbol.{report.symbol}", f"a report of {report.symbol!r}, which has no limits", report.time)
            return
        if fault := senseless(report):
            self.firm.instruments[self.firm.symbols[report.symbol]]["unequal"] = 1
            self.alert("reconciliation", f"symbol.{report.symbol}", f"report {report.exec_id}: {fault}", report.time)
            return
        order = self._present(report.order)
        if report.happening in EXECUTIONS:
            self._execution(report, order)
        elif report.happening == Happening.REPLACE_REJECTED or (report.happening == Happening.REJECTED and report.order in self.replaces):
            self._stay(order)
        elif report.happening in ENDS or (report.happening == Happening.STATUS and report.state in ENDED):
            self._end(order)
        elif report.happening == Happening.REPLACED:
            self._replaced(self._present(report.replaces or report.order))
        self._settle(report)

    def _present(self, order: str) -> str:
        """The id by which an order of any id is open."""
        if order in self.replaces:
            return self.replaces[order].target
        while order not in self.open and order in self._later:
            order = self._later[order]
        return order

    def _execution(self, report: Report, order: str) -> None:
        if report.exec_id in self._seen:
            return
        self._seen.add(report.exec_id)
        fill = report.happening == Happening.FILLED
        if fill and order in self.open:
            self._fill(order, report)
        root = report.exec_id if fill else self._roots.get(report.refers_to or "", report.refers_to or "")
        if fill and root in self._undone:
            return
        before = self._booked.pop(root, None)
        if before is not None:
            self._book(before, -1, report.time)
        if not fill:
            self._undone.add(root)
            self._roots[report.exec_id] = root
        if report.happening != Happening.BUSTED:
            owner = self.owners.get(report.order)
            strategy = before.strategy if before else owner.strategy if owner else report.strategy
            known = strategy if strategy in self.firm.strategies else FOREIGN
            self._booked[root] = Execution(known, report.symbol, report.side, report.lots, report.price, report.fee)
            self._book(self._booked[root], 1, report.time)
            self.firm.traded(report.symbol, 0, report.time, report.lots if fill else 0)

    def _fill(self, order: str, report: Report) -> None:
        self.filled[order] += report.lots
        child = self.open[order]
        if self.firm.release(self.rows[order], report.lots):
            self._drop(order)
            if child.strategy in self.firm.strategies:
                self.firm.filled_whole(child.strategy, report.time)

    def _book(self, execution: Execution, sign: int, now: int) -> None:
        firm = self.firm
        places = firm.strategies[execution.strategy], firm.symbols[execution.symbol]
        traded = firm.limits.instrument.get(execution.symbol)
        fee = execution.fee * (traded.fx if traded else 1.0)
        terms = execution.side, sign * execution.lots, execution.price, sign * fee
        exposure.execute(firm.scopes, firm.instruments, firm.cells, *places, *terms, now)

    def _end(self, order: str) -> None:
        if order not in self.rows:
            return
        self.firm.release(self.rows[order], ALWAYS)
        child = self.open[order]
        more = self._more(asked) if (asked := self.replacing(order)) else 0
        self._ask(child.parent, -(child.lots + more - self.filled[order]))
        if asked is not None:
            del self.replaces[asked.id]
        self._drop(order)

    def _drop(self, order: str) -> None:
        del self.rows[order], self.open[order]

    def _replaced(self, order: str) -> None:
        """The venue works the replacement alone."""
        asked = self.replacing(order)
        if asked is None:
            return
        more = self._more(asked)
        del self.replaces[asked.id]
        old, row, filled = self.open.pop(order), self.rows.pop(order), self.filled[order]
        kept = msgspec.structs.replace(old, id=asked.id, lots=asked.lots, tick=old.tick if asked.tick is None else asked.tick)
        self._ask(old.parent, asked.lots - old.lots - more)
        self._later[order] = asked.id
        if order in self._unknown:
            self._unknown[asked.id] = self._unknown.pop(order)
        self.rows[asked.id], self.open[asked.id], self.filled[asked.id] = row, kept, filled
        self._trim(asked.id)

    def _stay(self, order: str) -> None:
        """The venue has refused a replacement: the order stands as it was."""
        asked = self.replacing(order)
        if asked is not None:
            self._ask(self.open[order].parent, -self._more(asked))
            del self.replaces[asked.id]
            self._trim(order)

    def _trim(self, order: str) -> None:
        child, row, firm = self.open[order], self.rows[order], self.firm
        left = child.lots - self.filled[order]
        if left <= 0:
            self._end(order)
            return
        more = left - int(firm.resting[row]["lots"])
        exposure.extend(firm.scopes, firm.instruments, firm.cells, firm.resting, row, more, child.tick or 0)

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


def senseless(report: Report) -> str:
    """What no report can mean, in a sentence; empty where it makes sense."""
    if not (math.isfinite(report.price) and math.isfinite(report.fee)):
        return f"price was {report.price} and fee {report.fee}; expected numbers"
    if type(report.lots) is not int or not 0 <= report.lots <= LARGEST_SIZE or report.side not in (1, -1):
        return f"lots were {report.lots} and side {report.side}; expected a whole number, and 1 or -1"
    if report.happening in (Happening.BUSTED, Happening.CORRECTED) and not report.refers_to:
        return "refers to no execution; expected its exec_id"
    return ""
