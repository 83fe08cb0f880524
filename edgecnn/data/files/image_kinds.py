"""Identify image files by name and first bytes, and name the others."""

from __future__ import annotations

import functools
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import IMAGE_ENDINGS, open_regular_file

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may try, whatever the file's ending: nothing that starts another program."""
LATER_FORMATS = ("AVIF",)
"""What it may try as well, where it is able to (AVIF since Pillow 11.3)."""

NOT_READ = {
    ".heic": "HEIC", ".heif": "HEIF", ".jxl": "JPEG XL", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000",
    ".svg": "SVG", ".psd": "PSD", ".xcf": "XCF", ".tga": "TGA", ".ico": "ICO", ".exr": "EXR",
    ".hdr": "HDR", ".eps": "EPS", ".pdf": "PDF", ".dng": "camera raw", ".cr2": "camera raw",
    ".cr3": "camera raw", ".nef": "camera raw", ".arw": "camera raw", ".orf": "camera raw",
    ".rw2": "camera raw", ".raf": "camera raw", ".raw": "camera raw", ".mp4": "video",
    ".mov": "video", ".avi": "video", ".mkv": "video", ".webm": "video",
}  # fmt: skip
"""Images (and videos) by their endings that are left out, each with its name."""
_CONVERT = "is not read; convert it to JPEG or PNG"
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*")
_OTHERS = (
    (b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML file"),
    (b"version https://git-lfs", "a Git LFS pointer: fetch the file with git lfs pull"),
    (b"%pdf", f"PDF {_CONVERT}"), (b"pk\x03\x04", "a ZIP archive"), (b"<svg", f"SVG {_CONVERT}"),
)  # fmt: skip
_LENGTHENED = (".jpg", ".jpeg", ".png", ".webp")
"""Endings that some services write something behind (".jpg_large")."""
_LOOKED_AT = 64
"""Bytes of a file's beginning that show what it is."""


def may_be_image(path: Path) -> bool:
    """Whether a file counts as an image: by its ending, or, when that says nothing, by its
    beginning.
    """
    if path.name.startswith("."):
        return False
    ending = path.suffix.lower()
    if ending in IMAGE_ENDINGS or ending in NOT_READ:
        return True
    if ending and not ending[1:].isdigit() and not ending.startswith(_LENGTHENED):
        return False
    start = _beginning(path)
    return start.startswith(_STARTS) or (start.startswith(b"RIFF") and start[8:12] == b"WEBP")


def is_not_read(path: Path) -> bool:
    """Whether the ending names a kind that is not read, and the content does not contradict."""
    return path.suffix.lower() in NOT_READ and not _beginning(path).startswith(_STARTS[:2])


def why_not_read(path: Path) -> str:
    """What a file is that cannot be decoded, as a reason; empty when nobody knows."""
    start = _beginning(path)
    if not start:
        return "the file is empty"
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"heim"):
        return f"HEIC {_CONVERT}"
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return f"AVIF {_CONVERT}, or update Pillow"
    folded = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    content = next((what for mark, what in _OTHERS if folded.startswith(mark)), "")
    if content:
        return content if _CONVERT in content else f"not an image but {content}"
    kind = NOT_READ.get(path.suffix.lower())
    return f"{kind} {_CONVERT}" if kind else ""


def _beginning(path: Path) -> bytes:
    try:
        with open_regular_file(path) as file:
            return file.read(_LOOKED_AT)
    except (InputError, OSError):
        return b""


@functools.cache
def formats() -> tuple[str, ...]:
    """Those of FORMATS and LATER_FORMATS that this Pillow reads."""
    from PIL import Image

    Image.init()
    return tuple(name for name in (*FORMATS, *LATER_FORMATS) if name in Image.OPEN)
