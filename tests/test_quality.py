"""What is wrong with a day is found: each fault is planted once in a day that has none."""

import dataclasses
import json
import random
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.backtest.days import compared
from tercet.book.quality import BAD, COUNTED, FAULTS, GOOD, USABLE, Settings, assess
from tercet.market import lobster
from tercet.market.events import ADD, BUY, CANCEL, CROSS, EVENT, HALT, HALTED, HIDDEN, LEVEL_ROW, REDUCE, REVEAL, SELL, TRADE, TRADING
from tercet.market.instruments import Instrument

SECOND = 1_000_000_000
START = np.array([(100, BUY, 50), (99, BUY, 50), (101, SELL, 50), (102, SELL, 50)], LEVEL_ROW)
SMALL = Settings(levels=64, orders=16)
CLEAN = [  # kind, side, tick, lots, id; a second apart; it leaves the book as it found it
    (ADD, BUY, 100, 5, 1),
    (ADD, BUY, 100, 6, 2),
    (TRADE, BUY, 100, 50, 900),  # an order from before the day's first message
    (TRADE, BUY, 100, 3, 1),
    (REDUCE, BUY, 100, 1, 2),
    (HIDDEN, SELL, 101, 7, 0),
    (TRADE, BUY, 100, 2, 1),
    (CANCEL, BUY, 100, 5, 2),
    (REVEAL, BUY, 100, 50, 99),
    (CROSS, SELL, 101, 70, 0),
]


@pytest.fixture(autouse=True, scope="module")
def _hashes_may_wrap() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


def day(*planted: tuple[Any, ...], at: int = 8) -> np.ndarray:
    """The clean day, with lines planted behind its first `at`; a line may end with seconds since the line before."""
    lines = [*CLEAN[:at], *planted, *CLEAN[at:]]
    events = np.zeros(len(lines), EVENT)
    time = 0.0
    for event, line in zip(events, lines, strict=True):
        time += line[5] if len(line) > 5 else line[0] != REVEAL
        event["time"] = time * SECOND
        for name, value in zip(("kind", "side", "tick", "lots", "id"), line, strict=False):
            event[name] = value
    return events


def rising(before: np.ndarray, after: np.ndarray) -> dict[str, int]:
    """What a day counts more of than another."""
    one, two = (assess(events, START, SMALL).counts for events in (before, after))
    return {name: two[name] - one[name] for name in COUNTED if two[name] != one[name]}


def test_a_clean_day_is_good_though_orders_from_before_it_trade() -> None:
    quality = assess(day(), START, SMALL)
    assert {name: quality.counts[name] for name in FAULTS if quality.counts[name]} == {}
    assert quality.verdict == GOOD
    assert quality.counts["messages"] == 9
    assert quality.counts["removals"] == 5
    assert quality.counts["reveals"] == 1


PLANTED = {
    "silent_ns": [(ADD, BUY, 98, 1, 50, 61.0)],
    "clock_back": [(ADD, BUY, 98, 1, 50, -0.5)],
    "equal_times": [(ADD, BUY, 98, 1, 50, 0)],
    "malformed": [(77, BUY, 98, 1, 50)],
    "zero_size": [(ADD, BUY, 98, 0, 50)],
    "crossed": [(ADD, BUY, 102, 1, 50), (CANCEL, BUY, 102, 1, 50)],
    "locked": [(ADD, BUY, 101, 1, 50), (CANCEL, BUY, 101, 1, 50)],
    "duplicate_ids": [(ADD, BUY, 98, 1, 50), (ADD, BUY, 98, 1, 50)],
    "refused_full": [(ADD, BUY, 98, 1, 50 + number) for number in range(14)],
    "unknown_ids": [(ADD, BUY, 98, 2, 51), (CANCEL, BUY, 98, 1, 50)],  # nobody added it, in view or out of it
    "missing_lots": [(CANCEL, BUY, 90, 7, 50)],
    "off_best": [(TRADE, SELL, 102, 1, 50)],
    "out_of_turn": [(ADD, SELL, 98, 1, 50), (ADD, SELL, 98, 1, 51), (TRADE, SELL, 98, 1, 51)],
    "outside_touch": [(HIDDEN, SELL, 103, 1, 0)],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_counted_and_named_among_the_reasons(fault: str) -> None:
    bad_day = day(*PLANTED[fault])
    assert rising(day(), bad_day)[fault] > 0
    allowed = dataclasses.replace(SMALL, **dict.fromkeys(FAULTS, 1.0), bad_times=1e9)
    assert assess(bad_day, START, allowed).verdict == GOOD
    for bad_times, verdict in ((1e9, USABLE), (1.0, BAD)):
        quality = assess(bad_day, START, dataclasses.replace(allowed, **{fault: 1e-6}, bad_times=bad_times))
        assert quality.verdict == verdict
        assert [FAULTS[fault][1].split("{")[0] in reason for reason in quality.reasons] == [True]


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ((ADD, 5, 98, 1, 50), "malformed"),
        ((ADD, 0, 98, 1, 50), "malformed"),
        ((TRADE, BUY, 2**31 - 1, 1, 50), "malformed"),
        ((HALT, BUY, 3, 0, 0), "malformed"),
        ((CANCEL, BUY, 99, -4, 50), "zero_size"),
    ],
)
def test_what_cannot_happen_is_counted_and_kept_out_of_the_book(line: tuple[int, ...], counted: str) -> None:
    assert rising(day(), day(line)) == {"messages": 1, "span_ns": SECOND, counted: 1}


