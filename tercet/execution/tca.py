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


@compiled
def account(cost, log, parent, outcome, fees):
    """Fill a COST from the first `log.count` of `log.reports` of a parent (its `side` and `lots`), and FEES.

    outcome: `arrival_mid2` and `end_mid2` (bid + ask in ticks at birth and just before the completion), `end_spread` then, `left` (R)
    and `market_lots`, `market_notional` (lots and lots × ticks that others traded meanwhile).
    """
    side, lots, left = parent.side, parent.lots, outcome.left
    arrival, end = 0.5 * outcome.arrival_mid2, 0.5 * outcome.end_mid2
    paid, spread, walk, timing, completion, charged = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    before_end, passive = 0, 0
    last = end + side * 0.5 * outcome.end_spread
    for i in range(log.count):
        fill = log.reports[i]
        price, mid, half = 1.0 * fill.tick, 0.5 * fill.mid2, 0.5 * fill.spread
        paid += fill.lots * price
        if fill.how == COMPLETION:
            completion += fill.lots * side * (price - end)
            timing += fill.lots * side * (end - arrival)
            last = price
        else:
            before_end += fill.lots
            timing += fill.lots * side * (mid - arrival)
            spread += fill.lots * (side * (price - mid) if fill.how == PASSIVE else half)
            walk += fill.lots * (0.0 if fill.how == PASSIVE else side * (price - mid) - half)
        if fill.how == PASSIVE:
            passive += fill.lots
            charged += fill.lots * (fees.maker_ticks + 1e-4 * fees.maker_bps * price)
        else:
            charged += fill.lots * (fees.taker_ticks + 1e-4 * fees.taker_bps * price)
    if left > 0:
        never = last + side * max(UNFILLED_SPREADS * outcome.end_spread, 1e-4 * UNFILLED_BPS * last)
        paid += left * never
        completion += left * side * (never - end)
        timing += left * side * (end - arrival)
    unit = 1e4 / (lots * arrival)
    cost.is_bps = unit * (side * (paid - lots * arrival) + charged)
    cost.spread_bps = unit * spread
    cost.walk_bps = unit * walk
    cost.timing_bps = unit * timing
    cost.completion_bps = unit * completion
    cost.fees_bps = unit * charged
    cost.average_tick = paid / lots
    cost.vwap_bps = np.nan
    if outcome.market_lots > 0:
        vwap = outcome.market_notional / outcome.market_lots
        cost.vwap_bps = 1e4 * side * (cost.average_tick - vwap) / vwap
    cost.completion = before_end / lots
    cost.passive_share = passive / lots
    cost.unfilled_share = left / lots
    cost.participation = before_end / max(before_end + outcome.market_lots, 1)
    cost.fills = log.count
    for i in range(len(cost.reversion_bps)):
        later = 0.5 * outcome.after_mid2[i]
        cost.reversion_bps[i] = 1e4 * side * (end - later) / arrival if later != 0.0 else np.nan
