"""Every message between packages, in the order in which they flow. All are frozen."""

import msgspec


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
