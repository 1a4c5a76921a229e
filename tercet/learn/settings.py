"""What a run of training is made of."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from tercet.errors import BadInput
from tercet.learn.task import EPISODES, SEEDS

PPO, PPO_CONTINUOUS, DQN, DDQN, NFK = "ppo", "ppo-continuous", "dqn", "ddqn", "nfk"
ALGORITHMS = (PPO, PPO_CONTINUOUS, DQN, DDQN, NFK)
ACTIONS = {PPO: "discrete", PPO_CONTINUOUS: "continuous", DQN: "discrete", DDQN: "discrete", NFK: "price-level"}


@dataclass(frozen=True)
class TrainSettings:
    """How an agent learns. The default is for a book; `worlds` are smaller problems. Raises BadInput for what no run can be made of."""

    algo: str = field(default=PPO, metadata={"help": ", ".join(ALGORITHMS)})
    steps: int = field(default=2_000_000, metadata={"help": "environment steps, of all environments together"})
    envs: int = field(default=1024, metadata={"help": "environments side by side"})
    seed: int = field(default=0, metadata={"help": "of weights, exploration and episodes"})
    threads: int = field(default=0, metadata={"help": "of the network's arithmetic where no market runs beside it; 0: all cores"})
    device: str = field(default="auto", metadata={"help": "auto (a GPU where there is one), cpu or cuda"})
    hidden: tuple[int, ...] = field(default=(64, 64), metadata={"help": "widths of the hidden layers"})
    activation: str = field(default="relu", metadata={"help": "relu or tanh"})
    learning_rate: float = field(default=1e-3, metadata={"help": "at the beginning; it falls to 0 in a straight line"})
    reward_scale: float = field(default=1.0, metadata={"help": "by which rewards are multiplied before a network learns them"})
    rollout: int = field(default=16, metadata={"help": "PPO: steps of each environment between updates"})
    minibatch: int = field(default=4096, metadata={"help": "PPO: transitions in an update"})
    epochs: int = field(default=4, metadata={"help": "PPO: passes over a rollout"})
    gae_lambda: float = field(default=0.95, metadata={"help": "PPO: of generalised advantage estimation"})
    entropy: float = field(default=0.01, metadata={"help": "PPO: weight of the entropy, in a loss of normalised advantages"})
    clip: float = field(default=0.2, metadata={"help": "PPO: clip range"})
    deviation: float = field(default=0.5, metadata={"help": "continuous PPO: standard deviation of its exploration at the beginning"})
    buffer: int = field(default=1_000_000, metadata={"help": "DQN: transitions kept"})
    batch: int = field(default=1024, metadata={"help": "DQN: transitions in an update"})
    updates: int = field(default=4, metadata={"help": "DQN: updates after a step of all environments"})
    warmup: int = field(default=20, metadata={"help": "DQN: steps of all environments before the first update"})
    n_step: int = field(default=3, metadata={"help": "DQN: rewards that a target adds up before it trusts a network"})
    target: float = field(default=0.01, metadata={"help": "DQN: share by which the target network follows at each step"})
    explore: tuple[float, float] = field(default=(1.0, 0.1), metadata={"help": "DQN: probability to explore, at first and at last"})
    explore_share: float = field(default=0.3, metadata={"help": "DQN: share of the run in which it falls from the first to the last"})

    def __post_init__(self) -> None:
        """Refuse what no run can be made of."""
        for part in fields(self):
            self._check(part.name, getattr(self, part.name), part.default)
        wrong = (
            (self.algo not in ALGORITHMS, "algo", f"one of {', '.join(ALGORITHMS)}"),
            (self.device not in ("auto", "cpu", "cuda"), "device", "auto, cpu or cuda"),
            (self.activation not in ("relu", "tanh"), "activation", "relu or tanh"),
            (self.seed >= EPISODES // SEEDS, "seed", f"below {EPISODES // SEEDS}: others' episodes are held out"),
            (self.envs > SEEDS, "envs", f"{SEEDS} at most"),
            (not self.hidden or min(self.hidden) < 1, "hidden", "one positive width or more"),
            (not 0.0 < self.target <= 1.0, "target", "a number above 0 up to 1"),
            (not 1.0 >= self.explore[0] >= self.explore[1] >= 0.0, "explore", "two falling probabilities"),
            (not 0.0 < self.explore_share <= 1.0, "explore_share", "a share above 0 up to 1"),
            (self.gae_lambda > 1.0, "gae_lambda", "a number from 0 to 1"),
            (self.deviation <= 0.0, "deviation", "a number above 0"),
            (self.minibatch < 2, "minibatch", "2 or more"),
            (self.algo in (PPO, PPO_CONTINUOUS) and self.envs * self.rollout < 2, "rollout", "more than one step of one environment"),
            (
                self.buffer < self.envs * max(self.warmup, 2),
                "buffer",
                f"room for the warm-up, {self.envs * max(self.warmup, 2)} transitions",
            ),
        )
        for is_wrong, name, expected in wrong:
            if is_wrong:
                raise self._bad(name, expected)

    def _check(self, name: str, value: Any, like: Any) -> None:
        if isinstance(like, int):
            if not isinstance(value, int) or isinstance(value, bool) or value < (name not in ("seed", "threads")):
                raise self._bad(name, "a whole number, 1 or more" if name not in ("seed", "threads") else "a whole number, 0 or more")
        elif isinstance(like, float):
            if not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
                raise self._bad(name, "a number, 0 or more")
        elif isinstance(like, tuple):
            alike = isinstance(value, tuple) and all(isinstance(one, int | type(like[0])) for one in value)
            if not alike or (name == "explore" and len(value) != len(like)):
                raise self._bad(name, f"numbers such as {','.join(map(str, like))}")

    def _bad(self, name: str, expected: str) -> BadInput:
        return BadInput(f"{name} was {getattr(self, name)!r}; expected {expected}")

    def but(self, **changes: Any) -> "TrainSettings":
        """The same with some of it changed; raises BadInput naming what there is not."""
        if unknown := sorted(set(changes) - {part.name for part in fields(self)}):
            raise BadInput(f"no setting of training is called {unknown[0]!r}; expected {', '.join(part.name for part in fields(self))}")
        return replace(self, **changes)
