"""INTRADAY: the variance of the mid over the next seconds, from the season of the day and the mid's own last minutes, O(1) a tick.

Once a second the squared return of the mid over the last LAG seconds joins means that forget over LIVES. Returns so long that overlap
are the subsampled estimator of Zhang, Mykland & Aït-Sahalia (JASA 100, 2005): a flicker of the quote counts LAG times less than with
returns of a second, and not once for each flicker as with squared moves of the mid. The means, divided by the season, are a HAR
(Corsi 2009) in logarithms beside one that forgets over LONG. There are two opinions of its weights, mixed by how well each has done
today (exponential weights, Vovk 1990): those that it came with, and what recursive gamma regression, whose deviance is QLIKE, has made
of them label by label.
"""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled

STEP_NS: Final = 1_000_000_000
LAG: Final = 5  # seconds of a return
LIVES: Final = (10.0, 60.0, 300.0, 1800.0)  # e-folding times of the means, seconds
TERMS: Final = 1 + len(LIVES)
AHEAD: Final = 60  # seconds of a label
EVERY: Final = 10  # seconds between labels, which overlap
FIRST: Final = 60  # returns before which nothing is said of their means
STALE_NS: Final = 300 * STEP_NS  # without a tick, after which nobody knows the mid
PARTS: Final = 26  # of the day, in its season
LONG: Final = 7200.0  # e-folding time of the mean beside which they stand: as good as the whole day's, and another regime is forgotten
USUAL: Final = 600.0  # seconds of this day that weigh as much as what is usual
SOFT: Final = 0.02  # of the long mean, added to the others: a still minute is no logarithm of 0
NOISE: Final = 20.0  # variance of what happened over what was said, times labels that overlap
MOST: Final = 10.0  # of that ratio that is learned from
PACE: Final = 0.05  # of trust, a unit of QLIKE by which one opinion is better
HEARD: Final = 2.0  # most QLIKE of a label that trust listens to
LATER: Final = 40.0  # QLIKE by which what is learned has to be better before it is trusted as much as what was known
FAR: Final = 100.0  # most of all labels together: what was trusted can be doubted again
NEVER: Final = -(2**62)
_LONG_KEPT: Final = math.exp(-1.0 / LONG)
_KEPT: Final = tuple(math.exp(-1.0 / life) for life in LIVES)
_LOGS: Final = 8  # places of the last seconds' mids, a power of 2 above LAG
_TOTALS: Final = 64  # a power of 2 above AHEAD
_SLOTS: Final = 8  # labels that are not over, above AHEAD / EVERY

PARAMS: Final = np.dtype(
    [
        ("open", np.int64),  # ns
        ("close", np.int64),
        ("season", np.float64, PARTS),  # variance of each part of the day beside the day's mean
        ("before", np.float64, PARTS + 1),  # their sums
        ("usual", np.float64),  # bps² a second of earlier days, their season taken out; 0 where nobody knows
        ("weights", np.float64, TERMS),  # of a one and of each mean, before anything is learned
        ("doubt", np.float64, TERMS),  # their standard deviations; 0: never learned
    ],
    align=True,
)
INTRADAY: Final = np.dtype(
    [
        ("params", PARAMS),
        ("now", np.int64),  # ns, of the last tick, or up to which nothing more happened
        ("ticked", np.int64),  # ns, of the last tick
        ("begun", np.int64),  # 1 from the first tick on
        ("next", np.int64),  # ns, when the second ends
        ("mid", np.float64),  # 0: not quoted, or stale
        ("second", np.int64),  # that ends next, the opening is 0
        ("row", np.int64),  # with a mid, without a break
        ("returns", np.int64),
        ("long", np.float64),  # their squares / LAG, the season taken out, forgetting
        ("long_count", np.float64),
        ("sums", np.float64, len(LIVES)),  # the same
        ("counts", np.float64, len(LIVES)),
        ("total", np.float64),  # their squares / LAG, bps²
        ("logs", np.float64, _LOGS),  # log mids of the last seconds, bps
        ("totals", np.float64, _TOTALS),  # `total` after each of the last seconds
        ("weights", np.float64, TERMS),
        ("covariance", np.float64, (TERMS, TERMS)),  # of the weights
        ("worse", np.float64),  # QLIKE of labels by the weights learned, less that by those it came with, and LATER
        ("asked", np.int64, _SLOTS),  # second of each label's beginning
        ("said", np.float64, _SLOTS),  # log of level × season over the label
        ("terms", np.float64, (_SLOTS + 1, TERMS)),  # of each label; the last: of the newest question
        ("moved", np.float64, TERMS),
    ],
    align=True,
)


@compiled
def start(state):
    """Before the first tick; `state.params` but its `before` is filled already."""
    params = state.params
    for part in range(PARTS):
        params.before[part + 1] = params.before[part] + params.season[part]
    state.long_count = USUAL if params.usual > 0.0 else 0.0
    state.long = state.long_count * params.usual
    state.worse = LATER
    for i in range(TERMS):
        state.weights[i] = params.weights[i]
        state.covariance[i, i] = params.doubt[i] * params.doubt[i]
    for slot in range(_SLOTS):
        state.asked[slot] = NEVER


