"""More of the gauntlet: clients, rates, market data, lists and ids; numeric controls on both sides, at their limits and a step beyond."""

from typing import Any, Final

from tercet.bench.gauntlet import (
    EDGE,
    MISSING,
    NS,
    ORDINARY,
    SHORT,
    STATE,
    case,
    held,
    loss,
    marked,
    order_cases,
    resting,
    scene,
    state_cases,
    tried,
)
from tercet.bench.gauntlet_attacks import attack_cases
from tercet.orders.cases import CLOCK

QUOTE: Final = {"strategy": "maker", "trader": "tess", "algorithm": "quoter", "price": 99.98}
CLIENT: Final = {"account": "C9"}
FOUR: Final = {"symbol": "FOUR", "price": 20.0}
TWO: Final = {"symbol": "TWO", "price": 50.0}
GOOD, NO = {"decision": "approved"}, {"decision": "refused"}


def four(**mark: Any) -> dict[str, Any]:
    """A state in which FOUR's mark is another than 19.99 bid, 20.01 ask, after a close of 20."""
    return {"marks": {**STATE["marks"], "FOUR": {"bid": 19.99, "ask": 20.01, "close": 20.0, **mark}}}


def conduct_cases() -> list[dict[str, Any]]:
    """Each of the controls 28 to 37 on ordinary, edge and broken input."""
    filled_of = {"order": "o1", "happening": "filled", "symbol": "ONE", "side": 1, "time": CLOCK}
    traded = [{"exec_id": f"t{n}", "strategy": "maker", "lots": 100, "price": 10000, **filled_of, "order": f"t{n}"} for n in range(6)]
    client = {"open_orders": [resting(1, 400, 100.0) | CLIENT]}
    lines = [
        case("credit", ORDINARY, CLIENT | {"lots": 800}, CLIENT | {"lots": 500}),
        case("credit", EDGE, CLIENT | {"lots": 610}, CLIENT | {"lots": 600}),
        case("credit", "what is open counts", CLIENT | {"lots": 210}, CLIENT | {"lots": 200}, client),
        case(
            "credit",
            "both sides",
            CLIENT | SHORT | {"lots": 300, "price": 201.0},
            CLIENT | SHORT | {"lots": 300, "price": 101.0},
            client | wide(201),
            client,
        ),
        case("credit", "another client", CLIENT | {"lots": 800}, {"lots": 800}),
        case("credit", "a market order", CLIENT | {"kind": "market", "price": MISSING, "lots": 580}, CLIENT | {"lots": 570}),
        case("notional_rate", ORDINARY, QUOTE | {"lots": 700}, QUOTE | {"lots": 100}),
        case("notional_rate", EDGE, QUOTE | {"lots": 510, "price": 100.0}, QUOTE | {"lots": 500, "price": 100.0}),
        case("cancel_rate", ORDINARY, QUOTE, state={"cancels": {"maker": 60}}, twin_state={"cancels": {"maker": 2}}),
        case("cancel_rate", EDGE, QUOTE, state={"cancels": {"maker": 11}}, twin_state={"cancels": {"maker": 10}}),
        case("cancel_rate", "of another strategy", QUOTE, {}, {"cancels": {"maker": 11}}),
        case("reject_rate", ORDINARY, QUOTE, state={"rejects": {"maker": 9}}, twin_state={"rejects": {"maker": 1}}),
        case("reject_rate", EDGE, QUOTE, state={"rejects": {"maker": 4}}, twin_state={"rejects": {"maker": 3}}),
        case("reject_rate", "of another strategy", QUOTE, {}, {"rejects": {"maker": 4}}),
        case("order_to_trade", ORDINARY, QUOTE, state=busy(140), twin_state=busy(90)),
        case("order_to_trade", EDGE, QUOTE, state=busy(100), twin_state=busy(99)),
        case("market_maker_protection", ORDINARY, QUOTE, state=sold_to(traded), twin_state=sold_to(traded[:2])),
        case("market_maker_protection", EDGE, QUOTE, state=sold_to(traded), twin_state=sold_to(traded[:5])),
        case("identification", ORDINARY, QUOTE | {"trader": "eve"}, QUOTE),
        case("identification", "no trader", QUOTE | {"trader": ""}, QUOTE),
        case("identification", EDGE, QUOTE | {"trader": "Tess"}, QUOTE),
        case("identification", "algorithm", QUOTE | {"algorithm": "other"}, QUOTE),
        case("identification", "no algorithm", QUOTE | {"algorithm": MISSING}, QUOTE),
        case("restricted", ORDINARY, {"symbol": "FIVE"}, {}),
        case("restricted", "sale", SHORT | {"symbol": "FIVE"}, SHORT),
        case("market_data", ORDINARY, FOUR, state=four(before=[15.0, 15.02]), twin_state=four(before=[19.97, 19.99])),
        case("market_data", EDGE, FOUR, state=four(before=[19.03, 19.05]), twin_state=four(before=[19.05, 19.07])),
        case("market_data", "downwards", FOUR, state=four(before=[22.0, 22.02]), twin_state=four(before=[20.4, 20.42])),
        case("market_data", "spread", FOUR, state=four(bid=19.7, ask=20.3), twin_state=four(bid=19.9, ask=20.1)),
        case("market_data", "spread at its limit", FOUR, state=four(bid=19.79, ask=20.21), twin_state=four(bid=19.8, ask=20.2)),
        case("previous_close", ORDINARY, FOUR, state=four(close=30.0), twin_state=four(close=20.5)),
        case("previous_close", EDGE, FOUR, state=four(close=18.18), twin_state=four(close=18.19)),
        case("previous_close", "below", FOUR, state=four(close=22.23), twin_state=four(close=22.22)),
        case(
            "previous_close",
            "nobody has said it",
            FOUR,
            state={"marks": {**STATE["marks"], "FOUR": {"bid": 19.99, "ask": 20.01}}},
            twin_state=four(),
        ),
        case("conformity", "an unknown field", {"lifetme": "ioc"}, {"lifetime": "ioc"}),
        case("conformity", "a flag that nobody knows", {"post_only": True}, {}),
        case("conformity", "an iceberg", {"display_lots": 10}, {}),
        case("conformity", "an odd lot that leaves some", {"side": -1, "lots": 5}, {"side": -1, "lots": 7}, held(7)),
        case("conformity", "an odd lot that opens", {"lots": 7}, {"side": -1, "lots": 7}, held(7)),
        case("conformity", "an odd lot beside a sale", {"side": -1, "lots": 27}, {"side": -1, "lots": 7}, held(27) | selling(20)),
        case("permissions", "a sale without its mark", {"side": -1}, SHORT),
        case("permissions", "part of a sale without its mark", {"side": -1}, SHORT, held(90)),
        case("permissions", "the mark of who may not", {"strategy": "beta", "side": -1, "short": True}, {"strategy": "beta"}),
    ]
    return [line for pair in lines + overflowing() + mirrored() for line in pair]


