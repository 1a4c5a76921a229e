"""What a venue reports and cannot be is not believed; what was traded and should not have been blocks and wakes people."""

import re
from typing import Any

import pytest
from test_gate import CLOCK, child, gate, past, report, rule_of

from tercet.messages import Alert, Approved, Happening, Kind, OrderState, Replace, Report
from tercet.orders.gate import Gate
from tercet.orders.supervision import reconcile

DAY = 86_400 * 10**9
FILLED, BUSTED, CORRECTED = Happening.FILLED, Happening.BUSTED, Happening.CORRECTED


def working(heard: list[Any], **terms: Any) -> Gate:
    """A gate behind which an order of 100 lots at 10000 works."""
    tried = gate(heard)
    assert isinstance(tried.check(child(1, **terms), CLOCK), Approved)
    heard.clear()
    return tried


def blocked(tried: Gate, heard: list[Any]) -> bool:
    """Whether the symbol takes no new order, which people were alerted to."""
    alerted = [one.scope for one in heard if isinstance(one, Alert) and one.rule == "reconciliation"]
    refused = rule_of(tried.check(child(99, lots=10, tick=9000), CLOCK)) == "reconciliation"
    assert refused == bool(alerted)
    return refused


def filled(number: int = 1, order: str = "o1", **terms: Any) -> Report:
    """Forty lots at the limit."""
    return report(number, order, **{"happening": FILLED, "lots": 40, "price": 10000.0} | terms)


@pytest.mark.parametrize(
    ("terms", "position", "sentence"),
    [
        ({}, 40, ""),
        ({"lots": 100, "price": 9000.0}, 100, ""),
        ({"price": 0.0}, 0, "price was 0.0; expected one above 0"),
        ({"price": -1.0}, 0, "price was -1.0; expected one above 0"),
        ({"price": float("nan")}, 0, "price was nan"),
        ({"price": 1e300}, 0, "price was 1e[+]300; expected one above 0"),
        ({"price": 10000.5}, 40, "price was 10000.5 on order o1; expected no worse than its limit, 10000"),
        ({"lots": 101}, 101, "101 lots traded on order o1; expected 100 at most"),
        ({"order": "ghost"}, 40, "40 lots traded on order ghost; expected one that was sent from here"),
        ({"account": "Z9"}, 0, "account was 'Z9'; expected its order's, 'A1'"),
        ({"account": ""}, 0, "account was ''; expected its order's, 'A1'"),
        ({"side": -1}, 0, "side was -1 of ONE; expected its order's"),
        ({"exec_id": ""}, 0, "exec_id was empty"),
        ({"happening": CORRECTED, "refers_to": "e0", "price": 0.0}, 0, "price was 0.0"),
        ({"happening": CORRECTED, "refers_to": "e0", "price": 10001.0}, 40, "expected no worse than its limit, 10000"),
        ({"happening": CORRECTED, "refers_to": "e0", "lots": 101}, 101, "expected 100 at most"),
        ({"happening": CORRECTED, "refers_to": "e0", "lots": 0, "price": 0.0}, 0, ""),
        ({"happening": BUSTED, "refers_to": "e0", "lots": 0, "price": 0.0}, 0, ""),
        ({"happening": BUSTED, "refers_to": "e0", "account": "Z9"}, 0, "account was 'Z9'"),
        ({"happening": BUSTED, "refers_to": "e0", "order": "ghost"}, 0, "expected one that was sent from here"),
        ({"happening": BUSTED, "refers_to": None}, 0, "refers to no execution"),
        ({"happening": Happening.REPLACED, "exec_id": "", "lots": 0, "price": 0.0}, 0, "exec_id was empty"),
        ({"happening": Happening.ACCEPTED, "exec_id": "", "lots": 0, "price": 0.0}, 0, ""),
        ({"happening": Happening.TIMED_OUT, "exec_id": "", "lots": 0, "price": 0.0}, 0, ""),
    ],
)
def test_what_does_not_fit_its_order_blocks_and_wakes_people(terms: dict[str, Any], position: int, sentence: str) -> None:
    heard: list[Any] = []
    tried = working(heard)
    one = Report(**{"exec_id": "e1", "order": "o1", "time": CLOCK, "symbol": "ONE", "account": "A1", "side": 1} | filled_terms(terms))
    for _ in range(2):
        tried.hear(one)
    assert tried.firm.cells["position"].sum() == position
    texts = [alert.text for alert in heard if isinstance(alert, Alert)]
    assert blocked(tried, heard) == bool(sentence)
    if sentence:
        assert any(text.startswith("report ") for text in texts)
        assert re.search(sentence, texts[0]), texts[0]
        reconcile(tried, "ONE", position, position, CLOCK)
        assert rule_of(tried.check(child(98, lots=10, tick=9000), CLOCK)) == ""


def filled_terms(terms: dict[str, Any]) -> dict[str, Any]:
    """The terms of a fill, as far as others are not named."""
    return {"happening": FILLED, "lots": 40, "price": 10000.0} | terms


def test_a_sale_may_not_be_filled_below_its_limit() -> None:
    for price, wrong in ((10000.0, False), (10000.5, False), (9999.9, True)):
        heard: list[Any] = []
        tried = working(heard, side=-1, short=True)
        tried.hear(filled(side=-1, price=price))
        assert blocked(tried, heard) == wrong


