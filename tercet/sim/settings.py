"""What each named crowd is made of. Rates are per second and side, sizes in lots, distances in ticks."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tercet.sim.state import FAST_LIFE, HAWKES, KERNEL, QUEUE, QUEUE_CAP, QUEUE_LEVELS, REGIMES, SLOW_LIFE, ZERO

SECOND = 1_000_000_000

# A U through the day in 26 quarter hours: 0.55 at its floor, 2.2 at the open, 1.9 at the close; scaled to a mean of 1 when written.
_U_SHAPE = tuple(0.55 + 1.65 * max(0.0, 1 - i / 9) ** 2 + 1.35 * max(0.0, 1 - (25 - i) / 7) ** 2 for i in range(26))


def _positive(what: str, settings: Any, name: str) -> None:
    if not 0 < getattr(settings, name) < float("inf"):
        raise ValueError(f"{what}: {name} was {getattr(settings, name)}; expected a positive number")


def _share(what: str, settings: Any, name: str) -> None:
    if not 0 <= getattr(settings, name) <= 1:
        raise ValueError(f"{what}: {name} was {getattr(settings, name)}; expected 0 to 1")


def _geometric(steps: float) -> float:
    return 1.0 / math.log(steps / (steps - 1.0)) if steps > 1 else 0.0


def _mean_mark(steps: float, power: float) -> float:
    """The mean of (size / mean size) ** power of a geometric size of mean `steps`."""
    if steps <= 1:
        return 1.0
    n = np.arange(1, int(60 * steps) + 2)
    return float(np.sum((n / steps) ** power * (1 - 1 / steps) ** (n - 1) / steps))


@dataclass(frozen=True)
class QueueSettings:
    """What makes a crowd queue-reactive: shapes as in Huang, Lehalle & Rosenbaum (2015), figures 2 to 4, not fitted to any day."""

    levels: tuple[float, ...] = field(
        default=(1.0, 1.2, 1.1, 0.9, 0.8, 0.7, 0.6, 0.5), metadata={"help": "relative rates of limit orders by level, best first"}
    )
    unit: float = field(default=150.0, metadata={"help": "lots of one unit of queue length, the mean event"})
    fill_in: float = field(default=0.5, metadata={"help": "share of limit orders that come to an empty queue"})
    crowding: float = field(default=150.0, metadata={"help": "queue length, in units, at which limit orders have halved"})
    patience: float = field(default=4.0, metadata={"help": "queue length up to which lives end as drawn"})
    concavity: float = field(default=0.1, metadata={"help": "cancellations grow with queue length to the power of 1 less this"})
    demand: float = field(default=12.0, metadata={"help": "e-folding queue length of market orders"})
    floor: float = field(default=0.3, metadata={"help": "share of market orders that come whatever the queue"})
    theta: float = field(default=0.7, metadata={"help": "probability that the reference price follows a depleted queue"})

    def __post_init__(self) -> None:
        """Refuse what no queue can be made of."""
        if not 1 <= len(self.levels) <= QUEUE_LEVELS or min(self.levels) <= 0:
            raise ValueError(f"queue: levels was {self.levels}; expected 1 to {QUEUE_LEVELS} positive numbers")
        for name in ("unit", "crowding", "patience", "demand"):
            _positive("queue", self, name)
        for name in ("fill_in", "concavity", "floor", "theta"):
            _share("queue", self, name)

    def write(self, record: Any) -> None:
        """Fill the QUEUE fields of a CROWD_SETTINGS record."""
        n = np.arange(QUEUE_CAP + 1)
        record.level_count = len(self.levels)
        record.level[:] = 1.0
        record.level[: len(self.levels)] = np.cumsum(self.levels) / sum(self.levels)
        record.level[len(self.levels) - 1] = 1.0
        record.queue_unit, record.theta = self.unit, self.theta
        record.limits_at[:] = np.where(n == 0, self.fill_in, 1.0 / (1.0 + n / self.crowding))
        record.lives_at[:] = np.minimum(1.0, (np.maximum(n, 1) / self.patience) ** -self.concavity)
        record.markets_at[:] = self.floor + (1 - self.floor) * np.exp(-np.maximum(n - 1, 0) / self.demand)


@dataclass(frozen=True)
class HawkesSettings:
    """What makes a crowd excite itself, and turn around."""

    offspring_limit: float = field(default=0.35, metadata={"help": "mean number of orders that a limit order excites"})
    offspring_market: float = field(default=1.2, metadata={"help": "mean number of orders that a market order of mean size excites"})
    limit_children: tuple[float, ...] = field(
        default=(0.55, 0.40, 0.03, 0.02),
        metadata={"help": "a limit order's: limit same side, limit opposite, market same, market opposite"},
    )
    market_children: tuple[float, ...] = field(default=(0.35, 0.25, 0.36, 0.04), metadata={"help": "a market order's, likewise"})
    mark_power: float = field(default=0.5, metadata={"help": "offspring of a market order grow with this power of its size"})
    kernel_s: tuple[float, ...] = field(default=(0.002, 0.05, 1.0, 15.0), metadata={"help": "means of the kernel's exponentials, seconds"})
    kernel_share: tuple[float, ...] = field(default=(0.25, 0.25, 0.3, 0.2), metadata={"help": "their shares"})
    feedback: float = field(default=0.02, metadata={"help": "probability of turning around per mean market order remembered"})
    feedback_s: tuple[float, ...] = field(default=(3.0, 30.0, 300.0), metadata={"help": "memory of signed flow, seconds"})
    feedback_share: tuple[float, ...] = field(default=(0.5, 0.3, 0.2), metadata={"help": "weights of these memories"})
    follow: float = field(
        default=0.4, metadata={"help": "limit orders come to the touch, or not, by so much per mean market order just remembered"}
    )
    improve: float = field(default=0.25, metadata={"help": "share of limit orders that improve a wide spread"})
    join: float = field(default=0.2, metadata={"help": "share that joins its touch"})
    wide: float = field(default=4.0, metadata={"help": "ticks beyond a spread of one at which it is wide"})
    fast_share: float = field(default=0.3, metadata={"help": "share of limit orders that live shortly"})
    fast_life_s: float = field(default=0.5, metadata={"help": "their mean life"})

    def __post_init__(self) -> None:
        """Refuse what no stable market can be made of."""
        for name in ("offspring_limit", "offspring_market", "feedback", "follow"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"hawkes: {name} was {getattr(self, name)}; expected 0 or more")
        for name in ("wide", "fast_life_s"):
            _positive("hawkes", self, name)
        for name in ("mark_power", "fast_share", "improve", "join"):
            _share("hawkes", self, name)
        if self.improve + self.join >= 0.5:
            raise ValueError(
                f"hawkes: improve + join was {self.improve + self.join}; expected less than 0.5, so that following can double it"
            )
        for name, count in (("limit_children", 4), ("market_children", 4), ("kernel_share", len(self.kernel_s)), ("feedback_share", 0)):
            shares = getattr(self, name)
            if (count and len(shares) != count) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
                raise ValueError(f"hawkes: {name} was {shares}; expected {count or len(self.feedback_s)} shares that add up to 1")
        for name, partner in (("kernel_s", "kernel_share"), ("feedback_s", "feedback_share")):
            means = getattr(self, name)
            if not 1 <= len(means) <= 4 or min(means) <= 0 or len(means) != len(getattr(self, partner)):
                raise ValueError(f"hawkes: {name} was {means}; expected 1 to 4 positive numbers, as many as {partner}")
        if self.branching_ratio >= 1:
            raise ValueError(f"hawkes: the branching ratio was {self.branching_ratio:.3f}; expected less than 1, or the market explodes")

    @property
    def offspring(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Mean numbers of offspring, (parent, child) of (limit, market)."""
        rows = ((self.offspring_limit, self.limit_children), (self.offspring_market, self.market_children))
        return np.array([[mean * (child[0] + child[1]), mean * (child[2] + child[3])] for mean, child in rows])

    @property
    def branching_ratio(self) -> float:
        """The spectral radius of the offspring matrix."""
        return float(np.abs(np.linalg.eigvals(self.offspring)).max())

    def write(self, record: Any, mean_mark: float) -> None:
        """Fill the HAWKES fields of a CROWD_SETTINGS record; `mean_mark`: mean of a market order's size by its mean, to mark_power."""
        record.offspring[:] = self.offspring_limit, self.offspring_market / mean_mark
        record.child[0], record.child[1] = np.cumsum(self.limit_children), np.cumsum(self.market_children)
        record.mark_power = self.mark_power
        record.kernel[:] = 1.0
        record.kernel[: len(self.kernel_share)] = np.cumsum(self.kernel_share)
        record.waits[KERNEL : KERNEL + len(self.kernel_s)] = np.array(self.kernel_s) * SECOND
        record.feedback, record.follow = self.feedback, self.follow
        record.feedback_share[: len(self.feedback_s)] = self.feedback_share
        record.feedback_rate[: len(self.feedback_s)] = 1.0 / (np.array(self.feedback_s) * SECOND)
        record.improve, record.join, record.wide = self.improve, self.join, self.wide
        record.fast_share = self.fast_share
        record.waits[FAST_LIFE] = self.fast_life_s * SECOND


