"""One sample of a packed data set ↔ the features of its record.

    sample   bytes  values in row order, or the text in UTF-8
    shape    int64  of the array; empty for a text
    dtype    bytes  NumPy's name with the byte order ("|u1", "<f4"), or "utf-8"
    label    int64

and, instead of sample, shape and dtype, for images that lay in files:

    encoded  bytes  the file as it was (JPEG, PNG, …)
    channels int64  that it is decoded to, 1 or 3
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn.data.base import Split
from edgecnn.data.files.images import (
    MAX_FILE_BYTES,
    ImageFiles,
    UnreadableImageError,
    as_channels,
    decode_again,
)
from edgecnn.data.packed.tf_example import Feature
from edgecnn.data.packed.tfrecord import DamagedRecordError
from edgecnn.errors import InputError
from edgecnn.files import read_file

TEXT = b"utf-8"
_KINDS = "buif"
"""Kinds of NumPy's dtypes that a sample may have: numbers and truth values, no objects."""


def stays_encoded(split: Split) -> bool:
    """Whether the samples are image files, which are packed as they are."""
    return isinstance(split.samples, ImageFiles)


def features_of(split: Split, index: int) -> dict[str, Feature]:
    """The features of one sample. Raises InputError for what cannot be packed."""
    label = (int(split.labels[index]),)
    if isinstance(split.samples, ImageFiles):
        path = split.samples.paths[index]
        encoded = read_file(path, limit=MAX_FILE_BYTES)
        return {"encoded": encoded, "channels": (split.samples.channels,), "label": label}
    sample = split.samples[index]
    if isinstance(sample, str):
        return {"sample": sample.encode(), "shape": (), "dtype": TEXT, "label": label}
    array = np.asarray(sample)
    if array.dtype.kind not in _KINDS:
        raise InputError(f"samples of {array.dtype} cannot be packed", hint="texts and numbers can")
    return {
        "sample": array.tobytes(),
        "shape": array.shape,
        "dtype": array.dtype.str.encode(),
        "label": label,
    }


def sample_of(features: Mapping[str, Feature]) -> Any:
    """The sample as the original data set gave it. Raises DamagedRecordError."""
    try:
        if "encoded" in features:
            (channels,) = features["channels"]
            image = decode_again(_bytes(features["encoded"]))
            return as_channels(image, channels)
        content, dtype = _bytes(features["sample"]), _bytes(features["dtype"])
        if dtype == TEXT:
            return content.decode()
        if np.dtype(dtype.decode()).kind not in _KINDS:
            raise DamagedRecordError(f"samples of {dtype!r} are not read")
        shape = tuple(features["shape"])
        return np.ndarray(shape, np.dtype(dtype.decode()), content).copy()
    except UnreadableImageError as error:
        raise DamagedRecordError(error.message) from error
    except (KeyError, TypeError, ValueError, SyntaxError, OverflowError) as error:
        raise DamagedRecordError(f"it is no sample that edgecnn packed ({error})") from error


def _bytes(feature: Feature) -> bytes:
    if not isinstance(feature, bytes):
        raise TypeError("expected bytes, received numbers")
    return feature
