"""JPEGs decoded no larger than a network needs them.

A JPEG holds blocks of 8×8 pixels as frequencies, and a decoder that leaves out the higher ones
gives a half, a quarter or an eighth of the size for a fraction of the time. Halving is what
`shrink.fit` does first to a large image, by the means of 2×2 pixels; this is nearly the same, and
takes the rest of the way from there (`benchmarks/shrinking.py`: a 12-megapixel photo).
"""

from __future__ import annotations

FACTORS = (8, 4, 2)
_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
"""Markers of baseline, extended and progressive JPEG: what every decoder reduces."""
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))

Size = tuple[int, int]
"""(height, width)."""


def jpeg_size(content: bytes) -> Size | None:
    """The size of a JPEG as it is stored, from its header; None for anything else."""
    if not content.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        elif marker in _FRAMES:
            height, width = _number(content, place + 5), _number(content, place + 7)
            return (height, width) if height and width else None
        else:
            place += 2 + max(2, _number(content, place + 2))
    return None


def reduction(stored: Size, enough: Size) -> int:
    """By how much a photo may be reduced, 1, 2, 4 or 8, so that it still has the pixels of an
    input of `enough` (height, width) that it is fitted into, turned or not.
    """
    longer, shorter = max(stored), min(stored)
    scale = max(max(enough) / longer, min(enough) / shorter)
    return next((factor for factor in FACTORS if scale * factor <= 1), 1)


def whole_size(stored: Size, shape: Size, factor: int) -> Size | None:
    """The size of the upright photo of which a reduced one has `shape`: EXIF may turn it. None
    where the two do not fit.
    """
    for size in (stored, (stored[1], stored[0])):
        if tuple(-(-side // factor) for side in size) == shape:
            return size
    return None


def _number(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 2], "big")
