"""WorldMembers: many members that trade in a world, and the actions that agents have there."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from tercet.envs import worldsteps
from tercet.envs.members import Actions
from tercet.envs.worlds import World
from tercet.errors import BadInput
from tercet.execution.policy import ACTION, DECIDE
from tercet.intrinsics import address_of


def share_actions() -> Actions:
    """A continuous agent's: a number in [-1, 1] is the share of what is left that trades now, from none to all."""
    return Actions("share", gym.spaces.Box(-1.0, 1.0, (1,), np.float32), worldsteps.trade_share)


def unit_actions(world: World) -> Actions:
    """A discrete agent's: how many units of the world's grid trade now."""
    return Actions("units", gym.spaces.Discrete(world.most_units + 1), worldsteps.trade_units, (world.lots / world.units,))


def pace_actions() -> Actions:
    """A continuous agent's: a number in [-1, 1] is the pace of what is left, from none over the even one (0) to five times that."""
    return Actions("pace", gym.spaces.Box(-1.0, 1.0, (1,), np.float32), worldsteps.trade_pace)


def grid_actions() -> Actions:
    """A discrete agent's: none, or half to four times the even pace of what is left (`worldsteps.PACES`)."""
    return Actions("grid", gym.spaces.Discrete(len(worldsteps.PACES)), worldsteps.trade_grid)


