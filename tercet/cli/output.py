"""How commands speak: progress and tables on stderr's side of a pipe, JSON alone on stdout."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tercet.errors import not_installed
from tercet.report.files import write_whole

console = Console(stderr=True)

AcceptBadDay = Annotated[bool, typer.Option("--accept-bad-day", help="Take a day that `check` calls bad; every title says so.")]


@contextmanager
def extra(name: str) -> Iterator[None]:
    """What is imported here needs an extra: where it is not installed, the error says which."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise not_installed(str(error.name), name) from error


def plain(value: Any) -> Any:
    """A value as JSON knows it: numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def say_json(value: Any, path: Path | None = None) -> None:
    """Print JSON on stdout, or write it whole to a file; `-` is stdout as well."""
    text = json.dumps(plain(value), indent=1, allow_nan=False) + "\n"
    if path is None or str(path) == "-":
        typer.echo(text, nl=False)
    else:
        write_whole(path, text)
