"""SIM: a book, its flow, a clock, a wire, our orders, a seed. Copying the record copies the simulation and its future."""

from functools import cache
from typing import Any, Final

import numpy as np

from tercet.book.flow import FLOW
from tercet.book.records import CHILD, OWN, REPORT, TRACE
from tercet.book.state import FILL, book_dtype
from tercet.market.events import EVENT
from tercet.sim.ahead import AHEAD
from tercet.sim.wheel import wheel_dtype

US: Final = 1  # the owner of our orders
HISTORY, CROWD = 0, 1
ZERO, QUEUE, HAWKES = 0, 1, 2  # laws of a crowd's arrivals
FLOWS = ("zero", "queue", "hawkes")
# What a crowd's timers bring, and the classes of its random numbers.
LIMIT_ORDER, MARKET_ORDER, REGIME_CHANGE, SIGNAL, SELLER = 0, 1, 2, 3, 4
ARRIVAL, RENEWAL, LETTING_GO, FOLLOWING, HEARING = 5, 6, 7, 8, 9
FAST_LIFE, SLOW_LIFE, KERNEL = 0, 1, 2  # places in `waits`

WIRE_PLACES: Final = 32
OWN_PLACES: Final = 16
LATENCY_STEPS: Final = 33  # quantiles of a latency: constant, jittered or sampled are one table
ALTERED_PLACES: Final = 512
DRAWS: Final = 16
WAITS: Final = 6
QUEUE_LEVELS: Final = 8
QUEUE_CAP: Final = 64
REGIMES: Final = 6
SEASON_PARTS: Final = 26

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
CLOCK: Final = np.dtype(
    [
        ("business", np.int64),  # business time now, ns: rates and lifetimes are constant in it, the season is its pace
        ("candidate", np.int64),  # when the next arrival strikes, business time
        ("following", np.int64),  # and the arrival after that
        ("next", np.int64),  # when the crowd acts next, clock time
        ("starts", np.int64),  # clock time at which the season sets in
        ("from_clock", np.int64),  # the two times agreed here, and run at `pace` ...
        ("from_business", np.int64),
        ("until", np.int64),  # ... until this clock time
        ("pace", np.float64),  # business ns per clock ns
        ("slowness", np.float64),  # clock ns per business ns
    ],
    align=True,
)
# What a crowd is at one time, relative to its settings.
REGIME: Final = np.dtype(
    [
        ("pace", np.float64),  # business time runs so much faster
        ("limits", np.float64),  # share of the limit orders that arrive
        ("markets", np.float64),  # share of the market orders that arrive
        ("reach", np.float64),  # distances are so much longer
        ("bias", np.float64),  # market orders prefer the trend's side by so much, 0 to 1
    ]
)
CROWD_SETTINGS: Final = np.dtype(
    [
        ("flow", np.int8),  # ZERO, QUEUE or HAWKES
        ("level_count", np.int8),  # QUEUE: levels of a side where orders arrive
        ("open", np.int64),  # ns, when the season begins
        ("close", np.int64),
        ("wait", np.float64),  # mean business ns between arrivals, before thinning
        ("market_share", np.float64),  # of the arrivals, before thinning
        ("limit_size", np.float64),  # geometric sizes: 1 / log(m / (m - 1)), m their mean in steps; 0: always one step
        ("market_size", np.float64),
        ("lot_step", np.int64),
        ("reach", np.float64),  # mean distance of a limit order: from the opposite touch; HAWKES: behind its own
        ("fast_share", np.float64),  # of the limit orders: their lives are draws of wait FAST_LIFE, else of SLOW_LIFE
        ("waits", np.float64, WAITS),  # means of the exponential waits, business ns: two of lives, then the kernel's
        ("improve", np.float64),  # HAWKES: share of limit orders that improve a wide spread
        ("join", np.float64),  # share that joins the touch
        ("wide", np.float64),  # spread in ticks, beyond one, at which improving has its full share
        ("offspring", np.float64, 2),  # HAWKES: mean number from a limit order, from a market order of mean size
        ("child", np.float64, (2, 4)),  # cumulative: limit same side, limit opposite, market same side, market opposite
        ("mark_power", np.float64),  # offspring of a market order grow with this power of its size
        ("market_lots", np.float64),  # mean size of a market order
        ("kernel", np.float64, 4),  # cumulative shares of the kernel's exponentials
        ("follow", np.float64),  # HAWKES: by which limit orders follow each mean market order of the shortest memory
        ("feedback", np.float64),  # strength with which signed flow turns market orders around
        ("feedback_share", np.float64, 4),
        ("feedback_rate", np.float64, 4),  # of forgetting, per business ns
        ("theta", np.float64),  # QUEUE: probability that the reference price follows a depleted queue
        ("queue_unit", np.float64),  # lots of one unit of queue length
        ("level", np.float64, QUEUE_LEVELS),  # cumulative shares of the levels in limit orders
        ("regime_count", np.int64),
        ("dwell", np.float64),  # mean business ns in a regime
        ("regimes", REGIME, REGIMES),
        ("signal_strength", np.float64),  # by which one standard deviation of the signal moves the sides of market orders
        ("signal_memory", np.float64),  # its correlation from one step to the next
        ("signal_step", np.int64),  # business ns
        ("signal_shuffled", np.int8),  # what is shown is an independent twin
        ("seller_onset", np.int64),  # business ns after the opening at which a large seller begins; 0: none
        ("seller_share", np.float64),  # of what others traded since its last order
        ("seller_lots", np.float64),
        ("anchor", np.int32),  # tick at which an empty book starts
        ("season", np.float64, SEASON_PARTS),  # relative paces through the day, mean 1
        ("limits_at", np.float32, (QUEUE_LEVELS, QUEUE_CAP + 1)),  # share of arrivals kept, by level and queue length
        ("lives_at", np.float32, (QUEUE_LEVELS, QUEUE_CAP + 1)),  # share of lives that end when they might
        ("markets_at", np.float32, QUEUE_CAP + 1),
    ],
    align=True,
)


