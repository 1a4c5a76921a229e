"""How much of the mid's change does order flow explain? Cont, Kukanov & Stoikov (2014) on an invented day, or on a stored one of yours.

Run: python examples/how_much_of_the_price_does_order_flow_explain.py [STORE/SYMBOL_DATE]

They find a mean R² of 65% with the touch alone, over 10 s in windows of half an hour, for 50 stocks of the S&P 500 in April 2010.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tercet.market.store import open_day
from tercet.signals.ofi import explain


def invented(folder: Path) -> Path:
    """A day of the zero-intelligence crowd, in which nobody reacts to anything."""
    command = ["simulate", "--market", "crowd:zero", "--date", "2024-01-03", "--until", "10:40", "--out", str(folder)]
    subprocess.run([str(Path(sys.executable).with_name("tercet")), *command], check=True, capture_output=True)
    return next(folder.glob("*_*"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        day = Path(sys.argv[1]) if len(sys.argv) > 1 else invented(Path(folder))
        print(f"{day.name}: mean R² over windows of 30 minutes, and with the coefficients of the window before")
        for found in explain(open_day(day)):
            print(f"{found.seconds:3d} s  {found.model:10s}  {found.r2:6.1%} ± {found.error:.1%}   ahead {found.ahead:6.1%}")
