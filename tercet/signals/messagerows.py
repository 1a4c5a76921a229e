"""The rows that the direction of the mid is forecast from, one a message: of a stored day, or of messages as they come."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.book.state import MAX_TICK
from tercet.errors import BadInput
from tercet.market.calendar import Session
from tercet.market.events import EVENT, REVEAL
from tercet.market.store import Day
from tercet.signals import messagerow
from tercet.signals.catalogue import NAMES
from tercet.signals.crossflow import FLOWS as FLOWS_OF_OTHERS
from tercet.signals.days import BOOK_SIZES, MOST_LOTS, FeatureStream, fitting, hours_of, refuse
from tercet.signals.features import HEAD
from tercet.signals.ladder import LEVELS
from tercet.signals.messagerow import BACK, EARLIER, FLOWS, NEAR, PAST
from tercet.signals.samples import Mirror

Row = NDArray[np.float32]
SUMS: Final = "ofi_total_"  # sums since the start: they wander, so they are told as changes
SLOW: Final = ("vpin", "vpin_net")  # they take half an hour to say anything, and without them nothing is said till then
MOST_EVENTS: Final = 256  # of a message
MESSAGE: Final = ("message_lots", *(f"{name}{near}" for name in ("added", "left", "traded", "hidden") for near in ("", "_near")))
SIDE: Final = (
    *(f"gap_{level}" for level in range(1, NEAR + 1)),
    *(f"lots_{level}" for level in range(1, NEAR + 1)),
    "stood",  # messages
    "stood_s",
    "stepped",
)
# Everything that a row may hold, as `messagerow.run` writes it.
ROW_NAMES: Final = (
    *NAMES,
    *(f"{name}_{side}" for side in ("bid", "ask") for name in SIDE),
    *(f"{name}{back}" for back in ("", *(f"_{back}" for back in range(1, EARLIER + 1))) for name in MESSAGE),
    *(f"{SUMS.replace('total', f'last{back}')}{level}" for level in range(1, LEVELS + 1) for back in FLOWS),
    *(f"moved_{back}e" for back in BACK),
    *(f"passed_{back}e" for back in BACK),
)
KEPT_NAMES: Final = tuple(name for name in ROW_NAMES if not name.startswith(SUMS) and name not in SLOW)
MID: Final = np.dtype([("time", np.int64), ("mid", np.float64), ("half", np.float64)], align=True)

# What changes its sign, and what changes its name, where bids are asks and asks bids.
ODD: Final = ("imbalance_", "depth_imbalance_", "weighted_mid", "microprice", "ofi_", "signed_", "signs_", "sign_expected")
ODD_TOO: Final = ("hawkes_imbalance", "drift_burst", "moved_", *MESSAGE)
OTHER: Final = {"bid": "ask", "ask": "bid", "buy": "sell", "sell": "buy", "up": "down", "down": "up"}
SIGNS: Final = {name: -1 if name.startswith((*ODD, *ODD_TOO)) else 1 for name in ROW_NAMES}


def mirror_of(names: tuple[str, ...], signs: Mapping[str, int] | None = None) -> Mirror:
    """Where a row's numbers stand, and with which sign, in the row of a market whose bids were asks and whose asks were bids.

    signs: of names that are none of ROW_NAMES or `with_others`: -1 of what means the opposite there (a signed flow), 1 of what means the
    same (a volume). Such a name that ends in a side (_bid, _buy, _up) is exchanged with its other where that is there too. Raises BadInput
    for a name of unknown sign, and for one of our own that lacks its other: an image with the wrong number and the opposite label teaches
    that the number says nothing.
    """
    stated = dict(signs or {})
    if wrong := [name for name, sign in stated.items() if name not in names or sign not in (1, -1)]:
        raise BadInput(f"the sign of {wrong[0]} was {stated[wrong[0]]}; expected 1 or -1 for features that are there")
    known = {name: stated.get(name, _sign(name)) for name in names}
    if unknown := [name for name, sign in known.items() if sign is None]:
        raise BadInput(
            f"nobody has said what {unknown[0]} is where bids are asks ({len(unknown)} of {len(names)} are unknown); expected "
            f"signs={{{unknown[0]!r}: -1}} if its sign turns and 1 if not, or samples without a mirror (mirrored=False)"
        )
    places = {name: other if (other := other_of(name)) in names else name for name in names}
    if alone := [name for name, other in places.items() if other == name != other_of(name) and name not in stated]:
        raise BadInput(f"{alone[0]} is there without {other_of(alone[0])}; expected both, or samples without a mirror (mirrored=False)")
    if uneven := [name for name, other in places.items() if known[name] != known[other]]:
        raise BadInput(f"{uneven[0]} and {places[uneven[0]]} had unequal signs; expected one: each is the other's image")
    return Mirror(np.array([names.index(places[name]) for name in names]), np.array([known[name] for name in names], np.float32))


def other_of(name: str) -> str:
    """The same of the other side; the name itself where it has none."""
    word, _, side = name.rpartition("_")
    return f"{word}_{OTHER[side]}" if side in OTHER else name


def _sign(name: str) -> int | None:
    """Of our own features, and of other symbols' flow."""
    return -1 if name.startswith(tuple(f"{flow}_" for flow in FLOWS_OF_OTHERS)) else SIGNS.get(name)


