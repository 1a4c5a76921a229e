"""Each control lets an order through that meets its limit exactly, refuses one that is beyond it by a step, and says which part it was."""

import math
from collections.abc import Callable
from typing import Any, Final

import pytest
from test_gate import CLOCK, child, gate, rule_of

from tercet.messages import Approved, Kind, Lifetime, Replace
from tercet.orders import exposure
from tercet.orders.checks import AHEAD, FEW_MESSAGES, HALTED, OPEN, PAUSED, RECENT, REDUCING
from tercet.orders.gate import Gate
from tercet.orders.supervision import breaches

NS: Final = 10**9
ONE, ALPHA = "symbol.ONE", "strategy.alpha"
SCOPES: Final = (ALPHA, "desk.cash", "firm")
SELL: Final = {"side": -1, "short": True}
AT_STOP: Final = {"kind": Kind.STOP_LIMIT, "stop_tick": 10400, "tick": 10400}
Scene = Callable[[Gate], Any]


def put(scope: str, **values: float) -> Scene:
    """Write numbers into the row of a scope or a symbol."""

    def write(tried: Gate) -> None:
        row = tried.firm.scope(scope)
        for name, value in values.items():
            row[name] = value

    return write


def client(**values: float) -> Scene:
    """Write numbers into the row of the client that accounts without one share."""

    def write(tried: Gate) -> None:
        for name, value in values.items():
            tried.firm.clients[name][0] = value

    return write


def both(*scenes: Scene) -> Scene:
    """One after the other."""
    return lambda tried: [scene(tried) for scene in scenes]


def window(**values: int) -> Scene:
    """Write windows, in ns."""

    def write(tried: Gate) -> None:
        for name, value in values.items():
            tried.firm.windows[name] = value

    return write


def traded_at(*prices: float, side: int = 1) -> Scene:
    """Own fills of ten lots, at prices in ticks, while the mid is at 10000."""
    return lambda tried: [exposure.remember(tried.firm.instruments, 0, side, 10, price, CLOCK) for price in prices]


def market_lots(market: float, own: float) -> Scene:
    """What has traded in the window."""

    def write(tried: Gate) -> None:
        put(ONE, volumes=0.0, own_volumes=0.0)(tried)
        tried.firm.traded("ONE", int(market), CLOCK, int(own))

    return write


def times(name: str, count: int, age: int = 0) -> Scene:
    """So many entries of a ring of alpha, so long ago."""
    counts = {"cancels": exposure.count_cancel, "rejects": exposure.count_reject}
    return lambda tried: [counts[name](tried.firm.scopes, tried.firm.strategies["alpha"], CLOCK - age) for _ in range(count)]


def trades(count: int, lots: int, age: int = 0) -> Scene:
    """So many trades of alpha, so long ago."""
    return lambda tried: [exposure.count_trade(tried.firm.scopes, tried.firm.strategies["alpha"], lots, CLOCK - age) for _ in range(count)]


def sent(count: int, age: int = 0, value: float = 0.0) -> Scene:
    """So many messages of alpha, so long ago."""
    return lambda tried: [
        exposure.count_message(tried.firm.scopes, tried.firm.strategies["alpha"], CLOCK - age, value) for _ in range(count)
    ]


def seen(distance: float = 0.0, action: float = 0.5, age: int = 0) -> Scene:
    """What alpha's model sees: trained to a distance of 3, actions of 0 to 1, features of 5 s."""
    return lambda tried: tried.model("alpha", "net", distance, action, CLOCK - age)


def parent(lots: int = 100, **terms: int) -> Scene:
    """A parent of the order."""
    return lambda tried: tried.parent("p", lots, **terms)


def held(lots: int) -> Scene:
    """A position of alpha in ONE."""
    return lambda tried: tried.firm.hold("alpha", "ONE", lots, 10000.0)


def open_order(lots: int, side: int = 1, tick: int = 9990, **terms: Any) -> Scene:
    """An order that is open already."""
    return lambda tried: tried.adopt(child(50, lots=lots, side=side, tick=tick, time=CLOCK - 10 * NS, **terms))


