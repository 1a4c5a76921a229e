"""CASES: what a gate is asked, in which state of the world, and what it has to answer. One JSON object a line.

    {"name": "...", "clock": ns, "state": {...}, "order": {...}, "expect": {"decision": "refused", "rule": "largest_quantity"},
     "then": {"order": {...}, "expect": {...}}}

Instead of "order" stand "replace", "cancel" or "command"; "then" is what is tried afterwards. Prices are in currency ("price", "bid"), or
in ticks ("tick"). docs/gate.md tells all of the state. What is not said is harmless: marks fresh, strategies alive, markets busy.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from tercet.errors import BadInput, at_row
from tercet.market.instruments import LARGEST_SIZE, Instrument
from tercet.messages import Act, Approved, Cancel, Child, Command, Kind, Refused, Replace, Report
from tercet.orders import exposure, supervision
from tercet.orders.books import Parent
from tercet.orders.checks import BROKEN, CONFORMITY, RULES
from tercet.orders.clock import ALWAYS
from tercet.orders.firm import DAY
from tercet.orders.gate import Gate, fault_of
from tercet.orders.limits import MOST_MESSAGES, Limits, changed

CLOCK: Final = 1_700_000_000_000_000_000
BEFORE: Final = 10_000_000_000  # ns: how long ago orders were placed that were open already
PLENTY: Final = 10**9  # lots that traded, where nobody says
APPROVED, REFUSED, DONE = "approved", "refused", "done"
CASE: Final = ("name", "clock", "state", "order", "replace", "cancel", "command", "expect", "then")
SHAPES: Final = {str: "a text", int: "whole ns since the epoch", dict: "an object"}
PRICES: Final = {"price": "tick", "stop_price": "stop_tick"}
MARK: Final = ("bid", "ask", "time", "phase", "band", "close", "before")
KINDS: Final = {"order": Child, "replace": Replace, "cancel": Cancel}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one line: the last answer, whether each was as expected, and how many orders were sent to be cancelled."""

    name: str
    decision: str
    rule: str
    limit: float
    was: float
    text: str
    expected: dict[str, Any]
    met: bool
    canceled: int = 0


