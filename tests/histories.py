"""Recorded days made by hand or at random, with our orders in them and the plain replay of the same messages beside them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.book import invariants
from tercet.book.records import CANCEL_OWN, CHILD, REPLACE_OWN, SUBMIT
from tercet.book.replay import apply, start
from tercet.book.state import LIMIT, new_books
from tercet.market.events import ADD, BUY, CANCEL, EVENT, HALT, HIDDEN, LEVEL_ROW, REDUCE, REVEAL, SELL, TRADE
from tercet.sim import history
from tercet.sim.episode import advance
from tercet.sim.open import open_history
from tercet.sim.state import new_scratch
from tercet.sim.wire import send

SIZE = (64, 256)  # levels and orders: one shape for all, since each is compiled anew
WORDS = {"add": ADD, "reduce": REDUCE, "cancel": CANCEL, "trade": TRADE, "hidden": HIDDEN, "halt": HALT, "reveal": REVEAL}
Level = tuple[int, int]  # side and tick


def tape(*lines: tuple[Any, ...]) -> NDArray[np.void]:
    """EVENTs of lines (time, word, side, tick, lots, id, and the part of a tick where there is one)."""
    events = np.zeros(len(lines), EVENT).view(np.recarray)
    for event, (time, word, side, tick, lots, id, *finer) in zip(events, lines, strict=True):
        event["time"], event["kind"], event["side"], event["tick"] = time, WORDS[word], side, tick
        event["lots"], event["id"], event["finer"] = lots, id, finer[0] if finer else 0
    return events


def start_state(levels: Iterable[tuple[int, int, int]]) -> Any:
    """LEVEL_ROWs of (side, tick, lots)."""
    return np.array([(tick, side, lots) for side, tick, lots in levels], LEVEL_ROW).view(np.recarray)


def child(verb: int = SUBMIT, side: int = BUY, tick: int = 0, lots: int = 0, kind: int = LIMIT, handle: int = 0) -> Any:
    """A CHILD record."""
    row = np.zeros(1, CHILD).view(np.recarray)[0]
    row.verb, row.side, row.tick, row.lots, row.kind, row.handle = verb, side, tick, lots, kind, handle
    return row


def public(book: Any) -> Counter[Level]:
    """The public's lots at every level that holds any."""
    lots: Counter[Level] = Counter()
    rows = np.asarray(book.orders)[1 : int(book.used) + 1]
    for order in rows[(rows["lots"] > 0) & (rows["owner"] == 0)]:
        lots[int(order["side"]), int(order["side"]) * int(order["key"])] += int(order["lots"])
    return lots


def differing(table: Any) -> Counter[Level]:
    """The lots of a table of altered orders at every level that it names."""
    lots: Counter[Level] = Counter()
    for row in np.asarray(table.rows)[: int(table.count)]:
        lots[int(row["side"]), int(row["tick"])] += int(row["lots"])
    return lots


class World:
    """A recorded day in which our orders stand, and the plain replay beside it; every step checks what must always hold."""

    def __init__(self, levels: Iterable[tuple[int, int, int]] = (), events: NDArray[np.void] | None = None, hidden_first: bool = True):
        """levels: (side, tick, lots) of the start state."""
        rows = start_state(levels)
        self.events = tape() if events is None else events
        self.sim = open_history(rows, SIZE)
        self.sim.hidden_first = hidden_first
        self.scratch = new_scratch(self.sim, 256)
        self.plain = new_books(1, *SIZE)[0]
        start(self.plain, rows)
        self.asked: dict[int, int] = {}  # by handle, the most lots that its order ever asked for
        self.missing = 0  # lots that the plain replay did not have

    def send(self, row: Any, now: int) -> int:
        """Send a child at `now`, with the market as it stands then; returns the handle, or -1."""
        self.until(now)
        handle = int(send(self.sim, row, now))
        if handle >= 0 and row.verb != CANCEL_OWN:
            self.asked[handle] = max(self.asked.get(handle, 0), int(row.lots))
        self.until(now)
        return handle

    def ours(self, now: int, side: int, tick: int, lots: int, kind: int = LIMIT) -> int:
        """Submit an order of ours at `now`; returns its handle."""
        return self.send(child(SUBMIT, side, tick, lots, kind), now)

    def cancel(self, now: int, handle: int) -> int:
        """Cancel an order of ours."""
        return self.send(child(CANCEL_OWN, handle=handle), now)

    def replace(self, now: int, handle: int, tick: int, lots: int, kind: int = LIMIT) -> int:
        """Change an order of ours; `lots` is its whole size."""
        return self.send(child(REPLACE_OWN, tick=tick, lots=lots, kind=kind, handle=handle), now)

    def until(self, time: int) -> None:
        """Let everything happen up to and including `time`, one step at a time."""
        while self.sim.cursor < len(self.events) and self.events[self.sim.cursor]["time"] <= time:
            before = int(self.sim.cursor)
            advance(self.sim, self.events, int(self.events[before]["time"]) - 1, self.scratch)  # what arrives before it
            history.step(self.sim, self.events, self.scratch)
            for i in range(before, int(self.sim.cursor)):
                self.missing += int(apply(self.plain, self.events[i]))
            self.check()
        advance(self.sim, self.events, time, self.scratch)
        self.check()

    def end(self) -> "World":
        """Let the whole day happen."""
        self.until(int(self.events["time"][-1]) if len(self.events) else 0)
        return self

    def check(self) -> None:
        """Lots are conserved at every level, no invariant is broken, and we are never filled beyond what we asked for."""
        assert invariants.BROKEN.get(int(invariants.broken(self.sim.book))) is None
        expected = public(self.plain)
        expected.update(differing(self.sim.phantoms))
        expected.subtract(differing(self.sim.removed))
        assert public(self.sim.book) == Counter({level: lots for level, lots in expected.items() if lots})
        assert self.sim.missing_lots == self.missing
        by_handle: Counter[int] = Counter()
        for fill in self.reports():
            by_handle[int(fill["handle"])] += int(fill["lots"])
        assert by_handle.total() == self.sim.filled
        assert all(lots <= self.asked[handle] for handle, lots in by_handle.items())

    def reports(self) -> NDArray[np.void]:
        """Our fills so far."""
        return np.array(self.scratch.reports[: int(self.scratch.count)])

    def fills(self) -> list[tuple[int, int, int]]:
        """Time, lots and tick of each fill of ours."""
        return [(int(fill["time"]), int(fill["lots"]), int(fill["tick"])) for fill in self.reports()]

    def standing(self, side: int, tick: int) -> int:
        """The public's lots at a level of our world."""
        return public(self.sim.book)[side, tick]

    def phantoms(self) -> dict[Level, int]:
        """Lots that stand only because an aggressor met us first."""
        return dict(differing(self.sim.phantoms))

    def removed(self) -> dict[Level, int]:
        """Recorded lots that we took."""
        return dict(differing(self.sim.removed))


