"""STATE: every microstructure feature of one market, kept event by event. The same verbs in batch, in the simulator and live:

`start` once, then for each EVENT `replay.apply(book, event)` and `happened(state, book, event)`; `write` whenever a row is wanted.
Writing a row changes nothing, and a row depends on the events before it alone: whatever comes later, and wherever rows are written.
"""

import math
from typing import Final

import numpy as np

from tercet.book.queries import row_of
from tercet.book.replay import apply
from tercet.compiled import compiled
from tercet.market.events import HALT, HIDDEN, REVEAL, TRADE
from tercet.signals import arrivals, fading, impact, ladder, micro, orderflow, resilience, seconds, tape, toxicity
from tercet.signals.arrivals import ARRIVALS
from tercet.signals.fading import FADING, S60, span
from tercet.signals.impact import IMPACT
from tercet.signals.ladder import DEEP, LADDER, LEVELS
from tercet.signals.micro import MICRO
from tercet.signals.orderflow import ORDERFLOW
from tercet.signals.resilience import RESILIENCE
from tercet.signals.seconds import CLOCK, STEP_NS
from tercet.signals.tape import TAPE
from tercet.signals.toxicity import TOXICITY

BY_EVENTS, BY_MID, BY_CLOCK = 0, 1, 2  # when rows are written
CURVE_STEPS: Final = 64

# What does not change: the session, and what was learnt from earlier days.
PARAMS: Final = np.dtype(
    [
        ("open", np.int64),  # ns
        ("close", np.int64),
        ("sampling", np.int64),  # BY_EVENTS, BY_MID or BY_CLOCK
        ("every", np.int64),  # events, or ns
        ("weights", np.float64, LEVELS),  # of the levels in the integrated imbalance; they sum to 1
        ("sweep_lots", np.float64),  # what sweep costs are for; 0: SWEEP_DEPTHS times the usual depth of a level
        ("bucket_lots", np.int64),  # of a VPIN bucket; 0: the first aggressors say it
        ("curve", np.float64, CURVE_STEPS + 1),  # lots usually traded by each 64th of the session; zeros where nobody knows
    ],
    align=True,
)
SWEEP_DEPTHS: Final = 3.0

STATE: Final = np.dtype(
    [
        ("params", PARAMS),
        ("fading", FADING),
        ("ladder", LADDER),
        ("orderflow", ORDERFLOW),
        ("tape", TAPE),
        ("arrivals", ARRIVALS),
        ("resilience", RESILIENCE),
        ("clock", CLOCK),
        ("toxicity", TOXICITY),
        ("micro", MICRO),
        ("impact", IMPACT),
        ("events", np.int64),  # that happened
        ("quoted", np.int64),  # 1: both sides hold orders, and trading goes on
        ("halted", np.int64),
        ("bid", np.int64),  # the touch, where quoted
        ("ask", np.int64),
        ("bid_lots", np.int64),
        ("ask_lots", np.int64),
        ("mid2", np.int64),  # twice the mid in ticks, the last one there was; 0 before
        ("told_mid2", np.int64),  # of the last row
        ("next_row", np.int64),  # by the clock, ns; 0 before the first event
    ],
    align=True,
)

# What a row is about.
HEAD: Final = np.dtype(
    [("time", np.int64), ("used", np.int64), ("bid", np.int64), ("ask", np.int64), ("mid2", np.int64), ("quoted", np.int64)], align=True
)


@compiled
def start(state, book):
    """Begin with a book in which nothing has happened yet; `state.params` is filled already."""
    ladder.read(state.ladder, book)
    state.halted = book.halted != 0
    toxicity.start(state.toxicity, state.params.bucket_lots)
    touched(state)


