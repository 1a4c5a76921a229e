"""The journal in one SQLite file: write-ahead log, `synchronous=FULL`, one writer.

JOURNAL.head beside it is what the writer locks. It says, unsynced, which row was the last to be durable: it may lag behind after a power
cut and is never ahead, so rows that are missing at the end of the journal (a cut or damaged log) are noticed. Where it is missing or empty
they would not be, and `caveat` says so.

A link leads to the journal itself, so that all who write it meet at one lock; a file with a second name (a hard link) is refused. The
schema is compared exactly: a trigger that other hands have planted would change what is written.
"""

import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import tercet
from tercet.errors import BadInput
from tercet.locks import lock
from tercet.orders.chain import DIGEST, FORMAT, Damaged, Row, Tail

CHUNK: Final = 128  # rows a statement: sqlite3 lets other threads run once a statement, which costs more than the rows
_INSERT: Final = "INSERT INTO rows (seq, time, kind, payload, hash) VALUES "
_TABLES: Final = """
CREATE TABLE journal (format INTEGER NOT NULL, id BLOB NOT NULL, made INTEGER NOT NULL, version TEXT NOT NULL);
CREATE TABLE rows (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL, hash BLOB NOT NULL);
"""
_SCHEMA: Final = sorted(("table", line.split()[2], line) for line in _TABLES.strip().removesuffix(";").split(";\n"))
_HEAD: Final = re.compile(rb"(\d{1,20}) ([0-9a-f]{64})\n?")


