"""`tercet features`: what the microstructure of a stored day says, row by row."""

import time
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.output import console, say_json
from tercet.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(features)


def features(
    day: Annotated[Path | None, typer.Argument(metavar="DAY", help="The folder of a stored day, STORE/SYMBOL_DATE.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the rows go, Parquet.")] = None,
    every: Annotated[
        str, typer.Option(help="A row every so often (1s, 100ms), every so many events (10events), or at each change of the mid (mid).")
    ] = "1s",
    latency: Annotated[str, typer.Option(help="From an event to our knowing of it: known_time − event_time.")] = "0ms",
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
    from tercet.backtest.days import earlier_days
    from tercet.market.store import open_day
    from tercet.report.files import write_whole
    from tercet.signals.days import features_of, nanoseconds, usual_volume

    stored = open_day(day)
    stored.verify()
    earlier, unread = earlier_days(stored)
    for note in unread:
        console.print(f"[yellow]warning[/] {note}", highlight=False)
    curve = usual_volume(earlier) if earlier else ()
    began = time.perf_counter()
    with console.status(f"{stored.path.name}: {len(stored.events):,} events"):
        rows = features_of(stored, every=every, latency_ns=nanoseconds(latency), curve=curve)
        packed = BytesIO()
        rows.write_parquet(packed)
        write_whole(out, packed.getvalue())
    seconds = time.perf_counter() - began
    console.print(f"{out}: {rows.height:,} rows of {len(NAMES)} features, {len(stored.events):,} events, {seconds:.1f} s", highlight=False)
    if as_json:
        say_json(
            {"file": str(out), "rows": rows.height, "features": len(NAMES), "events": len(stored.events), "earlier_days": len(earlier)}
        )
