"""One parent worked in a market, and its twin: the same market with the same random numbers, to which none of our children is sent.

MARKs are the times at which the mid of both is noted. What separates them is what our orders did, and nothing else.
"""

from functools import cache
from typing import Any, Final

import numba
import numpy as np
from numba import types

from tercet.backtest.episode import COURSE, OUTCOME, arrive, conclude, decide_and_send, see, start
from tercet.book.records import PASSIVE
from tercet.compiled import compiled
from tercet.execution.policy import DECIDE, PAD
from tercet.execution.view import PARENT, VIEW
from tercet.sim.episode import advance, advance_market

MARK: Final = np.dtype(
    [
        ("time", np.int64),  # clock time; moved to the look before it where that has gone further already
        ("mid2", np.int64),  # bid + ask in ticks with us; at the parent's end just before the completion, without quotes of ours
        ("twin_mid2", np.int64),  # and without us
    ]
)


@compiled
def mark_before(sim, events, parent, scratch, course, outcome, mark):
    """Note the mid at a time before the parent's end."""
    if course.born == 0:
        arrive(sim, events, parent, scratch, outcome)
        course.born = 1
    advance(sim, events, mark.time, scratch)
    mark.time = sim.now
    mark.mid2 = sim.flow.bid + sim.flow.ask


@compiled
def mark_after(sim, events, parent, scratch, outcome, mark):
    """Note the mid at the parent's end or later."""
    if mark.time == parent.end:
        mark.mid2 = outcome.end_mid2
        return
    advance(sim, events, mark.time, scratch)
    mark.mid2 = sim.flow.bid + sim.flow.ask


def work_marked(sim, events, parent, decide, pad, view, scratch, step, course, outcome, marks):
    """Work one parent as `episode.work` does, and note the mid at `marks`, whose times rise."""
    start(sim, parent, view, scratch, course, outcome, step)
    slowest = sim.feed_latency[len(sim.feed_latency) - 1]
    k = 0
    while course.now < parent.end:
        while k < len(marks) and marks[k].time <= course.now - slowest:
            mark_before(sim, events, parent, scratch, course, outcome, marks[k])
            k += 1
        see(sim, events, parent, view, scratch, course, outcome)
        decide_and_send(sim, parent, decide, pad, view, course, outcome)
    while k < len(marks) and marks[k].time < parent.end:
        mark_before(sim, events, parent, scratch, course, outcome, marks[k])
        k += 1
    conclude(sim, events, parent, scratch, course, outcome)
    while k < len(marks):
        mark_after(sim, events, parent, scratch, outcome, marks[k])
        k += 1


@compiled
def moment(report):
    """The time at which the twin's mid is taken for a fill: a passive one is caused by what happens then, so just before."""
    return report.time - 1 if report.how == PASSIVE else report.time


def follow(twin, events, scratch, marks, fill_mids2):
    """Let the twin go through the times of the first `scratch.count` reports and of the marks, and note its bid + ask at each."""
    k = 0
    for i in range(scratch.count):
        time = moment(scratch.reports[i])
        while k < len(marks) and marks[k].time <= time:
            advance_market(twin, events, marks[k].time, scratch)
            marks[k].twin_mid2 = twin.flow.bid + twin.flow.ask
            k += 1
        advance_market(twin, events, time, scratch)
        fill_mids2[i] = twin.flow.bid + twin.flow.ask
    while k < len(marks):
        advance_market(twin, events, marks[k].time, scratch)
        marks[k].twin_mid2 = twin.flow.bid + twin.flow.ask
        k += 1


@cache
def machines(sim_type: np.dtype[Any], scratch_type: np.dtype[Any]) -> tuple[Any, Any]:
    """(`work_marked`, `follow`) compiled for simulations of that type."""
    record = numba.from_dtype
    market = (record(sim_type), types.none)
    marks, scratch = types.Array(record(MARK), 1, "C"), record(scratch_type)
    how = (record(PARENT), types.FunctionType(DECIDE), record(PAD), record(VIEW), scratch, types.int64, record(COURSE), record(OUTCOME))
    work_signature = types.void(*market, *how, marks)
    follow_signature = types.void(*market, scratch, marks, types.Array(types.int64, 1, "C"))
    return compiled(work_signature)(work_marked), compiled(follow_signature)(follow)
