"""All controls on one order, in the order of what is cheapest to mend first: the first that refuses is told."""

import numpy as np
from numpy.typing import NDArray

from tercet.compiled import compiled
from tercet.intrinsics import array_at
from tercet.orders.checks import (
    ACCOUNT,
    CANCELS,
    CELL,
    CLOSE,
    COLLAR,
    CONFORMITY,
    CREDIT,
    DEAD_MAN,
    DRAWDOWN,
    DRIFT,
    DUPLICATE,
    EXPOSURE,
    KILLED,
    LOSS,
    MARKET_DATA,
    MARKET_STATE,
    MESSAGES,
    MODEL,
    NOTIONAL,
    OPEN_ORDERS,
    ORDER,
    ORDER_TO_TRADE,
    PARENT,
    PARTICIPATION,
    PERMISSION,
    POSITION,
    PROTECTION,
    QUANTITY,
    RECONCILIATION,
    REDUCE_ONLY,
    REJECTS,
    REPEATS,
    RESTING,
    SCOPE,
    SELF_MATCH,
    SYMBOL,
    VALUE,
    VERDICT,
    WINDOWS,
    cancel_rate,
    collar_over_time,
    conformity,
    credit,
    daily_loss,
    dead_man,
    drawdown,
    duplicates,
    exposure,
    kill_switch,
    largest_quantity,
    largest_value,
    market_data,
    market_maker_protection,
    market_state,
    message_rate,
    model_limits,
    new_id,
    notional_rate,
    open_orders,
    order_to_trade,
    parent_conformance,
    participation,
    permissions,
    position,
    previous_close,
    price_collar,
    reconciled,
    reduce_only,
    reject_rate,
    repeated_execution,
    self_match,
    shrinks,
    worth,
)
from tercet.orders.exposure import count_message, take


@compiled
def judge(scopes, symbols, cells, accounts, resting, used, windows, order, verdict):
    """The number of the first control that refuses the order, 0 where none does; `verdict` says what was and what the limit is.

    `used`: rows of `resting` from which on all are free. Nothing is changed. Where a replacement shrinks an order, the controls of sums
    (what is held, open, filled or sold short) do not speak: it goes wherever a cancel may be too late to, and nothing is halted.
    """
    symbol, cell = symbols[order.symbol], cells[order.strategy, order.symbol]
    old = resting[max(order.replaces, 0)]
    freed, freed_value, freed_orders = 0, 0.0, 0.0
    if order.replaces >= 0:
        freed, freed_value, freed_orders = old.lots, old.value, 1.0
    less = shrinks(old, order)
    verdict.odd = 0
    verdict.why = 0
    verdict.scope = order.strategy
    verdict.rule = own_controls(scopes[order.strategy], symbol, cells, old, order, freed, less, windows, verdict)
    if verdict.rule == 0 and not self_match(resting, used, symbol, order, verdict):
        verdict.rule = SELF_MATCH
    value, at = worth(order.lots, order.tick, symbol), order.strategy
    if verdict.rule == 0 and not less and not credit(accounts[order.account], resting, used, order, value, freed_value, verdict):
        verdict.rule = CREDIT
    while verdict.rule == 0 and at >= 0:
        verdict.scope = at
        verdict.rule = scope_controls(scopes[at], symbol, cell, order, freed, freed_orders, freed_value, value, less, windows, verdict)
        at = scopes[at].above
    return verdict.rule


@compiled
def own_controls(strategy, symbol, cells, old, order, freed, less, windows, verdict):
    """Those of the order, its instrument and its strategy."""
    if not conformity(symbol, cells[order.strategy, order.symbol], order, freed, verdict):
        return CONFORMITY
    if not less and not permissions(strategy, cells, symbol, order, freed, verdict):
        return PERMISSION
    if not dead_man(strategy, order.now, windows.dead, verdict):
        return DEAD_MAN
    if not reconciled(symbol, verdict):
        return RECONCILIATION
    if not market_state(symbol, order, windows.reference, verdict):
        return MARKET_STATE
    if not market_data(symbol, verdict):
        return MARKET_DATA
    if not new_id(order, verdict) or (not less and not duplicates(strategy, order, windows.duplicates, verdict)):
        return DUPLICATE
    if not less and not repeated_execution(strategy, verdict):
        return REPEATS
    if not parent_conformance(order, freed, less, verdict):
        return PARENT
    if not model_limits(strategy, order.now, windows.features, verdict):
        return MODEL
    if less:
        return 0 if order.tick == old.tick else price_controls(symbol, order, verdict)
    return waivable_controls(symbol, cells[order.strategy, order.symbol], order, freed, windows, verdict)


