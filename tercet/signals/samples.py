"""What experts learn from, and what they are asked: labels have spans, and an expert meets no label that was not yet known.

A `Lesson` is made by `Samples.lesson` alone, and is the only thing that an expert learns from; `Questions` carry no labels.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput

MEAN, DIRECTION = "mean", "direction"  # what is asked: a number, or -1, 0, 1
CLASSES = (-1, 0, 1)
_STAMP = object()  # of `Samples.lesson`


class Leak(BadInput):
    """Something was to be used before it could be known."""


class LabelSpan(NamedTuple):
    """One label: what happened in [t0, t1], and when it could be known. Times are ns."""

    t0: int
    t1: int
    value: float
    available: int


@dataclass(frozen=True)
class Spans:
    """Labels, n of them: `value[i]` happened in [t0[i], t1[i]] and could be known at available[i] ≥ t1[i]; times are int64 ns."""

    t0: NDArray[np.int64]
    t1: NDArray[np.int64]
    value: NDArray[np.float64]
    available: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse spans that end before they begin, or are known before they end."""
        if not len(self.t0) == len(self.t1) == len(self.value) == len(self.available):
            raise BadInput("spans were of unequal lengths; expected one t0, t1, value and available each")
        for wrong, sentence in (
            (self.t1 < self.t0, "a label ended before it began"),
            (self.available < self.t1, "a label was known before it ended"),
            (~np.isfinite(self.value), "a label was no finite number"),
        ):
            if wrong.any():
                place = int(np.flatnonzero(wrong)[0])
                raise BadInput(f"label {place}: {sentence} ({self[place]})")

    def __len__(self) -> int:
        """How many."""
        return len(self.t0)

    def __getitem__(self, place: int) -> LabelSpan:
        """One of them."""
        return LabelSpan(int(self.t0[place]), int(self.t1[place]), float(self.value[place]), int(self.available[place]))

    def take(self, rows: NDArray[np.int64]) -> "Spans":
        """Those of some rows."""
        return Spans(self.t0[rows], self.t1[rows], self.value[rows], self.available[rows])


@dataclass(frozen=True)
class Mirror:
    """Rows of the same market with bids and asks exchanged: its direction is the opposite. `places` and `signs`: (features,)."""

    places: NDArray[np.int64]
    signs: NDArray[np.float32]

    def __call__(self, table: NDArray[np.floating]) -> NDArray[np.floating]:
        """(rows, features) to the same."""
        turned: NDArray[np.floating] = table[:, self.places] * self.signs
        return turned


@dataclass(frozen=True)
class Questions:
    """Rows that a fitted expert is asked about: features (all rows up to the last one asked), which of them, and when, ns."""

    features: NDArray[np.floating]
    rows: NDArray[np.int64]
    now: NDArray[np.int64]
    group: NDArray[np.int64]

    def table(self) -> NDArray[np.floating]:
        """(asked, features)."""
        return self.features[self.rows]

    def window(self, steps: int) -> NDArray[np.int64]:
        """(asked, steps): the rows that end at each row asked, all of its group; a group's first row stands for those before it."""
        return windows(self.rows, self.group, steps)


@dataclass(frozen=True)
class Lesson(Questions):
    """Questions with their answers; made by `Samples.lesson` alone."""

    spans: Spans
    target: str
    fit_time: int | None  # None: of a combinatorial fold, which looks back from the end of history
    names: tuple[str, ...]
    memory: int
    mirror: Mirror | None = None
    stamp: object = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises TypeError for everybody but Samples."""
        if self.stamp is not _STAMP:
            raise TypeError("only Samples.lesson makes a Lesson: what was known by then is checked there")

    @property
    def values(self) -> NDArray[np.float64]:
        """The answers."""
        return self.spans.value

    def taught(self) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        """(rows, features) and answers; of a lesson with a mirror each row is followed by its image, so that no trend is learned."""
        table, values = self.table(), self.taught_values()
        if self.mirror is None:
            return table, values
        return np.stack([table, self.mirror(table)], axis=1).reshape(-1, table.shape[1]), values

    def taught_values(self) -> NDArray[np.float64]:
        """The answers of `taught`, without its rows."""
        return self.values if self.mirror is None else np.stack([self.values, -self.values], axis=1).ravel()

    def taught_places(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where some of its rows, and their images, stand in what `taught` returns."""
        return places if self.mirror is None else np.stack([2 * places, 2 * places + 1], axis=1).ravel()

    @property
    def max_known_time(self) -> int:
        """When the last of it could be known."""
        return int(max(self.spans.available.max(), self.now.max()))

    def part(self, places: NDArray[np.int64], fit_time: int | None) -> "Lesson":
        """Some of it, as known by `fit_time`."""
        known = self.spans.take(places)
        _refuse_unknown(known, self.now[places], fit_time)
        return _of_classes(
            replace(self, rows=self.rows[places], now=self.now[places], spans=known, fit_time=fit_time), "a part of a lesson"
        )

    def questions(self, places: NDArray[np.int64]) -> Questions:
        """Some of it without the answers."""
        return _asked(self.features, self.rows[places], self.now[places], self.group)


