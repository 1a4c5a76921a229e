"""The controls that look at an order before it is sent, each a small function of GATE, ORDER and what it says: VERDICT.

Compiled, so that a backtest's loop and the order process run the same ones. A check returns whether the order may go. It compares so
that a number that is none refuses: `was <= limit`, never `was > limit`. Numbers of controls are those of design/risk.md.
"""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled

ALLOWED: Final = 0
QUANTITY, VALUE, COLLAR, DRIFT, MESSAGES, REPEATS, DUPLICATE, POSITION, EXPOSURE, LOSS, DRAWDOWN, OPEN_ORDERS, PARTICIPATION = range(1, 14)
SELF_MATCH, PERMISSION, MARKET_STATE, CONFORMITY, REDUCE_ONLY, KILLED, DEAD_MAN, PARENT, OVERRIDE, MODEL = range(14, 24)
LIMITS_CHANGE, RECONCILIATION, MONITORING, BROKEN = range(24, 28)
CREDIT, NOTIONAL, ORDER_TO_TRADE, CANCELS, REJECTS, MARKET_DATA, CLOSE, RESTRICTED, IDENTIFICATION, PROTECTION = range(28, 38)
RULES: Final = (
    *("allowed", "largest_quantity", "largest_value", "price_collar", "collar_over_time", "message_rate", "repeated_execution"),
    *("duplicates", "position", "exposure", "daily_loss", "drawdown", "open_orders", "participation", "self_match", "permissions"),
    *("market_state", "conformity", "reduce_only", "kill_switch", "dead_man", "parent_conformance", "override", "model_limits"),
    *("limits_change", "reconciliation", "monitoring", "broken_check"),
    *("credit", "notional_rate", "order_to_trade", "cancel_rate", "reject_rate", "market_data", "previous_close", "restricted"),
    *("identification", "market_maker_protection"),
)

WAIVABLE: Final = (QUANTITY, VALUE, COLLAR, DRIFT, POSITION, PARTICIPATION)

ACTIVE, REDUCING, HALTED = 0, 1, 2
CLOSED, OPEN, AUCTION, PAUSED = 0, 1, 2, 3  # phases of an instrument's session
RING: Final = 1024  # messages that a window can count
FILLS: Final = 256  # own fills of one side of an instrument that the price's drift is taken from
AHEAD: Final = 10_000_000  # ns by which a strategy's clock may be ahead: ten times what RTS 25 lets a clock be wrong
BUCKETS: Final = 16  # of the window of volume
COUNTED: Final = 256  # cancels, rejects and own trades that a window can count
FEW_MESSAGES: Final = 100  # of a day, below which no order-to-trade ratio is meant
RECENT: Final = 256  # orders of a strategy among which the same again is looked for

SCOPE: Final = np.dtype(
    [
        ("above", np.int64),  # the desk of a strategy, the firm (0) of a desk, -1 for the firm
        ("mode", np.int64),  # ACTIVE, REDUCING, HALTED
        ("killed", np.int64),
        ("gross", np.float64),  # worst case
        ("long", np.float64),
        ("short", np.float64),
        ("profit", np.float64),  # since the day's start, fees included
        ("peak", np.float64),
        ("orders", np.float64),  # open
        ("value", np.float64),  # of open orders
        ("most_gross", np.float64),
        ("most_net", np.float64),
        ("most_loss", np.float64),
        ("most_halt_loss", np.float64),
        ("most_drawdown", np.float64),
        ("most_orders", np.float64),
        ("most_value", np.float64),
        ("most_messages", np.int64),
        ("messages", np.int64),  # ever
        ("times", np.int64, RING),  # of the last ones
        ("values", np.float64, RING),  # money that each of them asked for
        ("most_notional", np.float64),
        ("day_messages", np.int64),
        ("day_trades", np.int64),
        ("most_ratio", np.float64),  # messages to trades of a day
        ("cancels", np.int64),  # ever
        ("cancel_times", np.int64, COUNTED),
        ("most_cancels", np.float64),
        ("rejects", np.int64),
        ("reject_times", np.int64, COUNTED),
        ("most_rejects", np.float64),
        ("trades", np.int64),
        ("trade_times", np.int64, COUNTED),
        ("trade_lots", np.float64, COUNTED),
        ("most_traded", np.float64),  # lots, in the window of protection
        ("heartbeat", np.int64),  # of a strategy: when last heard of
        ("most_repeats", np.int64),
        ("repeats", np.int64),  # orders filled whole, ever
        ("repeat_times", np.int64, RING),
        ("tired", np.int64),  # too many of them: a person is needed
        ("may_short", np.int64),
        ("model", np.int64),  # 0: the strategy has told of none
        ("distance", np.float64),  # of its model's input from the training data
        ("most_distance", np.float64),
        ("action", np.float64),
        ("least_action", np.float64),
        ("most_action", np.float64),
        ("features", np.int64),  # when its input was seen
        ("recent", np.int64),
        ("recent_times", np.int64, RECENT),
        ("recent_orders", np.int64, (RECENT, 4)),  # symbol, side, lots, stated tick
    ],
    align=True,
)

