"""One table of legal transitions: what each happening makes of an order in each state.

A time-out is never a rejection: it leads to UNKNOWN. Reports may come late or in another order, so what has been heard is kept as
facts of the order (confirmed, asked, paused, executed), and `standing` reads its state from them, whatever came first.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tercet.errors import TercetError
from tercet.messages import Child, Happening, OrderState
from tercet.orders.position import Holding


class Illegal(TercetError):
    """A happening that an order's state does not allow; the order stays as it was."""


# Members bound once: an enum's attribute takes 85 ns in Python 3.11, a global 5.
_NEW: Final = OrderState.NEW
_PARTIALLY_FILLED: Final = OrderState.PARTIALLY_FILLED
_FILLED: Final = OrderState.FILLED
_PENDING_NEW: Final = OrderState.PENDING_NEW
_PENDING_CANCEL: Final = OrderState.PENDING_CANCEL
_PENDING_REPLACE: Final = OrderState.PENDING_REPLACE
_DONE_FOR_DAY: Final = OrderState.DONE_FOR_DAY
_SUSPENDED: Final = OrderState.SUSPENDED

FINAL: Final = frozenset((_FILLED, OrderState.CANCELED, OrderState.REPLACED, OrderState.REJECTED, OrderState.EXPIRED, _DONE_FOR_DAY))
_CLOSED: Final = (OrderState.CANCELED, OrderState.EXPIRED, _DONE_FOR_DAY)
WORKING: Final = frozenset((_NEW, _PARTIALLY_FILLED, _PENDING_CANCEL, _PENDING_REPLACE, _SUSPENDED))


class Chain(msgspec.Struct, eq=False):
    """The orders that replace one another, of which one can trade at a time, and where their lots are held."""

    side: int
    holdings: tuple[Holding, Holding]  # the account's and the strategy's
    orders: list["Order"] = []
    exposed: int = 0  # lots that may still trade, at worst

    def expose(self) -> None:
        """Tell the holdings what may still trade."""
        members = self.orders
        worst = members[0].open_lots if len(members) == 1 else max(order.open_lots for order in members)
        change = worst - self.exposed
        if change:
            self.exposed = worst
            for holding in self.holdings:
                holding.expose(self.side, change)


class Order(msgspec.Struct, eq=False):
    """One child and all that was heard of it. Lots and prices include what filled under the ids that it had before."""

    child: Child  # of a replacement: with the id, lots and tick that were asked for
    chain: Chain
    state: OrderState = OrderState.PENDING_NEW
    before: "Order | None" = None  # what it replaces, or would
    replacements: list["Order"] = []  # asked for; one of them lives at most
    filled: int = 0  # lots, after busts and corrections
    inherited: int = 0  # of them, those filled under earlier ids
    paid: float = 0.0  # sum of lots × price (ticks) over what filled
    executed: int = 0  # lots of every fill ever reported: what is busted does not come back to the book
    confirmed: bool = False  # the venue has said that it was there
    complete: bool = False  # the venue has said that it is filled, reported fills or not
    cancels: int = 0  # wishes without an answer
    replaces: int = 0
    paused: OrderState | None = None  # SUSPENDED or DONE_FOR_DAY
    paused_at: tuple[int, str] = (0, "")  # time and exec_id of the report that said so last

    @property
    def id(self) -> str:
        """The child's id."""
        return self.child.id

    @property
    def average(self) -> float:
        """The mean price of what filled, in ticks; nan before anything has."""
        return self.paid / self.filled if self.filled else float("nan")

    @property
    def open_lots(self) -> int:
        """The most that may still trade: 0 in a final state; what is busted before the end may come back."""
        left = self.child.lots - self.filled
        return left if left > 0 and self.state not in FINAL else 0

    @property
    def overfilled(self) -> bool:
        """Whether fills under this id took it beyond its lots: an error of the venue, and they are counted."""
        return self.filled > max(self.child.lots, self.inherited)

    @property
    def ids(self) -> list[str]:
        """The ids that it has had, the first one first."""
        ids, order = [self.id], self.before
        while order is not None:
            ids.append(order.id)
            order = order.before
        return ids[::-1]


