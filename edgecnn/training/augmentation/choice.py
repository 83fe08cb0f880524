"""Choose augmentations and their strength by kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.registry import lookup
from edgecnn.training.augmentation.images import ImageAugmentation
from edgecnn.training.augmentation.signals import SignalAugmentation
from edgecnn.training.augmentation.spectrograms import Spectrograms
from edgecnn.training.augmentation.text import Words
from edgecnn.training.augmentation.volumes import VolumeAugmentation

LEVELS = ("none", "light", "standard", "strong")


class Augmentation(Protocol):
    """Training tensors (batch, …) and a generator → changed tensors of the same shape and type.

    The tensors that come in may be kept elsewhere: they are never changed in place.
    """

    def __call__(self, tensors: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]: ...


_BY_MODALITY: Mapping[str, Mapping[str, Augmentation]] = {
    "image": {
        "light": ImageAugmentation(pixels=1),
        "standard": ImageAugmentation(
            shift=0.1, degrees=8.0, zoom=0.1, shear=0.06, brightness=0.15, contrast=0.2
        ),
        "strong": ImageAugmentation(
            shift=0.12,
            degrees=15.0,
            zoom=0.2,
            shear=0.1,
            brightness=0.25,
            contrast=0.4,
            color=0.08,
            cutout=0.3,
        ),
    },
    "volume": {
        "light": VolumeAugmentation(),
        "standard": VolumeAugmentation(voxels=1),
        "strong": VolumeAugmentation(voxels=2, mirror=True),
    },
    "signal": {
        "light": SignalAugmentation(shift=0.05),
        "standard": SignalAugmentation(shift=0.1, gain=0.3, noise=0.02),
        "strong": SignalAugmentation(shift=0.15, gain=0.5, noise=0.05, speed=0.1),
    },
    "spectrogram": {
        "light": Spectrograms(shift=0.05, bands=1.0, noise=0.02),
        "standard": Spectrograms(
            shift=0.1,
            stretch=0.2,
            bands=2.5,
            color=0.2,
            floor=0.15,
            noise=0.04,
            frames_masked=4,
            bands_masked=4,
        ),
        "strong": Spectrograms(
            shift=0.15,
            stretch=0.3,
            bands=4.0,
            color=0.3,
            floor=0.25,
            noise=0.06,
            frames_masked=8,
            bands_masked=6,
        ),
    },
    "text": {
        "light": Words(drop=0.05),
        "standard": Words(drop=0.1),
        "strong": Words(drop=0.2),
    },
}

_LEFT_IS_RIGHT = ("cifar10", "cifar100")
"""Data sets whose classes look the same in a mirror."""


def mirrored_by_default(data_name: str) -> bool:
    """Whether images of this data set keep their class in a mirror."""
    return data_name.lower().replace("-", "").startswith(_LEFT_IS_RIGHT)


def augmentation_for(
    modality: str, level: str, *, mirror: bool = False, preprocessing: Any = None
) -> Augmentation | None:
    """The changes of a level; None where there is nothing to change.

    `preprocessing` says what black and white are in the tensors of images, and whether those
    of signals are spectrograms.
    """
    if getattr(preprocessing, "kind", "") == "spectrogram":
        modality = "spectrogram"
    lookup("level of augmentation", level, dict.fromkeys(LEVELS))
    chosen = lookup("modality", modality, _BY_MODALITY).get(level)
    if modality != "image":
        return chosen
    images = chosen if isinstance(chosen, ImageAugmentation) else ImageAugmentation()
    adapted = images.adapted(preprocessing, mirror=mirror)
    return adapted if adapted.changes_something else None
