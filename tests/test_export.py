"""From Stable-Baselines3 to a policy file to ONNX: the numbers stay what they were."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_learned import SMALL, numpy_outputs, policy_file, some_observations

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from sb3_contrib import QRDQN, MaskablePPO  # noqa: E402
from stable_baselines3 import DQN, PPO  # noqa: E402
from stable_baselines3.common.vec_env import VecNormalize  # noqa: E402

from tercet.envs.execution import EnvSettings, ExecutionMembers  # noqa: E402
from tercet.errors import BadInput  # noqa: E402
from tercet.execution.acting import OUTPUTS  # noqa: E402
from tercet.execution.learned import outputs  # noqa: E402
from tercet.execution.policyfile import network_from, table_from  # noqa: E402
from tercet.learn.export import network_of, onnx_run, parity, to_onnx  # noqa: E402
from tercet.learn.vecenv import MemberVecEnv  # noqa: E402


@cache
def envs(actions: str) -> MemberVecEnv:
    """A few members to make models for."""
    return MemberVecEnv(ExecutionMembers(EnvSettings(actions=actions, **SMALL), 2))


def model_of(kind: Any, actions: str, hidden: tuple[int, ...], activation: Any, **more: Any) -> Any:
    """A small model; its weights are as they were drawn."""
    how = {"net_arch": list(hidden), "activation_fn": activation}
    return kind("MlpPolicy", envs(actions), policy_kwargs=how, seed=1, device="cpu", **more)


def torch_outputs(model: Any, rows: Any) -> Any:
    """What torch finds."""
    with torch.no_grad():
        given, policy = torch.as_tensor(rows), model.policy
        found = model.q_net(given) if isinstance(model, DQN) else policy.action_net(policy.mlp_extractor.forward_actor(given))
    return found.numpy()


MODELS = [
    (PPO, "discrete", (64, 64), "ReLU"),
    (PPO, "continuous", (32, 16), "Tanh"),
    (MaskablePPO, "price-level", (32, 24, 16), "Tanh"),
    (DQN, "discrete", (48, 32, 16), "ReLU"),
]


@pytest.mark.parametrize(("kind", "actions", "hidden", "activation"), MODELS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_torch_compiled_code_and_onnxruntime_find_the_same(kind: Any, actions: str, hidden: Any, activation: str, tmp_path: Path) -> None:
    model, rows = model_of(kind, actions, hidden, getattr(torch.nn, activation)), some_observations(200)
    file = policy_file(actions, masked=kind is MaskablePPO, network=network_of(model))
    assert np.abs(outputs(file, rows) - torch_outputs(model, rows)).max() <= 1e-5
    to_onnx(file, tmp_path / "mine.onnx")
    assert parity(file, tmp_path / "mine.onnx", rows) <= 1e-5
    action, found = onnx_run(tmp_path / "mine.onnx", rows)
    sure = np.ptp(np.sort(found, axis=1)[:, -2:], axis=1) > 1e-4
    expected = model.predict(rows, deterministic=True)[0]
    assert sure.any()
    assert np.allclose(action[sure], expected[sure], atol=1e-5)


def test_a_masked_onnx_model_chooses_among_open_actions(tmp_path: Path) -> None:
    file, rows = policy_file(masked=True), some_observations()
    masks = np.random.default_rng(4).random((len(rows), 16)) < 0.3
    masks[:, 0] = True
    to_onnx(file, tmp_path / "mine.onnx")
    action, found = onnx_run(tmp_path / "mine.onnx", rows, masks)
    assert (action == np.argmax(np.where(masks, found, -np.inf), axis=1)).all()
    assert np.abs(found - numpy_outputs(file.network, rows)).max() < 1e-4


def test_a_network_of_one_layer_and_equal_outputs_choose_the_lowest(tmp_path: Path) -> None:
    file = policy_file("price-level", network=network_from("relu", [(np.zeros((27, 12)), np.zeros(12))]))
    to_onnx(file, tmp_path / "mine.onnx")
    assert (onnx_run(tmp_path / "mine.onnx", some_observations())[0] == 0).all()
    assert OUTPUTS["price-level"] == 12


def test_what_is_no_plain_network_is_refused(tmp_path: Path) -> None:
    normalised = PPO("MlpPolicy", VecNormalize(envs("discrete")), device="cpu")
    for model, sentence in (
        (normalised, "VecNormalize"),
        (model_of(PPO, "discrete", (8,), torch.nn.ELU), "Linear, ELU, Linear"),
        (model_of(QRDQN, "discrete", (8,), torch.nn.ReLU), "was a QRDQN"),
    ):
        with pytest.raises(BadInput, match=sentence):
            network_of(model)
    with pytest.raises(BadInput, match="is a table"):
        to_onnx(policy_file(table=table_from(("time",), ((0.5,),), [1, 2])), tmp_path / "mine.onnx")
