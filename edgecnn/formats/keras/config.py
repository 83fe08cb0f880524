"""The architecture in a .keras file, as the JSON that it is."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MAX_CONFIG_BYTES = 64 << 20


def read_config(path: Path) -> Any:
    """What config.json holds; None where it is larger than any honest one.

    Raises ValueError, KeyError or OSError for a file that is not whole.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
                return None
            return json.loads(archive.read("config.json"))
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,  # encrypted, or nested beyond measure
        NotImplementedError,  # a compression method Python does not know
    ) as error:
        raise ValueError(str(error)) from error


def mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """A JSON array; an empty one for anything else."""
    return value if isinstance(value, list) else []
