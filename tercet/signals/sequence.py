"""Networks behind the same protocol as `experts`: perceptrons for a row, and LSTM, Transformer and DeepLOB for a window of rows.

Order flow, not raw book levels, is what sequences are fed (Kolm, Turiel & Westray 2023). All are trained alike: Adam, the loss on the
newest part of the lesson says when to stop. A seed fixes what is learned, on as many threads.
"""

import io
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tercet.errors import BadInput
from tercet.memory import keep_memory
from tercet.signals.experts import CLIP, Scaler
from tercet.signals.fitted import Numbers
from tercet.signals.samples import CLASSES, DIRECTION, Lesson, Questions, windows
from tercet.signals.walkforward import inner

CHUNK = 512  # windows held at once when nothing is learned
OPSET = 20
DOWN, UP = CLASSES.index(-1), CLASSES.index(1)


@dataclass(frozen=True)
class Network:
    """What all networks have in common: how they are trained, and on how much."""

    name: str = "network"
    steps: int = field(default=1, metadata={"help": "rows that a window holds, the row asked about the last"})
    rate: float = field(default=1e-3, metadata={"help": "of Adam"})
    batch: int = field(default=256, metadata={"help": "rows between two corrections"})
    epochs: int = field(default=20, metadata={"help": "at most"})
    rows: int = field(default=20_000, metadata={"help": "drawn from the lesson for an epoch, and judged on after it, at most"})
    patience: int = field(default=4, metadata={"help": "epochs without gain before training stops"})
    checked: float = field(default=0.2, metadata={"help": "share of the lesson, its newest, that says when to stop; 0: never"})
    refit: bool = field(default=False, metadata={"help": "then learn the whole lesson anew, for as many epochs"})
    lasso: float = field(default=0.0, metadata={"help": "absolute penalty of the weights, divided by the square root of the lesson's rows"})
    ridge: float = field(default=0.0, metadata={"help": "quadratic penalty of the weights"})
    dropout: float = field(default=0.1, metadata={"help": "share of the last hidden values left out while learning"})

    def __post_init__(self) -> None:
        """Refuse what nothing can be learned with."""
        least = {"steps": self.steps, "batch": self.batch, "epochs": self.epochs, "rows": self.rows, "patience": self.patience}
        for name, given in least.items():
            if given < 1:
                raise BadInput(f"{self.name}: {name} was {given}; expected 1 or more")
        if (
            not self.rate > 0.0
            or self.lasso < 0.0
            or self.ridge < 0.0
            or not all(0.0 <= share < 1.0 for share in (self.checked, self.dropout))
        ):
            raise BadInput(f"{self}; expected rate > 0, lasso and ridge >= 0, and checked and dropout from 0 to below 1")

    @property
    def members(self) -> int:
        """Networks that learn side by side and whose answers are averaged."""
        return 1

    def made(self, columns: int, outputs: int) -> nn.Module:
        """An untrained network: (batch, steps, columns) to (members, batch, outputs)."""
        raise NotImplementedError

    def fit(self, lesson: Lesson, seed: int) -> "Learned":
        """Draws, weights and dropout follow the seed; torch's own random state stays as it was."""
        lesson = within(lesson, self.steps)
        with torch.random.fork_rng(devices=[]):
            if self.checked == 0.0:
                return Training(self, lesson, None, seed).learned(np.full(self.members, self.epochs))
            training = Training(self, *inner(lesson, self.checked), seed)
            learned = training.learned(None)
            return Training(self, lesson, None, seed).learned(training.best) if self.refit else learned


