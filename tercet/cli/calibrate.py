"""`tercet calibrate`: parameters from recorded days, with their errors and where they come from."""

from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.output import say_json


def register(app: typer.Typer) -> None:
    """Add these commands."""
    calibrator = typer.Typer(help="Fit parameters to recorded days.", no_args_is_help=True)
    for command in (volume, variance):
        calibrator.command()(command)
    app.add_typer(calibrator, name="calibrate")


def volume(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="MATLAB books with a tape (struct LOB).")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; stdout where not given.")] = None,
) -> None:
    """The mean normalised volume through the day, in quarter hours."""
    from tercet.execution.volume import fit

    say_json(fit(files), out)


def variance(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="MATLAB books (struct LOB).")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; stdout where not given.")] = None,
) -> None:
    """The mid's relative variance through the day, in quarter hours, and the weights of its last minutes in what comes."""
    from tercet.risk.season_fit import fit

    say_json(fit(files), out)
