"""Small random changes to training samples, reproducible batch by batch.

| modality | light | standard | strong |
|---|---|---|---|
| image | shift by 1 pixel | shift, turn, zoom, shear, light | more of each, color, cutout |
| volume | quarter turns about the vertical | and shift by 1 voxel | shift by 2, mirrored |
| signal | shift by 5% | shift, gain, noise | more of each, speed |
| spectrogram | shift, pitch of the mouth | and tempo, masks, noise | more of each |
| text | 5% of the words unknown | 10% | 20% |

`none` changes nothing. Images are mirrored only where left and right do not matter: a
mirrored digit, sign or word is another one.
"""

from __future__ import annotations

from edgecnn.training.augmentation.choice import (
    LEVELS,
    Augmentation,
    augmentation_for,
    mirrored_by_default,
)
from edgecnn.training.augmentation.images import random_shift

__all__ = ["LEVELS", "Augmentation", "augmentation_for", "mirrored_by_default", "random_shift"]
