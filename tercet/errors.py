"""What Tercet raises when something is wrong: one sentence with what was wrong, what was expected and where."""


class TercetError(Exception):
    """The base of every error that a user can cause and mend; its text is the whole message."""


class BadInput(TercetError):
    """A file, a row or an argument that cannot be used."""


def not_installed(name: str, extra: str) -> TercetError:
    """The error for a library that is not there, with the extra of which it is part."""
    return TercetError(
        f"{name} is not installed; expected the extra {extra!r}: `make setup`, or pip install -e '.[{extra}]' in Tercet's folder"
    )


def at_row(source: object, row: int, problem: str) -> BadInput:
    """The error for row `row` (counted from 1, as editors do) of `source`."""
    return BadInput(f"{source}, row {row}: {problem}")
