"""One HTML file that needs nothing else: text, tables, and figures that Plotly draws from inside it.

Figures are Plotly's own dictionaries (`data`, `layout`); a colour is the name of a variable of page.css, such as `--ink`, so that a
page is the same in light and dark. Everything that is not written by us goes through `safe`.
"""

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from plotly.offline import get_plotlyjs

from tercet import __version__

Figure = dict[str, Any]
DASH: Final = "–"
BAD_DAY: Final = "BAD DAY, accepted: nothing here is better than anything else"  # in the title of all that is made of one
# The browser itself refuses whatever would come from elsewhere.
RULE: Final = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def safe(text: object) -> str:
    """Text from outside, as HTML shows it and never as HTML obeys it."""
    return html.escape(str(text), quote=True)


def number(value: float | None, digits: int = 2) -> str:
    """A number as people read it, `−1,234.50`; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; the digits grow until something other than 0 is seen."""
    if share is None or not math.isfinite(share):
        return DASH
    while share != 0 and digits < 4 and abs(share) < 0.5 * 10 ** -(digits + 2):
        digits += 1
    return number(100 * share, digits) + "%"


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """`−0.12 to 0.34`; a dash where there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return DASH
    return f"{number(low, digits)} to {number(high, digits)}"


def finite(values: Any, digits: int = 5) -> list[float | None]:
    """Numbers for a figure: rounded, with None (a gap) for what is not finite."""
    return [round(float(value), digits) if math.isfinite(value) else None for value in values]


def rows(cells: Sequence[Sequence[tuple[str, str]]]) -> str:
    """The body of a table: rows of (class, HTML); the first cell of a row names it."""
    lines = []
    for first, *rest in cells:
        others = "".join(f'<td class="{kind}">{inner}</td>' if kind else f"<td>{inner}</td>" for kind, inner in rest)
        lines.append(f'<tr><th scope="row">{first[1]}</th>{others}</tr>')
    return "<tbody>" + "\n".join(lines) + "</tbody>"


def table(titles: Sequence[str], cells: Sequence[Sequence[tuple[str, str]]], left: Sequence[int] = ()) -> str:
    """A table of one line of titles over rows of (class, HTML); columns are to the right but for the first and those of `left`."""
    head = "".join(f'<th class="{"left" if place in left else ""}" scope="col">{title}</th>' for place, title in enumerate(titles))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>{rows(cells)}</table></div>'


def facts(pairs: Sequence[tuple[str, str]], kind: str = "facts") -> str:
    """Names and what they are, both HTML."""
    if kind == "facts":
        return '<dl class="facts">' + "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in pairs) + "</dl>"
    return f'<dl class="{kind}">' + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in pairs) + "</dl>"


@dataclass
class Page:
    """A page as it grows: `title` is text, `parts` are HTML, `figures` are what Plotly draws. bad: of a bad day, as every table says."""

    title: str
    parts: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    groups: int = 0
    bad: bool = False

    def __post_init__(self) -> None:
        """Put what is wrong before everything."""
        if self.bad:
            self.title = f"{BAD_DAY}. {self.title}"

    def add(self, *parts: str) -> None:
        """Put HTML at the page's end."""
        self.parts += parts

    def figure(self, figure: Figure, label: str, caption: str = "") -> str:
        """The HTML of a figure; `label` is read out to those who do not see it, `caption` is HTML."""
        self.figures.append(figure)
        height = int(figure["layout"]["height"])
        what = f'data-figure="{len(self.figures) - 1}" style="height:{height}px" role="img" aria-label="{safe(label)}"'
        return f'<figure><div class="plot" {what}></div><figcaption>{caption}</figcaption></figure>'

    def tabs(self, panels: Sequence[tuple[str, str]], chosen: int = 0) -> str:
        """One of several pieces of HTML at a time, each behind a button with its name."""
        if len(panels) == 1:
            return panels[0][1]
        self.groups += 1
        buttons, bodies = [], []
        for place, (name, inner) in enumerate(panels):
            key, here = f"panel-{self.groups}-{place}", place == chosen
            selected = f'aria-selected="{str(here).lower()}" tabindex="{0 if here else -1}"'
            buttons.append(f'<button type="button" role="tab" aria-controls="{key}" {selected}>{safe(name)}</button>')
            bodies.append(f'<div role="tabpanel" id="{key}"{"" if here else " hidden"}>{inner}</div>')
        return f'<div class="tabs" role="tablist">{"".join(buttons)}</div>{"".join(bodies)}'

    def html(self) -> str:
        """The whole document."""
        caption = f"<table><caption>{BAD_DAY}</caption>" if self.bad else "<table>"
        body = "\n".join(self.parts).replace("<table>", caption)
        data = json.dumps(self.figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{RULE}">
<title>{safe(self.title)}</title>
<style>
{resource("page.css")}</style>
</head>
<body>
<main>
{body}
<footer>Tercet {safe(__version__)}. This file holds everything it shows: it loads nothing and sends nothing.</footer>
</main>
<noscript><p>The figures need JavaScript; the tables do not.</p></noscript>
<script type="application/json" id="figures">{data}</script>
<script>{get_plotlyjs()}</script>
<script>
{resource("page.js")}</script>
</body>
</html>
"""


def resource(name: str) -> str:
    """The text of a file that lies beside this one."""
    return files("tercet.report").joinpath(name).read_text(encoding="utf-8")
