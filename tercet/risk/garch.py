"""Variances that follow from returns, and from realised variance, by recursion: exponential averages, GARCH and its kin, realised GARCH."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from tercet.errors import BadInput
from tercet.risk.days import MarketDays
from tercet.risk.filters import LEAST, level, refuse
from tercet.risk.recursions import egarch, gjr, realised
from tercet.signals.series import Floats

LIKELY: Final = 0.5, 2.0  # mean square of errors, beyond which parameters were found that explain nothing
SHAPES: Final = ("nu", "eta", "lambda")  # of errors, by arch's names


@dataclass(frozen=True)
class Ewma:
    """Exponentially weighted squares (RiskMetrics 1996), brought to the level of what is forecast."""

    name: str = "ewma"
    keep: float = field(default=0.94, metadata={"help": "weight of the past"})
    needs: tuple[str, ...] = ()

    def fit(self, past: MarketDays) -> "Recursion":
        """Nothing but the level is learned."""
        refuse(self, past)
        start = float((past.returns[:LEAST] ** 2).mean())
        return at_level(Recursion(gjr, np.array([0.0, 0.0, 1 - self.keep, 0.0, self.keep, start]), 1.0), past)


@dataclass(frozen=True)
class Garch:
    """GARCH (Bollerslev 1986), GJR (Glosten, Jagannathan & Runkle 1993) or EGARCH (Nelson 1991), fitted by `arch`.

    errors: normal, t or skewt (Hansen 1994).
    """

    name: str = "gjr-skewt"
    kind: str = "gjr"
    errors: str = "skewt"
    joint: bool = field(
        default=False, metadata={"help": "let the variance before the first day move with the mean, as benchmarks have it; slow"}
    )
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse kinds that nobody knows."""
        if self.kind not in ("garch", "gjr", "egarch") or self.errors not in ("normal", "t", "skewt"):
            raise BadInput(f"{self.name}: {self.kind} with {self.errors}; expected garch, gjr or egarch with normal, t or skewt")

    def fit(self, past: MarketDays) -> "Recursion":
        """By quasi-maximum likelihood."""
        return at_level(self.recursion(past), past)

    def recursion(self, past: MarketDays) -> "Recursion":
        """As fitted: of returns close to close, at their own level."""
        refuse(self, past)
        given = self.fitted(past.returns)
        mean, omega, alpha = (given[name] for name in ("mu", "omega", "alpha[1]"))
        start = float(past.returns.var())
        terms = np.array([mean, omega, alpha, given.get("gamma[1]", 0.0), given["beta[1]"], start])
        shape = {name: value for name, value in given.items() if name in SHAPES}
        return Recursion(egarch if self.kind == "egarch" else gjr, terms, 1.0, shape)

    def fitted(self, returns: Floats) -> dict[str, float]:
        """arch's parameters by its names, of percent returns; before the first day the variance is that of all errors."""
        found = self._arch(returns, "Constant", float(returns.var()))
        if not self.joint:
            return self._named(found)

        def about(mean: float) -> float:
            return -float(self._arch(returns - mean, "Zero", float(((returns - mean) ** 2).mean())).loglikelihood)

        room = float(returns.std()) / len(returns) ** 0.5
        first = float(found.params["mu"])
        mean = float(minimize_scalar(about, bounds=(first - room, first + room), method="bounded", options={"xatol": 1e-7 * room}).x)
        return {"mu": mean} | self._named(self._arch(returns - mean, "Zero", float(((returns - mean) ** 2).mean())))

    def _arch(self, returns: Floats, mean: str, before: float) -> Any:
        from arch import arch_model  # noqa: PLC0415  # an extra, and slow to load

        kind = "EGARCH" if self.kind == "egarch" else "GARCH"
        options: dict[str, Any] = {"mean": mean, "vol": kind, "p": 1, "o": int(self.kind != "garch"), "q": 1, "dist": self.errors}
        model = arch_model(returns, rescale=False, **options)
        return model.fit(disp="off", show_warning=False, backcast=before, options={"ftol": 1e-12, "maxiter": 500})

    @staticmethod
    def _named(found: Any) -> dict[str, float]:
        return {name: float(value) for name, value in found.params.items()}


