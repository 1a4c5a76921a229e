"""The slow twin of `tercet.orders`: everything from the set of all that was said, in exact fractions, anew each time.

It folds nothing: a state is read from which reports exist, a trade from the words that were said about it. Time-outs are no part of
it, so an order that the ledger has as UNKNOWN is compared once it was answered.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from tercet.messages import Cancel, Child, Happening, OrderState, Replace, Report

ENDS = {
    Happening.CANCELED: OrderState.CANCELED,
    Happening.REJECTED: OrderState.REJECTED,
    Happening.EXPIRED: OrderState.EXPIRED,
}
PAUSES = {
    Happening.SUSPENDED: OrderState.SUSPENDED,
    Happening.DONE_FOR_DAY: OrderState.DONE_FOR_DAY,
    Happening.RESUMED: None,
    Happening.STATUS: None,  # where it says NEW; the ends that it may tell are read as ends
}
SIGNS_OF_LIFE = {Happening.ACCEPTED, Happening.FILLED, Happening.REPLACED, *PAUSES}


class Money(NamedTuple):
    """A position: signed lots, cash after fees, fees, average (ticks) and realised before fees."""

    lots: int
    cash: Fraction
    fees: Fraction
    average: Fraction
    realised: Fraction


class Word(NamedTuple):
    """What counts for one fill: the report that was first, if heard, and the last about it."""

    fill: Report
    last: Report


class SlowLedger:
    """All wishes and reports that were ever heard; every question is answered from them."""

    def __init__(self, value: Fraction) -> None:
        self.value = value  # of one tick on one lot, for every symbol
        self.wishes: dict[str, Child | Cancel | Replace] = {}
        self.reports: dict[str, Report] = {}

    def hear(self, message: Child | Cancel | Replace | Report) -> None:
        """Keep a message; the same once more changes nothing."""
        if isinstance(message, Report):
            self.reports.setdefault(message.exec_id, message)
        else:
            self.wishes.setdefault(message.id, message)

    def child(self, id: str) -> Child | None:
        """The child that an id leads back to."""
        wish = self.wishes.get(id)
        return wish if wish is None or isinstance(wish, Child) else self.child(wish.target)

    def own(self, id: str, *happenings: Happening) -> list[Report]:
        """The reports of these kinds on one id; a venue may answer a cancel by the cancel's id."""
        names = {id, *(wish.id for wish in self.wishes.values() if isinstance(wish, Cancel) and wish.target == id)}
        return [report for report in self.reports.values() if report.order in names and report.happening in happenings]

    def words(self) -> list[Word]:
        """Every fill that counts."""
        amends = [r for r in self.reports.values() if r.happening in (Happening.BUSTED, Happening.CORRECTED)]
        executions = {r.exec_id: r for r in self.reports.values() if r.happening is Happening.FILLED or r in amends}
        referred = {r.refers_to for r in amends}
        families: dict[str, list[Report]] = {}
        for report in executions.values():
            top = report
            while top.happening is not Happening.FILLED and top.refers_to in executions:
                top = executions[str(top.refers_to)]
            name = top.exec_id if top.happening is Happening.FILLED else str(top.refers_to)
            families.setdefault(name, []).append(report)
        found = []
        for name, family in families.items():
            last = max((r for r in family if r.exec_id not in referred), key=lambda r: (r.time, r.exec_id))
            if last.happening is not Happening.BUSTED:
                found.append(Word(executions.get(name, last), last))
        return found

    def up(self, id: str) -> list[str]:
        """The ids that an order had, this one included."""
        wish = self.wishes[id]
        return [id] if isinstance(wish, Child) else [*self.up(wish.target), id]

    def lots(self, id: str) -> tuple[int, Fraction, int]:
        """What filled (net) under this id and earlier ones, what was paid for it, and what was ever executed."""
        ids = self.up(id)
        mine = [word.last for word in self.words() if word.fill.order in ids]
        executed = sum(r.lots for one in ids for r in self.own(one, Happening.FILLED))
        return sum(r.lots for r in mine), sum((r.lots * Fraction(r.price) for r in mine), Fraction(0)), executed

    def state(self, id: str) -> OrderState:
        """Where an order stands."""
        for happening, state in ENDS.items():
            if self.own(id, happening) or any(r.state is state for r in self.own(id, Happening.STATUS)):
                return OrderState.FILLED if state is not OrderState.REJECTED and self.whole(id) else state
        if self.own(id, Happening.REPLACE_REJECTED):
            return OrderState.REJECTED
        if any(r.replaces == id for r in self.reports.values() if r.happening is Happening.REPLACED):
            return OrderState.REPLACED
        return self.alive(id)

    def whole(self, id: str) -> bool:
        """Whether the venue knew it and has executed all of it."""
        wish = self.wishes[id]
        assert not isinstance(wish, Cancel)
        return bool(self.own(id, *SIGNS_OF_LIFE)) and self.lots(id)[2] >= wish.lots

    def alive(self, id: str) -> OrderState:
        """Where an order stands that has not ended."""
        filled, _, _ = self.lots(id)
        wish = self.wishes[id]
        assert not isinstance(wish, Cancel)
        confirmed = bool(self.own(id, *SIGNS_OF_LIFE))
        pauses = sorted(self.own(id, *PAUSES), key=lambda r: (r.time, r.exec_id))
        paused = PAUSES[pauses[-1].happening] if pauses else None
        cancels = sum(isinstance(w, Cancel) and w.target == id for w in self.wishes.values())
        replaces = [w.id for w in self.wishes.values() if isinstance(w, Replace) and w.target == id]
        if self.whole(id):
            return OrderState.FILLED
        if paused is OrderState.DONE_FOR_DAY:
            return paused
        if cancels > len(self.own(id, Happening.CANCEL_REJECTED)):
            return OrderState.PENDING_CANCEL
        if any(not self.own(one, Happening.REPLACE_REJECTED) for one in replaces):
            return OrderState.PENDING_REPLACE
        if not confirmed:
            return OrderState.PENDING_NEW
        return paused or (OrderState.PARTIALLY_FILLED if filled else OrderState.NEW)

    def money(self, account: str | None, strategy: str | None, symbol: str) -> Money:
        """A position by account or by strategy."""
        rows = []
        for fill, last in self.words():
            child = self.child(fill.order)
            name = child.strategy if child else last.strategy
            if last.symbol == symbol and (account is None or last.account == account) and (strategy is None or name == strategy):
                rows.append((fill.time, fill.exec_id if fill.happening is Happening.FILLED else str(self.name_of(fill)), last))
        return self.averaged([last for _, _, last in sorted(rows, key=lambda row: row[:2])])

    def name_of(self, amend: Report) -> str | None:
        """The exec_id of a fill that is only known from what was said about it."""
        while amend.refers_to in self.reports:
            amend = self.reports[amend.refers_to]
        return amend.refers_to

    def averaged(self, trades: Iterable[Report]) -> Money:
        """Average cost, lot by lot of thought: close first, then open."""
        held, average, realised, cash, fees = 0, Fraction(0), Fraction(0), Fraction(0), Fraction(0)
        for trade in trades:
            lots, price = trade.side * trade.lots, Fraction(trade.price)
            cash -= lots * price
            fees += Fraction(trade.fee)
            closing = 0 if held * lots >= 0 else (1 if lots > 0 else -1) * min(abs(lots), abs(held))
            realised += -closing * (price - average)
            held += closing
            opening = lots - closing
            if opening:
                average = (held * average + opening * price) / (held + opening)
                held += opening
        return Money(held, cash * self.value - fees, fees, average if held else Fraction(0), realised * self.value)

    def open_lots(self, account: str, symbol: str) -> tuple[int, int]:
        """What may still be bought and sold, at worst: of orders that replace one another, the one with the most left."""
        worst: dict[str, int] = {}
        sides = {}
        for id, wish in self.wishes.items():
            child = self.child(id)
            if isinstance(wish, Cancel) or child is None or (child.account, child.symbol) != (account, symbol):
                continue
            ended = self.state(id) in {OrderState.FILLED, OrderState.REPLACED, OrderState.DONE_FOR_DAY, *ENDS.values()}
            left = 0 if ended else max(wish.lots - self.lots(id)[0], 0)
            worst[child.id], sides[child.id] = max(worst.get(child.id, 0), left), child.side
        buy, sell = (sum(left for id, left in worst.items() if sides[id] == side) for side in (1, -1))
        return buy, sell
