"""The commonest image files, decoded by OpenCV: small ones (32×32) take half the time of
Pillow as PNG and a quarter as JPEG.

Plain is a whole JPEG or PNG of 8-bit gray or RGB, with nothing in its header that changes how
its pixels are to be read. There the two decoders give the same pixels (tests/unit/data/
files/test_opencv_images.py); of everything else Pillow knows more.
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
_JPEG_SCAN = 0xDA
"""The marker behind which the pixels are."""
_JPEG_WITHOUT_LENGTH = (*range(0xD0, 0xDA), 0xFF)
_TURNED_OR_OTHER_COLORS = re.compile(rb"Exif|Adobe|ns\.adobe\.com/xap|tiff:Orientation")
_TRANSPARENT_TURNED_OR_MOVING = (b"tRNS", b"eXIf", b"acTL")
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_TURNED_BY_TEXT = (b"Raw profile type", b"XML:com.adobe.xmp")
"""What a PNG's text chunk begins with that may hold an orientation."""


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
    if encoded.startswith(_PNG) and encoded.endswith(_PNG_END):
        return _png_header(encoded)
    if encoded.startswith(_JPEG) and encoded.endswith(_JPEG_END):
        return _jpeg_header(encoded)
    return None


def _png_header(encoded: bytes) -> _Header | None:
    """IHDR is the first chunk: width, height, depth, color type (0 gray, 2 RGB). What turns the
    image may also come behind its pixels.
    """
    channels = {b"\x08\x00": 1, b"\x08\x02": 3}.get(encoded[24:26])
    if channels is None:
        return None
    place = len(_PNG)
    while place < len(encoded):
        length, kind = _number(encoded[place : place + 4]), encoded[place + 4 : place + 8]
        if kind in _TRANSPARENT_TURNED_OR_MOVING:
            return None
        if kind in _PNG_TEXTS and encoded.startswith(_TURNED_BY_TEXT, place + 8):
            return None
        place += 12 + length
    if place != len(encoded):
        return None
    return _Header(_number(encoded[20:24]), _number(encoded[16:20]), channels)


def _jpeg_header(encoded: bytes) -> _Header | None:
    """The frame's: length, depth, height, width, components (1 gray, 3 YCbCr)."""
    header = None
    place = 2
    while place + 9 < len(encoded) and encoded[place] == 0xFF:
        marker = encoded[place + 1]
        if marker in _JPEG_WITHOUT_LENGTH:
            return None
        if marker == _JPEG_SCAN:
            return None if _TURNED_OR_OTHER_COLORS.search(encoded, 0, place) else header
        if marker in _JPEG_FRAMES:
            depth, channels = encoded[place + 4], encoded[place + 9]
            if depth != 8 or channels not in (1, 3):
                return None
            height, width = encoded[place + 5 : place + 7], encoded[place + 7 : place + 9]
            header = _Header(_number(height), _number(width), channels)
        place += 2 + _number(encoded[place + 2 : place + 4])
    return None


def _number(digits: bytes) -> int:
    return int.from_bytes(digits, "big")
