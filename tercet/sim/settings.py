"""What each named crowd is made of. Rates are per second and side, sizes in lots, distances in ticks."""

from dataclasses import dataclass, field
from typing import Any

# A U through the day in 26 quarter hours: 0.55 at its floor, 2.2 at the open, 1.9 at the close; scaled to a mean of 1 when written.
_U_SHAPE = tuple(0.55 + 1.65 * max(0.0, 1 - i / 9) ** 2 + 1.35 * max(0.0, 1 - (25 - i) / 7) ** 2 for i in range(26))


@dataclass(frozen=True)
class CrowdSettings:
    """A zero-intelligence crowd."""

    limit_rate: float = field(default=8.0, metadata={"help": "limit orders per second and side"})
    market_rate: float = field(default=1.0, metadata={"help": "market orders per second and side"})
    life_s: float = field(default=20.0, metadata={"help": "mean seconds that a limit order stays"})
    reach: float = field(default=8.0, metadata={"help": "mean distance of a limit order from the opposite touch"})
    limit_lots: float = field(default=150.0, metadata={"help": "mean size of a limit order"})
    market_lots: float = field(default=200.0, metadata={"help": "mean size of a market order"})
    lot_step: int = field(default=100, metadata={"help": "sizes are multiples of it"})
    anchor: int = field(default=5000, metadata={"help": "tick at which the market begins"})
    season: tuple[float, ...] = field(default=_U_SHAPE, metadata={"help": "relative rates in 26 parts of the day"})
    levels: int = field(default=1024, metadata={"help": "ticks in the book's window"})
    orders: int = field(default=2048, metadata={"help": "orders that the book can hold"})

    def __post_init__(self) -> None:
        """Refuse what no market can be made of."""
        for name in ("limit_rate", "market_rate", "life_s", "reach", "limit_lots", "market_lots", "lot_step", "anchor"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"crowd: {name} was {getattr(self, name)}; expected a positive number")
        if len(self.season) != 26 or min(self.season) <= 0:
            raise ValueError(f"crowd: season was {self.season}; expected 26 positive numbers")
        if 2 * self.limit_rate * self.life_s * max(self.season) > 0.5 * self.orders * sum(self.season) / 26:
            raise ValueError(f"crowd: limit_rate {self.limit_rate} for {self.life_s} s does not fit a book of {self.orders} orders")

    def write(self, record: Any, opens: int, closes: int) -> None:
        """Fill a CROWD_SETTINGS record for a day between two times (ns)."""
        for name in ("limit_rate", "market_rate", "life_s", "reach", "limit_lots", "market_lots", "lot_step", "anchor"):
            setattr(record, name, getattr(self, name))
        mean = sum(self.season) / len(self.season)
        record.season[:] = [part / mean for part in self.season]
        record.open = opens
        record.close = closes


CROWDS = {"default": CrowdSettings()}
