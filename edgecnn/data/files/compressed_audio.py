"""FLAC and Ogg files, decoded by libsndfile (soundfile, `edgecnn[audio]`) as untrusted bytes.

A few kilobytes of either decode to hours of silence, and a header may declare any length: pieces
are decoded until the bound is passed, whatever is declared. Libsndfile reads 25 more formats;
the first bytes decide that it sees no other than these two.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgecnn.data.files.wav import (
    MAX_BYTES,
    MOST_CHANNELS,
    Recording,
    UnreadableRecordingError,
    check_rate,
)
from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.files import UnreadableFileError, read_file
from edgecnn.registry import require

SUFFIXES = (".flac", ".ogg", ".oga", ".opus")
MOST_VALUES = MAX_BYTES // 2
"""Of all channels together: as many as the largest WAV file of 16 bits holds."""
_MAGIC = {b"fLaC": "FLAC", b"OggS": "OGG"}
_AT_ONCE = 1 << 20
_OGG_FLAGS, _OGG_HEADER, _OGG_LAST = 5, 27, 4


def read_compressed(path: Path) -> tuple[Recording, int]:
    """float32 (samples,) in −1…1 and the sample rate in Hz, channels averaged.

    Raises UnreadableRecordingError for files that are damaged, cut short or longer than
    MOST_VALUES, MissingDependencyError without soundfile.
    """
    soundfile = _library()
    content = _content(path)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = check_rate(file.samplerate, "")
            if file.channels > MOST_CHANNELS:
                raise UnreadableRecordingError(
                    f"{file.channels} channels; expected up to {MOST_CHANNELS}"
                )
            declared = file.frames
            recording = _decoded(file, declared)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
        raise UnreadableRecordingError(_reason(error)) from error
    if not len(recording) or len(recording) < declared:
        raise UnreadableRecordingError(f"it declares {declared} frames, received: {len(recording)}")
    if not np.isfinite(recording).all():
        raise UnreadableRecordingError("it holds NaN or infinity")
    return recording, rate


def _library() -> ModuleType:
    try:
        return require("soundfile", "audio")
    except OSError as error:  # the package without its library
        raise MissingDependencyError(
            "soundfile is installed without libsndfile",
            hint="install libsndfile1 (apt-get), or soundfile from a wheel: pip install soundfile",
        ) from error


def _content(path: Path) -> bytes:
    """The file's bytes. Raises UnreadableRecordingError for those that cannot be FLAC or Ogg."""
    try:
        content = read_file(path, limit=MAX_BYTES)
    except UnreadableFileError as error:
        raise UnreadableRecordingError(error.reason) from error
    except InputError as error:
        raise UnreadableRecordingError(f"it is larger than {MAX_BYTES >> 20} MiB") from error
    kind = _MAGIC.get(content[:4])
    if kind is None:
        raise UnreadableRecordingError("it is neither a FLAC nor an Ogg file")
    if kind == "OGG" and not _ends_whole(content):
        raise UnreadableRecordingError("it ends before its last page")
    return content


def _ends_whole(content: bytes) -> bool:
    """Whether the last page of an Ogg file is there and marked as the last (RFC 3533)."""
    start = content.rfind(b"OggS")
    header = content[start : start + _OGG_HEADER]
    if len(header) < _OGG_HEADER or not header[_OGG_FLAGS] & _OGG_LAST:
        return False
    sizes = content[start + _OGG_HEADER :][: header[-1]]
    return len(content) - start >= _OGG_HEADER + len(sizes) + sum(sizes)


def _decoded(file: Any, declared: int) -> Recording:
    """All frames, channels averaged, piece by piece."""
    channels = file.channels
    most = MOST_VALUES // channels
    pieces: list[Recording] = []
    count = 0
    while max(count, declared) <= most:
        piece = file.read(_AT_ONCE // channels, "float32", always_2d=True)
        if not len(piece):
            return np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        count += len(piece)
        pieces.append(piece.mean(axis=1, dtype=np.float32))
    raise UnreadableRecordingError(f"it is longer than {most:,} frames")


def _reason(error: Exception) -> str:
    """Libsndfile's own words, without the place that soundfile puts before them."""
    message = str(getattr(error, "error_string", "") or error).strip().rstrip(".")
    message = message.removeprefix("Error : ")
    return f"damaged: {message}" if message else "damaged"
