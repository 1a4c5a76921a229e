"""The queue-reactive law (Huang, Lehalle & Rosenbaum 2015, model I with the reference price of section 3).

Level i of the bids lies i ticks below the reference price, level i of the asks i ticks above, i = 1/2, 3/2, ...; what arrives there and
what leaves depends on the length of the queue alone. When the first queue of a side is depleted, the reference price follows with
probability theta.
"""

import math

from tercet.book.queries import level_lots, row_of
from tercet.compiled import compiled
from tercet.market.events import BUY
from tercet.sim.random import high, low, word
from tercet.sim.state import FOLLOWING, LETTING_GO, QUEUE_CAP


@compiled(forceinline=True)
def length(sim, row, key):
    """The length of a queue in units, rounded up, at most QUEUE_CAP."""
    return min(QUEUE_CAP, int(math.ceil(level_lots(sim.book, row, key) / sim.crowd.queue_unit)))


@compiled(forceinline=True)
def key_at(sim, side, level):
    """The key of a side's level, counted from 0."""
    return side * (sim.reference + (0 if side == BUY else 1)) - level


@compiled(forceinline=True)
def place(sim, side, bits):
    """The tick where a limit order arrives, or 0 where its queue turns it away."""
    crowd = sim.crowd
    level, u = 0, high(bits)
    while u >= crowd.level[level] and level + 1 < crowd.level_count:
        level += 1
    key = key_at(sim, side, level)
    share = (u - (crowd.level[level - 1] if level > 0 else 0.0)) / (crowd.level[level] - (crowd.level[level - 1] if level > 0 else 0.0))
    if share >= crowd.limits_at[level, length(sim, row_of(side), key)]:
        return 0
    return side * key


@compiled(forceinline=True)
def meets(sim, side, u):
    """Whether a market order that might come does, for the queue at the opposite touch."""
    opposite = sim.book.sides[row_of(-side)]
    return opposite.levels > 0 and u < sim.crowd.markets_at[length(sim, row_of(-side), opposite.top)]


@compiled(forceinline=True)
def lets_go(sim, slot):
    """Whether an order whose life might end now leaves: by its level and the length of its queue."""
    order = sim.book.orders[slot]
    side = int(order.side)
    level = min(max(key_at(sim, side, 0) - order.key, 0), sim.crowd.level_count - 1)
    return low(word(sim.key, LETTING_GO, order.id ^ sim.clock.business)) < sim.crowd.lives_at[level, length(sim, row_of(side), order.key)]


@compiled
def follow(sim):
    """Let the reference price follow a first queue that has been depleted since the last look, with probability theta."""
    u = high(word(sim.key, FOLLOWING, sim.clock.business))
    for row in range(2):
        side = 1 - 2 * row
        empty = level_lots(sim.book, row, key_at(sim, side, 0)) == 0
        moves = empty and sim.depleted[row] == 0 and u < sim.crowd.theta
        sim.depleted[row] = empty
        if moves:
            sim.reference -= side
            for other in range(2):
                sim.depleted[other] = level_lots(sim.book, other, key_at(sim, 1 - 2 * other, 0)) == 0
            return