@dataclass(frozen=True)
class Perceptrons(Network):
    """An ensemble of multilayer perceptrons, the NN of Gu, Kelly & Xiu (2020): all members are one batched product of matrices."""

    name: str = "mlp"
    rate: float = field(default=1e-2, metadata={"help": "of Adam"})
    batch: int = field(default=1024, metadata={"help": "rows between two corrections"})
    epochs: int = field(default=60, metadata={"help": "at most"})
    rows: int = field(default=200_000, metadata={"help": "drawn from the lesson for an epoch, and judged on after it, at most"})
    patience: int = field(default=6, metadata={"help": "epochs without gain before training stops"})
    refit: bool = field(default=True, metadata={"help": "then learn the whole lesson anew, for as many epochs"})
    lasso: float = field(default=0.4, metadata={"help": "absolute penalty of the weights, divided by the square root of the lesson's rows"})
    dropout: float = field(default=0.0, metadata={"help": "share of the last hidden values left out while learning"})
    hidden: tuple[int, ...] = field(default=(32, 16, 8), metadata={"help": "widths of the hidden layers"})
    ensemble: int = field(default=5, metadata={"help": "members"})
    normed: bool = field(default=True, metadata={"help": "batch normalisation before each activation"})

    def __post_init__(self) -> None:
        """Refuse ensembles of nobody."""
        super().__post_init__()
        if self.ensemble < 1 or not all(width >= 1 for width in self.hidden):
            raise BadInput(f"{self.name}: ensemble was {self.ensemble} and hidden {self.hidden}; expected 1 or more each")

    @property
    def members(self) -> int:
        """As many as the ensemble has."""
        return self.ensemble

    def made(self, columns: int, outputs: int) -> nn.Module:
        """Hidden layers with ReLU between them."""
        layers: list[nn.Module] = []
        sizes = (self.steps * columns, *self.hidden)
        for ins, outs in itertools.pairwise(sizes):
            layers += [Layer(self.ensemble, ins, outs), *([Norm(self.ensemble, outs)] if self.normed else []), nn.ReLU()]
        return nn.Sequential(nn.Flatten(), *layers, nn.Dropout(self.dropout), Layer(self.ensemble, sizes[-1], outputs))


@dataclass(frozen=True)
class Lstm(Network):
    """One layer of long short-term memory and what it holds at the last row (Fischer & Krauss 2018)."""

    name: str = "lstm"
    steps: int = field(default=50, metadata={"help": "rows that a window holds, the row asked about the last"})
    rate: float = field(default=3e-3, metadata={"help": "of Adam"})
    width: int = field(default=25, metadata={"help": "memory cells"})

    def made(self, columns: int, outputs: int) -> nn.Module:
        """Memory, dropout, sums."""
        return nn.Sequential(LastState(columns, self.width), nn.Dropout(self.dropout), nn.Linear(self.width, outputs), OneMember())


@dataclass(frozen=True)
class Transformer(Network):
    """Attention over time and over features in turn, after TLOB (Berti & Kasneci 2025), on patches of rows (Nie et al. 2023) to be small.

    Patches of one row are TLOB's; its normalisation of each window is left out, for it hides how much flow there was.
    """

    name: str = "transformer"
    steps: int = field(default=50, metadata={"help": "rows that a window holds, the row asked about the last"})
    patch: int = field(default=5, metadata={"help": "rows that are looked at together; a divisor of steps"})
    width: int = field(default=32, metadata={"help": "numbers that a patch becomes"})
    depth: int = field(default=2, metadata={"help": "times that time and features are attended to"})

    def __post_init__(self) -> None:
        """Refuse patches that leave rows over."""
        super().__post_init__()
        if self.patch < 1 or self.steps % self.patch:
            raise BadInput(f"{self.name}: patch was {self.patch}; expected a divisor of steps, {self.steps}")

    def made(self, columns: int, outputs: int) -> nn.Module:
        """Patches, blocks, and a head that sees all patches."""
        patches = self.steps // self.patch
        head = (nn.Linear(patches * self.width, self.width), nn.GELU(), nn.Dropout(self.dropout), nn.Linear(self.width, outputs))
        blocks = (block for _ in range(self.depth) for block in (Attention(self.width), Across(Attention(patches))))
        begin = Patches(patches, self.patch * columns, self.width)
        return nn.Sequential(begin, *blocks, nn.LayerNorm(self.width), nn.Flatten(), *head, OneMember())


