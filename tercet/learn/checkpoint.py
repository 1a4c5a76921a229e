"""Checkpoints: all that a run needs to go on as if it had never stopped, in one file that is whole or not there.

A file is a line of JSON (format, length, SHA-256, seal) and the bytes that it speaks of: tensors and plain values, as torch reads them
without running any code. The state of the markets among them goes to compiled code as it is; so the seal, by a key that this user alone
has, says that this user's own run wrote it. The newest two are kept, so that one which the machine lost while writing falls back to the
one before.
"""

import hashlib
import hmac
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from tercet.errors import BadInput
from tercet.learn.imitate import Teacher
from tercet.learn.key import own_key
from tercet.learn.vecenv import MemberVecEnv
from tercet.wholefiles import write_whole

FORMAT: Final = 2
KIND: Final = ""  # the name under which a value's kind is kept that torch does not know
KEPT: Final = 2
# What the learners count, and what their last step left behind; a learner has some of these.
COUNTED: Final = (
    "num_timesteps",
    "_total_timesteps",
    "_n_updates",
    "_n_calls",
    "_episode_num",
    "_current_progress_remaining",
    "exploration_rate",
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
)


def state_of(agent: BaseAlgorithm, envs: MemberVecEnv) -> dict[str, Any]:
    """Weights, optimiser, counters, random states, replay buffer and simulations, between two steps."""
    teacher: Teacher | None = getattr(agent, "teacher", None)
    state = {
        "policy": agent.policy.state_dict(),
        "optimizer": agent.policy.optimizer.state_dict(),
        "counted": {name: getattr(agent, name) for name in COUNTED if hasattr(agent, name)},
        "teacher": None if teacher is None else (teacher.urgency, teacher.place, teacher.step_s),
        "random": (th.get_rng_state(), np.random.get_state(), random.getstate(), agent.action_space.np_random.bit_generator.state),
        "envs": envs.snapshot(),
    }
    if th.cuda.is_available():
        state["cuda"] = th.cuda.get_rng_state_all()
    if (buffer := getattr(agent, "replay_buffer", None)) is not None:
        rows = buffer.buffer_size if buffer.full else buffer.pos
        arrays = {name: getattr(buffer, name)[:rows] for name in ("observations", "next_observations", "actions", "rewards", "dones")}
        state["buffer"] = (buffer.pos, buffer.full, arrays)
    return state


def restore(agent: BaseAlgorithm, envs: MemberVecEnv, state: dict[str, Any], where: object = "the state") -> None:
    """Bring a fresh learner and fresh environments, made of the same settings, to where the state was taken. Raises BadInput, naming
    `where`, for a state of anything else.
    """
    try:
        _check_weights(agent, state)
        _check_counts(agent, state["counted"])
        _check_buffer(agent, state)
        envs.restore(state["envs"])
        agent.policy.load_state_dict(state["policy"])
        agent.policy.optimizer.load_state_dict(state["optimizer"])
        for name, value in state["counted"].items():
            setattr(agent, name, value)
        if state["teacher"] is not None:
            urgency, place, step_s = state["teacher"]
            agent.teacher = Teacher(urgency, place, step_s, agent.action_space)  # type: ignore[attr-defined]  # as with the buffer
        if "buffer" in state:
            buffer: Any = agent.replay_buffer  # type: ignore[attr-defined]  # who has one in the state has one here
            buffer.pos, buffer.full, arrays = state["buffer"]
            for name, rows in arrays.items():
                getattr(buffer, name)[: len(rows)] = rows
        torch_state, numpy_state, python_state, space_state = state["random"]
        th.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        agent.action_space.np_random.bit_generator.state = space_state
        if "cuda" in state:
            th.cuda.set_rng_state_all(state["cuda"])
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, BadInput) as error:
        reason = " ".join(str(error).split())[:300]
        raise BadInput(f"{where}: {type(error).__name__}: {reason}; expected a checkpoint of a run of the same settings") from error


def _check_weights(agent: BaseAlgorithm, state: dict[str, Any]) -> None:
    """Raise ValueError for weights or an optimiser that would be taken without a word."""
    weights = agent.policy.state_dict()
    for name, held in state["policy"].items():
        if name in weights and held.shape != weights[name].shape:
            raise ValueError(f"weights {name} have the shape {tuple(held.shape)}, expected {tuple(weights[name].shape)}")
        if not bool(th.isfinite(held).all()):
            raise ValueError(f"weights {name} are not all finite")
    shapes = [weight.shape for group in agent.policy.optimizer.param_groups for weight in group["params"]]
    for place, held in state["optimizer"]["state"].items():
        for one in filter(th.is_tensor, held.values()):
            if one.shape not in (shapes[place], ()) or not bool(th.isfinite(one).all()):
                raise ValueError(f"the optimizer's state {place} is not finite, or of other shapes than weights of {tuple(shapes[place])}")


def _check_counts(agent: BaseAlgorithm, counted: dict[str, Any]) -> None:
    """The same for what learners count, and for what they saw last."""
    if unknown := set(counted) - set(COUNTED):
        raise ValueError(f"it counts {sorted(unknown)}, which no learner does")
    for name, value in counted.items():
        if isinstance(getattr(agent, name, None), int | float) and not isinstance(value, int | float):
            raise ValueError(f"{name} is {value!r}, expected a number")
    shape = (agent.n_envs, *(agent.observation_space.shape or ()))
    if (seen := counted.get("_last_obs")) is not None and seen.shape != shape:
        raise ValueError(f"observations have the shape {seen.shape}, expected {shape}")


