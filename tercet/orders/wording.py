"""What a control has refused, in words: which rule, what was found, what its limit is, in the units that people trade in."""

from collections.abc import Callable
from typing import Final

from tercet.market.instruments import Instrument
from tercet.orders.checks import AUCTION, CLOSED, PAUSED, RULES
from tercet.orders.limits import Limits

NS: Final = 1e9
PHASES: Final = {CLOSED: "closed", AUCTION: "in an auction", PAUSED: "halted"}


class Terms:
    """A refusal's numbers in the words that a sentence needs: of a symbol, of the scope whose limit it was."""

    def __init__(self, limits: Limits, symbol: str, scope: str, side: int, was: float, limit: float) -> None:
        """was, limit: as the control has left them."""
        traded = limits.instrument.get(symbol)
        self._shape = Instrument(symbol, traded.tick_size, traded.lot_size) if traded else None
        self.symbol, self.scope, self.side, self.was, self.limit = symbol, scope, side, was, limit

    def price(self, ticks: float) -> str:
        """A price in currency."""
        if self._shape is None or not 1 <= ticks < 2**62:
            return "none"
        return f"{float(self._shape.price(1)) * ticks:,.10g}"

    @property
    def seconds(self) -> str:
        """The age that was, and the oldest."""
        return f"{self.was / NS:,.3g} s old; expected {self.limit / NS:g} s at most" if self.was < 2**61 else "never heard of; expected one"


def lots(terms: Terms) -> str:
    """So many, at most so many."""
    return f"{terms.was:,.0f} lots; expected {terms.limit:,.0f} at most"


def money(terms: Terms) -> str:
    """So much, at most so much."""
    return f"{terms.was:,.2f}; expected {terms.limit:,.2f} at most"


def share(terms: Terms) -> str:
    """Such a share, at most such a share."""
    return f"{100 * terms.was:.3g}%; expected {100 * terms.limit:.3g}% at most"


def number(terms: Terms) -> str:
    """So many, at most so many, of anything."""
    return f"{terms.was:,.6g}; expected {terms.limit:,.6g} at most"


