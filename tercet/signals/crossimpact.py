"""Whether the order flow of other stocks says more of a price than its own flow does: Cont, Cucuringu & Zhang (2023).

A symbol's ten levels become one integrated imbalance. In each window the change of its mid is regressed on its own imbalance by least
squares, and what that leaves on the others' by LASSO, whose penalty is chosen inside the window by splits in order of time; the window
after judges both. The paper finds that others add nothing for the same seconds, and a little for the next ones. It penalises a stock's
own imbalance too; here it is not, so that what others add is theirs alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LassoCV
from sklearn.model_selection import TimeSeriesSplit

from tercet.errors import BadInput
from tercet.market.calendar import SECOND
from tercet.market.store import Day
from tercet.signals.ofi import OfiSettings, bars, unexplained, weights_of

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
SAME, NEXT = "same", "next"  # seconds: those of the imbalance, or as many after them
SPLITS: Final = 3  # of a window, in order of time, that choose its penalty
PENALTIES: Final = 30
LEAST_ROWS: Final = 2 * (SPLITS + 1)  # of a window
LEAST: Final = 1e-9  # lots or ticks: what spreads less does not vary


@dataclass(frozen=True)
class Crossed:
    """R² of one symbol's mid, means over windows: of its own imbalance alone, and with the others'."""

    symbol: str
    seconds: int
    moves: str  # SAME or NEXT
    own: float  # in its window
    all: float
    own_ahead: float  # of the window before's coefficients, out of sample
    all_ahead: float
    gain: float  # all_ahead − own_ahead
    error: float | None  # its standard error over windows; None of one window
    chosen: dict[str, float]  # of each other symbol, the share of windows in which the penalty left it a coefficient
    windows: int
    by_window: tuple[float, ...]  # gain of each but the first
    began: tuple[int, ...]  # when those began, ns


def cross(days: Sequence[Day], settings: OfiSettings | None = None) -> list[Crossed]:
    """The table of stored days of one date; BadInput for days of several dates, a symbol twice, or fewer than two windows in common."""
    settings = settings or OfiSettings()
    refuse_strangers(days)
    found = []
    for seconds in settings.seconds:
        flows, changes, times = together([bars(day, seconds) for day in days])
        length = settings.window_s // seconds
        symbols = tuple(day.meta.symbol for day in days)
        if len(times) < 2 * length:
            raise BadInput(
                f"{', '.join(symbols)}: {len(times)} changes over {seconds} s in common; expected two windows of {length} or more"
            )
        for moves in (SAME, NEXT):
            found += crossed(symbols, flows, changes, times, seconds, length, moves)
    return found


def refuse_strangers(days: Sequence[Day]) -> None:
    """BadInput unless the days are two or more symbols' of one date."""
    dates, symbols = sorted({str(day.meta.date) for day in days}), [day.meta.symbol for day in days]
    if len(dates) > 1:
        raise BadInput(f"the days were of {' and '.join(dates)}; expected one date")
    if twice := [symbol for symbol in symbols if symbols.count(symbol) > 1]:
        raise BadInput(f"{twice[0]} was there twice; expected each symbol once")
    if len(days) < 2:
        raise BadInput(f"there was {symbols[0]} alone; expected two symbols or more")


def together(each: Sequence[tuple[Floats, Floats, Times]]) -> tuple[Floats, Floats, Times]:
    """(symbols, bars, levels) imbalances, (symbols, bars) changes and when, of the bars that all symbols have."""
    times = reduce(np.intersect1d, [when for _, _, when in each])
    places = [np.searchsorted(when, times) for _, _, when in each]
    flows = np.stack([flow[place] for (flow, _, _), place in zip(each, places, strict=True)])
    return flows, np.stack([change[place] for (_, change, _), place in zip(each, places, strict=True)]), times