@dataclass(frozen=True)
class DeepLob(Network):
    """Convolutions over neighbouring columns and rows, an inception module and an LSTM (Zhang, Zohren & Roberts 2019).

    The paper has width 32 and 100 steps on 40 columns. Here any number of columns will do, and convolutions look back only.
    """

    name: str = "deeplob"
    steps: int = field(default=50, metadata={"help": "rows that a window holds, the row asked about the last"})
    epochs: int = field(default=12, metadata={"help": "at most"})
    rows: int = field(default=5_000, metadata={"help": "drawn from the lesson for an epoch, and judged on after it, at most"})
    width: int = field(default=16, metadata={"help": "channels of the convolutions; twice as many behind, and twice as many memory cells"})

    def __post_init__(self) -> None:
        """Refuse windows without a past."""
        super().__post_init__()
        if self.steps < 2:
            raise BadInput(f"{self.name}: steps was {self.steps}; expected 2 or more")

    def made(self, columns: int, outputs: int) -> nn.Module:
        """The paper's order: pairs of columns, pairs of pairs, all of them; then three views of time; then memory."""
        narrow, wide = self.width, 2 * self.width
        quarter = -(-columns // 4)
        return nn.Sequential(
            Picture(4 * quarter - columns),
            *Seen(1, narrow, (1, 2), nn.LeakyReLU(0.01)),
            *Seen(narrow, narrow, (1, 2), nn.Tanh()),
            *Seen(narrow, narrow, (1, quarter), nn.LeakyReLU(0.01)),
            Inception(narrow, wide),
            LastState(3 * wide, wide),
            nn.Dropout(self.dropout),
            nn.Linear(wide, outputs),
            OneMember(),
        )


class Layer(nn.Module):
    """Sums for all members: (batch, ins) or (members, batch, ins) to (members, batch, outs)."""

    def __init__(self, members: int, ins: int, outs: int) -> None:
        super().__init__()
        bound = (6.0 / ins) ** 0.5  # He et al. 2015
        self.weight = nn.Parameter(torch.empty(members, ins, outs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, 1, outs))

    def forward(self, given: Tensor) -> Tensor:
        """(members, batch, ins) to (members, batch, outs)."""
        return torch.matmul(given, self.weight) + self.bias


class Norm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015), each member for itself: (members, batch, width) to the same."""

    mean: Tensor
    var: Tensor

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(members, 1, width)), nn.Parameter(torch.zeros(members, 1, width))
        self.register_buffer("mean", torch.zeros(members, 1, width))
        self.register_buffer("var", torch.ones(members, 1, width))

    def forward(self, given: Tensor) -> Tensor:
        """(members, batch, width), normalised."""
        mean, var = self.mean, self.var
        if self.training:
            mean, var = given.mean(dim=1, keepdim=True), given.var(dim=1, keepdim=True, correction=0)
            self.mean.lerp_(mean.detach(), 0.1)
            self.var.lerp_(var.detach(), 0.1)
        return (given - mean) * (self.gain / (var + 1e-5).sqrt()) + self.bias


class OneMember(nn.Module):
    """(batch, outputs) to (1, batch, outputs)."""

    def forward(self, given: Tensor) -> Tensor:
        """(batch, outputs) to (1, batch, outputs)."""
        return given[None]


class LastState(nn.Module):
    """(batch, steps, ins) to what an LSTM holds after the last step, (batch, outs)."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.memory = nn.LSTM(ins, outs, batch_first=True)

    def forward(self, given: Tensor) -> Tensor:
        """(batch, steps, columns) to (batch, width)."""
        _, (state, _) = self.memory(given)
        return state[0]  # type: ignore[no-any-return]  # torch leaves it untyped


class Patches(nn.Module):
    """(batch, steps, columns) to (batch, patches, width), each with its place."""

    def __init__(self, patches: int, ins: int, width: int) -> None:
        super().__init__()
        self.patches, self.ins = patches, ins
        self.sums = nn.Linear(ins, width)
        self.place = nn.Parameter(0.1 * torch.randn(patches, width))

    def forward(self, given: Tensor) -> Tensor:
        """(batch, steps, columns) to (batch, patches, width)."""
        return self.sums(given.reshape(-1, self.patches, self.ins)) + self.place  # type: ignore[no-any-return]  # as above


