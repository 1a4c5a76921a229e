"""The day that the project makes itself: kept next to the machine code, mended where it is damaged, made anew where it cannot be kept."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tercet import compiled
from tercet.envs.made import kept_day, made_market, read_day
from tercet.market.events import EVENT, LEVEL_ROW


def saved(path: Path, **arrays: object) -> None:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    path.write_bytes(hashlib.sha256(packed.getvalue()).digest() + packed.getvalue())


def flipped(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "flipped": flipped,
    "something else": lambda data: b"PK and no more",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_day_is_said_and_not_used(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_said", set())
    path = tmp_path / "made.day"
    saved(path, events=np.zeros(9, EVENT), levels=np.zeros(4, LEVEL_ROW), lots=3.0)
    day = read_day(path)
    assert day is not None
    assert (len(day[0]), len(day[1]), day[2]) == (9, 4, 3.0)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert read_day(path) is None
    assert capsys.readouterr().err.count("tercet: a kept day cannot be used and is made again") == 1


@pytest.mark.parametrize("wrong", ["events", "levels", "lots"])
def test_a_day_of_other_rows_is_not_used(wrong: str, tmp_path: Path) -> None:
    arrays: dict[str, object] = {"events": np.zeros(9, EVENT), "levels": np.zeros(4, LEVEL_ROW), "lots": 3.0}
    for change in ({wrong: np.zeros(3, np.complex64)}, None):
        saved(tmp_path / "made.day", **(arrays | change if change else {name: one for name, one in arrays.items() if name != wrong}))
        assert read_day(tmp_path / "made.day") is None


def test_where_a_day_cannot_be_kept_it_is_the_same_one_from_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_said", set())
    (tmp_path / "file").write_text("no folder can be made below a file")
    events, levels, lots = kept_day(tmp_path / "file" / "folder" / "made.day")
    known = made_market()
    assert events.tobytes() == known.events.tobytes() if known.events is not None else False
    assert levels.tobytes() == known.levels.tobytes() if known.levels is not None else False
    assert lots == known.expected_day_lots
    assert capsys.readouterr().err.count("cannot be kept, and each process makes it") == 1
