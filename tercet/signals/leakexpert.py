"""Whether a model knows more than its lesson and its question: the test is another one, asked alone, asked twice; on noise it finds nothing.

A module's `expert()` learns from its own features and labels of made bars where it has them, else from made ones.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.fitted import Expert, Model, Numbers
from tercet.signals.leakcheck import KEYS, LEAK, NOTE, OK, Difference, Finding, Tell, asked, clock, numbers, shown, spans
from tercet.signals.panel import forward_returns
from tercet.signals.samples import CLASSES, DIRECTION, MEAN, Lesson, Questions, Samples, Spans
from tercet.signals.scores import automatic_lag, hac_mean
from tercet.signals.timed import EVENT, KNOWN, Table
from tercet.signals.usermodule import UserModule, blamed
from tercet.signals.walkforward import Fold, WalkForward

ABOUT: Final = "expert"
SIGMAS: Final = 4.0  # of the IC's HAC error: once in 15,000 experts without skill, for a normal law
SAME: Final = 1e-5  # of the answers' spread, which is rounding: float32 and batches of another size
SPLIT: Final = WalkForward(folds=3, least=50)
HORIZON: Final = 5  # days of a label, where the module has none
SIGNAL: Final = 0.5  # planted share of the labels' spread, so that there is something to learn


@dataclass(frozen=True)
class Estimator:
    """An estimator of scikit-learn's manner as an Expert: a new one for each lesson."""

    estimator: Any

    @property
    def name(self) -> str:
        """Its class's."""
        return type(self.estimator).__name__

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """On the lesson's rows."""
        made = copy.deepcopy(self.estimator)
        if "random_state" in (made.get_params() if hasattr(made, "get_params") else {}):
            made.set_params(random_state=seed)
        answers = lesson.values.astype(np.int64) if lesson.target == DIRECTION else lesson.values
        made.fit(lesson.table(), answers)
        return Estimated(made, lesson.target)


@dataclass(frozen=True)
class Estimated:
    """A fitted estimator."""

    estimator: Any
    target: str

    def answer(self, given: Questions) -> Numbers:
        """(asked,) means, or (asked, 3) chances."""
        if self.target != DIRECTION or not hasattr(self.estimator, "predict_proba"):
            return np.asarray(self.estimator.predict(given.table()), np.float64)
        full = np.zeros((len(given.rows), len(CLASSES)))
        full[:, np.searchsorted(CLASSES, self.estimator.classes_)] = self.estimator.predict_proba(given.table())
        return full


@dataclass(frozen=True)
class Trial:
    """A user's expert, and how it is made anew."""

    module: UserModule

    def new(self) -> Expert:
        """What `expert()` returns; a scikit-learn estimator becomes an Expert."""
        made = self.module("expert")
        if hasattr(made, "fit") and hasattr(made, "predict"):
            return Estimator(made)
        if not hasattr(made, "fit") or not hasattr(made, "name"):
            raise BadInput(
                f"expert returned a {type(made).__name__}; expected an Expert (name, fit(lesson, seed)) or a scikit-learn estimator"
            )
        return made  # type: ignore[no-any-return]  # by its looks

    @property
    def target(self) -> str:
        """A classifier is asked for directions."""
        made = self.new()
        return DIRECTION if isinstance(made, Estimator) and hasattr(made.estimator, "predict_proba") else MEAN

    def fit(self, expert: Expert, lesson: Lesson) -> Model:
        """A lesson learned; what it raises is told with file and line."""
        with blamed("expert().fit", self.module.offers["expert"]):
            return expert.fit(lesson, 0)

    def answers(self, model: Model, given: Questions) -> Numbers:
        """(asked,) or (asked, 3), finite."""
        with blamed("the fitted expert's answer", self.module.offers["expert"]):
            told = np.asarray(model.answer(given), np.float64)
        if told.shape not in ((len(given.rows),), (len(given.rows), len(CLASSES))) or not np.isfinite(told).all():
            raise BadInput(f"the fitted expert answered with shape {told.shape} to {len(given.rows)} rows; expected as many finite numbers")
        return told


# What it learns from ------------------------------------------------------------------------------------------------------------------


