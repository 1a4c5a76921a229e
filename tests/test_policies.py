"""Every policy keeps the contract of policies; each named one does what its name says; `conform` keeps a parent's terms by hand."""

import importlib
import math
import pkgutil
from functools import cache
from typing import Any

import numpy as np
import pytest
from histories import child
from workbench import Worked, parent, wild_policy, work

import tercet.execution
from tercet.backtest.markets import CROWD_DATE, crowd_market
from tercet.book.records import AGGRESSIVE, CANCEL_OWN, COMPLETION, PASSIVE, REPLACE_OWN, RESTING, SUBMIT
from tercet.book.state import IOC, LIMIT, MARKET, POST_ONLY
from tercet.execution.policy import Policy
from tercet.execution.schedules import by_name
from tercet.execution.view import CURVE_STEPS, VIEW, begin, quiet
from tercet.execution.working import CHANGED, DROPPED, KEPT, behind_least, conform
from tercet.market.calendar import session
from tercet.market.events import BUY, SELL
from tercet.sim.episode import advance
from tercet.sim.open import set_latency
from tercet.sim.settings import CrowdSettings
from tercet.sim.state import new_scratch

SECOND = 1_000_000_000
STEP, ORDER_LATENCY, FEED_LATENCY = SECOND, SECOND // 10, SECOND // 20
START = session(CROWD_DATE).open_ns + 600 * SECOND
CROWD = crowd_market("test", CrowdSettings(season=(1.0,) * 26))


