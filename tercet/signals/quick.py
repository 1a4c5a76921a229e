"""Kept models asked about one row after another of one series, in microseconds: `Fitted.predict` is made for many rows at once.

The answers are the same to 1e-5. A model's own scaler is applied to each row
once, when it comes, so that the windows of networks hold standardised rows.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import lightgbm
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.experts import CLIP, Scaled, Scaler, Trees
from tercet.signals.exported import behind_scaler, on_one_thread
from tercet.signals.fitted import Fitted, Model
from tercet.signals.onerow import NODE, answer_sums, answer_trees, push
from tercet.signals.plain import Plain, plain_of
from tercet.signals.samples import CLASSES, DIRECTION, Questions

Floats = NDArray[np.float64]
Row = NDArray[np.float32]
Asker = Callable[[Row], NDArray[np.floating[Any]]]
Question = tuple[float, int, int]  # value, feature, nodes from here to the right side
LEAF: Final = -1
MOST: Final = 2**15 - 1  # nodes of a tree, or features


def quick(fitted: Fitted) -> Asker:
    """A function of a series' next row, (features,) float32 as they stand, to (1,) a mean or (3,) chances; its buffer is used again.

    It keeps the window that a network looks at: give each series its own. A forest, a kernel machine and the constant take their usual way.
    """
    model, direction = fitted.model, fitted.lineage.target == DIRECTION
    if isinstance(model, Scaled):
        model = Plain(model.scaler, *plain_of(model.estimator))
    if isinstance(model, Plain) and model.kind in ("sums", "logistic"):
        return _of_sums(model, direction)
    if isinstance(model, Trees):
        return _of_trees(model, direction)
    drawn = getattr(model, "onnx", None)
    return _usual(model) if drawn is None else _of_network(drawn(), direction)


def _usual(model: Model) -> Asker:
    rows, now, group = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64)

    def ask(row: Row) -> NDArray[np.floating[Any]]:
        return np.ravel(model.answer(Questions(row[None], rows, now, group)))

    return ask


def _of_sums(model: Plain, direction: bool) -> Asker:
    weights, bias = np.ascontiguousarray(model.arrays["weights"].T, np.float64), np.asarray(model.arrays["bias"], np.float64)
    if direction:  # classes that the lesson had not
        weights, bias = _all_classes(weights, model.arrays["classes"], 0.0), _all_classes(bias, model.arrays["classes"], -np.inf)
    centre, spread, scaled, out = _buffers(model.scaler, len(bias))

    def ask(row: Row) -> Floats:
        answer_sums(row, centre, spread, CLIP, weights, bias, direction, scaled, out)
        return out

    return ask


def _all_classes(given: Floats, classes: NDArray[Any], missing: float) -> Floats:
    full = np.full((len(CLASSES), *given.shape[1:]), missing)
    full[np.searchsorted(CLASSES, classes)] = given
    return full


def _buffers(scaler: Scaler, outputs: int) -> tuple[Floats, Floats, Row, Floats]:
    centre, spread = np.asarray(scaler.centre, np.float64), np.asarray(scaler.spread, np.float64)
    return centre, spread, np.zeros(len(centre), np.float32), np.zeros(outputs)


# Trees --------------------------------------------------------------------------------------------------------------------------------


def _of_trees(model: Trees, direction: bool) -> Asker:
    light = isinstance(model.trees, lightgbm.Booster)
    trees, begin = _light(model.trees) if light else _extreme(model.trees)
    nodes, roots = np.concatenate(trees), np.cumsum([0, *(len(tree) for tree in trees)])[:-1]
    outputs = len(CLASSES) if direction else 1
    base = np.broadcast_to(begin, outputs).astype(np.float64)
    centre, spread, scaled, out = _buffers(model.scaler, outputs)

    def ask(row: Row) -> Floats:
        answer_trees(row, centre, spread, CLIP, nodes, roots, base, direction, scaled, out)
        return out

    return ask


def _light(booster: Any) -> tuple[list[NDArray[np.void]], Floats]:
    """Each tree of LightGBM as NODEs; its features are finite, so no question asks for missing ones."""

    def questions(node: dict[str, Any]) -> Iterator[Question]:
        if "leaf_value" in node:
            yield node["leaf_value"], LEAF, 0
            return
        if node["decision_type"] != "<=":
            raise BadInput(f"a tree asks {node['decision_type']!r}; expected numbers alone, '<='")
        yield from _asked(_below(node["threshold"]), node["split_feature"], questions(node["left_child"]), questions(node["right_child"]))

    return [_nodes(questions(tree["tree_structure"])) for tree in booster.dump_model()["tree_info"]], np.zeros(1)


def _extreme(booster: Any) -> tuple[list[NDArray[np.void]], Floats]:
    """Each tree of XGBoost as NODEs, and where its sums begin. It goes left where a feature is < a single number."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    trees = []
    for tree in learner["gradient_booster"]["model"]["trees"]:
        left, right, feature = tree["left_children"], tree["right_children"], tree["split_indices"]
        value = np.asarray(tree["split_conditions"], np.float32)  # of a leaf, what it adds
        less = np.nextafter(value, np.float32(-np.inf))

        def questions(at: int, left: Any = left, right: Any = right, of: Any = feature, leaf: Any = value, less: Any = less) -> Any:
            if left[at] < 0:
                return iter([(float(leaf[at]), LEAF, 0)])
            return _asked(float(less[at]), of[at], questions(left[at]), questions(right[at]))

        trees.append(_nodes(questions(0)))
    return trees, np.asarray(json.loads(learner["learner_model_param"]["base_score"]), np.float64)


def _asked(value: float, feature: int, left: Iterator[Question], right: Iterator[Question]) -> Iterator[Question]:
    """A question, and behind it those of its two sides; places are counted from it."""
    yes = list(left)
    yield value, feature, len(yes) + 1
    yield from yes
    yield from right


def _nodes(questions: Iterator[Question]) -> NDArray[np.void]:
    told = list(questions)
    if len(told) > MOST:
        raise BadInput(f"a tree has {len(told)} nodes; expected {MOST} at most")
    return np.array([(value, feature, place + right) for place, (value, feature, right) in enumerate(told)], NODE)


def _below(threshold: float) -> float:
    """The largest single number that is no more: single numbers are <= both alike."""
    found = np.float32(threshold)
    return float(found if found <= threshold else np.nextafter(found, np.float32(-np.inf)))


# Networks -----------------------------------------------------------------------------------------------------------------------------


def _of_network(content: bytes, direction: bool) -> Asker:
    """A network behind its scaler: what takes standardised windows is cut from the graph, and asked in buffers that stay."""
    scaler, rest = behind_scaler(content)
    session = on_one_thread(rest)
    window = np.zeros(session.get_inputs()[0].shape, np.float32)
    out = np.zeros((1, len(CLASSES)) if direction else 1, np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("scaled", onnxruntime.OrtValue.ortvalue_from_numpy(window))
    binding.bind_ortvalue_output("answer", onnxruntime.OrtValue.ortvalue_from_numpy(out))
    centre, spread, _, _ = _buffers(scaler, 0)
    run, rows, flat = session.run_with_iobinding, window[0], out.reshape(-1)
    first = True

    def ask(row: Row) -> Row:
        nonlocal first
        push(row, centre, spread, CLIP, first, rows)
        first = False
        run(binding)
        return flat

    return ask