@compiled
def price_controls(symbol, order, verdict):
    """Those that an order no larger than the one it replaces can break by its price."""
    if not largest_value(symbol, order, verdict) and order.waived != VALUE:
        return VALUE
    if not price_collar(symbol, order, verdict) and order.waived != COLLAR:
        return COLLAR
    return 0 if previous_close(symbol, order, verdict) else CLOSE


@compiled
def waivable_controls(symbol, cell, order, freed, windows, verdict):
    """Those that a named person may override for one order."""
    if not largest_quantity(symbol, order, verdict) and order.waived != QUANTITY:
        return QUANTITY
    rule = price_controls(symbol, order, verdict)
    if rule != 0:
        return rule
    if not collar_over_time(symbol, order, windows.drift, verdict) and order.waived != DRIFT:
        return DRIFT
    if not position(cell, symbol, order, freed, verdict) and order.waived != POSITION:
        return POSITION
    return PARTICIPATION if not participation(symbol, order, windows.volume, verdict) and order.waived != PARTICIPATION else 0


@compiled
def scope_controls(scope, symbol, cell, order, freed, freed_orders, freed_value, value, less, windows, verdict):
    """Those of the strategy, of its desk and of the firm."""
    if not daily_loss(scope, verdict):
        return LOSS
    if not drawdown(scope, verdict):
        return DRAWDOWN
    if not kill_switch(scope, symbol, verdict):
        return KILLED
    if not reduce_only(scope.mode, cell, order, freed, less, verdict):
        return REDUCE_ONLY
    if not less and not exposure(scope, cell, symbol, order, freed, verdict):
        return EXPOSURE
    if not open_orders(scope, order, freed_orders, freed_value, value, verdict):
        return OPEN_ORDERS
    return rate_controls(scope, order, value, less, windows, verdict)


@compiled
def rate_controls(scope, order, value, less, windows, verdict):
    """Those of how much and how often a scope asks, cancels, is rejected and trades."""
    if not message_rate(scope, order.now, windows.messages, verdict):
        return MESSAGES
    if not order_to_trade(scope, verdict):
        return ORDER_TO_TRADE
    if not reject_rate(scope, order.now, windows.messages, verdict):
        return REJECTS
    if less:
        return 0
    if not cancel_rate(scope, order.now, windows.messages, verdict):
        return CANCELS
    if not market_maker_protection(scope, order.now, windows.protection, verdict):
        return PROTECTION
    return 0 if notional_rate(scope, order.now, windows.notional, value, verdict) else NOTIONAL


@compiled
def admit(tables, row, used):
    """Judge an order; where nothing refuses it, count its message and reserve it, in row `row` or in the one it replaces.

    tables: what `tables_of` gives; so many arrays as arguments would take longer to recognise than the controls to run.
    """
    scopes, symbols = array_at(tables[0], tables[1], SCOPE), array_at(tables[2], tables[3], SYMBOL)
    cells = array_at(tables[4], tables[5], CELL).reshape(-1, tables[3])
    resting = array_at(tables[6], tables[7], RESTING)
    windows, order = array_at(tables[8], tables[9], WINDOWS)[0], array_at(tables[10], tables[11], ORDER)[0]
    accounts = array_at(tables[14], tables[15], ACCOUNT)
    rule = judge(scopes, symbols, cells, accounts, resting, used, windows, order, array_at(tables[12], tables[13], VERDICT)[0])
    if rule == 0:
        count_message(scopes, order.strategy, order.now, worth(order.lots, order.tick, symbols[order.symbol]))
        take(scopes, symbols, cells, resting, row, order)
    return rule


def tables_of(*records: NDArray[np.void]) -> NDArray[np.int64]:
    """Where scopes, symbols, cells, resting orders, windows, the order, the verdict, the accounts are, and how many; keep them alive."""
    return np.array([(rows.ctypes.data, rows.size) for rows in records]).reshape(-1)
