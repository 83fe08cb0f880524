"""Near-duplicate images are found whatever was done to them, and others are not."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from edgecnn.data.inspection.near_duplicates import (
    MOST_BITS,
    LookAlikes,
    _candidates,
    difference_hash,
)


def scene(seed, side=64):
    """A smooth random image (side, side, 3), so that its hash does not hang on noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def as_jpeg(image):
    stored = BytesIO()
    Image.fromarray(image).save(stored, "JPEG", quality=60)
    return np.asarray(Image.open(stored))


CHANGES = {
    "compressed": as_jpeg,
    "half the size": lambda image: np.asarray(Image.fromarray(image).resize((32, 32))),
    "darker": lambda image: (image * 0.6).astype(np.uint8),
    "gray": lambda image: np.asarray(Image.fromarray(image).convert("L")),
}


def groups(*images):
    found = LookAlikes()
    for key, image in enumerate(images):
        found.add(key, image)
    return found.groups()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_looks_alike(change):
    assert groups(scene(1), scene(2), change(scene(1)), scene(3)) == [[0, 2]]


def test_other_images_do_not():
    assert groups(*(scene(seed) for seed in range(300))) == []


def test_an_equal_hash_alone_is_not_enough():
    """Light above and light below: no pixel is darker than its right neighbor in either."""
    above, below = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    above[:32], below[32:] = 255, 255
    assert difference_hash(above) == difference_hash(below)
    assert groups(above, below) == []


@pytest.mark.parametrize(
    "image",
    [
        np.full((32, 32, 3), 200, np.uint8),
        np.zeros((8, 8, 1), np.uint8),
        np.ones((32, 32, 3), np.float32),
    ],
    ids=["of one value", "of few pixels", "of fractions"],
)
def test_what_tells_too_little_looks_like_nothing(image):
    assert groups(image, image.copy()) == []


def test_no_pair_within_the_threshold_is_missed_or_told_twice():
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 1 << 63, 40, np.uint64)
    copies = [
        number ^ np.bitwise_or.reduce(np.uint64(1) << rng.choice(64, bits, False).astype(np.uint64))
        for number in numbers
        for bits in (1, 2, 3, 4)
    ]
    hashes = np.concatenate([numbers, np.asarray(copies, np.uint64), numbers[:5]])
    wanted = {
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if int(hashes[i] ^ hashes[j]).bit_count() <= MOST_BITS
    }
    found = [tuple(sorted(pair)) for pairs in _candidates(hashes) for pair in pairs.tolist()]
    assert len(wanted) > 120
    assert sorted(found) == sorted(wanted)
