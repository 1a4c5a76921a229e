"""Forecasts through the real command line: judged, fitted, kept and asked, on small days that the project makes itself."""

import datetime
import json
import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numba
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs
from test_cli import refused, said, tercet
from test_report import Seen, figures

from tercet.cli.app import app
from tercet.errors import BadInput
from tercet.messages import Forecast
from tercet.report import league as pages
from tercet.report.page import number
from tercet.signals.contributions import MEAN as OF_MEAN
from tercet.signals.contributions import contributions
from tercet.signals.directions import summary
from tercet.signals.experts import Forest
from tercet.signals.fitted import fit
from tercet.signals.forecasting import Forecaster, forecasts, half_life, keep, learn, messages, recall
from tercet.signals.league import evaluate
from tercet.signals.madebars import made_bars
from tercet.signals.registry import EXPERTS, answering, chosen
from tercet.signals.samples import DIRECTION, MEAN, Leak, Lesson, Questions, Samples, Spans
from tercet.signals.scores import hac_mean
from tercet.signals.task import Task
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import WalkForward

UNCOMPILED = bool(numba.config.DISABLE_JIT)
needs_compiled = pytest.mark.skipif(UNCOMPILED, reason="a simulated day takes minutes with uncompiled code")
NASTY = "</script><img src=x onerror='y'>"


def env(folder: Path) -> dict[str, str]:
    """One thread, and a ledger of the test's own."""
    return {**os.environ, "TERCET_TRIALS": str(folder / "trials.jsonl"), "OMP_NUM_THREADS": "1"}


def refuses(words: list[Any], *sentence: str) -> None:
    """The same command line in this process, which takes no seconds to start: refused with these words."""
    with pytest.raises(BadInput) as raised:
        app([*map(str, words)], standalone_mode=False)
    for word in sentence:
        assert word in str(raised.value)


