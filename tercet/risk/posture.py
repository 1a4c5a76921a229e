"""One posture from all that is forecast: how boldly to act, as a multiplier and as one of four states with hard caps.

The multiplier aims at a volatility, the same in every market; the state compares a market with what is usual of it, so that a restless
market is not always DEFENSIVE, nor a quiet one always NORMAL. A worse input never makes either bolder, whatever came before; what is
stale or no number makes them at least DEFENSIVE.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.execution import caps
from tercet.execution.caution import latch
from tercet.messages import Posture
from tercet.signals.series import Floats


class State(IntEnum):
    """From bold to nothing at all."""

    NORMAL = caps.NORMAL
    CAUTIOUS = caps.CAUTIOUS
    DEFENSIVE = caps.DEFENSIVE
    HALT = caps.HALT


@dataclass(frozen=True)
class Caps:
    """What may be done in a state, as shares of what may be done in NORMAL."""

    participation: float = field(metadata={"help": "of a parent's highest participation"})
    child: float = field(metadata={"help": "of the largest child order"})
    passive: float = field(metadata={"help": "of what is left of a parent, least share that one child may not cross with"})
    gross: float = field(metadata={"help": "of gross exposure"})
    net: float = field(metadata={"help": "of net exposure"})
    name: float = field(metadata={"help": "of exposure to one name"})


CAPS: Final[Mapping[State, Caps]] = {
    state: Caps(caps.PARTICIPATION[state], caps.CHILD[state], caps.PASSIVE[state], *3 * (caps.EXPOSURE[state],)) for state in State
}


@dataclass(frozen=True)
class Usual:
    """What is usual of a market, as it could be known at the time."""

    volatility: float = field(metadata={"help": "of a year, percent"})
    stress: float = field(default=0.0, metadata={"help": "probability of a crash, 0 to below 1"})
    drawdown: float = field(default=0.0, metadata={"help": "share lost since the peak, 0 to below 1"})

    def known(self) -> bool:
        """Whether all of it can be usual."""
        return 0.0 < self.volatility < float("inf") and 0.0 <= self.stress < 1.0 and 0.0 <= self.drawdown < 1.0


@dataclass(frozen=True)
class Risks:
    """What is forecast, and how late it is. Every number is worse when it is greater; NaN is as bad as stale."""

    volatility: float = field(metadata={"help": "of a year, percent"})
    shortfall: float = field(metadata={"help": "expected loss of a day beyond its 5% quantile, percent, above 0"})
    drawdown: float = field(metadata={"help": "share lost since the peak, 0 to 1"})
    stress: float = field(metadata={"help": "probability of a crash, 0 to 1"})
    width: float = field(metadata={"help": "of the forecast's interval, over the widest usual one, less 1; 0 or more"})
    late_s: float = field(default=0.0, metadata={"help": "seconds since the newest input was known"})
    usual: Usual | None = field(default=None, metadata={"help": "of the market; None: a state is measured by the multiplier's own aims"})


NUMBERS: Final = tuple(one.name for one in fields(Risks) if one.name != "usual")


@dataclass(frozen=True)
class PostureSettings:
    """What is aimed at, and when a state begins and ends."""

    volatility: float = field(default=8.0, metadata={"help": "of a year that is aimed at, percent"})
    shortfall: float = field(default=1.6, metadata={"help": "of a day that is aimed at, percent"})
    drawdown_begins: float = field(default=0.1, metadata={"help": "from which exposure falls"})
    drawdown_ends: float = field(default=0.4, metadata={"help": "at which least of it is left"})
    least: float = field(default=0.2, metadata={"help": "that a drawdown alone leaves: without any, nothing would be earned back"})
    stress: float = field(default=1.0, metadata={"help": "share of exposure that a certain crash takes"})
    calm: float = field(default=1.4, metadata={"help": "times a market's usual volatility, up to which it is calm"})
    enters: tuple[float, float, float] = field(default=(0.8, 0.45, 0.05), metadata={"help": "calm, 0 to 1, below which states 1-3 begin"})
    margin: float = field(default=0.1, metadata={"help": "above those that a state may end"})
    dwell: int = field(default=5, metadata={"help": "updates in a row above it that a state takes to end"})
    stale_s: float = field(default=4.5 * 86_400, metadata={"help": "seconds after which inputs are stale: a long weekend"})

    def __post_init__(self) -> None:
        """Refuse what is no order of states."""
        rising = 1.0 >= self.enters[0] > self.enters[1] > self.enters[2] >= 0.0
        if not (rising and self.margin >= 0 and self.dwell >= 1 and self.volatility > 0 and self.shortfall > 0 and self.stale_s > 0):
            raise BadInput(f"{self}; expected enters that fall from 1 or less to 0 or more, aims above 0, margin >= 0 and dwell >= 1")
        if not 0.0 < self.calm < float("inf"):
            raise BadInput(f"calm was {self.calm}; expected how many times the usual volatility is nothing unusual, such as 1.4")
        if not 0.0 <= self.drawdown_begins < self.drawdown_ends <= 1.0 or not 0.0 <= self.least <= 1.0 or not 0.0 <= self.stress <= 1.0:
            raise BadInput(f"{self}; expected 0 <= drawdown_begins < drawdown_ends <= 1, least and stress from 0 to 1")


def multiplier(risks: Risks, settings: PostureSettings) -> float:
    """Share of full exposure, 0 to 1: min(σ*/σ̂, ES*/ÊS, drawdown throttle, 1 − κ·P(stress), 1/(1 + width)); NaN: unknown."""
    if unknown(risks):
        return float("nan")
    gone = (risks.drawdown - settings.drawdown_begins) / (settings.drawdown_ends - settings.drawdown_begins)
    shares = (
        1.0,
        settings.volatility / max(risks.volatility, settings.volatility),
        settings.shortfall / max(risks.shortfall, settings.shortfall),
        1.0 - (1.0 - settings.least) * min(max(gone, 0.0), 1.0),
        1.0 - settings.stress * min(max(risks.stress, 0.0), 1.0),
        1.0 / (1.0 + max(risks.width, 0.0)),
    )
    return min(shares)


def against_usual(risks: Risks, settings: PostureSettings) -> Risks:
    """The risks in units of what is usual of their market: what its state is told from.

    `calm` times the usual volatility counts as the volatility that is aimed at, and the shortfall in proportion; of stress and drawdown
    counts what they are above the usual, as a share of what they can be above it.
    """
    if (usual := risks.usual) is None:
        return risks
    scale = settings.volatility / (settings.calm * usual.volatility)
    return replace(
        risks,
        volatility=scale * risks.volatility,
        shortfall=scale * risks.shortfall,
        stress=beyond(risks.stress, usual.stress),
        drawdown=beyond(risks.drawdown, usual.drawdown),
        usual=None,
    )


def beyond(value: float, usual: float) -> float:
    """How far a share lies above the usual one, of all that it can: 0 to 1."""
    return max(value - usual, 0.0) / (1.0 - usual)


def unknown(risks: Risks) -> list[str]:
    """The names of inputs that are no risk: NaN, or below 0. Infinity is one, the worst."""
    wrong = [name for name in NUMBERS if not getattr(risks, name) >= 0]
    return wrong if risks.usual is None or risks.usual.known() else [*wrong, "usual"]


class Stance:
    """The posture while time goes on: a latch a state.

    Each is set at once where calm, the multiplier of risks `against_usual`, falls below its threshold, and let go when it has been a margin
    above it for `dwell` updates in a row. The state is the worst that is set: so it neither flaps, nor does a worse history ever end in a
    milder one. The multiplier comes back in the same steps: where it has fallen below a threshold itself, it stays within that state's
    share of gross exposure until it has been a margin above it for as long.
    """

    def __init__(self, settings: PostureSettings | None = None) -> None:
        """As if nothing had ever been wrong."""
        self.settings = settings or PostureSettings()
        self._left = np.zeros((2, 3), np.int64)  # updates until each latch is let go, of the state and of the size; 0: not set
        self._enters = np.array(self.settings.enters)
        self._leaves = np.minimum(self._enters + self.settings.margin, 1.0)

    def update(self, time: int, risks: Risks) -> Posture:
        """The posture at `time`, ns, from what is forecast then."""
        share, calm, size, cause = self._shares(risks)
        state, step = (
            State(latch(left, value, self._enters, self._leaves, self.settings.dwell))
            for left, value in zip(self._left, (calm, share), strict=True)
        )
        allowed = CAPS[state]
        return Posture(
            time=time,
            state=state.name,
            level=int(state),
            multiplier=min(share, allowed.gross, CAPS[step].gross),
            participation=allowed.participation,
            child=allowed.child,
            passive=allowed.passive,
            gross=allowed.gross,
            net=allowed.net,
            name=allowed.name,
            reason=size if state == State.NORMAL or cause in (size, "none") else f"{size}; {state.name} by {cause}",
        )

    def _shares(self, risks: Risks) -> tuple[float, float, str, str]:
        """The multiplier and calm, and what has set each; the unknown counts as the middle of DEFENSIVE, or worse where the rest is."""
        blind, how = unknown(risks), self.settings
        if not blind and risks.late_s <= how.stale_s:
            measured = against_usual(risks, how)
            return multiplier(risks, how), multiplier(measured, how), binding(risks, how), binding(measured, how)
        known: dict[str, Any] = {name: None if name == "usual" else 0.0 for name in blind}
        rest = replace(risks, **known)
        middle = 0.5 * (how.enters[1] + how.enters[2])
        reason = f"blind: {', '.join(blind) or late(risks.late_s)}"
        return min(middle, multiplier(rest, how)), min(middle, multiplier(against_usual(rest, how), how)), reason, reason


def late(seconds: float) -> str:
    """How late the newest input is, in words."""
    return f"{seconds / 86_400:.1f} days late" if seconds >= 2 * 86_400 else f"{seconds / 3600:.1f} hours late"


def binding(risks: Risks, settings: PostureSettings) -> str:
    """The input that sets the multiplier; none where it is 1."""
    calm = {"volatility": 0.0, "shortfall": 0.0, "drawdown": 0.0, "stress": 0.0, "width": 0.0}
    alone = {name: multiplier(Risks(**(calm | {name: getattr(risks, name)})), settings) for name in calm}
    worst = min(alone, key=lambda name: alone[name])
    return worst if alone[worst] < 1.0 else "none"


def walked(time: NDArray[np.int64], risks: list[Risks], settings: PostureSettings | None = None) -> tuple[list[Posture], Floats]:
    """The posture at each time, in order, and its multiplier (n,)."""
    stance = Stance(settings)
    found = [stance.update(int(now), one) for now, one in zip(time, risks, strict=True)]
    return found, np.array([one.multiplier for one in found])
