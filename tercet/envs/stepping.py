"""The compiled steps of many episodes: every member has its simulation, its parent and its views; nothing of Python runs between."""

from functools import cache
from typing import Any, Final

import numba
import numpy as np
from numba import types

from tercet.backtest.episode import COURSE, OUTCOME, conclude, decide_and_send, see, start
from tercet.compiled import compiled
from tercet.envs.rewards import FILLS, PARAMS, REWARD
from tercet.execution.moves import mask
from tercet.execution.observation import USUAL, observe
from tercet.execution.policy import DECIDE, PAD
from tercet.execution.tca import COST, FEES, TALLY, add, clear, close, leave, shortfall
from tercet.execution.view import PARENT, VIEW, begin
from tercet.intrinsics import function_at, take, unowned
from tercet.market.events import BUY, EVENT, SELL
from tercet.sim.ahead import bring_all, want
from tercet.sim.random import uniform
from tercet.sim.reseed import reseed
from tercet.sim.state import LATENCY_STEPS
from tercet.sim.wanted import want_first, want_head, want_market

decide_at, earn_at = function_at(DECIDE), function_at(REWARD)
ENTRY, SIDE, SIZE, HORIZON, LATENCY, FEE, SEED = range(20, 27)  # classes of random numbers

# What episodes are drawn from.
RANGES: Final = np.dtype(
    [
        ("sides", np.int64),  # BUY, SELL, or 0 for both
        ("share", np.float64, 2),  # of the volume expected over the horizon, drawn evenly in logarithms
        ("lots", np.int64),  # or this many; 0: a share
        ("step", np.int64),  # ns between decisions
        ("latency", np.float64, 2),  # factor on both latencies, drawn evenly in logarithms
        ("order_latency", np.int64, LATENCY_STEPS),
        ("feed_latency", np.int64, LATENCY_STEPS),
        ("fee", np.float64, 2),  # factor on fees
        ("fees", FEES),
        ("usual", USUAL),
        ("mask", np.int64),
    ],
    align=True,
)

MEMBER: Final = np.dtype(
    [
        ("seed", np.int64),
        ("episode", np.int64),  # begun so far
        ("episode_seed", np.int64),
        ("entry", np.int64),  # of the bank
        ("seen", np.int64),  # which of the two views is the present one
        ("steps", np.int64),
        ("applied", np.int64),  # messages that the market had applied when this episode began
        ("applied_ever", np.int64),  # in episodes that have ended
        ("gained", np.float64),  # the last step's reward
        ("reward", np.float64),  # of this episode so far
        ("filled_seen", np.int64),
        ("faulty", np.int64),  # NO_NUMBER: a reward was none; FULL_LOG: more fills in a step than can be told
        ("course", COURSE),
        ("outcome", OUTCOME),
        ("fees", FEES),
        ("tally", TALLY),
        ("fills", FILLS),
        ("pad", PAD),
        ("views", VIEW, 2),
        ("cost", COST),  # of the episode that ended last
        ("ended", np.float64, 9),  # of it: see ENDED
    ],
    align=True,
)
ENDED: Final = ("reward", "steps", "messages", "lots", "side", "horizon_s", "entry", "episode_number", "cut_decisions")
NO_NUMBER, FULL_LOG = 1, 2
BLOCK: Final = 16  # members that a thread takes at a time


@compiled
def between(range, u):
    """A number of a range, drawn evenly in logarithms."""
    return range[0] * (range[1] / range[0]) ** u if range[1] > range[0] else range[0]


@compiled(inline="always")
def open_episode(sim, events, parent, volume, ranges, member, scratch):
    """Begin a member's episode in `sim`, a copy of the bank's entry: a future of its own, a parent drawn from the ranges."""
    seed, episode = member.seed, member.episode
    member.episode_seed = int(uniform(seed, SEED, episode) * 2.0**52)
    reseed(sim, member.episode_seed)
    draw_terms(sim, parent, volume, ranges, member)
    member.pad.memory[:] = 0.0
    member.pad.action[:] = 0.0
    member.pad.cut = 0
    member.seen = 0
    member.steps = 0
    member.applied = sim.applied
    member.reward = 0.0
    member.filled_seen = 0
    clear(member.tally)
    clear_outcome(member.outcome)
    start(sim, parent, member.views[0], scratch, member.course, member.outcome, ranges.step)
    begin(member.views[1], parent)
    see(sim, events, parent, member.views[0], scratch, member.course, member.outcome)


