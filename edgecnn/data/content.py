"""Content digest of a data set: equal samples, labels and splits give equal digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Labels, Split


def sample_digest(sample: npt.NDArray[Any] | str | Mapping[str, npt.NDArray[Any]]) -> bytes:
    """SHA-256 over shape, dtype and values of one sample, over the text it is, or over its arrays
    by name.
    """
    if isinstance(sample, str):
        return hashlib.sha256(b"text\0" + sample.encode()).digest()
    if isinstance(sample, Mapping):
        parts = (name.encode() + b"\0" + sample_digest(sample[name]) for name in sorted(sample))
        return hashlib.sha256(b"tensors\0" + b"".join(parts)).digest()
    digest = hashlib.sha256(f"{sample.shape}{sample.dtype.str}".encode())
    digest.update(np.ascontiguousarray(sample).data)
    return digest.digest()


def content_sha256(
    class_names: Sequence[str], splits: Mapping[str, tuple[Iterable[bytes], Labels]]
) -> str:
    """Hex digest over class names and, split by split, sample digests with their labels.

    Digests are consumed one at a time, so that a lazy data set needs no memory for it.
    """
    digest = hashlib.sha256("\0".join(class_names).encode(errors="surrogatepass"))
    for name, (samples, labels) in splits.items():
        digest.update(f"\0{name}\0{len(labels)}\0".encode())
        for sample, label in zip(samples, labels.astype("<i8"), strict=True):
            digest.update(sample)
            digest.update(label.tobytes())
    return digest.hexdigest()


def array_sha256(class_names: Sequence[str], splits: Mapping[str, Split]) -> str:
    """`content_sha256` of splits whose samples are at hand."""
    return content_sha256(
        class_names,
        {
            name: ((sample_digest(sample) for sample in split.samples), split.labels)
            for name, split in splits.items()
        },
    )
