"""LIMITS: the numbers that nobody crosses, read from one versioned TOML, tightened by anybody and loosened by two people.

Every limit must be there: one that is missing is an error, and `inf` says that there is none. Money is in the firm's currency.
"""

import unicodedata
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from tercet.errors import BadInput
from tercet.market.instruments import Instrument

MOST_MESSAGES = 1024  # that a window can count
MOST_COUNTED = 255  # cancels and rejects that a window can count
LARGEST = 2**62
NONE = float("inf")  # no limit
SHARES = (".collar", ".drift", ".adv_share", ".volume_share", ".jump", ".spread", ".close_collar", ".far")


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the firm, a desk or a strategy may have at most."""

    gross: float  # sum over instruments of the worst case's absolute value
    net: float  # absolute value of the worst case's sum
    loss: float  # since the day's start, fees included: beyond it only what reduces goes
    halt_loss: float  # beyond it nothing goes
    drawdown: float  # from the day's highest profit: beyond it nothing goes
    open_orders: int
    open_value: float
    messages: int  # in windows.messages_s
    notional: float = NONE  # money asked for in windows.notional_s
    order_to_trade: float = NONE  # messages of a day to its trades, beyond a hundred messages
    cancels: float = NONE  # in windows.messages_s, after which nothing new goes
    rejects: float = NONE  # in windows.messages_s
    traded: float = NONE  # lots, in windows.protection_s


class Strategy(Scope, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A strategy's limits, and what it may do at all."""

    desk: str
    accounts: tuple[str, ...]
    venues: tuple[str, ...]
    symbols: tuple[str, ...]
    sides: tuple[int, ...] = (1, -1)
    short: bool = False  # may sell what it does not have
    traders: tuple[str, ...] = ()  # of whom an order has to name one, where any is named here
    algorithms: tuple[str, ...] = ()
    repeats: int  # orders filled whole in windows.repeats_s, until a person re-arms it


class Traded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An instrument: what it is, and what one order or one day may do to it."""

    tick_size: str
    lot_size: str = "1"
    multiplier: float = 1.0
    fx: float = 1.0  # to the firm's currency
    least_lots: int = 1
    lots: int  # of one order
    value: float  # of one order
    collar: float  # how much worse than the reference a price may be, as a share of it
    far: float  # how much better
    drift: float  # how far own fills may have moved the price in windows.drift_s, as a share
    position: int  # lots, of one strategy in the worst case
    firm_position: int  # of all strategies together
    adv: float  # lots that trade on an average day
    adv_share: float  # of it, one order
    volume_share: float  # of what trades in windows.volume_s
    located: int = 0  # lots that may be sold short
    jump: float = NONE  # by which one mark may move the mid, as a share of it; the next one confirms it
    spread: float = NONE  # as a share of the mid
    close_collar: float = NONE  # how far a price may be from the close of the day before, as a share of it

    @property
    def money(self) -> float:
        """What a lot is worth for each tick of its price, in the firm's currency."""
        shape = Instrument("", self.tick_size, self.lot_size)
        return float(shape.price(1)) * float(shape.lot_size) * self.multiplier * self.fx


