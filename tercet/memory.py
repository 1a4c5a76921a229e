"""Memory that the C library keeps: large arrays are made anew in every minibatch, and pages given back have to be asked for again."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT_BYTES = (1 << 30, 1 << 25)  # the second for a glibc before 2.35, which refuses more


def keep_memory() -> None:
    """Let it keep freed memory for the next minibatch: otherwise a fifth to a half of training a network goes to the kernel."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # musl has none
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            for kept in KEPT_BYTES:
                if mallopt(parameter, kept):
                    break
