"""A key that this user alone has, by which runs seal what they will read again."""

import os
import secrets
from functools import cache
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32


def key_path() -> Path:
    """Where the key lies; `TERCET_KEY` names another file."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(os.environ.get("TERCET_KEY") or home / "tercet" / "key")


def own_key() -> bytes:
    """The key; where there is none yet, one is made. Where none can be kept, it lasts as long as this process."""
    path = key_path()
    try:
        return path.read_bytes()
    except OSError:
        return _made(path)


@cache
def _made(path: Path) -> bytes:
    key, whole = secrets.token_bytes(KEY_BYTES), path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(key)
        os.link(whole, path)  # which fails where another process was first
        return key
    except OSError:
        return path.read_bytes() if path.is_file() else key
    finally:
        if whole.is_file():
            whole.unlink()
