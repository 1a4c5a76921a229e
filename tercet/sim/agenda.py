"""The crowd's agenda: what comes next, and when. Business time is the crowd's own, in which its rates are constant; the season and the
regime are its pace against the clock.
"""

import numpy as np

from tercet.compiled import compiled
from tercet.sim.wheel import find

FOREVER = np.iinfo(np.int64).max


@compiled(forceinline=True)
def clock_of(clock, business):
    """The clock time at which business time is `business`, if the present pace lasts till then."""
    return clock.from_clock + int((business - clock.from_business) * clock.slowness)


@compiled
def business_of(clock, now):
    """The business time at a clock time of the present pace, or the present one where that is later."""
    return max(clock.business, clock.from_business + int((now - clock.from_clock) * clock.pace))


@compiled(forceinline=True)
def turn(sim):
    """Go over to the next part of the day, when the present one ends."""
    clock = sim.clock
    clock.from_business += int((clock.until - clock.from_clock) * clock.pace)
    clock.from_clock = clock.until
    pace_from(sim, clock.until)


@compiled
def change_pace(sim):
    """Take over another pace now, because the regime has changed."""
    clock = sim.clock
    clock.from_clock = max(clock.from_clock, sim.now)
    clock.from_business = clock.business
    pace_from(sim, clock.from_clock)


@compiled
def pace_from(sim, now):
    """Set the pace of the part of the day that clock time `now` lies in, and when that ends. Before the start it is even."""
    crowd, clock = sim.crowd, sim.clock
    regime_pace = crowd.regimes[sim.regime].pace
    if now < clock.starts:
        clock.pace = regime_pace
        clock.slowness = 1.0 / clock.pace
        clock.until = clock.starts
        return
    parts = len(crowd.season)
    width = (crowd.close - crowd.open) // parts
    place = min(max((now - crowd.open) // width, 0), parts - 1)
    clock.pace = crowd.season[place] * regime_pace
    clock.slowness = 1.0 / clock.pace
    clock.until = crowd.open + (place + 1) * width if place < parts - 1 else FOREVER


@compiled(forceinline=True)
def schedule(sim):
    """Find out what the crowd does next, and when."""
    clock, wheel = sim.clock, sim.wheel
    while wheel.due == 0 and wheel.due_time < clock.candidate:
        find(wheel)
    due = min(wheel.due_time, clock.candidate)
    time = clock_of(clock, due)
    while time >= clock.until:
        turn(sim)
        time = clock_of(clock, due)
    clock.next = max(time, sim.now)
