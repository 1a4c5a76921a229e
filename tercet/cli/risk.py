"""`tercet risk`: what may go wrong, forecast and judged, and the posture that follows."""

import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

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
    kind: Annotated[str, typer.Argument(metavar="KIND", help="volatility, tail, covariance or warning.")],
    data: Annotated[
        Path,
        typer.Option(
            help="A shared daily set, or a CSV or Parquet file: date and return[,rv,vix], or bars; prices for covariance. "
            "warning: crowd:crash, or a stored day's folder."
        ),
    ],
    models: Annotated[str | None, typer.Option(help="Names, with commas; all where not given.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="The first day that is asked about.")] = None,
    every: Annotated[int | None, typer.Option(help="Days between two times of learning.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page, one file that opens without a network.")] = None,
) -> None:
    """Let models say the evening before what each day may bring, and judge them by what it brought.

    Every model that was asked is a line in the ledger of trials; TERCET_TRIALS names another file.
    """
    with extra("signals"):
        from tercet.cli.judged import KINDS, Judging
        from tercet.cli.warned import warning
    from tercet.report.files import write_whole

    kinds = KINDS | {"warning": warning}
    if kind not in kinds:
        raise BadInput(f"kind was {kind!r}; expected {', '.join(kinds)}")
    names = None if models is None else tuple(name.strip() for name in models.split(";" if ";" in models else ","))
    with progress() as tell, noted() as notes, extra("signals"):
        result = kinds[kind](Judging(data, names, None if since is None else beginning(since), every, lambda what: tell(what, 0, 1)))
    result.json["warnings"] = notes
    if html:
        write_whole(html, result.page(shlex.join(["tercet", *sys.argv[1:]])).html())
    if json_file:
        say_json(result.json, json_file)
    console.print(*result.tables)
    for line in [*result.lines, *(f"warning {note}" for note in notes)]:
        console.print(line, highlight=False, soft_wrap=True)


def beginning(date: str) -> int:
    """Midnight in New York before that date, ns."""
    try:
        day = datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=ZoneInfo("America/New_York"))
    except ValueError as error:
        raise BadInput(f"since was {date!r}; expected a date such as 2004-01-06") from error
    return int(day.timestamp()) * 10**9
