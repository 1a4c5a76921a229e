"""What people and watchers do to a gate: kill and arm, reduce, override one order, change limits, block what does not reconcile."""

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from tercet.errors import BadInput
from tercet.messages import Act, Cancel, Child, Command, Comparison, LimitsChange, Posture
from tercet.orders.checks import ACTIVE, AHEAD, HALTED, REDUCING, RULES, WAIVABLE
from tercet.orders.clock import NEVER, NS, STILL
from tercet.orders.firm import FOREIGN, alone, refuse_no_time
from tercet.orders.gate import Gate
from tercet.orders.limits import Limits, loosened, same_person
from tercet.orders.tightening import shares_of

ORDERS: Final = "orders"
KILLED: Final = "killed"  # that, and not halted too
STOPS: Final = frozenset(("dead_man", "kill_switch"))
LONGEST_OVERRIDE: Final = 3600 * NS  # and for as long somebody else can confirm an arming


@alone
def act(gate: Gate, command: Command) -> list[Cancel]:
    """Carry out a command; returns what is to be cancelled. Raises BadInput where it may not be, and nothing changes.

    A kill needs one person and no reason, and nobody who could note it. Arming again takes two: one asks, another confirms what stood then:
    a wish to arm is void once a kill, a halt or a reduction has come after it.
    """
    row = gate.firm.scope(command.scope)
    known(gate, command.by)
    if command.act == Act.REDUCE and not _has_mode(row):
        raise BadInput(f"reduce was asked of {command.scope}; expected firm, desk.NAME or strategy.NAME")
    if command.act in (Act.ARM, Act.CONFIRM):
        refuse_no_time(command.time, f"arming of {command.scope}")
    if command.act == Act.CONFIRM:
        _refuse_confirming(gate, command)
    carry_out(gate, command)
    with suppress(Exception) if command.act == Act.KILL else nullcontext():
        gate.tell(command)
    return cancels(gate, command.scope, command.time) if command.act == Act.KILL else []


@alone
def carry_out(gate: Gate, command: Command) -> None:
    """What a command changes, whoever may say so; BadInput where there is no such scope."""
    row = gate.firm.scope(command.scope)
    gate.arming.pop(command.scope, None)
    if command.act in (Act.KILL, Act.REDUCE):
        gate.era.number += 1  # what was approved before goes out no longer
    if command.act == Act.KILL:
        row["killed"] = 1
    elif command.act == Act.REDUCE and _has_mode(row):
        row["mode"] = max(int(row["mode"][0]), REDUCING)
    elif command.act == Act.ARM:
        gate.arming[command.scope] = (command, _stopped(row))
    elif command.act == Act.CONFIRM:
        row["killed"] = 0
        if _has_mode(row):
            row["mode"], row["tired"], row["peak"] = ACTIVE, 0, row["profit"]
        gate.alerted = {(scope, rule) for scope, rule in gate.alerted if scope != command.scope}  # what is wrong still is said again


def _refuse_confirming(gate: Gate, command: Command) -> None:
    wish, stood = gate.arming.get(command.scope, (None, ()))
    confirmed = f"arming of {command.scope} was confirmed by {command.by}"
    if wish is None or not wish.time <= command.time <= wish.time + LONGEST_OVERRIDE:
        raise BadInput(f"{confirmed}; expected that it was asked for within an hour, and since it was last killed or reduced")
    if same_person(wish.by, command.by) or wish.by not in gate.firm.limits.people:
        raise BadInput(f"{confirmed}; expected another person than {wish.by}, who asked, both among {', '.join(gate.firm.limits.people)}")
    if stood != _stopped(gate.firm.scope(command.scope)):
        raise BadInput(f"{confirmed}; expected a new wish: {wish.by} asked before it was halted")


def _has_mode(row: Any) -> bool:
    """Whether a scope can be reduced and halted: a symbol can only be killed."""
    return "mode" in (row.dtype.names or ())


def _stopped(row: Any) -> tuple[int, ...]:
    """What stops a scope: whether it is killed, its mode, and whether it has filled too many orders."""
    return tuple(int(row[name][0]) for name in ("killed", "mode", "tired") if name in (row.dtype.names or ()))


