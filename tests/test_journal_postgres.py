"""The journal in PostgreSQL: the same promises as in a file. Runs where TERCET_POSTGRES names a server, or where one can be started."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from order_process import child, report

from tercet.errors import BadInput, TercetError
from tercet.messages import Happening
from tercet.orders.chain import Damaged
from tercet.orders.journal import NotDurable, open_journal, verify
from tercet.orders.recovery import recover

HERE = Path(__file__).parent


def programs() -> Path | None:
    """The folder of PostgreSQL's programs."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server; the tests' own one listens on a socket in a temporary folder alone."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: the extra `postgres`")
    if address := os.environ.get("TERCET_POSTGRES"):
        yield address
        return
    bin_ = programs()
    if bin_ is None:
        pytest.skip("TERCET_POSTGRES names no server, and PostgreSQL is not installed")
    who: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="tercet-pg"))  # short: a socket's path may have 107 bytes
    try:
        if who:
            shutil.chown(folder, "postgres", "postgres")
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **who}
        subprocess.run([bin_ / "initdb", "-D", folder / "data", "-U", "tercet", "-A", "trust"], check=True, **quiet)
        start = [bin_ / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log"]
        subprocess.run([*start, "-o", f"-k {folder} -c listen_addresses=''", "start"], check=True, **quiet)
        try:
            yield f"postgresql:///postgres?host={quote(str(folder))}&user=tercet"
        finally:
            subprocess.run([*start, "-m", "immediate", "stop"], check=True, **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """The address of an empty schema."""
    schema = f"journal_{uuid4().hex}"
    do(server, f"CREATE SCHEMA {schema}")
    yield f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{schema}"
    do(server, f"DROP SCHEMA {schema} CASCADE")


def do(url: str, *statements: str) -> None:
    """Other hands in the database."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as db:
        for statement in statements:
            db.execute(statement)


def test_messages_come_back_in_order_and_a_journal_goes_on(url: str) -> None:
    messages = [child("a"), report("a", Happening.FILLED, "e1", lots=2, price=100.5)]
    with open_journal(url) as journal:
        assert journal.append(messages).result() == 2
    with open_journal(url) as journal:
        assert journal.append([child("b")]).result() == 3
    assert recover(url).messages == [*messages, child("b")]
    assert (verify(url).rows, verify(url).fault) == (3, "")


def test_a_second_writer_is_refused_and_readers_are_not(url: str) -> None:
    with open_journal(url) as journal:
        journal.append([child("a")]).result()
        with pytest.raises(BadInput, match="expected to be its only writer"):
            open_journal(url)
        assert recover(url).rows == 1
    for _ in range(50):  # at once: the server ends a closed session in its own time
        open_journal(url).close()


def test_a_changed_row_is_named_and_another_format_refused(url: str) -> None:
    with open_journal(url) as journal:
        journal.append([child(str(number)) for number in range(9)]).result()
    do(url, "UPDATE tercet_rows SET time = time + 1 WHERE seq = 5")
    assert "row 5 does not fit" in verify(url).fault
    do(url, "DELETE FROM tercet_rows WHERE seq = 3")
    with pytest.raises(Damaged, match="row 3 is missing"):
        recover(url)
    do(url, "UPDATE tercet_journal SET format = 2")
    with pytest.raises(BadInput, match="expected a journal of format 1, found 2"):
        open_journal(url)


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE RULE nothing AS ON INSERT TO tercet_rows DO INSTEAD NOTHING",
        "CREATE TRIGGER once BEFORE INSERT ON tercet_rows FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ],
)
def test_what_other_hands_have_planted_on_the_tables_is_seen(url: str, planted: str) -> None:
    with open_journal(url) as journal:
        journal.append([child("a")]).result()
    do(url, planted.replace("BEFORE INSERT", "BEFORE UPDATE"))
    for opening in (open_journal, verify, recover):
        with pytest.raises(Damaged, match=r"expected the tables of a journal and nothing else, found (rule nothing|trigger once)"):
            opening(url)


def test_a_killed_process_loses_nothing_that_was_told_durable(url: str) -> None:
    code = """if True:
        import os, signal, sys
        from order_process import child
        from tercet.orders.journal import open_journal
        journal = open_journal(sys.argv[1])
        for number in range(20):
            journal.append([child(f"c{number}"), child(f"d{number}")]).result()
        journal.append([child("perhaps")] * 500)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    search = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code, url], check=False, timeout=120, env=os.environ | {"PYTHONPATH": search})
    assert done.returncode == -signal.SIGKILL
    assert len(recover(url).messages) in (40, 540)


def test_a_lost_connection_ends_the_journal(url: str) -> None:
    journal = open_journal(url)
    journal.append([child("a")]).result()
    do(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tercet journal'")
    with pytest.raises(NotDurable, match="nothing may be sent"):
        journal.append([child("b")]).result()
    with pytest.raises(NotDurable, match="nothing may be sent"):
        journal.append([child("c")])
    journal.close()
    assert recover(url).messages == [child("a")]


def test_a_server_that_is_not_there_is_a_sentence_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(BadInput, match="expected a journal that can be read and written") as told:
        open_journal("postgresql://me:hush@127.0.0.1:1/nothing?connect_timeout=2")
    assert "hush" not in str(told.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "tercet.orders.postgres", raising=False)
    with pytest.raises(TercetError, match="the extra 'postgres'"):
        open_journal("postgresql://localhost/x")
