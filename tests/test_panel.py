"""The daily cross-section: every feature is its slow twin, none of them changes when the future does, ranks are ranks, labels wait."""

import datetime
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import slow_panel

from tercet.errors import BadInput
from tercet.market.calendar import at_clock, session
from tercet.signals.characteristics import Feature
from tercet.signals.panel import PANEL_FEATURES, RANKED, figures, forward_returns, interactions, panel
from tercet.signals.sources import daily
from tercet.signals.timed import History, Table, as_of

DAYS, STOCKS = 330, 9
PRICES = ["open", "high", "low", "close", "volume"]


def dates(count: int) -> list[datetime.date]:
    """That many weekdays."""
    days = [datetime.date(2019, 1, 1) + datetime.timedelta(days=i) for i in range(count * 7 // 5 + 7)]
    return [day for day in days if day.weekday() < 5][:count]


def random_bars(seed: int, days: int = DAYS, stocks: int = STOCKS, *, gaps: bool = True) -> pl.DataFrame:
    """Bars of stocks that list at different times, with missing prices, days without trades, ties and a stock that stands still."""
    rng = np.random.default_rng(seed)
    closes = [session(day).close_ns for day in dates(days)]
    frames = []
    for i in range(stocks):
        close = np.round(30 * np.exp(np.cumsum(rng.normal(0, 0.02, days))), 2)
        open_ = np.round(np.concatenate([[30.0], close[:-1]]) * np.exp(rng.normal(0, 0.01, days)), 2)
        high = np.round(np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.008, days))), 2)
        low = np.round(np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.008, days))), 2)
        volume = np.floor(np.exp(rng.normal(10, 0.7, days)))
        first = (0, 0, 0, 0, 3, 40, 0, 17, 0)[i % 9]
        frame = pl.DataFrame({"event_time": closes, "open": open_, "high": high, "low": low, "close": close, "volume": volume})
        if gaps:
            frame = frame.with_columns(
                pl.when(pl.Series(rng.random(days) > 0.01)).then(pl.col("volume")).otherwise(0.0),
                pl.when(pl.Series(rng.random(days) > 0.03)).then(pl.col("open")),
                pl.when(pl.Series(rng.random(days) > 0.02)).then(pl.col("high", "low")),
            )
            if i == 8:  # stands still for two months
                frame = frame.with_columns(
                    pl.when(pl.int_range(pl.len()).is_between(100, 140)).then(20.0).otherwise(pl.col(PRICES[:4])).name.keep()
                )
            if i == 5:  # is quoted badly
                frame = frame.with_columns(
                    pl.when(pl.Series(rng.random(days) > 0.22)).then(pl.col("high", "low")),
                    pl.when(pl.Series(rng.random(days) > 0.22)).then(pl.col("open")),
                )
            if i == 3:  # has days without a row
                frame = frame.filter(pl.Series(rng.random(days) > 0.05))
        frames.append(frame.slice(first).with_columns(symbol=pl.lit(f"S{i}")))
    return pl.concat(frames)


def table(bars: pl.DataFrame) -> Table:
    """Bars known when they are made."""
    return Table.of(bars.with_columns(known_time=pl.col("event_time")), sort=True)


def bits(frame: pl.DataFrame) -> list[bytes]:
    """The frame, bit for bit."""
    return [series.is_null().to_numpy().tobytes() + series.fill_null(0).to_numpy().tobytes() for series in frame.drop("symbol")]


def rescaled(bars: pl.DataFrame, after: int, seed: int) -> pl.DataFrame:
    """The same up to and including the time `after`; later prices are others and some go missing, stocks come and go."""
    rng = np.random.default_rng(seed)
    late = bars.filter(pl.col("event_time") > after)
    factor = pl.Series(np.exp(rng.normal(0, 0.5, late.height)))
    late = late.with_columns(pl.col(PRICES) * factor, pl.col("symbol").replace("S1", "NEW"))
    late = late.with_columns(
        pl.when(pl.Series(rng.random(late.height) > 0.2)).then(pl.col("open", "high", "low")), volume=pl.col("volume").shuffle(seed)
    )
    return pl.concat([bars.filter(pl.col("event_time") <= after), late.filter(pl.col("symbol") != "S2")])


