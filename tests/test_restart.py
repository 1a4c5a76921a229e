"""A restart at any moment changes nothing: what was said, sent and heard before it stands after it."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gate import CLOCK, child, gate, rule_of
from test_journal import Silent

from tercet.errors import BadInput, TercetError
from tercet.messages import Act, Alert, Approved, Cancel, Child, Command, Comparison, Happening, LimitsChange, Mandate, Replace, Report
from tercet.orders.chain import ACTS, KIND_OF, decoded
from tercet.orders.checks import HALTED
from tercet.orders.gate import Gate
from tercet.orders.journal import open_journal
from tercet.orders.ledger import Ledger
from tercet.orders.limits import changed
from tercet.orders.recovery import Open, Outbox, Recovered, recover
from tercet.orders.startup import retake
from tercet.orders.supervision import act, change, reconcile, watch

SECOND, DAY = 10**9, 86_400 * 10**9
WIDE = {f"{scope}__{name}": 10**3 for scope in ("firm", "desk__cash", "strategy__alpha") for name in ("messages", "open_orders")}
SCOPES = ("firm", "desk.cash", "strategy.alpha", "symbol.ONE")


class Life:
    """One gate and its journal; `restart` makes another gate of them. Everything is done by numbers, so that two lives can be compared."""

    def __init__(self) -> None:
        self.history: list[Any] = []
        self.gate, self.now = self.made(), CLOCK

    def made(self) -> Gate:
        made = gate(**WIDE)
        made.tell = lambda one: self.history.append(one) if isinstance(one, ACTS) else None
        return made

    def restart(self) -> None:
        self.gate = self.made()
        retake(self.gate, Recovered(list(self.history), Open(), set(), 0, ""), self.now)

    def live(self, what: int, number: int, pick: int) -> None:
        """One step of a day: markets and strategies are heard of, then something happens."""
        self.now += SECOND if pick % 29 else DAY
        for strategy in ("alpha", "beta"):
            self.gate.firm.heartbeat(strategy, self.now)
        self.gate.firm.mark("ONE", 9999, 10001, self.now)
        self.gate.firm.traded("ONE", 10**9, self.now)
        with suppress(BadInput):
            STEPS[what % len(STEPS)](self, number, pick)
        watch(self.gate, self.now)

    def send(self, message: Any) -> None:
        if isinstance(answer := self.gate.check(message, self.now), Approved):
            self.history.append(answer.message)

    def hear(self, number: int, order: str, happening: Happening, **terms: Any) -> None:
        owner = self.gate.books.owners.get(order)
        about = {"symbol": "ONE", "account": "A1", "side": owner.side if owner else 1} | terms
        self.history.append(Report(exec_id=f"e{number}", order=order, happening=happening, time=self.now, **about))
        self.gate.hear(self.history[-1])

    def pick(self, pick: int) -> str:
        """An order that there was."""
        known = sorted(self.gate.books.owners)
        return known[pick % len(known)] if known else "ghost"

    def command(self, kind: Act, pick: int, by: str) -> None:
        act(self.gate, Command(act=kind, scope=SCOPES[pick % len(SCOPES)], by=by, time=self.now))

    def arm(self, pick: int) -> None:
        self.command(Act.ARM, pick, "ann")
        self.command(Act.CONFIRM, pick, "bob")

    def lose(self) -> None:
        for money in (-4001.0, 4001.0):
            self.gate.firm.earned("alpha", "ONE", money)
            watch(self.gate, self.now)

    def limit(self, pick: int, **second: Any) -> None:
        now = self.gate.firm.limits
        change(self.gate, changed(now, {"instrument.ONE.lots": 100 + pick}), "ann", second.get("second"), self.now)


def new_order(life: Life, number: int, pick: int) -> None:
    parent = "p" if pick % 3 == 0 and "p" in life.gate.books.parents else None
    side = 1 if pick % 2 else -1
    life.send(child(number, lots=10 + pick % 90, side=side, tick=10000 - side * (2 + number % 200), short=True, parent=parent))


STEPS: tuple[Callable[[Life, int, int], Any], ...] = (
    new_order,
    new_order,
    new_order,
    lambda life, number, pick: life.send(Replace(id=f"o{number}", target=life.pick(pick), lots=10 + pick % 90, time=life.now)),
    lambda life, number, pick: life.hear(number, life.pick(pick), Happening.FILLED, lots=1 + pick % 20, price=10000.0),
    lambda life, number, pick: life.hear(number, life.pick(pick), Happening.FILLED, lots=1 + pick % 20, price=10000.0),
    lambda life, number, pick: life.hear(number, life.pick(pick), Happening.CANCELED),
    lambda life, number, pick: life.hear(number, life.pick(pick), Happening.REPLACED, replaces=None),
    lambda life, number, pick: life.hear(number, life.pick(pick), Happening.REPLACE_REJECTED),
    lambda life, number, pick: life.hear(number, life.pick(pick), Happening.BUSTED, refers_to=f"e{pick % (number + 1)}"),
    lambda life, number, pick: life.hear(number, life.pick(pick), Happening.FILLED, lots=1, price=0.0),
    lambda life, number, pick: life.command(Act.KILL, pick, "cy"),
    lambda life, number, pick: life.command(Act.REDUCE, pick, "cy"),
    lambda life, number, pick: life.command(Act.ARM, pick, "ann"),
    lambda life, number, pick: life.command(Act.CONFIRM, pick, "bob"),
    lambda life, number, pick: life.arm(pick),
    lambda life, number, pick: life.arm(pick),
    lambda life, number, pick: life.lose(),
    lambda life, number, pick: life.limit(pick),
    lambda life, number, pick: life.limit(pick, second="bob"),
    lambda life, number, pick: reconcile(life.gate, "ONE", 5, 5 + pick % 2, life.now),
    lambda life, number, pick: reconcile(life.gate, "ONE", 5, 5, life.now),
    lambda life, number, pick: life.gate.parent("p", 100 + pick, strategy="alpha"),
)


def stands(tried: Gate) -> dict[str, Any]:
    """All of a gate that a day of trading stands on."""
    firm, books = tried.firm, tried.books
    halted = np.where(firm.scopes["killed"], HALTED, firm.scopes["mode"])
    scope = ["killed", "tired", "orders", "value", *(name for name in firm.scopes.dtype.names if name.startswith("most_"))]
    symbol = ["killed", "unequal", "position", "open_buy", "open_sell", "most_lots", "most_position"]
    return {
        **{f"scope {name}": firm.scopes[name].tolist() for name in scope},
        "halted": halted.tolist(),
        **{f"symbol {name}": firm.instruments[name].tolist() for name in symbol},
        **{f"cell {name}": firm.cells[name].tolist() for name in ("position", "open_buy", "open_sell")},
        **{"limits": firm.limits, "open": books.open, "parents": books.parents},
        "wanted": {parent: lots for parent, lots in books.wanted.items() if lots},
        **{
            "executed": {id: line.executed for id, line in books.lines.items()},
            "replaces": books.replaces,
            "arming": {scope: wish for scope, (wish, _) in tried.arming.items()},
        },
    }


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=40), st.sets(st.integers(0, 40), max_size=3))
@settings(max_examples=25, deadline=None)
def test_with_restarts_at_any_moments_a_gate_stands_where_it_would_without(steps: list[tuple[int, int]], restarts: set[int]) -> None:
    lives = Life(), Life()
    for number, (what, pick) in enumerate(steps):
        if number in restarts:
            lives[1].restart()
        for life in lives:
            life.live(what, number, pick)
    lives[1].restart()
    first, second = ([one for one in life.history if not isinstance(one, Alert)] for life in lives)
    assert first == second
    assert stands(lives[0].gate) == stands(lives[1].gate)


def test_what_people_said_comes_back_through_a_journal(tmp_path: Any) -> None:
    path = tmp_path / "journal"
    with open_journal(path) as journal:
        lived = gate()
        lived.tell = lambda one: journal.append((one,)).result() if isinstance(one, ACTS) else None
        outbox = Outbox(journal, Silent(), recover(journal))
        lived.parent("p", 100, bound=10100, side=1)
        answer = lived.check(child(1, lots=60, parent="p"), CLOCK)
        assert isinstance(answer, Approved)
        outbox.send([answer])
        outbox.receive([Report(exec_id="a", order="o1", happening=Happening.ACCEPTED, time=CLOCK, symbol="ONE", account="A1", side=1)])
        change(lived, changed(lived.firm.limits, {"instrument.ONE.lots": 50, "firm.loss": 1.0}), "ann", None, CLOCK)
        reconcile(lived, "ONE", 1, 2, CLOCK)
    anew = gate()
    retake(anew, recover(path), CLOCK)
    assert anew.firm.limits == lived.firm.limits
    assert anew.books.parents == lived.books.parents
    assert anew.books.parents["p"].left == 40
    assert rule_of(anew.check(child(2, lots=10, tick=9990), CLOCK)) == "reconciliation"
    reconcile(anew, "ONE", 1, 1, CLOCK)
    assert rule_of(anew.check(child(3, lots=60, tick=9990), CLOCK)) == "largest_quantity"
    assert rule_of(anew.check(child(4, lots=50, tick=9990, parent="p"), CLOCK)) == "parent_conformance"


def test_a_parent_that_is_named_after_its_children_has_what_they_left() -> None:
    for early in (False, True):
        tried = gate()
        if early:
            tried.parent("p", 100)
        tried.adopt(child(1, lots=60, parent="p"))
        tried.hear(Report(exec_id="e", order="o1", happening=Happening.CANCELED, time=CLOCK, symbol="ONE", account="A1", side=1))
        tried.adopt(child(2, lots=30, parent="p"))
        tried.parent("p", 100)
        assert tried.books.parents["p"].left == 70
        tried.parent("p", 150)
        assert tried.books.parents["p"].left == 120


def limits_change(version: int, **values: Any) -> LimitsChange:
    """The gauntlet's limits with other values, as the journal has them."""
    limits = msgspec.structs.replace(changed(gate().firm.limits, values), version=version)
    return LimitsChange(version=version, by="ann", second=None, time=CLOCK, limits=msgspec.to_builtins(limits))


