"""The page of Gu, Kelly & Xiu's simulation: how much of what can be known each family of models finds."""

from collections.abc import Mapping
from typing import Any, Final

from tercet.report.figures import LEGEND, bps_axis, colour, names_axis
from tercet.report.page import Figure, Page, facts, finite, number, percent, safe, table
from tercet.report.words import counted

Summary = Mapping[str, Any]  # signals.gkxtable.GkxTable as plain values
DESIGNS: Final = {"a": "(a) linear", "b": "(b) squares, products and signs"}
TERMS: Final = (
    (
        "The simulation",
        "Gu, Kelly & Xiu (2020), internet appendix A: 200 stocks over 180 months, 50 characteristics and as many times a slow predictor, "
        "of which three matter. Returns are mostly noise: the oracle, who knows the predictable part, explains a few percent.",
    ),
    ("Split by time", "Two thirds of the months are learned from, the last third is asked about, once."),
    ("R²", "Out of sample, against a forecast of zero: 1 − Σ(r − r̂)² / Σr²."),
    (
        "Fraction of the oracle's",
        "Mean R² over seeds by the oracle's mean R² on the same seeds, with its standard error. Below 0, nothing would have been better.",
    ),
    ("Wins", "Seeds on which no other family did better."),
)


def page(told: Summary, command: str = "") -> Page:
    """A page of the table."""
    made = Page("What can be known and who finds it: the simulation of Gu, Kelly and Xiu")
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(asked(told))}</p>')
    made.add(*(f'<p class="lead">{safe(line)}</p>' for line in verdicts(told)), "<h2>Families</h2>", families(told))
    made.add("<h2>Fractions of the oracle's R²</h2>", made.figure(fractions(told), "Fraction of the oracle's R² by family and design"))
    made.add("<h2>How to read it</h2>", facts(TERMS, "terms"))
    if command:
        made.add("<h3>Made by</h3>", f"<pre>{safe(command)}</pre>")
    return made


def asked(told: Summary) -> str:
    """What was asked, in one paragraph."""
    families_of = dict.fromkeys(row["expert"] for row in told["rows"])
    oracle = "; ".join(f"{DESIGNS[design]} {percent(sum(found) / len(found), 2)}" for design, found in told["oracle"].items())
    return (
        f"{counted(len(families_of), 'family', 'families')} of models learned two thirds of {told['rows'][0]['seeds']} made panels of each "
        f"design and were asked about the last third, all on the same panels. The oracle's own R², on average: {oracle}."
    )


def verdicts(told: Summary) -> list[str]:
    """Who finds most in each design."""
    best = {row["design"]: row for row in reversed(told["rows"])}  # the rows come best first
    return [
        f"{DESIGNS[design]}: {row['expert']} finds {percent(row['fraction'], 0)} ± {percent(row['error'], 0)} of what can be known."
        for design, row in sorted(best.items())
    ]


def families(told: Summary) -> str:
    """A row a family and design."""
    titles = ("Family", "design", "of the oracle's", "± s.e.", "R²", "wins", "seeds", "fit, s", "R² in the paper")
    cells = [
        [
            ("", safe(row["expert"])),
            ("left", DESIGNS[row["design"]]),
            ("strong", percent(row["fraction"])),
            ("soft", percent(row["error"])),
            ("", percent(row["r2"], 2)),
            ("", number(row["wins"], 0)),
            ("", number(row["seeds"], 0)),
            ("", number(row["seconds"], 1)),
            ("soft", "–" if row["paper"] is None else f"{number(row['paper'])}%"),
        ]
        for row in told["rows"]
    ]
    return table(titles, cells, left=(1,))


def fractions(told: Summary) -> Figure:
    """A bar a family and design with its standard error."""
    names = list(dict.fromkeys(safe(row["expert"]) for row in told["rows"]))
    data: list[Figure] = []
    for place, (design, title) in enumerate(DESIGNS.items()):
        rows = [row for row in told["rows"] if row["design"] == design]
        bars: Figure = {"type": "bar", "orientation": "h", "name": title, "marker": {"color": colour(place)}}
        bars |= {"y": [safe(row["expert"]) for row in rows], "x": finite(100 * row["fraction"] for row in rows)}
        bars["error_x"] = {"type": "data", "array": finite(100 * row["error"] for row in rows), "color": "--ink", "thickness": 1.4}
        data.append(bars | {"hovertemplate": f"%{{y}}, {title}: %{{x:.1f}}%<extra></extra>"})
    layout: Figure = {"barmode": "group", "height": 60 * len(names) + 110, "legend": LEGEND, "yaxis": names_axis(names)}
    return {"data": data, "layout": layout | {"xaxis": bps_axis("percent of the oracle's R²")}}