@cache
def sim_dtype(levels: int, orders: int, births: int = 1, altered: int = 1, ids: bool = False) -> np.dtype[Any]:
    """The record of one simulation.

    levels, orders, ids: of its book. births: offspring and actors' next acts that a crowd keeps. altered: recorded orders that differ.
    """
    if orders + births > 65_000:
        raise ValueError(f"orders and births were {orders} and {births}; expected 65000 at most together")
    table = np.dtype([("count", np.int64), ("dropped", np.int64), ("rows", ALTERED, altered)])
    return np.dtype(
        [
            ("kind", np.int8),
            ("hidden_first", np.int8),  # hidden executions fill our displayed orders first
            ("now", np.int64),
            ("cursor", np.int64),  # next recorded event
            ("seed", np.int64),
            ("key", np.uint64),  # of the crowd's random numbers
            ("draws", np.int64, DRAWS),
            ("applied", np.int64),  # messages of the market that changed something, ever
            ("next_handle", np.int64),
            ("filled", np.int64),  # lots of ours, ever
            ("recorded_lots", np.int64),  # printed by the recording, ever
            ("altered_lots", np.int64),  # of the recording, executed otherwise because of us
            ("phantom_lots", np.int64),
            ("missing_lots", np.int64),  # named by the recording and not in the book
            ("log_full", np.int64),
            ("wire_head", np.int64),
            ("wire_count", np.int64),
            ("last_arrival", np.int64),
            ("clock", CLOCK),
            ("regime", np.int64),
            ("trend", np.float64),  # 1 or -1
            ("reference", np.int64),  # QUEUE: the bids' first level; the asks' is one tick above
            ("depleted", np.int8, 2),  # QUEUE: the first level of bids, of asks was empty
            ("pressure", np.float64, 4),  # HAWKES: signed market orders in mean sizes, each forgetting at its rate
            ("pressure_time", np.int64),
            ("signal", np.float64),  # what moves the flow, in standard deviations
            ("alpha", np.float64),  # what is shown of it
            ("seller_began", np.int64),  # clock time of the onset; 0 before
            ("seller_left", np.int64),
            ("seller_seen", np.int64),  # lots traded when it traded last
            ("traded_lots", np.int64),  # by market orders of the crowd, ever
            ("flow", FLOW),
            ("own", OWN, OWN_PLACES),
            ("book", book_dtype(levels, orders, ids)),
            ("wheel", wheel_dtype(orders if births > 1 else 0, births)),
            ("crowd", CROWD_SETTINGS),
            ("wire", CHILD, WIRE_PLACES),
            ("order_latency", np.int64, LATENCY_STEPS),  # quantiles, ns
            ("feed_latency", np.int64, LATENCY_STEPS),
            ("phantoms", table),
            ("removed", table),
        ],
        align=True,
    )


@cache
def scratch_dtype(orders: int, reports: int = 16384, looks: int = 4096) -> np.dtype[Any]:
    """What a worker needs beside a SIM and reuses: fills of one sweep, the crowd's last event, reports and looks of one parent,
    and what memory to bring near."""
    return np.dtype(
        [
            ("rows", FILL, orders + 1),
            ("event", EVENT),
            ("count", np.int64),
            ("reports", REPORT, reports),
            ("looked", np.int64),
            ("looks", TRACE, looks),
            ("ahead", AHEAD),
        ],
        align=True,
    )


def new_sim(dtype: np.dtype[Any], kind: int, seed: int = 0) -> Any:
    """An empty simulation of that kind without latency, as a record."""
    sim = np.zeros(1, dtype).view(np.recarray)[0]
    sim.kind = kind
    sim.hidden_first = 1
    sim.seed = seed
    return sim


def new_scratch(sim: Any, reports: int = 16384) -> Any:
    """The scratch of a worker that advances simulations like `sim`."""
    return np.zeros(1, scratch_dtype(len(sim.book.orders) - 1, reports)).view(np.recarray)[0]
