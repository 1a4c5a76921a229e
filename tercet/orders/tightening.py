"""What a posture leaves of the limits: shares of the largest order, of participation and of exposure, never more than all.

A HALT leaves no exposure, so that nothing but cancels and what reduces a position passes; of that as much at a time as in DEFENSIVE.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.execution import caps
from tercet.messages import Posture


class Shares(NamedTuple):
    """Of the limits, 0 to 1."""

    child: float = 1.0  # lots and value of one order
    participation: float = 1.0  # of a day's volume and of a window's
    gross: float = 1.0
    net: float = 1.0
    name: float = 1.0  # positions in one instrument


ALL: Final = Shares()
_EXPOSURE: Final = caps.EXPOSURE[caps.DEFENSIVE]
BLIND: Final = Shares(caps.CHILD[caps.DEFENSIVE], caps.PARTICIPATION[caps.DEFENSIVE], _EXPOSURE, _EXPOSURE, _EXPOSURE)
NOTHING: Final = BLIND._replace(gross=0.0, net=0.0, name=0.0)  # of exposure


def shares_of(posture: Posture) -> Shares:
    """What a posture leaves."""
    if posture.level == caps.HALT:
        return NOTHING
    return Shares(posture.child, posture.participation, posture.gross, posture.net, posture.name)


def worse(one: Shares, other: Shares) -> Shares:
    """The lesser of each."""
    return Shares(*map(min, one, other))


def tighten(scopes: NDArray[np.void], instruments: NDArray[np.void], shares: Shares) -> None:
    """Scale limits that stand in the gate's records; of none (inf) a share is none, but no share of it is 0."""
    scopes["most_gross"] = _scaled(scopes["most_gross"], shares.gross)
    scopes["most_net"] = _scaled(scopes["most_net"], shares.net)
    for name, share in (
        ("most_lots", shares.child),
        ("most_value", shares.child),
        ("adv_share", shares.participation),
        ("volume_share", shares.participation),
        ("most_position", shares.name),
        ("most_firm_position", shares.name),
    ):
        instruments[name] = _scaled(instruments[name], share)


def _scaled(limits: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    return limits * share if share > 0.0 else np.zeros_like(limits)
