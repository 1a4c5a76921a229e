"""How many environment steps a second, all cores, and how many messages a second the markets make, one core."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import Market, history_market, market
from tercet.bench.loops import play_market
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.envs.execution import EnvSettings, ExecutionMembers
from tercet.market import lobster
from tercet.market.store import open_day, save
from tercet.sim.episode import advance
from tercet.sim.state import FLOWS, new_scratch

MEMBERS = 1024
MESSAGES = 100  # applied in a step
ROUNDS = 5
STEPS = 30  # of a round
DAY_MESSAGES, DAY_DEPTH = 120_000, 40
CROWD_MESSAGES = 1_000_000


def measure() -> dict[str, float]:
    """For each flow: steps a second with children in half of the steps and autoresets included, messages applied and orders live, bytes."""
    measured: dict[str, float] = {}
    for flow in FLOWS:
        measured |= stepped(flow, market(f"crowd:{flow}")) | played(flow, market(f"crowd:{flow}"))
    with tempfile.TemporaryDirectory() as folder:
        day = recorded(Path(folder))
        return measured | stepped("history", day) | played("history", day)


def recorded(folder: Path) -> Market:
    """A stretch of a crowd's day as a recorded one, with many levels in view."""
    messages, book = write_lobster(folder, *made_day(DAY_MESSAGES, DAY_DEPTH, crowd="hawkes"))
    return history_market(open_day(save(folder / "store", lobster.read(messages, book, MADE, DATE), MADE, DATE)))


def stepped(name: str, where: Market) -> dict[str, float]:
    """Steps a second, best of ROUNDS."""
    rate = messages_per_second(where)
    step = 1.05 * MESSAGES / rate
    settings = EnvSettings(market=where.name, step=f"{step:.6f}s", horizon=(f"{60 * step:.6f}s",), side="both")
    members = ExecutionMembers(settings, MEMBERS, (where,))
    rng = np.random.default_rng(0)
    moves = members.masks.shape[1]
    chosen = [np.where(rng.random(MEMBERS) < 0.5, 0, rng.integers(1, moves, MEMBERS)) for _ in range(STEPS)]
    members.begin(np.arange(MEMBERS))
    seconds, applied, ended = [], [], 0
    for _ in range(ROUNDS):
        before, began = applied_ever(members), time.perf_counter()
        for actions in chosen:
            members.step(actions)
            ended += int(members.terminated.sum())
        seconds.append(time.perf_counter() - began)
        applied.append(applied_ever(members) - before)
    size = members.sims.dtype.itemsize + members.members.dtype.itemsize + members.parents.dtype.itemsize
    return {
        f"env.{name}.steps_per_s": MEMBERS * STEPS / min(seconds),
        f"env.{name}.messages_per_step": sum(applied) / (ROUNDS * STEPS * MEMBERS),
        f"env.{name}.episodes": float(ended),
        f"env.{name}.live_orders": float(members.sims.book.live.mean()),
        f"env.{name}.bytes": float(size),
    }


def applied_ever(members: ExecutionMembers) -> int:
    """Messages that members' markets have applied in episodes, ended ones included."""
    return int(members.members.applied_ever.sum() + (members.sims.applied - members.members.applied).sum())


def messages_per_second(where: Market) -> float:
    """Messages that a market applies in a second of its own clock, over the time in which episodes are."""
    settings = EnvSettings(market=where.name, step="1s", horizon=("60s",))
    sims = ExecutionMembers(settings, MEMBERS // 8, (where,))
    sims.begin(np.arange(sims.count))
    before, now = sims.sims.applied.copy(), sims.sims.now.copy()
    for _ in range(30):
        sims.step(np.zeros(sims.count))
    return float((sims.sims.applied - before).sum() / ((sims.sims.now - now).sum() * 1e-9))


def played(name: str, where: Market) -> dict[str, float]:
    """Messages a second of one market on one core, nobody else in it; best of ROUNDS."""
    return {f"crowd.{name}.messages_per_s": max(timed(where) for _ in range(ROUNDS))}


def timed(where: Market) -> float:
    """Messages a second from the opening on."""
    sim = where.open(0, 0)
    scratch: Any = new_scratch(sim)
    events: NDArray[np.void] | None = where.events
    advance(sim, events, where.open_ns, scratch)
    play_market(sim, events, 0, scratch)
    before, began = int(sim.applied), time.perf_counter()
    play_market(sim, events, CROWD_MESSAGES, scratch)
    return (int(sim.applied) - before) / (time.perf_counter() - began)
