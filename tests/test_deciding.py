"""Models asked message by message, as live code asks: the same rows and answers as of a whole day, and no answer about the past."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numba.core import config

pytest.importorskip("torch")
pytest.importorskip("onnx")

from tercet.bench import forecast
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.errors import BadInput
from tercet.market import lobster
from tercet.market.events import BUY, HALT, REVEAL
from tercet.market.store import Day, open_day, save
from tercet.signals import modelfile
from tercet.signals.days import hours_of
from tercet.signals.deciding import Deciding
from tercet.signals.exported import behind_scaler
from tercet.signals.fitted import fit
from tercet.signals.messagerows import ROW_NAMES, MessageRows, message_features, mirror_of
from tercet.signals.quick import quick
from tercet.signals.registry import EXPERTS
from tercet.signals.samples import CLASSES, DIRECTION, MEAN, Leak, Samples, Spans
from tercet.signals.task import direction

needs_compiled = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="a made day takes minutes with uncompiled code")
SHORT = {"rounds": 20, "epochs": 1, "ensemble": 2, "steps": 6, "patch": 3, "trees": 5, "refit": False}
NAMES = ("constant", "ols", "elastic-net", "logistic", "random-forest", "lightgbm", "xgboost", "mlp", "lstm", "transformer", "deeplob")


def small(name):
    """An expert that learns in a second."""
    expert = EXPERTS[name]
    given = {setting: value for setting, value in SHORT.items() if hasattr(expert, setting) and (setting != "steps" or name != "mlp")}
    return replace(expert, **given)


def history(target, classes=CLASSES, rows=900):
    """Seven features of which one matters, and one that never moves."""
    rng = np.random.default_rng(5)
    table = np.c_[rng.normal(3.0, 2.0, (rows, 6)), np.full(rows, 7.0)].astype(np.float32)
    value = table[:, 0] - 3.0 + rng.standard_normal(rows)
    if target == DIRECTION:
        value = np.sign(np.where(np.abs(value) < 1.0, 0.0, value)) if len(classes) == 3 else np.sign(value)
    now = np.arange(rows) * 10
    return Samples(table, tuple("abcdefg"), now, Spans(now, now + 5, value.astype(float), now + 5), 0, target)


@pytest.mark.parametrize(
    ("name", "target", "classes"),
    [
        (name, target, classes)
        for name in NAMES
        for target, classes in ((MEAN, CLASSES), (DIRECTION, CLASSES), (DIRECTION, (-1, 1)))
        if {"ols": MEAN, "logistic": DIRECTION}.get(name, target) == target
    ],
)
def test_a_row_at_a_time_is_answered_as_many_at_once(name, target, classes, tmp_path: Path) -> None:
    samples = history(target, classes)
    fitted = fit(small(name), samples.lesson(np.arange(600), 5_995))
    modelfile.save(fitted, tmp_path / "m")
    asked = np.arange(700, 900)
    wanted = fitted.model.answer(samples.questions(asked))
    for model in (fitted, modelfile.load(tmp_path / "m")):
        ask = quick(model)
        found = np.array([np.array(ask(samples.features[row])) for row in range(690, 900)])[10:]
        np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_trees_are_the_same_on_one_thread_and_on_two_and_take_one_without_being_told(name: str) -> None:
    samples = history(MEAN)
    lesson, asked = samples.lesson(np.arange(800), int(samples.now[850])), samples.questions(np.arange(860, 900))
    assert EXPERTS[name].threads == 1
    answers = [fit(replace(small(name), threads=threads), lesson).predict(asked).mean for threads in (1, 2)]
    assert answers[0].tobytes() == answers[1].tobytes()


def test_the_first_row_of_a_series_stands_for_those_before_it() -> None:
    samples = history(DIRECTION)
    fitted = fit(small("lstm"), samples.lesson(np.arange(600), 5_995))
    ask = quick(fitted)
    found = np.array([np.array(ask(samples.features[row])) for row in range(10)])
    np.testing.assert_allclose(found, fitted.model.answer(samples.questions(np.arange(10))), atol=1e-5)


def test_a_network_that_begins_without_its_scaler_is_refused() -> None:
    samples = history(DIRECTION)
    drawn = fit(small("lstm"), samples.lesson(np.arange(600), 5_995)).model.onnx()
    _, rest = behind_scaler(drawn)
    with pytest.raises(BadInput, match="begins with its scaler"):
        behind_scaler(rest)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Half an hour or so of a made market, from LOBSTER files: levels come into view."""
    home = tmp_path_factory.mktemp("day")
    files = write_lobster(home, *made_day(6_000, depth=3))
    return open_day(save(home / "made", lobster.read(*files, MADE, DATE), MADE, DATE))


@needs_compiled
def test_rows_of_messages_as_they_come_are_those_of_the_whole_day(day: Day) -> None:
    frame = message_features(day)
    names = tuple(name for name in frame.columns if name not in ("event_time", "mid2", "half_spread"))
    assert set(names) <= set(ROW_NAMES)
    wanted = frame.select(names).to_numpy().astype(np.float32)
    messages = list(forecast.messages_of(day))
    assert len(messages) == len(wanted)
    assert max(len(message) for message in messages) > 1
    rows, told = MessageRows(day.start, hours_of(day), names), 0
    for message, row in zip(messages, wanted, strict=True):
        found = rows.take(message)
        assert (found is None) == (not np.isfinite(row).all())
        if found is not None:
            told += 1
            np.testing.assert_array_equal(found, row)
    assert told > 1_000


