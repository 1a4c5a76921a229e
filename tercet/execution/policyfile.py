"""Trained policies as files: what decides, what it was trained on, and how it did. They are whole or not there, and checked when read.

A file is MAGIC, the format (uint32), the payload's length (uint64) and its SHA-256, all little-endian, then the payload: a PolicyFile as
msgpack.
"""

import hashlib
import struct
from collections.abc import Sequence
from itertools import pairwise, zip_longest
from math import prod
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.execution.acting import MOST_LAYERS, MOST_LOOKS, MOST_WIDTH, OUTPUTS
from tercet.execution.observation import BOUND, FEATURES, USUAL
from tercet.execution.policy import Seen
from tercet.execution.view import VIEW
from tercet.wholefiles import write_whole

MAGIC: Final = b"\x89TERCET\n"
FORMAT: Final = 1
HEADER: Final = struct.Struct("<8sIQ32s")
SUFFIX: Final = ".tercet"
LONGEST_NAME: Final = 100
USUAL_SIZES: Final = (1e-9, 1e15)
MOST_OUTPUT: Final = 1e30
SEEN_SHARES: Final = (0.0, 0.8)  # of a recorded session after its first possible start: training and validation come before the test
NAMES: Final = tuple(name for name, _ in FEATURES)
LAYOUT: Final = tuple(f"{name} {dtype}" for name, (dtype, *_) in (VIEW.fields or {}).items())


