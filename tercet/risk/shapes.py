"""The lower tail of standardised errors: its quantile and what is lost on average beyond it; normal, skewed t, as seen, or by extremes."""

import math
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln
from scipy.stats import genpareto, norm
from scipy.stats import t as student

from tercet.errors import BadInput
from tercet.signals.series import Floats, series, varying

LEAST: Final = 100  # errors that a shape is learned from
MOST: Final = 0.9  # of a tail's index: with 1 its mean is infinite


class Errors(Protocol):
    """A distribution that was learned."""

    def at(self, level: float) -> tuple[float, float]:
        """The quantile at `level` and the mean of what is below it; both below 0 for errors about 0."""
        ...


class Shape(Protocol):
    """Learns from errors of about mean 0 and variance 1, (n,), in order of time."""

    def fit(self, errors: Floats) -> Errors:
        """Raises BadInput where there are too few."""
        ...


def checked(level: float) -> float:
    """A level of a lower tail; raises BadInput unless it is above 0 and below a half."""
    if not 0 < level < 0.5:
        raise BadInput(f"level was {level}; expected one above 0 and below .5, such as .01")
    return float(level)


def worst(values: Floats, level: float) -> tuple[float, float]:
    """The empirical quantile and the mean of the worst n·level values, the last of them in part (Rockafellar & Uryasev 2002, prop. 8).

    values: (n,). BadInput where n·level is below 1: nothing has been seen there.
    """
    size = checked(level) * len(values)
    if size < 1:
        raise BadInput(f"{len(values)} values hold no share of {level}; expected {math.ceil(1 / level)} or more")
    ordered = np.sort(values)
    last = math.ceil(size - 1e-9) - 1
    return float(ordered[last]), float((ordered[:last].sum() + (size - last) * ordered[last]) / size)


# Normal and skewed t --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Normal:
    """Standard normal; nothing is learned."""

    def fit(self, errors: Floats) -> "Normal":
        """Itself."""
        return self

    def at(self, level: float) -> tuple[float, float]:
        """See `Errors`."""
        quantile = float(norm.ppf(checked(level)))
        return quantile, -float(norm.pdf(quantile)) / level


@dataclass(frozen=True)
class SkewedT:
    """Skewed t with mean 0 and variance 1 (Hansen, International Economic Review 35(3), 1994), by maximum likelihood."""

    def fit(self, errors: Floats) -> "SkewedErrors":
        """Of errors as they are: those of a GARCH that was fitted with a skewed t give its own parameters back."""
        found = series(errors, "errors", LEAST)

        def loss(given: Floats) -> float:
            return -float(_log_density(found, float(given[0]), float(given[1])).mean())

        best = minimize(loss, np.array([8.0, -0.1]), method="L-BFGS-B", bounds=[(2.05, 300.0), (-0.99, 0.99)])
        return SkewedErrors(float(best.x[0]), float(best.x[1]))


@dataclass(frozen=True)
class SkewedErrors:
    """Degrees of freedom above 2, and the skew in (−1, 1): below 0 the lower tail is the longer one."""

    eta: float
    skew: float

    def at(self, level: float) -> tuple[float, float]:
        """See `Errors`; below the mode the density is that of a t, stretched by 1 − skew."""
        eta, stretch = self.eta, 1 - self.skew
        a, b, _ = _constants(eta, self.skew)
        share = checked(level) / stretch
        if share > 0.5:
            raise BadInput(f"level was {level} with skew {self.skew:.3g}; expected one below {stretch / 2:.3g}, where the mode is")
        quantile = float(student.ppf(share, eta))
        beyond = -float(student.pdf(quantile, eta)) * (eta + quantile**2) / ((eta - 1) * share)
        unit = stretch * math.sqrt((eta - 2) / eta)
        return (unit * quantile - a) / b, (unit * beyond - a) / b


def _constants(eta: float, skew: float) -> tuple[float, float, float]:
    """a, b and log c of the paper, eqs. 11-13."""
    log_c = float(gammaln((eta + 1) / 2) - gammaln(eta / 2) - 0.5 * math.log(math.pi * (eta - 2)))
    a = 4 * skew * math.exp(log_c) * (eta - 2) / (eta - 1)
    return a, math.sqrt(1 + 3 * skew**2 - a**2), log_c


def _log_density(errors: Floats, eta: float, skew: float) -> Floats:
    a, b, log_c = _constants(eta, skew)
    scaled = b * errors + a
    wide = np.where(scaled < 0, 1 - skew, 1 + skew)
    return np.asarray(math.log(b) + log_c - 0.5 * (eta + 1) * np.log1p((scaled / wide) ** 2 / (eta - 2)))


# As seen, and by extremes ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """The errors themselves, each as likely as any: historical simulation."""

    def fit(self, errors: Floats) -> "SeenErrors":
        """Of all that are given."""
        return SeenErrors(series(errors, "errors", LEAST))


@dataclass(frozen=True)
class SeenErrors:
    """The errors, (n,)."""

    errors: Floats

    def at(self, level: float) -> tuple[float, float]:
        """See `worst`."""
        return worst(self.errors, level)


@dataclass(frozen=True)
class Peaks:
    """Peaks over a threshold: a generalised Pareto distribution of what is beyond it (McNeil & Frey, J. Empirical Finance 7, 2000)."""

    share: float = field(default=0.1, metadata={"help": "of the errors that lie beyond the threshold"})

    def __post_init__(self) -> None:
        """Refuse a threshold in the other half."""
        checked(self.share)

    def fit(self, errors: Floats) -> "PeakErrors":
        """By maximum likelihood of the losses beyond the threshold; fewer than 20 of them are refused."""
        losses = np.sort(-varying(errors, "errors", LEAST))[::-1]
        count = int(self.share * len(losses))
        if count < 20:
            raise BadInput(f"{count} of {len(losses)} errors lie beyond the threshold; expected 20 or more")
        threshold = float(losses[count])
        beyond = losses[:count] - threshold
        with np.errstate(all="ignore"):
            index, _, scale = genpareto.fit(beyond, 0.1, floc=0, scale=float(beyond.mean()))
        return PeakErrors(threshold, min(float(index), MOST), float(scale), count / len(losses))


@dataclass(frozen=True)
class PeakErrors:
    """Of losses: the threshold u, the tail's index ξ and scale β, and the share of errors beyond u."""

    threshold: float
    index: float
    scale: float
    share: float

    def at(self, level: float) -> tuple[float, float]:
        """Eqs. 10 and 16 of the paper: u + β/ξ·((level/share)^−ξ − 1), and that plus (β + ξ·(quantile − u))/(1 − ξ)."""
        if checked(level) > self.share:
            raise BadInput(f"level was {level}; expected at most {self.share:.3g}, the share of errors beyond the threshold")
        ratio = math.log(level / self.share)
        above = -self.scale * ratio if abs(self.index) < 1e-9 else self.scale * math.expm1(-self.index * ratio) / self.index
        mean = (self.scale + self.index * above) / (1 - self.index)
        return -(self.threshold + above), -(self.threshold + above + mean)
