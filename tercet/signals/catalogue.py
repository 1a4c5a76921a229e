"""FEATURES: every microstructure feature by name, in the order of the columns: what it is, its unit, its paper, its warm-up."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tercet.signals.ladder import DEEP, LEVELS
from tercet.signals.orderflow import DEPTH_EVENTS, EVENTS


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. `warm_up` says until when it is null; beyond that only what `definition` says makes it null."""

    name: str
    family: str
    definition: str
    unit: str
    source: str
    warm_up: str


QUOTED: Final = "while one side is empty or trading is halted"
FIRST_MESSAGE: Final = "the first message"
FIRST_TRADE: Final = "the first trade"
NONE: Final = "none"
SECONDS: Final = (1, 10, 60)

CKS: Final = "Cont, Kukanov & Stoikov 2014"
XGH: Final = "Xu, Gould & Howison 2019"
CCZ: Final = "Cont, Cucuringu & Zhang 2023"
STOIKOV: Final = "Stoikov 2018"
CJP: Final = "Cartea, Jaimungal & Penalva 2015"
LONG_MEMORY: Final = "Lillo & Farmer 2004; Bouchaud, Gefen, Potters & Wyart 2004"


def _book() -> Iterator[Feature]:
    def book(name: str, definition: str, unit: str, source: str, warm_up: str = NONE) -> Feature:
        return Feature(name, "book", f"{definition}; null {QUOTED}", unit, source, warm_up)

    yield book("spread", "best ask less best bid", "ticks", NONE)
    for level in range(1, 6):
        yield book(
            f"imbalance_{level}", f"(bid lots − ask lots) / their sum at level {level}; 0 where neither side has one", "−1 to 1", CJP
        )
    for levels in DEEP:
        yield book(f"depth_imbalance_{levels}", f"(bid lots − ask lots) / their sum over the best {levels} levels", "−1 to 1", CJP)
    yield book("weighted_mid", "mid weighted by the opposite touches' lots, less the mid", "ticks", STOIKOV)
    yield book("microprice", "not there yet", "ticks", STOIKOV)
    for side in ("bid", "ask"):
        yield book(
            f"slope_{side}",
            f"least-squares line through the mid of the lots up to each of {LEVELS} levels on their distance from it, {side} side",
            "lots a tick",
            "Næs & Skjeltorp 2006",
        )
    for verb, side in (("buy", "ask"), ("sell", "bid")):
        yield book(
            f"sweep_{verb}",
            f"cost against the mid of walking the {side} side for so many lots (a setting; 3 × `depth` by default); "
            f"null where {LEVELS} levels hold fewer",
            "ticks a lot",
            "Bessembinder & Venkataraman 2010",
            FIRST_MESSAGE,
        )


def _orderflow() -> Iterator[Feature]:
    def flow(name: str, definition: str, source: str, unit: str = "depths", warm_up: str = FIRST_MESSAGE) -> Feature:
        return Feature(name, "order flow", definition, unit, source, warm_up)

    kinds = (("ofi", "order-flow imbalance of the touch", CKS), ("ofi_all", f"the same of {LEVELS} levels by their weights", CCZ))
    for name, what, source in kinds:
        for seconds in SECONDS:
            yield flow(f"{name}_{seconds}s", f"{what}, forgetting over {seconds} s, by `depth`", source)
        for events in EVENTS:
            yield flow(f"{name}_{events}e", f"{what}, forgetting over {events} messages, by `depth`", source)
    for level in range(1, LEVELS + 1):
        yield flow(f"ofi_level_{level}", f"order-flow imbalance of level {level}, forgetting over 10 s, by `depth`", XGH)
    for level in range(1, LEVELS + 1):
        yield flow(f"ofi_total_{level}", f"order-flow imbalance of level {level} since the start", XGH, "lots", NONE)
    yield flow("depth", f"mean lots of a level, {LEVELS} levels of both sides, over the last {DEPTH_EVENTS} messages", CCZ, "lots")


def _trades() -> Iterator[Feature]:
    def trade(name: str, definition: str, unit: str, source: str, warm_up: str = NONE) -> Feature:
        return Feature(name, "trades", definition, unit, source, warm_up)

    for seconds in SECONDS:
        yield trade(f"signed_{seconds}s", f"lots bought less lots sold by aggressors, forgetting over {seconds} s", "lots", NONE)
    for seconds in SECONDS:
        yield trade(f"volume_{seconds}s", f"lots traded, forgetting over {seconds} s", "lots", NONE)
    for seconds in SECONDS:
        yield trade(f"signed_share_{seconds}s", f"`signed_{seconds}s` / `volume_{seconds}s`; 0 before any trade", "−1 to 1", NONE)
    for trades in (10, 50, 100):
        yield trade(f"signs_{trades}", f"mean sign of aggressors, forgetting over {trades} of them", "−1 to 1", LONG_MEMORY, FIRST_TRADE)
    yield trade(
        "sign_expected",
        "sign of the next aggressor expected from those before: weights fall as n^−1.25 (signs' correlation as n^−0.5), "
        "as six exponentials of 1 to 1024 trades whose weights sum to 1",
        "−1 to 1",
        LONG_MEMORY,
        FIRST_TRADE,
    )


def _day() -> Iterator[Feature]:
    yield Feature("time_of_day", "day", "time since the open by the session's length", "share", NONE, NONE)
    yield Feature(
        "volume_factor",
        "day",
        "log of lots traded so far by those usual by now on earlier days; null without any",
        "log",
        NONE,
        NONE,
    )


FEATURES: Final[tuple[Feature, ...]] = (*_book(), *_orderflow(), *_trades(), *_day())
NAMES: Final = tuple(feature.name for feature in FEATURES)


def table() -> str:
    """Every feature as a Markdown page."""
    lines = [
        "# Microstructure features",
        "",
        "What `tercet features DAY --out FILE` writes, column by column; made by `tercet features --table > docs/features.md`.",
        "Beside them stand `event_time` and `known_time` (ns), `bid`, `ask` (ticks) and `mid2` (bid + ask); the three are null",
        "where the book is not quoted. An aggressor is one or more executions of one side at one time; HIDDEN executions count.",
        "",
        "| name | family | definition | unit | source | null before |",
        "|---|---|---|---|---|---|",
    ]
    for one in FEATURES:
        lines.append(f"| `{one.name}` | {one.family} | {one.definition} | {one.unit} | {one.source} | {one.warm_up} |")
    return "\n".join(lines) + "\n"
