"""Warnings of a crash within seconds, judged: the fused one and each indicator alone, at the same rate of false alarms.

Weights and thresholds come from training sessions, figures from test sessions. A detector's *alarm* begins where its score rises above its
threshold: a quantile of its score over all quiet seconds of training. A *hit* is an alarm that begins after the onset and before the crash
has fallen, its *lead* the seconds between; a crash that is missed has a lead of 0. See `risk/crashes.py` for what a crash is.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from tercet.execution.caps import STATES
from tercet.execution.caution import INDICATORS, WORST, CautionSettings
from tercet.messages import Posture
from tercet.risk.crashes import TEST, TRAINING, Session
from tercet.risk.detectors import (
    WARM,
    DetectorSettings,
    Score,
    Sessions,
    alarms,
    detectors_of,
    false_alarms,
    fit,
    fused,
    leads_of,
    sessions,
    threshold,
)
from tercet.risk.league import Tell
from tercet.risk.posture import CAPS, State
from tercet.signals.resample import Interval, percentile_interval
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

BASELINES: Final = ("depth", "volatility")
DRAWS: Final = 10_000


@dataclass(frozen=True)
class Beside:
    """How much more than another detector, paired by crash."""

    name: str
    hits: Interval
    median_lead: Interval  # seconds
    mean_lead: Interval


@dataclass(frozen=True)
class DetectorStanding:
    """What a detector's alarms were worth."""

    name: str
    threshold: float
    false_share: float  # of quiet test seconds above the threshold
    false_hour: float  # alarms that begin in a quiet test hour
    hits: Interval  # share of crashes
    median_lead: Interval  # seconds
    mean_lead: Interval
    beside: tuple[Beside, ...]  # the simple ones
    leads: Floats  # (crashes,) seconds; 0 where missed


@dataclass(frozen=True)
class CrashLeague:
    """By budget all detectors, longest mean lead first."""

    standings: dict[float, tuple[DetectorStanding, ...]]
    fitted: CautionSettings
    fall: float  # ticks, that make a crash
    fallen: Floats  # (crashes,) seconds from the onset until it has fallen
    tried: int  # test sessions with a seller, for those crashes
    quiet_hours: float  # of the test
    trials: int


def crash_league(settings: DetectorSettings, ledger: Ledger, experiment: str, tell: Tell = lambda what: None) -> CrashLeague:
    """Fit on training sessions, judge on test sessions; every detector is a trial in the ledger."""
    training, fall = sessions(settings.crashes, TRAINING, None, tell)
    fitted = fit(training, settings)
    detectors = detectors_of(fitted, training, settings)
    test, _ = sessions(settings.crashes, TEST, fall, tell)
    standings = {}
    for budget in settings.budgets:
        tell(f"the intervals at {budget:g}")
        standings[budget] = _standings(detectors, training, test, budget, settings.crashes.seed)
    for name in detectors:
        scores: dict[str, float] = {}
        for budget, found in standings.items():
            one = next(each for each in found if each.name == name)
            scores |= {f"hits at {budget:g}": one.hits.estimate, f"median lead at {budget:g}": one.median_lead.estimate}
        ledger.record(experiment, name, asdict(settings), experiment, (0, settings.crashes.seconds), scores)
    fallen = np.array([one.fallen - one.onset for one in test.crashes], float)
    hours = sum(len(one.mid) - WARM for one in test.quiet) / 3600
    return CrashLeague(standings, fitted, fall, fallen, test.tried, hours, ledger.count(experiment))


def _standings(detectors: dict[str, Score], training: Sessions, test: Sessions, budget: float, seed: int) -> tuple[DetectorStanding, ...]:
    levels = {name: threshold(score, training, budget) for name, score in detectors.items()}
    leads = {name: leads_of(score, levels[name], test.crashes) for name, score in detectors.items()}
    found = []
    for name, score in detectors.items():
        share, hour = false_alarms(score, levels[name], test.quiet)
        beside = tuple(Beside(other, *_intervals(leads[name], seed, leads[other])) for other in BASELINES if other != name)
        hits, median, mean = _intervals(leads[name], seed)
        found.append(DetectorStanding(name, levels[name], share, hour, hits, median, mean, beside, leads[name]))
    return tuple(sorted(found, key=lambda one: -one.mean_lead.estimate))


def posture_of(caution: Any, time: int) -> Posture:
    """What a CAUTION record says now, for the gate and for sizing: its state's caps, and the indicator that weighs most."""
    level = State(int(caution.level))
    allowed = CAPS[level]
    weighed = np.asarray(caution.weights) * np.clip(caution.indicators, 0.0, WORST)
    found = INDICATORS[int(weighed.argmax())][0] if weighed.max() > 0.0 and level > State.NORMAL else "none"
    shares = {name: getattr(allowed, name) for name in ("participation", "child", "passive", "gross", "net", "name")}
    reason = "blind: stale, new or no number" if caution.blind else found
    return Posture(time=time, state=level.name, level=int(level), multiplier=allowed.gross, reason=reason, **shares)


class Alarms(NamedTuple):
    """Of a state, on one day."""

    state: str
    threshold: float
    share: float  # of the seconds, above it
    alarms: int
    hour: float


def alarm_rates(seen: Session, caution: CautionSettings, since: int = WARM) -> tuple[Alarms, ...]:
    """How often the fused score of a session, from a second on, was above the threshold of each state."""
    score, found = fused(caution.weights, caution.intercept)(seen.indicators[since:]), []
    for state, level in zip(STATES[1:], caution.enters, strict=True):
        above = score > level
        found.append(Alarms(state, level, float(above.mean()), alarms(above), 3600 * alarms(above) / len(above)))
    return tuple(found)


# ----------------------------------------------------------------------------------------------------------------------------------------


def _resampled(leads: Floats, seed: int) -> Any:
    rows = np.random.default_rng([seed, 7]).integers(0, len(leads), (DRAWS, len(leads)))
    drawn = leads[rows]
    return (drawn > 0).mean(axis=1), np.median(drawn, axis=1), drawn.mean(axis=1)


def _statistics(leads: Floats) -> tuple[float, float, float]:
    return float((leads > 0).mean()), float(np.median(leads)), float(leads.mean())


def _intervals(leads: Floats, seed: int, other: Floats | None = None) -> tuple[Interval, ...]:
    drawn, here = _resampled(leads, seed), np.array(_statistics(leads))
    if other is not None:
        drawn = [one - two for one, two in zip(drawn, _resampled(other, seed), strict=True)]
        here = here - np.array(_statistics(other))
    return tuple(percentile_interval(float(at), one, 0.95, 1.0) for at, one in zip(here, drawn, strict=True))
