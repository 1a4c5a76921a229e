"""What a panel of daily bars can bear witness to: whether the dead are in it, and which prices jump and come back.

Where only those are kept that lived, what is bought after a fall has always risen again; where one print is wrong, who bets on its
return is always right. Both look like skill, in forecasts and in portfolios, and no number of trials accounts for them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from tercet.market.calendar import NEW_YORK, SECOND, zone
from tercet.signals.timed import EVENT, Table

GRACE: Final = 5  # days of the market that a symbol may miss at the end of a file and be alive
FEWEST: Final = 0.005  # of the symbols end in a year; exchanges lose several times as many
DAYS: Final = 252  # of a year
JUMP: Final = float(np.log(1.25))  # a day's return, in logarithms, from which on it may be a bad print
NEAR: Final = 0.25  # how far, as a share of it, a return may miss its reversal
WITHIN: Final = 5  # rows of the symbol until it comes back


@dataclass(frozen=True)
class Jump:
    """A close that was left again: the return to it, and how many rows later its reversal came."""

    symbol: str
    date: str
    move: float
    rows: int


@dataclass(frozen=True)
class Evidence:
    """Of a panel: how many symbols it has, how many of them end before it does, in how many years of theirs; and its jumps."""

    symbols: int
    ended: int
    years: float  # a symbol's rows are its days
    last: str  # date
    jumps: tuple[Jump, ...]

    @property
    def survivors(self) -> bool:
        """Whether all symbols, or as good as all, live until the file ends."""
        return self.ended < FEWEST * self.years

    @property
    def jumped(self) -> tuple[str, ...]:
        """The symbols with jumps that came back."""
        return tuple(sorted({one.symbol for one in self.jumps}))

    def sentences(self) -> list[str]:
        """What is to be known before the gate is believed; nothing where there is nothing."""
        told = []
        if self.survivors:
            who = f"{self.symbols - self.ended:,} of {self.symbols:,} symbols are" if self.ended else "every symbol is"
            what = "these are survivors, on whom the gate passes nothing but a planted control; what it does not reject is not judged"
            told.append(f"{who} alive on the last date, {self.last}: {what}")
        if self.jumps:
            first = max(self.jumps, key=lambda one: abs(one.move))
            what = f"{len(self.jumps):,} closes of {len(self.jumped):,} symbols jump and come back within {WITHIN} rows, as bad prints"
            widest = f"the widest is {first.symbol}, {first.date}: {np.expm1(first.move):+.0%}, back {first.rows} rows later"
            told.append(f"{what} and splits that nobody adjusted do ({widest}); the gate judges with these symbols and without them")
        return told


def evidence_of(bars: Table) -> Evidence:
    """Of daily bars: symbol, event_time, close."""
    frame = bars.frame.select("symbol", EVENT, "close").sort("symbol", EVENT)
    days = frame[EVENT].unique().sort()
    last = frame.group_by("symbol").agg(pl.col(EVENT).max())[EVENT]
    ended = int((last < days[max(0, len(days) - 1 - GRACE)]).sum())
    return Evidence(len(last), ended, frame.height / DAYS, _date(days[-1]), jumps_of(frame))


def _date(time: int) -> str:
    """Of a time in ns, as New York counts it."""
    return f"{datetime.fromtimestamp(time // SECOND, zone(NEW_YORK)):%Y-%m-%d}"


def jumps_of(frame: pl.DataFrame) -> tuple[Jump, ...]:
    """Returns of at least JUMP that are followed within WITHIN rows by one of the same size the other way; rows by symbol and time."""
    with_moves = frame.with_columns(_move=(pl.col("close") / pl.col("close").shift(1)).log().over("symbol"))
    back = [pl.col("_move").shift(-rows).over("symbol") for rows in range(1, WITHIN + 1)]
    near = [pl.when((one + pl.col("_move")).abs() <= NEAR * pl.col("_move").abs()).then(pl.lit(rows)) for rows, one in enumerate(back, 1)]
    found = with_moves.with_columns(_rows=pl.coalesce(near)).filter((pl.col("_move").abs() >= JUMP) & pl.col("_rows").is_not_null())
    rows = found.select("symbol", EVENT, "_move", "_rows").iter_rows()
    return tuple(Jump(symbol, _date(time), move, away) for symbol, time, move, away in rows)
