"""The store: a day is there whole or not at all, is what was stored, and is refused where it is not."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest

import tercet
from tercet.errors import BadInput
from tercet.market.events import ADD, BUY, CANCEL, EVENT, LEVEL_ROW, SELL
from tercet.market.instruments import Fees, Instrument
from tercet.market.recorded import Recorded, Source, count_kinds
from tercet.market.store import EVENTS, SIDECAR, open_day, save

DAY = date(2012, 6, 21)
TEST = Instrument("TEST", fees=Fees(taker_bps=1.5))
NAME = "TEST_2012-06-21"


def recorded(rows: int = 4, source: str = "a") -> Recorded:
    events = np.zeros(rows, EVENT)
    events["time"], events["kind"], events["side"] = np.arange(rows) + 7, ADD, BUY
    events["kind"][1:2] = CANCEL
    start = np.array([(1000, BUY, 3), (1001, SELL, 2**40)], LEVEL_ROW)
    return Recorded(events, start, 1, count_kinds(events), ["row 3 is odd"], [Source("m.csv", 9, source * 64)])


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """What a full disk does to a writer: the kernel refuses what is beyond (EFBIG for ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_stored_day_is_what_was_recorded(tmp_path: Path) -> None:
    path = save(tmp_path / "new" / "store", recorded(), TEST, DAY, "Europe/Paris")
    day = open_day(path)
    assert path == tmp_path / "new" / "store" / NAME
    assert (day.events == recorded().events).all()
    assert (day.start == recorded().start).all()
    assert (day.events.dtype, day.start.dtype) == (EVENT, LEVEL_ROW)
    meta = day.meta
    assert (meta.symbol, meta.date, meta.tz, meta.instrument, meta.depth) == ("TEST", DAY, "Europe/Paris", TEST, 1)
    assert (meta.first_time, meta.last_time, meta.counts["cancel"]) == (7, 10, 1)
    assert (meta.warnings, meta.sources, meta.version) == (["row 3 is odd"], recorded().sources, tercet.__version__)
    day.verify()


def test_what_is_written_into_stored_events_does_not_reach_the_store(tmp_path: Path) -> None:
    home = save(tmp_path, recorded(), TEST, DAY)
    open_day(home).events["lots"][0] += 1
    open_day(home).verify()


def test_the_events_file_opens_with_plain_numpy(tmp_path: Path) -> None:
    events = np.load(save(tmp_path, recorded(), TEST, DAY) / EVENTS, mmap_mode="r")
    assert (events == recorded().events).all()


def test_a_day_without_events_is_kept(tmp_path: Path) -> None:
    day = open_day(save(tmp_path, recorded(0), TEST, DAY))
    assert (len(day.events), day.meta.first_time) == (0, 0)


def test_a_day_from_the_same_files_is_replaced_and_one_from_others_refused(tmp_path: Path) -> None:
    path = save(tmp_path, recorded(4), TEST, DAY)
    before = open_day(path).events
    save(tmp_path, recorded(5), TEST, DAY)
    assert len(open_day(path).events) == 5
    assert before["time"].tolist() == [7, 8, 9, 10]  # who has the old day open keeps it
    with pytest.raises(BadInput, match=rf"{NAME}: expected no day from other files, found one from m\.csv"):
        save(tmp_path, recorded(6, "b"), TEST, DAY)
    assert len(open_day(path).events) == 5
    save(tmp_path, recorded(6, "b"), TEST, DAY, replace=True)
    assert len(open_day(path).events) == 6
    assert os.listdir(tmp_path) == [NAME]


def test_a_broken_day_is_overwritten_only_when_asked(tmp_path: Path) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    (path / SIDECAR).write_text("{")
    with pytest.raises(BadInput, match="found one from nothing that can be read"):
        save(tmp_path, recorded(), TEST, DAY)
    save(tmp_path, recorded(), TEST, DAY, replace=True)
    open_day(path).verify()


def test_nothing_is_left_when_the_disk_is_full(tmp_path: Path) -> None:
    with no_file_larger_than(100_000), pytest.raises(BadInput, match=rf"{NAME}: expected to store a day there, found: File too large"):
        save(tmp_path, recorded(10_000), TEST, DAY)
    assert os.listdir(tmp_path) == []


def test_the_old_day_stays_when_the_disk_is_full(tmp_path: Path) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    with no_file_larger_than(100_000), pytest.raises(BadInput, match="File too large"):
        save(tmp_path, recorded(10_000), TEST, DAY)
    open_day(path).verify()
    assert os.listdir(tmp_path) == [NAME]


def test_a_full_device_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="No space left on device"):
        save(tmp_path, recorded(), TEST, DAY)
    assert os.listdir(tmp_path) == []


def test_a_store_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(BadInput, match="expected to store a day there, found: "):
        save(tmp_path / "store", recorded(), TEST, DAY)


def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.new").mkdir()
    (tmp_path / f".{NAME}.new" / EVENTS).write_bytes(b"half")
    save(tmp_path, recorded(), TEST, DAY)
    assert os.listdir(tmp_path) == [NAME]


def test_a_save_killed_between_its_renames_loses_no_day(tmp_path: Path) -> None:
    save(tmp_path, recorded(), TEST, DAY).rename(tmp_path / f".{NAME}.old")
    with pytest.raises(BadInput, match="other files"):
        save(tmp_path, recorded(4, "b"), TEST, DAY)
    open_day(tmp_path / NAME).verify()
    assert os.listdir(tmp_path) == [NAME]


