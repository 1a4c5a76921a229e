"""The gate: what stands between everybody and the wire. It approves or refuses, reserves what it approves, and knows no model.

It fails closed: what it cannot read, does not know or finds without a price is refused, and where a control raises, so is the order.
Cancels always pass. The controls are in `checks`; here messages become rows for them, and reports and people change what stands there.
"""

import math
import struct
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from tercet.errors import BadInput
from tercet.market.instruments import LARGEST_SIZE, LARGEST_TICK
from tercet.messages import GATE_STAMP, Alert, Approved, Cancel, Child, Happening, Kind, Lifetime, OrderState, Refused, Replace, Report
from tercet.orders import checks, exposure
from tercet.orders.checks import BROKEN, CONFORMITY, ORDER, PERMISSION, RULES, VERDICT
from tercet.orders.firm import ALWAYS, FOREIGN, NS, Firm
from tercet.orders.judge import admit
from tercet.orders.limits import Limits

KINDS: Final = {Kind.LIMIT: checks.LIMIT, Kind.MARKET: checks.MARKET, Kind.STOP: checks.STOP, Kind.STOP_LIMIT: checks.STOP_LIMIT}
ENDS: Final = (Happening.CANCELED, Happening.REJECTED, Happening.EXPIRED, Happening.DONE_FOR_DAY)
LAYOUT: Final = struct.Struct("=" + "".join("d" if ORDER[name].kind == "f" else "q" for name in ORDER.names or ()))
FINAL: Final = (OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED, OrderState.DONE_FOR_DAY)
LONGEST_OVERRIDE: Final = 3600 * NS

Message = Child | Replace | Cancel
Placed = tuple[int, int, float, float]  # of a parent: lots, price bound (0: none), start, end


