"""A user's own module of features, labels and models: found, asked, and blamed by file and line where it raises."""

import contextlib
import importlib
import importlib.util
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tercet.errors import BadInput

CONTRACT: Final = {
    "features": "features(frame) -> frame: daily bars in, one row of features for each row out",
    "labels": "labels(frame) -> frame: columns t0, t1, value, available, one row for each row",
    "expert": "expert() -> what learns: tercet's Expert, or a scikit-learn estimator",
    "event_features": "event_features(events) -> array: EVENTs in, one row of features for each out",
}
CLAIM: Final = "PER_SYMBOL"  # True in a module: no symbol's features depend on another symbol


class Raised(BadInput):
    """The user's code raised: what, and where."""


@dataclass(frozen=True)
class UserModule:
    """What a module offers, by the names of CONTRACT."""

    name: str
    offers: dict[str, Callable[..., Any]]
    per_symbol: bool  # what it claims

    def __call__(self, name: str, *given: Any, when: str = "") -> Any:
        """What its function of that name returns; raises Raised with file and line."""
        with blamed(f"{name}{when and f' ({when})'}", self.offers[name]):
            return self.offers[name](*given)


def load(name: str) -> UserModule:
    """The module of a path to a .py file or of a dotted name; BadInput where there is none, or where it offers nothing."""
    path = Path(name)
    with blamed(f"importing {name}", path.resolve()):
        module = _from_file(path) if path.suffix == ".py" else _by_name(name)
    offers = {one: getattr(module, one) for one in CONTRACT if hasattr(module, one)}
    if not offers:
        raise BadInput(f"{name} defines none of {', '.join(CONTRACT)}; expected one or more: {'; '.join(CONTRACT.values())}")
    if wrong := [one for one, function in offers.items() if not callable(function)]:
        raise BadInput(f"{name}: {wrong[0]} was a {type(offers[wrong[0]]).__name__}; expected {CONTRACT[wrong[0]]}")
    return UserModule(name, offers, bool(getattr(module, CLAIM, False)))


def _from_file(path: Path) -> ModuleType:
    """A module of its own, with its folder's other modules in reach."""
    if not path.is_file():
        raise BadInput(f"{path}: expected a Python file, found none")
    spec = importlib.util.spec_from_file_location(f"tercet_user_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise BadInput(f"{path}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.resolve().parent))
    spec.loader.exec_module(module)
    return module


def _by_name(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise
        raise BadInput(f"{name}: expected a path to a .py file or the dotted name of a module, found neither") from error


@contextlib.contextmanager
def blamed(what: str, owner: Any) -> Iterator[None]:
    """What is raised inside, as a sentence with the file and line of the owner's that it came from. What it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        if isinstance(error, BadInput) and not _frames(error, owner):
            raise
        raise Raised(f"{what} raised {type(error).__name__}: {_told(error)}{_place(error, owner)}") from error


def _told(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    return (str(error).strip().splitlines() or ["without a word"])[0]


def _place(error: BaseException, owner: Any) -> str:
    """The deepest line of the owner's folder, or the deepest of all."""
    frames = _frames(error, owner) or traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) or not frames:
        return ""
    last = frames[-1]
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    return f" ({last.filename}, line {last.lineno}{line and f': {line}'})"


def _frames(error: BaseException, owner: Any) -> list[traceback.FrameSummary]:
    """The frames of the traceback that lie in the owner's file or folder."""
    code = getattr(owner, "__code__", None) or getattr(getattr(type(owner), "fit", None), "__code__", None)
    file = owner if isinstance(owner, Path) else Path(code.co_filename) if code else None
    if file is None:
        return []
    return [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == file.parent]
