"""The store: STORE/SYMBOL_DATE/ holds a day's EVENTs (events.npy, memory-mapped) and what is known about them (day.json).

A day is written in a hidden folder beside it, flushed to the disk, then renamed: nobody ever sees half of one.
"""

import datetime
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

import tercet
from tercet.errors import BadInput
from tercet.locks import lock
from tercet.market.calendar import NEW_YORK, zone
from tercet.market.events import EVENT, LEVEL_ROW
from tercet.market.instruments import LARGEST_TICK, Instrument
from tercet.market.recorded import Recorded, Source, count_kinds

FORMAT: Final = 1
EVENTS, SIDECAR = "events.npy", "day.json"


StartRow = tuple[Annotated[int, msgspec.Meta(ge=-LARGEST_TICK, le=LARGEST_TICK)], Literal[-1, 1], Annotated[int, msgspec.Meta(ge=1)]]


class Meta(msgspec.Struct, frozen=True):
    """The sidecar. Times are ns since the epoch, UTC (0 in a day without events); `start` rows are tick, side, lots."""

    format: int
    symbol: str
    date: datetime.date
    tz: str
    instrument: Instrument
    depth: int
    start: list[StartRow]
    counts: dict[str, int]
    sources: list[Source]
    first_time: int
    last_time: int
    warnings: list[str]
    version: str
    events_sha256: str


class _Format(msgspec.Struct):
    format: int


@dataclass(frozen=True)
class Day:
    """A stored day: `events` are EVENTs, memory-mapped, and what is written into them stays in memory; `start` are LEVEL_ROWs."""

    path: Path
    meta: Meta
    events: NDArray[np.void]
    start: NDArray[np.void]

    def verify(self) -> None:
        """Reads every event again; raises BadInput where they are not what was stored."""
        with (self.path / EVENTS).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.meta.events_sha256 or count_kinds(self.events) != self.meta.counts:
            raise BadInput(f"{self.path / EVENTS}: expected the checksum and counts in {SIDECAR}, found others: import the day again")


