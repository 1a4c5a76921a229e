"""Broken files of every kind end in an answer or one sentence; `make fuzz` tries many more of them."""

from collections.abc import Iterator

import numba
import pytest
from fuzzing import ODD_TARGETS, TARGETS, Target, Worker, fuzz

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="the same files, slowly")


EACH = 8


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """A process that answers commands."""
    one = Worker()
    yield one
    one.close()


@pytest.mark.parametrize("target", [*TARGETS, *ODD_TARGETS], ids=lambda target: target.name)
def test_a_broken_file_ends_in_an_answer_or_a_sentence(target: Target, worker: Worker) -> None:
    findings = fuzz(target, EACH, 20261201, worker)
    assert findings.bad == []
    assert findings.ends.total() == EACH


def test_the_sound_files_of_every_target_are_taken(worker: Worker) -> None:
    for target in TARGETS:
        assert fuzz(target.unbroken(), 1, 0, worker).ends == {"accepted": 1}, target.name
