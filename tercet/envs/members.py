"""MEMBERS: many episodes side by side, advanced by compiled code. Both Gymnasium faces and the learners' drive one of these.

A member has a seed; everything random in its episodes is keyed by it and by the episode's number, never by its place in the batch,
so that member i of a batch is bit for bit the only member of a batch of one with the same seed.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from tercet.compiled import reference, referred
from tercet.errors import BadInput
from tercet.execution.policy import Policy


@dataclass(frozen=True)
class Actions:
    """What an agent may do: a Gymnasium space, and the compiled `decide(view, pad)` that turns `pad.action` into children.

    A policy is a space with a single action: whatever trades by `decide` works an environment unchanged (`of_policy`).
    """

    name: str
    space: gym.Space[Any]
    decide: Any
    settings: tuple[float, ...] = ()
    policy: Policy | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of_policy(cls, policy: Policy) -> "Actions":
        """The space of one action, "go on", in which that policy decides."""
        return cls(policy.name, gym.spaces.Discrete(1), policy.decide, policy.settings, policy)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Actions":
        """Itself: it does not change."""
        return self

    def __reduce__(self) -> Any:
        """How it is pickled."""
        if self.policy is not None:
            return Actions.of_policy, (self.policy,)
        return _unpickled, (self.name, self.space, reference(self.decide), self.settings)

    def refuse_index(self, error: IndexError) -> BadInput:
        """The error for an index outside its array in a user's policy or reward; raises one that names the line, where it is known."""
        if self.policy is not None:
            self.policy.check()
        return BadInput(f"{self.name} or the reward: {error}; expected places that there are; members must begin anew (see Policy.check)")


def _unpickled(name: str, space: gym.Space[Any], decide: Any, settings: tuple[float, ...]) -> Actions:
    return Actions(name, space, referred(decide), settings)


class Members(Protocol):
    """What a face needs. Arrays are the members' own and are written again by the next call: copy what must last."""

    count: int
    observation_space: gym.spaces.Box[np.float32]  # of one member
    actions: Actions
    observations: NDArray[np.float32]  # (count, features)
    rewards: NDArray[np.float64]  # (count,)
    terminated: NDArray[np.bool_]  # (count,): the episode ended in this step, and the observation is the next one's first
    final_observations: NDArray[np.float32]  # (count, features); rows where `terminated`
    masks: NDArray[np.bool_]  # (count, actions): what a discrete agent may do now

    def seed(self, places: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Give those members new seeds; their next episode is their first."""

    def begin(self, places: NDArray[np.int64]) -> None:
        """Begin the next episode of those members: fills `observations` and `masks` there."""

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every member, (count,) or (count, dimensions); who has ended begins anew. Raises before anything has moved
        where an action is outside the space.
        """

    def ended(self, place: int) -> dict[str, float]:
        """What came of the episode that a member ended last, by name (`is_bps` and its parts)."""

    def render(self, place: int, mode: str) -> Any:
        """A picture of a member's episode: "rgb_array" an (height, width, 3) uint8 array, "ansi" text."""

    def snapshot(self) -> Any:
        """The whole state, to give to `restore`."""

    def restore(self, state: Any) -> None:
        """Go back to a snapshot of members like these."""