def shipped() -> dict[str, Any]:
    """Every policy that any module of `tercet.execution` offers in a table called POLICIES."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(tercet.execution.__path__):
        found |= getattr(importlib.import_module(f"tercet.execution.{module.name}"), "POLICIES", {})
    return found


NAMES = [*shipped(), "wild"]


def made(name: str) -> Policy:
    """A policy by its name; `wild` is no policy that ships, but keeps the contract all the same."""
    return wild_policy(5) if name == "wild" else shipped()[name](name)


@cache
def before(number: int) -> Any:
    """A crowd's market just before a parent's first look."""
    sim = CROWD.open(number, 1)
    set_latency(sim, ORDER_LATENCY, FEED_LATENCY)
    advance(sim, CROWD.events, START - FEED_LATENCY, new_scratch(sim))
    return sim


def worked(how: Policy, lots: int = 3000, seconds: int = 300, side: int = BUY, number: int = 0, **terms: Any) -> Worked:
    """A parent worked in a fresh copy of that market."""
    row = parent(START, START + seconds * SECOND, lots, side, **terms)
    return work(before(number).copy(), CROWD.events, row, how, STEP)


def early(done: Worked) -> np.ndarray[Any, Any]:
    """The fills before the completion."""
    return done.reports[done.reports["how"] != COMPLETION]


def touch(number: int, side: int) -> int:
    """The best tick of a side at the first look."""
    return int(before(number).flow.bid if side == BUY else before(number).flow.ask)


# The contract -------------------------------------------------------------------------------------------------------------------


def test_the_shipped_policies_are_found_by_import() -> None:
    assert {"immediate", "twap", "vwap", "pov", "submit-and-leave", "passive", "passive-then-cross", "almgren-chriss"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_flat_and_never_asks_for_more_than_its_parent(name: str) -> None:
    for number, side in enumerate((BUY, SELL)):
        done = worked(made(name), side=side, number=number)
        assert done.filled == 3000
        assert done.outcome.left == 0
        assert (done.looks["filled"] + done.looks["open"]).max() <= 3000
        assert (done.reports["side"] == side).all()
        assert (np.diff(done.reports["time"]) >= 0).all()
        assert done.outcome.decisions == 300


@pytest.mark.parametrize("name", NAMES)
def test_it_trades_at_its_limit_price_or_better_to_the_last_lot(name: str) -> None:
    for number, side in enumerate((BUY, SELL)):
        limit = touch(number, side)
        done = worked(made(name), side=side, number=number, limit=limit)
        assert done.filled + done.outcome.left == 3000
        assert ((done.reports["tick"] - limit) * side <= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_its_largest_participation_until_the_completion(name: str) -> None:
    for number, most in enumerate((0.05, 0.2)):
        done = worked(made(name), lots=200_000, number=number, most=most)
        seen = int(done.outcome.market_lots) + 3000  # printed between the first look and the birth
        assert early(done)["lots"].sum() <= most / (1 - most) * seen


@pytest.mark.parametrize("name", NAMES)
def test_it_trades_nothing_in_its_no_trade_windows(name: str) -> None:
    windows = ((START + 20 * SECOND, START + 61 * SECOND), (START + 150_500_000_000, START + 170 * SECOND))
    done = worked(made(name), quiet=windows)
    for first, last in windows:
        assert not ((early(done)["time"] >= first) & (early(done)["time"] < last)).any()
    assert done.filled == 3000


@pytest.mark.parametrize("name", ["nothing", "immediate", "twap", "pov"])
def test_it_keeps_its_least_participation_where_it_rests_nothing(name: str) -> None:
    done = worked(made(name), lots=200_000, least=0.1)
    assert early(done)["lots"].sum() > 0.95 * 0.1 / 0.9 * done.outcome.market_lots


@pytest.mark.parametrize("name", NAMES)
def test_the_same_market_and_parent_give_the_same_fills(name: str) -> None:
    assert worked(made(name)).reports.tolist() == worked(made(name)).reports.tolist()


# What the names say -------------------------------------------------------------------------------------------------------------


def follows(done: Worked, share: Any, lots: int, slices: int = 30) -> None:
    """What is filled a second into each slice is what the schedule says for its end, within a lot; nothing comes in between."""
    seconds = (done.looks["time"] - START) // SECOND
    width = 300 // slices
    for second, filled in zip(seconds, done.looks["filled"], strict=True):
        if second % width >= 2:
            assert abs(int(filled) - lots * share((second // width + 1) / slices)) <= 1, second


def test_twap_fills_equal_shares_in_equal_times() -> None:
    done = worked(by_name("twap"), lots=3001)
    follows(done, lambda elapsed: elapsed, 3001)
    assert set(done.reports["how"]) == {AGGRESSIVE}


def test_vwap_follows_the_curve_that_its_parent_carries() -> None:
    curve = np.linspace(0, 1, CURVE_STEPS + 1) ** 2
    done = worked(by_name("vwap"), lots=3001, curve=curve)
    follows(done, lambda elapsed: np.interp(elapsed, np.linspace(0, 1, CURVE_STEPS + 1), curve), 3001)


@pytest.mark.parametrize("kappa", [0.5, 2.0, 4.0])
def test_almgren_chriss_follows_its_closed_form(kappa: float) -> None:
    how = by_name("almgren-chriss")
    how = Policy(how.name, how.decide, (*how.settings[:2], kappa, *how.settings[3:]))
    follows(worked(how, lots=3001), lambda elapsed: 1 - math.sinh(kappa * (1 - elapsed)) / math.sinh(kappa), 3001)


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_pov_keeps_to_its_rate_where_no_volume_is_expected(rate: float) -> None:
    how = by_name("pov")
    done = worked(Policy(how.name, how.decide, (rate,)), lots=10**6, seconds=1200, expected_lots=0.0)
    assert early(done)["lots"].sum() / done.outcome.market_lots == pytest.approx(rate, rel=0.03)


def test_pov_finishes_on_the_volume_expected() -> None:
    done = worked(by_name("pov"), lots=3000, seconds=1200, expected_lots=300_000.0)
    half = done.looks["filled"][600] / 3000
    assert half == pytest.approx(0.5 * done.outcome.market_lots / 300_000, abs=0.15)


def test_immediate_sends_one_child_that_takes_all_at_once() -> None:
    done = worked(by_name("immediate"))
    assert done.outcome.children == 1
    assert set(done.reports["time"]) == {START + ORDER_LATENCY}
    assert set(done.reports["how"]) == {AGGRESSIVE}


def test_submit_and_leave_sends_one_child_for_all_at_the_near_touch() -> None:
    for side in (BUY, SELL):
        done = worked(by_name("submit-and-leave"), side=side)
        assert done.outcome.children == 1
        assert set(done.looks["own_tick"]) - {0} == {touch(0, side)}
        assert set(early(done)["how"]) <= {PASSIVE}


@pytest.mark.parametrize("name", ["passive", "twap-passive", "passive-then-cross"])
def test_what_rests_fills_passively(name: str) -> None:
    fills = np.concatenate([early(worked(by_name(name), 60_000, number=number, side=(BUY, SELL)[number % 2])) for number in range(6)])
    passive = fills[fills["how"] == PASSIVE]
    assert len(passive) > 20
    assert ((2 * passive["tick"] - passive["mid2"]) * passive["side"] < 0).all()
    assert (set(fills["how"]) == {PASSIVE}) == (name == "passive")


def test_nothing_leaves_all_to_the_completion() -> None:
    done = worked(by_name("nothing"))
    assert done.outcome.children == 0
    assert set(done.reports["how"]) == {COMPLETION}
    assert set(done.reports["time"]) == {START + 300 * SECOND}


# Terms, by hand -----------------------------------------------------------------------------------------------------------------


def seen(filled: int = 0, open: int = 0, market_lots: int = 0, now: int = 50) -> Any:
    """A VIEW of a buy of 100 lots, with an order of ours (handle 7: 10 open, 5 filled)."""
    view = np.zeros(1, VIEW).view(np.recarray)[0]
    view.now, view.step, view.side, view.lots, view.filled, view.open, view.market_lots = now, 10, BUY, 100, filled, open, market_lots
    view.most = 1.0
    view.own[0].handle, view.own[0].lots, view.own[0].filled, view.own[0].state = 7, 10, 5, RESTING
    return view


def terms(**said: Any) -> Any:
    """A buy of 100 lots from 0 to 1000, with those terms."""
    return parent(0, 1000, 100, BUY, **said)


def conformed(row: Any, view: Any, to: Any) -> tuple[int, int, int, int]:
    """What becomes of a child: the verdict, its lots, its tick and its kind."""
    view.limit, view.most, view.quiet = to.limit * to.limited, to.most, quiet(to, view.now, view.step)
    verdict = int(conform(row, view, to))
    return verdict, int(row.lots), int(row.tick), int(row.kind)


@pytest.mark.parametrize(
    ("row", "view", "to", "expected"),
    [
        (child(SUBMIT, BUY, 50, 30), seen(), terms(), (KEPT, 30, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, 30), seen(filled=60, open=20), terms(), (CHANGED, 20, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, 30), seen(filled=60, open=40), terms(), (DROPPED, 0, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, -3), seen(), terms(), (DROPPED, -3, 50, LIMIT)),
        (child(SUBMIT, BUY, 53, 30), seen(), terms(limit=51), (CHANGED, 30, 51, LIMIT)),
        (child(SUBMIT, BUY, 49, 30, POST_ONLY), seen(), terms(limit=51), (KEPT, 30, 49, POST_ONLY)),
        (child(SUBMIT, BUY, 0, 30, MARKET), seen(), terms(limit=51), (CHANGED, 30, 51, IOC)),
        (child(SUBMIT, BUY, 0, 30, MARKET), seen(), terms(), (KEPT, 30, 0, MARKET)),
        (child(SUBMIT, BUY, 50, 30), seen(filled=4, open=2, market_lots=90), terms(most=0.1), (CHANGED, 4, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, 30), seen(market_lots=0), terms(most=0.1), (DROPPED, 0, 50, LIMIT)),
        (child(REPLACE_OWN, BUY, 50, 99, handle=7), seen(filled=5, open=10), terms(), (KEPT, 99, 50, LIMIT)),
        (child(REPLACE_OWN, BUY, 50, 120, handle=7), seen(filled=60, open=30), terms(), (CHANGED, 25, 50, LIMIT)),
        (child(REPLACE_OWN, BUY, 53, 15, handle=7), seen(filled=60, open=40), terms(limit=51), (CHANGED, 15, 51, LIMIT)),
        (child(REPLACE_OWN, BUY, 50, 15, handle=8), seen(), terms(), (DROPPED, 15, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, 30), seen(now=50), terms(quiet=((40, 60),)), (DROPPED, 30, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, 30), seen(now=31), terms(quiet=((40, 60),)), (DROPPED, 30, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, 30), seen(now=30), terms(quiet=((40, 60),)), (KEPT, 30, 50, LIMIT)),
        (child(SUBMIT, BUY, 50, 30), seen(now=60), terms(quiet=((40, 60),)), (KEPT, 30, 50, LIMIT)),
        (child(CANCEL_OWN, handle=7), seen(now=50, filled=100), terms(quiet=((40, 60),)), (KEPT, 0, 0, LIMIT)),
    ],
)
def test_a_child_is_kept_changed_or_dropped_by_its_parents_terms(row: Any, view: Any, to: Any, expected: tuple[int, ...]) -> None:
    assert conformed(row.copy(), view, to) == expected


def test_a_child_takes_its_parents_side() -> None:
    row = child(SUBMIT, SELL, 50, 30)
    conform(row, seen(), terms())
    assert row.side == BUY


def test_a_sell_is_held_to_its_limit_from_below() -> None:
    to, row = parent(0, 1000, 100, SELL, limit=51), child(SUBMIT, SELL, 49, 30)
    assert conformed(row, seen(), to) == (CHANGED, 30, 51, LIMIT)


def test_what_is_lacking_of_the_least_participation_counts_what_is_open() -> None:
    assert behind_least(seen(filled=3, open=2, market_lots=90), terms(least=0.1)) == 5
    assert behind_least(seen(filled=3, open=90, market_lots=90), terms(least=0.1)) == 0
    assert behind_least(seen(market_lots=90), terms()) == 0


def test_a_parent_without_windows_is_never_quiet() -> None:
    assert not any(quiet(terms(), now, 10) or quiet(terms(quiet=((5, 5),)), now, 10) for now in range(-20, 20))


def test_a_view_begins_with_its_parents_terms() -> None:
    view, row = np.zeros(1, VIEW).view(np.recarray)[0], parent(5, 25, 300, SELL)
    row.urgency, row.expected_lots = 0.7, 9000.0
    row.curve[:] = np.linspace(0, 1, CURVE_STEPS + 1)
    begin(view, row)
    assert (view.start, view.end, view.lots, view.side, view.urgency, view.expected_lots) == (5, 25, 300, SELL, 0.7, 9000.0)
    assert view.curve.tolist() == row.curve.tolist()