CHILD: Final = {"parent": "p"}
# rule, why, at its limit, beyond it, of the order of 100 lots at 100.00: what is another.
LIMITS_MET: Final[list[tuple[str, int, Scene, Scene, dict[str, Any]]]] = [
    ("largest_quantity", 0, put(ONE, most_lots=100), put(ONE, most_lots=99), {}),
    ("largest_value", 0, put(ONE, most_value=10000), put(ONE, most_value=9999.99), {}),
    ("price_collar", 1, put(ONE, far=0.04), put(ONE, far=0.0399), AT_STOP),
    ("price_collar", 2, put(ONE, collar=0.04), put(ONE, collar=0.0399), {"tick": 10400}),
    ("price_collar", 3, put(ONE, far=0.04), put(ONE, far=0.0399), {"tick": 9600}),
    ("price_collar", 2, put(ONE, collar=0.04), put(ONE, collar=0.0399), SELL | {"tick": 9600}),
    ("price_collar", 3, put(ONE, far=0.04), put(ONE, far=0.0399), SELL | {"tick": 10400}),
    (
        "collar_over_time",
        0,
        both(traded_at(10000, 10200), put(ONE, most_drift=0.01)),
        both(traded_at(10000, 10200), put(ONE, most_drift=0.0099)),
        {},
    ),
    ("collar_over_time", 0, traded_at(10000, 9000), both(traded_at(10000, 9000, side=-1), put(ONE, most_drift=0.049)), SELL),
    ("repeated_execution", 0, put(ALPHA, tired=0), put(ALPHA, tired=1), {}),
    ("duplicates", 2, open_order(100, tick=10001), both(open_order(100, tick=10000), window(duplicates=10 * NS + 1)), {}),
    (
        "duplicates",
        2,
        both(open_order(100, tick=10000), window(duplicates=10 * NS)),
        both(open_order(100, tick=10000), window(duplicates=10 * NS + 1)),
        {},
    ),
    ("duplicates", 2, put(ALPHA, recent=RECENT, recent_times=CLOCK), put(ALPHA, recent=RECENT + 1, recent_times=CLOCK), {}),
    ("position", 1, put(ONE, most_position=100), put(ONE, most_position=99), {}),
    ("position", 2, put(ONE, most_firm_position=100), put(ONE, most_firm_position=99), {}),
    ("position", 1, both(open_order(50), put(ONE, most_position=150)), both(open_order(50), put(ONE, most_position=149)), {}),
    ("position", 1, put(ONE, most_position=100), put(ONE, most_position=99), SELL),
    ("position", 2, put(ONE, most_firm_position=100), put(ONE, most_firm_position=99), SELL),
    ("participation", 1, put(ONE, adv=1000, adv_share=0.1), put(ONE, adv=1000, adv_share=0.099), {}),
    (
        "participation",
        2,
        both(market_lots(300, 10), put(ONE, volume_share=0.275)),
        both(market_lots(300, 10), put(ONE, volume_share=0.2749)),
        {},
    ),
    ("self_match", 0, open_order(10, -1, 10001, short=True), open_order(10, -1, 10000, short=True), {}),
    ("permissions", 1, held(100), held(99), {"side": -1}),
    ("permissions", 2, put(ALPHA, may_short=1), put(ALPHA, may_short=0), SELL),
    ("permissions", 3, put(ONE, located=100), put(ONE, located=99), SELL),
    (
        "permissions",
        3,
        both(open_order(50, -1, 10010, short=True), put(ONE, located=150)),
        both(open_order(50, -1, 10010, short=True), put(ONE, located=149)),
        SELL,
    ),
    ("market_state", 1, put(ONE, phase=OPEN), put(ONE, phase=PAUSED), {}),
    ("market_state", 2, put(ONE, marked=CLOCK - 2 * NS), put(ONE, marked=CLOCK - 2 * NS - 1), {}),
    ("market_state", 4, put(ONE, bid=9999, ask=10000), put(ONE, bid=10000, ask=10000), {}),
    ("market_state", 4, put(ONE, bid=1, ask=10000, far=math.inf, collar=math.inf), put(ONE, bid=0, ask=10000), {}),
    ("market_state", 5, put(ONE, band_high=10000), put(ONE, band_high=9999), {}),
    ("market_state", 5, put(ONE, band_low=10000), put(ONE, band_low=10001), {}),
    ("conformity", 1, put(ONE, least_lots=100), put(ONE, least_lots=101), {}),
    ("conformity", 1, put(ONE, least_lots=50), put(ONE, least_lots=30), {}),
    ("conformity", 1, both(put(ONE, least_lots=30), held(-100)), both(put(ONE, least_lots=30), held(-101)), {}),
    (
        "conformity",
        1,
        both(put(ONE, least_lots=30), held(-150), open_order(50)),
        both(put(ONE, least_lots=30), held(-100), open_order(50)),
        {},
    ),
    ("reduce_only", 0, both(held(-100), put(ALPHA, mode=REDUCING)), both(held(-99), put(ALPHA, mode=REDUCING)), {}),
    (
        "reduce_only",
        0,
        both(held(-150), open_order(50), put(ALPHA, mode=REDUCING)),
        both(held(-149), open_order(50), put(ALPHA, mode=REDUCING)),
        {},
    ),
    (
        "reduce_only",
        0,
        both(held(150), open_order(50, -1, 10010), put(ALPHA, mode=REDUCING)),
        both(held(149), open_order(50, -1, 10010), put(ALPHA, mode=REDUCING)),
        SELL,
    ),
    ("kill_switch", 1, put(ALPHA, killed=0), put(ALPHA, killed=1), {}),
    ("kill_switch", 2, put(ONE, killed=0), put(ONE, killed=1), {}),
    ("kill_switch", 3, put(ALPHA, mode=0), put(ALPHA, mode=HALTED), {}),
    ("dead_man", 1, put(ALPHA, heartbeat=CLOCK + AHEAD), put(ALPHA, heartbeat=CLOCK + AHEAD + 1), {}),
    ("dead_man", 2, put(ALPHA, heartbeat=CLOCK - 3 * NS), put(ALPHA, heartbeat=CLOCK - 3 * NS - 1), {}),
    ("parent_conformance", 1, parent(100), parent(99), CHILD),
    ("parent_conformance", 2, parent(bound=10000), parent(bound=9999), CHILD),
    ("parent_conformance", 2, parent(bound=10000), parent(bound=10001), CHILD | SELL),
    ("parent_conformance", 3, parent(start=CLOCK), parent(start=CLOCK + 1), CHILD),
    ("parent_conformance", 4, parent(end=CLOCK), parent(end=CLOCK - 1), CHILD),
    ("model_limits", 1, seen(3.0), seen(3.0001), {}),
    ("model_limits", 1, seen(0.0), seen(-0.0001), {}),
    ("model_limits", 2, seen(age=5 * NS), seen(age=5 * NS + 10**6), {}),
    ("model_limits", 2, seen(age=0), seen(age=-1), {}),
    ("model_limits", 3, seen(action=1.0), seen(action=1.0001), {}),
    ("model_limits", 4, seen(action=0.0), seen(action=-0.0001), {}),
    ("reconciliation", 1, put(ONE, unequal=0), put(ONE, unequal=1), {}),
    ("reconciliation", 2, put(ONE, unknown=0), put(ONE, unknown=1), {}),
    ("credit", 1, client(credit=10000), client(credit=9999.99), {}),
    ("credit", 1, client(credit=10300, bought=100, sold=200), client(credit=10299, bought=100, sold=200), {}),
    (
        "credit",
        1,
        both(open_order(10, -1, 11000, short=True), client(credit=11100)),
        both(open_order(10, -1, 11000, short=True), client(credit=11099)),
        {},
    ),
    ("credit", 2, client(capital=10000), client(capital=9999.99), {}),
    ("credit", 2, client(capital=9900, bought=100, sold=200), client(capital=9899, bought=100, sold=200), {}),
    ("credit", 2, client(capital=10100, bought=100, sold=200), client(capital=10099, bought=100, sold=200), SELL),
    ("credit", 2, both(open_order(10, 1, 9000), client(capital=10900)), both(open_order(10, 1, 9000), client(capital=10899)), {}),
    (
        "credit",
        2,
        both(open_order(10, -1, 11000, short=True), client(capital=10000)),
        both(open_order(10, -1, 11000, short=True), client(capital=9999)),
        {},
    ),
    ("order_to_trade", 0, put(ALPHA, day_messages=FEW_MESSAGES - 1, most_ratio=0), put(ALPHA, day_messages=FEW_MESSAGES, most_ratio=0), {}),
    ("order_to_trade", 0, put(ALPHA, day_messages=200, most_ratio=201), put(ALPHA, day_messages=200, most_ratio=200.9), {}),
    (
        "order_to_trade",
        0,
        put(ALPHA, day_messages=200, day_trades=3, most_ratio=67),
        put(ALPHA, day_messages=200, day_trades=3, most_ratio=66.9),
        {},
    ),
    ("market_data", 1, put(ONE, most_spread=0.0002), put(ONE, most_spread=0.000199), {}),
    ("market_data", 2, put(ONE, jump=0.5, most_jump=0.5), put(ONE, jump=0.51, most_jump=0.5), {}),
    ("previous_close", 0, put(ONE, close=8000, close_collar=0.25), put(ONE, close=8000, close_collar=0.249), {}),
    ("previous_close", 0, put(ONE, close=12500, close_collar=0.2), put(ONE, close=12500, close_collar=0.199), {}),
    ("previous_close", 0, put(ONE, close=0, close_collar=math.inf), put(ONE, close=0, close_collar=0.9), {}),
]
# Of a strategy, its desk and the firm alike.
OF_SCOPES: Final[list[tuple[str, int, Callable[[str], Scene], Callable[[str], Scene], dict[str, Any]]]] = [
    (
        "message_rate",
        0,
        lambda scope: both(sent(9), put(scope, most_messages=10)),
        lambda scope: both(sent(9), put(scope, most_messages=9)),
        {},
    ),
    (
        "message_rate",
        0,
        lambda scope: both(sent(9, NS), put(scope, most_messages=1)),
        lambda scope: both(sent(9, NS - 1), put(scope, most_messages=9)),
        {},
    ),
    ("exposure", 1, lambda scope: put(scope, most_gross=10000), lambda scope: put(scope, most_gross=9999), {}),
    ("exposure", 2, lambda scope: put(scope, most_net=10000), lambda scope: put(scope, most_net=9999), {}),
    ("exposure", 1, lambda scope: put(scope, most_gross=10000), lambda scope: put(scope, most_gross=9999), SELL),
    ("exposure", 2, lambda scope: put(scope, most_net=10000), lambda scope: put(scope, most_net=9999), SELL),
    (
        "exposure",
        1,
        lambda scope: both(open_order(100), put(scope, most_gross=20000)),
        lambda scope: both(open_order(100), put(scope, most_gross=19999)),
        {},
    ),
    ("exposure", 1, lambda scope: both(held(-100), put(scope, most_gross=0)), lambda scope: both(held(-49), put(scope, most_gross=0)), {}),
    (
        "daily_loss",
        0,
        lambda scope: put(scope, profit=-100, most_halt_loss=100),
        lambda scope: put(scope, profit=-100, most_halt_loss=99),
        {},
    ),
    ("drawdown", 0, lambda scope: put(scope, peak=100, most_drawdown=100), lambda scope: put(scope, peak=100, most_drawdown=99), {}),
    ("open_orders", 1, lambda scope: put(scope, most_orders=1), lambda scope: put(scope, most_orders=0), {}),
    (
        "open_orders",
        1,
        lambda scope: both(open_order(10), put(scope, most_orders=2)),
        lambda scope: both(open_order(10), put(scope, most_orders=1)),
        {},
    ),
    ("open_orders", 2, lambda scope: put(scope, most_value=10000), lambda scope: put(scope, most_value=9999), {}),
    ("reduce_only", 0, lambda scope: put(scope, mode=0), lambda scope: put(scope, mode=REDUCING), {}),
    ("kill_switch", 1, lambda scope: put(scope, killed=0), lambda scope: put(scope, killed=1), {}),
    ("kill_switch", 3, lambda scope: put(scope, mode=0), lambda scope: put(scope, mode=HALTED), {}),
    (
        "cancel_rate",
        0,
        lambda scope: both(times("cancels", 3), put(scope, most_cancels=3)),
        lambda scope: both(times("cancels", 4), put(scope, most_cancels=3)),
        {},
    ),
    (
        "cancel_rate",
        0,
        lambda scope: both(times("cancels", 4, NS), put(scope, most_cancels=3)),
        lambda scope: both(times("cancels", 4, NS - 1), put(scope, most_cancels=3)),
        {},
    ),
    (
        "reject_rate",
        0,
        lambda scope: both(times("rejects", 3), put(scope, most_rejects=3)),
        lambda scope: both(times("rejects", 4), put(scope, most_rejects=3)),
        {},
    ),
    (
        "reject_rate",
        0,
        lambda scope: both(times("rejects", 4, NS), put(scope, most_rejects=3)),
        lambda scope: both(times("rejects", 4, NS - 1), put(scope, most_rejects=3)),
        {},
    ),
    ("notional_rate", 0, lambda scope: put(scope, most_notional=10000), lambda scope: put(scope, most_notional=9999), {}),
    (
        "notional_rate",
        0,
        lambda scope: both(sent(2, 0, 50.0), put(scope, most_notional=10100)),
        lambda scope: both(sent(2, 0, 50.0), put(scope, most_notional=10099)),
        {},
    ),
    (
        "market_maker_protection",
        0,
        lambda scope: both(trades(2, 50), put(scope, most_traded=100)),
        lambda scope: both(trades(2, 50), put(scope, most_traded=99)),
        {},
    ),
    (
        "market_maker_protection",
        0,
        lambda scope: both(trades(2, 50, NS), put(scope, most_traded=0)),
        lambda scope: both(trades(2, 50, NS - 1), put(scope, most_traded=99)),
        {},
    ),
]


