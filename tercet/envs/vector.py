"""MemberVectorEnv: all members as one Gymnasium vector environment, whose ended members begin anew in the same step."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from tercet.envs.members import Members
from tercet.envs.single import METADATA, MOST_SEED, checked_mode, checked_seed
from tercet.errors import BadInput


class MemberVectorEnv(gym.vector.VectorEnv[NDArray[np.float32], NDArray[Any], NDArray[Any]]):
    """As many environments as `members` has, advanced at once. `infos` are as Gymnasium's SyncVectorEnv gives them in SAME_STEP mode.

    Where `terminated`, the observation is the next episode's first; `infos["final_obs"]` holds the last, `infos["final_info"]` what
    came of the episode.
    """

    def __init__(self, members: Members, render_mode: str | None = None) -> None:
        """One environment for each of the members."""
        self.members, self.num_envs, self.render_mode = members, members.count, checked_mode(render_mode)
        self.metadata = METADATA | {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space, self.single_action_space = deepcopy(members.observation_space), deepcopy(members.actions.space)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._seeded = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the next episode everywhere, or where `options["reset_mask"]` says.

        seed: a number for `seed + i`, or one for each member; who has None goes on with the next episode of the seed it has, and is
        given one at random where it has none.
        """
        super().reset(seed=checked_seed(seed) if isinstance(seed, (int, np.integer)) else None)
        seeds, places = self._seeds(seed), self._places(options)
        if fresh := [place for place in places if seeds[place] is not None or not self._seeded[place]]:
            base = int(self.np_random.integers(MOST_SEED - self.num_envs)) if any(seeds[place] is None for place in fresh) else 0
            chosen = [base + int(place) if (given := seeds[place]) is None else given for place in fresh]
            self.members.seed(np.array(fresh, np.int64), np.array(chosen, np.int64))
            self._seeded[fresh] = True
        self.members.begin(places)
        return self.members.observations.copy(), {}

    def _seeds(self, seed: Any) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)):
            return [checked_seed(int(seed) + i) for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise BadInput(f"seeds were {len(seed)}; expected {self.num_envs}, one for each member")
        return [None if one is None else checked_seed(one) for one in seed]

    def _places(self, options: dict[str, Any] | None) -> NDArray[np.int64]:
        if options is None or "reset_mask" not in options:
            return np.arange(self.num_envs)
        mask = np.asarray(options["reset_mask"])
        if mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise BadInput(f"options['reset_mask'] was {mask}; expected {self.num_envs} booleans, one of them true at least")
        return np.flatnonzero(mask)

    def step(self, actions: Any) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One decision of every member. Raises BadInput before anything has moved where an action is outside the space."""
        if not self._seeded.all():
            raise ResetNeeded(f"member {int(np.argmin(self._seeded))} has no episode; call reset() before step()")
        members = self.members
        members.step(np.asarray(actions))
        ended = members.terminated.copy()
        infos = self._final(ended) if ended.any() else {}
        return members.observations.copy(), members.rewards.copy(), ended, np.zeros(self.num_envs, np.bool_), infos

    def _final(self, ended: NDArray[np.bool_]) -> dict[str, Any]:
        places = np.flatnonzero(ended)
        last = np.full(self.num_envs, None, object)
        for place in places:
            last[place] = self.members.final_observations[place].copy()
        told = [self.members.ended(int(place)) for place in places]
        info: dict[str, NDArray[Any]] = {}
        for name in told[0]:
            info[name], info[f"_{name}"] = np.zeros(self.num_envs), ended.copy()
            info[name][places] = [one[name] for one in told]
        return {"final_obs": last, "_final_obs": ended.copy(), "final_info": info, "_final_info": ended.copy()}

    def action_masks(self) -> NDArray[np.bool_]:
        """(members, actions): what discrete agents may do now."""
        return self.members.masks.copy()

    def render(self) -> tuple[Any, ...] | None:
        """A picture of each member in the mode that the environment was made with."""
        if self.render_mode is None:
            return None
        return tuple(self.members.render(place, self.render_mode) for place in range(self.num_envs))

    def snapshot(self) -> Any:
        """The whole state, to give to `restore`."""
        return self.members.snapshot(), self._seeded.copy()

    def restore(self, state: Any) -> None:
        """Go back to a snapshot of an environment like this one."""
        kept, seeded = state
        self.members.restore(kept)
        self._seeded[:] = seeded
