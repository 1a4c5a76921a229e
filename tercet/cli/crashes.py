"""`tercet risk evaluate warning`: warnings of a crash judged on invented crashes, or their alarms on a recorded day."""

import dataclasses
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercet.cli.evaluated import Result
from tercet.cli.judging import CROWD, Judging, given, refuse_day_options, shown
from tercet.errors import BadInput
from tercet.market.sidecar import SIDECAR
from tercet.report import crashes as pages
from tercet.report.page import interval, number, percent

SPARE: Final = ("an hour", "95%", "hits less depth's", "hits less volatility's")


def is_market(data: Path) -> bool:
    """Whether a warning is asked about within seconds: of a crowd, or of a stored day."""
    return str(data).startswith(CROWD) or (data / SIDECAR).is_file()


def intraday(asked: Judging) -> Result:
    """Crashes of a crowd told in time, at the same rate of false alarms; of a recorded day, the alarms by the shipped thresholds."""
    if any(one is not None for one in (asked.models, asked.since, asked.every, asked.vix, asked.assets, asked.horizon)):
        raise BadInput(
            "warnings within seconds are judged on sessions of their own; expected none of models, since, every, vix, assets, horizon"
        )
    refuse_day_options(asked)
    name = str(asked.data)
    return crashes(name.removeprefix(CROWD), asked) if name.startswith(CROWD) else recorded(asked.data, asked.accept_bad_day)


def crashes(crowd: str, asked: Judging) -> Result:
    """The league on a crowd with a large seller."""
    from tercet.risk.crashes import CrashSettings
    from tercet.risk.crashleague import crash_league
    from tercet.risk.detectors import DetectorSettings
    from tercet.signals.trials import Ledger

    settings, ledger = given(DetectorSettings(), crashes=CrashSettings(crowd=crowd)), Ledger()
    found = crash_league(settings, ledger, f"warning {CROWD}{crowd}", asked.tell)
    told: dict[str, Any] = {
        "kind": "warning",
        "name": f"{CROWD}{crowd}",
        "crashes": len(found.fallen),
        "with_seller": found.tried,
        "quiet_hours": found.quiet_hours,
        "fall_ticks": found.fall,
        "fallen_s": float(np.median(found.fallen)),
        "fitted": dataclasses.asdict(found.fitted),
        "trials": found.trials,
        "ledger": str(ledger.path),
        "asked": dataclasses.asdict(settings),
        "tables": [
            {"title": f"Warnings that are false in {percent(budget, 1)} of quiet training seconds", "rows": [row(one) for one in standings]}
            for budget, standings in found.standings.items()
        ],
        "standings": {
            f"{budget:g}": [{name: value for name, value in dataclasses.asdict(one).items() if name != "leads"} for one in standings]
            for budget, standings in found.standings.items()
        },
        "curves": [pages.curve(one.name, found.fallen - one.leads, one.leads > 0) for one in next(reversed(found.standings.values()))],
    }
    tables = [shown(one["title"], one["rows"], SPARE) for one in told["tables"]]
    lines = [pages.asked(told), pages.fitted(told)]
    return Result(tables, lines, told, lambda command: pages.page(told, command))


def row(one: Any) -> dict[str, str]:
    """A detector's line."""
    found = {
        "warning": one.name,
        "false": percent(one.false_share, 2),
        "an hour": number(one.false_hour, 2),
        "hits": percent(one.hits.estimate, 1),
        "lead s": number(one.median_lead.estimate, 0),
        "95%": interval(one.median_lead.low, one.median_lead.high, 0),
    }
    for name in ("depth", "volatility"):
        other = next((each for each in one.beside if each.name == name), None)
        low_high = None if other is None else other.median_lead
        found[f"less {name}'s"] = "" if low_high is None else f"{number(low_high.estimate, 0)} ({interval(low_high.low, low_high.high, 0)})"
        found[f"hits less {name}'s"] = (
            "" if other is None else f"{percent(other.hits.estimate, 1)} ({interval(100 * other.hits.low, 100 * other.hits.high, 1)})"
        )
    return found


def recorded(folder: Path, accept_bad_day: bool) -> Result:
    """Alarms of a stored day, by the shipped weights and thresholds; BadInput where it is bad and that is not accepted."""
    from tercet.backtest.markets import history_market
    from tercet.execution.caution import SECOND, CautionSettings
    from tercet.market.store import open_day
    from tercet.risk.crashes import followed
    from tercet.risk.crashleague import alarm_rates
    from tercet.risk.detectors import WARM, DetectorSettings, own_thresholds

    market = history_market(open_day(folder), accept_bad_day)
    seconds = (market.close_ns - market.open_ns) // SECOND - 1
    if seconds // 2 <= 2 * WARM:
        raise BadInput(f"{market.name} had {seconds} seconds; expected more than {4 * WARM}: its first half teaches what is usual")
    seen = followed(market.open(0, 0), market.events, market.open_ns, seconds)
    shipped, half = CautionSettings(), seconds // 2
    own = own_thresholds(seen, half, DetectorSettings(), shipped)
    variants = {
        "Alarms by the thresholds fitted on crowd:crash": alarm_rates(seen, shipped),
        "Of its second half, by thresholds of its first": alarm_rates(seen, own, half),
    }
    told: dict[str, Any] = {"kind": "warning", "name": market.name, "hours": seconds / 3600, "bad_day": market.bad}
    told["tables"] = [{"title": title, "rows": [state_row(one) for one in rates]} for title, rates in variants.items()]
    tables = [shown(one["title"], one["rows"], SPARE, bad=market.bad) for one in told["tables"]]
    line = f"{number(seconds / 3600, 2)} hours of {market.name}; how many of these alarms were false nobody knows."
    return Result(tables, [line], told, lambda command: pages.day(told, line, command))


def state_row(one: Any) -> dict[str, str]:
    """A state's line."""
    rates = {"share": percent(one.share, 2), "alarms": str(one.alarms), "an hour": number(one.hour, 2)}
    return {"state": one.state, "above": number(one.threshold, 3)} | rates
