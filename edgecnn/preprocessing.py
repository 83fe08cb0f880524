"""From pixels to the tensor a network wants: one implementation, numpy only.

Training, calibration, evaluation and the camera all call this code, so that what a network
was trained on is what the device feeds it. A Preprocessing is data: it travels in the
manifest as JSON and comes back equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError

FloatArray = npt.NDArray[np.float32]
Fit = Literal["stretch", "pad"]
LETTERBOX_FILL = 114
"""Mid grey beside a letterboxed picture, as detectors have it since YOLOv5."""


@dataclass(frozen=True)
class ImagePreprocessing:
    """uint8 pictures (height, width, channels) → float32 (height, width, channels).

    A picture is brought to `channels` (grey by ITU-R BT.601 weights), fitted to
    `height` × `width`, multiplied by `scale` and then normalised as (x − mean) / std.
    `fit="stretch"` resizes; `fit="pad"` centres a picture that is no larger than the tensor
    on black, as LeCun 1998 places 28×28 digits in a 32×32 field (larger ones are resized).
    """

    height: int
    width: int
    channels: int
    fit: Fit = "stretch"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    kind = "image"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.channels not in (1, 3):
            raise InputError(
                f"a picture tensor is (height, width, 1 or 3), "
                f"received: ({self.height}, {self.width}, {self.channels})"
            )
        if self.fit not in ("stretch", "pad"):
            raise InputError(f"fit is 'stretch' or 'pad', received: {self.fit!r}")
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, self.channels):
                raise InputError(
                    f"{name} has one value or one a channel ({self.channels}), "
                    f"received: {len(getattr(self, name))}"
                )
        if 0.0 in self.std:
            raise InputError("std must not contain 0, received: " + repr(self.std))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the tensor."""
        return (self.height, self.width, self.channels)

    def __call__(self, picture: npt.NDArray[np.uint8]) -> FloatArray:
        """One uint8 picture (h, w) or (h, w, 1|3|4) → float32 (height, width, channels)."""
        pixels = _to_channels(np.asarray(picture), self.channels)
        fitted = self._fit(pixels.astype(np.float32))
        mean = np.asarray(self.mean, np.float32)
        std = np.asarray(self.std, np.float32)
        return np.ascontiguousarray((fitted * np.float32(self.scale) - mean) / std)

    def batch(self, pictures: Iterable[npt.NDArray[np.uint8]]) -> FloatArray:
        """Pictures → float32 (batch, height, width, channels)."""
        return np.stack([self(picture) for picture in pictures])

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}

    def _fit(self, pixels: FloatArray) -> FloatArray:
        height, width = pixels.shape[:2]
        if (height, width) == (self.height, self.width):
            return pixels
        if self.fit == "pad" and height <= self.height and width <= self.width:
            top, left = (self.height - height) // 2, (self.width - width) // 2
            canvas = np.zeros(self.shape, np.float32)
            canvas[top : top + height, left : left + width] = pixels
            return canvas
        return resize(pixels, self.height, self.width)


@dataclass(frozen=True)
class Placement:
    """Where a letterboxed picture lies in its tensor: tensor = picture × scale + (left, top).

    `height` and `width` are those of the scaled picture, the scales those that really took
    place: sizes are whole pixels, so the two differ by a trifle.
    """

    left: int
    top: int
    height: int
    width: int
    scale_x: float
    scale_y: float

    def to_tensor(self, xyxy: FloatArray) -> FloatArray:
        """Boxes (n, 4) in pixels of the picture → in pixels of the tensor."""
        return np.asarray(xyxy * self._scales() + self._offsets(), np.float32)

    def to_picture(self, xyxy: FloatArray) -> FloatArray:
        """Boxes (n, 4) in pixels of the tensor → in pixels of the picture."""
        return np.asarray((xyxy - self._offsets()) / self._scales(), np.float32)

    def _scales(self) -> FloatArray:
        return np.asarray([self.scale_x, self.scale_y] * 2, np.float32)

    def _offsets(self) -> FloatArray:
        return np.asarray([self.left, self.top] * 2, np.float32)


@dataclass(frozen=True)
class LetterboxPreprocessing(ImagePreprocessing):
    """A picture scaled to fit with its aspect kept, centred on grey: what detectors take.

    `place` tells where the picture went, so that boxes find the way back.
    """

    fill: int = LETTERBOX_FILL

    kind = "letterbox"

    def place(self, height: int, width: int) -> Placement:
        """Where a picture of height × width comes to lie."""
        ratio = min(self.height / height, self.width / width)
        rows = min(self.height, max(1, round(height * ratio)))
        columns = min(self.width, max(1, round(width * ratio)))
        left, top = (self.width - columns) // 2, (self.height - rows) // 2
        return Placement(left, top, rows, columns, columns / width, rows / height)

    def _fit(self, pixels: FloatArray) -> FloatArray:
        place = self.place(*pixels.shape[:2])
        if pixels.shape[:2] != (place.height, place.width):
            pixels = resize(pixels, place.height, place.width)
        canvas = np.full(self.shape, self.fill, np.float32)
        canvas[place.top : place.top + place.height, place.left : place.left + place.width] = pixels
        return canvas


Preprocessing = ImagePreprocessing
"""Any kind of preprocessing a manifest can carry."""

_KINDS: Mapping[str, type[Preprocessing]] = {
    kind.kind: kind for kind in (ImagePreprocessing, LetterboxPreprocessing)
}


def preprocessing_from_dict(values: Mapping[str, Any]) -> Preprocessing:
    """Read what `to_dict` wrote. Raises InputError when it is not a preprocessing."""
    kind = _KINDS.get(str(values.get("kind")))
    if kind is None:
        raise InputError(
            f"unknown preprocessing kind {values.get('kind')!r}", hint=f"known: {', '.join(_KINDS)}"
        )
    known = {field.name for field in fields(kind)}
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    try:
        return kind(**arguments)
    except TypeError as error:
        raise InputError(f"incomplete preprocessing: {error}") from error


def resize(pixels: FloatArray, height: int, width: int) -> FloatArray:
    """Resample (h, w, c) to (height, width, c) with a triangle filter.

    Enlarging is bilinear with half-pixel centres; when shrinking, the filter widens by the
    ratio so that no pixel is skipped (Pillow's BILINEAR does the same).
    """
    rows = _filter_matrix(pixels.shape[0], height)
    columns = _filter_matrix(pixels.shape[1], width)
    shrunk = np.tensordot(rows, pixels, axes=(1, 0))
    resized = np.tensordot(columns, shrunk, axes=(1, 1)).transpose(1, 0, 2)
    return np.ascontiguousarray(resized, np.float32)


@lru_cache(maxsize=64)
def _filter_matrix(source: int, target: int) -> FloatArray:
    """Weights (target, source), each row summing to 1."""
    ratio = source / target
    support = max(ratio, 1.0)
    centres = (np.arange(target) + 0.5) * ratio
    distance = np.abs(np.arange(source)[None, :] + 0.5 - centres[:, None]) / support
    weights = np.clip(1.0 - distance, 0.0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _to_channels(picture: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[Any]:
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3, 4) or 0 in picture.shape:
        raise InputError(
            f"a picture is (height, width) or (height, width, 1|3|4), received: {picture.shape}"
        )
    if picture.shape[2] == 4:
        picture = picture[:, :, :3]
    if picture.shape[2] == channels:
        return picture
    if channels == 1:
        grey = picture.astype(np.float32) @ np.asarray([0.299, 0.587, 0.114], np.float32)
        return grey[:, :, None]
    return np.repeat(picture, 3, axis=2)
