"""ONNX: a protocol buffer; weights may lie in other files."""

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


class ONNX(Format):
    """An .onnx file."""

    name: ClassVar[str] = "onnx"
    title: ClassVar[str] = "an ONNX model"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    runtime: ClassVar[str] = "onnxruntime"
    functions: ClassVar[Mapping[str, str]] = {
        "cost": "edgecnn.benchmarking.cost.onnx:count",
        "first_convolution": "edgecnn.runtimes.first_layer:from_onnx",
    }

    @classmethod
    def holds(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        from edgecnn.formats.messages import is_onnx

        return is_onnx(path)

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        from edgecnn.formats.onnx import check

        return check.examine(path)

    @classmethod
    def signature(cls, path: Path) -> Signature:
        from edgecnn.formats.onnx import signature

        return signature.read(path)

    @classmethod
    def recipe(cls, path: Path) -> str:
        from edgecnn.formats.onnx import recipe

        return recipe.recipe_of(path)

    @classmethod
    def front(cls, path: Path) -> Front | None:
        from edgecnn.formats.onnx import front

        return front.read(path)

    @classmethod
    def metadata(cls, path: Path) -> ModelMetadata:
        from edgecnn.formats.onnx import metadata

        return metadata.read(path)

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:
        from edgecnn.formats.onnx import ids

        return ids.id_limits(path)

    @classmethod
    def layers(cls, path: Path) -> Iterable[Layer]:
        from edgecnn.formats.onnx import layers

        return layers.layers(path)

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:
        from edgecnn.formats.onnx import manifest

        return manifest.read(path, key)

    @classmethod
    def write_manifest(cls, path: Path, key: str, text: str) -> bool:
        from edgecnn.formats.onnx import manifest

        manifest.write(path, key, text)
        return True
