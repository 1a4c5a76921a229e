"""The gate of the cross-section rejects what luck alone would have found, and passes a known alpha."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from rich.table import Table as RichTable

from tercet.cli.evaluated import panel_table
from tercet.errors import BadInput
from tercet.report import crosssection as pages
from tercet.report.league import dropped
from tercet.signals.asking import of_bars
from tercet.signals.crosssection import PanelSettings, Verdict, deciles, panel_task, verdict
from tercet.signals.directions import summary
from tercet.signals.evidence import evidence_of, jumps_of
from tercet.signals.experts import Linear
from tercet.signals.fitted import NoAnswer
from tercet.signals.league import evaluate
from tercet.signals.panels import PanelsSettings
from tercet.signals.panels import judged as judged_all
from tercet.signals.samples import Lesson, Questions
from tercet.signals.timed import Table
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import WalkForward

DAY = 86_400 * 10**9
SETTINGS = PanelSettings(features=("reversal_5", "momentum_2_12", "max5"), least=20, half_spread_bps=1.0)


def bars(stocks: int = 40, days: int = 900) -> Table:
    """Random walks: nothing can be known of their future."""
    rng = np.random.default_rng(5)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, stocks)), axis=0))
    open_ = np.vstack([np.full((1, stocks), 50.0), close[:-1]]) * np.exp(rng.normal(0, 0.002, (days, stocks)))
    time = np.repeat(np.arange(days) * DAY + 21 * DAY // 24, stocks)
    frame = pl.DataFrame(
        {
            "event_time": time,
            "known_time": time,
            "symbol": [f"S{i:02d}" for i in range(stocks)] * days,
            "open": open_.ravel(),
            "high": np.maximum(open_, close).ravel() * 1.001,
            "low": np.minimum(open_, close).ravel() * 0.999,
            "close": close.ravel(),
            "volume": np.exp(rng.normal(10, 0.5, days * stocks)),
        }
    )
    return Table(frame)


@pytest.fixture(scope="module")
def prices() -> Table:
    return bars()


def judged(prices: Table, planted: float, ledger: Ledger) -> Verdict:
    task = panel_task(prices, replace(SETTINGS, planted=planted))
    split = WalkForward(folds=2, first=0.5)
    league = evaluate(task, [Linear()], split, ledger)
    asked = np.concatenate([fold.test for fold in split.split(task.samples)])
    return verdict(task, league.standings, asked, ledger.count(task.experiment), SETTINGS)


def test_noise_is_rejected_and_a_planted_alpha_passes(prices, tmp_path):
    (noise,) = judged(prices, 0.0, Ledger(tmp_path / "noise.jsonl")).portfolios
    (known,) = judged(prices, 0.15, Ledger(tmp_path / "known.jsonl")).portfolios
    assert not noise.passes
    assert known.passes
    assert known.ic.mean == pytest.approx(0.15, abs=0.05)
    assert known.ic.t > 5


def test_survivors_are_rejected_or_not_judged_and_the_dead_open_the_gate(prices, tmp_path):
    """A signal that would pass, on stocks of whom none dies: survival may have made it. Planted, it is known to be there."""
    task = panel_task(prices, replace(SETTINGS, planted=0.15))
    hidden = replace(task, samples=replace(task.samples, names=(*task.samples.names[:-1], "mine")))
    league = evaluate(hidden, [Linear()], WalkForward(folds=2, first=0.5), Ledger(tmp_path / "trials.jsonl"))
    dead = replace(hidden, evidence=replace(hidden.evidence, ended=3))
    alive, known, control = (verdict(one, league.standings, league.asked, 2, SETTINGS).portfolios[0] for one in (hidden, dead, task))
    assert (alive.gate, known.gate, control.gate) == ("not judged", "passed", "passed")
    assert not alive.passes
    poor = replace(alive, dsr=0.5)
    assert poor.gate == "rejected"
    assert "every symbol is alive on the last date" in hidden.evidence.sentences()[0]
    assert dead.evidence.sentences() == []


def test_symbols_that_jump_and_come_back_are_named_and_the_gate_judges_without_them(prices, tmp_path):
    wrong = (pl.col("symbol") == "S07") & (pl.col("event_time") // DAY).is_in([700, 702])
    odd = Table(prices.frame.with_columns(pl.when(wrong).then(pl.col("close") * 2).otherwise("close").alias("close")))
    (first, *_) = (task := panel_task(odd, replace(SETTINGS, planted=0.15))).evidence.jumps
    assert task.evidence.jumped == ("S07",)
    assert (first.symbol, first.date, first.rows) == ("S07", "1971-12-02", 1)
    assert first.move == pytest.approx(np.log(2), abs=0.1)
    assert "closes of 1 symbols jump and come back" in task.evidence.sentences()[-1]
    league = evaluate(task, [Linear()], WalkForward(folds=2, first=0.5), Ledger(tmp_path / "trials.jsonl"))
    (found,) = verdict(task, league.standings, league.asked, 2, SETTINGS).portfolios
    assert found.mended_dsr is not None
    assert found.mended_dsr <= 1.0
    everybody = replace(task, suspect=np.ones(len(task.samples), np.bool_))
    (none,) = verdict(everybody, league.standings, league.asked, 2, SETTINGS).portfolios
    assert none.mended_dsr is None
    assert none.gate == "not judged"


def closes(moves: list[float]) -> pl.DataFrame:
    """One symbol's closes by their returns in logarithms."""
    prices = np.exp(np.cumsum([0.0, *moves]))
    return pl.DataFrame({"symbol": ["A"] * len(prices), "event_time": np.arange(len(prices)) * DAY, "close": prices})


