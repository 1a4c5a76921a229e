"""What has gone before crashes, told from days that are over: falls and trends, unrest, how alike assets move, the regime.

Every indicator is greater where it is worse, and its value at a day is told from that day and those before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from scipy.signal import lfilter

from tercet.errors import BadInput
from tercet.risk.assets import AssetDays
from tercet.risk.days import CARRIED, MarketDays
from tercet.risk.matrices import to_identity
from tercet.signals import regime
from tercet.signals.series import Floats

FALLS: Final = (21, 63, 126, 252)  # days: a month, a quarter, half a year, a year
MEANS: Final = (50, 100, 150, 200)
DECAYS: Final = (0.9, 0.94, 0.97)
MONTH: Final = 21
TURBULENT: Final = 504  # days that a usual day is learned from
ALIKE: Final = 126  # days that correlations are counted over
USUAL: Final = 250  # days before which nobody knows what is usual
FAR: Final = 4.0  # standard deviations beyond which more is not worse
FLOOR: Final = 1e-6


@dataclass(frozen=True)
class WarningDays:
    """Days of a market, n of them, and where there are any those of assets in it, which may be fewer."""

    market: MarketDays
    assets: AssetDays | None = None

    def __len__(self) -> int:
        """How many days the market has."""
        return len(self.market)

    def until(self, count: int) -> "WarningDays":
        """The first `count` days, and what was known of assets by then."""
        market = self.market[:count]
        if self.assets is None or not count:
            return WarningDays(market)
        kept = int(np.searchsorted(self.assets.known, market.known[-1], side="right"))
        return WarningDays(market, self.assets[:kept] if kept else None)

    def there(self) -> tuple[str, ...]:
        """What there is beside returns: vix, assets."""
        return tuple(
            name for name in ("vix", "assets") if name in (*self.market.there(), *(("assets",) if self.assets is not None else ()))
        )

    @property
    def level(self) -> Floats:
        """(n,): the market's price, 1 the day before the first."""
        return np.asarray(np.exp(np.cumsum(self.market.returns) / 100))


@dataclass(frozen=True)
class Indicator:
    """One number a day; `needs` as `WarningDays.there` names them."""

    name: str
    said: Callable[[WarningDays], Floats]  # (n,); NaN where it cannot be said
    needs: tuple[str, ...] = ()


# Of the market's prices -----------------------------------------------------------------------------------------------------------------


def drawdown(window: int) -> Callable[[WarningDays], Floats]:
    """Share below the highest close of so many days."""

    def said(days: WarningDays) -> Floats:
        level = pl.Series(days.level)
        return (1 - level / level.rolling_max(window + 1, min_samples=1)).to_numpy()

    return said


def below_mean(window: int) -> Callable[[WarningDays], Floats]:
    """Logarithm of the mean close of so many days over the last one."""

    def said(days: WarningDays) -> Floats:
        level = pl.Series(days.level)
        return np.asarray(np.log((level.rolling_mean(window, min_samples=1) / level).to_numpy()))

    return said


def lost(window: int) -> Callable[[WarningDays], Floats]:
    """Logarithm of the close so many days before over the last one."""

    def said(days: WarningDays) -> Floats:
        total = np.concatenate([np.zeros(1), np.cumsum(days.market.returns) / 100])
        return np.asarray(total[np.maximum(np.arange(1, len(total)) - window, 0)] - total[1:])

    return said


def averaged(values: Floats, decay: float) -> Floats:
    """(n,): the exponentially weighted mean of each value and those before it."""
    weights = 1 - decay ** np.arange(1.0, len(values) + 1)
    return np.asarray(lfilter([1 - decay], [1.0, -decay], values)) / weights


def unrest(decay: float, *, falls: bool = False) -> Callable[[WarningDays], Floats]:
    """Logarithm of the exponentially weighted deviation of returns, or of falls alone."""

    def said(days: WarningDays) -> Floats:
        returns = np.minimum(days.market.returns, 0.0) if falls else days.market.returns
        return np.asarray(0.5 * np.log(averaged(returns**2, decay) + FLOOR))

    return said


def stressed(days: WarningDays) -> Floats:
    """P(the state of greater variance) of a filtered hidden Markov model with two states, learned from days before."""
    return regime.walked(days.market.returns)[:, 1]


# Of options -----------------------------------------------------------------------------------------------------------------------------


def implied(days: WarningDays) -> Floats:
    """Logarithm of the VIX."""
    return np.asarray(np.log(days.market.vix))


def implied_rise(days: WarningDays) -> Floats:
    """How far that lies above its mean of about a month: its slope."""
    return implied(days) - averaged(implied(days), 0.95)


# Of assets ------------------------------------------------------------------------------------------------------------------------------


