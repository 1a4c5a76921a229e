"""More of the gauntlet: numbers that would wrap, words that nobody reads, both sides, states that cannot be; each with its twin."""

from typing import Any, Final

from tercet.bench.gauntlet import MARKET, NS, SHORT, STATE, case, filled, held, killed, loss, marked, reducing, resting
from tercet.orders.cases import CLOCK

Pair = list[dict[str, Any]]
TWO: Final = {"symbol": "TWO", "price": 50.0}


def attack_cases() -> list[dict[str, Any]]:
    """Pairs of a rogue order, or a state that cannot be, and the legitimate twin."""
    pairs = [*numbers(), *words(), *sides(), *scopes(), *closing(), *phases(), *overlong()]
    return [line for pair in pairs for line in pair]


NO_LOTS: Final[tuple[Any, ...]] = (True, 1e2, "1e2", [100], {}, None, 2**63, -(2**63), 2**64 + 100)
NO_PRICES: Final[tuple[Any, ...]] = (True, "x", [1], {}, -100.0, 0, 1e300, -0.01, 1e-9)


def numbers() -> list[Pair]:
    """Products and sums that would wrap at 2**63, and numbers that are none."""
    large = {"lots": 2**33, "price": 100.0}
    wrong: tuple[int, ...] = (2**30, 2**31, 2**33, 2**40, 2**50 + 10, 10**12 * 10)
    return [
        *(
            case("largest_quantity" if lots <= 2**40 else "conformity", f"{lots} lots", large | {"lots": lots - lots % 10}, {})
            for lots in wrong
        ),
        *(case("conformity", f"lots of {lots!r}", {"lots": lots}, {}) for lots in NO_LOTS),
        *(case("conformity", f"price of {price!r}", {"price": price}, {}) for price in NO_PRICES),
        *(case("conformity", f"side of {side!r}", {"side": side}, {}) for side in (2, -2, "buy", 1.5, True, [1], 2**64 + 1)),
        *(case("conformity", f"expiry of {time!r}", {"lifetime": "gtd", "expires": time}, {}) for time in (0, -1, 2**70, "now", 1.5)),
        *(case("conformity", f"short of {short!r}", {"short": short}, {}) for short in (1, "yes", None)),
        case("conformity", "time that is none", {"time": "now"}, {}),
        case("conformity", "lots of no id", {"id": None}, {}),
        case("conformity", "id that is a number", {"id": 7}, {}),
    ]


def words() -> list[Pair]:
    """Fields of an order, and keys of a state, that nobody reads: dropped, they would be an order that was not meant."""
    fields = (
        *(("lifetme", "ioc"), ("life_time", "ioc"), ("tif", "ioc"), ("post_only", True), ("display_lots", 10), ("limit", 99.0)),
        *(("Price", 99.0), ("stopprice", 99.0), ("stop", 99.0), ("qty", 10), ("reduce_only", True), ("client", "fund"), ("Short", True)),
        *(("expire", CLOCK), ("parents", "p"), ("account_id", "A1"), ("", 1), ("min_lots", 10), ("iceberg", 10), ("hidden", True)),
    )
    states: tuple[tuple[str, dict[str, Any]], ...] = (
        ("mark", marked(aks=100.01)),
        ("symbol of a mark", {"marks": {**STATE["marks"], "ONNE": {"bid": 1.0, "ask": 2.0}}}),
        ("phase of a symbol", {"phases": {"ONNE": "halted"}}),
        ("phase", {"phases": {"ONE": "opne"}}),
        ("volume", {"volumes": {"ONE": {"markt": 1000, "own": 900}}}),
        ("state", {"position": {"alpha": {"ONE": 1200}}}),
        ("parent", {"parents": {"p": {"lot": 10}}}),
        ("open order", {"open_orders": [resting(1, 100, 99.0) | {"post_only": True}]}),
        ("report", {"reports": [filled("e1", 100, 10000) | {"prize": 1}]}),
        ("command", {"commands": [{"act": "kill", "scop": "firm", "by": "ann"}]}),
        ("act", {"commands": [{"act": "kil", "scope": "firm", "by": "ann"}]}),
        ("list", {"reports": {"e1": 100}}),
        ("number", {"positions": 5}),
        ("parent of too many lots", {"parents": {"p": {"lots": 2**63 + 5}}}),
        ("position beyond what there is", {"positions": {"alpha": {"ONE": 2**63 - 1}}}),
        ("volume beyond what there is", {"volumes": {"ONE": 2**70}}),
    )
    return [
        *(case("conformity", f"unknown {name!r}", {name: value}, {}) for name, value in fields),
        *(case("broken_check", f"unknown {name}", {}, state=state, twin_state={}) for name, state in states),
    ]


