"""The house is tidy: nothing in the files names one machine or one mirror, and everything public says what it is."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The patterns are written so that they do not match their own text.
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:work|root|home/\w+|Users/\w+)/|file:/{2}")
REGISTRY_HOST = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|download\.pytorch\.org|anaconda\.org|npmjs\.(?:org|com)|crates\.io)\b")


def tracked_files() -> list[Path]:
    """What git tracks or would track; skips where this is no git checkout."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        pytest.skip(f"git does not list these files: {problem}")
    paths = (ROOT / name.decode() for name in listed.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def lines_matching(pattern: re.Pattern[str], text: str) -> list[tuple[int, str]]:
    """The lines of a text, counted from 1, in which a pattern occurs."""
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def undocumented(tree: ast.Module | ast.ClassDef, inside: str = "") -> Iterator[str]:
    """The public functions, classes and methods that have no docstring."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
        if ast.get_docstring(node) is None and not decorators & {"overload", "override", "setter"}:
            yield inside + node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, f"{inside}{node.name}.")


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY_HOST], ids=["machine path", "registry host"])
def test_no_file_names_a_machine_path_or_a_package_registry(pattern: re.Pattern[str]) -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}:{number}: {line[:120]}" for number, line in lines_matching(pattern, text)]
    assert found == []


def test_everything_public_has_a_docstring() -> None:
    found = []
    for path in sorted((ROOT / "tercet").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        found += [f"{path.relative_to(ROOT)}: {name}" for name in undocumented(tree)]
    assert found == []


@pytest.mark.parametrize("text", ["cd {}work/main", "see {}root/.cache/x", "'{}home/ann/data'", "open({}Users/ann/data)", "file:{}{}x.whl"])
def test_a_machine_path_is_found(text: str) -> None:
    assert lines_matching(MACHINE_PATH, text.replace("{}", "/"))


@pytest.mark.parametrize(
    "text", ["../shared/data", "~/work/tercet", "$HOME/work/x", "https://site.example/work/paper.pdf", "network/root/x"]
)
def test_a_relative_path_or_an_address_passes(text: str) -> None:
    assert not lines_matching(MACHINE_PATH, text)


def test_a_registry_host_is_found() -> None:
    assert lines_matching(REGISTRY_HOST, "\n--index-url https://" + "pypi" + ".org/simple") == [
        (2, "--index-url https://" + "pypi" + ".org/simple")
    ]


def test_a_missing_docstring_is_found_and_private_names_are_left_alone() -> None:
    source = (
        "def a(): ...\ndef _b(): ...\nclass C:\n    def d(self): ...\n    def __len__(self): ...\n    @override\n    def e(self): ...\n"
    )
    assert list(undocumented(ast.parse(source))) == ["a", "C", "C.d"]
