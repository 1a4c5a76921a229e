"""Crowds: their randomness is keyed, their rates are their parameters, they open as they go on, and each law is itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from histories import child
from numpy.typing import NDArray
from scipy import stats

from tercet.backtest.markets import market
from tercet.bench.loops import play_market
from tercet.book import invariants
from tercet.compiled import compiled
from tercet.market.events import ADD, BUY, CANCEL, EVENT, SELL, TRADE
from tercet.sim import crowd
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.random import uniform
from tercet.sim.reseed import reseed
from tercet.sim.settings import CROWDS, CrowdSettings, HawkesSettings, QueueSettings, RegimeSettings, SellerSettings, SignalSettings
from tercet.sim.state import CROWD_SETTINGS, new_scratch
from tercet.sim.wire import send

SECOND = 1_000_000_000
OPENS, CLOSES = 34_200 * SECOND, 57_600 * SECOND
EVEN = (1.0,) * 26
FLAT = CrowdSettings(season=EVEN)


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


@pytest.mark.parametrize("mean", [100.0, 101.0, 130.0, 1000.0])
def test_any_mean_size_is_met(mean: float) -> None:
    record = np.zeros(1, CROWD_SETTINGS).view(np.recarray)[0]
    CrowdSettings(limit_lots=mean, lot_step=100).write(record, OPENS, CLOSES, 0)
    drawn = np.array([crowd.size_of(record.limit_size, 100, (i + 0.5) / 20_000) for i in range(20_000)])
    assert drawn.mean() == pytest.approx(mean, rel=0.002)


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


@pytest.mark.parametrize("name", ["zero", "queue", "hawkes"])
def test_the_market_opens_in_the_state_in_which_it_goes_on(name: str) -> None:
    seen: dict[int, list[tuple[float, ...]]] = {0: [], 50_000: []}
    for seed in range(150):
        sim = opened(100 + seed, replace(CROWDS[name], season=EVEN))
        scratch = new_scratch(sim)
        for messages, states in seen.items():
            play_market(sim, NO_EVENTS, messages, scratch)
            flow, book = sim.flow, sim.book
            states.append((flow.ask - flow.bid, flow.bid_lots + flow.ask_lots, book.live, book.orders["lots"].sum(), flow.variance_long))
    for what, early, late in zip(
        ("spread", "touch", "orders", "depth", "variance"), np.array(seen[0]).T, np.array(seen[50_000]).T, strict=True
    ):
        assert stats.ks_2samp(early, late, method="asymp").pvalue > 1e-3, what
        assert abs(early.mean() - late.mean()) < 4 * ((early.var() + late.var()) / 150) ** 0.5, what


def armed(sim: Any) -> set[int]:
    """The slots whose orders have an end of life to come."""
    return set(np.flatnonzero(sim.wheel.timers["armed"][: len(sim.book.orders)]))


@pytest.mark.parametrize("name", sorted(CROWDS))
def test_the_book_keeps_its_invariants_with_our_orders_in_it(name: str) -> None:
    sim, rng = opened(9, CROWDS[name]), np.random.default_rng(9)
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
        assert armed(sim) == set(np.flatnonzero((ours["lots"] > 0) & (ours["owner"] == 0)))
    assert sim.filled == scratch.reports["lots"][: int(scratch.count)].sum() > 5_000


@pytest.mark.parametrize(
    "change",
    [
        {"limit_rate": 0},
        {"life_s": -1},
        {"reach": float("inf")},
        {"season": (1.0,) * 25},
        {"limit_rate": 400.0},
        {"regimes": ()},
        {"lot_step": 1.5},
    ],
)
def test_settings_that_make_no_market_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="crowd: "):
        CrowdSettings(**change)


@pytest.mark.parametrize(
    ("settings", "change", "word"),
    [
        (HawkesSettings, {"offspring_limit": 1.2}, "branching ratio was"),
        (HawkesSettings, {"kernel_s": (0.1, -1.0, 1.0, 1.0)}, "kernel_s"),
        (HawkesSettings, {"limit_children": (0.5, 0.5, 0.5, 0.5)}, "limit_children"),
        (HawkesSettings, {"improve": 0.7, "join": 0.5}, "improve"),
        (QueueSettings, {"levels": ()}, "levels"),
        (QueueSettings, {"theta": 1.5}, "theta"),
        (RegimeSettings, {"pace": 0.0}, "pace"),
        (SignalSettings, {"strength": 2.0}, "strength"),
        (SellerSettings, {"lots": (-5.0, 1.0)}, "lots"),
        (SellerSettings, {"share": (0.4, 0.1)}, "the smaller first"),
    ],
)
def test_what_no_law_can_be_made_of_is_refused_by_name(settings: Any, change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        settings(**change)


def test_offspring_that_alone_exceed_the_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="offspring alone"):
        CrowdSettings(market_rate=0.1, hawkes=HawkesSettings())


# Laws ---------------------------------------------------------------------------------------------------------------------------


def test_excited_orders_and_others_together_come_at_the_rates_that_were_asked_for() -> None:
    settings = replace(CROWDS["hawkes"], season=EVEN, hawkes=replace(HawkesSettings(), feedback=0.0))
    events, _ = acts(opened(11, settings), 10_800)
    for kind, rate in ((ADD, settings.limit_rate), (TRADE, settings.market_rate)):
        counts = np.histogram(events["time"][events["kind"] == kind], 36, (OPENS, OPENS + 10_800 * SECOND))[0]
        assert abs(counts.mean() - 600 * rate) < 4 * counts.std() / 6
        assert counts.var() > 1.5 * counts.mean()  # clustered, as a Poisson flow is not


def markouts(settings: CrowdSettings, seconds: float) -> NDArray[np.float64]:
    """The mid's moves in a market order's direction within so many seconds after it, ticks."""
    sim = opened(12, settings)
    scratch, events, mids = new_scratch(sim), np.zeros(2_000_000, EVENT), np.zeros(2_000_000)
    count = _mids(sim, scratch, OPENS + 7200 * SECOND, events, mids)
    events, mids = events[:count], mids[:count]
    trades = np.flatnonzero((events["kind"] == TRADE) & (events["time"] < OPENS + 7000 * SECOND))
    later = np.searchsorted(events["time"], events["time"][trades] + int(seconds * SECOND), "right") - 1
    return np.asarray(-events["side"][trades] * (mids[later] - mids[trades]))


@compiled
def _mids(sim, scratch, until, events, mids):
    """Let the crowd act until `until`; writes what it did and the mid just after. Returns how often it acted."""
    count = 0
    while crowd.next_event(sim) <= until and count < len(events):
        crowd.step(sim, scratch)
        events[count] = scratch.event
        mids[count] = 0.5 * (sim.flow.bid + sim.flow.ask)
        count += 1
    return count


def test_who_is_filled_passively_in_a_crowd_that_excites_itself_sees_the_mid_go_on_against_them() -> None:
    after = markouts(replace(CROWDS["hawkes"], season=EVEN), 1.0)
    assert after.mean() > 4 * after.std() / len(after) ** 0.5
    blind = markouts(replace(CROWDS["zero"], season=EVEN), 1.0)
    assert after.mean() > blind.mean() + 0.05


def test_queues_turn_limit_orders_away_the_more_the_longer_they_are() -> None:
    settings = replace(CROWDS["queue"], season=EVEN)
    sim = opened(13, settings)
    long = replace(CROWDS["queue"], season=EVEN, queue=replace(QueueSettings(), crowding=5.0))
    events, _ = acts(sim, 1800)
    fewer, _ = acts(opened(13, long), 1800)
    asked = 2 * settings.limit_rate * 1800
    assert (fewer["kind"] == ADD).sum() < 0.7 * (events["kind"] == ADD).sum() < 0.95 * asked


def test_the_reference_price_follows_depleted_queues_or_stands_where_theta_is_0() -> None:
    still = opened(14, replace(CROWDS["queue"], season=EVEN, queue=replace(QueueSettings(), theta=0.0)))
    moving = opened(14, replace(CROWDS["queue"], season=EVEN))
    seen: tuple[set[int], set[int]] = (set(), set())
    for sim, references in zip((still, moving), seen, strict=True):
        for minute in range(1, 31):
            advance(sim, NO_EVENTS, OPENS + 60 * minute * SECOND, new_scratch(sim))
            references.add(int(sim.reference))
    assert seen[0] == {CROWDS["queue"].anchor}
    assert len(seen[1]) > 3


# Regimes, actors, signals -------------------------------------------------------------------------------------------------------


def spread_of_moves(name: str) -> float:
    """The standard deviation of the mid's moves within a minute, ticks."""
    moves = []
    for seed in range(20):
        sim = opened(200 + seed, replace(CROWDS[name], season=EVEN))
        scratch, before = new_scratch(sim), 0.0
        for minute in range(1, 11):
            before = 0.5 * float(sim.flow.bid + sim.flow.ask)
            advance(sim, NO_EVENTS, OPENS + 60 * minute * SECOND, scratch)
            moves.append(0.5 * float(sim.flow.bid + sim.flow.ask) - before)
    return float(np.std(moves))


