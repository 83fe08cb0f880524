"""The model that is explained: what it takes, what it answers, and whether gradients are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.detection.heads.base import sigmoid
from edgecnn.detection.heads.heat_map import HeatMap, arrange_outputs
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.feeding import ChosenPreprocessing, choose_preprocessing, infer_from_file
from edgecnn.feeding.detectors import class_names_in
from edgecnn.feeding.keras_model import prove
from edgecnn.formats.layers import FileLayer, read_layers
from edgecnn.keras_files import load_keras
from edgecnn.manifest import Artifact, Manifest
from edgecnn.preprocessing import Fed, FloatArray, ImagePreprocessing, Preprocessing
from edgecnn.runtimes import load, reference_runtime

if TYPE_CHECKING:
    import keras

    from edgecnn.runtimes.base import Session

BATCH = 32
WHITE_DEVIATIONS = 3.0
"""Where each image has its own contrast: so many deviations from its mean are shown white."""
_ROUNDING = 0.01
"""How far a quantized probability may lie outside of 0…1."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ExplainedModel:
    """A model over images: a Keras model with gradients, or a session without.

    `notes` say what had to be assumed about the file.
    """

    artifact: Artifact
    preprocessing: ImagePreprocessing
    model: keras.Model | None
    session: Session | None
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fed: Fed = field(default_factory=lambda: Fed("unknown", "the preprocessing is unknown"))
    """What it is fed, and from where that is known."""
    layers: tuple[FileLayer, ...] = ()
    """The operators of a file that gives no gradients, in the order in which they run."""
    answers_probabilities: bool = True
    """Whether its class scores lie within 0…1 by themselves (softmax, sigmoid)."""

    @property
    def detects(self) -> bool:
        """Whether it answers with a heat map over the image instead of classes."""
        return self.artifact.manifest.task == "detection"

    def scores(self, tensors: FloatArray) -> FloatArray:
        """Probabilities (n, classes) for (n, height, width, channels).

        Raises InputError where the model answers with something that is not a number.
        """
        scores = self.unchecked_scores(tensors)
        if not np.isfinite(scores).all():
            raise InputError(
                f"{self.artifact.name} answers with scores that are not finite numbers",
                hint="check its weights, and that --preprocessing is what it was trained with",
            )
        return scores

    def unchecked_scores(self, tensors: FloatArray) -> FloatArray:
        """As `scores`, with NaN and infinity where the model answers so."""
        return np.concatenate([self._as_scores(outputs) for outputs in self._outputs(tensors)])

    def label(self, index: int) -> str:
        """What class `index` is called: its name, or its number."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"

    def pixels(self, tensor: FloatArray) -> npt.NDArray[np.uint8]:
        """What the network got (height, width, channels), back as an image (h, w, 3)."""
        wants = self.preprocessing
        values = tensor * np.asarray(wants.std, np.float32) + np.asarray(wants.mean, np.float32)
        levels = values / np.float32(wants.scale)
        if wants.contrast == "picture":
            levels = (values / np.float32(WHITE_DEVIATIONS) + 1) * np.float32(127.5)
        gray_levels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        if wants.order == "bgr":
            gray_levels = gray_levels[:, :, ::-1]
        return np.repeat(gray_levels, 3, axis=2) if gray_levels.shape[2] == 1 else gray_levels

    def _outputs(self, tensors: FloatArray) -> Iterable[list[Array]]:
        if self.model is not None:
            from edgecnn.keras_files import import_keras

            keras = import_keras()
            for start in range(0, len(tensors), BATCH):
                outputs = self.model(tensors[start : start + BATCH], training=False)
                yield [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(outputs)]
        elif self.session is not None:
            for tensor in tensors:
                yield self.session.run([tensor[None]])

    def _as_scores(self, outputs: list[Array]) -> FloatArray:
        if self.detects:
            wants, classes = self.preprocessing, detected_classes(self.artifact.manifest)
            heat, _ = arrange_outputs(outputs, wants.height, wants.width, classes=classes)
            return sigmoid(heat.max(axis=(1, 2))).astype(np.float32)
        values = np.asarray(outputs[0].reshape(len(outputs[0]), -1), np.float32)
        if values.shape[1] > 1:
            return values if self.answers_probabilities else softmax(values)
        second = values if self.answers_probabilities else sigmoid(values).astype(np.float32)
        return np.concatenate([1 - second, second], axis=1)


def within_one(scores: Array) -> bool:
    """Whether class scores are probabilities: they lie within 0…1, whatever they sum to.

    Those of a sigmoid need not sum to 1, and of a quantized softmax over many classes the small
    ones are rounded away.
    """
    return bool(scores.min() >= -_ROUNDING and scores.max() <= 1 + _ROUNDING)


def softmax(logits: FloatArray) -> FloatArray:
    """(n, classes) → probabilities (n, classes)."""
    values = np.asarray(logits, np.float32)
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def open_explained_model(
    path: Path,
    *,
    allow_unsafe: bool = False,
    option: Preprocessing | str | None = None,
    shape: str = "",
    labels: Sequence[str] = (),
) -> ExplainedModel:
    """Load a `.keras`, `.tflite` or `.onnx` file that looks at images, to be fed as `option`,
    its manifest, or the model itself says. `shape` gives sizes that a file leaves open, `labels`
    are what the user calls its classes.

    Raises InputError for a file that cannot be read, for a model over texts, signals or volumes,
    and for one whose answer is neither class scores nor a detector's heat map. A single score is
    taken for that of the second of two classes, and needs their names.
    """
    artifact = load_artifact(path)
    _refuse_other_data(artifact)
    _refuse_other_heads(artifact)
    model = session = None
    layers: tuple[FileLayer, ...] = ()
    if artifact.format == "keras":
        model = load_keras(path, allow_unsafe=allow_unsafe)
        if artifact.manifest.task == "detection":
            model = _heat_first(model, detected_classes(artifact.manifest))
        shapes = [tuple(tensor.shape) for tensor in _ends(artifact, model, "inputs")]
        answers = [tuple(tensor.shape) for tensor in _ends(artifact, model, "outputs")]
    else:
        session = load(path, reference_runtime(path), shape=shape)
        layers = read_layers(path)
        shapes = [_channels_last(spec.shape, spec.layout) for spec in session.inputs]
        answers = [tuple(spec.shape) for spec in session.outputs]
    sizes = _image_shape(artifact, shapes)
    _check_answers(artifact, answers)
    proof = infer_from_file(path) if model is None else prove(model)
    layout = session.inputs[0].layout if session is not None else "NHWC"
    choice = choose_preprocessing(
        lambda: ImagePreprocessing(*sizes),
        artifact.manifest,
        option=option,
        proof=proof,
        layout=layout,
    )
    preprocessing, notes = _preprocessing(artifact, sizes, choice)
    names = tuple(labels) or artifact.manifest.labels or class_names_in(path)
    _check_single_score(artifact, answers, names)
    subject = ExplainedModel(
        artifact, preprocessing, model, session, names, notes, choice.fed, layers
    )
    return replace(subject, answers_probabilities=_answers_probabilities(subject))


def _answers_probabilities(subject: ExplainedModel) -> bool:
    """Decided once for all images, by what it answers to a black, a white and a noisy one."""
    if subject.detects:
        return True
    noise = np.random.default_rng(0).integers(0, 256, subject.preprocessing.shape)
    images = [np.zeros_like(noise), np.full_like(noise, 255), noise]
    tensors = subject.preprocessing.batch([image.astype(np.uint8) for image in images])
    scores = subject.unchecked_scores(tensors)
    finite = scores[np.isfinite(scores).all(axis=1)]  # a flat image has no contrast to divide by
    return not len(finite) or within_one(finite)


def _ends(artifact: Artifact, model: Any, which: str) -> list[Any]:
    try:
        tensors = getattr(model, which)
    except AttributeError:
        tensors = None
    if not tensors:
        raise InputError(
            f"{artifact.name}: the model has no fixed {which}",
            hint="build it with keras.Input(shape), as a functional or sequential model",
        )
    return list(tensors)


def _refuse_other_data(artifact: Artifact) -> None:
    kind = artifact.manifest.preprocessing
    if kind is not None and not isinstance(kind, ImagePreprocessing):
        raise InputError(
            f"{artifact.name} takes a {kind.kind}, and explain is for images",
            hint="explain a model with an input (height, width, 1 or 3 channels)",
        )


def _channels_last(shape: tuple[int | None, ...], layout: str) -> tuple[int | None, ...]:
    return (shape[0], *shape[2:], shape[1]) if layout == "NCHW" else tuple(shape)


def _image_shape(artifact: Artifact, shapes: list[tuple[Any, ...]]) -> tuple[int, int, int]:
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] not in (1, 3):
        raise InputError(
            f"{artifact.name}: explain is for images, (height, width, 1 or 3 channels); "
            f"this model takes {', '.join(str(shape) for shape in shapes)}"
        )
    height, width, channels = shapes[0][1:]
    wanted = artifact.manifest.preprocessing
    if wanted is not None and (height is None or width is None):
        height, width = wanted.shape[:2]
    if height is None or width is None:
        raise InputError(
            f"{artifact.name} leaves its image's size open: {shapes[0]}",
            hint="pass it, as in --shape 1x224x224x3, or put a Keras model behind an input of a "
            "fixed size",
        )
    return int(height), int(width), int(channels)


def _check_answers(artifact: Artifact, answers: list[tuple[Any, ...]]) -> None:
    if artifact.manifest.task == "detection":
        return
    flat = [size for size in answers[0][1:] if size != 1]
    if len(answers) != 1 or len(flat) > 1:
        shapes = ", ".join(str(shape) for shape in answers)
        raise InputError(
            f"{artifact.name}: explain needs class scores (batch, classes), this model "
            f"answers {shapes}",
            hint="detectors need the manifest that edgecnn writes (task: detection)",
        )


def detected_classes(manifest: Manifest) -> int:
    """How many heat maps a detector has."""
    named = manifest.postprocessing.class_names if manifest.postprocessing else ()
    return len(named) or len(manifest.labels) or 1


def _heat_first(model: Any, classes: int) -> Any:
    """The Keras detector with its heat maps as the first output; of four classes they are so."""
    from edgecnn.keras_files import import_keras

    outputs = getattr(model, "outputs", None) or ()
    ordered = sorted(outputs, key=lambda tensor: tensor.shape[-1] != classes)
    if [id(tensor) for tensor in ordered] == [id(tensor) for tensor in outputs]:
        return model
    return import_keras().Model(model.input, ordered)


def _refuse_other_heads(artifact: Artifact) -> None:
    head = artifact.manifest.postprocessing
    if head is not None and head.head != HeatMap.name:
        raise InputError(
            f"{artifact.name} is a detector with the head {head.head}, and explain is for "
            f"detectors with heat maps ({HeatMap.name})",
            hint="pass a detector that edgecnn trained",
        )


def _check_single_score(
    artifact: Artifact, answers: list[tuple[Any, ...]], names: Sequence[str]
) -> None:
    single = all(size == 1 for size in answers[0][1:])
    if artifact.manifest.task != "detection" and single and len(names) != 2:
        raise InputError(
            f"{artifact.name} answers with one score, which explain takes for that of the second "
            f"of two classes; it has the names of {len(names)}",
            hint="--labels FILE with two names, that of a low score first",
        )


def _preprocessing(
    artifact: Artifact, shape: tuple[int, int, int], choice: ChosenPreprocessing
) -> tuple[ImagePreprocessing, tuple[str, ...]]:
    if isinstance(choice.preprocessing, ImagePreprocessing):
        return choice.preprocessing, (choice.fed.sentence,) if choice.fed.conflict else ()
    note = (
        f"The preprocessing of {artifact.name} is unknown; assumed: resized to "
        f"{shape[0]}×{shape[1]}, gray levels 0 to 255 divided by 255. If it was trained otherwise, "
        "these figures are not valid; specify it with --preprocessing."
    )
    return ImagePreprocessing(*shape), (note,)