SYMBOL: Final = np.dtype(
    [
        ("phase", np.int64),
        ("killed", np.int64),
        ("unknown", np.int64),  # orders that nobody answered for
        ("unequal", np.int64),  # own ledger and drop copy differ
        ("bid", np.int64),
        ("ask", np.int64),
        ("marked", np.int64),  # when
        ("reference", np.float64),  # the last price in ticks that was one, by which positions are valued; 0: there never was one
        ("jump", np.float64),  # share by which the last mark moved the mid
        ("most_jump", np.float64),
        ("most_spread", np.float64),  # share of the mid
        ("close", np.float64),  # of the day before, in ticks; 0: nobody has said
        ("close_collar", np.float64),
        ("band_low", np.int64),
        ("band_high", np.int64),
        ("money", np.float64),  # of a lot and a tick
        ("least_lots", np.int64),
        ("most_lots", np.float64),
        ("most_value", np.float64),
        ("collar", np.float64),
        ("far", np.float64),
        ("most_drift", np.float64),
        ("most_position", np.float64),
        ("most_firm_position", np.float64),
        ("adv", np.float64),
        ("adv_share", np.float64),
        ("volume_share", np.float64),
        ("located", np.float64),
        ("position", np.int64),  # of the firm
        ("open_buy", np.int64),
        ("open_sell", np.int64),
        ("fills", np.int64, 2),  # own purchases and sales, ever
        ("fill_times", np.int64, (2, FILLS)),
        ("fill_lots", np.float64, (2, FILLS)),  # below 0: busted
        ("fill_prices", np.float64, (2, FILLS)),  # ticks
        ("fill_mids", np.float64, (2, FILLS)),  # just before it
        ("bucket", np.int64),  # the number of the present one since 1970
        ("volumes", np.float64, BUCKETS),  # of the market
        ("own_volumes", np.float64, BUCKETS),
    ],
    align=True,
)

# One strategy in one instrument.
CELL: Final = np.dtype(
    [
        ("position", np.int64),
        ("open_buy", np.int64),
        ("open_sell", np.int64),
        ("cash", np.float64),  # since the day's start, in money, the position then at its price then
        ("gross", np.float64),  # what the scopes above have counted of it
        ("long", np.float64),
        ("short", np.float64),
        ("profit", np.float64),
    ],
    align=True,
)

# A client: what its trades come to since the day's start, in money, and what they may with its open orders.
ACCOUNT: Final = np.dtype(
    [
        ("bought", np.float64),
        ("sold", np.float64),
        ("credit", np.float64),  # most of both and of what is open
        ("capital", np.float64),  # most that is bought beyond what is sold, or sold beyond what is bought
    ],
    align=True,
)