def standing(order: Order) -> OrderState:
    """Where an order stands that has not ended, by the facts alone."""
    if _whole(order):
        return _FILLED
    if order.paused is _DONE_FOR_DAY:
        return _DONE_FOR_DAY
    if order.cancels:
        return _PENDING_CANCEL
    if order.replaces:
        return _PENDING_REPLACE
    if not order.confirmed:
        return _PENDING_NEW
    if order.paused:
        return _SUSPENDED
    return _PARTIALLY_FILLED if order.filled else _NEW


def _whole(order: Order) -> bool:
    return order.confirmed and (order.executed >= order.child.lots or order.complete)


def unless_whole(end: OrderState | None) -> "Callable[[Order], OrderState]":
    """That end (None: as it stands), but FILLED where all was filled, whichever came first."""
    return lambda order: _FILLED if _whole(order) else order.state if end is None else end


_AS_IT_ENDED: Final = unless_whole(None)


def known(order: Order) -> OrderState:
    """As `standing`, but a refused wish says nothing about an order that the venue never confirmed: it stays UNKNOWN."""
    return standing(order) if order.confirmed else OrderState.UNKNOWN


Rule = OrderState | Callable[[Order], OrderState] | None

# A row per happening, a column per state, in the order of the enums. "=" stays, "-" is refused, "by" is `standing`, "kn" is `known`; "en",
# "ca" and "ex" are `unless_whole` of None, CANCELED and EXPIRED; the others are the next state. An end outlives what comes late, but not
# the last fill: with that, whichever came first, an order is FILLED.
# Fills, busts and corrections are legal everywhere: they happened.
_ROWS: Final = """
                   PN NW PF FI PC CA PR RE RJ EX DD SU UN
cancel_asked       PC PC PC -  =  -  PC -  -  -  =  PC =
replace_asked      PR PR PR -  -  -  =  -  -  -  -  PR -
timed_out          UN =  =  =  UN =  UN =  =  =  =  =  =
accepted           by =  =  =  =  =  =  =  =  =  =  =  by
filled             by by by =  by en by =  =  en by by by
canceled           ca ca ca =  ca =  ca -  -  -  ca ca ca
replaced           RE RE RE RE RE -  RE =  -  -  RE RE RE
rejected           RJ RJ RJ -  RJ -  RJ -  =  -  -  RJ RJ
expired            ex ex ex =  ex -  ex -  -  =  ex ex ex
done_for_day       by by by by by =  by =  -  =  by by by
suspended          by by by by by =  by =  =  =  by by by
resumed            by by by by by =  by =  =  =  by by by
cancel_rejected    =  by by =  by =  by =  =  =  =  by kn
replace_rejected   =  by by =  by =  by =  =  =  =  by kn
busted             =  by by =  =  =  =  =  =  =  =  =  =
corrected          =  by by =  =  =  =  =  =  =  =  =  =
status             by by by by by en by =  =  en by by by
"""


def _table(rows: str) -> dict[tuple[OrderState, Happening], Rule]:
    head, *lines = (line.split() for line in rows.strip().splitlines())
    states = dict(zip(head, OrderState, strict=True))
    next_: dict[str, Rule] = {"-": None, "by": standing, "kn": known, "en": _AS_IT_ENDED, **states}
    next_ |= {"ca": unless_whole(states["CA"]), "ex": unless_whole(states["EX"])}
    return {
        (state, Happening(name)): state if cell == "=" else next_[cell]
        for name, *cells in lines
        for state, cell in zip(OrderState, cells, strict=True)
    }


TABLE: Final[Mapping[tuple[OrderState, Happening], Rule]] = MappingProxyType(_table(_ROWS))  # None where it is refused
_RULES: Final = dict(TABLE)  # a dict is looked up faster


def step(order: Order, happening: Happening, when: tuple[int, str] = (0, "")) -> None:
    """Let `happening` (reported at the time and with the exec_id `when`) happen to `order`; Illegal where the table refuses it."""
    rule = _RULES[order.state, happening]
    if rule is None:
        raise illegal(order, happening)
    if happening in _FACTS or not order.confirmed:
        _note(order, happening, when)
    order.state = rule(order) if callable(rule) else rule


