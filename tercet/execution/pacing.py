"""A policy that heeds the posture: in stress, what is against the market's pressure waits, and what runs with it is done early.

Who sells into a fall pays more each second, and so does who buys into a rise: even parts of the parent are crossed, all of it within
`hasten_s`. Who buys into a fall is paid for waiting: what rests is pulled, until as much time is left as those parts take. Caps bind
either way, and a HALT sends nothing (`execution/working.py`). Where nothing presses, or there is no posture, the policy decides as ever.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from tercet.compiled import compiled
from tercet.execution.caps import DEFENSIVE, HALT, level_of
from tercet.execution.policy import DECIDE, SETTINGS, Policy, policy
from tercet.execution.schedules import pull_or_cross
from tercet.execution.working import pull
from tercet.intrinsics import address_of, function_at

STATE, HASTEN, WAIT, LEAST, INNER = range(SETTINGS - 6, SETTINGS - 1)  # places in pad.settings; a gate has the last
decide_at: Final[Any] = function_at(DECIDE)


@dataclass(frozen=True)
class PaceSettings:
    """What a parent does in stress."""

    state: int = field(default=DEFENSIVE, metadata={"help": "1 CAUTIOUS to 3 HALT: from which on"})
    hasten_s: float = field(default=20.0, metadata={"help": "seconds in which a parent that runs with the pressure is done; 0: as ever"})
    wait: bool = field(default=True, metadata={"help": "a parent against the pressure waits"})
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


@policy
def heeding(view, pad):
    """The inner policy's decision, unless stress makes this one."""
    along, hasten_s = pad.pressure * view.side, pad.settings[HASTEN]
    if level_of(view.posture) >= pad.settings[STATE] and abs(along) >= pad.settings[LEAST]:
        late = (view.end - view.now) * 1e-9 <= hasten_s
        if (along > 0.0 and hasten_s > 0.0) or (along < 0.0 and pad.settings[WAIT] != 0.0 and late):
            return pull_or_cross(view, pad, min(view.filled + part_of(view, hasten_s), view.lots))
        if along < 0.0 and pad.settings[WAIT] != 0.0:
            return pull(view, pad)
    return decide_at(int(pad.settings[INNER]))(view, pad)


def paced(inner: Policy, settings: PaceSettings | None = None) -> Policy:
    """A policy that heeds the posture; a gate goes around it. ValueError where its own settings leave no room."""
    how = settings or PaceSettings()
    if len(inner.settings) > STATE:
        raise ValueError(f"policy {inner.name} has {len(inner.settings)} settings; expected {STATE} at most to heed a posture")
    room = (0.0,) * (STATE - len(inner.settings))
    address = float(address_of(inner.decide, DECIDE))
    return Policy(
        inner.name, heeding, (*inner.settings, *room, float(how.state), how.hasten_s, float(how.wait), how.least, address), inner.step_ns
    )
