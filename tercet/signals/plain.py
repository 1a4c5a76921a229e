"""What scikit-learn learned, as plain arrays answered by numpy: files of them hold no programs, and answers come in microseconds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from tercet.errors import BadInput
from tercet.signals.experts import Scaler, chances
from tercet.signals.fitted import Numbers
from tercet.signals.samples import Questions

Arrays = dict[str, NDArray[Any]]
CHUNK = 4096  # rows that walk down all trees together


@dataclass(frozen=True)
class Plain:
    """Arrays behind their lesson's scaler. `kind` is one of KINDS; `classes` in the arrays: of a direction."""

    scaler: Scaler
    kind: str
    arrays: Arrays

    def answer(self, asked: Questions) -> Numbers:
        """(asked,) means or (asked, 3) chances."""
        given = KINDS[self.kind](self.arrays, self.scaler(asked.table()))
        return chances(given, self.arrays["classes"]) if "classes" in self.arrays else given[:, 0]


def plain_of(estimator: Any) -> tuple[str, Arrays]:
    """The kind and the arrays of a fitted estimator; BadInput where nothing here knows its family."""
    for family, taken in FAMILIES.items():
        if isinstance(estimator, family):
            kind, arrays = taken(estimator)
            return kind, arrays | ({"classes": estimator.classes_} if hasattr(estimator, "classes_") else {})
    raise BadInput(f"{type(estimator).__name__} cannot be saved: nothing turns it into plain arrays; expected a model of `experts`")


def _of_linear(linear: Any) -> tuple[str, Arrays]:
    return "sums", {"weights": np.atleast_2d(linear.coef_).T, "bias": np.atleast_1d(linear.intercept_)}


def _of_logistic(logistic: Any) -> tuple[str, Arrays]:
    _, arrays = _of_linear(logistic)
    if len(logistic.classes_) == 2:  # one sum, of the second class
        arrays = {name: np.concatenate([np.zeros_like(given), given], axis=-1) for name, given in arrays.items()}
    return "logistic", arrays


