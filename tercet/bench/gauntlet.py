"""The gauntlet: orders that must not pass, by control and kind of input, each with a legitimate twin that must."""

from copy import deepcopy
from typing import Any, Final

from tercet.orders.cases import CLOCK

NS: Final = 1_000_000_000
LIMITS: Final = """
version = 1
people = ["ann", "bob", "cy"]
restricted = ["FIVE"]

[windows]
messages_s = 1.0
duplicates_s = 0.5
repeats_s = 60.0
drift_s = 60.0
volume_s = 60.0
reference_s = 2.0
heartbeat_s = 1.0
missed = 3
features_s = 5.0

[firm]
gross = 300e3
net = 200e3
loss = 5e3
halt_loss = 10e3
drawdown = 8e3
open_orders = 12
open_value = 250e3
messages = 50

[desk.cash]
gross = 250e3
net = 180e3
loss = 4.5e3
halt_loss = 8e3
drawdown = 6e3
open_orders = 10
open_value = 200e3
messages = 40

[strategy.alpha]
desk = "cash"
accounts = ["A1", "C9"]
venues = ["XV"]
symbols = ["ONE", "TWO", "FOUR"]
gross = 200e3
net = 150e3
loss = 2e3
halt_loss = 4e3
drawdown = 3e3
open_orders = 5
open_value = 150e3
messages = 20
short = true
repeats = 3

[strategy.beta]
desk = "cash"
accounts = ["A1"]
venues = ["XV"]
symbols = ["ONE"]
sides = [1]
gross = 200e3
net = 150e3
loss = 2e3
halt_loss = 4e3
drawdown = 3e3
open_orders = 5
open_value = 150e3
messages = 20
repeats = 3

[strategy.maker]
desk = "cash"
accounts = ["A1"]
venues = ["XV"]
symbols = ["ONE"]
traders = ["tess"]
algorithms = ["quoter"]
gross = 200e3
net = 150e3
loss = 2e3
halt_loss = 4e3
drawdown = 3e3
open_orders = 5
open_value = 150e3
messages = 20
notional = 50e3
order_to_trade = 100.0
cancels = 10
rejects = 3
traded = 500
short = true
repeats = 30

[account.C9]
credit = 100e3
capital = 60e3

[instrument.ONE]
tick_size = "0.01"
least_lots = 10
lots = 1000
value = 90e3
collar = 0.05
far = 0.2
drift = 0.02
position = 1200
firm_position = 1500
adv = 100e3
adv_share = 0.02
volume_share = 0.25
located = 300

[instrument.TWO]
tick_size = "0.05"
lots = 1000
value = 120e3
collar = 0.05
far = 0.2
drift = 0.02
position = 3000
firm_position = 5000
adv = 100e3
adv_share = 0.005
volume_share = 0.25
located = 5000

[instrument.FOUR]
tick_size = "0.01"
lots = 1000
value = 90e3
collar = 0.05
far = 0.2
drift = 0.02
position = 3000
firm_position = 5000
adv = 100e3
adv_share = 0.02
volume_share = 0.25
jump = 0.05
spread = 0.02
close_collar = 0.1

[model.net]
distance = 3.0
least_action = 0.0
most_action = 1.0
"""
MARK: Final = {"bid": 99.99, "ask": 100.01}
STATE: Final[dict[str, Any]] = {"marks": {"ONE": MARK, "TWO": {"bid": 49.95, "ask": 50.05}}}
ORDER: Final[dict[str, Any]] = {
    **{"id": "n1", "strategy": "alpha", "account": "A1", "venue": "XV", "symbol": "ONE"},
    **{"side": 1, "lots": 100, "price": 100.0},
}
ORDINARY, EDGE, BROKEN = "ordinary", "edge", "broken"


