"""Preprocessing of a model that is converted or verified."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from edgecnn.conversion.sources.base import SourceModel
from edgecnn.errors import InputError
from edgecnn.feeding import ChosenPreprocessing, choose_preprocessing
from edgecnn.feeding.choice import UNKNOWN
from edgecnn.feeding.inputs import AS_THEY_ARE, check_no_preprocessing
from edgecnn.manifest import Manifest
from edgecnn.preprocessing import ImagePreprocessing, Preprocessing

if TYPE_CHECKING:
    from edgecnn.data.base import Dataset


def choose_source_preprocessing(
    source: SourceModel,
    manifest: Manifest,
    dataset: Dataset | None,
    option: Preprocessing | str | None,
) -> ChosenPreprocessing:
    """How `source` is fed, by the user's option, the manifest, or what the model proves.

    Without data a preprocessing of images may still be found, for the manifest. Raises
    InputError for an option that is not known or not for such an input, and for data that do
    not fit the model.
    """
    if dataset is not None and dataset.has_named_inputs:
        check_no_preprocessing(option)
        return ChosenPreprocessing(None, AS_THEY_ARE)
    proof = source.proof()
    base = partial(_base, source, dataset)
    try:
        return choose_preprocessing(
            base,
            manifest,
            option=option,
            proof=proof,
            layout=source.layout,
            are_tensors=dataset is not None and dataset.are_tensors,
        )
    except InputError:
        if dataset is not None or option is not None:
            raise
        return ChosenPreprocessing(None, UNKNOWN)  # it takes no images, and nothing is fed


def _base(source: SourceModel, dataset: Dataset | None) -> Preprocessing:
    if dataset is not None:
        return dataset.preprocessing(source.input_shape)
    if len(source.input_shape) != 3:
        raise InputError(
            f"{source.name} takes no images: {source.input_shape}",
            hint="pass data as well, or a JSON file with the whole preprocessing",
        )
    return ImagePreprocessing(*source.input_shape)