def cancels(gate: Gate, scope: str, now: int) -> list[Cancel]:
    """The cancels of all that is open in a scope."""
    books, firm, (kind, _, name) = gate.books, gate.firm, scope.partition(".")

    def inside(child: Child) -> bool:
        place = firm.strategies.get(child.strategy, firm.strategies[FOREIGN])
        desk = kind == "desk" and int(firm.scopes[place]["above"]) == firm.desks[name]
        return desk or {"firm": True, "desk": False, "strategy": child.strategy == name, "symbol": child.symbol == name}[kind]

    hit = [order for order, child in books.open.items() if inside(child)]
    hit += [wish.id for wish in books.replaces.values() if wish.target in hit]  # it may have come about already
    return [Cancel(id=_unused(gate, f"kill-{now}-{target}"), target=target, time=now) for target in hit]


def _unused(gate: Gate, id: str) -> str:
    """An id that no order and no cancel has had: a second kill at the same time must not fail for its names."""
    number, known = 1, id
    while known in gate.books.cancels or known in gate.books.owners:
        number += 1
        known = f"{id}-{number}"
    return known


class Told(msgspec.Struct):
    """What `tercet risk posture --json FILE` writes, as far as a gate reads it."""

    posture: Posture


@alone
def watch(gate: Gate, now: int, posture: Path | None = None) -> list[Cancel]:
    """Look at every scope, apart from who trades: call it each second. Tells an alert when something begins to be wrong, and returns the
    cancels of all that is open where nothing may be any more: of strategies that are dead, of scopes that losses have halted.

    posture: the file that `tercet risk posture --follow --json FILE` keeps, which is heeded whenever it tells anew.
    """
    firm, now = gate.firm, gate.read_clock(now)
    unread = {} if posture is None else _heed_file(gate, posture, now)
    gate.age(now)
    for symbol in firm.symbols:
        _watch_symbol(gate, symbol, now)
    found: dict[str, Cancel] = {}
    for scope in ("firm", *(f"desk.{name}" for name in firm.limits.desk), *(f"strategy.{name}" for name in firm.limits.strategy)):
        wrong = breaches(gate, scope, now) | (unread if scope == "firm" else {})
        for rule, text in wrong.items():
            if (scope, rule) not in gate.alerted:
                gate.era.number += rule in STOPS
                gate.alert(rule, scope, text, now)
        gate.alerted -= {(scope, rule) for where, rule in gate.alerted if where == scope and rule not in wrong}
        gate.alerted |= {(scope, rule) for rule in wrong}
        if wrong.keys() & STOPS:
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
        wrong["kill_switch"] = "halted" if row["mode"] == HALTED else KILLED
    return wrong


@alone
def override(gate: Gate, order: str, rule: str, lots: int, by: str, second: str | None, until: int, now: int) -> None:
    """Let one order, by its id and of so many lots at most, pass one control until a time: two people have to say so, as it is looser.

    Raises BadInput for a control that nobody may override.
    """
    known(gate, by)
    _refuse_single(gate.firm.limits, f"{order} would pass {rule}", by, second)
    names = [RULES[number] for number in WAIVABLE]
    if rule not in names:
        raise BadInput(f"override of {order} was of {rule}; expected one of {', '.join(names)}")
    if not order or type(lots) is not int or lots < 1:
        raise BadInput(f"override of order {order!r} was of {lots!r} lots; expected its id and the most lots that it may have")
    refuse_no_time(now, f"override of {order}")
    if type(until) is not int or not now < until <= now + LONGEST_OVERRIDE:
        raise BadInput(f"override of {order} was until {until}; expected a time within an hour of {now}")
    gate.overrides[order] = (RULES.index(rule), lots, now - STILL, until)
    gate.alert("override", f"order.{order}", f"{by} and {second} let {order} pass {rule} with {lots} lots at most, until {until}", now)


