"""`tercet risk evaluate volatility` of a stored day or a crowd: the mid's variance over the next minute."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tercet.cli.evaluated import Result
from tercet.cli.evaluated import about as facts_of
from tercet.cli.evaluated import stored as open_stored
from tercet.cli.judging import CROWD, Judging, curve, given, head, picked, plain, refuse_day_options, result, variance_rows
from tercet.cli.output import console
from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK, SECOND
from tercet.signals.cleaning import Cleaning

if TYPE_CHECKING:
    from tercet.risk.midpath import MidPath
    from tercet.risk.season import Season

CROWD_SEED = 0


class Asked(NamedTuple):
    """A day to be asked about: its mid, its season, and what is told about it."""

    path: "MidPath"
    season: "Season"
    about: dict[str, Any]


def is_day(data: Path) -> bool:
    """Whether it names a stored day or a crowd, not a file of days."""
    return str(data).startswith(CROWD) or data.is_dir()


def intraday(asked: Judging) -> Result:
    """The league of a day, in the same three ways as that of days."""
    from tercet.market.calendar import clock
    from tercet.risk.intraday_league import LEAST, IntradayLeagueSettings, forecasters, intraday_league
    from tercet.signals.days import nanoseconds
    from tercet.signals.trials import Ledger

    if asked.every is not None:
        raise BadInput(f"every was {asked.every}; expected none for a day: its weights go on being learned")
    if asked.vix is not None or asked.assets is not None:
        raise BadInput(f"vix or assets was {asked.vix or asked.assets}; expected none for a day")
    refuse_day_options(asked)
    asked.tell("the day")
    path, season, about = crowd(str(asked.data)) if str(asked.data).startswith(CROWD) else stored(asked.data, asked.accept_bad_day)
    horizon = None if asked.horizon is None else nanoseconds(asked.horizon)
    if horizon is not None and (horizon % SECOND or not horizon):
        raise BadInput(f"horizon was {asked.horizon!r}; expected whole seconds")
    if horizon is not None and 2 * horizon > (covered := int(path.time[-1] - path.time[0])):
        problem = f"horizon was {asked.horizon}, and the day has {covered / (60 * SECOND):.1f} minutes"
        raise BadInput(
            f"{problem}; expected {LEAST} windows or more of it: --horizon {max(covered // (2 * LEAST * SECOND), 1)}s or shorter"
        )
    first = None if asked.since is None else _since(asked.since, path, about)
    settings = given(IntradayLeagueSettings(), horizon_s=None if horizon is None else horizon // SECOND, first_s=first)
    names, ledger = tuple(picked(forecasters(season), asked.models)), Ledger()
    found, counts = intraday_league(path, names, season, settings, ledger, about["experiment"], asked.tell)
    told: dict[str, Any] = head("intraday", asked, ledger, found, settings, Cleaning(dropped=counts))
    told |= {"tz": about["tz"], "caveat": about["caveat"], "bad_day": about.get("bad_day", False)}
    told["facts"] = {"Season": season.provenance, "Usual level": about["usual"], "Verdict": about.get("judged", "an invented market")}
    told |= {
        "from": clock(int(found.known[0]) - settings.horizon_s * SECOND, about["tz"])[:8],
        "to": clock(int(found.known[-1]), about["tz"])[:8],
    }
    told["windows"] = told.pop("days")
    told["tables"] = [{"title": f"The mid's variance over the next {settings.horizon_s} s", "rows": variance_rows(found)}]
    best = found.standings[0]
    lines = (("what happened", found.target), (best.name, best.said))
    told["curves"] = [curve(name, found.known, np.sqrt(values)) for name, values in lines]
    told["unit"] = f"standard deviation over {settings.horizon_s} s, bps"
    told["season"] = asdict(season)
    told["standings"] = plain(found.standings)
    return result(told)


def stored(place: Path, accept_bad_day: bool) -> Asked:
    """A stored day, a bad one where that is accepted; its season comes from earlier days in its store, or is the named default."""
    from tercet.backtest.days import earlier_days
    from tercet.risk.midpath import of_day
    from tercet.risk.season import FLAT, default_season, season_of, shape

    day, quality = open_stored(str(place), accept_bad_day)
    path, (earlier, notes) = of_day(day), earlier_days(day)
    known = {}
    for other in earlier:
        try:
            shape(found := of_day(other))
            known[other.path.name] = found
        except BadInput as error:
            notes.append(f"passed over: {other.path.name}: {error}")
    for note in notes:
        console.print(f"[yellow]warning[/] {note}", highlight=False)
    default = default_season() if path.regular else FLAT
    season = season_of(list(known.values()), ", ".join(known)) if known else default
    about = {
        "tz": day.meta.tz,
        "experiment": f"intraday volatility {day.meta.events_sha256[:12]}",
        "caveat": "One day, inference within this day.",
        "usual": f"{season.usual:.3g} bps² a second" if season.usual else "not known: no earlier day in the store",
    }
    told = facts_of(str(place), day, quality)
    return Asked(path, season, about | {"date": day.meta.date, "bad_day": told["bad_day"], "judged": told["judged"]})


def crowd(name: str) -> Asked:
    """A day of an invented market; its season is that of its pace."""
    from tercet.backtest.markets import CAVEATS, CROWD_DATE
    from tercet.market.calendar import session
    from tercet.risk.midpath import of_crowd
    from tercet.risk.season import Season
    from tercet.sim.settings import CROWDS

    known = name.removeprefix(CROWD)
    if known not in CROWDS:
        raise BadInput(f"data was {name!r}; expected {CROWD} with one of {', '.join(CROWDS)}, a stored day or a file")
    made = CROWDS[known]
    season = Season(tuple((np.array(made.season) / np.mean(made.season)).tolist()), "the crowd's pace")
    about = {
        "tz": NEW_YORK,
        "experiment": f"intraday volatility {name} seed {CROWD_SEED}",
        "caveat": f"{CAVEATS[made.flow].capitalize()}.",
        "usual": "not known",
        "date": CROWD_DATE,
    }
    return Asked(of_crowd(made, CROWD_SEED, session(CROWD_DATE)), season, about)


def _since(text: str, path: "MidPath", about: dict[str, Any]) -> int:
    """Seconds after the opening."""
    from tercet.market.calendar import at_clock

    found = (at_clock(about["date"], text, about["tz"]) - path.hours.open_ns) // SECOND
    if found <= 0:
        raise BadInput(f"since was {text!r}; expected a time of day after the opening: what came before is learned from")
    return int(found)
