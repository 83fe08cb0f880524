"""Models and weights that Keras wrote into one HDF5 file (`.h5`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.keras_files.archive import check_weights
from edgecnn.keras_files.library import import_keras, import_keras_2, is_keras_2
from edgecnn.keras_files.problems import (
    DAMAGED,
    all_weights_loaded,
    explained,
    first_sentence,
    unreadable,
    unregistered,
)
from edgecnn.keras_files.trust import FUNCTION_LAYERS, outside_data, refuse_code, refuse_named_files
from edgecnn.keras_files.trust import objects as objects_in
from edgecnn.registry import require
from edgecnn.system import scratch

MAX_CONFIG_BYTES = 64 << 20


@dataclass(frozen=True)
class HDF5:
    """What an HDF5 file of Keras says: its architecture, if it holds one, and who wrote it."""

    config: Any | None
    version: str


def examine(path: Path) -> HDF5:
    """Read the attributes of an HDF5 file, after a look at whether it reads other files.

    Raises InputError for a file that is not whole, or whose data lie in other files.
    """
    import_keras()
    h5py = require("h5py", "train")
    try:
        with h5py.File(path, "r") as file:
            outside = next(outside_data(h5py, file), None)
            config = _attribute(file, "model_config")
            version = _attribute(file, "keras_version") or ""
            if not version and "model_weights" in file:
                version = _attribute(file["model_weights"], "keras_version") or ""
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path.name}: not a whole HDF5 file ({first_sentence(error)})", hint=DAMAGED
        ) from error
    if outside:
        raise InputError(
            f"{path.name}: {outside} lies in another file",
            hint="do not use this file: an honest one holds its weights",
        )
    if config is None:
        return HDF5(None, version)
    try:
        return HDF5(json.loads(config), version)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path.name}: its architecture is not JSON ({first_sentence(error)})", hint=DAMAGED
        ) from error


def load_hdf5(
    path: Path, *, allow_unsafe: bool = False, objects: Mapping[str, Any] | None = None
) -> tuple[Any, str]:
    """(the model, the version of Keras that wrote it) of an HDF5 file, whatever it is called.

    Keras 3 loads it where it can, tf-keras otherwise. Raises InputError for a file that is not
    whole, that holds weights without an architecture, or that carries code;
    MissingDependencyError for one that only Keras 2 reads, without tf-keras.
    """
    content = examine(path)
    if content.config is None:
        raise InputError(
            f"{path.name} holds weights of Keras without an architecture",
            hint="pass the architecture too: edgecnn convert ARCHITECTURE.json --weights "
            f"{path.name}, or the name of a network that `edgecnn models` lists",
        )
    if not allow_unsafe:
        refuse_code(path, content.config)
        refuse_named_files(path, content.config)
    error: Exception | None = None
    if not _needs_keras_2(content.config):
        try:
            return _loaded(import_keras(), path, allow_unsafe, objects), content.version
        except unreadable() as refusal:
            error = refusal
            if content.version.startswith("3."):
                raise explained(path, error) from error
    try:
        library = import_keras_2()
    except MissingDependencyError as missing:
        if error is not None and unregistered(error) is not None:
            raise explained(path, error) from error
        why = f": {first_sentence(error)}" if error is not None else ""
        raise MissingDependencyError(
            f"{path.name} is a model of Keras {content.version or 2} that Keras 3 cannot read{why}",
            hint=missing.hint,
        ) from missing
    try:
        return _loaded(library, path, allow_unsafe, objects), content.version or "2"
    except unreadable() as refusal:
        raise explained(path, refusal) from refusal


def load_weights(model: Any, path: Path) -> None:
    """Load a file of weights into a model: Keras 3's `.weights.h5`, an older `.h5`, or those in a
    `.keras` archive.

    Raises InputError for a file that is not whole, and for weights of another architecture.
    """
    archive = starts_with(path) == b"PK\x03\x04"
    if archive:
        check_weights(path)
    else:
        examine(path)
    library = import_keras_2() if is_keras_2(model) else import_keras()
    with _named(path, ".keras" if archive else _ending(path)) as named:
        try:
            with all_weights_loaded():
                if archive:
                    library.saving.load_weights(model, named)
                else:
                    model.load_weights(str(named))
        except unreadable() as error:
            raise InputError(
                f"{path.name}: its weights are not those of {model.name} ({first_sentence(error)})",
                hint="pass the weights of this architecture, of its number of classes and size",
            ) from error


def starts_with(path: Path) -> bytes:
    """The first four bytes of a file."""
    with path.open("rb") as file:
        return file.read(4)


def _ending(path: Path) -> str:
    """`.weights.h5` for what Keras 3 wrote (groups of layers and their variables), `.h5` for what
    came before.
    """
    h5py = require("h5py", "train")
    with h5py.File(path, "r") as file:
        old = "layer_names" in file.attrs or "model_weights" in file
    return ".h5" if old else ".weights.h5"


def _loaded(library: Any, path: Path, allow_unsafe: bool, objects: Mapping[str, Any] | None) -> Any:
    with _named(path, ".h5") as named, all_weights_loaded():
        return library.models.load_model(
            str(named),
            custom_objects=dict(objects or {}),
            compile=False,
            safe_mode=not allow_unsafe,
        )


@contextmanager
def _named(path: Path, ending: str) -> Iterator[Path]:
    """The path, or a link to it with the ending by which Keras knows it."""
    if path.name.endswith(ending):
        yield path
        return
    with scratch.folder() as folder:
        link = folder / f"model{ending}"
        link.symlink_to(path.absolute())
        yield link


def _attribute(group: Any, name: str) -> str | None:
    value = group.attrs.get(name)
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if len(text) > MAX_CONFIG_BYTES:
        raise ValueError(f"{name} has {len(text):,} characters")
    return text


def _needs_keras_2(config: Any) -> bool:
    return any(str(entry.get("class_name")) in FUNCTION_LAYERS for entry in objects_in(config))
