"""The page of a league: what experts say of a task, how far that can be believed, and what trading on it would have earned."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tercet.report.figures import LEGEND, SYMBOLS, colour
from tercet.report.page import DASH, Figure, Page, facts, finite, number, percent, rows, safe
from tercet.report.words import counted

Summary = Mapping[str, Any]  # signals.directions.summary
CLASSES: Final = ("down", "flat", "up")
# Title of the group, its columns as (score, title, digits); `fit_s` and `answer_us` are no scores and stand beside them.
COLUMNS: Final = (
    ("Forecast", (("mcc", "MCC", 3), ("mcc_moved", "of moved", 3), ("log_loss", "log loss", 4), ("calibration_error", "calib. err.", 4))),
    ("Correlation", (("ic", "IC", 3), ("ic_t", "HAC t", 1))),
    ("Crossing at every forecast, {unit} a trade", (("trades", "trades", 0), ("gross", "gross", 3), ("net", "net", 3))),
    ("Only beyond the spread", (("choosy_trades", "trades", 0), ("choosy_net", "net", 3))),
    ("Cost", (("fit_s", "fit, s", 1), ("answer_us", "µs a row", 1))),
)
TERMS: Final = (
    (
        "Split by time",
        "The first half of the day is learned from alone. The second is cut into stretches; each is asked of a model that was fitted on "
        "what lay before it and on nothing else. A model that is asked about a time it knows refuses.",
    ),
    (
        "Purged",
        "Labels of the past that ended inside a stretch, or were not known when the model was fitted, are left out of its lesson. "
        "A lesson holds nothing of the stretch or of later, so that there is nothing for an embargo to keep away.",
    ),
    (
        "MCC",
        "Matthews correlation of three classes, down, flat and up (Gorodkin 2004): 0 is chance, 1 is perfect. The decision is the class "
        "whose chance is highest by the root of its share in what was taught. Of moved: the sign alone, where the mid moved.",
    ),
    ("Log loss", "Mean of −log of the chance that was given to what happened; lower is better, and the constant's is the bar."),
    ("Calibration error", "Mean distance between the chance of up that was said and how often up happened, in ten bins of as many rows."),
    (
        "IC, HAC t",
        "Correlation of the forecast with the move that followed; its t allows for labels that overlap (Newey & West 1987, lag of two "
        "horizons).",
    ),
    (
        "Gross and net",
        "One trade at a time in the direction of the forecast, held for the horizon. Gross is the move of the mid. Net pays half the "
        "spread in and half out, at the time of each: a forecast that is right most of the time can lose, and usually does. No fees, no "
        "queue, no impact.",
    ),
    ("Only beyond the spread", "The same, only where the forecast is larger than the whole spread."),
    ("Trials", "Every fit that has seen validation is a line in the ledger; the count is what a deflated Sharpe ratio has to be told."),
)


def value_of(row: Summary, key: str) -> float | None:
    """A column's value in a row of the summary."""
    found: float | None = row[key] if key in ("fit_s", "answer_us") else row["scores"].get(key)
    return found


def shown(row: Summary, key: str, digits: int) -> str:
    """A cell: the mean over seeds, with their standard deviation where there are several."""
    spread = (row["spread"] or {}).get(key)
    told = number(value_of(row, key), digits)
    return told if not spread else f"{told} ± {number(spread, digits)}"


def best(summary: Summary, key: str = "mcc") -> Summary | None:
    """The expert that stands highest; None where nobody has that score."""
    scored = [row for row in summary["experts"] if value_of(row, key) is not None]
    return max(scored, key=lambda row: value_of(row, key) or 0.0) if scored else None


def dropped(summary: Summary) -> list[str]:
    """Experts that are not in the league, and why."""
    return [f"{summary['task']}: {name} is not in the league: {why}" for name, why in summary.get("dropped", {}).items()]


def page(told: Summary, command: str = "") -> Page:
    """A page of `told`: symbol, date, horizons' leagues (summaries) under `leagues`, ledger, warnings."""
    bad = told.get("bad_day", False)
    made = Page(f"Where the mid of {told['symbol']} goes next, {told['date']}", bad=bad)
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(asked(told))}</p>')
    made.add(facts(terms(told)), warned(told["warnings"]))
    made.add(*(f'<p class="lead">{safe(verdict(league))}</p>' for league in told["leagues"] if not bad))
    made.add("<h2>The league</h2>", made.tabs([(league["task"], table(league)) for league in told["leagues"]]))
    for title, note, drawn in (
        ("Are the chances true?", "Of what was said to go up with a chance, so much went up. On the diagonal it is true.", calibration),
        ("What trading on it earns", "Summed over trades in order of time, crossing the spread at every forecast.", earned),
        ("Where the best is wrong", "Rows: what happened. Columns: what was decided. Shares of each row.", confusion),
        ("Stretch by stretch", "MCC on each stretch, fitted anew before it: an edge of one stretch is luck.", by_stretch),
    ):
        panels = [
            (league["task"], made.figure(figure, f"{title} {league['task']}")) for league in told["leagues"] if (figure := drawn(league))
        ]
        if panels:
            made.add(f"<h2>{title}</h2>", f'<p class="note">{note}</p>', made.tabs(panels))
    made.add("<h2>How to read it</h2>", facts(TERMS, "terms"))
    if command:
        made.add("<h3>Made by</h3>", f"<pre>{safe(command)}</pre>")
    return made


