"""CAUTION: how close a market is to a crash, from what its book and flow show, every second; and the posture that follows at once.

Each indicator compares the market with its own last minutes, so that none has a unit; each is worse when greater, and sees buyers as it
sees sellers. Weights that are 0 or more fuse them to log-odds of stress. Against those every state has a latch (see `latch`).
Sources: drift burst, Christensen, Oomen & Renò (2022); order-flow imbalance, Cont, Kukanov & Stoikov (2014).
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tercet.book.flow import SHORT_S
from tercet.book.queries import depth
from tercet.compiled import compiled
from tercet.execution.caps import DEFENSIVE, HALT, NORMAL
from tercet.market.events import BUY, SELL

SECOND: Final = 1_000_000_000
LEVELS: Final = 5  # of the book whose depth counts
FAST_S, MIDDLE_S, SLOW_S = 5.0, 60.0, 1800.0  # e-folding times of what is now, of what has gathered, and of what is usual
PACE_S: Final = 15.0  # of what trades now
CLIP: Final = 3.0  # usual deviations beyond which the usual does not follow what is now
WORST: Final = 10.0  # of an indicator, beyond which it says nothing more

INDICATORS: Final = (
    ("depth", "log of usual lots over those now, of the thinner side's five best levels"),
    ("spread", "spread less the usual one, in usual deviations"),
    ("volatility", "log of volatility over seconds by the usual"),
    ("order_flow", "order-flow imbalance of a minute, either way, by its usual size"),
    ("signed_volume", "aggressor-signed volume of a minute, either way, by its usual size: a large trader shows by persistence"),
    ("drift", "the mid's move of a minute, either way, by its usual size"),
    ("drift_burst", "the same by the root of the sum of its squared steps"),
    ("excitation", "log of volume over seconds by the usual: trades excite trades"),
    ("one_sided", "order flow, signed volume and drift with their signs, averaged, either way"),
)
COUNT: Final = len(INDICATORS)
THIN, WIDE, RESTLESS, FLOW, SIGNED, MOVED, BUSY = range(7)  # what there is a usual size of

CAUTION: Final = np.dtype(
    [
        ("every", np.int64),  # ns between updates
        ("next", np.int64),  # time of the next
        ("time", np.int64),  # of the last; 0: none yet
        ("elapsed", np.float64),  # seconds since the first
        ("warm", np.float64),  # of them that it takes to know what is usual
        ("heard", np.int64),  # messages of the market so far,
        ("heard_time", np.int64),  # and when the last of them came
        ("stale", np.int64),  # ns without one, after which what is seen is stale
        ("mid", np.float64),
        ("signed_seen", np.float64),  # FLOW's sums at the last update
        ("flow_seen", np.float64),
        ("volume_seen", np.float64),
        ("thin", np.float64),  # decayed: FAST
        ("wide", np.float64),
        ("busy", np.float64),  # PACE
        ("signed", np.float64),  # sums: MIDDLE
        ("flow", np.float64),
        ("moved", np.float64),
        ("squares", np.float64),
        ("usual", np.float64, 7),  # SLOW
        ("deviation", np.float64, 7),
        ("weights", np.float64, COUNT),
        ("intercept", np.float64),
        ("enters", np.float64, 3),  # calm, log-odds against stress, below which states 1 to 3 begin
        ("leaves", np.float64, 3),  # calm from which they may end
        ("dwell", np.int64),  # updates in a row that ending takes
        ("left", np.int64, 3),
        ("indicators", np.float64, COUNT),
        ("score", np.float64),  # log-odds of stress
        ("pressure", np.float64),  # `one_sided` with its sign: above 0 buying
        ("blind", np.int64),  # what is seen does not suffice
        ("level", np.int64),
        ("ticks", np.int64, LEVELS),  # room to read the book into
        ("lots", np.int64, LEVELS),
    ],
    align=True,
)


@dataclass(frozen=True)
class CautionSettings:
    """Weights and thresholds, and how states end.

    Fitted by `tercet risk evaluate warning --data crowd:crash` on its training sessions: CAUTIOUS begins above the score of all but 0.1% of
    quiet seconds, DEFENSIVE of all but 0.01%, HALT above the highest of any session, crashes among them: at what was never seen. They
    are that crowd's: another market wants thresholds of its own quiet days (`risk/detectors.py`, own_thresholds).
    """

    weights: tuple[float, ...] = field(
        default=(1.1858, 0.1003, 1.3158, 0.5483, 0.1342, 0.1431, 0.0, 2.872, 0.0), metadata={"help": "of the indicators, 0 or more"}
    )
    intercept: float = field(default=-2.5403, metadata={"help": "log-odds of stress where every indicator is 0"})
    enters: tuple[float, float, float] = field(
        default=(3.58, 4.673, 13.533), metadata={"help": "log-odds of stress above which states begin"}
    )
    margin: float = field(default=1.0, metadata={"help": "below those that a state may end"})
    dwell: int = field(default=30, metadata={"help": "updates in a row below it that ending takes"})
    every_s: float = field(default=1.0, metadata={"help": "seconds between updates"})
    warm_s: float = field(default=240.0, metadata={"help": "seconds without which nothing is usual: until then DEFENSIVE"})
    stale_s: float = field(default=30.0, metadata={"help": "seconds without a message of the market, after which it is DEFENSIVE"})

    def __post_init__(self) -> None:
        """Refuse what would not be monotone, or is no order of states."""
        if len(self.weights) != COUNT or not all(0.0 <= one < float("inf") for one in self.weights):
            raise ValueError(f"weights were {self.weights}; expected {COUNT} numbers, 0 or more")
        if not self.enters[0] <= self.enters[1] < self.enters[2] < float("inf") or not self.margin >= 0 or self.dwell < 1:
            raise ValueError(f"{self}; expected enters that do not fall and rise to the last, margin >= 0 and dwell >= 1")
        if not (self.every_s > 0 and self.warm_s >= 0 and self.stale_s > 0 and math.isfinite(self.intercept)):
            raise ValueError(f"{self}; expected times above 0")

    def begun(self, opens: int) -> Any:
        """A CAUTION, (1,), that has seen nothing and looks first one update after `opens`, ns."""
        rows = np.zeros(1, CAUTION).view(np.recarray)
        made = rows[0]
        made.every, made.warm, made.stale = int(self.every_s * SECOND), self.warm_s, int(self.stale_s * SECOND)
        made.next = opens + made.every
        made.weights[:], made.intercept = self.weights, self.intercept
        made.enters[:], made.leaves[:], made.dwell = -np.array(self.enters), self.margin - np.array(self.enters), self.dwell
        made.blind, made.level = 1, DEFENSIVE
        return rows


POSTURES: Final = {"off": None, "intraday": CautionSettings()}  # what watches a market, in a word: nobody, or the shipped settings


@compiled
def latch(left, value, enters, leaves, dwell):
    """Which of states 1 to 3 holds, by a value of which less is worse; 0: none.

    Each is set at once where the value falls below `enters`, and let go once it has been at `leaves` or above `dwell` times in a row;
    `left` counts them down. The worst that is set holds: it does not flap, and a worse history never ends in a milder state.
    """
    level = NORMAL
    for place in range(len(left)):
        if not value >= enters[place]:
            left[place] = dwell
        elif left[place] > 0:
            left[place] = left[place] - 1 if value >= leaves[place] else dwell
        if left[place] > 0:
            level = place + 1
    return level


@compiled
def update(caution, book, flow, heard, now):
    """Take in what a market shows at `now`: its book, its FLOW, and how many messages it has had."""
    thinner = min(lots_of(caution, book, BUY), lots_of(caution, book, SELL))
    passed = (now - flow.time) * 1e-9
    fresh = math.exp(-max(passed, 0.0) / SHORT_S)  # FLOW forgets when it is next written
    if heard != caution.heard:
        caution.heard, caution.heard_time = heard, now
    take_in(
        caution,
        now,
        0.5 * (flow.bid + flow.ask),
        1.0 * (flow.ask - flow.bid),
        1.0 * thinner,
        flow.signed * fresh,
        flow.imbalance * fresh,
        flow.volume * fresh,
        flow.variance_short * fresh,
    )


@compiled
def lots_of(caution, book, side):
    """Lots over the best LEVELS of a side."""
    total = 0
    for i in range(depth(book, side, caution.ticks, caution.lots)):
        total += caution.lots[i]
    return total


@compiled
def take_in(caution, now, mid, spread, thinner, signed, order_flow, volume, variance):
    """Take in numbers of a market at `now`: prices in ticks, lots, FLOW's sums decayed up to now."""
    known = mid - mid + spread + thinner + signed + order_flow + volume + variance
    sound = known - known == 0.0 and spread > 0.0 and mid > 0.0
    passed = (now - caution.time) * 1e-9 if caution.time != 0 else 0.0
    caution.blind = not sound or now - caution.heard_time > caution.stale or caution.elapsed + passed < caution.warm
    if sound:
        first = caution.time == 0
        caution.elapsed += min(passed, 2e-9 * caution.every)  # what was not looked at is not usual
        caution.time = now
        gather(caution, passed, first, mid, spread, thinner, signed, order_flow, volume)
        weigh(caution, passed, variance)
    calm = -caution.score
    if caution.blind:  # as bad as the middle of DEFENSIVE, or worse where what is known is
        calm = min(calm, 0.5 * (caution.enters[DEFENSIVE - 1] + caution.enters[HALT - 1]))
    caution.level = latch(caution.left, calm, caution.enters, caution.leaves, caution.dwell)


