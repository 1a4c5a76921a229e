"""Compiled answers to one row: what `Scaler`, sums of features, trees and windows do to many rows, without arrays of arrays between."""

import math
from typing import Final

import numpy as np

from tercet.compiled import compiled

# A question of a tree: a row goes to the next node where its feature is <= value, else to the `right`-th of the tree. A leaf has a
# negative feature and adds its value. Eight bytes a node: the time goes into waiting for memory.
NODE: Final = np.dtype([("value", np.float32), ("feature", np.int16), ("right", np.int16)])


@compiled
def scale(row, centre, spread, clip, into):
    """A row standardised by a lesson's centre and spread, as single numbers."""
    for i in range(len(row)):
        into[i] = min(max((row[i] - centre[i]) / spread[i], -clip), clip)


@compiled
def sums(row, weights, bias, out):
    """out = row · weights + bias; weights: (outputs, features)."""
    for k in range(len(out)):
        total = bias[k]
        for i in range(len(row)):
            total += row[i] * weights[k, i]
        out[k] = total


@compiled
def walk(row, nodes, roots, out):
    """Add to each output what its trees say, which take turns."""
    for tree in range(len(roots)):
        root, place = roots[tree], 0
        feature = nodes[root].feature
        while feature >= 0:
            node = nodes[root + place]
            place = place + 1 if row[feature] <= node.value else node.right
            feature = nodes[root + place].feature
        out[tree % len(out)] += nodes[root + place].value


@compiled
def softmax(out):
    """Sums become chances."""
    highest, total = out.max(), 0.0
    for k in range(len(out)):
        out[k] = math.exp(out[k] - highest)
        total += out[k]
    for k in range(len(out)):
        out[k] /= total


@compiled
def push(row, centre, spread, clip, first, window):
    """The window moves on by one standardised row; first: the row stands for those before it too."""
    steps = len(window)
    for step in range(steps - 1):
        for i in range(len(row)):
            window[step, i] = window[step + 1, i]
    scale(row, centre, spread, clip, window[steps - 1])
    if first:
        for step in range(steps - 1):
            window[step] = window[steps - 1]


@compiled
def answer_sums(row, centre, spread, clip, weights, bias, chances, scaled, out):
    """What a linear model or a logistic regression says of a row."""
    scale(row, centre, spread, clip, scaled)
    sums(scaled, weights, bias, out)
    if chances:
        softmax(out)


@compiled
def answer_trees(row, centre, spread, clip, nodes, roots, base, chances, scaled, out):
    """What boosted trees say of a row."""
    scale(row, centre, spread, clip, scaled)
    out[:] = base
    walk(scaled, nodes, roots, out)
    if chances:
        softmax(out)
