"""How long one more day takes, or one more tick: covariances of 2 to 500 assets, the variance of one market, the mid's within a day."""

import time
from collections.abc import Callable

import numpy as np

from tercet.bench.made import DATE
from tercet.market.calendar import SECOND, session
from tercet.risk import correlation, volatility
from tercet.risk.assets import AssetDays
from tercet.risk.days import MarketDays
from tercet.risk.filters import LEAST
from tercet.risk.intraday_volatility import IntradayVolatility, said_of
from tercet.risk.midpath import MidPath

ASSETS = (2, 20, 100, 500)
PAST = 500  # days that are learned from
ROUNDS = 15
DAY = 86_400 * 10**9


def measure() -> dict[str, float]:
    """`risk.covariance_K_s`: seconds to take in a day's returns of K assets and say the next day's matrix; `risk.volatility_day_us`.

    The latter: microseconds for the newest day's variance from the newest 250 days. `risk.tick_us`: microseconds for a tick of the mid,
    ten a second, by the intraday forecaster, `risk.tick_machine_us` without Python between ticks. Medians of 15; days are made.
    """
    measured = {f"risk.covariance_{count}_s": covariance_seconds(count) for count in ASSETS}
    told, run = tick_seconds()
    return measured | {"risk.volatility_day_us": 1e6 * volatility_seconds(), "risk.tick_us": 1e6 * told, "risk.tick_machine_us": 1e6 * run}


def covariance_seconds(count: int) -> float:
    """Seconds a day for so many assets, by the default forecaster."""
    days = made_assets(PAST + ROUNDS, count)
    found = correlation.DEFAULT.fit(days[:PAST])

    def one_day(round_: int) -> None:
        found.update(days.returns[PAST + round_])
        found.covariance()

    return median(one_day)


def volatility_seconds() -> float:
    """Seconds for the newest day, by the default forecaster."""
    rng = np.random.default_rng(0)
    count = 1000
    realised = np.exp(0.5 * rng.standard_normal(count))
    returns = np.sqrt(realised) * rng.standard_normal(count)
    days = MarketDays(np.arange(count) * DAY, returns, 0.9 * returns, realised, vix=np.full(count, 16.0) + rng.random(count))
    found = volatility.DEFAULT.fit(days)
    newest = days[-LEAST:]
    return median(lambda _: found.variance(newest))


def tick_seconds(seconds: int = 600) -> tuple[float, float]:
    """Seconds a tick: told one by one, and all at once."""
    path = made_path(seconds)
    ticks = list(zip(path.time.tolist(), path.mid.tolist(), strict=True))

    def told(_: int) -> None:
        forecaster = IntradayVolatility(path.hours)
        for time_ns, mid in ticks:
            forecaster.update(time_ns, mid)

    end = path.time[-1:]
    said_of(path, end)  # compiles, or fetches what was compiled
    return median(told) / len(ticks), median(lambda _: said_of(path, end)) / len(ticks)


def made_path(seconds: int) -> MidPath:
    """Ten ticks a second of a random walk."""
    hours = session(DATE)
    moves = np.random.default_rng(0).integers(-1, 2, 10 * seconds)
    return MidPath(hours.open_ns + SECOND // 10 * np.arange(10 * seconds), np.asarray(50_000 + 0.5 * np.cumsum(moves), np.float64), hours)


def made_assets(count: int, assets: int, seed: int = 0) -> AssetDays:
    """Days of assets that share a market."""
    rng = np.random.default_rng(seed)
    returns = rng.standard_normal((count, 1)) + rng.standard_normal((count, assets))
    return AssetDays(np.arange(count) * DAY, tuple(f"made{i}" for i in range(assets)), returns)


def median(work: Callable[[int], object]) -> float:
    """Median seconds over ROUNDS."""
    taken = np.empty(ROUNDS)
    for round_ in range(ROUNDS):
        began = time.perf_counter()
        work(round_)
        taken[round_] = time.perf_counter() - began
    return float(np.median(taken))
