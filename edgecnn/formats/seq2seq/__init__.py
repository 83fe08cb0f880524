"""Sequence models: a zip of two graphs of one format, an encoder and one step of a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange


class _Seq2Seq(Format):
    """What both have in common; `graphs` is the format of the graphs inside."""

    magic: ClassVar[tuple[tuple[bytes, int], ...]] = ((b"PK\x03\x04", 0),)

    @classmethod
    def holds(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        from edgecnn.formats.seq2seq import archive

        return archive.holds(path, cls.graphs)

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        from edgecnn.formats.seq2seq import archive

        archive.examine(path, cls.graphs)
        return ()

    @classmethod
    def recipe(cls, path: Path) -> str:
        from edgecnn.formats.seq2seq import archive

        return archive.read_spec(path).recipe

    @classmethod
    def read_manifest(cls, path: Path, key: str) -> bytes | None:
        from edgecnn.formats.seq2seq import archive

        return archive.read_text(path, f"{key}.json")

    @classmethod
    def write_manifest(cls, path: Path, key: str, text: str) -> bool:
        from edgecnn.formats.seq2seq import archive

        archive.write_text(path, f"{key}.json", text)
        return True


class TFLiteSeq2Seq(_Seq2Seq):
    """A .tflite-seq2seq file: encoder.tflite, step.tflite and their vocabulary."""

    name: ClassVar[str] = "tflite-seq2seq"
    title: ClassVar[str] = "a sequence model of TFLite graphs"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite-seq2seq",)
    runtime: ClassVar[str] = "litert"
    graphs: ClassVar[str] = "tflite"


class ONNXSeq2Seq(_Seq2Seq):
    """An .onnx-seq2seq file: encoder.onnx, step.onnx and their vocabulary."""

    name: ClassVar[str] = "onnx-seq2seq"
    title: ClassVar[str] = "a sequence model of ONNX graphs"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx-seq2seq",)
    runtime: ClassVar[str] = "onnxruntime"
    graphs: ClassVar[str] = "onnx"