def test_an_id_that_rests_at_another_price_is_unknown_at_this_one() -> None:
    assert rising(day(), day((ADD, BUY, 98, 1, 50), (ADD, BUY, 97, 2, 51), (CANCEL, BUY, 97, 1, 50)))["unknown_ids"] == 1


@pytest.mark.parametrize(
    ("lines", "unknown"),
    [
        ([(CANCEL, BUY, 99, 50, 50)], 0),  # of the start state
        ([(CANCEL, BUY, 99, 51, 50)], 1),
        ([(ADD, BUY, 99, 7, 50), (CANCEL, BUY, 99, 50, 51), (CANCEL, BUY, 99, 1, 52)], 1),
        ([(REVEAL, BUY, 97, 9, 99), (REDUCE, BUY, 97, 4, 50), (CANCEL, BUY, 97, 5, 51), (ADD, BUY, 97, 3, 52)], 0),
        ([(REVEAL, BUY, 97, 9, 99), (ADD, BUY, 97, 3, 52), (CANCEL, BUY, 97, 10, 51)], 1),
        ([(ADD, BUY, 97, 3, 52), (REVEAL, BUY, 97, 3, 99), (CANCEL, BUY, 97, 2, 51), (CANCEL, BUY, 97, 1, 52)], 0),  # 51 took 52's place
    ],
)
def test_an_unknown_id_is_a_fault_where_no_lots_came_into_view_that_explain_it(lines: list[tuple[int, ...]], unknown: int) -> None:
    assert assess(day(*lines), START, SMALL).counts["unknown_ids"] == unknown


def test_an_execution_behind_orders_that_may_have_left_out_of_view_is_not_out_of_turn() -> None:
    lines = [(ADD, BUY, 101, 3, 50), (ADD, BUY, 101, 4, 51), (TRADE, BUY, 101, 1, 51)]
    seen_again = [*lines[:2], (REVEAL, BUY, 101, 7, 103), lines[2]]
    counts = [rising(day(), day(*planted)).get("out_of_turn", 0) for planted in (lines, seen_again)]
    assert counts == [1, 0]


def test_no_lots_at_a_level_that_came_into_view_are_no_zero_size() -> None:
    assert rising(day(), day((REVEAL, BUY, -(2**30), 0, 99))) == {"reveals": 1}
    assert rising(day(), day((REVEAL, BUY, 90, -1, 99)))["zero_size"] == 1


class Queues:
    """A market of single orders that arrive, shrink, leave and trade by price and time, told as a feed of `depth` levels would."""

    def __init__(self, chance: random.Random, depth: int) -> None:
        self.chance, self.depth, self.id, self.rows = chance, depth, 0, ([], [])
        self.sides: dict[int, dict[int, list[list[int]]]] = {BUY: {}, SELL: {}}
        for tick in range(995, 1005):
            self.add(BUY if tick < 1000 else SELL, tick)

    def add(self, side: int, tick: int) -> tuple[int, int, int, int]:
        """A new order; what a message says of it."""
        self.id += 1
        self.sides[side].setdefault(tick, []).append([self.id, self.chance.randint(1, 9)])
        return ADD, self.id, self.sides[side][tick][-1][1], tick

    def change(self, side: int) -> tuple[int, int, int, int]:
        """One order comes, or a resting one leaves, shrinks or, where it is first at the best price, trades."""
        levels = self.sides[side]
        kind = self.chance.choice((ADD, CANCEL, CANCEL, REDUCE, TRADE)) if levels else ADD
        if kind == ADD:
            return self.add(side, 1000 - side * self.chance.randint(1, 9))
        tick = side * max(side * tick for tick in levels) if kind == TRADE else self.chance.choice(list(levels))
        order = levels[tick][0] if kind == TRADE else self.chance.choice(levels[tick])
        lots = order[1] if kind == CANCEL else self.chance.randint(1, order[1])
        order[1] -= lots
        if not order[1]:
            levels[tick].remove(order)
        if not levels[tick]:
            del levels[tick]
        return kind, order[0], lots, tick

    def shown(self) -> str:
        """The row of the orderbook file."""
        cells = []
        for level in range(self.depth):
            for side in (SELL, BUY):
                best = sorted(self.sides[side], key=lambda tick: -side * tick)[level : level + 1]
                cells += [(tick * 100, sum(lots for _, lots in self.sides[side][tick])) for tick in best] or [(side * -9999999999, 0)]
        return ",".join(f"{price},{lots}" for price, lots in cells)

    def run(self, changes: int) -> None:
        """As in LOBSTER files, a message and a row for each change that is in view."""
        for k in range(changes):
            side, before = self.chance.choice((BUY, SELL)), self.shown()
            kind, id, lots, tick = self.change(side)
            if self.shown() != before:
                self.rows[0].append(f"{34200 + k},{kind},{id},{lots},{tick * 100},{side}")
                self.rows[1].append(self.shown())


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="a stored day's rows are plain records, which only compiled code reads by name")
@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_an_exact_day_of_any_depth_has_no_fault_of_names_or_turns(chance: random.Random, depth: int) -> None:
    market = Queues(chance, depth)
    market.run(60)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("m.csv", "b.csv")]
        for path, rows in zip(paths, market.rows, strict=True):
            path.write_text("\n".join(rows))
        recorded = lobster.read(*paths, Instrument("TEST"), date(2012, 6, 21))
        assert compared(recorded.events, recorded.start, lobster.read_book(paths[1], Instrument("TEST"))).mismatches == 0
    counts = assess(recorded.events, recorded.start, Settings(levels=64, orders=256)).counts
    faults = ("unknown_ids", "missing_lots", "short_removals", "out_of_turn", "off_best", "duplicate_ids", "zero_size", "malformed")
    assert {name: counts[name] for name in faults if counts[name]} == {}


