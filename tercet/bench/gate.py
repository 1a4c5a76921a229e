"""Whether the gate lets nothing rogue through and everything legitimate, and how long a check takes."""

import time

import msgspec
import numpy as np
from numpy.typing import NDArray

from tercet.bench.gauntlet import LIMITS, NS, ORDER, order_cases, state_cases
from tercet.messages import Approved, Child, Happening, Report
from tercet.orders.cases import CLOCK, Scene, answers
from tercet.orders.gate import Gate
from tercet.orders.limits import changed, parse

CHECKS, OPEN = 20_000, 64


def measure() -> dict[str, float]:
    """The gauntlet's cases, how many rogue ones passed and how many legitimate ones did not; microseconds of an approval."""
    found = list(answers(parse(LIMITS), order_cases() + state_cases()))
    micros = timed()
    return {
        "gate.cases": float(len(found)),
        "gate.missed": float(sum(not one.met and one.expected.get("decision") == "refused" for one in found)),
        "gate.wrongly_denied": float(sum(not one.met and one.expected.get("decision") != "refused" for one in found)),
        "gate.us_p50": float(np.percentile(micros, 50)),
        "gate.us_p99": float(np.percentile(micros, 99)),
    }


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
        gate.hear(Report(exec_id="", order=child.id, happening=Happening.CANCELED, time=now, symbol="ONE", account="A1", side=1))
    return micros[CHECKS // 10 :]
