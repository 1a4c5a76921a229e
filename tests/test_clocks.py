"""Whoever's clock is wrong, no window is emptied by it, nothing is forgotten, and nothing waits for a restart."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gate import CLOCK, child, gate, past, report, rule_of

from tercet.messages import Alert, Approved, Happening, Report
from tercet.orders.gate import Gate
from tercet.orders.supervision import override, watch

SECOND, DAY = 10**9, 86_400 * 10**9
YEAR = 365 * DAY


def alive(tried: Gate, now: int) -> None:
    """Strategies and markets that are heard of at `now`, as in every moment of an ordinary day."""
    for strategy in ("alpha", "beta"):
        tried.firm.heartbeat(strategy, now)
    tried.firm.mark("ONE", 9999, 10001, now)
    tried.firm.traded("ONE", 10**9, now)


@pytest.mark.parametrize("jump", [3 * SECOND, 3600 * SECOND, DAY, YEAR, 50 * YEAR])
def test_after_our_clock_has_jumped_ahead_and_back_orders_pass_as_before(jump: int) -> None:
    heard: list[Any] = []
    tried = gate(heard)
    assert rule_of(tried.check(child(1, tick=9990), CLOCK)) == ""
    alive(tried, CLOCK + jump)
    tried.check(child(2, tick=9980), CLOCK + jump)
    watch(tried, CLOCK + jump)
    heard.clear()
    for number, later in enumerate((SECOND, 2 * SECOND, 3 * SECOND)):
        watch(tried, CLOCK + later)
        alive(tried, CLOCK + later)
        assert rule_of(tried.check(child(3 + number, tick=9970 - number), CLOCK + later)) == ""
    alerts = [one.text for one in heard if isinstance(one, Alert) and one.rule == "monitoring"]
    assert len(alerts) == 1
    assert f"stepped back from {CLOCK + jump}" in alerts[0]


def test_a_clock_that_goes_back_a_little_stands_still() -> None:
    tried = gate()
    tried.check(child(1), CLOCK + SECOND)
    for now in (CLOCK, CLOCK + SECOND // 2):
        answer = tried.check(child(2, tick=9990), now)
        assert isinstance(answer, Approved) == (now == CLOCK)
        assert answer.time == CLOCK + SECOND


@pytest.mark.parametrize("jump", [2 * SECOND, YEAR])
def test_a_clock_that_goes_back_empties_no_window(jump: int) -> None:
    tried = gate()
    alive(tried, CLOCK + jump)
    for number in range(1, 21):
        assert rule_of(tried.check(child(number, lots=10, tick=9990 - number), CLOCK + jump)) == ""
        tried.hear(report(number, f"o{number}", Happening.CANCELED))
    watch(tried, CLOCK)
    alive(tried, CLOCK)
    assert rule_of(tried.check(child(30, lots=10, tick=9970), CLOCK)) == "duplicates"
    assert rule_of(tried.check(child(31, lots=10, tick=9900), CLOCK)) == "message_rate"
    alive(tried, CLOCK + SECOND + 1)
    assert rule_of(tried.check(child(32, lots=10, tick=9900), CLOCK + SECOND + 1)) == ""


def test_a_day_that_began_too_early_takes_no_loss_back() -> None:
    tried = gate()
    watch(tried, CLOCK)
    tried.firm.earned("alpha", "ONE", 300.0)
    tried.firm.earned("alpha", "ONE", -1500.0)
    tried.firm.clients["bought"] = 70.0
    watch(tried, CLOCK + DAY)
    assert tried.firm.scope("firm")["profit"][0] == 0.0
    tried.firm.clients["bought"] += 5.0
    watch(tried, CLOCK + SECOND)
    assert tried.firm.clients["bought"][0] == 75.0
    row = tried.firm.scope("firm")[0]
    assert (row["profit"], row["peak"]) == (-1200.0, 300.0)
    watch(tried, CLOCK + DAY)
    assert tried.firm.scope("firm")["profit"][0] == 0.0
    watch(tried, CLOCK + 2 * DAY)
    assert tried.firm.day_ends > CLOCK + 2 * DAY


def test_a_waiver_of_a_clock_that_had_jumped_waives_nothing_later() -> None:
    tried = gate()
    override(tried, "o1", "price_collar", 100, "ann", "bob", CLOCK + YEAR + SECOND, CLOCK + YEAR)
    assert rule_of(tried.check(child(1, tick=12000), CLOCK)) == "price_collar"


@pytest.mark.parametrize("late", [1, SECOND, 3600 * SECOND])
def test_an_older_mark_never_overwrites_a_newer_one(late: int) -> None:
    for asked in (False, True):
        tried = gate()
        if asked:
            tried.check(child(1), CLOCK)
        tried.firm.mark("ONE", 5000, 5002, CLOCK - late)
        assert tuple(tried.firm.instruments[0][["bid", "ask", "marked"]]) == (9999, 10001, CLOCK)
        assert tried.firm.instruments["reference"][0] == 10000.0
        tried.firm.mark("ONE", 5000, 5002, CLOCK)
        assert tried.firm.instruments["bid"][0] == 5000


def test_one_mark_of_a_clock_that_was_ahead_does_not_keep_out_those_that_follow() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    tried.firm.mark("ONE", 5000, 5002, CLOCK + YEAR)
    assert rule_of(tried.check(child(2, lots=50), CLOCK + 1)) == "market_state"
    tried.firm.mark("ONE", 9999, 10001, CLOCK + SECOND)
    assert rule_of(tried.check(child(3, lots=50), CLOCK + SECOND)) == ""


@pytest.mark.parametrize("off", [-YEAR, -3600 * SECOND, -SECOND, 0, SECOND, 3600 * SECOND, YEAR])
def test_a_venues_clock_neither_switches_a_control_off_nor_blocks_for_good(off: int) -> None:
    tried = gate()
    tried.check(child(1, lots=10), CLOCK)
    tried.firm.hold("beta", "ONE", -20, 10000.0)
    past(tried)
    for number, price in enumerate((10000.0, 10500.0)):
        tried.hear(filled_at(number, price, CLOCK + off))
    assert rule_of(tried.check(child(2, lots=20), CLOCK)) == "collar_over_time"
    later = CLOCK + 600 * SECOND
    alive(tried, later)
    assert rule_of(tried.check(child(3, lots=30), later)) == ""


def filled_at(number: int, price: float, time: int) -> Report:
    """A fill of ten lots, as a venue dates it."""
    return msgspec.structs.replace(report(number, "o0", Happening.FILLED, lots=10, price=price), time=time)


STEPS = st.lists(
    st.tuples(st.sampled_from([0, 1, 10**6, SECOND, -(10**6), -SECOND, -60 * SECOND, DAY, -DAY, YEAR, -YEAR]), st.booleans()), max_size=12
)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_whatever_clocks_have_said_an_ordinary_second_makes_all_well_again(steps: list[tuple[int, bool]]) -> None:
    """Ten orders of ours at random times; then the clock is right, everybody is heard of, and an hour later an order passes."""
    tried, now = gate(firm__messages=1000, desk__cash__messages=1000, strategy__alpha__messages=1000), CLOCK
    past(tried)
    for number, (step, venue) in enumerate(steps):
        now = max(now + step, 1)
        if venue:
            tried.hear(filled_at(number, 10000.0, now))
        else:
            alive(tried, now)
            tried.check(child(number + 1, lots=10, tick=9990 - number), now)
            tried.hear(report(1000 + number, f"o{number + 1}", Happening.CANCELED))
            watch(tried, now)
    assert tried.firm.scope("firm")["messages"][0] <= len(steps)
    later = CLOCK + 3600 * SECOND
    for end in (later - SECOND, later):
        alive(tried, end)
        watch(tried, end)
    assert rule_of(tried.check(child(99, lots=10, tick=9000), later)) == ""
    for name in ("times", "recent_times", "repeat_times"):
        assert np.all(tried.firm.scopes[name] <= later)
    assert np.all(tried.firm.instruments["fill_times"] <= later + 10 * SECOND)
