"""The intraday forecaster of the mid's variance: right where the truth is known, blind to what comes, the same in batch and in a stream."""

import math
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modes import FLAGS, run_again

from tercet.bench.made import DATE
from tercet.bench.risk import made_path
from tercet.book.flow import FLOW, LONG_S
from tercet.errors import BadInput
from tercet.market.calendar import Session, session
from tercet.market.store import open_day
from tercet.risk.intraday import AHEAD, EVERY, FAR, FIRST, HEARD, LAG, LATER, LIVES, LONG, MOST, NOISE, PACE, PARTS, SOFT, TERMS, USUAL
from tercet.risk.intraday_league import BASELINES, IntradayLeagueSettings, Windows, forecasters, intraday_league
from tercet.risk.intraday_volatility import IntradaySettings, IntradayVolatility, lessons, said_of
from tercet.risk.losses import qlike
from tercet.risk.midpath import MidPath, of_crowd, of_day, of_tape, thinned
from tercet.risk.mids import flow_said
from tercet.risk.season import FLAT, Season, default_season, default_weights, season_of, shape, smoothed
from tercet.risk.season_fit import fit
from tercet.signals.scores import diebold_mariano
from tercet.signals.series import Floats
from tercet.signals.trials import Ledger
from tercet.sim.settings import CROWDS

NS = 10**9
OPEN = 1_000_000 * NS
HOURS = Session(OPEN, OPEN + 23_400 * NS)
HALF_HOUR = Session(OPEN, OPEN + 1800 * NS)
UNCOMPILED = bool(numba.config.DISABLE_JIT)
COMPILED = pytest.mark.skipif(UNCOMPILED, reason="takes minutes with uncompiled code")
KEPT_CODE = pytest.mark.skipif(bool(numba.config.BOUNDSCHECK), reason="the crowd runs with bounds checks in its own tests")
STEEP = Season(tuple(float(part) for part in np.linspace(1.9, 0.1, PARTS)), "made")
PLAIN = IntradaySettings(FLAT)


def path_of(logs: Floats, every_ns: int = NS, hours: Session = HOURS) -> MidPath:
    """A tick every so often, its log mids in bps."""
    time = hours.open_ns + every_ns * np.arange(len(logs))
    return MidPath(time, 5000 * np.exp(1e-4 * logs), hours)


