"""Market time: events and our children in the order in which they reach the venue.

`events` are a recorded day's, or None where a crowd acts: numba then leaves the other kind of market out of the machine code.
"""

from typing import Any

from numba import types
from numba.extending import overload

from tercet.compiled import compiled
from tercet.sim import crowd, history
from tercet.sim.ahead import AT_ONCE, bring
from tercet.sim.ours import deliver
from tercet.sim.wire import next_arrival


@compiled
def advance(sim, events, until, scratch):
    """Let everything happen up to and including time `until`. Where times are equal the market's own events come first."""
    event = next_market_event(sim, events)
    while True:
        arrival = next_arrival(sim)
        if min(event, arrival) > until:
            break
        if event <= arrival:
            bring(scratch.ahead, AT_ONCE)
            act(sim, events, scratch)
        else:
            sim.now = arrival
            deliver(sim, scratch)
        event = sim.clock.next
    sim.now = max(sim.now, until)


@compiled(inline="always")
def advance_market(sim, events, until, scratch):
    """Let the market's own events up to and including `until` happen, and none of our children arrive."""
    sent, sim.wire_count = sim.wire_count, 0
    advance(sim, events, until, scratch)
    sim.wire_count = sent


def act(sim: Any, events: Any, scratch: Any) -> None:
    """Let the market's next own event happen."""
    (crowd_acts if events is None else recording_acts)(sim, events, scratch)


def crowd_acts(sim, events, scratch):
    """Let a crowd act."""
    crowd.step(sim, scratch)


def recording_acts(sim, events, scratch):
    """Let the next recorded event happen."""
    history.step(sim, events, scratch)


@overload(act, inline="always")
def _compiled_act(sim, events, scratch):
    return crowd_acts if events is types.none else recording_acts


@compiled(inline="always")
def next_market_event(sim, events):
    """When the market itself acts next, or NEVER. A crowd knows; a recording is asked, and after each act its clock knows too."""
    if events is not None:
        history.look_ahead(sim, events)
    return sim.clock.next
