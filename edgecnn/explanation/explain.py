"""Compute an explanation of one model and one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset, Split
from edgecnn.data.splitting.training_overlap import training_overlap
from edgecnn.deprecation import old_arguments, old_attribute
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.evaluation.class_scorer import ClassScorer
from edgecnn.evaluation.label_map import label_map
from edgecnn.explanation import network
from edgecnn.explanation.color import Contribution, contributions
from edgecnn.explanation.feature_maps import FeatureMaps, feature_maps
from edgecnn.explanation.grad_cam import ClassMap, candidates, class_maps
from edgecnn.explanation.occlusion import Occlusion, occlude
from edgecnn.explanation.receptive_field import EffectiveField, effective_fields, noisy_copies
from edgecnn.explanation.shift import ShiftCurve, shift_curve
from edgecnn.explanation.subject import ExplainedModel, open_explained_model
from edgecnn.feeding.choice import HINT
from edgecnn.feeding.scoring import scoring_context
from edgecnn.models.receptive_field import ReceptiveField, receptive_fields
from edgecnn.preprocessing import FloatArray, Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.runtimes.first_layer import first_convolution, read_first_convolution

MOST_STAGES = 6
DEFAULT_SHIFTS = 9
"""0 to 8 pixels."""
DEFAULT_SAMPLES = 400
ImageArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Explanation:
    """What a model sees in one image. Parts that are not available are empty or None."""

    subject: ExplainedModel
    image: ImageArray
    """As the file has it: (height, width, 1 or 3)."""
    image_name: str
    ground_truth: int | None
    """The image's class where the data say it, in the model's numbers."""
    tensor: FloatArray
    scores: FloatArray
    """(classes,) probabilities."""
    classes: tuple[int, ...]
    """What Grad-CAM was asked about: the answer first."""
    filters: FloatArray | None
    """The first convolution's kernel (height, width, channels, filters); red comes first."""
    class_maps: tuple[ClassMap, ...]
    occlusion: Occlusion | None
    features: tuple[FeatureMaps, ...]
    fields: tuple[EffectiveField, ...]
    theory: Mapping[str, ReceptiveField]
    """Layer → theoretical receptive field; empty where it is not known."""
    colors: tuple[Contribution, ...]
    curves: tuple[ShiftCurve, ...]
    data_name: str = ""
    invalid: tuple[str, ...] = ()
    """Why the curves say nothing about new images."""

    picture = old_attribute("picture", "image")
    picture_name = old_attribute("picture_name", "image_name")


