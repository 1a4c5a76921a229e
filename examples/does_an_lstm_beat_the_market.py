"""Does an LSTM beat the market? Fischer & Krauss (2018), with plainer rivals, purged lessons, costs, and every trial counted.

Run: python examples/does_an_lstm_beat_the_market.py [--prices FILE]   (without one, on prices that it makes, in which the truth is known)

They take members of the S&P 500, 1992-2015: learn 750 days, trade the next 250, and so on. Asked is which stocks beat the next day's
median, told are the last 240 daily returns (LSTM) or the returns over 31 spans of up to 240 days (the others); at the close the best
10 are bought and the worst 10 sold. Their LSTM makes 0.46% a day, 0.26% after 5 bps a half-turn, and from 2010 on about nothing.
"""

import argparse
import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from tercet.signals.crosssection import checksum
from tercet.signals.experts import Forest, Logistic
from tercet.signals.league import evaluate
from tercet.signals.samples import DIRECTION, Samples, Spans
from tercet.signals.sequence import Lstm, Perceptrons
from tercet.signals.sharpe import deflated_sharpe, probabilistic_sharpe, sharpe_variance, track
from tercet.signals.sources import bars
from tercet.signals.task import Task
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import WalkForward

LEARNED, TRADED, BACK, K = 750, 250, 240, 10
SPANS = {f"r{days}": days for days in (*range(1, 21), *range(40, BACK + 1, 20))}
HALF_TURN, CUT = 5e-4, 0.5  # beyond 50% a day's return is cut: splits and bankruptcies are not in the prices
THEIRS = {"lstm": 0.46, "random-forest": 0.43, "mlp": 0.32, "logistic": 0.26}  # % a day before costs, all years
BREAK, DAY_NS = datetime.date(2010, 1, 1), 86_400 * 10**9


def made(stocks: int = 80, back: float = 0.1, seed: int = 0) -> pl.DataFrame:
    """Random walks with a common factor; before 2010 that share of a stock's own move comes back on the next day."""
    dates = np.busday_offset("2010-01-01", np.arange(-LEARNED - TRADED - 1, TRADED + 2), roll="forward")
    rng = np.random.default_rng(seed)
    own, market = rng.normal(0.0, 0.02, (len(dates), stocks)), rng.normal(0.0, 0.01, (len(dates), 1))
    own[1 : LEARNED + TRADED + 1] -= back * own[: LEARNED + TRADED]
    wide = pl.DataFrame(50.0 * np.exp(np.cumsum(own + market, axis=0)), schema=[f"S{i}" for i in range(stocks)])
    told = wide.with_columns(known_time=dates.astype(np.int64) * DAY_NS)
    return told.unpivot(index="known_time", variable_name="symbol", value_name="close")


def asked(closes: pl.DataFrame) -> pl.DataFrame:
    """A row a stock and date: returns over SPANS, and of the next day and the one after it; what began too late is 0."""
    closes = closes.sort("symbol", "known_time").with_columns(
        log=(pl.col("close") / pl.col("close").shift(1) - 1).clip(-CUT, CUT).log1p().over("symbol"),
        ends=pl.col("known_time").shift(-1).over("symbol"),
    )
    past = {name: pl.col("log").rolling_sum(days).over("symbol").exp() - 1 for name, days in SPANS.items()}
    told = closes.with_columns(**{name: made.cast(pl.Float32) for name, made in past.items()})
    day = pl.col("log").exp() - 1
    told = told.with_columns(next=day.shift(-1).over("symbol"), later=day.shift(-2).over("symbol"))
    told = told.drop_nulls(["r1", "next", "later"]).with_columns(pl.col("symbol").rank("dense").cast(pl.Int64))
    told = told.with_columns(pl.col(*SPANS).fill_null(0.0)).filter(pl.len().over("known_time") >= 4 * K).sort("known_time", "symbol")
    return told.with_columns(beats=2.0 * (pl.col("next") > pl.col("next").median().over("known_time")) - 1.0)


def study(rows: pl.DataFrame, names: list[str], experiment: str) -> Task:
    """Which stocks will beat the next day's median, by the features named."""
    now, ends, beats, stocks, move = (rows[name].to_numpy() for name in ("known_time", "ends", "beats", "symbol", "next"))
    spans, half = Spans(now, ends, beats, ends), np.full(len(rows), HALF_TURN)
    samples = Samples(rows.select(names).to_numpy(), tuple(names), now, spans, 360 * DAY_NS, DIRECTION, stocks)
    return Task("beats the median", samples, move, half, half, 1, "return of the next day", {}, experiment)


