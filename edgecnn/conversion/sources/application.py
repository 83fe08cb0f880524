"""Networks of keras.applications by name, with a file of weights that the user has."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from edgecnn.conversion.sources import Opened, OpenOptions
from edgecnn.conversion.sources.keras_file import digest_of
from edgecnn.conversion.sources.keras_model import describe, digest
from edgecnn.errors import InputError
from edgecnn.keras_files import import_keras
from edgecnn.keras_files.hdf5 import examine, load_weights, starts_with
from edgecnn.manifest import Manifest
from edgecnn.models import applications
from edgecnn.models.applications import CLASSES, Application
from edgecnn.preprocessing import ImagePreprocessing, fed_with, with_preset
from edgecnn.registry import require
from edgecnn.runtimes.shapes import parse_shapes

FRESH = "none"
"""As --weights: the network as it is before training, for its speed and size."""

_COUNTERS = 16
"""Numbers by which a file may differ: layers that count, which are not real numbers."""
_CLASSIFIER = re.compile(r"predictions|preds|logits|head_dense|probs|fc1000", re.I)


def open_model(path: Path, options: OpenOptions) -> Opened:
    """Build the network that `path` names, with the weights in `options.weights`.

    The number of classes, the width and whether the classifier is there follow from the weights.
    Raises InputError without weights, and for weights of another network.
    """
    known = applications.application(str(path))
    if options.weights is None:
        raise InputError(
            f"{known.name} needs its weights: edgecnn downloads none",
            hint=f"pass the file you have: --weights FILE; or --weights {FRESH} for fresh ones, "
            "which show speed and size, and no accuracy",
        )
    shape = _shape(known, options.shape)
    if options.weights == FRESH:
        model, sha256 = _fresh(known, shape), ""
        top = True
        notes: tuple[str, ...] = ("random weights: the files show speed and size, not accuracy",)
    else:
        weights = Path(options.weights)
        if not weights.is_file():
            raise InputError(f"no such file: {weights}", hint="--weights takes a file of weights")
        model, top = _with_weights(known, weights, shape)
        sha256, notes = digest_of([weights]), ()
    source = describe(model, name=known.name, sha256=sha256 or digest(model))
    other = {"shape": "x".join(map(str, (1, *shape)))} if shape != known.input_shape else {}
    source = replace(source, notes=(*source.notes, *notes), given=other)
    return Opened(source, _manifest(known, shape, top=top))


def _fresh(known: Application, shape: tuple[int, ...]) -> Any:
    import_keras().utils.set_random_seed(0)
    return applications.build(known.name, input_shape=shape)


def _shape(known: Application, text: str) -> tuple[int, int, int]:
    """(height, width, 3): the network's own, or what --shape says."""
    given = parse_shapes(text)
    if not given:
        return known.input_shape
    (sizes, *more) = given.values()
    shape = sizes[1:] if len(sizes) == 4 else sizes
    if more or len(shape) != 3:
        raise InputError(
            f"{known.name} takes one input (height, width, channels), --shape says {text}",
            hint="as in --shape 160x160x3",
        )
    height, width, channels = shape
    return (height, width, channels)


def _with_weights(known: Application, weights: Path, shape: tuple[int, ...]) -> tuple[Any, bool]:
    """(the network with its weights, whether its classifier is there)."""
    refusal: InputError | None = None
    for alpha, classes in product((1.0, *known.widths), _class_counts(weights)):
        try:
            model = applications.build(
                known.name, input_shape=shape, num_classes=classes, alpha=alpha
            )
            load_weights(model, weights)
            _check_all_used(model, weights)
        except InputError as error:
            refusal = refusal or error
            continue
        return model, classes is not None
    raise InputError(
        f"{weights.name} does not hold the weights of {known.name} "
        f"({refusal.message if refusal else 'nothing fits'})",
        hint="pass the file that was made for this network, or another name of `edgecnn models`",
    ) from refusal


def _class_counts(weights: Path) -> list[int | None]:
    """Numbers of classes that the weights may be for, the likeliest first; None for a network
    without its classifier.
    """
    if starts_with(weights) == b"PK\x03\x04":
        return [CLASSES, None]
    examine(weights)  # whole, and none of it elsewhere
    h5py = require("h5py", "train")
    with h5py.File(weights, "r") as file:
        kernels = [(name, shape) for name, shape in _arrays(h5py, file) if len(shape) in (2, 4)]
    named = [shape[-1] for name, shape in kernels if _CLASSIFIER.search(name)]
    entering = {shape[-2] for _, shape in kernels if not _reads_pixels(shape)}
    last = [
        shape[-1]
        for _, shape in kernels
        if shape[-1] not in entering
        and set(shape[:-2]) <= {1}  # dense or 1×1, and nothing reads it
    ]
    return [*dict.fromkeys([*named, *last, CLASSES]), None]


def _reads_pixels(shape: tuple[int, ...]) -> bool:
    """Whether a kernel is that of a first convolution, whose channels are colors."""
    return len(shape) == 4 and shape[0] > 1 and shape[-2] in (1, 3, 4)


def _check_all_used(model: Any, weights: Path) -> None:
    """Raise InputError for a file that holds more than the network: a part would fit, too."""
    if starts_with(weights) == b"PK\x03\x04":
        return
    h5py = require("h5py", "train")
    with h5py.File(weights, "r") as file:
        held = sum(prod(shape) for _, shape in _arrays(h5py, file))
    if abs(held - model.count_params()) > _COUNTERS:
        raise InputError(f"it holds {held:,} numbers, the network {model.count_params():,}")


def _arrays(h5py: Any, file: Any) -> list[tuple[str, tuple[int, ...]]]:
    """(name, shape) of everything in a file that is made of real numbers."""
    arrays: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            arrays.append((name, tuple(int(size) for size in item.shape)))

    file.visititems(note)
    return arrays


def _manifest(known: Application, shape: tuple[int, int, int], *, top: bool) -> Manifest:
    """What the weights were trained on, as far as the family says."""
    if shape[-1] not in (1, 3):
        return Manifest(model=known.name, recipe="float32")
    preprocessing = with_preset(ImagePreprocessing(*shape), known.preset)
    because = f"preprocess_input of {known.name} in keras.applications"
    return Manifest(
        task="classification" if top else "unknown",
        model=known.name,
        recipe="float32",
        preprocessing=preprocessing,
        feeding=fed_with(preprocessing, "family", because),
    )
