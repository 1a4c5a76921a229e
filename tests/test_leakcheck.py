"""`tercet leakcheck` finds every planted look-ahead, passes the honest twin, and blames a module that raises by file and line."""

import json
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from test_cli import refused, said, tercet

from tercet.errors import BadInput
from tercet.market.events import ADD, BUY, CANCEL, SELL
from tercet.signals.difference import differs, first_difference
from tercet.signals.leakcheck import LEAK, NOTE, OK, SKIPPED, Finding, check, load, made_bars
from tercet.signals.madebars import cuts, made_events
from tercet.signals.scrambling import cut_off, missing, other_values, permuted
from tercet.signals.usermodule import Raised

HONEST = Path(__file__).parents[1] / "examples" / "do_my_features_leak.py"
FUTURES = {"prefix: the future cut off", "future: other values", "future: rows permuted", "future: values missing"}
SPANS = "known ≤ t0 < t1 ≤ available"
ESTIMATOR = "    return make_pipeline(StandardScaler(), Ridge(1.0))\n"
TREND = '        trend=(close / close.rolling_mean(20) - 1).over("symbol"),\n'
MARKET = '    return made.with_columns(against_market=pl.col("reversal") - pl.col("reversal").mean().over("event_time"))\n'
LABEL = '    return bars.select("event_time", "symbol", t0=time, t1=end, value=value, available=end)\n'
DATES = 'pl.col("event_time").cast(pl.Datetime("ns"))'
AHEAD = '        trend=pl.when(WHEN).then(close.shift(-1) / close).otherwise(1.0).over("symbol"),\n'
LAST_BUT_ONE = int(made_bars(0)["event_time"].unique().sort()[-2])
OWN = """
import numpy as np

class Own:
    name = "own"
    seen = []

    def fit(self, lesson, seed):
        self.seen.append(lesson)
        return Answer(FITTED)

class Answer:
    def __init__(self, scale):
        self.scale = scale

    def answer(self, asked):
        table = asked.table()
        return ANSWERED
"""


def own(fitted: str, answered: str) -> str:
    """The honest module with an Expert of its own."""
    return OWN.replace("FITTED", fitted).replace("ANSWERED", answered) + "\ndef expert():\n    return Own()\n"


# What is replaced by what in the honest module, and the tests that it fails.
TWINS: dict[str, tuple[str, str, set[str]]] = {
    "tomorrow's return": (TREND, '        trend=(close.shift(-1) / close - 1).over("symbol"),\n', FUTURES),
    "a centred mean": (TREND, '        trend=(close / close.rolling_mean(5, center=True)).over("symbol"),\n', FUTURES),
    "z over the whole sample": (TREND, '        trend=((close - close.mean()) / close.std()).over("symbol"),\n', FUTURES),
    "filled from the future": ("forward_fill()", "backward_fill()", FUTURES),
    "the rank in history": (TREND, '        trend=(close.rank() / close.count()).over("symbol"),\n', FUTURES),
    "how long a symbol lives": (
        TREND,
        '        trend=pl.len().over("symbol"),\n',
        FUTURES - {"future: values missing", "future: rows permuted"},
    ),
    "another symbol's row": (
        'trend=(close / close.rolling_mean(20) - 1).over("symbol")',
        "trend=close / close.shift(1) - 1",
        {"order of symbols"},
    ),
    "rows that need tomorrow": (
        MARKET,
        '    return made.filter(pl.col("close").shift(-1).over("symbol").is_not_null())\n',
        {"prefix: the future cut off", "future: other values", "future: values missing"},
    ),
    "no seed": (TREND, '        trend=pl.Series(__import__("numpy").random.default_rng().random(len(bars))),\n', {"the same twice"}),
    "a claim that is not so": ("DAYS = 5\n", "DAYS = 5\nPER_SYMBOL = True\n", {"symbols apart"}),
    "a label known too early": (
        LABEL,
        LABEL.replace("t1=end", "t1=end - 1").replace("available=end", "available=time + 86_400 * 10**9"),
        {SPANS},
    ),
    "a label that ends too early": (
        LABEL,
        LABEL.replace("t1=end", 't1=time.shift(-1).over("symbol")').replace("available=end", 'available=time.shift(-1).over("symbol")'),
        FUTURES,
    ),
    "tomorrow on Wednesdays alone": (TREND, AHEAD.replace("WHEN", f"{DATES}.dt.weekday() == 3"), FUTURES),
    "tomorrow at the ends of months alone": (
        TREND,
        AHEAD.replace("WHEN", f"{DATES}.dt.month() != {DATES}.shift(-1).dt.month()"),
        FUTURES,
    ),
    "tomorrow on the last two dates alone": (TREND, AHEAD.replace("WHEN", f"pl.col('event_time') >= {LAST_BUT_ONE}"), FUTURES),
    "tomorrow of one symbol alone": (TREND, AHEAD.replace("WHEN", 'pl.col("symbol") == "S4"'), FUTURES),
    "a label that takes no time": (LABEL, LABEL.replace("t1=end", "t1=time"), {SPANS}),
    "a label before its features": (LABEL, LABEL.replace("t0=time", "t0=time - 1"), {SPANS}),
}
EXPERTS: dict[str, tuple[str, set[str]]] = {
    "a scaler fitted on the test": (
        own("np.ones(lesson.table().shape[1])", "((table - table.mean(axis=0)) / (table.std(axis=0) + 1e-9)) @ self.scale"),
        {"a question asked alone", "later questions are others"},
    ),
    "a scaler fitted on everything": (
        own(
            "1 / (np.asarray(lesson.features if lesson.features.base is None else lesson.features.base).std(axis=0) + 1e-9)",
            "table @ self.scale",
        ),
        {"test features and labels are others"},
    ),
    "a memory of later lessons": (
        own("np.full(lesson.table().shape[1], max(one.max_known_time for one in self.seen) * 1e-18)", "table @ self.scale"),
        {"nothing kept from later lessons"},
    ),
    "no seed": (own("np.random.default_rng().random(lesson.table().shape[1])", "table @ self.scale"), {"the same twice"}),
}


