"""`tercet risk evaluate warning` and `posture`: whether a fall is near, and what is earned by who heeds it."""

from functools import partial
from typing import Any

import numpy as np

from tercet.cli.evaluated import Result
from tercet.cli.judging import Judging, ask, curve, first_of, given, picked, plain, refuse_horizon, result, warning_days
from tercet.errors import BadInput
from tercet.report.page import interval, number, percent


def warning(asked: Judging) -> Result:
    """Whether a fall is near."""
    from tercet.risk.fusions import SIMPLE, WARNINGS
    from tercet.risk.indicators import USUAL
    from tercet.risk.warning import BETWEEN
    from tercet.risk.warningleague import WarningSettings, warning_league

    refuse_horizon(asked)
    if asked.every is not None:
        raise BadInput(f"every was {asked.every}; expected none: warnings are learned anew every {BETWEEN} days")
    days, cleaning = warning_days(asked)
    settings = WarningSettings()
    settings = given(settings, first=first_of(days.market.known, asked, settings.first, USUAL + 1))
    models = list(picked(WARNINGS, asked.models).values())
    found, told = ask("warning", asked, partial(warning_league, days, models), settings, cleaning)
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
    told["asked"]["every"] = BETWEEN
    fall = settings.fall
    told["tables"] = [{"title": f"Falls of {fall.depth:.0%} within {fall.days} days; hits at {fall.budget:.0%} false alarms", "rows": rows}]
    best = found.standings[0]
    told["curves"] = [curve("a fall is ahead", found.known, found.ahead), curve(best.name, found.known, best.said)]
    told["unit"] = "score"
    told["standings"] = plain(found.standings)
    return result(told)


def posture(asked: Judging) -> Result:
    """What a posture earns."""
    from tercet.risk.standing import StandingSettings, least_first, posture_league

    refuse_horizon(asked)
    if asked.models is not None:
        raise BadInput("models were named; expected none: a posture is put beside holding, the HMM and its volatility target")
    days, cleaning = warning_days(asked)
    settings = given(StandingSettings(), every=asked.every)
    settings = given(settings, first=first_of(days.market.known, asked, settings.first, least_first()))
    found, told = ask("posture", asked, partial(posture_league, days), settings, cleaning)
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
    shares = [{"state": state, "days": percent(share, 1)} for state, share in found.states().items()]
    told["tables"] = [
        {"title": f"A year, net of {1e4 * settings.cost:g} bp a turn, logarithms of returns, percent", "rows": rows},
        {"title": f"States of the posture, {number(found.changes(), 1)} changes a year", "rows": shares},
    ]
    told["curves"] = [curve(one.name, found.known, np.cumsum(one.held.returns)) for one in found.standings]
    told["unit"] = "returns summed, percent"
    told["standings"] = plain(found.standings)
    return result(told)


def beside(name: str, difference: Any, digits: int = 2) -> dict[str, str]:
    """Two cells: a difference to something, and its interval; empty where it is of a thing to itself."""
    if difference is None:
        return {f"less {name}": "", f"less {name}, 95%": ""}
    return {
        f"less {name}": f"{difference.estimate:+.{digits}f}",
        f"less {name}, 95%": interval(difference.low, difference.high, digits),
    }
