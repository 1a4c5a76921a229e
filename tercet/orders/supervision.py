"""What people and watchers do to a gate: kill and arm, reduce, override one order, change limits, block what does not reconcile."""

from pathlib import Path
from typing import Final

import msgspec

from tercet.errors import BadInput
from tercet.messages import Act, Cancel, Command, Posture
from tercet.orders.checks import ACTIVE, AHEAD, HALTED, REDUCING, RULES, WAIVABLE
from tercet.orders.firm import NEVER, NS
from tercet.orders.gate import Gate
from tercet.orders.limits import Limits, loosened
from tercet.orders.tightening import shares_of

LONGEST_OVERRIDE: Final = 3600 * NS  # and for as long somebody else can confirm an arming


def act(gate: Gate, command: Command) -> list[Cancel]:
    """Carry out a command; returns what is to be cancelled. Raises BadInput where it may not be, and nothing changes.

    A kill needs one person and no reason. Arming again takes two: one asks, another confirms.
    """
    row = gate.firm.scope(command.scope)
    known(gate, command.by)
    if command.act == Act.KILL:
        row["killed"] = 1
        gate.arming.pop(command.scope, None)
        gate.tell(command)
        return cancels(gate, command.scope, command.time)
    if command.act == Act.REDUCE:
        if "mode" not in (row.dtype.names or ()):
            raise BadInput(f"reduce was asked of {command.scope}; expected firm, desk.NAME or strategy.NAME")
        row["mode"] = max(int(row["mode"][0]), REDUCING)
    elif command.act == Act.ARM:
        gate.arming[command.scope] = command
    else:
        asked = gate.arming.get(command.scope)
        if asked is None or not asked.time <= command.time <= asked.time + LONGEST_OVERRIDE:
            raise BadInput(f"arming of {command.scope} was confirmed by {command.by}; expected that it was asked for within an hour")
        if asked.by == command.by:
            raise BadInput(f"arming of {command.scope} was confirmed by {command.by}; expected another person than who asked")
        del gate.arming[command.scope]
        row["killed"] = 0
        if "mode" in (row.dtype.names or ()):
            row["mode"], row["tired"], row["peak"] = ACTIVE, 0, row["profit"]
    gate.tell(command)
    return []


def cancels(gate: Gate, scope: str, now: int) -> list[Cancel]:
    """The cancels of all that is open in a scope."""
    kind, _, name = scope.partition(".")

    def inside(child_strategy: str, symbol: str) -> bool:
        strategy = gate.firm.limits.strategy.get(child_strategy)
        return {
            "firm": True,
            "desk": strategy is not None and strategy.desk == name,
            "strategy": child_strategy == name,
            "symbol": symbol == name,
        }[kind]

    books = gate.books
    hit = [child.id for child in books.open.values() if inside(child.strategy, child.symbol)]
    hit += [asked.id for asked in books.replaces.values() if asked.target in hit]  # it may have come about already
    return [Cancel(id=f"kill-{now}-{target}", target=target, time=now) for target in hit]


class Told(msgspec.Struct):
    """What `tercet risk posture --json FILE` writes, as far as a gate reads it."""

    posture: Posture


def watch(gate: Gate, now: int, posture: Path | None = None) -> list[Cancel]:
    """Look at every scope, apart from who trades: call it each second. Tells an alert when something begins to be wrong, and returns the
    cancels of all that is open where nothing may be any more: of strategies that are dead, of scopes that losses have halted.

    posture: the file that `tercet risk posture --follow --json FILE` keeps, which is heeded whenever it tells anew.
    """
    firm, unread = gate.firm, {} if posture is None else _heed_file(gate, posture, now)
    firm.tick(now)
    gate.age(now)
    for symbol in firm.symbols:
        _watch_symbol(gate, symbol, now)
    found: dict[str, Cancel] = {}
    for scope in ("firm", *(f"desk.{name}" for name in firm.limits.desk), *(f"strategy.{name}" for name in firm.limits.strategy)):
        wrong = breaches(gate, scope, now) | (unread if scope == "firm" else {})
        for rule, text in wrong.items():
            if (scope, rule) not in gate.alerted:
                gate.alert(rule, scope, text, now)
        gate.alerted -= {(scope, rule) for where, rule in gate.alerted if where == scope and rule not in wrong}
        gate.alerted |= {(scope, rule) for rule in wrong}
        if wrong.keys() & {"dead_man", "kill_switch"}:
            found |= {wish.target: wish for wish in cancels(gate, scope, now)}
    return list(found.values())


def _watch_symbol(gate: Gate, symbol: str, now: int) -> None:
    row, scope = gate.firm.scope(f"symbol.{symbol}")[0], f"symbol.{symbol}"
    most = max(int(row["position"] + row["open_buy"]), int(row["open_sell"] - row["position"]))
    limit = float(row["most_firm_position"])
    if not most <= limit and (scope, "position") not in gate.alerted:
        gate.alert("position", scope, f"the worst case is {most} lots; expected {limit:g} at most", now)
    (gate.alerted.discard if most <= limit else gate.alerted.add)((scope, "position"))


