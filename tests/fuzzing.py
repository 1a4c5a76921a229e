"""Broken files through the real commands: each ends in an answer or in one sentence, never in a traceback, a crash, a hang or half a file.

    python tests/fuzzing.py --each 500 --seed 7 --only gate,limits     # or `make fuzz ARGS=...`

A worker process answers one command after another, so that what kills or hangs it is seen from outside and named by its seed.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from mutations import BINARY, JSON_TEXT, TEXT, Mutate, break_arrays, break_bytes, break_numbers, break_values

PATIENCE_S = 180.0  # a first command may have machine code to compile
MEMORY = 12 << 30
LONGEST_SENTENCE = 1200


@dataclass(frozen=True)
class Target:
    """A command, the files that it reads, and how one of them is broken. `seal` makes checksums fit what is in the files again."""

    name: str
    make: Callable[[Path], None]  # writes the sound files into a folder
    words: tuple[str, ...]
    broken: tuple[tuple[str, tuple[Mutate, ...]], ...]
    seal: Callable[[Path], None] = lambda folder: None
    writes: str = ""  # where it writes: nothing may stand there after a refusal
    odd: bool = False  # one of its options has an odd value instead

    def unbroken(self) -> "Target":
        """The same with nothing broken."""
        return replace(self, odd=False, broken=tuple((name, (lambda data, rng: data,)) for name, _ in self.broken))


@dataclass
class Findings:
    """How many ended how, and each that ended badly: seed, how, and the last lines."""

    ends: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[str, int, str, str]] = field(default_factory=list)


# ---------------------------------------------------------------- the worker


def answer(words: list[str]) -> tuple[str, str]:
    """How a command ends, as `tercet.cli.app.main` would show it."""
    from tercet.cli.app import app
    from tercet.errors import TercetError

    folder, *words = words
    os.chdir(folder)
    os.environ["TERCET_TRIALS"] = f"{folder}/trials.jsonl"
    try:
        if words[0] in DOORS:
            DOORS[words[0]](Path(folder))
        else:
            app(words, standalone_mode=False)
        return "accepted", ""
    except (TercetError, OSError) as error:
        sentence = str(error)
        return ("refused", sentence) if sentence.strip() and len(sentence) <= LONGEST_SENTENCE else ("unreadable", sentence)
    except SystemExit as error:
        return "refused", str(error)
    except BaseException as error:  # polars panics are no Exceptions
        if "click" in type(error).__module__:  # which Typer brings along, and turns into a sentence or an exit
            return ("accepted" if hasattr(error, "exit_code") and not str(error) else "refused"), str(error)
        import traceback

        return "traceback", f"{type(error).__name__}: {error}\n" + "".join(traceback.format_exc().splitlines(keepends=True)[-4:])


def work() -> None:
    """Answer lines of JSON on stdin by lines of JSON on what was stdout; whatever a command prints goes nowhere."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


class Worker:
    """A process that answers commands; asked again after it died, it begins anew."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, words: list[str]) -> tuple[str, str]:
        """(how it ended, what it said): accepted, refused, unreadable, traceback, crash or hang."""
        if self._process is None:
            command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), "--worker"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(words).encode() + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if waiting.select(PATIENCE_S) else None
        if line:
            how, text = json.loads(line)
            return str(how), str(text)
        self.close()
        return ("hang", f"nothing after {PATIENCE_S:g} s") if line is None else ("crash", f"exit {process.returncode}")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


# ---------------------------------------------------------------- what is broken


def write_day(folder: Path) -> None:
    """A made LOBSTER day and its orderbook."""
    from tercet.bench.made import made_day, write_lobster

    for path, name in zip(write_lobster(folder, *made_day(400, 3)), ("messages.csv", "book.csv"), strict=True):
        path.rename(folder / name)


def write_stored(folder: Path) -> None:
    """The same day in a store."""
    from tercet.bench.made import DATE, MADE
    from tercet.market import lobster
    from tercet.market.store import save

    write_day(folder)
    save(folder, lobster.read(folder / "messages.csv", folder / "book.csv", MADE, DATE), MADE, DATE).rename(folder / "day")


def seal_stored(folder: Path) -> None:
    """The sidecar's checksum fits the events again."""
    try:
        sidecar = json.loads((folder / "day/day.json").read_text())
        sidecar["events_sha256"] = hashlib.sha256((folder / "day/events.npy").read_bytes()).hexdigest()
        (folder / "day/day.json").write_text(json.dumps(sidecar))
    except (ValueError, TypeError):
        return


