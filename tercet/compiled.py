"""The decorator of every compiled function, and the folder where machine code is kept between processes.

A cached function does not notice that a function which it calls in another file has changed, and code cached without bounds
checks stays without them: so the folder is named by a hash of the package's sources and of numba's flags.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config

KEPT_FOLDERS = 8


@cache
def cache_folder() -> Path:
    """The folder of machine code for this source text and these flags; `TERCET_CACHE` moves its parent."""
    package = Path(__file__).parent
    digest = hashlib.sha256(f"{numba.__version__} {config.BOUNDSCHECK} {config.OPT} {config.DISABLE_JIT}".encode())
    for source in sorted(package.rglob("*.py")):
        digest.update(source.read_bytes())
    home = os.environ.get("TERCET_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tercet"
    folder = Path(home) / digest.hexdigest()[:16]
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        siblings = sorted((f for f in folder.parent.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime)
        for old in siblings[:-KEPT_FOLDERS]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def compiled(*signature: Any, **options: Any) -> Callable[..., Any]:
    """`numba.njit`, cached in `cache_folder()`, without the GIL and with C division; used bare or with a signature.

    `forceinline=True` is for what a hot loop calls from one place: LLVM leaves those calls standing, and a crowd is a quarter slower.
    `inline="always"` spares a caller's only callee its own machine code: each level of calls is optimised with all that lies below it.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        asked = {"forceinline": False} | options  # or what a forced one is the first to call would inherit it, and all below that
        before, config.CACHE_DIR = config.CACHE_DIR, str(cache_folder())
        try:
            made = numba.njit(*types, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=not types, **asked)(function)
        finally:
            config.CACHE_DIR = before
        return made if config.DISABLE_JIT else one_version(made)

    bare = len(signature) == 1 and not options and callable(signature[0]) and hasattr(signature[0], "__code__")
    types: tuple[Any, ...] = () if bare else signature
    return decorate(signature[0]) if bare else decorate


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
