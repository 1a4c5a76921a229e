"""Tercet runs where the names that Linux alone has are missing: macOS has no sched_getaffinity and no /proc, Windows no fcntl."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_layers import ROOT

from tercet import cores, locks

# Names of `os` and modules that not every system has, and the file that may know them.
LINUX_ALONE = ["sched_getaffinity", "sched_setaffinity", "posix_fadvise", "posix_fallocate", "fdatasync", "memfd_create", "eventfd"]
LINUX_ALONE += ["pidfd_open", "copy_file_range", "splice", "O_TMPFILE", "O_DIRECT", "O_PATH", "O_NOATIME", "epoll", "getxattr", "setxattr"]
POSIX_ALONE = ["fcntl", "resource", "termios", "pwd", "grp", "fork", "forkpty"]
DOORS = {"sched_getaffinity": "tercet/cores.py", "fcntl": "tercet/locks.py"}


def names_in(path: Path) -> Iterator[str]:
    """Every module that a file imports, every attribute and name that it reads, and every string that is a path of Linux's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "", *(alias.name for alias in node.names))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "select", "fcntl", "locks"):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"/(?:proc|sys|dev/shm)\b", node.value):
            yield node.value


def test_names_that_some_systems_lack_stand_behind_one_door_each() -> None:
    found = []
    for path in sorted((ROOT / "tercet").rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        for name in names_in(path):
            wrong = name in LINUX_ALONE + POSIX_ALONE or name.startswith("/")
            if wrong and DOORS.get(name) != where:
                found.append(f"{where}: {name}")
    assert found == []


WORK = """
import importlib.abc, os, pkgutil, select, sys
for name in {names!r}:
    for module in (os, select):
        if hasattr(module, name):
            delattr(module, name)

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource"):
            raise ModuleNotFoundError(name=name)

absent = {absent}
if absent:
    import subprocess, multiprocessing  # the libraries' own
    sys.meta_path.insert(0, Absent())
    for name in ("fcntl", "resource"):
        sys.modules.pop(name, None)
import tercet
skipped = ("tercet.learn", "tercet.cli.app", "tercet.bench.train", "tercet.signals.sequence", "tercet.signals.exported")  # they load torch
for module in pkgutil.walk_packages(tercet.__path__, "tercet."):
    if not module.name.startswith(skipped) and not (absent and module.name.startswith(("tercet.signals", "tercet.risk", "tercet.report"))):
        importlib.import_module(module.name)
from tercet.backtest.markets import market
from tercet.backtest.parents import plan
from tercet.backtest.runner import Settings, run
from tercet.execution.schedules import by_name
where = market("crowd:zero")
result = run(where, plan(where, 2, "10", 10_000_000_000, "both", 0), [by_name("twap")], Settings())
print(result.costs.shape)
from tercet.errors import TercetError
from tercet.orders.journal import open_journal, verify
try:
    open_journal("journal").close()
    print(verify("journal").rows)
except (OSError, TercetError) as error:
    print(error)
"""


def run(folder: Path, absent: bool) -> list[str]:
    """The lines that a process says which lacks those names."""
    code = WORK.format(names=LINUX_ALONE, absent=absent)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_without_the_names_that_linux_alone_has_everything_is_imported_and_works(tmp_path: Path) -> None:
    assert run(tmp_path, absent=False) == ["(1, 2)", "0"]


def test_without_locks_everything_else_works_and_a_journal_is_refused_in_one_sentence(tmp_path: Path) -> None:
    shape, sentence = run(tmp_path, absent=True)
    assert shape == "(1, 2)"
    assert "this system has no file locks; expected Linux or macOS" in sentence


def test_cores_are_counted_where_no_affinity_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "os", SimpleNamespace(cpu_count=lambda: 6))
    assert cores.cores() == 6
    monkeypatch.setattr(cores, "os", SimpleNamespace(cpu_count=lambda: None))
    assert cores.cores() == 1
    monkeypatch.setattr(cores, "os", SimpleNamespace(sched_getaffinity=lambda process: {1, 3, 5}, cpu_count=lambda: 64))
    assert cores.cores() == 3


def test_a_lock_is_shared_by_readers_and_keeps_a_second_writer_out(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    held = [os.open(path, os.O_RDWR) for _ in range(3)]
    try:
        locks.lock(held[0], shared=True)
        locks.lock(held[1], shared=True, wait=False)
        with pytest.raises(BlockingIOError):
            locks.lock(held[2], wait=False)
        os.close(held.pop(0))
        os.close(held.pop(0))
        locks.lock(held[0], wait=False)
    finally:
        for file in held:
            os.close(file)


def test_without_locks_the_refusal_says_which_systems_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with pytest.raises(OSError, match="this system has no file locks; expected Linux or macOS"):
        locks.lock(0)
