"""Check which files are readable: each is tried once, broken ones are reported and skipped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.content import sample_digest
from edgecnn.data.files.image_kinds import is_not_read, why_not_read
from edgecnn.data.files.images import UnreadableImageError, decode_first, quiet_pillow
from edgecnn.data.left_out import LeftOut
from edgecnn.progress import Progress

PROGRESS_EVERY = 1000


@dataclass(frozen=True)
class ReadableImage:
    """An image that could be decoded."""

    path: Path
    label: int
    digest: bytes
    shape: tuple[int, ...]
    frames: int = 1


def readable_images(
    images: Sequence[tuple[Path, int]],
    folder: Path,
    left_out: list[LeftOut],
    progress: Progress | None = None,
) -> list[ReadableImage]:
    """Decode every image (path, label) once, several at a time; `left_out` names, with
    the path below `folder`, each that cannot be decoded.
    """
    entries = []
    # Pillow decodes without the interpreter lock; a result holds a digest, never the pixels.
    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for (path, label), result in zip(
            images, pool.map(_inspect, [path for path, _ in images]), strict=True
        ):
            where = str(path.relative_to(folder))
            if isinstance(result, str):
                left_out.append(LeftOut(where, result))
                continue
            entries.append(ReadableImage(path, label, *result))
            if entries[-1].frames > 1:
                pages = f"{entries[-1].frames} pages or frames, the first is used"
                left_out.append(LeftOut(where, pages, "pages"))
            if progress and len(entries) % PROGRESS_EVERY == 0:
                progress("read", len(entries), len(images))
    return entries


def _inspect(path: Path) -> tuple[bytes, tuple[int, ...], int] | str:
    """Digest, shape and frames of an image, or why it cannot be read."""
    if is_not_read(path):
        return why_not_read(path)
    try:
        image, frames = decode_first(path)
    except UnreadableImageError as error:
        return error.message
    return sample_digest(image), image.shape, frames
