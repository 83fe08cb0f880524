"""Recordings in files: WAV, and with soundfile FLAC and Ogg (Vorbis, Opus, FLAC in Ogg)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.data.files.compressed_audio import SUFFIXES as COMPRESSED
from edgecnn.data.files.compressed_audio import read_compressed
from edgecnn.data.files.wav import Recording, UnreadableRecordingError, read_wav
from edgecnn.errors import InputError

SUFFIXES = (".wav", *COMPRESSED)


@dataclass(frozen=True)
class RecordingFiles(Sequence[Recording]):
    """Samples of a Split that lie in files: indexing reads, nothing is kept.

    Each is float32 (samples,) in −1…1, its channels averaged.
    """

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return RecordingFiles(self.paths[index])
        try:
            return read_recording(self.paths[index])[0]
        except UnreadableRecordingError as error:
            raise InputError(
                f"{self.paths[index]}: {error.message}",
                hint="the file changed after the data was loaded",
            ) from error


def is_recording(path: Path) -> bool:
    """Whether a file's name says that it is one of the kinds that are read."""
    return path.suffix.lower() in SUFFIXES


def read_recording(path: Path) -> tuple[Recording, int]:
    """float32 (samples,) in −1…1 and the sample rate in Hz, channels averaged.

    Raises UnreadableRecordingError, and MissingDependencyError for FLAC and Ogg where soundfile is
    not installed.
    """
    return read_compressed(path) if path.suffix.lower() in COMPRESSED else read_wav(path)
