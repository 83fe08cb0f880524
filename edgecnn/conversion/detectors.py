"""What is to be known of a detector that somebody else trained goes into the manifests of the files
that are made of it: its head, its classes and how images enter it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.conversion.source import SourceModel
from edgecnn.errors import EdgeCNNError
from edgecnn.feeding.detectors import ModelOptions, described, has_head, recognize
from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix
from edgecnn.manifest import Artifact, Manifest
from edgecnn.preprocessing import Preprocessing
from edgecnn.runtimes.declared import numeric_outputs

if TYPE_CHECKING:
    from edgecnn.data.base import Dataset


def as_detector(
    manifest: Manifest,
    source: SourceModel,
    path: Path | str,
    *,
    dataset: Dataset | None,
    preprocessing: Preprocessing | str | None,
    about: ModelOptions | None,
) -> Manifest:
    """The manifest of a model in the file `path` with all that is known of it as a detector; as it
    is for any other model, and for data of another task.

    Without data a detector must be one by more than the shape of finished boxes. Raises InputError
    for what the user says (`about`) and the model is not.
    """
    asked = about is not None and about != ModelOptions()
    if dataset is not None and dataset.task != "detection":
        return manifest
    if not asked and manifest.preprocessing is not None and has_head(manifest):
        return manifest
    file_format = by_suffix(Path(path))
    try:
        declared = file_format.signature(Path(path)) if file_format is not None else None
        if declared is None:
            return manifest
        artifact = Artifact(Path(path), manifest, source.sha256, 0)
        detector = recognize(
            artifact,
            source.inputs,
            numeric_outputs(declared),
            options=about,
            preprocessing=preprocessing,
        )
    except (*UNREADABLE, OSError, struct.error):
        return manifest
    except EdgeCNNError:
        if asked:
            raise
        return manifest
    sure = asked or dataset is not None or detector.sure
    return described(manifest, detector) if sure else manifest
