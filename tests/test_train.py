"""Training goes on after any cut as if nothing had happened, says what is wrong, and ends in a policy file that backtests use."""

import dataclasses
import hashlib
import io
import json
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

th = pytest.importorskip("torch")

from stable_baselines3.common.logger import configure  # noqa: E402  # after the skip
from test_cli import TERCET, refused, said, tercet  # noqa: E402  # after the skip

from tercet.cli.app import main  # noqa: E402
from tercet.envs.bank import TEST, TRAINING, VALIDATION  # noqa: E402
from tercet.envs.execution import EnvSettings, ExecutionMembers, FaultyReward  # noqa: E402
from tercet.envs.part import Part  # noqa: E402
from tercet.envs.rewards import reward  # noqa: E402
from tercet.envs.worldmembers import WorldMembers, grid_actions  # noqa: E402
from tercet.envs.worlds import AlmgrenChriss, Martingale  # noqa: E402
from tercet.errors import BadInput, TercetError  # noqa: E402
from tercet.execution.learned import policy_of  # noqa: E402
from tercet.execution.moves import CROSS  # noqa: E402
from tercet.execution.policyfile import read as read_policy  # noqa: E402
from tercet.learn import checkpoint, produce  # noqa: E402
from tercet.learn import train as training  # noqa: E402
from tercet.learn.agents import new_agent  # noqa: E402
from tercet.learn.ddqn import DoubleDQN  # noqa: E402
from tercet.learn.imitate import Teacher, best_teacher, imitate, teachers  # noqa: E402
from tercet.learn.nfk import NfkSettings  # noqa: E402
from tercet.learn.settings import ACTIONS, TrainSettings  # noqa: E402
from tercet.learn.task import EPISODES, SEEDS, Task, book_task, costs, policy_costs, world_task  # noqa: E402
from tercet.learn.train import RunSettings, Trained, chooser, train  # noqa: E402
from tercet.learn.vecenv import LearnerVecEnv, MemberVecEnv  # noqa: E402

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="a market takes minutes with uncompiled code")

ALGOS = ["ppo", "ppo-continuous", "ddqn"]
BOOK: dict[str, Any] = {"market": "crowd:zero", "bank": 2, "step": "3s", "horizon": ("1min",), "size": (0.3, 1.0), "threads": 1}
ROLLOUT = 32 * 16  # steps
SMALL = {"steps": 12 * ROLLOUT, "envs": 32, "minibatch": 128, "buffer": 3000, "batch": 64, "hidden": (24,), "threads": 1}
RUN = RunSettings(checkpoint_s=0.0, validations=4, episodes=8)


def a_task(algo: str = "ppo", **changes: Any) -> Task:
    """Parents in a small market."""
    return book_task(EnvSettings(**BOOK | {"actions": ACTIONS[algo]} | changes))


def settings(algo: str = "ppo", **changes: Any) -> TrainSettings:
    """A run of a second or less."""
    return TrainSettings(**{"algo": algo} | SMALL | changes)


def weights(agent: Any) -> bytes:
    """All numbers of the networks."""
    return b"".join(part.numpy().tobytes() for part in agent.policy.state_dict().values())


@cache
def unbroken(algo: str) -> Trained:
    """A run that nobody cut."""
    return train(a_task(algo), settings(algo), run=RUN)


def same(one: Trained, other: Trained) -> None:
    """Both have learned the same and were judged the same."""
    assert one.finished
    assert other.finished
    assert weights(one.agent) == weights(other.agent)
    assert one.validations == other.validations


class Unlucky(Exception):
    """An update that fails."""


def test_updates_made_beside_a_step_are_the_same_on_any_number_of_threads() -> None:
    one, three = (train(a_task("ddqn", threads=threads), settings("ddqn", envs=48), run=RUN) for threads in (1, 3))
    assert one.agent._n_updates > 100  # type: ignore[attr-defined]  # a learner's
    same(one, three)


def test_an_update_that_fails_beside_a_step_leaves_none_in_flight() -> None:
    members = a_task("ddqn", threads=3).make(48, None, TRAINING)
    envs = LearnerVecEnv(members)
    envs.reset()

    def fails() -> None:
        raise Unlucky

    envs.meanwhile = fails
    for steps, expected in ((1, pytest.raises(Unlucky)), (2, nullcontext())):
        with expected:
            envs.step(np.zeros(48))
        assert (members.members.steps == steps).all()  # type: ignore[attr-defined]  # a book's
        envs.meanwhile = None


