"""Doors into a market: a recorded day or a crowd, made ready at its opening."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.book.flow import LONG_S, touched
from tercet.book.replay import start
from tercet.market.events import LEVEL_ROW
from tercet.sim import crowd
from tercet.sim.settings import SECOND, CrowdSettings
from tercet.sim.state import ALTERED_PLACES, CROWD, HISTORY, LATENCY_STEPS, new_sim, sim_dtype

WARM_LIVES = 15.0  # mean lifetimes, and
WARM_DWELLS = 5.0  # mean times in a regime, that a crowd lives before its opening
WARM_MEMORIES = 6.0  # e-folding times of the slowest memory


def open_history(levels: NDArray[np.void], size: tuple[int, int]) -> Any:
    """A recorded day before its first event, from its start state (LEVEL_ROWs). `size`: levels and orders of the book."""
    sim = new_sim(sim_dtype(*size, altered=ALTERED_PLACES, ids=True), HISTORY)
    start(sim.book, np.asarray(levels, LEVEL_ROW).view(np.recarray))
    touched(sim.flow, sim.book, sim.now)
    return sim


def open_crowd(settings: CrowdSettings, seed: int, opens: int, closes: int, at: int | None = None) -> Any:
    """A crowd whose clocks start early enough that its book is stationary at `at` (ns; its opening where none is given)."""
    sim = new_sim(sim_dtype(settings.levels, settings.orders, settings.births), CROWD, seed)
    settings.write(sim.crowd, opens, closes, seed)
    spacing = SECOND / (2 * (settings.limit_rate + settings.market_rate))
    sim.wheel.shift = int(np.log2(spacing))
    warm = warm_s(settings) / min(regime.pace for regime in settings.regimes)
    season_from = opens if at is None else max(opens, at - int(WARM_MEMORIES * LONG_S * SECOND))
    crowd.begin(sim, season_from, int(warm * SECOND), int(np.interp(season_from, *season_clock(settings, opens, closes))))
    return sim


def season_clock(settings: CrowdSettings, opens: int, closes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(clock times, business times since the opening) that agree, ns, at the ends of the season's parts; in the first regime."""
    pace = settings.regimes[0].pace * np.array(settings.season) / np.mean(settings.season)
    clock = np.linspace(opens, closes, len(pace) + 1)
    return clock, np.concatenate([[0.0], np.cumsum(pace * np.diff(clock))])


def warm_s(settings: CrowdSettings) -> float:
    """Business seconds after which a crowd that began with an empty book has forgotten it."""
    waits = [WARM_LIVES * settings.life_s, WARM_MEMORIES * LONG_S]
    if len(settings.regimes) > 1:
        waits.append(WARM_DWELLS * settings.dwell_s)
    if settings.hawkes is not None:
        slowest = max(settings.hawkes.kernel_s) / (1 - settings.hawkes.branching_ratio)
        waits.append(WARM_MEMORIES * max(slowest, max(settings.hawkes.feedback_s) if settings.hawkes.feedback else 0.0))
    return max(waits)


def set_latency(sim: Any, order_ns: NDArray[np.int64] | int, feed_ns: NDArray[np.int64] | int) -> None:
    """Set both latencies: a constant, or a sample whose quantiles are drawn from (two values: uniform jitter between them)."""
    for table, sample in ((sim.order_latency, order_ns), (sim.feed_latency, feed_ns)):
        table[:] = np.quantile(np.atleast_1d(sample), np.linspace(0, 1, LATENCY_STEPS)).astype(np.int64)


NO_EVENTS = None  # what a crowd's market is advanced with
