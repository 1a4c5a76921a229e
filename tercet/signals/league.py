"""The league: every expert on the same folds of the same task, each score with what a trade on it would have earned beside it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.fitted import Answers, Expert, Fitted, NoAnswer, Numbers, fit
from tercet.signals.samples import CLASSES, DIRECTION
from tercet.signals.scores import Calibration, Net, calibration, hac_mean, matthews, net_of_spread, r2_out_of_sample
from tercet.signals.task import Task
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import Fold, WalkForward

Floats = NDArray[np.float64]
Tell = Callable[[str], None]
UP = CLASSES.index(1)


@dataclass(frozen=True)
class Stretch:
    """One fold of the split: how much was learned from and asked, and when. Times are ns."""

    train: int
    test: int
    purged: int
    fit_time: int
    first: int  # asked
    last: int


@dataclass(frozen=True)
class Standing:
    """What an expert's answers on all folds were worth."""

    expert: str
    scores: dict[str, float | None]
    mean: Floats  # of what was asked, in order of time
    chances: Floats | None
    decided: NDArray[np.int64]
    calibration: Calibration | None  # of the chance of up
    net: Floats  # of each trade, in the task's unit
    fit_s: float
    answer_us: float  # a row, in batches
    models: tuple[Fitted, ...]
    every: Net  # what trading on every forecast made
    by_fold: tuple[dict[str, float | None], ...]  # the same scores of each stretch
    confusion: NDArray[np.int64] | None  # (3, 3): what happened by what was decided, in the order of CLASSES
    forecast: Floats  # the mean in the task's unit, of what was asked


@dataclass(frozen=True)
class League:
    """All of them on one task."""

    task: str
    unit: str
    rows: int  # asked
    folds: int
    purged: int
    left_out: dict[str, int]
    standings: tuple[Standing, ...]
    trials: int  # of this experiment in the ledger, these among them
    seed: int
    stretches: tuple[Stretch, ...]
    asked: NDArray[np.int64]  # rows of the task
    dropped: dict[str, str] = field(default_factory=dict)  # experts that did not answer, and why

    def best(self, score: str) -> Standing:
        """The expert that stands highest; raises BadInput where none has that score."""
        scored = [standing for standing in self.standings if standing.scores.get(score) is not None]
        if not scored:
            raise BadInput(f"no expert has a score {score!r}; expected one of {', '.join(self.standings[0].scores)}")
        return max(scored, key=lambda standing: standing.scores[score] or 0.0)


def evaluate(
    task: Task, experts: Sequence[Expert], split: WalkForward, ledger: Ledger, seed: int = 0, tell: Tell = lambda what: None
) -> League:
    """Fit every expert on each fold's past and judge what it says of the stretch after it; every fit is a trial in the ledger.

    An expert that answers with NaN, or cannot be fitted to the numbers, is dropped and named; raises NoAnswer where nobody is left.
    """
    folds = list(split.split(task.samples))
    asked = np.concatenate([fold.test for fold in folds])
    standings: list[Standing] = []
    dropped: dict[str, str] = {}
    for expert in experts:
        try:
            standings.append(_standing(task, expert, folds, asked, ledger, seed, tell))
        except (NoAnswer, np.linalg.LinAlgError, FloatingPointError) as error:
            dropped[expert.name] = str(error)
    if not standings:
        raise NoAnswer(f"{task.name}: no expert answered: {'; '.join(dropped.values()) or 'there are none'}")
    purged = sum(fold.purged for fold in folds)
    trials, stretches = ledger.count(task.experiment), tuple(_stretch(task, fold) for fold in folds)
    counts = (len(asked), len(folds), purged, task.left_out)
    return League(task.name, task.unit, *counts, tuple(standings), trials, seed, stretches, asked, dropped)


def _stretch(task: Task, fold: Fold) -> Stretch:
    asked = task.samples.now[fold.test]
    return Stretch(len(fold.train), len(fold.test), fold.purged, fold.fit_time or 0, int(asked.min()), int(asked.max()))


