"""What each feature added to an answer: SHAP values (Lundberg & Lee 2017) of linear models and of trees (Lundberg et al. 2020).

Base and contributions of a row sum to what is told, and to nothing else: of chances from a softmax to log(p_up / p_down), else to the mean.
"""

from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.experts import Same, Scaled, Trees
from tercet.signals.fitted import Model
from tercet.signals.plain import Arrays, Plain, plain_of
from tercet.signals.samples import CLASSES, Questions

Floats = NDArray[np.float64]
ODDS, MEAN = "log(p_up / p_down)", "mean"
DOWN, UP = CLASSES.index(-1), CLASSES.index(1)
TOP: Final = 5


@dataclass(frozen=True)
class Contributions:
    """`base` (rows,) and `parts` (rows, features): their sum by row is `of`."""

    of: str
    base: Floats
    parts: Floats

    def top(self, names: tuple[str, ...], count: int = TOP) -> list[list[tuple[str, float]]]:
        """For each row the features that moved it most, with their contributions."""
        order = np.argsort(-np.abs(self.parts), axis=1, kind="stable")[:, :count]
        values = np.take_along_axis(self.parts, order, axis=1)
        return [
            [(names[place], value) for place, value in zip(*row, strict=True)] for row in zip(order.tolist(), values.tolist(), strict=True)
        ]


def contributions(model: Model, asked: Questions) -> Contributions:
    """Of a linear model, of trees or of the constant; raises BadInput for what has no contributions here."""
    if isinstance(model, Same):
        value = np.asarray(model.value, np.float64)
        told = float(value[UP] - value[DOWN]) if value.ndim else float(value)
        return Contributions(MEAN, np.full(len(asked.rows), told), np.zeros((len(asked.rows), asked.features.shape[1])))
    if isinstance(model, Trees):
        return _of_trees(model, np.asarray(model.scaler(asked.table())))
    if isinstance(model, Scaled | Plain):
        kind, arrays = (model.kind, model.arrays) if isinstance(model, Plain) else plain_of(model.estimator)
        table = np.asarray(model.scaler(asked.table()), np.float64)
        if kind in ("sums", "logistic"):
            return _of_sums(arrays, table)
        if kind == "forest":
            return _of_forest(arrays, table)
    what = type(model).__name__
    raise BadInput(f"a model that is kept as {what} has no contributions; expected a linear model, a random forest or boosted trees")


def _of_sums(arrays: Arrays, table: Floats) -> Contributions:
    """Standardised features have mean 0 in the lesson: a weight times its feature is the feature's SHAP value."""
    weights, bias = arrays["weights"], arrays["bias"]
    if "classes" not in arrays:
        return Contributions(MEAN, np.full(len(table), float(bias[0])), table * weights[:, 0])
    down, up = _places(arrays["classes"])
    return Contributions(ODDS, np.full(len(table), float(bias[up] - bias[down])), table * (weights[:, up] - weights[:, down]))


def _places(classes: NDArray[Any]) -> tuple[int, int]:
    """Where down and up stand among the classes that a lesson had."""
    known = classes.tolist()
    if -1 not in known or 1 not in known:
        raise BadInput(f"the model knows the classes {known}; expected -1 and 1 among them, or nothing is moved up or down")
    return known.index(-1), known.index(1)


def _of_trees(model: Trees, table: NDArray[Any]) -> Contributions:
    """LightGBM and XGBoost say themselves what each feature added, class by class, the base last."""
    if isinstance(model.trees, lightgbm.Booster):
        told = np.asarray(model.trees.predict(table, pred_contrib=True), np.float64)
    else:
        told = np.asarray(model.trees.predict(xgboost.DMatrix(table), pred_contribs=True), np.float64)
    width = table.shape[1] + 1
    if told.ndim == 2 and told.shape[1] == width:
        return Contributions(MEAN, told[:, -1], told[:, :-1])
    told = told.reshape(len(table), len(CLASSES), width)
    moved = told[:, UP] - told[:, DOWN]
    return Contributions(ODDS, moved[:, -1], moved[:, :-1])


def _of_forest(arrays: Arrays, table: Floats) -> Contributions:
    """By shap, along the paths of each tree."""
    from shap import TreeExplainer  # noqa: PLC0415  # loads numba and pandas: seconds, where nobody else needs it

    value, ends = arrays["value"], np.r_[arrays["roots"][1:], len(arrays["left"])]
    if "classes" in arrays:
        down, up = _places(arrays["classes"])
        value = value[:, up] - value[:, down]
    told = np.reshape(value, (-1, 1)) / len(ends)
    trees = []
    for root, end in zip(arrays["roots"].tolist(), ends.tolist(), strict=True):
        here = np.arange(root, end)
        leaf = arrays["left"][here] == here
        left, right = (np.where(leaf, -1, arrays[side][here] - root).astype(np.int32) for side in ("left", "right"))
        trees.append(
            {
                "children_left": left,
                "children_right": right,
                "children_default": right.copy(),
                "features": np.where(leaf, -2, arrays["feature"][here]).astype(np.int32),
                "thresholds": arrays["threshold"][here].astype(np.float64),
                "values": told[here],
                "node_sample_weight": arrays["rows"][here].astype(np.float64),
            }
        )
    explainer: Any = TreeExplainer({"trees": trees})
    parts = np.asarray(explainer.shap_values(table, check_additivity=False), np.float64).reshape(len(table), -1)
    return Contributions(MEAN, np.full(len(table), float(np.ravel(explainer.expected_value)[0])), parts)
