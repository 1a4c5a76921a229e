"""Features are what their papers say, know nothing of the future, and are the same in batch, in a stream and in the simulator."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from modes import FLAGS, run_again
from numpy.typing import NDArray
from slow_features import NS, Market, everything
from test_cli import refused, said, tercet

from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.book.replay import apply_all, start
from tercet.book.state import new_books
from tercet.errors import BadInput
from tercet.market import lobster
from tercet.market.calendar import Session, session
from tercet.market.events import ADD, BUY, CANCEL, EVENT, HALT, HALTED, HIDDEN, LEVEL_ROW, REVEAL, SELL, TRADE
from tercet.market.recorded import Recorded, count_kinds
from tercet.market.store import Day, open_day, save
from tercet.signals import features, micro
from tercet.signals.catalogue import FEATURES, NAMES, table
from tercet.signals.days import (
    BOOK_SIZES,
    FeatureStream,
    features_of,
    fitting,
    hours_of,
    integrated_weights,
    new_state,
    sampling,
    usual_volume,
)
from tercet.signals.ladder import LEVELS
from tercet.sim.episode import advance
from tercet.sim.open import NO_EVENTS, open_crowd
from tercet.sim.settings import CROWDS
from tercet.sim.state import new_scratch
from tercet.sim.tape import copy_book, pieces

UNCOMPILED = bool(__import__("numba").config.DISABLE_JIT)
MESSAGES = 600 if UNCOMPILED else 12_000
COMPILED = pytest.mark.skipif(UNCOMPILED, reason="takes minutes with uncompiled code")
EVERY = ("1s", "10events", "event", "mid")
HOURS = Session(10**18, 10**18 + 3600 * NS)
BOUNDED = [feature.name for feature in FEATURES if feature.unit in ("−1 to 1", "0 to 1")]
POSITIVE = ("depth", "slope_bid", "slope_ask", "sweep_buy", "sweep_sell", "volume_60s", "roll", "refill", "cancel_add_ratio", "amihud")
POSITIVE += ("hawkes_buy", "hawkes_sell", "variance", "variance_up", "variance_down", "bipower", "medrv", "quarticity")


@pytest.fixture(scope="module", autouse=True)
def wrapping() -> Iterator[None]:
    """Integers wrap around, as in machine code; matters with NUMBA_DISABLE_JIT=1."""
    with np.errstate(over="ignore"):
        yield


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A stretch of a crowd's day, as a feed of ten levels showed it; one of the twin's market where a crowd takes minutes."""
    folder = tmp_path_factory.mktemp("made")
    if UNCOMPILED:
        start_rows, events, _ = Market(8).play(MESSAGES, 0.03, session(DATE).open_ns)
        recorded = Recorded(events, start_rows, 0, count_kinds(events), [], [])
        return open_day(save(folder / "store", recorded, MADE, DATE))
    messages, book = write_lobster(folder, *made_day(MESSAGES))
    return open_day(save(folder / "store", lobster.read(messages, book, MADE, DATE), MADE, DATE))


