"""Image files as a source, one after another, all frames of those that move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.files import read_file
from edgecnn.vision.opencv import as_bgr, quiet_cv2
from edgecnn.vision.sources import Source
from edgecnn.vision.sources.containers import frames_in
from edgecnn.vision.sources.frames import ImageArray, Read
from edgecnn.vision.sources.reduced_jpeg import Size, jpeg_size, reduction, whole_size

LARGEST_PIXELS = 100_000_000
"""An image above is left out: 300 MB for one frame is not a camera's."""
MAX_FILE_BYTES = 512 << 20
MOST_ANIMATED_PIXELS = 3 * LARGEST_PIXELS
"""Of all frames of an animated WebP together, which are decoded at once."""
NAMED = 5


class ImageFileReader:
    """Image files one after another; a damaged one is left out, counted and named.

    All frames of an animated GIF, PNG or WebP and all pages of a TIFF are given, each under the
    name of the file.

    With `enough`, the (height, width) of a network's input, a JPEG is decoded no larger than that
    takes; `whole` then is the size of the last image as it is in its file, None where that is the
    size that was given.
    """

    fps = 0.0

    def __init__(self, source: Source, *, enough: Size | None = None) -> None:
        self._cv2 = quiet_cv2()
        self._enough = enough
        self.whole: Size | None = None
        self._count = len(source.paths)
        self._damaged: list[str] = []
        self._index = -1
        self._reads = self._all(source.paths)

    @property
    def unreadable(self) -> int:
        return len(self._damaged)

    @property
    def left_out(self) -> str:
        """The damaged files by name, as in "a.jpg, b.jpg and 3 more"; empty without any."""
        named = ", ".join(self._damaged[:NAMED])
        more = len(self._damaged) - NAMED
        return f"{named} and {more} more" if more > 0 else named

    def read(self) -> Read | None:
        image_read = next(self._reads, None)
        if image_read is None and self._index < 0 and self._damaged:
            raise InputError(
                f"none of {self._count} images could be decoded, first: {self._damaged[0]}",
                hint="the files are damaged, empty or not images",
            )
        return image_read

    def close(self) -> None:
        self._reads = iter(())

    def _all(self, paths: tuple[Path, ...]) -> Iterator[Read]:
        for path in paths:
            count = 0
            for image in self._frames(path):
                count += 1
                self._index += 1
                yield image, float(self._index), path.name
            if not count:
                self._damaged.append(path.name)

    def _frames(self, path: Path) -> Iterator[ImageArray]:
        """The images in a file; none when it is damaged."""
        self.whole = None
        try:
            data = np.frombuffer(read_file(path, limit=MAX_FILE_BYTES), np.uint8)
            several = frames_in(path)
        except InputError:
            return
        if data.size == 0:
            return
        try:
            if several > 1:
                yield from self._animated(path, data, several)
                return
            if path.suffix.lower() in (".tif", ".tiff"):
                yield from self._pages(path)
                return
            small = self._reduced(data)
            if small is not None:
                yield small
                return
            # IMREAD_COLOR turns gray, alpha, 16 bits and EXIF rotation into upright BGR
            image = self._cv2.imdecode(data, self._cv2.IMREAD_COLOR)
        except self._cv2.error:  # more pixels than OpenCV allows
            return
        yield from self._fitting([image])

    def _reduced(self, data: Any) -> ImageArray | None:
        """A large JPEG, decoded smaller; None where it is not to be, or cannot be."""
        stored = jpeg_size(data.tobytes()) if self._enough is not None else None
        if stored is None or self._enough is None or stored[0] * stored[1] > LARGEST_PIXELS:
            return None
        factor = reduction(stored, self._enough)
        if factor == 1:
            return None
        flags = {
            2: self._cv2.IMREAD_REDUCED_COLOR_2,
            4: self._cv2.IMREAD_REDUCED_COLOR_4,
            8: self._cv2.IMREAD_REDUCED_COLOR_8,
        }
        image = self._cv2.imdecode(data, flags[factor])
        if image is None:
            return None
        self.whole = whole_size(stored, image.shape[:2], factor)
        return None if self.whole is None else as_bgr(image)

    def _animated(self, path: Path, data: Any, several: int) -> Iterator[ImageArray]:
        """Frames by FFmpeg, one at a time; WebP, which it does not decode, by OpenCV at once."""
        cv2 = self._cv2
        if path.suffix.lower() != ".webp" and data[:4].tobytes() != b"RIFF":
            capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
            try:
                while (frame_read := capture.read())[0]:
                    yield from self._fitting([frame_read[1]])
            finally:
                capture.release()
            return
        first = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if first is None or first.shape[0] * first.shape[1] * several > MOST_ANIMATED_PIXELS:
            return
        ok, animation = cv2.imdecodeanimation(data)
        yield from self._fitting(animation.frames if ok else [first])

    def _pages(self, path: Path) -> Iterator[ImageArray]:
        for page in range(max(1, self._cv2.imcount(str(path)))):
            _, images = self._cv2.imreadmulti(
                str(path), start=page, count=1, flags=self._cv2.IMREAD_COLOR
            )
            yield from self._fitting(images)

    def _fitting(self, images: Any) -> Iterator[ImageArray]:
        for image in images:
            if image is not None and 0 < image.shape[0] * image.shape[1] <= LARGEST_PIXELS:
                yield as_bgr(image)
