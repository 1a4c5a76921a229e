"""Hidden Markov chains with Gaussian values: what each time's state was likely to be, forward from the past and backward from the end.

α of Baum, Petrie, Soules & Weiss (1970) in the scaled form of Hamilton (1989); the backward pass is Kim's (1994). Only `forward` may be
traded on; `backward` knows the end of the series, and is for learning the parameters of what is over.
"""

import math

from tercet.compiled import compiled


@compiled
def forward(start, moves, mean, variance, values, filtered):
    """Fill filtered[t] = P(state | values up to t), shape (n, K); returns the log likelihood. Row t reads rows up to t alone."""
    likelihood = 0.0
    for t in range(len(values)):
        most = -math.inf
        for k in range(len(mean)):
            away = values[t] - mean[k]
            filtered[t, k] = -0.5 * (away * away / variance[k] + math.log(2.0 * math.pi * variance[k]))
            most = max(most, filtered[t, k])
        total = 0.0
        for k in range(len(mean)):
            before = start[k]
            if t > 0:
                before = 0.0
                for j in range(len(mean)):
                    before += filtered[t - 1, j] * moves[j, k]
            filtered[t, k] = before * math.exp(filtered[t, k] - most)
            total += filtered[t, k]
        for k in range(len(mean)):
            filtered[t, k] /= total
        likelihood += math.log(total) + most
    return likelihood


@compiled
def backward(moves, filtered, smoothed, crossed):
    """Fill smoothed[t] = P(state | all values), and add to crossed[j, k] how often a j was followed by a k: for learning alone."""
    last, states = len(filtered) - 1, len(moves)
    smoothed[last] = filtered[last]
    for t in range(last - 1, -1, -1):
        smoothed[t] = 0.0
        for k in range(states):
            told = 0.0
            for j in range(states):
                told += filtered[t, j] * moves[j, k]
            for j in range(states):
                joint = filtered[t, j] * moves[j, k] * smoothed[t + 1, k] / told if told > 0.0 else 0.0
                smoothed[t, j] += joint
                crossed[j, k] += joint
