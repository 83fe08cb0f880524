"""Parse image sources from their text, before anything is opened.

A source is live or it is not. A live one (camera, stream) continues whether or not somebody
looks, so that only its newest frame is worth anything, and it may go and come back. A file
waits, and every frame of it counts.
"""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from edgecnn.errors import InputError
from edgecnn.files import IMAGE_ENDINGS, check_regular_file
from edgecnn.registry import unknown_name
from edgecnn.vision.sources.containers import frames_in

Kind = Literal["camera", "video", "pictures", "stream", "gstreamer", "picamera", "synthetic"]

VIDEO_ENDINGS = frozenset(
    (".3gp", ".avi", ".flv", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg")
) | {".ogv", ".ts", ".webm", ".wmv"}
OPENCV_ENDINGS = IMAGE_ENDINGS - {".avif"}
"""What OpenCV reads everywhere."""
MOVING_ENDINGS = frozenset((".gif", ".png"))
"""Of images that FFmpeg plays as a video when they hold several."""
STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "rtp", "srt", "tcp")
MOST_CAMERAS = 2**31
"""A camera's number is a C int in OpenCV."""
_PASSWORDS = (
    re.compile(r"(://)[^/\s]+(@)"),  # up to the last @: one may stand in the password
    re.compile(r"(?i)([?&]pass(?:wd|word)?=|[?&]pwd?=)[^&\s]*()"),
    re.compile(r"(\b(?:user|proxy)-pw\s*=\s*)(?:\"[^\"]*\"|\S+)()"),  # of a GStreamer element
)
FORMS = (
    "a camera's number, a video file, a folder or glob of images, an rtsp:// or http:// "
    "address, a GStreamer pipeline (with ' ! '), picamera or synthetic"
)


@dataclass(frozen=True)
class Source:
    """A source that was understood. `address` is what its reader opens.

    `live`: keeps the newest frame and drops what is late; otherwise nothing is dropped.
    `continuous`: one frame follows from the last, so that tracks make sense.
    """

    kind: Kind
    address: str
    live: bool
    continuous: bool = True
    paths: tuple[Path, ...] = ()

    def __str__(self) -> str:
        address = without_password(self.address)
        return f"camera {address}" if self.kind == "camera" else address

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read on this machine, as far as it has a path."""
        return (Path(self.address),) if self.kind in ("video", "camera") else self.paths


def parse_source(text: str) -> Source:
    """Understand a source as it is typed.

    Raises InputError for what cannot be one: a file that is not there, an ending nobody
    knows, an empty folder. Cameras and streams are tried only when they are opened.
    """
    text = str(text).strip()
    if not text:
        raise InputError("no source given", hint=f"pass {FORMS}")
    return _device(text) or (_address(text) if "://" in text else _files(text))


def _device(text: str) -> Source | None:
    if text.isdecimal():
        number = text.lstrip("0") or "0"
        if len(number) > len(str(MOST_CAMERAS)) or int(number) >= MOST_CAMERAS:
            raise InputError(f"no camera has the number {number[:20]}", hint=f"pass {FORMS}")
        return Source("camera", str(int(number)), live=True)
    if re.fullmatch(r"/dev/video\d+", text):
        return Source("camera", text, live=True)
    if re.fullmatch(r"synthetic(:.+)?", text):
        return Source("synthetic", text, live=True)
    if re.fullmatch(r"picamera2?(:\d+)?", text):
        return Source("picamera", text, live=True)
    if " ! " in text:
        return Source("gstreamer", text, live=True)
    return None


def without_password(address: str) -> str:
    """An address or pipeline that may be shown and logged: cameras' passwords stand in them."""
    for pattern in _PASSWORDS:
        address = pattern.sub(r"\1…\2", address)
    return address


def cameras() -> list[str]:
    """The cameras Linux knows, by number; empty elsewhere."""
    numbers = (path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
    return sorted((number for number in numbers if number.isdecimal()), key=int)


def _address(text: str) -> Source:
    scheme = text.partition("://")[0].lower()
    if scheme not in (*STREAM_SCHEMES, "file"):
        raise unknown_name("kind of address", scheme, STREAM_SCHEMES)
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:
        raise InputError(f"not an address: {without_password(text)} ({error})") from error
    if scheme == "file":
        return _files(unquote(parts.path))
    if not host and scheme not in ("udp", "rtp"):
        raise InputError(f"no host in the address {without_password(text)}")
    # A video file behind http has an end and no clock: nothing of it is dropped.
    recorded = scheme in ("http", "https") and _ending(parts.path) in VIDEO_ENDINGS - {
        ".mjpg",
        ".mjpeg",
        ".ts",
        ".flv",
    }
    return Source("stream", text, live=not recorded)


def _files(text: str) -> Source:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # ~somebody, whom this machine does not know
        raise InputError(f"no such source: {text} ({error})", hint=f"pass {FORMS}") from error
    if path.is_dir():
        images = [each for each in path.iterdir() if _ending(each.name) in OPENCV_ENDINGS]
        if not images:
            raise InputError(
                f"no images in {text}",
                hint=f"known endings: {', '.join(sorted(OPENCV_ENDINGS))}",
            )
        return _images(text, images)
    if path.exists():
        check_regular_file(path)
        ending = _ending(path.name)
        if ending in MOVING_ENDINGS and frames_in(path) > 1:
            return Source("video", str(path), live=False)
        if ending in OPENCV_ENDINGS:
            return _images(text, [path])
        if ending in VIDEO_ENDINGS:
            return Source("video", str(path), live=False)
        raise InputError(
            f"{path.name}: neither a video nor an image, by its ending",
            hint=f"known endings: {', '.join(sorted(VIDEO_ENDINGS | OPENCV_ENDINGS))}",
        )
    if glob.has_magic(text):
        # An absolute pattern is nothing that Path.glob takes.
        matches = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        images = [each for each in matches if _ending(each.name) in OPENCV_ENDINGS]
        if not images:
            raise InputError(f"no images match {text}", hint="quote the pattern for the shell")
        return _images(text, images)
    raise InputError(f"no such source: {text}", hint=f"pass {FORMS}")


def _images(text: str, paths: list[Path]) -> Source:
    ordered = tuple(sorted(paths, key=lambda path: _natural(str(path))))
    return Source("pictures", text, live=False, continuous=False, paths=ordered)


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that puts frame_2 before frame_10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _ending(name: str) -> str:
    return Path(name).suffix.lower()
