"""What `tercet risk evaluate` can evaluate: one function a kind of forecast, each returning a Result."""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from tercet.cli import falls, withinday
from tercet.cli.evaluated import Result
from tercet.cli.judging import Judging, ask, curve, first_of, given, picked, plain, prices, refuse_horizon, result, series, variance_rows
from tercet.report.page import interval, number, percent

SHORT: Final = {"independence": "indep.", "Christoffersen": "Chr."}


def volatility(asked: Judging) -> Result:
    """Tomorrow's variance; of a stored day or a crowd, that of the mid over the next minute."""
    if withinday.is_day(asked.data):
        return withinday.intraday(asked)
    refuse_horizon(asked)
    from tercet.risk.days import market_days
    from tercet.risk.league import VolatilitySettings, league
    from tercet.risk.volatility import FORECASTERS

    loaded = series(asked)
    read = market_days(loaded.table)
    settings = given(VolatilitySettings(), every=asked.every)
    settings = given(settings, first=first_of(read.days.known, asked, settings.first))
    models = list(picked(FORECASTERS, asked.models).values())
    found, told = ask("volatility", asked, partial(league, read.days, models), settings, loaded.cleaning + read.cleaning)
    best = found.standings[0]
    lines = ((best.name, best.said), ("what happened", found.target))
    told["tables"] = [{"title": "Variance a day ahead", "rows": variance_rows(found)}]
    told["curves"] = [curve(name, found.known, np.sqrt(252 * values)) for name, values in lines]
    told["unit"] = "standard deviation a year, percent"
    told["standings"] = plain(found.standings)
    return result(told)


def tail(asked: Judging) -> Result:
    """Value at risk and expected shortfall."""
    refuse_horizon(asked)
    from tercet.risk.days import market_days
    from tercet.risk.scales import long_days, unmeasured
    from tercet.risk.tail import models_for
    from tercet.risk.tailleague import TailSettings, tail_league, usual_first

    loaded = series(asked)
    days = long_days(loaded.table)
    settings = given(TailSettings(), first=first_of(days.all.known, asked, usual_first(days)), every=asked.every)
    models = list(picked(models_for(days), asked.models).values())
    found, told = ask(
        "tail", asked, partial(tail_league, days, models), settings, loaded.cleaning + market_days(unmeasured(loaded.table)).cleaning
    )
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
        told["standings"][f"{level:g}"] = plain(standings)
    told["unit"] = "percent a day"
    return result(told)


def covariance(asked: Judging) -> Result:
    """Covariances of many assets."""
    refuse_horizon(asked)
    from tercet.risk.correlation_league import FORECASTERS, CovarianceSettings, covariance_league

    read = prices(asked, asked.data)
    settings = given(CovarianceSettings(), every=asked.every)
    settings = given(settings, first=first_of(read.days.known, asked, settings.first))
    models = list(picked(FORECASTERS, asked.models).values())
    found, told = ask("covariance", asked, partial(covariance_league, read.days, models), settings, read.cleaning)
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
    told["tables"] = [{"title": f"Portfolios of least variance, {len(read.days.names)} assets, percent a year", "rows": rows}]
    told["curves"] = [curve(one.name, found.known, np.cumsum(one.held.returns)) for one in found.standings[:4]]
    told["unit"] = "returns summed, percent"
    told["standings"] = plain(found.standings)
    return result(told)


KINDS: Final[dict[str, Callable[[Judging], Result]]] = {
    "volatility": volatility,
    "tail": tail,
    "covariance": covariance,
    "warning": falls.warning,
    "posture": falls.posture,
}
