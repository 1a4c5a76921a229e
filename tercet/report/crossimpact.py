"""The page of several symbols' order flow: what the others' imbalances add to each one's own, for the same seconds and the next."""

from collections.abc import Mapping
from typing import Any, Final

from tercet.report import orderflow
from tercet.report.figures import LEGEND, colour
from tercet.report.page import Figure, Page, facts, finite, number, percent, safe
from tercet.report.page import table as grid

Summary = Mapping[str, Any]  # as written by the command: symbols, date, window_s, days, cross
MOVES: Final = {"same": "the same seconds", "next": "the seconds after"}
TERMS: Final = (
    (
        "Own, and with the others",
        "The change of a mid on its own integrated imbalance by least squares; what that leaves, on those of the other symbols by LASSO, "
        "its penalty chosen inside the window by splits in order of time (after Cont, Cucuringu & Zhang 2023, who penalise all).",
    ),
    ("Ahead", "R² with the levels' weights and the coefficients of the window before. Gain: what the others add there, with its error."),
    ("Chosen", "The share of windows and others in which the penalty left a coefficient; noise is chosen now and then, and gains nothing."),
    (
        "What they find",
        "With ten levels integrated, the others add nothing for the same seconds and a little for the next ones. A gain of fewer than "
        "two errors is nothing.",
    ),
)


def page(told: Summary, command: str = "") -> Page:
    """A page of what the command found."""
    made = Page(f"What order flow explains of {', '.join(told['symbols'])}, {told['date']}", bad=told.get("bad_day", False))
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(asked(told))}</p>', facts(terms(told)))
    spans = dict.fromkeys(row["seconds"] for row in told["cross"])
    made.add("<h2>What the others add</h2>", table(told))
    made.add(made.tabs([(f"{seconds} s", made.figure(gains(told, seconds), f"Gain by symbol over {seconds} s")) for seconds in spans]))
    made.add("<h2>Each by itself</h2>", made.tabs([(day["symbol"], orderflow.table(day)) for day in told["days"]]))
    made.add("<h2>How to read it</h2>", facts((*TERMS, *orderflow.TERMS), "terms"))
    if command:
        made.add("<h3>Made by</h3>", f"<pre>{safe(command)}</pre>")
    return made


def asked(told: Summary) -> str:
    """What was asked and what came out, in one paragraph."""
    said = []
    for moves, name in MOVES.items():
        rows = [row for row in told["cross"] if row["moves"] == moves]
        clear = [row for row in rows if row["error"] is not None and row["gain"] > 2 * row["error"]]
        best = max(rows, key=lambda row: row["gain"])
        most = f"most for {best['symbol']} over {best['seconds']} s, {number(best['gain'], 3)} ± {number(best['error'], 3)}"
        said.append(f"For {name} they add more than two errors in {len(clear)} of {len(rows)} cases, {most}.")
    return (
        f"In each window of {told['window_s'] // 60} minutes, changes of each mid were regressed on its own order-flow imbalance and on "
        f"those of the others; R² is judged in the window after. {' '.join(said)}"
    )


def terms(told: Summary) -> list[tuple[str, str]]:
    """What was run, as (name, HTML)."""
    windows = {row["seconds"]: row["windows"] for row in told["cross"]}
    return [
        ("Days", safe(f"{', '.join(told['symbols'])}, {told['date']}")),
        ("Windows in common", "; ".join(f"{seconds} s: {count}" for seconds, count in windows.items())),
        ("Window", f"{told['window_s'] // 60} min"),
    ]


def table(told: Summary) -> str:
    """A row a symbol, interval and whose seconds move."""
    titles = ("Symbol", "changes over", "of", "own", "with others", "own ahead", "with others ahead", "gain", "± s.e.", "chosen")
    body = [
        [
            ("", safe(row["symbol"])),
            ("", f"{row['seconds']} s"),
            ("left", MOVES[row["moves"]]),
            *(("", number(row[name], 3)) for name in ("own", "all", "own_ahead", "all_ahead")),
            ("strong", number(row["gain"], 3)),
            ("soft", number(row["error"], 3)),
            ("left", ", ".join(f"{safe(name)} {percent(share, 0)}" for name, share in row["chosen"].items())),
        ]
        for row in told["cross"]
    ]
    return grid(titles, body, left=(2, 9))


def gains(told: Summary, seconds: int) -> Figure:
    """A bar a symbol with its error: what the others add ahead."""
    data: list[Figure] = []
    for place, (moves, name) in enumerate(MOVES.items()):
        rows = [row for row in told["cross"] if row["seconds"] == seconds and row["moves"] == moves]
        trace: Figure = {"type": "bar", "name": name, "x": [safe(row["symbol"]) for row in rows], "y": finite(row["gain"] for row in rows)}
        trace["error_y"] = {"type": "data", "array": finite(row["error"] or 0.0 for row in rows), "thickness": 1.4, "width": 5}
        data.append(trace | {"marker": {"color": colour(place)}, "hovertemplate": f"%{{x}}, {name}: %{{y:.4f}}<extra></extra>"})
    across, up = {"type": "category"}, {"title": {"text": "gain in R² ahead"}, "zeroline": True, "zerolinewidth": 1.5}
    return {"data": data, "layout": {"height": 340, "barmode": "group", "legend": LEGEND, "xaxis": across, "yaxis": up}}
