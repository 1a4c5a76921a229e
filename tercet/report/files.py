"""Files that are there whole or not at all."""

from tercet.wholefiles import write_whole

__all__ = ["write_whole"]
