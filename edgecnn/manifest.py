"""The manifest of a model file: inputs, preprocessing, outputs and origin.

A manifest lies next to its file as `<file>.manifest.json` and, where the format has room,
inside it too. A foreign file without one gets an inferred manifest when it is loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecnn.deprecation import old_names
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.files import atomic_path, read_json_file, sha256_of
from edgecnn.formats.check import check_model_path, digest_of, model_files
from edgecnn.formats.kinds import format_of
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import Fed, Preprocessing, preprocessing_from_dict
from edgecnn.records import FieldError, abbreviated, read_field, read_record
from edgecnn.tensor_spec import TensorSpec

__all__ = [
    "EMBEDDED_KEY",
    "SCHEMA_VERSION",
    "Artifact",
    "Manifest",
    "TensorSpec",
    "check_model_path",
    "digest_of",
    "read_sidecar",
    "sha256_of",
    "sidecar_path",
    "with_conversion",
    "without_sidecars",
    "write_manifest",
]

SCHEMA_VERSION = 1
MAX_SIDECAR_BYTES = 16 << 20
EMBEDDED_KEY = "edgecnn.manifest"
_SIDECAR = ".manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Everything about a model file but its bytes."""

    task: str = "unknown"
    model: str = ""
    recipe: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    preprocessing: Preprocessing | None = None
    feeding: Fed | None = None
    """From where `preprocessing` is known; None in manifests of networks that edgecnn trained."""
    postprocessing: Postprocessing | None = None
    """How the outputs of a detector become boxes; None for other tasks."""
    labels: tuple[str, ...] = ()
    parent_sha256: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    """The data set: name, sha256, number of samples in each split, seed of the split."""
    training: Mapping[str, Any] = field(default_factory=dict)
    conversion: Mapping[str, Any] = field(default_factory=dict)
    """Converter, options, opset, calibration data, and `parity` with the parent."""
    versions: Mapping[str, str] = field(default_factory=dict)
    inferred: bool = False
    """True when there was no manifest and this one was read off the file."""

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values["preprocessing"] = self.preprocessing.to_dict() if self.preprocessing else None
        return {"schema_version": SCHEMA_VERSION, **values}

    @classmethod
    def from_dict(cls, values: Any) -> Manifest:
        """Read what `to_dict` wrote; metrics that are not finite numbers are left out.

        Raises InputError for anything else, with the path of the field.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"not an edgecnn manifest: received {abbreviated(values)}")
        version = values.get("schema_version")
        if type(version) is not int or version > SCHEMA_VERSION:
            raise InputError(
                f"manifest schema {version!r} is not readable here (this is schema "
                f"{SCHEMA_VERSION})",
                hint="update edgecnn",
            )
        preprocessing, feeding = values.get("preprocessing"), values.get("feeding")
        try:
            metrics = read_field(Mapping[str, Any], values.get("metrics", {}), "metrics")
            plain = {"preprocessing": None, "feeding": None, "metrics": _finite(metrics)}
            return replace(
                read_record(cls, {**values, **plain}),
                preprocessing=preprocessing_from_dict(preprocessing) if preprocessing else None,
                feeding=Fed.from_dict(feeding) if feeding else None,
            )
        except FieldError as error:
            raise InputError(f"not an edgecnn manifest: {error.message}") from error


def _finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


@dataclass(frozen=True)
class Artifact:
    """A model, one file or several, with its manifest.

    `path` is the file that names the others; `sha256` and `size_bytes` are those of all files
    that belong to the model (see `formats.check.digest_of`).
    """

    path: Path
    manifest: Manifest
    sha256: str
    size_bytes: int

    @property
    def format(self) -> str:
        """The file format's name, as in "tflite"."""
        return format_of(self.path).name

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the model, that of `path` first. Raises as `formats.check.model_files`."""
        return model_files(self.path)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


def sidecar_path(model_path: Path) -> Path:
    """Where the manifest of `model_path` lies."""
    return model_path.with_name(model_path.name + _SIDECAR)


def without_sidecars(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths without the manifests that lie next to model files, and without the further files
    of a model that is named (weights of ncnn and ONNX): `art/*` means the models.
    """
    kept = [path for path in paths if not _lies_beside(path)]
    if len(kept) < 2:
        return tuple(kept)
    further = {other.resolve() for path in kept for other in _further_files(path)}
    return tuple(path for path in kept if path.resolve() not in further)


def _lies_beside(path: Path) -> bool:
    """Whether a path is the manifest of a model next to it."""
    name = path.name.removesuffix(_SIDECAR)
    return name not in ("", path.name) and path.with_name(name).exists()


def _further_files(path: Path) -> tuple[Path, ...]:
    """The files of a model besides its first; none of what cannot be read."""
    try:
        return model_files(path)[1:]
    except EdgeCNNError:  # whoever opens it says what is wrong
        return ()


def write_manifest(model_path: Path, manifest: Manifest, *, made: Path | None = None) -> Artifact:
    """Write the sidecar of a model file and return both as an Artifact.

    `made` is the model before it is put in its place. A model that lies there until then is
    removed: an interruption leaves no model next to the manifest of another one.
    """
    digest = digest_of(made, placed=model_path) if made else digest_of(model_path)
    artifact = Artifact(model_path, manifest, *digest)
    document = {**manifest.to_dict(), "sha256": artifact.sha256}
    with atomic_path(sidecar_path(model_path)) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        if made is not None:
            model_path.unlink(missing_ok=True)
    return artifact


def read_sidecar(model_path: Path, sha256: str) -> Manifest | None:
    """The manifest next to `model_path`, None when there is none.

    Raises InputError when it is unreadable or speaks of another file's bytes.
    """
    path = sidecar_path(model_path)
    if not os.path.lexists(path):
        return None
    try:
        document = read_json_file(path, limit=MAX_SIDECAR_BYTES)
        recorded = document["sha256"]
    except InputError as error:
        raise InputError(
            error.message, hint=f"delete {path.name} to continue without it"
        ) from error
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not an edgecnn manifest ({error})",
            hint=f"delete {path.name} to continue without it",
        ) from error
    if recorded != sha256:
        raise InputError(
            f"{model_path.name} is not the file its manifest describes "
            f"(sha256 {sha256[:12]}…, manifest {str(recorded)[:12]}…)",
            hint=f"restore the file, or delete {path.name} to treat it as a foreign model",
        )
    try:
        return Manifest.from_dict(document)
    except InputError as error:
        raise InputError(
            f"{path}: {error.message}",
            hint=error.hint or f"delete {path.name} to continue without it",
        ) from error


def with_conversion(manifest: Manifest, **entries: Any) -> Manifest:
    """A copy of `manifest` with `entries` added to its conversion record."""
    return replace(manifest, conversion={**manifest.conversion, **entries})


__getattr__ = old_names(__name__, {"RECIPES": "edgecnn.formats.recipes:MADE"})