FUTURES: dict[str, Callable[[pl.DataFrame, int], pl.DataFrame]] = {
    "cut off": lambda bars, after: bars.filter(pl.col("event_time") <= after),
    "scrambled": lambda bars, after: rescaled(bars, after, after % 1000),
}


def leaks(bars: pl.DataFrame, whole: pl.DataFrame, features: list[str | Feature], future: str, after: int) -> list[str]:
    """The columns whose values up to `after` change with what comes after it; `whole` is the panel with the future that was."""
    other = panel(table(FUTURES[future](bars, after)), features).frame
    seen = [some.filter(pl.col("event_time") <= after) for some in (whole, other)]
    assert seen[0].select("event_time", "symbol").equals(seen[1].select("event_time", "symbol"))
    assert seen[0].height > 0
    columns = [name for name in whole.columns if name != "symbol"]
    return [name for name, one, other in zip(columns, bits(seen[0]), bits(seen[1]), strict=True) if one != other]


CONTROLS: list[str | Feature] = [
    Feature("next_day", "C₊₁/C − 1", "return", "a leak", 1, pl.col("close").shift(-1) / pl.col("close") - 1),
    Feature(
        "whole_sample_z", "(C − mean C)/sd C", "ratio", "a leak", 1, (pl.col("close") - pl.col("close").mean()) / pl.col("close").std()
    ),
    Feature("centred_mean", "mean of C, two days either side", "ratio", "a leak", 1, pl.col("close").rolling_mean(5, center=True)),
    Feature("filled_back", "O, or the next that is there", "price", "a leak", 1, pl.col("open").fill_null(strategy="backward")),
]


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """One random panel."""
    return random_bars(1)


@pytest.fixture(scope="module")
def made(bars: pl.DataFrame) -> pl.DataFrame:
    """All features of it."""
    return panel(table(bars)).frame


@pytest.mark.parametrize("gaps", [True, False], ids=["gaps", "whole"])
def test_no_feature_up_to_a_date_changes_when_the_future_does(gaps: bool) -> None:
    some = random_bars(2, gaps=gaps)
    whole = panel(table(some)).frame
    for day in (45, 120, 290):
        after = int(some["event_time"].unique().sort()[day])
        for future in FUTURES:
            assert leaks(some, whole, list(PANEL_FEATURES), future, after) == []


@pytest.mark.parametrize("future", FUTURES)
def test_features_that_look_ahead_are_found_by_the_same_check(bars: pl.DataFrame, future: str) -> None:
    after = int(bars["event_time"].unique().sort()[290])
    missing = bars.with_columns(pl.when(pl.col("event_time") != after).then(pl.col("open")))
    tried = [*CONTROLS, "reversal_5"]
    found = leaks(missing, panel(table(missing), tried).frame, tried, future, after)
    assert {name for name in found if not name.endswith(RANKED)} == {control.name for control in CONTROLS if isinstance(control, Feature)}


