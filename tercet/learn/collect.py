"""Rollouts collected by halves: while a learner chooses for one half of the members, the other cores step the other half.

Each member meets what it would meet if all were stepped at once, and how many cores there are changes nothing of what is learned.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from tercet.envs.execution import ExecutionMembers
from tercet.envs.part import Part
from tercet.learn.vecenv import LearnerVecEnv


class ByHalves(OnPolicyAlgorithm):
    """Stable-Baselines3's and sb3-contrib's collection, by halves where the members have any."""

    _last_episode_starts: Any

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int, *masking: Any) -> bool:
        """Fill the buffer; False where the callback has put an end to it."""
        if not isinstance(env, LearnerVecEnv) or not isinstance(env.members, ExecutionMembers):
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps, *masking)
        members = env.members
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        try:
            for step in range(n_rollout_steps):
                for half in members.halves:
                    self._end_step(env, members, half, rollout_buffer, step - 1)
                    self._start_step(members, half, rollout_buffer, step)
                self.num_timesteps += env.num_envs
                if not callback.on_step():
                    return False
            for half in members.halves:
                self._end_step(env, members, half, rollout_buffer, n_rollout_steps - 1)
        finally:
            for half in members.halves:
                half.finish()
        self._conclude(members, rollout_buffer)
        callback.on_rollout_end()
        return True

    @th.no_grad()
    def _start_step(self, members: ExecutionMembers, half: Part, buffer: Any, step: int) -> None:
        rows, masks = (step, half.rows), members.masks[half.rows]
        buffer.observations[rows] = members.observations[half.rows]
        buffer.episode_starts[rows] = self._last_episode_starts[half.rows]
        options = {}
        if isinstance(self, MaskablePPO):
            buffer.action_masks[rows] = masks
            options["action_masks"] = masks
        chosen, values, log_likely = self.policy(obs_as_tensor(buffer.observations[rows], self.device), **options)
        actions, space = chosen.cpu().numpy(), self.action_space
        members.start(half, actions.clip(space.low, space.high) if isinstance(space, gym.spaces.Box) else actions)
        buffer.actions[rows] = actions.reshape(len(actions), -1)
        buffer.values[rows] = values.cpu().numpy().flatten()
        buffer.log_probs[rows] = log_likely.cpu().numpy()

    def _end_step(self, env: LearnerVecEnv, members: ExecutionMembers, half: Part, buffer: Any, step: int) -> None:
        if step < 0:
            return
        members.finish(half)
        buffer.rewards[step, half.rows] = members.rewards[half.rows].astype(np.float32) * env.reward_scale
        self._last_episode_starts[half.rows] = members.terminated[half.rows]

    @th.no_grad()
    def _conclude(self, members: ExecutionMembers, buffer: Any) -> None:
        self._last_obs = members.observations.copy()
        values = self.policy.predict_values(obs_as_tensor(self._last_obs, self.device))
        buffer.pos, buffer.full = buffer.buffer_size, True
        buffer.compute_returns_and_advantage(values, self._last_episode_starts)
