"""The words of a backtest's page: settings as people say them, and how to read what is shown."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.market.instruments import Fees
from tercet.report.figures import COMPONENTS
from tercet.report.page import facts, number, percent, safe

TERMS: Final = (
    (
        "Shortfall (IS)",
        "Implementation shortfall (Perold 1988) of side s (+1 buy, −1 sell), quantity Q and arrival mid p<sub>0</sub>: "
        "IS = 10<sup>4</sup> / (Q p<sub>0</sub>) · [Σ s q (p − p<sub>0</sub>) + s R (p<sub>R</sub> − p<sub>0</sub>) + fees]. "
        "Positive is a cost: we bought above or sold below the mid at arrival.",
    ),
    (
        "Every policy ends flat",
        "What is left at the end is traded by one marketable order. R is what even that cannot fill, priced as a penalty.",
    ),
    (
        "Spread",
        "Half the spread: paid by crossing, earned (negative) by a resting order, against the mid just before the fill.",
    ),
    ("Walk", "What crossing paid beyond the best price, by eating into the book."),
    ("Timing", "The mid's move from arrival to each fill: drift, and what our own trading and being picked off did to the mid."),
    ("Completion", "What the final order paid beyond the mid at the end."),
    ("Fees", "Taker fees less maker rebates. A rebate alone can decide whether resting wins."),
    (
        "sd, CVaR95",
        "Standard deviation over parents, and the mean of the worst 5%. Both hold the market's own moves, "
        "which cancel in the mean of both sides of a start.",
    ),
    (
        "In time, passive, unfilled",
        "Shares of the lots: filled before the end, filled while resting, never filled (above 0.1% the row is void).",
    ),
    ("VWAP", "Mean price against the volume-weighted price of what others traded meanwhile; positive is worse."),
    ("Of volume", "Our lots filled before the end, as a share of those and what others traded meanwhile."),
    (
        "Intervals and p",
        "95%, two-sided, by a block bootstrap (Künsch 1989): blocks of time are drawn with replacement, the same for all policies, so that "
        "differences are paired. They speak of the market shown here and of no other.",
    ),
)


def how_to_read(command: str) -> list[str]:
    """Short definitions, and the command that made the page."""
    parts = ["<h2>How to read it</h2>", facts(TERMS, "terms")]
    return [*parts, "<h3>Made by</h3>", f"<pre>{safe(command)}</pre>"] if command else parts


def counted(count: int, one: str, many: str = "") -> str:
    """`1 policy`, `9 policies`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(nanos: int) -> str:
    """`5 min`, `30 s`, `250 ms`, `500 µs`: the largest unit of which it is a simple number."""
    for unit, name in ((3_600_000_000_000, "h"), (60_000_000_000, "min"), (1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if nanos >= unit and nanos * 10 % unit == 0:
            return f"{nanos / unit:g} {name}"
    return f"{nanos:,} ns"


def latency(sample: tuple[int, ...]) -> str:
    """A constant, or the middle and the ends of what is drawn from."""
    if len(set(sample)) == 1:
        return milliseconds(sample[0])
    low, middle, high = (milliseconds(int(value)) for value in np.quantile(sample, (0, 0.5, 1)))
    return f"{middle} ({low} to {high}, drawn from {len(sample):,})"


def milliseconds(nanos: int) -> str:
    """`0.5 ms`."""
    return f"{nanos / 1e6:.4g} ms"


def span_of_lots(lots: NDArray[np.int64]) -> str:
    """`1,000 lots`, or the median and the ends."""
    low, middle, high = (number(float(value), 0) for value in np.quantile(lots, (0, 0.5, 1)))
    return f"{low} lots" if low == high else f"{middle} lots (median; {low} to {high})"


def charged(fees: Fees, currency: str) -> str:
    """What a taker and a maker pay."""
    said = []
    for who, per_lot, bps in (("taker", fees.taker_per_lot, fees.taker_bps), ("maker", fees.maker_per_lot, fees.maker_bps)):
        pieces = [f"{number(per_lot, 4)} {currency} a lot"] if per_lot or not bps else []
        pieces += [f"{number(bps)} bps"] if bps else []
        said.append(f"{who} {' and '.join(pieces)}{' (a rebate)' if per_lot + bps < 0 else ''}")
    return ", ".join(said)


def sum_of(cost: Any) -> str:
    """A COST as one line: the sum, how much was passive, how many fills."""
    parts = " + ".join(f"{name} {number(float(cost[f'{name}_bps']))}" for name in COMPONENTS)
    filled = f"{counted(int(cost['fills']), 'fill')}, {percent(float(cost['passive_share']), 0)} passive"
    return f"Shortfall {number(float(cost['is_bps']))} bps = {parts}; {filled}."
