"""Start-up is recovery: read the journal, ask the venue about every intent that nobody answered, and only then trade.

What may have been sent is never sent again. Until the venue says where such an order stands, its symbol takes no new order. Executions
that were missed come by the venue's resend or drop copy, through `receive` like all others.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from tercet.errors import TercetError
from tercet.messages import Approved, Cancel, Child, Happening, OrderState, Refused, Report
from tercet.orders.chain import ACTS, INTENTS, KIND_OF, Act, Intent, Sent, decoded, walk
from tercet.orders.journal import Journal, Store, Ticket, open_store

TIMED_OUT, STATUS = Happening.TIMED_OUT, Happening.STATUS  # once: to look them up costs as much as to fold a report
ENDED: Final = (Happening.CANCELED, Happening.REJECTED, Happening.EXPIRED, Happening.DONE_FOR_DAY, Happening.STATUS)
ANSWERS_CANCEL: Final = frozenset((*ENDED, Happening.CANCEL_REJECTED))
ANSWERS_REPLACE: Final = frozenset((*ENDED, Happening.REPLACE_REJECTED))
_SAYS: Final = frozenset(KIND_OF[kind] for kind in ACTS)
EXECUTIONS: Final = (Happening.FILLED, Happening.BUSTED, Happening.CORRECTED)  # a tuple: an enum's hash is slow


ALONE: Final = "another order of its batch cannot be sent; expected all of them or none"


class NotSent(TercetError):
    """Intents that were not sent, for sure: `refused` names each, for the gate to free what it has reserved for them."""

    def __init__(self, text: str, refused: tuple[Refused, ...] = ()) -> None:
        super().__init__(text)
        self.refused = refused


class Gateway(Protocol):
    """The way to a venue. Its reports come back by `Outbox.receive`."""

    def send(self, approved: Approved) -> None:
        """Puts its message on the wire; an error means that nobody knows whether it arrived."""

    def ask_status(self, order: str) -> None:
        """Asks where an order stands; the answer is a STATUS report, REJECTED where the venue does not know the order.

        The question must not overtake the order: on an ordered session it cannot.
        """


@dataclass
class Open:
    """A fold of intents and reports: which intents wait for an answer, and which of those are in doubt (UNKNOWN)."""

    waiting: dict[str, Intent] = field(default_factory=dict)
    doubtful: dict[str, Intent] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)  # of every order id that was ever meant
    wishes: dict[str, list[str]] = field(default_factory=dict)  # cancels and replaces that wait, by the order that they are about

    def intend(self, message: Intent) -> None:
        """An intent: it waits from now on."""
        self.waiting[message.id] = message
        if isinstance(message, Child):
            self.symbols[message.id] = message.symbol
            return
        self.symbols[message.id] = self.symbols.get(message.target, "")
        self.wishes.setdefault(message.target, []).append(message.id)

    def hear(self, report: Report) -> None:
        """A report: what it answers waits no longer and is not in doubt; a time-out puts what waits in doubt."""
        if report.happening is TIMED_OUT:
            self.doubt(report.order)
        elif not (report.happening is STATUS and report.state is OrderState.UNKNOWN):
            self._settle(report.order)
            if report.replaces is not None:
                self._settle(report.replaces)
            for wish in self.wishes.get(report.order, ()):
                answers = ANSWERS_CANCEL if isinstance(self.waiting.get(wish), Cancel) else ANSWERS_REPLACE
                if report.happening in answers or report.left == 0:
                    self._settle(wish)

    def doubt(self, order: str) -> None:
        """Nobody has answered about this order: all that waits for it is in doubt."""
        for id_ in (order, *self.wishes.get(order, ())):
            if id_ in self.waiting:
                self.doubtful[id_] = self.waiting[id_]

    @property
    def blocked(self) -> frozenset[str]:
        """The symbols that take no new order."""
        return frozenset(self.symbols[id_] for id_ in self.doubtful)

    def _settle(self, id_: str) -> None:
        message = self.waiting.pop(id_, None)
        self.doubtful.pop(id_, None)
        if message is not None and not isinstance(message, Child):
            left = [wish for wish in self.wishes.pop(message.target) if wish != id_]
            if left:
                self.wishes[message.target] = left


@dataclass(frozen=True)
class Recovered:
    """What a journal says, in its order: what was sent and heard (`messages`), and what people and the gate's watch have said (`acts`).

    `open` has every intent without an answer in doubt; `heard` are the executions, as they were written; `caveat` says why rows that are
    missing at the end would not be noticed, empty where they would.
    """

    history: list[Any]
    open: Open
    heard: set[bytes]
    rows: int
    head: str
    caveat: str = ""

    @cached_property
    def messages(self) -> list[Any]:
        """The Child, Cancel, Replace and Report, to be folded into a ledger."""
        return [one for one in self.history if not isinstance(one, ACTS)]

    @cached_property
    def acts(self) -> tuple[Act, ...]:
        """The Command, Alert, LimitsChange, Comparison and Mandate."""
        return tuple(one for one in self.history if isinstance(one, ACTS))


def recover(journal: Journal | str | Path) -> Recovered:
    """Reads a whole journal, checks its chain and decodes it; Damaged where anything is not what was written."""
    if isinstance(journal, Journal):
        return _read(journal.store)
    store = open_store(journal)
    try:
        return _read(store)
    finally:
        store.close()


def _read(store: Store) -> Recovered:
    history: list[Any] = []
    heard: set[bytes] = set()
    open_ = Open()
    rows, hash_ = 0, store.seed
    for row in walk(store.read(), store.seed, store.name):
        rows, _, kind, payload, hash_ = row
        if kind == "report":
            report = decoded(row, store.name)
            history.append(report)
            open_.hear(report)
            if report.happening in EXECUTIONS:
                heard.add(payload)
        elif kind in INTENTS:
            history.append(message := decoded(row, store.name))
            open_.intend(message)
        elif kind in _SAYS:
            history.append(decoded(row, store.name))
    store.tail()
    open_.doubtful.update(open_.waiting)
    return Recovered(history, open_, heard, rows, hash_.hex(), store.caveat)


class Outbox:
    """The only way out: durable first, sent second, and nothing on a symbol in doubt. Safe to call from any thread."""

    def __init__(self, journal: Journal, gateway: Gateway, recovered: Recovered) -> None:
        self._journal, self._gateway, self._open, self._heard = journal, gateway, recovered.open, recovered.heard
        self._lock = threading.RLock()

    def resolve(self) -> list[str]:
        """Asks the venue about everything in doubt, and returns the ids that it asked for; the answers come by `receive`."""
        with self._lock:
            doubtful = list(self._open.doubtful.values())
        asked = list(dict.fromkeys(message.target if isinstance(message, Cancel) else message.id for message in doubtful))
        for order in asked:
            self._gateway.ask_status(order)
        return asked

    def send(self, approved: Sequence[Approved]) -> None:
        """Writes intents, waits until they are durable, and sends them in order.

        Orders go together or not at all, each cancel by itself. NotSent, once the rest has gone and the refusals are written, for what the
        gate has not approved, or before a kill or too long ago, an id that was used before, a symbol in doubt (cancels go through) or a
        target that nobody knows; `Gate.unsent` takes what it names. An error of
        the journal sends no order, one of the gateway none of those that follow; those that nobody has answered are then in doubt.
        """
        if unchecked := [one for one in approved if type(one) is not Approved]:
            raise NotSent(f"{unchecked[0]!r} is not approved; expected what the gate has let through")
        with self._lock:
            going, refused = self._sort_out(approved)
            for one in going:
                self._open.intend(one.message)
            ticket = self._queued(going, refused)  # under the lock: the journal has intents in the order of the fold
        if ticket is not None:
            self._wait_for(ticket, going)
        self._hand_over(going)
        if refused:
            first = sorted(refused, key=lambda one: one.text.endswith(ALONE))  # the causes before what they have kept back
            text = "; ".join(one.text for one in first[:3]) + (f"; and {len(first) - 3} more" if len(first) > 3 else "")
            raise NotSent(text, tuple(refused))

    def receive(self, reports: Sequence[Report]) -> list[Report]:
        """Writes reports, waits until they are durable, and returns those to act on: no execution that is written already.

        One that comes again in other words (another time or text) is not recognised here: the ledger knows it by its exec_id.
        """
        with self._lock:
            fresh = [report for report in reports if self._is_new(report)]
        if fresh:
            self._journal.append(fresh).result()
        with self._lock:
            for report in fresh:
                self._open.hear(report)
        return fresh

    def doubt(self, id_: str) -> None:
        """Nobody has answered about this intent in time: its symbol is blocked until somebody does."""
        with self._lock:
            if id_ in self._open.waiting:
                self._open.doubtful[id_] = self._open.waiting[id_]

    @property
    def blocked(self) -> frozenset[str]:
        """The symbols that take no new order."""
        with self._lock:
            return self._open.blocked

    def _queued(self, going: Sequence[Approved], refused: Sequence[Refused]) -> Ticket | None:
        rows = [*(one.message for one in going), *refused]
        try:
            return self._journal.append(rows) if rows else None
        except BaseException:
            self._cancel_unwritten(going)
            raise

    def _wait_for(self, ticket: Ticket, going: Sequence[Approved]) -> None:
        try:
            ticket.result()
        except BaseException:
            self._cancel_unwritten(going)
            raise

    def _cancel_unwritten(self, going: Sequence[Approved]) -> None:
        """What cannot be written is not sent, but for cancels: a full disk must not keep anybody's orders in the market."""
        self._doubt_all(going)
        for one in going:
            if isinstance(one.message, Cancel):
                with suppress(Exception):
                    self._gateway.send(one)

    def _hand_over(self, going: Sequence[Approved]) -> None:
        """To the gateway, in order: after an order that failed no other goes, and every cancel does."""
        errors: list[Exception] = []
        for one in going:
            cancels = isinstance(one.message, Cancel)
            if errors and not cancels:
                continue
            try:
                self._gateway.send(one)
                self._journal.append((Sent(one.message.id),))
            except Exception as error:  # raised below, once the cancels have gone
                errors.append(error)
            except BaseException:
                self._doubt_all(going)
                raise
        if errors:
            self._doubt_all(going)
            raise errors[0]

    def _doubt_all(self, going: Sequence[Approved]) -> None:
        for one in going:
            self.doubt(one.message.id)

    def _is_new(self, report: Report) -> bool:
        if report.happening not in EXECUTIONS:
            return True
        packed = msgspec.msgpack.encode(report)
        known = packed in self._heard
        self._heard.add(packed)
        return not known

    def _sort_out(self, approved: Sequence[Approved]) -> tuple[list[Approved], list[Refused]]:
        """What goes, in order, and why the rest does not: without one of the orders goes none of them."""
        fresh: dict[str, str] = {}
        problems = [self._problem(one, fresh) for one in approved]
        if any(problem and not isinstance(one.message, Cancel) for one, problem in zip(approved, problems, strict=True)):
            fresh = {}
            problems = [
                self._problem(one, fresh) if isinstance(one.message, Cancel) else problem or f"order {one.message.id}: {ALONE}"
                for one, problem in zip(approved, problems, strict=True)
            ]
        pairs = list(zip(approved, problems, strict=True))
        return [one for one, problem in pairs if not problem], [_refusal(one, problem) for one, problem in pairs if problem]

    def _problem(self, one: Approved, fresh: dict[str, str]) -> str:
        """Why a message cannot be sent, in a sentence; empty where it can: its symbol is then among the `fresh`, by its id."""
        message = one.message
        if void := one.void:
            return f"order {message.id}: {void}"
        if message.id in self._open.symbols or message.id in fresh:
            return f"order {message.id}: its id was used before; expected a new one"
        symbol = self._symbol(message, fresh)
        if symbol is None:
            return f"order {message.id}: its target is unknown, {getattr(message, 'target', '')}; expected an order of this journal"
        if symbol in self._open.blocked and not isinstance(message, Cancel):
            return f"order {message.id}: {symbol} is blocked by an order that is UNKNOWN; expected that to be resolved first"
        fresh[message.id] = symbol
        return ""

    def _symbol(self, message: Intent, fresh: dict[str, str]) -> str | None:
        """The symbol that an intent is about; None where its target is neither in the journal nor among the `fresh` before it."""
        if isinstance(message, Child):
            return message.symbol
        return fresh.get(message.target) or self._open.symbols.get(message.target)


def _refusal(one: Approved, problem: str) -> Refused:
    return Refused(id=one.message.id, rule="not_sent", limit=0.0, was=1.0, time=one.time, text=problem)
