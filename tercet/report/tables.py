"""The two tables of a backtest: what each policy cost, and how it differs from the baseline on the same parents."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercet.backtest.compare import BLOCKS_FOR_P, DRAWS
from tercet.backtest.runner import Result
from tercet.report.figures import COMPONENTS, colour
from tercet.report.page import DASH, interval, number, percent, rows, safe

Row = dict[str, Any]
Tables = Mapping[str, Any]  # compare.summary
WIDTH: Final = 240  # of a forest plot, in pixels
LEAST_P: Final = 2 / (DRAWS + 1)  # no bootstrap of so many draws gives less
HEADS: Final = (  # title of the group, its columns as (key, title, shown)
    ("Shortfall, bps", (("is_bps", "mean", number), ("", "95% interval", number))),
    ("= sum of, bps", tuple((f"{part}_bps", part, number) for part in COMPONENTS)),
    ("Risk, bps", (("sd_bps", "sd", number), ("sd_by_start_bps", "both sides", number), ("cvar95_bps", "CVaR95", number))),
    (
        "Share of the lots",
        (("completion", "in time", percent), ("passive_share", "passive", percent), ("unfilled_share", "unfilled", percent)),
    ),
    ("Against the market", (("vwap_bps", "VWAP, bps", number), ("participation", "of volume", percent))),
)


def tables_of(result: Result, tables: Tables) -> list[str]:
    """The two tables: a row a policy, and differences to the baseline."""
    swatches = {name: f'<span class="swatch" style="background:var({colour(place)})"></span>' for place, name in enumerate(result.policies)}
    parts = ["<h2>What it cost</h2>", '<p class="note">Basis points of the value at arrival; positive is a cost, fees included.</p>']
    parts.append(policy_table(tables["policies"], swatches))
    parts += hidden_note(tables["policies"])
    blocks = int(tables["policies"][0]["n_blocks"])
    if blocks < 2:
        parts.append('<p class="note">All parents lie in one block of time: there is no interval.</p>')
    parts.append("<h2>Against the baseline, on the same parents</h2>")
    if not tables["paired"]:
        return [*parts, '<p class="note">The baseline is not among the policies: nothing is compared.</p>']
    few = f" No p-value is given below {BLOCKS_FOR_P} blocks; here there are {blocks}." if blocks < BLOCKS_FOR_P else ""
    alone = f"Intervals and p are for each row alone, not corrected for {len(tables['paired'])} rows."
    note = f"A tie is a difference whose 95% interval holds 0. {alone}{few}"
    return [*parts, f'<p class="note">{note}</p>', paired_table(tables["paired"], swatches)]


def hidden_note(policies: Sequence[Row]) -> list[str]:
    """The mean shortfalls under the other setting for recorded hidden orders, where they were run."""
    for order, does in (("first", "fill us first"), ("last", "pass us by")):
        if f"is_bps_hidden_{order}" in policies[0]:
            shown = ", ".join(f"{safe(row['policy'])} {number(row[f'is_bps_hidden_{order}'])}" for row in policies)
            return [f'<p class="note">Mean shortfall, bps, where recorded hidden executions {does}: {shown}.</p>']
    return []


def policy_table(policies: Sequence[Row], swatches: Mapping[str, str]) -> str:
    """A row a policy: mean shortfall with its interval, its parts, its risk, how it was filled."""
    first = "".join(f'<th class="group" scope="colgroup" colspan="{len(columns)}">{safe(name)}</th>' for name, columns in HEADS)
    second = "".join(
        f'<th class="{"" if place else "edge"}" scope="col">{title}</th>'
        for _, columns in HEADS
        for place, (_, title, _) in enumerate(columns)
    )
    body = []
    for row in policies:
        cells = [("", swatches.get(row["policy"], "") + safe(row["policy"]))]
        for _, columns in HEADS:
            for place, (key, _, shown) in enumerate(columns):
                kind = "strong edge" if key == "is_bps" else ("edge" if not place else "")
                cells.append((kind, shown(row[key])) if key else ("soft", interval(row["is_low"], row["is_high"])))
        body.append(cells)
    head = f'<thead><tr><th rowspan="2" scope="col">Policy</th>{first}</tr><tr>{second}</tr></thead>'
    return f'<div class="scroll"><table>{head}{rows(body)}</table></div>'


def paired_table(pairs: Sequence[Row], swatches: Mapping[str, str]) -> str:
    """A row a policy: its difference to the baseline, drawn and in numbers, the verdict, and the ratio where it means something."""
    ends = [value for row in pairs for value in (row["low"], row["high"], row["difference_bps"]) if np.isfinite(value)]
    scale = (min([0.0, *ends]), max([0.0, *ends]))
    baseline = safe(pairs[0]["baseline"])
    titles = (f"less {baseline}, bps", "95% interval", "", "verdict", "p", f"ratio to {baseline}", "95% interval")
    head = "".join(f'<th class="{"left" if place in (2, 3) else ""}" scope="col">{title}</th>' for place, title in enumerate(titles))
    body = [[("", swatches.get(row["policy"], "") + safe(row["policy"])), *difference(row, scale)] for row in pairs]
    note = '<p class="note">The ratio is of mean shortfalls, given only where the interval of the baseline itself lies above 0.</p>'
    return f'<div class="scroll"><table><thead><tr><th scope="col">Policy</th>{head}</tr></thead>{rows(body)}</table></div>{note}'


def difference(row: Row, scale: tuple[float, float]) -> list[tuple[str, str]]:
    """The cells of one paired row: three digits, as the differences of like policies are small."""
    verdict, p = safe(row["verdict"]), row["p"]
    return [
        ("strong", number(row["difference_bps"], 3)),
        ("soft", interval(row["low"], row["high"], 3)),
        ("left", forest(row, scale)),
        ("left", f'<span class="verdict {verdict}">{verdict}</span>'),
        ("", DASH if p is None else ("≤ " if p <= LEAST_P else "") + number(p, 4)),
        ("", number(row["ratio"])),
        ("soft", interval(row["ratio_low"], row["ratio_high"])),
    ]


def forest(row: Row, scale: tuple[float, float]) -> str:
    """A difference and its interval on a line that all rows share, 0 marked."""
    low, high = scale
    span = (high - low) or 1.0

    def place(value: float) -> str:
        return f"{6 + (WIDTH - 12) * (min(max(value, low), high) - low) / span:.1f}"

    ink = f"var(--{row['verdict']})"
    zero = f'<line x1="{place(0)}" x2="{place(0)}" y1="0" y2="18" stroke="var(--soft)" stroke-dasharray="2 2"/>'
    line = f'<line x1="{place(row["low"])}" x2="{place(row["high"])}" y1="9" y2="9" stroke="{ink}" stroke-width="2"/>'
    dot = f'<circle cx="{place(row["difference_bps"])}" cy="9" r="4" fill="{ink}"/>'
    return f'<svg class="forest" viewBox="0 0 {WIDTH} 18" aria-hidden="true">{zero}{line}{dot}</svg>'