def played(seed: int, count: int, thin: float = 0.03) -> tuple[Any, Any, Any]:
    """A random market of the twin's: start, events, steps."""
    return Market(seed).play(count, thin, HOURS.open_ns + NS // 3)


def rows(start_rows: Any, events: NDArray[np.void], every: str = "1s", **changes: Any) -> pl.DataFrame:
    """The rows of events in a session of HOURS."""
    stream = FeatureStream(start_rows, HOURS, every=every, **changes)
    return pl.concat([stream.take(events), stream.until(int(events["time"][-1]))])


def streamed(day: Day, slices: tuple[int, ...], every: str) -> pl.DataFrame:
    """The rows of a day's events taken in slices of those sizes, over and over."""
    stream = FeatureStream(day.start, hours_of(day), every=every)
    found, at, turn = [stream.take(day.events[:0])], 0, 0
    while at < len(day.events):
        found.append(stream.take(day.events[at : at + slices[turn % len(slices)]]))
        at += slices[turn % len(slices)]
        turn += 1
    return pl.concat([*found, stream.until(int(day.events["time"][-1]))])


def bits(frame: pl.DataFrame) -> bytes:
    """A frame's numbers as they lie in memory, nulls as NaN."""
    return b"".join(
        frame[name].fill_null(math.nan if frame[name].dtype == pl.Float64 else -1).to_numpy().tobytes() for name in frame.columns
    )


# What they are --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2 if UNCOMPILED else 6))
def test_every_feature_is_what_its_paper_says_by_the_slow_twin(seed: int) -> None:
    bucket = (40, 15, 0)[seed % 3]
    start_rows, events, steps = played(seed, 250 if UNCOMPILED else 900, 0.2 if seed % 3 == 0 else 0.03)
    frame = rows(start_rows, events, bucket_lots=bucket)
    sampled = {0, 1, frame.height - 1, *Random(seed).sample(range(frame.height), 5)}
    wrong = []
    for i in sorted(sampled):
        row = frame.row(i, named=True)
        expected = everything(steps, row["event_time"], HOURS.open_ns, HOURS.close_ns, bucket)
        assert set(expected) == set(NAMES) - {"volume_factor"}
        wrong += [(i, name, row[name], value) for name, value in expected.items() if not near(row[name], value)]
    assert wrong == []


def near(a: float | None, b: float | None) -> bool:
    """Whether two numbers are the same but for rounding, or both unknown."""
    return (a is None and b is None) or (a is not None and b is not None and abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b)))


def test_buckets_are_sized_by_the_first_aggressors_where_no_earlier_day_is() -> None:
    start_rows, events, steps = played(3, 2600)
    frame = rows(start_rows, events, "100events")
    last = everything(steps, frame["event_time"][-1], HOURS.open_ns, HOURS.close_ns)
    assert last["vpin"] is not None
    assert frame["vpin"].null_count() > 2
    assert near(frame["vpin"][-1], last["vpin"])


@COMPILED
def test_features_of_a_recorded_day_are_those_of_its_rows(day: Day) -> None:
    from tercet.bench.made import made_day as made

    events, told = made(MESSAGES)
    last_of_message = np.append(day.events["kind"][1:] != REVEAL, True)
    frame = features_of(day, every="event").filter(pl.Series(last_of_message))
    assert frame.height == len(events)
    bids, asks = told[:, 0].astype(float), told[:, 1].astype(float)
    assert frame["mid2"].to_list() == (told[:, 0, 0, 0] + told[:, 1, 0, 0]).tolist()
    for level in range(5):
        expected = (bids[:, level, 1] - asks[:, level, 1]) / (bids[:, level, 1] + asks[:, level, 1])
        np.testing.assert_allclose(frame[f"imbalance_{level + 1}"], expected, rtol=1e-12, atol=1e-15)
    for level in range(LEVELS):
        gained = flow(bids[:, level], 1) - flow(asks[:, level], -1)
        np.testing.assert_array_equal(frame[f"ofi_total_{level + 1}"].diff()[1:], gained)


