"""Images with boxes: what every detection source yields, whatever its files looked like.

Boxes are (n, 4) float32, left, top, right, bottom in pixels of the image as decoded (upright),
right and bottom exclusive. `ignored` boxes count neither as hit nor as false alarm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.files.images import UnreadableImageError, as_channels, decode
from edgecnn.data.left_out import LeftOut
from edgecnn.deprecation import old_attribute
from edgecnn.errors import InputError

ImageArray = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int64]


_ALL_OF_ONE: ClassIds = np.zeros(0, np.int64)


def no_boxes() -> Boxes:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class BoxedImage:
    """A decoded image (height, width, 3) uint8 RGB with its boxes."""

    image: ImageArray
    boxes: Boxes
    ignored: Boxes = field(default_factory=no_boxes)
    class_ids: ClassIds = field(default_factory=lambda: _ALL_OF_ONE)
    """Of `boxes`; all of one class (0) where they are left out."""

    picture = old_attribute("picture", "image")

    def __post_init__(self) -> None:
        if self.class_ids is _ALL_OF_ONE:
            object.__setattr__(self, "class_ids", np.zeros(len(self.boxes), np.int64))


@dataclass(frozen=True)
class BoxedFile:
    """An image file with its boxes; `height` and `width` are those of the decoded image.

    `class_ids` and `ignored_ids` say of which class each box is; all of one class (0) where they
    are left out. An image is `incomplete` when an annotation of it was left out as unreadable:
    an object may be where no box is.
    """

    path: Path
    height: int
    width: int
    boxes: Boxes
    ignored: Boxes = field(default_factory=no_boxes)
    class_ids: ClassIds = field(default_factory=lambda: _ALL_OF_ONE)
    ignored_ids: ClassIds = field(default_factory=lambda: _ALL_OF_ONE)
    incomplete: bool = False

    @property
    def without_objects(self) -> bool:
        """Whether the image is known to hold no object: it has no box, counted or ignored, and no
        annotation was left out.
        """
        return not len(self.boxes) and not len(self.ignored) and not self.incomplete

    def __post_init__(self) -> None:
        for name, boxes in (("class_ids", self.boxes), ("ignored_ids", self.ignored)):
            if getattr(self, name) is _ALL_OF_ONE:
                object.__setattr__(self, name, np.zeros(len(boxes), np.int64))

    def renumbered(self, numbers: Mapping[int, int]) -> BoxedFile:
        """The same file with the boxes of the classes in `numbers`, each under its new number."""
        kept, ignored = (np.isin(ids, list(numbers)) for ids in (self.class_ids, self.ignored_ids))

        def new(ids: ClassIds) -> ClassIds:
            return np.asarray([numbers[number] for number in ids.tolist()], np.int64)

        return replace(
            self,
            boxes=self.boxes[kept],
            ignored=self.ignored[ignored],
            class_ids=new(self.class_ids[kept]),
            ignored_ids=new(self.ignored_ids[ignored]),
        )

    def load(self) -> BoxedImage:
        """Decode the file. Raises InputError when it is not an image of the stated size."""
        try:
            image = as_channels(decode(self.path), 3)
        except UnreadableImageError as error:
            raise InputError(f"{self.path}: {error.message}") from error
        self.check_size(*image.shape[:2])
        return BoxedImage(image, self.boxes, self.ignored, self.class_ids)

    def check_size(self, height: int, width: int) -> None:
        """Raise InputError when the image is not of the size that its annotation states."""
        if (height, width) != (self.height, self.width):
            raise InputError(
                f"{self.path.name}: the image is {width}×{height}, "
                f"its annotation says {self.width}×{self.height}",
                hint="the boxes would not fit; annotate the image as it is stored",
            )


@dataclass(frozen=True)
class BoxDataset:
    """Annotated files of one source, with the boxes of the classes that were chosen on reading.

    `label` names what is to be found; `counts` are the boxes of every class there is.
    """

    name: str
    files: tuple[BoxedFile, ...]
    label: str = "stop sign"
    source: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    @property
    def positives(self) -> tuple[BoxedFile, ...]:
        """Files with at least one box."""
        return tuple(file for file in self.files if len(file.boxes))

    @property
    def negatives(self) -> tuple[BoxedFile, ...]:
        """Files that are known to hold no object."""
        return tuple(file for file in self.files if file.without_objects)

    @property
    def sha256(self) -> str:
        """Digest over the images' bytes and the boxes: the same data, the same digest."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(hashlib.sha256(file.path.read_bytes()).digest())
            digest.update(np.ascontiguousarray(file.boxes, "<f4").tobytes())
            digest.update(np.ascontiguousarray(file.ignored, "<f4").tobytes())
        return digest.hexdigest()

    def where(self, keep: Callable[[int, BoxedFile], bool]) -> BoxDataset:
        """The files for which `keep(position, file)` holds."""
        files = tuple(file for index, file in enumerate(self.files) if keep(index, file))
        return replace(self, files=files)


def split_in_blocks(
    dataset: BoxDataset, *, block: int, every: int, offset: int = 0
) -> tuple[BoxDataset, BoxDataset]:
    """(kept, held out): of the files in order, every `every`-th block of `block` is held out.

    Neighbors in a recording are nearly the same image. Split one by one, the held-out part
    would be known already; in blocks only the two ends of each touch the rest.
    """
    if block < 1 or every < 2:
        raise InputError(f"block is ≥ 1 and every ≥ 2, received: {block} and {every}")

    def held_out(index: int) -> bool:
        return (index // block) % every == offset % every

    return (
        dataset.where(lambda index, _: not held_out(index)),
        dataset.where(lambda index, _: held_out(index)),
    )
