"""MATLAB's books are read in a process of their own: what they hold, or one sentence, whatever is in the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from tercet.errors import BadInput
from tercet.market.tables import read_tape, read_touch, tape_of, touch_of


def saved(folder: Path, **fields: Any) -> Path:
    """A struct LOB of a book of three rows and a tape of two orders, with these fields changed."""
    book = {
        "EventTime": np.array([[0.0], [100.0], [200.0]]),
        "BuyPrice": np.array([[99.0, 98.0], [99.0, 98.0], [98.0, 97.0]]),
        "SellPrice": np.array([[101.0, 102.0], [100.0, 101.0], [100.0, 101.0]]),
        "MO": np.array([[34_200_000.0, 1, 2, 3, 4, 5, 60, -1, 9], [34_200_100.0, 1, 2, 3, 4, 5, 70, 1, 9]]),
    }
    scipy.io.savemat(folder / "book.mat", {"LOB": {name: one for name, one in (book | fields).items() if one is not None}})
    return folder / "book.mat"


def test_a_tape_and_a_touch_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path)
    times, lots = read_tape(path)
    assert (times.tolist(), lots.tolist()) == ([34_200_000, 34_200_100], [60.0, 70.0])
    assert [one.tolist() for one in read_touch(path)] == [[0, 100, 200], [99.0, 99.0, 98.0], [101.0, 100.0, 100.0]]


SOUND = np.array([[0.0], [1.0]]), np.array([[99.0], [99.0]]), np.array([[101.0], [101.0]])
WRONG: dict[str, tuple[Any, str]] = {
    "a tape of two columns": (lambda: tape_of(BOOK, np.ones((3, 2))), r"7 columns or more, found one of shape \(3, 2\)"),
    "a tape that is one number": (lambda: tape_of(BOOK, np.float64(3)), r"found one of shape \(\)"),
    "a time that is none": (lambda: tape_of(BOOK, np.full((1, 9), np.nan)), "expected times from 0 to 86,400,000 ms after midnight"),
    "a time of tomorrow": (lambda: tape_of(BOOK, np.full((1, 9), 86_400_000.0)), "expected times from 0 to 86,400,000 ms after midnight"),
    "a volume below 0": (lambda: tape_of(BOOK, np.array([[1.0, 0, 0, 0, 0, 0, -1]])), "expected volumes of 0 or more, found others"),
    "a volume without end": (lambda: tape_of(BOOK, np.array([[1.0, 0, 0, 0, 0, 0, np.inf]])), "expected volumes of 0 or more"),
    "a book of other lengths": (lambda: touch_of(BOOK, SOUND[0][:1], *SOUND[1:]), "expected a book with a row a time, found shapes"),
    "a book of no rows": (lambda: touch_of(BOOK, *(one[:0] for one in SOUND)), "expected a book with a row a time, found shapes"),
    "a row without a bid": (lambda: touch_of(BOOK, SOUND[0], 0 * SOUND[1], SOUND[2]), "expected a bid and an ask above it in every row"),
    "a crossed row": (lambda: touch_of(BOOK, SOUND[0], SOUND[2], SOUND[1]), "expected a bid and an ask above it in every row"),
    "an ask without end": (lambda: touch_of(BOOK, *SOUND[:2], SOUND[2] * np.inf), "expected asks of 0 or more, found others"),
    "an empty file": (
        lambda: read_tape(Path("/dev/null")),
        "expected a MATLAB file .* has a tape MO, found none .*does not begin with MATLAB 5",
    ),
    "no file": (lambda: read_touch(BOOK), "expected a MATLAB file .* has a book, found none .No such file"),
}
BOOK = Path("no_such_book.mat")


@pytest.mark.parametrize("name", WRONG)
def test_a_book_that_is_none_is_refused_in_a_sentence(name: str) -> None:
    read, sentence = WRONG[name]
    with pytest.raises(BadInput, match=sentence):
        read()


def test_a_damaged_file_or_one_without_the_field_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has a tape MO, found none .*it has no MO"):
        read_tape(saved(tmp_path, MO=None))
    path = tmp_path / "book.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[:130] + b"\xff" * 8 + whole[138:])
    with pytest.raises(BadInput, match="expected a MATLAB file with a struct LOB that has a book, found none"):
        read_touch(path)
