"""Whether the gate lets nothing rogue through and everything legitimate, and how long a check takes."""

import math
import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tercet.backtest.markets import Market, market
from tercet.backtest.parents import Plan, duration, plan
from tercet.backtest.runner import Settings, run
from tercet.bench.gauntlet import LIMITS, NS, ORDER
from tercet.bench.gauntlet_conduct import all_cases
from tercet.execution.policy import Policy
from tercet.execution.schedules import POLICIES, by_name
from tercet.messages import Approved, Child, Happening, Report
from tercet.orders.cases import CLOCK, Scene, answers
from tercet.orders.gate import Gate
from tercet.orders.gated import gated
from tercet.orders.limits import Limits, changed, leaves, parse

CHECKS, OPEN = 20_000, 64
PARENTS, ROUNDS = 100, 5  # of a backtest; its first round compiles


def measure() -> dict[str, float]:
    """The gauntlet's cases, how many rogue ones passed and how many legitimate ones did not; microseconds of an approval."""
    found = list(answers(parse(LIMITS), all_cases()))
    micros = timed()
    return {
        "gate.cases": float(len(found)),
        "gate.missed": float(sum(not one.met and one.expected.get("decision") == "refused" for one in found)),
        "gate.wrongly_denied": float(sum(not one.met and one.expected.get("decision") != "refused" for one in found)),
        "gate.us_p50": float(np.percentile(micros, 50)),
        "gate.us_p99": float(np.percentile(micros, 99)),
        "gate.backtest_ratio": backtest_ratio(),
    }


def backtest_ratio() -> float:
    """Speed of a backtest whose children pass the gate by that of the same without it, all policies; best of alternating rounds."""
    where = market("crowd:default")
    symbol, plain = where.instrument.symbol, [by_name(name) for name in POLICIES]
    orders, limits = plan(where, PARENTS, "1%volume", duration("5min"), "both", 0), unbound(symbol)
    sets: tuple[list[Policy], ...] = plain, [gated(policy, limits, "alpha", symbol) for policy in plain]
    seconds = [[worked(where, orders, policies) for policies in sets] for _ in range(ROUNDS)]
    alone, behind = (min(column) for column in zip(*seconds[1:], strict=True))
    return float(alone / behind)


def unbound(symbol: str) -> Limits:
    """The gauntlet's limits for a symbol, so wide that they bind nobody."""
    text = (
        LIMITS.replace("instrument.ONE", f"instrument.{symbol}")
        .replace('"ONE"', f'"{symbol}"')
        .replace("least_lots = 10", "least_lots = 1")
    )
    wide: dict[str, Any] = {}
    for name, value in leaves(parse(text)):
        kept = name.endswith((".fx", ".multiplier", ".adv", ".least_lots", ".least_action")) or name.startswith("windows.")
        if isinstance(value, int | float) and not isinstance(value, bool) and not kept and name != "version":
            bounded = 1.0 if name.endswith(("_share", ".collar", ".far")) else math.inf
            wide[name] = 1024 if isinstance(value, int) else bounded
    for name in ("lots", "position", "firm_position"):
        wide[f"instrument.{symbol}.{name}"] = 10**9
    return changed(parse(text), wide | {"windows.duplicates_s": 0.0, f"instrument.{symbol}.adv": math.inf})


def worked(where: Market, orders: Plan, policies: list[Policy]) -> float:
    """Seconds that a backtest takes."""
    began = time.perf_counter()
    run(where, orders, policies, Settings())
    return time.perf_counter() - began


def timed() -> NDArray[np.float64]:
    """Microseconds of each check of an order that passes all of them, OPEN others of the strategy being open."""
    scopes = ("firm", "desk.cash", "strategy.alpha")
    wide = {f"{scope}.{name}": value for scope in scopes for name, value in (("open_orders", 10**6), ("open_value", 1e12))}
    gate = Gate(changed(parse(LIMITS), {**wide, **{f"{scope}.{name}": 1e12 for scope in scopes for name in ("gross", "net")}}))
    Scene(gate, CLOCK).set({"marks": {"ONE": {"bid": 99.99, "ask": 100.01}}})
    template = msgspec.convert({**{key: value for key, value in ORDER.items() if key != "price"}, "tick": 9990, "time": CLOCK}, Child)
    for place in range(OPEN):
        gate.adopt(msgspec.structs.replace(template, id=f"open{place}", lots=10, tick=9000 + place))
    micros = np.zeros(CHECKS)
    for number in range(CHECKS):
        now = CLOCK + number * NS
        gate.firm.mark("ONE", 9999, 10001, now)
        gate.firm.heartbeat("alpha", now)
        gate.firm.traded("ONE", 10**6, now)
        child = msgspec.structs.replace(template, id=f"n{number}", time=now)
        began = time.perf_counter_ns()
        answer = gate.check(child, now)
        micros[number] = (time.perf_counter_ns() - began) / 1e3
        assert isinstance(answer, Approved), answer
        gate.hear(Report(exec_id=f"c{number}", order=child.id, happening=Happening.CANCELED, time=now, symbol="ONE", account="A1", side=1))
    return micros[CHECKS // 10 :]
