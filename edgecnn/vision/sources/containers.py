"""Identify image and sound files from their bytes, without libraries.

FFmpeg only says that it cannot open a file. Whoever gave it a recording of sound, or an image
that moves, is reported as one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import open_regular_file

LOOKED_AT_BYTES = 4 << 20
"""At either end of a file: tables of streams lie there."""
_MOST_CHUNKS = 100_000

_VIDEO = (
    b"vide",  # ISO media (mp4, mov): the handler of a track
    b"vids",  # AVI: the type of a stream
    b"\x83\x81\x01",  # Matroska, WebM: TrackType 1
    b"\x80theora",
    b"FLV\x01\x01",
    b"FLV\x01\x05",
)
_SOUND = (b"soun", b"auds", b"\x83\x81\x02", b"\x01vorbis", b"OpusHead", b"FLV\x01\x04")


def only_sound(path: Path) -> bool:
    """Whether a file that cannot be opened as a video holds sound and nothing to see."""
    try:
        with open_regular_file(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            content = file.read(LOOKED_AT_BYTES)
            file.seek(max(0, size - LOOKED_AT_BYTES))
            content += file.read(LOOKED_AT_BYTES)
    except (InputError, OSError):
        return False
    plain = content.startswith((b"ID3", b"fLaC")) or content[8:12] == b"WAVE"
    sound = plain or any(mark in content for mark in _SOUND)
    return sound and not any(mark in content for mark in _VIDEO)


def frames_in(path: Path) -> int:
    """How many images a GIF, PNG or WebP shows one after the other; 1 for all else.

    Raises InputError when the file cannot be read; a damaged one counts up to the damage.
    """
    with open_regular_file(path) as file:
        content = file.read(LOOKED_AT_BYTES)
    try:
        if content.startswith((b"GIF87a", b"GIF89a")):
            return max(1, sum(1 for kind in _gif_blocks(content) if kind == 0x2C))
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            at = content.find(b"acTL")
            return max(1, struct.unpack_from(">I", content, at + 4)[0]) if at > 0 else 1
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return max(1, content.count(b"ANMF"))
    except (struct.error, IndexError):
        pass
    return 1


def _gif_blocks(content: bytes) -> Iterator[int]:
    """The introducer of each block (GIF89a, appendix A): 0x2C is an image."""
    flags = content[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    for _ in range(_MOST_CHUNKS):
        if at >= len(content) or content[at] not in (0x21, 0x2C):
            return
        kind = content[at]
        yield kind
        if kind == 0x21:
            at += 2
        else:
            flags = content[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        while at < len(content) and content[at]:
            at += content[at] + 1
        at += 1
