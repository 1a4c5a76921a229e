"""Episodes of bookless worlds, compiled: a policy's children are traded at a price rule instead of in a book.

One period, in the letters of Almgren & Chriss (2000): `n` lots trade at S + s (epsilon + eta n / tau); then the mid moves by
s gamma n + sigma sqrt(tau) (rho f + sqrt(1 - rho²) xi), where s is the side, xi a normal draw and f a planted signal (rho is 0
where there is none). The last period trades all that is left. A world has no queue: what rests never fills.
"""

import math
from functools import cache
from typing import Any, Final

import numba
import numpy as np
from numba import types

from tercet.book.records import CANCEL_OWN, FREE, RESTING, SUBMIT
from tercet.book.state import FOK, IOC, MARKET, POST_ONLY
from tercet.compiled import compiled
from tercet.execution.policy import ACTION, DECIDE, PAD, cross, fit, policy
from tercet.execution.view import PARENT, VIEW, begin
from tercet.execution.working import DROPPED, conform
from tercet.intrinsics import function_at
from tercet.market.events import BUY
from tercet.sim.random import mix, uniform

decide_at = function_at(DECIDE)
NOTHING_MORE, DRIFT, SIGNAL = 0, 1, 2  # what an observation shows beside time and inventory
FASTEST: Final = 5.0  # times the even pace of what is left
PACES_PER_DOUBLING, EVEN = 5, 6  # a discrete agent's paces: none, then half to four times the even one, which is choice EVEN
PACES: Final = (0.0, *(2.0 ** ((choice - EVEN) / PACES_PER_DOUBLING) for choice in range(1, 17)))
CLIP: Final = 10.0  # standard deviations at which that third number is cut, so that the space is bounded

_SHOCK, _SIGNAL, _SHUFFLED = 0, 2, 4  # classes of random numbers, each the first of two
_EPISODE = np.uint64(0xD1342543DE82EF95)

# What does not change: the price rule, and the parent that every member works.
WORLD: Final = np.dtype(
    [
        ("steps", np.int64),
        ("step_ns", np.int64),
        ("unit", np.int64),  # lots of one unit, where the agent trades units; else 0
        ("shows", np.int64),
        ("noisy", np.int64),  # whether rewards hold the price's noise
        ("paired", np.int64),  # whether rewards are those beyond TWAP's on the same prices
        ("charged", np.int64),  # whether rewards hold the terms that no policy can change
        ("shuffled", np.int64),  # whether the signal shown is an independent copy
        ("mid", np.float64),  # at arrival, ticks
        ("per_lot", np.float64),  # bps of the parent's value that one lot at one tick costs
        ("epsilon", np.float64),  # half the spread, ticks
        ("eta_tau", np.float64),  # temporary impact eta / tau, ticks per lot of one period
        ("gamma", np.float64),  # permanent impact, ticks per lot
        ("risk", np.float64),  # lambda sigma² tau, ticks per lot
        ("sigma", np.float64),  # ticks per square root of a second
        ("move", np.float64),  # sigma sqrt(tau): one period's standard deviation, ticks
        ("rho", np.float64),  # correlation of the signal with the next period's move
        ("phi", np.float64),  # the signal's autocorrelation over one period
        ("parent", PARENT),
    ],
    align=True,
)

# What came of an episode, in ticks × lots.
SUMS: Final = np.dtype(
    [
        ("cost", np.float64),  # from the prices paid, against arrival
        ("fixed", np.float64),  # half the spread and permanent impact of the whole: the same for every policy
        ("impact", np.float64),  # temporary impact, with what permanent impact takes off it: (eta / tau - gamma / 2) n²
        ("risk", np.float64),  # lambda sigma² tau x²
        ("signal", np.float64),  # moves that the planted signal foretold, on what was left
        ("noise", np.float64),  # the other moves
        ("reward", np.float64),  # bps
        ("cut", np.int64),  # decisions that returned more children than a pad has places for
        ("episodes", np.int64),  # ended so far, this one included
    ],
    align=True,
)