def _of_forest(forest: Any) -> tuple[str, Arrays]:
    trees = [one.tree_ for one in forest.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    leaf = [tree.children_left < 0 for tree in trees]
    here = [np.arange(tree.node_count) for tree in trees]

    def joined(take: Callable[[Any], Any]) -> NDArray[Any]:
        return np.concatenate([take(tree) for tree in trees])

    def children(side: str) -> NDArray[np.int64]:  # a leaf is its own child
        found = [np.where(end, own, getattr(tree, side)) + root for tree, end, own, root in zip(trees, leaf, here, roots, strict=True)]
        return np.concatenate(found).astype(np.int64)

    return "forest", {
        "roots": roots.astype(np.int64),
        "left": children("children_left"),
        "right": children("children_right"),
        "feature": np.maximum(joined(lambda tree: tree.feature), 0).astype(np.int64),
        "threshold": joined(lambda tree: tree.threshold),
        "value": joined(lambda tree: tree.value[:, 0, :]),
        "rows": joined(lambda tree: tree.weighted_n_node_samples),  # that came by, for contributions
        "depth": np.array(max(tree.max_depth for tree in trees)),
    }


def _of_scaled_target(transformed: Any) -> tuple[str, Arrays]:
    kind, arrays = plain_of(transformed.regressor_)
    target = transformed.transformer_
    weights = arrays["weights"] * target.scale_[0]
    return kind, arrays | {"weights": weights, "bias": arrays["bias"] * target.scale_[0] + target.mean_[0]}


def _of_kernel(machine: Any) -> tuple[str, Arrays]:
    if machine.kernel != "rbf":
        raise BadInput(f"a machine of {machine.kernel} kernels cannot be saved; expected rbf")
    weights = machine.dual_coef_.T
    if weights.shape[1] > 1:  # one against one: a machine of each pair, on the support vectors of the two
        owner = np.repeat(np.arange(len(machine.n_support_)), machine.n_support_)
        pairs = combinations(range(len(machine.n_support_)), 2)
        weights = np.stack([np.where(owner == i, weights[:, j - 1], 0) + np.where(owner == j, weights[:, i], 0) for i, j in pairs], axis=1)
    arrays = {"vectors": machine.support_vectors_, "gamma": np.array(machine._gamma), "weights": weights, "bias": machine.intercept_}
    return "kernel", arrays


def _of_calibrated(calibrated: Any) -> tuple[str, Arrays]:
    arrays: Arrays = {}
    for place, fold in enumerate(calibrated.calibrated_classifiers_):
        _, machine = plain_of(fold.estimator)
        machine["a"] = np.array([one.a_ for one in fold.calibrators])
        machine["b"] = np.array([one.b_ for one in fold.calibrators])
        arrays |= {f"{place}.{name}": given for name, given in machine.items()}
    return "platt", arrays


FAMILIES: dict[Any, Callable[[Any], tuple[str, Arrays]]] = {
    LogisticRegression: _of_logistic,
    (LinearRegression, ElasticNet, LinearSVR, LinearSVC): _of_linear,
    (RandomForestRegressor, RandomForestClassifier): _of_forest,
    (SVR, SVC): _of_kernel,
    TransformedTargetRegressor: _of_scaled_target,
    CalibratedClassifierCV: _of_calibrated,
}


def _sums(arrays: Arrays, table: Numbers) -> Numbers:
    """(rows, outputs)."""
    found: Numbers = np.asarray(table @ arrays["weights"] + arrays["bias"], np.float64)
    return found


def _logistic(arrays: Arrays, table: Numbers) -> Numbers:
    found: Numbers = softmax(_sums(arrays, table), axis=1)
    return found


def _forest(arrays: Arrays, table: Numbers) -> Numbers:
    """Every row walks down every tree at once: the mean of the leaves it ends in."""
    found = np.empty((len(table), arrays["value"].shape[1]))
    for begin in range(0, len(table), CHUNK):
        part = table[begin : begin + CHUNK]
        node, rows = np.broadcast_to(arrays["roots"], (len(part), len(arrays["roots"]))), np.arange(len(part))[:, None]
        for _ in range(int(arrays["depth"])):
            goes_left = part[rows, arrays["feature"][node]] <= arrays["threshold"][node]
            node = np.where(goes_left, arrays["left"][node], arrays["right"][node])
        found[begin : begin + CHUNK] = arrays["value"][node].mean(axis=1)
    return found


def _kernel(arrays: Arrays, table: Numbers) -> Numbers:
    """Gaussian kernels of the support vectors, summed."""
    vectors, found = arrays["vectors"], np.empty((len(table), arrays["weights"].shape[1]))
    for begin in range(0, len(table), CHUNK):
        part = table[begin : begin + CHUNK].astype(np.float64)
        away = (part**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2.0 * part @ vectors.T
        found[begin : begin + CHUNK] = np.exp(-arrays["gamma"] * np.maximum(away, 0.0)) @ arrays["weights"] + arrays["bias"]
    return found


def _platt(arrays: Arrays, table: Numbers) -> Numbers:
    """Mean over folds of what a logistic curve makes of each machine's distances (Platt 1999), one class against the rest."""
    classes = arrays["classes"]
    found = []
    for machine in _folds(arrays):
        distances = (_kernel if "vectors" in machine else _sums)(machine, table)
        if "vectors" in machine and distances.shape[1] > 1:
            distances = _against_rest(distances, len(machine["classes"]))
        raw = expit(-(machine["a"] * distances + machine["b"]))
        if len(classes) == 2:
            found.append(np.concatenate([1.0 - raw, raw], axis=1))
            continue
        full = np.zeros((len(table), len(classes)))
        places = np.searchsorted(classes, machine["classes"])
        full[:, places if raw.shape[1] == len(places) else places[:1]] = raw  # of two classes one curve, which scikit-learn gives the first
        total = full.sum(axis=1, keepdims=True)
        found.append(np.divide(full, total, out=np.full_like(full, 1.0 / len(classes)), where=total != 0.0))
    return np.mean(found, axis=0)  # type: ignore[no-any-return]  # an array of means


def _folds(arrays: Arrays) -> Iterator[Arrays]:
    place = 0
    while f"{place}.a" in arrays:
        yield {name.partition(".")[2]: given for name, given in arrays.items() if name.startswith(f"{place}.")}
        place += 1


def _against_rest(distances: Numbers, count: int) -> Numbers:
    """One class against the rest, of one against one: votes, and between equal votes the sums of distances, squeezed to a third."""
    votes, sums = np.zeros((len(distances), count)), np.zeros((len(distances), count))
    for pair, (i, j) in enumerate(combinations(range(count), 2)):
        sums[:, i] += distances[:, pair]
        sums[:, j] -= distances[:, pair]
        second = distances[:, pair] < 0.0
        votes[:, i] += ~second
        votes[:, j] += second
    found: Numbers = votes + sums / (3.0 * (np.abs(sums) + 1.0))
    return found


KINDS: dict[str, Callable[[Arrays, Numbers], Numbers]] = {
    "sums": _sums,
    "logistic": _logistic,
    "forest": _forest,
    "kernel": _kernel,
    "platt": _platt,
}