def flow(levels: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Cont, Kukanov & Stoikov (2014), eq. 2, of one level of one side, row after row; no level is an infinitely bad price."""
    price, lots = np.where(levels[:, 1] > 0, side * levels[:, 0], -np.inf), levels[:, 1]
    return np.where(price[1:] >= price[:-1], lots[1:], 0) - np.where(price[1:] <= price[:-1], lots[:-1], 0)


@COMPILED
def test_the_microprice_comes_to_solve_its_equation(day: Day) -> None:
    stream = FeatureStream(day.start, hours_of(day))
    stream.take(day.events)
    learnt = stream.state.micro
    seen = np.flatnonzero(learnt.left > 100)
    chances = learnt.went[seen] / learnt.left[seen, None]
    left = learnt.moved[seen] / learnt.left[seen] + chances @ learnt.price - learnt.price[seen]
    assert len(seen) > micro.LEANS // 2
    assert np.abs(left).max() < 0.02
    mirror = [micro.mirrored(int(state)) for state in seen]
    np.testing.assert_array_equal(learnt.price[seen], -learnt.price[mirror])


def test_rolls_spread_is_found_where_prices_bounce() -> None:
    draw = Random(1)
    events = np.zeros(3000, EVENT)
    for i, event in enumerate(events):
        side = draw.choice((BUY, SELL))
        event["time"], event["kind"], event["side"], event["tick"], event["lots"] = HOURS.open_ns + i * NS, HIDDEN, side, 1000 - 2 * side, 1
    levels = np.array([(998, BUY, 100), (1002, SELL, 100)], LEVEL_ROW)
    last = rows(levels, events, "event").row(-1, named=True)
    assert last["roll"] == pytest.approx(4.0, abs=0.6)
    assert last["effective_spread"] == pytest.approx(4.0)
    assert last["realised_spread"] == pytest.approx(4.0)
    assert last["impact_30s"] == 0.0
    assert last["branching"] == 0.0
    assert last["variance"] == 0.0


def moving(steps: list[int]) -> NDArray[np.void]:
    """Each second the best bid and ask, of one lot each, move by so many ticks."""
    events, bid = np.zeros(4 * len(steps), EVENT), 9_999
    for i, step in enumerate(steps):
        moves = [(CANCEL, SELL, bid + 2), (CANCEL, BUY, bid), (ADD, BUY, bid + step), (ADD, SELL, bid + step + 2)]
        for event, (kind, side, tick) in zip(events[4 * i : 4 * i + 4], moves, strict=True):
            event["time"], event["kind"], event["side"], event["tick"], event["lots"] = HOURS.open_ns + i * NS, kind, side, tick, 1
            event["id"] = tick * side
        bid += step
    return events


def test_a_jump_is_found_and_a_drift_is_but_noise_is_not() -> None:
    draw, levels = Random(2), np.array([(9_999, BUY, 1), (10_001, SELL, 1)], LEVEL_ROW)
    noise = [round(draw.gauss(0.0, 6.0)) for _ in range(600)]
    calm = rows(levels, moving(noise)).row(-1, named=True)
    jumped = rows(levels, moving([*noise, 120, *noise[:9]])).row(-1, named=True)
    drifted = rows(levels, moving([*noise, *(step + 6 for step in noise[:150])])).row(-1, named=True)
    assert abs(calm["jump"]) < 3.0
    assert jumped["jump"] > 6.0
    assert abs(calm["drift_burst"]) < 3.0 < drifted["drift_burst"]
    assert jumped["medrv"] < 2.0 * calm["medrv"] < jumped["variance"]


# What they do not know ------------------------------------------------------------------------------------------------------------


def scrambled(events: NDArray[np.void], cut: int, seed: int) -> NDArray[np.void]:
    """Other events after the first `cut`, at the same times."""
    other, draw = events.copy(), np.random.default_rng(seed)
    after = draw.permutation(len(events) - cut) + cut
    for name in ("kind", "side", "tick", "lots", "id", "finer"):
        other[name][cut:] = events[name][after]
    other["tick"][cut:] += draw.integers(-20, 20, len(events) - cut, dtype=np.int32) * (other["kind"][cut:] != HALT)
    return other


def that_see_ahead(rows_of: Callable[[NDArray[np.void]], pl.DataFrame], events: NDArray[np.void], cuts: list[int]) -> set[str]:
    """The columns in which rows up to an event change when later events are cut off, or become others."""
    whole, found = rows_of(events), set()
    for cut in cuts:
        until = int(events["time"][cut])
        for other in (events[:cut], scrambled(events, cut, cut)):
            a, b = (frame.filter(pl.col("event_time") < until) for frame in (whole, rows_of(other)))
            a = a.head(b.height) if len(other) == cut else a  # the clock stops with the last event
            found |= {name for name in a.columns if bits(a.select(name)) != bits(b.select(name))}
    return found


@pytest.mark.parametrize("every", ["event", "1s"])
def test_no_feature_changes_when_later_events_do(every: str) -> None:
    start_rows, events, _ = played(11, 300 if UNCOMPILED else 1500)
    cuts = [len(events) // 9, len(events) // 2, len(events) - 40]
    assert that_see_ahead(lambda told: rows(start_rows, told, every, bucket_lots=15), events, cuts) == set()


def test_a_feature_that_looks_ahead_is_found() -> None:
    start_rows, events, _ = played(11, 300)

    def peeking(told: NDArray[np.void]) -> pl.DataFrame:
        frame = rows(start_rows, told, "event")
        return frame.with_columns(
            next_mid=pl.col("mid2").shift(-3).cast(pl.Float64), usual=pl.col("volume_10s") / pl.col("volume_10s").mean()
        )

    assert that_see_ahead(peeking, events, [100, 200]) == {"next_mid", "usual"}


def test_when_rows_are_written_does_not_change_what_they_say() -> None:
    start_rows, events, _ = played(5, 300 if UNCOMPILED else 1200)
    frames = [rows(start_rows, events, every) for every in ("1s", "3s", "500ms")]
    shared = [frame.join(frames[1].select("event_time"), on="event_time", how="semi") for frame in frames]
    assert shared[1].height > (20 if UNCOMPILED else 50)
    assert bits(shared[0]) == bits(shared[1]) == bits(shared[2])
    each, tenth = (rows(start_rows, events, every) for every in ("event", "10events"))
    assert bits(each.gather_every(10, 9)) == bits(tenth)


def test_known_times_lie_after_event_times_by_the_latency() -> None:
    start_rows, events, _ = played(5, 200)
    frame = rows(start_rows, events, "event", latency_ns=250)
    assert (frame["known_time"] - frame["event_time"] == 250).all()
    np.testing.assert_array_equal(frame["event_time"], events["time"])


# The same everywhere --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", EVERY)
def test_a_stream_gives_the_rows_of_the_batch_bit_for_bit(day: Day, every: str) -> None:
    batch = features_of(day, every=every)
    assert batch.height > (3 if UNCOMPILED else 50)
    assert batch.columns == ["event_time", "known_time", "bid", "ask", "mid2", *NAMES]
    assert bits(batch) == bits(streamed(day, (1, 7, 100, 1), every))


def test_a_stream_of_single_events_gives_the_rows_of_the_batch(day: Day) -> None:
    short = replace(day, events=day.events[:500])
    assert bits(features_of(short, every="1s")) == bits(streamed(short, (1,), "1s"))


@COMPILED
def test_a_simulated_market_and_its_stored_day_have_the_same_features(tmp_path: Path) -> None:
    hours, count = session(DATE), 3000
    told, shown = next(pieces(CROWDS["default"], 3, (hours.open_ns, hours.close_ns), hours.close_ns, 60, count))
    sim = open_crowd(CROWDS["default"], 3, hours.open_ns, hours.close_ns)
    advance(sim, NO_EVENTS, hours.open_ns, new_scratch(sim))
    book = new_books(1, *BOOK_SIZES[0])[0]
    copy_book(sim.book, book)
    stream = FeatureStream(np.zeros(0, LEVEL_ROW), hours, every="1s")
    stream.book = book
    features.start(stream.state, book)
    live = pl.concat([stream.take(told), stream.until(int(told["time"][-1]))])
    messages, rows_file = write_lobster(tmp_path, told, shown)
    stored = open_day(save(tmp_path / "store", lobster.read(messages, rows_file, MADE, DATE), MADE, DATE))
    assert live.height > 2
    assert bits(live) == bits(features_of(stored, every="1s"))


def test_a_recorded_day_streams_as_it_is_read(goog_day: Path) -> None:
    whole = open_day(goog_day)
    for every in ("1s", "10events"):
        batch = features_of(whole, every=every)
        assert bits(batch) == bits(streamed(whole, (977, 1, 13_001), every))
    assert batch.height == len(whole.events) // 10


# Values ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thin", [0.0, 0.03, 0.2])
def test_values_stay_within_their_bounds_in_any_market(thin: float) -> None:
    start_rows, events, _ = played(21, 300 if UNCOMPILED else 3000, thin)
    frame = rows(start_rows, events, "event", bucket_lots=20)
    for name in BOUNDED:
        values = frame[name].drop_nulls()
        assert values.is_between(-1.0 if "−1" in unit(name) else 0.0, 1.0).all(), name
    for name in POSITIVE:
        assert (frame[name].drop_nulls() >= 0.0).all(), name
    assert all(frame[name].is_infinite().sum() == 0 for name in NAMES)


def unit(name: str) -> str:
    """A feature's unit."""
    return FEATURES[NAMES.index(name)].unit


@COMPILED
def test_what_was_known_stays_known_while_the_book_is_quoted(day: Day) -> None:
    frame = features_of(day, every="1s")
    always = set(NAMES) - {"sweep_buy", "sweep_sell"}
    for name in always:
        known = frame[name].is_not_null()
        assert known.sum() in (0, frame.height - int(known.arg_max() or 0)), name
    late = {"vpin", "vpin_net", "branching", "drift_burst", "volume_factor"}
    assert {name for name in NAMES if frame[name].null_count() == frame.height} <= late
    assert frame["jump"].is_not_null().sum() == frame.height - 60


def test_without_a_side_what_needs_it_is_null_and_the_rest_goes_on() -> None:
    start_rows = np.array([(99, BUY, 5), (101, SELL, 5)], LEVEL_ROW)
    lines = [(1, ADD, BUY, 98, 3, 1), (2, TRADE, SELL, 101, 5, 9), (3, ADD, SELL, 102, 4, 2), (4, HALT, BUY, HALTED, 0, 0)]
    lines += [(5, ADD, SELL, 97, 4, 3), (6, CANCEL, SELL, 97, 4, 3), (7, HALT, BUY, 1, 0, 0), (8, ADD, SELL, 103, 4, 4)]
    events = np.zeros(len(lines), EVENT)
    for event, (second, kind, side, tick, lots, id) in zip(events, lines, strict=True):
        event["time"] = HOURS.open_ns + second * NS
        event["kind"], event["side"], event["tick"], event["lots"], event["id"] = kind, side, tick, lots, id
    frame = rows(start_rows, events, "event")
    quoted = [True, False, True, False, False, False, True, True]
    assert frame["mid2"].is_not_null().to_list() == quoted
    assert frame["imbalance_1"].is_not_null().to_list() == quoted
    assert frame["ofi_total_1"].to_list() == [0, 5, 1, 1, 1, 1, 1, 1]
    assert frame["signed_share_60s"].to_list()[1:] == [1.0] * 7
    empty = rows(np.zeros(0, LEVEL_ROW), events[:1], "event")
    assert empty["mid2"].to_list() == [None]


def test_a_day_without_events_has_no_rows(day: Day) -> None:
    frame = features_of(replace(day, events=day.events[:0]))
    assert (frame.height, frame.width) == (0, 5 + len(NAMES))


def test_volume_is_compared_with_earlier_days_where_they_are_given(day: Day) -> None:
    curve = usual_volume([day, day])
    frame = features_of(day, every="1s", curve=curve)
    assert abs(frame["volume_factor"][-1]) < math.log(2.0)
    assert features_of(day, every="1s")["volume_factor"].null_count() == frame.height


def test_integrated_weights_are_the_first_principal_component(day: Day) -> None:
    frame = features_of(day, every="1s")
    weights = integrated_weights(frame)
    assert sum(weights) == pytest.approx(1.0)
    levels = frame.select(f"ofi_level_{level}" for level in range(1, LEVELS + 1)).to_numpy()
    variances = [np.var(levels @ w) for w in (np.array(weights) / np.linalg.norm(weights), np.full(LEVELS, LEVELS**-0.5))]
    assert variances[0] >= variances[1]
    weighted = features_of(day, every="1s", weights=weights)
    np.testing.assert_allclose(weighted["ofi_all_10s"], levels @ np.array(weights), rtol=1e-9, atol=1e-9)


# What cannot be -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", ["", "0s", "-1s", "1parsec", "0events", "mids", "25h", "1e99s", "nan"])
def test_a_sampling_that_cannot_be_is_refused(every: str) -> None:
    with pytest.raises(BadInput):
        sampling(every)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"weights": (0.5, 0.5)}, "weights"),
        ({"weights": (math.nan,) * 10}, "weights"),
        ({"curve": (1.0,)}, "curve"),
        ({"curve": tuple(range(65, 0, -1))}, "curve"),
        ({"sweep_lots": -1.0}, "sweep_lots"),
        ({"bucket_lots": -1}, "bucket_lots"),
        ({"latency_ns": -1}, "latency_ns"),
        ({"evry": "1s"}, "evry"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(BadInput, match=word):
        FeatureStream(np.zeros(0, LEVEL_ROW), HOURS, **changes)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("kind", 9, "kind"),
        ("side", 0, "side"),
        ("lots", 0, "lots"),
        ("lots", 2**62, "lots"),
        ("tick", 2**31 - 1, "price"),
        ("time", 5, "time"),
    ],
)
def test_events_that_cannot_be_are_refused_and_change_nothing(field: str, value: int, word: str) -> None:
    start_rows, events, _ = played(1, 60)
    bad = events.copy()
    bad[field][40] = value
    stream = FeatureStream(start_rows, HOURS, every="event")
    with pytest.raises(BadInput, match=word):
        stream.take(bad)
    assert bits(stream.take(events)) == bits(rows(start_rows, events, "event"))


