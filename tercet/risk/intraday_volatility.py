"""The variance of the mid over the next seconds or minutes, for who executes: the season of the day times what it did of late.

`IntradayVolatility` is told tick by tick, `said_of` a whole day at once, by the same machine (see `intraday`): the same numbers.
"""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.errors import BadInput
from tercet.market.calendar import Session
from tercet.risk import intraday
from tercet.risk.intraday import INTRADAY, LIVES, TERMS
from tercet.risk.midpath import MidPath
from tercet.risk.season import FLAT, Season, default_season, default_weights
from tercet.signals.series import Floats

DAY_NS: Final = 86_400 * 10**9
LONGEST_S: Final = 23_400.0
DOUBT: Final = 0.2  # standard deviation of a weight before it is learned


@dataclass(frozen=True)
class IntradaySettings:
    """What a forecaster knows before the day."""

    season: Season = field(default_factory=default_season, metadata={"help": "of the day, and its usual level where that is known"})
    weights: tuple[float, ...] = field(
        default_factory=default_weights, metadata={"help": "of a one and of the means of 10 s, 1, 5 and 30 min beside one of 2 h"}
    )
    doubt: tuple[float, ...] = field(default=(DOUBT,) * TERMS, metadata={"help": "their standard deviations; 0: not learned"})

    def __post_init__(self) -> None:
        """Refuse weights that are none."""
        for name, least in (("weights", -np.inf), ("doubt", 0.0)):
            values = np.array(getattr(self, name), np.float64)
            if values.shape != (TERMS,) or not np.isfinite(values).all() or (values < least).any():
                raise BadInput(f"{name} were {getattr(self, name)}; expected {TERMS} numbers{' of 0 or more' if least == 0 else ''}")

    @classmethod
    def alone(cls, life_s: float | None, season: Season | None = None) -> "IntradaySettings":
        """With the mean of one of LIVES instead of all (None: the long one alone): it has all of their weight."""
        weights, place = default_weights(), None if life_s is None else 1 + LIVES.index(life_s)
        kept = tuple(sum(weights[1:]) if i == place else 0.0 for i in range(TERMS))
        doubt = tuple(DOUBT if i in (0, place) else 0.0 for i in range(TERMS))
        return cls(season or default_season(), kept, doubt)


class IntradayVolatility:
    """Tick by tick: `update` with the mid, `variance` over a horizon from the last tick on, or from `until`. Both are O(1)."""

    def __init__(self, hours: Session, settings: IntradaySettings | None = None) -> None:
        """hours: of the session, which the season is of; outside of them its first and last parts go on."""
        self.settings = settings or IntradaySettings()
        self._state = new_state(hours, self.settings)
        self._began: int | None = None
        self._now = 0

    def update(self, time_ns: int, mid: float) -> None:
        """The mid is `mid` (above 0, in any unit of price) from `time_ns` on. Tell it at least each few minutes, changed or not."""
        if not (isfinite(mid) and mid > 0):
            raise BadInput(f"mid was {mid}; expected a number above 0, or `unquoted` where there is none")
        intraday.tick(self._state, self._time(time_ns), float(mid))

    def unquoted(self, time_ns: int) -> None:
        """There is no mid from `time_ns` on (a side is empty, trading is halted): nothing is said, or learned, until the next."""
        intraday.tick(self._state, self._time(time_ns), 0.0)

    def until(self, time_ns: int) -> None:
        """Nothing more happened up to and including `time_ns`."""
        intraday.until(self._state, self._time(time_ns))

    def variance(self, horizon_s: float = 60.0) -> float:
        """Bps², of the mid over the next `horizon_s` seconds.

        NaN where it cannot be said: before a minute of returns (unless the season has a usual level), while the mid has never moved,
        while there is none, and 5 minutes after the last tick.
        """
        return float(intraday.variance(self._state, horizon(horizon_s)))

    @property
    def weights(self) -> Floats:
        """(TERMS,): as learned so far."""
        return np.array(self._state.weights)

    def _time(self, time_ns: int) -> int:
        if not isinstance(time_ns, int | np.integer):
            raise BadInput(f"time was {time_ns}; expected whole ns")
        if self._began is not None and time_ns < self._now:
            raise BadInput(f"time was {time_ns}; expected {self._now}, the last one's, or later")
        if self._began is None:
            self._began = whole(time_ns, self._state)
        elif time_ns - self._began > 7 * DAY_NS:
            raise BadInput(f"time was {time_ns}, more than a week after the first; expected a new forecaster for a new day")
        self._now = int(time_ns)
        return self._now


