"""How many parents a second the backtest works, all policies and all cores."""

import time

from tercet.backtest.markets import market
from tercet.backtest.parents import duration, plan
from tercet.backtest.runner import Settings, run
from tercet.execution.schedules import POLICIES, by_name

PARENTS = 100


def measure() -> dict[str, float]:
    """Parents × policies a second on crowd:default, five minutes each, opening of the sessions included; the second of two runs."""
    where = market("crowd:default")
    policies = [by_name(name) for name in POLICIES]
    orders = plan(where, PARENTS, "1%volume", duration("5min"), "both", 0)
    for _ in range(2):
        began = time.perf_counter()
        run(where, orders, policies, Settings())
        seconds = time.perf_counter() - began
    return {"backtest.parents_per_s": PARENTS * len(policies) / seconds}
