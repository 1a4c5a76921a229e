"""Nothing rogue passes the gate, everything legitimate does, and what is open never exceeds a limit whatever happens."""

import ast
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import refused, said, tercet
from venue_story import Story, delivered, merged

from tercet.bench.gauntlet import LIMITS, ORDER
from tercet.bench.gauntlet_conduct import all_cases
from tercet.errors import BadInput
from tercet.messages import Act, Alert, Approved, Cancel, Child, Command, Happening, Kind, OrderState, Refused, Replace, Report
from tercet.orders.cases import CLOCK, Scene, answers, ask
from tercet.orders.checks import RULES
from tercet.orders.gate import Gate
from tercet.orders.ledger import Ledger
from tercet.orders.limits import SHARES, changed, leaves, loosened, parse
from tercet.orders.order import FINAL
from tercet.orders.recovery import Open, Recovered
from tercet.orders.startup import retake
from tercet.orders.supervision import act, change, override, watch

CASES = all_cases()
LOTS, POSITION, GROSS = 1000, 1200, 200e3


def test_every_case_of_the_gauntlet_is_answered_as_it_must_be() -> None:
    wrong = [one for one in answers(parse(LIMITS), CASES) if not one.met]
    assert not wrong


def test_the_gauntlet_has_each_control_of_orders_on_ordinary_edge_and_broken_input() -> None:
    assert len(CASES) >= 78
    assert len({case["name"] for case in CASES}) == len(CASES)
    rogue = {case["name"].split("/")[0] for case in CASES if case["name"].endswith("/rogue")}
    assert rogue == set(RULES) - {"allowed", "override", "limits_change", "monitoring"}


def test_refusals_say_the_control_its_limit_and_what_it_was() -> None:
    found = {one.name: one for one in answers(parse(LIMITS), CASES)}
    one = found["largest_quantity/ordinary/rogue"]
    assert (one.rule, one.limit, one.was) == ("largest_quantity", 1000.0, 5000.0)
    one = found["price_collar/edge/rogue"]
    assert (one.rule, one.limit) == ("price_collar", 0.05)
    assert one.was == pytest.approx(0.0501)


def child(number: int, **changes: Any) -> Child:
    """An order of the gauntlet's strategy."""
    terms = {**ORDER, "id": f"o{number}", "tick": 10000, "time": CLOCK} | changes
    del terms["price"]
    return Child(**terms)


def gate(heard: list[Any] | None = None, **changes: float) -> Gate:
    """A gate that knows prices, a busy market and that strategies are alive."""
    limits = changed(parse(LIMITS), {name.replace("__", "."): value for name, value in changes.items()})
    made = Gate(limits, (lambda one: None) if heard is None else heard.append)
    Scene(made, CLOCK).set({"marks": {"ONE": {"bid": 99.99, "ask": 100.01}}})
    return made


def report(number: int, order: str, happening: Happening, **terms: Any) -> Report:
    """What a venue says."""
    return Report(exec_id=f"e{number}", order=order, happening=happening, time=CLOCK, account="A1", **{"symbol": "ONE", "side": 1} | terms)


def past(tried: Gate, side: int = 1) -> str:
    """The id of an order of ours, a large one at any price, that has ended: what was traded of it is heard late."""
    tried.books.remember(child(0, side=side, lots=10**6, tick=None, kind=Kind.MARKET))
    return "o0"


# Whatever happens ----------------------------------------------------------------------------------------------------------------

ACTS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60), st.sampled_from([1, -1]), st.integers(-3, 3)), min_size=1, max_size=60)


@given(ACTS)
@settings(max_examples=60, deadline=None)
def test_the_worst_case_never_exceeds_a_limit_in_any_sequence_of_orders_and_reports(acts: list[tuple[int, int, int, int]]) -> None:
    """Positions and open orders are counted here once more, from the answers and reports alone."""
    tried, open_now, position = gate(firm__messages=1000, desk__cash__messages=1000, strategy__alpha__messages=1000), {}, 0
    for number, (what, tens, side, away) in enumerate(acts):
        if what <= 2 or not open_now:
            wish = child(number, lots=10 * tens, side=side, tick=10000 - side * (2 + abs(away)))
            answer = tried.check(wish, CLOCK + number)
            if isinstance(answer, Approved):
                open_now[wish.id] = [side, wish.lots]
        else:
            order = sorted(open_now)[tens % len(open_now)]
            own_side, left = open_now[order]
            if what == 3:
                tried.hear(report(number, order, Happening.CANCELED, side=own_side))
                del open_now[order]
            else:
                lots = min(left, 10 * tens)
                tried.hear(report(number, order, Happening.FILLED, side=own_side, lots=lots, price=10000.0))
                position += own_side * lots
                open_now[order][1] -= lots
                if open_now[order][1] == 0:
                    del open_now[order]
        longest = position + sum(left for own_side, left in open_now.values() if own_side > 0)
        shortest = position - sum(left for own_side, left in open_now.values() if own_side < 0)
        assert -POSITION <= shortest <= longest <= POSITION
        assert max(abs(longest), abs(shortest)) * 100.0 <= GROSS
        cell = tried.firm.cells[tried.firm.strategies["alpha"], tried.firm.symbols["ONE"]]
        assert (cell["position"], cell["open_buy"], cell["open_sell"]) == (position, longest - position, position - shortest)
        scope = tried.firm.scope("firm")[0]
        assert scope["orders"] == len(open_now)
        assert scope["gross"] == pytest.approx(max(abs(longest), abs(shortest)) * 100.0, abs=1e-6)


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_the_gate_counts_what_the_ledger_counts_whatever_order_reports_come_in(seed: int) -> None:
    """Positions are the same all along, what is open is no less; where every wish was answered, and reports in order, it is the same.

    A replacement of what the gate has not heard of yet is one that it would have refused: from there on only positions are compared.
    """
    rng, tried, ledger = Random(seed), gate(), Ledger()
    wishes = [child(number, side=rng.choice([1, -1]), lots=rng.randint(1, 60)) for number in range(rng.randint(1, 4))]
    told = merged(rng, [Story(rng, wish).tell(rng.randrange(16)) for wish in wishes])
    late = rng.random() < 0.5
    row, blind = tried.firm.instruments[tried.firm.symbols["ONE"]], False
    for event in delivered(rng, told) if late else told:
        assert not isinstance(event, str)
        ledger.fold(event)
        if isinstance(event, Report):
            tried.hear(event)
        else:
            tried.adopt(event)
        blind |= isinstance(event, Replace) and event.id not in tried.books.owners
        assert row["position"] == ledger.lots("A1", "ONE")
        assert tried.firm.scope("firm")["orders"] == len(tried.books.open)
        assert blind or (row["open_buy"] >= may_trade(ledger, 1) and row["open_sell"] >= may_trade(ledger, -1))
    assert blind or (row["open_buy"], row["open_sell"]) == (may_trade(ledger, 1), may_trade(ledger, -1))
    if not late:
        assert (row["open_buy"], row["open_sell"]) == ledger.open_lots("A1", "ONE")


