"""ONNX: a protocol buffer; weights may lie in other files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from edgecnn.formats.readers import ModularFormat


class ONNX(ModularFormat):
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
