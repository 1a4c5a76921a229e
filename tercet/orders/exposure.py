"""What orders, fills and marks do to the gate's records: exposure is reserved at approval, and moves to the position at a fill."""

from tercet.compiled import compiled
from tercet.orders.checks import (
    ACTIVE,
    HALTED,
    REDUCING,
    counted,
    mid_of,
    worst,
    worth,
)

SHARES = 5  # of limits that a posture leaves: of one order, participation, gross, net, one name


@compiled
def recount(scopes, cell, symbol, strategy):
    """Count anew what one strategy's cell adds to the strategy, its desk and the firm; losses change their modes."""
    value = symbol.reference * symbol.money
    long, short = worst(cell.position, cell.open_buy, cell.open_sell)
    gross, long_value, short_value = max(abs(long), abs(short)) * value, long * value, short * value
    profit = cell.cash + cell.position * value
    at = strategy
    while at >= 0:
        scope = scopes[at]
        scope.gross += gross - cell.gross
        scope.long += long_value - cell.long
        scope.short += short_value - cell.short
        scope.profit += profit - cell.profit
        watch_losses(scope)
        at = scope.above
    cell.gross = gross
    cell.long = long_value
    cell.short = short_value
    cell.profit = profit


@compiled
def watch_losses(scope):
    """A loss beyond its first limit leaves only what reduces, one beyond the second nothing; neither ends by itself."""
    scope.peak = max(scope.peak, scope.profit)
    if -scope.profit > scope.most_loss and scope.mode == ACTIVE:
        scope.mode = REDUCING
    if -scope.profit > scope.most_halt_loss or scope.peak - scope.profit > scope.most_drawdown:
        scope.mode = HALTED


@compiled
def mark(scopes, symbols, cells, place, bid, ask, now):
    """A new reference price of a symbol. While one side is missing, or the book crossed, what we hold is worth what it was."""
    symbol = symbols[place]
    known = symbol.marked >= 0 and symbol.reference > 0.0  # else the reference is a price of ours, or none
    symbol.bid = bid
    symbol.ask = ask
    symbol.marked = now
    if 0 < bid < ask:
        symbol.jump = abs(mid_of(symbol) / symbol.reference - 1.0) if known else 0.0
        symbol.reference = mid_of(symbol)
        for strategy in range(cells.shape[0]):
            cell = cells[strategy, place]
            if cell.position != 0 or cell.open_buy != 0 or cell.open_sell != 0:
                recount(scopes, cell, symbol, strategy)


@compiled
def count_message(scopes, strategy, now, value):
    """One more message of a strategy, its desk and the firm, and the money that it asks for."""
    at = strategy
    while at >= 0:
        scope = scopes[at]
        scope.times[scope.messages % len(scope.times)] = now
        scope.values[scope.messages % len(scope.times)] = value
        scope.messages += 1
        scope.day_messages += 1
        at = scope.above


@compiled
def count_cancel(scopes, strategy, now):
    """One more cancel of a strategy, its desk and the firm."""
    at = strategy
    while at >= 0:
        scope = scopes[at]
        scope.cancel_times[scope.cancels % len(scope.cancel_times)] = now
        scope.cancels += 1
        at = scope.above


@compiled
def count_reject(scopes, strategy, now):
    """One more order of a strategy, its desk and the firm that the venue has rejected."""
    at = strategy
    while at >= 0:
        scope = scopes[at]
        scope.reject_times[scope.rejects % len(scope.reject_times)] = now
        scope.rejects += 1
        at = scope.above


@compiled
def count_trade(scopes, strategy, lots, now):
    """One more trade of a strategy, its desk and the firm."""
    at = strategy
    while at >= 0:
        scope = scopes[at]
        scope.trade_times[scope.trades % len(scope.trade_times)] = now
        scope.trade_lots[scope.trades % len(scope.trade_times)] = lots
        scope.trades += 1
        scope.day_trades += 1
        at = scope.above