@old_arguments(picture="image", picture_name="image_name")
def explain(
    model: Path,
    image: ImageArray | None = None,
    *,
    image_name: str = "",
    others: Sequence[Path] = (),
    dataset: Dataset | None = None,
    shifts: Sequence[int] = (),
    samples: int | None = None,
    classes: Sequence[str] = (),
    top: int = 3,
    layer: str | None = None,
    allow_unsafe: bool = False,
    preprocessing: Preprocessing | str | None = None,
    shape: str = "",
    labels: Sequence[str] = (),
    progress: Progress = silent,
) -> Explanation:
    """Explain `model` on one image (uint8, as decoded), and measure how it bears shifts.

    Without `image` the first image of the data's test split is taken. `others` are further
    files of the same parent: they are measured under `shifts` on `samples` images of
    `dataset`'s test split, DEFAULT_SAMPLES unless given. `classes` (names or indices) and `top`
    say which classes Grad-CAM looks for, `layer` where. `preprocessing` says what the models
    want, where they do not, `shape` the sizes that files leave open, and `labels` what the models
    call their classes.

    Raises InputError for files, images, classes and layers that cannot be used, for what is only
    measured on data without a `dataset`, for data without anybody who knows how the models want
    them, and for data whose labels are none of the model's classes.
    """
    if dataset is None:
        _check_shown_alone(others, shifts, samples)
    of_data = image is None
    if image is None:
        image, image_name = _first_image(dataset)
    subject, *relatives = (
        open_explained_model(
            path, allow_unsafe=allow_unsafe, option=preprocessing, shape=shape, labels=labels
        )
        for path in (model, *others)
    )
    for one in (subject, *relatives):
        if dataset is not None and not one.fed.known:
            raise InputError(f"{one.artifact.name}: {one.fed.because}", hint=HINT)
    for other in relatives:
        _check_kinship(subject, other)
    progress("explain", 0, 4, "answer")
    tensor = subject.preprocessing(image)
    scores = subject.scores(tensor[None])[0]
    test = None if dataset is None else _in_classes([subject, *relatives], dataset, scores)
    ground_truth = int(test.labels[0]) if test is not None and of_data else None
    wanted = _classes(subject, scores, classes, top)
    if ground_truth is not None and not classes:
        wanted = list(dict.fromkeys([*wanted, ground_truth]))
    layers = network.spatial_layers(subject.model) if subject.model is not None else []
    chosen = network.stages(layers, MOST_STAGES)
    progress("explain", 1, 4, "where it looks")
    maps, covered = _evidence(subject, tensor, wanted, layers, layer)
    progress("explain", 2, 4, "what its layers see")
    features, fields = _layers(subject, tensor, chosen, dataset)
    progress("explain", 3, 4, "colors")
    colors = contributions(
        subject.scores, tensor, wanted[0], subject.model, order=subject.preprocessing.order
    )
    progress("explain", 4, 4, "done")
    return Explanation(
        subject=subject,
        image=image,
        image_name=image_name,
        ground_truth=ground_truth,
        tensor=tensor,
        scores=scores,
        classes=tuple(wanted),
        filters=_filters(subject),
        class_maps=tuple(maps),
        occlusion=covered,
        features=tuple(features),
        fields=tuple(fields),
        theory=_theory(subject),
        colors=tuple(colors),
        curves=_curves([subject, *relatives], test, shifts, samples or DEFAULT_SAMPLES, progress),
        data_name=dataset.name if dataset else "",
        invalid=_invalid([subject, *relatives], dataset),
    )


def _check_shown_alone(others: Sequence[Path], shifts: Sequence[int], samples: int | None) -> None:
    """Without data nothing is shifted, and no further file is looked at."""
    given = [
        *(path.name for path in others),
        *(["--shifts"] if shifts else []),
        *(["--samples"] if samples is not None else []),
    ]
    if given:
        raise InputError(
            f"--data is required with {', '.join(given)}",
            hint="pass --data, or omit these",
        )


def _invalid(subjects: Sequence[ExplainedModel], dataset: Dataset | None) -> tuple[str, ...]:
    if dataset is None:
        return ()
    counted = [training_overlap(one.artifact.manifest, dataset) for one in subjects]
    said = (seen.sentence for seen in counted if seen is not None and seen.count)
    return tuple(dict.fromkeys(said))


def _check_kinship(subject: ExplainedModel, other: ExplainedModel) -> None:
    """Files that stand in one image come from one parent."""
    first, second = (_parent(one) for one in (subject, other))
    if first != second:
        raise InputError(
            f"{other.artifact.name} and {subject.artifact.name} do not come from one parent",
            hint="pass a model and the files that were converted from it",
        )


def _parent(subject: ExplainedModel) -> str:
    """The digest of the model that a file was made from; a file made from none is its own."""
    return subject.artifact.manifest.parent_sha256 or subject.artifact.sha256


def _first_image(dataset: Dataset | None) -> tuple[ImageArray, str]:
    if dataset is None:
        raise InputError(
            "no image to explain", hint="pass an image file, or --data for one of its images"
        )
    if dataset.modality != "image" or dataset.task != "classification":
        raise InputError(
            f"{dataset.name} holds no images with classes", hint="explain is for images"
        )
    split = dataset["test"]
    name = f"the first test image of {dataset.name} ({dataset.labels[int(split.labels[0])]})"
    return np.asarray(split.samples[0]), name


