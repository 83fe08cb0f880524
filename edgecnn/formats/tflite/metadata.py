"""Metadata of .tflite files.

Ultralytics keeps a dictionary in a zip archive at the end of the file, TensorFlow's task library
files of labels; a graph that ends in the detection post-processing says which output is which.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from edgecnn.formats.metadata import (
    MAX_ENTRIES,
    MAX_NAMES,
    MAX_TEXT,
    ModelMetadata,
    class_names,
    literal,
    of_ultralytics,
)
from edgecnn.formats.tflite import schema

POSTPROCESS = "TFLite_Detection_PostProcess"
_PARTS = 4


def read(path: Path) -> ModelMetadata:
    """See `metadata.read_metadata`. Raises as readers do for a file that is not whole."""
    texts = _archived(path)
    made = of_ultralytics(_described(texts))
    if not made.names:
        made = replace(made, names=_label_file(texts))
    parts, scored = _postprocessing(path)
    return replace(made, parts=parts, scored_classes=scored)


def _archived(path: Path) -> dict[str, str]:
    """The texts in the zip archive that a `.tflite` file may end with, by their names."""
    texts: dict[str, str] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in islice(archive.infolist(), MAX_ENTRIES):
                if member.file_size > MAX_TEXT or member.is_dir():
                    continue
                with archive.open(member) as file:
                    texts[member.filename] = file.read(MAX_TEXT).decode("utf-8", "replace")
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,  # a compression that Python does not know
        RuntimeError,  # encrypted
    ):
        pass
    return texts


def _described(texts: Mapping[str, str]) -> dict[str, Any]:
    """The one text that is a dictionary: JSON, or what Python prints of one."""
    for text in texts.values():
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = literal(text)
        if isinstance(values, dict) and {"names", "stride", "task", "imgsz"} & set(values):
            return values
    return {}


def _label_file(texts: Mapping[str, str]) -> tuple[str, ...]:
    """The names in a file of labels, one a line, in an archive that has one such file."""
    files = [
        text
        for name, text in texts.items()
        if name.endswith(".txt") and not text.lstrip().startswith(("{", "["))
    ]
    if len(files) != 1:
        return ()
    return class_names(files[0].splitlines())


def _postprocessing(path: Path) -> tuple[tuple[int, ...], int | None]:
    """(places of boxes, classes, scores and count among the outputs, number of scored classes)."""
    with schema.opened(path) as model:
        codes = [
            code.text(schema.CODE_CUSTOM)
            for code in islice(model.tables(schema.MODEL_CODES), MAX_NAMES)
        ]
        graph = next(model.tables(schema.MODEL_SUBGRAPHS), None)
        if graph is None or POSTPROCESS not in codes:
            return (), None
        outputs = list(graph.integers(schema.GRAPH_OUTPUTS))
        for operator in graph.tables(schema.GRAPH_OPERATORS):
            number = operator.u32(schema.OPERATOR_CODE)
            if number >= len(codes) or codes[number] != POSTPROCESS:
                continue
            made, taken = (
                operator.integers(schema.OPERATOR_OUTPUTS),
                operator.integers(schema.OPERATOR_INPUTS),
            )
            if len(made) != _PARTS or len(outputs) != _PARTS or set(made) != set(outputs):
                return (), None
            tensors = list(graph.tables(schema.GRAPH_TENSORS))
            shape = tensors[taken[1]].integers(schema.TENSOR_SHAPE) if len(taken) > 1 else ()
            return tuple(outputs.index(one) for one in made), shape[-1] if shape else None
    return (), None
