"""The page of a daily cross-section: what portfolios of a forecast made, and whether that is to be believed."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tercet.report.figures import LEGEND, colour
from tercet.report.league import warned
from tercet.report.page import DASH, Figure, Page, facts, finite, number, percent, safe, table
from tercet.report.words import counted
from tercet.signals.crosssection import LEAST_PERIODS, NOT_JUDGED, PASSED

WITH: Final = {"": "", "uncut_": " with returns uncut", "mended_": " without the symbols that jump"}
Summary = Mapping[str, Any]  # as the command makes it: file, leagues (league, portfolios, overfitting)
TERMS: Final = (
    (
        "Portfolio",
        "At each date half a unit is long the tenth of stocks with the highest forecast and half a unit short the lowest tenth, from the "
        "next open on. Gross and net are of one period; net pays half the spread on all that is traded.",
    ),
    ("Sharpe", "Of net returns, a year. Not yet a reason to believe anything."),
    (
        "PSR",
        "Probabilistic Sharpe ratio (Bailey & López de Prado 2012): the chance that the true ratio is above 0, were this the only trial.",
    ),
    (
        "DSR",
        "Deflated Sharpe ratio (Bailey & López de Prado 2014): the same against the best ratio that as many trials without any skill would "
        "have shown, which stands beside it. The trials are those of the ledger. The gate asks for 95%.",
    ),
    (
        "Uncut",
        "The same of what was really earned. The greatest returns (how many, under Left out) are cut in what is learned and in all other "
        "columns: a split that nobody adjusted looks like one of them, and alone would decide. The gate asks for 95% of both DSRs.",
    ),
    ("PBO", "Probability of backtest overfitting: how often the best in one half of history is below the median in the other."),
    ("Rank IC, HAC t", "Mean over dates of the rank correlation of forecast and return over stocks; t by Newey & West."),
    (
        "No jumps",
        "The lower DSR, cut or uncut, of portfolios of the same forecasts without the symbols whose prices jump and come back within days: "
        "who bets against a wrong print is always right. The gate asks for 95% of it too.",
    ),
    (
        "Survivors",
        "Where a file holds only stocks that lived, every number here is too good: the dead are missing. The gate passes nothing there, "
        "but for a planted control; what it does not reject is not judged.",
    ),
)


def page(told: Summary, command: str = "") -> Page:
    """A page of what the command found."""
    made = Page(f"Which stocks do better, by {told['name']}")
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(asked(told))}</p>')
    made.add(facts(terms(told)), warned(told["warnings"]))
    made.add(*(f'<p class="lead">{safe(verdict(one))}</p>' for one in told["leagues"]))
    made.add("<h2>Portfolios</h2>", made.tabs([(one["league"]["task"], portfolios(one)) for one in told["leagues"]]))
    drawn = [(one["league"]["task"], made.figure(summed(one), f"Net returns summed, {one['league']['task']}")) for one in told["leagues"]]
    made.add("<h2>What they made</h2>", '<p class="note">Net returns, summed over periods.</p>', made.tabs(drawn))
    made.add("<h2>How to read it</h2>", facts(TERMS, "terms"))
    if command:
        made.add("<h3>Made by</h3>", f"<pre>{safe(command)}</pre>")
    return made


def asked(told: Summary) -> str:
    """What was asked, of whom, and how they were kept from knowing the answer."""
    league = told["leagues"][0]["league"]
    who = counted(len(league["experts"]), "expert was", "experts were")
    days = " and ".join(str(one) for one in told["asked"]["horizons"])
    stretches = counted(league["folds"], "stretch", "stretches")
    return (
        f"Every {days} trading days, {who} asked which of a date's stocks would do better than the others from the next open on. History "
        f"is split by time: {stretches} of its second half, each asked of a model that had learned what lay before it and nothing else; "
        f"{number(league['purged'], 0)} rows whose labels reached into a stretch were purged. The ledger counts "
        f"{number(league['trials'], 0)} trials of this experiment, and the deflated Sharpe ratio is told so."
    )


def verdict(one: Summary) -> str:
    """Whether anything passes the gate."""
    task, found = one["league"]["task"], one["portfolios"]
    if not found:
        return f"{task}: nobody told stocks apart."
    passed, open_ = ([row["expert"] for row in found if row["gate"] == gate] for gate in (PASSED, NOT_JUDGED))
    best = max(found, key=lambda row: (min(row[f"{kind}dsr"] for kind in kinds(row)), row["sharpe"]))
    kind = min(kinds(best), key=lambda one: best[f"{one}dsr"])
    words = WITH[kind]
    lower = f"Sharpe {number(best[f'{kind}sharpe'])} a year and DSR {percent(best[f'{kind}dsr'])}{words}"
    told = f"{lower}, rank IC t {number(best['ic']['t'], 1)}"
    if open_:
        return f"{task}: not judged: {', '.join(open_)} would pass, but {best['unjudged']}; the best is {best['expert']} ({told})."
    if passed:
        return f"{task}: {', '.join(passed)} passed the gate; the best is {best['expert']} ({told})."
    return f"{task}: the gate rejects all of them. The best, {best['expert']}, has {told}: no edge that is to be believed."


def kinds(row: Summary) -> list[str]:
    """Which of its Sharpe ratios a portfolio has, by what their names begin with."""
    return [kind for kind in WITH if row[f"{kind}dsr"] is not None]


def overfitting(one: Summary) -> str:
    """The probability, or what it would take."""
    if one["overfitting"] is not None:
        return percent(one["overfitting"])
    return f"{DASH} (it takes two experts that tell stocks apart, and {LEAST_PERIODS} periods)"


def terms(told: Summary) -> list[tuple[str, str]]:
    """What was run, as (name, HTML)."""
    league = told["leagues"][0]["league"]
    left = "; ".join(f"{safe(reason)} {number(count, 0)}" for reason, count in league["left_out"].items())
    cleaned = "; ".join(safe(line) for line in told["cleaned"])
    halves = "; ".join(f"{safe(one['league']['task'])}: {overfitting(one)}" for one in told["leagues"])
    return [
        ("File", safe(told["name"])),
        ("Rows asked", number(league["rows"], 0)),
        ("Left out", left or "none"),
        ("Cleaning of the file", cleaned or "nothing was to be done"),
        ("Features", number(league["features"], 0)),
        ("Rows learned from, by stretch", ", ".join(number(stretch["train"], 0) for stretch in league["stretches"])),
        ("PBO", halves),
        ("Ledger", safe(told["ledger"])),
    ]


def portfolios(one: Summary) -> str:
    """A row an expert."""
    titles = (
        "Expert",
        "periods",
        "gross, bps",
        "net, bps",
        "traded",
        "Sharpe",
        "PSR",
        "best of noise",
        "DSR",
        "uncut: Sharpe",
        "DSR",
        "no jumps: DSR",
        "gate",
        "rank IC",
        "HAC t",
        "R²",
    )
    r2 = {row["expert"]: row["scores"].get("r2") for row in one["league"]["experts"]}
    cells = [
        [
            ("", f'<span class="swatch" style="background:var({colour(place)})"></span>{safe(row["expert"])}'),
            ("", number(len(row["returns"]), 0)),
            ("", number(1e4 * row["gross"])),
            ("strong", number(1e4 * row["net"])),
            ("", percent(row["turnover"], 0)),
            ("", number(row["sharpe"])),
            ("", percent(row["psr"])),
            ("soft", number(row["expected_maximum"])),
            ("strong", percent(row["dsr"])),
            ("", number(row["uncut_sharpe"])),
            ("strong", percent(row["uncut_dsr"])),
            ("strong", percent(row["mended_dsr"])),
            ("", row["gate"]),
            ("", number(row["ic"]["mean"], 4)),
            ("", number(row["ic"]["t"], 1)),
            ("", percent(r2[row["expert"]], 2)),
        ]
        for place, row in enumerate(one["portfolios"])
    ]
    return table(titles, cells)


def summed(one: Summary) -> Figure:
    """Net returns of each expert's portfolio, summed."""
    data: list[Figure] = []
    for place, row in enumerate(one["portfolios"]):
        made = finite(100 * np.cumsum(row["returns"]), 4)
        trace: Figure = {"type": "scatter", "mode": "lines", "name": safe(row["expert"]), "x": list(range(1, len(made) + 1)), "y": made}
        trace["line"] = {"color": colour(place), "width": 1.6}
        data.append(trace | {"hovertemplate": f"{safe(row['expert'])}, period %{{x}}: %{{y:.2f}}%<extra></extra>"})
    up = {"title": {"text": "percent, summed"}, "zeroline": True, "zerolinewidth": 1.5}
    across = {"title": {"text": "period"}, "zeroline": False}
    return {"data": data, "layout": {"height": 420, "legend": LEGEND, "xaxis": across, "yaxis": up}}
