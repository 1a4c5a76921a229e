"""The records that pass between a trader and a market inside compiled code: CHILD goes out, OWN stands there, REPORT comes back."""

from typing import Final

import numpy as np

SUBMIT, CANCEL_OWN, REPLACE_OWN = 0, 1, 2  # what a child asks for

CHILD: Final = np.dtype(
    [
        ("time", np.int64),  # when it was sent; on the wire, when it arrives
        ("handle", np.int64),  # the order it is about; given by the market's wire for a new one
        ("lots", np.int64),  # REPLACE_OWN: the order's whole size, what is filled of it included
        ("tick", np.int32),
        ("verb", np.int8),
        ("kind", np.int8),  # LIMIT, MARKET, IOC, FOK, POST_ONLY
        ("side", np.int8),
    ],
    align=True,
)

FREE, SENT, RESTING, CANCELLING = 0, 1, 2, 3  # what we know of an order of ours

OWN: Final = np.dtype(
    [
        ("handle", np.int64),
        ("lots", np.int64),  # still open
        ("filled", np.int64),
        ("tick", np.int32),
        ("slot", np.uint32),
        ("side", np.int8),
        ("state", np.int8),
    ],
    align=True,
)

# One decision of a policy, for those who want to see how it worked.
TRACE: Final = np.dtype(
    [
        ("time", np.int64),
        ("filled", np.int64),
        ("open", np.int64),
        ("ahead", np.int64),  # lots before our first order in its queue
        ("bid", np.int32),
        ("ask", np.int32),
        ("own_tick", np.int32),  # of our first resting order; 0 where there is none
    ],
    align=True,
)

AGGRESSIVE, PASSIVE, COMPLETION = 0, 1, 2  # how a fill came about

REPORT: Final = np.dtype(
    [
        ("time", np.int64),
        ("handle", np.int64),
        ("lots", np.int64),
        ("tick", np.int32),
        ("mid2", np.int32),  # bid + ask in ticks just before the order that caused the fill, one value a sweep
        ("spread", np.int32),  # ask - bid in ticks, likewise
        ("how", np.int8),
        ("side", np.int8),
    ],
    align=True,
)
