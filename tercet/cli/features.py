"""`tercet features`: what the microstructure of a stored day says, row by row."""

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.output import AcceptBadDay, console, say_json
from tercet.errors import BadInput
from tercet.report.page import BAD_DAY

if TYPE_CHECKING:
    import polars as pl


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(features)


def features(
    day: Annotated[Path | None, typer.Argument(metavar="DAY", help="The folder of a stored day, STORE/SYMBOL_DATE.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the rows go: *.parquet or *.csv.")] = None,
    every: Annotated[
        str, typer.Option(help="A row every so often (1s, 100ms), every so many events (10events), or at each change of the mid (mid).")
    ] = "1s",
    latency: Annotated[str, typer.Option(help="From an event to our knowing of it: known_time − event_time.")] = "0ms",
    accept_bad_day: AcceptBadDay = False,
    table: Annotated[bool, typer.Option("--table", help="Print what every feature is, as a Markdown page, and do nothing else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Write the microstructure features of a stored day; what they learn from days comes from earlier ones in its store."""
    from tercet.signals.catalogue import NAMES
    from tercet.signals.catalogue import table as page

    if table:
        typer.echo(page(), nl=False)
        return
    if day is None or out is None:
        raise BadInput("features: expected DAY and --out FILE, or --table")
    from tercet.backtest.days import earlier_days, quality_of
    from tercet.book.quality import BAD
    from tercet.market.store import open_day
    from tercet.report.files import write_whole
    from tercet.signals.days import features_of, nanoseconds, usual_volume

    pack = _writer(out)
    stored = open_day(day)
    stored.verify()
    bad = quality_of(stored, accept_bad_day).verdict == BAD
    earlier, unread = earlier_days(stored)
    for note in unread:
        console.print(f"[yellow]warning[/] {note}", highlight=False)
    curve = usual_volume(earlier) if earlier else ()
    began = time.perf_counter()
    with console.status(f"{stored.path.name}: {len(stored.events):,} events"):
        rows = features_of(stored, every=every, latency_ns=nanoseconds(latency), curve=curve)
        packed = BytesIO()
        pack(rows, packed)
        write_whole(out, packed.getvalue())
    seconds = time.perf_counter() - began
    said = f"[bold]{BAD_DAY}[/]: " if bad else ""
    console.print(
        f"{said}{out}: {rows.height:,} rows of {len(NAMES)} features, {len(stored.events):,} events, {seconds:.1f} s", highlight=False
    )
    if as_json:
        say_json(
            {"file": str(out), "rows": rows.height, "features": len(NAMES), "events": len(stored.events), "earlier_days": len(earlier)}
            | {"bad_day": bad}
        )


def _writer(out: Path) -> "Callable[[pl.DataFrame, BytesIO], None]":
    """What writes rows as the file's name says; BadInput where it says something else."""
    kinds: dict[str, Callable[[pl.DataFrame, BytesIO], None]] = {
        ".parquet": lambda rows, file: rows.write_parquet(file),
        ".csv": lambda rows, file: rows.write_csv(file),
    }
    if out.suffix.lower() not in kinds:
        raise BadInput(f"{out}: its name ends in {out.suffix!r}; expected {' or '.join(kinds)}")
    return kinds[out.suffix.lower()]