class MessageRows:
    """Rows of messages as they come; the same as those of a whole day, bit for bit."""

    def __init__(self, start: NDArray[np.void], hours: Session, names: tuple[str, ...], size: tuple[int, int] = BOOK_SIZES[0]) -> None:
        """start: the known book before the first event (LEVEL_ROWs); names: the features that a row holds; size: levels and orders."""
        if unknown := [name for name in names if name not in ROW_NAMES]:
            raise BadInput(f"no row of messages has {unknown[0]} ({len(unknown)} of {len(names)} are unknown)")
        self._stream = FeatureStream(start, hours, every="1events", size=size)
        # Plain arrays of one record: numba takes ten microseconds to look at a record that it is given from outside.
        self._state, self._book = (np.asarray(one.base) for one in (self._stream.state, self._stream.book))
        self._past, self._head = np.zeros(1, PAST), np.zeros(1, HEAD)
        self._message = np.zeros(MOST_EVENTS, EVENT)
        self._out, self._mid = np.empty((1, len(ROW_NAMES)), np.float32), np.zeros(1, MID)
        self._features, self._row = np.zeros(len(NAMES)), np.full(len(ROW_NAMES), np.nan)
        self._sums = np.array([NAMES.index(f"{SUMS}{level}") for level in range(1, LEVELS + 1)])
        self._places = np.array([ROW_NAMES.index(name) for name in names])
        self._time = -(2**63)

    def take(self, message: NDArray[np.void]) -> Row | None:
        """Let a message happen, an EVENT and behind it what it reveals; its row, (features,), or None while one of them says nothing.

        Raises BadInput where it cannot be, and takes nothing of it; and where more orders rest than the book holds, which has half taken it
        by then: these rows are at an end, and others begin anew with a larger `size`.
        """
        count = len(message)
        if count <= MOST_EVENTS:
            self._message[:count] = message
        if count > MOST_EVENTS or not messagerow.fine(self._message, count, self._time, MOST_LOTS, MAX_TICK):
            refuse(message, self._time)
            raise BadInput(f"{count} events; expected one message and up to {MOST_EVENTS - 1} levels that it reveals")
        self._time = int(self._message["time"][count - 1])
        self._run(self._message[:count], self._out, self._mid)
        taken: Row = self._out[0][self._places]
        return taken if np.isfinite(taken).all() else None

    def day(self, events: NDArray[np.void]) -> tuple[Row, NDArray[np.void]]:
        """All messages of a day at once: (messages, ROW_NAMES), and a MID each."""
        refuse(events, self._time)
        count = int((events["kind"][1:] != REVEAL).sum()) + 1 if len(events) else 0
        out, mids = np.empty((count, len(ROW_NAMES)), np.float32), np.zeros(count, MID)
        self._run(np.array(events), out, mids)
        return out, mids

    def _run(self, events: NDArray[np.void], out: Row, mids: NDArray[np.void]) -> None:
        held = (self._state, self._book, self._past)
        if messagerow.run(*held, events, self._head, self._features, self._sums, self._row, out, mids) < 0:
            raise BadInput("more orders rest at once than the book holds; expected fewer, or a larger book")


def message_features(day: Day) -> pl.DataFrame:
    """All features of a stored day after each message (what a message reveals belongs to it), with mid2 and half_spread in ticks.

    Sums since the start are told as changes over the last messages, and beside them stand the mid's own changes, the time that passed,
    what the last messages were and how the first levels lie. What is null for a while keeps its last value; SLOW ones are left out, and
    so is what was never told, with the same of its other side: all of it would be null, and half a pair has no mirror.
    """
    table, mids = MessageRows(day.start, hours_of(day), (), fitting(day)).day(day.events)
    columns = {name: table[:, place] for place, name in enumerate(ROW_NAMES) if name in KEPT_NAMES}
    told = {name for name, column in columns.items() if len(column) and np.isfinite(column[-1])}
    kept = {name: np.ascontiguousarray(column) for name, column in columns.items() if name in told and other_of(name) in told}
    return pl.DataFrame({"event_time": mids["time"], "mid2": 2.0 * mids["mid"], "half_spread": mids["half"], **kept})
