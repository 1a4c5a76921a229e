"""A market watched second by second, for those who judge what a CAUTION makes of it."""

from tercet.compiled import compiled
from tercet.execution.caution import update
from tercet.sim.episode import advance


@compiled
def follow(sim, events, scratch, caution, indicators, mid):
    """Let a market go on, and note each second what a CAUTION makes of it."""
    for k in range(len(mid)):
        advance(sim, events, caution.next, scratch)
        update(caution, sim.book, sim.flow, sim.applied, caution.next)
        caution.next += caution.every
        mid[k] = caution.mid
        for i in range(len(caution.indicators)):
            indicators[k, i] = caution.indicators[i]