def simulated(store: Path, date: str, until: str, seed: int) -> Path:
    """A stretch of a thin market's day, by the command line."""
    words = ["simulate", "--market", "crowd:thin", "--date", date, "--until", until, "--seed", seed, "--out", store, "--json"]
    return Path(said(tercet(*words))["day"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this file's days, models and ledger lie."""
    return tmp_path_factory.mktemp("forecast")


@pytest.fixture(scope="module")
def days(folder: Path) -> tuple[Path, Path]:
    """Two days, one after the other."""
    return simulated(folder / "store", "2024-01-04", "09:38", 0), simulated(folder / "store", "2024-01-05", "09:38", 1)


@pytest.fixture(scope="module")
def evaluated(days: tuple[Path, Path], folder: Path) -> dict[str, Any]:
    """Two cheap experts about the first day, with JSON and a page."""
    words = ["forecast", "evaluate", f"direction:{days[0]}", "--experts", "constant,lightgbm", "--folds", 2, "--horizons", "10,20"]
    run = tercet(*words, "--json", folder / "league.json", "--html", folder / "league.html", env=env(folder))
    assert run.returncode == 0, run.stderr
    assert "lightgbm, fold 2 of 2" in run.stderr
    assert "ticks a trade" in run.stderr
    found: dict[str, Any] = json.loads((folder / "league.json").read_text())
    return found


@pytest.fixture(scope="module")
def model(days: tuple[Path, Path], folder: Path) -> Path:
    """A model of the second day."""
    path = folder / "day.model"
    run = tercet(
        "forecast", "fit", f"direction:{days[1]}", "--expert", "lightgbm", "--out", path, "--until", "09:37:30", "--json", env=env(folder)
    )
    told = said(run)
    assert told["model_id"].startswith("lightgbm-")
    assert told["terms"]["sd"] > 0
    return path


@needs_compiled
def test_a_league_says_every_score_of_every_fold_and_what_each_model_knew(evaluated: dict[str, Any]) -> None:
    assert [league["task"] for league in evaluated["leagues"]] == ["direction 10", "direction 20"]
    for place, league in enumerate(evaluated["leagues"], 1):
        assert league["trials"] == 4 * place  # two experts on two folds, and those of the horizons before
        assert league["rows"] == sum(stretch["test"] for stretch in league["stretches"])
        assert league["purged"] >= 2 * 10
        assert league["left_out"]["no feature yet"] > 0
        for row in league["experts"]:
            (run,) = row["runs"]
            assert sum(map(sum, run["confusion"])) == league["rows"]
            for fold, stretch in zip(run["folds"], league["stretches"], strict=True):
                assert fold["model_id"].startswith(row["expert"])
                assert fold["known_until"] <= fold["fit_time"] < stretch["first"]
                assert fold["rows"] == stretch["train"]
        constant, trees = league["experts"]
        assert constant["scores"]["mcc"] is None
        assert trees["scores"]["mcc"] > 0.05
        assert trees["scores"]["log_loss"] < constant["scores"]["log_loss"]
        assert trees["scores"]["net"] < 0 < trees["scores"]["gross"]  # it tells, and crossing the spread loses all the same


@needs_compiled
def test_the_page_of_a_league_says_what_was_asked_and_holds_every_score(evaluated: dict[str, Any], folder: Path) -> None:
    text = (folder / "league.html").read_text(encoding="utf-8")
    seen = Seen(text)
    assert seen.loads == []
    assert text.count(get_plotlyjs()) == 1
    for sentence in (
        "split by time",
        "purged",
        "no embargo was needed",
        "8 trials on this day",
        "crossing the spread at every forecast loses",
    ):
        assert sentence in seen.words
    for league in evaluated["leagues"]:
        for row in league["experts"]:
            shown = [pages.shown(row, key, digits) for _, columns in pages.COLUMNS for key, _, digits in columns]
            assert [value for value in [row["expert"], *shown] if value not in seen.words] == []
    assert len(figures(text)) == 2 * 4  # calibration, earned, confusion, stretches


@needs_compiled
def test_order_flow_explains_a_day_and_a_short_day_is_refused(days: tuple[Path, Path], tmp_path: Path) -> None:
    long = simulated(tmp_path / "store", "2024-01-04", "10:32", 0)
    found = said(tercet("forecast", "evaluate", f"ofi:{long}", "--json", "-", "--html", tmp_path / "ofi.html"))
    touch, levels, _ = found["rows"][:3]
    assert 0.2 < touch["r2"] < levels["r2"] < 1
    assert touch["windows"] == len(touch["by_window"]) == len(touch["began"]) == 2
    seen = Seen((tmp_path / "ofi.html").read_text(encoding="utf-8"))
    assert all(number(row[name], 3) in seen.words for row in found["rows"] for name in ("r2", "error", "adjusted", "ahead"))
    assert "This explains, it does not forecast" in seen.words
    refuses(["forecast", "evaluate", f"ofi:{days[0]}"], "THIN", "expected two windows")
    refuses(["forecast", "evaluate", f"ofi:{days[0]}", "--folds", 3], "folds")


@needs_compiled
def test_a_kept_model_answers_about_later_rows_and_refuses_what_it_knows(model: Path, days: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "forecasts.parquet"
    for words in ([days[0]], [days[1]]):  # the day before, and the day that it learned from
        refused(
            tercet("forecast", "predict", model, *words, "--out", out), "lightgbm knows all up to 2024-01-05 09:37", "expected later rows"
        )
    assert not out.exists()
    told = said(tercet("forecast", "predict", model, days[1], "--since", "09:37:30", "--contributions", "--out", out, "--json"))
    found = pl.read_parquet(out)
    assert found.height == told["rows"] > 200
    assert (found["lo"] < found["mu"]).all()
    assert (found["mu"] < found["hi"]).all()
    flow = list(messages(found.head(50)))
    assert all(type(one) is Forecast and len(one.contributions) == 5 for one in flow)
    assert {one.model_id for one in flow} == {told["model_id"]}
    assert flow[0].symbol == "THIN"
    assert flow[0].horizon == "10events"


@needs_compiled
def test_a_broken_model_file_is_refused(model: Path, days: tuple[Path, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.model"
    cut.write_bytes(model.read_bytes()[:2000])
    refuses(["forecast", "predict", cut, days[1], "--out", tmp_path / "x.parquet"], "cut.model", "truncated")
    altered = tmp_path / "altered.model"
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(altered, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"sd"', b'"SD"'))
    refuses(["forecast", "predict", altered, days[1], "--out", tmp_path / "x.parquet"], "altered")


@needs_compiled
def test_the_ledger_counts_every_fit_and_names_a_broken_line(evaluated: dict[str, Any], model: Path, folder: Path, tmp_path: Path) -> None:
    shown = said(tercet("ledger", "show", "--json", env=env(folder)))
    counts = {one["experiment"]: (one["trials"], one["openings"]) for one in shown["experiments"]}
    mine, kept = sorted(counts, key=lambda name: -counts[name][0])
    assert (counts[mine], counts[kept]) == ((8, 0), (3, 0))  # and three of the kept model's, inside its lesson on another day
    assert shown["lines"] == 11
    one = said(tercet("ledger", "show", "--experiment", mine, "--json", env=env(folder)))
    assert len(one["trials"]) == 8
    refuses(["ledger", "show", "--experiment", "luck", "--file", folder / "trials.jsonl"], "luck", mine)
    lines = (folder / "trials.jsonl").read_text().splitlines(keepends=True)
    broken = tmp_path / "trials.jsonl"
    broken.write_text("".join([*lines[:2], lines[2].replace('"accuracy":0', '"accuracy":1'), *lines[3:]]))
    (tmp_path / "trials.jsonl.head").write_text((folder / "trials.jsonl.head").read_text())
    refused(tercet("ledger", "show", "--file", broken), "row 3", "changed")
    assert said(tercet("ledger", "show", "--file", tmp_path / "none.jsonl", "--json"))["lines"] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["evaluate", "luck:here"], ["luck:here", "expected one of", "direction"]),
        (["evaluate", "direction:/no/such/day"], ["/no/such/day", "expected"]),
        (["evaluate", "direction:day", "--experts", "luck"], ["luck", "expected one of", "lightgbm", "deeplob"]),
        (["evaluate", "direction:day", "--experts", "ols"], ["ols answers with a mean alone", "logistic"]),
        (["evaluate", "direction:day", "--horizons", "ten"], ["horizons was 'ten'"]),
        (["evaluate", "direction:day", "--horizons", "0"], ["horizons were", "1 or more"]),
        (["evaluate", "gkx", "--folds", "3"], ["gkx has no folds"]),
        (["evaluate", "direction:day", "--experiment", "mine"], ["direction has no experiment"]),
        (["fit", "direction:day", "--expert", "xgboost", "--out", "m", "--experiment", "mine"], ["direction has no experiment"]),
        (["evaluate", "panel:/no/such.csv"], ["/no/such.csv", "expected"]),
        (["fit", "ofi:day", "--expert", "ols", "--out", "m"], ["ofi:day", "expected one of direction, panel"]),
        (["predict", "/no/such.model", "day", "--out", "x"], ["/no/such.model", "expected a model file"]),
    ],
)
def test_bad_words_are_answered_by_a_sentence(
    words: list[str], sentence: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERCET_TRIALS", str(tmp_path / "trials.jsonl"))
    monkeypatch.chdir(tmp_path)
    refuses(["forecast", *words], *sentence)
    assert list(tmp_path.rglob("*")) == []


@needs_compiled
def test_a_day_that_is_too_short_is_refused(model: Path, days: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERCET_TRIALS", str(tmp_path / "trials.jsonl"))
    short = simulated(tmp_path, "2024-01-08", "09:31", 2)
    words = ["forecast", "evaluate", f"direction:{short}", "--experts", "constant", "--horizons", 50]
    refuses(words, "fold 1 of 5 has", "expected 100 or more")
    refuses(["forecast", "predict", model, short, "--out", tmp_path / "x.parquet"], "THIN has no feature", "are missing")
    words = ["forecast", "fit", f"direction:{days[0]}", "--expert", "constant", "--out", tmp_path / "m", "--until", "09:30:01"]
    refuses(words, "nothing was known at ")


def test_a_panel_of_noise_is_rejected_and_its_model_answers_about_the_newest_dates(tmp_path: Path) -> None:
    made = made_bars(symbols=60, days=400)
    dates = pl.from_epoch("event_time", "ns").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York").dt.date()
    bars = tmp_path / "bars.csv"
    made.select(dates.alias("date"), "symbol", "open", "high", "low", "close", "volume").write_csv(bars)
    words = ["forecast", "evaluate", f"panel:{bars}", "--experts", "constant,ols", "--folds", 2, "--html", tmp_path / "panel.html"]
    found = said(tercet(*words, "--experiment", "mine", "--json", "-", env=env(tmp_path)))
    (league,) = found["leagues"]
    (portfolio,) = league["portfolios"]  # the constant has none
    assert portfolio["expert"] == "ols"
    assert not portfolio["passes"]
    assert any("constant said the same" in warning for warning in found["warnings"])
    words_seen = Seen((tmp_path / "panel.html").read_text(encoding="utf-8")).words
    assert "the gate rejects all of them" in words_seen
    assert "4 trials" in words_seen
    model, out = tmp_path / "panel.model", tmp_path / "panel.parquet"
    until = str(made["event_time"].max() and datetime.date(2019, 4, 1))
    words = [
        "forecast",
        "fit",
        f"panel:{bars}",
        "--expert",
        "ols",
        "--until",
        until,
        "--out",
        model,
        "--experiment",
        "mine",
        "--least",
        30,
        "--json",
    ]
    said(tercet(*words, env=env(tmp_path)))
    assert {trial.experiment for trial in Ledger(tmp_path / "trials.jsonl").trials()} == {"mine"}
    said(tercet("forecast", "predict", model, bars, "--out", out, "--contributions", "--json"))
    asked = pl.read_parquet(out)
    assert asked["known_time"].min() > int(datetime.datetime(2019, 4, 1, tzinfo=datetime.UTC).timestamp() * 1e9)
    assert asked["known_time"].max() == made["known_time"].max()
    assert asked["unit"].unique().to_list() == ["return less its date's mean"]


@pytest.mark.slow
def test_the_simulation_tells_how_much_of_what_can_be_known_is_found(tmp_path: Path) -> None:
    found = said(tercet("forecast", "evaluate", "gkx", "--experts", "ols", "--seeds", 2, "--json", "-", "--html", tmp_path / "gkx.html"))
    assert [row["design"] for row in found["rows"]] == ["a", "b"]
    assert found["rows"][0]["fraction"] > found["rows"][1]["fraction"]
    assert "of what can be known" in Seen((tmp_path / "gkx.html").read_text(encoding="utf-8")).words


def task(target: str = MEAN, rows: int = 1200, seed: int = 0) -> Task:
    """Six features, of which two matter."""
    rng = np.random.default_rng(seed)
    now = np.arange(rows) * 1_000
    table = rng.standard_normal((rows, 6))
    moved = table[:, 0] + 0.5 * table[:, 1] + rng.standard_normal(rows)
    value = np.where(np.abs(moved) > 0.7, np.sign(moved), 0.0) if target == DIRECTION else moved
    samples = Samples(table, tuple("abcdef"), now, Spans(now, now + 500, value, now + 500), 0, target)
    half = np.full(rows, 0.3)
    return Task(NASTY, samples, moved, half, half, 1, "ticks", {NASTY: 1}, NASTY)


EXPLAINED = ("constant", "ols", "logistic", "elastic-net", "random-forest", "lightgbm", "xgboost")


@pytest.mark.parametrize(("name", "target"), [(name, one) for one in (MEAN, DIRECTION) for name in EXPLAINED if name in answering(one)])
def test_contributions_and_base_sum_to_what_is_told(name: str, target: str) -> None:
    samples = task(target).samples
    fitted = fit(chosen([name], target)[0], samples.lesson(np.arange(900), int(samples.spans.available[899])))
    asked = samples.questions(np.arange(950, 1200))
    answers, told = fitted.predict(asked), contributions(fitted.model, asked)
    wanted = answers.mean
    if told.of != OF_MEAN:
        assert answers.chances is not None
        wanted = np.log(answers.chances[:, 2] / answers.chances[:, 0])
    np.testing.assert_allclose(told.base + told.parts.sum(axis=1), wanted, rtol=1e-3, atol=2e-5)
    if name != "constant":
        assert np.abs(told.parts).mean(axis=0).argsort()[::-1][:2].tolist() == [0, 1]
        assert told.top(samples.names)[0][0][0] in "ab"


def test_a_kernel_machine_has_no_contributions() -> None:
    samples = task(DIRECTION, 400).samples
    fitted = fit(EXPERTS["svm-linear"], samples.lesson(np.arange(300), int(samples.spans.available[299])))
    with pytest.raises(BadInput, match="expected a linear model"):
        contributions(fitted.model, samples.questions(np.arange(350, 400)))


@pytest.fixture
def forecaster(tmp_path: Path) -> Forecaster:
    """Trees that know their lesson by heart, with terms."""
    by_heart = Forest(trees=100, depth=20, leaf=1)
    return learn(task(), by_heart, "panel", "5days", {"days": 5}, Ledger(tmp_path / "t.jsonl"), until=900_000)


def test_the_spread_is_that_of_rows_not_seen_and_holds_nine_of_ten_later_ones(forecaster: Forecaster, tmp_path: Path) -> None:
    whole = task()
    samples = whole.samples
    seen = forecaster.fitted.model.answer(samples.questions(np.arange(900)))
    assert forecaster.terms.sd > 1.5 * (whole.move[:900] - seen).std()  # in-sample residuals would be too small
    rows = np.arange(902, 1200)
    keep(forecaster, tmp_path / "m")
    found = forecasts(recall(tmp_path / "m"), samples.questions(rows), pl.repeat("X", len(rows), eager=True), samples.now[rows])
    held = ((whole.move[rows] >= found["lo"].to_numpy()) & (whole.move[rows] <= found["hi"].to_numpy())).mean()
    assert 0.84 < held < 0.96
    up = found["p_up"].to_numpy()
    assert np.corrcoef(up, whole.move[rows] > 0)[0, 1] > 0.4
    assert len(Ledger(tmp_path / "t.jsonl").trials()) == 3
    with pytest.raises(Leak):
        forecasts(forecaster, samples.questions(np.arange(10)), pl.repeat("X", 10, eager=True), samples.now[:10])


def test_a_move_that_was_cut_in_what_is_taught_spreads_no_forecast(forecaster: Forecaster, tmp_path: Path) -> None:
    whole = task()
    move = whole.move.copy()
    move[700] = 150.0  # a split that nobody adjusted; the label of that row is as it was
    by_heart = Forest(trees=100, depth=20, leaf=1)
    found = learn(replace(whole, move=move), by_heart, "panel", "5days", {"days": 5}, Ledger(tmp_path / "cut.jsonl"), until=900_000)
    assert found.terms.sd == forecaster.terms.sd
    assert found.terms.errors == forecaster.terms.errors


@dataclass(frozen=True)
class Says:
    """An expert that says the first feature, and learns nothing."""

    name: str = "says"

    def fit(self, lesson: Lesson, seed: int) -> "Says":
        return self

    def answer(self, asked: Questions) -> NDArray[np.floating]:
        return asked.table()[:, 0]


def half_life_of(skill: float, seed: int, folder: Path) -> tuple[float | None, float]:
    """Of a score of 200 stocks, new for a tenth each date, whose returns share a factor that has no mean; and the t of rows alone."""
    rng, dates, stocks = np.random.default_rng(seed), 240, 200
    beta = rng.normal(size=stocks)
    score = np.empty((dates, stocks))
    score[0] = rng.normal(size=stocks)
    for date in range(1, dates):
        score[date] = 0.9 * score[date - 1] + np.sqrt(0.19) * rng.normal(size=stocks)
    told = score if skill else beta + 0.3 * score
    moved = 0.02 * rng.normal(size=(dates, 1)) * beta + 0.03 * rng.normal(size=(dates, stocks)) + skill * score
    moved -= moved.mean(axis=1, keepdims=True)
    now, group = np.repeat(np.arange(dates) * 10, stocks), np.tile(np.arange(stocks), dates)
    spans = Spans(now, now + 5, moved.ravel(), now + 5)
    samples = Samples(told.reshape(-1, 1).astype(np.float32), ("told",), now, spans, 0, MEAN, group)
    made = Task("factor", samples, moved.ravel(), *np.zeros((2, len(now))), 1, "return", {}, f"factor {seed}")
    league = evaluate(made, [Says()], WalkForward(folds=2), Ledger(folder / f"{skill}.jsonl"))
    (standing,) = league.standings
    product = (standing.forecast - standing.forecast.mean()) * made.move[league.asked]
    return half_life(made, standing, league.asked), hac_mean(product, lag=2).t


def test_a_factor_that_stocks_share_is_no_half_life_and_a_skill_has_its_own(tmp_path: Path) -> None:
    found = [half_life_of(0.0, seed, tmp_path) for seed in range(40)]
    assert sum(life is not None for life, _ in found) <= 3
    assert sum(t >= 2.0 for _, t in found) >= 10  # the control: rows of one date taken for as many observations
    life, _ = half_life_of(0.01, 0, tmp_path)
    assert life == pytest.approx(np.log(0.5) / np.log(0.9), rel=0.4)


def test_a_model_without_terms_makes_no_forecasts(forecaster: Forecaster, tmp_path: Path) -> None:
    from tercet.signals.modelfile import save

    save(forecaster.fitted, tmp_path / "bare")
    with pytest.raises(BadInput, match="tercet forecast fit"):
        recall(tmp_path / "bare")


@pytest.mark.parametrize("change", [{"sd": -1.0}, {"lo": 2.0}, {"p_up": 1.1}, {"known_time": 0}, {"mu": float("nan")}])
def test_a_forecast_that_is_none_is_refused(change: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"symbol": "X", "event_time": 1, "known_time": 1, "horizon": "5days", "unit": "return"}
    fields |= {"mu": 0.0, "sd": 1.0, "lo": -1.0, "hi": 1.0, "p_up": 0.5, "model_id": "m"}
    made = Forecast(**fields)
    with pytest.raises(AttributeError):
        made.mu = 1.0  # type: ignore[misc]  # frozen
    assert msgspec.json.decode(msgspec.json.encode(made), type=Forecast) == made
    with pytest.raises(ValueError, match="forecast of X"):
        Forecast(**fields | change)


def test_what_comes_from_outside_is_escaped_and_seeds_are_averaged(tmp_path: Path) -> None:
    whole, ledger = task(DIRECTION, 600), Ledger(tmp_path / "t.jsonl")
    experts = chosen(["constant", "lightgbm"], DIRECTION)
    found = summary([evaluate(whole, experts, WalkForward(folds=2), ledger, seed) for seed in (0, 1)])
    told = {"symbol": NASTY, "date": NASTY, "ledger": NASTY, "warnings": [NASTY], "leagues": [found], "asked": {"horizons": [1]}}
    text = pages.page(told, NASTY).html()
    assert Seen(text).loads == []
    assert "<img" not in text.replace(get_plotlyjs(), "")
    assert NASTY in Seen(text).words
    trees = found["experts"][1]
    scores = [run["scores"]["mcc"] for run in trees["runs"]]
    assert trees["scores"]["mcc"] == pytest.approx(np.mean(scores))
    assert f"± {number(float(np.std(scores, ddof=1)), 3)}" in Seen(text).words
    assert found["seeds"] == [0, 1]
    assert found["trials"] == 8


def test_every_expert_is_known_by_its_name_and_torch_waits_until_it_is_asked_for() -> None:
    import subprocess
    import sys

    assert all(EXPERTS[name].name == name for name in EXPERTS)
    asked = "import sys; from tercet.signals.registry import EXPERTS; EXPERTS['lightgbm']; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
    with pytest.raises(BadInput, match="each once"):
        chosen(["ols", "ols"], MEAN)