RESTING: Final = np.dtype(
    [
        ("lots", np.int64),  # still open; 0: a free row
        ("tick", np.int64),
        ("stop", np.int64),  # it waits for this tick; 0: it is in the book
        ("side", np.int64),
        ("symbol", np.int64),
        ("strategy", np.int64),
        ("account", np.int64),
        ("value", np.float64),
    ],
    align=True,
)

WINDOWS: Final = np.dtype(
    [
        (name, np.int64)
        for name in ("messages", "duplicates", "repeats", "drift", "volume", "reference", "dead", "features", "notional", "protection")
    ]
)

ORDER: Final = np.dtype(
    [
        ("now", np.int64),
        ("strategy", np.int64),  # its scope
        ("account", np.int64),
        ("symbol", np.int64),
        ("side", np.int64),
        ("lots", np.int64),
        ("tick", np.int64),  # its limit; of a market order the band at which it is sent
        ("stated", np.int64),  # the tick that it was asked for with; of a market order 0, wherever its band is
        ("stop", np.int64),  # the tick that it waits for; 0: none
        ("expires", np.int64),  # 0: with its lifetime
        ("replaces", np.int64),  # the resting row that it takes the place of, or -1
        ("short", np.int64),
        ("known_id", np.int64),  # its id was used before
        ("waived", np.int64),  # the control that a named person overrides for this order
        ("parent", np.int64),  # 0: it has none, and what follows means nothing
        ("parent_left", np.int64),  # lots that nobody has asked for yet
        ("parent_bound", np.int64),  # 0: none
        ("parent_start", np.int64),
        ("parent_end", np.int64),
    ],
    align=True,
)

# `why` tells apart what one control may mind, `scope` whose limit it was; `odd` marks an order of an odd size that ends a position.
VERDICT: Final = np.dtype(
    [("rule", np.int64), ("limit", np.float64), ("was", np.float64), ("why", np.int64), ("scope", np.int64), ("odd", np.int64)], align=True
)


@compiled
def within(was, most, verdict):
    """Note a number and its limit; whether it is one, and within it."""
    verdict.was = was
    verdict.limit = most
    return was <= most


@compiled
def worth(lots, tick, symbol):
    """Money of lots at a tick, in floats: 2^40 lots at 2^30 ticks are more than an int64 holds."""
    return 1.0 * lots * tick * symbol.money


@compiled
def mid_of(symbol):
    """The reference price in ticks; no number where there is none, or the book is crossed or locked."""
    return 0.5 * (symbol.bid + symbol.ask) if 0 < symbol.bid < symbol.ask else math.nan


@compiled
def shrinks(old, order):
    """Whether an order only takes lots from the resting one that it replaces, at its price or a more passive one: no sum grows by it."""
    return order.replaces >= 0 and order.lots <= old.lots and order.side * (order.tick - old.tick) <= 0


@compiled
def worst(position, open_buy, open_sell):
    """(longest, shortest) position that open orders can lead to."""
    return position + open_buy, position - open_sell


# Controls ------------------------------------------------------------------------------------------------------------------------


@compiled
def largest_quantity(symbol, order, verdict):
    """1. Lots of one order."""
    return within(1.0 * order.lots, symbol.most_lots, verdict)


@compiled
def largest_value(symbol, order, verdict):
    """2. Money of one order, at its limit; of a market order at the band that it is sent with."""
    return within(worth(order.lots, order.tick, symbol) if order.tick > 0 else math.nan, symbol.most_value, verdict)


@compiled
def price_collar(symbol, order, verdict):
    """3. How far a price is from the reference, as a share of it: on the worse side and on the better one. A stop order's reference is the
    price that it waits for, which has to be within `far` of the market.
    """
    verdict.why = 1
    if order.stop > 0 and not within(abs(order.stop - mid_of(symbol)) / mid_of(symbol), symbol.far, verdict):
        return False
    reference = 1.0 * order.stop if order.stop > 0 else mid_of(symbol)
    worse = order.side * (order.tick - reference) / reference
    verdict.why = 2
    if not within(worse, symbol.collar, verdict):
        return False
    verdict.why = 3
    return within(-worse, symbol.far, verdict)