@dataclass(frozen=True)
class Recursion:
    """A recursion with its parameters: mean, omega, alpha, gamma, beta, and the variance that it starts from."""

    steps: Any
    terms: Floats
    scale: float  # from its own level to that of what is forecast
    shape: dict[str, float] = field(default_factory=dict)  # of the errors

    def variance(self, days: MarketDays) -> Floats:
        """See `Filter`."""
        return np.asarray(self.scale * self.steps(days.returns, self.terms))

    def explains(self, days: MarketDays) -> bool:
        """Whether the mean square of its errors is about 1, as of any fit, and its mean within a deviation of the returns'.

        Where many returns are the same, as of stale prices, a likelihood with fat tails grows without end as the variance of those days
        goes to 0, and what is then likeliest explains nothing.
        """
        with np.errstate(all="ignore"):
            square = float(((days.returns[1:] - self.terms[0]) ** 2 / self.variance(days)[:-1]).mean())
        return LIKELY[0] < square < LIKELY[1] and abs(float(self.terms[0] - days.returns.mean())) < float(days.returns.std())


def at_level(recursion: Recursion, past: MarketDays) -> Recursion:
    """The recursion times what makes it right on average on the past."""
    scale = level(past.target, recursion.variance(past))
    return Recursion(recursion.steps, recursion.terms, scale, recursion.shape)


@dataclass(frozen=True)
class RealisedGarch:
    """Realised GARCH (Hansen, Huang & Shek 2012): returns and realised variance told by one variance, by maximum likelihood of both."""

    name: str = "realised-garch"
    needs: tuple[str, ...] = ("realised",)

    def fit(self, past: MarketDays) -> "RealisedFilter":
        """See `likeliest`."""
        refuse(self, past)
        found = RealisedFilter(likeliest(past.returns, past.realised), 1.0)
        return replace(found, scale=level(past.target, found.variance(past)))


@dataclass(frozen=True)
class RealisedFilter:
    """Parameters by the names of `NAMES`, and the level of what is forecast."""

    terms: Floats
    scale: float

    def variance(self, days: MarketDays) -> Floats:
        """See `Filter`: of the realised measure."""
        h = realised(days.returns, days.realised, self.terms, np.empty(len(days)), np.empty(2))
        return np.asarray(self.scale * np.exp(self.terms[4] + self.terms[5] * np.log(h)))


NAMES: Final = ("mean", "omega", "beta", "gamma", "xi", "phi", "tau1", "tau2", "noise", "first")


def likeliest(returns: Floats, measured: Floats) -> Floats:
    """(10,): parameters in the order of NAMES that make returns and realised variances likeliest; raises BadInput where none are found."""
    size, start = len(returns), float(np.log((returns[:LEAST] ** 2).mean()))
    room = np.empty(size), np.empty(2)

    def loss(given: Floats) -> float:
        terms = np.r_[given[:8], np.exp(given[8]), start]
        realised(returns, measured, terms, *room)
        total = float(room[1].sum())
        return -total / size if np.isfinite(total) else 1e10

    offset = float(np.log(measured).mean() - np.log(returns.var()))
    begin = np.array([returns.mean(), 0.1 - 0.4 * offset, 0.55, 0.4, offset, 1.0, -0.1, 0.1, np.log(0.3)])
    found = minimize(loss, begin, method="L-BFGS-B", options={"maxiter": 500})
    found = minimize(loss, found.x, method="Nelder-Mead", options={"maxiter": 4000, "maxfev": 6000, "xatol": 1e-5, "fatol": 1e-9})
    if not np.isfinite(found.fun) or found.fun >= 1e10:
        raise BadInput(f"realised-garch: no parameters made {size} days likely; expected some")
    return np.asarray(np.r_[found.x[:8], np.exp(found.x[8]), start])
