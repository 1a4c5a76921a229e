"""A user's policy worked through one parent in plain Python, so that its mistakes are named by file and line."""

import difflib
import math
import traceback
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from tercet.book.records import CHILD, FREE, OWN, REPLACE_OWN, RESTING, SUBMIT
from tercet.book.state import MARKET
from tercet.errors import BadInput
from tercet.execution.view import LEVELS, VIEW
from tercet.market.events import BUY, SELL

DECISIONS: Final = 240
LOTS: Final = 1000
STEP_NS: Final = 1_000_000_000
PAD_FIELDS: Final = ("settings", "memory", "action", "pressure", "children")


def unknown_field(decide: Any, name: str) -> BadInput:
    """The error for a field that neither a VIEW nor a pad nor their parts have, with the nearest one that they have."""
    known = (*(VIEW.names or ()), *PAD_FIELDS, *(CHILD.names or ()), *(OWN.names or ()))
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(dict.fromkeys(known))}"
    where = decide.__code__
    return BadInput(f"policy {decide.__name__} ({where.co_filename}, line {where.co_firstlineno}): there is no field {name!r}; {hint}")


def work_one_parent(name: str, decide: Callable[[Any, Any], Any], pad: Any) -> None:
    """Let a plain `decide` work a buy and a sell in an invented market; raises BadInput for what it does wrong."""
    if decide.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return
    for side in (BUY, SELL):
        fresh, rng = pad.copy(), np.random.default_rng(1)
        view = np.zeros(1, VIEW).view(np.recarray)[0]
        view.side, view.lots, view.step, view.end, view.most = side, LOTS, STEP_NS, DECISIONS * STEP_NS, 1.0
        view.curve, view.expected_lots = np.linspace(0.0, 1.0, len(view.curve)), 20.0 * LOTS
        for number in range(DECISIONS):
            show_market(view, number, rng)
            act_on(view, fresh.children[: returned(name, decide, view, fresh)], name)
            fill(view, rng)


def returned(name: str, decide: Callable[[Any, Any], Any], view: Any, pad: Any) -> int:
    """How many children one decision returns."""
    places = len(pad.children)
    try:
        with np.errstate(all="ignore"):
            count = decide(view, pad)
    except AttributeError as error:
        raise unknown_field(decide, str(error).rpartition("attribute ")[2].strip("'")) from error
    except Exception as error:
        raise BadInput(f"policy {name}, {line_of(decide, error)}: {error}; expected a decision without errors") from error
    if not isinstance(count, int | np.integer) or not 0 <= count <= places:
        raise BadInput(f"policy {name} returned {count!r} children; expected a whole number from 0 to {places}, the places of a pad")
    return int(count)


def line_of(decide: Any, error: Exception) -> str:
    """The last line of a policy's own file that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == decide.__code__.co_filename]
    last = own[-1] if own else frames[-1]
    return f"{last.filename}, line {last.lineno} ({last.line})"


def show_market(view: Any, number: int, rng: np.random.Generator) -> None:
    """A market a decision later: a mid that walks, spreads of one to three ticks, levels with gaps, a volume that grows."""
    view.now, view.elapsed = number * STEP_NS, number / DECISIONS
    view.bid = (view.bid if number else 10_000) + int(rng.integers(-2, 3))
    view.ask = view.bid + int(rng.integers(1, 4))
    for row, (touch, away) in enumerate(((view.bid, -1), (view.ask, 1))):
        view.ticks[row], view.depth[row] = touch + away * np.arange(LEVELS), rng.integers(1, 500, LEVELS)
    view.bid_lots, view.ask_lots = view.depth[0, 0], view.depth[1, 0]
    view.mid = view.microprice = 0.5 * (view.bid + view.ask)
    view.arrival_mid = view.arrival_mid if number else view.mid
    view.market_lots += int(rng.integers(0, 200))
    view.imbalance, view.order_flow, view.signed = rng.uniform(-1.0, 1.0, 3), rng.normal(0.0, 100.0), rng.normal(0.0, 100.0)
    view.volume, view.volatility_short, view.volatility_long = rng.exponential(100.0), 1.0 + rng.random(), 1.0 + rng.random()


def act_on(view: Any, children: Any, name: str) -> None:
    """Do what a decision asks for: market orders trade, others rest where there is room."""
    for child in children:
        if not SUBMIT <= child.verb <= REPLACE_OWN:
            raise BadInput(f"policy {name} returned a child of verb {child.verb}; expected what post, cross, move or withdraw writes")
        place = next((i for i, own in enumerate(view.own) if own["handle"] == child.handle and own["state"] != FREE), -1)
        if child.verb == SUBMIT and child.kind == MARKET:
            view.filled = min(view.filled + max(child.lots, 0), view.lots)
        elif child.verb == SUBMIT:
            free = next((i for i, own in enumerate(view.own) if own["state"] == FREE), -1)
            lots = min(child.lots, view.lots - view.filled - view.open)
            if free >= 0 and lots > 0:
                view.own[free] = (int(view.own["handle"].max()) + 1, lots, 0, child.tick, 1 + free, view.side, RESTING)
        elif place >= 0:
            view.own[place]["tick"] = child.tick
            view.own[place]["state"] = RESTING if child.verb == REPLACE_OWN else FREE
        view.open = int(view.own["lots"][view.own["state"] != FREE].sum())


def fill(view: Any, rng: np.random.Generator) -> None:
    """Let some of what rests trade."""
    for own in view.own:
        if own["state"] != FREE and rng.random() < 0.2:
            lots = min(math.ceil(own["lots"] * rng.random()), view.lots - view.filled)
            view.filled += lots
            own["lots"], own["filled"] = own["lots"] - lots, own["filled"] + lots
            own["state"] = RESTING if own["lots"] > 0 else FREE
    view.open = int(view.own["lots"][view.own["state"] != FREE].sum())