class Network(msgspec.Struct, frozen=True):
    """Layers of `shapes` (inputs, outputs), the activation between them. `weights`: float32s, little-endian, for each layer its weights
    row by row, (inputs, outputs), then its bias. The largest output is the action; a continuous action is the outputs, cut to -1 to 1.
    """

    activation: Literal["relu", "tanh"]
    shapes: tuple[tuple[int, int], ...]
    weights: bytes

    def layers(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Each layer's weights, (inputs, outputs), and bias, (outputs,)."""
        numbers, found, place = np.frombuffer(self.weights, "<f4"), [], 0
        for inputs, outputs in self.shapes:
            weights, bias, place = place, place + inputs * outputs, place + (inputs + 1) * outputs
            found.append((numbers[weights:bias].reshape(inputs, outputs), numbers[bias:place]))
        return found


class Table(msgspec.Struct, frozen=True):
    """An action for each bin: of each of the named `features` the bin np.searchsorted(edges, value, side="right").

    `choices`: int16s, little-endian, of the shape (bins of the first feature, of the second, ...), the last running fastest.
    """

    features: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    choices: bytes

    @property
    def shape(self) -> tuple[int, ...]:
        """Bins of each feature."""
        return tuple(len(edges) + 1 for edges in self.edges)

    def array(self) -> NDArray[np.int16]:
        """The choices, of `shape`."""
        return np.frombuffer(self.choices, "<i2").reshape(self.shape)


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A trained policy: a network or a table, the moves it has, and what it was trained with.

    `usual`: of the market it was trained on, by the names of USUAL. `lineage`: data, seed, code version, steps, command, created.
    `card`: rows of a validation table. `features` and `layout` are what it observes; a file of others cannot be used.
    """

    name: str
    algo: str
    actions: str  # discrete, continuous or price-level
    masked: bool = False  # it chooses among open moves only
    step_ns: int  # between decisions
    posture: bool = False  # it was shown one, which bound it, in training
    usual: dict[str, float]
    network: Network | None = None
    table: Table | None = None
    lineage: dict[str, str] = {}
    card: list[dict[str, Any]] = []
    features: tuple[str, ...] = NAMES
    layout: tuple[str, ...] = LAYOUT

    @property
    def seen(self) -> tuple[Seen, ...]:
        """What it knows of the recorded days that its lineage names."""
        names = (market.rpartition(" ") for market in self.lineage.get("markets", "").split(", ") if market.startswith("history:"))
        return tuple(Seen(name or digest, digest, *SEEN_SHARES) for name, _, digest in names)

    @property
    def layout_hash(self) -> str:
        """A short name for what it observes: the features, and the fields of the VIEW that they are made of."""
        return hashlib.sha256(msgspec.msgpack.encode((self.features, self.layout))).hexdigest()[:16]

    def digest(self) -> bytes:
        """SHA-256 of the whole content."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).digest()


def network_from(activation: Literal["relu", "tanh"], layers: Sequence[tuple[Any, Any]]) -> Network:
    """A network from each layer's weights, (inputs, outputs), and bias, (outputs,)."""
    pairs = [(np.asarray(weights, "<f4"), np.asarray(bias, "<f4")) for weights, bias in layers]
    numbers = b"".join(weights.tobytes() + bias.tobytes() for weights, bias in pairs)
    return Network(activation, tuple((weights.shape[0], weights.shape[1]) for weights, _ in pairs), numbers)


def table_from(features: Sequence[str], edges: Sequence[Sequence[float]], choices: Any) -> Table:
    """A table from the choices as an array of integers, (bins of the first feature, of the second, ...)."""
    rows = tuple(tuple(float(edge) for edge in row) for row in edges)
    return Table(tuple(features), rows, np.ascontiguousarray(choices, "<i2").tobytes())


def write(path: Path, file: PolicyFile) -> None:
    """Write a policy file, whole or not at all; BadInput where it cannot be used or the place cannot be written."""
    path = Path(path)
    check(file, path)
    payload = msgspec.msgpack.encode(file)
    head = HEADER.pack(MAGIC, FORMAT, len(payload), hashlib.sha256(payload).digest())
    write_whole(path, (head, payload))


def read(path: Path) -> PolicyFile:
    """The policy file at `path`; BadInput where there is none, where it is broken or was altered, and where it cannot be used here."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: expected a policy file, found: {error.strerror or error}") from error
    payload = _payload(content, path)
    try:
        file = msgspec.msgpack.decode(payload, type=PolicyFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: expected a policy of format {FORMAT}, found another: {error}") from error
    check(file, path)
    return file


def _payload(content: bytes, path: Path) -> bytes:
    if not content.startswith(MAGIC):
        raise BadInput(f"{path}: expected a policy file, found something else: it begins with {content[: len(MAGIC)]!r}")
    if len(content) < HEADER.size:
        raise BadInput(f"{path}: expected a policy file, found one cut off after {len(content)} bytes")
    _, version, length, digest = HEADER.unpack(content[: HEADER.size])
    payload = content[HEADER.size :]
    if version != FORMAT:
        raise BadInput(f"{path}: expected a policy file of format {FORMAT}, found format {version}: train or export it with this version")
    if len(payload) != length:
        raise BadInput(f"{path}: expected {length} bytes of a policy, found {len(payload)}: the file is truncated or has grown")
    if hashlib.sha256(payload).digest() != digest:
        raise BadInput(f"{path}: expected the policy of its checksum, found another: the file was altered")
    return payload


def check(file: PolicyFile, where: object) -> None:
    """Refuse a policy that cannot act here; the BadInput names `where` it came from."""
    for problem in (_misfit(file), _unusable(file)):
        if problem:
            raise BadInput(f"{where}: {problem}")


def name_problem(name: str) -> str:
    """Why a policy cannot be called so: names stand in tables, in which brackets are commands."""
    if name.strip() and name.isprintable() and len(name) <= LONGEST_NAME and not set("[]") & set(name):
        return ""
    return f"name was {name[: 2 * LONGEST_NAME]!r}; expected up to {LONGEST_NAME} printable characters without brackets"


def _misfit(file: PolicyFile) -> str:
    """Why a policy observes something else than what there is to observe here."""
    for word, found, expected in (("feature", file.features, NAMES), ("VIEW field", file.layout, LAYOUT)):
        for place, (one, other) in enumerate(zip_longest(found, expected)):
            if one != other:
                return f"its {word} {place} was {one or 'missing'!r}; expected {other or 'none'!r}: it was trained on another layout"
    return ""


def _unusable(file: PolicyFile) -> str:
    """What is wrong with a policy's terms, or with what it decides by."""
    sizes, (low, high) = file.usual.values(), USUAL_SIZES
    wrong = (
        (bool(problem := name_problem(file.name)), problem),
        (file.actions not in OUTPUTS, f"actions was {file.actions!r}; expected one of {', '.join(OUTPUTS)}"),
        (file.masked and file.actions == "continuous", "masked was true with continuous actions; expected false: they have no masks"),
        (not 0 < file.step_ns < 2**63, f"step_ns was {file.step_ns}; expected more than 0"),
        (set(file.usual) != set(USUAL.names or ()), f"usual named {' '.join(file.usual)}; expected {' '.join(USUAL.names or ())}"),
        (not all(low <= one <= high for one in sizes), f"usual was {file.usual}; expected positive numbers from {low:g} to {high:g}"),
        ((file.network is None) == (file.table is None), "expected either a network or a table"),
    )
    for is_wrong, sentence in wrong:
        if is_wrong:
            return sentence
    return _broken_network(file.network, OUTPUTS[file.actions]) if file.network else _broken_table(file)


def _broken_network(network: Network, outputs: int) -> str:
    shapes = network.shapes
    if not 1 <= len(shapes) <= MOST_LAYERS or not all(1 <= size <= MOST_WIDTH for shape in shapes for size in shape):
        return f"its layers were {shapes}; expected 1 to {MOST_LAYERS} of at most {MOST_WIDTH} wide"
    if shapes[0][0] != len(NAMES) or shapes[-1][1] != outputs or any(one[1] != other[0] for one, other in pairwise(shapes)):
        return f"its layers were {shapes}; expected {len(NAMES)} inputs, each layer's outputs the next one's inputs, {outputs} outputs"
    expected = 4 * sum((inputs + 1) * outputs for inputs, outputs in shapes)
    if len(network.weights) != expected:
        return f"its weights were {len(network.weights)} bytes; expected {expected} for layers of {shapes}"
    if not np.isfinite(np.frombuffer(network.weights, "<f4")).all():
        return "its weights were not all finite; expected finite numbers"
    if (most := _largest_output(network)) > MOST_OUTPUT:
        return f"its weights allow outputs of {most:.1e}; expected {MOST_OUTPUT:.0e} at most, within the numbers that it is computed in"
    return ""


def _largest_output(network: Network) -> float:
    """What no number on its way through a network exceeds, whatever it observes."""
    reach, most = np.full(len(NAMES), BOUND), 0.0
    for weights, bias in network.layers():
        reach = reach @ np.abs(weights.astype(np.float64)) + np.abs(bias)
        if (most := max(most, float(reach.max()))) > MOST_OUTPUT:
            break
        reach = np.minimum(reach, 1.0) if network.activation == "tanh" else reach
    return most


def _broken_table(file: PolicyFile) -> str:
    table, moves = file.table, OUTPUTS[file.actions]
    if table is None or file.actions == "continuous":
        return "actions was 'continuous' with a table; expected discrete or price-level"
    if unknown := [name for name in table.features if name not in NAMES]:
        return f"its table looks at {unknown[0]!r}; expected one of {', '.join(NAMES)}"
    if not 1 <= len(table.features) <= MOST_LOOKS or len(table.edges) != len(table.features):
        return f"its table has {len(table.features)} features and edges of {len(table.edges)}; expected 1 to {MOST_LOOKS}, edges of each"
    if not all(np.isfinite(edges).all() and (np.diff(edges) > 0).all() for edges in table.edges):
        return "its table's edges were not rising finite numbers; expected such"
    if len(table.choices) != 2 * prod(table.shape):
        return f"its table's choices were {len(table.choices)} bytes; expected {2 * prod(table.shape)} for bins of {table.shape}"
    least, most = table.array().min(), table.array().max()
    if least < 0 or most >= moves:
        return f"its table's choices were {least} to {most}; expected 0 to {moves - 1}"
    return ""
