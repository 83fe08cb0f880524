"""The model that a conversion starts from, and what its manifest lacks: from user and data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.conversion.inference.preprocessing import choose_source_preprocessing
from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.conversion.sources.base import SourceModel
from edgecnn.data.base import UNLABELED
from edgecnn.errors import InputError
from edgecnn.feeding import require_preprocessing
from edgecnn.keras_files import load_keras, network_name
from edgecnn.manifest import Manifest
from edgecnn.preprocessing import Fed, Preprocessing
from edgecnn.registry import SEQUENCE_MODELS
from edgecnn.sequences.graphs import is_sequence_model
from edgecnn.tensor_spec import one_tensor_error

if TYPE_CHECKING:
    import keras

    from edgecnn.conversion.sequences import SequenceSource
    from edgecnn.data.base import Dataset


def sequence_source(
    model: keras.Model | Path | str,
    manifest: Manifest | None,
    name: str | None,
    *,
    allow_unsafe: bool,
) -> SequenceSource | None:
    """A model that answers with a sequence, which is converted as two graphs; else None."""
    from edgecnn.conversion.sequences import SequenceSource
    from edgecnn.embedded_manifest import load_artifact

    if isinstance(model, str | Path):
        path = Path(model)
        if (
            path.suffix.lower() != ".keras"
            or not path.is_file()
            or network_name(path) not in SEQUENCE_MODELS.names()
        ):
            return None
        loaded = load_keras(path, allow_unsafe=allow_unsafe)
        artifact = load_artifact(path)
        known, sha256, own = manifest or artifact.manifest, artifact.sha256, path.stem
    else:
        loaded, own = model, str(model.name)
        known, sha256 = manifest or Manifest(model=own), ""
    if not is_sequence_model(loaded):
        return None
    from edgecnn.conversion.sources.keras_model import digest

    return SequenceSource(loaded, known, name or own, sha256 or digest(loaded))


def open_parent(
    model: keras.Model | Path | str,
    manifest: Manifest | None,
    name: str | None,
    options: OpenOptions,
) -> tuple[SourceModel, Manifest]:
    source: SourceModel
    if isinstance(model, str | Path):
        opened = open_source(model, options)
        source, known = opened.source, manifest or opened.manifest
    else:
        from edgecnn.conversion.sources.keras_model import describe, digest

        source = describe(
            model, name=name or str(model.name), sha256=digest(model), shape=options.shape
        )
        known = manifest or Manifest(model=str(model.name))
    return replace(source, name=name or source.name), known


def refuse_to_overwrite(model: object, made: Iterable[Path]) -> None:
    """Raise InputError where a target would take the place of the model that it is made from."""
    if not isinstance(model, str | Path) or not Path(model).exists():
        return
    for path in made:
        if path.exists() and path.samefile(model):
            raise InputError(
                f"{path} is the model itself: a target must not overwrite it",
                hint="choose another --out",
            )


def check_feedable(source: SourceModel, dataset: Dataset | None) -> None:
    """Raise InputError for data of one tensor a sample where a model takes several."""
    if dataset is None or dataset.has_named_inputs or len(source.inputs) == 1:
        return
    otherwise = "float32, float16 and dynamic_int8 need no data"
    raise one_tensor_error(source.name, source.inputs, otherwise=otherwise)


def complete_manifest(
    parent: Manifest,
    source: SourceModel,
    dataset: Dataset | None,
    preprocessing: Preprocessing | str | None,
) -> tuple[Manifest, Fed | None]:
    """The parent's manifest with labels from the data and the preprocessing that the model wants,
    and the record of the latter where samples of the data are fed.

    Raises InputError where there are data and nobody knows how to feed them.
    """
    choice = choose_source_preprocessing(source, parent, dataset, preprocessing)
    if choice.preprocessing is not None and choice.preprocessing != parent.preprocessing:
        parent = replace(parent, preprocessing=choice.preprocessing, feeding=choice.fed)
    if dataset is None:
        return parent, None
    require_preprocessing(choice, source.name)
    task = parent.task if parent.task != "unknown" else dataset.task
    complete_manifest = replace(
        parent,
        task="unknown" if task == UNLABELED else task,
        labels=parent.labels or (() if dataset.labels_are_class_ids else dataset.labels),
    )
    return complete_manifest, choice.fed
