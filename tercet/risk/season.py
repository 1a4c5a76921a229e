"""The season of the day: the mid's variance in each part of it, an input with provenance, never of the day that is forecast."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np

from tercet.errors import BadInput
from tercet.risk.intraday import PARTS
from tercet.risk.midpath import MidPath
from tercet.signals.series import Floats

STORED: Final = "variance_curve.json"
DEGREE: Final = 3  # of the polynomial in the share of the day that the logarithms of a season are


@dataclass(frozen=True)
class Season:
    """Relative variance in equal parts of the day, of mean 1, and where it comes from.

    usual: bps² a second that days have on average, 0 where the season says nothing of their level.
    """

    parts: tuple[float, ...]
    provenance: str
    usual: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no season."""
        values = np.array(self.parts)
        if values.shape != (PARTS,) or not np.isfinite(values).all() or not (values > 0).all() or abs(values.mean() - 1) > 1e-3:
            raise BadInput(f"season was {self.parts}; expected {PARTS} numbers above 0 with a mean of 1")
        if not 0 <= self.usual < np.inf:
            raise BadInput(f"usual was {self.usual}; expected bps² a second, or 0")


FLAT: Final = Season((1.0,) * PARTS, "no season")


def default_season() -> Season:
    """The named default: of five NASDAQ stocks on 2014-11-03 (see the file's provenance)."""
    stored = _stored()
    return Season(tuple(stored["parts"]), stored["provenance"])


def default_weights() -> tuple[float, ...]:
    """What a forecaster believes of its terms before it has learned: a regression on the same days as the default season."""
    return tuple(_stored()["weights"])


def _stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("tercet.risk").joinpath(STORED).read_text(encoding="utf-8"))
    return found


def season_of(days: Sequence[MidPath], name: str) -> Season:
    """Of earlier days: the mean of their logarithms, smoothed, and the variance that they usually have."""
    if not days:
        raise BadInput("there were no days; expected earlier days to take the season from")
    parts = smoothed([shape(day) for day in days])
    return Season(parts, f"mean of {name}", float(np.mean([np.nanmean(day.squares()) for day in days])))


def shape(day: MidPath) -> Floats:
    """(PARTS,): mean variance in each part of the day beside the whole day's."""
    squares = day.squares()
    place = np.arange(len(squares)) * PARTS * 10**9 // (day.hours.close_ns - day.hours.open_ns)
    known = np.isfinite(squares) & (place < PARTS)
    counts = np.bincount(place[known], minlength=PARTS)
    if counts.min() == 0:
        raise BadInput(f"part {counts.argmin()} of {PARTS} of the day has no return; expected a whole day")
    found = np.bincount(place[known], squares[known], minlength=PARTS) / counts
    if not (found > 0).all():
        raise BadInput(f"the mid never moved in part {found.argmin()} of {PARTS} of the day; expected a mid that moves")
    return np.asarray(found / found.mean())


def smoothed(shapes: Sequence[Floats]) -> tuple[float, ...]:
    """A cubic through the mean of the logarithms: a quarter hour of a few days is mostly chance."""
    middle = (np.arange(PARTS) + 0.5) / PARTS
    powers = np.vander(middle, DEGREE + 1)
    found = np.exp(powers @ np.linalg.lstsq(powers, np.log(shapes).mean(axis=0), rcond=None)[0])
    return tuple((found / found.mean()).tolist())
