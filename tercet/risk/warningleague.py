"""Warnings of falls side by side: the same days, each from the days before, beside drawdown alone and volatility alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tercet.errors import BadInput
from tercet.risk.fusions import SIMPLE, WARNINGS
from tercet.risk.indicators import USUAL, WarningDays
from tercet.risk.league import Tell
from tercet.risk.warning import FallSettings, Warning, alarms, falls, lasting
from tercet.signals.answers import Answers, finite
from tercet.signals.resample import Interval, percentile_interval, stationary_rows
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

LEVEL = 0.95
STEPS = 500  # thresholds that are looked at


@dataclass(frozen=True)
class WarningSettings:
    """How warnings are asked."""

    fall: FallSettings = field(default_factory=FallSettings)
    first: int = field(default=1000, metadata={"help": "days before the first that is judged"})
    draws: int = field(default=500, metadata={"help": "of the bootstrap"})
    block: float = field(default=250.0, metadata={"help": "days of a block, on average: longer than a fall and what leads to it"})
    seed: int = field(default=0, metadata={"help": "of the bootstrap"})


@dataclass(frozen=True)
class Caught:
    """How many falls were told of, how many days before their depth was reached, and what it cost."""

    hits: int
    falls: int
    lead: float  # days, the median of hits; NaN where none was caught
    false: float  # share of days without a fall ahead that were in alarm


@dataclass(frozen=True)
class WarningStanding:
    """What a warning was worth."""

    name: str
    auc: Interval
    ap: float  # average precision
    beside: dict[str, Interval]  # by simple warning, this AUC less that one
    at_budget: Caught  # with the threshold that, looking back, made no more false alarms than the budget
    online: Caught  # with the threshold of the time
    said: Floats  # (asked,)


@dataclass(frozen=True)
class WarningLeague:
    """All of them, greatest AUC first."""

    standings: tuple[WarningStanding, ...]
    ahead: Floats  # (asked,) 1 where a fall was ahead
    level: Floats  # (asked,) of the market
    known: NDArray[np.int64]  # (asked,) ns
    left_out: dict[str, str]
    trials: int


def warning_league(
    days: WarningDays, warnings: Sequence[Warning], settings: WarningSettings, ledger: Ledger, experiment: str, tell: Tell
) -> WarningLeague:
    """Ask every warning about each day after the first ones; who lacks a series, fails or says no score is named and left out.

    The simple ones are always asked.
    """
    if not USUAL < settings.first < len(days):
        raise BadInput(f"first was {settings.first} of {len(days)} days; expected more than {USUAL} and fewer than all")
    ahead, until = falls(days.level, settings.fall)
    judged = np.flatnonzero(np.isfinite(ahead) & (np.arange(len(days)) >= settings.first))
    if not 0 < ahead[judged].sum() < len(judged):
        raise BadInput(f"{int(ahead[judged].sum())} of {len(judged)} days had a fall of {settings.fall.depth:.0%} ahead; expected some")
    answers = Answers[Floats]()

    def scores_of(one: Warning) -> Floats:
        if missing := [name for name in one.needs if name not in days.there()]:
            raise BadInput(f"the days have no {', '.join(missing)}")
        score = one.said(days, settings.fall)
        finite(score[judged], days.market.known[judged], "its score")
        return score

    for one in dict.fromkeys([*warnings, *(WARNINGS[name] for name in SIMPLE)]):
        tell(one.name)
        score = answers.ask(one.name, partial(scores_of, one))
        if score is None:
            continue
        span = (int(days.market.known[0]), int(days.market.known[-1]))
        scores = {"auc": area(score[judged], ahead[judged]), "ap": average_precision(score[judged], ahead[judged])}
        ledger.record(experiment, one.name, {"warning": repr(one), **asdict(settings)}, experiment, span, scores)
    said = answers.enough("warnings")
    tell("the bootstrap")
    areas = _bootstrapped({name: score[judged] for name, score in said.items()}, ahead[judged], settings)
    seen = {name: area(score[judged], ahead[judged]) for name, score in said.items()}
    standings = []
    for name, score in said.items():
        standings.append(
            WarningStanding(
                name,
                percentile_interval(seen[name], areas[name], LEVEL, settings.block),
                average_precision(score[judged], ahead[judged]),
                {
                    other: percentile_interval(seen[name] - seen[other], areas[name] - areas[other], LEVEL, settings.block)
                    for other in SIMPLE
                    if other in said and other != name
                },
                caught(at_budget(score, judged, ahead, settings.fall), judged, ahead, until, settings.fall),
                caught(alarms(score, days, settings.fall), judged, ahead, until, settings.fall),
                score[judged],
            )
        )
    standings.sort(key=lambda one: -one.auc.estimate)
    return WarningLeague(
        tuple(standings), ahead[judged], days.level[judged], days.market.known[judged], answers.left_out, ledger.count(experiment)
    )


def area(score: Floats, ahead: Floats) -> float:
    """Under the receiver's curve: the chance that a day with a fall ahead has a greater score than one without; ties count half."""
    hits = ahead.sum()
    return float((rankdata(score)[ahead == 1].sum() - hits * (hits + 1) / 2) / (hits * (len(ahead) - hits)))


