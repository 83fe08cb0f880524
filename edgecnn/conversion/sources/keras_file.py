"""Keras 3 and Keras 2 in files: `.keras`, `.h5`, an architecture (JSON) with weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecnn.conversion.sources import Opened, OpenOptions
from edgecnn.conversion.sources.keras_model import describe
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.files import read_json_file, sha256_of
from edgecnn.keras_files import import_keras, import_keras_2
from edgecnn.keras_files.archive import load_archive
from edgecnn.keras_files.custom import custom_objects
from edgecnn.keras_files.hdf5 import load_hdf5, load_weights, starts_with
from edgecnn.keras_files.problems import explained, first_sentence, unreadable
from edgecnn.keras_files.trust import refuse_code, refuse_named_files
from edgecnn.manifest import Manifest, read_sidecar

MAX_ARCHITECTURE_BYTES = 64 << 20
FOLDER_FILES = ("config.json", "model.weights.h5")
"""What an unpacked `.keras` archive holds."""


def open_model(path: Path, options: OpenOptions) -> Opened:
    """Load a Keras model from `path`, with the weights that `options` name, if any.

    Raises InputError for a file that is not whole, carries code, needs a class that nobody
    registered, or holds one half of a model; MissingDependencyError for a file that only Keras 2
    reads, without tf-keras.
    """
    objects = custom_objects(options.custom)
    weights = _weights_file(options)
    if path.is_dir() or starts_with(path) not in (b"PK\x03\x04", b"\x89HDF"):
        architecture = path / FOLDER_FILES[0] if path.is_dir() else path
        weights = weights or (path / FOLDER_FILES[1] if path.is_dir() else None)
        model = _from_architecture(architecture, weights, options, objects)
        files = [architecture, *([weights] if weights else [])]
        manifest = Manifest(model=_name(path), recipe="float32", inferred=True)
    else:
        load = load_archive if starts_with(path) == b"PK\x03\x04" else load_hdf5
        model, _ = load(path, allow_unsafe=options.allow_unsafe, objects=objects)
        files = [path, *([weights] if weights else [])]
        manifest = _manifest(path)
    if weights is not None:
        load_weights(model, weights)
    source = describe(model, name=_name(path), sha256=digest_of(files), shape=options.shape)
    if options.custom:
        custom = [sha256_of(module) for module in options.custom]
        source = replace(source, given={**source.given, "custom": custom})
    return Opened(source, manifest)


def digest_of(files: list[Path]) -> str:
    """The digest of one file, or of the list of the digests of several."""
    digests = [sha256_of(path) for path in files]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _name(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.stem


def _weights_file(options: OpenOptions) -> Path | None:
    if options.weights is None:
        return None
    weights = Path(options.weights)
    if not weights.is_file():
        raise InputError(f"no such file: {weights}", hint="--weights takes a file of weights")
    return weights


def _manifest(path: Path) -> Manifest:
    if path.suffix.lower() == ".keras" and starts_with(path) == b"PK\x03\x04":
        return load_artifact(path).manifest
    sidecar = read_sidecar(path, sha256_of(path))
    return sidecar or Manifest(model=path.stem, recipe="float32", inferred=True)


def _from_architecture(
    path: Path, weights: Path | None, options: OpenOptions, objects: Mapping[str, Any]
) -> Any:
    """A network from its configuration as JSON; its weights are still fresh."""
    config = read_json_file(path, limit=MAX_ARCHITECTURE_BYTES)
    if not isinstance(config, dict) or "class_name" not in config:
        raise InputError(f"{path.name}: not a Keras architecture (JSON without a class_name)")
    if not options.allow_unsafe:
        refuse_code(path, config)
        refuse_named_files(path, config)
    if weights is None:
        raise InputError(
            f"{path.name} is a Keras architecture without weights",
            hint=f"pass the file that holds them: edgecnn convert {path.name} --weights FILE",
        )
    version = str(config.get("keras_version", ""))
    error: Exception | None = None
    if not version.startswith("2.") or _also_keras_3(config):
        try:
            saving = import_keras().saving
            return saving.deserialize_keras_object(
                config, custom_objects=dict(objects), safe_mode=not options.allow_unsafe
            )
        except unreadable() as refusal:
            error = refusal
    try:
        library = import_keras_2()
    except MissingDependencyError as missing:
        if error is not None and not version.startswith("2."):
            raise explained(path, error) from error
        why = f": {first_sentence(error)}" if error is not None else ""
        raise MissingDependencyError(
            f"{path.name} is an architecture of Keras {version or 2} that Keras 3 cannot read{why}",
            hint=missing.hint,
        ) from missing
    try:
        with library.saving.custom_object_scope(dict(objects)):
            return library.models.model_from_json(json.dumps(config))
    except unreadable() as refusal:
        raise explained(path, refusal) from refusal


def _also_keras_3(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is written as Keras 3 writes it."""
    return "module" in config
