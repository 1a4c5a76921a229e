"""A task: samples to forecast, and what a forecast would have earned; each comes with the split that it is judged by."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import SECOND
from tercet.market.events import ADD, CANCEL, HIDDEN, REDUCE, REVEAL, TRADE
from tercet.market.store import Day
from tercet.signals.days import features_of
from tercet.signals.labels import directions, moves
from tercet.signals.samples import DIRECTION, Samples

Floats = NDArray[np.float64]
SUMS = "ofi_total_"  # sums since the start: they wander, so they are told as changes
SLOW = ("vpin", "vpin_net")  # they take half an hour to say anything, and without them nothing is said till then
MEMORY = 600 * SECOND  # after which the slowest feature has forgotten seven eighths
BACK = (1, 2, 5, 10, 20, 50, 100)  # messages


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


def direction(day: Day, horizon: int, band: float = 0.0, latency_ns: int = 0, frame: pl.DataFrame | None = None) -> Task:
    """Where the mid of a stored day goes over the next `horizon` messages, asked after each of them, from all microstructure features.

    band: moves up to so many half-spreads are no direction. frame: `message_features(day)`, where it is there already.
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
    samples = Samples(table[moved.rows].astype(np.float32), names, time[moved.rows], told.spans, MEMORY, DIRECTION)
    at_end = half[moved.rows + horizon]
    experiment = f"direction {day.meta.symbol} {day.meta.date} {day.meta.events_sha256[:12]}"
    return Task(f"direction {horizon}", samples, moved.spans.value, half[moved.rows], at_end, horizon, "ticks", left_out, experiment)


def message_features(day: Day, latency_ns: int = 0) -> pl.DataFrame:
    """All features of a stored day after each message (what a message reveals belongs to it), with mid2 and half_spread in ticks.

    Sums since the start are told as changes over the last messages, and beside them stand the mid's own changes, the time that passed,
    and what the last messages were. Where a feature is null for a while, its last value stands for it; SLOW ones are left out.
    """
    frame = features_of(day, every="1events", latency_ns=latency_ns)
    ends = ~np.r_[day.events["kind"][1:] == REVEAL, False]  # the next event is another message
    half = (0.5 * (pl.col("ask") - pl.col("bid"))).cast(pl.Float64).forward_fill().fill_null(1.0).alias("half_spread")
    frame = frame.filter(pl.Series(ends)).with_columns(half)
    frame = pl.concat([frame, last_messages(day, ends, frame)], how="horizontal")
    sums = [name for name in frame.columns if name.startswith(SUMS)]
    told = [
        (pl.col(name) - pl.col(name).shift(back, fill_value=0.0)).alias(f"{name.replace('total', f'last{back}')}")
        for name in sums
        for back in (10, 50, 100)
    ]
    mid2 = pl.col("mid2").cast(pl.Float64).forward_fill()
    told += [(0.5 * (mid2 - mid2.shift(back))).fill_null(0.0).alias(f"moved_{back}e") for back in BACK]
    passed = pl.col("event_time").diff().fill_null(0)
    told += [(passed.rolling_sum(back, min_samples=1) * 1e-9 + 1e-6).log().alias(f"passed_{back}e") for back in BACK]
    made = frame.with_columns(mid2.alias("mid2"), *told).drop("known_time", "bid", "ask", *sums, *SLOW)
    empty = [name for name in made.columns if made[name].null_count() == len(made)]
    return made.drop(empty).with_columns(pl.all().forward_fill()).with_columns(pl.exclude("event_time").fill_null(float("nan")))


def last_messages(day: Day, ends: NDArray[np.bool_], rows: pl.DataFrame) -> pl.DataFrame:
    """What each message and the four before it were: its side by kind, the same weighted by its nearness to the mid before, and its size.

    ends: of the day's events, those that `rows` were written at. Nearness is exp(−distance from the mid, in half-spreads / 2).
    """
    place = np.maximum.accumulate(np.where(day.events["kind"] != REVEAL, np.arange(len(day.events)), 0))[ends]
    message = day.events[place]
    side = message["side"].astype(np.float64)
    before = rows.select(0.5 * pl.col("mid2").cast(pl.Float64).forward_fill().shift(1), pl.col("half_spread").shift(1)).to_numpy()
    near = np.nan_to_num(np.exp(-0.5 * np.abs(message["tick"] - before[:, 0]) / np.maximum(before[:, 1], 0.5)))
    columns = {"message_lots": side * np.log1p(message["lots"])}
    for name, kinds in (("added", (ADD,)), ("left", (REDUCE, CANCEL)), ("traded", (TRADE,)), ("hidden", (HIDDEN,))):
        columns[name] = np.where(np.isin(message["kind"], kinds), side, 0.0)
        columns[f"{name}_near"] = columns[name] * near
    frame = pl.DataFrame(columns)
    earlier = [frame.select(pl.all().shift(back, fill_value=0.0).name.suffix(f"_{back}")) for back in range(1, 5)]
    return pl.concat([frame, *earlier], how="horizontal")
