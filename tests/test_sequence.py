"""Networks learn what only a sequence tells, see nothing later, and answer the same as ONNX and from files."""

import dataclasses
import json
import zipfile
from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from tercet.errors import BadInput  # noqa: E402
from tercet.signals.experts import Boosting, Constant, ElasticNet, Forest, Linear, Logistic, Machine, XGBoost, loss_of  # noqa: E402
from tercet.signals.exported import Exported, to_onnx  # noqa: E402
from tercet.signals.fitted import fit  # noqa: E402
from tercet.signals.league import decisions  # noqa: E402
from tercet.signals.modelfile import load, save  # noqa: E402
from tercet.signals.samples import Leak, Samples, Spans  # noqa: E402
from tercet.signals.sequence import DeepLob, Lstm, Perceptrons, Training, Transformer, within  # noqa: E402
from tercet.signals.walkforward import Combinatorial, inner  # noqa: E402

# Small: what is tested is learned in a second or two.
TINY = (
    Perceptrons(hidden=(8,), epochs=2, rows=500),
    Lstm(steps=6, width=4, epochs=1, rows=500),
    Transformer(steps=6, patch=3, width=8, depth=1, epochs=1, rows=500),
    DeepLob(steps=6, width=4, epochs=1, rows=500),
)
EXPERTS = (
    Constant(),
    Linear(),
    ElasticNet(),
    Logistic(),
    Forest(trees=8),
    Boosting(rounds=8),
    XGBoost(rounds=8),
    Machine(),
    Machine(name="svm-rbf", kernel="rbf", newest=300),
    *TINY,
)


