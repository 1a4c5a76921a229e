"""Market time: events and our children in the order in which they reach the venue.

`events` are a recorded day's, or None where a crowd acts: numba then leaves the other kind of market out of the machine code.
"""

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


@compiled
def advance_market(sim, events, until, scratch):
    """Let the market's own events up to and including `until` happen, and none of our children arrive."""
    event = next_market_event(sim, events)
    while event <= until:
        act(sim, events, scratch)
        event = sim.clock.next
    sim.now = max(sim.now, until)


@compiled(inline="always")
def act(sim, events, scratch):
    """Let the market's next own event happen."""
    if events is None:
        crowd.step(sim, scratch)
    else:
        history.step(sim, events, scratch)


@compiled(inline="always")
def next_market_event(sim, events):
    """When the market itself acts next, or NEVER. A crowd knows; a recording is asked, and after each act its clock knows too."""
    if events is not None:
        history.look_ahead(sim, events)
    return sim.clock.next
