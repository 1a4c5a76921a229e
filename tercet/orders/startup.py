"""Start-up: a gate that stands where the journal ended."""

from contextlib import suppress
from typing import Final

from tercet.errors import BadInput
from tercet.messages import Alert, Command, Report
from tercet.orders.checks import ACTIVE, HALTED, REDUCING
from tercet.orders.firm import NEVER
from tercet.orders.gate import Gate
from tercet.orders.recovery import Recovered
from tercet.orders.supervision import act
from tercet.orders.tightening import BLIND, NOTHING

MODES: Final = {"daily_loss": REDUCING, "drawdown": HALTED, "kill_switch": HALTED}  # that the watch has told of


def retake(gate: Gate, recovered: Recovered, now: int) -> None:
    """Bring a new gate to where the journal ended: what is open is reserved, what was filled is held, what nobody has answered for blocks
    its symbol, and what was killed or halted stays so until people arm it. Profit is that of today; what an earlier day's has halted, the
    acts tell.
    """
    tell, gate.tell = gate.tell, lambda said: None  # the journal has heard all of this
    try:
        for message in recovered.messages:
            _tick(gate, min(message.time, now))
            if isinstance(message, Report):
                gate.hear(message)
            else:
                gate.adopt(message)
        _tick(gate, now)
        for one in recovered.acts:
            _again(gate, one)
    finally:
        gate.tell = tell
    for id_, message in recovered.open.doubtful.items():
        gate.timed_out(getattr(message, "target", id_), now)


def _tick(gate: Gate, now: int) -> None:
    if gate.firm.tick(now):
        gate.firm.scopes["mode"] = ACTIVE


def _again(gate: Gate, one: Command | Alert) -> None:
    with suppress(BadInput):  # a scope or a person that the limits know no longer
        if isinstance(one, Command):
            act(gate, one)
        elif one.rule == "limits_change" and one.text.startswith("posture "):
            state = one.text.split()[1].rstrip(",")
            gate.firm.heed(NOTHING if state == "HALT" else BLIND, state, NEVER)
            gate.firm.lose_sight()  # until one comes
        elif one.rule in MODES:
            row = gate.firm.scope(one.scope)
            row["mode"] = max(int(row["mode"][0]), MODES[one.rule])
