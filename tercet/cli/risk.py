"""`tercet risk`: what may go wrong, forecast and judged, and the posture that follows."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.forecast import noted, progress
from tercet.cli.output import console, extra, say_json
from tercet.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add these commands."""
    family = typer.Typer(help="What may go wrong: forecasts of volatility, tails and covariances, judged.", no_args_is_help=True)
    family.command()(evaluate)
    app.add_typer(family, name="risk")


def evaluate(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="volatility, tail or covariance.")],
    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE|DAY|crowd:NAME",
            help="A shared daily set, or a CSV or Parquet file: date and return[,rv,vix], or bars; prices for covariance. "
            "Volatility also takes a stored day or a crowd, and is then that of the mid over the next minute.",
        ),
    ],
    models: Annotated[str | None, typer.Option(help="Names, with commas; all where not given.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE|HH:MM", help="The first day that is asked about; of a day, the time.")] = None,
    every: Annotated[int | None, typer.Option(help="Days between two times of learning.")] = None,
    horizon: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of a day: how far ahead (10s, 1min, 5min); 1min if not given.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page, one file that opens without a network.")] = None,
) -> None:
    """Let models say the evening before what each day may bring (or within a day each minute), and judge them by what it brought.

    Every model that was asked is a line in the ledger of trials; TERCET_TRIALS names another file.
    """
    with extra("signals"):
        from tercet.cli.judged import KINDS, Judging
    from tercet.report.files import write_whole

    if kind not in KINDS:
        raise BadInput(f"kind was {kind!r}; expected {', '.join(KINDS)}")
    names = None if models is None else tuple(name.strip() for name in models.split(";" if ";" in models else ","))
    with progress() as tell, noted() as notes, extra("signals"):
        result = KINDS[kind](Judging(data, names, since, every, lambda what: tell(what, 0, 1), horizon))
    result.json["warnings"] = notes
    if html:
        write_whole(html, result.page(shlex.join(["tercet", *sys.argv[1:]])).html())
    if json_file:
        say_json(result.json, json_file)
    console.print(*result.tables)
    for line in [*result.lines, *(f"warning {note}" for note in notes)]:
        console.print(line, highlight=False, soft_wrap=True)
