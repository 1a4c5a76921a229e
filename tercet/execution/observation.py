"""What an agent observes: a VIEW as numbers of order one, the same for a buyer and a seller. `FEATURES` names them, in their order."""

import math
from typing import Final

import numpy as np

from tercet.book.records import FREE
from tercet.compiled import compiled
from tercet.market.events import BUY

# What is usual in a market, to measure by.
USUAL: Final = np.dtype(
    [
        ("spread", np.float64),  # ticks
        ("depth", np.float64),  # lots at a touch
        ("deep", np.float64),  # lots over the levels seen, of one side
        ("order_flow", np.float64),  # root mean square of the order-flow imbalance, lots
        ("volume", np.float64),  # lots printed within the flow's short memory
        ("volatility", np.float64),  # ticks per square root of a second
    ]
)

FEATURES: Final = (
    ("time", "share of the horizon that remains"),
    ("inventory", "share of the parent that remains to be filled"),
    ("ahead_of_schedule", "share filled less share of the horizon gone"),
    ("open", "share of the parent in the book or on the wire"),
    ("queue_ahead", "log of 1 + lots before our first order by usual depth; 0 where none rests"),
    ("distance", "how far our first order stands behind the near touch, in spreads; 0 where none rests"),
    ("filled_lately", "share filled since the last look, by the share that an even pace would fill"),
    ("spread", "log of the spread by the usual one"),
    ("imbalance_1", "(near - far) / (near + far) lots at the touch; near is the side where we would rest"),
    ("imbalance_3", "the same over three levels"),
    ("imbalance_5", "the same over five levels"),
    ("near_touch", "log of lots at the near touch by usual depth"),
    ("far_touch", "log of lots at the far touch by usual depth"),
    ("near_depth", "log of lots over five near levels by the usual"),
    ("far_depth", "log of lots over five far levels by the usual"),
    ("microprice", "microprice less mid in half-spreads, our side's direction positive"),
    ("signed_volume", "aggressor-signed volume of the last seconds by usual volume, our side positive"),
    ("volume", "log of volume of the last seconds by the usual"),
    ("order_flow", "order-flow imbalance (Cont, Kukanov & Stoikov 2014) by its usual size, our side positive"),
    ("volatility_short", "log of volatility over seconds by the usual"),
    ("volatility_long", "log of volatility over minutes by the usual"),
    ("drift", "mid's move since arrival against us, by usual volatility over the horizon"),
    ("size", "log of the parent by the volume expected over its horizon, in tens of percent"),
    ("horizon", "log of the horizon in units of five minutes"),
    ("urgency", "the parent's urgency"),
    ("alpha", "forecast in our direction, in the unit of who made it (a crowd's signal: standard deviations); 0 where there is none"),
    ("posture", "risk posture; 0 where there is none"),
)
BOUND: Final = 10.0  # features beyond are cut


@compiled
def observe(view, usual, filled_before, out):
    """Write the features of a VIEW into `out`, (len(FEATURES),) float32. `filled_before`: lots filled at the last look."""
    side, near, far = view.side, 0 if view.side == BUY else 1, 1 if view.side == BUY else 0
    left = view.lots - view.filled
    spread = max(1.0, 1.0 * (view.ask - view.bid))
    horizon = (view.end - view.start) * 1e-9
    own = first_resting(view)
    out[0] = 1.0 - view.elapsed
    out[1] = left / view.lots
    out[2] = view.filled / view.lots - view.elapsed
    out[3] = view.open / view.lots
    out[4] = math.log(1.0 + view.ahead / usual.depth) if own >= 0 else 0.0
    out[5] = side * ((view.bid if side == BUY else view.ask) - view.own[own].tick) / spread if own >= 0 else 0.0
    out[6] = (view.filled - filled_before) / view.lots * (view.end - view.start) / view.step
    out[7] = math.log(spread / usual.spread)
    for i in range(3):
        out[8 + i] = side * view.imbalance[i]
    out[11] = relative(view.depth[near, 0], usual.depth)
    out[12] = relative(view.depth[far, 0], usual.depth)
    out[13] = relative(total(view, near), usual.deep)
    out[14] = relative(total(view, far), usual.deep)
    out[15] = side * (view.microprice - view.mid) / (0.5 * spread)
    out[16] = side * view.signed / usual.volume
    out[17] = relative(view.volume, usual.volume)
    out[18] = side * view.order_flow / usual.order_flow
    out[19] = relative(view.volatility_short, usual.volatility)
    out[20] = relative(view.volatility_long, usual.volatility)
    out[21] = side * (view.mid - view.arrival_mid) / (usual.volatility * math.sqrt(horizon))
    out[22] = math.log(10.0 * view.lots / view.expected_lots) if view.expected_lots > 0.0 else 0.0
    out[23] = math.log(horizon / 300.0)
    out[24] = view.urgency
    out[25] = side * view.alpha
    out[26] = view.posture
    for i in range(len(out)):
        out[i] = min(max(out[i], -BOUND), BOUND)


@compiled
def relative(value, usual):
    """The log of a quantity by its usual value, 0 included."""
    return math.log((value + 0.05 * usual) / (1.05 * usual))


@compiled
def total(view, row):
    """Lots over all levels seen of a side."""
    lots = 0
    for level in range(view.depth.shape[1]):
        lots += view.depth[row, level]
    return lots


@compiled
def first_resting(view):
    """The place of our first order in the book, or -1."""
    for i in range(len(view.own)):
        if view.own[i].state != FREE and view.own[i].slot != 0:
            return i
    return -1
