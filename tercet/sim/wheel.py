"""WHEEL: what will happen at a time that is known already, lifetimes' ends and offspring, in a hashed timing wheel (Varghese & Lauck
1987). Timer k up to the book's last slot is the life of the order there; later ones are BIRTHs.

A timer waits in the bucket of its time's leading bits, with those of later turns of the wheel; entering, leaving and the next one
cost the same whether ten wait or a thousand.
"""

from functools import cache
from typing import Any, Final

import numpy as np

from tercet.compiled import compiled

BUCKETS: Final = 1024

TIMER: Final = np.dtype(
    [
        ("time", np.int64),  # business time, ns
        ("next", np.uint16),
        ("prev", np.uint16),
        ("mean", np.uint16),  # which of the crowd's exponential waits it is a draw of, for who draws it anew
        ("armed", np.uint16),
    ]
)
# What comes to life when its timer strikes.
BIRTH: Final = np.dtype([("key", np.uint64), ("next", np.uint16), ("what", np.uint8), ("side", np.int8)], align=True)


@cache
def wheel_dtype(timers: int, births: int) -> np.dtype[Any]:
    """A wheel for `timers` orders' lives and as many births as `births`."""
    return np.dtype(
        [
            ("cursor", np.int64),  # no timer waits in a bucket before this one
            ("due", np.uint32),  # the timer that strikes first, at due_time; 0: none does before then
            ("shift", np.int32),  # a bucket is 2**shift ns wide
            ("due_time", np.int64),
            ("free", np.uint32),  # first of the births given back
            ("used", np.uint32),  # births ever used
            ("refused", np.int64),  # births that found no room
            ("heads", np.uint16, BUCKETS),
            ("timers", TIMER, timers + births + 1),
            ("births", BIRTH, births + 1),
        ],
        align=True,
    )


@compiled(forceinline=True)
def arm(wheel, k, time, mean):
    """Let timer `k` strike at `time`, which is a draw of the crowd's wait number `mean`."""
    timer = wheel.timers[k]
    bucket = time >> wheel.shift
    place = bucket & (BUCKETS - 1)
    head = wheel.heads[place]
    timer.time = time
    timer.next = head
    timer.prev = 0
    timer.mean = mean
    timer.armed = 1
    if head != 0:
        wheel.timers[head].prev = k
    wheel.heads[place] = k
    wheel.cursor = min(wheel.cursor, bucket)
    if time < wheel.due_time:
        wheel.due = k
        wheel.due_time = time


@compiled(forceinline=True)
def disarm(wheel, k):
    """Take timer `k` off the wheel."""
    timer = wheel.timers[k]
    if timer.armed == 0:
        return
    timer.armed = 0
    if timer.prev != 0:
        wheel.timers[timer.prev].next = timer.next
    else:
        wheel.heads[(timer.time >> wheel.shift) & (BUCKETS - 1)] = timer.next
    if timer.next != 0:
        wheel.timers[timer.next].prev = timer.prev
    if wheel.due == k:
        wheel.due = 0


@compiled(forceinline=True)
def find(wheel):
    """Set `due` to the timer that strikes first; or, where none does for a whole turn of the wheel, to 0 and `due_time` to its end."""
    for _ in range(BUCKETS):
        k = wheel.heads[wheel.cursor & (BUCKETS - 1)]
        end = (wheel.cursor + 1) << wheel.shift
        first, due = end, 0
        while k != 0:
            time = wheel.timers[k].time
            if time < first:
                first = time
                due = int(k)
            k = wheel.timers[k].next
        wheel.due_time = first
        if due != 0:
            wheel.due = due
            return
        wheel.cursor += 1


@compiled(forceinline=True)
def conceive(wheel, first, what, side, key, time, mean):
    """Let something come to life at `time`; `first` is the timer of birth number 1. Returns whether there was room."""
    place = wheel.free
    if place != 0:
        wheel.free = wheel.births[place].next
    elif wheel.used + 1 < len(wheel.births):
        wheel.used += 1
        place = wheel.used
    else:
        wheel.refused += 1
        return False
    birth = wheel.births[place]
    birth.what = what
    birth.side = side
    birth.key = key
    arm(wheel, first + place - 1, time, mean)
    return True


@compiled
def forget(wheel, place):
    """Give back the place of a birth that has struck."""
    wheel.births[place].next = wheel.free
    wheel.free = place