def asked(told: Summary) -> str:
    """What was asked, of whom and how they were kept from knowing the answer, in one paragraph."""
    league = told["leagues"][0]
    horizons = ", ".join(str(one) for one in told["asked"]["horizons"])
    stretches = counted(league["folds"], "stretch", "stretches")
    purged = ", ".join(number(one["purged"], 0) for one in told["leagues"])
    who = counted(len(league["experts"]), "expert was", "experts were")
    return (
        f"After each of {number(league['rows'], 0)} messages {who} asked where the mid would stand {horizons} messages later. The day is "
        f"split by time: {stretches} of its second half, each asked of a model that had learned what lay before it and nothing else. "
        f"Labels that reached into a stretch were purged ({purged} rows); as nothing behind it was learned from, no embargo was needed. "
        f"The ledger counts {number(told['leagues'][-1]['trials'], 0)} trials on this day."
    )


def verdict(league: Summary) -> str:
    """Who tells most at a horizon, and what is left of it after the spread."""
    first = best(league)
    if first is None:
        return f"{league['task']}: nobody told the classes apart."
    scores, unit = first["scores"], league["unit"]
    name, mcc = first["expert"], number(scores["mcc"], 3)
    if scores["net"] is None:
        return f"{league['task']}: {name} tells most (MCC {mcc}); it never traded."
    made = "earns" if scores["net"] > 0 else "loses"
    net, gross = number(abs(scores["net"]), 3), number(scores["gross"], 3)
    money = f"crossing the spread at every forecast {made} {net} {unit} a trade, from {gross} gross"
    t = "" if scores["ic_t"] is None else f", HAC t of the IC {number(scores['ic_t'], 1)}"
    return f"{league['task']}: {name} tells most (MCC {mcc}{t}); {money}."


def terms(told: Summary) -> list[tuple[str, str]]:
    """What was run, as (name, HTML)."""
    league = told["leagues"][0]
    left = "; ".join(f"{safe(reason)} {number(count, 0)}" for reason, count in league["left_out"].items())
    lessons = ", ".join(number(stretch["train"], 0) for stretch in league["stretches"])
    return [
        ("Day", safe(f"{told['symbol']}, {told['date']}")),
        ("Verdict", safe("; ".join((told.get("verdict", ""), *told.get("reasons", ()))))),
        ("Rows asked", number(league["rows"], 0)),
        ("Left out", left),
        ("Rows learned from, by stretch", lessons),
        ("Purged, by horizon", "; ".join(number(one["purged"], 0) for one in told["leagues"])),
        ("Features", number(league["features"], 0)),
        ("Seeds", ", ".join(map(str, league["seeds"]))),
        ("Trials on this day in the ledger", number(told["leagues"][-1]["trials"], 0)),
        ("Ledger", safe(told["ledger"])),
    ]


def warned(warnings: Sequence[str]) -> str:
    """What went wrong where nobody misses it; nothing where nothing did."""
    lines = "".join(f"<li>{safe(warning)}</li>" for warning in warnings)
    return f'<div class="warnings" role="note"><strong>Read this first</strong><ul>{lines}</ul></div>' if warnings else ""


def table(league: Summary) -> str:
    """A row an expert."""
    groups = [(title.format(unit=league["unit"]), columns) for title, columns in COLUMNS]
    first = "".join(f'<th class="group" scope="colgroup" colspan="{len(columns)}">{safe(title)}</th>' for title, columns in groups)
    second = "".join(
        f'<th class="{"" if place else "edge"}" scope="col">{title}</th>'
        for _, columns in groups
        for place, (_, title, _) in enumerate(columns)
    )
    body = []
    for place, row in enumerate(league["experts"]):
        cells = [("", f'<span class="swatch" style="background:var({colour(place)})"></span>{safe(row["expert"])}')]
        for _, columns in groups:
            for at, (key, _, digits) in enumerate(columns):
                kind = ("strong" if key in ("mcc", "net") else "") + ("" if at else " edge")
                cells.append((kind.strip(), shown(row, key, digits)))
        body.append(cells)
    head = f'<thead><tr><th rowspan="2" scope="col">Expert</th>{first}</tr><tr>{second}</tr></thead>'
    note = f'<p class="note">A {DASH} is a score that does not exist: one class alone was decided, or nothing was traded.</p>'
    return f'<div class="scroll"><table>{head}{rows(body)}</table></div>{note}'


