"""Locks on open files, which a killed process lets go. They are those of Linux and macOS."""

from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def lock(file: int, *, shared: bool = False, wait: bool = True) -> None:
    """Lock an open file, for reading together with others or alone. BlockingIOError where another has it and `wait` is false; OSError
    where the system has no such locks.
    """
    if fcntl is None:
        raise OSError("this system has no file locks; expected Linux or macOS (on Windows: the subsystem for Linux)")
    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