@pytest.mark.parametrize(
    ("moves", "count"),
    [
        ([0.0, 0.7, -0.7], 1),
        ([0.0, 0.7, 0.0, 0.0, 0.0, 0.0, -0.7], 1),  # on the fifth row
        ([0.0, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0, -0.7], 0),
        ([0.0, -0.7, 0.02, 0.6], 1),
        ([0.0, 0.7, -0.5], 0),
        ([0.0, 0.7, 0.7], 0),
        ([0.0, 0.2, -0.2], 0),
        ([0.0, 0.7, 0.0, 0.0], 0),
    ],
)
def test_a_jump_is_a_great_return_whose_reversal_of_its_size_follows_within_days(moves, count):
    assert len(jumps_of(closes(moves))) == count


@pytest.mark.parametrize(("missing", "ended"), [(0, 0), (5, 0), (6, 1)])
def test_a_symbol_that_misses_the_last_days_alone_is_alive(missing, ended):
    frame = pl.concat([closes([0.01] * 99), closes([0.01] * (99 - missing)).with_columns(symbol=pl.lit("B"))])
    found = evidence_of(Table.of(frame.with_columns(known_time="event_time"), sort=True))
    assert (found.symbols, found.ended) == (2, ended)
    assert found.survivors == (ended == 0)


def test_a_model_that_answers_with_nan_is_dropped_and_named(prices, tmp_path):
    task = panel_task(prices, SETTINGS)
    league = evaluate(task, [Linear(), Blank()], WalkForward(folds=2, first=0.5), Ledger(tmp_path / "trials.jsonl"))
    assert [one.expert for one in league.standings] == ["ols"]
    assert "blank answered" in league.dropped["blank"]
    assert "with NaN or infinity" in dropped(summary([league]))[0]
    with pytest.raises(NoAnswer, match="no expert answered: blank answered"):
        evaluate(task, [Blank()], WalkForward(folds=2, first=0.5), Ledger(tmp_path / "trials.jsonl"))


@dataclass(frozen=True)
class Blank:
    """An expert whose model has no number for its last question."""

    name: str = "blank"

    def fit(self, lesson: Lesson, seed: int) -> "Blank":
        """Nothing is learned."""
        return self

    def answer(self, asked: Questions) -> Any:
        """(asked,) means."""
        return np.r_[np.zeros(len(asked.rows) - 1), np.nan]