def may_trade(ledger: Ledger, side: int) -> int:
    """Lots that may still trade on a side: of orders that replace one another the largest that has neither ended nor been executed whole,
    less what all of them filled.
    """
    total = 0
    for orders in {id(order.chain): order.chain.orders for order in ledger.orders.values() if order.chain.side == side}.values():
        executed, filled = max(order.executed for order in orders), max(order.filled for order in orders)
        most = max((order.child.lots for order in orders if order.state not in FINAL and order.child.lots > executed), default=0)
        total += max(most - filled, 0)
    return total


def test_more_orders_can_be_open_than_there_were_rows_at_first() -> None:
    many = {f"{scope}.{name}": 1e9 for scope in ("firm", "desk.cash", "strategy.alpha") for name in ("gross", "net", "open_value")}
    some = {f"{scope}.open_orders": 500 for scope in ("firm", "desk.cash", "strategy.alpha")}
    quick = {f"{scope}.messages": 500 for scope in ("firm", "desk.cash", "strategy.alpha")}
    limits = changed(parse(LIMITS), many | some | quick | {"instrument.ONE.position": 10**6, "instrument.ONE.firm_position": 10**6})
    tried = Gate(limits)
    Scene(tried, CLOCK).set({"marks": {"ONE": {"bid": 99.99, "ask": 100.01}}})
    answers = [tried.check(child(number, lots=10, tick=9000 + number), CLOCK + 4_000_000 * number) for number in range(300)]
    assert all(isinstance(answer, Approved) for answer in answers)
    for number in range(300):
        tried.hear(report(number, f"o{number}", Happening.CANCELED))
    assert tried.books.open == {}
    assert tried.firm.cells["open_buy"].sum() == 0


def test_cancels_pass_whatever_is_wrong() -> None:
    tried = gate()
    tried.admit = lambda *records: 1 / 0
    assert isinstance(tried.check(Cancel(id="c", target="nobody's", time=CLOCK), CLOCK), Approved)
    assert isinstance(tried.check(child(1), CLOCK), Refused)


def test_a_replacement_reserves_the_larger_of_both_until_the_venue_answers() -> None:
    for happening, left in ((Happening.REPLACED, 300), (Happening.REPLACE_REJECTED, 100)):
        tried = gate()
        tried.check(child(1), CLOCK)
        tried.check(Replace(id="x", target="o1", lots=300, time=CLOCK), CLOCK)
        assert tried.firm.cells["open_buy"].sum() == 300
        tried.hear(report(1, "x", happening, replaces="o1" if happening == Happening.REPLACED else None))
        assert tried.firm.cells["open_buy"].sum() == left
        assert list(tried.books.open) == ["x" if left == 300 else "o1"]


def test_executions_count_once_and_busts_take_them_back_in_any_order() -> None:
    fill = report(1, "o1", Happening.FILLED, lots=60, price=10000.0, fee=1.5)
    bust = report(2, "o1", Happening.BUSTED, refers_to="e1")
    for told in ([fill, fill, bust], [bust, fill], [fill, bust, bust]):
        tried = gate()
        tried.check(child(1), CLOCK)
        for one in told:
            tried.hear(one)
        assert tried.firm.cells["position"].sum() == 0
        assert tried.firm.scope("firm")["profit"][0] == pytest.approx(0.0, abs=1e-9)


def test_a_market_order_leaves_as_an_ioc_limit_at_its_band() -> None:
    answer = gate().check(child(1, kind=Kind.MARKET, tick=None), CLOCK)
    assert isinstance(answer, Approved)
    assert isinstance(answer.message, Child)
    assert (answer.message.kind, answer.message.lifetime, answer.message.tick) == ("limit", "ioc", 10500)


def test_every_answer_and_alert_is_told() -> None:
    heard: list[Any] = []
    tried = gate(heard)
    answers = [tried.check(child(1), CLOCK), tried.check(child(2, lots=5000), CLOCK)]
    assert heard == answers
    tried.timed_out("o1", CLOCK)
    assert heard[-1].rule == "reconciliation"


def test_a_breach_is_told_once_and_again_when_it_comes_back() -> None:
    heard: list[Any] = []
    tried = gate(heard)
    tried.hear(report(1, "nobody's", Happening.FILLED, lots=3000, price=10000.0))
    for _ in range(3):
        watch(tried, CLOCK)
    rules = ("symbol.ONE", "reconciliation"), ("symbol.ONE", "position"), ("firm", "exposure")
    assert [(one.scope, one.rule) for one in heard] == list(rules)
    tried.hear(report(2, "nobody's", Happening.FILLED, lots=3000, side=-1, price=10000.0))
    watch(tried, CLOCK)
    tried.hear(report(3, "nobody's", Happening.FILLED, lots=3000, price=10000.0))
    watch(tried, CLOCK)
    assert [(one.scope, one.rule) for one in heard if one.rule != "reconciliation"] == [*rules[1:], *rules[1:]]


