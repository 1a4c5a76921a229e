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
from tercet.execution.tca import COST, FEES, TALLY, account, add, clear, shortfall
from tercet.market.events import BUY, SELL
from tercet.sim.episode import advance
from tercet.sim.open import set_latency
from tercet.sim.state import new_scratch

PARTS = ("spread_bps", "walk_bps", "timing_bps", "completion_bps", "fees_bps")
SECOND = 1_000_000_000


def compiled_costs(case: Case, after_mid2: Any = (), count: int | None = None, tally: Any = None, cost: Any = None) -> Any:
    """The COST of a case; of its first `count` fills, into a tally and a cost that may hold something."""
    new_cost, outcome, fees, new_tally = (np.zeros(1, dtype).view(np.recarray)[0] for dtype in (COST, OUTCOME, FEES, TALLY))
    cost, tally = new_cost if cost is None else cost, new_tally if tally is None else tally
    log = new_scratch(World().sim, 256)
    for row, fill in zip(log.reports, case.fills, strict=False):
        row.lots, row.tick, row.mid2, row.spread, row.how, row.side = *fill, case.side
    log.count = len(case.fills) if count is None else count
    outcome.after_mid2[: len(after_mid2)] = after_mid2
    outcome.arrival_mid2, outcome.end_mid2, outcome.end_spread = case.arrival_mid2, case.end_mid2, case.end_spread
    outcome.left, outcome.market_lots, outcome.market_notional = case.left, case.market_lots, case.market_notional
    fees.taker_ticks, fees.maker_ticks, fees.taker_bps, fees.maker_bps = (float(fee) for fee in case.fees)
    account(cost, log, parent(0, 1, case.lots, case.side), outcome, fees, tally)
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


@pytest.mark.parametrize("side", [BUY, SELL])
class TestBoundaries:
    """Where one rule ends and the next begins, for a buy and for its mirror image."""

    def test_one_lot_that_nobody_trades_is_priced_as_many_are(self, side: int) -> None:
        assert parts(side, Fill(99, 10_000, ARRIVAL, 0, COMPLETION), end_spread=0, left=1)[3] == 0.5
        assert parts(side, Fill(100, 10_000, ARRIVAL, 0, COMPLETION), end_spread=0, left=0)[3] == 0

    def test_the_penalty_turns_from_basis_points_to_spreads_where_they_are_equal(self, side: int) -> None:
        for spread, penalty in ((9, 50), (10, 50), (11, 55), (12, 60)):  # 50 bps of the last price, 10,000, are 50 ticks
            fills = (Fill(50, 10_000, ARRIVAL, spread, COMPLETION),)
            assert parts(side, *fills, end_spread=spread, left=50)[3] == 0.5 * penalty

    def test_what_is_left_is_priced_from_the_last_completion_not_from_the_worst_or_the_first(self, side: int) -> None:
        fills = Fill(30, 10_020, ARRIVAL, 0, COMPLETION), Fill(30, 10_010, ARRIVAL, 0, COMPLETION)
        never = (1.005 if side == BUY else 0.995) * (10_000 + side * 10)
        expected = (30 * 20 + 30 * 10 + 40 * side * (never - 10_000)) / 100
        assert parts(side, *fills, end_spread=0, left=40)[3] == round(expected, 6)

    def test_what_worked_before_the_end_gives_no_price_to_what_is_left(self, side: int) -> None:
        assert parts(side, Fill(60, 10_050, ARRIVAL, 0, AGGRESSIVE), end_spread=20, left=40)[3] == 0.4 * (10 + 100)

    def test_one_lot_of_the_market_is_a_vwap_and_a_share(self, side: int) -> None:
        case = Case(side, 4, (Fill(4, 100, 200, 0, PASSIVE),), 200, 200, 0, market_lots=1, market_notional=101)
        cost = compiled_costs(case)
        alike(cost, case)
        assert cost["vwap_bps"] == pytest.approx(side * 1e4 * (100 - 101) / 101)
        assert cost["participation"] == 0.8

    def test_where_nothing_is_filled_and_nobody_trades_the_share_is_0(self, side: int) -> None:
        case = Case(side, 1, (), 200, 200, 0, left=1)
        cost = compiled_costs(case)
        alike(cost, case)
        assert (cost["participation"], cost["fills"], cost["completion"], cost["passive_share"], cost["unfilled_share"]) == (0, 0, 0, 0, 1)

    def test_one_lot_of_ours_alone_is_all_of_the_volume(self, side: int) -> None:
        assert compiled_costs(Case(side, 1, (Fill(1, 100, 200, 0, PASSIVE),), 200, 200, 0))["participation"] == 1

    def test_what_is_left_has_moved_with_the_mid_to_the_end(self, side: int) -> None:
        for moved in (-30, 30):
            end = ARRIVAL + 2 * moved
            assert parts(side, end_mid2=end, end_spread=0, left=100)[2] == moved

    def test_completion_counts_neither_as_in_time_nor_as_passive(self, side: int) -> None:
        fills = Fill(20, 100, 200, 0, AGGRESSIVE), Fill(30, 100, 200, 0, PASSIVE), Fill(40, 100, 200, 0, COMPLETION)
        cost = compiled_costs(Case(side, 100, fills, 200, 200, 0, left=10, market_lots=150, market_notional=15_000))
        assert [cost[name] for name in ("completion", "passive_share", "unfilled_share", "fills")] == [0.5, 0.3, 0.1, 3]
        assert cost["participation"] == 50 / 200

    def test_reversion_is_the_mids_way_back_from_the_end_and_unknown_where_nobody_looked(self, side: int) -> None:
        case = Case(side, 10, (Fill(10, 10_000, ARRIVAL, 0, COMPLETION),), ARRIVAL, ARRIVAL + side * 20, 0)
        cost = compiled_costs(case, after_mid2=(ARRIVAL + side * 8, 0, ARRIVAL + side * 26))
        assert cost["reversion_bps"].tolist()[::2] == [6, -3]
        assert math.isnan(cost["reversion_bps"][1])
        other = compiled_costs(case._replace(arrival_mid2=2 * ARRIVAL), after_mid2=(1, 0, 0))  # of the arrival's mid, not the end's
        assert other["reversion_bps"][0] == pytest.approx(1e4 * side * (10_000 + side * 10 - 0.5) / ARRIVAL)


