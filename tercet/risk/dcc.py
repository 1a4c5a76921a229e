"""Dynamic conditional correlations that stand many assets: likelihoods of pairs, a shrunk target, GARCH volatilities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize

from tercet.errors import BadInput
from tercet.risk.assets import AssetDays, checked, refuse
from tercet.risk.correlation import Mending
from tercet.risk.days import FLOOR
from tercet.risk.matrices import correlation, nonlinear_of, symmetric
from tercet.risk.pairs import dcc_corrected, dcc_loss, follow_dcc, garch_loss, garch_scaled
from tercet.signals.series import Floats

LEAST: Final = 500  # days that it is learned from


@dataclass(frozen=True)
class Dcc:
    """cDCC (Aielli, JBES 31(3), 2013) by the likelihood of contiguous pairs (Pakel, Shephard, Sheppard & Engle, JBES 39(3), 2021).

    Volatilities are GARCH(1,1) with the sample's variance as their long run. shrunk: the target's eigenvalues are shrunk, not linearly
    (DCC-NL, Engle, Ledoit & Wolf, JBES 37(2), 2019), after both parameters were found.
    """

    name: str = "dcc-nl"
    shrunk: bool = True

    def fit(self, past: AssetDays) -> "DccFilter":
        """By quasi-maximum likelihood: of each asset's returns, then of all contiguous pairs together."""
        refuse(self.name, past, LEAST)
        variance = (past.returns**2).mean(axis=0)
        scaled, garch = np.empty_like(past.returns), np.empty((len(past.names), 3))
        for i, returns in enumerate(np.ascontiguousarray(past.returns.T)):
            alpha, beta = _likeliest(lambda a, b, r=returns, v=variance[i]: float(garch_loss(r, a, b, v)), (0.06, 0.97))  # type: ignore[misc]
            garch[i] = (1 - alpha - beta) * variance[i], alpha, beta
            room = np.empty(len(past))
            garch_scaled(returns, alpha, beta, variance[i], room)
            scaled[:, i] = room
        corrected = np.empty_like(scaled)
        a, b = _likeliest(lambda a, b: float(dcc_loss(scaled, a, b, corrected)), (0.02, 0.98))
        dcc_corrected(scaled, a, b, corrected)
        target = correlation(corrected.T @ corrected)
        if self.shrunk:
            target = correlation(nonlinear_of(target, len(past)))
        return DccFilter(past, garch, np.array([a, b]), target)


class DccFilter(Mending):
    """Variances, and the matrix whose correlation is told."""

    def __init__(self, past: AssetDays, garch: Floats, news: Floats, target: Floats) -> None:
        super().__init__(past.names)
        self.garch, self.news, self.target = garch, news, target
        self.variances, self.q = (past.returns**2).mean(axis=0), target.copy()
        self.update(past.returns)

    def update(self, returns: Floats) -> None:
        """See `CovarianceFilter`."""
        rows = checked(returns, self.names)
        follow_dcc(rows, self.variances, self.q, self.garch, self.target, self.news[0], self.news[1], FLOOR)

    def covariance(self) -> Floats:
        """See `CovarianceFilter`."""
        volatility = np.sqrt(self.variances)
        return self.sound(correlation(symmetric(self.q)) * (volatility[:, None] * volatility))


def _likeliest(loss: Callable[[float, float], float], begin: tuple[float, float]) -> tuple[float, float]:
    """(a, b), both above 0 and their sum below 1, of least loss; begin: the share a of a + b, and a + b."""

    def terms(x: Floats) -> tuple[float, float]:
        share, total = 1 / (1 + np.exp(-np.clip(x, -12, 12)))
        return float(share * total), float((1 - share) * total)

    start = np.log(np.array(begin) / (1 - np.array(begin)))
    found = minimize(lambda x: loss(*terms(x)), start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-8, "maxiter": 400})
    if not np.isfinite(found.fun):
        raise BadInput("no parameters made the days likely; expected some")
    return terms(found.x)
