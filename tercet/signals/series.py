"""What the judge is given, checked: a series, a table, labels, probabilities; BadInput says what was wrong, expected and where."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.errors import BadInput

Floats = NDArray[np.float64]

SAME: Final = 1e-12  # what varies by less than this share of its size is rounding, not a figure


def series(values: ArrayLike, name: str, least: int = 1) -> Floats:
    """`values` as floats, shape (n,), n ≥ least, all finite."""
    return _finite(_floats(values, name, 1), name, least)


def table(values: ArrayLike, name: str, least: int = 1, columns: int = 1) -> Floats:
    """`values` as floats, shape (n, k), n ≥ least, k ≥ columns, all finite."""
    found = _finite(_floats(values, name, 2), name, least)
    if found.shape[1] < columns:
        raise BadInput(f"{name}: expected at least {columns} columns, found {found.shape[1]}")
    return found


def pair(left: ArrayLike, right: ArrayLike, names: tuple[str, str], least: int = 1) -> tuple[Floats, Floats]:
    """Two series of one length."""
    first, second = series(left, names[0], least), series(right, names[1], least)
    same_length(first, second, names)
    return first, second


def same_length(left: NDArray[Any], right: NDArray[Any], names: tuple[str, str]) -> None:
    """BadInput unless both have as many rows."""
    if len(left) != len(right):
        raise BadInput(f"{names[1]}: expected as many values as {names[0]} has ({len(left)}), found {len(right)}")


def varying(values: ArrayLike, name: str, least: int = 2) -> Floats:
    """A series that varies."""
    found = series(values, name, least)
    if not varies(found):
        raise BadInput(f"{name}: expected values that vary, found {len(found)} times {found[0]:.6g} (zero variance)")
    return found


def varying_table(values: ArrayLike, name: str, least: int = 2, columns: int = 1) -> Floats:
    """A table of which each column varies."""
    found = table(values, name, least, columns)
    still = ~varies(found)
    if still.any():
        raise BadInput(f"{name}, column {int(still.argmax())}: expected values that vary, found zero variance")
    return found


def varies(values: Floats) -> NDArray[np.bool_]:
    """Whether the values of a series, or of each column of a table, vary by more than rounding does."""
    return np.asarray(values.std(axis=0) > SAME * np.abs(values).max(axis=0))


def labels(values: ArrayLike, name: str, least: int = 2) -> NDArray[np.int64]:
    """Classes as integers, shape (n,), two or more of them."""
    found = series(values, name, least)
    if not np.array_equal(found, np.rint(found)):
        place = int((found != np.rint(found)).argmax())
        raise BadInput(f"{name}, value {place}: expected a class as an integer, found {found[place]}")
    if (found == found[0]).all():
        raise BadInput(f"{name}: expected two or more classes, found only class {int(found[0])} in {len(found)} values")
    return found.astype(np.int64)


def probabilities(values: ArrayLike, name: str) -> Floats:
    """Probabilities a row a case and a column a class, shape (n, k ≥ 2); a series is that of class 1 of the classes 0 and 1."""
    given = np.asarray(values)
    found = series(given, name) if given.ndim == 1 else table(given, name, columns=2)
    wrong = (found < 0) | (found > 1)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise BadInput(f"{name}, row {place[0]}: expected probabilities in [0, 1], found {found[tuple(place)]:.6g}")
    if found.ndim == 1:
        return np.column_stack([1 - found, found])
    off = np.abs(found.sum(axis=1) - 1) > 1e-6
    if off.any():
        place = int(off.argmax())
        raise BadInput(f"{name}, row {place}: expected probabilities that add up to 1, found {found[place].sum():.6g}")
    return found


def _floats(values: ArrayLike, name: str, dimensions: int) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name}: expected numbers, found {type(values).__name__} ({error})") from error
    if found.ndim != dimensions:
        raise BadInput(f"{name}: expected {dimensions} dimension{'s' * (dimensions > 1)}, found shape {found.shape}")
    return found


def _finite(found: Floats, name: str, least: int) -> Floats:
    if len(found) < least:
        raise BadInput(f"{name}: expected at least {least} values, found {len(found)}")
    bad = ~np.isfinite(found)
    if bad.any():
        place = np.argwhere(bad)[0]
        raise BadInput(f"{name}, value {', '.join(map(str, place))}: expected finite numbers, found {found[tuple(place)]}")
    return found
