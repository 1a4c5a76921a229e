"""From a task to a model that is kept, and from its answers to Forecasts with a spread that was measured on rows it had not seen.

The spread is of out-of-fold residuals: inside the lesson the expert is fitted on the past and asked about what followed, three times.
In-sample residuals would be too small by as much as the model is too large. They are of what was taught: of a panel of the returns that
are cut, for one split that nobody adjusted would make every forecast's spread its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import date_clock
from tercet.messages import Forecast
from tercet.signals.contributions import Contributions, contributions
from tercet.signals.crosssection import PanelSettings
from tercet.signals.fitted import Expert, Fitted, fit
from tercet.signals.league import UP, Standing, Tell, evaluate
from tercet.signals.modelfile import load, save, terms_of
from tercet.signals.samples import DIRECTION, Questions, Samples
from tercet.signals.task import Task
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import WalkForward

Floats = NDArray[np.float64]
INSIDE: Final = WalkForward(folds=3)  # of a lesson, for residuals
LEVEL: Final = 0.9  # of what happens lies between lo and hi
SHARES: Final = np.linspace(0.0, 1.0, 201)
SURE: Final = 2.0  # t of the IC below which a half-life would be that of noise


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What turns a model's answers into Forecasts, kept in its file."""

    kind: str  # of task: direction or panel
    horizon: str
    unit: str
    scale: float  # `unit` a mean of 1
    sd: float  # of out-of-fold residuals: of the move of a direction, of the label of a mean
    errors: tuple[float, ...]  # their quantiles at SHARES
    half_life: float | None
    rows: int  # that the residuals are of
    scores: dict[str, float | None]  # of the same rows
    settings: dict[str, Any]  # that the rows asked about must be made with


@dataclass(frozen=True)
class Forecaster:
    """A fitted model and its terms."""

    fitted: Fitted
    terms: Terms


def learn(
    task: Task,
    expert: Expert,
    kind: str,
    horizon: str,
    settings: dict[str, Any],
    ledger: Ledger,
    until: int | None = None,
    seed: int = 0,
    tell: Tell = lambda what: None,
) -> Forecaster:
    """Fit an expert on all of a task that was known at `until` (ns; None: when its last label was), with terms from inside of it."""
    samples = task.samples
    fit_time = int(max(samples.spans.available.max(), samples.now.max())) if until is None else until
    rows = np.flatnonzero((samples.spans.available <= fit_time) & (samples.now <= fit_time))
    if len(rows) == 0:
        first = date_clock(int(np.maximum(samples.spans.available, samples.now).min()))
        raise BadInput(
            f"{task.name}: nothing was known at {date_clock(fit_time)} (New York); expected a later --until: {first} is the first"
        )
    past = _past(task, rows)
    (standing,) = (league := evaluate(past, [expert], INSIDE, ledger, seed, tell)).standings
    happened = past.move if samples.target == DIRECTION else past.samples.spans.value
    errors = happened[league.asked] - standing.forecast
    tell(f"{expert.name}, on all {len(rows):,} rows")
    fitted = fit(expert, samples.lesson(rows, fit_time), seed)
    scale = float(np.abs(past.move).mean()) if samples.target == DIRECTION else 1.0
    terms = Terms(
        kind=kind,
        horizon=horizon,
        unit=task.unit,
        scale=scale,
        sd=float(errors.std(ddof=1)),
        errors=tuple(np.quantile(errors, SHARES).tolist()),
        half_life=half_life(past, standing, league.asked),
        rows=len(errors),
        scores=standing.scores,
        settings=settings,
    )
    return Forecaster(fitted, terms)


def _past(task: Task, rows: NDArray[np.int64]) -> Task:
    """Some rows of a task."""
    samples = task.samples
    part = Samples(
        samples.features[rows],
        samples.names,
        samples.now[rows],
        samples.spans.take(rows),
        samples.memory,
        samples.target,
        samples.group[rows],
        samples.mirror,
    )
    suspect = None if task.suspect is None else task.suspect[rows]
    half, at_end = task.half_spread[rows], task.exit_half_spread[rows]
    return replace(task, samples=part, move=task.move[rows], half_spread=half, exit_half_spread=at_end, suspect=suspect)


