"""AHEAD: memory that will be wanted next, brought near the processor while the market at hand goes on.

Many simulations do not fit a cache, and to wait for each piece where a market touches it takes longer than what is done with it.
"""

from typing import Final

import numpy as np

from tercet.compiled import compiled
from tercet.intrinsics import ask_for

LINE: Final = 64  # bytes that memory comes in
AT_ONCE: Final = 8  # lines asked for between two events of a market
STRETCHES: Final = 8

AHEAD: Final = np.dtype(
    [
        ("count", np.int64),  # stretches left
        ("starts", np.int64, STRETCHES),  # their addresses
        ("ends", np.int64, STRETCHES),
    ]
)


@compiled
def want(ahead, start, end):
    """Add the memory from one address up to another to what will be wanted; where there are too many stretches, one is not asked for."""
    if ahead.count < len(ahead.starts):
        ahead.starts[ahead.count] = start
        ahead.ends[ahead.count] = end
        ahead.count += 1


@compiled(inline="always")
def bring(ahead, lines):
    """Ask for the next lines of what will be wanted."""
    if ahead.count == 0:
        return
    last = ahead.count - 1
    end = min(ahead.starts[last] + lines * LINE, ahead.ends[last])
    for address in range(ahead.starts[last], end, LINE):
        ask_for(address)
    ahead.starts[last] = end
    if end == ahead.ends[last]:
        ahead.count = last


@compiled
def bring_all(ahead):
    """Ask for all that is left of what will be wanted."""
    while ahead.count > 0:
        bring(ahead, 1 << 20)
