"""What every kind of `tercet risk evaluate` needs: what was asked, the days it is asked of, and the result made of what was found."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from tercet.cli.evaluated import Result
from tercet.cli.tables import fitted
from tercet.errors import BadInput
from tercet.report import risk as pages
from tercet.report.page import interval, number

Tell = Callable[[str], None]
CROWD: Final = "crowd:"  # what the name of an invented market begins with
SPARE: Final = (  # columns that are in the page and the JSON alone where a terminal is too narrow
    "MSE",
    "hits then",
    "lead then",
    "false then",
    "earned",
    "turnover",
    "slope",
    "MZ p",
    "happened/said",
    "indep.",
    "Z1",
    "DM p",
    "of random",
    "of eigen",
    "mended",
)
VIX_CLOSES: Final = "16:15"
Kind = TypeVar("Kind")


@dataclasses.dataclass(frozen=True)
class Judging:
    """What the command line says. None: what the kind has by itself."""

    data: Path
    vix: Path | None  # beside the data
    assets: Path | None
    models: tuple[str, ...] | None
    since: str | None  # the first day that is asked about, or of a day the time
    every: int | None
    tell: Tell
    horizon: str | None = None  # of a day
    accept_bad_day: bool = False


# The days ------------------------------------------------------------------------------------------------------------------------------


def series(asked: Judging) -> Any:
    """A file of one market's days as `market_days` takes them, with the VIX of another where one is named."""
    from tercet.risk.days import with_vix

    days = table(asked.data)
    return days if asked.vix is None else with_vix(days, table(asked.vix, VIX_CLOSES))


def table(path: Path, known_at: str | None = None) -> Any:
    """A shared daily set, or a CSV or Parquet file of a date and columns of numbers, known at the stocks' close if not given."""
    from tercet.risk.assets import CLOCK, prices_file
    from tercet.signals.sources import READERS, daily

    return daily(path).table if path.name in READERS else prices_file(path, known_at=known_at or CLOCK)


def warning_days(asked: Judging, days: Any = None) -> tuple[Any, dict[str, int]]:
    """A market's days with what lies beside them, and counts of what was left out; days: of the series, as a table, where not all."""
    from tercet.risk.assets import asset_days
    from tercet.risk.days import market_days
    from tercet.risk.indicators import WarningDays
    from tercet.risk.scales import unmeasured

    read = market_days(unmeasured(series(asked) if days is None else days))
    if asked.assets is None:
        return WarningDays(read.days), read.counts
    beside = asset_days(table(asked.assets))
    return WarningDays(read.days, beside.days), {**read.counts, **{f"assets: {name}": count for name, count in beside.counts.items()}}


# What was asked ------------------------------------------------------------------------------------------------------------------------


def given(settings: Kind, **changes: Any) -> Kind:
    """The settings with what was named on the command line."""
    kept = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(settings, **kept)  # type: ignore[type-var]  # every Settings is a dataclass


def refuse_horizon(asked: Judging) -> None:
    """BadInput where a horizon is named for days."""
    if asked.horizon is not None:
        raise BadInput(f"horizon was {asked.horizon!r}; expected none but for the volatility of a stored day or a crowd")


def first_of(known: Any, since: str | None) -> int | None:
    """How many days lie before the first one asked about."""
    if since is None:
        return None
    count = int(np.searchsorted(known, beginning(since)))
    if not 0 < count < len(known):
        raise BadInput(f"since leaves {count} days of {len(known)} to learn from; expected some before it and some after")
    return count


def beginning(date: str, name: str = "since") -> int:
    """Midnight in New York before that date, ns."""
    try:
        day = datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=ZoneInfo("America/New_York"))
    except ValueError as error:
        raise BadInput(f"{name} was {date!r}; expected a date such as 2004-01-06") from error
    return int(day.timestamp()) * 10**9


def picked(known: Mapping[str, Kind], names: tuple[str, ...] | None) -> dict[str, Kind]:
    """Those models by name; all where none is named."""
    if names is None:
        return dict(known)
    if (wrong := [name for name in names if name not in known]) or len(set(names)) < len(names):
        raise BadInput(f"model was {wrong[0] if wrong else names!r}; expected, each once, {', '.join(known)}")
    return {name: known[name] for name in names}


# What was found ------------------------------------------------------------------------------------------------------------------------


def ask(
    kind: str, asked: Judging, league: Callable[[Any, Any, str, Tell], Any], settings: Any, counts: Mapping[str, int]
) -> tuple[Any, dict[str, Any]]:
    """What a league (of settings, ledger, experiment, tell) finds, its trials counted by file; and what every result says of it."""
    from tercet.signals.trials import Ledger

    ledger = Ledger()
    found = league(settings, ledger, named(kind, asked.data), asked.tell)
    return found, head(kind, asked, ledger, found, settings, counts)


def named(kind: str, path: Path) -> str:
    """What trials on this file are counted under."""
    return f"{kind} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def head(kind: str, asked: Judging, ledger: Any, found: Any, settings: Any, counts: Mapping[str, int]) -> dict[str, Any]:
    """What every result says."""
    return {
        "kind": kind,
        "file": str(asked.data),
        "name": asked.data.name,
        "days": len(found.known),
        "first": int(found.known[0]),
        "last": int(found.known[-1]),
        "left_out": dict(counts),
        "not_asked": found.left_out,
        "trials": found.trials,
        "ledger": str(ledger.path),
        "asked": dataclasses.asdict(settings),
    }


def result(told: dict[str, Any]) -> Result:
    """Tables, lines, JSON and the page of what was found."""
    tables = [shown(one["title"], one["rows"], bad=told.get("bad_day", False)) for one in told["tables"]]
    without = [f"left out: {name}, {reason}" for name, reason in told["not_asked"].items()]
    return Result(tables, [pages.asked(told), *without], told, lambda command: pages.page(told, command))


def shown(title: str, rows: list[dict[str, str]], spare: Sequence[str] = SPARE, bad: bool = False) -> Any:
    """A table for the terminal; where it does not fit, intervals of differences go, and then columns that are spare."""
    names = list(rows[0])
    first = [name for name in names if name.endswith(", 95%")]
    return fitted(names, [list(row.values()) for row in rows], title, (*first, *spare), bad=bad)


def plain(standings: Iterable[Any]) -> list[dict[str, Any]]:
    """Standings as plain values, without what was said of each day."""
    return [{name: value for name, value in dataclasses.asdict(one).items() if name not in ("said", "held")} for one in standings]


def curve(name: str, known: Any, values: Any) -> dict[str, Any]:
    """A line of at most `pages.POINTS` points."""
    thin = np.unique(np.linspace(0, len(known) - 1, min(len(known), pages.POINTS)).astype(np.int64))
    return {"name": name, "time": known[thin].tolist(), "value": np.asarray(values)[thin].tolist()}


def variance_rows(found: Any) -> list[dict[str, str]]:
    """A row a forecaster of a league of variances."""
    return [
        {
            "model": one.name,
            "QLIKE": number(one.qlike.estimate, 4),
            "95%": interval(one.qlike.low, one.qlike.high, 3),
            "MSE": number(one.mse, 3),
            "DM p": number(one.beside_best, 3),
            "set": "in" if one.included else "out",
            "slope": number(one.unbiased.slope, 2),
            "MZ p": number(one.unbiased.p, 3),
            "happened/said": number(one.ratio, 2),
        }
        for one in found.standings
    ]
