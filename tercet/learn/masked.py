"""PPO among open moves for a thousand environments at once: sb3-contrib's, with less work where it spends a fifth of its time.

A masked distribution is normalised once instead of three times, and a rollout is shuffled as tensors that share its memory.
"""

from collections.abc import Generator
from typing import Any

import numpy as np
import torch as th
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer, MaskableRolloutBufferSamples
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution, MaybeMasks
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy

CLOSED = -1e8  # the logit of a closed move: sb3-contrib's
LEAST = -80.0  # exp of less is no normal float, and takes four times as long


class OpenMoves(MaskableCategoricalDistribution):
    """Probabilities of moves, nothing for the closed ones."""

    _logits: th.Tensor
    _log_likely: th.Tensor | None

    def proba_distribution(self, action_logits: th.Tensor) -> "OpenMoves":
        """All moves open."""
        self._logits, self._log_likely = action_logits, None
        return self

    def apply_masking(self, masks: MaybeMasks) -> None:
        """Close the moves whose mask is False."""
        if masks is not None:
            closed = ~th.as_tensor(masks, dtype=th.bool, device=self._logits.device).reshape(self._logits.shape)
            self._logits, self._log_likely = self._logits.masked_fill(closed, CLOSED), None

    @property
    def log_likely(self) -> th.Tensor:
        """(members, moves): logarithms of probabilities."""
        if self._log_likely is None:
            self._log_likely = th.log_softmax(self._logits, dim=1)
        return self._log_likely

    def log_prob(self, actions: th.Tensor) -> th.Tensor:
        """Logarithms of the probabilities of those moves."""
        return self.log_likely.gather(1, actions.long().reshape(-1, 1)).flatten()

    def entropy(self) -> th.Tensor:
        """In nats."""
        return -(self.log_likely.clamp_min(LEAST).exp() * self.log_likely).sum(1)

    def sample(self) -> th.Tensor:
        """A move of each member: the largest of logits with noise of a Gumbel law is one of the softmax."""
        return (self._logits - th.empty_like(self._logits).exponential_().log_()).argmax(1)

    def mode(self) -> th.Tensor:
        """The likeliest move of each member."""
        return self._logits.argmax(1)


class OpenMovesPolicy(MaskableActorCriticPolicy):
    """sb3-contrib's policy with that distribution."""

    def _build(self, lr_schedule: Any) -> None:
        self.action_dist = OpenMoves(int(self.action_space.n))  # type: ignore[attr-defined]  # Discrete
        super()._build(lr_schedule)


class TensorRollout(MaskableRolloutBuffer):
    """A rollout whose minibatches are drawn by torch."""

    def get(self, batch_size: int | None = None) -> Generator[Any, None, None]:
        """MaskableRolloutBufferSamples that go once through the rollout in an order drawn anew."""
        count = self.buffer_size * self.n_envs
        parts = (self.observations, self.actions, self.values, self.log_probs, self.advantages, self.returns, self.action_masks)
        tensors = [th.as_tensor(part, device=self.device).reshape(count, *part.shape[2:]) for part in parts]
        order = th.as_tensor(np.random.permutation(count), device=self.device)
        for rows in th.split(order, batch_size or count):
            yield MaskableRolloutBufferSamples(*(tensor[rows] for tensor in tensors))
