"""The marked Hawkes law, by its clusters (Hawkes & Oakes 1974), which is exact and needs no thinning: every order has a Poisson
number of offspring, limit and market orders of its side and the other, each after a wait drawn from a sum of exponentials. A market
order has the more of them the larger it is. Ours excite as others do.

Signed-flow feedback (Noble, Rosenbaum & Souilmi 2026): market orders are remembered with a sum of exponentials (a power law's
likeness); the more the market has been bought, the more of its buyers turn sellers.
"""

import math

from tercet.book.flow import fade
from tercet.book.queries import row_of
from tercet.compiled import compiled
from tercet.market.events import BUY
from tercet.sim.random import exponential, high, low, word
from tercet.sim.state import KERNEL, LIMIT_ORDER, MARKET_ORDER
from tercet.sim.wheel import conceive

MOST_OFFSPRING = 32


@compiled(forceinline=True)
def excite(sim, what, side, mark, key):
    """Conceive the offspring of an order; `mark` is a market order's size by their mean."""
    crowd = sim.crowd
    mean = crowd.offspring[what]
    if what == MARKET_ORDER:
        mean *= math.sqrt(mark) if crowd.mark_power == 0.5 else mark**crowd.mark_power
    reached, number = 0.0, 0
    while number < MOST_OFFSPRING:
        bits = word(key, 3, number)
        reached += exponential(high(bits))
        if reached >= mean:
            return
        offspring(sim, what, side, low(bits), word(key, 4, number))
        number += 1


@compiled(forceinline=True)
def offspring(sim, what, side, u, key):
    """Conceive one: `u` chooses its kind, `key` its wait and all that follows."""
    crowd = sim.crowd
    kind = 0
    while kind < 3 and u >= crowd.child[what, kind]:
        kind += 1
    part, v = 0, low(key)
    while part < 3 and v >= crowd.kernel[part]:
        part += 1
    wait = 1 + int(exponential(high(word(key, 5, 0))) * crowd.waits[KERNEL + part])
    born = LIMIT_ORDER if kind < 2 else MARKET_ORDER
    conceive(sim.wheel, len(sim.book.orders), born, side if kind % 2 == 0 else -side, key, sim.clock.business + wait, KERNEL + part)


@compiled(forceinline=True)
def press(sim, side, lots):
    """Remember a market order's side and size."""
    crowd = sim.crowd
    forget(sim)
    for i in range(len(sim.pressure)):
        sim.pressure[i] += side * lots / crowd.market_lots


@compiled(forceinline=True)
def forget(sim):
    """Let the memory of signed flow fade up to now."""
    passed = sim.clock.business - sim.pressure_time
    if passed <= 0:
        return
    sim.pressure_time = sim.clock.business
    for i in range(len(sim.pressure)):
        if sim.crowd.feedback_share[i] > 0.0:
            sim.pressure[i] *= fade(passed * sim.crowd.feedback_rate[i])


@compiled(forceinline=True)
def turned(sim, side, u):
    """The side of a market order, turned around with a probability that grows with what its side has traded before."""
    crowd = sim.crowd
    if crowd.feedback <= 0.0:
        return side
    forget(sim)
    pressure = 0.0
    for i in range(len(sim.pressure)):
        pressure += crowd.feedback_share[i] * sim.pressure[i]
    return -side if u < min(crowd.feedback * side * pressure, 0.9) else side


@compiled(forceinline=True)
def place(sim, side, bits):
    """The tick where a limit order arrives: inside a wide spread, at its own touch, or behind it."""
    crowd, book = sim.crowd, sim.book
    own, opposite = book.sides[row_of(side)], book.sides[row_of(-side)]
    u = high(bits)
    reach = crowd.reach * crowd.regimes[sim.regime].reach
    if own.levels == 0 or opposite.levels == 0:
        reference = sim.crowd.anchor if sim.flow.ask == 0 else (sim.flow.bid if side == BUY else sim.flow.ask)
        if opposite.levels > 0:
            reference = -side * opposite.top - side
        elif own.levels > 0:
            reference = side * own.top
        return reference - side * int(exponential(u) * reach)
    room = -opposite.top - own.top - 1
    lean = leaning(sim, side)
    improve = crowd.improve * lean * min(room / crowd.wide, 1.0)
    near = improve + crowd.join * lean
    if u < improve:
        return side * (own.top + 1 + int(u / improve * 0.5 * room))
    if u < near:
        return side * own.top
    return side * (own.top - 1 - int(exponential((u - near) / (1.0 - near)) * reach))


@compiled(forceinline=True)
def leaning(sim, side):
    """By how much more limit orders of a side come to the touch, or less: they follow what has just been traded."""
    passed = sim.clock.business - sim.pressure_time
    fresh = sim.pressure[0] * fade(passed * sim.crowd.feedback_rate[0])
    return min(max(1.0 + sim.crowd.follow * side * fresh, 0.0), 2.0)