class Attention(nn.Module):
    """Each token attends to all tokens, then thinks for itself: (batch, tokens, width) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.asks, self.mixes = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.thinks = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, given: Tensor) -> Tensor:
        """(batch, places, width) to the same."""
        query, key, value = self.asks(self.first(given)).chunk(3, dim=-1)
        weights = torch.softmax(query @ key.transpose(1, 2) * key.shape[-1] ** -0.5, dim=-1)
        given = given + self.mixes(weights @ value)
        return given + self.thinks(self.second(given))  # type: ignore[no-any-return]  # as above


class Across(nn.Module):
    """The same with features as tokens."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, given: Tensor) -> Tensor:
        """(batch, patches, width) to the same."""
        return self.block(given.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]  # as above


class Picture(nn.Module):
    """(batch, steps, columns) to (batch, 1, steps, columns and some of zeros)."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, given: Tensor) -> Tensor:
        """(batch, steps, columns) to (batch, 1, steps, columns and padding)."""
        return nn.functional.pad(given[:, None], (0, self.more))


def Seen(ins: int, outs: int, columns: tuple[int, int], activation: nn.Module) -> Iterator[nn.Module]:  # noqa: N802  # reads as a module
    """Neighbouring columns become one, then two looks at four rows each."""
    yield from (nn.Conv2d(ins, outs, columns, stride=columns), activation, nn.BatchNorm2d(outs))
    for _ in range(2):
        yield from (nn.ZeroPad2d((0, 0, 3, 0)), nn.Conv2d(outs, outs, (4, 1)), activation, nn.BatchNorm2d(outs))


class Inception(nn.Module):
    """(batch, ins, steps, 1) to (batch, steps, 3 outs): three rows, five rows, and the largest of three."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.views = nn.ModuleList(
            nn.Sequential(*first, nn.LeakyReLU(0.01), nn.BatchNorm2d(outs), *second)
            for first, second in (
                ((nn.Conv2d(ins, outs, 1),), self.later(outs, 3)),
                ((nn.Conv2d(ins, outs, 1),), self.later(outs, 5)),
                ((nn.ConstantPad2d((0, 0, 2, 0), -torch.inf), nn.MaxPool2d((3, 1), 1), nn.Conv2d(ins, outs, 1)), ()),
            )
        )

    @staticmethod
    def later(outs: int, rows: int) -> tuple[nn.Module, ...]:
        """A view of the book whose convolutions look back alone."""
        return nn.ZeroPad2d((0, 0, rows - 1, 0)), nn.Conv2d(outs, outs, (rows, 1)), nn.LeakyReLU(0.01), nn.BatchNorm2d(outs)

    def forward(self, given: Tensor) -> Tensor:
        """(batch, channels, steps, 1) to (batch, steps, channels)."""
        return torch.cat([view(given) for view in self.views], dim=1)[..., 0].transpose(1, 2)


class Answering(nn.Module):
    """A window as it stands, (batch, steps, columns), to a mean, (batch,), or chances, (batch, 3)."""

    centre: Tensor
    spread: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, scaler: Scaler, shift: float, scale: float, direction: bool) -> None:
        super().__init__()
        self.network, self.direction = network, direction
        for name, given in {"centre": scaler.centre, "spread": scaler.spread}.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(given)))
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))

    def forward(self, window: Tensor) -> Tensor:
        """(batch, steps, columns) of raw features to (batch,) means or (batch, 3) chances."""
        scaled = torch.clip((window - self.centre) / self.spread, -CLIP, CLIP).to(torch.float32)
        sums: Tensor = self.network(scaled)
        if self.direction:
            return torch.softmax(sums, dim=-1).mean(dim=0)
        return sums[..., 0].mean(dim=0) * self.scale + self.shift


