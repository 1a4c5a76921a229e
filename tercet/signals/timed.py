"""Rows with time: when each happened and from when on it could be known; a view that refuses to show the future; as-of joins."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from tercet.errors import BadInput

EVENT: Final = "event_time"  # when it happened, ns since the epoch, UTC
KNOWN: Final = "known_time"  # from when on it could be known, ns since the epoch, UTC
_LIMIT: Final = "__tercet_limit"
_ORDER: Final = "__tercet_order"


class FutureRow(BadInput):
    """A row was asked for that nobody could know yet: the leak, named."""


class NoRow(BadInput, LookupError):
    """A row was asked for that the table does not have, now or later."""


class Table:
    """Rows in order of `known_time`, all vintages kept: int64 ns `event_time` and `known_time`, key columns, value columns.

    Rows with the same keys and `event_time` are vintages of one figure. Missing values are null. What cannot be a table is refused:
    BadInput. The rows are copied: what happens to the given frame, or to numpy arrays under it, does not reach them;
    `copy=False` is for who made the frame and keeps none of it.
    """

    __slots__ = ("_frame", "keys", "revised")

    keys: tuple[str, ...]
    revised: bool  # whether any figure has more than one vintage
    _frame: pl.DataFrame

    def __init__(self, frame: pl.DataFrame, keys: Iterable[str] = ("symbol",), *, copy: bool = True) -> None:
        names = (keys,) if isinstance(keys, str) else tuple(keys)
        _check_columns(frame, names)
        _check_times(frame)
        _check_values(frame)
        set_once = object.__setattr__
        # polars may share memory with numpy, so only a gather is a true copy
        set_once(self, "_frame", frame.select(pl.all().gather(pl.int_range(pl.len()))) if copy else frame)
        set_once(self, "keys", names)
        set_once(self, "revised", _check_vintages(frame, names))

    @classmethod
    def of(cls, frame: pl.DataFrame, keys: Iterable[str] = ("symbol",), *, sort: bool = False) -> "Table":
        """A table of `frame`; with `sort` its rows are first put in order of known_time, event_time and keys."""
        names = (keys,) if isinstance(keys, str) else tuple(keys)
        if sort:
            _check_columns(frame, names)
            frame = frame.sort(KNOWN, EVENT, *names, maintain_order=True)
        return cls(frame, names)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Table does not change: {name} cannot be set")

    def __len__(self) -> int:
        return self._frame.height

    def __repr__(self) -> str:
        return f"Table({len(self)} rows, keys {list(self.keys)}, values {list(self.values)})"

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, the future among them: for who makes tables. What forecasts reads a History."""
        return self._frame.clone()

    @property
    def values(self) -> tuple[str, ...]:
        """The names of the value columns."""
        return tuple(name for name in self._frame.columns if name not in (EVENT, KNOWN, *self.keys))


