"""`tercet backtest` and `tercet demo`: policies on a market, judged."""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tercet.cli.output import AcceptBadDay, console, say_json
from tercet.cli.tables import fitted
from tercet.errors import BadInput

NINE = "immediate,twap,twap-passive,vwap,pov,submit-and-leave,passive,passive-then-cross,almgren-chriss"
BOTH, TWAP = "both", "twap"
SPARE = ("sd", "CVaR95")
PARTS = {
    "spread_bps": "spread",
    "walk_bps": "walk",
    "timing_bps": "timing",
    "completion_bps": "compl.",
    "fees_bps": "fees",
    "completion": "in time",
    "passive_share": "passive",
}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(backtest)
    app.command()(demo)


def backtest(
    market: Annotated[str, typer.Option(help="history:DAY or crowd:NAME.")] = "crowd:default",
    policies: Annotated[str, typer.Option(help="Names or policy files, with commas between them.")] = NINE,
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whom the others are compared with, one of the policies; twap where not given.")
    ] = None,
    parents: Annotated[int, typer.Option(help="How many parent orders each policy works.")] = 200,
    size: Annotated[str, typer.Option(help="Lots (2000), or a share: 1%adv, 10%volume.")] = "1%volume",
    horizon: Annotated[str, typer.Option(help="How long each parent may take, such as 5min.")] = "5min",
    side: Annotated[str, typer.Option(help="buy, sell or both: every start is then traded both ways.")] = "both",
    seed: Annotated[int, typer.Option(help="Of everything random: same seed, same bytes.")] = 0,
    step: Annotated[str, typer.Option(help="Time between decisions.")] = "1s",
    order_latency: Annotated[str, typer.Option(help="From us to the venue: a time, or several to draw from (400us,600us).")] = "500us",
    feed_latency: Annotated[str, typer.Option(help="From the venue to us.")] = "500us",
    taker_fee: Annotated[float | None, typer.Option(help="Per lot, in the currency; the instrument's own where not given.")] = None,
    maker_fee: Annotated[float | None, typer.Option(help="Per lot; negative is a rebate.")] = None,
    hidden_first: Annotated[bool, typer.Option(help="Recorded hidden executions fill our displayed orders first.")] = True,
    after: Annotated[str | None, typer.Option(help="Times after the end at which reversion is measured, such as 1min,5min.")] = None,
    posture: Annotated[str, typer.Option(help="off; intraday: what each second's warning allows; both: one beside the other.")] = "off",
    threads: Annotated[int, typer.Option(help="0: all cores.")] = 0,
    limits: Annotated[Path | None, typer.Option(metavar="FILE", help="Let children pass the pre-trade gate with these limits.")] = None,
    accept_bad_day: AcceptBadDay = False,
    strategy: Annotated[str | None, typer.Option(help="Whose limits; the first strategy's where not given.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is stdout.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report, one page that opens without a network.")] = None,
) -> None:
    """Work parent orders by each policy from the same states of a market, and compare what they cost."""
    from tercet.backtest.markets import market as find_market
    from tercet.backtest.parents import duration, plan
    from tercet.backtest.runner import Settings

    named = _policies(policies)
    standard = _baseline(baseline, named)
    where = _with_fees(find_market(market, accept_bad_day), taker_fee, maker_fee)
    caution, heeding = _posture(posture, named)
    chosen = _gated(heeding, limits, strategy, where.instrument.symbol)
    settings = Settings(
        step_ns=duration(step),
        order_latency_ns=tuple(duration(part) for part in order_latency.split(",")),
        feed_latency_ns=tuple(duration(part) for part in feed_latency.split(",")),
        hidden_first=hidden_first,
        after_ns=tuple(duration(part) for part in after.split(",")) if after else (),
        posture=caution,
        seed=seed,
        threads=threads,
    )
    orders = plan(where, parents, size, duration(horizon), side, seed)
    result, summary = _run(where, orders, chosen, settings, standard)
    if posture == BOTH:
        summary["posture"] = _beside(result, _gated(_policies(policies), limits, strategy, where.instrument.symbol))
    summary["asked"] = {"parents": parents, "size": size, "horizon": horizon, "side": side, "seed": seed}
    if html:
        _write_page(html, result, summary, chosen)
    if json_file:
        say_json(summary, json_file)
    _show(summary)


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the report goes.")] = Path("out"),
    parents: Annotated[int, typer.Option(help="How many parent orders each policy works.")] = 400,
) -> None:
    """The main job on the embedded market: nine policies, a table, a report to open. No data, account or GPU."""
    page = out / "demo.html"
    backtest(parents=parents, json_file=out / "demo.json", html=page)
    console.print(f"Open [bold]{page}[/] in a browser.", highlight=False)


