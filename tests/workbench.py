"""One parent worked in one market by one policy, with everything that came of it; and policies made for tests."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from histories import BOTH, SIZE, Recording, start_state
from numpy.typing import NDArray

from tercet.backtest.episode import COURSE, OUTCOME, machine
from tercet.backtest.markets import Market
from tercet.book.records import CANCEL_OWN, FREE, REPLACE_OWN, SUBMIT
from tercet.book.state import POST_ONLY
from tercet.compiled import compiled
from tercet.execution.policy import Policy, move, policy, post
from tercet.execution.tca import COST, FEES, TALLY, account
from tercet.execution.view import CURVE_STEPS, PARENT, QUIET_PLACES, VIEW
from tercet.execution.volume import default_curve
from tercet.market.events import BUY
from tercet.market.instruments import Instrument
from tercet.sim.random import uniform
from tercet.sim.state import HISTORY, new_scratch


def parent(start: int, end: int, lots: int, side: int = BUY, **terms: Any) -> Any:
    """A PARENT record with a flat volume curve; `limit` and `quiet` (windows) as in the message."""
    row = np.zeros(1, PARENT).view(np.recarray)[0]
    row.start, row.end, row.lots, row.side, row.most = start, end, lots, side, 1.0
    row.curve = np.linspace(0, 1, CURVE_STEPS + 1)
    row.expected_lots = 10.0 * lots
    if terms.get("limit") is not None:
        row.limited, row.limit = 1, terms["limit"]
    for place, window in zip(range(QUIET_PLACES), terms.pop("quiet", ()), strict=False):
        row.quiet[place] = window
    for name, value in terms.items():
        if value is not None:
            setattr(row, name, value)
    return row


class Worked(NamedTuple):
    """What came of one parent."""

    reports: NDArray[np.void]
    outcome: Any
    cost: Any
    pad: Any
    looks: NDArray[np.void]

    @property
    def filled(self) -> int:
        """Lots filled, completion included."""
        return int(self.reports["lots"].sum())


def work(sim: Any, events: NDArray[np.void], row: Any, how: Policy, step: int, fees: Sequence[float] = (0.0, 0.0, 0.0, 0.0)) -> Worked:
    """Work a parent in `sim`, which must stand before its first look."""
    scratch = new_scratch(sim)
    outcome, cost = np.zeros(1, OUTCOME).view(np.recarray)[0], np.zeros(1, COST).view(np.recarray)[0]
    pad, charged = how.new_pad(), np.zeros(1, FEES).view(np.recarray)[0]
    charged.taker_ticks, charged.maker_ticks, charged.taker_bps, charged.maker_bps = fees
    view = np.zeros(1, VIEW).view(np.recarray)[0]
    machine(sim.dtype, scratch.dtype, events is not None)(sim, events, row, how.decide, pad, view, scratch, step, np.zeros(1, COURSE).view(np.recarray)[0], outcome)
    account(cost, scratch, row, outcome, charged, np.zeros(1, TALLY).view(np.recarray)[0])
    return Worked(np.array(scratch.reports[: int(scratch.count)]), outcome, cost, pad, np.array(scratch.looks[: int(scratch.looked)]))


@compiled
def _below(pad, number):
    """A random whole number below `number`, keyed by the pad's seed; memory[0] counts them."""
    pad.memory[0] += 1.0
    return int(uniform(int(pad.settings[0]), 40, int(pad.memory[0])) * number)


@policy
def wild(view, pad):
    """Anything at all, within its terms or not: settings[0] is its seed. memory[1] is the most it was ever over the parent."""
    pad.memory[1] = max(pad.memory[1], view.filled + view.open - view.lots)
    count = _below(pad, 5)
    for i in range(count):
        child = pad.children[i]
        child.verb = _below(pad, 3)
        child.kind = _below(pad, 5) if child.verb == SUBMIT else 4 * _below(pad, 2)
        child.side = 2 * _below(pad, 2) - 1
        child.lots = _below(pad, 2 * view.lots) - 1
        child.tick = int(view.mid) + _below(pad, 13) - 6
        if child.verb in (CANCEL_OWN, REPLACE_OWN):
            child.handle = view.own[_below(pad, len(view.own))].handle
    return count


def wild_policy(seed: int) -> Policy:
    """`wild` with that seed."""
    return Policy("wild", wild, (float(seed),))


@policy
def grasping(view, pad):
    """Rests two small orders, then asks in one breath for each of them to become as large as the whole parent."""
    pad.memory[0] += 1.0
    for i in range(2):
        child = pad.children[i]
        child.verb = SUBMIT if pad.memory[0] == 1.0 else REPLACE_OWN
        child.kind = POST_ONLY
        child.tick = view.bid - 1 - i
        child.lots = 1 if pad.memory[0] == 1.0 else view.lots
        child.handle = view.own[i].handle
    return 2 if pad.memory[0] <= 2.0 else 0


@policy
def pegged(view, pad):
    """Keeps one order at the near touch, wherever that goes: what it does shows what it sees."""
    near = view.bid if view.side == BUY else view.ask
    for i in range(len(view.own)):
        if view.own[i].state != FREE:
            return move(pad, 0, view.own[i], near, False) if view.own[i].tick != near else 0
    return post(view, pad, 0, view.lots - view.filled, near, False)


def random_day(seed: int, messages: int, seconds: float) -> NDArray[np.void]:
    """A recorded day of so many messages, after `BOTH`, evenly spread over that time with some of them at equal times."""
    rng, day = np.random.default_rng(seed), Recording(BOTH)
    words = ["add"] * 12 + ["trade"] * 2 + ["cancel"] * 4 + ["reduce", "hidden", "reveal"]
    for i in range(messages):
        if rng.random() < 0.8:
            day.time = 1 + int(i * seconds * 1e9 / messages)
        a, b, c = (int(number) for number in rng.integers(0, 4096, 3))
        day.message(str(rng.choice(words)), int(rng.choice([1, -1])), a, b, c)
    return day.events()


def recorded_market(events: NDArray[np.void]) -> Market:
    """A market of a day made by hand, which begins with `BOTH`."""
    return Market(
        name="history:made",
        kind=HISTORY,
        instrument=Instrument(symbol="MADE"),
        open_ns=0,
        close_ns=int(events["time"][-1]),
        events=events,
        levels=start_state(BOTH),
        book_size=SIZE,
        crowd=None,
        expected_day_lots=float(events["lots"].sum()),
        sizing_day_lots=float(events["lots"].sum()),
        volume_source="made",
        curve=default_curve(),
        caveat="made",
    )
