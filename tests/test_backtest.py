"""Plans, runs and comparisons: the same bytes on any threads, pairs that cancel, intervals that hold what they promise."""

from dataclasses import replace

import numpy as np
import pytest
from workbench import random_day, recorded_market

from tercet.backtest.compare import BLOCKS_FOR_P, Bootstrap, cvar, paired, ratio, table
from tercet.backtest.episode import OUTCOME
from tercet.backtest.markets import CROWD_DATE, Market, crowd_market, market
from tercet.backtest.parents import BLOCK_NS, MEMORY_NS, Plan, duration, lots_of, plan, records
from tercet.backtest.runner import Result, Settings, run, warnings
from tercet.errors import BadInput
from tercet.execution.policy import Policy
from tercet.execution.schedules import by_name
from tercet.execution.tca import COST
from tercet.market.calendar import session
from tercet.market.events import BUY, SELL
from tercet.sim.settings import CrowdSettings

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
MEASURED = crowd_market("test", CrowdSettings(season=(1.0,) * 26))
CROWD = replace(MEASURED, expected_day_lots=9_360_000.0, sizing_day_lots=9_360_000.0)
JITTER = Settings(order_latency_ns=(SECOND // 10, SECOND), feed_latency_ns=(0, SECOND // 2), threads=1)
NAMES = ("twap", "passive-then-cross", "pov")


@pytest.fixture(scope="module")
def day() -> Market:
    """A recorded day of a quarter of an hour."""
    return recorded_market(random_day(4, 2000, 900.0))


def result(place: Market, seed: int, threads: int, count: int = 20, size: str = "10", horizon: int = MINUTE) -> Result:
    """A small backtest with jittered latencies."""
    settings = replace(JITTER, seed=seed, threads=threads)
    return run(place, plan(place, count, size, horizon, "both", seed), [by_name(name) for name in NAMES], settings)


# Runs ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crowd", "history"])
def test_one_seed_gives_the_same_bytes_on_one_thread_and_on_two_and_another_seed_gives_others(name: str, day: Market) -> None:
    place, size = (CROWD, "1000") if name == "crowd" else (day, "10")
    one, two, other = (result(place, seed, threads, size=size) for seed, threads in ((3, 1), (3, 2), (4, 2)))
    assert one.costs.tobytes() == two.costs.tobytes()
    assert one.outcomes.tobytes() == two.outcomes.tobytes()
    assert one.costs.tobytes() != other.costs.tobytes()


def test_a_policy_costs_the_same_whoever_else_is_in_the_run(day: Market) -> None:
    chosen = plan(day, 12, "10", MINUTE, "both", 0)
    alone = run(day, chosen, [by_name("pov")], JITTER)
    among = run(day, chosen, [by_name("twap"), by_name("passive"), by_name("pov")], JITTER)
    assert alone.costs[0].tobytes() == among.costs[2].tobytes()


def test_progress_counts_every_run(day: Market) -> None:
    told: list[int] = []
    run(day, plan(day, 8, "5", MINUTE, "buy", 0), [by_name("twap"), by_name("pov")], JITTER, told.append)
    assert sum(told) == 16


def test_what_found_nobody_to_trade_with_is_said_and_voids_the_table(day: Market) -> None:
    said = run(day, plan(day, 4, "5000", MINUTE, "both", 0), [by_name("nothing")], JITTER).warnings
    assert any("void" in sentence for sentence in said)


def test_what_makes_a_result_less_than_it_seems_is_said() -> None:
    costs, outcomes = np.zeros((2, 3), COST), np.zeros((2, 3), OUTCOME)
    outcomes["recorded_lots"] = 1000
    assert warnings(("twap", "passive"), costs, outcomes) == []
    outcomes["altered_lots"][1] = 51
    outcomes["missing_lots"][0, 2] = 7
    outcomes["forgotten"][1, 0] = 2
    outcomes["book_full"][0, 0] = 1
    costs["unfilled_share"][1, 1] = 0.004
    said = " ".join(warnings(("twap", "passive"), costs, outcomes))
    for words in ("5.1% of recorded volume (passive)", "did not have: 7", "come back): 2", "no room for: 1", "passive: void, 0.13%"):
        assert words in said


# Pairs --------------------------------------------------------------------------------------------------------------------------


def test_identical_policies_differ_by_nothing_with_certainty(day: Market) -> None:
    twap = by_name("twap")
    both = run(day, plan(day, 12, "10", MINUTE, "both", 0), [twap, Policy("again", twap.decide, twap.settings)], JITTER)
    (row,) = paired(replace(both, plan=blocked(both.plan, 6)))
    assert (row["difference_bps"], row["low"], row["high"], row["verdict"]) == (0, 0, 0, "tie")


def blocked(chosen: Plan, blocks: int) -> Plan:
    """The same plan with its parents dealt into so many blocks."""
    return replace(chosen, blocks=np.arange(len(chosen.parents)) * blocks // len(chosen.parents))


@pytest.mark.parametrize(("blocks", "given"), [(BLOCKS_FOR_P - 1, False), (BLOCKS_FOR_P, True)])
def test_no_p_value_is_given_below_twenty_blocks(blocks: int, given: bool, day: Market) -> None:
    done = result(day, 0, 1, count=40)
    for row in paired(replace(done, plan=blocked(done.plan, blocks))):
        assert row["n_blocks"] == blocks
        assert (row["p"] is not None) == given


def test_one_block_says_nothing_about_its_error() -> None:
    assert Bootstrap(np.zeros(5, np.int64), 0).interval(np.arange(5.0)) == (-np.inf, np.inf)


def test_a_difference_is_called_better_or_worse_only_where_its_interval_leaves_out_0() -> None:
    bootstrap = Bootstrap(np.arange(40), 0)
    noise = np.random.default_rng(0).normal(size=40)
    noise -= noise.mean()
    assert bootstrap.interval(noise)[0] < 0 < bootstrap.interval(noise)[1]
    low, high = bootstrap.interval(noise - 1)
    assert low < -1 < high < 0
    assert bootstrap.p_value(noise - 1) < 0.001
    assert bootstrap.p_value(noise) > 0.5


def test_a_ratio_is_printed_only_where_the_baseline_is_surely_above_0() -> None:
    bootstrap, base = Bootstrap(np.arange(40), 0), np.random.default_rng(1).normal(5, 1, 40)
    assert ratio(bootstrap, 0.5 * base, base) == pytest.approx({"ratio": 0.5, "ratio_low": 0.5, "ratio_high": 0.5})
    assert set(ratio(bootstrap, base, base - base.mean()).values()) == {None}


def test_block_intervals_hold_the_true_mean_as_often_as_they_promise_and_plain_ones_do_not() -> None:
    rng, blocks = np.random.default_rng(7), np.repeat(np.arange(60), rng_sizes := np.random.default_rng(8).integers(2, 7, 60))
    kinds = {"blocks": Bootstrap(blocks, 0, 1000), "plain": Bootstrap(np.arange(len(blocks)), 0, 1000)}
    inside = dict.fromkeys(kinds, 0)
    for _ in range(1000):
        values = 3.0 + rng.normal(0, 1, 60)[blocks] + rng.normal(0, 1, rng_sizes.sum())
        for name, bootstrap in kinds.items():
            low, high = bootstrap.interval(values)
            inside[name] += low <= 3.0 <= high
    assert 920 <= inside["blocks"] <= 970
    assert inside["plain"] < 850


def test_a_table_has_a_row_for_each_policy_whose_parts_sum_to_its_shortfall(day: Market) -> None:
    done = result(day, 0, 1)
    rows = table(done)
    assert [row["policy"] for row in rows] == list(NAMES)
    for row in rows:
        parts = sum(row[part] for part in ("spread_bps", "walk_bps", "timing_bps", "completion_bps", "fees_bps"))
        assert row["is_bps"] == pytest.approx(parts, abs=1e-9)
        assert (row["parents"], row["n_blocks"]) == (20, 1)


def test_cvar_is_the_mean_of_the_worst_twentieth() -> None:
    assert cvar(np.arange(100.0)) == 97.0
    assert cvar(np.array([1.0, 5.0])) == 5.0


# Plans --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [1, 5, 7.5, 20, 60])
@pytest.mark.parametrize("count", [7, 200])
def test_blocks_are_a_quarter_of_an_hour_and_twice_the_horizon_at_least(minutes: float, count: int) -> None:
    horizon = int(minutes * MINUTE)
    length = max(15 * MINUTE, 2 * horizon)
    assert BLOCK_NS == 15 * MINUTE
    made = plan(CROWD, count, "1000", horizon, "both", 0)
    first = CROWD.open_ns + MEMORY_NS
    place = [(number, (parent.start - first) // length) for number, parent in zip(made.sessions, made.parents, strict=True)]
    assert len(set(zip(place, made.blocks.tolist(), strict=True))) == len(set(place)) == made.blocks.max() + 1
    assert len(set(place)) == len({(number, parent.start) for number, parent in zip(made.sessions, made.parents, strict=True)})


@pytest.mark.parametrize(("side", "count", "expected"), [("both", 7, 8), ("both", 8, 8), ("buy", 7, 7), ("sell", 1, 1), ("both", 1, 2)])
def test_both_sides_of_every_start_are_traded_and_an_odd_count_is_rounded_up(side: str, count: int, expected: int) -> None:
    made = plan(CROWD, count, "1000", 5 * MINUTE, side, 0)
    assert len(made.parents) == len(made.sessions) == len(made.blocks) == expected
    if side == "both":
        assert all(
            (a.side, b.side, a.start, a.lots) == (BUY, SELL, b.start, b.lots) for a, b in zip(*[iter(made.parents)] * 2, strict=True)
        )
    else:
        assert {parent.side for parent in made.parents} == {BUY if side == "buy" else SELL}


def test_starts_are_spread_evenly_between_the_memory_of_the_market_and_the_last_possible_one(day: Market) -> None:
    first, last = day.open_ns + MEMORY_NS, day.close_ns - 2 * MINUTE
    starts = np.array([parent.start for parent in plan(day, 50, "10", 2 * MINUTE, "buy", 0).parents])
    assert (np.floor((starts - first) / (last - first) * 50).astype(int) == np.arange(50)).all()


def test_one_seed_makes_one_plan(day: Market) -> None:
    one, again, other = (plan(day, 9, "10", MINUTE, "both", seed) for seed in (5, 5, 6))
    assert one.parents == again.parents
    assert one.parents != other.parents


@pytest.mark.parametrize("horizon", [0, SECOND - 1, 901 * SECOND, 601 * SECOND])
def test_a_horizon_that_the_session_has_no_room_for_is_refused(day: Market, horizon: int) -> None:
    with pytest.raises(BadInput, match="horizon was"):
        plan(day, 5, "10", horizon, "both", 0)


def test_a_side_or_a_count_that_makes_no_plan_is_refused() -> None:
    with pytest.raises(BadInput, match="side was 'long'"):
        plan(CROWD, 5, "10", MINUTE, "long", 0)
    with pytest.raises(BadInput, match="parents was 0"):
        plan(CROWD, 0, "10", MINUTE, "both", 0)


@pytest.mark.parametrize(
    ("size", "lots"), [("2000", 2000), (" 2000 ", 2000), ("1%adv", 93600), ("0.5 % adv", 46800), ("10%volume", 12000), ("2000.0", 2000)]
)
def test_a_size_is_lots_or_a_share_of_the_volume_expected(size: str, lots: int) -> None:
    start = CROWD.open_ns + 600 * SECOND
    assert lots_of(size, CROWD, start, start + 300 * SECOND) == lots


def test_a_crowds_expected_volume_is_what_it_trades() -> None:
    assert MEASURED.expected_day_lots == pytest.approx(2 * 200 * 23_400, rel=0.02)


@pytest.mark.parametrize("size", ["", "0", "-5", "1.5", "ten", "5%", "1e3", "5%day", "0.000001%adv", "nan", "inf", "1%adv%adv"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(BadInput, match="size was"):
        lots_of(size, CROWD, CROWD.open_ns, CROWD.open_ns + MINUTE)


@pytest.mark.parametrize(("text", "ns"), [("5min", 300 * SECOND), ("30s", 30 * SECOND), ("250ms", SECOND // 4), ("1.5h", 5400 * SECOND)])
def test_a_time_has_a_unit(text: str, ns: int) -> None:
    assert duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "min", "-5min", "5 parsecs", "1e3s", "5min5s"])
def test_a_time_without_one_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="time was"):
        duration(text)


def test_a_parents_curve_is_that_of_its_own_time_of_day() -> None:
    seasonal = crowd_market("test", CrowdSettings())
    hours = session(CROWD_DATE)
    rows = records(plan(seasonal, 26, "1000", 15 * MINUTE, "buy", 0).parents, seasonal)
    assert (rows["curve"][:, 0] == 0).all()
    assert np.allclose(rows["curve"][:, -1], 1)
    assert (np.diff(rows["curve"], axis=1) > 0).all()
    early, noon = (rows["expected_lots"][np.argmin(abs(rows["start"] - hours.open_ns - ns))] for ns in (5 * MINUTE, 180 * MINUTE))
    assert early > 2 * noon


def test_a_market_without_a_name_is_refused_with_what_there_is() -> None:
    for name in ("crowd:unknown", "crowd", "history:", "nasdaq"):
        with pytest.raises(BadInput, match="expected history:DAY"):
            market(name)