def case(
    rule: str, kind: str, rogue: dict[str, Any], twin: dict[str, Any] | None = None, state: Any = None, twin_state: Any = None
) -> list[dict[str, Any]]:
    """A rogue order that a control must refuse, and its twin that must pass: the order, or the state, put right."""
    given = {**STATE, **(state or {})}
    right = given if twin_state is None else {**STATE, **twin_state}
    return [
        _line(f"{rule}/{kind}/rogue", {**ORDER, **rogue}, given, {"decision": "refused", "rule": rule}),
        _line(f"{rule}/{kind}/twin", {**ORDER, **(rogue if twin is None else twin)}, right, {"decision": "approved"}),
    ]


def _line(name: str, order: dict[str, Any], state: dict[str, Any], expect: dict[str, str]) -> dict[str, Any]:
    kept = {key: value for key, value in order.items() if value is not MISSING}
    return {"name": name, "clock": CLOCK, "state": deepcopy(state), "order": kept, "expect": expect}


MISSING: Final = object()
SHORT: Final = {"side": -1, "short": True}
MARKET: Final = {"kind": "market", "price": MISSING}


def resting(side: int, lots: int, price: float, strategy: str = "alpha", symbol: str = "ONE", id: str = "r") -> dict[str, Any]:
    """An order that is open already."""
    return {**ORDER, "id": id, "side": side, "lots": lots, "price": price, "strategy": strategy, "symbol": symbol}


def filled(id: str, lots: int, ticks: float, side: int = 1, time: int = CLOCK) -> dict[str, Any]:
    """A report of a trade that nobody here asked for by this id."""
    return {
        **{"exec_id": id, "order": f"o{id}", "happening": "filled", "symbol": "ONE", "strategy": "alpha", "side": side},
        **{"lots": lots, "price": ticks, "time": time},
    }


def marked(**mark: Any) -> dict[str, Any]:
    """A state in which ONE's mark is another."""
    return {"marks": {**STATE["marks"], "ONE": {**MARK, **mark}}}


