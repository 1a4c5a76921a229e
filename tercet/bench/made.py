"""A day that the project makes itself: a crowd's messages and books, in memory and as LOBSTER files."""

import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercet.market import lobster_files
from tercet.market.calendar import session
from tercet.market.instruments import Instrument
from tercet.sim.settings import CROWDS
from tercet.sim.tape import pieces

MADE = Instrument(symbol="MADE")
DATE = datetime.date(2000, 1, 3)


def made_day(messages: int, depth: int = 10, seed: int = 0, crowd: str = "default") -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """(EVENTs, rows) of a crowd from its opening on; rows: (messages, 2, depth, 2) of tick and lots after each message."""
    hours = session(DATE)
    return next(pieces(CROWDS[crowd], seed, (hours.open_ns, hours.close_ns), hours.close_ns, depth, messages))


def write_lobster(folder: Path, events: NDArray[np.void], rows: NDArray[np.int64]) -> tuple[Path, Path]:
    """Write a made day as a LOBSTER message file and its orderbook file; returns their paths."""
    pair = lobster_files.write(folder, [(events, rows)], MADE, DATE, session(DATE), rows.shape[2])
    return pair.messages, pair.orderbook
