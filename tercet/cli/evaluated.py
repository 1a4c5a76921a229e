"""What `tercet forecast evaluate` can evaluate: one function a kind of task, each returning a Result."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from tercet.cli.tables import fitted
from tercet.errors import BadInput
from tercet.market.calendar import NEW_YORK
from tercet.report.page import Page, number, percent

Tell = Callable[[str, int, int], None]  # what is under way, how much of it is done, of how much


Hours = tuple[str | None, str]  # when a session closes (HH:MM; None: 16:00), and in which zone
NEW_YORK_HOURS: Final[Hours] = (None, NEW_YORK)


def refuse_hours(kind: str, hours: Hours) -> None:
    """BadInput where a session's close or zone was given for what knows its own."""
    if kind != "panel" and hours != NEW_YORK_HOURS:
        raise BadInput(f"{kind} has no --close or --zone; expected none: they are of a panel's file of days")


@dataclass(frozen=True)
class Asked:
    """What the command line says. None: what the kind of task has by itself."""

    experts: tuple[str, ...] | None
    folds: int | None
    horizons: tuple[int, ...] | None
    seeds: int | None
    planted: float | None
    experiment: str | None
    tell: Tell
    accept_bad_day: bool = False
    hours: Hours = NEW_YORK_HOURS
    least: int | None = None

    def refuse(self, kind: str, *names: str) -> None:
        """BadInput where an option was given that this kind does not know."""
        for name in names:
            if getattr(self, name) is not None:
                raise BadInput(f"{kind} has no {name}; expected none")


@dataclass(frozen=True)
class Result:
    """What was found, in three ways: tables for the terminal with lines beneath, plain values, and a page made of the command's words."""

    tables: list[Table]
    lines: list[str]
    json: dict[str, Any]
    page: Callable[[str], Page]


# Directions ---------------------------------------------------------------------------------------------------------------------------

BY_DIRECTION: Final = ("constant", "logistic", "xgboost")
SCORES: Final = (
    ("mcc", "MCC", 3),
    ("mcc_moved", "of moved", 3),
    ("log_loss", "log loss", 4),
    ("calibration_error", "calib.", 4),
    ("ic", "IC", 3),
    ("ic_t", "HAC t", 1),
)
MONEY: Final = (
    ("trades", "trades", 0),
    ("gross", "gross", 3),
    ("net", "net", 3),
    ("choosy_trades", "choosy", 0),
    ("choosy_net", "choosy net", 3),
    ("fit_s", "fit s", 1),
    ("answer_us", "µs/row", 1),
)
SPARE: Final = ("µs/row", "fit s", "calib.", "of moved", "choosy", "HAC t", "choosy net")  # what goes first where there is no room


def by_direction(place: str, asked: Asked) -> Result:
    """Where the mid of a stored day goes: a league a horizon."""
    from tercet.report import league as pages
    from tercet.signals.directions import DirectionSettings, leagues, summary
    from tercet.signals.registry import chosen
    from tercet.signals.samples import DIRECTION
    from tercet.signals.trials import Ledger

    asked.refuse("direction", "planted", "experiment", "least")
    names = asked.experts or BY_DIRECTION
    given = {name: value for name in ("folds", "horizons", "seeds") if (value := getattr(asked, name)) is not None}
    settings, ledger = DirectionSettings(**given), Ledger()
    experts = chosen(names, DIRECTION)
    day, quality = stored(place, asked.accept_bad_day)
    total, done = len(names) * settings.folds * len(settings.horizons) * settings.seeds, -1

    def tell(what: str) -> None:
        nonlocal done
        asked.tell(what, max(done, 0), total)
        done += 1

    found = [summary(runs) for runs in leagues(day, experts, settings, ledger, tell).values()]
    told = about(place, day, quality) | {"asked": {"experts": list(names), **dataclasses.asdict(settings)}, "ledger": str(ledger.path)}
    told |= {"leagues": found, "warnings": [line for league in found for line in pages.dropped(league)]}
    tables = [table for league in found for table in league_tables(league, pages.value_of, told["bad_day"])]
    best = [] if told["bad_day"] else [pages.verdict(league) for league in found]
    lines = [told["judged"], *best, *told["warnings"], *(counts(league) for league in found), f"ledger {ledger.path}"]
    return Result(tables, lines, told, lambda command: pages.page(told, command))


