"""The gate: what stands between everybody and the wire. It approves or refuses, reserves what it approves, and knows no model.

It fails closed: what it cannot read, does not know or finds without a price is refused, and where a control raises, so is the order.
Cancels always pass. The controls are in `checks`; here messages become rows for them, and reports and people change what stands there.
"""

import ctypes
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from tercet.errors import BadInput
from tercet.market.instruments import LARGEST_SIZE, LARGEST_TICK
from tercet.messages import GATE_STAMP, Alert, Approved, Cancel, Child, Command, Era, Kind, Lifetime, Mandate, Refused, Replace, Report
from tercet.orders import exposure
from tercet.orders.books import Books, Parent
from tercet.orders.checks import BROKEN, CONFORMITY, IDENTIFICATION, ORDER, PERMISSION, RESTRICTED, RULES, VERDICT
from tercet.orders.clock import ALWAYS, NEVER
from tercet.orders.firm import FOREIGN, Firm, alone, refuse_no_time
from tercet.orders.judge import admit, tables_of
from tercet.orders.limits import Limits, Strategy
from tercet.orders.wording import Terms, sentence

# Tuples, and bound once: a hash of an enum's member takes 120 ns in Python 3.11, its attribute 85.
KINDS: Final[tuple[str, ...]] = (Kind.LIMIT, Kind.MARKET, Kind.STOP, Kind.STOP_LIMIT)
LIMIT: Final = Kind.LIMIT
LIMITED: Final = (Kind.LIMIT, Kind.STOP_LIMIT)
STOPPED: Final = (Kind.STOP, Kind.STOP_LIMIT)
STOP: Final = Kind.STOP
WHOLE: Final = ("lots", "bound", "start", "end")  # of a parent: compiled code would take another number for a larger one
GTD: Final = Lifetime.GTD
ODD_LOT: Final = "odd_lot"  # what an approval says of an order that ends a position and is of no usual size
# An ORDER whose fields are written by name: as a struct's that takes 30 ns each, as a numpy record's 100.
Order: Final[Any] = type("Order", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_int64) for name in ORDER.names or ()]})
_REAL: Final = np.dtype(np.float64)
Verdict: Final[Any] = type(
    "Verdict",
    (ctypes.Structure,),
    {"_fields_": [(name, ctypes.c_double if VERDICT[name] == _REAL else ctypes.c_int64) for name in VERDICT.names or ()]},
)

Message = Child | Replace | Cancel


class Foreign(NamedTuple):
    """What an order names that it may not: by which control, in a sentence."""

    rule: int
    text: str