def test_fills_beyond_the_count_are_not_ours() -> None:
    case = Case(BUY, 10, (Fill(10, 101, 200, 2, AGGRESSIVE), Fill(5, 900, 200, 2, PASSIVE)), 200, 200, 2)
    assert compiled_costs(case, count=1).tobytes() == compiled_costs(case._replace(fills=case.fills[:1])).tobytes()


def test_what_a_tally_and_a_cost_held_before_counts_for_nothing() -> None:
    case = Case(SELL, 10, (Fill(4, 101, 200, 2, PASSIVE), Fill(5, 99, 201, 2, COMPLETION)), 200, 199, 2, left=1, fees=(1, 2, 3, 4))
    for dirt in (1, 77):
        tally = np.zeros(1, TALLY)
        for name in TALLY.names or ():
            tally[name] = dirt
        cost = np.full(COST.itemsize, dirt, np.uint8).view(COST)
        again = compiled_costs(case, tally=tally.view(np.recarray)[0], cost=cost.view(np.recarray)[0])
        assert [again[name].tolist() for name in COST.names or () if name not in ("vwap_bps", "reversion_bps")] == [
            compiled_costs(case)[name].tolist() for name in COST.names or () if name not in ("vwap_bps", "reversion_bps")
        ]
        assert math.isnan(again["vwap_bps"])
        assert np.isnan(again["reversion_bps"]).all()


def tallied(*fills: tuple[int, int, int, int, int], side: int = BUY, fees: Any = (0.0, 0.0, 0.0, 0.0)) -> Any:
    """A TALLY of fills with an arrival mid of 100 and an end mid of 104."""
    tally, log = np.zeros(1, TALLY).view(np.recarray)[0], new_scratch(World().sim, 16)
    charges = np.array([tuple(fees)], FEES).view(np.recarray)[0]
    for row, fill in zip(log.reports, fills, strict=False):
        row.lots, row.tick, row.mid2, row.spread, row.how, row.side = *fill, side
        add(tally, row, side, 100.0, 104.0, charges)
    return tally


def test_a_tally_of_one_fill_of_each_kind_by_hand() -> None:
    aggressive = tallied((3, 108, 2 * 105, 4, AGGRESSIVE), fees=(0.5, 9.0, 10.0, 99.0))
    assert aggressive.tolist() == pytest.approx((324, 1.5 + 3 * 0.108, 6, 3, 15, 0, 0, 3, 3, 0, 1))
    passive = tallied((3, 103, 2 * 105, 4, PASSIVE), fees=(9.0, -0.5, 99.0, 10.0))
    assert passive.tolist() == pytest.approx((309, -1.5 + 3 * 0.103, -6, 0, 15, 0, 0, 3, 3, 3, 1))
    completion = tallied((3, 108, 2 * 105, 4, COMPLETION), fees=(0.5, 9.0, 10.0, 99.0))
    assert completion.tolist() == pytest.approx((324, 1.5 + 3 * 0.108, 0, 0, 12, 12, 108, 3, 0, 0, 1))
    sold = tallied((2, 98, 2 * 101, 2, AGGRESSIVE), (1, 103, 2 * 101, 2, PASSIVE), (4, 90, 0, 0, COMPLETION), side=SELL)
    assert sold.tolist() == pytest.approx((659, 0, 2 - 2, 4, -2 - 1 - 16, 56, 90, 7, 3, 1, 3))


@pytest.mark.parametrize("side", [BUY, SELL])
def test_shortfall_so_far_is_of_what_is_filled_in_parts_of_the_whole_parent(side: int) -> None:
    none = np.zeros(1, TALLY).view(np.recarray)[0]
    assert shortfall(none, side, 50, 100.0) == 0
    some = tallied((10, 100 + side, 200, 2, AGGRESSIVE), (5, 100, 200, 2, PASSIVE), side=side, fees=(0.2, -0.1, 0.0, 0.0))
    assert shortfall(some, side, 50, 100.0) == pytest.approx(1e4 / (50 * 100) * (10 + 2 - 0.5))
    assert shortfall(some, side, 70, 100.0) == pytest.approx(1e4 / (70 * 100) * (10 + 2 - 0.5))


def test_a_tally_cleared_is_a_tally_of_nothing() -> None:
    tally = np.full(TALLY.itemsize, 77, np.uint8).view(TALLY).view(np.recarray)[0]
    clear(tally)
    assert tally.tolist() == (0,) * len(TALLY.names or ())


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
