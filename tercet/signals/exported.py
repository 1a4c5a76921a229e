"""Networks as ONNX, answered by onnxruntime on one thread: trading needs no torch."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tercet.errors import BadInput
from tercet.signals.experts import Scaler
from tercet.signals.fitted import Fitted, Numbers
from tercet.signals.samples import Questions, windows

CHUNK = 1024  # windows held at once


@dataclass(frozen=True)
class Exported:
    """A network read from ONNX bytes. `content` is what it was read from."""

    content: bytes
    session: Any
    steps: int
    columns: int
    dtype: type[np.floating[Any]]

    @classmethod
    def of(cls, content: bytes) -> "Exported":
        """A session on one thread: batches of one gain nothing from more, and its answers are the same everywhere."""
        try:
            session = on_one_thread(content)
            (window,) = session.get_inputs()
        except Exception as error:  # onnxruntime's errors have no other base
            raise BadInput(f"expected an ONNX model of one input, found something else: {str(error).splitlines()[0]}") from error
        if window.name != "window" or len(window.shape) != 3 or [one.name for one in session.get_outputs()] != ["answer"]:
            raise BadInput(f"expected an ONNX model from window to answer, found {window.name} {window.shape}")
        dtype = np.float64 if window.type == "tensor(double)" else np.float32
        return cls(content, session, int(window.shape[1]), int(window.shape[2]), dtype)

    def onnx(self) -> bytes:
        """As it was read."""
        return self.content

    def answer(self, asked: Questions) -> Numbers:
        """(asked,) means or (asked, 3) chances."""
        found = []
        for begin in range(0, len(asked.rows), CHUNK):
            window = windows(asked.rows[begin : begin + CHUNK], asked.group, self.steps)
            found.append(self.decide(asked.features[window]))
        return np.concatenate(found).astype(np.float64)

    def decide(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """One answer each for windows of features as they stand, (batch, steps, columns)."""
        found: NDArray[np.float32] = self.session.run(None, {"window": window.astype(self.dtype, copy=False)})[0]
        return found


def on_one_thread(content: bytes) -> Any:
    """A session of onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def behind_scaler(content: bytes) -> tuple[Scaler, bytes]:
    """The scaler of an ONNX network, and the rest of it for one window: "scaled", (1, steps, columns) float32, to "answer".

    A graph of known shape takes a third less time than one for any number of windows. Raises BadInput where it begins otherwise.
    """
    graph = (model := onnx.load_model_from_string(content)).graph
    held = {one.name: one for one in graph.initializer}
    came, scaling = "window", []
    for kind in ("Sub", "Div", "Clip", "Cast"):
        taking = [node for node in graph.node if came in node.input]
        if [node.op_type for node in taking] != [kind]:
            raise BadInput(f"expected an ONNX model that begins with its scaler, found {[node.op_type for node in taking]} for {kind}")
        scaling.append(taking[0])
        came = taking[0].output[0]
    centre, spread = (numpy_helper.to_array(held[node.input[1]]).astype(np.float64) for node in scaling[:2])
    for node in scaling:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = ["scaled" if name == came else name for name in node.input]
    steps, columns = (size.dim_value for size in graph.input[0].type.tensor_type.shape.dim[1:])
    graph.input[0].CopyFrom(helper.make_tensor_value_info("scaled", onnx.TensorProto.FLOAT, (1, steps, columns)))
    graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    del graph.value_info[:]
    return Scaler(centre, spread), model.SerializeToString()


def to_onnx(fitted: Fitted, path: Path) -> None:
    """Write a fitted network as an ONNX model that takes windows of features as they stand, and names them and its lineage."""
    drawn = getattr(fitted.model, "onnx", None)
    if drawn is None:
        raise BadInput(f"{fitted.lineage.expert} is no network; expected one of `sequence`: `modelfile.save` takes every model")
    model, lineage = onnx.load_model_from_string(drawn()), fitted.lineage
    model.producer_name = "tercet"
    about = {"model_id": lineage.model_id, "target": lineage.target, "features": " ".join(lineage.names)}
    helper.set_model_props(model, about | {"lineage": msgspec.json.encode(lineage, order="deterministic").decode()})
    onnx.checker.check_model(model, full_check=True)
    written(path, model.SerializeToString())


def written(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
            temporary = Path(out.name)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise BadInput(f"{path}: could not be written: {error.strerror or error}; expected a place with room and permission") from error