def test_what_is_open_is_cancelled_where_losses_have_halted() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    assert watch(tried, CLOCK) == []
    tried.firm.earned("alpha", "ONE", -4001.0)
    assert [wish.target for wish in watch(tried, CLOCK)] == ["o1"]


@given(ACTS)
@settings(max_examples=15, deadline=None)
def test_after_a_restart_the_gate_stands_where_the_journal_ended(acts: list[tuple[int, int, int, int]]) -> None:
    lived, told = gate(), []
    for number, (what, tens, side, away) in enumerate(acts):
        wish = child(number, lots=10 * tens, side=side, tick=10000 - side * (2 + abs(away)))
        if what == 3 and lived.books.open:
            target = sorted(lived.books.open)[tens % len(lived.books.open)]
            wish = Replace(id=f"o{number}", target=target, lots=10 * tens, time=CLOCK)
        answer = lived.check(wish, CLOCK + number)
        if isinstance(answer, Approved):
            told.append(answer.message)
        if what >= 4 and lived.books.open:
            order = sorted(lived.books.open)[tens % len(lived.books.open)]
            happening = Happening.FILLED if what == 4 else Happening.CANCELED
            told.append(report(number, order, happening, side=lived.books.open[order].side, lots=10, price=10000.0))
            lived.hear(told[-1])
    anew = gate()
    retake(anew, Recovered(told, Open(), set(), len(told), ""), CLOCK)
    assert anew.books.open == lived.books.open
    for name in ("position", "open_buy", "open_sell", "cash", "gross"):
        assert np.array_equal(anew.firm.cells[name], lived.firm.cells[name])
    assert anew.firm.scope("firm")["orders"] == lived.firm.scope("firm")["orders"]


def test_after_a_restart_what_was_killed_or_halted_stays_so_until_two_people_arm_it() -> None:
    def command(act: Act, by: str) -> Command:
        return Command(act=act, scope="firm", by=by, time=CLOCK)

    lost = Alert(rule="daily_loss", scope="strategy.alpha", text="", time=CLOCK)
    kill, arm, confirm = command(Act.KILL, "ann"), command(Act.ARM, "ann"), command(Act.CONFIRM, "bob")
    for acts, rule in (((kill,), "kill_switch"), ((kill, arm), "kill_switch"), ((lost,), "reduce_only"), ((kill, arm, confirm), "")):
        anew = gate()
        retake(anew, Recovered([*acts], Open(), set(), 0, ""), CLOCK)
        assert getattr(anew.check(child(1), CLOCK), "rule", "") == rule


def test_after_a_restart_what_nobody_has_answered_for_blocks_its_symbol() -> None:
    anew = gate()
    doubt = Open()
    doubt.intend(child(1))
    doubt.doubt("o1")
    retake(anew, Recovered([child(1)], doubt, set(), 1, ""), CLOCK)
    answer = anew.check(child(2), CLOCK)
    assert isinstance(answer, Refused)
    assert answer.rule == "reconciliation"


# Who may approve -----------------------------------------------------------------------------------------------------------------


def test_only_the_gate_approves() -> None:
    with pytest.raises(TypeError, match="only the gate approves"):
        Approved(child(1), CLOCK)
    package = Path(__file__).resolve().parent.parent / "tercet"
    naming = {str(path.relative_to(package)) for path in package.rglob("*.py") if names(path, "GATE_STAMP")}
    assert naming == {"messages.py", "orders/gate.py"}


def names(path: Path, word: str) -> bool:
    """Whether a source names something."""
    tree = ast.parse(path.read_text())
    return any(word in (getattr(node, "id", ""), getattr(node, "name", ""), getattr(node, "attr", "")) for node in ast.walk(tree))


# Limits --------------------------------------------------------------------------------------------------------------------------


def test_every_number_of_the_limits_is_loosened_one_way_or_both() -> None:
    limits = parse(LIMITS)
    for name, value in leaves(limits):
        if isinstance(value, bool) or not isinstance(value, int | float) or name == "version":
            continue
        step = 0 if name.endswith(SHARES) else 1
        more, less = (changed(limits, {name: type(value)(value * factor + step)}) for factor, step in ((2, step), (0.5, 0)))
        looser = [bool(loosened(limits, other)) for other in (more, less)]
        assert any(looser) or value in (0, float("inf")), name


