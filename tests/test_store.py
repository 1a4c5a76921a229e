"""The store: a day is there whole or not at all, is what was stored, and is refused where it is not."""

import hashlib
import json
import os
import re
import resource
import shutil
import threading
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
from tercet.market.events import ADD, BUY, CANCEL, CROSS, EVENT, HALT, HIDDEN, LEVEL_ROW, REVEAL, SELL
from tercet.market.instruments import Fees, Instrument
from tercet.market.recorded import Recorded, Source, count_kinds
from tercet.market.sidecar import SIDECAR
from tercet.market.store import EVENTS, day_folders, open_day, save

DAY = date(2012, 6, 21)
TEST = Instrument("TEST", fees=Fees(taker_bps=1.5))
NAME = "TEST_2012-06-21"


def recorded(rows: int = 4, source: str = "a") -> Recorded:
    events = np.zeros(rows, EVENT)
    events["time"], events["kind"], events["side"] = np.arange(rows) + 7, ADD, BUY
    events["lots"], events["tick"] = 3, 1000
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
    (path / SIDECAR).write_text('{"format": 2}')


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
        (other_format, "day.json: expected format 2, found 99"),
        (tickless_instrument, "day.json: tick_size of TEST: expected a number above 0"),
        (huge_start, "expected the sidecar of a stored day, found broken text"),
        (without_events, "events.npy: expected the events of a stored day"),
        (empty_events, "events.npy: expected the events of a stored day"),
        (cut_events, "events.npy: expected whole events, as many as its header counts, found 383 bytes: cut off or broken"),
        (longer_events, "events.npy: expected whole events, as many as its header counts"),
        (garbled_events, "events.npy: expected the events of a stored day"),
        (zipped_events, "events.npy: expected the events of a stored day"),
        (other_dtype, "events.npy: expected the events of a stored day, records of .* found a file that begins .*<f8"),
        (other_shape, "events.npy: expected the events of a stored day, records of"),
        (fewer_events, "events.npy: expected the 4 events that day.json counts, found 3"),
    ],
)
def test_a_day_that_is_broken_is_refused(tmp_path: Path, spoil: Callable[[Path], None], problem: str) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    spoil(path)
    with pytest.raises(BadInput, match=problem):
        open_day(path)


def with_fields(**fields: int) -> Recorded:
    """The recorded day with other values in its third event."""
    day = recorded()
    for field, value in fields.items():
        day.events[field][2] = value
    return replace(day, counts=count_kinds(day.events))


