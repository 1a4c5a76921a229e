"""The panel's features, one stock and one day at a time, from the papers' formulas: slow and obvious, the truth of the test."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAN = float("nan")


class Stock:
    """One stock's days up to and including today, oldest first; `market` is the mean return of the date's stocks."""

    def __init__(self, days: dict[str, Floats], market: Floats) -> None:
        self.o, self.h, self.l, self.c, self.v = (days[name] for name in ("open", "high", "low", "close", "volume"))
        self.r = np.concatenate([[NAN], self.c[1:] / self.c[:-1] - 1])
        self.m = market


def full(x: Floats, days: int) -> Floats:
    """The last `days` values; raises where one is missing."""
    if len(x) < days or not np.isfinite(x[-days:]).all():
        raise LookupError
    return x[-days:]


def most(x: Floats, days: int) -> Floats:
    """Those of the last `days` values that are there; raises below four fifths."""
    if len(x) < days:
        raise LookupError
    there = x[-days:][np.isfinite(x[-days:])]
    if len(there) < math.ceil(0.8 * days):
        raise LookupError
    return there


def regression(s: Stock, days: int) -> tuple[float, Floats, Floats]:
    """(beta, residuals, market less its mean)."""
    r, m = full(s.r, days), full(s.m, days)
    beta = np.cov(r, m)[0, 1] / np.var(m, ddof=1)
    return float(beta), (r - r.mean()) - beta * (m - m.mean()), m - m.mean()


def coskewness(s: Stock) -> float:
    """Harvey & Siddique's eq. 11."""
    _, e, m = regression(s, 252)
    return float(np.mean(e * m**2) / (np.sqrt(np.mean(e**2)) * np.mean(m**2)))


def spread(s: Stock, i: int) -> float:
    """Corwin & Schultz's estimate from days i − 1 and i."""
    high, low, before = s.h[i], s.l[i], s.c[i - 1]
    if before > high:
        high, low = before, low + before - high
    elif before < low:
        high, low = high - (low - before), before
    beta = math.log(high / low) ** 2 + math.log(s.h[i - 1] / s.l[i - 1]) ** 2
    gamma = math.log(max(high, s.h[i - 1]) / min(low, s.l[i - 1])) ** 2 if not math.isnan(beta) else NAN
    k = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
    return max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0) if not math.isnan(alpha) else NAN


def spreads(s: Stock) -> Floats:
    """One a day, the first missing."""
    return np.array([NAN] + [spread(s, i) for i in range(max(1, len(s.c) - 21), len(s.c))])


CHARACTERISTICS: dict[str, Any] = {
    "reversal_1": lambda s: s.c[-1] / s.c[-2] - 1,
    "reversal_5": lambda s: s.c[-1] / s.c[-6] - 1,
    "reversal_21": lambda s: s.c[-1] / s.c[-22] - 1,
    "momentum_2_12": lambda s: s.c[-22] / s.c[-253] - 1,
    "momentum_2_6": lambda s: s.c[-22] / s.c[-127] - 1,
    "momentum_7_12": lambda s: s.c[-127] / s.c[-253] - 1,
    "high_52_weeks": lambda s: s.c[-1] / full(s.c, 252).max(),
    "overnight_1": lambda s: s.o[-1] / s.c[-2] - 1,
    "intraday_1": lambda s: s.c[-1] / s.o[-1] - 1,
    "overnight_21": lambda s: most((s.o[1:] / s.c[:-1] - 1), 21).mean(),
    "intraday_21": lambda s: most(s.c / s.o - 1, 21).mean(),
    "max5": lambda s: np.sort(full(s.r, 21))[-5:].mean(),
    "beta_252": lambda s: regression(s, 252)[0],
    "beta_63": lambda s: regression(s, 63)[0],
    "idiosyncratic_252": lambda s: regression(s, 252)[1].std(),
    "idiosyncratic_63": lambda s: regression(s, 63)[1].std(),
    "coskewness_252": coskewness,
    "dollar_volume_21": lambda s: math.log(most(s.c * s.v, 21).mean()),
    "dollar_volume_trend": lambda s: math.log(most(s.c * s.v, 21).mean() / most(s.c * s.v, 252).mean()),
    "volume_trend": lambda s: most(s.v, 5).mean() / most(s.v, 63).mean(),
    "amihud_21": lambda s: 1e6 * most(np.abs(s.r[1:]) / (s.c * s.v)[1:], 21).mean(),
    "corwin_schultz_21": lambda s: most(spreads(s)[1:], 21).mean(),
    "parkinson_21": lambda s: math.sqrt(most(np.log(s.h / s.l) ** 2, 21).mean() / (4 * math.log(2))),
    "garman_klass_21": lambda s: math.sqrt(most(0.5 * np.log(s.h / s.l) ** 2 - (2 * math.log(2) - 1) * np.log(s.c / s.o) ** 2, 21).mean()),
    "volatility_21": lambda s: full(s.r, 21).std(ddof=1),
    "volatility_252": lambda s: full(s.r, 252).std(ddof=1),
    "kmid": lambda s: (s.c[-1] - s.o[-1]) / s.o[-1],
    "klen": lambda s: (s.h[-1] - s.l[-1]) / s.o[-1],
    "kup": lambda s: (s.h[-1] - max(s.o[-1], s.c[-1])) / s.o[-1],
    "klow": lambda s: (min(s.o[-1], s.c[-1]) - s.l[-1]) / s.o[-1],
    "ksft": lambda s: (2 * s.c[-1] - s.h[-1] - s.l[-1]) / s.o[-1],
}


