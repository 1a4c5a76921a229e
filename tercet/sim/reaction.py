"""What a crowd makes of our orders: it hears them as it hears its own."""

from tercet.compiled import compiled
from tercet.sim import hawkes, queues
from tercet.sim.agenda import business_of, schedule
from tercet.sim.random import word
from tercet.sim.state import HAWKES, HEARING, LIMIT_ORDER, MARKET_ORDER, QUEUE
from tercet.sim.wheel import disarm


@compiled
def filled(sim, fill):
    """An order of the crowd's was filled by ours: who is filled dies no other death."""
    if fill.left == 0:
        disarm(sim.wheel, fill.slot)


@compiled
def hear(sim, side, lots, rests, handle):
    """An order of ours has traded `lots`, and `rests` or not.

    What it excites is keyed by its time too: handles begin anew with each parent, and the parents of a session are to be independent.
    """
    sim.clock.business = business_of(sim.clock, sim.now)
    if sim.crowd.flow == HAWKES:
        if lots > 0:
            hawkes.press(sim, side, lots)
            hawkes.excite(sim, MARKET_ORDER, side, lots / sim.crowd.market_lots, word(sim.key, HEARING, sim.now + 2 * handle))
        if rests:
            hawkes.excite(sim, LIMIT_ORDER, side, 1.0, word(sim.key, HEARING, sim.now + 2 * handle + 1))
    elif sim.crowd.flow == QUEUE:
        queues.follow(sim)
    sim.traded_lots += lots
    schedule(sim)
