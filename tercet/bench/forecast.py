"""Microseconds from a message to what every model of the stack says of it, on one core, as `deciding.Deciding` is asked by live code.

The models are saved and loaded again, and learned little: a network's time is of its size and trees' of their number, not of what they
know. Sizes and the number of features are those of `tercet forecast` by default; trees are as many as TREES of each class.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.market import lobster
from tercet.market.events import REVEAL
from tercet.market.store import Day, open_day, save
from tercet.signals import modelfile
from tercet.signals.days import hours_of
from tercet.signals.deciding import Deciding
from tercet.signals.fitted import Fitted, fit
from tercet.signals.messagerows import MessageRows
from tercet.signals.quick import quick
from tercet.signals.registry import EXPERTS
from tercet.signals.task import Task, direction

MESSAGES: Final = 14_000
LEARNED: Final = 10_000  # of them; the rest is asked about
ASKED: Final = 1_000
ROUNDS: Final = 5
TREES: Final = 200
STACK: Final = ("logistic", "xgboost", "mlp", "lstm", "transformer")
BESIDE: Final = ("lightgbm", "deeplob")  # the other trees, and the reference, which nobody waits for


def measure(messages: int = MESSAGES, rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds a message, the best round's median: of the features and their row, of each model alone, and of all of the stack."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        files = write_lobster(home, *made_day(messages))
        day = open_day(save(home / "made", lobster.read(*files, MADE, DATE), MADE, DATE))
        task = direction(day, 10)
        cut = int(task.samples.now[int(len(task.samples) * LEARNED / MESSAGES)])
        models = {name: kept(task, name, cut, home / name) for name in (*STACK, *BESIDE)}
    flow = list(messages_of(day))
    before, later = ([one for one in flow if (one["time"][0] > cut) == late] for late in (False, True))
    names = task.samples.names

    def features() -> Callable[[Any], Any]:
        return ready(MessageRows(day.start, hours_of(day), names), before)

    def stack() -> Callable[[Any], Any]:
        deciding = Deciding({name: models[name] for name in STACK}, day.start, hours_of(day))
        ready(deciding.rows, before)
        return deciding.take

    rows = task.samples.features[-ASKED:]
    measured = {
        "forecast.stack_us": best(stack, later[:ASKED], rounds),
        "forecast.features_us": best(features, later[:ASKED], rounds),
    }
    return measured | {f"forecast.{name}_us": best(partial(quick, model), rows, rounds) for name, model in models.items()}


def kept(task: Task, name: str, cut: int, path: Path) -> Fitted:
    """An expert of the default size that has seen a little of what was before `cut`, from its file."""
    samples, expert = task.samples, EXPERTS[name]
    known = np.flatnonzero((samples.now < cut) & (samples.spans.available < cut))
    short = {"rounds": TREES, "epochs": 1, "rows": 1_000, "checked": 0.0, "refit": False}
    if name in ("lightgbm", "xgboost"):
        del short["rows"]  # of trees a share
    expert = replace(expert, **{setting: value for setting, value in short.items() if hasattr(expert, setting)})  # type: ignore[type-var]
    modelfile.save(fit(expert, samples.lesson(known, cut)), path)
    return modelfile.load(path, samples.names)


def messages_of(day: Day) -> Iterable[NDArray[np.void]]:
    """A day's messages, each with what it reveals."""
    events = np.array(day.events)
    begins = np.flatnonzero(events["kind"] != REVEAL)
    return np.split(events, begins[1:])


def ready(rows: MessageRows, before: Iterable[NDArray[np.void]]) -> Callable[[NDArray[np.void]], Any]:
    """What takes the next message, once those before have been."""
    for message in before:
        rows.take(message)
    return rows.take


def best(made: Callable[[], Callable[[Any], Any]], asked: Any, rounds: int) -> float:
    """Microseconds that one of those asked takes, the median of the best round; each round begins anew."""
    medians = []
    for _ in range(rounds):
        ask, taken = made(), []
        for one in asked:
            began = time.perf_counter()
            ask(one)
            taken.append(time.perf_counter() - began)
        medians.append(statistics.median(taken))
    return min(medians) * 1e6