@pytest.fixture
def always_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint wherever one may be, however long it takes."""
    monkeypatch.setattr(training, "SAVE_SHARE", math.inf)


class Cut(Exception):
    """The power has failed."""


def cut_after(reports: int) -> Callable[[Any], None]:
    """Somebody told of progress, who ends the run without any ceremony at a report."""
    heard = iter(range(reports))

    def tell(progress: Any) -> None:
        if next(heard, None) is None:
            raise Cut

    return tell


def asking_after(reports: int, number: int) -> Callable[[Any], None]:
    """Somebody told of progress, who asks the run once, politely, to stop."""
    heard = iter(range(reports + 1))
    return lambda progress: signal.raise_signal(number) if next(heard, None) == reports else None


def cut(folder: Path, algo: str = "ppo", reports: int = 5, **changes: Any) -> list[Path]:
    """The checkpoints that a run has left which was cut after so many reports, newest first."""
    with pytest.raises(Cut):
        train(a_task(algo), settings(algo, **changes), folder, RUN, tell=cut_after(reports))
    return checkpoint.found(folder)


# Resuming ------------------------------------------------------------------------------------------------------------------------


def to_be_killed(algo: str, folder: str) -> None:
    """What the process does that is killed: it would go on for longer than anybody waits."""
    training.SAVE_SHARE = math.inf
    train(a_task(algo), settings(algo), Path(folder), RUN, tell=lambda progress: time.sleep(0.02))


@pytest.mark.parametrize("algo", ALGOS)
def test_a_run_that_was_killed_goes_on_as_if_nothing_had_happened(algo: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", f"import test_train; test_train.to_be_killed({algo!r}, {str(tmp_path / 'run')!r})"]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(training.__file__).parents[2])])
    with subprocess.Popen(words, env=os.environ | {"PYTHONPATH": paths}) as process:
        while process.poll() is None and not checkpoint.found(tmp_path / "run"):
            time.sleep(0.001)
        time.sleep(random.uniform(0.0, 0.3))
        process.kill()
    assert process.returncode == -signal.SIGKILL
    same(train(a_task(algo), settings(algo), tmp_path / "run", RUN, resume=True), unbroken(algo))


@pytest.mark.parametrize("algo", ALGOS)
def test_a_run_stopped_again_and_again_ends_as_one_that_was_not(algo: str, tmp_path: Path) -> None:
    pieces = [train(a_task(algo), settings(algo), tmp_path, RUN, tell=asking_after(0, signal.SIGINT))]
    while not pieces[-1].finished:
        assert len(checkpoint.found(tmp_path)) in (1, checkpoint.KEPT)
        pieces.append(train(a_task(algo), settings(algo), tmp_path, RUN, resume=True, tell=asking_after(2, signal.SIGTERM)))
    assert len(pieces) > 4
    same(pieces[-1], unbroken(algo))


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize("algo", ALGOS)
def test_a_run_cut_before_its_first_step_goes_on_too(algo: str, tmp_path: Path) -> None:
    assert [path.name for path in cut(tmp_path, algo, 0)] == ["step-000000000000.checkpoint"]
    same(train(a_task(algo), settings(algo), tmp_path, RUN, resume=True), unbroken(algo))


@pytest.mark.usefixtures("always_saved")
def test_a_teacher_goes_on_teaching_after_a_cut(tmp_path: Path) -> None:
    task, terms = a_task("ddqn"), settings("ddqn", warmup=60)
    teacher = best_teacher(task, 3.0, 8)
    whole = train(task, terms, run=RUN, teacher=teacher)
    with pytest.raises(Cut):
        train(task, terms, tmp_path, RUN, teacher=teacher, tell=cut_after(2))
    same(train(task, terms, tmp_path, RUN, resume=True), whole)
    assert weights(whole.agent) != weights(train(task, terms, run=RUN).agent)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda good: good[: len(good) // 2],
    "altered": lambda good: good[:-1] + bytes([good[-1] ^ 1]),
    "emptied": lambda good: b"",
    "of another format": lambda good: good.replace(b'"format": 2', b'"format": 9', 1),
}


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(damage: str, tmp_path: Path) -> None:
    newest, before = cut(tmp_path)
    newest.write_bytes(DAMAGE[damage](newest.read_bytes()))
    warnings: list[str] = []
    done = train(a_task(), settings(), tmp_path, RUN, resume=True, warn=warnings.append)
    assert len(warnings) == 1
    assert str(newest) in warnings[0]
    same(done, unbroken("ppo"))
    assert checkpoint.newest(tmp_path)[0] > before


@pytest.mark.usefixtures("always_saved")
def test_a_damaged_checkpoint_takes_no_whole_ones_place(tmp_path: Path) -> None:
    newest, before = cut(tmp_path)
    newest.write_bytes(b"")
    later = checkpoint.write(tmp_path, checkpoint.read(before), 1 + int(before.stem.partition("-")[2]))
    assert checkpoint.found(tmp_path) == [later, before]


@pytest.mark.usefixtures("always_saved")
def test_a_checkpoint_that_cannot_be_finished_leaves_those_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, before = cut(tmp_path)
    content, state = newest.read_bytes(), checkpoint.read(before)

    def full(number: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="could not be written: no space left"):
        checkpoint.write(tmp_path, state, 10**9)
    assert checkpoint.found(tmp_path) == [newest, before]
    assert newest.read_bytes() == content


@pytest.mark.usefixtures("always_saved")
def test_without_a_whole_checkpoint_nothing_is_resumed(tmp_path: Path) -> None:
    for path in cut(tmp_path):
        path.write_bytes(b"{}\n")
    with pytest.raises(BadInput, match="no whole checkpoint"):
        train(a_task(), settings(), tmp_path, RUN, resume=True)
    with pytest.raises(BadInput, match="no whole checkpoint"):
        train(a_task(), settings(), tmp_path / "nowhere", RUN, resume=True)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(BadInput, match="no folder given"):
        train(a_task(), settings(), resume=True)


@pytest.mark.usefixtures("always_saved")
def test_a_run_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    cut(tmp_path)
    for changes in ({"learning_rate": 0.5}, {"seed": 1, "hidden": (24, 24)}):
        with pytest.raises(BadInput, match=", ".join(sorted(changes))):
            train(a_task(), settings(**changes), tmp_path, RUN, resume=True)
    for changes in ({"size": (0.3, 0.9)}, {"reward": "risk-averse"}, {"horizon": ("2min",), "step": "2s"}):
        with pytest.raises(BadInput, match=", ".join(sorted(changes))):
            train(a_task(**changes), settings(), tmp_path, RUN, resume=True)
    same(train(a_task(threads=0), settings(device="cpu"), tmp_path, RUN, resume=True), unbroken("ppo"))


def test_a_world_of_other_terms_is_another_task() -> None:
    assert world_task(Martingale(), grid_actions()).terms == world_task(Martingale(), grid_actions()).terms
    assert world_task(Martingale(), grid_actions()).terms != world_task(Martingale(noise=False), grid_actions()).terms


@pytest.mark.usefixtures("always_saved")
def test_a_new_run_does_not_begin_where_another_lies(tmp_path: Path) -> None:
    cut(tmp_path)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    with pytest.raises(BadInput, match="holds a run's checkpoints"):
        train(a_task(), settings(), tmp_path, RUN)
    assert before == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))


def test_checkpoints_take_a_twentieth_of_the_time_and_come_when_they_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, spent = 0.0, []

    def tell(progress: Any) -> None:
        nonlocal now
        now += 1.0

    def write(folder: Path, state: Any, steps: int) -> None:
        nonlocal now
        now += took
        spent.append(steps)

    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(checkpoint, "write", write)
    terms = settings(steps=800, envs=2, rollout=1, minibatch=2, epochs=1)
    for took, every, least, most in ((2.0, 0.0, 9, 11), (0.1, 30.0, 12, 14)):
        now = 0.0
        spent.clear()
        train(world_task(Martingale(), grid_actions()), terms, tmp_path / str(took), RunSettings(every, 0), tell=tell)
        assert least <= len(spent) <= most
        assert took * (len(spent) - 1) <= training.SAVE_SHARE * now


def test_a_checkpoint_of_a_full_sized_run_is_below_its_limit() -> None:
    envs = MemberVecEnv(a_task().make(1024, None, TRAINING))
    agent: Any = new_agent(TrainSettings(algo="ddqn", threads=1), envs)
    agent._last_obs = envs.reset()
    agent.replay_buffer.full = True  # zeros that nobody has touched: they are counted, not written
    state = checkpoint.state_of(agent, envs)
    rows = sum(part.nbytes for part in state["buffer"][2].values())
    assert rows > 976 * 1024 * 2 * 4 * envs.observation_space.shape[0]
    (members, _), *_ = state["envs"]
    assert rows + sum(map(len, members)) + 1e7 < 1.5 * 2**30


def test_what_is_learned_does_not_depend_on_who_watches() -> None:
    for algo in ALGOS:
        blind = train(a_task(algo), settings(algo), run=RunSettings(validations=0))
        assert weights(blind.agent) == weights(unbroken(algo).agent)
        assert blind.validations == ()


def test_the_last_validation_is_of_what_was_learned() -> None:
    for algo in ALGOS:
        done = unbroken(algo)
        assert [one.steps for one in done.validations] == [3 * ROLLOUT, 6 * ROLLOUT, 9 * ROLLOUT, 12 * ROLLOUT]
        found = costs(a_task(algo), chooser(done.agent), RUN.episodes, EPISODES, VALIDATION).bps
        assert done.validations[-1].cost == pytest.approx(found.mean(), abs=1e-12)
        assert done.steps == 12 * ROLLOUT


def test_the_last_rollout_is_learned_from_and_one_beyond_the_last_step_unlearns_nothing() -> None:
    done = train(a_task(), settings(steps=ROLLOUT + 1), run=RunSettings(validations=0))
    assert done.steps == 2 * ROLLOUT
    assert 0.0 < done.agent.policy.optimizer.param_groups[0]["lr"] <= TrainSettings().learning_rate


# What goes wrong -----------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize("algo", ALGOS)
def test_weights_that_are_no_numbers_end_the_run_with_a_whole_checkpoint(algo: str, tmp_path: Path) -> None:
    with pytest.raises(TercetError, match=r"after \d+ steps.*the last checkpoint is") as error:
        train(a_task(algo), settings(algo, learning_rate=1e30, warmup=2), tmp_path, RUN)
    path, state = checkpoint.newest(tmp_path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert all(part.isfinite().all() for part in state["policy"].values())


@reward
def late_to_break(before, after, fills, params):  # type: ignore[no-untyped-def]
    """No number at an episode's end."""
    return np.nan if after.elapsed > 0.9 else -fills.cost