def test_every_feature_is_its_slow_twin(bars: pl.DataFrame, made: pl.DataFrame) -> None:
    assert set(slow_panel.TWINS) == set(PANEL_FEATURES)
    returns = bars.with_columns(r=(pl.col("close") / pl.col("close").shift(1) - 1).over("symbol"))
    market = dict(returns.group_by("event_time").agg(pl.col("r").mean()).iter_rows())
    rng, checked, missing = np.random.default_rng(0), 0, 0
    for symbol in bars["symbol"].unique().sort():
        own = bars.filter(symbol=symbol)
        days = {name: own[name].fill_null(math.nan).to_numpy() for name in PRICES}
        m = np.array([market[time] if market[time] is not None else math.nan for time in own["event_time"]])
        m[0] = math.nan
        rows = made.filter(symbol=symbol)
        for i in sorted(
            {0, 4, 21, 59, 252, own.height - 1, *rng.integers(0, own.height, 4).tolist(), *([110, 130, 145] if symbol == "S8" else [])}
        ):
            if i >= own.height:
                continue
            stock = slow_panel.Stock({name: x[: i + 1] for name, x in days.items()}, m[: i + 1])
            row = rows.row(i, named=True)
            for name in PANEL_FEATURES:
                want, was = slow_panel.truth(name, stock), math.nan if row[name] is None else row[name]
                assert was == pytest.approx(want, rel=1e-7, abs=1e-9, nan_ok=True), (name, symbol, i)
                checked, missing = checked + 1, missing + math.isnan(want)
    assert checked > 10_000
    assert missing < checked / 2


def test_the_market_is_the_same_to_the_last_bit_in_every_run(bars: pl.DataFrame) -> None:
    market = Feature("market", "m", "return", "the mean of the date's returns, whatever order they are summed in", 1, pl.col("_m"))
    seen = panel(table(bars), [market], ranked=False).frame
    returns = bars.with_columns(r=(pl.col("close") / pl.col("close").shift(1) - 1).over("symbol")).drop_nulls("r")
    sums = {time: (sum(round(x * 2**44) for x in rs), len(rs)) for time, rs in returns.group_by("event_time").agg("r").iter_rows()}
    for row in seen.drop_nulls("market").to_dicts():
        total, count = sums[row["event_time"]]
        assert row["market"] == total / count / 2**44
    assert seen["market"].null_count() == STOCKS


def test_a_price_that_jumps_a_millionfold_breaks_nothing(bars: pl.DataFrame) -> None:
    jumps = bars.with_columns(
        pl.when((pl.col("symbol") == "S1") & (pl.int_range(pl.len()).over("symbol") > 200)).then(pl.col("close") * 1e7).otherwise("close")
    )
    made = panel(table(jumps), ["reversal_1", "beta_63"]).frame.filter(symbol="S1")
    assert made["reversal_1"].max() > 1e6  # type: ignore[operator]
    assert made["beta_63"].null_count() == 63


def test_ranks_run_from_minus_one_to_one_within_each_date_and_what_is_missing_is_zero(made: pl.DataFrame) -> None:
    for day in made["event_time"].unique().sort()[[0, 3, 50, 200, 300]]:
        rows = made.filter(event_time=day)
        for name in PANEL_FEATURES:
            raw = rows[name].fill_null(math.nan).to_numpy()
            assert rows[name + RANKED].to_numpy() == pytest.approx(slow_panel.ranks(raw), abs=1e-6), name
    ranked = made.select(pl.col(f"^.*{RANKED}$"))
    assert ranked.shape[1] == len(PANEL_FEATURES)
    assert ranked.min_horizontal().min() == -1.0
    assert ranked.max_horizontal().max() == 1.0
    assert sum(ranked.null_count().row(0)) == 0


def test_a_feature_is_missing_until_its_warm_up_and_there_from_then_on() -> None:
    rows = panel(table(random_bars(3, gaps=False)), ranked=False).frame.filter(symbol="S0")
    for name, feature in PANEL_FEATURES.items():
        assert rows[name].is_null().sum() == feature.warm_up - 1 == rows[name].is_not_null().arg_max(), name
        assert feature.name == name
        assert all((feature.definition, feature.unit, feature.source))


def test_a_later_split_changes_no_feature(bars: pl.DataFrame, made: pl.DataFrame) -> None:
    split = bars.with_columns(
        pl.when(symbol="S1").then(pl.col(PRICES[:4]) / 4).otherwise(pl.col(PRICES[:4])),
        pl.when(symbol="S1").then(pl.col("volume") * 4).otherwise(pl.col("volume")),
    )
    after = panel(table(split)).frame
    for name in PANEL_FEATURES:
        share = 0.05 if name.startswith("corr") else 1e-9  # ln(V + 1), most where V is 0
        seen, was = (frame[name].fill_null(-9.0).to_numpy() for frame in (after, made))
        assert np.allclose(seen, was, rtol=share, atol=share), name


