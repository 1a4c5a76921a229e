"""The journal: what was told durable is there after any death, whole, in order, and nobody changes it unnoticed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import polars as pl
import pytest
from order_process import Venue, child, passed, report

from tercet.bench.journal import measure
from tercet.cli.app import main
from tercet.errors import BadInput
from tercet.messages import Approved, Cancel, Happening, OrderState, Refused, Replace, Report
from tercet.orders import sqlite
from tercet.orders.chain import Damaged, hash_of
from tercet.orders.journal import Journal, NotDurable, Settings, Verdict, open_journal, verify
from tercet.orders.recovery import Gateway, NotSent, Outbox, recover

HERE = Path(__file__).parent
ROWS = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "journal"


def written(path: Path, rows: int = ROWS) -> Path:
    """A journal of so many orders, a transaction each, closed."""
    with open_journal(path) as journal:
        for number in range(rows):
            journal.append([child(f"c{number}")]).result()
    return path


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT seq, time, kind, payload, hash FROM rows ORDER BY seq").fetchall()


def change(path: Path, *statements: str) -> None:
    """Other hands in the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    code = "from tercet.cli.app import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)


def python(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Some Python in a process of its own that finds the helpers of the tests."""
    search = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": search}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment)


# ---- what is written


def test_messages_come_back_in_order_as_they_were(path: Path) -> None:
    fill = report("c1", Happening.FILLED, "e1", lots=2, price=100.5, fee=-0.25)
    messages = [child("c1"), fill, Replace(id="c2", target="c1", lots=9, time=3, tick=101), Cancel(id="c3", target="c2", time=4)]
    with open_journal(path) as journal:
        assert journal.append(messages).result() == 4
        assert journal.append([Refused(id="a", rule="size", limit=5.0, was=7.0, time=1)]).result() == 5
    recovered = recover(path)
    assert recovered.messages == messages
    assert (recovered.rows, recovered.head) == (5, verify(path).head)


def test_a_journal_goes_on_where_it_ended(path: Path) -> None:
    written(path, 3)
    with open_journal(path) as journal:
        head = journal.head
        assert journal.append([child("more")]).result() == 4
    assert verify(path, head).fault == ""
    assert [message.id for message in recover(path).messages] == ["c0", "c1", "c2", "more"]


def test_eight_threads_lose_nothing_and_each_keeps_its_order(path: Path) -> None:
    def write(thread: int) -> list[int]:
        return [journal.append([child(f"{thread}-{number}"), child(f"{thread}-{number}b")]).result() for number in range(50)]

    with open_journal(path, Settings(waiting=8, commit=5)) as journal, ThreadPoolExecutor(8) as pool:
        told = list(pool.map(write, range(8)))
    ids = [message.id for message in recover(path).messages]
    assert len(ids) == len(set(ids)) == 800
    for thread, last in enumerate(told):
        assert [ids[seq - 1] for seq in last] == [f"{thread}-{number}b" for number in range(50)]
    assert verify(path) == Verdict(800, *(rows_of(path)[row][1] for row in (0, -1)), recover(path).head)


def test_many_batches_share_a_commit(path: Path) -> None:
    with open_journal(path) as journal:
        commits = count_commits(journal)
        tickets = [journal.append([child(f"c{number}")]) for number in range(2_000)]
        assert [ticket.result() for ticket in tickets] == list(range(1, 2_001))
    assert len(commits) < 1_000


def count_commits(journal: Journal) -> list[int]:
    commits: list[int] = []
    add = journal.store.add

    def counting(rows: list[Any]) -> None:
        commits.append(len(rows))
        add(rows)

    journal.store.add = counting  # type: ignore[method-assign]
    return commits


def test_a_full_queue_makes_callers_wait(path: Path) -> None:
    go = threading.Event()
    with open_journal(path, Settings(waiting=4, commit=4)) as journal:
        add = journal.store.add
        journal.store.add = lambda rows: (go.wait(), add(rows))[1]  # type: ignore[method-assign]
        first = [journal.append([child("a"), child("b")]) for _ in range(2)]
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(journal.append, [child("c")])
            with pytest.raises(TimeoutError):
                late.result(0.2)
            with pytest.raises(NotDurable, match=r"within 0\.01 s"):
                first[0].result(0.01)
            assert not first[0].done()
            go.set()
            assert late.result().result() == 5


def test_a_batch_larger_than_the_queue_passes(path: Path) -> None:
    with open_journal(path, Settings(waiting=2, commit=2)) as journal:
        assert journal.append([child(str(number)) for number in range(9)]).result() == 9


@pytest.mark.parametrize(("messages", "kind"), [([], None), ([object()], None), ([child("c")], "gossip")])
def test_what_has_no_kind_is_refused(path: Path, messages: list[Any], kind: str | None) -> None:
    with open_journal(path) as journal, pytest.raises(BadInput, match="expected"):
        journal.append(messages, kind)


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = open_journal(path)
    ticket = journal.append([child("c")])
    journal.close()
    assert ticket.result() == 1
    with pytest.raises(NotDurable, match="found a closed one"):
        journal.append([child("d")])


def test_a_clock_that_steps_back_is_noted_and_time_never_does(path: Path) -> None:
    readings = iter([100, 40, 50, 130])
    with open_journal(path, clock=lambda: next(readings)) as journal:
        for name in "abcd":
            journal.append([child(name)]).result()
    with open_journal(path, clock=lambda: 120) as journal:
        assert journal.append([child("e")]).result() == 7
    rows = rows_of(path)
    assert [row[1] for row in rows] == [100, 100, 100, 100, 130, 130, 130]
    assert [row[2] for row in rows] == ["child", "note", "child", "child", "child", "note", "child"]
    assert "from 100 to 40 ns" in msgspec.msgpack.decode(rows[1][3])["text"]
    assert "from 130 to 120 ns" in msgspec.msgpack.decode(rows[5][3])["text"]
    assert verify(path).fault == ""


# ---- who may open it


def test_a_second_writer_is_refused_and_readers_are_not(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([child("c")]).result()
        with pytest.raises(BadInput, match="expected to be its only writer, found another process"):
            open_journal(path)
        code = "import sys; from tercet.orders.journal import open_journal; open_journal(sys.argv[1])"
        assert "expected to be its only writer" in python(code, path).stderr
        assert recover(path).rows == 1
    open_journal(path).close()


@pytest.mark.parametrize("how", ["link", "link to a link", "folder", "dots", "hard link"])
def test_a_second_writer_by_another_name_is_refused(path: Path, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    with open_journal(path) as journal:
        journal.append([child("c")]).result()
        other = tmp_path / "sub" / "other"
        if how == "hard link":
            other.hardlink_to(path)
        elif how == "folder":
            (tmp_path / "linked").symlink_to(tmp_path)
            other = tmp_path / "linked" / "journal"
        elif how == "dots":
            other = Path("sub/../journal")
        else:
            (tmp_path / "first").symlink_to("journal")
            other.symlink_to("../journal" if how == "link" else "../first")
        with pytest.raises(BadInput, match="expected to be its only writer, found"):
            open_journal(other)
        assert journal.append([child("d")]).result() == 2
        assert how == "hard link" or recover(other).rows == 2
    assert verify(path).fault == ""


def test_a_journal_may_be_written_where_a_link_leads(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    assert verify(written(tmp_path / "link", 3)).fault == verify(path).fault == ""
    assert {"journal.head", "journal"} <= {file.name for file in tmp_path.iterdir()}
    assert not (tmp_path / "link.head").exists()


def test_another_format_is_refused(path: Path) -> None:
    change(written(path, 1), "UPDATE journal SET format = 2")
    for opening in (open_journal, verify, recover):
        with pytest.raises(BadInput, match="expected a journal of format 1, found 2"):
            opening(path)


@pytest.mark.parametrize("opening", [open_journal, verify, recover])
@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda path: path.mkdir(), "expected a journal, found a folder"),
        (os.mkfifo, "found a device or a pipe"),
        (lambda path: path.symlink_to(path.name), "found none|expected to write a journal there|symbolic links"),
        (lambda path: change(path, "CREATE TABLE places (url TEXT)"), "found table places: it is another program's"),
        (lambda path: change(path, "CREATE TABLE rows (seq INTEGER)"), "nothing else, found table rows"),
        (lambda path: written(path, 1).write_bytes(b""), "expected the journal whose row 1 was durable, found an empty file"),
    ],
)
def test_what_is_another_thing_than_a_journal_is_refused_and_stays_as_it_was(
    path: Path, opening: Callable[[Path], Any], made: Callable[[Path], Any], sentence: str
) -> None:
    made(path)
    content = path.read_bytes() if path.is_file() else b""
    with pytest.raises((BadInput, Damaged), match=sentence):
        opening(path)
    assert content == (path.read_bytes() if path.is_file() else b"")


PLANTED = "BEGIN DELETE FROM rows WHERE seq > 20; END"


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TRIGGER cut AFTER INSERT ON rows {PLANTED}",
        f"CREATE TRIGGER rows AFTER INSERT ON rows {PLANTED}",
        "CREATE VIEW journals AS SELECT * FROM journal",
        "CREATE INDEX by_time ON rows (time)",
        "CREATE TABLE more (a)",
        "ALTER TABLE rows ADD COLUMN note TEXT",
        "ALTER TABLE rows RENAME COLUMN payload TO content",
        "DROP TABLE journal",
        "ALTER TABLE rows RENAME TO other",
    ],
)
def test_what_other_hands_have_planted_among_the_tables_is_seen(path: Path, statement: str) -> None:
    change(written(path, 1), statement)
    for opening in (open_journal, verify, recover):
        with pytest.raises(Damaged, match="expected the two tables of a journal and nothing else, found"):
            opening(path)


def test_a_trigger_planted_while_it_is_open_ends_the_journal(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([child("c")]).result()
        change(path, f"CREATE TRIGGER cut AFTER INSERT ON rows {PLANTED}")
        with pytest.raises(NotDurable, match="other hands have changed them: nothing more is written"):
            journal.append([child("d")]).result()
    change(path, "DROP TRIGGER cut")
    assert (verify(path).rows, verify(path).fault) == (1, "")


def test_what_is_no_journal_is_a_sentence(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a journal, found none"):
        verify(path)
    path.write_bytes(b"no journal at all" * 500)
    for opening in (open_journal, verify, recover):
        with pytest.raises(Damaged, match="file is not a database"):
            opening(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="expected to write a journal there"):
        open_journal(tmp_path / "file" / "journal")


# ---- what has been changed


def forge(path: Path, seq: int) -> None:
    """Changes a row and its own hash, as somebody would who knows how."""
    before, (_, time, kind, _, _) = rows_of(path)[seq - 2 : seq]
    payload = msgspec.msgpack.encode(child("forged"))
    hash_ = hash_of(before[4], seq, time, kind, payload)
    change(path, f"UPDATE rows SET payload = x'{payload.hex()}', hash = x'{hash_.hex()}' WHERE seq = {seq}")


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["UPDATE rows SET payload = x'80' WHERE seq = 5"], "row 5 does not fit"),
        (["UPDATE rows SET time = time + 1 WHERE seq = 5"], "row 5 does not fit"),
        (["UPDATE rows SET kind = 'note' WHERE seq = 5"], "row 5 does not fit"),
        (["UPDATE rows SET hash = x'00' WHERE seq = 5"], "row 5 does not fit"),
        (["UPDATE rows SET time = (SELECT time FROM rows WHERE seq = 9) WHERE seq = 1"], "row 1 does not fit"),
        (["DELETE FROM rows WHERE seq = 5"], "row 5 is missing: row 6 follows row 4"),
        (["DELETE FROM rows WHERE seq = 1"], "row 1 is missing"),
        (["DELETE FROM rows WHERE seq = 5", "UPDATE rows SET seq = seq - 1 WHERE seq > 5"], "row 5 does not fit"),
        (["UPDATE rows SET seq = -seq WHERE seq > 5", "UPDATE rows SET seq = 1 - seq WHERE seq < 0",
          "INSERT INTO rows SELECT 6, time, kind, payload, hash FROM rows WHERE seq = 5"], "row 6 does not fit"),
        (["DELETE FROM rows WHERE seq > 30"], "ends at row 30, but journal.head says that row 40 was durable"),
        (["UPDATE journal SET id = x'00'"], "row 1 does not fit"),
        (["INSERT INTO journal SELECT * FROM journal"], "expected one header, found 2"),
    ],
)  # fmt: skip
def test_a_row_that_other_hands_changed_is_named(path: Path, statements: list[str], fault: str) -> None:
    change(written(path), *statements)
    with pytest.raises(Damaged, match=fault):
        recover(path)
    try:
        found = verify(path).fault
    except Damaged as error:
        found = str(error)
    assert fault in found


def test_a_row_changed_together_with_its_hash_betrays_itself_in_the_next(path: Path) -> None:
    forge(written(path), 5)
    verdict = verify(path)
    assert (verdict.rows, "row 6 does not fit" in verdict.fault) == (5, True)


def test_a_cut_tail_shows_against_a_head_that_was_kept(path: Path) -> None:
    seed = verify(written(path, 0)).head
    head = verify(written(path)).head
    change(path, "DELETE FROM rows WHERE seq > 30")
    Path(f"{path}.head").unlink()
    assert (verify(path).rows, verify(path).head) == (30, rows_of(path)[-1][4].hex())
    assert f"no row has the hash {head}" in verify(path, head).fault
    assert verify(path, verify(path).head).fault == verify(path, seed).fault == ""


@pytest.mark.parametrize("left", [None, "", "\0" * 86, f"{0:020d} {0:064d}\n"])
def test_a_journal_that_lost_its_head_does_not_pass_by_itself_and_the_next_writer_notes_it(path: Path, left: str | None) -> None:
    head = Path(f"{written(path)}.head")
    head.unlink() if left is None else head.write_text(left)
    sentence = "journal.head is missing or empty: rows cut from the end would not be noticed"
    assert (verify(path).rows, sentence in verify(path).fault, sentence in recover(path).caveat) == (ROWS, True, True)
    with open_journal(path) as journal:
        assert journal.append([child("more")]).result() == ROWS + 2
    assert sentence in msgspec.msgpack.decode(rows_of(path)[-2][3])["text"]
    assert (verify(path).fault, recover(path).caveat) == ("", "")


@pytest.mark.parametrize("head", ["", " ", "ff", "g" * 64, "f" * 63])
def test_a_head_that_is_no_hash_is_refused(path: Path, head: str) -> None:
    with pytest.raises(BadInput, match=rf"head was {head!r}; expected the hash of a row, 64 digits"):
        verify(written(path, 1), head)


def test_a_journal_swapped_for_another_or_gone_is_refused(path: Path, tmp_path: Path) -> None:
    written(path)
    written(tmp_path / "other").replace(path)
    with pytest.raises(Damaged, match=r"row 40 is not the one that journal\.head says was durable"):
        open_journal(path)
    path.unlink()
    with pytest.raises(Damaged, match="expected the journal whose row 40 was durable, found an empty file"):
        open_journal(path)


@pytest.mark.parametrize("words", ["yesterday", f"-5 {0:064d}", f"{2**63} {0:064d}", f"{9 * 10**30} 00", "1", f"1 {0:063d}g", "\ud800"])
def test_a_head_that_makes_no_sense_is_refused(path: Path, words: str) -> None:
    Path(f"{written(path, 2)}.head").write_bytes(words.encode(errors="surrogatepass"))
    for opening in (open_journal, verify, recover):
        with pytest.raises(Damaged, match=r"journal\.head: expected the number and hash of a row"):
            opening(path)


# ---- torn and broken files


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[Any]]:
    """The files of a journal whose process was killed with all its rows in the -wal, and its messages."""
    folder = tmp_path_factory.mktemp("died")
    code = f"""if True:
        import os, signal, sys
        from order_process import child
        from tercet.orders.journal import open_journal
        journal = open_journal(sys.argv[1])
        for number in range({ROWS}):
            journal.append([child(f"c{{number}}")] * 2).result()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert python(code, folder / "journal").returncode == -signal.SIGKILL
    files = {name: (folder / name).read_bytes() for name in ("journal", "journal-wal", "journal.head")}
    return files, recover(folder / "journal").messages


def laid_out(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for leftover in tmp_path.iterdir():
        leftover.unlink()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path / "journal"


def spots(size: int, count: int) -> Iterator[int]:
    return iter(range(0, size, max(1, size // count)))


def test_a_killed_process_loses_nothing_that_was_told_durable(died: tuple[dict[str, bytes], list[Any]]) -> None:
    assert len(died[1]) == 2 * ROWS


def test_a_log_cut_anywhere_is_told_and_what_is_left_is_a_prefix_of_whole_commits(died: Any, tmp_path: Path) -> None:
    files, messages = died
    lengths = set()
    for size in spots(len(files["journal-wal"]), 100):
        cut = laid_out(tmp_path, files | {"journal-wal": files["journal-wal"][:size]})
        with pytest.raises(Damaged if size > 25_000 else (BadInput, Damaged), match=r"was durable|found an empty file"):
            recover(cut)
        if size > 25_000:  # the header is in it
            (tmp_path / "journal.head").unlink()
            found = recover(cut).messages
            assert (found, len(found) % 2) == (messages[: len(found)], 0)
            lengths.add(len(found))
    assert len(lengths) > 20


def test_a_bit_changed_in_the_log_is_never_a_silent_loss(died: Any, tmp_path: Path) -> None:
    files, messages = died
    assert_told_or_whole(tmp_path, files, "journal-wal", messages, at_least=20)


def test_a_bit_changed_in_the_file_is_never_a_silent_loss(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made = written(tmp_path / "made" / "journal", 200)
    files = {name: (made.parent / name).read_bytes() for name in ("journal", "journal.head")}
    (tmp_path / "broken").mkdir()
    assert_told_or_whole(tmp_path / "broken", files, "journal", recover(made).messages, at_least=50)


def assert_told_or_whole(folder: Path, files: dict[str, bytes], name: str, messages: list[Any], at_least: int) -> None:
    """A changed bit either touches nothing that matters, or there is a sentence."""
    told = 0
    for spot in spots(len(files[name]), 150):
        content = bytearray(files[name])
        content[spot] ^= 1 << spot % 8
        broken = laid_out(folder, files | {name: bytes(content)})
        try:
            found, sentence = recover(broken).messages, ""
        except (Damaged, BadInput) as error:
            found, sentence = messages, str(error)
        assert (found == messages, str(broken) in sentence or not sentence) == (True, True)
        told += bool(sentence)
    assert told >= at_least


def test_a_file_cut_anywhere_is_never_a_silent_loss(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made = written(tmp_path / "made" / "journal", 200)
    files = {name: (made.parent / name).read_bytes() for name in ("journal", "journal.head")}
    (tmp_path / "broken").mkdir()
    for size in spots(len(files["journal"]), 60):
        with pytest.raises((Damaged, BadInput), match="journal: "):
            recover(laid_out(tmp_path / "broken", files | {"journal": files["journal"][:size]}))


# ---- a disk that refuses


FULL = """if True:
    import resource, signal, sys
    from order_process import Venue, child, passed
    from tercet.errors import TercetError
    from tercet.orders.journal import open_journal
    from tercet.orders.recovery import Outbox, recover
    from pathlib import Path
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(sys.argv[1])
    journal = open_journal(path)
    venue = Venue(path.parent)
    outbox = Outbox(journal, venue, recover(journal))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    for number in range(10_000):
        try:
            outbox.send(passed([child(f"c{number}")]))
        except TercetError as error:
            print(error)
            break
    for again in range(2):
        try:
            journal.append([child("late")])
        except TercetError as error:
            print(error)
    print(sorted(outbox.blocked))
"""


def test_a_full_disk_stops_everything_before_anything_more_is_sent(path: Path) -> None:
    *sentences, blocked = python(FULL, path).stdout.splitlines()
    assert len(sentences) == 3
    assert all("found: d" in sentence and "nothing more is written, and nothing may be sent" in sentence for sentence in sentences)
    assert blocked == "['AAPL']"
    received = Venue(path.parent).received()
    meant = [message.id for message in recover(path).messages]
    assert len(received) > 5
    assert received == meant[: len(received)]
    assert len(meant) <= len(received) + 1
    with open_journal(path) as journal:  # there is room again
        assert journal.append([child("after")]).result() == recover(path).rows


def test_any_error_of_the_disk_fails_who_waits_and_who_comes_later(path: Path) -> None:
    go = threading.Event()

    def broken(_: list[Any]) -> None:
        go.wait()
        raise OSError(5, "Input/output error")

    journal = open_journal(path)
    journal.store.add = broken  # type: ignore[method-assign]
    tickets = [journal.append([child(f"c{number}")]) for number in range(3)]
    go.set()
    for ticket in tickets:
        with pytest.raises(NotDurable, match="Input/output error'\\): nothing more is written, and nothing may be sent"):
            ticket.result()
    with pytest.raises(NotDurable, match="Input/output error"):
        journal.append([child("late")])
    journal.close()
    assert recover(path).messages == []


BUSY = """if True:
    import os, sys, threading
    from order_process import child
    from tercet.orders.journal import open_journal
    journal = open_journal(sys.argv[1])
    def write(thread):
        for number in range(10**9):
            tickets = [journal.append([child(f"{thread}-{number}-{batch}")] * 3) for batch in range(20)]
            os.write(1, b"%d\\n" % max(ticket.result() for ticket in tickets))
    for thread in range(4):
        threading.Thread(target=write, args=(thread,), daemon=True).start()
    threading.Event().wait()
"""


def test_killed_while_busy_every_record_that_was_told_durable_is_there(path: Path) -> None:
    """Four threads write as fast as they can; each life goes on with the journal of the one before."""
    search = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    for wait in (0.03, 0.11, 0.29):
        command = [sys.executable, "-c", BUSY, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": search}) as busy:
            assert busy.stdout is not None
            first = busy.stdout.readline()
            time.sleep(wait)
            busy.kill()
            told = [int(line) for line in (first + busy.stdout.read()).split()]
        rows = recover(path).rows
        assert rows >= max(told) > 0
        assert rows % 3 == 0  # batches are there whole or not at all
        assert verify(path).fault == ""


# ---- intent, send, acknowledgement


class Silent:
    """A gateway that notes what it gets, and fails when told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.asked: list[str] = []
        self.fails = False

    def send(self, approved: Any) -> None:
        if self.fails:
            raise ConnectionError("the line is down")
        self.sent.append(approved.message.id)

    def ask_status(self, order: str) -> None:
        self.asked.append(order)


def reopened(path: Path) -> tuple[Journal, Silent, Outbox]:
    journal, gateway = open_journal(path), Silent()
    return journal, gateway, Outbox(journal, gateway, recover(journal))


def test_killed_at_any_step_no_fill_is_lost_and_nothing_sent_twice(tmp_path: Path) -> None:
    lived = python("import sys; import order_process; from pathlib import Path; order_process.main(Path(sys.argv[1]))", tmp_path)
    assert lived.returncode == 0, lived.stderr
    said = [json.loads(line) for line in lived.stdout.splitlines()]
    assert len(said) > 60
    for each in said:
        assert each["ended"] == 0, each
        assert set(each["killed"]) <= {0, -signal.SIGKILL}, each  # 0 where it ended before that step
        assert each["known"] == each["executed"], each
        assert len(set(each["received"])) == len(each["received"]), each
        assert sorted(order.split(".")[0] for order in each["received"]) == ["0AAPL", "0MSFT", "1AAPL"], each
    steps = {
        "start",
        "BEGIN",
        "INSERT",
        "COMMIT",
        "committed",
        "head said",
        "before send",
        "after send",
        "before journaled",
        "before acted",
    }
    assert steps <= {each["step"] for each in said}


def test_nothing_that_the_gate_has_not_approved_is_sent(path: Path) -> None:
    journal, gateway, outbox = reopened(path)
    unchecked: Any = [child("a")]
    with pytest.raises(NotSent, match="is not approved"):
        outbox.send(unchecked)
    assert gateway.sent == []
    assert get_type_hints(Gateway.send)["approved"] is Approved
    journal.close()


def test_an_intent_is_durable_before_it_is_sent(path: Path) -> None:
    known: list[int] = []

    class Looks(Silent):
        def send(self, approved: Any) -> None:
            known.append(recover(path).rows)

    with open_journal(path) as journal:
        Outbox(journal, Looks(), recover(journal)).send(passed([child("a"), child("b")]))
    assert known[0] == 2


def test_after_a_death_what_nobody_answered_is_asked_for_and_blocks_its_symbol(path: Path) -> None:
    journal, _, outbox = reopened(path)
    outbox.send(passed([child("a"), child("m", "MSFT")]))
    outbox.receive([report("m", Happening.ACCEPTED, symbol="MSFT")])
    assert outbox.blocked == frozenset()
    journal.close()
    journal, gateway, outbox = reopened(path)
    assert (outbox.blocked, gateway.sent) == ({"AAPL"}, [])
    with pytest.raises(NotSent, match="AAPL is blocked by an order that is UNKNOWN"):
        outbox.send(passed([child("b")]))
    outbox.send(passed([child("n", "MSFT"), Cancel(id="x", target="a", time=1)]))  # other symbols and cancels go through
    assert (outbox.resolve(), gateway.asked) == (["a"], ["a"])
    outbox.receive([report("a", Happening.STATUS, state=OrderState.UNKNOWN)])
    assert outbox.blocked == {"AAPL"}
    outbox.receive([report("a", Happening.STATUS, state=OrderState.REJECTED, text="no such order")])
    assert outbox.blocked == frozenset()
    outbox.send(passed([child("b")]))
    assert gateway.sent == ["n", "x", "b"]
    journal.close()


@pytest.mark.parametrize(
    ("wish", "asked", "partly", "answer"),
    [
        (Cancel(id="w", target="a", time=2), "a", report("a", Happening.FILLED, "e", lots=1), report("a", Happening.CANCELED)),
        (Cancel(id="w", target="a", time=2), "a", report("a", Happening.ACCEPTED), report("a", Happening.CANCEL_REJECTED)),
        (Cancel(id="w", target="a", time=2), "a", report("a", Happening.REPLACE_REJECTED), report("a", Happening.FILLED, "e", left=0)),
        (Replace(id="w", target="a", lots=9, time=2), "w", report("a", Happening.ACCEPTED), report("w", Happening.REPLACED, replaces="a")),
        (Replace(id="w", target="a", lots=9, time=2), "w", report("a", Happening.CANCEL_REJECTED), report("a", Happening.REPLACE_REJECTED)),
        (Replace(id="w", target="a", lots=9, time=2), "w", report("a", Happening.SUSPENDED), report("w", Happening.STATUS)),
    ],
)
def test_a_cancel_or_replace_without_its_answer_is_in_doubt_after_a_death(
    path: Path, wish: Any, asked: str, partly: Report, answer: Report
) -> None:
    with open_journal(path) as journal:
        journal.append([child("a"), wish, partly]).result()
    journal, _, outbox = reopened(path)
    assert (outbox.blocked, outbox.resolve()) == ({"AAPL"}, [asked])
    outbox.receive([answer])
    assert outbox.blocked == frozenset()
    journal.close()
    assert recover(path).open.doubtful == {}


def test_a_time_out_is_doubt_and_never_a_rejection(path: Path) -> None:
    journal, gateway, outbox = reopened(path)
    outbox.send(passed([child("a")]))
    outbox.receive([report("a", Happening.TIMED_OUT)])
    assert (outbox.blocked, outbox.resolve(), gateway.sent) == ({"AAPL"}, ["a"], ["a"])
    outbox.receive([report("a", Happening.FILLED, "late", lots=5, left=0)])
    assert outbox.blocked == frozenset()
    journal.close()


def test_a_gateway_that_fails_leaves_its_orders_in_doubt(path: Path) -> None:
    journal, gateway, outbox = reopened(path)
    gateway.fails = True
    with pytest.raises(ConnectionError):
        outbox.send(passed([child("a"), child("m", "MSFT")]))
    assert outbox.blocked == {"AAPL", "MSFT"}
    journal.close()


def test_an_id_is_never_used_twice_not_even_after_a_death(path: Path) -> None:
    journal, _, outbox = reopened(path)
    outbox.send(passed([child("a")]))
    with pytest.raises(NotSent, match="its id was used before"):
        outbox.send(passed([child("b"), child("b")]))
    journal.close()
    journal, gateway, outbox = reopened(path)
    with pytest.raises(NotSent, match="its id was used before"):
        outbox.send(passed([child("a", "MSFT")]))
    with pytest.raises(NotSent, match="its target is unknown"):
        outbox.send(passed([Cancel(id="x", target="nobody", time=1)]))
    assert gateway.sent == []
    journal.close()


def test_an_execution_heard_again_is_not_acted_upon_again(path: Path) -> None:
    journal, _, outbox = reopened(path)
    fills = [report("a", Happening.FILLED, exec_id, lots=1) for exec_id in ("e1", "e2")]
    outbox.send(passed([child("a")]))
    assert outbox.receive(fills[:1]) == fills[:1]
    journal.close()
    journal, _, outbox = reopened(path)
    assert outbox.receive([*fills, *fills]) == fills[1:]
    journal.close()
    assert recover(path).messages[1:] == fills


# ---- the command line, the figures


def refused(words: list[object], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["tercet", *map(str, words)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return int(exit_.value.code or 0)


@pytest.fixture
def traded(path: Path) -> Path:
    """A journal with an order, its fill, a cancel and another symbol."""
    with open_journal(path) as journal:
        outbox = Outbox(journal, Silent(), recover(journal))
        outbox.send(passed([child("a"), child("m", "MSFT")]))
        outbox.receive([report("a", Happening.FILLED, "e1", lots=2)])
        outbox.send(passed([Cancel(id="x", target="a", time=1)]))
    return path


def test_verify_prints_the_head_and_fails_where_a_row_was_changed(traded: Path) -> None:
    whole = run("journal", "verify", traded, "--json")
    assert whole.returncode == 0, whole.stderr
    said = json.loads(whole.stdout)
    assert (said["rows"], said["fault"]) == (7, "")
    assert run("journal", "verify", traded, "--head", said["head"]).returncode == 0
    assert "no row has the hash" in run("journal", "verify", traded, "--head", "f" * 64).stderr
    change(traded, "UPDATE rows SET payload = x'80' WHERE seq = 3")
    broken = run("journal", "verify", traded)
    assert (broken.returncode, "row 3 does not fit" in broken.stderr) == (1, True)


def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> list[dict[str, Any]]:
    assert refused(["journal", *words], monkeypatch) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_show_picks_rows_by_kind_order_symbol_and_number(
    traded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kinds(*words: object) -> list[str]:
        return sorted(row["kind"] for row in lines(capsys, monkeypatch, "show", traded, "--json", *words))

    assert kinds() == ["cancel", "child", "child", "report", "sent", "sent", "sent"]
    assert kinds("--kind", "intent") == ["cancel", "child", "child"]
    assert kinds("--order", "a") == ["cancel", "child", "report", "sent"]
    assert kinds("--symbol", "AAPL") == ["cancel", "child", "report", "sent", "sent"]
    assert kinds("--symbol", "MSFT", "--last", 1) == ["sent"]
    assert refused(["journal", "show", traded, "--kind", "gossip"], monkeypatch) == 1
    assert refused(["journal", "show", traded, "--order", "x"], monkeypatch) == 0
    assert "target a" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "read"),
    [("rows.jsonl", pl.read_ndjson), ("rows.csv", pl.read_csv), ("rows.parquet", pl.read_parquet)],
)
def test_export_writes_every_row(
    traded: Path, tmp_path: Path, name: str, read: Callable[[Path], pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(["journal", "export", traded, tmp_path / name], monkeypatch) == 0
    table = read(tmp_path / name)
    assert table["seq"].to_list() == list(range(1, 8))
    assert table["hash"].to_list() == [row[4].hex() for row in rows_of(traded)]
    assert refused(["journal", "export", traded, tmp_path / "rows.txt"], monkeypatch) == 1


def test_the_bench_measures_and_recovers_what_it_wrote() -> None:
    figures = measure(2_000, 1)
    assert set(figures) == {f"journal.{name}" for name in ("per_s_1", "per_s_10", "per_s_100", "recovery_s_100k", "alone_ms_p50")}
    assert all(value > 0 for value in figures.values())


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o027, 0o640), (0o022, 0o644)])
def test_the_files_of_a_journal_follow_the_umask(path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with open_journal(path) as journal:
            journal.append([child("c")]).result()
            assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("journal*")} == dict.fromkeys(
                ("journal", "journal-wal", "journal-shm", "journal.head"), mode
            )
    finally:
        os.umask(before)


def test_a_disk_without_a_write_ahead_log_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite.sqlite3, "connect", lambda *_, **options: connect(":memory:", **options))
    with pytest.raises(BadInput, match="expected a disk that can hold a write-ahead log, found one that gives 'memory'"):
        open_journal(path)


# ---- each cancel stands alone


def cancel(id_: str, target: str) -> Cancel:
    """A wish to withdraw an order."""
    return Cancel(id=id_, target=target, time=1)


class Choosy(Silent):
    """A gateway that fails for some ids."""

    def __init__(self, *fails: str) -> None:
        super().__init__()
        self.failing = fails

    def send(self, approved: Any) -> None:
        if approved.message.id in self.failing:
            raise ConnectionError(f"no {approved.message.id}")
        super().send(approved)


def kinds_of(path: Path) -> list[tuple[str, str]]:
    """The kind of each row, and the id in it."""
    return [(kind, msgspec.msgpack.decode(payload).get("id", "")) for _, _, kind, payload, _ in rows_of(path)]


def test_one_cancel_that_cannot_go_is_named_and_journaled_and_the_others_go(path: Path) -> None:
    journal, gateway, outbox = reopened(path)
    outbox.send(passed([child("a"), child("b")]))
    with pytest.raises(NotSent, match="order k2: its target is unknown, ghost"):
        outbox.send(passed([cancel("k1", "a"), cancel("k2", "ghost"), cancel("k3", "b")]))
    assert gateway.sent == ["a", "b", "k1", "k3"]
    with pytest.raises(NotSent, match="order k1: its id was used before"):
        outbox.send(passed([cancel("k1", "b"), cancel("k4", "b")]))
    assert gateway.sent[4:] == ["k4"]
    journal.close()
    assert [id_ for kind, id_ in kinds_of(path) if kind == "refused"] == ["k2", "k1"]
    assert [id_ for kind, id_ in kinds_of(path) if kind == "cancel"] == ["k1", "k3", "k4"]


def test_orders_go_together_or_not_at_all_and_cancels_among_them_go(path: Path) -> None:
    journal, gateway, outbox = reopened(path)
    outbox.send(passed([child("a")]))
    batch = [child("b"), cancel("k1", "a"), child("a"), cancel("k2", "b"), Replace(id="r", target="a", lots=3, time=1)]
    with pytest.raises(NotSent, match=r"^order a: its id was used before.*; order k2: its target is unknown, b.*; and 1 more"):
        outbox.send(passed(batch))
    assert gateway.sent == ["a", "k1"]
    journal.close()
    assert sorted(id_ for kind, id_ in kinds_of(path) if kind == "refused") == ["a", "b", "k2", "r"]
    assert [message.id for message in recover(path).messages] == ["a", "k1"]


def test_a_gateway_that_fails_for_one_cancel_gets_the_others_and_no_order_after_it(path: Path) -> None:
    journal, _, outbox = reopened(path)
    outbox.send(passed([child("a"), child("b"), child("m", "MSFT")]))
    outbox.receive([report(order, Happening.ACCEPTED) for order in "ab"] + [report("m", Happening.ACCEPTED, symbol="MSFT")])
    outbox._gateway = gateway = Choosy("k1")
    with pytest.raises(ConnectionError, match="no k1"):
        outbox.send(passed([cancel("k1", "a"), child("n", "MSFT"), cancel("k2", "b"), cancel("k3", "m")]))
    assert gateway.sent == ["k2", "k3"]
    assert outbox.blocked == {"AAPL", "MSFT"}
    journal.close()


def test_cancels_go_where_the_disk_takes_nothing_more_and_orders_do_not(path: Path) -> None:
    journal, gateway, outbox = reopened(path)
    outbox.send(passed([child("a")]))

    def full(_: list[Any]) -> None:
        raise OSError(28, "No space left on device")

    journal.store.add = full  # type: ignore[method-assign]
    for wish in ("k1", "k2"):  # the first finds the disk full, the second a journal that has ended
        with pytest.raises(NotDurable, match="No space left"):
            outbox.send(passed([cancel(wish, "a"), child(f"after {wish}", "MSFT")]))
    assert gateway.sent == ["a", "k1", "k2"]
    journal.close()