def order_cases() -> list[dict[str, Any]]:
    """Each control of orders on ordinary, edge and broken input."""
    two = {"symbol": "TWO", "price": 50.0}
    many = [resting(1, 10, 99.0, id=f"r{place}") for place in range(5)]
    parent = {"parents": {"p": {"lots": 500, "symbol": "ONE", "price": 101.0, "end": CLOCK + NS}}}
    lines = [
        case("largest_quantity", ORDINARY, {"lots": 5000}, {"lots": 500}),
        case("largest_quantity", EDGE, {"lots": 1010, "price": 85.0}, {"lots": 1000, "price": 85.0}),
        case("conformity", "more lots than there are", {"lots": 10**30}, {"lots": 500}),
        case("largest_value", ORDINARY, {"lots": 1000}, {"lots": 800}),
        case("largest_value", EDGE, {"lots": 900, "price": 100.01}, {"lots": 900, "price": 100.0}),
        case("market_state", BROKEN, MARKET, state={"marks": {"TWO": MARK}}, twin_state={}),
        case(
            "largest_value",
            "market order",
            {"kind": "market", "price": MISSING, "lots": 900},
            {"kind": "market", "price": MISSING, "lots": 800},
        ),
        case("price_collar", ORDINARY, {"price": 150.0}, {"price": 101.0}),
        case("price_collar", "50% off", {"price": 50.0}, {"price": 99.0}),
        case("price_collar", "sell far below", SHORT | {"price": 80.0}, SHORT | {"price": 99.0}),
        case("price_collar", EDGE, {"price": 105.01}, {"price": 105.0}),
        case("conformity", "price that is no number", {"price": float("nan")}, {"price": 100.0}),
        case("conformity", "missing price", {"price": MISSING}, {"price": 100.0}),
        case("conformity", "infinite price", {"price": float("inf")}, {"price": 100.0}),
        case("collar_over_time", ORDINARY, {}, state={"reports": drifted(10500)}, twin_state={"reports": drifted(10010)}),
        case("collar_over_time", EDGE, {}, state={"reports": drifted(10401)}, twin_state={"reports": drifted(10400)}),
        case("reconciliation", "fill at no price", {}, state={"reports": drifted(float("nan"))}, twin_state={"reports": drifted(10000)}),
        case("message_rate", ORDINARY, {}, state={"messages": {"alpha": 30}}, twin_state={"messages": {"alpha": 5}}),
        case("message_rate", EDGE, {}, state={"messages": {"alpha": 20}}, twin_state={"messages": {"alpha": 19}}),
        case("message_rate", "desk", {}, state={"messages": {"alpha": 19, "beta": 21}}, twin_state={"messages": {"alpha": 19, "beta": 19}}),
        case("repeated_execution", ORDINARY, {}, state={"repeats": {"alpha": 9}}, twin_state={"repeats": {"alpha": 1}}),
        case("repeated_execution", EDGE, {}, state={"repeats": {"alpha": 4}}, twin_state={"repeats": {"alpha": 3}}),
        case("duplicates", ORDINARY, {}, {"lots": 110}, {"open_orders": [resting(1, 100, 100.0) | {"time": CLOCK - NS // 10}]}),
        case("duplicates", EDGE, {}, state=_before(NS // 2 - 1), twin_state=_before(NS // 2)),
        case("duplicates", "used id", {"id": "r", "lots": 110}, {"lots": 110}, _before(NS)),
        case("position", ORDINARY, {"lots": 400}, {"lots": 100}, held(1000)),
        case("position", EDGE, {"lots": 210}, {"lots": 200}, held(900) | {"open_orders": [resting(1, 100, 99.0)]}),
        case("position", "firm", {"lots": 210}, {"lots": 200}, held(600, beta=700)),
        case("position", "short", two | SHORT | {"lots": 210}, two | SHORT | {"lots": 200}, held(0, two=-2800)),
        case("exposure", ORDINARY, {"lots": 600}, {"lots": 100}, held(0, two=3000), {}),
        case("exposure", EDGE, {"lots": 510}, {"lots": 500}, held(0, two=2000)),
        case(
            "exposure",
            "gross",
            two | SHORT | {"lots": 100},
            two | SHORT | {"lots": 10},
            held(1000, two=-1980),
        ),
        case("daily_loss", ORDINARY, {}, state={"profits": {"alpha": -4500}}, twin_state={"profits": {"alpha": -500}}),
        case("reduce_only", "first loss", {}, {"side": -1}, held(200) | {"profits": {"alpha": -2500}}),
        case("daily_loss", BROKEN, {}, state={"profits": {"alpha": float("nan")}}, twin_state={"profits": {"alpha": 0.0}}),
    ]
    return [line for pair in lines + later_controls(two, many, parent) for line in pair]


def later_controls(two: dict[str, Any], many: list[Any], parent: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Those from drawdown on."""
    gain = {"profits": {"alpha": 2500}}
    asleep, awake = {"heartbeats": {"alpha": CLOCK - 3 * NS - 1}}, {"heartbeats": {"alpha": CLOCK - 3 * NS}}
    child, stop = {"parent": "p"}, {"kind": "stop_limit", "price": 102.0}
    sold = {"open_orders": [resting(-1, 100, 101.0)]}
    meets = {"open_orders": [resting(-1, 100, 100.0, "alpha")]}
    return [
        case("drawdown", ORDINARY, {}, state=gain | {"commands": [loss(5600)]}, twin_state=gain | {"commands": [loss(500)]}),
        case("drawdown", EDGE, {}, state=gain | {"commands": [loss(3001)]}, twin_state=gain | {"commands": [loss(3000)]}),
        case("kill_switch", "after a drawdown", {}, state=gain | {"commands": [loss(3600), loss(-3600)]}, twin_state=gain),
        case("open_orders", ORDINARY, {}, state={"open_orders": many}, twin_state={"open_orders": many[:2]}),
        case("open_orders", EDGE, {}, state={"open_orders": many}, twin_state={"open_orders": many[:4]}),
        case("open_orders", "value", two | {"lots": 120}, two | {"lots": 100}, {"open_orders": waiting()}),
        case("participation", ORDINARY, two | {"lots": 900}, two | {"lots": 300}),
        case("participation", EDGE, two | {"lots": 501}, two | {"lots": 500}),
        case("participation", "window", {}, state=volume(1000, 200), twin_state=volume(1000, 150)),
        case("participation", BROKEN, {}, state={"volumes": {}}, twin_state={"volumes": {"ONE": 1000}}),
        case("self_match", ORDINARY, {}, {"price": 99.0}, {"open_orders": [resting(-1, 100, 99.5)]}),
        case("self_match", EDGE, {}, {"price": 99.99}, meets),
        case(
            "self_match",
            "another strategy",
            SHORT | {"price": 100.0},
            SHORT | {"price": 100.01},
            {"open_orders": [resting(1, 50, 100.0, "beta")]},
        ),
        case(
            "self_match",
            "stop into ours",
            stop | {"stop_price": 101.0},
            stop | {"stop_price": 101.6},
            {"open_orders": [resting(-1, 100, 101.5)]},
        ),
        case("self_match", "market order", MARKET, MARKET | {"symbol": "TWO"}, meets),
        case("permissions", ORDINARY, {"strategy": "beta", "symbol": "TWO", "price": 50.0}, {"strategy": "beta"}),
        case("permissions", "side", {"strategy": "beta", "side": -1}, {"strategy": "beta"}),
        case("permissions", EDGE, {"side": -1, "lots": 310, "short": True}, {"side": -1, "lots": 300, "short": True}),
        case("permissions", "short by others", SHORT | {"lots": 410}, SHORT | {"lots": 400}, held(100)),
        case("permissions", "unknown strategy", {"strategy": "gamma"}, {}),
        case("permissions", "unknown account", {"account": "A2"}, {}),
        case("permissions", "unknown venue", {"venue": "XX"}, {}),
        case("permissions", "unknown instrument", {"symbol": "THREE"}, {}),
        case("permissions", BROKEN, {"account": ""}, {}),
        case("market_state", ORDINARY, {}, state=marked(phase="closed"), twin_state=marked(phase="open")),
        case("market_state", "halted", {}, state=marked(phase="halted"), twin_state=marked(phase="open")),
        case("market_state", "stale", {}, state=marked(time=CLOCK - 2 * NS - 1), twin_state=marked(time=CLOCK - 2 * NS)),
        case("market_state", "from the future", {}, state=marked(time=CLOCK + 1), twin_state=marked(time=CLOCK)),
        case("market_state", "crossed", {}, state=marked(bid=100.02), twin_state=marked()),
        case("market_state", "locked", {}, state=marked(bid=100.01), twin_state=marked()),
        case("market_state", EDGE, {"price": 101.01}, {"price": 101.0}, marked(band=[99.0, 101.0])),
        case("market_state", "band between ticks", {"price": 101.01}, {"price": 101.0}, marked(band=[98.995, 101.005])),
        case("broken_check", "band that is no number", {}, state=marked(band=[float("nan"), 101.0]), twin_state=marked(band=[99.0, 101.0])),
        case("market_state", "one side missing", {}, state=marked(bid=None), twin_state=marked()),
        case("market_state", "price that is no number", {}, state=marked(ask=float("nan")), twin_state=marked()),
        case("conformity", ORDINARY, {"lots": 15}, {"lots": 20}),
        case("conformity", EDGE, {"price": 100.005}, {"price": 100.01}),
        case("conformity", "negative lots", {"lots": -100}, {"lots": 100}),
        case("conformity", "no lots", {"lots": 0}, {"lots": 10}),
        case("conformity", "half a lot", {"lots": 10.5}, {"lots": 10}),
        case("conformity", "no side", {"side": 0}, {"side": 1}),
        case("conformity", "words for numbers", {"lots": "100"}, {"lots": 100}),
        case("conformity", "limit order with a stop price", {"price": 115.0, "stop_price": 112.0}, {}),
        case("conformity", "unknown kind", {"kind": "peg"}, {"kind": "limit"}),
        case("conformity", "expired", until(CLOCK), until(CLOCK + 1)),
        case("conformity", "no id", {"id": ""}, {}),
        case("conformity", BROKEN, {"side": None}, {"side": 1}),
        case("reduce_only", ORDINARY, {}, {"side": -1}, reducing(200)),
        case("reduce_only", EDGE, SHORT | {"lots": 210}, {"side": -1, "lots": 200}, reducing(200)),
        case(
            "reduce_only",
            "others may fill first",
            SHORT,
            {"side": -1, "lots": 50},
            reducing(150) | sold,
        ),
        case("kill_switch", ORDINARY, {}, state=killed("firm"), twin_state={}),
        case("kill_switch", "desk", {}, state=killed("desk.cash"), twin_state={}),
        case("kill_switch", EDGE, {}, state=killed("strategy.alpha"), twin_state=killed("strategy.beta")),
        case("kill_switch", "symbol", {}, two, killed("symbol.ONE")),
        case("dead_man", ORDINARY, {}, state={"heartbeats": {"alpha": CLOCK - 60 * NS}}, twin_state={"heartbeats": {"alpha": CLOCK}}),
        case("dead_man", EDGE, {}, state=asleep, twin_state=awake),
        case("dead_man", "ahead", {}, state={"heartbeats": {"alpha": CLOCK + NS}}, twin_state={"heartbeats": {"alpha": CLOCK + NS // 100}}),
        case("dead_man", BROKEN, {}, state={"heartbeats": {}}, twin_state=awake),
        case("parent_conformance", ORDINARY, child | {"lots": 800}, child | {"lots": 400}, parent),
        case("parent_conformance", EDGE, child | {"lots": 510}, child | {"lots": 500}, parent),
        case("parent_conformance", "price", child | {"price": 101.01}, child | {"price": 101.0}, parent),
        case(
            "parent_conformance",
            "past its end",
            child,
            state=parent | {"parents": {"p": {"lots": 500, "end": CLOCK - 1}}},
            twin_state=parent,
        ),
        case("permissions", "unknown parent", {"parent": "q"}, child, parent),
        case("model_limits", ORDINARY, {}, state=model(9.0, 0.5), twin_state=model(1.0, 0.5)),
        case("model_limits", EDGE, {}, state=model(3.0, 1.0001), twin_state=model(3.0, 1.0)),
        case("model_limits", "stale features", {}, state=model(1.0, 0.5, CLOCK - 6 * NS), twin_state=model(1.0, 0.5, CLOCK - 5 * NS)),
        case("model_limits", BROKEN, {}, state=model(float("nan"), 0.5), twin_state=model(0.0, 0.5)),
        case("reconciliation", ORDINARY, {}, state=compared(100, 90), twin_state=compared(100, 100)),
        case("reconciliation", EDGE, {}, two, compared(100, 101)),
        case("broken_check", ORDINARY, {}, state={"fault": "division by zero"}, twin_state={}),
    ]


def loss(money: float) -> dict[str, Any]:
    """Money lost, after what was earned before."""
    return {"act": "earned", "strategy": "alpha", "money": -money}


def waiting() -> list[dict[str, Any]]:
    """Open orders worth 145,000 in ONE, nine tenths of it on the side that is not in the way."""
    return [resting(1, 900, 90.0, id="w1"), resting(-1, 300, 115.0, id="w2"), resting(-1, 280, 105.35, id="w3")]


def held(one: int, two: int = 0, beta: int = 0) -> dict[str, Any]:
    """Positions: alpha's in ONE and TWO, beta's in ONE."""
    return {"positions": {"alpha": {"ONE": one, "TWO": two}, "beta": {"ONE": beta}}}


def volume(market: int, own: int) -> dict[str, Any]:
    """What traded in the window."""
    return {"volumes": {"ONE": {"market": market, "own": own}, "TWO": 10**6}}


def until(time: int) -> dict[str, Any]:
    """An order that ends at a time."""
    return {"lifetime": "gtd", "expires": time}


def reducing(lots: int) -> dict[str, Any]:
    """A strategy that may only reduce what it has."""
    return {"positions": {"alpha": {"ONE": lots}}, "commands": [{"act": "reduce", "scope": "strategy.alpha", "by": "ann"}]}


def killed(scope: str) -> dict[str, Any]:
    """A scope that is killed."""
    return {"commands": [{"act": "kill", "scope": scope, "by": "ann"}]}


def model(distance: float, action: float, time: int = CLOCK) -> dict[str, Any]:
    """What a strategy's model sees and wants."""
    return {"models": {"alpha": {"model": "net", "distance": distance, "action": action, "time": time}}}


def compared(own: int, theirs: int) -> dict[str, Any]:
    """A position beside the drop copy's."""
    return {"commands": [compared_act(own, theirs)]}


def state_cases() -> list[dict[str, Any]]:
    """Controls of states, judged by what may be sent afterwards."""
    resting_one = {"open_orders": [resting(1, 100, 99.0, id="r1"), resting(1, 100, 98.0, "beta", id="r2")]}
    asleep = {"heartbeats": {"alpha": CLOCK - 9 * NS, "beta": CLOCK}}
    collar, conformity = {"rule": "price_collar"}, {"rule": "conformity"}
    good, no = {"decision": "approved"}, {"decision": "refused"}
    kill, arm, confirm = ({"act": act, "scope": "firm", "by": by} for act, by in (("kill", "ann"), ("arm", "ann"), ("confirm", "bob")))
    reduce = {"act": "reduce", "scope": "strategy.alpha", "by": "ann"}
    loosen = {"act": "limits", "set": {"instrument.ONE.lots": 2000}, "by": "ann"}
    tighten = {"act": "limits", "set": {"instrument.ONE.lots": 50}, "by": "ann"}
    large = {"lots": 810, "price": 120.0}
    dear, later = {"price": 120.0}, {"clock": CLOCK + 61 * NS}
    who = {"by": "ann", "second": "bob"}
    allow = {"act": "override", "order": "n1", "rule": "price_collar", "lots": 810, "until": CLOCK + 60 * NS} | who
    timed = {"act": "time_out", "order": "r1"}
    compared = {"command": compared_act(100, 100), "then": tried({}, good)}
    answered = {"act": "report", "report": {**filled("e1", 100, 9900), "order": "r1"}}
    return [
        scene("kill: all is cancelled", {"command": kill, "expect": {"decision": "done", "canceled": 2}}, resting_one),
        scene("kill: nothing new", {"command": kill, "then": tried({}, no | {"rule": "kill_switch"})}),
        scene("kill: cancels pass", {"command": kill, "then": {"cancel": {"id": "c1", "target": "r1"}, "expect": good}}, resting_one),
        scene("kill: one act needs no second person", {"command": {**kill, "by": "cy"}, "expect": {"decision": "done"}}),
        scene("kill: by nobody known", {"command": {**kill, "by": "eve"}, "expect": no, "then": tried({}, good)}),
        scene("kill: a scope that there is not", {"command": {**kill, "scope": "desk.moon"}, "expect": no, "then": tried({}, good)}),
        scene("arm: one person is not enough", {"command": kill, "then": {"command": arm, "then": tried({}, no)}}),
        scene("arm: the same person is not a second", chain(kill, arm, {**confirm, "by": "ann"}, last=tried({}, no))),
        scene("arm: without a request", chain(kill, confirm, last=tried({}, no))),
        scene("arm: two people", chain(kill, arm, confirm, last=tried({}, good))),
        scene("arm: of another scope", chain(kill, *arming("desk.cash"), last=tried({}, no))),
        scene(
            "dead man: what is open is cancelled",
            {"command": {"act": "watch"}, "expect": {"canceled": 1}},
            resting_one | asleep,
        ),
        scene("dead man: nobody alive is cancelled", {"command": {"act": "watch"}, "expect": {"canceled": 0}}, resting_one),
        scene("dead man: alive again", {"command": {"act": "heartbeat", "strategy": "alpha"}, "then": tried({}, good)}, {"heartbeats": {}}),
        scene("override: this order", {"command": allow, "then": tried(dear, good | collar)}),
        scene("override: no other order", {"command": allow, "then": tried(dear | {"id": "n2"}, no | collar)}),
        scene("override: no other control", {"command": allow, "then": tried(large, no | {"rule": "largest_value"})}),
        scene("override: for a time", {"command": allow, "then": tried(dear, no) | later}, fresh(61)),
        scene("override: not for ever", {"command": {**allow, "until": CLOCK + 7200 * NS}, "expect": no, "then": tried(large, no)}),
        scene("override: no more lots than were named", {"command": {**allow, "lots": 90}, "then": tried(dear, no | collar)}),
        scene("override: one person is not enough", {"command": {**allow, "second": None}, "expect": no, "then": tried(dear, no)}),
        scene("override: the same person is not a second", {"command": {**allow, "second": "ann"}, "expect": no, "then": tried(dear, no)}),
        scene("override: not of the kill switch", {"command": {**allow, "rule": "kill_switch"}, "expect": no}),
        scene("override: by a name", {"command": {**allow, "by": "eve"}, "expect": no, "then": tried(dear, no)}),
        scene("override: only once", chain(allow, last={**tried(dear, good), "then": tried(dear, no)})),
        scene("limits: tighter at once", {"command": tighten, "then": tried({}, no | {"rule": "largest_quantity"})}),
        scene("limits: tighter, a smaller order", {"command": tighten, "then": tried({"lots": 50}, good)}),
        scene("limits: looser needs two", {"command": loosen, "expect": no, "then": tried({"lots": 1010, "price": 85.0}, no)}),
        scene("limits: looser, twice the same", {"command": {**loosen, "second": "ann"}, "expect": no}),
        scene("limits: looser by two", {"command": {**loosen, "second": "bob"}, "then": tried({"lots": 1010, "price": 85.0}, good)}),
        scene("limits: a name that there is not", {"command": {**loosen, "set": {"instrument.ONE.lotz": 1}}, "expect": no}),
        scene("limits: no number", {"command": {**loosen, "set": {"instrument.ONE.lots": "many"}, "second": "bob"}, "expect": no}),
        scene("reconciliation: equal again", chain(compared_act(100, 90), compared_act(100, 100), last=tried({}, good))),
        scene("unknown: the symbol is blocked", {"command": timed, "then": tried({}, no | {"rule": "reconciliation"})}, resting_one),
        scene("unknown: other symbols are not", {"command": timed, "then": tried({"symbol": "TWO", "price": 50.0}, good)}, resting_one),
        scene("unknown: until somebody answers", chain(timed, answered, last=tried({}, good)), resting_one),
        scene("unknown: cancels pass", {"command": timed, "then": {"cancel": {"id": "c", "target": "r1"}, "expect": good}}, resting_one),
        scene("losses: halted for the day", chain(loss(4001), loss(-4001), last=tried({}, no | {"rule": "kill_switch"}))),
        scene("losses: armed again by two", chain(loss(4001), loss(-4001), *arming("strategy.alpha"), last=tried({}, good))),
        scene("a fill beyond the position's limit leaves nothing but sales", tried({}, no | {"rule": "position"}), bought(1300)),
        scene("what is filled can be sold", tried({"side": -1}, good), bought(1200)),
        *(
            scene(f"report: {name}", answering(changes, tried({}, no | {"rule": "reconciliation"})), resting_one)
            for name, changes in DOUBTFUL
        ),
        *(scene(f"report: {name}", answering(changes, tried({}, good)), resting_one) for name, changes in EXPECTED),
        scene("report: positions were compared", answering(dict(DOUBTFUL)["on no order of ours"], compared), resting_one),
        scene("replace: larger than allowed", {"replace": changed_order(1400), "expect": no | {"rule": "largest_quantity"}}, resting_one),
        scene("replace: smaller while reducing", chain(reduce, last={"replace": changed_order(50), "expect": good}), resting_one),
        scene("replace: larger while reducing", chain(reduce, last={"replace": changed_order(110), "expect": no}), resting_one),
        scene("replace: smaller while killed", chain(kill, last={"replace": changed_order(50), "expect": no}), resting_one),
        scene("cancel: its id is used", {"cancel": {"id": "n1", "target": "r1"}, "expect": good, "then": tried({}, no)}, resting_one),
        scene("replace: within limits", {"replace": changed_order(200), "expect": good}, resting_one),
        scene(
            "replace: of nothing open",
            {"replace": {**changed_order(200), "target": "r9"}, "expect": no | conformity},
            resting_one,
        ),
    ]


def scene(name: str, step: dict[str, Any], state: dict[str, Any] | None = None) -> dict[str, Any]:
    """A case of commands and of what is tried after them."""
    return {"name": name, "clock": CLOCK, "state": {**deepcopy(STATE), **deepcopy(state or {})}, **step}


def tried(changes: dict[str, Any], expect: dict[str, Any]) -> dict[str, Any]:
    """An order, and what should come of it."""
    return {"order": {**ORDER, **changes}, "expect": expect}


def chain(*commands: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """Commands one after the other, then a step."""
    for one in reversed(commands):
        last = {"command": one, "then": last}
    return last


def fresh(seconds: int) -> dict[str, Any]:
    """A state in which marks and heartbeats are of so many seconds later."""
    later = CLOCK + seconds * NS
    return {**marked(time=later), "heartbeats": {"alpha": later}}


def arming(scope: str) -> list[dict[str, Any]]:
    """Two people arm a scope again."""
    return [{"act": "arm", "scope": scope, "by": "ann"}, {"act": "confirm", "scope": scope, "by": "bob"}]


def answering(changes: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """A fill of r1, which buys 100 at 9900, then a step."""
    return {"command": {"act": "report", "report": {**filled("e1", 100, 9900), "order": "r1", **changes}}, "then": last}


def bought(lots: int) -> dict[str, Any]:
    """A state in which so many lots were bought."""
    return {"reports": [filled("e1", lots, 10000)]}


DOUBTFUL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("without a price", {"price": 0}),
    ("below nothing", {"price": -1}),
    ("a price that is none", {"price": 1e300}),
    ("without an id", {"exec_id": ""}),
    ("more than was asked for", {"lots": 101}),
    ("beyond its limit", {"price": 9900.5}),
    ("of another account", {"account": "Z9"}),
    ("of another side", {"side": -1}),
    ("on no order of ours", {"order": "ghost"}),
)
EXPECTED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("whole, at its limit", {}),
    ("in part, better than its limit", {"lots": 99, "price": 9899.5}),
    ("a rebate", {"fee": -2.0}),
)


def changed_order(lots: int) -> dict[str, Any]:
    """The wish that r1 be another size."""
    return {"id": "x1", "target": "r1", "lots": lots}


def compared_act(own: int, theirs: int) -> dict[str, Any]:
    """A comparison with the drop copy."""
    return {"act": "reconcile", "symbol": "ONE", "own": own, "theirs": theirs}


def drifted(last: float) -> list[dict[str, Any]]:
    """Own purchases of a minute: the first at the reference, the second at another price."""
    return [filled("e1", 100, 10000, time=CLOCK - NS), filled("e2", 100, last, time=CLOCK - NS // 2)]


def _before(ns: int) -> dict[str, Any]:
    return {"open_orders": [resting(1, 100, 100.0) | {"time": CLOCK - ns}]}
