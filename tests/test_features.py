"""Features are what their papers say, know nothing of the future, and are the same in batch, in a stream and in the simulator."""

from typing import Any

import polars as pl
import pytest

from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.market import lobster
from tercet.market.store import Day, open_day, save
from tercet.signals.catalogue import NAMES
from tercet.signals.days import FeatureStream, features_of, hours_of

MESSAGES = 6000
EVERY = ("1s", "10events", "event", "mid")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A stretch of a crowd's day."""
    folder = tmp_path_factory.mktemp("made")
    messages, book = write_lobster(folder, *made_day(MESSAGES))
    return open_day(save(folder / "store", lobster.read(messages, book, MADE, DATE), MADE, DATE))


def streamed(day: Day, slices: Any, every: str) -> pl.DataFrame:
    """The rows of a day's events taken in slices of those sizes, over and over."""
    stream = FeatureStream(day.start, hours_of(day), every=every)
    rows, at, turn = [stream.take(day.events[:0])], 0, 0
    while at < len(day.events):
        rows.append(stream.take(day.events[at : at + slices[turn % len(slices)]]))
        at += slices[turn % len(slices)]
        turn += 1
    return pl.concat([*rows, stream.until(int(day.events["time"][-1]))])


def same(rows: pl.DataFrame, others: pl.DataFrame) -> bool:
    """Whether two frames are the same bit for bit."""
    return rows.equals(others, null_equal=True)


@pytest.mark.parametrize("every", EVERY)
def test_a_stream_gives_the_rows_of_the_batch_bit_for_bit(day: Day, every: str) -> None:
    batch = features_of(day, every=every)
    assert batch.height > 50
    assert batch.columns[5:] == list(NAMES)
    assert same(batch, streamed(day, (1, 7, 100, 1), every))
