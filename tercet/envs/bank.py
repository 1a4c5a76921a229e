"""The bank: warmed start states of one or several markets, and the parents that can begin there. Episodes are drawn from it.

A crowd's entries are runs of different seeds at different times of the day, each as stationary as the crowd itself; a copy is given a
future of its own. A recorded day's entries are moments of it, and their future is the recorded one: so a day is cut into PARTS, and no
episode of one part sees anything of the next.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.episode import watch
from tercet.backtest.halts import closed_to, length, past, when
from tercet.backtest.markets import Market
from tercet.backtest.parents import MEMORY_NS, SECOND, records
from tercet.book.queries import depth, two_sided
from tercet.errors import BadInput
from tercet.execution.caution import CAUTION, SLOW_S, CautionSettings
from tercet.execution.observation import USUAL
from tercet.execution.view import LEVELS, PARENT
from tercet.market import calendar
from tercet.market.events import BUY, SELL
from tercet.messages import Parent
from tercet.sim.episode import advance
from tercet.sim.state import HISTORY, new_scratch

ALL, TRAINING, VALIDATION, TEST = "all", "training", "validation", "test"
WATCHED_NS: Final = int(SLOW_S) * SECOND  # of an invented market: by then what is usual in it is known
PARTS: Final = {ALL: (0.0, 1.0), TRAINING: (0.0, 0.6), VALIDATION: (0.6, 0.8), TEST: (0.8, 1.0)}  # of a recorded session's time


@dataclass(frozen=True)
class Bank:
    """Start states, (entries,) simulations of one type, each with what has watched it, (entries,) CAUTIONs, or none where nobody does; the
    parents that begin there and the volumes that sizes are taken of, (entries, horizons); what is usual there.
    """

    sims: Any
    cautions: NDArray[np.void]
    templates: Any
    volumes: NDArray[np.float64]
    usual: Any
    events: NDArray[np.void] | None


def fill_bank(
    markets: tuple[Market, ...],
    entries: int,
    horizons: tuple[int, ...],
    feed_ns: int,
    seed: int,
    part: str = ALL,
    posture: CautionSettings | None = None,
) -> Bank:
    """A bank of at least `entries` start states, as many of each market; horizons and the slowest feed in ns; `part` of PARTS; what
    watches them, if anybody.

    Markets must have simulations of one type and the same fees, and recorded days stand alone.
    """
    refuse_mixtures(markets)
    sims, cautions, templates, latest = [], [], [], max(horizons)
    seed += 100_003 * list(PARTS).index(part)
    each = -(-entries // len(markets))
    for place, market in enumerate(markets):
        if market.close_ns - market.open_ns <= MEMORY_NS + latest + feed_ns:
            raise BadInput(f"{market.name}: the session is too short for a horizon of {latest / 1e9:g} s")
        runs = seed * 1_000_003 + 10_007 * place
        starts = spread_starts(market, each, latest, seed + place, part)
        starts = [before_seller(market, number, runs, start, latest) for number, start in enumerate(starts)]
        for (sim, caution), start in zip(opened(market, starts, feed_ns, runs, posture), starts, strict=True):
            if not two_sided(sim.book):
                raise BadInput(
                    f"{market.name}: at {calendar.clock(start)} one side of the book was empty; expected bids and asks at a start"
                )
            sims.append(sim)
            cautions.append(caution)
            parents = tuple(Parent(side=BUY, lots=1, start=start, end=start + horizon) for horizon in horizons)
            templates.append(records(parents, market))
    if len({sim.dtype for sim in sims}) > 1:
        raise BadInput("markets of different book sizes in one bank; expected equal levels, orders and births")
    bank = np.zeros(len(sims), sims[0].dtype).view(np.recarray)
    for row, sim in zip(bank.view(np.uint8).reshape(len(sims), -1), sims, strict=True):
        row[:] = np.frombuffer(sim.tobytes(), np.uint8)
    # By their bytes: numpy leaves those between fields as it finds them, and a snapshot holds them all.
    rows = np.frombuffer(bytearray(b"".join(one.tobytes() for one in templates)), PARENT).reshape(len(templates), -1).view(np.recarray)
    volumes = np.concatenate([sized(market, part) for market, part in zip(markets, np.split(rows, len(markets)), strict=True)])
    return Bank(bank, np.concatenate(cautions), rows, volumes, usual_of(bank), markets[0].events)


def refuse_mixtures(markets: tuple[Market, ...]) -> None:
    """Raise BadInput for markets that no one bank can hold."""
    if len(markets) > 1 and any(market.kind == HISTORY for market in markets):
        raise BadInput(f"markets were {', '.join(market.name for market in markets)}; expected a recorded day alone")
    if len({market.instrument.fees for market in markets}) > 1:
        raise BadInput("markets of different fees in one bank; expected the same")


def sized(market: Market, rows: Any) -> NDArray[np.float64]:
    """Lots that sizes are taken of, (entries, horizons); where no other day tells, they are the day's own, and no policy sees them."""
    share = [[market.curve.over(market.open_ns, market.close_ns, int(r["start"]), int(r["end"]))[1] for r in row] for row in rows]
    return np.array(share) * market.sizing_day_lots


