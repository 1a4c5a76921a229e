"""One parent drawn over the book: what the market did, what we did, and where we stood in the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.parents import SECOND, records
from tercet.backtest.runner import Result, Worker
from tercet.book.records import AGGRESSIVE, COMPLETION, PASSIVE
from tercet.execution.policy import Policy
from tercet.messages import Parent
from tercet.report.figures import LEGEND
from tercet.report.page import Figure, finite

POINTS: Final = 1200  # of a trace that are drawn at most
SHOWN_FIRST: Final = ("passive-then-cross", "twap-passive", "passive", "submit-and-leave"), ("twap", "vwap", "almgren-chriss", "pov")
FILLS: Final = (  # how, name, colour, symbol
    (PASSIVE, "filled passively", "--passive", "circle"),
    (AGGRESSIVE, "filled by crossing", "--aggressive", "triangle-up"),
    (COMPLETION, "completed at the end", "--completed", "x"),
)


@dataclass(frozen=True)
class Work:
    """How one policy worked one parent: its decisions (TRACE), its fills (REPORT), the arrival mid in ticks."""

    parent: Parent
    trace: NDArray[np.void]
    fills: NDArray[np.void]
    arrival: float
    tick: str  # the price of one

    @property
    def rested(self) -> bool:
        """Whether any of our orders was ever seen resting."""
        return bool((self.trace["own_tick"] != 0).any())

    @property
    def unit(self) -> float:
        """Seconds in a unit of the drawing's clock: minutes for what takes more than three."""
        return 60.0 if self.parent.end - self.parent.start > 180 * SECOND else 1.0

    @property
    def length(self) -> float:
        """From start to end in those units."""
        return (self.parent.end - self.parent.start) / SECOND / self.unit

    def since(self, times: NDArray[np.int64]) -> list[float | None]:
        """Times after the start in those units."""
        return finite((times - self.parent.start) / SECOND / self.unit)

    def prices(self, ticks: Any) -> list[float | None]:
        """Prices of ticks, with a gap where there is none."""
        return [round(float(tick) * float(self.tick), 8) if tick > 0 else None for tick in ticks]


def examples(policies: Sequence[str]) -> list[str]:
    """One policy that rests and one that follows a schedule, as far as there are such; else the first."""
    found = [next((name for name in names if name in policies), None) for names in SHOWN_FIRST]
    return [name for name in found if name is not None] or [policies[0]]


def typical(result: Result, names: Sequence[str]) -> int:
    """The place of the parent whose shortfall ranks nearest the median under all of `names` together."""
    shortfalls = result.costs["is_bps"][[result.policies.index(name) for name in names]]
    ranks = shortfalls.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return int(np.abs(ranks - (ranks.shape[1] - 1) / 2).sum(axis=0).argmin())


def works(result: Result, policies: Sequence[Policy], place: int) -> dict[str, Work]:
    """Work the parent at `place` of the plan once more by each policy, from the same state of the market as the backtest did.

    A policy that does not come to the very cost that the result holds (another under the same name) is left out.
    """
    parent, market, settings = result.plan.parents[place], result.market, result.settings
    worker = Worker(market, settings, int(result.plan.sessions[place]))
    worker.roll(parent.start)
    row, scratch = records((parent,), market)[0], worker.scratch
    done = {}
    for policy in policies:
        cost, outcome = worker.work(row, policy, settings.seed * 1_000_003 + place)
        if cost["is_bps"] != result.costs["is_bps"][result.policies.index(policy.name), place]:
            continue
        trace, fills = scratch["looks"][: int(scratch["looked"])], scratch["reports"][: int(scratch["count"])]
        arrival = 0.5 * float(outcome["arrival_mid2"])
        done[policy.name] = Work(parent, np.array(trace), np.array(fills), arrival, market.instrument.tick_size)
    return done


