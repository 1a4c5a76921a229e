"""Every message between packages, in the order in which they flow. All are frozen."""

from enum import StrEnum
from math import isfinite
from time import monotonic_ns
from typing import Any, Final, cast

import msgspec


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says of a symbol over a horizon: a mean with its spread, in `unit`. Times are ns since the epoch, UTC."""

    symbol: str
    event_time: int  # of the last thing that it looked at
    known_time: int  # when it could be known here
    horizon: str  # from then on, such as 10events or 5days
    unit: str  # of mu, sd, lo and hi: ticks, or return
    mu: float
    sd: float  # of what happened about mu, on rows that the model had not seen
    lo: float  # between lo and hi what happens lies in nine of ten cases, by the same rows
    hi: float
    p_up: float
    model_id: str
    half_life: float | None = None  # horizons until half of what it tells is left
    regime: str | None = None
    contributions: tuple[tuple[str, float], ...] = ()  # the features that moved it most

    def __post_init__(self) -> None:
        """Refuse what is no forecast."""
        wrong = (
            (not all(map(isfinite, (self.mu, self.sd, self.lo, self.hi))), f"mu, sd, lo, hi were {self.mu, self.sd, self.lo, self.hi}"),
            (self.sd < 0 or self.lo > self.hi, f"sd was {self.sd}, lo {self.lo} and hi {self.hi}; expected sd >= 0 and lo <= hi"),
            (not 0 <= self.p_up <= 1, f"p_up was {self.p_up}; expected 0 to 1"),
            (self.known_time < self.event_time, f"known_time was {self.known_time}; expected event_time, {self.event_time}, or later"),
        )
        for is_wrong, sentence in wrong:
            if is_wrong:
                raise ValueError(f"forecast of {self.symbol}: {sentence}")


STATES = ("NORMAL", "CAUTIOUS", "DEFENSIVE", "HALT")  # of a posture, from bold to nothing at all


class Posture(msgspec.Struct, frozen=True, kw_only=True):
    """How boldly to act: a share of full exposure, a state, and its caps as shares of what is allowed in NORMAL. Time is ns, UTC."""

    time: int
    state: str  # of STATES
    level: int  # 0 to 3 in their order
    multiplier: float  # of exposure, 0 to 1
    participation: float  # cap on a parent's highest
    child: float  # cap on the largest child order
    passive: float  # of what is left of a parent, least share that one child may not cross with
    gross: float
    net: float
    name: float
    reason: str  # the input that set it, "none", or what was missing

    def __post_init__(self) -> None:
        """Refuse what is no posture."""
        shares = (self.multiplier, self.participation, self.child, self.passive, self.gross, self.net, self.name)
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError(f"posture: expected shares from 0 to 1, found {shares}")
        if (self.level, self.state) not in enumerate(STATES):
            raise ValueError(f"posture: expected a level and its state of {', '.join(STATES)}, found {self.level} and {self.state}")


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """A large order to be worked: `lots` on `side` (1 buy, -1 sell) between two times (ns since the epoch, UTC)."""

    side: int
    lots: int
    start: int
    end: int
    limit_tick: int | None = None  # the worst price at which it may trade
    least_participation: float = 0.0  # own lots / all lots
    most_participation: float = 1.0
    urgency: float = 0.0  # 0 patient to 1
    quiet: tuple[tuple[int, int], ...] = ()  # no-trade windows [from, to), ns

    def __post_init__(self) -> None:
        """Refuse what cannot be worked."""
        wrong = (
            (self.side not in (1, -1), f"side was {self.side}; expected 1 or -1"),
            (self.lots <= 0, f"lots was {self.lots}; expected 1 or more"),
            (self.end <= self.start, f"end was {self.end}; expected later than start, {self.start}"),
            (
                not 0 <= self.least_participation <= self.most_participation <= 1 or self.most_participation == 0,
                f"participation was {self.least_participation} to {self.most_participation}; expected 0 <= least <= most <= 1",
            ),
            (not 0 <= self.urgency <= 1, f"urgency was {self.urgency}; expected 0 to 1"),
            (len(self.quiet) > 4, f"{len(self.quiet)} no-trade windows; expected 4 at most"),
        )
        for is_wrong, sentence in wrong:
            if is_wrong:
                raise ValueError(f"parent order: {sentence}")


class Kind(StrEnum):
    """How a child meets the book."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"  # a market order once `stop_tick` has traded
    STOP_LIMIT = "stop_limit"


