"""FLOW: streaming accumulators over a book and its prints, used alike by views, features and warnings.

Order-flow imbalance after Cont, Kukanov & Stoikov (2014), eq. 2. Decayed sums forget with e-folding times SHORT_S and LONG_S.
"""

import math
from typing import Final

import numpy as np

from tercet.book.queries import best, touch_lots, two_sided
from tercet.compiled import compiled
from tercet.market.events import BUY, SELL

SHORT_S: Final = 10.0
LONG_S: Final = 300.0

FLOW: Final = np.dtype(
    [
        ("time", np.int64),  # of the last decay, ns
        ("bid_lots", np.int64),
        ("ask_lots", np.int64),
        ("lots", np.int64),  # printed between others, ever
        ("notional", np.float64),  # lots × price in ticks printed between others, ever
        ("bid", np.int32),  # the last touch at which both sides were quoted
        ("ask", np.int32),
        ("imbalance", np.float64),  # order-flow imbalance, lots, decayed SHORT
        ("signed", np.float64),  # aggressor-signed lots, decayed SHORT
        ("volume", np.float64),  # lots, decayed SHORT
        ("variance_short", np.float64),  # of the mid, ticks² per second
        ("variance_long", np.float64),
    ],
    align=True,
)


@compiled(forceinline=True)
def fade(x):
    """exp(-x) of x ≥ 0, to within 2e-9: small ones, the most, by the series."""
    if x < 0.1:
        return 1.0 - x * (1.0 - x * (1.0 / 2.0) * (1.0 - x * (1.0 / 3.0) * (1.0 - x * (1.0 / 4.0) * (1.0 - x * (1.0 / 5.0)))))
    return math.exp(-x)


@compiled(forceinline=True)
def decay(flow, time):
    """Let the decayed sums forget up to `time`."""
    passed = (time - flow.time) * 1e-9
    if passed <= 0:
        return
    short = fade(passed / SHORT_S)
    flow.imbalance *= short
    flow.signed *= short
    flow.volume *= short
    flow.variance_short *= short
    flow.variance_long *= fade(passed / LONG_S)
    flow.time = time


@compiled(forceinline=True)
def printed(flow, time, aggressor, lots, price):
    """A trade between others: `aggressor` is its side, `price` in ticks may lie between them."""
    decay(flow, time)
    flow.lots += lots
    flow.notional += lots * price
    flow.volume += lots
    flow.signed += aggressor * lots


@compiled(forceinline=True)
def moved(flow, ticks):
    """The mid moved by so many ticks; the sums are decayed to its time already."""
    flow.variance_short += ticks * ticks / SHORT_S
    flow.variance_long += ticks * ticks / LONG_S


@compiled(forceinline=True)
def touched(flow, book, time):
    """The book may have changed: take in its touch."""
    if not two_sided(book):
        return
    bid, ask = best(book, BUY), best(book, SELL)
    bid_lots, ask_lots = touch_lots(book, BUY), touch_lots(book, SELL)
    if bid == flow.bid and ask == flow.ask and bid_lots == flow.bid_lots and ask_lots == flow.ask_lots:
        return
    if flow.ask != 0:
        decay(flow, time)
        gained = (bid_lots if bid >= flow.bid else 0) - (flow.bid_lots if bid <= flow.bid else 0)
        lost = (ask_lots if ask <= flow.ask else 0) - (flow.ask_lots if ask >= flow.ask else 0)
        flow.imbalance += gained - lost
        moved(flow, 0.5 * (bid + ask - flow.bid - flow.ask))
    flow.bid = bid
    flow.ask = ask
    flow.bid_lots = bid_lots
    flow.ask_lots = ask_lots
