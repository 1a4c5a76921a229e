"""Fitted models as files: a zip of manifest.json, with the lineage and checksums, and what the model has learned. Nothing in it is run.

Trees are in LightGBM's and XGBoost's own text, networks are ONNX, all else is arrays of numpy. A checksum says that a file is whole, not
that it means well: arrays are checked, trees are written anew from numbers that were checked, and a network is tried in a process of its
own, before native code reads them.
"""

import hashlib
import io
import zipfile
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import lightgbm
import msgspec
import numpy as np
import xgboost

from tercet.errors import BadInput
from tercet.signals.checkedarrays import Arrays, entries_of, refuse_arrays, unpacked
from tercet.signals.checkedtrees import extreme_json, light_text
from tercet.signals.experts import Same, Scaled, Scaler, Trees
from tercet.signals.exported import Exported, written
from tercet.signals.fitted import Fitted, Lineage, Model
from tercet.signals.plain import KINDS, Plain, plain_of
from tercet.signals.probing import refuse_untried
from tercet.signals.samples import CLASSES, DIRECTION, MEAN, Questions

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
TERMS: Final = "terms.json"  # what turns a model's answers into forecasts, where it was saved with them


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a model file holds. `checksums`: SHA-256 of every other entry."""

    format: int
    kind: str
    model_id: str
    lineage: Lineage
    checksums: dict[str, str]


def save(fitted: Fitted, path: Path, terms: bytes = b"") -> None:
    """Write a model file, whole or not at all; BadInput where the model cannot be saved or the place cannot be written.

    terms: kept beside the model for whoever wants them again, `terms_of`.
    """
    kind, entries = _taken(fitted.model)
    entries |= {TERMS: terms} if terms else {}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()}
    manifest = Manifest(format=FORMAT, kind=kind, model_id=fitted.lineage.model_id, lineage=fitted.lineage, checksums=sums)
    about = msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {MANIFEST: about, **entries}.items():
            file.writestr(name, content)
    written(path, out.getvalue())


def load(path: Path, names: tuple[str, ...] | None = None) -> Fitted:
    """The model at `path`; BadInput where there is none, where it is broken or was altered, or looks at other features than `names`."""
    path = Path(path)
    manifest, entries = _read(path)
    lineage = manifest.lineage
    if names is not None:
        for place, (found, expected) in enumerate(zip_longest(lineage.names, names)):
            if found != expected:
                raise BadInput(
                    f"{path}: its feature {place} was {found or 'missing'!r}; expected {expected or 'none'!r}: it learned from others"
                )
    try:
        model = _given(manifest.kind, entries, lineage)
        _refuse_answers(model, lineage)
    except Exception as error:  # whatever a reader, numpy or a library of others says of what is no model
        said = f"no {error}" if isinstance(error, KeyError) else (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"{path}: expected a model of kind {manifest.kind!r}, found none that can be used: {said}") from error
    return Fitted(model, lineage)


def _refuse_answers(model: Model, lineage: Lineage) -> None:
    """BadInput where it does not answer two rows of zeros with a finite mean, or three chances, for each."""
    rows = np.zeros(2, np.int64)
    with np.errstate(all="ignore"):
        found = np.asarray(model.answer(Questions(np.zeros((2, len(lineage.names)), np.float32), np.arange(2), rows, rows)))
    wanted = (2, len(CLASSES)) if lineage.target == DIRECTION else (2,)
    if found.shape != wanted or not np.isfinite(found).all():
        raise BadInput(f"it answered two rows of zeros with {found.shape} numbers; expected {wanted}, all finite")


def terms_of(path: Path) -> bytes:
    """The terms that a model file was saved with, checked as `load` does; nothing where there were none."""
    return _read(Path(path))[1].get(TERMS, b"")


def _read(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as file:
            entries = entries_of(file)
    except OSError as error:
        raise BadInput(f"{path}: expected a model file, found: {error.strerror or error}") from error
    except Exception as error:  # zipfile, zlib, lzma and struct each have their own
        raise BadInput(f"{path}: expected a model file, found one truncated or altered, or something else: {error}") from error
    about = entries.pop(MANIFEST, None)
    if about is None:
        raise BadInput(f"{path}: expected a model file, found a zip without {MANIFEST}")
    try:
        version = msgspec.json.decode(about).get("format")
        if version != FORMAT:
            raise BadInput(f"{path}: expected a model file of format {FORMAT}, found format {version}: fit or save it with this version")
        manifest = msgspec.json.decode(about, type=Manifest)
        known = manifest.lineage.model_id
    except (msgspec.MsgspecError, AttributeError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: expected a model file's manifest, found another: {error}") from error
    if manifest.model_id != known:
        raise BadInput(f"{path}: expected the lineage of {manifest.model_id}, found another: the file was altered")
    if {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()} != manifest.checksums:
        raise BadInput(f"{path}: expected entries of the manifest's checksums, found others: the file was altered")
    if manifest.lineage.target not in (MEAN, DIRECTION) or not manifest.lineage.names:
        raise BadInput(f"{path}: expected features and a target of {MEAN} or {DIRECTION}, found {manifest.lineage.target!r:.40}")
    return manifest, entries


def _taken(model: Model) -> tuple[str, dict[str, bytes]]:
    """The kind of a model and what it has learned."""
    if isinstance(model, Same):
        return "constant", {"arrays.npz": _packed({"value": np.asarray(model.value)})}
    if isinstance(model, Plain):
        return model.kind, {"arrays.npz": _packed(_scaling(model.scaler) | model.arrays)}
    if isinstance(model, Scaled):
        kind, arrays = plain_of(model.estimator)
        return kind, {"arrays.npz": _packed(_scaling(model.scaler) | arrays)}
    if isinstance(model, Trees):
        scaling = {"arrays.npz": _packed(_scaling(model.scaler))}
        if isinstance(model.trees, lightgbm.Booster):
            return "lightgbm", {"trees.txt": model.trees.model_to_string().encode(), **scaling}
        return "xgboost", {"trees.json": bytes(model.trees.save_raw("json")), **scaling}
    drawn: Callable[[], bytes] | None = getattr(model, "onnx", None)  # of networks: they come with torch, which nobody here needs
    if drawn is None:
        raise BadInput(f"{type(model).__name__} cannot be saved; expected a model of `experts` or of `sequence`")
    return "onnx", {"network.onnx": drawn()}


def _given(kind: str, entries: dict[str, bytes], lineage: Lineage) -> Model:
    """A model of a kind, of what it has learned, checked before native code sees it."""
    columns, outputs = len(lineage.names), len(CLASSES) if lineage.target == DIRECTION else 1
    if kind == "onnx":
        refuse_untried(entries["network.onnx"])
        network = Exported.of(entries["network.onnx"])
        if network.columns != columns:
            raise BadInput(f"expected a network of {columns} features, found one of {network.columns}")
        return network
    arrays = unpacked(entries["arrays.npz"])
    if kind == "constant":
        return Same(arrays["value"])
    scaler = Scaler(arrays.pop("centre"), arrays.pop("spread"))
    known = np.isfinite(scaler.centre).all() and (scaler.spread > 0).all()
    if not scaler.centre.shape == scaler.spread.shape == (columns,) or not known:
        raise BadInput(f"expected a centre and a spread above 0 of each of {columns} features, found others")
    if kind in KINDS:
        refuse_arrays(kind, arrays, columns, outputs)
        return Plain(scaler, kind, arrays)
    if kind == "lightgbm":
        trees = lightgbm.Booster(model_str=light_text(entries["trees.txt"].decode(), columns, outputs))
        return Trees(scaler, trees, lambda trees, table: trees.predict(table))
    if kind == "xgboost":
        booster: Any = xgboost.Booster()
        booster.load_model(bytearray(extreme_json(entries["trees.json"], columns, outputs)))
        return Trees(scaler, booster, lambda trees, table: trees.inplace_predict(table))
    raise BadInput(f"expected one of {', '.join(('constant', 'onnx', 'lightgbm', 'xgboost', *KINDS))}")


def _scaling(scaler: Scaler) -> Arrays:
    return {"centre": scaler.centre, "spread": scaler.spread}


def _packed(arrays: Arrays) -> bytes:
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()