@compiled(inline="always")
def draw_terms(sim, parent, volume, ranges, member):
    """Draw a parent's side and size, and the latencies and fees that it meets."""
    seed, episode = member.seed, member.episode
    parent.side = ranges.sides
    if ranges.sides == 0:
        parent.side = BUY if uniform(seed, SIDE, episode) < 0.5 else SELL
    share = between(ranges.share, uniform(seed, SIZE, episode))
    parent.lots = ranges.lots if ranges.lots > 0 else max(1, int(share * volume + 0.5))
    factor = between(ranges.latency, uniform(seed, LATENCY, episode))
    for i in range(len(sim.order_latency)):
        sim.order_latency[i] = int(factor * ranges.order_latency[i])
        sim.feed_latency[i] = int(factor * ranges.feed_latency[i])
    charged = between(ranges.fee, uniform(seed, FEE, episode))
    member.fees.taker_ticks = charged * ranges.fees.taker_ticks
    member.fees.maker_ticks = charged * ranges.fees.maker_ticks
    member.fees.taker_bps = charged * ranges.fees.taker_bps
    member.fees.maker_bps = charged * ranges.fees.maker_bps


@compiled
def clear_outcome(outcome):
    """An outcome of nothing."""
    outcome.arrival_mid2 = 0
    outcome.left = 0
    outcome.completed = 0
    outcome.decisions = 0
    outcome.children = 0
    outcome.dropped = 0
    outcome.cut = 0


@compiled(inline="always")
def work_step(sim, events, parent, decide, earn, params, member, scratch):
    """One decision of a member, and what comes of it till the next; returns whether its episode has ended."""
    before, after = member.views[member.seen], member.views[1 - member.seen]
    course, outcome = member.course, member.outcome
    member.filled_seen = before.filled
    scratch.count = 0
    decide_and_send(sim, parent, decide, member.pad, before, course, outcome)
    course.now = min(course.now, parent.end)
    after.arrival_mid = before.arrival_mid
    see(sim, events, parent, after, scratch, course, outcome)
    ended = course.now >= parent.end
    if ended:
        conclude(sim, events, parent, scratch, course, outcome)
    tell_fills(parent, member, ended, scratch)
    member.seen = 1 - member.seen
    member.steps += 1
    gained = earn(before, after, member.fills, params)
    if gained - gained != 0.0:
        member.faulty = NO_NUMBER
    if sim.log_full > 0:
        member.faulty = FULL_LOG
    member.gained = gained
    member.reward += gained
    return ended


@compiled(inline="always")
def tell_fills(parent, member, ended, scratch):
    """Fill a member's FILLS from the reports of this step."""
    fills, tally, outcome = member.fills, member.tally, member.outcome
    arrival, end = 0.5 * outcome.arrival_mid2, 0.5 * outcome.end_mid2
    fills.cost = 0.0
    fills.impact = 0.0
    fills.lots = 0
    fills.completed = outcome.completed if ended else 0
    fills.ended = ended
    fills.count = scratch.count
    if scratch.count == 0 and not ended:
        return
    unit = 1e4 / (parent.lots * arrival)
    cost, impact = shortfall(tally, parent.side, parent.lots, arrival), tally.spread + tally.walk + tally.completion
    for i in range(scratch.count):
        add(tally, scratch.reports[i], parent.side, arrival, end, member.fees)
        fills.lots += scratch.reports[i].lots
        if i < len(fills.rows):
            fills.rows[i] = scratch.reports[i]
    if ended:
        leave(tally, parent, outcome)
    fills.cost = shortfall(tally, parent.side, parent.lots, arrival) - cost
    fills.impact = unit * (tally.spread + tally.walk + tally.completion - impact)


@compiled(inline="always")
def tell_end(sim, parent, member):
    """Note what came of the episode that has just ended."""
    close(member.cost, member.tally, parent, member.outcome)
    member.ended[0] = member.reward
    member.ended[1] = member.steps
    member.ended[2] = sim.applied - member.applied
    member.applied_ever += sim.applied - member.applied
    member.ended[3] = parent.lots
    member.ended[4] = parent.side
    member.ended[5] = (parent.end - parent.start) * 1e-9
    member.ended[6] = member.entry
    member.ended[7] = member.episode
    member.ended[8] = member.outcome.cut


@compiled(inline="always")
def choose(member, entries, horizons):
    """Draw the bank's entry and the horizon of a member's next episode; returns the horizon's place."""
    member.episode += 1
    member.entry = int(uniform(member.seed, ENTRY, member.episode) * entries)
    return int(uniform(member.seed, HORIZON, member.episode) * horizons)


