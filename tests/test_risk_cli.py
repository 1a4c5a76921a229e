"""`tercet risk` from end to end: leagues in the terminal, as JSON and as a page; what is wrong in a sentence."""

import dataclasses
import datetime
import json
import os
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.cli import judged, withinday
from tercet.cli.judging import Judging
from tercet.errors import BadInput
from tercet.market import lobster
from tercet.market.store import save
from tercet.report import risk as pages
from tercet.risk.season import default_season


def tercet(*words: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command, with a ledger of its own."""
    env = {**os.environ, "TERCET_TRIALS": str(folder / "trials.jsonl"), "OMP_NUM_THREADS": "1", "COLUMNS": "90"}
    call = [str(Path(sys.executable).with_name("tercet")), *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, env=env, check=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market's days with a realised variance, and prices of four assets."""
    folder, rng, count = tmp_path_factory.mktemp("risk"), np.random.default_rng(0), 1100
    log = np.zeros(count)
    for t in range(1, count):
        log[t] = 0.95 * log[t - 1] + 0.2 * rng.standard_normal()
    dates = np.busday_offset("2015-01-02", np.arange(count), roll="forward")
    returns = np.exp(0.5 * log) * rng.standard_normal(count)
    rv = np.exp(log + 0.3 * rng.standard_normal(count))
    pl.DataFrame({"date": dates, "return": returns, "rv": rv}).write_csv(folder / "days.csv")
    moves = returns[:, None] * [0.5, 1.0, 1.5, 0.8] / 100 + 0.01 * rng.standard_normal((count, 4))
    prices = 50 * np.cumprod(1 + moves, axis=0)
    pl.DataFrame({"date": dates, **{f"A{i}": prices[:, i] for i in range(4)}}).write_csv(folder / "prices.csv")
    pl.DataFrame({"date": dates, "index": 50 * np.exp(np.cumsum(returns / 100))}).write_csv(folder / "index.csv")
    return folder


LEAGUES = {
    "volatility": ("days.csv", "log-har,ewma", ["log-har", "ewma"]),
    "tail": ("days.csv", "gjr-normal,historical/250", ["gjr-normal", "historical/250"]),
    "covariance": ("prices.csv", "speeds,sample", None),
    "warning": ("index.csv", "drawdown/252,volatility/0.94", None),
}


@pytest.mark.parametrize("kind", LEAGUES)
def test_a_league_is_judged_told_and_counted(kind: str, files: Path, tmp_path: Path) -> None:
    name, models, order = LEAGUES[kind]
    words = ["risk", "evaluate", kind, "--data", files / name, "--models", models, "--since", "2017-06-01"]
    words += [] if kind == "warning" else ["--every", 60]
    ran = tercet(*words, "--json", "-", "--html", tmp_path / "page.html", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["kind"], told["trials"]) == (kind, 2)
    first = told["tables"][0]["rows"]
    assert {row["model"] for row in first} == set(models.split(","))
    if order:
        assert [row["model"] for row in first] == order
    page = unescape((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert pages.TITLES[kind] in page
    assert "2 trials on this file" in page
    for row in first:
        assert row["model"] in ran.stderr
    assert len((tmp_path / "trials.jsonl").read_text().splitlines()) == 2


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first hour and more of a crowd's day, stored."""
    folder = tmp_path_factory.mktemp("day")
    return save(folder, lobster.read(*write_lobster(folder, *made_day(100_000, 1)), MADE, DATE), MADE, DATE)


def test_a_stored_day_has_the_league_of_its_minutes(day: Path, tmp_path: Path) -> None:
    words = ["risk", "evaluate", "volatility", "--data", day, "--since", "09:40", "--horizon", "30s", "--models", "season-har,day-so-far"]
    ran = tercet(*words, "--json", "-", "--html", tmp_path / "page.html", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["kind"], told["trials"], told["asked"]["horizon_s"], told["asked"]["first_s"]) == ("intraday", 2, 30, 600)
    assert told["from"] == "09:40:00"
    assert {row["model"] for row in told["tables"][0]["rows"]} == {"season-har", "day-so-far"}
    assert told["windows"] == len(told["curves"][0]["time"]) > 40
    page = unescape((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert pages.TITLES["intraday"] in page
    assert "VOD_20141103" in page  # where the season is from
    assert "windows of 30 s" in ran.stderr


def test_an_earlier_day_that_is_not_whole_is_passed_over(day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = DATE + datetime.timedelta(days=1)
    files = write_lobster(tmp_path, *made_day(20_000, 1))
    place = save(day.parent, lobster.read(*files, MADE, later), MADE, later)
    found = withinday.stored(place, True)
    assert found.season == default_season()
    assert f"passed over: {day.name}: part" in capsys.readouterr().err


WITHIN = {
    "every": ({"every": 20}, "every was 20; expected none for a day"),
    "vix": ({"vix": Path("vix.csv")}, "vix or assets was vix.csv; expected none for a day"),
    "close": ({"close": "15:00"}, "close was '15:00'; expected none for a day: it is of files with a row a day"),
    "unit": ({"unit": "fraction"}, "unit was 'fraction'; expected none for a day"),
    "early": ({"since": "09:30"}, "since was '09:30'; expected a time of day after the opening"),
    "fine": ({"horizon": "1500ms"}, "horizon was '1500ms'; expected whole seconds"),
    "few": ({"horizon": "10min"}, "to be asked about; expected 30 or more"),
    "long": (
        {"horizon": "3h"},
        "horizon was 3h, and the day has 75.8 minutes; expected 30 windows or more of it: --horizon 75s or shorter",
    ),
    "short": ({"horizon": "5s", "since": "09:40"}, "horizon was 5 s; expected more than 5 s"),
    "model": ({"models": ("ewma",)}, "model was 'ewma'; expected, each once, season-har"),
    "crowd": ({"data": Path("crowd:nobody")}, "data was 'crowd:nobody'; expected crowd: with one of default"),
}


@pytest.mark.parametrize("name", WITHIN)
def test_what_is_wrong_about_a_day_is_said_in_a_sentence(name: str, day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERCET_TRIALS", str(tmp_path / "trials.jsonl"))
    changes, sentence = WITHIN[name]
    with pytest.raises(BadInput, match=sentence):
        judged.volatility(dataclasses.replace(Judging(day, None, None, None, None, None, lambda what: None), **changes))


WRONG = {
    "kind": (["luck"], "kind was 'luck'; expected volatility, tail, covariance, warning, posture"),
    "model": (["volatility", "--models", "luck,ewma"], "model was 'luck'; expected, each once, ewma"),
    "since": (["volatility", "--since", "soon"], "since was 'soon'; expected a date"),
    "every": (["warning", "--every", 20], "every was 20; expected none"),
    "models": (["posture", "--models", "fused"], "models were named; expected none"),
    "late": (
        ["tail", "--since", "2030-01-01"],
        "1,100 of which lie before the first that is asked about; expected 250 or more before it to learn from, and 20 or more after",
    ),
    "horizon": (["volatility", "--horizon", "1min"], "horizon was '1min'; expected none but for the volatility of a stored day"),
    "short": (["volatility", "--since", "2015-02-02", "--models", "ewma,log-har"], "expected 250"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_a_sentence(name: str, files: Path, tmp_path: Path) -> None:
    words, sentence = WRONG[name]
    ran = tercet("risk", "evaluate", *words, "--data", files / "days.csv", folder=tmp_path)
    assert ran.returncode == 1
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    ran = tercet("risk", "evaluate", "volatility", "--data", tmp_path / "none.csv", folder=tmp_path)
    assert ran.returncode == 1
    assert "none.csv" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_posture_is_judged_said_of_a_day_and_blind_when_the_file_is_old(files: Path, tmp_path: Path) -> None:
    words = ["risk", "evaluate", "posture", "--data", files / "index.csv", "--since", "2018-01-02", "--every", 250, "--json", "-"]
    ran = tercet(*words, "--html", tmp_path / "page.html", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["tables"][0]["rows"][0]["model"] == "posture"
    assert (told["trials"], len(told["tables"][1]["rows"])) == (10, 4)
    assert pages.TITLES["posture"] in (tmp_path / "page.html").read_text(encoding="utf-8")
    then = tercet("risk", "posture", "--data", files / "index.csv", "--at", "2019-03-04", "--drawdown", 0.4, "--json", "-", folder=tmp_path)
    assert then.returncode == 0, then.stderr
    said = json.loads(then.stdout)
    assert said["risks"]["drawdown"] == 0.4
    assert said["posture"]["multiplier"] <= 0.2
    now = json.loads(tercet("risk", "posture", "--data", files / "index.csv", "--json", "-", folder=tmp_path).stdout)
    assert now["posture"]["level"] >= 2
    assert now["posture"]["reason"].startswith("blind: ")


def test_a_posture_that_follows_a_file_goes_blind_with_it_and_sees_again(files: Path, tmp_path: Path) -> None:
    kept, out = (files / "index.csv").read_text(encoding="utf-8"), tmp_path / "posture.json"
    data = tmp_path / "index.csv"
    data.write_text(kept, encoding="utf-8")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    call = [
        str(Path(sys.executable).with_name("tercet")),
        "risk",
        "posture",
        "--data",
        str(data),
        "--follow",
        "--each",
        "0.05",
        "--json",
        str(out),
    ]
    with subprocess.Popen(call, env=env, stderr=subprocess.DEVNULL) as running:
        try:
            assert "days late" in until(out, lambda told: True)["posture"]["reason"]
            data.write_text("date,index\n2020-01-01,", encoding="utf-8")
            blind = until(out, lambda told: "risks" not in told)
            assert blind["posture"]["level"] == 2
            assert "no day has all of return" in blind["because"]
            data.write_text(kept, encoding="utf-8")
            until(out, lambda told: "risks" in told)
        finally:
            running.terminate()


def until(path: Path, is_so: Any) -> Any:
    """What the file says when it says so, within a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.exists() and is_so(told := json.loads(path.read_text(encoding="utf-8"))):
            return told
        time.sleep(0.05)
    raise AssertionError(f"{path.name} did not say so within a minute")


def test_a_file_of_another_close_zone_and_unit_is_judged_and_what_reading_did_is_shown(files: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(files / "days.csv").with_columns(pl.col("return") / 100, pl.col("rv") / 1e4)
    (tmp_path / "tokyo.csv").write_text(frame.with_columns(pl.col("date") + " 00:00:00+09:00").write_csv().replace("\n", "\n\n", 3))
    words = ["risk", "evaluate", "volatility", "--data", tmp_path / "tokyo.csv", "--models", "log-har,ewma", "--since", "2017-06-01"]
    words += ["--every", 250]
    refused = tercet(*words, folder=tmp_path)
    assert "tokyo.csv: return has a volatility of" in refused.stderr
    assert "--unit fraction reads them so" in refused.stderr
    hours = ["--unit", "fraction", "--close", "15:00", "--zone", "Asia/Tokyo", "--json", "-", "--html", tmp_path / "page.html"]
    ran = tercet(*words, *hours, folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert datetime.datetime.fromtimestamp(told["last"] // 10**9, datetime.UTC).hour == 6  # 15:00 in Tokyo
    assert told["cleaning"] == {"dropped": {}, "nulled": {}, "carried": {}, "odd": {}, "notes": []}
    assert "What reading it did" in (tmp_path / "page.html").read_text(encoding="utf-8")
