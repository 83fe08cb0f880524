"""Declared inputs and outputs of a model before compilation, with fixed shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from edgecnn.errors import EdgeCNNError
from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Dimension, Signature, Value
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.shapes import (
    assumed_sizes,
    check_dtype,
    check_outputs,
    fix_shapes,
    is_numeric,
    is_open,
)
from edgecnn.runtimes.tensors import guess_layout, name_axes
from edgecnn.tensor_spec import TensorSpec

Shape = tuple[int | None, ...]

_SIDES = {"h", "w", "height", "width", "img_height", "img_width", "image_height", "image_width"}
_LOOKING = {
    *("Conv", "ConvInteger", "QLinearConv", "CONV_2D", "DEPTHWISE_CONV_2D"),
    *("Convolution", "ConvolutionDepthWise", "ConvolutionDepthwise"),
    *("Conv2D", "DepthwiseConv2D", "SeparableConv2D"),
}
"""Operators that look at neighborhoods of an image."""
_LEAST_SIDE = 8
"""Pixels: a shorter axis is not a side of an image."""


def fixed_inputs(signature: Signature, options: RuntimeOptions) -> tuple[TensorSpec, ...]:
    """The inputs with the batch in place of an open first dimension, and `options.shape` in place
    of other open ones.

    What nobody gives is 1 (see `shapes.fix_shapes`, and `assumptions` for what to say of it).
    Raises InputError for an image without sizes and for another batch, UnsupportedError for text.
    """
    for value in signature.inputs:
        check_dtype(value.name, value.dtype)
    return tuple(
        _spec(signature, value, shape)
        for value, shape in zip(signature.inputs, _fixed(signature, options), strict=True)
    )


def missing_sizes(path: Path, options: RuntimeOptions) -> str:
    """What to do about a file that did not run, where sizes that it leaves open were taken as 1;
    empty where none was, or where the file itself is wrong.
    """
    try:
        signature = read_signature(path)
        declared, fixed = _declared(signature), _fixed(signature, options)
    except EdgeCNNError:
        return ""
    sizes = assumed_sizes(declared, fixed, options.shape)
    return (
        f"sizes that the model leaves open were taken as 1 ({'; '.join(sizes)}): give them "
        "with --shape"
        if sizes
        else ""
    )


def fixed_batch(signature: Signature) -> int | None:
    """The number of samples that every inference takes, where the file fixes one above 1.

    None for a model whose first axis is open or 1, and for one without a batch axis: a first
    axis counts samples when all inputs and all outputs share it, and when what is left is no
    image without its color or its batch.
    """
    inputs = [value.shape for value in signature.inputs if value.shape is None or value.shape]
    outputs = [value.shape for value in signature.outputs]
    if not inputs or (not signature.batched and any(len(shape or ()) < 2 for shape in inputs)):
        return None
    every = inputs if signature.batched else [*inputs, *outputs]
    firsts = {shape[0] if shape else None for shape in every}
    (first,) = firsts if len(firsts) == 1 else (None,)
    if not isinstance(first, int) or first < 2:
        return None
    if not signature.batched and any(_is_one_image(shape or ()) for shape in inputs):
        return None
    return first


def samples_of(path: Path, batch: int) -> int:
    """How many samples one inference takes where `batch` is asked for: a file that fixes a batch
    above 1 takes that where nobody asks for more than one.
    """
    if batch != 1:
        return batch
    try:
        return fixed_batch(read_signature(path)) or batch
    except EdgeCNNError:  # the row will say what is wrong with the file
        return batch


def has_batch_axis(path: Path) -> bool:
    """Whether some input of a model file counts samples; True where the file does not say."""
    try:
        signature = read_signature(path)
        fixed = _fixed(signature, RuntimeOptions())
    except EdgeCNNError:
        return True
    return fixed_batch(signature) is not None or _has_batch(signature, fixed)


def assumptions(signature: Signature, options: RuntimeOptions) -> list[str]:
    """What a row must say of the shapes that a model ran with, in sentences."""
    declared = _declared(signature)
    fixed = _fixed(signature, options)
    said = []
    if not declared:
        said.append("the model takes no input: every inference computes the same")
    said += [
        f"input {value.name!r} is {value.dtype}: it held one"
        for value in signature.inputs
        if value.element is not None
    ]
    if open_sizes := assumed_sizes(declared, fixed, options.shape):
        said.append(
            f"sizes that the model leaves open were taken as 1: {'; '.join(open_sizes)}; "
            "pass them with --shape"
        )
    if (batch := fixed_batch(signature)) is not None:
        said.append(
            f"the file fixes the batch at {batch}: one inference answers {batch} samples, latency "
            "is that of all together"
        )
    elif declared and not _has_batch(signature, fixed):
        sample = ", ".join(
            f"{name} ({', '.join(map(str, shape))})"
            for (name, _), shape in zip(declared, fixed, strict=True)
        )
        said.append(f"the file shows no batch axis: one inference counts as one sample, {sample}")
    return said


def _fixed(signature: Signature, options: RuntimeOptions) -> list[tuple[int, ...]]:
    images = {
        value.name: axis
        for value in signature.inputs
        if (axis := _channels_of_image(signature, value)) is not None
    }
    return fix_shapes(_declared(signature), options.batch, options.shape, images=images)


def _declared(signature: Signature) -> list[tuple[str, tuple[Dimension, ...] | None]]:
    tensors = [value.element or value for value in signature.inputs]
    return [(tensor.name, tensor.shape) for tensor in tensors]


def _has_batch(signature: Signature, fixed: Sequence[Sequence[int]]) -> bool:
    """Whether some input has a first axis that is open in the file, or one sample long."""
    return signature.batched or any(
        tuple(shape[:1]) == (1,) or bool(value.shape and is_open(value.shape[0]))
        for value, shape in zip(signature.inputs, fixed, strict=True)
    )


def _channels_of_image(signature: Signature, value: Value) -> int | None:
    """The axis of the channels of an input that takes images and leaves a side of them (or all
    axes) open; None for any other. Recognized by its channels, the names of its axes, and the
    operators behind it.
    """
    shape = value.shape
    looks = not _LOOKING.isdisjoint(signature.operators)
    if shape is None and value.element is None:
        asked = looks or not signature.open_ranks_are_scalars
        return (3 if signature.channels_last else 1) if asked else None
    if shape is None or len(shape) != 4 or not value.dtype.startswith(("float", "uint8", "int8")):
        return None
    last = signature.channels_last or shape[3] in (1, 3, 4)
    channels, sides = (shape[3], shape[1:3]) if last else (shape[1], shape[2:])
    if not any(is_open(size) for size in sides):
        return None
    named = any(isinstance(size, str) and size.lower() in _SIDES for size in sides)
    return (3 if last else 1) if channels == 3 or named or looks else None


def _is_one_image(shape: Sequence[Dimension]) -> bool:
    """(height, width, channels) or (channels, height, width)."""
    if len(shape) != 3:
        return False
    sizes = [size if isinstance(size, int) else 0 for size in shape]
    return (sizes[2] in (1, 3, 4) and min(sizes[:2]) >= _LEAST_SIDE) or (
        sizes[0] in (1, 3, 4) and min(sizes[1:]) >= _LEAST_SIDE
    )


def declared_inputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The inputs, open dimensions None."""
    return _specs(signature, signature.inputs)


def declared_outputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The outputs, open dimensions None (a value of open rank has no dimensions).

    Raises UnsupportedError for an output that is not a tensor of numbers.
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
            tuple(_size(size) for size in value.shape or ()),
        )
        for value in values
    )


def _size(dimension: Dimension) -> int | None:
    return dimension if isinstance(dimension, int) and dimension >= 0 else None


def _spec(signature: Signature, value: Value, shape: Shape) -> TensorSpec:
    axes = name_axes(len(shape), value.dtype)
    layout = axes if signature.channels_last else guess_layout(shape, value.dtype)
    return TensorSpec(value.name, shape, value.dtype, layout, value.scale, value.zero_point)
