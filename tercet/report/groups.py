"""When a policy costs more: its shortfall by share of the market's volume, by hour of the day, by volatility."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.compare import Bootstrap, by_start
from tercet.backtest.runner import Result
from tercet.market.calendar import clock
from tercet.report.figures import LEGEND, SYMBOLS, colour, whiskers
from tercet.report.page import Figure, finite, interval, number, percent, rows, safe

DRAWS: Final = 2_000
WIDTH: Final = 0.72  # of a group's place, shared by its policies
Cell = tuple[float, float, float]  # mean, low, high


class Group(NamedTuple):
    """Some of the parents: what they have in common, how many they are, and a cell a policy."""

    label: str
    parents: int
    cells: list[Cell]


class Grouping(NamedTuple):
    """A way to sort parents: the tab's name, the axis's title, the groups."""

    name: str
    title: str
    groups: list[Group]


def groupings(result: Result) -> list[Grouping]:
    """The ways that a page shows."""
    shares, volatility = market_share(result), arrival_volatility(result)
    hours = np.array([int(clock(parent.start)[:2]) for parent in result.plan.parents])
    return [
        Grouping("by share of volume", "parent's lots as a share of all lots traded meanwhile", quartiles(result, shares, percent)),
        Grouping(
            "by hour of day",
            "hour in which the parent began, New York",
            by_key(result, hours, lambda hour: f"{int(hour):02d}:00–{int(hour) + 1:02d}:00"),
        ),
        Grouping("by volatility", "volatility in the minutes before arrival, bps per √minute", quartiles(result, volatility, number)),
    ]


def market_share(result: Result) -> NDArray[np.float64]:
    """Each parent's lots over those and what others traded meanwhile (the mean over the policies), shape (parents,)."""
    lots = np.array([parent.lots for parent in result.plan.parents], np.float64)
    shares: NDArray[np.float64] = lots / np.maximum(lots + result.outcomes["market_lots"].mean(axis=0), 1.0)
    return shares


def arrival_volatility(result: Result) -> NDArray[np.float64]:
    """Volatility before each parent's arrival in basis points per square root of a minute, shape (parents,)."""
    mids = np.maximum(0.5 * result.outcomes["arrival_mid2"], 1.0)
    ticks: NDArray[np.float64] = result.outcomes["arrival_tick_volatility"]
    bps: NDArray[np.float64] = (1e4 * np.sqrt(60.0) * ticks / mids).mean(axis=0)
    return bps


def quartiles(result: Result, values: NDArray[np.float64], shown: Callable[[float], str]) -> list[Group]:
    """Four groups of equal number by `values`, fewer where many are equal; the sides of one start stay together."""
    if result.plan.both_sides:
        values = np.repeat(by_start(values), 2)
    edges = np.unique(np.quantile(values, (0.25, 0.5, 0.75)))
    keys = np.searchsorted(edges, values, side="left")

    def label(key: float) -> str:
        here = values[keys == key]
        low, high = shown(float(here.min())), shown(float(here.max()))
        return low if low == high else f"{low} to {high}"

    return by_key(result, keys, label)


def by_key(result: Result, keys: NDArray[np.int64], label: Callable[[float], str]) -> list[Group]:
    """A group for each key, with every policy's mean shortfall and its block-bootstrap interval."""
    groups = []
    for key in np.unique(keys):
        here = keys == key
        bootstrap = Bootstrap(np.unique(result.plan.blocks[here], return_inverse=True)[1], result.settings.seed, DRAWS)
        shortfalls = result.costs["is_bps"][:, here]
        cells = [(float(values.mean()), *bootstrap.interval(values)) for values in shortfalls]
        groups.append(Group(label(float(key)), int(here.sum()), cells))
    return groups


def drawing(grouping: Grouping, policies: tuple[str, ...]) -> Figure:
    """A marker a policy in each group, with its 95% interval."""
    data: list[Figure] = []
    for place, name in enumerate(policies):
        cells = [group.cells[place] for group in grouping.groups]
        middles, lows, highs = (list(column) for column in zip(*cells, strict=True))
        shift = WIDTH * ((place + 0.5) / len(policies) - 0.5)
        marker = {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 9, "color": colour(place)}
        trace: dict[str, Any] = {"type": "scatter", "mode": "markers", "name": safe(name), "marker": marker}
        trace |= {
            "x": finite(np.arange(len(cells)) + shift),
            "y": finite(middles),
            "error_y": whiskers(middles, lows, highs, colour(place)),
        }
        trace["text"] = [interval(low, high) for _, low, high in cells]
        data.append(trace | {"hovertemplate": f"{safe(name)}<br>%{{y:.3f}} bps (%{{text}})<extra></extra>"})
    up = {"title": {"text": "shortfall, bps"}, "zeroline": True, "zerolinewidth": 1.5}
    shape = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": "--line"}}
    lines = [shape | {"x0": place - 0.5, "x1": place - 0.5} for place in range(1, len(grouping.groups))]
    return {"data": data, "layout": {"height": 430, "xaxis": places(grouping), "yaxis": up, "legend": LEGEND, "shapes": lines}}


def places(grouping: Grouping) -> Figure:
    """A horizontal axis with a place a group, and how many parents each holds."""
    labels = [f"{safe(group.label)}<br>n {group.parents}" for group in grouping.groups]
    ticks = {"tickvals": list(range(len(labels))), "ticktext": labels, "title": {"text": grouping.title}}
    return ticks | {"showgrid": False, "zeroline": False, "range": [-0.5, len(labels) - 0.5]}


def numbers(grouping: Grouping, policies: tuple[str, ...]) -> str:
    """The same as a table, folded away."""
    head = "".join(f'<th scope="col">{safe(name)}</th>' for name in policies)
    body = [[("", safe(group.label)), ("", str(group.parents)), *(_cell(cell) for cell in group.cells)] for group in grouping.groups]
    first = '<th scope="col">Group</th><th scope="col">Parents</th>'
    table = f'<div class="scroll"><table><thead><tr>{first}{head}</tr></thead>{rows(body)}</table></div>'
    return f"<details><summary>The same in numbers: mean shortfall in bps and its 95% interval</summary>{table}</details>"


def _cell(cell: Cell) -> tuple[str, str]:
    mean, low, high = cell
    return "", f"{number(mean)}<br><small>{interval(low, high)}</small>"
