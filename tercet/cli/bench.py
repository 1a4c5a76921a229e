"""`tercet bench`: how fast the parts are, as one flat object of numbers."""

import importlib.util
from typing import Annotated

import typer

from tercet.cli.output import console, extra, say_json
from tercet.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(bench)


def bench(
    part: Annotated[
        str | None,
        typer.Argument(
            help="book, replay, features, import, backtest, env, gate, journal, risk, train or forecast; all of them where none is named."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Measure the speed: best of several rounds, after compiling."""
    from tercet.bench import backtest, book, env, features, gate, importing, journal, replay, risk

    measures = {"book": book, "replay": replay, "features": features, "import": importing, "backtest": backtest, "env": env}
    measures |= {"gate": gate, "journal": journal, "risk": risk}
    parts = {name: module.measure for name, module in measures.items()}
    if part == "train" or importlib.util.find_spec("stable_baselines3") is not None:
        with extra("learn"):
            from tercet.bench import train
        parts["train"] = train.measure
    if part == "forecast" or all(importlib.util.find_spec(name) for name in ("torch", "onnx", "lightgbm", "xgboost")):
        with extra("signals"), extra("learn"):
            from tercet.bench import forecast
        parts["forecast"] = forecast.measure
    if part is not None and part not in parts:
        raise BadInput(f"part was {part!r}; expected one of {', '.join(parts)}")
    measured: dict[str, float] = {}
    for name in [part] if part else parts:
        with console.status(f"measuring {name}"):
            measured |= parts[name]()
    if as_json:
        say_json(measured)
        return
    for name, value in measured.items():
        console.print(f"{name:<32}{value:>18,.{0 if value >= 100 else 2}f}", highlight=False)
