"""A little order process that can be killed at every step, and the venue outside of it that goes on: for test_journal.py.

`python order_process.py FOLDER` lives it again and again, killed once at each step (and again while it recovers), then lets it live to
its end, and prints a line of JSON a time: where it was killed, what the venue received and executed, and what the journal knows.
"""

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tercet.messages import GATE_STAMP, Approved, Child, Happening, OrderState, Report
from tercet.orders import sqlite
from tercet.orders.journal import Journal, open_journal
from tercet.orders.recovery import NotSent, Outbox, Recovered, recover

GOALS = (("AAPL", "MSFT"), ("AAPL",))  # a batch of two orders, then one more


def child(id_: str, symbol: str = "AAPL", lots: int = 5) -> Child:
    """An order."""
    return Child(id=id_, strategy="s", account="a", symbol=symbol, venue="v", side=1, lots=lots, time=1, tick=100)


def passed(messages: list[Any]) -> list[Approved]:
    """Messages as the gate hands them on."""
    return [Approved(message, message.time, stamp=GATE_STAMP) for message in messages]


def report(order: str, happening: Happening, exec_id: str = "", **more: Any) -> Report:
    """What a venue says."""
    about = {"time": 1, "symbol": "AAPL", "account": "a", "side": 1} | more
    return Report(exec_id=exec_id, order=order, happening=happening, **about)


class Venue:
    """What it has received is in a file of its own, which a kill of the order process does not touch. It fills each order in two parts."""

    def __init__(self, folder: Path, step: Callable[[str], None] = lambda _: None) -> None:
        self.folder, self._step, self.inbox = folder, step, list[Report]()

    def send(self, approved: Approved) -> None:
        """The order process's gateway."""
        message: Any = approved.message
        self._step("before send")
        with (self.folder / "received").open("a") as file:
            file.write(f"{message.id} {message.symbol}\n")
        self.inbox += self.fills()[-2:]
        self._step("after send")

    def ask_status(self, order: str) -> None:
        """Answers at once."""
        state = OrderState.FILLED if order in self.received() else OrderState.REJECTED
        self.inbox.append(report(order, Happening.STATUS, state=state))

    def replay(self) -> None:
        """Every fill once more."""
        self.inbox += self.fills()

    def received(self) -> list[str]:
        """The ids that arrived, each as often as it did."""
        return [line.split()[0] for line in self._lines()]

    def fills(self) -> list[Report]:
        """What was executed: all that arrived."""
        return [fill(*line.split(), part) for line in self._lines() for part in (1, 2)]

    def _lines(self) -> list[str]:
        path = self.folder / "received"
        return path.read_text().splitlines() if path.exists() else []


def fill(order: str, symbol: str, part: int) -> Report:
    """One of the two parts in which an order is filled."""
    return report(order, Happening.FILLED, f"{order}/{part}", lots=part, price=100.0, symbol=symbol, left=2 - part)


class Steps:
    """Counts the steps and kills this process before number `kill`."""

    def __init__(self, kill: int, seen: Path) -> None:
        self._left, self._seen, self._lock = kill, seen, threading.Lock()

    def __call__(self, name: str) -> None:
        """One step."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._seen.write_text(name)
                os.kill(os.getpid(), signal.SIGKILL)


def live(folder: Path, step: Callable[[str], None]) -> None:
    """One life: recover, ask, hear again what may have been missed, and only then trade what is not traded yet."""
    sqlite.CHUNK = 1  # several statements in a group commit
    step("start")
    with open_journal(folder / "journal") as journal:
        spy_on(journal, step)
        recovered = recover(journal)
        venue = Venue(folder, step)
        outbox = Outbox(journal, venue, recovered)
        filled = {message.order for message in recovered.messages if is_fill(message)}
        refuses_what_is_in_doubt(outbox, recovered)
        outbox.resolve()
        venue.replay()
        hear(outbox, venue, filled, step)
        assert not outbox.blocked
        for number, symbols in enumerate(GOALS):
            ids = [f"{number}{symbol}" for symbol in symbols]
            wanted = [new_child(id_, recovered) for id_ in ids if not any(done.startswith(id_) for done in filled)]
            if wanted:
                outbox.send(passed(wanted))
            hear(outbox, venue, filled, step)


def new_child(goal: str, recovered: Recovered) -> Child:
    """An order for a goal under an id that was never used: what the venue has never got is meant anew, not sent again."""
    tried = sum(isinstance(message, Child) and message.id.startswith(goal) for message in recovered.messages)
    return child(f"{goal}.{tried}", goal[1:], 3)


def refuses_what_is_in_doubt(outbox: Outbox, recovered: Recovered) -> None:
    """UNKNOWN blocks its symbol and no other."""
    doubtful = {message.symbol for message in recovered.open.doubtful.values() if isinstance(message, Child)}
    assert outbox.blocked == doubtful
    for symbol in doubtful:
        try:
            outbox.send(passed([child("never", symbol)]))
        except NotSent:
            continue
        raise AssertionError(f"{symbol} is in doubt, and an order went out")


def hear(outbox: Outbox, venue: Venue, filled: set[str], step: Callable[[str], None]) -> None:
    """Reports: journaled, then acted upon."""
    reports, venue.inbox = venue.inbox, []
    step("before journaled")
    fresh = outbox.receive(reports)
    step("before acted")
    filled |= {report.order for report in fresh if is_fill(report)}
    step("after acted")


def is_fill(message: Any) -> bool:
    """Whether a message is an execution."""
    return isinstance(message, Report) and message.happening is Happening.FILLED


def spy_on(journal: Journal, step: Callable[[str], None]) -> None:
    """A step before every statement of every transaction, and before and after the head is said."""
    store: Any = journal.store
    say = store._say_head

    def say_head(seq: int, hash_: bytes) -> None:
        step("committed")
        say(seq, hash_)
        step("head said")

    store._say_head = say_head
    store._db.set_trace_callback(lambda sql: step(sql.split()[0]))


def in_a_process(folder: Path, kill: int) -> int:
    """The exit status of one life in a process of its own; -9 where it was killed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            live(folder, Steps(kill, folder / "step"))
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def told(folder: Path, kills: tuple[int, ...]) -> dict[str, Any]:
    """Kills it at these steps of its lives, lets it live once more, and says how it ended."""
    folder.mkdir()
    killed = [in_a_process(folder, kill) for kill in kills]
    step = (folder / "step").read_text() if (folder / "step").exists() else ""
    ended = in_a_process(folder, 0)
    venue, known = Venue(folder), [message for message in recover(folder / "journal").messages if is_fill(message)]
    said = {"kills": kills, "killed": killed, "step": step, "ended": ended, "received": venue.received()}
    said |= {"executed": sorted(fill.exec_id for fill in venue.fills()), "known": sorted(fill.exec_id for fill in known)}
    shutil.rmtree(folder)
    return said


def main(folder: Path) -> None:
    """Every step, and at some of them a second kill while it recovers."""
    kill = whole = 0
    while whole < 3:  # a life has a step more or less, as rows happen to share a commit
        kill += 1
        said = told(folder / str(kill), (kill,))
        print(json.dumps(said), flush=True)
        whole = whole + 1 if said["killed"] == [0] else 0
        print(json.dumps(told(folder / f"{kill}again", (kill, 1 + kill * 7 % 23))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