def _standing(task: Task, expert: Expert, folds: list[Fold], asked: NDArray[np.int64], ledger: Ledger, seed: int, tell: Tell) -> Standing:
    fitted, answers, decided, forecast, by_fold = [], [], [], [], []
    fit_s = answer_s = 0.0
    for number, fold in enumerate(folds, 1):
        tell(f"{expert.name}, fold {number} of {len(folds)}")
        lesson = task.samples.lesson(fold.train, fold.fit_time)
        began = time.perf_counter()
        model = fit(expert, lesson, seed)
        fit_s += time.perf_counter() - began
        began = time.perf_counter()
        answer = model.predict(task.samples.questions(fold.test))
        answer_s += time.perf_counter() - began
        fitted.append(model)
        answers.append(answer)
        decided.append(decisions(answer, lesson.taught_values()))
        forecast.append(answer.mean if task.samples.target != DIRECTION else answer.mean * np.abs(task.move[fold.train]).mean())
        by_fold.append(_scores(task, fold.test, answer, decided[-1], forecast[-1])[0])
        numbers = {score: value for score, value in by_fold[-1].items() if value is not None}
        terms = asdict(expert) | {"seed": seed, "task": task.name}  # type: ignore[call-overload]  # experts are dataclasses
        ledger.record(task.experiment, expert.name, terms, model.lineage.data, (int(lesson.now.min()), model.max_known_time), numbers)
    mean = np.concatenate([answer.mean for answer in answers])
    chances = (
        np.concatenate([answer.chances for answer in answers if answer.chances is not None]) if answers[0].chances is not None else None
    )
    whole = Answers(mean, chances, task.samples.now[asked])
    choices = np.concatenate(decided)
    told = np.concatenate(forecast).astype(np.float64)
    scores, every, choosy = _scores(task, asked, whole, choices, told)
    happened = task.samples.spans.value[asked]
    up = happened > 0
    curve = calibration(chances[:, UP], up, equal_counts=True) if chances is not None else None
    if curve is not None:
        scores["calibration_error"] = curve.error
    confusion = _confusion(happened, choices) if task.samples.target == DIRECTION else None
    answer_us, models = answer_s / len(asked) * 1e6, tuple(fitted)
    return Standing(
        expert.name, scores, mean, chances, choices, curve, choosy.net, fit_s, answer_us, models, every, tuple(by_fold), confusion, told
    )


def _confusion(happened: Floats, decided: NDArray[np.int64]) -> NDArray[np.int64]:
    places = np.searchsorted(CLASSES, happened) * len(CLASSES) + np.searchsorted(CLASSES, decided)
    return np.bincount(places, minlength=len(CLASSES) ** 2).reshape(len(CLASSES), len(CLASSES))


def decisions(answer: Answers, taught: Floats) -> NDArray[np.int64]:
    """The class whose chance is highest by the square root of its share in what was taught; or the sign of the mean.

    taught: `Lesson.taught_values`, so that chances learned beside images are weighed by the shares that images have too: by those of the
    rows alone every close call would go against the trend.
    The likeliest class alone would never say a rare one, and chances by whole shares say it too often: the correlation of Matthews is
    highest between the two.
    """
    if answer.chances is None:
        return np.sign(answer.mean).astype(np.int64)
    shares = np.array([(taught == one).mean() for one in CLASSES])
    weights = np.divide(1.0, np.sqrt(shares), out=np.zeros(len(CLASSES)), where=shares > 0.0)  # what was never taught is never decided
    chosen: NDArray[np.int64] = np.asarray(CLASSES)[(answer.chances * weights).argmax(axis=1)]
    return chosen


def _scores(
    task: Task, asked: NDArray[np.int64], answer: Answers, decided: NDArray[np.int64], forecast: Numbers
) -> tuple[dict[str, float | None], Net, Net]:
    value, moved = task.samples.spans.value[asked], task.move[asked]
    scores: dict[str, float | None] = {}
    if answer.chances is None:
        scores["r2"] = r2_out_of_sample(value, answer.mean)
    else:
        happened = np.searchsorted(CLASSES, value)
        scores["mcc"] = _matthews(value, decided)
        scores["mcc_moved"] = _matthews(value[value != 0], np.sign(answer.mean[value != 0]))
        scores["accuracy"] = float((decided == value).mean())
        scores["log_loss"] = float(-np.log(np.clip(answer.chances[np.arange(len(value)), happened], 1e-6, 1.0)).mean())
    crossing = len(np.unique(task.samples.group)) > 1
    scores |= _ic(answer.mean, moved, task.apart, task.samples.now[asked] if crossing else None)
    trades = net_of_spread(
        forecast, moved, task.half_spread[asked], horizon=task.apart, exit_half_spread=task.exit_half_spread[asked], band=0.0
    )
    choosy = net_of_spread(forecast, moved, task.half_spread[asked], horizon=task.apart, exit_half_spread=task.exit_half_spread[asked])
    for name, found in (("", trades), ("choosy_", choosy)):
        scores[f"{name}trades"] = found.count
        scores[f"{name}gross"] = float(found.gross.mean()) if found.count else None
        scores[f"{name}net"] = found.mean_net
    return scores, trades, choosy


def _matthews(truth: Floats, decided: NDArray[Any]) -> float | None:
    """None where nothing was told apart."""
    return matthews(truth, decided) if len(np.unique(decided)) > 1 and len(np.unique(truth)) > 1 else None


def _ic(mean: Numbers, moved: Floats, apart: int, date: NDArray[np.int64] | None) -> dict[str, float | None]:
    """Correlation of what was said with what happened, and its t by Newey and West over as many lags as labels overlap.

    date: of a cross-section, whose rows of one date are one observation. No t where labels overlap over a quarter of all.
    """
    if mean.std() == 0.0 or moved.std() == 0.0:
        return {"ic": None, "ic_t": None}
    product = (mean - mean.mean()) / mean.std() * (moved - moved.mean()) / moved.std()
    if date is not None:
        _, place = np.unique(date, return_inverse=True)
        product = np.bincount(place, product) / np.bincount(place)
    lag = 2 * apart
    return {"ic": float(product.mean()), "ic_t": hac_mean(product, lag=lag).t if lag <= len(product) // 4 else None}
