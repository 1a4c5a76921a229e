"""Every crowd's day, simulated, replayed beside its own orderbook file: `python tests/crowd_days.py --until 10:00`.

Without --until they are whole sessions. A line a day, and an exit of 1 where a row of one differs.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path

from tercet.backtest.days import Verified, verified
from tercet.cli.simulate import simulate
from tercet.market.lobster import read_book
from tercet.market.store import open_day
from tercet.sim.settings import CROWDS

DAY = date(2024, 3, 5)
DEPTHS = (1, 5, 10, 40)


def replayed(crowd: str, depth: int, seed: int, until: str | None) -> Verified:
    """A crowd's day up to a time of the clock, simulated into a store of its own and replayed from there."""
    with tempfile.TemporaryDirectory() as folder:
        simulate(f"crowd:{crowd}", str(DAY), Path(folder), seed, depth, "ONE", until)
        day = open_day(Path(folder) / f"ONE_{DAY}")
        day.verify()
        book = next(Path(folder).rglob("*orderbook*"))
        return verified(day, read_book(book, day.meta.instrument), book)


def all_days(crowds: list[str], depths: list[int], seeds: int, until: str | None) -> Iterator[tuple[tuple[str, int, int], Verified]]:
    """Each day and how its replay went."""
    for day in product(crowds, depths, range(seeds)):
        yield day, replayed(*day, until)


def main() -> int:
    """Print how each day went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crowds", default=",".join(CROWDS))
    parser.add_argument("--depths", default=",".join(map(str, DEPTHS)))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--until")
    given = parser.parse_args()
    began, wrong = time.perf_counter(), 0
    for day, result in all_days(given.crowds.split(","), [int(depth) for depth in given.depths.split(",")], given.seeds, given.until):
        print(f"crowd:{day[0]} depth {day[1]} seed {day[2]}: {result.rows:,} rows, {result.mismatches:,} mismatches", flush=True)
        wrong += result.mismatches > 0
    print(f"{wrong} days differ, {time.perf_counter() - began:.0f} s")
    return wrong > 0


if __name__ == "__main__":
    raise SystemExit(main())
