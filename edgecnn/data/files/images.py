"""Image files of every common kind → uint8 arrays, decoded one at a time."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgecnn.data.files.image_kinds import formats, why_not_read
from edgecnn.data.files.opencv_images import decode_plain
from edgecnn.errors import InputError
from edgecnn.files import UnreadableFileError, open_regular_file, read_file

if TYPE_CHECKING:
    from PIL import Image

ImageArray = npt.NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""A decoded image of 64 megapixels takes 192 MB; more is refused before it is decoded."""

MAX_FILE_BYTES = 512 << 20
"""Of an image file: 64 megapixels of 16-bit colors, stored as they are, take 384 MB."""

UNCOMPRESSED = frozenset(("BMP", "DIB", "PPM", "TIFF"))
"""Formats whose files may hold the pixels as they are."""

_GRAY_MODES = frozenset(("1", "L", "I;16", "I;16B", "I;16L", "I;16N"))

DECODE_ERRORS = (
    OSError,  # truncated, not an image (UnidentifiedImageError), unreadable
    ValueError,
    SyntaxError,  # Pillow's word for a broken PNG or TIFF
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,  # Pillow, of a TIFF with damaged strips: sizes were checked before
    TypeError,  # a TIFF whose tags are of other types
    struct.error,
    zlib.error,
)


class UnreadableImageError(InputError):
    """A file that is not an image, or a damaged one; the message is the reason alone."""


@dataclass(frozen=True)
class ImageFiles(Sequence[ImageArray]):
    """Samples of a Split that lie in files: indexing decodes, nothing is kept.

    Each is (height, width, channels) in its own size, 1 channel or 3.
    """

    paths: tuple[Path, ...]
    channels: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ImageFiles(self.paths[index], self.channels)
        path = self.paths[index]
        try:
            return as_channels(decode_again(read_file(path, limit=MAX_FILE_BYTES)), self.channels)
        except (UnreadableImageError, UnreadableFileError) as error:
            why = error.reason if isinstance(error, UnreadableFileError) else error.message
            raise InputError(
                f"{path}: {why}", hint="the file changed after the data was loaded"
            ) from error


def decode_again(encoded: bytes) -> ImageArray:
    """What `decode` gives, sooner, for a file that it was tried on before."""
    plain = decode_plain(encoded)
    return decode(BytesIO(encoded)) if plain is None else plain


def decode(path: Path | BinaryIO) -> ImageArray:
    """Decode to (height, width, 1) for gray images and (height, width, 3) for all others.

    EXIF orientation is applied, palettes are resolved, 16-bit gray keeps its upper 8 bits,
    transparency is laid on white, of an animation the first frame counts.
    Raises UnreadableImageError when it cannot be decoded to the end.
    """
    return decode_first(path)[0]


def decode_first(path: Path | BinaryIO) -> tuple[ImageArray, int]:
    """What `decode` gives, and how many pages or frames there are, of which it is the first."""
    from PIL import Image, ImageOps

    try:
        with _opened(path) as source, Image.open(source, formats=formats()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImageError(
                    f"{image.width}×{image.height} pixels, expected at most {MAX_PIXELS:,}"
                )
            _check_raw_size(image, source)
            image.load()
            return _pixels(ImageOps.exif_transpose(image)), _frames(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(f"too many pixels ({error})") from error
    except Image.UnidentifiedImageError as error:
        reason = why_not_read(path) if isinstance(path, Path) else ""
        raise UnreadableImageError(reason or "not an image") from error
    except DECODE_ERRORS as error:
        raise UnreadableImageError(str(error) or type(error).__name__) from error


def _check_raw_size(image: Image.Image, source: BinaryIO) -> None:
    """Raise for uncompressed pixels that the file cannot hold, before memory is taken for them."""
    place = source.tell()
    size = source.seek(0, SEEK_END)
    source.seek(place)
    if image.format not in UNCOMPRESSED:
        return  # others name what they have decoded themselves
    bits = 1 if image.mode in ("1", "L", "P") else 8 * len(image.getbands())  # 1 to 8 in a P
    boxes = [tile[1] for tile in getattr(image, "tile", ()) if tile[0] == "raw" and tile[1]]
    pixels = sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
    if pixels * bits // 8 > size:
        raise UnreadableImageError(
            f"{image.width}×{image.height} uncompressed pixels do not fit into {size:,} bytes"
        )


def _opened(path: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if not isinstance(path, Path):
        return nullcontext(path)
    try:
        return open_regular_file(path)
    except UnreadableFileError as error:
        raise UnreadableImageError(error.reason) from error


def _frames(image: Image.Image) -> int:
    """Pages or frames; the second image that cameras put into a JPEG does not count."""
    if image.format not in ("GIF", "TIFF", "WEBP", "PNG", "AVIF"):
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except DECODE_ERRORS:
        return 1


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """While every image is tried, Pillow's remarks on damaged metadata are not for the user,
    and its remark on a very large image refuses it. For the main thread: filters are global.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def as_channels(image: ImageArray, channels: int) -> ImageArray:
    """A gray image as (height, width, 3) where the data set has colors."""
    return np.repeat(image, 3, axis=2) if image.shape[2] < channels else image


def _pixels(image: Image.Image) -> ImageArray:
    if image.mode in _GRAY_MODES and "transparency" not in image.info:
        if image.mode.startswith("I;16"):  # Pillow's own conversion clips at 255
            return (np.asarray(image) >> 8).astype(np.uint8)[:, :, None]
        return np.asarray(image.convert("L"))[:, :, None]
    if image.mode in ("I", "F"):
        raise UnreadableImageError(f"pixel mode {image.mode!r} has no fixed range")
    if image.has_transparency_data:
        return _on_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _on_white(rgba: ImageArray) -> ImageArray:
    """Transparent pixels carry arbitrary colors: what a viewer shows is paper."""
    colors = rgba[:, :, :3].astype(np.uint16)
    alpha = rgba[:, :, 3:].astype(np.uint16)
    mixed = (colors * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)
