"""`tercet ledger`: how often somebody has tried, and whether the account of it is still what was written."""

import dataclasses
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tercet.cli.output import console, say_json
from tercet.cli.tables import fitted
from tercet.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add these commands."""
    family = typer.Typer(help="Look into the ledger of trials: every fit that has seen validation.", no_args_is_help=True)
    family.command()(show)
    app.add_typer(family, name="ledger")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What was tried under one name."""

    experiment: str
    trials: int  # fits and openings of the vault: what a deflated Sharpe ratio has to be told
    models: dict[str, int]
    openings: int  # of the vault
    first: int
    last: int


def show(
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="Every trial of this experiment.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="The ledger; TERCET_TRIALS or the user's own where not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Count trials and openings of the vault by experiment, and verify the chain; a broken line is named and exits with 1."""
    from tercet.signals.trials import Ledger

    ledger = Ledger(file)
    trials = ledger.trials()
    if experiment is not None and experiment not in {trial.experiment for trial in trials}:
        known = list(dict.fromkeys(trial.experiment for trial in trials))
        near = get_close_matches(experiment, known, 3) or known[-3:] or ["none"]
        raise BadInput(f"{ledger.path}: no trial of {experiment!r}; expected one of its {len(known)}, such as {', '.join(near)}")
    chosen = [trial for trial in trials if experiment in (None, trial.experiment)]
    found = [summed(name, [trial for trial in chosen if trial.experiment == name]) for name in dict.fromkeys(t.experiment for t in chosen)]
    lines, head = ledger.head()
    if as_json:
        said = {"ledger": str(ledger.path), "lines": lines, "head": head, "experiments": [dataclasses.asdict(one) for one in found]}
        say_json(said | ({"trials": [msgspec.to_builtins(trial) for trial in chosen]} if experiment else {}))
        return
    console.print(f"{ledger.path}: {lines:,} lines fit, head {head}", highlight=False, soft_wrap=True)
    if experiment:
        print_trials(chosen)
        return
    rows = []
    for one in found:
        models = ", ".join(f"{name} {count}" for name, count in one.models.items())
        rows.append((one.experiment, f"{one.trials:,}", f"{one.openings:,}", _utc(one.last), models))
    if rows:
        console.print(fitted(("experiment", "trials", "vault", "last", "models"), rows, left=("models",)))


def summed(name: str, trials: list[Any]) -> Experiment:
    """One experiment's trials, counted."""
    models = Counter(trial.model for trial in trials if not trial.vault)
    openings = sum(trial.vault for trial in trials)
    return Experiment(name, len(trials), dict(models), openings, trials[0].time, trials[-1].time)


def print_trials(trials: list[Any]) -> None:
    """A line a trial."""
    rows = []
    for trial in trials:
        scores = "vault opened" if trial.vault else ", ".join(f"{name} {value:.4g}" for name, value in list(trial.scores.items())[:4])
        rows.append((str(trial.id), _utc(trial.time), trial.model, scores, trial.data[:12]))
    names = ("line", "time", "model", "scores", "data")
    console.print(fitted(names, rows, spare=("data",), left=names))


def _utc(time: int) -> str:
    import numpy as np

    return str(np.datetime64(time, "ns").astype("datetime64[s]")).replace("T", " ") + "Z"
