"""Exporters between file formats in float32, one for each pair.

An exporter writes the float file that all recipes of its target format are quantized from.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.registry import lookup

if TYPE_CHECKING:
    from edgecnn.conversion.sources.files import FileSource


@dataclass(frozen=True)
class Exporter:
    """`tool` writes the float file, `packages` are those whose versions a manifest records; that
    of a tool with an isolated environment is recorded as well.

    `place` is the module with `write(source, path)` and, where something can be seen before any
    conversion, `check(source)`, which raises what speaks against it. It is empty where both formats
    are one: a source writes its own float file.
    """

    tool: str
    packages: tuple[str, ...]
    place: str = ""

    def write(self, source: FileSource, path: Path) -> None:
        """Write the float32 file.

        Raises InputError when the tool cannot take the model, UnsupportedError for what the
        format cannot express, MissingDependencyError without the tool.
        """
        if not self.place:
            source.write_float_graph(path)
            return
        write: Callable[[FileSource, Path], None] = importlib.import_module(self.place).write
        write(source, path)

    def check(self, source: FileSource) -> None:
        """Raise what speaks against a conversion; takes milliseconds."""
        if not self.place:
            return
        check: Callable[[FileSource], None] | None
        check = getattr(importlib.import_module(self.place), "check", None)
        if check is not None:
            check(source)


_QUANTIZE_TFLITE = ("litert-quantizer", "ai-edge-litert")
_QUANTIZE_ONNX = ("onnx", "onnxruntime")

EXPORTERS: Mapping[str, Mapping[str, Exporter]] = {
    "onnx": {
        "onnx": Exporter("onnx", _QUANTIZE_ONNX),
        "tflite": Exporter(
            "onnx2tf", ("onnx", *_QUANTIZE_TFLITE), "edgecnn.conversion.exporters.onnx_to_tflite"
        ),
    },
    "tflite": {
        "tflite": Exporter("ai-edge-litert", _QUANTIZE_TFLITE),
        "onnx": Exporter(
            "tf2onnx",
            ("tensorflow", "tf2onnx", *_QUANTIZE_ONNX),
            "edgecnn.conversion.exporters.tflite_to_onnx",
        ),
    },
}
"""By the format of the source, then by that of the target."""


def exporter(source_format: str, target_format: str) -> Exporter:
    """What leads from one format to the other. Raises InputError for an unknown format."""
    targets = lookup("format to convert", source_format, EXPORTERS)
    return lookup("format to convert to", target_format, targets)
