"""How many events a second go through the book and the whole feature set, on one core."""

import tempfile
import time
from pathlib import Path

import numpy as np

from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.bench.replay import ROUNDS, goog_day
from tercet.market import lobster
from tercet.market.store import Day, open_day, save
from tercet.signals.days import FeatureStream, hours_of

MESSAGES = 150_000


def measure() -> dict[str, float]:
    """Events a second with a row at each tenth event, and rows a second with one at each; made day, and GOOG 2012-06-21 if it is here.

    `features.events_per_s` and `features.rows_per_s` are GOOG's if they can be. The rows stay in buffers: no frame is made of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        messages, book = write_lobster(home, *made_day(MESSAGES))
        days = {"made": open_day(save(home / "made", lobster.read(messages, book, MADE, DATE), MADE, DATE))}
        goog = goog_day(home / "goog")
        if goog is not None:
            days["goog"] = goog
        measured = {}
        for name, day in days.items():
            measured[f"features.{name}_events_per_s"] = rate(day, "10events")
            measured[f"features.{name}_rows_per_s"] = rate(day, "event")
    last = list(measured.values())[-2:]
    return {"features.events_per_s": last[0], "features.rows_per_s": last[1]} | measured


def rate(day: Day, every: str) -> float:
    """Events a second over the whole day, best of ROUNDS."""
    return len(day.events) / min(timed(day, every) for _ in range(ROUNDS))


def timed(day: Day, every: str) -> float:
    """Seconds for the day's events, with its book."""
    stream = FeatureStream(day.start, hours_of(day), every=every)
    events = np.array(day.events)
    for _ in stream.written(events[:1]):  # compiles, or fetches what was compiled
        pass
    began = time.perf_counter()
    for _ in stream.written(events[1:]):
        pass
    return time.perf_counter() - began