def _policies(names: str) -> list[Any]:
    from tercet.execution.learned import find_policy

    return [find_policy(name.strip()) for name in names.split(",")]


def _baseline(name: str | None, policies: list[Any]) -> str:
    """The name of the policy that the others are compared with, by its own name or its file's; BadInput where it is not in the run."""
    from tercet.execution.learned import find_policy, is_path

    known = [policy.name for policy in policies]
    found = TWAP if name is None else find_policy(name).name if is_path(name) else name.strip()
    if name is not None and found not in known:
        raise BadInput(f"baseline was {name!r}; expected one of the policies of this run: {', '.join(known)}")
    return found


def _posture(kind: str, policies: list[Any]) -> tuple[Any, list[Any]]:
    """What watches the market, and the policies that heed it; None and the policies as they are where it is off."""
    from tercet.execution.caution import POSTURES
    from tercet.execution.pacing import paced

    known = POSTURES | {BOTH: POSTURES["intraday"]}
    if kind not in known:
        raise BadInput(f"posture was {kind!r}; expected {', '.join(known)}")
    caution = known[kind]
    return caution, policies if caution is None else [one if one.posture else paced(one) for one in policies]


def _beside(on: Any, policies: list[Any]) -> list[dict[str, Any]]:
    """The same run without a posture, beside this one."""
    from tercet.backtest.postures import postures
    from tercet.backtest.runner import run

    return postures(run(on.market, on.plan, policies, dataclasses.replace(on.settings, posture=None)), on)


def _gated(policies: list[Any], limits: Path | None, strategy: str | None, symbol: str) -> list[Any]:
    if limits is None:
        if strategy is not None:
            raise BadInput(f"strategy was {strategy!r} without limits; expected both, or neither")
        return policies
    from tercet.orders.gated import gated
    from tercet.orders.limits import read

    found = read(limits)
    return [gated(policy, found, strategy or next(iter(found.strategy), ""), symbol) for policy in policies]


def _with_fees(where: Any, taker: float | None, maker: float | None) -> Any:
    fees = where.instrument.fees
    changes = {name: value for name, value in (("taker_per_lot", taker), ("maker_per_lot", maker)) if value is not None}
    instrument = msgspec.structs.replace(where.instrument, fees=msgspec.structs.replace(fees, **changes))
    return dataclasses.replace(where, instrument=instrument)


def _run(where: Any, orders: Any, chosen: list[Any], settings: Any, baseline: str) -> tuple[Any, dict[str, Any]]:
    """Run, and where there are hidden executions once more under the other setting for them."""
    from tercet.backtest.compare import summary
    from tercet.backtest.runner import run
    from tercet.market.events import HIDDEN
    from tercet.orders.gated import Gated

    variants = [settings]
    if where.events is not None and (where.events["kind"] == HIDDEN).any():
        variants.append(dataclasses.replace(settings, hidden_first=not settings.hidden_first))
    bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*bars, console=console, transient=True) as progress:
        task = progress.add_task(f"{where.name}: parents × policies", total=len(orders.parents) * len(chosen) * len(variants))
        result = run(where, orders, chosen, variants[0], lambda done: progress.advance(task, done))
        behind = [policy for policy in chosen if isinstance(policy, Gated)]
        refused, silenced = {policy.name: policy.refused for policy in behind}, [policy.name for policy in behind if policy.silenced]
        others = [run(where, orders, chosen, variant, lambda done: progress.advance(task, done)) for variant in variants[1:]]
    said = summary(result, others[0] if others else None, baseline, silenced)
    return result, said | ({"refused": refused} if behind else {})


