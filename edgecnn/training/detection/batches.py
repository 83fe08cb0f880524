"""A detector's batches: random views to learn from, whole images to validate with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecnn.data.boxes.base import BoxedImage
from edgecnn.errors import InputError
from edgecnn.training.detection.augmentation import View
from edgecnn.training.detection.data import SamplingShares, TrainingImages
from edgecnn.training.detection.loss import targets

EVALUATION_BATCH = 16
MAX_KEPT_BYTES = 1 << 30
"""Of validation images as they enter the network: 340 of 512×512."""


def training_views(
    pool: TrainingImages,
    mix: SamplingShares,
    *,
    frame: int,
    windows: int,
    small: float,
    steps: int,
    batch_size: int,
    seed: int,
    epoch: int,
    first: int,
) -> Any:
    """Training batches: a function of (seed, epoch, batch) and nothing else.

    Until epoch `windows` they are windows of half the side, twice as many in a batch, then whole
    frames. See `batches.training_batches`.
    """
    import keras

    class Views(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None
        open_sizes = True

        def __init__(self) -> None:
            super().__init__()
            self._epoch, self._first = epoch, first

        def __len__(self) -> int:
            return steps - self._first

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            whole = self._epoch >= windows
            side = frame if whole else max(frame // 2 // 64, 1) * 64
            count = batch_size if whole else 2 * batch_size
            try:
                return pool.batch(
                    View(side, frame, whole=whole, small=small),
                    mix,
                    count,
                    [seed, self._epoch, index + self._first],
                )
            except InputError as error:
                self.error = error
                raise

        def next_epoch(self) -> None:
            self._epoch += 1
            self._first = 0

    return Views()


def whole_frames(photos: Sequence[BoxedImage], preprocessing: Any, classes: int) -> Any:
    """Whole images as they enter the network, with their targets, in order.

    They are made once, as long as there is room for them.
    """
    import keras

    class Frames(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None
        open_sizes = True

        def __init__(self) -> None:
            super().__init__()
            self._kept: dict[int, tuple[Any, Any]] = {}
            self._left = MAX_KEPT_BYTES

        def __len__(self) -> int:
            return math.ceil(len(photos) / EVALUATION_BATCH)

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            if index in self._kept:
                return self._kept[index]
            try:
                batch = self._made(index)
            except InputError as error:
                self.error = error
                raise
            size = sum(array.nbytes for array in batch)
            if size <= self._left:
                self._left -= size
                self._kept[index] = batch
            return batch

        def _made(self, index: int) -> tuple[Any, Any]:
            start = index * EVALUATION_BATCH
            stop = min(start + EVALUATION_BATCH, len(photos))
            samples = [photos[at] for at in range(start, stop)]
            wanted = []
            for sample in samples:
                place = preprocessing.place(*sample.image.shape[:2])
                wanted.append(
                    targets(
                        place.to_tensor(sample.boxes),
                        place.to_tensor(sample.ignored),
                        preprocessing.height,
                        class_ids=sample.class_ids,
                        num_classes=classes,
                    )
                )
            images = preprocessing.batch([sample.image for sample in samples])
            return images, np.stack(wanted)

    return Frames()