Sentence = Callable[[Terms], str]
# By rule and by `why`, 0 where a control minds one thing.
SENTENCES: Final[dict[tuple[str, int], Sentence]] = {
    ("largest_quantity", 0): lambda t: f"the order of {t.symbol} has {lots(t)}",
    ("largest_value", 0): lambda t: f"the order of {t.symbol} is worth {money(t)}",
    ("price_collar", 1): lambda t: f"the stop price in {t.symbol} is away from the market by {share(t)}",
    ("price_collar", 2): lambda t: f"the price in {t.symbol} is worse than the reference by {share(t)}",
    ("price_collar", 3): lambda t: f"the price in {t.symbol} is better than the reference by {share(t)}",
    ("collar_over_time", 0): lambda t: f"our own trades have moved the price of {t.symbol} by {share(t)}",
    ("message_rate", 0): lambda t: f"messages of {t.scope} in the window, this one included, are {number(t)}",
    ("repeated_execution", 0): lambda t: (
        f"{t.scope} has filled more than {t.limit:,.0f} orders whole in the window; expected two people to arm it again"
    ),
    ("duplicates", 1): lambda t: "the id was used before; expected a new one",
    ("duplicates", 2): lambda t: f"the same order of {t.symbol} was sent a moment ago; expected another, or more time between them",
    ("position", 1): lambda t: f"the worst case of {t.scope} in {t.symbol} is {lots(t)}",
    ("position", 2): lambda t: f"the worst case of the firm in {t.symbol} is {lots(t)}",
    ("exposure", 1): lambda t: f"gross exposure of {t.scope} in the worst case is {money(t)}",
    ("exposure", 2): lambda t: f"net exposure of {t.scope} in the worst case is {money(t)}",
    ("daily_loss", 0): lambda t: f"{t.scope} has lost {money(t)} today",
    ("drawdown", 0): lambda t: f"{t.scope} is below the day's best by {money(t)}",
    ("open_orders", 1): lambda t: f"open orders of {t.scope}, this one included, are {number(t)}",
    ("open_orders", 2): lambda t: f"open orders of {t.scope}, this one included, are worth {money(t)}",
    ("participation", 1): lambda t: f"the order, as a part of a usual day of {t.symbol}, has {lots(t)}",
    ("participation", 2): lambda t: f"our part of what trades in {t.symbol} would be {share(t)}",
    ("self_match", 0): lambda t: (
        f"it would trade with our own order at {t.price(t.limit)}; expected a price that does not meet it, found {t.price(t.was)}"
    ),
    ("permissions", 1): lambda t: f"{t.was:,.0f} lots of {t.symbol} are sold that are not held; expected the mark of a short sale",
    ("permissions", 2): lambda t: f"{t.scope} may not sell {t.symbol} short; expected lots that it holds",
    ("permissions", 3): lambda t: f"sold short of {t.symbol} by all strategies would be {t.was:,.0f} lots; {t.limit:,.0f} are located",
    ("market_state", 1): lambda t: f"{t.symbol} is {PHASES.get(int(t.was), 'not open')}; orders are taken while it is open",
    ("market_state", 2): lambda t: f"the reference price of {t.symbol} is {t.seconds}",
    ("market_state", 3): lambda t: f"the reference price of {t.symbol} is of {-t.was / NS:.3g} s to come; expected one of now",
    ("market_state", 4): lambda t: (
        f"the market of {t.symbol} is {t.price(t.limit)} bid, {t.price(t.was)} ask; expected both, the bid below the ask"
    ),
    ("market_state", 5): lambda t: f"the price in {t.symbol} is {t.price(t.was)}; expected one within the venue's band, {t.price(t.limit)}",
    ("conformity", 1): lambda t: f"lots of {t.symbol} were {t.was:,.0f}; expected a multiple of {t.limit:,.0f}, or what ends a position",
    ("conformity", 2): lambda t: "it has expired already; expected a time to come",
    ("conformity", 3): lambda t: f"side was {t.side} and the price {t.was:g} ticks; expected 1 or -1, and a price above 0",
    ("reduce_only", 0): lambda t: (
        f"{t.scope} may only reduce, and the order of {t.symbol} has {t.was:,.0f} lots; expected {t.limit:,.0f} at most, towards nothing"
    ),
    ("kill_switch", 1): lambda t: f"{t.scope} is killed; expected two people to arm it again",
    ("kill_switch", 2): lambda t: f"symbol.{t.symbol} is killed; expected two people to arm it again",
    ("kill_switch", 3): lambda t: f"{t.scope} is halted by its losses; expected two people to arm it again",
    ("dead_man", 1): lambda t: f"the last heartbeat of {t.scope} is of {t.was / NS:.3g} s to come; expected clocks that agree",
    ("dead_man", 2): lambda t: f"the last heartbeat of {t.scope} is {t.seconds}",
    ("parent_conformance", 1): lambda t: f"the child has {t.was:,.0f} lots; its parent has {t.limit:,.0f} left",
    ("parent_conformance", 2): lambda t: (
        f"the child's price is {t.price(abs(t.was))}; expected its parent's or better, {t.price(abs(t.limit))}"
    ),
    ("parent_conformance", 3): lambda t: f"the parent begins in {t.was / NS:.3g} s; expected a child after that",
    ("parent_conformance", 4): lambda t: f"the parent ended {t.was / NS:.3g} s ago; expected a child before that",
    ("model_limits", 1): lambda t: f"the input of the model of {t.scope} is away from what it was trained on by {number(t)}",
    ("model_limits", 2): lambda t: f"the features of {t.scope} are {t.was:.3g} s old; expected 0 to {t.limit:g} s",
    ("model_limits", 3): lambda t: f"the action of the model of {t.scope} is {number(t)}",
    ("model_limits", 4): lambda t: f"the action of the model of {t.scope} is {-t.was:g}; expected {-t.limit:g} at least",
    ("reconciliation", 1): lambda t: f"{t.symbol} is blocked: what we and others count differs; expected positions to be compared",
    ("reconciliation", 2): lambda t: f"{t.symbol} is blocked: nobody has answered for {t.was:,.0f} of our orders; expected an answer",
    ("credit", 1): lambda t: f"trades and open orders of the account come to {money(t)}",
    ("credit", 2): lambda t: f"what the account has {'bought' if t.side > 0 else 'sold'} on balance comes to {money(t)}",
    ("notional_rate", 0): lambda t: f"{t.scope} would ask in the window for {money(t)}",
    ("order_to_trade", 0): lambda t: f"messages of {t.scope} to each of its trades today are {number(t)}",
    ("cancel_rate", 0): lambda t: f"cancels of {t.scope} in the window are {number(t)}",
    ("reject_rate", 0): lambda t: f"rejects of {t.scope} in the window are {number(t)}",
    ("market_data", 1): lambda t: f"the spread of {t.symbol} is {share(t)}",
    ("market_data", 2): lambda t: f"the last mark has moved the mid of {t.symbol} by {share(t)}, until the next one confirms it",
    ("previous_close", 0): lambda t: (
        f"the price in {t.symbol} is away from the close of the day before by {share(t)}"
        if t.was == t.was
        else f"nobody has said the close of {t.symbol} of the day before; expected it"
    ),
    ("market_maker_protection", 0): lambda t: f"{t.scope} has traded in the window {lots(t)}",
}


def sentence(rule: int, why: int, terms: Terms) -> str:
    """What was refused, beginning with the rule."""
    name = RULES[rule]
    said = SENTENCES.get((name, why)) or SENTENCES.get((name, 0))
    if said is None or (terms.was != terms.was and name != "previous_close"):
        return f"{name}: {terms.symbol} has no number to judge it by; expected a price"
    return f"{name}: {said(terms)}"
