"""How near a fall is: what counts as one, what warns of it, and what is made of a warning's score: a probability and alarms.

A fall is ahead of a day when a close of the 20 days after is 10% lower or more. Nothing is learned from a day before those 20 are over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.risk.indicators import MONTH, USUAL, WarningDays
from tercet.risk.monotone import logistic_weights
from tercet.signals.series import Floats

LEARNED_FROM: Final = 500  # days, with falls among them, before which nothing is learned
FALLS_SEEN: Final = 5  # days of falls among them
BETWEEN: Final = 63  # days between two times of learning
BASE: Final = -3.0  # log-odds of a fall that learning begins from ...
SLOPE: Final = 1.5  # ... and what it expects a deviation of the score to add to them
GAIN: Final = 5e-4  # of a false alarm on what is allowed


@dataclass(frozen=True)
class FallSettings:
    """What counts as a fall, and how many days may be in alarm though none comes."""

    depth: float = field(default=0.1, metadata={"help": "share of the close that is lost"})
    days: int = field(default=20, metadata={"help": "in which it is"})
    apart: int = field(default=40, metadata={"help": "days without such a day after which the next one is another fall"})
    budget: float = field(default=0.08, metadata={"help": "share of days without a fall ahead that may be in alarm"})
    lasts: int = field(default=10, metadata={"help": "days above its threshold after which an alarm ends, until it has been below"})

    def __post_init__(self) -> None:
        """Refuse what is no fall."""
        if not 0 < self.depth < 1 or min(self.days, self.apart, self.lasts) < 1 or not 0 < self.budget < 1:
            raise BadInput(f"{self}; expected depth and budget between 0 and 1, days, apart and lasts of 1 or more")


class Warning(Protocol):
    """A score a day, greater where a fall is nearer."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """As `WarningDays.there` names them."""
        ...

    def said(self, days: WarningDays, fall: FallSettings) -> Floats:
        """(n,), each from that day and those before it; NaN where it cannot be said. fall: what is learned from, if anything is."""
        ...


def falls(level: Floats, settings: FallSettings, depth: Floats | None = None) -> tuple[Floats, NDArray[np.int64]]:
    """(n,) 1 where a fall is ahead, 0 where none is, NaN where it is too early to say; (n,) days until its depth is reached, −1: none.

    depth: (n,) that counts at each day, NaN where none is known yet; that of the settings if not given.
    """
    depth = np.full(len(level), settings.depth) if depth is None else depth
    ahead = np.full(len(level), np.nan)
    until = np.full(len(level), -1, dtype=np.int64)
    for day in range(len(level) - 1):
        deep = level[day + 1 : day + 1 + settings.days] <= (1 - depth[day]) * level[day]
        if deep.any():
            ahead[day], until[day] = 1.0, int(deep.argmax()) + 1
        elif day + settings.days < len(level) and np.isfinite(depth[day]):
            ahead[day] = 0.0
    return ahead, until


def learnable(ahead: Floats, now: int, settings: FallSettings) -> NDArray[np.bool_]:
    """(n,): days whose 20 days are over on day `now`; a fall that came sooner waits for them too, or quiet days would be fewer."""
    day = np.arange(len(ahead))
    return np.isfinite(ahead) & (day + settings.days <= now)


def lessons(ahead: Floats, known: NDArray[np.bool_], settings: FallSettings) -> Iterator[tuple[slice, NDArray[np.bool_] | None]]:
    """Days up to the next time of learning, and (n,) the known ones before them to learn from; None where those hold too few falls."""
    for begin, end in pairwise([*range(0, len(ahead), BETWEEN), len(ahead)]):
        past = learnable(ahead, begin, settings) & known
        enough = past.sum() >= LEARNED_FROM and ahead[past].sum() >= FALLS_SEEN
        yield slice(begin, end), past if enough else None


def probability(score: Floats, days: WarningDays, settings: FallSettings, depth: Floats | None = None) -> Floats:
    """(n,) P(a fall is ahead): the score's logistic calibration on days that are over, its slope drawn towards 1.5; NaN as the score.

    Rises with the score. Before there are falls to learn from it is 0.02 a deviation: what nobody has counted is not nothing.
    """
    ahead, _ = falls(days.level, settings, depth)
    said = np.full(len(score), np.nan)
    for asked, past in lessons(ahead, np.isfinite(score), settings):
        if past is None:
            odds = np.log(0.02 / 0.98) + np.maximum(score[asked], 0.0)
        else:
            base, slope = logistic_weights(score[past, None], ahead[past], 1.0, 1.0, np.array([BASE, SLOPE]))
            odds = base + slope * score[asked]
        said[asked] = 1 / (1 + np.exp(-odds))
    return np.where(np.isfinite(score), said, np.nan)


def lasting(above: NDArray[np.bool_], settings: FallSettings) -> NDArray[np.bool_]:
    """(n,): the first days of each run above a threshold: who has been warned for long is not warned again by more of the same."""
    day = np.arange(len(above))
    begun = np.maximum.accumulate(np.where(above, -1, day))  # the last day below; −1 before any
    return above & (day - begun <= settings.lasts)


def alarms(score: Floats, days: WarningDays, settings: FallSettings) -> NDArray[np.bool_]:
    """(n,): where the score has risen above what the budget allows of days before without a fall ahead; in alarm where it cannot be said.

    What is allowed follows the false alarms that there have been, as soon as they are known: Gibbs & Candès, NeurIPS 2021.
    """
    ahead, _ = falls(days.level, settings)
    found, allowed, run = ~np.isfinite(score), settings.budget, 0
    calm = np.empty(0)
    for day in range(USUAL, len(score)):
        if over := ahead[day - settings.days] == 0:
            allowed = min(max(allowed + GAIN * (settings.budget - float(found[day - settings.days])), 0.0), 1.0)
        if day % MONTH == 0 and over:
            past = learnable(ahead, day, settings) & np.isfinite(score) & (ahead == 0)
            calm = np.sort(score[past])
        if len(calm) >= USUAL:
            place = int(np.ceil((1 - allowed) * len(calm)))
            run = run + 1 if place < len(calm) and score[day] > calm[place] else 0
            found[day] |= 1 <= run <= settings.lasts
    return found