def line(c: Floats, d: int) -> tuple[float, float, float]:
    """(slope, R², last residual) of the last d closes on days."""
    y, x = full(c, d), np.arange(d, dtype=float)
    b, a = np.polyfit(x, y, 1)
    if y.std(ddof=1) <= 1e-6 * y.mean():
        return float(b), NAN, float(y[-1] - a - b * x[-1])
    return float(b), float(np.corrcoef(x, y)[0, 1] ** 2), float(y[-1] - a - b * x[-1])


def correlation(x: Floats, y: Floats, d: int) -> float:
    """Pearson's; missing where one of the two stands still."""
    x, y = full(x, d), full(y, d)
    return NAN if x.std() <= 1e-6 * abs(x.mean()) or y.std() <= 1e-6 * abs(y.mean()) else float(np.corrcoef(x, y)[0, 1])


def first_place(x: Floats, d: int, best: Any) -> float:
    """Where in the last d days the first best one was, 1/d to 1."""
    most(x, d)
    return float((list(x[-d:]).index(best(x[-d:])) + 1) / d)


def share(part: Floats, d: int) -> float:
    """How much of the moves are rises of `part`."""
    moves = full(np.diff(part, prepend=NAN), d)
    return float(np.maximum(moves, 0).sum() / np.abs(moves).sum()) if np.abs(moves).sum() else NAN


def changes(v: Floats) -> Floats:
    """ln(V/V₋₁ + 1)."""
    return np.concatenate([[NAN], np.log(v[1:] / v[:-1] + 1)])


def moved(s: Stock, d: int) -> float:
    """WVMA."""
    x = full(np.abs(s.r) * s.v, d)
    return float(x.std(ddof=1) / x.mean())


WINDOWS: dict[str, Any] = {
    "roc": lambda s, d: s.c[-1 - d] / s.c[-1],
    "ma": lambda s, d: full(s.c, d).mean() / s.c[-1],
    "std": lambda s, d: full(s.c, d).std(ddof=1) / s.c[-1],
    "beta": lambda s, d: line(s.c, d)[0] / s.c[-1],
    "rsqr": lambda s, d: line(s.c, d)[1],
    "resi": lambda s, d: line(s.c, d)[2] / s.c[-1],
    "max": lambda s, d: most(s.h, d).max() / s.c[-1],
    "min": lambda s, d: most(s.l, d).min() / s.c[-1],
    "qtlu": lambda s, d: np.quantile(full(s.c, d), 0.8) / s.c[-1],
    "qtld": lambda s, d: np.quantile(full(s.c, d), 0.2) / s.c[-1],
    "rank": lambda s, d: (np.sum(full(s.c, d) < s.c[-1]) + (np.sum(s.c[-d:] == s.c[-1]) + 1) / 2) / d,
    "rsv": lambda s, d: (s.c[-1] - most(s.l, d).min()) / (most(s.h, d).max() - most(s.l, d).min()),
    "imax": lambda s, d: first_place(s.h, d, np.nanmax),
    "imin": lambda s, d: first_place(s.l, d, np.nanmin),
    "corr": lambda s, d: correlation(s.c, np.log(s.v + 1), d),
    "cord": lambda s, d: correlation(s.r + 1, changes(s.v), d),
    "cntp": lambda s, d: np.mean(full(np.diff(s.c, prepend=NAN), d) > 0),
    "cntn": lambda s, d: np.mean(full(np.diff(s.c, prepend=NAN), d) < 0),
    "sump": lambda s, d: share(s.c, d),
    "sumn": lambda s, d: share(-s.c, d),
    "vma": lambda s, d: full(s.v, d).mean() / s.v[-1],
    "vstd": lambda s, d: full(s.v, d).std(ddof=1) / s.v[-1],
    "wvma": moved,
}
TWINS: dict[str, Any] = CHARACTERISTICS | {
    f"{name}_{d}": (lambda s, twin=twin, d=d: twin(s, d)) for d in (5, 10, 20, 30, 60) for name, twin in WINDOWS.items()
}


def truth(name: str, s: Stock) -> float:
    """The feature's value today, NaN where it is missing."""
    try:
        with np.errstate(all="ignore"):
            value = float(TWINS[name](s))
    except (LookupError, ZeroDivisionError, ValueError):
        return NAN
    return value if math.isfinite(value) else NAN


def ranks(x: Floats) -> Floats:
    """GKX: each value's place among those that are there, from −1 to 1; 0 where missing or alone."""
    there = x[np.isfinite(x)]
    if len(there) < 2:
        return np.zeros(len(x))
    place = [np.sum(there < value) + (np.sum(there == value) - 1) / 2 if np.isfinite(value) else NAN for value in x]
    return np.nan_to_num(2 * np.array(place) / (len(there) - 1) - 1)
