"""Machine code kept between processes: named by all its source, never run where it is damaged, done without where it cannot be kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_layers import ROOT, read

from tercet.compiled import closure, source_of

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
