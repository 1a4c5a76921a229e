"""What `tercet forecast evaluate` can evaluate: one function a kind of task, each returning a Result."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from tercet.errors import BadInput
from tercet.report.page import Page, number, percent

Tell = Callable[[str, int, int], None]  # what is under way, how much of it is done, of how much


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


def columns(first: str, *headings: str, title: str = "") -> Table:
    """An empty table, named by its first column."""
    made = [Column(first, no_wrap=True), *(Column(heading, justify="right", no_wrap=True) for heading in headings)]
    return Table(
        *made,
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title=title or None,
        title_justify="left",
        min_width=min(len(title), 78),
    )


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
    ("choosy_net", "net", 3),
    ("fit_s", "fit s", 1),
    ("answer_us", "µs/row", 1),
)


def by_direction(place: str, asked: Asked) -> Result:
    """Where the mid of a stored day goes: a league a horizon."""
    from tercet.report import league as pages
    from tercet.signals.directions import DirectionSettings, leagues, summary
    from tercet.signals.registry import chosen
    from tercet.signals.samples import DIRECTION
    from tercet.signals.trials import Ledger

    asked.refuse("direction", "planted", "experiment")
    names = asked.experts or BY_DIRECTION
    given = {name: value for name in ("folds", "horizons", "seeds") if (value := getattr(asked, name)) is not None}
    settings, ledger = DirectionSettings(**given), Ledger()
    experts = chosen(names, DIRECTION)
    day, total, done = stored(place), len(names) * settings.folds * len(settings.horizons) * settings.seeds, -1

    def tell(what: str) -> None:
        nonlocal done
        asked.tell(what, max(done, 0), total)
        done += 1

    found = [summary(runs) for runs in leagues(day, experts, settings, ledger, tell).values()]
    told = about(place, day) | {"asked": {"experts": list(names), **dataclasses.asdict(settings)}, "ledger": str(ledger.path)}
    told |= {"leagues": found, "warnings": []}
    tables = [table for league in found for table in league_tables(league, pages.value_of)]
    lines = [line for league in found for line in (pages.verdict(league), counts(league))]
    return Result(tables, [*lines, f"ledger {ledger.path}"], told, lambda command: pages.page(told, command))


def league_tables(league: dict[str, Any], value_of: Callable[[Any, str], float | None]) -> list[Table]:
    """What experts say, and what it would have earned and cost; beneath each, where there are several seeds, its deviation over them."""
    tables = []
    for title, kind in ((league["task"], SCORES), (f"{league['task']}: crossing the spread, {league['unit']} a trade", MONEY)):
        table = columns("expert", *(heading for _, heading, _ in kind), title=title)
        for row in league["experts"]:
            table.add_row(row["expert"], *(number(value_of(row, key), digits) for key, _, digits in kind))
            if row["spread"]:
                table.add_row("  ±", *(number(row["spread"].get(key), digits) for key, _, digits in kind), style="dim")
        tables.append(table)
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

    asked.refuse("ofi", "experts", "folds", "horizons", "seeds", "planted", "experiment")
    places = [place] if os.path.exists(place) else place.split(",")  # Path.exists raises where a name is too long
    days, settings = [stored(one) for one in places], OfiSettings()
    if len(days) > 1:
        from tercet.signals.crossimpact import cross, refuse_strangers

        refuse_strangers(days)
    found = []
    for number_of, (one, day) in enumerate(zip(places, days, strict=True)):
        asked.tell(f"order flow of {day.meta.symbol}, {len(day.events):,} events", number_of, len(days))
        rows = [dataclasses.asdict(row) for row in explain(day, settings)]
        found.append(about(one, day) | {"window_s": settings.window_s, "rows": rows})
    tables = [own_table(one, named=len(days) > 1) for one in found]
    if len(days) == 1:
        told = found[0] | {"warnings": []}
        return Result(tables, [pages.asked(told)], told, lambda command: pages.page(told, command))
    asked.tell("what others' flow adds", len(days), len(days))
    crossed = [dataclasses.asdict(row) for row in cross(days, settings)]
    shared = {name: found[0][name] for name in ("date", "tz", "window_s")}
    both: dict[str, Any] = {"symbols": [day.meta.symbol for day in days], **shared, "days": found, "cross": crossed, "warnings": []}
    return Result([*tables, cross_table(crossed)], [several.asked(both)], both, lambda command: several.page(both, command))


def own_table(told: dict[str, Any], *, named: bool) -> Table:
    """A row an interval and model."""
    table = columns("over", "model", "R²", "± s.e.", "adjusted", "ahead", "windows", title=told["symbol"] if named else "")
    for row in told["rows"]:
        numbers = (number(row[name], 3) for name in ("r2", "error", "adjusted", "ahead"))
        table.add_row(f"{row['seconds']} s", row["model"], *numbers, str(row["windows"]))
    return table


def cross_table(crossed: list[dict[str, Any]]) -> Table:
    """A row a symbol, interval and whose seconds move."""
    title = "with the others' flow: R² in its window, and ahead"
    table = columns("symbol", "over", "moves", "own", "+ others", "own ahead", "+ others", "gain", "± s.e.", "chosen", title=title)
    for row in crossed:
        numbers = (number(row[name], 3) for name in ("own", "all", "own_ahead", "all_ahead", "gain", "error"))
        chosen = percent(sum(row["chosen"].values()) / len(row["chosen"]), 0)
        table.add_row(row["symbol"], f"{row['seconds']} s", row["moves"], *numbers, chosen)
    return table


# The simulation of Gu, Kelly and Xiu ---------------------------------------------------------------------------------------------------


def by_simulation(place: str, asked: Asked) -> Result:
    """How much of what an oracle knows each family finds, on paired seeds."""
    from tercet.report import gkx as pages
    from tercet.signals.gkxtable import families, gkx_table
    from tercet.signals.registry import chosen
    from tercet.signals.samples import MEAN

    asked.refuse("gkx", "folds", "horizons", "planted", "experiment")
    if place:
        raise BadInput(f"task was 'gkx:{place}'; expected gkx alone: it makes its own data")
    known = {expert.name: expert for expert in families()}
    names = asked.experts or tuple(known)
    experts = [known.get(name) or chosen([name], MEAN)[0] for name in names]

    def tell(done: int, of: int) -> None:
        asked.tell(f"made panels, {done} of {of} learned and asked", done, of)

    found = gkx_table(experts, 20 if asked.seeds is None else asked.seeds, tell=tell)
    told = dataclasses.asdict(found) | {"experts": list(names), "warnings": []}
    table = columns("family", "design", "of the oracle's", "± s.e.", "R²", "wins", "seeds", "fit s")
    for row in found.rows:
        shares = (percent(row.fraction), percent(row.error), percent(row.r2, 2))
        table.add_row(row.expert, row.design, *shares, str(row.wins), str(row.seeds), number(row.seconds, 1))
    return Result([table], [pages.asked(told), *pages.verdicts(told)], told, lambda command: pages.page(told, command))


# The daily cross-section --------------------------------------------------------------------------------------------------------------

BY_PANEL: Final = ("ols", "elastic-net", "lightgbm")


def by_panel(place: str, asked: Asked) -> Result:
    """Which stocks of a date do better, and whether the portfolios made of that are to be believed."""
    from tercet.report import crosssection as pages
    from tercet.signals.directions import summary
    from tercet.signals.panels import PanelsSettings, judged
    from tercet.signals.registry import chosen
    from tercet.signals.samples import MEAN
    from tercet.signals.sources import bars
    from tercet.signals.trials import Ledger

    names = asked.experts or BY_PANEL
    if asked.seeds not in (None, 1):
        raise BadInput(f"seeds were {asked.seeds}; expected 1: a portfolio is judged by its trials, and each seed is one")
    given = {name: value for name in ("folds", "horizons", "planted", "experiment") if (value := getattr(asked, name)) is not None}
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
    loaded = bars(place)
    found: list[dict[str, Any]] = []
    warned: list[str] = []
    for league, verdict, silent in judged(loaded.table, experts, settings, ledger, tell):
        warned += [f"{league.task}: {name} said the same of all stocks of a date and has no portfolio" for name in silent]
        rows = [dataclasses.asdict(one) | {"returns": one.returns.tolist(), "passes": one.passes} for one in verdict.portfolios]
        found.append({"league": summary([league]), "portfolios": rows, "overfitting": verdict.overfitting})
    told: dict[str, Any] = {
        "file": place,
        "name": Path(place).name,
        "dropped": loaded.dropped,
        "nulled": loaded.nulled,
        "ledger": str(ledger.path),
    }
    told |= {"asked": {"experts": list(names), **dataclasses.asdict(settings)}, "leagues": found, "warnings": warned}
    lines = [line for one in found for line in (pages.verdict(one), counts(one["league"]))]
    return Result([panel_table(one) for one in found], [pages.asked(told), *lines], told, lambda w: pages.page(told, w))


def panel_table(found: dict[str, Any]) -> Table:
    """A row an expert; uncut is the DSR of what was really earned, and the gate asks both."""
    from tercet.report.crosssection import overfitting

    periods = len(found["portfolios"][0]["returns"]) if found["portfolios"] else 0
    title = f"{found['league']['task']}: {periods} periods, bps each; PBO {overfitting(found)}"
    table = columns("expert", "gross", "net", "Sharpe", "PSR", "DSR", "uncut", "rank IC", "t", "gate", title=title)
    for row in found["portfolios"]:
        money = (number(1e4 * row["gross"], 1), number(1e4 * row["net"], 1), number(row["sharpe"]))
        chances = (percent(row["psr"]), percent(row["dsr"]), percent(row["uncut_dsr"]))
        ic = (number(row["ic"]["mean"], 4), number(row["ic"]["t"], 1))
        table.add_row(row["expert"], *money, *chances, *ic, "passed" if row["passes"] else "rejected")
    return table


# ---------------------------------------------------------------------------------------------------------------------------------------


def stored(place: str) -> Any:
    """A stored day, checked against its checksum."""
    from tercet.market.store import open_day

    if not place:
        raise BadInput("expected the folder of a stored day behind the colon, such as direction:STORE/SYMBOL_DATE")
    day = open_day(Path(place))
    day.verify()
    return day


def about(place: str, day: Any) -> dict[str, Any]:
    """What a result says of its day."""
    meta = day.meta
    return {"day": place, "symbol": meta.symbol, "date": str(meta.date), "tz": meta.tz, "events": len(day.events)}


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
    return KINDS[kind](place, asked)
