"""What acts at its own times beside the flow: the regime's changes, a signal, a large seller.

The seller (Kirilenko, Kyle, Samadi & Tuzun 2017) begins at a known onset and sells a share of what others traded since its last order,
whatever the price, until it has sold all: the more is traded because of it, the faster it sells.
"""

import math

from tercet.compiled import compiled
from tercet.sim.agenda import change_pace
from tercet.sim.random import exponential, high, low, normal, word
from tercet.sim.state import REGIME_CHANGE, SELLER, SIGNAL
from tercet.sim.wheel import conceive

SECOND = 1_000_000_000


@compiled
def wake(sim, what, wait):
    """Let an actor act after a business time, and count its acts."""
    sim.draws[what] += 1
    key = word(sim.key, what, sim.draws[what])
    conceive(sim.wheel, len(sim.book.orders), what, 0, key, sim.clock.business + 1 + int(wait), 0)


@compiled
def act(sim, what, key):
    """Let an actor act; returns the lots that it sells at once."""
    crowd = sim.crowd
    if what == REGIME_CHANGE:
        change_regime(sim, key)
        wake(sim, what, exponential(low(key)) * crowd.dwell)
    elif what == SIGNAL:
        drift(sim, key)
        wake(sim, what, crowd.signal_step)
    elif what == SELLER:
        if sim.seller_began == 0:
            sim.seller_began = sim.now
            sim.seller_seen = sim.traded_lots
        traded = sim.traded_lots - sim.seller_seen
        sim.seller_seen = sim.traded_lots
        lots = min(int(traded * crowd.seller_share / crowd.lot_step) * crowd.lot_step, sim.seller_left)
        sim.seller_left -= lots
        if sim.seller_left > 0:
            wake(sim, what, SECOND)
        return lots
    return 0


@compiled
def change_regime(sim, key):
    """Go over to another regime, any of them as likely, and to a trend either way."""
    count = sim.crowd.regime_count
    if count > 1:
        sim.regime = (sim.regime + 1 + int(high(key) * (count - 1))) % count
    sim.trend = 1.0 if low(word(key, 1, 0)) < 0.5 else -1.0
    change_pace(sim)


@compiled
def drift(sim, key):
    """Let the signal go on (an autoregression of variance 1), and its twin, which moves nothing."""
    memory = sim.crowd.signal_memory
    fresh = math.sqrt(1.0 - memory * memory)
    sim.signal = memory * sim.signal + fresh * normal(key)
    if sim.crowd.signal_shuffled != 0:
        sim.alpha = memory * sim.alpha + fresh * normal(word(key, 1, 0))
    else:
        sim.alpha = sim.signal
