"""Who may import whom: the floors of the house, checked from the source text without importing any of it."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS = (
    ("__init__", "errors"),
    ("compiled", "cores", "interrupts", "intrinsics", "locks", "memory", "wholefiles"),
    ("market",),
    ("book", "messages"),
    ("sim", "signals", "execution"),
    ("backtest", "risk", "orders", "fix"),
    ("envs", "portfolio"),
    ("learn", "live", "desk"),
    ("config", "report", "bench"),
    ("cli",),
)
FLOOR = {unit: floor for floor, units in enumerate(FLOORS) for unit in units}

COMPILED_PACKAGES = ("tercet.book", "tercet.sim")
COMPILED_FILES = ("tercet.execution.view", "tercet.backtest.episode", "tercet.envs.rewards")
COMPILED_FILES += tuple(f"tercet.signals.{name}" for name in ("arrivals", "fading", "features", "impact", "ladder", "messagerow", "micro"))
COMPILED_FILES += tuple(f"tercet.signals.{name}" for name in ("onerow", "orderflow", "resilience", "seconds", "tape", "toxicity"))
# Runs once, over tables and fitted curves, and no compiled file may import it.
PLAIN_FILES = ("tercet.sim.calibrate",)
# dataclasses, functools and collections.abc stay outside the machine code: a Settings beside its user, a dtype made once, names of types.
COMPILED_MAY_IMPORT = ("__future__", "collections.abc", "dataclasses", "functools", "math", "numba", "numpy", "typing")
COMPILED_MAY_IMPORT += ("tercet.compiled", "tercet.intrinsics", "tercet.market.events")
COMPILED_MAY_IMPORT += ("tercet.errors", "tercet.execution.trial")  # of a Policy's Python face: a sentence, and a try without compiling

# Stable-Baselines loads torch when it is imported.
TORCH = ("torch", "stable_baselines3", "sb3_contrib")
VAGUE_NAMES = ("utils", "common", "core", "helpers", "base")


class Source(NamedTuple):
    """One file of the package: its path from the repository's root, its dotted name, and the dotted names that it imports."""

    path: str
    module: str
    imports: frozenset[str]
    compiled: bool


def under(name: str, roots: Iterable[str]) -> bool:
    """Whether a dotted name is one of `roots` or lies inside one."""
    return any(name == root or name.startswith(root + ".") for root in roots)


def unit(module: str) -> str:
    """The package or the file directly in `tercet` that a dotted name belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def named_imports(tree: ast.AST, package: str, modules: frozenset[str]) -> Iterator[str]:
    """Every dotted name that the text imports, wherever it stands; `from tercet import book` counts as `tercet.book`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in modules or (origin == "tercet" and alias.name in FLOOR) else origin
        elif isinstance(node, ast.Call) and node.args and isinstance(name := node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(name.value, str):
                yield name.value


def read(files: dict[str, str]) -> list[Source]:
    """The sources of a package given as {path: text}."""
    dotted = {path: path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files}
    modules = frozenset(dotted.values())
    sources = []
    for path, text in files.items():
        module = dotted[path]
        package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]
        tree = ast.parse(text, path)
        imports = frozenset(named_imports(tree, package, modules))
        sources.append(Source(path, module, imports, is_compiled(module, path, tree)))
    return sources


def is_compiled(module: str, path: str, tree: ast.AST) -> bool:
    """Whether machine code is made from this file: by its place in the architecture, or because it takes the decorator."""
    takes = any(
        isinstance(node, ast.ImportFrom) and node.module == "tercet.compiled" and any(alias.name == "compiled" for alias in node.names)
        for node in ast.walk(tree)
    )
    placed = under(module, COMPILED_PACKAGES) and module not in PLAIN_FILES and not path.endswith("/__init__.py")
    return takes or placed or module in COMPILED_FILES


def wrong_floor(source: Source, target: str) -> str | None:
    """What is wrong with an import of `target`, by the floors alone."""
    here, there = unit(source.module), unit(target)
    if there not in FLOOR:
        return f"tercet.{there} has no floor"
    if here == there or here not in FLOOR:
        return None
    if there == "config" and here != "cli":
        return "nobody but cli imports config: hand the package its own Settings"
    if there == "fix" and here in ("live", "orders"):
        return "live and orders never import fix: cli picks the gateway"
    if FLOOR[there] > FLOOR[here]:
        return f"imports go down: {here} is on floor {FLOOR[here]}, {there} on floor {FLOOR[there]}"
    if FLOOR[there] == FLOOR[here]:
        return f"neighbours on floor {FLOOR[here]} meet in messages.py"
    return None


def wrong_import(source: Source, target: str, compiled: frozenset[str]) -> str | None:
    """What is wrong with an import of `target`, by any rule."""
    if under(target, ["tercet"]) and (problem := wrong_floor(source, target)):
        return problem
    if under(target, TORCH) and not under(source.module, ["tercet.learn", "tercet.signals.sequence"]):
        return "torch only in learn and signals/sequence.py"
    if source.compiled and target not in compiled and not under(target, COMPILED_MAY_IMPORT):
        return "a compiled file touches numpy, numba and compiled files only"
    return None


