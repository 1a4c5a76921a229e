"""What `tercet risk evaluate` can evaluate: one function a kind of forecast, each returning a Result."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from tercet.cli.evaluated import Result, columns
from tercet.cli.output import console
from tercet.errors import BadInput
from tercet.report import risk as pages
from tercet.report.page import interval, number, percent

Tell = Callable[[str], None]
SHORT: Final = {"independence": "indep.", "Christoffersen": "Chr."}
WIDE: Final = 120  # columns of a terminal, below which these of a table are in the page and the JSON alone
SPARE: Final = (
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
    "turnover",
    "mended",
)
VIX_CLOSES: Final = "16:15"
RISKS: Final = {
    "volatility": "volatility, percent a year",
    "shortfall": "5% shortfall, percent a day",
    "drawdown": "drawdown, share",
    "stress": "chance of a fall",
    "width": "width of forecasts, beyond usual",
    "late_s": "seconds late",
}
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


def volatility(asked: Judging) -> Result:
    """Tomorrow's variance; of a stored day or a crowd, that of the mid over the next minute."""
    from tercet.cli.withinday import intraday, is_day

    if is_day(asked.data):
        return intraday(asked)
    refuse_horizon(asked)
    from tercet.risk.days import market_days
    from tercet.risk.league import VolatilitySettings, league
    from tercet.risk.volatility import FORECASTERS
    from tercet.signals.trials import Ledger

    read = market_days(series(asked))
    settings = given(VolatilitySettings(), first=first_of(read.days.known, asked.since), every=asked.every)
    chosen, ledger = picked(FORECASTERS, asked.models), Ledger()
    found = league(read.days, list(chosen.values()), settings, ledger, named("volatility", asked.data), asked.tell)
    best = found.standings[0]
    told = head("volatility", asked, ledger, found, settings, read.counts)
    told["tables"] = [{"title": "Variance a day ahead", "rows": variance_rows(found)}]
    told["curves"] = [
        curve(name, found.known, np.sqrt(252 * given)) for name, given in ((best.name, best.said), ("what happened", found.target))
    ]
    told["unit"] = "standard deviation a year, percent"
    told["standings"] = [plain(one) for one in found.standings]
    return result(told)


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


def tail(asked: Judging) -> Result:
    """Value at risk and expected shortfall."""
    refuse_horizon(asked)
    from tercet.risk.scales import long_days
    from tercet.risk.tail import MODELS
    from tercet.risk.tailleague import TailSettings, tail_league
    from tercet.signals.trials import Ledger

    days = long_days(series(asked))
    settings = given(TailSettings(), first=first_of(days.all.known, asked.since), every=asked.every)
    chosen, ledger = picked(MODELS, asked.models), Ledger()
    found = tail_league(days, list(chosen.values()), settings, ledger, named("tail", asked.data), asked.tell)
    told = head("tail", asked, ledger, found, settings, {})
    told["tables"], told["curves"], told["standings"] = [], [curve("return", found.known, found.returns)], {}
    for level, standings in found.standings.items():
        rows = [
            {
                "model": one.name,
                "FZ0": number(one.loss.estimate, 4),
                "95%": interval(one.loss.low, one.loss.high),
                "hits": percent(one.tests.hits / one.tests.count, 2),
                **{SHORT.get(name, name): number(p, 3) for name, p in one.tests.p.items()},
                "DM p": number(one.beside_best, 3),
                "set": "in" if one.included else "out",
                "tests": "passed" if one.tests.passed() else "rejected",
            }
            for one in standings
        ]
        told["tables"].append({"title": f"Value at risk and shortfall at {level:.0%}", "rows": rows})
        told["curves"].append(curve(f"{standings[0].name}, {level:.0%}", found.known, standings[0].said.var))
        told["standings"][f"{level:g}"] = [plain(one) for one in standings]
    told["unit"] = "percent a day"
    return result(told)


