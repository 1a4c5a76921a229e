"""What a report can mean: what none can say, and what does not fit the orders that it is about.

What none can say is not counted. What has been traded is, although it should not have been; both block the symbol until somebody has
compared positions, and alert people.
"""

import math
from typing import Final

import msgspec

from tercet.market.instruments import LARGEST_SIZE, LARGEST_TICK
from tercet.messages import Child, Happening, Report
from tercet.orders.executions import AMENDS, EXECUTIONS

LATEST: Final = 2**62  # ns
PRICED: Final = (Happening.FILLED, Happening.CORRECTED)
ONCE: Final = EXECUTIONS | {Happening.REPLACED, Happening.REPLACE_REJECTED}  # what changes more each time it is counted
CLOSE: Final = 1e-9  # ticks by which a float may be off


class Line(msgspec.Struct, gc=False):
    """The orders that replace one another: the most that any of them asked for, and what was traded of them all."""

    lots: int
    tick: int  # the worst limit; 0: one of them had none
    executed: int = 0  # of every fill ever reported

    def extend(self, side: int, lots: int, tick: int | None) -> None:
        """One more of them."""
        worst = max if side > 0 else min
        self.lots = max(self.lots, lots)
        self.tick = worst(self.tick, tick) if self.tick and tick else 0


def senseless(report: Report) -> str:
    """What no report can mean, in a sentence; empty where it makes sense."""
    if not report.exec_id and report.happening in ONCE:
        return "exec_id was empty; expected one, by which it counts once"
    if not (math.isfinite(report.price) and math.isfinite(report.fee)):
        return f"price was {report.price} and fee {report.fee}; expected numbers"
    if type(report.lots) is not int or not 0 <= report.lots <= LARGEST_SIZE or report.side not in (1, -1):
        return f"lots were {report.lots} and side {report.side}; expected a whole number, and 1 or -1"
    if type(report.time) is not int or not 0 <= report.time <= LATEST:
        return f"time was {report.time}; expected whole ns since the epoch"
    if report.happening == Happening.FILLED and report.lots == 0:
        return "lots were 0; expected 1 or more"
    if report.happening in PRICED and report.lots and not 0 < report.price <= LARGEST_TICK:
        return f"price was {report.price}; expected one above 0, and {LARGEST_TICK} ticks at most"
    if report.happening in AMENDS and not report.refers_to:
        return "refers to no execution; expected its exec_id"
    return ""


def misattributed(report: Report, owner: Child) -> str:
    """What of an execution is not its order's, in a sentence; empty where all is."""
    if report.account != owner.account:
        return f"account was {report.account!r}; expected its order's, {owner.account!r}"
    if report.happening == Happening.FILLED and (owner.side, owner.symbol) != (report.side, report.symbol):
        return f"side was {report.side} of {report.symbol}; expected its order's, {owner.side} of {owner.symbol}"
    return ""


def excess(report: Report, line: Line | None) -> str:
    """What was traded and should not have been, in a sentence; empty where nothing. `line` has the execution in it already."""
    if report.happening not in EXECUTIONS:
        return ""
    if line is None:
        return f"{report.lots} lots traded on order {report.order}; expected one that was sent from here"
    traded = line.executed if report.happening == Happening.FILLED else report.lots
    if traded > line.lots:
        return f"{traded} lots traded on order {report.order}; expected {line.lots} at most"
    if report.happening in PRICED and report.lots and line.tick and report.side * (report.price - line.tick) > CLOSE:
        return f"price was {report.price:g} on order {report.order}; expected no worse than its limit, {line.tick}"
    return ""
