"""The journal: what was meant, sent and heard, in order, durable before anybody acts on it.

Callers queue rows; one thread commits all that waits as one transaction (group commit) and tells each caller. A write that fails ends the
journal: every waiting and every later append raises, so that nothing is sent which is not written.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, Self

import msgspec

from tercet.errors import BadInput, TercetError, not_installed
from tercet.orders.chain import DIGEST, KIND_OF, KINDS, Damaged, Note, Row, Tail, decoded, hash_of, walk
from tercet.orders.sqlite import SqliteStore


class NotDurable(TercetError):
    """A record that may not be on the disk: what it announces must not be done."""


class Store(Protocol):
    """Where rows are kept. `add` returns when they are durable; `name` stands in messages; `seed` begins the chain; `caveat` says why
    rows that are missing at the end would not be noticed, empty where they would.
    """

    name: Any
    seed: bytes
    caveat: str

    def tail(self) -> Tail:
        """The last row; Damaged where it is known that rows are missing after it."""

    def add(self, rows: list[Row]) -> None:
        """Rows that follow the last ones, all or none."""

    def read(self) -> Iterator[Row]:
        """Every row in order."""

    def close(self) -> None:
        """Lets it go."""


@dataclass(frozen=True)
class Settings:
    """How a journal is written."""

    waiting: int = field(default=65_536, metadata={"help": "Records that may wait for the disk; further callers wait themselves."})
    commit: int = field(default=16_384, metadata={"help": "Records in one transaction at most, unless one caller brings more."})


class Ticket:
    """The receipt of one append."""

    __slots__ = ("_journal", "_number", "_rows", "_seq")

    def __init__(self, journal: "Journal", number: int, rows: list[tuple[int, str, bytes]]) -> None:
        self._journal, self._number, self._rows, self._seq = journal, number, rows, 0

    def done(self) -> bool:
        """Whether the records are durable."""
        return self._number <= self._journal._durable

    def result(self, timeout: float | None = None) -> int:
        """Waits until the records are durable and returns the number of their last row; NotDurable where they will not be, or in time."""
        if not self.done():
            self._journal._wait_for(self._number, timeout)
        return self._seq


class Journal:
    """An open journal, safe to call from any thread; `with` closes it."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], int]) -> None:
        self.store, self._settings, self._clock = store, settings, clock
        self._seq, self._time, self._hash = store.tail()
        self._read_clock = self._time
        self._queue: deque[Ticket] = deque()
        self._taken = self._durable = self._waiting = 0
        self._closing, self._broken = False, ""
        lock = threading.Lock()
        self._work, self._room, self._news = (threading.Condition(lock) for _ in range(3))
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()
        if store.caveat:
            self.append((Note(store.caveat),))

    def append(self, messages: Sequence[Any], kind: str | None = None) -> Ticket:
        """Queue messages to be written together; their kind is that of their type unless it is given (`refused`, `command`).

        Waits only where the queue is full. Nothing is durable before the ticket's `result()` has returned.
        """
        encode = msgspec.msgpack.encode
        packed = [(kind or _kind_of(message), encode(message)) for message in messages]
        if not packed or (kind is not None and kind not in KINDS):
            raise BadInput(f"append of {len(packed)} records of kind {kind!r}; expected 1 or more, of a kind among {', '.join(KINDS)}")
        with self._work:
            while self._waiting and self._waiting + len(packed) > self._settings.waiting and not (self._broken or self._closing):
                self._room.wait()
            self._refuse_broken()
            now, notes = self._now()
            self._taken += 1
            ticket = Ticket(self, self._taken, [(now, name, payload) for name, payload in (*notes, *packed)])
            self._queue.append(ticket)
            self._waiting += len(ticket._rows)
            self._work.notify()
        return ticket

    def close(self) -> None:
        """Writes what waits, then lets the store go."""
        with self._work:
            self._closing = True
            self._work.notify_all()
            self._room.notify_all()
        self._thread.join()
        self.store.close()

    def __enter__(self) -> Self:
        """The journal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    @property
    def head(self) -> str:
        """The hash of the last durable row: kept elsewhere, it shows later that no row was cut from the end."""
        with self._work:
            return self._hash.hex()

    def _now(self) -> tuple[int, list[tuple[str, bytes]]]:
        """The time for a row, never before the last one, and a note where the clock has stepped back."""
        read = self._clock()
        notes = []
        if read < self._read_clock:
            back = (self._read_clock - read) / 1e9
            text = f"the clock stepped back by {back:.9f} s, from {self._read_clock} to {read} ns; rows keep the later time"
            notes.append((KIND_OF[Note], msgspec.msgpack.encode(Note(text))))
        self._read_clock, self._time = read, max(read, self._time)
        return self._time, notes

    def _write(self) -> None:
        """The writer's life: take what waits, commit it, tell."""
        try:
            while tickets := self._take():
                rows = self._chained(tickets)
                self.store.add(rows)
                self._tell(tickets, rows)
        except BaseException as error:  # whatever it is, nobody may go on as if it were written
            told = str(error) if isinstance(error, TercetError) else f"{self.store.name}: expected to write the journal, found: {error!r}"
            self._end(f"{told}: nothing more is written, and nothing may be sent")

    def _take(self) -> list[Ticket]:
        """The tickets of the next transaction; none when the journal is closed and all is written."""
        taken: list[Ticket] = []
        rows = 0
        with self._work:
            while not (self._queue or self._closing):
                self._work.wait()
            while self._queue and (not taken or rows + len(self._queue[0]._rows) <= self._settings.commit):
                rows += len(self._queue[0]._rows)
                taken.append(self._queue.popleft())
        return taken

    def _chained(self, tickets: Iterable[Ticket]) -> list[Row]:
        seq, hash_, rows = self._seq, self._hash, []
        for ticket in tickets:
            for time_, kind, payload in ticket._rows:
                seq += 1
                hash_ = hash_of(hash_, seq, time_, kind, payload)
                rows.append((seq, time_, kind, payload, hash_))
            ticket._seq = seq
        return rows

    def _tell(self, tickets: list[Ticket], rows: list[Row]) -> None:
        with self._work:
            self._seq, self._hash = rows[-1][0], rows[-1][4]
            self._waiting -= len(rows)
            self._durable = tickets[-1]._number
            for ticket in tickets:
                ticket._rows = []
            self._room.notify_all()
            self._news.notify_all()

    def _end(self, sentence: str) -> None:
        with self._work:
            self._broken = sentence
            for each in (self._work, self._room, self._news):
                each.notify_all()

    def _wait_for(self, number: int, timeout: float | None) -> None:
        with self._news:
            told = self._news.wait_for(lambda: self._durable >= number or bool(self._broken), timeout)
            if self._durable >= number:
                return
            if told:
                raise NotDurable(self._broken)
        raise NotDurable(
            f"{self.store.name}: expected the disk to answer within {timeout} s, found it silent: the records may not be durable"
        )

    def _refuse_broken(self) -> None:
        if self._broken:
            raise NotDurable(self._broken)
        if self._closing:
            raise NotDurable(f"{self.store.name}: expected an open journal, found a closed one")


