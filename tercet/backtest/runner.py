"""Policies × parents × seeds, on all cores: every policy works every parent from the same state of the market."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.episode import COURSE, OUTCOME, machine, watch
from tercet.backtest.markets import Market, checksum
from tercet.backtest.parents import MEMORY_NS, MOST_SEED, Plan, records
from tercet.cores import cores, share_work
from tercet.errors import BadInput, TercetError
from tercet.execution.caution import CautionSettings
from tercet.execution.policy import CHILDREN, Policy
from tercet.execution.tca import COST, FEES, TALLY, account
from tercet.execution.view import AFTER_PLACES, VIEW
from tercet.market.calendar import clock
from tercet.market.instruments import Instrument
from tercet.sim.episode import advance
from tercet.sim.open import set_latency
from tercet.sim.state import new_scratch

LATENCY_NS = 500_000
ALTERED_WARNING = 0.05
UNFILLED_VOID = 0.001
MOST_DECISIONS = 200_000
MOST_THREADS = 1024
COUNTED = {
    "missing_lots": "lots that the recording took away and the book did not have",
    "forgotten": "recorded orders that ours altered, beyond those that can be remembered (what we took may have come back)",
    "book_full": "orders that the book had no room for",
}


@dataclass(frozen=True)
class Settings:
    """How parents are worked."""

    step_ns: int = field(default=1_000_000_000, metadata={"help": "time between decisions"})
    order_latency_ns: tuple[int, ...] = field(default=(LATENCY_NS,), metadata={"help": "constant, or a sample to draw from"})
    feed_latency_ns: tuple[int, ...] = field(default=(LATENCY_NS,), metadata={"help": "constant, or a sample to draw from"})
    hidden_first: bool = field(default=True, metadata={"help": "hidden executions fill our displayed orders first"})
    after_ns: tuple[int, ...] = field(default=(), metadata={"help": "times after the end at which reversion is measured, three at most"})
    posture: CautionSettings | None = field(default=None, metadata={"help": "watch the market, and let its posture bind what is sent"})
    seed: int = field(default=0, metadata={"help": "of everything random"})
    threads: int = field(default=0, metadata={"help": "0: all cores"})

    def __post_init__(self) -> None:
        """Refuse what no run can be made with."""
        wrong = (
            (self.step_ns <= 0, f"step was {self.step_ns} ns; expected more than 0"),
            (min(*self.order_latency_ns, *self.feed_latency_ns) < 0, "a latency was below 0; expected 0 or more"),
            (len(self.after_ns) > AFTER_PLACES, f"{len(self.after_ns)} times after the end; expected {AFTER_PLACES} at most"),
            (min(self.after_ns, default=1) <= 0, "a time after the end was 0; expected more"),
            (len(set(self.after_ns)) < len(self.after_ns), "a time after the end was named twice; expected different ones"),
            (not 0 <= self.seed <= MOST_SEED, f"seed was {self.seed}; expected 0 to {MOST_SEED}"),
            (not 0 <= self.threads <= MOST_THREADS, f"threads was {self.threads}; expected 0 (all cores) to {MOST_THREADS}"),
        )
        for is_wrong, sentence in wrong:
            if is_wrong:
                raise BadInput(sentence)


@dataclass(frozen=True)
class Result:
    """Costs and outcomes, shape (policies, parents), of one plan on one market."""

    market: Market
    plan: Plan
    policies: tuple[str, ...]
    settings: Settings
    costs: NDArray[np.void]
    outcomes: NDArray[np.void]
    warnings: tuple[str, ...]


def fees_of(instrument: Instrument) -> Any:
    """An instrument's fees as a FEES record: per lot in ticks, and in basis points of the value."""
    row = np.zeros(1, FEES).view(np.recarray)[0]
    tick = float(instrument.tick_size)
    row.taker_ticks, row.maker_ticks = instrument.fees.taker_per_lot / tick, instrument.fees.maker_per_lot / tick
    row.taker_bps, row.maker_bps = instrument.fees.taker_bps, instrument.fees.maker_bps
    return row