def covariance(asked: Judging) -> Result:
    """Covariances of many assets."""
    refuse_horizon(asked)
    from tercet.risk.assets import asset_days, prices_file
    from tercet.risk.correlation_league import FORECASTERS, CovarianceSettings, covariance_league
    from tercet.signals.trials import Ledger

    read = asset_days(prices_file(asked.data))
    settings = given(CovarianceSettings(), first=first_of(read.days.known, asked.since), every=asked.every)
    chosen, ledger = picked(FORECASTERS, asked.models), Ledger()
    found = covariance_league(read.days, list(chosen.values()), settings, ledger, named("covariance", asked.data), asked.tell)
    rows = [
        {
            "model": one.name,
            "volatility": number(one.volatility.estimate, 2),
            "95%": interval(one.volatility.low, one.volatility.high, 1),
            "bias": number(one.bias.least, 2),
            "of random": number(one.bias.random, 2),
            "of eigen": number(one.bias.eigen, 2),
            "QLIKE": number(one.qlike.estimate, 3),
            "DM p": number(one.beside_best, 3),
            "set": "in" if one.included else "out",
            "turnover": number(one.turnover, 2),
            "mended": str(one.mended),
        }
        for one in found.standings
    ]
    told = head("covariance", asked, ledger, found, settings, read.counts)
    told["tables"] = [{"title": f"Portfolios of least variance, {len(read.days.names)} assets, percent a year", "rows": rows}]
    told["curves"] = [curve(one.name, found.known, np.cumsum(one.held.returns)) for one in found.standings[:4]]
    told["unit"] = "returns summed, percent"
    told["standings"] = [plain(one) for one in found.standings]
    return result(told)


def warning(asked: Judging) -> Result:
    """Whether a fall is near."""
    from tercet.risk.warning import BETWEEN, SIMPLE, WARNINGS
    from tercet.risk.warningleague import WarningSettings, warning_league
    from tercet.signals.trials import Ledger

    refuse_horizon(asked)
    if asked.every is not None:
        raise BadInput(f"every was {asked.every}; expected none: warnings are learned anew every {BETWEEN} days")
    days, counts = warning_days(asked)
    settings = given(WarningSettings(), first=first_of(days.market.known, asked.since))
    chosen, ledger = picked(WARNINGS, asked.models), Ledger()
    found = warning_league(days, list(chosen.values()), settings, ledger, named("warning", asked.data), asked.tell)
    rows = [
        {
            "model": one.name,
            "AUC": number(one.auc.estimate, 3),
            "95%": interval(one.auc.low, one.auc.high),
            "AP": number(one.ap, 3),
            **beside("drawdown", one.beside.get(SIMPLE[0]), 3),
            **beside("volatility", one.beside.get(SIMPLE[1]), 3),
            "hits": f"{one.at_budget.hits} of {one.at_budget.falls}",
            "lead": number(one.at_budget.lead, 0),
            "hits then": f"{one.online.hits} of {one.online.falls}",
            "lead then": number(one.online.lead, 0),
            "false then": percent(one.online.false, 1),
        }
        for one in found.standings
    ]
    told = head("warning", asked, ledger, found, settings, counts)
    told["asked"]["every"] = BETWEEN
    fall = settings.fall
    told["tables"] = [{"title": f"Falls of {fall.depth:.0%} within {fall.days} days; hits at {fall.budget:.0%} false alarms", "rows": rows}]
    best = found.standings[0]
    told["curves"] = [curve("a fall is ahead", found.known, found.ahead), curve(best.name, found.known, best.said)]
    told["unit"] = "score"
    told["standings"] = [plain(one) for one in found.standings]
    return result(told)


def posture(asked: Judging) -> Result:
    """What a posture earns."""
    from tercet.risk.standing import StandingSettings, posture_league
    from tercet.signals.trials import Ledger

    refuse_horizon(asked)
    if asked.models is not None:
        raise BadInput("models were named; expected none: a posture is put beside holding, the HMM and its volatility target")
    days, counts = warning_days(asked)
    settings = given(StandingSettings(), first=first_of(days.market.known, asked.since), every=asked.every)
    ledger = Ledger()
    found = posture_league(days, settings, ledger, named("posture", asked.data), asked.tell)
    rows = [
        {
            "model": one.name,
            "Sharpe": number(one.sharpe.estimate, 3),
            "95%": interval(one.sharpe.low, one.sharpe.high),
            "drawdown": percent(one.drawdown, 1),
            "volatility": number(one.volatility, 1),
            "earned": number(one.earned, 1),
            "turnover": number(one.turnover, 1),
            **beside("holding", one.to_holding),
            **beside("HMM", one.to_regime),
            **beside("target", one.to_target),
        }
        for one in found.standings
    ]
    told = head("posture", asked, ledger, found, settings, counts)
    shares = [{"state": state, "days": percent(share, 1)} for state, share in found.states().items()]
    told["tables"] = [
        {"title": f"A year, net of {1e4 * settings.cost:g} bp a turn, logarithms of returns, percent", "rows": rows},
        {"title": f"States of the posture, {number(found.changes(), 1)} changes a year", "rows": shares},
    ]
    told["curves"] = [curve(one.name, found.known, np.cumsum(one.held.returns)) for one in found.standings]
    told["unit"] = "returns summed, percent"
    told["standings"] = [plain(one) for one in found.standings]
    return result(told)


