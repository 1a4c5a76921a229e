"""A simulated day: stored like a recorded one, the same as its own LOBSTER files, whole or not at all."""

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from crowd_days import DEPTHS, all_days
from test_cli import refused, said, tercet

from tercet.errors import BadInput, TercetError
from tercet.market import lobster, lobster_files
from tercet.market.calendar import SECOND, Session, at_clock, trading_session
from tercet.market.events import ADD, BUY, CANCEL, CROSS, EVENT, HALT, HIDDEN, REDUCE, REVEAL, SELL, TRADE
from tercet.market.instruments import Instrument
from tercet.sim.settings import CROWDS
from tercet.sim.tape import pieces

DAY = date(2024, 3, 5)
WORDS = ["simulate", "--market", "crowd:default", "--date", DAY, "--until", "09:45", "--json"]
NAME = "DEFAULT_2024-03-05"
FILES = [f"{NAME}_34200000_35100000_{part}_10.csv" for part in ("message", "orderbook")]


@pytest.fixture(autouse=True, scope="module")
def _numbers_may_wrap() -> Iterator[None]:
    with np.errstate(over="ignore"):  # as in machine code; matters with NUMBA_DISABLE_JIT=1
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a quarter of an hour of crowd:default."""
    folder = tmp_path_factory.mktemp("simulated") / "store"
    said(tercet(*WORDS, "--out", folder))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The command --------------------------------------------------------------------------------------------------------------------


def test_a_simulated_day_is_what_an_import_of_its_files_gives_and_replays_without_a_mismatch(store: Path, tmp_path: Path) -> None:
    messages, book = (store / "lobster" / name for name in FILES)
    imported = Path(said(tercet("import", "lobster", messages, "--book", book, "--out", tmp_path, "--json"))["day"])
    assert contents(imported) == contents(store / NAME)
    verified = said(tercet("replay", imported, "--verify", book, "--json"))
    assert (verified["rows"], verified["mismatches"]) == (len(messages.read_text().splitlines()), 0)
    assert verified["revealed"] > 0
    checked = said(tercet("check", store / NAME, "--json"))
    assert checked["verdict"] != "bad"
    assert {checked["counts"][fault] for fault in ("crossed", "malformed", "missing_lots", "clock_back", "off_best")} == {0}


def test_a_backtest_trades_a_simulated_day(store: Path, tmp_path: Path) -> None:
    words = ["--policies", "twap,passive", "--parents", 8, "--size", 500, "--horizon", "1min", "--json", tmp_path / "costs.json"]
    run = tercet("backtest", "--market", f"history:{store / NAME}", *words)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "costs.json").exists()


def test_the_same_seed_gives_the_same_bytes_and_is_no_other_day_to_the_store(store: Path, tmp_path: Path) -> None:
    said_again = said(tercet(*WORDS, "--out", tmp_path / "store"))
    assert contents(tmp_path / "store") == contents(store)
    assert said(tercet(*WORDS, "--out", tmp_path / "store")) == said_again
    assert contents(tmp_path / "store") == contents(store)


def test_another_seed_is_another_day_and_takes_the_place_of_one_only_where_asked(store: Path, tmp_path: Path) -> None:
    here = shutil.copytree(store, tmp_path / "store")
    other = [*WORDS, "--out", here, "--seed", 1]
    refused(tercet(*other), FILES[0], "replace")
    (here / "lobster" / FILES[0]).unlink()
    (here / "lobster" / FILES[1]).unlink()
    refused(tercet(*other), NAME, "replace")
    assert contents(here) == {name: content for name, content in contents(store).items() if not name.startswith("lobster")}
    said(tercet(*other, "--replace"))
    replaced = contents(here)
    assert replaced.keys() == contents(store).keys()
    assert all(replaced[name] != content for name, content in contents(store).items())


def test_the_answer_names_the_day_its_files_and_its_counts(tmp_path: Path) -> None:
    words = ["--out", tmp_path / "store", "--lobster", tmp_path / "files", "--depth", 3, "--symbol", "MY_OWN", "--seed", 2**63 - 1]
    answer = said(tercet(*WORDS, *words))
    assert Path(answer["day"]) == tmp_path / "store" / "MY_OWN_2024-03-05"
    messages, book = Path(answer["messages"]), Path(answer["orderbook"])
    assert (messages.parent, book.name) == (tmp_path / "files", "MY_OWN_2024-03-05_34200000_35100000_orderbook_3.csv")
    assert (answer["seed"], answer["depth"], answer["warnings"]) == (2**63 - 1, 3, [])
    assert answer["rows"] == len(messages.read_text().splitlines()) == sum(answer["counts"].values()) - answer["counts"]["reveal"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "store"]
    again = said(tercet("import", "lobster", messages, "--book", book, "--out", tmp_path / "again", "--json"))
    assert Path(again["day"]).name == "MY_OWN_2024-03-05"  # the file's name says the symbol, the underscore in it too


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--market", "crowd:nobody"], ["crowd:nobody", "expected crowd:", "default"]),
        (["--market", "history:store"], ["history:store", "expected crowd:"]),
        (["--date", "5 March"], ["5 March", "expected YYYY-MM-DD"]),
        (["--date", "2024-03-09"], ["2024-03-09", "Saturday"]),
        (["--date", "1900-01-01"], ["1900-01-01", "expected a year"]),
        (["--depth", "0"], ["depth was 0", "expected"]),
        (["--depth", "201"], ["depth was 201", "200"]),
        (["--seed", "-1"], ["seed was -1", "expected"]),
        (["--seed", "9" * 20], ["seed was", "expected"]),
        (["--symbol", "../up"], ["../up", "expected"]),
        (["--symbol", ""], ["symbol ''", "expected"]),
        (["--until", "09:30"], ["until was '09:30'", "16:00"]),
        (["--until", "16:01"], ["until was '16:01'", "16:00"]),
        (["--until", "noon"], ["noon", "expected HH:MM"]),
        (["--until", "09:30:00.000001"], ["expected HH:MM"]),
    ],
)
def test_bad_words_are_answered_by_a_sentence_and_leave_nothing(words: list[str], sentence: list[str], tmp_path: Path) -> None:
    refused(tercet(*WORDS, "--out", "store", *words, cwd=tmp_path), *sentence)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    "places", [["--out", "file/store"], ["--out", "store", "--lobster", "file"], ["--out", "file", "--lobster", "new"]]
)
def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(places: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    refused(tercet(*WORDS, *places, cwd=tmp_path), "file", "expected")
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    cache = {**os.environ, "NUMBA_DISABLE_JIT": "0"}
    refused(tercet(*WORDS, "--out", tmp_path / "store", preexec_fn=small_files_only, env=cache), str(tmp_path / "store"), "too large")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("crowd", [name for name in CROWDS if name != "hawkes"])  # which is the default
def test_every_crowd_is_replayed_without_a_mismatch_at_every_depth(crowd: str) -> None:
    found = [result for _, result in all_days([crowd], list(DEPTHS), 1, "09:31")]
    assert [result.mismatches for result in found] == [0] * len(DEPTHS)
    assert min(result.rows for result in found) > 200


# The tape -----------------------------------------------------------------------------------------------------------------------

HOURS = trading_session(DAY)


def told(most: int, clock: str = "09:31", levels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """What a tape cut into pieces of `most` tells until then, in one."""
    hours = HOURS.open_ns, HOURS.close_ns
    events, rows = zip(*pieces(CROWDS["default"], 3, hours, at_clock(DAY, clock), levels, most), strict=True)
    assert {len(piece) for piece in events[:-1]} <= {most}
    return np.concatenate(events), np.concatenate(rows)


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_a_tape_is_the_same_however_it_is_cut(most: int) -> None:
    events, rows = told(100_000)
    sweeps = (events["time"][1:] == events["time"][:-1]).sum()
    assert sweeps > 20  # some of which the cuts go through
    cut_events, cut_rows = told(most)
    assert cut_events.tobytes() == events.tobytes()
    assert (cut_rows == rows).all()


def test_a_day_that_stops_earlier_is_the_beginning_of_the_longer_one() -> None:
    shorter, longer = told(5000)[0], told(5000, "09:33")[0]
    assert shorter.tobytes() == longer[: len(shorter)].tobytes()
    assert shorter["time"][-1] < at_clock(DAY, "09:31") <= longer["time"][len(shorter)]


def test_a_tape_tells_only_what_changes_the_levels_shown() -> None:
    _, rows = told(5000, levels=2)
    assert len(rows) < len(told(5000)[1])
    assert (rows[1:] != rows[:-1]).any(axis=(1, 2, 3)).all()


# The files ----------------------------------------------------------------------------------------------------------------------

FIRST = Session(HOURS.open_ns, HOURS.open_ns + SECOND)
EVENTS = np.array(
    [
        (FIRST.open_ns + 1, 11, 5, 1000, 0, ADD, BUY),
        (FIRST.open_ns + 2, 7, 10, 1002, 0, TRADE, SELL),
        (FIRST.open_ns + 2, 11, 2, 1000, 0, REDUCE, BUY),
        (FIRST.open_ns + 3, 0, 3, 1001, 5000, HIDDEN, SELL),
        (FIRST.open_ns + 4, 0, 3, 1001, 0, CROSS, BUY),
        (FIRST.open_ns + 5, 0, 0, -1, 0, HALT, SELL),
        (FIRST.open_ns + 6, 11, 3, 1000, 0, CANCEL, BUY),
    ],
    EVENT,
)
BIDS, ASKS = [(1000, 15), (999, 20)], [(1003, 30), (1005, 7)]
LESS = [[(1000, 13), (999, 20)], ASKS]
SHOWN = np.array([[BIDS, [(1002, 10), (1003, 30)]], [BIDS, ASKS], LESS, LESS, LESS, LESS, [[(1000, 10), (999, 20)], ASKS]])


def same_day(one: Any, other: Any) -> bool:
    """Whether two days hold the same in every field."""
    arrays = one.events.tobytes() == other.events.tobytes() and one.start.tobytes() == other.start.tobytes()
    return bool(arrays and (one.depth, one.counts, one.warnings, one.sources) == (other.depth, other.counts, other.warnings, other.sources))


@pytest.mark.parametrize(("tick", "lot"), [("0.01", "1"), ("0.0002", "100")])
@pytest.mark.parametrize("cuts", [[], [1], [2, 3], [1, 2, 3, 4, 5, 6]])
def test_events_of_every_kind_are_read_back_as_they_were_however_they_came(cuts: list[int], tick: str, lot: str, tmp_path: Path) -> None:
    instrument = Instrument("TEST", tick, lot)
    parts = zip(np.split(EVENTS, cuts), np.split(SHOWN, cuts), strict=True)
    pair = lobster_files.write(tmp_path, parts, instrument, DAY, FIRST, 2)
    assert same_day(pair.recorded, lobster.read(pair.messages, pair.orderbook, instrument, DAY))
    assert (lobster.read_book(pair.orderbook, instrument) == SHOWN).all()
    events = pair.recorded.events
    assert events[events["kind"] != REVEAL].tobytes() == EVENTS.tobytes()
    assert pair.recorded.counts["reveal"] == 1


def test_the_files_are_named_and_written_as_lobster_does(tmp_path: Path) -> None:
    pair = lobster_files.write(tmp_path, [(EVENTS[:4], SHOWN[:4])], Instrument("TEST"), DAY, FIRST, 2)
    assert pair.messages.name == "TEST_2024-03-05_34200000_34201000_message_2.csv"
    assert pair.orderbook.name == "TEST_2024-03-05_34200000_34201000_orderbook_2.csv"
    assert pair.messages.read_text().splitlines()[-1] == "34200.000000003,5,0,3,100150,-1"
    assert pair.orderbook.read_text().splitlines()[-1] == "100300,30,100000,13,100500,7,99900,20"


def test_a_recorded_day_is_written_back_as_it_was(real_data: Path, tmp_path: Path) -> None:
    goog, day = Instrument("GOOG"), date(2012, 6, 21)
    sources = [real_data / "lobster" / f"GOOG_2012-06-21_34200000_57600000_{part}_10.csv.zst" for part in ("message", "orderbook")]
    read = lobster.read(*sources, goog, day)
    events, shown = read.events[read.events["kind"] != REVEAL], lobster.read_book(sources[1], goog)
    cuts = range(20_000, len(events), 20_000)
    pair = lobster_files.write(
        tmp_path, zip(np.split(events, cuts), np.split(shown, cuts), strict=True), goog, day, trading_session(day), 10
    )
    assert [path.name + ".zst" for path in (pair.messages, pair.orderbook)] == [path.name for path in sources]
    assert pair.orderbook.read_bytes() == zstandard.decompress(sources[1].read_bytes())
    assert pair.recorded.events.tobytes() == read.events.tobytes()
    assert lobster.read(pair.messages, None, goog, day).events.tobytes() == events.tobytes()


def test_an_empty_level_is_written_as_lobster_does(tmp_path: Path) -> None:
    shown = SHOWN[:1].copy()
    shown[0, :, 1] = 0
    pair = lobster_files.write(tmp_path, [(EVENTS[:1], shown)], Instrument("TEST"), DAY, FIRST, 2)
    assert pair.orderbook.read_text() == "100200,10,100000,15,9999999999,0,-9999999999,0\n"


def test_a_book_that_no_message_leads_to_is_refused(tmp_path: Path) -> None:
    shown = SHOWN.copy()
    shown[3, 0, 0, 1] += 1
    with pytest.raises(TercetError, match="lead to the book after it"):
        lobster_files.write(tmp_path, [(EVENTS, shown)], Instrument("TEST"), DAY, FIRST, 2)


def test_a_day_without_a_message_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected messages, found none"):
        lobster_files.write(tmp_path, [], Instrument("TEST"), DAY, FIRST, 2)
