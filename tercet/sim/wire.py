"""The wire: what we sent and has not arrived yet. Latencies are tables of quantiles: constant, jittered or sampled alike."""

import numpy as np

from tercet.book.records import CANCEL_OWN, CANCELLING, FREE, REPLACE_OWN, SENT, SUBMIT
from tercet.compiled import compiled
from tercet.sim.random import uniform

ORDER_LATENCY, FEED_LATENCY = 14, 15  # classes of random numbers
NEVER = np.iinfo(np.int64).max


@compiled
def latency(table, seed, kind, count):
    """One draw from a table of quantiles, ns."""
    steps = len(table) - 1
    if table[0] == table[steps]:
        return table[0]
    place = uniform(seed, kind, count) * steps
    below = int(place)
    return table[below] + np.int64((place - below) * (table[below + 1] - table[below]))


@compiled
def send(sim, child, now):
    """Put a child on the wire at time `now`; it arrives after the order latency, never before what was sent earlier.

    Returns the order's handle, or -1 where there is no room for another order or message.
    """
    if sim.wire_count == len(sim.wire):
        return -1
    if child.verb == SUBMIT:
        place = own_place(sim)
        if place < 0:
            return -1
        sim.next_handle += 1
        own = sim.own[place]
        own.handle = sim.next_handle
        own.lots = child.lots
        own.filled = 0
        own.tick = child.tick
        own.slot = 0
        own.side = child.side
        own.state = SENT
        child.handle = own.handle
    else:
        own = sim.own[own_index(sim, child.handle)]
        if own.state == FREE or own.handle != child.handle:
            return -1
        if child.verb == CANCEL_OWN:
            own.state = CANCELLING
        else:
            own.lots = max(own.lots, child.lots - own.filled)
    sim.draws[ORDER_LATENCY] += 1
    arrival = now + latency(sim.order_latency, sim.seed, ORDER_LATENCY, sim.draws[ORDER_LATENCY])
    sim.last_arrival = max(arrival, sim.last_arrival)
    place = (sim.wire_head + sim.wire_count) % len(sim.wire)
    sim.wire[place] = child
    sim.wire[place].time = sim.last_arrival
    sim.wire_count += 1
    return child.handle


@compiled
def own_place(sim):
    """A free place for an order of ours, or -1."""
    for i in range(len(sim.own)):
        if sim.own[i].state == FREE:
            return i
    return -1


@compiled
def own_index(sim, handle):
    """The place of our order with this handle; the first place where there is none."""
    for i in range(len(sim.own)):
        if sim.own[i].handle == handle and sim.own[i].state != FREE:
            return i
    return 0


@compiled
def asked(sim, handle):
    """The most lots, filled ones included, that replacements still on the wire ask of an order; 0 where there are none."""
    most = 0
    for i in range(sim.wire_count):
        child = sim.wire[(sim.wire_head + i) % len(sim.wire)]
        if child.verb == REPLACE_OWN and child.handle == handle:
            most = max(most, child.lots)
    return most


@compiled
def next_arrival(sim):
    """When the next child arrives, or NEVER."""
    return sim.wire[sim.wire_head].time if sim.wire_count > 0 else NEVER
