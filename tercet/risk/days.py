"""Days of a market as a risk model sees them: in order of when they were known, and nothing of a later one in an earlier one's forecast."""

from dataclasses import dataclass, field, fields, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.risk.units import SAME
from tercet.signals.cleaning import Cleaning, broken, repeats, splits
from tercet.signals.series import Floats
from tercet.signals.timed import EVENT, KNOWN, Table

NONE: Final = np.empty(0)
BESIDE: Final = ("vix", "rv", "quarticity", "volume")  # what may stand next to prices and is none
LATER_NS: Final = 3600 * 10**9  # after its close, in which what becomes known belongs to a day
FRESH_NS: Final = 7 * 86_400 * 10**9  # age of a VIX from which on it is none
COLUMNS: Final = {"returns": "return", "within": "open_close", "realised": "rv", "vix": "vix", "quarticity": "quarticity"}
BARS: Final = ("open", "high", "low", "close")
FLOOR: Final = 1e-4  # percent²: no day moves less than a basis point
CARRIED: Final = 5  # days that a missing VIX is carried over


@dataclass(frozen=True)
class MarketDays:
    """Days of one market, n of them; what a source does not have is empty. Returns are percent, variances percent².

    known: ns; returns: close to close, of logarithms; within: open to close; realised: variance within the day, from its ticks; ranged: the
    same from its open, high, low and close (Rogers & Satchell 1991) plus the square of the gap before it; quarticity: realised, percent⁴.
    """

    known: NDArray[np.int64]
    returns: Floats
    within: Floats = field(default_factory=lambda: NONE)
    realised: Floats = field(default_factory=lambda: NONE)
    ranged: Floats = field(default_factory=lambda: NONE)
    vix: Floats = field(default_factory=lambda: NONE)
    quarticity: Floats = field(default_factory=lambda: NONE)

    def __post_init__(self) -> None:
        """Refuse days out of order and numbers that are none."""
        count = len(self.known)
        if count == 0:
            raise BadInput("there were no days; expected some")
        if (np.diff(self.known) <= 0).any():
            place = int(np.flatnonzero(np.diff(self.known) <= 0)[0]) + 1
            raise BadInput(f"day {place} was not known after the day before it; expected days in order, each once")
        for name in self.there():
            values = getattr(self, name)
            if len(values) != count:
                raise BadInput(f"{name} had {len(values)} values for {count} days; expected one each")
            wrong = ~np.isfinite(values) if name in ("returns", "within") else ~(values > 0) | ~np.isfinite(values)
            if wrong.any():
                place, expected = int(wrong.argmax()), "a number" if name in ("returns", "within") else "a number above 0"
                raise BadInput(f"{name} of day {place} was {values[place]}; expected {expected}")
        if count > 1 and np.ptp(self.returns) <= SAME * np.abs(self.returns).max():
            raise BadInput(f"all {count} returns were {self.returns[0]:g}; expected prices that move")

    def __len__(self) -> int:
        """How many."""
        return len(self.known)

    def there(self) -> tuple[str, ...]:
        """The names of the series that are not empty; returns is always."""
        return tuple(one.name for one in fields(self)[1:] if one.name == "returns" or len(getattr(self, one.name)))

    def until(self, count: int) -> "MarketDays":
        """The first `count` days."""
        return self[:count]

    def __getitem__(self, rows: slice) -> "MarketDays":
        """Some of them, in order."""
        return replace(self, **{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    @property
    def target(self) -> Floats:
        """What a variance forecast is judged by: realised variance, of the range, or the squared return, the best that is there.

        A noisy proxy ranks forecasts as the truth would, if it is unbiased and the loss is QLIKE or MSE (Patton 2011).
        """
        for given in (self.realised, self.ranged):
            if len(given):
                return given
        return np.asarray(np.maximum(self.returns**2, FLOOR))


@dataclass(frozen=True)
class Read:
    """Days, and what reading them left out, made missing, carried on or found odd."""

    days: MarketDays
    cleaning: Cleaning

    @property
    def counts(self) -> dict[str, int]:
        """How many rows or values, by reason."""
        return self.cleaning.counts


def market_days(table: Table) -> Read:
    """Days of a table of one series: columns `return` (percent) and what there is of open_close, rv, vix and quarticity; or prices.

    Of bars (open, high, low, close) returns and ranges are made, of a single column of prices (beside vix, volume) returns. A day without
    a price is left out, and the next return has both; a bar whose high or low does not hold its other prices is widened until they do. Days
    before the first that has all columns, and later days without a realised variance, are left out; a missing VIX is the last one, for five
    days at most. All of it is counted.
    """
    if table.keys and table.frame.select(table.keys).n_unique() > 1:
        raise BadInput(f"there were {table.frame.select(table.keys).n_unique()} series; expected one: filter the table")
    if table.revised:
        raise BadInput("the days had revised rows; expected one vintage of each: history.first")
    frame, cleaning = table.frame, Cleaning()
    if "return" not in frame.columns:
        frame, cleaning = _of_prices(frame, table.keys)
    names = {name: column for name, column in (COLUMNS | {"ranged": "ranged"}).items() if column in frame.columns}
    if "vix" in names:
        filled = frame["vix"].forward_fill(CARRIED)
        cleaning += Cleaning(carried={"VIX carried over": frame["vix"].null_count() - filled.null_count()})
        frame = frame.with_columns(filled)
    whole = frame.select(pl.all_horizontal(pl.col(*names.values()).is_not_null())).to_series()
    if not whole.any():
        raise BadInput(
            f"no day has all of {', '.join(names.values())}; expected some, found {len(frame)} rows (a first price has no return)"
        )
    first = int(whole.arg_max() or 0)
    frame, whole = frame[first:], whole[first:]
    left = {"before the first whole day": first, "later days that miss something": int((~whole).sum())}
    cleaning += Cleaning(dropped=left)
    if missing := frame["return"].head(int(frame["return"].is_not_null().arg_true()[-1]) + 1).null_count():
        raise BadInput(f"{missing} returns were missing between others; expected none: what came between is lost")
    # A day that is left out is not without its return: the next one has both.
    total = pl.col("return").cum_sum().filter(pl.lit(whole))
    kept = frame.select(KNOWN, *names.values()).filter(whole)
    summed = frame.select(total.diff().fill_null(total.first() - 0.0)).to_series()
    kept = kept.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(summed).otherwise(pl.col("return")).alias("return"))
    given = {name: kept[column].to_numpy().astype(np.float64) for name, column in names.items()}
    return Read(MarketDays(kept[KNOWN].to_numpy(), **given), cleaning)


def with_vix(table: Table, vix: Table) -> Table:
    """The days of a table, each with the close of the VIX that was known last when the day was over; null where that is no newer one.

    What is known within an hour after the day's close counts as known with it, and moves the day's own known time: the VIX is computed
    until 16:15. For a market that closes before New York it is so the VIX of the date before.
    """
    if "vix" in table.values:
        raise BadInput("the days had a column vix of their own; expected it once")
    close = [one for one in vix.values if one.lower() in ("close", "vix")]
    name = (close or vix.values)[0]
    if len(close) != 1 and len(vix.values) != 1:
        raise BadInput(f"the VIX had the columns {', '.join(vix.values)}; expected close, or one alone")
    other = vix.frame.select(pl.col(name).cast(pl.Float64).alias("vix"), pl.col(KNOWN).alias("_known")).drop_nulls("vix")
    days = table.frame.with_columns((pl.col(KNOWN) + LATER_NS).alias("_limit"))
    both = days.join_asof(other, left_on="_limit", right_on="_known", tolerance=FRESH_NS, check_sortedness=False)
    newer = (pl.col("_known") != pl.col("_known").shift(1)).fill_null(True)
    known = pl.when(newer).then(pl.max_horizontal(KNOWN, "_known")).otherwise(pl.col(KNOWN))
    made = both.with_columns(known.alias(KNOWN), pl.when(newer).then(pl.col("vix")).alias("vix"))
    return Table.of(made.drop("_known", "_limit"), table.keys)


def _of_prices(frame: pl.DataFrame, keys: tuple[str, ...]) -> tuple[pl.DataFrame, Cleaning]:
    """Returns of prices, and what was counted of them."""
    prices = [name for name in frame.columns if name not in (EVENT, KNOWN, *BESIDE, *keys)]
    bars = all(name in prices for name in BARS)
    if not bars and (len(prices) != 1 or prices[0] in BARS[:3]):
        missing = [name for name in BARS if name not in prices]
        raise BadInput(f"the days had neither a column return, nor {', '.join(missing)}, nor one column of prices; expected one of them")
    close = "close" if bars else prices[0]
    values = frame[close].cast(pl.Float64, strict=False)
    if (wrong := (values <= 0).fill_null(False)).any():
        place = int(wrong.arg_max() or 0)
        raise BadInput(f"{close} of row {place} was {values[place]:g}; expected a price above 0")
    priced = frame.with_columns(values.alias(close)).drop_nulls(close)
    cleaning = _count_odd(priced.rename({close: "close"}) if close != "close" else priced, bars=bars)
    cleaning += Cleaning(dropped={"days without a price": frame.height - priced.height})
    return (_of_bars(priced) if bars else priced.with_columns((100 * pl.col(close).log().diff()).alias("return"))), cleaning


def _of_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns and ranges of bars, widened where high and low do not hold open and close."""
    there = [pl.col(name) for name in BARS]
    frame = frame.with_columns(
        pl.when(pl.col("high").is_not_null()).then(pl.max_horizontal(there)).alias("high"),
        pl.when(pl.col("low").is_not_null()).then(pl.min_horizontal(there)).alias("low"),
    )
    o, h, low, c = (pl.col(name).log() for name in BARS)
    gap = o - c.shift(1)
    ranged = 1e4 * ((h - o) * (h - c) + (low - o) * (low - c) + gap**2)
    ranged = pl.when(ranged.is_finite()).then(pl.max_horizontal(ranged, FLOOR))
    return frame.with_columns((100 * (c - c.shift(1))).alias("return"), (100 * (c - o)).alias("open_close"), ranged.alias("ranged"))


def _count_odd(frame: pl.DataFrame, *, bars: bool) -> Cleaning:
    """What looks wrong about prices, and was kept."""
    odd = {"days that look like a split": splits(frame)}
    if bars:
        odd["bars whose high or low does not hold their other prices, widened"] = int(frame.select(broken().sum()).item())
    return Cleaning(carried={"prices that repeat those of four days before": repeats(frame, "close")}, odd=odd)
