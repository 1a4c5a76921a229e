"""The learners by name, made of Stable-Baselines3's for many environments at once."""

import math
from typing import Any

import stable_baselines3
import torch as th
from sb3_contrib import MaskablePPO
from stable_baselines3.common.base_class import BaseAlgorithm

from tercet.cores import cores
from tercet.errors import BadInput
from tercet.learn.collect import ByHalves
from tercet.learn.ddqn import DoubleDQN
from tercet.learn.masked import OpenMovesPolicy, TensorRollout
from tercet.learn.settings import DDQN, DQN, PPO, PPO_CONTINUOUS, TrainSettings
from tercet.learn.vecenv import MemberVecEnv
from tercet.memory import keep_memory


class Untold:
    """A learner that keeps no list of the episodes that infos tell of: it would look at each of a thousand environments in each step."""

    def _update_info_buffer(self, infos: Any, dones: Any = None) -> None: ...


class MaskedPPO(Untold, ByHalves, MaskablePPO):
    """PPO that chooses among open moves."""


class ContinuousPPO(Untold, ByHalves, stable_baselines3.PPO):
    """PPO with continuous actions."""


class ManyDQN(Untold, DoubleDQN):
    """DQN or Double DQN."""


ADAM = {"fused": True}  # one kernel for all weights
ACTIVATIONS = {"relu": th.nn.ReLU, "tanh": th.nn.Tanh}


def new_agent(settings: TrainSettings, envs: MemberVecEnv) -> BaseAlgorithm:
    """A learner with fresh weights. Episodes have an end that the observation knows: nothing is discounted, no end is a truncation."""
    th.distributions.Distribution.set_default_validate_args(False)  # a tenth of PPO's time; weights are checked
    th.set_num_threads(threads_of(settings))
    keep_memory()
    if settings.device == "cuda" and not th.cuda.is_available():
        raise BadInput("device was cuda, and there is none; expected auto or cpu")
    # PPO updates after a rollout, when what remains is already less by it, and the last one may go beyond the last step.
    once = settings.envs * settings.rollout / settings.steps if settings.algo in (PPO, PPO_CONTINUOUS) else 0.0
    shared: dict[str, Any] = {
        "learning_rate": lambda remaining: settings.learning_rate * min(1.0, max(remaining, 0.0) + once),
        "gamma": 1.0,
        "seed": settings.seed,
        "device": settings.device if settings.device != "auto" or th.cuda.is_available() else "cpu",
    }
    network = {"net_arch": list(settings.hidden), "activation_fn": ACTIVATIONS[settings.activation], "optimizer_kwargs": dict(ADAM)}
    if settings.algo in (DQN, DDQN):
        return _dqn(settings, envs, shared, network)
    if settings.algo in (PPO, PPO_CONTINUOUS):
        return _ppo(settings, envs, shared, network)
    raise BadInput(f"algo was {settings.algo!r}; expected one that has a network")


def threads_of(settings: TrainSettings) -> int:
    """Threads of a network's updates."""
    return settings.threads or cores()


def _ppo(settings: TrainSettings, envs: MemberVecEnv, shared: dict[str, Any], network: dict[str, Any]) -> BaseAlgorithm:
    if settings.envs * settings.rollout % settings.minibatch != 0 and settings.envs * settings.rollout > settings.minibatch:
        raise BadInput(f"minibatch was {settings.minibatch}; expected a divisor of envs × rollout, {settings.envs * settings.rollout}")
    shared |= {
        "n_steps": settings.rollout,
        "batch_size": min(settings.minibatch, settings.envs * settings.rollout),
        "n_epochs": settings.epochs,
        "gae_lambda": settings.gae_lambda,
        "clip_range": settings.clip,
        "ent_coef": settings.entropy,
    }
    network["optimizer_kwargs"]["eps"] = 1e-5  # Stable-Baselines3's for PPO
    if settings.algo == PPO:
        return MaskedPPO(OpenMovesPolicy, envs, rollout_buffer_class=TensorRollout, policy_kwargs=network, **shared)
    network["log_std_init"] = math.log(settings.deviation)
    return ContinuousPPO("MlpPolicy", envs, policy_kwargs=network, **shared)


def _dqn(settings: TrainSettings, envs: MemberVecEnv, shared: dict[str, Any], network: dict[str, Any]) -> BaseAlgorithm:
    first, last = settings.explore
    return ManyDQN(
        "MlpPolicy",
        envs,
        double=settings.algo == DDQN,
        buffer_size=settings.buffer,
        batch_size=settings.batch,
        train_freq=1,
        gradient_steps=settings.updates,
        learning_starts=settings.warmup * settings.envs,
        tau=settings.target,
        target_update_interval=settings.envs,
        exploration_initial_eps=first,
        exploration_final_eps=last,
        exploration_fraction=settings.explore_share,
        n_steps=settings.n_step,
        replay_buffer_kwargs={"handle_timeout_termination": False},
        policy_kwargs=network,
        **shared,
    )
