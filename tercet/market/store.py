"""The store: STORE/SYMBOL_DATE/ holds a day's EVENTs (events.npy, memory-mapped) and what is known about them (day.json).

A day is written in a hidden folder beside it, flushed to the disk, then renamed: nobody ever sees half of one.
"""

import datetime
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

import tercet
from tercet.errors import BadInput
from tercet.locks import lock
from tercet.market.calendar import NEW_YORK, midnight_ns
from tercet.market.events import EVENT, LEVEL_ROW
from tercet.market.instruments import Instrument
from tercet.market.recorded import Recorded, count_kinds, refuse_unsound
from tercet.market.sidecar import FORMAT, SIDECAR, Meta, parse_meta, refuse_symbol
from tercet.wholefiles import being_made

EVENTS: Final = "events.npy"
TRIES_S: Final = (0.0, 0.002, 0.02)  # a reader that found no whole day looks again: a save may have been swapping it


@dataclass(frozen=True)
class Day:
    """A stored day: `events` are EVENTs, memory-mapped, and what is written into them stays in memory; `start` are LEVEL_ROWs.

    It stays what it was when another takes its place in the store. `header` are the bytes before the events in their file.
    """

    path: Path
    meta: Meta
    events: NDArray[np.void]
    start: NDArray[np.void]
    header: bytes

    def verify(self) -> None:
        """Reads every event again; raises BadInput where they are not what was stored."""
        digest = hashlib.sha256(self.header)
        digest.update(self.events.view(np.uint8).data)
        if digest.hexdigest() != self.meta.events_sha256:
            raise BadInput(f"{self.path / EVENTS}: expected the checksum in {SIDECAR}, found another: import the day again")


def day_name(symbol: str, day: datetime.date) -> str:
    """The folder of a day in its store; BadInput for a symbol that no folder can be named by."""
    refuse_symbol(symbol)
    return f"{symbol}_{day.isoformat()}"


def day_folders(store: Path) -> list[Path]:
    """The folders of a store's days, in order of their names; what a save is writing is none, what one killed in mid-swap left is."""
    homes = {sidecar.parent for sidecar in store.glob(f"*/{SIDECAR}") if not sidecar.parent.name.startswith(".")}
    homes |= {sidecar.parent.with_name(sidecar.parent.name[1:-4]) for sidecar in store.glob(f".*.old/{SIDECAR}")}
    return sorted(homes)


def save(store: Path, recorded: Recorded, instrument: Instrument, day: datetime.date, tz: str = NEW_YORK, *, replace: bool = False) -> Path:
    """Stores a day, whole or not at all, and returns its folder.

    A day from the same sources (by checksum) is replaced; one from others is refused unless `replace`. Raises BadInput for that, and
    where the disk is full or the store may not be written, and for events that no book can take.
    """
    home = Path(store) / day_name(instrument.symbol, day)
    midnight_ns(day, tz)
    refuse_unsound(recorded.events, home.name)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home):
            if home.exists() and not replace:
                _refuse_others(home, recorded)
            with being_made(_new(home)):
                _write(_new(home), recorded, instrument, day, tz)
            _swap(home)
    except OSError as error:
        raise BadInput(f"{home}: expected to store a day there, found: {error.strerror or error}") from error
    return home


def open_day(path: Path) -> Day:
    """The day in the folder `path`; BadInput where it is missing, broken, of another format, or holds what no book can take.

    A day that is being replaced is the old one or the new one, whole. `verify` compares the checksum as well.
    """
    path = Path(path)
    for pause in TRIES_S:
        try:
            return _opened(path, path)
        except BadInput as error:
            problem = error
        if path.name and not path.exists() and _old(path).is_dir():  # between two renames, or killed there
            with suppress(BadInput):
                return _opened(_old(path), path)
        time.sleep(pause)
    raise problem


def _opened(folder: Path, path: Path) -> Day:
    """The day that lies in `folder` and is called `path`; both of its files come from one folder, wherever that is moved to."""
    if not folder.is_dir():
        raise BadInput(f"{path}: expected the folder of a stored day, found none")
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BadInput(f"{path}: expected the folder of a stored day, found: {error.strerror or error}") from error
    try:
        meta = _read_meta(path / SIDECAR, place)
        header, events = _read_events(path / EVENTS, place)
    finally:
        os.close(place)
    if count_kinds(events) != meta.counts:
        raise BadInput(
            f"{path / EVENTS}: expected the {sum(meta.counts.values())} events that {SIDECAR} counts, found {len(events)} others"
        )
    ends = (int(events["time"][0]), int(events["time"][-1])) if len(events) else (0, 0)
    if ends != (meta.first_time, meta.last_time):
        raise BadInput(f"{path / SIDECAR}: expected the first and last time of its events, {ends}, found others: import the day again")
    return Day(path, meta, events, np.array(meta.start, LEVEL_ROW), header)


def _read_meta(path: Path, place: int | None = None) -> Meta:
    try:
        descriptor = os.open(SIDECAR if place is not None else path, os.O_RDONLY, dir_fd=place)
        with open(descriptor, "rb") as file:
            return parse_meta(file.read(), path)
    except OSError as error:
        raise BadInput(f"{path}: expected the sidecar of a stored day, found: {error.strerror or error}") from error


def _read_events(path: Path, place: int) -> tuple[bytes, NDArray[np.void]]:
    """The header of the events' file, and the events, mapped into memory; BadInput where a book could not take them."""
    try:
        with open(os.open(EVENTS, os.O_RDONLY, dir_fd=place), "rb") as file:
            header, size = _read_header(file.read(_LONGEST_HEADER), path), os.fstat(file.fileno()).st_size
            count, left = divmod(size - len(header), EVENT.itemsize)
            if left or header.split(b"(")[-1].split(b",")[0] != str(count).encode():
                raise BadInput(f"{path}: expected whole events, as many as its header counts, found {size} bytes: cut off or broken")
            events = np.memmap(file, EVENT, "c", len(header), (count,)).view(np.ndarray)
    except OSError as error:
        raise BadInput(f"{path}: expected the events of a stored day, found: {error.strerror or error}") from error
    refuse_unsound(events, path)
    return header, events


def _read_header(text: bytes, path: Path) -> bytes:
    """The header of an .npy file that begins with `text`, if it is of EVENTs in one row."""
    match = _HEADER.match(text)
    if match is None or len(match[0]) != 10 + int.from_bytes(text[8:10], "little"):
        raise BadInput(f"{path}: expected the events of a stored day, records of {EVENT.names}, found a file that begins {text[:80]!r}")
    return match[0]


def _refuse_others(home: Path, recorded: Recorded) -> None:
    try:
        sources = _read_meta(home / SIDECAR).sources
    except BadInput:
        sources = []
    if [source.sha256 for source in sources] != [source.sha256 for source in recorded.sources]:
        names = ", ".join(source.name for source in sources) or "nothing that can be read"
        raise BadInput(f"{home}: expected no day from other files, found one from {names}; --replace overwrites it")


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


_LONGEST_HEADER: Final = 1024
_DESCRIPTION: Final = re.escape(f"{{'descr': {EVENT.descr!r}, 'fortran_order': False, 'shape': ".encode())
_HEADER: Final = re.compile(rb"\x93NUMPY\x01\x00.." + _DESCRIPTION + rb"\(\d{1,15},\), \} *\n", re.DOTALL)


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
