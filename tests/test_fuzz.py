"""Broken files of every kind end in an answer or one sentence; `make fuzz` tries many more of them."""

from collections.abc import Iterator

import numba
import pytest
from fuzzing import TARGETS, Worker, fuzz

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="the same files, slowly")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """A process that answers commands."""
    one = Worker()
    yield one
    one.close()


def test_the_sound_files_of_every_target_are_taken(worker: Worker) -> None:
    for target in TARGETS:
        assert fuzz(target.unbroken(), 1, 0, worker).ends == {"accepted": 1}, target.name
