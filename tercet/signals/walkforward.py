"""Which rows are learned from and which are asked: splits that work on the spans of labels, never on counts of rows.

A training row is dropped where [t0 − memory, t1] of its label meets the span of a test, on either side (purging), or begins within the
embargo behind it. The well-known rule that begins a test's span at the *end* of its first label leaves overlapping labels.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.samples import Lesson, Samples

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Rows to learn from at `fit_time` and rows to be asked after it; fit_time None: a combinatorial fold, for hindsight alone."""

    train: Rows
    test: Rows
    fit_time: int | None
    purged: int  # rows that would have leaked


@dataclass(frozen=True)
class WalkForward:
    """Purged walk-forward: fit on the past, ask the next stretch, fit anew. Stretches hold as many decision times each."""

    folds: int = field(default=5, metadata={"help": "stretches that are asked"})
    first: float = field(default=0.5, metadata={"help": "share of history before the first of them"})
    last: float = field(default=1.0, metadata={"help": "share of history that may be touched at all; the rest is the vault's"})
    window: float = field(default=1.0, metadata={"help": "share of history to learn from, the newest before each stretch"})
    embargo: int = field(default=0, metadata={"help": "ns left out beside a test, at least; the horizon or the features' memory if longer"})
    least: int = field(default=100, metadata={"help": "rows that a fold needs on either side"})

    def __post_init__(self) -> None:
        """Refuse what no history can be cut by."""
        if self.folds < 1 or not 0.0 < self.first < self.last <= 1.0 or not 0.0 < self.window <= 1.0 or self.embargo < 0 or self.least < 1:
            raise BadInput(f"{self}; expected folds >= 1, 0 < first < last <= 1, 0 < window <= 1, embargo >= 0 and least >= 1")

    def split(self, samples: Samples) -> Iterator[Fold]:
        """Folds in order of time; raises BadInput where one is too short to learn from or to be judged on."""
        times, place_of = np.unique(samples.now, return_inverse=True)
        edges = np.linspace(self.first * len(times), self.last * len(times), self.folds + 1).astype(np.int64)
        span = int(self.window * len(times))
        for number, (begin, end) in enumerate(itertools.pairwise(edges.tolist())):
            test = np.flatnonzero((place_of >= begin) & (place_of < end))
            before = np.flatnonzero((place_of < begin) & (place_of >= begin - span))
            if begin in (0, end):
                raise BadInput(
                    f"fold {number + 1} of {self.folds} is empty: there are {len(times)} decision times; expected more, or fewer folds"
                )
            fold = purge(samples, before, [test], self.embargo, int(times[begin]) - 1)
            for rows, what in ((fold.train, "learn from"), (test, "be asked about")):
                if len(rows) < self.least:
                    raise BadInput(f"fold {number + 1} of {self.folds} has {len(rows)} rows to {what}; expected {self.least} or more")
            yield fold


@dataclass(frozen=True)
class Combinatorial:
    """Combinatorial purged cross-validation: every choice of `tests` of `groups` stretches is asked once (López de Prado 2018, 12.4).

    It learns on both sides of a test: good for a distribution of Sharpe ratios, never for a forecast.
    """

    groups: int = field(default=6, metadata={"help": "stretches that history is cut into"})
    tests: int = field(default=2, metadata={"help": "of them asked at a time"})
    embargo: int = field(default=0, metadata={"help": "ns left out behind a test, at least"})

    def __post_init__(self) -> None:
        """Refuse what no history can be cut by."""
        if not 1 <= self.tests < self.groups or self.embargo < 0:
            raise BadInput(f"{self}; expected 1 <= tests < groups and embargo >= 0")

    @property
    def paths(self) -> int:
        """How many times each stretch is asked: φ = tests / groups · C(groups, tests)."""
        return self.tests * math.comb(self.groups, self.tests) // self.groups

    def split(self, samples: Samples) -> Iterator[Fold]:
        """C(groups, tests) folds."""
        times, place_of = np.unique(samples.now, return_inverse=True)
        if len(times) < self.groups:
            raise BadInput(f"there are {len(times)} decision times; expected {self.groups} or more to cut them into as many stretches")
        stretch = place_of * self.groups // len(times)
        for asked in itertools.combinations(range(self.groups), self.tests):
            tests = [np.flatnonzero(stretch == one) for one in asked]
            rest = np.flatnonzero(~np.isin(stretch, asked))
            fold = purge(samples, rest, tests, self.embargo, None)
            if len(fold.train) == 0:
                raise BadInput(f"nothing is left to learn from beside stretches {asked} ({fold.purged} purged); expected shorter labels")
            yield fold


def purge(samples: Samples, candidates: Rows, tests: list[Rows], embargo: int, fit_time: int | None) -> Fold:
    """The candidates whose labels meet no test's span, begin in no embargo behind one, and were known by `fit_time`."""
    spans = samples.spans
    horizon = int((spans.t1 - spans.t0).max())
    embargo = max(embargo, horizon, samples.memory)
    begins, ends = spans.t0[candidates] - samples.memory, spans.t1[candidates]
    kept = np.ones(len(candidates), np.bool_)
    for test in tests:
        first, last = int(samples.now[test].min()), int(spans.t1[test].max())
        kept &= (ends < first) | (begins > last + embargo)
    if fit_time is not None:
        kept &= (spans.available[candidates] <= fit_time) & (samples.now[candidates] <= fit_time)
    return Fold(candidates[kept], np.concatenate(tests), fit_time, int((~kept).sum()))


def inner(lesson: Lesson, share: float) -> tuple[Lesson, Lesson]:
    """A lesson's early part and its newest `share`, none of the first's labels reaching into the second: for tuning inside a lesson."""
    early, late = inner_rows(lesson, share)
    return lesson.part(early, int(lesson.now[late[0]]) - 1), lesson.part(late, lesson.fit_time)


def inner_rows(lesson: Lesson, share: float) -> tuple[Rows, Rows]:
    """Places in a lesson of the two parts of `inner`."""
    times = np.unique(lesson.now)
    cut = int(times[int((1.0 - share) * len(times))])
    late = np.flatnonzero(lesson.now >= cut)
    early = np.flatnonzero((lesson.spans.t1 < cut) & (lesson.spans.available < cut) & (lesson.now < cut))
    if len(early) < 2 or len(late) < 2:
        raise BadInput(f"a lesson of {len(lesson.rows)} rows has {len(early)} and {len(late)} in its two parts; expected more rows")
    return early, late