@compiled
def happened(state, book, event):
    """One EVENT, which the book has already been through."""
    if state.events == 0:
        begin(state, event.time)
    state.events += 1
    settle(state, event.time - 1)
    if fading.step(state.fading, event.time):
        orderflow.fade(state.orderflow, state.fading)
        tape.fade(state.tape, state.fading)
        arrivals.fade(state.arrivals, state.fading)
        resilience.fade(state.resilience, state.fading)
    kind = event.kind
    if kind == HALT or state.halted != 0:
        state.halted = book.halted != 0
        ladder.read(state.ladder, book)
    elif kind == REVEAL:
        ladder.read(state.ladder, book)
    else:
        if kind in (TRADE, HIDDEN):
            traded(state, event)
        if kind <= TRADE:
            messaged(state, book, event)
    touched(state)


@compiled(forceinline=True)
def traded(state, event):
    """An execution, displayed or hidden."""
    side, lots = -int(event.side), event.lots
    count, before = state.tape.count, state.tape.lots
    fresh = tape.printed(state.tape, event)
    if fresh:
        toxicity.aggressor(state.toxicity, count, before)
        arrivals.arrived(state.arrivals, row_of(side))
    impact.traded(state.impact, event, fresh, state.mid2 if state.quoted != 0 else 0)
    seconds.traded(state.clock, side, lots, fresh)
    toxicity.traded(state.toxicity, side, lots, seconds.variance(state.clock), state.tape.volume[tape.LONGEST])


@compiled(forceinline=True)
def messaged(state, book, event):
    """A message on a displayed order: it came, lost lots, left or was executed."""
    levels, row = state.ladder, row_of(event.side)
    key, before = levels.keys[row, 0], levels.lots[row, 0]
    there = levels.count[row] > 0
    orderflow.met(state.orderflow, levels.total)
    first, stop = ladder.changed(levels, book, event.side, event.tick)
    orderflow.flowed(state.orderflow, levels, state.params.weights, first, stop)
    if event.kind != TRADE:
        resilience.told(state.resilience, event.kind, event.side, event.time, levels)
    elif there:
        resilience.took(state.resilience, event, key, before, levels)


@compiled
def begin(state, time):
    """The first event's time starts the clocks."""
    state.fading.time = time
    state.fading.first = time
    state.clock.next = state.params.open - (state.params.open - time) // STEP_NS * STEP_NS
    if state.params.sampling == BY_CLOCK:
        every = state.params.every
        state.next_row = state.params.open - (state.params.open - time) // every * every


@compiled
def settle(state, time):
    """Let time pass: nothing more happens up to and including `time`."""
    if state.clock.next <= time:
        seconds.settle(state.clock, time, state.mid2 if state.quoted != 0 else 0)
    impact.settle(state.impact, time, state.mid2)
    resilience.settle(state.resilience, time)


@compiled
def touched(state):
    """Take in the touch."""
    levels = state.ladder
    state.quoted = levels.count[0] > 0 and levels.count[1] > 0 and state.halted == 0
    if state.quoted == 0:
        state.micro.last = 0
        return
    bid, ask = levels.keys[0, 0], -levels.keys[1, 0]
    bid_lots, ask_lots = levels.lots[0, 0], levels.lots[1, 0]
    if bid == state.bid and ask == state.ask and bid_lots == state.bid_lots and ask_lots == state.ask_lots and state.micro.last != 0:
        return
    state.bid, state.ask = bid, ask
    state.bid_lots, state.ask_lots = bid_lots, ask_lots
    state.mid2 = bid + ask
    micro.moved(state.micro, levels, state.mid2)


@compiled
def write(state, time, out):
    """Write every feature as of `time`, not before the last event's; returns how many. NaN is what is not known yet."""
    fading.look(state.fading, time)
    at = write_book(state, out, 0)
    at = orderflow.write(state.orderflow, state.fading, out, at)
    at = tape.write_flow(state.tape, state.fading, out, at)
    at = toxicity.write(state.toxicity, out, at)
    at = impact.write(state.impact, out, at)
    at = resilience.write(state.resilience, state.fading, out, at)
    at = arrivals.write(state.arrivals, state.fading, time, out, at)
    at = seconds.write(state.clock, out, at)
    return write_day(state, time, out, at)


