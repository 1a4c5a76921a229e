"""An instrument: its tick, its lot, its fees; prices to ticks and back, exactly, and refused where they do not fit."""

from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market import soundness
from tercet.market.events import FINER_PER_TICK

UNITS: Final = 10_000  # feeds quote prices as whole numbers of 1 / UNITS of the currency
LARGEST_TICK: Final = soundness.LARGEST_TICK
LARGEST_SIZE: Final = soundness.LARGEST_SIZE
LEAST_STEP, LARGEST_STEP = Decimal("1e-9"), Decimal(10**6)


class Fees(msgspec.Struct, frozen=True):
    """What a fill costs, in currency units; a rebate is negative. The defaults are NASDAQ's for a displayed order."""

    taker_per_lot: float = 0.0030
    maker_per_lot: float = -0.0020
    taker_bps: float = 0.0
    maker_bps: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no fee."""
        for name in self.__struct_fields__:
            if not abs(getattr(self, name)) < float("inf"):
                raise BadInput(f"fee {name}: expected a finite number, found {getattr(self, name)}")


class Instrument(msgspec.Struct, frozen=True):
    """What is traded. `tick_size` (currency units) and `lot_size` (shares, coins, contracts) are exact decimals, kept as text."""

    symbol: str
    tick_size: str = "0.01"
    lot_size: str = "1"
    currency: str = "USD"
    fees: Fees = Fees()

    def __post_init__(self) -> None:
        for name in ("tick_size", "lot_size"):
            size = _decimal(getattr(self, name), name)
            if not LEAST_STEP <= size <= LARGEST_STEP:
                raise BadInput(f"{name} of {self.symbol}: expected a number above 0 from {LEAST_STEP} to {LARGEST_STEP}, found {size}")

    def price(self, tick: int) -> Decimal:
        """The price of `tick`, in currency units."""
        return int(tick) * Decimal(self.tick_size)

    def tick(self, price: Decimal | str | int) -> int:
        """The tick of `price` (currency units); BadInput where the price does not fit."""
        whole, left = divmod(_decimal(price, "price"), Decimal(self.tick_size))
        if left or not 1 <= whole <= LARGEST_TICK:
            raise BadInput(f"price {price} of {self.symbol}: expected {self.fitting}")
        return int(whole)

    @property
    def units_per_tick(self) -> int:
        """How many 1 / UNITS of the currency make a tick; BadInput where that is no whole number."""
        return _whole(Decimal(self.tick_size) * UNITS, f"tick_size {self.tick_size} of {self.symbol}: expected a multiple of {1 / UNITS}")

    @property
    def units_per_lot(self) -> int:
        """How many whole shares make a lot; BadInput where that is no whole number."""
        return _whole(Decimal(self.lot_size), f"lot_size {self.lot_size} of {self.symbol}: expected a whole number of shares")

    @property
    def fitting(self) -> str:
        """What a price must be, for the sentence that refuses one."""
        return f"a multiple of the tick {self.tick_size} from {self.price(1)} to {self.price(LARGEST_TICK)}"


class Ticks(NamedTuple):
    """Prices as ticks; `misfit` is the first row that does not fit, -1 where all do."""

    tick: NDArray[np.int32]
    finer: NDArray[np.int16]  # in 1 / FINER_PER_TICK of a tick
    misfit: int


def to_ticks(prices: NDArray[np.int64], units_per_tick: int, may_be_finer: NDArray[np.bool_] | bool = False) -> Ticks:
    """Prices in 1 / UNITS of the currency become ticks, rounded down, and what rounding left.

    `prices` and `may_be_finer` (rows that may lie between ticks) have shape (rows,). A row does not fit where its tick is below 1
    or above int32, where it lies between ticks and may not, or where what is left is no whole number of 1 / FINER_PER_TICK.
    """
    tick, left = np.divmod(prices, np.int64(units_per_tick))
    finer, lost = np.divmod(left * FINER_PER_TICK, np.int64(units_per_tick))
    misfits = (tick < 1) | (tick > LARGEST_TICK) | (lost != 0) | ((left != 0) & np.logical_not(may_be_finer))
    return Ticks(tick.astype(np.int32), finer.astype(np.int16), first(misfits))


def first(marked: NDArray[np.bool_]) -> int:
    """The first row that is marked, -1 where none is."""
    return int(marked.argmax()) if marked.any() else -1


def _decimal(value: Decimal | str | int, name: str) -> Decimal:
    if not isinstance(value, Decimal | str | int):
        raise BadInput(f"{name}: expected an exact number (text, a whole number or a Decimal), found {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise BadInput(f"{name}: expected a number, found {value!r}")
    return number


def _whole(number: Decimal, problem: str) -> int:
    if number != int(number):
        raise BadInput(problem)
    return int(number)
