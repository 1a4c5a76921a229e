"""The decorator of every compiled function, and the folder where machine code is kept between processes.

A cached function does not notice that a function which it calls in another file has changed, and code cached without bounds
checks stays without them: so each module's code lies in a folder named by a hash of its source, of all that it imports from the
package, and of numba's flags. A file that is damaged is made anew, and where nothing can be kept, code is compiled in each process.
"""

import hashlib
import importlib
import os
import pickle
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config, serialize, typeinfer
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, UserProvidedCacheLocator

KEPT_FOLDERS = 8  # of one module, and those that any process used lately
LATELY_S = 86_400.0
PACKAGE = Path(__file__).parent
DIGEST_BYTES = 16
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+(tercet[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+(tercet[\w.]*))", re.MULTILINE)


@cache
def source_of(module: str) -> Path | None:
    """The file of a module of the package, or None where there is no such module."""
    root, *rest = module.split(".")
    path = PACKAGE.joinpath(*rest)
    return (
        None if root != PACKAGE.name else next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
    )


@cache
def imported(module: str) -> frozenset[str]:
    """The modules of the package that a module's text imports, wherever it does so."""
    text = (source_of(module) or Path(__file__)).read_bytes()
    return frozenset(name for match in _IMPORT.finditer(text) for name in _names(match) if source_of(name))


def _names(match: re.Match[bytes]) -> Iterator[str]:
    package = (match[1] or match[3]).decode()
    yield package
    yield from (f"{package}.{name.decode()}" for name in re.findall(rb"\w+", match[2] or b""))


@cache
def closure(module: str) -> frozenset[str]:
    """A module and everything in the package that its text leads to; all of the package for a module from elsewhere."""
    if source_of(module) is None:
        return frozenset(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in PACKAGE.rglob("*.py"))
    found, waiting = {__name__}, [module]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += imported(name)
    return frozenset(found)


@cache
def cache_folder(module: str) -> Path:
    """The folder of what is made from this module and all that it imports, under these flags; `TERCET_CACHE` moves its parent."""
    digest = hashlib.sha256(f"{numba.__version__} {config.BOUNDSCHECK} {config.OPT} {config.DISABLE_JIT}".encode())
    for name in sorted(closure(module)):
        source = source_of(name)
        digest.update(name.encode() + (source.read_bytes() if source else b""))
    home = os.environ.get("TERCET_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tercet"
    return Path(home) / f"{module}-{digest.hexdigest()[:16]}"


def make_folder(folder: Path) -> None:
    """Make the folder, and let go of the oldest ones of the same module that nobody used lately."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    used = {kept: _last_use(kept) for kept in folder.parent.glob(folder.name.rpartition("-")[0] + "-*")}
    for old in sorted(used, key=lambda kept: used[kept])[:-KEPT_FOLDERS]:
        if used[old] < time.time() - LATELY_S:
            shutil.rmtree(old, ignore_errors=True)


def note_use(folder: Path) -> None:
    """Let a folder know that it is used now."""
    with suppress(OSError):  # there is none yet, or it is not ours
        os.utime(folder)


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process let go of it
        return 0.0


class _Place(UserProvidedCacheLocator):  # type: ignore[misc]  # numba has no types
    """Where a function's code lies: in its module's folder, whose name tells of all its source."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._ours = Path(py_file).is_relative_to(PACKAGE)
        folder = cache_folder(py_func.__module__)
        self._cache_path = str(folder if self._ours else folder / self.get_suitable_cache_subpath(py_file))
        note_use(folder)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        return cls(py_func, py_file)

    def get_source_stamp(self) -> Any:
        return b"" if self._ours else super().get_source_stamp()

    def ensure_cache_path(self) -> None:
        make_folder(Path(self._cache_path))


class _Result(CompileResultCacheImpl):  # type: ignore[misc]  # numba has no types
    """What numba keeps of a compiled function, at our place."""

    _locator_classes = (_Place,)


class _Sealed(IndexDataCacheFile):  # type: ignore[misc]  # numba has no types
    """The files of a function's code, each begun by a digest of the rest: what is damaged is never run."""

    def _load_index(self) -> Any:
        if not os.path.exists(self._index_path):
            return {}
        stamp, overloads = self._opened(self._index_path)
        return overloads if stamp == self._source_stamp else {}

    def _save_index(self, overloads: Any) -> None:
        self._write(self._index_path, (self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._opened(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _write(self, path: str, kept: Any) -> None:
        data = serialize.dumps(kept)
        with self._open_for_write(path) as file:
            file.write(hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest() + data)

    def _opened(self, path: str) -> Any:
        whole = Path(path).read_bytes()
        seal, data = whole[:DIGEST_BYTES], whole[DIGEST_BYTES:]
        if hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest() != seal:
            raise ValueError(f"{path}: damaged")
        return pickle.loads(data)


class _Kept(FunctionCache):  # type: ignore[misc]  # numba has no types
    """A function's kept code; where it cannot be read or written, that is said once and the function is compiled."""

    _impl_class = _Result

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        self._cache_file = _Sealed(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            say_once("damaged", f"kept machine code cannot be used and is compiled again ({error}; in {self._cache_path})")
            shutil.rmtree(self._cache_path, ignore_errors=True)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            say_once("unkept", f"machine code cannot be kept, so each process compiles ({error}); TERCET_CACHE names another folder")


_said: set[str] = set()


def say_once(kind: str, sentence: str) -> None:
    """Say a sentence of a kind on stderr, once in this process."""
    if kind not in _said:
        _said.add(kind)
        print(f"tercet: {sentence}", file=sys.stderr, flush=True)


def compiled(*signature: Any, **options: Any) -> Callable[..., Any]:
    """`numba.njit`, cached in `cache_folder()`, without the GIL and with C division; used bare or with a signature.

    What a user writes outside of the package runs with bounds checks: an index outside its array raises IndexError there.

    `forceinline=True` is for what a hot loop calls from one place: LLVM leaves those calls standing, and a crowd is a quarter slower.
    `inline="always"` spares a caller's only callee its own machine code: each level of calls is optimised with all that lies below it.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        ours = Path(function.__code__.co_filename).is_relative_to(PACKAGE)
        asked = {
            "forceinline": False,
            "boundscheck": None if ours else True,
        } | options  # or what a forced one is the first to call would inherit it, and all below that
        made = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=not types, **asked)(function)
        if config.DISABLE_JIT:
            return made
        if os.path.exists(function.__code__.co_filename):  # not what is typed at a prompt
            made._cache = _Kept(function)
        if types:
            with typeinfer.register_dispatcher(made):
                for given in types:
                    made.compile(given)
                made.disable_compile()
        return one_version(made)

    bare = len(signature) == 1 and not options and callable(signature[0]) and hasattr(signature[0], "__code__")
    types: tuple[Any, ...] = () if bare else signature
    return decorate(signature[0]) if bare else decorate


def reference(function: Any) -> Any:
    """A function as it is pickled: by module and name where another process finds it so, or else as numba pickles it."""
    module, name = function.__module__, function.__name__
    found = module != "__main__" and getattr(sys.modules.get(module), name, None) is function
    return (module, name) if found else function


def referred(kept: Any) -> Any:
    """The function of a reference."""
    return getattr(importlib.import_module(kept[0]), kept[1]) if isinstance(kept, tuple) else kept


def one_version(function: Any) -> Any:
    """Let compiled callers find one version for all integers: numba would compile one for each width and each literal value.

    It takes half of the time that the market's machines need to compile.
    """
    template = function.get_call_template

    def widened(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return template(tuple(_wide(arg) for arg in args), {name: _wide(arg) for name, arg in kws.items()})

    function.get_call_template = widened
    return function


def _wide(arg: Any) -> Any:
    plain = numba.types.unliteral(arg)
    return numba.types.int64 if isinstance(plain, numba.types.Integer) and plain != numba.types.uint64 else plain