MEMBER: Final = np.dtype(
    [
        ("seed", np.int64),
        ("episode", np.int64),  # -1 before the first
        ("key", np.uint64),  # of this episode's random numbers
        ("step", np.int64),  # periods gone; -1 where there is no episode
        ("handle", np.int64),
        ("mid", np.float64),
        ("signal", np.float64),  # what moves the mid, in standard deviations
        ("shown", np.float64),  # what is shown of it: itself, or the independent copy
        ("sums", SUMS),
        ("ended", SUMS),  # of the episode before
        ("seen", VIEW),  # (a field called view, numba takes for the method of arrays)
        ("pad", PAD),
    ],
    align=True,
)


# Actions ------------------------------------------------------------------------------------------------------------------------


@policy
def trade_share(view, pad):
    """The agent's number in [-1, 1] is the share of what is left, from none to all, that trades now."""
    left = view.lots - view.filled
    return cross(view, pad, 0, int(0.5 * (pad.action[0] + 1.0) * left + 0.5))


@policy
def trade_units(view, pad):
    """The agent's number is how many units of settings[0] lots trade now."""
    return cross(view, pad, 0, int(pad.action[0]) * int(pad.settings[0]))


@compiled
def at_pace(view, pad, pace):
    """Trade what is left at so many times its even pace."""
    left, periods = view.lots - view.filled, (view.end - view.now) / view.step
    return cross(view, pad, 0, int(min(1.0, pace / periods) * left + 0.5))


@policy
def trade_pace(view, pad):
    """The agent's number a in [-1, 1] is a pace: 1 + a up to the even one, 5**a beyond."""
    a = pad.action[0]
    return at_pace(view, pad, 1.0 + a if a < 0.0 else FASTEST**a)


@policy
def trade_grid(view, pad):
    """The agent's number is a place in PACES."""
    choice = int(pad.action[0])
    return at_pace(view, pad, 2.0 ** ((choice - EVEN) / PACES_PER_DOUBLING) if choice > 0 else 0.0)


# Randomness ---------------------------------------------------------------------------------------------------------------------


@compiled
def episode_key(seed, episode):
    """The key of a member's episode: it knows nothing of the member's place."""
    return mix(mix(np.uint64(seed)) + _EPISODE * np.uint64(episode + 1))


@compiled
def normal(key, kind, count):
    """The `count`-th standard normal number of a class (Box & Muller 1958)."""
    return math.sqrt(-2.0 * math.log(uniform(key, kind, count))) * math.cos(2.0 * math.pi * uniform(key, kind + 1, count))


@compiled
def draw_signals(world, member):
    """The signals at the next decision: AR(1) with variance 1, stationary from the first."""
    if world.rho == 0.0:
        return
    step = member.step
    fresh = 1.0 if step == 0 else math.sqrt(1.0 - world.phi * world.phi)
    kept = 0.0 if step == 0 else world.phi
    member.signal = kept * member.signal + fresh * normal(member.key, _SIGNAL, step)
    if world.shuffled != 0:
        member.shown = kept * member.shown + fresh * normal(member.key, _SHUFFLED, step)
    else:
        member.shown = member.signal


# Our orders ---------------------------------------------------------------------------------------------------------------------


@compiled
def marketable(child, view):
    """Whether a child's price meets the other side."""
    return child.kind == MARKET or (child.tick - (view.ask if child.side == BUY else view.bid)) * child.side >= 0


@compiled
def own_place(view, handle):
    """The place of our order with this handle, or -1; handle 0 finds a free place."""
    for i in range(len(view.own)):
        if (view.own[i].state == FREE) if handle == 0 else (view.own[i].state != FREE and view.own[i].handle == handle):
            return i
    return -1


@compiled
def withdraw(view, place):
    """Forget an order of ours."""
    own = view.own[place]
    view.open -= own.lots
    own.state = FREE
    own.slot = 0
    own.lots = 0
    own.handle = 0


@compiled
def rest(member, child):
    """Let a child stand where policies see it. It drops where there is no place."""
    view = member.seen
    place = own_place(view, 0)
    if place < 0:
        return
    member.handle += 1
    own = view.own[place]
    own.handle = member.handle
    own.lots = child.lots
    own.filled = 0
    own.tick = child.tick
    own.slot = place + 1
    own.side = child.side
    own.state = RESTING
    view.open += own.lots