def half_life(task: Task, standing: Standing, asked: NDArray[np.int64]) -> float | None:
    """Horizons of delay after which the correlation with the move that follows is half of what it is at once; None where that is noise.

    A delay is of so many rows of the same group. Noise is what the league's t of the IC says is noise: to it the stocks of one date, which
    move together, are one observation.
    """
    if (standing.scores["ic_t"] or 0.0) < SURE:
        return None
    forecast, moved, group = standing.forecast, task.move[asked], task.samples.group[asked]
    at_once = float(((forecast - forecast.mean()) * (moved - moved.mean())).mean())
    if at_once <= 0.0:
        return None
    order = np.argsort(group, kind="stable")
    forecast, moved, group = forecast[order] - forecast.mean(), moved[order] - moved.mean(), group[order]
    before, delay = (0, at_once), 1
    while delay < len(order) // 10:
        same = group[delay:] == group[:-delay]
        left = float((forecast[:-delay] * moved[delay:])[same].mean()) if same.any() else 0.0
        if left <= 0.5 * at_once:
            share = (before[1] - 0.5 * at_once) / (before[1] - left)
            return float(before[0] + share * (delay - before[0])) / task.apart
        before, delay = (delay, left), max(delay + 1, int(1.25 * delay))
    return None


def keep(forecaster: Forecaster, path: Path) -> None:
    """Write model and terms as one file, whole or not at all."""
    save(forecaster.fitted, path, msgspec.json.encode(forecaster.terms))


def recall(path: Path) -> Forecaster:
    """A forecaster from its file; raises BadInput where it is none, or was altered."""
    fitted, told = load(path), terms_of(path)
    if not told:
        raise BadInput(f"{path}: expected a model with the terms of its forecasts, found one without; fit it with `tercet forecast fit`")
    try:
        terms = msgspec.json.decode(told, type=Terms)
        _refuse_terms(terms)
    except (msgspec.MsgspecError, BadInput, RecursionError) as error:
        raise BadInput(f"{path}: expected the terms of forecasts, found others ({error})") from error
    return Forecaster(fitted, terms)


def _refuse_terms(terms: Terms) -> None:
    """BadInput where they are not of a kind of task here, or have no quantiles in order."""
    if terms.kind not in ("direction", "panel"):
        raise BadInput(f"kind was {terms.kind!r:.40}; expected direction or panel")
    if terms.kind == "panel":
        msgspec.convert(terms.settings, PanelSettings)
    numbers = np.array([terms.scale, terms.sd, *terms.errors])
    if len(terms.errors) != len(SHARES) or not np.isfinite(numbers).all() or (np.diff(terms.errors) < 0).any():
        raise BadInput(f"expected a scale, a deviation and {len(SHARES)} quantiles of errors that rise, all finite")


def forecasts(
    forecaster: Forecaster, asked: Questions, symbols: pl.Series, event_time: NDArray[np.int64], *, explained: bool = False
) -> pl.DataFrame:
    """A row a question, with the fields of Forecast as columns; raises Leak where the model knows what came later.

    explained: contributions are those of the features that moved the row most (see signals/contributions.py).
    """
    fitted, terms = forecaster.fitted, forecaster.terms
    answers = fitted.predict(asked)
    errors = np.asarray(terms.errors)
    mu = terms.scale * np.asarray(answers.mean, np.float64)
    tails = np.interp(((1 - LEVEL) / 2, (1 + LEVEL) / 2), SHARES, errors)
    # Of a mean the chance of a rise is that of an error above −mu.
    up = answers.chances[:, UP] if answers.chances is not None else 1.0 - np.interp(-mu, errors, SHARES)
    top = _top(contributions(fitted.model, asked), fitted) if explained else None
    return pl.DataFrame(
        {
            "symbol": symbols,
            "event_time": event_time,
            "known_time": asked.now,
            "horizon": pl.repeat(terms.horizon, len(mu), eager=True),
            "unit": pl.repeat(terms.unit, len(mu), eager=True),
            "mu": mu,
            "sd": np.full(len(mu), terms.sd),
            "lo": mu + tails[0],
            "hi": mu + tails[1],
            "p_up": np.clip(up, 0.0, 1.0),
            "model_id": pl.repeat(fitted.lineage.model_id, len(mu), eager=True),
            "half_life": pl.repeat(terms.half_life, len(mu), dtype=pl.Float64, eager=True),
            "regime": pl.repeat(None, len(mu), dtype=pl.String, eager=True),
            "contributions": pl.Series(top or [[]] * len(mu), dtype=pl.List(pl.Struct({"feature": pl.String, "value": pl.Float64}))),
        }
    )


def _top(told: Contributions, fitted: Fitted) -> list[list[dict[str, Any]]]:
    return [[{"feature": name, "value": value} for name, value in row] for row in told.top(fitted.lineage.names)]


def messages(rows: pl.DataFrame) -> Iterator[Forecast]:
    """The rows of `forecasts`, or of its file, as they flow to portfolios."""
    for row in rows.iter_rows(named=True):
        moved = tuple((one["feature"], one["value"]) for one in row.pop("contributions"))
        yield Forecast(**row, contributions=moved)