def after(*history: Any, heard: list[Any] | None = None) -> Gate:
    anew = gate(heard)
    retake(anew, Recovered(list(history), Open(), set(), 0, ""), CLOCK)
    return anew


def test_limits_of_a_later_version_are_in_force_and_older_ones_are_not() -> None:
    loaded = gate().firm.limits.version
    lots = {"instrument.ONE.lots": 7}
    assert after(limits_change(loaded + 1, **lots)).firm.limits.instrument["ONE"].lots == 7
    assert after(limits_change(loaded + 1, **lots), limits_change(loaded + 2)).firm.limits.instrument["ONE"].lots == 1000
    assert after(limits_change(loaded - 1, **lots)).firm.limits.instrument["ONE"].lots == 1000
    assert after(limits_change(loaded)).firm.limits.version == loaded
    with pytest.raises(BadInput, match=f"limits of version {loaded} were others in the journal; expected another version"):
        after(limits_change(loaded, **lots))


def test_limits_that_were_loaded_and_are_looser_than_what_was_in_force_wake_people() -> None:
    loaded = gate().firm.limits.version
    for lots, wakes in ((7, True), (1000, False), (2000, False)):
        heard: list[Any] = []
        after(limits_change(loaded - 1, **{"instrument.ONE.lots": lots}), heard=heard)
        assert [one.text for one in heard if one.rule == "limits_change"] == [
            f"version {loaded}, as loaded, is looser than version {loaded - 1}, which was in force: instrument.ONE.lots"
        ] * wakes