class Worker:
    """One thread's simulations: a base that rolls through a session, and a copy for the parent at hand."""

    def __init__(self, market: Market, settings: Settings, session: int) -> None:
        """Open a session and set its latencies."""
        self.market, self.settings = market, settings
        base = market.open(session, settings.seed)
        set_latency(base, np.array(settings.order_latency_ns), np.array(settings.feed_latency_ns))
        base.hidden_first = settings.hidden_first
        self.base, self.copy = (np.zeros(1, base.dtype).view(np.recarray) for _ in range(2))
        self.base[0] = base
        self.scratch = new_scratch(base)
        self.view = np.zeros(1, VIEW).view(np.recarray)[0]
        self.tally = np.zeros(1, TALLY).view(np.recarray)[0]
        self.course = np.zeros(1, COURSE).view(np.recarray)[0]
        self.cautions = None if settings.posture is None else [settings.posture.begun(market.open_ns) for _ in range(2)]  # base, copy
        self.run = machine(base.dtype, self.scratch.dtype, market.events is not None)
        self.fees = fees_of(market.instrument)

    def roll(self, start: int) -> None:
        """Let the base's market come to where a parent's first look at `start` begins."""
        until = start - max(self.settings.feed_latency_ns)
        if self.cautions is not None:
            watch(self.base[0], self.market.events, until, self.scratch, self.cautions[0][0])
        advance(self.base[0], self.market.events, until, self.scratch)

    def work(self, parent: Any, policy: Policy, seed: int) -> tuple[Any, Any]:
        """Work one parent by one policy from the base's state; returns (COST, OUTCOME). Its reports are in `scratch`."""
        self.copy.view(np.uint8)[:] = self.base.view(np.uint8)
        sim = self.copy[0]
        sim.seed = seed
        if self.cautions is not None:
            base, copy = self.cautions
            copy[:] = base
            self.course.caution = copy.ctypes.data
        outcome = np.zeros(1, OUTCOME).view(np.recarray)[0]
        cost = np.zeros(1, COST).view(np.recarray)[0]
        pad = policy.new_pad()
        terms = (sim, self.market.events, parent, policy.decide, pad, self.view, self.scratch, self.settings.step_ns, self.course, outcome)
        try:
            self.run(*terms)
        except IndexError as error:  # a user's code runs with bounds checks
            policy.check()
            raise BadInput(f"policy {policy.name}: {error}; expected places that there are in a VIEW and on a pad") from error
        if outcome.arrival_mid2 == 0:
            when = clock(int(parent["start"]), self.market.tz)
            raise BadInput(f"{self.market.name}: until {when} one side of the book was empty; expected bids and asks at a parent's start")
        if outcome.log_full:
            raise TercetError(f"policy {policy.name}: more than {len(self.scratch.reports)} fills of one parent; expected fewer")
        account(cost, self.scratch, parent, outcome, self.fees, self.tally)
        return cost, outcome


def run(
    market: Market, plan: Plan, policies: Sequence[Policy], settings: Settings, progress: Callable[[int], None] = lambda parents: None
) -> Result:
    """Work every parent of a plan by every policy. `progress` is told how many runs have ended. Same seed, same result on any cores."""
    if len({policy.name for policy in policies}) < len(policies) or not policies:
        raise BadInput(f"policies were {' '.join(policy.name for policy in policies) or 'none'}; expected each once")
    rows = records(plan.parents, market)
    refuse_pace(rows, settings)
    look_after(rows, settings.after_ns, market.close_ns)
    costs = np.zeros((len(policies), len(rows)), COST)
    outcomes = np.zeros((len(policies), len(rows)), OUTCOME)

    def work_chunk(chunk: NDArray[np.int64]) -> Iterator[None]:
        worker = Worker(market, settings, int(plan.sessions[chunk[0]]))
        for place in chunk:
            worker.roll(int(rows["start"][place]))
            for number, policy in enumerate(policies):
                costs[number, place], outcomes[number, place] = worker.work(rows[place], policy, settings.seed * 1_000_003 + int(place))
                yield
            progress(len(policies))

    threads = settings.threads or cores()
    share_work(work_chunk, chunks(plan, threads), threads)
    names = tuple(policy.name for policy in policies)
    said = (
        *market.notes,
        *plan.notes,
        *known_already(policies, market, plan),
        *other_paces(policies, settings.step_ns),
        *other_postures(policies, settings),
        *warnings(names, costs, outcomes),
    )
    return Result(market, plan, names, settings, costs, outcomes, said)


