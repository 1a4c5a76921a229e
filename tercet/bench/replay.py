"""How many recorded events a second pass with one of our orders always in the queue."""

import datetime
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import Market, history_market
from tercet.bench.loops import always_in_the_queue
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.book.records import CHILD
from tercet.market import lobster
from tercet.market.instruments import Instrument
from tercet.market.store import Day, open_day, save
from tercet.sim.state import new_scratch

ROUNDS = 5
MESSAGES = 150_000
GOOG = "lobster/GOOG_2012-06-21_34200000_57600000_{}_10.csv.zst"


def measure() -> dict[str, float]:
    """Events a second on a made day, and on GOOG 2012-06-21 where TERCET_DATA has it; `replay.events_per_s` is GOOG's if it can be."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        messages, book = write_lobster(home, *made_day(MESSAGES))
        made = history_market(open_day(save(home / "made", lobster.read(messages, book, MADE, DATE), MADE, DATE)))
        measured = {"replay.made_events_per_s": rate(made)}
        goog = goog_day(home / "goog")
        if goog is not None:
            measured["replay.goog_events_per_s"] = rate(history_market(goog))
    return {"replay.events_per_s": list(measured.values())[-1]} | measured


def goog_day(store: Path) -> Day | None:
    """The recorded day, imported; None where the data are not here."""
    data = Path(os.environ.get("TERCET_DATA", "../shared/data"))
    messages, book = data / GOOG.format("message"), data / GOOG.format("orderbook")
    if not (messages.exists() and book.exists()):
        return None
    instrument, day = Instrument(symbol="GOOG"), datetime.date(2012, 6, 21)
    return open_day(save(store, lobster.read(messages, book, instrument, day), instrument, day))


def rate(market: Market) -> float:
    """Events a second over the whole day, best of ROUNDS."""
    events = np.asarray(market.events)
    timed(market, events[:1])  # compiles, or fetches what was compiled
    return len(events) / min(timed(market, events) for _ in range(ROUNDS))


def timed(market: Market, events: NDArray[np.void]) -> float:
    """Seconds for those events."""
    sim = market.open(0, 0)
    scratch = new_scratch(sim)
    child = np.zeros(1, CHILD).view(np.recarray)[0]
    began = time.perf_counter()
    always_in_the_queue(sim, events, scratch, child)
    return time.perf_counter() - began