def read(path: Path) -> list[dict[str, Any]]:
    """The cases of a file; raises BadInput naming the row that is none."""
    rows = []
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except FileNotFoundError as error:
        raise BadInput(f"{path}: expected a file of cases, found none") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: expected UTF-8 text, found byte {error.object[error.start]:#x} at place {error.start}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise at_row(path, number, f"no JSON: {error}") from error
        if fault := _no_case(row):
            raise at_row(path, number, fault)
        rows.append({"name": f"row {number}", **row})
    if not rows:
        raise BadInput(f"{path}: expected cases, a JSON object a line, found none")
    return rows


def _no_case(row: Any) -> str:
    """What is wrong with the shape of a case, or of what comes then, in a sentence; empty where nothing is."""
    steps = [name for name in (*KINDS, "command") if isinstance(row, dict) and name in row]
    if len(steps) != 1 or not isinstance(row[steps[0]], dict):
        return f"no case: expected an object with one of {', '.join((*KINDS, 'command'))}, itself an object"
    if unknown := sorted(set(row) - {"name", "clock", "state", "expect", "then", *steps}):
        return f"a case has {unknown[0]!r}; expected name, clock, state, {steps[0]}, expect and then{nearest(unknown[0], CASE)}"
    for name, shape in (("name", str), ("clock", int), ("state", dict), ("expect", dict), ("then", dict)):
        if name in row and (not isinstance(row[name], shape) or isinstance(row[name], bool)):
            return f"{name} of a case was {row[name]!r:.80}; expected {SHAPES[shape]}"
    return _no_case(row["then"]) if "then" in row else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """A guess at what was meant, as the end of a sentence."""
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def refuse_keys(where: str, given: Any, known: Iterable[str]) -> None:
    """Raise BadInput for what is no object, or has a key that nobody would read."""
    if not isinstance(given, dict):
        raise BadInput(f"{where} was {given!r:.80}; expected an object")
    names = tuple(known)
    if unknown := [name for name in given if name not in names]:
        raise BadInput(f"{where} has {unknown[0]!r}; expected {', '.join(names)}{nearest(unknown[0], names)}")


def answers(limits: Limits, cases: list[dict[str, Any]]) -> Iterator[Answer]:
    """Ask a new gate each case."""
    for case in cases:
        yield ask(limits, case)


def ask(limits: Limits, case: dict[str, Any]) -> Answer:
    """Ask a new gate one case and what comes then."""
    clock = case.get("clock", CLOCK)
    gate = Gate(limits)
    try:
        Scene(gate, clock).set(case.get("state", {}))
    except Exception as error:  # whatever is wrong with it
        gate = Unreadable(limits, f"the state cannot be read: {fault_of(error)}")
    answer = _step(gate, limits, case, clock, case["name"])
    while "then" in case:
        case = case["then"]
        later = _step(gate, limits, case, case.get("clock", clock), answer.name)
        answer = msgspec.structs.replace(later, met=answer.met and later.met)
    return answer


class Unreadable(Gate):
    """A gate in a state that nobody can read: it lets nothing through."""

    def __init__(self, limits: Limits, why: str) -> None:
        """Say why."""
        super().__init__(limits)
        self._why = why

    def _check(self, message: Child | Replace, now: int) -> Approved | Refused:
        return self._refusal(message.id, BROKEN, math.nan, math.nan, now, self._why)


def _step(gate: Gate, limits: Limits, step: dict[str, Any], now: int, name: str) -> Answer:
    expected, canceled = step.get("expect", {}), 0
    if unknown := sorted(set(expected) - {"decision", "rule", "canceled"}):
        raise BadInput(f"case {name}: expect has {unknown[0]!r}; expected decision, rule and canceled")
    told: dict[str, Any]
    if "command" in step:
        try:
            canceled = command(gate, step["command"], now)
            told = {"decision": DONE, "rule": "", "limit": math.nan, "was": math.nan, "text": ""}
        except Exception as error:  # what is no command is refused, whatever is wrong with it
            told = {"decision": REFUSED, "rule": "", "limit": math.nan, "was": math.nan, "text": fault_of(error)}
    else:
        told = _told(_send(gate, limits, step, now))
    wanted = {key: value for key, value in expected.items() if key in ("decision", "rule", "canceled")}
    got = {**told, "canceled": canceled}
    return Answer(name=name, expected=expected, met=all(got[key] == value for key, value in wanted.items()), canceled=canceled, **told)


def _send(gate: Gate, limits: Limits, step: dict[str, Any], now: int) -> Approved | Refused:
    kind = next(name for name in KINDS if name in step)
    try:
        given = {"time": now, **step[kind]}
        refuse_keys(kind, given, (*PRICES, *KINDS[kind].__struct_fields__))
        target = gate.books.open.get(str(given.get("target")))
        message = msgspec.convert(_in_ticks(limits, given, target.symbol if target else str(given.get("symbol"))), KINDS[kind])
    except (msgspec.ValidationError, BadInput, TypeError, ValueError, ArithmeticError) as error:
        id = str(step[kind].get("id", "")) if isinstance(step[kind], dict) else ""
        return Refused(id=id, rule=RULES[CONFORMITY], limit=math.nan, was=math.nan, time=now, text=str(error))
    return gate.check(message, now)


def _told(answer: Approved | Refused) -> dict[str, Any]:
    if isinstance(answer, Approved):
        return {"decision": APPROVED, "rule": answer.waived, "limit": math.nan, "was": math.nan, "text": ""}
    return {"decision": REFUSED, "rule": answer.rule, "limit": answer.limit, "was": answer.was, "text": answer.text}


def _in_ticks(limits: Limits, order: dict[str, Any], symbol: str) -> dict[str, Any]:
    """An order with its prices in ticks of a symbol."""
    found = {key: value for key, value in order.items() if key not in PRICES}
    for price, tick in PRICES.items():
        if price in order:
            found[tick] = ticks(limits, symbol, order[price])
    return found


def ticks(limits: Limits, symbol: str, price: Any) -> int:
    """A price in currency as ticks; raises BadInput where it fits none."""
    traded = limits.instrument.get(symbol)
    if traded is None:
        return 1  # that it is unknown will be said by the control that looks
    if isinstance(price, bool) or not isinstance(price, int | float | str):
        raise BadInput(f"price was {price!r}; expected a number")
    try:
        return Instrument(symbol, traded.tick_size, traded.lot_size).tick(Decimal(str(price)))
    except InvalidOperation as error:
        raise BadInput(f"price was {price!r}; expected a number") from error


def whole(count: Any, what: str) -> int:
    """A count that is one; raises BadInput where it is none."""
    if type(count) is not int or not 0 <= count <= MOST_MESSAGES:
        raise BadInput(f"{what} were {count!r}; expected a whole number from 0 to {MOST_MESSAGES}")
    return count


class Scene:
    """The state of the world in which a gate is asked."""

    def __init__(self, gate: Gate, clock: int) -> None:
        """A gate that has heard nothing, at a time."""
        self.gate, self.firm, self.limits, self.clock = gate, gate.firm, gate.firm.limits, clock

    def set(self, state: dict[str, Any]) -> None:
        """Bring the gate into a state; raises BadInput naming what there is not."""
        parts: dict[str, Callable[[Any], None]] = {
            name.removeprefix("_set_"): getattr(self, name) for name in dir(self) if name.startswith("_set_")
        }
        refuse_keys("state", state, parts)
        defaults: dict[str, Any] = {
            "phases": {},
            "heartbeats": dict.fromkeys(self.limits.strategy, self.clock),
            "volumes": dict.fromkeys(self.limits.instrument, PLENTY),
        }
        order = ("phases", "marks", "heartbeats", "volumes", "positions", "parents", "models")
        given = {**defaults, **state}
        for name in sorted(given, key=lambda name: order.index(name) if name in order else len(order)):
            parts[name](given[name])

    def _set_phases(self, phases: dict[str, str]) -> None:
        refuse_keys("phases", phases, self.limits.instrument)
        for symbol in self.limits.instrument:
            self.firm.phase(symbol, phases.get(symbol, "open"))

    def _set_marks(self, marks: dict[str, Any]) -> None:
        for symbol, mark in marks.items():
            refuse_keys(f"the mark of {symbol}", mark, MARK)
            if "before" in mark:
                bid, ask = mark["before"]
                self.firm.mark(symbol, self._tick(symbol, bid), self._tick(symbol, ask), mark.get("time", self.clock))
            if "close" in mark:
                self.firm.closed(symbol, ticks(self.limits, symbol, mark["close"]))
            sides = [self._tick(symbol, mark.get(side)) for side in ("bid", "ask")]
            self.firm.mark(symbol, sides[0], sides[1], mark.get("time", self.clock))
            if "band" in mark or "phase" in mark:
                band = self._band(symbol, *mark["band"]) if "band" in mark else (1, ALWAYS)
                self.firm.phase(symbol, mark.get("phase", "open"), band)

    def _tick(self, symbol: str, price: Any) -> int:
        try:
            return ticks(self.limits, symbol, price)
        except BadInput:
            return 0  # no price

    def _band(self, symbol: str, low: Any, high: Any) -> tuple[int, int]:
        """The first and the last tick between two prices; raises where one is no number, or an unreadable band would bind nobody."""
        size = Decimal(self.limits.instrument[symbol].tick_size)
        return math.ceil(Decimal(str(low)) / size), math.floor(Decimal(str(high)) / size)

    def _set_heartbeats(self, heartbeats: dict[str, int]) -> None:
        for strategy, time in heartbeats.items():
            self.firm.heartbeat(strategy, time)

    def _set_volumes(self, volumes: dict[str, Any]) -> None:
        for symbol, lots in volumes.items():
            if isinstance(lots, dict):
                refuse_keys(f"the volume of {symbol}", lots, ("market", "own"))
            market, own = (lots.get("market", 0), lots.get("own", 0)) if isinstance(lots, dict) else (lots, 0)
            self.firm.traded(symbol, market, self.clock, own)

    def _set_positions(self, positions: dict[str, dict[str, int]]) -> None:
        for strategy, held in positions.items():
            for symbol, lots in held.items():
                row = self.firm.instruments[self.firm.symbols[symbol]]
                self.firm.hold(strategy, symbol, lots, float(row["reference"]))

    def _set_profits(self, profits: dict[str, float]) -> None:
        for strategy, money in profits.items():
            command(self.gate, {"act": "earned", "strategy": strategy, "money": money}, self.clock)

    def _set_open_orders(self, orders: list[dict[str, Any]]) -> None:
        for order in orders:
            refuse_keys("an open order", order, (*PRICES, *Child.__struct_fields__))
            self.gate.adopt(
                msgspec.convert(_in_ticks(self.limits, {"time": self.clock - BEFORE, **order}, str(order.get("symbol"))), Child)
            )

    def _set_reports(self, reports: list[dict[str, Any]]) -> None:
        for report in reports:
            heard = _report(self.gate, report, self.clock)
            if heard.order not in self.gate.books.owners:  # one of ours, sent and filled before
                terms = {name: getattr(heard, name) for name in ("strategy", "account", "symbol", "side", "time")}
                self.gate.books.remember(Child(id=heard.order, venue="", lots=LARGEST_SIZE, kind=Kind.MARKET, **terms))
            self.gate.hear(heard)

    def _set_cancels(self, cancels: dict[str, int]) -> None:
        for strategy, count in cancels.items():
            for _ in range(whole(count, f"cancels of {strategy}")):
                exposure.count_cancel(self.firm.scopes, self.firm.strategies[strategy], self.clock)

    def _set_rejects(self, rejects: dict[str, int]) -> None:
        for strategy, count in rejects.items():
            for _ in range(whole(count, f"rejects of {strategy}")):
                exposure.count_reject(self.firm.scopes, self.firm.strategies[strategy], self.clock)

    def _set_earlier(self, messages: dict[str, int]) -> None:
        """Messages of today that are past every window."""
        for strategy, count in messages.items():
            self.firm.messages(strategy, whole(count, f"messages of {strategy}"), self.clock - DAY // 2)

    def _set_messages(self, messages: dict[str, int]) -> None:
        for strategy, count in messages.items():
            self.firm.messages(strategy, count, self.clock)

    def _set_repeats(self, repeats: dict[str, int]) -> None:
        for strategy, count in repeats.items():
            for _ in range(whole(count, f"repeats of {strategy}")):
                self.firm.filled_whole(strategy, self.clock)

    def _set_parents(self, parents: dict[str, dict[str, Any]]) -> None:
        for id, parent in parents.items():
            refuse_keys(f"parent {id}", parent, ("price", *Parent.__struct_fields__))
            bound = ticks(self.limits, parent["symbol"], parent["price"]) if "price" in parent else 0
            self.gate.parent(id, bound=bound, **{name: value for name, value in parent.items() if name != "price"})

    def _set_models(self, models: dict[str, dict[str, Any]]) -> None:
        for strategy, seen in models.items():
            refuse_keys(f"the model of {strategy}", seen, ("model", "distance", "action", "time"))
            self.gate.model(strategy, seen["model"], seen["distance"], seen["action"], seen.get("time", self.clock))

    def _set_commands(self, commands: list[dict[str, Any]]) -> None:
        for one in commands:
            command(self.gate, one, self.clock)

    def _set_fault(self, text: str) -> None:
        def broken(*records: Any) -> int:
            raise RuntimeError(text)

        self.gate.admit = broken


def _report(gate: Gate, said: dict[str, Any], now: int) -> Report:
    """A report as a case tells it: of its order's account where it names none."""
    refuse_keys("report", said, Report.__struct_fields__)
    owner = gate.books.owners.get(str(said.get("order")))
    return msgspec.convert({"time": now, "account": owner.account if owner else "", **said}, Report)


COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(map(str, Act), ("scope", "by", "time", "reason")),
    "override": ("order", "rule", "lots", "by", "second", "until"),
    "limits": ("set", "by", "second"),
    "reconcile": ("symbol", "own", "theirs"),
    "reconcile_orders": ("symbol", "theirs"),
    "earned": ("strategy", "money"),
    "heartbeat": ("strategy",),
    "watch": (),
    "time_out": ("order",),
    "report": ("report",),
}


def command(gate: Gate, said: dict[str, Any], now: int) -> int:
    """Carry out what a person or a watcher does; returns how many orders are to be cancelled."""
    kind, by = said["act"], said.get("by", "")
    if kind not in COMMANDS:
        raise BadInput(f"act was {kind!r}; expected one of {', '.join(COMMANDS)}{nearest(str(kind), COMMANDS)}")
    refuse_keys(f"command {kind}", said, ("act", *COMMANDS[kind]))
    if kind == "override":
        supervision.override(gate, said["order"], said["rule"], said["lots"], by, said.get("second"), said["until"], now)
    elif kind == "limits":
        supervision.change(gate, changed(gate.firm.limits, said["set"]), by, said.get("second"), now)
    elif kind == "reconcile":
        supervision.reconcile(gate, said["symbol"], said["own"], said["theirs"], now)
    elif kind == "reconcile_orders":
        supervision.reconcile_orders(gate, said["symbol"], said["theirs"], now)
    elif kind == "earned":
        gate.firm.earned(said["strategy"], next(iter(gate.firm.symbols)), said["money"])
    elif kind == "heartbeat":
        gate.firm.heartbeat(said["strategy"], now)
    elif kind == "watch":
        return len(supervision.watch(gate, now))
    elif kind == "time_out":
        gate.timed_out(said["order"], now)
    elif kind == "report":
        gate.hear(_report(gate, said["report"], now))
    else:
        return len(supervision.act(gate, msgspec.convert({"time": now, **said}, Command)))
    return 0
