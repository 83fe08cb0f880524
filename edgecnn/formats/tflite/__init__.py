"""TFLite: a flatbuffer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange
from edgecnn.formats.signature import Signature

if TYPE_CHECKING:
    from edgecnn.formats.front import Front
    from edgecnn.formats.layers import Layer
    from edgecnn.formats.metadata import ModelMetadata


class TFLite(Format):
    """A .tflite file."""

    name: ClassVar[str] = "tflite"
    title: ClassVar[str] = "a TFLite model"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    magic: ClassVar[tuple[tuple[bytes, int], ...]] = ((b"TFL3", 4),)
    runtime: ClassVar[str] = "litert"
    functions: ClassVar[Mapping[str, str]] = {
        "cost": "edgecnn.benchmarking.cost.tflite:count",
        "first_convolution": "edgecnn.runtimes.first_layer:from_tflite",
    }

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        from edgecnn.formats.tflite import check

        return check.examine(path)

    @classmethod
    def signature(cls, path: Path) -> Signature:
        from edgecnn.formats.tflite import signature

        return signature.read(path)

    @classmethod
    def recipe(cls, path: Path) -> str:
        from edgecnn.formats.tflite import recipe

        return recipe.recipe_of(path)

    @classmethod
    def front(cls, path: Path) -> Front | None:
        from edgecnn.formats.tflite import front

        return front.read(path)

    @classmethod
    def metadata(cls, path: Path) -> ModelMetadata:
        from edgecnn.formats.tflite import metadata

        return metadata.read(path)

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:
        from edgecnn.formats.tflite import ids

        return ids.id_limits(path)

    @classmethod
    def layers(cls, path: Path) -> Iterable[Layer]:
        from edgecnn.formats.tflite import layers

        return layers.layers(path)

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:
        from edgecnn.formats.tflite import manifest

        return manifest.read(path, key)

    @classmethod
    def write_manifest(cls, path: Path, key: str, text: str) -> bool:
        from edgecnn.formats.tflite import manifest

        manifest.write(path, key, text)
        return True
