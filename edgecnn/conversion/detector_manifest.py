"""Complete the manifests of files converted from foreign models: class names and, for detectors,
head and image preprocessing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.conversion.sources.base import SourceModel
from edgecnn.errors import EdgeCNNError
from edgecnn.feeding.detectors import (
    IdentifiedDetector,
    ModelOptions,
    class_names_in,
    described,
    has_head,
    identify_detector,
)
from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix
from edgecnn.manifest import Artifact, Manifest
from edgecnn.preprocessing import Preprocessing
from edgecnn.runtimes.declared import numeric_outputs

if TYPE_CHECKING:
    from edgecnn.data.base import Dataset


def complete_detector_manifest(
    manifest: Manifest,
    source: SourceModel,
    path: Path | str,
    *,
    dataset: Dataset | None,
    preprocessing: Preprocessing | str | None,
    about: ModelOptions | None,
) -> Manifest:
    """The manifest of a model in the file `path` with all that is known of it as a detector; for
    any other model, and for data of another task, with the names of its classes alone.

    Without data a detector must be one by more than the shape of finished boxes. Raises InputError
    for what the user says (`about`) and the model is not.
    """
    path, about = Path(path), about or ModelOptions()
    asked = about != ModelOptions()
    if dataset is not None and dataset.task != "detection":
        return _named(manifest, path, about)
    if not asked and manifest.preprocessing is not None and has_head(manifest):
        return manifest
    artifact = Artifact(path, manifest, source.sha256, 0)
    file_format = by_suffix(path)

    def recognized(options: ModelOptions) -> IdentifiedDetector | None:
        declared = file_format.signature(path) if file_format is not None else None
        if declared is None:
            return None
        return identify_detector(
            artifact,
            source.inputs,
            numeric_outputs(declared),
            options=options,
            preprocessing=preprocessing,
        )

    try:
        detector = recognized(about)
    except (*UNREADABLE, OSError, struct.error):
        detector = None
    except EdgeCNNError:
        if asked and (about.head or dataset is not None or _succeeds(recognized)):
            raise
        detector = None
    if detector is not None and (asked or dataset is not None or detector.sure):
        return described(manifest, detector)
    return _named(manifest, path, about)


def _named(manifest: Manifest, path: Path, about: ModelOptions) -> Manifest:
    """The manifest with what the user, itself or the file calls the classes, in this order."""
    labels = about.labels or manifest.labels or class_names_in(path)
    return manifest if labels == manifest.labels else replace(manifest, labels=tuple(labels))


def _succeeds(recognized: Callable[[ModelOptions], IdentifiedDetector | None]) -> bool:
    """Whether the file is a detector by what it says itself: the user's names are wrong then."""
    try:
        return recognized(ModelOptions()) is not None
    except EdgeCNNError:
        return False