def noise_samples(module: UserModule, frame: pl.DataFrame, target: str, seed: int) -> Samples:
    """The module's features and labels of made bars, or made ones where it has none: nothing in them can be foretold."""
    rows = asked(module, "features", frame) if "features" in module.offers else _made_features(frame, seed)
    names = [
        name for name in numbers(rows) if name not in frame.columns and rows[name].cast(pl.Float64).is_finite().sum() > rows.height / 2
    ]
    if not names:
        raise BadInput("features: no column has a number in half of its rows; expected one, for an expert to learn from")
    told = spans(module, frame) if "labels" in module.offers else _forward(frame)
    both = rows.select(*KEYS, pl.col(names).cast(pl.Float64)).join(told, on=KEYS).join(frame.select(*KEYS, KNOWN), on=KEYS)
    both = both.filter(pl.all_horizontal(pl.col(names).is_finite()), pl.col("t0") >= pl.col(KNOWN)).sort(KNOWN, *KEYS)
    values = both["value"].to_numpy()
    labels = Spans(
        *(both[name].to_numpy() for name in ("t0", "t1")), np.sign(values) if target == DIRECTION else values, both["available"].to_numpy()
    )
    group = both["symbol"].rank("dense").cast(pl.Int64).to_numpy() - 1
    return Samples(both.select(names).to_numpy(), tuple(names), both[KNOWN].to_numpy(), labels, 0, target, group)


