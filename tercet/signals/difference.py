"""Where two answers about the same rows differ first, and what a leak test says of it.

Numbers that differ by rounding alone (a sum in another order) are the same.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.market.calendar import NEW_YORK, SECOND, zone
from tercet.signals.timed import EVENT

OK, LEAK, NOTE, SKIPPED = "ok", "LEAK", "note", "not tested"  # only LEAK is a fault
KEYS: Final = (EVENT, "symbol")
ROUNDING: Final = 1e-9  # relative, beside a column's usual size
WIDE: Final = 4  # columns that a sentence names


@dataclass(frozen=True)
class Difference:
    """The first row in which an answer is another one, and how much else is. Times are ns."""

    column: str
    symbol: str | None
    time: int
    was: Any
    becomes: Any
    rows: int
    columns: tuple[str, ...]
    cut: int | None = None  # the time after which the future is another one

    def sentence(self, why: str, side: str = "after") -> str:
        """What differs, where, by how much and when."""
        whose = f" of {self.symbol}" if self.symbol is not None else ""
        after = f" {side} {clock(self.cut)}" if self.cut is not None else ""
        which = f" in {', '.join(self.columns[:WIDE])}{' ...' if len(self.columns) > WIDE else ''}" if len(self.columns) > 1 else ""
        told = f"{self.column}{whose}, {clock(self.time)}: {shown(self.was)} → {shown(self.becomes)} when {why}{after}"
        return f"{told}; {self.rows:,} row{'s' if self.rows > 1 else ''}{which}"


@dataclass(frozen=True)
class Finding:
    """What one test found."""

    about: str  # one of CONTRACT
    test: str
    verdict: str
    where: str = ""
    difference: Difference | None = None


def clock(time: int) -> str:
    """A time as New York shows it; a close is told by its date."""
    return f"{datetime.fromtimestamp(time // SECOND, zone(NEW_YORK)):%Y-%m-%d %H:%M:%S}".removesuffix(" 16:00:00")


def shown(value: Any) -> str:
    """A value in a sentence."""
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def first_difference(whole: pl.DataFrame, other: pl.DataFrame, cut: int | None = None) -> Difference | None:
    """Where two answers about the same rows differ first in time; a row that only one of them has differs."""
    names = [name for name in whole.columns if name not in KEYS]
    names += [name for name in other.columns if name not in (*KEYS, *names)]
    both = whole.with_columns(_here=True).join(other.with_columns(_there=True), on=KEYS, how="full", coalesce=True, suffix="~").sort(KEYS)
    alone = (both["_here"].is_null() | both["_there"].is_null()).to_numpy()
    apart = {"_row": alone}
    for name in names:
        one, two = (both[n] if n in both.columns else pl.Series(n, [None] * both.height) for n in _pair(name, whole, other))
        apart[name] = differs(one, two) & ~alone
    wrong = {name: rows for name, rows in apart.items() if rows.any()}
    if not wrong:
        return None
    column, row = min(((name, int(rows.argmax())) for name, rows in wrong.items()), key=lambda found: (both[EVENT][found[1]], found[1]))
    was: Any = "there" if both["_there"][row] is None else "missing"
    becomes: Any = "missing" if both["_there"][row] is None else "there"
    if column != "_row":
        was, becomes = (both[n][row] if n in both.columns else None for n in _pair(column, whole, other))
    told = tuple("the row itself" if name == "_row" else name for name in wrong)
    count = int(np.logical_or.reduce(list(wrong.values())).sum())
    return Difference("the row" if column == "_row" else column, both["symbol"][row], both[EVENT][row], was, becomes, count, told, cut)


def _pair(name: str, whole: pl.DataFrame, other: pl.DataFrame) -> tuple[str, str]:
    """What a column is called in the join, of either frame."""
    return (name, f"{name}~") if name in whole.columns else (f"{name}~", name)


def differs(one: pl.Series, two: pl.Series) -> NDArray[np.bool_]:
    """Row by row, whether values are others by more than rounding; NaN and null are both missing."""
    if not (one.dtype.is_float() or two.dtype.is_float()) or not (one.dtype.is_numeric() and two.dtype.is_numeric()):
        return one.ne_missing(two).to_numpy()
    a, b = (x.cast(pl.Float64).fill_null(np.nan).to_numpy() for x in (one, two))
    there = np.isfinite(a)
    usual = float(np.median(np.abs(a[there]))) if there.any() else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.abs(a - b) <= ROUNDING * (np.abs(a) + np.abs(b) + usual)
    return np.asarray(~((a == b) | close | (np.isnan(a) & np.isnan(b))))


def most(found: list[Difference]) -> Difference | None:
    """The difference in most columns, the first of them."""
    return max(found, key=lambda one: len(one.columns)) if found else None