def _in_classes(subjects: Sequence[ExplainedModel], dataset: Dataset, scores: FloatArray) -> Split:
    """The test images, labeled with the model's own class numbers; `scores` is one answer.

    The files come from one parent, so they answer the same classes. Raises InputError where
    data and model do not belong together.
    """
    hint = "pass the data it was trained on, or leave --data out"
    for subject in subjects:
        fits = dataset.task == "classification" and dataset.modality == "image"
        if subject.detects or not fits:
            raise InputError(
                f"{subject.artifact.name} does not have the {len(dataset.labels)} classes "
                f"of {dataset.name}: shifts cannot be measured",
                hint=hint,
            )
    first = subjects[0]
    context = scoring_context(
        dataset, "test", first.preprocessing, first.artifact.manifest, first.labels
    )
    if refusal := ClassScorer(context).refusal([scores[None]]):
        raise InputError(f"{first.artifact.name} with {dataset.name}: {refusal}", hint=hint)
    own = context.class_ids
    places = own if own is not None else label_map(context.labels, first.labels, len(scores))
    split = dataset["test"]
    return Split(split.samples, np.asarray(places, np.int64)[split.labels])


def _classes(
    subject: ExplainedModel, scores: FloatArray, asked: Sequence[str], top: int
) -> list[int]:
    """The answer, then the classes asked for, else the next best."""
    order = [int(index) for index in np.argsort(-scores, kind="stable")]
    if not asked:
        return order[: max(1, top)]
    named = {label: index for index, label in enumerate(subject.labels)}
    wanted = []
    for name in asked:
        if name in named:
            wanted.append(named[name])
            continue
        try:
            index = int(name)
        except ValueError:
            known = ", ".join(subject.labels[:20]) or f"0 to {len(scores) - 1}"
            raise InputError(f"no class {name!r}", hint=f"known: {known}") from None
        wanted.append(network.check_class(index, len(scores)))
    return list(dict.fromkeys([order[0], *wanted]))


def _evidence(
    subject: ExplainedModel,
    tensor: FloatArray,
    wanted: Sequence[int],
    layers: Sequence[network.MapLayer],
    layer: str | None,
) -> tuple[list[ClassMap], Occlusion | None]:
    """Grad-CAM where there are gradients and maps to take it at, occlusion elsewhere."""
    if layer is not None and subject.model is None:
        raise InputError(
            f"--layer {layer}: {subject.artifact.name} gives no access to its layers",
            hint="pass the .keras file it was made from",
        )
    if subject.model is None or not layers:
        return [], occlude(subject.scores, tensor, wanted[0])
    ends = network.stages(layers, len(layers))
    places = [network.layer_named(layers, layer)] if layer else candidates(ends)
    return class_maps(subject.model, tensor, wanted, places), None


def _layers(
    subject: ExplainedModel,
    tensor: FloatArray,
    chosen: Sequence[network.MapLayer],
    dataset: Dataset | None,
) -> tuple[list[FeatureMaps], list[EffectiveField]]:
    if subject.model is None:
        return [], []
    inputs = noisy_copies(tensor)
    if dataset is not None:
        split = dataset["test"]
        places = np.linspace(0, len(split) - 1, min(len(inputs), len(split))).round().astype(int)
        inputs = subject.preprocessing.batch([split.samples[int(place)] for place in places])
    return (
        feature_maps(subject.model, tensor, chosen),
        effective_fields(subject.model, inputs, chosen),
    )


def _filters(subject: ExplainedModel) -> FloatArray | None:
    if subject.model is not None:
        convolution = first_convolution(subject.model)
    else:
        convolution = read_first_convolution(subject.artifact.path)
    if convolution is None or convolution[0].shape[2] != subject.preprocessing.channels:
        return None
    kernel = convolution[0]
    return kernel[:, :, ::-1] if subject.preprocessing.order == "bgr" else kernel


def _theory(subject: ExplainedModel) -> dict[str, ReceptiveField]:
    """Nothing where a layer of the model does not state its window."""
    if subject.model is None:
        return {}
    try:
        return receptive_fields(subject.model)
    except UnsupportedError:
        return {}


def _curves(
    subjects: Sequence[ExplainedModel],
    test: Split | None,
    shifts: Sequence[int],
    samples: int,
    progress: Progress,
) -> tuple[ShiftCurve, ...]:
    if test is None:
        return ()
    side = min(subjects[0].preprocessing.shape[:2])
    shifts = shifts or range(min(DEFAULT_SHIFTS, side))
    return tuple(
        shift_curve(
            subject.artifact.name,
            subject.scores,
            test,
            subject.preprocessing,
            shifts,
            limit=samples,
            progress=progress,
        )
        for subject in subjects
    )
