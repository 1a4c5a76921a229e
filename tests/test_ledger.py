"""The ledger: equal to its slow twin over what a venue could tell, in any legal order, with everything told more than once."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_ledger import Money, SlowLedger
from venue_story import Message, Story, by_hand, delivered, merged

from tercet.errors import BadInput
from tercet.market.instruments import Instrument
from tercet.messages import Cancel, Child, Happening, OrderState, Replace, Report
from tercet.orders.ledger import Ledger
from tercet.orders.order import FINAL, TABLE, Illegal, final
from tercet.orders.position import Position

INSTRUMENTS = (Instrument("A", tick_size="0.25", lot_size="4"), Instrument("B", tick_size="0.25", lot_size="4"))
CHILD = Child(id="c", strategy="s", account="acc", symbol="A", venue="V", side=1, lots=100, time=0)
CANCEL = Cancel(id="x", target="c", time=1)
REPLACE = Replace(id="r", target="c", lots=150, time=1)
H, S = Happening, OrderState


def a_ledger() -> Ledger:
    return Ledger(INSTRUMENTS)


def say(happening: Happening, exec_id: str = "", **facts: object) -> Report:
    """A report on CHILD; executions have 40 lots at 100 ticks unless told."""
    trade = {"lots": 40, "price": 100.0} if happening in (H.FILLED, H.CORRECTED) else {}
    named = {"order": "c", "time": 1, "symbol": "A", "account": "acc", "side": 1}
    return Report(exec_id=exec_id or f"e-{happening}", happening=happening, **{**named, **trade, **facts})  # type: ignore[arg-type]


def after(*messages: object) -> Ledger:
    """A ledger that sent CHILD and then took these; a happening is its report or its wish, a str a time-out."""
    ledger = a_ledger()
    ledger.sent(CHILD)
    for i, message in enumerate(messages):
        if message is H.CANCEL_ASKED:
            ledger.cancel_asked(CANCEL)
        elif message is H.REPLACE_ASKED:
            ledger.replace_asked(REPLACE)
        elif message is H.TIMED_OUT:
            ledger.timed_out("c")
        elif message is H.REPLACED:
            ledger.report(say(H.REPLACED, order="r", replaces="c"))
        elif isinstance(message, Happening):
            ledger.report(say(message, f"e{i}", time=i))
        else:
            ledger.fold(message)  # type: ignore[arg-type]
    return ledger


ALL = say(H.FILLED, "all", lots=100)
REST = say(H.FILLED, "rest", lots=60)
BUST = say(H.BUSTED, "bust", refers_to="all")


def answer(state: OrderState) -> Report:
    return say(H.STATUS, "status", state=state, time=9)


@pytest.mark.parametrize(
    ("messages", "state"),
    [
        ([], S.PENDING_NEW),
        ([H.ACCEPTED], S.NEW),
        ([H.REJECTED], S.REJECTED),
        ([H.FILLED], S.PARTIALLY_FILLED),
        ([ALL], S.FILLED),
        ([ALL, H.ACCEPTED], S.FILLED),
        ([H.FILLED, REST, H.ACCEPTED], S.FILLED),
        ([H.ACCEPTED, H.CANCELED], S.CANCELED),  # nobody asked
        ([H.ACCEPTED, H.CANCEL_ASKED], S.PENDING_CANCEL),
        ([H.CANCEL_ASKED, H.ACCEPTED], S.PENDING_CANCEL),
        ([H.CANCEL_ASKED, H.FILLED], S.PENDING_CANCEL),
        ([H.CANCEL_ASKED, ALL], S.FILLED),
        ([H.CANCEL_ASKED, ALL, H.CANCEL_REJECTED], S.FILLED),
        ([H.ACCEPTED, H.CANCEL_ASKED, H.CANCEL_REJECTED], S.NEW),
        ([H.CANCEL_ASKED, H.FILLED, H.CANCEL_REJECTED], S.PARTIALLY_FILLED),
        ([H.CANCEL_ASKED, H.CANCEL_REJECTED], S.PENDING_NEW),
        ([H.CANCEL_ASKED, H.CANCELED, H.FILLED], S.CANCELED),
        ([H.CANCELED, ALL], S.FILLED),  # whichever came first
        ([ALL, H.CANCELED], S.FILLED),  # a stale end changes nothing
        ([H.CANCELED, H.FILLED, REST], S.FILLED),
        ([H.CANCELED, H.FILLED], S.CANCELED),
        ([ALL, H.EXPIRED], S.FILLED),
        ([H.EXPIRED, ALL], S.FILLED),
        ([ALL, answer(S.CANCELED)], S.FILLED),
        ([answer(S.CANCELED), ALL], S.FILLED),
        ([H.ACCEPTED, answer(S.FILLED), H.CANCELED], S.FILLED),
        ([H.ACCEPTED, H.CANCELED, answer(S.FILLED)], S.FILLED),
        ([ALL, H.CANCELED, BUST], S.FILLED),
        ([H.CANCELED, ALL, BUST], S.FILLED),
        ([H.FILLED, H.CANCELED, say(H.BUSTED, refers_to="e0")], S.CANCELED),
        ([H.EXPIRED, H.FILLED], S.EXPIRED),
        ([H.DONE_FOR_DAY, ALL], S.FILLED),
        ([ALL, H.DONE_FOR_DAY], S.FILLED),
        ([H.DONE_FOR_DAY, H.FILLED], S.DONE_FOR_DAY),
        ([H.ACCEPTED, H.DONE_FOR_DAY, H.RESUMED], S.NEW),
        ([H.FILLED, H.DONE_FOR_DAY, H.EXPIRED], S.EXPIRED),
        ([H.ACCEPTED, H.SUSPENDED], S.SUSPENDED),
        ([H.SUSPENDED, H.FILLED], S.SUSPENDED),
        ([H.SUSPENDED, H.RESUMED], S.NEW),
        ([H.FILLED, H.SUSPENDED, H.CANCEL_ASKED], S.PENDING_CANCEL),
        ([H.FILLED, H.SUSPENDED, H.CANCEL_ASKED, H.CANCEL_REJECTED], S.SUSPENDED),
        ([say(H.RESUMED, time=5), say(H.SUSPENDED, time=4)], S.NEW),  # the venue's order counts
        ([H.ACCEPTED, H.REPLACE_ASKED], S.PENDING_REPLACE),
        ([H.REPLACE_ASKED, H.FILLED], S.PENDING_REPLACE),
        ([H.REPLACE_ASKED, H.REPLACED], S.REPLACED),
        ([H.REPLACE_ASKED, H.REPLACED, H.FILLED], S.REPLACED),
        ([H.FILLED, H.REPLACE_ASKED, H.REPLACE_REJECTED], S.PARTIALLY_FILLED),
        ([H.FILLED, H.REPLACE_ASKED, say(H.REPLACE_REJECTED, order="r")], S.PARTIALLY_FILLED),
        ([H.REPLACE_ASKED, H.CANCEL_ASKED], S.PENDING_CANCEL),
        ([ALL, BUST], S.FILLED),
        ([H.FILLED, say(H.BUSTED, refers_to="e0")], S.NEW),
        ([BUST, ALL], S.FILLED),
        ([H.TIMED_OUT], S.UNKNOWN),
        ([H.ACCEPTED, H.TIMED_OUT], S.NEW),  # the answer came first
        ([H.TIMED_OUT, H.ACCEPTED], S.NEW),
        ([H.TIMED_OUT, H.FILLED], S.PARTIALLY_FILLED),
        ([H.TIMED_OUT, H.REJECTED], S.REJECTED),
        ([H.TIMED_OUT, H.CANCEL_ASKED], S.UNKNOWN),
        ([H.TIMED_OUT, H.CANCEL_ASKED, H.CANCEL_REJECTED], S.UNKNOWN),
        ([H.ACCEPTED, H.CANCEL_ASKED, H.TIMED_OUT], S.UNKNOWN),
        ([H.ACCEPTED, H.CANCEL_ASKED, H.TIMED_OUT, H.CANCEL_REJECTED], S.NEW),
        ([H.TIMED_OUT, BUST], S.UNKNOWN),
        ([H.TIMED_OUT, answer(S.NEW)], S.NEW),
        ([H.TIMED_OUT, answer(S.PENDING_NEW)], S.PENDING_NEW),
        ([H.TIMED_OUT, answer(S.CANCELED)], S.CANCELED),
        ([H.TIMED_OUT, answer(S.FILLED)], S.FILLED),
        ([H.TIMED_OUT, answer(S.FILLED), ALL], S.FILLED),
        ([H.SUSPENDED, answer(S.PARTIALLY_FILLED)], S.NEW),
    ],
)
def test_an_order_stands_where_the_hand_written_table_says(messages: list[object], state: OrderState) -> None:
    order = after(*messages).orders["c"]
    assert order.state is state
    assert final(state) == (state in FINAL)


def test_the_table_says_something_for_every_state_and_happening() -> None:
    assert set(TABLE) == set(product(OrderState, Happening))


@pytest.mark.parametrize(
    ("messages", "refused"),
    [
        ([H.CANCELED], CANCEL),
        ([ALL], REPLACE),
        ([H.TIMED_OUT], REPLACE),
        ([H.CANCELED], say(H.REJECTED)),
        ([H.REJECTED], say(H.CANCELED)),
        ([H.EXPIRED], say(H.CANCELED)),
    ],
)
def test_what_the_table_refuses_names_what_is_legal_there_and_changes_nothing(messages: list[object], refused: Message) -> None:
    ledger = after(*messages)
    state = ledger.orders["c"].state
    for _ in range(2):
        with pytest.raises(Illegal, match=f"order c is {state}: .* was not expected there, but one of .*filled"):
            ledger.fold(refused)  # type: ignore[arg-type]
    assert ledger.orders["c"].state is state
    assert list(ledger.orders) == ["c"]


@pytest.mark.parametrize("state", OrderState)
def test_a_fill_a_bust_and_a_correction_are_legal_in_every_state(state: OrderState) -> None:
    assert all(TABLE[state, happening] is not None for happening in (H.FILLED, H.BUSTED, H.CORRECTED))


def exactly(position: Position) -> Money:
    """A position as the twin has it, where floats are exact."""
    return Money(position.lots, Fraction(position.cash), Fraction(position.fees), Fraction(position.average), Fraction(position.realised))


def check_same_money(position: Position, slow: Money) -> None:
    assert exactly(position)[:3] == slow[:3]
    assert position.average == pytest.approx(float(slow.average), rel=1e-9)
    assert position.realised == pytest.approx(float(slow.realised), rel=1e-9, abs=1e-6)
    for mark in (0.0, 101.5):
        net = position.realised + position.unrealised(mark) - position.fees
        assert net == pytest.approx(position.net(mark), rel=1e-9, abs=1e-6)


def check_same(ledger: Ledger, slow: SlowLedger, states: bool = True) -> None:
    for (account, symbol), position in ledger.positions().items():
        check_same_money(position, slow.money(account, None, symbol))
        if states:
            assert ledger.open_lots(account, symbol) == slow.open_lots(account, symbol)
    for (strategy, symbol), position in ledger.strategies().items():
        check_same_money(position, slow.money(None, strategy, symbol))
    for id, order in ledger.orders.items():
        filled, paid, executed = slow.lots(id)
        assert (order.filled, order.paid, order.executed) == (filled, paid, executed)
        if states:
            assert order.state == slow.state(id)


def fold(ledger: Ledger, message: Message) -> None:
    if isinstance(message, str):
        ledger.timed_out(message)
    else:
        ledger.fold(message)


def told(rng: Random, time_outs: bool = False) -> list[Message]:
    """What happened to one to four orders of two accounts, two strategies and two symbols."""
    stories = []
    for i in range(rng.randint(1, 4)):
        names = {"id": f"o{i}", "account": rng.choice("pq"), "strategy": rng.choice("st"), "symbol": rng.choice("AB")}
        child = msgspec.structs.replace(CHILD, **names, side=rng.choice([1, -1]), lots=rng.randint(1, 60))
        steps = rng.randrange(16)
        stories.append(by_hand(rng, child, steps) if rng.random() < 0.2 else Story(rng, child, time_outs).tell(steps))
    return merged(rng, stories)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_the_ledger_equals_its_slow_twin_all_along(seed: int) -> None:
    rng = Random(seed)
    ledger, slow = a_ledger(), SlowLedger(Fraction(1))
    events = delivered(rng, told(rng))
    looks = {len(events) - 1, *(rng.randrange(len(events) + 1) for _ in range(4))}
    for i, event in enumerate(events):
        fold(ledger, event)
        slow.hear(event)  # type: ignore[arg-type]
        if i in looks:
            check_same(ledger, slow)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_the_same_reports_in_another_legal_order_make_the_same(seed: int) -> None:
    rng = Random(seed)
    events = told(rng, time_outs=True)
    ledgers, slow = [a_ledger() for _ in range(3)], SlowLedger(Fraction(1))
    for ledger in ledgers:
        for event in delivered(rng, events):
            fold(ledger, event)
        assert not ledger.unknown()
        assert not any(ledger.blocked(symbol) for symbol in "AB")
    for event in events:
        if not isinstance(event, str):
            slow.hear(event)
    first, *others = ledgers
    check_same(first, slow)
    for other in others:
        assert other.positions() == first.positions()
        assert other.strategies() == first.strategies()
        assert {id: (o.state, o.filled, o.ids) for id, o in other.orders.items()} == {
            id: (o.state, o.filled, o.ids) for id, o in first.orders.items()
        }
        assert {id: len(reports) for id, reports in other.foreign.items()} == {id: len(reports) for id, reports in first.foreign.items()}


def test_a_report_that_comes_again_changes_nothing_and_says_so() -> None:
    ledger = after()
    assert ledger.report(ALL)
    assert not ledger.report(ALL)
    assert not ledger.report(msgspec.structs.replace(ALL, strategy="known elsewhere", text="from the drop copy"))
    assert ledger.lots("acc", "A") == 100


def test_a_report_that_comes_again_with_other_content_names_both_and_the_first_is_kept() -> None:
    ledger = after(ALL)
    with pytest.raises(BadInput, match=r"'all' came twice: expected .*lots=100.* again, found .*lots=99"):
        ledger.report(msgspec.structs.replace(ALL, lots=99))
    assert ledger.lots("acc", "A") == 100


def corrections() -> list[Report]:
    """A fill of 40, corrected to 30 and that to 20."""
    again = say(H.CORRECTED, "k2", refers_to="k1", lots=20, price=98.0)
    return [say(H.FILLED, "f"), say(H.CORRECTED, "k1", refers_to="f", lots=30), again]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize("bust", [False, True])
def test_the_last_by_the_chain_of_references_wins_whatever_came_first(order: tuple[int, ...], bust: bool) -> None:
    words = corrections()
    ends: Iterable[Report] = [say(H.BUSTED, "z", refers_to="k2")] if bust else []
    ledger = after(*ends, *(words[i] for i in order))
    assert ledger.lots("acc", "A") == (0 if bust else 20)
    assert ledger.position("acc", "A").cash == (0 if bust else -20 * 98.0)


def test_a_fill_beyond_the_lots_is_counted_and_flagged() -> None:
    ledger = after(ALL, H.FILLED)
    assert [order.id for order in ledger.overfilled()] == ["c"]
    assert ledger.lots("acc", "A") == 140
    assert ledger.orders["c"].open_lots == 0


def test_an_order_that_was_replaced_keeps_what_filled_and_its_ids() -> None:
    ledger = after(H.FILLED, H.REPLACE_ASKED, say(H.FILLED, "late", lots=10, price=150.0), H.REPLACED)
    order = ledger.orders["r"]
    assert (order.state, order.filled, order.open_lots, order.ids) == (S.PARTIALLY_FILLED, 50, 100, ["c", "r"])
    assert order.average == 110.0
    ledger.report(say(H.FILLED, "last", order="r", lots=100))
    assert order.state is S.FILLED
    assert not ledger.overfilled()


def test_what_filled_under_the_old_id_does_not_overfill_a_smaller_new_one() -> None:
    ledger = after(Replace(id="r", target="c", lots=50, time=1), say(H.FILLED, "old", lots=60))
    assert not ledger.overfilled()
    ledger.report(say(H.FILLED, "new", order="r", lots=1))
    assert [order.id for order in ledger.overfilled()] == ["r"]


def test_a_replacement_that_the_venue_never_confirmed_is_not_filled_by_its_old_id() -> None:
    ledger = after(
        Replace(id="r", target="c", lots=100, time=1), Cancel(id="x", target="r", time=2), ALL, say(H.CANCEL_REJECTED, order="r")
    )
    assert [order.state for order in ledger.orders.values()] == [S.FILLED, S.PENDING_NEW]
    ledger.report(say(H.REPLACE_REJECTED, order="r"))
    assert [order.state for order in ledger.orders.values()] == [S.FILLED, S.REJECTED]


def test_a_replace_without_a_price_keeps_the_one_that_it_had() -> None:
    ledger = a_ledger()
    ledger.sent(msgspec.structs.replace(CHILD, tick=400))
    assert ledger.replace_asked(REPLACE).child.tick == 400
    assert ledger.replace_asked(Replace(id="r2", target="c", lots=150, time=2, tick=399)).child.tick == 399


def test_a_late_fill_of_the_old_id_can_complete_the_new() -> None:
    ledger = after(H.REPLACE_ASKED, H.REPLACED, say(H.FILLED, "new", order="r", lots=110), say(H.FILLED, "old", lots=40))
    assert ledger.orders["r"].state is S.FILLED


def test_a_fill_of_the_old_id_that_was_busted_before_it_came_is_still_gone_from_the_book() -> None:
    bust = say(H.BUSTED, "bust", refers_to="old")
    ledger = after(H.REPLACE_ASKED, H.REPLACED, bust, say(H.FILLED, "new", order="r", lots=110), say(H.FILLED, "old", lots=40))
    assert (ledger.orders["r"].state, ledger.orders["r"].filled) == (S.FILLED, 110)


def test_an_order_being_replaced_exposes_the_larger_of_its_sizes_once() -> None:
    ledger = after(H.ACCEPTED, H.FILLED)
    assert ledger.open_lots("acc", "A") == (60, 0)
    ledger.replace_asked(REPLACE)
    assert ledger.open_lots("acc", "A") == (110, 0)
    ledger.report(say(H.REPLACE_REJECTED, order="r"))
    assert ledger.open_lots("acc", "A") == (60, 0)


def test_an_unknown_order_blocks_its_symbol_until_somebody_says_where_it_stands() -> None:
    ledger = after(H.TIMED_OUT)
    assert ledger.blocked("A")
    assert not ledger.blocked("B")
    assert [order.id for order in ledger.unknown()] == ["c"]
    assert ledger.open_lots("acc", "A") == (100, 0)
    ledger.report(say(H.REJECTED))
    assert not ledger.blocked("A")
    assert ledger.open_lots("acc", "A") == (0, 0)


def test_a_time_out_of_a_replace_leaves_both_unknown_and_the_answer_resolves_both() -> None:
    ledger = after(H.ACCEPTED, H.REPLACE_ASKED)
    ledger.timed_out("r")
    assert [order.id for order in ledger.unknown()] == ["c", "r"]
    ledger.report(say(H.REPLACED, order="r", replaces="c"))
    assert not ledger.blocked("A")


def test_a_trade_by_hand_counts_and_is_listed_until_its_order_is_known() -> None:
    ledger = a_ledger()
    ledger.report(msgspec.structs.replace(ALL, strategy="by hand"))
    assert ledger.lots("acc", "A") == 100
    assert list(ledger.foreign) == ["c"]
    assert ledger.strategies()["by hand", "A"].lots == 100
    ledger.sent(CHILD)
    assert not ledger.foreign
    assert ledger.orders["c"].state is S.FILLED
    assert list(ledger.strategies()) == [("s", "A")]
    assert ledger.strategies()["s", "A"].lots == ledger.lots("acc", "A") == 100


def test_lots_count_without_an_instrument_and_money_wants_one() -> None:
    ledger = Ledger()
    ledger.report(ALL)
    assert ledger.lots("acc", "A") == 100
    with pytest.raises(BadInput, match="symbol 'A': expected an instrument"):
        ledger.position("acc", "A")
    ledger.know(INSTRUMENTS[0])
    assert ledger.position("acc", "A").cash == -10_000.0


def test_crossing_zero_realises_what_was_held_and_starts_a_new_average() -> None:
    ledger = after(say(H.FILLED, "1", lots=10, price=100.0, fee=1.5))
    ledger.report(say(H.FILLED, "2", order="by hand", side=-1, lots=15, price=104.0, time=2))
    position = ledger.position("acc", "A")
    assert (position.lots, position.average, position.realised, position.fees) == (-5, 104.0, 40.0, 1.5)
    assert position.unrealised(100.0) == 20.0
    assert position.net(100.0) == 40.0 + 20.0 - 1.5


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (msgspec.structs.replace(CHILD, lots=99), "id c: expected one that was never used"),
        (msgspec.structs.replace(CHILD, id="d", lots=0), "child d: expected side 1 or -1 and 1 lot or more"),
        (Cancel(id="x", target="nobody", time=1), "cancel x: expected the id of an order that was sent, found 'nobody'"),
        (Replace(id="y", target="c", lots=0, time=1), "replace y: expected 1 lot or more, found 0"),
        (msgspec.structs.replace(ALL, exec_id=""), "expected an exec_id"),
        (msgspec.structs.replace(ALL, lots=0), "expected lots of 1 or more, found 0"),
        (msgspec.structs.replace(ALL, side=0), "expected side 1 or -1, found 0"),
        (msgspec.structs.replace(ALL, price=float("nan")), "expected a price and a fee"),
        (msgspec.structs.replace(ALL, side=-1), "expected A, account acc, side 1 as the order has it"),
        (say(H.BUSTED), "expected the exec_id that it refers to"),
        (say(H.CORRECTED, "k", refers_to="k"), "comes back to itself"),
        (say(H.STATUS), "expected a status that says where the order stands, found None"),
        (say(H.CANCEL_ASKED), "expected what a venue reports, found cancel_asked"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(message: Message, sentence: str) -> None:
    ledger = after(H.ACCEPTED)
    with pytest.raises(BadInput, match=sentence):
        fold(ledger, message)
    assert ledger.lots("acc", "A") == 0
    assert list(ledger.orders) == ["c"]


def test_a_time_out_of_what_was_never_sent_is_refused() -> None:
    with pytest.raises(BadInput, match="time-out of nobody: expected the id"):
        a_ledger().timed_out("nobody")


@pytest.mark.parametrize("wish", [CHILD, CANCEL, REPLACE])
def test_a_wish_told_twice_is_one_wish(wish: Child | Cancel | Replace) -> None:
    ledger = after(wish)
    state = ledger.orders["c"].state
    ledger.fold(wish)
    assert ledger.orders["c"].state is state
    assert len(ledger.orders["c"].replacements) == (1 if wish is REPLACE else 0)


# Each branch by hand ---------------------------------------------------------------------------------------------------------------

OTHER = msgspec.structs.replace(CHILD, id="d")


def states(ledger: Ledger) -> dict[str, OrderState]:
    return {id: order.state for id, order in ledger.orders.items()}


def test_a_symbol_is_blocked_until_the_last_of_its_orders_is_answered_for() -> None:
    ledger = after(H.ACCEPTED, H.FILLED, H.CANCEL_ASKED, H.CANCEL_REJECTED)  # whatever else happens counts for nothing
    assert not ledger.blocked("A")
    for id in ("d", "e", "f"):
        ledger.sent(msgspec.structs.replace(CHILD, id=id))
        ledger.timed_out(id)
        ledger.timed_out(id)
    ledger.sent(msgspec.structs.replace(CHILD, id="b", symbol="B"))
    for id in ("d", "e", "f"):
        assert ledger.blocked("A")
        assert next(order.id for order in ledger.unknown()) == id
        ledger.report(say(H.ACCEPTED, f"answer {id}", order=id))
        ledger.report(say(H.FILLED, f"fill {id}", order=id))
    assert not ledger.blocked("A")
    assert not ledger.blocked("B")
    ledger.timed_out("b")
    assert (ledger.blocked("A"), ledger.blocked("B")) == (False, True)


def test_a_time_out_of_a_replace_that_has_ended_says_nothing_about_its_order() -> None:
    ledger = after(H.ACCEPTED, H.REPLACE_ASKED, Cancel(id="x", target="r", time=2), say(H.CANCELED, "x1", order="r"))
    before = states(ledger)
    ledger.timed_out("r")
    assert states(ledger) == before == {"c": S.PENDING_REPLACE, "r": S.CANCELED}
    assert not ledger.blocked("A")


def test_a_time_out_of_a_cancel_is_one_of_its_order() -> None:
    ledger = after(H.ACCEPTED, H.CANCEL_ASKED)
    ledger.timed_out("x")
    assert states(ledger) == {"c": S.UNKNOWN}


@pytest.mark.parametrize(
    ("order", "replaces", "stand"),
    [
        ("r", "c", (S.REPLACED, S.NEW)),
        ("r", None, (S.REPLACED, S.NEW)),
        ("r", "nobody", (S.REPLACED, S.NEW)),
        ("by hand", "c", (S.REPLACED, S.PENDING_NEW)),
        ("by hand", None, (S.PENDING_REPLACE, S.PENDING_NEW)),
        ("by hand", "nobody", (S.PENDING_REPLACE, S.PENDING_NEW)),
    ],
)
def test_a_venue_names_what_was_replaced_or_what_replaces_it(order: str, replaces: str | None, stand: tuple[S, S]) -> None:
    ledger = after(H.ACCEPTED, H.REPLACE_ASKED)
    assert ledger.report(say(H.REPLACED, "e", order=order, replaces=replaces))
    assert tuple(states(ledger).values()) == stand
    assert list(ledger.foreign) == ([order] if order == "by hand" else [])


@pytest.mark.parametrize(
    ("refused", "stand"),
    [
        (["c"], (S.PENDING_REPLACE, S.REJECTED, S.PENDING_NEW)),
        (["c", "c"], (S.NEW, S.REJECTED, S.REJECTED)),
        (["s"], (S.PENDING_REPLACE, S.PENDING_NEW, S.REJECTED)),
        (["s", "c"], (S.NEW, S.REJECTED, S.REJECTED)),
        (["c", "c", "c"], (S.NEW, S.REJECTED, S.REJECTED)),
    ],
)
def test_a_refusal_of_a_replace_is_of_the_one_that_it_names_or_of_the_oldest(refused: list[str], stand: tuple[S, ...]) -> None:
    ledger = after(H.ACCEPTED, H.REPLACE_ASKED, Replace(id="s", target="c", lots=20, time=2))
    for number, order in enumerate(refused):
        ledger.report(say(H.REPLACE_REJECTED, f"no {number}", order=order, time=number))
    assert tuple(states(ledger).values()) == stand


def test_a_refusal_of_what_nobody_asked_for_changes_nothing() -> None:
    ledger = after(H.ACCEPTED, H.FILLED)
    assert ledger.report(say(H.REPLACE_REJECTED, "no"))
    assert ledger.report(say(H.CANCEL_REJECTED, "nor"))
    assert states(ledger) == {"c": S.PARTIALLY_FILLED}


@pytest.mark.parametrize(
    ("child", "fine"),
    [({"lots": 1}, True), ({"lots": 0}, False), ({"lots": -1}, False), ({"side": 1}, True), ({"side": -1}, True)]
    + [({"side": side}, False) for side in (0, 2, -2)],
)
def test_a_child_has_a_side_and_a_lot(child: dict[str, int], fine: bool) -> None:
    ledger = a_ledger()
    if fine:
        assert ledger.sent(msgspec.structs.replace(CHILD, **child)).state is S.PENDING_NEW
        return
    with pytest.raises(BadInput, match="expected side 1 or -1 and 1 lot or more, found side"):
        ledger.sent(msgspec.structs.replace(CHILD, **child))
    assert ledger.orders == {}
    assert ledger.open_lots("acc", "A") == (0, 0)


@pytest.mark.parametrize(("lots", "fine"), [(1, True), (0, False), (-1, False)])
def test_a_replace_asks_for_a_lot_or_more(lots: int, fine: bool) -> None:
    ledger = after(H.ACCEPTED)
    wish = Replace(id="r", target="c", lots=lots, time=1)
    if fine:
        assert ledger.replace_asked(wish).child.lots == 1
    else:
        with pytest.raises(BadInput, match="expected 1 lot or more"):
            ledger.replace_asked(wish)
        assert states(ledger) == {"c": S.NEW}


def test_a_replacement_begins_with_all_that_its_order_has() -> None:
    order = after(say(H.FILLED, "f", lots=30, price=90.0), say(H.BUSTED, "b", refers_to="f"), say(H.FILLED, "g", lots=20, price=95.0))
    new = order.replace_asked(REPLACE)
    assert (new.filled, new.inherited, new.paid, new.executed) == (20, 20, 1900.0, 50)
    assert (new.child.id, new.child.time, new.before, new.chain) == ("r", 1, order.orders["c"], order.orders["c"].chain)
    assert new.chain.orders == [order.orders["c"], new]
    assert order.orders["c"].replacements == [new]


def test_wishes_and_reports_are_folded_by_what_they_are() -> None:
    ledger = Ledger()
    for message in (CHILD, say(H.ACCEPTED), REPLACE, CANCEL):
        ledger.fold(message)
    assert states(ledger) == {"c": S.PENDING_CANCEL, "r": S.PENDING_NEW}


def test_money_is_that_of_a_tick_on_a_lot_of_its_instrument() -> None:
    ledger = Ledger([Instrument("A", tick_size="0.05", lot_size="20"), Instrument("B", tick_size="0.01", lot_size="0.5")])
    for symbol, value in (("A", 1.0), ("B", 0.005)):
        ledger.report(say(H.FILLED, symbol, order=symbol, symbol=symbol, lots=3, price=7.0, fee=0.25))
        position = ledger.position("acc", symbol)
        assert (position.value, position.cash, position.fees, position.average) == (value, pytest.approx(-21.0 * value - 0.25), 0.25, 7.0)
    assert list(ledger.positions()) == [("acc", "A"), ("acc", "B")]
    assert list(ledger.strategies()) == [("", "A"), ("", "B")]


def test_of_what_nobody_traded_there_is_nothing() -> None:
    ledger = a_ledger()
    assert (ledger.lots("acc", "A"), ledger.open_lots("acc", "A"), ledger.position("acc", "A").lots) == (0, (0, 0), 0)
    assert ledger.positions() == ledger.strategies() == {}
    ledger.sent(CHILD)
    assert list(ledger.positions()) == [("acc", "A")]  # it may be bought
    ledger.report(say(H.REJECTED))
    assert ledger.positions() == ledger.strategies() == {}


def test_sides_are_open_apart() -> None:
    ledger = after(H.ACCEPTED)
    ledger.sent(msgspec.structs.replace(OTHER, side=-1, lots=30))
    assert ledger.open_lots("acc", "A") == (100, 30)
    ledger.report(say(H.FILLED, "f", order="d", side=-1, lots=10))
    assert ledger.open_lots("acc", "A") == (100, 20)
    assert ledger.lots("acc", "A") == -10


def test_reports_that_came_before_their_order_are_its_own_where_they_fit_and_foreign_where_not() -> None:
    ledger = a_ledger()
    fits, amends = say(H.FILLED, "f", lots=30), say(H.CORRECTED, "k", refers_to="f", lots=20, price=90.0)
    others = say(H.FILLED, "g", lots=7, account="other"), say(H.FILLED, "h", lots=5, side=-1)
    for report in (fits, others[0], say(H.SUSPENDED, "s"), amends, others[1]):
        assert ledger.report(report)
    assert ledger.foreign["c"] == [fits, others[0], say(H.SUSPENDED, "s"), amends, others[1]]
    order = ledger.sent(CHILD)
    assert ledger.foreign == {"c": list(others)}
    assert (order.state, order.filled, order.executed, order.paid) == (S.SUSPENDED, 20, 30, 1800.0)
    assert (ledger.lots("acc", "A"), ledger.lots("other", "A")) == (15, 7)
    assert ledger.strategies()["s", "A"].lots == 20


def test_a_report_by_a_cancels_id_is_about_its_order() -> None:
    ledger = after(H.ACCEPTED)
    ledger.report(say(H.FILLED, "early", order="x", lots=10))
    assert list(ledger.foreign) == ["x"]
    ledger.cancel_asked(CANCEL)
    assert not ledger.foreign
    assert (ledger.orders["c"].filled, ledger.orders["c"].executed) == (10, 10)
    ledger.report(say(H.FILLED, "late", order="x", lots=5))
    ledger.report(say(H.CANCELED, "done", order="x"))
    assert (ledger.orders["c"].state, ledger.orders["c"].filled) == (S.CANCELED, 15)
    assert list(ledger.orders) == ["c"]


def test_a_correction_moves_a_fill_to_the_account_that_it_names_where_there_is_no_order() -> None:
    ledger = a_ledger()
    ledger.report(say(H.FILLED, "f", order="by hand", strategy="p"))
    ledger.report(say(H.CORRECTED, "k", order="by hand", refers_to="f", account="other", strategy="q", lots=30))
    assert (ledger.lots("acc", "A"), ledger.lots("other", "A")) == (0, 30)
    assert [(key, position.lots) for key, position in ledger.strategies().items()] == [(("q", "A"), 30)]
    ledger.report(say(H.BUSTED, "b", order="by hand", refers_to="k", account="other"))
    assert ledger.positions() == {}


def test_two_fills_that_are_one_count_once() -> None:
    """A correction of a correction comes before the one that ties it to its fill."""
    ledger = after(say(H.FILLED, "f", lots=10), say(H.CORRECTED, "k2", refers_to="k1", lots=30, time=3))
    assert ledger.lots("acc", "A") == 40
    ledger.report(say(H.CORRECTED, "k1", refers_to="f", lots=20, time=2))
    assert (ledger.lots("acc", "A"), ledger.orders["c"].filled, ledger.orders["c"].paid) == (30, 30, 3000.0)
    assert ledger.orders["c"].executed == 10


def test_of_two_words_on_a_pause_the_one_that_was_reported_later_counts() -> None:
    ledger = after(say(H.DONE_FOR_DAY, "d", time=5), say(H.RESUMED, "r", time=5), say(H.SUSPENDED, "s", time=4))
    assert ledger.orders["c"].state is S.NEW
    ledger.report(say(H.SUSPENDED, "z", time=5))
    assert ledger.orders["c"].state is S.SUSPENDED
    assert ledger.orders["c"].paused_at == (5, "z")


def test_only_what_was_overfilled_under_its_own_id_is_listed() -> None:
    ledger = after(say(H.FILLED, "f", lots=100))
    assert ledger.overfilled() == []
    ledger.sent(OTHER)
    ledger.report(say(H.FILLED, "g", order="d", lots=101))
    assert [order.id for order in ledger.overfilled()] == ["d"]
    assert ledger.orders["d"].open_lots == 0
    ledger.report(say(H.BUSTED, "b", order="d", refers_to="g"))
    assert ledger.overfilled() == []