def average_precision(score: Floats, ahead: Floats) -> float:
    """Precision at each day with a fall ahead, averaged, from the greatest score down; tied days together."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    found = np.cumsum(ahead[order])[ends]
    gained = np.diff(np.concatenate([[0.0], found]))
    return float((gained * found / (ends + 1)).sum() / ahead.sum())


def episodes(ahead: Floats, settings: FallSettings) -> list[NDArray[np.int64]]:
    """The days with each fall ahead: another one begins after `apart` days with none."""
    days = np.flatnonzero(ahead == 1)
    return [np.asarray(one) for one in np.split(days, np.flatnonzero(np.diff(days) > settings.apart) + 1)] if len(days) else []


def caught(alarm: NDArray[np.bool_], judged: NDArray[np.int64], ahead: Floats, until: NDArray[np.int64], settings: FallSettings) -> Caught:
    """Falls with an alarm on a day that had them ahead; a lead is from the first such day to the depth that was ahead of it."""
    within = np.full(len(ahead), np.nan)
    within[judged] = ahead[judged]
    told = [one[alarm[one]] for one in episodes(within, settings)]
    leads = [int(until[one[0]]) for one in told if len(one)]
    false = float(alarm[within == 0].mean())
    return Caught(len(leads), len(told), float(np.median(leads)) if leads else float("nan"), false)


def at_budget(score: Floats, judged: NDArray[np.int64], ahead: Floats, settings: FallSettings) -> NDArray[np.bool_]:
    """(n,): alarms by the lowest threshold that, looking back, keeps false ones to the budget, as all higher ones do."""
    quiet = judged[ahead[judged] == 0]
    found = np.zeros(len(score), dtype=bool)
    for limit in np.quantile(score[judged], np.linspace(0.999, 0.3, STEPS)):
        alarm = lasting(score > limit, settings)
        if alarm[quiet].mean() > settings.budget:
            break
        found = alarm
    return found


def _bootstrapped(said: dict[str, Floats], ahead: Floats, settings: WarningSettings) -> dict[str, Floats]:
    """By name (draws,) areas, of the same days for all; draws without a fall are drawn again."""
    rng, found = np.random.default_rng(settings.seed), {name: np.empty(settings.draws) for name in said}
    draw = 0
    while draw < settings.draws:
        rows = stationary_rows(rng, len(ahead), 1, min(settings.block, len(ahead) / 2))[0]
        if not 0 < ahead[rows].sum() < len(rows):
            continue
        for name, score in said.items():
            found[name][draw] = area(score[rows], ahead[rows])
        draw += 1
    return found
