"""`tercet simulate`: a day of an invented market, stored like a recorded one."""

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tercet.cli.output import console, say_json
from tercet.errors import BadInput

MOST_LEVELS = 200  # LOBSTER's own
MOST_CELLS = 1 << 20  # of the book, written at a time: the memory that a day takes does not grow with its levels


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(simulate)


def simulate(
    market: Annotated[str, typer.Option(metavar="crowd:NAME", help="Which invented market.")],
    date: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The day that it is to be.")],
    out: Annotated[Path, typer.Option(metavar="STORE", help="The folder of stored days.")],
    seed: Annotated[int, typer.Option(help="Of everything random: same seed, same bytes.")] = 0,
    depth: Annotated[int, typer.Option(help="How many levels a side the feed shows.")] = 10,
    symbol: Annotated[str | None, typer.Option(help="The market's name in capitals where not given.")] = None,
    until: Annotated[str | None, typer.Option(metavar="HH:MM", help="Stop before the close.")] = None,
    lobster: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where its LOBSTER files go; STORE/lobster where not given.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a stored day, or files, that hold something else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Simulate a session of an invented market: a stored day and the LOBSTER files that it could have come from, or nothing."""
    from tercet.market import lobster_files
    from tercet.market.calendar import Session, day_of, trading_session
    from tercet.market.instruments import Instrument
    from tercet.market.store import day_name, save
    from tercet.sim.settings import CROWDS
    from tercet.sim.tape import pieces

    kind, _, name = market.partition(":")
    if kind != "crowd" or name not in CROWDS:
        raise BadInput(f"market was {market!r}; expected crowd: with one of {', '.join(CROWDS)}")
    _refuse_outside("seed", seed, 0, 2**63 - 1)
    _refuse_outside("depth", depth, 1, MOST_LEVELS)
    instrument = Instrument(symbol=name.upper() if symbol is None else symbol)
    day = day_of(date)
    day_name(instrument.symbol, day)
    hours = trading_session(day)
    shown = Session(hours.open_ns, _end(until, day, hours))
    folder = out / "lobster" if lobster is None else lobster
    told = pieces(CROWDS[name], seed, (hours.open_ns, hours.close_ns), shown.close_ns, depth, MOST_CELLS // (4 * depth))
    with lobster_files.under_way(folder) as hidden:
        pair = lobster_files.write(hidden, _watched(told, market, shown), instrument, day, shown, depth)
        lobster_files.refuse_others(pair, folder, replace=replace)
        home = save(out, pair.recorded, instrument, day, replace=replace)
        pair = lobster_files.move(pair, folder)
    _say(home, pair, {"market": market, "seed": seed, "depth": depth}, as_json)


def _refuse_outside(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise BadInput(f"{name} was {value}; expected a whole number from {least} to {most}")


def _end(until: str | None, day: datetime.date, hours: Any) -> int:
    """When to stop, in ns."""
    from tercet.market.calendar import at_clock, clock

    if until is None:
        return int(hours.close_ns)
    end = at_clock(day, until)
    if not hours.open_ns < end <= hours.close_ns:
        opens, closes = (clock(time)[:5] for time in (hours.open_ns, hours.close_ns))
        raise BadInput(f"until was {until!r}; expected a time after {opens}, {closes} at most")
    return end


def _watched(told: Iterable[Any], market: str, shown: Any) -> Iterator[Any]:
    """The same pieces, with a bar that moves with the market's clock."""
    bars = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*bars, console=console, transient=True) as progress:
        task = progress.add_task(f"{market}: the session", total=shown.close_ns - shown.open_ns)
        for events, rows in told:
            yield events, rows
            progress.update(task, completed=int(events["time"][-1]) - shown.open_ns)


def _say(home: Path, pair: Any, asked: dict[str, Any], as_json: bool) -> None:
    counts = pair.recorded.counts
    messages = sum(counts.values()) - counts["reveal"]
    if as_json:
        files = {"messages": str(pair.messages), "orderbook": str(pair.orderbook)}
        say_json({"day": str(home), **files, **asked, "rows": messages, "counts": counts, "warnings": pair.recorded.warnings})
        return
    shown = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    console.print(f"{home}: {shown}", highlight=False, markup=False, soft_wrap=True)
    for path in (pair.messages, pair.orderbook):
        console.print(f"  {path}", highlight=False, markup=False, soft_wrap=True)
