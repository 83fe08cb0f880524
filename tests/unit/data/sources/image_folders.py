"""Folders of small noisy images, one for each class."""

from __future__ import annotations

import numpy as np
from PIL import Image

import edgecnn.data


def make_image(size=(8, 6), mode="RGB", seed=0):
    """A Pillow image of (width, height) with noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def fill(root, classes=("cat", "dog"), count=10, **kind):
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            make_image(seed=100 * number + index, **kind).save(root / name / f"{index:03}.png")
    return root


def load(root, **arguments):
    return edgecnn.data.load("folder", data_dir=root, **arguments)