def league_tables(league: dict[str, Any], value_of: Callable[[Any, str], float | None], bad: bool = False) -> list[Table]:
    """What experts say, and what it would have earned and cost; beneath each, where there are several seeds, its deviation over them."""
    tables = []
    for title, kind in ((league["task"], SCORES), (f"{league['task']}: crossing the spread, {league['unit']} a trade", MONEY)):
        rows: list[list[Text]] = []
        for row in league["experts"]:
            rows.append([Text(row["expert"]), *(Text(number(value_of(row, key), digits)) for key, _, digits in kind)])
            if row["spread"]:
                spread = (number(row["spread"].get(key), digits) for key, _, digits in kind)
                rows.append([Text(cell, "dim") for cell in ("  ±", *spread)])
        tables.append(fitted(("expert", *(heading for _, heading, _ in kind)), rows, title, SPARE, bad=bad))
    return tables


def counts(league: dict[str, Any]) -> str:
    """Rows asked, left out and purged, and trials."""
    left = ", ".join(f"{count:,} ({reason})" for reason, count in league["left_out"].items() if count) or "none"
    said = f"  {league['rows']:,} rows asked in {league['folds']} stretches; left out {left}; {league['purged']:,} purged"
    return f"{said}; {league['trials']:,} trials in the ledger"


# Order flow ---------------------------------------------------------------------------------------------------------------------------


def by_order_flow(place: str, asked: Asked) -> Result:
    """How much of the mid's change order flow explains: of one day, or of several symbols' of one date, each with the others' beside."""
    from tercet.report import crossimpact as several
    from tercet.report import orderflow as pages
    from tercet.signals.ofi import OfiSettings, explain

    asked.refuse("ofi", "experts", "folds", "horizons", "seeds", "planted", "experiment", "least")
    places = [place] if os.path.exists(place) else place.split(",")  # Path.exists raises where a name is too long
    qualities, settings = [stored(one, asked.accept_bad_day) for one in places], OfiSettings()
    days = [day for day, _ in qualities]
    if len(days) > 1:
        from tercet.signals.crossimpact import cross, refuse_strangers

        refuse_strangers(days)
    found = []
    for number_of, (one, (day, quality)) in enumerate(zip(places, qualities, strict=True)):
        asked.tell(f"order flow of {day.meta.symbol}, {len(day.events):,} events", number_of, len(days))
        rows = [dataclasses.asdict(row) for row in explain(day, settings)]
        found.append(about(one, day, quality) | {"window_s": settings.window_s, "rows": rows})
    judged, bad = [one["judged"] for one in found], any(one["bad_day"] for one in found)
    tables = [own_table(one, named=len(days) > 1) for one in found]
    if len(days) == 1:
        told = found[0] | {"warnings": []}
        return Result(tables, [*judged, pages.asked(told)], told, lambda command: pages.page(told, command))
    asked.tell("what others' flow adds", len(days), len(days))
    crossed = [dataclasses.asdict(row) for row in cross(days, settings)]
    shared = {name: found[0][name] for name in ("date", "tz", "window_s")}
    both: dict[str, Any] = {"symbols": [day.meta.symbol for day in days], **shared, "bad_day": bad, "days": found, "cross": crossed}
    both["warnings"] = []
    return Result([*tables, cross_table(crossed, bad)], [*judged, several.asked(both)], both, lambda command: several.page(both, command))


def own_table(told: dict[str, Any], *, named: bool) -> Table:
    """A row an interval and model."""
    names = ("over", "model", "R² ahead", "R² in its window", "± s.e.", "adjusted", "windows")
    rows = [
        (f"{row['seconds']} s", row["model"], *(number(row[name], 3) for name in ("ahead", "r2", "error", "adjusted")), str(row["windows"]))
        for row in told["rows"]
    ]
    return fitted(names, rows, told["symbol"] if named else "", ("adjusted", "windows", "± s.e."), ("model",), bad=told["bad_day"])


