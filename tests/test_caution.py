"""The intraday warning is monotone, blind to direction, latched and causal; who cannot see is at least DEFENSIVE."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_leakage import scrambled
from workbench import parent, random_day, recorded_market

from tercet.backtest.markets import Market
from tercet.backtest.runner import Settings, Worker
from tercet.compiled import compiled
from tercet.execution.caps import CAUTIOUS, DEFENSIVE, HALT, NORMAL
from tercet.execution.caution import COUNT, INDICATORS, CautionSettings, latch, take_in
from tercet.execution.policy import Policy, policy
from tercet.risk.posture import PostureSettings, Risks, multiplier, walked
from tercet.sim.open import set_latency

SECOND = 10**9
ENTERS, LEAVES = np.array([0.8, 0.45, 0.05]), np.array([0.9, 0.55, 0.15])
VALUES = st.lists(st.sampled_from([0.0, 0.04, 0.1, 0.3, 0.5, 0.6, 0.79, 0.8, 0.85, 0.9, 1.0]), min_size=1, max_size=60)


def levels(values: Sequence[float], dwell: int = 3) -> list[int]:
    """The states that latches say."""
    left = np.zeros(3, np.int64)
    return [int(latch(left, value, ENTERS, LEAVES, dwell)) for value in values]


def slow_levels(values: Sequence[float], dwell: int = 3) -> list[int]:
    """The same by the rule itself: a state holds while fewer than `dwell` values in a row at `leaves` or above followed its last entry."""
    found = []
    for now in range(len(values)):
        holds = [0]
        for place in range(3):
            begun = [i for i in range(now + 1) if values[i] < ENTERS[place]]
            if not begun:
                continue
            run, ended = 0, False
            for value in values[begun[-1] + 1 : now + 1]:
                run = run + 1 if value >= LEAVES[place] else 0
                ended |= run >= dwell
            if not ended:
                holds.append(place + 1)
        found.append(max(holds))
    return found


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_latches_are_entered_at_once_and_left_after_a_dwell_above_the_margin(values: list[float]) -> None:
    assert levels(values) == slow_levels(values)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_a_worse_history_never_ends_in_a_milder_state(pairs: list[tuple[float, float]]) -> None:
    worse, better = levels([min(pair) for pair in pairs]), levels([max(pair) for pair in pairs])
    assert all(one >= other for one, other in zip(worse, better, strict=True))


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_the_daily_posture_has_the_same_latches(values: list[float]) -> None:
    how = PostureSettings(dwell=3)
    risks = [Risks(10.0, 1.0, 0.0, 1.0 - value, 0.0) for value in values]
    shares = [multiplier(one, how) for one in risks]
    assert [one.level for one in walked(np.arange(len(values)), risks, how)[0]] == levels(shares)


# A market by its numbers ---------------------------------------------------------------------------------------------------------

STEADY = {"mid": 5000.0, "spread": 2.0, "thinner": 5000.0, "signed": 0.0, "order_flow": 0.0, "volume": 4000.0, "variance": 0.5}


def seen(rows: Sequence[dict[str, float]], how: CautionSettings | None = None, steady: int = 400) -> Any:
    """A CAUTION that saw a steady market with a little noise each second, and then those rows."""
    caution, rng = (how or CautionSettings()).begun(0)[0], np.random.default_rng(0)
    noise = [
        {
            "mid": 5000.0 + rng.integers(-2, 3),
            "spread": 2.0 + rng.integers(0, 2),
            "signed": 300.0 * rng.standard_normal(),
            "order_flow": 300.0 * rng.standard_normal(),
            "thinner": 5000.0 + 300.0 * rng.standard_normal(),
        }
        for _ in range(steady)
    ]
    for number, row in enumerate([*noise, *rows]):
        caution.heard_time = now = (number + 1) * SECOND
        numbers = STEADY | row
        take_in(caution, now, *(numbers[name] for name in STEADY))
    return caution


def falling(seconds: int = 40, way: int = -1) -> list[dict[str, float]]:
    """A market that is sold, or bought, ever lower or higher."""
    each = {"thinner": 1500.0, "volume": 12000.0, "variance": 8.0, "spread": 6.0}
    return [each | {"mid": 5000.0 + way * 0.7 * k, "signed": way * 3000.0, "order_flow": way * 3000.0} for k in range(seconds)]


def test_a_steady_market_is_normal_and_a_fall_is_not() -> None:
    assert seen([]).level == NORMAL
    assert seen(falling()).level >= DEFENSIVE


def test_what_buys_is_as_bad_as_what_sells() -> None:
    def mirrored(rows: list[dict[str, float]]) -> list[dict[str, float]]:
        return [row | {"mid": 10_000.0 - row["mid"], "signed": -row["signed"], "order_flow": -row["order_flow"]} for row in rows]

    down = falling()
    one, other = seen(down, steady=0), seen(mirrored(down), steady=0)
    assert one.indicators == pytest.approx(other.indicators, abs=1e-9)
    assert one.pressure == pytest.approx(-other.pressure, abs=1e-9)
    assert seen(falling(way=1)).level == seen(falling()).level
    assert seen(falling()).pressure < 0 < seen(falling(way=1)).pressure


@pytest.mark.parametrize(
    ("worse", "indicator"),
    [("thinner", "depth"), ("spread", "spread"), ("variance", "volatility"), ("volume", "excitation"), ("signed", "signed_volume")],
)
@given(by=st.floats(0.05, 5.0))
@settings(max_examples=20, deadline=None)
def test_each_indicator_and_the_score_are_no_less_where_the_market_is_worse(worse: str, indicator: str, by: float) -> None:
    place = [name for name, _ in INDICATORS].index(indicator)
    base = {"signed": 2000.0} if worse == "signed" else {}
    now = (STEADY | base)[worse]
    mild, bad = seen([base]), seen([base | {worse: now / (1 + by) if worse == "thinner" else now * (1 + by)}])
    assert bad.indicators[place] >= mild.indicators[place]
    assert bad.score >= mild.score


def test_weights_below_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="weights"):
        CautionSettings(weights=(-0.1, *(1.0,) * (COUNT - 1)))
    with pytest.raises(ValueError, match="enters"):
        CautionSettings(enters=(2.0, 1.0, 3.0))


@pytest.mark.parametrize("name", STEADY)
def test_who_cannot_see_is_at_least_defensive(name: str) -> None:
    assert seen([{name: float("nan")}]).level == DEFENSIVE
    assert seen([*falling(), {name: float("nan")}]).level >= DEFENSIVE
    assert seen([{name: float("nan")}] + [{}] * 60).level == NORMAL  # and it ends


def test_a_crossed_or_silent_or_new_market_is_defensive() -> None:
    assert seen([{"spread": 0.0}]).level == DEFENSIVE
    assert seen([], steady=100).level == DEFENSIVE  # nobody knows yet what is usual
    silent = seen([])
    now = int(silent.heard_time) + 31 * SECOND
    take_in(silent, now, *STEADY.values())
    assert (silent.blind, silent.level) == (1, DEFENSIVE)


def test_what_is_usual_follows_slowly_what_is_now() -> None:
    before, after = seen([]), seen(falling(10))
    assert (after.usual <= 1.6 * before.usual + 1.0).all()


# A market ------------------------------------------------------------------------------------------------------------------------

CUT, KEPT = 15, 15
LOUD = CautionSettings(weights=(1.0,) * COUNT, intercept=0.0, enters=(2.0, 3.0, 40.0), dwell=2, warm_s=5.0, margin=0.2)


@compiled
def fold(pad, number):
    """Make a number part of a digest, and count how often it was not 0."""
    pad.memory[KEPT] = (31.0 * pad.memory[KEPT] + number + 1.0) % 2147483647.0
    pad.memory[KEPT - 1] += number != 0.0


@policy
def postured(view, pad):
    """Does nothing, and keeps what postures it saw until settings[CUT] seconds after the start."""
    if view.now - view.start <= pad.settings[CUT] * 1e9:
        fold(pad, 3.0 * view.posture)
        fold(pad, 1e6 * pad.pressure)
    return 0


class Kept:
    """A policy whose last pad can be read."""

    def __init__(self, cut: float) -> None:
        self.name, self.decide, self.how = "postured", postured, Policy("postured", postured, (0.0,) * CUT + (cut,))

    def new_pad(self) -> Any:
        self.pad = self.how.new_pad()
        return self.pad


def trail(place: Market, cut: float, feed: int, pretend: int | None = None) -> tuple[float, float]:
    """A digest of the postures until then, and how many of them were something."""
    worker = Worker(place, Settings(feed_latency_ns=(feed,), posture=LOUD, threads=1), 0)
    start = 40 * SECOND
    worker.roll(start)
    if pretend is not None:
        set_latency(worker.base[0], 0, pretend)
    kept = Kept(cut)
    worker.work(parent(start, start + 60 * SECOND, 40), kept, 1)  # type: ignore[arg-type]
    return float(kept.pad.memory[KEPT]), float(kept.pad.memory[KEPT - 1])


@pytest.fixture(scope="module")
def made() -> Market:
    """A day of two minutes."""
    return recorded_market(random_day(1, 1500, 120.0))


@pytest.mark.parametrize("feed", [500_000, SECOND // 2, 5 * SECOND // 2])
def test_what_has_not_reached_us_changes_no_posture(made: Market, feed: int) -> None:
    honest = peeking = 0
    for cut in (0.0, 7.0, 20.0, 33.0):
        changed = replace(made, events=scrambled(made.events, 40 * SECOND + int(cut * SECOND) - feed, int(cut)))
        plain = trail(made, cut, feed)
        assert trail(changed, cut, feed) == plain
        assert plain[1] > 0
        honest += 1
        peeking += trail(changed, cut, feed, pretend=0) != trail(made, cut, feed, pretend=0)
    assert honest == 4
    assert feed < SECOND or peeking > 0  # who sees the future is found by the same check


def test_states_go_up_one_market_only_as_far_as_their_thresholds_let_them() -> None:
    assert [CAUTIOUS, DEFENSIVE, HALT] == [1, 2, 3]
    rows = falling()
    score = float(seen(rows).score)
    for level in (1, 2, 3):
        enters = tuple(score - 0.01 + 0.001 * place + (50.0 if place >= level else 0.0) for place in range(3))
        assert seen(rows, CautionSettings(enters=enters)).level == level  # type: ignore[arg-type]
