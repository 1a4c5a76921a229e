"""From the gate to the wire: what is sent is what was judged, lately, and before nobody has killed anything; cancels always go."""

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_gate import CLOCK, child, gate
from test_journal import Silent, kinds_of

from tercet import messages
from tercet.messages import Act, Approved, Cancel, Child, Command, Happening, Refused, Replace, Report
from tercet.orders.gate import Gate
from tercet.orders.journal import open_journal
from tercet.orders.limits import changed
from tercet.orders.recovery import NotSent, Outbox, recover
from tercet.orders.supervision import act, change, watch


@pytest.fixture
def way(tmp_path: Path) -> Iterator[tuple[Gate, Outbox, Silent]]:
    """A gate, an outbox behind it, and what has come out of that."""
    with open_journal(tmp_path / "journal") as journal:
        gateway = Silent()
        yield gate(), Outbox(journal, gateway, recover(journal)), gateway


def approved(tried: Gate, message: Child | Replace | Cancel) -> Approved:
    answer = tried.check(message, CLOCK)
    assert isinstance(answer, Approved)
    return answer


def command(kind: Act, scope: str) -> Command:
    return Command(act=kind, scope=scope, by="ann", time=CLOCK)


def lose(tried: Gate) -> None:
    tried.firm.earned("alpha", "ONE", -4001.0)
    watch(tried, CLOCK)


STOPS: dict[str, Callable[[Gate], Any]] = {
    "kill": lambda tried: act(tried, command(Act.KILL, "firm")),
    "kill of its symbol": lambda tried: act(tried, command(Act.KILL, "symbol.ONE")),
    "reduce": lambda tried: act(tried, command(Act.REDUCE, "strategy.alpha")),
    "losses": lose,
    "silence": lambda tried: (tried.firm.heartbeat("alpha", CLOCK - 10**11), watch(tried, CLOCK)),
    "limits": lambda tried: change(tried, changed(tried.firm.limits, {"instrument.ONE.lots": 5}), "ann", None, CLOCK),
}


@pytest.mark.parametrize("stop", STOPS)
def test_what_was_approved_before_a_stop_does_not_go_out_after_it(way: Any, stop: str) -> None:
    tried, outbox, gateway = way
    outbox.send([approved(tried, child(1))])
    late = [approved(tried, child(2, tick=9990)), approved(tried, Replace(id="x", target="o1", lots=50, time=CLOCK))]
    cancel = approved(tried, Cancel(id="c", target="o1", time=CLOCK))
    STOPS[stop](tried)
    with pytest.raises(NotSent, match="order o2: it was approved before a kill, a halt or a change of limits") as error:
        outbox.send([*late, cancel])
    assert gateway.sent == ["o1", "c"]
    assert sorted(one.id for one in error.value.refused) == ["o2", "x"]
    tried.unsent(error.value.refused)
    assert list(tried.books.open) == ["o1"]
    assert (tried.books.replaces, tried.firm.cells["open_buy"].sum()) == ({}, 100)
    tried.hear(Report(exec_id="e", order="o1", happening=Happening.CANCELED, time=CLOCK, symbol="ONE", account="A1", side=1))
    assert (tried.books.open, tried.firm.scope("firm")["orders"][0], tried.firm.cells["open_buy"].sum()) == ({}, 0, 0)


def test_an_approval_after_the_stop_goes_and_so_does_one_that_nothing_has_stopped(way: Any) -> None:
    tried, outbox, gateway = way
    first = approved(tried, child(1))
    watch(tried, CLOCK)
    outbox.send([first])
    for step in (command(Act.KILL, "firm"), command(Act.ARM, "firm")):
        act(tried, step)
    act(tried, Command(act=Act.CONFIRM, scope="firm", by="bob", time=CLOCK))
    outbox.send([approved(tried, child(2, tick=9990))])
    assert gateway.sent == ["o1", "o2"]


def test_an_approval_grows_old_by_a_clock_that_nobody_sets(way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, outbox, gateway = way
    for number, age, goes in ((1, messages.LONGEST_APPROVAL - 10**9, True), (2, messages.LONGEST_APPROVAL + 10**9, False)):
        now = messages.monotonic_ns()
        one, cancel = approved(tried, child(number, tick=9990 - number)), approved(tried, Cancel(id=f"c{number}", target="o1", time=CLOCK))
        monkeypatch.setattr(messages, "monotonic_ns", lambda at=now + age: at)
        if goes:
            outbox.send([one, cancel])
        else:
            with pytest.raises(NotSent, match=r"order o2: it was approved \d\.\d s ago; expected 5 s at most"):
                outbox.send([one, cancel])
        monkeypatch.undo()
    assert gateway.sent == ["o1", "c1", "c2"]


@pytest.mark.parametrize("name", ["message", "time", "waived", "_bounds", "other"])
def test_what_was_approved_cannot_be_changed(name: str) -> None:
    one = approved(gate(), child(1))
    for change_it in (lambda: setattr(one, name, child(2)), lambda: delattr(one, name)):
        with pytest.raises(AttributeError, match=f"{name} of an Approved cannot be changed"):
            change_it()
    assert one.message == child(1)


@pytest.mark.parametrize("copying", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_approval_is_neither_copied_nor_stored(copying: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="neither copied nor stored"):
        copying(approved(gate(), child(1)))


def test_a_kill_cancels_all_that_it_can_though_one_order_was_never_sent(way: Any, tmp_path: Path) -> None:
    tried, outbox, gateway = way
    orders = [approved(tried, child(number, tick=9990 - number)) for number in (1, 2, 3)]
    outbox.send([orders[0], orders[2]])  # the second stays behind
    wishes = act(tried, command(Act.KILL, "firm"))
    assert [wish.target for wish in wishes] == ["o1", "o2", "o3"]
    with pytest.raises(NotSent, match="its target is unknown, o2"):
        outbox.send([approved(tried, wish) for wish in wishes])
    assert gateway.sent[2:] == [wishes[0].id, wishes[2].id]
    assert ("refused", wishes[1].id) in kinds_of(tmp_path / "journal")


def test_a_second_kill_at_the_same_time_has_ids_of_its_own(way: Any) -> None:
    tried, outbox, gateway = way
    outbox.send([approved(tried, child(1))])
    for _ in range(3):
        outbox.send([approved(tried, wish) for wish in act(tried, command(Act.KILL, "firm"))])
    assert len(set(gateway.sent)) == len(gateway.sent) == 4


def test_a_kill_is_carried_out_though_nobody_can_note_it() -> None:
    def broken(_: Any) -> None:
        raise OSError(28, "No space left on device")

    tried = gate()
    approved(tried, child(1))
    tried.tell = broken
    assert [wish.target for wish in act(tried, command(Act.KILL, "firm"))] == ["o1"]
    tried.tell = lambda one: None
    assert isinstance(tried.check(child(2), CLOCK), Refused)


def test_a_kill_of_a_desk_cancels_what_a_strategy_that_the_limits_have_lost_has_open() -> None:
    tried = gate()
    approved(tried, child(1))
    limits = tried.firm.limits
    fewer = {name: one for name, one in limits.strategy.items() if name != "alpha"}
    change(tried, msgspec.structs.replace(limits, version=9, strategy=fewer), "ann", None, CLOCK)
    assert [wish.target for wish in act(tried, command(Act.KILL, "desk.cash"))] == ["o1"]
