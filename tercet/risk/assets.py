"""Days of many assets side by side: returns of the same days, none missing, in order of when they were known."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK
from tercet.risk.dayfiles import price_file
from tercet.risk.days import FLOOR
from tercet.risk.filters import LEAST
from tercet.signals.cleaning import Cleaning, repeats
from tercet.signals.series import Floats
from tercet.signals.sources import CLOSE
from tercet.signals.timed import EVENT, KNOWN, Table

GAPS: Final = 0.1  # share of days that may be left out because some asset has no price


@dataclass(frozen=True)
class AssetDays:
    """Days of k assets, n of them; known: ns; names: k; returns: (n, k) percent, close to close and simple, so that portfolios add up."""

    known: NDArray[np.int64]
    names: tuple[str, ...]
    returns: Floats

    def __post_init__(self) -> None:
        """Refuse days out of order, one asset alone, and numbers that are none."""
        count = len(self.known)
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise BadInput(f"the assets were {', '.join(self.names) or 'none'}; expected two or more, each once")
        if count == 0 or self.returns.shape != (count, len(self.names)):
            raise BadInput(f"returns had shape {self.returns.shape} for {count} days of {len(self.names)} assets; expected one each")
        if (np.diff(self.known) <= 0).any():
            place = int((np.diff(self.known) <= 0).argmax()) + 1
            raise BadInput(f"day {place} was not known after the day before it; expected days in order, each once")
        checked(self.returns, self.names)

    def __len__(self) -> int:
        """How many days."""
        return len(self.known)

    def __getitem__(self, rows: slice) -> "AssetDays":
        """Some of them, in order."""
        return replace(self, known=self.known[rows], returns=self.returns[rows])


def checked(rows: Floats, names: tuple[str, ...]) -> Floats:
    """(n, k): one day's returns, or those of several days in order; BadInput, with the asset, where one is no number."""
    found = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if found.ndim != 2 or found.shape[1] != len(names):
        raise BadInput(f"returns had shape {np.shape(rows)}; expected {len(names)} a day")
    wrong = ~np.isfinite(found) | (found <= -100)
    if wrong.any():
        day, place = (int(one) for one in np.argwhere(wrong)[0])
        raise BadInput(f"{names[place]}: the return of day {day} was {found[day, place]}; expected a number above -100: leave the day out")
    return found


def refuse(name: str, past: AssetDays, least: int = LEAST) -> None:
    """Raises BadInput where days are too few, or an asset's price does not move."""
    if len(past) < least:
        raise BadInput(f"{name}: there were {len(past)} days; expected {least} or more")
    for rows, which in ((past.returns[:least], "first"), (past.returns[-least:], "last")):
        still = rows.var(axis=0) < FLOOR
        if still.any():
            raise BadInput(f"{name}: {past.names[int(still.argmax())]} does not move in the {which} {least} days; expected prices that do")


@dataclass(frozen=True)
class ReadAssets:
    """Days, and what reading them left out, carried on or found odd."""

    days: AssetDays
    cleaning: Cleaning

    @property
    def counts(self) -> dict[str, int]:
        """How many, by reason."""
        return self.cleaning.counts


def prices_file(path: str | Path, *, known_at: str = CLOSE, tz: str = NEW_YORK) -> Table:
    """A CSV or Parquet file of a date and a column of prices an asset, as a table; known at that hour in that zone. See `price_file`."""
    return price_file(path, known_at, tz).table


def asset_days(table: Table, column: str = "close") -> ReadAssets:
    """Days of a table of prices: a column an asset, or `column` of a table with one key.

    A day on which an asset has no price is left out and counted: the next return has both. Raises BadInput where that is more than a
    tenth of the days since all had a first price, and where a price is not above 0 or never moves. Returns that double or halve a price are
    counted and kept: a split that was forgotten looks like them, and so does news.
    """
    if table.revised:
        raise BadInput("the prices had revised rows; expected one vintage of each: history.first")
    frame = table.frame.drop(EVENT)
    if len(table.keys) > 1:
        raise BadInput(f"the table has keys {', '.join(table.keys)}; expected one at most")
    if table.keys:
        if column not in frame.columns:
            raise BadInput(f"the table has no column {column}; expected it among {', '.join(table.values)}")
        frame = frame.select(KNOWN, *table.keys, column).pivot(table.keys[0], index=KNOWN, values=column).sort(KNOWN)
    names = tuple(sorted(set(frame.columns) - {KNOWN})) if table.keys else tuple(name for name in frame.columns if name != KNOWN)
    prices = frame.select(pl.col(*names).cast(pl.Float64, strict=False)).to_numpy().astype(np.float64)
    if (prices <= 0).any():
        day, place = (int(one) for one in np.argwhere(prices <= 0)[0])
        raise BadInput(f"{names[place]}: the price of row {day} was {prices[day, place]:g}; expected one above 0")
    there = np.isfinite(prices)
    if not there.any(axis=0).all():
        raise BadInput(f"{names[int((~there.any(axis=0)).argmax())]} has no price at all; expected some")
    first = int(there.argmax(axis=0).max())
    whole = there.all(axis=1)
    missing = ~whole[first:]
    if missing.mean() > GAPS:
        worst = int((~there[first:]).sum(axis=0).argmax())
        raise BadInput(
            f"{int(missing.sum())} of {len(missing)} days miss a price, most that of {names[worst]}; expected a tenth at most: "
            "leave the asset out"
        )
    kept = prices[whole]
    if len(kept) < 2:
        raise BadInput(f"{len(kept)} days have all prices; expected two or more")
    still = np.ptp(kept, axis=0) == 0
    if still.any():
        raise BadInput(f"{names[int(still.argmax())]}: all {len(kept)} prices were the same; expected prices that move")
    days = AssetDays(frame[KNOWN].to_numpy()[whole][1:], names, 100 * (kept[1:] / kept[:-1] - 1))
    dropped = {"before all had a price": first, "later days that miss a price": int(missing.sum())}
    odd = {"returns that double or halve a price, kept": int(((days.returns >= 100) | (days.returns <= -50)).sum())}
    still_prices = sum(repeats(frame.select(pl.col(name).drop_nulls()), name) for name in names)
    return ReadAssets(days, Cleaning(dropped, carried={"prices that repeat those of four days before": still_prices}, odd=odd))
