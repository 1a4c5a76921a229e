"""Give a copy of a market a future of its own: what stands in its book stays, what will happen to it is drawn anew.

Waits are exponential, so that what remains of one is distributed as a whole one: the copy is as stationary as what it was taken from.
"""

from tercet.compiled import compiled
from tercet.sim.agenda import business_of, schedule
from tercet.sim.random import exponential, high, key_of, low, word
from tercet.sim.state import ARRIVAL, CROWD, MARKET_ORDER, REGIME_CHANGE, RENEWAL
from tercet.sim.wheel import arm, disarm


@compiled
def reseed(sim, seed):
    """Draw everything that is still to come with another seed."""
    sim.seed = seed
    if sim.kind != CROWD:
        return
    sim.key = key_of(seed)
    clock, wheel = sim.clock, sim.wheel
    clock.business = business_of(clock, sim.now)
    for slot in range(1, sim.book.used + 1):
        if wheel.timers[slot].armed != 0:
            wait_anew(sim, slot, high(word(sim.key, RENEWAL, slot)))
    for place in range(1, wheel.used + 1):
        k = len(sim.book.orders) + place - 1
        if wheel.timers[k].armed != 0:
            wheel.births[place].key = word(sim.key, RENEWAL, k)
            if wheel.births[place].what <= MARKET_ORDER:
                wait_anew(sim, k, high(wheel.births[place].key))
            elif wheel.births[place].what == REGIME_CHANGE:
                disarm(wheel, k)
                arm(wheel, k, clock.business + 1 + int(exponential(high(wheel.births[place].key)) * sim.crowd.dwell), 0)
    bits = word(sim.key, ARRIVAL, -1)
    clock.candidate = clock.business + 1 + int(exponential(low(bits)) * sim.crowd.wait)
    clock.following = clock.candidate + 1 + int(exponential(high(bits)) * sim.crowd.wait)
    schedule(sim)


@compiled
def wait_anew(sim, k, u):
    """Draw the wait of a timer again, from now."""
    mean = int(sim.wheel.timers[k].mean)
    disarm(sim.wheel, k)
    arm(sim.wheel, k, sim.clock.business + 1 + int(exponential(u) * sim.crowd.waits[mean]), mean)
