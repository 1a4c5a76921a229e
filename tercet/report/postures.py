"""The page's part on the posture: the same parents with it and without."""

from collections.abc import Sequence
from typing import Final

from tercet.backtest.postures import clustered
from tercet.report.page import interval, number, safe, table
from tercet.report.tables import Row

TITLES: Final = ("policy", "side", "mean off", "on", "on less off", "95%", "CVaR95 off", "on", "on less off", "95%")


def beside(rows: Sequence[Row]) -> list[str]:
    """HTML of the paired differences, bps; nothing where both were not run."""
    if not rows:
        return []
    cells = []
    for row in rows:
        means = number(row["off_bps"]), number(row["on_bps"]), number(row["mean_bps"]), interval(row["mean_low"], row["mean_high"])
        tails = number(row["off_cvar95_bps"]), number(row["on_cvar95_bps"]), number(row["cvar95_bps"])
        values = (row["policy"], row["side"], *means, *tails, interval(row["cvar95_low"], row["cvar95_high"]))
        cells.append([("", safe(str(value))) for value in values])
    note = f"Shortfall in bps of the same parents with the intraday posture and without, paired: {clustered(rows[0])}."
    return ["<h2>With the posture and without</h2>", f'<p class="note">{note}</p>', table(TITLES, cells, left=(1,))]