def overflowing() -> list[list[dict[str, Any]]]:
    """Lots times ticks beyond 2^63: what wraps looks small."""
    return [
        case("largest_quantity", f"{lots} lots at {price}", TWO | {"lots": lots, "price": price}, TWO)
        for lots, price in ((2**39, 50.0), (2**40, 50.0), (2**40, 51.2), (2**34, 49.0), (3 * 2**38, 50.5))
    ]


def wide(price: float) -> dict[str, Any]:
    """A market in which a price is not far from the mid."""
    return marked(bid=price - 1.0, ask=price + 1.0) if price > 150 else {}


def selling(lots: int) -> dict[str, Any]:
    """A sale of ours that is open."""
    return {"open_orders": [resting(-1, lots, 101.0)]}


def busy(messages: int) -> dict[str, Any]:
    """A strategy that has sent so many messages long enough ago, and traded nothing."""
    return {"earlier": {"maker": messages}}


def sold_to(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """A quoter whose quotes were taken."""
    return {"reports": reports, "repeats": {"maker": 0}}


def mirrored() -> list[list[dict[str, Any]]]:
    """The numeric controls on the other side, for the desk and for the firm."""
    sell = {"side": -1}
    lines = [
        case("largest_quantity", "sale", sell | {"lots": 1010}, sell | {"lots": 900}, held(1200)),
        case("price_collar", "sale at its limit", sell | {"price": 94.99}, sell | {"price": 95.0}, held(1000)),
        case("price_collar", "purchase far below", {"price": 79.99}, {"price": 80.0}),
        case("price_collar", "sale far above", sell | {"price": 120.01}, sell | {"price": 120.0}, held(1000)),
        case("largest_value", "sale", sell | {"lots": 910}, sell | {"lots": 900}, held(1200)),
        case(
            "participation",
            "sale",
            SHORT | {"symbol": "TWO", "price": 50.0, "lots": 501},
            SHORT | {"symbol": "TWO", "price": 50.0, "lots": 500},
        ),
        case("position", "purchase after a short", {"lots": 200}, {"lots": 190}, held(1010), held(1010)),
        case("self_match", "sale", sell | {"price": 99.5}, sell | {"price": 99.51}, held(1000) | {"open_orders": [resting(1, 100, 99.5)]}),
        case("market_state", "band below", {"price": 98.99}, {"price": 99.0}, marked(band=[99.0, 101.0])),
        case(
            "reduce_only",
            "a short position",
            {"lots": 210},
            {"lots": 200},
            {"positions": {"alpha": {"ONE": -200}}, **reduced("strategy.alpha")},
        ),
        case("reduce_only", "the desk", {}, sell, held(100) | reduced("desk.cash")),
        case("reduce_only", "the firm", {}, sell, held(100) | reduced("firm")),
        case("reduce_only", "an odd lot that ends it", SHORT | {"lots": 20}, sell | {"lots": 7}, held(7) | reduced("firm")),
        case("daily_loss", "the desk", {}, state={"profits": {"beta": -8100}}, twin_state={"profits": {"beta": -100}}),
        case("drawdown", "the desk", {}, state=down("beta", 6001), twin_state=down("beta", 100)),
        case(
            "message_rate", "the firm", {}, state={"messages": {"alpha": 9, "beta": 19, "maker": 19}}, twin_state={"messages": {"beta": 19}}
        ),
    ]
    return lines


def reduced(scope: str) -> dict[str, Any]:
    """A scope that may only reduce."""
    return {"commands": [{"act": "reduce", "scope": scope, "by": "ann"}]}


def down(strategy: str, money: float) -> dict[str, Any]:
    """What a strategy has lost after it had earned something."""
    return {"profits": {strategy: 2500}, "commands": [loss(money) | {"strategy": strategy}]}


def conduct_scenes() -> list[dict[str, Any]]:
    """Controls of states, judged by what may be sent afterwards."""
    open_one = {"open_orders": [resting(1, 100, 99.0, id="r1")]}
    agree, lost = {"r1": 100}, dict[str, int]()
    same_again = market("n2", NO | {"rule": "duplicates"})

    def compared(theirs: dict[str, int], last: dict[str, Any]) -> dict[str, Any]:
        return {"command": {"act": "reconcile_orders", "symbol": "ONE", "theirs": theirs}, "then": last}

    return [
        scene("orders: all agree", compared(agree, tried({}, GOOD)), open_one),
        scene("orders: one that the venue does not have", compared(lost, tried({}, NO | {"rule": "reconciliation"})), open_one),
        scene("orders: other lots", compared({"r1": 90}, tried({}, NO | {"rule": "reconciliation"})), open_one),
        scene("orders: one that we do not have", compared({"r1": 100, "x": 5}, tried({}, NO | {"rule": "reconciliation"})), open_one),
        scene("orders: other symbols go on", compared(lost, tried({"symbol": "TWO", "price": 50.0}, GOOD)), open_one),
        scene(
            "orders: until positions were compared",
            compared(lost, {"command": {"act": "reconcile", "symbol": "ONE", "own": 0, "theirs": 0}, "then": tried({}, GOOD)}),
            open_one,
        ),
        scene(
            "orders: lots that are none",
            {"command": {"act": "reconcile_orders", "symbol": "ONE", "theirs": {"r1": -1}}, "expect": NO},
            open_one,
        ),
        scene("duplicates: a market order, the same again", {**market("n1", GOOD), "then": same_again}),
        scene(
            "notional rate: within the window",
            {**tried(QUOTE | {"lots": 400}, GOOD), "then": tried(QUOTE | {"id": "n2", "lots": 110}, NO | {"rule": "notional_rate"})},
        ),
        scene(
            "notional rate: after it",
            {**tried(QUOTE | {"lots": 400}, GOOD), "then": tried(QUOTE | {"id": "n2", "lots": 110}, GOOD) | {"clock": CLOCK + NS}},
        ),
        scene(
            "restricted: by one person", {"command": limit({"restricted": ["FIVE", "ONE"]}), "then": tried({}, NO | {"rule": "restricted"})}
        ),
        scene("restricted: off the list needs two", {"command": limit({"restricted": []}), "expect": NO}),
        scene(
            "restricted: off the list by two", {"command": limit({"restricted": []}) | {"second": "bob"}, "expect": {"decision": "done"}}
        ),
        scene("limits: a share above 1", {"command": limit({"instrument.ONE.collar": 5.0}) | {"second": "bob"}, "expect": NO}),
        scene("limits: a client's credit needs two", {"command": limit({"account.C9.credit": 1e9}), "expect": NO}),
        scene(
            "limits: less credit at once", {"command": limit({"account.C9.credit": 5e3}), "then": tried(CLIENT, NO | {"rule": "credit"})}
        ),
        scene("traders: fewer at once", {"command": limit({"strategy.maker.traders": ["tom"]}), "expect": NO}),
        scene("traders: none are no limit", {"command": limit({"strategy.maker.traders": []}), "expect": NO}),
        scene(
            "traders: where there was none",
            {"command": limit({"strategy.alpha.traders": ["tess"]}), "then": tried({}, NO | {"rule": "identification"})},
        ),
    ]


def market(id: str, expect: dict[str, Any]) -> dict[str, Any]:
    """A market order, and what should come of it."""
    step = tried({"id": id, "kind": "market"}, expect)
    del step["order"]["price"]
    return step


def limit(values: dict[str, Any]) -> dict[str, Any]:
    """One person's wish for other limits."""
    return {"act": "limits", "set": values, "by": "ann"}


def all_cases() -> list[dict[str, Any]]:
    """The whole gauntlet."""
    return order_cases() + state_cases() + conduct_cases() + conduct_scenes() + attack_cases()
