"""`tercet oracles`: whether the learners find optima that are known."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import track
from rich.table import Table

from tercet.cli.output import console, extra, say_json
from tercet.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(oracles)


def oracles(
    worlds: Annotated[str | None, typer.Option(help="Names, with commas; all six where not given.")] = None,
    algos: Annotated[str | None, typer.Option(help="ppo-continuous, ppo and ddqn, with commas.")] = None,
    seeds: Annotated[int, typer.Option(help="How many training seeds, from 0 on.")] = 5,
    processes: Annotated[int, typer.Option(help="Runs at a time, a thread each; 0: all cores.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")] = None,
) -> None:
    """Train each learner in each bookless world and compare what it finds with the exact optimum; fewer of each take less time.

    Exits with 1 where a bar is missed.
    """
    with extra("learn"):
        from tercet.learn.oracles import BARS, LEARNERS, WORLDS, examine_all

    where, who = _named(worlds, tuple(WORLDS), "world"), _named(algos, LEARNERS, "algo")
    if seeds < 1 or processes < 0:
        raise BadInput(f"seeds were {seeds} and processes {processes}; expected 1 or more, and 0 or more")
    runs = examine_all(where, who, seeds, processes)
    total = len(where) * len(who) * seeds
    found = sorted(track(runs, "learning", total, console=console, transient=True), key=lambda one: (one.world, one.algo, one.seed))
    if json_file is not None:
        say_json([dataclasses.asdict(one) for one in found], json_file)
    _show(found, BARS)
    if not all(one.met for one in found):
        raise typer.Exit(1)


def _named(given: str | None, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    names = known if given is None else tuple(given.split(","))
    if unknown := [name for name in names if name not in known]:
        raise BadInput(f"{what} was {unknown[0]!r}; expected {', '.join(known)}")
    return names


def _show(found: list[Any], bars: dict[str, str]) -> None:
    table = Table("world", "learner", "figure", "bar", "each seed", "met", box=SIMPLE_HEAD, pad_edge=False)
    for pair in dict.fromkeys((one.world, one.algo) for one in found):
        rows = [one for one in found if (one.world, one.algo) == pair]
        met = f"{sum(one.met for one in rows)} of {len(rows)}"
        for name in rows[0].figures:
            if name not in ("edge_low", "edge_high"):
                table.add_row(*pair, name, bars[name], " ".join(f"{one.figures[name]:.1%}" for one in rows), met)
    console.print(table)
