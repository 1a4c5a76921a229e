"""The page of one backtest: what was done, what it cost, how sure that is, and how one order was worked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tercet.backtest.compare import DRAWS, by_start
from tercet.backtest.runner import Result
from tercet.execution.policy import Policy
from tercet.execution.schedules import POLICIES, by_name
from tercet.market.calendar import clock
from tercet.market.events import BUY
from tercet.report import groups, parent, words
from tercet.report.figures import decomposition, spread_of
from tercet.report.files import write_whole
from tercet.report.page import Page, facts, number, safe
from tercet.report.postures import beside
from tercet.report.tables import Row, Tables, tables_of


def write(path: Path, result: Result, summary: Tables, command: str = "", policies: Sequence[Policy] | None = None) -> None:
    """Write a backtest as one HTML file; raises BadInput where it cannot be written.

    summary: `compare.summary(result)`; what was `asked` may stand in it. command: what was typed, printed as it is.
    policies: the result's, to work one parent once more and draw it; the shipped ones among them where not given.
    """
    if policies is None:
        policies = [by_name(name) for name in result.policies if name in POLICIES]
    market = result.market
    page = Page(f"Backtest of {words.counted(len(result.policies), 'policy', 'policies')} on {market.name}", bad=market.bad)
    page.add(f"<h1>{safe(page.title)}</h1>", f'<p class="caveat">{safe(market.caveat[:1].upper() + market.caveat[1:])}</p>')
    page.add(facts(terms(result, summary)), warned(summary["warnings"]), lead(summary["paired"]))
    page.add(*tables_of(result, summary), *beside(summary.get("posture", ())))
    page.add(*distributions(page, result), *made_of(page, summary["policies"]))
    page.add(*one_parent(page, result, policies), *by_group(page, result), *words.how_to_read(command))
    write_whole(path, page.html())


def terms(result: Result, summary: Tables) -> list[tuple[str, str]]:
    """What was run, as (name, HTML)."""
    plan, market, chosen = result.plan, result.market, result.settings
    lots = np.array([order.lots for order in plan.parents])
    buys = sum(order.side == BUY for order in plan.parents)
    sides = f"{buys} buys, {len(lots) - buys} sells" + (", both sides of every start" if plan.both_sides else "")
    asked = summary.get("asked", {}).get("size", "")
    horizons = " or ".join(words.duration(length) for length in sorted({order.end - order.start for order in plan.parents}))
    zone = market.tz.rpartition("/")[2].replace("_", " ")
    instrument, sessions = market.instrument, words.counted(len(set(plan.sessions.tolist())), "session")
    return [
        ("Parents", f"{number(len(lots), 0)}: {sides}"),
        ("Size", (f"{safe(asked)}: " if "%" in asked else "") + words.span_of_lots(lots)),
        ("Horizon", f"{horizons}, a decision every {words.duration(chosen.step_ns)}"),
        ("Session", f"{clock(market.open_ns, market.tz)[:8]} to {clock(market.close_ns, market.tz)[:8]} {zone}, {sessions}"),
        ("Instrument", safe(f"{instrument.symbol}, tick {instrument.tick_size} {instrument.currency}, lot {instrument.lot_size}")),
        ("Fees", safe(words.charged(instrument.fees, instrument.currency))),
        ("Latency", f"orders {words.latency(chosen.order_latency_ns)}, feed {words.latency(chosen.feed_latency_ns)}"),
        ("Hidden executions", "fill our displayed orders first" if chosen.hidden_first else "fill others before us"),
        ("Expected volume", f"{number(market.expected_day_lots, 0)} lots a day ({safe(market.volume_source)})"),
        ("Volume curve", safe(market.curve.provenance)),
        ("Intervals", f"{summary['n_blocks']} blocks of time, resampled {number(DRAWS, 0)} times"),
        ("Seed", str(chosen.seed)),
        *([] if chosen.posture is None else [("Posture", "intraday: what each second's warning allows binds every child")]),
    ]


def warned(warnings: Sequence[str]) -> str:
    """The result's warnings where nobody misses them; nothing where there are none."""
    if not warnings:
        return ""
    lines = "".join(f"<li>{safe(warning[:1].upper() + warning[1:])}</li>" for warning in warnings)
    return f'<div class="warnings" role="note"><strong>Read this first</strong><ul>{lines}</ul></div>'


