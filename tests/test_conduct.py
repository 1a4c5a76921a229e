"""The gate where several act at once, where clocks are wrong, and what an approval is worth later."""

import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gate import CLOCK, child, gate, report

from tercet.bench.gauntlet import LIMITS
from tercet.errors import BadInput
from tercet.messages import Act, Approved, Command, Happening, Kind, Refused
from tercet.orders.cases import read
from tercet.orders.checks import RULES
from tercet.orders.limits import parse
from tercet.orders.supervision import act
from tercet.orders.wording import SENTENCES

NS = 10**9


def test_two_threads_on_one_gate_are_approved_no_more_than_one_would_be() -> None:
    tried = gate(firm__messages=1000, desk__cash__messages=1000, strategy__alpha__messages=1000, strategy__alpha__open_orders=1000)
    start, answers = threading.Barrier(2), list[Any]()

    def ask(first: int) -> None:
        start.wait()
        answers.extend(tried.check(child(first + number, lots=10, tick=9900 - number), CLOCK) for number in range(200))

    threads = [threading.Thread(target=ask, args=(first,)) for first in (0, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    approved = sum(isinstance(answer, Approved) for answer in answers)
    resting = tried.firm.resting
    assert approved == len(tried.books.open) <= 12  # open orders of the firm
    assert int(resting["lots"].sum()) == 10 * approved == int(tried.firm.instruments["open_buy"][0])


def test_what_was_approved_cannot_be_changed() -> None:
    answer = gate().check(child(1), CLOCK)
    assert isinstance(answer, Approved)
    for name in ("message", "time", "waived", "anything"):
        with pytest.raises(AttributeError):
            setattr(answer, name, child(2))
    with pytest.raises(AttributeError):
        answer.message.lots = 10**6  # type: ignore[misc,union-attr]


@pytest.mark.parametrize("scope", ["firm", "desk.cash", "strategy.alpha", "symbol.ONE"])
def test_an_approval_from_before_a_kill_counts_no_longer_even_after_arming(scope: str) -> None:
    tried = gate()
    before = tried.check(child(1), CLOCK)
    assert isinstance(before, Approved)
    assert not before.void
    act(tried, Command(act=Act.KILL, scope=scope, by="ann", time=CLOCK))
    assert before.void
    for kind, by in ((Act.ARM, "ann"), (Act.CONFIRM, "bob")):
        act(tried, Command(act=kind, scope=scope, by=by, time=CLOCK))
    assert before.void
    after = tried.check(child(2, lots=110), CLOCK)
    assert isinstance(after, Approved)
    assert not after.void


def test_the_same_market_order_is_found_wherever_the_mid_has_moved() -> None:
    tried = gate()
    assert isinstance(tried.check(child(1, kind=Kind.MARKET, tick=None), CLOCK), Approved)
    tried.firm.mark("ONE", 10010, 10012, CLOCK)
    answer = tried.check(child(2, kind=Kind.MARKET, tick=None), CLOCK + NS // 10)
    assert isinstance(answer, Refused)
    assert answer.rule == "duplicates"
    assert isinstance(tried.check(child(3, kind=Kind.MARKET, tick=None), CLOCK + NS), Approved)


@pytest.mark.parametrize("behind", [0, 120 * NS, 10**6 * NS])
def test_a_venue_whose_clock_is_behind_ours_switches_no_window_off(behind: int) -> None:
    tried = gate()
    tried.check(child(1, lots=100, tick=10400), CLOCK)
    told = report(1, "o1", Happening.FILLED, lots=100, price=10400.0)
    tried.hear(msgspec.structs.replace(told, time=CLOCK - behind))
    answer = tried.check(child(2, lots=110), CLOCK + NS // 10)
    assert isinstance(answer, Refused)
    assert answer.rule == "collar_over_time"


@given(st.lists(st.sampled_from([0, 1, NS, -NS, 3600 * NS, 30 * 86_400 * NS, 2**61]), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_whatever_a_clock_has_said_for_a_moment_orders_go_again_when_it_is_right(leaps: list[int]) -> None:
    tried = gate()
    for number, leap in enumerate(leaps):
        tried.check(child(number), CLOCK + leap)
    now = CLOCK + 40 * 86_400 * NS if any(leap == 30 * 86_400 * NS for leap in leaps) else CLOCK + 2 * 3600 * NS
    tried.firm.mark("ONE", 9999, 10001, now)
    tried.firm.heartbeat("alpha", now)
    tried.firm.traded("ONE", 10**9, now)
    answer = tried.check(child(99, lots=10, tick=9990), now)
    assert isinstance(answer, Approved), answer


def test_what_ends_a_position_may_be_of_any_size_and_the_approval_says_so() -> None:
    tried = gate()
    tried.firm.hold("alpha", "ONE", 7, 10000.0)
    answer = tried.check(child(1, side=-1, lots=7), CLOCK)
    assert isinstance(answer, Approved)
    assert answer.waived == "odd_lot"
    usual = tried.check(child(2, lots=20, tick=9990), CLOCK)
    assert isinstance(usual, Approved)
    assert usual.waived == ""


def test_a_replacement_that_is_refused_leaves_the_order_as_it_was() -> None:
    from tercet.messages import Replace

    tried = gate()
    tried.check(child(1, lots=100), CLOCK)
    before = tried.firm.resting[: tried.firm.used].copy(), dict(tried.books.open), tried.firm.scopes["value"].copy()
    answer = tried.check(Replace(id="x", target="o1", lots=5000, time=CLOCK), CLOCK)
    assert isinstance(answer, Refused)
    assert (before[0] == tried.firm.resting[: tried.firm.used]).all()
    assert (before[1], before[2].tolist()) == (tried.books.open, tried.firm.scopes["value"].tolist())
    assert tried.books.replacing("o1") is None
    assert isinstance(tried.check(Replace(id="x", target="o1", lots=200, time=CLOCK), CLOCK), Approved)


def test_every_control_of_orders_has_its_sentence() -> None:
    silent = {"allowed", "permissions", "override", "limits_change", "monitoring", "broken_check", "restricted", "identification"}
    assert {name for name, _ in SENTENCES} >= set(RULES) - silent


@pytest.mark.parametrize(
    ("line", "instead", "words"),
    [
        ("collar = 0.05", "collar = 5", "collar was 5; expected a share"),
        ("volume_share = 0.25", "volume_share = 25.0", "volume_share was 25"),
        ("adv_share = 0.02", "adv_share = 1.01", "adv_share was 1.01"),
        ("far = 0.2", "far = 20", "far was 20"),
        ("lots = 1000", f"lots = {2**63}", "lots"),
        ("cancels = 10", "cancels = 300", "cancels of maker were 300"),
        ("version = 1", f"version = {10**30}", "version"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused_by_name(line: str, instead: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse(LIMITS.replace(line, instead, 1))
    assert parse(LIMITS.replace("collar = 0.05", "collar = inf", 1)).instrument["ONE"].collar == float("inf")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "expected cases"),
        (b"\n \n", "expected cases"),
        (b"\xff\xfe", "expected UTF-8"),
        (b"[1]", "row 1: no case"),
        (b'{"order": 5}', "itself an object"),
        (b'{"order": {}, "cancel": {}}', "no case"),
        (b'{"order": {}, "stat": {}}', "did you mean 'state'"),
        (b'{"order": {}, "clock": "noon"}', "clock of a case was 'noon'"),
        (b'{"order": {}, "then": {"order": []}}', "itself an object"),
        (b'{"order": ' + b"[" * 100_000, "no JSON"),
    ],
)
def test_a_file_that_holds_no_case_is_refused_in_a_sentence(text: bytes, words: str, tmp_path: Any) -> None:
    (tmp_path / "cases.jsonl").write_bytes(text)
    with pytest.raises(BadInput, match=words):
        read(tmp_path / "cases.jsonl")