def forecasts(rows: pl.DataFrame, ledger: Ledger, experiment: str, drawn: int) -> Iterator[pl.DataFrame]:
    """For each stretch of TRADED days its rows and every expert's score, learned on the LEARNED days before; drawn: rows an epoch."""
    split = WalkForward(folds=1, first=LEARNED / (LEARNED + TRADED), window=(LEARNED - BACK) / (LEARNED + TRADED))
    plain = [Logistic(), Forest(trees=100, depth=10, share=0.2, rows=0.1), Perceptrons(epochs=20, rows=10 * drawn)]
    dates = rows["known_time"].unique().sort()
    for first in range(0, len(dates) - LEARNED - TRADED + 1, TRADED):
        period = rows.filter(pl.col("known_time").is_between(dates[first], dates[first + LEARNED + TRADED - 1]))
        spans = evaluate(study(period, list(SPANS), experiment), plain, split, ledger)
        days = evaluate(study(period, ["r1"], experiment), [Lstm(steps=BACK, epochs=10, rows=drawn, patience=3)], split, ledger)
        scores = {one.expert: one.mean for one in (*days.standings, *spans.standings)}
        yield period[spans.asked].with_columns(pl.Series(name, score) for name, score in scores.items())


def portfolio(told: pl.DataFrame, score: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each date: the best K bought, the worst K sold, before costs and after them, and before costs had it come a day later."""
    place = pl.col(score).rank("ordinal").over("known_time")
    side = pl.when(place > pl.len().over("known_time") - K).then(1 / K).when(place <= K).then(-1 / K).otherwise(0.0)
    told = told.select("symbol", "next", "later", weight=side, date=pl.col("known_time").rank("dense") - 1)
    weight, today, later = np.zeros((3, told["date"].max() + 1, told["symbol"].max() + 1))
    for table, name in ((weight, "weight"), (today, "next"), (later, "later")):
        table[told["date"], told["symbol"]] = told[name]
    traded = np.abs(np.diff(weight, axis=0, prepend=0.0)).sum(axis=1)
    traded[-1] += np.abs(weight[-1]).sum()
    gross = (weight * today).sum(axis=1)
    return gross, gross - HALF_TURN * traded, (weight * later).sum(axis=1)


def judged(told: pl.DataFrame, scores: list[str], trials: int) -> None:
    """A line a score: % a day, Sharpe ratio a year, and the chance that it is skill, alone and as the best of all trials."""
    made = {score: portfolio(told, score) for score in scores}
    spread = max(sharpe_variance([track(net).sharpe for _, net, _ in made.values()]), 1 / len(made[scores[0]][0]))
    print(f"{'':14}{'theirs':>8}{'ours':>8}{'-costs':>8}{'Sharpe':>8}{'PSR':>8}{'DSR':>8}{'a day later':>13}")
    for score, (gross, net, later) in made.items():
        record, paper = track(net), THEIRS.get(score)
        chances = f"{probabilistic_sharpe(record):8.1%}{deflated_sharpe(record, trials, spread):8.1%}"
        money = f"{'' if paper is None else f'{paper:.2f}%':>8}{gross.mean():8.2%}{net.mean():8.2%}{record.sharpe * 252**0.5:8.2f}"
        print(f"{score:14}{money}{chances}{later.mean():13.2%}")


def main(prices: Path | None) -> None:
    """The study, and its verdict before and after 2010."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "trials.jsonl") if prices is None else Ledger()
        closes = made() if prices is None else bars(prices).table.frame.select("known_time", "symbol", "close")
        rows, experiment = asked(closes), f"fischer-krauss {checksum(closes)[:12]}"
        stretches = []
        for stretch in forecasts(rows, ledger, experiment, 1_000 if prices is None else 5_000):
            stretches.append(stretch.with_columns(reversal=-pl.col("r1"), day=pl.from_epoch("known_time", "ns").dt.date()))
            print(f"traded {stretches[-1]['day'].min()} to {stretches[-1]['day'].max()}", flush=True)
        trials = ledger.count(experiment)
    if not stretches:
        raise SystemExit(f"{prices}: expected {LEARNED + TRADED + 3} dates or more, each with {4 * K} stocks or more")
    told = pl.concat(stretches)
    for name, part in (("before 2010", pl.col("day") < BREAK), ("from 2010 on", pl.col("day") >= BREAK)):
        if not (kept := told.filter(part)).is_empty():
            print(f"\n{name}: {kept['day'].n_unique()} days, {kept['symbol'].n_unique()} stocks, {trials} trials")
            judged(kept, ["lstm", "random-forest", "mlp", "logistic", "reversal"], trials)
    print("\ntheirs: 1992-2015, before costs; from 2010 on about nothing after them. -costs: after 5 bps a half-turn, as are the ratios.")
    print("reversal buys what fell most today, no model at all; a day later: before costs, the same portfolio entered at the next close.")
    if prices is not None:
        print("If these are survivors' prices, as the shared sets' are, whoever fell came back: profits here prove nothing.")
    else:
        print("The truth: before 2010 a tenth of a stock's own move came back on the next day, and on that day alone; then nothing did.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--prices", type=Path, help="daily bars: one of the shared sets, or date, symbol, open, high, low, close, volume")
    main(parser.parse_args().prices)