def found(text: str, folder: Path) -> dict[tuple[str, str], Finding]:
    """All findings about a module of that text."""
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return {(one.about, one.test): one for one in check(load(str(path)))}


def leaking(findings: dict[tuple[str, str], Finding]) -> set[str]:
    """The tests that failed."""
    return {test for (_, test), one in findings.items() if one.verdict == LEAK}


def test_the_honest_module_passes_every_test(tmp_path: Path) -> None:
    findings = found(HONEST.read_text(encoding="utf-8"), tmp_path)
    assert leaking(findings) == set()
    assert [test for (_, test), one in findings.items() if one.verdict != OK] == ["symbols apart"]
    assert len(findings) == 19


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_with_one_planted_look_ahead_is_found(name: str, tmp_path: Path) -> None:
    honest, planted, failed = TWINS[name]
    text = HONEST.read_text(encoding="utf-8")
    assert text.count(honest) == 1
    findings = found(text.replace(honest, planted).replace("def expert", "def no_expert"), tmp_path)
    assert leaking(findings) >= failed
    about = "labels" if "label" in name else "features"
    assert {one for one, test in findings if findings[one, test].verdict == LEAK} == {about}


@pytest.mark.parametrize("name", EXPERTS)
def test_an_expert_that_knows_more_than_its_lesson_and_its_question_is_found(name: str, tmp_path: Path) -> None:
    planted, failed = EXPERTS[name]
    assert failed <= leaking(found(planted, tmp_path))


def test_an_honest_expert_of_ones_own_passes(tmp_path: Path) -> None:
    text = own("lesson.values @ lesson.table() / len(lesson.rows)", "table @ self.scale")
    assert leaking(found(text, tmp_path)) == set()


def test_a_classifier_is_asked_for_directions(tmp_path: Path) -> None:
    text = "from sklearn.naive_bayes import GaussianNB\n\ndef expert():\n    return GaussianNB()\n"
    findings = found(text, tmp_path)
    assert leaking(findings) == set()
    assert "IC" in findings["expert", "noise: no edge"].where


def test_an_edge_on_random_walks_is_a_leak(tmp_path: Path) -> None:
    text = HONEST.read_text(encoding="utf-8")
    planted = text.replace(TREND, '        trend=(close.shift(-1) / close - 1).over("symbol"),\n')
    assert "noise: no edge" in leaking(found(planted, tmp_path))