def seal(path: Path, events: np.ndarray) -> None:
    """Other events in a stored day, with all that the sidecar says of them fitting."""
    np.save(path / EVENTS, events)
    meta = msgspec.json.decode((path / SIDECAR).read_bytes()) | {"counts": count_kinds(events)}
    meta["first_time"], meta["last_time"] = int(events["time"][0]), int(events["time"][-1])
    meta["events_sha256"] = hashlib.sha256((path / EVENTS).read_bytes()).hexdigest()
    (path / SIDECAR).write_bytes(msgspec.json.encode(meta))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": 0}, "expected a kind from 1 to 8, found 0 "),
        ({"kind": 9}, "expected a kind from 1 to 8, found 9 "),
        ({"kind": -1}, "expected a kind from 1 to 8, found -1 "),
        ({"side": 0}, "expected a side of 1 or -1, found 0 "),
        ({"side": 127}, "expected a side of 1 or -1, found 127 "),
        ({"side": -2, "kind": CROSS}, "expected a side of 1 or -1, found -2 "),
        ({"tick": 2**30 + 1}, "expected a price within 1073741824 ticks"),
        ({"tick": -(2**31)}, "expected a price within 1073741824 ticks"),
        ({"finer": -1}, "expected a price within 1073741824 ticks, and 0 to 9999 between them"),
        ({"finer": 10_000}, "expected a price within 1073741824 ticks, and 0 to 9999 between them"),
        ({"tick": 2, "kind": HALT}, ".*a halt: -1, 0 or 1"),
        ({"tick": -2, "kind": HALT}, ".*a halt: -1, 0 or 1"),
        ({"lots": 0}, "expected lots above 0, 1099511627776 at most, found 0 "),
        ({"lots": 0, "kind": HIDDEN}, "expected lots above 0"),
        ({"lots": -1, "kind": REVEAL}, "expected lots above 0"),
        ({"lots": -1, "kind": CROSS}, "expected lots above 0"),
        ({"lots": 2**40 + 1}, "expected lots above 0, 1099511627776 at most, found 1099511627777 "),
        ({"id": 2**30 + 1, "kind": REVEAL}, "expected a price within"),
        ({"time": -1}, "expected a time in ns since 1970, within a week of the first, found -1 "),
        ({"time": 2**63 - 1}, "expected a time"),
        ({"time": 8 + 7 * 86_400 * 10**9}, "expected a time"),
    ],
)
def test_an_event_that_no_book_can_take_is_refused_before_it_is_stored_and_when_it_is_opened(
    tmp_path: Path, fields: dict[str, int], problem: str
) -> None:
    wrong = with_fields(**fields)
    with pytest.raises(BadInput, match=f"{NAME}, row 3: {problem}"):
        save(tmp_path, wrong, TEST, DAY)
    assert os.listdir(tmp_path) == []
    path = save(tmp_path, recorded(), TEST, DAY)
    seal(path, wrong.events)
    with pytest.raises(BadInput, match=f"events.npy, row 3: {problem}"):
        open_day(path)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": REVEAL, "lots": 0, "tick": -(2**30), "id": 2**30},
        {"kind": CROSS, "lots": 0, "tick": 0, "side": 0},
        {"kind": HALT, "lots": 0, "tick": -1, "side": 0},
        {"kind": HIDDEN, "lots": 2**40, "tick": 2**30, "finer": 9999, "side": SELL},
        {"id": -(2**63), "time": 7 + 7 * 86_400 * 10**9},
        {"time": 0},
    ],
)
def test_events_at_the_bounds_are_stored(tmp_path: Path, fields: dict[str, int]) -> None:
    wanted = with_fields(**fields)
    assert (open_day(save(tmp_path, wanted, TEST, DAY)).events == wanted.events).all()


def edited(key: str, value: object) -> Callable[[Path], None]:
    """What writes another value into the sidecar."""

    def edit(path: Path) -> None:
        meta = msgspec.json.decode((path / SIDECAR).read_bytes())
        *outer, last = key.split(".")
        inner = meta
        for name in outer:
            inner = inner[int(name) if isinstance(inner, list) else name]
        inner[int(last) if isinstance(inner, list) else last] = value
        (path / SIDECAR).write_text(json.dumps(meta))

    return edit


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("symbol", value) for value in ("OTHER", "[/b]", "", "../x", None, 3)),
        *(("date", value) for value in ("1969-12-31", "2201-01-01", "9999-12-31", "0001-01-01", "2012-02-30", 20120621)),
        *(("tz", value) for value in ("America/Gotham", "", "../../etc/passwd", "\x00", "America", "\ud800")),
        *(("instrument.tick_size", value) for value in ("0", "-1", "nan", "1e-400", "1e99", "x", 0.01, "1e-999999999999999999999")),
        *(("instrument.lot_size", value) for value in ("0", "1e7", "inf", None)),
        *(("instrument.fees.taker_bps", value) for value in (1e400, "1", None)),
        *(("instrument.symbol", value) for value in ("OTHER", 1)),
        *(("depth", value) for value in (-1, 2**70, 1.5, "1")),
        *(("start.0.0", value) for value in (2**30 + 1, 2**70, "1", 1.5)),
        *(("start.0.1", value) for value in (0, 2, 127)),
        *(("start.0.2", value) for value in (0, -1, 2**40 + 1, 2**70)),
        *(("counts.add", value) for value in (-1, 2, 4, 2**70, "3", None)),
        *(("counts", value) for value in ({}, [], {"add": 3, "cancel": 1}, None)),
        *(("first_time", value) for value in (0, -1, 2**70, "7")),
        *(("last_time", value) for value in (0, 2**63)),
        *(("sources", value) for value in (None, [1], [{}])),
        *(("warnings", value) for value in (None, [1], "x")),
        *(("format", value) for value in (1, 0, "2", None, 2.5)),
        ("version", 1),
        ("events_sha256", None),
    ],
)
def test_a_sidecar_with_an_odd_value_is_refused_in_a_sentence_that_names_the_day(tmp_path: Path, key: str, value: object) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    edited(key, value)(path)
    with pytest.raises(BadInput, match=re.escape(str(path))):
        open_day(path)


