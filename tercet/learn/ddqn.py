"""DoubleDQN: Stable-Baselines3's DQN for many environments at once.

What differs: the target is that of van Hasselt, Guez & Silver (2016) where `double`; exploration is drawn for each environment, not
once for all of them; a step's batches come from the replay buffer in one go; and where other threads step the members, updates are
made meanwhile, by one thread: of the transitions before that step, however many threads there are.
"""

from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.type_aliases import RolloutReturn
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional

from tercet.envs.execution import ExecutionMembers
from tercet.learn.vecenv import LearnerVecEnv


class DoubleDQN(DQN):
    """DQN whose next action is chosen by the learning network and valued by the target network."""

    def __init__(self, *args: Any, double: bool = True, **options: Any) -> None:
        """`double`: False is the target of Mnih et al. (2015). The rest is DQN's."""
        self.double = double
        self.teacher: Any = None  # who decides before learning starts, instead of chance, in half of the environments
        super().__init__(*args, **options)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[NDArray[Any], Any]:
        """Actions for observations; explores in each environment with probability `exploration_rate` where not deterministic."""
        actions, state = self.policy.predict(observation, state, episode_start, deterministic=True)
        if not deterministic:
            actions = np.array(actions)
            explores = np.random.random(actions.shape) < self.exploration_rate
            actions[explores] = np.random.randint(self.action_space.n, size=int(explores.sum()))  # type: ignore[attr-defined]  # Discrete
        return actions, state

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.num_timesteps < learning_starts:
            actions = np.random.randint(self.action_space.n, size=n_envs)  # type: ignore[attr-defined]  # Discrete
            if self.teacher is not None:
                taught = np.arange(n_envs) % 2 == 0
                masks = np.array(self.env.env_method("action_masks")).reshape(n_envs, -1)  # type: ignore[union-attr]  # set when it learns
                actions = np.where(taught, self.teacher(self._last_obs, masks), actions)
        else:
            actions, _ = self.predict(self._last_obs)
        return actions, actions

    def collect_rollouts(self, env: VecEnv, *args: Any, **options: Any) -> RolloutReturn:
        """DQN's, with the updates in it where they can be made aside."""
        if isinstance(env, LearnerVecEnv) and isinstance(env.members, ExecutionMembers):
            env.meanwhile = self._update_aside
        return super().collect_rollouts(env, *args, **options)

    def _update_aside(self) -> None:
        if self.num_timesteps > self.learning_starts:
            self._update_often(self.gradient_steps, self.batch_size)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """So many updates on batches of transitions drawn anew, where none were made aside."""
        if getattr(self.env, "meanwhile", None) is None:
            self._update_often(gradient_steps, batch_size)

    def _update_often(self, gradient_steps: int, batch_size: int) -> None:
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        drawn = self.replay_buffer.sample(gradient_steps * batch_size)  # type: ignore[union-attr]  # made by _setup_model
        parts = zip(*(part.split(batch_size) for part in drawn[:5]), strict=True)
        losses = [self._update(*part) for part in parts]
        self._n_updates += gradient_steps
        self.logger.record("train/loss", float(th.stack(losses).mean()))

    def _update(self, seen: th.Tensor, actions: th.Tensor, after: th.Tensor, ended: th.Tensor, rewards: th.Tensor) -> th.Tensor:
        with th.no_grad():
            values = self.q_net_target(after)
            best = self.q_net(after).argmax(1, keepdim=True) if self.double else values.argmax(1, keepdim=True)
            targets = rewards + (1.0 - ended) * self.gamma * values.gather(1, best)
        loss = functional.smooth_l1_loss(self.q_net(seen).gather(1, actions.long()), targets)
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
        return loss.detach()
