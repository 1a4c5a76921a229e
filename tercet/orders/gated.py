"""A policy whose children pass the gate's controls inside a backtest's compiled loop: the same controls, one strategy, one instrument.

What the gate knows of the market and of us is what the policy sees: VIEW. A seller's parent holds at its start what it is to sell, and the
volume just before it counts for the window of participation. Fills are valued at the mid at which they are first seen. The completion that
ends a parent is the simulator's account of what is left and passes no gate.
"""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.book.records import CANCEL_OWN, FREE, REPLACE_OWN
from tercet.book.state import IOC, MARKET
from tercet.compiled import compiled
from tercet.errors import BadInput
from tercet.execution.policy import DECIDE, SETTINGS, Policy, policy
from tercet.execution.working import allowance
from tercet.intrinsics import address_of, array_at, function_at
from tercet.market.events import BUY
from tercet.orders.checks import BUCKETS, CELL, OPEN, ORDER, RESTING, RULES, SCOPE, SYMBOL, VERDICT, WINDOWS
from tercet.orders.exposure import count_message, recount, take, trade_volume
from tercet.orders.firm import Firm
from tercet.orders.judge import judge
from tercet.orders.limits import Limits

OWN_PLACES: Final = 16
LAST: Final = SETTINGS - 1
BOX: Final = np.dtype(
    [
        ("inner", np.int64),  # the address of the policy's decide
        ("scopes", SCOPE, 3),  # strategy, desk, firm
        ("symbols", SYMBOL, (1,)),
        ("cells", CELL, (1, 1)),
        ("resting", RESTING, OWN_PLACES + 8),
        ("windows", WINDOWS, (1,)),
        ("orders", ORDER, (1,)),
        ("verdicts", VERDICT, (1,)),
        ("filled", np.int64),  # when last seen
        ("market_lots", np.int64),
        ("refused", np.int64, len(RULES)),  # children, by control; counted over all runs
    ],
    align=True,
)
decide_at: Any = function_at(DECIDE)