def test_a_model_that_says_one_thing_is_noted(tmp_path: Path) -> None:
    text = "from sklearn.dummy import DummyRegressor\n\ndef expert():\n    return DummyRegressor()\n"
    assert found(text, tmp_path)["expert", "something was learned"].verdict == NOTE


def test_features_of_events_that_know_the_end_are_found(tmp_path: Path) -> None:
    text = "import numpy as np\n\ndef event_features(events):\n    return np.cumsum(events['lots'])\n"
    assert leaking(found(text, tmp_path)) == set()
    planted = text.replace("np.cumsum(events['lots'])", "np.cumsum(events['lots']) / events['lots'].sum()")
    assert leaking(found(planted, tmp_path)) == {"prefix: the future cut off", "future: another market"}
    late = text.replace("np.cumsum(events['lots'])", "np.append(events['tick'][5:], np.zeros(5))")
    assert leaking(found(late, tmp_path)) == {"prefix: the future cut off", "future: another market"}


def test_a_label_that_looks_back_before_it_begins_is_noted_and_is_no_leak(tmp_path: Path) -> None:
    scaled = LABEL.replace("value=value", 'value=value / (close / close.shift(1) - 1).rolling_std(20).over("symbol")')
    findings = found(HONEST.read_text(encoding="utf-8").replace(LABEL, scaled).replace("def expert", "def no_expert"), tmp_path)
    assert leaking(findings) == set()
    assert findings["labels", "nothing before t0"].verdict == NOTE


def test_features_that_cannot_bear_missing_values_are_tested_otherwise(tmp_path: Path) -> None:
    text = "def features(bars):\n    assert bars['close'].null_count() == 0\n    return bars.select(one=bars['close'] * 2)\n"
    findings = found(text, tmp_path)
    assert leaking(findings) == set()
    assert findings["features", "future: values missing"].verdict == SKIPPED


@pytest.mark.parametrize(
    "given", ["bars['close'] * 2", "bars['close'].to_numpy()", "bars.lazy().select(x='close')", "bars.reverse().with_columns(x='close')"]
)
def test_features_may_come_as_series_arrays_lazy_frames_and_in_any_order_with_their_keys(given: str, tmp_path: Path) -> None:
    wanted = f"def features(bars):\n    return {given}\n".replace("bars['close'] * 2", "(bars['close'] * 2).rename('x')")
    assert leaking(found(wanted, tmp_path)) == set()


def test_a_feature_without_values_is_noted(tmp_path: Path) -> None:
    text = "def features(bars):\n    return bars.select(one=bars['close'].shift(9999), two=bars['close'])\n"
    assert "one never had a value" in found(text, tmp_path)["features", "something was tested"].where


# The command ------------------------------------------------------------------------------------------------------------------------


def test_the_command_passes_the_honest_module_and_catches_its_twin(tmp_path: Path) -> None:
    told = said(tercet("leakcheck", HONEST, "--json"))
    assert (told["leaks"], len(told["tests"])) == (0, 19)
    twin = tmp_path / "twin.py"
    twin.write_text(HONEST.read_text(encoding="utf-8").replace(TREND, TREND.replace("rolling_mean(20)", "rolling_mean(5, center=True)")))
    run = tercet("leakcheck", twin, "--json", "--days", 300)
    assert run.returncode == 1
    told = json.loads(run.stdout)
    first = next(one for one in told["tests"] if one["verdict"] == "LEAK")
    assert (first["about"], first["test"], first["difference"]["column"]) == ("features", "prefix: the future cut off", "trend")
    assert first["difference"]["becomes"] is None
    assert 0 <= first["difference"]["cut"] - first["difference"]["time"] <= 7 * 86_400 * 10**9
    assert "LEAK" in run.stderr


