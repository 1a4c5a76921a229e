"""`tercet import`, `check`, `replay`: recorded days in, and what they are worth."""

import dataclasses
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tercet.cli.output import console, say_json
from tercet.errors import BadInput, TercetError

_NAMED = re.compile(r"([A-Za-z0-9._\-]+)_(\d{4}-\d{2}-\d{2})_")

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
DayFolder = Annotated[Path, typer.Argument(metavar="DAY", help="The folder of a stored day, STORE/SYMBOL_DATE.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    importer = typer.Typer(help="Bring recorded days into a store.", no_args_is_help=True)
    importer.command("lobster")(import_lobster)
    app.add_typer(importer, name="import")
    app.command()(check)
    app.command()(replay)


def import_lobster(
    messages: Annotated[Path, typer.Argument(metavar="MESSAGES", help="A LOBSTER message file, plain, .zst, .gz or .xz.")],
    out: Annotated[Path, typer.Option("--out", metavar="STORE", help="The folder of stored days.")],
    book: Annotated[
        Path | None, typer.Option("--book", metavar="FILE", help="Its orderbook file: start state and revealed levels.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Where the file's name does not say it.")] = None,
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD, where the file's name does not say it.")] = None,
    tz: Annotated[str, typer.Option(help="The time zone of the file's clock.")] = "America/New_York",
    tick: Annotated[str, typer.Option(help="The tick size, in the currency.")] = "0.01",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a stored day that came from other files.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a LOBSTER day into a store: whole, checked, or not at all. With --book it is replayed once, beside the recorded book."""
    from tercet.backtest.days import compared
    from tercet.market import lobster
    from tercet.market.calendar import day_of
    from tercet.market.instruments import Instrument
    from tercet.market.recorded import refuse_missing
    from tercet.market.store import save

    refuse_missing(messages)
    named = _NAMED.match(messages.name)
    symbol = symbol or (named[1] if named else None)
    date = date or (named[2] if named else None)
    if symbol is None or date is None:
        raise BadInput(f"{messages}: its name does not begin with SYMBOL_YYYY-MM-DD_; expected --symbol and --date")
    day = day_of(date)
    instrument = Instrument(symbol=symbol, tick_size=tick)
    recorded = lobster.read(messages, book, instrument, day, tz)
    found = compared(recorded.events, recorded.start, lobster.read_book(book, instrument)) if book else None
    if found and found.mismatches:
        problem = f"{book}: {found.mismatches} of {found.rows} rows differ from the book that the messages make, first row"
        recorded.warnings.append(f"{problem} {found.first_mismatch_row}")
    for warning in recorded.warnings:
        console.print(f"[yellow]warning[/] {escape(warning)}", highlight=False, soft_wrap=True)
    home = save(out, recorded, instrument, day, tz, replace=replace)
    if as_json:
        replay = {"rows": found.rows, "mismatches": found.mismatches, "first_mismatch_row": found.first_mismatch_row} if found else None
        say_json({"day": str(home), "counts": recorded.counts, "warnings": recorded.warnings, "replay": replay})
        return
    shown = ", ".join(f"{count:,} {kind}" for kind, count in recorded.counts.items() if count)
    console.print(f"{home}: {shown}; {_compared(found)}", highlight=False, markup=False, soft_wrap=True)


def _compared(found: Any) -> str:
    if found is None:
        return "no --book, so its book starts empty and is compared with nothing"
    wrong = f"{found.mismatches:,} MISMATCHES" if found.mismatches else "0 mismatches"
    return f"replayed beside its orderbook file: {wrong} in {found.rows:,} rows"


def check(day: DayFolder, as_json: Json = False) -> None:
    """Say what a stored day is and what is wrong with it; exits with 1 when the day is bad."""
    from tercet.book.quality import BAD, assess
    from tercet.market.calendar import clock
    from tercet.market.store import open_day

    stored = open_day(day)
    stored.verify()
    quality = assess(stored.events, stored.start)
    meta = stored.meta
    if as_json:
        say_json({"symbol": meta.symbol, "date": str(meta.date), **dataclasses.asdict(quality)})
    else:
        first, last = clock(meta.first_time, meta.tz), clock(meta.last_time, meta.tz)
        console.print(f"[bold]{meta.symbol} {meta.date}[/]  {first} to {last} {meta.tz}, {meta.depth} levels", highlight=False)
        for kind, count in meta.counts.items():
            console.print(f"  {kind:<8}{count:>12,}", highlight=False)
        console.print(f"verdict: [bold]{quality.verdict}[/]")
        for reason in (*quality.reasons, *meta.warnings):
            console.print(f"  {reason}", highlight=False, markup=False)
    if quality.verdict == BAD:
        raise typer.Exit(1)


def replay(
    day: DayFolder,
    verify: Annotated[Path | None, typer.Option("--verify", metavar="BOOKFILE", help="Compare the book after each message.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a row differs.")] = False,
    as_json: Json = False,
) -> None:
    """Replay a stored day through the exact book; with --verify, compare it with a recorded orderbook file row by row."""
    from tercet.backtest.days import verified
    from tercet.market.lobster import read_book
    from tercet.market.store import open_day

    stored = open_day(day)
    stored.verify()
    if verify is None:
        result = _replayed(stored)
    else:
        result = dataclasses.asdict(verified(stored, read_book(verify, stored.meta.instrument), verify))
    if as_json:
        say_json(result)
    else:
        for name, value in result.items():
            console.print(f"{name:<20}{value if value is None else f'{value:>12,}'}", highlight=False)
    if result.get("mismatches"):
        console.print(f"[bold red]the book differs from {escape(str(verify))} in {result['mismatches']:,} rows[/]", highlight=False)
        if strict:
            raise typer.Exit(1)


def _replayed(stored: Any) -> dict[str, Any]:
    from tercet.backtest.days import replayed
    from tercet.book.invariants import BROKEN, broken
    from tercet.book.queries import best, two_sided
    from tercet.market.events import BUY, SELL

    ended = replayed(stored)
    fault = broken(ended.book)
    if fault:
        raise TercetError(f"{stored.path}: the book does not hold after the replay: {BROKEN[fault]}; this is a fault of Tercet")
    touch = (int(best(ended.book, BUY)), int(best(ended.book, SELL))) if two_sided(ended.book) else (None, None)
    revealed = stored.meta.counts["reveal"]
    counts = {"rows": len(stored.events) - revealed, "revealed": revealed, "short_removals": ended.short_removals}
    return counts | {"missing_lots": ended.missing_lots, "orders": int(ended.book.live), "bid": touch[0], "ask": touch[1]}
