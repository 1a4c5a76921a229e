"""A policy whose children pass the gate's controls inside a backtest: the same controls, one strategy, one instrument.

What the gate knows of the market and of us is what the policy sees. The completion that ends a parent is the simulator's account of what is
left and passes no gate.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.execution.policy import DECIDE, Policy
from tercet.intrinsics import address_of
from tercet.market.events import BUY, SELL
from tercet.orders.checks import RULES
from tercet.orders.firm import Firm
from tercet.orders.gating import BOX, LAST, gate_decide
from tercet.orders.limits import Limits
from tercet.orders.tightening import AT


@dataclass(frozen=True)
class Gated(Policy):
    """A policy behind a gate: each thread has its own, which begins anew with each parent."""

    fresh: Any = field(default=None, compare=False)  # a BOX, (1,), as it is at a parent's start
    boxes: dict[int, NDArray[np.void]] = field(default_factory=dict, compare=False)  # by thread

    def new_pad(self) -> Any:
        """The policy's pad, and a gate that has heard nothing."""
        pad = super().new_pad()
        box = self.boxes.setdefault(threading.get_ident(), self.fresh.copy())
        counted = box["refused"].copy(), box["passed"].copy()
        box[:] = self.fresh
        box["refused"], box["passed"] = counted
        pad.settings[LAST] = float(box.ctypes.data)
        return pad

    @property
    def refused(self) -> dict[str, int]:
        """Children that were refused so far, by control."""
        total = sum((box["refused"][0] for box in self.boxes.values()), np.zeros(len(RULES), np.int64))
        return {RULES[rule]: int(count) for rule, count in enumerate(total) if count}

    @property
    def silenced(self) -> bool:
        """Whether the gate refused all that the policy asked for, so that only the completion traded."""
        return bool(self.refused) and not any(int(box["passed"][0]) for box in self.boxes.values())


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
    box["accounts"]["credit"] = box["accounts"]["capital"] = np.inf  # a client's limits are of its day, not of a parent
    box["bare_scopes"], box["bare_symbols"], box["shares"] = box["scopes"], box["symbols"], AT
    box["inner"] = address_of(inner.decide, DECIDE)
    box["may_buy"], box["may_sell"] = BUY in terms.sides, SELL in terms.sides
    origin = (gated, (inner, limits, strategy, symbol))
    return Gated(inner.name, gate_decide, inner.settings, inner.step_ns, inner.posture, inner.seen, origin, fresh)
