"""Machine code kept between processes: named by all its source, never run where it is damaged, done without where it cannot be kept."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_layers import ROOT, read

from tercet.compiled import KEPT_FOLDERS, LATELY_S, closure, make_folder, note_use, source_of

CALL = "import numpy as np; from tercet.risk.recursions import gjr; print(gjr(np.ones(3), np.array([0, 1, 0, 0, 0, 1.0])).tolist())"
PLACES = ["cut", "flipped", "empty"]


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"TERCET_CACHE": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=300)


def test_a_module_s_folder_is_named_by_every_module_that_its_text_leads_to() -> None:
    files = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in (ROOT / "tercet").rglob("*.py")}
    sources = {source.module: source.imports for source in read(files)}

    def reached(module: str) -> set[str]:
        found, waiting = set(), [module]
        while waiting:
            if (name := waiting.pop()) not in found and source_of(name):
                found.add(name)
                waiting += sources.get(name, ())
        return found

    for module in ("tercet.backtest.episode", "tercet.envs.stepping", "tercet.risk.intraday", "tercet.orders.judge"):
        assert reached(module) - closure(module) == set()
        assert "tercet.cli.app" not in closure(module)


def test_a_module_from_elsewhere_depends_on_the_whole_package() -> None:
    assert {"tercet.book.matching", "tercet.cli.app"} <= closure("my_policies")


@pytest.mark.parametrize("damage", PLACES)
def test_damaged_machine_code_is_said_and_compiled_again(damage: str, tmp_path: Path) -> None:
    sound = run(tmp_path, CALL)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sound.stderr == ""
    assert kept
    for path in kept:
        data = path.read_bytes()
        path.write_bytes({"cut": data[: len(data) // 2], "flipped": data[:-9] + bytes([data[-9] ^ 255]) + data[-8:], "empty": b""}[damage])
    mended = run(tmp_path, CALL)
    assert mended.stdout == sound.stdout
    assert mended.stderr.count("tercet: kept machine code cannot be used") == 1
    assert run(tmp_path, CALL).stderr == ""


def test_where_nothing_can_be_kept_a_process_compiles_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder can be made below a file")
    done = run(tmp_path / "file", CALL)
    assert done.stdout == run(tmp_path / "kept", CALL).stdout
    assert done.stderr.count("tercet: machine code cannot be kept") == 1


def folders(home: Path, ages: list[float]) -> list[Path]:
    """Folders of one module, last used so many seconds ago."""
    made = [home / f"tercet.book.state-{number:016x}" for number in range(len(ages))]
    for folder, age in zip(made, ages, strict=True):
        folder.mkdir()
        os.utime(folder, (time.time() - age,) * 2)
    return made


def test_the_oldest_folders_of_a_module_go_and_those_in_use_stay(tmp_path: Path) -> None:
    old = folders(tmp_path, [LATELY_S * (2 + number) for number in range(KEPT_FOLDERS + 3)])
    other = tmp_path / "tercet.book.matching-0"
    other.mkdir()
    os.utime(other, (1.0, 1.0))
    note_use(old[-1])
    make_folder(new := tmp_path / "tercet.book.state-new")
    assert sorted(tmp_path.iterdir()) == sorted([*old[: KEPT_FOLDERS - 2], old[-1], new, other])


def test_however_many_there_are_none_used_lately_goes(tmp_path: Path) -> None:
    lately = folders(tmp_path, [LATELY_S / 2] * (KEPT_FOLDERS + 4))
    make_folder(tmp_path / "tercet.book.state-new")
    assert all(folder.is_dir() for folder in lately)


def test_a_folder_that_is_not_there_is_not_used(tmp_path: Path) -> None:
    note_use(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_process_that_uses_a_folder_says_so(tmp_path: Path) -> None:
    run(tmp_path, CALL)
    (folder,) = tmp_path.glob("tercet.risk.recursions-*")
    os.utime(folder, (1.0, 1.0))
    run(tmp_path, CALL)
    assert folder.stat().st_mtime > time.time() - 600
