"""What learners must find before they are believed in a book: the known optima of the bookless worlds, from fresh weights.

Figures, each on episodes that no learner saw: `gap` is (U - U*) / (U of TWAP - U*) of the path that an agent takes, U* the closed form for
continuous paces and exact dynamic programming on a discrete agent's own paces; `deviation` is the root mean square of a trade less the
even one, by the even one, and `above` its cost beyond TWAP's by TWAP's; `edge` is what it saves against TWAP on the same prices, by what
the exact oracle saves with the signal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
from scipy.special import ndtri

from tercet.cores import share_processes
from tercet.envs.bank import TEST
from tercet.envs.worldmembers import WorldMembers, grid_actions, pace_actions
from tercet.envs.worlds import AlmgrenChriss, Martingale, PlantedSignal, World
from tercet.learn.settings import DDQN, PPO, PPO_CONTINUOUS, TrainSettings
from tercet.learn.task import EPISODES, Choose, episodes, policy_costs, world_task
from tercet.learn.train import RunSettings, chooser, train

TESTED: Final = 8192
MOST_GAP, MOST_DEVIATION, MOST_ABOVE, LEAST_EDGE, SAME_EDGE = 0.05, 0.10, 0.01, 0.60, 0.05
BARS: Final = {
    "gap": f"≤ {MOST_GAP:.0%}",
    "deviation": f"≤ {MOST_DEVIATION:.0%}",
    "above": f"≤ {MOST_ABOVE:.0%}",
    "edge": f"≥ {LEAST_EDGE:.0%}, shuffled within ± {SAME_EDGE:.0%}",
}
LEARNERS: Final = (PPO_CONTINUOUS, PPO, DDQN)
WORLDS: Final[dict[str, World]] = {
    "almgren-chriss 1": AlmgrenChriss(kappa_t=1.0, paired=True),
    "almgren-chriss 2": AlmgrenChriss(kappa_t=2.0, paired=True),
    "almgren-chriss 4": AlmgrenChriss(kappa_t=4.0, paired=True),
    "martingale": Martingale(paired=True),
    "signal": PlantedSignal(paired=True),
    "shuffled": PlantedSignal(paired=True, shuffled=True),
}

# A world has two or three observations and twenty decisions: smaller batches than a book, and no discount of what comes at the end.
# What is explored within the steps that a target adds up is charged to the first of them: few such steps, and little of it at the end.
_SHARED: Final = TrainSettings(steps=3_000_000, activation="tanh", threads=1, device="cpu")
_PPO: Final = replace(_SHARED, algo=PPO, rollout=20, gae_lambda=1.0)
_DDQN: Final = replace(
    _SHARED,
    algo=DDQN,
    envs=512,
    batch=512,
    updates=8,
    learning_rate=2e-3,
    n_step=2,
    target=0.05,
    buffer=1_500_000,
    explore=(1.0, 0.05),
    explore_share=0.3,
)


def settings_for(algo: str, world: World, seed: int) -> TrainSettings:
    """How a learner learns a world: without noise, smaller batches and rewards made larger do."""
    chosen = _DDQN if algo == DDQN else replace(_PPO, algo=algo, entropy=0.05 if algo == PPO else 0.0)
    if isinstance(world, AlmgrenChriss):
        chosen = replace(chosen, reward_scale=10.0, steps=1_000_000)
        if algo == DDQN:
            chosen = replace(chosen, steps=2_500_000, buffer=500_000)
        elif algo == PPO:
            chosen = replace(chosen, steps=2_000_000, envs=512, minibatch=2048, entropy=0.1)
        elif algo == PPO_CONTINUOUS:
            chosen = replace(chosen, envs=256, minibatch=1024)
    return replace(chosen, seed=seed)


@dataclass(frozen=True)
class Found:
    """What one learner found in one world from one seed: figures by name, and whether each bar is met."""

    world: str
    algo: str
    seed: int
    steps: int
    seconds: float
    figures: dict[str, float]
    met: bool


def examine(name: str, algo: str, seed: int) -> Found:
    """Train a learner in a world and measure what it found."""
    world = WORLDS[name]
    settings = settings_for(algo, world, seed)
    task = world_task(world, pace_actions() if algo == PPO_CONTINUOUS else grid_actions())
    trained = train(task, settings, run=RunSettings(validations=0))
    figures, met = judge(world, algo, chooser(trained.agent))
    return Found(name, algo, seed, trained.steps, trained.seconds, figures, met)


def judge(world: World, algo: str, choose: Choose) -> tuple[dict[str, float], bool]:
    """The figures of an agent in a world, and whether they meet its bars."""
    task = world_task(world, pace_actions() if algo == PPO_CONTINUOUS else grid_actions())
    if isinstance(world, AlmgrenChriss):
        best = world.utility(world.optimum()) if algo == PPO_CONTINUOUS else world.pace_optimum().utility
        found = episodes(task.make(1, None, TEST), choose, 2 * EPISODES)[0]["utility"]
        gap = (found - best) / (world.utility(world.twap()) - best)
        return {"gap": gap}, gap <= MOST_GAP
    members: Any = task.make(TESTED, None, TEST)
    own = np.array([one["utility"] for one in episodes(members, choose, 2 * EPISODES)])
    less = own - policy_costs(task, "twap", TESTED, 2 * EPISODES, TEST).bps
    if isinstance(world, Martingale):
        figures = {"deviation": deviation(world, members), "above": float(less.mean()) / world.utility(world.twap())}
        return figures, figures["deviation"] <= MOST_DEVIATION and figures["above"] <= MOST_ABOVE
    whole = signal_edge()
    edge, error = -float(less.mean()) / whole, float(less.std(ddof=1)) / TESTED**0.5 / whole
    reach = float(ndtri(0.95)) * error
    figures = {"edge": edge, "edge_low": edge - reach, "edge_high": edge + reach}
    same = figures["edge_low"] >= -SAME_EDGE and figures["edge_high"] <= SAME_EDGE  # two one-sided tests at 5%
    return figures, same if getattr(world, "shuffled", False) else edge >= LEAST_EDGE


def deviation(world: World, members: WorldMembers) -> float:
    """Root mean square of each trade less the even one, by the even one, over the last episodes of members."""
    trades = -np.diff([members.path(place) for place in range(members.count)], axis=1) * world.steps / world.lots
    return float(np.sqrt(np.mean((trades - 1.0) ** 2)))


@cache
def signal_edge() -> float:
    """What the exact oracle saves with the signal, bps."""
    return PlantedSignal().solve().edge


def examine_all(worlds: tuple[str, ...], algos: tuple[str, ...], seeds: int, processes: int) -> Iterator[Found]:
    """Every learner in every world from so many seeds, in the order in which they end; one thread each."""
    runs = [(world, algo, seed) for world in worlds for algo in algos for seed in range(seeds)]
    yield from (found for _, found in share_processes(examine, runs, processes))