def cross_table(crossed: list[dict[str, Any]], bad: bool) -> Table:
    """A row a symbol, interval and whose seconds move."""
    title = "with the others' flow: R² ahead, with the coefficients of the window before, and in its window"
    names = ("symbol", "over", "moves", "own ahead", "+ others", "gain", "± s.e.", "own, in window", "+ others, in window", "chosen")
    rows = []
    for row in crossed:
        numbers = (number(row[name], 3) for name in ("own_ahead", "all_ahead", "gain", "error", "own", "all"))
        chosen = percent(sum(row["chosen"].values()) / len(row["chosen"]), 0)
        rows.append((row["symbol"], f"{row['seconds']} s", row["moves"], *numbers, chosen))
    return fitted(names, rows, title, ("own, in window", "+ others, in window", "chosen"), bad=bad)


# The simulation of Gu, Kelly and Xiu ---------------------------------------------------------------------------------------------------


def by_simulation(place: str, asked: Asked) -> Result:
    """How much of what an oracle knows each family finds, on paired seeds."""
    from tercet.report import gkx as pages
    from tercet.signals.gkxtable import families, gkx_table
    from tercet.signals.registry import chosen
    from tercet.signals.samples import MEAN

    asked.refuse("gkx", "folds", "horizons", "planted", "experiment", "least")
    if place:
        raise BadInput(f"task was 'gkx:{place}'; expected gkx alone: it makes its own data")
    known = {expert.name: expert for expert in families()}
    names = asked.experts or tuple(known)
    experts = [known.get(name) or chosen([name], MEAN)[0] for name in names]

    def tell(done: int, of: int) -> None:
        asked.tell(f"made panels, {done} of {of} learned and asked", done, of)

    found = gkx_table(experts, 20 if asked.seeds is None else asked.seeds, tell=tell)
    dropped = [f"{name} is not in the table: {why}" for name, why in found.dropped.items()]
    told = dataclasses.asdict(found) | {"experts": list(names), "warnings": dropped}
    names_of = ("family", "design", "of the oracle's", "± s.e.", "R²", "wins", "seeds", "fit s")
    cells = []
    for row in found.rows:
        shares = (percent(row.fraction), percent(row.error), percent(row.r2, 2))
        cells.append((row.expert, row.design, *shares, str(row.wins), str(row.seeds), number(row.seconds, 1)))
    table = fitted(names_of, cells, spare=("fit s", "seeds", "R²"), left=("design",))
    return Result([table], [pages.asked(told), *pages.verdicts(told), *dropped], told, lambda command: pages.page(told, command))


# The daily cross-section --------------------------------------------------------------------------------------------------------------

BY_PANEL: Final = ("ols", "elastic-net", "lightgbm")


def by_panel(place: str, asked: Asked) -> Result:
    """Which stocks of a date do better, and whether the portfolios made of that are to be believed."""
    from tercet.report import crosssection as pages
    from tercet.report.league import dropped
    from tercet.signals.directions import summary
    from tercet.signals.panels import PanelsSettings, judged
    from tercet.signals.registry import chosen
    from tercet.signals.samples import MEAN
    from tercet.signals.sources import bars
    from tercet.signals.trials import Ledger

    names = asked.experts or BY_PANEL
    if asked.seeds not in (None, 1):
        raise BadInput(f"seeds were {asked.seeds}; expected 1: a portfolio is judged by its trials, and each seed is one")
    options = ("folds", "horizons", "planted", "experiment", "least")
    given = {name: value for name in options if (value := getattr(asked, name)) is not None}
    settings, ledger = PanelsSettings(**given), Ledger()
    experts = chosen(names, MEAN)
    if not place:
        raise BadInput("expected a file of daily bars behind the colon, such as panel:bars.parquet")
    total, done = len(names) * settings.folds * len(settings.horizons), -1

    def tell(what: str) -> None:
        nonlocal done
        asked.tell(what, max(done, 0), total)
        done += 1

    tell("reading")
    loaded = bars(place, *asked.hours)
    found: list[dict[str, Any]] = []
    warned: list[str] = []
    evidence = None
    for league, verdict, silent in judged(loaded.table, experts, settings, ledger, tell):
        evidence, plain = verdict.evidence, summary([league])
        warned += [line for line in evidence.sentences() if line not in warned] if evidence else []
        warned += dropped(plain)
        warned += [f"{league.task}: {name} said the same of all stocks of a date and has no portfolio" for name in silent]
        rows = [
            dataclasses.asdict(one) | {"returns": one.returns.tolist(), "passes": one.passes, "gate": one.gate}
            for one in verdict.portfolios
        ]
        found.append({"league": plain, "portfolios": rows, "overfitting": verdict.overfitting})
    told: dict[str, Any] = {
        "file": place,
        "name": Path(place).name,
        "dropped": loaded.dropped,
        "nulled": loaded.nulled,
        "cleaning": loaded.cleaning.as_json(),
        "cleaned": loaded.cleaning.lines(),
        "population": None if evidence is None else dataclasses.asdict(evidence) | {"survivors": evidence.survivors},
        "ledger": str(ledger.path),
    }
    told |= {"asked": {"experts": list(names), **dataclasses.asdict(settings)}, "leagues": found, "warnings": warned}
    lines = [line for one in found for line in (pages.verdict(one), counts(one["league"]))]
    lines = [pages.asked(told), *lines, *warned, *loaded.cleaning.lines()]
    return Result([panel_table(one) for one in found], lines, told, lambda w: pages.page(told, w))


