"""The journal's rows and the chain that binds them: a row's hash covers the hash before it and all of the row."""

import struct
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec

from tercet.errors import TercetError
from tercet.messages import Alert, Cancel, Child, Command, Comparison, LimitsChange, Mandate, Refused, Replace, Report

FORMAT: Final = 1
DIGEST: Final = 32  # bytes

Row = tuple[int, int, str, bytes, bytes]  # seq from 1, time in ns, kind, payload, hash
Tail = tuple[int, int, bytes]  # seq, time and hash of the last row; 0, 0 and the journal's seed where there is none
Intent = Child | Cancel | Replace
Act = Command | Alert | LimitsChange | Comparison | Mandate  # what people and the gate's watch have said
ACTS: Final = (Command, Alert, LimitsChange, Comparison, Mandate)


class Damaged(TercetError):
    """A journal that is not what was written; nothing may be sent on its word."""


class Sent(msgspec.Struct, frozen=True):
    """The gateway took the intent `id`."""

    id: str


class Note(msgspec.Struct, frozen=True):
    """Something that a reader of the journal should know."""

    text: str


INTENTS: Final[dict[str, type]] = {"child": Child, "cancel": Cancel, "replace": Replace}
KINDS: Final[dict[str, Any]] = INTENTS | {
    **{"sent": Sent, "report": Report, "note": Note},
    **{"refused": Refused, "command": Command, "alert": Alert},
    **{"limits": LimitsChange, "comparison": Comparison, "mandate": Mandate},
}
KIND_OF: Final[dict[type, str]] = {kind: name for name, kind in KINDS.items()}
DECODE: Final[dict[str, Callable[[bytes], Any]]] = {name: msgspec.msgpack.Decoder(kind).decode for name, kind in KINDS.items()}

_LABEL: Final = {kind: kind.encode() + b"\0" for kind in KINDS}
_numbers = struct.Struct(">qq").pack


def hash_of(before: bytes, seq: int, time: int, kind: str, payload: bytes) -> bytes:
    """The hash of a row that follows the row (or the seed) whose hash is `before`."""
    return blake2b(before + _numbers(seq, time) + _LABEL[kind] + payload, digest_size=DIGEST).digest()


def walk(rows: Iterable[Row], seed: bytes, name: object) -> Iterator[Row]:
    """The rows as they come, each checked against the one before; Damaged at the first that does not fit."""
    before, last = seed, 0
    for row in rows:
        seq, time, kind, payload, found = row
        if seq != last + 1:
            raise Damaged(f"{name}: row {last + 1} is missing: row {seq} follows row {last}")
        try:
            fits = hash_of(before, seq, time, kind, payload) == found
        except (TypeError, AttributeError, KeyError, struct.error):  # other hands wrote another type, or a kind that is none
            fits = False
        if not fits:
            raise Damaged(f"{name}: row {seq} does not fit the chain: it was changed, inserted, or stands where another was removed")
        yield row
        before, last = found, seq


def decoded(row: Row, name: object) -> Any:
    """The message in a row; Damaged where it is none of its kind, or the row none of a journal."""
    seq, time, kind, payload, hash_ = row
    if type(time) is not int or type(payload) is not bytes or type(hash_) is not bytes or kind not in DECODE:
        raise Damaged(f"{name}: row {seq} is none of a journal: expected a time, one of {', '.join(DECODE)}, and bytes; it was changed")
    try:
        return DECODE[kind](payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Damaged(f"{name}: row {seq} holds no {kind} that can be read ({error})") from error
