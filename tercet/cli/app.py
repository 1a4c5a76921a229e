"""`tercet`: the command line. What fails says in one sentence what was wrong, and exits with 1."""

import signal
import sys
from typing import Annotated

import typer

import tercet
from tercet.cli import (
    backtest,
    bench,
    calibrate,
    features,
    forecast,
    gate,
    impact,
    journal,
    leakcheck,
    ledger,
    market,
    oracles,
    risk,
    simulate,
    train,
)
from tercet.errors import TercetError
from tercet.interrupts import SENTENCE, STOPPED, stoppable
from tercet.wholefiles import remove_unfinished

app = typer.Typer(help=tercet.__doc__, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
_signals = (features, forecast, risk, leakcheck, ledger)
for family in (market, *_signals, simulate, backtest, impact, train, oracles, gate, journal, bench, calibrate):
    family.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(tercet.__version__)
        raise typer.Exit


@app.callback()
def tercet_command(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Machine learning that trades, honestly measured."""


def main() -> None:
    """Run the command line. Ctrl-C ends it within seconds, with one sentence and exit code STOPPED."""
    with stoppable(remove_unfinished):
        try:
            app()
        except (TercetError, OSError) as error:
            place = getattr(error, "filename", None)
            said = error if place is None else f"{place}: {getattr(error, 'strerror', error)}; expected one that can be used here"
            typer.echo(f"tercet: {said}", err=True)
            sys.exit(1)
        except SystemExit as end:
            if not isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):  # typer makes the one of the other
                raise
            _stop()
        except KeyboardInterrupt:
            _stop()


def _stop() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
    typer.echo(SENTENCE, err=True)
    sys.exit(STOPPED)
