"""ExecutionMembers: parents worked in a market's book by an agent's actions, or by any policy.

An episode is one parent from its start to its end. It ends flat: what is left is completed by one order that walks the book. The
observation is a VIEW in numbers of order one (`execution/observation.py`), as of the decision less the feed latency.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import Market, market
from tercet.backtest.parents import MOST_LOTS, MOST_SEED, SIDES, duration
from tercet.backtest.runner import LATENCY_NS, MOST_DECISIONS, MOST_THREADS, fees_of
from tercet.compiled import reference, referred
from tercet.cores import cores
from tercet.envs.actions import actions_of, mask_of
from tercet.envs.bank import ALL, PARTS, Bank, fill_bank
from tercet.envs.members import Actions
from tercet.envs.part import Part
from tercet.envs.render import Trail, ansi, rgb_array
from tercet.envs.rewards import MADE, OWN_PARAMS, PARAMS, REWARD, REWARDS
from tercet.envs.stepping import BLOCK, ENDED, FULL_LOG, MEMBER, RANGES, machine
from tercet.errors import BadInput
from tercet.execution.caution import CAUTION, POSTURES, CautionSettings
from tercet.execution.observation import BOUND, FEATURES
from tercet.execution.policy import ACTION, DECIDE, Policy
from tercet.execution.tca import COST
from tercet.execution.view import PARENT
from tercet.intrinsics import address_of
from tercet.sim.state import LATENCY_STEPS, new_scratch

MOST_SHARE = 100.0  # of the volume expected over a horizon


_NUMBER: Final = (int, float, np.number)
# What each setting is: in words, its types, and how many of them there are (0: any number).
KINDS: Final[dict[str, tuple[str, tuple[type[Any], ...], int]]] = {
    **dict.fromkeys(("lots", "bank", "bank_seed", "threads"), ("a whole number", (int, np.integer), 1)),
    **dict.fromkeys(("risk_aversion", "impact", "terminal"), ("a number", _NUMBER, 1)),
    **dict.fromkeys(("size", "latency", "fees"), ("two numbers, the smaller first", _NUMBER, 2)),
    "accept_bad_day": ("True or False", (bool,), 1),
    "own": ("numbers", _NUMBER, 0),
    **dict.fromkeys(("order_latency_ns", "feed_latency_ns"), ("whole numbers of ns", (int, np.integer), 0)),
    "horizon": ("times such as 5min", (str,), 0),
    "step": ("a time such as 5s", (str,), 1),
}


@dataclass(frozen=True)
class EnvSettings:
    """What episodes are made of. A pair (low, high) is drawn anew for each episode, evenly in logarithms."""

    market: str | tuple[str, ...] = field(default="crowd:default", metadata={"help": "a market's name, or several to be drawn from"})
    actions: str | Actions | Policy = field(
        default="discrete", metadata={"help": "discrete, continuous, price-level, a policy or its file"}
    )
    reward: str | Callable[..., float] = field(default="shortfall", metadata={"help": f"{', '.join(REWARDS)}, or one of your own"})
    risk_aversion: float = field(default=1e-3, metadata={"help": "of risk-averse, per bp² of variance"})
    impact: float = field(default=1.0, metadata={"help": "of impact-averse, weight beside cost"})
    terminal: float = field(default=5.0, metadata={"help": "of on-time, bps for all left to the completion"})
    own: tuple[float, ...] = field(default=(), metadata={"help": "params.own of a reward of your own"})
    side: str = field(default="both", metadata={"help": "buy, sell or both"})
    size: tuple[float, float] = field(default=(0.01, 0.1), metadata={"help": "share of the volume expected over the horizon"})
    lots: int = field(default=0, metadata={"help": "a fixed size instead; 0: shares"})
    horizon: tuple[str, ...] = field(default=("5min",), metadata={"help": "horizons to draw from"})
    step: str = field(default="5s", metadata={"help": "time between decisions"})
    order_latency_ns: tuple[int, ...] = field(default=(LATENCY_NS,), metadata={"help": "constant, or a sample to draw from"})
    feed_latency_ns: tuple[int, ...] = field(default=(LATENCY_NS,), metadata={"help": "constant, or a sample to draw from"})
    latency: tuple[float, float] = field(default=(1.0, 1.0), metadata={"help": "factor on both latencies"})
    fees: tuple[float, float] = field(default=(1.0, 1.0), metadata={"help": "factor on the instrument's fees"})
    posture: str | CautionSettings = field(
        default="off", metadata={"help": f"that is shown and binds: {', '.join(POSTURES)}, or settings of what watches the market"}
    )
    bank: int = field(default=64, metadata={"help": "warmed start states"})
    bank_seed: int = field(default=0, metadata={"help": "of the start states"})
    part: str = field(default=ALL, metadata={"help": f"of a recorded session, and of start states: {', '.join(PARTS)}"})
    accept_bad_day: bool = field(default=False, metadata={"help": "a recorded day that is bad is taken all the same"})
    threads: int = field(default=0, metadata={"help": "0: all cores"})

    def __post_init__(self) -> None:
        """Refuse what no episode can be made of."""
        if isinstance(self.horizon, str):
            object.__setattr__(self, "horizon", (self.horizon,))
        self._refuse_other_kinds()
        for name in ("size", "latency", "fees"):
            low, high = getattr(self, name)
            if not 0 < low <= high < float("inf"):
                raise BadInput(f"{name} was {(low, high)}; expected two positive numbers, the smaller first")
        wrong = (
            (self.part not in PARTS, f"part was {self.part!r}; expected {', '.join(PARTS)}"),
            (self.side not in SIDES, f"side was {self.side!r}; expected buy, sell or both"),
            (not 0 <= self.lots <= MOST_LOTS, f"lots was {self.lots}; expected 0 to {MOST_LOTS}"),
            (self.size[1] > MOST_SHARE, f"size was {self.size}; expected shares of the volume up to {MOST_SHARE}"),
            (not self.market, "market was empty; expected one name or more"),
            (not self.order_latency_ns or not self.feed_latency_ns, "a latency was empty; expected one time or more"),
            (not np.isfinite(self.weights).all(), f"weights of rewards were {self.weights}; expected finite numbers"),
            (not self.horizon, "horizon was empty; expected one time or more"),
            (self.bank < 1, f"bank was {self.bank}; expected 1 or more"),
            (
                not isinstance(self.posture, CautionSettings) and self.posture not in tuple(POSTURES),
                f"posture was {self.posture!r}; expected {', '.join(POSTURES)} or CautionSettings",
            ),
            (not 0 <= self.threads <= MOST_THREADS, f"threads was {self.threads}; expected 0 (all cores) to {MOST_THREADS}"),
            (len(self.own) > OWN_PARAMS, f"own was {len(self.own)} numbers; expected {OWN_PARAMS} at most"),
            (min((*self.order_latency_ns, *self.feed_latency_ns), default=0) < 0, "a latency was below 0; expected 0 or more"),
            (not 0 <= self.bank_seed < MOST_SEED // 2, f"bank_seed was {self.bank_seed}; expected 0 to {MOST_SEED // 2 - 1}"),
        )
        for is_wrong, sentence in wrong:
            if is_wrong:
                raise BadInput(sentence)
        chosen = REWARDS.get(self.reward) if isinstance(self.reward, str) else self.reward
        if not any(chosen is made for made in MADE):
            raise BadInput(f"reward was {self.reward!r}; expected one of {', '.join(REWARDS)} or a function made by @reward")
        step, shortest, longest = duration(self.step), min(self.horizon, key=duration), max(self.horizon, key=duration)
        if not 0 < step <= duration(shortest):
            raise BadInput(f"step was {self.step}; expected more than 0 and at most the shortest horizon, {shortest}")
        if duration(longest) // step > MOST_DECISIONS:
            raise BadInput(f"step was {self.step}, {duration(longest) // step} decisions in {longest}; expected {MOST_DECISIONS} at most")

    def _refuse_other_kinds(self) -> None:
        """Refuse words where numbers are expected, and the like; a list is as good as a tuple."""
        for name, (expected, kinds, count) in KINDS.items():
            value = getattr(self, name)
            many = isinstance(value, tuple | list | np.ndarray)
            parts = tuple(value) if many else (value,)
            if many != (count != 1) or (count == 2 and len(parts) != 2) or not all(isinstance(one, kinds) for one in parts):
                raise BadInput(f"{name} was {value!r}; expected {expected}")
            if many:
                object.__setattr__(self, name, parts)

    def __reduce__(self) -> Any:
        """How they are pickled: a reward of a user's own by its name, where it has one."""
        return _unpickled, (vars(self) | {"reward": self.reward if isinstance(self.reward, str) else reference(self.reward)},)

    @property
    def watches(self) -> CautionSettings | None:
        """What watches the market; None where nobody does."""
        return self.posture if isinstance(self.posture, CautionSettings) else POSTURES[self.posture]

    @property
    def weights(self) -> tuple[float, ...]:
        """All weights of rewards."""
        return (self.risk_aversion, self.impact, self.terminal, *self.own)


