"""Running test files once more in another mode of numba."""

import os
import subprocess
import sys
from pathlib import Path

FLAGS = ["NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT"]  # no index leaves its array; the same source as plain Python


def run_again(flag: str, *names: str) -> None:
    """Run those test files in a process with `flag` set, without real data and without the tests that run files again."""
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not once_more and not recorded_day"]
    command += [str(here / name) for name in names]
    done = subprocess.run(command, cwd=here.parent, env=os.environ | {flag: "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
