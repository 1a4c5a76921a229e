"""What several test files use."""

import datetime
import os
import tempfile
from pathlib import Path

import numba
import pytest

os.environ.setdefault("TERCET_KEY", str(Path(tempfile.gettempdir()) / f"tercet-tests-{os.getuid()}.key"))  # not the user's own


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data, read where it lies; no test needs it to pass."""
    folder = Path(os.environ.get("TERCET_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is no folder (TERCET_DATA names it)")
    if numba.config.DISABLE_JIT:
        pytest.skip("a real day takes minutes with uncompiled code")
    return folder


@pytest.fixture(scope="session")
def goog_day(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real day, GOOG 2012-06-21, imported into a store of its own."""
    from tercet.market import lobster, store
    from tercet.market.instruments import Instrument

    day, instrument = datetime.date(2012, 6, 21), Instrument(symbol="GOOG")
    names = [real_data / "lobster" / f"GOOG_2012-06-21_34200000_57600000_{part}_10.csv.zst" for part in ("message", "orderbook")]
    return store.save(tmp_path_factory.mktemp("store"), lobster.read(*names, instrument, day), instrument, day)
