"""Check whether an existing output file is the requested artifact, to reuse it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecnn.data.splitting.training_overlap import without_sample_digests
from edgecnn.embedded_manifest import load_artifact, read_embedded
from edgecnn.errors import InputError
from edgecnn.manifest import Artifact, Manifest, sidecar_path


def reusable(path: Path, plan: Manifest, *, force: bool) -> Artifact | None:
    """The artifact at `path` when it is what `plan` would make again; None to make it.

    A file whose own manifest has this plan but which lacks its sidecar is the trace of an
    interruption and is made again. Raises InputError for any other file, unless `force`.
    """
    if force or not path.exists():
        return None
    try:
        artifact = load_artifact(path)
        if _same(artifact.manifest, plan):
            return artifact if sidecar_path(path).exists() else None
    except InputError:
        inside = _inside(path)
        if inside is not None and _same(inside, plan):
            return None
    raise InputError(
        f"{path} exists already, and was made from another model or with other settings",
        hint="pass --force to overwrite it, or choose another --out",
    )


def _inside(path: Path) -> Manifest | None:
    try:
        return read_embedded(path)
    except InputError:
        return None


def _same(manifest: Manifest, plan: Manifest) -> bool:
    return bool(_essence(manifest) == _essence(plan))


def _essence(manifest: Manifest) -> Any:
    """A manifest as JSON reads it back, without what is only known once the file is made."""
    values = without_sample_digests(manifest).to_dict()
    ignored = ("parity", "encoder_parity", "kept_in_float", "notes")
    conversion = {key: value for key, value in values["conversion"].items() if key not in ignored}
    essence = {**values, "inputs": None, "outputs": None, "conversion": conversion}
    return json.loads(json.dumps(essence))
