"""The one protocol of everything that works an order, closed form or learned: `decide(view, pad) -> number of children`.

`view` is a VIEW. `pad` is the policy's own: `pad.settings` (what it was made with), `pad.memory` (zeros at the parent's birth,
then whatever it writes there), `pad.action` (what an agent chose, in an environment) and `pad.children`, the CHILD records that it
fills from the front. `post`, `cross` and `withdraw` fill them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numba import types

from tercet.book.records import CANCEL_OWN, CHILD, REPLACE_OWN, SUBMIT
from tercet.book.state import LIMIT, MARKET, POST_ONLY
from tercet.compiled import compiled
from tercet.execution.view import VIEW

SETTINGS: Final = 16
MEMORY: Final = 16
ACTION: Final = 2
CHILDREN: Final = 8

PAD: Final = np.dtype(
    [
        ("settings", np.float64, SETTINGS),
        ("memory", np.float64, MEMORY),
        ("action", np.float64, ACTION),  # what an agent chose, where one decides; else zeros
        ("pressure", np.float64),  # which way a market in stress is pressed, where somebody watches it: above 0 buying (see CAUTION)
        ("children", CHILD, CHILDREN),
    ],
    align=True,
)
DECIDE: Final = types.int64(numba.from_dtype(VIEW), numba.from_dtype(PAD))


class Seen(NamedTuple):
    """What a trained policy knows of a recorded day, called `market`: its session's time from one share to another."""

    market: str
    checksum: str  # of its events
    begin: float
    end: float


@dataclass(frozen=True)
class Policy:
    """A compiled `decide` under a name, with the settings that it finds on its pad."""

    name: str
    decide: Any
    settings: tuple[float, ...] = field(default=())
    step_ns: int = 0  # between decisions, that it was trained with; 0: any will do
    posture: bool = False  # it was trained with one
    seen: tuple[Seen, ...] = ()  # of recorded days: what it learned from, or was chosen by

    def new_pad(self) -> Any:
        """A pad with this policy's settings, blank memory and no children."""
        pad = np.zeros(1, PAD).view(np.recarray)[0]
        pad.settings[: len(self.settings)] = self.settings
        return pad


def policy(decide: Callable[[Any, Any], int]) -> Any:
    """Compile a `decide(view, pad)` so that markets can call it by pointer."""
    return compiled(DECIDE)(decide)


@compiled
def cross(view, pad, count, lots):
    """Child: take `lots` from the other side now. Returns the count of children."""
    child = pad.children[count]
    child.verb = SUBMIT
    child.kind = MARKET
    child.side = view.side
    child.tick = 0
    child.lots = lots
    return count + 1


@compiled
def post(view, pad, count, lots, tick, post_only=True):
    """Child: rest `lots` at `tick`. Returns the count of children."""
    child = pad.children[count]
    child.verb = SUBMIT
    child.kind = POST_ONLY if post_only else LIMIT
    child.side = view.side
    child.tick = tick
    child.lots = lots
    return count + 1


@compiled
def withdraw(pad, count, own):
    """Child: cancel an order of ours. Returns the count of children."""
    child = pad.children[count]
    child.verb = CANCEL_OWN
    child.handle = own.handle
    return count + 1


@compiled
def move(pad, count, own, tick, post_only=True):
    """Child: move an order of ours to another price, at the end of the queue there. Returns the count of children."""
    child = pad.children[count]
    child.verb = REPLACE_OWN
    child.kind = POST_ONLY if post_only else LIMIT
    child.handle = own.handle
    child.tick = tick
    child.lots = own.lots + own.filled
    return count + 1
