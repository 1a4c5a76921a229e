"""A trained policy deciding in compiled code: the features that environments show, a network or a table, the moves that agents have.

One `act` serves all policy files: what it decides by is a LEARNED record, whose address stands on the pad after the moves' settings.
"""

from typing import Final

import numpy as np

from tercet.compiled import compiled
from tercet.execution.moves import DISCRETE, PRICE_LEVEL, PRICE_LEVELS, SHARES, WHERE, continuous, discrete, mask, price_level
from tercet.execution.observation import FEATURES, USUAL, observe
from tercet.execution.policy import ACTION, policy
from tercet.intrinsics import array_at, floats_on_stack

MOST_LAYERS: Final = 8
MOST_WIDTH: Final = 512
MOST_LOOKS: Final = 8  # features that a table looks at
RELU, TANH = 0, 1
CONTINUOUS: Final = 0  # beside DISCRETE and PRICE_LEVEL
OUTPUTS: Final = {"discrete": 1 + 3 * len(WHERE), "continuous": ACTION, "price-level": PRICE_LEVELS}
MOST_MOVES: Final = max(OUTPUTS.values())

# A policy file as compiled code needs it.
LEARNED: Final = np.dtype(
    [
        ("usual", USUAL),
        ("moves", np.int64),  # CONTINUOUS, DISCRETE or PRICE_LEVEL
        ("outputs", np.int64),
        ("masked", np.int64),
        ("activation", np.int64),  # RELU or TANH
        ("layers", np.int64),  # 0: a table
        ("widths", np.int64, MOST_LAYERS + 1),
        ("weights", np.int64),  # address of float32s: for each layer its weights (inputs, outputs), then its bias
        ("looks", np.int64),  # features that a table looks at
        ("features", np.int64, MOST_LOOKS),
        ("bins", np.int64, MOST_LOOKS),
        ("edges", np.int64),  # address of float64s: for each feature bins - 1 of them, rising
        ("choices", np.int64),  # address of int16s, (bins of the first feature, of the second, ...)
    ],
    align=True,
)
ADDRESS: Final = len(SHARES)  # pad.settings: of a LEARNED
FILLED: Final = 0  # pad.memory: lots filled when it looked last
P: Final = (
    4.89352455891786e-03,
    6.37261928875436e-04,
    1.48572235717979e-05,
    5.12229709037114e-08,
    -8.60467152213735e-11,
    2.00018790482477e-13,
    -2.76076847742355e-16,
)
Q: Final = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
FLOAT, DOUBLE, SHORT = 4, 8, 2  # bytes
N_FEATURES: Final = len(FEATURES)
WORK: Final = 2 * MOST_WIDTH


@compiled
def choose(learned, view, features, work):
    """The number of a discrete action: the open one of the largest output, the lowest of several, or what a table says.

    A table's choice that is not open gives way to the one that always is.
    """
    room = floats_on_stack(MOST_MOVES)
    allowed = array_at(room.ctypes.data, learned.outputs, np.float32)
    for i in range(len(allowed)):
        allowed[i] = 1.0
    if learned.masked != 0:
        mask(view, learned.moves, allowed)
    if learned.layers > 0:
        return largest(forward(learned, features, work), allowed)
    choice = looked_up(learned, features)
    always = len(allowed) - 1 if learned.moves == PRICE_LEVEL else 0
    return choice if allowed[choice] != 0.0 else always


@compiled
def largest(outputs, allowed):
    """The place of the largest output among those allowed, the lowest of several."""
    best = -1
    for i in range(len(outputs)):
        if allowed[i] != 0.0 and (best < 0 or outputs[i] > outputs[best]):
            best = i
    return best


@compiled
def looked_up(learned, features):
    """A table's choice: bins as by np.searchsorted(edges, value, side="right"), the last feature's running fastest."""
    place, edges_at = 0, learned.edges
    for i in range(learned.looks):
        edges = array_at(edges_at, learned.bins[i] - 1, np.float64)
        value, bin = features[learned.features[i]], 0
        while bin < len(edges) and edges[bin] <= value:
            bin += 1
        place = place * learned.bins[i] + bin
        edges_at += DOUBLE * len(edges)
    return int(array_at(learned.choices + SHORT * place, 1, np.int16)[0])


@compiled
def forward(learned, features, work):
    """The network's outputs for one observation, (features,); they stand in `work`, (2 × MOST_WIDTH,), until it is used again."""
    inputs, weights = features, learned.weights
    for layer in range(learned.layers):
        start = work.ctypes.data + FLOAT * MOST_WIDTH * (layer % 2)
        outputs = array_at(start, learned.widths[layer + 1], np.float32)
        apply_layer(inputs, weights, outputs)
        if layer + 1 < learned.layers:
            activate(learned.activation, outputs)
        weights += FLOAT * (len(inputs) + 1) * len(outputs)
        inputs = outputs
    return inputs


@compiled
def apply_layer(inputs, weights, outputs):
    """outputs = inputs · W + b, with W (inputs, outputs) and then b in memory at `weights`; inputs of 0 cost nothing."""
    bias = array_at(weights + FLOAT * len(inputs) * len(outputs), len(outputs), np.float32)
    for j in range(len(outputs)):
        outputs[j] = bias[j]
    for i in range(len(inputs)):
        value = inputs[i]
        if value != 0.0:
            row = array_at(weights + FLOAT * i * len(outputs), len(outputs), np.float32)
            for j in range(len(outputs)):
                outputs[j] += value * row[j]


@compiled
def activate(activation, values):
    """max(x, 0) or tanh(x), in place."""
    if activation == RELU:
        for i in range(len(values)):
            values[i] = max(values[i], np.float32(0.0))
        return
    for i in range(len(values)):
        values[i] = tanh(values[i])


@compiled(forceinline=True)
def tanh(x):
    """tanh(x) within 3e-7, by the rational function of the Eigen library: a processor takes several at once."""
    x = min(max(1.0 * x, -9.0), 9.0)
    s = x * x
    p = ((((((P[6] * s + P[5]) * s + P[4]) * s + P[3]) * s + P[2]) * s + P[1]) * s + P[0]) * x
    return p / (((Q[3] * s + Q[2]) * s + Q[1]) * s + Q[0])


@policy
def act(view, pad):
    """Observe, choose as the policy file at pad.settings[ADDRESS] says, and do what an agent's action of that kind does."""
    learned = array_at(int(pad.settings[ADDRESS]), 1, LEARNED)[0]
    features = floats_on_stack(N_FEATURES)
    work = floats_on_stack(WORK)
    observe(view, learned.usual, int(pad.memory[FILLED]), features)
    pad.memory[FILLED] = view.filled
    if learned.moves == CONTINUOUS:
        means = forward(learned, features, work)
        for i in range(len(means)):
            pad.action[i] = min(max(means[i], -1.0), 1.0)
        return continuous(view, pad)
    pad.action[0] = choose(learned, view, features, work)
    return discrete(view, pad) if learned.moves == DISCRETE else price_level(view, pad)


@compiled
def forward_all(learneds, observations, outputs):
    """The network's outputs for observations, (batch, features) float32, into (batch, outputs)."""
    learned, work = learneds[0], floats_on_stack(WORK)
    for i in range(len(observations)):
        found = forward(learned, observations[i], work)
        for j in range(len(found)):
            outputs[i, j] = found[j]
