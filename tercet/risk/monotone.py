"""A logistic regression whose odds fall with none of its columns: weights of 0 or more, drawn towards what is expected of them."""

import numpy as np
from scipy.optimize import minimize

from tercet.signals.series import Floats


def logistic_weights(rows: Floats, happened: Floats, counts: Floats | float, ridge: float, expected: Floats) -> Floats:
    """(1 + k,): intercept and weights of 0 or more that make Σ counts · −log P(what happened) + ridge · |weights − expected|² least.

    rows: (n, k); happened: (n,) of 0 and 1; counts: for how much each row counts; expected: (1 + k,), the intercept's is only begun from.
    """

    def loss(found: Floats) -> tuple[float, Floats]:
        score, away = found[0] + rows @ found[1:], found[1:] - expected[1:]
        error = counts * (1 / (1 + np.exp(-np.clip(score, -500, 500))) - happened)
        value = float((counts * (np.logaddexp(0, score) - happened * score)).sum() + ridge * away @ away)
        return value, np.concatenate([[error.sum()], rows.T @ error + 2 * ridge * away])

    return np.asarray(minimize(loss, expected, jac=True, bounds=[(None, None), *[(0.0, None)] * rows.shape[1]]).x)