@compiled
def submit(member, child):
    """A new child trades now, rests, or is refused. Returns the lots that trade."""
    if marketable(child, member.seen):
        return 0 if child.kind == POST_ONLY else child.lots
    if child.kind not in (IOC, FOK):
        rest(member, child)
    return 0


@compiled
def change(view, child):
    """Move or resize an order of ours. Returns the lots that trade because its price now meets the other side."""
    place = own_place(view, child.handle)
    if child.lots > 0 and not marketable(child, view):
        view.open += child.lots - view.own[place].lots
        view.own[place].lots = child.lots
        view.own[place].tick = child.tick
        return 0
    withdraw(view, place)
    return 0 if child.kind == POST_ONLY else child.lots


@compiled
def take_children(member, parent, count):
    """Let the first `count` children of the pad act, as far as the parent's terms allow. Returns the lots that trade."""
    view, traded = member.seen, 0
    for i in range(fit(member.pad, count)):
        child = member.pad.children[i]
        if conform(child, view, parent) == DROPPED:
            continue
        if child.verb == CANCEL_OWN:
            place = own_place(view, child.handle) if child.handle > 0 else -1
            if place >= 0:
                withdraw(view, place)
            continue
        lots = submit(member, child) if child.verb == SUBMIT else change(view, child)
        view.filled += lots
        traded += lots
    return traded


# An episode ---------------------------------------------------------------------------------------------------------------------


@compiled
def look(world, member):
    """What a policy sees at this decision."""
    view = member.seen
    view.now = world.parent.start + member.step * world.step_ns
    view.elapsed = member.step / world.steps
    view.mid = member.mid
    view.microprice = member.mid
    view.bid = math.floor(member.mid - world.epsilon)
    view.ask = max(math.ceil(member.mid + world.epsilon), view.bid + 1)
    view.ticks[0, 0], view.ticks[1, 0] = view.bid, view.ask
    view.market_lots = int(view.elapsed * view.expected_lots)
    view.alpha = world.rho * world.move * member.shown * echoes(world.phi, world.steps - member.step)


@compiled
def echoes(phi, periods):
    """1 + phi + phi² + ...: how often a signal's first effect comes in so many periods."""
    return (1.0 - phi**periods) / (1.0 - phi)


@compiled
def begin_episode(world, member):
    """The next episode of a member."""
    member.episode += 1
    member.key = episode_key(member.seed, member.episode)
    member.step = 0
    member.handle = 0
    member.mid = world.mid
    member.signal, member.shown = 0.0, 0.0
    clear(member.sums)
    draw_signals(world, member)
    view = member.seen
    begin(view, world.parent)
    view.step = world.step_ns
    view.filled, view.open, view.ahead = 0, 0, 0
    view.arrival_mid = world.mid
    view.volatility_short, view.volatility_long = world.sigma, world.sigma
    view.bid_lots, view.ask_lots = view.lots, view.lots
    view.depth[0, 0], view.depth[1, 0] = view.lots, view.lots
    for i in range(len(view.own)):
        view.own[i].state, view.own[i].slot, view.own[i].lots, view.own[i].handle = FREE, 0, 0, 0
    member.pad.memory[:] = 0.0
    member.pad.cut = 0
    member.pad.action[:] = 0.0
    look(world, member)


@compiled
def clear(sums):
    """All sums zero."""
    sums.cost, sums.fixed, sums.impact, sums.risk, sums.signal, sums.noise, sums.reward = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    sums.cut = 0


