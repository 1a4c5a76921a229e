"""Files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path

from tercet.errors import BadInput


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file (text in UTF-8) through a temporary one beside it, where a link leads; BadInput where it cannot be done."""
    temporary = None
    told = content.encode() if isinstance(content, str) else content
    path = path.resolve()
    try:
        if path.exists() and not path.is_file():  # a device or a pipe stays what it is
            path.write_bytes(told)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(told)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise BadInput(f"{path}: could not be written: {error.strerror or error}; expected a place with room and permission") from error
