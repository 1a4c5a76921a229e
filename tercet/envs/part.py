"""PART: members in a row, and the threads that share a step of theirs while others may wait."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Part:
    """The members of `rows`. Other threads work on them from `start` on, and whoever calls `finish` with them until it is done."""

    def __init__(
        self,
        rows: slice,
        step: Any,
        given: tuple[Any, ...],
        results: tuple[Any, ...],
        scratches: list[Any],
        pool: ThreadPoolExecutor | None,
    ) -> None:
        """step: a `machine`, which is `given` these members and writes `results`. scratches: one a thread, none of them another part's."""
        self.rows, self._step, self._given, self._results, self._scratches, self._pool = rows, step, given, results, scratches, pool
        self._taken, self._wanted = np.array([rows.stop - rows.start]), np.zeros(0, np.bool_)
        self._running: list[Future[None]] = []

    def start(self, wanted: NDArray[np.bool_]) -> None:
        """Begin episodes of the members that are `wanted`; where it is empty, one step of all."""
        self._taken[0], self._wanted = 0, wanted
        self._running = [self._pool.submit(self._share, scratch) for scratch in self._scratches[1:]] if self._pool is not None else []

    def finish(self) -> None:
        """Return when all is done; at once where nothing was started."""
        try:
            self._share(self._scratches[0])
        finally:
            for share in self._running:
                if not share.cancel():  # one that found no free core until all was done
                    share.result()

    def _share(self, scratch: NDArray[np.void]) -> None:
        """Work with the other threads until no member is left."""
        self._step(self._taken, self._wanted, *self._given, scratch, self._results)
