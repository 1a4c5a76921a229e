"""True impact: what our own trading cost, measured against the run of the same market without us.

m° is the mid of the coupled run without us: a copy of the simulation at the parent's start, with the same random numbers, to which
none of our children is sent. Of side s, arrival mid p0, fills (q, p), mid m and half-spread h just before the order that caused a fill:
own = s(m - m°), drift = s(m° - p0), timing = own + drift; walk = s(p - m) - h of what took liquidity, the completion at T included.

    impact_true_bps = 1e4 / (Q p0) · Σ q (walk + own)
    displacement(t) = 1e4 / p0 · s(m(t) - m°(t))

m° is taken at the time of an aggressive fill and of the completion, and just before that of a passive one, which the market itself
caused. What was never filled counts in own and drift, so that they add up to timing, and has no impact. The mean of drift is 0 in a market
without trend and where fills do not wait for one; then IS - drift has the mean of IS and much less noise.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.compare import Bootstrap, deviation, is_void
from tercet.backtest.coupled import MARK, machines
from tercet.backtest.episode import OUTCOME
from tercet.backtest.markets import Market
from tercet.backtest.parents import SECOND, Plan, plan, records
from tercet.backtest.runner import Settings, Worker, chunks, other_paces, refuse_pace, warnings
from tercet.book.records import PASSIVE
from tercet.book.state import MARKET
from tercet.cores import cores, share_work
from tercet.errors import BadInput
from tercet.execution.policy import Policy
from tercet.execution.tca import COST
from tercet.market.events import BUY, SELL
from tercet.sim.episode import advance
from tercet.sim.ours import complete
from tercet.sim.reseed import reseed

AFTER_NS: Final = (60 * SECOND, 300 * SECOND, 1800 * SECOND)
AIM_BPS: Final = 0.1
Z95: Final = 1.959964

# What came of one parent against its twin, bps of the parent. walk: of aggressive fills and of the completion, R left out.
TRUE: Final = np.dtype([("impact", np.float64), ("own", np.float64), ("drift", np.float64), ("walk", np.float64)])


@dataclass(frozen=True)
class Impact:
    """True impact and its parts, shape (policies, parents); displacement (policies, parents, times), nan after the session's end.

    times: the first is half the horizon, the second its end just before the completion, then `after_ns` beyond it.
    """

    market: Market
    plan: Plan
    policies: tuple[str, ...]
    settings: Settings
    after_ns: tuple[int, ...]
    impact_true_bps: NDArray[np.float64]
    own_bps: NDArray[np.float64]
    drift_bps: NDArray[np.float64]
    is_bps: NDArray[np.float64]
    displacement_bps: NDArray[np.float64]
    costs: NDArray[np.void]
    outcomes: NDArray[np.void]
    warnings: tuple[str, ...]

    @property
    def times(self) -> tuple[str, ...]:
        """Names of the times of the displacement curve."""
        return ("T/2", "T", *(f"T+{time / (60 * SECOND):g}min" for time in self.after_ns))


@dataclass(frozen=True)
class Coupling:
    """How much of the noise the coupling takes away: of the mid's difference `seconds` after a market order of `lots`, bps."""

    market: str
    lots: int
    seconds: float
    pairs: int
    mean_bps: float
    coupled_sd_bps: float
    independent_sd_bps: float

    @property
    def ratio(self) -> float:
        """Standard deviation coupled, by the one between independent runs."""
        return self.coupled_sd_bps / self.independent_sd_bps if self.independent_sd_bps > 0 else float("nan")

    @property
    def coupled_needed(self) -> int:
        """Coupled pairs of runs that measure the mean to within AIM_BPS (95%)."""
        return _needed(self.coupled_sd_bps)

    @property
    def independent_needed(self) -> int:
        """Independent pairs for the same."""
        return _needed(self.independent_sd_bps)


def _needed(sd: float) -> int:
    return max(2, int(np.ceil((Z95 * sd / AIM_BPS) ** 2)))


