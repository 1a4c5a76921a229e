"""Forecasters of the mid's variance within a day side by side: each told at the same times, from what was known by then.

The league is that of days (see `league`), with windows in their place.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.book.flow import FLOW, LONG_S, SHORT_S
from tercet.errors import BadInput
from tercet.market.calendar import SECOND
from tercet.risk.intraday_volatility import IntradaySettings, said_of, variants
from tercet.risk.league import Tell, VolatilityLeague, judged
from tercet.risk.losses import qlike
from tercet.risk.midpath import MidPath
from tercet.risk.mids import flow_said
from tercet.risk.season import Season
from tercet.signals.answers import Answers
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

LEAST: Final = 30  # windows that are asked about
OFTEN: Final = 0.5  # share of the windows that a forecaster has to speak of, or the others are asked about too few
LEVEL: Final = 30  # windows before, over which a baseline is made right on average


@dataclass(frozen=True)
class IntradayLeagueSettings:
    """When forecasters are asked."""

    horizon_s: int = field(default=60, metadata={"help": "seconds of a window; the next begins where it ends"})
    first_s: int = field(default=1800, metadata={"help": "seconds of the day before the first window that is asked about"})
    seed: int = field(default=0, metadata={"help": "of the bootstrap"})


@dataclass(frozen=True)
class Windows:
    """Windows of a day one after the other, the first from the opening on: when each begins (n,) ns, what it brought (n,) bps².

    Where nothing moved, that is `MidPath.least`; NaN where the mid was not always quoted.
    """

    path: MidPath
    begin: NDArray[np.int64]
    realised: Floats
    horizon_s: int

    @classmethod
    def of(cls, path: MidPath, horizon_s: int) -> "Windows":
        """All whole ones that a path covers."""
        seconds = path.seconds
        places = np.arange(0, len(seconds) - horizon_s, horizon_s)
        found = path.realised(places, horizon_s)
        return cls(path, seconds[places], np.where(np.isfinite(found), np.maximum(found, path.least), np.nan), horizon_s)

    @property
    def before(self) -> Floats:
        """(n,): the last known window's before each; NaN before the first."""
        place = np.where(np.isfinite(self.realised), np.arange(len(self.realised)), -1)
        last = np.r_[-1, np.maximum.accumulate(place)[:-1]]
        return np.where(last >= 0, self.realised[last], np.nan)

    @property
    def so_far(self) -> Floats:
        """(n,): the mean of all windows before each; NaN before the first."""
        return _before(self.realised, np.isfinite(self.realised))

    def levelled(self, said: Floats) -> Floats:
        """(n,): forecasts multiplied by what happened over what was said in the LEVEL windows before each: right on average, of late."""
        known = np.isfinite(self.realised) & np.isfinite(said)
        return np.asarray(said * _before(self.realised, known, LEVEL) / _before(said, known, LEVEL))

    def flow(self, column: int) -> Floats:
        """(n,): FLOW's short or long variance of the mid, each move squared, levelled."""
        said, record = np.empty((len(self.begin), 2)), np.zeros(1, FLOW).view(np.recarray)[0]
        record.time = self.path.time[0]
        flow_said(record, self.path.time, self.path.mid, self.begin, said)
        return self.levelled(np.maximum(said[:, column] * self.horizon_s, self.path.least))


def _before(values: Floats, known: NDArray[np.bool_], count: int | None = None) -> Floats:
    """(n,): the mean of known values among the `count` before each, or among all."""
    sums = np.r_[0.0, np.cumsum(np.where(known, values, 0.0))]
    counts = np.r_[0, np.cumsum(known)]
    stop = np.arange(len(values))
    first = np.zeros_like(stop) if count is None else np.maximum(stop - count, 0)
    within = counts[stop] - counts[first]
    return np.asarray(np.divide(sums[stop] - sums[first], within, out=np.full(len(values), np.nan), where=within > 0))


BASELINES: Final[dict[str, Callable[[Windows], Floats]]] = {
    f"flow/{SHORT_S:g}s": lambda windows: windows.flow(0),
    f"flow/{LONG_S:g}s": lambda windows: windows.flow(1),
    "day-so-far": lambda windows: windows.so_far,
    "window-before": lambda windows: windows.before,
}


def forecasters(season: Season | None = None) -> dict[str, IntradaySettings | None]:
    """All by name: variants of the forecaster, and baselines (None)."""
    return {**variants(season), **dict.fromkeys(BASELINES)}


def often(said: Floats, whole: NDArray[np.bool_]) -> Floats:
    """(n,): variances above 0, NaN elsewhere; BadInput where those are fewer than OFTEN of the whole windows."""
    fine = np.isfinite(said) & (said > 0)
    if fine[whole].sum() < OFTEN * whole.sum():
        raise BadInput(f"it gave a variance for {int(fine[whole].sum())} of {int(whole.sum())} windows; expected {OFTEN:.0%} at least")
    return np.where(fine, said, np.nan)


def intraday_league(
    path: MidPath,
    chosen: Sequence[str],
    season: Season | None,
    settings: IntradayLeagueSettings,
    ledger: Ledger,
    experiment: str,
    tell: Tell,
) -> tuple[VolatilityLeague, dict[str, int]]:
    """Ask those forecasters about each window after the first ones; and how many windows were left out for which reason."""
    windows, known = Windows.of(path, settings.horizon_s), forecasters(season)
    asked = (windows.begin - path.hours.open_ns) >= settings.first_s * SECOND
    whole = asked & np.isfinite(windows.realised)
    if whole.sum() < LEAST:
        raise BadInput(
            f"there were {whole.sum()} windows of {settings.horizon_s} s to be asked about; expected {LEAST} or more after the day's first "
            f"{settings.first_s} s: a longer day, or a shorter horizon"
        )
    answers = Answers[Floats]()

    def variances(name: str) -> Floats:
        one = known[name]
        said = BASELINES[name](windows) if one is None else said_of(path, windows.begin, settings.horizon_s, one)
        return often(said, whole)

    for name in chosen:
        tell(name)
        answers.ask(name, partial(variances, name))
    able = whole & np.all([np.isfinite(given) for given in answers.enough("forecasters").values()], axis=0)
    if able.sum() < LEAST:
        raise BadInput(f"there were {able.sum()} windows of {settings.horizon_s} s to be asked about; expected {LEAST} or more")
    target = windows.realised[able]
    span = (int(path.time[0]), int(path.time[-1]))
    answers.found = {name: given[able] for name, given in answers.found.items()}
    for name, given in answers.found.items():
        score = {"qlike": float(qlike(target, given).mean())}
        ledger.record(experiment, name, {"forecaster": repr(known[name] or name), **asdict(settings)}, experiment, span, score)
    ends = windows.begin[able] + settings.horizon_s * SECOND
    counts = {
        "windows without a mid throughout": int((asked & ~whole).sum()),
        "windows of which somebody could not speak": int((whole & ~able).sum()),
        "windows without a move": int((target <= path.least).sum()),
    }
    found = judged(target, ends, answers, ledger.count(experiment), settings.seed, tell)
    return found, {reason: count for reason, count in counts.items() if count}
