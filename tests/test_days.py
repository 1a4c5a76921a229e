"""Days from LOBSTER files of any depth, through the store, into an exact book."""

import datetime
from pathlib import Path

import numpy as np
import pytest

from tercet.backtest.days import fitting_book, replayed, verified
from tercet.backtest.markets import history_market
from tercet.backtest.parents import plan
from tercet.backtest.runner import Settings, run
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.book.invariants import broken, crossed
from tercet.errors import BadInput
from tercet.execution.schedules import by_name
from tercet.market import lobster
from tercet.market.events import BUY
from tercet.market.instruments import Instrument
from tercet.market.recorded import Recorded, count_kinds
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


def test_a_market_takes_volume_and_curve_from_earlier_days_of_its_symbol_only(tmp_path: Path) -> None:
    messages, book = write_lobster(tmp_path, *made_day(MESSAGES))
    recorded = lobster.read(messages, book, MADE, DATE)
    yesterday, today, tomorrow = (DATE + datetime.timedelta(days=days) for days in (-1, 0, 1))
    home = save(tmp_path, recorded, MADE, today)
    save(tmp_path, recorded, MADE, tomorrow)
    save(tmp_path, recorded, Instrument(symbol="MADE_X"), yesterday)
    alone = history_market(open_day(home))
    assert alone.volume_source.startswith("no earlier day")
    assert "2014" in alone.curve.provenance
    earlier = save(tmp_path, recorded, MADE, yesterday)
    beside = history_market(open_day(home))
    assert beside.volume_source == "mean of 1 earlier days"
    assert beside.curve.provenance.endswith(earlier.name)


def test_a_broken_folder_beside_a_day_is_passed_over_and_said(tmp_path: Path) -> None:
    day, _ = stored(tmp_path, 10)
    broken_one = day.path.parent / "MADE_1999-01-04"
    broken_one.mkdir()
    (broken_one / "day.json").write_text("{")
    assert any("passed over" in note and str(broken_one) in note for note in history_market(day).notes)


def test_a_bad_day_is_refused_and_where_it_is_accepted_a_warning_says_why(tmp_path: Path) -> None:
    day, _ = stored(tmp_path, 10)
    assert not any("bad day" in note for note in history_market(day).notes)
    messages = next(tmp_path.glob("*_message_10.csv"))
    blind = open_day(save(tmp_path / "blind", lobster.read(messages, None, MADE, DATE), MADE, DATE))
    with pytest.raises(BadInput, match=r"is a bad day: .* expected a usable one, or --accept-bad-day"):
        history_market(blind)
    accepted = history_market(blind, accept_bad_day=True)
    said = " ".join(accepted.notes)
    assert accepted.bad
    assert "is a bad day, accepted: " in said
    assert "without its orderbook" in said


def test_a_day_whose_events_were_changed_is_not_traded(tmp_path: Path) -> None:
    day, _ = stored(tmp_path, 10)
    content = bytearray((day.path / "events.npy").read_bytes())
    content[-5000] ^= 1
    (day.path / "events.npy").write_bytes(content)
    with pytest.raises(BadInput, match="checksum"):
        history_market(open_day(day.path))


def test_a_market_where_nobody_sells_has_no_arrival_price_and_says_so(tmp_path: Path) -> None:
    day, _ = stored(tmp_path, 10)
    bids = day.events[day.events["side"] == BUY]
    start = day.start[day.start["side"] == BUY]
    recorded = Recorded(bids, start, 10, count_kinds(bids), [], [])
    lonely = history_market(open_day(save(tmp_path / "lonely", recorded, MADE, DATE)), accept_bad_day=True)
    with pytest.raises(BadInput, match="one side of the book was empty"):
        run(lonely, plan(lonely, 2, "100", 10**10, "both", 0), [by_name("twap")], Settings())


@pytest.mark.parametrize(("files", "symbol", "rows", "revealed"), [(GOOG, "GOOG", 147_916, 44_451), (AAPL, "AAPL", 999, 318)])
def test_recorded_days_have_no_mismatch(real_data: Path, tmp_path: Path, files: str, symbol: str, rows: int, revealed: int) -> None:
    messages, book = (real_data / "lobster" / files.format(kind) for kind in ("message", "orderbook"))
    instrument, date = Instrument(symbol=symbol), datetime.date(2012, 6, 21)
    day = open_day(save(tmp_path, lobster.read(messages, book, instrument, date), instrument, date))
    result = verified(day, lobster.read_book(book, instrument), book)
    assert (result.rows, result.mismatches, result.revealed) == (rows, 0, revealed)
    assert fitting_book(day) == (2048, 2048)
