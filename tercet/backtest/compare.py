"""What a backtest says: a row a policy, paired differences, and how sure one can be.

Inference resamples blocks of time with replacement (block bootstrap, Künsch 1989), the same draws for every policy, so that
differences are paired. Blocks are at least 15 minutes and twice the horizon long. No p-value is given below 20 blocks.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.runner import UNFILLED_VOID, Result

DRAWS: Final = 10_000
BLOCKS_FOR_P: Final = 20
TAIL: Final = 0.05
MEANS: Final = ("spread_bps", "walk_bps", "timing_bps", "completion_bps", "fees_bps", "completion", "passive_share", "unfilled_share")


class Bootstrap:
    """Means over parents under resampled blocks."""

    def __init__(self, blocks: NDArray[np.int64], seed: int, draws: int = DRAWS) -> None:
        """blocks: each parent's block, shape (parents,), numbered from 0."""
        self.blocks = blocks
        self.count = int(blocks.max()) + 1
        self.sizes = np.bincount(blocks, minlength=self.count).astype(np.float64)
        rng = np.random.default_rng([seed, 2])
        self.weights = rng.multinomial(self.count, np.full(self.count, 1 / self.count), size=draws).astype(np.float64)

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of `values` (parents,) under each draw, shape (draws,)."""
        sums = np.bincount(self.blocks, weights=values, minlength=self.count)
        return np.asarray((self.weights @ sums) / (self.weights @ self.sizes))

    def interval(self, values: NDArray[np.float64]) -> tuple[float, float]:
        """The central 95% of those means; infinite where there is but one block to draw from."""
        if self.count < 2:
            return -np.inf, np.inf
        low, high = np.quantile(self.means(values), (0.025, 0.975))
        return float(low), float(high)

    def p_value(self, values: NDArray[np.float64]) -> float | None:
        """Two-sided p of a mean of 0, from the share of draws beyond it; None below BLOCKS_FOR_P blocks."""
        if self.count < BLOCKS_FOR_P:
            return None
        means = self.means(values)
        beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
        return min(1.0, 2 * (beyond + 1) / (len(means) + 1))


def table(result: Result) -> list[dict[str, Any]]:
    """A row a policy: mean shortfall with its interval, its parts, its risk, how it was filled."""
    bootstrap = Bootstrap(result.plan.blocks, result.settings.seed)
    rows = []
    for name, cost, outcome in zip(result.policies, result.costs, result.outcomes, strict=True):
        shortfall = cost["is_bps"]
        low, high = bootstrap.interval(shortfall)
        row: dict[str, Any] = {"policy": name, "parents": len(shortfall), "n_blocks": bootstrap.count, "is_bps": float(shortfall.mean())}
        row |= {"is_low": low, "is_high": high}
        row |= {mean: float(cost[mean].mean()) for mean in MEANS}
        row |= {"sd_bps": deviation(shortfall), "cvar95_bps": cvar(shortfall)}
        row |= {"sd_by_start_bps": deviation(by_start(shortfall)) if result.plan.both_sides else None}
        row |= {"vwap_bps": float(np.nanmean(cost["vwap_bps"])) if not np.isnan(cost["vwap_bps"]).all() else None}
        row |= {"participation": float(cost["participation"].mean()), "fills": float(cost["fills"].mean())}
        row |= {
            "altered_share": float(outcome["altered_lots"].sum() / max(outcome["recorded_lots"].sum(), 1)),
            "phantom_share": float(outcome["phantom_lots"].sum() / max(outcome["recorded_lots"].sum(), 1)),
        }
        row |= {"void": is_void(cost)}
        row |= {"reversion": reversions(cost, result.settings.after_ns)}
        rows.append(row)
    return rows


def reversions(cost: NDArray[np.void], after_ns: tuple[int, ...]) -> list[dict[str, Any]]:
    """How far the mid came back, in bps, at each time after the end: the mean over the parents whose session went on so long."""
    rows = []
    for place, time in enumerate(sorted(after_ns)):
        known = cost["reversion_bps"][:, place]
        known = known[~np.isnan(known)]
        rows.append({"after_ns": time, "mean_bps": float(known.mean()) if len(known) else None, "parents": len(known)})
    return rows


def is_void(cost: NDArray[np.void]) -> bool:
    """Whether so much of a policy's quantity found nobody to trade with that its row says nothing."""
    return bool(cost["unfilled_share"].mean() > UNFILLED_VOID)