def daily_rows(count: int = 1200) -> Iterator[tuple[Any, float]]:
    """Weekdays and prices."""
    import datetime

    rng, price, day = np.random.default_rng(1), 100.0, datetime.date(2015, 1, 1)
    for _ in range(count):
        day += datetime.timedelta(days=3 if day.weekday() == 4 else 1)
        price *= float(np.exp(0.01 * rng.standard_normal()))
        yield day, price


def write_daily(folder: Path) -> None:
    """A market's closes, a VIX, and bars of it with a column of dates that Parquet knows."""
    import polars as pl

    days = list(daily_rows())
    (folder / "market.csv").write_text("date,close\n" + "".join(f"{day},{price:.4f}\n" for day, price in days))
    (folder / "vix.csv").write_text("date,close\n" + "".join(f"{day},{15 + price % 7:.2f}\n" for day, price in days))
    columns = {"date": [day for day, _ in days], "close": [price for _, price in days]}
    pl.DataFrame(columns).write_parquet(folder / "market.parquet")


def write_panel(folder: Path) -> None:
    """Bars of three symbols."""
    lines = ["date,symbol,open,high,low,close,volume"]
    for k, (day, price) in enumerate(daily_rows(300)):
        lines += [
            f"{day},{name},{p:.4f},{p * 1.01:.4f},{p * 0.99:.4f},{p:.4f},{1000 + k}"
            for name, p in zip("ABC", (price, 50 + price, 9.0), strict=True)
        ]
    (folder / "panel.csv").write_text("\n".join(lines) + "\n")


def write_gate(folder: Path) -> None:
    """The example's limits, and some of its cases."""
    from tercet.bench.gauntlet import LIMITS
    from tercet.bench.gauntlet_conduct import all_cases

    (folder / "limits.toml").write_text(LIMITS)
    cases = all_cases()
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases[::8]))


def write_model(folder: Path, expert: str) -> None:
    """A small fitted model."""
    from test_forecast_cli import task

    from tercet.signals.fitted import fit
    from tercet.signals.modelfile import save
    from tercet.signals.registry import EXPERTS

    samples = task(rows=300).samples
    save(fit(EXPERTS[expert], samples.lesson(np.arange(200), int(samples.spans.available[199]))), folder / "model.zip")
    unpack(folder)


def unpack(folder: Path) -> None:
    """A model file's entries, each a file of its own."""
    with zipfile.ZipFile(folder / "model.zip") as file:
        file.extractall(folder / "entries")


def seal_model(folder: Path) -> None:
    """The entries in a model file again, with checksums that fit."""
    entries = {path.name: path.read_bytes() for path in (folder / "entries").iterdir()}
    try:
        manifest = json.loads(entries["manifest.json"])
        manifest["checksums"] = {name: hashlib.sha256(held).hexdigest() for name, held in entries.items() if name != "manifest.json"}
        entries["manifest.json"] = json.dumps(manifest).encode()
    except (ValueError, TypeError):
        pass
    with zipfile.ZipFile(folder / "model.zip", "w") as file:
        for name, held in entries.items():
            file.writestr(name, held)


def answer_by_model(folder: Path) -> None:
    """A model is loaded and answers."""
    from test_forecast_cli import task

    from tercet.signals.modelfile import load

    load(folder / "model.zip").predict(task(rows=300).samples.questions(np.arange(250, 300)))


