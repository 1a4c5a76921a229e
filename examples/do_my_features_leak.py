"""Do my features leak? Write them down as functions, and let the future become another one: what was known before must not change.

The same from the shell, with a table and an exit code: `tercet leakcheck examples/do_my_features_leak.py`.
"""

import polars as pl
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DAYS = 5


def features(bars):
    """A row for each bar (event_time, known_time, symbol, open, high, low, close, volume), each from the past of its symbol and date."""
    close = pl.col("close")
    made = bars.with_columns(
        reversal=(close / close.shift(DAYS) - 1).over("symbol"),
        trend=(close / close.rolling_mean(20) - 1).over("symbol"),
        stretch=((close - close.rolling_mean(60)) / close.rolling_std(60)).over("symbol"),
        night=(pl.col("open").forward_fill() / close.shift(1) - 1).over("symbol"),
    )
    return made.with_columns(against_market=pl.col("reversal") - pl.col("reversal").mean().over("event_time"))


def labels(bars):
    """The return of the next days: when it begins, when it ends, and from when on it could be known."""
    time, close = pl.col("event_time"), pl.col("close")
    end = time.shift(-DAYS).over("symbol")
    value = (close.shift(-DAYS) / close - 1).over("symbol")
    return bars.select("event_time", "symbol", t0=time, t1=end, value=value, available=end)


def expert():
    """What learns: any scikit-learn estimator, or an Expert of Tercet's."""
    return make_pipeline(StandardScaler(), Ridge(1.0))


if __name__ == "__main__":
    from tercet.signals.leakcheck import check, load

    for found in check(load(__file__)):
        print(f"{found.about:<9} {found.test:<34} {found.verdict:<11} {found.where}")