@compiled
def collar_over_time(symbol, order, window, verdict):
    """4. How far the average price of own fills on that side has moved from the first one's reference, within a window. Busted ones have
    moved it too, and may not hide what the others did: it holds with them and without.
    """
    return within(drift(symbol, order.side, order.now - window, True), symbol.most_drift, verdict) and within(
        drift(symbol, order.side, order.now - window, False), symbol.most_drift, verdict
    )


@compiled
def drift(symbol, side, since, busted):
    """The share by which own fills of a side, with the busted ones or without, were dearer than the reference of the first of them."""
    lots, paid, first, way, rows = 0.0, 0.0, 0.0, 0 if side > 0 else 1, symbol.fill_times.shape[1]
    for back in range(min(symbol.fills[way], rows)):
        i = (symbol.fills[way] - 1 - back) % rows
        if symbol.fill_times[way, i] >= since and (busted or symbol.fill_lots[way, i] > 0.0):
            lots += abs(symbol.fill_lots[way, i])
            paid += abs(symbol.fill_lots[way, i]) * symbol.fill_prices[way, i]
            first = symbol.fill_mids[way, i]
    return side * (paid / lots - first) / first if lots > 0.0 else 0.0


@compiled
def message_rate(scope, now, window, verdict):
    """5. Messages within a window, this one included."""
    verdict.limit = scope.most_messages
    verdict.was = counted(scope.times, scope.messages, now - window) + 1.0
    return verdict.was <= verdict.limit


@compiled
def counted(times, count, since):
    """How many of the last times of a ring are later than `since`."""
    found = 0
    for back in range(min(count, len(times))):
        if times[(count - 1 - back) % len(times)] <= since:
            break
        found += 1
    return found


@compiled
def repeated_execution(scope, verdict):
    """6. Orders filled whole within a window, beyond which a person has to look."""
    verdict.limit = scope.most_repeats
    verdict.was = scope.most_repeats + 1.0
    return scope.tired == 0


@compiled
def new_id(order, verdict):
    """7. An id that no order, replacement or cancel ever had."""
    verdict.limit = 0.0
    verdict.was = 1.0
    verdict.why = 1
    return order.known_id == 0


@compiled
def duplicates(scope, order, window, verdict):
    """7. The same order again within a window."""
    verdict.limit = 0.0
    verdict.was = 1.0
    verdict.why = 2
    for back in range(min(scope.recent, len(scope.recent_times))):
        i = (scope.recent - 1 - back) % len(scope.recent_times)
        if scope.recent_times[i] <= order.now - window:
            return True
        row = scope.recent_orders[i]
        if row[0] == order.symbol and row[1] == order.side and row[2] == order.lots and row[3] == order.stated:
            return False
    return scope.recent <= len(scope.recent_times)  # else there were more within the window than are kept


@compiled
def position(cell, symbol, order, freed, verdict):
    """8. The worst case's position of the strategy, and of the firm."""
    if order.side > 0:
        own, all_own = cell.position + cell.open_buy, symbol.position + symbol.open_buy
    else:
        own, all_own = cell.open_sell - cell.position, symbol.open_sell - symbol.position
    more = order.lots - freed
    verdict.why = 1
    if not within(1.0 * (own + more), symbol.most_position, verdict):
        return False
    verdict.why = 2
    return within(1.0 * (all_own + more), symbol.most_firm_position, verdict)