def test_days_that_tie_in_a_count_tie_in_its_rank(made: pl.DataFrame) -> None:
    for d in (5, 60):
        for name in ("cntp", "cntn", "imax", "imin"):
            assert made[f"{name}_{d}"].drop_nulls().n_unique() <= d + 1


def test_the_panel_is_a_table_whose_rows_are_known_when_the_last_of_their_date_is(bars: pl.DataFrame) -> None:
    late = bars.with_columns(known_time=pl.col("event_time") + pl.when(symbol="S4").then(7).otherwise(0))
    first = int(late.filter(symbol="S4")["event_time"].min())  # type: ignore[arg-type]
    made = panel(Table.of(late, sort=True), ["reversal_1"])
    assert made.frame.columns == ["event_time", "known_time", "symbol", "reversal_1", "reversal_1_rank"]
    delay = made.frame.select(pl.col("known_time") - pl.col("event_time"), "event_time").filter(pl.col("event_time") >= first)
    assert delay["known_time"].unique().to_list() == [7]
    assert History({"panel": made}, now=first + 6).known("panel").filter(pl.col("event_time") >= first).is_empty()


def test_a_row_is_not_known_before_the_rows_of_earlier_dates_that_it_is_made_of(bars: pl.DataFrame) -> None:
    times = bars["event_time"].unique().sort()
    day, until = int(times[100]), int(times[103]) + 1  # one bar comes three days late
    late = pl.when((pl.col("symbol") == "S0") & (pl.col("event_time") == day)).then(until).otherwise(pl.col("event_time"))
    made = panel(Table.of(bars.with_columns(known_time=late), sort=True), ["reversal_5"]).frame
    known = made.group_by("event_time").agg(pl.col("known_time").unique().alias("known")).sort("event_time")["known"].to_list()
    assert [value for (value,) in known[98:106]] == [*times[98:100], *[until] * 4, *times[104:106]]


def macro(count: int, at: str) -> Table:
    """A random series, a row a weekday."""
    times = [at_clock(day, at) for day in dates(count)]
    level = 20 + np.cumsum(np.random.default_rng(0).normal(0, 1, count)) + 200.0 * (np.arange(count) == 300)
    return Table(pl.DataFrame({"event_time": times, "known_time": times, "vix": level}), keys=())


def test_an_interaction_is_the_rank_times_the_macro_value_as_known_by_then(bars: pl.DataFrame) -> None:
    ranked = panel(table(bars), ["max5", "beta_63"], raw=False)
    for at, behind in (("16:00", 0), ("16:15", 1)):
        series = macro(DAYS, at)
        made = interactions(ranked, series, features=["max5"]).frame
        assert made.columns[-1] == "max5_rank_x_vix"
        level = series.frame["vix"].to_numpy()
        days = made["event_time"].unique().sort().to_list()
        for row in [*made.sample(60, seed=1).to_dicts(), *made.filter(event_time=days[300 + behind]).to_dicts()]:
            seen = level[: days.index(row["event_time"]) + 1 - behind][-252:]
            z = np.clip((seen[-1] - seen.mean()) / seen.std(ddof=1), -5, 5) if len(seen) >= 21 else 0.0
            assert row["max5_rank_x_vix"] == pytest.approx(row["max5_rank"] * z, abs=1e-9)


