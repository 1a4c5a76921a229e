"""The machine's cores, and work that is shared among them: Ctrl-C, or an error of one, ends the work of all within a piece of it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

Piece = TypeVar("Piece")
Found = TypeVar("Found")


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_work(work: Callable[[Piece], Iterable[Any]], pieces: Sequence[Piece], threads: int = 0) -> None:
    """Do `work(piece)` of each piece on so many threads; 0: all cores. It yields wherever it may be stopped, at least every second."""
    stop = threading.Event()

    def finish(piece: Piece) -> None:
        for _ in work(piece):
            if stop.is_set():
                return

    with ThreadPoolExecutor(threads or cores()) as pool:
        running = [pool.submit(finish, piece) for piece in pieces]
        try:
            for one in running:
                one.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def share_processes(
    work: Callable[..., Found], pieces: Iterable[tuple[Any, ...]], count: int = 0, begin: Callable[[], None] | None = None
) -> Iterator[tuple[tuple[Any, ...], Found]]:
    """Each piece and what `work(*piece)` returned, in the order in which they end, by so many fresh processes; 0: one a core.

    `begin` is called in each before anything else. Ctrl-C, an error, or no longer being iterated, ends them all.
    """
    with ProcessPoolExecutor(count or cores(), mp_context=multiprocessing.get_context("spawn"), initializer=begin) as pool:
        with _deaf_children():
            waiting: dict[Future[Found], tuple[Any, ...]] = {pool.submit(work, *piece): piece for piece in pieces}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_children()
            raise


def end_children() -> None:
    """End every process that this one has begun and not waited for."""
    for child in multiprocessing.active_children():
        child.terminate()


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that begin here do not hear Ctrl-C, which a terminal sends to all: who began them ends them, and they say nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
