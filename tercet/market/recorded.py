"""Recorded: what every importer of a recorded day hands over, and the files that it came from."""

import difflib
import gzip
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from tercet.errors import BadInput, at_row
from tercet.market import soundness
from tercet.market.events import KINDS
from tercet.market.soundness import LARGEST_SIZE, LARGEST_TICK

Text = NDArray[np.uint8]


class Source(msgspec.Struct, frozen=True):
    """A file as it lies on disk: name, size in bytes, checksum (hex)."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Recorded:
    """A day as EVENTs.

    `events` are EVENTs in the order of the feed; `start` are LEVEL_ROWs, the known book before the first event (buy side first, each
    from better to worse); `depth` is the number of levels a side that the feed shows, 0 where it shows no window; `counts` are
    events by kind; `warnings` are sentences.
    """

    events: NDArray[np.void]
    start: NDArray[np.void]
    depth: int
    counts: dict[str, int]
    warnings: list[str]
    sources: list[Source]


def count_kinds(events: NDArray[np.void]) -> dict[str, int]:
    """How many events of each kind there are, by the kind's name."""
    counts = np.bincount(events["kind"].view(np.uint8), minlength=256)
    return {name: int(counts[kind]) for kind, name in KINDS.items()}


# By the fault: the field that has it, and what a sentence about it says.
UNSOUND: Final = {
    soundness.BAD_KIND: ("kind", f"expected a kind from {min(KINDS)} to {max(KINDS)}"),
    soundness.BAD_SIDE: ("side", "expected a side of 1 or -1"),
    soundness.BAD_TICK: (
        "tick",
        f"expected a price within {LARGEST_TICK} ticks, and 0 to 9999 between them (a halt: -1, 0 or 1)",
    ),
    soundness.BAD_LOTS: ("lots", f"expected lots above 0, {LARGEST_SIZE} at most"),
    soundness.BAD_TIME: ("time", "expected a time in ns since 1970, within a week of the first"),
}


def refuse_unsound(events: NDArray[np.void], source: object) -> None:
    """BadInput, naming the row in `source`, for the first of EVENTs that no book can take."""
    row, fault = soundness.first_unsound(events.view(np.recarray))
    if fault != soundness.SOUND:
        field, expected = UNSOUND[fault]
        raise at_row(source, row + 1, f"{expected}, found {events[row][field]} in the event {events[row]}")


def load(path: Path) -> tuple[Text, Source]:
    """The bytes (uint8) in a file (.zst, .gz, .xz or plain), and where they came from.

    Raises BadInput where the file is missing, may not be read, is broken, cut off or empty.
    """
    refuse_missing(path)
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: expected a file that can be read, found: {error.strerror or error}") from error
    source = Source(path.name, len(packed), hashlib.sha256(packed).hexdigest())
    try:
        text = _UNPACK.get(path.suffix.lower(), _plain)(packed)
    except (OSError, EOFError, MemoryError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise BadInput(f"{path}: expected a whole {path.suffix} file, found one that is cut off or broken ({error})") from error
    if not len(text):
        raise BadInput(f"{path}: expected rows, found an empty file")
    return text, source


def refuse_missing(path: Path) -> None:
    """BadInput where there is nothing at `path`, with the name there that is most like it."""
    if not os.path.lexists(path):
        there = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        close = "".join(f" (there is {name})" for name in difflib.get_close_matches(path.name, there, 1))
        raise BadInput(f"{path}: expected a file that can be read, found: No such file or directory{close}")


def _plain(content: bytes) -> Text:
    return np.frombuffer(content, np.uint8)


def _unpack_zst(packed: bytes) -> Text:
    whole = np.empty(max(zstandard.frame_content_size(packed), 0), np.uint8)  # its huge pages make this twice as fast as bytes
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        if len(whole) and reader.readinto(whole.data) == len(whole) and not reader.read(1):
            return whole
    return _plain(b"".join(unpack_frames(packed)))


def unpack_frames(packed: bytes) -> Iterator[bytes]:
    """What the zstd frames of a file hold; EOFError where the last one does not end."""
    while packed:
        frame = zstandard.ZstdDecompressor().decompressobj()
        yield frame.decompress(packed)
        if not frame.eof:
            raise EOFError("the last frame does not end")
        packed = frame.unused_data


_UNPACK: dict[str, Callable[[bytes], Text]] = {
    ".zst": _unpack_zst,
    ".gz": lambda packed: _plain(gzip.decompress(packed)),
    ".xz": lambda packed: _plain(lzma.decompress(packed)),
}