def refuses(scene: Scene, changes: dict[str, Any]) -> tuple[str, int, str]:
    """(rule, why, scope) that refuse the order in a scene; no rule where it is approved."""
    tried = gate()
    scene(tried)
    rule = rule_of(tried.check(child(1, **changes), CLOCK))
    verdict = tried._verdict[0]
    return rule, int(verdict["why"]), tried.firm.scope_name(int(verdict["scope"]))


@pytest.mark.parametrize(("rule", "why", "met", "beyond", "order"), LIMITS_MET, ids=lambda value: value if isinstance(value, str) else "")
def test_a_limit_that_is_met_lets_an_order_through_and_one_that_is_passed_does_not(
    rule: str, why: int, met: Scene, beyond: Scene, order: dict[str, Any]
) -> None:
    assert refuses(met, order)[0] == ""
    found = refuses(beyond, order)
    assert found[0] == rule
    assert why in (0, found[1])  # 0: it minds one thing, and another's number is left


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("rule", "why", "met", "beyond", "order"), OF_SCOPES, ids=lambda value: value if isinstance(value, str) else "")
def test_limits_of_a_strategy_its_desk_and_the_firm_bind_alike_and_the_refusal_names_whose(
    rule: str, why: int, met: Callable[[str], Scene], beyond: Callable[[str], Scene], order: dict[str, Any], scope: str
) -> None:
    assert refuses(met(scope), order)[0] == ""
    found = refuses(beyond(scope), order)
    assert (found[0], found[2]) == (rule, scope)
    assert why in (0, found[1])