@compiled
def exposure(scope, cell, symbol, order, freed, verdict):
    """9. Gross and net exposure of a scope in the worst case, at the order's price where that is dearer than the reference.

    Who is beyond the limit may send what adds nothing to the worst case: what leads back.
    """
    more = (order.lots - freed) * symbol.money
    price = max(symbol.reference, 1.0 * order.tick)
    value = symbol.reference * symbol.money
    long, short = worst(cell.position, cell.open_buy, cell.open_sell)
    if order.side > 0:
        gross = max(abs(long * value + more * price), abs(short * value))
        net = scope.long + more * price
    else:
        gross = max(abs(long * value), abs(short * value - more * price))
        net = -(scope.short - more * price)
    verdict.why = 1
    if not gross <= cell.gross and not within(scope.gross - cell.gross + gross, scope.most_gross, verdict):
        return False
    verdict.why = 2
    return within(net, scope.most_net, verdict)


@compiled
def daily_loss(scope, verdict):
    """10. What has been lost since the day's start."""
    return within(-scope.profit, scope.most_halt_loss, verdict)


@compiled
def drawdown(scope, verdict):
    """11. What has been lost since the day's best moment."""
    return within(scope.peak - scope.profit, scope.most_drawdown, verdict)


@compiled
def open_orders(scope, order, freed_orders, freed_value, value, verdict):
    """12. Open orders, and their value; a replacement adds none, and a smaller one no value."""
    verdict.why = 1
    if freed_orders == 0.0 and not within(scope.orders + 1.0, scope.most_orders, verdict):
        return False
    verdict.why = 2
    return value <= freed_value or within(scope.value + value - freed_value, scope.most_value, verdict)


@compiled
def participation(symbol, order, window, verdict):
    """13. The order as a share of a day's volume, and own lots as a share of all in the window, this order in both."""
    verdict.why = 1
    if not within(1.0 * order.lots, symbol.adv_share * symbol.adv, verdict):
        return False
    verdict.why = 2
    own, everybody = 1.0 * order.lots, 1.0 * order.lots
    many = len(symbol.volumes)
    oldest = order.now // max(window // many, 1) - many
    for number in range(symbol.bucket, symbol.bucket - many, -1):
        if number > oldest:
            own += symbol.own_volumes[number % many]
            everybody += symbol.volumes[number % many]
    return within(own / everybody, symbol.volume_share, verdict)


@compiled
def waits(stop, side, symbol):
    """Whether a stop order waits for its price, by the mark: a buy for the ask to rise to it, a sale for the bid to fall."""
    if stop <= 0:
        return False
    return 0 < symbol.ask < stop if side > 0 else symbol.bid > stop


@compiled
def self_match(resting, used, symbol, order, verdict):
    """14. Whether the order could trade with a resting one of ours, of any strategy. What waits for a price is not in the book yet.

    A stop that is to wait could where it will be triggered: what we have nearer to the market trades before the price gets there.
    """
    later = waits(order.stop, order.side, symbol)
    for i in range(used):
        row = resting[i]
        meets = row.side == -order.side and order.side * (order.tick - row.tick) >= 0
        if later and order.side * (row.tick - order.stop) < 0:
            meets = False
        if meets and row.lots > 0 and row.symbol == order.symbol and i != order.replaces and not waits(row.stop, row.side, symbol):
            verdict.was = order.tick
            verdict.limit = row.tick
            return False
    return True


@compiled
def permissions(strategy, cells, symbol, order, freed, verdict):
    """15. What is sold must be there, or be marked as a short sale, allowed to be sold short and located."""
    verdict.limit = 1.0
    verdict.was = 0.0
    lacking, borrowed = 0, 0
    for i in range(cells.shape[0]):
        cell = cells[i, order.symbol]
        more = order.lots - freed if i == order.strategy else 0
        missing = max(cell.open_sell + more - cell.position, 0)
        borrowed += missing
        if i == order.strategy:
            lacking = missing
    if order.side > 0 or (lacking == 0 and order.short == 0):
        return True
    verdict.why = 1
    verdict.was = lacking
    verdict.limit = 0.0
    if order.short == 0:
        return False
    verdict.why = 2
    if strategy.may_short == 0:
        return False
    verdict.why = 3
    return within(1.0 * borrowed, symbol.located, verdict)