@dataclass(frozen=True)
class Samples:
    """Features and labels of n decisions, in order of `now`.

    features: (n, k), finite, of what was known at now[i] and reaches back to now[i] − memory at most; group: rows of one series, such as
    a symbol or a day (windows do not cross it). spans[i] begins at now[i] or later.
    """

    features: NDArray[np.floating]
    names: tuple[str, ...]
    now: NDArray[np.int64]
    spans: Spans
    memory: int  # ns that a feature looks back
    target: str = MEAN
    group: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    mirror: Mirror | None = None  # of a direction that is the opposite where bids and asks are exchanged

    def __post_init__(self) -> None:
        """Refuse what cannot be learned from."""
        count = len(self.now)
        if len(self.group) == 0:
            object.__setattr__(self, "group", np.zeros(count, np.int64))
        if not self.features.shape == (count, len(self.names)) or not len(self.spans) == len(self.group) == count:
            raise BadInput(
                f"samples: {self.features.shape} features for {len(self.names)} names, {count} times, {len(self.spans)} labels and "
                f"{len(self.group)} groups; expected as many of each"
            )
        if count == 0:
            raise BadInput("samples: there are none; expected one or more")
        if (np.diff(self.now) < 0).any():
            place = int(np.flatnonzero(np.diff(self.now) < 0)[0]) + 1
            raise BadInput(
                f"samples: row {place} lies before the row above it ({self.now[place]} after {self.now[place - 1]}); sort by time"
            )
        if not np.isfinite(self.features).all():
            row, column = np.argwhere(~np.isfinite(self.features))[0].tolist()
            raise BadInput(f"samples: {self.names[column]} of row {row} was {self.features[row, column]}; expected finite numbers")
        if (self.spans.t0 < self.now).any():
            place = int(np.flatnonzero(self.spans.t0 < self.now)[0])
            raise Leak(
                f"samples: the label of row {place} begins at {self.spans.t0[place]}, before its features are known, {self.now[place]}"
            )
        if self.target not in (MEAN, DIRECTION):
            raise BadInput(f"target was {self.target!r}; expected {MEAN} or {DIRECTION}")
        if self.target == DIRECTION and not np.isin(self.spans.value, CLASSES).all():
            raise BadInput("samples: a direction was neither -1, 0 nor 1")
        if self.mirror is not None and self.target != DIRECTION:
            raise BadInput(f"samples of a {self.target} had a mirror; expected none: images have the opposite direction")
        if self.memory < 0:
            raise BadInput(f"memory was {self.memory} ns; expected 0 or more")

    def __len__(self) -> int:
        """How many."""
        return len(self.now)

    def lesson(self, rows: NDArray[np.int64], fit_time: int | None) -> Lesson:
        """What an expert may learn at `fit_time` from those rows; raises Leak where a label was not known by then."""
        if len(rows) == 0:
            raise BadInput("a lesson had no rows; expected one or more")
        known = self.spans.take(rows)
        _refuse_unknown(known, self.now[rows], fit_time)
        last = int(rows.max()) + 1
        made = Lesson(
            self.features[:last],
            rows,
            self.now[rows],
            self.group[:last],
            spans=known,
            target=self.target,
            fit_time=fit_time,
            names=self.names,
            memory=self.memory,
            mirror=self.mirror,
            stamp=_STAMP,
        )
        return _of_classes(made, "a lesson")

    def questions(self, rows: NDArray[np.int64]) -> Questions:
        """What those rows knew, without what happened then."""
        return _asked(self.features, rows, self.now[rows], self.group)


def _asked(features: NDArray[np.floating], rows: NDArray[np.int64], now: NDArray[np.int64], group: NDArray[np.int64]) -> Questions:
    if len(rows) == 0:
        raise BadInput("no rows were asked about; expected one or more")
    last = int(rows.max()) + 1
    return Questions(features[:last], rows, now, group[:last])


def _of_classes(lesson: Lesson, what: str) -> Lesson:
    """The lesson; BadInput where what it teaches, images among it, is of one class."""
    if lesson.target == DIRECTION and len(np.unique(lesson.taught_values())) < 2:
        raise BadInput(f"all {len(lesson.rows)} labels of {what} were {lesson.values[0]:g}; expected two classes or more")
    return lesson


def _refuse_unknown(spans: Spans, now: NDArray[np.int64], fit_time: int | None) -> None:
    if fit_time is None:
        return
    late = (spans.available > fit_time) | (now > fit_time)
    if late.any():
        place = int(np.flatnonzero(late)[0])
        raise Leak(f"{late.sum()} labels of a lesson at {fit_time} were not known by then; the first at {spans.available[place]}")


def windows(rows: NDArray[np.int64], group: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """(rows, steps): for each row the last `steps` rows of its group up to itself; the group's first row stands for those before it."""
    order = np.argsort(group, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    begins = np.r_[0, np.flatnonzero(np.diff(group[order])) + 1]
    first = begins[np.searchsorted(begins, place[rows], side="right") - 1]
    back = place[rows][:, None] - np.arange(steps - 1, -1, -1)
    found: NDArray[np.int64] = order[np.maximum(back, first[:, None])]
    return found
