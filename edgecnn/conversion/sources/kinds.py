"""Identify the kind of a source by the content of its file or folder, never by its ending."""

from __future__ import annotations

import os
from pathlib import Path

from edgecnn.conversion.sources import SOURCES, OpenOptions
from edgecnn.errors import InputError
from edgecnn.formats.check import check_model_path
from edgecnn.formats.contents import identify
from edgecnn.models import applications
from edgecnn.registry import unknown_name
from edgecnn.system.places import ASSETS

_HEAD = 4096
_SHIPPED = (".keras", "_float32.onnx", "_static_int8.onnx")
"""Which of a shipped detector's files is converted: the first that is there."""


def kind_of(given: Path | str, options: OpenOptions) -> str:
    """The name in `SOURCES`.

    Raises InputError for a path that is not there, and for what is not a model, named as what it
    is.
    """
    path = Path(given)
    if not os.path.lexists(path):
        if applications.is_name(str(given)):
            return "application"
        raise _nothing_there(str(given), options)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        check_model_path(path)
    try:
        kind = _file(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if kind in SOURCES.names():
        return kind
    check_model_path(path)  # raises with what the file is
    raise InputError(
        f"{path.name} is not a model that can be converted",
        hint=f"known: {', '.join(SOURCES.names())}",
    )


def located(given: Path | str) -> Path | str:
    """The file of a detector that ships with edgecnn, for its name where nothing on the disk is
    called so; anything else as it is.
    """
    name = str(given)
    if os.path.lexists(given) or not name or Path(name).name != name:
        return given
    files = (ASSETS / f"{name}{ending}" for ending in _SHIPPED)
    return next((path for path in files if path.is_file()), given)


def _shipped_names() -> list[str]:
    """Detectors that ship with edgecnn."""
    names = {
        path.name.removesuffix(ending) for ending in _SHIPPED for path in ASSETS.glob(f"*{ending}")
    }
    return sorted(names)


def _nothing_there(given: str, options: OpenOptions) -> InputError:
    """For a name that is neither a file nor a network."""
    looks_like_a_name = options.weights is not None or not (Path(given).suffix or "/" in given)
    if looks_like_a_name:
        error = unknown_name("model", given, [*_shipped_names(), *applications.APPLICATIONS])
        return InputError(f"no such file, and {error.message}", hint=error.hint)
    return InputError(f"no such file: {given}")


def _folder(path: Path) -> str:
    names = {entry.name for entry in path.iterdir()}
    if names & {"saved_model.pb", "saved_model.pbtxt"}:
        return "saved_model"
    if {"config.json", "model.weights.h5"} <= names:
        return "keras"
    check_model_path(path)  # raises with what the folder is
    raise InputError(f"{path} is a folder without a model")


def _file(path: Path) -> str:
    """The kind of a file's content; empty for what nobody opens."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"\x89HDF\r\n\x1a\n") or _is_architecture(path, head):
        return "keras"
    content = identify(path) if head else None
    return content.format if content is not None else ""


def _is_architecture(path: Path, head: bytes) -> bool:
    """Whether a file is the JSON of a Keras model."""
    start = head.lstrip()
    if not start.startswith(b"{"):
        return False
    return b'"class_name"' in head and path.suffix.lower() != ".ipynb"
