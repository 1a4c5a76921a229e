"""The zero-intelligence crowd: its randomness is keyed, its rates are its parameters, it opens as it goes on."""

from typing import Any

import numpy as np
import pytest
from histories import child
from numpy.typing import NDArray
from scipy import stats

from tercet.book import invariants
from tercet.book.state import REFUSED_FULL
from tercet.compiled import compiled
from tercet.market.events import ADD, BUY, CANCEL, EVENT, SELL, TRADE
from tercet.sim import crowd
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.random import uniform
from tercet.sim.settings import CrowdSettings
from tercet.sim.state import new_scratch
from tercet.sim.wire import send

SECOND = 1_000_000_000
OPENS, CLOSES = 34_200 * SECOND, 57_600 * SECOND
FLAT = CrowdSettings(season=(1.0,) * 26)


def opened(seed: int = 1, settings: CrowdSettings = FLAT, now: int = OPENS) -> Any:
    """A crowd's market at a time."""
    sim = open_crowd(settings, seed, OPENS, CLOSES)
    advance(sim, NO_EVENTS, now, new_scratch(sim))
    return sim


@compiled
def _acts(sim, scratch, until, events, opposites):
    """Let the crowd act until `until`; writes what it did, and the opposite touch (0: none) before it. Returns how often it acted."""
    count = 0
    while crowd.next_event(sim) <= until and count < len(events):
        bid = sim.book.sides[0].top if sim.book.sides[0].levels > 0 else 0
        ask = -sim.book.sides[1].top if sim.book.sides[1].levels > 0 else 0
        crowd.step(sim, scratch)
        events[count] = scratch.event
        opposites[count] = ask if scratch.event.side == BUY else bid
        count += 1
    return count


def acts(sim: Any, seconds: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """What the crowd does in so many seconds after the opening, and the opposite touch before each act."""
    events, opposites = np.zeros(2_000_000, EVENT), np.zeros(2_000_000, np.int64)
    count = _acts(sim, new_scratch(sim), OPENS + seconds * SECOND, events, opposites)
    return events[:count], opposites[:count]


# Randomness ---------------------------------------------------------------------------------------------------------------------


def test_one_seed_is_one_market_byte_for_byte_and_another_seed_is_another() -> None:
    one, again, other = (opened(seed, now=OPENS + 600 * SECOND) for seed in (1, 1, 2))
    assert one.tobytes() == again.tobytes()
    assert one.book.tobytes() != other.book.tobytes()


def test_a_copy_of_the_record_has_the_same_future() -> None:
    sim = opened()
    copy = np.frombuffer(bytearray(sim.tobytes()), sim.dtype).view(np.recarray)[0]
    scratch = new_scratch(sim)
    advance(sim, NO_EVENTS, OPENS + 300 * SECOND, scratch)
    assert copy.tobytes() != sim.tobytes()
    for seconds in range(1, 301):  # however finely it is advanced
        advance(copy, NO_EVENTS, OPENS + seconds * SECOND, scratch)
    assert copy.tobytes() == sim.tobytes()


def test_our_orders_shift_no_draw_of_the_crowd() -> None:
    alone, with_us = opened(), opened()
    send(with_us, child(side=BUY, tick=5000, lots=5000), OPENS)
    send(with_us, child(side=BUY, lots=20_000, kind=1), OPENS)
    heard, quiet = acts_of(with_us), acts_of(alone)
    for kind, name in ((ADD, "limit"), (TRADE, "market")):
        for field in ("time", "side", "lots"):
            mine, theirs = (events[events["kind"] == kind][field] for events in (heard, quiet))
            assert (mine == theirs).all(), (name, field)
    assert (heard["tick"][: len(quiet)] != quiet["tick"][: len(heard)]).any()


def acts_of(sim: Any) -> NDArray[np.void]:
    """What the crowd does in five minutes, once our children have arrived."""
    advance(sim, NO_EVENTS, OPENS, new_scratch(sim))
    return acts(sim, 300)[0]


def test_uniform_numbers_are_uniform_and_independent_of_their_neighbours() -> None:
    for kind in (0, 1, 9):
        drawn = np.array([uniform(3, kind, count) for count in range(4000)])
        assert stats.kstest(drawn, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / 4000**0.5
        assert abs(np.corrcoef(drawn, [uniform(3, kind + 1, count) for count in range(4000)])[0, 1]) < 4 / 4000**0.5


# Parameters ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hours() -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Three flat hours of a crowd."""
    return acts(opened(5), 10_800)


def near(drawn: NDArray[Any], mean: float) -> bool:
    """Whether the mean of independent draws is what it should be, within four standard errors."""
    return bool(abs(drawn.mean() - mean) < 4 * drawn.std() / len(drawn) ** 0.5)


def test_orders_arrive_at_their_rates_and_evenly_from_both_sides(hours: Any) -> None:
    events, _ = hours
    for kind, rate in ((ADD, FLAT.limit_rate), (TRADE, FLAT.market_rate)):
        for side in (BUY, SELL):
            count = int(((events["kind"] == kind) & (events["side"] == side)).sum())
            assert abs(count - 10_800 * rate) < 4 * (10_800 * rate) ** 0.5
        waits = np.diff(events["time"][events["kind"] == kind]) * 1e-9
        assert stats.kstest(waits, "expon", args=(0, 0.5 / rate)).pvalue > 1e-3


def test_sizes_have_their_means_and_are_multiples_of_the_step(hours: Any) -> None:
    events, _ = hours
    for kind, mean in ((ADD, FLAT.limit_lots), (TRADE, FLAT.market_lots)):
        lots = events["lots"][events["kind"] == kind]
        assert near(lots, mean)
        assert (lots % FLAT.lot_step == 0).all()


@pytest.mark.parametrize("mean", [50.0, 100.0, 101.0, 130.0, 1000.0])
def test_any_mean_size_is_met_where_it_is_a_step_at_least(mean: float) -> None:
    drawn = np.array([crowd.size_of(mean, 100, (i + 0.5) / 20_000) for i in range(20_000)])
    assert drawn.mean() == pytest.approx(max(mean, 100.0), rel=0.002)


def test_limit_orders_rest_at_exponential_distances_from_the_opposite_touch(hours: Any) -> None:
    events, opposites = hours
    here = (events["kind"] == ADD) & (opposites > 0)
    distance = (opposites[here] - events["tick"][here]) * events["side"][here]
    assert distance.min() == 1
    assert near(distance, 1 / (1 - np.exp(-1 / FLAT.reach)))  # 1 + the floor of an exponential


def test_an_order_that_nobody_trades_with_lives_its_mean_life() -> None:
    sim = opened(6, CrowdSettings(season=(1.0,) * 26, market_rate=1e-6))
    events, _ = acts(sim, 3600)
    born = dict(zip(events["id"][events["kind"] == ADD], events["time"][events["kind"] == ADD], strict=True))
    gone = events[(events["kind"] == CANCEL) & np.isin(events["id"], list(born))]
    lives = (
        np.array([time - born[id] for id, time in zip(gone["id"], gone["time"], strict=True) if born[id] < OPENS + 3300 * SECOND]) * 1e-9
    )
    assert near(lives, FLAT.life_s)
    assert abs(sim.book.live - 2 * FLAT.limit_rate * FLAT.life_s) < 5 * (2 * FLAT.limit_rate * FLAT.life_s) ** 0.5


def test_volume_through_the_day_follows_the_season() -> None:
    settings = CrowdSettings()
    sim = opened(7, settings)
    events, _ = acts(sim, 23_400)
    for kind, rate in ((ADD, settings.limit_rate), (TRADE, settings.market_rate)):
        counts, _ = np.histogram(events["time"][events["kind"] == kind], 26, (OPENS, CLOSES))
        expected = 2 * rate * 900 * np.array(settings.season) / np.mean(settings.season)
        assert (abs(counts - expected) < 4.5 * expected**0.5).all()
        assert stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), 26) > 1e-3


