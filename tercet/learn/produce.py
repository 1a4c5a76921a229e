"""From a market to a policy file: learn, judge on episodes held out for that, and write down where it came from."""

import datetime
import json
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import tercet
from tercet.backtest.markets import Market, checksum
from tercet.backtest.parents import duration
from tercet.envs.bank import TEST, TRAINING
from tercet.envs.execution import EnvSettings, ExecutionMembers
from tercet.errors import BadInput
from tercet.execution.learned import policy_of
from tercet.execution.policyfile import SUFFIX, PolicyFile, name_problem, table_from, write
from tercet.execution.schedules import POLICIES
from tercet.learn.export import network_of
from tercet.learn.imitate import Teacher, best_teacher
from tercet.learn.nfk import NfkSettings, solve
from tercet.learn.settings import ACTIONS, NFK, PPO, TrainSettings
from tercet.learn.task import EPISODES, Task, book_task, difference, policy_costs
from tercet.learn.train import RunSettings, Tell, Warn, silent, train

TEST_EPISODES = 2 * EPISODES  # seeds that nothing is chosen by
TESTED = 1024
RUN_SUFFIX = ".run"  # of the folder of checkpoints beside a policy file


@dataclass(frozen=True)
class Order:
    """What is to be produced, and where."""

    out: Path
    env: EnvSettings
    settings: TrainSettings
    run: RunSettings
    nfk: NfkSettings
    imitate: bool = False
    resume: bool = False

    @property
    def folder(self) -> Path:
        """Where checkpoints lie."""
        return self.out.with_name(self.out.name + RUN_SUFFIX)


def produce(order: Order, tell: Tell = silent, say: Warn = silent) -> PolicyFile | None:
    """Train, judge and write; None where the run was asked to stop before its end, and goes on with `resume`."""
    if order.out.stem in POLICIES or order.out.suffix != SUFFIX:
        raise BadInput(f"the policy file was {order.out}; expected NAME{SUFFIX}, with no shipped policy's name: {' '.join(POLICIES)}")
    if problem := name_problem(order.out.stem):
        raise BadInput(f"the policy's {problem}: it is called as its file is, {order.out}")
    env = replace(order.env, actions=ACTIONS[order.settings.algo])
    task = book_task(env)
    learned = _table(order, env, task) if order.settings.algo == NFK else _network(order, task, tell, say)
    if learned is None:
        return None
    market: ExecutionMembers = task.make(1, None, TRAINING)  # type: ignore[assignment]  # a book's task makes these
    file = PolicyFile(
        name=order.out.stem,
        algo=order.settings.algo,
        actions=ACTIONS[order.settings.algo],
        masked=order.settings.algo == PPO,
        step_ns=duration(env.step),
        posture=env.watches is not None,
        usual={name: float(market.bank.usual[name]) for name in market.bank.usual.dtype.names},
        lineage=lineage(order, market.markets, learned.pop("imitated", False)),
        **learned,
    )
    file = msgspec.structs.replace(file, card=[card(task, file)])
    write(order.out, file)
    return file


def _network(order: Order, task: Task, tell: Tell, say: Warn) -> dict[str, Any] | None:
    teacher: Teacher | None = None
    if order.imitate and not order.resume:
        seconds = duration(order.env.step) * 1e-9
        teacher = best_teacher(task, seconds, order.run.episodes, lambda name, cost: say(f"{name}: {cost:.2f} bps"))
        say(f"imitating {teacher.name}")
    trained = train(task, order.settings, order.folder, order.run, order.resume, teacher, tell, say)
    return {"network": network_of(trained.agent), "imitated": trained.imitated} if trained.finished else None


def _table(order: Order, env: EnvSettings, task: Task) -> dict[str, Any]:
    if order.resume or order.imitate:
        raise BadInput("nfk takes seconds and has nothing to resume or to imitate; expected neither")
    steps = {-(-duration(horizon) // duration(env.step)) for horizon in env.horizon}
    if len(steps) > 1:
        raise BadInput(f"nfk's table counts decisions, and horizons were {', '.join(env.horizon)}; expected one")
    solution = solve(task.make(order.settings.envs, None, TRAINING), steps.pop(), order.nfk)
    return {"table": table_from(solution.features, solution.edges, solution.choices)}


def lineage(order: Order, markets: tuple[Market, ...], imitated: bool) -> dict[str, str]:
    """What a policy was made of: data by checksum, seeds, code, settings and the command."""
    table = order.settings.algo == NFK
    return {
        "markets": ", ".join(f"{market.name} {checksum(market)}" for market in markets),
        "environment": json.dumps(asdict(order.env), default=str),
        "settings": json.dumps(asdict(order.nfk if table else order.settings)),
        "seed": str(order.nfk.seed if table else order.settings.seed),
        "steps": "" if table else str(order.settings.steps),
        "imitated": str(imitated),
        "bad_days": ", ".join(market.name for market in markets if market.bad),
        "version": tercet.__version__,
        "command": shlex.join(["tercet", *sys.argv[1:]]),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def card(task: Task, file: PolicyFile) -> dict[str, Any]:
    """What TESTED held-out episodes cost when the file itself acts, beside TWAP on the same ones."""
    own = policy_costs(task, policy_of(file), TESTED, TEST_EPISODES, TEST)
    twap = policy_costs(task, "twap", TESTED, TEST_EPISODES, TEST)
    less = difference(own, twap)
    return {
        "market": task.name,
        "parents": TESTED,
        "starts": len(np.unique(own.starts)),
        "is_bps": float(own.bps.mean()),
        "sd_bps": float(own.bps.std(ddof=1)),
        "twap_is_bps": float(twap.bps.mean()),
        "twap_sd_bps": float(twap.bps.std(ddof=1)),
        "against_twap_bps": less.mean,
        "standard_error_bps": less.error,
    }
