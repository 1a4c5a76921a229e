"""A posture scales the gate's limits down and never beyond them; what is too old counts as DEFENSIVE; a HALT leaves what reduces."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gate import CLOCK, LOTS, POSITION, child, gate, report

from tercet.errors import BadInput
from tercet.messages import Alert, Approved, Cancel, Happening, Posture, Refused
from tercet.orders.limits import changed
from tercet.orders.recovery import Open, Recovered
from tercet.orders.startup import retake
from tercet.orders.supervision import change, heed, watch
from tercet.risk.posture import CAPS, State

SECOND = 10**9


def posture(state: State, time: int = CLOCK, **changes: Any) -> Posture:
    """The posture of a state with its caps."""
    caps = CAPS[state]
    shares = {name: getattr(caps, name) for name in ("participation", "child", "passive", "gross", "net", "name")}
    terms = {"time": time, "state": state.name, "level": int(state), "multiplier": caps.gross, "reason": "stress", **shares}
    return Posture(**terms | changes)


def first_refused(tried: Any, side: int = 1) -> tuple[str, float]:
    """The rule that the least number of lots of one order meets, in steps of 10, and its limit."""
    for step in range(1, 200):
        answer = tried.check(child(1000 * side + step, lots=10 * step, side=side, tick=10000), CLOCK)
        if isinstance(answer, Refused):
            return answer.rule, answer.limit
        tried.hear(report(step, answer.message.id, Happening.CANCELED, side=side))
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("state", [State.CAUTIOUS, State.DEFENSIVE])
def test_the_largest_order_shrinks_and_the_refusal_says_why(state: State) -> None:
    heard: list[Any] = []
    tried = gate(heard)
    heed(tried, posture(state), CLOCK)
    share = CAPS[state].child
    assert isinstance(tried.check(child(1, lots=100), CLOCK), Approved)
    answer = tried.check(child(2, lots=int(share * LOTS) + 10), CLOCK)
    assert (answer.rule, answer.limit, answer.was) == ("largest_quantity", share * LOTS, share * LOTS + 10)
    assert answer.text.endswith(f"(under the posture {state.name})")
    told = [one for one in heard if isinstance(one, Alert)]
    assert [one.rule for one in told] == ["limits_change"]
    assert f"child {share:g}" in told[0].text
    assert state.name in told[0].text


def test_exposure_and_positions_shrink_and_come_back_with_the_posture() -> None:
    tried = gate()
    before = tried.firm.scopes.copy(), tried.firm.instruments.copy()
    heed(tried, posture(State.DEFENSIVE), CLOCK)
    row, scope = tried.firm.scope("symbol.ONE")[0], tried.firm.scope("firm")[0]
    assert row["most_position"] == 0.4 * POSITION
    assert scope["most_gross"] == pytest.approx(0.4 * before[0][tried.firm.firm]["most_gross"])
    assert row["volume_share"] == 0.5 * before[1][tried.firm.symbols["ONE"]]["volume_share"]
    heed(tried, posture(State.NORMAL, CLOCK + 1), CLOCK + 1)
    for name in ("most_gross", "most_net"):
        assert (tried.firm.scopes[name] == before[0][name]).all()
    for name in ("most_lots", "most_value", "adv_share", "volume_share", "most_position", "most_firm_position"):
        assert (tried.firm.instruments[name] == before[1][name]).all()


def test_a_halt_leaves_cancels_and_what_reduces() -> None:
    tried = gate()
    bought = tried.check(child(1, lots=60), CLOCK)
    tried.hear(report(1, bought.message.id, Happening.FILLED, lots=60, price=10000.0))
    resting = tried.check(child(2, lots=10, tick=9990), CLOCK)
    assert isinstance(resting, Approved)
    heed(tried, posture(State.HALT), CLOCK)
    assert isinstance(tried.check(child(3, lots=10), CLOCK), Refused)
    assert isinstance(tried.check(child(4, lots=70, side=-1), CLOCK), Refused)  # beyond what there is
    assert isinstance(tried.check(child(5, lots=30, side=-1), CLOCK), Approved)
    assert isinstance(tried.check(Cancel(id="c1", target="o2", time=CLOCK), CLOCK), Approved)


def test_no_limit_stays_none_and_is_nothing_in_a_halt() -> None:
    tried = gate(firm__net=float("inf"))
    heed(tried, posture(State.CAUTIOUS), CLOCK)
    assert tried.firm.scope("firm")[0]["most_net"] == float("inf")
    heed(tried, posture(State.HALT), CLOCK)
    assert tried.firm.scope("firm")[0]["most_net"] == 0.0


def test_a_posture_that_is_too_old_or_never_came_counts_as_defensive() -> None:
    heard: list[Any] = []
    tried = gate(heard, windows__posture_s=60.0)
    answer = tried.check(child(1, lots=300), CLOCK)
    assert (answer.rule, answer.limit) == ("largest_quantity", 250.0)
    assert "unknown, too old" in answer.text
    heed(tried, posture(State.NORMAL), CLOCK)
    tried.check(child(2, lots=300), CLOCK + 59 * SECOND)
    assert tried.firm.scope("symbol.ONE")[0]["most_lots"] == LOTS
    tried.check(child(3, lots=300), CLOCK + 60 * SECOND)
    assert tried.firm.scope("symbol.ONE")[0]["most_lots"] == 250.0
    assert sum("too old" in one.text for one in heard if isinstance(one, Alert)) == 2
    heed(tried, posture(State.HALT, CLOCK + 61 * SECOND), CLOCK + 61 * SECOND)
    tried.check(child(4, lots=10), CLOCK + 200 * SECOND)
    assert tried.firm.scope("firm")[0]["most_gross"] == 0.0  # worse than DEFENSIVE stays worse


def test_other_limits_come_into_force_under_the_posture() -> None:
    tried = gate()
    heed(tried, posture(State.DEFENSIVE), CLOCK)
    change(tried, changed(tried.firm.limits, {"instrument.ONE.lots": 800}), "ann", None, CLOCK)
    assert tried.firm.scope("symbol.ONE")[0]["most_lots"] == 200.0


@pytest.mark.parametrize("time", [CLOCK - 1, CLOCK + SECOND])
def test_a_posture_from_before_the_last_one_or_from_a_time_to_come_changes_nothing(time: int) -> None:
    tried = gate()
    heed(tried, posture(State.HALT), CLOCK)
    with pytest.raises(BadInput, match="time of the posture"):
        heed(tried, posture(State.NORMAL, time), CLOCK)
    assert first_refused(tried)[1] == 0.0


SHARES = st.tuples(*[st.floats(0, 1)] * 5)


@given(SHARES, SHARES)
@settings(max_examples=40, deadline=None)
def test_less_of_a_share_never_allows_more_and_all_of_it_allows_no_more_than_the_limits(one: Any, other: Any) -> None:
    names = ("child", "participation", "gross", "net", "name")
    tried, rows = gate(), []
    for place, shares in enumerate((tuple(map(max, one, other)), tuple(map(min, one, other)))):
        heed(tried, posture(State.CAUTIOUS, CLOCK + place, **dict(zip(names, shares, strict=True))), CLOCK + place)
        rows.append((tried.firm.scopes.copy(), tried.firm.instruments.copy()))
    for table, limits in ((0, ("most_gross", "most_net")), (1, ("most_lots", "most_value", "volume_share", "most_position"))):
        for name in limits:
            assert (rows[1][table][name] <= rows[0][table][name]).all()
    assert (rows[0][0]["most_gross"][: tried.firm.firm + 1] <= 300e3).all()


def test_where_the_limits_do_not_say_who_has_told_once_is_waited_for_an_hour() -> None:
    tried = gate([])
    heed(tried, posture(State.NORMAL), CLOCK)
    tried.check(child(1, lots=10), CLOCK + 3599 * SECOND)
    assert tried.firm.scope("symbol.ONE")[0]["most_lots"] == LOTS
    tried.check(child(2, lots=10), CLOCK + 3600 * SECOND)
    assert tried.firm.scope("symbol.ONE")[0]["most_lots"] == 0.25 * LOTS


@pytest.mark.parametrize(("state", "gross"), [(State.HALT, 0.0), (State.NORMAL, CAPS[State.DEFENSIVE].gross)])
def test_after_a_restart_a_gate_that_heeded_a_posture_waits_for_the_next(state: State, gross: float) -> None:
    heard: list[Any] = []
    heed(gate(heard), posture(State.CAUTIOUS), CLOCK)
    heed(gate(heard), posture(state), CLOCK)
    anew = gate([])
    most = float(anew.firm.scope("firm")[0]["most_gross"])
    retake(anew, Recovered([one for one in heard if isinstance(one, Alert)], Open(), set(), 0, ""), CLOCK)
    assert anew.firm.scope("firm")[0]["most_gross"] == (gross * most if gross else 0.0)
    heed(anew, posture(State.NORMAL, CLOCK + 1), CLOCK + 1)
    assert anew.firm.scope("firm")[0]["most_gross"] == most


def test_the_watch_heeds_the_file_that_the_command_keeps_and_tells_once_of_one_it_cannot_read(tmp_path: Path) -> None:
    heard: list[Any] = []
    tried, file = gate(heard), tmp_path / "posture.json"
    everything = float(tried.firm.scope("firm")["most_gross"][0])
    for text in (None, b"{", b'{"posture": {"state": "NORMAL"}}', b'{"posture": {"state": "\xff"}}', b"[" * 100_000):
        if text is not None:
            file.write_bytes(text)
        watch(tried, CLOCK, file)
        assert tried.firm.scope("firm")["most_gross"][0] == pytest.approx(CAPS[State.DEFENSIVE].gross * everything)
    alerts = [one for one in heard if isinstance(one, Alert)]
    assert [(one.rule, one.scope) for one in alerts] == [("posture", "firm")]
    assert "posture.json was not heeded" in alerts[0].text
    for later, state in enumerate((State.DEFENSIVE, State.DEFENSIVE, State.NORMAL)):
        file.write_bytes(msgspec.json.encode({"posture": posture(state, CLOCK + later), "because": "the newest day"}))
        watch(tried, CLOCK + later, file)
        assert tried.firm.state == state.name
    file.write_bytes(msgspec.json.encode({"posture": posture(State.HALT, CLOCK + 3600 * SECOND)}))
    watch(tried, CLOCK + 3, file)  # from a time to come
    assert tried.firm.state == "NORMAL"
    told = [one.rule for one in heard if isinstance(one, Alert)]
    assert told == ["posture", "limits_change", "limits_change", "posture"]


def test_the_watch_tells_when_nobody_keeps_the_file_any_more(tmp_path: Path) -> None:
    heard: list[Any] = []
    tried, file = gate(heard), tmp_path / "posture.json"
    file.write_bytes(msgspec.json.encode({"posture": posture(State.NORMAL)}))
    for later in (0, 3599, 3601, 3602):
        watch(tried, CLOCK + later * SECOND, file)
    assert tried.firm.blind
    assert [one.rule for one in heard if isinstance(one, Alert)].count("limits_change") == 2
    with pytest.raises(ValueError, match="found 0 and DEFENSIVE"):
        posture(State.DEFENSIVE, level=0)