def sides() -> list[Pair]:
    """What holds for purchases holds for sales."""
    sale = {"side": -1, "price": 100.0}
    stock = held(1000)
    return [
        case("largest_quantity", "a sale", SHORT | {"lots": 1010}, sale | {"lots": 100}, stock),
        case("largest_value", "a sale", sale | {"lots": 910}, sale | {"lots": 900}, stock),
        case("price_collar", "a sale at its limit", sale | {"price": 94.99}, sale | {"price": 95.0}, stock),
        case("price_collar", "a sale too dear", sale | {"price": 120.01}, sale | {"price": 120.0}, stock),
        case("price_collar", "purchase too cheap", {"price": 79.99}, {"price": 80.0}),
        case("price_collar", "stop too far", stopped(120.01, 121.0), stopped(120.0, 121.0)),
        case("price_collar", "stop's limit too far from it", stopped(105.0, 110.26), stopped(105.0, 110.25)),
        case("position", "sale of one too many", TWO | SHORT | {"lots": 201}, TWO | SHORT | {"lots": 200}, held(0, two=-2800)),
        case("self_match", "sale into ours", sale, sale | {"price": 100.01}, stock | {"open_orders": [resting(1, 50, 100.0)]}),
        case("market_state", "sale below the band", sale | {"price": 98.99}, sale | {"price": 99.0}, stock | marked(band=[99.0, 101.0])),
        case(
            "duplicates",
            "sale",
            sale,
            sale | {"lots": 110},
            stock | {"open_orders": [resting(-1, 100, 100.0) | {"time": CLOCK - NS // 10}]},
        ),
        case("reduce_only", "purchase of what is short", TWO, TWO | {"lots": 50}, short_and_reducing()),
        case(
            "parent_conformance",
            "sale below the parent's price",
            sale | {"parent": "p", "price": 98.99},
            sale | {"parent": "p", "price": 99.0},
            stock | floor(),
        ),
        case(
            "permissions",
            "sale for a parent that buys",
            sale | {"parent": "p"},
            {"parent": "p"},
            stock | {"parents": {"p": {"lots": 500, "side": 1}}},
        ),
        case(
            "permissions",
            "parent of another symbol",
            {"parent": "p"},
            TWO | {"parent": "p"},
            {"parents": {"p": {"lots": 500, "symbol": "TWO"}}},
        ),
        case(
            "permissions",
            "parent of another strategy",
            {"parent": "p"},
            {"parent": "p", "strategy": "beta"},
            {"parents": {"p": {"lots": 500, "strategy": "beta"}}},
        ),
        case("parent_conformance", "before its start", {"parent": "p"}, state=begins(CLOCK + 1), twin_state=begins(CLOCK)),
        case("parent_conformance", "at its end", {"parent": "p"}, state=ends(CLOCK - 1), twin_state=ends(CLOCK)),
    ]


def stopped(stop: float, price: float) -> dict[str, Any]:
    """A stop order with a limit."""
    return {"kind": "stop_limit", "stop_price": stop, "price": price, "lots": 10}


def floor() -> dict[str, Any]:
    """A parent that sells at 99 or better."""
    return {"parents": {"p": {"lots": 500, "symbol": "ONE", "price": 99.0, "side": -1}}}


def begins(time: int) -> dict[str, Any]:
    """A parent that begins then."""
    return {"parents": {"p": {"lots": 500, "start": time}}}


def ends(time: int) -> dict[str, Any]:
    """A parent that ends then."""
    return {"parents": {"p": {"lots": 500, "end": time}}}


def short_and_reducing() -> dict[str, Any]:
    """A strategy that is short of 50 and may only reduce."""
    return {"positions": {"alpha": {"TWO": -50}}, "commands": [{"act": "reduce", "scope": "strategy.alpha", "by": "ann"}]}


def scopes() -> list[Pair]:
    """Limits of a strategy, its desk and the firm, each met exactly and passed."""
    return [
        case(
            "message_rate",
            "one more of the desk",
            {},
            state={"messages": {"alpha": 19, "beta": 21}},
            twin_state={"messages": {"alpha": 19, "beta": 20}},
        ),
        case("reduce_only", "at its first limit", {}, state=lost(2001), twin_state=lost(2000)),
        case("reduce_only", "desk", {}, {"side": -1}, held(200) | {"commands": [{"act": "reduce", "scope": "desk.cash", "by": "ann"}]}),
        case("reduce_only", "firm", {}, {"side": -1}, held(200) | {"commands": [{"act": "reduce", "scope": "firm", "by": "ann"}]}),
        case("kill_switch", "another symbol", TWO, {}, killed("symbol.TWO")),
        case("open_orders", "value at its limit", TWO | {"lots": 101}, TWO | {"lots": 100}, {"open_orders": [*nearly_all()]}),
        case("participation", "day, at its limit", TWO | {"lots": 501}, TWO | {"lots": 500}),
        case("participation", "window, at its limit", {"lots": 100}, state=volumes(700, 101), twin_state=volumes(700, 100)),
        case("repeated_execution", "one too many", {}, state={"repeats": {"alpha": 4}}, twin_state={"repeats": {"beta": 4}}),
        case("dead_man", "by one ns", {}, state=beat(-3 * NS - 1), twin_state=beat(-3 * NS)),
        case("dead_man", "ahead by one ns", {}, state=beat(10**7 + 1), twin_state=beat(10**7)),
    ]


def beat(age: int) -> dict[str, Any]:
    """The strategy was heard of so long after now."""
    return {"heartbeats": {"alpha": CLOCK + age}}


def lost(money: float) -> dict[str, Any]:
    """Money that alpha has lost today."""
    return {"commands": [loss(money)]}


def volumes(market: int, own: int) -> dict[str, Any]:
    """What has traded of ONE."""
    return {"volumes": {"ONE": {"market": market, "own": own}, "TWO": 10**6}}


def nearly_all() -> list[dict[str, Any]]:
    """Open orders worth 145,000."""
    return [resting(1, 900, 90.0, id="w1"), resting(-1, 300, 115.0, id="w2"), resting(-1, 280, 105.35, id="w3")]


def closing() -> list[Pair]:
    """What ends a position at exactly zero may be smaller than the smallest size; nothing else may."""
    return [
        case("conformity", "odd lots that end nothing", {"side": -1, "lots": 3}, {"side": -1, "lots": 7}, held(7)),
        case("conformity", "odd lots that turn a position", SHORT | {"lots": 8}, {"side": -1, "lots": 7}, held(7)),
        case("conformity", "odd lots on the other side", {"lots": 7}, {"side": -1, "lots": 7}, held(7)),
        case(
            "conformity",
            "odd lots of another strategy's",
            {"side": -1, "lots": 7, "strategy": "alpha"},
            {"side": -1, "lots": 17},
            held(17, beta=7),
        ),
        case(
            "conformity",
            "odd lots, others open",
            {"side": -1, "lots": 17},
            {"side": -1, "lots": 7},
            held(17) | {"open_orders": [resting(-1, 10, 101.0)]},
        ),
        case("conformity", "odd lots while reducing", {"side": -1, "lots": 5}, {"side": -1, "lots": 203}, reducing(203)),
        case("conformity", "odd lots of what is short", {"lots": 5}, {"lots": 13}, held(-13)),
        case("conformity", "no lots of nothing", {"lots": 0}, {"lots": 10}, held(0)),
    ]


def phases() -> list[Pair]:
    """Nothing goes but in an open market."""
    return [
        *(
            case("market_state", f"{phase} by its phase", {}, state={"phases": {"ONE": phase}}, twin_state={})
            for phase in ("closed", "auction", "halted")
        ),
        *(
            case("market_state", f"{phase}, at the market", MARKET, state=marked(phase=phase), twin_state={})
            for phase in ("closed", "auction", "halted")
        ),
    ]


def overlong() -> list[Pair]:
    """Times that no clock shows."""
    return [
        case("broken_check", "mark of a time that is none", {}, state=marked(time=2**70), twin_state={}),
        case("broken_check", "mark of a time in words", {}, state=marked(time="now"), twin_state={}),
        case("broken_check", "heartbeat of a time that is none", {}, state={"heartbeats": {"alpha": 2**70}}, twin_state={}),
        case(
            "broken_check",
            "features of a time before time",
            {},
            state={"models": {"alpha": {"model": "net", "distance": 1.0, "action": 0.5, "time": -1}}},
            twin_state={},
        ),
    ]
