"""The journal in one SQLite file: write-ahead log, `synchronous=FULL`, one writer.

JOURNAL.head beside it is what the writer locks. It says, unsynced, which row was the last to be durable: it may lag behind after a power
cut and is never ahead, so rows that are missing at the end of the journal (a cut or damaged log) are noticed.
"""

import os
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


class SqliteStore:
    """The rows in a file; `writing` makes the file where there is none and keeps every other writer out."""

    def __init__(self, path: Path, *, writing: bool) -> None:
        self.path = self.name = Path(path)
        self._lock: int | None = None
        self._held = ExitStack()
        if not writing and not self.path.is_file():
            raise BadInput(f"{path}: expected a journal, found none")
        try:
            self._head = self._locked() if writing else _read_head(_head_of(self.path))
            with self._told():
                self._db = self._opened() if writing else self._held.enter_context(closing(_reader(self.path)))
            self.seed = self._checked()
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
                f"{self.path}: it ends at row {last[0]}, but {head.name} says that row {seq} was durable: the end of the journal or of its "
                f"-wal is cut off or damaged; expected the whole journal, from a copy (or remove {head.name} to go on without those rows)"
            )
        if seq and found != (hash_,):
            raise Damaged(f"{self.path}: row {seq} is not the one that {head.name} says was durable: the journal was changed or swapped")
        return (last[0], last[1], last[2])

    def add(self, rows: list[Row]) -> None:
        """Rows that follow the last ones, durable when this returns, all or none."""
        db = self._db
        with self._told():
            db.execute("BEGIN IMMEDIATE")
            try:
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
            self._lock = os.open(head, os.O_RDWR | os.O_CREAT, 0o600)
            self._held.callback(os.close, self._lock)
            lock(self._lock, wait=False)
        except BlockingIOError as error:
            raise BadInput(f"{self.path}: expected to be its only writer, found another process that has it open") from error
        except OSError as error:
            raise BadInput(f"{self.path}: expected to write a journal there, found: {error.strerror or error}") from error
        return _read_head(head)

    def _opened(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # orders are nobody else's business
        db = self._held.enter_context(closing(sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)))
        mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise BadInput(f"{self.path}: expected a disk that can hold a write-ahead log, found one that gives {mode!r}: use a local disk")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA fullfsync=1")  # macOS: fsync alone leaves the data in the drive
        db.execute("PRAGMA wal_autocheckpoint=8000")
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            self._make(db)
        return db

    def _make(self, db: sqlite3.Connection) -> None:
        if self._head:
            raise Damaged(f"{self.path}: expected the journal whose row {self._head[0]} was durable, found an empty file")
        header = (FORMAT, secrets.token_bytes(DIGEST).hex(), time.time_ns(), tercet.__version__)
        db.executescript(f"BEGIN; {_TABLES} INSERT INTO journal VALUES ({header[0]}, x'{header[1]}', {header[2]}, '{header[3]}'); COMMIT")
        self._say_head(0, bytes(DIGEST))
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _checked(self) -> bytes:
        """The journal's random id, which seeds the chain; BadInput for a file of another format."""
        with self._told():
            headers = self._db.execute("SELECT format, id FROM journal").fetchall()
        if len(headers) != 1:
            raise Damaged(f"{self.path}: expected one header, found {len(headers)}")
        if headers[0][0] != FORMAT:
            raise BadInput(
                f"{self.path}: expected a journal of format {FORMAT}, found {headers[0][0]}: read it with the Tercet that wrote it"
            )
        return bytes(headers[0][1])

    def _say_head(self, seq: int, hash_: bytes) -> None:
        if self._lock is not None:
            os.pwrite(self._lock, f"{seq:020d} {hash_.hex()}\n".encode(), 0)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as sentences."""
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            problem = (Damaged if type(error) is sqlite3.DatabaseError else BadInput)(
                f"{self.path}: expected a journal that can be read and written, found: {error}"
            )
            raise problem from error


def _head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(head: Path) -> tuple[int, bytes] | None:
    """The row that was durable last and its hash; None where nobody says."""
    try:
        words = head.read_text(encoding="ascii").strip("\0").split()  # a power cut may leave it empty, or of zeros
        if not words:
            return None
        seq, hash_ = int(words[0]), bytes.fromhex(words[1])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError) as error:
        problem = f"{head}: expected the number and hash of a row, found something else ({error}): it was changed"
        raise Damaged(f"{problem} (remove it to go on without its word)") from error
    return (seq, hash_) if seq else None


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
