"""Checkpoints: all that a run needs to go on as if it had never stopped, in one file that is whole or not there.

A file is a line of JSON (format, length, SHA-256) and the bytes that it speaks of. The newest two are kept, so that one which the
machine lost while writing falls back to the one before.
"""

import hashlib
import io
import json
import os
import random
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from tercet.errors import BadInput
from tercet.learn.vecenv import MemberVecEnv

FORMAT: Final = 1
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
    "teacher",
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
)


def state_of(agent: BaseAlgorithm, envs: MemberVecEnv) -> dict[str, Any]:
    """Weights, optimiser, counters, random states, replay buffer and simulations, between two steps."""
    state = {
        "policy": agent.policy.state_dict(),
        "optimizer": agent.policy.optimizer.state_dict(),
        "counted": {name: getattr(agent, name) for name in COUNTED if hasattr(agent, name)},
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


def restore(agent: BaseAlgorithm, envs: MemberVecEnv, state: dict[str, Any]) -> None:
    """Bring a fresh learner and fresh environments, made of the same settings, to where the state was taken."""
    envs.restore(state["envs"])
    agent.policy.load_state_dict(state["policy"])
    agent.policy.optimizer.load_state_dict(state["optimizer"])
    for name, value in state["counted"].items():
        setattr(agent, name, value)
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


def write(folder: Path, state: dict[str, Any], steps: int) -> Path:
    """Write a checkpoint whole, and forget all but the newest KEPT. Those of later steps are forgotten too: they were not whole."""
    folder.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    th.save(state, held)
    payload = held.getbuffer()
    head = json.dumps({"format": FORMAT, "bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()})
    path, hidden = folder / f"step-{steps:012d}.checkpoint", folder / ".unfinished"
    with hidden.open("wb") as file:
        file.write(head.encode() + b"\n")
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)
    kept = [one for one in found(folder) if one <= path][:KEPT]
    for other in set(found(folder)) - set(kept):
        other.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first."""
    return sorted(folder.glob("step-*.checkpoint"), reverse=True)


def read(path: Path) -> dict[str, Any]:
    """The state in a checkpoint; raises BadInput where it is not whole. It is a pickle: read no stranger's."""
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline(4096))
            wanted = (head["format"], head["bytes"], head["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path}: no checkpoint; expected a first line that says its format, length and checksum") from error
        payload = file.read()
    if (is_there := (FORMAT, len(payload), hashlib.sha256(payload).hexdigest())) != wanted:
        raise BadInput(f"{path}: was {is_there}; its first line expected (format, bytes, sha256) {wanted}")
    state: dict[str, Any] = th.load(io.BytesIO(payload), weights_only=False, map_location="cpu")
    return state


def newest(folder: Path, warn: Any = lambda sentence: None) -> tuple[Path, dict[str, Any]]:
    """The newest whole checkpoint of a folder; says with `warn` which ones were not. Raises BadInput where there is none."""
    for path in found(folder):
        try:
            return path, read(path)
        except BadInput as fault:
            warn(f"{fault}; taking the one before")
    raise BadInput(f"{folder}: no whole checkpoint; expected step-*.checkpoint of a run")
