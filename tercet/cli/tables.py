"""Tables in a terminal: what is most important is seen whole, however narrow that is."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import JustifyMethod
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from tercet.cli.output import console
from tercet.report.page import BAD_DAY

WIDEST: Final = 10_000
WORD: Final = 24  # of a longer one the rest goes on in the next line
Cell = str | Text


def fitted(
    names: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    title: str = "",
    spare: Sequence[str] = (),
    left: Sequence[str] = (),
    bad: bool = False,
) -> Table:
    """A table that the terminal has room for. Columns of `spare` go, the first named first, until it fits; then the columns of words, which
    are the first and those of `left`, break into lines; then the others go, from the right, but for the second and the last. A line says
    what went. bad: of a bad day, which the title says. Names differ.
    """
    title, rows, kept = " – ".join(part for part in (BAD_DAY if bad else "", title) if part), list(rows), list(names)
    words, last = {names[0], *left}, [name for name in names[-2:1:-1] if name not in spare and name not in left]

    def made(wraps: bool) -> Table:
        return _table(names, rows, kept, title, words, wraps)

    for name in (one for one in spare if one in names):
        if _measured(made(wraps=False)).maximum <= console.width:
            break
        kept.remove(name)
    wraps = _measured(made(wraps=False)).maximum > console.width
    for name in last if wraps else ():
        if _measured(made(wraps=True)).minimum <= console.width:
            break
        kept.remove(name)
    table = made(wraps)
    if gone := [name for name in names if name not in kept]:
        table.caption = f"without {', '.join(gone)}: a wider terminal shows them, and so does --json"
    return table


def _measured(table: Table) -> Measurement:
    """Cells across that a table takes; by rich's own options it is never more than the terminal has."""
    return console.measure(table, options=console.options.update_width(WIDEST))


def _table(names: Sequence[str], rows: list[Sequence[Cell]], kept: list[str], title: str, words: set[str], wraps: bool) -> Table:
    places = [names.index(name) for name in kept]
    columns = []
    for place, name in zip(places, kept, strict=True):
        breaks, texts = wraps and name in words, [name, *(str(row[place]) for row in rows)]
        least = max(cell_len(part) for text in texts for part in (text.split() if breaks else [text]) or [""])
        how: JustifyMethod = "left" if name in words else "right"
        columns.append(Column(name, no_wrap=not breaks, overflow="fold", justify=how, min_width=min(least, WORD) if breaks else least))
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
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in (row[place] for place in places)))
    return table
