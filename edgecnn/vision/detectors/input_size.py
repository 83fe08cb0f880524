"""A detector at another input size: larger for signs far away, smaller for a faster answer.

The network has convolutions alone, so that one set of weights serves every size. A model file
of another size is made once, in the cache, without TensorFlow (`.keras` files need Keras).
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.files import atomic_path
from edgecnn.manifest import Artifact, Manifest, TensorSpec, sidecar_path, write_manifest
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.system.places import cache_home
from edgecnn.vision.detectors.thresholds import for_size

STEP = 64
"""Sides of an input are multiples of it: the network's coarsest stride."""
SMALLEST, LARGEST = 128, 2048
CHOICES = (384, 512, 640, 768, 1024, 1280)
"""Longer sides that are tried when the frame rate decides."""

Size = tuple[int, int]
"""(height, width)."""


def parse_size(text: str) -> int | Size:
    """Read a longer side ("768"), or width and height ("768x448").

    Raises InputError for another text, and for sides that are not multiples of 64 or out of range.
    """
    parts = text.strip().lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(
            f"an input size is a longer side (768) or WIDTHxHEIGHT (768x448), received: {text!r}"
        )
    sides = [int(part) for part in parts]
    for side in sides:
        if side % STEP or not SMALLEST <= side <= LARGEST:
            raise InputError(
                f"sides of an input are multiples of {STEP} from {SMALLEST} to {LARGEST}, "
                f"received: {side}"
            )
    return sides[0] if len(sides) == 1 else (sides[1], sides[0])


def size_for(longer: int, height: int, width: int) -> Size:
    """The least input, in steps of 64, that holds images of `height` × `width` scaled so that
    their longer side is `longer`: of 16:9 it has 44% fewer pixels than the square.
    """
    scale = longer / max(height, width)
    sides = (max(STEP, math.ceil(round(side * scale) / STEP) * STEP) for side in (height, width))
    rows, columns = sides
    return rows, columns


def sized(artifact: Artifact, height: int, width: int) -> Artifact:
    """The detector in `artifact` for images of `height` × `width`, from the cache if it is there.

    Raises InputError for a model that does not say how images enter it or cannot be made for
    the size, UnsupportedError where an operator's size is not known, and
    MissingDependencyError.
    """
    stated = artifact.manifest.preprocessing
    if not isinstance(stated, LetterboxPreprocessing):
        raise InputError(
            f"{artifact.name} cannot be given another input size: it does not say how images "
            "enter it",
            hint="its manifest needs a preprocessing of kind 'letterbox'",
        )
    if (stated.height, stated.width) == (height, width):
        return artifact
    path = artifact.path
    name = f"{path.stem}-{width}x{height}-{artifact.sha256[:12]}{path.suffix}"
    target = cache_home() / "models" / name
    manifest = replace(
        _manifest(artifact.manifest, stated, height, width),
        parent_sha256=None,  # its answers are for another input
        conversion={**artifact.manifest.conversion, "resized_from": artifact.sha256},
    )
    made = _cached(target)
    if made is None:
        with atomic_path(target) as temporary:
            _write(path, temporary, height, width)
            made = write_manifest(target, manifest, made=temporary)
    return replace(made, manifest=manifest)  # thresholds and names may have changed since


def _cached(target: Path) -> Artifact | None:
    """What lies in the cache, whole and with its manifest; None where it is to be made."""
    if not (target.exists() and sidecar_path(target).exists()):
        return None
    try:
        return load_artifact(target)
    except EdgeCNNError:  # cut off by a full disk, say
        return None


def _write(path: Path, out: Path, height: int, width: int) -> None:
    if path.suffix == ".tflite":
        from edgecnn.formats.tflite.resize import write_resized

        write_resized(path, out, height, width)
    elif path.suffix == ".onnx":
        from edgecnn.formats.onnx.resize import write_resized as write_onnx

        write_onnx(path, out, height, width)
    elif path.suffix == ".keras":
        _write_keras(path, out, height, width)
    else:
        raise InputError(f"a {path.suffix} file cannot be given another input size")


def _write_keras(path: Path, out: Path, height: int, width: int) -> None:
    """The layers of the network, called on another input."""
    from edgecnn.keras_files import import_keras, load_keras

    keras = import_keras()
    network = load_keras(path)
    image = keras.Input((height, width, network.input_shape[-1]), name=network.inputs[0].name)
    larger = keras.models.clone_model(network, input_tensors=image)
    larger.set_weights(network.get_weights())
    larger.save(out)


def _manifest(
    manifest: Manifest, stated: LetterboxPreprocessing, height: int, width: int
) -> Manifest:
    def at_size(spec: TensorSpec) -> TensorSpec:
        if len(spec.shape) != 4:
            return spec
        first = spec.layout == "NCHW"
        rows, columns = (2, 3) if first else (1, 2)
        shape = list(spec.shape)
        for axis, new, old in ((rows, height, stated.height), (columns, width, stated.width)):
            size = shape[axis]
            shape[axis] = None if size is None else size * new // old
        return replace(spec, shape=tuple(shape))

    return replace(
        manifest,
        inputs=tuple(map(at_size, manifest.inputs)),
        outputs=tuple(map(at_size, manifest.outputs)),
        preprocessing=replace(stated, height=height, width=width),
        metrics=for_size(manifest.metrics, max(height, width), max(stated.height, stated.width)),
    )
