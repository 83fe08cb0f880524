"""The float file of a format from a source of the same format: float32, sizes fixed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.conversion.sources.files import FileSource


def write(source: FileSource, path: Path) -> None:
    """Raises InputError for a file that cannot be rewritten."""
    source.float_twin(path)
