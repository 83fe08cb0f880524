"""Training data of detectors: photos, drawn scenes and cutouts, and a mix of views of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import BoxedFile, BoxedImage
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.registry import require
from edgecnn.training.detection.augmentation import View, augment
from edgecnn.training.detection.cutouts import Cutout, cut_out
from edgecnn.training.detection.loss import targets

LONGEST_SIDE = 1280
MAX_KEPT_BYTES = 1 << 30
"""Of decoded photos: about 360 of 1280×800 pixels, or 4,600 of 320×240."""
MOST_SCENES = 1 << 20
"""Different drawn scenes: more than a training looks at."""


@dataclass(frozen=True)
class SamplingShares:
    """Shares of a batch; the rest, after `drawn` and `negatives`, are photos with objects.

    `hard` is a share of the negatives, `pasted` one of all photos, `close` one of whole frames:
    a window as large as the frame instead, with objects of all sizes up to all of it.
    """

    drawn: float = 0.45
    negatives: float = 0.22
    hard: float = 0.0
    pasted: float = 0.0
    close: float = 0.0


@dataclass(frozen=True)
class TrainingImages:
    """Everything a view can be taken of. `hard` are places among the negatives."""

    positives: Sequence[BoxedImage]
    negatives: Sequence[BoxedImage]
    drawn: Sequence[BoxedImage]
    classes: int = 1
    cutouts: Sequence[Cutout] = ()
    hard: Sequence[int] = ()

    def view(self, view: View, mix: SamplingShares, seed: Sequence[int]) -> BoxedImage:
        """The view that `seed` stands for, always the same."""
        rng = np.random.default_rng(seed)
        if view.whole and mix.close and rng.random() < mix.close:
            view = replace(view, whole=False, small=0.0)
        roll = rng.random()
        if (roll < mix.drawn and self.drawn) or not self.positives:
            sample = self.drawn[int(rng.integers(len(self.drawn)))]
            return augment(sample, view, rng, drawn=True)
        if roll < mix.drawn + mix.negatives and self.negatives:
            sample = self._negative(mix, rng)
        else:
            sample = self.positives[int(rng.integers(len(self.positives)))]
        pasted = bool(mix.pasted and self.cutouts) and rng.random() < mix.pasted
        return augment(sample, view, rng, drawn=False, cutouts=self.cutouts if pasted else ())

    def _negative(self, mix: SamplingShares, rng: np.random.Generator) -> BoxedImage:
        if mix.hard and self.hard and rng.random() < mix.hard:
            return self.negatives[self.hard[int(rng.integers(len(self.hard)))]]
        return self.negatives[int(rng.integers(len(self.negatives)))]

    def batch(
        self, view: View, mix: SamplingShares, count: int, seed: Sequence[int]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Images (count, size, size, 3) in 0…1 and targets (see `detection_loss`)."""
        samples = [self.view(view, mix, [*seed, index]) for index in range(count)]
        images = np.stack([sample.image for sample in samples]).astype(np.float32)
        images *= np.float32(1 / 255)
        wanted = [
            targets(
                sample.boxes,
                sample.ignored,
                view.size,
                class_ids=sample.class_ids,
                num_classes=self.classes,
            )
            for sample in samples
        ]
        return images, np.stack(wanted)


class Photos(Sequence[BoxedImage]):
    """Annotated files, shrunk to at most LONGEST_SIDE pixels; decoded once as long as memory is
    left of `max_bytes`, and each time beyond.

    Raises InputError, when it reads one, for a file that is not an image of the stated size.
    """

    def __init__(self, files: Sequence[BoxedFile], *, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._files = files
        self._kept: dict[int, BoxedImage] = {}
        self._left = max_bytes

    def __len__(self) -> int:
        return len(self._files)

    # Sequence promises slices too; photos are read one at a time.
    def __getitem__(self, index: int) -> BoxedImage:  # type: ignore[override]
        if index in self._kept:
            return self._kept[index]
        photo = load_image(self._files[index])
        if photo.image.nbytes <= self._left:
            self._left -= photo.image.nbytes
            self._kept[index] = photo
        return photo


class FullSizeImages(Sequence[BoxedImage]):
    """Annotated files as they are, decoded each time. Raises InputError as `Photos` does."""

    def __init__(self, files: Sequence[BoxedFile]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    # Sequence promises slices too; photos are read one at a time.
    def __getitem__(self, index: int) -> BoxedImage:  # type: ignore[override]
        return self._files[index].load()


class Backgrounds(Sequence[npt.NDArray[np.uint8]]):
    """The images of photos alone, for scenes to be drawn on."""

    def __init__(self, photos: Sequence[BoxedImage]) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    # Sequence promises slices too; photos are read one at a time.
    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:  # type: ignore[override]
        return self._photos[index].image


def drawn_scenes(seed: int, negatives: Sequence[BoxedImage], small: float) -> SyntheticScenes:
    """Scenes with stop signs, half of them on photos without; each is drawn when it is looked at,
    in about 10 ms.
    """
    return SyntheticScenes(seed, MOST_SCENES, backgrounds=Backgrounds(negatives), small=small)


def load_image(file: BoxedFile) -> BoxedImage:
    """Decode a file, shrunk to at most LONGEST_SIDE pixels."""
    cv2 = require("cv2", "opencv")
    sample = file.load()
    height, width = sample.image.shape[:2]
    ratio = LONGEST_SIDE / max(height, width)
    if ratio >= 1:
        return sample
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    by = np.asarray([size[0] / width, size[1] / height] * 2, np.float32)
    return replace(
        sample,
        image=cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA),
        boxes=sample.boxes * by,
        ignored=sample.ignored * by,
    )


def all_cutouts(files: Sequence[BoxedFile], *, octagonal: bool) -> list[Cutout]:
    """The objects of all files that are large enough. Raises InputError as `Photos` does."""
    cutouts: list[Cutout] = []
    for file in files:
        cutouts += cut_out(load_image(file), octagonal=octagonal)
    return cutouts


def hardest(scores: Sequence[float], share: float = 0.1) -> list[int]:
    """Places of the highest scores, `share` of them and at least one."""
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    return [int(place) for place in order[: max(1, round(share * len(order)))]]


def best_scores(network: Any, photos: Sequence[BoxedImage], preprocessing: Any) -> list[float]:
    """How sure a network with heat maps is of an object in each of the photos: its highest
    logit. The network has both maps in one output, the four distances last.
    """
    best: list[float] = []
    for start in range(0, len(photos), 16):
        images = [photos[at].image for at in range(start, min(start + 16, len(photos)))]
        outputs = network.predict_on_batch(preprocessing.batch(images))
        best += [float(one.max()) for one in outputs[..., :-4]]
    return best
