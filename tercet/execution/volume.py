"""The share of a day's volume that each part of it expects: an input with provenance, never from the day that is traded."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.execution.view import CURVE_STEPS
from tercet.market.calendar import trading_hours
from tercet.market.events import HIDDEN, TRADE
from tercet.market.tables import read_tape

PARTS = 26  # quarter hours of regular trading


@dataclass(frozen=True)
class VolumeCurve:
    """Relative volume in equal parts of the day, and where it comes from."""

    parts: tuple[float, ...]
    provenance: str

    def cumulative(self, share_of_day: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the day's volume expected by each share of the day, linear within a part."""
        sums = np.concatenate([[0.0], np.cumsum(self.parts)])
        interpolated: NDArray[np.float64] = np.interp(share_of_day, np.linspace(0, 1, len(sums)), sums / sums[-1])
        return interpolated

    def over(self, opens: int, closes: int, start: int, end: int) -> tuple[NDArray[np.float64], float]:
        """(the curve from `start` to `end`, 0 to 1 in CURVE_STEPS; the share of the day's volume expected between them)."""
        times = np.linspace(start, end, CURVE_STEPS + 1)
        curve = self.cumulative((times - opens) / (closes - opens))
        share = curve[-1] - curve[0]
        if share <= 0:
            return np.linspace(0.0, 1.0, CURVE_STEPS + 1), 0.0
        return (curve - curve[0]) / share, float(share)


def default_curve() -> VolumeCurve:
    """The named default: the mean normalised volume of five NASDAQ stocks on 2014-11-03 (see the file's provenance)."""
    stored = json.loads(files("tercet.execution").joinpath("volume_curve.json").read_text())
    return VolumeCurve(tuple(stored["parts"]), stored["provenance"])


def fit(paths: Sequence[Path]) -> dict[str, Any]:
    """The mean normalised volume of MATLAB tapes over regular hours, with standard errors, checksums and how it was made."""
    shares = []
    for path in paths:
        times, lots = read_tape(path)
        parts, _ = np.histogram(times, PARTS, (34_200_000, 57_600_000), weights=lots)
        if parts.sum() == 0:
            raise BadInput(f"{path}: no market orders in regular hours; expected a day with volume")
        shares.append(parts / parts.sum())
    errors = np.std(shares, axis=0, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.full(PARTS, np.nan)
    return {
        "provenance": f"mean normalised volume of {len(paths)} tapes: {', '.join(path.stem for path in paths)}",
        "command": "tercet calibrate volume FILES --out FILE",
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        "parts": [round(float(part), 6) for part in np.mean(shares, axis=0)],
        "errors": [round(float(error), 6) for error in errors],
    }


def from_days(days: Sequence[Any]) -> VolumeCurve:
    """The mean normalised volume of stored days."""
    shares = []
    for day in days:
        hours = trading_hours(day.meta.date, day.meta.tz, day.meta.first_time, day.meta.last_time)
        traded = day.events[np.isin(day.events["kind"], (TRADE, HIDDEN))]
        parts, _ = np.histogram(traded["time"], PARTS, (hours.open_ns, hours.close_ns), weights=traded["lots"].astype(np.float64))
        if parts.sum() == 0:
            raise BadInput(f"{day.path}: no executions in regular hours; expected a day with volume")
        shares.append(parts / parts.sum())
    mean = np.mean(shares, axis=0)
    return VolumeCurve(tuple(mean.tolist()), f"mean normalised volume of {', '.join(day.path.name for day in days)}")