def said_of(path: MidPath, asked: ArrayLike, horizon_s: float = 60.0, settings: IntradaySettings | None = None) -> Floats:
    """(k,) bps²: what is said at each of `asked` (ns, in order), from the ticks up to it; NaN as in `IntradayVolatility.variance`."""
    times: NDArray[np.int64] = np.asarray(asked, np.int64)
    if times.ndim != 1 or (np.diff(times) < 0).any():
        raise BadInput("asked: expected times in order")
    state, said = new_state(path.hours, settings or IntradaySettings()), np.empty(len(times))
    whole(int(path.time[0]), state)
    intraday.run(state, path.time, path.mid, times, horizon(horizon_s), said)
    return said


def lessons(path: MidPath, season: Season) -> tuple[Floats, Floats]:
    """(k, TERMS), (k,): terms of each label of a day, and what happened over level × season: for a regression with a logarithmic link."""
    state = new_state(path.hours, IntradaySettings(season, (0.0,) * TERMS, (0.0,) * TERMS))
    seconds, place, terms, said, begun = path.seconds, 0, [], [], []
    for i in range(0, len(seconds), intraday.EVERY):
        stop = int(np.searchsorted(path.time, seconds[i], side="right"))
        intraday.run(state, path.time[place:stop], path.mid[place:stop], seconds[i : i + 1], 60.0, np.empty(1))
        place, slot = stop, int(state.second - 1) // intraday.EVERY % len(state.asked)
        if state.asked[slot] == state.second - 1:
            terms.append(np.array(state.terms[slot]))
            said.append(float(state.said[slot]))
            begun.append(i)
    happened = path.realised(np.array(begun), intraday.AHEAD) / np.exp(said)
    known = np.isfinite(happened)
    return np.array(terms)[known], happened[known]


def new_state(hours: Session, settings: IntradaySettings) -> Any:
    """An INTRADAY before its first tick."""
    if not hours.open_ns < hours.close_ns <= hours.open_ns + DAY_NS:
        raise BadInput(f"hours were {hours}; expected an opening and a close after it, a day later at most")
    state = np.zeros(1, INTRADAY).view(np.recarray)[0]
    params = state.params
    params.open, params.close = hours.open_ns, hours.close_ns
    params.season[:], params.usual = settings.season.parts, settings.season.usual
    params.weights[:], params.doubt[:] = settings.weights, settings.doubt
    intraday.start(state)
    return state


def whole(time_ns: int, state: Any) -> int:
    """A time that can be of this session; BadInput for one that is weeks away from it."""
    if abs(int(time_ns) - int(state.params.open)) > 7 * DAY_NS:
        raise BadInput(f"time was {time_ns}; expected ns within a week of the session's opening, {int(state.params.open)}")
    return int(time_ns)


def horizon(seconds: float) -> float:
    """A horizon that can be asked about."""
    if not 0 < seconds <= LONGEST_S:
        raise BadInput(f"horizon was {seconds} s; expected more than 0 and {LONGEST_S:g} at most")
    return float(seconds)


def variants(season: Season | None = None) -> dict[str, IntradaySettings]:
    """The forecaster as it comes, and with parts of it left out, by name."""
    known = season or default_season()
    bare = Season(FLAT.parts, FLAT.provenance, known.usual)
    return {
        "season-har": IntradaySettings(known),
        "season-5min": IntradaySettings.alone(300.0, known),
        "season-2h": IntradaySettings.alone(None, known),
        "har": IntradaySettings(bare),
        "har/today": IntradaySettings(bare, (0.0,) * TERMS, (0.4,) * TERMS),
        "ewma/5min": IntradaySettings(FLAT, (0.0, 0.0, 0.0, 1.0, 0.0), (0.0,) * TERMS),
        "season-har/fixed": IntradaySettings(known, doubt=(0.0,) * TERMS),
    }
