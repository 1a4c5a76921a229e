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
from onnx import helper

from tercet.errors import BadInput
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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
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
