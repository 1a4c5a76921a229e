"""What each stock is like on each day, from its own past: reversals, momenta, risk, liquidity. One row of text for each, with its source.

Expressions are over one symbol's rows in order of time; a day is a row of the symbol. Names with an underscore are columns that
`panel` prepares (BEFORE, TODAY, PAIRS). Windows are full, but for those in which a missing open, high, low or volume may stand: at
least four fifths of them must be there. What is not finite is missing. Prices and volumes come as ratios or as their
product, so that a later split, which rescales a symbol's past, changes nothing (but for Qlib's ln(V + 1), by a share in V).
"""

import math
from dataclasses import dataclass
from typing import Final

import polars as pl

MONTH: Final = 21  # trading days
YEAR: Final = 252
QUARTER: Final = 63


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the panel."""

    name: str
    definition: str  # in the letters O, H, L, C, V (a day's prices and volume), r = C/C₋₁ − 1, m = mean of r over the date's stocks
    unit: str
    source: str
    warm_up: int  # days of a symbol, today's among them, that it needs; before that it is missing
    expression: pl.Expr


def mean(x: pl.Expr, days: int) -> pl.Expr:
    """Mean of the last `days`, all of them there."""
    return x.rolling_mean(days)


def most(days: int) -> int:
    """How many of `days` must be there where some may be missing."""
    return math.ceil(0.8 * days)


def mean_of_most(x: pl.Expr, days: int) -> pl.Expr:
    """Mean of those of the last `days` that are there."""
    return x.rolling_mean(days, min_samples=most(days))


def month(name: str) -> pl.Expr:
    """Mean of those of the last 21 days that are there."""
    return mean_of_most(pl.col(name), MONTH)


def beta(days: int) -> pl.Expr:
    """cov(r, m) / var(m) over the last `days`."""
    r, m = pl.col("_r"), pl.col("_m")
    return (mean(pl.col("_rm"), days) - mean(r, days) * mean(m, days)) / (m.rolling_var(days, ddof=0))


def residual_variance(days: int) -> pl.Expr:
    """Variance (ddof 0) of what is left of r after its regression on m."""
    return (pl.col("_r").rolling_var(days, ddof=0) - beta(days).pow(2) * pl.col("_m").rolling_var(days, ddof=0)).clip(lower_bound=0.0)


def coskewness(days: int) -> pl.Expr:
    """E[ε (m − m̄)²] / (√E[ε²] E[(m − m̄)²]) with ε the residual of r on m, from raw moments."""
    r, m = mean(pl.col("_r"), days), mean(pl.col("_m"), days)
    rm, m2 = mean(pl.col("_rm"), days), mean(pl.col("_m2"), days)
    rmm = mean(pl.col("_rm2"), days) - 2 * m * rm + m.pow(2) * r - r * (m2 - m.pow(2))
    mmm = mean(pl.col("_m3"), days) - 3 * m * m2 + 2 * m.pow(3)
    variance = pl.col("_m").rolling_var(days, ddof=0)
    return (rmm - beta(days) * mmm) / (residual_variance(days).sqrt() * variance)


def highest_five(days: int) -> pl.Expr:
    """Mean of the five highest r of the last `days`."""
    ranks = [pl.col("_r").rolling_quantile((days - k) / (days - 1), interpolation="nearest", window_size=days) for k in range(1, 6)]
    total = ranks[0]
    for rank in ranks[1:]:
        total = total + rank
    return total / 5


def _past(days: int) -> pl.Expr:
    return pl.col("close").shift(days)


# What a day needs of the day before, over a symbol's rows.
BEFORE: Final[dict[str, pl.Expr]] = {f"_{name}1": pl.col(name).shift(1) for name in ("close", "high", "low", "volume")} | {
    "_day": pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
}

_C, _C1, _H, _L, _O, _V = (pl.col(name) for name in ("close", "_close1", "high", "low", "open", "volume"))
_GAP = (_C1 - _H).clip(lower_bound=0.0) - (_L - _C1).clip(lower_bound=0.0)  # Corwin-Schultz: today's range moves to hold last night's close
_GAMMA = (pl.max_horizontal(_H + _GAP, "_high1") / pl.min_horizontal(_L + _GAP, "_low1")).log().pow(2)
_K = 3 - 2 * math.sqrt(2)
_BETA_GAP = ((_H + _GAP) / (_L + _GAP)).log().pow(2) + (pl.col("_high1") / pl.col("_low1")).log().pow(2)
_ALPHA = ((2 * _BETA_GAP).sqrt() - _BETA_GAP.sqrt()) / _K - (_GAMMA / _K).sqrt()
_SPREAD = (2 * (_ALPHA.exp() - 1) / (1 + _ALPHA.exp())).clip(lower_bound=0.0)

# What a day says by itself, elementwise.
TODAY: Final[dict[str, pl.Expr]] = {
    "_r": _C / _C1 - 1,
    "_overnight": _O / _C1 - 1,
    "_intraday": _C / _O - 1,
    "_range2": (_H / _L).log().pow(2),
    "_garman_klass": 0.5 * (_H / _L).log().pow(2) - (2 * math.log(2) - 1) * (_C / _O).log().pow(2),
    "_spread": _SPREAD,
    "_dollars": _C * _V,
    "_illiquid": (_C / _C1 - 1).abs() / (_C * _V),
}

# What a day says of a stock and the market `_m` together; `_m` is missing where `_r` is.
PAIRS: Final[dict[str, pl.Expr]] = {
    "_rm": pl.col("_r") * pl.col("_m"),
    "_m2": pl.col("_m").pow(2),
    "_rm2": pl.col("_r") * pl.col("_m").pow(2),
    "_m3": pl.col("_m").pow(3),
}

_BUILT: Final = (
    ("reversal_1", "C/C₋₁ − 1", "return", "Jegadeesh 1990", 2, _C / _past(1) - 1),
    ("reversal_5", "C/C₋₅ − 1", "return", "Lehmann 1990", 6, _C / _past(5) - 1),
    ("reversal_21", "C/C₋₂₁ − 1", "return", "Jegadeesh 1990", 22, _C / _past(21) - 1),
    ("momentum_2_12", "C₋₂₁/C₋₂₅₂ − 1", "return", "Jegadeesh & Titman 1993", 253, _past(MONTH) / _past(YEAR) - 1),
    ("momentum_2_6", "C₋₂₁/C₋₁₂₆ − 1", "return", "Jegadeesh & Titman 1993", 127, _past(MONTH) / _past(126) - 1),
    ("momentum_7_12", "C₋₁₂₆/C₋₂₅₂ − 1", "return", "Novy-Marx 2012", 253, _past(126) / _past(YEAR) - 1),
    ("high_52_weeks", "C / max C over 252 days", "ratio", "George & Hwang 2004", 252, _C / _C.rolling_max(YEAR)),
    ("overnight_1", "O/C₋₁ − 1", "return", "Lou, Polk & Skouras 2019", 2, pl.col("_overnight")),
    ("intraday_1", "C/O − 1", "return", "Lou, Polk & Skouras 2019", 1, pl.col("_intraday")),
    ("overnight_21", "mean of O/C₋₁ − 1 over 21 days", "return a day", "Lou, Polk & Skouras 2019", 22, month("_overnight")),
    ("intraday_21", "mean of C/O − 1 over 21 days", "return a day", "Lou, Polk & Skouras 2019", 21, month("_intraday")),
    ("max5", "mean of the five highest r of 21 days", "return", "Bali, Cakici & Whitelaw 2011", 22, highest_five(MONTH)),
    ("beta_252", "cov(r, m)/var(m) over 252 days", "ratio", "Fama & MacBeth 1973", 253, beta(YEAR)),
    ("beta_63", "cov(r, m)/var(m) over 63 days", "ratio", "Fama & MacBeth 1973", 64, beta(QUARTER)),
    ("idiosyncratic_252", "sd of r − α − βm, 252 days", "return a day", "Ang et al. 2006", 253, residual_variance(YEAR).sqrt()),
    ("idiosyncratic_63", "sd of r − α − βm, 63 days", "return a day", "Ang et al. 2006", 64, residual_variance(QUARTER).sqrt()),
    (
        "coskewness_252",
        "E[ε(m − m̄)²]/(√E[ε²] E[(m − m̄)²]), 252 days",
        "ratio",
        "Harvey & Siddique 2000, eq. 11",
        253,
        coskewness(YEAR),
    ),
    (
        "dollar_volume_21",
        "ln mean CV over 21 days",
        "ln currency",
        "Brennan, Chordia & Subrahmanyam 1998",
        21,
        mean_of_most(pl.col("_dollars"), MONTH).log(),
    ),
    (
        "dollar_volume_trend",
        "ln(mean CV over 21 days / over 252)",
        "ln ratio",
        "Brennan, Chordia & Subrahmanyam 1998",
        252,
        (mean_of_most(pl.col("_dollars"), MONTH) / mean_of_most(pl.col("_dollars"), YEAR)).log(),
    ),
    (
        "volume_trend",
        "mean V over 5 days / over 63; turnover against its habit (shares outstanding cancel)",
        "ratio",
        "Gervais, Kaniel & Mingelgrin 2001",
        63,
        mean_of_most(_V, 5) / mean_of_most(_V, QUARTER),
    ),
    ("amihud_21", "10⁶ × mean of |r|/(CV) over 21 days", "per million of currency", "Amihud 2002", 22, 1e6 * month("_illiquid")),
    (
        "corwin_schultz_21",
        "mean over 21 days of the two-day high-low spread, gaps moved, negative = 0",
        "ratio",
        "Corwin & Schultz 2012",
        22,
        month("_spread"),
    ),
    (
        "parkinson_21",
        "√(mean ln²(H/L) / (4 ln 2)) over 21 days",
        "return a day",
        "Parkinson 1980",
        21,
        (month("_range2") / (4 * math.log(2))).sqrt(),
    ),
    (
        "garman_klass_21",
        "√ mean(½ ln²(H/L) − (2 ln 2 − 1) ln²(C/O)) over 21 days",
        "return a day",
        "Garman & Klass 1980",
        21,
        month("_garman_klass").sqrt(),
    ),
    ("volatility_21", "sd of r over 21 days", "return a day", "Ang et al. 2006", 22, pl.col("_r").rolling_std(MONTH)),
    ("volatility_252", "sd of r over 252 days", "return a day", "Ang et al. 2006", 253, pl.col("_r").rolling_std(YEAR)),
)
CHARACTERISTICS: Final = tuple(Feature(*row) for row in _BUILT)
