"""The page of a risk league: models of what may go wrong, each told the evening before, beside what happened."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tercet.report.figures import LEGEND, colour
from tercet.report.page import Figure, Page, facts, finite, number, safe
from tercet.report.page import table as grid
from tercet.report.words import counted

Summary = Mapping[str, Any]  # as the command makes it: kind, name, days, tables, curves
POINTS: Final = 1500  # of a curve
TITLES: Final = {
    "volatility": "Tomorrow's variance",
    "intraday": "The mid's variance within a day",
    "tail": "Value at risk and expected shortfall",
    "covariance": "Covariances a day ahead",
    "warning": "Warnings of falls",
    "posture": "A posture held",
}
_VARIANCE: Final = (
    ("QLIKE", "y/h − log(y/h) − 1, its mean: ranks forecasts by a noisy proxy as the truth would (Patton 2011). 0 at best."),
    ("DM p", "Diebold and Mariano's test against the best, with HAC variance."),
    (
        "In the set",
        "Whether the 90% model confidence set (Hansen, Lunde & Nason 2011) holds it: who is not is worse than the best.",
    ),
    ("Slope, MZ p", "Of what happened on what was said; p of intercept 0 and slope 1 together (Mincer & Zarnowitz 1969)."),
)
TERMS: Final = {
    "volatility": _VARIANCE,
    "intraday": (
        (
            "What is forecast",
            "Squared returns of the mid over 5 seconds, one begun every second, summed over the window's length: a quote that flickers "
            "counts little (Zhang, Mykland & Aït-Sahalia 2005). A window without a move has the variance of rounding to half ticks.",
        ),
        (
            "har",
            "Means over 10 seconds, 1, 5 and 30 minutes beside one over 2 hours, in logarithms. Its weights: those it came with and those "
            "learned today, mixed by how each has done (fixed: the first alone; today: with nothing to come with). 5min and 2h: one mean "
            "alone. season: times the season of the day.",
        ),
        ("ewma", "An exponential mean of the same squared returns."),
        ("flow", "One of squared moves of the mid, tick by tick, made right on average over the 30 windows before."),
        *_VARIANCE,
    ),
    "tail": (
        ("FZ0", "The loss that value at risk and shortfall together make least (Patton, Ziegel & Chen 2019). Lower is better."),
        (
            "Kupiec, independence, Christoffersen",
            "Whether hits are as many as promised, come one by one as chance has it, and both (Kupiec 1995, Christoffersen 1998).",
        ),
        ("DQ", "Whether hits can be told from those before them and from the value at risk (Engle & Manganelli 2004)."),
        ("Z1, Z2", "Whether losses beyond are as large as promised (Acerbi & Székely 2014), by simulation."),
        ("Tests", "Passed: no p is .05 or less. Of so many models and tests some are rejected by chance."),
        (
            "mean of evt",
            "The default: the mean of the models whose series are there, which says more after hits and less after none (plain: without). "
            "It passes on the S&P 500 with its VIX and ranges; of index closes alone no model here passes every test on every index at 5%.",
        ),
    ),
    "covariance": (
        ("Volatility", "Realised, of the portfolio of least variance that the matrices make, percent a year."),
        ("Bias", "Standard deviation of returns divided by what was said of them: 1 at best, of that portfolio, of random and eigen ones."),
        ("DM p, set", "Of squared returns, against the best; the 90% model confidence set."),
    ),
    "warning": (
        ("AUC", "The chance that a day with a fall ahead has the greater score of two days; its interval by blocks of a year."),
        ("AP", "Average precision: share of days with a fall ahead among those with greater scores, averaged over them."),
        ("Less …", "The AUC less that of drawdown alone and of volatility alone, on the same days drawn anew."),
        ("Hits, lead", "Falls with an alarm while they were ahead, and days from the first one until their depth was reached, median."),
        ("Then", "By the threshold that could be known at the time; hits and lead by one that looks back and is the same for all models."),
    ),
    "posture": (
        ("Sharpe", "A year, of logarithms of net returns, nothing taken off for cash; stationary bootstrap."),
        ("Drawdown", "The deepest."),
        ("Less …", "The Sharpe ratio less that of holding the market, and of the filtered HMM alone; rows drawn in pairs."),
        (
            "States",
            "Told from risks over what is usual of this market (medians of the four years before): CAUTIOUS from 1.75 times the usual "
            "volatility on, DEFENSIVE from 3.1 times. The exposure aims at 8% a year in every market.",
        ),
    ),
}


def page(told: Summary, command: str = "") -> Page:
    """A page of what the command found."""
    made = Page(f"{TITLES[told['kind']]}, by {told['name']}", bad=told.get("bad_day", False))
    made.add(f"<h1>{safe(made.title)}</h1>", f'<p class="caveat">{safe(asked(told))}</p>', facts(terms(told)))
    for one in told["tables"]:
        made.add(f"<h2>{safe(one['title'])}</h2>", table(one["rows"]))
    step = "Window by window" if told["kind"] == "intraday" else "Day by day"
    made.add(f"<h2>{step}</h2>", made.figure(lines(told), f"{told['unit']}, {step.lower()}"))
    made.add("<h2>How to read it</h2>", facts(TERMS[told["kind"]], "terms"))
    if command:
        made.add("<h3>Made by</h3>", f"<pre>{safe(command)}</pre>")
    return made


def asked(told: Summary) -> str:
    """What was asked, of whom, and how they were kept from knowing the answer."""
    models = counted(len(told["tables"][0]["rows"]), "model was", "models were")
    if told["kind"] == "intraday":
        return (
            f"{models} asked at the beginning of each of {number(told['windows'], 0)} windows of {told['asked']['horizon_s']} s "
            f"({told['from']} to {told['to']}), from what was known by then. {told['caveat']} "
            f"The ledger counts {number(told['trials'], 0)} trials on this day."
        )
    return (
        f"{models} asked the evening before each of {number(told['days'], 0)} days ({date(told['first'])} to {date(told['last'])}), having "
        f"learned from the days before and nothing else, and anew every {told['asked']['every']} days. The ledger counts "
        f"{number(told['trials'], 0)} trials on this file."
    )


def terms(told: Summary) -> list[tuple[str, str]]:
    """What was run, as (name, HTML)."""
    cleaned = "<br>".join(map(safe, told["cleaned"]))
    without = "; ".join(f"{safe(name)}: {safe(reason)}" for name, reason in told["not_asked"].items())
    return [
        ("File", safe(told["name"])),
        ("What reading it did", cleaned or "nothing"),
        ("Models not asked", without or "none"),
        *((name, safe(text)) for name, text in told.get("facts", {}).items()),
        ("Ledger", safe(told["ledger"])),
    ]


def table(rows: list[dict[str, str]]) -> str:
    """A row a model."""
    return grid(tuple(map(safe, rows[0])), [[("", safe(value)) for value in row.values()] for row in rows])


def lines(told: Summary) -> Figure:
    """A line a curve, over dates."""
    data: list[Figure] = []
    for place, one in enumerate(told["curves"]):
        trace: Figure = {
            "type": "scatter",
            "mode": "lines",
            "name": safe(one["name"]),
            "x": [told_time(time, told) for time in one["time"]],
        }
        data.append(trace | {"y": finite(one["value"]), "line": {"color": colour(place), "width": 1.2}})
    up = {"title": {"text": safe(told["unit"])}, "zeroline": True}
    return {"data": data, "layout": {"height": 420, "legend": LEGEND, "xaxis": {"zeroline": False}, "yaxis": up}}


def told_time(time: int, told: Summary) -> str:
    """A day, or within a day the wall clock of its zone."""
    if told["kind"] != "intraday":
        return date(time)
    return f"{datetime.fromtimestamp(time // 10**9, ZoneInfo(told['tz'])):%Y-%m-%d %H:%M:%S}"


def date(time: int) -> str:
    """The day of ns since the epoch, UTC."""
    return str(datetime.fromtimestamp(time // 10**9, UTC).date())