# State --------------------------------------------------------------------------------------------------------------------------


def test_the_market_opens_in_the_state_in_which_it_goes_on() -> None:
    seen: dict[int, list[tuple[float, ...]]] = {0: [], 1800: []}
    for seed in range(150):
        sim = opened(100 + seed)
        scratch = new_scratch(sim)
        for seconds, states in seen.items():
            advance(sim, NO_EVENTS, OPENS + seconds * SECOND, scratch)
            flow, book = sim.flow, sim.book
            states.append((flow.ask - flow.bid, flow.bid_lots + flow.ask_lots, book.live, book.orders["lots"].sum()))
    for name, early, late in zip(("spread", "touch", "orders", "depth"), np.array(seen[0]).T, np.array(seen[1800]).T, strict=True):
        assert stats.ks_2samp(early, late).pvalue > 1e-3, name
        assert abs(early.mean() - late.mean()) < 4 * ((early.var() + late.var()) / 150) ** 0.5, name


def test_a_full_heap_of_lifetimes_refuses_and_counts() -> None:
    sim = opened()
    free = len(sim.deaths) - int(sim.death_count)
    sim.deaths["time"][int(sim.death_count) :] = 10**18  # as many orders more, none of which ever dies
    sim.death_count = len(sim.deaths)
    before = int(sim.draws[crowd.LIMITS])
    events, _ = acts(sim, 5)
    assert free > 0
    born = int((events["kind"] == ADD).sum())
    assert sim.book.refused[-REFUSED_FULL] > 5
    assert born + sim.book.refused[-REFUSED_FULL] == sim.draws[crowd.LIMITS] - before
    assert sim.death_count <= len(sim.deaths)
    assert invariants.broken(sim.book) == 0


def test_the_book_keeps_its_invariants_with_our_orders_in_it() -> None:
    sim, rng = opened(9), np.random.default_rng(9)
    scratch = new_scratch(sim)
    for second in range(1, 400):
        side = int(rng.choice([BUY, SELL]))
        tick = int(sim.flow.bid if side == BUY else sim.flow.ask) + int(rng.integers(-2, 3))
        send(sim, child(side=side, tick=tick, lots=int(rng.integers(1, 800)), kind=int(rng.integers(0, 5))), OPENS + second * SECOND)
        advance(sim, NO_EVENTS, OPENS + second * SECOND, scratch)
        assert invariants.BROKEN.get(int(invariants.broken(sim.book))) is None
        assert not invariants.crossed(sim.book)
        ours = np.asarray(sim.book.orders)
        assert ours["lots"][(ours["owner"] != 0) & (ours["lots"] > 0)].sum() == sim.own["lots"].sum()
    assert sim.filled == scratch.reports["lots"][: int(scratch.count)].sum() > 10_000


@pytest.mark.parametrize(
    "change", [{"limit_rate": 0}, {"life_s": -1}, {"reach": float("inf")}, {"season": (1.0,) * 25}, {"limit_rate": 400.0}]
)
def test_settings_that_make_no_market_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="crowd: "):
        CrowdSettings(**change)
