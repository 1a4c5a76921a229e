"""The hot loop: a market, the parent being worked in it, the policy that works it. Backtests and environments both drive it."""

from functools import cache
from typing import Any, Final

import numba
import numpy as np
from numba import types

from tercet.book.flow import touched
from tercet.book.state import IOC, MARKET, REFUSED_FULL
from tercet.compiled import compiled
from tercet.execution.caps import HALT, halted
from tercet.execution.caution import CAUTION, update
from tercet.execution.policy import DECIDE, PAD, cross, fit
from tercet.execution.view import AFTER_PLACES, PARENT, VIEW, begin, count_open, look
from tercet.execution.working import DROPPED, behind_least, conform, pull
from tercet.intrinsics import array_at
from tercet.market.events import EVENT
from tercet.sim.episode import advance, advance_market
from tercet.sim.ours import complete, withdraw_all
from tercet.sim.wire import FEED_LATENCY, latency, send

# What came of one parent, beside its reports.
OUTCOME: Final = np.dtype(
    [
        ("arrival_mid2", np.int64),  # venue's bid + ask in ticks at the parent's birth
        ("end_mid2", np.int64),  # and at its end, before completion
        ("end_spread", np.int64),
        ("left", np.int64),  # lots that even the completion could not fill
        ("completed", np.int64),  # lots that the completion had to trade, `left` included
        ("market_lots", np.int64),  # printed between others during the parent
        ("market_notional", np.float64),  # lots × price in ticks
        ("recorded_lots", np.int64),
        ("altered_lots", np.int64),
        ("phantom_lots", np.int64),
        ("missing_lots", np.int64),
        ("decisions", np.int64),
        ("children", np.int64),
        ("dropped", np.int64),  # children that the parent's terms or the wire refused
        ("cut", np.int64),  # decisions that returned more children than a pad has places for
        ("log_full", np.int64),
        ("forgotten", np.int64),  # recorded orders that we altered and the tables had no room to remember
        ("book_full", np.int64),  # orders that the book had no room for
        ("after_mid2", np.int64, AFTER_PLACES),  # bid + ask in ticks at the parent's times after its end; 0 where none
        ("arrival_tick_volatility", np.float64),  # ticks per square root of a second, over the minutes before
    ],
    align=True,
)

# Where the work on one parent is.
COURSE: Final = np.dtype(
    [
        ("now", np.int64),  # of the next decision
        ("step", np.int64),
        ("volume_before", np.int64),  # printed before the first decision
        ("born", np.int64),  # the arrival mid is stamped
        ("caution", np.int64),  # the address of a CAUTION that watches this market and sets the posture; 0: nobody does
    ]
)


@compiled
def prepare(sim):
    """Set a simulation's counters to zero at a parent's birth; its market stays as it is."""
    sim.filled = 0
    sim.recorded_lots = 0
    sim.altered_lots = 0
    sim.phantom_lots = 0
    sim.missing_lots = 0
    sim.log_full = 0
    sim.flow.lots = 0
    sim.flow.notional = 0


@compiled
def look_time(sim, now):
    """When what is known at `now` was true at the venue."""
    sim.draws[FEED_LATENCY] += 1
    return now - latency(sim.feed_latency, sim.seed, FEED_LATENCY, sim.draws[FEED_LATENCY])


@compiled
def send_children(sim, view, parent, pad, count, now, outcome):
    """Send the first `count` children of a pad, as far as the parent's terms allow."""
    for i in range(count):
        child = pad.children[i]
        if conform(child, view, parent) == DROPPED or send(sim, child, now) < 0:
            outcome.dropped += 1
            continue
        outcome.children += 1
        count_open(view, sim)


@compiled
def note(scratch, view, decision, stride):
    """Write what the policy saw into the trace, every `stride` decisions."""
    if decision % stride != 0:
        return
    row = scratch.looks[scratch.looked]
    scratch.looked += 1
    row.time = view.now
    row.filled = view.filled
    row.open = view.open
    row.ahead = view.ahead
    row.bid = view.bid
    row.ask = view.ask
    row.own_tick = 0
    for i in range(len(view.own)):
        if view.own[i].slot != 0:
            row.own_tick = view.own[i].tick
            return


@compiled(inline="always")
def start(sim, parent, view, scratch, course, outcome, step):
    """Take up a parent, to be worked every `step` ns. `sim` must stand at or before its start less the feed latency."""
    prepare(sim)
    outcome.book_full = sim.book.refused[-REFUSED_FULL]
    scratch.count = 0
    begin(view, parent)
    course.now = parent.start
    course.step = step
    course.volume_before = 0
    course.born = 0


@compiled
def see(sim, events, parent, view, scratch, course, outcome):
    """Let the market come to where the feed is at this decision, and look."""
    seen = look_time(sim, course.now)
    if course.caution != 0:
        watch(sim, events, seen if course.born != 0 else min(seen, parent.start), scratch, caution_of(course))
    if course.born == 0 and seen >= parent.start:
        arrive(sim, events, parent, scratch, outcome)
        course.born = 1
    if course.caution != 0:
        watch(sim, events, seen, scratch, caution_of(course))
    advance(sim, events, seen, scratch)
    if course.now == parent.start:
        course.volume_before = sim.flow.lots
    view.market_lots = sim.flow.lots - course.volume_before
    look(view, sim, parent, course.now, course.step)
    if course.caution != 0:
        view.posture = caution_of(course).level / HALT


