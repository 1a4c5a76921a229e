"""Regimes: the forward filter is the sum over all paths, learning finds what was planted, and no probability knows the future."""

import itertools

import numba
import numpy as np
import polars as pl
import pytest
from modes import FLAGS, run_again
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals import hidden, regime
from tercet.signals.regime import Regimes, RegimeSettings
from tercet.signals.timed import History, Table

Floats = NDArray[np.float64]
UNCOMPILED = bool(numba.config.DISABLE_JIT)
TRUTH = Regimes(np.array([0.6, 0.4]), np.array([[0.98, 0.02], [0.05, 0.95]]), np.array([0.001, -0.001]), np.array([0.01, 0.03]) ** 2)
SMALL = RegimeSettings(first=200, every=150, rounds=30)


def played(model: Regimes, count: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Values of a hidden chain, and its states."""
    rng = np.random.default_rng(seed)
    states = np.zeros(count, np.int64)
    states[0] = rng.choice(len(model.mean), p=model.start)
    for t in range(1, count):
        states[t] = rng.choice(len(model.mean), p=model.moves[states[t - 1]])
    return rng.normal(model.mean[states], np.sqrt(model.variance[states])), states


def smoothed(values: Floats, model: Regimes) -> Floats:
    """P(state at t | all values): what may never be traded on."""
    past = regime.filtered(values, model)
    whole = np.empty_like(past)
    hidden.backward(model.moves, past, whole, np.zeros_like(model.moves))
    return whole


def by_paths(values: Floats, model: Regimes, t: int) -> Floats:
    """P(state at t | values), summed over all paths of states."""
    weight = np.zeros(len(model.mean))
    density = np.exp(-0.5 * (values[:, None] - model.mean) ** 2 / model.variance) / np.sqrt(2 * np.pi * model.variance)
    for path in itertools.product(range(len(model.mean)), repeat=len(values)):
        chance = model.start[path[0]] * np.prod([model.moves[a, b] for a, b in itertools.pairwise(path)])
        weight[path[t]] += chance * np.prod(density[np.arange(len(values)), path])
    return weight / weight.sum()


@pytest.mark.parametrize("states", [2, 3])
def test_filtered_and_smoothed_are_the_sums_over_all_paths(states: int) -> None:
    rng = np.random.default_rng(states)
    moves = rng.dirichlet(np.ones(states), states)
    model = Regimes(rng.dirichlet(np.ones(states)), moves, rng.normal(0, 1, states), rng.uniform(0.5, 2.0, states))
    values = rng.normal(0, 1.5, 6)
    past, whole = regime.filtered(values, model), smoothed(values, model)
    for t in range(6):
        assert past[t] == pytest.approx(by_paths(values[: t + 1], model, t))
        assert whole[t] == pytest.approx(by_paths(values, model, t))


def test_a_filter_bears_values_that_no_state_explains() -> None:
    found = regime.filtered(np.array([0.0, 1e3, -1e3, 0.0]), TRUTH)
    assert np.isfinite(found).all()
    assert found[1, 1] == pytest.approx(1.0)


@pytest.mark.skipif(UNCOMPILED, reason="thousands of values take minutes with uncompiled code")
def test_learning_finds_the_planted_parameters_in_order_of_variance() -> None:
    values, states = played(TRUTH, 6000, 1)
    model = regime.learn(values)
    assert np.sqrt(model.variance) == pytest.approx([0.01, 0.03], rel=0.1)
    assert np.diag(model.moves) == pytest.approx([0.98, 0.95], abs=0.02)
    assert (regime.filtered(values, model).argmax(axis=1) == states).mean() > 0.9


def test_every_round_of_learning_is_likelier() -> None:
    values, _ = played(TRUTH, 500, 2)
    told = np.empty((500, 2))
    likelihoods = []
    for rounds in range(1, 12):
        model = regime.learn(values, RegimeSettings(rounds=rounds, gain=0.0))
        likelihoods.append(hidden.forward(model.start, model.moves, model.mean, model.variance, values, told))
    assert (np.diff(likelihoods) > -1e-9).all()


def test_walked_probabilities_are_missing_before_the_first_are_learned_and_sum_to_one_after() -> None:
    values, _ = played(TRUTH, 500, 3)
    found = regime.walked(values, SMALL)
    assert np.isnan(found[:200]).all()
    assert found[200:].sum(axis=1) == pytest.approx(1.0)
    assert np.isnan(regime.walked(values[:200], SMALL)).all()
    last = regime.filtered(values, regime.learn(values[:350], SMALL))
    np.testing.assert_array_equal(found[350:], last[350:])


def test_regimes_of_a_history_do_not_change_when_its_table_goes_on() -> None:
    values, _ = played(TRUTH, 420, 4)
    time = np.arange(420) * 10
    table = Table(pl.DataFrame({"event_time": time, "known_time": time + 3, "return": values}), keys=())
    at_300 = regime.regimes(History({"index": table}, now=2993), "index", "return", SMALL)
    whole = regime.regimes(History({"index": table}, now=10**9), "index", "return", SMALL)
    assert (at_300.height, whole.height) == (300, 420)
    assert at_300.columns == ["event_time", "known_time", "regime_0", "regime_1"]
    assert at_300.equals(whole.head(300))
    assert whole["regime_0"].null_count() == 200


def test_what_has_no_regimes_is_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="expected at least 40 values, found 5"):
        regime.learn(np.arange(5.0))
    with pytest.raises(BadInput, match="zero variance"):
        regime.learn(np.ones(100))
    with pytest.raises(BadInput, match="expected states >= 2"):
        RegimeSettings(states=1)


@pytest.mark.slow
@pytest.mark.parametrize("flag", FLAGS)
def test_everything_holds_once_more(flag: str) -> None:
    run_again(flag, "test_regime.py")
