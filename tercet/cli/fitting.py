"""What `tercet forecast fit` fits and `predict` asks about, by kind of task."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from tercet.cli.evaluated import NEW_YORK_HOURS, Hours, Tell, refuse_hours, stored
from tercet.errors import BadInput
from tercet.signals.asking import Rows, of_bars, of_day
from tercet.signals.forecasting import Forecaster, learn
from tercet.signals.registry import chosen
from tercet.signals.samples import Leak
from tercet.signals.task import Task
from tercet.signals.trials import Ledger

Made = tuple[Task, str, dict[str, Any], int | None, list[str]]  # task, horizon in words, settings to make rows with, until, cleaning


def of_direction(place: str, horizon: int | None, until: str | None, accept_bad_day: bool, hours: Hours, least: int | None) -> Made:
    """Where the mid of a stored day goes."""
    from tercet.market.calendar import at_clock
    from tercet.signals.task import direction

    (day, _), events = stored(place, accept_bad_day), 10 if horizon is None else horizon
    end = None if until is None else at_clock(day.meta.date, until, day.meta.tz)
    return direction(day, events), f"{events}events", {"messages": events}, end, []


def of_panel(place: str, horizon: int | None, until: str | None, accept_bad_day: bool, hours: Hours, least: int | None) -> Made:
    """Which stocks do better than others."""
    from tercet.signals.crosssection import PanelSettings, panel_task
    from tercet.signals.sources import bars

    usual, loaded = PanelSettings(), bars(place, *hours)
    settings = replace(usual, days=usual.days if horizon is None else horizon, least=usual.least if least is None else least)
    end = None if until is None else end_of(until, hours[1])
    return panel_task(loaded.table, settings), f"{settings.days}days", asdict(settings), end, loaded.cleaning.lines()


def end_of(text: str, tz: str) -> int:
    """The end of a date in `tz`, ns."""
    from datetime import timedelta

    from tercet.market.calendar import day_of, midnight_ns

    return midnight_ns(day_of(text) + timedelta(days=1), tz) - 1


Making = Callable[[str, int | None, str | None, bool, Hours, int | None], Made]
FITTED: Final[dict[str, Making]] = {"direction": of_direction, "panel": of_panel}


def fitted(
    task: str,
    name: str,
    until: str | None,
    horizon: int | None,
    seed: int,
    tell: Tell,
    experiment: str | None = None,
    accept_bad_day: bool = False,
    hours: Hours = NEW_YORK_HOURS,
    least: int | None = None,
) -> tuple[Forecaster, list[str]]:
    """An expert that has learned KIND:PLACE, and how its file was cleaned; BadInput where that is a bad day and it is not accepted."""
    kind, _, place = task.partition(":")
    if kind not in FITTED:
        raise BadInput(f"task was {task!r}; expected one of {', '.join(FITTED)}, such as direction:STORE/SYMBOL_DATE")
    if horizon is not None and horizon < 1:
        raise BadInput(f"horizon was {horizon}; expected 1 or more")
    for option, value in (("experiment", experiment), ("least", least)):
        if value is not None and kind != "panel":
            raise BadInput(f"{kind} has no {option}; expected none")
    refuse_hours(kind, hours)
    tell("features", 0, 5)
    made, words, settings, end, cleaned = FITTED[kind](place, horizon, until, accept_bad_day, hours, least)
    made = replace(made, experiment=experiment or made.experiment)
    (expert,), done = chosen([name], made.samples.target), 0

    def said(what: str) -> None:
        nonlocal done
        done += 1
        tell(what, done, 5)

    return learn(made, expert, kind, words, settings, Ledger(), end, seed, said), cleaned


def refuse_known(forecaster: Forecaster, asked: Rows, place: Path) -> None:
    """Leak where the model knows something of then; the model itself would refuse too, with times that only machines read."""
    from tercet.market.calendar import date_clock

    first, known = int(asked.questions.now.min()), forecaster.fitted.max_known_time
    if first <= known:
        name = forecaster.fitted.lineage.expert
        told = f"{place}: the first row is of {date_clock(first)} and {name} knows all up to {date_clock(known)} (New York)"
        raise Leak(f"{told}; expected later rows: another day, or --since")


def rows_for(
    forecaster: Forecaster, place: Path, since: str | None, tell: Tell, accept_bad_day: bool = False, hours: Hours = NEW_YORK_HOURS
) -> Rows:
    """What a kept model can be asked about there."""
    from tercet.market.calendar import at_clock, day_of, midnight_ns

    lineage, terms = forecaster.fitted.lineage, forecaster.terms
    refuse_hours(terms.kind, hours)
    tell(f"features of {place}", 0, 1)
    if terms.kind == "direction":
        day, _ = stored(str(place), accept_bad_day)
        asked = of_day(day, lineage.names, None if since is None else at_clock(day.meta.date, since, day.meta.tz))
    else:
        import msgspec

        from tercet.signals.crosssection import PanelSettings
        from tercet.signals.sources import bars

        begin, loaded = None if since is None else midnight_ns(day_of(since), hours[1]), bars(place, *hours)
        settings = msgspec.convert(terms.settings, PanelSettings)
        asked = of_bars(loaded.table, lineage.names, settings.days, forecaster.fitted.max_known_time, begin, settings.least)
        asked = replace(asked, cleaned=tuple(loaded.cleaning.lines()))
    refuse_known(forecaster, asked, place)
    return asked
