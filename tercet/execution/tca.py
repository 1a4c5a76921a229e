"""Transaction-cost analysis: fills and mids against the arrival price. It knows no simulator: live reports come here too.

Implementation shortfall (Perold 1988) of side s, quantity Q, arrival mid p0, with R lots never filled and priced at p_R:
IS = 1e4 / (Q p0) · [Σ s q (p - p0) + s R (p_R - p0) + fees] = spread + walk + timing + completion + fees. Positive is a cost.
"""

from typing import Final

import numpy as np

from tercet.book.records import COMPLETION, PASSIVE
from tercet.compiled import compiled
from tercet.execution.view import AFTER_PLACES

UNFILLED_SPREADS: Final = 5.0  # what is never filled is priced worse than the last executable price by the greater of
UNFILLED_BPS: Final = 50.0  # so many spreads and so many basis points

FEES: Final = np.dtype([("taker_ticks", np.float64), ("maker_ticks", np.float64), ("taker_bps", np.float64), ("maker_bps", np.float64)])
COST: Final = np.dtype(
    [
        ("is_bps", np.float64),
        ("spread_bps", np.float64),
        ("walk_bps", np.float64),
        ("timing_bps", np.float64),
        ("completion_bps", np.float64),
        ("fees_bps", np.float64),
        ("vwap_bps", np.float64),  # mean price against the interval's VWAP without our fills; nan without market volume
        ("completion", np.float64),  # share of Q filled before the end
        ("passive_share", np.float64),  # share of Q filled as maker
        ("unfilled_share", np.float64),  # R / Q
        ("participation", np.float64),  # Q filled before the end / (that + market volume)
        ("average_tick", np.float64),  # mean fill price in ticks, what is unfilled at p_R
        ("fills", np.int64),
        ("reversion_bps", np.float64, AFTER_PLACES),  # the mid's move after the end, against the side traded; nan where not looked at
    ],
    align=True,
)


# Sums over the fills of one parent, in lots × ticks.
TALLY: Final = np.dtype(
    [
        ("paid", np.float64),
        ("charged", np.float64),
        ("spread", np.float64),
        ("walk", np.float64),
        ("timing", np.float64),
        ("completion", np.float64),
        ("last", np.float64),  # tick of the last completion fill; 0 before
        ("filled", np.int64),
        ("before_end", np.int64),
        ("passive", np.int64),
        ("fills", np.int64),
    ]
)


@compiled
def add(tally, fill, side, arrival, end, fees):
    """Add one REPORT. arrival, end: mids in ticks at the birth and (for completion fills) just before the completion."""
    price, mid, half = 1.0 * fill.tick, 0.5 * fill.mid2, 0.5 * fill.spread
    tally.paid += fill.lots * price
    tally.filled += fill.lots
    tally.fills += 1
    if fill.how == COMPLETION:
        tally.completion += fill.lots * side * (price - end)
        tally.timing += fill.lots * side * (end - arrival)
        tally.last = price
    else:
        tally.before_end += fill.lots
        tally.timing += fill.lots * side * (mid - arrival)
        tally.spread += fill.lots * (side * (price - mid) if fill.how == PASSIVE else half)
        tally.walk += fill.lots * (0.0 if fill.how == PASSIVE else side * (price - mid) - half)
    if fill.how == PASSIVE:
        tally.passive += fill.lots
        tally.charged += fill.lots * (fees.maker_ticks + 1e-4 * fees.maker_bps * price)
    else:
        tally.charged += fill.lots * (fees.taker_ticks + 1e-4 * fees.taker_bps * price)


@compiled
def shortfall(tally, side, lots, arrival):
    """Implementation shortfall of what is filled so far, bps of the whole parent."""
    return 1e4 / (lots * arrival) * (side * (tally.paid - tally.filled * arrival) + tally.charged)


@compiled
def leave(tally, parent, outcome):
    """Add the lots that nobody would trade, at a price worse than the last executable one."""
    left, side = outcome.left, parent.side
    if left <= 0:
        return
    arrival, end = 0.5 * outcome.arrival_mid2, 0.5 * outcome.end_mid2
    last = tally.last if tally.last > 0.0 else end + side * 0.5 * outcome.end_spread
    never = last + side * max(UNFILLED_SPREADS * outcome.end_spread, 1e-4 * UNFILLED_BPS * last)
    tally.paid += left * never
    tally.filled += left
    tally.completion += left * side * (never - end)
    tally.timing += left * side * (end - arrival)


@compiled
def account(cost, log, parent, outcome, fees, tally):
    """Fill a COST from the first `log.count` of `log.reports` of a parent (its `side` and `lots`), and FEES. `tally` is overwritten.

    outcome: `arrival_mid2` and `end_mid2` (bid + ask in ticks at birth and just before the completion), `end_spread` then, `left` (R)
    and `market_lots`, `market_notional` (lots and lots × ticks that others traded meanwhile).
    """
    clear(tally)
    for i in range(log.count):
        add(tally, log.reports[i], parent.side, 0.5 * outcome.arrival_mid2, 0.5 * outcome.end_mid2, fees)
    leave(tally, parent, outcome)
    close(cost, tally, parent, outcome)


@compiled
def clear(tally):
    """A tally of nothing."""
    tally.paid, tally.charged, tally.spread, tally.walk, tally.timing, tally.completion, tally.last = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    tally.filled, tally.before_end, tally.passive, tally.fills = 0, 0, 0, 0


@compiled
def close(cost, tally, parent, outcome):
    """Fill a COST from a tally of everything."""
    side, lots, left = parent.side, parent.lots, outcome.left
    arrival, end = 0.5 * outcome.arrival_mid2, 0.5 * outcome.end_mid2
    unit = 1e4 / (lots * arrival)
    cost.is_bps = unit * (side * (tally.paid - lots * arrival) + tally.charged)
    cost.spread_bps = unit * tally.spread
    cost.walk_bps = unit * tally.walk
    cost.timing_bps = unit * tally.timing
    cost.completion_bps = unit * tally.completion
    cost.fees_bps = unit * tally.charged
    cost.average_tick = tally.paid / lots
    cost.vwap_bps = np.nan
    if outcome.market_lots > 0:
        vwap = outcome.market_notional / outcome.market_lots
        cost.vwap_bps = 1e4 * side * (cost.average_tick - vwap) / vwap
    cost.completion = tally.before_end / lots
    cost.passive_share = tally.passive / lots
    cost.unfilled_share = left / lots
    cost.participation = tally.before_end / max(tally.before_end + outcome.market_lots, 1)
    cost.fills = tally.fills
    for i in range(len(cost.reversion_bps)):
        later = 0.5 * outcome.after_mid2[i]
        cost.reversion_bps[i] = 1e4 * side * (end - later) / arrival if later != 0.0 else np.nan
