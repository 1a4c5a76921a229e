"""The study of Fischer and Krauss, small: its labels, its portfolio by hand, and whether it tells a planted reversal from nothing."""

import runpy
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import polars as pl
import pytest

from tercet.signals.trials import Ledger

EXAMPLE = Path(__file__).parents[1] / "examples" / "does_an_lstm_beat_the_market.py"
SMALL = {"LEARNED": 240, "TRADED": 120, "BACK": 20, "K": 4, "SPANS": {"r1": 1, "r2": 2, "r5": 5, "r20": 20}}


class Example:
    """The example's functions with other constants."""

    def __init__(self, **constants: Any) -> None:
        self.names = runpy.run_path(str(EXAMPLE))
        self.names["main"].__globals__.update(constants)

    def __getattr__(self, name: str) -> Any:
        found = self.names[name]
        assert isinstance(found, FunctionType)
        return found


def closes(days: int, stocks: int = 5, seed: int = 0) -> pl.DataFrame:
    """Random walks."""
    moves = np.random.default_rng(seed).normal(0.0, 0.02, (days, stocks))
    wide = pl.DataFrame(np.exp(moves.cumsum(axis=0)), schema=[f"S{i}" for i in range(stocks)])
    wide = wide.with_columns(known_time=pl.int_range(days) * 86_400 * 10**9)
    return wide.unpivot(index="known_time", variable_name="symbol", value_name="close")


def test_labels_are_of_the_next_day_and_features_of_days_gone() -> None:
    example = Example(**SMALL | {"K": 1})
    given = closes(30)
    rows = example.asked(given)
    price = given.pivot("symbol", index="known_time", values="close").drop("known_time").to_numpy()
    for row in rows.filter(pl.col("known_time") == 10 * 86_400 * 10**9).iter_rows(named=True):
        own = price[:, row["symbol"] - 1]
        tomorrow = price[11] / price[10] - 1
        assert row["next"] == pytest.approx(own[11] / own[10] - 1)
        assert row["later"] == pytest.approx(own[12] / own[11] - 1)
        assert row["r1"] == pytest.approx(own[10] / own[9] - 1, rel=1e-5)
        assert row["r5"] == pytest.approx(own[10] / own[5] - 1, rel=1e-5)
        assert row["beats"] == (1.0 if row["next"] > np.median(tomorrow) else -1.0)
    earlier = example.asked(given.filter(pl.col("known_time") <= 20 * 86_400 * 10**9))
    columns = ["known_time", "symbol", *SMALL["SPANS"], "beats", "next"]
    assert earlier.select(columns).equals(rows.head(len(earlier)).select(columns))


def test_the_portfolio_of_two_dates_by_hand() -> None:
    day = {"symbol": [0, 1, 2, 3], "next": [0.01, 0.02, 0.03, 0.04], "later": [0.0, 0.0, 0.0, 0.1]}
    first = pl.DataFrame({"known_time": [1] * 4, "score": [0.1, 0.2, 0.3, 0.4]} | day)
    second = pl.DataFrame({"known_time": [2] * 4, "score": [0.1, 0.4, 0.3, 0.2]} | day)
    gross, net, later = Example(K=1).portfolio(pl.concat([first, second]), "score")
    assert gross == pytest.approx([0.04 - 0.01, 0.02 - 0.01])
    assert later == pytest.approx([0.1, 0.0])
    # Two half-turns to enter; then one stock for another, and both sold at the end.
    assert gross - net == pytest.approx([2 * 5e-4, (2 + 2) * 5e-4])


@pytest.mark.parametrize(("back", "found"), [(0.3, True), (0.0, False)])
def test_the_study_finds_a_planted_reversal_and_nothing_where_there_is_none(back: float, found: bool, tmp_path: Path) -> None:
    example = Example(**SMALL)
    rows = example.asked(example.made(stocks=40, back=back))
    ledger = Ledger(tmp_path / "trials.jsonl")
    told = next(iter(example.forecasts(rows, ledger, "planted", 1000)))
    assert ledger.count("planted") == 4
    dates = rows["known_time"].unique().sort()
    assert told["known_time"].unique().sort().equals(dates[240:360])
    assert all(trial.span[1] <= dates[240] - 1 for trial in ledger.trials())
    for score in ("lstm", "logistic", "mlp", "random-forest"):
        gross = example.portfolio(told, score)[0]
        t = gross.mean() / gross.std() * len(gross) ** 0.5
        assert bool(t > 3) is found, (score, t)


def test_a_file_is_said_to_hold_survivors_and_its_fits_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERCET_TRIALS", str(tmp_path / "trials.jsonl"))
    told = closes(370, 20).with_columns(date=pl.date(2010, 1, 4).dt.offset_by(pl.format("{}d", pl.col("known_time") // (86_400 * 10**9))))
    prices = told.select("date", "symbol", *(pl.col("close").alias(name) for name in ("open", "high", "low", "close")), volume=1000)
    prices.write_csv(tmp_path / "prices.csv")
    Example(**SMALL).main(tmp_path / "prices.csv")
    said = capsys.readouterr().out
    assert "survivors" in said
    assert "from 2010 on: 120 days, 20 stocks, 4 trials" in said
    assert "before 2010" not in said
    with pytest.raises(SystemExit, match=r"prices\.csv: expected 1003 dates or more, each with 40 stocks"):
        Example().main(tmp_path / "prices.csv")
