"""The page of intraday warnings: how many crashes each told in time, how early, and how often it was wrong."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tercet.report.figures import LEGEND, colour
from tercet.report.page import Figure, Page, facts, finite, number, safe
from tercet.report.risk import table

Summary = Mapping[str, Any]  # as the command makes it
POINTS: Final = 120  # of a curve
TERMS: Final = (
    (
        "Crash",
        "The mid falls, in time, by so many usual moves: see the caption. Onset, share and size of the seller are drawn anew each time.",
    ),
    (
        "False",
        "Share of the seconds of quiet test sessions above the threshold, which was fixed on training sessions; and alarms in an hour.",
    ),
    ("Hits", "Share of crashes in which an alarm begins after the onset and before the fall has gone that far."),
    ("Lead", "Median seconds from that alarm to then; 0 where there was none. Intervals: bootstrap over crashes, differences paired."),
    ("Fused", "Log-odds of stress: the indicators with weights of 0 or more, fitted on training sessions."),
)


def curve(name: str, after: Any, told: Any) -> dict[str, Any]:
    """Share of crashes told by so many seconds after the onset; `after` (crashes,) where `told`."""
    seconds = np.linspace(0.0, 600.0, POINTS)
    return {"name": name, "x": seconds.tolist(), "y": [float((told & (after <= one)).mean()) for one in seconds]}


def asked(told: Summary) -> str:
    """What a crash was, and how detectors were kept from knowing it."""
    crashes = told["asked"]["crashes"]
    return (
        f"{told['crashes']} crashes of {told['with_seller']} test sessions with a large seller, and "
        f"{number(told['quiet_hours'], 0)} quiet hours, none of them learned from. A crash falls "
        f"{number(told['fall_ticks'], 1)} ticks, {number(crashes['depth'], 0)} usual moves of "
        f"{number(crashes['move_s'] / 60, 0)} minutes, within {number(crashes['window_s'] / 60, 0)} minutes of its onset; the median takes "
        f"{number(told['fallen_s'], 0)} s. The ledger counts {number(told['trials'], 0)} trials."
    )


def fitted(told: Summary) -> str:
    """Weights and thresholds, as CautionSettings takes them."""
    how = told["fitted"]
    return f"fitted: weights {tuple(how['weights'])}, intercept {how['intercept']}, enters {tuple(how['enters'])}"


def page(told: Summary, command: str = "") -> Page:
    """A page of the league."""
    made = Page(f"Warnings of a crash, on {told['name']}")
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(asked(told))}</p>')
    for one in told["tables"]:
        made.add(f"<h2>{safe(one['title'])}</h2>", table(one["rows"]))
    last = f"Share of crashes told, by seconds after the onset; {told['tables'][-1]['title'].lower()}"
    made.add("<h2>How soon</h2>", made.figure(lines(told), last, safe(last)))
    made.add("<h2>How to read it</h2>", facts(TERMS, "terms"), f"<p>{safe(fitted(told))}</p>")
    return closed(made, command)


def day(told: Summary, line: str, command: str = "") -> Page:
    """A page of the alarms of a recorded day."""
    made = Page(f"Alarms on {told['name']}", bad=told.get("bad_day", False))
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(line)}</p>')
    for one in told["tables"]:
        made.add(f"<h2>{safe(one['title'])}</h2>", table(one["rows"]))
    return closed(made, command)


def closed(made: Page, command: str) -> Page:
    """The page with the command that made it."""
    if command:
        made.add("<h3>Made by</h3>", f"<pre>{safe(command)}</pre>")
    return made


def lines(told: Summary) -> Figure:
    """A line a detector."""
    data: list[Figure] = [
        {"type": "scatter", "mode": "lines", "name": safe(one["name"]), "x": finite(one["x"]), "y": finite(one["y"])}
        | {"line": {"color": colour(place), "width": 1.4}}
        for place, one in enumerate(told["curves"])
    ]
    across, up = {"title": {"text": "seconds after the onset"}}, {"title": {"text": "share of crashes told"}, "range": [0, 1]}
    return {"data": data, "layout": {"height": 420, "legend": LEGEND, "xaxis": across, "yaxis": up}}
