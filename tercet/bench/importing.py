"""How many LOBSTER rows a second are read, checked against their orderbook and stored."""

import tempfile
import time
from pathlib import Path

from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.market import lobster
from tercet.market.store import save

ROUNDS = 5
MESSAGES = 150_000


def measure() -> dict[str, float]:
    """Rows a second, message file and ten-level orderbook file together, stored with checksums and flushed; best of ROUNDS."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        messages, book = write_lobster(home, *made_day(MESSAGES))
        seconds = []
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            save(home / "store", lobster.read(messages, book, MADE, DATE), MADE, DATE)
            seconds.append(time.perf_counter() - began)
    return {"import.lobster_rows_per_s": MESSAGES / min(seconds[1:])}
