"""The action spaces by name, and any policy as a space of one action."""

import gymnasium as gym
import numpy as np

from tercet.envs.members import Actions
from tercet.errors import BadInput
from tercet.execution.moves import DISCRETE, PRICE_LEVEL, PRICE_LEVELS, SHARES, WHERE, continuous, discrete, price_level
from tercet.execution.policy import Policy
from tercet.execution.schedules import POLICIES, by_name

MASKS = {"discrete": DISCRETE, "price-level": PRICE_LEVEL}


def _spaces() -> dict[str, Actions]:
    box = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    return {
        "discrete": Actions("discrete", gym.spaces.Discrete(1 + 3 * len(WHERE)), discrete, SHARES),
        "continuous": Actions("continuous", box, continuous),
        "price-level": Actions("price-level", gym.spaces.Discrete(PRICE_LEVELS), price_level),
    }


ACTIONS = _spaces()


def actions_of(what: str | Actions | Policy) -> Actions:
    """Action spaces by name, a policy, its name or its file (a space of one action in which it decides), or as they are."""
    if isinstance(what, Actions):
        return what
    if isinstance(what, Policy):
        return Actions.of_policy(what)
    if what in ACTIONS:
        return ACTIONS[what]
    if what in POLICIES:
        return Actions.of_policy(by_name(what))
    from tercet.execution.learned import find_policy, is_path  # noqa: PLC0415  # it compiles for seconds what only a file needs

    if is_path(what):
        return Actions.of_policy(find_policy(what))
    raise BadInput(f"actions was {what!r}; expected one of {', '.join(ACTIONS)} or a policy: {' '.join(POLICIES)}, or the path of a file")


def mask_of(actions: Actions) -> int:
    """Which masks hold: those of a named action space; none for a policy, whatever its name."""
    known = ACTIONS.get(actions.name)
    return MASKS.get(actions.name, 0) if known is not None and known.space == actions.space else 0