@pytest.mark.usefixtures("always_saved")
def test_a_reward_that_is_no_number_ends_the_run_with_a_whole_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"the reward of member .* was nan; .*the last checkpoint is") as refusal:
        train(a_task(reward=late_to_break), settings(), tmp_path, RunSettings(checkpoint_s=0.0, validations=0))
    assert str(checkpoint.newest(tmp_path)[0]) in str(refusal.value)


def test_a_weight_that_is_no_number_is_told_at_the_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: DoubleDQN, gradient_steps: int, batch_size: int = 100) -> None:
        with th.no_grad():
            next(self.policy.parameters())[0, 0] = math.nan

    monkeypatch.setattr(DoubleDQN, "train", spoil)
    with pytest.raises(TercetError, match=r"a weight was no number after 128 steps; .*there was no checkpoint yet"):
        train(a_task("ddqn"), settings("ddqn", steps=128, warmup=2), run=RunSettings(validations=0))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--market", "crowd:nobody"], ["crowd:nobody", "expected"]),
        (["--market", "history:/no/such/day"], ["/no/such/day", "expected"]),
        (["--market", "crowd:zero,"], ["expected"]),
        (["--algo", "luck"], ["algo was 'luck'", "expected one of ppo"]),
        (["--steps", "0"], ["steps was 0", "1 or more"]),
        (["--envs", "-1"], ["envs was -1"]),
        (["--seed", "-1"], ["seed was -1"]),
        (["--seed", str(EPISODES // SEEDS)], ["seed was", "held out"]),
        (["--out", "mine"], ["mine", "expected NAME.tercet"]),
        (["--out", "twap.tercet"], ["twap.tercet", "no shipped policy's name"]),
        (["--set", "luck=3"], ["luck=3", "expected NAME=VALUE", "learning_rate"]),
        (["--set", "rollout"], ["'rollout'", "expected NAME=VALUE"]),
        (["--set", "rollout=many"], ["rollout was 'many'", "whole number"]),
        (["--set", "hidden=64"], ["hidden was 64", "expected numbers such as 64,64"]),
        (["--set", "explore=1.0,"], ["explore was (1.0,)", "expected numbers such as 1.0,0.1"]),
        (["--set", "learning_rate=nan"], ["learning_rate was 'nan'"]),
        (["--set", "checkpoint_s=soon"], ["checkpoint_s was 'soon'"]),
        (["--set", "episodes=1"], ["episodes was 1", "2 or more"]),
        (["--set", "validations=-1"], ["validations was -1", "0 or more"]),
        (["--set", "minibatch=100"], ["minibatch was 100", "divisor of envs × rollout, 16384"]),
        (["--set", "minibatch=1"], ["minibatch was 1", "2 or more"]),
        (["--envs", "1", "--set", "rollout=1"], ["rollout was 1", "more than one step"]),
        (["--algo", "ppo-continuous", "--set", "deviation=0"], ["deviation was 0", "above 0"]),
        (["--algo", "ddqn", "--set", "buffer=1000"], ["buffer was 1000", "room for the warm-up"]),
        (["--size", "many"], ["size was 'many'", "such as 0.01,0.1"]),
        (["--size", "0.1"], ["size was '0.1'", "expected two shares"]),
        (["--size", "0.2,0.1"], ["size was (0.2, 0.1)", "the smaller first"]),
        (["--horizon", "5 parsecs"], ["5 parsecs", "expected"]),
        (["--step", "0s"], ["step was 0", "expected"]),
        (["--risk-aversion", "-1"], ["risk_aversion was -1"]),
        (["--algo", "nfk", "--horizon", "1min,2min"], ["1min, 2min", "expected one"]),
        (["--algo", "nfk", "--resume"], ["nfk", "expected neither"]),
        (["--resume"], ["no whole checkpoint"]),
    ],
)
def test_bad_words_are_answered_by_a_sentence(
    words: list[str], sentence: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    out = [] if "--out" in words else ["--out", "mine.tercet"]
    market = [] if "--market" in words else ["--market", "crowd:zero"]
    monkeypatch.setattr(sys, "argv", ["tercet", "train", *out, *market, *words])
    with pytest.raises(SystemExit) as gone:
        main()
    refused(subprocess.CompletedProcess(words, int(str(gone.value.code)), "", capsys.readouterr().err), *sentence)
    assert list(tmp_path.rglob("*")) == []


# From the command to a backtest --------------------------------------------------------------------------------------------------

WORDS: dict[str, list[str]] = {
    "ppo": ["--steps", "30000", "--set", "rollout=16", "--set", "minibatch=256", "--set", "validations=2"],
    "ddqn": ["--steps", "12000", "--set", "buffer=20000", "--set", "batch=128", "--set", "validations=1", "--imitate"],
    "nfk": ["--set", "episodes=256", "--set", "rounds=1"],
}


def train_words(algo: str, out: Path) -> list[str]:
    """The command that trains a small policy."""
    threads = [] if algo == "nfk" else ["--set", "threads=1", "--set", "episodes=64"]
    return ["train", "--algo", algo, "--market", "crowd:zero", "--envs", "64", *WORDS[algo], *threads, "--out", str(out), "--json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where policies lie."""
    return tmp_path_factory.mktemp("policies")


@cache
def trained(algo: str, folder: Path) -> tuple[Path, Any]:
    """A policy file that the command line made, and what it said."""
    out = folder / f"mine-{algo}.tercet"
    return out, said(tercet(*train_words(algo, out)))


@pytest.mark.parametrize("algo", WORDS)
def test_a_policy_is_trained_and_used_by_the_command_line(algo: str, folder: Path) -> None:
    out, told = trained(algo, folder)
    (card,) = told["card"]
    task = book_task(EnvSettings(market="crowd:zero", actions=ACTIONS[algo]))
    for costs_of, name in ((policy_of(read_policy(out)), ""), ("twap", "twap_")):
        found = policy_costs(task, costs_of, card["parents"], 2 * EPISODES, TEST).bps
        assert card[f"{name}is_bps"] == pytest.approx(found.mean(), abs=1e-9)
        assert card[f"{name}sd_bps"] == pytest.approx(found.std(ddof=1), abs=1e-9)
    assert card["against_twap_bps"] == pytest.approx(card["is_bps"] - card["twap_is_bps"], abs=1e-9)
    assert told["lineage"]["markets"].startswith("crowd:zero ")
    words = ["backtest", "--market", "crowd:zero", "--policies", f"twap,{out}", "--parents", 4, "--step", "5s", "--horizon", "5min"]
    rows = said(tercet(*words, "--json", "-"))["policies"]
    assert [row["policy"] for row in rows] == ["twap", f"mine-{algo}"]
    assert rows[0]["is_bps"] != rows[1]["is_bps"]


def test_ctrl_c_keeps_a_checkpoint_and_resume_ends_as_if_nothing_had_happened(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped.tercet"
    words = [*train_words("ppo", out), "--set", "checkpoint_s=0"]
    with subprocess.Popen([*TERCET, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not checkpoint.found(tmp_path / "stopped.tercet.run"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed == ""
    assert "go on with --resume" in " ".join(told.split())
    assert "Traceback" not in told
    assert not out.exists()
    refused(tercet(*words), "holds a run's checkpoints")
    assert said(tercet(*words, "--resume"))["policy"] == str(out)
    assert read_policy(out).network == read_policy(trained("ppo", folder)[0]).network


# The learners --------------------------------------------------------------------------------------------------------------------


def a_dqn(**changes: Any) -> DoubleDQN:
    """DQN in a world."""
    members = WorldMembers(AlmgrenChriss(), 8, grid_actions())
    agent = new_agent(settings("ddqn", envs=8, **changes), MemberVecEnv(members))
    assert isinstance(agent, DoubleDQN)
    return agent


def test_each_environment_explores_by_itself() -> None:
    agent = a_dqn()
    seen = np.random.default_rng(0).random((8000, 2), np.float32)
    best, _ = agent.predict(seen, deterministic=True)
    choices = int(getattr(agent.action_space, "n", 0))
    for rate in (0.0, 0.3, 1.0):
        agent.exploration_rate = rate
        assert (agent.predict(seen)[0] != best).mean() == pytest.approx(rate * (1 - 1 / choices), abs=0.02)
    agent.exploration_rate = 0.5
    assert 0 < (agent.predict(seen[:64])[0] != best[:64]).sum() < 64


@pytest.mark.parametrize(("double", "target"), [(True, 1.0 + 10.0), (False, 1.0 + 30.0)])
def test_a_target_takes_the_choice_of_one_network_at_the_value_of_the_other(double: bool, target: float) -> None:
    # Two states: the learning network thinks action 1 best in state 1, which the other values at 10; that one's best is worth 30.
    values = th.nn.Embedding.from_pretrained(th.tensor([[0.0, 0.0, 0.0], [1.0, 5.0, 2.0]]), freeze=False)
    others = th.nn.Embedding.from_pretrained(th.tensor([[7.0, 7.0, 7.0], [20.0, 10.0, 30.0]]))
    policy = SimpleNamespace(optimizer=th.optim.SGD(values.parameters(), 0.0), parameters=values.parameters)
    learner: Any = SimpleNamespace(double=double, gamma=1.0, q_net=values, q_net_target=others, policy=policy, max_grad_norm=10.0)

    def loss(ended: float) -> float:
        rows = (th.tensor([0]), th.tensor([[2]]), th.tensor([1]), th.tensor([[ended]]), th.tensor([[1.0]]))
        return float(DoubleDQN._update(learner, *rows))

    assert loss(0.0) == target - 0.5  # Huber's, of a value of 0
    assert loss(1.0) == 0.5


def test_ppo_chooses_open_moves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start, closed = ExecutionMembers.start, 0

    def watched(self: ExecutionMembers, half: Part, actions: NDArray[Any]) -> None:
        nonlocal closed
        masks = self.masks[half.rows]
        assert masks[np.arange(len(masks)), actions].all()
        closed += int((~masks).sum())
        start(self, half, actions)

    monkeypatch.setattr(ExecutionMembers, "start", watched)
    train(a_task(), settings(steps=4 * ROLLOUT), run=RunSettings(validations=1, episodes=8))
    assert closed > 500


def collected(algo: str, count: int, first: int = 0, **changes: Any) -> tuple[Any, LearnerVecEnv, Exception | None]:
    """A fresh learner that has collected two rollouts, one after the other, its environments, and why it went no further."""
    envs = LearnerVecEnv(a_task(algo, **changes).make(count, None, TRAINING), reward_scale=0.5)
    agent: Any = new_agent(settings(algo, envs=count, minibatch=16 * count), envs)
    envs.seed_members(first)
    _, callback = agent._setup_learn(10**6)
    agent.set_logger(configure(None, []))
    try:
        for _ in range(2):
            agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, agent.n_steps)
    except FaultyReward as fault:
        return agent, envs, fault
    return agent, envs, None


def fresh_members(algo: str, count: int, first: int = 0, **changes: Any) -> Any:
    """The same members at the same beginning."""
    envs = LearnerVecEnv(a_task(algo, **changes).make(count, None, TRAINING))
    envs.seed_members(first)
    envs.reset()
    return envs.members


def by_step(chosen: list[NDArray[Any]], halves: int) -> list[NDArray[Any]]:
    """Actions of all members, step by step, of those that were begun half by half."""
    return [np.concatenate(chosen[i : i + halves]) for i in range(0, len(chosen), halves)]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[Any]]:
    """The actions with which halves of members are begun from now on."""
    start, seen = ExecutionMembers.start, []

    def watched(self: ExecutionMembers, half: Part, actions: NDArray[Any]) -> None:
        seen.append(actions.copy())
        start(self, half, actions)

    monkeypatch.setattr(ExecutionMembers, "start", watched)
    return seen


@pytest.mark.parametrize("algo", ["ppo", "ppo-continuous"])
@pytest.mark.parametrize("count", [1, 67])
def test_halves_are_told_what_members_stepped_at_once_are(algo: str, count: int, chosen: list[NDArray[Any]]) -> None:
    agent, envs, _ = collected(algo, count, threads=3)
    told, members, ended = agent.rollout_buffer, fresh_members(algo, count), np.ones(count, np.bool_)
    assert agent.num_timesteps == 2 * 16 * count
    for step, actions in enumerate(by_step(chosen, len(envs.members.halves))):
        row = step - agent.n_steps
        if row >= 0:
            assert told.observations[row].tobytes() == members.observations.tobytes()
            assert (told.episode_starts[row] == ended).all()
            if algo == "ppo":
                assert (told.action_masks[row] == members.masks).all()
                assert (told.actions[row, :, 0] == actions).all()
        members.step(actions)
        ended = members.terminated.copy()
        if row >= 0:
            assert (told.rewards[row] == members.rewards.astype(np.float32) * np.float32(0.5)).all()
    assert envs.members.snapshot() == members.snapshot()
    assert agent._last_obs.tobytes() == members.observations.tobytes()
    assert (agent._last_episode_starts == ended).all()


@pytest.mark.parametrize("algo", ["ppo", "ppo-continuous"])
def test_cores_change_nothing_of_what_is_collected(algo: str) -> None:
    one, many = (collected(algo, 67, threads=threads)[0].rollout_buffer for threads in (1, 3))
    for name in ("observations", "actions", "values", "log_probs", "rewards", "advantages"):
        assert getattr(one, name).tobytes() == getattr(many, name).tobytes()


def test_a_faulty_member_is_told_when_both_halves_have_moved(chosen: list[NDArray[Any]]) -> None:
    _, envs, fault = collected("ppo", 67, threads=3, reward=late_to_break)
    members = fresh_members("ppo", 67, reward=late_to_break)
    *before, last = by_step(chosen, 2)
    for actions in before:
        members.step(actions)
    with pytest.raises(FaultyReward) as expected:
        members.step(last)
    assert isinstance(fault, FaultyReward)
    assert str(fault) == str(expected.value)
    assert fault.places.tolist() == expected.value.places.tolist() == list(range(67))
    assert envs.members.snapshot() == members.snapshot()


def test_a_fault_of_one_half_lets_the_other_end_the_step_it_has_begun(chosen: list[NDArray[Any]]) -> None:
    terms: dict[str, Any] = {"first": 3, "horizon": ("1min", "2min"), "reward": late_to_break}  # seed 3 draws two minutes, 4 one
    _, envs, fault = collected("ppo", 2, **terms)
    members = fresh_members("ppo", 2, **terms)
    assert isinstance(fault, FaultyReward)
    assert fault.places.tolist() == [1]
    *before, last, further = by_step(chosen, 2)
    for actions in before:
        members.step(actions)
    with pytest.raises(FaultyReward):
        members.step(last)
    assert envs.members.observations[1].tobytes() == members.observations[1].tobytes()
    members.step(np.append(further, 0))
    assert envs.members.observations[0].tobytes() == members.observations[0].tobytes()


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_teachers_do_what_they_may(actions: str) -> None:
    task = a_task(actions=actions)
    for teacher in teachers(task.make(1, None, TRAINING).actions.space, 3.0):

        def checked(seen: Any, masks: Any, teacher: Teacher = teacher) -> Any:
            chosen = teacher(seen, masks)
            if actions == "discrete":
                assert masks[np.arange(len(seen)), chosen].all()
            else:
                assert np.abs(chosen).max() <= 1.0
            return chosen

        assert np.isfinite(costs(task, checked, 8, EPISODES, TEST).bps).all()


@pytest.mark.parametrize("algo", ["ppo", "ppo-continuous"])
def test_an_imitator_costs_about_what_its_teacher_costs(algo: str) -> None:
    task = a_task(algo)
    envs = MemberVecEnv(task.make(32, None, TRAINING))
    agent = new_agent(settings(algo), envs)
    teacher = Teacher(0.0, CROSS, 3.0, agent.action_space)
    seen = envs.reset()
    masks = envs.action_masks()
    taught = th.as_tensor(teacher(seen, masks))
    options = {"action_masks": masks} if algo == "ppo" else {}

    def likelihood() -> float:
        policy: Any = agent.policy
        return float(policy.evaluate_actions(th.as_tensor(seen), taught, **options)[1].mean().detach())

    before, fresh = likelihood(), costs(task, chooser(agent), 128, EPISODES, TEST).bps
    imitate(agent, task, teacher, 0, 256)
    assert likelihood() > before + 0.3
    wanted, found = costs(task, teacher, 128, EPISODES, TEST).bps, costs(task, chooser(agent), 128, EPISODES, TEST).bps
    assert np.abs(found - wanted).mean() < 0.7 * np.abs(fresh - wanted).mean()


def test_runs_share_no_episode_with_each_other_nor_with_what_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, seen = ExecutionMembers.begin, set()

    def watched(self: ExecutionMembers, places: Any) -> None:
        seen.update(self.members.seed[places].tolist())
        begin(self, places)

    monkeypatch.setattr(ExecutionMembers, "begin", watched)
    monkeypatch.setattr(produce, "TESTED", 8)
    used = []
    for seed in (0, 1, EPISODES // SEEDS - 1):
        seen.clear()
        order = produce.Order(
            tmp_path / f"s{seed}.tercet",
            EnvSettings(**BOOK),
            settings(steps=2 * ROLLOUT, seed=seed),
            RunSettings(validations=1, episodes=16),
            NfkSettings(),
            imitate=True,
        )
        assert produce.produce(order) is not None
        held_out = {EPISODES + i for i in range(16)} | {2 * EPISODES + i for i in range(8)}
        assert held_out == {one for one in seen if one >= EPISODES}
        used.append(seen - held_out)
    assert [min(part) // SEEDS for part in used] == [max(part) // SEEDS for part in used] == [0, 1, EPISODES // SEEDS - 1]


def test_a_scale_of_rewards_is_for_the_learner_alone() -> None:
    one, other = (MemberVecEnv(a_task().make(8, None, TRAINING), reward_scale=scale) for scale in (1.0, 0.125))
    for envs in (one, other):
        envs.seed_members(5)
        envs.reset()
    for _ in range(25):
        (seen, rewards, ended, infos), (seen_too, scaled, _, infos_too) = (envs.step(np.full(8, 3)) for envs in (one, other))
        assert seen.tobytes() == seen_too.tobytes()
        assert (rewards * 0.125 == scaled).all()
        assert json.dumps([info.get("episode") for info in infos]) == json.dumps([info.get("episode") for info in infos_too])
    assert ended.shape == (8,)
    assert math.isclose(float(one._returns.sum()), float(other._returns.sum()))


# Checkpoints that fit their checksum and yet are none -----------------------------------------------------------------------------------


def changed(state: dict[str, Any], *path: Any, to: Callable[[Any], Any]) -> dict[str, Any]:
    """A state with one value of it changed."""
    first, *rest = path
    held = state[first]
    new = to(held) if not rest else changed(held, *rest, to=to)
    if isinstance(state, dict):
        return {**state, first: new}
    return type(state)(new if place == first else one for place, one in enumerate(state))


def without(*names: str) -> Callable[[Any], Any]:
    return lambda held: {name: one for name, one in held.items() if name not in names}


BIAS, MOMENT = "action_net.bias", ("optimizer", "state", 0, "exp_avg")
UNFIT: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "no weights": ("policy", lambda state: {name: one for name, one in state.items() if name != "policy"}),
    "no counts": ("counted", lambda state: {name: one for name, one in state.items() if name != "counted"}),
    "one weight fewer": ("Missing key", lambda state: changed(state, "policy", to=without(BIAS))),
    "a weight of another shape": ("shape", lambda state: changed(state, "policy", BIAS, to=lambda held: held[:-1])),
    "a weight that is no number": ("not all finite", lambda state: changed(state, "policy", BIAS, to=lambda held: held * math.nan)),
    "a weight that is a word": ("shape", lambda state: changed(state, "policy", BIAS, to=lambda held: "many")),
    "an optimizer of another network": (
        "optimizer",
        lambda state: changed(state, "optimizer", "state", 0, "exp_avg", to=lambda held: held[:1]),
    ),
    "an optimizer that is no number": (
        "not finite",
        lambda state: changed(state, "optimizer", "state", 0, "exp_avg", to=lambda held: held / 0),
    ),
    "no optimizer": ("state", lambda state: {**state, "optimizer": {}}),
    "a word for a count": ("expected a number", lambda state: changed(state, "counted", "num_timesteps", to=lambda held: "soon")),
    "a count of something else": ("no learner does", lambda state: changed(state, "counted", to=lambda held: held | {"env": None})),
    "fewer observations": ("observations have", lambda state: changed(state, "counted", "_last_obs", to=lambda held: held[:3])),
    "simulations of others": ("snapshot", lambda state: changed(state, "envs", 0, 0, 0, to=lambda held: held[:-8])),
    "no simulations": ("envs", lambda state: {name: one for name, one in state.items() if name != "envs"}),
    "another generator": ("expected a checkpoint", lambda state: changed(state, "random", 1, to=lambda held: ("PCG", 3))),
    "a short generator": ("expected a checkpoint", lambda state: changed(state, "random", 0, to=lambda held: held[:7])),
    "another learner's buffer": ("replay buffer", lambda state: {**state, "buffer": (0, False, {})}),
    "other settings": ("run of other settings", lambda state: changed(state, "made of", "hidden", to=lambda held: (7,))),
    "settings that are none": ("run of other settings", lambda state: {**state, "made of": 5}),
    "validations that are none": ("validations", lambda state: {**state, "validations": [{"steps": 1}]}),
}


@cache
def a_state() -> dict[str, Any]:
    """The state of a run that was cut."""
    with tempfile.TemporaryDirectory() as folder:
        train(a_task(), settings(), Path(folder), RUN, tell=asking_after(2, signal.SIGINT))
        return checkpoint.newest(Path(folder))[1]


@pytest.mark.parametrize("what", UNFIT)
def test_a_checkpoint_of_something_else_is_one_sentence(what: str, tmp_path: Path) -> None:
    word, change = UNFIT[what]
    path = checkpoint.write(tmp_path, change(a_state()), 99)
    with pytest.raises(BadInput, match=word) as refusal:
        train(a_task(), settings(), tmp_path, RUN, resume=True)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


class Trap:
    """What would run code where a pickle is read."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


def sealed(path: Path, payload: bytes, seal: str | None = None) -> None:
    """A checkpoint of any bytes, with its checksum and this user's seal."""
    digest = hashlib.sha256(payload).hexdigest()
    head = {
        "format": checkpoint.FORMAT,
        "bytes": len(payload),
        "sha256": digest,
        "seal": checkpoint._seal(digest) if seal is None else seal,
    }
    path.write_bytes(json.dumps(head).encode() + b"\n" + payload)


def test_no_code_in_a_checkpoint_is_ever_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held = io.BytesIO()
    th.save({"policy": Trap()}, held)
    for payload in (pickle.dumps(Trap()), held.getvalue()):
        sealed(tmp_path / "one.checkpoint", payload)
        for trust in (False, True):
            with pytest.raises(BadInput, match="expected the tensors of a checkpoint"):
                checkpoint.read(tmp_path / "one.checkpoint", trust)
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_by_another_key_is_taken_where_one_trusts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = a_state()
    monkeypatch.setenv("TERCET_KEY", str(tmp_path / "theirs"))
    path = checkpoint.write(tmp_path / "run", state, 7)
    assert (tmp_path / "theirs").stat().st_mode & 0o777 == 0o600
    assert checkpoint.read(path).keys() == state.keys()
    monkeypatch.setenv("TERCET_KEY", str(tmp_path / "mine"))
    warnings: list[str] = []
    with pytest.raises(BadInput, match="no whole checkpoint"):
        train(a_task(), settings(), tmp_path / "run", RUN, resume=True, warn=warnings.append)
    assert "its seal is not by your key" in warnings[0]
    assert "--set trust=True" in warnings[0]
    done = train(a_task(), settings(), tmp_path / "run", dataclasses.replace(RUN, trust=True), resume=True)
    same(done, unbroken("ppo"))


def test_where_no_key_can_be_kept_a_run_still_reads_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder can be made below a file")
    monkeypatch.setenv("TERCET_KEY", str(tmp_path / "file" / "key"))
    assert checkpoint.read(checkpoint.write(tmp_path, {"a": np.arange(3), "b": b"bytes", "c": (1, [2.0, None])}, 1))["c"] == (
        1,
        [2.0, None],
    )


def test_a_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    state = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "b": b"", "c": [np.zeros((0, 2)), (2**100, "x", None)], 7: np.float32(0.5)}
    again = checkpoint.unpacked(checkpoint.packed(state))
    assert (again["a"] == state["a"]).all()
    assert again["a"].dtype == np.int16
    assert (again["b"], again["c"][1], again[7]) == (b"", (2**100, "x", None), 0.5)
    assert again["c"][0].shape == (0, 2)


def test_bytes_broken_anywhere_behind_a_fitting_seal_are_one_sentence(tmp_path: Path) -> None:
    whole = (
        checkpoint.write(tmp_path, {"policy": {"w": th.zeros(3, 4)}, "random": (th.get_rng_state(),)}, 1).read_bytes().partition(b"\n")[2]
    )
    rng = random.Random(4)
    for _ in range(120):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        sealed(tmp_path / "one.checkpoint", bytes(broken[: rng.choice([len(broken), rng.randrange(len(broken))])]))
        sentence = ""
        try:
            checkpoint.read(tmp_path / "one.checkpoint")
        except BadInput as refusal:
            sentence = str(refusal)
        assert "\n" not in sentence


@pytest.mark.parametrize("head", [b"[" * 3000, b"[]", b"5", b'{"format": 2}', b"\xff\xfe", b""])
def test_a_first_line_that_says_nothing_is_refused(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "one.checkpoint").write_bytes(head + b"\nrest")
    with pytest.raises(BadInput, match="no checkpoint; expected a first line"):
        checkpoint.read(tmp_path / "one.checkpoint")
