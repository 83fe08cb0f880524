"""Sources of models to convert: one module for each kind, chosen by content.

A source module has `open_model(given, options) -> Opened`. What a path holds decides which one is
asked, not how the path ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.conversion.sources.base import SourceModel
from edgecnn.manifest import Manifest
from edgecnn.registry import Registry

__all__ = ["SOURCES", "OpenOptions", "Opened", "open_source"]

SOURCES = Registry(
    "kind of model to convert",
    "edgecnn.sources",
    {
        "keras": "edgecnn.conversion.sources.keras_file:open_model",
        "onnx": "edgecnn.conversion.sources.onnx:open_model",
        "tflite": "edgecnn.conversion.sources.tflite:open_model",
        "saved_model": "edgecnn.conversion.sources.saved_model:open_model",
        "application": "edgecnn.conversion.sources.application:open_model",
    },
)


@dataclass(frozen=True)
class OpenOptions:
    """What a user says about a model to open.

    `weights` is a file of weights for an architecture without any ("none" for fresh ones),
    `custom` are Python modules that define or register layers, and are run. `shape` gives sizes for
    open dimensions, as --shape does (see `runtimes.shapes`). `allow_unsafe` runs code that a file
    brings.
    """

    weights: str | None = None
    custom: tuple[Path, ...] = ()
    shape: str = ""
    allow_unsafe: bool = False


@dataclass(frozen=True)
class Opened:
    """A model with what its manifest says (an inferred one where it has none)."""

    source: SourceModel
    manifest: Manifest


def open_source(given: Path | str, options: OpenOptions | None = None) -> Opened:
    """Open a file, a folder, or a network of keras.applications by its name.

    Raises InputError for what cannot be read, or is not a model, and names what it is instead;
    MissingDependencyError for a kind whose library is not installed.
    """
    from edgecnn.conversion.sources.kinds import kind_of

    options = options or OpenOptions()
    opener = SOURCES.load(kind_of(given, options))
    opened: Opened = opener(Path(given), options)
    return opened
