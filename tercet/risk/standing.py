"""A posture held day by day: what is forecast at each close, the exposure that follows from it, and what that earned beside doing nothing.

Positions are taken at the close at which they are decided, or `delay` closes later, and earn the return to the next one.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.messages import Posture
from tercet.risk.fusions import DEFAULT, mean_of
from tercet.risk.garch import Ewma
from tercet.risk.indicators import WarningDays, stressed
from tercet.risk.league import Tell
from tercet.risk.posture import PostureSettings, Risks, Stance, Usual
from tercet.risk.scales import LongDays
from tercet.risk.tail import MODELS, tails_walked
from tercet.risk.warning import FallSettings, probability
from tercet.signals.answers import Answers
from tercet.signals.regime import RegimeSettings
from tercet.signals.resample import Interval, difference_interval, sharpe_interval
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger

YEAR = 252
TARGET, REGIME, HOLDING = "volatility target alone", "filtered hmm", "buy and hold"
PARTS = ("volatility", "shortfall", "stress", "width")  # without which a posture is held as well, each in turn
TAIL = 0.05
WIDE = 3.0  # times the usual width of an interval, up to which it is nothing unusual
USUAL = 250  # days before which nobody knows what is usual
LEVEL = 13.0  # percent a year: about the usual volatility of the S&P 500, where a fall is of 10%
LATELY = 1008  # days, four years, whose median is what is usual of a market


@dataclass(frozen=True)
class StandingSettings:
    """How a posture is held."""

    posture: PostureSettings = field(default_factory=PostureSettings)
    fall: FallSettings = field(default_factory=FallSettings)
    first: int = field(default=1000, metadata={"help": "days before the first that is held"})
    every: int = field(default=63, metadata={"help": "days between two times of learning"})
    cost: float = field(default=1e-4, metadata={"help": "share of what is traded that it costs"})
    delay: int = field(default=0, metadata={"help": "closes between a decision and its trade"})
    seed: int = field(default=0, metadata={"help": "of the bootstrap"})

    def __post_init__(self) -> None:
        """Refuse what cannot be held."""
        if self.first < 1 or self.every < 1 or not 0 <= self.cost < 1 or self.delay < 0:
            raise BadInput(f"{self}; expected first and every of 1 or more, a cost from 0 to 1 and a delay of 0 or more")


@dataclass(frozen=True)
class Forecasts:
    """What is forecast at each close of the day after, (n,) each, NaN where it cannot be said: see `Risks`."""

    volatility: Floats
    shortfall: Floats
    stress: Floats
    width: Floats
    usual_volatility: Floats  # the medians of LATELY days, see `Usual`
    usual_stress: Floats


def forecasts(days: WarningDays, settings: StandingSettings, tell: Tell) -> Forecasts:
    """Volatility and shortfall by filtered historical simulation of a GJR, beside an average of squares; P(a fall), see `depths`.

    The width is how far the volatilities of that GJR, of averages at two speeds and, where it is there, of the VIX lie from each other.
    """
    market, count = days.market, len(days)
    if not least_first() <= settings.first < count:
        raise BadInput(f"first was {settings.first} of {count} days; expected {least_first()} to fewer than all")
    tell("shortfall")
    tails = tails_walked(LongDays.of(market), MODELS["fhs-gjr"], (TAIL,), settings.first, settings.every)[TAIL]
    shortfall = np.append(-tails.es[1:], np.nan)
    found = MODELS["fhs-gjr"].fit(LongDays.of(market)).at(LongDays.of(market), TAIL)
    shortfall[-1] = -found.es[-1]
    tell("volatility")
    speeds = [np.log(Ewma(keep=decay).fit(market[: settings.first]).variance(market)) / 2 for decay in (0.94, 0.97)]
    volatility = np.sqrt(YEAR) * np.exp(np.mean(speeds, axis=0))
    logs = [*speeds, np.log(np.maximum(shortfall, 1e-6))]
    if len(market.vix):
        logs.append(np.log(market.vix))
    tell("a fall")
    level = usual(volatility)
    stress = probability(DEFAULT.said(days, settings.fall), days, settings.fall, depths(level, settings.fall))
    return Forecasts(volatility, shortfall, stress, width(np.column_stack(logs)), level, usual(stress))


def depths(usual_volatility: Floats, fall: FallSettings) -> Floats:
    """(n,): how deep a fall is one, in proportion to what is usual: the fall's depth where that is LEVEL, twice as far down at twice it."""
    return np.asarray(1 - (1 - fall.depth) ** (usual_volatility / LEVEL))


def usual(values: Floats) -> Floats:
    """(n,): the median of each value and those of the LATELY days before it that are there; NaN before USUAL of them."""
    there = pl.Series(np.where(np.isfinite(values), values, np.nan)).fill_nan(None)
    return there.rolling_median(LATELY, min_samples=USUAL).cast(pl.Float64).to_numpy()


