"""Others' order flow: found where it was planted, on made arrays and on made days, and not where there is none."""

import datetime
import json
from pathlib import Path

import numba
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from test_cli import said, tercet
from test_forecast_cli import refuses
from test_report import Seen, figures

from tercet.errors import BadInput
from tercet.market.calendar import SECOND, session
from tercet.market.events import ADD, BUY, CANCEL, EVENT, LEVEL_ROW, SELL
from tercet.market.instruments import Instrument
from tercet.market.recorded import Recorded, count_kinds
from tercet.market.store import open_day, save
from tercet.report.page import number
from tercet.signals.crossflow import FLOWS, with_others
from tercet.signals.crossimpact import NEXT, SAME, Crossed, crossed
from tercet.signals.days import features_of
from tercet.signals.ofi import LEVELS
from tercet.signals.task import direction, message_features

DATE = datetime.date(2024, 1, 4)
LENGTH = 180
WIDTH = 300  # ticks of the made book on either side
needs_compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="a made day takes minutes with uncompiled code")


def made(
    same: float, later: float, windows: int = 6, seed: int = 0
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Flows and changes of A, B and C: each moves by its own flow, and B also by A's of the same bar and of the bar before."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(3, windows * LENGTH, 1))
    flows = 100.0 * (common + 0.3 * rng.normal(size=(3, windows * LENGTH, LEVELS)))
    push = flows.mean(axis=2) / 100.0
    changes = push + 0.5 * rng.normal(size=push.shape)
    changes[1] += same * push[0]
    changes[1, 1:] += later * push[0, :-1]
    return ("A", "B", "C"), flows, changes, np.arange(push.shape[1]) * 10 * SECOND


def by_symbol(found: list[Crossed]) -> dict[str, Crossed]:
    return {row.symbol: row for row in found}


@pytest.mark.parametrize(("same", "later", "moves"), [(0.5, 0.0, SAME), (0.0, 0.5, NEXT)])
def test_a_planted_impact_is_found_where_it_was_planted_and_nowhere_else(same: float, later: float, moves: str) -> None:
    for asked in (SAME, NEXT):
        rows = by_symbol(crossed(*made(same, later), seconds=10, length=LENGTH, moves=asked))
        for symbol, row in rows.items():
            assert row.error is not None
            if (symbol, asked) == ("B", moves):
                assert row.gain > 0.1 > 5 * row.error
                assert row.chosen["A"] == 1.0
                assert row.own < row.all
            else:
                assert -0.05 < row.gain < 0.01  # what noise is chosen costs a little
    least_squares = by_symbol(crossed(*made(same, later), seconds=10, length=LENGTH, moves=SAME))
    assert 0.5 < least_squares["A"].own < 0.9


def test_where_others_say_nothing_the_penalty_keeps_them_out() -> None:
    rows = [row for seed in range(5) for moves in (SAME, NEXT) for row in crossed(*made(0, 0, seed=seed), 10, LENGTH, moves)]
    assert abs(np.mean([row.gain for row in rows])) < 0.002
    assert np.mean([list(row.chosen.values()) for row in rows]) < 0.5


def test_a_window_is_judged_by_what_was_learned_before_it() -> None:
    symbols, flows, changes, times = made(0.2, 0.2)
    for moves in (SAME, NEXT):
        whole = crossed(symbols, flows, changes, times, 10, LENGTH, moves)
        _, others, moved, _ = made(-0.4, -0.4, seed=1)
        others[:, : 3 * LENGTH], moved[:, : 3 * LENGTH + 1] = flows[:, : 3 * LENGTH], changes[:, : 3 * LENGTH + 1]
        for before, after in zip(whole, crossed(symbols, others, moved, times, 10, LENGTH, moves), strict=True):
            assert before.by_window[:2] == after.by_window[:2]
            assert before.own_ahead != after.own_ahead


def test_the_seconds_after_a_gap_are_no_next_seconds() -> None:
    symbols, flows, changes, times = made(0.0, 0.5)
    late = times + np.arange(len(times)) // 2 * 10 * SECOND  # every second bar is missing behind a pair
    (_, b, _) = crossed(symbols, flows, changes, late, 10, LENGTH, NEXT)
    assert b.gain > 0.1
    with pytest.raises(BadInput, match="a window has 0 moves over 10 s"):
        crossed(symbols, flows, changes, times * 3, 10, LENGTH, NEXT)


def walk(store: Path, symbol: str, moves: dict[int, int], date: datetime.date = DATE, first: int = 0) -> Path:
    """A stored day whose mid moves by whole ticks at the seconds given: who rests before the move leaves, and comes back behind it."""
    opens, at, number = session(date).open_ns, 10_000, 2 * WIDTH
    rows = []
    for place in range(WIDTH):
        rows += [(opens + first * SECOND, place, 10, at - place, 0, ADD, BUY)]
        rows += [(opens + first * SECOND, WIDTH + place, 10, at + 1 + place, 0, ADD, SELL)]
    rests = {row[3]: row[1] for row in rows}
    for second, step in sorted(moves.items()):
        time, tick, left = opens + second * SECOND + 1000, at + (step > 0), SELL if step > 0 else BUY
        rows += [(time, rests[tick], 10, tick, 0, CANCEL, left), (time, number, 10, tick, 0, ADD, -left)]
        rests[tick], at, number = number, at + step, number + 1
    events = np.array(rows, EVENT)
    recorded = Recorded(events, np.zeros(0, LEVEL_ROW), 0, count_kinds(events), [], [])
    return save(store, recorded, Instrument(symbol=symbol), date)


def steps(seed: int, minutes: int, share: float = 0.1) -> dict[int, int]:
    """Moves up or down at some seconds of so many minutes."""
    rng = np.random.default_rng(seed)
    return {second: int(rng.choice((-1, 1))) for second in range(1, 60 * minutes) if rng.random() < share}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three days of two hours: FOLLOWER repeats LEADER's moves ten seconds later among its own, LONER does not."""
    store = tmp_path_factory.mktemp("store")
    leader = steps(0, 121)
    follower = steps(1, 121, 0.02) | {second + 10: step for second, step in leader.items()}
    return [walk(store, name, moves) for name, moves in (("LEADER", leader), ("FOLLOWER", follower), ("LONER", steps(2, 121)))]


@needs_compiled
def test_the_command_finds_who_leads_and_says_so_in_json_and_page(days: list[Path], tmp_path: Path) -> None:
    words = ["forecast", "evaluate", f"ofi:{','.join(map(str, days))}", "--html", tmp_path / "cross.html"]
    run = tercet(*words, "--json", tmp_path / "cross.json")
    assert run.returncode == 0, run.stderr
    assert "FOLLOWER" in run.stderr
    found = json.loads((tmp_path / "cross.json").read_text())
    assert found["symbols"] == ["LEADER", "FOLLOWER", "LONER"]
    rows = {(row["symbol"], row["seconds"], row["moves"]): row for row in found["cross"]}
    led = rows["FOLLOWER", 10, "next"]
    assert led["windows"] == 4
    assert led["gain"] > max(0.3, 5 * led["error"])
    assert led["chosen"]["LEADER"] == 1.0
    others = [row for key, row in rows.items() if key[2] == "next" and key[1] == 10 and key[0] != "FOLLOWER"]
    assert all(row["gain"] < 0.02 for row in others)
    assert all(abs(row["gain"]) < 0.02 for key, row in rows.items() if key[2] == "same" and key[1] < 60)
    alone = said(tercet("forecast", "evaluate", f"ofi:{days[0]}", "--json", "-"))
    assert alone["rows"] == found["days"][0]["rows"]
    text = (tmp_path / "cross.html").read_text(encoding="utf-8")
    seen = Seen(text)
    assert seen.loads == []
    assert all(number(row[name], 3) in seen.words for row in found["cross"] for name in ("own", "all_ahead", "gain", "error"))
    assert "most for FOLLOWER over 10 s" in seen.words
    assert len(figures(text)) == 3


@needs_compiled
def test_days_that_have_nothing_in_common_are_refused(days: list[Path], tmp_path: Path) -> None:
    ofi = "forecast", "evaluate"
    tomorrow = walk(tmp_path, "LATER", steps(3, 5), DATE + datetime.timedelta(days=1))
    refuses([*ofi, f"ofi:{days[0]},{tomorrow}"], "the days were of 2024-01-04 and 2024-01-05", "expected one date")
    refuses([*ofi, f"ofi:{days[0]},{days[0]}"], "LEADER was there twice", "expected each symbol once")
    refuses([*ofi, f"ofi:{days[0]},{tmp_path / 'none'}"], "none: expected the folder of a stored day")
    refuses([*ofi, f"ofi:{days[0]},"], "expected the folder of a stored day")
    refuses([*ofi, f"ofi:{','.join(['missing'] * 1000)}"], "missing: expected the folder of a stored day")
    evening = walk(tmp_path, "EVENING", {10_000 + second: step for second, step in steps(3, 62).items()}, first=10_000)
    refuses([*ofi, f"ofi:{days[0]},{evening}"], "LEADER, EVENING: 0 changes over 1 s in common", "expected two windows of 1800")


@needs_compiled
def test_others_flow_is_joined_as_it_was_known_and_no_later(days: list[Path], tmp_path: Path) -> None:
    leader, follower = open_day(days[0]), open_day(days[1])
    late = 700_000_000  # of the leader's feed
    theirs = features_of(leader, every="1s", latency_ns=late)
    ours = features_of(follower, every="3s").head(400)
    for extra in (0, SECOND // 2):
        joined = with_others(ours, {"LEADER": theirs}, latency=extra)
        assert joined.select(ours.columns).equals(ours)
        known, told = theirs["known_time"].to_list(), theirs.select(FLOWS).rows()
        for row in joined.select("known_time", *(f"{name}_LEADER" for name in FLOWS)).rows():
            place = sum(time <= row[0] - extra for time in known[:1300]) - 1
            assert row[1:] == (told[place] if place >= 0 else (None,) * 3)
    until = {second: step for second, step in steps(0, 121).items() if second < 600}
    another = open_day(walk(tmp_path, "LEADER", until | {second + 600: step for second, step in steps(9, 111).items()}))
    known = with_others(ours, {"LEADER": features_of(another, every="1s", latency_ns=late)})
    whole = with_others(ours, {"LEADER": theirs})
    before = pl.col("known_time") < session(DATE).open_ns + 601 * SECOND + late
    assert known.filter(before).equals(whole.filter(before))
    assert not known.filter(~before).equals(whole.filter(~before))
    # The control: a join by when it happened knows the leader's last second too early.
    leaking = with_others(ours, {"LEADER": theirs.with_columns(known_time=pl.col("event_time"))})
    assert not leaking.equals(whole)


@needs_compiled
def test_others_flow_is_a_feature_of_a_direction_task(days: list[Path]) -> None:
    leader, follower = open_day(days[0]), open_day(days[1])
    frame = with_others(message_features(follower), {"LEADER": features_of(leader, every="1s")})
    samples = direction(follower, 2, frame=frame).samples
    column = samples.features[:, samples.names.index("ofi_all_10s_LEADER")]
    assert np.corrcoef(column, samples.spans.value)[0, 1] > 0.2
    own = frame.with_columns(hunch=pl.col("ofi_all_10s_LEADER"))
    with pytest.raises(BadInput, match="hunch"):
        direction(follower, 2, frame=own)
    told = direction(follower, 2, frame=own, signs={"hunch": -1}).samples
    assert told.mirror is not None
    assert told.mirror.signs[told.names.index("hunch")] == -1
    assert direction(follower, 2, frame=own, mirrored=False).samples.mirror is None
