"""SIM: a book, its flow, a clock, a wire, our orders, a seed. Copying the record copies the simulation and its future."""

from functools import cache
from typing import Any, Final

import numpy as np

from tercet.book.flow import FLOW
from tercet.book.records import CHILD, OWN, REPORT, TRACE
from tercet.book.state import FILL, book_dtype
from tercet.market.events import EVENT

US: Final = 1  # the owner of our orders
HISTORY, CROWD = 0, 1

WIRE_PLACES: Final = 32
OWN_PLACES: Final = 16
LATENCY_STEPS: Final = 33  # quantiles of a latency: constant, jittered or sampled are one table
ALTERED_PLACES: Final = 512
DRAWS: Final = 16

# A recorded order whose lots in our world differ from the recording: more (a phantom) or fewer (removed by us).
ALTERED: Final = np.dtype(
    [
        ("id", np.int64),
        ("lots", np.int64),
        ("tick", np.int32),
        ("side", np.int8),
        ("finished", np.int8),  # the recording has no more of this order
        ("time", np.int64),  # when it came to differ
    ],
    align=True,
)
TABLE: Final = np.dtype([("count", np.int64), ("dropped", np.int64), ("rows", ALTERED, ALTERED_PLACES)])
CROWD_SETTINGS: Final = np.dtype(
    [
        ("limit_rate", np.float64),  # limit orders per second and side at season 1
        ("market_rate", np.float64),  # market orders per second and side at season 1
        ("life_s", np.float64),  # mean life of a limit order
        ("reach", np.float64),  # mean distance of a limit order from the opposite touch, ticks
        ("limit_lots", np.float64),  # mean size
        ("market_lots", np.float64),
        ("lot_step", np.int64),  # sizes are multiples of it
        ("open", np.int64),  # ns, when the season begins
        ("close", np.int64),
        ("anchor", np.int32),  # tick at which an empty book starts
        ("season", np.float64, 26),  # relative rates through the day, mean 1
    ],
    align=True,
)
DEATH: Final = np.dtype([("time", np.int64), ("id", np.int64), ("slot", np.uint32)], align=True)


@cache
def sim_dtype(levels: int, orders: int, deaths: int = 1) -> np.dtype[Any]:
    """The record of one simulation: `deaths` bounds the lifetimes that a crowd keeps (1 for a recorded day)."""
    return np.dtype(
        [
            ("kind", np.int8),
            ("hidden_first", np.int8),  # hidden executions fill our displayed orders first
            ("now", np.int64),
            ("cursor", np.int64),  # next recorded event
            ("seed", np.int64),
            ("draws", np.int64, DRAWS),
            ("next_handle", np.int64),
            ("filled", np.int64),  # lots of ours, ever
            ("recorded_lots", np.int64),  # printed by the recording, ever
            ("altered_lots", np.int64),  # of the recording, executed otherwise because of us
            ("phantom_lots", np.int64),
            ("missing_lots", np.int64),  # named by the recording and not in the book
            ("log_full", np.int64),
            ("order_latency", np.int64, LATENCY_STEPS),  # quantiles, ns
            ("feed_latency", np.int64, LATENCY_STEPS),
            ("wire_head", np.int64),
            ("wire_count", np.int64),
            ("last_arrival", np.int64),
            ("next_time", np.int64, 2),  # crowd: next limit, next market order
            ("death_count", np.int64),
            ("own", OWN, OWN_PLACES),
            ("wire", CHILD, WIRE_PLACES),
            ("flow", FLOW),
            ("phantoms", TABLE),
            ("removed", TABLE),
            ("crowd", CROWD_SETTINGS),
            ("book", book_dtype(levels, orders, True)),
            ("deaths", DEATH, deaths),
        ],
        align=True,
    )


@cache
def scratch_dtype(orders: int, reports: int = 16384, looks: int = 4096) -> np.dtype[Any]:
    """What a worker needs beside a SIM and reuses: fills of one sweep, the crowd's last event, reports and looks of one parent."""
    return np.dtype(
        [
            ("rows", FILL, orders + 1),
            ("event", EVENT),
            ("count", np.int64),
            ("reports", REPORT, reports),
            ("looked", np.int64),
            ("looks", TRACE, looks),
        ],
        align=True,
    )


def new_sim(kind: int, levels: int, orders: int, deaths: int = 1, seed: int = 0) -> Any:
    """An empty simulation of that kind without latency, as a record."""
    sim = np.zeros(1, sim_dtype(levels, orders, deaths)).view(np.recarray)[0]
    sim.kind = kind
    sim.hidden_first = 1
    sim.seed = seed
    return sim


def new_scratch(sim: Any, reports: int = 16384) -> Any:
    """The scratch of a worker that advances simulations like `sim`."""
    return np.zeros(1, scratch_dtype(len(sim.book.orders) - 1, reports)).view(np.recarray)[0]
