"""One person tightens and stops; it takes two to loosen, and neither spelling, order nor time makes two of one."""

from typing import Any

import msgspec
import pytest
from test_gate import CLOCK, LIMITS, child, gate, rule_of

from tercet.errors import BadInput
from tercet.messages import Act, Command
from tercet.orders.limits import Account, changed, leaves, loosened, parse, same_person
from tercet.orders.supervision import act, change, override, watch

HOUR = 3600 * 10**9
INF = float("inf")


def command(kind: Act, by: str = "ann", scope: str = "firm", time: Any = CLOCK) -> Command:
    return Command(act=kind, scope=scope, by=by, time=time)


@pytest.mark.parametrize(
    ("before", "after", "looser"),
    [
        *((INF, after, looser) for after, looser in ((86_400.0, True), (3601.0, True), (3600.0, False), (60.0, False))),
        *((60.0, after, looser) for after, looser in ((61.0, True), (59.0, False), (INF, True))),
        *((7200.0, after, looser) for after, looser in ((7201.0, True), (7199.0, True), (3600.0, False), (INF, True))),
    ],
)
def test_a_posture_that_would_count_for_longer_is_looser(before: float, after: float, looser: bool) -> None:
    """inf is an hour from the first posture on: a day is more, and any time asks for a first one, which inf does not."""
    old = changed(parse(LIMITS), {"windows.posture_s": before})
    assert bool(loosened(old, changed(old, {"windows.posture_s": after}))) == looser


@pytest.mark.parametrize(("by", "second"), [("ann", None), ("ann", "ann"), ("ann", "eve"), ("ann", ""), ("eve", "ann"), ("ann", "Ann")])
def test_one_person_loosens_nothing_and_waives_nothing(by: str, second: str | None) -> None:
    tried = gate()
    looser = changed(tried.firm.limits, {"windows.posture_s": 86_400.0})
    far = child(1, tick=12000)
    for _ in range(2):
        with pytest.raises(BadInput, match="expected"):
            change(tried, looser, by, second, CLOCK)
        with pytest.raises(BadInput, match="expected"):
            override(tried, "o1", "price_collar", 100, by, second, CLOCK + 10**9, CLOCK)
        assert rule_of(tried.check(far, CLOCK)) == "price_collar"
    assert tried.firm.limits.windows.posture_s == INF
    change(tried, looser, "ann", "bob", CLOCK)
    override(tried, "o1", "price_collar", 100, "bob", "ann", CLOCK + 10**9, CLOCK)
    assert rule_of(tried.check(far, CLOCK)) == ""


@pytest.mark.parametrize(("lots", "waived"), [(1300, True), (1299, False)])
def test_a_waiver_of_the_position_is_of_that_order_and_that_size(lots: int, waived: bool) -> None:
    tried = gate(instrument__ONE__lots=2000, instrument__ONE__value=1e9, strategy__alpha__open_value=1e9, desk__cash__open_value=1e9)
    override(tried, "o1", "position", lots, "ann", "bob", CLOCK + 10**9, CLOCK)
    assert rule_of(tried.check(child(2, lots=1300), CLOCK)) == "position"
    assert (rule_of(tried.check(child(1, lots=1300), CLOCK)) == "position") != waived


@pytest.mark.parametrize("lots", [0, -1, 1.5, None, "100", True])
def test_a_waiver_names_the_order_and_its_size(lots: Any) -> None:
    with pytest.raises(BadInput, match="expected its id and the most lots that it may have"):
        override(gate(), "o1", "position", lots, "ann", "bob", CLOCK + 1, CLOCK)
    with pytest.raises(BadInput, match="expected its id"):
        override(gate(), "", "position", 100, "ann", "bob", CLOCK + 1, CLOCK)


@pytest.mark.parametrize(
    ("until", "fine"), [(0, False), (-1, False), (1, True), (HOUR, True), (HOUR + 1, False), (INF, False), (None, False)]
)
def test_a_waiver_ends_within_the_hour(until: Any, fine: bool) -> None:
    tried = gate()
    at = CLOCK + until if isinstance(until, int) else until
    if not fine:
        with pytest.raises(BadInput, match="expected a time within an hour"):
            override(tried, "o1", "price_collar", 100, "ann", "bob", at, CLOCK)
        return
    override(tried, "o1", "price_collar", 100, "ann", "bob", at, CLOCK)
    assert tried.overrides["o1"][3] == at


@pytest.mark.parametrize("now", [None, -1, 1.5, INF, 2**63])
def test_times_that_are_none_arm_and_waive_nothing(now: Any) -> None:
    tried = gate()
    act(tried, command(Act.KILL))
    for kind in (Act.ARM, Act.CONFIRM):
        with pytest.raises(BadInput, match="expected"):
            act(tried, command(kind, time=now))
    with pytest.raises(BadInput, match="expected"):
        override(tried, "o1", "price_collar", 100, "ann", "bob", CLOCK + 1, now)