def test_a_late_revision_of_an_old_macro_value_does_not_stand_for_the_newest(bars: pl.DataFrame) -> None:
    ranked, series = panel(table(bars), ["max5"], raw=False), macro(DAYS, "16:00").frame
    revised = series.slice(50, 1).with_columns(known_time=series["known_time"][200:201], vix=pl.lit(1e6))
    both = Table.of(pl.concat([series, revised]), (), sort=True)
    seen = [interactions(ranked, some, features=["max5"]).frame for some in (Table(series, ()), both)]
    assert bits(seen[0]) == bits(seen[1])


def test_an_interaction_does_not_change_when_the_macro_series_future_does(bars: pl.DataFrame) -> None:
    ranked, series = panel(table(bars), ["max5"], raw=False), macro(DAYS, "16:00")
    after = series.frame["known_time"][200]
    other = Table(series.frame.with_columns(vix=pl.when(pl.col("known_time") <= after).then("vix").otherwise(pl.col("vix") * 3)), keys=())
    holes = Table(
        series.frame.with_columns(pl.when((pl.col("known_time") <= after) | (pl.int_range(pl.len()) % 3 == 0)).then("vix")), keys=()
    )
    short = Table(series.frame.head(201), keys=())
    seen = [
        interactions(ranked, some, features=["max5"]).frame.filter(pl.col("known_time") <= after) for some in (series, other, short, holes)
    ]
    assert bits(seen[0]) == bits(seen[1]) == bits(seen[2]) == bits(seen[3])
    assert seen[0]["max5_rank_x_vix"].n_unique() > 100


def test_a_figure_counts_from_its_filing_on_and_a_late_revision_does_not_hide_a_newer_one(bars: pl.DataFrame) -> None:
    times = bars["event_time"].unique().sort().to_list()
    told = [
        ("S0", 10, 30, 1.0),
        ("S1", 10, 40, 2.0),
        ("S0", 70, 90, 3.0),
        ("S0", 10, 100, 9.0),
        ("S1", 10, 120, -2.0),
        ("S2", 70, 320, 5.0),
    ]
    rows = [{"symbol": s, "event_time": times[event], "known_time": times[known], "book": value} for s, event, known, value in told]
    table_of = Table.of(pl.DataFrame(rows), sort=True)
    made = figures(panel(table(bars), ["max5"], raw=False), table_of).frame

    def seen(name: str, symbol: str, day: int) -> float | None:
        return made.filter(symbol=symbol, event_time=times[day])[name].item()  # type: ignore[no-any-return]

    assert [seen("book", "S0", day) for day in (29, 30, 89, 90, 100, 329)] == [None, 1.0, 1.0, 3.0, 3.0, 3.0]
    assert [seen("book", "S1", day) for day in (39, 40, 120)] == [None, 2.0, -2.0]
    assert [(seen("book_rank", "S0", day), seen("book_rank", "S1", day)) for day in (20, 35, 50, 130)] == [(0, 0), (0, 0), (-1, 1), (1, -1)]
    before = Table(table_of.frame.filter(pl.col("known_time") <= times[95]))
    other = figures(panel(table(bars), ["max5"], raw=False), before).frame
    assert bits(other.filter(pl.col("known_time") <= times[95])) == bits(made.filter(pl.col("known_time") <= times[95]))
    stale = figures(panel(table(bars), ["max5"], raw=False), table_of, latency=1, tolerance=times[60] - times[40]).frame
    assert stale.filter(symbol="S1", event_time=times[40])["book"].item() is None
    assert stale.filter(symbol="S1", event_time=times[41])["book"].item() == 2.0
    assert stale.filter(symbol="S1", event_time=times[62])["book"].item() is None