def _unpickled(terms: dict[str, Any]) -> EnvSettings:
    if isinstance(terms["reward"], str):
        return EnvSettings(**terms)
    earn = referred(terms["reward"])
    if not any(earn is made for made in MADE):
        MADE.append(earn)
    return EnvSettings(**terms | {"reward": earn})


class BrokenStep(BadInput):
    """A step that cannot be told in the members `places`; the others went on, and these begin anew."""

    def __init__(self, message: str, places: NDArray[np.int64]) -> None:
        """Name the members."""
        super().__init__(message)
        self.places = places


class FaultyReward(BrokenStep):
    """A reward that was no number."""


class ExecutionMembers:
    """Many parents being worked in as many copies of a market (see `Members`)."""

    def __init__(
        self,
        settings: EnvSettings,
        count: int,
        markets: tuple[Market, ...] | None = None,
        rendered: bool = False,
        bank: Bank | None = None,
    ) -> None:
        """Fill the bank and open `count` members with the seeds 0, 1, 2, ...; `markets` and `bank` instead of those that the settings
        name. rendered: keep what `render` draws.
        """
        if count < 1:
            raise BadInput(f"members were {count}; expected 1 or more")
        self.settings, self.count = settings, count
        self._trails = [Trail() for _ in range(count)] if rendered else []
        names = (settings.market,) if isinstance(settings.market, str) else settings.market
        self.markets = markets or tuple(market(name, settings.accept_bad_day) for name in names)
        self.actions = actions_of(settings.actions)
        self.bank = bank_of(settings, self.markets) if bank is None else bank
        self.observation_space = gym.spaces.Box(-BOUND, BOUND, (len(FEATURES),), np.float32)
        self._earn = REWARDS[settings.reward] if isinstance(settings.reward, str) else settings.reward
        self._decide_at, self._earn_at = address_of(self.actions.decide, DECIDE), address_of(self._earn, REWARD)
        self._params = np.zeros(1, PARAMS)
        for name in ("risk_aversion", "impact", "terminal"):
            self._params[name] = getattr(settings, name)
        self._params["own"][0, : len(settings.own)] = settings.own
        self._ranges = self._make_ranges()
        self._make_arrays()
        self.seed(np.arange(count), np.arange(count))

    def _make_ranges(self) -> Any:
        settings, rows = self.settings, np.zeros(1, RANGES)
        ranges = rows.view(np.recarray)[0]
        sides = SIDES[settings.side]
        ranges.sides = sides[0] if len(sides) == 1 else 0
        ranges.share[:], ranges.lots, ranges.step = settings.size, settings.lots, duration(settings.step)
        ranges.latency[:], ranges.fee[:] = settings.latency, settings.fees
        for table, sample in ((ranges.order_latency, settings.order_latency_ns), (ranges.feed_latency, settings.feed_latency_ns)):
            table[:] = np.quantile(sample, np.linspace(0, 1, LATENCY_STEPS)).astype(np.int64)
        ranges.fees = fees_of(self.markets[0].instrument)
        ranges.usual = self.bank.usual
        ranges.mask = mask_of(self.actions)
        return rows

    def _make_arrays(self) -> None:
        count, features = self.count, len(FEATURES)
        self.sims = np.zeros(count, self.bank.sims.dtype).view(np.recarray)
        self.members = np.zeros(count, MEMBER).view(np.recarray)
        self.cautions = np.zeros(count if len(self.bank.cautions) else 0, CAUTION)
        self.parents = np.zeros(count, PARENT).view(np.recarray)
        self._episodes, self._faulty = (self.members.view(np.ndarray)[name] for name in ("episode", "faulty"))
        self._set_pads()
        self.observations, self.final_observations = (np.zeros((count, features), np.float32) for _ in range(2))
        self.rewards, self.terminated = np.zeros(count), np.zeros(count, np.bool_)
        self.masks = np.ones((count, int(self.actions.space.n) if isinstance(self.actions.space, gym.spaces.Discrete) else 0), np.bool_)
        self._chosen, self._wanted, self._nobody = np.zeros((count, ACTION)), np.zeros(count, np.bool_), np.zeros(0, np.bool_)
        self._threads = max(1, min(self.settings.threads or cores(), count // BLOCK))
        self._pool = ThreadPoolExecutor(self._threads - 1) if self._threads > 1 else None
        middle = count // 2
        self.whole = self._part(slice(0, count))
        self.halves = [self._part(rows) for rows in (slice(0, middle), slice(middle, count)) if rows.start < rows.stop]

    def _part(self, rows: slice) -> Part:
        # numba knows a plain array at a glance, and takes 50 µs to recognise a recarray or a record.
        plain = (every.view(np.ndarray) for every in (self.sims, self.parents, self.members, self.bank.templates, self.bank.sims))
        sims, parents, members, templates, begun = plain
        market = (sims[rows], _bytes(sims)[rows], _bytes(begun))
        watched = (_bytes(self.cautions)[rows], _bytes(self.bank.cautions))
        choices = (self._chosen[rows], self._decide_at, self._earn_at, self._params)
        terms = (parents[rows], templates, self.bank.volumes, self._ranges, members[rows])
        written = (self.observations, self.final_observations, self.rewards, self.terminated, self.masks)
        scratch_type = new_scratch(self.sims[0]).dtype
        return Part(
            rows,
            machine(sims.dtype, scratch_type, self.bank.events is not None),
            (choices, market, watched, self.bank.events, terms),
            tuple(every[rows] for every in written),
            [np.zeros(1, scratch_type) for _ in range(self._threads)],
            self._pool,
        )

    def _set_pads(self) -> None:
        self.members.pad.settings[:, : len(self.actions.settings)] = self.actions.settings

    def seed(self, places: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Give those members new seeds; their next episode is their first."""
        self.members.seed[places] = seeds
        self.members.episode[places] = 0

    def begin(self, places: NDArray[np.int64]) -> None:
        """Begin the next episode of those members."""
        self._wanted[:] = False
        self._wanted[places] = True
        self.whole.start(self._wanted)
        self._end(self.whole)
        if self._trails:
            for place in np.atleast_1d(places).tolist():
                self._trails[place].begin(self._view(place))

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every member; who has ended begins anew. Raises before anything has moved where an action is outside the space,
        and FaultyReward after all have moved where a reward is no number.
        """
        if not self._episodes.all():
            raise BadInput("a member has begun no episode; expected `begin` before the first step")
        self.start(self.whole, actions)
        self._end(self.whole)
        for place, trail in enumerate(self._trails):
            trail.step(self._view(place), bool(self.terminated[place]))
        self._refuse_faulty(self.whole)

    def start(self, part: Part, actions: NDArray[Any]) -> None:
        """Begin a step of the `whole`, or of one of the `halves`, on the other threads; both halves in turn are what `step` is."""
        self._choose(actions, part.rows)
        part.start(self._nobody)

    def finish(self, part: Part) -> None:
        """End it. Raises as `step` does, when the other half has ended its own too."""
        self._end(part)
        self._refuse_faulty(part)

    def _end(self, part: Part) -> None:
        try:
            part.finish()
        except IndexError as error:  # a user's code runs with bounds checks
            raise self.actions.refuse_index(error) from error

    def _choose(self, actions: NDArray[Any], rows: slice) -> None:
        space, given = self.actions.space, np.asarray(actions)
        shape = (rows.stop - rows.start, *(space.shape or ()))
        if given.shape != shape or given.dtype.kind not in "biuf":
            raise BadInput(f"actions were {given.dtype} of the shape {given.shape}; expected numbers of the shape {shape}")
        if isinstance(space, gym.spaces.Discrete):
            wrong = (given < 0) | (given >= space.n) | (given != np.floor(given))
            self._chosen[rows, 0] = given
        elif isinstance(space, gym.spaces.Box):
            outside = ~((given >= space.low) & (given <= space.high))  # not a number is outside too
            wrong = outside.any(axis=1)
            self._chosen[rows, : given.shape[1]] = given
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise BadInput(f"the action of member {rows.start + place} was {given[place]}; expected one of {space}; no member has moved")

    def _refuse_faulty(self, part: Part) -> None:
        if not self._faulty[part.rows].any():
            return
        for half in self.halves:
            half.finish()
        self._name_faulty()

    def _name_faulty(self) -> None:
        faulty = self._faulty.copy()
        places = np.flatnonzero(faulty)
        first, self._faulty[:] = int(places[0]), 0
        member = self.members[first]
        episode = int(member.episode) - int(self.terminated[first])  # who has ended is in its next one
        where = f"of member {first} in its episode {episode} (seed {int(member.seed)})"
        reward = float(self.rewards[first])
        self.begin(places[~self.terminated[places]])
        if faulty[first] == FULL_LOG:
            most = len(new_scratch(self.sims[0]).reports)
            raise BrokenStep(f"more than {most} fills in one step {where}; expected fewer: a smaller parent or shorter steps", places)
        raise FaultyReward(
            f"the reward {where} was {reward}; expected a finite number; {len(places)} of {self.count} members begin anew, "
            "the others go on",
            places,
        )

    def ended(self, place: int) -> dict[str, float]:
        """What came of the episode that a member ended last: its cost and parts in bps, and what it was."""
        members = self.members.view(np.ndarray)  # a record's fields one by one would take ten times as long
        cost = zip(COST.names or (), members["cost"][place].item(), strict=True)
        told = zip(ENDED, members["ended"][place].tolist(), strict=True)
        return {name: float(value) for name, value in (*cost, *told) if not isinstance(value, np.ndarray)}

    def snapshot(self) -> Any:
        """The whole state, to give to `restore`."""
        return [array.tobytes() for array in self._arrays()]

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        seen = (self.observations, self.final_observations, self.rewards, self.terminated, self.masks)
        return self.sims, self.members, self.parents, *seen, self.cautions

    def restore(self, state: Any) -> None:
        """Go back to a snapshot of members like these."""
        arrays = self._arrays()
        if len(state) != len(arrays) or any(len(kept) != array.nbytes for kept, array in zip(state, arrays, strict=True)):
            raise BadInput("the snapshot was of other members; expected as many of the same market")
        for kept, array in zip(state, arrays, strict=True):
            array.view(np.uint8).reshape(-1)[:] = np.frombuffer(kept, np.uint8)
        self._set_pads()  # a trained policy's settings mean nothing outside of the process that took the snapshot, nor does an address
        if len(self.cautions):
            self.members.course.caution = self.cautions.ctypes.data + self.cautions.itemsize * np.arange(self.count)
        for place, trail in enumerate(self._trails):
            trail.begin(self._view(place))

    def __deepcopy__(self, memo: dict[int, Any]) -> "ExecutionMembers":
        """Members that go on as these would, with a bank that they share."""
        return _going_on(self.settings, self.count, self.markets, self.bank, deepcopy(self._trails), self.snapshot())

    def __reduce__(self) -> Any:
        """How they are pickled."""
        return _going_on, (self.settings, self.count, self.markets, self.bank, self._trails, self.snapshot())

    def render(self, place: int, mode: str) -> Any:
        """A picture of a member's episode: "rgb_array" or "ansi". One that has ended is shown until the next step or `begin`."""
        if mode not in ("rgb_array", "ansi"):
            raise BadInput(f"render mode was {mode!r}; expected 'rgb_array' or 'ansi'")
        if not self._trails:
            raise BadInput("these members keep nothing to draw; expected them made with rendered=True")
        return rgb_array(self._trails[place]) if mode == "rgb_array" else ansi(self._trails[place])

    def _view(self, place: int) -> Any:
        """The VIEW that a member's next decision is made on."""
        member = self.members[place]
        return member.views[int(member.seen)]


def _going_on(settings: EnvSettings, count: int, markets: Any, bank: Bank, trails: list[Trail], state: Any) -> ExecutionMembers:
    members = ExecutionMembers(settings, count, markets, bool(trails), bank)
    members.restore(state)
    members._trails = trails
    return members


def _bytes(rows: NDArray[np.void]) -> NDArray[np.uint8]:
    return rows.view(np.uint8).reshape(len(rows), rows.itemsize)


def bank_of(settings: EnvSettings, markets: tuple[Market, ...]) -> Bank:
    """The start states of those settings."""
    horizons = tuple(duration(horizon) for horizon in settings.horizon)
    slowest = int(max(settings.feed_latency_ns) * settings.latency[1])
    return fill_bank(markets, settings.bank, horizons, slowest, settings.bank_seed, settings.part, settings.watches)


def with_changes(settings: EnvSettings, **changes: Any) -> EnvSettings:
    """The settings with some of them changed; raises BadInput naming one that there is not."""
    known = EnvSettings.__dataclass_fields__
    if unknown := sorted(set(changes) - set(known)):
        raise BadInput(f"no setting is called {unknown[0]!r}; expected {', '.join(known)}")
    return replace(settings, **changes)
