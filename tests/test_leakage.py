"""Nothing that a policy does depends on what has not reached it yet: scrambling the future leaves its actions as they were."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from workbench import parent, pegged, random_day, recorded_market

from tercet.backtest.markets import Market, history_market, market
from tercet.backtest.runner import Settings, Worker
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.compiled import compiled
from tercet.execution.policy import Policy, policy
from tercet.execution.schedules import POLICIES, by_name
from tercet.market import lobster
from tercet.market.events import BUY, REVEAL, SELL, TRADE
from tercet.market.store import open_day, save
from tercet.sim.open import set_latency

SECOND = 1_000_000_000
LATENCIES = {"half a millisecond": 500_000, "half a second": SECOND // 2, "more than a step": 5 * SECOND // 2}
CUT, SEEN, DONE = 15, 14, 15  # settings[CUT]: seconds after the start until which memory[SEEN] and memory[DONE] are kept


@compiled
def fold(pad, place, number):
    """Make a number part of a running digest in memory[place]."""
    pad.memory[place] = (31.0 * pad.memory[place] + number + 1.0) % 2147483647.0


@compiled
def note(view, pad, count):
    """Make what is seen and what is done part of their digests."""
    for number in (view.filled, view.open, view.ahead, view.bid, view.ask, view.bid_lots, view.ask_lots, view.market_lots):
        fold(pad, SEEN, float(number))
    for number in (view.microprice, view.order_flow, view.signed, view.volume, view.volatility_short, view.volatility_long):
        fold(pad, SEEN, number)
    for row in range(2):
        for level in range(view.depth.shape[1]):
            fold(pad, SEEN, float(view.depth[row, level]))
    fold(pad, DONE, float(count))
    for i in range(count):
        fold(pad, DONE, float(pad.children[i].verb))
        fold(pad, DONE, float(pad.children[i].lots))
        fold(pad, DONE, float(pad.children[i].tick))


def watched(how: Policy) -> Policy:
    """`how`, with a trail of all that it saw and all that it did up to a time left on its pad."""
    decide = how.decide

    @policy
    def watching(view, pad):
        count = decide(view, pad)
        if view.now - view.start <= pad.settings[CUT] * 1e9:
            note(view, pad, count)
        return count

    return Policy(how.name, watching, how.settings)


class Kept:
    """A policy whose last pad can be read, with `cut` in its settings."""

    def __init__(self, how: Policy, cut: float) -> None:
        self.how, self.name, self.decide, self.cut, self.pad = how, how.name, how.decide, cut, how.new_pad()

    def new_pad(self) -> Any:
        """A pad that is remembered here."""
        self.pad = self.how.new_pad()
        self.pad.settings[CUT] = self.cut
        return self.pad


def scrambled(events: NDArray[np.void], after: int, seed: int) -> NDArray[np.void]:
    """The same messages up to and including `after`; beyond it they change places, prices and sizes."""
    changed, rng = events.copy(), np.random.default_rng(seed)
    first = int(np.searchsorted(events["time"], after, side="right"))
    late = rng.permutation(events[first:])
    move = rng.integers(-30, 31, len(late)).astype(np.int32)
    late["tick"] += move
    late["id"] += np.where(late["kind"] == REVEAL, move, 0)
    late["lots"] = 1 + rng.permutation(late["lots"]) * 3
    late["time"] = events["time"][first:]
    changed[first:] = late
    return changed


def trail(place: Market, how: Policy, row: Any, cut: float, feed: int, pretend: int | None = None) -> tuple[float, float]:
    """What a watched policy saw and did until `cut` seconds after its parent's start; `pretend` is another feed latency in truth."""
    settings = Settings(order_latency_ns=(SECOND // 4,), feed_latency_ns=(feed,), threads=1)
    worker = Worker(place, settings, 0)
    worker.roll(int(row.start))
    if pretend is not None:
        set_latency(worker.base[0], SECOND // 4, pretend)
    kept = Kept(how, cut)
    worker.work(row, kept, 1)  # type: ignore[arg-type]
    return float(kept.pad.memory[SEEN]), float(kept.pad.memory[DONE])


@pytest.fixture(scope="module")
def made() -> Market:
    """A day of two minutes."""
    return recorded_market(random_day(1, 1500, 120.0))


@pytest.fixture(scope="module")
def goog(goog_day: Path) -> Market:
    """The real day."""
    return market(f"history:{goog_day}")


WATCHED = {name: watched(by_name(name)) for name in POLICIES} | {"pegged": watched(Policy("pegged", pegged))}


@pytest.mark.parametrize("feed", LATENCIES.values(), ids=[name.replace(" ", "-") for name in LATENCIES])
@pytest.mark.parametrize("name", WATCHED)
def test_scrambling_what_has_not_reached_a_policy_changes_nothing_that_it_sees_or_does(made: Market, name: str, feed: int) -> None:
    for side, cut in ((BUY, 0.0), (SELL, 1.0), (BUY, 20.0), (SELL, 33.0)):
        start = 40 * SECOND
        row = parent(start, start + 60 * SECOND, 40, side)
        changed = replace(made, events=scrambled(made.events, start + int(cut * SECOND) - feed, int(cut)))
        assert trail(changed, WATCHED[name], row, cut, feed) == trail(made, WATCHED[name], row, cut, feed)


@pytest.mark.parametrize(("name", "kind"), [("pegged", 1), ("pegged", 0), ("passive", 0), ("pov", 0), ("nothing", 0)])
def test_a_market_that_shows_the_future_is_found_by_the_same_check(made: Market, name: str, kind: int) -> None:
    feed, cut, start = SECOND // 2, 20.0, 40 * SECOND
    row = parent(start, start + 60 * SECOND, 40)
    found = 0
    for seed in range(8):
        changed = replace(made, events=scrambled(made.events, start + int(cut * SECOND) - feed, seed))
        honest, peeking = (trail(place, WATCHED[name], row, cut, feed, pretend=0) for place in (made, changed))
        found += honest[kind] != peeking[kind]
    assert found >= 1


def test_what_comes_later_than_the_check_says_does_change_what_a_policy_does(made: Market) -> None:
    start = 40 * SECOND
    row = parent(start, start + 60 * SECOND, 40)
    changed = replace(made, events=scrambled(made.events, start + 10 * SECOND, 0))
    assert trail(changed, WATCHED["pegged"], row, 33.0, 0) != trail(made, WATCHED["pegged"], row, 33.0, 0)


@pytest.mark.parametrize("name", WATCHED)
def test_on_a_recorded_day_scrambling_the_future_changes_no_action(goog: Market, name: str) -> None:
    feed = 500_000
    for number, cut in ((0, 0.0), (1, 17.0), (2, 120.0)):
        start = goog.open_ns + (600 + 7000 * number) * SECOND
        row = parent(start, start + 300 * SECOND, 1000, (BUY, SELL)[number % 2])
        changed = replace(goog, events=scrambled(goog.events, start + int(cut * SECOND) - feed, number))
        assert trail(changed, WATCHED[name], row, cut, feed) == trail(goog, WATCHED[name], row, cut, feed)


@pytest.mark.parametrize("order", [0, 500_000, SECOND])
@pytest.mark.parametrize("feed", [0, *LATENCIES.values()])
def test_the_arrival_mid_is_the_venues_at_the_parents_birth_whatever_arrives_then(made: Market, feed: int, order: int) -> None:
    from tercet.sim.episode import advance
    from tercet.sim.state import new_scratch

    differed = 0
    for start in range(20 * SECOND, 60 * SECOND, 4 * SECOND):
        sim = made.open(0, 0)
        advance(sim, made.events, start, new_scratch(sim))
        worker = Worker(made, Settings(feed_latency_ns=(feed,), order_latency_ns=(order,), threads=1), 0)
        worker.roll(start)
        first_seen = int(worker.base[0].flow.bid + worker.base[0].flow.ask)
        for name in ("immediate", "twap", "nothing"):
            _, outcome = worker.work(parent(start, start + 10 * SECOND, 5), by_name(name), 1)
            assert outcome.arrival_mid2 == sim.flow.bid + sim.flow.ask
        advance(sim, made.events, start + 10 * SECOND, new_scratch(sim))
        assert outcome.end_mid2 == sim.flow.bid + sim.flow.ask
        differed += first_seen != outcome.arrival_mid2
    assert differed or feed < SECOND // 2


def test_the_volume_of_the_day_that_is_traded_is_no_input_of_a_policy(tmp_path: Path) -> None:
    messages, book = write_lobster(tmp_path, *made_day(20_000))
    recorded = lobster.read(messages, book, MADE, DATE)
    alone = history_market(open_day(save(tmp_path, recorded, MADE, DATE + timedelta(days=1))))
    assert alone.expected_day_lots == 0
    quiet = recorded.events.copy()
    quiet["lots"][quiet["kind"] == TRADE] = 1
    earlier = save(tmp_path, replace(recorded, events=quiet), MADE, DATE)
    save(tmp_path, recorded, MADE, DATE + timedelta(days=2))
    beside = history_market(open_day(tmp_path / alone.name.removeprefix("history:")))
    assert beside.expected_day_lots == (quiet["kind"] == TRADE).sum() < alone.sizing_day_lots
    assert earlier.name in beside.curve.provenance