def panel_table(found: dict[str, Any]) -> Table:
    """A row an expert; uncut is the DSR of what was really earned, and the gate asks all three."""
    from tercet.report.crosssection import overfitting

    periods = len(found["portfolios"][0]["returns"]) if found["portfolios"] else 0
    title = f"{found['league']['task']}: {periods} periods, bps each; PBO {overfitting(found)}"
    names: tuple[str, ...] = ("expert", "gross", "net", "Sharpe", "PSR", "DSR", "uncut", "no jumps", "rank IC", "t", "gate")
    rows: list[tuple[str, ...]] = []
    for row in found["portfolios"]:
        money = (number(1e4 * row["gross"], 1), number(1e4 * row["net"], 1), number(row["sharpe"]))
        chances = (percent(row["psr"]), percent(row["dsr"]), percent(row["uncut_dsr"]), percent(row["mended_dsr"]))
        ic = (number(row["ic"]["mean"], 4), number(row["ic"]["t"], 1))
        rows.append((row["expert"], *money, *chances, *ic, row["gate"]))
    if all(row["mended_dsr"] is None for row in found["portfolios"]):  # none jumps
        rows = [(*row[:7], *row[8:]) for row in rows]
        names = (*names[:7], *names[8:])
    return fitted(names, rows, title, ("t", "rank IC", "PSR", "gross", "uncut"))


# ---------------------------------------------------------------------------------------------------------------------------------------


def stored(place: str, accept_bad_day: bool = False) -> tuple[Any, Any]:
    """A stored day, checked against its checksum, and its Quality; BadInput where it is bad and that is not accepted."""
    from tercet.backtest.days import quality_of
    from tercet.market.store import open_day

    if not place:
        raise BadInput("expected the folder of a stored day behind the colon, such as direction:STORE/SYMBOL_DATE")
    day = open_day(Path(place))
    day.verify()
    return day, quality_of(day, accept_bad_day)


def about(place: str, day: Any, quality: Any) -> dict[str, Any]:
    """What a result says of its day: what it is, and the verdict of `check`, in words as well."""
    from tercet.book.quality import BAD

    meta = day.meta
    found = {"day": place, "symbol": meta.symbol, "date": str(meta.date), "tz": meta.tz, "events": len(day.events)}
    judged = f"verdict on {day.path.name}: {'; '.join((quality.verdict, *quality.reasons))}"
    return found | {"verdict": quality.verdict, "reasons": list(quality.reasons), "bad_day": quality.verdict == BAD, "judged": judged}


KINDS: Final[dict[str, Callable[[str, Asked], Result]]] = {
    "direction": by_direction,
    "ofi": by_order_flow,
    "gkx": by_simulation,
    "panel": by_panel,
}


def evaluated(task: str, asked: Asked) -> Result:
    """The Result of KIND or KIND:PLACE."""
    kind, _, place = task.partition(":")
    if kind not in KINDS:
        raise BadInput(f"task was {task!r}; expected one of {', '.join(KINDS)}, such as direction:STORE/SYMBOL_DATE")
    refuse_hours(kind, asked.hours)
    return KINDS[kind](place, asked)
