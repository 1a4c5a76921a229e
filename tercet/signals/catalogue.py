"""FEATURES: every microstructure feature by name, in the order of the columns: what it is, its unit, its paper, its warm-up."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tercet.signals import impact
from tercet.signals.arrivals import BRANCHING
from tercet.signals.ladder import DEEP, LEVELS
from tercet.signals.micro import LEANS, SPREADS
from tercet.signals.orderflow import DEPTH_EVENTS, EVENTS
from tercet.signals.resilience import FADE as REFILLS
from tercet.signals.seconds import FADE, FIRST, FIRST_WINDOWS, LAGS, SLOW, WINDOW, WINDOWS
from tercet.signals.toxicity import BUCKETS, FIRST_BUCKETS, FIRST_RESIDUAL


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
    yield book(
        "microprice",
        f"where the mid is expected to end, less the mid: the antisymmetric G of G(x) = E[change of the mid + G(next)], x one of {LEANS} "
        f"classes of imbalance and {len(SPREADS) + 1} of spread (from 1, {', '.join(map(str, SPREADS))} ticks), learnt from all "
        "transitions so far and their mirror images; 0 in a state not left before",
        "ticks",
        STOIKOV,
    )
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


def _toxicity() -> Iterator[Feature]:
    size = "lots of a 500th of an earlier day, or, without any, of 50 of the first 100 aggressors"
    vpin = f"mean of |bought − sold| / lots over the last {BUCKETS} buckets of volume, by the aggressors' sides; a bucket: {size}"
    yield Feature("vpin", "toxicity", vpin, "0 to 1", "Easley, López de Prado & O'Hara 2012", f"bucket {FIRST_BUCKETS}")
    yield Feature(
        "vpin_net",
        "toxicity",
        "`vpin` at the last bucket's end less its regression on log `variance` and log `volume_60s`, fitted on the buckets before",
        "share",
        "Andersen & Bondarenko 2014",
        f"{FIRST_RESIDUAL} buckets from bucket {FIRST_BUCKETS} and {FIRST} s on",
    )


def _costs() -> Iterator[Feature]:
    def cost(name: str, definition: str, unit: str, source: str, warm_up: str) -> Feature:
        return Feature(name, "costs", definition, unit, source, warm_up)

    mean = f"mean of the last {impact.FADE} aggressors"
    spread = f"2 × side × (price − mid before), {mean}, by lots"
    yield cost("effective_spread", spread, "ticks", "Huang & Stoll 1996", FIRST_TRADE)
    realised = f"2 × side × (first price − mid 5 s after), {mean}"
    yield cost("realised_spread", realised, "ticks", "Huang & Stoll 1996", "the first trade and 5 s")
    roll = f"2 √(−cov) of successive changes of aggressors' first prices, mean of the last {impact.ROLL_FADE}; 0 where cov > 0"
    yield cost("roll", roll, "ticks", "Roll 1984", "the third aggressor")
    for after in impact.AFTER:
        moved = f"side × (mid {after} s after − mid before), {mean}, at most {impact.WAITING} of them waiting"
        yield cost(f"impact_{after}s", moved, "ticks", "Bouchaud, Gefen, Potters & Wyart 2004", f"the first trade and {after} s")
    refill = "until half of the lots taken from the best price are back, or a better price is, 60 s at most"
    yield cost("refill", f"time {refill}; mean of the last {REFILLS}", "s", "Large 2007", "the first refill")
    ratio = "messages that cancel or reduce orders by those that add them, forgetting over 60 s"
    yield cost("cancel_add_ratio", ratio, "ratio", "Hasbrouck & Saar 2013", "the first order")


def _arrivals() -> Iterator[Feature]:
    kernel = f"self-exciting, four exponentials of 0.1 to 60 s like t^−1.15, branching {BRANCHING}, base rate from the last 300 s"
    for row, what in (("buy", "buying"), ("sell", "selling")):
        text = f"{what} aggressors expected a second: {kernel}"
        yield Feature(f"hawkes_{row}", "arrivals", text, "1/s", "Bacry, Mastromatteo & Muzy 2015", "time has passed")
    share = "(`hawkes_buy` − `hawkes_sell`) / their sum; 0 where neither is"
    yield Feature("hawkes_imbalance", "arrivals", share, "−1 to 1", "Bacry, Mastromatteo & Muzy 2015", "time has passed")
    text = f"branching ratio 1 − √(mean / variance) of aggressors in windows of {WINDOW} s, over the last {WINDOWS}; 0 below Poisson's"
    yield Feature("branching", "arrivals", text, "0 to 1", "Hardiman & Bouchaud 2014", f"{FIRST_WINDOWS * WINDOW} s")


def _seconds() -> Iterator[Feature]:
    def second(name: str, definition: str, unit: str, source: str, warm_up: str = f"{FIRST} s") -> Feature:
        return Feature(name, "seconds", definition, unit, source, warm_up)

    r = f"of 1 s log returns of the mid, forgetting over {FADE} s"
    bns, bp2 = "Barndorff-Nielsen & Shephard 2004", "bp² a second"
    kyle = f"slope through 0 of a second's change of the mid on its signed lots, forgetting over {FADE} s"
    yield second("kyle", kyle, "ticks a lot", "Kyle 1985", f"{FIRST} s and a trade")
    amihud = f"mean |return| / lots of seconds with trades, forgetting over {FADE} s"
    yield second("amihud", amihud, "bp a lot", "Amihud 2002", f"{FIRST} s and a trade")
    yield second("variance", f"realised variance {r}", bp2, "Andersen, Bollerslev, Diebold & Labys 2003")
    yield second("bipower", f"bipower variation {r}", bp2, bns)
    yield second("medrv", f"median of three squared returns, scaled, {r}", bp2, "Andersen, Dobrev & Schaumburg 2012")
    yield second("quarticity", f"tripower quarticity {r}", "bp⁴ a second²", bns)
    for name, what in (("up", "upward"), ("down", "downward")):
        yield second(f"variance_{name}", f"the {what} part of `variance`", bp2, "Barndorff-Nielsen, Kinnebrock & Shephard 2010")
    jump = "ratio test: (1 − bipower / variance) by its standard error; 0 where nothing moved"
    yield second("jump", jump, "standard errors", "Barndorff-Nielsen & Shephard 2006; Huang & Tauchen 2005")
    drift = f"mean return over {FADE} s (exponential kernel) by its standard error from {SLOW} s with {LAGS} lags by Parzen; 0 where still"
    yield second("drift_burst", drift, "standard errors", "Christensen, Oomen & Renò 2022", f"{FADE} s")


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
    yield Feature(
        "volume_pace", "day", "log of lots a second, forgetting over 60 s, by their mean since the first event", "log", NONE, FIRST_TRADE
    )


FEATURES: Final[tuple[Feature, ...]] = (*_book(), *_orderflow(), *_trades(), *_toxicity(), *_costs(), *_arrivals(), *_seconds(), *_day())
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
