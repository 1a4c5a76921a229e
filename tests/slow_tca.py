"""The slow twin of `tercet.execution.tca`, straight from its definitions, in exact fractions."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from tercet.book.records import COMPLETION, PASSIVE


class Fill(NamedTuple):
    """One fill: lots, tick, and twice the mid and the spread just before the order that caused it."""

    lots: int
    tick: int
    mid2: int
    spread: int
    how: int


class Case(NamedTuple):
    """A parent and what came of it. `fees`: taker and maker in ticks a lot, then both in basis points."""

    side: int
    lots: int
    fills: tuple[Fill, ...]
    arrival_mid2: int
    end_mid2: int
    end_spread: int
    left: int = 0
    market_lots: int = 0
    market_notional: Fraction | int = 0
    fees: Sequence[Fraction] = (Fraction(0),) * 4


def costs(case: Case) -> dict[str, Fraction]:
    """Everything that a COST holds, by name; `vwap_bps` only where the market traded."""
    s, arrival, end = case.side, Fraction(case.arrival_mid2, 2), Fraction(case.end_mid2, 2)
    completing = [fill for fill in case.fills if fill.how == COMPLETION]
    working = [fill for fill in case.fills if fill.how != COMPLETION]
    passive = [fill for fill in working if fill.how == PASSIVE]
    last = Fraction(completing[-1].tick) if completing else end + s * Fraction(case.end_spread, 2)
    never = last + s * max(5 * Fraction(case.end_spread), last * 50 / 10_000)
    ends = [(fill.lots, Fraction(fill.tick)) for fill in completing] + [(case.left, never)]
    parts = {name: Fraction(0) for name in ("spread_bps", "walk_bps", "timing_bps", "completion_bps", "fees_bps")}
    for fill in working:
        mid, half = Fraction(fill.mid2, 2), Fraction(fill.spread, 2)
        paid = s * (fill.tick - mid)
        parts["timing_bps"] += fill.lots * s * (mid - arrival)
        parts["spread_bps"] += fill.lots * (paid if fill.how == PASSIVE else half)
        parts["walk_bps"] += fill.lots * (0 if fill.how == PASSIVE else paid - half)
    for lots, price in ends:
        parts["timing_bps"] += lots * s * (end - arrival)
        parts["completion_bps"] += lots * s * (price - end)
    for fill in case.fills:
        a_lot, bps = (case.fees[1], case.fees[3]) if fill.how == PASSIVE else (case.fees[0], case.fees[2])
        parts["fees_bps"] += fill.lots * (a_lot + bps / 10_000 * fill.tick)
    done = [(fill.lots, Fraction(fill.tick)) for fill in case.fills] + [(case.left, never)]
    shortfall = sum((s * lots * (price - arrival) for lots, price in done), Fraction(0)) + parts["fees_bps"]
    unit = Fraction(10_000) / (case.lots * arrival)
    said = {name: unit * part for name, part in parts.items()} | {"is_bps": unit * shortfall}
    before = sum(fill.lots for fill in working)
    said["average_tick"] = sum((lots * price for lots, price in done), Fraction(0)) / case.lots
    said["completion"] = Fraction(before, case.lots)
    said["passive_share"] = Fraction(sum(fill.lots for fill in passive), case.lots)
    said["unfilled_share"] = Fraction(case.left, case.lots)
    said["participation"] = Fraction(before, max(before + case.market_lots, 1))
    said["fills"] = Fraction(len(case.fills))
    if case.market_lots:
        vwap = Fraction(case.market_notional, case.market_lots)
        said["vwap_bps"] = 10_000 * s * (said["average_tick"] - vwap) / vwap
    return said
