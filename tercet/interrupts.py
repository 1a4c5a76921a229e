"""Ctrl-C stops a command within seconds, wherever it is: in Python, in compiled code, or in a library that does not look up.

Python hears of a signal between two of its own steps only. So a thread is woken by the signal itself, gives the command some time to end
as programs do, and then ends the process: files are written under another name until they are whole.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

STOPPED: Final = 130  # what shells say of a command that Ctrl-C stopped
PATIENCE_S: Final = 2.0
SENTENCE: Final = "tercet: stopped by Ctrl-C; files that were not whole yet are not there"


class _Signals:
    """How many this process has heard, and up to which of them somebody else sees to them."""

    heard = forgiven = 0


@contextmanager
def stoppable(clean: Callable[[], None] = lambda: None, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """While this holds, the process ends at most `patience_s` after a Ctrl-C, with STOPPED, when `clean` has been called."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, written = os.pipe()
    os.set_blocking(written, False)
    before = signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(heard, clean, patience_s), daemon=True).start()
    sys.unraisablehook = _quiet  # Ctrl-C within a callback of a library is lost there, with a traceback
    try:
        yield
    finally:
        sys.unraisablehook = sys.__unraisablehook__
        signal.set_wakeup_fd(before)
        if _Signals.heard <= _Signals.forgiven:
            os.close(written)  # the thread ends; after a Ctrl-C it sees the process to its end


@contextmanager
def forgive() -> Iterator[None]:
    """The next Ctrl-C (or polite kill) is heard by who is in here and does not end the process; one after that does."""
    _Signals.forgiven = _Signals.heard + 1
    try:
        yield
    finally:
        _Signals.forgiven = min(_Signals.heard, _Signals.forgiven)


def _listen(heard: int, clean: Callable[[], None], patience_s: float) -> None:
    while numbers := os.read(heard, 1):
        _Signals.heard += numbers[0] in (signal.SIGINT, signal.SIGTERM)
        if _Signals.heard > _Signals.forgiven:
            timer = threading.Timer(patience_s, _end, (clean,))
            timer.daemon = True
            timer.start()
            return
    os.close(heard)


def _quiet(lost: Any) -> None:
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def _end(clean: Callable[[], None]) -> None:
    try:
        clean()
        print(SENTENCE, file=sys.stderr, flush=True)
    finally:
        os._exit(STOPPED)
