"""The commonest image files, decoded by OpenCV: small ones (32×32) take half the time of
Pillow as PNG and a quarter as JPEG.

Plain is a whole JPEG or PNG of 8-bit gray or RGB, with nothing in its header that changes how
its pixels are to be read. There the two decoders give the same pixels (tests/unit/data/
test_plain_pictures.py); of everything else Pillow knows more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_PIXELS = 1 << 22
"""Beyond, nearly all of the time goes into decoding itself, in which the two are equally fast."""
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
"""Markers of a frame's header: baseline, extended, progressive."""
_LONGEST_HEADER = 1 << 16
_TURNED_OR_OTHER_COLORS = re.compile(b"Exif|Adobe")
_TRANSPARENT_TURNED_OR_MOVING = re.compile(b"tRNS|eXIf|acTL")


@dataclass(frozen=True)
class _Header:
    height: int
    width: int
    channels: int


def decode_plain(encoded: bytes) -> npt.NDArray[np.uint8] | None:
    """(height, width, 1 or 3), gray or RGB; None for what is not plain, and without OpenCV."""
    header = _plain_header(encoded)
    if header is None or not 0 < header.height * header.width <= MOST_PIXELS:
        return None
    try:
        import cv2
    except ImportError:
        return None
    colors = cv2.IMREAD_GRAYSCALE if header.channels == 1 else cv2.IMREAD_COLOR_RGB
    flags = colors | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error:
        return None
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        return None
    return np.asarray(pixels).reshape(header.height, header.width, header.channels)


def _plain_header(encoded: bytes) -> _Header | None:
    start = encoded[:_LONGEST_HEADER]
    if encoded.startswith(_PNG) and encoded.endswith(_PNG_END):
        return None if _TRANSPARENT_TURNED_OR_MOVING.search(start) else _png_header(start)
    if encoded.startswith(_JPEG) and encoded.endswith(_JPEG_END):
        return None if _TURNED_OR_OTHER_COLORS.search(start) else _jpeg_header(start)
    return None


def _png_header(start: bytes) -> _Header | None:
    """IHDR is the first chunk: width, height, depth, color type (0 gray, 2 RGB)."""
    depth_and_colors = start[24:26]
    channels = {b"\x08\x00": 1, b"\x08\x02": 3}.get(depth_and_colors)
    if channels is None:
        return None
    return _Header(_number(start[20:24]), _number(start[16:20]), channels)


def _jpeg_header(start: bytes) -> _Header | None:
    """The frame's: length, depth, height, width, components (1 gray, 3 YCbCr)."""
    place = 2
    while place + 9 < len(start) and start[place] == 0xFF:
        if start[place + 1] in _JPEG_FRAMES:
            depth, channels = start[place + 4], start[place + 9]
            if depth != 8 or channels not in (1, 3):
                return None
            height, width = _number(start[place + 5 : place + 7]), start[place + 7 : place + 9]
            return _Header(height, _number(width), channels)
        place += 2 + _number(start[place + 2 : place + 4])
    return None


def _number(digits: bytes) -> int:
    return int.from_bytes(digits, "big")