@dataclass(frozen=True)
class Learned:
    """A trained network."""

    answering: Answering
    steps: int

    def answer(self, asked: Questions) -> Numbers:
        """(asked,) means or (asked, 3) chances."""
        dtype = self.answering.centre.numpy().dtype
        found = []
        with torch.inference_mode():
            for begin in range(0, len(asked.rows), CHUNK):
                window = windows(asked.rows[begin : begin + CHUNK], asked.group, self.steps)
                found.append(self.answering(torch.from_numpy(asked.features[window].astype(dtype, copy=False))).numpy())
        return np.concatenate(found).astype(np.float64)

    def onnx(self) -> bytes:
        """The network and its scaler as an ONNX model: "window", (batch, steps, columns) as they stand, to "answer"."""
        example = torch.zeros(2, self.steps, len(self.answering.centre), dtype=self.answering.centre.dtype)
        found = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about torch
            # The older exporter: a tenth of the newer one's time, and its graphs are as quick.
            torch.onnx.export(
                self.answering,
                (example,),
                found,  # type: ignore[arg-type]  # this exporter takes an open file too
                dynamo=False,
                opset_version=OPSET,
                input_names=["window"],
                output_names=["answer"],
                dynamic_axes={"window": {0: "batch"}, "answer": {0: "batch"}},
            )
        return found.getvalue()


def within(lesson: Lesson, steps: int) -> Lesson:
    """The lesson, and of one in hindsight those rows whose windows lie within it: the others would look at what is asked."""
    if lesson.fit_time is not None or steps == 1:
        return lesson
    kept = [
        np.isin(windows(lesson.rows[begin : begin + CHUNK], lesson.group, steps), lesson.rows).all(axis=1)
        for begin in range(0, len(lesson.rows), CHUNK)
    ]
    places = np.flatnonzero(np.concatenate(kept))
    if len(places) == 0:
        raise BadInput(f"no window of {steps} rows lies within the lesson; expected fewer steps")
    return lesson.part(places, None)


