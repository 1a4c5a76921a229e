"""Arrays from a file, checked before numpy and compiled code trust them: their types, sizes, trees and classes."""

import io
import zipfile
from collections.abc import Mapping
from math import prod
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.checkedtrees import refuse_places, refuse_shape
from tercet.signals.samples import CLASSES

Arrays = dict[str, NDArray[Any]]
TYPES: Final = ("float32", "float64", "int64")
MOST_BYTES: Final = 1 << 30  # that a model file holds, unpacked: its sizes are what it says itself


def entries_of(file: zipfile.ZipFile) -> dict[str, bytes]:
    """Every entry of a zip; BadInput where they are more than a model takes, as those of a bomb are, or are there twice."""
    size, names = sum(one.file_size for one in file.infolist()), file.namelist()
    if size > MOST_BYTES or len(set(names)) < len(names):
        raise BadInput(f"expected entries of {MOST_BYTES:,} bytes at most, each once, found {size:,} bytes in {len(names)}")
    return {name: file.read(name) for name in names}


def unpacked(content: bytes) -> Arrays:
    """The arrays of an .npz by name; BadInput where one has another type than a model's, or another size than its header says."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name.removesuffix(".npy"): _array(name, held) for name, held in entries_of(file).items()}


def _array(name: str, held: bytes) -> NDArray[Any]:
    """One array; numpy's own reader makes room for what the header says before it looks what is there."""
    buffer = io.BytesIO(held)
    if npy.read_magic(buffer) != (1, 0):
        raise BadInput(f"{name}: expected an array of numpy's format 1.0, found another")
    shape, by_column, dtype = npy.read_array_header_1_0(buffer)
    there = len(held) - buffer.tell()
    if str(dtype) not in TYPES or prod(shape) * dtype.itemsize != there:
        raise BadInput(f"{name}: expected {' or '.join(TYPES)} of {shape}, found {dtype} and {there:,} bytes")
    return np.frombuffer(held, dtype, offset=buffer.tell()).reshape(shape, order="F" if by_column else "C").copy()


def refuse_arrays(kind: str, arrays: Mapping[str, NDArray[Any]], columns: int, outputs: int) -> None:
    """BadInput where arrays of that kind name a class, a node or a feature that there is not, or hold what is no finite number."""
    if wrong := [name for name, held in arrays.items() if not np.isfinite(held).all()]:
        raise BadInput(f"{wrong[0]}: expected finite numbers, found others")
    if ("classes" in arrays) != (outputs > 1):
        raise BadInput(f"expected {'classes' if outputs > 1 else 'no classes'} of such a target")
    for name in arrays:
        if name.rpartition(".")[2] == "classes":
            known = arrays[name].tolist()
            if not set(known) <= set(CLASSES) or known != sorted(set(known)) or not known:
                raise BadInput(f"{name}: expected some of {CLASSES} in their order, found {known[:4]}")
    if kind == "forest":
        _refuse_forest(arrays, columns)


def _refuse_forest(arrays: Mapping[str, NDArray[Any]], columns: int) -> None:
    """A forest's leaf is its own child, which ends every way down; its depth is how many steps are taken."""
    roots, left, right, feature = (arrays[name] for name in ("roots", "left", "right", "feature"))
    count = len(left)
    if any(one.dtype != np.int64 or one.ndim != 1 for one in (roots, left, right, feature, np.ravel(arrays["depth"]))):
        raise BadInput("expected nodes, features and a depth in whole numbers, found others")
    if any(len(arrays[name]) != count for name in ("right", "feature", "threshold", "value", "rows")) or arrays["value"].ndim != 2:
        raise BadInput(f"expected a value, a question and its two sides of each of {count} nodes, found others")
    for name in ("left", "right", "roots"):
        refuse_places(arrays[name], count, name)
    refuse_places(feature, columns, "feature")
    if not len(roots) or roots[0] != 0 or (np.diff(roots) <= 0).any():
        raise BadInput("roots: expected places that rise from 0, found others")
    here = np.arange(count)
    depth = refuse_shape(np.where(left == here, -1, left), np.where(right == here, -1, right), roots, "trees")
    if int(arrays["depth"]) != depth:
        raise BadInput(f"depth: expected {depth}, as deep as the trees are, found {int(arrays['depth'])}")
