"""The table of Gu, Kelly & Xiu's simulation: how much of what an oracle knows each family of models finds, on paired seeds."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tercet.cores import share_processes
from tercet.errors import BadInput
from tercet.signals.fitted import Expert, NoAnswer, fit
from tercet.signals.gkx import THETA, GkxSettings, simulate
from tercet.signals.scores import r2_out_of_sample
from tercet.signals.walkforward import WalkForward

# R² out of sample, %, of the paper's own models in its Table A.1 (P_c = 50, 100 samples); their validation third is not learned from.
PAPER: Final = {"a": {"ols": 1.14}, "b": {"ols": -4.72}}
Tell = Callable[[int, int], None]  # runs done, of how many


@dataclass(frozen=True)
class Row:
    """What one family found in one design: R² out of sample, the mean over seeds, and beside the oracle's."""

    design: str
    expert: str
    r2: float
    fraction: float  # mean R² by the oracle's mean R², over the same seeds
    error: float  # standard error of the fraction, of a ratio of paired means
    wins: int  # seeds on which no other family did better
    seeds: int
    seconds: float  # to fit, a seed
    paper: float | None  # R² of the paper's model of that name


@dataclass(frozen=True)
class GkxTable:
    """Families by design, the best first, and what the oracle's R² was on each seed."""

    rows: tuple[Row, ...]
    oracle: dict[str, tuple[float, ...]]
    seconds: float
    dropped: dict[str, str] = field(default_factory=dict)  # families that did not answer, and on how many panels


def families() -> list[Expert]:
    """Every family of rows, its settings chosen or its growth stopped on the second half of what it learns from, as in the paper."""
    from tercet.signals import experts as them  # noqa: PLC0415  # workers set their threads before these libraries are loaded
    from tercet.signals.sequence import Perceptrons  # noqa: PLC0415  # and torch

    return [
        them.Constant(),
        them.Linear(),
        them.Tuned(them.ElasticNet(), (("penalty", 1e-3, 1e-1, True), ("mix", 0.05, 1.0, False)), trials=10, share=0.5),
        them.Forest(trees=60, leaf=50),
        them.Boosting(checked=0.5, leaf=200),
        them.XGBoost(checked=0.5, depth=3, weight=200.0),
        them.Machine(),
        them.Tuned(them.Machine("svm-rbf", "rbf", newest=2000), (("cost", 1e-3, 1.0, True),), trials=5, share=0.5),
        Perceptrons(checked=0.5),
    ]


def gkx_table(
    experts: Sequence[Expert], seeds: int = 20, processes: int = 0, tell: Tell = lambda done, of: None, first: int = 0
) -> GkxTable:
    """Every family on every seed of both designs, one thread each; processes 0: all cores."""
    if seeds < 2 or not experts:
        raise BadInput(f"seeds were {seeds} and experts {len(experts)}; expected 2 or more seeds, and an expert")
    began = time.perf_counter()
    runs = [GkxSettings(design, seed=seed) for design in THETA for seed in range(first, first + seeds)]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for (settings, _), pairs in share_processes(examine, [(one, tuple(experts)) for one in runs], processes, _one_thread):
        found[settings.design, settings.seed] = pairs
        tell(len(found), len(runs))
    every, unanswered = list(experts), np.isnan([[r2 for r2, _ in found[key]][1:] for key in found]).sum(axis=0)
    experts = [one for one, missed in zip(every, unanswered, strict=True) if not missed]
    dropped = {one.name: f"NaN on {missed} of {len(found)} panels" for one, missed in zip(every, unanswered, strict=True) if missed}
    if not experts:
        raise NoAnswer(f"no family answered on every panel: {dropped}")
    kept = [0, *(1 + np.flatnonzero(unanswered == 0))]
    rows: list[Row] = []
    oracle: dict[str, tuple[float, ...]] = {}
    for design in THETA:
        scores = np.array([found[design, seed] for seed in range(first, first + seeds)])[:, kept]  # (seeds, 1 + experts, 2)
        oracle[design] = tuple(scores[:, 0, 0].tolist())
        rows += sorted(_rows(design, [expert.name for expert in experts], scores), key=lambda row: -row.fraction)
    return GkxTable(tuple(rows), oracle, time.perf_counter() - began, dropped)


def _one_thread() -> None:
    """Before the libraries that would start more are loaded."""
    os.environ["OMP_NUM_THREADS"] = "1"


def examine(settings: GkxSettings, experts: tuple[Expert, ...]) -> list[tuple[float, float]]:
    """(R² out of sample, seconds to fit) of the oracle and of each family on one panel: fitted on two thirds, asked about the last.

    R² is NaN of a family that answered with NaN.
    """
    samples, known = simulate(settings)
    (fold,) = WalkForward(folds=1, first=2 / 3).split(samples)
    lesson, asked = samples.lesson(fold.train, fold.fit_time), samples.questions(fold.test)
    happened = samples.spans.value[fold.test]
    found = [(r2_out_of_sample(happened, known[fold.test]), 0.0)]
    for expert in experts:
        began = time.perf_counter()
        fitted = fit(expert, lesson, settings.seed)
        seconds = time.perf_counter() - began
        try:
            found.append((r2_out_of_sample(happened, fitted.predict(asked).mean), seconds))
        except NoAnswer:
            found.append((np.nan, seconds))
    return found


def _rows(design: str, names: list[str], scores: np.ndarray) -> list[Row]:
    oracle, own = scores[:, 0, 0], scores[:, 1:, 0]
    best = own.max(axis=1)
    rows = []
    for place, name in enumerate(names):
        fraction = own[:, place].mean() / oracle.mean()
        # The delta method on the ratio of two means of the same seeds.
        error = (own[:, place] - fraction * oracle).std(ddof=1) / np.sqrt(len(oracle)) / oracle.mean()
        wins, seconds = int((own[:, place] == best).sum()), float(scores[:, place + 1, 1].mean())
        paper = PAPER[design].get(name)
        rows.append(Row(design, name, float(own[:, place].mean()), float(fraction), float(error), wins, len(oracle), seconds, paper))
    return rows