def lines(league: Summary) -> list[tuple[int, str, Summary]]:
    """(place, name, first run) of each expert, for figures."""
    return [(place, safe(row["expert"]), row["runs"][0]) for place, row in enumerate(league["experts"])]


def calibration(league: Summary) -> Figure | None:
    """What was said against what happened, of the chance of up."""
    data: list[Figure] = []
    most = 0.0
    for place, name, run in lines(league):
        if curve := run["calibration"]:
            most = max(most, *curve["said"], *curve["happened"])
            marker = {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8, "color": colour(place)}
            line = {"color": colour(place), "width": 1.4}
            points = {"x": finite(curve["said"]), "y": finite(curve["happened"]), "text": [number(count, 0) for count in curve["count"]]}
            hover = f"{name}: said %{{x:.3f}}, happened %{{y:.3f}} (%{{text}} rows)<extra></extra>"
            data.append({"type": "scatter", "mode": "lines+markers", "name": name, "marker": marker, "line": line} | points)
            data[-1]["hovertemplate"] = hover
    if not data:
        return None
    most = round(min(1.0, 1.05 * most), 3)
    even = {"type": "scatter", "mode": "lines", "x": [0, most], "y": [0, most], "name": "true chances", "hoverinfo": "skip"}
    data.append(even | {"line": {"color": "--soft", "width": 1.2, "dash": "dot"}})
    across, up = (
        {"title": {"text": text}, "range": [0, most], "zeroline": False} for text in ("chance of up that was said", "share that went up")
    )
    return {"data": data, "layout": {"height": 440, "legend": LEGEND, "xaxis": across, "yaxis": up}}


def earned(league: Summary) -> Figure | None:
    """Gross and net, summed over trades."""
    data: list[Figure] = []
    for place, name, run in lines(league):
        made = run["earned"]
        for kind, dash in (("gross", "dot"), ("net", "solid")) if made["trade"] else ():
            trace = {"type": "scatter", "mode": "lines", "name": f"{name}, {kind}", "x": made["trade"], "y": finite(made[kind], 3)}
            trace["line"] = {"color": colour(place), "width": 1.8 if kind == "net" else 1.2, "dash": dash}
            data.append(trace | {"hovertemplate": f"{name}, {kind}<br>trade %{{x:,}}: %{{y:,.1f}}<extra></extra>"})
    if not data:
        return None
    up = {"title": {"text": f"{league['unit']}, summed"}, "zeroline": True, "zerolinewidth": 1.5}
    return {
        "data": data,
        "layout": {"height": 440, "legend": LEGEND, "xaxis": {"title": {"text": "trade"}, "zeroline": False}, "yaxis": up},
    }


def confusion(league: Summary) -> Figure | None:
    """Of the best expert: shares of each row, with the counts beside."""
    first = best(league)
    counts = first["runs"][0]["confusion"] if first else None
    if first is None or counts is None:
        return None
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    text = [
        [f"{percent(share, 0)}<br>{number(count, 0)}" for share, count in zip(*both, strict=True)]
        for both in zip(shares, counts, strict=True)
    ]
    cells: Figure = {"type": "heatmap", "x": list(CLASSES), "y": list(CLASSES), "z": [finite(row) for row in shares], "text": text}
    cells |= {"texttemplate": "%{text}", "colorscale": [[0, "--paper"], [1, "--p0"]], "zmin": 0, "zmax": 1, "showscale": False}
    cells["hovertemplate"] = "%{y} happened, %{x} decided: %{text}<extra></extra>"
    across = {"title": {"text": f"decided by {safe(first['expert'])}"}, "type": "category", "side": "bottom", "showgrid": False}
    down = {"title": {"text": "happened"}, "type": "category", "autorange": "reversed", "showgrid": False}
    return {"data": [cells], "layout": {"height": 380, "xaxis": across, "yaxis": down}}


def by_stretch(league: Summary) -> Figure | None:
    """MCC of each stretch."""
    data: list[Figure] = []
    for place, name, run in lines(league):
        values = finite(float("nan") if fold["scores"].get("mcc") is None else fold["scores"]["mcc"] for fold in run["folds"])
        if any(value is not None for value in values):
            marker = {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 9, "color": colour(place)}
            trace: Figure = {"type": "scatter", "mode": "lines+markers", "name": name, "x": list(range(1, len(values) + 1)), "y": values}
            trace |= {"marker": marker, "line": {"color": colour(place), "width": 1.4}}
            data.append(trace | {"hovertemplate": f"{name}, stretch %{{x}}: %{{y:.3f}}<extra></extra>"})
    if not data:
        return None
    across: Figure = {"title": {"text": "stretch, in order of time"}, "dtick": 1, "zeroline": False}
    layout: Figure = {"height": 340, "legend": LEGEND, "xaxis": across, "yaxis": {"title": {"text": "MCC"}, "zeroline": True}}
    return {"data": data, "layout": layout}
