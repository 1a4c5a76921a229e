"""The price and volume block of Microsoft Qlib's Alpha158: the shape of the day's candle, and 23 windows of 5 to 60 days.

As in Qlib, but that windows are full (Qlib starts with one day), prices are split-adjusted closes, and what divides by nothing is
missing instead of large. Expressions are over one symbol's rows in order of time.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from tercet.signals.characteristics import Feature, mean, most

WINDOWS: Final = (5, 10, 20, 30, 60)
SOURCE: Final = "Microsoft Qlib, Alpha158"
STILL: Final = 1e-6  # a spread below this share of the mean is rounding: the window stands still
_PLACE: Final = 1 << 20  # more days than a symbol has

_C, _H, _L, _O, _V = (pl.col(name) for name in ("close", "high", "low", "open", "volume"))
_C1, _V1, _DAY = pl.col("_close1"), pl.col("_volume1"), pl.col("_day")


def _finite(x: pl.Expr) -> pl.Expr:
    return pl.when(x.is_finite()).then(x)


# Elementwise.
ALPHA_TODAY: Final[dict[str, pl.Expr]] = {
    "_log_volume": (_V + 1).log(),
    "_change": _C / _C1,
    "_volume_change": _finite((_V / _V1 + 1).log()),
    "_up": (_C - _C1).clip(lower_bound=0.0),
    "_down": (_C1 - _C).clip(lower_bound=0.0),
    "_move": (_C - _C1).abs(),
    # Counted as ints: sums that run in floats would part days that tie.
    "_rose": (_C > _C1).cast(pl.Int32),
    "_fell": (_C < _C1).cast(pl.Int32),
    "_moved_volume": (_C / _C1 - 1).abs() * _V,
}

# Over one symbol's rows. A dense rank over all of a symbol's days, later ones too, stands for the price where only the order of the
# prices inside a window counts; with the place in it, one running maximum finds where the first highest price was.
ALPHA_ORDER: Final[dict[str, pl.Expr]] = {
    "_high_place": _H.rank("dense").cast(pl.Int64) * _PLACE - _DAY,
    "_low_place": (-_L).rank("dense").cast(pl.Int64) * _PLACE - _DAY,
}
ALPHA_PAIRS: Final[dict[str, pl.Expr]] = {
    "_close_volume": _C * pl.col("_log_volume"),
    "_change_volume": pl.col("_change") * pl.col("_volume_change"),
}


def slope(days: int) -> pl.Expr:
    """The slope of the close in days over the last `days`, by least squares."""
    steps = np.arange(days) - (days - 1) / 2
    return _C.rolling_sum(days, weights=list(steps / np.sum(steps**2)))


def explained(days: int) -> pl.Expr:
    """R² of that line."""
    sxx, variance = days * (days**2 - 1) / 12, _C.rolling_var(days)
    moves = variance.sqrt() > STILL * _C.rolling_mean(days)
    return pl.when(moves).then((slope(days).pow(2) * sxx / (variance * (days - 1))).clip(0.0, 1.0))


def correlation(x: str, y: str, product: str, days: int) -> pl.Expr:
    """Pearson's correlation over the last `days`; missing where one of the two stands still."""
    (xm, ym), (xs, ys) = ((mean(pl.col(name), days) for name in (x, y)), (pl.col(name).rolling_std(days, ddof=0) for name in (x, y)))
    moves = (xs > STILL * xm.abs()) & (ys > STILL * ym.abs())
    return pl.when(moves).then(((mean(pl.col(product), days) - xm * ym) / (xs * ys)).clip(-1.0, 1.0))


def days_to_first(place: str, days: int) -> pl.Expr:
    """Where in the window, 1/days to 1, the first highest (lowest) price was."""
    found = -pl.col(place).rolling_max(days, min_samples=most(days)) % _PLACE
    return (found - (_DAY - days)) / days


