"""`tercet gate`: what the pre-trade controls answer."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.output import console, say_json
from tercet.cli.tables import fitted


def register(app: typer.Typer) -> None:
    """Add these commands."""
    family = typer.Typer(help="Pre-trade controls.", no_args_is_help=True)
    family.command("check")(check)
    family.command("example")(example)
    app.add_typer(family, name="gate")


def example(cases: Annotated[bool, typer.Option("--cases", help="The gauntlet's cases, for `check`, instead of limits.")] = False) -> None:
    """Print a whole file of limits to begin with, or cases that try each control on it."""
    from tercet.bench.gauntlet import LIMITS
    from tercet.bench.gauntlet_conduct import all_cases

    told = map(json.dumps, all_cases()) if cases else [LIMITS.strip()]
    typer.echo("\n".join(told))


def check(
    limits: Annotated[Path, typer.Option(metavar="FILE", help="The limits, TOML.")],
    cases: Annotated[Path, typer.Option(metavar="CASES", help="What is asked, a JSON object a line.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every answer as JSON on stdout.")] = False,
) -> None:
    """Ask a new gate each case; exits with 1 where an answer is not the expected one."""
    import msgspec

    from tercet.orders import cases as asked
    from tercet.orders.limits import read

    found = list(asked.answers(read(limits), asked.read(cases)))
    wrong = [one for one in found if not one.met]
    if as_json:
        say_json([msgspec.structs.asdict(one) for one in found])
    rows = []
    for one in wrong:
        wanted = " ".join(str(value) for value in one.expected.values())
        rows.append((one.name, one.decision, one.rule, f"{one.was:g}", f"{one.limit:g}", wanted))
    if wrong:
        names = ("case", "answer", "control", "was", "limit", "expected")
        console.print(fitted(names, rows, left=("answer", "control", "expected")))
    console.print(f"{len(found)} cases, {len(wrong)} not as expected", highlight=False)
    if wrong:
        raise typer.Exit(1)
