"""The daily cross-section: features of each stock's past, ranked within each date to [−1, 1]; figures, macro interactions, labels.

Gu, Kelly & Xiu (2020): the rank within the date's stocks stands for the value, and what is missing is 0, the middle. A row's features
use rows with the same or an earlier event_time alone; a row is known when all of those are.
"""

from collections.abc import Iterable
from typing import Final, Literal, TypeVar

import polars as pl

from tercet.errors import BadInput
from tercet.signals.alpha158 import ALPHA158, ALPHA_ORDER, ALPHA_PAIRS, ALPHA_TODAY
from tercet.signals.characteristics import BEFORE, CHARACTERISTICS, PAIRS, TODAY, YEAR, Feature
from tercet.signals.sources import opening
from tercet.signals.timed import EVENT, KNOWN, Table, as_of

PANEL_FEATURES: Final[dict[str, Feature]] = {feature.name: feature for feature in (*CHARACTERISTICS, *ALPHA158)}
RANKED: Final = "_rank"  # what follows a feature's name in the name of its ranked column
INTERACTED: Final = (
    "reversal_21",
    "momentum_2_12",
    "high_52_weeks",
    "max5",
    "beta_252",
    "idiosyncratic_252",
    "dollar_volume_21",
    "amihud_21",
)
DAY_NS: Final = 86_400 * 10**9
BARS: Final = ("open", "high", "low", "close", "volume")
_BLOCK: Final = 16  # features at a time: 350 stocks × 5,000 days × 16 columns are 224 MB
_POINT: Final = float(
    1 << 44
)  # returns to 6e-14; room for half a million of 100%, or 500 of the greatest that counts, 1000 (a split unseen)

Known = TypeVar("Known")


def panel(bars: Table, features: Iterable[str | Feature] | None = None, *, raw: bool = True, ranked: bool = True) -> Table:
    """A row for each row of `bars` (symbol; event_time of the close; open, high, low, close, volume), a column or two for each feature.

    `raw` columns carry a feature's name, float64, null where missing; `ranked` ones NAME_rank, float32. Every event_time is one
    cross-section, so the stocks of a date share it. Days are a symbol's rows: one that is missing is not made up.
    """
    chosen = _features(features)
    frame = _checked(bars)
    base = _base(frame, chosen)
    order = base.select(pl.arg_sort_by(EVENT, "symbol")).to_series()
    rows = _times(base.select(EVENT, KNOWN, "symbol")[order])
    values, ranking = [], []
    for first in range(0, len(chosen), _BLOCK):
        block = over_symbols(base, chosen[first : first + _BLOCK])[order]
        values += [block] if raw else []
        ranking += [ranks(block, rows[EVENT])] if ranked else []
    return Table(pl.concat([rows, *values, *ranking], how="horizontal"), copy=False)


def over_symbols(base: pl.DataFrame, features: list[Feature]) -> pl.DataFrame:
    """Raw columns over rows in order of symbol and time: missing until a symbol has its warm-up, and where not finite."""
    columns = [feature.expression.cast(pl.Float64).over("symbol").alias(feature.name) for feature in features]
    made = base.lazy().select("_day", *columns)
    kept = [pl.when(pl.col(f.name).is_finite(), pl.col("_day") >= f.warm_up).then(pl.col(f.name)).alias(f.name) for f in features]
    return made.select(kept).collect()


