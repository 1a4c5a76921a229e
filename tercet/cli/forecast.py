"""`tercet forecast`: how good forecasts are, and models that make them."""

import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tercet.cli.output import AcceptBadDay, console, extra, say_json
from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK

if TYPE_CHECKING:
    from tercet.cli.evaluated import Tell

Close = Annotated[str | None, typer.Option(metavar="HH:MM", help="Panel: when its session closes; no row is known before. 16:00.")]
Zone = Annotated[str, typer.Option(metavar="ZONE", help="Panel: the zone of that clock and of its dates, such as Asia/Tokyo.")]


Least = Annotated[int | None, typer.Option(metavar="STOCKS", help="Panel: how many stocks a date needs (50), at predict too.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    family = typer.Typer(help="What may happen next: judge experts, fit one, and let it answer.", no_args_is_help=True)
    for command in (evaluate, fit, predict):
        family.command()(command)
    app.add_typer(family, name="forecast")


def evaluate(
    task: Annotated[str, typer.Argument(metavar="TASK", help="gkx, ofi:DAY[,DAY...], direction:DAY or panel:FILE.")],
    experts: Annotated[str | None, typer.Option(help="Names, with commas; a few that are quick where not given.")] = None,
    folds: Annotated[int | None, typer.Option(help="Stretches of time that are asked, each of a model of what lay before it.")] = None,
    horizons: Annotated[str | None, typer.Option(help="Messages (10,50,100), or days of a panel (5), with commas.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Times that everything is learned, each with another seed.")] = None,
    planted: Annotated[
        float | None, typer.Option(metavar="IC", help="Panel: a feature made of what comes, of that strength, as a control.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Panel: count its trials under this name, whatever changes in the file.")
    ] = None,
    least: Least = None,
    accept_bad_day: AcceptBadDay = False,
    close: Close = None,
    zone: Zone = NEW_YORK,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page, one file that opens without a network.")] = None,
) -> None:
    """Let experts forecast what came later, split by time, and judge them beside what a trade on it would have earned.

    Every fit that has seen validation is a line in the ledger of trials; TERCET_TRIALS names another file.
    """
    with extra("signals"):
        from tercet.cli.evaluated import Asked, evaluated
    from tercet.report.files import write_whole

    names = None if experts is None else tuple(name.strip() for name in experts.split(","))
    with progress() as tell, noted() as notes, extra("signals"):
        result = evaluated(
            task, Asked(names, folds, whole(horizons, "horizons"), seeds, planted, experiment, tell, accept_bad_day, (close, zone), least)
        )
    result.json["warnings"] += notes
    if html:
        write_whole(html, result.page(shlex.join(["tercet", *sys.argv[1:]])).html())
    if json_file:
        say_json(result.json, json_file)
    console.print(*result.tables)
    for line in result.lines:
        console.print(line, highlight=False, soft_wrap=True)
    for note in notes:
        console.print(f"[yellow]warning[/] {note}", highlight=False, soft_wrap=True)


def fit(
    task: Annotated[str, typer.Argument(metavar="TASK", help="direction:DAY or panel:FILE.")],
    expert: Annotated[str, typer.Option(metavar="NAME", help="Who learns it.")],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="The model file.")],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Learn what was known by then: 12:00 of the day, or a date.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Messages (10), or days (5).")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="Panel: count its trials under this name.")] = None,
    least: Least = None,
    accept_bad_day: AcceptBadDay = False,
    close: Close = None,
    zone: Zone = NEW_YORK,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's lineage and terms as JSON on stdout.")] = False,
) -> None:
    """Fit an expert on the whole past given, and keep it with the spread of its errors on rows that it had not seen.

    That spread takes three more fits inside the lesson, walking forward; each of them is a trial in the ledger.
    """
    with extra("signals"):
        from tercet.cli.fitting import fitted
        from tercet.signals.forecasting import keep

    with progress() as tell, noted() as notes, extra("signals"):
        made, cleaned = fitted(task, expert, until, horizon, seed, tell, experiment, accept_bad_day, (close, zone), least)
    keep(made, out)
    lineage, terms = made.fitted.lineage, made.terms
    if as_json:
        told = {"model": str(out), "model_id": lineage.model_id, "lineage": msgspec.to_builtins(lineage)}
        kept = {name: value for name, value in msgspec.to_builtins(terms).items() if name != "errors"}  # 201 quantiles
        say_json(told | {"terms": kept, "cleaning": cleaned, "warnings": notes})
    life = "unknown" if terms.half_life is None else f"{terms.half_life:.2g} horizons"
    console.print(f"{out}: {lineage.model_id}, {lineage.rows:,} rows of {len(lineage.names)} features", highlight=False, soft_wrap=True)
    console.print(f"  errors on {terms.rows:,} rows not seen: sd {terms.sd:.4g} {terms.unit}; half-life {life}", highlight=False)
    for line in cleaned:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    for note in notes:
        console.print(f"[yellow]warning[/] {note}", highlight=False, soft_wrap=True)


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="What `tercet forecast fit` wrote.")],
    place: Annotated[Path, typer.Argument(metavar="DAY|FILE", help="A stored day, or a file of daily bars.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the forecasts go, Parquet.")],
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From then on alone: 12:00 of the day, or a date.")] = None,
    contributions: Annotated[bool, typer.Option("--contributions", help="Add the five features that moved each row most.")] = False,
    accept_bad_day: AcceptBadDay = False,
    close: Close = None,
    zone: Zone = NEW_YORK,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON on stdout.")] = False,
) -> None:
    """Let a model answer about what came after all that it knows; it refuses to be asked about anything earlier."""
    with extra("signals"):
        from tercet.cli.fitting import rows_for
        from tercet.signals.forecasting import forecasts, recall
    from tercet.report.files import write_whole

    forecaster = recall(model)
    with progress() as tell:
        asked = rows_for(forecaster, place, since, tell, accept_bad_day, (close, zone))
        found = forecasts(forecaster, asked.questions, asked.symbols, asked.event_time, explained=contributions)
        packed = BytesIO()
        found.write_parquet(packed)
        write_whole(out, packed.getvalue())
    if as_json:
        told = {"file": str(out), "model_id": forecaster.fitted.lineage.model_id, "rows": found.height, "left_out": asked.left_out}
        say_json(told | {"cleaning": list(asked.cleaned), "first": int(asked.event_time.min()), "last": int(asked.event_time.max())})
    left = ", ".join(f"{count:,} ({reason})" for reason, count in asked.left_out.items() if count) or "none"
    console.print(f"{out}: {found.height:,} forecasts; left out {left}", highlight=False, soft_wrap=True)
    for line in asked.cleaned:
        console.print(f"  {line}", highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator["Tell"]:
    """A bar on stderr with what is under way, how much is done and for how long; where stderr is no terminal, a line a step."""
    bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*bars, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)
            if not console.is_terminal:
                console.print(f"{bar.tasks[0].elapsed or 0.0:7.1f} s  {what}", highlight=False, soft_wrap=True)

        yield tell


@contextmanager
def noted() -> Iterator[list[str]]:
    """Warnings of the libraries, each told once with how often it came; the list is filled on leaving."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    said = Counter(f"{one.category.__name__}: {str(one.message).strip().splitlines()[0]}" for one in caught)
    notes += [note if count == 1 else f"{note} ({count} times)" for note, count in said.items()]


def whole(text: str | None, name: str) -> tuple[int, ...] | None:
    """Whole numbers with commas between them."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise BadInput(f"{name} was {text!r}; expected whole numbers with commas between them") from error