def breaches(gate: Gate, scope: str, now: int) -> dict[str, str]:
    """What is wrong with a scope now, by rule: numbers beyond their limits however they came about, silence, a halt."""
    row = gate.firm.scope(scope)[0]
    net = max(float(row["long"]), -float(row["short"]))
    looked = (
        ("exposure", "gross", float(row["gross"]), float(row["most_gross"])),
        ("exposure", "net", net, float(row["most_net"])),
        ("daily_loss", "loss", -float(row["profit"]), float(row["most_loss"])),
        ("drawdown", "drawdown", float(row["peak"] - row["profit"]), float(row["most_drawdown"])),
        ("open_orders", "open value", float(row["value"]), float(row["most_value"])),
    )
    wrong = {rule: f"{what} is {was:g}; expected {most:g} at most" for rule, what, was, most in looked if not was <= most}
    if scope.startswith("strategy.") and not -AHEAD <= now - int(row["heartbeat"]) <= int(gate.firm.windows["dead"][0]):
        wrong["dead_man"] = "no heartbeat for too long, or one from a time to come"
    if row["killed"] or row["mode"] == HALTED:
        wrong["kill_switch"] = "killed or halted"
    return wrong


def override(gate: Gate, order: str, rule: str, by: str, until: int, now: int) -> None:
    """Let one order, by its id, pass one control until a time; raises BadInput for a control that nobody may override."""
    known(gate, by)
    names = [RULES[number] for number in WAIVABLE]
    if rule not in names:
        raise BadInput(f"override of {order} was of {rule}; expected one of {', '.join(names)}")
    if not now < until <= now + LONGEST_OVERRIDE:
        raise BadInput(f"override of {order} was until {until}; expected a time within an hour of {now}")
    gate.overrides[order] = (RULES.index(rule), by, until)
    gate.alert("override", f"order.{order}", f"{by} lets {order} pass {rule}", now)


def change(gate: Gate, limits: Limits, by: str, second: str | None, now: int) -> None:
    """Put new limits into force: tighter ones at once, looser ones where two people of those named before say so."""
    known(gate, by)
    old = gate.firm.limits
    if limits.version <= old.version:
        raise BadInput(f"version of the new limits was {limits.version}; expected more than {old.version}")
    refuse_new_names(old, limits)
    looser = loosened(old, limits)
    if looser and (second is None or second == by or second not in old.people):
        raise BadInput(f"limits would be looser ({', '.join(looser)}); expected a second person among {', '.join(old.people)}")
    gate.firm.take(limits)
    gate.alert("limits_change", "firm", f"version {limits.version} by {by}{f' and {second}' if second else ''}", now)


def heed(gate: Gate, posture: Posture, now: int) -> None:
    """Scale the limits by a posture, never beyond what they are without; a change of state is told, and so journaled.

    It needs nobody's approval: people set the limits, a posture only says how much of them is used. Raises BadInput for one from a time to
    come or older than the last one, and nothing changes. See `windows.posture_s` for when it is too old to count.
    """
    firm = gate.firm
    if not firm.posture_time <= posture.time <= now + AHEAD:
        raise BadInput(f"time of the posture was {posture.time}; expected no earlier than {firm.posture_time} and no later than {now}")
    shares = shares_of(posture)
    if firm.heed(shares, posture.state, posture.time):
        left = ", ".join(f"{name} {share:g}" for name, share in shares._asdict().items())
        gate.alert("limits_change", "firm", f"posture {posture.state} ({posture.reason}): shares of the limits are {left}", now)


def _heed_file(gate: Gate, file: Path, now: int) -> dict[str, str]:
    """Heed what a file tells if it is newer; what is wrong with it, by rule: then the last posture counts until it is too old, and where
    there was none it is as if one were.
    """
    try:
        told = msgspec.json.decode(file.read_bytes(), type=Told).posture
        if told.time > gate.firm.posture_time:
            heed(gate, told, now)
    except Exception as error:  # whatever stands in a file, the watch goes on
        if gate.firm.posture_time == NEVER and not gate.firm.blind:
            gate.firm.lose_sight()
        return {"posture": f"{file} was not heeded: {error}; expected what tercet risk posture --follow --json writes"}
    return {}


def refuse_new_names(old: Limits, new: Limits) -> None:
    """Raise BadInput for what a running gate has no rows for."""
    for kind in ("desk", "strategy", "instrument"):
        if fresh := sorted(set(getattr(new, kind)) - set(getattr(old, kind))):
            raise BadInput(f"{kind}.{fresh[0]} is new; expected the names of before: a new one takes a restart")
    for name, strategy in new.strategy.items():
        if strategy.desk != old.strategy[name].desk:
            raise BadInput(f"strategy.{name}.desk was {strategy.desk!r}; expected {old.strategy[name].desk!r}: a move takes a restart")


def reconcile(gate: Gate, symbol: str, own: int, theirs: int, now: int) -> None:
    """Compare a position with the drop copy's: a difference blocks the symbol until there is none."""
    row = gate.firm.scope(f"symbol.{symbol}")
    if type(own) is not int or type(theirs) is not int:
        raise BadInput(f"positions in {symbol} were {own!r} and {theirs!r}; expected whole numbers of lots")
    row["unequal"] = int(own != theirs)
    if own != theirs:
        gate.alert("reconciliation", f"symbol.{symbol}", f"own position {own}, drop copy {theirs}", now)


def known(gate: Gate, person: str) -> None:
    """Raise BadInput where a person is nobody who may approve."""
    if person not in gate.firm.limits.people:
        raise BadInput(f"person was {person!r}; expected one of {', '.join(gate.firm.limits.people)}")