def ranks(block: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Each column's rank within each date, evenly from −1 (lowest) to 1, ties sharing their mean; 0 where missing or alone."""
    names = block.columns
    grouped = block.with_columns(dates.alias(EVENT)).lazy().group_by(EVENT, maintain_order=True)
    lists = grouped.agg(*(pl.col(name).rank() for name in names), *(pl.col(name).count().alias(f"_n_{name}") for name in names))
    flat = lists.explode(names)
    scaled = [(2 * (pl.col(name) - 1) / (pl.col(f"_n_{name}") - 1.0) - 1).fill_nan(0.0).fill_null(0.0) for name in names]
    return flat.select(x.cast(pl.Float32).alias(name + RANKED) for name, x in zip(names, scaled, strict=True)).collect()


def interactions(
    ranked: Table, macro: Table, values: Iterable[str] | None = None, features: Iterable[str | Feature] = INTERACTED, latency: int = 0
) -> Table:
    """The panel's rows with a column NAME_rank_x_VALUE for each feature and macro value: rank × the value's z as known by then.

    z is the value less its mean over its last 252 observations, in their standard deviations, cut at ±5; 0 while there are fewer
    than 21 or where the value is missing. `macro` has no keys; of its revisions only those of its newest event count.
    """
    names = _numbers(macro, values)
    wanted = [feature.name + RANKED for feature in _features(features)]
    frame = ranked.frame
    if macro.keys:
        raise BadInput(f"the macro table had keys {list(macro.keys)}; expected none: one series a column")
    if missing := [name for name in wanted if name not in frame.columns]:
        raise BadInput(f"the panel had no column {missing[0]}; expected panel(..., ranked=True) with that feature")
    newest = macro.frame.sort(KNOWN, EVENT).filter(pl.col(EVENT) >= pl.col(EVENT).cum_max())
    x = pl.col(*names)
    z = ((x - x.rolling_mean(YEAR, min_samples=21)) / x.rolling_std(YEAR, min_samples=21)).clip(-5.0, 5.0)
    scores = Table(newest.select(EVENT, KNOWN, pl.when(z.is_finite()).then(z).otherwise(0.0)), keys=())
    at = as_of(frame.select(pl.col(KNOWN).alias("time")), scores, latency=latency).select(x.fill_null(0.0))
    columns = [(frame[one].cast(pl.Float64) * at[name]).alias(f"{one}_x_{name}") for one in wanted for name in names]
    return Table(frame.with_columns(columns), copy=False)


def figures(rows: Table, told: Table, values: Iterable[str] | None = None, latency: int = 0, tolerance: int | None = None) -> Table:
    """The panel's rows with the newest figures known by then, such as fundamentals by filing date: columns NAME and NAME_rank.

    A figure comes from the latest event_time that was known, in its latest vintage; older than `tolerance` ns, it is missing.
    """
    names = _numbers(told, values)
    frame = rows.frame
    table = Table(told.frame.select(EVENT, KNOWN, *told.keys, *names), told.keys, copy=False)
    asked = frame.select("symbol", pl.col(KNOWN).alias("time"))
    found = as_of(asked, table, latency=latency, tolerance=tolerance, newest_event=True).select(pl.col(names).cast(pl.Float64))
    return Table(pl.concat([frame, found, ranks(found, frame[EVENT])], how="horizontal"), copy=False)


def forward_returns(bars: Table, days: int, lag: int = 1, *, entry: Literal["open", "close"] = "open") -> pl.DataFrame:
    """For each row of `bars` the return over `days` from the open (or close) `lag` days of the market later to the same `days` on.

    Columns event_time, symbol, t0, t1 (when the two prices are made, ns), value, available (when the last of them was known, ns). A day of
    the market (UTC) is one on which some symbol has a row. Where a symbol has no price to sell at, for a while or for ever, the last close
    before stands for it: who held it had that, and a stock that dies keeps its labels (what a delisting paid belongs in its last row).
    t0 is null where there is no price to buy at, t1, value and available are null there too and where the data end first.
    """
    if days < 1 or lag < 1:
        raise BadInput(f"days was {days}, lag {lag}; expected 1 or more of both: nobody trades at the close that he decides on")
    if entry not in ("open", "close"):
        raise BadInput(f"entry was {entry!r}; expected open or close")
    made = opening(pl.col(EVENT)) if entry == "open" else pl.col(EVENT)
    # An open is known when it is made, unless its source is late even for the close.
    known = made + (pl.col(KNOWN) - pl.col(EVENT))
    frame = _checked(bars).with_columns(
        _day=(pl.col(EVENT) // DAY_NS).rank("dense").cast(pl.Int64), _made=made, _known=known, _price=pl.col(entry)
    )
    if len(twice := frame.select("symbol", "_day").filter(pl.struct("symbol", "_day").is_duplicated())):
        raise BadInput(f"{twice['symbol'][0]} had two rows on one day (UTC); expected daily bars, one a day")
    market = frame.group_by(_sold=pl.col("_day")).agg(_closed=pl.col("_made").max(), _told=pl.col("_known").max())
    bought = frame.drop_nulls("_price").select("symbol", _bought="_day", t0="_made", _paid="_price", _paid_known="_known")
    sold = frame.drop_nulls("_price").select("symbol", _sold="_day", _ended="_made", _got="_price", _got_known="_known")
    closes = frame.select("symbol", _sold="_day", _last="close", _last_known=KNOWN).sort("_sold")
    labels = (
        frame.with_columns(_bought=pl.col("_day") + lag, _sold=pl.col("_day") + lag + days)
        .join(bought, on=["symbol", "_bought"], how="left")
        .join(sold, on=["symbol", "_sold"], how="left")
        .join(market, on="_sold", how="left")
        .sort("_sold")
        .join_asof(closes, on="_sold", by="symbol", allow_exact_matches=False, check_sortedness=False)
    )
    whole = pl.col("t0").is_not_null() & pl.col("_closed").is_not_null()
    got, told = pl.coalesce("_got", "_last"), pl.coalesce("_got_known", pl.max_horizontal("_told", "_last_known"))
    return labels.select(
        EVENT,
        "symbol",
        "t0",
        t1=pl.when(whole).then(pl.coalesce("_ended", "_closed")),
        value=pl.when(whole).then(got / pl.col("_paid") - 1),
        available=pl.when(whole).then(pl.max_horizontal("_paid_known", told)),
    ).sort(EVENT, "symbol")


def _chosen(names: Iterable[str] | None, known: dict[str, Known]) -> list[Known]:
    """What is known by these names, all of it where none is given."""
    wanted = list(known) if names is None else [names] if isinstance(names, str) else list(names)
    if unknown := [name for name in wanted if name not in known]:
        raise BadInput(f"there is no {unknown[0]!r}; expected one of {', '.join(known)}")
    if not wanted or len(set(wanted)) < len(wanted):
        raise BadInput(f"the names were {wanted}; expected at least one, each once")
    return [known[name] for name in wanted]


def _numbers(table: Table, values: Iterable[str] | None) -> list[str]:
    """The value columns by these names, all of them where none is given; BadInput where one holds no numbers."""
    names = _chosen(values, {name: name for name in table.values})
    if wrong := [name for name in names if not table.frame.schema[name].is_numeric()]:
        raise BadInput(f"{wrong[0]} was {table.frame.schema[wrong[0]]}; expected a number")
    return names


def _features(wanted: Iterable[str | Feature] | None) -> list[Feature]:
    """The features of the registry by these names, and those that are given as they are."""
    listed = None if wanted is None else [wanted] if isinstance(wanted, str) else list(wanted)
    own = {feature.name: feature for feature in listed or () if isinstance(feature, Feature)}
    names = None if listed is None else [x.name if isinstance(x, Feature) else x for x in listed]
    return _chosen(names, PANEL_FEATURES | own)


def _checked(bars: Table) -> pl.DataFrame:
    """The rows of daily bars; BadInput where they cannot be a panel."""
    if bars.keys != ("symbol",):
        raise BadInput(f"the bars' keys were {list(bars.keys)}; expected symbol")
    frame = bars.frame
    if missing := [name for name in BARS if name not in frame.columns]:
        raise BadInput(f"the bars had no column {', '.join(missing)}; expected {', '.join(BARS)}")
    if bars.revised:
        raise BadInput("the bars had revised rows; expected one vintage of each: Table(history.known(name)) or history.first")
    if wrong := [name for name in BARS if not frame.schema[name].is_numeric()]:
        raise BadInput(f"{wrong[0]} was {frame.schema[wrong[0]]}; expected a number")
    if frame["close"].null_count() or not (frame["close"] > 0).all():
        raise BadInput("a close was missing, zero or negative; expected a price in every row")
    for name in BARS:
        least = frame[name].min()
        if isinstance(least, int | float) and (least < 0 or (least == 0 and name != "volume")):
            raise BadInput(f"{name} was {least} in some row; expected a positive number, or null where it is missing")
    return frame.select(EVENT, KNOWN, "symbol", pl.col(*BARS).cast(pl.Float64))


def _base(frame: pl.DataFrame, features: list[Feature]) -> pl.DataFrame:
    """What the features are made of, in order of symbol and time."""
    wanted = {name for feature in features for name in feature.expression.meta.root_names()} | {EVENT, KNOWN, "symbol", "_day"}
    today = {name: pl.when(x.is_finite()).then(x) for name, x in (TODAY | ALPHA_TODAY).items()}
    # In fixed point: a sum of ints is the same in any order, and polars' order of summing floats depends on how long the frame is.
    exact = (pl.col("_r").clip(upper_bound=1000.0) * _POINT).round().cast(pl.Int64)
    market = pl.when(exact.is_not_null()).then((exact.sum() / exact.count()).over(EVENT) / _POINT)
    made = frame.lazy().sort("symbol", EVENT).with_columns(**{name: x.over("symbol") for name, x in BEFORE.items()})
    made = made.with_columns(**today, **{name: x.over("symbol") for name, x in ALPHA_ORDER.items()})
    return made.with_columns(_m=market).with_columns(**PAIRS, **ALPHA_PAIRS).select(sorted(wanted)).collect()


def _times(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows, each known when the last row of its date or an earlier one is."""
    return rows.with_columns(pl.col(KNOWN).cum_max()).with_columns(pl.col(KNOWN).max().over(EVENT))
