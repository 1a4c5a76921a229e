"""A model file is read by what it may hold: whatever else is in it, with checksums that fit, ends in one sentence."""

import contextlib
import hashlib
import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightgbm")
pytest.importorskip("onnx")
import onnx
from mutations import break_arrays, break_bytes, break_numbers, break_values
from onnx import helper

from tercet.errors import BadInput
from tercet.signals import checkedarrays
from tercet.signals.checkedarrays import unpacked
from tercet.signals.checkedtrees import DEEPEST, extreme_json, light_text, refuse_shape
from tercet.signals.fitted import Fitted, fit
from tercet.signals.modelfile import load, save
from tercet.signals.probing import refuse_untried
from tercet.signals.registry import EXPERTS
from tercet.signals.samples import CLASSES, DIRECTION, MEAN, Samples, Spans

KINDS = ("constant", "ols", "random-forest", "lightgbm", "xgboost", "svm-rbf")


def samples(target: str, rows: int = 260) -> Samples:
    """Four features, the first of which tells a part of the answer."""
    rng = np.random.default_rng(3)
    table, now = rng.normal(size=(rows, 4)).astype(np.float32), np.arange(rows, dtype=np.int64)
    value = table[:, 0] + rng.normal(size=rows)
    value = np.asarray(CLASSES)[np.digitize(value, (-0.5, 0.5))] if target == DIRECTION else value
    return Samples(table, ("a", "b", "c", "d"), now, Spans(now, now, value.astype(np.float64), now), 0, target)


PAIRS = [(kind, target) for kind in KINDS for target in (MEAN, DIRECTION) if (kind, target) != ("ols", DIRECTION)]


@pytest.fixture(scope="module", params=PAIRS)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    """A small model of each kind and target."""
    kind, target = request.param
    return fit(EXPERTS[kind], samples(target).lesson(np.arange(200), 199))