@compiled
def write_book(state, out, at):
    """What the book alone says; NaN where it is not quoted, and for what the levels kept cannot tell."""
    levels = state.ladder
    if state.quoted == 0:
        for i in range(at, at + 15):
            out[i] = math.nan
        return at + 15
    out[at] = state.ask - state.bid
    for level in range(5):
        out[at + 1 + level] = ladder.share(ladder.lots_on(levels, 0, level), ladder.lots_on(levels, 1, level))
    for i in range(len(DEEP)):
        out[at + 6 + i] = ladder.share(ladder.lots_over(levels, 0, DEEP[i]), ladder.lots_over(levels, 1, DEEP[i]))
    out[at + 9] = ladder.weighted_mid(levels)
    out[at + 10] = state.micro.price[state.micro.last - 1]
    for row in range(2):
        out[at + 11 + row] = ladder.slope(levels, row)
    lots = state.params.sweep_lots if state.params.sweep_lots > 0.0 else SWEEP_DEPTHS * orderflow.usual_depth(state.orderflow)
    out[at + 13] = ladder.sweep(levels, 1, lots)
    out[at + 14] = ladder.sweep(levels, 0, lots)
    return at + 15


@compiled
def write_day(state, time, out, at):
    """Where in the day this is, and how its volume compares with other days."""
    params = state.params
    gone = (time - params.open) / (params.close - params.open)
    out[at] = gone
    step = min(max(gone, 0.0), 1.0) * CURVE_STEPS
    before = min(int(step), CURVE_STEPS - 1)
    usual = params.curve[before] + (params.curve[before + 1] - params.curve[before]) * (step - before)
    out[at + 1] = math.log((state.tape.lots + 1.0) / (usual + 1.0)) if params.curve[CURVE_STEPS] > 0.0 else math.nan
    recent = state.tape.volume[tape.LONGEST] * state.fading.ahead[S60] / span(state.fading, S60, time)
    passed = (time - state.fading.first) * 1e-9
    out[at + 2] = math.log(recent * passed / state.tape.lots) if state.tape.lots > 0 and passed > 0.0 else math.nan
    return at + 3


@compiled
def told(state, time, head, out):
    """Write a row, and what it is about."""
    head.time = time
    head.used = state.events
    head.quoted = state.quoted
    head.bid = state.bid
    head.ask = state.ask
    head.mid2 = state.mid2
    state.told_mid2 = state.mid2
    write(state, time, out)


@compiled
def run(state, book, events, heads, out):
    """Let EVENTs happen and write the rows that are due, until either runs out; returns (events used, rows written)."""
    used, rows = 0, 0
    params = state.params
    by_clock = params.sampling == BY_CLOCK
    while used < len(events):
        event = events[used]
        if by_clock and state.events > 0 and state.next_row < event.time:
            rows += tick(state, event.time - 1, heads[rows:], out[rows:])
        if rows == len(heads):
            break
        apply(book, event)
        happened(state, book, event)
        used += 1
        if not by_clock and due(state):
            told(state, event.time, heads[rows], out[rows])
            rows += 1
            if rows == len(heads):
                break
    return used, rows


@compiled
def due(state):
    """Whether the last event calls for a row."""
    if state.params.sampling == BY_EVENTS:
        return state.events % state.params.every == 0
    return state.quoted != 0 and state.mid2 != state.told_mid2


@compiled
def tick(state, time, heads, out):
    """Nothing more happens up to and including `time`: write the rows of the clock that are due by then; returns how many, if they fit."""
    rows = 0
    while state.next_row <= time and rows < len(heads):
        settle(state, state.next_row)
        told(state, state.next_row, heads[rows], out[rows])
        state.next_row += state.params.every
        rows += 1
    return rows
