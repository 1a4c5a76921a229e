"""Days from LOBSTER files of any depth, through the store, into an exact book."""

import datetime
from pathlib import Path

import numpy as np
import pytest

from tercet.backtest.days import fitting_book, replayed, verified
from tercet.backtest.markets import history_market
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.book.invariants import broken, crossed
from tercet.errors import BadInput
from tercet.market import lobster
from tercet.market.instruments import Instrument
from tercet.market.store import Day, open_day, save

MESSAGES = 20_000
GOOG = "GOOG_2012-06-21_34200000_57600000_{}_10.csv.zst"
AAPL = "AAPL_head_{}_10_YileZheng.csv.zst"


def stored(folder: Path, depth: int, seed: int = 0) -> tuple[Day, np.ndarray]:
    """A made day of that depth, and the orderbook that was recorded of it."""
    messages, book = write_lobster(folder, *made_day(MESSAGES, depth, seed))
    home = save(folder / "store", lobster.read(messages, book, MADE, DATE), MADE, DATE)
    return open_day(home), lobster.read_book(book, MADE)


@pytest.mark.parametrize("depth", [1, 3, 10, 50])
def test_a_book_kept_from_messages_equals_the_recorded_one_at_any_depth(depth: int, tmp_path: Path) -> None:
    day, rows = stored(tmp_path, depth)
    result = verified(day, rows, tmp_path)
    assert (result.rows, result.mismatches, result.first_mismatch_row) == (MESSAGES, 0, None)
    assert result.revealed == day.meta.counts["reveal"]


def test_a_replay_leaves_a_sound_book(tmp_path: Path) -> None:
    ended = replayed(stored(tmp_path, 10)[0])
    assert broken(ended.book) == 0
    assert not crossed(ended.book)
    assert (ended.short_removals, ended.missing_lots) == (0, 0)


def test_one_changed_row_of_the_recorded_book_is_one_mismatch(tmp_path: Path) -> None:
    day, rows = stored(tmp_path, 10)
    rows[7000, 1, 3, 1] += 1
    result = verified(day, rows, tmp_path)
    assert (result.mismatches, result.first_mismatch_row) == (1, 7001)


def test_a_cancellation_of_more_than_stands_is_a_mismatch_though_the_levels_agree(tmp_path: Path) -> None:
    day, rows = stored(tmp_path, 10)
    alone = np.flatnonzero((day.events["kind"] == 3) & (np.roll(day.events["kind"], -1) == 8))[0]
    day.events["lots"][alone] += 1
    assert verified(day, rows, tmp_path).mismatches > 0


def test_too_few_rows_are_refused_with_both_counts(tmp_path: Path) -> None:
    day, rows = stored(tmp_path, 10)
    with pytest.raises(BadInput, match=f"100 rows; expected {MESSAGES}"):
        verified(day, rows[:100], tmp_path)


def test_a_market_takes_volume_and_curve_from_other_days_only(tmp_path: Path) -> None:
    messages, book = write_lobster(tmp_path, *made_day(MESSAGES))
    recorded = lobster.read(messages, book, MADE, DATE)
    home = save(tmp_path, recorded, MADE, DATE)
    alone = history_market(open_day(home))
    assert alone.volume_source == "the day itself, for sizes only"
    assert "2014" in alone.curve.provenance
    other = save(tmp_path, recorded, MADE, DATE + datetime.timedelta(days=1))
    beside = history_market(open_day(home))
    assert beside.volume_source == "mean of 1 other stored days"
    assert other.name in beside.curve.provenance
    assert home.name not in beside.curve.provenance


@pytest.mark.parametrize(("files", "symbol", "rows", "revealed"), [(GOOG, "GOOG", 147_916, 44_451), (AAPL, "AAPL", 999, 318)])
def test_recorded_days_have_no_mismatch(real_data: Path, tmp_path: Path, files: str, symbol: str, rows: int, revealed: int) -> None:
    messages, book = (real_data / "lobster" / files.format(kind) for kind in ("message", "orderbook"))
    instrument, date = Instrument(symbol=symbol), datetime.date(2012, 6, 21)
    day = open_day(save(tmp_path, lobster.read(messages, book, instrument, date), instrument, date))
    result = verified(day, lobster.read_book(book, instrument), book)
    assert (result.rows, result.mismatches, result.revealed) == (rows, 0, revealed)
    assert fitting_book(day) == (2048, 2048)
