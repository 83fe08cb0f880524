"""Inputs and outputs of a model, as its file declares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Dimension = int | str | None
"""A size, or a name or None where the model leaves the dimension open."""


@dataclass(frozen=True)
class Value:
    """An input or output. `shape` is None when its rank is open; `dtype` is numpy's name, or
    words for what is not a tensor. Integers may have a scale: real = (stored − zero_point) × scale.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None
    scale: float | None = None
    zero_point: int | None = None
    inside: tuple[str, ...] = ()
    """What holds the value's tensors where it is not one itself, outermost first: "sequence",
    "optional", "map"."""
    element: Value | None = None
    """One of these tensors."""


@dataclass(frozen=True)
class Signature:
    """What goes into a graph, what comes out, and how often each operator stands in it."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: Mapping[str, int] = field(default_factory=dict)
    channels_last: bool = False
    """The format keeps channels last; otherwise where they stand is judged by the sizes."""
    open_ranks_are_scalars: bool = False
    """An input that does not say its rank runs as a scalar in the format's own runtime."""
    batched: bool = False
    """The format has a batch axis in every input; otherwise the shapes decide."""
    dtypes: frozenset[str] = frozenset()
    """Those of all tensors, weights included, where the file lists them."""
    kernels: frozenset[tuple[int, ...]] = frozenset()
    """Sizes of the windows of convolutions, where their nodes say."""
    producers: Mapping[str, str] = field(default_factory=dict)
    """The operator that makes each output, as in "ZipMap (ai.onnx.ml)"."""
    ir_version: int | None = None
    opsets: Mapping[str, int] = field(default_factory=dict)
    """Version of each set of operators, by its domain (of ONNX)."""

    @property
    def versions(self) -> str:
        """As in "IR 8, opset 17, ai.onnx.ml 3"."""
        sets = [
            f"opset {version}" if domain == "ai.onnx" else f"{domain} {version}"
            for domain, version in sorted(
                self.opsets.items(), key=lambda each: each[0] != "ai.onnx"
            )
        ]
        return ", ".join([f"IR {self.ir_version or '?'}", *sets])
