"""Trees from a file, checked before native code reads them: what LightGBM and XGBoost are given is written anew from numbers that fit.

Their readers trust a file: a child that is no node, a circle or a count that does not fit ends the process or never ends. Here every node
but the root has one parent, which stands before it, and a depth that recursion bears.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput

Places = NDArray[np.int64]
DEEPEST: Final = 1000  # questions before an answer
MOST: Final = 2**31 - 1
LIGHT_OBJECTIVE: Final = {1: "regression", 3: "multiclass num_class:3"}
NUMERIC: Final = (0, 2, 4, 6, 8, 10)  # LightGBM's questions about numbers, by where missing ones go
ROOTLESS: Final = 2**31 - 1  # XGBoost's parent of a root
WHOLE: Final = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")  # of LightGBM's questions


def refuse_shape(left: Places, right: Places, roots: Places, what: str) -> int:
    """Questions on the longest way down; BadInput where nodes are no trees. left, right: a node's children, both negative of a leaf."""
    count, asks = len(left), left >= 0
    if len(right) != count or (asks != (right >= 0)).any() or count == 0:
        raise BadInput(f"{what}: expected two children of a question and none of a leaf, found others")
    children, parents = np.concatenate([left[asks], right[asks]]), np.tile(np.flatnonzero(asks), 2)
    wanted = np.ones(count, np.int64)
    wanted[roots] = 0
    if (children >= count).any() or (children <= parents).any() or (np.bincount(children, minlength=count) != wanted).any():
        raise BadInput(f"{what}: expected one parent, standing before it, of every node but a root, found others")
    level = roots
    for depth in range(DEEPEST):
        level = level[asks[level]]
        if len(level) == 0:
            return depth
        level = np.concatenate([left[level], right[level]])
    raise BadInput(f"{what}: expected at most {DEEPEST} questions before an answer, found more")


def refuse_places(places: Places, end: int, what: str) -> None:
    """BadInput where a place is not from 0 to below `end`."""
    if len(places) and not 0 <= int(places.min()) <= int(places.max()) < end:
        raise BadInput(f"{what}: expected whole numbers from 0 to {end - 1}, found {places.min()} to {places.max()}")


def real(values: Any, count: int, what: str, kind: type[np.floating[Any]] = np.float64) -> list[float]:
    """So many finite numbers of that kind."""
    with np.errstate(over="ignore"):
        found = np.asarray(values, np.float64).astype(kind)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise BadInput(f"{what}: expected {count} finite numbers, found others")
    return list(map(float, found))


def whole(values: Any, count: int, what: str) -> Places:
    """So many whole numbers of 32 bits, as int64."""
    found = [int(one) for one in values]
    if len(found) != count or not all(-MOST <= one <= MOST for one in found):
        raise BadInput(f"{what}: expected {count} whole numbers of 32 bits, found others")
    return np.array(found, np.int64)


# LightGBM -----------------------------------------------------------------------------------------------------------------------------


def light_text(content: str, columns: int, outputs: int) -> str:
    """LightGBM's text of the same trees, for a table of so many columns; raises BadInput or ValueError where it is no such model."""
    head, *blocks = content.partition("end of trees")[0].split("\nTree=")
    told = dict(line.partition("=")[::2] for line in head.splitlines())
    expected = {"num_class": str(outputs), "num_tree_per_iteration": str(outputs), "max_feature_idx": str(columns - 1)}
    if wrong := [name for name, value in expected.items() if told.get(name) != value]:
        raise BadInput(f"{wrong[0]}: expected {expected[wrong[0]]}, found {str(told.get(wrong[0]))[:40]}")
    if told.get("objective") != LIGHT_OBJECTIVE[outputs] or len(blocks) % outputs or not blocks:
        raise BadInput(f"expected {LIGHT_OBJECTIVE[outputs]} with a tree for each output, found {told.get('objective')} of {len(blocks)}")
    trees = [f"Tree={place}\n{_light_tree(block, columns, place)}\n\n" for place, block in enumerate(blocks)]
    lines = {"version": "v4", **expected, "label_index": "0", "objective": told["objective"]}
    lines |= {"feature_names": " ".join(f"Column_{i}" for i in range(columns)), "feature_infos": " ".join(["none"] * columns)}
    lines |= {"tree_sizes": " ".join(str(len(tree)) for tree in trees)}
    return "\n".join(["tree", *(f"{name}={value}" for name, value in lines.items()), "", "".join(trees)]) + "end of trees\n"


