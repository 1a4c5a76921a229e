"""LOBSTER files written: EVENTs and the book after each become a message file and the orderbook file beside it, piece by piece.

What is written is kept at the same time as `lobster.read` would find it in the files.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput, TercetError
from tercet.market import windows
from tercet.market.calendar import NEW_YORK, SECOND, Session, midnight_ns
from tercet.market.events import EVENT, FINER_PER_TICK, HALT
from tercet.market.instruments import Instrument
from tercet.market.lobster import start_before
from tercet.market.recorded import Recorded, Source, count_kinds
from tercet.wholefiles import being_made

Events = NDArray[np.void]
Ints = NDArray[np.int64]
Piece = tuple[Events, Ints]  # EVENTs, none of them a REVEAL, and the book after each, as `lobster.read_book` has it

MILLISECOND = 1_000_000


@dataclass(frozen=True)
class Pair:
    """A day's two files, and what an import of them finds."""

    messages: Path
    orderbook: Path
    recorded: Recorded


def write(folder: Path, pieces: Iterable[Piece], instrument: Instrument, day: date, hours: Session, depth: int, tz: str = NEW_YORK) -> Pair:
    """Write the two files of `day` into `folder`, where neither may be yet, and see them to the disk.

    hours: what the names say that the files cover. Raises BadInput where there is not one message.
    """
    messages, orderbook = (folder / name for name in names(instrument.symbol, day, hours, depth, tz))
    midnight = midnight_ns(day, tz)
    found: list[Events] = []
    first, last = None, None
    with _Growing(messages) as told, _Growing(orderbook) as stood:
        for events, shown in pieces:
            told.add(_messages(events, instrument, midnight))
            stood.add(_rows(shown, instrument))
            found.append(_as_read(events, shown, last))
            first, last = first or (events[0], shown[0]), (events[-1:].copy(), shown[-1:].copy())
    if first is None:
        raise BadInput(f"{messages.name}: expected messages, found none")
    start, _ = start_before(*first)
    events = np.concatenate(found)
    return Pair(messages, orderbook, Recorded(events, start, depth, count_kinds(events), [], [told.source, stood.source]))


def names(symbol: str, day: date, hours: Session, depth: int, tz: str = NEW_YORK) -> tuple[str, str]:
    """What LOBSTER calls the message file and the orderbook file of such a day."""
    opens, closes = ((time - midnight_ns(day, tz)) // MILLISECOND for time in (hours.open_ns, hours.close_ns))
    message, orderbook = (f"{symbol}_{day}_{opens}_{closes}_{part}_{depth}.csv" for part in ("message", "orderbook"))
    return message, orderbook


@contextmanager
def under_way(folder: Path) -> Iterator[Path]:
    """A hidden folder in `folder` for files that are not yet whole; on the way out it is gone.

    After a failure so are the folders that were made for it. Raises BadInput where nothing can be written there.
    """
    folder = folder.absolute()
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".lobster.", dir=folder) as hidden, being_made(Path(hidden)):
            yield Path(hidden)
    except BaseException as error:
        with suppress(OSError):  # somebody else's files are in it
            for place in made:
                place.rmdir()
        if isinstance(error, OSError):
            raise BadInput(f"{folder}: expected to write LOBSTER files there, found: {error.strerror or error}") from error
        raise


def refuse_others(pair: Pair, folder: Path, *, replace: bool = False) -> None:
    """BadInput where `folder` has files of these names that hold something else, unless they are to be replaced."""
    for source in pair.recorded.sources:
        there = folder / source.name
        if there.is_dir() or (there.exists() and not replace and _checksum(there) != source.sha256):
            raise BadInput(f"{there}: expected no file of that name, found another; say replace to overwrite it")


def move(pair: Pair, folder: Path) -> Pair:
    """The two files take their places in `folder`."""
    messages, orderbook = (path.replace(folder / path.name) for path in (pair.messages, pair.orderbook))
    return Pair(messages, orderbook, pair.recorded)


class _Growing:
    """A file that is written piece by piece; `source` says what it became."""

    def __init__(self, path: Path) -> None:
        self.path, self.bytes, self.digest = path, 0, hashlib.sha256()

    def __enter__(self) -> Self:
        self.file = self.path.open("xb")
        return self

    def __exit__(self, *problem: object) -> None:
        with self.file:
            self.file.flush()
            os.fsync(self.file.fileno())

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows of numbers."""
        text = BytesIO()
        rows.write_csv(text, include_header=False)
        self.bytes += self.file.write(text.getbuffer())
        self.digest.update(text.getbuffer())

    @property
    def source(self) -> Source:
        return Source(self.path.name, self.bytes, self.digest.hexdigest())


def _messages(events: Events, instrument: Instrument, midnight: int) -> pl.DataFrame:
    after, tick = events["time"] - midnight, events["tick"].astype(np.int64)
    units = instrument.units_per_tick
    price = np.where(events["kind"] == HALT, tick, tick * units + events["finer"].astype(np.int64) * units // FINER_PER_TICK)
    lots = events["lots"] * instrument.units_per_lot
    clock = pl.DataFrame({"seconds": after // SECOND, "nanos": after % SECOND}).select(
        time=pl.format("{}.{}", "seconds", pl.col("nanos").cast(pl.String).str.zfill(9))
    )
    return clock.with_columns(kind=events["kind"], id=events["id"], lots=lots, price=price, side=events["side"])


def _rows(shown: Ints, instrument: Instrument) -> pl.DataFrame:
    price, lots = shown[..., 0] * instrument.units_per_tick, shown[..., 1] * instrument.units_per_lot
    nowhere = np.array([-windows.NOWHERE, windows.NOWHERE])[:, None]
    cells = np.stack([np.where(lots > 0, price, nowhere), lots], axis=3)
    return pl.DataFrame(cells[:, ::-1].transpose(0, 2, 1, 3).reshape(len(shown), -1), orient="row")  # asks before bids


def _as_read(events: Events, shown: Ints, last: Piece | None) -> Events:
    """What an import finds in a piece, its REVEALs included; `last`: the last event and row before it."""
    if last is not None:
        events, shown = np.concatenate([last[0], events]), np.concatenate([last[1], shown])
    records, wrong = events.view(np.recarray), windows.crossed(shown)
    reveals = windows.check(records, shown, 0, len(events), wrong)
    if wrong.any():
        event = events[int(wrong.argmax())]
        raise TercetError(f"message {event}: expected it to lead to the book after it, found that it does not; this is a fault of Tercet")
    woven = np.empty(len(events) + reveals, EVENT)
    windows.weave(records, shown, woven.view(np.recarray))
    return woven[last is not None :]


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
