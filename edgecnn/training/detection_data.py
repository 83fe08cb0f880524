"""What a stop-sign detector is trained on: photos, drawn scenes, and a mix of views of them."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import BoxedFile, BoxedPicture
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.progress import Progress, silent
from edgecnn.registry import require
from edgecnn.training.box_augmentation import View, augment
from edgecnn.training.detection_loss import targets

LONGEST_SIDE = 1024
MAX_KEPT_BYTES = 512 << 20
"""Of decoded photos: about 230 of 1024×768 pixels, or 2,400 of 320×240."""


@dataclass(frozen=True)
class Mix:
    """Shares of a batch; what is left after these are photos with signs."""

    drawn: float = 0.45
    negatives: float = 0.22


@dataclass(frozen=True)
class Pool:
    """Everything a view can be taken of."""

    positives: Sequence[BoxedPicture]
    negatives: Sequence[BoxedPicture]
    drawn: Sequence[BoxedPicture]
    classes: int = 1

    def view(self, view: View, mix: Mix, seed: Sequence[int]) -> BoxedPicture:
        """The view that `seed` stands for, always the same."""
        rng = np.random.default_rng(seed)
        roll = rng.random()
        if roll < mix.drawn or not self.positives:
            source = self.drawn
        elif roll < mix.drawn + mix.negatives and self.negatives:
            source = self.negatives
        else:
            source = self.positives
        sample = source[int(rng.integers(len(source)))]
        return augment(sample, view, rng, drawn=source is self.drawn)

    def batch(
        self, view: View, mix: Mix, count: int, seed: Sequence[int]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Images (count, size, size, 3) in 0…1 and targets (see `detection_loss`)."""
        samples = [self.view(view, mix, [*seed, index]) for index in range(count)]
        pictures = np.stack([sample.picture for sample in samples]).astype(np.float32)
        pictures *= np.float32(1 / 255)
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
        return pictures, np.stack(wanted)


class Photos(Sequence[BoxedPicture]):
    """Annotated files, shrunk to at most LONGEST_SIDE pixels; decoded once as long as memory is
    left of `max_bytes`, and each time beyond.

    Raises InputError, when it reads one, for a file that is no image of the stated size.
    """

    def __init__(self, files: Sequence[BoxedFile], *, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._files = files
        self._kept: dict[int, BoxedPicture] = {}
        self._left = max_bytes

    def __len__(self) -> int:
        return len(self._files)

    # Sequence promises slices too; photos are read one at a time.
    def __getitem__(self, index: int) -> BoxedPicture:  # type: ignore[override]
        if index in self._kept:
            return self._kept[index]
        photo = load_picture(self._files[index])
        if photo.picture.nbytes <= self._left:
            self._left -= photo.picture.nbytes
            self._kept[index] = photo
        return photo


def load_picture(file: BoxedFile) -> BoxedPicture:
    """Decode a file, shrunk to at most LONGEST_SIDE pixels."""
    cv2 = require("cv2", "opencv")
    sample = file.load()
    height, width = sample.picture.shape[:2]
    ratio = LONGEST_SIDE / max(height, width)
    if ratio >= 1:
        return sample
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    by = np.asarray([size[0] / width, size[1] / height] * 2, np.float32)
    return replace(
        sample,
        picture=cv2.resize(sample.picture, size, interpolation=cv2.INTER_AREA),
        boxes=sample.boxes * by,
        ignored=sample.ignored * by,
    )


def load_pictures(files: Sequence[BoxedFile]) -> list[BoxedPicture]:
    """Decode files into memory, shrunk to at most LONGEST_SIDE pixels."""
    return [load_picture(file) for file in files]


class RenderedScenes(Sequence[BoxedPicture]):
    """Drawn scenes kept in a file, so that they are drawn once for a whole training."""

    def __init__(self, folder: Path, scenes: SyntheticScenes, key: str) -> None:
        self._scenes = scenes
        self._path = folder / f"scenes-{key}.u8"
        self._boxes = json.loads(self._path.with_suffix(".json").read_text(encoding="utf-8"))
        shape = (len(scenes), scenes.height, scenes.width, 3)
        self._pixels = np.memmap(self._path, np.uint8, "r", shape=shape)

    def __len__(self) -> int:
        return len(self._scenes)

    # Sequence promises slices too; scenes are read one at a time.
    def __getitem__(self, index: int) -> BoxedPicture:  # type: ignore[override]
        counted, ignored = (
            np.asarray(rows, np.float32).reshape(-1, 4) for rows in self._boxes[index]
        )
        return BoxedPicture(np.asarray(self._pixels[index]), counted, ignored)


def render(
    folder: Path, scenes: SyntheticScenes, *, processes: int = 2, progress: Progress = silent
) -> RenderedScenes:
    """Draw `scenes` into `folder`, unless that was done before."""
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(scenes)
    path = folder / f"scenes-{key}.u8"
    if not path.with_suffix(".json").exists():
        partial = path.with_suffix(".partial")
        shape = (len(scenes), scenes.height, scenes.width, 3)
        np.memmap(partial, np.uint8, "w+", shape=shape).flush()
        step = 100
        starts = range(0, len(scenes), step)
        boxes: list[Any] = []
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            processes, context, initializer=_start, initargs=(scenes, partial, shape)
        ) as pool:
            for number, part in enumerate(pool.map(_draw, ((s, s + step) for s in starts))):
                boxes.extend(part)
                progress("scenes", min((number + 1) * step, len(scenes)), len(scenes))
        partial.rename(path)
        path.with_suffix(".json").write_text(json.dumps(boxes), encoding="utf-8")
    return RenderedScenes(folder, scenes, key)


_worker: dict[str, Any] = {}


def _start(scenes: SyntheticScenes, path: Path, shape: tuple[int, ...]) -> None:
    require("cv2", "opencv").setNumThreads(1)
    _worker.update(scenes=scenes, pixels=np.memmap(path, np.uint8, "r+", shape=shape))


def _draw(span: tuple[int, int]) -> list[Any]:
    scenes, pixels = _worker["scenes"], _worker["pixels"]
    boxes = []
    for index in range(span[0], min(span[1], len(scenes))):
        scene = scenes[index]
        pixels[index] = scene.picture
        boxes.append((scene.boxes.tolist(), scene.ignored.tolist()))
    return boxes


def _key(scenes: SyntheticScenes) -> str:
    digest = hashlib.sha256()
    values = {key: value for key, value in _fields(scenes).items() if key != "backgrounds"}
    digest.update(json.dumps(values, sort_keys=True).encode())
    for photo in scenes.backgrounds:
        digest.update(np.ascontiguousarray(photo).tobytes())
    return digest.hexdigest()[:16]


def _fields(scenes: SyntheticScenes) -> dict[str, Any]:
    return {name: getattr(scenes, name) for name in scenes.__dataclass_fields__}
