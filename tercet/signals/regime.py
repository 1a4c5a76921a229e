"""Which regime the market is in, as it could be told at the time: a Gaussian hidden Markov model that is filtered, never smoothed.

Hamilton (1989). Smoothed probabilities know what came later: on the S&P 500 they turn a dull strategy into a brilliant one (tests/test_leaks.py).
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals import hidden
from tercet.signals.series import Floats, varying
from tercet.signals.timed import EVENT, KNOWN, History

FLOOR = 1e-4  # of the values' variance, which no state's falls below: a state of one value would explain it too well
LEAST = 20  # values a state


@dataclass(frozen=True)
class RegimeSettings:
    """How regimes are learned while time goes on."""

    states: int = field(default=2, metadata={"help": "regimes, in order of their variance"})
    first: int = field(default=504, metadata={"help": "values before the first parameters are learned; no probabilities before"})
    every: int = field(default=252, metadata={"help": "values between two times of learning"})
    rounds: int = field(default=200, metadata={"help": "of expectation and maximisation, at most"})
    gain: float = field(default=1e-6, metadata={"help": "of log likelihood a value, below which learning ends"})

    def __post_init__(self) -> None:
        """Refuse what cannot be learned."""
        if self.states < 2 or self.first < LEAST * self.states or self.every < 1 or self.rounds < 1 or not self.gain >= 0:
            raise BadInput(f"{self}; expected states >= 2, first >= {LEAST} a state, every >= 1, rounds >= 1 and gain >= 0")


@dataclass(frozen=True)
class Regimes:
    """Parameters of K states: P(first state), P(next | state), and each one's mean and variance, which rises from state to state."""

    start: Floats  # (K,)
    moves: Floats  # (K, K)
    mean: Floats  # (K,)
    variance: Floats  # (K,)


def learn(values: Floats, settings: RegimeSettings | None = None) -> Regimes:
    """The likeliest parameters of values that are over, by expectation and maximisation from a deterministic beginning."""
    how = settings or RegimeSettings()
    known = varying(values, "values", LEAST * how.states)
    model, before = _beginning(known, how.states), -np.inf
    for _ in range(how.rounds):
        model, likelihood = _round(known, model)
        if likelihood - before < how.gain * len(known):
            break
        before = likelihood
    order = np.argsort(model.variance, kind="stable")
    return Regimes(model.start[order], model.moves[np.ix_(order, order)], model.mean[order], model.variance[order])


def filtered(values: Floats, model: Regimes) -> Floats:
    """(n, K): P(state at t | values up to t)."""
    found = np.empty((len(values), len(model.mean)))
    hidden.forward(model.start, model.moves, model.mean, model.variance, np.ascontiguousarray(values, np.float64), found)
    return found


def walked(values: Floats, settings: RegimeSettings | None = None) -> Floats:
    """(n, K): P(state at t | values up to t) with parameters learned from values up to t alone; NaN before the first are learned."""
    how = settings or RegimeSettings()
    found = np.full((len(values), how.states), np.nan)
    for begin, end in pairwise([*range(how.first, len(values), how.every), len(values)]):
        found[begin:end] = filtered(values[:end], learn(values[:begin], how))[begin:]
    return found


def regimes(history: History, name: str, column: str, settings: RegimeSettings | None = None) -> pl.DataFrame:
    """`walked` over a series as it is known now, in the order in which it became known: event_time, known_time, regime_0, regime_1, ..."""
    rows = history.known(name).drop_nulls(column)
    told = walked(rows[column].cast(pl.Float64).to_numpy(), settings)
    return rows.select(EVENT, KNOWN).with_columns(pl.Series(f"regime_{k}", told[:, k], nan_to_null=True) for k in range(told.shape[1]))


def _beginning(values: Floats, states: int) -> Regimes:
    """States of equally many values, by how far those lie from the mean; each stays with 95%."""
    far = np.abs(values - values.mean()).argsort(kind="stable")
    groups: list[NDArray[np.int64]] = np.array_split(far, states)
    moves = np.where(np.eye(states) > 0, 0.95, 0.05 / (states - 1))
    variance = np.array([values[group].var() for group in groups])
    return Regimes(np.full(states, 1.0 / states), moves, np.full(states, values.mean()), np.maximum(variance, FLOOR * values.var()))


def _round(values: Floats, model: Regimes) -> tuple[Regimes, float]:
    """Parameters that explain the values better, and the log likelihood of those before."""
    states = len(model.mean)
    past, whole, crossed = np.empty((len(values), states)), np.empty((len(values), states)), np.zeros((states, states))
    likelihood = hidden.forward(model.start, model.moves, model.mean, model.variance, values, past)
    hidden.backward(model.moves, past, whole, crossed)
    weight = whole.sum(axis=0) + 1e-12
    mean = whole.T @ values / weight
    variance = np.maximum((whole * (values[:, None] - mean) ** 2).sum(axis=0) / weight, FLOOR * values.var())
    return Regimes(whole[0], (crossed + 1e-12) / (crossed + 1e-12).sum(axis=1, keepdims=True), mean, variance), float(likelihood)
