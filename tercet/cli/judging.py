"""What every kind of `tercet risk evaluate` needs: what was asked, the days it is asked of, and the result made of what was found."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from tercet.cli.evaluated import Result
from tercet.cli.tables import fitted
from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK, midnight_ns, zone
from tercet.report import risk as pages
from tercet.report.page import interval, number
from tercet.signals.cleaning import Cleaning
from tercet.signals.sources import Loaded

if TYPE_CHECKING:
    from tercet.risk.assets import ReadAssets
    from tercet.risk.indicators import WarningDays

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
LEAST: Final = 250  # days to learn from
ASKED: Final = 20  # days to be judged by
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
    close: str | None = None  # HH:MM, when the session of data and assets closes; 16:00 if not given
    zone: str | None = None  # of that clock and of their dates; New York if not given
    vix_close: str | None = None  # 16:15 if not given
    vix_zone: str | None = None
    unit: str | None = None  # of returns and variances, see `risk.units.Units`


# The days ------------------------------------------------------------------------------------------------------------------------------


def series(asked: Judging) -> Loaded:
    """A file of one market's days as `market_days` takes them, with the VIX of another where one is named."""
    from tercet.risk.dayfiles import market_file, vix_file
    from tercet.risk.days import with_vix

    days = market_file(asked.data, asked.close, asked.zone or NEW_YORK, asked.unit)
    if asked.vix is None:
        if given := asked.vix_close or asked.vix_zone:
            raise BadInput(f"vix_close or vix_zone was {given!r} and there was no --vix; expected both or none")
        return days
    vix = vix_file(asked.vix, asked.vix_close, asked.vix_zone or NEW_YORK, asked.unit)
    return Loaded(with_vix(days.table, vix.table), days.cleaning + vix.cleaning.named("VIX"))


def prices(asked: Judging, path: Path) -> "ReadAssets":
    """Days of many assets, by the clock of the data."""
    from tercet.risk.assets import ReadAssets, asset_days
    from tercet.risk.dayfiles import price_file

    loaded = price_file(path, asked.close, asked.zone or NEW_YORK)
    read = asset_days(loaded.table)
    return ReadAssets(read.days, loaded.cleaning + read.cleaning)


def warning_days(asked: Judging, days: Loaded | None = None) -> tuple["WarningDays", Cleaning]:
    """A market's days with what lies beside them, and what reading them did; days: those of the series, where not all are wanted."""
    from tercet.risk.days import market_days
    from tercet.risk.indicators import WarningDays
    from tercet.risk.scales import unmeasured

    loaded = series(asked) if days is None else days
    read = market_days(unmeasured(loaded.table))
    if asked.assets is None:
        return WarningDays(read.days), loaded.cleaning + read.cleaning
    beside = prices(asked, asked.assets)
    return WarningDays(read.days, beside.days), loaded.cleaning + read.cleaning + beside.cleaning.named("assets")


# What was asked ------------------------------------------------------------------------------------------------------------------------


def given(settings: Kind, **changes: Any) -> Kind:
    """The settings with what was named on the command line."""
    kept = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(settings, **kept)  # type: ignore[type-var]  # every Settings is a dataclass


def refuse_horizon(asked: Judging) -> None:
    """BadInput where a horizon is named for days."""
    if asked.horizon is not None:
        raise BadInput(f"horizon was {asked.horizon!r}; expected none but for the volatility of a stored day or a crowd")


def refuse_day_options(asked: Judging) -> None:
    """BadInput where a session's close, a zone or a unit is named for a stored day or a crowd, which know their own."""
    for name in ("close", "zone", "vix_close", "vix_zone", "unit"):
        if (value := getattr(asked, name)) is not None:
            raise BadInput(f"{name} was {value!r}; expected none for a day: it is of files with a row a day")


def first_of(known: Any, asked: Judging, usual: int, least: int = LEAST) -> int:
    """How many days lie before the first one asked about; BadInput where these or those after it are too few."""
    count = len(known)
    first = usual if asked.since is None else int(np.searchsorted(known, beginning(asked.since, "since", asked.zone or NEW_YORK)))
    if least <= first <= count - ASKED:
        return first
    found = f"{asked.data.name}: it has {count:,} days, {min(first, count):,} of which lie before the first that is asked about"
    need = f"expected {least} or more before it to learn from, and {ASKED} or more after"
    enough = count >= least + ASKED
    mend = f"--since {day_told(known[-ASKED])} or an earlier date" if enough else f"a longer file: {least + ASKED} days at least"
    raise BadInput(f"{found}; {need} ({mend})")


def day_told(time: int) -> str:
    """A time, ns, as its date in UTC."""
    return f"{datetime.fromtimestamp(int(time) // 10**9, UTC):%Y-%m-%d}"


def beginning(date: str, name: str = "since", tz: str = NEW_YORK) -> int:
    """Midnight before that date in `tz`, ns."""
    try:
        day = datetime.strptime(date, "%Y-%m-%d").date()
    except ValueError as error:
        raise BadInput(f"{name} was {date!r}; expected a date such as 2004-01-06") from error
    return midnight_ns(day, zone(tz).key)


def end_of(date: str, tz: str | None) -> int:
    """The end of that date in `tz` (New York), ns."""
    after = beginning(date, "at", tz or NEW_YORK) + 36 * 3600 * 10**9  # noon of the next day, on days of 23 and 25 hours as well
    return midnight_ns(datetime.fromtimestamp(after // 10**9, zone(tz or NEW_YORK)).date(), tz or NEW_YORK)


def picked(known: Mapping[str, Kind], names: tuple[str, ...] | None) -> dict[str, Kind]:
    """Those models by name; all where none is named."""
    if names is None:
        return dict(known)
    if (wrong := [name for name in names if name not in known]) or len(set(names)) < len(names):
        raise BadInput(f"model was {wrong[0] if wrong else names!r}; expected, each once, {', '.join(known)}")
    return {name: known[name] for name in names}


# What was found ------------------------------------------------------------------------------------------------------------------------


def ask(
    kind: str, asked: Judging, league: Callable[[Any, Any, str, Tell], Any], settings: Any, cleaning: Cleaning
) -> tuple[Any, dict[str, Any]]:
    """What a league (of settings, ledger, experiment, tell) finds, its trials counted by file; and what every result says of it."""
    from tercet.signals.trials import Ledger

    ledger = Ledger()
    found = league(settings, ledger, named(kind, asked.data), asked.tell)
    return found, head(kind, asked, ledger, found, settings, cleaning)


def named(kind: str, path: Path) -> str:
    """What trials on this file are counted under."""
    return f"{kind} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def head(kind: str, asked: Judging, ledger: Any, found: Any, settings: Any, cleaning: Cleaning) -> dict[str, Any]:
    """What every result says."""
    return {
        "kind": kind,
        "file": str(asked.data),
        "name": asked.data.name,
        "days": len(found.known),
        "first": int(found.known[0]),
        "last": int(found.known[-1]),
        "left_out": cleaning.counts,
        "cleaning": cleaning.as_json(),
        "cleaned": cleaning.lines(),
        "not_asked": found.left_out,
        "trials": found.trials,
        "ledger": str(ledger.path),
        "asked": dataclasses.asdict(settings),
    }


def result(told: dict[str, Any]) -> Result:
    """Tables, lines, JSON and the page of what was found."""
    tables = [shown(one["title"], one["rows"], bad=told.get("bad_day", False)) for one in told["tables"]]
    without = [f"left out: {name}, {reason}" for name, reason in told["not_asked"].items()]
    return Result(tables, [pages.asked(told), *told["cleaned"], *without], told, lambda command: pages.page(told, command))


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
