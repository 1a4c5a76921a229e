"""The closed-form policies. Each slice of the horizon has a share of the parent; what is due is crossed, or posted first.

A *schedule* says what share of the parent should be done by a share of the horizon; a *style* says how a slice is worked:
`patience` is the share of a slice that its lots may rest at the near touch before they cross (0 crosses at once, 1 waits for
the slice's end).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tercet.book.records import CANCELLING, FREE, RESTING
from tercet.compiled import compiled
from tercet.execution.policy import Policy, cross, move, policy, post, withdraw
from tercet.execution.view import CURVE_STEPS
from tercet.market.events import BUY

TWAP, VWAP, ALMGREN_CHRISS = 0, 1, 2
DEFAULT_RATE = 0.1  # of the market's volume, where no other day tells what to expect


@dataclass(frozen=True)
class SliceSettings:
    """How a schedule is cut into slices and how a slice is worked."""

    slices: int = field(default=30, metadata={"help": "slices over the horizon, at most one a decision"})
    patience: float = field(default=0.0, metadata={"help": "share of a slice that its lots may rest before they cross"})
    kappa_t: float = field(default=2.0, metadata={"help": "Almgren-Chriss urgency, kappa times the horizon"})
    repeg: bool = field(default=True, metadata={"help": "follow the near touch when outbid"})


@compiled
def share_done(schedule, view, kappa_t, elapsed):
    """The share of the parent that a schedule has done by a share of the horizon.

    ALMGREN_CHRISS: 1 - sinh(kappa (T - t)) / sinh(kappa T) (Almgren & Chriss 2000, eq. 18).
    """
    elapsed = min(max(elapsed, 0.0), 1.0)
    if schedule == VWAP:
        place = elapsed * CURVE_STEPS
        below = min(int(place), CURVE_STEPS - 1)
        return view.curve[below] + (place - below) * (view.curve[below + 1] - view.curve[below])
    if schedule == ALMGREN_CHRISS and kappa_t > 0.0:
        return 1.0 - math.sinh(kappa_t * (1.0 - elapsed)) / math.sinh(kappa_t)
    return elapsed


@compiled
def near_touch(view):
    """The best tick of the parent's own side."""
    return view.bid if view.side == BUY else view.ask


@compiled
def first_own(view):
    """The place of our first order that is not FREE, or -1."""
    for i in range(len(view.own)):
        if view.own[i].state != FREE:
            return i
    return -1


@compiled
def pull_or_cross(view, pad, wanted):
    """Bring what is filled up to `wanted` lots: first take back what rests, and once nothing is open, cross what is missing."""
    place = first_own(view)
    if place >= 0:
        return withdraw(pad, 0, view.own[place]) if view.own[place].state == RESTING else 0
    return cross(view, pad, 0, wanted - view.filled) if wanted > view.filled else 0


@compiled
def rest_and_follow(view, pad, wanted, repeg):
    """Keep `wanted - filled` lots at the near touch; with `repeg`, move up when outbid."""
    place = first_own(view)
    if place < 0:
        return post(view, pad, 0, wanted - view.filled, near_touch(view)) if wanted > view.filled else 0
    own = view.own[place]
    if own.state == CANCELLING or own.slot == 0:
        return 0
    if repeg and (near_touch(view) - own.tick) * view.side > 0:
        return move(pad, 0, own, near_touch(view))
    missing = wanted - view.filled - view.open
    return post(view, pad, 0, missing, near_touch(view)) if missing > 0 else 0


@compiled
def work_slice(schedule, view, pad):
    """Work the present slice of a schedule in its style."""
    patience, kappa_t, repeg = pad.settings[1], pad.settings[2], pad.settings[3]
    slices = max(1.0, min(pad.settings[0], (view.end - view.start) // view.step))
    into = view.elapsed * slices
    now = int(into + 1e-9)
    must = int(view.lots * share_done(schedule, view, kappa_t, now / slices) + 1e-9)
    may = int(view.lots * share_done(schedule, view, kappa_t, (now + 1) / slices) + 0.5)
    if into - now >= patience:
        return pull_or_cross(view, pad, may)
    if must > view.filled:
        return pull_or_cross(view, pad, must)
    return rest_and_follow(view, pad, may, repeg != 0.0)


@policy
def immediate(view, pad):
    """All at once, at the first decision."""
    return pull_or_cross(view, pad, view.lots)


@policy
def twap(view, pad):
    """Equal shares in equal times."""
    return work_slice(TWAP, view, pad)


@policy
def vwap(view, pad):
    """Shares in step with the volume expected, by the curve that the parent carries."""
    return work_slice(VWAP, view, pad)


@policy
def almgren_chriss(view, pad):
    """The efficient frontier's trajectory."""
    return work_slice(ALMGREN_CHRISS, view, pad)


@policy
def pov(view, pad):
    """A share of what the market trades: what would finish on the volume expected, or settings[0] where none is."""
    rate = view.lots / view.expected_lots if view.expected_lots > 0.0 else pad.settings[0]
    return pull_or_cross(view, pad, min(view.lots, int(rate * view.market_lots)))


@policy
def submit_and_leave(view, pad):
    """One limit order for all at the near touch, left there (Nevmyvaka, Kearns, Papandreou & Sycara 2005).

    What a cap has not let it send follows at the same price.
    """
    if pad.memory[0] == 0.0:
        pad.memory[0] = near_touch(view)
    missing = view.lots - view.filled - view.open
    return post(view, pad, 0, missing, int(pad.memory[0])) if missing > 0 else 0


@policy
def passive(view, pad):
    """All of it at the near touch, moving up when outbid."""
    return rest_and_follow(view, pad, view.lots, True)


@policy
def nothing(view, pad):
    """Nothing: the completion at the end is all that trades. The control of every comparison."""
    return 0


def _sliced(decide: Any, **changes: Any) -> Callable[[str], Policy]:
    settings = SliceSettings(**changes)
    row = (float(settings.slices), settings.patience, settings.kappa_t, float(settings.repeg))
    return lambda name: Policy(name, decide, row)


POLICIES: dict[str, Callable[[str], Policy]] = {
    "immediate": lambda name: Policy(name, immediate),
    "twap": _sliced(twap),
    "twap-passive": _sliced(twap, patience=1.0, repeg=False),
    "vwap": _sliced(vwap),
    "pov": lambda name: Policy(name, pov, (DEFAULT_RATE,)),
    "submit-and-leave": lambda name: Policy(name, submit_and_leave),
    "passive": lambda name: Policy(name, passive),
    "passive-then-cross": _sliced(twap, slices=5, patience=0.8),
    "almgren-chriss": _sliced(almgren_chriss),
    "nothing": lambda name: Policy(name, nothing),
}


def by_name(name: str) -> Policy:
    """The shipped policy of that name; raises KeyError with the names that there are."""
    if name not in POLICIES:
        raise KeyError(f"policy was {name!r}; expected one of {' '.join(POLICIES)}")
    return POLICIES[name](name)