@dataclass(frozen=True)
class RegimeSettings:
    """A crowd at one time, relative to its settings."""

    pace: float = field(default=1.0, metadata={"help": "everything happens so much faster"})
    limits: float = field(default=1.0, metadata={"help": "so many of the limit orders arrive"})
    markets: float = field(default=1.0, metadata={"help": "so many of the market orders arrive"})
    reach: float = field(default=1.0, metadata={"help": "distances are so much longer"})
    bias: float = field(default=0.0, metadata={"help": "market orders prefer the trend's side by so much, 0 to 1"})

    def __post_init__(self) -> None:
        """Refuse what no regime can be."""
        for name in ("pace", "limits", "markets", "reach"):
            _positive("regime", self, name)
        _share("regime", self, "bias")


@dataclass(frozen=True)
class SignalSettings:
    """A signal planted in the flow: an autoregression of variance 1 that moves the sides of market orders, and is shown as alpha."""

    strength: float = field(default=0.5, metadata={"help": "market orders prefer its side by so much at one standard deviation"})
    memory_s: float = field(default=60.0, metadata={"help": "its e-folding time"})
    step_s: float = field(default=1.0, metadata={"help": "time between its steps"})
    shuffled: bool = field(default=False, metadata={"help": "show an independent twin of the same law, which moves nothing"})

    def __post_init__(self) -> None:
        """Refuse what no signal can be."""
        for name in ("memory_s", "step_s"):
            _positive("signal", self, name)
        _share("signal", self, "strength")


