"""Forecasters of variance side by side: the same days, each told the evening before, every one of them a trial in the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.risk.days import MarketDays
from tercet.risk.filters import Forecaster, walked
from tercet.risk.losses import Unbiased, mincer_zarnowitz, qlike, squared
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
    """Ask every forecaster about each day after the first ones; who needs a series that is not there is named and left out."""
    asked = slice(settings.first, None)
    target, said, left_out = days.target[asked], {}, {}
    for one in forecasters:
        if missing := [name for name in one.needs if name not in days.there()]:
            left_out[one.name] = f"the days have no {', '.join(missing)}"
            continue
        tell(one.name)
        said[one.name] = walked(days, one, settings.first, settings.every)[asked]
        span = (int(days.known[0]), int(days.known[-1]))
        score = {"qlike": float(qlike(target, said[one.name]).mean())}
        ledger.record(experiment, one.name, {"forecaster": repr(one), **asdict(settings)}, experiment, span, score)
    return judged(target, days.known[asked], said, left_out, ledger.count(experiment), settings.seed, tell)


def judged(
    target: Floats, known: NDArray[np.int64], said: dict[str, Floats], left_out: dict[str, str], trials: int, seed: int, tell: Tell
) -> VolatilityLeague:
    """The league of what each forecaster said (asked,) of the target (asked,), both above 0, that was known at `known` (asked,)."""
    if len(said) < 2:
        raise BadInput(f"{len(said)} forecasters could be asked; expected 2 or more to compare")
    tell("the confidence set")
    losses = {name: qlike(target, given) for name, given in said.items()}
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
    return VolatilityLeague(tuple(standings), target, known, left_out, trials)