class Training:
    """One network being trained on a lesson, watched on a later one if there is one."""

    def __init__(self, settings: Network, lesson: Lesson, late: Lesson | None, seed: int) -> None:
        self.settings, self.lesson, self.late = settings, lesson, late
        keep_memory()
        torch.manual_seed(seed)
        self.random = np.random.default_rng(seed)
        self.scaler = Scaler.of(lesson)
        self.direction = lesson.target == DIRECTION
        spread = float(lesson.values.std())
        self.shift, self.scale = (0.0, 1.0) if self.direction else (float(lesson.values.mean()), spread if spread > 0.0 else 1.0)
        self.network = settings.made(len(lesson.names), len(CLASSES) if self.direction else 1)
        self.best = np.zeros(settings.members, np.int64)  # epochs that each member learned before it did best

    def learned(self, epochs: NDArray[np.int64] | None) -> Learned:
        """Each member as it was after its own number of epochs, or when it did best on what is watched."""
        settings, table = self.settings, scaled(self.lesson, self.scaler)
        adam = torch.optim.AdamW(self.network.parameters(), settings.rate, weight_decay=0.0)
        least, kept = np.full(settings.members, np.inf), [given.clone() for given in self.state()]
        watched = scaled(self.late, self.scaler) if self.late else None
        for epoch in range(1, 1 + (settings.epochs if epochs is None else int(epochs.max()))):
            self.epoch(table, adam)
            if epochs is not None:
                better = epochs == epoch
            else:
                loss = self.judged(watched)
                better = loss < least
                least = np.where(better, loss, least)
                self.best[better] = epoch
            self.keep(kept, better)
            if epochs is None and epoch - self.best.max() >= settings.patience:
                break
        if epochs is None and not self.best.all():
            raise BadInput(f"{settings.name}: after no epoch was its loss a number; expected a smaller rate than {settings.rate:g}")
        with torch.no_grad():
            for given, best in zip(self.state(), kept, strict=True):
                given.copy_(best)
        answering = Answering(self.network, self.scaler, self.shift, self.scale, self.direction)
        return Learned(answering.eval().requires_grad_(False), settings.steps)

    def state(self) -> list[Tensor]:
        """All numbers of the network that learning moves."""
        return [given for given in self.network.state_dict().values() if given.is_floating_point()]

    def keep(self, kept: list[Tensor], better: NDArray[np.bool_]) -> None:
        """Note how those members stand; what is of a member lies together in every tensor."""
        for given, best in zip(self.state(), kept, strict=True):
            rows, to = given.reshape(len(better), -1), best.view(len(better), -1)
            for member in np.flatnonzero(better):
                to[member] = rows[member]

    def epoch(self, table: Tensor, adam: torch.optim.Optimizer) -> None:
        """Correct the weights by some of the lesson, drawn without return."""
        self.network.train()
        settings = self.settings
        drawn = self.random.permutation(len(self.lesson.rows))[: settings.rows]
        for batch in self.batches(self.lesson, drawn, table, settings.batch):
            adam.zero_grad()
            given, values = self.turned(*batch)
            loss = self.loss(self.network(given), values).sum() + self.penalty()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            nn.utils.clip_grad_norm_(self.network.parameters(), settings.members**0.5)
            adam.step()

    def turned(self, given: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Of a lesson with a mirror half of the windows, drawn by lot, as their images; its scaler treats both alike."""
        mirror = self.lesson.mirror
        if mirror is None:
            return given, values
        lot = torch.from_numpy(self.random.random(len(values)) < 0.5)
        images = given[..., torch.from_numpy(mirror.places)] * torch.from_numpy(mirror.signs)
        return torch.where(lot[:, None, None], images, given), torch.where(lot, UP + DOWN - values, values)

    def penalty(self) -> Tensor:
        """Of the weights, without the biases."""
        total = torch.zeros(())
        for name, given in self.network.named_parameters():
            if given.dim() > 1 and name.rpartition(".")[2].startswith("weight"):
                if self.settings.lasso:
                    total = total + self.settings.lasso / len(self.lesson.rows) ** 0.5 * given.abs().sum()
                if self.settings.ridge:
                    total = total + self.settings.ridge * (given**2).sum()
        return total

    def judged(self, table: Tensor | None) -> NDArray[np.float64]:
        """(members,): the mean loss on rows of the later lesson, evenly taken."""
        if self.late is None or table is None:
            raise BadInput("nothing is watched; expected a later part of the lesson")
        self.network.eval()
        count = len(self.late.rows)
        places = np.unique(np.linspace(0, count - 1, min(count, self.settings.rows)).astype(np.int64))
        total = np.zeros(self.settings.members)
        with torch.inference_mode():
            for given, values in self.batches(self.late, places, table, CHUNK):
                total += self.loss(self.network(given), values).numpy() * len(values)
        return total / len(places)

    def batches(self, lesson: Lesson, places: NDArray[np.int64], table: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Windows and answers of some of a lesson's rows, gathered when they are wanted."""
        answers = np.searchsorted(CLASSES, lesson.values[places]) if self.direction else (lesson.values[places] - self.shift) / self.scale
        values = torch.from_numpy(answers.astype(np.int64 if self.direction else np.float32))
        rows = torch.from_numpy(windows(lesson.rows[places], lesson.group, self.settings.steps))
        for begin in range(0, len(places), size):
            yield table[rows[begin : begin + size]], values[begin : begin + size]

    def loss(self, sums: Tensor, values: Tensor) -> Tensor:
        """(members,): mean squared errors, or log losses."""
        if not self.direction:
            return ((sums[..., 0] - values) ** 2).mean(dim=1)
        logs = torch.log_softmax(sums, dim=-1)
        return -logs.gather(2, values[None, :, None].expand(len(sums), -1, 1)).mean(dim=(1, 2))


def scaled(lesson: Lesson, scaler: Scaler) -> Tensor:
    """(rows, columns), float32: all rows that a lesson's windows may look at, standardised."""
    table = np.empty(lesson.features.shape, np.float32)
    for begin in range(0, len(table), 64 * CHUNK):
        table[begin : begin + 64 * CHUNK] = scaler(lesson.features[begin : begin + 64 * CHUNK])
    return torch.from_numpy(table)


def parameters(learned: Learned) -> int:
    """How many numbers a network has learned."""
    return sum(int(given.numel()) for given in learned.answering.network.parameters())
