"""A fully convolutional .tflite file for another size of its images, weights unchanged.

Only sizes are rewritten: the shapes of activations, and the constant that a resizing operator takes
its size from. Quantization parameters stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.registry import require

SAME, VALID = 0, 1
"""Padding, as the schema numbers it."""


def write_resized(path: Path, out: Path, height: int, width: int) -> None:
    """Write the network in `path`, with one image (1, h, w, channels) as its input, for images of
    `height` × `width` pixels.

    Raises UnsupportedError, with the operator, for a network whose weights depend on the size or
    that has an operator whose output's size is not known here; MissingDependencyError.
    """
    require("flatbuffers", "convert")
    require("ai_edge_litert", "litert")
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(path.read_bytes()))
    if len(model.subgraphs) != 1 or len(model.subgraphs[0].inputs) != 1:
        raise UnsupportedError(f"{path.name}: not a network with one image as its input")
    _Sizes(model, path.name).follow(height, width)
    out.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


class _Sizes:
    """(height, width) of each activation, old and new, followed from the input to the outputs."""

    def __init__(self, model: Any, name: str) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._model, self._graph, self._name = model, model.subgraphs[0], name
        operators = schema.BuiltinOperator
        self._kinds = {getattr(operators, kind): kind for kind in vars(operators) if kind.isupper()}
        self._sizes: dict[int, tuple[int, int]] = {}

    def follow(self, height: int, width: int) -> None:
        image = self._graph.inputs[0]
        if len(self._shape(image)) != 4:
            raise UnsupportedError(
                f"{self._name}: its input is not an image (1, h, w, channels): {self._shape(image)}"
            )
        self._sizes[image] = (height, width)
        for operator in self._graph.operators:
            self._step(operator)
        for index, size in self._sizes.items():
            tensor = self._graph.tensors[index]
            shape = np.asarray(tensor.shape, np.int32)
            tensor.shape = np.asarray([shape[0], *size, shape[3]], np.int32)
            if tensor.shapeSignature is not None and len(tensor.shapeSignature) == 4:
                tensor.shapeSignature = np.asarray(
                    [tensor.shapeSignature[0], *size, shape[3]], np.int32
                )

    def _step(self, operator: Any) -> None:
        code = self._model.operatorCodes[operator.opcodeIndex]
        kind = self._kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        moving = [index for index in operator.inputs if index in self._sizes]
        if not moving:
            return  # a constant that is unpacked
        new = {self._sizes[index] for index in moving}
        if len(new) != 1 or any(len(self._shape(index)) != 4 for index in operator.outputs):
            raise self._refused(kind)
        size = next(iter(new))
        old = self._old(moving[0])
        if kind in _POINTWISE or (kind == "CONCATENATION" and _axis(operator) in (3, -1)):
            still = [each for each in operator.inputs if each >= 0 and each not in self._sizes]
            if any(side > 1 for index in still for side in self._shape(index)[-3:-1]):
                raise self._refused(f"a constant map of {kind}")
            after = size
        elif kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel = self._shape(operator.inputs[1])[1:3]
            after = _strided(operator.builtinOptions, kernel, size)
        elif kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            options = operator.builtinOptions
            after = _strided(options, (options.filterHeight, options.filterWidth), size)
        elif kind in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"):
            target = self._old(operator.outputs[0])
            scaled = [new * wanted for new, wanted in zip(size, target, strict=True)]
            if any(value % side for value, side in zip(scaled, old, strict=True)):
                raise self._refused(kind)
            after = (scaled[0] // old[0], scaled[1] // old[1])
            self._give_constant(operator.inputs[1], after)
        else:
            raise self._refused(kind)
        for index in operator.outputs:
            self._sizes[index] = after

    def _give_constant(self, index: int, values: Sequence[int]) -> None:
        """A constant of its own for a tensor: buffers are shared."""
        from ai_edge_litert import schema_py_generated as schema

        data = np.asarray(values, np.int32).view(np.uint8)
        operators = [one for one in self._graph.operators if index in one.inputs]
        tensor = self._graph.tensors[index]
        if len(operators) > 1 and bytes(self._model.buffers[tensor.buffer].data) != bytes(data):
            known = {tuple(self._sizes.get(one.outputs[0], values)) for one in operators}
            if len(known) > 1:
                raise self._refused("RESIZE of several maps by one constant")
        self._model.buffers.append(schema.BufferT())
        self._model.buffers[-1].data = data
        tensor.buffer = len(self._model.buffers) - 1

    def _shape(self, index: int) -> tuple[int, ...]:
        shape = self._graph.tensors[index].shape
        return () if shape is None else tuple(int(size) for size in shape)

    def _old(self, index: int) -> tuple[int, int]:
        _, height, width, _ = self._shape(index)
        return height, width

    def _refused(self, kind: str) -> UnsupportedError:
        return UnsupportedError(
            f"{self._name} cannot be given another input size: {kind} depends on it",
            hint="convert it from its .keras file at that size",
        )


_POINTWISE = frozenset(
    (
        *("ADD", "SUB", "MUL", "DIV", "MINIMUM", "MAXIMUM", "ABS", "EXP", "CAST"),
        *("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "PRELU", "ELU", "GELU", "TANH"),
        *("LOGISTIC", "HARD_SWISH", "QUANTIZE", "DEQUANTIZE"),
    )
)
"""Operators whose output has the size of their inputs."""


def _axis(operator: Any) -> int:
    return int(operator.builtinOptions.axis)


def _strided(options: Any, kernel: Sequence[int], size: tuple[int, int]) -> tuple[int, int]:
    """Size behind a window that moves in strides."""
    strides = (options.strideH, options.strideW)
    dilations = (
        getattr(options, "dilationHFactor", 1) or 1,
        getattr(options, "dilationWFactor", 1) or 1,
    )
    sizes = []
    for side, taps, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        reach = (taps - 1) * dilation if options.padding == VALID else 0
        sizes.append(-(-(side - reach) // stride))
    return sizes[0], sizes[1]
