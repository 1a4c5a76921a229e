"""The default season and weights, made again from the books that they come from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercet.risk.intraday import AHEAD, EVERY, LAG, LIVES, LONG
from tercet.risk.intraday_volatility import lessons
from tercet.risk.midpath import of_tape
from tercet.risk.season import Season, shape, smoothed
from tercet.risk.volatility import gamma_regression
from tercet.signals.series import Floats

STILL: Final = 1e-3  # a label without a move, beside what was said: the regression begins with logarithms


def fit(paths: Sequence[Path]) -> dict[str, Any]:
    """The season of MATLAB books, and the weights that make QLIKE least on their labels, with checksums and how they were made."""
    days = [of_tape(path) for path in paths]
    parts = smoothed([shape(day) for day in days])
    taught = [lessons(day, Season(parts, "being made")) for day in days]
    x, happened = np.concatenate([lesson[0] for lesson in taught]), np.concatenate([lesson[1] for lesson in taught])
    return {
        "provenance": f"mid of {len(paths)} books: {', '.join(path.stem for path in paths)}",
        "command": "tercet calibrate variance FILES --out FILE",
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        "labels": f"{len(happened)} of {AHEAD} s, one every {EVERY} s, of returns of {LAG} s",
        "terms": f"a one, and means of {LIVES} s beside one of {LONG:g} s, in logarithms",
        "parts": [round(part, 6) for part in parts],
        "weights": [round(float(weight), 4) for weight in weighed(x, np.maximum(happened, STILL))],
    }


def weighed(x: Floats, happened: Floats) -> Floats:
    """(k,): the regression's weights, that of the one first and all others 0 or more: a mean that would weigh less is left out."""
    kept = list(range(x.shape[1]))
    while True:
        found = gamma_regression(x[:, kept], happened)
        if len(kept) == 1 or found[1:].min() >= 0:
            weights = np.zeros(x.shape[1])
            weights[kept] = found
            return weights
        kept.pop(1 + int(found[1:].argmin()))
