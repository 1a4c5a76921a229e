"""LOBSTER files: every row becomes its event, the deep end is told, and what is wrong is named by file and row."""

import gzip
import lzma
import random
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.backtest.days import compared
from tercet.errors import BadInput
from tercet.market import lobster
from tercet.market.calendar import SECOND, midnight_ns
from tercet.market.events import ADD, BUY, CANCEL, CROSS, EVENT, HALT, HIDDEN, LEVEL_ROW, REDUCE, REVEAL, SELL, TRADE
from tercet.market.instruments import Instrument
from tercet.market.recorded import Recorded

DAY = date(2012, 6, 21)
TEST = Instrument("TEST")
ZST = zstandard.ZstdCompressor().compress
PACK = {"": bytes, ".zst": ZST, ".gz": gzip.compress, ".xz": lzma.compress}

MESSAGES = [
    "34200.000000001,1,11,5,100000,1",  # 5 more at 10.00
    "34200.1,4,7,10,100200,-1",  # the best ask is bought: 10.05 comes into view
    "34200.1,3,11,5,100000,1",
    "34201.123456789,5,0,3,100150,-1",
    "34202,2,8,4,100300,-1",
]
BOOK = [  # before them: bids 10.00 × 10, 9.99 × 20; asks 10.02 × 10, 10.03 × 30, 10.05 × 7
    "100200,10,100000,15,100300,30,99900,20",
    "100300,30,100000,15,100500,7,99900,20",
    "100300,30,100000,10,100500,7,99900,20",
    "100300,30,100000,10,100500,7,99900,20",
    "100300,26,100000,10,100500,7,99900,20",
]


@pytest.fixture(autouse=True, scope="module")
def _numbers_may_wrap() -> Iterator[None]:
    with np.errstate(over="ignore"):  # as in machine code; matters with NUMBA_DISABLE_JIT=1
        yield


