"""Fitted models as files: a zip of manifest.json, with the lineage and checksums, and what the model has learned. Nothing in it is run.

Trees are in LightGBM's and XGBoost's own text, networks are ONNX, all else is arrays of numpy.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import lightgbm
import msgspec
import numpy as np
import xgboost

from tercet.errors import BadInput
from tercet.signals.experts import Same, Scaled, Scaler, Trees
from tercet.signals.exported import Exported, written
from tercet.signals.fitted import Fitted, Lineage, Model
from tercet.signals.plain import KINDS, Arrays, Plain, plain_of

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
        model = _given(manifest.kind, entries)
    except (KeyError, ValueError, BadInput, lightgbm.basic.LightGBMError, xgboost.core.XGBoostError) as error:
        raise BadInput(f"{path}: expected a model of kind {manifest.kind!r}, found none that can be used: {error}") from error
    return Fitted(model, lineage)


def terms_of(path: Path) -> bytes:
    """The terms that a model file was saved with, checked as `load` does; nothing where there were none."""
    return _read(Path(path))[1].get(TERMS, b"")


def _read(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as file:
            entries = {name: file.read(name) for name in file.namelist()}
    except OSError as error:
        raise BadInput(f"{path}: expected a model file, found: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{path}: expected a model file, found one truncated or altered, or something else: {error}") from error
    about = entries.pop(MANIFEST, None)
    if about is None:
        raise BadInput(f"{path}: expected a model file, found a zip without {MANIFEST}")
    try:
        version = msgspec.json.decode(about).get("format")
        if version != FORMAT:
            raise BadInput(f"{path}: expected a model file of format {FORMAT}, found format {version}: fit or save it with this version")
        manifest = msgspec.json.decode(about, type=Manifest)
    except (msgspec.DecodeError, AttributeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: expected a model file's manifest, found another: {error}") from error
    if manifest.model_id != manifest.lineage.model_id:
        raise BadInput(f"{path}: expected the lineage of {manifest.model_id}, found another: the file was altered")
    if {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()} != manifest.checksums:
        raise BadInput(f"{path}: expected entries of the manifest's checksums, found others: the file was altered")
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


def _given(kind: str, entries: dict[str, bytes]) -> Model:
    """A model of a kind, of what it has learned."""
    if kind == "onnx":
        return Exported.of(entries["network.onnx"])
    arrays = _unpacked(entries["arrays.npz"])
    if kind == "constant":
        return Same(arrays["value"])
    scaler = Scaler(arrays.pop("centre"), arrays.pop("spread"))
    if kind in KINDS:
        return Plain(scaler, kind, arrays)
    if kind == "lightgbm":
        return Trees(scaler, lightgbm.Booster(model_str=entries["trees.txt"].decode()), lambda trees, table: trees.predict(table))
    if kind == "xgboost":
        booster: Any = xgboost.Booster()
        booster.load_model(bytearray(entries["trees.json"]))
        return Trees(scaler, booster, lambda trees, table: trees.inplace_predict(table))
    raise BadInput(f"expected one of {', '.join(('constant', 'onnx', 'lightgbm', 'xgboost', *KINDS))}")


def _scaling(scaler: Scaler) -> Arrays:
    return {"centre": scaler.centre, "spread": scaler.spread}


def _packed(arrays: Arrays) -> bytes:
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _unpacked(content: bytes) -> Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
