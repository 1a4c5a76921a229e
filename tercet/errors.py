"""What Tercet raises when something is wrong: one sentence with what was wrong, what was expected and where."""


class TercetError(Exception):
    """The base of every error that a user can cause and mend; its text is the whole message."""


class BadInput(TercetError):
    """A file, a row or an argument that cannot be used."""


def at_row(source: object, row: int, problem: str) -> BadInput:
    """The error for row `row` (counted from 1, as editors do) of `source`."""
    return BadInput(f"{source}, row {row}: {problem}")
