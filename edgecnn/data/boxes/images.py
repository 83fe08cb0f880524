"""The image files that annotations speak of: where they lie, and what they hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.files.image_kinds import formats, is_not_read, may_be_image, why_not_read
from edgecnn.data.files.images import DECODE_ERRORS, MAX_PIXELS, quiet_pillow
from edgecnn.data.files.tree import files_below, is_plain_split, is_system, split_of
from edgecnn.errors import InputError
from edgecnn.files import IMAGE_ENDINGS, open_regular_file
from edgecnn.progress import Progress

PROGRESS_EVERY = 1000
_EXIF_ORIENTATION = 274
_ON_ITS_SIDE = (5, 6, 7, 8)
_MOST_FILES = 2_000_000
"""In an index of the files below a folder; beyond, what is not where it should be is missing."""


@dataclass(frozen=True)
class StoredImage:
    """An image file: its size as stored, and the EXIF orientation (1 to 8) that turns it."""

    height: int
    width: int
    orientation: int = 1

    @property
    def lies_on_its_side(self) -> bool:
        return self.orientation in _ON_ITS_SIDE

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) as decoded."""
        size = (self.height, self.width)
        return size[::-1] if self.lies_on_its_side else size


class ImageFinder:
    """Finds images by the names that annotations give them, below some folders.

    Names come from other machines: with backslashes, drives, absolute or longer paths, in another
    case, without an ending. Nothing outside of the folders is ever found. Splits often number
    their images from 0, so a name by itself is not looked for in the folder of another split
    than `split` (or than the one in the name).
    """

    def __init__(self, roots: Sequence[Path], split: str | None = None) -> None:
        self._roots = [root for root in dict.fromkeys(roots) if root.is_dir()]
        self._split = split
        self._index: dict[str, dict[Path, str | None]] | None = None

    def find(self, name: str) -> Path | None:
        """The file, or None when it is not there (or when several could be meant)."""
        if "\0" in name:
            return None
        path = re.sub(r"^[A-Za-z]:", "", name.strip().replace("\\", "/"))
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for start in range(len(parts)):
            below = Path(*parts[start:])
            for root in self._roots:
                try:
                    if (root / below).is_file():
                        return root / below
                except OSError:  # a name that is too long
                    return None
        if not parts:
            return None
        named = [split_of(part) for part in parts[:-1] if is_plain_split(part)]
        return self._by_name(parts[-1], self._split or (named[-1] if named else None))

    def _by_name(self, name: str, split: str | None) -> Path | None:
        if self._index is None:
            self._index = {}
            for path in _some(files_below(root) for root in self._roots):
                if path.suffix.lower() in IMAGE_ENDINGS and not is_system(path.name):
                    of_folder = self._split_of_folder(path)
                    self._index.setdefault(path.name.casefold(), {})[path] = of_folder
                    self._index.setdefault(path.stem.casefold(), {})[path] = of_folder
        candidates = [
            path
            for path, of_folder in self._index.get(name.casefold(), {}).items()
            if None in (split, of_folder) or split == of_folder
        ]
        return candidates[0] if len(candidates) == 1 else None

    def _split_of_folder(self, path: Path) -> str | None:
        """The split whose folder the file is in, as seen from the highest of the roots."""
        roots = [root for root in self._roots if path.is_relative_to(root)]
        below = path.relative_to(min(roots, key=lambda root: len(root.parts))).parts[:-1]
        splits = [split for part in below if (split := split_of(part))]
        return splits[-1] if splits else None


def _some(walks: Iterable[Iterable[Path]]) -> Iterable[Path]:
    count = 0
    for walk in walks:
        for path in walk:
            count += 1
            if count > _MOST_FILES:
                return
            yield path


def images_below(folder: Path) -> list[Path]:
    """Image files by name, systems' own copies left out."""
    return sorted(
        path for path in files_below(folder) if not is_system(path.name) and may_be_image(path)
    )


def look_at(
    paths: Sequence[Path], *, decode: bool, progress: Progress | None = None
) -> list[StoredImage | str]:
    """Size and orientation of each image, or why it cannot be read; several at a time.

    With `decode` every image is read to its end, so that a cut file is found now.
    """
    images: list[StoredImage | str] = []
    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for number, result in enumerate(
            pool.map(lambda path: _look_at(path, decode=decode), paths), 1
        ):
            images.append(result)
            if progress and number % PROGRESS_EVERY == 0:
                progress("read", number, len(paths))
    return images


def _look_at(path: Path, *, decode: bool) -> StoredImage | str:
    from PIL import Image

    try:
        return _stored(path, decode=decode)
    except InputError as error:
        return error.message
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return f"too many pixels ({error})"
    except Image.UnidentifiedImageError:
        return why_not_read(path) or "not an image"
    except DECODE_ERRORS as error:
        return str(error) or type(error).__name__


def _stored(path: Path, *, decode: bool) -> StoredImage:
    from PIL import Image

    if is_not_read(path):
        raise InputError(why_not_read(path))
    with open_regular_file(path) as file, Image.open(file, formats=formats()) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise InputError(f"{width}×{height} pixels, expected at most {MAX_PIXELS:,}")
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        if image.format == "TIFF" and orientation in _ON_ITS_SIDE:  # Pillow gives it as shown
            width, height = height, width
        if decode:
            image.draft("L", (1, 1))  # JPEG: read to the end, at an eighth of the size
            image.load()
    valid = isinstance(orientation, int) and 1 <= orientation <= 8
    return StoredImage(height, width, orientation if valid else 1)
