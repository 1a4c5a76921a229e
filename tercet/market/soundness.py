"""Whether EVENTs are what compiled code may be given: it has no bounds checks, and what wraps or never ends it would not say."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.compiled import compiled
from tercet.market.events import ADD, CROSS, FINER_PER_TICK, HALT, HALTED, REVEAL, TRADING

LARGEST_TICK: Final = 2**30  # what a book takes
LARGEST_SIZE: Final = 2**40  # lots of one order or level; a day's sum stays far below int64
WEEK: Final = 7 * 86_400 * 1_000_000_000  # ns
LATEST: Final = 2**63 - 1 - 53 * WEEK
SOUND, BAD_KIND, BAD_SIDE, BAD_TICK, BAD_LOTS, BAD_TIME = 0, 1, 2, 3, 4, 5


@compiled
def first_unsound(events: NDArray[np.void]) -> tuple[int, int]:
    """The first event that is not sound, and its fault; (number of events, SOUND) where all are."""
    for row in range(len(events)):
        event = events[row]
        since = event.time - events[0].time
        if event.time < 0 or event.time > LATEST or since < -WEEK or since > WEEK:
            return row, BAD_TIME
        fault = fault_of(event.kind, event.side, event.tick, event.finer, event.lots)
        if fault == SOUND and event.kind == REVEAL and abs(event.id) > LARGEST_TICK:
            fault = BAD_TICK
        if fault != SOUND:
            return row, fault
    return len(events), SOUND


@compiled
def fault_of(kind: int, side: int, tick: int, finer: int, lots: int) -> int:
    """What is wrong with an event of these fields."""
    if kind < ADD or kind > REVEAL:
        return BAD_KIND
    if abs(side) > 1 or (side == 0 and kind not in (CROSS, HALT)):
        return BAD_SIDE
    if abs(tick) > LARGEST_TICK or finer < 0 or finer >= FINER_PER_TICK or (kind == HALT and (tick < HALTED or tick > TRADING)):
        return BAD_TICK
    may_be_none = kind in (CROSS, HALT, REVEAL)
    return BAD_LOTS if lots < (0 if may_be_none else 1) or lots > LARGEST_SIZE else SOUND
