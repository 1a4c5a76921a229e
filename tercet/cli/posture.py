"""`tercet risk posture`: how boldly to act now, and what to say when nothing can be seen."""

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tercet.cli.evaluated import Result
from tercet.cli.judging import Judging, given, series, shown, warning_days
from tercet.errors import BadInput
from tercet.report import risk as pages
from tercet.report.page import number, percent

if TYPE_CHECKING:
    import polars as pl

RISKS: Final = {
    "volatility": "volatility, percent a year",
    "shortfall": "5% shortfall, percent a day",
    "drawdown": "drawdown, share",
    "stress": "chance of a fall, of 10% where 13% a year is usual",
    "width": "width of forecasts, beyond usual",
    "late_s": "seconds late",
}


def posture_now(asked: Judging, now: int, own_drawdown: float | None) -> tuple[Result, int]:
    """The posture at `now`, ns, from the days that were known by then, and when they are stale.

    own_drawdown: the share that the desk has lost since its peak.
    """
    from tercet.risk.standing import StandingSettings, forecasts, stood
    from tercet.signals.sources import Loaded
    from tercet.signals.timed import KNOWN, Table

    loaded = series(asked)
    seen = loaded.table.frame.filter(loaded.table.frame[KNOWN] <= now)
    if not len(seen):
        raise BadInput(f"{asked.data}: no day was known by {at(now)}; expected some")
    days, cleaning = warning_days(asked, Loaded(Table.of(seen, loaded.table.keys), loaded.cleaning))
    settings, known = given(StandingSettings(), every=asked.every), int(days.market.known[-1])
    if len(days) <= settings.first:
        problem = f"{asked.data.name}: {len(days):,} days were known by {at(now)}; expected more than {settings.first:,} to learn from"
        raise BadInput(f"{problem}: a longer file, or a later --at")
    postures, risks, _ = stood(days, forecasts(days, settings, asked.tell), settings, (now - known) / 1e9, own_drawdown)
    last = msgspec.structs.replace(postures[-1], time=now)
    rows = [{"risk": said, "now": number(getattr(risks, name), 3)} for name, said in RISKS.items()]
    if risks.usual is not None:
        rows.append({"risk": "volatility that is usual here, percent a year", "now": number(risks.usual.volatility, 3)})
    told = posture_told(last, [shown("", rows)], f"the newest day was known {at(known)}{behind(seen, known)}")
    told.lines[:0] = cleaning.lines()
    told.json["cleaning"] = cleaning.as_json()
    told.json["risks"] = dataclasses.asdict(risks)
    return told, known + int(settings.posture.stale_s * 1e9)


def behind(seen: "pl.DataFrame", known: int) -> str:
    """Which columns end before the newest row does, where no whole day is as new (known: of the newest one, ns)."""
    from tercet.signals.timed import EVENT, KNOWN

    if known >= int(seen[KNOWN][-1]):
        return ""
    ends = {name: int(seen.drop_nulls(name)[KNOWN][-1]) for name in seen.columns if seen[name].is_not_null().any()}
    late = {name: time for name, time in ends.items() if name not in (EVENT, KNOWN) and time < ends[KNOWN]}
    told = ", ".join(f"{name} ends {at(time)}" for name, time in late.items()) or "later rows miss something"
    return f" (rows go on until {at(ends[KNOWN])}: {told})"


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
    return Result([*tables, shown("", caps)], [line], told, lambda command: pages.page(told, command))


def at(time: int) -> str:
    """A time, ns, to the minute."""
    return f"{datetime.fromtimestamp(int(time) // 10**9, UTC):%Y-%m-%d %H:%M} UTC"
