"""Which parents are traded: how many, how large, when."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.halts import closed_to, inside, length, past, when
from tercet.backtest.markets import Market
from tercet.errors import BadInput
from tercet.execution.view import PARENT, QUIET_PLACES
from tercet.market.events import BUY, SELL
from tercet.messages import Parent

SECOND = 1_000_000_000
UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "sec": SECOND, "m": 60 * SECOND, "min": 60 * SECOND, "h": 3600 * SECOND}
MEMORY_NS = 300 * SECOND  # of the market that a parent's first look wants behind it
SIDES = {"buy": (BUY,), "sell": (SELL,), "both": (BUY, SELL)}
BLOCK_NS = 900 * SECOND
LONGEST_NS = 7 * 24 * 3600 * SECOND
MOST_LOTS = 10**12
MOST_PARENTS = 200_000
MOST_SEED = 9 * 10**12  # a million sessions of each have a seed of 64 bits


@dataclass(frozen=True)
class Plan:
    """Parents of one backtest: the orders, each one's session and start (ns), and the block of time that it lies in.

    Where both sides are traded, parents 2k and 2k + 1 are the buy and the sell of one start.
    """

    parents: tuple[Parent, ...]
    sessions: NDArray[np.int64]
    blocks: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def both_sides(self) -> bool:
        """Whether parents 2k and 2k + 1 are the buy and the sell of one start."""
        if len(self.parents) % 2:
            return False
        pairs = zip(self.parents[0::2], self.parents[1::2], self.sessions[0::2], self.sessions[1::2], strict=True)
        return all(one.start == two.start and one.side == -two.side and here == there for one, two, here, there in pairs)


def duration(text: str) -> int:
    """Nanoseconds of `5min`, `300s`, `250ms`, `2h`; BadInput for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
    if not found or found[2] not in UNITS or float(found[1]) * UNITS[found[2]] > LONGEST_NS:
        raise BadInput(f"time was {text!r}; expected a number and a unit, such as 5min, 30s or 500us ({', '.join(UNITS)}), a week at most")
    return round(float(found[1]) * UNITS[found[2]])


def lots_of(size: str, market: Market, start: int, end: int) -> int:
    """Lots of `2000`, `1%adv` (of a day's expected volume) or `10%volume` (of the volume expected over the horizon)."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%\s*(adv|volume))?\s*", size)
    if not found:
        raise BadInput(f"size was {size!r}; expected lots such as 2000, or a share such as 1%adv or 10%volume")
    number = float(found[1])
    if found[3] == "adv":
        number *= 0.01 * market.sizing_day_lots
    elif found[3] == "volume":
        number *= 0.01 * market.curve.over(market.open_ns, market.close_ns, start, end)[1] * market.sizing_day_lots
    if found[3] is None and number != int(number):
        raise BadInput(f"size was {size!r}; expected a whole number of lots")
    if not 1 <= round(number) <= MOST_LOTS:
        raise BadInput(f"size was {size!r}, {number:.4g} lots here; expected 1 to {MOST_LOTS}")
    return round(number)


def plan(market: Market, count: int, size: str, horizon: int, side: str, seed: int) -> Plan:
    """`count` parents at random times, evenly spread: one in each of as many equal parts of the session(s).

    With `side` both, every start is traded as a buy and as a sell, and an odd count is rounded up. A recorded day is one session; a
    crowd has as many as give each start a block of its own. No parent is worked in a halt or across one: the parts are of the other time.
    """
    sides, first, last = SIDES.get(side, ()), market.open_ns + MEMORY_NS, market.close_ns - horizon
    _refuse(market, count, side, seed, horizon)
    shut = closed_to(market.halts, first, last, horizon)
    if length(shut) == last - first:
        raise BadInput(f"{market.name}: {when(market.halts, market.tz)}, which leaves no time for a horizon of {horizon / SECOND:g} s")
    starts, block, recorded = -(-count // len(sides)), max(BLOCK_NS, 2 * horizon), market.sessions == 1
    per_session = starts if recorded else max(1, (last - first) // block)
    rng = np.random.default_rng([seed, 1])
    parents, sessions, blocks, moved = [], [], [], 0
    for number in range(-(-starts // per_session)):
        here = min(per_session, starts - number * per_session)
        places = np.arange(here) + rng.random(here)
        moved += len(sides) * inside(first + (places * ((last - first) / here)).astype(np.int64), shut)
        width = (last - first - length(shut)) / here if recorded else block
        for time in past((first + places * width).astype(np.int64), shut).tolist():
            for way in sides:
                lots = lots_of(size, market, time, time + horizon)
                parents.append(Parent(side=way, lots=lots, start=time, end=time + horizon))
                sessions.append(number)
                blocks.append(number * 100_000 + (time - first) // block)
    notes = halted(market, len(parents), moved)
    return Plan(tuple(parents), np.array(sessions), np.unique(blocks, return_inverse=True)[1], notes)


def _refuse(market: Market, count: int, side: str, seed: int, horizon: int) -> None:
    """BadInput for what no plan can be made of."""
    room = (market.close_ns - market.open_ns - MEMORY_NS) / SECOND
    longest = f"from 1 s to less than the {max(room, 0):g} s that the session of {market.name} goes on after its first"
    wrong = (
        (side not in SIDES, f"side was {side!r}; expected buy, sell or both"),
        (not 1 <= count <= MOST_PARENTS, f"parents was {count}; expected 1 to {MOST_PARENTS}"),
        (not 1 <= horizon / SECOND < room, f"horizon was {horizon / SECOND:g} s; expected {longest} {MEMORY_NS // SECOND}"),
        (not 0 <= seed <= MOST_SEED, f"seed was {seed}; expected 0 to {MOST_SEED}"),
    )
    for is_wrong, sentence in wrong:
        if is_wrong:
            raise BadInput(sentence)


def halted(market: Market, count: int, moved: int) -> tuple[str, ...]:
    """What halts did to a plan of so many parents, in words; nothing where there was none."""
    if not market.halts:
        return ()
    begun = f"{moved} of {count} would have been, and begin at other times"
    return (f"{when(market.halts, market.tz)}: no parent is worked in a halt or across one; {begun}",)


def records(parents: tuple[Parent, ...], market: Market) -> Any:
    """The parents as PARENT records, each with its volume curve."""
    rows = np.zeros(len(parents), PARENT)
    for row, parent in zip(rows, parents, strict=True):
        row["start"], row["end"], row["lots"], row["side"] = parent.start, parent.end, parent.lots, parent.side
        row["limited"] = parent.limit_tick is not None
        row["limit"] = parent.limit_tick or 0
        row["least"], row["most"], row["urgency"] = parent.least_participation, parent.most_participation, parent.urgency
        row["curve"], share = market.curve.over(market.open_ns, market.close_ns, parent.start, parent.end)
        row["expected_lots"] = share * market.expected_day_lots
        for place, window in zip(range(QUIET_PLACES), parent.quiet, strict=False):
            row["quiet"][place] = window
    return rows