def _light_tree(block: str, columns: int, place: int) -> str:
    """One tree's lines."""
    told = dict(line.partition("=")[::2] for line in block.splitlines()[1:] if line)
    leaves, what = int(told["num_leaves"]), f"tree {place}"
    if not 1 <= leaves <= len(block) or int(told["num_cat"]) or int(told.get("is_linear", "0")):
        raise BadInput(f"{what}: expected leaves with numbers and questions about numbers, found others")
    asks = leaves - 1
    ints = {name: whole(told[name].split(), asks, f"{what}, {name}") for name in WHOLE if asks}
    ints |= {"leaf_count": whole(told.get("leaf_count", "").split(), leaves, f"{what}, leaf_count")} if asks else {}
    if asks:
        refuse_places(ints["split_feature"], columns, f"{what}, split_feature")
        left, right = (_light_children(ints[side], leaves, f"{what}, {side}") for side in ("left_child", "right_child"))
        refuse_shape(left, right, np.zeros(1, np.int64), what)
        if not np.isin(ints["decision_type"], NUMERIC).all() or min(ints["leaf_count"].min(), ints["internal_count"].min()) < 0:
            raise BadInput(f"{what}: expected questions about numbers, and counts, found others")
    sizes = {"split_gain": asks, "threshold": asks, "internal_value": asks, "internal_weight": asks}
    sizes |= {"leaf_value": leaves, "leaf_weight": leaves if asks else len(told.get("leaf_weight", "").split())}
    reals = {name: real(told.get(name, "").split(), count, f"{what}, {name}") for name, count in sizes.items()}
    order = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "leaf_value", "leaf_weight")
    lines = {"num_leaves": leaves, "num_cat": 0}
    both: dict[str, Sequence[float]] = {name: found.tolist() for name, found in ints.items()} | reals
    written = {name: " ".join(map(repr, both.get(name, ()))) for name in (*order, "leaf_count", "internal_value", "internal_weight")}
    written |= {"internal_count": " ".join(map(repr, both.get("internal_count", ())))}
    (shrinkage,) = real([told.get("shrinkage", "1")], 1, f"{what}, shrinkage")
    ends = {"is_linear": 0, "shrinkage": repr(shrinkage)}
    return "\n".join(f"{name}={value}" for name, value in (lines | written | ends).items()) + "\n"


def _light_children(child: Places, leaves: int, what: str) -> Places:
    """Children of one side, of questions and leaves: LightGBM's leaf i is child ~i, here a node behind the questions."""
    refuse_places(np.where(child < 0, ~child, 0), leaves, what)
    return np.concatenate([np.where(child < 0, leaves - 1 + ~child, child), np.full(leaves, -1)])


# XGBoost ------------------------------------------------------------------------------------------------------------------------------


def extreme_json(content: bytes, columns: int, outputs: int) -> bytes:
    """XGBoost's JSON of the same trees, for a table of so many columns; raises BadInput or one of Python's errors where it is no model."""
    document = json.loads(content)
    learner = document["learner"]
    param, booster = learner["learner_model_param"], learner["gradient_booster"]
    trees = booster["model"]["trees"]
    objective = "multi:softprob" if outputs > 1 else "reg:squarederror"
    if learner["objective"]["name"] != objective or booster["name"] != "gbtree" or int(param["num_feature"]) != columns:
        raise BadInput(f"expected trees of {objective} on {columns} features, found others")
    if int(param["num_class"]) != (outputs if outputs > 1 else 0) or int(param.get("num_target", 1)) != 1 or len(trees) % outputs:
        raise BadInput(f"expected {outputs} classes and a tree for each, found others")
    if [int(one) for one in booster["model"]["tree_info"]] != [place % outputs for place in range(len(trees))]:
        raise BadInput("expected trees that take turns between the classes, found others")
    base = np.atleast_1d(json.loads(param["base_score"]))
    terms = {"softmax_multiclass_param": {"num_class": str(outputs)}} if outputs > 1 else {"reg_loss_param": {"scale_pos_weight": "1"}}
    model = {
        "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
        "iteration_indptr": list(range(0, len(trees) + 1, outputs)),
        "tree_info": [place % outputs for place in range(len(trees))],
        "trees": [_extreme_tree(tree, columns, place) for place, tree in enumerate(trees)],
    }
    about = {
        "base_score": json.dumps(real(base, len(base) if len(base) == outputs else 1, "base_score", np.float32)),
        "boost_from_average": "1",
        "num_class": str(outputs if outputs > 1 else 0),
        "num_feature": str(columns),
        "num_target": "1",
    }
    made = {"attributes": {}, "feature_names": [], "feature_types": [], "gradient_booster": {"model": model, "name": "gbtree"}}
    made |= {"learner_model_param": about, "objective": {"name": objective, **terms}}
    return json.dumps({"learner": made, "version": whole(document["version"], 3, "version").tolist()}).encode()


def _extreme_tree(tree: dict[str, Any], columns: int, place: int) -> dict[str, Any]:
    """One tree's object."""
    what, count = f"tree {place}", len(tree["left_children"])
    names = ("left_children", "right_children", "split_indices", "split_type", "default_left")
    ints = {name: whole(tree[name], count, f"{what}, {name}") for name in names}
    left, right = ints["left_children"], ints["right_children"]
    refuse_shape(left, right, np.zeros(1, np.int64), what)
    refuse_places(ints["split_indices"], columns, f"{what}, split_indices")
    refuse_places(ints["default_left"], 2, f"{what}, default_left")
    if ints["split_type"].any() or tree["categories"]:
        raise BadInput(f"{what}: expected questions about numbers, found categories")
    parents = np.full(count, ROOTLESS)
    asks = np.flatnonzero(left >= 0)
    parents[left[asks]] = parents[right[asks]] = asks
    kept = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
    return {
        **{name: found.tolist() for name, found in ints.items()},
        **{name: real(tree[name], count, f"{what}, {name}", np.float32) for name in kept},
        **{name: [] for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes")},
        "id": place,
        "parents": parents.tolist(),
        "tree_param": {"num_deleted": "0", "num_feature": str(columns), "num_nodes": str(count), "size_leaf_vector": "1"},
    }
