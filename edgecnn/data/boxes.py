"""Pictures with boxes: what every detection source yields, whatever its files looked like.

Boxes are (n, 4) float32, left, top, right, bottom in pixels of the stored picture, right and
bottom exclusive. `ignored` boxes count neither as hit nor as false alarm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.picture_kinds import formats
from edgecnn.data.pictures import UnreadablePictureError, as_channels, decode
from edgecnn.errors import InputError

Picture = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

_EXIF_ORIENTATION = 274


def no_boxes() -> Boxes:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class BoxedPicture:
    """A decoded picture (height, width, 3) uint8 RGB with its boxes."""

    picture: Picture
    boxes: Boxes
    ignored: Boxes = field(default_factory=no_boxes)


@dataclass(frozen=True)
class BoxedFile:
    """A picture file with its boxes; `height` and `width` are those of the stored picture."""

    path: Path
    height: int
    width: int
    boxes: Boxes
    ignored: Boxes = field(default_factory=no_boxes)

    def load(self) -> BoxedPicture:
        """Decode the file. Raises InputError when it is no picture, or not of the stated size."""
        try:
            picture = as_channels(decode(self.path), 3)
        except UnreadablePictureError as error:
            raise InputError(f"{self.path}: {error.message}") from error
        self.check_size(*picture.shape[:2])
        return BoxedPicture(picture, self.boxes, self.ignored)

    def check_size(self, height: int, width: int) -> None:
        """Raise InputError when the picture is not of the size that its annotation states."""
        if (height, width) != (self.height, self.width):
            raise InputError(
                f"{self.path.name}: the picture is {width}×{height}, "
                f"its annotation says {self.width}×{self.height}",
                hint="the boxes would not fit; annotate the picture as it is stored",
            )


@dataclass(frozen=True)
class BoxDataset:
    """Annotated files of one source. `labels` are its classes; one class is kept on reading."""

    name: str
    files: tuple[BoxedFile, ...]
    label: str = "stop sign"
    source: str = ""

    def __len__(self) -> int:
        return len(self.files)

    @property
    def positives(self) -> tuple[BoxedFile, ...]:
        """Files with at least one box."""
        return tuple(file for file in self.files if len(file.boxes))

    @property
    def negatives(self) -> tuple[BoxedFile, ...]:
        """Files without any box, counted or ignored."""
        return tuple(file for file in self.files if not len(file.boxes) and not len(file.ignored))

    @property
    def sha256(self) -> str:
        """Digest over the pictures' bytes and the boxes: the same data, the same digest."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(hashlib.sha256(file.path.read_bytes()).digest())
            digest.update(np.ascontiguousarray(file.boxes, "<f4").tobytes())
            digest.update(np.ascontiguousarray(file.ignored, "<f4").tobytes())
        return digest.hexdigest()

    def where(self, keep: Callable[[int, BoxedFile], bool]) -> BoxDataset:
        """The files for which `keep(position, file)` holds."""
        files = tuple(file for index, file in enumerate(self.files) if keep(index, file))
        return BoxDataset(self.name, files, self.label, self.source)


def split_in_blocks(
    dataset: BoxDataset, *, block: int, every: int, offset: int = 0
) -> tuple[BoxDataset, BoxDataset]:
    """(kept, held out): of the files in order, every `every`-th block of `block` is held out.

    Neighbours in a recording are nearly the same picture. Split one by one, the held-out part
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


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) as decoded, read off the header. Raises InputError."""
    from PIL import Image

    try:
        with Image.open(path, formats=formats()) as image:
            lying = image.getexif().get(_EXIF_ORIENTATION, 1) >= 5
            return (image.width, image.height) if lying else (image.height, image.width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable picture ({error})") from error


def inside(folder: Path, name: str) -> Path:
    """folder / name, unless that would leave the folder. Raises InputError."""
    path = folder / name
    if not name or Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise InputError(f"a picture's name must stay in its folder, received: {name!r}")
    return path


def to_boxes(rows: Iterable[Sequence[float]], height: int, width: int, where: str) -> Boxes:
    """Rows of (left, top, right, bottom) → Boxes, cut at the picture's edge.

    Raises InputError for a value that is no finite number or a box that is empty or lies
    outside the picture.
    """
    boxes = np.asarray(list(rows), np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise InputError(f"{where}: a box has a value that is no finite number")
    cut = np.clip(boxes, 0, (width, height, width, height))
    empty = (cut[:, 2:] <= cut[:, :2]).any(axis=1)
    if empty.any():
        worst = [float(value) for value in boxes[int(np.flatnonzero(empty)[0])]]
        raise InputError(
            f"{where}: box {worst} is empty or outside the picture of {width}×{height}",
            hint="boxes are (left, top, right, bottom) in pixels with right > left, bottom > top",
        )
    return cut.astype(np.float32)
