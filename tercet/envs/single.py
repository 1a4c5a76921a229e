"""MemberEnv: one member as a Gymnasium environment, bit for bit what a member of the same seed is in a batch."""

from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from tercet.envs.execution import BrokenStep
from tercet.envs.members import Members
from tercet.errors import BadInput

RENDER_MODES = ("rgb_array", "ansi")
METADATA: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 10}
MOST_SEED = 2**62
ONLY = np.zeros(1, np.int64)  # the only member's place


def checked_mode(mode: str | None) -> str | None:
    """A render mode that there is, or None; raises BadInput."""
    if mode is not None and mode not in RENDER_MODES:
        raise BadInput(f"render_mode was {mode!r}; expected {', '.join(RENDER_MODES)} or none")
    return mode


def checked_seed(seed: Any) -> int:
    """A seed that members can have; raises BadInput."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < MOST_SEED:
        raise BadInput(f"seed was {seed!r}; expected a whole number from 0 to {MOST_SEED - 1}")
    return int(seed)


class MemberEnv(gym.Env[NDArray[np.float32], Any]):
    """One parent after another. An episode ends by `terminated` at its horizon, never by `truncated`; its last info says what came of it.

    Members begin anew in the step that ends an episode. Here the next one waits unseen until `reset`.
    """

    metadata = METADATA

    def __init__(self, members: Members, render_mode: str | None = None) -> None:
        """`members` of count 1."""
        if members.count != 1:
            raise BadInput(f"members were {members.count}; expected 1 for a single environment")
        self.members, self.render_mode = members, checked_mode(render_mode)
        # Action spaces are shared by all that use them, but a space's random stream is an environment's own.
        self.observation_space, self.action_space = deepcopy(members.observation_space), deepcopy(members.actions.space)
        self._seeded = self._going = self._waiting = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The next episode; with a seed the first one of that seed. Without any seed yet, one is drawn."""
        super().reset(seed=None if seed is None else checked_seed(seed))
        if seed is not None or not self._seeded:
            chosen = int(self.np_random.integers(MOST_SEED)) if seed is None else seed
            self.members.seed(ONLY, np.array([chosen]))
            self._seeded, self._waiting = True, False
        if not self._waiting:
            self.members.begin(ONLY)
        elif self.render_mode:  # members show what has ended until their next step: show what has begun instead
            self.members.terminated[:] = False
            self.members.restore(self.members.snapshot())
        self._going, self._waiting = True, False
        return self.members.observations[0].copy(), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """One decision. Raises ResetNeeded where no episode is going on, BadInput where the action is outside the space."""
        if not self._going:
            raise ResetNeeded("the episode has ended, or none has begun; call reset() before step()")
        try:
            self.members.step(np.asarray(action)[None])
        except BrokenStep:
            self._end()
            raise
        reward = float(self.members.rewards[0])
        if not self.members.terminated[0]:
            return self.members.observations[0].copy(), reward, False, False, {}
        self._end()
        return self.members.final_observations[0].copy(), reward, True, False, self.members.ended(0)

    def _end(self) -> None:
        self._going, self._waiting = False, True

    def action_masks(self) -> NDArray[np.bool_]:
        """(actions,): what a discrete agent may do now, as sb3-contrib asks for it."""
        masks: NDArray[np.bool_] = self.members.masks[0].copy()
        return masks

    def render(self) -> Any:
        """A picture in the mode that the environment was made with; after the end, of the episode that ended."""
        if self.render_mode is None:
            return None
        return self.members.render(0, self.render_mode)

    def snapshot(self) -> Any:
        """The whole state, to give to `restore`."""
        return self.members.snapshot(), self._seeded, self._going, self._waiting

    def restore(self, state: Any) -> None:
        """Go back to a snapshot of an environment like this one."""
        kept, *flags = state
        self.members.restore(kept)
        self._seeded, self._going, self._waiting = flags