def test_missing_lots_are_those_named_beyond_what_stands_at_the_level() -> None:
    assert rising(day(), day((CANCEL, BUY, 99, 57, 50)))["missing_lots"] == 7


def test_an_execution_behind_lots_without_a_name_is_not_out_of_turn() -> None:
    assert "out_of_turn" not in rising(day(), day((ADD, SELL, 101, 1, 50), (TRADE, SELL, 101, 1, 50)))


@pytest.mark.parametrize(("tick", "finer", "outside"), [(101, 0, 0), (101, 1, 1), (100, 0, 0), (99, 9999, 1)])
def test_a_print_between_ticks_is_outside_when_it_is_beyond_the_touch(tick: int, finer: int, outside: int) -> None:
    events = day((HIDDEN, SELL, tick, 1, 0), at=2)
    events["finer"][2] = finer
    assert assess(events, START, SMALL).counts["outside_touch"] == outside


def test_silences_and_crossed_books_of_a_halt_are_no_faults() -> None:
    halted = [(HALT, BUY, HALTED, 0, 0), (ADD, BUY, 102, 1, 50), (CANCEL, BUY, 102, 1, 50, 900.0), (HALT, BUY, TRADING, 0, 0)]
    more = rising(day(), day(*halted))
    assert more["halts"] == 1
    assert not {"gaps", "silent_ns", "crossed"} & more.keys()


def test_a_silence_is_measured() -> None:
    more = rising(day(), day((ADD, BUY, 98, 1, 50, 61.0), (ADD, BUY, 98, 1, 51, 100.0), (ADD, BUY, 98, 1, 52, 60.0)))
    assert (more["gaps"], more["silent_ns"], more["longest_gap_ns"]) == (2, 161 * SECOND, 100 * SECOND)


def test_a_day_without_messages_is_bad() -> None:
    assert assess(np.empty(0, EVENT), np.empty(0, LEVEL_ROW), SMALL).verdict == BAD


def test_a_file_mapped_into_memory_is_judged_without_a_copy(tmp_path: Path) -> None:
    day().tofile(tmp_path / "events.bin")
    mapped = np.memmap(tmp_path / "events.bin", EVENT, "r")
    assert assess(mapped, START, SMALL) == assess(day(), START, SMALL)


def test_a_recorded_day_of_ten_levels_is_good_though_orders_from_out_of_view_are_removed(real_data: Path) -> None:
    files = [real_data / "lobster" / f"GOOG_2012-06-21_34200000_57600000_{what}_10.csv.zst" for what in ("message", "orderbook")]
    recorded = lobster.read(files[0], files[1], Instrument("GOOG"), date(2012, 6, 21))
    quality = assess(recorded.events, recorded.start)
    assert (quality.verdict, quality.reasons) == (GOOD, ())
    assert [name for name in FAULTS if quality.counts[name]] == ["equal_times", "out_of_turn"]
    assert quality.counts["messages"] == 147_916
    assert quality.counts["removals"] == 72_745


def test_a_quality_is_ready_for_json() -> None:
    quality = assess(day(), START, SMALL)
    assert json.loads(json.dumps(dataclasses.asdict(quality)))["verdict"] == quality.verdict


def test_every_fault_has_a_setting_and_every_setting_its_help() -> None:
    settings = {one.name: one.metadata["help"] for one in dataclasses.fields(Settings)}
    assert FAULTS.keys() <= settings.keys()
    assert all(settings.values())
