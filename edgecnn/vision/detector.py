"""A stop-sign detector over any runtime: picture in, boxes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.detection.answer import DEFAULT_MIN_SCORE, boxes_in
from edgecnn.detection.detections import Detections
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.manifest import Artifact, TensorSpec
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing, Placement
from edgecnn.registry import RUNTIMES, require, unknown_name
from edgecnn.runtimes import load, parse_configuration
from edgecnn.runtimes.base import Session
from edgecnn.vision.shrink import fit

ASSETS = Path(__file__).parent.parent / "assets"

_PREFERRED = ("_static_int8.tflite", "_float32.onnx", "_static_int8.onnx", ".keras")
"""Which of a shipped model's files a runtime gets: the first it can read."""


class Detector:
    """A loaded detector; call it with a picture. Made by `load_detector`.

    `artifact` and `session` tell what runs, `preprocessing` what a picture goes through.
    """

    def __init__(self, artifact: Artifact, session: Session, *, min_score: float) -> None:
        self.artifact = artifact
        self.session = session
        self.min_score = min_score
        self.preprocessing = _letterbox(artifact, session)
        self._levels = _Levels(self.preprocessing, session.inputs[0])

    def __call__(self, image_bgr: npt.NDArray[np.uint8]) -> Detections:
        """Stop signs in one picture (H, W, 3) uint8 BGR, as cameras and OpenCV have it.

        Grey (H, W) or (H, W, 1) and BGRA (H, W, 4) are taken as well. Boxes are in pixels of
        that picture and inside it. Raises InputError for anything else.
        """
        tensor, place = self.prepare(image_bgr)
        outputs = self.infer(tensor)
        return self.finish(outputs, place, image_bgr.shape)

    def prepare(self, image_bgr: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[Any], Placement]:
        """The network's own input, quantised if it wants that, and where the picture lies in it.

        OpenCV resizes here (`shrink.fit`), several times as fast as `preprocessing`; where a
        picture needs no resizing the two agree exactly, and otherwise within 2 grey levels
        on average over a photograph (held by a test).
        """
        cv2 = require("cv2", "opencv")
        bgr = _as_bgr(image_bgr)
        place = self.preprocessing.place(*bgr.shape[:2])
        bgr = fit(bgr, place.height, place.width)
        canvas = np.full(self.preprocessing.shape, self.preprocessing.fill, np.uint8)
        inner = canvas[place.top : place.top + place.height, place.left : place.left + place.width]
        cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2RGB, dst=inner)
        tensor = self._levels(canvas)[None]
        if self.session.inputs[0].layout == "NCHW":
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        return tensor, place

    def infer(self, tensor: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The network's outputs as real values on the host."""
        return self.session.run_bound([tensor])

    def finish(
        self, outputs: list[npt.NDArray[Any]], place: Placement, shape: tuple[int, ...]
    ) -> Detections:
        """Outputs → boxes in a picture of `shape` (height, width, …)."""
        return boxes_in(outputs, self.preprocessing.shape, place, shape, min_score=self.min_score)


def load_detector(
    model: str | Path = "stop_sign_small",
    *,
    runtime: str = "litert:cpu",
    threads: int = 1,
    min_score: float | None = None,
) -> Detector:
    """Load a shipped detector by name, or a model file by path.

    `runtime` is a configuration such as "litert:cpu". Without `min_score` the threshold that
    the model was shipped with holds (its manifest's `metrics.min_score`).
    Raises InputError for an unknown name, a file that is no detector, or a threshold outside
    0…1; MissingDependencyError or UnsupportedError as the runtime has it.
    """
    if min_score is not None and not 0 <= min_score <= 1:
        raise InputError(f"min_score is between 0 and 1, received: {min_score}")
    name, device = parse_configuration(runtime)
    artifact = load_artifact(_find(model, RUNTIMES.load(name).formats))
    session = load(artifact.path, f"{name}:{device}", threads=threads)
    if min_score is None:
        min_score = float(artifact.manifest.metrics.get("min_score", DEFAULT_MIN_SCORE))
    return Detector(artifact, session, min_score=min_score)


def shipped_models() -> tuple[str, ...]:
    """Names of the detectors inside the package."""
    names = {path.name.removesuffix(_PREFERRED[0]) for path in ASSETS.glob("*" + _PREFERRED[0])}
    return tuple(sorted(names, reverse=True))


def _find(model: str | Path, formats: tuple[str, ...]) -> Path:
    path = Path(model)
    if path.suffix or path.exists() or len(path.parts) > 1:
        return path
    if str(model) not in shipped_models():
        raise unknown_name("detector", str(model), shipped_models())
    for ending in _PREFERRED:
        candidate = ASSETS / f"{model}{ending}"
        if candidate.exists() and ending.rpartition(".")[2] in formats:
            return candidate
    raise InputError(
        f"{model} does not ship in a format this runtime reads ({', '.join(formats)})",
        hint="convert the .keras file with edgecnn convert",
    )


def _letterbox(artifact: Artifact, session: Session) -> LetterboxPreprocessing:
    """What the manifest says; for a foreign file, read off its input."""
    stated = artifact.manifest.preprocessing
    if isinstance(stated, LetterboxPreprocessing):
        return stated
    if len(session.inputs) != 1 or len(session.inputs[0].shape) != 4:
        raise InputError(
            f"{artifact.name} is not a detector: it takes "
            f"{[spec.shape for spec in session.inputs]}",
            hint="a detector has one picture as its input",
        )
    spec = session.inputs[0]
    height, width = spec.shape[2:] if spec.layout == "NCHW" else spec.shape[1:3]
    if height is None or width is None or isinstance(stated, ImagePreprocessing):
        raise InputError(
            f"{artifact.name} is not a detector, or does not say how pictures enter it",
            hint="its manifest needs a preprocessing of kind 'letterbox'",
        )
    return LetterboxPreprocessing(height, width, 3)


class _Levels:
    """What each of the 256 levels of a pixel becomes in the input tensor, preprocessing and
    quantising in one look-up instead of five passes over floats.

    An int8 network trained on pixels of 0 to 1 takes pixel − 128, which is the pixel with its
    highest bit flipped.
    """

    def __init__(self, preprocessing: LetterboxPreprocessing, spec: TensorSpec) -> None:
        if len(set(preprocessing.mean)) != 1 or len(set(preprocessing.std)) != 1:
            raise InputError("a detector's mean and std must be the same for all channels")
        mean, std = np.float32(preprocessing.mean[0]), np.float32(preprocessing.std[0])
        levels = np.arange(256)
        real = (levels.astype(np.float32) * np.float32(preprocessing.scale) - mean) / std
        dtype = np.dtype(spec.dtype)
        if spec.scale:
            limits = np.iinfo(dtype)
            real = np.rint(real / spec.scale) + (spec.zero_point or 0)
            real = np.clip(real, limits.min, limits.max)
        self._table = real.astype(dtype)
        self._flips = dtype == np.int8 and bool((self._table == levels - 128).all())

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Pixels → an array of the tensor's type and of the same shape."""
        if self._flips:
            return np.bitwise_xor(pixels, np.uint8(128)).view(np.int8)
        table = self._table  # LUT reads int8 as well, but knows uint8 pictures alone
        looked_up = require("cv2", "opencv").LUT(
            pixels, table.view(np.uint8) if table.itemsize == 1 else table
        )
        return np.asarray(looked_up.view(table.dtype))


def _as_bgr(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise InputError(f"a picture is (H, W, 3) uint8 BGR, received: {kind}")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise InputError(f"a picture is (H, W, 3) uint8 BGR, received: {image.shape}")
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return image[:, :, :3]
