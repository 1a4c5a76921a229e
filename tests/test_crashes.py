"""Warnings of invented crashes: sessions are drawn as stated, detectors are judged alike, and thresholds know no test session."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from test_cli import refused, said, tercet

from tercet.errors import BadInput
from tercet.execution.caution import COUNT, INDICATORS, CautionSettings
from tercet.market.store import open_day
from tercet.risk.crashes import TEST, TRAINING, CrashSettings, Session, drawn, followed
from tercet.risk.crashleague import alarm_rates, crash_league, posture_of
from tercet.risk.detectors import FUSED, WARM, DetectorSettings, alarms, false_alarms, fit, leads_of, sessions
from tercet.risk.posture import CAPS, State
from tercet.signals.trials import Ledger

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="sessions take minutes with uncompiled code")

SMALL = CrashSettings(crashes=12, quiet=12, threads=1)


def made(above: str, onset: int = 0, fallen: int = 0) -> Session:
    """A session whose first indicator is 1 where `above` has a 1."""
    indicators = np.zeros((len(above), COUNT), np.float32)
    indicators[:, 0] = [float(one) for one in above]
    return Session(indicators, np.zeros(len(above)), onset, fallen)


def first(rows: Any) -> Any:
    """A detector."""
    return rows[:, 0].astype(float)


@pytest.mark.parametrize(
    ("above", "lead"),
    [
        ("0000010000", 3),
        ("0001000000", 5),
        ("0010100000", 4),  # one that began before the onset is another
        ("0011111111", 0),
        ("0000000010", 0),  # too late
        ("0000000100", 1),
        ("0000000000", 0),
    ],
)
def test_a_lead_is_counted_from_the_first_alarm_that_begins_after_the_onset(above: str, lead: int) -> None:
    assert leads_of(first, 0.5, [made(above, onset=2, fallen=8)]).tolist() == [lead]


def test_false_alarms_are_counted_by_seconds_and_by_alarms() -> None:
    quiet = [made("0" * WARM + "1" * 10 + "0" * 20 + "1" + "0" * 40 + "1" + "0" * 28)]
    assert alarms(first(quiet[0].indicators) > 0.5) == 2  # 20 seconds below are no end
    share, hour = false_alarms(first, 0.5, quiet)
    assert share == pytest.approx(12 / 100)
    assert hour == pytest.approx(2 * 36)


def test_sessions_are_drawn_as_stated_and_no_two_alike() -> None:
    one, same, other = (drawn(SMALL, part, number, True) for part, number in ((TRAINING, 0), (TRAINING, 0), (TEST, 0)))
    assert (one.indicators == same.indicators).all()
    assert one.onset == same.onset != other.onset
    assert len(one.mid) == SMALL.seconds
    for each in (one, other):
        assert SMALL.onset_s[0] - 2 < each.onset < SMALL.onset_s[1]
    quiet = drawn(SMALL, TRAINING, 0, False)
    assert quiet.onset == 0
    assert np.isfinite(one.indicators[1:]).all()


def test_until_its_onset_a_crash_says_nothing_of_what_comes() -> None:
    large, small = (drawn(replace(SMALL, share=(share, share)), TRAINING, 3, True) for share in (0.1, 0.4))
    assert (large.indicators[: large.onset] == small.indicators[: small.onset]).all()
    assert not (large.indicators[large.onset :] == small.indicators[small.onset :]).all()


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small one, and its ledger."""
    ledger = Ledger(tmp_path_factory.mktemp("league") / "trials.jsonl")
    return crash_league(DetectorSettings(SMALL, budgets=(0.02,)), ledger, "warning small"), ledger


def test_the_league_tells_of_every_detector_and_counts_it(league: Any) -> None:
    found, ledger = league
    standings = {one.name: one for one in found.standings[0.02]}
    assert set(standings) == {FUSED, "isolation forest", *(name for name, _ in INDICATORS)}
    assert found.trials == ledger.count("warning small") == len(standings)
    assert found.tried >= len(found.fallen) == SMALL.crashes
    for one in standings.values():
        assert one.hits.low <= one.hits.estimate <= one.hits.high
        assert one.hits.estimate == (one.leads > 0).mean()
        assert (one.leads < found.fallen).all()
        assert {other.name for other in one.beside} == {"depth", "volatility"} - {one.name}
    means = [one.mean_lead.estimate for one in found.standings[0.02]]
    assert means == sorted(means, reverse=True)
    fused, depth = standings[FUSED], standings["depth"]
    assert fused.hits.estimate >= 0.75
    assert fused.mean_lead.estimate > depth.mean_lead.estimate
    assert fused.beside[0].mean_lead.estimate == pytest.approx(fused.mean_lead.estimate - depth.mean_lead.estimate)


def test_weights_and_thresholds_come_from_training_alone(league: Any) -> None:
    training, fall = sessions(SMALL, TRAINING, None)
    again = fit(training, DetectorSettings(SMALL))
    assert league[0].fitted == again
    assert league[0].fall == fall
    assert min(again.weights) >= 0.0
    assert again.enters[0] <= again.enters[1] <= again.enters[2]


@pytest.mark.parametrize(
    "wrong", [{"crowd": "calm"}, {"crashes": 0}, {"onset_s": (300.0, 900.0)}, {"share": (0.4, 0.1)}, {"depth": 0.0}, {"move_s": 1000.0}]
)
def test_what_no_crash_can_be_drawn_from_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        CrashSettings(**wrong)


def test_a_depth_that_nothing_reaches_is_said() -> None:
    with pytest.raises(BadInput, match="ask for a smaller depth"):
        sessions(replace(SMALL, crashes=2, quiet=2), TRAINING, 1e6)


def test_a_recorded_day_has_few_alarms(goog_day: Path) -> None:
    from tercet.backtest.markets import history_market

    market = history_market(open_day(goog_day))
    seen = followed(market.open(0, 0), market.events, market.open_ns, 3600)
    rates = alarm_rates(seen, CautionSettings())
    assert [one.state for one in rates] == ["CAUTIOUS", "DEFENSIVE", "HALT"]
    assert all(one.share >= other.share for one, other in pairwise(rates))
    assert rates[-1].alarms == 0


def test_the_command_tells_of_a_recorded_day(goog_day: Path, tmp_path: Path) -> None:
    ran = tercet("risk", "evaluate", "warning", "--data", goog_day, "--json", "-", "--html", tmp_path / "page.html")
    told = said(ran)
    assert [row["state"] for row in told["tables"][0]["rows"]][:3] == ["CAUTIOUS", "DEFENSIVE", "HALT"]
    assert "GOOG" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert json.dumps(told)


def test_what_the_command_cannot_judge_is_a_sentence(tmp_path: Path) -> None:
    refused(tercet("risk", "evaluate", "warning", "--data", "crowd:calm"), "large seller", "crash")
    refused(tercet("risk", "evaluate", "warning", "--data", "crowd:crash", "--every", "5"), "expected none of models")


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_states_message_has_its_caps(level: int) -> None:
    caution = CautionSettings().begun(0)[0]
    caution.level, caution.blind, caution.indicators[7] = level, 0, 2.0
    said_now = posture_of(caution, 5)
    assert (said_now.level, said_now.state, said_now.time) == (level, State(level).name, 5)
    assert said_now.child == CAPS[State(level)].child
    assert said_now.reason == ("excitation" if level else "none")
    caution.blind = 1
    assert posture_of(caution, 5).reason.startswith("blind")