def test_own_bars_are_read_by_their_own_names(tmp_path: Path) -> None:
    made = made_bars(3, 4, 150).with_columns(date=pl.from_epoch("event_time", "ns").dt.date())
    made.drop("event_time", "known_time").rename({"symbol": "ticker"}).write_parquet(tmp_path / "bars.parquet")
    module = tmp_path / "mine.py"
    module.write_text(
        "import polars as pl\n\ndef features(bars):\n    print(bars.height)\n    return bars.select(up=pl.col('close') * 2)\n"
    )
    columns = ("--columns", "event_time=date,symbol=ticker")
    run = tercet("leakcheck", module, "--data", tmp_path / "bars.parquet", *columns, "--symbols", 3, "--days", 100, "--json")
    assert said(run)["leaks"] == 0
    refused(tercet("leakcheck", module, "--data", tmp_path / "bars.parquet"), "no column")
    refused(tercet("leakcheck", module, "--data", tmp_path / "bars.parquet", "--columns", "date"), "'date'; expected NAME=YOURS")


def test_a_module_that_raises_is_blamed_by_the_command_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def features(bars):\n    nothing = 0\n    return bars / (1 / nothing)\n")
    refused(
        tercet("leakcheck", path), "features raised ZeroDivisionError: division by zero", f"{path}, line 3: return bars / (1 / nothing)"
    )