@compiled
def gather(caution, passed, first, mid, spread, thinner, signed, order_flow, volume):
    """Let what is now and what has gathered forget `passed` seconds, and add the present."""
    short, fast, middle = math.exp(-passed / SHORT_S), math.exp(-passed / FAST_S), math.exp(-passed / MIDDLE_S)
    pace = math.exp(-passed / PACE_S)
    if first:
        fast, pace, caution.mid = 0.0, 0.0, mid
        caution.signed_seen, caution.flow_seen, caution.volume_seen = signed, order_flow, volume
    moved = mid - caution.mid
    caution.mid = mid
    caution.thin = fast * caution.thin + (1.0 - fast) * thinner
    caution.wide = fast * caution.wide + (1.0 - fast) * spread
    caution.busy = pace * caution.busy + (1.0 - pace) * (volume - short * caution.volume_seen) / max(passed, 1e-3)
    caution.signed = middle * caution.signed + signed - short * caution.signed_seen
    caution.flow = middle * caution.flow + order_flow - short * caution.flow_seen
    caution.moved = middle * caution.moved + moved
    caution.squares = middle * middle * caution.squares + moved * moved
    caution.signed_seen, caution.flow_seen, caution.volume_seen = signed, order_flow, volume


@compiled
def weigh(caution, passed, variance):
    """Compare what is with what was usual before, fuse it, and let the usual learn from it."""
    usual, out = caution.usual, caution.indicators
    flow = caution.flow / max(usual[FLOW], 1.0)
    signed = caution.signed / max(usual[SIGNED], 1.0)
    moved = caution.moved / max(usual[MOVED], 0.25)
    out[0] = math.log((usual[THIN] + 1.0) / (caution.thin + 1.0))
    out[1] = (caution.wide - usual[WIDE]) / (caution.deviation[WIDE] + 0.05)
    out[2] = 0.5 * math.log((variance + 0.01) / (usual[RESTLESS] + 0.01))
    out[3] = abs(flow)
    out[4] = abs(signed)
    out[5] = abs(moved)
    out[6] = abs(caution.moved) / (math.sqrt(caution.squares) + 0.5)
    out[7] = math.log((max(caution.busy, 0.0) + 1.0) / (usual[BUSY] + 1.0))
    caution.pressure = (flow + signed + moved) / 3.0
    out[8] = abs(caution.pressure)
    score = caution.intercept
    for i in range(len(out)):
        score += caution.weights[i] * min(max(out[i], 0.0), WORST)
    caution.score = score
    learn(caution, passed, THIN, caution.thin)
    learn(caution, passed, WIDE, caution.wide)
    learn(caution, passed, RESTLESS, variance)
    learn(caution, passed, FLOW, abs(caution.flow))
    learn(caution, passed, SIGNED, abs(caution.signed))
    learn(caution, passed, MOVED, abs(caution.moved))
    learn(caution, passed, BUSY, max(caution.busy, 0.0))


@compiled
def learn(caution, passed, what, value):
    """Let the usual size of something follow a value: by the mean at first, then slowly, and never far at a time."""
    share = passed / caution.elapsed if caution.elapsed > 0.0 else 1.0
    share = max(share, 1.0 - math.exp(-passed / SLOW_S))
    off = value - caution.usual[what]
    if caution.elapsed > MIDDLE_S:
        bound = CLIP * caution.deviation[what]
        off = min(max(off, -bound), bound)
    caution.usual[what] += share * off
    caution.deviation[what] += share * (abs(off) - caution.deviation[what])
