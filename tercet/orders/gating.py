"""A gate inside a backtest's compiled loop: its records are brought to what a VIEW shows, and each child passes the controls.

A seller's parent holds at its start what it is to sell, and the volume just before it counts for the window of participation. Fills are
valued at the mid at which they are first seen.
"""

import math
from typing import Any, Final

import numpy as np

from tercet.book.records import CANCEL_OWN, FREE, REPLACE_OWN
from tercet.book.state import IOC, MARKET
from tercet.compiled import compiled
from tercet.execution.caps import STATES, level_of
from tercet.execution.policy import DECIDE, SETTINGS, fit, policy
from tercet.execution.working import allowance, largest_of
from tercet.intrinsics import array_at, function_at
from tercet.market.events import BUY
from tercet.orders.checks import ACCOUNT, BUCKETS, CELL, OPEN, ORDER, PERMISSION, RESTING, RULES, SCOPE, SYMBOL, VERDICT, WINDOWS, worth
from tercet.orders.exposure import SHARES, count_message, recount, take, tighten, trade_volume
from tercet.orders.judge import judge

OWN_PLACES: Final = 16
MOST_MID: Final = 2.0**31  # no book has higher ticks
LAST: Final = SETTINGS - 1
BOX: Final = np.dtype(
    [
        ("inner", np.int64),  # the address of the policy's decide
        ("may_buy", np.bool_),  # the sides that the strategy's limits name
        ("may_sell", np.bool_),
        ("scopes", SCOPE, 3),  # strategy, desk, firm
        ("symbols", SYMBOL, (1,)),
        ("bare_scopes", SCOPE, 3),  # with the limits of which a posture leaves shares
        ("bare_symbols", SYMBOL, (1,)),
        ("shares", np.float64, (len(STATES), SHARES)),  # that each state leaves
        ("level", np.int64),  # of the posture that binds now
        ("cells", CELL, (1, 1)),
        ("accounts", ACCOUNT, (1,)),
        ("resting", RESTING, OWN_PLACES + 8),
        ("windows", WINDOWS, (1,)),
        ("orders", ORDER, (1,)),
        ("verdicts", VERDICT, (1,)),
        ("filled", np.int64),  # when last seen
        ("market_lots", np.int64),
        ("refused", np.int64, len(RULES)),  # children, by control; counted over all runs
        ("passed", np.int64),  # and those that no control refused
    ],
    align=True,
)
decide_at: Any = function_at(DECIDE)


@compiled
def see(box, view):
    """Bring the gate's records to what a VIEW shows, and its limits to what the posture leaves of them."""
    symbol, cell, scopes = box.symbols[0], box.cells[0, 0], box.scopes
    level = level_of(view.posture)
    if level != box.level:
        tighten(scopes, box.symbols, box.bare_scopes, box.bare_symbols, box.shares[level])
        box.level = level
    symbol.bid, symbol.ask, symbol.marked, symbol.phase = view.bid, view.ask, view.now, OPEN
    if 0 < view.bid < view.ask:
        symbol.reference = view.mid
    before = view.lots if view.side != BUY else 0
    width = max(1, box.windows[0].volume // BUCKETS)
    if view.now == view.start:
        trade_volume(box.symbols, 0, view.now, width, 0, view.volume)
        cell.cash = -before * symbol.reference * symbol.money
    fresh = view.filled - box.filled
    cell.cash -= view.side * fresh * symbol.reference * symbol.money
    trade_volume(box.symbols, 0, view.now, width, fresh, view.market_lots - box.market_lots + fresh)
    box.filled, box.market_lots = view.filled, view.market_lots
    cell.position = before + view.side * view.filled
    symbol.position = cell.position
    cell.open_buy = view.open if view.side == BUY else 0
    cell.open_sell = view.open - cell.open_buy
    symbol.open_buy, symbol.open_sell = cell.open_buy, cell.open_sell
    orders, value = 0.0, 0.0
    for i in range(OWN_PLACES):
        own, row = view.own[i], box.resting[i]
        row.lots = own.lots if own.state != FREE else 0
        row.tick, row.side, row.symbol, row.strategy, row.stop = own.tick, view.side, 0, 0, 0
        row.value = worth(row.lots, own.tick, symbol)
        orders += 1.0 if row.lots > 0 else 0.0
        value += row.value
    for i in range(OWN_PLACES, len(box.resting)):
        box.resting[i].lots = 0
    for i in range(len(scopes)):
        scopes[i].orders, scopes[i].value, scopes[i].heartbeat = orders, value, view.now
    recount(scopes, cell, symbol, 0)


@compiled
def band(symbol, mid, side):
    """The tick at which a market order's collar ends: as a gate's outside a backtest, a collar above 1 reaches no further than one of 1,
    for a price below 0 is none. 0 where there is no mid.
    """
    if not 0.0 < mid < MOST_MID:
        return 0
    reach = mid * (1.0 + side * min(symbol.collar, 1.0))
    if side == BUY:
        return max(min(math.floor(reach), symbol.band_high), 1)
    return max(math.ceil(reach), symbol.band_low, 1)


@compiled
def passes(box, view, child):
    """Whether a child may be sent; a market order becomes IOC at its band. What may is reserved."""
    if child.verb == CANCEL_OWN:
        count_message(box.scopes, 0, view.now, 0.0)
        return True
    symbol, order = box.symbols[0], box.orders[0]
    largest = largest_of(child, view)  # as much as is sent
    lots, order.replaces, place = min(child.lots, allowance(view), largest), -1, OWN_PLACES
    if child.verb == REPLACE_OWN:
        for i in range(OWN_PLACES):
            if view.own[i].state != FREE and view.own[i].handle == child.handle:
                lots, order.replaces = min(child.lots - view.own[i].filled, largest), i
    if lots <= 0:
        return True  # the parent's terms will drop it
    stated = child.tick
    if child.kind == MARKET and child.verb != REPLACE_OWN:
        stated = 0
        child.kind = IOC
        child.tick = band(symbol, view.mid, view.side)
    order.now, order.side, order.lots, order.tick, order.stated = view.now, view.side, lots, child.tick, stated
    if not (box.may_buy if view.side == BUY else box.may_sell):
        box.refused[PERMISSION] += 1
        return False
    rule = judge(box.scopes, box.symbols, box.cells, box.accounts, box.resting, len(box.resting), box.windows[0], order, box.verdicts[0])
    if rule != 0:
        box.refused[rule] += 1
        return False
    box.passed += 1
    count_message(box.scopes, 0, view.now, worth(lots, child.tick, symbol))
    while place < len(box.resting) - 1 and box.resting[place].lots > 0:
        place += 1
    take(box.scopes, box.symbols, box.cells, box.resting, place, order)
    return True


def decide_gated(view, pad):
    """What the inner policy wants, as far as the gate lets it."""
    box = array_at(int(pad.settings[LAST]), 1, BOX)[0]
    count = fit(pad, decide_at(box.inner)(view, pad))
    see(box, view)
    kept = 0
    for i in range(count):
        if passes(box, view, pad.children[i]):
            pad.children[kept] = pad.children[i]
            kept += 1
    return kept


gate_decide = policy(decide_gated)