@compiled
def market_state(symbol, order, window, verdict):
    """16. A session that is open, a reference that is fresh and neither crossed nor locked, a price within the venue's band."""
    verdict.limit = OPEN
    verdict.was = symbol.phase
    verdict.why = 1
    if symbol.phase != OPEN:
        return False
    verdict.why = 2
    if not within(1.0 * (order.now - symbol.marked), 1.0 * window, verdict):
        return False
    verdict.why = 3
    if not symbol.marked <= order.now:
        return False
    verdict.was = symbol.ask
    verdict.limit = symbol.bid
    verdict.why = 4
    if not 0 < symbol.bid < symbol.ask:
        return False
    verdict.was = order.tick
    verdict.limit = symbol.band_high if order.tick > symbol.band_high else symbol.band_low
    verdict.why = 5
    return symbol.band_low <= order.tick <= symbol.band_high


@compiled
def room_to_nothing(cell, order):
    """Lots that an order of that side may have to bring the position to nothing, whatever else of ours fills."""
    return -cell.position - cell.open_buy if order.side > 0 else cell.position - cell.open_sell


@compiled
def conformity(symbol, cell, order, freed, verdict):
    """17. Sides, lots, prices and an expiry that make sense. What ends a position at exactly nothing may be of any size."""
    verdict.limit = symbol.least_lots
    verdict.was = order.lots
    verdict.why = 1
    if order.lots < symbol.least_lots or order.lots % symbol.least_lots != 0:
        verdict.odd = 1
        if order.lots <= 0 or order.lots != room_to_nothing(cell, order) + freed:
            return False
    verdict.limit = order.now
    verdict.was = order.expires
    verdict.why = 2
    if order.expires != 0 and order.expires <= order.now:
        return False
    verdict.limit = 1.0
    verdict.was = order.tick
    verdict.why = 3
    return order.tick > 0 and abs(order.side) == 1


@compiled
def reduce_only(mode, cell, order, freed, less, verdict):
    """18. What is REDUCING lets only through what brings the position nearer to nothing, whatever else of ours fills, and what shrinks."""
    verdict.limit = max(room_to_nothing(cell, order) + freed, 0)
    verdict.was = order.lots
    return mode == ACTIVE or (mode == REDUCING and (less or verdict.was <= verdict.limit))


@compiled
def kill_switch(scope, symbol, verdict):
    """19. Neither firm, desk, strategy nor symbol is killed, and none halted."""
    verdict.limit = 0.0
    verdict.was = 1.0
    verdict.why = 1 if scope.killed != 0 else 2 if symbol.killed != 0 else 3
    return scope.killed == 0 and symbol.killed == 0 and scope.mode != HALTED


@compiled
def dead_man(scope, now, window, verdict):
    """20. The strategy was heard of lately; from a time to come only by as much as clocks may differ."""
    verdict.why = 1
    if not within(1.0 * (scope.heartbeat - now), 1.0 * AHEAD, verdict):
        return False
    verdict.why = 2
    return within(1.0 * (now - scope.heartbeat), 1.0 * window, verdict)


@compiled
def parent_conformance(order, freed, less, verdict):
    """21. Children together no larger than their parent, within its price and its time."""
    if order.parent == 0:
        return True
    verdict.why = 1
    if not less and not within(1.0 * (order.lots - freed), 1.0 * order.parent_left, verdict):
        return False
    verdict.why = 2
    if order.parent_bound != 0 and not within(1.0 * order.side * order.tick, 1.0 * order.side * order.parent_bound, verdict):
        return False
    verdict.why = 3
    if not within(1.0 * (order.parent_start - order.now), 0.0, verdict):
        return False
    verdict.why = 4
    return within(1.0 * (order.now - order.parent_end), 0.0, verdict)


