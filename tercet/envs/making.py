"""Members and environments from an id's settings: what `gymnasium.make` and `make_vec` call."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import gymnasium as gym

from tercet.backtest.markets import history_market
from tercet.envs.actions import actions_of
from tercet.envs.execution import EnvSettings, ExecutionMembers, with_changes
from tercet.envs.made import made_market
from tercet.envs.members import Actions, Members
from tercet.envs.single import METADATA, MemberEnv
from tercet.envs.vector import MemberVectorEnv
from tercet.envs.worldmembers import WorldMembers, share_actions, unit_actions
from tercet.envs.worlds import AlmgrenChriss, Martingale, PlantedSignal, World
from tercet.errors import BadInput
from tercet.execution.policy import Policy
from tercet.execution.schedules import POLICIES
from tercet.market.store import open_day

WORLDS: Final[dict[str, type[World]]] = {world.__name__: world for world in (AlmgrenChriss, Martingale, PlantedSignal)}


def make_members(id: str, count: int, rendered: bool = False, **settings: Any) -> Members:
    """`count` members of the environment registered as `id`, with some of its settings changed. rendered: they can be drawn."""
    return members_of(count, rendered, **gym.spec(id).kwargs | settings)


def members_of(count: int, rendered: bool = False, *, world: str | None = None, day: str | Path | None = None, **settings: Any) -> Members:
    """Members of a world by name, of a recorded day ("": one that the project makes), or else of the market in `settings`.

    Raises BadInput naming a setting that there is not.
    """
    try:
        if world is not None:
            return world_members(world, count, settings)
        if day is not None:
            return day_members(day, count, rendered, settings)
        return ExecutionMembers(with_changes(EnvSettings(), **settings), count, rendered=rendered)
    except (TypeError, ValueError) as error:  # a number where a pair was expected, and the like
        raise BadInput(f"settings were {settings}; {error}") from error


def day_members(day: str | Path, count: int, rendered: bool, settings: dict[str, Any]) -> ExecutionMembers:
    """Members that trade on a recorded day."""
    if "market" in settings:
        raise BadInput(f"market was {settings['market']!r} beside a recorded day; expected only `day`, a stored day's folder")
    chosen = with_changes(EnvSettings(), **settings)
    market = history_market(open_day(Path(day)), chosen.accept_bad_day) if str(day) else made_market()
    return ExecutionMembers(replace(chosen, market=market.name), count, (market,), rendered)


def world_members(name: str, count: int, settings: dict[str, Any]) -> WorldMembers:
    """Members of a bookless world."""
    if name not in WORLDS:
        raise BadInput(f"world was {name!r}; expected one of {', '.join(WORLDS)}")
    known = (*(part.name for part in fields(WORLDS[name])), "actions")
    if unknown := sorted(set(settings) - set(known)):
        raise BadInput(f"no setting of {name} is called {unknown[0]!r}; expected {', '.join(known)}")
    world = WORLDS[name](**{key: value for key, value in settings.items() if key != "actions"})
    return WorldMembers(world, count, world_actions(world, settings.get("actions", "share")))


def world_actions(world: World, what: str | Actions | Policy) -> Actions:
    """A world's action spaces by name; a policy or its name; or as they are."""
    if what == "share":
        return share_actions()
    if what == "units":
        return unit_actions(world)
    if isinstance(what, str) and what not in POLICIES:
        raise BadInput(f"actions was {what!r}; expected share, units or a policy: {' '.join(POLICIES)}")
    return actions_of(what)


class _Door:
    """`make_env`, with what Gymnasium asks of an entry point: the modes in which it can draw."""

    metadata = METADATA

    def __call__(self, render_mode: str | None = None, **settings: Any) -> MemberEnv:
        """The entry point of `gymnasium.make`: one member."""
        return MemberEnv(members_of(1, render_mode is not None, **settings), render_mode)


make_env = _Door()


def make_vector_env(num_envs: int = 1, render_mode: str | None = None, **settings: Any) -> MemberVectorEnv:
    """The entry point of `gymnasium.make_vec`: a batch."""
    return MemberVectorEnv(members_of(num_envs, render_mode is not None, **settings), render_mode)
