"""`tercet impact`: what our own trading costs, against the run of the same market without us."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tercet.cli.output import console, say_json
from tercet.cli.tables import fitted
from tercet.errors import BadInput

MEASURES = {"impact_true": "impact", "is": "IS", "drift": "drift", "is_less_drift": "IS - drift"}


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(impact)


def impact(
    market: Annotated[str, typer.Option(help="crowd:NAME; a recorded day has no run without us.")] = "crowd:default",
    policies: Annotated[str, typer.Option(help="Names or policy files, with commas between them.")] = "twap,passive-then-cross",
    parents: Annotated[int, typer.Option(help="How many parent orders each policy works.")] = 400,
    size: Annotated[str, typer.Option(help="Lots (2000), or a share: 1%adv, 10%volume.")] = "5%volume",
    horizon: Annotated[str, typer.Option(help="How long each parent may take, such as 5min.")] = "5min",
    side: Annotated[str, typer.Option(help="buy, sell or both: every start is then traded both ways.")] = "both",
    seed: Annotated[int, typer.Option(help="Of everything random: same seed, same bytes.")] = 0,
    step: Annotated[str, typer.Option(help="Time between decisions.")] = "1s",
    order_latency: Annotated[str, typer.Option(help="From us to the venue: a time, or several to draw from (400us,600us).")] = "500us",
    feed_latency: Annotated[str, typer.Option(help="From the venue to us.")] = "500us",
    after: Annotated[str, typer.Option(help="Times after the end at which the mid's displacement is measured.")] = "1min,5min,30min",
    pairs: Annotated[int, typer.Option(help="Pairs of runs that show what the coupling is worth; 0: none.")] = 300,
    threads: Annotated[int, typer.Option(help="0: all cores.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")] = None,
) -> None:
    """Work parent orders by each policy, each beside a copy of the market without us: what the difference says of our impact."""
    from tercet.backtest.counterfactual import summary
    from tercet.backtest.markets import market as find_market
    from tercet.backtest.parents import duration, plan
    from tercet.backtest.runner import Settings

    if pairs < 0 or pairs == 1:
        raise BadInput(f"pairs was {pairs}; expected 2 or more, or 0")
    where, chosen = find_market(market), _policies(policies)
    settings = Settings(
        step_ns=duration(step),
        order_latency_ns=tuple(duration(part) for part in order_latency.split(",")),
        feed_latency_ns=tuple(duration(part) for part in feed_latency.split(",")),
        seed=seed,
        threads=threads,
    )
    orders = plan(where, parents, size, duration(horizon), side, seed)
    after_ns = [duration(part) for part in after.split(",")] if after else []
    said = summary(*_measure(where, orders, chosen, settings, after_ns, pairs))
    said["asked"] = {"parents": parents, "size": size, "horizon": horizon, "side": side, "seed": seed}
    if json_file:
        say_json(said, json_file)
    _show(said)


def _policies(names: str) -> list[Any]:
    from tercet.execution.learned import find_policy

    return [find_policy(name.strip()) for name in names.split(",")]


def _measure(where: Any, orders: Any, chosen: list[Any], settings: Any, after_ns: list[int], pairs: int) -> tuple[Any, list[Any]]:
    """The impact, and the coupling of the smallest order and of one of the market's own size."""
    from tercet.backtest.counterfactual import coupling, impact

    bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*bars, console=console, transient=True) as progress:
        task = progress.add_task(f"{where.name}: parents × policies", total=len(orders.parents) * len(chosen))
        result = impact(where, orders, chosen, settings, after_ns, lambda done: progress.advance(task, done))
        sizes = (1, max(2, round(where.crowd.market_lots))) if pairs else ()
        again = progress.add_task(f"{where.name}: coupled pairs", total=pairs * len(sizes))
        terms = {"pairs": pairs, "seed": settings.seed, "threads": settings.threads}
        coupled = [coupling(where, lots, **terms, progress=lambda done: progress.advance(again, done)) for lots in sizes]
    return result, coupled


def _show(said: dict[str, Any]) -> None:
    console.print(f"[bold]{said['market']}[/]: {said['caveat']}", highlight=False)
    rows = said["policies"]
    costs = [
        (row["policy"], *(_within(row[f"{name}_bps"], row[f"{name}_low"], row[f"{name}_high"], row) for name in MEASURES)) for row in rows
    ]
    path = [
        (row["policy"], *(_within(point["mean_bps"], point["low"], point["high"], row) for point in row["displacement"])) for row in rows
    ]
    times = [point["at"] for point in rows[0]["displacement"]]
    console.print(fitted(("policy", "impact bps", *list(MEASURES.values())[1:]), costs, spare=("IS - drift", "drift")))
    console.print("The mid with us less the mid without us, bps to our side's harm; at T before the completion:", highlight=False)
    console.print(fitted(("policy", *times), path, spare=(times[0], *times[-1:2:-1])))
    console.print(f"{rows[0]['parents']} parents in {rows[0]['n_blocks']} blocks of time, 95% intervals", highlight=False)
    for row in rows:
        if row["drift_low"] > 0 or row["drift_high"] < 0:
            text = "its drift is not 0, so IS - drift is not its shortfall's mean: when it is filled depends on where the market went"
            console.print(f"[yellow]note[/] {row['policy']}: {text}", highlight=False)
    for pair in said["coupling"]:
        console.print(_worth(pair), highlight=False)
    for warning in said["warnings"]:
        console.print(f"[yellow]warning[/] {warning}", highlight=False)


def _within(mean: float | None, low: float, high: float, row: dict[str, Any]) -> str:
    """A mean and half the width of its interval."""
    if mean is None:
        return "-"
    return f"{mean:.2f}±{0.5 * (high - low):.2f}" if row["n_blocks"] > 1 else f"{mean:.2f}"


def _worth(pair: dict[str, Any]) -> str:
    """What the coupling is worth, in a line."""
    ratio = "-" if pair["ratio"] != pair["ratio"] else f"{pair['ratio']:.3f}"
    sds = f"sd coupled {pair['coupled_sd_bps']:.3f} / independent {pair['independent_sd_bps']:.3f} bps = {ratio}"
    counted = "1 lot" if pair["lots"] == 1 else f"{pair['lots']:,} lots"
    needed = f"pairs for ± {pair['aim_bps']:g} bps: {pair['coupled_needed']:,} instead of {pair['independent_needed']:,}"
    return f"Mid {pair['seconds']:g} s after a market order of {counted}: {sds}; {needed}"
