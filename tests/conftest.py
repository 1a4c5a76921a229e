"""What several test files use."""

import os
from pathlib import Path

import numba
import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data, read where it lies; no test needs it to pass."""
    folder = Path(os.environ.get("TERCET_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is no folder (TERCET_DATA names it)")
    if numba.config.DISABLE_JIT:
        pytest.skip("a real day takes minutes with uncompiled code")
    return folder
