"""How much of the mid's change order flow explains: Cont, Kukanov & Stoikov (2014), level by level and integrated.

In each window of 30 minutes, changes of the mid over 1, 10 or 60 s are regressed on the order-flow imbalance of the same seconds. This
explains, it does not forecast: the imbalance and the change are of the same time.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import SECOND
from tercet.market.store import Day
from tercet.signals.days import features_of
from tercet.signals.messagerows import SUMS

Floats = NDArray[np.float64]
LEVELS: Final = 10
MODELS: Final = ("touch", "levels", "integrated")


@dataclass(frozen=True)
class OfiSettings:
    """What is regressed on what."""

    seconds: tuple[int, ...] = field(default=(1, 10, 60), metadata={"help": "over which changes are taken"})
    window_s: int = field(default=1800, metadata={"help": "seconds of a window"})


@dataclass(frozen=True)
class Explained:
    """Mean over windows, with its standard error."""

    seconds: int
    model: str  # touch, levels or integrated
    r2: float  # in its window
    error: float
    adjusted: float  # for the number of levels
    ahead: float  # of the window before's coefficients, out of sample
    windows: int
    by_window: tuple[float, ...]  # R² of each
    began: tuple[int, ...]  # when each began, ns


def explain(day: Day, settings: OfiSettings | None = None) -> list[Explained]:
    """The table of a stored day; raises BadInput where it holds fewer than two windows."""
    settings = settings or OfiSettings()
    found = []
    for seconds in settings.seconds:
        flows, changes, times = bars(day, seconds)
        length = settings.window_s // seconds
        count = len(changes) // length
        if count < 2:
            raise BadInput(f"{day.meta.symbol}: {len(changes)} changes over {seconds} s; expected two windows of {length} or more")
        windows = [(flows[i * length : (i + 1) * length], changes[i * length : (i + 1) * length]) for i in range(count)]
        began = tuple(times[: count * length : length].tolist())
        for model in MODELS:
            found.append(_explained(seconds, model, windows, began))
    return found


def bars(day: Day, seconds: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """(bars, levels): order-flow imbalance in lots; (bars,): changes of the mid in ticks, and when each bar began, ns.

    Bars in which the book was not quoted are out.
    """
    frame = features_of(day, every=f"{seconds}s")
    sums = frame.select([f"{SUMS}{level + 1}" for level in range(LEVELS)]).to_numpy()
    mid = 0.5 * frame["mid2"].cast(float).fill_null(float("nan")).to_numpy()
    times = frame["event_time"].to_numpy()
    steady = np.diff(times) == seconds * SECOND
    flows, changes = np.diff(sums, axis=0), np.diff(mid)
    kept = steady & np.isfinite(changes) & np.isfinite(flows).all(axis=1)
    return flows[kept], changes[kept], times[:-1][kept]


def _explained(seconds: int, model: str, windows: list[tuple[Floats, Floats]], began: tuple[int, ...]) -> Explained:
    own: list[float] = []
    adjusted: list[float] = []
    ahead: list[float] = []
    before: tuple[Floats, Floats] | None = None  # levels' weights and coefficients
    for flows, changes in windows:
        if before is not None:
            ahead.append(1.0 - unexplained(changes, _design(flows, before[0]) @ before[1]))
        weights = weights_of(model, flows)
        design = _design(flows, weights)
        coefficients = np.asarray(np.linalg.lstsq(design, changes, rcond=None)[0], np.float64)
        left = unexplained(changes, design @ coefficients)
        own.append(1.0 - left)
        adjusted.append(1.0 - left * (len(changes) - 1) / (len(changes) - design.shape[1]))
        before = weights, coefficients
    error = float(np.std(own, ddof=1) / np.sqrt(len(own)))
    return Explained(
        seconds, model, float(np.mean(own)), error, float(np.mean(adjusted)), float(np.mean(ahead)), len(own), tuple(own), began
    )


def weights_of(model: str, flows: Floats) -> Floats:
    """(levels, regressors): the touch alone, each level by itself, or the first principal component of all (Cont et al. 2023, eq. 5)."""
    if model == "touch":
        return np.eye(LEVELS)[:, :1]
    if model == "levels":
        return np.eye(LEVELS)
    first = np.linalg.svd(flows - flows.mean(axis=0), full_matrices=False)[2][:1].T
    return np.asarray(first / np.abs(first).sum(), np.float64)


def _design(flows: Floats, weights: Floats) -> Floats:
    return np.column_stack([np.ones(len(flows)), flows @ weights])


def unexplained(changes: Floats, said: Floats) -> float:
    """Of the changes' variance that is left unexplained; 1 where nothing changed."""
    total = float(((changes - changes.mean()) ** 2).sum())
    return float(((changes - said) ** 2).sum()) / total if total > 0.0 else 1.0
