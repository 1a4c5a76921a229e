"""Start-up is recovery: read the journal, ask the venue about every intent that nobody answered, and only then trade.

What may have been sent is never sent again. Until the venue says where such an order stands, its symbol takes no new order. Executions
that were missed come by the venue's resend or drop copy, through `receive` like all others.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from tercet.errors import TercetError
from tercet.messages import Approved, Cancel, Child, Happening, OrderState, Report
from tercet.orders.chain import ACTS, INTENTS, KIND_OF, Act, Intent, Sent, decoded, walk
from tercet.orders.journal import Journal, Store, Ticket, open_store

TIMED_OUT, STATUS = Happening.TIMED_OUT, Happening.STATUS  # once: to look them up costs as much as to fold a report
ENDED: Final = (Happening.CANCELED, Happening.REJECTED, Happening.EXPIRED, Happening.DONE_FOR_DAY, Happening.STATUS)
ANSWERS_CANCEL: Final = frozenset((*ENDED, Happening.CANCEL_REJECTED))
ANSWERS_REPLACE: Final = frozenset((*ENDED, Happening.REPLACE_REJECTED))
_SAYS: Final = frozenset(KIND_OF[kind] for kind in ACTS)
EXECUTIONS: Final = (Happening.FILLED, Happening.BUSTED, Happening.CORRECTED)  # a tuple: an enum's hash is slow


class NotSent(TercetError):
    """An intent that was not sent."""


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

        NotSent, with none written, for what the gate has not approved, an id that was used before, a symbol in doubt (cancels go through)
        or a target that nobody knows. An error of the journal sends none, one of the gateway none of those that follow; those that nobody
        has answered are then in doubt.
        """
        if unchecked := [one for one in approved if type(one) is not Approved]:
            raise NotSent(f"{unchecked[0]!r} is not approved; expected what the gate has let through")
        messages = [one.message for one in approved]
        with self._lock:
            self._refuse(messages)
            for message in messages:
                self._open.intend(message)
            ticket = self._queued(messages)  # under the lock: the journal has intents in the order of the fold
        try:
            ticket.result()
            for one in approved:
                self._gateway.send(one)
                self._journal.append((Sent(one.message.id),))
        except BaseException:
            self._doubt_all(messages)
            raise

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

    def _queued(self, messages: Sequence[Intent]) -> Ticket:
        try:
            return self._journal.append(messages)
        except BaseException:
            self._doubt_all(messages)
            raise

    def _doubt_all(self, messages: Sequence[Intent]) -> None:
        for message in messages:
            self.doubt(message.id)

    def _is_new(self, report: Report) -> bool:
        if report.happening not in EXECUTIONS:
            return True
        packed = msgspec.msgpack.encode(report)
        known = packed in self._heard
        self._heard.add(packed)
        return not known

    def _refuse(self, messages: Sequence[Intent]) -> None:
        fresh: dict[str, str] = {}
        blocked = self._open.blocked
        for message in messages:
            if message.id in self._open.symbols or message.id in fresh:
                raise NotSent(f"order {message.id}: its id was used before; expected a new one")
            symbol = self._symbol(message, fresh)
            if symbol is None:
                raise NotSent(f"order {message.id}: its target is unknown; expected an order of this journal")
            if symbol in blocked and not isinstance(message, Cancel):
                raise NotSent(f"order {message.id}: {symbol} is blocked by an order that is UNKNOWN; expected that to be resolved first")
            fresh[message.id] = symbol

    def _symbol(self, message: Intent, fresh: dict[str, str]) -> str | None:
        """The symbol that an intent is about; None where its target is neither in the journal nor among the `fresh` before it."""
        if isinstance(message, Child):
            return message.symbol
        return fresh.get(message.target) or self._open.symbols.get(message.target)
