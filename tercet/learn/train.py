"""One run of training: a task, a learner, checkpoints, validation, and a way back to where it was cut."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from tercet.envs.bank import TRAINING, VALIDATION
from tercet.envs.execution import BrokenStep
from tercet.envs.members import Members
from tercet.errors import BadInput, TercetError
from tercet.interrupts import forgive
from tercet.learn import checkpoint
from tercet.learn.agents import new_agent, threads_of
from tercet.learn.imitate import Teacher, imitate
from tercet.learn.settings import PPO, PPO_CONTINUOUS, TrainSettings
from tercet.learn.task import EPISODES, SEEDS, Choose, Costs, Task, costs_in, difference, policy_costs
from tercet.learn.vecenv import LearnerVecEnv

SAVE_SHARE = 0.05  # of the run's time that checkpoints may take
CHECKED_EVERY = 16  # iterations between looks at the weights and the clock, of a learner with short ones


@dataclass(frozen=True)
class RunSettings:
    """How a run is kept and watched; none of it changes what is learned."""

    checkpoint_s: float = field(default=60.0, metadata={"help": "seconds between checkpoints, or more where they take long"})
    validations: int = field(default=10, metadata={"help": "how often the agent is judged in the course of the run; 0: never"})
    episodes: int = field(default=256, metadata={"help": "held-out episodes that it is judged on, and TWAP with it"})

    trust: bool = field(default=False, metadata={"help": "resume from a checkpoint that another user's or machine's key sealed"})

    def __post_init__(self) -> None:
        """Refuse what no run can be kept or watched by."""
        if not isinstance(self.trust, bool):
            raise BadInput(f"trust was {self.trust!r}; expected True or False")
        for name, kind, low in (("checkpoint_s", int | float, 0), ("validations", int, 0), ("episodes", int, 2)):
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool) or not value >= low:
                raise BadInput(f"{name} was {value!r}; expected a {'whole ' if kind is int else ''}number, {low} or more")


@dataclass(frozen=True)
class Validation:
    """What held-out episodes cost after so many steps, bps, and the paired difference to TWAP on the same episodes."""

    steps: int
    cost: float
    sd: float
    against_twap: float
    error: float  # standard error of the difference


@dataclass
class Progress:
    """Where a run is."""

    steps: int
    steps_per_s: float
    validations: list[Validation]


@dataclass(frozen=True)
class Trained:
    """A run that has come to its end, or was asked to stop before."""

    agent: BaseAlgorithm
    steps: int
    seconds: float
    validations: tuple[Validation, ...]
    finished: bool
    imitated: bool = False


Tell = Callable[[Progress], None]
Warn = Callable[[str], None]


def silent(said: Any) -> None:
    """Tell nobody."""


def train(
    task: Task,
    settings: TrainSettings,
    folder: Path | None = None,
    run: RunSettings | None = None,
    resume: bool = False,
    teacher: Teacher | None = None,
    tell: Tell = silent,
    warn: Warn = silent,
) -> Trained:
    """Train an agent; with a `folder`, keep checkpoints and TensorBoard's events there.

    resume: go on from the newest whole checkpoint in `folder`, whose settings must be these. On one thread the weights at the end are
    those of a run that was never cut. teacher: who is imitated first. Raises BadInput, and TercetError where weights are no longer numbers.
    """
    envs = LearnerVecEnv(task.make(settings.envs, None, TRAINING), reward_scale=settings.reward_scale)
    agent = new_agent(settings, envs)
    watch = Watch(task, settings, run or RunSettings(), folder, envs, tell)
    if resume:
        take_up(agent, watch, warn)
    else:
        watch.make_folder()
        envs.seed_members(settings.seed * SEEDS)
        if teacher is not None:
            imitate(agent, task, teacher, settings.seed)
            watch.imitated = True
    agent.set_logger(configure(str(folder / "tensorboard") if folder else None, ["tensorboard"] if folder else []))
    began = time.perf_counter()
    with stoppable(watch):
        learn(agent, settings, watch)
    return Trained(agent, agent.num_timesteps, time.perf_counter() - began, tuple(watch.validations), not watch.stopped, watch.imitated)


def learn(agent: BaseAlgorithm, settings: TrainSettings, watch: "Watch") -> None:
    """Let an agent learn till its last step, or till `watch` stops it."""
    left = settings.steps - agent.num_timesteps
    if left <= 0:
        return
    try:
        agent.learn(left, watch, log_interval=None, reset_num_timesteps=agent._last_obs is None)  # type: ignore[arg-type]  # SB3 means it
    except BrokenStep as fault:
        raise BadInput(f"{fault}; {watch.kept()}") from fault
    except (ValueError, RuntimeError) as fault:
        watch.refuse_no_numbers()
        reason = str(fault).partition("\n")[0]  # torch goes on with the tensor
        raise TercetError(f"the learner failed after {agent.num_timesteps} steps: {reason}; {watch.kept()}") from fault


def take_up(agent: BaseAlgorithm, watch: "Watch", warn: Warn) -> None:
    """Bring a fresh agent to the newest checkpoint of its folder."""
    if watch.folder is None:
        raise BadInput("resume was asked for and no folder given; expected the folder of a run")
    path, state = checkpoint.newest(watch.folder, warn, watch.run.trust)
    made_of = state.get("made of")
    if not isinstance(made_of, dict) or made_of != watch.made_of:
        other = sorted(name for name in watch.made_of if not isinstance(made_of, dict) or made_of.get(name) != watch.made_of[name])
        raise BadInput(f"{path}: a run of other settings ({', '.join(other)}); expected the same to go on with")
    checkpoint.restore(agent, watch.envs, state, path)
    try:
        watch.validations, watch.imitated = [Validation(**one) for one in state["validations"]], bool(state["imitated"])
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path}: its validations cannot be read ({error}); expected a checkpoint of a run of the same settings") from error


@contextmanager
def stoppable(watch: "Watch") -> Iterator[None]:
    """Ctrl-C, or a polite kill, stops the run at its next boundary with a checkpoint; a second one stops it where it is."""

    def ask(number: int, frame: Any) -> None:
        watch.asked = True
        signal.signal(number, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with forgive():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Watch(BaseCallback):
    """What happens between the iterations of a learner: checkpoints, validation, progress, and the stop."""

    def __init__(self, task: Task, settings: TrainSettings, run: RunSettings, folder: Path | None, envs: LearnerVecEnv, tell: Tell) -> None:
        """`envs` are the learner's own."""
        super().__init__()
        self.task, self.settings, self.run, self.folder, self.envs, self.tell = task, settings, run, folder, envs, tell
        self.validations: list[Validation] = []
        self.asked = self.stopped = self.imitated = False
        self.made_of = {"task": task.name, **task.terms, **asdict(settings)}
        for name in ("threads", "device"):
            del self.made_of[name]
        self._saved_at, self._save_took, self._told_at, self._told_steps = time.perf_counter(), 0.0, 0.0, 0
        self._judged: Members | None = None
        self._twap = Costs(np.zeros(0), np.zeros(0))

    def make_folder(self) -> None:
        """Make the folder of a new run; raises BadInput where another run's checkpoints lie there."""
        if self.folder is None:
            return
        if checkpoint.found(self.folder):
            raise BadInput(f"{self.folder}: holds a run's checkpoints; expected another folder, or resume")
        self.folder.mkdir(parents=True, exist_ok=True)

    def _on_rollout_start(self) -> None:
        th.set_num_threads(1)  # torch's other threads wait busily, on the cores that the markets need
        self._between()

    def _on_rollout_end(self) -> None:
        th.set_num_threads(threads_of(self.settings))

    def _between(self) -> None:
        steps, asked = self.model.num_timesteps, self.asked  # looked at once: a signal comes at any time
        if steps // self.settings.envs % self._pace and not asked:
            return
        self.refuse_no_numbers()
        if not asked and self._due_validation(steps):
            self._validate(steps)
        if self.folder is not None and (asked or self._due_checkpoint()):
            self._save(self.folder, steps)
        self.stopped = asked
        self._report(steps)

    def _on_training_end(self) -> None:
        if self.stopped:
            return
        self.refuse_no_numbers()
        if self.run.validations:
            self._validate(self.model.num_timesteps)
        self._report(self.model.num_timesteps)
        if self.folder is not None:
            self._save(self.folder, self.model.num_timesteps)

    def _on_step(self) -> bool:
        return not self.stopped

    @property
    def _pace(self) -> int:
        return 1 if self.settings.algo in (PPO, PPO_CONTINUOUS) else CHECKED_EVERY

    def _due_checkpoint(self) -> bool:
        return time.perf_counter() - self._saved_at > max(self.run.checkpoint_s, self._save_took / SAVE_SHARE)

    def _save(self, folder: Path, steps: int) -> None:
        began = time.perf_counter()
        state = checkpoint.state_of(self.model, self.envs) | {"made of": self.made_of}
        state |= {"validations": [asdict(one) for one in self.validations], "imitated": self.imitated}
        checkpoint.write(folder, state, steps)
        self._saved_at = time.perf_counter()
        self._save_took = self._saved_at - began

    def _due_validation(self, steps: int) -> bool:
        if self.run.validations == 0:
            return False
        return steps >= (len(self.validations) + 1) * self.settings.steps / self.run.validations

    def _validate(self, steps: int) -> None:
        if self._judged is None:
            self._judged = self.task.make(self.run.episodes, None, VALIDATION)
            self._twap = policy_costs(self.task, "twap", self.run.episodes, EPISODES, VALIDATION)
        own = costs_in(self._judged, self.task, chooser(self.model), EPISODES)
        told = Validation(steps, float(own.bps.mean()), float(own.bps.std(ddof=1)), *difference(own, self._twap))
        self.validations.append(told)
        for name, value in asdict(told).items():
            self.logger.record(f"validation/{name}", value)

    def _report(self, steps: int) -> None:
        now = time.perf_counter()
        rate = (steps - self._told_steps) / (now - self._told_at) if self._told_at else 0.0
        self._told_at, self._told_steps = now, steps
        self.logger.record("time/steps_per_s", rate)
        self.logger.dump(steps)
        self.tell(Progress(steps, rate, self.validations))

    def refuse_no_numbers(self) -> None:
        """Raise TercetError where a weight is no number."""
        if all(bool(th.isfinite(weights).all()) for weights in self.model.policy.parameters()):
            return
        raise TercetError(f"a weight was no number after {self.model.num_timesteps} steps; expected finite ones; {self.kept()}")

    def kept(self) -> str:
        """Where the last checkpoint is."""
        there = checkpoint.found(self.folder) if self.folder is not None else []
        return f"the last checkpoint is {there[0]}" if there else "there was no checkpoint yet"


def chooser(agent: BaseAlgorithm) -> Choose:
    """What an agent does where it does not explore, open moves only where it knows of masks."""

    def choose(observations: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[Any]:
        options: dict[str, Any] = {"action_masks": masks} if isinstance(agent, MaskablePPO) else {}
        actions, _ = agent.predict(observations, deterministic=True, **options)
        return actions

    return choose