@pytest.mark.parametrize(
    ("line", "instead", "sentence"),
    [
        ("lots = 1000", "", "lots"),
        ("lots = 1000", "lotz = 1000", "lotz"),
        ("value = 90e3", "value = nan", "value was nan"),
        ("value = 90e3", "value = -1", "value was -1"),
        ("messages = 20", "messages = 5000", "messages of alpha were 5000"),
        ('desk = "cash"', 'desk = "moon"', "expected one of cash"),
        ('symbols = ["ONE"]', 'symbols = ["SIX"]', "SIX"),
        ('tick_size = "0.01"', 'tick_size = "0"', "tick_size"),
        ("version = 1", "version = ", "limits"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused_in_a_sentence(line: str, instead: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        parse(LIMITS.replace(line, instead, 1))


# Cases from a file ---------------------------------------------------------------------------------------------------------------


def test_cases_of_a_file_are_asked_and_told(tmp_path: Path) -> None:
    limits, cases = tmp_path / "limits.toml", tmp_path / "cases.jsonl"
    limits.write_text(LIMITS)
    cases.write_text("\n".join(json.dumps(case) for case in CASES[:20]))
    told = said(tercet("gate", "check", "--limits", limits, "--cases", cases, "--json"))
    assert [one["name"] for one in told] == [case["name"] for case in CASES[:20]]
    assert {"decision", "rule", "limit", "was"} <= set(told[0])


def test_the_printed_limits_meet_the_printed_cases(tmp_path: Path) -> None:
    limits, cases = tmp_path / "limits.toml", tmp_path / "cases.jsonl"
    limits.write_text(tercet("gate", "example").stdout)
    cases.write_text(tercet("gate", "example", "--cases").stdout)
    assert all(one["met"] for one in said(tercet("gate", "check", "--limits", limits, "--cases", cases, "--json")))


def test_an_answer_that_is_not_the_expected_one_ends_in_exit_code_1(tmp_path: Path) -> None:
    limits, cases = tmp_path / "limits.toml", tmp_path / "cases.jsonl"
    limits.write_text(LIMITS)
    cases.write_text(json.dumps({**CASES[0], "expect": {"decision": "approved"}}))
    run = tercet("gate", "check", "--limits", limits, "--cases", cases)
    assert run.returncode == 1
    assert "1 cases, 1 not as expected" in run.stderr


@pytest.mark.parametrize(("text", "sentence"), [("{", "no JSON"), ("[1]", "no case"), ('{"name": "x"}', "no case")])
def test_a_row_that_is_no_case_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    limits, cases = tmp_path / "limits.toml", tmp_path / "cases.jsonl"
    limits.write_text(LIMITS)
    cases.write_text(f"\n{text}")
    refused(tercet("gate", "check", "--limits", limits, "--cases", cases), "row 2", sentence)


@pytest.mark.parametrize(
    "state",
    [{"mood": "good"}, {"marks": {"ONE": None}}, {"marks": {"ONE": {"bid": 1, "ask": 2, "time": float("nan")}}}, {"volumes": {"ONE": -5}}]
    + [{name: {"alpha": value}} for name, value in (("profits", "x"), ("positions", {"ONE": 1.5}), ("messages", -5), ("repeats", -1))],
)
def test_in_a_state_that_cannot_be_read_nothing_passes(state: dict[str, Any]) -> None:
    answer = ask(parse(LIMITS), {**CASES[1], "state": state})
    assert (answer.decision, answer.rule) == ("refused", "broken_check")
    assert "the state cannot be read" in answer.text


def test_an_expectation_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="expect has 'decison'"):
        ask(parse(LIMITS), {**CASES[0], "expect": {"decison": "refused"}})


# What a sceptic has found --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "by", "armed"), [(3600, "bob", True), (3601, "bob", False), (-1, "bob", False), (1, "ann", False)])
def test_an_arming_is_confirmed_by_another_within_the_hour(seconds: int, by: str, armed: bool) -> None:
    tried, later = gate(), CLOCK + seconds * 10**9
    act(tried, Command(act=Act.KILL, scope="firm", by="cy", time=CLOCK))
    act(tried, Command(act=Act.ARM, scope="firm", by="ann", time=CLOCK))
    with nullcontext() if armed else pytest.raises(BadInput, match="arming of firm"):
        act(tried, Command(act=Act.CONFIRM, scope="firm", by=by, time=later))
    assert bool(tried.firm.scope("firm")["killed"][0]) != armed


@pytest.mark.parametrize(
    ("reports", "left"),
    [
        ([("n1", Happening.CANCELED, {}), ("n1", Happening.FILLED, {"lots": 200})], 300),
        ([("x1", Happening.CANCELED, {}), ("x1", Happening.FILLED, {"lots": 200})], 300),
        ([("n1", Happening.FILLED, {"lots": 600})], -100),
        ([("n1", Happening.FILLED, {"lots": 300}), ("n1", Happening.CANCELED, {}), ("n1", Happening.BUSTED, {"refers_to": "e0"})], 500),
        (
            [
                ("n1", Happening.FILLED, {"lots": 100}),
                ("n1", Happening.EXPIRED, {}),
                ("n1", Happening.CORRECTED, {"refers_to": "e0", "lots": 300}),
            ],
            200,
        ),
    ],
)
def test_a_parent_counts_what_its_children_traded_whenever_that_is_told(reports: list[Any], left: int) -> None:
    tried = gate()
    tried.parent("p", 500)
    assert isinstance(tried.check(child(1, id="n1", lots=500, parent="p"), CLOCK), Approved)
    tried.check(Cancel(id="x1", target="n1", time=CLOCK), CLOCK)
    for number, (order, happening, terms) in enumerate(reports):
        tried.hear(report(number, order, happening, price=10000.0, **terms))
    assert tried.books.parents["p"].left == left


@pytest.mark.parametrize(
    ("stop", "ask", "filled", "rule"), [(10100, 10001, 0, ""), (10100, 10100, 0, "self_match"), (10100, 10001, 10, "self_match")]
)
def test_a_stop_that_has_triggered_is_in_the_book(stop: int, ask: int, filled: int, rule: str) -> None:
    tried = gate(instrument__ONE__far=0.5)
    assert isinstance(tried.check(child(1, kind=Kind.STOP_LIMIT, stop_tick=stop, tick=10200, lots=100), CLOCK), Approved)
    tried.firm.mark("ONE", ask - 2, ask, CLOCK)
    if filled:
        tried.hear(report(1, "o1", Happening.FILLED, lots=filled, price=10100.0))
    answer = tried.check(child(2, side=-1, tick=10150, lots=100, short=True), CLOCK)
    assert (answer.rule if isinstance(answer, Refused) else "") == rule


@pytest.mark.parametrize(
    "terms", [{"side": -1, "lots": 10}, {"lots": 0}, {"lots": 10, "symbol": "TWO"}, {"lots": 10, "exec_id": "e0", "price": 1.0}]
)
def test_a_report_that_cannot_be_true_blocks_its_symbol_and_counts_nothing(terms: dict[str, Any]) -> None:
    tried = gate()
    tried.check(child(1, lots=100), CLOCK)
    tried.hear(report(0, "o1", Happening.FILLED, lots=10, price=10000.0))
    false = msgspec.structs.replace(report(1, "o1", Happening.FILLED, price=10000.0), **terms)
    tried.hear(false)
    assert tried.firm.instruments["position"].tolist()[:2] == [10, 0]
    assert tried.firm.scope(f"symbol.{false.symbol}")["unequal"] == 1


@pytest.mark.parametrize("scope", ["strategy", "strategy.", "desk.", "symbol"])
def test_a_kill_of_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(BadInput, match="scope was"):
        act(gate(), Command(act=Act.KILL, scope=scope, by="ann", time=CLOCK))


@pytest.mark.parametrize(("distance", "age", "passes"), [(0.5, 0, True), (-0.5, 0, False), (-np.inf, 0, False), (0.5, -1, False)])
def test_what_a_model_cannot_have_seen_is_refused(distance: float, age: int, passes: bool) -> None:
    tried = gate()
    tried.model("alpha", "net", distance, 0.0, CLOCK - age)
    answer = tried.check(child(1), CLOCK)
    assert isinstance(answer, Approved) == passes
    assert passes or (isinstance(answer, Refused) and answer.rule == "model_limits")


def test_who_is_beyond_a_limit_may_still_reduce() -> None:
    tried = gate()
    tried.firm.hold("alpha", "ONE", 900, 10000.0)
    assert isinstance(tried.check(child(1, side=-1, lots=200, tick=10020), CLOCK), Approved)
    tight = changed(
        tried.firm.limits, {"version": 2, "strategy.alpha.gross": 50e3, "strategy.alpha.open_orders": 0, "strategy.alpha.open_value": 1e3}
    )
    change(tried, tight, "ann", None, CLOCK)
    smaller = tried.check(Replace(id="r1", target="o1", lots=100, time=CLOCK), CLOCK)
    assert isinstance(smaller, Approved)
    more = tried.check(child(2, lots=10), CLOCK)
    assert isinstance(more, Refused)
    assert more.rule == "exposure"
    fewer = tried.check(child(3, side=-1, lots=10, tick=10020), CLOCK)
    assert isinstance(fewer, Refused)
    assert fewer.rule == "open_orders"


def test_nobody_names_a_second_person_alone() -> None:
    looser = changed(parse(LIMITS), {"people": ["ann", "annie"]})
    with pytest.raises(BadInput, match="would be looser"):
        change(gate(), changed(looser, {}), "ann", None, CLOCK)


def test_cancels_and_fills_of_a_strategy_that_is_gone_still_count() -> None:
    tried = gate()
    tried.adopt(child(1, strategy="gamma"))
    assert isinstance(tried.check(Cancel(id="c", target="o1", time=CLOCK), CLOCK), Approved)
    tried.hear(report(1, "o1", Happening.FILLED, lots=100, price=10000.0))
    assert tried.firm.cells["position"].sum() == 100


def test_a_cancel_passes_though_nobody_can_note_it() -> None:
    def full(said: Any) -> None:
        raise OSError("disk full")

    tried = gate()
    tried.tell = full
    assert isinstance(tried.check(Cancel(id="c", target="o1", time=CLOCK), CLOCK), Approved)


def test_replacements_that_fill_before_the_venue_answers_leave_nothing_open() -> None:
    for lots, filled, last in ((200, 100, Happening.REPLACE_REJECTED), (50, 50, Happening.REPLACED), (50, 70, Happening.REPLACED)):
        tried = gate()
        tried.check(child(1), CLOCK)
        tried.check(Replace(id="x", target="o1", lots=lots, time=CLOCK), CLOCK)
        tried.hear(report(1, "o1", Happening.FILLED, lots=filled, price=10000.0))
        tried.hear(report(2, "x", last, replaces="o1" if last == Happening.REPLACED else None))
        assert tried.books.open == {}
        assert tried.firm.scope("firm")["orders"] == 0
        assert tried.firm.cells["open_buy"].sum() == 0


def test_fills_under_any_id_of_an_order_are_its_own() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    tried.check(Replace(id="x", target="o1", lots=200, time=CLOCK), CLOCK)
    tried.hear(report(1, "x", Happening.FILLED, lots=40, price=10000.0))  # before the venue says that it is replaced
    tried.hear(report(2, "x", Happening.REPLACED, replaces="o1"))
    tried.hear(report(3, "o1", Happening.FILLED, lots=60, price=10000.0))  # and after it, under the old id
    cell = tried.firm.cells[tried.firm.strategies["alpha"], 0]
    assert (cell["position"], cell["open_buy"]) == (100, 100)


def test_late_fills_count_for_the_strategy_that_asked() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    tried.hear(report(1, "o1", Happening.CANCELED))
    tried.hear(report(2, "o1", Happening.FILLED, lots=100, price=10000.0))
    assert tried.firm.cells["position"][tried.firm.strategies["alpha"], 0] == 100


def test_a_status_that_says_filled_frees_nothing_before_the_fills() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    tried.hear(report(1, "o1", Happening.STATUS, state=OrderState.FILLED))
    assert tried.firm.cells["open_buy"].sum() == 100


def test_the_last_correction_counts_and_a_fill_after_its_bust_is_not_open() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    told = (("FILLED", 100, None), ("CORRECTED", 80, "e0"), ("CORRECTED", 70, "e0"), ("CORRECTED", 60, "e2"))
    for number, (happening, lots, about) in enumerate(told):
        tried.hear(report(number, "o1", Happening[happening], lots=lots, price=10000.0, refers_to=about))
    assert tried.firm.cells["position"].sum() == 60
    tried = gate()
    tried.check(child(1), CLOCK)
    tried.hear(report(5, "o1", Happening.BUSTED, refers_to="e6"))
    tried.hear(report(6, "o1", Happening.FILLED, lots=100, price=10000.0))
    assert tried.firm.cells["position"].sum() == 0
    assert tried.books.open == {}


def test_a_replacement_in_flight_meets_neither_its_old_price_nor_its_new_one() -> None:
    tried = gate()
    tried.check(child(1, strategy="beta"), CLOCK)
    tried.check(Replace(id="x", target="o1", lots=100, tick=9900, time=CLOCK), CLOCK)
    answer = tried.check(child(2, side=-1, tick=9950, short=True), CLOCK)
    assert isinstance(answer, Refused)
    assert answer.rule == "self_match"


def test_replacements_are_children_of_their_parent_too() -> None:
    tried = gate()
    tried.parent("p", 300)
    answers = [tried.check(child(number, parent="p", tick=9990 - number), CLOCK) for number in (1, 2)]
    for number in (1, 2):
        answers.append(tried.check(Replace(id=f"x{number}", target=f"o{number}", lots=200, time=CLOCK), CLOCK))
    assert [isinstance(answer, Approved) for answer in answers] == [True, True, True, False]
    tried.hear(report(1, "x1", Happening.REPLACE_REJECTED))
    assert tried.books.parents["p"].left == 100


def test_what_reduces_is_no_larger_replaced_either() -> None:
    tried = gate()
    tried.firm.hold("alpha", "ONE", 200, 10000.0)
    tried.check(child(1, tick=9990), CLOCK)
    act(tried, Command(act=Act.REDUCE, scope="strategy.alpha", by="ann", time=CLOCK))
    answer = tried.check(Replace(id="x", target="o1", lots=100, tick=9995, time=CLOCK), CLOCK)
    assert isinstance(answer, Refused)
    assert answer.rule == "reduce_only"


def test_volume_grows_old_by_itself() -> None:
    tried = gate(instrument__ONE__volume_share=0.25, windows__reference_s=1e6, windows__heartbeat_s=1e6)
    assert isinstance(tried.check(child(1), CLOCK), Approved)
    answer = tried.check(child(2, lots=110), CLOCK + 61 * 10**9)
    assert isinstance(answer, Refused)
    assert answer.rule == "participation"


def test_a_kill_cancels_replacements_in_flight() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    tried.check(Replace(id="x", target="o1", lots=200, time=CLOCK), CLOCK)
    wishes = act(tried, Command(act=Act.KILL, scope="symbol.ONE", by="ann", time=CLOCK))
    assert [wish.target for wish in wishes] == ["o1", "x"]


def test_an_override_is_of_the_order_that_was_refused() -> None:
    tried = gate()
    far = child(1, tick=12000)
    assert isinstance(tried.check(far, CLOCK), Refused)
    override(tried, "o1", "price_collar", 100, "ann", "bob", CLOCK + 10**9, CLOCK)
    assert isinstance(tried.check(child(1, side=-1, tick=7000), CLOCK), Refused)
    assert isinstance(tried.check(far, CLOCK), Approved)


@pytest.mark.parametrize("new", ["strategy", "desk"])
def test_new_names_take_a_restart(new: str) -> None:
    block = LIMITS[LIMITS.index("[strategy.beta]" if new == "strategy" else "[desk.cash]") :].split("\n\n")[0]
    more = LIMITS.replace("version = 1", "version = 9") + "\n" + block.replace(".beta]", ".gamma]").replace(".cash]", ".bonds]")
    tried = gate()
    with pytest.raises(BadInput, match="is new; expected the names of before"):
        change(tried, parse(more), "ann", "bob", CLOCK)


def test_a_stop_waits_at_its_own_price() -> None:
    tried = gate()
    answer = tried.check(child(1, kind=Kind.STOP, tick=None, stop_tick=11000), CLOCK)
    assert isinstance(answer, Approved)
    assert isinstance(answer.message, Child)
    assert (answer.message.kind, answer.message.stop_tick, answer.message.tick) == ("stop_limit", 11000, 11550)


@pytest.mark.parametrize(("ahead", "alive"), [(0, True), (10**7, True), (10**7 + 1, False), (3 * 10**9, False), (-3 * 10**9, True)])
def test_a_clock_that_runs_ahead_keeps_nobody_alive(ahead: int, alive: bool) -> None:
    tried = gate()
    tried.adopt(child(1, lots=10))
    tried.firm.heartbeat("alpha", CLOCK + ahead)
    assert rule_of(tried.check(child(2), CLOCK)) == ("" if alive else "dead_man")
    assert (watch(tried, CLOCK) == []) == alive


def rule_of(answer: Approved | Refused) -> str:
    """The control that has refused, empty where none has."""
    return answer.rule if isinstance(answer, Refused) else ""


def bounded(tried: Gate, **values: float) -> None:
    """Put tighter limits into force."""
    change(tried, changed(tried.firm.limits, {name.replace("__", "."): value for name, value in values.items()}), "ann", None, CLOCK)


BEYOND: dict[str, Callable[[Gate], Any]] = {
    "reduce_only": lambda tried: act(tried, Command(act=Act.REDUCE, scope="strategy.alpha", by="ann", time=CLOCK)),
    "largest_quantity": lambda tried: bounded(tried, instrument__ONE__lots=30),
    "largest_value": lambda tried: bounded(tried, instrument__ONE__value=3e3),
    "price_collar": lambda tried: bounded(tried, instrument__ONE__far=0.0001),
    "collar_over_time": lambda tried: [
        tried.hear(report(n, past(tried, -1), Happening.FILLED, side=-1, lots=1, price=price)) for n, price in enumerate((10000.0, 9000.0))
    ],
    "repeated_execution": lambda tried: [tried.firm.filled_whole("alpha", CLOCK) for _ in range(4)],
    "position": lambda tried: bounded(tried, instrument__ONE__position=30),
    "exposure": lambda tried: bounded(tried, strategy__alpha__gross=3e3, strategy__alpha__net=3e3),
    "open_orders": lambda tried: bounded(tried, strategy__alpha__open_orders=0, strategy__alpha__open_value=3e3),
    "participation": lambda tried: bounded(tried, instrument__ONE__volume_share=0.0),
    "permissions": lambda tried: bounded(tried, instrument__ONE__located=10),
    "parent_conformance": lambda tried: tried.parent("p", 30),
}


@pytest.mark.parametrize("rule", BEYOND)
def test_what_only_takes_lots_from_an_order_goes_where_more_would_not(rule: str) -> None:
    for lots, tick, smaller in ((50, 10010, True), (50, None, True), (100, 10010, True), (50, 10009, False), (110, 10010, False)):
        tried = gate()
        tried.parent("p", 1000)
        first = child(1, side=-1, tick=10010, short=True, parent="p")
        assert isinstance(tried.check(first, CLOCK), Approved)
        BEYOND[rule](tried)
        answer = rule_of(tried.check(Replace(id="x", target="o1", lots=lots, tick=tick, time=CLOCK), CLOCK))
        assert smaller or answer == rule or (lots, rule) in WITHIN
        assert not smaller or answer == ""


# Of fewer lots at a better price, what is within these limits still.
WITHIN = {(50, rule) for rule in ("exposure", "position", "parent_conformance", "largest_value", "open_orders")}


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (lambda tried: act(tried, Command(act=Act.KILL, scope="firm", by="ann", time=CLOCK)), "kill_switch"),
        (lambda tried: tried.firm.earned("alpha", "ONE", -4001.0), "daily_loss"),
        (lambda tried: tried.firm.heartbeat("alpha", CLOCK - 10**10), "dead_man"),
        (lambda tried: tried.firm.instruments["marked"].fill(CLOCK - 10**10), "market_state"),
        (lambda tried: tried.timed_out("o1", CLOCK), "reconciliation"),
        (lambda tried: tried.firm.messages("alpha", 20, CLOCK), "message_rate"),
        (lambda tried: tried.parent("p", 1000, end=CLOCK - 1), "parent_conformance"),
    ],
)
def test_where_nothing_may_go_or_nobody_sees_an_order_is_cancelled_and_not_made_smaller(wrong: Callable[[Gate], Any], rule: str) -> None:
    tried = gate()
    tried.parent("p", 1000)
    tried.check(child(1, parent="p"), CLOCK)
    wrong(tried)
    assert rule_of(tried.check(Replace(id="x", target="o1", lots=50, time=CLOCK), CLOCK)) == rule
    assert isinstance(tried.check(Cancel(id="c", target="o1", time=CLOCK), CLOCK), Approved)


def test_fewer_lots_at_another_price_are_judged_by_that_price() -> None:
    tried = gate()
    tried.check(child(1), CLOCK)
    assert rule_of(tried.check(Replace(id="x", target="o1", lots=50, tick=7900, time=CLOCK), CLOCK)) == "price_collar"


def test_no_id_is_used_twice_by_orders_and_cancels_alike() -> None:
    heard: list[Any] = []
    tried = gate(heard)
    for number in (1, 2):
        assert isinstance(tried.check(child(number, lots=10 * number), CLOCK), Approved)
    tried.check(Cancel(id="c", target="o1", time=CLOCK), CLOCK)
    assert rule_of(tried.check(child(3, id="c", lots=30), CLOCK)) == "duplicates"
    assert rule_of(tried.check(Replace(id="c", target="o2", lots=30, time=CLOCK), CLOCK)) == "duplicates"
    assert isinstance(tried.check(Cancel(id="o2", target="o1", time=CLOCK), CLOCK), Approved)  # it passes, and the venue may refuse it
    assert [one.rule for one in heard if isinstance(one, Alert)] == ["duplicates"]
    tried.hear(report(1, "o2", Happening.CANCELED))
    assert list(tried.books.open) == ["o1"]
    tried.hear(report(2, "c", Happening.CANCELED))
    assert tried.books.open == {}


@pytest.mark.parametrize(("tick", "rule"), [(10050, ""), (10100, "self_match"), (10200, "self_match"), (10201, "")])
def test_a_stop_may_not_be_triggered_into_an_order_of_ours(tick: int, rule: str) -> None:
    """What we have before its trigger has traded when the price gets there."""
    tried = gate()
    assert isinstance(tried.check(child(1, side=-1, tick=tick, short=True), CLOCK), Approved)
    answer = tried.check(child(2, kind=Kind.STOP_LIMIT, stop_tick=10100, tick=10200), CLOCK)
    assert rule_of(answer) == rule


def test_a_limit_order_waits_for_no_price() -> None:
    answer = gate().check(child(1, tick=12000, stop_tick=11500), CLOCK)
    assert rule_of(answer) == "conformity"


@pytest.mark.parametrize(
    ("fills", "amend", "rule"),
    [
        ([(10, 10000.0), (10, 10500.0)], {}, "collar_over_time"),
        ([(10, 10000.0), (10, 10500.0)], {"happening": Happening.BUSTED}, "collar_over_time"),
        ([(10, 10500.0), (1000, 10000.0)], {}, ""),
        ([(10, 10500.0), (1000, 10000.0)], {"happening": Happening.BUSTED}, "collar_over_time"),  # it hid the other one
        ([(10, 10000.0), (10, 10500.0)], {"happening": Happening.CORRECTED, "lots": 10, "price": 10000.0}, ""),
        ([(10, 10000.0), (10, 10000.0)], {"happening": Happening.CORRECTED, "lots": 10, "price": 10500.0}, "collar_over_time"),
        ([(10, 10000.0), (10, 10000.0)], {"happening": Happening.CORRECTED, "lots": 0, "price": 10500.0}, ""),
    ],
)
def test_a_bust_undoes_no_movement_of_the_price(fills: list[Any], amend: dict[str, Any], rule: str) -> None:
    tried = gate()
    tried.firm.hold("beta", "ONE", -sum(lots for lots, _ in fills), 10000.0)
    past(tried)
    for number, (lots, price) in enumerate(fills):
        tried.hear(report(number, "o0", Happening.FILLED, lots=lots, price=price))
    if amend:
        tried.hear(report(9, "o0", refers_to="e1", **amend))
    assert rule_of(tried.check(child(1, lots=10), CLOCK)) == rule


def test_own_volume_is_the_most_that_was_ever_said_to_have_traded() -> None:
    fill, smaller = report(1, "o0", Happening.FILLED, lots=60, price=10000.0), {"refers_to": "e1", "price": 10000.0}
    bust = report(2, "o0", Happening.BUSTED, refers_to="e1")
    more, less = (report(lots, "o0", Happening.CORRECTED, lots=lots, **smaller) for lots in (80, 20))
    for told, most in (([fill, bust], 60), ([bust, fill], 60), ([fill, more, less], 80), ([more, fill], 80), ([less, bust, fill], 60)):
        tried = gate()
        for one in told:
            tried.hear(one)
        assert tried.firm.instruments["own_volumes"][0].sum() == most


def test_losses_are_those_of_the_day_and_who_is_halted_stays_so() -> None:
    tried, morrow = gate(), CLOCK + 86_400 * 10**9
    tried.firm.earned("alpha", "ONE", 9000.0)
    watch(tried, CLOCK)
    watch(tried, morrow)
    tried.firm.mark("ONE", 9999, 10001, morrow)
    tried.firm.heartbeat("alpha", morrow)
    tried.firm.traded("ONE", 10**6, morrow)
    assert tried.firm.scope("strategy.alpha")["profit"][0] == 0.0
    tried.firm.earned("alpha", "ONE", -2001.0)
    assert rule_of(tried.check(child(1), morrow)) == "reduce_only"
    assert rule_of(tried.check(child(1), morrow + 10**9)) == "reduce_only"


@pytest.mark.parametrize(
    ("seconds", "begins", "profit"), [(6399, 0.0, -500.0), (6400, 0.0, 0.0), (6400, 3600.0, -500.0), (10_000, 3600.0, 0.0)]
)
def test_a_day_of_losses_begins_when_the_limits_say(seconds: int, begins: float, profit: float) -> None:
    """CLOCK is 6,400 seconds before midnight. What is held is worth its price then."""
    tried = gate(windows__day_s=begins)
    watch(tried, CLOCK)
    tried.firm.hold("alpha", "ONE", 1000, 10050.0)
    watch(tried, CLOCK + seconds * 10**9)
    assert tried.firm.scope("firm")["profit"][0] == profit
    tried.firm.mark("ONE", 10009, 10011, CLOCK)
    assert tried.firm.scope("firm")["profit"][0] == pytest.approx(profit + 100.0)


def test_after_a_restart_profit_is_that_of_the_day() -> None:
    def traded(number: int, side: int, price: float, time: int) -> Report:
        return msgspec.structs.replace(
            report(number, "o0", Happening.FILLED, side=side, lots=100, price=price), time=time, strategy="alpha"
        )

    day = 86_400 * 10**9
    lost = [traded(1, 1, 10000.0, CLOCK - day), traded(2, -1, 4000.0, CLOCK - day)]
    for told, profit in ((lost, 0.0), ([*lost, traded(3, 1, 10000.0, CLOCK), traded(4, -1, 9900.0, CLOCK)], -100.0)):
        anew = gate()
        retake(anew, Recovered(told, Open(), set(), len(told), ""), CLOCK + 1)
        assert anew.firm.scope("strategy.alpha")["profit"][0] == pytest.approx(profit)
        assert anew.firm.scope("strategy.alpha")["mode"][0] == 0


@pytest.mark.parametrize(
    ("answer", "left"), [(None, 300), (Happening.REPLACE_REJECTED, 0), (Happening.REPLACED, 300), (Happening.CANCELED, 0)]
)
def test_a_replacement_may_be_working_though_its_order_has_ended(answer: Happening | None, left: int) -> None:
    tried = gate(instrument__ONE__position=400)
    tried.parent("p", 500)
    tried.check(child(1, parent="p"), CLOCK)
    tried.check(Replace(id="x", target="o1", lots=300, time=CLOCK), CLOCK)
    tried.hear(report(1, "o1", Happening.CANCELED))
    if answer is not None:
        tried.hear(report(2, "x", answer, replaces="o1" if answer == Happening.REPLACED else None))
    assert tried.firm.cells["open_buy"].sum() == left
    assert tried.books.parents["p"].left == 500 - left
    assert rule_of(tried.check(child(2, lots=200), CLOCK)) == ("position" if left else "")


def test_an_answer_that_comes_again_is_not_that_of_the_next_replacement() -> None:
    for answer, replaces, left in (
        (Happening.REPLACED, "o1", 400),
        (Happening.REPLACED, None, 400),
        (Happening.REPLACE_REJECTED, None, 400),
    ):
        tried = gate()
        tried.check(child(1), CLOCK)
        tried.check(Replace(id="x", target="o1", lots=200, time=CLOCK), CLOCK)
        first = report(1, "x" if answer == Happening.REPLACED else "o1", answer, replaces=replaces)
        tried.hear(first)
        tried.check(Replace(id="y", target=next(iter(tried.books.open)), lots=400, time=CLOCK), CLOCK)
        tried.hear(first)
        assert tried.firm.cells["open_buy"].sum() == left