class History:
    """Tables as they could be read at `now` with data `latency` ns late: nothing whose known_time is later than now − latency.

    A row (a key and an event_time) is known once its first vintage is. Windows of event_time are half-open, [start, end).
    """

    __slots__ = ("_limit", "_tables", "latency", "now")

    now: int
    latency: int
    _limit: int
    _tables: dict[str, Table]

    def __init__(self, tables: Mapping[str, Table], now: int, latency: int = 0) -> None:
        if latency < 0:
            raise BadInput(f"latency was {latency} ns; expected 0 or more")
        for name, table in tables.items():
            if not isinstance(table, Table):
                raise BadInput(f"table {name!r} was a {type(table).__name__}; expected a Table, which has checked its times")
        set_once = object.__setattr__
        set_once(self, "now", int(now))
        set_once(self, "latency", int(latency))
        set_once(self, "_limit", int(now) - int(latency))
        set_once(self, "_tables", dict(tables))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a History does not change: {name} cannot be set")

    def __repr__(self) -> str:
        return f"History(now={self.now}, latency={self.latency}, tables {list(self._tables)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its tables."""
        return tuple(self._tables)

    def known(self, name: str) -> pl.DataFrame:
        """The latest known vintage of each (key, event_time), in order of known_time."""
        return self._vintage(name, "last")

    def first(self, name: str) -> pl.DataFrame:
        """The first vintage of each known (key, event_time), in order of known_time."""
        return self._vintage(name, "first")

    def vintages(self, name: str) -> pl.DataFrame:
        """Every known vintage, in order of known_time."""
        frame = self._table(name)._frame
        return frame.head(self._known_rows(frame))

    def row(self, name: str, *, event_time: int, **key: Any) -> dict[str, Any]:
        """The latest known vintage of one row; FutureRow where it is not known yet, NoRow where there is none."""
        table = self._table(name)
        if set(key) != set(table.keys):
            raise BadInput(f"table {name!r}: the key was {sorted(key)}; expected {sorted(table.keys)}")
        asked = [pl.col(column).eq(pl.lit(wanted)) for column, wanted in key.items()]
        try:
            found = table._frame.filter(pl.col(EVENT) == event_time, *asked)
        except pl.exceptions.PolarsError as error:
            raise BadInput(f"table {name!r}: the key {key} is of another type than its columns") from error
        if found.is_empty():
            raise NoRow(f"table {name!r} has no row with event_time {event_time} and key {key}")
        known = self._known_rows(found)
        if not known:
            raise FutureRow(self._leak(name, f"the row with event_time {event_time} and key {key}", found[KNOWN].item(0)))
        return found.row(known - 1, named=True)

    def between(self, name: str, start: int, end: int) -> pl.DataFrame:
        """The latest vintages of all rows with event_time in [start, end); FutureRow where one of them is not known yet."""
        if start > end:
            raise BadInput(f"table {name!r}: the window was [{start}, {end}); expected start <= end")
        table = self._table(name)
        window = table._frame.filter(pl.col(EVENT) >= start, pl.col(EVENT) < end)
        known = self._known_rows(window)
        figure = [*table.keys, EVENT]
        unknown = window.slice(known).join(window.head(known), on=figure, how="anti", maintain_order="left")
        if not unknown.is_empty():
            what = f"a row of the window [{start}, {end}), {unknown.select(figure).row(0, named=True)},"
            raise FutureRow(self._leak(name, what, unknown[KNOWN].item(0)))
        return window.head(known).unique(figure, keep="last", maintain_order=True)

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            raise BadInput(f"there is no table {name!r}; expected one of {', '.join(self._tables) or 'none at all'}")
        return self._tables[name]

    def _known_rows(self, frame: pl.DataFrame) -> int:
        return int(frame[KNOWN].search_sorted(self._limit, side="right"))

    def _vintage(self, name: str, keep: Any) -> pl.DataFrame:
        table, known = self._table(name), self.vintages(name)
        return known.unique([*table.keys, EVENT], keep=keep, maintain_order=True) if table.revised else known

    def _leak(self, name: str, what: str, known_time: int) -> str:
        return f"table {name!r}: {what} is known from {known_time} on, later than now − latency = {self._limit}"


def as_of(
    decisions: pl.DataFrame,
    table: Table,
    by: Iterable[str] | None = None,
    latency: int = 0,
    tolerance: int | None = None,
    *,
    on: str = "time",
    newest_event: bool = False,
) -> pl.DataFrame:
    """The decisions, in their order, each with the vintage that was known last by then: known_time <= decisions[on] − latency.

    Of rows known at the same instant the one with the latest event_time counts, then the one with the greatest other keys. Decisions
    that find nothing, or nothing that was known within `tolerance` ns before decisions[on] − latency, get nulls. With `newest_event`
    a late revision of an old event does not hide a newer event: the latest event known counts, in its latest vintage.
    """
    names = table.keys if by is None else (by,) if isinstance(by, str) else tuple(by)
    _check_decisions(decisions, table, names, on)
    if latency < 0 or (tolerance is not None and tolerance < 0):
        raise BadInput(f"latency was {latency} and tolerance {tolerance} ns; expected 0 or more")
    rest = [key for key in table.keys if key not in names]
    right = table.frame.sort(KNOWN, EVENT, *rest, maintain_order=True)
    if newest_event:
        newest = pl.col(EVENT).cum_max()
        right = right.filter(pl.col(EVENT) >= (newest.over(names) if names else newest))
    left = decisions.with_row_index(_ORDER).with_columns((pl.col(on) - latency).alias(_LIMIT)).sort(_LIMIT, maintain_order=True)
    joined = left.join_asof(
        right,
        left_on=_LIMIT,
        right_on=KNOWN,
        by=list(names) or None,
        strategy="backward",
        tolerance=tolerance,
        coalesce=False,
        check_sortedness=False,
    )
    found = [column for column in right.columns if column not in names]
    return joined.sort(_ORDER).select(*decisions.columns, *found)


