"""What each state of the posture allows, as shares of what is allowed in NORMAL: the one table that risk, execution and the gate read.

`level` is 0 to 3; a VIEW carries it as `posture` = level / 3. In between counts as the worse one.
"""

import math
from typing import Final

from tercet.compiled import compiled

NORMAL, CAUTIOUS, DEFENSIVE, HALT = range(4)
STATES: Final = ("NORMAL", "CAUTIOUS", "DEFENSIVE", "HALT")
PARTICIPATION: Final = (1.0, 0.75, 0.5, 0.0)  # of a parent's highest
CHILD: Final = (1.0, 0.5, 0.25, 0.0)  # of the largest child order; a parent worked by compiled code: of all its lots
PASSIVE: Final = (0.0, 0.25, 0.5, 1.0)  # of what is left of a parent, least share that one child may not cross with
EXPOSURE: Final = (1.0, 0.75, 0.4, 0.0)  # of gross and net exposure, and of that to one name


@compiled
def level_of(posture):
    """The state that a posture from 0 to 1 stands for; what is no number is a HALT."""
    if not posture <= 1.0:
        return HALT
    return max(math.ceil(HALT * posture - 1e-9), NORMAL)


@compiled
def most_participation(view):
    """Own lots / all lots since the start, at most: the parent's, as far as the posture leaves it."""
    return view.most * PARTICIPATION[level_of(view.posture)]


@compiled
def largest_child(view):
    """Lots of one child, at most."""
    share = CHILD[level_of(view.posture)]
    return max(int(share * view.lots), 1) if share > 0.0 else 0


@compiled
def most_crossing(view):
    """Lots with which one child may cross the spread, at most: rounded up, so that the last one can."""
    return math.ceil((1.0 - PASSIVE[level_of(view.posture)]) * (view.lots - view.filled))


@compiled
def halted(view):
    """Whether the posture lets nothing new be sent."""
    return level_of(view.posture) == HALT
