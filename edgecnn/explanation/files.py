"""Sort the given files into the model, related models and the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.data.files.images import ImageArray, UnreadableImageError, decode, quiet_pillow
from edgecnn.errors import InputError
from edgecnn.formats.kinds import known_suffixes
from edgecnn.registry import require


def sort_files(paths: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """Models by their ending, the `.keras` file first; the one other file is the image.

    Raises InputError without a model, and for more than one image.
    """
    endings = known_suffixes()
    models = [path for path in paths if path.suffix.lower() in endings]
    images = [path for path in paths if path.suffix.lower() not in endings]
    if not models:
        raise InputError(
            f"no model among {', '.join(path.name for path in paths)}",
            hint=f"a model ends in {', '.join(endings)}",
        )
    if len(images) > 1:
        raise InputError(
            f"one image at a time, received: {', '.join(path.name for path in images)}"
        )
    models.sort(key=lambda path: path.suffix.lower() != ".keras")
    return models, images[0] if images else None


def read_image(path: Path) -> ImageArray:
    """Decode an image file; (height, width, 1 or 3) uint8.

    Raises InputError with the file's name when there is none, or it is not an image.
    """
    require("PIL.Image", "train")
    if not path.exists():
        raise InputError(f"no such image: {path}")
    if path.is_dir():
        raise InputError(f"expected an image, received a folder: {path}")
    try:
        with quiet_pillow():
            return decode(path)
    except UnreadableImageError as error:
        raise InputError(
            f"{path.name} is not an image that can be read: {error.message}",
            hint="PNG, JPEG, BMP, GIF, TIFF, WebP and PPM are understood",
        ) from error
