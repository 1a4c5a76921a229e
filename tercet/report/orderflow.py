"""The page of order flow: how much of the mid's change the order-flow imbalance of the same seconds explains."""

from collections.abc import Mapping
from typing import Any, Final

from tercet.market.calendar import clock
from tercet.report.figures import LEGEND, SYMBOLS, colour
from tercet.report.page import Figure, Page, facts, finite, number, safe
from tercet.report.page import table as grid

Summary = Mapping[str, Any]  # as written by the command: symbol, date, window_s, rows
NAMES: Final = {
    "touch": "best level alone",
    "levels": "ten levels, each by itself",
    "integrated": "ten levels as one (first principal component)",
}
TERMS: Final = (
    (
        "Order-flow imbalance",
        "What was added to bids and taken from asks, less the reverse, in lots (Cont, Kukanov & Stoikov 2014); by level (Xu, Gould & "
        "Howison 2019); integrated (Cont, Cucuringu & Zhang 2023).",
    ),
    ("R² ahead", "Share of the variance explained with the coefficients of the window before: nothing is fitted to what is explained."),
    ("R² in its window", "With coefficients fitted to the window itself, which flatters: the mean over windows, with its standard error."),
    ("Adjusted", "That in its window, less what as many regressors would explain of nothing."),
    ("It explains, it does not forecast", "Imbalance and change are of the same seconds: nobody can trade on this number."),
)


def page(told: Summary, command: str = "") -> Page:
    """A page of what the command found."""
    made = Page(f"What order flow explains of {told['symbol']}, {told['date']}", bad=told.get("bad_day", False))
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(asked(told))}</p>', facts(terms(told)))
    made.add("<h2>R² by interval</h2>", table(told), "<h2>Window by window</h2>")
    spans = dict.fromkeys(row["seconds"] for row in told["rows"])
    made.add(
        made.tabs(
            [(f"{seconds} s", made.figure(windows(told, seconds), f"R² in its window, changes over {seconds} s")) for seconds in spans]
        )
    )
    made.add("<h2>How to read it</h2>", facts(TERMS, "terms"))
    if command:
        made.add("<h3>Made by</h3>", f"<pre>{safe(command)}</pre>")
    return made


def asked(told: Summary) -> str:
    """What was asked and what came out, in one paragraph."""
    first = max(told["rows"], key=lambda row: row["ahead"])
    own, ahead = f"{number(first['r2'], 3)} ± {number(first['error'], 3)}", number(first["ahead"], 3)
    return (
        f"In each window of {told['window_s'] // 60} minutes, changes of the mid were regressed on the order-flow imbalance of the same "
        f"seconds. Most is explained by {NAMES[first['model']]} over {first['seconds']} s: {ahead} of the variance, with coefficients of "
        f"the window before ({own} with those fitted to the window itself). This explains, it does not forecast."
    )


def terms(told: Summary) -> list[tuple[str, str]]:
    """What was run, as (name, HTML)."""
    windows_of = {row["seconds"]: row["windows"] for row in told["rows"]}
    return [
        ("Day", safe(f"{told['symbol']}, {told['date']}")),
        ("Verdict", safe("; ".join((told.get("verdict", ""), *told.get("reasons", ()))))),
        ("Windows", "; ".join(f"{seconds} s: {count}" for seconds, count in windows_of.items())),
        ("Window", f"{told['window_s'] // 60} min"),
    ]


def table(told: Summary) -> str:
    """A row an interval and model."""
    titles = ("Changes over", "model", "R² ahead", "R² in its window", "± s.e.", "adjusted", "windows")
    body = [
        [
            ("", f"{row['seconds']} s"),
            ("left", safe(NAMES[row["model"]])),
            ("strong", number(row["ahead"], 3)),
            ("", number(row["r2"], 3)),
            ("soft", number(row["error"], 3)),
            ("", number(row["adjusted"], 3)),
            ("", number(row["windows"], 0)),
        ]
        for row in told["rows"]
    ]
    return grid(titles, body, left=(1,))


def windows(told: Summary, seconds: int) -> Figure:
    """R² of each window by the clock at which it began."""
    data: list[Figure] = []
    for place, row in enumerate(row for row in told["rows"] if row["seconds"] == seconds):
        trace = {"type": "scatter", "mode": "lines+markers", "name": row["model"], "y": finite(row["by_window"])}
        trace["x"] = [clock(time, told["tz"])[:5] for time in row["began"]]
        trace |= {"marker": {"symbol": SYMBOLS[place], "size": 8, "color": colour(place)}, "line": {"color": colour(place), "width": 1.4}}
        data.append(trace | {"hovertemplate": f"{row['model']}, from %{{x}}: %{{y:.3f}}<extra></extra>"})
    across = {"title": {"text": "window from"}, "type": "category", "zeroline": False}
    return {
        "data": data,
        "layout": {
            "height": 380,
            "legend": LEGEND,
            "xaxis": across,
            "yaxis": {"title": {"text": "R² in its window"}, "rangemode": "tozero"},
        },
    }
