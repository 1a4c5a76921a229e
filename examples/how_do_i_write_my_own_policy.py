"""How do I write my own policy, and is it better than TWAP?

A policy is a compiled `decide(view, pad)`: it reads the VIEW, fills CHILD records on its pad, returns how many.
"""

from tercet.backtest.compare import paired, table
from tercet.backtest.markets import market
from tercet.backtest.parents import duration, plan
from tercet.backtest.runner import Settings, run
from tercet.execution.policy import Policy, policy
from tercet.execution.schedules import by_name, pull_or_cross, rest_and_follow


@policy
def lean(view, pad):
    """Rest at the near touch while the book leans our way; cross a TWAP's share when it leans against us."""
    if view.side * view.imbalance[1] >= pad.settings[0] or view.open > 0:
        return rest_and_follow(view, pad, view.lots, True)
    return pull_or_cross(view, pad, int(view.lots * view.elapsed))


if __name__ == "__main__":
    where = market("crowd:default")
    parents = plan(where, count=100, size="1%volume", horizon=duration("5min"), side="both", seed=0)
    mine = Policy("lean", lean, settings=(-0.3,))
    mine.check()  # names what is wrong with it by its line
    result = run(where, parents, [by_name("twap"), mine], Settings())
    for row in table(result):
        print(f"{row['policy']:<6} IS {row['is_bps']:.2f} bps ({row['is_low']:.2f} to {row['is_high']:.2f})")
    pair = paired(result)[0]
    print(f"lean - twap: {pair['difference_bps']:+.2f} bps ({pair['low']:+.2f} to {pair['high']:+.2f}), {pair['verdict']}")