def test_limits_that_cannot_be_read_or_name_what_is_new_are_a_sentence_and_matter_only_while_they_are_the_newest() -> None:
    loaded, tree = gate().firm.limits.version, limits_change(1).limits
    strange = tree | {"moon": 1}
    more = tree | {"strategy": tree["strategy"] | {"gamma": tree["strategy"]["alpha"]}}
    for limits, sentence in (
        (strange, "limits of the journal, version 9: .*moon.*; expected a file of a later version"),
        (more, "gamma is new"),
    ):
        for version, matters in ((9, True), (loaded - 1, False)):
            one = LimitsChange(version=version, by="ann", second=None, time=CLOCK, limits=limits | {"version": version})
            if matters:
                with pytest.raises(BadInput, match=sentence):
                    after(one)
            else:
                after(one)


def test_a_kill_stays_though_who_killed_is_nobody_any_more_and_a_scope_that_is_gone_is_passed_over() -> None:
    kill = Command(act=Act.KILL, scope="firm", by="gone", time=CLOCK)
    assert rule_of(after(kill).check(child(1), CLOCK)) == "kill_switch"
    for scope in ("strategy.gone", "moon", "symbol.SIX", ""):
        for one in (msgspec.structs.replace(kill, scope=scope), Alert(rule="drawdown", scope=scope, text="", time=CLOCK)):
            assert rule_of(after(one).check(child(1), CLOCK)) == ""
    assert rule_of(after(Alert(rule="drawdown", scope="symbol.ONE", text="", time=CLOCK)).check(child(1), CLOCK)) == ""