@compiled
def reserve(scopes, symbols, cells, taken, order):
    """Take an approved order into the books as a row of the resting ones."""
    symbol, cell = symbols[order.symbol], cells[order.strategy, order.symbol]
    taken.lots = order.lots
    taken.tick = order.tick
    taken.stop = order.stop
    taken.side = order.side
    taken.symbol = order.symbol
    taken.strategy = order.strategy
    taken.account = order.account
    taken.value = 0.0
    change(scopes, symbol, cell, taken, order.lots, 1.0)
    scope = scopes[order.strategy]
    at = scope.recent % len(scope.recent_times)
    scope.recent_times[at] = order.now
    scope.recent_orders[at, 0] = order.symbol
    scope.recent_orders[at, 1] = order.side
    scope.recent_orders[at, 2] = order.lots
    scope.recent_orders[at, 3] = order.stated
    scope.recent += 1


@compiled
def adopt(scopes, symbols, cells, resting, row, orders):
    """Take an order that is open already into row `row`, or more lots into the row that it replaces."""
    take(scopes, symbols, cells, resting, row, orders[0])


@compiled
def take(scopes, symbols, cells, resting, row, order):
    """Reserve an order; until the venue has answered for a replacement both could trade, and the larger one is reserved."""
    if order.replaces < 0:
        reserve(scopes, symbols, cells, resting[row], order)
    else:
        old = resting[order.replaces]
        dearer = order.side * (order.tick - old.tick) > 0
        extend(scopes, symbols, cells, resting, order.replaces, max(order.lots - old.lots, 0), order.tick if dearer else old.tick)


@compiled
def earn(scopes, symbols, cells, strategy, place, money):
    """Count money that a strategy has made today."""
    cells[strategy, place].cash += money
    recount(scopes, cells[strategy, place], symbols[place], strategy)


@compiled
def change(scopes, symbol, cell, taken, lots, orders):
    """Add lots (fewer where negative) to a resting row, and `orders` to the count of open orders."""
    if taken.side > 0:
        cell.open_buy += lots
        symbol.open_buy += lots
    else:
        cell.open_sell += lots
        symbol.open_sell += lots
    value = worth(lots, taken.tick, symbol)
    taken.value += value
    at = taken.strategy
    while at >= 0:
        scopes[at].orders += orders
        scopes[at].value += value
        at = scopes[at].above
    recount(scopes, cell, symbol, taken.strategy)


@compiled
def extend(scopes, symbols, cells, resting, row, lots, tick):
    """Add lots to a resting order (take some where negative), from now on at `tick`."""
    taken = resting[row]
    symbol, cell = symbols[taken.symbol], cells[taken.strategy, taken.symbol]
    change(scopes, symbol, cell, taken, -taken.lots, 0.0)
    taken.tick = tick
    taken.lots += lots
    change(scopes, symbol, cell, taken, taken.lots, 0.0)


@compiled
def release(scopes, symbols, cells, resting, row):
    """Give a resting order back: it can trade no more."""
    taken = resting[row]
    lots, taken.lots = taken.lots, 0
    change(scopes, symbols[taken.symbol], cells[taken.strategy, taken.symbol], taken, -lots, -1.0)


@compiled
def execute(scopes, symbols, cells, strategy, place, side, lots, price, fee):
    """A trade, or where `lots` is negative one undone, at a price in ticks: it moves position and cash.

    What we hold is worth the last own price until there is a mark.
    """
    symbol, cell = symbols[place], cells[strategy, place]
    cell.position += side * lots
    symbol.position += side * lots
    if symbol.reference == 0.0 or (symbol.marked < 0 and lots > 0):
        symbol.reference = price
    cell.cash -= side * lots * price * symbol.money + fee
    recount(scopes, cell, symbol, strategy)


@compiled
def remember(symbols, place, side, lots, price, now):
    """Keep an own fill, from which the price's drift is taken; returns its number."""
    symbol, way = symbols[place], 0 if side > 0 else 1
    number = symbol.fills[way]
    at = number % symbol.fill_times.shape[1]
    symbol.fill_times[way, at] = now
    symbol.fill_lots[way, at] = lots
    symbol.fill_prices[way, at] = price
    symbol.fill_mids[way, at] = symbol.reference
    symbol.fills[way] += 1
    return number