def illegal(order: Order, happening: Happening) -> Illegal:
    """The error for what the table refuses, with what it would take there."""
    legal = ", ".join(other for other in Happening if TABLE[order.state, other] is not None)
    return Illegal(f"order {order.id} is {order.state}: {happening} was not expected there, but one of {legal}")


def _note(order: Order, happening: Happening, when: tuple[int, str]) -> None:
    if happening in _CONFIRM:
        order.confirmed = True
    if happening not in _FACTS:
        return
    if happening in _PAUSE:
        if when > order.paused_at:  # the venue's last word on it counts, not the last to arrive
            order.paused, order.paused_at = _PAUSE[happening], when
    else:
        name, change = _ASKED[happening]
        setattr(order, name, max(getattr(order, name) + change, 0))


_CONFIRM: Final = frozenset(
    (Happening.ACCEPTED, Happening.FILLED, Happening.DONE_FOR_DAY, Happening.SUSPENDED, Happening.RESUMED, Happening.STATUS)
)
_PAUSE: Final = {
    Happening.SUSPENDED: OrderState.SUSPENDED,
    Happening.DONE_FOR_DAY: OrderState.DONE_FOR_DAY,
    Happening.RESUMED: None,
    Happening.STATUS: None,
}
_ASKED: Final = {
    Happening.CANCEL_ASKED: ("cancels", 1),
    Happening.REPLACE_ASKED: ("replaces", 1),
    Happening.CANCEL_REJECTED: ("cancels", -1),
    Happening.REPLACE_REJECTED: ("replaces", -1),
}
_FACTS: Final = frozenset((*_PAUSE, *_ASKED))


def status(order: Order, says: OrderState, when: tuple[int, str]) -> None:
    """Let a venue's answer to a status request happen: an end, a pause, or that it works on."""
    if says is OrderState.PENDING_NEW:  # received, no more: an UNKNOWN order waits again
        if order.state is OrderState.UNKNOWN:
            order.state = standing(order)
        return
    if says is OrderState.FILLED:
        order.complete = True
    step(order, _SAYS.get(says, Happening.STATUS), when)


_SAYS: Final = {
    OrderState.CANCELED: Happening.CANCELED,
    OrderState.REPLACED: Happening.REPLACED,
    OrderState.REJECTED: Happening.REJECTED,
    OrderState.EXPIRED: Happening.EXPIRED,
    OrderState.DONE_FOR_DAY: Happening.DONE_FOR_DAY,
    OrderState.SUSPENDED: Happening.SUSPENDED,
}


def final(state: OrderState) -> bool:
    """Whether nothing works at the venue in `state` (DONE_FOR_DAY: today), though late fills, busts and corrections may come."""
    return state in FINAL


def later(order: Order) -> Iterator[Order]:
    """Every order that was asked for in its place, and in theirs."""
    waiting = list(order.replacements)
    while waiting:
        yield (one := waiting.pop())
        waiting += one.replacements


def count(order: Order, lots: int, price: float) -> None:
    """Add `lots` at `price` (ticks) to what filled, negative to take them back, for the order and all that came in its place."""
    order.filled += lots
    order.paid += lots * price
    if order.replacements:
        for other in later(order):
            other.filled += lots
            other.inherited += lots
            other.paid += lots * price


def executed(order: Order, lots: int) -> None:
    """Count `lots` of a fill that was reported, whatever becomes of it, for the order and all that came in its place."""
    order.executed += lots
    if order.replacements:
        for other in later(order):
            other.executed += lots


def restand(order: Order) -> None:
    """Read the states again of the order and of all that came in its place: what filled has changed."""
    _reread(order)
    if order.replacements:
        for other in later(order):
            _reread(other)


def _reread(order: Order) -> None:
    if order.state in WORKING:
        order.state = standing(order)
    elif order.state in _CLOSED:
        order.state = _AS_IT_ENDED(order)