class Gate:
    """All controls of a firm, safe to call from any thread. Times are ns since the epoch, prices ticks."""

    def __init__(self, limits: Limits, tell: Callable[[Any], None] = lambda said: None) -> None:
        """`tell` hears each Approved, Refused and Alert as it comes about, to journal it and to wake people."""
        self.firm, self.tell = Firm(limits), tell
        self.lock = self.firm.lock
        self.books = Books(self.firm, self.alert)
        self.admit, self.era = admit, Era()
        self.overrides: dict[str, tuple[int, int, int, int]] = {}  # order id -> (control, most lots, since, until)
        self.arming: dict[str, tuple[Command, tuple[int, ...]]] = {}  # scope -> the wish to arm it, and what stopped it then
        self.alerted: set[tuple[str, str]] = set()  # (scope, rule) that people know of
        self._refused: dict[str, Child] = {}  # by id, for an override
        self._orders, self._verdict = np.zeros(1, ORDER), np.zeros(1, VERDICT)
        self._order, self._said = Order.from_buffer(self._orders), Verdict.from_buffer(self._verdict)
        self._resting: Any = None
        self._tables: Any = None

    # What wants to be sent -----------------------------------------------------------------------------------------------------------

    def check(self, message: Message, now: int) -> Approved | Refused:
        """What may be sent is reserved and comes back Approved; a market or stop order as a limit at its band, IOC where it was market."""
        with self.lock:
            if isinstance(message, Cancel):
                return self._cancel(message, now)
            try:
                firm = self.firm
                if not NEVER < now < ALWAYS:
                    raise BadInput(f"time was {now}; expected ns since the epoch")
                if firm.clock <= now < firm.day_ends:
                    firm.clock = now
                else:
                    now = self.read_clock(now)
                if now >= firm.posture_ends:
                    self.age(now)
                answer = self._check(message, now)
            except Exception as fault:  # whatever has gone wrong, nothing is sent
                answer = self._refusal(str(getattr(message, "id", "")), BROKEN, math.nan, math.nan, now, fault_of(fault))
            self.tell(answer)
            return answer

    @alone
    def read_clock(self, now: int) -> int:
        """Our time, and an alert where it has stepped back."""
        was, read = self.firm.clock, self.firm.read_clock(now)
        if read < was:
            self.alert("monitoring", "firm", f"the clock had jumped ahead, and stepped back from {was} to {read} ns", read)
        return read

    @alone
    def age(self, now: int) -> None:
        """Let a posture that is too old count as DEFENSIVE from now on, and tell people."""
        if now >= self.firm.posture_ends:
            self.firm.lose_sight()
            self.alert("limits_change", "firm", f"posture {self.firm.state}: limits as in DEFENSIVE", now)

    def _cancel(self, cancel: Cancel, now: int) -> Approved:
        """Nothing stops a cancel, not even who cannot note it."""
        answer = Approved(cancel, now, stamp=GATE_STAMP, era=self.era)
        with suppress(Exception):
            self.books.cancelling(cancel)
            child = self.books.open.get(cancel.target)
            place = self.firm.strategies.get(child.strategy if child else FOREIGN, self.firm.strategies[FOREIGN])
            exposure.count_message(self.firm.scopes, place, now, 0.0)
            exposure.count_cancel(self.firm.scopes, place, now)
            self.tell(answer)
        return answer

    def _check(self, message: Child | Replace, now: int) -> Approved | Refused:
        wanted = message if isinstance(message, Child) else self._as_child(message)
        if wanted is None:
            return self._refusal(message.id, CONFORMITY, 1.0, 0.0, now, f"replaces {getattr(message, 'target', '')!r}, which is not open")
        if not usual(wanted) and (fault := misfit(wanted)):
            return self._refusal(message.id, CONFORMITY, math.nan, math.nan, now, fault)
        places = self._places(wanted)
        if isinstance(places, Foreign):
            return self._refusal(message.id, places.rule, 1.0, 0.0, now, places.text)
        sent = wanted if wanted.kind in LIMITED else self._at_band(wanted, places[1])
        self._write(sent, message, *places, now, wanted)
        firm = self.firm
        row = firm.free_row()
        if firm.resting is not self._resting:  # they have grown
            self._resting = firm.resting
            self._tables = tables_of(
                firm.scopes, firm.instruments, firm.cells, firm.resting, firm.windows, self._orders, self._verdict, firm.clients
            )
        rule = self.admit(self._tables, row, firm.used)
        if rule:
            if message.id not in self.overrides:
                self._refused[message.id] = wanted
            return self._judged(message.id, wanted, rule, now)
        self.books.place(message, sent)
        waived = RULES[self._order.waived] if self._order.waived else ODD_LOT if self._said.odd else ""
        return Approved(sent if isinstance(message, Child) else message, now, waived, GATE_STAMP, self.era)

    def _as_child(self, message: Replace) -> Child | None:
        """What would work in the market: of a replacement what is still to fill."""
        books = self.books
        old = books.open.get(message.target)
        if old is None or books.replacing(message.target) is not None or type(message.lots) is not int:
            return None
        left, tick = message.lots - books.filled[message.target], old.tick if message.tick is None else message.tick
        return msgspec.structs.replace(old, id=message.id, lots=left, tick=tick, time=message.time)

    def _places(self, child: Child) -> "tuple[int, int] | Foreign":
        """The rows of an order's strategy and symbol, or what it names that it may not."""
        limits, firm = self.firm.limits, self.firm
        strategy = limits.strategy.get(child.strategy)
        if strategy is None or child.strategy not in firm.strategies:
            return Foreign(PERMISSION, f"strategy was {child.strategy!r}; expected one with limits")
        if child.symbol in limits.restricted:
            return Foreign(RESTRICTED, f"symbol was {child.symbol!r}; expected none of the restricted list")
        if not (
            child.account in strategy.accounts
            and child.venue in strategy.venues
            and child.symbol in strategy.symbols
            and child.side in strategy.sides
        ):
            return Foreign(PERMISSION, unpermitted(child, strategy))
        if strategy.traders and child.trader not in strategy.traders:
            return Foreign(IDENTIFICATION, f"trader was {child.trader!r}; expected one of {', '.join(strategy.traders)}")
        if strategy.algorithms and child.algorithm not in strategy.algorithms:
            return Foreign(IDENTIFICATION, f"algorithm was {child.algorithm!r}; expected one of {', '.join(strategy.algorithms)}")
        if child.parent is not None and (fault := self._misparented(child)):
            return Foreign(PERMISSION, fault)
        return firm.strategies[child.strategy], firm.symbols[child.symbol]

    def _misparented(self, child: Child) -> str:
        parent = self.books.parents.get(str(child.parent))
        if parent is None:
            return f"parent was {child.parent!r}; expected one that the gate was told of"
        for what in ("strategy", "symbol", "side"):
            if getattr(parent, what) not in (None, getattr(child, what)):
                return f"{what} was {getattr(child, what)!r}; expected its parent's, {getattr(parent, what)!r}"
        return ""

    def _at_band(self, child: Child, symbol: int) -> Child:
        """A market or stop order with the limit at which the collar ends, or the venue's band."""
        row = self.firm.instruments[symbol]
        mid, collar = 0.5 * (float(row["bid"]) + float(row["ask"])), min(float(row["collar"]), 1.0)
        base = float(child.stop_tick or 0) if child.kind == STOP else mid
        if child.side > 0:
            tick = max(min(math.floor(base * (1.0 + collar)), int(row["band_high"])), 1)
        else:
            tick = max(math.ceil(base * (1.0 - collar)), int(row["band_low"]), 1)
        if child.kind == STOP:
            return msgspec.structs.replace(child, kind=Kind.STOP_LIMIT, tick=tick)
        return msgspec.structs.replace(child, kind=Kind.LIMIT, tick=tick, lifetime=Lifetime.IOC)

    def _write(self, child: Child, message: Child | Replace, strategy: int, symbol: int, now: int, wanted: Child) -> None:
        """Say to the controls what is asked for: `child` as it would be sent, `wanted` as it was stated."""
        order, books = self._order, self.books
        order.now, order.strategy, order.symbol, order.side = now, strategy, symbol, child.side
        order.lots, order.tick, order.stop, order.expires = child.lots, child.tick or 0, child.stop_tick or 0, child.expires or 0
        order.account = self.firm.accounts.get(child.account, 0)
        order.stated = (child.tick or 0) if child is wanted else -(wanted.stop_tick or 0)
        order.replaces = -1 if isinstance(message, Child) else books.rows[message.target]
        order.short = child.short
        order.known_id = child.id in books.owners or child.id in books.cancels
        order.waived = self._waived(child, now) if child.id in self.overrides else 0
        parent = None if child.parent is None else books.parents.get(child.parent)
        order.parent = parent is not None
        if parent is not None:
            order.parent_left, order.parent_bound = parent.left, parent.bound
            order.parent_start, order.parent_end = parent.start, parent.end

    # What comes back, and what the gate must know --------------------------------------------------------------------------------------

    def hear(self, report: Report) -> None:
        """Count a report once."""
        with self.lock:
            self.books.hear(report)

    @alone
    def unsent(self, refused: Sequence[Refused]) -> None:
        """What the outbox has not sent, as its NotSent names it: its exposure is free again, and a trade on it would be nobody's."""
        for one in refused:
            self.books.unsent(one.id, one.time)

    def timed_out(self, order: str, now: int) -> None:
        """Nobody has answered for an order: its symbol is blocked until somebody does."""
        with self.lock:
            self.books.timed_out(order, now)

    def adopt(self, message: Message) -> None:
        """Reserve what was sent already: at start-up, as the journal tells of it. Nothing is judged; what has ended since is let go by its
        reports, which are to be heard after it.
        """
        with self.lock:
            self._adopt(message)

    def _adopt(self, message: Message) -> None:
        if isinstance(message, Cancel):
            self.books.cancelling(message)
            return
        wanted: Child | None = message if isinstance(message, Child) else self._as_child(message)
        if wanted is None:
            return
        if isinstance(message, Replace):  # of which more may have filled by now than it asks for
            wanted = msgspec.structs.replace(wanted, lots=max(wanted.lots, 1))
        if message.id in self.books.owners or misfit(wanted) or wanted.symbol not in self.firm.symbols:
            raise BadInput(f"order {message.id} cannot be adopted: {misfit(wanted) or 'its id is used, or its symbol has no limits'}")
        firm = self.firm
        refuse_no_time(wanted.time, f"order {message.id}")
        places = firm.strategies.get(wanted.strategy, firm.strategies[FOREIGN]), firm.symbols[wanted.symbol]
        self._write(wanted, message, *places, wanted.time, wanted)
        row = firm.free_row()
        exposure.adopt(firm.scopes, firm.instruments, firm.cells, firm.resting, row, self._orders)
        self.books.place(message, wanted)

    def parent(self, id: str, lots: int, **terms: Any) -> None:
        """A parent whose children may ask for so many lots; the other terms are those of `Parent`."""
        for name, value in {"lots": lots, **terms}.items():
            if name in WHOLE and not (type(value) is int and abs(value) <= ALWAYS):
                raise BadInput(f"{name} of parent {id} was {value!r}; expected a whole number of 18 digits at most")
        with self.lock:
            self.tell(Mandate(id=id, lots=lots, **terms))
            self.books.parents[id] = Parent(lots, lots - self.books.wanted.get(id, 0), **terms)

    def model(self, strategy: str, name: str, distance: float, action: float, now: int) -> None:
        """What a strategy's model sees: how far it is from its training data, and what it wants to do."""
        self.firm.model(strategy, name, distance, action, now)

    def alert(self, rule: str, scope: str, text: str, now: int) -> None:
        """Tell people at once."""
        self.tell(Alert(rule=rule, scope=scope, text=text, time=now))

    def _waived(self, child: Child, now: int) -> int:
        """The control that is overridden for an order: for the one that was refused, where one was by that id."""
        rule, lots, since, until = self.overrides[child.id]
        refused = self._refused.get(child.id)
        same = refused is None or msgspec.structs.replace(refused, time=child.time) == child
        return rule if since <= now <= until and same and child.lots <= lots else 0

    def _judged(self, id: str, wanted: Child, rule: int, now: int) -> Refused:
        """A control's refusal, in words."""
        said = self._said
        was, limit, scope = said.was, said.limit, self.firm.scope_name(said.scope)
        text = sentence(rule, said.why, Terms(self.firm.limits, wanted.symbol, scope, wanted.side, was, limit))
        under = f" (under the posture {self.firm.state})" if self.firm.state not in ("", "NORMAL") else ""
        return self._refusal(id, rule, limit, was, now, text + under)

    def _refusal(self, id: str, rule: int, limit: float, was: float, now: int, text: str) -> Refused:
        return Refused(id=id, rule=RULES[rule], limit=limit, was=was, time=now, text=text)