class CoupledWorker(Worker):
    """One thread's simulations, and a twin of each to which nothing is sent."""

    def __init__(self, market: Market, settings: Settings, session: int, after_ns: tuple[int, ...]) -> None:
        """Open a session."""
        super().__init__(market, settings, session)
        self.after_ns = after_ns
        self.twin = np.zeros(1, self.base.dtype).view(np.recarray)
        self.marks = np.zeros(2 + len(after_ns), MARK)
        self.fill_mids2 = np.zeros(len(self.scratch.reports), np.int64)
        work_marked, self._follow = machines(self.base[0].dtype, self.scratch.dtype)
        self.run = lambda *terms: work_marked(*terms, self.marks)

    def measure(self, parent: Any, policy: Policy, seed: int) -> tuple[Any, Any, Any, NDArray[np.float64]]:
        """Work one parent and follow its twin; returns (COST, OUTCOME, TRUE, displacement at each mark)."""
        end = int(parent["end"])
        self.marks["time"] = [(int(parent["start"]) + end) // 2, end, *(end + time for time in self.after_ns)]
        cost, outcome = self.work(parent, policy, seed)
        self.twin.view(np.uint8)[:] = self.base.view(np.uint8)
        self._follow(self.twin[0], self.market.events, self.scratch, self.marks, self.fill_mids2)
        side, arrival = int(parent["side"]), 0.5 * int(outcome.arrival_mid2)
        moved = 0.5e4 / arrival * side * (self.marks["mid2"] - self.marks["twin_mid2"])
        count = int(self.scratch.count)
        true = against_twin(self.scratch.reports[:count], self.fill_mids2[:count], parent, outcome, self.marks[1])
        return cost, outcome, true, np.where(self.marks["time"] <= self.market.close_ns, moved, np.nan)


def against_twin(reports: NDArray[np.void], twin_mids2: NDArray[np.int64], parent: Any, outcome: Any, end: Any) -> Any:
    """A TRUE of one parent's REPORTs, the twin's bid + ask at each of them, and the MARK of the parent's end."""
    side, lots, arrival = int(parent["side"]), int(parent["lots"]), 0.5 * int(outcome.arrival_mid2)
    filled, mid, twin = reports["lots"], 0.5 * reports["mid2"], 0.5 * twin_mids2
    walk = np.where(reports["how"] == PASSIVE, 0.0, side * (reports["tick"] - mid) - 0.5 * reports["spread"])
    walked = float(np.sum(filled * walk))
    moved = float(np.sum(filled * side * (mid - twin)))
    left, last, last_twin = int(outcome.left), 0.5 * int(end["mid2"]), 0.5 * int(end["twin_mid2"])
    unit = 1e4 / (lots * arrival)
    true = np.zeros((), TRUE)
    true["impact"], true["walk"] = unit * (walked + moved), unit * walked
    true["own"] = unit * (moved + left * side * (last - last_twin))
    true["drift"] = unit * (float(np.sum(filled * side * (twin - arrival))) + left * side * (last_twin - arrival))
    return true


def impact(
    market: Market,
    plan: Plan,
    policies: Sequence[Policy],
    settings: Settings,
    after_ns: Sequence[int] = AFTER_NS,
    progress: Callable[[int], None] = lambda parents: None,
) -> Impact:
    """Work every parent by every policy, each with its twin. `progress` is told how many runs have ended. Raises BadInput for a recorded
    day, of which there is no run without us.
    """
    _refuse(market, policies, after_ns)
    rows = records(plan.parents, market)
    refuse_pace(rows, settings)
    shape, times = (len(policies), len(rows)), tuple(sorted(after_ns))
    costs, outcomes, true = (np.zeros(shape, kind) for kind in (COST, OUTCOME, TRUE))
    displacement = np.zeros((*shape, 2 + len(times)))

    def work_chunk(chunk: NDArray[np.int64]) -> Iterator[None]:
        worker = CoupledWorker(market, settings, int(plan.sessions[chunk[0]]), times)
        for place in chunk:
            worker.roll(int(rows["start"][place]))
            for number, policy in enumerate(policies):
                found = worker.measure(rows[place], policy, settings.seed * 1_000_003 + int(place))
                costs[number, place], outcomes[number, place], true[number, place], displacement[number, place] = found
                yield
            progress(len(policies))

    _on_all_cores(plan, settings, work_chunk)
    names = tuple(policy.name for policy in policies)
    parts = (true["impact"], true["own"], true["drift"], costs["is_bps"], displacement)
    said = (*market.notes, *plan.notes, *other_paces(policies, settings.step_ns), *warnings(names, costs, outcomes))
    return Impact(market, plan, names, settings, times, *parts, costs, outcomes, said)


def _refuse(market: Market, policies: Sequence[Policy], after_ns: Sequence[int]) -> None:
    names = [policy.name for policy in policies]
    wrong = (
        (market.crowd is None, f"market was {market.name}; expected an invented one: a recorded day without us is not known"),
        (len(set(names)) < len(names) or not names, f"policies were {' '.join(names) or 'none'}; expected each once"),
        (min(after_ns, default=1) <= 0, "a time after the end was 0 or less; expected more"),
        (len(set(after_ns)) < len(after_ns), "a time after the end was named twice; expected different ones"),
    )
    for is_wrong, sentence in wrong:
        if is_wrong:
            raise BadInput(sentence)


def _on_all_cores(plan: Plan, settings: Settings, work_chunk: Callable[[NDArray[np.int64]], Iterator[None]]) -> None:
    threads = settings.threads or cores()
    share_work(work_chunk, chunks(plan, threads), threads)


def coupling(
    market: Market,
    lots: int = 1,
    seconds: float = 60.0,
    pairs: int = 300,
    seed: int = 0,
    threads: int = 0,
    progress: Callable[[int], None] = lambda pairs: None,
) -> Coupling:
    """The mid's difference `seconds` after a market order of `lots`: between the coupled runs with and without it, and between runs
    with independent futures from the same state. Half of the orders buy, half sell.
    """
    if market.crowd is None:
        raise BadInput(f"market was {market.name}; expected an invented one: a recorded day without us is not known")
    if lots < 1 or not 0 < seconds <= 3600 or pairs < 2:
        raise BadInput(f"lots, seconds and pairs were {lots}, {seconds:g} and {pairs}; expected 1 or more, up to 3600, 2 or more")
    settings, span = Settings(seed=seed, threads=threads), int(seconds * SECOND)
    starts = plan(market, pairs, str(lots), max(span, SECOND), "buy", seed)
    differences = np.zeros((2, pairs))

    def work_chunk(chunk: NDArray[np.int64]) -> Iterator[None]:
        worker = Worker(market, settings, int(starts.sessions[chunk[0]]))
        for place in chunk:
            start = starts.parents[place].start
            advance(worker.base[0], market.events, start, worker.scratch)
            here = worker.base[0].flow.bid + worker.base[0].flow.ask
            side = BUY if place % 2 == 0 else SELL
            without = _mid2_after(worker, start + span)
            coupled = _mid2_after(worker, start + span, side, lots)
            independent = _mid2_after(worker, start + span, side, lots, 1 + seed * 1_000_003 + int(place))
            differences[:, place] = 1e4 * side / here * (coupled - without), 1e4 * side / here * (independent - without)
            progress(1)
            yield

    _on_all_cores(starts, settings, work_chunk)
    coupled, independent = differences
    return Coupling(market.name, lots, seconds, pairs, float(coupled.mean()), deviation(coupled), deviation(independent))


def _mid2_after(worker: Worker, until: int, side: int = BUY, lots: int = 0, seed: int | None = None) -> int:
    """Bid + ask in ticks of a copy of the worker's base at a time, after a market order of ours; `seed`: with a future of its own."""
    worker.copy.view(np.uint8)[:] = worker.base.view(np.uint8)
    sim = worker.copy[0]
    if seed is not None:
        reseed(sim, seed)
    worker.scratch.count = 0
    complete(sim, side, lots, MARKET, 0, worker.scratch)
    advance(sim, worker.market.events, until, worker.scratch)
    return int(sim.flow.bid) + int(sim.flow.ask)


def table(result: Impact) -> list[dict[str, Any]]:
    """A row a policy: means over parents with their block-bootstrap intervals."""
    bootstrap = Bootstrap(result.plan.blocks, result.settings.seed)
    rows = []
    for number, name in enumerate(result.policies):
        parts = {
            "impact_true": result.impact_true_bps[number],
            "is": result.is_bps[number],
            "drift": result.drift_bps[number],
            "is_less_drift": result.is_bps[number] - result.drift_bps[number],
        }
        row: dict[str, Any] = {"policy": name, "parents": len(result.plan.parents), "n_blocks": bootstrap.count}
        for part, values in parts.items():
            low, high = bootstrap.interval(values)
            row |= {f"{part}_bps": float(values.mean()), f"{part}_low": low, f"{part}_high": high, f"{part}_sd_bps": deviation(values)}
        row["drift_p"] = bootstrap.p_value(parts["drift"])
        row["own_bps"] = float(result.own_bps[number].mean())
        row["completed_share"] = float((result.outcomes[number]["completed"] / [p.lots for p in result.plan.parents]).mean())
        row["void"] = is_void(result.costs[number])
        row["displacement"] = [_point(at, result.displacement_bps[number, :, place], result) for place, at in enumerate(result.times)]
        rows.append(row)
    return rows


def _point(at: str, values: NDArray[np.float64], result: Impact) -> dict[str, Any]:
    """One point of a displacement curve, over the parents whose session went on so long."""
    known = ~np.isnan(values)
    if not known.any():
        return {"at": at, "mean_bps": None, "low": None, "high": None, "parents": 0}
    blocks = np.unique(result.plan.blocks[known], return_inverse=True)[1]
    low, high = Bootstrap(blocks, result.settings.seed).interval(values[known])
    return {"at": at, "mean_bps": float(values[known].mean()), "low": low, "high": high, "parents": int(known.sum())}


def summary(result: Impact, coupled: Sequence[Coupling] = ()) -> dict[str, Any]:
    """Everything that a measurement of impact says, ready for JSON."""
    settings = result.settings
    names = (
        "lots",
        "seconds",
        "pairs",
        "mean_bps",
        "coupled_sd_bps",
        "independent_sd_bps",
        "ratio",
        "coupled_needed",
        "independent_needed",
    )
    return {
        "market": result.market.name,
        "caveat": result.market.caveat,
        "settings": {
            "step_ns": settings.step_ns,
            "order_latency_ns": list(settings.order_latency_ns),
            "feed_latency_ns": list(settings.feed_latency_ns),
            "after_ns": list(result.after_ns),
            "seed": settings.seed,
        },
        "policies": table(result),
        "coupling": [{name: getattr(one, name) for name in names} | {"aim_bps": AIM_BPS} for one in coupled],
        "warnings": list(result.warnings),
    }