def test_a_label_goes_from_the_next_open_to_an_open_and_waits_until_that_is_known() -> None:
    days = [
        datetime.date(2020, 3, 5),
        datetime.date(2020, 3, 6),
        datetime.date(2020, 3, 9),
        datetime.date(2020, 3, 10),
    ]  # summer time begins
    prices = {
        "open": [10.0, 11.0, None, 13.2],
        "high": [14.0] * 4,
        "low": [9.0] * 4,
        "close": [10.5, 11.5, 12.5, 13.5],
        "volume": [1.0] * 4,
    }
    rows = table(pl.DataFrame({"event_time": [session(day).close_ns for day in days], "symbol": ["A"] * 4, **prices}))
    opens, closes = [session(day).open_ns for day in days], [session(day).close_ns for day in days]
    assert forward_returns(rows, 2).rows() == [
        (closes[0], "A", opens[1], opens[3], pytest.approx(13.2 / 11 - 1), opens[3]),
        (closes[1], "A", None, None, None, None),
        (closes[2], "A", opens[3], None, None, None),
        (closes[3], "A", None, None, None, None),
    ]
    assert forward_returns(rows, 1, entry="close").row(0) == (
        closes[0],
        "A",
        closes[1],
        closes[2],
        pytest.approx(12.5 / 11.5 - 1),
        closes[2],
    )
    assert forward_returns(rows, 1, lag=2, entry="close").row(0)[2:4] == (closes[2], closes[3])
    late = Table(rows.frame.with_columns(pl.col("known_time") + 5))
    assert forward_returns(late, 2)["available"][0] == opens[3] + 5


def test_a_stock_that_dies_keeps_its_labels_and_one_that_pauses_is_worth_its_last_close() -> None:
    days = dates(7)
    opens, closes = [session(day).open_ns for day in days], [session(day).close_ns for day in days]

    def stock(symbol: str, on: list[int]) -> pl.DataFrame:
        price = {name: [10.0 + i + (0.5 if name == "close" else 0.0) for i in on] for name in PRICES}
        return pl.DataFrame({"event_time": [closes[i] for i in on], "symbol": [symbol] * len(on), **price})

    frame = pl.concat([stock("A", [*range(7)]), stock("DIES", [0, 1, 2]), stock("PAUSES", [0, 1, 2, 5, 6])]).sort("event_time", "symbol")
    made = forward_returns(table(frame), 2).filter(event_time=closes[0])
    assert made.filter(symbol="A").row(0)[2:] == (opens[1], opens[3], pytest.approx(13 / 11 - 1), opens[3])
    for gone in ("DIES", "PAUSES"):  # nobody knows on the fourth day which of the two will come back
        assert made.filter(symbol=gone).row(0)[2:] == (opens[1], opens[3], pytest.approx(12.5 / 11 - 1), opens[3])
    later = forward_returns(table(frame), 2).filter(event_time=closes[2]).sort("symbol")
    assert later["value"].to_list() == [pytest.approx(15 / 13 - 1), None, None]  # no price to buy at
    assert later["t0"].to_list() == [opens[3], None, None]


@pytest.mark.parametrize("entry", ["open", "close"])
def test_a_label_depends_on_prices_from_t0_to_t1_alone_and_is_never_available_before(bars: pl.DataFrame, entry: str) -> None:
    made = forward_returns(table(bars), 5, entry=entry)  # type: ignore[arg-type]
    there = made.drop_nulls("value")
    assert there.height > 0.8 * bars.height
    assert there.select(
        ((pl.col("event_time") < pl.col("t0")) & (pl.col("t0") < pl.col("t1")) & (pl.col("t1") <= pl.col("available"))).all()
    ).item()
    after = int(bars["event_time"].unique().sort()[150])
    other = forward_returns(table(rescaled(bars, after, 1)), 5, entry=entry)  # type: ignore[arg-type]
    known = [some.filter(pl.col("available") <= after).sort("event_time", "symbol") for some in (made, other)]
    assert known[0].equals(known[1])
    assert not made.filter(pl.col("event_time") <= after).equals(other.filter(pl.col("event_time") <= after))
    assert as_of(there.select("symbol", time="t0"), table(bars))["event_time"].null_count() == 0