def test_a_date_of_fewer_stocks_than_the_model_needs_is_not_answered(prices):
    names = panel_task(prices, SETTINGS).samples.names
    rows = of_bars(prices, names, 5, 0, least=40)
    assert rows.left_out["too few stocks on the date"] == 0
    thin = Table(prices.frame.filter((pl.col("symbol") != "S00") | (pl.col("event_time") < 899 * DAY)))
    newest = prices.frame["event_time"].max()
    assert of_bars(thin, names, 5, 0, least=40).event_time.max() < newest
    assert of_bars(thin, names, 5, 0, least=40).left_out["too few stocks on the date"] == 39
    assert of_bars(thin, names, 5, 0, least=39).event_time.max() == newest
    with pytest.raises(BadInput, match="no date has 41 stocks, which the model needs; the most have 40"):
        of_bars(prices, names, 5, 0, least=41)


def test_more_trials_make_the_gate_narrower(prices, tmp_path):
    task = panel_task(prices, replace(SETTINGS, planted=0.05))
    split = WalkForward(folds=2, first=0.5)
    league = evaluate(task, [Linear()], split, Ledger(tmp_path / "trials.jsonl"))
    asked = np.concatenate([fold.test for fold in split.split(task.samples)])
    few, many = (verdict(task, league.standings, asked, trials, SETTINGS).portfolios[0] for trials in (2, 2000))
    assert many.dsr < few.dsr < few.psr
    assert many.expected_maximum > few.expected_maximum


def test_a_return_begins_after_its_features_are_known(prices):
    samples = panel_task(prices, SETTINGS).samples
    assert (samples.spans.t0 > samples.now).all()
    assert (samples.spans.available >= samples.spans.t1).all()


def test_deciles_earn_what_a_hand_would_count():
    dates = np.repeat([1, 2], 20)
    symbols = np.tile(np.arange(20), 2)
    value = np.tile(np.arange(20) * 0.01, 2)
    gross, net, turnover = deciles(np.r_[value[:20], -value[20:]], value, dates, symbols, 0.001)
    best = 0.5 * (0.185 - 0.005)
    assert gross == pytest.approx([best, -best])
    drifted = 0.25 * (1.18 + 1.19) + 0.25 * (1.0 + 1.01)  # what a unit has become
    assert turnover == pytest.approx((1.0 + 1.0 + drifted) / 2)  # the first portfolio is bought, the second turned round
    assert net == pytest.approx([best - 0.001, -best - 0.001 * (1.0 + 2 * drifted)])  # and sold


def test_too_few_stocks_are_named(prices):
    with pytest.raises(BadInput, match="no date has 50 stocks"):
        panel_task(prices, PanelSettings(features=("max5",)))


def test_stocks_of_one_score_share_what_would_be_theirs():
    dates, symbols = np.zeros(20, np.int64), np.arange(20)
    gross, _, turnover = deciles(np.r_[np.zeros(19), 1.0], np.linspace(0, 0.19, 20), dates, symbols, 0.0)
    long = 0.25 * 0.19 + 0.25 * np.linspace(0, 0.18, 19).mean()
    assert gross == pytest.approx([long - 0.5 * np.linspace(0, 0.18, 19).mean()])
    assert turnover == pytest.approx(0.5)


def test_too_few_periods_have_no_probability_of_overfitting(prices, tmp_path):
    task = panel_task(prices, replace(SETTINGS, days=21))
    split = WalkForward(folds=1, first=0.5)
    league = evaluate(task, [Linear(), Linear("again")], split, Ledger(tmp_path / "trials.jsonl"))
    assert verdict(task, league.standings, league.asked, 2, SETTINGS).overfitting is None


