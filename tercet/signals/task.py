"""A task: samples to forecast, and what a forecast would have earned; each comes with the split that it is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import SECOND
from tercet.market.store import Day
from tercet.signals.evidence import Evidence
from tercet.signals.labels import directions, moves
from tercet.signals.messagerows import message_features, mirror_of
from tercet.signals.samples import DIRECTION, Samples

Floats = NDArray[np.float64]
MEMORY = 600 * SECOND  # after which the slowest feature has forgotten seven eighths


@dataclass(frozen=True)
class Task:
    """Samples, and beside each of them what was to be earned: the move of the mid until the label ends and half the spread, in `unit`."""

    name: str
    samples: Samples
    move: Floats
    half_spread: Floats
    exit_half_spread: Floats
    apart: int  # decisions between two trades, so that they do not overlap
    unit: str
    left_out: dict[str, int]  # rows that are in the data and not here, by reason
    experiment: str  # what all trials on the same data are counted under, whatever was asked of them
    evidence: Evidence | None = None  # of a panel: what its symbols and prices can bear witness to
    suspect: NDArray[np.bool_] | None = None  # rows of a panel's symbols whose prices jump and come back


def direction(
    day: Day,
    horizon: int,
    band: float = 0.0,
    latency_ns: int = 0,
    frame: pl.DataFrame | None = None,
    signs: Mapping[str, int] | None = None,
    *,
    mirrored: bool = True,
) -> Task:
    """Where the mid of a stored day goes over the next `horizon` messages, asked after each of them, from all microstructure features.

    band: moves up to so many half-spreads are no direction. frame: `message_features(day)`, where it is there already, with columns of
    your own or without. mirrored: each row is taught beside its image (see `messagerows.mirror_of`), for which `signs` says what becomes
    of your columns where bids are asks: {"my_flow": -1, "my_volume": 1}; BadInput where one of them is not named.
    """
    rows = message_features(day) if frame is None else frame
    names = tuple(name for name in rows.columns if name not in ("event_time", "mid2", "half_spread"))
    time, half = rows["event_time"].to_numpy(), rows["half_spread"].to_numpy()
    mid = 0.5 * rows["mid2"].to_numpy()
    table = rows.select(names).to_numpy()
    known = np.isfinite(table).all(axis=1) & np.isfinite(mid)
    crossed = known & (half < 0.0)
    left_out = {"no feature yet": int((~known).sum()), "the book was crossed": int(crossed.sum()), "the day ends first": horizon}
    known &= ~crossed
    if known.sum() <= horizon:
        raise BadInput(f"{day.meta.symbol}: {int(known.sum())} messages have all features; expected more than the horizon, {horizon}")
    time, half, mid, table = time[known], half[known], mid[known], table[known]
    moved = moves(time, mid, horizon, latency_ns)
    told = directions(moved, band * half[moved.rows])
    mirror = mirror_of(names, signs) if mirrored else None
    samples = Samples(table[moved.rows].astype(np.float32), names, time[moved.rows], told.spans, MEMORY, DIRECTION, mirror=mirror)
    at_end = half[moved.rows + horizon]
    experiment = f"direction {day.meta.symbol} {day.meta.date} {day.meta.events_sha256[:12]}"
    return Task(f"direction {horizon}", samples, moved.spans.value, half[moved.rows], at_end, horizon, "ticks", left_out, experiment)