def _check_buffer(agent: BaseAlgorithm, state: dict[str, Any]) -> None:
    """The same for a replay buffer."""
    buffer = getattr(agent, "replay_buffer", None)
    if ("buffer" in state) != (buffer is not None):
        raise ValueError("it is of a learner with a replay buffer and this one has none, or the other way round")
    if buffer is None:
        return
    place, _, arrays = state["buffer"]
    for name, rows in arrays.items():
        room = getattr(buffer, name)
        if not 0 <= place < len(room) or len(rows) > len(room) or rows.shape[1:] != room.shape[1:]:
            raise ValueError(f"the replay buffer's {name} have the shape {rows.shape}, expected {room.shape} at most")


def write(folder: Path, state: dict[str, Any], steps: int) -> Path:
    """Write a checkpoint whole, and forget all but the newest KEPT. Those of later steps are forgotten too: they were not whole."""
    held = io.BytesIO()
    th.save(packed(state), held)
    payload = held.getbuffer()
    digest = hashlib.sha256(payload).hexdigest()
    head = json.dumps({"format": FORMAT, "bytes": len(payload), "sha256": digest, "seal": _seal(digest)})
    path = folder / f"step-{steps:012d}.checkpoint"
    write_whole(path, (head.encode() + b"\n", payload))
    kept = [one for one in found(folder) if one <= path][:KEPT]
    for other in set(found(folder)) - set(kept):
        other.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first."""
    return sorted(folder.glob("step-*.checkpoint"), reverse=True)


def read(path: Path, trust: bool = False) -> dict[str, Any]:
    """The state in a checkpoint; raises BadInput where it is not whole, or not sealed by this user's key and no `trust` is put in it."""
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline(4096))
            wanted, seal = (head["format"], head["bytes"], head["sha256"]), str(head.get("seal", ""))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise BadInput(f"{path}: no checkpoint; expected a first line that says its format, length and checksum") from error
        payload = file.read()
    digest = hashlib.sha256(payload).hexdigest()
    if (is_there := (FORMAT, len(payload), digest)) != wanted:
        raise BadInput(f"{path}: was {is_there}; its first line expected (format, bytes, sha256) {wanted}")
    if not trust and not hmac.compare_digest(seal.encode(), _seal(digest).encode()):
        raise BadInput(
            f"{path}: its seal is not by your key: it was altered, or is another user's or machine's; expected one of your own runs "
            "(TERCET_KEY names the file of a key that moved with it, and --set trust=True takes it as it is)"
        )
    try:
        state = unpacked(th.load(io.BytesIO(payload), weights_only=True, map_location="cpu"))
    except Exception as error:  # whatever torch finds in a file that is none
        reason = str(error).partition("\n")[0][:200]
        raise BadInput(f"{path}: {type(error).__name__}: {reason}; expected the tensors of a checkpoint") from error
    if not isinstance(state, dict):
        raise BadInput(f"{path}: a {type(state).__name__}; expected the state of a run")
    return state


def _seal(digest: str) -> str:
    return hmac.new(own_key(), digest.encode(), hashlib.sha256).hexdigest()


def newest(folder: Path, warn: Callable[[str], Any] = lambda sentence: None, trust: bool = False) -> tuple[Path, dict[str, Any]]:
    """The newest whole checkpoint of a folder; says with `warn` which ones were not. Raises BadInput where there is none."""
    for path in found(folder):
        try:
            return path, read(path, trust)
        except BadInput as fault:
            warn(f"{fault}; taking the one before")
    raise BadInput(f"{folder}: no whole checkpoint; expected step-*.checkpoint of a run")


def packed(value: Any) -> Any:
    """A state in words that torch reads without running code: arrays and bytes become dicts with their KIND."""
    if isinstance(value, dict):
        return {key: packed(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(packed(one) for one in value)
    if isinstance(value, np.ndarray):
        return {KIND: "array", "data": _bytes(value.tobytes()), "dtype": value.dtype.str, "shape": value.shape}
    if isinstance(value, bytes):
        return {KIND: "bytes", "data": _bytes(value)}
    if isinstance(value, np.generic):
        return value.item()
    return value


def unpacked(value: Any) -> Any:
    """What `packed` was given."""
    if isinstance(value, list | tuple):
        return type(value)(unpacked(one) for one in value)
    if not isinstance(value, dict):
        return value
    if KIND not in value:
        return {key: unpacked(one) for key, one in value.items()}
    if value[KIND] == "array":
        return np.frombuffer(bytearray(value["data"].numpy()), np.dtype(value["dtype"])).reshape(value["shape"])
    if value[KIND] == "bytes":
        return value["data"].numpy().tobytes()
    raise ValueError(f"a value of the kind {value[KIND]!r}")


def _bytes(content: bytes) -> th.Tensor:
    return th.from_numpy(np.frombuffer(bytearray(content), np.uint8)) if content else th.empty(0, dtype=th.uint8)