class Recording:
    """Writes a day that hangs together: what it says is applied to a plain book, from which the next message is chosen."""

    def __init__(self, levels: Sequence[tuple[int, int, int]]) -> None:
        self.book = new_books(1, *SIZE)[0]
        start(self.book, start_state(levels))
        self.lines: list[tuple[Any, ...]] = []
        self.time, self.id = 1, 100

    def say(self, word: str, side: int, tick: int, lots: int, id: int, finer: int = 0) -> None:
        """Write a message, and let it happen."""
        line = (self.time, word, side, tick, lots, id, finer)
        assert apply(self.book, tape(line)[0]) == 0
        self.lines.append(line)

    def resting(self, side: int) -> list[tuple[int, int, int]]:
        """(tick, lots, id) of the orders of a side, best level first, oldest order first within what rests under a name."""
        rows = np.asarray(self.book.orders)[1 : int(self.book.used) + 1]
        rows = rows[(rows["lots"] > 0) & (rows["side"] == side)]
        return sorted(((side * int(o["key"]), int(o["lots"]), int(o["id"])) for o in rows), key=lambda o: (-side * o[0], o[2]))

    def best(self, side: int) -> int:
        """The best tick of a side; far from everything where it is empty."""
        orders = self.resting(side)
        return orders[0][0] if orders else 100 - 20 * side

    def message(self, word: str, side: int, a: int, b: int, c: int) -> None:
        """Write one message of that kind; `a`, `b` and `c` say which, where it has a choice."""
        orders = self.resting(side)
        if word == "add":
            self.id += 1
            self.say("add", side, self.best(-side) - side * (1 + a % 8), 1 + b % 9, self.id)
        elif word == "reveal":
            deep = orders[c % len(orders)][0] if orders else self.best(-side) - side
            if a % 7:
                self.say("reveal", side, deep - side * (1 + a % 4), 1 + b % 9, deep)
            else:  # nothing stands beyond
                self.say("reveal", side, -side * 2**30, 0, deep)
        elif word == "hidden":
            self.say("hidden", side, self.best(side) + side * (c % 3 - 1), 1 + b % 9, 0, 5000 * (a % 2))
        elif word == "trade":
            self.sweep(side, 1 + (a * b) % 30, c)
        elif orders:
            tick, lots, id = orders[a % len(orders)]
            if c % 5 == 0:  # a name that no one has heard
                level = sum(order[1] for order in orders if order[0] == tick)
                self.say("cancel", side, tick, 1 + b % level, 10_000 + a)
            elif word == "cancel" or lots == 1:
                self.say("cancel", side, tick, lots, id)
            else:
                self.say("reduce", side, tick, 1 + b % (lots - 1), id)

    def sweep(self, side: int, lots: int, c: int) -> None:
        """One aggressor trades with the orders of a side, a message a maker; makers may be unknown."""
        while lots > 0 and (orders := self.resting(side)):
            tick, here, id = orders[0]
            self.say("trade", side, tick, min(here, lots), 20_000 + c if c % 7 == 0 else id)
            lots -= here

    def events(self) -> NDArray[np.void]:
        """The day."""
        return tape(*self.lines)


BOTH = ((BUY, 99, 20), (BUY, 98, 30), (SELL, 101, 20), (SELL, 102, 30))