def deviation(values: NDArray[np.float64]) -> float:
    """The standard deviation of a sample; 0 where there is one value only."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def by_start(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the two sides of each start, along the last axis."""
    averaged: NDArray[np.float64] = 0.5 * (values[..., 0::2] + values[..., 1::2])
    return averaged


def cvar(values: NDArray[np.float64], tail: float = TAIL) -> float:
    """The mean of the worst 5%, at least one value."""
    worst = np.sort(values)[-max(1, round(tail * len(values))) :]
    return float(worst.mean())


def paired(result: Result, baseline: str = "twap", silenced: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Each other policy's shortfall less the baseline's on the same parents; a tie where the interval holds 0.

    Nothing is compared on a bad day, nor with what found nobody to trade with or was `silenced` by a gate: the verdict is void. The ratio
    of means is given only where the baseline's own 95% lower bound is above 0.
    """
    if baseline not in result.policies:
        return []
    bootstrap = Bootstrap(result.plan.blocks, result.settings.seed)
    base = result.costs[result.policies.index(baseline)]["is_bps"]
    void = {name for name, cost in zip(result.policies, result.costs, strict=True) if is_void(cost)} | set(silenced)
    rows = []
    for name, cost in zip(result.policies, result.costs, strict=True):
        if name == baseline:
            continue
        difference = cost["is_bps"] - base
        low, high = bootstrap.interval(difference)
        verdict = "tie" if low <= 0 <= high else ("better" if high < 0 else "worse")
        if result.market.bad or not void.isdisjoint((name, baseline)):
            verdict = "void"
        row: dict[str, Any] = {"policy": name, "baseline": baseline, "difference_bps": float(difference.mean())}
        row |= {"low": low, "high": high, "p": bootstrap.p_value(difference), "n_blocks": bootstrap.count, "verdict": verdict}
        rows.append(row | ratio(bootstrap, cost["is_bps"], base))
    return rows


def ratio(bootstrap: Bootstrap, values: NDArray[np.float64], base: NDArray[np.float64]) -> dict[str, float | None]:
    """The ratio of means with its own interval, or Nones where the baseline may be 0."""
    if bootstrap.interval(base)[0] <= 0 or bootstrap.count < 2:
        return {"ratio": None, "ratio_low": None, "ratio_high": None}
    low, high = np.quantile(bootstrap.means(values) / bootstrap.means(base), (0.025, 0.975))
    return {"ratio": float(values.mean() / base.mean()), "ratio_low": float(low), "ratio_high": float(high)}


def summary(result: Result, other: Result | None = None, baseline: str = "twap", silenced: Sequence[str] = ()) -> dict[str, Any]:
    """Everything that a backtest says, ready for JSON: the market and its caveat, the terms, the rows, the pairs, the warnings.

    baseline: the policy that the others are compared with. other: the same run under the other setting of `hidden_first`, of which each
    row then says the mean shortfall. silenced: policies of which a gate refused everything, so that only the completion traded.
    """
    market, settings = result.market, result.settings
    rows = table(result)
    for row in rows:
        row["void"] = row["void"] or row["policy"] in silenced
    refused = [f"{name}: void, the gate refused all of its orders: this is the cost of the completion alone" for name in silenced]
    if other is not None:
        for row, cost in zip(rows, other.costs, strict=True):
            row["is_bps_hidden_first" if other.settings.hidden_first else "is_bps_hidden_last"] = float(cost["is_bps"].mean())
    return {
        "market": market.name,
        "caveat": market.caveat,
        "bad_day": market.bad,
        "instrument": market.instrument.symbol,
        "currency": market.instrument.currency,
        "fees": {name: getattr(market.instrument.fees, name) for name in market.instrument.fees.__struct_fields__},
        "volume_source": market.volume_source,
        "volume_curve": market.curve.provenance,
        "settings": {
            "step_ns": settings.step_ns,
            "order_latency_ns": list(settings.order_latency_ns),
            "feed_latency_ns": list(settings.feed_latency_ns),
            "hidden_first": settings.hidden_first,
            "posture": "off" if settings.posture is None else "intraday",
            "seed": settings.seed,
        },
        "n_blocks": rows[0]["n_blocks"] if rows else 0,
        "policies": rows,
        "baseline": baseline,
        "paired": paired(result, baseline, silenced),
        "warnings": [*refused, *result.warnings],
    }