def walk(seed: int, seconds: int, deviation: Any = 1.0, per_second: int = 1) -> Floats:
    """Log mids of a random walk with so many bps a root second."""
    count = seconds * per_second
    scale = np.broadcast_to(np.repeat(deviation, count // np.size(deviation)), count) / math.sqrt(per_second)
    return np.cumsum(np.random.default_rng(seed).standard_normal(count) * scale)


def slow_said(path: MidPath, asked: list[int], horizon_s: float, asking: IntradaySettings) -> list[float]:
    """What is said at whole seconds, from the definition: sums over all returns so far, matrices, no rings."""
    logs, season = path.logs(), np.array(asking.season.parts)
    part_s = (path.hours.close_ns - path.hours.open_ns) / NS / PARTS
    came = weights = np.array(asking.weights)
    spread, worse = np.diag(np.square(asking.doubt)), LATER
    questions: dict[int, tuple[Floats, float]] = {}

    def mean_season(since: float, until: float) -> float:
        cuts = np.unique([since, until, *(p * part_s for p in range(PARTS + 1) if since < p * part_s < until)])
        rates = season[np.clip(((cuts[:-1] + cuts[1:]) / 2 // part_s).astype(int), 0, PARTS - 1)]
        return float((np.diff(cuts) * rates).sum())

    def now(second: int) -> tuple[Floats, float]:
        ends = np.arange(LAG, second + 1)
        squares = (logs[ends] - logs[ends - LAG]) ** 2 / LAG
        unbroken = np.array([not np.isnan(logs[e - LAG : e + 1]).any() for e in ends], bool)
        beside = (squares / season[np.minimum(ends // part_s, PARTS - 1).astype(int)])[unbroken]
        count, usual = len(beside), asking.season.usual
        if count < FIRST and usual == 0.0:
            return np.eye(TERMS)[0], math.nan
        long, first = np.exp(-np.arange(count)[::-1] / LONG), (USUAL if usual else 0.0) * math.exp(-count / LONG)
        level = (first * usual + beside @ long) / (first + long.sum())
        if count < FIRST:
            return np.eye(TERMS)[0], level
        fades = [np.exp(-np.arange(count)[::-1] / life) for life in LIVES]
        return np.array([1.0, *(math.log(beside @ fade / fade.sum() / level + SOFT) for fade in fades)]), level

    said = []
    for second in range(max(asked) + 1):
        began = second - AHEAD
        if second % EVERY == 0 and began in questions and not np.isnan(logs[began : second + 1]).any():
            x, expected = questions[began]
            ends = np.arange(began + LAG, second + 1)
            happened = ((logs[ends] - logs[ends - LAG]) ** 2 / LAG).mean() * AHEAD
            y = happened / expected
            wrong = min(y * math.exp(-x @ weights), MOST) - 1
            loss = [y * math.exp(-x @ one) + x @ one for one in (weights, came)]
            worse = float(np.clip(worse + np.clip(loss[0] - loss[1], -HEARD, HEARD), -FAR, FAR))
            gain = spread @ x / (NOISE + x @ spread @ x)
            weights, spread = weights + gain * wrong, spread - np.outer(gain, spread @ x)
        if second % EVERY == 0 and not np.isnan(logs[second]):
            x, level = now(second)
            if level > 0 and x[1:].any():
                questions[second] = (x, level * mean_season(second, second + AHEAD))
        if second in asked:
            x, level = now(second)
            quoted = not np.isnan(logs[second])
            mixed = came + (weights - came) / (1 + math.exp(PACE * worse))
            said.append(level * mean_season(second, second + horizon_s) * math.exp(x @ mixed) if quoted else math.nan)
    return said


@pytest.mark.parametrize(("seed", "usual"), [(0, 0.0), (1, 0.0), (2, 2.0)])
def test_it_is_what_its_definition_says(seed: int, usual: float) -> None:
    rng = np.random.default_rng(seed)
    path = path_of(np.round(walk(seed, 900, 0.5 + rng.random(9))), hours=Session(OPEN, OPEN + 1000 * NS))
    mid = np.where((np.arange(900) > 400) & (np.arange(900) < 431), 0.0, path.mid)
    path = MidPath(path.time, mid, path.hours)
    asking = IntradaySettings(Season(STEEP.parts, "made", usual), default_weights(), (0.3,) * TERMS)
    asked = [63, 64, 130, 200, 333, 415, 440, 519, 777, 880]
    found = said_of(path, [OPEN + second * NS for second in asked], 90.0, asking)
    assert found == pytest.approx(slow_said(path, asked, 90.0, asking), rel=1e-9, nan_ok=True)
    assert np.isnan(found).sum() == (1 if usual else 2)  # where there was no mid, and before the first minute of returns


@pytest.mark.parametrize("flag", FLAGS)
def test_once_more_with_bounds_checks_and_without_compiling(flag: str) -> None:
    run_again(flag, Path(__file__).name)


# The truth is known ---------------------------------------------------------------------------------------------------------------------


@COMPILED
def test_a_constant_variance_is_forecast_without_bias() -> None:
    asked = OPEN + np.arange(1800, 23_000, 60) * NS
    neutral = IntradaySettings(FLAT, (0.0,) * TERMS)
    for asking, within in ((neutral, 0.02), (PLAIN, 0.06)):  # the default expects a variance that varies
        said = np.array([said_of(path_of(walk(seed, 23_400, 2.0)), asked, 60.0, asking).mean() for seed in range(20)])
        assert said.mean() == pytest.approx(240.0, rel=within)
        assert said.std() < 0.1 * 240


@COMPILED
def test_a_variance_that_jumps_is_followed() -> None:
    paths = [path_of(walk(seed, 21_600, np.array([1.0, 3.0, 1.0]))) for seed in range(20)]
    at = OPEN + np.array([7100, 7800, 14_300, 15_000, 21_000]) * NS  # before and 10 minutes after each jump
    said = np.mean([said_of(path, at, 60.0, PLAIN) for path in paths], axis=0)
    assert said[0] == pytest.approx(60, rel=0.1)
    assert said[1] > 3 * said[0]
    assert said[2] == pytest.approx(540, rel=0.25)  # two hours later some of the calm before is still remembered
    assert said[3] < said[2] / 2


@COMPILED
def test_weights_that_were_wrong_are_not_trusted_for_long() -> None:
    high = (1.5, 0.0, 0.0, 0.0, 0.0)
    path, asked = path_of(walk(7, 23_400, 2.0)), OPEN + np.arange(18_000, 23_000, 60) * NS
    said = [said_of(path, asked, 60.0, IntradaySettings(FLAT, high, (doubt,) * TERMS)).mean() for doubt in (0.0, 0.4)]
    assert said[0] > 4 * 240
    assert said[1] == pytest.approx(240, rel=0.25)


@COMPILED
def test_the_season_comes_before_the_mid_has_told_of_it() -> None:
    season = np.repeat(STEEP.parts, 900)
    path = path_of(walk(5, 23_400, np.sqrt(season)))
    asked = np.arange(3600, 22_000, 900)
    truth = np.array([season[second : second + 900].sum() for second in asked])
    with_it, without = (said_of(path, OPEN + asked * NS, 900.0, one) for one in (IntradaySettings(STEEP), PLAIN))
    assert with_it == pytest.approx(truth, rel=0.35)
    assert qlike(truth, with_it).mean() < 0.5 * qlike(truth, without).mean()


def test_a_bouncing_quote_does_not_inflate_it() -> None:
    seconds, bounces = (200, 10) if UNCOMPILED else (3600, 10)
    clean = np.repeat(walk(3, seconds), bounces)
    flicker = np.random.default_rng(0).choice([-0.5, 0.5], len(clean))
    asked = OPEN + np.arange(seconds // 2, seconds, 60) * NS
    mean = [said_of(path_of(logs, NS // bounces), asked, 60.0, PLAIN).mean() for logs in (clean, clean + flicker)]
    assert mean[1] < 1.2 * mean[0]  # 2ω²/LAG = 0.1 of σ² = 1
    said, record = np.empty((len(asked), 2)), np.zeros(1, FLOW).view(np.recarray)[0]
    bouncing = path_of(clean + flicker, NS // bounces)
    record.time = bouncing.time[0]
    flow_said(record, bouncing.time, bouncing.mid, asked, said)
    if seconds > 4 * LONG_S:
        assert said[:, 1].mean() > 5.0  # FLOW counts each of them


# Nothing of the future, and one machine ---------------------------------------------------------------------------------------------------


ticks = st.lists(st.tuples(st.integers(0, 40 * NS), st.integers(-3, 3)), min_size=5, max_size=60)


@given(ticks, st.integers(0, 2**32), st.booleans())
@settings(max_examples=25, deadline=None)
def test_told_tick_by_tick_it_says_the_same_bit_for_bit(steps: list[tuple[int, int]], seed: int, steep: bool) -> None:
    time = OPEN + np.cumsum([step for step, _ in steps])
    mid = 5000.0 + np.cumsum([move for _, move in steps])
    mid[np.random.default_rng(seed).random(len(mid)) < 0.1] = 0.0
    asked = np.sort(np.random.default_rng(seed).integers(OPEN, int(time[-1]) + 400 * NS, 20))
    asking = IntradaySettings(Season((STEEP if steep else FLAT).parts, "made", 0.5 if steep else 0.0))
    stream, said, place = IntradayVolatility(HALF_HOUR, asking), [], 0
    for now in asked:
        while place < len(time) and time[place] <= now:
            (stream.update(int(time[place]), float(mid[place])) if mid[place] > 0 else stream.unquoted(int(time[place])))
            place += 1
        stream.until(int(now))
        said.append(stream.variance(60.0))
    assert np.array(said).tobytes() == said_of(MidPath(time, mid, HALF_HOUR), asked, 60.0, asking).tobytes()


@given(st.integers(0, 1000), st.integers(100, 1200))
@settings(max_examples=10, deadline=None)
def test_what_comes_later_changes_nothing_that_was_said(seed: int, second: int) -> None:
    logs = walk(seed, 1500 if not UNCOMPILED else second + 20)
    other = np.r_[logs[: second + 1], 100 * walk(seed + 1, len(logs) - second - 1)]
    asked = OPEN + np.arange(10, second + 1, 10) * NS
    first, scrambled = (said_of(path_of(one), asked, 60.0, IntradaySettings(STEEP)) for one in (logs, other))
    assert first.tobytes() == scrambled.tobytes()
    past = np.r_[3 * logs[: second // 2], logs[second // 2 :]]
    assert said_of(path_of(past), asked, 60.0, IntradaySettings(STEEP)).tobytes() != first.tobytes()


def test_a_day_may_begin_at_any_time_of_the_clock() -> None:
    said = []
    for opens in (0, -900 * NS, OPEN):
        path = path_of(walk(0, 400), NS // 2, Session(opens, opens + 1800 * NS))
        said.append(said_of(path, path.time[-1:], 60.0, IntradaySettings(STEEP))[0])
    assert said[0] == said[1] == said[2] > 0


def test_asking_changes_nothing() -> None:
    path = path_of(walk(0, 400), NS // 2)
    asked = OPEN + np.arange(100, 200) * NS + 1
    assert said_of(path, asked, 60.0)[-1] == said_of(path, asked[-1:], 60.0)[0]


def test_what_happens_in_a_window_is_of_nothing_before_it() -> None:
    logs = walk(0, 300)
    begin = np.array([100])
    before = np.r_[50 * logs[:100], logs[100:]]
    assert path_of(logs).realised(begin, 60) == pytest.approx(path_of(before).realised(begin, 60))
    assert path_of(logs).realised(begin, 60) != pytest.approx(path_of(np.r_[logs[:101], 9 * logs[101:]]).realised(begin, 60))
    by_hand = np.mean([(logs[e] - logs[e - LAG]) ** 2 / LAG for e in range(100 + LAG, 161)]) * 60
    assert path_of(logs).realised(begin, 60)[0] == pytest.approx(by_hand)


@given(st.floats(0.1, 20_000), st.floats(0.1, 20_000), st.integers(-600, 25_000), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_longer_horizon_has_as_much_more_as_the_season_gives_it(one: float, other: float, second: int, steep: bool) -> None:
    season = Season((STEEP if steep else FLAT).parts, "made", usual=2.0)
    stream = IntradayVolatility(HOURS, IntradaySettings(season))
    stream.update(OPEN + second * NS, 50.0)
    ends = second + np.array([0.0, one, other])
    edges = np.array([-100_000.0, *np.arange(900, 23_400, 900), 100_000.0])
    gone = [(np.diff(np.minimum(edges, end)) * season.parts).sum() for end in ends]
    assert stream.variance(one) / stream.variance(other) == pytest.approx((gone[1] - gone[0]) / (gone[2] - gone[0]), rel=1e-6)


# What is wrong, or not known ------------------------------------------------------------------------------------------------------------


def test_what_is_not_known_is_said_to_be_none() -> None:
    stream = IntradayVolatility(HOURS, PLAIN)
    assert math.isnan(stream.variance())
    moves = 5000 * np.exp(1e-4 * walk(0, 100))
    for second in range(FIRST + LAG):
        stream.update(OPEN + second * NS, moves[second])
        assert math.isnan(stream.variance())
    stream.until(OPEN + (FIRST + LAG) * NS)
    assert stream.variance() > 0
    stream.unquoted(OPEN + 70 * NS)
    assert math.isnan(stream.variance())
    stream.update(OPEN + 90 * NS, 5001.0)
    assert stream.variance() > 0
    stream.until(OPEN + 391 * NS)
    assert math.isnan(stream.variance())  # nothing was told for more than 5 minutes
    stream.update(OPEN + 20_000 * NS, 5002.0)
    assert stream.variance() > 0


def test_a_mid_that_never_moves_has_no_variance() -> None:
    still = said_of(path_of(np.zeros(900)), [OPEN + 800 * NS], 60.0)
    assert np.isnan(still).all()
    usual = said_of(path_of(np.zeros(900)), [OPEN + 1, OPEN + 800 * NS], 60.0, IntradaySettings(Season(FLAT.parts, "made", 2.0)))
    assert usual[0] == pytest.approx(120 * math.exp(default_weights()[0]), rel=0.01)  # what earlier days say, from the first tick on
    assert 0 < usual[1] < usual[0]


WRONG = {
    "a mid of nothing": (lambda one: one.update(OPEN, float("nan")), "mid was nan; expected a number above 0, or `unquoted`"),
    "a mid of zero": (lambda one: one.update(OPEN, 0.0), "mid was 0.0; expected"),
    "a mid without end": (lambda one: one.update(OPEN, float("inf")), "mid was inf; expected"),
    "a time before the last": (
        lambda one: (one.update(OPEN + 9, 1.0), one.update(OPEN + 8, 1.0)),
        f"time was {OPEN + 8}; expected {OPEN + 9}",
    ),
    "a time of nothing": (lambda one: one.update(float("nan"), 1.0), "time was nan; expected whole ns"),
    "seconds for ns": (lambda one: one.update(34_200, 1.0), "expected ns within a week of the session's opening"),
    "a week later": (lambda one: (one.update(OPEN, 1.0), one.until(OPEN + 8 * 86_400 * NS)), "more than a week after the first"),
    "no horizon": (lambda one: one.variance(0.0), "horizon was 0.0 s"),
    "a horizon that is none": (lambda one: one.variance(float("nan")), "horizon was nan s"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_in_a_sentence(name: str) -> None:
    act, why = WRONG[name]
    with pytest.raises(BadInput, match=why):
        act(IntradayVolatility(HOURS))


PATHS = {
    "no ticks": (([], []), "there were 0 mids at 0 times"),
    "times out of order": (([5, 4], [1.0, 1.0]), "tick 1: expected a time from 5 on, found 4"),
    "no number": (([4, 5], [1.0, float("nan")]), "tick 1: expected a mid above 0, or 0 where there is none, found nan"),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_is_none_is_refused(name: str) -> None:
    (time, mid), why = PATHS[name]
    with pytest.raises(BadInput, match=why):
        MidPath(np.array(time, np.int64), np.array(mid), HOURS)


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(BadInput, match="season was"):
        Season((1.0,) * 25, "short")
    with pytest.raises(BadInput, match="usual was -1"):
        Season(FLAT.parts, "made", -1.0)
    with pytest.raises(BadInput, match="weights were"):
        IntradaySettings(FLAT, (1.0,))
    with pytest.raises(BadInput, match=r"doubt were .* numbers of 0 or more"):
        IntradaySettings(FLAT, doubt=(-0.1,) * TERMS)
    with pytest.raises(BadInput, match="expected more than 5 s: returns are as long"):
        path_of(walk(0, 100)).realised(np.array([0]), 5)
    with pytest.raises(BadInput, match="expected times in order"):
        said_of(path_of(walk(0, 100)), [OPEN + 5, OPEN])
    with pytest.raises(BadInput, match="has no return; expected a whole day"):
        shape(path_of(walk(0, 100)))
    with pytest.raises(BadInput, match="the mid never moved in part"):
        shape(path_of(np.zeros(23_401)))


def test_a_path_keeps_each_change_and_one_tick_a_second() -> None:
    time = np.array([0, 1, 2, 3, NS, NS + 1, 3 * NS])
    found = thinned(time, np.array([5.0, 5.0, 6.0, 6.0, 6.0, 0.0, 0.0]), Session(0, 10 * NS))
    assert found.time.tolist() == [0, 2, NS, NS + 1, 3 * NS]
    assert found.mid.tolist() == [5.0, 6.0, 6.0, 0.0, 0.0]
    assert found.logs() == pytest.approx([1e4 * math.log(5), 1e4 * math.log(6), math.nan, math.nan], nan_ok=True)


def test_a_machine_learns_from_the_labels_that_the_league_asks_about() -> None:
    path = path_of(walk(1, 400, 2.0), hours=HALF_HOUR)
    terms, happened = lessons(path, FLAT)
    assert terms.shape == (len(happened), TERMS)
    begin = np.arange(70, 340, EVERY)
    squares = path.squares()
    level = [np.average(squares[LAG : end + 1], weights=np.exp(-np.arange(end + 1 - LAG)[::-1] / LONG)) for end in begin]
    assert happened == pytest.approx(path.realised(begin, AHEAD) / np.array(level) / AHEAD)


# The season -----------------------------------------------------------------------------------------------------------------------------


def test_the_default_season_is_a_u_and_says_where_it_is_from() -> None:
    season = default_season()
    assert season.parts[0] > 3 * season.parts[-1]
    assert season.parts[-1] > min(season.parts)
    assert "2014" in season.provenance


@COMPILED
def test_a_season_comes_from_earlier_days() -> None:
    truth = np.array(smoothed([np.exp(np.linspace(1, -1, PARTS))]))
    days = [path_of(walk(seed, 23_401 - 1, np.sqrt(3 * truth)), hours=HOURS) for seed in range(6)]
    found = season_of(days, "made")
    assert found.parts == pytest.approx(truth, rel=0.15)
    assert found.usual == pytest.approx(3.0, rel=0.05)
    with pytest.raises(BadInput, match="there were no days"):
        season_of([], "none")


# The league -----------------------------------------------------------------------------------------------------------------------------


@COMPILED
@KEPT_CODE
def test_on_a_crowd_it_stands_before_what_is_simple(tmp_path: Path) -> None:
    hours = session(DATE)
    path = of_crowd(CROWDS["default"], 0, hours, hours.open_ns + 7200 * NS)
    season = Season(tuple((np.array(CROWDS["default"].season) / np.mean(CROWDS["default"].season)).tolist()), "its pace")
    ledger = Ledger(tmp_path / "trials.jsonl")
    asked = IntradayLeagueSettings(first_s=900)
    found, counts = intraday_league(path, tuple(forecasters(season)), season, asked, ledger, "crowd", lambda what: None)
    place = {one.name: i for i, one in enumerate(found.standings)}
    assert len(found.target) == 104
    assert set(place) == set(forecasters())
    assert found.trials == len(place)
    assert place["season-har"] < min(place[name] for name in BASELINES)
    assert counts == {}
    with pytest.raises(BadInput, match="there were 18 windows of 300 s to be asked about; expected 30"):
        intraday_league(path, tuple(BASELINES), season, IntradayLeagueSettings(300, 1500), ledger, "crowd", lambda what: None)


def test_baselines_know_only_windows_that_are_over() -> None:
    logs = walk(0, 1200)
    here, there = (Windows.of(path_of(np.r_[logs[:601], scale * logs[601:]]), 60) for scale in (1, 7))
    for name, one in BASELINES.items():
        assert one(here)[:11].tobytes() == one(there)[:11].tobytes(), name
        assert one(here)[12:].tobytes() != one(there)[12:].tobytes(), name


def test_a_made_path_for_the_bench_moves_ten_times_a_second() -> None:
    path = made_path(100)
    assert len(path.time) == 1000
    assert np.isfinite(path.logs()[1:]).all()


def test_on_a_recorded_day_it_is_ahead_of_what_is_simple(goog_day: Path) -> None:
    windows = Windows.of(of_day(open_day(goog_day)), 60)
    asked = windows.begin >= windows.path.hours.open_ns + 1800 * NS
    target = windows.realised[asked]
    losses = qlike(target, said_of(windows.path, windows.begin, 60.0)[asked])
    assert losses.mean() < 0.47
    for name, one in BASELINES.items():
        against = diebold_mariano(losses, qlike(target, one(windows)[asked]))
        assert against.difference < 0, name
        assert against.p < 0.1, name


def test_the_shipped_season_and_weights_come_from_the_recorded_days_that_they_name(real_data: Path) -> None:
    books = [real_data / "nasdaq2014" / f"{name}_20141103.mat" for name in ("AMZN", "EBAY", "MU", "PCAR", "VOD")]
    found = fit(books)
    assert found["parts"] == pytest.approx(default_season().parts, abs=1e-5)
    assert found["weights"] == pytest.approx(default_weights(), abs=2e-3)
    assert of_tape(books[0]).hours.open_ns == 34_200 * NS
