"""Trained policies, read from files, that act in compiled code; no torch is needed. The file itself: `execution/policyfile.py`.

A policy made here holds the address of its weights, which stay for the life of the process: it means nothing to another process.
"""

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.execution.acting import CONTINUOUS, LEARNED, OUTPUTS, RELU, TANH, act, forward_all
from tercet.execution.moves import DISCRETE, PRICE_LEVEL, SHARES
from tercet.execution.policy import Policy
from tercet.execution.policyfile import NAMES, SUFFIX, Network, PolicyFile, Table, check, read
from tercet.execution.schedules import POLICIES, by_name

MOVES: Final = {"discrete": DISCRETE, "continuous": CONTINUOUS, "price-level": PRICE_LEVEL}
ACTIVATIONS: Final = {"relu": RELU, "tanh": TANH}

# By the content's SHA-256: a LEARNED record, and the arrays whose addresses stand in it.
_kept: dict[bytes, tuple[NDArray[Any], ...]] = {}


def policy_of(file: PolicyFile) -> Policy:
    """The policy that acts as a file says, for backtests and environments alike; BadInput where the file cannot be used."""
    record = _record(file)[0]
    return Policy(file.name, act, (*SHARES, float(record.ctypes.data)), file.step_ns, file.posture, file.seen, (policy_of, (file,)))


def find_policy(name: str) -> Policy:
    """A shipped policy by its name, or the policy of a file by its path; BadInput where there is neither."""
    if not is_path(name):
        if name in POLICIES:
            return by_name(name)
        raise BadInput(f"policy was {name!r}; expected one of {' '.join(POLICIES)}, or the path of a policy file (*{SUFFIX})")
    file = read(Path(name))
    if file.name in POLICIES:
        raise BadInput(f"{name}: its name was {file.name!r}, a shipped policy's; expected another")
    return policy_of(file)


def is_path(name: str) -> bool:
    """Whether a policy's name means a file: no shipped policy, and it has a folder or the suffix, or there is such a file."""
    return name not in POLICIES and (os.sep in name or "/" in name or name.endswith(SUFFIX) or Path(name).is_file())


def outputs(file: PolicyFile, observations: Any) -> NDArray[np.float32]:
    """The network's outputs (logits, values or means), (batch, actions) float32, for observations, (batch, features).

    They are those that it acts by, bit for bit. Raises BadInput for a table, which has none, and for another shape.
    """
    rows = np.ascontiguousarray(observations, np.float32)
    if file.network is None:
        raise BadInput(f"policy {file.name} is a table, which has no outputs; expected a network")
    if rows.ndim != 2 or rows.shape[1] != len(NAMES):
        raise BadInput(f"observations had the shape {rows.shape}; expected (batch, {len(NAMES)})")
    found = np.empty((len(rows), OUTPUTS[file.actions]), np.float32)
    forward_all(_record(file)[0], rows, found)
    return found


def _record(file: PolicyFile) -> tuple[NDArray[Any], ...]:
    """A file's LEARNED, (1,), and the arrays that it points into; the same ones for the same content."""
    digest = file.digest()
    if digest not in _kept:
        check(file, f"policy {file.name}")
        _kept.setdefault(digest, _new_record(file))
    return _kept[digest]


def _new_record(file: PolicyFile) -> tuple[NDArray[Any], ...]:
    rows = np.zeros(1, LEARNED).view(np.recarray)
    learned = rows[0]
    for name, size in file.usual.items():
        learned.usual[name] = size
    learned.moves, learned.outputs, learned.masked = MOVES[file.actions], OUTPUTS[file.actions], file.masked
    arrays = _place_network(learned, file.network) if file.network else _place_table(learned, file.table)
    return (rows, *arrays)


def _place_network(learned: Any, network: Network) -> tuple[NDArray[Any], ...]:
    weights = np.frombuffer(network.weights, "<f4").astype(np.float32)
    widths = (network.shapes[0][0], *(outputs for _, outputs in network.shapes))
    learned.activation, learned.layers = ACTIVATIONS[network.activation], len(network.shapes)
    learned.widths[: len(widths)] = widths
    learned.weights = weights.ctypes.data
    return (weights,)


def _place_table(learned: Any, table: Table | None) -> tuple[NDArray[Any], ...]:
    assert table is not None
    edges = np.array([edge for row in table.edges for edge in row], np.float64)
    choices = table.array().astype(np.int16)
    learned.looks = len(table.features)
    learned.features[: learned.looks] = [NAMES.index(name) for name in table.features]
    learned.bins[: learned.looks] = table.shape
    learned.edges, learned.choices = edges.ctypes.data, choices.ctypes.data
    return (edges, choices)
