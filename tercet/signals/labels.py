"""Labels: what happened after a decision, with the span that it happened in and when it could be known.

Prices may be mids in any unit. A label of a decision at row i begins at time[i]; rows whose label would end after the last row have none.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.samples import Spans

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


class Labelled(NamedTuple):
    """Labels, and the rows that have one."""

    rows: NDArray[np.int64]
    spans: Spans


def moves(time: Times, price: Floats, horizon: int, latency_ns: int = 0) -> Labelled:
    """What the price moved by over the next `horizon` rows, in its unit; known `latency_ns` after the last of them."""
    _refuse(time, price)
    if not 1 <= horizon < len(time):
        raise BadInput(f"horizon was {horizon} rows of {len(time)}; expected 1 or more, and fewer than there are")
    rows = np.arange(len(time) - horizon)
    return Labelled(rows, Spans(time[:-horizon], time[horizon:], price[horizon:] - price[:-horizon], time[horizon:] + latency_ns))


def directions(labelled: Labelled, band: Floats | float = 0.0) -> Labelled:
    """−1, 0 or 1: whether a move went beyond a cost band, the same for all or one for each label, in the price's unit."""
    spans = labelled.spans
    value = np.where(np.abs(spans.value) > band, np.sign(spans.value), 0.0)
    return Labelled(labelled.rows, Spans(spans.t0, spans.t1, value, spans.available))


def net_moves(labelled: Labelled, into: Floats, out: Floats) -> Labelled:
    """What is left of a move for who crosses half a spread in and half a spread out: its size less both, and not below 0."""
    spans = labelled.spans
    left = np.maximum(np.abs(spans.value) - into - out, 0.0)
    return Labelled(labelled.rows, Spans(spans.t0, spans.t1, np.sign(spans.value) * left, spans.available))


def triple_barrier(time: Times, price: Floats, up: Floats, down: Floats, longest: int, latency_ns: int = 0) -> Labelled:
    """1 where the price rises by up[i] first, −1 where it falls by down[i] first, 0 where neither happens within `longest` rows.

    López de Prado (2018), 3.4. A label ends with the row that touches its barrier; up and down are positive, in the price's unit.
    """
    _refuse(time, price)
    if not 1 <= longest < len(time):
        raise BadInput(f"longest was {longest} rows of {len(time)}; expected 1 or more, and fewer than there are")
    if not ((up > 0).all() and (down > 0).all() and len(up) == len(down) == len(time)):
        raise BadInput("a barrier was not above 0, or missing; expected one of each for every row")
    count = len(time) - longest
    ends, value = np.empty(count, np.int64), np.zeros(count)
    for row in range(count):
        ahead = price[row + 1 : row + longest + 1] - price[row]
        touched = np.flatnonzero((ahead >= up[row]) | (ahead <= -down[row]))
        ends[row] = row + longest if len(touched) == 0 else row + 1 + touched[0]
        value[row] = 0.0 if len(touched) == 0 else np.sign(ahead[touched[0]])
    rows = np.arange(count)
    return Labelled(rows, Spans(time[:count], time[ends], value, time[ends] + latency_ns))


def meta_labels(side: NDArray[np.int64], labelled: Labelled) -> Labelled:
    """1 where another model's side was right, 0 where it was wrong or nothing came of it; rows where it took no side have none.

    López de Prado (2018), 3.6: who learns these says how much to bet, not on which side. side: of every labelled row.
    """
    spans = labelled.spans
    if len(side) != len(spans):
        raise BadInput(f"there were {len(side)} sides for {len(spans)} labels; expected one each")
    taken = np.flatnonzero(side != 0)
    of = spans.take(taken)
    return Labelled(labelled.rows[taken], Spans(of.t0, of.t1, (of.value * side[taken] > 0).astype(np.float64), of.available))


def _refuse(time: Times, price: Floats) -> None:
    if len(time) != len(price) or len(time) == 0:
        raise BadInput(f"there were {len(time)} times and {len(price)} prices; expected as many, and some")
    if (np.diff(time) < 0).any():
        raise BadInput(f"time goes back at row {int(np.flatnonzero(np.diff(time) < 0)[0]) + 1}; sort by time")
    if not np.isfinite(price).all():
        raise BadInput(f"the price of row {int(np.flatnonzero(~np.isfinite(price))[0])} was no finite number")
