"""Files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path

from tercet.errors import BadInput


def write_whole(path: Path, text: str) -> None:
    """Write a text file through a temporary one beside it, where a link leads; BadInput where that cannot be done, with nothing left."""
    temporary = None
    path = path.resolve()
    try:
        if path.exists() and not path.is_file():  # a device or a pipe stays what it is
            path.write_text(text, encoding="utf-8")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise BadInput(f"{path}: could not be written: {error.strerror or error}; expected a place with room and permission") from error