def test_a_volatile_market_moves_more_and_a_calm_one_less() -> None:
    calm, usual, volatile = (spread_of_moves(name) for name in ("calm", "hawkes", "volatile"))
    assert 1.2 * calm < usual < volatile / 1.2


def test_a_thin_market_has_less_in_its_book() -> None:
    assert opened(15, CROWDS["thin"]).book.live < 0.7 * opened(15, CROWDS["hawkes"]).book.live


def test_a_trend_goes_on_in_its_direction() -> None:
    along = []
    for seed in range(30):
        sim = opened(300 + seed, replace(CROWDS["trending"], season=EVEN, dwell_s=1e6))
        before = 0.5 * float(sim.flow.bid + sim.flow.ask)
        advance(sim, NO_EVENTS, OPENS + 300 * SECOND, new_scratch(sim))
        along.append(float(sim.trend) * (0.5 * float(sim.flow.bid + sim.flow.ask) - before))
    assert np.mean(along) > 4 * np.std(along) / 30**0.5


def test_a_switching_market_changes_its_regime_and_its_pace() -> None:
    sim = opened(16, replace(CROWDS["switching"], season=EVEN))
    scratch, seen = new_scratch(sim), set()
    for minute in range(1, 240):
        advance(sim, NO_EVENTS, OPENS + 60 * minute * SECOND, scratch)
        seen.add((int(sim.regime), float(sim.clock.pace)))
    assert {regime for regime, _ in seen} == set(range(5))
    assert all(pace == CROWDS["switching"].regimes[regime].pace for regime, pace in seen)