def named(expert):
    """What a test of it is called."""
    return expert.name


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """What a seed fixes, it fixes on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def history(target="mean", rows=1200, columns=5, groups=2, classes=3, dtype=np.float32):
    """Rows of two series in turn, whose first column says a little of what follows."""
    rng = np.random.default_rng(7)
    table = (rng.standard_normal((rows, columns)) * 3.0 + 100.0).astype(dtype)
    values = table[:, 0] - 100.0 + rng.standard_normal(rows)
    if target == "direction":
        values = np.sign(np.where(np.abs(values) < (1.0 if classes == 3 else 0.0), 0.0, values))
    now = np.arange(rows) * 10
    spans = Spans(now, now + 5, values.astype(np.float64), now + 5)
    return Samples(table, tuple(f"f{i}" for i in range(columns)), now, spans, 0, target, group=np.arange(rows) % groups)


def planted(rows=6000, lags=(1, 3)):
    """Rows whose direction is the sign of a product of two earlier rows: nothing that one row tells."""
    table = np.random.default_rng(3).choice([-1.0, 1.0], (rows, 2)).astype(np.float32)
    first, second = (np.r_[np.ones(lag), table[:-lag, 0]] for lag in lags)
    now = np.arange(rows)
    return Samples(table, ("flow", "noise"), now, Spans(now, now, np.sign(first * second), now), 0, "direction")


@pytest.mark.parametrize(
    ("expert", "least", "most"),
    [
        (Perceptrons(epochs=3), 0.4, 0.6),  # the control: a row alone tells nothing
        (Perceptrons(name="mlp-window", steps=4, epochs=15, batch=128, lasso=0.0), 0.9, 1.0),
        (Lstm(steps=4, width=16, epochs=20, rate=2e-2, batch=128, dropout=0.0), 0.9, 1.0),
        (Transformer(steps=4, patch=1, width=16, depth=1, epochs=12, rate=5e-3, batch=128), 0.9, 1.0),
        (DeepLob(steps=4, width=8, epochs=12, rate=5e-3, batch=128, rows=2500), 0.9, 1.0),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_networks_of_windows_learn_what_no_row_tells(expert, least, most):
    samples = planted()
    lesson, asked = samples.lesson(np.arange(5000), 4999), np.arange(5000, 6000)
    answers = fit(expert, lesson, seed=1).predict(samples.questions(asked))
    right = (decisions(answers, lesson.taught_values()) == samples.spans.value[asked]).mean()
    assert least <= right <= most


@cache
def fitted_to(expert, target="mean", **kind):
    """An expert that has learned the first two thirds."""
    samples = history(target, **kind)
    return fit(expert, samples.lesson(np.arange(800), 10 * 799 + 5), seed=1)


@pytest.mark.parametrize("expert", TINY, ids=named)
def test_scrambling_what_comes_later_changes_no_answer(expert):
    samples, fitted, asked = history(), fitted_to(expert), np.arange(850, 900)
    later = samples.features.copy()
    later[900:] = np.random.default_rng(0).standard_normal(later[900:].shape) * 1e3
    scrambled = dataclasses.replace(samples, features=later)
    assert (fitted.predict(samples.questions(asked)).mean == fitted.predict(scrambled.questions(asked)).mean).all()


@pytest.mark.parametrize("expert", TINY[1:], ids=named)
def test_windows_stay_in_their_group(expert):
    samples, fitted, asked = history(), fitted_to(expert), np.arange(851, 900, 2)  # of the second group
    other = samples.features.copy()
    other[::2] = 0.0
    changed = dataclasses.replace(samples, features=other)
    assert (fitted.predict(samples.questions(asked)).mean == fitted.predict(changed.questions(asked)).mean).all()
    assert (fitted.predict(samples.questions(asked - 1)).mean != fitted.predict(changed.questions(asked - 1)).mean).any()


@pytest.mark.parametrize("expert", TINY, ids=named)
def test_a_seed_fixes_what_is_learned_and_leaves_other_randomness_alone(expert):
    samples = history()
    lesson, asked = samples.lesson(np.arange(800), None), samples.questions(np.arange(900, 1000))
    state = torch.random.get_rng_state()
    answers = [expert.fit(lesson, seed).answer(asked) for seed in (1, 1, 2)]
    assert (answers[0] == answers[1]).all()
    assert (answers[0] != answers[2]).any()
    assert (torch.random.get_rng_state() == state).all()


def test_scalers_and_answers_know_the_lesson_alone():
    samples, rows = history(), np.arange(100, 800)
    other = samples.features.copy()
    other[:80], other[800:] = 1e6, -1e6
    changed = dataclasses.replace(samples, features=other)
    scalers = [Training(Perceptrons(), one.lesson(rows, 8000), None, 0).scaler for one in (samples, changed)]
    assert (scalers[0].centre == scalers[1].centre).all()
    assert (scalers[0].spread == scalers[1].spread).all()
    early, _ = inner(samples.lesson(rows, 8000), 0.2)
    assert (Training(Perceptrons(), early, None, 0).scaler.centre != scalers[0].centre).any()


def test_windows_of_a_lesson_in_hindsight_stay_within_it():
    samples = history(groups=1)
    fold = next(Combinatorial(groups=4, tests=1).split(samples))  # the first stretch is asked about
    kept = within(samples.lesson(fold.train, None), 6)
    assert kept.rows.min() == fold.train.min() + 5
    assert len(within(samples.lesson(fold.train, None), 1).rows) == len(fold.train)
    with pytest.raises(Leak, match="hindsight"):
        fit(TINY[1], samples.lesson(fold.train, None)).predict(samples.questions(fold.test))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("expert", [*TINY, Perceptrons(name="mlp-plain", normed=False, hidden=(8, 4), epochs=2)], ids=named)
@pytest.mark.parametrize("target", ["mean", "direction"])
def test_onnx_answers_as_torch_does(expert, target, dtype, tmp_path):
    fitted, asked = fitted_to(expert, target, dtype=dtype), history(target, dtype=dtype).questions(np.arange(900, 1000))
    path = tmp_path / "network.onnx"
    to_onnx(fitted, path)
    told = {one.key: one.value for one in onnx.load(path).metadata_props}
    assert told["model_id"] == fitted.lineage.model_id
    assert json.loads(told["lineage"])["names"] == list(fitted.lineage.names)
    answered, found = fitted.model.answer(asked), Exported.of(path.read_bytes()).answer(asked)
    assert np.abs(found - answered).max() <= 1e-5 * max(1.0, np.abs(answered).max())
    if target == "direction":
        assert np.allclose(answered.sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("expert", "target", "classes"),
    [
        (one, target, classes)
        for one in EXPERTS
        for target, classes in (("mean", 3), ("direction", 3), ("direction", 2))
        if one.name not in {"mean": ("logistic",), "direction": ("ols",)}[target]
    ],
    ids=lambda given: getattr(given, "name", str(given)),
)
def test_a_saved_model_answers_as_before(expert, target, classes, tmp_path):
    samples = history(target, classes=classes)
    fitted = fit(expert, samples.lesson(np.arange(800), 10 * 799 + 5), seed=1)
    save(fitted, tmp_path / "model.zip")
    again, asked = load(tmp_path / "model.zip", samples.names), samples.questions(np.arange(900, 1000))
    assert again.lineage.model_id == fitted.lineage.model_id
    assert np.allclose(again.predict(asked).mean, fitted.predict(asked).mean, rtol=1e-5, atol=2e-5)
    if target == "direction":
        assert np.allclose(again.predict(asked).chances, fitted.predict(asked).chances, rtol=1e-5, atol=1e-5)
    with pytest.raises(Leak):
        again.predict(samples.questions(np.arange(10)))
    save(again, tmp_path / "again.zip")  # what was read can be written
    assert (load(tmp_path / "again.zip").predict(asked).mean == again.predict(asked).mean).all()


def changed(path, **entries):
    """The same zip with some entries changed."""
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()} | {name.replace("_", "."): given for name, given in entries.items()}
    with zipfile.ZipFile(path, "w") as file:
        for name, given in content.items():
            if given is not None:
                file.writestr(name, given)


def test_broken_and_altered_model_files_are_refused(tmp_path):
    path = tmp_path / "model.zip"

    def refused(sentence, names=None):
        with pytest.raises(BadInput, match=sentence):
            load(path, names)
        save(fitted, path)

    fitted = fitted_to(Linear())
    refused("expected a model file, found: No such file")
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused("truncated or altered")
    refused("its feature 1 was 'f1'; expected 'g1'", ("f0", "g1", "f2", "f3", "f4"))
    refused("its feature 4 was 'f4'; expected 'none'", ("f0", "f1", "f2", "f3"))
    about = json.loads(zipfile.ZipFile(path).read("manifest.json"))
    for change, sentence in (
        ({"format": 99}, "found format 99"),
        ({"model_id": "ols-0"}, "expected the lineage of ols-0"),
        ({"lineage": about["lineage"] | {"max_known_time": 0}}, "found another: the file was altered"),
        ({"kind": "pickle"}, "kind 'pickle', found none"),
        ({"kind": "onnx"}, "kind 'onnx', found none"),
        ({"lineage": 3}, "expected a model file's manifest"),
    ):
        changed(path, manifest_json=json.dumps(about | change))
        refused(sentence)
    changed(path, arrays_npz=b"other")
    refused("entries of the manifest's checksums")
    changed(path, manifest_json="[]")
    refused("expected a model file's manifest")


def test_what_cannot_be_saved_or_exported_is_named(tmp_path):
    with pytest.raises(BadInput, match="ols is no network"):
        to_onnx(fitted_to(Linear()), tmp_path / "network.onnx")
    with pytest.raises(BadInput, match="object cannot be saved"):
        save(dataclasses.replace(fitted_to(Linear()), model=object()), tmp_path / "model.zip")
    with pytest.raises(BadInput, match="could not be written"):
        save(fitted_to(Linear()), tmp_path)
    with pytest.raises(BadInput, match="expected an ONNX model"):
        Exported.of(b"nothing")


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: Lstm(steps=0), "steps was 0"),
        (lambda: Transformer(steps=7, patch=2), "expected a divisor of steps"),
        (lambda: DeepLob(steps=1), "steps was 1"),
        (lambda: Perceptrons(rate=0.0), "expected rate > 0"),
        (lambda: Perceptrons(ensemble=0), "ensemble was 0"),
        (lambda: Lstm(checked=1.0), "checked and dropout"),
    ],
)
def test_settings_that_make_no_network_are_refused(made, sentence):
    with pytest.raises(BadInput, match=sentence):
        made()


def test_stopping_keeps_the_best_of_each_member_and_refitting_learns_as_long():
    samples = history()
    early, late = inner(samples.lesson(np.arange(800), 8000), 0.2)
    settings = Perceptrons(hidden=(8,), ensemble=3, epochs=8, patience=8, rate=3e-2, batch=64)
    training = Training(settings, early, late, 0)
    watched = training.learned(None)
    assert training.best.shape == (3,)
    assert loss_of(watched.answer(late), late) < loss_of(Constant().fit(early, 0).answer(late), late)
    again = Training(settings, early, None, 0).learned(training.best)
    assert np.allclose(watched.answer(late), again.answer(late), atol=1e-6)


def test_a_training_that_diverges_is_named():
    with pytest.raises(BadInput, match="after no epoch was its loss a number"):
        fit(Perceptrons(rate=1e30, hidden=(8,), epochs=2, normed=False), history().lesson(np.arange(800), 8000))