def wrong_place(source: Source) -> str | None:
    """What is wrong with a file's name or folder."""
    folders, name = source.path.split("/")[:-1], Path(source.path).stem
    if len(folders) > 2:
        return "packages are flat: no sub-packages"
    if vague := {name, *folders} & set(VAGUE_NAMES):
        return f"say what it holds, not {sorted(vague)}"
    if unit(source.module) not in FLOOR:
        return f"tercet.{unit(source.module)} has no floor"
    return None


def problems(files: dict[str, str]) -> list[str]:
    """Every broken rule of a package given as {path: text}, a line each."""
    sources = read(files)
    compiled = frozenset(source.module for source in sources if source.compiled)
    found = [f"{source.path}: {problem}" for source in sources if (problem := wrong_place(source))]
    for source in sources:
        wrong = ((target, wrong_import(source, target, compiled)) for target in sorted(source.imports))
        found += [f"{source.path} imports {target}: {problem}" for target, problem in wrong if problem]
    return found


def test_every_import_in_the_package_obeys_the_floors() -> None:
    files = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted((ROOT / "tercet").rglob("*.py"))}
    assert len(files) > 3
    assert problems(files) == []


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("tercet/market/store.py", "from tercet.book import state", "imports go down"),
        ("tercet/market/store.py", "import tercet.cli.app", "imports go down"),
        ("tercet/market/store.py", "from tercet import messages", "imports go down"),
        ("tercet/market/store.py", "from ..book.state import BOOK", "imports go down"),
        ("tercet/market/store.py", "from .. import cli", "imports go down"),
        ("tercet/market/store.py", "def late():\n    from tercet.live import engine", "imports go down"),
        ("tercet/market/store.py", "import importlib\nimportlib.import_module('tercet.live.engine')", "imports go down"),
        ("tercet/errors.py", "import tercet.compiled", "imports go down"),
        ("tercet/risk/tail.py", "from tercet.orders.gate import Gate", "neighbours"),
        ("tercet/messages.py", "import tercet.book.state", "neighbours"),
        ("tercet/report/page.py", "from tercet.config import Config", "nobody but cli imports config"),
        ("tercet/live/engine.py", "from tercet.fix.gateway import Gateway", "never import fix"),
        ("tercet/orders/gate.py", "import tercet.fix", "never import fix"),
        ("tercet/execution/learned.py", "import torch.nn as nn", "torch only"),
        ("tercet/envs/batch.py", "from stable_baselines3.common.vec_env import VecEnv", "torch only"),
        ("tercet/book/matching.py", "import polars", "compiled file"),
        ("tercet/book/matching.py", "from tercet.market import store", "compiled file"),
        ("tercet/sim/crowd.py", "from tercet.sim.calibrate import fit", "compiled file"),
        ("tercet/sim/calibrate.py", "from tercet.compiled import compiled\nimport polars", "compiled file"),
        ("tercet/execution/view.py", "import os", "compiled file"),
        ("tercet/execution/schedules.py", "from tercet.compiled import compiled\nimport scipy", "compiled file"),
        ("tercet/market/formats/itch.py", "", "no sub-packages"),
        ("tercet/market/utils.py", "", "say what it holds"),
        ("tercet/helpers/text.py", "", "say what it holds"),
        ("tercet/magic/wand.py", "", "no floor"),
        ("tercet/cli/app.py", "import tercet.magic", "no floor"),
    ],
)
def test_a_forbidden_import_or_name_is_found(path: str, text: str, why: str) -> None:
    house = {"tercet/book/state.py": "", "tercet/market/store.py": "", "tercet/sim/calibrate.py": "", "tercet/market/events.py": ""}
    assert any(line.startswith(path) and why in line for line in problems(house | {path: text}))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tercet/cli/app.py", "from tercet import __version__, config\nimport tercet.fix.gateway"),
        ("tercet/learn/dqn.py", "import torch\nfrom tercet.envs import batch"),
        ("tercet/signals/sequence.py", "import torch"),
        ("tercet/sim/calibrate.py", "import polars\nfrom scipy import optimize"),
        ("tercet/book/matching.py", "import numpy as np\nfrom tercet.book.state import BOOK\nfrom tercet.market.events import BUY"),
        ("tercet/book/matching.py", "from . import state\nfrom .state import BOOK\nfrom tercet.compiled import compiled"),
        ("tercet/backtest/episode.py", "from numpy.typing import NDArray\nfrom tercet.execution import view"),
        ("tercet/live/engine.py", "from tercet import messages\nfrom tercet.orders.gate import Gate"),
    ],
)
def test_an_allowed_import_passes(path: str, text: str) -> None:
    house = {"tercet/book/state.py": "", "tercet/execution/view.py": "", "tercet/market/events.py": ""}
    assert problems(house | {path: text}) == []