def test_a_wish_to_arm_is_still_there_after_a_restart_and_a_halt_after_it_makes_it_void() -> None:
    kill, arm = (Command(act=kind, scope="firm", by="ann", time=CLOCK) for kind in (Act.KILL, Act.ARM))
    confirm = Command(act=Act.CONFIRM, scope="firm", by="bob", time=CLOCK + 1)
    anew = after(kill, arm)
    act(anew, confirm)
    assert rule_of(anew.check(child(1), CLOCK)) == ""
    halt = Alert(rule="drawdown", scope="firm", text="", time=CLOCK)
    for history in ((arm, kill), (kill, arm, kill), (kill, arm, halt), (halt, arm, kill)):
        with pytest.raises(BadInput, match="arming of firm was confirmed by bob; expected"):
            act(after(*history), confirm)


def test_what_an_earlier_day_has_reduced_stays_so_until_it_is_armed() -> None:
    reduce, arm = (Command(act=kind, scope="strategy.alpha", by="ann", time=CLOCK - DAY) for kind in (Act.REDUCE, Act.ARM))
    confirm = msgspec.structs.replace(arm, act=Act.CONFIRM, by="bob")
    today = Mandate(id="p", lots=1)
    later = Command(act=Act.ARM, scope="desk.cash", by="ann", time=CLOCK)
    assert rule_of(after(reduce, today, later).check(child(1), CLOCK)) == "reduce_only"
    assert rule_of(after(reduce, arm, confirm, today, later).check(child(1), CLOCK)) == ""


def test_a_journal_that_lost_its_head_wakes_people_at_the_start() -> None:
    heard: list[Any] = []
    retake(gate(heard), Recovered([], Open(), set(), 0, "", "journal.head is missing"), CLOCK)
    assert [(one.rule, one.text) for one in heard] == [("monitoring", "journal.head is missing")]


SAID: tuple[Any, ...] = (
    child(1),
    Replace(id="x", target="o0", lots=5, time=CLOCK, tick=9990),
    Cancel(id="c", target="o0", time=CLOCK),
    Report(exec_id="e", order="o0", happening=Happening.FILLED, time=CLOCK, symbol="ONE", account="A1", side=1, lots=10, price=1e4),
    Report(exec_id="e", order="o0", happening=Happening.BUSTED, time=CLOCK, symbol="ONE", account="A1", side=1, refers_to="e1"),
    Command(act=Act.KILL, scope="firm", by="ann", time=CLOCK),
    Alert(rule="drawdown", scope="strategy.alpha", text="", time=CLOCK),
    Alert(rule="limits_change", scope="firm", text="posture HALT (x): shares", time=CLOCK),
    limits_change(9),
    Comparison(symbol="ONE", own=1, theirs=2, time=CLOCK),
    Mandate(id="p", lots=100, symbol="ONE"),
)
WORDS = ("", "x", "\0", b"\xff", [], {}, [1], {"a": 1}, None)
VALUES = (*WORDS, True, -1, 0, 2**31, 2**63, 2**64 - 1, -(2**63), 1.5, float("nan"), float("inf"))


@pytest.mark.parametrize("one", SAID, ids=lambda one: type(one).__name__)
def test_a_row_that_other_hands_have_changed_together_with_its_hash_is_taken_or_refused_in_a_sentence(one: Any) -> None:
    """Whatever stands in a field, a start ends in a gate or in an error of ours."""
    kind, packed, rng = KIND_OF[type(one)], msgspec.msgpack.encode(one), Random(0)
    fields = msgspec.msgpack.decode(packed)
    changes = [msgspec.msgpack.encode(fields | {name: value}) for name in fields for value in rng.sample(VALUES, 4)]
    changes += [packed[:-1], packed + b"\0", b"", b"\x91" * 10_000, *(bytes(rng.sample(packed, len(packed))) for _ in range(3))]
    for payload in changes:
        ledger, open_ = Ledger(), Open()
        with suppress(TercetError):
            message = decoded((1, 1, kind, payload, b""), "journal")
            open_.hear(message) if isinstance(message, Report) else None
            history = [child(0, tick=9990), message]
            retake(gate(), Recovered(history, open_, set(), 0, ""), CLOCK)
            for each in history if isinstance(message, Child | Cancel | Replace | Report) else ():
                ledger.fold(each)
