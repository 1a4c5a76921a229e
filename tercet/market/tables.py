"""Tables that are not feeds: the tape in the MATLAB books of Cartea, Jaimungal & Penalva (struct LOB).

SciPy's reader is native code that trusts its file: damaged ones end the process. It runs in one of its own.
"""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput

PATIENCE_S: Final = 120.0
MAGIC: Final = b"MATLAB 5.0 MAT-file"
FIELDS: Final = ("MO", "EventTime", "BuyPrice", "SellPrice")
COLUMNS: Final = 7  # of a field, from its first: what is used of them
MEMORY: Final = 8 << 30  # bytes that the reader may take: a damaged size asks for any
READ: Final = f"""
import contextlib, sys
with contextlib.suppress(ImportError, ValueError, OSError):
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
import numpy, scipy.io
table = scipy.io.loadmat(sys.argv[1], variable_names=["LOB"])["LOB"][0, 0]
there = {{name: numpy.asarray(table[name], numpy.float64)[..., :{COLUMNS}] for name in {FIELDS!r} if name in (table.dtype.names or ())}}
numpy.savez(sys.stdout.buffer, **there)
"""


def read_tape(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(ms after local midnight, lots) of each market order; BadInput where the file holds no such tape."""
    (orders,) = _fields(path, "a tape MO", "MO")
    return tape_of(path, orders)


def tape_of(path: Path, orders: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The same of a file's MO, (orders, 7 or more)."""
    if orders.ndim != 2 or orders.shape[1] < 7:
        raise BadInput(f"{path}: expected a tape MO of 7 columns or more, found one of shape {orders.shape}")
    return _times(path, orders[:, 0]), _finite(path, orders[:, 6], "volumes")


def read_touch(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """(ms after local midnight, best bid, best ask) of each row of a book, prices × 10,000; BadInput where there is none."""
    return touch_of(path, *_fields(path, "a book", "EventTime", "BuyPrice", "SellPrice"))


def touch_of(
    path: Path, times: NDArray[np.float64], bids: NDArray[np.float64], asks: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The same of a file's EventTime (rows, 1), BuyPrice and SellPrice (rows, levels)."""
    if not (bids.ndim == asks.ndim == 2 and len(bids) == len(asks) == times.size > 0 and min(bids.shape[1], asks.shape[1]) > 0):
        told = f"EventTime {times.shape}, BuyPrice {bids.shape} and SellPrice {asks.shape}"
        raise BadInput(f"{path}: expected a book with a row a time, found shapes {told}")
    if not (bids[:, 0] > 0).all() or not (asks[:, 0] > bids[:, 0]).all():
        raise BadInput(f"{path}: expected a bid and an ask above it in every row, found a row without")
    return _times(path, times.ravel()), bids[:, 0], _finite(path, asks[:, 0], "asks")


def _fields(path: Path, what: str, *names: str) -> list[NDArray[np.float64]]:
    """These fields of the struct LOB."""
    expected = f"{path}: expected a MATLAB file with a struct LOB that has {what}, found none"
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError as error:
        raise BadInput(f"{expected} ({error.strerror or error})") from error
    if head != MAGIC:
        raise BadInput(f"{expected} (it does not begin with {MAGIC.decode()})")
    with _loaded(path, expected) as there:
        if missing := [name for name in names if name not in there.files]:
            raise BadInput(f"{expected} (it has no {missing[0]})")
        return [there[name] for name in names]


def _loaded(path: Path, expected: str) -> Any:
    """The fields that another process read, as NumPy's archive."""
    call = [sys.executable, "-I", "-c", READ, str(path.resolve())]
    try:
        ran = subprocess.run(call, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"{expected} (reading it took more than {PATIENCE_S:g} s)") from error
    if ran.returncode != 0:
        told = (ran.stderr.decode("utf-8", "replace").strip().splitlines() or [f"its reader ended with {ran.returncode}"])[-1]
        raise BadInput(f"{expected} ({told[:200]})")
    return np.load(io.BytesIO(ran.stdout))


def _times(path: Path, times: NDArray[np.float64]) -> NDArray[np.int64]:
    """ms after midnight as whole numbers."""
    if not ((times >= 0) & (times < 86_400_000)).all():
        raise BadInput(f"{path}: expected times from 0 to 86,400,000 ms after midnight, found others")
    return times.astype(np.int64)


def _finite(path: Path, values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    if not np.isfinite(values).all() or (values < 0).any():
        raise BadInput(f"{path}: expected {name} of 0 or more, found others")
    return values