# What a replacement of 100 lots by 150 frees: limits that leave room for 150 in all, and for one less.
FREED: Final[list[tuple[str, Scene, Scene, dict[str, Any]]]] = [
    ("position", put(ONE, most_position=150), put(ONE, most_position=149), {}),
    ("position", put(ONE, most_firm_position=150), put(ONE, most_firm_position=149), {}),
    ("exposure", put(ALPHA, most_gross=15000), put(ALPHA, most_gross=14999), {}),
    ("exposure", put("firm", most_net=15000), put("firm", most_net=14999), {}),
    ("open_orders", put("desk.cash", most_value=15000, most_orders=0), put("desk.cash", most_value=14999, most_orders=0), {}),
    ("permissions", put(ONE, located=150), put(ONE, located=149), SELL),
    ("credit", client(credit=15000), client(credit=14999), {}),
    ("credit", client(capital=15000), client(capital=14999), {}),
    ("reduce_only", both(held(-150), put(ALPHA, mode=REDUCING)), both(held(-149), put(ALPHA, mode=REDUCING)), {}),
    ("conformity", both(held(-150), put(ONE, least_lots=40)), both(held(-149), put(ONE, least_lots=40)), {}),
    ("largest_quantity", put(ONE, most_lots=150), put(ONE, most_lots=149), {}),
    ("largest_value", put(ONE, most_value=15000), put(ONE, most_value=14999), {}),
]