def text(rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def read(folder: Path, messages: bytes | list[str], book: bytes | list[str] | None = None, instrument: Instrument = TEST) -> Recorded:
    """The files as given, read."""
    (folder / "m.csv").write_bytes(messages if isinstance(messages, bytes) else text(messages))
    if book is None:
        return lobster.read(folder / "m.csv", None, instrument, DAY)
    (folder / "b.csv").write_bytes(book if isinstance(book, bytes) else text(book))
    return lobster.read(folder / "m.csv", folder / "b.csv", instrument, DAY)


def changed(rows: list[str], row: int, old: str, new: str) -> list[str]:
    assert old in rows[row]
    return [*rows[:row], rows[row].replace(old, new, 1), *rows[row + 1 :]]


def test_each_message_is_one_event_and_the_deep_end_is_revealed(tmp_path: Path) -> None:
    recorded = read(tmp_path, MESSAGES, BOOK)
    midnight = midnight_ns(DAY)
    expected = [
        (midnight + 34_200_000_000_001, 11, 5, 1000, 0, ADD, BUY),
        (midnight + 34_200_100_000_000, 7, 10, 1002, 0, TRADE, SELL),
        (midnight + 34_200_100_000_000, 1003, 7, 1005, 0, REVEAL, SELL),
        (midnight + 34_200_100_000_000, 11, 5, 1000, 0, CANCEL, BUY),
        (midnight + 34_201_123_456_789, 0, 3, 1001, 5000, HIDDEN, SELL),
        (midnight + 34_202_000_000_000, 8, 4, 1003, 0, REDUCE, SELL),
    ]
    assert recorded.events.tolist() == expected
    assert recorded.events.dtype == EVENT
    assert recorded.start.tolist() == [(1000, 1, 10), (999, 1, 20), (1002, -1, 10), (1003, -1, 30)]
    assert recorded.start.dtype == LEVEL_ROW
    assert (recorded.depth, recorded.warnings) == (2, [])
    assert recorded.counts == {"add": 1, "reduce": 1, "cancel": 1, "trade": 1, "hidden": 1, "cross": 0, "halt": 0, "reveal": 1}


def test_without_a_book_there_is_no_start_and_nothing_is_revealed(tmp_path: Path) -> None:
    recorded = read(tmp_path, MESSAGES)
    assert recorded.events["kind"].tolist() == [ADD, TRADE, CANCEL, HIDDEN, REDUCE]
    assert (len(recorded.start), recorded.depth, len(recorded.sources)) == (0, 0, 1)


def test_the_book_is_ticks_and_lots_with_the_buy_side_first(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(text([BOOK[0], "100200,10,-9999999999,0,9999999999,0,-9999999999,0"]))
    shown = lobster.read_book(tmp_path / "b.csv", TEST)
    assert shown.tolist() == [[[[1000, 15], [999, 20]], [[1002, 10], [1003, 30]]], [[[0, 0], [0, 0]], [[1002, 10], [0, 0]]]]
    assert shown.flags.c_contiguous


def test_halts_and_crosses_are_read(tmp_path: Path) -> None:
    rows = [f"{34200 + k},7,0,0,{state},-1" for k, state in enumerate((-1, 0, 1))]
    events = read(tmp_path, [*rows, "34300,6,-1,500,100050,-1"]).events
    assert events["kind"].tolist() == [HALT, HALT, HALT, CROSS]
    assert events["tick"].tolist() == [-1, 0, 1, 1000]
    assert events["id"].tolist() == [0, 0, 0, -1]
    assert (events["lots"][3], events["finer"][3]) == (500, 5000)


def test_sizes_are_counted_in_lots(tmp_path: Path) -> None:
    hundreds = Instrument("TEST", lot_size="100")
    assert read(tmp_path, ["34200,1,1,300,100000,1"], ["-9999999999,0,100000,700"], hundreds).start.tolist() == [(1000, 1, 4)]


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_are_read_and_their_sources_kept(tmp_path: Path, suffix: str) -> None:
    paths = tmp_path / f"m.csv{suffix}", tmp_path / f"b.csv{suffix}"
    for path, rows in zip(paths, (MESSAGES, BOOK), strict=True):
        path.write_bytes(PACK[suffix](text(rows)))
    recorded = lobster.read(*paths, TEST, DAY)
    assert (recorded.events == read(tmp_path, MESSAGES, BOOK).events).all()
    assert [(source.name, source.bytes) for source in recorded.sources] == [(path.name, path.stat().st_size) for path in paths]


def test_a_zst_file_of_several_frames_is_one_text(tmp_path: Path) -> None:
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress
    for name, pack in (("m.zst", ZST), ("n.zst", streamed)):
        (tmp_path / name).write_bytes(pack(text(MESSAGES[:2])) + pack(text(MESSAGES[2:])))
        assert len(lobster.read(tmp_path / name, None, TEST, DAY).events) == len(MESSAGES)


@pytest.mark.parametrize(
    "dressed",
    [
        text(MESSAGES)[:-1],
        text(MESSAGES).replace(b"\n", b"\r\n"),
        text(MESSAGES).replace(b"\n", b"\r\n")[:-2],
        text(MESSAGES) + b"\n\r\n  \n",
        text(["Time,Type,OrderID,Size,Price,Direction", *MESSAGES]),
        b"\xef\xbb\xbf" + text(["Time,Type,OrderID,Size,Price,Direction", *MESSAGES]),
        b"\xef\xbb\xbf" + text(MESSAGES),
        text([f"{row}," for row in MESSAGES]),
        text([f"{row},null" for row in MESSAGES]),
        text([f'{row},"a, quoted; 7th"' for row in MESSAGES]).replace(b"\n", b"\r\n"),
        text([row.replace(",1,", ",1.0,").replace("100000", "100000.000") for row in MESSAGES]),
        text(changed(MESSAGES, 0, "000000001", "0000000006")),
        *(text(MESSAGES).replace(b",", mark) for mark in (b";", b"\t", b"|", b" ", b", ", b"   ")),
        text(["Time (s);Type;Order ID;Size;Price;Direction", *MESSAGES]).replace(b",", b";").replace(b".", b","),
        text(["0,1,2,3,4,5", *MESSAGES]),
        text(["1,2,3,4,5,6,7", *(f"{row},x" for row in MESSAGES)]),
        text([",0,1,2,3,4,5", *(f"{k},{row}" for k, row in enumerate(MESSAGES))]),
        text([",time,type,id,size,price,direction,", *(f"{17 + 3 * k},{row}," for k, row in enumerate(MESSAGES))]),
        text(['"","V1","V2","V3","V4","V5","V6"', *(f'"{k}",{row}' for k, row in enumerate(MESSAGES, 1))]),
    ],
    ids=[
        "no-end",
        "windows",
        "windows-no-end",
        "blank-end",
        "header",
        "bom-header",
        "bom",
        "7-empty",
        "7-text",
        "7-quoted",
        "floats",
        "finer",
        "semicolons",
        "tabs",
        "bars",
        "spaces",
        "padded",
        "aligned",
        "decimal-commas",
        "numbered-from-0",
        "numbered-from-1",
        "pandas",
        "pandas-filtered",
        "R",
    ],
)
def test_the_dress_of_a_file_does_not_matter(tmp_path: Path, dressed: bytes) -> None:
    assert (read(tmp_path, dressed, BOOK).events == read(tmp_path, MESSAGES, BOOK).events).all()


@pytest.mark.parametrize(
    "dressed",
    [
        text(BOOK).replace(b",", b";"),
        text([f"{row}," for row in BOOK]),
        text([f"{k},{row}" for k, row in enumerate(BOOK)]),
        text([",0,1,2,3,4,5,6,7", *(f"{k},{row}" for k, row in enumerate(BOOK, 1))]),
    ],
    ids=["semicolons", "empty-end", "index", "pandas"],
)
def test_the_dress_of_an_orderbook_does_not_matter_either(tmp_path: Path, dressed: bytes) -> None:
    assert (read(tmp_path, MESSAGES, dressed).events == read(tmp_path, MESSAGES, BOOK).events).all()


def test_a_column_before_the_times_that_does_not_number_the_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"m\.csv, row 3: expected growing row numbers in column 1, which is one too many, found '1'"):
        read(tmp_path, [f"{k},{row}" for k, row in zip((0, 1, 1, 2, 3), MESSAGES, strict=True)])
    with pytest.raises(BadInput, match=r"m\.csv, row 2: expected a number in column 5, found 'ten'"):
        read(tmp_path, [f"{k},{row}" for k, row in enumerate(changed(MESSAGES, 1, "10,", "ten,"))])


def test_text_of_two_bytes_a_letter_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"m\.csv: expected text in UTF-8, found UTF-16"):
        read(tmp_path, text(MESSAGES).decode().encode("utf-16"))


