"""What a runtime knows of a model before it compiles it: inputs of fixed shapes, and outputs."""

from __future__ import annotations

from collections.abc import Iterable

from edgecnn.formats.signature import Signature, Value
from edgecnn.manifest import TensorSpec
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.shapes import check_dtype, check_outputs, fix_shapes, is_numeric
from edgecnn.runtimes.tensors import guess_layout, name_axes

Shape = tuple[int | None, ...]


def fixed_inputs(signature: Signature, options: RuntimeOptions) -> tuple[TensorSpec, ...]:
    """The inputs with the batch in place of an open first dimension, and `options.shape` in place
    of other open ones.

    Raises InputError for a dimension that stays open or another batch, UnsupportedError for
    text.
    """
    for value in signature.inputs:
        check_dtype(value.name, value.dtype)
    declared = [(value.name, value.shape) for value in signature.inputs]
    shapes = fix_shapes(declared, options.batch, options.shape)
    return tuple(
        _spec(signature, value, shape)
        for value, shape in zip(signature.inputs, shapes, strict=True)
    )


def declared_inputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The inputs, open dimensions None."""
    return _specs(signature, signature.inputs)


def declared_outputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The outputs, open dimensions None (a value of open rank has no dimensions).

    Raises UnsupportedError for an output that is no tensor of numbers.
    """
    check_outputs([(value.name, value.dtype) for value in signature.outputs], signature.producers)
    return _specs(signature, signature.outputs)


def numeric_outputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The outputs that are tensors of numbers, as `declared_outputs`; others are left out."""
    return _specs(signature, (each for each in signature.outputs if is_numeric(each.dtype)))


def _specs(signature: Signature, values: Iterable[Value]) -> tuple[TensorSpec, ...]:
    return tuple(
        _spec(
            signature,
            value,
            tuple(size if isinstance(size, int) else None for size in value.shape or ()),
        )
        for value in values
    )


def _spec(signature: Signature, value: Value, shape: Shape) -> TensorSpec:
    axes = name_axes(len(shape), value.dtype)
    layout = axes if signature.channels_last else guess_layout(shape, value.dtype)
    return TensorSpec(value.name, shape, value.dtype, layout, value.scale, value.zero_point)