@compiled
def see(box, view):
    """Bring the gate's records to what a VIEW shows."""
    symbol, cell, scopes = box.symbols[0], box.cells[0, 0], box.scopes
    symbol.bid, symbol.ask, symbol.marked, symbol.phase = view.bid, view.ask, view.now, OPEN
    if 0 < view.bid < view.ask:
        symbol.reference = view.mid
    before = view.lots if view.side != BUY else 0
    width = max(1, box.windows[0].volume // BUCKETS)
    if view.now == view.start:
        trade_volume(box.symbols, 0, view.now, width, 0, view.volume)
        cell.cash = -before * symbol.reference * symbol.money
    fresh = view.filled - box.filled
    cell.cash -= view.side * fresh * symbol.reference * symbol.money
    trade_volume(box.symbols, 0, view.now, width, fresh, view.market_lots - box.market_lots + fresh)
    box.filled, box.market_lots = view.filled, view.market_lots
    cell.position = before + view.side * view.filled
    symbol.position = cell.position
    cell.open_buy = view.open if view.side == BUY else 0
    cell.open_sell = view.open - cell.open_buy
    symbol.open_buy, symbol.open_sell = cell.open_buy, cell.open_sell
    orders, value = 0.0, 0.0
    for i in range(OWN_PLACES):
        own, row = view.own[i], box.resting[i]
        row.lots = own.lots if own.state != FREE else 0
        row.tick, row.side, row.symbol, row.strategy = own.tick, view.side, 0, 0
        row.value = row.lots * own.tick * symbol.money
        orders += 1.0 if row.lots > 0 else 0.0
        value += row.value
    for i in range(OWN_PLACES, len(box.resting)):
        box.resting[i].lots = 0
    for i in range(len(scopes)):
        scopes[i].orders, scopes[i].value, scopes[i].heartbeat = orders, value, view.now
    recount(scopes, cell, symbol, 0)


@compiled
def passes(box, view, child):
    """Whether a child may be sent; a market order becomes IOC at its band. What may is reserved."""
    if child.verb == CANCEL_OWN:
        count_message(box.scopes, 0, view.now)
        return True
    symbol, order = box.symbols[0], box.orders[0]
    lots, order.replaces, place = min(child.lots, allowance(view)), -1, OWN_PLACES
    if child.verb == REPLACE_OWN:
        for i in range(OWN_PLACES):
            if view.own[i].state != FREE and view.own[i].handle == child.handle:
                lots, order.replaces = child.lots - view.own[i].filled, i
    if lots <= 0:
        return True  # the parent's terms will drop it
    if child.kind == MARKET and child.verb != REPLACE_OWN:
        child.kind = IOC
        child.tick = int(view.mid * (1.0 + view.side * symbol.collar) + (0.0 if view.side == BUY else 1.0))
    order.now, order.side, order.lots, order.tick = view.now, view.side, lots, child.tick
    rule = judge(box.scopes, box.symbols, box.cells, box.resting, len(box.resting), box.windows[0], order, box.verdicts[0])
    if rule != 0:
        box.refused[rule] += 1
        return False
    count_message(box.scopes, 0, view.now)
    while place < len(box.resting) - 1 and box.resting[place].lots > 0:
        place += 1
    take(box.scopes, box.symbols, box.cells, box.resting, place, order)
    return True


def decide_gated(view, pad):
    """What the inner policy wants, as far as the gate lets it."""
    box = array_at(int(pad.settings[LAST]), 1, BOX)[0]
    count = decide_at(box.inner)(view, pad)
    see(box, view)
    kept = 0
    for i in range(count):
        if passes(box, view, pad.children[i]):
            pad.children[kept] = pad.children[i]
            kept += 1
    return kept


gate_decide = policy(decide_gated)


@dataclass(frozen=True)
class Gated(Policy):
    """A policy behind a gate: each thread has its own, which begins anew with each parent."""

    fresh: Any = field(default=None, compare=False)  # a BOX, (1,), as it is at a parent's start
    boxes: dict[int, NDArray[np.void]] = field(default_factory=dict, compare=False)  # by thread

    def new_pad(self) -> Any:
        """The policy's pad, and a gate that has heard nothing."""
        pad = super().new_pad()
        box = self.boxes.setdefault(threading.get_ident(), self.fresh.copy())
        refused = box["refused"].copy()
        box[:] = self.fresh
        box["refused"] = refused
        pad.settings[LAST] = float(box.ctypes.data)
        return pad

    @property
    def refused(self) -> dict[str, int]:
        """Children that were refused so far, by control."""
        total = sum((box["refused"][0] for box in self.boxes.values()), np.zeros(len(RULES), np.int64))
        return {RULES[rule]: int(count) for rule, count in enumerate(total) if count}


def gated(inner: Policy, limits: Limits, strategy: str, symbol: str) -> Gated:
    """A policy whose children pass those limits as that strategy's in that instrument; BadInput where there is no such limit."""
    if strategy not in limits.strategy or symbol not in limits.strategy[strategy].symbols:
        known = ", ".join(f"{name} ({' '.join(one.symbols)})" for name, one in limits.strategy.items())
        raise BadInput(f"limits have no {symbol} of strategy {strategy!r}; expected one of {known}")
    if len(inner.settings) > LAST:
        raise BadInput(f"policy {inner.name} has {len(inner.settings)} settings; expected {LAST} at most behind a gate")
    firm, terms = Firm(limits), limits.strategy[strategy]
    fresh = np.zeros(1, BOX)
    box = fresh[0]
    places = firm.strategies[strategy], firm.desks[terms.desk], firm.firm
    for row, place in enumerate(places):
        box["scopes"][row] = firm.scopes[place]
    box["scopes"]["above"] = 1, 2, -1
    box["symbols"][0], box["windows"][0] = firm.instruments[firm.symbols[symbol]], firm.windows[0]
    order = box["orders"][0]
    for name, value in (("allowed", 1), ("may_short", int(terms.short)), ("parent_left", np.inf), ("parent_end", 2**62)):
        order[name] = value
    box["inner"] = address_of(inner.decide, DECIDE)
    return Gated(inner.name, gate_decide, inner.settings, inner.step_ns, fresh)