BAD: dict[str, tuple[str, str]] = {
    "a syntax": ("def features(bars)\n", r"raised SyntaxError: expected ':' \(.*mine.py, line 1\)"),
    "an import": ("import nothing_there\n", r"ModuleNotFoundError: No module named 'nothing_there' \(.*mine.py, line 1"),
    "nothing": ("x = 1\n", "defines none of features, labels, expert, event_features"),
    "no function": ("features = 3\n", "features was a int; expected features"),
    "fewer rows": ("def features(bars):\n    return bars.select(x='close').head(5)\n", "returned 5 rows for .*; expected one for each"),
    "no feature": ("def features(bars):\n    return bars\n", "expected some by names"),
    "no frame": ("def features(bars):\n    return 3\n", "features returned a int; expected a polars DataFrame"),
    "a row twice": ("import polars as pl\n\ndef features(bars):\n    return pl.concat([bars, bars])\n", "two rows of one symbol"),
    "an exit": ("import sys\n\nsys.exit('enough')\n", r"SystemExit: enough \(.*mine.py, line 3: sys.exit"),
    "lazily wrong": (
        "def features(bars):\n    return bars.lazy().select(x=1 + __import__('polars').col('nobody'))\n",
        "collected, raised Column",
    ),
    "nothing at all": ("import numpy as np\n\ndef features(bars):\n    return np.zeros((0, 2))\n", "returned 0 rows"),
    "no span": ("def labels(bars):\n    return bars.select(value='close')\n", "labels returned no column t0, t1, available"),
    "no expert": ("def expert():\n    return 3\n", "expert returned a int; expected an Expert"),
    "a fit": (
        "class E:\n    name = 'e'\n    def fit(self, lesson, seed):\n        raise KeyError('x')\n\ndef expert():\n    return E()\n",
        "line 4: raise",
    ),
    "events": ("def event_features(events):\n    return [1, 2]\n", "event_features returned 2 rows for 1,200 events"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_tested_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    text, why = BAD[name]
    with pytest.raises(BadInput, match=why):
        found(text, tmp_path)


def test_a_module_is_found_by_path_or_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "mine_by_name.py").write_text("from beside_it import features\n")
    (tmp_path / "beside_it.py").write_text("def features(bars):\n    raise ValueError\n")
    with pytest.raises(Raised, match=r"features raised ValueError: without a word \(.*beside_it.py, line 2"):
        next(check(load("mine_by_name")))
    assert load("mine_by_name.py").offers.keys() == {"features"}
    for nobody in ("nobody_there", "mine_by_name.nobody", "nobody.py"):
        with pytest.raises(BadInput, match="found"):
            load(nobody)


# What it stands on ------------------------------------------------------------------------------------------------------------------


def test_made_bars_are_bars_of_stocks_that_come_and_go() -> None:
    bars = made_bars(1)
    assert bars.equals(made_bars(1))
    assert not bars.equals(made_bars(2))
    assert bars["symbol"].n_unique() == 8
    lives = bars.group_by("symbol").agg(pl.len(), first=pl.col("event_time").min(), last=pl.col("event_time").max())
    assert lives["first"].n_unique() > 2
    assert lives["last"].n_unique() > 1
    there = bars.drop_nulls()
    assert there.select((pl.col("high") >= pl.max_horizontal("open", "close")).all()).item()
    assert there.select((pl.col("low") <= pl.min_horizontal("open", "close")).all()).item()
    for after in cuts(bars["event_time"].unique(maintain_order=True), 1):
        assert bars.filter(event_time=after)["open"].null_count() >= 2
    with pytest.raises(BadInput, match="symbols was 1"):
        made_bars(0, 1)


def test_another_future_leaves_the_past_and_changes_the_rest() -> None:
    bars = made_bars()
    after = cuts(bars["event_time"])[2]
    past = bars.filter(pl.col("known_time") <= after)
    for future in (cut_off, other_values, permuted, missing):
        other = future(bars, after, np.random.default_rng(0))
        assert other.filter(pl.col("known_time") <= after).equals(past)
        assert not other.equals(bars)
        assert other.columns == bars.columns


@pytest.mark.parametrize("fork", [None, 0, 150, 399])
def test_made_events_keep_a_book_whole_whichever_way_they_go(fork: int | None) -> None:
    events = made_events(2, 400, fork)
    shared = fork if fork is not None else 400
    assert (events[:shared] == made_events(2, 400)[:shared]).all()
    assert (np.diff(events["time"]) >= 0).all()
    resting: dict[int, tuple[int, int, int]] = {}
    for event in events:
        side, tick, lots, order = (int(event[name]) for name in ("side", "tick", "lots", "id"))
        if event["kind"] == ADD:
            assert all((other - tick) * side > 0 for whose, other, _ in resting.values() if whose == -side)
            resting[order] = (side, tick, lots)
            continue
        left = resting[order][2] - lots
        assert resting[order][:2] == (side, tick)
        assert left == 0 or (left > 0 and event["kind"] != CANCEL)
        resting[order] = (side, tick, left)
        if not left:
            del resting[order]
    assert {BUY, SELL} <= set(events["side"].tolist())


def test_rounding_is_no_difference_and_missing_is_missing_however_it_is_written() -> None:
    one = pl.Series([1.0, 1e9, None, float("nan"), float("inf"), 0.0, 2.0])
    two = pl.Series([1.0 + 1e-15, 1e9 * (1 + 1e-12), float("nan"), None, float("inf"), 1e-18, 2.0 + 1e-6])
    assert differs(one, two).tolist() == [False] * 6 + [True]
    assert differs(pl.Series(["a", None]), pl.Series(["a", "b"])).tolist() == [False, True]
    assert differs(pl.Series([True, False]), pl.Series([None, False])).tolist() == [True, False]


def test_the_first_difference_in_time_is_told() -> None:
    whole = pl.DataFrame({"event_time": [1, 1, 2], "symbol": ["a", "b", "a"], "x": [1.0, 2.0, 3.0], "y": [1, 2, 3]})
    other = whole.with_columns(x=pl.Series([1.0, 2.5, None]), y=pl.Series([1, 2, 4]))
    told = first_difference(whole, other, 5)
    assert told is not None
    assert (told.column, told.symbol, told.time, told.was, told.becomes, told.rows) == ("x", "b", 1, 2.0, 2.5, 2)
    assert told.columns == ("x", "y")
    gone = first_difference(whole, other.drop("y").head(2).with_columns(x=whole["x"].head(2)))
    assert gone is not None
    assert gone.column == "y"
    assert first_difference(whole, whole) is None


@pytest.mark.parametrize("seed", range(5))
def test_the_future_changes_after_every_day_of_the_week_a_months_end_and_the_last_date_but_one(seed: int) -> None:
    times = made_bars(seed)["event_time"]
    dates = [datetime.fromtimestamp(time // 10**9, ZoneInfo("America/New_York")).date() for time in times.unique().sort()]
    drawn = [datetime.fromtimestamp(time // 10**9, ZoneInfo("America/New_York")).date() for time in cuts(times, seed)]
    assert {day.weekday() for day in drawn} == {0, 1, 2, 3, 4}
    assert drawn[-1] == dates[-2]
    assert any(dates[dates.index(day) + 1].month != day.month for day in drawn)
    assert drawn == sorted(set(drawn))
    assert len(drawn) <= 7
    assert cuts(times, seed) != cuts(times, seed + 1)