def spread_starts(market: Market, count: int, latest: int, seed: int, part: str = ALL) -> list[int]:
    """Times of a session at which parents begin, rising: one drawn from each of as many equal stretches.

    On a recorded day parents begin and end within the part, and none meets a halt; a crowd's future is its own at any time of the day.
    """
    first, last = market.open_ns + MEMORY_NS, market.close_ns
    if market.kind == HISTORY:
        first, last = (int(first + share * (last - first)) for share in PARTS[part])
    last -= latest
    shut = closed_to(market.halts, first, last, latest)
    if last <= first + length(shut):
        why = f": {when(market.halts, market.tz)}" if shut else ""
        raise BadInput(f"{market.name}: the {part} part of the session is too short for a horizon of {latest / 1e9:g} s{why}")
    rng = np.random.default_rng([seed, 3])
    starts = [int(first + (i + rng.random()) * (last - first - length(shut)) / count) for i in range(count)]
    return [int(time) for time in past(np.array(starts), shut)]


def before_seller(market: Market, number: int, seed: int, start: int, latest: int) -> int:
    """The start of entry `number`; where there is a large seller, moved to so long before its onset, the longest horizon at most: it is
    within the session, and so is the onset within that horizon.
    """
    onset = market.onset(number, seed)
    if onset is None:
        return start
    return max(min(onset - (start - market.open_ns) % latest, market.close_ns - latest), market.open_ns + MEMORY_NS)


def opened(
    market: Market, starts: list[int], feed_ns: int, seed: int, posture: CautionSettings | None = None
) -> list[tuple[Any, NDArray[np.void]]]:
    """Simulations of a market a feed latency before each start, and of each the CAUTION that has watched it, (1,), or none, (0,)."""
    if market.kind == HISTORY:
        rolling, watching = market.open(0, 0), watcher(posture, market.open_ns)
        found = []
        for start in starts:
            come(rolling, market, start - feed_ns, watching)
            found.append((np.frombuffer(bytearray(rolling.tobytes()), rolling.dtype).view(np.recarray)[0], watching.copy()))
        return found
    found = []
    for number, start in enumerate(starts):
        sim, watching = market.open(number, seed, start - feed_ns), watcher(posture, start - feed_ns - WATCHED_NS)
        come(sim, market, start - feed_ns, watching)
        found.append((sim, watching))
    return found


def watcher(posture: CautionSettings | None, opens: int) -> NDArray[np.void]:
    """A CAUTION, (1,), that has seen nothing before `opens`; none, (0,), where nobody watches."""
    return np.zeros(0, CAUTION) if posture is None else posture.begun(opens)


def come(sim: Any, market: Market, until: int, watching: Any) -> None:
    """Let a market come to a time, ns, and who watches it see that."""
    scratch = new_scratch(sim)
    for caution in watching:
        watch(sim, market.events, until, scratch, caution)
    advance(sim, market.events, until, scratch)


def usual_of(bank: Any) -> Any:
    """What is usual over the bank's start states, as a USUAL record."""
    usual = np.zeros(1, USUAL).view(np.recarray)[0]
    flow = bank["flow"]
    usual.spread = max(1.0, float(np.mean(flow["ask"] - flow["bid"])))
    usual.depth = max(1.0, float(np.mean(flow["bid_lots"] + flow["ask_lots"])) / 2)
    usual.deep = max(1.0, float(np.mean([lots_seen(sim.book, side) for sim in bank for side in (BUY, SELL)])))
    usual.order_flow = max(1.0, float(np.sqrt(np.mean(flow["imbalance"] ** 2))))
    usual.volume = max(1.0, float(np.mean(flow["volume"])))
    usual.volatility = max(1e-3, float(np.sqrt(np.mean(flow["variance_long"]))))
    return usual


def lots_seen(book: Any, side: int) -> int:
    """Lots over as many of a side's best levels as a VIEW shows."""
    ticks, lots = np.zeros(LEVELS, np.int64), np.zeros(LEVELS, np.int64)
    return int(lots[: depth(book, side, ticks, lots)].sum())
