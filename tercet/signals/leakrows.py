"""Whether a user's features and labels change where the future does: every answer about the past is asked for twice."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.difference import KEYS, LEAK, NOTE, OK, SKIPPED, WIDE, Difference, Finding, clock, first_difference, most
from tercet.signals.madebars import cuts, made_events
from tercet.signals.scrambling import FUTURES, SPAN, changed, missing
from tercet.signals.timed import EVENT, KNOWN
from tercet.signals.usermodule import CLAIM, Raised, UserModule, blamed

Tell = Callable[[str], None]
Ask = Callable[[pl.DataFrame, str], pl.DataFrame]
Kept = Callable[[pl.DataFrame, int], pl.DataFrame]
SPANS: Final = "known ≤ t0 < t1 ≤ available"


# What is asked and what is compared ---------------------------------------------------------------------------------------------------


def asked(module: UserModule, name: str, frame: pl.DataFrame, when: str = "") -> pl.DataFrame:
    """The module's answer about a frame as event_time, symbol and its columns, in order of both."""
    given = module(name, frame.clone(), when=when)
    if isinstance(given, pl.LazyFrame):
        with blamed(f"{name}{when and f' ({when})'}, collected,", module.offers[name]):
            given = given.collect()
    if isinstance(given, pl.Series):
        given = given.to_frame()
    if isinstance(given, np.ndarray) and given.ndim in (1, 2):
        columns = given if given.ndim == 2 else given[:, None]
        given = pl.DataFrame({f"{name}_{i}": columns[:, i] for i in range(columns.shape[1])})
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


# Features -----------------------------------------------------------------------------------------------------------------------------


def check_features(module: UserModule, frame: pl.DataFrame, seed: int = 0, tell: Tell = lambda what: None) -> Iterator[Finding]:
    """All tests of `features`, on daily bars in order of time and symbol."""
    tell("features: twice")
    whole = asked(module, "features", frame)
    made = [name for name in whole.columns if name not in frame.columns]
    if not made:
        raise BadInput(f"features returned the columns {whole.columns}; expected some by names that the bars do not have")
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
            for place, after in enumerate(cuts(frame[KNOWN], seed)):
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
    for place, before in enumerate(cuts(frame[KNOWN], seed)):
        past = changed(frame.filter(pl.col(KNOWN) <= before), np.random.default_rng([seed, place]))
        other = spans(module, pl.concat([past, frame.filter(pl.col(KNOWN) > before)]).sort(KEYS))
        one, two = (rows.filter(pl.col("t0") > before).select(*KEYS, "value") for rows in (whole, other))
        if difference := first_difference(one, two, before):
            found.append(difference)
    worst = most(found)
    why = "the data before its t0 are others (a lesson's memory has to reach back that far)"
    yield Finding("labels", "nothing before t0", NOTE if worst else OK, worst.sentence(why, "up to") if worst else "", worst)


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
    """known_time ≤ t0 < t1 ≤ available: what takes no time has not happened yet at t0, or had before it."""
    rows = whole.join(frame.select(*KEYS, KNOWN), on=KEYS, how="left", maintain_order="left")
    if rows.is_empty():
        return Finding("labels", SPANS, NOTE, "no row had a label")
    for early, late in ((KNOWN, "t0"), ("t0", "t1"), ("t1", "available")):
        wrong = rows.filter(pl.col(late) <= pl.col(early) if early == "t0" else pl.col(late) < pl.col(early))
        if wrong.height:
            row = wrong.row(0, named=True)
            side = "not after" if early == "t0" else "before"
            where = f"{late} of {row['symbol']} at {clock(row[EVENT])} is {clock(row[late])}, {side} its {early}, {clock(row[early])}"
            found = Difference(late, row["symbol"], row[EVENT], row[early], row[late], wrong.height, (late,))
            return Finding("labels", SPANS, LEAK, f"{where}; {wrong.height:,} rows", found)
    return Finding("labels", SPANS, OK)


# Events -------------------------------------------------------------------------------------------------------------------------------


def check_events(module: UserModule, seed: int = 0, tell: Tell = lambda what: None, count: int = 1200) -> Iterator[Finding]:
    """All tests of `event_features`, on a made market that goes another way from some event on."""
    events = made_events(seed, count)
    whole = _of_events(module, events)
    again = first_difference(whole, _of_events(module, events))
    yield _verdict("event_features", "the same twice", again, "asked once more")
    others: dict[str, tuple[Callable[[int], NDArray[np.void]], str]] = {
        "prefix: the future cut off": (lambda cut: events[:cut], "the events end"),
        "future: another market": (lambda cut: made_events(seed, count, cut), "the market goes another way"),
    }
    for test, (other, why) in others.items():
        found = []
        for place in (0.2, 0.5, 0.8, 0.97):
            cut = int(place * count)
            tell(f"event_features: {test}, from event {cut} on")
            changed_rows = _of_events(module, other(cut), f"{why} after event {cut}")
            if difference := first_difference(whole.head(cut), changed_rows.head(cut), int(events["time"][cut - 1])):
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