def test_time_does_not_go_back_between_slices() -> None:
    start_rows, events, _ = played(1, 60)
    stream = FeatureStream(start_rows, HOURS, every="event")
    stream.take(events[30:])
    with pytest.raises(BadInput, match="time"):
        stream.take(events[:30])
    with pytest.raises(BadInput, match="until"):
        stream.until(5)


@COMPILED
def test_a_book_that_is_full_is_said_and_a_whole_day_gets_a_larger_one(day: Day) -> None:
    events = np.zeros(BOOK_SIZES[0][1] + 1, EVENT)
    events["time"], events["kind"], events["side"], events["lots"], events["tick"] = HOURS.open_ns, ADD, BUY, 1, 100
    events["id"] = np.arange(len(events)) + 1
    with pytest.raises(BadInput, match="orders rest"):
        FeatureStream(np.zeros(0, LEVEL_ROW), HOURS).take(events)
    assert fitting(replace(day, events=events, start=day.start[:0])) == BOOK_SIZES[1]
    assert fitting(day) == BOOK_SIZES[0]


# Said ---------------------------------------------------------------------------------------------------------------------------


def test_every_feature_is_told_once_and_the_page_is_up_to_date() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(getattr(feature, field) for feature in FEATURES for field in ("family", "definition", "unit", "source", "warm_up"))
    assert (Path(__file__).resolve().parents[1] / "docs" / "features.md").read_text(encoding="utf-8") == table()


