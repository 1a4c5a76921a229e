"""Doors into a market: a recorded day or a crowd, made ready at its opening."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.book.flow import touched
from tercet.book.replay import start
from tercet.market.events import EVENT, LEVEL_ROW
from tercet.sim import crowd
from tercet.sim.settings import CrowdSettings
from tercet.sim.state import CROWD, HISTORY, LATENCY_STEPS, new_sim

WARM_LIVES = 15.0  # mean lifetimes that a crowd lives before its opening


def open_history(levels: NDArray[np.void], size: tuple[int, int]) -> Any:
    """A recorded day before its first event, from its start state (LEVEL_ROWs). `size`: levels and orders of the book."""
    sim = new_sim(HISTORY, *size)
    start(sim.book, np.asarray(levels, LEVEL_ROW).view(np.recarray))
    touched(sim.flow, sim.book, sim.now)
    return sim


def open_crowd(settings: CrowdSettings, seed: int, opens: int, closes: int) -> Any:
    """A crowd whose clocks start early enough that its book is stationary at `opens` (ns)."""
    sim = new_sim(CROWD, settings.levels, settings.orders, settings.orders, seed)
    settings.write(sim.crowd, opens, closes)
    sim.now = opens - int(WARM_LIVES * settings.life_s * 1e9)
    crowd.open_crowd(sim)
    return sim


def set_latency(sim: Any, order_ns: NDArray[np.int64] | int, feed_ns: NDArray[np.int64] | int) -> None:
    """Set both latencies: a constant, or a sample whose quantiles are drawn from (two values: uniform jitter between them)."""
    for table, sample in ((sim.order_latency, order_ns), (sim.feed_latency, feed_ns)):
        table[:] = np.quantile(np.atleast_1d(sample), np.linspace(0, 1, LATENCY_STEPS)).astype(np.int64)


NO_EVENTS = np.zeros(0, EVENT)