class WorldMembers:
    """Members that trade in a world, by any Actions. Member i's first seed is i.

    `feature_names` names the observation's columns. Raises BadInput for what no agent, seed or place can be.
    """

    def __init__(self, world: World, count: int, actions: Actions | None = None) -> None:
        """`actions` are shares of what is left where none are given."""
        if count < 1:
            raise BadInput(f"members: count was {count}; expected 1 or more")
        self.world, self.count, self.actions = world, count, share_actions() if actions is None else actions
        self.feature_names = tuple(name for name, _ in world.features)
        bounds = [(0.0, 1.0), (0.0, 1.0), (-worldsteps.CLIP, worldsteps.CLIP)][: len(world.features)]
        low, high = np.array(bounds, np.float32).T
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float32)
        self._choices, self._width = _sizes(self.actions)
        self._record = world.record()
        self._record.unit = self.actions.settings[0] if self.actions.decide is worldsteps.trade_units else 0
        self._members = worldsteps.new_members(count)
        self._members.seed = np.arange(count)
        self._set_pads()
        self._chosen = worldsteps.new_actions(count)
        self._begin, self._step = worldsteps.machine()
        self._decide_at = address_of(self.actions.decide, DECIDE)
        self.observations = np.zeros((count, len(bounds)), np.float32)
        self.final_observations = np.zeros_like(self.observations)
        self.rewards = np.zeros(count)
        self.terminated = np.zeros(count, np.bool_)
        self.masks = np.zeros((count, self._choices), np.bool_)
        self._paths = np.zeros((count, world.steps + 1), np.int64)
        self._last_paths = np.zeros_like(self._paths)

    def seed(self, places: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Give those members new seeds; their next episode is their first."""
        where, given = self._places(places), np.atleast_1d(np.asarray(seeds))
        if given.shape != where.shape or given.dtype.kind not in "iu":
            raise BadInput(f"members: seeds were {seeds!r}; expected {len(where)} whole numbers")
        self._members.seed[where] = given
        self._members.episode[where] = -1
        self._members.step[where] = -1

    def begin(self, places: NDArray[np.int64]) -> None:
        """Begin the next episode of those members: fills `observations` and `masks` there."""
        where = self._places(places)
        self.terminated[where] = False
        with np.errstate(over="ignore"):  # keys wrap around; this is for uncompiled runs, which warn of it
            self._begin(self._record, self._members, where, self.observations, self.masks, self._paths)

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every member; who has ended begins anew. Raises before anything has moved where an action is outside the space."""
        if (self._members.step < 0).any():
            raise BadInput(f"members: member {int(np.argmin(self._members.step))} has no episode; begin it first")
        self._chosen[:, : self._width] = self._accept(actions)
        written = (self.observations, self.rewards, self.terminated, self.final_observations, self.masks, self._paths, self._last_paths)
        try:
            with np.errstate(over="ignore"):
                self._step(self._record, self._members, self._decide_at, self._chosen, *written)
        except IndexError as error:  # a user's code runs with bounds checks
            raise self.actions.refuse_index(error) from error

    def ended(self, place: int) -> dict[str, float]:
        """What came of the episode that a member ended last, in bps against arrival.

        is_bps = fixed_bps + impact_bps + signal_bps + noise_bps, from the prices paid. utility = impact_bps + risk_bps + signal_bps,
        with fixed_bps where the world's rewards hold it. reward, the sum of the rewards, is -utility, less noise_bps where they hold it,
        and less the same of TWAP where they are paired.
        """
        row = self._members.view(np.ndarray)["ended"][self._ended_place(place)]
        sums = dict(zip(worldsteps.SUMS.names or (), row.item(), strict=True))
        bps = self.world.bps
        parts = {f"{name}_bps": sums[name] * bps for name in ("fixed", "impact", "risk", "signal", "noise")}
        utility = parts["impact_bps"] + parts["risk_bps"] + parts["signal_bps"] + self.world.charged * parts["fixed_bps"]
        return {"is_bps": sums["cost"] * bps, "utility": utility, "reward": sums["reward"], **parts, "cut_decisions": float(sums["cut"])}

    def path(self, place: int) -> NDArray[np.int64]:
        """The inventory path, in lots, of the episode that a member ended last."""
        path: NDArray[np.int64] = self._last_paths[self._ended_place(place)].copy()
        return path

    def render(self, place: int, mode: str) -> Any:
        """The inventory path of a member's episode: "rgb_array" a picture, "ansi" a line of text. One that has ended is shown
        until the next step or `begin`.
        """
        where = int(self._places(np.array([place]))[0])
        member, ended = self._members[where], bool(self.terminated[where])
        if mode == "rgb_array":
            return _picture(self._last_paths[where] if ended else self._paths[where, : max(int(member.step), 0) + 1], self.world)
        if mode != "ansi":
            raise BadInput(f"render mode was {mode!r}; expected 'rgb_array' or 'ansi'")
        if member.step < 0:
            return f"{type(self.world).__name__}: no episode has begun"
        if ended:
            cost = self.ended(where)["is_bps"]
            return f"{type(self.world).__name__}: step {self.world.steps} of {self.world.steps}, 0.0% left, cost {cost:+.1f} bps"
        left = (member.seen.lots - member.seen.filled) / member.seen.lots
        moved = 1e4 * (member.mid / self.world.mid - 1.0)
        seen = ", ".join(f"{name} {value:.3g}" for name, value in zip(self.feature_names[2:], self.observations[where, 2:], strict=True))
        text = f"{type(self.world).__name__}: step {member.step} of {self.world.steps}, {left:.1%} left, mid {moved:+.1f} bps"
        return f"{text}, {seen}" if seen else text

    def snapshot(self) -> Any:
        """The whole state, to give to `restore`."""
        return self.world, self.actions.name, [array.copy() for array in self._state()]

    def restore(self, state: Any) -> None:
        """Go back to a snapshot of members like these."""
        world, name, arrays = state
        mine = self._state()
        if (world, name) != (self.world, self.actions.name) or arrays[0].shape != mine[0].shape:
            raise BadInput("members: the snapshot is of other members; expected the same world, count and actions")
        for old, kept in zip(mine, arrays, strict=True):
            old[:] = kept
        self._set_pads()  # an address means nothing outside of the process that took the snapshot

    def _set_pads(self) -> None:
        self._members.pad.settings[:, : len(self.actions.settings)] = self.actions.settings

    def __deepcopy__(self, memo: dict[int, Any]) -> "WorldMembers":
        """Members that go on as these would."""
        return _going_on(self.world, self.count, self.actions, self.snapshot())

    def __reduce__(self) -> Any:
        """How they are pickled."""
        return _going_on, (self.world, self.count, self.actions, self.snapshot())

    def _state(self) -> list[NDArray[Any]]:
        """Every array that a step writes; the members as bytes, because a copy of records leaves out what lies between fields."""
        records = self._members.view(np.ndarray).view(np.uint8)
        return [
            records,
            self._paths,
            self._last_paths,
            self.observations,
            self.final_observations,
            self.rewards,
            self.terminated,
            self.masks,
        ]

    def _places(self, places: Any) -> NDArray[np.int64]:
        where: NDArray[Any] = np.atleast_1d(np.asarray(places))
        if where.ndim != 1 or where.dtype.kind not in "iu" or ((where < 0) | (where >= self.count)).any():
            raise BadInput(f"members: places were {places!r}; expected whole numbers from 0 to {self.count - 1}")
        return where.astype(np.int64)

    def _ended_place(self, place: int) -> int:
        where = int(self._places(np.array([place]))[0])
        if self._members.view(np.ndarray)["ended"]["episodes"][where] == 0:
            raise BadInput(f"members: member {where} has ended no episode yet")
        return where

    def _accept(self, actions: Any) -> NDArray[Any]:
        """The actions as (count, dimensions); raises BadInput where one is outside the space."""
        given = np.asarray(actions)
        shapes = [(self.count, self._width)] + ([(self.count,)] if self._width == 1 else [])
        if given.shape not in shapes:
            raise BadInput(f"actions had the shape {given.shape}; expected {shapes[-1]}")
        space = self.actions.space
        given = given.reshape(self.count, self._width)
        if isinstance(space, gym.spaces.Discrete):
            if given.dtype.kind not in "iu":
                raise BadInput(f"actions were {given.dtype}; expected whole numbers from 0 to {self._choices - 1}")
            low, high = np.zeros(1), np.full(1, self._choices - 1.0)
        else:
            assert isinstance(space, gym.spaces.Box)
            if given.dtype.kind not in "iuf":
                raise BadInput(f"actions were {given.dtype}; expected numbers")
            low, high = space.low, space.high
        wrong = ~((given >= low) & (given <= high)).all(axis=1)  # so written that a NaN is wrong
        if wrong.any():
            place = int(np.argmax(wrong))
            raise BadInput(f"member {place}: the action was {given[place].tolist()}; expected {low.tolist()} to {high.tolist()}")
        return given


def _going_on(world: World, count: int, actions: Actions, state: Any) -> WorldMembers:
    members = WorldMembers(world, count, actions)
    members.restore(state)
    return members


def _sizes(actions: Actions) -> tuple[int, int]:
    """How many choices a discrete agent has (0 where it is continuous), and how many numbers an action is."""
    space = actions.space
    if isinstance(space, gym.spaces.Discrete) and space.start == 0:
        return int(space.n), 1
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1 and 1 <= space.shape[0] <= ACTION:
        return 0, space.shape[0]
    raise BadInput(f"actions {actions.name}: the space was {space}; expected Discrete from 0, or a Box of 1 to {ACTION} numbers")


def _picture(path: NDArray[np.int64], world: World, height: int = 120, width: int = 200) -> NDArray[np.uint8]:
    """Share left against time: the path in blue, TWAP in grey."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    columns = np.arange(width) / (width - 1) * world.steps
    for left, colour in ((world.twap(), (190, 190, 190)), (path, (31, 90, 180))):
        shown = columns[columns <= len(left) - 1]
        rows = np.rint((1.0 - np.interp(shown, np.arange(len(left)), left / world.lots)) * (height - 1)).astype(np.int64)
        for column, row in enumerate(rows):
            start = min(row, rows[column - 1]) if column else row
            pixels[start : row + 1, column] = colour
    return pixels
