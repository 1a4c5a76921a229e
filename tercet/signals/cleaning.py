"""What reading a file left out, made missing, carried on or kept although it looks wrong: one record, which every league shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
import polars as pl

Counts = Mapping[str, int]
KINDS: Final = {"dropped": "Rows left out", "nulled": "Numbers made missing", "carried": "Values carried on", "odd": "Kept, but odd"}

RATIOS: Final = (2.0, 3.0, 4.0, 5.0, 8.0, 10.0, 20.0)  # shares for one in a split, or one for so many
LEAST_JUMP: Final = 1.6  # times the close before, or less than its part, from which on a move may be a split
NEAR: Final = 0.06  # how far from such a ratio a price may open
AROUND: Final = 5  # rows before and after, whose volume is compared
STILL: Final = 4  # a price that stands for more rows in a row than this is carried on
ROUNDED: Final = 1e-6  # of a price: what files round off is no broken bar


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Counts by reason, in words, of what was done to rows or found odd about them; notes say how a file was read. Records add up."""

    dropped: Counts = field(default_factory=dict)  # rows left out
    nulled: Counts = field(default_factory=dict)  # numbers that became missing
    carried: Counts = field(default_factory=dict)  # values that stand for a missing one, or repeat the one before
    odd: Counts = field(default_factory=dict)  # kept as they are, though they look wrong
    notes: tuple[str, ...] = ()  # which price was read, in which unit, ...

    def __post_init__(self) -> None:
        """What was counted and is zero is not told."""
        for kind in KINDS:
            object.__setattr__(self, kind, {reason: int(count) for reason, count in getattr(self, kind).items() if count})

    def __add__(self, other: "Cleaning") -> "Cleaning":
        """Both: counts of one reason add up."""
        both = {kind: added(getattr(self, kind), getattr(other, kind)) for kind in KINDS}
        return Cleaning(**both, notes=tuple(dict.fromkeys((*self.notes, *other.notes))))

    def named(self, what: str) -> "Cleaning":
        """The same of a file beside the first, so that its lines say which: 'VIX: the same row twice'."""
        kinds = {kind: {f"{what}: {reason}": count for reason, count in getattr(self, kind).items()} for kind in KINDS}
        return Cleaning(**kinds, notes=tuple(f"{what}: {note}" for note in self.notes))

    @property
    def counts(self) -> dict[str, int]:
        """All counts by reason."""
        return {reason: count for kind in KINDS for reason, count in getattr(self, kind).items()}

    def lines(self) -> list[str]:
        """A line a kind that has counts, and one a note; none where the file was clean."""
        told = [(title, getattr(self, kind)) for kind, title in KINDS.items()]
        counted = [f"{title}: {'; '.join(f'{reason} {count:,}' for reason, count in counts.items())}" for title, counts in told if counts]
        return [*counted, *self.notes]

    def as_json(self) -> dict[str, object]:
        """As plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self)} | {"notes": list(self.notes)}


def added(first: Counts, second: Counts) -> dict[str, int]:
    """Counts of both, by reason."""
    return {reason: first.get(reason, 0) + second.get(reason, 0) for reason in (*first, *second)}


# What looks wrong ----------------------------------------------------------------------------------------------------------------------


def broken() -> pl.Expr:
    """Whether the high is below, or the low above, another price of its bar, by more than rounding; null where one is missing."""
    most, least = pl.max_horizontal("open", "close", "low"), pl.min_horizontal("open", "close", "high")
    return (pl.col("high") < most * (1 - ROUNDED)) | (pl.col("low") > least * (1 + ROUNDED))


def splits(frame: pl.DataFrame, key: str | None = None) -> int:
    """How many rows look like a split that prices were not adjusted for; rows in order of key and time.

    The bar opens and closes near a whole part (a half, a third, ...) of the close before it, or near so many times it, and, where there
    is a volume, more shares change hands after it than before, or fewer where shares were joined.
    """
    first = pl.lit(False) if key is None else pl.col(key) != pl.col(key).shift(1)
    moved = pl.when(~first).then(pl.col("close") / pl.col("close").shift(1))
    opened = pl.when(~first).then(pl.col("open" if "open" in frame.columns else "close") / pl.col("close").shift(1))
    named = frame.with_columns(moved.alias("_moved"), opened.alias("_opened"), pl.int_range(pl.len()).alias("_place"))
    jumps = named.filter(~pl.col("_moved").is_between(1 / LEAST_JUMP, LEAST_JUMP))
    ratios = [ratio for one in RATIOS for ratio in (one, 1 / one)]
    fits = [((pl.col("_opened") * r - 1).abs() < NEAR) & ((pl.col("_moved") * r - 1).abs() < 2 * NEAR) for r in ratios]
    found = jumps.with_columns(pl.coalesce(pl.when(fit).then(pl.lit(r)) for fit, r in zip(fits, ratios, strict=True)).alias("_ratio"))
    found = found.filter(pl.col("_ratio").is_not_null())
    return sum(_volume_follows(frame, key, row) for row in found.iter_rows(named=True))


def _volume_follows(frame: pl.DataFrame, key: str | None, row: dict[str, Any]) -> bool:
    """Whether volume rose (or fell) with the number of shares; true where there is none to be seen."""
    if "volume" not in frame.columns:
        return True
    near = frame.slice(max(row["_place"] - AROUND, 0), min(row["_place"], AROUND) + AROUND).with_columns(
        pl.int_range(pl.len()).alias("_at")
    )
    near = near if key is None else near.filter(pl.col(key) == row[key])
    traded, here = near["volume"].cast(pl.Float64).to_numpy(), min(row["_place"], AROUND)
    sides = [traded[at & np.isfinite(traded)] for at in (near["_at"].to_numpy() < here, near["_at"].to_numpy() >= here)]
    if any(len(side) == 0 or np.median(side) <= 0 for side in sides):
        return True
    step, wanted = float(np.median(sides[1]) / np.median(sides[0])), float(row["_ratio"] ** 0.5)
    return step > wanted if wanted > 1 else step < wanted


def repeats(frame: pl.DataFrame, name: str, key: str | None = None) -> int:
    """How many rows repeat the price of the row before, after it had stood for `STILL` rows; rows in order of key and time."""
    same = pl.col(name) == pl.col(name).shift(1)
    same = (same if key is None else same & (pl.col(key) == pl.col(key).shift(1))).fill_null(False)
    held = pl.all_horizontal(same.shift(back, fill_value=False) for back in range(STILL))
    return int(frame.select(held.sum()).item())