@pytest.mark.parametrize("files", [(["34200,1,1,5,1234,1"], None), (["34200,5,0,5,100000,1"], ["100000,5,9999,5"])])
def test_a_stock_below_a_dollar_needs_a_finer_tick_which_the_sentence_names(tmp_path: Path, files: tuple[list[str], list[str]]) -> None:
    with pytest.raises(BadInput, match=r"row 1: .*the tick 0\.01 .* found 0\.\d+: say a finer tick size \(--tick 0\.0001 "):
        read(tmp_path, *files)
    assert len(read(tmp_path, *files, Instrument("TEST", "0.0001")).events) == 1


@pytest.mark.parametrize("price", ["0", "100000"])
def test_a_cross_in_which_nothing_matched_is_kept_as_it_is(tmp_path: Path, price: str) -> None:
    rows = [*MESSAGES, f"57600.2,6,-2,0,{price},1"]
    event = read(tmp_path, rows, [*BOOK, BOOK[-1]]).events[-1]
    assert (event["kind"], event["lots"], event["tick"], event["side"]) == (CROSS, 0, int(price) // 100, BUY)


BAD_MESSAGES: list[tuple[list[str], int, str]] = [
    (changed(MESSAGES, 2, ",5,", ","), 3, "expected 6 or 7 columns, found 5"),
    (changed(MESSAGES, 2, "11", "11,12,13"), 3, "expected 6 or 7 columns, found 8"),
    ([*MESSAGES[:4], "34202,2,8,4,10"], 5, "expected 6 or 7 columns, found 5"),
    ([*MESSAGES[:2], "", *MESSAGES[2:]], 3, "expected 6 or 7 columns, found 1"),
    (changed(MESSAGES, 1, "10,", "ten,"), 2, "expected a number in column 4, found 'ten'"),
    (changed(MESSAGES, 1, "10,", "1e3,"), 2, "expected a number in column 4, found '1e3'"),
    (changed(MESSAGES, 1, "10,", ","), 2, "expected a number in column 4, found ''"),
    (changed(MESSAGES, 1, "34200.1", "nan"), 2, "expected a number in column 1, found 'nan'"),
    (changed(MESSAGES, 1, "34200.1", "34200.1.1"), 2, "expected a number in column 1"),
    (changed(MESSAGES, 1, "34200.1", "34200-1"), 2, "expected a number in column 1"),
    (changed(MESSAGES, 1, "10,", "10.5,"), 2, "expected a whole number in column 4, found '10.5'"),
    (changed(MESSAGES, 1, "10,", "9223372036854775808,"), 2, "expected a number within 64 bits in column 4"),
    (changed(MESSAGES, 1, "10,", "99999999999999999999999,"), 2, "expected a number within 64 bits in column 4"),
    (changed(MESSAGES, 1, "34200.1", "9999999999999.1"), 2, "expected a number within 64 bits in column 1"),
    (changed(MESSAGES, 3, "34201", "34199"), 4, "expected a time from 34200.1 on, found 34199.123456789"),
    (changed(MESSAGES, 4, "34202", "86400.000000001"), 5, "expected a time from 0 to 86400 s, found 86400.0"),
    (changed(MESSAGES, 0, "34200", "-34200"), 1, "expected a time from 0 to 86400 s, found -34200"),
    (changed(MESSAGES, 2, ",3,", ",8,"), 3, "expected a type from 1 to 7, found 8"),
    (changed(MESSAGES, 2, ",3,", ",0,"), 3, "expected a type from 1 to 7, found 0"),
    (changed(MESSAGES, 0, ",5,", ",0,"), 1, "expected a size above 0, found 0"),
    (changed(MESSAGES, 0, ",5,", ",-5,"), 1, "expected a size above 0, found -5"),
    (changed(MESSAGES, 4, ",-1", ",0"), 5, "expected a direction of 1 or -1, found 0"),
    (changed(MESSAGES, 4, "100300", "100350"), 5, "expected a price that is a multiple of the tick 0.01 from 0.01 to .*, found 10.035"),
    (changed(MESSAGES, 3, "100150", "50"), 4, "expected a price that is a multiple of the tick 0.01 from 0.01"),
    (changed(MESSAGES, 4, "100300", "999999999999999"), 5, "expected a price that is"),
    (["34200,6,0,5,0,-1"], 1, "expected a price that is a multiple of the tick 0.01 from 0.01 to .*, found 0.0$"),
    (["34200,6,0,-5,0,-1"], 1, "expected a size above 0, found -5"),
    (["34200,6,0,0,-100,-1"], 1, "expected a price that is"),
    (["34200,5,0,0,0,-1"], 1, "expected a size above 0, found 0"),
    (["34200,7,0,0,2,-1"], 1, "expected -1, 0 or 1 as the price of a halt, found 2"),
]


@pytest.mark.parametrize(("rows", "row", "problem"), BAD_MESSAGES, ids=[problem for _, _, problem in BAD_MESSAGES])
def test_a_bad_message_is_named_by_file_and_row(tmp_path: Path, rows: list[str], row: int, problem: str) -> None:
    with pytest.raises(BadInput, match=rf"m\.csv, row {row}: {problem}"):
        read(tmp_path, rows)
    with pytest.raises(BadInput, match=rf"m\.csv, row {row + 1}: {problem}"):
        read(tmp_path, ["time,type,id,size,price,direction", *rows])


BAD_BOOKS: list[tuple[list[str], str]] = [
    (changed(BOOK, 2, ",20", ""), "b.csv, row 3: expected 8 columns, found 7"),
    (changed(BOOK, 2, ",20", ",20,1"), "b.csv, row 3: expected 8 columns, found 9"),
    (changed(BOOK, 2, ",20", ",20,x"), "b.csv, row 3: expected 8 columns, found 9"),
    ([f"{row},1" for row in BOOK], "b.csv, row 1: expected 4 columns a level .* found 9"),
    (changed(BOOK, 1, "99900", "9990O"), "b.csv, row 2: expected a number in column 7, found '9990O'"),
    (changed(BOOK, 3, "100500", "100550"), r"b.csv, row 4: ask 2: expected a price that is a multiple of the tick .* found 10.055"),
    (changed(BOOK, 3, ",7,", ",0,"), r"b.csv, row 4: ask 2: expected a size above 0 .* found 0"),
    (changed(BOOK, 3, ",7,", ",-7,"), r"b.csv, row 4: ask 2: expected a size above 0 .* found -7"),
    (changed(BOOK, 3, "99900", "100000"), "b.csv, row 4: bid 2: expected levels from better to worse, found 10.0 out of order"),
    (changed(BOOK, 3, "100300,30", "9999999999,0"), "b.csv, row 4: ask 2: expected levels from better to worse"),
    (BOOK[:-1], "b.csv: expected a row for each of the 5 messages of .*m.csv, found 4"),
]


@pytest.mark.parametrize(("rows", "problem"), BAD_BOOKS, ids=[problem for _, problem in BAD_BOOKS])
def test_a_bad_book_is_named_by_file_and_row(tmp_path: Path, rows: list[str], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        read(tmp_path, MESSAGES, rows)


def test_the_first_of_several_bad_rows_is_named(tmp_path: Path) -> None:
    rows = changed(changed(MESSAGES, 4, "100300", "100350"), 1, "100200,-1", "100200,5")
    with pytest.raises(BadInput, match="row 2: expected a direction"):
        read(tmp_path, rows)


def test_a_bad_row_deep_in_a_large_file_is_named(tmp_path: Path) -> None:
    rows = ["34200,1,11,5,100000,1"] * 40_000
    rows[35_000] = "34200,1,11,5,1OOOOO,1"
    with pytest.raises(BadInput, match=r"row 35001: expected a number in column 5, found '1OOOOO'"):
        read(tmp_path, rows)


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"time,type\n", b"\xef\xbb\xbf\n", b"\x00\xff\xfe"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInput, match=r"m\.csv: expected rows"):
        read(tmp_path, content)


@pytest.mark.parametrize("suffix", [".zst", ".gz", ".xz"])
@pytest.mark.parametrize("spoil", [lambda packed: packed[: len(packed) // 2], lambda packed: packed[:-1], lambda packed: b"not packed"])
def test_a_packed_file_that_is_cut_off_or_no_such_thing_is_refused(tmp_path: Path, suffix: str, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"m.csv{suffix}"
    path.write_bytes(spoil(PACK[suffix](text(MESSAGES * 50))))
    with pytest.raises(BadInput, match=rf"m\.csv\{suffix}: expected a whole \{suffix} file, found one that is cut off or broken"):
        lobster.read(path, None, TEST, DAY)


def test_a_file_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.csv: expected a file that can be read, found: No such file"):
        lobster.read(tmp_path / "gone.csv", None, TEST, DAY)
    (tmp_path / "messages.csv").write_text("")
    with pytest.raises(BadInput, match=r"mesages\.csv: .* No such file or directory \(there is messages\.csv\)"):
        lobster.read(tmp_path / "mesages.csv", None, TEST, DAY)
    with pytest.raises(BadInput, match="expected a file that can be read, found: Is a directory"):
        lobster.read(tmp_path, None, TEST, DAY)


def test_a_row_that_does_not_follow_is_a_warning_and_the_next_is_judged_afresh(tmp_path: Path) -> None:
    rows = changed(changed(BOOK, 2, "100000,10", "100000,11"), 3, "100000,10", "100000,11")
    recorded = read(tmp_path, MESSAGES, rows)
    problem = "message and row before do not lead to this row of the book"
    assert recorded.warnings == [f"{tmp_path / 'b.csv'}, row {row}: {problem}" for row in (3, 5)]


def test_several_levels_that_enter_at_once_are_revealed_from_better_to_worse(tmp_path: Path) -> None:
    book = ["9999999999,0,100000,1,9999999999,0,99900,1", "9999999999,0,99800,4,9999999999,0,99700,5"]
    recorded = read(tmp_path, ["34200,5,0,1,100000,1", "34200,4,1,1,100000,1"], book)
    reveals = recorded.events[recorded.events["kind"] == REVEAL]
    assert reveals[["tick", "lots", "id", "side"]].tolist() == [(998, 4, 999, BUY), (997, 5, 998, BUY)]


def test_a_crossed_book_is_a_warning(tmp_path: Path) -> None:
    recorded = read(tmp_path, ["34200,5,0,1,100000,1"] * 8, ["100000,1,100000,1"] * 8)
    assert recorded.warnings[0] == f"{tmp_path / 'b.csv'}, row 1: the book is crossed"
    assert recorded.warnings[5:] == [f"{tmp_path / 'b.csv'}: the book is crossed, 8 rows in all"]


def test_a_first_message_that_cannot_have_led_to_the_first_row_is_a_warning(tmp_path: Path) -> None:
    recorded = read(tmp_path, ["34200,1,1,5,100000,1"], ["100100,1,100000,3"])
    assert recorded.start.tolist() == [(1001, -1, 1)]
    assert recorded.warnings == [f"{tmp_path / 'b.csv'}, row 1: the first message cannot have led to this row of the book"]


# ---- a market that writes LOBSTER files, by dictionaries -------------------------------------------------------------------------


class Market:
    """The whole book as {side: {tick: lots}}, shown `depth` levels deep."""

    def __init__(self, chance: random.Random, depth: int) -> None:
        self.chance, self.depth = chance, depth
        self.levels = {
            side: {1000 - side * step: chance.randint(1, 9) for step in range(1, 8) if chance.random() < 0.7} for side in (BUY, SELL)
        }

    def best(self, side: int) -> list[tuple[int, int]]:
        return sorted(self.levels[side].items(), key=lambda level: -level[0] * side)

    def message(self) -> str:
        """One change, as LOBSTER tells it."""
        side, kind = self.chance.choice((BUY, SELL)), self.chance.choice((ADD, ADD, REDUCE, CANCEL, TRADE, HIDDEN))
        levels = self.levels[side]
        if kind == HIDDEN:
            return f"{kind},0,1,100050,{side}"
        if kind == ADD or not levels:
            tick, lots = 1000 - side * self.chance.randint(1, 9), self.chance.randint(1, 9)
            levels[tick] = levels.get(tick, 0) + lots
            return f"{ADD},1,{lots},{tick * 100},{side}"
        tick = self.chance.choice(list(levels))
        lots = self.chance.randint(1, levels[tick])
        levels[tick] -= lots
        if not levels[tick]:
            del levels[tick]
        return f"{kind},1,{lots},{tick * 100},{side}"

    def row(self) -> str:
        cells = []
        for level in range(self.depth):
            for side, nowhere in ((SELL, 9999999999), (BUY, -9999999999)):
                best = self.best(side)
                tick, lots = best[level] if level < len(best) else (0, 0)
                cells += [tick * 100 if lots else nowhere, lots]
        return ",".join(map(str, cells))


def replayed(recorded: Recorded) -> Iterator[list[list[list[int]]]]:
    """The window after each event that is no REVEAL and the REVEALs behind it, by the slow obvious way."""
    book: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
    for tick, side, lots in recorded.start.tolist():
        book[side][tick] = lots
    for k, (_, before, lots, tick, _, kind, side) in enumerate(recorded.events.tolist()):
        levels = book[side]
        if kind == REVEAL:
            kept = {t: n for t, n in levels.items() if not min(before, tick) < t < max(before, tick)}
            book[side] = kept | ({tick: lots} if lots else {})
        elif kind <= TRADE:
            levels[tick] = levels.get(tick, 0) + (lots if kind == ADD else -lots)
            if levels[tick] <= 0:
                del levels[tick]
        if k + 1 == len(recorded.events) or recorded.events["kind"][k + 1] != REVEAL:
            best = [sorted(book[s].items(), key=lambda level: -level[0] * s)[: recorded.depth] for s in (BUY, SELL)]
            yield [[*map(list, side), *[[0, 0]] * (recorded.depth - len(side))] for side in best]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 60), st.booleans())
def test_replaying_the_events_gives_the_book_file_again(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random, depth: int, rows: int, only_shown: bool
) -> None:
    market, messages, book = Market(chance, depth), [], []
    before = {side: market.best(side) for side in (BUY, SELL)}
    for k in range(rows):
        shown, message = market.row(), market.message()
        if not only_shown or not messages or message.startswith("5") or market.row() != shown:  # LOBSTER's own rule: what is in view
            messages.append(f"{34200 + k}.5,{message}")
            book.append(market.row())
    folder = tmp_path_factory.mktemp("market")
    recorded = read(folder, messages, book)
    assert recorded.warnings == []
    rows_read = lobster.read_book(folder / "b.csv", TEST)
    assert list(replayed(recorded)) == rows_read.tolist()
    assert compared(recorded.events, recorded.start, rows_read).mismatches == 0
    for side in (BUY, SELL):
        start = [(tick, lots) for tick, s, lots in recorded.start.tolist() if s == side]
        assert start == before[side][: len(start)]
        assert len(start) >= min(depth - 1, len(before[side]))


def test_a_level_that_left_out_of_view_is_gone_once_a_place_of_the_window_is_empty(tmp_path: Path) -> None:
    messages = ["34200,1,11,1,100000,1", "34201,1,12,6,100100,1", "34202,3,12,6,100100,1", "34203,1,13,7,99000,1"]
    book = [f"100200,1,{bid}" for bid in ("100000,1", "100100,6", "-9999999999,0", "99000,7")]
    recorded = read(tmp_path, messages, book)
    gone = recorded.events[recorded.events["kind"] == REVEAL]
    assert gone[["side", "id", "tick", "lots"]].tolist() == [(BUY, 1001, -(2**30), 0)]
    assert compared(recorded.events, recorded.start, lobster.read_book(tmp_path / "b.csv", TEST)).mismatches == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_spoilt_file_is_more_than_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    files = [text(MESSAGES), text(BOOK)]
    which = data.draw(st.integers(0, 1))
    at = data.draw(st.integers(0, len(files[which])))
    gone = data.draw(st.integers(0, 30))
    files[which] = (
        files[which][:at]
        + data.draw(st.binary(max_size=3) | st.sampled_from([b"\n", b",", b"-", b".", b'"', b"9" * 19]))
        + files[which][at + gone :]
    )
    sentence, rows = "", 0
    try:
        rows = int((read(tmp_path_factory.mktemp("spoilt"), *files).events["kind"] != REVEAL).sum())
    except BadInput as error:
        sentence = str(error)
    assert rows == len(MESSAGES) or ".csv" in sentence


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    market = Market(random.Random(1), 3)
    messages, book = zip(*[(f"34200,{market.message()}", market.row()) for _ in range(60)], strict=True)
    with pytest.raises(BadInput, match=r"m\.csv and .*b\.csv do not belong together: \d\d of 60 .* first row 2 of the book"):
        read(tmp_path, list(messages), list(reversed(book)))


# ---- the real files --------------------------------------------------------------------------------------------------------------

GOOG = "GOOG_2012-06-21_34200000_57600000_{}_10.csv.zst"
AAPL = "AAPL_head_{}_10_YileZheng.csv.zst"


@pytest.mark.parametrize(("name", "rows", "reveals"), [(GOOG, 147_916, 44_451), (AAPL, 999, 318)], ids=["GOOG", "AAPL"])
def test_a_real_day_has_the_rows_and_reveals_that_are_known_of_it(real_data: Path, name: str, rows: int, reveals: int) -> None:
    recorded = lobster.read(real_data / "lobster" / name.format("message"), real_data / "lobster" / name.format("orderbook"), TEST, DAY)
    assert recorded.warnings == []
    assert recorded.counts["reveal"] == reveals
    assert len(recorded.events) == rows + reveals
    assert (np.diff(recorded.events["time"]) >= 0).all()


def test_the_goog_day_begins_and_ends_as_its_file_does(real_data: Path) -> None:
    recorded = lobster.read(real_data / "lobster" / GOOG.format("message"), None, TEST, DAY)
    assert recorded.events[0].tolist() == (midnight_ns(DAY) + 34_200_015_105_074, 15_818_974, 4, 57_940, 0, TRADE, BUY)
    assert int((recorded.events["finer"] != 0).sum()) == 50
    assert (recorded.events["time"] < midnight_ns(DAY) + 57_600 * SECOND).all()


def test_replaying_a_real_head_gives_its_book_file_again(real_data: Path) -> None:
    paths = [real_data / "lobster" / AAPL.format(what) for what in ("message", "orderbook")]
    assert list(replayed(lobster.read(*paths, TEST, DAY))) == lobster.read_book(paths[1], TEST).tolist()


def test_the_files_of_two_stocks_do_not_belong_together(real_data: Path, tmp_path: Path) -> None:
    book = zstandard.ZstdDecompressor().decompressobj().decompress((real_data / "lobster" / GOOG.format("orderbook")).read_bytes())
    (tmp_path / "book.csv").write_bytes(b"".join(book.splitlines(keepends=True)[:999]))
    with pytest.raises(BadInput, match="do not belong together"):
        lobster.read(real_data / "lobster" / AAPL.format("message"), tmp_path / "book.csv", TEST, DAY)