def wrong_bars(**columns: pl.Expr) -> Table:
    """Bars with a fault."""
    return table(random_bars(4, days=30, gaps=False).with_columns(**columns))


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no such feature": (lambda: panel(wrong_bars(), ["momentum"]), "there is no 'momentum'; expected one of reversal_1"),
    "no feature": (lambda: panel(wrong_bars(), []), "expected at least one, each once"),
    "a feature twice": (lambda: panel(wrong_bars(), ["max5", "max5"]), "expected at least one, each once"),
    "no volume": (lambda: panel(Table(wrong_bars().frame.drop("volume"))), "had no column volume"),
    "a close of zero": (lambda: panel(wrong_bars(close=pl.lit(0.0))), "a close was missing, zero or negative"),
    "no close": (lambda: panel(wrong_bars(close=pl.lit(None, pl.Float64))), "a close was missing, zero or negative"),
    "an open of zero": (lambda: panel(wrong_bars(open=pl.lit(0.0))), "open was 0.0 in some row"),
    "a negative volume": (lambda: panel(wrong_bars(volume=pl.lit(-1.0))), "volume was -1.0 in some row"),
    "a text": (lambda: panel(wrong_bars(high=pl.lit("x"))), "high was String; expected a number"),
    "no symbols": (lambda: panel(Table(wrong_bars().frame.filter(symbol="S0"), keys=())), "the bars' keys were \\[\\]"),
    "revised bars": (
        lambda: panel(Table(pl.concat([wrong_bars().frame, wrong_bars().frame.tail(1).with_columns(pl.col("known_time") + 1)]))),
        "the bars had revised rows",
    ),
    "no days": (lambda: forward_returns(wrong_bars(), 0), "days was 0"),
    "the open that has been": (lambda: forward_returns(wrong_bars(), 1, lag=0), "lag 0; expected 1 or more of both"),
    "two rows on a day": (
        lambda: forward_returns(
            Table.of(pl.concat([one := wrong_bars().frame, one.with_columns(pl.col("event_time", "known_time") + 1)]), sort=True), 1
        ),
        "S0 had two rows on one day",
    ),
    "no such price": (lambda: forward_returns(wrong_bars(), 1, entry="high"), "entry was 'high'"),  # type: ignore[arg-type]
    "a text for a figure": (lambda: figures(panel(wrong_bars(), ["max5"]), wrong_bars(), ["x"]), "there is no 'x'; expected one of open"),
    "a macro of texts": (
        lambda: interactions(
            panel(wrong_bars(), ["max5"]), Table(macro(9, "16:00").frame.with_columns(vix=pl.lit("y")), ()), features=["max5"]
        ),
        "vix was String; expected a number",
    ),
    "figures that are texts": (
        lambda: figures(panel(wrong_bars(), ["max5"]), wrong_bars(x=pl.lit("y")), ["x"]),
        "x was String; expected a number",
    ),
    "macro by symbol": (lambda: interactions(panel(wrong_bars(), ["max5"]), wrong_bars(), features=["max5"]), "expected none: one series"),
    "an unranked panel": (
        lambda: interactions(panel(wrong_bars(), ["max5"], ranked=False), macro(9, "16:00"), features=["max5"]),
        "had no column max5_rank",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_a_panel_is_refused_in_a_sentence(name: str) -> None:
    call, why = BAD[name]
    with pytest.raises(BadInput, match=why):
        call()


def test_on_real_days_no_feature_changes_when_the_future_does(real_data: Path) -> None:
    frame = daily(real_data / "daily" / "all_stocks_5yr.csv.zst").table.frame.drop("known_time")
    some = frame.filter(pl.col("symbol").is_in(sorted(frame["symbol"].unique())[:8]))
    whole = panel(table(some)).frame
    assert leaks(some, whole, list(PANEL_FEATURES), "scrambled", session(datetime.date(2016, 6, 30)).close_ns) == []
    later = whole.filter(pl.col("event_time") > session(datetime.date(2014, 12, 31)).close_ns)
    assert max(later[name].null_count() for name in PANEL_FEATURES) < 0.1 * later.height