@compiled
def trade(world, member, lots):
    """Trade `lots`, let one period pass, and return its reward in bps.

    The increments are those of marking what is left to the mid, so that they sum to the cost against arrival.
    """
    side, sums = world.parent.side, member.sums
    n, x = float(lots), float(member.seen.lots - member.seen.filled)
    foretold = world.rho * world.move * member.signal
    shock = math.sqrt(1.0 - world.rho * world.rho) * world.move * normal(member.key, _SHOCK, member.step)
    fixed = world.epsilon * n + world.gamma * n * (x + 0.5 * n)
    impact = (world.eta_tau - 0.5 * world.gamma) * n * n
    risk = world.risk * x * x
    sums.cost += n * (side * (member.mid - world.mid) + world.epsilon + world.eta_tau * n)
    sums.fixed += fixed
    sums.impact += impact
    sums.risk += risk
    sums.signal += side * x * foretold
    sums.noise += side * x * shock
    member.mid += side * world.gamma * n + foretold + shock
    member.step += 1
    if world.paired != 0:
        even = world.parent.lots / world.steps
        later = even * (world.steps - member.step)
        impact -= (world.eta_tau - 0.5 * world.gamma) * even * even
        risk -= world.risk * later * later
        fixed -= world.epsilon * even + world.gamma * even * (later + 0.5 * even)
        x -= later
    reward = -world.per_lot * (impact + risk + world.charged * fixed + side * x * (foretold + world.noisy * shock))
    sums.reward += reward
    return reward


@compiled
def step_member(world, member, decide):
    """One decision and the period after it; returns the reward."""
    view = member.seen
    traded = take_children(member, world.parent, decide(view, member.pad))
    member.sums.cut = member.pad.cut
    if member.step + 1 == world.steps:
        for i in range(len(view.own)):
            if view.own[i].state != FREE:
                withdraw(view, i)
        traded += view.lots - view.filled
        view.filled = view.lots
    reward = trade(world, member, traded)
    draw_signals(world, member)
    look(world, member)
    return reward


# Many members -------------------------------------------------------------------------------------------------------------------


@compiled
def observe(world, member, row):
    """Write a member's observation."""
    view = member.seen
    row[0] = 1.0 - view.elapsed
    row[1] = (view.lots - view.filled) / view.lots
    if world.shows == DRIFT:
        row[2] = min(max((member.mid - world.mid) / (world.move * math.sqrt(world.steps)), -CLIP), CLIP)
    elif world.shows == SIGNAL:
        row[2] = min(max(member.shown, -CLIP), CLIP)


@compiled
def show(world, member, row, mask):
    """Write what an agent sees at a decision, and what it may do: no more units than are left."""
    observe(world, member, row)
    left = member.seen.lots - member.seen.filled
    for k in range(len(mask)):
        mask[k] = k * world.unit <= left


def begin_members(world, members, places, observations, masks, paths):
    """Begin the next episode of those members."""
    for i in range(len(places)):
        place = places[i]
        begin_episode(world, members[place])
        show(world, members[place], observations[place], masks[place])
        paths[place, 0] = world.parent.lots


def step_members(world, members, decide, actions, observations, rewards, terminated, finals, masks, paths, last_paths):
    """One step of every member; who has ended begins anew."""
    choose = decide_at(decide)
    for i in range(len(members)):
        member = members[i]
        member.pad.action[:] = actions[i]
        rewards[i] = step_member(world, member, choose)
        paths[i, member.step] = member.seen.lots - member.seen.filled
        terminated[i] = member.step == world.steps
        if terminated[i]:
            observe(world, member, finals[i])
            last_paths[i] = paths[i]
            count = member.ended.episodes + 1
            member.ended = member.sums
            member.ended.episodes = count
            begin_episode(world, member)
        show(world, member, observations[i], masks[i])


@cache
def machine() -> tuple[Any, Any]:
    """`begin_members` and `step_members`, compiled; policies come as typed pointers, so that one machine serves them all."""
    world, members = numba.from_dtype(WORLD), numba.from_dtype(MEMBER)[::1]
    paths, rows, masks = types.int64[:, ::1], types.float32[:, ::1], types.boolean[:, ::1]
    begins = types.void(world, members, types.int64[::1], rows, masks, paths)
    actions, rewards, ends = types.float64[:, ::1], types.float64[::1], types.boolean[::1]
    steps = types.void(world, members, types.int64, actions, rows, rewards, ends, rows, masks, paths, paths)
    return compiled(begins)(begin_members), compiled(steps)(step_members)


def new_members(count: int) -> Any:
    """Members without seeds and without episodes."""
    members = np.zeros(count, MEMBER).view(np.recarray)
    members.episode = -1
    members.step = -1
    return members


def new_actions(count: int) -> Any:
    """Room for what the agents of so many members choose."""
    return np.zeros((count, ACTION))