@dataclass(frozen=True)
class Verdict:
    """What `verify` found: whole, or in one sentence what does not fit."""

    rows: int  # that fit
    first: int  # the first row's time, ns; 0 without rows
    last: int
    head: str  # the hash of the last row that fits
    fault: str = ""


def open_journal(where: str | Path, settings: Settings | None = None, clock: Callable[[], int] = time.time_ns) -> Journal:
    """Opens a journal to write it, and makes it where there is none; one process at a time. `where` is a file,
    or a database by its address (postgresql://...).

    BadInput for another writer, another format or a place that cannot be written; Damaged where rows are known to be missing. The chain
    itself is read by `recover`, without which nothing can be sent.
    """
    store = open_store(where, writing=True)
    try:
        return Journal(store, settings or Settings(), clock)
    except BaseException:
        store.close()
        raise


def open_store(where: str | Path, *, writing: bool = False) -> Store:
    """The rows at `where`: a file, or a database by its address (postgresql://...), which needs the extra `postgres`."""
    if not str(where).startswith(("postgresql://", "postgres://")):
        return SqliteStore(Path(where), writing=writing)
    try:
        from tercet.orders.postgres import PostgresStore  # noqa: PLC0415 - psycopg is an extra
    except ImportError as error:
        raise not_installed("psycopg", "postgres") from error
    return PostgresStore(str(where), writing=writing)


def verify(where: str | Path, head: str | None = None) -> Verdict:
    """Walks the whole chain and says the first row that does not fit: changed, removed or inserted.

    Rows cut from the end leave a chain that is whole: only a head (the last row's hash) that was kept elsewhere can show that to who trusts
    nothing on this disk. `head` is such a one: some row must have it, the last or, where the journal has grown since, one before. Without
    it JOURNAL.head has to say which row was the last: a journal that has lost it does not pass. BadInput for a `head` that is no hash.
    """
    head = head if head is None else head.lower()
    if head is not None and not _HASH.fullmatch(head):
        raise BadInput(f"head was {head!r}; expected the hash of a row, {2 * DIGEST} digits and letters from 0 to f")
    store = open_store(where)
    rows, first, last, hash_, found = 0, 0, 0, store.seed, head in (None, store.seed.hex())
    try:
        for row in walk(store.read(), store.seed, store.name):
            decoded(row, store.name)
            rows, last, hash_ = row[0], row[1], row[4]
            first, found = first or last, found or hash_.hex() == head
        store.tail()
    except Damaged as error:
        return Verdict(rows, first, last, hash_.hex(), str(error))
    finally:
        store.close()
    fault = "" if found else f"{store.name}: no row has the hash {head}: rows were cut from the end, or it is another journal"
    return Verdict(rows, first, last, hash_.hex(), fault or (store.caveat if head is None else ""))


_HASH: Final = re.compile(f"[0-9a-f]{{{2 * DIGEST}}}")


def _kind_of(message: Any) -> str:
    kind = KIND_OF.get(type(message))
    if kind is None:
        raise BadInput(f"a message of type {type(message).__name__} has no kind of its own; expected its kind to be given")
    return kind
