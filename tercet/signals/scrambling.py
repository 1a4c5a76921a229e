"""The same past with another future: daily bars that end, whose numbers become others, change places or go missing."""

from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl

from tercet.signals.difference import KEYS
from tercet.signals.madebars import BARS
from tercet.signals.timed import EVENT, KNOWN

SPAN: Final = ("t0", "t1", "available")
Future = Callable[[pl.DataFrame, int, np.random.Generator], pl.DataFrame]


def cut_off(frame: pl.DataFrame, after: int, rng: np.random.Generator) -> pl.DataFrame:
    """Nothing happens any more."""
    return frame.filter(pl.col(KNOWN) <= after)


def other_values(frame: pl.DataFrame, after: int, rng: np.random.Generator) -> pl.DataFrame:
    """Every number becomes another one, a symbol leaves and one has another name."""
    late = frame.filter(pl.col(KNOWN) > after)
    names = late["symbol"].unique().sort()
    late = changed(late, rng)
    if len(names) > 2:
        late = late.filter(pl.col("symbol") != names[-1]).with_columns(pl.col("symbol").replace(names[0], f"{names[0]}_new"))
    return _joined(frame, late, after)


def permuted(frame: pl.DataFrame, after: int, rng: np.random.Generator) -> pl.DataFrame:
    """The same rows at other times and of other symbols."""
    late = frame.filter(pl.col(KNOWN) > after)
    places = rng.permutation(late.height)
    return _joined(frame, late.with_columns(pl.exclude(EVENT, KNOWN, "symbol").gather(places)), after)


def missing(frame: pl.DataFrame, after: int, rng: np.random.Generator) -> pl.DataFrame:
    """No number is known."""
    late = frame.filter(pl.col(KNOWN) > after)
    return _joined(frame, late.with_columns(pl.lit(None, late.schema[name]).alias(name) for name in numbers(late)), after)


def numbers(frame: pl.DataFrame) -> list[str]:
    """The columns with numbers, times apart."""
    return [name for name, kind in frame.schema.items() if kind.is_numeric() and name not in (EVENT, KNOWN, *SPAN)]


def changed(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Every number times a random one, the prices of a row times the same."""
    price, rest = (pl.Series(np.exp(rng.normal(0.0, size, frame.height))) for size in (0.5, 1.0))
    wanted = {name: price if name in BARS[:4] else rest for name in numbers(frame)}
    return frame.with_columns((pl.col(name) * factor).cast(frame.schema[name]) for name, factor in wanted.items())


def _joined(frame: pl.DataFrame, late: pl.DataFrame, after: int) -> pl.DataFrame:
    return pl.concat([frame.filter(pl.col(KNOWN) <= after), late]).sort(KEYS)


FUTURES: Final[dict[str, tuple[Future, str]]] = {
    "prefix: the future cut off": (cut_off, "the data end"),
    "future: other values": (other_values, "the data are others"),
    "future: rows permuted": (permuted, "rows are permuted"),
    "future: values missing": (missing, "values are missing"),
}
