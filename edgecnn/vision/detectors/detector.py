"""A detector over any runtime: image in, boxes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.class_names import places_of
from edgecnn.detection.answer import OURS, decode_outputs, in_image
from edgecnn.detection.detections import Detections
from edgecnn.detection.heads import open_head
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.feeding.choice import check_option
from edgecnn.feeding.detectors import (
    IdentifiedDetector,
    ModelOptions,
    identify_detector,
    stated_shape,
)
from edgecnn.manifest import Artifact, TensorSpec
from edgecnn.preprocessing import ImagePlacement, ImagePreprocessing, LetterboxPreprocessing
from edgecnn.registry import RUNTIMES, require, unknown_name
from edgecnn.runtimes import load, parse_configuration
from edgecnn.runtimes.base import Session
from edgecnn.system.places import ASSETS
from edgecnn.text import only_printable
from edgecnn.vision.detectors.input_size import sized
from edgecnn.vision.detectors.near_look import (
    DOUBT,
    half_size,
    halved,
    inside,
    may_be_large,
    merge_looks,
)
from edgecnn.vision.detectors.shrink import fit
from edgecnn.vision.opencv import as_bgr

_PREFERRED = ("_static_int8.tflite", "_float32.onnx", "_static_int8.onnx", ".keras")
"""Which of a shipped model's files a runtime gets: the first it can read."""


