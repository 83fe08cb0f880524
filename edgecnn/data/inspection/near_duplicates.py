"""Similar images: the same photo at another size, brightness or compression, or the
next frame of the same video.

Candidates come from the difference hash (Krawetz 2013, "Kind of Like That"): 64 bits, each
says whether a pixel of a 9×8 thumbnail is darker than its right neighbor. Two hashes that
differ in at most 3 bits agree in at least two of 5 bands, so that only images with two equal
bands are compared. A candidate counts when the 16×16 thumbnails correlate as well: by the hash
alone many digits on empty ground look the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.disjoint_sets import DisjointSets
from edgecnn.preprocessing import GRAY_WEIGHTS

MOST_BITS = 3
"""Of 64 that may differ. More would need more bands to be found without comparing all."""
LEAST_CORRELATION = 0.98
"""Of the thumbnails, which leaves out brightness and contrast."""

_BANDS = [sum(1 << bit for bit in range(band, 64, 5)) for band in range(5)]
"""Each with bits from all over the image: those of an empty margin are the same everywhere."""
_THUMBNAIL = 16
_STEPS = 32.0
"""A thumbnail is kept in steps of 1/32 of its standard deviation: 256 bytes, ±4 deviations."""
_PAIRS = 1 << 13
_BITS_SET = np.asarray([number.bit_count() for number in range(1 << 16)], np.uint8)

Hashes = npt.NDArray[np.uint64]
Thumbnail = npt.NDArray[np.int8]
Pairs = npt.NDArray[np.int64]


class LookAlikes:
    """Takes images one at a time and keeps its hash and thumbnail, some 330 bytes."""

    def __init__(self) -> None:
        self._hashes: list[int] = []
        self._thumbnails = bytearray()
        self._keys: list[int] = []

    def add(self, key: int, image: npt.NDArray[Any]) -> None:
        """Take (height, width[, 1 or 3]) uint8 under `key`. Anything else, an image of one value,
        and one smaller than 16×16, whose few pixels say too little, looks like nothing.
        """
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            return
        if min(image.shape[:2]) < _THUMBNAIL:
            return
        gray = _gray(image)
        thumbnail = _standardized(_shrunk(gray, _THUMBNAIL, _THUMBNAIL))
        if thumbnail is not None:
            self._keys.append(key)
            self._hashes.append(difference_hash(gray))
            self._thumbnails += thumbnail.tobytes()

    def groups(self) -> list[list[int]]:
        """Keys of similar images, each in order; who is like one is in its group."""
        if not self._keys:
            return []
        hashes = np.asarray(self._hashes, np.uint64)
        thumbnails = np.frombuffer(self._thumbnails, np.int8).reshape(len(hashes), -1)
        sets = DisjointSets(len(hashes))
        for candidates in _candidates(hashes):
            for start in range(0, len(candidates), _PAIRS):
                first, second = candidates[start : start + _PAIRS].T
                alike = _correlation(thumbnails[first], thumbnails[second]) >= LEAST_CORRELATION
                for one, other in zip(first[alike].tolist(), second[alike].tolist(), strict=True):
                    sets.join(one, other)
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number, key in enumerate(self._keys):
            members[sets.leader(number)].append(key)
        return [group for group in members.values() if len(group) > 1]


def difference_hash(gray: npt.NDArray[Any]) -> int:
    """64 bits of an image (height, width)."""
    small = _shrunk(gray, 8, 9)
    return int.from_bytes(np.packbits(small[:, :-1] < small[:, 1:]).tobytes(), "big")


def _candidates(hashes: Hashes) -> Iterator[Pairs]:
    """Pairs (n, 2) of indices whose hashes (count,) differ in `MOST_BITS` at most, each once: under
    the first two bands that are equal.
    """
    for one, other in combinations(range(len(_BANDS)), 2):
        keys = hashes & np.uint64(_BANDS[one] | _BANDS[other])
        earlier = [np.uint64(_BANDS[band]) for band in range(other) if band != one]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        at = np.arange(len(order))
        for distance in range(1, len(order)):  # in the order; ends with the largest equal run
            at = at[: np.searchsorted(at, len(order) - distance)]
            at = at[keys[at] == keys[at + distance]]
            if not len(at):
                break
            first, second = order[at], order[at + distance]
            bits = hashes[first] ^ hashes[second]
            close = _bits_set(bits) <= MOST_BITS
            for band in earlier:
                close &= (bits & band) != 0
            if close.any():
                yield np.stack([first[close], second[close]], axis=1)


def _bits_set(numbers: Hashes) -> npt.NDArray[np.uint8]:
    """How many of the 64 bits of each are set, (n,)."""
    return np.asarray(_BITS_SET[numbers.view(np.uint16).reshape(-1, 4)].sum(axis=1, dtype=np.uint8))


def _correlation(first: Thumbnail, second: Thumbnail) -> npt.NDArray[np.float32]:
    """Of (pairs, 256) with (pairs, 256), row by row."""
    one, other = first.astype(np.float32), second.astype(np.float32)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.einsum("ij,ij->i", one, other) / lengths, np.float32)


def _gray(image: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    if image.ndim == 2:
        return image
    if image.shape[2] == len(GRAY_WEIGHTS):
        # Whole numbers: sums of equal ones are exactly equal, whatever their order.
        return np.rint(image @ np.asarray(GRAY_WEIGHTS, np.float32)).astype(np.uint8)
    return image[:, :, 0]


def _shrunk(gray: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[np.float64]:
    """The mean of each of height × width parts."""
    for axis, wanted in enumerate((height, width)):
        edges = np.linspace(0, gray.shape[axis], wanted + 1).astype(int)
        sums = np.add.reduceat(gray, edges[:-1], axis=axis, dtype=np.float64)
        sizes = np.diff(edges)
        gray = sums / (sizes[:, None] if axis == 0 else sizes)
    return gray


def _standardized(small: npt.NDArray[np.float64]) -> Thumbnail | None:
    deviation = float(small.std())
    if deviation < 1.0:  # of 255: nothing to be seen
        return None
    scaled = np.rint((small - small.mean()) / deviation * _STEPS)
    return np.asarray(np.clip(scaled, -127, 127), np.int8).ravel()