def refuse_pace(rows: Any, settings: Settings) -> None:
    """BadInput for decisions too many or none before a parent's end, and for latencies with which nothing could be done before it."""
    spans, step = rows["end"] - rows["start"], settings.step_ns
    least, most = int(spans.min()), int(spans.max()) // step
    horizon = f"less than the horizon, {least / 1e9:g} s"
    for name, ns in (("order latency", max(settings.order_latency_ns)), ("feed latency", max(settings.feed_latency_ns))):
        if ns >= min(least, MEMORY_NS):
            also = f" and {MEMORY_NS / 1e9:g} s" if least > MEMORY_NS else ""
            raise BadInput(f"{name} was {ns / 1e9:g} s; expected {horizon}{also}")
    if step > least:
        raise BadInput(f"step was {step / 1e9:g} s; expected the horizon at most, {least / 1e9:g} s")
    if most > MOST_DECISIONS:
        raise BadInput(f"step was {step} ns, {most} decisions a parent; expected {MOST_DECISIONS} at most")


def look_after(rows: Any, after_ns: Sequence[int], close_ns: int) -> None:
    """Let parents note the mid at those times after their end, as far as the session goes."""
    for place, time in enumerate(sorted(after_ns)):
        rows["after"][:, place] = np.where(rows["end"] + time <= close_ns, time, 0)


def chunks(plan: Plan, threads: int) -> list[NDArray[np.int64]]:
    """The places of the parents that one worker takes in one go: of one session, in the order of their starts."""
    pieces = []
    sessions = np.unique(plan.sessions)
    for session in sessions:
        places = np.flatnonzero(plan.sessions == session)
        pieces += np.array_split(places, 4 * threads if len(sessions) == 1 else 1)
    return [piece for piece in pieces if len(piece)]


def other_paces(policies: Sequence[Policy], step_ns: int) -> list[str]:
    """Sentences on policies that were trained to decide at another pace."""
    others = [policy for policy in policies if policy.step_ns not in (0, step_ns)]
    sentence = "{}: was trained to decide every {:g} s and decides every {:g} s here; expected the same step"
    return [sentence.format(policy.name, policy.step_ns / 1e9, step_ns / 1e9) for policy in others]


def other_postures(policies: Sequence[Policy], settings: Settings) -> list[str]:
    """Sentences on trained policies that see a posture here and never did in training, or the other way round."""
    here = settings.posture is not None
    words = ("with a posture and sees none here", "without a posture and sees one here")
    others = [policy.name for policy in policies if policy.step_ns and policy.posture != here]
    return [f"{name}: was trained {words[here]}; expected the same, for it knows no other" for name in others]


def known_already(policies: Sequence[Policy], market: Market, plan: Plan) -> list[str]:
    """Sentences on trained policies that have seen hours of this day: what they do there says nothing of other days."""
    said, first = [], market.open_ns + MEMORY_NS
    for policy in policies:
        for seen in policy.seen:
            if seen.market != market.name and seen.checksum != checksum(market):
                continue
            begin, end = (int(first + share * (market.close_ns - first)) for share in (seen.begin, seen.end))
            there = sum(parent.start < end and parent.end > begin for parent in plan.parents)
            hours = f"{clock(begin, market.tz)[:8]} to {clock(end, market.tz)[:8]}"
            met = f"{there} of {len(plan.parents)} parents lie there"
            said.append(f"{policy.name}: was trained and validated on this day, from {hours}: {met}; expected another day")
    return said


def warnings(names: Sequence[str], costs: NDArray[np.void], outcomes: NDArray[np.void]) -> list[str]:
    """Sentences on what makes a result less than it seems."""
    altered = outcomes["altered_lots"].sum(axis=1) / np.maximum(outcomes["recorded_lots"].sum(axis=1), 1)
    unfilled = costs["unfilled_share"].mean(axis=1)
    said = []
    if altered.max() > ALTERED_WARNING:
        which = names[int(altered.argmax())]
        said.append(f"our orders altered up to {altered.max():.1%} of recorded volume ({which}); expected {ALTERED_WARNING:.0%} at most")
    for field_name, sentence in COUNTED.items():
        if total := int(outcomes[field_name].sum()):
            said.append(f"{sentence}: {total}; expected none")
    for name, cut, decisions in zip(names, outcomes["cut"].sum(axis=1), outcomes["decisions"].sum(axis=1), strict=True):
        if cut:
            said.append(
                f"{name}: {cut} of its {decisions} decisions returned more children than the {CHILDREN} places of a pad and were cut; "
                "expected no more"
            )
    for name, share in zip(names, unfilled, strict=True):
        if share > UNFILLED_VOID:
            said.append(f"{name}: void, {share:.2%} of all lots found nobody to trade with; expected {UNFILLED_VOID:.1%} at most")
    return said
