"""The one protocol of everything that works an order, closed form or learned: `decide(view, pad) -> number of children`.

`view` is a VIEW. `pad` is the policy's own: `pad.settings` (what it was made with), `pad.memory` (zeros at the parent's birth,
then whatever it writes there), `pad.action` (what an agent chose, in an environment) and `pad.children`, the CHILD records that it
fills from the front. `post`, `cross` and `withdraw` fill them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numba import types

from tercet.book.records import CANCEL_OWN, CHILD, REPLACE_OWN, SUBMIT
from tercet.book.state import LIMIT, MARKET, POST_ONLY
from tercet.compiled import compiled, reference, referred
from tercet.errors import BadInput
from tercet.execution import trial
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
        ("spare", CHILD),  # what is written of children beyond those, which nobody sends
        ("cut", np.int64),  # decisions of this parent that returned more children than that, or fewer than none
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
    origin: Any = field(default=None, compare=False, repr=False)  # (function, arguments) that make it, where settings hold an address

    def __post_init__(self) -> None:
        """Refuse settings that a pad has no places for."""
        if len(self.settings) > SETTINGS or not all(math.isfinite(one) for one in self.settings):
            raise BadInput(f"policy {self.name}: settings were {self.settings}; expected {SETTINGS} finite numbers at most")

    def __deepcopy__(self, memo: dict[int, Any]) -> "Policy":
        """Itself: it does not change."""
        return self

    def __reduce__(self) -> Any:
        """How it is pickled: an address means nothing to another process."""
        kept = (self.name, reference(self.decide), self.settings, self.step_ns, self.posture, self.seen)
        return self.origin or (_unpickled, kept)

    def check(self) -> None:
        """Work one parent of an invented market by this policy, uncompiled, so that what it gets wrong is named by its line.

        Raises BadInput for an index outside its array, a field that there is not, more children than a pad has places for, or a child
        that is none. What the package ships is not tried.
        """
        trial.work_one_parent(self.name, getattr(self.decide, "py_func", self.decide), self.new_pad())

    def new_pad(self) -> Any:
        """A pad with this policy's settings, blank memory and no children."""
        pad = np.zeros(1, PAD).view(np.recarray)[0]
        pad.settings[: len(self.settings)] = self.settings
        return pad


def _unpickled(name: str, decide: Any, *terms: Any) -> Policy:
    return Policy(name, referred(decide), *terms)


def policy(decide: Callable[[Any, Any], int]) -> Any:
    """Compile a `decide(view, pad)` so that markets can call it by pointer; BadInput names a field that there is not."""
    try:
        return compiled(DECIDE)(decide)
    except KeyError as error:  # numba's, for a record without such a field
        raise trial.unknown_field(decide, str(error.args[0])) from error


@compiled
def child_at(pad, count):
    """The CHILD at a place of a pad; the spare one where there is no such place."""
    return pad.children[count] if 0 <= count < len(pad.children) else pad.spare


@compiled
def fit(pad, count):
    """How many children a pad holds of those that a policy returned; where they are not the same, the decision is counted as cut."""
    if 0 <= count <= len(pad.children):
        return count
    pad.cut += 1
    return len(pad.children) if count > 0 else 0


@compiled
def cross(view, pad, count, lots):
    """Child: take `lots` from the other side now. Returns the count of children."""
    child = child_at(pad, count)
    child.verb = SUBMIT
    child.kind = MARKET
    child.side = view.side
    child.tick = 0
    child.lots = lots
    return count + 1


@compiled
def post(view, pad, count, lots, tick, post_only=True):
    """Child: rest `lots` at `tick`. Returns the count of children."""
    child = child_at(pad, count)
    child.verb = SUBMIT
    child.kind = POST_ONLY if post_only else LIMIT
    child.side = view.side
    child.tick = tick
    child.lots = lots
    return count + 1


@compiled
def withdraw(pad, count, own):
    """Child: cancel an order of ours. Returns the count of children."""
    child = child_at(pad, count)
    child.verb = CANCEL_OWN
    child.handle = own.handle
    return count + 1


@compiled
def move(pad, count, own, tick, post_only=True):
    """Child: move an order of ours to another price, at the end of the queue there. Returns the count of children."""
    child = child_at(pad, count)
    child.verb = REPLACE_OWN
    child.kind = POST_ONLY if post_only else LIMIT
    child.handle = own.handle
    child.tick = tick
    child.lots = own.lots + own.filled
    return count + 1
