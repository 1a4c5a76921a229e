"""Executions and the last word on each: a fill, its busts and corrections, and theirs, in whatever order they came."""

from math import isfinite
from typing import Final

from tercet.errors import BadInput
from tercet.messages import Child, Happening, OrderState, Report

FACTS: Final = ("order", "happening", "time", "symbol", "account", "side", "lots", "price", "fee", "refers_to", "left", "replaces", "state")
FILLED: Final = Happening.FILLED
STATUS: Final = Happening.STATUS
AMENDS: Final = frozenset((Happening.BUSTED, Happening.CORRECTED))
EXECUTIONS: Final = AMENDS | {FILLED}
OURS: Final = frozenset((Happening.CANCEL_ASKED, Happening.REPLACE_ASKED, Happening.TIMED_OUT))


class Executions:
    """Every report by its exec_id, and what refers to each."""

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.amends: dict[str, list[Report]] = {}  # busts and corrections, by the exec_id that they refer to

    def take(self, report: Report) -> None:
        """Keep a report."""
        self.reports[report.exec_id] = report
        if report.happening in AMENDS and report.refers_to is not None:
            self.amends.setdefault(report.refers_to, []).append(report)

    def top(self, exec_id: str) -> str:
        """The fill that an execution is about, as far as is known: it may not have come yet."""
        while (report := self.reports.get(exec_id)) is not None and report.refers_to is not None and report.happening in AMENDS:
            exec_id = report.refers_to
        return exec_id

    def last(self, top: str) -> Report:
        """The last word on a fill: what no other refers to, and the latest (time, exec_id) of those."""
        words, waiting = [], [top]
        while waiting:
            exec_id = waiting.pop()
            amends = self.amends.get(exec_id, [])
            waiting += [amend.exec_id for amend in amends]
            if not amends:
                words.append(self.reports[exec_id])
        return max(words, key=lambda word: (word.time, word.exec_id))

    def joined(self, report: Report) -> set[str]:
        """The fills, as known so far, that a new report is about: it may show that two are one."""
        return {self.top(report.refers_to), report.exec_id} if report.refers_to and report.happening in AMENDS else {report.exec_id}

    def check(self, report: Report, child: Child | None) -> None:
        """BadInput where a report that did not come before cannot be used."""
        problem = trade_problem(report, child) if report.happening in EXECUTIONS else _problem(report)
        if problem is None and report.happening in AMENDS and self.top(str(report.refers_to)) == report.exec_id:
            problem = "expected a reference to another execution, found one that comes back to itself"
        if problem is not None:
            raise BadInput(f"report {report.exec_id!r} on order {report.order}: {problem}")


def check_same(first: Report, report: Report) -> None:
    """A drop copy may know no strategy and say other words; all else of the same report is the same."""
    if first != report and any(getattr(first, name) != getattr(report, name) for name in FACTS):
        raise BadInput(f"report {report.exec_id!r} came twice: expected {first} again, found {report}")


def _problem(report: Report) -> str | None:
    happening = report.happening
    if not report.exec_id:
        return "expected an exec_id, found none"
    if happening is STATUS and report.state in (None, OrderState.UNKNOWN):
        return f"expected a status that says where the order stands, found {report.state}"
    if happening in OURS:
        return f"expected what a venue reports, found {happening}"
    return None


def trade_problem(report: Report, child: Child | None) -> str | None:
    """What is wrong with an execution of the order that `child` is, where that is known; None where nothing is."""
    if not report.exec_id:
        return "expected an exec_id, found none"
    amends = report.happening is not FILLED
    if report.side not in (1, -1):
        return f"expected side 1 or -1, found {report.side}"
    if report.lots < 0 or (report.lots == 0 and not amends):
        return f"expected lots of 1 or more, found {report.lots}"
    if not isfinite(report.price + report.fee):
        return f"expected a price and a fee, found {report.price} and {report.fee}"
    if amends and not report.refers_to:
        return "expected the exec_id that it refers to, found none"
    if child is None:
        return None
    if report.symbol != child.symbol or report.account != child.account or report.side != child.side:
        mine = f"{child.symbol}, account {child.account}, side {child.side}"
        return f"expected {mine} as the order has it, found {report.symbol}, account {report.account}, side {report.side}"
    return None