def test_write_fills_as_many_numbers_as_there_are_features() -> None:
    stream = FeatureStream(np.zeros(0, LEVEL_ROW), HOURS)
    out = np.full(len(NAMES) + 1, -7.5)
    assert features.write(stream.state, HOURS.open_ns, out) == len(NAMES)
    assert out[-1] == -7.5
    assert new_state(stream.settings, HOURS).params.every == NS


def test_the_command_writes_what_features_of_returns(day: Day, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    told = said(tercet("features", day.path, "--accept-bad-day", "--out", out, "--every", "10events", "--latency", "2us", "--json"))
    frame = pl.read_parquet(out)
    assert (told["rows"], told["features"], told["events"]) == (frame.height, len(NAMES), len(day.events))
    assert bits(frame) == bits(features_of(day, every="10events", latency_ns=2000))
    refused(tercet("features", day.path, "--accept-bad-day", "--out", out, "--every", "soon"), "soon")
    refused(tercet("features", tmp_path / "nowhere", "--out", out), "nowhere")
    refused(tercet("features"), "--out")


def test_the_book_of_a_stream_is_the_replayed_one(day: Day) -> None:
    stream = FeatureStream(day.start, hours_of(day))
    stream.take(day.events)
    book = new_books(1, *BOOK_SIZES[0])[0]
    start(book, day.start.view(np.recarray))
    apply_all(book, day.events.view(np.recarray))
    assert stream.book.live == book.live


@pytest.mark.slow
@pytest.mark.parametrize("flag", FLAGS)
def test_everything_holds_once_more(flag: str) -> None:
    run_again(flag, "test_features.py")
