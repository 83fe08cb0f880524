"""A model of another maker for a bundle: how it is fed, what its outputs mean, what its classes
are called, as far as the file, its shapes or the user say it.
"""

from __future__ import annotations

from dataclasses import replace

from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.feeding.choice import choose_preprocessing
from edgecnn.feeding.detectors import (
    ModelOptions,
    class_names_in,
    described,
    has_head,
    identify_detector,
)
from edgecnn.feeding.inferred_input import infer_from_file
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import ImagePreprocessing, Preprocessing
from edgecnn.runtimes.base import Session
from edgecnn.synthetic_inputs import channels_last


def understood(
    artifact: Artifact,
    session: Session,
    *,
    dataset: Dataset | None,
    about: ModelOptions | None,
    preprocessing: Preprocessing | str | None,
) -> Artifact:
    """The artifact with all of this in its manifest; as it is where its manifest says it already.

    Raises InputError for what the user says (`about`, `preprocessing`) and the model is not.
    """
    about = about or ModelOptions()
    manifest = artifact.manifest
    asked = about != ModelOptions() or preprocessing is not None
    headless = manifest.task == "detection" and not has_head(manifest)
    if len(session.inputs) != 1 or not (asked or manifest.preprocessing is None or headless):
        return artifact
    if about.head or headless or manifest.task in ("unknown", "detection"):
        try:
            detector = identify_detector(
                artifact,
                session.inputs,
                session.outputs,
                options=about,
                preprocessing=preprocessing,
            )
        except InputError:
            if about.head:
                raise
        else:
            if about.head or detector.sure or manifest.task == "detection":
                return replace(artifact, manifest=described(manifest, detector))
    return _other(artifact, session, dataset, about, preprocessing)


def _other(
    artifact: Artifact,
    session: Session,
    dataset: Dataset | None,
    about: ModelOptions,
    option: Preprocessing | str | None,
) -> Artifact:
    """A model that is not a detector."""
    manifest, spec = artifact.manifest, session.inputs[0]
    labels = about.labels or manifest.labels or class_names_in(artifact.path)
    sizes = [size for size in channels_last(spec)[1:] if size is not None]
    is_image = len(sizes) == 3 and sizes[2] in (1, 3)
    if dataset is None and not is_image:
        return replace(artifact, manifest=replace(manifest, labels=tuple(labels)))

    def base() -> Preprocessing:
        if dataset is not None:
            return dataset.preprocessing(sizes)
        height, width, channels = sizes
        return ImagePreprocessing(height, width, channels)

    choice = choose_preprocessing(
        base,
        manifest,
        option=option,
        proof=infer_from_file(artifact.path),
        layout=spec.layout,
        are_tensors=dataset is not None and dataset.are_tensors,
    )
    if choice.preprocessing is not None:
        manifest = replace(manifest, preprocessing=choice.preprocessing, feeding=choice.fed)
    labels = tuple(labels) or (dataset.labels if dataset else ())
    return replace(artifact, manifest=replace(manifest, labels=labels))
