"""The sidecar of a stored day, day.json: what is known about its EVENTs, and what of it is refused."""

import datetime
import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from tercet.errors import BadInput
from tercet.market.calendar import midnight_ns
from tercet.market.instruments import Instrument
from tercet.market.recorded import Source
from tercet.market.soundness import LARGEST_SIZE, LARGEST_TICK

FORMAT: Final = 2  # 1 had no REVEAL without lots: what left out of view stayed in its book
SIDECAR: Final = "day.json"

Count = Annotated[int, msgspec.Meta(ge=0, le=2**60)]
Tick = Annotated[int, msgspec.Meta(ge=-LARGEST_TICK, le=LARGEST_TICK)]
StartRow = tuple[Tick, Literal[-1, 1], Annotated[int, msgspec.Meta(ge=1, le=LARGEST_SIZE)]]


class Meta(msgspec.Struct, frozen=True):
    """The sidecar. Times are ns since the epoch, UTC (0 in a day without events); `start` rows are tick, side, lots."""

    format: int
    symbol: str
    date: datetime.date
    tz: str
    instrument: Instrument
    depth: Annotated[int, msgspec.Meta(ge=0, le=2**20)]
    start: list[StartRow]
    counts: dict[str, Count]
    sources: list[Source]
    first_time: int
    last_time: int
    warnings: list[str]
    version: str
    events_sha256: str


class _Format(msgspec.Struct):
    format: int


def refuse_symbol(symbol: str) -> None:
    """BadInput for a symbol that no folder can be named by."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", symbol):
        raise BadInput(f"symbol {symbol!r}: expected letters, digits, '.', '_' and '-', the first a letter or a digit")


def parse_meta(text: bytes, path: Path) -> Meta:
    """The sidecar whose text was read from `path`; BadInput where it is broken, of another format, or says what cannot be."""
    try:
        found = msgspec.json.decode(text, type=_Format).format
        if found != FORMAT:
            raise BadInput(f"expected format {FORMAT}, found {found}: import the day again")
        meta = msgspec.json.decode(text, type=Meta)
        refuse_symbol(meta.symbol)
        midnight_ns(meta.date, meta.tz)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadInput(f"{path}: expected the sidecar of a stored day, found broken text ({error})") from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    if meta.instrument.symbol != meta.symbol:
        raise BadInput(f"{path}: expected one symbol, found {meta.symbol} and {meta.instrument.symbol!r}")
    return meta