@pytest.mark.parametrize(
    ("fills", "wrong"),
    [
        ([("o1", 100), ("o1", 40)], True),
        ([("o1", 60), ("o1", 40)], False),
        ([("o1", 60), ("o1", 41)], True),
        ([("x", 300)], False),
        ([("o1", 100), ("x", 200)], False),
        ([("o1", 100), ("x", 201)], True),
    ],
)
def test_all_that_replaced_one_another_trade_the_most_that_was_asked_for(fills: list[tuple[str, int]], wrong: bool) -> None:
    heard: list[Any] = []
    tried = working(heard)
    if fills[-1][0] == "x":
        tried.check(Replace(id="x", target="o1", lots=300, time=CLOCK), CLOCK)
    for number, (order, lots) in enumerate(fills):
        tried.hear(filled(number, order, lots=lots))
    assert blocked(tried, heard) == wrong


@pytest.mark.parametrize(("tick", "price", "wrong"), [(10010, 10010.0, False), (10010, 10011.0, True), (9990, 10000.0, False)])
def test_a_replaced_order_may_trade_at_either_price(tick: int, price: float, wrong: bool) -> None:
    heard: list[Any] = []
    tried = working(heard)
    tried.check(Replace(id="x", target="o1", lots=100, tick=tick, time=CLOCK), CLOCK)
    tried.hear(filled(order="x", price=price))
    assert blocked(tried, heard) == wrong


def test_a_market_order_trades_no_worse_than_its_band_and_a_past_one_at_any_price() -> None:
    for price, wrong in ((10500.0, False), (10501.0, True)):
        heard: list[Any] = []
        tried = working(heard, kind=Kind.MARKET, tick=None)
        tried.hear(filled(price=price))
        assert blocked(tried, heard) == wrong
    tried = gate()
    tried.hear(filled(order=past(tried), price=99999.0))
    assert not blocked(tried, [])


def test_a_fill_that_came_again_blocks_no_more_once_positions_were_compared() -> None:
    tried = gate()
    for _ in range(2):
        tried.hear(filled(order="ghost"))
        reconcile(tried, "ONE", 40, 40, CLOCK)
        assert not blocked(tried, [])


# What is gone ---------------------------------------------------------------------------------------------------------------------


def unmarked() -> Gate:
    """A gate that has heard of no price."""
    tried = gate()
    tried.firm.instruments["marked"], tried.firm.instruments["reference"] = -(2**62), 0.0
    past(tried)
    tried.firm.tick(CLOCK)
    return tried


def test_a_bust_takes_its_price_out_of_what_is_held() -> None:
    tried = unmarked()
    for number, price in ((1, 10000.0), (2, 10010.0), (3, 900000.0)):
        tried.hear(filled(number, "o0", lots=10, price=price))
    assert tried.firm.scope("firm")["profit"][0] > 1e4
    tried.hear(report(4, "o0", BUSTED, refers_to="e3"))
    assert tried.firm.instruments["reference"][0] == 10010.0
    assert tried.firm.scope("firm")["profit"][0] == pytest.approx(1.0)  # ten lots have gained ten ticks of a cent
    tried.hear(report(5, "o0", BUSTED, refers_to="e2"))
    tried.hear(report(6, "o0", BUSTED, refers_to="e1"))
    assert tried.firm.instruments["reference"][0] == 0.0
    assert tried.firm.scope("firm")["profit"][0] == pytest.approx(0.0)


def test_a_bust_leaves_the_markets_price_alone() -> None:
    tried = gate()
    tried.hear(filled(1, past(tried), lots=10, price=9000.0))
    reference = tried.firm.instruments["reference"][0]
    tried.hear(report(2, "o0", BUSTED, refers_to="e1"))
    assert tried.firm.instruments["reference"][0] == reference == 10000.0


@pytest.mark.parametrize(
    ("bought", "amend", "profit"),
    [
        (90000.0, {"happening": BUSTED}, -500.0),  # an absurd print of yesterday wins back nothing
        (90000.0, {"happening": CORRECTED, "lots": 100, "price": 10000.0}, -500.0),
        (9000.0, {"happening": BUSTED}, -1500.0),  # what it had gained is lost
        (9000.0, {"happening": CORRECTED, "lots": 100, "price": 10000.0}, -1500.0),
    ],
)
def test_a_bust_of_an_earlier_day_erases_no_loss_of_today(bought: float, amend: dict[str, Any], profit: float) -> None:
    tried = gate()
    tried.firm.tick(CLOCK)
    tried.hear(filled(1, past(tried), lots=100, price=bought, strategy="alpha"))
    tried.firm.tick(CLOCK + DAY)
    tried.firm.earned("alpha", "ONE", -500.0)
    assert tried.firm.scope("firm")["profit"][0] == pytest.approx(-500.0)
    tried.hear(report(2, "o0", refers_to="e1", **amend))
    assert tried.firm.scope("firm")["profit"][0] == pytest.approx(profit)


def test_a_bust_of_today_gives_back_what_its_print_had_cost() -> None:
    tried = gate()
    tried.firm.tick(CLOCK)
    tried.hear(filled(1, past(tried), lots=100, price=11000.0))
    tried.hear(report(2, "o0", BUSTED, refers_to="e1"))
    assert tried.firm.scope("firm")["profit"][0] == pytest.approx(0.0)


def test_a_stale_end_after_the_last_fill_changes_nothing() -> None:
    for end in (Happening.CANCELED, Happening.EXPIRED, Happening.DONE_FOR_DAY):
        tried = working([])
        tried.hear(filled(lots=100))
        before = [tried.firm.cells.copy(), tried.firm.scopes.copy(), dict(tried.books.open), dict(tried.books.wanted)]
        tried.hear(report(2, "o1", end))
        tried.hear(report(3, "o1", Happening.STATUS, state=OrderState.CANCELED))
        assert (tried.firm.cells == before[0]).all()
        assert (tried.firm.scopes == before[1]).all()
        assert [tried.books.open, tried.books.wanted] == before[2:]
