"""Whether a user's own features, labels and models know the future: the future is cut off or becomes another one, and nothing may change.

A module offers any of `usermodule.CONTRACT`. Numbers that differ by rounding alone (a sum in another order) are the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK, SECOND, zone
from tercet.signals.madebars import BARS, cuts, made_events
from tercet.signals.timed import EVENT, KNOWN
from tercet.signals.usermodule import CLAIM, Raised, UserModule

OK, LEAK, NOTE, SKIPPED = "ok", "LEAK", "note", "not tested"  # only LEAK is a fault
KEYS: Final = (EVENT, "symbol")
ROUNDING: Final = 1e-9  # relative, beside a column's usual size
SPAN: Final = ("t0", "t1", "available")
WIDE: Final = 4  # columns that a sentence names
Tell = Callable[[str], None]
Ask = Callable[[pl.DataFrame, str], pl.DataFrame]
Kept = Callable[[pl.DataFrame, int], pl.DataFrame]


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

    def sentence(self, why: str) -> str:
        """What differs, where, by how much and when."""
        whose = f" of {self.symbol}" if self.symbol is not None else ""
        after = f" after {clock(self.cut)}" if self.cut is not None else ""
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


# What is asked and what is compared ---------------------------------------------------------------------------------------------------


def asked(module: UserModule, name: str, frame: pl.DataFrame, when: str = "") -> pl.DataFrame:
    """The module's answer about a frame as event_time, symbol and its columns, in order of both."""
    given = module(name, frame.clone(), when=when)
    if isinstance(given, pl.LazyFrame):
        given = given.collect()
    if isinstance(given, pl.Series):
        given = given.to_frame()
    if isinstance(given, np.ndarray) and given.ndim in (1, 2):
        given = pl.DataFrame(given if given.ndim == 2 else given[:, None], schema=[f"{name}_{i}" for i in range(given.size // len(given))])
    if not isinstance(given, pl.DataFrame):
        raise BadInput(f"{name} returned a {type(given).__name__}; expected a polars DataFrame")
    if not set(KEYS) <= set(given.columns):
        if given.height != frame.height:
            raise BadInput(
                f"{name} returned {given.height:,} rows for {frame.height:,}; expected one for each, or {EVENT} and symbol with them"
            )
        given = given.with_columns(frame[key] for key in KEYS)
    if given.select(KEYS).is_duplicated().any():
        raise BadInput(f"{name} returned two rows of one symbol and {EVENT}; expected one")
    return given.drop(KNOWN, strict=False).sort(KEYS)


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
    was, becomes = ("there", "missing") if both["_there"][row] is None else ("missing", "there")
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
    return ~((a == b) | close | (np.isnan(a) & np.isnan(b)))


# Other futures ------------------------------------------------------------------------------------------------------------------------


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


FUTURES: Final[dict[str, tuple[Callable[[pl.DataFrame, int, np.random.Generator], pl.DataFrame], str]]] = {
    "prefix: the future cut off": (cut_off, "the data end"),
    "future: other values": (other_values, "the data are others"),
    "future: rows permuted": (permuted, "rows are permuted"),
    "future: values missing": (missing, "values are missing"),
}


# Features -----------------------------------------------------------------------------------------------------------------------------


def check_features(module: UserModule, frame: pl.DataFrame, seed: int = 0, tell: Tell = lambda what: None) -> Iterator[Finding]:
    """All tests of `features`, on daily bars in order of time and symbol."""
    tell("features: twice")
    whole = asked(module, "features", frame)
    made = [name for name in whole.columns if name not in frame.columns]
    if not made:
        raise BadInput(f"features returned the columns {whole.columns}; expected some that were not in the bars")
    again = first_difference(whole, asked(module, "features", frame))
    yield _verdict("features", "the same twice", again, "asked once more")
    if again:
        return
    ask = partial(asked, module, "features")
    yield from _futures("features", ask, whole, frame, seed, tell, lambda rows, after: _known(rows, frame, after))
    tell("features: order of rows")
    yield _row_order(module, whole, frame)
    yield _isolation(module, whole, frame, tell)
    empty = [
        name for name in made if whole[name].null_count() == whole.height or (whole[name].dtype.is_float() and whole[name].is_nan().all())
    ]
    if empty:
        yield Finding("features", "something was tested", NOTE, f"{', '.join(empty[:WIDE])} never had a value in {whole.height:,} rows")


def _known(rows: pl.DataFrame, frame: pl.DataFrame, after: int) -> pl.DataFrame:
    """Those of an answer's rows that could be known by then."""
    return rows.join(frame.filter(pl.col(KNOWN) <= after).select(KEYS), on=KEYS, how="semi", maintain_order="left")


def _futures(name: str, ask: Ask, whole: pl.DataFrame, frame: pl.DataFrame, seed: int, tell: Tell, kept: Kept) -> Iterator[Finding]:
    """For each other future, whether what could be known before it stays as it was."""
    for test, (future, why) in FUTURES.items():
        found: list[Difference] = []
        try:
            for place, after in enumerate(cuts(frame[KNOWN])):
                tell(f"{name}: {test}, from {clock(after)[:10]} on")
                other = ask(future(frame, after, np.random.default_rng([seed, place])), f"{why} after {clock(after)}")
                if difference := first_difference(kept(whole, after), kept(other, after), after):
                    found.append(difference)
        except Raised as error:
            if future is not missing:
                raise
            yield Finding(name, test, SKIPPED, str(error))
            continue
        yield _verdict(name, test, most(found), why)


def most(found: list[Difference]) -> Difference | None:
    """The difference in most columns, the first of them."""
    return max(found, key=lambda one: len(one.columns)) if found else None


def _verdict(about: str, test: str, found: Difference | None, why: str) -> Finding:
    return Finding(about, test, LEAK if found else OK, found.sentence(why) if found else "", found)


def _row_order(module: UserModule, whole: pl.DataFrame, frame: pl.DataFrame) -> Finding:
    """Symbols may come in any order, each one's rows in order of time."""
    for order, why in (
        (frame.sort("symbol", EVENT), "rows come symbol by symbol"),
        (frame.sort(EVENT, "symbol", descending=[False, True]), "symbols come in reverse"),
    ):
        if found := first_difference(whole, asked(module, "features", order, why)):
            return _verdict("features", "order of symbols", found, why)
    return Finding("features", "order of symbols", OK)


def _isolation(module: UserModule, whole: pl.DataFrame, frame: pl.DataFrame, tell: Tell) -> Finding:
    """Where it is claimed, a symbol alone has the features that it has among others."""
    if not module.per_symbol:
        return Finding("features", "symbols apart", SKIPPED, f"not claimed: {CLAIM} = True claims that no symbol's features need another's")
    for symbol in frame["symbol"].unique().sort()[:4]:
        tell(f"features: {symbol} alone")
        alone = asked(module, "features", frame.filter(symbol=symbol), f"{symbol} is alone")
        if found := first_difference(whole.filter(symbol=symbol), alone):
            return _verdict("features", "symbols apart", found, f"{symbol} is alone")
    return Finding("features", "symbols apart", OK)


# Labels -------------------------------------------------------------------------------------------------------------------------------


def check_labels(module: UserModule, frame: pl.DataFrame, seed: int = 0, tell: Tell = lambda what: None) -> Iterator[Finding]:
    """All tests of `labels`."""
    tell("labels")
    whole = spans(module, frame)
    yield _spans_in_order(whole, frame)
    yield from _futures("labels", partial(spans, module), whole, frame, seed, tell, _available)
    tell("labels: another past")
    found = []
    for place, before in enumerate(cuts(frame[KNOWN])):
        past = changed(frame.filter(pl.col(KNOWN) <= before), np.random.default_rng([seed, place]))
        other = spans(module, pl.concat([past, frame.filter(pl.col(KNOWN) > before)]).sort(KEYS))
        later = [rows.filter(pl.col("t0") > before).select(*KEYS, "value") for rows in (whole, other)]
        if difference := first_difference(*later, before):
            found.append(difference)
    worst = most(found)
    why = "the data before its t0 are others: a lesson's memory has to reach back that far"
    yield Finding(
        "labels", "nothing before t0", NOTE if worst else OK, worst.sentence(why).replace(" after ", " up to ", 1) if worst else "", worst
    )


def _available(rows: pl.DataFrame, after: int) -> pl.DataFrame:
    """The labels that say that they could be known by then."""
    return rows.filter(pl.col("available") <= after).select(*KEYS, "t0", "t1", "value")


def spans(module: UserModule, frame: pl.DataFrame, when: str = "") -> pl.DataFrame:
    """The module's labels: event_time, symbol, t0, t1, available (ns) and value, where there is one."""
    given = asked(module, "labels", frame, when)
    if lacking := [name for name in (*SPAN, "value") if name not in given.columns]:
        raise BadInput(f"labels returned no column {', '.join(lacking)}; expected t0, t1, value, available")
    times = [pl.col(name).dt.epoch("ns") if given.schema[name].is_temporal() else pl.col(name).cast(pl.Int64) for name in SPAN]
    told = given.select(*KEYS, *times, pl.col("value").cast(pl.Float64).fill_nan(None)).drop_nulls("value")
    if nulls := [name for name in SPAN if told[name].null_count()]:
        raise BadInput(f"labels: {nulls[0]} was null in {told[nulls[0]].null_count()} rows that have a value; expected a time")
    return told


def _spans_in_order(whole: pl.DataFrame, frame: pl.DataFrame) -> Finding:
    """known_time ≤ t0 ≤ t1 ≤ available."""
    rows = whole.join(frame.select(*KEYS, KNOWN), on=KEYS, how="left", maintain_order="left")
    if rows.is_empty():
        return Finding("labels", "known ≤ t0 ≤ t1 ≤ available", NOTE, "no row had a label")
    for early, late in ((KNOWN, "t0"), ("t0", "t1"), ("t1", "available")):
        wrong = rows.filter(pl.col(late) < pl.col(early))
        if wrong.height:
            row = wrong.row(0, named=True)
            where = f"{late} of {row['symbol']} at {clock(row[EVENT])} is {clock(row[late])}, before its {early}, {clock(row[early])}"
            found = Difference(late, row["symbol"], row[EVENT], row[early], row[late], wrong.height, (late,))
            return Finding("labels", "known ≤ t0 ≤ t1 ≤ available", LEAK, f"{where}; {wrong.height:,} rows", found)
    return Finding("labels", "known ≤ t0 ≤ t1 ≤ available", OK)


# Events -------------------------------------------------------------------------------------------------------------------------------


def check_events(module: UserModule, seed: int = 0, tell: Tell = lambda what: None, count: int = 1200) -> Iterator[Finding]:
    """All tests of `event_features`, on a made market that goes another way from some event on."""
    events = made_events(seed, count)
    whole = _of_events(module, events)
    again = first_difference(whole, _of_events(module, events))
    yield _verdict("event_features", "the same twice", again, "asked once more")
    for test, other, why in (
        ("prefix: the future cut off", lambda cut: events[:cut], "the events end"),
        ("future: another market", lambda cut: made_events(seed, count, cut), "the market goes another way"),
    ):
        found = []
        for place in (0.2, 0.5, 0.8, 0.97):
            cut = int(place * count)
            tell(f"event_features: {test}, from event {cut} on")
            rows = [some.head(cut) for some in (whole, _of_events(module, other(cut), f"{why} after event {cut}"))]
            if difference := first_difference(*rows, int(events["time"][cut - 1])):
                found.append(difference)
        yield _verdict("event_features", test, most(found), why)


def _of_events(module: UserModule, events: NDArray[np.void], when: str = "") -> pl.DataFrame:
    """A row of features for each event; symbol is the event's number."""
    given = module("event_features", events.copy(), when=when)
    rows = given if isinstance(given, pl.DataFrame) else np.asarray(given, np.float64)
    height = rows.height if isinstance(rows, pl.DataFrame) else len(rows)
    if height != len(events):
        raise BadInput(f"event_features returned {height:,} rows for {len(events):,} events; expected one for each")
    if not isinstance(rows, pl.DataFrame):
        rows = pl.DataFrame(rows.reshape(height, -1), schema=[f"feature_{i}" for i in range(rows.size // height)])
    places = pl.Series("symbol", [f"event {i:06d}" for i in range(height)])
    return rows.drop(*KEYS, KNOWN, strict=False).with_columns(pl.Series(EVENT, events["time"].copy()), places)