def test_a_large_seller_brings_the_market_down_from_a_known_onset() -> None:
    falls, rests = [], []
    for seed in range(10):
        seller = SellerSettings(onset_s=(1800.0, 1800.0), share=(0.3, 0.3), lots=(4e5, 4e5))
        sim = opened(400 + seed, replace(CROWDS["crash"], season=EVEN, seller=seller))
        scratch = new_scratch(sim)
        mids = []
        for minute in range(1, 61):
            advance(sim, NO_EVENTS, OPENS + 60 * minute * SECOND, scratch)
            mids.append(0.5 * float(sim.flow.bid + sim.flow.ask))
        assert sim.seller_began == pytest.approx(OPENS + 1800 * SECOND, abs=2 * SECOND)
        rests.append(mids[28] - mids[8])
        falls.append(mids[48] - mids[28])
    assert np.mean(falls) < np.mean(rests) - 4 * np.std(rests) / 10**0.5


def test_each_session_has_a_seller_of_its_own_that_begins_when_the_market_says() -> None:
    crash, seller = market("crowd:crash"), SellerSettings()
    drawn = {seller.drawn(seed) for seed in range(50)}
    assert len(drawn) == 50
    for place, (low, high) in enumerate((seller.onset_s, seller.share, seller.lots)):
        values = [one[place] for one in drawn]
        assert low <= min(values) < low + 0.2 * (high - low)
        assert high - 0.3 * (high - low) < max(values) <= high
    for number in (0, 3):
        onset = crash.onset(number, 7)
        assert onset is not None
        sim = crash.open(number, 7, onset - 60 * SECOND)
        advance(sim, NO_EVENTS, onset + 5 * SECOND, new_scratch(sim))
        assert sim.seller_began == pytest.approx(onset, abs=2 * SECOND)
    assert market("crowd:calm").onset(0, 0) is None


def test_a_planted_signal_tells_where_the_mid_goes_and_its_shuffled_twin_does_not() -> None:
    told = {}
    for name in ("signal", "signal-shuffled"):
        signals, moves = [], []
        for seed in range(8):
            sim = opened(500 + seed, replace(CROWDS[name], season=EVEN))
            scratch = new_scratch(sim)
            for half_minute in range(1, 120):
                signals.append(float(sim.alpha))
                before = 0.5 * float(sim.flow.bid + sim.flow.ask)
                advance(sim, NO_EVENTS, OPENS + 30 * half_minute * SECOND, scratch)
                moves.append(0.5 * float(sim.flow.bid + sim.flow.ask) - before)
        told[name] = np.corrcoef(signals, moves)[0, 1]
        assert np.std(signals) == pytest.approx(1.0, abs=0.2)
    assert told["signal"] > 4 / (8 * 119) ** 0.5
    assert abs(told["signal-shuffled"]) < 4 / (8 * 119) ** 0.5


# Copies -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zero", "queue", "hawkes"])
def test_a_reseeded_copy_has_the_same_book_and_another_future_of_the_same_law(name: str) -> None:
    sim = opened(17, replace(CROWDS[name], season=EVEN))
    lives, waits = [], []
    for seed in range(40):
        copy = np.frombuffer(bytearray(sim.tobytes()), sim.dtype).view(np.recarray)[0]
        reseed(copy, seed)
        assert copy.book.tobytes() == sim.book.tobytes()
        assert armed(copy) == armed(sim)
        first = int(copy.clock.next)
        advance(copy, NO_EVENTS, OPENS + 60 * SECOND, new_scratch(copy))
        assert invariants.broken(copy.book) == 0
        lives.append((int(copy.book.live), int(copy.flow.bid)))
        waits.append(first - OPENS)
    assert len(set(lives)) > 30
    assert min(waits) > 0
    advance(sim, NO_EVENTS, OPENS + 60 * SECOND, new_scratch(sim))
    assert abs(np.mean([live for live, _ in lives]) - sim.book.live) < 5 * np.std([live for live, _ in lives])
