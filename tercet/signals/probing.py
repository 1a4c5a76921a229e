"""A network from a file, tried in a process of its own first: what crashes onnxruntime, hangs it or fills the memory does so there."""

import subprocess
import sys
from typing import Final

import onnx

from tercet.errors import BadInput

SECONDS: Final = 60  # for a file that answers in half of one
MEMORY: Final = 8 << 30  # bytes of addresses, where the system counts them
# Nothing of ours is imported: onnxruntime alone takes a third of a second.
TRY: Final = f"""
import sys
content = sys.stdin.buffer.read()
import numpy as np, onnxruntime
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
try:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (window,) = session.get_inputs()
    kind = np.float64 if window.type == "tensor(double)" else np.float32
    for rows in (1, 3):
        (found,) = session.run(None, {{window.name: np.zeros((rows, *window.shape[1:]), kind)}})
        assert found.shape[:1] == (rows,) and found.size <= 3 * rows, f"answers of shape {{found.shape}} to {{rows}} windows"
except BaseException as error:
    sys.exit((str(error).splitlines() or [type(error).__name__])[0])
"""


def refuse_untried(content: bytes) -> None:
    """BadInput where an ONNX model is more than a graph of operators, or does not answer windows of zeros in a process of its own."""
    model = onnx.load_model_from_string(content)
    _refuse_programs(model)
    try:
        ended = subprocess.run([sys.executable, "-I", "-c", TRY], input=content, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"expected a network that answers, found one that did not within {SECONDS} s") from error
    if ended.returncode < 0:
        raise BadInput(f"expected a network that answers, found one that ended the process that tried it (signal {-ended.returncode})")
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["nothing was said"]
        raise BadInput(f"expected a network that answers, found one that does not: {said[-1][:200]}")


def _refuse_programs(model: onnx.ModelProto) -> None:
    """Loops, branches, functions, operators of others and data in other files: no network that is written here has any."""
    for node in model.graph.node:
        held = [one.name for one in node.attribute if one.HasField("g") or len(one.graphs)]
        if held or node.domain not in ("", "ai.onnx"):
            raise BadInput(f"expected operators of ONNX without graphs inside, found {node.domain or 'ai.onnx'}.{node.op_type}")
    outside = [one.name for one in model.graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL]
    if model.functions or outside:
        raise BadInput("expected a network that is whole in its file, found functions or data elsewhere")