@compiled(inline="always")
def copy(there, here):
    """The bytes of one record into another's; a slice would take two seconds to compile."""
    for k in range(len(here)):
        here[k] = there[k]


@compiled
def want_member(place, sims, members, parents, ahead):
    """Want what a step touches of the member at a place, and the head of the simulation after it, where there are such members."""
    if place < len(sims):
        member, parent = members.ctypes.data + place * members.itemsize, parents.ctypes.data + place * parents.itemsize
        want(ahead, member, member + members.itemsize)
        want(ahead, parent, parent + parents.itemsize)
        want_market(sims[place], ahead)
    if place + 1 < len(sims):
        want_head(sims[place + 1], sims.ctypes.data + (place + 1) * sims.itemsize, ahead)


def step_members(taken, wanted, choices, market, watched, events, terms, scratches, results):
    """One step of every member, and who has ended begins anew; or, given `wanted`, those begin and none steps.

    Threads that call it at once share the work: each goes on with the BLOCK of members that nobody has taken yet.
    """
    actions, decide, earn, params = choices
    sims, sim_bytes, bank_bytes = market
    cautions, begun_cautions = watched
    parents, templates, volumes, ranges, members = terms
    observations, final_observations, rewards, terminated, masks = results
    scratch, drawn_from, begins_only = scratches[0], ranges[0], len(wanted) > 0
    ahead, recorded = scratch.ahead, unowned(events)
    choose_children, earned = decide_at(decide), earn_at(earn)
    i = take(taken, BLOCK)
    if not begins_only:
        want_member(i, sims, members, parents, ahead)
    while i < len(sims):
        member, sim, parent = members[i], sims[i], parents[i]
        next_one = i + 1 if (i + 1) % BLOCK > 0 else take(taken, BLOCK)
        begins = begins_only and wanted[i]
        if not begins_only:
            bring_all(ahead)
            if events is not None:
                want_first(sim.book, recorded, sim.cursor)
            want_member(next_one, sims, members, parents, ahead)
            for k in range(actions.shape[1]):
                member.pad.action[k] = actions[i, k]
            begins = work_step(sim, recorded, parent, choose_children, earned, params[0], member, scratch)
            rewards[i] = member.gained
            terminated[i] = begins
            out = final_observations[i] if begins else observations[i]
            observe(member.views[member.seen], drawn_from.usual, member.filled_seen, out)
            if begins:
                tell_end(sim, parent, member)
            else:
                mask(member.views[member.seen], drawn_from.mask, masks[i])
        if begins:
            horizon = choose(member, templates.shape[0], templates.shape[1])
            copy(bank_bytes[member.entry], sim_bytes[i])
            member.course.caution = 0
            if len(cautions) > 0:
                copy(begun_cautions[member.entry], cautions[i])
                member.course.caution = cautions[i].ctypes.data
            parents[i] = templates[member.entry, horizon]
            open_episode(sim, recorded, parent, volumes[member.entry, horizon], drawn_from, member, scratch)
            observe(member.views[member.seen], drawn_from.usual, 0, observations[i])
            mask(member.views[member.seen], drawn_from.mask, masks[i])
        i = next_one


@cache
def machine(sim_type: np.dtype[Any], scratch_type: np.dtype[Any], recorded: bool) -> Any:
    """`step_members` compiled for simulations of that type, with a recorded day's events or without."""
    record, array, group = numba.from_dtype, types.Array, types.Tuple
    events = array(record(EVENT), 1, "C") if recorded else types.none
    bytes_ = array(types.uint8, 2, "C")
    market = group((array(record(sim_type), 1, "C"), bytes_, bytes_))
    terms = group(
        (
            array(record(PARENT), 1, "C"),
            array(record(PARENT), 2, "C"),
            array(types.float64, 2, "C"),
            array(record(RANGES), 1, "C"),
            array(record(MEMBER), 1, "C"),
        )
    )
    floats, flags = array(types.float32, 2, "C"), array(types.boolean, 2, "C")
    choices = group((array(types.float64, 2, "C"), types.int64, types.int64, array(record(PARAMS), 1, "C")))
    results = group((floats, floats, array(types.float64, 1, "C"), array(types.boolean, 1, "C"), flags))
    places = (array(types.int64, 1, "C"), array(types.boolean, 1, "C"))
    given = (*places, choices, market, group((bytes_, bytes_)), events, terms, array(record(scratch_type), 1, "C"), results)
    return compiled(types.void(*given))(step_members)
