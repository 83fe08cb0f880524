"""WAV files of PCM samples, read as untrusted bytes.

Python's own reader and numpy serve: a board that hears needs no more. FLAC and Ogg files need
libsndfile with cffi (6 MB, 0.02 s to import), see `compressed_audio`.
"""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.files import UnreadableFileError, open_regular_file

MAX_BYTES = 256 << 20
"""Of one file: read, it takes up to eight times as much."""
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
_WAVE_ERRORS = (OSError, EOFError, ValueError, RuntimeError, struct.error, wave.Error)
MOST_CHANNELS = 64
_WIDTHS = (1, 2, 3, 4)

Recording = npt.NDArray[np.float32]


class UnreadableRecordingError(InputError):
    """A file that is not what its name says, or damaged; the message is the reason alone."""


def read_wav(path: Path) -> tuple[Recording, int]:
    """float32 (samples,) in −1…1 and the sample rate in Hz, channels averaged.

    PCM of 8, 16, 24 and 32 bits, at most MAX_BYTES. Raises UnreadableRecordingError.
    """
    try:
        with open_regular_file(path) as opened, wave.open(opened, "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            declared, size = file.getnframes(), path.stat().st_size
            if size > MAX_BYTES:
                raise UnreadableRecordingError(f"it is larger than {MAX_BYTES >> 20} MiB")
            check_rate(rate, "")
            if width not in _WIDTHS or channels > MOST_CHANNELS:
                raise UnreadableRecordingError(
                    f"{8 * width} bits and {channels} channels; expected 8, 16, 24 or 32 bits and "
                    f"up to {MOST_CHANNELS} channels"
                )
            content = file.readframes(min(declared, size // (width * channels)))
    except _WAVE_ERRORS as error:
        raise UnreadableRecordingError(str(error) or "it ends inside its header") from error
    except UnreadableFileError as error:
        raise UnreadableRecordingError(error.reason) from error
    if not content or len(content) < declared * width * channels:
        raise UnreadableRecordingError(
            f"it declares {declared} frames, received: {len(content) // (width * channels)}"
        )
    mixed = _pcm(content, width).reshape(-1, channels).mean(axis=1)
    return mixed.astype(np.float32), rate


def check_rate(rate: int, where: str) -> int:
    """`rate` (Hz), when it can be that of a recording. Raises UnreadableRecordingError."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UnreadableRecordingError(
            f"{where}{': ' if where else ''}expected a sample rate of {LOWEST_RATE:,} to "
            f"{HIGHEST_RATE:,} Hz, received: {rate:,}"
        )
    return rate


def _pcm(content: bytes, width: int) -> Recording:
    if width == 1:  # 8 bits are unsigned
        levels = np.frombuffer(content, np.uint8).astype(np.float32)
        return (levels - np.float32(128)) / np.float32(128)
    if width == 3:
        padded = np.zeros((len(content) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        return padded.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    return np.frombuffer(content, f"<i{width}").astype(np.float32) / np.float32(
        2 ** (8 * width - 1)
    )
