"""One protocol for every family of models: `Expert.fit(lesson) → Model`, held by a `Fitted` that answers only about what came later."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

import tercet
from tercet.errors import BadInput
from tercet.signals.samples import DIRECTION, Leak, Lesson, Questions

Numbers = NDArray[np.floating[Any]]


class NoAnswer(BadInput):
    """A model answered with what is no finite number: a league goes on without it, and names it."""


class Model(Protocol):
    """What an expert has learned. It answers about rows; `Fitted` sees to it that they came later."""

    def answer(self, asked: Questions) -> Numbers:
        """(asked,) means, or (asked, 3) probabilities of down, flat and up."""
        ...


class Expert(Protocol):
    """A family of models with its settings, a frozen dataclass."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """Learn; scalers and tuning see the lesson and nothing else."""
        ...


@dataclass(frozen=True)
class Answers:
    """What was answered: `mean` of the value, or of the direction (p_up − p_down), and the probabilities (asked, 3) if it is one."""

    mean: Numbers
    chances: Numbers | None
    now: NDArray[np.int64]


@dataclass(frozen=True)
class Lineage:
    """What a model was made of."""

    expert: str
    settings: dict[str, Any]
    target: str
    names: tuple[str, ...]
    rows: int
    fit_time: int | None
    max_known_time: int
    memory: int
    data: str  # checksum of features, labels and what they were mirrored by
    seed: int
    version: str = tercet.__version__

    @property
    def model_id(self) -> str:
        """A name that no other lineage has."""
        return f"{self.expert}-{hashlib.sha256(msgspec.json.encode(self, order='deterministic')).hexdigest()[:12]}"


@dataclass(frozen=True)
class Fitted:
    """A model and the time of the last thing that it knows."""

    model: Model
    lineage: Lineage

    @property
    def max_known_time(self) -> int:
        """ns: the last label or feature that it has seen."""
        return self.lineage.max_known_time

    def predict(self, asked: Questions) -> Answers:
        """What will happen; raises Leak where a question is not later than all that the model knows."""
        if self.lineage.fit_time is None or int(asked.now.min()) <= self.max_known_time:
            known = "a fold in hindsight" if self.lineage.fit_time is None else str(self.max_known_time)
            raise Leak(f"{self.lineage.expert} knows things of {known} and was asked about {int(asked.now.min())}; expected a later time")
        return self._answers(asked)

    def hindcast(self, asked: Questions) -> "Hindcast":
        """What it would have said with knowledge of later times: for distributions over combinatorial folds, never to trade on."""
        return Hindcast(self._answers(asked))

    def _answers(self, asked: Questions) -> Answers:
        if asked.features.shape[1] != len(self.lineage.names):
            raise BadInput(f"{self.lineage.expert} was asked with {asked.features.shape[1]} features; expected {len(self.lineage.names)}")
        given = self.model.answer(asked)
        if not np.isfinite(given).all():
            wrong = int((~np.isfinite(given)).any(axis=tuple(range(1, given.ndim))).sum())
            raise NoAnswer(f"{self.lineage.expert} answered {wrong:,} of {len(given):,} rows with NaN or infinity; expected finite numbers")
        mean = given[:, 2] - given[:, 0] if self.lineage.target == DIRECTION else given
        return Answers(mean, given if self.lineage.target == DIRECTION else None, asked.now)


@dataclass(frozen=True)
class Hindcast:
    """Answers that know the future of their questions; no other type takes them."""

    answers: Answers


def fit(expert: Expert, lesson: Lesson, seed: int = 0) -> Fitted:
    """Let an expert learn a lesson."""
    return Fitted(expert.fit(lesson, seed), lineage_of(expert, lesson, seed))


def lineage_of(expert: Expert, lesson: Lesson, seed: int) -> Lineage:
    """Of a lesson's model."""
    digest = hashlib.sha256(lesson.table().tobytes())
    digest.update(lesson.values.tobytes())
    if lesson.mirror is not None:
        digest.update(lesson.mirror.places.tobytes())
        digest.update(lesson.mirror.signs.tobytes())
    settings: dict[str, Any] = asdict(expert)  # type: ignore[call-overload]  # experts are dataclasses
    return Lineage(
        expert.name,
        settings,
        lesson.target,
        lesson.names,
        len(lesson.rows),
        lesson.fit_time,
        lesson.max_known_time,
        lesson.memory,
        digest.hexdigest(),
        seed,
    )