def least_first() -> int:
    """Days before which nothing can be held: the widths and the regime are not yet known."""
    return max(2 * USUAL, RegimeSettings().first)


def width(logs: Floats) -> Floats:
    """(n,): how far logarithms of forecasts (n, k) lie apart, usual differences aside, over WIDE times the usual, less 1; 0 or more."""
    there = np.isfinite(logs)
    usual = np.column_stack([_expanding(column) for column in logs.T])
    apart = np.where(there, logs - usual, np.nan)
    spread = np.sqrt(mean_of((apart - mean_of(apart)[:, None]) ** 2))
    usual = WIDE * _expanding(spread)
    over = np.divide(spread, usual, out=np.where(usual == 0, 0.0, np.nan), where=usual > 0)
    return np.asarray(np.maximum(over - 1, 0.0))


def _expanding(values: Floats) -> Floats:
    """(n,): the mean of each value and those before it that are there; NaN before there are enough."""
    there = np.isfinite(values)
    count = np.cumsum(there)
    total = np.cumsum(np.where(there, values, 0.0))
    return np.where(count >= USUAL, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class Held:
    """What exposures (m,) earned: net returns of logarithms (m,), percent."""

    exposure: Floats
    returns: Floats
    turnover: float  # a year
    drawdown: float  # the deepest, share


def held(exposure: Floats, returns: Floats, settings: StandingSettings) -> Held:
    """Exposures decided at closes, and returns (percent, logarithms) to the next one; (m,) each."""
    taken = np.concatenate([np.zeros(settings.delay), exposure])[: len(exposure)]
    traded = np.abs(np.diff(taken, prepend=0.0))
    net = 100 * np.log1p(taken * np.expm1(returns / 100) - settings.cost * traded)
    level = np.exp(np.cumsum(net) / 100)
    deepest = float((1 - level / np.maximum(np.maximum.accumulate(level), 1.0)).max())
    return Held(taken, net, float(traded.mean() * YEAR), deepest)


def stood(
    days: WarningDays, said: Forecasts, settings: StandingSettings, late_s: float = 0.0, own_drawdown: float | None = None
) -> tuple[list[Posture], Risks, Held]:
    """The posture at each close from `first` − 1 on, with the drawdown of what it holds itself; the last one's risks; what it earned.

    late_s: how long the last day is over, seconds; own_drawdown: then, share, in place of its own, none of which is usual.
    """
    rows = np.arange(settings.first - 1, len(days))
    stance = Stance(settings.posture)
    returns = np.append(days.market.returns[rows[1:]], 0.0)
    postures: list[Posture] = []
    exposure = np.zeros(len(rows))
    wealth = peak = 1.0
    before = 0.0
    below = np.zeros(len(rows))  # its own drawdown
    risks = Risks(0.0, 0.0, 0.0, 0.0, 0.0)
    for place, row in enumerate(rows):
        below[place] = 1 - wealth / peak
        desk = own_drawdown if row == rows[-1] else None
        risks = Risks(
            volatility=float(said.volatility[row]),
            shortfall=float(said.shortfall[row]),
            drawdown=float(below[place]) if desk is None else desk,
            stress=float(said.stress[row]),
            width=float(said.width[row]),
            late_s=late_s if row == rows[-1] else 0.0,
            usual=Usual(
                float(said.usual_volatility[row]),
                float(said.usual_stress[row]),
                float(np.median(below[max(place + 1 - LATELY, 0) : place + 1])) if desk is None else 0.0,
            ),
        )
        postures.append(stance.update(int(days.market.known[row]), risks))
        exposure[place] = postures[-1].multiplier
        now = exposure[place - settings.delay] if place >= settings.delay else 0.0
        wealth *= 1 + now * float(np.expm1(returns[place] / 100)) - settings.cost * abs(now - before)
        peak, before = max(peak, wealth), now
    return postures, risks, held(exposure[:-1], returns[:-1], settings)


@dataclass(frozen=True)
class HeldStanding:
    """What a way to hold the market was worth; Sharpe ratios a year, of net returns of logarithms, nothing taken off for cash."""

    name: str
    sharpe: Interval
    drawdown: float
    volatility: float  # percent a year
    earned: float  # percent a year
    turnover: float
    to_holding: Interval | None  # its Sharpe ratio less that of buying and holding
    to_regime: Interval | None  # and less that of the filtered HMM
    to_target: Interval | None  # and less that of its volatility target alone
    held: Held


@dataclass(frozen=True)
class PostureLeague:
    """The posture and what it is put beside."""

    standings: tuple[HeldStanding, ...]
    postures: tuple[Posture, ...]  # a day
    known: NDArray[np.int64]  # ns, of the days whose returns were earned
    returns: Floats  # of the market, percent
    left_out: dict[str, str]
    trials: int

    def states(self) -> dict[str, float]:
        """Share of days by state."""
        names = [one.state for one in self.postures]
        return {state: names.count(state) / len(names) for state in ("NORMAL", "CAUTIOUS", "DEFENSIVE", "HALT")}

    def changes(self) -> float:
        """Changes of state a year."""
        levels = np.array([one.level for one in self.postures])
        return float((np.diff(levels) != 0).mean() * YEAR)


def posture_league(days: WarningDays, settings: StandingSettings, ledger: Ledger, experiment: str, tell: Tell) -> PostureLeague:
    """The posture beside buying and holding, the filtered HMM alone (in the market while P < 1/2), its volatility target alone, and itself
    without each of its inputs. A way that fails, or was never in the market, is named and left out.
    """
    said = forecasts(days, settings, tell)
    rows = np.arange(settings.first - 1, len(days) - 1)
    tell("the posture")
    postures = stood(days, said, settings)[0]
    answers = Answers[Held]()
    for name, way in ways(days, said, settings).items():
        tell(name)
        answers.ask(name, partial(in_the_market, way))
    tell("the bootstrap")
    judged = Answers[HeldStanding](left_out=answers.left_out)
    span = (int(days.market.known[0]), int(days.market.known[-1]))
    for name, way_held in answers.found.items():
        found = judged.ask(name, partial(standing, name, way_held, answers.found, settings.seed))
        if found is not None:
            score = {"sharpe": found.sharpe.estimate / np.sqrt(YEAR), "drawdown": way_held.drawdown}
            ledger.record(experiment, name, asdict(settings), experiment, span, score)
    standings = tuple(judged.enough("ways to hold the market").values())
    returns, known = days.market.returns[rows + 1], days.market.known[rows + 1]
    return PostureLeague(standings, tuple(postures[:-1]), known, returns, judged.left_out, ledger.count(experiment))


def ways(days: WarningDays, said: Forecasts, settings: StandingSettings) -> dict[str, Callable[[], Held]]:
    """What is held side by side, by name."""
    rows = np.arange(settings.first - 1, len(days) - 1)
    returns, target = days.market.returns[rows + 1], settings.posture.volatility
    later = replace(settings, delay=settings.delay + 1)
    careless = replace(settings, posture=replace(settings.posture, least=1.0))
    nothing = np.zeros(len(days))
    return {
        "posture": lambda: stood(days, said, settings)[2],
        "posture, a close later": lambda: stood(days, said, later)[2],
        TARGET: lambda: held(target / np.maximum(said.volatility[rows], target), returns, settings),
        REGIME: lambda: held(np.where(stressed(days)[rows] < 0.5, 1.0, 0.0), returns, settings),
        HOLDING: lambda: held(np.ones(len(rows)), returns, settings),
        **{
            f"posture without {name}": lambda name=name: stood(days, replace(said, **{name: nothing}), settings)[2]  # type: ignore[misc]
            for name in PARTS
        },
        "posture without drawdown": lambda: stood(days, said, careless)[2],
    }


def in_the_market(way: Callable[[], Held]) -> Held:
    """What a way held; BadInput where its exposure is no number, or always nothing."""
    found = way()
    if not np.isfinite(found.exposure).all() or not np.isfinite(found.returns).all():
        raise BadInput("its exposure or what it earned was no number; expected numbers")
    if not found.exposure.any():
        raise BadInput("it was never in the market")
    return found


def standing(name: str, way: Held, others: Mapping[str, Held], seed: int) -> HeldStanding:
    """What a way to hold was worth, by itself and less those that it is put beside."""
    less = {
        other: None if name == other or other not in others else less_of(way.returns, others[other].returns, seed)
        for other in (HOLDING, REGIME, TARGET)
    }
    return HeldStanding(
        name,
        of_a_year(sharpe_interval(way.returns, seed=seed)),
        way.drawdown,
        float(way.returns.std() * np.sqrt(YEAR)),
        float(way.returns.mean() * YEAR),
        way.turnover,
        less[HOLDING],
        less[REGIME],
        less[TARGET],
        way,
    )


def less_of(first: Floats, second: Floats, seed: int) -> Interval:
    """A Sharpe ratio less another, a year; nothing, for sure, where both earned the same."""
    if np.allclose(first, second, rtol=1e-9, atol=1e-9):
        return Interval(0.0, 0.0, 0.0, 1.0, 0.95, 1.0, 0)
    return of_a_year(difference_interval(first, second, sharpe=True, seed=seed))


def of_a_year(daily: Interval) -> Interval:
    """A Sharpe ratio, or a difference of two, a day as one a year."""
    root = float(np.sqrt(YEAR))
    return Interval(daily.estimate * root, daily.low * root, daily.high * root, daily.p, daily.level, daily.block, daily.draws)
