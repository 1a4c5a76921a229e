"""The simulation of Gu, Kelly & Xiu (2020), internet appendix A: a panel of returns whose predictable part is known.

Returns are g(z) + β v + ε with characteristics c ranked to (−1, 1) in each month, z = (1, x) ⊗ c and a slow predictor x.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.samples import Samples, Spans

MONTH: Final = 30 * 86_400 * 10**9  # ns
NOISE: Final = 0.05
THETA: Final = {"a": (0.02, 0.02, 0.02), "b": (0.04, 0.03, 0.012)}


@dataclass(frozen=True)
class GkxSettings:
    """A panel; the defaults are the paper's smaller one."""

    design: str = field(default="a", metadata={"help": "a: linear; b: squares, products and signs"})
    stocks: int = field(default=200, metadata={"help": "N"})
    months: int = field(default=180, metadata={"help": "T: a third to learn from, a third to choose by, a third to be asked about"})
    characteristics: int = field(default=50, metadata={"help": "P_c; as many again are multiplied by x"})
    seed: int = field(default=0, metadata={"help": "of everything random"})

    def __post_init__(self) -> None:
        """Refuse what is no panel."""
        if self.design not in THETA or self.stocks < 2 or self.months < 6 or self.characteristics < 3:
            raise BadInput(f"{self}; expected design a or b, stocks >= 2, months >= 6 and characteristics >= 3")


def simulate(settings: GkxSettings) -> tuple[Samples, NDArray[np.float64]]:
    """The panel in order of time, and what an oracle says of each row: the predictable part of its return."""
    rng = np.random.default_rng([settings.seed, ord(settings.design)])
    months, stocks, count = settings.months, settings.stocks, settings.characteristics
    ranks = characteristics(rng, months, stocks, count)
    x = np.empty(months)
    x[0] = rng.standard_normal()
    for month in range(1, months):
        x[month] = 0.95 * x[month - 1] + np.sqrt(1 - 0.95**2) * rng.standard_normal()
    predictable = known_part(settings.design, ranks, x)
    factors = NOISE * rng.standard_normal((months, 3))
    own = NOISE * rng.standard_t(5, (months, stocks))
    returns = predictable + np.einsum("tnj,tj->tn", ranks[:, :, :3], factors) + own
    z = np.concatenate([ranks, ranks * x[:, None, None]], axis=2).reshape(months * stocks, 2 * count)
    now = np.repeat(np.arange(months) * MONTH, stocks)
    names = (*(f"c{i + 1}" for i in range(count)), *(f"c{i + 1}x" for i in range(count)))
    spans = Spans(now, now + MONTH - 1, returns.ravel(), now + MONTH - 1)
    return Samples(z.astype(np.float32), names, now, spans, 0, group=np.tile(np.arange(stocks), months)), predictable.ravel()


def characteristics(rng: np.random.Generator, months: int, stocks: int, count: int) -> NDArray[np.float64]:
    """(months, stocks, count): autoregressions of persistence U[0.9, 1], ranked to (−1, 1) in each month."""
    rho = rng.uniform(0.9, 1.0, count)
    raw: NDArray[np.float64] = np.empty((months, stocks, count))
    raw[0] = rng.standard_normal((stocks, count))
    for month in range(1, months):
        raw[month] = rho * raw[month - 1] + np.sqrt(1 - rho**2) * rng.standard_normal((stocks, count))
    places = raw.argsort(axis=1).argsort(axis=1) + 1
    return np.asarray(2.0 / (stocks + 1) * places - 1.0, np.float64)


def known_part(design: str, ranks: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(months, stocks): g(z) of that design."""
    first, second, third = (ranks[:, :, i] for i in range(3))
    theta, slow = THETA[design], x[:, None]
    if design == "a":
        return theta[0] * first + theta[1] * second + theta[2] * third * slow
    return theta[0] * first**2 + theta[1] * first * second + theta[2] * np.sign(third * slow)