def halt(tried: Any) -> None:
    tried.firm.earned("alpha", "ONE", -4001.0)
    tried.firm.earned("alpha", "ONE", 4001.0)


def tire(tried: Any) -> None:
    for _ in range(4):
        tried.firm.filled_whole("alpha", CLOCK)


LATER: dict[str, Any] = {
    "kill": lambda tried: act(tried, command(Act.KILL, "cy", "strategy.alpha")),
    "reduction": lambda tried: act(tried, command(Act.REDUCE, "cy", "strategy.alpha")),
    "halt": halt,
    "too many fills": tire,
}


@pytest.mark.parametrize("stop", LATER)
@pytest.mark.parametrize("before", ["nothing", *LATER])
def test_a_wish_to_arm_lifts_nothing_that_came_after_it(before: str, stop: str) -> None:
    tried = gate()
    LATER.get(before, lambda tried: None)(tried)
    act(tried, command(Act.ARM, scope="strategy.alpha"))
    stood = rule_of(tried.check(child(1), CLOCK))
    LATER[stop](tried)
    if before == stop and stop in ("halt", "too many fills"):
        return  # it was so already: nothing has come
    with pytest.raises(BadInput, match=r"arming of strategy\.alpha was confirmed by bob; expected (that it was asked|a new wish)"):
        act(tried, command(Act.CONFIRM, "bob", "strategy.alpha", CLOCK + 1))
    assert rule_of(tried.check(child(2), CLOCK)) != "" or stood != ""
    act(tried, command(Act.ARM, "ann", "strategy.alpha", CLOCK + 2))
    act(tried, command(Act.CONFIRM, "bob", "strategy.alpha", CLOCK + 3))
    assert rule_of(tried.check(child(3, tick=9990), CLOCK)) == ""


def test_a_wish_of_who_may_approve_no_longer_is_void() -> None:
    tried = gate()
    act(tried, command(Act.KILL))
    act(tried, command(Act.ARM))
    fewer = changed(tried.firm.limits, {"people": ["bob", "cy"]})
    change(tried, fewer, "bob", "cy", CLOCK)
    with pytest.raises(BadInput, match="expected another person than ann, who asked, both among bob, cy"):
        act(tried, command(Act.CONFIRM, "bob"))


def test_what_is_wrong_still_after_an_arming_wakes_people_again() -> None:
    heard: list[Any] = []
    tried = gate(heard)
    tried.firm.earned("alpha", "ONE", -2001.0)
    for step in (command(Act.ARM, "ann", "strategy.alpha"), command(Act.CONFIRM, "bob", "strategy.alpha")):
        watch(tried, CLOCK)
        act(tried, step)
    watch(tried, CLOCK)
    assert [one.scope for one in heard if getattr(one, "rule", "") == "daily_loss"].count("strategy.alpha") == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        *((one, other, True) for one, other in (("ann", "Ann"), ("ann", " ann"), ("ann lee", "Ann-Lee"), ("ann", "ann\u200b"))),
        *((one, other, True) for one, other in (("josé", "jose\u0301"), ("straße", "STRASSE"), ("ann", "\uff41nn"))),
        *((one, other, False) for one, other in (("ann", "anna"), ("ann", "bob"), ("ann1", "ann2"), ("ann", "anne lee"))),
    ],
)
def test_two_spellings_are_one_person(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) == same
    text = LIMITS.replace('people = ["ann", "bob", "cy"]', f'people = ["{one}", "{other}", "cy"]')
    if same:
        with pytest.raises(BadInput, match="expected each person once"):
            parse(text)
    else:
        assert parse(text).people[:2] == (one, other)


def test_a_client_that_is_new_takes_a_restart_and_leaves_the_limits_as_they_were() -> None:
    tried = gate()
    more = msgspec.structs.replace(tried.firm.limits, version=9, account={**tried.firm.limits.account, "A1": Account(credit=1e6)})
    with pytest.raises(BadInput, match=r"account\.A1 is new; expected the names of before"):
        change(tried, more, "ann", "bob", CLOCK)
    assert "A1" not in tried.firm.limits.account
    assert rule_of(tried.check(child(1), CLOCK)) == ""


def test_no_leaf_of_the_limits_is_loosened_by_one_person_both_ways() -> None:
    """Whatever is a number can be moved by one person in one direction at most."""
    limits = parse(LIMITS)
    for name, value in leaves(limits):
        if isinstance(value, bool) or not isinstance(value, int | float) or name == "version":
            continue
        alone = []
        for other in {type(value)(value * 2 + 1), type(value)(value / 2)} - {value}:
            try:
                alone.append(not loosened(limits, changed(limits, {name: other})))
            except BadInput:
                continue
        assert sum(alone) <= 1, name
