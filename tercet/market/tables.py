"""Tables that are not feeds: the tape in the MATLAB books of Cartea, Jaimungal & Penalva (struct LOB)."""

from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray

from tercet.errors import BadInput


def read_tape(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(ms after local midnight, lots) of each market order; BadInput where the file holds no such tape."""
    try:
        orders = scipy.io.loadmat(path)["LOB"][0, 0]["MO"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadInput(f"{path}: expected a MATLAB file with a struct LOB that has a tape MO, found none ({error})") from error
    return orders[:, 0].astype(np.int64), orders[:, 6].astype(np.float64)


def read_touch(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """(ms after local midnight, best bid, best ask) of each row of a book, prices × 10,000; BadInput where there is none."""
    try:
        table = scipy.io.loadmat(path)["LOB"][0, 0]
        times, bids, asks = (np.asarray(table[name], np.float64) for name in ("EventTime", "BuyPrice", "SellPrice"))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadInput(f"{path}: expected a MATLAB file with a struct LOB that has a book, found none ({error})") from error
    if not (bids[:, 0] > 0).all() or not (asks[:, 0] > bids[:, 0]).all():
        raise BadInput(f"{path}: expected a bid and an ask above it in every row, found a row without")
    return times.ravel().astype(np.int64), bids[:, 0], asks[:, 0]
