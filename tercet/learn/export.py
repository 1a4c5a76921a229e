"""From what Stable-Baselines3 trained to policy files, and on to ONNX: torch, compiled code and onnxruntime find the same numbers."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.torch_layers import FlattenExtractor

from tercet.errors import BadInput
from tercet.execution.acting import OUTPUTS
from tercet.execution.learned import outputs
from tercet.execution.policyfile import NAMES, Network, PolicyFile, check, network_from
from tercet.wholefiles import write_whole

OPSET, IR_VERSION = 17, 9
ACTIVATIONS: dict[type[torch.nn.Module], Literal["relu", "tanh"]] = {torch.nn.ReLU: "relu", torch.nn.Tanh: "tanh"}


def network_of(model: BaseAlgorithm) -> Network:
    """The network that a PPO, MaskablePPO or DQN acts by; BadInput where it is more than layers with ReLU or tanh between them."""
    if model.get_vec_normalize_env() is not None:
        raise BadInput("the model was trained on observations normalised by VecNormalize; expected them as they are")
    modules = _modules(model)
    linears, between = modules[::2], {type(module) for module in modules[1::2]}
    plain = all(type(module) is torch.nn.Linear for module in linears) and len(between) <= 1 and between <= set(ACTIVATIONS)
    if len(modules) % 2 == 0 or not plain:
        found = ", ".join(type(module).__name__ for module in modules)
        raise BadInput(f"the model's network was {found}; expected Linear layers with one kind of ReLU or Tanh between them")
    activation = ACTIVATIONS[between.pop()] if between else "relu"
    return network_from(activation, [_numbers(linear) for linear in linears])


def _modules(model: Any) -> list[torch.nn.Module]:
    """The modules from the observation to the outputs."""
    policy = model.policy
    if isinstance(model, PPO | MaskablePPO):
        extractor, layers = policy.pi_features_extractor, [*policy.mlp_extractor.policy_net, policy.action_net]
    elif isinstance(model, DQN):
        extractor, layers = policy.q_net.features_extractor, [*policy.q_net.q_net]
    else:
        raise BadInput(f"the model was a {type(model).__name__}; expected a PPO, MaskablePPO or DQN")
    if type(extractor) is not FlattenExtractor or getattr(policy, "squash_output", False):
        raise BadInput(f"the model's policy was a {type(policy).__name__} with {type(extractor).__name__}; expected a plain MlpPolicy")
    return layers


def _numbers(linear: Any) -> tuple[Any, Any]:
    """A layer's weights, (inputs, outputs), and bias."""
    bias = linear.bias if linear.bias is not None else torch.zeros(linear.out_features)
    return linear.weight.detach().cpu().numpy().T, bias.detach().cpu().numpy()


def to_onnx(file: PolicyFile, path: Path) -> None:
    """Write an ONNX model of a policy's network. Inputs: observation (batch, features) float32 and, where masked, mask (batch, actions)
    bool. Outputs: action, (batch,) int64 or (batch, dimensions) float32, and the network's outputs, (batch, actions) float32.
    """
    check(file, f"policy {file.name}")
    if file.network is None:
        raise BadInput(f"policy {file.name} is a table; expected a network: ONNX has no word for it")
    nodes, numbers = _layers(file.network)
    chosen, constants = _head(file)
    model = helper.make_model(
        helper.make_graph(nodes + chosen, "policy", *_ends(file), numbers + constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tercet",
    )
    about = {"name": file.name, "algo": file.algo, "actions": file.actions, "features": " ".join(file.features), "layout": file.layout_hash}
    helper.set_model_props(model, about | {"step_ns": str(file.step_ns)} | file.lineage)
    onnx.checker.check_model(model, full_check=True)
    write_whole(Path(path), model.SerializeToString())


def _layers(network: Network) -> tuple[list[Any], list[Any]]:
    """The nodes from "observation" to "outputs", and their numbers."""
    nodes, numbers, before = [], [], "observation"
    word, last = {"relu": "Relu", "tanh": "Tanh"}[network.activation], len(network.shapes) - 1
    for place, (weights, bias) in enumerate(network.layers()):
        named = [f"weights_{place}", f"bias_{place}"]
        numbers += [numpy_helper.from_array(np.ascontiguousarray(array), name) for array, name in zip((weights, bias), named, strict=True)]
        after = "outputs" if place == last else f"sum_{place}"
        nodes.append(helper.make_node("Gemm", [before, *named], [after]))
        if place < last:
            before = f"hidden_{place}"
            nodes.append(helper.make_node(word, [after], [before]))
    return nodes, numbers


def _head(file: PolicyFile) -> tuple[list[Any], list[Any]]:
    """The nodes from "outputs" to "action", and their numbers."""

    def number(name: str, value: float) -> Any:
        return numpy_helper.from_array(np.array(value, np.float32), name)

    if file.actions == "continuous":
        return [helper.make_node("Clip", ["outputs", "low", "high"], ["action"])], [number("low", -1.0), number("high", 1.0)]
    largest = helper.make_node("ArgMax", ["open" if file.masked else "outputs"], ["action"], axis=1, keepdims=0)
    if not file.masked:
        return [largest], []
    return [helper.make_node("Where", ["mask", "outputs", "never"], ["open"]), largest], [number("never", -np.inf)]


def _ends(file: PolicyFile) -> tuple[list[Any], list[Any]]:
    """The model's inputs and outputs."""
    count = OUTPUTS[file.actions]
    given = [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["batch", len(NAMES)])]
    if file.masked:
        given.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, ["batch", count]))
    if file.actions == "continuous":
        action = helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", count])
    else:
        action = helper.make_tensor_value_info("action", TensorProto.INT64, ["batch"])
    return given, [action, helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["batch", count])]


def onnx_run(path: Path, observations: Any, masks: Any = None) -> tuple[Any, Any]:
    """The actions and outputs that onnxruntime finds for observations, (batch, features), and masks, all open where not given."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given: dict[str, Any] = {"observation": np.ascontiguousarray(observations, np.float32)}
    for wanted in session.get_inputs()[1:]:
        given[wanted.name] = np.ones((len(observations), wanted.shape[1]), np.bool_) if masks is None else np.asarray(masks, np.bool_)
    action, found = session.run(["action", "outputs"], given)
    return action, found


def parity(file: PolicyFile, onnx_path: Path, observations: Any) -> float:
    """The greatest absolute difference between onnxruntime's outputs and those that the policy acts by."""
    _, found = onnx_run(onnx_path, observations)
    return float(np.abs(found - outputs(file, observations)).max(initial=0.0))