def _check_columns(frame: pl.DataFrame, keys: tuple[str, ...]) -> None:
    """Refuse a frame without the columns of a table."""
    if not isinstance(frame, pl.DataFrame):
        raise BadInput(f"a table was made of a {type(frame).__name__}; expected a polars DataFrame")
    if missing := [name for name in (EVENT, KNOWN, *keys) if name not in frame.columns]:
        raise BadInput(f"a table had no column {', '.join(missing)}; expected event_time, known_time and its keys among {frame.columns}")
    if EVENT in keys or KNOWN in keys or len(set(keys)) < len(keys):
        raise BadInput(f"the keys were {list(keys)}; expected different columns, no time among them")
    for name in (EVENT, KNOWN):
        if frame.schema[name] != pl.Int64:
            raise BadInput(f"{name} was {frame.schema[name]}; expected Int64, ns since the epoch, UTC (sources.user_table converts)")
    if objects := [name for name, kind in frame.schema.items() if kind == pl.Object]:
        raise BadInput(f"column {objects[0]} holds Python objects; expected numbers, texts or times")
    for name in (EVENT, KNOWN, *keys):
        if nulls := frame[name].null_count():
            raise BadInput(f"{name} was null in {nulls} of {frame.height} rows; expected none")


def _check_times(frame: pl.DataFrame) -> None:
    """Refuse rows that were known before they happened, and rows out of order."""
    early = frame[KNOWN] < frame[EVENT]
    if early.any():
        row = early.arg_max() or 0
        times = f"{frame[KNOWN].item(row)} before its event_time {frame[EVENT].item(row)}"
        raise BadInput(f"row {row + 1} of {frame.height} was known at {times}; expected known_time >= event_time")
    if not frame[KNOWN].is_sorted():
        row = (frame[KNOWN].diff() < 0).arg_max() or 0
        told = f"row {row + 1} of {frame.height} was known before row {row}"
        raise BadInput(f"{told}; expected rows in order of known_time (Table.of(frame, sort=True) sorts them)")


def _check_values(frame: pl.DataFrame) -> None:
    """Refuse numbers that are none."""
    for name, kind in frame.schema.items():
        if not kind.is_float():
            continue
        for wrong, word in ((frame[name].is_infinite(), "infinite"), (frame[name].is_nan(), "NaN")):
            if wrong.any():
                row = wrong.arg_max() or 0
                raise BadInput(f"{name} was {word} in row {row + 1} of {frame.height}; expected a number, or null for none")


def _check_vintages(frame: pl.DataFrame, keys: tuple[str, ...]) -> bool:
    """Whether any figure has several vintages; refuse two that were known at the same time."""
    figure = frame.select(*keys, EVENT)
    if not figure.is_duplicated().any():
        return False
    same = frame.select(*keys, EVENT, KNOWN).is_duplicated()
    if same.any():
        row = same.arg_max() or 0
        what = figure.row(row, named=True)
        raise BadInput(f"{what} has two vintages known at {frame[KNOWN].item(row)} (row {row + 1}); expected one a time")
    return True


def _check_decisions(decisions: pl.DataFrame, table: Table, by: tuple[str, ...], on: str) -> None:
    """Refuse decisions that cannot be joined."""
    if wrong := [name for name in by if name not in table.keys]:
        raise BadInput(f"by was {list(by)}; expected keys of the table, {list(table.keys)}, found {wrong[0]}")
    if missing := [name for name in (on, *by) if name not in decisions.columns]:
        raise BadInput(f"the decisions had no column {', '.join(missing)}; expected {on} and {list(by)} among {decisions.columns}")
    if decisions.schema[on] != pl.Int64:
        raise BadInput(f"the decisions' {on} was {decisions.schema[on]}; expected Int64, ns since the epoch, UTC")
    if nulls := decisions[on].null_count():
        raise BadInput(f"the decisions' {on} was null in {nulls} of {decisions.height} rows; expected none")
    kinds = table._frame.schema
    for name in by:
        if decisions.schema[name] != kinds[name]:
            raise BadInput(f"{name} was {decisions.schema[name]} in the decisions and {kinds[name]} in the table; expected one type")
    if both := [name for name in decisions.columns if name in kinds and name not in by]:
        raise BadInput(f"the decisions and the table both have a column {both[0]}; expected other names")