@dataclass(frozen=True)
class SellerSettings:
    """A large seller (Kirilenko, Kyle, Samadi & Tuzun 2017), drawn for each session between two numbers, lots in logarithms."""

    onset_s: tuple[float, float] = field(
        default=(1800.0, 21_600.0), metadata={"help": "business seconds after the opening at which it begins"}
    )
    share: tuple[float, float] = field(default=(0.1, 0.4), metadata={"help": "of what others traded since its last order"})
    lots: tuple[float, float] = field(default=(1e5, 4e5), metadata={"help": "what it sells in all"})

    def __post_init__(self) -> None:
        """Refuse what no seller can be."""
        for name in ("onset_s", "share", "lots"):
            low, high = getattr(self, name)
            if not 0 < low <= high < float("inf"):
                raise ValueError(f"seller: {name} was {(low, high)}; expected two positive numbers, the smaller first")

    def drawn(self, seed: int) -> tuple[float, float, float]:
        """Onset, share and lots in the session of that seed."""
        rng = np.random.default_rng([seed, 4])
        return rng.uniform(*self.onset_s), rng.uniform(*self.share), math.exp(rng.uniform(*np.log(self.lots)))


@dataclass(frozen=True)
class CrowdSettings:
    """A crowd: zero-intelligence, unless `queue` or `hawkes` say more."""

    limit_rate: float = field(default=8.0, metadata={"help": "limit orders per second and side; QUEUE: before queues turn them away"})
    market_rate: float = field(default=1.0, metadata={"help": "market orders per second and side; QUEUE: before queues turn them away"})
    life_s: float = field(default=25.0, metadata={"help": "mean seconds that a limit order stays"})
    reach: float = field(default=8.0, metadata={"help": "mean distance of a limit order from the opposite touch; HAWKES: behind its own"})
    limit_lots: float = field(default=150.0, metadata={"help": "mean size of a limit order"})
    market_lots: float = field(default=200.0, metadata={"help": "mean size of a market order"})
    lot_step: int = field(default=1, metadata={"help": "sizes are multiples of it; children smaller than it would pass unnoticed"})
    anchor: int = field(default=5000, metadata={"help": "tick at which the market begins"})
    season: tuple[float, ...] = field(default=_U_SHAPE, metadata={"help": "relative paces in 26 parts of the day"})
    levels: int = field(default=512, metadata={"help": "ticks in the book's window"})
    orders: int = field(default=1023, metadata={"help": "orders that the book can hold"})
    births: int = field(default=1023, metadata={"help": "orders that can be excited and not yet come"})
    queue: QueueSettings | None = field(default=None, metadata={"help": "what makes it queue-reactive"})
    hawkes: HawkesSettings | None = field(default=None, metadata={"help": "what makes it excite itself"})
    regimes: tuple[RegimeSettings, ...] = field(default=(RegimeSettings(),), metadata={"help": "what it changes between"})
    dwell_s: float = field(default=600.0, metadata={"help": "mean time in a regime, and of a trend"})
    signal: SignalSettings | None = field(default=None, metadata={"help": "a planted signal"})
    seller: SellerSettings | None = field(default=None, metadata={"help": "a large seller"})

    def __post_init__(self) -> None:
        """Refuse what no market can be made of."""
        for name in ("limit_rate", "market_rate", "life_s", "reach", "limit_lots", "market_lots", "lot_step", "anchor", "dwell_s"):
            _positive("crowd", self, name)
        for name in ("lot_step", "anchor", "levels", "orders", "births"):
            if getattr(self, name) != int(getattr(self, name)):
                raise ValueError(f"crowd: {name} was {getattr(self, name)}; expected a whole number")
        if len(self.season) != 26 or min(self.season) <= 0:
            raise ValueError(f"crowd: season was {self.season}; expected 26 positive numbers")
        if not 1 <= len(self.regimes) <= REGIMES:
            raise ValueError(f"crowd: {len(self.regimes)} regimes; expected 1 to {REGIMES}")
        if self.queue is not None and self.hawkes is not None:
            raise ValueError("crowd: both queue and hawkes were given; expected one law of arrival")
        if 2 * self.limit_rate * self.life_s > 0.6 * self.orders:
            raise ValueError(f"crowd: limit_rate {self.limit_rate} for {self.life_s} s does not fit a book of {self.orders} orders")
        if self.hawkes is not None:
            if min(self.immigrants) <= 0:
                raise ValueError(
                    f"crowd: offspring alone come to more than limit_rate {self.limit_rate} or market_rate {self.market_rate}; "
                    "expected rates above those of what is excited"
                )
            waiting = 2 * (self.limit_rate + self.market_rate) * float(np.dot(self.hawkes.kernel_s, self.hawkes.kernel_share))
            if waiting > 0.5 * self.births:
                raise ValueError(f"crowd: about {waiting:.0f} excited orders wait at a time; expected at most half of births {self.births}")

    @property
    def flow(self) -> int:
        """ZERO, QUEUE or HAWKES."""
        return QUEUE if self.queue is not None else HAWKES if self.hawkes is not None else ZERO

    @property
    def immigrants(self) -> tuple[float, float]:
        """Rates of the limit and the market orders that nothing excites, so that all together come at limit_rate and market_rate."""
        rates = np.array([self.limit_rate, self.market_rate])
        own = rates - (self.hawkes.offspring.T @ rates if self.hawkes is not None else 0.0)
        return float(own[0]), float(own[1])

    def write(self, record: Any, opens: int, closes: int, seed: int) -> None:
        """Fill a CROWD_SETTINGS record for the day of that seed between two times (ns)."""
        record.flow, record.open, record.close = self.flow, opens, closes
        limits, markets = self.immigrants
        most_limits = max(regime.limits for regime in self.regimes)
        most_markets = max(regime.markets for regime in self.regimes)
        rate = 2 * (limits * most_limits + markets * most_markets)
        record.wait, record.market_share = SECOND / rate, 2 * markets * most_markets / rate
        record.limit_size, record.market_size = (_geometric(lots / self.lot_step) for lots in (self.limit_lots, self.market_lots))
        for name in ("lot_step", "reach", "anchor", "market_lots"):
            setattr(record, name, getattr(self, name))
        record.waits[SLOW_LIFE] = self.life_s * SECOND
        if self.queue is not None:
            self.queue.write(record)
        if self.hawkes is not None:
            self.hawkes.write(record, _mean_mark(self.market_lots / self.lot_step, self.hawkes.mark_power))
            record.waits[SLOW_LIFE] = (
                SECOND * (self.life_s - self.hawkes.fast_share * self.hawkes.fast_life_s) / (1 - self.hawkes.fast_share)
            )
        record.regime_count, record.dwell = len(self.regimes), self.dwell_s * SECOND
        for row, regime in zip(record.regimes, self.regimes, strict=False):
            row.pace, row.reach, row.bias = regime.pace, regime.reach, regime.bias
            row.limits, row.markets = regime.limits / most_limits, regime.markets / most_markets
        if self.signal is not None:
            record.signal_strength, record.signal_shuffled = self.signal.strength, self.signal.shuffled
            record.signal_step = int(self.signal.step_s * SECOND)
            record.signal_memory = math.exp(-self.signal.step_s / self.signal.memory_s)
        if self.seller is not None:
            onset_s, record.seller_share, record.seller_lots = self.seller.drawn(seed)
            record.seller_onset = int(onset_s * SECOND)
        record.season[:] = np.array(self.season) / np.mean(self.season)


