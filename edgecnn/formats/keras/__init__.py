"""Keras 3 archives: a zip with the architecture in JSON and the weights in HDF5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange
from edgecnn.formats.signature import Signature


class Keras(Format):
    """A .keras file. What its members hold is looked at before Keras sees them (`keras_files`)."""

    name: ClassVar[str] = "keras"
    title: ClassVar[str] = "a Keras 3 model"
    suffixes: ClassVar[tuple[str, ...]] = (".keras",)
    magic: ClassVar[tuple[tuple[bytes, int], ...]] = ((b"PK\x03\x04", 0), (b"PK\x05\x06", 0))
    runtime: ClassVar[str] = "keras"
    functions: ClassVar[Mapping[str, str]] = {
        "cost": "edgecnn.benchmarking.cost.keras:count",
        "first_convolution": "edgecnn.runtimes.first_layer:from_keras",
        "proof": "edgecnn.feeding.keras_model:prove_file",
    }

    @classmethod
    def holds(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        from edgecnn.formats.keras import check

        return check.holds(path)

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        from edgecnn.formats.keras import check

        check.examine(path)
        return ()

    @classmethod
    def signature(cls, path: Path) -> Signature | None:
        from edgecnn.formats.keras import signature

        return signature.read(path)

    @classmethod
    def recipe(cls, path: Path) -> str:
        from edgecnn.formats.keras import recipe

        return recipe.recipe_of(path)

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:
        from edgecnn.formats.keras import ids

        return ids.id_limits(path)

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:
        from edgecnn.formats.keras import manifest

        return manifest.read(path, key)
