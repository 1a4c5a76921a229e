"""The order flow of other symbols as features of one: their integrated imbalances as they were known by then."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from tercet.signals.timed import EVENT, KNOWN, Table, as_of

FLOWS: Final = ("ofi_all_1s", "ofi_all_10s", "ofi_all_60s")


def with_others(rows: pl.DataFrame, others: Mapping[str, pl.DataFrame], latency: int = 0) -> pl.DataFrame:
    """A symbol's feature rows with the integrated imbalances of others as known by then: columns such as ofi_all_10s_SYMBOL.

    others: rows of `features_of` by symbol; what they say counts from their known_time on, `latency` ns later. Null before.
    A row is asked about at its known_time, or at its event_time where it has none (`message_features`).
    """
    asked = rows.select(pl.col(KNOWN if KNOWN in rows.columns else EVENT).alias("time"))
    for symbol, frame in others.items():
        last = frame.unique(EVENT, keep="last", maintain_order=True).select(EVENT, KNOWN, *FLOWS)
        found = as_of(asked, Table(last, keys=()), latency=latency)
        rows = rows.with_columns(found[name].alias(f"{name}_{symbol}") for name in FLOWS)
    return rows