HAWKES_CROWD = CrowdSettings(market_rate=1.6, life_s=33.0, reach=10.0, hawkes=HawkesSettings())
CROWDS = {
    "default": HAWKES_CROWD,
    "zero": CrowdSettings(),
    "queue": CrowdSettings(life_s=20.0, limit_rate=11.0, market_rate=2.0, limit_lots=150.0, market_lots=150.0, queue=QueueSettings()),
    "hawkes": HAWKES_CROWD,
    "calm": replace(HAWKES_CROWD, regimes=(RegimeSettings(pace=0.6, markets=0.7),)),
    "volatile": replace(HAWKES_CROWD, regimes=(RegimeSettings(pace=2.0, limits=0.8, reach=1.5),)),
    "thin": replace(HAWKES_CROWD, regimes=(RegimeSettings(limits=0.45, reach=1.5),)),
    "trending": replace(HAWKES_CROWD, regimes=(RegimeSettings(bias=0.4),)),
    "crash": replace(HAWKES_CROWD, seller=SellerSettings()),
    "switching": replace(
        HAWKES_CROWD,
        regimes=(
            RegimeSettings(),
            RegimeSettings(pace=0.6, markets=0.7),
            RegimeSettings(pace=2.0, limits=0.8, reach=1.5),
            RegimeSettings(limits=0.45, reach=1.5),
            RegimeSettings(bias=0.4),
        ),
    ),
    "signal": replace(HAWKES_CROWD, signal=SignalSettings()),
    "signal-shuffled": replace(HAWKES_CROWD, signal=SignalSettings(shuffled=True)),
}
