"""A day that the project makes itself: a crowd's messages and books, in memory and as LOBSTER files."""

import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.book.state import new_books
from tercet.market.calendar import SECOND, midnight_ns, session
from tercet.market.events import EVENT
from tercet.market.instruments import Instrument
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.settings import CROWDS
from tercet.sim.state import new_scratch
from tercet.sim.tape import record

MADE = Instrument(symbol="MADE")
DATE = datetime.date(2000, 1, 3)
EMPTY_PRICE = 9_999_999_999


def made_day(messages: int, depth: int = 10, seed: int = 0, crowd: str = "default") -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """(EVENTs, rows) of a crowd from its opening on; rows: (messages, 2, depth, 2) of tick and lots after each message."""
    hours = session(DATE)
    sim = open_crowd(CROWDS[crowd], seed, hours.open_ns, hours.close_ns)
    scratch = new_scratch(sim)
    advance(sim, NO_EVENTS, hours.open_ns, scratch)
    mirror = new_books(1, len(sim.book.levels[0]), len(sim.book.orders) - 1)
    mirror[0] = sim.book
    events = np.zeros(messages, EVENT)
    rows = np.zeros((messages, 2, depth, 2), np.int64)
    record(sim, mirror[0], events, rows, scratch)
    return events, rows


def write_lobster(folder: Path, events: NDArray[np.void], rows: NDArray[np.int64]) -> tuple[Path, Path]:
    """Write a made day as a LOBSTER message file and its orderbook file; returns their paths."""
    depth = rows.shape[2]
    messages = folder / f"{MADE.symbol}_{DATE}_34200000_57600000_message_{depth}.csv"
    book = folder / f"{MADE.symbol}_{DATE}_34200000_57600000_orderbook_{depth}.csv"
    after = events["time"] - midnight_ns(DATE)
    prices = events["tick"].astype(np.int64) * MADE.units_per_tick
    columns = {"kind": events["kind"], "id": events["id"], "lots": events["lots"], "price": prices, "side": events["side"]}
    times = pl.DataFrame({"seconds": after // SECOND, "nanos": after % SECOND}).select(
        time=pl.format("{}.{}", "seconds", pl.col("nanos").cast(pl.String).str.zfill(9))
    )
    times.with_columns(pl.DataFrame(columns)).write_csv(messages, include_header=False)
    empty = rows[:, :, :, 1] == 0
    quoted = rows[:, :, :, 0] * MADE.units_per_tick
    quoted[:, 0][empty[:, 0]], quoted[:, 1][empty[:, 1]] = -EMPTY_PRICE, EMPTY_PRICE
    sides = np.stack([quoted, rows[:, :, :, 1]], axis=3)
    pl.DataFrame(sides[:, ::-1].transpose(0, 2, 1, 3).reshape(len(rows), 4 * depth)).write_csv(book, include_header=False)
    return messages, book
