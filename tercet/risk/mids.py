"""The mid of a recorded day, event by event, and what FLOW says of its variance; compiled."""

import math

from tercet.book.flow import LONG_S, SHORT_S, decay, fade, moved
from tercet.book.queries import mid2, two_sided
from tercet.book.replay import apply
from tercet.compiled import compiled


@compiled
def walk(book, events, mids):
    """Let EVENTs happen and write the mid after each, ticks; 0 where a side is empty or trading is halted."""
    for i in range(len(events)):
        apply(book, events[i])
        mids[i] = 0.5 * mid2(book) if two_sided(book) and not book.halted else 0.0


@compiled
def flow_said(flow, times, mids, asked, said):
    """Write the mid's variance as FLOW has it at each time asked into `said`, (n, 2): short and long, bps² a second; NaN before a mid."""
    place, last = 0, 0.0
    for i in range(len(asked)):
        while place < len(times) and times[place] <= asked[i]:
            mid = mids[place]
            if mid > 0.0:
                decay(flow, times[place])
                if last > 0.0:
                    moved(flow, mid - last)
                last = mid
            place += 1
        passed = (asked[i] - flow.time) * 1e-9
        to_bps = 1e8 / (last * last) if last > 0.0 else math.nan
        said[i, 0] = flow.variance_short * fade(passed / SHORT_S) * to_bps
        said[i, 1] = flow.variance_long * fade(passed / LONG_S) * to_bps