def day_name(symbol: str, day: datetime.date) -> str:
    """The folder of a day in its store; BadInput for a symbol that no folder can be named by."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", symbol):
        raise BadInput(f"symbol {symbol!r}: expected letters, digits, '.', '_' and '-', the first a letter or a digit")
    return f"{symbol}_{day.isoformat()}"


def save(store: Path, recorded: Recorded, instrument: Instrument, day: datetime.date, tz: str = NEW_YORK, *, replace: bool = False) -> Path:
    """Stores a day, whole or not at all, and returns its folder.

    A day from the same sources (by checksum) is replaced; one from others is refused unless `replace`. Raises BadInput for that, and
    where the disk is full or the store may not be written.
    """
    home = Path(store) / day_name(instrument.symbol, day)
    zone(tz)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home):
            if home.exists() and not replace:
                _refuse_others(home, recorded)
            _write(_new(home), recorded, instrument, day, tz)
            _swap(home)
    except OSError as error:
        raise BadInput(f"{home}: expected to store a day there, found: {error.strerror or error}") from error
    return home


def open_day(path: Path) -> Day:
    """The day in the folder `path`; BadInput where it is missing, broken or of another format. `verify` reads the events as well."""
    path = Path(path)
    if not path.is_dir():
        raise BadInput(f"{path}: expected the folder of a stored day, found none")
    meta = _read_meta(path / SIDECAR)
    try:
        events = np.lib.format.open_memmap(path / EVENTS, mode="c")
        size = (path / EVENTS).stat().st_size
        start = np.array(meta.start, LEVEL_ROW)
    except OSError as error:
        raise BadInput(f"{path / EVENTS}: expected the events of a stored day, found: {error.strerror or error}") from error
    except (ValueError, EOFError, OverflowError) as error:
        raise BadInput(f"{path / EVENTS}: expected the events of a stored day, found a file that is cut off or broken ({error})") from error
    if events.dtype != EVENT or events.ndim != 1:
        raise BadInput(f"{path / EVENTS}: expected records of {EVENT.names}, found {events.dtype} of shape {events.shape}")
    expected = sum(meta.counts.values())
    if len(events) != expected or events.offset + events.nbytes != size:
        raise BadInput(f"{path / EVENTS}: expected the {expected} events that {SIDECAR} counts, found {len(events)} in {size} bytes")
    ends = (int(events["time"][0]), int(events["time"][-1])) if len(events) else (0, 0)
    if ends != (meta.first_time, meta.last_time):
        raise BadInput(f"{path / SIDECAR}: expected the first and last time of its events, {ends}, found others: import the day again")
    return Day(path, meta, events.view(np.ndarray), start)


def _read_meta(path: Path) -> Meta:
    try:
        text = path.read_bytes()
        found = msgspec.json.decode(text, type=_Format).format
        if found != FORMAT:
            raise BadInput(f"{path}: expected format {FORMAT}, found {found}: import the day again")
        meta = msgspec.json.decode(text, type=Meta)
        zone(meta.tz)
        return meta
    except OSError as error:
        raise BadInput(f"{path}: expected the sidecar of a stored day, found: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path}: expected the sidecar of a stored day, found broken text ({error})") from error


def _refuse_others(home: Path, recorded: Recorded) -> None:
    try:
        sources = _read_meta(home / SIDECAR).sources
    except BadInput:
        sources = []
    if [source.sha256 for source in sources] != [source.sha256 for source in recorded.sources]:
        names = ", ".join(source.name for source in sources) or "nothing that can be read"
        raise BadInput(f"{home}: expected no day from other files, found one from {names}: say replace to overwrite it")


def _write(folder: Path, recorded: Recorded, instrument: Instrument, day: datetime.date, tz: str) -> None:
    """A whole day in `folder`, on the disk; on any failure there is no such folder."""
    try:
        folder.mkdir()
        digest = _write_durably(folder / EVENTS, *_npy(recorded.events))
        time = recorded.events["time"]
        first, last = (int(time[0]), int(time[-1])) if len(time) else (0, 0)
        meta = Meta(
            format=FORMAT,
            symbol=instrument.symbol,
            date=day,
            tz=tz,
            instrument=instrument,
            depth=recorded.depth,
            start=recorded.start.tolist(),
            counts=recorded.counts,
            sources=recorded.sources,
            first_time=first,
            last_time=last,
            warnings=recorded.warnings,
            version=tercet.__version__,
            events_sha256=digest,
        )
        _write_durably(folder / SIDECAR, msgspec.json.format(msgspec.json.encode(meta)))
        _flush(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _npy(events: NDArray[np.void]) -> tuple[bytes, memoryview]:
    """The header and the body of the .npy file of `events`."""
    events, header = np.ascontiguousarray(events), BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(events))
    return header.getvalue(), events.view(np.uint8).data


def _write_durably(path: Path, *pieces: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _swap(home: Path) -> None:
    """The new folder takes the day's place; a reader finds the old day, for an instant none, then the new one."""
    if home.exists():
        home.rename(_old(home))
    try:
        _new(home).rename(home)
        _flush(home.parent)
    finally:
        _tidy(home)


def _tidy(home: Path) -> None:
    """Brings the old day back where no new one took its place; removes what a save left, finished or killed."""
    if _old(home).exists() and not home.exists():
        _old(home).rename(home)
    for leftover in (_new(home), _old(home)):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One save at a time in a store, by a lock on its folder that a killed process lets go."""
    store = os.open(home.parent, os.O_RDONLY)
    try:
        lock(store)
        _tidy(home)
        yield
    finally:
        os.close(store)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new(home: Path) -> Path:
    return home.with_name(f".{home.name}.new")


def _old(home: Path) -> Path:
    return home.with_name(f".{home.name}.old")
