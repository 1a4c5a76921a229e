"""MemberVecEnv: all members as one Stable-Baselines3 VecEnv, with what its Monitor would tell and sb3-contrib's masks."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from tercet.envs.execution import BrokenStep, ExecutionMembers
from tercet.envs.members import Members
from tercet.envs.vector import MemberVectorEnv
from tercet.errors import BadInput


class MemberVecEnv(VecEnv):
    """As many environments as `members` has, advanced at once; who has ended begins anew in the same step.

    An ended member's info holds `terminal_observation`, `episode` (its reward "r" and length "l") and what came of the episode. The
    infos of the others are empty and made once: read them, write nothing into them.
    """

    def __init__(self, members: Members, render_mode: str | None = None, reward_scale: float = 1.0) -> None:
        """One environment for each of the members. A learner is told rewards times `reward_scale`; infos tell them as they are."""
        self.members, self.render_mode, self.reward_scale = members, render_mode, np.float32(reward_scale)
        self._face = MemberVectorEnv(members, render_mode)
        super().__init__(members.count, self._face.single_observation_space, self._face.single_action_space)
        self._empty: list[dict[str, Any]] = [{} for _ in range(members.count)]
        self._returns, self._lengths = np.zeros(members.count), np.zeros(members.count, np.int64)
        self._chosen: NDArray[Any] = np.zeros(0)

    def seed_members(self, first: int) -> None:
        """Let member i's next episode be the first of seed `first` + i."""
        self._seeds = [first + place for place in range(self.num_envs)]

    def reset(self) -> NDArray[np.float32]:
        """Begin the next episode everywhere, with the seeds of `seed` where there are new ones."""
        observations, _ = self._face.reset(seed=self._seeds)
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = 0.0, 0
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._chosen = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """One decision of every member. Raises BadInput before anything has moved where an action is outside the space."""
        members = self.members
        try:
            self._step_members()
        except BrokenStep as fault:
            self._count()
            anew = members.terminated.copy()
            anew[fault.places] = True
            self._returns[anew], self._lengths[anew] = 0.0, 0
            raise
        self._count()
        ended = members.terminated.copy()
        infos = self._infos(ended)
        self._returns[ended], self._lengths[ended] = 0.0, 0
        return members.observations.copy(), members.rewards.astype(np.float32) * self.reward_scale, ended, infos

    def _step_members(self) -> None:
        self.members.step(self._chosen)

    def _count(self) -> None:
        self._returns += self.members.rewards
        self._lengths += 1

    def _infos(self, ended: NDArray[np.bool_]) -> list[dict[str, Any]]:
        infos = list(self._empty)
        for place in np.flatnonzero(ended):
            infos[place] = self._ended(int(place))
        return infos

    def _ended(self, place: int) -> dict[str, Any]:
        episode = {"r": float(self._returns[place]), "l": int(self._lengths[place])}
        last = self.members.final_observations[place].copy()
        return {**self.members.ended(place), "episode": episode, "terminal_observation": last, "TimeLimit.truncated": False}

    def action_masks(self) -> NDArray[np.bool_]:
        """(members, actions): what discrete agents may do now."""
        return self.members.masks.copy()

    def get_images(self) -> Sequence[Any]:
        """A picture of each member."""
        return [self.members.render(place, "rgb_array") for place in range(self.num_envs)]

    def close(self) -> None:
        """Nothing is held open."""

    def snapshot(self) -> Any:
        """The whole state, to give to `restore`."""
        return self._face.snapshot(), self._returns.copy(), self._lengths.copy(), list(self._seeds)

    def restore(self, state: Any) -> None:
        """Go back to a snapshot of environments like these."""
        face, returns, lengths, self._seeds = state
        self._face.restore(face)
        self._returns[:], self._lengths[:] = returns, lengths

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """What a method of each member returns: `action_masks`, `render` or `ended`."""
        return [method(*method_args, **method_kwargs) for method in self.get_attr(method_name, indices)]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """A method of each member, or an attribute, which all of them share."""
        places = list(self._get_indices(indices))
        if attr_name in ("action_masks", "render", "ended"):
            return [partial(getattr(self, f"_{attr_name}_of"), place) for place in places]
        return [getattr(self, attr_name)] * len(places)

    def _action_masks_of(self, place: int) -> NDArray[np.bool_]:
        masks: NDArray[np.bool_] = self.members.masks[place].copy()
        return masks

    def _render_of(self, place: int) -> Any:
        return None if self.render_mode is None else self.members.render(place, self.render_mode)

    def _ended_of(self, place: int) -> dict[str, float]:
        return self.members.ended(place)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of all members, which share it."""
        if len(set(self._get_indices(indices))) != self.num_envs:
            raise BadInput(f"{attr_name} was to be set for members {indices}; expected all of them, who share it")
        setattr(self, attr_name, value)

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """No wrapper is there, but infos tell of episodes as Monitor's do."""
        return [issubclass(Monitor, wrapper_class)] * len(list(self._get_indices(indices)))


class LearnerVecEnv(MemberVecEnv):
    """The same for learners of `agents`, which hear nothing of infos: all stay empty. Masks come as the list of one array for all.

    meanwhile: what the learner does during a step of members that other threads work on; None: it waits.
    """

    meanwhile: Callable[[], None] | None = None

    def _step_members(self) -> None:
        members = self.members
        if self.meanwhile is None or not isinstance(members, ExecutionMembers):
            return super()._step_members()
        members.start(members.whole, self._chosen)
        try:
            self.meanwhile()
        finally:
            members.finish(members.whole)

    def _infos(self, ended: NDArray[np.bool_]) -> list[dict[str, Any]]:
        return self._empty

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """As everywhere, but for masks: sb3-contrib stacks the list of them in each step, which takes a twentieth of PPO's time."""
        if method_name == "action_masks" and indices is None:
            return [self.action_masks()]
        return super().env_method(method_name, *method_args, indices=indices, **method_kwargs)
