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