def write_policy(folder: Path) -> None:
    """A policy file with a small network."""
    from tercet.execution.policyfile import NAMES, OUTPUTS, USUAL, PolicyFile, network_from, write

    rng = np.random.default_rng(1)
    layers = [(rng.normal(size=(len(NAMES), 4)), np.zeros(4)), (rng.normal(size=(4, OUTPUTS["discrete"])), np.zeros(OUTPUTS["discrete"]))]
    usual = dict.fromkeys(USUAL.names or (), 1.0)
    network = network_from("relu", layers)
    write(
        folder / "mine.tercet",
        PolicyFile(name="mine", algo="ppo", actions="discrete", step_ns=10**9, usual=usual, network=network),
    )


def seal_policy(folder: Path) -> None:
    """The header fits the payload again."""
    from tercet.execution.policyfile import FORMAT, HEADER, MAGIC

    path = folder / "mine.tercet"
    payload = path.read_bytes()[HEADER.size :]
    path.write_bytes(HEADER.pack(MAGIC, FORMAT, len(payload), hashlib.sha256(payload).digest()) + payload)


def write_checkpoint(folder: Path) -> None:
    """What a learner's run may hold."""
    import torch as th

    from tercet.learn import checkpoint

    state = {
        "policy": {"w": th.zeros(3, 4)},
        "counted": {"num_timesteps": 12},
        "random": (th.get_rng_state(),),
        "envs": {"sims": np.zeros(8)},
    }
    checkpoint.write(folder, state, 1).rename(folder / "one.checkpoint")


