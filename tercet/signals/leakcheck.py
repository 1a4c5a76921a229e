"""Whether a user's own features, labels and models know the future: the future becomes another one, and nothing known before may change.

A module offers any of `usermodule.CONTRACT`; `tercet leakcheck` shows what `check` finds.
"""

from collections.abc import Iterator

import polars as pl

from tercet.signals.difference import LEAK, NOTE, OK, SKIPPED, Difference, Finding
from tercet.signals.leakexpert import check_expert
from tercet.signals.leakrows import Tell, check_events, check_features, check_labels
from tercet.signals.madebars import made_bars
from tercet.signals.usermodule import UserModule, load

__all__ = ["LEAK", "NOTE", "OK", "SKIPPED", "Difference", "Finding", "check", "load", "made_bars"]


def check(module: UserModule, bars: pl.DataFrame | None = None, seed: int = 0, tell: Tell = lambda what: None) -> Iterator[Finding]:
    """All tests of what the module offers: of its features and labels on `bars`, of its expert on made bars, where nothing can be found.

    bars: event_time and known_time (ns), symbol, open, high, low, close, volume; made ones where not given. Raises Raised, with file and
    line, where the module raises, and BadInput where it returns what it should not.
    """
    made = made_bars(seed)
    rows = made if bars is None else bars.sort("event_time", "symbol")
    if "features" in module.offers:
        yield from check_features(module, rows, seed, tell)
    if "labels" in module.offers:
        yield from check_labels(module, rows, seed, tell)
    if "event_features" in module.offers:
        yield from check_events(module, seed, tell)
    if "expert" in module.offers:
        yield from check_expert(module, made, seed, tell)
