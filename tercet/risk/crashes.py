"""Sessions of a crowd with a large seller whose onset is known and never the same, and quiet ones without: what a warning saw in each.

A *crash* is a session in which the mid falls, within `window_s` of the onset, by `depth` times the standard deviation of the mid's moves
over `move_s` in quiet sessions; it has *fallen* at the first second at which it has. Sessions begin at any time of the crowd's day.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import count
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.cores import cores
from tercet.errors import BadInput
from tercet.execution.caution import COUNT, SECOND, CautionSettings
from tercet.market.calendar import session
from tercet.risk.watching import follow
from tercet.signals.series import Floats
from tercet.sim.open import NO_EVENTS, open_crowd, season_clock
from tercet.sim.settings import CROWDS, CrowdSettings, SellerSettings
from tercet.sim.state import new_scratch

TRAINING, TEST = 1, 2  # parts of the seeds: no session is in both
MOST_DRAWN: Final = 3  # sessions for each crash that is wanted, after which it is given up
BATCH: Final = 16
SELLER: Final = SellerSettings()
DATE: Final = date(2000, 1, 3)


@dataclass(frozen=True)
class CrashSettings:
    """What sessions are drawn from, and what a crash is."""

    crowd: str = field(default="crash", metadata={"help": "a crowd with a large seller"})
    crashes: int = field(default=300, metadata={"help": "of each part, training and test"})
    quiet: int = field(default=600, metadata={"help": "sessions without the seller, of each part"})
    onset_s: tuple[float, float] = field(default=(900.0, 2100.0), metadata={"help": "seconds into the session, drawn evenly"})
    share: tuple[float, float] = field(default=SELLER.share, metadata={"help": "of what others trade that it sells, drawn evenly"})
    lots: tuple[float, float] = field(default=SELLER.lots, metadata={"help": "that it sells in all, drawn evenly in logarithms"})
    window_s: float = field(default=900.0, metadata={"help": "after the onset, in which the mid must fall"})
    move_s: float = field(default=300.0, metadata={"help": "over which quiet moves are measured"})
    depth: float = field(default=4.0, metadata={"help": "of them that a crash falls"})
    seed: int = field(default=0, metadata={"help": "of everything random"})
    threads: int = field(default=0, metadata={"help": "0: all cores"})

    def __post_init__(self) -> None:
        """Refuse what no crash can be drawn from."""
        if self.crowd not in CROWDS or CROWDS[self.crowd].seller is None:
            raise BadInput(
                f"crowd was {self.crowd!r}; expected one with a large seller, {', '.join(n for n, c in CROWDS.items() if c.seller)}"
            )
        ranges = all(0 < low <= high for low, high in (self.onset_s, self.share, self.lots))
        if not (ranges and self.crashes > 0 and self.quiet > 1 and self.depth > 0 and 0 < self.move_s <= self.window_s and self.seed >= 0):
            raise BadInput(f"{self}; expected ranges that rise from above 0, and sessions of both kinds")
        if self.onset_s[0] <= CautionSettings().warm_s + self.move_s:
            raise BadInput(f"onset_s was {self.onset_s}; expected later than {CautionSettings().warm_s + self.move_s:g} s")

    @property
    def seconds(self) -> int:
        """A session's length."""
        return int(self.onset_s[1] + self.window_s)


class Session(NamedTuple):
    """What was seen each second of one session."""

    indicators: NDArray[np.float32]  # (seconds, COUNT)
    mid: Floats  # (seconds,) ticks
    onset: int  # the last second before the seller begins; 0: none does
    fallen: int = 0  # the second at which the crash's depth is reached; 0: never


def followed(sim: Any, events: Any, opens: int, seconds: int, onset: int = 0) -> Session:
    """The session of a market that stands at or before `opens`, ns, watched from there on."""
    indicators, mid = np.zeros((seconds, COUNT), np.float32), np.zeros(seconds)
    follow(sim, events, new_scratch(sim), CautionSettings().begun(opens)[0], indicators, mid)
    return Session(indicators, mid, onset)


def drawn(settings: CrashSettings, part: int, number: int, crash: bool) -> Session:
    """One session: when it begins, and the seller's onset, share and size, are drawn."""
    base, hours = CROWDS[settings.crowd], session(DATE)
    rng = np.random.default_rng([settings.seed, part, number, crash])
    begins = int(hours.open_ns + rng.random() * (hours.close_ns - hours.open_ns - settings.seconds * SECOND))
    onset, share = rng.uniform(*settings.onset_s), rng.uniform(*settings.share)
    lots = float(np.exp(rng.uniform(*np.log(settings.lots))))
    crowd: CrowdSettings = replace(base, seller=None)
    if crash:
        clock, business = season_clock(base, hours.open_ns, hours.close_ns)
        at = float(np.interp(begins + onset * SECOND, clock, business)) / SECOND
        crowd = replace(base, seller=SellerSettings(onset_s=(at, at), share=(share, share), lots=(lots, lots)))
    sim = open_crowd(crowd, int(rng.integers(2**40)), hours.open_ns, hours.close_ns, begins)
    return followed(sim, NO_EVENTS, begins, settings.seconds, int(onset) - 1 if crash else 0)


def quiet_sessions(settings: CrashSettings, part: int) -> list[Session]:
    """So many without the seller."""
    return [one for batch in _batches(settings, part, False, settings.quiet) for one in batch]


def usual_move(settings: CrashSettings, quiet: Sequence[Session]) -> float:
    """Standard deviation of the mid's moves over `move_s` in quiet sessions, ticks; moves do not overlap."""
    step = int(settings.move_s)
    return float(np.std(np.concatenate([np.diff(one.mid[step::step]) for one in quiet])))


def crash_sessions(settings: CrashSettings, part: int, fall: float) -> tuple[list[Session], int]:
    """The first so many sessions in which the mid falls by `fall` ticks in time, and how many were drawn for them."""
    found: list[Session] = []
    tried = 0
    for batch in _batches(settings, part, True, MOST_DRAWN * settings.crashes):
        for one in batch:
            tried += 1
            below = np.flatnonzero(one.mid[one.onset] - one.mid[one.onset : one.onset + int(settings.window_s)] >= fall)
            if len(below):
                found.append(one._replace(fallen=one.onset + int(below[0])))
            if len(found) == settings.crashes:
                return found, tried
    raise BadInput(f"{tried} sessions with a seller had {len(found)} crashes; expected {settings.crashes}: ask for a smaller depth")


def _batches(settings: CrashSettings, part: int, crash: bool, most: int) -> Iterator[list[Session]]:
    """Sessions in the order of their numbers, some at a time, on all cores; the same on any number of them."""
    with ThreadPoolExecutor(settings.threads or cores()) as pool:
        for first in count(0, BATCH):
            if first >= most:
                return
            yield list(pool.map(lambda number: drawn(settings, part, number, crash), range(first, min(first + BATCH, most))))