def lead(pairs: Sequence[Row]) -> str:
    """The verdicts in one line."""
    said = []
    for verdict in ("better", "tie", "worse", "void"):
        names = [safe(row["policy"]) for row in pairs if row["verdict"] == verdict]
        if names:
            said.append(f'<span class="verdict {verdict}">{verdict}</span> {", ".join(names)}')
    return f'<p class="lead">Against {safe(pairs[0]["baseline"])} on the same parents: {"; ".join(said)}.</p>' if said else ""


def distributions(page: Page, result: Result) -> list[str]:
    """How shortfalls are spread: both sides averaged where both were traded, and all parents."""
    shortfalls = result.costs["is_bps"]
    kinds = [("all parents", shortfalls)]
    if result.plan.both_sides:
        kinds.insert(0, ("mean of both sides of each start", by_start(shortfalls)))
    panels = []
    for name, values in kinds:
        figure, outside = spread_of(result.policies, values)
        panels.append((name, page.figure(figure, f"Distribution of shortfall by policy, {name}", outside)))
    why = "Averaging the buy and the sell of one start removes the market's own drift, which no policy earns." if len(kinds) > 1 else ""
    return ["<h2>How the shortfall is spread</h2>", f'<p class="note">{why}</p>' if why else "", page.tabs(panels)]


def made_of(page: Page, policies: Sequence[Row]) -> list[str]:
    """What the mean shortfall is made of."""
    figure = page.figure(decomposition(policies), "Mean shortfall by policy, stacked from spread, walk, timing, completion and fees")
    return [
        "<h2>What it is made of</h2>",
        '<p class="note">Costs to the right of 0, gains to the left; their sum is the shortfall.</p>',
        figure,
    ]


def one_parent(page: Page, result: Result, policies: Sequence[Policy]) -> list[str]:
    """One typical parent, worked once more by every policy and drawn over the book."""
    chosen = parent.examples(result.policies)
    place = parent.typical(result, chosen)
    order, panels = result.plan.parents[place], []
    for name, work in parent.works(result, policies, place).items():
        caption = words.sum_of(result.costs[result.policies.index(name)][place])
        panels.append((name, page.figure(parent.drawing(work), f"One parent worked by {name}", caption)))
    if not panels:
        return []
    way = f"{'A buy' if order.side == BUY else 'A sell'} of {number(order.lots, 0)} lots"
    begun = f"from {clock(order.start, result.market.tz)[:8]} over {words.duration(order.end - order.start)}"
    what = f"{way} {begun}, typical of all: its shortfall ranks nearest "
    seen = "Prices and the queue are as each decision saw them; fills are where and when they happened."
    first = next((place for place, (name, _) in enumerate(panels) if name == chosen[0]), 0)
    note = f"{what} the median under {safe(' and '.join(chosen))}. {seen}"
    return ["<h2>One order over the book</h2>", f'<p class="note">{note}</p>', page.tabs(panels, first)]


def by_group(page: Page, result: Result) -> list[str]:
    """When it costs more."""
    panels = []
    for grouping in groups.groupings(result):
        figure = page.figure(groups.drawing(grouping, result.policies), f"Mean shortfall {grouping.name}")
        panels.append((grouping.name, figure + groups.numbers(grouping, result.policies)))
    note = "Mean shortfall of each policy in groups of parents, with 95% intervals; n is the number of parents."
    return ["<h2>When it costs more</h2>", f'<p class="note">{note}</p>', page.tabs(panels)]
