"""FIRM: the gate's records by name: scopes, instruments, positions and what is open, and what the world says of them."""

import math
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.instruments import LARGEST_SIZE, LARGEST_TICK
from tercet.orders import checks, clock, exposure
from tercet.orders.checks import ACCOUNT, AHEAD, CELL, RESTING, SCOPE, SYMBOL, WINDOWS
from tercet.orders.clock import ALWAYS, NEVER, NS
from tercet.orders.limits import OLDEST_POSTURE, Limits, Scope
from tercet.orders.tightening import ALL, BLIND, Shares, worse

DAY: Final = 86_400 * NS
MOST_VOLUME: Final = 2**53  # lots that floats count one by one
FOREIGN: Final = ""  # the strategy of fills that none of ours asked for
PHASES: Final = {"closed": checks.CLOSED, "open": checks.OPEN, "auction": checks.AUCTION, "halted": checks.PAUSED}


class Locked(Protocol):
    """What one thread at a time may change."""

    lock: threading.RLock


Owner = TypeVar("Owner", bound=Locked)
Terms = ParamSpec("Terms")
Answer = TypeVar("Answer")


def alone(function: Callable[Concatenate[Owner, Terms], Answer]) -> Callable[Concatenate[Owner, Terms], Answer]:
    """Let a function hold the lock of its first argument while it runs."""

    @wraps(function)
    def held(owner: Owner, /, *terms: Terms.args, **named: Terms.kwargs) -> Answer:
        with owner.lock:
            return function(owner, *terms, **named)

    return held