@compiled
def amend(symbols, place, side, number, lots, price):
    """Give a kept fill other lots and another price; below zero are lots that were busted."""
    symbol, way = symbols[place], 0 if side > 0 else 1
    rows = symbol.fill_times.shape[1]
    if number >= symbol.fills[way] - rows:
        symbol.fill_lots[way, number % rows] = lots
        symbol.fill_prices[way, number % rows] = price


@compiled
def bust(symbols, place, side, number):
    """Mark a kept fill as busted."""
    symbol, way = symbols[place], 0 if side > 0 else 1
    at = number % symbol.fill_times.shape[1]
    amend(symbols, place, side, number, -abs(symbol.fill_lots[way, at]), symbol.fill_prices[way, at])


@compiled
def begin_day(scopes, symbols, cells):
    """Profit counts from now: what is held was bought at what it is worth. Who is halted stays so."""
    for strategy in range(cells.shape[0]):
        for place in range(cells.shape[1]):
            cell = cells[strategy, place]
            cell.cash = -cell.position * symbols[place].reference * symbols[place].money
            cell.profit = 0.0
    for at in range(len(scopes)):
        scopes[at].profit = 0.0
        scopes[at].peak = 0.0
        scopes[at].day_messages = 0
        scopes[at].day_trades = 0


@compiled
def hold(scopes, symbols, cells, strategy, place, lots, price):
    """A position with which the day starts."""
    symbol, cell = symbols[place], cells[strategy, place]
    symbol.position += lots - cell.position
    cell.position = lots
    cell.cash = -lots * price * symbol.money
    if symbol.reference == 0.0:
        symbol.reference = price
    recount(scopes, cell, symbol, strategy)


@compiled
def trade_volume(symbols, place, now, width, own, everybody):
    """Count lots that have traded: of ours, and of everybody; buckets of `width` ns that are past the window are emptied."""
    symbol = symbols[place]
    bucket, many = now // max(width, 1), len(symbol.volumes)
    if bucket - symbol.bucket >= many:
        symbol.volumes[:] = 0.0
        symbol.own_volumes[:] = 0.0
        symbol.bucket = bucket
    while symbol.bucket < bucket:
        symbol.bucket += 1
        symbol.volumes[symbol.bucket % many] = 0.0
        symbol.own_volumes[symbol.bucket % many] = 0.0
    symbol.volumes[bucket % many] += everybody
    symbol.own_volumes[bucket % many] += own


@compiled
def tire(scopes, strategy, now, window):
    """One more order of a strategy was filled whole; too many in a window, and it stops until a person looks."""
    scope = scopes[strategy]
    scope.repeat_times[scope.repeats % len(scope.repeat_times)] = now
    scope.repeats += 1
    if counted(scope.repeat_times, scope.repeats, now - window) > scope.most_repeats:
        scope.tired = 1


@compiled
def tighten(scopes, symbols, bare_scopes, bare_symbols, shares):
    """Write SHARES of the limits of bare records into the gate's; of none (inf) a share is none, but no share is 0."""
    for i in range(len(scopes)):
        scopes[i].most_gross = scaled(bare_scopes[i].most_gross, shares[2])
        scopes[i].most_net = scaled(bare_scopes[i].most_net, shares[3])
    for i in range(len(symbols)):
        symbol, bare = symbols[i], bare_symbols[i]
        symbol.most_lots = scaled(bare.most_lots, shares[0])
        symbol.most_value = scaled(bare.most_value, shares[0])
        symbol.adv_share = scaled(bare.adv_share, shares[1])
        symbol.volume_share = scaled(bare.volume_share, shares[1])
        symbol.most_position = scaled(bare.most_position, shares[4])
        symbol.most_firm_position = scaled(bare.most_firm_position, shares[4])


@compiled
def scaled(limit, share):
    """A share of a limit."""
    return limit * share if share > 0.0 else 0.0