@compiled
def watch(sim, events, until, scratch, caution):
    """Let a CAUTION look at the market at each of its times up to and including `until`."""
    while caution.next <= until:
        advance(sim, events, caution.next, scratch)
        update(caution, sim.book, sim.flow, sim.applied, max(caution.next, sim.now))
        caution.next += caution.every


@compiled(inline="always")
def caution_of(course):
    """The CAUTION at a course's address."""
    return array_at(course.caution, 1, CAUTION)[0]


@compiled
def decide_and_send(sim, parent, decide, pad, view, course, outcome):
    """Let a policy decide on what it saw, and send what the parent's terms and the posture allow; the next decision is a step later."""
    pad.pressure = caution_of(course).pressure if course.caution != 0 else 0.0
    if view.quiet != 0 or halted(view):
        count = pull(view, pad)
    else:
        count = fit(pad, decide(view, pad))
        lacking = behind_least(view, parent)
        if lacking > 0 and count < len(pad.children):
            count = cross(view, pad, count, lacking)
    send_children(sim, view, parent, pad, count, course.now, outcome)
    outcome.decisions += 1
    outcome.cut = pad.cut
    course.now += course.step


@compiled(inline="always")
def conclude(sim, events, parent, scratch, course, outcome):
    """Let the parent's end come, and complete what is left."""
    if course.born == 0:
        arrive(sim, events, parent, scratch, outcome)
    advance(sim, events, parent.end, scratch)
    finish(sim, parent, scratch, outcome)


def work(sim, events, parent, decide, pad, view, scratch, step, course, outcome):
    """Work one parent from its start to its end by `decide`, every `step` ns; then complete what is left with one order.

    Fills are in `scratch.reports`, the rest in `outcome`.
    """
    start(sim, parent, view, scratch, course, outcome, step)
    scratch.looked = 0
    stride = (parent.end - parent.start) // step // len(scratch.looks) + 1
    while course.now < parent.end:
        see(sim, events, parent, view, scratch, course, outcome)
        note(scratch, view, outcome.decisions, stride)
        decide_and_send(sim, parent, decide, pad, view, course, outcome)
    conclude(sim, events, parent, scratch, course, outcome)
    for i in range(len(parent.after)):
        if parent.after[i] > 0:
            advance(sim, events, parent.end + parent.after[i], scratch)
            outcome.after_mid2[i] = sim.flow.bid + sim.flow.ask


@compiled(inline="always")
def arrive(sim, events, parent, scratch, outcome):
    """Stamp the arrival mid: the venue's, at the parent's birth, before any child of ours can arrive.

    It is called before a look at what came later, lest an earlier look see it.
    """
    advance_market(sim, events, parent.start, scratch)
    outcome.arrival_mid2 = sim.flow.bid + sim.flow.ask
    outcome.arrival_tick_volatility = sim.flow.variance_long**0.5
    outcome.market_lots = -sim.flow.lots
    outcome.market_notional = -sim.flow.notional


@compiled(inline="always")
def finish(sim, parent, scratch, outcome):
    """Complete what is left at the end, and close the accounts. The end's mid is the market's, without quotes of ours."""
    withdraw_all(sim)
    touched(sim.flow, sim.book, sim.now)
    outcome.end_mid2 = sim.flow.bid + sim.flow.ask
    outcome.end_spread = sim.flow.ask - sim.flow.bid
    outcome.market_lots += sim.flow.lots
    outcome.market_notional += sim.flow.notional
    outcome.completed = parent.lots - sim.filled
    kind = IOC if parent.limited != 0 else MARKET
    outcome.left = complete(sim, parent.side, parent.lots - sim.filled, kind, parent.limit, scratch)
    outcome.recorded_lots = sim.recorded_lots
    outcome.altered_lots = sim.altered_lots
    outcome.phantom_lots = sim.phantom_lots
    outcome.missing_lots = sim.missing_lots
    outcome.log_full = sim.log_full
    outcome.forgotten = sim.phantoms.dropped + sim.removed.dropped
    outcome.book_full = sim.book.refused[-REFUSED_FULL] - outcome.book_full


@cache
def machine(sim_type: np.dtype[Any], scratch_type: np.dtype[Any], recorded: bool) -> Any:
    """`work` compiled for simulations of that type, with a recorded day's events or without.

    Policies come as typed pointers, so that one machine serves them all.
    """
    record = numba.from_dtype
    return compiled(
        types.void(
            record(sim_type),
            types.Array(record(EVENT), 1, "C") if recorded else types.none,
            record(PARENT),
            types.FunctionType(DECIDE),
            record(PAD),
            record(VIEW),
            record(scratch_type),
            types.int64,
            record(COURSE),
            record(OUTCOME),
        )
    )(work)
