"""Our clock, a venue's and what they leave behind: times in windows never lie ahead of us, whoever's clock was wrong.

A clock that goes back a little stands still, and empties no window. One that goes back further had jumped ahead: what was dated while it
had counts as of now, so that all goes on without a restart, and the day that had begun too early is taken back with its losses.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NS: Final = 1_000_000_000
STILL: Final = NS  # by which our clock may go back and stands still instead
VENUE_AHEAD: Final = 10 * NS  # by which a venue's clock may be ahead of ours before it is not believed
RINGS: Final = ("times", "repeat_times", "recent_times", "cancel_times", "reject_times", "trade_times")  # of a scope
NEVER, ALWAYS = -(2**62), 2**62


def window_time(reported: int, clock: int) -> int:
    """When something that a venue has dated counts in our windows: not before our clock, and not long after it."""
    return reported if clock == NEVER else min(max(reported, clock), clock + VENUE_AHEAD)


def out_of_date(time: int, newest: int, clock: int) -> bool:
    """Whether a mark is older than the newest one; not where that one was dated by a clock that was ahead."""
    return time < newest and not (clock != NEVER and newest > clock + STILL and newest - time > STILL)


def date_back(scopes: NDArray[np.void], instruments: NDArray[np.void], width: int, now: int) -> None:
    """Let nothing that windows hold be later than now; `width` is that of the buckets of volume, ns."""
    for records, name in (*((scopes, ring) for ring in RINGS), (instruments, "fill_times")):
        records[name] = np.minimum(records[name], now)
    late = instruments["marked"] > now
    instruments["marked"][late] = 0  # too old for any order: the next one counts
    for row in instruments:
        _shift_buckets(row, max(int(row["bucket"]) - now // width, 0))


def _shift_buckets(row: Any, count: int) -> None:
    """Give the buckets of volume numbers that are `count` lower."""
    for name in ("volumes", "own_volumes"):
        row[name] = np.roll(row[name], -count % len(row[name]))
    row["bucket"] -= count
