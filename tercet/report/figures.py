"""The figures over all parents: what each policy's shortfall is made of, and how it is spread."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.compare import cvar
from tercet.report.page import Figure, finite, interval, number, safe

COMPONENTS: Final = ("spread", "walk", "timing", "completion", "fees")
COLOURS: Final = 10
SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star", "pentagon", "hexagram")
DRAWN: Final = 1000  # values of a policy that a distribution is drawn from at most
CLIP: Final = 0.005
LEGEND: Final = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left", "traceorder": "normal"}
FEW: Final = 8  # below it, points instead of a violin


def colour(place: int) -> str:
    """The colour of the policy at a place of the result, the same in every figure."""
    return f"--p{place % COLOURS}"


def names_axis(names: Sequence[str]) -> Figure:
    """A vertical axis with a policy a row, the first on top."""
    return {"type": "category", "categoryorder": "array", "categoryarray": list(names)[::-1], "showgrid": False, "ticksuffix": "  "}


def bps_axis(title: str) -> Figure:
    """A horizontal axis in basis points with its zero drawn."""
    return {"title": {"text": title}, "zeroline": True, "zerolinewidth": 1.5, "ticks": "outside"}


def decomposition(rows: Sequence[dict[str, Any]]) -> Figure:
    """Stacked bars a policy, cost to the right of 0 and gain to the left; a marker at the sum with its 95% interval."""
    names = [safe(row["policy"]) for row in rows]
    data: list[Figure] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": part,
            "y": names,
            "x": finite(row[f"{part}_bps"] for row in rows),
            "marker": {"color": f"--{part}", "line": {"color": "--paper", "width": 1}},
            "hovertemplate": f"%{{y}}<br>{part} %{{x:.3f}} bps<extra></extra>",
        }
        for part in COMPONENTS
    ]
    data += sums(rows, names)
    layout = {"barmode": "relative", "bargap": 0.42, "height": 44 * len(names) + 110, "legend": LEGEND}
    return {"data": data, "layout": {**layout, "xaxis": bps_axis("basis points of the value at arrival"), "yaxis": names_axis(names)}}


def sums(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[Figure]:
    """A marker at each mean shortfall with its interval, and a lighter edge beneath so that it is seen on any bar."""
    totals, lows, highs = ([row[key] for row in rows] for key in ("is_bps", "is_low", "is_high"))
    same: Figure = {"type": "scatter", "mode": "markers", "y": list(names), "x": finite(totals)}
    edge = {"error_x": whiskers(totals, lows, highs, "--paper") | {"thickness": 4.5, "width": 5}, "showlegend": False, "hoverinfo": "skip"}
    edge["marker"] = {"symbol": "diamond", "size": 14, "color": "--paper"}
    mark = {"name": "shortfall, 95% interval", "error_x": whiskers(totals, lows, highs, "--ink")}
    mark |= {
        "marker": {"symbol": "diamond", "size": 10, "color": "--ink"},
        "text": [interval(*ends, 3) for ends in zip(lows, highs, strict=True)],
    }
    return [same | edge, same | mark | {"hovertemplate": "%{y}<br>shortfall %{x:.3f} bps (%{text})<extra></extra>"}]


def whiskers(middles: Sequence[float], lows: Sequence[float], highs: Sequence[float], ink: str) -> Figure:
    """Error bars from intervals; none where an interval is infinite."""
    up, down = np.subtract(highs, middles), np.subtract(middles, lows)
    ends = {"array": [value or 0 for value in finite(up)], "arrayminus": [value or 0 for value in finite(down)]}
    return {"type": "data", "symmetric": False, **ends, "color": ink, "thickness": 1.6, "width": 4}


def spread_of(names: Sequence[str], shortfalls: NDArray[np.float64]) -> tuple[Figure, str]:
    """(a violin a policy over `shortfalls`, shape (policies, values), with mean and CVaR95; a sentence on what lies outside the view)."""
    names, tails = [safe(name) for name in names], [cvar(values) for values in shortfalls]
    low = float(np.quantile(shortfalls, CLIP, axis=1).min())
    high = max(float(np.quantile(shortfalls, 1 - CLIP, axis=1).max()), *tails)
    margin = 0.03 * (high - low) or 1.0
    view = (min(low, 0.0) - margin, max(high, 0.0) + margin)
    data = [violin(name, place, values) for place, (name, values) in enumerate(zip(names, shortfalls, strict=True))]
    data.append(marks("mean", names, shortfalls.mean(axis=1), "diamond"))
    data.append(marks("CVaR95, the mean of the worst 5%", names, np.array(tails), "triangle-left"))
    layout = {"height": 52 * len(names) + 100, "violingap": 0.12, "legend": LEGEND, "yaxis": names_axis(names)}
    layout["xaxis"] = bps_axis("implementation shortfall, bps") | {"range": list(view)}
    outside = int(((shortfalls < view[0]) | (shortfalls > view[1])).sum())
    return {"data": data, "layout": layout}, f"{number(outside, 0)} of {number(shortfalls.size, 0)} values lie outside the view."


def violin(name: str, place: int, values: NDArray[np.float64]) -> Figure:
    """One policy's distribution: a density with its quartiles, or the points themselves where they are few."""
    if len(values) > DRAWN:
        values = np.quantile(values, (np.arange(DRAWN) + 0.5) / DRAWN)
    same = {"x": finite(values, 3), "y": [name] * len(values), "name": name, "orientation": "h", "showlegend": False}
    same |= {"line": {"color": colour(place), "width": 1.2}, "marker": {"color": colour(place), "size": 3}, "hoveron": "points"}
    if len(values) < FEW:
        return same | {"type": "box", "boxpoints": "all", "pointpos": 0}
    shape = {"type": "violin", "spanmode": "hard", "scalemode": "width", "width": 0.86, "side": "both", "points": False}
    return same | shape | {"hoveron": "violins", "hoverinfo": "x+y", "box": {"visible": True, "width": 0.14, "fillcolor": "--paper"}}


def marks(name: str, names: Sequence[str], values: NDArray[np.float64], symbol: str) -> Figure:
    """One marker a policy on top of the violins."""
    marker = {"symbol": symbol, "size": 10, "color": "--ink", "line": {"color": "--paper", "width": 1.5}}
    same = {"type": "scatter", "mode": "markers", "name": name, "y": list(names), "x": finite(values), "marker": marker}
    return same | {"hovertemplate": f"%{{y}}<br>{name} %{{x:.3f}} bps<extra></extra>"}