@needs_compiled
def test_a_market_whose_bids_were_asks_has_the_images_of_its_rows(day: Day) -> None:
    events, start = np.array(day.events), np.array(day.start)
    assert not (events["kind"] == HALT).any()
    turned, pivot = events.copy(), 2 * int(np.median(events["tick"]))  # prices stay about where they were: returns are of them
    for rows in (turned, start):
        rows["side"], rows["tick"] = -rows["side"], pivot - rows["tick"]
    revealed = turned["kind"] == REVEAL
    turned["id"][revealed] = pivot - turned["id"][revealed]  # a tick too
    rows, _ = MessageRows(day.start, hours_of(day), ()).day(events)
    found, _ = MessageRows(start, hours_of(day), ()).day(turned)
    wanted = mirror_of(ROW_NAMES)(rows)
    assert np.isfinite(rows).sum() > 0.9 * rows.size
    told = np.isfinite(rows).any(axis=0)
    assert (np.isfinite(found) == np.isfinite(wanted)).all()
    table = zip(np.array(ROW_NAMES)[told], found.T[told].astype(float), wanted.T[told].astype(float), strict=True)
    away = {name: np.nanmax(np.abs(one - other)) / (np.nanmean(np.abs(other)) + 1e-12) for name, one, other in table}
    wrong = {name: share for name, share in away.items() if share > 0.02}
    assert wrong == {}
    assert not np.allclose(found, rows, 1e-3, 1e-4, True)


@needs_compiled
def test_a_feature_of_one_side_that_was_never_told_is_left_out_with_its_other(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MessageRows.day

    def thin(rows: MessageRows, events):
        table, mids = real(rows, events)
        table[:, ROW_NAMES.index("sweep_buy")] = np.nan
        return table, mids

    monkeypatch.setattr(MessageRows, "day", thin)
    frame = message_features(day)
    assert not {"sweep_buy", "sweep_sell"} & set(frame.columns)
    assert direction(day, 10, frame=frame).samples.mirror is not None


@needs_compiled
def test_a_message_that_cannot_be_is_refused_and_changes_nothing(day: Day) -> None:
    rows, other = (MessageRows(day.start, hours_of(day), ("spread", "message_lots")) for _ in range(2))
    messages = list(forecast.messages_of(day))
    for wrong, sentence in (
        (np.r_[messages[0], messages[1]], "one message"),
        (messages[0][:0], "one message"),
        (np.repeat(messages[0], 300), "one message"),
    ):
        with pytest.raises(BadInput, match=sentence):
            rows.take(wrong)
    broken = messages[0].copy()
    broken["lots"] = 0
    with pytest.raises(BadInput, match="lots"):
        rows.take(broken)
    for message in messages[:50]:
        np.testing.assert_array_equal(rows.take(message), other.take(message))
    with pytest.raises(BadInput, match="expected a time from"):
        rows.take(messages[0])
    with pytest.raises(BadInput, match="luck"):
        MessageRows(day.start, hours_of(day), ("luck",))


@needs_compiled
def test_models_decide_at_each_message_and_refuse_what_they_know(day: Day) -> None:
    task = direction(day, 10)
    samples = task.samples
    half = len(samples) // 2
    cut = int(samples.now[half])
    known = np.flatnonzero((samples.spans.available < cut) & (samples.now < cut))
    models = {name: fit(small(name), samples.lesson(known, cut)) for name in ("lightgbm", "xgboost")}
    deciding = Deciding(models, day.start, hours_of(day))
    messages = list(forecast.messages_of(day))
    with pytest.raises(Leak):
        deciding.take(messages[0])
    found = []
    for message in messages:
        if int(message["time"][0]) <= deciding.known:
            deciding.rows.take(message)
        elif (told := deciding.take(message)) is not None:
            found.append(np.concatenate(list(told.values())))
    asked = samples.questions(np.arange(len(samples) - 200, len(samples)))
    wanted = np.concatenate([fitted.predict(asked).chances for fitted in models.values()], axis=1)
    np.testing.assert_allclose(np.array(found)[-210:-10], wanted, atol=1e-5)  # the last ten have no label
    with pytest.raises(BadInput, match="sets of features"):
        Deciding({}, day.start, hours_of(day))


@needs_compiled
@pytest.mark.slow
def test_the_bench_measures_each_part_and_the_stack() -> None:
    figures = forecast.measure(6_000, 1)
    parts = ("stack", "features", *forecast.STACK, *forecast.BESIDE)
    assert set(figures) == {f"forecast.{name}_us" for name in parts}
    assert all(value > 0 for value in figures.values())
    assert figures["forecast.stack_us"] > figures["forecast.transformer_us"]


@needs_compiled
def test_where_a_side_ends_no_next_level_stands_in_the_row_and_live_rows_are_those_of_the_day(day: Day) -> None:
    messages = list(forecast.messages_of(day))[:20]
    names = ("spread", "gap_1_bid", "gap_1_ask")
    whole, ended = (MessageRows(day.start, hours_of(day), names) for _ in range(2))
    before = [whole.take(message) for message in messages][-1]
    ends = messages[-1][-1:].copy()
    bid = int(whole._book["sides"][0, 0]["top"])
    ends["kind"], ends["side"], ends["id"], ends["tick"], ends["lots"] = REVEAL, BUY, bid, -(2**30), 0
    messages[-1] = np.concatenate([messages[-1], ends])
    after = [ended.take(message) for message in messages][-1]
    assert before is not None
    assert after is not None
    assert before[1] < after[1] == np.float32(np.log1p(1000))
    assert (before[[0, 2]] == after[[0, 2]]).all()
    table, _ = MessageRows(day.start, hours_of(day), ()).day(np.concatenate(messages))
    np.testing.assert_array_equal(table[-1][[ROW_NAMES.index(name) for name in names]], after)