@compiled
def tick(state, time, mid):
    """The mid is `mid` from `time` on, not before the last tick's; 0 where the book is not quoted at both sides."""
    if state.begun == 0:
        state.begun = 1
        state.second = -((state.params.open - time) // STEP_NS)
        state.next = state.params.open + state.second * STEP_NS
    settle(state, time - 1)
    state.mid = mid
    state.ticked = time
    state.now = time


@compiled
def until(state, time):
    """Nothing more happens up to and including `time`."""
    if state.begun != 0:
        settle(state, time)
    state.now = time


@compiled
def settle(state, time):
    """Let the seconds end that are over by `time`."""
    while state.next <= time:
        if state.next - state.ticked > STALE_NS:
            state.mid = 0.0
        if state.mid > 0.0:
            quoted(state)
            passed = 1
        else:
            state.row = 0
            passed = (time - state.next) // STEP_NS + 1
        state.second += passed
        state.next += passed * STEP_NS


@compiled
def quoted(state):
    """A second ends with a mid."""
    second, log = state.second, 1e4 * math.log(state.mid)
    state.row += 1
    if state.row > LAG:
        r = log - state.logs[(second - LAG) & (_LOGS - 1)]
        returned(state, r * r / LAG)
    state.logs[second & (_LOGS - 1)] = log
    state.totals[second & (_TOTALS - 1)] = state.total
    if second % EVERY == 0:
        learn(state, second)
        ask(state, second)


@compiled
def returned(state, square):
    """A squared return, bps² a second, joins the means."""
    beside = square / state.params.season[part_of(state.params, state.next)]
    state.total += square
    state.long = state.long * _LONG_KEPT + beside
    state.long_count = state.long_count * _LONG_KEPT + 1.0
    state.returns += 1
    for i in range(len(LIVES)):
        state.sums[i] = state.sums[i] * _KEPT[i] + beside
        state.counts[i] = state.counts[i] * _KEPT[i] + 1.0


@compiled
def part_of(params, time):
    """Which part of the day a time is in: the first before its opening, the last after its close."""
    return min(max((time - params.open) * PARTS // (params.close - params.open), 0), PARTS - 1)


@compiled
def elapsed(params, time):
    """Seconds since the opening, each weighing what its season does; below 0 before."""
    length = (params.close - params.open) / PARTS
    part = part_of(params, time)
    return (params.before[part] + params.season[part] * ((time - params.open) / length - part)) * length * 1e-9


@compiled
def level(state):
    """Bps² a second, the season taken out: the long mean, which began with what is usual; NaN where nothing has moved."""
    if state.long_count <= 0.0 or (state.returns < FIRST and state.params.usual <= 0.0):
        return math.nan
    found = state.long / state.long_count
    return found if found > 0.0 else math.nan


@compiled
def measure(state, of, x):
    """Write the terms into `x`: one, and how far each mean is from the level `of`, in logarithms."""
    x[0] = 1.0
    for i in range(len(LIVES)):
        x[1 + i] = math.log(state.sums[i] / state.counts[i] / of + SOFT) if state.returns >= FIRST else 0.0


@compiled
def dot(x, y):
    """Σ xᵢyᵢ."""
    total = 0.0
    for i in range(TERMS):
        total += x[i] * y[i]
    return total


@compiled
def ask(state, second):
    """Keep what a label that begins now has to be explained by."""
    slot, of = second // EVERY % _SLOTS, level(state)
    if state.returns < FIRST or not of > 0.0:
        state.asked[slot] = NEVER
        return
    state.asked[slot] = second
    state.said[slot] = math.log(of * (elapsed(state.params, state.next + AHEAD * STEP_NS) - elapsed(state.params, state.next)))
    measure(state, of, state.terms[slot])


@compiled
def learn(state, second):
    """The label that began AHEAD seconds ago is over: its returns began with it or later."""
    began = second - AHEAD
    slot = began // EVERY % _SLOTS
    if state.asked[slot] != began or state.row <= AHEAD:
        return
    happened = (state.total - state.totals[(began + LAG - 1) & (_TOTALS - 1)]) * (AHEAD / (AHEAD - LAG + 1.0))
    x, moved = state.terms[slot], state.moved
    beside = happened * math.exp(-state.said[slot])
    came, learned = dot(x, state.params.weights), dot(x, state.weights)
    ratio = beside * math.exp(-learned)
    worse = ratio + learned - beside * math.exp(-came) - came
    state.worse = min(max(state.worse + min(max(worse, -HEARD), HEARD), -FAR), FAR)
    wrong = min(ratio, MOST) - 1.0
    for i in range(TERMS):
        moved[i] = dot(state.covariance[i], x)
    scale = 1.0 / (NOISE + dot(x, moved))
    for i in range(TERMS):
        state.weights[i] += moved[i] * wrong * scale
        for j in range(TERMS):
            state.covariance[i, j] -= moved[i] * moved[j] * scale


@compiled
def variance(state, horizon_s):
    """Of the mid over the next `horizon_s` seconds from `now` on, bps²; NaN where it cannot be said.

    That is before FIRST returns with nothing usual, while the mid has never moved, and while the book is not quoted or the mid is stale.
    """
    of = level(state)
    if state.mid <= 0.0 or state.now - state.ticked > STALE_NS or not of > 0.0:
        return math.nan
    x = state.terms[_SLOTS]
    measure(state, of, x)
    ahead = elapsed(state.params, state.now + int(horizon_s * 1e9)) - elapsed(state.params, state.now)
    trust = 1.0 / (1.0 + math.exp(PACE * state.worse))
    return of * ahead * math.exp(trust * dot(x, state.weights) + (1.0 - trust) * dot(x, state.params.weights))


@compiled
def run(state, times, mids, asked, horizon_s, said):
    """Let ticks happen and write into `said` what is said at each time in `asked`, in order, after the ticks up to it."""
    place = 0
    for i in range(len(asked)):
        while place < len(times) and times[place] <= asked[i]:
            tick(state, times[place], mids[place])
            place += 1
        until(state, asked[i])
        said[i] = variance(state, horizon_s)
    while place < len(times):
        tick(state, times[place], mids[place])
        place += 1
