"""EVENT: the one record that every feed becomes."""

from typing import Final

import numpy as np

BUY: Final = 1
SELL: Final = -1

# What the market did. The first seven are numbered as in LOBSTER message files.
ADD: Final = 1  # an order came to rest
REDUCE: Final = 2  # a resting order lost `lots`, and keeps its place
CANCEL: Final = 3  # a resting order left with its last `lots`
TRADE: Final = 4  # a displayed resting order was executed for `lots`
HIDDEN: Final = 5  # a hidden order was executed; the visible book does not change
CROSS: Final = 6  # an auction or cross printed; the visible book does not change
HALT: Final = 7  # the trading state changed: `tick` is HALTED, QUOTING or TRADING
REVEAL: Final = 8  # at the deep end a level came into view: `lots` (perhaps none) stand at `tick`, nothing between it and tick `id`

KINDS: Final = {
    ADD: "add",
    REDUCE: "reduce",
    CANCEL: "cancel",
    TRADE: "trade",
    HIDDEN: "hidden",
    CROSS: "cross",
    HALT: "halt",
    REVEAL: "reveal",
}

HALTED, QUOTING, TRADING = -1, 0, 1

FINER_PER_TICK: Final = 10_000

EVENT: Final = np.dtype(
    [
        ("time", np.int64),  # ns since the epoch, UTC
        ("id", np.int64),  # the order's id in the feed; for REVEAL the tick of the deepest level seen before
        ("lots", np.int64),
        ("tick", np.int32),  # price in ticks, rounded down
        ("finer", np.int16),  # what rounding left, in 1 / FINER_PER_TICK of a tick (prints between ticks only)
        ("kind", np.int8),
        ("side", np.int8),  # of the *resting* order, BUY or SELL; the aggressor is on the other side
    ]
)
LEVEL_ROW: Final = np.dtype([("tick", np.int32), ("side", np.int32), ("lots", np.int64)])  # one level of a snapshot