def drawing(work: Work) -> Figure:
    """Three panels over one clock: prices and fills; what is left beside a straight schedule; lots ahead of us in the queue."""
    thin = work.trace[:: len(work.trace) // POINTS + 1]
    data = [*book_lines(work, thin), *fill_marks(work), *inventory(work), queue(work, thin)]
    layout: Figure = {"height": 640, "legend": LEGEND, "hovermode": "closest", **panels(work, thin)}
    if not work.rested:
        note = {"text": "nothing of ours was seen resting", "showarrow": False, "font": {"color": "--soft"}}
        layout["annotations"] = [note | {"xref": "paper", "x": 0.5, "yref": "paper", "y": 0.06}]
        layout["yaxis3"] |= {"range": [0, 1], "showticklabels": False, "showgrid": False}
    return {"data": data, "layout": layout}


def panels(work: Work, thin: NDArray[np.void]) -> Figure:
    """The axes of the three panels."""
    word = "minutes" if work.unit > 1 else "seconds"
    across = {
        "title": {"text": f"{word} since arrival"},
        "anchor": "y3",
        "zeroline": False,
        "range": [-0.02 * work.length, 1.02 * work.length],
    }
    digits = max(0, -int(Decimal(work.tick).as_tuple().exponent))
    price = {"domain": [0.5, 1], "title": {"text": "price"}, "range": price_range(work, thin), "tickformat": f",.{digits}f"}
    left = {"domain": [0.21, 0.44], "title": {"text": "lots left"}, "rangemode": "tozero", "nticks": 4}
    ahead = {"domain": [0, 0.15], "title": {"text": "lots ahead"}, "rangemode": "tozero", "nticks": 3}
    uprights: dict[str, Figure] = {"yaxis": price, "yaxis2": left, "yaxis3": ahead}
    return {"xaxis": across} | {name: axis | {"zeroline": False} for name, axis in uprights.items()}


def book_lines(work: Work, thin: NDArray[np.void]) -> list[Figure]:
    """The best bid and ask with the spread shaded, the arrival mid, and the price of our resting order."""
    clock, mid = work.since(thin["time"]), work.prices([work.arrival])[0]
    bid = {"x": clock, "y": work.prices(thin["bid"]), "name": "best bid"}
    ask = {"x": clock, "y": work.prices(thin["ask"]), "name": "best ask", "fill": "tonexty", "fillcolor": "--band"}
    lines = [_steps(bid, "--bid", "bid %{y}<extra></extra>"), _steps(ask, "--ask", "ask %{y}<extra></extra>")]
    lines.append(_straight([mid, mid], "arrival mid", work, "dot"))
    if work.rested:
        own = {"x": clock, "y": work.prices(thin["own_tick"]), "name": "our resting order", "opacity": 0.75}
        marker = {"size": 4, "color": "--own"}  # a rest that was seen once is a line of no length
        lines.append(_steps(own, "--own", "ours at %{y}<extra></extra>", 4) | {"mode": "lines+markers", "marker": marker})
    return lines


def fill_marks(work: Work) -> list[Figure]:
    """Our fills: how each came about by colour and symbol, how large by size."""
    largest = max(1, int(work.fills["lots"].max(initial=1)))
    marks = []
    for how, name, ink, symbol in FILLS:
        here = work.fills[work.fills["how"] == how]
        if not len(here):
            continue
        turned = "triangle-down" if symbol == "triangle-up" and work.parent.side < 0 else symbol
        sizes = finite(8 + 6 * np.sqrt(here["lots"] / largest), 1)
        marker = {"symbol": turned, "size": sizes, "color": ink, "opacity": 1, "line": {"color": "--paper", "width": 1}}
        points = {"x": work.since(here["time"]), "y": work.prices(here["tick"]), "text": [f"{int(lots):,}" for lots in here["lots"]]}
        hover = {"hovertemplate": f"%{{text}} lots at %{{y}}, {name}<extra></extra>"}
        marks.append({"type": "scatter", "mode": "markers", "name": name, "marker": marker, **points, **hover})
    return marks


def inventory(work: Work) -> list[Figure]:
    """What is left after each fill, and the straight line that TWAP aims at."""
    lots = work.parent.lots
    left = [lots, *(lots - np.cumsum(work.fills["lots"])).tolist()]
    ours = {"x": [0.0, *work.since(work.fills["time"]), work.length], "y": [*left, left[-1]], "name": "lots left", "yaxis": "y2"}
    even = _straight([lots, 0], "TWAP schedule", work, "dash") | {"yaxis": "y2"}
    return [_steps(ours, "--ink", "%{y:,} lots left<extra></extra>"), even]


def queue(work: Work, thin: NDArray[np.void]) -> Figure:
    """Lots that stood before ours at our price, as far as we rested."""
    ahead = [int(row["ahead"]) if row["own_tick"] else None for row in thin]
    trace = {"x": work.since(thin["time"]), "y": ahead, "name": "lots ahead of us", "yaxis": "y3", "showlegend": work.rested}
    return _steps(trace, "--own", "%{y:,} lots ahead<extra></extra>")


def price_range(work: Work, thin: NDArray[np.void]) -> list[float]:
    """From the lowest to the highest price of the touch and of our fills, with a margin."""
    touch = np.concatenate([thin["bid"][thin["bid"] > 0], thin["ask"][thin["ask"] > 0], work.fills["tick"]]).astype(np.float64)
    if not len(touch):
        return [0.0, 1.0]
    margin, price = max(1.0, 0.06 * float(np.ptp(touch))), float(work.tick)
    return [(float(touch.min()) - margin) * price, (float(touch.max()) + margin) * price]


def _steps(trace: Figure, ink: str, hover: str, width: float = 1.4) -> Figure:
    line = {"color": ink, "width": width, "shape": "hv"}
    return {"type": "scatter", "mode": "lines", "line": line, "hovertemplate": hover, **trace}


def _straight(ends: Sequence[float | None], name: str, work: Work, dash: str) -> Figure:
    line = {"color": "--soft", "width": 1.2, "dash": dash}
    return {"type": "scatter", "mode": "lines", "x": [0.0, work.length], "y": list(ends), "name": name, "line": line, "hoverinfo": "skip"}