def _write_page(path: Path, result: Any, summary: dict[str, Any], policies: list[Any]) -> None:
    from tercet.report.backtest import write

    write(path, result, summary, shlex.join(["tercet", *sys.argv[1:]]), policies)


def _postures(summary: dict[str, Any], what: str, title: str) -> Table:
    kept, rows = "" if what == "mean" else "_cvar95", []
    for row in summary["posture"]:
        values = [f"{row[f'{way}{kept}_bps']:.2f}" for way in ("off", "on")]
        inside = f"{row[f'{what}_low']:+.2f} to {row[f'{what}_high']:+.2f}"
        rows.append((row["policy"], row["side"], *values, f"{row[f'{what}_bps']:+.2f}", inside))
    return fitted(("policy", "side", f"{title} off", "on", "on less off", "95%"), rows, bad=summary["bad_day"])


def _costs(summary: dict[str, Any]) -> tuple[Table, Table]:
    """What each policy cost, and what that is made of."""
    costs, parts, bad = [], [], summary["bad_day"]
    against = {row["policy"]: row for row in summary["paired"]}
    for row in summary["policies"]:
        pair = against.get(row["policy"])
        inside = f"{row['is_low']:.2f} to {row['is_high']:.2f}" if row["n_blocks"] > 1 else "-"
        verdict = f"{pair['difference_bps']:+.2f} {pair['verdict']}" if pair else ("void" if row["void"] or bad else "")
        costs.append((row["policy"], f"{row['is_bps']:.2f}", inside, f"{row['sd_bps']:.2f}", f"{row['cvar95_bps']:.2f}", verdict))
        parts.append((row["policy"], *(f"{row[name]:.2f}" if name.endswith("bps") else f"{row[name]:.0%}" for name in PARTS)))
    heads = ("policy", "IS bps", "95% interval", "sd", "CVaR95", f"against {summary['baseline']}" if against else "")
    return fitted(heads, costs, spare=SPARE, bad=bad), fitted(("policy", *PARTS.values()), parts, spare=("passive", "in time"), bad=bad)


def _show(summary: dict[str, Any]) -> None:
    from tercet.backtest.postures import clustered

    watched = "" if summary["settings"]["posture"] == "off" else "; with the posture that each second's warning allows"
    console.print(f"[bold]{summary['market']}[/]: {summary['caveat']}{watched}", highlight=False)
    console.print(*_costs(summary))
    if "posture" in summary:
        console.print(_postures(summary, "mean", "mean IS"), _postures(summary, "cvar95", "CVaR95"))
        console.print(clustered(summary["posture"][0]), highlight=False)
    other, does = ("last", "pass us by") if summary["settings"]["hidden_first"] else ("first", "fill us first")
    shown = [f"{row['policy']} {row[key]:.2f}" for row in summary["policies"] if (key := f"is_bps_hidden_{other}") in row]
    if shown:
        console.print(f"IS bps where recorded hidden executions {does}: {', '.join(shown)}", highlight=False)
    fees = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in summary["fees"].items() if value)
    if not summary["paired"] and len(summary["policies"]) > 1:
        console.print(f"{summary['baseline']} is not among the policies: nothing is compared; --baseline names another", highlight=False)
    parents, blocks = summary["policies"][0]["parents"], summary["n_blocks"]
    console.print(f"{parents} parents in {blocks} blocks of time; fees in {summary['currency']}: {fees or 'none'}", highlight=False)
    for policy, rules in summary.get("refused", {}).items():
        if rules:
            told = ", ".join(f"{rule} {count:,}" for rule, count in rules.items())
            console.print(f"refused by the gate, {policy}: {told}", highlight=False)
    for warning in summary["warnings"]:
        console.print(f"[yellow]warning[/] {warning}", highlight=False)
