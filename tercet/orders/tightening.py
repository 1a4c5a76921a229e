"""What a posture leaves of the limits: shares of the largest order, of participation and of exposure, never more than all.

A HALT leaves no exposure, so that nothing but cancels and what reduces a position passes; of that as much at a time as in DEFENSIVE.
"""

from typing import Final, NamedTuple

from tercet.execution import caps
from tercet.messages import Posture


class Shares(NamedTuple):
    """Of the limits, 0 to 1."""

    child: float = 1.0  # lots and value of one order
    participation: float = 1.0  # of a day's volume and of a window's
    gross: float = 1.0
    net: float = 1.0
    name: float = 1.0  # positions in one instrument


def _at(state: int) -> Shares:
    most, exposure = min(state, caps.DEFENSIVE), caps.EXPOSURE[state]
    return Shares(caps.CHILD[most], caps.PARTICIPATION[most], exposure, exposure, exposure)


AT: Final = tuple(_at(state) for state in range(len(caps.STATES)))
ALL, BLIND, NOTHING = AT[caps.NORMAL], AT[caps.DEFENSIVE], AT[caps.HALT]  # NOTHING: of exposure


def shares_of(posture: Posture) -> Shares:
    """What a posture leaves."""
    if posture.level == caps.HALT:
        return NOTHING
    return Shares(posture.child, posture.participation, posture.gross, posture.net, posture.name)


def worse(one: Shares, other: Shares) -> Shares:
    """The lesser of each."""
    return Shares(*map(min, one, other))
