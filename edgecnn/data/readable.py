"""Which of the files are readable: each is tried once, the broken are named and left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.content import sample_digest
from edgecnn.data.left_out import LeftOut
from edgecnn.data.pictures import UnreadablePictureError, decode, quiet_pillow


@dataclass(frozen=True)
class ReadablePicture:
    """A picture that could be decoded."""

    path: Path
    label: int
    digest: bytes
    shape: tuple[int, ...]


def readable_pictures(
    found: Sequence[tuple[Path, int]], folder: Path, left_out: list[LeftOut]
) -> list[ReadablePicture]:
    """Decode every picture (path, label) once, several at a time; `left_out` names, with
    the path below `folder`, each that cannot be decoded.
    """
    entries = []
    # Pillow decodes without the interpreter lock; a result holds a digest, never the pixels.
    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for (path, label), result in zip(
            found, pool.map(_inspect, [path for path, _ in found]), strict=True
        ):
            if isinstance(result, str):
                left_out.append(LeftOut(str(path.relative_to(folder)), result))
            else:
                entries.append(ReadablePicture(path, label, *result))
    return entries


def _inspect(path: Path) -> tuple[bytes, tuple[int, ...]] | str:
    """Digest and shape of a picture, or why it cannot be read."""
    try:
        picture = decode(path)
    except UnreadablePictureError as error:
        return error.message
    return sample_digest(picture), picture.shape
