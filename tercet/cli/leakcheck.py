"""`tercet leakcheck`: whether your own features, labels and models know the future."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.output import console, extra, say_json
from tercet.errors import BadInput

if TYPE_CHECKING:
    import polars as pl

    from tercet.signals.leakcheck import Finding, Tell
    from tercet.signals.usermodule import UserModule


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(leakcheck)


def leakcheck(
    module: Annotated[str, typer.Argument(metavar="USERMODULE", help="A .py file or a dotted name.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Daily bars of your own, Parquet or CSV; made ones where not given.")
    ] = None,
    columns: Annotated[
        str, typer.Option(metavar="NAME=YOURS,...", help="What your file calls event_time, known_time, symbol, open, ... where it differs.")
    ] = "",
    symbols: Annotated[int, typer.Option(help="Stocks at most.")] = 8,
    days: Annotated[int, typer.Option(help="Dates at most, the newest.")] = 400,
    seed: Annotated[int, typer.Option(help="Of made bars and other futures.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Look for leaks: change the future, and nothing that was known before may change.

    USERMODULE defines any of: features(frame) of daily bars (polars: event_time, known_time, symbol, open, high, low, close, volume; rows in
    order of time) returning a row for each row; labels(frame) returning t0, t1, value, available; expert() returning an Expert or a
    scikit-learn estimator; event_features(events) returning a row for each event. PER_SYMBOL = True claims that no symbol needs another.
    Exits with 1 where something leaks.
    """
    from tercet.signals.madebars import made_bars
    from tercet.signals.usermodule import load

    user = load(module)
    made = made_bars(seed, max(symbols, 2), days)
    bars = made if data is None else own_bars(data, columns, symbols, days)
    found = []
    with console.status("") as status:
        for one in findings(user, bars, made, seed, lambda what: status.update(what)):
            found.append(one)
    say(user.name, found)
    leaks = [one for one in found if one.verdict == "LEAK"]
    if as_json:
        say_json({"module": user.name, "leaks": len(leaks), "tests": [told(one) for one in found]})
    if leaks:
        raise typer.Exit(1)


def findings(user: "UserModule", bars: "pl.DataFrame", made: "pl.DataFrame", seed: int, tell: "Tell") -> "Iterator[Finding]":
    """All tests of what the module offers; an expert learns from made bars, in which there is nothing to find."""
    from tercet.signals import leakcheck as rows

    if "features" in user.offers:
        yield from rows.check_features(user, bars, seed, tell)
    if "labels" in user.offers:
        yield from rows.check_labels(user, bars, seed, tell)
    if "event_features" in user.offers:
        yield from rows.check_events(user, seed, tell)
    if "expert" in user.offers:
        with extra("signals"):
            from tercet.signals.leakexpert import check_expert
        yield from check_expert(user, made, seed, tell)


def own_bars(path: Path, columns: str, symbols: int, days: int) -> "pl.DataFrame":
    """The newest days of some of the file's symbols, evenly taken, in order of time and symbol."""
    import polars as pl

    from tercet.signals.madebars import BARS
    from tercet.signals.sources import user_table

    pairs = [pair.partition("=") for pair in columns.split(",") if pair]
    if wrong := [name for name, sign, yours in pairs if not (sign and yours)]:
        raise BadInput(f"--columns: {wrong[0]!r}; expected NAME=YOURS, such as event_time=date,symbol=ticker")
    given = {name: yours for name, _, yours in pairs}
    event = given.get("event_time", "event_time")
    names = {name: name for name in ("symbol", *BARS)} | {"event_time": event, "known_time": event} | given
    frame = user_table(path, names, event_at="16:00", known_at="16:00").table.frame
    listed = frame["symbol"].unique().sort()
    kept = listed.gather([i * len(listed) // min(symbols, len(listed)) for i in range(min(symbols, len(listed)))])
    dates = frame["event_time"].unique().sort().tail(days)
    return frame.filter(pl.col("symbol").is_in(kept.implode()), pl.col("event_time") >= dates[0]).sort("event_time", "symbol")


def say(name: str, found: "list[Finding]") -> None:
    """The table, on stderr."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "LEAK": "bold red", "note": "yellow", "not tested": "dim"}
    table = Table("", "test", "verdict", "where", box=SIMPLE_HEAD, pad_edge=False)
    about = ""
    for one in found:
        table.add_row(
            Text(one.about if one.about != about else ""), Text(one.test), Text(one.verdict, colours[one.verdict]), Text(one.where)
        )
        about = one.about
    console.print(table)
    leaks = sum(one.verdict == "LEAK" for one in found)
    tested = sum(one.verdict in ("ok", "LEAK") for one in found)
    console.print(f"{name}: {tested} tests, {leaks or 'no'} leak{'' if leaks == 1 else 's'}", highlight=False)


def told(one: "Finding") -> dict[str, Any]:
    """A finding as JSON has it."""
    from dataclasses import asdict

    return asdict(one)
