"""The same parents worked with the posture and without: what it does to the mean shortfall and to its tail, paired."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.compare import BLOCKS_FOR_P, DRAWS, TAIL, Bootstrap, cvar
from tercet.backtest.runner import Result
from tercet.errors import BadInput
from tercet.market.events import BUY, SELL

CHUNK: Final = 500  # draws at a time
SIDES: Final = {"both": (BUY, SELL), "buy": (BUY,), "sell": (SELL,)}


def postures(off: Result, on: Result) -> list[dict[str, Any]]:
    """A row a policy and side: shortfall's mean and CVaR95 without the posture and with it, bps, and the paired differences.

    Intervals are the central 95% over draws, the same for both, each with its own tail: of whole sessions where there are enough of them,
    for what happens once a session, such as a crash, touches parents in several of its blocks of time; else of those blocks (`compare`).
    """
    if off.policies != on.policies or off.plan is not on.plan or off.settings.seed != on.settings.seed:
        raise BadInput("the two runs differ in more than the posture; expected the same plan, policies and seed")
    sides, sessions = np.array([parent.side for parent in off.plan.parents]), off.plan.sessions
    sellers = off.market.onset(0, off.settings.seed) is not None
    by_session = len(np.unique(sessions)) >= BLOCKS_FOR_P
    clusters = sessions if by_session else off.plan.blocks
    rows = []
    for side, taken in SIDES.items():
        kept = np.isin(sides, taken)
        if not kept.any() or (side != "both" and kept.all()):
            continue
        about = {"side": side, "sessions": len(np.unique(sessions[kept])), "sellers": sellers, "by_session": by_session}
        bootstrap = Bootstrap(np.unique(clusters[kept], return_inverse=True)[1], off.settings.seed)
        for name, without, within in zip(off.policies, off.costs["is_bps"], on.costs["is_bps"], strict=True):
            rows.append({"policy": name} | about | difference(bootstrap, without[kept], within[kept]))
    return rows


def clustered(row: dict[str, Any]) -> str:
    """What a row's intervals are drawn from, in words."""
    what = "whole sessions" if row["by_session"] else f"blocks of time (whole sessions where there are {BLOCKS_FOR_P})"
    sellers = ", a large seller in each" if row["sellers"] else ""
    return f"sessions: {row['sessions']}{sellers}; intervals are of 95% of draws of {row['n_clusters']} {what}"


def difference(bootstrap: Bootstrap, off: NDArray[np.float64], on: NDArray[np.float64]) -> dict[str, Any]:
    """Mean and CVaR95 of two samples (parents,), and what separates them with 95% intervals; infinite where there is one block."""
    low, high = bootstrap.interval(on - off)
    tail_low, tail_high = -np.inf, np.inf
    if bootstrap.count > 1:
        tail_low, tail_high = map(float, np.quantile(cvars(bootstrap, on) - cvars(bootstrap, off), (0.025, 0.975)))
    return {
        "parents": len(off),
        "n_clusters": bootstrap.count,
        "off_bps": float(off.mean()),
        "on_bps": float(on.mean()),
        "mean_bps": float((on - off).mean()),
        "mean_low": low,
        "mean_high": high,
        "off_cvar95_bps": cvar(off),
        "on_cvar95_bps": cvar(on),
        "cvar95_bps": cvar(on) - cvar(off),
        "cvar95_low": tail_low,
        "cvar95_high": tail_high,
    }


def cvars(bootstrap: Bootstrap, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the worst 5% of `values` (parents,) under each draw, (draws,)."""
    order = np.argsort(-values)
    worst, blocks = values[order], bootstrap.blocks[order]
    found = []
    for first in range(0, DRAWS, CHUNK):
        weights = bootstrap.weights[first : first + CHUNK][:, blocks]
        room = np.maximum(TAIL * weights.sum(axis=1, keepdims=True), 1.0)
        before = np.cumsum(weights, axis=1) - weights
        taken = np.clip(room - before, 0.0, weights)
        found.append((taken @ worst) / taken.sum(axis=1))
    return np.concatenate(found)
