"""The journal in a PostgreSQL database, for a desk that shares one: the same rows, the same chain, one writer by an advisory lock.

One schema holds one journal; `?options=-csearch_path%3Dname` in the address picks another schema. A password is read from PGPASSWORD or
the password file as well as from the address, and is never printed.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

import psycopg

import tercet
from tercet.errors import BadInput
from tercet.orders.chain import DIGEST, FORMAT, Damaged, Row, Tail

LOCK: Final = 0x7E2CE7  # the first half of the advisory lock's key; the second is the schema
_TYPES: Final = ("int8", "int8", "text", "bytea", "bytea")
_COPY: Final = "COPY tercet_rows (seq, time, kind, payload, hash) FROM STDIN (FORMAT BINARY)"
_READ: Final = "SELECT seq, time, kind, payload, hash FROM tercet_rows ORDER BY seq"
_PLANTED: Final = """
SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN ('tercet_journal'::regclass, 'tercet_rows'::regclass)
UNION ALL
SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class IN ('tercet_journal'::regclass, 'tercet_rows'::regclass)
"""
_TABLES: Final = """
CREATE TABLE tercet_journal (format int NOT NULL, id bytea NOT NULL, made int8 NOT NULL, version text NOT NULL);
CREATE TABLE tercet_rows (seq int8 PRIMARY KEY, time int8 NOT NULL, kind text NOT NULL, payload bytea NOT NULL, hash bytea NOT NULL);
"""


class PostgresStore:
    """The rows in a database; `writing` makes the tables where there are none and keeps every other writer out."""

    caveat = ""

    def __init__(self, url: str, *, writing: bool) -> None:
        self._url, self.name = url, "the database"
        self._held = ExitStack()
        try:
            with self._told():
                self._db = self._held.enter_context(self._connected())
                self.name = f"postgresql://{self._db.info.host}/{self._db.info.dbname}"
                if writing:
                    self._lock()
                self.seed = self._checked()
        except BaseException:
            self.close()
            raise

    def tail(self) -> Tail:
        """The last row."""
        with self._told():
            return self._one("SELECT seq, time, hash FROM tercet_rows ORDER BY seq DESC LIMIT 1") or (0, 0, self.seed)

    def add(self, rows: list[Row]) -> None:
        """Rows that follow the last ones, durable when this returns, all or none."""
        with self._told(), self._db.transaction(), self._db.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(row)

    def read(self) -> Iterator[Row]:
        """Every row in order, as it is now."""
        with self._told(), self._connected() as db, db.transaction(), db.cursor("rows", binary=True) as cursor:
            cursor.itersize = 10_000
            yield from cursor.execute(_READ)

    def close(self) -> None:
        """Lets the connection and the lock go."""
        self._held.close()

    def _connected(self) -> Any:
        return psycopg.connect(self._url, autocommit=True, application_name="tercet journal")

    def _lock(self) -> None:
        if not self._one(f"SELECT pg_try_advisory_lock({LOCK}, hashtext(current_schema()))")[0]:
            raise BadInput(f"{self.name}: expected to be its only writer, found another process that has it open")
        self._held.callback(self._unlock)
        self._db.execute("SET synchronous_commit TO on")
        if self._one("SHOW fsync")[0] != "on":
            raise BadInput(f"{self.name}: expected a server that writes to its disk, found one with fsync off")
        if not self._one("SELECT to_regclass('tercet_journal')")[0]:
            with self._db.transaction():
                self._db.execute(_TABLES)
                header = (FORMAT, secrets.token_bytes(DIGEST), time.time_ns(), tercet.__version__)
                self._db.execute("INSERT INTO tercet_journal VALUES (%s, %s, %s, %s)", header)

    def _unlock(self) -> None:
        """Now, so that the next writer may come as soon as this one is closed: the server ends a closed session in its own time."""
        with suppress(psycopg.Error):
            self._db.execute("SELECT pg_advisory_unlock_all()")

    def _checked(self) -> bytes:
        """The journal's random id, which seeds the chain; BadInput for another format, Damaged for what would change what is written."""
        if planted := self._one(_PLANTED):
            raise Damaged(
                f"{self.name}: expected the tables of a journal and nothing else, found {planted[0]}: other hands have changed it"
            )
        headers = self._db.execute("SELECT format, id FROM tercet_journal").fetchall()
        if len(headers) != 1:
            raise Damaged(f"{self.name}: expected one header, found {len(headers)}")
        if headers[0][0] != FORMAT:
            raise BadInput(f"{self.name}: expected a journal of format {FORMAT}, found {headers[0][0]}: read it with a Tercet of its time")
        return bytes(headers[0][1])

    def _one(self, query: str) -> Any:
        return self._db.execute(query).fetchone()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The database's errors as sentences."""
        try:
            yield
        except psycopg.Error as error:
            problem = " ".join(str(error).split())
            raise BadInput(f"{self.name}: expected a journal that can be read and written, found: {problem}") from error
