"""A user's file as columns: Parquet by its first bytes, everything else as delimited text however it was saved."""

import bz2
import contextlib
import csv
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl
import zstandard

from tercet.errors import BadInput, at_row
from tercet.market.recorded import unpack_frames

ROW: Final = "_row"  # the row of the file, as editors count, or the row of a Parquet file from 1
EXPECTED: Final = "expected a Parquet or CSV file"
PARQUET: Final = b"PAR1"
FOREIGN: Final = {  # first bytes of what people name .csv and is none
    b"PK\x03\x04": "an Excel or zip file; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV",
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file; write its table with to_csv or to_parquet",
    b"MATLAB": "a MATLAB file",
    b"ARROW1": "an Arrow file; write its table with to_parquet",
    b"FEA1": "a Feather file; write its table with to_parquet",
    b"\x80\x04\x95": "a pickle; write its table with to_csv or to_parquet",
    b"SQLite format": "an SQLite database",
}
MARKS: Final = ((b"\xff\xfe\x00\x00", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
SEPARATORS: Final = (",", ";", "\t", "|")
INDEX: Final = re.compile(r"^(|index|level_0|Unnamed: ?\d+|__index_level_\d+__|column_1|_duplicated_\d+)$")
PACKED: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": gzip.decompress,
    b"\xfd7zXZ\0": lzma.decompress,
    b"BZh": bz2.decompress,
    b"\x28\xb5\x2f\xfd": lambda packed: b"".join(unpack_frames(packed)),
}


@dataclass(frozen=True)
class Column:
    """One column of a file, and the rows that its values stand in: what is wrong with it is said of file, row and column."""

    path: str | Path
    name: str
    values: pl.Series
    rows: pl.Series

    @classmethod
    def of(cls, path: str | Path, frame: pl.DataFrame, name: str) -> "Column":
        """A column of what `read_columns` read."""
        return cls(path, name, frame[name], frame[ROW])

    def holding(self, values: pl.Series) -> "Column":
        """The same with other values."""
        return replace(self, values=values)

    def refuse(self, problem: str) -> BadInput:
        """The error about all of it."""
        return BadInput(f"{self.path}, {self.name}: {problem}")

    def refuse_row(self, wrong: pl.Series, problem: str) -> BadInput:
        """The error about the first row where `wrong` is true; {found} in `problem` is its value."""
        place = int(wrong.fill_null(False).arg_max() or 0)
        return at_row(self.path, self.rows[place], f"{self.name}: {problem.replace('{found}', repr(self.values[place])[:80])}")


def read_columns(path: str | Path) -> pl.DataFrame:
    """The file's columns and ROW. Those of text files are texts, null where a cell is empty; BadInput says what is wrong, and in which row.

    Text: comma, semicolon, tab or bar between cells; UTF-8, UTF-16 or UTF-32; any line ends; packed with gzip, zstd, bzip2 or xz.
    """
    data = _bytes(path)
    if data[:4] == PARQUET:
        return _parquet(path, data)
    for magic, what in FOREIGN.items():
        if data.startswith(magic):
            raise BadInput(f"{path}: {EXPECTED}, found {what}")
    return _delimited(path, _decoded(path, data))


def _bytes(path: str | Path) -> bytes:
    """What is in the file, unpacked."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        raise BadInput(f"{path!s}: {EXPECTED} ({getattr(error, 'strerror', None) or error})") from error
    for magic, unpack in PACKED.items():
        if data.startswith(magic):
            try:
                data = unpack(data)
            except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, ValueError, MemoryError) as error:
                raise BadInput(f"{path}: {EXPECTED}, found a packed one that is damaged ({error})") from error
    if not data.strip(b"\0 \t\r\n"):
        raise BadInput(f"{path}: {EXPECTED}, found an empty file")
    return data


def _parquet(path: str | Path, data: bytes) -> pl.DataFrame:
    """The columns of a Parquet file. Damage makes polars panic, which is no Exception, and write to the terminal by itself."""
    wrong = f"{path}: {EXPECTED}, found a Parquet file that is damaged"
    try:
        with _silent():
            frame = pl.read_parquet(io.BytesIO(data))
            frame = frame.rechunk()
    except (OSError, ValueError, MemoryError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{wrong} ({_first_line(error)})") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise BadInput(wrong) from error
    frame = frame.rename(_cleaned(path, frame.columns)).with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(ROW))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """What native code writes to stderr goes nowhere."""
    nowhere, kept = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _decoded(path: str | Path, data: bytes) -> str:
    """Bytes as text, by their mark, by the zeros between them, or as UTF-8, and what Windows wrote before."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:200]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise BadInput(f"{path}: {EXPECTED}, found text that is no {encoding} ({error.reason} at byte {error.start:,})") from error
        text = data.decode("cp1252", "replace")
    if (place := text.find("\0")) >= 0:
        raise at_row(path, text.count("\n", 0, place) + 1, f"{EXPECTED}, found a byte that is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimited(path: str | Path, text: str) -> pl.DataFrame:
    """Cells of text as a frame: the first line that is not blank names the columns."""
    lines = text.split("\n")
    rows = [number for number, line in enumerate(lines, 1) if line.strip(" ,;\t")]
    if len(rows) < len(lines):
        lines = [lines[number - 1] for number in rows]
    if lines[0].lstrip().startswith(("<", "{", "[")) and not re.match(r"\s*<\w+>[,;\t|]", lines[0]):  # MetaTrader's <DATE>
        raise BadInput(f"{path}: {EXPECTED}, found HTML or JSON that begins with {lines[0].strip()[:40]!r}")
    separator = _separator(lines)
    head = [cell.strip() for cell in next(csv.reader([lines[0]], delimiter=separator))]
    if len(head) == 1 and any(mark in line for line in lines[1:4] for mark in SEPARATORS):
        told = f"expected the names of columns, found {lines[0].strip()[:60]!r}"
        raise at_row(path, rows[0], f"{told}: delete what stands before the line of names")
    lines, rows, head = _three_headers(path, lines, rows, head, separator)
    _refuse_no_names(path, rows[0], head)
    body = "\n".join(lines[1:])
    names = list(_cleaned(path, head).values())
    if not body:
        raise BadInput(f"{path}: the file has a line of names, {', '.join(names)}, and no rows; expected some")
    try:
        frame = pl.read_csv(
            io.BytesIO(body.encode("utf-8", "replace")),
            has_header=False,
            new_columns=names,
            schema=dict.fromkeys(names, pl.String),
            separator=separator,
            infer_schema=False,
        )
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise _ragged(path, lines, rows, len(names), separator, error) from error
    if frame.height != len(rows) - 1:  # a cell that goes over lines
        rows = [rows[0], *range(rows[0] + 1, rows[0] + 1 + frame.height)]
    elif any(line.count(separator) != len(names) - 1 for line in lines[1:]) and (wrong := _uneven(lines, rows, len(names), separator)):
        raise at_row(path, wrong[0], f"expected {len(names)} cells, as the first line has, found {wrong[1]}")
    return frame.with_columns(pl.Series(ROW, rows[1:], dtype=pl.Int64))


def _separator(lines: list[str]) -> str:
    """What stands between cells: of the candidates in the first line that which the rows after it have as often."""
    counts = {mark: lines[0].count(mark) for mark in SEPARATORS}
    some = lines[1:20]
    fitting = {mark: (sum(line.count(mark) == count for line in some), count) for mark, count in counts.items() if count}
    return max(fitting, key=lambda mark: fitting[mark]) if fitting else ","


def _three_headers(
    path: str | Path, lines: list[str], rows: list[int], head: list[str], separator: str
) -> tuple[list[str], list[int], list[str]]:
    """yfinance's three first lines (Price, Ticker, Date) as one."""
    if len(lines) < 4 or head[0] not in ("Price", "Attributes"):
        return lines, rows, head
    second, third = (next(csv.reader([line], delimiter=separator)) for line in lines[1:3])
    if second[:1] not in (["Ticker"], ["Symbols"]) or third[:1] not in (["Date"], ["Datetime"]):
        return lines, rows, head
    if len(tickers := set(second[1:])) > 1:
        raise at_row(path, rows[1], f"expected the prices of one ticker, found those of {len(tickers)}: write each to a file of its own")
    return [lines[0], *lines[3:]], [rows[0], *rows[3:]], [third[0], *head[1:]]


def _refuse_no_names(path: str | Path, row: int, head: list[str]) -> None:
    """BadInput where numbers stand where the names of columns should."""
    numeric = [cell for cell in head if re.fullmatch(r"[-+]?[\d.,:/ -]*\d[\d.,:/ %-]*", cell)]
    if numeric and len(numeric) >= len([cell for cell in head if cell]):
        raise at_row(
            path, row, f"expected the names of columns, such as date,close, found {', '.join(head[:4])}: put a line of names first"
        )


def _cleaned(path: str | Path, names: list[str]) -> dict[str, str]:
    """Names without blanks, quotes and marks around them; BadInput where two are the same."""
    cleaned = {name: name.strip(" \t\ufeff\"'\xa0<>") for name in names}
    if len(cleaned) < len(names) or len(set(cleaned.values())) < len(names):
        told = [name.strip(" \t\ufeff\"'\xa0<>") for name in names]
        twice = next(name for name in told if told.count(name) > 1)
        raise BadInput(f"{path}: two columns are called {twice!r}; expected a name each")
    return cleaned


def _uneven(lines: list[str], rows: list[int], width: int, separator: str) -> tuple[int, int] | None:
    """(row, cells) of the first line that has other than `width` cells."""
    for row, cells in zip(rows[1:], csv.reader(lines[1:], delimiter=separator), strict=False):
        if len(cells) != width:
            return row, len(cells)
    return None


def _ragged(path: str | Path, lines: list[str], rows: list[int], width: int, separator: str, error: Exception) -> BadInput:
    with contextlib.suppress(csv.Error):
        if wrong := _uneven(lines, rows, width, separator):
            return at_row(path, wrong[0], f"expected {width} cells, as the first line has, found {wrong[1]}")
    return BadInput(f"{path}: {EXPECTED} ({_first_line(error)})")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def counts_up(column: pl.Series) -> bool:
    """Whether it is the index that pandas writes: whole numbers from 0 or 1 on, one a row."""
    numbers = column.cast(pl.Int64, strict=False) if column.dtype == pl.String or column.dtype.is_integer() else None
    if numbers is None or numbers.null_count() or not len(numbers) or numbers[0] not in (0, 1):
        return False
    return all(after - before == 1 for before, after in pairwise(numbers.to_list()))
