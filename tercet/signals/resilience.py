"""RESILIENCE: how quickly a touch that was traded away comes back, and how much of what is offered is taken back.

Refill half-life after Degryse, de Jong, van Ravenswaaij & Wuyts (2005) and Large (2007): the seconds until half of the lots that an
aggressor took from the best price stand there, or the price is better, again.
"""

import math
from typing import Final

import numpy as np

from tercet.book.queries import row_of
from tercet.compiled import compiled
from tercet.market.events import ADD
from tercet.signals.fading import S60

LONGEST_NS: Final = 60_000_000_000  # whoever waits for longer has waited for this
FADE: Final = 20  # refills
_KEPT: Final = math.exp(-1.0 / FADE)

TAKEN: Final = np.dtype([("open", np.int64), ("time", np.int64), ("key", np.int64), ("before", np.int64), ("left", np.int64)])
RESILIENCE: Final = np.dtype(
    [
        ("taken", TAKEN, 2),  # from the best bid, from the best ask: lots there before and after
        ("seconds", np.float64),
        ("refills", np.float64),
        ("adds", np.float64),  # messages, forgetting over 60 s
        ("cancels", np.float64),
    ],
    align=True,
)


@compiled(forceinline=True)
def fade(resilience, fading):
    """Let the counts forget what the clock's last step says."""
    resilience.adds *= fading.by[S60]
    resilience.cancels *= fading.by[S60]


@compiled(forceinline=True)
def told(resilience, kind, side, time, ladder):
    """An order came, or was taken back in whole or in part; the ladder has it already."""
    if kind == ADD:
        resilience.adds += 1.0
        taken = resilience.taken[row_of(side)]
        if taken.open != 0:
            row = row_of(side)
            key, lots = ladder.keys[row, 0], ladder.lots[row, 0]
            if key > taken.key or (key == taken.key and 2 * lots >= taken.before + taken.left):
                refilled(resilience, taken, time - taken.time)
    else:
        resilience.cancels += 1.0


@compiled(forceinline=True)
def took(resilience, event, key, before, ladder):
    """A displayed execution; `key` and `before` are the best key of its side, and its lots, just before."""
    row = row_of(event.side)
    taken = resilience.taken[row]
    if taken.open == 0 and event.side * event.tick == key:
        taken.open = 1
        taken.time = event.time
        taken.key = key
        taken.before = before
    if taken.open != 0 and taken.time == event.time:
        standing = ladder.count[row] > 0 and ladder.keys[row, 0] == taken.key
        taken.left = ladder.lots[row, 0] if standing else 0


@compiled
def refilled(resilience, taken, waited):
    """What was taken has come back, or its time is over."""
    resilience.seconds = resilience.seconds * _KEPT + waited * 1e-9
    resilience.refills = resilience.refills * _KEPT + 1.0
    taken.open = 0


@compiled(forceinline=True)
def settle(resilience, time):
    """Nothing more happens up to and including `time`."""
    for row in range(2):
        taken = resilience.taken[row]
        if taken.open != 0 and taken.time + LONGEST_NS <= time:
            refilled(resilience, taken, LONGEST_NS)


@compiled
def write(resilience, fading, out, at):
    """Write this family from out[at] on; returns where the next goes."""
    out[at] = resilience.seconds / resilience.refills if resilience.refills > 0.0 else math.nan
    out[at + 1] = resilience.cancels / resilience.adds if resilience.adds > 0.0 else math.nan
    return at + 2