def seal_checkpoint(folder: Path) -> None:
    """The first line fits the bytes again."""
    path = folder / "one.checkpoint"
    head, _, payload = path.read_bytes().partition(b"\n")
    try:
        whole = json.loads(head) | {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
        path.write_bytes(json.dumps(whole).encode() + b"\n" + payload)
    except (ValueError, TypeError):
        return


def read_checkpoint(folder: Path) -> None:
    """A checkpoint is read."""
    from tercet.learn import checkpoint

    checkpoint.read(folder / "one.checkpoint")


def write_journal(folder: Path) -> None:
    """A journal of some orders."""
    from test_journal import written

    written(folder / "journal", 6)


def write_story(folder: Path) -> None:
    """Rows as a user has them: when it happened, when it was known, of whom, and what."""
    lines = ["event,known,symbol,x"] + [f"{day}T15:00:00Z,{day}T16:00:00Z,A,{price:.3f}" for day, price in daily_rows(200)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


def read_rows(folder: Path) -> None:
    """Rows of a user's become a table."""
    from tercet.signals.sources import user_table

    user_table(folder / "rows.csv", {"event_time": "event", "known_time": "known", "symbol": "symbol", "x": "x"})


def read_prices(folder: Path) -> None:
    """Bars of a panel become a table."""
    from tercet.signals.sources import bars

    bars(folder / "panel.csv")


DOORS: dict[str, Callable[[Path], None]] = {
    "@model": answer_by_model,
    "@checkpoint": read_checkpoint,
    "@rows": read_rows,
    "@bars": read_prices,
}
ENDLESS = ("--help", "--follow", "--imitate")  # it goes on by design, or trains
FAMILIES = ("import", "risk", "forecast", "gate", "journal", "calibrate", "ledger")
WORDS = [
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 40,
    "x",
    "1,2",
    ",",
    "1.23%",
    "0%adv",
    "-5min",
    "0s",
    "1e3h",
    "25:00",
    "02:30",
]
WORDS += [
    "2000-13-01",
    "2024-02-30",
    "0001-01-01",
    "America/Nowhere",
    "−1",
    "é",
    "\x00",
    "a=b",
    "a;b",
    ".",
    "/",
    "/dev/null",
    "/no/such/file",
    "folder",
]
WORDS += ["{}", "[]", "None", "true", "crowd:zero", "history:day", "twap", "twap,twap", "*", "$HOME", "-", "--", "1" * 400]
LOBSTER = ("import", "lobster", "messages.csv", "--book", "book.csv", "--symbol", "MADE", "--date", "2000-01-03", "--out", "store")
DAY = (("day/day.json", JSON_TEXT), ("day/events.npy", BINARY))
RISK = ("risk", "evaluate", "volatility", "--models", "ewma;log-har", "--data")
PARENTS = ("--market", "crowd:zero", "--parents", "2", "--horizon", "10s", "--policies", "twap")
ODD = {
    "import": (write_day, LOBSTER),
    "check": (write_stored, ("check", "day")),
    "replay": (write_stored, ("replay", "day")),
    "features": (write_stored, ("features", "day", "--out", "rows.parquet")),
    "simulate": (write_stored, ("simulate", "--market", "crowd:zero", "--date", "2024-03-05", "--until", "09:31", "--out", "sim")),
    "backtest": (write_stored, ("backtest", *PARENTS)),
    "impact": (write_stored, ("impact", *PARENTS)),
    "volatility": (write_daily, ("risk", "evaluate", "volatility", "--data", "market.csv", "--models", "ewma;log-har")),
    "tail": (write_daily, ("risk", "evaluate", "tail", "--data", "market.csv", "--models", "history")),
    "say-posture": (write_daily, ("risk", "posture", "--data", "market.csv")),
    "panel": (write_panel, ("forecast", "evaluate", "panel:panel.csv", "--experts", "ols")),
    "fit": (write_panel, ("forecast", "fit", "panel:panel.csv", "--expert", "ols", "--out", "model.zip")),
    "gate-words": (write_gate, ("gate", "check", "--limits", "limits.toml", "--cases", "cases.jsonl")),
    "journal-words": (write_journal, ("journal", "show", "journal")),
    "verify-words": (write_journal, ("journal", "verify", "journal")),
    "leakcheck": (write_stored, ("leakcheck", "/no/such.py")),
    "bench-words": (write_stored, ("bench", "nothing")),
    "ledger-words": (write_stored, ("ledger", "show")),
}
TARGETS = (
    Target("lobster", write_day, LOBSTER, (("messages.csv", TEXT), ("book.csv", TEXT)), writes="store"),
    Target("day", write_stored, ("check", "day"), DAY),
    Target("sealed-day", write_stored, ("replay", "day"), (*DAY, *DAY[1:]), seal=seal_stored),
    Target("gate", write_gate, ("gate", "check", "--limits", "limits.toml", "--cases", "cases.jsonl"), (("cases.jsonl", JSON_TEXT),)),
    Target("limits", write_gate, ("gate", "check", "--limits", "limits.toml", "--cases", "cases.jsonl"), (("limits.toml", TEXT),)),
    Target("journal", write_journal, ("journal", "verify", "journal"), (("journal", BINARY),)),
    Target("journal-show", write_journal, ("journal", "show", "journal"), (("journal", BINARY),)),
    Target("market", write_daily, (*RISK, "market.csv", "--vix", "vix.csv"), (("market.csv", TEXT), ("vix.csv", TEXT))),
    Target("parquet", write_daily, (*RISK, "market.parquet"), (("market.parquet", BINARY),)),
    Target(
        "posture", write_daily, ("risk", "posture", "--data", "market.csv", "--vix", "vix.csv"), (("market.csv", TEXT), ("vix.csv", TEXT))
    ),
    Target("rows", write_story, ("@rows",), (("rows.csv", TEXT),)),
    Target("bars", write_panel, ("@bars",), (("panel.csv", TEXT),)),
    Target(
        "policy",
        write_policy,
        ("backtest", "--market", "crowd:zero", "--parents", "2", "--horizon", "10s", "--policies", "mine.tercet,nothing"),
        (("mine.tercet", BINARY),),
        seal=seal_policy,
    ),
    Target("checkpoint", write_checkpoint, ("@checkpoint",), (("one.checkpoint", BINARY),), seal=seal_checkpoint),
    *(
        Target(f"model-{expert}", partial(write_model, expert=expert), ("@model",), broken, seal=seal_model)
        for expert, broken in (
            ("lightgbm", (("entries/trees.txt", (break_numbers, break_bytes)), ("entries/manifest.json", JSON_TEXT))),
            ("xgboost", (("entries/trees.json", (break_values, break_numbers, break_bytes)), ("entries/arrays.npz", BINARY))),
            ("random-forest", (("entries/arrays.npz", (break_arrays,)),)),
            ("elastic-net", (("entries/arrays.npz", (break_arrays, break_bytes)),)),
            ("svm-rbf", (("entries/arrays.npz", (break_arrays,)),)),
        )
    ),
)


# ---------------------------------------------------------------- odd words


@cache
def options(*family: str) -> tuple[tuple[str, bool], ...]:
    """The options of a command and whether each is a mere flag."""
    import typer

    from tercet.cli.app import app

    command: Any = typer.main.get_command(app)
    for name in family:
        command = command.commands[name]
    named = [param for param in command.params if param.opts[0].startswith("--")]
    return tuple((opt, param.is_flag) for param in named for opt in param.opts[:1] if opt not in ENDLESS)


def odd_words(words: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """A command line with one more option, of an odd value."""
    family = words[: 1 + (words[0] in FAMILIES) + (words[:2] == ("risk", "evaluate") or words[:2] == ("forecast", "evaluate"))]
    name, flag = rng.choice(options(*(family[:2] if words[0] in FAMILIES else family[:1])))
    return (*words, name) if flag else (*words, name, rng.choice(WORDS))


ODD_TARGETS = tuple(Target(f"odd-{name}", make, words, (), odd=True) for name, (make, words) in ODD.items())

# ---------------------------------------------------------------- the run


def fuzz(target: Target, each: int, seed: int, worker: Worker, tell: Callable[[str], None] = lambda line: None) -> Findings:
    """Break a target's files `each` times."""
    findings = Findings()
    with tempfile.TemporaryDirectory() as scratch:
        sound = Path(scratch) / "sound"
        sound.mkdir()
        target.make(sound)
        for number in range(each):
            folder = Path(scratch) / "broken"
            shutil.copytree(sound, folder)
            rng = random.Random(f"{target.name}/{seed}/{number}")
            words, name = target.words, ""
            if target.odd:
                words = odd_words(words, rng)
                name = " ".join(words[len(target.words) :])
            else:
                name, mutations = rng.choice(target.broken)
                path = folder / name
                path.write_bytes(rng.choice(mutations)(path.read_bytes(), rng))
                target.seal(folder)
            how, text = worker.ask([str(folder), *words])
            if how == "refused" and target.writes and [left for left in (folder / target.writes).rglob("*") if left.is_file()]:
                how = "half-written"
            findings.ends[how] += 1
            if how not in ("accepted", "refused"):
                findings.bad.append((target.name, number, how, text))
                tell(f"{target.name} {number} ({name}): {how}: {text}")
            shutil.rmtree(folder)
    return findings


def main() -> int:
    """Break files, and say how the commands ended."""
    known = [target.name for target in (*TARGETS, *ODD_TARGETS)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=200, help="broken files of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(known), help=f"targets, of {', '.join(known)}")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        work()
        return 0
    if unknown := set(asked.only.split(",")) - set(known):
        parser.error(f"--only names {', '.join(sorted(unknown))}; expected some of {', '.join(known)}")
    worker, bad = Worker(), 0
    for target in (*TARGETS, *ODD_TARGETS):
        if target.name in asked.only.split(","):
            began = time.perf_counter()
            findings = fuzz(target, asked.each, asked.seed, worker, lambda line: print(line, file=sys.stderr))
            bad += len(findings.bad)
            ends = ", ".join(f"{count} {how}" for how, count in sorted(findings.ends.items()))
            print(f"{target.name:<20}{ends}  ({time.perf_counter() - began:.1f} s)", flush=True)
    worker.close()
    print(f"{bad} ended badly")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
