"""`tercet leakcheck`: whether your own features, labels and models know the future."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.output import console, say_json
from tercet.errors import BadInput

if TYPE_CHECKING:
    import polars as pl

    from tercet.signals.leakcheck import Finding


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

    USERMODULE defines any of these. features(frame): daily bars (polars: event_time, known_time, symbol, open, high, low, close, volume;
    in order of time) in, a row for each row out. labels(frame): t0, t1, value, available, a row for each row. expert(): a tercet Expert or
    a scikit-learn estimator. event_features(events): a row for each event. PER_SYMBOL = True claims that no symbol needs another.
    Exits with 1 where something leaks.
    """
    from tercet.signals.leakcheck import LEAK, check, load, made_bars

    user = load(module)
    bars = made_bars(seed, max(symbols, 2), days) if data is None else own_bars(data, columns, symbols, days)
    found = []
    with console.status("") as status:
        for one in check(user, bars, seed, status.update):
            found.append(one)
    say(user.name, found)
    leaks = [one for one in found if one.verdict == LEAK]
    if as_json:
        say_json({"module": user.name, "leaks": len(leaks), "tests": [told(one) for one in found]})
    if leaks:
        raise typer.Exit(1)


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
    table = user_table(path, names, event_at="16:00", known_at="16:00").table
    if table.revised:
        raise BadInput(f"{path}: some bars have several vintages; expected one row for each symbol and event_time")
    frame = table.frame
    listed = frame["symbol"].unique().sort()
    kept = listed.gather([i * len(listed) // min(symbols, len(listed)) for i in range(min(symbols, len(listed)))])
    dates = frame["event_time"].unique().sort().tail(days)
    return frame.filter(pl.col("symbol").is_in(kept.implode()), pl.col("event_time") >= dates[0]).sort("event_time", "symbol")


def say(name: str, found: "list[Finding]") -> None:
    """The table, on stderr."""
    from rich.text import Text

    from tercet.cli.tables import fitted

    colours = {"ok": "green", "LEAK": "bold red", "note": "yellow", "not tested": "dim"}
    about, rows = "", []
    for one in found:
        rows.append((one.about if one.about != about else "", one.test, Text(one.verdict, colours[one.verdict]), one.where))
        about = one.about
    names = ("", "test", "verdict", "where")
    console.print(fitted(names, rows, left=names))
    leaks = sum(one.verdict == "LEAK" for one in found)
    tested = sum(one.verdict in ("ok", "LEAK") for one in found)
    console.print(f"{name}: {tested} tests, {leaks or 'no'} leak{'' if leaks == 1 else 's'}", highlight=False)


def told(one: "Finding") -> dict[str, Any]:
    """A finding as JSON has it."""
    from dataclasses import asdict

    return asdict(one)
