"""Presets of image preprocessing, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

from edgecnn.errors import InputError
from edgecnn.files import read_json_file
from edgecnn.preprocessing.base import Preprocessing
from edgecnn.preprocessing.image import GRAY_WEIGHTS, ImagePreprocessing
from edgecnn.preprocessing.signal import SignalPreprocessing
from edgecnn.preprocessing.volume import VolumePreprocessing

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Blue, green, red."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "raw": {"scale": 1.0},
    "0..1": {"scale": 1 / 255},
    "-1..1": {"scale": 1 / 127.5, "mean": (1.0,)},
    "tf": {"scale": 1 / 127.5, "mean": (1.0,)},
    "imagenet-torch": {
        "scale": 1 / 255, "mean": IMAGENET_MEAN, "std": IMAGENET_STD, "order": "rgb"
    },
    "imagenet-torch-crop": {
        "scale": 1 / 255, "mean": IMAGENET_MEAN, "std": IMAGENET_STD, "order": "rgb", "fit": "crop"
    },
    "caffe": {"scale": 1.0, "mean": CAFFE_MEAN, "order": "bgr"},
    "caffe-crop": {"scale": 1.0, "mean": CAFFE_MEAN, "order": "bgr", "fit": "crop"},
}  # fmt: skip
"""Of pixels 0…255. `raw` leaves them as they are; `imagenet-torch` and `caffe` are what
torchvision's networks, and Keras's ResNet and VGG, were trained on; `tf` is what Keras calls
−1…1. With `-crop` the shorter side is resized and the center cut out, as accuracy on ImageNet is
measured; without, images are fitted as the data are.
"""
_PLAIN: Mapping[str, Any] = {"scale": 1.0, "mean": (0.0,), "std": (1.0,)}
_LARGEST_FILE = 4 << 20


def with_preset(base: Preprocessing, name: str) -> Preprocessing:
    """`base`, which fits samples to the model's size, with the values of the preset.

    Raises InputError where the samples do not have the values that it speaks of.
    """
    if isinstance(base, ImagePreprocessing):
        values = {**_PLAIN, "contrast": "as_is", **PRESETS[name]}
        if base.channels == 1:
            order = values.get("order", "rgb")
            values |= {key: _gray(values[key], order) for key in ("mean", "std")}
            values["order"] = "rgb"
        return replace(base, **values)
    if name == "raw" and isinstance(base, SignalPreprocessing):
        return replace(base, **_PLAIN, level="as_is")
    if name == "raw" and isinstance(base, VolumePreprocessing):
        return replace(base, **_PLAIN)
    raise InputError(
        f"--preprocessing {name} is for {'numbers' if name == 'raw' else 'images'}, "
        f"these samples are prepared by {base.kind!r}",
        hint="pass a JSON file with the model's preprocessing, or the manifest that holds it",
    )


def with_statistics(
    base: Preprocessing, mean: tuple[float, ...], std: tuple[float, ...]
) -> Preprocessing:
    """`base` with (pixel − mean) / std, both in pixels of 0…255."""
    if not isinstance(base, ImagePreprocessing):
        raise InputError(f"mean and std of pixels are for images, received: {base.kind}")
    return replace(base, scale=1.0, mean=mean, std=std, contrast="as_is")


def read_preprocessing(path: Path, base: Preprocessing) -> Preprocessing:
    """A preprocessing from a JSON file: a manifest, what a manifest has under "preprocessing",
    or some of its fields (`{"scale": 0.0039, "mean": [0.5]}`), the others taken from `base`.

    Raises InputError for a file that is none of these, or of another shape than `base`.
    """
    from edgecnn.preprocessing import preprocessing_from_dict

    values = preprocessing_values(path)
    known = {field.name for field in fields(cast(Any, base))}
    if "kind" not in values and not known & set(values):
        raise InputError(
            f"{path}: no preprocessing in it",
            hint=f"expected a manifest, or some of the fields {', '.join(sorted(known))}",
        )
    if "kind" in values:
        made = preprocessing_from_dict(values)
    else:
        strange = sorted(set(values) - known)
        if strange:
            raise InputError(
                f"{path}: a {base.kind} preprocessing has no {strange[0]!r}",
                hint=f"it has: {', '.join(sorted(known))}",
            )
        # The same kind with these fields; read, so that each is of its type.
        made = preprocessing_from_dict({**base.to_dict(), **values})
    if made.shape != base.shape:
        raise InputError(
            f"{path}: its preprocessing makes tensors {made.shape}, the model takes {base.shape}"
        )
    return made


def preprocessing_values(path: Path) -> dict[str, Any]:
    """What a JSON file says of a preprocessing: all of it, or what a manifest has under
    "preprocessing". Raises InputError for a file that is no JSON object.
    """
    values = read_json_file(path, limit=_LARGEST_FILE)
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a JSON object, received: {type(values).__name__}")
    inner = values.get("preprocessing")
    return inner if isinstance(inner, dict) else values


def _gray(values: tuple[float, ...], order: str) -> tuple[float, ...]:
    """Statistics of colors, of the gray that they make."""
    if len(values) != len(GRAY_WEIGHTS):
        return values
    weights = GRAY_WEIGHTS[::-1] if order == "bgr" else GRAY_WEIGHTS
    weighted = zip(weights, values, strict=True)
    return (round(sum(weight * value for weight, value in weighted), 4),)