def entries(path: Path) -> dict[str, bytes]:
    """What a model file holds."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def seal(path: Path, held: dict[str, bytes]) -> None:
    """The same with checksums that fit."""
    about = json.loads(held["manifest.json"])
    about["checksums"] = {name: hashlib.sha256(content).hexdigest() for name, content in held.items() if name != "manifest.json"}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (held | {"manifest.json": json.dumps(about).encode()}).items():
            file.writestr(name, content)


def test_what_was_checked_answers_as_what_was_learned(fitted, tmp_path):
    save(fitted, tmp_path / "model.zip")
    asked = samples(fitted.lineage.target).questions(np.arange(200, 260))
    found = load(tmp_path / "model.zip")
    np.testing.assert_allclose(found.predict(asked).mean, fitted.predict(asked).mean, atol=1e-7)
    save(found, tmp_path / "again.zip")
    assert (load(tmp_path / "again.zip").predict(asked).mean == found.predict(asked).mean).all()


def test_broken_entries_with_checksums_that_fit_are_refused_in_a_sentence_or_answer(fitted, tmp_path):
    path = tmp_path / "model.zip"
    save(fitted, path)
    whole, rng = entries(path), random.Random(fitted.lineage.model_id)
    asked = samples(fitted.lineage.target).questions(np.arange(200, 260))
    for name in whole.keys() - {"manifest.json"}:
        ways = (break_arrays, break_bytes) if name.endswith(".npz") else (break_numbers, break_values, break_bytes)
        for _ in range(12):
            seal(path, whole | {name: rng.choice(ways)(whole[name], rng)})
            with contextlib.suppress(BadInput):  # nothing else may be raised
                assert np.isfinite(load(path).predict(asked).mean).all()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 0, -1], [2, 2, -1]),  # a circle
        ([1, -1, -1], [1, -1, -1]),  # one child twice
        ([1, -1, -1], [-1, -1, -1]),  # a question with one side
        ([1, -1, -1], [3, -1, -1]),  # a child that is no node
        ([1, -1, -1, -1], [2, -1, -1, -1]),  # a node that nobody asks
        ([0, -1, -1], [2, -1, -1]),  # its own child
        ([], []),
        ([1, -1], [2, -1, -1]),
    ],
)
def test_nodes_that_are_no_tree_are_refused(left, right):
    with pytest.raises(BadInput):
        refuse_shape(np.array(left, np.int64), np.array(right, np.int64), np.zeros(1, np.int64), "tree 0")


def chain(asks: int) -> tuple[np.ndarray, np.ndarray]:
    """So many questions, one below the other."""
    left, right = np.full(2 * asks + 1, -1), np.full(2 * asks + 1, -1)
    left[0 : 2 * asks : 2], right[0 : 2 * asks : 2] = np.arange(1, 2 * asks, 2), np.arange(2, 2 * asks + 1, 2)
    return left, right


def test_a_tree_is_as_deep_as_its_longest_way_and_no_deeper_than_recursion_bears():
    root = np.zeros(1, np.int64)
    assert refuse_shape(*chain(0), root, "tree") == 0
    assert refuse_shape(*chain(7), root, "tree") == 7
    assert refuse_shape(*chain(DEEPEST - 1), root, "tree") == DEEPEST - 1
    with pytest.raises(BadInput, match=f"at most {DEEPEST} questions"):
        refuse_shape(*chain(DEEPEST), root, "tree")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("left_child=1", "left_child=0"),
        ("num_leaves=", "num_leaves=9"),
        ("split_feature=", "split_feature=7 "),
        ("decision_type=2", "decision_type=1"),
        ("threshold=", "threshold=nan "),
        ("num_cat=0", "num_cat=1"),
        ("max_feature_idx=3", "max_feature_idx=4"),
        ("objective=regression", "objective=lambdarank"),
        ("leaf_value=", "leaf_value=1e999 "),
        ("left_child=", "left_child=99999999999999999999 "),
    ],
)
def test_text_of_trees_that_does_not_fit_is_refused(was, becomes):
    text = fit(EXPERTS["lightgbm"], samples(MEAN).lesson(np.arange(200), 199)).model.trees.model_to_string()
    assert light_text(text, 4, 1).startswith("tree\nversion=v4\n")
    assert was in text
    with pytest.raises((BadInput, ValueError)):
        light_text(text.replace(was, becomes, 1), 4, 1)


def test_json_of_trees_says_nothing_that_was_not_checked():
    whole = bytes(fit(EXPERTS["xgboost"], samples(MEAN).lesson(np.arange(200), 199)).model.trees.save_raw("json"))
    odd = json.loads(whole)
    odd["learner"]["attributes"] = {"unheard_of": "x"}
    odd["learner"]["gradient_booster"]["model"]["trees"][0]["parents"] = [7]
    assert extreme_json(json.dumps(odd).encode(), 4, 1) == extreme_json(whole, 4, 1)
    odd["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"][0] = 0
    with pytest.raises(BadInput, match="tree 0: expected one parent"):
        extreme_json(json.dumps(odd).encode(), 4, 1)


def packed(**arrays: np.ndarray) -> bytes:
    """As an .npz."""
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def test_arrays_of_other_types_or_sizes_than_they_say_are_refused(monkeypatch):
    assert unpacked(packed(a=np.asfortranarray(np.arange(6.0).reshape(2, 3))))["a"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    for wrong in (np.array(["x"]), np.array([1j]), np.array([True]), np.arange(3, dtype=np.uint8)):
        with pytest.raises(BadInput, match="expected float32 or float64 or int64"):
            unpacked(packed(a=wrong))
    held = io.BytesIO()
    np.save(held, np.arange(6.0))
    huge = held.getvalue().replace(b"(6,), }          ", b"(99999999999,), }")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.npy", huge)
    with pytest.raises(BadInput, match="of \\(99999999999,\\), found float64 and 48 bytes"):
        unpacked(out.getvalue())
    monkeypatch.setattr(checkedarrays, "MOST_BYTES", 10)
    with pytest.raises(BadInput, match="expected entries of 10 bytes at most"):
        unpacked(packed(a=np.arange(6.0)))


def network(op: str, **attributes: object) -> bytes:
    """An ONNX model of one operator, from window to answer."""
    shapes = {"window": ["batch", 1, 4], "answer": ["batch"]}
    one, two = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph([helper.make_node(op, ["window"], ["answer"], **attributes)], "g", [one], [two])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()


def test_a_network_is_tried_in_a_process_of_its_own(monkeypatch):
    with pytest.raises(BadInput, match="found one that does not: answers of shape"):
        refuse_untried(network("Relu"))  # a window is no answer
    monkeypatch.setattr("tercet.signals.probing.TRY", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(BadInput, match=r"ended the process that tried it \(signal 11\)"):
        refuse_untried(network("Relu"))
    monkeypatch.setattr("tercet.signals.probing.TRY", "while True: pass")
    monkeypatch.setattr("tercet.signals.probing.SECONDS", 0.2)
    with pytest.raises(BadInput, match="did not within"):
        refuse_untried(network("Relu"))
    with pytest.raises(BadInput, match=r"found others\.Relu"):
        refuse_untried(network("Relu", domain="others"))
