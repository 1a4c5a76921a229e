"""`tercet risk`: what may go wrong, forecast and judged, and the posture that follows."""

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.forecast import noted, progress
from tercet.cli.output import AcceptBadDay, console, extra, say_json
from tercet.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add these commands."""
    family = typer.Typer(help="What may go wrong: forecasts of volatility, tails and covariances, judged.", no_args_is_help=True)
    family.command()(evaluate)
    family.command()(posture)
    app.add_typer(family, name="risk")


CLOSE_HELP = "When the session of --data (and --assets) closes: no row is known before. 16:00."
ZONE_HELP = "The zone of that clock and of their dates, such as Asia/Tokyo; America/New_York."
UNIT_HELP = "Of returns and rv: percent (checked by size), fraction or bp; or such as return=fraction,rv=percent,vix=fraction."


def evaluate(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="volatility, tail, covariance, warning or posture.")],
    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE|DAY|crowd:NAME",
            help="A shared daily set, or a CSV or Parquet file: date and return[,rv,vix] in percent (rv in percent squared), "
            "bars, or prices; of many for covariance. Volatility also takes a stored day or a crowd, and is then that of the mid over the "
            "next minute; so does warning (crowd:crash), and is then of crashes within seconds.",
        ),
    ],
    vix: Annotated[Path | None, typer.Option(metavar="FILE", help="The VIX beside it, where it has none.")] = None,
    assets: Annotated[Path | None, typer.Option(metavar="FILE", help="Prices of assets beside it, for warning.")] = None,
    models: Annotated[str | None, typer.Option(help="Names, with commas; all where not given.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE|HH:MM", help="The first day that is asked about; of a day, the time.")] = None,
    every: Annotated[int | None, typer.Option(help="Days between two times of learning.")] = None,
    horizon: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of a day: how far ahead (10s, 1min, 5min); 1min if not given.")
    ] = None,
    close: Annotated[str | None, typer.Option(metavar="HH:MM", help=CLOSE_HELP)] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help=ZONE_HELP)] = None,
    vix_close: Annotated[str | None, typer.Option(metavar="HH:MM", help="The same of the VIX; 16:15.")] = None,
    vix_zone: Annotated[str | None, typer.Option(metavar="ZONE", help="The same of the VIX; America/New_York.")] = None,
    unit: Annotated[str | None, typer.Option(metavar="UNIT", help=UNIT_HELP)] = None,
    accept_bad_day: AcceptBadDay = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page, one file that opens without a network.")] = None,
) -> None:
    """Let models say the evening before what each day may bring (or within a day each minute), and judge them by what it brought.

    Every model that was asked is a line in the ledger of trials; TERCET_TRIALS names another file.
    """
    with extra("signals"):
        from tercet.cli.crashes import intraday, is_market
        from tercet.cli.judged import KINDS
        from tercet.cli.judging import Judging
    from tercet.report.files import write_whole

    if kind not in KINDS:
        raise BadInput(f"kind was {kind!r}; expected {', '.join(KINDS)}")
    judge = intraday if kind == "warning" and is_market(data) else KINDS[kind]
    names = None if models is None else tuple(name.strip() for name in models.split(";" if ";" in models else ","))
    with progress() as tell, noted() as notes, extra("signals"):
        hours = {"close": close, "zone": zone, "vix_close": vix_close, "vix_zone": vix_zone, "unit": unit}
        asked = Judging(data, vix, assets, names, since, every, lambda what: tell(what, 0, 1), horizon, accept_bad_day, **hours)
        result = judge(asked)
    result.json["warnings"] = notes
    if html:
        write_whole(html, result.page(shlex.join(["tercet", *sys.argv[1:]])).html())
    if json_file:
        say_json(result.json, json_file)
    console.print(*result.tables)
    for line in [*result.lines, *(f"warning {note}" for note in notes)]:
        console.print(line, highlight=False, soft_wrap=True)


def posture(
    data: Annotated[Path, typer.Option(help="A market's days, as `evaluate` takes them.")],
    vix: Annotated[Path | None, typer.Option(metavar="FILE", help="The VIX beside it, where it has none.")] = None,
    drawdown: Annotated[
        float | None, typer.Option(help="Share that the desk has lost since its peak; that of the posture itself if not given.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="DATE", help="The end of that day, in New York or --zone; now if not given.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Say it anew when a file changes or goes stale, until Ctrl-C.")] = False,
    each: Annotated[float, typer.Option(help="Seconds between two looks at the files.")] = 5.0,
    close: Annotated[str | None, typer.Option(metavar="HH:MM", help=CLOSE_HELP)] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help=ZONE_HELP)] = None,
    vix_close: Annotated[str | None, typer.Option(metavar="HH:MM", help="The same of the VIX; 16:15.")] = None,
    vix_zone: Annotated[str | None, typer.Option(metavar="ZONE", help="The same of the VIX; America/New_York.")] = None,
    unit: Annotated[str | None, typer.Option(metavar="UNIT", help=UNIT_HELP)] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write it as JSON, whole each time; - is stdout.")
    ] = None,
) -> None:
    """How boldly to act now: the state, its caps, and the forecasts that set it. What is stale or missing makes it at least DEFENSIVE.

    A file that cannot be read ends the command, with --follow in a posture that is blind, and goes on.
    """
    with extra("signals"):
        from tercet.cli.judging import Judging, end_of
        from tercet.cli.posture import blind_now, posture_now

    if each <= 0 or (drawdown is not None and not 0 <= drawdown <= 1) or (follow and at is not None):
        raise BadInput(
            f"each was {each}, drawdown {drawdown}, at {at}; expected each above 0, a drawdown from 0 to 1, no --at with --follow"
        )
    hours = {"close": close, "zone": zone, "vix_close": vix_close, "vix_zone": vix_zone, "unit": unit}
    asked = Judging(data, vix, None, None, None, None, lambda what: None, None, False, **hours)
    then, stamp = None if at is None else end_of(at, zone), None
    while True:
        now = time.time_ns() if then is None else then
        files = [path.stat().st_mtime_ns if path.exists() else 0 for path in (data, vix) if path is not None]
        if stamp is None or files != stamp[0] or now > stamp[1]:
            try:
                with noted() as notes, extra("signals"):
                    found, stale = posture_now(asked, now, drawdown)
                found.json["warnings"] = notes
            except BadInput as error:
                if not follow:
                    raise
                found, stale = blind_now(now, str(error))
            stamp = files, stale if stale > now else sys.maxsize
            console.print(*found.tables)
            for line in found.lines:
                console.print(line, highlight=False, soft_wrap=True)
        if json_file:
            found.json["posture"]["time"] = now  # told anew at each look: who reads it sees that somebody is looking
            say_json(found.json, json_file)
        if not follow:
            return
        time.sleep(each)
