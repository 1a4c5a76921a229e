"""In which unit returns, realised variances and the VIX are written: converted where it is named, refused where it cannot be percent."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercet.errors import BadInput
from tercet.signals.series import Floats

SCALES: Final = {"percent": 1.0, "fraction": 100.0, "bp": 0.01}
WORDS: Final = {"fraction": "fractions", "bp": "basis points"}
POWERS: Final = {"return": 1, "open_close": 1, "rv": 2, "quarticity": 4, "vix": 1}  # of the unit: a variance is in its square
SERIES: Final = {"return": ("return", "open_close"), "rv": ("rv", "quarticity"), "vix": ("vix",)}
YEAR: Final = 252
YEARLY: Final = (2.0, 400.0)  # percent, of returns
IMPLIED: Final = (3.0, 200.0)  # percent, the VIX's median
APART: Final = 10.0  # times that a mean variance may be another
HUGE: Final = 1e100  # beyond which no series is in any unit
LEAST: Final = 20  # days, fewer of which say nothing of their unit
SAME: Final = 1e-9  # share of the returns by which all are the same but for rounding
TRIMMED: Final = 0.01  # share of the greatest that says nothing either


@dataclass(frozen=True)
class Units:
    """By series (return, rv, vix) the unit that a user named; what is not named is percent, and has to look like it."""

    named: Mapping[str, str]

    @classmethod
    def of(cls, text: str | None) -> "Units":
        """Of `fraction` (all but the VIX), or of `return=fraction,vix=percent`."""
        if text is None:
            return cls({})
        pairs = [part.strip().partition("=") for part in text.split(",")]
        named = {name: unit for first, sign, unit in pairs for name in ([first] if sign else ["return", "rv"]) for unit in [unit or first]}
        if wrong := [name for name, unit in named.items() if name not in SERIES or unit not in SCALES]:
            told = f"unit was {text!r} ({wrong[0]}={named[wrong[0]]})"
            raise BadInput(f"{told}; expected {', '.join(SCALES)}, or such as return=fraction,rv=fraction,vix=percent")
        return cls(named)

    def convert(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame in percent (variances in percent squared)."""
        scales = {name: SCALES[unit] ** POWERS[name] for series, unit in self.named.items() for name in SERIES[series]}
        return frame.with_columns(pl.col(name) * scale for name, scale in scales.items() if name in frame.columns and scale != 1.0)

    def refuse(self, path: str | Path, frame: pl.DataFrame) -> None:
        """BadInput where a series whose unit nobody named cannot be percent."""
        given = {name: frame[name].clip(-HUGE, HUGE).drop_nulls().to_numpy().astype(np.float64) for name in POWERS if name in frame.columns}
        if "return" in given and "return" not in self.named:
            refuse_returns(path, given["return"])
        if {"return", "open_close"} <= given.keys() and "return" not in self.named:
            refuse_within(path, given["open_close"], given["return"])
        if {"return", "rv"} <= given.keys() and "rv" not in self.named:
            both = frame.drop_nulls(["return", "rv"]).select(pl.col("return", "rv").clip(-HUGE, HUGE))
            refuse_variances(path, both["rv"].to_numpy(), both["return"].to_numpy() ** 2)
        if "vix" in given and "vix" not in self.named:
            refuse_implied(path, given["vix"])


def yearly(returns: Floats) -> float:
    """Volatility of a year of daily returns that move, the greatest hundredth of them left out."""
    moves = np.sort(np.abs(returns[returns != 0]))
    kept = moves[: max(int(len(moves) * (1 - TRIMMED)), 1)]
    return float(np.sqrt(YEAR * np.mean(kept**2))) if len(moves) else 0.0


def refuse_returns(path: str | Path, returns: Floats) -> None:
    """BadInput where the volatility is that of no market in percent."""
    found = yearly(returns)
    if len(returns) and np.ptp(returns) <= SAME * np.abs(returns).max():
        raise BadInput(f"{path}: all {len(returns):,} returns are {returns[0]:g}; expected returns that vary")
    if len(returns) < LEAST or found == 0 or YEARLY[0] <= found <= YEARLY[1]:
        return
    unit = "fraction" if found < YEARLY[0] else "bp"
    guess = f" (they look like {WORDS[unit]}: --unit {unit} reads them so)" if _usual(found * SCALES[unit]) else ""
    told = f"{path}: return has a volatility of {found:.3g} a year; expected percent, {YEARLY[0]:g} to {YEARLY[1]:g}"
    raise BadInput(f"{told}{guess}; where they are percent, --unit percent takes them as they are")


def _usual(volatility: float) -> bool:
    return YEARLY[0] <= volatility <= YEARLY[1]


def refuse_within(path: str | Path, within: Floats, returns: Floats) -> None:
    """BadInput where returns within days are of another size than those from close to close."""
    inside, whole = yearly(within), yearly(returns)
    if len(within) >= LEAST and len(returns) >= LEAST and inside > 0 and not 1 / APART <= inside / whole <= APART:
        told = f"{path}: open_close has a volatility of {inside:.3g} a year and return one of {whole:.3g}"
        raise BadInput(f"{told}; expected both in percent, within {APART:g} times (--unit return=percent insists)")


def refuse_variances(path: str | Path, variances: Floats, squares: Floats) -> None:
    """BadInput where realised variances and squared returns (percent²) of the same days are of other sizes, by means and by medians."""
    moved = squares > 0
    if moved.sum() < LEAST:
        return
    ratio = float(variances.mean() / squares.mean())
    middle = float(np.median(variances[moved]) / np.median(squares[moved])) / 2.2  # a normal square's median is its mean over 2.2
    if not (max(ratio, middle) < 1 / APART or min(ratio, middle) > APART):
        return
    guesses = {
        "squared fractions: --unit rv=fraction reads them so": ratio * SCALES["fraction"] ** 2,
        "variances of a year: divide by 252": ratio / YEAR,
        "squared fractions of a year: divide by 252, and --unit rv=fraction": ratio * SCALES["fraction"] ** 2 / YEAR,
        "volatilities, not variances: square them": float((variances**2).mean() / squares.mean()),
        "volatilities of a year: square them and divide by 252": float((variances**2).mean() / squares.mean()) / YEAR,
    }
    guess = min(guesses, key=lambda name: abs(np.log(max(guesses[name], 1e-300))))
    told = f"{path}: rv has a mean of {variances.mean():.3g} and squared returns one of {squares.mean():.3g}"
    raise BadInput(f"{told}; expected both in percent squared, within {APART:g} times (they look like {guess}; --unit rv=percent insists)")


def refuse_implied(path: str | Path, implied: Floats) -> None:
    """BadInput where the VIX is none in percent."""
    if not len(implied):
        return
    middle = float(np.median(implied))
    if IMPLIED[0] <= middle <= IMPLIED[1]:
        return
    guess = " (it looks like a fraction: --unit vix=fraction reads it so)" if IMPLIED[0] <= 100 * middle <= IMPLIED[1] else ""
    told = f"{path}: the VIX has a median of {middle:.3g}; expected percent a year, {IMPLIED[0]:g} to {IMPLIED[1]:g}"
    raise BadInput(f"{told}{guess}; where it is percent, --unit vix=percent takes it as it is")
