"""Forecasters of covariances side by side: the same days, each told the evening before, every one of them a trial in the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.risk.assets import AssetDays
from tercet.risk.correlation import DEFAULT, YEAR, CovarianceForecaster, Ewma, Mean, Speeds, Window, walked
from tercet.risk.dcc import Dcc
from tercet.risk.portfolios import WEEK, Bias, Held, bias, held
from tercet.signals.answers import Answers
from tercet.signals.resample import Interval, confidence_set, mean_interval
from tercet.signals.scores import diebold_mariano
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

SIZE: Final = 0.1  # of the model confidence set
Tell = Callable[[str], None]


@dataclass(frozen=True)
class CovarianceSettings:
    """How covariance forecasts are asked."""

    first: int = field(default=1000, metadata={"help": "days that are learned from before the first forecast"})
    every: int = field(default=YEAR, metadata={"help": "days between two times of learning"})
    hold: int = field(default=WEEK, metadata={"help": "days between two times of making weights"})
    short: bool = field(default=True, metadata={"help": "let weights be below 0"})
    seed: int = field(default=0, metadata={"help": "of the bootstrap and of random portfolios"})


@dataclass(frozen=True)
class CovarianceStanding:
    """What a forecaster's matrices were worth."""

    name: str
    volatility: Interval  # percent a year, of its portfolio of least variance
    beside_best: float | None  # p of Diebold & Mariano's test of squared returns against the best; None for the best itself
    included: bool  # in the 90% model confidence set by squared returns
    p: float  # of the set
    bias: Bias
    qlike: Interval
    turnover: float  # Σ|Δw| a change of weights
    gross: float  # mean Σ|w|
    mended: int  # days on which its matrix had to be made positive definite
    held: Held


@dataclass(frozen=True)
class CovarianceLeague:
    """All of them, least volatility first."""

    standings: tuple[CovarianceStanding, ...]
    known: NDArray[np.int64]  # (asked,) ns, when the day was over
    left_out: dict[str, str]  # who could not be asked, and why
    trials: int


def covariance_league(
    days: AssetDays,
    forecasters: Sequence[CovarianceForecaster],
    settings: CovarianceSettings,
    ledger: Ledger,
    experiment: str,
    tell: Tell,
) -> CovarianceLeague:
    """Ask every forecaster about each day after the first ones; who fails or says no matrix is named and left out."""
    answers = Answers[Held]()
    data = sha256(np.ascontiguousarray(days.returns).tobytes()).hexdigest()
    for one in forecasters:
        tell(one.name)
        said = walked(days, one, settings.first, settings.every)
        kept = answers.ask(one.name, partial(held, days, said, hold=settings.hold, short=settings.short, seed=settings.seed))
        if kept is None:
            continue
        span = (int(days.known[0]), int(days.known[-1]))
        ledger.record(experiment, one.name, {"forecaster": repr(one), **asdict(settings)}, data, span, scores(kept))
    losses = answers.drop_twins(lambda one: squares(one.returns))
    found = answers.enough("forecasters")
    tell("the confidence set")
    within = confidence_set(np.column_stack(list(losses.values())), size=SIZE, seed=settings.seed)
    best = min(losses, key=lambda name: float(losses[name].mean()))
    standings = [
        CovarianceStanding(
            name,
            volatility_interval(one.returns, settings.seed),
            None if name == best else diebold_mariano(losses[name], losses[best]).p,
            place in within.included,
            float(within.p[place]),
            bias(one),
            mean_interval(one.qlike, seed=settings.seed),
            one.turnover,
            one.gross,
            one.mended,
            one,
        )
        for place, (name, one) in enumerate(found.items())
    ]
    standings.sort(key=lambda one: one.volatility.estimate)
    return CovarianceLeague(tuple(standings), days.known[settings.first :], answers.left_out, ledger.count(experiment))


def squares(returns: Floats) -> Floats:
    """(n,): squared distances from the mean."""
    return np.asarray((returns - returns.mean()) ** 2)


def volatility_interval(returns: Floats, seed: int = 0) -> Interval:
    """Percent a year, between the roots of what the stationary bootstrap makes of the squares."""
    found = mean_interval(squares(returns), seed=seed)
    estimate, low, high = (float((YEAR * one) ** 0.5) for one in (found.estimate, found.low, found.high))
    return replace(found, estimate=estimate, low=low, high=high)


def scores(one: Held) -> dict[str, float]:
    """What the ledger keeps of a walk."""
    return {"volatility": float(one.returns.std() * YEAR**0.5), "bias": bias(one).least, "qlike": float(one.qlike.mean())}


_EVERY: Final[tuple[CovarianceForecaster, ...]] = (
    Window("1/N", "alike"),
    Window(),
    Ewma(),
    Ewma("ewma-half-year", 0.5 ** (1 / 126)),
    Speeds("ewma-two-speeds", (21.0,), (126.0,), 0.0),
    Window("ledoit-wolf-identity", "identity"),
    Window("ledoit-wolf-constant", "constant"),
    Window("oas", "oas"),
    Window("nonlinear", "nonlinear"),
    Window("market", "market"),
    Window("components-3", "components-3"),
    Dcc("dcc", shrunk=False),
    Dcc(),
    Mean((DEFAULT, Dcc(), Window("nonlinear", "nonlinear"))),
    DEFAULT,
)
FORECASTERS: Final = {one.name: one for one in _EVERY}
