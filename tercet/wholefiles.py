"""Files that are there whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tercet.errors import BadInput

unfinished: Final[set[Path]] = set()  # temporary files and folders that are being written


def write_whole(path: Path, content: str | bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file (text in UTF-8, or pieces of bytes) through a temporary one next to it, where a link leads, with the mode that the
    process gives its files; BadInput where it cannot be done.
    """
    pieces = [content.encode()] if isinstance(content, str) else [content] if isinstance(content, bytes) else content
    path = Path(path).resolve()
    try:
        if path.exists() and not path.is_file():  # a device or a pipe stays what it is
            path.write_bytes(b"".join(pieces))
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, pieces)
    except OSError as error:
        raise BadInput(f"{path}: could not be written: {error.strerror or error}; expected a place with room and permission") from error


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    with being_made(temporary):
        with temporary.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def being_made(path: Path) -> Iterator[None]:
    """While this holds, a file or folder is not whole: what fails, or ends the process, removes it."""
    unfinished.add(path)
    try:
        yield
    except BaseException:
        _remove(path)
        raise
    finally:
        unfinished.discard(path)


def remove_unfinished() -> None:
    """Remove what other threads have begun to write: for a process that is about to end."""
    for path in list(unfinished):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
