"""How many environment steps a second, all cores, and how many messages a second the markets make, one core."""

import os
import subprocess
import sys
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
from tercet.envs.rewards import reward
from tercet.market import lobster
from tercet.market.store import open_day, save
from tercet.sim.episode import advance
from tercet.sim.state import FLOWS, new_scratch

MEMBERS = 1024
MESSAGES = 100  # applied in a step
ROUNDS = 5
STEPS = 60  # of a round
EPISODE_STEPS = 60
DAY_MESSAGES, DAY_DEPTH = 120_000, 40
CROWD_MESSAGES = 1_000_000
START = """
import numpy as np
from tercet.envs.making import make_members
members = make_members("{id}", 4)
members.begin(np.arange(4))
members.step(np.zeros(4))
"""


def measure() -> dict[str, float]:
    """For each flow: steps a second with children in half of the steps and autoresets included, messages applied and orders live, bytes."""
    measured = starts("env", "tercet/Zero-v0") | starts("env.history", "tercet/History-v0")
    for flow in FLOWS:
        measured |= stepped(flow, market(f"crowd:{flow}")) | played(flow, market(f"crowd:{flow}"))
    measured["env.own_reward_ratio"] = own_reward_ratio(market("crowd:zero"))
    with tempfile.TemporaryDirectory() as folder:
        day = recorded(Path(folder))
        return measured | stepped("history", day) | played("history", day)


def starts(name: str, id: str) -> dict[str, float]:
    """Seconds from a fresh interpreter to an environment's first step: with no machine code kept, and with what the first run kept."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", START.format(id=id)], check=True, env=os.environ | {"TERCET_CACHE": folder})
            seconds.append(time.perf_counter() - began)
    return dict(zip((f"{name}.first_start_s", f"{name}.later_start_s"), seconds, strict=True))


def recorded(folder: Path) -> Market:
    """A stretch of a crowd's day as a recorded one, with many levels in view."""
    messages, book = write_lobster(folder, *made_day(DAY_MESSAGES, DAY_DEPTH, crowd="hawkes"))
    return history_market(open_day(save(folder / "store", lobster.read(messages, book, MADE, DATE), MADE, DATE)))


def stepped(name: str, where: Market) -> dict[str, float]:
    """Steps a second, best of ROUNDS, in steps so long that MESSAGES are applied in each."""
    step, messages = 1.0, 0.0
    while not MESSAGES <= messages < 1.02 * MESSAGES:
        step *= 1.01 * MESSAGES / messages if messages else 1.0
        members = opened(where, step)
        seconds, messages, ended = rounds(members, ROUNDS)
    size = members.sims.dtype.itemsize + members.members.dtype.itemsize + members.parents.dtype.itemsize
    return {
        f"env.{name}.steps_per_s": MEMBERS * STEPS / seconds,
        f"env.{name}.messages_per_step": messages,
        f"env.{name}.episodes": float(ended),
        f"env.{name}.live_orders": float(members.sims.book.live.mean()),
        f"env.{name}.bytes": float(size),
    }


def applied_ever(members: ExecutionMembers) -> int:
    """Messages that members' markets have applied in episodes, ended ones included."""
    return int(members.members.applied_ever.sum() + (members.sims.applied - members.members.applied).sum())


@reward
def three_lines(before: Any, after: Any, fills: Any, params: Any) -> Any:
    """A reward as a user would write one."""
    left = 1.0 - after.filled / after.lots
    risk = left * left * before.volatility_long * after.elapsed
    return -fills.cost - 0.01 * risk


def own_reward_ratio(where: Market) -> float:
    """Steps a second with a user's reward by those with the shipped one, best of alternating rounds."""
    pair = [opened(where, 3.0, how) for how in ("shortfall", three_lines)]
    seconds = [[rounds(members, 1)[0] for members in pair] for _ in range(ROUNDS)]
    shipped, own = (min(column) for column in zip(*seconds, strict=True))
    return float(shipped / own)


def opened(where: Market, step: float, how: Any = "shortfall") -> ExecutionMembers:
    """Members of a market at the beginning of episodes of EPISODE_STEPS steps of so many seconds."""
    settings = EnvSettings(market=where.name, step=f"{step:.6f}s", horizon=(f"{EPISODE_STEPS * step:.6f}s",), reward=how)
    members = ExecutionMembers(settings, MEMBERS, (where,))
    members.begin(np.arange(MEMBERS))
    return members


def rounds(members: ExecutionMembers, count: int) -> tuple[float, float, int]:
    """(seconds of the quickest round of STEPS steps, messages applied in a step, episodes ended); children in half of the steps."""
    rng, moves = np.random.default_rng(0), members.masks.shape[1]
    chosen = [np.where(rng.random(MEMBERS) < 0.5, 0, rng.integers(1, moves, MEMBERS)) for _ in range(STEPS)]
    before, seconds, ended = applied_ever(members), [], 0
    for _ in range(count):
        began = time.perf_counter()
        for actions in chosen:
            members.step(actions)
            ended += int(members.terminated.sum())
        seconds.append(time.perf_counter() - began)
    return min(seconds), (applied_ever(members) - before) / (count * STEPS * MEMBERS), ended


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