class Detector:
    """A loaded detector; call it with an image. Made by `load_detector`.

    `artifact` and `session` say what runs, `preprocessing` what an image goes through and
    `postprocessing` how the outputs become boxes. `class_names` are those of its classes, empty
    where nobody names them; `classes` the ones that are wanted, None for all.
    """

    def __init__(
        self,
        artifact: Artifact,
        session: Session,
        *,
        min_score: float | None = None,
        classes: Sequence[str] = (),
        about: ModelOptions | None = None,
        preprocessing: str | None = None,
    ) -> None:
        recognized = identify_detector(
            artifact,
            session.inputs,
            _outputs_of(session),
            options=about,
            preprocessing=preprocessing,
        )
        self.artifact = artifact
        self.session = session
        self.preprocessing = recognized.preprocessing
        self.postprocessing = recognized.postprocessing
        self.fed = recognized.choice.fed
        names = recognized.postprocessing.class_names or artifact.manifest.labels[:1]
        self.class_names = tuple(map(only_printable, names))  # they are shown on terminals
        self.classes = _wanted(classes, self.class_names, recognized, artifact.name)
        self.head = open_head(recognized.postprocessing, wanted=self.classes)
        stated = (
            min_score,
            artifact.manifest.metrics.get("min_score"),
            recognized.postprocessing.min_score,
            self.head.min_score,
        )
        self.min_score = float(next(score for score in stated if score is not None))
        self.smaller: Detector | None = None
        """The same detector for half the input, which looks at what is large: see `near_look`."""
        around = self.preprocessing
        self._fill = around.fill if isinstance(around, LetterboxPreprocessing) else 0
        self._levels = _Levels(self.preprocessing, session.inputs[0])

    def __call__(self, image_bgr: npt.NDArray[np.uint8]) -> Detections:
        """Objects in one image (H, W, 3) uint8 BGR, as cameras and OpenCV have it.

        Gray (H, W) or (H, W, 1) and BGRA (H, W, 4) are taken as well. Boxes are in pixels of
        that image and inside it. Raises InputError for anything else, and for outputs of which
        no number is finite.
        """
        tensor, place = self.prepare(image_bgr)
        outputs = self.infer(tensor)
        return self.finish(outputs, place, image_bgr.shape)

    def name_of(self, class_id: int) -> str:
        """What a class is called."""
        known = 0 <= class_id < len(self.class_names)
        return self.class_names[class_id] if known else f"class {class_id}"

    def prepare(self, image_bgr: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[Any], ImagePlacement]:
        """The network's own input, quantized if it wants that, and where the image lies in it.

        OpenCV resizes here (`shrink.fit`), several times as fast as `preprocessing`; where an
        image needs no resizing the two agree exactly, and otherwise within 2 gray levels
        on average over a photograph (held by a test).
        """
        cv2 = require("cv2", "opencv")
        bgr = _checked(image_bgr)
        preprocessing = self.preprocessing
        place = preprocessing.place(*bgr.shape[:2])
        bgr = fit(bgr, place.height, place.width)
        top, left = max(-place.top, 0), max(-place.left, 0)  # outside of the tensor
        bgr = bgr[top : top + preprocessing.height, left : left + preprocessing.width]
        canvas = np.full(preprocessing.shape, self._fill, np.uint8)
        top, left = max(place.top, 0), max(place.left, 0)
        inner = canvas[top : top + bgr.shape[0], left : left + bgr.shape[1]]
        if preprocessing.order == "bgr":
            inner[:] = bgr
        else:
            cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2RGB, dst=inner)
        tensor = self._levels(canvas)[None]
        if self.session.inputs[0].layout == "NCHW":
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        return tensor, place

    def infer(self, tensor: npt.NDArray[Any], *, at_most: bool = False) -> list[npt.NDArray[Any]]:
        """The network's outputs as real values on the host; behind them those for half of the
        input, where a near look is wanted, or with `at_most` wherever there can be one.
        """
        outputs = self.session.run_bound([tensor])
        if self.smaller is None:
            return outputs
        if not at_most and not may_be_large(self._in_input(outputs, DOUBT)):
            return outputs
        return [*outputs, *self.smaller.infer(self._half_of(tensor), at_most=at_most)]

    def own(self, outputs: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Of the outputs those for the whole input."""
        return outputs[: len(self.session.outputs)]

    def run_worst_case(self, image_bgr: npt.NDArray[np.uint8]) -> None:
        """Do the most that an image of this size may take."""
        tensor, place = self.prepare(image_bgr)
        self.finish(self.infer(tensor, at_most=True), place, image_bgr.shape)

    def finish(
        self,
        outputs: list[npt.NDArray[Any]],
        place: ImagePlacement,
        shape: tuple[int, ...],
        *,
        min_score: float | None = None,
    ) -> Detections:
        """Outputs → boxes in an image of `shape` (height, width, …), from `min_score` on or else
        from the detector's own.
        """
        wanted = self.min_score if min_score is None else min_score
        own = self.own(outputs)
        if self.smaller is None or len(outputs) == len(own):
            detections = decode_outputs(
                own, self.preprocessing.shape, place, shape, min_score=wanted, head=self.head
            )
        else:
            size = self.smaller.preprocessing.shape
            half = self.smaller.finish(outputs[len(own) :], inside(size), size, min_score=wanted)
            found = merge_looks(self._in_input(own, wanted), replace(half, xyxy=2 * half.xyxy))
            detections = in_image(found, place, shape)
        given = [output for output in own if output.size]  # none where no row is an answer
        if not len(detections) and given and not any(np.isfinite(one).any() for one in given):
            raise InputError(
                f"{self.artifact.name}: its outputs hold no finite number",
                hint="try another runtime or recipe; float16 overflows above 65504",
            )
        return detections

    def _in_input(self, outputs: list[npt.NDArray[Any]], min_score: float) -> Detections:
        """Boxes in pixels of the network's input."""
        shape = self.preprocessing.shape
        return decode_outputs(
            outputs, shape, inside(shape), shape, min_score=min_score, head=self.head
        )

    def _half_of(self, tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
        assert self.smaller is not None, "without a near look nothing is halved"
        rows, columns, _ = self.smaller.preprocessing.shape
        return halved(
            tensor,
            (rows, columns),
            self._levels(np.full((1, 1, 3), self._fill, np.uint8))[0, 0],
            channels_first=self.session.inputs[0].layout == "NCHW",
        )


def load_detector(
    model: str | Path = "stop_sign_small",
    *,
    runtime: str = "litert:cpu",
    threads: int = 1,
    min_score: float | None = None,
    classes: Sequence[str] = (),
    head: str = "",
    labels: Sequence[str] = (),
    preprocessing: str | None = None,
    shape: str = "",
    input_size: tuple[int, int] | None = None,
    near_look: bool = False,
) -> Detector:
    """Load a shipped detector by name, or a model file by path, whoever trained it.

    `runtime` is a configuration such as "litert:cpu". Without `min_score` the threshold that
    the model was shipped with holds (its manifest's `metrics.min_score`). `classes` restricts
    what is found, by name. The others are for files that do not say it themselves: `head` is a
    name in `registry.HEADS`, `labels` are the names of the model's classes, `preprocessing` is a
    preset or a JSON file, `shape` the size of an input that the file leaves open ("1x3x640x640";
    without it, what its metadata state).
    `input_size` (height, width) makes the detector for another input than the file's, see
    `vision.detectors.input_size`. With `near_look` half of the input is looked at again where
    something large is seen, see `vision.detectors.near_look`; detectors that this brings nothing do
    without. Raises InputError for an unknown name, a file that is not a detector or whose head is
    not known, or a threshold outside 0…1; MissingDependencyError or UnsupportedError as the runtime
    has it.
    """
    if min_score is not None and not 0 <= min_score <= 1:
        raise InputError(f"min_score is between 0 and 1, received: {min_score}")
    about = ModelOptions(head, tuple(labels))
    check_option(preprocessing)
    name, device = parse_configuration(runtime)
    artifact, session = _opened(
        _find(model, RUNTIMES.load(name).formats),
        input_size,
        lambda path: load(
            path, f"{name}:{device}", threads=threads, shape=shape or stated_shape(path)
        ),
    )
    detector = Detector(
        artifact,
        session,
        min_score=min_score,
        classes=classes,
        about=about,
        preprocessing=preprocessing,
    )
    ours = detector.postprocessing.head == OURS.head
    half = half_size(detector.preprocessing) if near_look and ours else None
    if half is not None:
        with contextlib.suppress(InputError, UnsupportedError):  # of a format with one size
            detector.smaller = load_detector(
                model,
                runtime=runtime,
                threads=threads,
                min_score=min_score,
                classes=classes,
                head=head,
                labels=labels,
                preprocessing=preprocessing,
                input_size=half,
                near_look=True,
            )
    return detector


def _outputs_of(session: Session) -> tuple[TensorSpec, ...]:
    """The outputs with the shapes that they really have, where a file leaves them open."""
    taken = session.inputs[0].shape[1:] if len(session.inputs) == 1 else (None,)
    if None in taken or not any(None in spec.shape[1:] for spec in session.outputs):
        return session.outputs
    blank = np.zeros((1, *(size or 1 for size in taken)), session.inputs[0].dtype)
    outputs = session.run_bound([blank])
    return tuple(
        replace(spec, shape=array.shape)
        for spec, array in zip(session.outputs, outputs, strict=True)
    )


def _wanted(
    classes: Sequence[str], names: Sequence[str], recognized: IdentifiedDetector, name: str
) -> tuple[int, ...] | None:
    """The ids of the classes that are wanted, None for all."""
    if not classes:
        return None
    if not names and recognized.classes == 1:
        return None
    if not names:
        raise InputError(f"{name}: {recognized.nameless}")
    return places_of(classes, names, whose=name)


def shipped_models() -> tuple[str, ...]:
    """Names of the detectors inside the package."""
    names = {path.name.removesuffix(_PREFERRED[0]) for path in ASSETS.glob("*" + _PREFERRED[0])}
    return tuple(sorted(names, reverse=True))


def _find(model: str | Path, formats: tuple[str, ...]) -> list[Path]:
    """The file that is named, or those of a shipped model that a runtime may read."""
    path = Path(model)
    if path.suffix or path.exists() or len(path.parts) > 1:
        return [path]
    if str(model) not in shipped_models():
        raise unknown_name("detector", str(model), shipped_models())
    candidates = [ASSETS / f"{model}{ending}" for ending in _PREFERRED]
    paths = [path for path in candidates if path.exists() and path.suffix[1:] in formats]
    if not paths:
        raise InputError(
            f"{model} does not ship in a format this runtime reads ({', '.join(formats)})",
            hint=f"make a file that it reads: edgecnn convert {model} --to {formats[0]}:float32 "
            "--out DIR",
        )
    return paths


def _opened(
    paths: Sequence[Path], size: tuple[int, int] | None, load_session: Callable[[Path], Session]
) -> tuple[Artifact, Session]:
    """The first file that the runtime loads (OpenCV has no int8 operators of TFLite), at a size."""
    for number, path in enumerate(paths, start=1):
        artifact = load_artifact(path)
        try:
            if size is not None:
                artifact = sized(artifact, *size)
            return artifact, load_session(artifact.path)
        except UnsupportedError:
            if number == len(paths):
                raise
    raise AssertionError("a model has a file")


class _Levels:
    """What each of the 256 levels of a pixel becomes in the input tensor, preprocessing and
    quantizing in one look-up instead of five passes over floats.

    An int8 network trained on pixels of 0 to 1 takes pixel − 128, which is the pixel with its
    highest bit flipped.
    """

    def __init__(self, preprocessing: ImagePreprocessing, spec: TensorSpec) -> None:
        if preprocessing.contrast != "as_is":
            raise InputError(
                "a detector's image goes in as it is, its preprocessing evens the contrast",
                hint="pass another --preprocessing",
            )
        mean, std = (
            np.broadcast_to(np.asarray(values, np.float32), (3,))
            for values in (preprocessing.mean, preprocessing.std)
        )
        same = bool((mean == mean[0]).all() and (std == std[0]).all())
        levels = np.arange(256)
        scaled = levels.astype(np.float32) * np.float32(preprocessing.scale)
        real = (scaled - mean[0]) / std[0] if same else (scaled[:, None] - mean) / std
        dtype = np.dtype(spec.dtype)
        if spec.scale:
            limits = np.iinfo(dtype)
            real = np.rint(real / spec.scale) + (spec.zero_point or 0)
            real = np.clip(real, limits.min, limits.max)
        self._table = real.astype(dtype)
        self._flips = dtype == np.int8 and same and bool((self._table == levels - 128).all())

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Pixels → an array of the tensor's type and of the same shape."""
        if self._flips:
            return np.bitwise_xor(pixels, np.uint8(128)).view(np.int8)
        if self._table.ndim == 2:  # a column for each channel
            return np.stack([self._table[:, c][pixels[:, :, c]] for c in range(3)], axis=2)
        table = self._table  # LUT reads int8 as well, but knows uint8 images alone
        looked_up = require("cv2", "opencv").LUT(
            pixels, table.view(np.uint8) if table.itemsize == 1 else table
        )
        return np.asarray(looked_up.view(table.dtype))


def _checked(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """`image` as (height, width, 3). Raises InputError for what is not an image of 8 bits."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise InputError(f"an image is (H, W, 3) uint8 BGR, received: {kind}")
    if (
        image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] not in (1, 3, 4))
        or 0 in image.shape
    ):
        raise InputError(f"an image is (H, W, 3) uint8 BGR, received: {image.shape}")
    return as_bgr(image)
