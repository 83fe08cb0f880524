"""Writing a manifest into a model file, where the format has room for it."""

from __future__ import annotations

import json
from pathlib import Path

from edgecnn.conversion.boundary import converter
from edgecnn.formats.kinds import format_of
from edgecnn.manifest import EMBEDDED_KEY, Manifest


def embed_manifest(path: Path, manifest: Manifest) -> bool:
    """Put `manifest` into the model file at `path`, in place of one that is there.

    Weights are kept byte for byte. False where the format has no room, so that the manifest lies
    next to the file only. Raises InputError for no model file, and when the file cannot be
    rewritten (a flatbuffer ends at 2 GiB).
    """
    known = format_of(path)
    text = json.dumps(manifest.to_dict(), separators=(",", ":"))
    with converter(
        f"writing the manifest into {known.title}",
        "models above 2 GiB keep their manifest next to the file only",
    ):
        return known.write_manifest(path, EMBEDDED_KEY, text)
