"""Inputs of a .keras file, read from its config.json; only Keras knows the outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecnn.formats.keras.config import listed, mapping, read_config
from edgecnn.formats.signature import Signature, Value


def read(path: Path) -> Signature | None:
    """See `Format.signature`. None for a model whose configuration names no inputs.

    Raises ValueError, KeyError or OSError for a file that is not whole.
    """
    config = mapping(read_config(path))
    layers = [mapping(layer) for layer in listed(mapping(config.get("config")).get("layers"))]
    inputs = tuple(_inputs(layers))
    if not inputs:
        return None
    kinds = Counter(str(layer.get("class_name")) for layer in layers)
    return Signature(inputs, (), kinds, batched=True)


def _inputs(layers: list[Mapping[str, Any]]) -> Iterator[Value]:
    for layer in layers:
        settings = mapping(layer.get("config"))
        shape = settings.get("batch_shape", settings.get("batch_input_shape"))
        if layer.get("class_name") != "InputLayer" or not isinstance(shape, list):
            continue
        sizes = tuple(size if type(size) is int else None for size in shape)
        yield Value(str(settings.get("name")), _dtype(settings.get("dtype")), sizes)


def _dtype(declared: Any) -> str:
    """A name, or a policy that has one."""
    if isinstance(declared, dict):
        declared = mapping(declared.get("config")).get("name")
    return declared if isinstance(declared, str) else "float32"