def share(part: str, whole: str, days: int) -> pl.Expr:
    """A sum as a share of another; missing where the whole window is zero."""
    return pl.when(pl.col(whole).rolling_max(days) > 0).then(
        (pl.col(part).rolling_sum(days) / pl.col(whole).rolling_sum(days)).clip(0.0, 1.0)
    )


def _candle() -> Iterator[Feature]:
    for name, definition, expression in (
        ("kmid", "(C − O)/O", (_C - _O) / _O),
        ("klen", "(H − L)/O", (_H - _L) / _O),
        ("kup", "(H − max(O, C))/O", (_H - pl.max_horizontal(_O, _C)) / _O),
        ("klow", "(min(O, C) − L)/O", (pl.min_horizontal(_O, _C) - _L) / _O),
        ("ksft", "(2C − H − L)/O", (2 * _C - _H - _L) / _O),
    ):
        yield Feature(name, definition, "ratio", SOURCE, 1, expression)


def _windows(d: int) -> Iterator[Feature]:
    low, high = _L.rolling_min(d, min_samples=most(d)), _H.rolling_max(d, min_samples=most(d))
    moved = pl.col("_moved_volume")
    for name, definition, more, expression in (
        ("roc", "C₋ₙ/C", 1, _C.shift(d) / _C),
        ("ma", "mean C / C", 0, mean(_C, d) / _C),
        ("std", "sd C / C", 0, _C.rolling_std(d) / _C),
        ("beta", "slope of C on days / C", 0, slope(d) / _C),
        ("rsqr", "R² of C on days", 0, explained(d)),
        ("resi", "last residual of C on days / C", 0, (_C - mean(_C, d) - slope(d) * (d - 1) / 2) / _C),
        ("max", "max H / C", 0, high / _C),
        ("min", "min L / C", 0, low / _C),
        ("qtlu", "80% quantile of C / C", 0, _C.rolling_quantile(0.8, interpolation="linear", window_size=d) / _C),
        ("qtld", "20% quantile of C / C", 0, _C.rolling_quantile(0.2, interpolation="linear", window_size=d) / _C),
        ("rank", "share of C that is not above today's, ties half", 0, _C.rolling_rank(d) / d),
        ("rsv", "(C − min L)/(max H − min L)", 0, (_C - low) / (high - low)),
        ("imax", "place of the first highest H / n", 0, days_to_first("_high_place", d)),
        ("imin", "place of the first lowest L / n", 0, days_to_first("_low_place", d)),
        ("corr", "corr(C, ln(V + 1))", 0, correlation("close", "_log_volume", "_close_volume", d)),
        ("cord", "corr(C/C₋₁, ln(V/V₋₁ + 1))", 1, correlation("_change", "_volume_change", "_change_volume", d)),
        ("cntp", "share of days with C > C₋₁", 1, pl.col("_rose").rolling_sum(d) / d),
        ("cntn", "share of days with C < C₋₁", 1, pl.col("_fell").rolling_sum(d) / d),
        ("sump", "Σ max(C − C₋₁, 0) / Σ |C − C₋₁|", 1, share("_up", "_move", d)),
        ("sumn", "Σ max(C₋₁ − C, 0) / Σ |C − C₋₁|", 1, share("_down", "_move", d)),
        ("vma", "mean V / V", 0, pl.when(_V > 0).then(mean(_V, d) / _V)),
        ("vstd", "sd V / V", 0, pl.when(_V > 0).then(_V.rolling_std(d) / _V)),
        ("wvma", "sd of |r|V / its mean", 1, pl.when(moved.rolling_max(d) > 0).then(moved.rolling_std(d) / mean(moved, d))),
    ):
        yield Feature(f"{name}_{d}", f"{definition}, n = {d} days", "ratio", SOURCE, d + more, expression)


ALPHA158: Final = (*_candle(), *(feature for d in WINDOWS for feature in _windows(d)))
