"""Models of the tail side by side: the same days, each told the evening before, judged by every test, each a trial in the ledger."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.risk.backtests import Backtest, backtest, fz0
from tercet.risk.filters import LEAST
from tercet.risk.league import SIZE, Tell
from tercet.risk.scales import LongDays
from tercet.risk.shapes import checked
from tercet.risk.tail import Tail, TailModel, tails_walked
from tercet.signals.answers import Answers, expect
from tercet.signals.resample import Interval, confidence_set, mean_interval
from tercet.signals.scores import diebold_mariano
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

ENOUGH = 750  # measured days before the first forecast


@dataclass(frozen=True)
class TailSettings:
    """How models of the tail are asked."""

    levels: tuple[float, ...] = field(default=(0.01, 0.05), metadata={"help": "chances of a return below the value at risk"})
    first: int | None = field(
        default=None, metadata={"help": "days that are learned from before the first forecast; 1000, and 750 measured ones, if not given"}
    )
    every: int = field(default=20, metadata={"help": "days between two times of learning"})
    seed: int = field(default=0, metadata={"help": "of the bootstrap and the simulated tests"})


@dataclass(frozen=True)
class TailStanding:
    """What a model's values at risk and shortfalls of one level were worth."""

    name: str
    tests: Backtest
    loss: Interval  # mean FZ0 with its 95% interval
    beside_best: float | None  # p of Diebold & Mariano's test against the best by FZ0; None for the best itself
    included: bool  # in the 90% model confidence set by FZ0
    p: float  # of the set
    said: Tail  # (asked,) each


@dataclass(frozen=True)
class TailLeague:
    """By level all of them, least FZ0 first."""

    standings: dict[float, tuple[TailStanding, ...]]
    returns: Floats  # (asked,) percent
    known: NDArray[np.int64]  # (asked,) ns, when the day was over
    left_out: dict[str, str]  # who could not be asked, and why
    trials: int


def tail_league(
    days: LongDays, models: Sequence[TailModel], settings: TailSettings, ledger: Ledger, experiment: str, tell: Tell
) -> TailLeague:
    """Ask every model about each day after the first ones; who lacks a series, fails or says no tail is named and left out."""
    first = first_asked(days, settings)
    returns, known, answers = days.all.returns[first:], days.all.known[first:], Answers[dict[float, Tail]]()

    def tails(one: TailModel) -> dict[float, Tail]:
        walked = tails_walked(days, one, settings.levels, first, settings.every)
        return {level: sound_tail(Tail(tail.var[first:], tail.es[first:]), known) for level, tail in walked.items()}

    for one in models:
        tell(one.name)
        said = answers.ask(one.name, partial(tails, one))
        if said is None:
            continue
        span = (int(days.all.known[0]), int(days.all.known[-1]))
        scores = {f"fz0 at {level:g}": float(fz0(returns, tail.var, tail.es, level).mean()) for level, tail in said.items()}
        ledger.record(experiment, one.name, {"model": repr(one), **asdict(settings)}, experiment, span, scores)
    for level in settings.levels:
        answers.drop_twins(lambda given, level=level: fz0(returns, given[level].var, given[level].es, level))  # type: ignore[misc]
    found = answers.enough()
    tell("the tests and the confidence sets")
    standings = {
        level: _standings(returns, {name: one[level] for name, one in found.items()}, level, settings) for level in settings.levels
    }
    return TailLeague(standings, returns, known, answers.left_out, ledger.count(experiment))


def sound_tail(tail: Tail, known: NDArray[np.int64]) -> Tail:
    """The tail where each day has a value at risk below 0 and a shortfall no higher; else BadInput."""
    expect(tail.var, np.isfinite(tail.var) & (tail.var < 0), known, "its value at risk", "a return below 0")
    expect(tail.es, np.isfinite(tail.es) & (tail.es <= tail.var), known, "its shortfall", "one no higher than the value at risk")
    return tail


def usual_first(days: LongDays) -> int:
    """The row of the first day that is told where nobody says which: after 1000 days, and 750 measured ones where there are any."""
    return max(1000, days.unmeasured + ENOUGH if days.measured is not None else 0)


def first_asked(days: LongDays, settings: TailSettings) -> int:
    """The row of the first day that is told; raises BadInput where there is none."""
    for level in settings.levels:
        checked(level)
    first = usual_first(days) if settings.first is None else settings.first
    if not LEAST <= first < len(days) or settings.every < 1:
        raise BadInput(
            f"first was {first} of {len(days)} days and every {settings.every}; expected {LEAST} to fewer than all, and 1 or more"
        )
    return first


def _standings(returns: Floats, said: dict[str, Tail], level: float, settings: TailSettings) -> tuple[TailStanding, ...]:
    losses = {name: fz0(returns, tail.var, tail.es, level) for name, tail in said.items()}
    within = confidence_set(np.column_stack(list(losses.values())), size=SIZE, seed=settings.seed)
    best = min(losses, key=lambda name: float(losses[name].mean()))
    found = [
        TailStanding(
            name,
            backtest(returns, tail, level, seed=settings.seed),
            mean_interval(losses[name], seed=settings.seed),
            None if name == best else diebold_mariano(losses[name], losses[best]).p,
            place in within.included,
            float(within.p[place]),
            tail,
        )
        for place, (name, tail) in enumerate(said.items())
    ]
    return tuple(sorted(found, key=lambda one: one.loss.estimate))
