"""LOBSTER: a message file, and the orderbook file beside it, become EVENTs.

Row k of the orderbook is the book after message k: its deep end tells what no message says, and the two are checked against each
other. Format: https://lobsterdata.com/info/DataStructure.php
"""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market import windows
from tercet.market.calendar import NEW_YORK, SECOND, midnight_ns
from tercet.market.events import ADD, BUY, CROSS, EVENT, HALT, HIDDEN, LEVEL_ROW, SELL, TRADE
from tercet.market.instruments import UNITS, Instrument, first, to_ticks
from tercet.market.recorded import Recorded, count_kinds, load
from tercet.market.rows import WORKERS, Layout, Table, each_part
from tercet.market.soundness import LARGEST_SIZE

Ints = NDArray[np.int64]
Events = NDArray[np.void]

MESSAGE = Layout(decimals=np.array([9, 0, 0, 0, 0, 0]), place=np.arange(6), spare=True)
DAY_NS = 86_400 * SECOND
WARNED_ROWS = 5  # named one by one; what is beyond them is counted
FORGIVEN_ROWS, FORGIVEN_SHARE = 5, 0.001  # rows that may disagree before the pair is refused


def read(messages: Path, book: Path | None, instrument: Instrument, day: date, tz: str = NEW_YORK) -> Recorded:
    """The EVENTs of one day; row k of the files is the k-th event that is no REVEAL.

    `tz` is the zone whose midnight the message times count from. Without `book` there is no start state, no REVEAL and depth 0.
    Raises BadInput, naming file and row, for whatever cannot be read or does not fit.
    """
    midnight = midnight_ns(day, tz)
    with ThreadPoolExecutor(WORKERS) as pool:
        loading = pool.submit(load, book) if book else None
        text, source = load(messages)
        table = _messages(Table(messages, text))
        events = _events(table, table.numbers(MESSAGE, pool), instrument, midnight)
        if book is None or loading is None:
            return Recorded(events, np.empty(0, LEVEL_ROW), 0, count_kinds(events), [], [source])
        text, book_source = loading.result()
        beside = Table(book, text)
        shown = _windows(beside, instrument, pool)
        warnings, reveals = _check(table, events, beside, shown, pool)
    start, problems = start_before(events[0], shown[0])
    woven = np.empty(len(events) + reveals, EVENT)
    windows.weave(events.view(np.recarray), shown, woven.view(np.recarray))
    warnings += _crossed(beside, shown) + [f"{beside.path}, row {beside.row(0)}: {problem}" for problem in problems]
    return Recorded(woven, start, shown.shape[2], count_kinds(woven), warnings, [source, book_source])


def read_book(path: Path, instrument: Instrument) -> Ints:
    """The orderbook file: shape (rows, 2, depth, 2), buy side first, levels from better to worse, each [tick, lots] or [0, 0].

    Raises BadInput for prices off the tick, sizes below one lot and sides that are not sorted; a crossed row is let through.
    """
    text, _ = load(path)
    with ThreadPoolExecutor(WORKERS) as pool:
        return _windows(Table(path, text), instrument, pool)


def _messages(table: Table) -> Table:
    """The message file, without a data frame's index before the times: the type then stands one column further."""
    types, cells = [str(kind) for kind in range(ADD, HALT + 1)], [cell.strip() for cell in table.first_row()]
    columns = len(MESSAGE.decimals)
    return table.without_index() if len(cells) > columns and cells[1] not in types and cells[2] in types else table


def _events(table: Table, cells: Ints, instrument: Instrument, midnight: int) -> Events:
    time, kind, order, size, price, side = cells.T
    halt, between = kind == HALT, (kind == HIDDEN) | (kind == CROSS)
    idle = (kind == CROSS) & (size == 0)  # nothing matched
    priced = ~halt & ~(idle & (price == 0))
    lots, left = np.divmod(size, instrument.units_per_lot)
    ticks = to_ticks(np.where(priced, price, instrument.units_per_tick), instrument.units_per_tick, between)
    _refuse_first(
        table,
        (first((kind < ADD) | (kind > HALT)), lambda k: f"expected a type from {ADD} to {HALT}, found {kind[k]}"),
        (first((side != BUY) & (side != SELL)), lambda k: f"expected a direction of 1 or -1, found {side[k]}"),
        (first((time < 0) | (time > DAY_NS)), lambda k: f"expected a time from 0 to 86400 s, found {time[k] / SECOND}"),
        (first(np.diff(time, prepend=time[0]) < 0), lambda k: f"expected a time from {time[k - 1] / SECOND} on, found {time[k] / SECOND}"),
        (first(~halt & ~idle & (size < 1)), lambda k: f"expected a size above 0, found {size[k]}"),
        (first(~halt & (lots > LARGEST_SIZE)), lambda k: f"expected a size of {LARGEST_SIZE} lots at most, found {size[k]}"),
        (first(~halt & (left != 0)), lambda k: f"expected a multiple of the lot {instrument.lot_size}, found {size[k]}"),
        (first(halt & (np.abs(price) > 1)), lambda k: f"expected -1, 0 or 1 as the price of a halt, found {price[k]}"),
        (ticks.misfit, lambda k: _misfit(instrument, price[k])),
    )
    events = np.empty(len(cells), EVENT)
    events["time"] = time + midnight
    events["kind"], events["side"], events["finer"] = kind, side, ticks.finer
    events["tick"] = np.where(priced, ticks.tick, price)
    events["id"], events["lots"] = np.where(halt, 0, order), np.where(halt, 0, lots)
    return events


