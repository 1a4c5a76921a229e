"""Transaction-cost analysis: each part by hand, and everything beside a slow twin in exact fractions."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from histories import World
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_tca import Case, Fill, costs
from workbench import parent, random_day, recorded_market, wild_policy, work

from tercet.backtest.episode import OUTCOME
from tercet.book.records import AGGRESSIVE, COMPLETION, PASSIVE
from tercet.execution.schedules import POLICIES, by_name
from tercet.execution.tca import COST, FEES, TALLY, account
from tercet.market.events import BUY, SELL
from tercet.sim.episode import advance
from tercet.sim.open import set_latency
from tercet.sim.state import new_scratch

PARTS = ("spread_bps", "walk_bps", "timing_bps", "completion_bps", "fees_bps")
SECOND = 1_000_000_000


def compiled_costs(case: Case) -> Any:
    """The COST of a case."""
    cost, outcome, fees = (np.zeros(1, dtype).view(np.recarray)[0] for dtype in (COST, OUTCOME, FEES))
    log = new_scratch(World().sim, 256)
    for row, fill in zip(log.reports, case.fills, strict=False):
        row.lots, row.tick, row.mid2, row.spread, row.how, row.side = *fill, case.side
    log.count = len(case.fills)
    outcome.arrival_mid2, outcome.end_mid2, outcome.end_spread = case.arrival_mid2, case.end_mid2, case.end_spread
    outcome.left, outcome.market_lots, outcome.market_notional = case.left, case.market_lots, case.market_notional
    fees.taker_ticks, fees.maker_ticks, fees.taker_bps, fees.maker_bps = (float(fee) for fee in case.fees)
    account(cost, log, parent(0, 1, case.lots, case.side), outcome, fees, np.zeros(1, TALLY).view(np.recarray)[0])
    return cost


def alike(cost: Any, case: Case) -> None:
    """A COST says what the slow twin says, and its parts sum to the shortfall."""
    said = costs(case)
    for name, value in said.items():
        assert math.isclose(float(cost[name]), float(value), rel_tol=1e-12, abs_tol=1e-9), name
    assert math.isnan(cost["vwap_bps"]) == ("vwap_bps" not in said)
    assert abs(float(cost["is_bps"]) - sum(float(cost[part]) for part in PARTS)) < 1e-9
    assert said["is_bps"] == sum(said[part] for part in PARTS)


# By hand: 100 lots at an arrival mid of 10,000 ticks, so that one tick on all of them is one basis point. ------------------------

ARRIVAL = 20_000


def parts(side: int, *fills: Fill, end_mid2: int = ARRIVAL, end_spread: int = 4, left: int = 0, fees: Any = (0, 0, 0, 0)) -> list[float]:
    """Spread, walk, timing, completion, fees and all of it, in basis points; the fills are written as those of a buy."""
    mirrored = tuple(
        fill._replace(tick=10_000 + side * (fill.tick - 10_000), mid2=ARRIVAL + side * (fill.mid2 - ARRIVAL)) for fill in fills
    )
    end = ARRIVAL + side * (end_mid2 - ARRIVAL)
    case = Case(side, 100, mirrored, ARRIVAL, end, end_spread, left, fees=tuple(Fraction(fee) for fee in fees))
    cost = compiled_costs(case)
    alike(cost, case)
    return [round(float(cost[part]), 6) for part in (*PARTS, "is_bps")]


@pytest.mark.parametrize("side", [BUY, SELL])
class TestByHand:
    """Every part of the cost, for a buy and for the sell that is its mirror image."""

    def test_an_aggressive_fill_pays_the_half_spread_and_walks_the_rest(self, side: int) -> None:
        fills = Fill(60, 10_002, ARRIVAL, 4, AGGRESSIVE), Fill(40, 10_007, ARRIVAL, 4, AGGRESSIVE)
        assert parts(side, *fills) == [2, 2, 0, 0, 0, 4]

    def test_a_passive_fill_earns_its_distance_from_the_mid_and_never_walks(self, side: int) -> None:
        assert parts(side, Fill(100, 9_998, ARRIVAL, 4, PASSIVE)) == [-2, 0, 0, 0, 0, -2]

    def test_the_move_of_the_mid_since_arrival_is_timing(self, side: int) -> None:
        assert parts(side, Fill(50, 10_008, ARRIVAL + 10, 4, PASSIVE), Fill(50, 10_000, ARRIVAL, 4, PASSIVE)) == [1.5, 0, 2.5, 0, 0, 4]

    def test_what_is_left_at_the_end_is_timing_to_the_end_and_completion_from_there(self, side: int) -> None:
        fills = Fill(30, 10_009, ARRIVAL + 14, 4, COMPLETION), Fill(70, 10_010, ARRIVAL + 14, 4, COMPLETION)
        assert parts(side, *fills, end_mid2=ARRIVAL + 14) == [0, 0, 7, 2.7, 0, 9.7]

    def test_what_nobody_sells_is_priced_fifty_basis_points_beyond_the_last_fill(self, side: int) -> None:
        beyond = (10_004 if side == BUY else 9_996) * 50 / 10_000
        assert parts(side, Fill(90, 10_004, ARRIVAL, 4, COMPLETION), left=10)[3] == round(4 + 0.1 * beyond, 6)

    def test_where_five_spreads_are_more_they_are_what_it_is_worsened_by(self, side: int) -> None:
        assert parts(side, Fill(90, 10_010, ARRIVAL, 20, COMPLETION), end_spread=20, left=10) == [0, 0, 0, 20, 0, 20]

    def test_what_no_completion_touched_is_priced_from_the_last_touch(self, side: int) -> None:
        assert parts(side, end_spread=40, left=100) == [0, 0, 0, 220, 0, 220]

    def test_fees_are_charged_by_lot_and_by_value_to_makers_and_takers_apart(self, side: int) -> None:
        fills = Fill(50, 10_000, ARRIVAL, 0, AGGRESSIVE), Fill(30, 10_000, ARRIVAL, 0, PASSIVE), Fill(20, 10_000, ARRIVAL, 0, COMPLETION)
        assert parts(side, *fills, end_spread=0, fees=(0.5, -0.25, 0, 0)) == [0, 0, 0, 0, 0.275, 0.275]
        assert parts(side, *fills, end_spread=0, fees=(0, 0, 2, -1)) == [0, 0, 0, 0, 1.1, 1.1]


def test_slippage_against_the_markets_vwap_is_unknown_where_nobody_else_traded() -> None:
    case = Case(BUY, 10, (Fill(10, 101, 200, 2, AGGRESSIVE),), 200, 200, 2)
    assert math.isnan(compiled_costs(case)["vwap_bps"])
    traded = case._replace(market_lots=50, market_notional=50 * 100)
    assert compiled_costs(traded)["vwap_bps"] == pytest.approx(100)
    assert compiled_costs(traded)["participation"] == pytest.approx(10 / 60)


# Beside the slow twin -----------------------------------------------------------------------------------------------------------

mids = st.integers(2 * 50_000, 2 * 50_300)
fee = st.integers(-300, 300).map(lambda number: Fraction(number, 100))
FILL = st.builds(
    Fill,
    st.integers(1, 5000),
    st.integers(49_900, 50_400),
    mids,
    st.integers(1, 80),
    st.sampled_from([AGGRESSIVE, PASSIVE, COMPLETION]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([BUY, SELL]),
    st.lists(FILL, max_size=20),
    st.integers(0, 3000),
    mids,
    mids,
    st.integers(1, 80),
    st.tuples(fee, fee, fee, fee),
)
def test_any_parent_costs_what_the_slow_twin_says(
    side: int, fills: list[Fill], left: int, arrival: int, end: int, end_spread: int, fees: tuple[Fraction, ...]
) -> None:
    left = left if fills else max(left, 1)
    lots = sum(fill.lots for fill in fills) + left
    case = Case(side, lots, tuple(fills), arrival, end, end_spread, left, lots % 7 * 100, lots % 7 * 100 * 50_123, fees)
    alike(compiled_costs(case), case)


@pytest.fixture(scope="module")
def day() -> Any:
    """A recorded day of two minutes, as a market."""
    return recorded_market(random_day(3, 1500, 120.0))


FEES_HERE = (0.3, -0.2, 0.25, -0.5)


@pytest.mark.parametrize("name", [*POLICIES, "wild"])
def test_every_parent_of_every_policy_costs_what_the_slow_twin_makes_of_its_fills(day: Any, name: str) -> None:
    how = wild_policy(7) if name == "wild" else by_name(name)
    for number in range(12):
        start, side = (20 + 6 * number) * SECOND, (BUY, SELL)[number % 2]
        sim = day.open(0, 0)
        set_latency(sim, SECOND // 8, SECOND // 2)
        advance(sim, day.events, start - SECOND // 2, new_scratch(sim))
        lots = 4000 if number == 11 else 25  # the last one is more than there is
        done = work(sim, day.events, parent(start, start + 20 * SECOND, lots, side), how, SECOND, FEES_HERE)
        fills = tuple(Fill(int(f["lots"]), int(f["tick"]), int(f["mid2"]), int(f["spread"]), int(f["how"])) for f in done.reports)
        o = done.outcome
        ends = int(o.arrival_mid2), int(o.end_mid2), int(o.end_spread), int(o.left), int(o.market_lots), Fraction(float(o.market_notional))
        alike(done.cost, Case(side, lots, fills, *ends, tuple(Fraction(number) for number in FEES_HERE)))
        if name == "nothing":
            assert done.cost["spread_bps"] == done.cost["walk_bps"] == done.cost["completion"] == 0
            rest = done.cost["timing_bps"] + done.cost["completion_bps"] + done.cost["fees_bps"]
            assert done.cost["is_bps"] == pytest.approx(rest, abs=1e-9)
        assert o.left > 0 or number != 11