@alone
def change(gate: Gate, limits: Limits, by: str, second: str | None, now: int) -> None:
    """Put new limits into force: tighter ones at once, looser ones where two people of those named before say so."""
    known(gate, by)
    old = gate.firm.limits
    if limits.version <= old.version:
        raise BadInput(f"version of the new limits was {limits.version}; expected more than {old.version}")
    refuse_new_names(old, limits)
    if looser := loosened(old, limits):
        _refuse_single(old, f"limits would be looser ({', '.join(looser)})", by, second)
    gate.era.number += 1
    gate.firm.take(limits)
    gate.tell(LimitsChange(version=limits.version, by=by, second=second, time=now, limits=msgspec.to_builtins(limits)))
    gate.alert("limits_change", "firm", f"version {limits.version} by {by}{f' and {second}' if second else ''}", now)


def _refuse_single(limits: Limits, what: str, by: str, second: str | None) -> None:
    """Raise BadInput where a second person among those who may approve does not say so too."""
    if second is None or second not in limits.people or same_person(by, second):
        raise BadInput(f"{what}; expected a second person than {by} among {', '.join(limits.people)}, found {second!r}")


@alone
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
    for kind in ("desk", "strategy", "instrument", "account"):
        if fresh := sorted(set(getattr(new, kind)) - set(getattr(old, kind))):
            raise BadInput(f"{kind}.{fresh[0]} is new; expected the names of before: a new one takes a restart")
    for name, strategy in new.strategy.items():
        if strategy.desk != old.strategy[name].desk:
            raise BadInput(f"strategy.{name}.desk was {strategy.desk!r}; expected {old.strategy[name].desk!r}: a move takes a restart")


@alone
def reconcile(gate: Gate, symbol: str, own: int, theirs: int, now: int) -> None:
    """Compare a position with the drop copy's: a difference blocks the symbol until there is none."""
    row = gate.firm.scope(f"symbol.{symbol}")
    if type(own) is not int or type(theirs) is not int:
        raise BadInput(f"positions in {symbol} were {own!r} and {theirs!r}; expected whole numbers of lots")
    changes = own != theirs or bool(row["unequal"][0])
    differ(gate, compared := Comparison(symbol=symbol, own=own, theirs=theirs, time=now))
    if changes:
        gate.tell(compared)
    if own != theirs:
        gate.alert("reconciliation", f"symbol.{symbol}", f"own position {own}, drop copy {theirs}", now)


@alone
def reconcile_orders(gate: Gate, symbol: str, theirs: dict[str, int], now: int) -> list[str]:
    """Compare the open orders of a symbol, one by one, with the venue's: id -> lots still working. To be called while none is on its way.

    What differs is returned in sentences, blocks the symbol until positions were compared (`reconcile`), and wakes people.
    """
    gate.firm.scope(f"symbol.{symbol}")
    if wrong := [order for order, lots in theirs.items() if type(lots) is not int or lots < 0]:
        raise BadInput(f"lots of order {wrong[0]!r} at the venue were {theirs[wrong[0]]!r}; expected a whole number, 0 or more")
    books = gate.books
    ours = {id: int(gate.firm.resting[books.rows[id]]["lots"]) for id, child in books.open.items() if child.symbol == symbol}
    every = sorted({*ours, *theirs})
    differing = [
        f"order {id}: {ours.get(id, 0)} lots here, {theirs.get(id, 0)} at the venue" for id in every if ours.get(id, 0) != theirs.get(id, 0)
    ]
    if differing:
        differ(gate, compared := Comparison(symbol=symbol, own=len(every) - len(differing), theirs=len(every), time=now, of=ORDERS))
        gate.tell(compared)
        gate.alert("reconciliation", f"symbol.{symbol}", "; ".join(differing[:3]), now)
    return differing


def differ(gate: Gate, compared: Comparison) -> None:
    """Block a symbol where two positions differ, and free it where they do not (orders only block); BadInput for no such symbol."""
    row, different = gate.firm.scope(f"symbol.{compared.symbol}"), int(compared.own != compared.theirs)
    row["unequal"] = max(int(row["unequal"][0]), different) if compared.of == ORDERS else different


def known(gate: Gate, person: str) -> None:
    """Raise BadInput where a person is nobody who may approve."""
    if person not in gate.firm.limits.people:
        raise BadInput(f"person was {person!r}; expected one of {', '.join(gate.firm.limits.people)}")