class Windows(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Times, in seconds."""

    messages_s: float
    duplicates_s: float  # within it the same order again is a mistake
    repeats_s: float
    drift_s: float
    volume_s: float
    reference_s: float  # the oldest reference price that counts
    heartbeat_s: float
    missed: int  # heartbeats, after which a strategy is dead
    notional_s: float = 1.0
    protection_s: float = 1.0
    features_s: float = 5.0  # the oldest features that a model may act on
    posture_s: float = float("inf")  # the oldest posture that counts, after which it is DEFENSIVE; inf: an hour after one has come
    day_s: float = 0.0  # when the day of losses begins, after midnight UTC; at a time when nobody trades


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A client: money that its trades of the day and its open orders may come to."""

    credit: float  # all together
    capital: float = NONE  # bought beyond what is sold, or sold beyond what is bought


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model was trained on."""

    distance: float  # of an input from the training data, at most
    least_action: float
    most_action: float


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All limits of a firm. Raises BadInput for what cannot be meant."""

    version: int
    people: tuple[str, ...]  # who may approve
    windows: Windows
    firm: Scope
    desk: dict[str, Scope]
    strategy: dict[str, Strategy]
    instrument: dict[str, Traded]
    account: dict[str, Account] = {}
    model: dict[str, Model] = {}
    restricted: tuple[str, ...] = ()  # symbols that nobody here may trade

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for where, value in leaves(self):
            _refuse_number(where, value)
        self._refuse_names()
        self._refuse_counts()

    def _refuse_names(self) -> None:
        _refuse_same(self.people)
        if self.windows.missed < 1:
            raise BadInput(f"windows.missed was {self.windows.missed}; expected 1 heartbeat or more")
        if not self.windows.day_s < 86_400:
            raise BadInput(f"windows.day_s was {self.windows.day_s}; expected less than 86400, the seconds of a day")
        for name, strategy in self.strategy.items():
            if strategy.desk not in self.desk:
                raise BadInput(f"strategy.{name}.desk was {strategy.desk!r}; expected one of {', '.join(sorted(self.desk))}")
            if unknown := sorted(set(strategy.symbols) - set(self.instrument)):
                raise BadInput(f"strategy.{name}.symbols has {unknown[0]!r}; expected one of {', '.join(sorted(self.instrument))}")
            if not set(strategy.sides) <= {1, -1}:
                raise BadInput(f"strategy.{name}.sides was {list(strategy.sides)}; expected 1, -1 or both")

    def _refuse_counts(self) -> None:
        for name, scope in {"firm": self.firm, **self.desk, **self.strategy}.items():
            if scope.messages > MOST_MESSAGES:
                raise BadInput(f"messages of {name} were {scope.messages}; expected {MOST_MESSAGES} at most")
            for what, most in (("cancels", scope.cancels), ("rejects", scope.rejects)):
                if MOST_COUNTED < most < NONE:
                    raise BadInput(f"{what} of {name} were {most:g}; expected {MOST_COUNTED} at most, or inf for no limit")
        for symbol, traded in self.instrument.items():
            if not 0.0 < traded.money < float("inf"):
                raise BadInput(f"instrument.{symbol}: a tick is worth {traded.money}; expected a positive amount")


def _refuse_number(where: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if not (value >= 0 or where.endswith(SIGNED)):
        raise BadInput(f"{where} was {value}; expected a number, 0 or more")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise BadInput(f"{where} was {value}; expected a whole number, {LARGEST} at most")
    if where.endswith(SHARES) and 1.0 < value < NONE:
        raise BadInput(f"{where} was {value:g}; expected a share from 0 to 1 (5% is 0.05), or inf for no limit")


OLDEST_POSTURE = 3600.0  # seconds that one counts where windows.posture_s is inf


def _refuse_same(people: tuple[str, ...]) -> None:
    for one, other in combinations(people, 2):
        if same_person(one, other):
            raise BadInput(f"people were {one!r} and {other!r}; expected each person once: two names of one would be two people")


SIGNED = (".least_action", ".most_action")
# Where more is tighter; everywhere else among numbers, less is. What is not named here and is no number needs two people.
TIGHTER_UP = (
    "windows.messages_s",
    "windows.duplicates_s",
    "windows.repeats_s",
    "windows.notional_s",
    "windows.protection_s",
    ".least_action",
)
NO_LIMIT = (
    ".tick_size",
    ".lot_size",
    ".multiplier",
    ".fx",
    ".adv",
    ".least_lots",
    "windows.volume_s",
    "windows.drift_s",
    "windows.day_s",
    ".desk",
    "people",
)
SETS = (".venues", ".symbols", ".sides", ".accounts")  # fewer is tighter
NAMED = (".traders", ".algorithms")  # of some, fewer is tighter; none are no limit


def read(path: Path) -> Limits:
    """The limits of a TOML file; raises BadInput naming what is missing, unknown or of the wrong kind."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError as error:
        raise BadInput(f"{path}: expected a file of limits, found none; `tercet gate example` prints one") from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def parse(text: bytes | str) -> Limits:
    """The limits of a TOML text."""
    try:
        tree = msgspec.toml.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadInput(f"limits: {error}; expected TOML") from error
    return _of_tree(tree)


TABLES: dict[str, type[msgspec.Struct]] = {"windows": Windows, "firm": Scope}
FAMILIES: dict[str, type[msgspec.Struct]] = {
    **{"desk": Scope, "strategy": Strategy, "instrument": Traded},
    **{"account": Account, "model": Model},
}


def _of_tree(tree: dict[str, Any]) -> Limits:
    """The limits of plain values, table by table; raises BadInput naming the table, the key and the nearest one."""
    _refuse_keys("limits", tree, Limits)
    for name, kind in TABLES.items():
        _convert(name, tree[name], kind)
    for family, kind in FAMILIES.items():
        named = tree.get(family, {})
        if not isinstance(named, dict):
            raise BadInput(f"{family} was {named!r:.80}; expected tables [{family}.NAME]")
        for name, table in named.items():
            _convert(f"{family}.{name}", table, kind)
    limits: Limits = _convert("limits", tree, Limits)
    return limits


def _refuse_keys(where: str, table: Any, kind: type[msgspec.Struct]) -> None:
    """Raise BadInput for what is no table, has a key that nobody reads, or lacks a limit."""
    if not isinstance(table, dict):
        raise BadInput(f"{where} was {table!r:.80}; expected a table")
    for name in table:
        if name not in kind.__struct_fields__:
            near = get_close_matches(name, kind.__struct_fields__, 1) or [", ".join(kind.__struct_fields__)]
            raise BadInput(f"{where} has {name!r}; expected {near[0]}")
    if lacking := [field.name for field in msgspec.structs.fields(kind) if field.required and field.name not in table]:
        raise BadInput(f"{where} has no {', '.join(lacking)}; expected a value (`inf` where there is no limit)")


def _convert(where: str, table: Any, kind: type[msgspec.Struct]) -> Any:
    _refuse_keys(where, table, kind)
    try:
        return msgspec.convert(table, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadInput(f"{where}: {error}") from error


def changed(limits: Limits, values: dict[str, Any]) -> Limits:
    """The next version of limits, with other values by dotted names; raises BadInput where there is no such name."""
    tree = msgspec.to_builtins(limits)
    for name, value in values.items():
        *path, last = name.split(".")
        part = tree
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
        if not isinstance(part, dict) or last not in part:
            raise BadInput(f"limits have no {name!r}; expected a name such as instrument.{next(iter(limits.instrument))}.lots")
        part[last] = value
    return _of_tree({**tree, "version": limits.version + 1})


def leaves(part: Any, where: str = "") -> list[tuple[str, Any]]:
    """Every number, word and set of limits, with its dotted name."""
    if isinstance(part, msgspec.Struct):
        pairs = [(name, getattr(part, name)) for name in part.__struct_fields__]
    elif isinstance(part, dict):
        pairs = list(part.items())
    else:
        return [(where, part)]
    return [leaf for name, value in pairs for leaf in leaves(value, f"{where}.{name}" if where else name)]


def loosened(old: Limits, new: Limits) -> list[str]:
    """What `new` allows and `old` did not, by dotted name: all that is not known to be tighter."""
    before, after = dict(leaves(old)), dict(leaves(new))
    changed = [name for name in after if name != "version" and (name not in before or before[name] != after[name])]
    return [name for name in changed if name not in before or not _tighter(name, before[name], after[name])] + _dropped(old, new)


def _dropped(old: Limits, new: Limits) -> list[str]:
    """A desk or model that is gone cannot bind; a strategy or an instrument that is gone may do nothing."""
    gone = [(kind, name) for kind in ("desk", "model", "account") for name in getattr(old, kind) if name not in getattr(new, kind)]
    return [f"{kind}.{name}" for kind, name in gone]


def _tighter(name: str, before: Any, after: Any) -> bool:
    if name.endswith(NO_LIMIT):
        return False
    if name.endswith(SETS):
        return set(after) <= set(before)
    if name.endswith(NAMED):
        return bool(after) and (not before or set(after) <= set(before))
    if name == "restricted":
        return set(after) >= set(before)
    if isinstance(after, bool):
        return before and not after
    if not isinstance(after, int | float):
        return False
    if name == "windows.posture_s":
        return bool(after <= min(before, OLDEST_POSTURE))
    return bool(after > before) if name.endswith(TIGHTER_UP) else bool(after < before)


def same_person(one: str, other: str) -> bool:
    """Whether two names may be one person's: they differ in nothing but case, spaces, marks, or how letters are written."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", name).casefold() if letter.isalnum())
