"""The manifest inside a model file, read with the standard library alone.

A Raspberry Pi has neither onnx nor flatbuffers installed, so each format finds the few bytes that
matter itself (`Format.read_manifest`): in `metadata_props` of an ONNX protocol buffer, in the
`metadata` table of a TFLite flatbuffer, in a member of a `.keras` archive.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.formats.kinds import by_suffix
from edgecnn.formats.recipes import RECIPES, recipe_in
from edgecnn.manifest import (
    EMBEDDED_KEY,
    Artifact,
    Manifest,
    check_model_path,
    digest_of,
    read_sidecar,
)


def load_artifact(path: Path) -> Artifact:
    """A model file with its manifest: the sidecar's, else the one inside, else an inferred one.

    Raises InputError for a file that is missing, no whole model, or reads files outside of its
    folder (see `formats.check`), for a sidecar that speaks of other bytes, and for a manifest
    that cannot be read.
    """
    path = check_model_path(Path(path))
    sha256, size = digest_of(path)
    manifest = read_sidecar(path, sha256) or read_embedded(path)
    if manifest is None:
        return Artifact(path, infer_manifest(path), sha256, size)
    recipe = recipe_in(path) if manifest.recipe in ("", "float32") else ""
    return Artifact(path, replace(manifest, recipe=recipe or manifest.recipe), sha256, size)


def infer_manifest(path: Path) -> Manifest:
    """What a foreign file says: its recipe by its tensors, the model by its name, without the
    recipe if it ends in one.
    """
    known = by_suffix(path)
    stem = path.stem.removesuffix(f".{known.name}") if known else path.stem  # as in net.ncnn.param
    endings = [name for name in RECIPES if stem.lower().endswith(name)]
    named = max(endings, key=len, default="")  # bfloat16 ends in float16
    model = stem[: len(stem) - len(named)].rstrip("_-.")
    return Manifest(model=model or path.stem, recipe=recipe_in(path), inferred=True)


def read_embedded(path: Path) -> Manifest | None:
    """The manifest inside a model file, None when the file carries none or is damaged.

    Whether the model itself is whole is for the runtime to judge. Raises InputError when there
    is a manifest that is not readable.
    """
    file_format = by_suffix(path)
    if file_format is None:
        return None
    try:
        text = file_format.read_manifest(path, EMBEDDED_KEY)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if text is None:
        return None
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise TypeError(f"it is a {type(document).__name__}")
        return Manifest.from_dict(document)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path.name}: the manifest inside is not readable ({error})") from error