@compiled
def model_limits(scope, now, window, verdict):
    """23. A model's input near what it was trained on, its features fresh, its action in the trained range."""
    if scope.model == 0:
        return True
    verdict.why = 1
    if not within(scope.distance, scope.most_distance, verdict) or scope.distance < 0:
        return False
    verdict.why = 2
    if not within((now - scope.features) / 1e9, window / 1e9, verdict) or now < scope.features:  # from the future
        return False
    verdict.why = 3
    if not within(scope.action, scope.most_action, verdict):
        return False
    verdict.why = 4
    return within(-scope.action, -scope.least_action, verdict)


@compiled
def reconciled(symbol, verdict):
    """25. Own ledger and drop copy agree, and no order of the symbol is UNKNOWN."""
    verdict.limit = 0.0
    verdict.was = 1.0 * (symbol.unequal + symbol.unknown)
    verdict.why = 1 if symbol.unequal != 0 else 2
    return symbol.unequal == 0 and symbol.unknown == 0


@compiled
def credit(account, resting, used, order, value, freed_value, verdict):
    """28. What a client's trades of the day and open orders come to: all together, and bought beyond sold or the reverse."""
    if account.credit == math.inf and account.capital == math.inf:
        return True
    more, all_open, open_here = value - freed_value, 0.0, 0.0
    for i in range(used):
        if resting[i].account == order.account and resting[i].lots > 0:
            all_open += resting[i].value
            open_here += resting[i].value if resting[i].side == order.side else 0.0
    verdict.why = 1
    if not within(account.bought + account.sold + all_open + more, account.credit, verdict):
        return False
    verdict.why = 2
    return within(order.side * (account.bought - account.sold) + open_here + more, account.capital, verdict)


@compiled
def notional_rate(scope, now, window, value, verdict):
    """29. Money that the messages within a window have asked for, this one included."""
    if scope.most_notional == math.inf:
        return True
    total, many = value, len(scope.times)
    for back in range(min(scope.messages, many)):
        i = (scope.messages - 1 - back) % many
        if scope.times[i] <= now - window:
            break
        total += scope.values[i]
    return within(total, scope.most_notional, verdict)


@compiled
def order_to_trade(scope, verdict):
    """30. Messages of a day for each of its trades, once there are more than a few."""
    messages = scope.day_messages + 1
    return messages <= FEW_MESSAGES or within(messages / max(scope.day_trades, 1), scope.most_ratio, verdict)


@compiled
def cancel_rate(scope, now, window, verdict):
    """31. Cancels within a window, beyond which nothing new goes; a cancel always does."""
    return within(1.0 * counted(scope.cancel_times, scope.cancels, now - window), scope.most_cancels, verdict)


@compiled
def reject_rate(scope, now, window, verdict):
    """32. Rejects of the venue within a window, beyond which nothing new goes."""
    return within(1.0 * counted(scope.reject_times, scope.rejects, now - window), scope.most_rejects, verdict)


@compiled
def market_data(symbol, verdict):
    """33. A spread that may be, and a mid that the last mark has not thrown about; the next mark near it confirms it."""
    verdict.why = 1
    if not within((symbol.ask - symbol.bid) / mid_of(symbol), symbol.most_spread, verdict):
        return False
    verdict.why = 2
    return within(symbol.jump, symbol.most_jump, verdict)


@compiled
def previous_close(symbol, order, verdict):
    """34. How far a price is from the close of the day before, as a share of it; without a close nothing goes where that is limited."""
    away = abs(order.tick - symbol.close) / symbol.close if symbol.close > 0.0 else math.nan
    return symbol.close_collar == math.inf or within(away, symbol.close_collar, verdict)


@compiled
def market_maker_protection(scope, now, window, verdict):
    """37. Lots that a strategy has traded within a window, beyond which it stops quoting."""
    if scope.most_traded == math.inf:
        return True
    total, many = 0.0, len(scope.trade_times)
    for back in range(min(scope.trades, many)):
        i = (scope.trades - 1 - back) % many
        if scope.trade_times[i] <= now - window:
            break
        total += scope.trade_lots[i]
    return within(total, scope.most_traded, verdict)
