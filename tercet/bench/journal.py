"""How many records a second become durable, with many batches in flight, and how long a start-up on 100,000 rows takes."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tercet.messages import Child, Happening, Report
from tercet.orders.journal import open_journal
from tercet.orders.recovery import recover

ROUNDS = 3  # the best counts: the others shared their core or their disk with somebody
BATCHES = (1, 10, 100)


def measure(count: int = 100_000, rounds: int = ROUNDS) -> dict[str, float]:
    """Durable records a second by the size of the batch, the median wait of a lone record, and the seconds to recover `count` rows.

    The disk is that of the temporary folder (TMPDIR). Every caller is told: each batch's ticket is asked for its result.
    """
    records = made(count)
    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder) / f"{number}.journal" for number in range(1_000))
        figures = {f"journal.per_s_{batch}": count / min(timed(next(paths), records, batch) for _ in range(rounds)) for batch in BATCHES}
        full, alone = next(paths), next(paths)
        timed(full, records, 100)
        figures["journal.recovery_s_100k"] = min(timed_recovery(full) for _ in range(rounds)) * 100_000 / count
        figures["journal.alone_ms_p50"] = timed_alone(alone, records[:50])
    return figures


def made(count: int) -> list[Child | Report]:
    """Orders and their fills, by turns."""
    return [_fill(number) if number % 2 else _child(number) for number in range(count)]


def timed(path: Path, records: Sequence[Child | Report], batch: int) -> float:
    """Seconds until every batch is known to be durable."""
    with open_journal(path) as journal:
        began = time.perf_counter()
        tickets = [journal.append(records[start : start + batch]) for start in range(0, len(records), batch)]
        for ticket in tickets:
            ticket.result()
        return time.perf_counter() - began


def timed_recovery(path: Path) -> float:
    """Seconds to read, check and decode a journal."""
    began = time.perf_counter()
    recover(path)
    return time.perf_counter() - began


def timed_alone(path: Path, records: Sequence[Child | Report]) -> float:
    """Milliseconds, the median, that a record waits when nothing else is written: the disk's own answer."""
    waits = []
    with open_journal(path) as journal:
        for record in records:
            began = time.perf_counter()
            journal.append((record,)).result()
            waits.append(time.perf_counter() - began)
    return statistics.median(waits) * 1e3


def _child(number: int) -> Child:
    return Child(
        id=f"c{number}", strategy="made", account="A1", symbol="AAPL", venue="XNAS", side=1, lots=100, time=number, tick=18_500, parent="p1"
    )


def _fill(number: int) -> Report:
    return Report(
        exec_id=f"e{number}",
        order=f"c{number - 1}",
        happening=Happening.FILLED,
        time=number,
        symbol="AAPL",
        account="A1",
        side=1,
        strategy="made",
        lots=100,
        price=18_500.0,
        fee=0.3,
        left=0,
        venue_id=f"v{number}",
    )
