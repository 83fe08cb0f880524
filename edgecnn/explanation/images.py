"""Arrays into images: PNG bytes, colors for heat, enlarging. NumPy and zlib only.

A file can be explained where only its runtime is installed, without OpenCV or Pillow; OpenCV alone
takes 0.5 s to import, and its PNG of the same pixels is no smaller (0.2 s and 0.08 s for 800×600).
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

from edgecnn.preprocessing import FloatArray, resize

ImageArray = npt.NDArray[np.uint8]

_HEAT = np.asarray(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
        (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
    ],
    np.float32,
)  # fmt: skip
"""Nine points of the color map "inferno" (S. van der Walt, N. Smith, matplotlib, 2015): its
lightness rises evenly, so that it reads the same in gray and for those who see few colors.
"""


def png(image: ImageArray) -> bytes:
    """(height, width, 3) uint8 → a PNG file."""
    height, width, _ = image.shape
    rows = np.concatenate(
        [np.zeros((height, 1), np.uint8), image.reshape(height, width * 3)], axis=1
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(rows.tobytes(), 6)
    parts = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def data_uri(image: ImageArray) -> str:
    """An image as an address that carries it."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def heat_colors(values: FloatArray) -> ImageArray:
    """0…1 (height, width) → black, purple, orange, pale yellow (height, width, 3)."""
    places = np.clip(values, 0, 1) * (len(_HEAT) - 1)
    channels = [np.interp(places, np.arange(len(_HEAT)), _HEAT[:, axis]) for axis in range(3)]
    return np.rint(np.stack(channels, axis=2)).astype(np.uint8)


def enlarged(image: ImageArray, side: int) -> ImageArray:
    """Whole-number enlarging until the longer side has at least `side` pixels; pixels stay square.

    Larger images are brought down to `side` instead.
    """
    longest = max(image.shape[:2])
    if longest > side:
        ratio = side / longest
        return fitted(
            image,
            max(1, round(image.shape[0] * ratio)),
            max(1, round(image.shape[1] * ratio)),
        )
    factor = max(1, -(-side // longest))
    return np.asarray(image.repeat(factor, axis=0).repeat(factor, axis=1), np.uint8)


def fitted(image: ImageArray, height: int, width: int) -> ImageArray:
    """An image resampled smoothly to height × width."""
    values = resize(image.astype(np.float32), height, width)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def stretched(values: FloatArray, height: int, width: int) -> FloatArray:
    """A map (rows, columns) resampled smoothly to (height, width)."""
    smooth = resize(np.asarray(values, np.float32)[:, :, None], height, width)
    return np.asarray(smooth[:, :, 0], np.float32)


def glowing(image: ImageArray, heat: FloatArray) -> ImageArray:
    """`image` darkened to gray, with `heat` (0…1, any size) glowing over it."""
    height, width = image.shape[:2]
    strength = np.clip(stretched(heat, height, width), 0, 1)
    gray = image.astype(np.float32).mean(axis=2, keepdims=True) * 0.55
    weight = np.sqrt(strength)[:, :, None] * 0.85
    mixed = gray * (1 - weight) + heat_colors(strength).astype(np.float32) * weight
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def framed(image: ImageArray, box: tuple[float, float, float, float]) -> ImageArray:
    """`image` with a rectangle (left, top, right, bottom in pixels), cut at the edges."""
    canvas = image.copy()
    height, width = canvas.shape[:2]
    thick = max(1, round(max(height, width) / 128))
    left, right = (int(np.clip(round(value), 0, width)) for value in (box[0], box[2]))
    top, bottom = (int(np.clip(round(value), 0, height)) for value in (box[1], box[3]))
    line = np.asarray((90, 220, 255), np.uint8)
    for rows in (slice(top, top + thick), slice(max(0, bottom - thick), bottom)):
        canvas[rows, left:right] = line
    for columns in (slice(left, left + thick), slice(max(0, right - thick), right)):
        canvas[top:bottom, columns] = line
    return canvas


def filter_tiles(kernel: FloatArray) -> list[ImageArray]:
    """Each filter of (height, width, 1 or 3, filters) as an image, strongest first.

    Zero is mid gray and all filters share one scale, so that weak ones look weak.
    """
    reach = float(np.quantile(np.abs(kernel), 0.998)) or 1.0
    order = np.argsort(-np.square(kernel).sum(axis=(0, 1, 2)), kind="stable")
    pixels = np.clip(kernel[:, :, :, order] / reach, -1, 1) * 127.5 + 127.5
    images = np.rint(pixels).astype(np.uint8).transpose(3, 0, 1, 2)
    return [np.repeat(one, 3, axis=2) if one.shape[2] == 1 else one for one in images]


def one_channel(image: ImageArray, channel: int) -> ImageArray:
    """An image with a single color channel lit."""
    alone = np.zeros_like(image)
    alone[:, :, channel] = image[:, :, channel]
    return alone
