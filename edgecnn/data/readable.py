"""Which of the files are readable: each is tried once, the broken are named and left out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.base import DataWarning
from edgecnn.data.content import sample_digest
from edgecnn.data.pictures import UnreadablePictureError, decode, quiet_pillow

_NAMED_IN_WARNING = 5


@dataclass(frozen=True)
class ReadablePicture:
    """A picture that could be decoded."""

    path: Path
    label: int
    digest: bytes
    shape: tuple[int, ...]


def readable_pictures(
    found: Sequence[tuple[Path, int]], folder: Path, skipped: list[str]
) -> list[ReadablePicture]:
    """Decode every picture (path, label) once, several at a time; `skipped` gets a line, with
    the path below `folder`, for each that cannot be decoded.
    """
    entries = []
    # Pillow decodes without the interpreter lock; a result holds a digest, never the pixels.
    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for (path, label), result in zip(
            found, pool.map(_inspect, [path for path, _ in found]), strict=True
        ):
            if isinstance(result, str):
                skipped.append(f"{path.relative_to(folder)}: {result}")
            else:
                entries.append(ReadablePicture(path, label, *result))
    return entries


def warn_of(skipped: Sequence[str], what: str) -> None:
    """One DataWarning that counts what was left out and names the first few."""
    if not skipped:
        return
    named = "; ".join(skipped[:_NAMED_IN_WARNING])
    more = len(skipped) - _NAMED_IN_WARNING
    warnings.warn(
        f"{len(skipped)} broken {what}(s) left out: {named}"
        + (f"; and {more} more" if more > 0 else ""),
        DataWarning,
        stacklevel=4,
    )


def _inspect(path: Path) -> tuple[bytes, tuple[int, ...]] | str:
    """Digest and shape of a picture, or why it cannot be read."""
    try:
        picture = decode(path)
    except UnreadablePictureError as error:
        return error.message
    return sample_digest(picture), picture.shape
