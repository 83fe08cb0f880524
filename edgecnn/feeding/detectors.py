"""Identify a detector: its head, its class names, and its image preprocessing.

The manifest decides; else the user's word; else the outputs' shapes and what the file says about
itself (see `formats.metadata`), where these leave no doubt.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.class_names import coco_names, coco_names_by_id
from edgecnn.detection.answer import OURS
from edgecnn.detection.heads import DetectorSignature, find_head, head_class, open_head
from edgecnn.detection.heads.base import check_names, missing_names_reason
from edgecnn.detection.heads.heat_map import HeatMap
from edgecnn.errors import InputError
from edgecnn.feeding.choice import ChosenPreprocessing, choose_preprocessing
from edgecnn.feeding.inferred_input import InferredInput, infer_from_file
from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix
from edgecnn.formats.metadata import NOTHING, ModelMetadata, read_metadata
from edgecnn.manifest import Artifact, Manifest, TensorSpec
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import (
    ImagePreprocessing,
    LetterboxPreprocessing,
    Preprocessing,
    fed_with,
    in_layout,
    tensor_range,
)
from edgecnn.preprocessing.fed import Source
from edgecnn.synthetic_inputs import channels_last

_OTHER_TASKS = {
    "classify": "class scores",
    "obb": "turned boxes",
    "semantic": "a map of classes",
}
"""Ultralytics' tasks whose outputs are not upright boxes."""
_BACKGROUND = {"???", "background", "__background__"}
_COCO, _COCO_IDS = 80, 90


@dataclass(frozen=True)
class ModelOptions:
    """What a user says about a model that does not say it itself: the names of its classes in its
    order, and the head of a detector. Raises InputError for a head that nobody registered.
    """

    head: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.head:
            head_class(self.head)


@dataclass(frozen=True)
class IdentifiedDetector:
    """A detector with all that is to be known. `because` says from where the head is known."""

    postprocessing: Postprocessing
    choice: ChosenPreprocessing
    because: str
    classes: int | None = None
    """How many classes the outputs have, None where their shapes do not say it."""

    @property
    def sure(self) -> bool:
        """Whether more than a shape that other models have as well says that it is a detector."""
        return self.choice.fed.known_from == "metadata" or self.postprocessing.head != "end_to_end"

    @property
    def nameless(self) -> str:
        """Why its classes cannot be found among others', empty where they can: it has one, or they
        have names.
        """
        return missing_names_reason(self.postprocessing, self.classes)

    @property
    def preprocessing(self) -> ImagePreprocessing:
        """What images go through."""
        made = self.choice.preprocessing
        assert isinstance(made, ImagePreprocessing), "detectors take images"
        return made


def identify_detector(
    artifact: Artifact,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    *,
    options: ModelOptions | None = None,
    preprocessing: str | Preprocessing | None = None,
) -> IdentifiedDetector:
    """The detector that a file is, by its inputs and outputs as a runtime has them.

    `preprocessing` is what the user says about images (see `choose_preprocessing`). Raises
    InputError for a model that takes no image, for one whose head is not known or could be
    several, and for names of classes that are not as many as it has.
    """
    options = options or ModelOptions()
    manifest = artifact.manifest
    height, width = image_size(artifact.name, inputs)
    about = read_metadata(artifact.path)
    if about.task in _OTHER_TASKS:
        raise InputError(
            f"{artifact.name} is not a detector: its task is {about.task!r}, which answers with "
            f"{_OTHER_TASKS[about.task]}",
            hint="export a model of the task 'detect'",
        )
    signature = _clues((height, width), outputs, about)
    known = manifest.postprocessing
    if known is not None and options.head in ("", known.head):
        made, because = known, "its manifest says so"
    elif options.head:
        settings = head_class(options.head).find(signature) or Postprocessing(
            options.head, signature.class_names, signature.strides
        )
        made, because = settings, f"--head {options.head}"
    else:
        made = _matching_head(signature, artifact)
        by = f"the metadata of {about.maker}" if about.maker else "its outputs"
        because = f"{by} and input say so"
    made = _with_names(made, signature, outputs, options.labels or manifest_names(artifact))
    usual = open_head(made).preprocessing(height, width)
    choice = _choose(artifact, usual, inputs[0].layout, preprocessing, _evidence(made, about))
    classes = head_class(made.head).classes_of(signature.outputs)
    if classes is None and not made.class_names and made.head == OURS.head:
        classes = 1  # of several, our manifests name each
    if classes and head_class(made.head).counts_exactly:
        check_names(artifact.name, made, classes)
    return IdentifiedDetector(made, choice, because, classes)


def _matching_head(signature: DetectorSignature, artifact: Artifact) -> Postprocessing:
    """The head by shapes; ours where a runtime leaves them open and the manifest is ours."""
    stated = artifact.manifest.preprocessing
    try:
        return find_head(signature, artifact.name)
    except InputError:
        is_open = any(None in shape for shape in signature.outputs)
        if is_open and isinstance(stated, LetterboxPreprocessing):
            return OURS
        raise


def manifest_names(artifact: Artifact) -> tuple[str, ...]:
    """What a manifest calls the classes of a detector, in the order of its outputs; one of a single
    class needs no name.
    """
    stated = artifact.manifest.postprocessing
    labels = (stated.class_names if stated else ()) or artifact.manifest.labels
    return labels if len(labels) > 1 else ()


