"""A policy that heeds the posture: what runs with the market's pressure in stress is done early, while there is somebody to trade with.

Who sells into a fall pays more each second, and so does who buys into a rise. Beside what the policy itself asks for, an even part of the
parent is crossed at each decision, so that all that is not working in the book is done within `hasten_s`: never later than without.
With `wait`, who stands against the pressure (buys into a fall) pulls what rests until as much time is left as those parts take; it bets
that a fall goes on. Caps bind either way, and a HALT sends nothing (`execution/working.py`). Where nothing presses, or there is no
posture, the policy decides as ever.

The defaults were chosen on training seeds of `crowd:crash` and `crowd:calm` among caps alone, waiting, hastening and both, from CAUTIOUS or
from DEFENSIVE on, over 5 to 60 s. That crowd's falls do not come back: where they do, hastening sells low.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from tercet.book.records import SUBMIT
from tercet.book.state import POST_ONLY
from tercet.compiled import compiled
from tercet.execution.caps import DEFENSIVE, HALT, level_of
from tercet.execution.policy import DECIDE, SETTINGS, Policy, cross, fit, policy
from tercet.execution.working import pull
from tercet.intrinsics import address_of, function_at

STATE, HASTEN, WAIT, LEAST, INNER = range(SETTINGS - 6, SETTINGS - 1)  # places in pad.settings; a gate has the last
decide_at: Final[Any] = function_at(DECIDE)


@dataclass(frozen=True)
class PaceSettings:
    """What a parent does in stress."""

    state: int = field(default=DEFENSIVE, metadata={"help": "1 CAUTIOUS to 3 HALT: from which on"})
    hasten_s: float = field(default=20.0, metadata={"help": "seconds in which a parent that runs with the pressure is done; 0: as ever"})
    wait: bool = field(default=False, metadata={"help": "a parent against the pressure waits"})
    least: float = field(default=2.0, metadata={"help": "pressure, in usual sizes, below which neither is done"})

    def __post_init__(self) -> None:
        """Refuse what is no pace."""
        if not (1 <= self.state <= HALT and 0.0 <= self.hasten_s < float("inf") and 0.0 <= self.least < float("inf")):
            raise ValueError(f"{self}; expected a state from 1 to 3, hasten_s and least of 0 or more")


@compiled
def part_of(view, seconds):
    """An even part of the parent: so many lots at each decision take `seconds` in all."""
    parts = max(int(seconds * 1e9 / view.step), 1)
    return (view.lots + parts - 1) // parts


@compiled
def top_up(view, pad, count, lots):
    """Let the first `count` children of a pad cross so many lots in all, by one more where they do not. Returns the count of children."""
    for i in range(count):
        child = pad.children[i]
        if child.verb == SUBMIT and child.kind != POST_ONLY:
            lots -= child.lots
    lots = min(lots, view.lots - view.filled - view.open)
    return cross(view, pad, count, lots) if lots > 0 and count < len(pad.children) else count


@policy
def heeding(view, pad):
    """The inner policy's decision, and what stress makes of it."""
    along, hasten_s = pad.pressure * view.side, pad.settings[HASTEN]
    stress = level_of(view.posture) >= pad.settings[STATE] and abs(along) >= pad.settings[LEAST]
    late = (view.end - view.now) * 1e-9 <= hasten_s
    if stress and along < 0.0 and pad.settings[WAIT] != 0.0 and not late:
        return pull(view, pad)
    count = fit(pad, decide_at(int(pad.settings[INNER]))(view, pad))
    if stress and hasten_s > 0.0 and (along > 0.0 or (pad.settings[WAIT] != 0.0 and late)):
        return top_up(view, pad, count, part_of(view, hasten_s))
    return count


def paced(inner: Policy, settings: PaceSettings | None = None) -> Policy:
    """A policy that heeds the posture; a gate goes around it. ValueError where its own settings leave no room."""
    how = settings or PaceSettings()
    if len(inner.settings) > STATE:
        raise ValueError(f"policy {inner.name} has {len(inner.settings)} settings; expected {STATE} at most to heed a posture")
    room = (0.0,) * (STATE - len(inner.settings))
    address = float(address_of(inner.decide, DECIDE))
    own = (float(how.state), how.hasten_s, float(how.wait), how.least, address)
    return replace(inner, decide=heeding, settings=(*inner.settings, *room, *own), origin=(paced, (inner, how)))
