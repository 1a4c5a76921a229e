"""`tercet train`: an agent that learns to work parents, kept as a policy file."""

import ast
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tercet.cli.output import AcceptBadDay, console, extra, say_json
from tercet.errors import BadInput
from tercet.interrupts import STOPPED
from tercet.report.page import BAD_DAY

if TYPE_CHECKING:
    from tercet.envs.execution import EnvSettings

CARD = (
    "{market}, {parents} held-out parents from {starts} start states: {is_bps:.2f} bps (sd {sd_bps:.2f}), "
    "TWAP {twap_is_bps:.2f} (sd {twap_sd_bps:.2f}), "
    "difference {against_twap_bps:+.2f} ± {standard_error_bps:.2f} s.e."
)
VALIDATION = "{steps:>12,} steps: {cost:.2f} bps on validation, against TWAP {against_twap:+.2f} ± {error:.2f} s.e."


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(train)


def train(
    out: Annotated[Path, typer.Option(metavar="POLICY", help="The policy file; its checkpoints go to the folder POLICY.run.")],
    algo: Annotated[str, typer.Option(help="ppo, ppo-continuous, ddqn, dqn or nfk.")] = "ppo",
    market: Annotated[str, typer.Option(help="crowd:NAME or history:DAY; of several, with commas, one is drawn.")] = "crowd:default",
    steps: Annotated[int, typer.Option(help="Environment steps, of all environments together.")] = 2_000_000,
    envs: Annotated[int, typer.Option(help="Environments side by side.")] = 1024,
    risk_aversion: Annotated[float, typer.Option(help="Weight of variance in the reward, per bp²; 0: shortfall alone.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of weights, exploration and episodes.")] = 0,
    size: Annotated[str, typer.Option(help="Shares of the volume expected over the horizon: least,most.")] = "0.01,0.1",
    horizon: Annotated[str, typer.Option(help="How long a parent may take; of several, with commas, one is drawn.")] = "5min",
    step: Annotated[str, typer.Option(help="Time between decisions.")] = "5s",
    posture: Annotated[str, typer.Option(help="off; intraday: what each second's warning allows is shown and binds.")] = "off",
    imitate: Annotated[bool, typer.Option("--imitate", help="Begin by imitating the schedule that does best.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest whole checkpoint.")] = False,
    change: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other setting of the learner.")] = None,
    accept_bad_day: AcceptBadDay = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the policy's card and lineage as JSON on stdout.")] = False,
) -> None:
    """Train an agent, judge it on held-out episodes beside TWAP, and write it as a policy file that backtests take by its path.

    Ctrl-C keeps a checkpoint and stops, with exit code 130; --resume goes on as if nothing had happened.
    """
    with extra("learn"):
        from tercet.learn.produce import Order, produce
    from tercet.learn.nfk import NfkSettings
    from tercet.learn.settings import NFK, TrainSettings
    from tercet.learn.train import RunSettings

    env = dataclasses.replace(_terms(market, risk_aversion, size, horizon, step, posture), accept_bad_day=accept_bad_day)
    changes = _changes(change or [], (NfkSettings,) if algo == NFK else (TrainSettings, RunSettings))
    settings = TrainSettings(algo=algo, steps=steps, envs=envs, seed=seed).but(**changes.get(TrainSettings, {}))
    nfk = dataclasses.replace(NfkSettings(seed=seed), **changes.get(NfkSettings, {}))
    order = Order(out, env, settings, RunSettings(**changes.get(RunSettings, {})), nfk, imitate, resume)
    try:
        with _watched(settings.steps) as (tell, say):
            file = produce(order, tell, say)
    except KeyboardInterrupt:
        console.print("stopped where nothing new is to be kept", highlight=False)
        raise typer.Exit(STOPPED) from None
    if file is None:
        console.print(f"stopped, with a checkpoint in {order.folder}; go on with --resume", highlight=False)
        raise typer.Exit(STOPPED)
    if as_json:
        say_json({"policy": str(out), "card": file.card, "lineage": file.lineage})
    if file.lineage["bad_days"]:
        console.print(f"[bold]{BAD_DAY}[/]: {file.lineage['bad_days']}", highlight=False)
    for row in file.card:
        console.print(CARD.format(**row), highlight=False)
    watched = "" if posture == "off" else f" --posture {posture}"
    watched += " --accept-bad-day" if file.lineage["bad_days"] else ""
    words = f"tercet backtest --market {market.partition(',')[0]} --step {step}{watched} --policies twap,{out}"
    console.print(f"wrote {out}: {words}", highlight=False)


def _terms(market: str, risk_aversion: float, size: str, horizon: str, step: str, posture: str) -> "EnvSettings":
    """What the command line says of episodes."""
    from tercet.envs.execution import EnvSettings

    if not 0.0 <= risk_aversion < float("inf"):
        raise BadInput(f"risk_aversion was {risk_aversion}; expected a number, 0 or more")
    names = tuple(market.split(","))
    return EnvSettings(
        market=names if len(names) > 1 else market,
        reward="risk-averse" if risk_aversion > 0 else "shortfall",
        risk_aversion=risk_aversion,
        size=_pair(size),
        horizon=tuple(horizon.split(",")),
        step=step,
        posture=posture,
    )


def _pair(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BadInput(f"size was {text!r}; expected two shares such as 0.01,0.1") from error
    return low, high


def _changes(pairs: list[str], kinds: tuple[type[Any], ...]) -> dict[type[Any], dict[str, Any]]:
    """NAME=VALUE pairs as Python values (numbers, tuples, words), by the settings that have such a field."""
    found: dict[type[Any], dict[str, Any]] = {}
    owners = {part.name: kind for kind in kinds for part in dataclasses.fields(kind)}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in owners:
            raise BadInput(f"--set was {pair!r}; expected NAME=VALUE with one of {', '.join(sorted(owners))}")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        found.setdefault(owners[name], {})[name] = value
    return found


@contextmanager
def _watched(steps: int) -> Iterator[tuple[Callable[[Any], None], Callable[[str], None]]]:
    """A progress bar with steps a second; gives (tell, say), and prints each validation."""
    bars = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*bars, console=console, transient=True) as bar:
        task, told = bar.add_task("training", total=steps, rate=""), 0

        def say(sentence: str) -> None:
            console.print(sentence, highlight=False)

        def tell(progress: Any) -> None:
            nonlocal told
            bar.update(task, completed=progress.steps, rate=f"{progress.steps_per_s:,.0f} steps/s")
            for one in progress.validations[told:]:
                say(VALIDATION.format(**dataclasses.asdict(one)))
            told = len(progress.validations)

        yield tell, say