def image_size(name: str, inputs: Sequence[TensorSpec]) -> tuple[int, int]:
    """(height, width) of a model's only input. Raises InputError for one that takes no image."""
    shape = channels_last(inputs[0])[1:] if len(inputs) == 1 else ()
    if len(shape) != 3 or shape[2] != 3:
        raise InputError(
            f"{name} is not a detector: it takes {[spec.shape for spec in inputs]}",
            hint="a detector has one color image as its input",
        )
    height, width, _ = shape
    if height is None or width is None:
        raise InputError(
            f"{name} leaves the size of its images open: {inputs[0].shape}",
            hint="pass it, as in --shape 1x3x640x640",
        )
    return height, width


def stated_shape(path: Path) -> str:
    """The sizes that a file's metadata state for an input that the file leaves open, as --shape
    takes them ("3x640x640"); empty where nothing is open or stated.
    """
    about, known = read_metadata(path), by_suffix(path)
    if about.image_size is None or known is None:
        return ""
    try:
        declared = known.signature(path)
    except (*UNREADABLE, OSError, struct.error):
        return ""
    shape = declared.inputs[0].shape if declared and len(declared.inputs) == 1 else None
    if shape is None or len(shape) != 4 or all(_is_size(size) for size in shape[1:]):
        return ""
    last = shape[3] == 3
    sizes = (*about.image_size, 3) if last else (3, *about.image_size)
    fits = all(
        not _is_size(have) or have == want for have, want in zip(shape[1:], sizes, strict=True)
    )
    return "x".join(map(str, sizes)) if fits else ""


def _is_size(size: object) -> bool:
    return isinstance(size, int) and size > 0


def has_head(manifest: Manifest) -> bool:
    """Whether a manifest says how a detector's outputs become boxes; those that edgecnn trained
    before manifests named a head have outputs as only ours have.
    """
    if manifest.postprocessing is not None:
        return True
    try:
        size = image_size(manifest.model, manifest.inputs)
    except InputError:
        return False
    return HeatMap.find(_clues(size, manifest.outputs, NOTHING)) is not None


def class_names_in(path: Path) -> tuple[str, ...]:
    """What a file of another maker calls its classes, empty where it does not say it."""
    return read_metadata(path).names


def _clues(
    size: tuple[int, int], outputs: Sequence[TensorSpec], about: ModelMetadata
) -> DetectorSignature:
    names = about.names
    if about.parts and names and names[0].casefold() in _BACKGROUND:
        names = names[1:]  # the operator counts classes behind the background
    return DetectorSignature(
        *size,
        tuple(tuple(spec.shape[1:]) for spec in outputs),
        tuple(spec.name for spec in outputs),
        names,
        about.strides,
        about.end_to_end,
        about.parts,
        about.scored_classes,
        about.plain,
        about.unturned,
    )


def _with_names(
    made: Postprocessing,
    signature: DetectorSignature,
    outputs: Sequence[TensorSpec],
    labels: tuple[str, ...],
) -> Postprocessing:
    """With the names that the user or the manifest has, or COCO's for its number of classes."""
    if labels:
        return made.named(labels)
    if made.class_names:
        return made
    shapes = tuple(tuple(spec.shape[1:]) for spec in outputs)
    if signature.scored_classes == _COCO_IDS + 1:
        return made.named(coco_names_by_id())
    if head_class(made.head).classes_of(shapes) == _COCO:
        return made.named(coco_names())
    return made


def _choose(
    artifact: Artifact,
    usual: ImagePreprocessing,
    layout: str,
    option: str | Preprocessing | None,
    evidence: tuple[Source, str],
) -> ChosenPreprocessing:
    """The user's word, the manifest's, what the file's first layers prove, or what the head's
    makers do as a rule, for which there is `evidence`.
    """
    manifest = artifact.manifest
    proof: InferredInput | None = None
    if manifest.preprocessing is None or artifact.format != "keras":  # Keras is slow to load
        proof = infer_from_file(artifact.path)
    if proof is not None and proof.known_from != "metadata" and _agrees(proof, usual):
        proof = None
    choice = choose_preprocessing(
        lambda: usual, manifest, option=option, proof=proof, layout=layout
    )
    if choice.preprocessing is None:
        choice = ChosenPreprocessing(usual, in_layout(fed_with(usual, *evidence), layout))
    if not isinstance(choice.preprocessing, ImagePreprocessing):
        raise InputError(
            f"{artifact.name} is not a detector: its input is prepared by "
            f"{choice.preprocessing.kind if choice.preprocessing else 'nothing known'!r}",
            hint="a detector's preprocessing is of kind 'letterbox' or 'image'",
        )
    return choice


def _evidence(made: Postprocessing, about: ModelMetadata) -> tuple[Source, str]:
    if about.maker:
        return "metadata", f"its metadata are those of {about.maker}"
    kind = f"detectors with the head {made.head}"
    if made.logits:
        kind += " and no sigmoid at their end"
    return "family", f"{kind} take it so"


def _agrees(proof: InferredInput, usual: ImagePreprocessing) -> bool:
    """Whether what a file proves is what the head's makers do anyway: they also know the order of
    the colors.
    """
    proven = tensor_range(proof.applied(usual))
    own = tensor_range(usual)
    if proven is None or own is None:
        return proven == own
    span = own[1] - own[0]
    return max(abs(proven[0] - own[0]), abs(proven[1] - own[1])) <= 0.02 * span


def described(manifest: Manifest, recognized: IdentifiedDetector) -> Manifest:
    """A manifest with all that is known of a detector."""
    return replace(
        manifest,
        task="detection",
        preprocessing=recognized.preprocessing,
        feeding=recognized.choice.fed,
        postprocessing=recognized.postprocessing,
        labels=manifest.labels or recognized.postprocessing.class_names,
    )