@pytest.mark.parametrize(("rule", "met", "beyond", "order"), FREED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_replacement_frees_what_it_takes_the_place_of_and_no_more(rule: str, met: Scene, beyond: Scene, order: dict[str, Any]) -> None:
    for scene, refused in ((met, ""), (beyond, rule)):
        tried = gate()
        assert isinstance(tried.check(child(1, **order), CLOCK), Approved)
        scene(tried)
        before = tried.firm.resting.tobytes(), tried.firm.cells.tobytes(), dict(tried.books.open)
        assert rule_of(tried.check(Replace(id="x", target="o1", lots=150, time=CLOCK), CLOCK)) == refused
        assert (before == (tried.firm.resting.tobytes(), tried.firm.cells.tobytes(), dict(tried.books.open))) == bool(refused)


def test_a_parent_has_left_what_a_replacement_asks_for_beyond_its_order() -> None:
    for lots, refused in ((150, ""), (149, "parent_conformance")):
        tried = gate()
        tried.parent("p", lots)
        assert isinstance(tried.check(child(1, parent="p"), CLOCK), Approved)
        assert rule_of(tried.check(Replace(id="x", target="o1", lots=150, time=CLOCK), CLOCK)) == refused


def test_every_message_counts_for_its_strategy_its_desk_and_the_firm_once() -> None:
    tried = gate()
    for number in range(3):
        assert isinstance(tried.check(child(number, lots=10 * (number + 1)), CLOCK), Approved)
    assert rule_of(tried.check(child(9, lots=5000), CLOCK)) == "largest_quantity"  # what is refused is no message
    assert [int(tried.firm.scope(scope)["messages"][0]) for scope in (*SCOPES, "strategy.beta")] == [3, 3, 3, 0]
    assert [int(tried.firm.scope(scope)["day_messages"][0]) for scope in SCOPES] == [3, 3, 3]


def test_an_order_that_expires_now_has_expired() -> None:
    for time, rule in ((CLOCK + 1, ""), (CLOCK, "conformity")):
        assert rule_of(gate().check(child(1, lifetime=Lifetime.GTD, expires=time), CLOCK)) == rule


def test_a_mark_that_jumps_counts_once_another_is_near_it_and_own_prices_are_no_marks() -> None:
    tried = gate(instrument__ONE__jump=0.01)
    for bid, rule in ((9999, ""), (10200, "market_data"), (10200, "duplicates"), (10099, "duplicates")):
        tried.firm.mark("ONE", bid, bid + 2, CLOCK)
        assert rule_of(tried.check(child(bid, tick=10000), CLOCK)) == rule
    fresh = gate(instrument__TWO__jump=0.01)
    fresh.firm.hold("alpha", "TWO", 10, 2000.0)
    fresh.firm.mark("TWO", 999, 1001, CLOCK)
    assert float(fresh.firm.scope("symbol.TWO")["jump"][0]) == 0.0


@pytest.mark.parametrize("lots", [2**63, -(2**63) - 1, 1.0, True])
def test_a_parent_whose_numbers_would_wrap_is_refused(lots: Any) -> None:
    with pytest.raises(Exception, match="of parent p was"):
        gate().parent("p", lots)


def test_nothing_is_breached_where_nothing_has_happened() -> None:
    assert breaches(gate(), "firm", CLOCK) == {}
