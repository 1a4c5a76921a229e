"""Detectors of a crash: the fused one, each indicator alone and an isolation forest, fitted on training sessions, and what they tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.execution.caution import COUNT, INDICATORS, WORST, CautionSettings
from tercet.risk.crashes import TEST, TRAINING, CrashSettings, Session, crash_sessions, quiet_sessions, usual_move
from tercet.risk.league import Tell
from tercet.risk.monotone import logistic_weights
from tercet.signals.series import Floats

FUSED, FOREST = "fused", "isolation forest"
WARM: Final = 300  # seconds of a session that only tell what is usual
THIN: Final = 5  # of quiet seconds, every so many-th is learned from
CLEAR: Final = 1.0  # log-odds by which HALT lies above DEFENSIVE, at least
RIDGE: Final = 1e-4
DWELL: Final = 30  # seconds below the threshold after which the next alarm is another one
Score = Callable[[NDArray[np.float32]], Floats]  # (seconds, COUNT) -> (seconds,)


@dataclass(frozen=True)
class DetectorSettings:
    """How warnings are judged."""

    crashes: CrashSettings = field(default_factory=CrashSettings, metadata={"help": "what sessions are drawn from"})
    budgets: tuple[float, ...] = field(default=(0.01, 0.001), metadata={"help": "shares of quiet seconds above the threshold"})
    cautious: float = field(default=0.001, metadata={"help": "of quiet seconds above the threshold of CAUTIOUS, where it is fitted"})
    defensive: float = field(default=0.0001, metadata={"help": "above that of DEFENSIVE"})
    forest: bool = field(default=True, metadata={"help": "with an isolation forest of the indicators, trained on quiet seconds"})

    def __post_init__(self) -> None:
        """Refuse what is no budget."""
        if not 0.0 < self.defensive <= self.cautious < 0.5 or not self.budgets or not all(0.0 < one < 0.5 for one in self.budgets):
            raise BadInput(f"{self}; expected shares between 0 and 0.5, and defensive no greater than cautious")


class Sessions(NamedTuple):
    """Quiet and crashing sessions of one part."""

    quiet: list[Session]
    crashes: list[Session]
    tried: int  # sessions with a seller, of which those are the crashes


def sessions(settings: CrashSettings, part: int, fall: float | None, tell: Tell = lambda what: None) -> tuple[Sessions, float]:
    """The sessions of a part, and the fall that makes a crash: by the quiet ones where none is given."""
    name = {TRAINING: "training", TEST: "test"}[part]
    tell(f"quiet sessions, {name}")
    quiet = quiet_sessions(settings, part)
    fall = settings.depth * usual_move(settings, quiet) if fall is None else fall
    tell(f"crashes, {name}")
    return Sessions(quiet, *crash_sessions(settings, part, fall)), fall


def fit(training: Sessions, settings: DetectorSettings) -> CautionSettings:
    """Weights of 0 or more by logistic regression of the seconds between onset and fall against quiet ones, both kinds weighing as much;
    the thresholds of CAUTIOUS and DEFENSIVE are the budgets' quantiles, that of HALT the highest score of any training session.
    """
    calm = clipped(quiet_rows(training)[::THIN])
    stress = clipped(np.concatenate([one.indicators[one.onset + 1 : one.fallen + 1] for one in training.crashes]))
    each = [len(calm), len(stress)]
    counts = 0.5 / np.repeat(each, each)
    found = logistic_weights(np.concatenate([calm, stress]), np.repeat([0.0, 1.0], each), counts, RIDGE, np.zeros(COUNT + 1))
    intercept, *weights = found.tolist()
    scored = fused(weights, intercept)
    first, second = (float(np.quantile(scored(quiet_rows(training)), 1 - share)) for share in (settings.cautious, settings.defensive))
    highest = max(float(scored(one.indicators[WARM:]).max()) for one in (*training.quiet, *training.crashes))
    rounded = tuple(round(one, 4) for one in weights)
    return CautionSettings(rounded, round(intercept, 4), (round(first, 3), round(second, 3), round(highest, 3)))


def own_thresholds(seen: Session, until: int, settings: DetectorSettings, caution: CautionSettings) -> CautionSettings:
    """The same weights with thresholds of CAUTIOUS and DEFENSIVE by the budgets' quantiles of a market's own seconds up to one."""
    scores = fused(caution.weights, caution.intercept)(seen.indicators[WARM:until])
    first, second = (float(np.quantile(scores, 1.0 - share)) for share in (settings.cautious, settings.defensive))
    return replace(caution, enters=(first, second, max(second + CLEAR, caution.enters[2])))


def fused(weights: Sequence[float] | Floats, intercept: float) -> Score:
    """Log-odds of stress, as CAUTION has them."""
    return lambda rows: clipped(rows) @ np.asarray(weights, float) + intercept


def clipped(rows: NDArray[np.float32]) -> Floats:
    """Indicators as they are weighed."""
    return np.clip(rows.astype(np.float64), 0.0, WORST)


def quiet_rows(part: Sessions) -> NDArray[np.float32]:
    """Every quiet second's indicators, (seconds, COUNT): of quiet sessions, and before each onset."""
    return np.concatenate([one.indicators[WARM:] for one in part.quiet] + [one.indicators[WARM : one.onset + 1] for one in part.crashes])


def detectors_of(fitted: CautionSettings, training: Sessions, settings: DetectorSettings) -> dict[str, Score]:
    """By name: the fused score, each indicator alone, and the forest."""
    found: dict[str, Score] = {FUSED: fused(fitted.weights, fitted.intercept)}
    for place, (name, _) in enumerate(INDICATORS):
        found[name] = lambda rows, place=place: rows[:, place].astype(np.float64)  # type: ignore[misc]
    if settings.forest:
        found[FOREST] = _forest(clipped(quiet_rows(training)[:: 10 * THIN]), settings.crashes.seed)
    return found


def threshold(score: Score, training: Sessions, budget: float) -> float:
    """Above which a share `budget` of the quiet training seconds lies."""
    return float(np.quantile(score(quiet_rows(training)), 1.0 - budget))


def leads_of(score: Score, level: float, crashes: Sequence[Session]) -> Floats:
    """Seconds from the first alarm after each onset to the fall, (crashes,); 0 where none began in time."""
    leads = np.zeros(len(crashes))
    for place, one in enumerate(crashes):
        above = score(one.indicators[one.onset : one.fallen]) > level
        begins = np.flatnonzero(above[1:] & ~above[:-1])
        if len(begins):
            leads[place] = one.fallen - one.onset - 1 - int(begins[0])
    return leads


def false_alarms(score: Score, level: float, quiet: Sequence[Session]) -> tuple[float, float]:
    """(share of quiet seconds above the level, alarms an hour)."""
    above = [score(one.indicators[WARM:]) > level for one in quiet]
    seconds = sum(map(len, above))
    return sum(int(one.sum()) for one in above) / seconds, 3600 * sum(map(alarms, above)) / seconds


def alarms(above: NDArray[np.bool_]) -> int:
    """How many alarms those seconds are, where one ends with DWELL seconds below the level."""
    at = np.flatnonzero(above)
    return int(len(at) > 0) + int((np.diff(at) > DWELL).sum())


# ----------------------------------------------------------------------------------------------------------------------------------------


def _forest(quiet: Floats, seed: int) -> Score:
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - scikit-learn is an extra

    forest = IsolationForest(n_estimators=100, random_state=seed).fit(quiet)
    return lambda rows: -np.asarray(forest.score_samples(clipped(rows)))