def of_assets(per_day: Callable[[Floats], Floats]) -> Callable[[WarningDays], Floats]:
    """An indicator of (m, k) returns, percent, on the market's days: where assets miss a day the last value, for five days at most."""

    def said(days: WarningDays) -> Floats:
        assets, known = days.assets, days.market.known
        if assets is None:
            raise BadInput("there were no assets; expected some")
        place = np.searchsorted(assets.known, known, side="right") - 1
        behind = np.arange(len(known)) - np.searchsorted(known, assets.known[np.maximum(place, 0)])
        fine = (place >= 0) & (behind <= CARRIED)
        values = per_day(assets.returns)
        return np.where(fine, values[np.maximum(place, 0)], np.nan)

    return said


def breadth(returns: Floats) -> Floats:
    """Share of assets below their mean of 200 days."""
    level = pl.DataFrame(np.cumprod(1 + returns / 100, axis=0))
    below = level.select(pl.all() < pl.all().rolling_mean(200, min_samples=1))
    return below.select(pl.mean_horizontal(pl.all())).to_series().to_numpy()


def turbulence(returns: Floats) -> Floats:
    """Mean of a month of Mahalanobis distances to a usual day of the two years before: Kritzman & Li, FAJ 66(5), 2010.

    The covariance is shrunk (Ledoit & Wolf 2004) and counted anew each month.
    """
    count, assets = returns.shape
    said = np.full(count, np.nan)
    for begin in range(TURBULENT, count, MONTH):
        past = returns[begin - TURBULENT : begin]
        inverse = np.linalg.inv(to_identity(past) + FLOOR * np.eye(assets))
        away = returns[begin : begin + MONTH] - past.mean(axis=0)
        said[begin : begin + MONTH] = np.einsum("ij,jk,ik->i", away, inverse, away) / assets
    return pl.Series(said).rolling_mean(MONTH).to_numpy()


def absorption(returns: Floats) -> Floats:
    """Share of variance in the first fifth of components, over half a year: Kritzman, Li, Page & Rigobon, JPM 37(4), 2011."""
    first = max(1, returns.shape[1] // 5)
    return _of_correlations(returns, lambda matrix: float(np.linalg.eigvalsh(matrix)[-first:].sum() / len(matrix)))


def togetherness(returns: Floats) -> Floats:
    """Mean correlation of pairs, over half a year."""
    return _of_correlations(returns, lambda matrix: float((matrix.sum() - len(matrix)) / (len(matrix) * (len(matrix) - 1))))


def _of_correlations(returns: Floats, measure: Callable[[Floats], float]) -> Floats:
    """A measure of the correlations of half a year, counted anew each week."""
    said = np.full(len(returns), np.nan)
    for end in range(ALIKE, len(returns) + 1, 5):
        window = returns[end - ALIKE : end]
        deviation = np.maximum(window.std(axis=0), FLOOR)
        matrix = np.corrcoef((window - window.mean(axis=0)) / deviation + 0.0, rowvar=False)
        said[end - 1 : end + 4] = measure(np.where(np.isfinite(matrix), matrix, 0.0))
    return said


# Side by side ---------------------------------------------------------------------------------------------------------------------------


def unusual(values: Floats) -> Floats:
    """(n,): how many deviations each lies above what was usual until then, within ± 4; NaN before 250 values, and where there is none."""
    there = np.isfinite(values)
    kept = np.where(there, values, 0.0)
    count = np.cumsum(there)
    mean = np.cumsum(kept) / np.maximum(count, 1)
    variance = np.cumsum(kept**2) / np.maximum(count, 1) - mean**2
    told = (kept - mean) / np.sqrt(np.maximum(variance, FLOOR**2))
    return np.where(there & (count >= USUAL), np.clip(told, -FAR, FAR), np.nan)


TREND: Final = (
    *(Indicator(f"drawdown/{window}", drawdown(window)) for window in FALLS),
    *(Indicator(f"below mean/{window}", below_mean(window)) for window in MEANS),
    *(Indicator(f"lost/{window}", lost(window)) for window in FALLS),
)
UNREST: Final = (
    *(Indicator(f"volatility/{decay:g}", unrest(decay)) for decay in DECAYS),
    Indicator("falls/0.94", unrest(0.94, falls=True)),
)
OTHERS: Final = (
    Indicator("hmm", stressed),
    Indicator("vix", implied, ("vix",)),
    Indicator("vix slope", implied_rise, ("vix",)),
    Indicator("breadth", of_assets(breadth), ("assets",)),
    Indicator("turbulence", of_assets(turbulence), ("assets",)),
    Indicator("absorption", of_assets(absorption), ("assets",)),
    Indicator("correlation", of_assets(togetherness), ("assets",)),
)
INDICATORS: Final[Mapping[str, Indicator]] = {one.name: one for one in (*TREND, *UNREST, *OTHERS)}
