"""Tables in a terminal: what is most important is seen whole, however narrow that is."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table
from rich.text import Text

from tercet.cli.output import console
from tercet.report.page import BAD_DAY

Cell = str | Text


def fitted(
    names: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    title: str = "",
    spare: Sequence[str] = (),
    left: Sequence[str] = (),
    bad: bool = False,
) -> Table:
    """A table that the terminal has room for: columns of `spare` go, the first named first, until it fits, and a line says which.

    What still does not fit breaks into lines. left: columns of words, besides the first. bad: of a bad day, which its title says.
    """
    title, rows = " – ".join(part for part in (BAD_DAY if bad else "", title) if part), list(rows)
    kept, gone = list(names), [name for name in spare if name in names]
    made = _table(names, rows, kept, title, left, wraps=False)
    dropped: list[str] = []
    while console.measure(made).maximum > console.width and gone:
        dropped.append(gone.pop(0))
        kept.remove(dropped[-1])
        made = _table(names, rows, kept, title, left, wraps=False)
    if console.measure(made).maximum > console.width:
        made = _table(names, rows, kept, title, left, wraps=True)
    if dropped:
        made.caption = f"without {', '.join(dropped)}: a wider terminal shows them, and so does --json"
    return made


def _table(names: Sequence[str], rows: list[Sequence[Cell]], kept: list[str], title: str, left: Sequence[str], wraps: bool) -> Table:
    columns = [Column(name, no_wrap=not wraps, overflow="fold", justify="left" if name in (names[0], *left) else "right") for name in kept]
    table = Table(
        *columns,
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title=title or None,
        title_justify="left",
        caption_justify="left",
        min_width=min(len(title), console.width, 78),
    )
    places = [names.index(name) for name in kept]
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in (row[place] for place in places)))
    return table
