"""A file of separated numbers becomes an int64 array, on all cores; what does not parse is named by row and column."""

import os
import re
from collections.abc import Callable
from concurrent.futures import Executor
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput, at_row
from tercet.market import digits

WORKERS = min(4, os.cpu_count() or 1)
SEPARATORS = b";\t|"  # that are found in place of commas; decimals may then have commas
SMALL = 1 << 18  # below that many bytes a second thread costs more than it saves


@dataclass(frozen=True)
class Layout:
    """What a row holds: `decimals` kept of each column, its `place` in the array, and whether one cell more may follow."""

    decimals: NDArray[np.int64]
    place: NDArray[np.int64]
    spare: bool = False

    @property
    def expected(self) -> str:
        """How many columns a row has, for the sentence that refuses one."""
        columns = len(self.decimals)
        return f"{columns} or {columns + 1} columns" if self.spare else f"{columns} columns"


class Table:
    """The text of one file: rows of numbers under at most one header row, which may number the columns.

    Line ends may be Windows's, the last may be missing; semicolons, tabs, bars or spaces may stand for commas. Raises BadInput where
    there are no rows of numbers, or UTF-16.
    """

    def __init__(self, path: Path, text: digits.Text) -> None:
        if text[:2].tobytes() in (b"\xff\xfe", b"\xfe\xff"):
            raise BadInput(f"{path}: expected text in UTF-8, found UTF-16: save it again as UTF-8")
        self.path, self.left_out = path, 0
        text = _with_commas(text)
        self.text = text if text[-1] == digits.LF else np.append(text, np.uint8(digits.LF))
        self.start = 3 if text[:3].tobytes() == b"\xef\xbb\xbf" else 0
        self.stop = len(self.text)
        while self.stop > self.start and not self._line(self.stop - 1).strip():  # empty lines at the end
            self.stop = digits.this_line(self.text, self.stop - 1)
        self.header = self.stop > self.start and _is_header(self.first_row())
        if self.header:
            self.start = digits.next_line(self.text, self.start)
        if self.start >= self.stop:
            raise BadInput(f"{path}: expected rows of numbers, found none")

    def first_row(self) -> list[str]:
        """The cells of the first row of numbers."""
        return self._line(self.start).split(",")

    def without_index(self) -> "Table":
        """The same rows without their first column, a data frame's index; BadInput where that is no column of growing whole numbers."""
        lines = self.text[self.start : self.stop].tobytes()
        before = -1
        for k, cell in enumerate(re.findall(rb"(?m)^([^,\n]*),", lines)):
            found = cell.decode("utf-8", "replace").strip(' "')
            if not re.fullmatch(r"[0-9]{1,18}", found) or int(found) <= before:
                raise self.refuse(k, f"expected growing row numbers in column 1, which is one too many, found {found[:40]!r}")
            before = int(found)
        rest = copy(self)
        rest.text, rest.start = np.frombuffer(re.sub(rb"(?m)^[^,\n]*,", b"", lines), np.uint8), 0
        rest.stop, rest.left_out = len(rest.text), 1
        return rest

    def row(self, k: int) -> int:
        """The line of data row `k` in the file, from 1."""
        return int(k) + 1 + self.header

    def refuse(self, k: int, problem: str) -> BadInput:
        """The error about data row `k`."""
        return at_row(self.path, self.row(k), problem)

    def numbers(self, layout: Layout, pool: Executor) -> NDArray[np.int64]:
        """All rows, shape (rows, columns of the layout); BadInput for the first that does not parse."""
        parts = self._parts()
        counts = [digits.lines(part) for part in parts]
        firsts = np.concatenate([[0], np.cumsum(counts)])
        out = np.empty((firsts[-1], len(layout.place)), np.int64)

        def parse(part: int) -> digits.Parsed:
            rows = out[firsts[part] : firsts[part + 1]]
            parsed: digits.Parsed = digits.parse(parts[part], layout.decimals, layout.place, layout.spare, rows)
            return parsed

        for part, (row, fault, column, at) in enumerate(_at_once(pool, parse, len(parts))):
            if fault != digits.FINE:
                at_all = at + sum(map(len, parts[:part])) + self.start
                raise self.refuse(firsts[part] + row, self._problem(fault, column, at_all, layout))
        return out

    def _parts(self) -> list[digits.Text]:
        """The text in pieces of about one size, each of whole lines."""
        pieces = WORKERS if self.stop - self.start > SMALL else 1
        middles = [self.start + (self.stop - self.start) * piece // pieces for piece in range(1, pieces)]
        cuts = [self.start, *(digits.next_line(self.text, middle) for middle in middles), self.stop]
        return [self.text[start:stop] for start, stop in pairwise(cuts)]

    def _line(self, at: int) -> str:
        """The line that holds `at`, without its end."""
        line = self.text[digits.this_line(self.text, at) : digits.next_line(self.text, at)]
        return line.tobytes().decode("utf-8", "replace").rstrip("\r\n")

    def _problem(self, fault: int, column: int, at: int, layout: Layout) -> str:
        cells = self._line(at).split(",")
        columns = len(layout.decimals)
        if fault in (digits.TOO_FEW, digits.TOO_MANY) or column >= columns or len(cells) < columns:
            return f"expected {layout.expected}, found {len(cells)}"
        kind = {digits.NOT_WHOLE: "a whole number", digits.TOO_LARGE: "a number within 64 bits"}.get(fault, "a number")
        return f"expected {kind} in column {column + 1 + self.left_out}, found {cells[column][:40]!r}"


def each_part(pool: Executor, rows: int, work: Callable[[int, int], Any]) -> list[Any]:
    """`work(start, stop)` on parts of `rows` rows at a time, on all cores; the answers in order."""
    parts = WORKERS if rows * 64 > SMALL else 1
    return _at_once(pool, lambda part: work(rows * part // parts, rows * (part + 1) // parts), parts)


def _at_once(pool: Executor, work: Callable[[int], Any], parts: int) -> list[Any]:
    return list(pool.map(work, range(parts))) if parts > 1 else [work(0)]


def _with_commas(text: digits.Text) -> digits.Text:
    """The same text with commas between its cells, and no spaces around them."""
    lines = text[:SMALL].tobytes().split(b"\n", 2)[:2]
    if b"," in lines[0] and max(map(lines[0].count, _each(SEPARATORS))) <= lines[0].count(b","):
        return text if b" " not in lines[-1] else _replaced(text, rb" *, *", b",")
    for mark in _each(SEPARATORS):
        if mark in lines[0]:
            return np.frombuffer(text.tobytes().replace(b",", b".").replace(mark, b","), np.uint8)
    if b" " in lines[-1].strip():
        return _replaced(_replaced(text, rb"(?m)^ +| +(?=\r?$)", b""), rb" +", b",")
    return text


def _each(marks: bytes) -> list[bytes]:
    return [marks[k : k + 1] for k in range(len(marks))]


def _replaced(text: digits.Text, pattern: bytes, by: bytes) -> digits.Text:
    return np.frombuffer(re.sub(pattern, by, text.tobytes()), np.uint8)


def _is_header(cells: list[str]) -> bool:
    """Whether a row names the columns, or numbers them, a column without a name before them or not."""
    numbered = cells if _is_number(cells[0]) else cells[1:]
    counted = [str(number) for number in range(len(numbered) + 1)]
    return not any(map(_is_number, cells)) or numbered in (counted[:-1], counted[1:])


def _is_number(cell: str) -> bool:
    try:
        return float(cell) == float(cell)
    except ValueError:
        return False