def test_a_sidecar_nested_too_deep_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    for text in ("[" * 100_000, '{"format": 2, "symbol": ' + '{"a": ' * 100_000):
        (path / SIDECAR).write_text(text)
        with pytest.raises(BadInput, match="found broken text"):
            open_day(path)


@pytest.mark.parametrize("place", ["", ".", "/", "..", "nowhere", "\ud800"])
def test_a_place_that_is_no_day_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="expected"):
        open_day(Path(place))


# ---- while a day is replaced -----------------------------------------------------------------------------------------------------


def test_readers_of_a_day_that_is_being_replaced_find_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    path = save(tmp_path, recorded(3), TEST, DAY)
    done = threading.Event()

    def read() -> set[int]:
        found = set()
        while not done.is_set():
            day = open_day(path)
            day.verify()
            found.add(len(day.events))
        return found

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for rows in (4, 5) * 30:
            save(tmp_path, recorded(rows), TEST, DAY)
        done.set()
    assert set().union(*(reader.result() for reader in readers)) <= {3, 4, 5}


def test_a_day_stays_what_it_was_while_another_takes_its_place(tmp_path: Path) -> None:
    before = open_day(save(tmp_path, recorded(4), TEST, DAY))
    save(tmp_path, recorded(5), TEST, DAY)
    before.verify()
    assert len(before.events) == 4


@pytest.mark.parametrize(("left", "rows"), [({"": 4, ".new": 5}, 4), ({".old": 4, ".new": 5}, 4), ({"": 5, ".old": 4}, 5)])
def test_a_save_killed_in_mid_swap_leaves_a_day_that_can_be_read(tmp_path: Path, left: dict[str, int], rows: int) -> None:
    path = tmp_path / NAME
    for ending, count in left.items():
        save(tmp_path / "made", recorded(count), TEST, DAY).rename(tmp_path / f".{NAME}{ending}" if ending else path)
    (tmp_path / "made").rmdir()
    day = open_day(path)
    day.verify()
    assert (day.path, len(day.events)) == (path, rows)
    assert day_folders(tmp_path) == [path]
    save(tmp_path, recorded(6), TEST, DAY)
    assert len(open_day(path).events) == 6
    assert os.listdir(tmp_path) == [NAME]


def test_one_changed_byte_is_found_by_verify(tmp_path: Path) -> None:
    path = save(tmp_path, recorded(), TEST, DAY)
    content = bytearray((path / EVENTS).read_bytes())
    content[-16] ^= 1  # of the last event's lots
    (path / EVENTS).write_bytes(content)
    with pytest.raises(BadInput, match=r"expected the checksum in .*, found another"):
        open_day(path).verify()


def test_counts_that_are_not_those_of_the_events_are_refused(tmp_path: Path) -> None:
    wrong = replace(recorded(), counts={"add": 1, "cancel": 3})
    with pytest.raises(BadInput, match=r"expected the 4 events that day\.json counts, found 4 others"):
        open_day(save(tmp_path, wrong, TEST, DAY))


def test_the_sidecar_can_be_read_by_people(tmp_path: Path) -> None:
    sidecar = (save(tmp_path, recorded(), TEST, DAY) / SIDECAR).read_text()
    assert '"date": "2012-06-21"' in sidecar
    assert msgspec.json.decode(sidecar)["instrument"]["fees"]["taker_bps"] == 1.5