def beside(name: str, difference: Any, digits: int = 2) -> dict[str, str]:
    """Two cells: a difference to something, and its interval; empty where it is of a thing to itself."""
    if difference is None:
        return {f"less {name}": "", f"less {name}, 95%": ""}
    return {
        f"less {name}": f"{difference.estimate:+.{digits}f}",
        f"less {name}, 95%": interval(difference.low, difference.high, digits),
    }


KINDS: Final[dict[str, Callable[[Judging], Result]]] = {
    "volatility": volatility,
    "tail": tail,
    "covariance": covariance,
    "warning": warning,
    "posture": posture,
}


# ----------------------------------------------------------------------------------------------------------------------------------------


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


def plain(standing: Any) -> dict[str, Any]:
    """A standing as plain values, without what was said of each day."""
    told = dataclasses.asdict(standing)
    return {name: value for name, value in told.items() if name not in ("said", "held")}


def spare(name: str) -> bool:
    """Whether a narrow terminal goes without this column."""
    return name in SPARE or name.endswith(", 95%")


def curve(name: str, known: Any, values: Any) -> dict[str, Any]:
    """A line of at most `pages.POINTS` points."""
    thin = np.unique(np.linspace(0, len(known) - 1, min(len(known), pages.POINTS)).astype(np.int64))
    return {"name": name, "time": known[thin].tolist(), "value": np.asarray(values)[thin].tolist()}


def result(told: dict[str, Any]) -> Result:
    """Tables, lines, JSON and the page of what was found."""
    tables = [_table(one["title"], one["rows"]) for one in told["tables"]]
    return Result(tables, [pages.asked(told)], told, lambda command: pages.page(told, command))


def _table(title: str, rows: list[dict[str, str]]) -> Any:
    first, *others = (name for name in rows[0] if console.width >= WIDE or not spare(name))
    made = columns(first, *others, title=title)
    for row in rows:
        made.add_row(*(row[name] for name in (first, *others)))
    return made


def posture_now(asked: Judging, now: int, own_drawdown: float | None) -> tuple[Result, int]:
    """The posture at `now`, ns, from the days that were known by then, and when they are stale.

    own_drawdown: the share that the desk has lost since its peak.
    """
    from tercet.risk.standing import StandingSettings, forecasts, stood
    from tercet.signals.timed import KNOWN, Table

    read = series(asked)
    seen = read.frame.filter(read.frame[KNOWN] <= now)
    if not len(seen):
        raise BadInput(f"{asked.data}: no day was known by {at(now)}; expected some")
    days, _ = warning_days(asked, Table.of(seen, read.keys))
    settings, known = given(StandingSettings(), every=asked.every), int(days.market.known[-1])
    postures, risks, _ = stood(days, forecasts(days, settings, asked.tell), settings, (now - known) / 1e9, own_drawdown)
    last = msgspec.structs.replace(postures[-1], time=now)
    rows = [{"risk": said, "now": number(getattr(risks, name), 3)} for name, said in RISKS.items()]
    told = posture_told(last, [_table("", rows)], f"the newest day was known {at(known)}")
    told.json["risks"] = dataclasses.asdict(risks)
    return told, known + int(settings.posture.stale_s * 1e9)


def blind_now(now: int, reason: str) -> tuple[Result, int]:
    """The posture of who cannot see, and no time at which that changes by itself."""
    from tercet.risk.posture import Risks, Stance

    nothing = float("nan")
    return posture_told(Stance().update(now, Risks(nothing, nothing, nothing, nothing, nothing)), [], reason), 0


def posture_told(last: Any, tables: list[Any], reason: str) -> Result:
    """A posture as tables, a line and JSON."""
    caps = [
        {"cap": name, "share": percent(getattr(last, name), 0)} for name in ("participation", "child", "passive", "gross", "net", "name")
    ]
    line = f"{last.state}, {percent(last.multiplier, 0)} of full exposure, set by {last.reason}; {reason}"
    told = {"posture": msgspec.to_builtins(last), "because": reason}
    return Result([*tables, _table("", caps)], [line], told, lambda command: pages.page(told, command))


def at(time: int) -> str:
    """A time, ns, to the minute."""
    return f"{datetime.fromtimestamp(int(time) // 10**9, UTC):%Y-%m-%d %H:%M} UTC"