def test_one_row_that_nobody_adjusted_does_not_open_the_gate(prices, tmp_path):
    task = panel_task(prices, replace(SETTINGS, planted=0.15))
    league = evaluate(task, [Linear()], WalkForward(folds=2, first=0.5), Ledger(tmp_path / "trials.jsonl"))
    (known,) = verdict(task, league.standings, league.asked, 2, SETTINGS).portfolios
    moved = task.move.copy()
    row = league.asked[league.standings[0].mean[:40].argmin()]  # the first date's worst stock, held short, rises by 150 times
    moved[row] = 150.0
    (hurt,) = verdict(replace(task, move=moved), league.standings, league.asked, 2, SETTINGS).portfolios
    assert hurt.dsr == known.dsr
    assert known.passes
    assert not hurt.passes


def test_trials_of_other_horizons_on_the_same_prices_count_and_those_on_others_do_not(tmp_path):
    prices = bars(stocks=55, days=700)
    ledger = Ledger(tmp_path / "trials.jsonl")
    settings = PanelsSettings(horizons=(5, 21), folds=2)
    found = [league.trials for league, _, _ in judged_all(prices, [Linear()], settings, ledger)]
    assert found == [4, 4]
    other = Table(prices.frame.filter(pl.col("symbol") != "S00"))
    assert [league.trials for league, _, _ in judged_all(other, [Linear()], replace(settings, horizons=(5,)), ledger)] == [2]


def test_trials_of_an_experiment_with_a_name_count_on_where_a_byte_of_the_prices_changes(tmp_path):
    prices = bars(stocks=55, days=700)
    mended = Table(prices.frame.with_columns(volume=pl.when(pl.int_range(pl.len()) == 0).then(1.0).otherwise("volume")))
    ledger = Ledger(tmp_path / "trials.jsonl")
    for name, wanted in (("", [2, 2]), ("mine", [2, 4])):
        settings = PanelsSettings(folds=2, experiment=name)
        found = [league.trials for data in (prices, mended) for league, _, _ in judged_all(data, [Linear()], settings, ledger)]
        assert found == wanted
    control = PanelsSettings(folds=2, experiment="mine", planted=0.1)  # a control is no trial of what is tried
    assert [league.trials for league, _, _ in judged_all(prices, [Linear()], control, ledger)] == [2]


def told(dsr: float, uncut_dsr: float) -> dict[str, Any]:
    """A league as the command makes it: one expert that the gate rejects or passes."""
    row = {"expert": "ols", "returns": [0.0] * 40, "gross": 0.0, "net": 0.0, "turnover": 1.0, "sharpe": 2.0, "psr": 1.0, "dsr": dsr}
    row |= {"uncut_sharpe": -0.3, "uncut_dsr": uncut_dsr, "expected_maximum": 0.5, "passes": False, "ic": {"mean": 0.02, "t": 7.0}}
    row |= {"gate": "rejected", "mended_sharpe": None, "mended_dsr": None, "unjudged": ""}
    return {"league": {"task": "panel 5 days", "experts": [{"expert": "ols", "scores": {}}]}, "portfolios": [row], "overfitting": None}


def test_what_the_gate_rejects_for_is_shown():
    cut, uncut = told(0.123, 0.999), told(0.999, 0.123)
    assert "Sharpe 2.00 a year and DSR 12.3%, rank IC" in pages.verdict(cut)
    assert "Sharpe -0.30 a year and DSR 12.3% with returns uncut" in pages.verdict(uncut).replace("−", "-")
    assert any(term == "Uncut" for term, _ in pages.TERMS)
    for shown in (pages.portfolios(uncut), drawn(panel_table(uncut))):
        assert "99.9%" in shown
        assert "12.3%" in shown
    assert "PBO – (it takes two experts" in drawn(panel_table(uncut))


def drawn(table: RichTable) -> str:
    """As in a terminal of 80 columns, on one line."""
    out = io.StringIO()
    Console(file=out, width=80).print(table)
    return " ".join(out.getvalue().split())