def _made_features(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Six columns of noise."""
    noise = np.random.default_rng([seed, 6]).standard_normal((frame.height, 6))
    return frame.select(KEYS).with_columns(pl.Series(f"noise_{i}", noise[:, i]) for i in range(6))


def _forward(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns over the days after the next close."""
    return forward_returns(Table.of(frame, sort=True), HORIZON, entry="close").drop_nulls("value")


def planted(samples: Samples, seed: int) -> Samples:
    """The same features with labels that can be learned: a random linear part of them beside noise."""
    rng = np.random.default_rng([seed, 7])
    table = (samples.features - samples.features.mean(axis=0)) / (samples.features.std(axis=0) + 1e-12)
    part = table @ rng.standard_normal(table.shape[1])
    value = 0.02 * (SIGNAL * part / (part.std() + 1e-12) + rng.standard_normal(len(part)))
    return replace(samples, spans=replace(samples.spans, value=np.sign(value) if samples.target == DIRECTION else value))


def scrambled(samples: Samples, first: int, seed: int) -> Samples:
    """Other features and labels from row `first` on; nothing is shared with those before."""
    rng = np.random.default_rng([seed, 8])
    features, value = samples.features.copy(), samples.spans.value.copy()
    late = rng.permutation(len(samples) - first) + first
    features[first:] = features[late] * rng.normal(0.0, 3.0, features.shape[1])
    value[first:] = -value[late]
    return replace(samples, features=features, spans=replace(samples.spans, value=value))


# The tests ----------------------------------------------------------------------------------------------------------------------------


def check_expert(module: UserModule, frame: pl.DataFrame, seed: int = 0, tell: Tell = lambda what: None) -> Iterator[Finding]:
    """All tests of `expert`, on made bars in order of time and symbol."""
    trial = Trial(module)
    tell("expert: what it learns from")
    noise = noise_samples(module, frame, trial.target, seed)
    samples = planted(noise, seed)
    folds = list(SPLIT.split(samples))
    lesson, test = samples.lesson(folds[0].train, folds[0].fit_time), folds[0].test
    tell("expert: twice")
    expert = trial.new()
    model = trial.fit(expert, lesson)
    told = trial.answers(model, samples.questions(test))
    if np.ptp(told, axis=0).max() == 0.0:
        yield Finding(
            ABOUT, "something was learned", NOTE, f"every answer was {shown(float(told.flat[0]))}, though there was something to learn"
        )
    again = trial.answers(trial.fit(trial.new(), lesson), samples.questions(test))
    yield _same("the same twice", samples, test, told, again, "learned anew from the same lesson")
    for what, rows, other, why in (
        *_asked_otherwise(trial, model, samples, test, told, seed),
        *_learned_otherwise(trial, expert, samples, folds, seed),
    ):
        tell(f"expert: {what}")
        yield _same(what, samples, rows, told[np.searchsorted(test, rows)], other, why)
    tell("expert: noise")
    yield _noise(trial, noise)


Otherwise = tuple[str, NDArray[np.int64], Numbers, str]


def _asked_otherwise(
    trial: Trial, model: Model, samples: Samples, test: NDArray[np.int64], told: Numbers, seed: int
) -> Iterator[Otherwise]:
    """The same questions in another company."""
    some = test[np.unique(np.linspace(0, len(test) - 1, 12).astype(np.int64))]
    alone = np.stack([trial.answers(model, samples.questions(np.array([row])))[0] for row in some])
    yield "a question asked alone", some, alone, "asked alone"
    half = len(test) // 2
    later = trial.answers(model, scrambled(samples, int(test[half]), seed).questions(test))[:half]
    yield "later questions are others", test[:half], later, "later rows of the test are others"


def _learned_otherwise(trial: Trial, expert: Expert, samples: Samples, folds: list[Fold], seed: int) -> Iterator[Otherwise]:
    """The same lesson in another history."""
    first, last = folds[0], folds[-1]
    other = scrambled(samples, int(first.train.max()) + 1, seed)
    model = trial.fit(trial.new(), other.lesson(first.train, first.fit_time))
    told = trial.answers(model, samples.questions(first.test))
    yield "test features and labels are others", first.test, told, "features and labels after its lesson are others"
    trial.fit(expert, samples.lesson(last.train, last.fit_time))
    back = trial.fit(expert, samples.lesson(first.train, first.fit_time))
    yield (
        "nothing kept from later lessons",
        first.test,
        trial.answers(back, samples.questions(first.test)),
        "it has learned a later lesson before",
    )


def _same(test: str, samples: Samples, rows: NDArray[np.int64], told: Numbers, other: Numbers, why: str) -> Finding:
    """Whether answers to those rows are the same but for rounding."""
    away = np.abs(told - other).reshape(len(rows), -1).max(axis=1)
    wrong = away > SAME * max(float(told.std()), float(np.abs(told).max()) * 1e-3, 1e-12)
    if not wrong.any():
        return Finding(ABOUT, test, OK)
    place = int(wrong.argmax())
    was, becomes = (float(np.ravel(x[place])[-1]) for x in (told, other))
    row = int(rows[place])
    found = Difference("answer", f"group {samples.group[row]}", int(samples.now[row]), was, becomes, int(wrong.sum()), ("answer",))
    where = f"answer to row {row}, {clock(found.time)}: {shown(was)} → {shown(becomes)} when {why}; {found.rows:,} of {len(rows):,} answers"
    return Finding(ABOUT, test, LEAK, where, found)


def _noise(trial: Trial, samples: Samples) -> Finding:
    """The information coefficient of a walk forward over random walks, by date, in its HAC errors."""
    forecast, rows = [], []
    for fold in SPLIT.split(samples):
        model = trial.fit(trial.new(), samples.lesson(fold.train, fold.fit_time))
        told = trial.answers(model, samples.questions(fold.test))
        forecast.append(told if told.ndim == 1 else told[:, 2] - told[:, 0])
        rows.append(fold.test)
    test = np.concatenate(rows)
    found = information(np.concatenate(forecast), samples.spans.value[test], samples.now[test], samples.spans)
    if found is None:
        return Finding(ABOUT, "noise: no edge", OK, "every answer was the same on a date: no edge")
    mean, t = found
    where = f"IC {mean:+.3f}, HAC t {t:+.1f} on random walks"
    return Finding(
        ABOUT,
        "noise: no edge",
        OK if abs(t) <= SIGMAS else LEAK,
        where + ("" if abs(t) <= SIGMAS else f"; beyond ±{SIGMAS:g}, so it knew them"),
    )


def information(forecast: Numbers, outcome: Numbers, now: NDArray[np.int64], labels: Spans) -> tuple[float, float] | None:
    """The mean by date of the correlation of forecast and outcome among the date's rows, and its t over as many lags as labels overlap."""
    times, place = np.unique(now, return_inverse=True)
    x, y = (_within(values, place) for values in (forecast, outcome))
    if x.std() == 0.0 or y.std() == 0.0:
        return None
    daily = np.bincount(place, x * y / (x.std() * y.std())) / np.bincount(place)
    overlap = int(np.searchsorted(times, times[0] + int((labels.t1 - labels.t0).max())))
    found = hac_mean(daily, min(max(automatic_lag(daily), overlap), len(daily) // 4))
    return found.mean, found.t


def _within(values: Numbers, place: NDArray[np.int64]) -> Numbers:
    """Values less their date's mean, where dates have several rows."""
    counts = np.bincount(place)
    means = np.bincount(place, values) / counts if counts.mean() > 2 else np.full(len(counts), values.mean())
    return np.asarray(values - means[place])
