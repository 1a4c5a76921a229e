"""What tomorrow may lose: value at risk and expected shortfall of the return from close to close, told the evening before.

A return is mean + deviation·error: the deviation is a `scale`, the lower tail of the errors a `shape`; both learn from days that are over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from tercet.errors import BadInput
from tercet.risk.filters import LEAST
from tercet.risk.garch import Garch
from tercet.risk.recursions import recalibrate
from tercet.risk.scales import Averaged, FittedScale, Implied, LongDays, Measured, Recursive, Scale, Still, Weighted
from tercet.risk.shapes import Errors, Normal, Peaks, Seen, Shape, SkewedT, checked
from tercet.signals.series import Floats


@dataclass(frozen=True)
class Tail:
    """A level's value at risk and expected shortfall, (n,) each, percent, as returns: both below 0, the shortfall the lower one."""

    var: Floats
    es: Floats


class TailFilter(Protocol):
    """A model that has learned."""

    def at(self, days: LongDays, level: float) -> Tail:
        """For each day the tail of the day after, from that day and those before it; NaN where it cannot be said."""
        ...


class TailModel(Protocol):
    """Learns from days that are over; `needs` as `LongDays.there` names them."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """What it cannot do without."""
        ...

    def fit(self, past: LongDays) -> TailFilter:
        """Raises BadInput where there is too little."""
        ...


@dataclass(frozen=True)
class Scaled:
    """A scale and the shape of the newest `window` errors that it leaves.

    Filtered historical simulation (Barone-Adesi, Giannopoulos & Vosper, J. Futures Markets 19(5), 1999) where the shape is `Seen`.
    """

    name: str
    scale: Scale
    shape: Shape
    window: int | None = field(default=None, metadata={"help": "newest errors that the shape is learned from; all where not given"})

    @property
    def needs(self) -> tuple[str, ...]:
        """Of the scale."""
        return self.scale.needs

    def fit(self, past: LongDays) -> "ScaledFilter":
        """The scale, then the shape of its errors on the same days."""
        refuse(self, past)
        scale = self.scale.fit(past)
        errors = (past.all.returns[1:] - scale.mean) / np.sqrt(scale.variance(past)[:-1])
        errors = errors[np.isfinite(errors)]
        return ScaledFilter(scale, self.shape.fit(errors if self.window is None else errors[-self.window :]))


@dataclass(frozen=True)
class ScaledFilter:
    """Both, learned."""

    scale: FittedScale
    errors: Errors

    def at(self, days: LongDays, level: float) -> Tail:
        """See `TailFilter`."""
        deviation = np.sqrt(self.scale.variance(days))
        quantile, beyond = self.errors.at(level)
        return Tail(self.scale.mean + deviation * quantile, self.scale.mean + deviation * beyond)


@dataclass(frozen=True)
class TailMean:
    """The mean of several models' values at risk and of their shortfalls, all weighted alike (Taylor, Int. J. Forecasting 36(2), 2020)."""

    name: str
    members: tuple[TailModel, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Of all members."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.needs))

    def fit(self, past: LongDays) -> "TailMeanFilter":
        """Each by itself."""
        refuse(self, past)
        return TailMeanFilter(tuple(member.fit(past) for member in self.members))


@dataclass(frozen=True)
class TailMeanFilter:
    """Filters of the members."""

    members: tuple[TailFilter, ...]

    def at(self, days: LongDays, level: float) -> Tail:
        """See `TailFilter`."""
        said = [member.at(days, level) for member in self.members]
        return Tail(np.mean([one.var for one in said], axis=0), np.mean([one.es for one in said], axis=0))


@dataclass(frozen=True)
class Recalibrated:
    """A model whose values at risk and shortfalls move with its hits: more of them than there should be, and it says more.

    What lasts keeps the share of hits right as a market changes (adaptive conformal inference, Gibbs & Candès, NeurIPS 2021); what is
    forgotten within weeks takes out that hits come in clusters, which volatility alone leaves in (as CAViaR learns from hits, Engle &
    Manganelli 2004). Both steps are those of the 5% level, and greater at a rarer one, by (5%/level)^¼.
    """

    name: str
    of: TailModel
    slow: float = field(default=0.005, metadata={"help": "by which a hit lifts the logarithm for good"})
    fast: float = field(default=0.15, metadata={"help": "and for a while"})
    keep: float = field(default=0.85, metadata={"help": "share of that which is left a day later"})
    most: float = field(default=0.7, metadata={"help": "that the logarithm moves either way"})

    @property
    def needs(self) -> tuple[str, ...]:
        """Of the model."""
        return self.of.needs

    def fit(self, past: LongDays) -> "RecalibratedFilter":
        """The model; the hits are counted anew from the first day on by what it says now."""
        refuse(self, past)
        return RecalibratedFilter(self.of.fit(past), self)


@dataclass(frozen=True)
class RecalibratedFilter:
    """A filter, and how it moves with its hits."""

    of: TailFilter
    how: Recalibrated

    def at(self, days: LongDays, level: float) -> Tail:
        """See `TailFilter`."""
        plain, how, more = self.of.at(days, level), self.how, (0.05 / checked(level)) ** 0.25
        factor = recalibrate(days.all.returns, plain.var, level, more * how.slow, more * how.fast, how.keep, how.most)
        return Tail(factor * plain.var, factor * plain.es)


def refuse(model: TailModel, past: LongDays) -> None:
    """Raises BadInput where days are too few or miss a series."""
    if missing := [name for name in model.needs if name not in past.there()]:
        raise BadInput(f"{model.name}: the days have no {', '.join(missing)}; expected it, or another model")
    if len(past) < LEAST:
        raise BadInput(f"{model.name}: there were {len(past)} days; expected {LEAST} or more")


def tails_walked(days: LongDays, model: TailModel, levels: Sequence[float], first: int, every: int = 20) -> dict[float, Tail]:
    """By level what was said of each day at the close before, learned anew `every` days; (n,) each, NaN for the `first` days."""
    if not LEAST <= first < len(days) or every < 1:
        raise BadInput(f"first was {first} of {len(days)} days and every {every}; expected {LEAST} to fewer than all, and 1 or more")
    said = {checked(level): Tail(np.full(len(days), np.nan), np.full(len(days), np.nan)) for level in levels}
    for begin, end in pairwise([*range(first, len(days), every), len(days)]):
        found, known = model.fit(days[:begin]), days[: end - 1]
        for level, tail in said.items():
            block = found.at(known, level)
            tail.var[begin:end], tail.es[begin:end] = block.var[begin - 1 :], block.es[begin - 1 :]
    return said


def suited(days: LongDays) -> Recalibrated:
    """The default model without the members that need what these days do not have, or too few of them have; _FALLS for the VIX."""
    there = set(days.there()) - ({"measured"} if days.measured is None or len(days.measured) < MEASURED else set())
    members = PLAIN.members if "vix" in there else (*PLAIN.members[:1], _FALLS, *PLAIN.members[2:])
    return Recalibrated(DEFAULT.name, TailMean(PLAIN.name, tuple(one for one in members if set(one.needs) <= there)))


def models_for(days: LongDays) -> dict[str, TailModel]:
    """All by name, the default as it is `suited` to these days."""
    return MODELS | {DEFAULT.name: (default := suited(days)), PLAIN.name: default.of}


def tomorrow(days: LongDays, levels: Sequence[float], model: TailModel | None = None) -> dict[float, tuple[float, float]]:
    """By level the value at risk and the shortfall of the day after the last, percent; model: None for `suited`."""
    found = (model or suited(days)).fit(days)
    said = {checked(level): found.at(days, level) for level in levels}
    return {level: (float(tail.var[-1]), float(tail.es[-1])) for level, tail in said.items()}


MEASURED: Final = 500  # days, fewer of which make no tail
NEWEST: Final = 1000  # errors, as McNeil & Frey (2000) take: the shape, and the premium in the implied variance, change slowly
_GJR: Final = Recursive()
_VIX: Final = Weighted((_GJR, Implied()))
_HAR: Final = Weighted((Measured(),), falls=())  # falls are among its own terms
_PEAKS: Final = (Scaled("evt-gjr", _GJR, Peaks()), Scaled("evt-gjr+vix", _VIX, Peaks(), NEWEST), Scaled("evt-har", _HAR, Peaks(), NEWEST))
_FALLS: Final = Scaled("evt-gjr+falls", Weighted((_GJR,)), Peaks(), NEWEST)  # what evt-gjr+vix is where there is no VIX
PLAIN: Final = TailMean("mean of evt, plain", _PEAKS)
DEFAULT: Final = Recalibrated("mean of evt", PLAIN)
_EVERY: Final[tuple[TailModel, ...]] = (
    Scaled("historical/250", Still(), Seen(), 250),
    Scaled("historical/1000", Still(), Seen(), 1000),
    Scaled("ewma-normal", Averaged(), Normal()),
    Scaled("gjr-normal", Recursive(Garch("gjr", "gjr", "normal")), Normal()),
    Scaled("gjr-skewt", _GJR, SkewedT()),
    Scaled("fhs-gjr", _GJR, Seen()),
    Scaled("fhs-gjr+vix", _VIX, Seen(), NEWEST),
    Scaled("fhs-har", _HAR, Seen(), NEWEST),
    Scaled("skewt-har", _HAR, SkewedT(), NEWEST),
    *_PEAKS,
    _FALLS,
    PLAIN,
    DEFAULT,
)
MODELS: Final = {one.name: one for one in _EVERY}
