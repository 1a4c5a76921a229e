"""Start-up: a gate that stands where the journal ended."""

from tercet.messages import Report
from tercet.orders.gate import Gate
from tercet.orders.recovery import Recovered


def retake(gate: Gate, recovered: Recovered, now: int) -> None:
    """Bring a new gate to where the journal ended: what is open is reserved, what was filled is held, and what nobody has answered for
    blocks its symbol.
    """
    for message in recovered.messages:
        if isinstance(message, Report):
            gate.hear(message)
        else:
            gate.adopt(message)
    for id_, message in recovered.open.doubtful.items():
        gate.timed_out(getattr(message, "target", id_), now)