class Gate:
    """All controls of a firm. Times are ns since the epoch, prices ticks."""

    def __init__(self, limits: Limits, tell: Callable[[Any], None] = lambda said: None) -> None:
        """`tell` hears each Approved, Refused and Alert as it comes about, to journal it and to wake people."""
        self.firm, self.tell = Firm(limits), tell
        self.open: dict[str, Child] = {}  # what is approved and has not ended, by its present id
        self._rows: dict[str, int] = {}
        self._ids: set[str] = set()
        self._replaces: dict[str, Replace] = {}  # asked for and not answered
        self._filled: dict[str, int] = {}
        self._left: dict[str, float] = {}  # of parents: what nobody has asked for
        self._parents: dict[str, Placed] = {}
        self._models: dict[str, tuple[float, float, int]] = {}  # distance, action, when
        self._of_model: dict[str, str] = {}  # strategy -> model
        self._executions: dict[str, tuple[str, str, int, int, float, float]] = {}
        self._unknown: dict[str, str] = {}
        self.overrides: dict[str, tuple[int, str, int]] = {}
        self.arming: dict[str, str] = {}
        self.alerted: set[tuple[str, str]] = set()  # (scope, rule) that people know of
        self.admit = admit
        self._order, self._verdict = np.zeros(1, ORDER), np.zeros(1, VERDICT)
        self._bytes: Any = self._order.view(np.uint8)

    # What wants to be sent -----------------------------------------------------------------------------------------------------------

    def check(self, message: Message, now: int) -> Approved | Refused:
        """What may be sent is reserved and comes back Approved; a market or stop order as a limit at its band, IOC where it was market."""
        try:
            answer = self._cancel(message, now) if isinstance(message, Cancel) else self._check(message, now)
        except Exception as fault:  # whatever has gone wrong, nothing is sent
            answer = self._refusal(str(getattr(message, "id", "")), BROKEN, math.nan, math.nan, now, f"{type(fault).__name__}: {fault}")
        self.tell(answer)
        return answer

    def _cancel(self, cancel: Cancel, now: int) -> Approved:
        child = self.open.get(cancel.target)
        exposure.count_message(self.firm.scopes, self.firm.strategies[child.strategy if child else FOREIGN], now)
        return Approved(cancel, now, stamp=GATE_STAMP)

    def _check(self, message: Child | Replace, now: int) -> Approved | Refused:
        wanted = self._as_child(message)
        if wanted is None:
            return self._refusal(message.id, CONFORMITY, 1.0, 0.0, now, f"replaces {getattr(message, 'target', '')!r}, which is not open")
        if fault := misfit(wanted):
            return self._refusal(message.id, CONFORMITY, math.nan, math.nan, now, fault)
        places = self._places(wanted)
        if isinstance(places, str):
            return self._refusal(message.id, PERMISSION, 1.0, 0.0, now, places)
        strategy, symbol = places
        sent = self._at_band(wanted, symbol)
        waived = self._waived(message.id, now)
        LAYOUT.pack_into(self._bytes, 0, *self._fields(sent, message, strategy, symbol, waived, now))
        firm = self.firm
        row = firm.free_row()
        records = firm.scopes, firm.instruments, firm.cells, firm.resting
        rule = self.admit(*records, row, firm.used, firm.windows, self._order, self._verdict)
        if rule:
            verdict = self._verdict[0]
            return self._refusal(message.id, rule, float(verdict["limit"]), float(verdict["was"]), now)
        self._keep_open(sent, message)
        kept = RULES[waived] if waived else ""
        return Approved(sent if isinstance(message, Child) else message, now, kept, GATE_STAMP)

    def _as_child(self, message: Child | Replace) -> Child | None:
        """What would work in the market: of a replacement what is still to fill."""
        if isinstance(message, Child):
            return message
        old = self.open.get(message.target)
        if old is None or any(asked.target == message.target for asked in self._replaces.values()):
            return None
        left = message.lots - self._filled.get(message.target, 0)
        return msgspec.structs.replace(old, id=message.id, lots=left, tick=message.tick or old.tick, time=message.time)

    def _places(self, child: Child) -> tuple[int, int] | str:
        limits, firm = self.firm.limits, self.firm
        strategy = limits.strategy.get(child.strategy)
        if strategy is None or child.strategy not in firm.strategies:
            return f"strategy was {child.strategy!r}; expected one with limits"
        for what, value, known in (
            ("account", child.account, strategy.accounts),
            ("venue", child.venue, strategy.venues),
            ("symbol", child.symbol, strategy.symbols),
            ("side", child.side, strategy.sides),
        ):
            if value not in known:
                return f"{what} was {value!r}; expected one of {list(known)}"
        if child.parent is not None and child.parent not in self._parents:
            return f"parent was {child.parent!r}; expected one that the gate was told of"
        return firm.strategies[child.strategy], firm.symbols[child.symbol]

    def _at_band(self, child: Child, symbol: int) -> Child:
        """A market or stop order with the limit at which the collar ends, or the venue's band."""
        if child.kind in (Kind.LIMIT, Kind.STOP_LIMIT):
            return child
        row = self.firm.instruments[symbol]
        mid, collar = 0.5 * (float(row["bid"]) + float(row["ask"])), min(float(row["collar"]), 1.0)
        if child.side > 0:
            tick = max(min(math.floor(mid * (1.0 + collar)), int(row["band_high"])), 1)
        else:
            tick = max(math.ceil(mid * (1.0 - collar)), int(row["band_low"]), 1)
        if child.kind == Kind.STOP:
            return msgspec.structs.replace(child, kind=Kind.STOP_LIMIT, tick=tick)
        return msgspec.structs.replace(child, kind=Kind.LIMIT, tick=tick, lifetime=Lifetime.IOC)

    def _fields(self, child: Child, message: Child | Replace, strategy: int, symbol: int, waived: int, now: int) -> tuple[Any, ...]:
        limits = self.firm.limits
        lots, bound, start, end = self._parents[child.parent] if child.parent else (math.inf, 0, -ALWAYS, ALWAYS)
        left = self._left[child.parent] if child.parent else lots
        model = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        if name := self._of_model.get(child.strategy):
            trained, (distance, action, seen) = limits.model[name], self._models[name]
            age, oldest = (now - seen) / NS, limits.windows.features_s
            model = (distance, trained.distance, action, trained.least_action, trained.most_action, age, oldest)
        return (
            *(now, strategy, symbol, child.side, child.lots, child.tick, KINDS[child.kind], child.expires or 0, self._row_of(message)),
            *(child.short, True, limits.strategy[child.strategy].short, child.id in self._ids, waived),
            *(float(left), bound, start, end),
            *model,
        )

    def _keep_open(self, sent: Child, message: Child | Replace) -> None:
        self._ids.add(message.id)
        if isinstance(message, Replace):
            self._replaces[message.id] = message
            return
        self._rows[sent.id], self.open[sent.id], self._filled[sent.id] = self.firm.take_row(), sent, 0
        if sent.parent:
            self._left[sent.parent] -= sent.lots

    # What comes back ------------------------------------------------------------------------------------------------------------------

    def hear(self, report: Report) -> None:
        """Count a report once. What none of ours asked for counts as the firm's."""
        if report.symbol not in self.firm.symbols:
            self.alert("reconciliation", f"symbol.{report.symbol}", f"a report of {report.symbol!r}, which has no limits", report.time)
            return
        if not (math.isfinite(report.price) and math.isfinite(report.fee) and 0 <= report.lots <= LARGEST_SIZE and abs(report.side) == 1):
            self.firm.instruments[self.firm.symbols[report.symbol]]["unequal"] = 1
            self.alert("reconciliation", f"symbol.{report.symbol}", f"report {report.exec_id} makes no sense: {report}", report.time)
        elif report.happening in (Happening.FILLED, Happening.BUSTED, Happening.CORRECTED):
            self._execution(report)
        elif report.happening in ENDS:
            self._end(report.order)
        elif report.happening == Happening.REPLACED:
            self._replaced(report.order if report.replaces is None else report.replaces)
        elif report.happening == Happening.REPLACE_REJECTED:
            self._stay(report.order)
        elif report.happening == Happening.STATUS and report.state in FINAL:
            self._end(report.order)
        self._settle(report)

    def timed_out(self, order: str, now: int) -> None:
        """Nobody has answered for an order: its symbol is blocked until somebody does."""
        child = self.open.get(order)
        if child is not None and order not in self._unknown:
            self._unknown[order] = child.symbol
            self.firm.instruments[self.firm.symbols[child.symbol]]["unknown"] += 1
            self.alert("reconciliation", f"symbol.{child.symbol}", f"nobody has answered for order {order}", now)

    def _settle(self, report: Report) -> None:
        if report.happening != Happening.TIMED_OUT and report.state != OrderState.UNKNOWN and report.order in self._unknown:
            self.firm.instruments[self.firm.symbols[self._unknown.pop(report.order)]]["unknown"] -= 1

    def _execution(self, report: Report) -> None:
        if report.exec_id in self._executions:
            return
        child = self.open.get(report.order)
        strategy = child.strategy if child else report.strategy if report.strategy in self.firm.strategies else FOREIGN
        if report.happening != Happening.FILLED:
            self._undo(report)
        self._executions[report.exec_id] = (strategy, report.symbol, report.side, report.lots, report.price, report.fee)
        if report.happening == Happening.BUSTED:
            return
        if child is not None and report.happening == Happening.FILLED:
            self._filled[report.order] += report.lots
            if self.firm.release(self._rows[report.order], report.lots):
                self._drop(report.order)
                self.firm.filled_whole(strategy, report.time)
        self._book(self._executions[report.exec_id], 1, report.time)
        self.firm.traded(report.symbol, 0, report.time, report.lots)

    def _undo(self, report: Report) -> None:
        """Take back the execution that a bust or a correction refers to; one that comes later than its bust is then no news."""
        before = self._executions.get(report.refers_to or "")
        if before is not None:
            self._book(before, -1, report.time)
        self._executions[report.refers_to or ""] = (FOREIGN, report.symbol, report.side, 0, 0.0, 0.0)

    def _book(self, execution: tuple[str, str, int, int, float, float], sign: int, now: int) -> None:
        strategy, symbol, side, lots, price, fee = execution
        firm = self.firm
        places = firm.strategies[strategy], firm.symbols[symbol]
        exposure.execute(firm.scopes, firm.instruments, firm.cells, *places, side, sign * lots, price, sign * fee, now)

    def _end(self, order: str) -> None:
        if order in self._rows:
            self.firm.release(self._rows[order], 2**62)
            child = self.open[order]
            if child.parent:
                self._left[child.parent] += child.lots - self._filled[order]
            self._drop(order)

    def _drop(self, order: str) -> None:
        del self._rows[order], self.open[order]

    def _replaced(self, old_id: str) -> None:
        """The venue works the replacement alone."""
        asked = next((one for one in self._replaces.values() if one.target == old_id), None)
        if asked is None or old_id not in self._rows:
            return
        del self._replaces[asked.id]
        old, row, filled = self.open.pop(old_id), self._rows.pop(old_id), self._filled[old_id]
        kept = msgspec.structs.replace(old, id=asked.id, lots=asked.lots, tick=asked.tick or old.tick)
        if old.parent:
            self._left[old.parent] += old.lots - asked.lots
        self._rows[asked.id], self.open[asked.id], self._filled[asked.id] = row, kept, filled
        self._trim(asked.id)

    def _stay(self, order: str) -> None:
        """The venue has refused a replacement: the order stands as it was."""
        for id, asked in list(self._replaces.items()):
            if order in (id, asked.target):
                del self._replaces[id]
                if asked.target in self._rows:
                    self._trim(asked.target)

    def _trim(self, order: str) -> None:
        child, row, firm = self.open[order], self._rows[order], self.firm
        left = child.lots - self._filled[order]
        more = left - int(firm.resting[row]["lots"])
        exposure.extend(firm.scopes, firm.instruments, firm.cells, firm.resting, row, more, child.tick)
        if left <= 0:
            self._end(order)

    def adopt(self, message: Message) -> None:
        """Reserve what was sent already: at start-up, as the journal tells of it. Nothing is judged; what has ended since is let go by its
        reports, which are to be heard after it.
        """
        if isinstance(message, Cancel) or (wanted := self._as_child(message)) is None:
            return
        if message.id in self._ids or misfit(wanted) or wanted.symbol not in self.firm.symbols:
            raise BadInput(f"order {message.id} cannot be adopted: {misfit(wanted) or 'its id is used, or its symbol has no limits'}")
        firm, order = self.firm, self._order
        places = firm.strategies.get(wanted.strategy, firm.strategies[FOREIGN]), firm.symbols[wanted.symbol]
        order["strategy"], order["symbol"], order["now"], order["side"] = *places, wanted.time, wanted.side
        order["lots"], order["tick"], order["replaces"] = wanted.lots, wanted.tick or 0, self._row_of(message)
        row = firm.free_row()
        exposure.adopt(firm.scopes, firm.instruments, firm.cells, firm.resting, row, order)
        self._keep_open(wanted, message)

    # What the gate must know ----------------------------------------------------------------------------------------------------------

    def parent(self, id: str, lots: int, bound: int = 0, start: int = -ALWAYS, end: int = ALWAYS) -> None:
        """A parent whose children may ask for so many lots, at `bound` or better, from `start` to `end`."""
        asked = self._parents[id][0] - self._left[id] if id in self._parents else 0.0
        self._parents[id], self._left[id] = (lots, bound, start, end), lots - asked

    def model(self, strategy: str, name: str, distance: float, action: float, now: int) -> None:
        """What a strategy's model sees: how far it is from its training data, and what it wants to do."""
        if name not in self.firm.limits.model:
            raise BadInput(f"model was {name!r}; expected one of {', '.join(self.firm.limits.model)}")
        self._of_model[strategy], self._models[name] = name, (distance, action, now)

    def alert(self, rule: str, scope: str, text: str, now: int) -> None:
        """Tell people at once."""
        self.tell(Alert(rule=rule, scope=scope, text=text, time=now))

    def _row_of(self, message: Message) -> int:
        """The row that a replacement takes the place of."""
        return self._rows[message.target] if isinstance(message, Replace) else -1

    def _waived(self, id: str, now: int) -> int:
        rule, _, until = self.overrides.get(id, (0, "", 0))
        return rule if now <= until else 0

    def _refusal(self, id: str, rule: int, limit: float, was: float, now: int, text: str = "") -> Refused:
        said = text or f"{RULES[rule]} was {was:g}; expected {limit:g}"
        return Refused(id=id, rule=RULES[rule], limit=limit, was=was, time=now, text=said)


def misfit(child: Child) -> str:
    """What of a child is no number, no word or no sense, in a sentence; empty where all fits."""
    if child.side not in (1, -1):
        return f"side was {child.side!r}; expected 1 or -1"
    whole: dict[str, tuple[Any, int, int]] = {"lots": (child.lots, 1, LARGEST_SIZE)}
    if child.kind in (Kind.LIMIT, Kind.STOP_LIMIT):
        whole["tick"] = (child.tick, 1, LARGEST_TICK)
    if child.kind in (Kind.STOP, Kind.STOP_LIMIT):
        whole["stop_tick"] = (child.stop_tick, 1, LARGEST_TICK)
    if child.lifetime == Lifetime.GTD:
        whole["expires"] = (child.expires, 1, ALWAYS)
    for name, (value, least, most) in whole.items():
        if type(value) is not int or not least <= value <= most:
            return f"{name} was {value!r}; expected a whole number from {least} to {most}"
    if child.kind not in KINDS or not child.id:
        return f"kind was {child.kind!r} and id {child.id!r}; expected {', '.join(KINDS)}, and a name"
    return ""