class Lifetime(StrEnum):
    """When a child ends by itself."""

    DAY = "day"
    IOC = "ioc"
    FOK = "fok"
    GTC = "gtc"
    GTD = "gtd"  # at `expires`


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One order as somebody wants it sent: prices in ticks, times in ns since the epoch, UTC."""

    id: str  # the client's, never used twice
    strategy: str
    account: str
    symbol: str
    venue: str
    side: int  # 1 buys, -1 sells
    lots: int
    time: int  # when it was made
    kind: Kind = Kind.LIMIT
    tick: int | None = None
    stop_tick: int | None = None
    lifetime: Lifetime = Lifetime.DAY
    expires: int | None = None
    parent: str | None = None
    short: bool = False  # the mark of a sale of what is not held
    trader: str = ""  # who answers for it
    algorithm: str = ""  # what decided it


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """The wish that what is left of a child be withdrawn."""

    id: str  # of this wish
    target: str  # the child's id
    time: int


class Replace(msgspec.Struct, frozen=True, kw_only=True):
    """The wish that a child have another size (what has filled included) and price; from then on it has this id."""

    id: str
    target: str
    lots: int
    time: int
    tick: int | None = None


class OrderState(StrEnum):
    """Where a child stands."""

    PENDING_NEW = "pending_new"  # sent, nothing heard
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    PENDING_REPLACE = "pending_replace"
    REPLACED = "replaced"  # lives on under another id
    REJECTED = "rejected"
    EXPIRED = "expired"
    DONE_FOR_DAY = "done_for_day"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"  # nobody answered: it may or may not be there


class Happening(StrEnum):
    """What can happen to a child: the first three are ours, the others a venue's reports."""

    CANCEL_ASKED = "cancel_asked"
    REPLACE_ASKED = "replace_asked"
    TIMED_OUT = "timed_out"
    ACCEPTED = "accepted"
    FILLED = "filled"  # a trade, of part of it or of all
    CANCELED = "canceled"
    REPLACED = "replaced"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DONE_FOR_DAY = "done_for_day"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    CANCEL_REJECTED = "cancel_rejected"
    REPLACE_REJECTED = "replace_rejected"
    BUSTED = "busted"  # a trade is undone
    CORRECTED = "corrected"  # a trade's size or price is another
    STATUS = "status"  # the answer to a question: `state` says where it stands


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came back about a child. Executions (FILLED, BUSTED, CORRECTED) are known by `exec_id` and counted once."""

    exec_id: str
    order: str  # the child's id
    happening: Happening
    time: int
    symbol: str
    account: str
    side: int
    strategy: str = ""
    lots: int = 0  # of this execution, or as corrected
    price: float = 0.0  # of it, ticks; hidden trades may print between them
    fee: float = 0.0  # of it, in the instrument's currency; negative is a rebate
    refers_to: str | None = None  # the exec_id that is busted or corrected
    left: int | None = None  # lots still working, as the venue sees it
    replaces: str | None = None  # REPLACED: the id that it had before
    state: OrderState | None = None  # STATUS alone
    venue_id: str = ""
    text: str = ""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A message that may not be sent: by which control, what the limit is and what it was."""

    id: str
    rule: str
    limit: float
    was: float
    time: int
    text: str = ""


GATE_STAMP = object()  # the gate's alone: a test looks for who else names it


class Era:
    """What a gate's approvals hold for: a kill, a halt or other limits end it, and with it all that was approved before."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        """The first one."""
        self.number = 0


LONGEST_APPROVAL: Final = 5 * 10**9  # ns that may pass between the gate and the wire, by a clock that nobody sets


class Approved(tuple[Any, ...]):
    """A message that the gate has let through, sealed: the only thing that a gateway takes, in its era and for a few seconds."""

    __slots__ = ()

    def __new__(
        cls, message: Child | Replace | Cancel, time: int, waived: str = "", stamp: object = None, era: Era | None = None
    ) -> "Approved":
        """Raises TypeError for everybody but the gate."""
        if stamp is not GATE_STAMP:
            raise TypeError("only the gate approves: expected an Approved from Gate.check")
        return tuple.__new__(cls, (message, time, waived, monotonic_ns(), era, era.number if era is not None else 0))

    @property
    def message(self) -> Child | Replace | Cancel:
        """What may be sent, as it was judged."""
        return cast("Child | Replace | Cancel", self[0])

    @property
    def time(self) -> int:
        """When it was judged, ns, by the clock of who asked."""
        return int(self[1])

    @property
    def waived(self) -> str:
        """The control that people have overridden for it, or `odd_lot`; empty for any other order."""
        return str(self[2])

    def __setattr__(self, name: str, value: object = None) -> None:
        """Raises AttributeError: what is sent is what was judged."""
        raise AttributeError(f"{name} of an Approved cannot be changed: what is sent is what the gate has judged")

    __delattr__ = __setattr__

    def __reduce__(self) -> str:
        """Raises TypeError: an approval is neither copied nor kept."""
        raise TypeError("an Approved is neither copied nor stored; expected another check")

    @property
    def void(self) -> str:
        """Why it may be sent no longer, in a sentence; empty while it may. A cancel always may."""
        _, _, _, made, era, number = self
        if isinstance(self.message, Cancel):
            return ""
        if era is not None and era.number != number:
            return "it was approved before a kill, a halt or a change of limits; expected another check"
        if (age := monotonic_ns() - made) > LONGEST_APPROVAL:
            return f"it was approved {age / 1e9:.1f} s ago; expected {LONGEST_APPROVAL / 1e9:g} s at most, or another check"
        return ""


class Act(StrEnum):
    """What people can tell the gate."""

    KILL = "kill"  # nothing new; what is open is to be cancelled
    REDUCE = "reduce"  # only what reduces
    ARM = "arm"  # asks for an end of that, which another person confirms
    CONFIRM = "confirm"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants: of the firm ("firm"), of "desk.NAME", "strategy.NAME" or "symbol.NAME"."""

    act: Act
    scope: str
    by: str
    time: int
    reason: str = ""


class LimitsChange(msgspec.Struct, frozen=True, kw_only=True):
    """Other limits came into force: all of them, and who said so."""

    version: int
    by: str
    second: str | None  # where they are looser
    time: int
    limits: dict[str, Any]  # a tree of plain values


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A position as we have it and as the drop copy has it, in lots: while they differ the symbol is blocked."""

    symbol: str
    own: int
    theirs: int
    time: int
    of: str = "position"  # in lots; or "orders": how many are the same, of how many


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """What the children of one parent may ask for together: lots, ticks and ns since the epoch."""

    id: str
    lots: int
    bound: int = 0  # the worst price; 0: none
    start: int = -(2**62)
    end: int = 2**62
    strategy: str | None = None  # its children's, where it is known, and so on
    symbol: str | None = None
    side: int | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person has to look at."""

    rule: str
    scope: str
    text: str
    time: int