class SqliteStore:
    """The rows in a file; `writing` makes the file where there is none and keeps every other writer out."""

    def __init__(self, path: Path, *, writing: bool) -> None:
        self.name = Path(path)
        self._lock: int | None = None
        self._held = ExitStack()
        self._schema = 0
        try:
            with self._told():
                self.path = _one_file(self.name, writing=writing)
                self._head = self._locked() if writing else _read_head(_head_of(self.path))
                self._db = self._opened() if writing else self._held.enter_context(closing(_reader(self.path)))
                self.seed = self._checked()
                self.caveat = self._caveat()
        except BaseException:
            self.close()
            raise

    def tail(self) -> Tail:
        """The last row; Damaged where rows are missing that were durable once."""
        with self._told():
            last = self._db.execute("SELECT seq, time, hash FROM rows ORDER BY seq DESC LIMIT 1").fetchone() or (0, 0, self.seed)
            seq, hash_ = self._head or (0, b"")
            found = self._db.execute("SELECT hash FROM rows WHERE seq = ?", (seq,)).fetchone()
        head = _head_of(self.path)
        if seq > last[0]:
            raise Damaged(
                f"{self.name}: it ends at row {last[0]}, but {head.name} says that row {seq} was durable: the end of the journal or of its "
                f"-wal is cut off or damaged; expected the whole journal, from a copy (or remove {head.name} to go on without those rows)"
            )
        if seq and found != (hash_,):
            raise Damaged(f"{self.name}: row {seq} is not the one that {head.name} says was durable: the journal was changed or swapped")
        return (last[0], last[1], last[2])

    def add(self, rows: list[Row]) -> None:
        """Rows that follow the last ones, durable when this returns, all or none."""
        db = self._db
        with self._told():
            db.execute("BEGIN IMMEDIATE")
            try:
                self._refuse_another_schema()
                for start in range(0, len(rows), CHUNK):
                    some = rows[start : start + CHUNK]
                    db.execute(_INSERT + ",".join(["(?,?,?,?,?)"] * len(some)), [value for row in some for value in row])
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        self._say_head(rows[-1][0], rows[-1][4])

    def read(self) -> Iterator[Row]:
        """Every row in order, as it is now."""
        with self._told(), closing(_reader(self.path)) as db:
            yield from db.execute("SELECT seq, time, kind, payload, hash FROM rows ORDER BY seq")

    def close(self) -> None:
        """Lets the file and the lock go."""
        self._held.close()

    def _locked(self) -> tuple[int, bytes] | None:
        """Takes the lock, which a killed process lets go, and reads what it says."""
        head = _head_of(self.path)
        try:
            head.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(head, os.O_RDWR | os.O_CREAT, 0o666)
            self._held.callback(os.close, self._lock)
            lock(self._lock, wait=False)
        except BlockingIOError as error:
            raise BadInput(f"{self.name}: expected to be its only writer, found another process that has it open") from error
        except OSError as error:
            raise BadInput(f"{self.name}: expected to write a journal there, found: {error.strerror or error}") from error
        return _read_head(head)

    def _opened(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666))  # by the umask: the log beside it takes the mode of this file
        db = self._held.enter_context(closing(sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)))
        tables = _tables(db)
        if tables or (self._head and self._head[0]):
            self._refuse_other_tables(tables)  # before anything of another program's file is touched
        mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise BadInput(f"{self.name}: expected a disk that can hold a write-ahead log, found one that gives {mode!r}: use a local disk")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA fullfsync=1")  # macOS: fsync alone leaves the data in the drive
        db.execute("PRAGMA wal_autocheckpoint=8000")
        if not tables:
            self._make(db)
        self._schema = db.execute("PRAGMA schema_version").fetchone()[0]
        return db

    def _make(self, db: sqlite3.Connection) -> None:
        header = (FORMAT, secrets.token_bytes(DIGEST).hex(), time.time_ns(), tercet.__version__)
        db.executescript(f"BEGIN; {_TABLES} INSERT INTO journal VALUES ({header[0]}, x'{header[1]}', {header[2]}, '{header[3]}'); COMMIT")
        self._say_head(0, bytes(DIGEST))
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _checked(self) -> bytes:
        """The journal's random id, which seeds the chain; Damaged for another schema, BadInput for a file of another format."""
        self._refuse_other_tables(_tables(self._db))
        headers = self._db.execute("SELECT format, id FROM journal").fetchall()
        if len(headers) != 1:
            raise Damaged(f"{self.name}: expected one header, found {len(headers)}")
        if headers[0][0] != FORMAT:
            raise BadInput(
                f"{self.name}: expected a journal of format {FORMAT}, found {headers[0][0]}: read it with the Tercet that wrote it"
            )
        if type(headers[0][1]) is not bytes:
            raise Damaged(f"{self.name}: expected the journal's id, found {headers[0][1]!r}: it was changed")
        return bytes(headers[0][1])

    def _refuse_other_tables(self, found: list[tuple[str, str, str]]) -> None:
        if found == _SCHEMA:
            return
        if not found and self._head and self._head[0]:
            raise Damaged(f"{self.name}: expected the journal whose row {self._head[0]} was durable, found an empty file")
        if not {name for _, name, _ in found} & {name for _, name, _ in _SCHEMA}:
            what = f"{' and '.join(f'{kind} {name}' for kind, name, _ in found[:2])}: it is another program's" if found else "an empty file"
            raise BadInput(f"{self.name}: expected a journal, found {what}")
        more = [f"{kind} {name} ({made})" for kind, name, made in found if (kind, name, made) not in _SCHEMA]
        what = more[0] if more else f"{len(found)} tables"
        raise Damaged(f"{self.name}: expected the two tables of a journal and nothing else, found {what}: other hands have changed it")

    def _refuse_another_schema(self) -> None:
        if self._db.execute("PRAGMA schema_version").fetchone()[0] != self._schema:
            raise Damaged(f"{self.name}: expected the tables that were there at the start, found that other hands have changed them")

    def _caveat(self) -> str:
        """What a reader has to know before the end of the rows is trusted; empty where nothing."""
        if (self._head and self._head[0]) or not self._db.execute("SELECT 1 FROM rows LIMIT 1").fetchone():
            return ""
        head = _head_of(self.path)
        return f"{head} is missing or empty: rows cut from the end would not be noticed; expected it, or a head that was kept elsewhere"

    def _say_head(self, seq: int, hash_: bytes) -> None:
        if self._lock is not None:
            os.pwrite(self._lock, f"{seq:020d} {hash_.hex()}\n".encode(), 0)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as sentences."""
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last: what SQLite says of a name that is no text
            problem = (Damaged if type(error) in (sqlite3.DatabaseError, UnicodeDecodeError) else BadInput)(
                f"{self.name}: expected a journal that can be read and written, found: {error}"
            )
            raise problem from error


def _one_file(path: Path, *, writing: bool) -> Path:
    """Where a name leads; BadInput for what is no file, is not there to be read, or has two names."""
    real = Path(os.path.realpath(path))  # a loop of links is left to whoever opens it
    if real.exists() and not real.is_file():
        raise BadInput(f"{path}: expected a journal, found {'a folder' if real.is_dir() else 'a device or a pipe'}")
    if not writing and not real.exists():
        raise BadInput(f"{path}: expected a journal, found none")
    if writing and real.exists() and (names := real.stat().st_nlink) > 1:
        raise BadInput(f"{path}: expected to be its only writer, found a file with {names} names: remove the others, or copy it")
    return real


def _tables(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """All that a file defines, tables and triggers alike: what it is, its name, and the statement that made it."""
    return sorted((str(kind), str(name), str(made)) for kind, name, made in db.execute("SELECT type, name, sql FROM sqlite_master"))


def _head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(head: Path) -> tuple[int, bytes] | None:
    """The row that was durable last (0: none yet) and its hash; None where nobody says."""
    try:
        with head.open("rb") as file:
            content = file.read(200).strip(b"\0")  # a power cut may leave it empty, or of zeros
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{head}: expected to read the number and hash of a row, found: {error.strerror or error}") from error
    if not content:
        return None
    found = _HEAD.fullmatch(content)
    if found is None or not int(found[1]) < 2**63:
        problem = f"{head}: expected the number and hash of a row, found {content[:40]!r}: it was changed"
        raise Damaged(f"{problem} (remove it to go on without its word)")
    return int(found[1]), bytes.fromhex(found[2].decode())


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
