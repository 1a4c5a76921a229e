"""Start-up: a gate that stands where the journal ended."""

from contextlib import suppress
from typing import Any, Final

import msgspec

from tercet.errors import BadInput
from tercet.messages import Act, Alert, Command, Comparison, LimitsChange, Mandate, Report
from tercet.orders.checks import ACTIVE, HALTED, REDUCING
from tercet.orders.clock import NEVER
from tercet.orders.gate import Gate
from tercet.orders.limits import Limits, loosened
from tercet.orders.recovery import Recovered
from tercet.orders.supervision import KILLED, carry_out, differ, refuse_new_names
from tercet.orders.tightening import BLIND, NOTHING

MODES: Final = {"daily_loss": REDUCING, "drawdown": HALTED, "kill_switch": HALTED}  # that the watch has alerted people to


def retake(gate: Gate, recovered: Recovered, now: int) -> None:
    """Bring a new gate to where the journal ended: what is open is reserved, what was filled is held, what nobody has answered for blocks
    its symbol as what did not reconcile does, limits that were changed since are in force, and what was killed or halted stays so until
    people arm it. Profit is that of today; what an earlier day's has halted, the alerts say. No waiver outlives a restart.

    BadInput where the journal's limits and those that the gate was made with cannot both be meant.
    """
    tell, gate.tell = gate.tell, lambda message: None  # the journal has heard all of this
    loaded, modes = gate.firm.limits, dict[str, int]()
    try:
        for one in recovered.history:
            gate.firm.clock = min(getattr(one, "time", NEVER), now)  # as far as is known
            _tick(gate, gate.firm.clock, modes)
            _repeat(gate, one, modes)
        gate.firm.clock = now
        _tick(gate, now, modes)
    finally:
        gate.tell = tell
    for id_, message in recovered.open.doubtful.items():
        gate.timed_out(getattr(message, "target", id_), now)
    if recovered.caveat:
        gate.alert("monitoring", "firm", recovered.caveat, now)
    _alert_loosened(gate, loaded, recovered, now)


def _tick(gate: Gate, now: int, modes: dict[str, int]) -> None:
    """A new day forgets the modes that its own fills have led to, and none that people were alerted to."""
    if now != NEVER and gate.firm.tick(now):
        gate.firm.scopes["mode"] = ACTIVE
        for scope, mode in modes.items():
            gate.firm.scope(scope)["mode"] = mode


def _repeat(gate: Gate, one: Any, modes: dict[str, int]) -> None:
    if isinstance(one, Report):
        gate.hear(one)
    elif isinstance(one, Mandate):
        terms = msgspec.structs.asdict(one)
        gate.parent(terms.pop("id"), terms.pop("lots"), **terms)
    elif isinstance(one, LimitsChange):
        _take_limits(gate, one)
    elif isinstance(one, Command | Comparison | Alert):
        with suppress(BadInput):  # a scope that the limits know no longer
            _repeat_act(gate, one, modes)
    else:
        gate.adopt(one)


def _repeat_act(gate: Gate, one: Command | Comparison | Alert, modes: dict[str, int]) -> None:
    if isinstance(one, Comparison):
        differ(gate, one)
    elif isinstance(one, Command):
        carry_out(gate, one)
        if one.act == Act.CONFIRM:
            modes.pop(one.scope, None)
        elif one.act == Act.REDUCE:
            _hold(gate, one.scope, REDUCING, modes)
    elif one.rule == "limits_change" and one.text.startswith("posture "):
        state = one.text.split()[1].rstrip(",")
        gate.firm.heed(NOTHING if state == "HALT" else BLIND, state, NEVER)
        gate.firm.lose_sight()  # until one comes
    elif one.rule in MODES and one.text != KILLED:  # the command itself says so
        _hold(gate, one.scope, MODES[one.rule], modes)


def _hold(gate: Gate, scope: str, mode: int, modes: dict[str, int]) -> None:
    """Keep a scope in that mode, or in a worse one, until people arm it."""
    if scope.startswith("symbol."):
        return
    row = gate.firm.scope(scope)
    modes[scope] = max(modes.get(scope, ACTIVE), mode)
    row["mode"] = max(int(row["mode"][0]), mode)


def _take_limits(gate: Gate, one: LimitsChange) -> None:
    """Put limits into force that were changed at run time, where the ones that were loaded are older."""
    present = gate.firm.limits
    if one.version < present.version:
        return
    limits = _limits_of(one)
    if one.version == present.version and limits != present:
        raise BadInput(f"limits of version {one.version} were others in the journal; expected another version for what has changed")
    refuse_new_names(present, limits)
    gate.firm.take(limits)


def _limits_of(one: LimitsChange) -> Limits:
    try:
        return msgspec.convert(one.limits, Limits)
    except (msgspec.ValidationError, BadInput) as error:
        raise BadInput(f"limits of the journal, version {one.version}: {error}; expected a file of a later version") from error


def _alert_loosened(gate: Gate, loaded: Limits, recovered: Recovered, now: int) -> None:
    """Limits that were loaded may be newer, and looser, than what was in force: people hear of it."""
    last = next((one for one in reversed(recovered.acts) if isinstance(one, LimitsChange)), None)
    if last is None or last.version >= loaded.version:
        return
    try:
        looser = ", ".join(loosened(_limits_of(last), loaded))
    except BadInput:
        looser = "nobody can say where"
    if looser:
        text = f"version {loaded.version}, as loaded, is looser than version {last.version}, which was in force: {looser}"
        gate.alert("limits_change", "firm", text, now)