def crossed(
    symbols: Sequence[str], flows: Floats, changes: Floats, times: Times, seconds: int, length: int, moves: str = SAME
) -> list[Crossed]:
    """A row a symbol; flows: (symbols, bars, levels), changes: (symbols, bars), in windows of `length` bars, two or more."""
    rows = np.arange(len(times))
    if moves == NEXT:
        rows = rows[:-1][np.diff(times) == seconds * SECOND]
    told = changes[:, rows + 1] if moves == NEXT else changes
    windows = [(flows[:, rows[inside]], told[:, inside]) for inside in (rows // length == window for window in range(len(times) // length))]
    fewest = min(len(told.T) for _, told in windows)
    if fewest < LEAST_ROWS:
        raise BadInput(f"{', '.join(symbols)}: a window has {fewest} moves over {seconds} s to learn from; expected {LEAST_ROWS} or more")
    began = tuple(times[length : len(times) // length * length : length].tolist())
    return [_symbol(symbols, place, windows, began, seconds, moves) for place in range(len(symbols))]


def _symbol(
    symbols: Sequence[str], place: int, windows: list[tuple[Floats, Floats]], began: tuple[int, ...], seconds: int, moves: str
) -> Crossed:
    others = [symbol for symbol in symbols if symbol != symbols[place]]
    inside, ahead, chosen = [], [], []
    before: Impact | None = None
    for flows, changes in windows:
        if before is not None:
            ahead.append(before.explained(flows, changes[place]))
        before = Impact.of(flows, changes[place], place)
        inside.append(before.explained(flows, changes[place]))
        chosen.append(before.others != 0.0)
    own, both = np.mean(inside, axis=0).tolist()
    own_ahead, both_ahead = np.mean(ahead, axis=0).tolist()
    gains = np.diff(ahead, axis=1)[:, 0]
    error = float(gains.std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None
    shares = dict(zip(others, np.mean(chosen, axis=0).tolist(), strict=True))
    gained = float(gains.mean())
    by_window = tuple(gains.tolist())
    return Crossed(symbols[place], seconds, moves, own, both, own_ahead, both_ahead, gained, error, shares, len(windows), by_window, began)


@dataclass(frozen=True)
class Impact:
    """What a window says of one symbol's mid: the levels' weights of each symbol, and the coefficients."""

    place: int  # of the symbol
    weights: list[Floats]
    own: Floats  # (2,): constant and own imbalance, by least squares without the others
    partial: Floats  # (2, others): the others' imbalances by the same
    others: Floats  # (others,): of what that leaves of them

    @classmethod
    def of(cls, flows: Floats, change: Floats, place: int) -> "Impact":
        """Learned from (symbols, bars, levels) and (bars,)."""
        weights = [weights_of("integrated", levels) for levels in flows]
        own, rest = _designs(flows, weights, place)
        alone, partial = (np.asarray(np.linalg.lstsq(own, told, rcond=None)[0], np.float64) for told in (change, rest))
        return cls(place, weights, alone, partial, sparse(rest - own @ partial, change - own @ alone))

    def explained(self, flows: Floats, change: Floats) -> tuple[float, float]:
        """R² of its own imbalance alone, and with the others'."""
        own, rest = _designs(flows, self.weights, self.place)
        alone = own @ self.own
        return 1.0 - unexplained(change, alone), 1.0 - unexplained(change, alone + (rest - own @ self.partial) @ self.others)


def _designs(flows: Floats, weights: list[Floats], place: int) -> tuple[Floats, Floats]:
    """(bars, 2): a constant and the symbol's integrated imbalance; (bars, others): theirs."""
    whole = np.column_stack([levels @ weight for levels, weight in zip(flows, weights, strict=True)])
    return np.column_stack([np.ones(len(whole)), whole[:, place]]), np.delete(whole, place, axis=1)


def sparse(regressors: Floats, left: Floats) -> Floats:
    """LASSO's coefficients, its penalty chosen by splits in order of time; zeros where nothing varies."""
    spread = regressors.std(axis=0)
    varies = spread > LEAST
    found = np.zeros(len(spread))
    if varies.any() and left.std() > LEAST:
        lasso = LassoCV(alphas=PENALTIES, cv=TimeSeriesSplit(SPLITS), fit_intercept=False, max_iter=10_000)
        found[varies] = lasso.fit(regressors[:, varies] / spread[varies], left).coef_ / spread[varies]
    return found
