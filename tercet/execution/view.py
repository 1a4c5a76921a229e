"""VIEW: what a policy sees when it decides. Compiled, and the same in training and live.

It is the market as of the decision time less the feed latency, with the prices in ticks and the sizes in lots.
"""

import math
from typing import Final

import numpy as np

from tercet.book.flow import decay
from tercet.book.queries import depth, microprice, queue_ahead
from tercet.book.records import FREE, OWN
from tercet.compiled import compiled
from tercet.market.events import BUY, SELL

LEVELS: Final = 5
CURVE_STEPS: Final = 64
QUIET_PLACES: Final = 4
AFTER_PLACES: Final = 3

# The parent order being worked, as compiled code needs it.
PARENT: Final = np.dtype(
    [
        ("start", np.int64),
        ("end", np.int64),
        ("lots", np.int64),
        ("limit", np.int32),  # the worst tick at which it may trade, where limited is 1
        ("side", np.int8),
        ("limited", np.int8),
        ("least", np.float64),  # participation: own lots / all lots since the start; 0 where free
        ("most", np.float64),  # 1 where free
        ("urgency", np.float64),  # 0 patient to 1
        ("expected_lots", np.float64),  # market volume expected over the horizon
        ("curve", np.float64, CURVE_STEPS + 1),  # share of it expected by each 64th of the horizon, 0 to 1
        ("quiet", np.int64, (QUIET_PLACES, 2)),  # no-trade windows [from, to), ns
        ("after", np.int64, AFTER_PLACES),  # times after the end at which the mid is noted once more, ns, rising; 0 where none
    ],
    align=True,
)

VIEW: Final = np.dtype(
    [
        ("now", np.int64),  # decision time, ns
        ("start", np.int64),
        ("end", np.int64),
        ("step", np.int64),  # ns between decisions
        ("side", np.int64),
        ("lots", np.int64),  # the parent's
        ("limit", np.int64),  # the worst tick at which it may trade; 0 where there is none
        ("quiet", np.int64),  # 1: a no-trade window holds now, or begins before the next decision
        ("filled", np.int64),
        ("open", np.int64),  # ours in the book or on the wire
        ("ahead", np.int64),  # lots before our first order in its queue
        ("bid", np.int64),
        ("ask", np.int64),
        ("bid_lots", np.int64),
        ("ask_lots", np.int64),
        ("market_lots", np.int64),  # printed between others since the start
        ("elapsed", np.float64),  # share of the horizon gone, 0 to 1
        ("arrival_mid", np.float64),  # the mid when the policy first looked
        ("mid", np.float64),
        ("microprice", np.float64),
        ("imbalance", np.float64, 3),  # (bid - ask) / (bid + ask) lots over 1, 3 and 5 levels
        ("order_flow", np.float64),  # order-flow imbalance, decayed over SHORT_S
        ("signed", np.float64),  # aggressor-signed lots, decayed
        ("volume", np.float64),  # lots, decayed
        ("volatility_short", np.float64),  # ticks per square root of a second
        ("volatility_long", np.float64),
        ("urgency", np.float64),
        ("most", np.float64),  # participation: own lots / all lots since the start; 1 where free
        ("alpha", np.float64),  # a forecast, in the unit of who made it (a crowd's signal: standard deviations); 0 where there is none
        ("posture", np.float64),  # level / 3 of CAUTION: 0 NORMAL to 1 HALT (see `caps`); 0 where nobody watches
        ("expected_lots", np.float64),
        ("curve", np.float64, CURVE_STEPS + 1),
        ("ticks", np.int64, (2, LEVELS)),  # best first; bids, asks
        ("depth", np.int64, (2, LEVELS)),  # lots there; 0 where there is no level
        ("own", OWN, 16),
    ],
    align=True,
)


@compiled
def look(view, sim, parent, now, step):
    """Fill a VIEW at decision time `now` from a market (a record with book, flow, own, filled, alpha), whose clock is where the feed is."""
    book, flow = sim.book, sim.flow
    decay(flow, sim.now)
    view.now = now
    view.step = step
    view.quiet = quiet(parent, now, step)
    view.filled = sim.filled
    view.elapsed = min(max((now - parent.start) / (parent.end - parent.start), 0.0), 1.0)
    see_own(view, sim)
    see_depth(view, book)
    view.bid, view.ask = flow.bid, flow.ask
    view.bid_lots, view.ask_lots = flow.bid_lots, flow.ask_lots
    view.mid = 0.5 * (view.bid + view.ask)
    if view.arrival_mid == 0.0:
        view.arrival_mid = view.mid
    view.microprice = microprice(book) if book.sides[0].levels > 0 and book.sides[1].levels > 0 else view.mid
    view.order_flow = flow.imbalance
    view.signed = flow.signed
    view.volume = flow.volume
    view.alpha = sim.alpha
    view.volatility_short = math.sqrt(flow.variance_short)
    view.volatility_long = math.sqrt(flow.variance_long)


@compiled
def quiet(parent, now, step):
    """Whether a no-trade window holds now, or begins before the next decision."""
    for i in range(len(parent.quiet)):
        begins, ends = parent.quiet[i, 0], parent.quiet[i, 1]
        if begins < ends and begins < now + step and now < ends:
            return True
    return False


@compiled
def begin(view, parent):
    """A fresh VIEW for a parent."""
    view.start = parent.start
    view.end = parent.end
    view.side = parent.side
    view.lots = parent.lots
    view.limit = parent.limit if parent.limited != 0 else 0
    view.most = parent.most
    view.urgency = parent.urgency
    view.expected_lots = parent.expected_lots
    for i in range(len(view.curve)):  # a slice would take two seconds to compile
        view.curve[i] = parent.curve[i]
    view.arrival_mid = 0.0
    view.market_lots = 0
    view.alpha = 0.0
    view.posture = 0.0


@compiled
def see_own(view, sim):
    """Our orders, and how far the first of them is from the head of its queue."""
    count_open(view, sim)
    view.ahead = 0
    for i in range(len(view.own)):
        if sim.own[i].slot != 0:
            view.ahead = queue_ahead(sim.book, sim.own[i].slot)
            return


@compiled
def count_open(view, sim):
    """Our orders, and what is open of them: in the book, on the wire, or asked for by a replacement on the wire."""
    view.open = 0
    for i in range(len(view.own)):
        view.own[i] = sim.own[i]
        if sim.own[i].state != FREE:
            view.open += sim.own[i].lots


@compiled
def see_depth(view, book):
    """The best levels of both sides, and the imbalance over 1, 3 and 5 of them."""
    for row in range(2):
        count = depth(book, BUY if row == 0 else SELL, view.ticks[row], view.depth[row])
        view.ticks[row, count:] = 0
        view.depth[row, count:] = 0
    bids, asks = 0, 0
    for level in range(LEVELS):
        bids += view.depth[0, level]
        asks += view.depth[1, level]
        if level % 2 == 0:
            view.imbalance[level // 2] = (bids - asks) / (bids + asks) if bids + asks > 0 else 0.0