def test_saves_of_one_day_at_once_leave_one_whole_day(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda rows: save(tmp_path, recorded(rows), TEST, DAY), range(1, 25)))
    open_day(tmp_path / NAME).verify()
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("symbol", ["", "../up", "BTC/USDT", ".hidden", "a b", "A\n"])
def test_a_symbol_that_is_no_name_of_a_folder_is_refused(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(BadInput, match="symbol"):
        save(tmp_path, recorded(), Instrument(symbol), DAY)
    assert os.listdir(tmp_path) == []


def test_a_zone_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="time zone"):
        save(tmp_path, recorded(), TEST, DAY, "America/Gotham")


def without_sidecar(path: Path) -> None:
    (path / SIDECAR).unlink()


def cut_sidecar(path: Path) -> None:
    (path / SIDECAR).write_bytes((path / SIDECAR).read_bytes()[:99])


def binary_sidecar(path: Path) -> None:
    (path / SIDECAR).write_bytes(b"\xff\xfe\x00")


def empty_sidecar(path: Path) -> None:
    (path / SIDECAR).write_text('{"format": 1}')


def other_format(path: Path) -> None:
    (path / SIDECAR).write_text('{"format": 99, "what": "a later Tercet knows"}')


def tickless_instrument(path: Path) -> None:
    (path / SIDECAR).write_bytes((path / SIDECAR).read_bytes().replace(b'"0.01"', b'"0"'))


def huge_start(path: Path) -> None:
    (path / SIDECAR).write_bytes((path / SIDECAR).read_bytes().replace(b"1001", b"99999999999999"))


def without_events(path: Path) -> None:
    (path / EVENTS).unlink()


def empty_events(path: Path) -> None:
    (path / EVENTS).write_bytes(b"")


def cut_events(path: Path) -> None:
    (path / EVENTS).write_bytes((path / EVENTS).read_bytes()[:-1])


def longer_events(path: Path) -> None:
    (path / EVENTS).write_bytes((path / EVENTS).read_bytes() + b"\0")


def garbled_events(path: Path) -> None:
    (path / EVENTS).write_bytes(b"garbage" * 100)


def zipped_events(path: Path) -> None:
    with (path / EVENTS).open("wb") as file:
        np.savez(file, recorded().events)


def other_dtype(path: Path) -> None:
    np.save(path / EVENTS, np.zeros(4))


def other_shape(path: Path) -> None:
    np.save(path / EVENTS, recorded().events.reshape(2, 2))


def fewer_events(path: Path) -> None:
    np.save(path / EVENTS, recorded(3).events)


def without_folder(path: Path) -> None:
    shutil.rmtree(path)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (without_folder, f"{NAME}: expected the folder of a stored day, found none"),
        (without_sidecar, "day.json: expected the sidecar of a stored day, found: No such file"),
        (cut_sidecar, "day.json: expected the sidecar of a stored day, found broken text"),
        (binary_sidecar, "day.json: expected the sidecar of a stored day, found broken text"),
        (empty_sidecar, "day.json: expected the sidecar of a stored day, found broken text"),
        (other_format, "day.json: expected format 1, found 99"),
        (tickless_instrument, "tick_size of TEST: expected a number above 0"),
        (huge_start, "expected the sidecar of a stored day, found broken text"),
        (without_events, "events.npy: expected the events of a stored day"),
        (empty_events, "events.npy: expected the events of a stored day"),
        (cut_events, "events.npy: expected the events of a stored day, found a file that is cut off or broken"),
        (longer_events, "events.npy: expected the 4 events that day.json counts, found 4 in"),
        (garbled_events, "events.npy: expected the events of a stored day"),
        (zipped_events, "events.npy: expected the events of a stored day"),
        (other_dtype, "events.npy: expected records of .* found float64"),
        (other_shape, r"events.npy: expected records of .* of shape \(2, 2\)"),
        (fewer_events, "events.npy: expected the 4 events that day.json counts, found 3"),
    ],
)
def test_a_day_that_is_broken_is_refused(tmp_path: Path, spoil: Callable[[Path], None], problem: str) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    spoil(path)
    with pytest.raises(BadInput, match=problem):
        open_day(path)


def test_one_changed_byte_is_found_by_verify(tmp_path: Path) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    content = bytearray((path / EVENTS).read_bytes())
    content[-10] ^= 1
    (path / EVENTS).write_bytes(content)
    with pytest.raises(BadInput, match="expected the checksum and counts"):
        open_day(path).verify()


def test_counts_that_are_not_those_of_the_events_are_found_by_verify(tmp_path: Path) -> None:
    wrong = replace(recorded(), counts={"add": 1, "cancel": 3})
    with pytest.raises(BadInput, match="expected the checksum and counts"):
        open_day(save(tmp_path, wrong, TEST, DAY)).verify()


def test_the_sidecar_can_be_read_by_people(tmp_path: Path) -> None:
    sidecar = (save(tmp_path, recorded(), TEST, DAY) / SIDECAR).read_text()
    assert '"date": "2012-06-21"' in sidecar
    assert msgspec.json.decode(sidecar)["instrument"]["fees"]["taker_bps"] == 1.5