def fault_of(fault: Exception) -> str:
    """What has gone wrong, in one line."""
    said = str(fault).partition("\n")[0]
    return said if isinstance(fault, BadInput) else f"{type(fault).__name__}: {said}"


def unpermitted(child: Child, strategy: Strategy) -> str:
    """What of a child its strategy may not, in a sentence."""
    terms = {name: (getattr(child, name), list(getattr(strategy, f"{name}s"))) for name in ("account", "venue", "symbol", "side")}
    name, (value, known) = next((name, pair) for name, pair in terms.items() if pair[0] not in pair[1])
    return f"{name} was {value!r}; expected one of {known}"


def usual(child: Child) -> bool:
    """Whether a child is a limit order that fits, at a glance: most are."""
    lots, tick = child.lots, child.tick
    return (
        child.kind is LIMIT
        and type(lots) is int
        and 1 <= lots <= LARGEST_SIZE
        and type(tick) is int
        and 1 <= tick <= LARGEST_TICK
        and child.stop_tick is None
        and child.expires is None
        and child.lifetime != GTD
        and child.side in (1, -1)
        and bool(child.id)
    )


def misfit(child: Child) -> str:
    """What of a child is no number, no word or no sense, in a sentence; empty where all fits."""
    if child.side not in (1, -1):
        return f"side was {child.side!r}; expected 1 or -1"
    if child.kind not in KINDS or not child.id:
        return f"kind was {child.kind!r} and id {child.id!r}; expected {', '.join(KINDS)}, and a name"
    wrong = _no_whole("lots", child.lots, LARGEST_SIZE)
    if child.kind in LIMITED:
        wrong = wrong or _no_whole("tick", child.tick, LARGEST_TICK)
    if child.kind in STOPPED:
        wrong = wrong or _no_whole("stop_tick", child.stop_tick, LARGEST_TICK)
    elif child.stop_tick is not None:  # or it would be judged as what waits for that price, and sent as what does not
        return f"stop_tick was {child.stop_tick!r} of a {child.kind} order; expected none"
    if child.lifetime == GTD or child.expires is not None:
        wrong = wrong or _no_whole("expires", child.expires, ALWAYS)
    return wrong


def _no_whole(name: str, value: Any, most: int) -> str:
    return "" if type(value) is int and 1 <= value <= most else f"{name} was {value!r}; expected a whole number from 1 to {most}"
