"""Forecasters of variance side by side: the same days, each told the evening before, every one of them a trial in the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tercet.risk.days import MarketDays
from tercet.risk.filters import Forecaster, refuse, walked
from tercet.risk.losses import Unbiased, mincer_zarnowitz, qlike, squared
from tercet.signals.answers import Answers, positive
from tercet.signals.resample import Interval, confidence_set, mean_interval
from tercet.signals.scores import diebold_mariano
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

SIZE = 0.1  # of the model confidence set
Tell = Callable[[str], None]


@dataclass(frozen=True)
class VolatilitySettings:
    """How variance forecasts are asked."""

    first: int = field(default=1000, metadata={"help": "days that are learned from before the first forecast"})
    every: int = field(default=20, metadata={"help": "days between two times of learning"})
    seed: int = field(default=0, metadata={"help": "of the bootstrap"})


@dataclass(frozen=True)
class Standing:
    """What a forecaster's variances were worth."""

    name: str
    qlike: Interval  # mean with its 95% interval
    mse: float
    beside_best: float | None  # p of Diebold & Mariano's test against the best by QLIKE; None for the best itself
    included: bool  # in the 90% model confidence set by QLIKE
    p: float  # of the set
    unbiased: Unbiased
    ratio: float  # mean of what happened over the mean of what was said
    said: Floats  # (asked,) percent²


@dataclass(frozen=True)
class VolatilityLeague:
    """All of them, best QLIKE first."""

    standings: tuple[Standing, ...]
    target: Floats  # (asked,) percent²
    known: NDArray[np.int64]  # (asked,) ns, when the day was over
    left_out: dict[str, str]  # who could not be asked, and why
    trials: int


def league(
    days: MarketDays, forecasters: Sequence[Forecaster], settings: VolatilitySettings, ledger: Ledger, experiment: str, tell: Tell
) -> VolatilityLeague:
    """Ask every forecaster about each day after the first ones; who lacks a series, fails or says no variance is named and left out."""
    asked = slice(settings.first, None)
    target, known, answers = days.target[asked], days.known[asked], Answers[Floats]()

    def variances(one: Forecaster) -> Floats:
        refuse(one, days, 0)
        return positive(walked(days, one, settings.first, settings.every)[asked], known, "its variance")

    for one in forecasters:
        tell(one.name)
        said = answers.ask(one.name, partial(variances, one))
        if said is None:
            continue
        span = (int(days.known[0]), int(days.known[-1]))
        score = {"qlike": float(qlike(target, said).mean())}
        ledger.record(experiment, one.name, {"forecaster": repr(one), **asdict(settings)}, experiment, span, score)
    return judged(target, known, answers, ledger.count(experiment), settings.seed, tell)


def judged(target: Floats, known: NDArray[np.int64], answers: Answers[Floats], trials: int, seed: int, tell: Tell) -> VolatilityLeague:
    """The league of what each forecaster said (asked,) of the target (asked,), both above 0, that was known at `known` (asked,)."""
    losses = answers.drop_twins(lambda given: qlike(target, given))
    said = answers.enough("forecasters")
    tell("the confidence set")
    within = confidence_set(np.column_stack(list(losses.values())), size=SIZE, seed=seed)
    best = min(losses, key=lambda name: float(losses[name].mean()))
    standings = [
        Standing(
            name,
            mean_interval(losses[name], seed=seed),
            float(squared(target, given).mean()),
            None if name == best else diebold_mariano(losses[name], losses[best]).p,
            place in within.included,
            float(within.p[place]),
            mincer_zarnowitz(target, given),
            float(target.mean() / given.mean()),
            given,
        )
        for place, (name, given) in enumerate(said.items())
    ]
    standings.sort(key=lambda one: one.qlike.estimate)
    return VolatilityLeague(tuple(standings), target, known, answers.left_out, trials)