class Firm:
    """Times are ns since the epoch, prices ticks, money the firm's currency. Safe to call from any thread."""

    def __init__(self, limits: Limits) -> None:
        """No positions, nothing open, nothing heard of."""
        self.limits = limits
        self.lock = threading.RLock()  # of everything here and in the gate: records are written field by field
        self.strategies = {name: place for place, name in enumerate((*limits.strategy, FOREIGN))}
        self.desks = {name: len(self.strategies) + place for place, name in enumerate(limits.desk)}
        self.symbols = {name: place for place, name in enumerate(limits.instrument)}
        self.firm = len(self.strategies) + len(self.desks)
        self.scopes, self.instruments = np.zeros(self.firm + 1, SCOPE), np.zeros(len(self.symbols), SYMBOL)
        self.cells = np.zeros((len(self.strategies), len(self.symbols)), CELL)
        self.accounts = {name: place for place, name in enumerate((FOREIGN, *limits.account))}
        self.clients = np.zeros(len(self.accounts), ACCOUNT)
        self.resting, self.used, self._free = np.zeros(64, RESTING), 0, list(range(63, -1, -1))
        self.windows = np.zeros(1, WINDOWS)
        self.clock, self.day_ends = NEVER, NEVER  # ours, as last read
        self._day_before: tuple[int, NDArray[Any], NDArray[Any], NDArray[Any]] | None = None  # its end, peaks, clients, and cash taken out
        self.models: dict[str, str] = {}  # the one that each strategy has told of
        self.shares, self.state, self.posture_time, self.blind = ALL, "", NEVER, False  # what the last posture leaves of the limits
        self.scopes["heartbeat"], self.instruments["marked"] = NEVER, NEVER
        self.instruments["band_low"], self.instruments["band_high"] = 1, ALWAYS
        self.take(limits)

    @alone
    def take(self, limits: Limits) -> None:
        """Put limits into force: of the strategies, desks and instruments that there were at the beginning."""
        self.limits = limits
        for name, place in self.strategies.items():
            if name in limits.strategy:
                self._bound(self.scopes[place], limits.strategy[name], self.desks[limits.strategy[name].desk])
                self.scopes[place]["most_repeats"] = limits.strategy[name].repeats
                self.scopes[place]["may_short"] = limits.strategy[name].short
                self._train(name)
        for name, place in self.desks.items():
            if name in limits.desk:
                self._bound(self.scopes[place], limits.desk[name], self.firm)
        self._bound(self.scopes[self.strategies[FOREIGN]], limits.firm, self.firm)
        self._bound(self.scopes[self.firm], limits.firm, -1)
        self._shape_instruments(limits)
        self.clients["credit"] = self.clients["capital"] = math.inf
        for name, account in limits.account.items():
            self.clients["credit"][self.accounts[name]], self.clients["capital"][self.accounts[name]] = account.credit, account.capital
        waits = limits.windows
        times = {
            name: getattr(waits, f"{name}_s")
            for name in ("messages", "duplicates", "repeats", "drift", "volume", "reference", "features", "notional", "protection")
        }
        if int(self.windows["volume"][0]) != int(min(waits.volume_s * NS, ALWAYS)):  # buckets are of another width now
            for name in ("volumes", "own_volumes", "bucket"):
                self.instruments[name] = 0
        for name, seconds in {**times, "dead": waits.heartbeat_s * waits.missed}.items():
            self.windows[name] = int(min(seconds * NS, ALWAYS))
        records = self.scopes.view(np.recarray), self.instruments.view(np.recarray)
        exposure.tighten(*records, *records, np.array(worse(self.shares, BLIND) if self.blind else self.shares))
        self._date_posture()

    @alone
    def heed(self, shares: Shares, state: str, time: int) -> bool:
        """Let a posture of that time scale the limits until it is too old; whether it is another than before."""
        other = self.blind or (shares, state) != (self.shares, self.state)
        self.posture_time = time
        if other:
            self.shares, self.state, self.blind = shares, state, False
            self.take(self.limits)
        self._date_posture()
        return other

    @alone
    def lose_sight(self) -> None:
        """The last posture is too old, or there never was one: as in DEFENSIVE, or worse where it was."""
        self.blind, self.state, self.posture_ends = True, f"{self.state or 'unknown'}, too old", ALWAYS
        self.take(self.limits)

    def _date_posture(self) -> None:
        """Note when the last posture will be too old to count."""
        oldest = self.limits.windows.posture_s
        if oldest == math.inf and self.posture_time != NEVER:  # who has told once is waited for
            oldest = OLDEST_POSTURE
        never = oldest == math.inf or self.blind
        self.posture_ends = ALWAYS if never else self.posture_time + int(min(oldest * NS, ALWAYS))

    @staticmethod
    def _bound(row: Any, scope: Scope, above: int) -> None:
        row["above"], row["most_messages"] = above, scope.messages
        for name, value in (
            ("most_gross", scope.gross),
            ("most_net", scope.net),
            ("most_loss", scope.loss),
            ("most_halt_loss", scope.halt_loss),
            ("most_drawdown", scope.drawdown),
            ("most_orders", scope.open_orders),
            ("most_value", scope.open_value),
            ("most_notional", scope.notional),
            ("most_ratio", scope.order_to_trade),
            ("most_cancels", scope.cancels),
            ("most_rejects", scope.rejects),
            ("most_traded", scope.traded),
        ):
            row[name] = value

    def _shape_instruments(self, limits: Limits) -> None:
        for name, place in self.symbols.items():
            row, traded = self.instruments[place], limits.instrument.get(name)
            if traded is None:
                row["most_lots"] = 0.0
                continue
            row["money"], row["least_lots"], row["most_lots"], row["most_value"] = (
                traded.money,
                traded.least_lots,
                traded.lots,
                traded.value,
            )
            row["collar"], row["far"], row["most_drift"] = traded.collar, traded.far, traded.drift
            row["most_position"], row["most_firm_position"] = traded.position, traded.firm_position
            row["adv"], row["adv_share"], row["volume_share"] = traded.adv, traded.adv_share, traded.volume_share
            row["located"] = traded.located
            row["most_jump"], row["most_spread"], row["close_collar"] = traded.jump, traded.spread, traded.close_collar

    @alone
    def tick(self, now: int) -> bool:
        """Let the clock go on, to be called before anything else is done at `now`: whether a day has ended, from which on profit and its
        peak count anew. The clock is ours: what a venue says of the time begins no day.
        """
        if now < self.day_ends:
            return False
        ended, self.day_ends = self.day_ends, self._end_of_day(now)
        if ended == NEVER:
            return False
        cash, peaks, clients = self.cells["cash"].copy(), self.scopes["peak"].copy(), self.clients.copy()
        exposure.begin_day(self.scopes, self.instruments, self.cells)
        self.clients["bought"] = self.clients["sold"] = 0.0
        self._day_before = ended, peaks, clients, cash - self.cells["cash"]
        return True

    def _end_of_day(self, now: int) -> int:
        start = int(self.limits.windows.day_s * NS)
        return now - (now - start) % DAY + DAY

    @alone
    def read_clock(self, now: int) -> int:
        """Our time, for the watch and for each order. It does not go back, but where it had jumped ahead: what was dated then counts as of
        now.
        """
        if self.clock == NEVER:
            self._date_back(now + clock.VENUE_AHEAD)
        elif now < self.clock:
            if self.clock - now <= clock.STILL:
                return self.clock
            self._step_back(now)
        self.clock = now
        if now >= self.day_ends:
            self.tick(now)
        return now

    def _step_back(self, now: int) -> None:
        self._date_back(now)
        if self._day_before is not None and now < self._day_before[0]:
            _, peaks, clients, cash = self._day_before
            for name in ("bought", "sold"):
                self.clients[name] += clients[name]
            for strategy, symbol in np.ndindex(self.cells.shape):
                exposure.earn(self.scopes, self.instruments, self.cells, strategy, symbol, float(cash[strategy, symbol]))
            self.scopes["peak"] = np.maximum(peaks, self.scopes["peak"])
            self._day_before = None
        self.day_ends = min(self.day_ends, self._end_of_day(now))
        if self.posture_time > now + AHEAD:
            self.posture_time = NEVER
            self.lose_sight()

    def _date_back(self, now: int) -> None:
        clock.date_back(self.scopes, self.instruments, max(1, int(self.windows["volume"][0]) // checks.BUCKETS), now)

    def window_time(self, reported: int) -> int:
        """When something that a venue has dated counts in our windows."""
        return clock.window_time(reported, self.clock)

    # What the world says -------------------------------------------------------------------------------------------------------------

    @alone
    def mark(self, symbol: str, bid: int, ask: int, now: int) -> None:
        """The best prices of an instrument, 0 where a side is empty; nothing where a newer one is known."""
        place = self._symbol(symbol)
        refuse_no_time(now, f"mark of {symbol}")
        if not (0 <= bid <= LARGEST_TICK and 0 <= ask <= LARGEST_TICK):
            raise BadInput(f"mark of {symbol} was {bid!r} to {ask!r}; expected ticks from 0 (none) to {LARGEST_TICK}")
        if clock.out_of_date(now, int(self.instruments["marked"][place]), self.clock):
            return
        exposure.mark(self.scopes, self.instruments, self.cells, place, bid, ask, now)

    @alone
    def value_by_fills(self, symbol: str, price: float) -> None:
        """While there has been no mark, what is held is worth the last own price that stands; 0 where none does."""
        place = self._symbol(symbol)
        if self.instruments["marked"][place] < 0 and self.instruments["reference"][place] != price:
            self.instruments["reference"][place] = price
            for strategy in range(len(self.strategies)):
                exposure.earn(self.scopes, self.instruments, self.cells, strategy, place, 0.0)

    @alone
    def phase(self, symbol: str, phase: str, band: tuple[int, int] | None = None) -> None:
        """The phase of an instrument's session (closed, open, auction, halted), and the venue's price band where it is another."""
        if phase not in PHASES:
            raise BadInput(f"phase of {symbol} was {phase!r}; expected {', '.join(PHASES)}")
        row = self.instruments[self._symbol(symbol)]
        row["phase"] = PHASES[phase]
        if band is not None:
            row["band_low"], row["band_high"] = band

    @alone
    def traded(self, symbol: str, lots: int, now: int, own: int = 0) -> None:
        """Lots that traded in the market, and how many of them were ours."""
        refuse_no_time(now, f"volume of {symbol}")
        if type(lots) is not int or type(own) is not int or not (0 <= lots <= MOST_VOLUME and 0 <= own <= MOST_VOLUME):
            raise BadInput(f"volume of {symbol} was {lots!r}, ours {own!r}; expected whole numbers from 0 to {MOST_VOLUME}")
        width = max(1, int(self.windows["volume"][0]) // checks.BUCKETS)
        exposure.trade_volume(self.instruments, self._symbol(symbol), now, width, own, lots)

    @alone
    def closed(self, symbol: str, tick: int) -> None:
        """The close of the day before, in ticks."""
        if type(tick) is not int or not 0 < tick <= LARGEST_TICK:
            raise BadInput(f"close of {symbol} was {tick!r}; expected ticks from 1 to {LARGEST_TICK}")
        self.instruments[self._symbol(symbol)]["close"] = tick

    @alone
    def heartbeat(self, strategy: str, now: int) -> None:
        """A strategy is alive."""
        refuse_no_time(now, f"heartbeat of {strategy}")
        self.scopes[self._strategy(strategy)]["heartbeat"] = now

    @alone
    def hold(self, strategy: str, symbol: str, lots: int, price: float) -> None:
        """The position with which the day starts, at a price in ticks: profit counts from there."""
        if type(lots) is not int or abs(lots) > LARGEST_SIZE:
            raise BadInput(f"position in {symbol} was {lots!r}; expected a whole number of lots, {LARGEST_SIZE} at most")
        if not math.isfinite(price):
            raise BadInput(f"price of the position in {symbol} was {price}; expected a number of ticks")
        exposure.hold(self.scopes, self.instruments, self.cells, self._strategy(strategy), self._symbol(symbol), lots, price)

    @alone
    def earned(self, strategy: str, symbol: str, money: float) -> None:
        """What a strategy has made today (lost, where negative) before the gate was told of its fills."""
        exposure.earn(self.scopes, self.instruments, self.cells, self._strategy(strategy), self._symbol(symbol), money)

    @alone
    def model(self, strategy: str, name: str, distance: float, action: float, now: int) -> None:
        """What a strategy's model sees: how far it is from its training data, and what it wants to do."""
        refuse_no_time(now, f"features of {strategy}")
        if name not in self.limits.model:
            raise BadInput(f"model was {name!r}; expected one of {', '.join(self.limits.model)}")
        row = self.scopes[self._strategy(strategy)]
        row["model"], row["distance"], row["action"], row["features"] = 1, distance, action, now
        self.models[strategy] = name
        self._train(strategy)

    def _train(self, strategy: str) -> None:
        """What the strategy's model was trained on; nothing where the limits know it no longer."""
        if strategy in self.models:
            row, trained = self.scopes[self.strategies[strategy]], self.limits.model.get(self.models[strategy])
            row["most_distance"] = trained.distance if trained else math.nan
            row["least_action"], row["most_action"] = (trained.least_action, trained.most_action) if trained else (math.nan, math.nan)

    @alone
    def filled_whole(self, strategy: str, now: int) -> None:
        """One more order of a strategy was filled whole."""
        exposure.tire(self.scopes, self._strategy(strategy), now, int(self.windows["repeats"][0]))

    @alone
    def messages(self, strategy: str, count: int, now: int) -> None:
        """Messages that a strategy has sent at `now`, the gate not knowing."""
        if type(count) is not int or count < 0:
            raise BadInput(f"messages of {strategy} were {count!r}; expected a whole number, 0 or more")
        for _ in range(count):
            exposure.count_message(self.scopes, self._strategy(strategy), now, 0.0)

    # Rows of what is open ------------------------------------------------------------------------------------------------------------

    def free_row(self) -> int:
        """The row of the resting orders that `take_row` will take; who calls either holds the lock."""
        if not self._free:
            more = len(self.resting)
            self.resting = np.concatenate([self.resting, np.zeros(more, RESTING)])
            self._free = list(range(2 * more - 1, more - 1, -1))
        return self._free[-1]

    def take_row(self) -> int:
        """A row of the resting orders, now taken."""
        row = self._free.pop()
        self.used = max(self.used, row + 1)
        return row

    def release(self, row: int) -> None:
        """Give a resting row back."""
        exposure.release(self.scopes, self.instruments, self.cells, self.resting, row)
        self._free.append(row)

    def scope(self, name: str) -> NDArray[np.void]:
        """The row of "firm", "desk.NAME", "strategy.NAME" or "symbol.NAME"; raises BadInput where there is none."""
        kind, _, own = name.partition(".")
        if name == "firm":
            return self.scopes[self.firm : self.firm + 1]
        known = {"desk": (self.desks, self.scopes), "strategy": (self.strategies, self.scopes), "symbol": (self.symbols, self.instruments)}
        if kind not in known or not own or own not in known[kind][0]:
            raise BadInput(f"scope was {name!r}; expected firm, desk.NAME, strategy.NAME or symbol.NAME")
        names, rows = known[kind]
        return rows[names[own] : names[own] + 1]

    def scope_name(self, place: int) -> str:
        """What a row of the scopes is called: firm, desk.NAME or strategy.NAME."""
        for kind, names in (("strategy", self.strategies), ("desk", self.desks)):
            for name, row in names.items():
                if row == place:
                    return f"{kind}.{name}"
        return "firm"

    def _symbol(self, name: str) -> int:
        return _place(self.symbols, name, "symbol")

    def _strategy(self, name: str) -> int:
        return _place(self.strategies, name, "strategy")


def refuse_no_time(now: object, what: str) -> None:
    """Raise BadInput where a time is no number of ns."""
    if type(now) is not int or not 0 <= now <= ALWAYS:
        raise BadInput(f"time of the {what} was {now!r}; expected whole ns since the epoch")


def _place(places: dict[str, int], name: str, what: str) -> int:
    if not name or name not in places:
        raise BadInput(f"{what} was {name!r}; expected {', '.join(filter(None, places))}")
    return places[name]