def _refuse_first(table: Table, *checks: tuple[int, Callable[[int], str]]) -> None:
    """Raises for the first row that any of the checks found; -1 is none."""
    found = [check for check in checks if check[0] >= 0]
    if found:
        row, problem = min(found, key=lambda check: check[0])
        raise table.refuse(row, problem(row))


def _misfit(instrument: Instrument, price: int) -> str:
    problem = f"expected a price that is {instrument.fitting}, found {price / UNITS}"
    finer = price > 0 and price % instrument.units_per_tick
    return problem + f": say a finer tick size (--tick {1 / UNITS:.4f} for a stock below a dollar)" * bool(finer)


def _windows(table: Table, instrument: Instrument, pool: Executor) -> Ints:
    cells = table.first_row()
    columns, spare = len(cells), len(cells) % 4 == 1
    if spare and columns > 4 and cells[0].strip(' "') in ("0", "1"):
        return _windows(table.without_index(), instrument, pool)
    spare &= not cells[-1].strip()
    if columns < 4 or columns % 4 > spare:
        raise table.refuse(0, f"expected 4 columns a level (ask price, ask size, bid price, bid size), found {columns} in all")
    depth = columns // 4
    columns = 4 * depth
    level, of = np.divmod(np.arange(columns), 4)
    place = np.where(of < 2, 2 * depth, 0) + 2 * level + of % 2  # asks behind bids
    numbers = table.numbers(Layout(np.zeros(columns, np.int64), place, spare), pool)
    shown = numbers.reshape(len(numbers), 2, depth, 2)
    units, lot = instrument.units_per_tick, instrument.units_per_lot
    for row, s, at, fault in each_part(pool, len(shown), lambda start, stop: windows.settle(shown, start, stop, units, lot)):
        if fault != windows.FITS:
            raise table.refuse(row, f"{('bid', 'ask')[s]} {at + 1}: {_unsettled(fault, instrument, *shown[row, s, at])}")
    return shown


def _unsettled(fault: int, instrument: Instrument, price: int, size: int) -> str:
    if fault == windows.BAD_PRICE:
        return _misfit(instrument, price)
    if fault == windows.BAD_SIZE:
        return f"expected a size above 0 that is a multiple of the lot {instrument.lot_size}, {LARGEST_SIZE} lots at most, found {size}"
    return f"expected levels from better to worse, found {price / UNITS} out of order"


def _check(table: Table, events: Events, beside: Table, shown: Ints, pool: Executor) -> tuple[list[str], int]:
    """What in the two files does not go together, as warnings, and how many levels entered; BadInput where little does."""
    if len(events) != len(shown):
        raise BadInput(f"{beside.path}: expected a row for each of the {len(events)} messages of {table.path}, found {len(shown)}")
    records, disagrees = events.view(np.recarray), np.zeros(len(events), np.bool_)
    reveals = sum(each_part(pool, len(events), lambda start, stop: windows.check(records, shown, start, stop, disagrees)))
    rows = np.flatnonzero(disagrees)
    if len(rows) > max(FORGIVEN_ROWS, FORGIVEN_SHARE * len(events)):
        raise BadInput(
            f"{table.path} and {beside.path} do not belong together: {len(rows)} of {len(events)} messages do not lead from "
            f"one row of the book to the next, first row {beside.row(rows[0])} of the book"
        )
    return _named(beside, rows, "message and row before do not lead to this row of the book"), reveals


def _crossed(beside: Table, shown: Ints) -> list[str]:
    return _named(beside, np.flatnonzero(windows.crossed(shown)), "the book is crossed")


def _named(beside: Table, rows: NDArray[np.intp], problem: str) -> list[str]:
    named = [f"{beside.path}, row {beside.row(row)}: {problem}" for row in rows[:WARNED_ROWS]]
    return named + [f"{beside.path}: {problem}, {len(rows)} rows in all"] * (len(rows) > WARNED_ROWS)


def start_before(event: np.void, shown: Ints) -> tuple[Events, list[str]]:
    """The book before the first event: its row of the book with the event undone; and what is wrong with that."""
    kind, side, tick, lots = (int(event[field]) for field in ("kind", "side", "tick", "lots"))
    books = {s: {int(t): int(n) for t, n in levels if n} for s, levels in zip((BUY, SELL), shown, strict=True)}
    book, problems = books[side], []
    in_view = len(book) < shown.shape[1] or any((tick - t) * side >= 0 for t in book)
    if kind <= TRADE and in_view:
        undone = book.pop(tick, 0) + (-lots if kind == ADD else lots)
        if 0 < undone <= LARGEST_SIZE:
            book[tick] = undone
        elif undone:
            problems.append("the first message cannot have led to this row of the book")
    rows = [(t, s, n) for s, levels in books.items() for t, n in sorted(levels.items(), key=lambda level: -level[0] * s)]
    return np.array(rows, LEVEL_ROW), problems
